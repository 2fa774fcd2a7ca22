//! The catalogue of classified data: every declared field with a level, how it is guarded, and who may see
//! it whole; and those that are guarded and have no level yet, so that somebody gives them one. Made of the
//! declarations that serve; what a declaration has no more stays, marked as retired, and the history of
//! each row says when its class was changed.

use std::collections::BTreeMap;

use kernel_identity::clearance::Clearances;
use kernel_identity::grants::RoleBook;
use kernel_identity::principal::{ANYONE, SIGNED_IN};
use kernel_storage::{By, CollectionName, Commit, CommitError};
use sdk_contract::call::{Ask, Write};
use sdk_contract::def::{FieldDef, Level, Mask, ModuleDef};
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{Block, Choice, Column, Datum, Field, Page, Row, Table};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::ID;
use super::pages::{PAGE, bench, page_number};
use crate::data::is_designed;
use crate::install::{InstallError, query};
use crate::module::{Call, new_id};
use crate::platform::choices::scope;
use crate::values::{number, object, word};
use crate::{Catalog, Host};

/// Name of the collection.
pub(super) const CLASSIFIED: &str = "classified-fields";
/// Characters of who may see a field.
pub(super) const WHO: u32 = 1_000;

impl Host {
    /// Brings the catalogue in line with the declarations that serve. Nodes may do it at once.
    pub(crate) async fn refresh_classified(&self) -> Result<(), InstallError> {
        let stored = self.classified().await?;
        let roles = (&self.role_book(), self.sessions().clearances());
        let mut wanted = rows(&self.catalog(), roles);
        let now = self.clock().now();
        let mut writes = Vec::new();
        for row in &stored {
            let values = match wanted.remove(word(row, "place")) {
                Some(values) => values,
                None => object(json!({ "retired": true })),
            };
            if values
                .iter()
                .all(|(name, value)| row.get(name) == Some(value))
            {
                continue;
            }
            writes.push(Write::Update {
                collection: CLASSIFIED.into(),
                id: word(row, "id").to_owned(),
                revision: number(row, "revision"),
                values,
            });
        }
        for values in wanted.into_values() {
            let id = new_id(now).map_err(|f| InstallError::SeedValues {
                plugin: ID.into(),
                what: f.message,
            })?;
            writes.push(Write::Insert {
                collection: CLASSIFIED.into(),
                id,
                subject: None,
                organisation: None,
                district: None,
                values,
            });
        }
        if writes.is_empty() {
            return Ok(());
        }
        let commit = Commit {
            at: now.micros(),
            by: By {
                user: String::new(),
                name: "install".into(),
                organisation: None,
            },
            request: "install".into(),
            module: ID.into(),
            writes,
            ..Commit::default()
        };
        match self.store().commit(commit).await {
            // Another node was faster, from the same declarations.
            Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Stale { .. }) => Ok(()),
            Err(source) => Err(InstallError::Seed {
                plugin: ID.into(),
                source,
            }),
        }
    }

    async fn classified(&self) -> Result<Vec<Map<String, Value>>, InstallError> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let asked = Query::new(CollectionName::new(ID, CLASSIFIED).to_string())
                .after(cursor, MAX_LIMIT);
            let found = self.store().find(&asked, &Self::KERNEL).await;
            let found = found.map_err(query)?;
            all.extend(found.records);
            match found.next {
                Some(next) => cursor = next,
                None => return Ok(all),
            }
        }
    }
}

/// What declared roles are called, and cleared for.
type Roles<'a> = (&'a RoleBook, &'a Clearances);

/// The rows that there should be, by their place.
fn rows(catalog: &Catalog, roles: Roles<'_>) -> BTreeMap<String, Map<String, Value>> {
    let mut all = BTreeMap::new();
    for installed in catalog.modules.values() {
        let def = &installed.def;
        for c in &def.collections {
            let mut put = |of: Option<&FieldDef>, field: &FieldDef| {
                // A list of rows is guarded as a whole; a class of its own is the stricter.
                if !is_classified(field) {
                    return;
                }
                let names = of.into_iter().chain([field]);
                let (path, label): (Vec<&str>, Vec<&str>) = names
                    .map(|f| (f.name.as_str(), f.label.zh.as_str()))
                    .unzip();
                let place = format!("{}.{}.{}", def.id, c.name, path.join("."));
                let guard = of.filter(|f| f.mask.is_some()).unwrap_or(field);
                let values = json!({
                    "label": label.join(" · "),
                    "place": place,
                    "module": def.id,
                    "module_name": def.label.zh,
                    "collection_name": c.label.zh,
                    "level": field.level.map_or("none", Level::name),
                    "file": matches!(field.kind, Kind::File { .. }),
                    "designed": is_designed(def, c),
                    // Files are sealed whatever their class.
                    "encrypted": field.encrypted || matches!(field.kind, Kind::File { .. }),
                    "mask": guard.mask.map(mask_name),
                    "seen_by": who(def, roles, guard, &c.read),
                    "looked_at_by": guard.look.as_deref().map(|of| holders(def, roles, guard, of)),
                    "retired": false,
                });
                all.insert(place, object(values));
            };
            for field in &c.fields {
                put(None, field);
                if let Kind::Rows { fields, .. } = &field.kind {
                    for inner in fields {
                        put(Some(field), inner);
                    }
                }
            }
        }
    }
    all
}

/// Who reads a field as it is: whoever reads the record, unless it is masked.
fn who(def: &ModuleDef, roles: Roles<'_>, field: &FieldDef, read: &str) -> Option<String> {
    match (field.mask, &field.reveal) {
        (None, _) => Some(holders(def, roles, field, read)),
        (Some(_), Some(reveal)) => Some(holders(def, roles, field, reveal)),
        (Some(_), None) => None,
    }
}

/// The roles that a permission is declared for, each with its reach; of those that are named, the ones
/// that are cleared for the field.
fn holders(
    def: &ModuleDef,
    (roles, clearances): Roles<'_>,
    field: &FieldDef,
    permission: &str,
) -> String {
    let grants = def.permission(permission).map(|p| p.grants.as_slice());
    let cleared = |role: &str| {
        let everybody = [ANYONE, SIGNED_IN].contains(&role);
        everybody || field.class() <= Some(clearances.of_role(role))
    };
    let grants = grants.unwrap_or_default().iter();
    let named = grants.filter(|grant| cleared(&grant.role)).map(|grant| {
        let role = match grant.role.as_str() {
            ANYONE => "任何人",
            SIGNED_IN => "登录用户",
            role => roles.get(role).map_or(role, String::as_str),
        };
        format!("{role}（{}）", scope(grant.scope))
    });
    let said = named.collect::<Vec<_>>().join("、");
    said.chars().take(WHO as usize).collect()
}

const fn is_classified(field: &FieldDef) -> bool {
    field.level.is_some() || field.encrypted || field.mask.is_some()
}

const fn mask_name(mask: Mask) -> &'static str {
    match mask {
        Mask::Phone => "phone",
        Mask::Name => "name",
        Mask::IdNumber => "id-number",
        Mask::Account => "account",
        Mask::Address => "address",
        Mask::Amount => "amount",
        Mask::All => "all",
        Mask::Hidden => "hidden",
    }
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let at = page_number(ask);
    let mut asked = Query::new(CollectionName::new(ID, CLASSIFIED).to_string())
        .filter(Filter::eq("retired", false))
        .sort("level", true)
        .sort("place", false)
        .page(at, PAGE);
    for name in ["module", "level"] {
        if let Some(value) = ask.query(name) {
            asked = asked.filter(Filter::eq(name, value));
        }
    }
    if let Some(words) = ask.query("q") {
        let found = |name: &str| Filter::contains(name, words);
        asked = asked.filter(found("label").or(found("collection_name")));
    }
    let found = host.listed(call, asked).await?;
    let catalog = host.catalog();
    let def = &catalog.modules.get(ID).ok_or_else(Fault::not_found)?.def;
    let c = def.collection(CLASSIFIED).ok_or_else(Fault::not_found)?;
    let shown = |row: &Map<String, Value>, name: &str| {
        let value = row.get(name).cloned().unwrap_or_default();
        let field = c.field(name);
        field.map_or(Datum::None, |field| Datum::of(field, &def.choices, &value))
    };
    let rows = found.records.iter().map(|row| {
        let names = ["label", "level", "module_name", "collection_name"];
        let guards = ["encrypted", "mask", "seen_by", "looked_at_by"];
        let cells = names.iter().chain(&guards).map(|name| shown(row, name));
        Row::new(word(row, "id"), cells.collect())
    });
    let modules = catalog.modules.iter().filter(|(_, m)| has_classes(&m.def));
    let modules = modules.map(|(id, m)| Choice::new(id, &m.def.label.zh));
    let levels = def
        .choice("data-level")
        .into_iter()
        .flat_map(|c| &c.options);
    let levels = levels.map(|o| Choice::new(&o.value, &o.label.zh));
    let columns = vec![
        Column::new("label", "字段", 0),
        Column::new("level", "级别", 0),
        Column::new("module_name", "模块", 2),
        Column::new("collection_name", "数据集", 1),
        Column::new("encrypted", "加密存储", 2),
        Column::new("mask", "脱敏方式", 2),
        Column::new("seen_by", "直接可见全文", 1),
        Column::new("looked_at_by", "说明理由后可见", 3),
    ];
    let table = Table::new(columns)
        .of(CLASSIFIED)
        .rows(rows)
        .search("字段、数据集")
        .filter(Field::pick("module", "模块", modules.collect()))
        .filter(Field::pick("level", "级别", levels.collect()))
        .paging(at, PAGE, found.total.unwrap_or_default())
        .empty("没有符合条件的字段");
    Ok(bench("数据分级目录")
        .subtitle("由各模块与数据表的声明生成；含附件与运营方设计的数据表")
        .block(Block::table("classified", table)))
}

fn has_classes(def: &ModuleDef) -> bool {
    let classed = |field: &FieldDef| {
        let inner = match &field.kind {
            Kind::Rows { fields, .. } => fields.iter().any(is_classified),
            _ => false,
        };
        inner || is_classified(field)
    };
    def.collections.iter().any(|c| c.fields.iter().any(classed))
}
