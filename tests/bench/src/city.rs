//! What is measured on: a store with the bench's collection, its rows, one organisation and its
//! clerks. Rows go in behind the store's back, because a million commits would take the whole
//! run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use kernel_crypto::keys::KeyRing;
use kernel_crypto::random;
use kernel_host::clock::{Clock, SystemClock};
use kernel_host::{Engines, Ground, Host, Limits};
use kernel_identity::module::MODULE;
use kernel_identity::principal::Principal;
use kernel_identity::session::{SessionPolicy, Sessions};
use kernel_storage::{BlobStore, By, Commit, Record, Store, StoreUrl};
use sdk_contract::call::Write;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The clerks' organisation. The others differ in their last digits.
pub(crate) const ORGANISATION: &str = "01930000-0000-7000-8000-00000000f001";
/// The role that the bench's plugin grants everything to.
const ROLE: &str = "bench.clerk";

/// An opened data folder.
pub(crate) struct City {
    pub(crate) store: Store,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) host: Host,
    sessions: Sessions,
}

impl City {
    /// A data folder as the server makes it, with the bench's plugin installed.
    pub(crate) async fn open(data: &Path, plugins: &Path) -> Result<Self> {
        let keys = Arc::new(KeyRing::open_or_create(&data.join("keys"), None)?);
        let url = StoreUrl::Sqlite(data.join("rongqiao.sqlite"));
        let store = Store::open(&url, Arc::clone(&keys)).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let now = clock.now().micros();
        store
            .apply(&kernel_identity::module::definition(), now)
            .await?;
        let sessions = Sessions::new(store.clone(), Arc::clone(&keys), SessionPolicy::default());
        let host = Host::start(Ground {
            store: store.clone(),
            scanner: None,
            stamping: None,
            blobs: BlobStore::open(data.join("blobs"), Arc::clone(&keys))?,
            keys: Arc::clone(&keys),
            clock,
            engines: Engines::new()?,
            sessions: sessions.clone(),
            plugins: plugins.to_owned(),
            regions: BTreeMap::new(),
            roles: BTreeMap::new(),
            limits: Limits::default(),
            demo: false,
        })
        .await?;
        Ok(Self {
            store,
            keys,
            host,
            sessions,
        })
    }

    /// Makes the organisation and `clerks` users `clerk1` …; gives the password of them all.
    pub(crate) async fn people(&self, clerks: u32) -> Result<String> {
        let password = random::token_base64url(12)?;
        let hash = self.sessions.hash(&password).await?;
        let now = self.host.clock().now().micros();
        let insert = |collection: &str, id: String, values: Value| Write::Insert {
            collection: collection.into(),
            id,
            subject: None,
            organisation: Some(ORGANISATION.into()),
            district: None,
            values: object(values),
        };
        let office = json!({ "name": "测量处", "type": "institution" });
        let mut writes = vec![insert("organisations", ORGANISATION.into(), office)];
        writes.extend((1..=clerks).map(|n| {
            let mut user = self.sessions.registration().acceptance(now);
            user.extend(object(json!({
                "name": format!("职员{n}"), "login": format!("clerk{n}"), "roles": [ROLE],
                "active": true, "password": hash,
            })));
            let user = user.into();
            insert(
                "users",
                format!("01930000-0000-7000-8000-00000001{n:04}"),
                user,
            )
        }));
        self.store
            .commit(Commit {
                at: now,
                by: By {
                    user: MODULE.into(),
                    name: MODULE.into(),
                    organisation: None,
                },
                request: "bench".into(),
                module: MODULE.into(),
                writes,
                ..Commit::default()
            })
            .await?;
        Ok(password)
    }
}

/// A clerk who is signed in.
pub(crate) fn clerk() -> Principal {
    Principal {
        user: Some("01930000-0000-7000-8000-000000010001".into()),
        login: "clerk1".into(),
        name: "职员1".into(),
        roles: vec![ROLE.into()],
        organisation: Some(ORGANISATION.into()),
        organisation_name: "测量处".into(),
        organisations: vec![ORGANISATION.into()],
        request: "bench".into(),
        ..Principal::anonymous()
    }
}

pub(crate) fn object(value: Value) -> Record {
    match value {
        Value::Object(map) => map,
        _ => Record::new(),
    }
}

/// The id of the nth row that [`fill`] makes, from 1.
pub(crate) fn row(n: u64) -> String {
    format!("01930000-0000-7000-8000-{n:012x}")
}

/// The columns of the bench's table, as `describe()` has them.
pub(crate) const COLUMNS: &str = "id, revision, subject, organisation, district, created_at, \
    created_by, updated_at, updated_by, number, status, placed, amount, ratio, lines, urgent, note";

/// Puts `rows` rows of `organisations` organisations into the bench's table.
pub(crate) async fn fill(url: &StoreUrl, rows: u64, organisations: u64) -> Result<()> {
    let filling = "filling the table";
    // Spread without order, alike on both engines, and no column a function of another.
    let values = |id: &str, organisation: &str, day: &str, urgent: &str| {
        format!(
            "{id}, 1, NULL, {organisation}, '310115', 1764000000000000 + i, 'bench', \
             1764000000000000 + i, 'bench', 'T' || i, \
             CASE ((i / 7) * 7919) % 4 WHEN 0 THEN 'open' WHEN 1 THEN 'doing' WHEN 2 THEN 'done' \
             ELSE 'closed' END, {day}, (i * 7919) % 100000000, (i * 104729) % 10000, i % 50, \
             {urgent}, 'a note of some words on number ' || i"
        )
    };
    match url {
        StoreUrl::Sqlite(path) => {
            let values = values(
                "printf('01930000-0000-7000-8000-%012x', i)",
                &format!(
                    "printf('01930000-0000-7000-8000-00000000f%03x', 1 + i % {organisations})"
                ),
                "date('2024-01-01', '+' || ((i * 7919) % 900) || ' days')",
                "(i / 11) % 10 = 0",
            );
            let sql = format!(
                "INSERT INTO bench__tickets ({COLUMNS}) WITH RECURSIVE n(i) AS \
                 (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT {values} FROM n"
            );
            lite(path)?.execute_batch(&sql).context(filling)?;
        }
        StoreUrl::Postgres(url) => {
            let values = values(
                "('01930000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid",
                &format!(
                    "('01930000-0000-7000-8000-00000000f' || \
                     lpad(to_hex(1 + i % {organisations}), 3, '0'))::uuid"
                ),
                "to_char(date '2024-01-01' + ((i * 7919) % 900)::int, 'YYYY-MM-DD')",
                "(i / 11) % 10 = 0",
            );
            let sql = format!(
                "INSERT INTO bench__tickets ({COLUMNS}) \
                 SELECT {values} FROM generate_series(1::bigint, {rows}) AS n(i)"
            );
            let mut conn = PgConnection::connect(url).await?;
            sqlx::query(AssertSqlSafe(sql))
                .execute(&mut conn)
                .await
                .context(filling)?;
            // What its housekeeping would do within the minute.
            sqlx::query("VACUUM ANALYZE bench__tickets")
                .execute(&mut conn)
                .await?;
            conn.close().await?;
        }
    }
    Ok(())
}

/// A bare connection with the store's own durability.
pub(crate) fn lite(path: &Path) -> Result<rusqlite::Connection> {
    let conn = rusqlite::Connection::open(path)?;
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    Ok(conn)
}

/// What tables of `PostgreSQL` take with their indexes, for each row of the first.
pub(crate) async fn bytes_a_row(url: &str, tables: &[&str]) -> Result<i64> {
    let mut conn = PgConnection::connect(url).await?;
    let sizes: Vec<String> = tables
        .iter()
        .map(|t| format!("pg_total_relation_size('{t}')"))
        .collect();
    let first = tables.first().context("no table")?;
    let sql = format!(
        "SELECT CAST(({}) / GREATEST(count(*), 1) AS bigint) FROM {first}",
        sizes.join(" + ")
    );
    let bytes = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(&mut conn)
        .await?;
    conn.close().await?;
    Ok(bytes)
}
