//! A new designed collection, and the names that none may take.

use sdk_contract::call::{Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::Outcome;
use sdk_contract::query::{MAX_LIMIT, Query};
use serde_json::json;

use super::{Structure, roles_known};
use crate::Host;
use crate::data::declare::{COLLECTION, ID, PATH};
use crate::data::design::Design;
use crate::module::{Call, Input, new_id};
use crate::reads::ask as ask_fault;
use crate::values::object;

/// Designed collections of one platform.
const MOST: u64 = 100;

/// Names that other collections than `own` have, had, or are to have.
pub(super) async fn taken(host: &Host, own: Option<&Structure>) -> Result<Vec<String>, Fault> {
    let asked = Query::new(format!("{ID}.{COLLECTION}")).limit(MAX_LIMIT);
    // A name that one has of which nothing is to be relied on is declared all the same.
    let found = host.store().list(&asked, &Host::KERNEL).await;
    let found = found.map_err(|e| ask_fault(&e))?;
    let others = found.records.iter().map(Structure::read);
    let others = others.filter(|other| own.is_none_or(|own| own.id != other.id));
    let names = |other: Structure| other.names().map(str::to_owned).collect::<Vec<_>>();
    let mut taken: Vec<String> = others.flat_map(names).collect();
    let is_own = |name: &str| own.is_some_and(|own| own.names().any(|n| n == name));
    let catalog = host.catalog();
    let declared = catalog.modules.get(ID).into_iter();
    let declared = declared.flat_map(|m| m.def.collections.iter().map(|c| c.name.clone()));
    let former = host.store().former(ID).into_iter();
    let former = former.filter(|(_, now)| !is_own(now)).map(|(was, _)| was);
    taken.extend(declared.filter(|name| !is_own(name)).chain(former));
    Ok(taken)
}

pub(super) async fn create(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    roles_known(host, &input.values)?;
    let asked = Query {
        total: true,
        ..Query::new(format!("{ID}.{COLLECTION}")).limit(1)
    };
    let found = host.store().list(&asked, &Host::KERNEL).await;
    let found = found.map_err(|e| ask_fault(&e))?;
    if found.total.unwrap_or_default() >= MOST {
        return Err(Fault::refused("data.too-many", "数据表已达上限 100 张"));
    }
    let taken = taken(host, None).await?;
    let design = Design::new(&input.values, &taken).map_err(Fault::invalid)?;
    let id = new_id(call.now)?;
    let write = Write::Insert {
        collection: COLLECTION.into(),
        id: id.clone(),
        subject: None,
        organisation: None,
        district: None,
        values: object(json!({
            "name": design.name(),
            "label": design.collection.label.zh,
            "draft": design,
        })),
    };
    Ok(Reply {
        writes: vec![write],
        outcome: Some(Outcome::go(
            format!("{PATH}/{id}"),
            "已新建，请继续设计字段，完成后提交复核",
        )),
        result: json!({ "id": id }),
        ..Reply::default()
    })
}
