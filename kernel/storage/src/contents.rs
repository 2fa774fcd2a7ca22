//! What the collections hold, as a number and a digest that both engines compute alike.

use std::collections::{BTreeMap, BTreeSet};

use kernel_crypto::keys::KeyRing;
use kernel_crypto::sm3::Hasher;
use sdk_contract::kind::Kind;
use sea_query::{Alias, Order};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::backend::Conn;
use crate::schema::{Registry, Table};
use crate::{StorageError, Store, query, value};

/// A collection's rows and what is in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub rows: u64,
    /// SM3 over every record's canonical JSON and a line end, in the order of their ids. Encrypted
    /// fields are opened for it, so equal records have equal digests under any key.
    pub digest: String,
}

/// What was seen in reading every record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// By `<module>.<collection>`.
    pub collections: BTreeMap<String, Content>,
    /// Every digest (64 lower-case hex characters) that some record names, in whichever field.
    pub digests: BTreeSet<String>,
    /// Those that stand in file fields: of these there must be a blob.
    pub files: BTreeSet<String>,
}

impl Store {
    /// What each collection, `<module>.<collection>`, holds at one moment. Reads every record.
    pub async fn contents(&self) -> Result<BTreeMap<String, Content>, StorageError> {
        Ok(self.survey().await?.collections)
    }

    /// The same, with the digests that records name.
    pub async fn survey(&self) -> Result<Survey, StorageError> {
        let mut snapshot = self.db().snapshot().await?;
        let registry = self.registry();
        survey(&mut snapshot.conn(), &registry, self.keys()).await
    }
}

pub(crate) async fn contents(
    conn: &mut Conn<'_>,
    registry: &Registry,
    keys: &KeyRing,
) -> Result<BTreeMap<String, Content>, StorageError> {
    Ok(survey(conn, registry, keys).await?.collections)
}

pub(crate) async fn survey(
    conn: &mut Conn<'_>,
    registry: &Registry,
    keys: &KeyRing,
) -> Result<Survey, StorageError> {
    let mut all = Survey::default();
    for table in registry.all_tables() {
        let content = content(conn, table, keys, &mut all).await?;
        all.collections.insert(table.name.to_string(), content);
    }
    Ok(all)
}

async fn content(
    conn: &mut Conn<'_>,
    table: &Table,
    keys: &KeyRing,
    all: &mut Survey,
) -> Result<Content, StorageError> {
    let statement = {
        let mut select = query::select_full(table);
        select.order_by(Alias::new("id"), Order::Asc);
        conn.engine().build(&select)
    };
    let (mut rows, mut hasher) = (0_u64, Hasher::new());
    conn.each(statement, "reading a collection", |row| {
        let record = value::full_record(keys, table, row)?.unchecked();
        for field in &table.def.fields {
            if let (Kind::File { .. }, Some(value)) = (&field.kind, record.get(&field.name)) {
                named(value.to_string().as_bytes(), &mut all.files);
            }
        }
        let canonical = kernel_crypto::canonical::to_vec(&Json::Object(record));
        named(&canonical, &mut all.digests);
        hasher.update(&canonical);
        hasher.update(b"\n");
        rows += 1;
        Ok::<_, StorageError>(())
    })
    .await?;
    Ok(Content {
        rows,
        digest: hasher.finish().to_string(),
    })
}

/// Adds the digests in a record's JSON: runs of exactly 64 lower-case hex digits.
pub(crate) fn named(canonical: &[u8], digests: &mut BTreeSet<String>) {
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    digests.extend(
        canonical
            .split(|byte| !hex(byte))
            .filter(|run| run.len() == 64)
            .map(|run| String::from_utf8_lossy(run).into_owned()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_wherever_a_record_has_them() {
        let (a, b) = ("a".repeat(64), "0".repeat(64));
        let text = format!(r#"{{"x":"{a}","y":[{{"digest":"{b}"}}],"z":"{a}f","n":1234}}"#);
        let mut found = BTreeSet::new();
        named(text.as_bytes(), &mut found);
        assert_eq!(found, BTreeSet::from([a, b]));
    }
}
