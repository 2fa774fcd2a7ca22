//! Security keys and passkeys as a second factor (W3C Web Authentication, level 2): a device of the
//! person's signs the platform's challenge ([`crate::challenge`]) together with the address that the
//! browser shows, so that what is signed for another site is worth nothing here.
//!
//! No statement about the make of the device is asked for: any device is one that the person
//! chose. Registering therefore proves nothing but that there is a key; its public part comes from
//! the browser, and whoever lies about it shuts out nobody but themselves. A key counts what it
//! signs; where the count does not grow, there are two of it, and neither is believed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel_crypto::foreign::{ForeignKey, Form, sha256};
use kernel_storage::{Record, Store};
use sdk_contract::call::Write;
use sdk_contract::query::Filter;
use sdk_contract::scalar::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::AccountError;
use crate::challenge::Challenge;
use crate::error::IdentityError;
use crate::factor;
use crate::module::FACTORS;
use crate::people::text;
use crate::principal::Principal;
use crate::session::{Origin, Sessions, object, update_of};

/// What the row's `kind` says.
pub(crate) const KIND: &str = "security-key";
/// Keys one person has at once.
const MOST: usize = 5;
/// Longest answer of a browser that is looked at.
const LONGEST: usize = 8_000;
/// Longest id of a credential, in bytes.
const LONGEST_ID: usize = 1_023;

/// Bytes of the digest of the site's name, of the flags and of the count, in an authenticator's data.
const DIGEST: usize = 32;
const COUNT: usize = 4;
/// Bytes before the id of a credential: of the make and of the id's length.
const MAKE: usize = 16;
const LENGTH: usize = 2;
/// Flags: somebody was there; a credential follows.
const PRESENT: u8 = 0x01;
const ATTESTED: u8 = 0x40;

/// A key as stored.
#[derive(Debug, Clone)]
pub struct SecurityKey {
    pub id: String,
    pub revision: i64,
    pub label: String,
    /// As browsers name it, in base64url.
    pub credential: String,
    pub created_at: String,
    /// `SubjectPublicKeyInfo` in DER.
    public: Vec<u8>,
    /// When the last challenge was made that it signed; later ones only are taken.
    last: i64,
    /// What it had counted then.
    count: i64,
}

/// What a browser says that a key answered: `RegistrationResponseJSON` or
/// `AuthenticationResponseJSON`, with the token of the challenge beside it where it comes alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    pub id: String,
    /// Token of the challenge.
    #[serde(default)]
    pub challenge: String,
    pub response: Response,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    /// Of a registration.
    public_key: String,
    /// Of a sign-in.
    signature: String,
}

/// What a browser signs for a page; the page cannot choose it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// What an authenticator signs.
struct Authenticated<'a> {
    flags: u8,
    count: i64,
    rest: &'a [u8],
}

impl Answer {
    /// Reads what a form or a program brings.
    pub fn read(text: &str) -> Option<Self> {
        let short = text.len() <= LONGEST;
        short.then(|| serde_json::from_str(text).ok())?
    }

    /// The bytes that the page asked to be signed, where the browser says that they are this
    /// challenge's, for this deed, at this address and in no frame of another.
    fn client_data(&self, deed: &str, challenge: &Challenge, address: &str) -> Option<Vec<u8>> {
        let bytes = unpacked(&self.response.client_data)?;
        let said: ClientData = serde_json::from_slice(&bytes).ok()?;
        let right = said.r#type == deed
            && said.challenge == URL_SAFE_NO_PAD.encode(&challenge.text)
            && said.origin == address
            && !said.cross_origin;
        right.then_some(bytes)
    }
}

impl<'a> Authenticated<'a> {
    /// What was said for the site at `address`, with somebody there.
    fn read(bytes: &'a [u8], address: &str) -> Option<Self> {
        let (site, rest) = bytes.split_at_checked(DIGEST)?;
        let (flags, rest) = rest.split_first()?;
        let (count, rest) = rest.split_at_checked(COUNT)?;
        let here = site == sha256(site_of(address).as_bytes());
        let count = u32::from_be_bytes(count.try_into().ok()?);
        (here && flags & PRESENT != 0).then_some(Self {
            flags: *flags,
            count: i64::from(count),
            rest,
        })
    }

    /// The id of the credential that was made.
    fn made(&self) -> Option<&'a [u8]> {
        let (_, rest) = self.rest.split_at_checked(MAKE)?;
        let (length, rest) = rest.split_at_checked(LENGTH)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (id, key) = rest.split_at_checked(length)?;
        let whole = !id.is_empty() && length <= LONGEST_ID && !key.is_empty();
        (self.flags & ATTESTED != 0 && whole).then_some(id)
    }
}

/// The name that keys know a site by: its host, without scheme and port.
pub fn site_of(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

impl SecurityKey {
    fn read(record: &Record) -> Self {
        let number = |field: &str| record.get(field).and_then(Value::as_i64);
        let public = STANDARD.decode(text(record, "certificate"));
        Self {
            id: text(record, "id"),
            revision: number("revision").unwrap_or_default(),
            label: text(record, "label"),
            credential: text(record, "credential"),
            created_at: text(record, "created_at"),
            public: public.unwrap_or_default(),
            last: number("step").unwrap_or_default(),
            count: number("count").unwrap_or_default(),
        }
    }

    /// A person's keys, newest first.
    pub(crate) async fn of(store: &Store, user: &str) -> Result<Vec<Self>, IdentityError> {
        let rows = factor::rows(store, user, Some(Filter::eq("kind", KIND))).await?;
        Ok(rows.iter().map(Self::read).collect())
    }

    /// Whether this key signed the challenge, which is newer than every one before, at this
    /// address; the write that keeps it so.
    pub(crate) fn signed(
        &self,
        challenge: &Challenge,
        answer: &Answer,
        address: &str,
    ) -> Option<Write> {
        if challenge.at <= self.last || answer.id != self.credential {
            return None;
        }
        let client = answer.client_data("webauthn.get", challenge, address)?;
        let bytes = unpacked(&answer.response.authenticator_data)?;
        let said = Authenticated::read(&bytes, address)?;
        let signature = unpacked(&answer.response.signature)?;
        let message = [bytes.as_slice(), &sha256(&client)].concat();
        let key = ForeignKey::from_spki(&self.public)?;
        // Keys that do not count say 0 always.
        let counts = said.count > self.count || said.count == 0 && self.count == 0;
        (counts && key.verify(&message, &signature, Form::Der)).then(|| {
            let values = object(json!({ "step": challenge.at, "count": said.count }));
            update_of(FACTORS, &self.id, self.revision, values)
        })
    }
}

impl Sessions {
    /// A person's security keys.
    pub async fn security_keys(&self, user: &str) -> Result<Vec<SecurityKey>, IdentityError> {
        SecurityKey::of(&self.inner.store, user).await
    }

    /// Adds a key, under `id`, that answered a challenge of this session; it counts, and is proven,
    /// from now on.
    pub async fn add_security_key(
        &self,
        caller: &Principal,
        (current, label, answer): (&str, &str, &str),
        (id, address): (String, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let answer = Answer::read(answer).ok_or(AccountError::BadKey)?;
        let session = caller.session.as_deref().unwrap_or_default();
        let challenge = self.challenged(&answer.challenge, (session, address), origin.now);
        let challenge = challenge.ok_or(AccountError::WrongSignature)?;
        let (public, count) =
            registered(&answer, &challenge, address).ok_or(AccountError::BadKey)?;
        let user = self.proved(caller, current, origin).await?;
        let own = SecurityKey::of(&self.inner.store, &user.id).await?;
        if own.len() >= MOST {
            return Err(AccountError::TooMany);
        }
        self.forget(&user.id);
        let now = Timestamp(origin.now);
        let mut writes = vec![Write::Insert {
            collection: FACTORS.into(),
            id,
            subject: None,
            organisation: user.organisation.clone(),
            district: None,
            values: object(json!({
                "user": user.id, "kind": KIND, "label": label, "credential": answer.id,
                "certificate": STANDARD.encode(public), "step": challenge.at, "count": count,
                "confirmed_at": now,
            })),
        }];
        writes.extend(self.proven_now(caller, KIND, now).await?);
        Ok(writes)
    }

    /// Takes one of the caller's keys away.
    pub async fn remove_security_key(
        &self,
        caller: &Principal,
        (current, id): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        let own = SecurityKey::of(&self.inner.store, &user.id).await?;
        let found = own.iter().find(|key| key.id == id);
        let found = found.ok_or(AccountError::NoSuchFactor)?;
        let one = (found.id.as_str(), found.revision);
        let ended = self.take_away(&user, one, true, origin.now);
        Ok(vec![ended.await?])
    }
}

/// The public key of a credential that was made for this challenge, and its count.
fn registered(answer: &Answer, challenge: &Challenge, address: &str) -> Option<(Vec<u8>, i64)> {
    answer.client_data("webauthn.create", challenge, address)?;
    let bytes = unpacked(&answer.response.authenticator_data)?;
    let said = Authenticated::read(&bytes, address)?;
    let public = unpacked(&answer.response.public_key)?;
    ForeignKey::from_spki(&public)?;
    let named = said.made()? == unpacked(&answer.id)?;
    named.then_some((public, said.count))
}

fn unpacked(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_its_host() {
        for (address, site) in [
            ("https://rongqiao.example", "rongqiao.example"),
            ("https://rongqiao.example:8443", "rongqiao.example"),
            ("http://localhost:8080", "localhost"),
            ("http://[::1]:8080", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(site_of(address), site);
        }
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let address = "https://rongqiao.example";
        let mut bytes = sha256(b"rongqiao.example").to_vec();
        bytes.extend([PRESENT | ATTESTED, 0, 0, 0, 7]);
        bytes.extend([0; MAKE]);
        bytes.extend([0, 3, 1, 2, 3, 0xa5]);
        let whole = Authenticated::read(&bytes, address).unwrap();
        assert_eq!((whole.count, whole.made()), (7, Some(&[1, 2, 3][..])));
        for end in 0..bytes.len() {
            let cut = Authenticated::read(&bytes[..end], address);
            assert_eq!(cut.and_then(|cut| cut.made()), None, "{end}");
        }
        assert!(Authenticated::read(&bytes, "https://other.example").is_none());
        bytes[DIGEST] = ATTESTED;
        assert!(
            Authenticated::read(&bytes, address).is_none(),
            "nobody there"
        );
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        for text in ["", "{}", "[]", "{\"id\":1}", &"x".repeat(LONGEST + 1)] {
            assert_eq!(Answer::read(text), None);
        }
        let got = Answer::read("{\"id\":\"a\",\"response\":{\"clientDataJSON\":\"b\"}}").unwrap();
        assert_eq!(
            (got.id.as_str(), got.response.client_data.as_str()),
            ("a", "b")
        );
    }
}
