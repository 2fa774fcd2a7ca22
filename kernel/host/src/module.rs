//! One internal trait for everything that answers for pages and actions: a plugin in the sandbox
//! or the native console. There is one dispatch path, so there is one place for every check.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use kernel_identity::principal::Principal;
use kernel_identity::session::Origin;
use sdk_contract::call::{Ask, CallContext, Event, Reply, Write};
use sdk_contract::def::{CollectionDef, FieldDef, Shard};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;
use sdk_contract::query::AlteredRecord;
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Map, Value};

use crate::values::word;
use crate::{reads, uploads};

/// One call of a module: who, when, and the randomness it may use.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub principal: Arc<Principal>,
    pub now: Timestamp,
    pub seed: [u8; 32],
    /// What the running action reads parties' data for.
    pub purpose: Option<String>,
    /// Files that the module has read.
    pub seen: Arc<Seen>,
    /// Where a page is drawn: what is not on it.
    pub left_out: Option<Arc<LeftOut>>,
}

/// Records that a page shows nothing of, because they are not as the platform wrote them.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Mutex<BTreeSet<AlteredRecord>>);

impl LeftOut {
    pub(crate) fn take(&self) -> BTreeSet<AlteredRecord> {
        let mut left_out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *left_out)
    }
}

/// What a call has read, as the caller sees it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Digests of the files in the records.
    files: Mutex<BTreeSet<String>>,
    /// Whose data the records are.
    parties: Mutex<BTreeSet<String>>,
}

impl Seen {
    /// Only file fields count: in others anybody may have written anything.
    pub(crate) fn record(&self, fields: &[FieldDef], record: &Map<String, Value>) {
        let digests = uploads::files(fields, record).filter_map(uploads::digest);
        let mut seen = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(digests.map(str::to_owned));
    }

    pub(crate) fn has(&self, digest: &str) -> bool {
        let seen = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        seen.contains(digest)
    }

    /// Keeps in mind whose data these records of a collection are, where each is a party's.
    pub(crate) fn data_of<'r>(
        &self,
        collection: &CollectionDef,
        records: impl IntoIterator<Item = &'r Map<String, Value>>,
    ) {
        if collection.shard == Shard::Subject {
            let parties = records.into_iter().map(|r| word(r, "subject"));
            self.parties(parties);
        }
    }

    /// The same of parties that are named.
    pub(crate) fn parties<'p>(&self, parties: impl IntoIterator<Item = &'p str>) {
        let mut seen = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let named = parties.into_iter().filter(|party| !party.is_empty());
        seen.extend(named.map(str::to_owned));
    }
}

impl Call {
    /// Where it comes from, as identity wants to know it.
    pub(crate) fn origin(&self) -> Origin<'_> {
        let p = &self.principal;
        Origin {
            request: &p.request,
            ip: &p.ip,
            locale: &p.locale,
            now: self.now.micros(),
        }
    }

    /// Keeps in mind that a record is missing on the page that is drawn. Whatever acts is refused.
    pub(crate) fn leave_out(&self, record: &AlteredRecord) -> Result<(), Fault> {
        let Some(left_out) = &self.left_out else {
            return Err(reads::altered());
        };
        let mut all = left_out.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(record.clone());
        Ok(())
    }

    /// The parties whose data the call has read, but the one that the caller acts for.
    pub(crate) fn parties(&self) -> BTreeSet<String> {
        let seen = &self.seen.parties;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(own) = &self.principal.subject {
            seen.remove(own);
        }
        seen
    }

    pub(crate) fn context(&self) -> CallContext {
        CallContext {
            now: self.now.micros(),
            seed: hex(&self.seed),
            locale: self.principal.locale.clone(),
            request: self.principal.request.clone(),
            caller: self.principal.caller(),
        }
    }
}

/// What a module is given to act on: checked input and, for a record action, the record as the
/// caller may see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub record: Option<Map<String, Value>>,
    pub values: Map<String, Value>,
}

#[async_trait]
pub(crate) trait Module: Send + Sync {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault>;
    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault>;
    async fn on_event(&self, call: &Call, event: &Event) -> Result<Reply, Fault>;
    /// What one of the kernel's own modules writes in another's collections, in the commit of an
    /// action: module and write.
    async fn others(
        &self,
        _call: &Call,
        _action: &str,
        _input: &Input,
        _reply: &Reply,
    ) -> Result<Vec<(String, Write)>, Fault> {
        Ok(Vec::new())
    }
    /// Refuses a file to somebody who may read the field of the record that names it, for reasons
    /// that the declaration of its collection does not tell.
    fn may_open(
        &self,
        _p: &Principal,
        _collection: &str,
        _record: &Map<String, Value>,
    ) -> Result<(), Fault> {
        Ok(())
    }
    /// How people read what its records hold as names that its declaration does not explain.
    fn wording(&self) -> Option<Wording> {
        None
    }
}

/// A value as people read it, by its collection and field; none where it is read as it stands.
pub(crate) type Wording = Box<dyn Fn(&str, &str, &Value) -> Option<String> + Send + Sync>;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            for nibble in [b >> 4, b & 15] {
                out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            out
        })
}

/// A fresh id from the operating system's randomness.
pub(crate) fn new_id(now: Timestamp) -> Result<String, Fault> {
    let mut random = [0_u8; 10];
    fill(&mut random)?;
    Ok(uuid7(now, random))
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Fault> {
    kernel_crypto::random::fill(bytes).map_err(|error| {
        tracing::error!(%error, "the random number generator failed");
        Fault::internal("随机数服务不可用")
    })
}
