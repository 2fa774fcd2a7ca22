//! Who may, by default.

sdk::permissions! {
    /// 查看金融产品.
    READ = "product.read": { "anyone": all };
    /// 管理本机构产品.
    MANAGE = "product.manage": { "bank.officer": organisation };
}
