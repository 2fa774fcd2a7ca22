//! Looks at masked values: one value or file, once, for a reason that is in the audit trail before
//! it is shown (tender row 93). A field of level L4 takes a second factor proven a moment ago
//! and a second person besides, see [`second`].

mod second;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, Record, RowFilter};
use sdk_contract::def::{CollectionDef, FieldDef, Level};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::page::{LookTakes, Page, Place};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value};

use crate::catalog::Installed;
use crate::files::RecordFile;
use crate::mask::{Sight, lets, needs_clearance, revealed};
use crate::module::Call;
use crate::reads::{ask, permitted, readable};
use crate::uploads::{digest, items};
use crate::values::worded;
use crate::{Catalog, Host};

/// Looks that one page offers; the masked values beyond are just masked.
const MOST_OFFERED: usize = 100;

use second::Asked;
pub(crate) use second::{DEED, may_decide, subject};

/// What somebody wants to look at, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    pub place: Place,
    /// Which of the files, from 1, where several stand there.
    pub file: Option<usize>,
    pub reason: String,
}

/// What came of asking for a look.
#[derive(Debug, Clone)]
pub enum Look {
    Shown(Shown),
    /// A file that may be opened this once.
    File(RecordFile),
    /// A second person decides first. Whoever asked then looks by asking again.
    Waiting(Waiting),
}

/// A value that somebody may see this once.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The field's label.
    pub label: String,
    pub value: Value,
}

/// What a look takes, and at how many files.
type Offer = (LookTakes, Option<u32>);

/// A look that a second person decides about.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The field's label.
    pub label: String,
    /// The request's id in `platform.requests`.
    pub request: String,
    /// Within which it is decided.
    pub until: Timestamp,
}

/// A field that a principal may look at, and what stands there.
struct Looked {
    field: FieldDef,
    value: Value,
    /// Whether it is shown without asking.
    revealed: bool,
    /// The one file that is looked at, where it is a field of files.
    file: Option<RecordFile>,
}

/// What one page's looks have read.
#[derive(Default)]
struct Known {
    /// By collection and id; none where it is not readable.
    records: BTreeMap<(String, String), Option<Record>>,
    asked: Option<Asked>,
}

impl Host {
    /// A masked value whole. The record must be readable, and the field's `look` must reach it. A look
    /// that is refused is on record as one that is taken.
    pub async fn look(&self, p: &Principal, sought: &Sought) -> Result<Look, Fault> {
        let call = self.call(p)?;
        let done = self.look_checked(&call, sought).await;
        if let Err(fault) = &done {
            let place = &sought.place;
            self.refused(&call, (DEED, &place.id), fault, named(place))
                .await?;
        }
        done
    }

    async fn look_checked(&self, call: &Call, sought: &Sought) -> Result<Look, Fault> {
        let (p, place) = (&call.principal, &sought.place);
        let mut looked = self.looked(p, place).await?;
        let party = self.party(&place.collection, &place.id).await?;
        call.seen.parties(party.as_deref());
        if let Some(file) = looked.choose(sought.file)? {
            looked.file = Some(self.record_file(file, place.clone(), true).await?);
        }
        if looked.takes_two() {
            return self.look_by_two(call, sought, looked).await;
        }
        let reason = worded(&sought.reason)?;
        if looked.field.level == Some(Level::L4) {
            self.stepped_up(call, false).await?;
        }
        let detail = looked.detail(place, reason);
        self.audit(call, DEED, &place.id, "ok", detail.into())
            .await?;
        self.shown(p, place, looked).await
    }

    /// What stands there once the look is on record: the value as it is now, or the file that was
    /// recorded, where it still is the record's.
    async fn shown(&self, p: &Principal, place: &Place, looked: Looked) -> Result<Look, Fault> {
        let now = self.looked(p, place).await?;
        let Some(file) = looked.file else {
            return Ok(Look::Shown(Shown {
                label: now.field.label.zh,
                value: now.value,
            }));
        };
        let mut there = now.files().into_iter().flatten();
        if there.any(|f| digest(f) == Some(file.digest.as_str())) {
            return Ok(Look::File(file));
        }
        let what = "该文件刚刚被更换，请刷新后再查看";
        Err(Fault::conflict("file-gone", what))
    }

    /// Leaves on a page only the looks that its viewer may take and needs.
    pub(crate) async fn offer_looks(
        &self,
        p: &Principal,
        module: &str,
        page: &mut Page,
    ) -> Result<(), Fault> {
        let mut offered: BTreeMap<Place, Option<Offer>> = BTreeMap::new();
        let mut known = Known::default();
        for masked in page.masked_mut() {
            let Some(mut place) = masked.of.take() else {
                continue;
            };
            place.collection = CollectionName::within(module, &place.collection).to_string();
            let offer = match offered.get(&place).copied() {
                Some(offer) => offer,
                None if offered.len() >= MOST_OFFERED => None,
                None => self.offer(p, &place, &mut known).await?,
            };
            offered.insert(place.clone(), offer);
            masked.of = offer.map(|_| place);
            (masked.takes, masked.files) = offer.unwrap_or_default();
        }
        Ok(())
    }

    /// What a look takes that somebody may take and needs.
    async fn offer(
        &self,
        p: &Principal,
        place: &Place,
        known: &mut Known,
    ) -> Result<Option<Offer>, Fault> {
        let at = (place.collection.clone(), place.id.clone());
        let record = match known.records.entry(at) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(match self.unmasked(p, place).await {
                Ok(record) => Some(record),
                Err(fault) if fault.kind == FaultKind::Unavailable => return Err(fault),
                Err(_) => None,
            }),
        };
        let looked = record.as_ref().map(|r| self.looked_in(p, place, r));
        let Some(Ok(looked)) = looked else {
            return Ok(None);
        };
        if looked.revealed || looked.lacks_files() {
            return Ok(None);
        }
        if !looked.takes_two() {
            return Ok(Some((LookTakes::Reason, looked.count())));
        }
        let asked = match &mut known.asked {
            Some(asked) => asked,
            none => none.insert(self.asked_looks(p).await?),
        };
        let takes = asked.takes(place, looked.only_digest());
        Ok(Some((takes, looked.count())))
    }

    async fn looked(&self, p: &Principal, place: &Place) -> Result<Looked, Fault> {
        // What is no masked field is told before anything is read, and is in no trail.
        masked(&self.catalog(), place)?;
        let record = self.unmasked(p, place).await?;
        self.looked_in(p, place, &record)
    }

    /// The record that a place is in, where it is readable.
    async fn unmasked(&self, p: &Principal, place: &Place) -> Result<Record, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, &place.collection)?;
        let record = self
            .store()
            .get(&readable.name, &place.id, &readable.rows)
            .await;
        record.map_err(|e| ask(&e))?.ok_or_else(Fault::not_found)
    }

    fn looked_in(&self, p: &Principal, place: &Place, record: &Record) -> Result<Looked, Fault> {
        let catalog = self.catalog();
        let (installed, collection, field) = masked(&catalog, place)?;
        let def = &installed.def;
        if Sight::of(def, collection, p).takes(&field.name, record) {
            return Err(unseen(field));
        }
        let lets = |rows: &RowFilter| lets(rows, collection.assignee.as_deref(), record);
        let revealed = lets(&revealed(def, field, p));
        if !revealed {
            let reach = |permission: &Option<String>| match permission {
                Some(name) => permitted(def, p, name),
                None => Ok(RowFilter::None),
            };
            let shown = reach(&field.reveal).is_ok_and(|rows| lets(&rows));
            if !shown && !lets(&reach(&field.look)?) {
                return Err(unseen(field));
            }
            needs_clearance(def, field, p)?;
        }
        Ok(Looked {
            field: field.clone(),
            value: record.get(&field.name).cloned().unwrap_or_default(),
            revealed,
            file: None,
        })
    }
}

fn unseen(field: &FieldDef) -> Fault {
    Fault::forbidden(format!("您不能查看完整的{}", field.label.zh))
}

/// The masked field of a place, and where it is declared.
fn masked<'a>(
    catalog: &'a Catalog,
    place: &Place,
) -> Result<(&'a Installed, &'a CollectionDef, &'a FieldDef), Fault> {
    let found = catalog
        .collection(&place.collection)
        .and_then(|(installed, collection)| {
            let field = collection.field(&place.field)?;
            let masked = field.mask.is_some();
            masked.then_some((&**installed, collection, field))
        });
    found.ok_or_else(Fault::not_found)
}

/// What the trail calls a place besides its record.
fn named(place: &Place) -> Map<String, Value> {
    let mut detail = Map::new();
    detail.insert("collection".into(), place.collection.as_str().into());
    detail.insert("field".into(), place.field.as_str().into());
    detail
}

impl Looked {
    /// Most sensitive, and not shown to the viewer anyway.
    fn takes_two(&self) -> bool {
        self.field.level == Some(Level::L4) && !self.revealed
    }

    /// The files that stand there; none for a field that holds no files.
    fn files(&self) -> Option<impl Iterator<Item = &Value>> {
        let holds = matches!(self.field.kind, Kind::File { .. });
        holds.then(|| items(&self.value).filter(|file| digest(file).is_some()))
    }

    fn count(&self) -> Option<u32> {
        let count = self.files()?.count();
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// A field of files in which there are none.
    fn lacks_files(&self) -> bool {
        self.count() == Some(0)
    }

    /// Of the one file that stands there. Of several it is not known yet which will be asked for.
    fn only_digest(&self) -> Option<&str> {
        let mut files = self.files()?;
        let first = files.next()?;
        digest(first).filter(|_| files.next().is_none())
    }

    /// Which file is looked at, from 1; the only one needs no number.
    fn choose(&self, number: Option<usize>) -> Result<Option<&Value>, Fault> {
        let Some(files) = self.files() else {
            return Ok(None);
        };
        let files: Vec<&Value> = files.collect();
        let number = match (number, files.len()) {
            (_, 0) => return Err(Fault::not_found()),
            (None, 1) => 1,
            (Some(number), _) => number,
            (None, count) => {
                let message = format!("共有 {count} 份文件，请选择要查看的一份");
                let fault = FieldFault::new("file", "required", message);
                return Err(Fault::invalid(vec![fault]));
            }
        };
        let file = number.checked_sub(1).and_then(|at| files.get(at).copied());
        let file = file.ok_or_else(|| {
            let fault = FieldFault::new("file", "not-an-option", "没有这一份文件，请重新选择");
            Fault::invalid(vec![fault])
        })?;
        Ok(Some(file))
    }

    /// What the trail says of the look.
    fn detail(&self, place: &Place, reason: &str) -> Map<String, Value> {
        let mut detail = named(place);
        detail.insert("reason".into(), reason.into());
        if let Some(file) = &self.file {
            detail.insert("digest".into(), file.digest.as_str().into());
        }
        detail
    }
}
