//! What tables and indexes are called, and which indexes a table has.

use sdk_contract::def::{CollectionDef, FieldDef, Shard};

use super::{CollectionName, Index};
use crate::layout::Places;

/// `<table>__<field>`, within the 63 bytes that `PostgreSQL` keeps of a name.
pub(super) fn rows_table_name(parent: &str, field: &str) -> String {
    let full = format!("{parent}__{field}");
    if full.len() <= 60 {
        return full;
    }
    let digest = kernel_crypto::sm3::digest(full.as_bytes()).to_string();
    let head: String = full.chars().take(50).collect();
    let tail: String = digest.chars().take(8).collect();
    format!("{head}_{tail}")
}

/// `<module>__<plural>` with dashes as underscores.
pub(crate) fn table_name(name: &CollectionName) -> String {
    format!("{}__{}", name.module, name.collection).replace('-', "_")
}

/// The name of the column of digests beside an encrypted one.
pub(crate) fn blind_name(stored: &str) -> String {
    format!("{stored}__blind")
}

/// The declared keys and indexes, and those every table has for the row scopes.
pub(super) fn indexes(table: &str, def: &CollectionDef, places: &Places) -> Vec<Index> {
    let stored = |names: &Vec<String>| -> Vec<String> {
        names.iter().map(|n| places.column(n).to_owned()).collect()
    };
    let stored_name = |field: &FieldDef| {
        let column = places.column(&field.name);
        if field.blind {
            blind_name(column)
        } else {
            column.to_owned()
        }
    };
    let owned = |fields: &[&str]| fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
    let unique = def
        .fields
        .iter()
        .filter(|f| f.unique)
        .map(|f| vec![stored_name(f)])
        .chain(def.unique.iter().map(stored))
        .map(|fields| (fields, true));
    // The primary key already serves what it starts with.
    let mut plain = vec![owned(&["created_at", "id"])];
    match def.shard {
        Shard::Subject => plain.extend([owned(&["id"]), owned(&["organisation", "id"])]),
        Shard::Organisation => plain.extend([owned(&["id"]), owned(&["subject", "id"])]),
        Shard::Aggregate => {
            plain.extend([owned(&["subject", "id"]), owned(&["organisation", "id"])]);
        }
        Shard::Reference => {}
    }
    let blind = def.fields.iter().filter(|f| f.blind && !f.unique);
    plain.extend(blind.map(|f| vec![stored_name(f), "id".to_owned()]));
    let plain = plain
        .into_iter()
        .chain(def.indexes.iter().map(|declared| {
            let mut fields = stored(declared);
            if !fields.iter().any(|f| f == "id") {
                fields.push("id".to_owned());
            }
            fields
        }))
        .map(|fields| (fields, false));

    let mut indexes: Vec<Index> = Vec::new();
    for (fields, unique) in unique.chain(plain) {
        let name = index_name(table, &fields, unique);
        if !indexes.iter().any(|i| i.name == name) {
            indexes.push(Index {
                name,
                fields,
                unique,
            });
        }
    }
    indexes
}

/// Readable, stable, and within the 63 bytes that `PostgreSQL` keeps of a name.
pub(super) fn index_name(table: &str, fields: &[String], unique: bool) -> String {
    let prefix = if unique { "ux" } else { "ix" };
    let full = format!("{prefix}_{table}_{}", fields.join("_"));
    let digest = kernel_crypto::sm3::digest(format!("{table} {}", fields.join(" ")).as_bytes());
    let digest: String = digest.to_string().chars().take(8).collect();
    // Names are ASCII: the plan refuses others.
    let head: String = full.chars().take(50).collect();
    format!("{head}_{digest}")
}
