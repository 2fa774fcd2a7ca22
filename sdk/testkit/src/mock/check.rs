//! Writes against the declaration, as the kernel checks them.

use sdk::Map;
use sdk_contract::call::Write;
use sdk_contract::def::{ActionDef, CollectionDef, FlowDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::input;
use sdk_contract::kind::Kind;
use serde_json::Value;

/// A write the module should not have asked for: its defect, not the caller's.
pub(super) fn bad_write(what: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Internal, "plugin.bad-write", what)
}

/// What is running, as far as its writes are concerned.
#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) def: &'a ModuleDef,
    /// Name of the action or event, as a step through a flow has it.
    pub(super) step: &'a str,
    /// With its checked input. Absent for an event handler, which moves no record through its flow.
    pub(super) action: Option<(&'a ActionDef, &'a Map)>,
    /// The record that the action runs on, as it was before.
    pub(super) record: Option<&'a Map>,
}

/// A write in canonical form, and the step through a flow that goes with it.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) write: Write,
    pub(super) step: Option<(Option<String>, String)>,
}

impl Running<'_> {
    /// A reference that leads nowhere: the caller's mistake where the caller gave it.
    pub(super) fn leads_nowhere(self, field: &str, id: &str) -> Fault {
        let given = self.action.and_then(|(action, values)| {
            action.input.iter().find(|f| {
                matches!(f.kind, Kind::Ref { .. })
                    && values.get(&f.name).and_then(Value::as_str) == Some(id)
            })
        });
        match given {
            Some(given) => Fault::invalid(vec![FieldFault::new(
                &given.name,
                "missing-reference",
                "所选记录不存在",
            )]),
            None => bad_write(format!("{field} names {id}, which does not exist")),
        }
    }

    pub(super) fn check(self, write: Write) -> Result<Checked, Fault> {
        match write {
            Write::Insert {
                collection,
                id,
                subject,
                organisation,
                district,
                values,
            } => {
                let c = self.own(&collection)?;
                let checked = input::check(&c.fields, &self.def.choices, values, &[]);
                let values = checked.map(|checked| checked.values).map_err(|faults| {
                    let names: Vec<String> = faults
                        .iter()
                        .map(|f| format!("{} {}", f.field, f.code))
                        .collect();
                    bad_write(format!("{collection}: {}", names.join(", ")))
                })?;
                let step = match self.moved(&collection, &values) {
                    None => None,
                    Some((flow, to)) if flow.initial.iter().any(|s| s == to) => {
                        Some((None, to.to_owned()))
                    }
                    Some((_, to)) => {
                        return Err(bad_write(format!("{collection}: {to} is no initial state")));
                    }
                };
                let write = Write::Insert {
                    collection,
                    id,
                    subject,
                    organisation,
                    district,
                    values,
                };
                Ok(Checked { write, step })
            }
            Write::Update {
                collection,
                id,
                revision,
                values,
            } => {
                let values = self.changes(self.own(&collection)?, values)?;
                let step = match self.moved(&collection, &values) {
                    None => None,
                    Some((flow, to)) => {
                        let from = self.transition(flow, &id, to)?;
                        Some((Some(from), to.to_owned()))
                    }
                };
                Ok(Checked {
                    write: Write::Update {
                        collection,
                        id,
                        revision,
                        values,
                    },
                    step,
                })
            }
            Write::Delete { ref collection, .. } => {
                if self.own(collection)?.keep_deleted.is_none() {
                    return Err(bad_write(format!("{collection} keeps all its records")));
                }
                Ok(Checked { write, step: None })
            }
        }
    }

    fn own(&self, collection: &str) -> Result<&CollectionDef, Fault> {
        let own = self.def.collection(collection);
        own.ok_or_else(|| bad_write(format!("{collection} is not its own collection")))
    }

    fn changes(&self, c: &CollectionDef, values: Map) -> Result<Map, Fault> {
        let mut changes = Map::new();
        for (name, given) in values {
            let refuse = |why: &str| Err(bad_write(format!("{}: {name} {why}", c.name)));
            let value = match (c.field(&name), given) {
                (None, _) => return refuse("is no field"),
                (Some(field), _) if field.frozen => return refuse("is frozen"),
                (Some(field), Value::Null) if field.required => return refuse("is required"),
                (Some(_), Value::Null) => Value::Null,
                (Some(field), given) => match field.kind.check(&given, &self.def.choices) {
                    Ok(value) => value,
                    Err(misfit) => return refuse(&misfit.code),
                },
            };
            changes.insert(name, value);
        }
        Ok(changes)
    }

    /// The flow of a collection and the state that values put the record in.
    fn moved<'v>(&self, collection: &str, values: &'v Map) -> Option<(&FlowDef, &'v str)> {
        let flow = self.def.flow(collection)?;
        Some((flow, values.get(&flow.field)?.as_str()?))
    }

    fn transition(&self, flow: &FlowDef, id: &str, to: &str) -> Result<String, Fault> {
        let (action, _) = self
            .action
            .ok_or_else(|| bad_write("an event handler moves no flow"))?;
        let record = self
            .record
            .filter(|r| action.collection == flow.collection && text(r, "id") == id)
            .ok_or_else(|| bad_write(format!("{id} is not the record of the running action")))?;
        let from = text(record, &flow.field);
        let mut own = flow.transitions.iter().filter(|t| t.action == action.name);
        if own.any(|t| t.to == to && t.from.iter().any(|s| s == from)) {
            Ok(from.to_owned())
        } else {
            Err(bad_write(format!(
                "{} does not lead from {from} to {to}",
                action.name
            )))
        }
    }
}

pub(super) fn text<'r>(record: &'r Map, name: &str) -> &'r str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Refuses an action that the flow does not allow in the record's state.
pub(super) fn allowed_now(def: &ModuleDef, action: &ActionDef, record: &Map) -> Result<(), Fault> {
    let Some(flow) = def.flow(&action.collection) else {
        return Ok(());
    };
    let mut own = flow
        .transitions
        .iter()
        .filter(|t| t.action == action.name)
        .peekable();
    let now = text(record, &flow.field);
    if own.peek().is_none() || own.any(|t| t.from.iter().any(|s| s == now)) {
        return Ok(());
    }
    Err(Fault::conflict(
        format!("{}.illegal-transition", def.id),
        format!(
            "当前状态不能{}；页面可能已过时，请刷新后再试",
            action.label.zh
        ),
    ))
}
