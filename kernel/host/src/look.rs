//! Looks at masked values: one value, once, for a reason that is in the audit trail before the
//! value is shown (tender row 93). A field of level L4 takes a second factor proven a moment ago
//! besides.

use std::collections::BTreeMap;

use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, RowFilter};
use sdk_contract::def::{FieldDef, Level};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{Page, Place};
use serde_json::{Map, Value, json};

use crate::Host;
use crate::mask::lets;
use crate::reads::{ask, permitted, readable};

/// Characters of a reason.
const LEAST_REASON: usize = 2;
const MOST_REASON: usize = 200;
/// Looks that one page offers; the masked values beyond are just masked.
const MOST_OFFERED: usize = 100;

/// What a look showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The field's label.
    pub label: String,
    pub value: Value,
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
        let reason = reason.trim();
        let length = reason.chars().count();
        if !(LEAST_REASON..=MOST_REASON).contains(&length) || reason.chars().any(char::is_control) {
            let (code, message) = if length < LEAST_REASON {
                ("required", "请写明查看理由")
            } else {
                ("too-long", "理由请在 200 字以内，只写一行")
            };
            return Err(Fault::invalid(vec![FieldFault::new(
                "reason", code, message,
            )]));
        }
        let call = self.call(p)?;
        if looked.field.level == Some(Level::L4) {
            self.stepped_up(&call, false).await?;
        }
        let detail = json!({
            "collection": place.collection, "field": looked.field.name, "reason": reason,
        });
        self.audit(&call, "field.look", &place.id, "ok", detail)
            .await?;
        let mut record = looked.record;
        Ok(Look {
            value: record.remove(&looked.field.name).unwrap_or_default(),
            label: looked.field.label.zh,
        })
    }

    /// Leaves on a page only the looks that its viewer may take and needs.
    pub(crate) async fn offer_looks(
        &self,
        p: &Principal,
        module: &str,
        page: &mut Page,
    ) -> Result<(), Fault> {
        let mut offered: BTreeMap<Place, bool> = BTreeMap::new();
        for masked in page.masked_mut() {
            let Some(mut place) = masked.of.take() else {
                continue;
            };
            place.collection = CollectionName::within(module, &place.collection).to_string();
            let known = offered.get(&place).copied();
            let offer = match known {
                Some(offer) => offer,
                None if offered.len() >= MOST_OFFERED => false,
                None => match self.looked(p, &place).await {
                    Ok(looked) => !looked.revealed,
                    Err(fault) if fault.kind == sdk_contract::error::FaultKind::Unavailable => {
                        return Err(fault);
                    }
                    Err(_) => false,
                },
            };
            offered.insert(place.clone(), offer);
            masked.of = offer.then_some(place);
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
