//! What exists: an enterprise, under the id of its organisation.

use sdk::prelude::*;

use crate::permissions;

/// 企业. One enterprise with what the registry and it itself say.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "enterprises",
    title = name,
    shard = subject,
    audited,
    attested,
    suppress_below = 3,
    retention(purpose = "识别企业并与其联系，受理其融资业务"),
    read = permissions::READ,
    index(district, industry)
)]
pub(crate) struct Enterprise {
    /// 企业名称.
    #[field(max = 100, list, search)]
    pub(crate) name: String,
    /// 统一社会信用代码.
    #[field(format = "uscc", frozen, unique, list, search)]
    pub(crate) uscc: String,
    /// 所属区.
    #[field(format = "region", list)]
    pub(crate) region: String,
    /// 区名.
    #[field(max = 20)]
    pub(crate) region_name: String,
    /// 行业代码.
    #[field(format = "industry")]
    pub(crate) industry: String,
    /// 行业.
    #[field(max = 60, list)]
    pub(crate) industry_name: String,
    /// 法定代表人.
    #[field(max = 40, level = "L2", mask = "name", reveal = permissions::CONTACT)]
    pub(crate) legal_representative: String,
    /// 注册资本.
    #[field(min = 0)]
    pub(crate) registered_capital: Money,
    /// 登记状态.
    pub(crate) standing: Option<Standing>,
    /// 成立日期.
    pub(crate) established: Date,
    /// 从业人数.
    #[field(min = 0)]
    pub(crate) staff: i64,
    /// 登记数据日期. 市场监管局的登记信息截至这一天。
    pub(crate) as_of: Date,
    /// 联系人.
    #[field(max = 40, level = "L2", mask = "name", reveal = permissions::CONTACT)]
    pub(crate) contact: Option<String>,
    /// 联系电话.
    #[field(
        format = "phone",
        encrypted,
        level = "L3",
        mask = "phone",
        reveal = permissions::CONTACT
    )]
    pub(crate) phone: Option<String>,
}

/// 登记状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// 存续.
    #[choice(tone = "success")]
    Active,
    /// 吊销.
    #[choice(tone = "danger")]
    Revoked,
    /// 注销.
    Deregistered,
}

/// Where the kernel finds which enterprises there are.
pub(crate) fn parties() -> PartiesDef {
    PartiesDef {
        collection: Enterprise::COLLECTION.into(),
        code: Enterprise::USCC.name().into(),
        name: Enterprise::NAME.name().into(),
        status: Some(Enterprise::STANDING.name().into()),
        gone: [Standing::Revoked, Standing::Deregistered]
            .map(|s| s.value().to_owned())
            .to_vec(),
        roles: vec!["enterprise.owner".into()],
    }
}
