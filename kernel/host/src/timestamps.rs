//! When a signature was there, by the word of an authority outside the platform (RFC 3161).
//!
//! A signature's commit writes a row that waits for its stamp. Whoever works asks for it: an attempt
//! is counted, and the next one set, before the authority is asked. So a second node leaves it alone, a
//! killed one tries again later, and an authority that is down is asked ever more seldom and never
//! given up. An answer is kept if it is believed, once, by the row's revision; nothing overwrites it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::ca::{List, Lists};
use kernel_crypto::detached::Detached;
use kernel_crypto::timestamp::{self, Authorities, Imprint, Known, Question, RefusedStamp, Stamp};
use kernel_identity::module::{MODULE, MOST_STAMP, SIGNATURES, TIMESTAMPS};
use kernel_storage::{CollectionName, Commit, CommitError, Record};
use sdk_contract::call::Write;
use sdk_contract::error::Fault;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Host;
use crate::dispatch::{by_platform, commit_fault};
use crate::module::new_id;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::reads::{ask, chain};
use crate::values::{number, object, word};

/// Stamps that one round asks for.
const ROUND: u32 = 20;
/// Seconds to the second attempt, more than an answer may take; each next pause is twice as long.
const FIRST_PAUSE: i64 = 15;
const LONGEST_PAUSE: i64 = 600;
/// Microseconds that the authority's clock and ours may be apart.
const APART: i64 = 300_000_000;
/// Microseconds after which a stamp is late.
pub const LATE: i64 = 3_600_000_000;

/// Who is asked, and how.
#[derive(Clone, Debug)]
pub struct Stamping {
    pub url: String,
    /// What the authority's certificate must be under.
    pub trusted: Authorities,
    pub imprint: Imprint,
    pub outgoing: Outgoing,
    /// What authorities took back; where there are none, nobody asks.
    pub lists: Option<Arc<Lists>>,
}

impl Stamping {
    /// Keeps a list that was read at a place ([`Lists::keep`]).
    pub fn keep_list(&self, place: &str, list: List) {
        if let Some(lists) = &self.lists {
            lists.keep(place, list, |list| self.trusted.signed(list));
        }
    }

    /// Whether the list of a place is there and may be relied on.
    pub fn list_holds(&self, place: &str, now: i64) -> bool {
        let lists = self.lists.as_ref();
        lists.is_some_and(|lists| lists.holds(place, now))
    }
}

/// Why there is no stamp yet.
#[derive(Debug, thiserror::Error)]
enum Unstamped {
    #[error(transparent)]
    Unasked(#[from] OutgoingError),
    #[error(transparent)]
    Refused(#[from] RefusedStamp),
    #[error("the authority's clock and ours are more than five minutes apart")]
    Time,
    #[error("the time stamp is too large to be kept")]
    TooLarge,
    #[error("the signature is not there as it was written")]
    NoSignature,
    #[error("no random number")]
    Random(#[from] kernel_crypto::random::EntropyError),
}

impl Unstamped {
    /// The same for whoever looks after the platform.
    fn words(&self) -> String {
        let words = match self {
            Self::Unasked(OutgoingError::Refused(status)) => {
                return format!("时间戳机构拒绝请求（HTTP {status}）");
            }
            Self::Unasked(OutgoingError::Stopped) => "停机打断了请求",
            Self::Unasked(_) => "时间戳机构没有应答，或不能与它建立可信的连接",
            Self::Refused(RefusedStamp::Rejected) => "时间戳机构拒绝加盖",
            Self::Refused(RefusedStamp::Malformed | RefusedStamp::NotCertificates) => {
                "应答不是时间戳"
            }
            Self::Refused(RefusedStamp::Algorithm) => "应答使用了平台不认识的算法",
            Self::Refused(RefusedStamp::OtherContent | RefusedStamp::OtherQuestion) => {
                "应答不是对这次请求的"
            }
            Self::Refused(RefusedStamp::Signature) => "应答的签名不成立",
            Self::Refused(RefusedStamp::Purpose) => "机构的证书不是时间戳证书",
            Self::Refused(RefusedStamp::Untrusted) => {
                "机构的证书不在所信任的证书之下，或当时不在有效期内"
            }
            Self::Refused(RefusedStamp::Revoked) => "机构的证书已被吊销",
            Self::Refused(RefusedStamp::Unlisted) => "没有有效的吊销列表，不能确认机构的证书",
            Self::Time => "机构与平台的时钟相差超过五分钟",
            Self::TooLarge => "时间戳过大，不能保存",
            Self::NoSignature => "签名记录与平台写入时不一致",
            Self::Random(_) => "没有可用的随机数",
        };
        words.to_owned()
    }
}

/// Signatures that wait for a stamp.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) all: u64,
    /// Of those, for longer than [`LATE`].
    pub(crate) late: u64,
    pub(crate) since: Option<Timestamp>,
    /// Why the last attempt brought none.
    pub(crate) why: String,
}

/// What is told of a stamp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stamped {
    /// RFC 3339; none while the authority has yet to answer.
    pub at: Option<String>,
    /// The subject of its certificate.
    pub authority: String,
    /// Whether the stamp is of this signature and signed by whom the platform trusted.
    pub holds: bool,
}

/// A stamp as it is kept, or what waits for one.
pub(crate) struct Kept {
    pub(crate) row: Record,
}

impl Kept {
    pub(crate) fn is_there(&self) -> bool {
        !word(&self.row, "stamp").is_empty()
    }

    /// The authority's whole answer, in DER.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let packed = STANDARD.decode(word(&self.row, "stamp"));
        packed.unwrap_or_default()
    }

    pub(crate) fn shown(&self, signature: &[u8]) -> Stamped {
        let at: Option<Timestamp> = word(&self.row, "at").parse().ok();
        let trusted = Authorities::from_pem(word(&self.row, "root"));
        let found =
            trusted.and_then(|t| timestamp::verify(&self.answer(), signature, None, &t, None));
        let authority = word(&self.row, "authority");
        let holds = found.is_ok_and(|stamp| {
            Some(Timestamp::from_micros(stamp.at)) == at && stamp.authority == authority
        });
        Stamped {
            at: at.filter(|_| self.is_there()).map(|at| at.to_string()),
            authority: authority.to_owned(),
            holds,
        }
    }
}

impl Host {
    /// The row that waits for the stamp of a signature, where an authority is asked.
    pub(crate) fn stamp_wanted(
        &self,
        signature: &str,
        now: Timestamp,
    ) -> Result<Option<Write>, Fault> {
        if self.stamping().is_none() {
            return Ok(None);
        }
        Ok(Some(Write::Insert {
            collection: TIMESTAMPS.into(),
            id: new_id(now)?,
            subject: None,
            organisation: None,
            district: None,
            values: object(json!({
                "signature": signature, "due_at": now.to_string(), "attempts": 0,
            })),
        }))
    }

    /// What there is of stamps, by the signatures' ids.
    pub(crate) async fn kept_stamps(
        &self,
        signatures: impl IntoIterator<Item = &str>,
    ) -> Result<BTreeMap<String, Kept>, Fault> {
        let values: Vec<Value> = signatures.into_iter().map(Value::from).collect();
        if values.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = Query::new(CollectionName::new(MODULE, TIMESTAMPS).to_string())
            .filter(Filter::In {
                field: "signature".into(),
                values,
            })
            .limit(MAX_LIMIT);
        let found = self.store().list(&query, &Self::KERNEL).await;
        let rows = found.map_err(|e| ask(&e))?.records.into_iter();
        Ok(rows
            .map(|row| (word(&row, "signature").to_owned(), Kept { row }))
            .collect())
    }

    /// What waits for a stamp; none where nobody is asked, and nothing is left of before.
    pub(crate) async fn stamps_waiting(&self) -> Result<Option<Waiting>, Fault> {
        let there = |field: &str| {
            let field = field.to_owned();
            Filter::Not(Box::new(Filter::Missing { field }))
        };
        let waiting = || {
            let name = CollectionName::new(MODULE, TIMESTAMPS).to_string();
            Query::new(name).filter(there("due_at"))
        };
        let before = self.clock().now().micros().saturating_sub(LATE);
        let late = waiting().filter(Filter::Range {
            field: "created_at".into(),
            min: None,
            max: Some(Timestamp::from_micros(before).to_string().into()),
        });
        let first = waiting().sort("created_at", false).page(1, 1);
        let last = waiting().filter(there("why")).sort("updated_at", true);
        let mut found = Vec::new();
        for query in [first, late.page(1, 1), last.limit(1)] {
            let some = self.store().list(&query, &Self::KERNEL).await;
            found.push(some.map_err(|e| ask(&e))?);
        }
        let [first, late, last] = found.as_slice() else {
            return Ok(None);
        };
        let all = first.total.unwrap_or_default();
        if all == 0 && self.stamping().is_none() {
            return Ok(None);
        }
        let since = first.records.first().map(|row| word(row, "created_at"));
        let why = last.records.first().map(|row| word(row, "why"));
        Ok(Some(Waiting {
            all,
            late: late.total.unwrap_or_default(),
            since: since.and_then(|since| since.parse().ok()),
            why: why.unwrap_or_default().to_owned(),
        }))
    }

    /// Asks for the stamps that are due. Says whether there may be more; every node may call it.
    pub async fn stamp_waiting(&self) -> Result<bool, Fault> {
        let Some(stamping) = self.stamping() else {
            return Ok(false);
        };
        let now = self.clock().now();
        let query = Query::new(CollectionName::new(MODULE, TIMESTAMPS).to_string())
            .filter(Filter::Range {
                field: "due_at".into(),
                min: None,
                max: Some(now.to_string().into()),
            })
            .sort("due_at", false)
            .limit(ROUND);
        let found = self.store().list(&query, &Self::KERNEL).await;
        let rows = found.map_err(|e| ask(&e))?.records;
        let full = rows.len() >= ROUND as usize;
        for row in &rows {
            if !self.stamp(stamping, row).await? {
                return Ok(false);
            }
        }
        Ok(full)
    }

    /// Says whether the authority answers at all.
    async fn stamp(&self, stamping: &Stamping, row: &Record) -> Result<bool, Fault> {
        let (revision, attempts) = (number(row, "revision"), number(row, "attempts"));
        let now = self.clock().now();
        let next = json!({
            "attempts": attempts.saturating_add(1),
            "due_at": now.plus_seconds(pause(attempts)).to_string(),
        });
        if !self.change_stamp(row, revision, next).await? {
            return Ok(true);
        }
        let found = self.ask_stamp(stamping, word(row, "signature")).await;
        let (values, answers) = match found {
            Ok((answer, stamp)) => {
                let kept = json!({
                    "due_at": null, "why": null, "root": stamp.root,
                    "at": Timestamp::from_micros(stamp.at).to_string(),
                    "authority": stamp.authority.chars().take(400).collect::<String>(),
                    "stamp": STANDARD.encode(answer),
                });
                (kept, true)
            }
            Err(why) => {
                let signature = word(row, "signature");
                let since: Timestamp = word(row, "created_at").parse().unwrap_or(now);
                if now.micros().saturating_sub(since.micros()) > LATE {
                    let error = chain(&why);
                    tracing::error!(alarm = "timestamp.late", signature, attempts, error);
                } else {
                    tracing::warn!(signature, attempts, error = chain(&why), "not stamped");
                }
                let answers = !matches!(why, Unstamped::Unasked(OutgoingError::Silent(_)));
                (json!({ "why": why.words() }), answers)
            }
        };
        self.change_stamp(row, revision + 1, values).await?;
        Ok(answers)
    }

    async fn ask_stamp(
        &self,
        stamping: &Stamping,
        signature: &str,
    ) -> Result<(Vec<u8>, Stamp), Unstamped> {
        let name = CollectionName::new(MODULE, SIGNATURES);
        let row = self.store().get(&name, signature, &Self::KERNEL).await;
        let row = row.ok().flatten().ok_or(Unstamped::NoSignature)?;
        let signed = row.get("signature").cloned().unwrap_or_default();
        let signed: Detached =
            serde_json::from_value(signed).map_err(|_| Unstamped::NoSignature)?;
        let question = Question::about(&signed.signature, stamping.imprint)?;
        let sent = ("application/timestamp-query", question.request.clone());
        let answer = stamping.outgoing.post(stamping.url.clone(), sent).await?;
        let (message, asked) = (&signed.signature, Some(&question));
        let now = self.clock().now().micros();
        let lists = stamping.lists.as_ref().map(|lists| lists.all());
        let known = lists.as_deref().map(|lists| Known { lists, at: now });
        let stamp = timestamp::verify(&answer, message, asked, &stamping.trusted, known)?;
        let apart = stamp.at.saturating_sub(now);
        if apart.saturating_abs() > APART || stamp.at < signed.at.saturating_sub(APART) {
            return Err(Unstamped::Time);
        }
        let most = MOST_STAMP as usize;
        if answer.len() > most / 2 || stamp.root.len() > most {
            return Err(Unstamped::TooLarge);
        }
        Ok((answer, stamp))
    }

    /// Says whether the row was still at this revision.
    async fn change_stamp(
        &self,
        row: &Record,
        revision: i64,
        values: Value,
    ) -> Result<bool, Fault> {
        let update = Write::Update {
            collection: TIMESTAMPS.into(),
            id: word(row, "id").to_owned(),
            revision,
            values: object(values),
        };
        let commit = Commit {
            at: self.clock().now().micros(),
            by: by_platform(),
            request: "timestamp".into(),
            action: "platform.timestamp".into(),
            module: MODULE.into(),
            writes: vec![update],
            ..Commit::default()
        };
        match self.store().commit(commit).await {
            Ok(_) => Ok(true),
            // Another node is at it.
            Err(CommitError::Stale { .. }) => Ok(false),
            Err(error) => Err(commit_fault(&error)),
        }
    }
}

/// Seconds to the next attempt after so many.
fn pause(attempts: i64) -> i64 {
    let doubled = u32::try_from(attempts)
        .ok()
        .and_then(|n| 1_i64.checked_shl(n))
        .and_then(|n| FIRST_PAUSE.checked_mul(n));
    doubled
        .filter(|n| *n > 0)
        .map_or(LONGEST_PAUSE, |n| n.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let all: Vec<i64> = [0, 1, 5, 6, 63, 64, i64::MAX].map(pause).into();
        assert_eq!(all, [15, 30, 480, 600, 600, 600, 600]);
    }
}
