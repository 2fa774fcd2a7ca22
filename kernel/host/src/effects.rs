//! From what a module wants done to what the kernel commits: every value fits its declaration,
//! every state change is a declared transition of the running action, nothing else is touched.

use sdk_contract::call::Write;
use sdk_contract::def::{ActionDef, CollectionDef, FieldDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use serde_json::{Map, Value};

/// Checks a module's own values against declared fields. Doubts are for people: none here.
fn input(
    def: &ModuleDef,
    fields: &[FieldDef],
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Fault> {
    sdk_contract::input::check(fields, &def.choices, given, &[])
        .map(|checked| checked.values)
        .map_err(Fault::invalid)
}

/// A state change that goes with a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) collection: String,
    pub(crate) id: String,
    pub(crate) from: Option<String>,
    pub(crate) to: String,
}

/// What the running action may do to flow fields.
#[derive(Clone, Copy)]
pub(crate) struct Running<'a> {
    pub(crate) def: &'a ModuleDef,
    /// Absent for an event handler, which may insert in an initial state but moves nothing.
    pub(crate) action: Option<&'a ActionDef>,
    /// The record a record action runs on, before the action.
    pub(crate) record: Option<&'a Map<String, Value>>,
}

/// Checks and normalises a module's writes. A misfit here is the module's defect, so the fault is
/// internal and the log names it.
pub(crate) fn writes(
    running: Running<'_>,
    wanted: Vec<Write>,
) -> Result<(Vec<Write>, Vec<Move>), Fault> {
    let mut moves = Vec::new();
    let mut checked = Vec::with_capacity(wanted.len());
    for write in wanted {
        checked.push(one(running, write, &mut moves).map_err(|what| {
            tracing::error!(plugin = %running.def.id, %what, blame = "plugin", "write refused");
            Fault::new(
                FaultKind::Internal,
                "plugin.bad-write",
                "该功能出错了，本次操作没有生效",
            )
        })?);
    }
    Ok((checked, moves))
}

fn one(running: Running<'_>, write: Write, moves: &mut Vec<Move>) -> Result<Write, String> {
    match write {
        Write::Insert {
            collection,
            id,
            subject,
            organisation,
            district,
            values,
        } => {
            let c = own(running.def, &collection)?;
            let values =
                input(running.def, &c.fields, values).map_err(|f| describe(&collection, &f))?;
            if let Some(to) = flow_value(running.def, &collection, &values) {
                let flow = running.def.flow(&collection);
                if !flow.is_some_and(|f| f.initial.iter().any(|s| s == to)) {
                    return Err(format!("{collection}: {to} is no initial state"));
                }
                moves.push(Move {
                    collection: collection.clone(),
                    id: id.clone(),
                    from: None,
                    to: to.into(),
                });
            }
            Ok(Write::Insert {
                collection,
                id,
                subject,
                organisation,
                district,
                values,
            })
        }
        Write::Update {
            collection,
            id,
            revision,
            values,
        } => {
            let c = own(running.def, &collection)?;
            let values = changes(running.def, c, values)?;
            if let Some(to) = flow_value(running.def, &collection, &values) {
                // A second move would start from where the first one led, which was not checked.
                if moves
                    .iter()
                    .any(|m| m.collection == collection && m.id == id)
                {
                    return Err(format!("{collection} {id} is moved twice"));
                }
                let from = transition(running, &collection, &id, to)?;
                moves.push(Move {
                    collection: collection.clone(),
                    id: id.clone(),
                    from: Some(from),
                    to: to.into(),
                });
            }
            Ok(Write::Update {
                collection,
                id,
                revision,
                values,
            })
        }
        Write::Delete {
            collection,
            id,
            revision,
        } => {
            if own(running.def, &collection)?.keep_deleted.is_none() {
                return Err(format!("{collection} keeps all its records"));
            }
            Ok(Write::Delete {
                collection,
                id,
                revision,
            })
        }
    }
}

fn own<'a>(def: &'a ModuleDef, collection: &str) -> Result<&'a CollectionDef, String> {
    def.collection(collection)
        .ok_or_else(|| format!("{collection} is not its own collection"))
}

fn describe(collection: &str, fault: &Fault) -> String {
    let fields: Vec<String> = fault
        .fields
        .iter()
        .map(|f| format!("{} {}", f.field, f.code))
        .collect();
    format!("{collection}: {}", fields.join(", "))
}

fn changes(
    def: &ModuleDef,
    c: &CollectionDef,
    values: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut checked = Map::new();
    for (name, given) in values {
        let field = c
            .field(&name)
            .ok_or_else(|| format!("{}: no field {name}", c.name))?;
        if field.frozen {
            return Err(format!("{}: {name} is frozen", c.name));
        }
        let value = match given {
            Value::Null if field.required => return Err(format!("{}: {name} is required", c.name)),
            Value::Null => Value::Null,
            given => field
                .kind
                .check(&given, &def.choices)
                .map_err(|m| format!("{}: {name} {}", c.name, m.code))?,
        };
        checked.insert(name, value);
    }
    Ok(checked)
}

fn flow_value<'a>(
    def: &ModuleDef,
    collection: &str,
    values: &'a Map<String, Value>,
) -> Option<&'a str> {
    def.flow(collection)
        .and_then(|flow| values.get(&flow.field))
        .and_then(Value::as_str)
}

/// The state a record is in; none where its collection has no flow.
pub(crate) fn state<'a>(
    def: &ModuleDef,
    collection: &str,
    record: &'a Map<String, Value>,
) -> Option<&'a str> {
    flow_value(def, collection, record)
}

fn transition(
    running: Running<'_>,
    collection: &str,
    id: &str,
    to: &str,
) -> Result<String, String> {
    let action = running.action.ok_or("an event handler moves no flow")?;
    let record = running
        .record
        .filter(|r| {
            action.collection == collection && r.get("id").and_then(Value::as_str) == Some(id)
        })
        .ok_or_else(|| format!("{collection} {id} is not the record of the running action"))?;
    let from = state(running.def, collection, record).unwrap_or_default();
    let legal = running.def.flow(collection).is_some_and(|flow| {
        flow.transitions
            .iter()
            .any(|t| t.action == action.name && t.to == to && t.from.iter().any(|s| s == from))
    });
    if legal {
        Ok(from.to_owned())
    } else {
        Err(format!("{} does not lead from {from} to {to}", action.name))
    }
}

/// Refuses a record action in a state its flow does not allow it in, naming what is allowed.
pub(crate) fn allowed_now(
    def: &ModuleDef,
    action: &ActionDef,
    record: &Map<String, Value>,
) -> Result<(), Fault> {
    let Some(flow) = def.flow(&action.collection) else {
        return Ok(());
    };
    let own: Vec<_> = flow
        .transitions
        .iter()
        .filter(|t| t.action == action.name)
        .collect();
    let now = state(def, &action.collection, record).unwrap_or_default();
    if own.is_empty() || own.iter().any(|t| t.from.iter().any(|s| s == now)) {
        return Ok(());
    }
    let possible: Vec<&str> = flow
        .transitions
        .iter()
        .filter(|t| t.from.iter().any(|s| s == now))
        .filter_map(|t| def.action(&t.action).map(|a| a.label.zh.as_str()))
        .collect();
    let can = if possible.is_empty() {
        "没有可做的操作".to_owned()
    } else {
        format!("可以：{}", possible.join("、"))
    };
    Err(Fault::conflict(
        format!("{}.illegal-transition", def.id),
        format!(
            "当前状态不能{}；{can}。页面可能已过时，请刷新后再试",
            action.label.zh
        ),
    ))
}
