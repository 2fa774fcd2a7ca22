//! Who may, by default. An application's row is owned by the bank it is addressed to. What its
//! model made of the applicant is for that bank and the applicant alone: the platform's own people
//! see that there was a score, not the score (tender row 63).

sdk::permissions! {
    /// 查看贷款申请.
    READ = "application.read", "Read applications": {
        "enterprise.owner": own, "bank.officer": organisation,
        "platform.auditor": all
    };
    /// 查看联系人.
    CONTACT = "application.contact", "Read contact persons": { "enterprise.owner": own, "bank.officer": organisation };
    /// 查看自己的联系电话.
    PHONE = "application.phone", "Read one's own phone number": { "enterprise.owner": own };
    /// 说明理由后查看联系电话.
    CALL = "application.call", "Look at a phone number, for a reason": { "bank.officer": organisation };
    /// 查看信用评价结果.
    SCORE = "application.score", "Read scores": {
        "enterprise.owner": own, "bank.officer": organisation
    };
    /// 申请贷款.
    APPLY = "application.apply", "Apply for loans": { "enterprise.owner": own };
    /// 受理与退回申请.
    REVIEW = "application.review", "Accept and return applications": { "bank.officer": organisation };
    /// 审批申请.
    DECIDE = "application.decide", "Decide on applications": { "bank.officer": organisation };
    /// 一键测额.
    ESTIMATE = "quota.estimate", "Estimate a quota": { "enterprise.owner": own };
    /// 查看常用服务.
    SERVICES = "application.services", "See common services": { "anyone": all };
}
