//! Why a change of organisations, posts or roles is not made. Pure.

use sdk_contract::def::Level;

use crate::error::IdentityError;

/// A rule that says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the organisation would come below itself")]
    Cycle,
    #[error("the tree would be deeper than {0} levels")]
    TooDeep(usize),
    #[error("the organisation is out of the caller's reach")]
    OutOfReach,
    #[error("organisations of different types do not stand under each other")]
    OtherType,
    #[error("a party that data is about has no organisations below it")]
    NothingBelow,
    #[error("neither a party that data is about nor an organisation of the platform is merged")]
    NeverMerged,
    #[error("the type of organisation is unknown")]
    UnknownType,
    #[error("the code is taken in this tree")]
    CodeTaken,
    #[error("another role of the organisation has the name")]
    TitleTaken,
    #[error("the organisation is closed")]
    Closed,
    #[error("there is something that is active below or in it")]
    InUse,
    #[error("programs act for it: {0}")]
    Connected(String),
    #[error("nothing would change")]
    Nothing,
    #[error("no such person within reach")]
    NoSuchPerson,
    #[error("the person holds that post already")]
    HeldAlready,
    #[error("the post has ended")]
    Ended,
    #[error("nobody changes what they may do themselves")]
    Oneself,
    #[error("the organisation may not hand out that role")]
    OverCeiling,
    #[error("the organisation may not hand out the roles {0}")]
    RolesOverCeiling(String),
    #[error("the permission {0} is not one that the organisation may hand out")]
    PermissionOverCeiling(String),
    #[error("a role here is cleared up to {} at most", .0.name())]
    ClearanceOverCeiling(Level),
    #[error("who decides is not cleared for {}", .0.name())]
    NotCleared(Level),
    #[error("the role excludes {0}, which the person holds")]
    Excluded(String),
    #[error("the last security administrator stays")]
    LastOne,
    #[error("nobody else looks after the organisation")]
    Needed,
    #[error("the person does not hold that role in this post")]
    NotHeld,
    #[error("a grant ends in the future")]
    PastDay,
    #[error("a role needs at least one permission")]
    NoPermission,
    #[error("who asked does not decide, nor who would gain")]
    NotAnother,
    #[error("somebody of the organisation of who asked decides")]
    NotColleague,
    #[error("who asked withdraws it, nobody else")]
    NotAsker,
    #[error("the request was not decided in time")]
    Expired,
    #[error("the same was asked for already")]
    AskedAlready,
    #[error("the login is somebody's, or somebody is invited with it")]
    LoginTaken,
    #[error("the login is not a login")]
    BadLogin,
    #[error("the invitation was used, ended or has expired")]
    InvitationGone,
    #[error("the person has left")]
    Left,
    #[error("the link was used, ended or has expired")]
    ResetGone,
    #[error("the person has no second factor")]
    NoFactor,
    #[error("the roles of the post are not those that were looked at")]
    RolesChanged,
}

impl Refusal {
    /// Stable; for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cycle => "organisation-cycle",
            Self::TooDeep(_) => "organisation-too-deep",
            Self::OutOfReach => "out-of-reach",
            Self::OtherType | Self::NothingBelow | Self::NeverMerged => "organisation-type",
            Self::UnknownType => "not-an-option",
            Self::CodeTaken | Self::TitleTaken | Self::LoginTaken => "taken",
            Self::Closed => "organisation-closed",
            Self::InUse | Self::Connected(_) => "organisation-in-use",
            Self::Nothing => "nothing-to-change",
            Self::NoSuchPerson => "no-such-person",
            Self::HeldAlready | Self::NotHeld | Self::RolesChanged => "role-state",
            Self::Ended => "post-ended",
            Self::Oneself => "own-access",
            Self::OverCeiling
            | Self::RolesOverCeiling(_)
            | Self::PermissionOverCeiling(_)
            | Self::ClearanceOverCeiling(_) => "over-ceiling",
            Self::NotCleared(_) => "clearance-needed",
            Self::Excluded(_) => "roles-exclude-each-other",
            Self::LastOne | Self::Needed => "last-administrator",
            Self::PastDay => "past-day",
            Self::NoPermission => "required",
            Self::NotAnother | Self::NotColleague => "second-person-needed",
            Self::NotAsker => "not-the-asker",
            Self::Expired => "request-expired",
            Self::AskedAlready => "asked-already",
            Self::BadLogin => "bad-value",
            Self::InvitationGone => "invitation-gone",
            Self::Left => "account-left",
            Self::ResetGone => "reset-gone",
            Self::NoFactor => "no-factor",
        }
    }

    /// The input that is at fault, where one is.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Cycle | Self::OutOfReach | Self::OtherType => Some("parent"),
            Self::UnknownType => Some("type"),
            Self::CodeTaken => Some("code"),
            Self::TitleTaken => Some("title"),
            Self::NoSuchPerson | Self::LoginTaken | Self::BadLogin => Some("login"),
            Self::PastDay => Some("last_day"),
            Self::NoPermission | Self::PermissionOverCeiling(_) => Some("permissions"),
            Self::ClearanceOverCeiling(_) => Some("clearance"),
            _ => None,
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::Cycle => "不能选择该机构自己或它的下级".into(),
            Self::TooDeep(most) => format!("机构层级最多 {most} 级，请改选更高一级的上级机构"),
            Self::OutOfReach => "所选机构不在您管理的范围内".into(),
            Self::OtherType => "只能选择同一类型的机构".into(),
            Self::NothingBelow => "企业主体不能下设机构".into(),
            Self::NeverMerged => "企业主体和平台自身的机构不能合并".into(),
            Self::UnknownType => "没有这种机构类型".into(),
            Self::CodeTaken => "本机构架构内已有相同的机构代码".into(),
            Self::TitleTaken => "本机构已有同名角色，请换一个名称".into(),
            Self::Closed => "该机构已停用，请先恢复".into(),
            Self::InUse => "该机构还有正常的下级机构或在任人员，请先调整后再停用".into(),
            Self::Connected(apps) => {
                format!("该机构还有接入的应用（{apps}），请先为目标机构另行登记，再注销它们")
            }
            Self::Nothing => "没有需要保存的改动".into(),
            Self::NoSuchPerson => {
                "在您管理的范围内没有这个登录名；外单位人员请由平台运营任命".into()
            }
            Self::HeldAlready => "该人员已经有这个岗位或角色".into(),
            Self::Ended => "该任职已结束，请刷新页面".into(),
            Self::Oneself => "不能变更自己的岗位与权限，请由另一位管理员办理".into(),
            Self::OverCeiling => "该角色超出本机构的权限上限".into(),
            Self::RolesOverCeiling(roles) => format!(
                "目标机构不能使用这些角色：{roles}。请先收回，或在目标机构（或其上级）另建后改授"
            ),
            Self::PermissionOverCeiling(name) => format!("“{name}”超出本机构的权限上限"),
            Self::ClearanceOverCeiling(most) => format!(
                "最高可设为 {}：不能高于本机构可授予的角色，也不能高于您自己的数据级别上限",
                most.name()
            ),
            Self::NotCleared(level) => {
                format!("须由数据级别上限达到 {} 的另一人复核", level.name())
            }
            Self::Excluded(other) => {
                format!("该角色与此人已有或正在申请的“{other}”互斥，不能同时担任")
            }
            Self::LastOne => "这是最后一位安全管理员，不能收回；请先授予另一人".into(),
            Self::Needed => "您是所在机构最后一位此类管理员，请先由另一人担任，再注销账号".into(),
            Self::NotHeld => "该岗位没有这个角色，可能已被收回，请刷新页面".into(),
            Self::PastDay => "有效期须晚于今天，且不超过五年".into(),
            Self::NoPermission => "请至少选择一项权限".into(),
            Self::NotAnother => "申请人和涉及人员不能复核，请由另一位管理员复核".into(),
            Self::NotColleague => "须由申请人所在机构（或其上级机构）的另一位管理员复核".into(),
            Self::NotAsker => "只有申请人可以撤回".into(),
            Self::Expired => "已过复核期限，请重新申请".into(),
            Self::AskedAlready => "同样的申请正在等待复核".into(),
            Self::LoginTaken => "该登录名已被使用，或已有待接受的邀请".into(),
            Self::BadLogin => "登录名为 3 至 64 个小写字母、数字、点、横线或下划线".into(),
            Self::InvitationGone => "邀请已使用、已作废或已过期，请联系邀请您的机构管理员".into(),
            Self::Left => "此人已离职，账号已停用".into(),
            Self::ResetGone => "链接已使用、已作废或已过期，请联系本机构管理员重新签发".into(),
            Self::NoFactor => "该账号没有启用第二重验证，用密码即可登录".into(),
            Self::RolesChanged => "该岗位的角色已有变更，请刷新页面核对后再确认".into(),
        }
    }
}

/// A change was refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Failed(#[from] IdentityError),
}

impl From<kernel_storage::QueryError> for ChangeError {
    fn from(error: kernel_storage::QueryError) -> Self {
        Self::Failed(error.into())
    }
}
