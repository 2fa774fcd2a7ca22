//! What exists: a letter, the items it can cover and the purposes it can name.

mod template;

use sdk::choice::Choice as _;
use sdk::prelude::*;

use crate::permissions;
pub(crate) use template::{Allowed, Category, Edition, Stage, Standing, Template, number};

/// 数据授权书. Consent of one enterprise for one recipient.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "letters",
    title = number,
    shard = subject,
    audited,
    attested,
    suppress_below = 5,
    keep_deleted = 90,
    retention(purpose = "证明对企业数据的每次使用经其授权", days = 1825, from = valid_to),
    read = permissions::READ,
    index(subject, status),
    index(organisation, created_at),
    index(status, valid_to)
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
    #[field(frozen)]
    pub(crate) purposes: Vec<Purpose>,
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
    /// 模版. 模版版本的编号；早于模版的授权书没有。
    #[field(frozen)]
    pub(crate) template: Option<Id<Edition>>,
    /// 模版名称.
    #[field(max = 60, frozen)]
    pub(crate) template_name: Option<String>,
    /// 模版版次.
    #[field(frozen)]
    pub(crate) template_version: Option<i64>,
    /// 模版摘要. SM3，十六进制。
    #[field(max = 64, frozen)]
    pub(crate) template_digest: Option<String>,
    /// 单独同意提供的敏感数据项. 共享目录的项目编号。
    #[field(json, frozen)]
    pub(crate) separate_items: Option<Vec<String>>,
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

/// 用途. What an institution reads the data for.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// 贷前审查.
    #[choice(value = "01")]
    Review,
    /// 授信审批.
    #[choice(value = "02")]
    Approval,
    /// 贷后管理.
    #[choice(value = "03")]
    Monitoring,
    /// 一键测额.
    #[choice(value = "04")]
    Estimate,
}

/// 授权书使用记录. One read under a letter, which the platform writes with the read itself.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "uses",
    title = certificate,
    shard = subject,
    audited,
    attested,
    suppress_below = 5,
    keep_deleted = 90,
    retention(purpose = "证明对企业数据的每次使用经其授权", days = 2190, from = created_at),
    read = permissions::READ,
    index(letter),
    index(organisation, created_at)
)]
pub(crate) struct Use {
    /// 授权书.
    #[field(frozen)]
    pub(crate) letter: Id<Letter>,
    /// 使用机构.
    #[field(max = 64, frozen)]
    pub(crate) recipient: String,
    /// 用途代码.
    #[field(max = 8, frozen, list)]
    pub(crate) purpose: String,
    /// 数据项.
    #[field(json, frozen)]
    pub(crate) items: Vec<String>,
    /// 业务编号.
    #[field(max = 64, frozen)]
    pub(crate) reference: String,
    /// 评分证书.
    #[field(max = 64, frozen, list)]
    pub(crate) certificate: String,
    /// 使用时间.
    #[field(frozen, list)]
    pub(crate) used_at: Timestamp,
}

/// Tells the kernel that these letters decide who may read whose data.
pub(crate) fn disclosures() -> DisclosureDef {
    DisclosureDef {
        collection: Letter::COLLECTION.into(),
        usable: Status::Effective.value().into(),
        denials: [(Status::Revoked.value().to_owned(), "REVOKED".to_owned())].into(),
        template: Some(LetterTemplateDef {
            field: Letter::TEMPLATE.name().into(),
            collection: Edition::COLLECTION.into(),
            revoked: vec![Standing::Revoked.value().into()],
        }),
        uses: Some(Use::COLLECTION.into()),
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

impl Item {
    pub(crate) fn of(number: &str) -> Option<&'static Self> {
        ITEMS.iter().find(|item| item.number == number)
    }

    /// Whether providing it needs a consent of its own.
    pub(crate) fn sensitive(&self) -> bool {
        self.level >= "L3"
    }

    /// `25 纳税信用等级`
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.number, self.name)
    }
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

/// A purpose in words; its code where there is none.
pub(crate) fn purpose(code: &str) -> &str {
    match Purpose::of_value(code) {
        Some(known) => known.label(),
        None => code,
    }
}

/// What became of the release before: purposes of letters were free JSON, and are options that can be
/// asked by.
pub(crate) fn changes() -> Vec<ChangeDef> {
    vec![ChangeDef::Converted {
        collection: Letter::COLLECTION.into(),
        field: Letter::PURPOSES.name().into(),
        from: None,
        by: Conversion::Read,
        lossy: false,
    }]
}
