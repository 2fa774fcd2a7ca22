//! Certificates that authorities outside the platform issued, as people's second factors. Whoever has one
//! registers it, proves to have its key, and then uses it as one of the platform's own.
//!
//! Each use asks anew whether it may be believed: under an authority that the configuration trusts, for
//! people, at this time, and not on the authority's list. Lists are handed in by whoever reads them
//! ([`Sessions::keep_list`]); each node has its own.

use std::sync::Arc;

use kernel_crypto::ca::outside::{self, Authorities, Brought};
use kernel_crypto::ca::{List, RefusedCertificate as Refused};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::account::AccountError;
use crate::certificates::{Certificate, KIND, MOST};
use crate::error::IdentityError;
use crate::module::FACTORS;
use crate::people::{qualified, text};
use crate::principal::Principal;
use crate::session::{Origin, Sessions, object};
use kernel_storage::RowFilter;

/// Longest certificate with its chain, in characters.
pub const LONGEST: u32 = 20_000;

/// Whose certificates are believed at this moment.
#[derive(Debug)]
pub(crate) struct Trust<'a> {
    /// The platform's own roots, PEM.
    pub(crate) roots: Vec<String>,
    pub(crate) outside: &'a Authorities,
    pub(crate) lists: Vec<Arc<List>>,
}

/// Why a certificate is not taken: a stable code, and what to do.
pub fn told(why: Refused) -> (&'static str, &'static str) {
    match why {
        Refused::Malformed => (
            "bad-certificate",
            "不是证书：请粘贴以 -----BEGIN CERTIFICATE----- 开头的内容，您的证书在前，签发机构的证书在后",
        ),
        Refused::TooMany => (
            "bad-certificate",
            "证书过多：请只粘贴您的证书和其上级机构的证书",
        ),
        Refused::Algorithm | Refused::Key => (
            "bad-certificate",
            "证书不是 SM2 证书，或其上级不是：请向签发机构申请 SM2 证书",
        ),
        Refused::Time => (
            "certificate-expired",
            "证书或其上级机构的证书不在有效期内：请向签发机构更新证书后重新登记",
        ),
        Refused::Purpose => (
            "bad-certificate",
            "证书不是个人签名证书：请选择用途为数字签名的证书，不要选加密证书或机构、服务器的证书",
        ),
        Refused::Revoked => (
            "certificate-revoked",
            "签发机构已吊销该证书：请向签发机构申请新证书，再重新登记",
        ),
        Refused::NoList | Refused::OldList | Refused::RevocationList => (
            "certificate-unchecked",
            "平台没有签发机构当前的吊销列表，暂不能确认证书有效：请稍后再试，仍不行请联系平台运营方",
        ),
        Refused::Untrusted
        | Refused::OtherIssuer
        | Refused::Signature
        | Refused::NotAnAuthority => (
            "certificate-untrusted",
            "证书不是平台认可的机构签发的，或缺少中间证书：请连同签发机构的中间证书一起粘贴，或联系平台运营方",
        ),
    }
}

impl Sessions {
    /// Keeps a list that was read at a place ([`Lists::keep`](kernel_crypto::ca::Lists::keep)).
    pub fn keep_list(&self, place: &str, list: List) {
        let authorities = &self.inner.policy.outside;
        let lists = &self.inner.lists;
        lists.keep(place, list, |list| authorities.signed(list));
    }

    /// Whether the list of a place is there and may be relied on.
    pub fn list_holds(&self, place: &str, now: i64) -> bool {
        self.inner.lists.holds(place, now)
    }

    /// Whether people may register certificates of anybody outside.
    pub fn takes_outside(&self) -> bool {
        !self.inner.policy.outside.is_empty()
    }

    pub(crate) async fn trust(&self) -> Result<Trust<'_>, IdentityError> {
        Ok(Trust {
            roots: self.roots().await?,
            outside: &self.inner.policy.outside,
            lists: self.inner.lists.all(),
        })
    }

    /// Begins to register a certificate (PEM, those between it and its root after it), under `id`. It
    /// proves nothing until its key has signed once ([`Sessions::confirm_certificate`]).
    pub async fn register_certificate(
        &self,
        caller: &Principal,
        (current, label, pem): (&str, &str, &str),
        id: String,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        if pem.len() > LONGEST as usize {
            return Err(Refused::TooMany.into());
        }
        let brought = Brought::from_pem(pem)?;
        let trust = self.trust().await?;
        let now = origin.now;
        let found = outside::verify(&brought, trust.outside, Some(&trust.lists), now)?;
        let pem = brought.to_pem()?;
        let own = Certificate::of(&self.inner.store, &user.id).await?;
        if own.len() >= MOST {
            return Err(AccountError::TooMany);
        }
        let fingerprint = found.holder.key.fingerprint().to_string();
        let same = |c: &Certificate| c.serial == hex::encode(brought.serial()) && c.pem == pem;
        if own.iter().any(same) || self.is_anothers(&user.id, &fingerprint).await? {
            return Err(AccountError::Taken);
        }
        Ok(vec![Write::Insert {
            collection: FACTORS.into(),
            id,
            subject: None,
            organisation: user.organisation.clone(),
            district: None,
            values: object(json!({
                "user": user.id, "kind": KIND, "step": 0, "label": label,
                "certificate": pem, "fingerprint": fingerprint,
                "serial": hex::encode(brought.serial()),
                "issuer": brought.issuer().chars().take(400).collect::<String>(),
                "expires_at": Timestamp(brought.until()),
            })),
        }])
    }

    /// Whether a key is somebody else's second factor.
    pub(crate) async fn is_anothers(
        &self,
        user: &str,
        fingerprint: &str,
    ) -> Result<bool, IdentityError> {
        let missing = |field: &str| Filter::Missing {
            field: field.into(),
        };
        let query = Query::new(qualified(FACTORS))
            .filter(Filter::eq("kind", KIND))
            .filter(Filter::eq("fingerprint", fingerprint))
            .filter(missing("ended_at"))
            .filter(Filter::Not(Box::new(missing("confirmed_at"))))
            .limit(10);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        Ok(found.records.iter().any(|row| text(row, "user") != user))
    }
}

/// What stands in the row of a certificate in use and in no other: one certificate is one person's.
pub(crate) fn claim(brought: &Brought) -> Result<String, Refused> {
    Ok(format!("certificate:{}", brought.digest()?))
}
