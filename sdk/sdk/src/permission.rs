//! Who may do what, by default.

use sdk_contract::def::{Label, PermissionDef, RoleGrant, RowScope};
use sdk_contract::notice::NoticeDraft;

/// A permission of the module; made by [`permissions!`](crate::permissions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// `<entity>.<verb>`
    pub name: &'static str,
    pub label: &'static str,
    pub en: &'static str,
    /// Roles (or `anyone`, `signed-in`) and the rows each reaches.
    pub grants: &'static [(&'static str, RowScope)],
}

impl Permission {
    pub fn def(&self) -> PermissionDef {
        let grant = |(role, scope): &(&str, RowScope)| RoleGrant {
            role: (*role).to_owned(),
            scope: *scope,
        };
        PermissionDef {
            name: self.name.to_owned(),
            label: Label::new(
                sentence(self.label),
                if self.en.is_empty() {
                    self.name
                } else {
                    self.en
                },
            ),
            grants: self.grants.iter().map(grant).collect(),
        }
    }

    /// A notice to those of an organisation's people who hold the permission.
    pub fn notice(&self, organisation: impl Into<String>, key: impl Into<String>) -> NoticeDraft {
        NoticeDraft {
            permission: Some(self.name.to_owned()),
            ..NoticeDraft::new(organisation, key)
        }
    }
}

/// A doc comment without outer blanks and its full stop.
fn sentence(doc: &str) -> &str {
    doc.trim().trim_end_matches(['.', '。'])
}

/// Declares the module's permissions as constants, and `ALL` of them.
///
/// ```
/// sdk::permissions! {
///     /// 查看申请.
///     READ = "application.read": { "enterprise.owner": own, "bank.officer": organisation };
///     /// 关闭平台申请通道.
///     CLOSE = "application.close", "Close applications": { "platform.operator": all };
/// }
/// # fn main() {
/// assert_eq!(ALL.len(), 2);
/// assert_eq!(READ.def().label.zh, "查看申请");
/// # }
/// ```
#[macro_export]
macro_rules! permissions {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $id:literal $(, $en:literal)?: { $($role:literal: $scope:ident),* $(,)? }
    );* $(;)?) => {
        $(
            $(#[doc = $doc])+
            pub const $name: $crate::permission::Permission = $crate::permission::Permission {
                name: $id,
                label: ::core::concat!($($doc),+),
                en: ::core::concat!("" $(, $en)?),
                grants: &[$(($role, $crate::__scope!($scope))),*],
            };
        )*
        /// All permissions, in declared order.
        pub const ALL: &[$crate::permission::Permission] = &[$($name),*];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __scope {
    (assigned) => {
        $crate::contract::def::RowScope::Assigned
    };
    (own) => {
        $crate::contract::def::RowScope::Own
    };
    (organisation) => {
        $crate::contract::def::RowScope::Organisation
    };
    (district) => {
        $crate::contract::def::RowScope::District
    };
    (all) => {
        $crate::contract::def::RowScope::All
    };
    ($other:ident) => {
        ::core::compile_error!("a scope is one of: assigned, own, organisation, district, all")
    };
}
