//! What letters are made on: a template while it is worked on, and its published versions, of which
//! nothing changes any more but whether they may be used.

use sdk::prelude::*;

use crate::permissions;

/// 授权书模版. The working copy: what its next published version will say.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "templates",
    title = name,
    shard = aggregate,
    audited,
    attested,
    read = permissions::TEMPLATES,
    index(stage)
)]
pub(crate) struct Template {
    /// 模版代码.
    #[field(max = 16, frozen, unique, list, search)]
    pub(crate) code: String,
    /// 模版名称.
    #[field(max = 60, list, search)]
    pub(crate) name: String,
    /// 类别.
    #[field(list)]
    pub(crate) category: Category,
    /// 版次. 正在起草的，或最近发布的。
    #[field(min = 1, list)]
    pub(crate) version: i64,
    /// 可授权数据项. 共享目录的项目编号。
    #[field(json)]
    pub(crate) items: Vec<String>,
    /// 可授权用途与最长期限.
    #[field(max = 9)]
    pub(crate) purposes: Vec<Allowed>,
    /// 可用机构. 机构编号；空为市场上的全部金融机构。
    #[field(json)]
    pub(crate) recipients: Vec<String>,
    /// 文本.
    #[field(max = 3000)]
    pub(crate) text: String,
    /// 状态.
    #[field(list)]
    pub(crate) stage: Stage,
    /// 最近修改人. 用户编号。
    #[field(max = 64)]
    pub(crate) edited_by: String,
    /// 提交人. 用户编号。
    #[field(max = 64)]
    pub(crate) submitted_by: Option<String>,
    /// 提交人姓名.
    #[field(max = 64)]
    pub(crate) submitted_name: Option<String>,
    /// 退回原因.
    #[field(max = 200)]
    pub(crate) returned: Option<String>,
}

/// A purpose that letters may name, and for how long.
#[derive(Row, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// 用途.
    #[field(max = 2)]
    pub(crate) purpose: String,
    /// 最长期限（天）.
    #[field(min = 1, max = 365)]
    pub(crate) days: i64,
}

/// 类别.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    /// 企业.
    Enterprise,
    /// 个人.
    Person,
    /// 法定代表人个人征信.
    Representative,
    /// 批量.
    Batch,
}

/// 起草状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// 草稿.
    #[choice(tone = "neutral")]
    Draft,
    /// 待发布.
    #[choice(tone = "warning")]
    Submitted,
    /// 已发布.
    #[choice(tone = "success")]
    Published,
}

/// 授权书模版版本. As it was published.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "editions",
    title = number,
    shard = aggregate,
    audited,
    attested,
    read = permissions::EDITIONS,
    index(category, status),
    index(template)
)]
pub(crate) struct Edition {
    /// 版本编号.
    #[field(max = 24, frozen, unique, list, search)]
    pub(crate) number: String,
    /// 模版.
    #[field(frozen)]
    pub(crate) template: Id<Template>,
    /// 模版名称.
    #[field(max = 60, frozen, list, search)]
    pub(crate) name: String,
    /// 类别.
    #[field(frozen, list)]
    pub(crate) category: Category,
    /// 版次.
    #[field(min = 1, frozen, list)]
    pub(crate) version: i64,
    /// 可授权数据项. 共享目录的项目编号。
    #[field(json, frozen)]
    pub(crate) items: Vec<String>,
    /// 可授权用途与最长期限.
    #[field(max = 9, frozen)]
    pub(crate) purposes: Vec<Allowed>,
    /// 可用机构. 机构编号；空为市场上的全部金融机构。
    #[field(json, frozen)]
    pub(crate) recipients: Vec<String>,
    /// 文本.
    #[field(max = 3000, frozen)]
    pub(crate) text: String,
    /// 文本摘要. SM3，十六进制；发布时固定。
    #[field(max = 64, frozen)]
    pub(crate) text_digest: String,
    /// 提交人.
    #[field(max = 64, frozen)]
    pub(crate) submitted_name: String,
    /// 发布人.
    #[field(max = 64, frozen)]
    pub(crate) published_name: String,
    /// 发布时间.
    #[field(frozen)]
    pub(crate) published_at: Timestamp,
    /// 状态.
    #[field(list)]
    pub(crate) status: Standing,
    /// 被新版取代的时间.
    pub(crate) replaced_at: Option<Timestamp>,
    /// 停用或撤销的时间.
    pub(crate) ended_at: Option<Timestamp>,
    /// 停用或撤销的原因.
    #[field(max = 200)]
    pub(crate) reason: Option<String>,
}

/// 使用状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// 可使用.
    #[choice(tone = "success")]
    InForce,
    /// 已停用.
    #[choice(tone = "neutral")]
    Withdrawn,
    /// 已撤销.
    #[choice(tone = "danger")]
    Revoked,
}

impl Edition {
    /// As letters and people name it: 企业数据授权书（QY01 第 1 版）.
    pub(crate) fn title(&self) -> String {
        let code = self.number.rsplit_once('-').map_or("", |(code, _)| code);
        format!("{}（{code} 第 {} 版）", self.name, self.version)
    }
}

/// `QY01-1`.
pub(crate) fn number(code: &str, version: i64) -> String {
    format!("{code}-{version}")
}
