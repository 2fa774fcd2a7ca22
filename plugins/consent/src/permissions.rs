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
    /// 查看起草中的授权书模版.
    TEMPLATES = "template.read", "Read templates that are worked on": {
        "platform.operator": all, "platform.security": all, "platform.auditor": all
    };
    /// 起草授权书模版.
    DRAFT = "template.draft", "Draft templates": { "platform.operator": all };
    /// 发布授权书模版.
    PUBLISH = "template.publish", "Publish templates that somebody else drafted": {
        "platform.operator": all, "platform.security": all
    };
    /// 查看已发布的授权书模版.
    EDITIONS = "edition.read", "Read published templates": {
        "enterprise.owner": all, "bank.officer": all, "platform.operator": all,
        "platform.security": all, "platform.auditor": all
    };
    /// 停用授权书模版.
    WITHDRAW = "edition.withdraw", "Withdraw templates": {
        "platform.operator": all, "platform.security": all
    };
    /// 撤销授权书模版.
    REVOKE_TEMPLATE = "edition.revoke", "Revoke templates with all letters on them": {
        "platform.security": all
    };
}
