//! Who is calling. Resolved once at the edge and carried through every layer.

use std::sync::Arc;

use sdk_contract::call::Caller;
use sdk_contract::def::Level;

use crate::composed::Composed;
use crate::duty::Duty;
use crate::posts::Post;

/// Role everybody has, signed in or not.
pub const ANYONE: &str = "anyone";
/// Role every signed-in user has.
pub const SIGNED_IN: &str = "signed-in";

/// A caller with everything access decisions need, so that deciding reads nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// User id; absent for an anonymous caller and for a module acting by itself.
    pub user: Option<String>,
    pub login: String,
    pub name: String,
    /// Declared roles held in the organisation acted for.
    pub roles: Vec<String>,
    /// What composed roles add to them there.
    pub composed: Arc<Composed>,
    /// Up to which level they see values whole that permissions show them.
    pub clearance: Level,
    /// Where the user may act; the organisation acted for is one of them.
    pub posts: Arc<[Post]>,
    /// The organisation the user acts for.
    pub organisation: Option<String>,
    pub organisation_name: String,
    /// What the organisation is, as its record says: `platform`, `government`, ….
    pub organisation_kind: String,
    /// The organisation and all below it.
    pub organisations: Vec<String>,
    /// The organisation's id when it is a party that data is about.
    pub subject: Option<String>,
    /// GB/T 2260 code.
    pub district: Option<String>,
    /// Id of the session record; not the token.
    pub session: Option<String>,
    /// What the caller must do before anything else.
    pub duty: Option<Duty>,
    /// When the first of the roles ends by itself, in microseconds since 1970.
    pub until: Option<i64>,
    /// Set when a module acts by itself (event handler, job) instead of a person.
    pub module: Option<String>,
    /// The platform's address as the caller sees it, without a path.
    pub address: String,
    /// Mark of the browser that asks, signed in or not; empty for programs.
    pub visit: String,
    pub locale: String,
    /// Joins logs, audit and answers.
    pub request: String,
    pub ip: String,
}

impl Principal {
    /// Nobody in particular: may do only what is granted to [`ANYONE`].
    pub fn anonymous() -> Self {
        Self {
            locale: "zh-CN".into(),
            ..Self::default()
        }
    }

    /// A module acting by itself: everything in its own collections, and elsewhere what any
    /// signed-in user may do.
    pub fn module(id: &str, request: &str) -> Self {
        Self {
            name: id.into(),
            module: Some(id.into()),
            locale: "zh-CN".into(),
            request: request.into(),
            ..Self::default()
        }
    }

    /// The same caller in another request.
    #[must_use]
    pub fn at(mut self, request: &str, ip: &str, locale: &str) -> Self {
        self.request = request.into();
        self.ip = ip.into();
        self.locale = locale.into();
        self
    }

    pub fn is_anonymous(&self) -> bool {
        self.user.is_none() && self.module.is_none()
    }

    pub fn has_role(&self, role: &str) -> bool {
        match role {
            ANYONE => true,
            SIGNED_IN => !self.is_anonymous(),
            _ => !self.is_anonymous() && self.roles.iter().any(|r| r == role),
        }
    }

    /// The caller as a guest sees it.
    pub fn caller(&self) -> Caller {
        Caller {
            user: self.user.clone(),
            name: self.name.clone(),
            roles: self.roles.clone(),
            subject: self.subject.clone(),
            organisation: self.organisation.clone(),
            organisation_name: self.organisation_name.clone(),
            district: self.district.clone(),
        }
    }
}
