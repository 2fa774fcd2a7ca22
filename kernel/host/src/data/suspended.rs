//! Designed collections whose design is not to be relied on: the row of `structures` that says what
//! they are was changed behind the platform's back, or is gone. What was declared of them stays as it
//! is stored, so that nothing of theirs is lost, and they are out of use until the row is put right.

use std::collections::BTreeSet;

use sdk_contract::def::ModuleDef;
use sdk_contract::error::{Fault, FaultKind};

use super::declare::{COLLECTION, ID};
use super::structures::Structure;
use crate::Host;

/// Refuses what is about a collection that is out of use.
pub(super) fn in_use(host: &Host, collection: &str) -> Result<(), Fault> {
    let catalog = host.catalog();
    let installed = catalog.modules.get(ID).ok_or_else(Fault::not_found)?;
    if installed.suspended.contains(collection) {
        Err(fault())
    } else {
        Ok(())
    }
}

pub(crate) fn fault() -> Fault {
    Fault::new(
        FaultKind::Unavailable,
        "structure-altered",
        "该数据表的结构与平台写入时不一致，已停用并告警；数据未动，修复结构后即可继续使用",
    )
}

/// Adds to a declaration what an earlier one has of collections that no structure is about; their names.
pub(super) fn carry(
    def: &mut ModuleDef,
    declared: &ModuleDef,
    all: &[Structure],
) -> BTreeSet<String> {
    let known: BTreeSet<&str> = all.iter().flat_map(Structure::names).collect();
    let unknown = |name: &str| name != COLLECTION && !known.contains(name);
    let mut suspended = BTreeSet::new();
    for collection in declared.collections.iter().filter(|c| unknown(&c.name)) {
        let (name, entity) = (&collection.name, &collection.entity);
        let own = |what: &str| what.split_once('.').is_some_and(|(of, _)| of == entity);
        let page = format!("/{ID}/{name}");
        let on = |path: &str| {
            let rest = path.strip_prefix(&page);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let permissions = declared.permissions.iter().filter(|p| own(&p.name));
        def.permissions.extend(permissions.cloned());
        let actions = declared.actions.iter().filter(|a| own(&a.name));
        def.actions.extend(actions.cloned());
        let pages = declared.pages.iter().filter(|p| on(&p.path));
        def.pages.extend(pages.cloned());
        let choices = declared.choices.iter().filter(|c| own(&c.name));
        def.choices.extend(choices.cloned());
        def.collections.push(collection.clone());
        suspended.insert(name.clone());
    }
    let changes = declared.changes.iter();
    let changes = changes.filter(|change| unknown(change.collection()));
    def.changes.extend(changes.cloned());
    suspended
}
