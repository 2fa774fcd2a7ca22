//! One call, as the plugin sees it: who asks, when, what can be read, what shall be written.

use std::borrow::Borrow;
use std::cell::Cell;
use std::rc::Rc;

use sdk_contract::call::{CallContext, Caller, EventDraft, Reply, ScoreRequest, Scored, Write};
use sdk_contract::error::Fault;
use sdk_contract::notice::NoticeDraft;
use sdk_contract::query::{Aggregate, Found, Group, Query, Step};
use sdk_contract::scalar::{Date, Id, Timestamp, uuid7};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Map;
use crate::event::EventName;
use crate::host::{Host, Level};
use crate::record::{Find, New, Patch, Record, Rows, Stored};

/// One call. Reads see what was committed before it; writes are kept until the call returns and
/// then committed by the kernel in one transaction, or not at all when it returns a fault.
pub struct Ctx {
    host: Rc<dyn Host>,
    context: CallContext,
    ids: Cell<u64>,
    writes: Vec<Write>,
    events: Vec<EventDraft>,
    notices: Vec<NoticeDraft>,
}

impl Ctx {
    pub(crate) fn new(host: Rc<dyn Host>, context: CallContext) -> Self {
        Self {
            host,
            context,
            ids: Cell::new(0),
            writes: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(crate) fn into_reply(self, reply: Reply) -> Reply {
        Reply {
            writes: self.writes,
            events: self.events,
            notices: self.notices,
            ..reply
        }
    }

    // Who and when.

    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.context.now)
    }
    /// The day in Beijing time.
    pub fn today(&self) -> Date {
        self.now().local_date()
    }
    pub fn caller(&self) -> &Caller {
        &self.context.caller
    }
    /// The party the caller acts for; refused for a caller without one.
    pub fn subject(&self) -> Result<&str, Fault> {
        let subject = self.caller().subject.as_deref();
        subject.ok_or_else(|| Fault::forbidden("请以企业身份登录后再操作"))
    }
    /// The caller's organisation; refused for a caller without one.
    pub fn organisation(&self) -> Result<&str, Fault> {
        let organisation = self.caller().organisation.as_deref();
        organisation.ok_or_else(|| Fault::forbidden("请以机构身份登录后再操作"))
    }
    /// `zh` or `en`.
    pub fn locale(&self) -> &str {
        &self.context.locale
    }
    /// A fresh id: the time of the call, then bits of its seed. Ids of one call differ.
    pub fn new_id<T>(&self) -> Id<T> {
        let count = self.ids.get();
        self.ids.set(count + 1);
        Id::new(uuid7(self.now(), random(&self.context.seed, count)))
    }

    // Reading, as the caller.

    pub fn get<T: Record>(&self, id: impl AsRef<str>) -> Result<Option<Stored<T>>, Fault> {
        let map = self.host.get(T::COLLECTION, id.as_ref())?;
        map.as_ref().map(Stored::from_map).transpose()
    }
    /// The record, or the fault that it is not there.
    pub fn must<T: Record>(&self, id: impl AsRef<str>) -> Result<Stored<T>, Fault> {
        self.get(id)?.ok_or_else(Fault::not_found)
    }
    /// ```ignore
    /// ctx.find::<Application>(Application::STATUS.eq(Status::Submitted))?;
    /// ctx.find(Find::<Application>::new().sort(Application::CREATED_AT.desc()).page(1, 20))?;
    /// ```
    pub fn find<T: Record>(&self, what: impl Into<Find<T>>) -> Result<Rows<T>, Fault> {
        let found = self.host.find(&what.into().query)?;
        let items = found
            .records
            .iter()
            .map(Stored::from_map)
            .collect::<Result<Vec<_>, _>>()?;
        let counted = u64::try_from(items.len()).unwrap_or(u64::MAX);
        Ok(Rows {
            items,
            total: found.total.unwrap_or(counted),
            next: found.next,
            facets: found.facets,
        })
    }
    /// Records of any collection as maps: another plugin's, `market.products`.
    pub fn find_raw(&self, query: impl Borrow<Query>) -> Result<Found, Fault> {
        self.host.find(query.borrow())
    }
    /// Records of any collection, each read into an `S`, which names only what it needs.
    pub fn find_as<S: DeserializeOwned>(&self, query: impl Borrow<Query>) -> Result<Vec<S>, Fault> {
        let query = query.borrow();
        let found = self.host.find(query)?;
        found
            .records
            .into_iter()
            .map(|map| read_as(&query.collection, map))
            .collect()
    }
    pub fn get_raw(&self, collection: &str, id: impl AsRef<str>) -> Result<Option<Map>, Fault> {
        self.host.get(collection, id.as_ref())
    }
    pub fn get_as<S: DeserializeOwned>(
        &self,
        collection: &str,
        id: impl AsRef<str>,
    ) -> Result<Option<S>, Fault> {
        self.get_raw(collection, id)?
            .map(|map| read_as(collection, map))
            .transpose()
    }
    pub fn aggregate(&self, aggregate: impl Borrow<Aggregate>) -> Result<Vec<Group>, Fault> {
        self.host.aggregate(aggregate.borrow())
    }
    /// The steps a record took through its flow, oldest first.
    pub fn steps<T: Record>(&self, record: &Stored<T>) -> Result<Vec<Step>, Fault> {
        self.host.steps(T::COLLECTION, record.id.as_str())
    }
    /// Scores a subject with a bank's live model, under the subject's consent.
    pub fn score(&self, request: &ScoreRequest) -> Result<Scored, Fault> {
        self.host.score(request)
    }
    /// SM3, lower-case hex.
    pub fn digest(&self, data: &[u8]) -> String {
        self.host.digest(data)
    }
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        self.host.log(level, message.as_ref());
    }

    // Writing, at the end of the call.

    pub fn insert<T: Record>(&mut self, mut new: New<T>) -> Id<T> {
        let id = new.id.take().unwrap_or_else(|| self.new_id());
        self.writes.push(new.into_write(&id));
        id
    }
    /// Changes what the patch names. Fails at commit if the record has changed since it was read.
    pub fn update<T: Record>(&mut self, record: &Stored<T>, patch: Patch<T>) {
        if let Some(earlier) = self.pending(T::COLLECTION, record.id.as_str()) {
            earlier.extend(patch.values);
            return;
        }
        self.writes.push(Write::Update {
            collection: T::COLLECTION.to_owned(),
            id: record.id.as_str().to_owned(),
            revision: record.revision,
            values: patch.values,
        });
    }
    /// Puts a record of a collection with `keep_deleted` out of everybody's sight. Fails at commit
    /// if the record has changed since it was read.
    pub fn delete<T: Record>(&mut self, record: &Stored<T>) {
        self.writes.push(Write::Delete {
            collection: T::COLLECTION.to_owned(),
            id: record.id.as_str().to_owned(),
            revision: record.revision,
        });
    }
    /// Values of an update of the same record that is already waiting.
    fn pending(&mut self, collection: &str, id: &str) -> Option<&mut Map> {
        self.writes.iter_mut().find_map(|write| match write {
            Write::Update {
                collection: c,
                id: i,
                values,
                ..
            } if c == collection && i == id => Some(values),
            _ => None,
        })
    }
    /// Says an event of the module. Events of one aggregate, usually a record's id, arrive in
    /// order.
    pub fn emit(&mut self, event: EventName, aggregate: impl AsRef<str>, data: Value) {
        self.events.push(EventDraft {
            name: event.name.to_owned(),
            aggregate: aggregate.as_ref().to_owned(),
            data,
        });
    }
    /// Has people told, with the commit of this call. Needs `[capabilities] notices = true`.
    /// ```ignore
    /// ctx.notify(permissions::READ.notice(&loan.organisation, format!("arrived:{}", loan.id))
    ///     .title("有新的申请", "A new application")
    ///     .path(format!("/lending/applications/{}", loan.id)));
    /// ```
    pub fn notify(&mut self, notice: NoticeDraft) {
        self.notices.push(notice);
    }
}

fn read_as<S: DeserializeOwned>(collection: &str, map: Map) -> Result<S, Fault> {
    serde_json::from_value(Value::Object(map))
        .map_err(|e| Fault::internal(format!("{collection} is not as expected: {e}")))
}

/// Ten bytes out of the seed's hex digits and a count.
fn random(seed: &str, count: u64) -> [u8; 10] {
    let mixed = |salt: u64| {
        let start = mix(count.wrapping_mul(2).wrapping_add(salt));
        seed.bytes()
            .fold(start, |state, byte| mix(state ^ u64::from(byte)))
    };
    let bytes = [mixed(0).to_be_bytes(), mixed(1).to_be_bytes()].concat();
    let mut out = [0; 10];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    out
}

/// The finaliser of splitmix64: a bijection in which every input bit reaches every output bit.
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_calls_and_within_a_call_differ() {
        let seeds = [
            "00".repeat(32),
            format!("{}01", "00".repeat(31)),
            format!("01{}", "00".repeat(31)),
        ];
        let all: BTreeSet<[u8; 10]> = seeds
            .iter()
            .flat_map(|s| (0..100).map(move |n| random(s, n)))
            .collect();
        assert_eq!(all.len(), 300);
        assert_eq!(random(&seeds[0], 7), random(&seeds[0], 7));
    }
}
