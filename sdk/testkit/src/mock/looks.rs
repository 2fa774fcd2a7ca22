//! Which masked values a page offers to be looked at. The looks themselves are the kernel's.

use sdk_contract::def::Level;
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{LookTakes, Page, Place};
use serde_json::Value;

use super::access::Runner;
use super::{State, check};

/// What a look takes, and at how many files.
type Offer = (LookTakes, Option<u32>);

impl State {
    /// Leaves on a page only the looks that its viewer may take and needs.
    pub(super) fn offer_looks(&self, runner: &Runner, module: &str, page: &mut Page) {
        page.files_mut().for_each(|file| file.within(module));
        for masked in page.masked_mut() {
            let Some(mut place) = masked.of.take() else {
                continue;
            };
            if !place.collection.contains('.') {
                place.collection = format!("{module}.{}", place.collection);
            }
            let offer = self.offers(runner, &place).unwrap_or_default();
            masked.of = offer.map(|_| place);
            (masked.takes, masked.files) = offer.unwrap_or_default();
        }
    }

    /// What a look takes here, where nobody has asked for one yet, and at how many files.
    fn offers(&self, runner: &Runner, place: &Place) -> Result<Option<Offer>, Fault> {
        let (def, c) = self.collection(&place.collection)?;
        let readable = runner.reach(&def, &c.read)?;
        let rows = self.reached(runner, &readable, &c, &place.collection);
        let row = rows.iter().find(|row| check::text(row, "id") == place.id);
        let (Some(row), Some(field)) = (row, c.field(&place.field)) else {
            return Ok(None);
        };
        let reaches = |permission: &Option<String>| {
            let reach = permission.as_ref().map(|p| runner.reach(&def, p));
            matches!(reach, Some(Ok(reach)) if runner.reaches(&reach, &c, row, &self.people))
        };
        let offers = field.mask.is_some() && reaches(&field.look) && !reaches(&field.reveal);
        let takes = match field.level {
            Some(Level::L4) => LookTakes::Second,
            _ => LookTakes::Reason,
        };
        let files = matches!(field.kind, Kind::File { .. }).then(|| match row.get(&field.name) {
            Some(Value::Array(all)) => u32::try_from(all.len()).unwrap_or(u32::MAX),
            Some(Value::Object(_)) => 1,
            _ => 0,
        });
        Ok((offers && files != Some(0)).then_some((takes, files)))
    }
}
