//! Looks at masked values: one value, once, for a reason that is in the audit trail before the
//! value is shown (tender row 93). A field of level L4 takes a second factor proven a moment ago
//! and a second person besides, see [`second`].

mod second;

use std::collections::BTreeMap;

use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, RowFilter};
use sdk_contract::def::{FieldDef, Level};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::{LookTakes, Page, Place};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::Host;
use crate::mask::lets;
use crate::reads::{ask, permitted, readable};

/// Characters of a reason.
const LEAST_REASON: usize = 2;
const MOST_REASON: usize = 200;
/// Looks that one page offers; the masked values beyond are just masked.
const MOST_OFFERED: usize = 100;

pub(crate) use second::{DEED, may_decide, subject};

/// What came of asking for a look.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    Shown(Shown),
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
}

impl Host {
    /// A masked value whole. The record must be readable, and the field's `look` must reach it.
    pub async fn look(&self, p: &Principal, place: &Place, reason: &str) -> Result<Look, Fault> {
        let looked = self.looked(p, place).await?;
        if looked.takes_two() {
            return self.look_by_two(p, place, looked, reason).await;
        }
        let reason = worded(reason)?;
        let call = self.call(p)?;
        if looked.field.level == Some(Level::L4) {
            self.stepped_up(&call, false).await?;
        }
        let detail = json!({
            "collection": place.collection, "field": looked.field.name, "reason": reason,
        });
        self.audit(&call, "field.look", &place.id, "ok", detail)
            .await?;
        Ok(Look::Shown(looked.shown()))
    }

    /// Leaves on a page only the looks that its viewer may take and needs.
    pub(crate) async fn offer_looks(
        &self,
        p: &Principal,
        module: &str,
        page: &mut Page,
    ) -> Result<(), Fault> {
        let mut offered: BTreeMap<Place, Option<LookTakes>> = BTreeMap::new();
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
                    Ok(looked) if looked.revealed => None,
                    Ok(looked) if looked.takes_two() => {
                        if asked.is_none() {
                            asked = Some(self.asked_looks(p).await?);
                        }
                        asked.as_ref().map(|asked| asked.takes(&place))
                    }
                    Ok(_) => Some(LookTakes::Reason),
                    Err(fault) if fault.kind == FaultKind::Unavailable => return Err(fault),
                    Err(_) => None,
                },
            };
            offered.insert(place.clone(), offer);
            masked.of = offer.map(|_| place);
            masked.takes = offer.unwrap_or_default();
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
        let revealed = reach(&field.reveal).is_ok_and(|rows| lets(&rows, &record));
        if !revealed && !lets(&reach(&field.look)?, &record) {
            let label = &field.label.zh;
            return Err(Fault::forbidden(format!("您不能查看完整的{label}")));
        }
        Ok(Looked {
            field: field.clone(),
            record,
            revealed,
        })
    }
}

impl Looked {
    /// Most sensitive, and not shown to the viewer anyway.
    fn takes_two(&self) -> bool {
        self.field.level == Some(Level::L4) && !self.revealed
    }

    fn shown(mut self) -> Shown {
        Shown {
            value: self.record.remove(&self.field.name).unwrap_or_default(),
            label: self.field.label.zh,
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
