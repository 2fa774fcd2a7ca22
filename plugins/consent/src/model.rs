//! What exists: a letter, the items it can cover and the purposes it can name.

use sdk::prelude::*;

use crate::permissions;

/// 数据授权书. Consent of one enterprise for one recipient.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "letters",
    title = number,
    shard = subject,
    audited,
    suppress_below = 5,
    read = permissions::READ,
    index(subject, status),
    index(organisation, created_at)
)]
pub(crate) struct Letter {
    /// 授权书编号.
    #[field(max = 32, frozen, unique, list, search)]
    pub(crate) number: String,
    /// 授权企业.
    #[field(max = 100, frozen, list, search)]
    pub(crate) grantor_name: String,
    /// 被授权机构编号.
    #[field(max = 64, frozen)]
    pub(crate) recipient: String,
    /// 被授权机构.
    #[field(max = 60, frozen, list, search)]
    pub(crate) recipient_name: String,
    /// 数据项. 共享目录的项目编号。
    #[field(json, frozen)]
    pub(crate) items: Vec<String>,
    /// 用途. 用途代码。
    #[field(json, frozen)]
    pub(crate) purposes: Vec<String>,
    /// 生效日.
    #[field(frozen)]
    pub(crate) valid_from: Date,
    /// 到期日. 当日仍有效。
    #[field(frozen, list)]
    pub(crate) valid_to: Date,
    /// 使用次数上限. 空为不限。
    #[field(min = 1, frozen)]
    pub(crate) max_uses: Option<i64>,
    /// 已使用次数.
    #[field(min = 0)]
    pub(crate) uses: i64,
    /// 状态. 到期由日期判断。
    #[field(list)]
    pub(crate) status: Status,
    /// 授权书全文.
    #[field(max = 4000, frozen)]
    pub(crate) text: String,
    /// 全文摘要. SM3，十六进制。
    #[field(max = 64, frozen)]
    pub(crate) text_digest: String,
    /// 签署人.
    #[field(max = 40, frozen)]
    pub(crate) signed_by: String,
    /// 签署时间.
    #[field(frozen)]
    pub(crate) signed_at: Timestamp,
    /// 撤回时间.
    pub(crate) revoked_at: Option<Timestamp>,
    /// 撤回原因.
    #[field(max = 200)]
    pub(crate) reason: Option<String>,
}

/// 状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 已生效.
    #[choice(tone = "success")]
    Effective,
    /// 已撤回.
    #[choice(tone = "neutral")]
    Revoked,
}

/// Tells the kernel that these letters decide who may read whose data.
pub(crate) fn disclosures() -> DisclosureDef {
    DisclosureDef {
        collection: Letter::COLLECTION.into(),
        usable: Status::Effective.value().into(),
        denials: [(Status::Revoked.value().to_owned(), "REVOKED".to_owned())].into(),
    }
}

/// An item of the sharing catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) number: &'static str,
    pub(crate) name: &'static str,
    pub(crate) provider: &'static str,
    /// L1 public to L4 core.
    pub(crate) level: &'static str,
}

const fn item(
    number: &'static str,
    name: &'static str,
    provider: &'static str,
    level: &'static str,
) -> Item {
    Item {
        number,
        name,
        provider,
        level,
    }
}

/// The items that banks' models read today.
pub(crate) const ITEMS: [Item; 10] = [
    item("25", "纳税信用等级", "税务局", "L3"),
    item("26", "分税种纳税金额（36个月）", "税务局", "L3"),
    item("27", "增值税申报销售额", "税务局", "L3"),
    item("33", "参保人数", "人力资源社会保障局", "L3"),
    item("35", "社保欠费", "人力资源社会保障局", "L3"),
    item("57", "用电缴费", "供电企业", "L3"),
    item("59", "欠费停供记录", "供电、供水与燃气企业", "L3"),
    item("15", "失信被执行人", "高级人民法院", "L1"),
    item("16", "被执行人", "高级人民法院", "L1"),
    item("20", "行政处罚", "市信用中心", "L1"),
];

/// Code and words of a purpose.
pub(crate) const PURPOSES: [(&str, &str); 4] = [
    ("01", "贷前审查"),
    ("02", "授信审批"),
    ("03", "贷后管理"),
    ("04", "一键测额"),
];
