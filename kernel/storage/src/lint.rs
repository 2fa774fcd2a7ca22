//! Watches the statements of this process for those that would not scale out.
//!
//! Every statement on a collection's table must carry its shard key, or be one of the declared
//! fan-outs: a look-up by id, an aggregate, or a list with a bound. Tests switch it on before they
//! open a store and ask for the faults at their end; otherwise it costs one atomic load.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::schema::{ROW_RECORD, Table};

static WATCHING: AtomicBool = AtomicBool::new(false);
static SEEN: Mutex<Seen> = Mutex::new(Seen {
    tables: BTreeMap::new(),
    statements: BTreeSet::new(),
});

struct Seen {
    /// Each collection's table, and those of its rows, with the column of its shard key.
    tables: BTreeMap<String, Option<&'static str>>,
    statements: BTreeSet<String>,
}

/// Begins to watch; there is no end to it.
pub fn watch() {
    WATCHING.store(true, Ordering::Relaxed);
}

/// How many different statements on collections were seen, and a sentence for each that breaks the
/// rule.
pub fn report() -> (usize, Vec<String>) {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let on_tables: Vec<(&String, &String, Option<&'static str>)> = seen
        .statements
        .iter()
        .filter_map(|text| {
            let (table, shard) = seen.tables.get_key_value(table_of(text)?)?;
            Some((text, table, *shard))
        })
        .collect();
    let faults = on_tables.iter().filter_map(|(text, table, shard)| {
        fault(text, *shard).map(|why| format!("{table}: {why}: {text}"))
    });
    (on_tables.len(), faults.collect())
}

pub(crate) fn statement(text: &str) {
    if WATCHING.load(Ordering::Relaxed) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.statements.contains(text) {
            seen.statements.insert(text.to_owned());
        }
    }
}

pub(crate) fn table(table: &Table) {
    if WATCHING.load(Ordering::Relaxed) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        for table in std::iter::once(table).chain(table.rows.iter().map(|r| &r.table)) {
            let shard = table.shard_column();
            seen.tables.insert(table.sql_name.clone(), shard);
        }
    }
}

/// The table that a statement reads first or writes.
fn table_of(text: &str) -> Option<&str> {
    let after = ["INSERT INTO \"", "UPDATE \"", "DELETE FROM \"", " FROM \""]
        .iter()
        .filter_map(|verb| text.find(verb).map(|at| at + verb.len()))
        .min()?;
    text.get(after..)?.split('"').next()
}

fn fault(text: &str, shard: Option<&str>) -> Option<&'static str> {
    let filters = text.split_once(" WHERE ").map_or("", |(_, rest)| rest);
    let has = |column: &str| {
        filters.contains(&format!("\"{column}\" = "))
            || filters.contains(&format!("\"{column}\" IN ("))
    };
    if text.starts_with("INSERT ") {
        let carried = shard.is_none_or(|s| text.contains(&format!("\"{s}\"")));
        return (!carried).then_some("an insert without the shard key");
    }
    if text.starts_with("UPDATE ") || text.starts_with("DELETE ") {
        let of = shard.map_or_else(|| has("id") || has(ROW_RECORD), has);
        return (!of).then_some("a change without the shard key");
    }
    // What is joined must lie in the same shard.
    let joined = text.match_indices(" IN (SELECT ");
    let apart = joined.filter(|(at, _)| {
        let inner = text.get(*at..).unwrap_or_default();
        !inner.starts_with(" IN (SELECT \"shard\", ")
            && !inner.starts_with(" IN (SELECT \"rowid\" ")
    });
    if apart.count() > 0 {
        return Some("a join without the shard key");
    }
    let within = shard.is_some_and(has);
    let looked_up = has("id") || has(ROW_RECORD);
    let aggregate = text.starts_with("SELECT COUNT(") && !text.contains(" GROUP BY ");
    let bounded = text.contains(" LIMIT ");
    (!(within || looked_up || aggregate || bounded)).then_some("a fan-out without a bound")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_scale_out_is_found() {
        let good = [
            r#"INSERT INTO "t" ("id", "subject") VALUES ($1, $2)"#,
            r#"UPDATE "t" SET "a" = $1 WHERE "id" = $2 AND "subject" = $3"#,
            r#"SELECT "a" FROM "t" WHERE "subject" = $1"#,
            r#"SELECT "a" FROM "t" WHERE "id" = $1"#,
            r#"SELECT COUNT("id") FROM "t" WHERE "a" = $1"#,
            r#"SELECT "a", COUNT("id") FROM "t" GROUP BY "a" LIMIT $1"#,
            r#"SELECT "a" FROM "t" WHERE ("subject", "id") IN (SELECT "shard", "record" FROM "s") LIMIT $1"#,
        ];
        let bad = [
            r#"INSERT INTO "t" ("id") VALUES ($1)"#,
            r#"UPDATE "t" SET "subject" = $1 WHERE "id" = $2"#,
            r#"DELETE FROM "t" WHERE "id" = $1"#,
            r#"SELECT "subject" FROM "t" WHERE "a" = $1"#,
            r#"SELECT COUNT("id") FROM "t" GROUP BY "a""#,
            r#"SELECT "a" FROM "t" WHERE "id" IN (SELECT "record" FROM "s") LIMIT $1"#,
        ];
        for text in good {
            assert_eq!(table_of(text), Some("t"));
            assert_eq!(fault(text, Some("subject")), None, "{text}");
        }
        for text in bad {
            assert!(fault(text, Some("subject")).is_some(), "{text}");
        }
        let by_id = r#"UPDATE "t" SET "a" = $1 WHERE "id" = $2"#;
        assert_eq!(fault(by_id, None), None);
        assert_eq!(table_of("SAVEPOINT piece"), None);
    }
}
