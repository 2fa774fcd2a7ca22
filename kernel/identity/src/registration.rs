//! People who register by themselves, and the terms that everybody accepts.
//!
//! Nothing here tells who has an account: the name somebody asks for gets four digits that the
//! platform chooses, so it is never taken. An address registers so many people and no more, and
//! passwords are hashed in the same bounded queue as those of sign-ins.

use kernel_crypto::{random, sm3};
use sdk_contract::call::Write;
use sdk_contract::scalar::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::AccountError;
use crate::error::{IdentityError, LoginError};
use crate::history::{Change, Deed, new_id};
use crate::invitations::is_login;
use crate::module::{ADMIN, MODULE, USERS};
use crate::password_rules;
use crate::people::User;
use crate::people::get;
use crate::principal::Principal;
use crate::session::{Origin, Sessions, object, update_of};

/// Tries at four digits that make a login nobody has.
const TRIES: u32 = 20;
/// Longest name that somebody asks for: with its digits it is a login.
const LONGEST: usize = 40;

/// The terms of a deployment that has none of its own.
const TERMS: [&str; 4] = [
    "本平台按最小必要原则收集登录名、姓名和手机号码，用于开立账号、核验身份和联系办理事项；手机号码加密保存，查看须说明理由并记录。",
    "账号由本人使用，不得出借。请妥善保管密码和第二重验证；发现被他人使用，请立即修改密码并联系本平台。",
    "以机构名义办理业务，须先通过主体认证；其他机构读取您的数据，须有您签署的授权书，您可以随时撤回。",
    "操作日志按网络安全等级保护的要求留存。您可以申请查询、更正个人信息或注销账号。",
];

/// Who may register, and to what they agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrationPolicy {
    /// Whether anybody may register.
    pub open: bool,
    /// How many people one network address registers within the throttle's window.
    pub per_address: i64,
    /// Version of the terms; it is kept with whoever agreed. People who agreed to another one, or to
    /// another text, are asked again.
    pub terms_version: String,
    /// The terms, a paragraph each; empty are [`TERMS`]. The digest of them is kept as well.
    pub terms: Vec<String>,
    /// Roles of whoever is certified to administer a party, beside those that the module names which
    /// knows the parties.
    pub certified_roles: Vec<String>,
}

impl Default for RegistrationPolicy {
    fn default() -> Self {
        Self {
            open: true,
            per_address: 10,
            terms_version: "2026-12".into(),
            terms: Vec::new(),
            certified_roles: vec![ADMIN.into()],
        }
    }
}

/// Somebody who registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomer<'a> {
    /// What the login begins with.
    pub wish: &'a str,
    pub name: &'a str,
    pub phone: &'a str,
    pub password: &'a str,
}

/// An account that is opened, and the writes that open it.
#[derive(Debug)]
pub struct Opened {
    pub login: String,
    pub user: String,
    pub writes: Vec<Write>,
}

impl RegistrationPolicy {
    /// What people agree to, a paragraph each.
    pub fn paragraphs(&self) -> Vec<&str> {
        if self.terms.is_empty() {
            TERMS.to_vec()
        } else {
            self.terms.iter().map(String::as_str).collect()
        }
    }

    /// SM3 of what people agree to, hex.
    pub fn digest(&self) -> String {
        sm3::digest(self.paragraphs().join("\n").as_bytes()).to_string()
    }

    /// What an account keeps of its person's agreeing now.
    pub fn acceptance(&self, now: i64) -> Map<String, Value> {
        object(json!({
            "terms_version": self.terms_version,
            "terms_digest": self.digest(),
            "terms_at": Timestamp(now),
        }))
    }

    /// As the history tells it.
    fn about(&self) -> String {
        format!("同意协议 {} 版，摘要 {}", self.terms_version, self.digest())
    }

    /// Whether somebody agreed to the terms as they are now.
    pub(crate) fn accepted_by(&self, user: &User) -> bool {
        user.terms.as_ref().is_some_and(|(version, digest)| {
            *version == self.terms_version && *digest == self.digest()
        })
    }
}

impl Sessions {
    pub fn registration(&self) -> &RegistrationPolicy {
        &self.inner.policy.registration
    }

    /// Opens an account without roles and posts.
    pub async fn register(
        &self,
        who: Newcomer<'_>,
        origin: Origin<'_>,
    ) -> Result<Opened, AccountError> {
        let policy = self.registration();
        if !policy.open {
            return Err(AccountError::Closed);
        }
        let wish = who.wish.trim();
        if !is_login(wish) || wish.len() > LONGEST {
            return Err(AccountError::BadLogin);
        }
        password_rules::check(self.inner.policy.password, false, wish, who.password)
            .map_err(AccountError::Weak)?;
        let key = format!("register:{}", origin.ip);
        match self.count(&[(key, policy.per_address)], origin).await {
            Ok(()) => {}
            Err(LoginError::Locked { retry_after }) => {
                return Err(AccountError::Locked { retry_after });
            }
            Err(LoginError::Failed(error)) => return Err(error.into()),
            Err(_) => return Err(AccountError::Closed),
        }
        let Ok(_turn) = self.inner.queue.turn(origin.ip).await else {
            return Err(AccountError::Busy);
        };
        let login = self.free_login(wish).await?;
        let id = new_id(origin.now)?;
        let by = Principal {
            name: who.name.to_owned(),
            ..Principal::module(MODULE, origin.request)
        };
        let deed = Deed {
            by: &by,
            now: origin.now,
            reason: "自助注册",
            approved_by: None,
        };
        let mut values = object(json!({
            "name": who.name,
            "login": login,
            "roles": [],
            "active": true,
            "password": self.hash(who.password).await?,
            "password_at": Timestamp(origin.now),
            "phone": who.phone,
        }));
        values.extend(policy.acceptance(origin.now));
        let opened = Write::Insert {
            collection: USERS.into(),
            id: id.clone(),
            subject: None,
            organisation: None,
            district: None,
            values,
        };
        let change = deed.record(&Change {
            what: "user.register",
            object: &id,
            title: who.name.to_owned(),
            person: Some(&id),
            after: json!({ "about": policy.about() }),
            ..Change::default()
        })?;
        Ok(Opened {
            login,
            user: id,
            writes: vec![opened, change],
        })
    }

    /// Keeps that somebody accepts the terms of this version, which must be those of now.
    pub async fn accept_terms(
        &self,
        caller: &Principal,
        version: &str,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let policy = self.registration();
        if version != policy.terms_version {
            return Err(AccountError::OtherTerms);
        }
        let user = caller.user.as_deref().unwrap_or_default();
        let record = get(&self.inner.store, USERS, user).await?;
        let user = User::read(&record.ok_or(AccountError::OtherTerms)?);
        let before = user.terms.as_ref().map(|(version, _)| version.as_str());
        let deed = Deed {
            by: caller,
            now: origin.now,
            reason: "本人同意",
            approved_by: None,
        };
        let change = deed.record(&Change {
            what: "user.accept-terms",
            object: &user.id,
            title: user.name.clone(),
            person: Some(&user.id),
            before: json!({ "about": before.map(|v| format!("同意协议 {v} 版")) }),
            after: json!({ "about": policy.about() }),
            ..Change::default()
        })?;
        let accepted = policy.acceptance(origin.now);
        let kept = update_of(USERS, &user.id, user.revision, accepted);
        Ok(vec![kept, change])
    }

    async fn free_login(&self, wish: &str) -> Result<String, IdentityError> {
        for _ in 0..TRIES {
            let mut two = [0; 2];
            random::fill(&mut two)?;
            let login = format!("{wish}-{:04}", u16::from_be_bytes(two) % 10_000);
            if User::by_login(&self.inner.store, &login).await?.is_none() {
                return Ok(login);
            }
        }
        Err(IdentityError::Stopped)
    }
}
