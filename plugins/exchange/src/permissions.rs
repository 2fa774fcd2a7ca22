//! Who may, by default. What is disputed, and what is claimed instead, is for whoever filed the dispute
//! and for the officer whose it is to check: the platform's people and everybody else at the source see
//! that there is a dispute, of which item, and how far it has come.

sdk::permissions! {
    /// 查看数据异议.
    READ = "dispute.read", "Read disputes": {
        "enterprise.owner": own, "source.officer": organisation, "source.lead": organisation,
        "platform.operator": all, "platform.auditor": all
    };
    /// 查看异议的内容.
    VALUES = "dispute.values", "Read what is disputed": {
        "enterprise.owner": own, "source.officer": assigned, "source.lead": assigned
    };
    /// 提出数据异议.
    FILE = "dispute.file", "File disputes": { "enterprise.owner": own };
    /// 标注与转办数据异议.
    MARK = "dispute.mark", "Mark disputes and pass them on": { "platform.operator": all };
    /// 核查与答复数据异议.
    CHECK = "dispute.check", "Check and answer disputes": {
        "source.officer": organisation, "source.lead": organisation
    };
    /// 督办逾期的数据异议.
    SUPERVISE = "dispute.supervise", "Supervise overdue disputes": {
        "source.lead": organisation, "platform.auditor": all
    };
    /// 查看异议办理台.
    DESK = "dispute.desk", "See the desk of disputes": {
        "source.officer": organisation, "source.lead": organisation,
        "platform.operator": all, "platform.auditor": all
    };
    /// 查看异议办理时限与日历.
    CALENDAR = "standard.read", "Read the calendar": { "signed-in": all };
    /// 维护异议办理时限与日历.
    KEEP = "standard.keep", "Keep the calendar": { "platform.operator": all };
}
