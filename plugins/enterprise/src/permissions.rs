//! Who may, by default. Banks are not here: an application carries what they need to know.

sdk::permissions! {
    /// 查看企业信息.
    READ = "enterprise.read": {
        "enterprise.owner": own, "government.official": all
    };
    /// 查看企业联系方式.
    CONTACT = "enterprise.contact": { "enterprise.owner": own };
    /// 修改企业联系方式.
    UPDATE = "enterprise.update": { "enterprise.owner": own };
}
