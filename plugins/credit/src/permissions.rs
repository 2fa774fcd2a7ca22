//! Who may, by default: a subject its own data, and nobody else.

sdk::permissions! {
    /// 查询本企业数据.
    READ = "tax-record.read": { "enterprise.owner": own };
}
