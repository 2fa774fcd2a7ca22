//! One-time codes as a second factor: those of an authenticator application, and recovery codes for the day
//! it is lost.
//!
//! A code holds for its own thirty seconds and the step before and after, since clocks differ;
//! each step is good once, so a code that was watched cannot be used again.

use kernel_crypto::keys::{KeyRing, MacKey};
use kernel_crypto::otp;
use kernel_crypto::random::{self, EntropyError};
use kernel_storage::{Record, RowFilter, Store};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::IdentityError;
use crate::module::FACTORS;
use crate::people::{optional, qualified, strings, text};
use crate::session::object;

/// Steps a clock may be off, either way.
const DRIFT: i64 = 1;
/// Recovery codes made at once.
const RECOVERY: usize = 8;
/// Random bytes of a recovery code.
const RECOVERY_BYTES: usize = 5;
/// Who the authenticator says the code is for.
const ISSUER: &str = "Rongqiao";

/// A second factor as stored.
#[derive(Debug, Clone)]
pub struct Factor {
    pub id: String,
    pub revision: i64,
    secret: String,
    /// The last step a code was taken for.
    step: i64,
    /// Digests of the recovery codes that are left.
    recovery: Vec<String>,
    /// The recovery codes themselves, as long as the factor is being set up.
    codes: Vec<String>,
    /// A factor that was never confirmed with a code does not count.
    pub confirmed: bool,
    pub created_at: String,
}

/// What was offered as the second factor fits; the values to keep so that it fits only once.
#[derive(Debug, Clone, PartialEq)]
pub struct Fits {
    pub values: Map<String, Value>,
    /// A recovery code was spent; how many are left.
    pub recovery_left: Option<usize>,
}

impl Factor {
    /// The user's factor that is in use or being set up.
    pub async fn of(store: &Store, user: &str) -> Result<Option<Self>, IdentityError> {
        let codes = Filter::Missing {
            field: "kind".into(),
        };
        let rows = rows(store, user, Some(codes)).await?;
        Ok(rows.first().map(Self::read))
    }

    fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            revision: number(record, "revision"),
            secret: text(record, "secret"),
            step: number(record, "step"),
            recovery: strings(record, "recovery"),
            codes: strings(record, "codes"),
            confirmed: optional(record, "confirmed_at").is_some(),
            created_at: text(record, "created_at"),
        }
    }

    /// Whether `offered` is a code of now that was not used before, or a recovery code.
    pub fn fits(&self, keys: &KeyRing, offered: &str, now: Timestamp) -> Option<Fits> {
        let offered: String = offered.chars().filter(|c| !c.is_whitespace()).collect();
        let current = otp::step(now.micros().div_euclid(1_000_000));
        let step = (current - DRIFT..=current + DRIFT)
            .filter(|step| *step > self.step)
            .find(|step| otp::code(&self.secret, *step).is_some_and(|code| same(&code, &offered)));
        if let Some(step) = step {
            return Some(Fits {
                values: object(json!({ "step": step })),
                recovery_left: None,
            });
        }
        let digest = recovery_digest(keys, &offered);
        let left: Vec<&String> = self.recovery.iter().filter(|d| !same(d, &digest)).collect();
        (left.len() < self.recovery.len()).then(|| Fits {
            recovery_left: Some(left.len()),
            values: object(json!({ "recovery": left })),
        })
    }

    pub fn recovery_left(&self) -> usize {
        self.recovery.len()
    }

    /// To be written down while the factor is being set up; empty afterwards.
    pub fn codes(&self) -> &[String] {
        &self.codes
    }

    /// What [`Factor::fits`] found, together with what ends the setting up.
    pub(crate) fn confirmed(
        &self,
        keys: &KeyRing,
        fits: Fits,
        now: Timestamp,
    ) -> Map<String, Value> {
        let digests: Vec<String> = self
            .codes
            .iter()
            .map(|c| recovery_digest(keys, c))
            .collect();
        let mut values = fits.values;
        values.insert("confirmed_at".into(), json!(now));
        values.insert("recovery".into(), json!(digests));
        values.insert("codes".into(), Value::Null);
        values
    }

    /// What an authenticator reads from a QR code (Key URI format).
    pub fn uri(&self, login: &str) -> String {
        let login: String = login
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.@".contains(*c))
            .collect();
        format!(
            "otpauth://totp/{ISSUER}:{login}?secret={}&issuer={ISSUER}",
            self.secret
        )
    }

    /// The secret in groups of four, for typing.
    pub fn spelled(&self) -> String {
        let letters: Vec<char> = self.secret.chars().collect();
        let groups: Vec<String> = letters
            .chunks(4)
            .map(|four| four.iter().collect())
            .collect();
        groups.join(" ")
    }
}

/// A person's factors that have not ended, in use or being set up, newest first; `which` narrows them.
pub(crate) async fn rows(
    store: &Store,
    user: &str,
    which: Option<Filter>,
) -> Result<Vec<Record>, IdentityError> {
    let mut query = Query::new(qualified(FACTORS))
        .filter(Filter::eq("user", user))
        .filter(Filter::Missing {
            field: "ended_at".into(),
        })
        .sort("created_at", true)
        .limit(MAX_LIMIT);
    if let Some(which) = which {
        query = query.filter(which);
    }
    Ok(store.find(&query, &RowFilter::All).await?.records)
}

/// The values that end a factor of any kind. Without its name a security key can be added again.
pub(crate) fn ended(now: i64) -> Map<String, Value> {
    object(json!({ "ended_at": Timestamp(now), "codes": null, "credential": null }))
}

/// The values of a factor that is about to be set up.
pub(crate) fn new(user: &str) -> Result<Map<String, Value>, EntropyError> {
    let secret = otp::new_secret()?;
    let mut codes = Vec::with_capacity(RECOVERY);
    for _ in 0..RECOVERY {
        codes.push(random::token_hex(RECOVERY_BYTES)?);
    }
    Ok(object(json!({
        "user": user, "secret": secret.as_str(), "step": 0, "codes": codes,
    })))
}

fn recovery_digest(keys: &KeyRing, code: &str) -> String {
    let message = format!("recovery:{}", code.to_lowercase());
    keys.mac(MacKey::Session, message.as_bytes()).to_string()
}

fn number(record: &Record, field: &str) -> i64 {
    record
        .get(field)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// Compares without telling by time where the difference is.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open_or_create(&folder.path().join("keys"), None).unwrap();
        (folder, ring)
    }

    fn factor(step: i64, recovery: Vec<String>) -> Factor {
        Factor {
            id: String::new(),
            revision: 1,
            secret: otp::new_secret().unwrap().to_string(),
            step,
            recovery,
            codes: Vec::new(),
            confirmed: true,
            created_at: String::new(),
        }
    }

    #[test]
    fn dj_04_a_code_fits_once_and_about_now() {
        let (_folder, keys) = keys();
        let now = Timestamp(1_800_000_000_000_000);
        let current = otp::step(1_800_000_000);
        let mut factor = factor(0, vec![]);
        for (off, fits) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = otp::code(&factor.secret, current + off).unwrap();
            assert_eq!(factor.fits(&keys, &code, now).is_some(), fits, "{off}");
        }
        let code = otp::code(&factor.secret, current).unwrap();
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        let fits = factor.fits(&keys, &spaced, now).unwrap();
        factor.step = fits.values["step"].as_i64().unwrap();
        assert_eq!(factor.fits(&keys, &code, now), None, "a code is good once");
        let earlier = otp::code(&factor.secret, current - 1).unwrap();
        assert_eq!(
            factor.fits(&keys, &earlier, now),
            None,
            "none before it either"
        );
    }

    #[test]
    fn dj_04_a_recovery_code_is_spent() {
        let (_folder, keys) = keys();
        let values = new("u").unwrap();
        let codes: Vec<String> = serde_json::from_value(values["codes"].clone()).unwrap();
        let digests = codes.iter().map(|c| recovery_digest(&keys, c)).collect();
        let mut factor = factor(0, digests);
        let now = Timestamp(1_800_000_000_000_000);
        let fits = factor.fits(&keys, &codes[3].to_uppercase(), now).unwrap();
        assert_eq!(fits.recovery_left, Some(7));
        factor.recovery = serde_json::from_value(fits.values["recovery"].clone()).unwrap();
        assert_eq!(factor.fits(&keys, &codes[3], now), None);
        assert_eq!(factor.fits(&keys, "", now), None);
    }

    #[test]
    fn the_uri_holds_nothing_that_ends_a_parameter() {
        let f = factor(0, vec![]);
        let uri = f.uri("a&b=c?d 桥");
        assert!(
            uri.starts_with("otpauth://totp/Rongqiao:abcd?secret="),
            "{uri}"
        );
        assert_eq!(f.spelled().replace(' ', ""), f.secret);
    }
}
