//! Programs of other organisations that call the platform: who they are, what proves it, what they
//! may do, from where and how often.
//!
//! An app acts for one organisation with the roles it was given, through the same
//! [`decide`](crate::decide) as people. One person registers it or asks for a change, another
//! approves; before that nothing is in force. What is in force is kept sealed at its place, so that
//! a role, key or address written behind the platform's back does not open, and lets nobody in.

pub(crate) mod declare;
mod draft;

use std::net::IpAddr;

use kernel_crypto::ca::Shown;
use kernel_crypto::sm2::VerifyingKey;
use kernel_crypto::sm3::Digest32;
use kernel_storage::{Admission, AuditDraft, Call, CollectionName, Quota, RowFilter, Store};
use sdk_contract::scalar::{Date, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use declare::{APPS, MODULE, definition};
pub use draft::{Draft, change, register};

use crate::clearance::Clearances;
use crate::composed::Composed;
use crate::error::IdentityError;
use crate::module::ORGANISATIONS;
use crate::network::Network;
use crate::people::{below, get, optional, text};
use crate::principal::Principal;
use crate::session::Origin;
use crate::tree::{Node, SUBJECT};

/// A call may be signed this long before or after the platform's own time, in seconds.
pub const CLOCK_SECONDS: i64 = 300;
/// Hours for which the key before still holds, unless said otherwise.
pub const OVERLAP_HOURS: i64 = 72;

const MINUTE_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 86_400;
/// The day of a quota begins at midnight in Beijing.
const LOCAL_OFFSET_SECONDS: i64 = 8 * 3_600;

/// Where calls may come from, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    pub network: Network,
    /// First day, in Beijing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What an app may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    pub roles: Vec<String>,
    pub networks: Vec<Allowance>,
    /// Calls in one minute of the clock.
    pub per_minute: i64,
    /// Calls in one day, Beijing time.
    pub per_day: i64,
}

/// A certificate that an app's connections show, as it is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// SM3 of it in DER, in hex.
    pub digest: String,
    pub subject: String,
    /// Big-endian hex.
    pub serial: String,
    pub until: Timestamp,
}

/// The public keys that prove an app's calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// PEM.
    pub current: String,
    /// The one before, and the moment from which it holds no more.
    pub previous: Option<(String, Timestamp)>,
}

/// An app as registered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct App {
    pub id: String,
    pub revision: i64,
    pub name: String,
    pub organisation: Option<String>,
    /// `pending`, `active`, `suspended` or `closed`.
    pub status: String,
    pub keys: Keys,
    pub grant: Grant,
    /// One of these must have been shown where a call comes in; none is asked for where there are none.
    pub certificates: Vec<ClientCertificate>,
    /// What somebody asked to change.
    pub change: Option<Map<String, Value>>,
    /// Who registered it, or asked for the change that waits: a user id.
    pub asked_by: String,
}

/// Why a proven app is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotActive,
    Address,
    Certificate,
}

/// The registered apps. Cheap to clone.
#[derive(Clone)]
pub struct Apps {
    store: Store,
    clearances: Clearances,
}

/// A proven request that wants to be let in.
#[derive(Debug, Clone, Copy)]
pub struct Proven<'a> {
    pub app: &'a App,
    pub nonce: &'a str,
    /// When it was signed; microseconds since 1970.
    pub signed_at: i64,
    /// What it is: method and path.
    pub object: &'a str,
    pub digest: &'a str,
    /// Whether its answer is sealed.
    pub sealed: bool,
}

/// Outcomes of calls whose nonce was used, and whose quota is.
pub const REPLAYED: &str = "signature-replayed";
pub const EXHAUSTED: &str = "quota-exhausted";

impl Apps {
    pub fn new(store: Store, clearances: Clearances) -> Self {
        Self { store, clearances }
    }

    /// The app of an id, as it stands now: a suspension holds from the next call on, on every node.
    pub async fn find(&self, id: &str) -> Result<Option<App>, IdentityError> {
        let name = CollectionName::new(MODULE, APPS);
        let found = self.store.get(&name, id, &RowFilter::All).await?;
        Ok(found.as_ref().map(App::read))
    }

    /// The app as a caller.
    pub async fn principal(
        &self,
        app: &App,
        origin: Origin<'_>,
    ) -> Result<Principal, IdentityError> {
        let own = match &app.organisation {
            Some(id) => get(&self.store, ORGANISATIONS, id).await?,
            None => None,
        };
        // An organisation that is closed has nobody act for it.
        let own = own.as_ref().map(Node::read).filter(|n| !n.closed);
        let mut principal = Principal {
            user: Some(app.id.clone()),
            name: app.name.clone(),
            ..Principal::anonymous()
        };
        if let Some(own) = own {
            let under = below(&self.store, &own.id).await?;
            principal.organisations = std::iter::once(own.id.clone())
                .chain(under.iter().map(|o| text(o, "id")))
                .collect();
            principal.subject = Some(own.id.clone()).filter(|_| own.kind == SUBJECT);
            principal.roles.clone_from(&app.grant.roles);
            principal.clearance = self.clearances.held(&app.grant.roles, &Composed::default());
            principal.organisation_name = own.name;
            principal.organisation_kind = own.kind;
            principal.district = own.region;
            principal.organisation = Some(own.id);
        }
        Ok(principal.at(origin.request, origin.ip, origin.locale))
    }

    /// Takes the nonce, counts the call and records it, together; or records why not.
    pub async fn admit(
        &self,
        call: Proven<'_>,
        origin: Origin<'_>,
    ) -> Result<Admission, IdentityError> {
        let Proven { app, .. } = call;
        let quotas = vec![
            quota(MINUTE_SECONDS, 0, app.grant.per_minute, origin.now),
            quota(
                DAY_SECONDS,
                LOCAL_OFFSET_SECONDS,
                app.grant.per_day,
                origin.now,
            ),
        ];
        // Twice as long as the call can be taken by this node: another's clock may be behind.
        let ends = Timestamp(call.signed_at).plus_seconds(2 * CLOCK_SECONDS);
        let detail = json!({ "digest": call.digest, "nonce": call.nonce, "sealed": call.sealed });
        let admission = self.store.admit(Call {
            app: app.id.clone(),
            nonce: call.nonce.to_owned(),
            nonce_ends_at: ends.micros(),
            at: origin.now,
            quotas,
            audit: record(Some(app), call.object, "ok", detail, origin),
            replayed: REPLAYED.into(),
            exhausted: EXHAUSTED.into(),
        });
        Ok(admission.await?)
    }

    /// Records a call that was not let in. `app` only where it was proven.
    pub async fn refused(
        &self,
        app: Option<&App>,
        (object, code, claimed): (&str, &str, &str),
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let claimed: String = claimed.chars().take(64).collect();
        let detail = match app {
            None if !claimed.is_empty() => json!({ "claimed": claimed }),
            _ => json!({}),
        };
        let draft = record(app, object, code, detail, origin);
        self.store.audit_append(vec![draft]).await?;
        Ok(())
    }
}

fn record(
    app: Option<&App>,
    object: &str,
    outcome: &str,
    mut detail: Value,
    origin: Origin<'_>,
) -> AuditDraft {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("ip".into(), origin.ip.into());
    }
    AuditDraft {
        at: origin.now,
        actor: app.map(|a| a.id.clone()).unwrap_or_default(),
        organisation: app.and_then(|a| a.organisation.clone()),
        subject: None,
        action: "api.call".into(),
        object: object.into(),
        outcome: outcome.into(),
        detail,
        request: origin.request.into(),
    }
}

/// The span that a moment is in.
fn quota(seconds: i64, offset: i64, most: i64, now: i64) -> Quota {
    let length = seconds.saturating_mul(1_000_000);
    let local = now.saturating_add(offset.saturating_mul(1_000_000));
    Quota {
        seconds,
        began: now.saturating_sub(local.rem_euclid(length)),
        most,
    }
}

impl App {
    pub fn read(record: &Map<String, Value>) -> Self {
        let count = |field: &str| {
            let value = record.get(field).and_then(Value::as_i64);
            value.unwrap_or_default()
        };
        let until = optional(record, "previous_until").and_then(|t| t.parse().ok());
        Self {
            id: text(record, "id"),
            revision: count("revision"),
            name: text(record, "name"),
            organisation: optional(record, "organisation"),
            status: text(record, "status"),
            keys: Keys {
                current: text(record, "key"),
                previous: optional(record, "previous_key").zip(until),
            },
            grant: Grant {
                roles: crate::people::strings(record, "roles"),
                networks: record
                    .get("networks")
                    .and_then(|n| serde_json::from_value(n.clone()).ok())
                    .unwrap_or_default(),
                per_minute: count("per_minute"),
                per_day: count("per_day"),
            },
            certificates: certificates(record),
            change: record.get("change").and_then(Value::as_object).cloned(),
            asked_by: text(record, "asked_by"),
        }
    }

    /// The key, in PEM, that holds now and signed the message.
    pub fn signed(&self, message: &[u8], signature: &[u8], now: Timestamp) -> Option<&str> {
        self.keys
            .holding(now)
            .find(|pem| VerifyingKey::from_pem(pem).is_ok_and(|key| key.verify(message, signature)))
    }

    /// Why a call from there and now, over a connection that showed this certificate, is not let in.
    pub fn refusal(
        &self,
        (ip, shown): (&str, Option<&Digest32>),
        now: Timestamp,
    ) -> Option<Refusal> {
        if self.status != "active" {
            return Some(Refusal::NotActive);
        }
        let address: Option<IpAddr> = ip.parse().ok();
        let day = now.local_date();
        let networks = &self.grant.networks;
        if !address.is_some_and(|a| networks.iter().any(|n| n.lets(a, day))) {
            return Some(Refusal::Address);
        }
        let shown = shown.map(ToString::to_string);
        let named = |c: &ClientCertificate| now < c.until && Some(&c.digest) == shown.as_ref();
        let fits = self.certificates.is_empty() || self.certificates.iter().any(named);
        (!fits).then_some(Refusal::Certificate)
    }
}

/// Those of an app. What cannot be read is one that nobody has, not none.
fn certificates(record: &Map<String, Value>) -> Vec<ClientCertificate> {
    let Some(kept) = record.get("certificates").filter(|kept| !kept.is_null()) else {
        return Vec::new();
    };
    serde_json::from_value(kept.clone()).unwrap_or_else(|_| {
        vec![ClientCertificate {
            digest: String::new(),
            subject: String::new(),
            serial: String::new(),
            until: Timestamp(0),
        }]
    })
}

impl From<Shown> for ClientCertificate {
    fn from(shown: Shown) -> Self {
        Self {
            digest: shown.digest.to_string(),
            subject: shown.subject,
            serial: shown.serial,
            until: Timestamp::from_micros(shown.until),
        }
    }
}

impl Keys {
    fn holding(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        std::iter::once(self.current.as_str()).chain(previous.map(|(pem, _)| pem.as_str()))
    }
}

impl Allowance {
    fn lets(&self, address: IpAddr, day: Date) -> bool {
        // A day that cannot be read is not a day without limit.
        let holds = |limit: &Option<String>, fits: fn(&Date, &Date) -> bool| {
            limit
                .as_ref()
                .is_none_or(|text| text.parse().is_ok_and(|limit| fits(&limit, &day)))
        };
        self.network.contains(address)
            && holds(&self.from, Date::le)
            && holds(&self.until, Date::ge)
    }
}

impl Refusal {
    /// Stable; for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotActive => "app-not-active",
            Self::Address => "address-not-allowed",
            Self::Certificate => "client-certificate-needed",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::NotActive => "该应用未启用或已停用，请联系平台运营方",
            Self::Address => "调用方网络地址不在该应用的允许范围内",
            Self::Certificate => "该应用须以登记的客户端证书建立连接，请检查证书及其有效期",
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel_crypto::sm2::SigningKey;

    use super::*;

    /// 2026-11-23T08:00:00Z.
    const NOW: Timestamp = Timestamp(1_795_420_800_000_000);

    fn allowance(network: &str, from: Option<&str>, until: Option<&str>) -> Allowance {
        Allowance {
            network: network.parse().unwrap(),
            from: from.map(str::to_owned),
            until: until.map(str::to_owned),
        }
    }

    fn app(networks: Vec<Allowance>) -> App {
        App {
            status: "active".into(),
            grant: Grant {
                networks,
                ..Grant::default()
            },
            ..App::default()
        }
    }

    #[test]
    fn an_address_is_let_in_on_the_days_of_its_network() {
        let open = app(vec![
            allowance("203.0.113.0/24", Some("2026-11-01"), Some("2026-11-23")),
            allowance("2001:db8::/32", None, None),
        ]);
        assert_eq!(open.refusal(("203.0.113.9", None), NOW), None);
        assert_eq!(open.refusal(("2001:db8::9", None), NOW), None);
        assert_eq!(
            open.refusal(("198.51.100.9", None), NOW),
            Some(Refusal::Address)
        );
        assert_eq!(open.refusal(("unknown", None), NOW), Some(Refusal::Address));
        // 16:00 UTC is the next day in Beijing.
        let tomorrow = NOW.plus_seconds(8 * 3_600);
        assert_eq!(
            open.refusal(("203.0.113.9", None), tomorrow),
            Some(Refusal::Address)
        );
        let early = NOW.plus_seconds(-23 * 86_400);
        assert_eq!(
            open.refusal(("203.0.113.9", None), early),
            Some(Refusal::Address)
        );
        let damaged = app(vec![allowance("203.0.113.0/24", None, Some("soon"))]);
        assert_eq!(
            damaged.refusal(("203.0.113.9", None), NOW),
            Some(Refusal::Address)
        );
        assert_eq!(
            app(vec![]).refusal(("203.0.113.9", None), NOW),
            Some(Refusal::Address)
        );
    }

    #[test]
    fn only_an_active_app_is_let_in() {
        for status in ["pending", "suspended", "closed", ""] {
            let one = App {
                status: status.into(),
                ..app(vec![allowance("0.0.0.0/0", None, None)])
            };
            assert_eq!(
                one.refusal(("203.0.113.9", None), NOW),
                Some(Refusal::NotActive)
            );
        }
    }

    #[test]
    fn the_key_before_holds_until_its_moment() {
        let (old, new) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let pem = |key: &SigningKey| key.verifying_key().unwrap().to_pem().unwrap();
        let until = NOW.plus_seconds(3_600);
        let one = App {
            keys: Keys {
                current: pem(&new),
                previous: Some((pem(&old), until)),
            },
            ..App::default()
        };
        let (by_old, by_new) = (old.sign(b"m").unwrap(), new.sign(b"m").unwrap());
        for signature in [&by_old, &by_new] {
            assert!(one.signed(b"m", signature, NOW).is_some());
            assert!(one.signed(b"n", signature, NOW).is_none());
        }
        assert!(one.signed(b"m", &by_old, until).is_none());
        assert!(one.signed(b"m", &by_new, until).is_some());
        assert!(App::default().signed(b"m", &by_new, NOW).is_none());
    }

    #[test]
    fn spans_begin_with_the_minute_and_with_the_day_in_beijing() {
        let minute = quota(60, 0, 5, NOW.micros() + 61_000_000);
        assert_eq!(minute.began, NOW.micros() + 60_000_000);
        // NOW is 16:00 in Beijing.
        let day = quota(DAY_SECONDS, LOCAL_OFFSET_SECONDS, 5, NOW.micros());
        assert_eq!(day.began, NOW.micros() - 16 * 3_600_000_000);
    }
}
