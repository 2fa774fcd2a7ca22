//! Looks at masked values: one value or file, once, for a reason that is in the audit trail before
//! it is shown (tender row 93). A field of level L4 takes a second factor proven a moment ago
//! and a second person besides, see [`second`].

mod second;

use std::collections::BTreeMap;

use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, RowFilter};
use sdk_contract::def::{FieldDef, Level};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::page::{LookTakes, Page, Place};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value};

use crate::Host;
use crate::files::RecordFile;
use crate::mask::lets;
use crate::reads::{ask, permitted, readable};
use crate::uploads::{digest, items};

/// Characters of a reason.
const LEAST_REASON: usize = 2;
const MOST_REASON: usize = 200;
/// Looks that one page offers; the masked values beyond are just masked.
const MOST_OFFERED: usize = 100;

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

/// A field that a principal may look at, in the record it stands in.
struct Looked {
    field: FieldDef,
    record: Map<String, Value>,
    /// Whether it is shown without asking.
    revealed: bool,
    /// The one file that is looked at, where it is a field of files.
    file: Option<RecordFile>,
}

impl Host {
    /// A masked value whole. The record must be readable, and the field's `look` must reach it.
    pub async fn look(&self, p: &Principal, sought: &Sought) -> Result<Look, Fault> {
        let place = &sought.place;
        let mut looked = self.looked(p, place).await?;
        if let Some(file) = looked.choose(sought.file)? {
            looked.file = Some(self.record_file(file, place.clone()).await?);
        }
        if looked.takes_two() {
            return self.look_by_two(p, sought, looked).await;
        }
        let reason = worded(&sought.reason)?;
        let call = self.call(p)?;
        if looked.field.level == Some(Level::L4) {
            self.stepped_up(&call, false).await?;
        }
        let detail = looked.detail(place, reason);
        self.audit(&call, "field.look", &place.id, "ok", detail.into())
            .await?;
        Ok(looked.shown())
    }

    /// Leaves on a page only the looks that its viewer may take and needs.
    pub(crate) async fn offer_looks(
        &self,
        p: &Principal,
        module: &str,
        page: &mut Page,
    ) -> Result<(), Fault> {
        let mut offered: BTreeMap<Place, Option<Offer>> = BTreeMap::new();
        let mut asked = None;
        for masked in page.masked_mut() {
            let Some(mut place) = masked.of.take() else {
                continue;
            };
            place.collection = CollectionName::within(module, &place.collection).to_string();
            let known = offered.get(&place).copied();
            let offer = match known {
                Some(offer) => offer,
                None if offered.len() >= MOST_OFFERED => None,
                None => match self.looked(p, &place).await {
                    Ok(looked) if looked.revealed || looked.is_no_file() => None,
                    Ok(looked) => {
                        if looked.takes_two() && asked.is_none() {
                            asked = Some(self.asked_looks(p).await?);
                        }
                        let asked = asked.as_ref().filter(|_| looked.takes_two());
                        let takes = asked.map(|asked| asked.takes(&place, looked.only_digest()));
                        Some((takes.unwrap_or_default(), looked.count()))
                    }
                    Err(fault) if fault.kind == FaultKind::Unavailable => return Err(fault),
                    Err(_) => None,
                },
            };
            offered.insert(place.clone(), offer);
            masked.of = offer.map(|_| place);
            (masked.takes, masked.files) = offer.unwrap_or_default();
        }
        Ok(())
    }

    async fn looked(&self, p: &Principal, place: &Place) -> Result<Looked, Fault> {
        let catalog = self.catalog();
        let (installed, collection) = catalog
            .collection(&place.collection)
            .ok_or_else(Fault::not_found)?;
        let readable = readable(&catalog, p, &place.collection)?;
        let record = self
            .store()
            .get(&readable.name, &place.id, &readable.rows)
            .await
            .map_err(|e| ask(&e))?
            .ok_or_else(Fault::not_found)?;
        let field = collection
            .field(&place.field)
            .filter(|f| f.mask.is_some())
            .ok_or_else(Fault::not_found)?;
        let reach = |permission: &Option<String>| match permission {
            Some(name) => permitted(&installed.def, p, name),
            None => Ok(RowFilter::None),
        };
        let lets = |rows: &RowFilter| lets(rows, collection.assignee.as_deref(), &record);
        let revealed = reach(&field.reveal).is_ok_and(|rows| lets(&rows));
        if !revealed && !lets(&reach(&field.look)?) {
            let label = &field.label.zh;
            return Err(Fault::forbidden(format!("您不能查看完整的{label}")));
        }
        Ok(Looked {
            field: field.clone(),
            record,
            revealed,
            file: None,
        })
    }
}

impl Looked {
    /// Most sensitive, and not shown to the viewer anyway.
    fn takes_two(&self) -> bool {
        self.field.level == Some(Level::L4) && !self.revealed
    }

    /// The files that stand there; none for a field that holds no files.
    fn files(&self) -> Option<impl Iterator<Item = &Value>> {
        let holds = matches!(self.field.kind, Kind::File { .. });
        let value = self.record.get(&self.field.name).filter(|_| holds)?;
        Some(items(value).filter(|file| digest(file).is_some()))
    }

    fn count(&self) -> Option<u32> {
        let count = self.files()?.count();
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn is_no_file(&self) -> bool {
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
        let mut detail = Map::new();
        detail.insert("collection".into(), place.collection.as_str().into());
        detail.insert("field".into(), place.field.as_str().into());
        detail.insert("reason".into(), reason.into());
        if let Some(file) = &self.file {
            detail.insert("digest".into(), file.digest.as_str().into());
        }
        detail
    }

    fn shown(mut self) -> Look {
        match self.file {
            Some(file) => Look::File(file),
            None => Look::Shown(Shown {
                value: self.record.remove(&self.field.name).unwrap_or_default(),
                label: self.field.label.zh,
            }),
        }
    }
}

/// A reason on one line, without the space around it.
fn worded(reason: &str) -> Result<&str, Fault> {
    let reason = reason.trim();
    let length = reason.chars().count();
    let (code, message) = if length < LEAST_REASON {
        ("required", "请写明查看理由")
    } else if length > MOST_REASON || reason.chars().any(char::is_control) {
        ("too-long", "理由请在 200 字以内，只写一行")
    } else {
        return Ok(reason);
    };
    let fault = FieldFault::new("reason", code, message);
    Err(Fault::invalid(vec![fault]))
}
