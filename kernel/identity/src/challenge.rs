//! What a second factor that signs is asked to sign: 32 random bytes, the platform's address, the
//! time, and the session or sign-in that it is for. The text is given out with a stamp, so nothing
//! is kept of it; it is good for five minutes, and once, for whoever checks it remembers the newest
//! it took. Where somebody signs what they are about to do, its digest is the last line. The nonce of
//! a sealed password ([`crate::sealed`]) is such a token, too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_crypto::random;
use kernel_crypto::sm3::{self, Digest32};
use sdk_contract::scalar::Timestamp;

use crate::error::IdentityError;
use crate::session::Sessions;

/// Seconds for which a challenge is good.
pub(crate) const GOOD: i64 = 300;
/// Longest token that is looked at.
const LONGEST: usize = 1_000;
const FORMAT: &str = "rongqiao.challenge.1";
/// What a stamp of [`Sessions::stamp`] is for.
const STAMP: &str = "challenge";

/// A challenge that was read back and found to be ours and fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What is signed.
    pub text: String,
    /// When it was made, in microseconds since 1970.
    pub at: i64,
}

/// A challenge as it is given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is to be signed, in UTF-8; a line feed at the end makes no difference.
    pub text: String,
    /// To be given back as it is.
    pub token: String,
}

impl Challenge {
    pub(crate) fn is_fresh(&self, now: i64) -> bool {
        self.at <= now && Timestamp(now) < Timestamp(self.at).plus_seconds(GOOD)
    }
}

impl Sessions {
    /// A challenge for a session, or a sign-in that waits for its second factor (`purpose` is the
    /// session's id or the pending proof), at the platform's address as the person sees it.
    pub fn challenge(
        &self,
        purpose: &str,
        address: &str,
        now: i64,
    ) -> Result<Asked, IdentityError> {
        self.ask((purpose, address), None, now)
    }

    /// The same for what somebody is about to do, by the digest of its content.
    pub fn challenge_about(
        &self,
        given: (&str, &str),
        content: Digest32,
        now: i64,
    ) -> Result<Asked, IdentityError> {
        self.ask(given, Some(content), now)
    }

    fn ask(
        &self,
        (purpose, address): (&str, &str),
        content: Option<Digest32>,
        now: i64,
    ) -> Result<Asked, IdentityError> {
        let nonce = random::token_hex(32)?;
        let about = content.map(|digest| format!("\n{digest}"));
        let about = about.unwrap_or_default();
        let text = format!(
            "{FORMAT}\n{address}\n{}\n{}\n{nonce}{about}",
            Timestamp(now),
            bound(purpose)
        );
        let packed = URL_SAFE_NO_PAD.encode(&text);
        let token = format!("{packed}.{}", self.stamp(STAMP, &text));
        Ok(Asked { text, token })
    }

    /// Reads a challenge back; none when it is not ours, not for this purpose and address, about
    /// something, or not of the last five minutes.
    pub fn challenged(&self, token: &str, given: (&str, &str), now: i64) -> Option<Challenge> {
        self.read_back(token, given, None)
            .filter(|challenge| challenge.is_fresh(now))
    }

    /// The same for one that must be about exactly this content.
    pub(crate) fn challenged_about(
        &self,
        token: &str,
        given: (&str, &str),
        content: Digest32,
        now: i64,
    ) -> Option<Challenge> {
        self.read_back(token, given, Some(content))
            .filter(|challenge| challenge.is_fresh(now))
    }

    /// The challenge whatever its age.
    pub(crate) fn read_back(
        &self,
        token: &str,
        (purpose, address): (&str, &str),
        content: Option<Digest32>,
    ) -> Option<Challenge> {
        if token.len() > LONGEST {
            return None;
        }
        let (packed, stamp) = token.split_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(packed).ok()?).ok()?;
        if !crate::factor::same(stamp, &self.stamp(STAMP, &text)) {
            return None;
        }
        let mut lines = text.lines();
        let format = lines.next()? == FORMAT;
        let here = lines.next()? == address;
        let at: Timestamp = lines.next()?.parse().ok()?;
        let ours = lines.next()? == bound(purpose);
        let about = lines.nth(1).map(str::to_owned) == content.map(|digest| digest.to_string());
        (format && here && ours && about).then(|| Challenge {
            at: at.micros(),
            text: text.clone(),
        })
    }
}

/// Says which purpose without saying it: a pending proof is nobody else's to see.
fn bound(purpose: &str) -> String {
    sm3::digest(purpose.as_bytes()).to_string()
}
