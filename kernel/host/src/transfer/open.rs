//! Who may still open a job's files: what is in them is of another collection, whose rights may have
//! changed since.

use kernel_identity::principal::Principal;
use sdk_contract::error::Fault;
use serde_json::{Map, Value};

use super::export::fields_of;
use super::start::clear_of;
use super::word;
use crate::Host;
use crate::console::{ID, JOBS};
use crate::reads::readable;

impl Host {
    /// Refuses a job's file to whoever acts for another organisation by now, and an export to whoever
    /// could not make it any more: may not read the collection, or not in clear what is in clear in it.
    pub(crate) fn may_open(
        &self,
        p: &Principal,
        collection: &str,
        record: &Map<String, Value>,
    ) -> Result<(), Fault> {
        if collection != format!("{ID}.{JOBS}") {
            return Ok(());
        }
        if p.organisation.as_deref() != Some(word(record, "organisation")) {
            return Err(Fault::forbidden("该任务是您代表另一机构发起的"));
        }
        if word(record, "kind") != "export" {
            return Ok(());
        }
        let catalog = self.catalog();
        let now = readable(&catalog, p, word(record, "collection"))?;
        let fields = fields_of(now.collection, record);
        let (then, now) = (word(record, "clear"), clear_of(now.def, p, &fields));
        if !then.is_empty() && then != now {
            let what = format!("您已不能查看其中未脱敏的{then}，请重新导出");
            return Err(Fault::forbidden(what));
        }
        Ok(())
    }
}
