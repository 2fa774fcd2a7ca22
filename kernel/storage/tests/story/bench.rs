//! The workbench of the story: a store per engine, a declaration, short hands for commits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use kernel_crypto::keys::KeyRing;
use kernel_storage::{
    By, CollectionName, Commit, CommitError, Committed, Record, RowFilter, Store, StoreUrl,
};
use sdk_contract::call::Write;
use sdk_contract::def::ModuleDef;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tests_scratch::Scratch;

/// 2026-11-23T08:00:00Z.
pub(crate) const NOW: i64 = 1_795_420_800_000_000;

pub(crate) struct Bench {
    pub(crate) url: StoreUrl,
    pub(crate) keys: Arc<KeyRing>,
    /// With the folder `keys`; goes with the bench.
    pub(crate) dir: tempfile::TempDir,
}

/// Runs the story on `SQLite`, and on `PostgreSQL` where there is one.
///
/// Whatever the story makes the store say is watched for statements that would not scale out.
pub(crate) async fn on_each_engine(story: impl AsyncFn(&Bench)) {
    kernel_storage::lint::watch();
    tell(story).await;
    let (_, faults) = kernel_storage::lint::report();
    assert!(faults.is_empty(), "{faults:#?}");
}

async fn tell(story: impl AsyncFn(&Bench)) {
    let dir = tempfile::tempdir().unwrap();
    let url = StoreUrl::Sqlite(dir.path().join("data").join("store.db"));
    story(&Bench::new(url, dir)).await;

    on_postgres(async |url| {
        story(&Bench::at(StoreUrl::Postgres(url.to_owned()))).await;
    })
    .await;
}

/// Runs the story with the address of an empty `PostgreSQL` database, where there is one.
pub(crate) async fn on_postgres(story: impl AsyncFn(&str)) {
    let Some(server) = tests_scratch::server() else {
        println!("skipped: RONGQIAO_TEST_PG is not set");
        return;
    };
    let scratch = Scratch::create(&server, "story").await.unwrap();
    let told = AssertUnwindSafe(story(&scratch.url())).catch_unwind().await;
    scratch.remove().await.unwrap();
    if let Err(panic) = told {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) async fn execute_on(server: &str, sql: &str) {
    let mut conn = sqlx::PgConnection::connect(server).await.unwrap();
    conn.execute(AssertSqlSafe(sql)).await.unwrap();
}

impl Bench {
    fn new(url: StoreUrl, dir: tempfile::TempDir) -> Self {
        let keys = Arc::new(KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap());
        Self { url, keys, dir }
    }

    /// A bench whose database is already there.
    pub(crate) fn at(url: StoreUrl) -> Self {
        Self::new(url, tempfile::tempdir().unwrap())
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url, Arc::clone(&self.keys))
            .await
            .unwrap()
    }

    /// An open store with the bench's module applied and one shelf, `id(1)`.
    pub(crate) async fn stocked(&self) -> Store {
        let store = self.open().await;
        store.apply(&module(), NOW).await.unwrap();
        put(&store, vec![shelf(1)]).await.unwrap();
        store
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn tamper(&self, sql: &str) {
        match &self.url {
            StoreUrl::Sqlite(path) => {
                let conn = rusqlite::Connection::open(path).unwrap();
                conn.execute_batch(sql).unwrap();
            }
            StoreUrl::Postgres(url) => {
                let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
                conn.execute(AssertSqlSafe(sql)).await.unwrap();
            }
        }
    }
}

pub(crate) fn id(n: u32) -> String {
    format!("00000000-0000-7000-8000-{n:012}")
}

pub(crate) fn orders() -> CollectionName {
    CollectionName::new("desk", "orders")
}

/// One collection with a field of every kind, and one it refers to.
pub(crate) fn module() -> ModuleDef {
    let field = |name: &str, kind: Value| {
        let mut field = json!({"name": name, "label": {"zh": name, "en": name}});
        field
            .as_object_mut()
            .unwrap()
            .extend(kind.as_object().unwrap().clone());
        field
    };
    let label = json!({"zh": "", "en": ""});
    serde_json::from_value(json!({
        "id": "desk",
        "label": label,
        "collections": [
            {
                "name": "orders", "entity": "order", "label": label, "title": "number",
                "shard": "subject", "audited": true, "read": "order.read",
                "assignee": "shelf",
                "indexes": [["status", "placed"]],
                "unique": [["placed", "lines"]],
                "fields": [
                    field("number", json!({"kind": "text", "max": 20, "required": true, "unique": true, "frozen": true})),
                    field("status", json!({"kind": "choice", "of": "states"})),
                    field("amount", json!({"kind": "money"})),
                    field("ratio", json!({"kind": "decimal", "scale": 4})),
                    field("lines", json!({"kind": "integer"})),
                    field("placed", json!({"kind": "date"})),
                    field("seen", json!({"kind": "datetime"})),
                    field("urgent", json!({"kind": "bool"})),
                    field("shelf", json!({"kind": "ref", "to": "shelves"})),
                    field("extra", json!({"kind": "json"})),
                    field("phone", json!({"kind": "code", "format": "phone", "encrypted": true})),
                ],
            },
            {
                "name": "shelves", "entity": "shelf", "label": label, "title": "name",
                "shard": "reference", "read": "shelf.read",
                "fields": [field("name", json!({"kind": "text", "max": 20, "required": true, "search": true}))],
            },
        ],
        "choices": [{"name": "states", "label": label, "options": [
            {"value": "open", "label": label}, {"value": "done", "label": label},
        ]}],
    }))
    .unwrap()
}

pub(crate) fn shelf(n: u32) -> Write {
    Write::Insert {
        collection: "shelves".into(),
        id: id(n),
        subject: None,
        organisation: None,
        district: None,
        values: object(json!({"name": format!("S{n}")})),
    }
}

/// An order about subject `id(9000)`.
pub(crate) fn order(n: u32, values: Value) -> Write {
    order_of(n, 9000, None, values)
}

pub(crate) fn order_of(n: u32, subject: u32, organisation: Option<u32>, values: Value) -> Write {
    let mut all = json!({"number": format!("N{n}")});
    all.as_object_mut().unwrap().extend(object(values));
    Write::Insert {
        collection: "orders".into(),
        id: id(n),
        subject: Some(id(subject)),
        organisation: organisation.map(id),
        district: Some(format!("31011{}", subject % 10)),
        values: object(all),
    }
}

pub(crate) fn change(n: u32, revision: i64, values: Value) -> Write {
    Write::Update {
        collection: "orders".into(),
        id: id(n),
        revision,
        values: object(values),
    }
}

pub(crate) fn object(value: Value) -> Record {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) fn commit(writes: Vec<Write>) -> Commit {
    Commit {
        at: NOW,
        by: By {
            user: id(8000),
            name: "Ada".into(),
            organisation: None,
        },
        request: "r-1".into(),
        module: "desk".into(),
        writes,
        ..Commit::default()
    }
}

pub(crate) async fn put(store: &Store, writes: Vec<Write>) -> Result<Committed, CommitError> {
    store.commit(commit(writes)).await
}

pub(crate) async fn get(store: &Store, n: u32) -> Option<Record> {
    store.get(&orders(), &id(n), &RowFilter::All).await.unwrap()
}
