//! Who may, by default. A letter's row is owned by the recipient, so a bank sees those addressed
//! to it.

sdk::permissions! {
    /// 查看数据授权书.
    READ = "letter.read": {
        "enterprise.owner": own, "bank.officer": organisation,
        "platform.auditor": all
    };
    /// 签署数据授权书.
    SIGN = "letter.sign": { "enterprise.owner": own };
    /// 撤回数据授权书.
    REVOKE = "letter.revoke": { "enterprise.owner": own };
}
