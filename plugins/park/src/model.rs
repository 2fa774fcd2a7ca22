//! What exists: a park, and an enterprise's place in it.

use sdk::prelude::*;

use crate::permissions;

/// 园区. Its own district's park, with what it is good at.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "parks", title = name, shard = reference, read = permissions::READ)]
pub(crate) struct Park {
    /// 园区名称.
    #[field(max = 60, list, search, unique)]
    pub(crate) name: String,
    /// 所属区.
    #[field(format = "region")]
    pub(crate) region: String,
    /// 区名.
    #[field(max = 20, list)]
    pub(crate) region_name: String,
    /// 地址.
    #[field(max = 120)]
    pub(crate) address: String,
    /// 主导产业.
    #[field(json)]
    pub(crate) industries: Vec<String>,
    /// 运营单位.
    #[field(max = 60)]
    pub(crate) operator: String,
    /// 联系电话. 园区对外公开的服务电话。
    #[field(max = 20)]
    pub(crate) hotline: String,
    /// 入驻企业数.
    #[field(min = 0, list)]
    pub(crate) tenants: i64,
    /// 简介.
    #[field(max = 500)]
    pub(crate) summary: String,
    /// 园区政策.
    #[field(max = 1000)]
    pub(crate) policies: String,
}

/// 入驻. One enterprise in one park.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "tenancies",
    title = enterprise_name,
    shard = subject,
    attested,
    suppress_below = 5,
    read = permissions::TENANTS,
    index(subject, park)
)]
pub(crate) struct Tenancy {
    /// 园区.
    #[field(frozen)]
    pub(crate) park: Id<Park>,
    /// 企业名称.
    #[field(max = 100, frozen, list)]
    pub(crate) enterprise_name: String,
    /// 入驻日期.
    #[field(frozen)]
    pub(crate) since: Date,
}

/// What the park shows of a product, from `market.products`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) institution_name: String,
    pub(crate) amount_max: Money,
    pub(crate) term_max: i64,
    pub(crate) rate_from: Decimal<4>,
    pub(crate) guarantee: String,
    pub(crate) features: String,
    pub(crate) tags: Vec<String>,
}

impl Product {
    pub(crate) const COLLECTION: &'static str = "market.products";
}
