//! What the collections hold, as a number and a digest that both engines compute alike.

use std::collections::BTreeMap;

use kernel_crypto::keys::KeyRing;
use kernel_crypto::sm3::Hasher;
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

impl Store {
    /// What each collection, `<module>.<collection>`, holds at one moment. Reads every record.
    pub async fn contents(&self) -> Result<BTreeMap<String, Content>, StorageError> {
        let mut snapshot = self.db().snapshot().await?;
        let registry = self.registry();
        contents(&mut snapshot.conn(), &registry, self.keys()).await
    }
}

pub(crate) async fn contents(
    conn: &mut Conn<'_>,
    registry: &Registry,
    keys: &KeyRing,
) -> Result<BTreeMap<String, Content>, StorageError> {
    let mut all = BTreeMap::new();
    for table in registry.tables() {
        let content = content(conn, table, keys).await?;
        all.insert(table.name.to_string(), content);
    }
    Ok(all)
}

async fn content(
    conn: &mut Conn<'_>,
    table: &Table,
    keys: &KeyRing,
) -> Result<Content, StorageError> {
    let statement = {
        let mut select = query::select(table);
        select.order_by(Alias::new("id"), Order::Asc);
        conn.engine().build(&select)
    };
    let (mut rows, mut hasher) = (0_u64, Hasher::new());
    conn.each(statement, "reading a collection", |row| {
        let record = value::record(keys, table, &row)?;
        hasher.update(&kernel_crypto::canonical::to_vec(&Json::Object(record)));
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
