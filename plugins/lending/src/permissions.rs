//! Who may, by default. An application's row is owned by the bank it is addressed to.

sdk::permissions! {
    /// 查看贷款申请.
    READ = "application.read": {
        "enterprise.owner": own, "bank.officer": organisation,
        "platform.operator": all, "platform.auditor": all
    };
    /// 查看申请人联系方式.
    CONTACT = "application.contact": { "enterprise.owner": own, "bank.officer": organisation };
    /// 申请贷款.
    APPLY = "application.apply": { "enterprise.owner": own };
    /// 受理与退回申请.
    REVIEW = "application.review": { "bank.officer": organisation };
    /// 审批申请.
    DECIDE = "application.decide": { "bank.officer": organisation };
    /// 一键测额.
    ESTIMATE = "quota.estimate": { "enterprise.owner": own };
    /// 查看常用服务.
    SERVICES = "application.services": { "anyone": all };
}
