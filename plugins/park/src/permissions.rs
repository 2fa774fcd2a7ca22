//! Who may, by default. Parks are public; who is in them is not.

sdk::permissions! {
    /// 查看园区.
    READ = "park.read": { "anyone": all };
    /// 查看入驻企业.
    TENANTS = "tenancy.read": { "enterprise.owner": own };
}
