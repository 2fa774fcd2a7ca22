//! What an action is given: whether it may be taken now, its input checked, and what of it somebody
//! signs.

use std::collections::BTreeSet;

use kernel_crypto::canonical;
use kernel_identity::principal::Principal;
use sdk_contract::def::{ActionDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::input;
use serde_json::{Map, Value};

use super::Act;
use crate::module::Call;
use crate::{Host, effects, signing};

/// What an action is given to do, checked.
pub(super) struct Prepared {
    pub(super) record: Option<Map<String, Value>>,
    pub(super) values: Map<String, Value>,
    pub(super) confirmed: Vec<String>,
    /// Files that the caller may name.
    pub(super) own: BTreeSet<String>,
}

impl Host {
    /// What the caller's own signature is to be over, for a signed action that was refused for want of
    /// it: canonical JSON.
    pub async fn content(&self, p: &Principal, act: &Act) -> Result<Vec<u8>, Fault> {
        let installed = self.module(p, &act.module)?;
        let def = &installed.def;
        let action = def.action(&act.action).ok_or_else(Fault::not_found)?;
        let call = self.call(p)?;
        let record = self
            .target(&call, &installed, action, act.id.as_deref())
            .await?;
        let prepared = self.prepared(&call, def, action, (record, act)).await?;
        let record = prepared.record.as_ref();
        let content = signing::content(def, action, record, &prepared.values);
        Ok(canonical::to_vec(&content))
    }

    /// Checks that an action may be taken now, and what it is given.
    pub(super) async fn prepared(
        &self,
        call: &Call,
        def: &ModuleDef,
        action: &ActionDef,
        (record, act): (Option<Map<String, Value>>, &Act),
    ) -> Result<Prepared, Fault> {
        if let Some(record) = &record {
            effects::allowed_now(def, action, record)?;
        }
        let mut given = given(&act.input)?;
        let own = self
            .own_files(call, def, action, record.as_ref(), &mut given)
            .await?;
        let checked = input::check(&action.input, &def.choices, given, &act.confirmed)
            .map_err(Fault::invalid)?;
        if !checked.doubts.is_empty() {
            return Err(Fault::doubtful(checked.doubts));
        }
        Ok(Prepared {
            record,
            values: checked.values,
            confirmed: checked.confirmed,
            own,
        })
    }
}

/// An action's input as it came.
fn given(input: &Value) -> Result<Map<String, Value>, Fault> {
    match input {
        Value::Object(map) => Ok(map.clone()),
        Value::Null => Ok(Map::new()),
        _ => {
            let text = "请求内容须为 JSON 对象";
            Err(Fault::new(FaultKind::Invalid, "not-an-object", text))
        }
    }
}
