//! Collections of a million rows on both engines, beside the bare driver with the same statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kernel_crypto::keys::KeyRing;
use kernel_storage::{AuditDraft, By, CollectionName, Commit, RowFilter, Store, StoreUrl};
use sdk_contract::call::Write;
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::sync::{Mutex, Semaphore};

use crate::city::{self, COLUMNS, ORGANISATION, object};
use crate::measure::{Pair, Plan, beside, crowd};
use crate::report::{Line, Section, Target};

/// Rows of the collection, and organisations that own them.
const ROWS: u64 = 1_000_000;
const OWNERS: u64 = 50;
const PLAN: Plan = Plan {
    rounds: 5,
    slice: Duration::from_millis(200),
};
/// Statements that read much take longer.
const LONG: Plan = Plan {
    rounds: 3,
    slice: Duration::from_millis(500),
};
/// Writers at once, and how long they write in a round.
const WRITERS: u32 = 100;
const WRITING: Duration = Duration::from_secs(2);
/// Bare writers on `PostgreSQL` that hold a connection at once, as many as the store's pool.
const CONNECTIONS: usize = 16;

/// What the store is measured beside.
enum Bare {
    Lite(rusqlite::Connection),
    Pg(PgConnection),
}

/// Statements of the bare driver. Columns and conditions are those of the store's own.
struct Statements {
    get: String,
    list: String,
    first: String,
    facets: String,
    groups: String,
    insert: String,
}

pub(crate) async fn section(
    url: &StoreUrl,
    title: &'static str,
    keys: Arc<KeyRing>,
) -> Result<Section> {
    let store = Store::open(url, keys).await?;
    let began = std::time::Instant::now();
    store.apply(&plugin_bench::module().describe(), 0).await?;
    city::fill(url, ROWS, OWNERS).await?;
    let filled = began.elapsed();
    let bare = Mutex::new(Bare::open(url).await?);
    let statements = Statements::of(url);
    let name = CollectionName::new("bench", "tickets");
    let mine = RowFilter::Organisations(vec![ORGANISATION.into()]);
    let next = AtomicU64::new(1);
    // A walk over the whole table without order.
    let any = || city::row(next.fetch_add(1, Ordering::Relaxed) * 7919 % ROWS + 1);

    let get = beside(
        PLAN,
        async || {
            let found = store.get(&name, &any(), &RowFilter::All).await?;
            found.map(drop).context("a row is missing")
        },
        async || bare.lock().await.rows(&statements.get, &[&any()], 1).await,
    );
    let get = get.await?;
    let list = Query::new(name.to_string())
        .filter(Filter::eq("status", "open"))
        .sort("placed", true)
        .limit(20);
    let list = beside(
        PLAN,
        async || ensured(store.find(&list, &mine).await?.records.len(), 20),
        async || {
            bare.lock()
                .await
                .rows(&statements.list, &[ORGANISATION, "open"], 20)
                .await
        },
    );
    let list = list.await?;
    let faceted = Query::new(name.to_string())
        .sort("status", false)
        .sort("placed", false)
        .limit(20)
        .facet("status");
    let facets = beside(
        PLAN,
        async || {
            let found = store.find(&faceted, &mine).await?;
            let facet = found.facets.first().context("a facet is missing")?;
            ensured(facet.values.len(), 4)
        },
        async || {
            let mut bare = bare.lock().await;
            bare.rows(&statements.first, &[ORGANISATION], 20).await?;
            bare.rows(&statements.facets, &[ORGANISATION], 4).await
        },
    );
    let facets = facets.await?;
    let measures = vec![Measure::Count, Measure::Sum("amount".into())];
    let groups = Aggregate::new(name.to_string(), measures)
        .by("status")
        .by("urgent");
    let groups = beside(
        LONG,
        async || ensured(store.aggregate(&groups, &RowFilter::All).await?.len(), 8),
        async || bare.lock().await.rows(&statements.groups, &[], 8).await,
    );
    let groups = groups.await?;
    drop(bare);
    let writers = write(&store, url, &statements.insert).await?;
    let mut notes = vec![format!(
        "Filled with {ROWS} rows and its indexes in {:.1} s, behind the store's back.",
        filled.as_secs_f64()
    )];
    notes.extend(sizes(url).await?);
    store.close().await;
    Ok(Section {
        title,
        about: format!(
            "A collection of {ROWS} rows of {OWNERS} organisations. Reads are one after the other \
             from one caller, beside the bare driver with the same statement and every column \
             read. Writers are {WRITERS} at once; each commit of ours is a record, its history and \
             its link of the audit chain, durable before it is answered. Theirs is one bare row a \
             transaction, durable too."
        ),
        lines: vec![
            Line::new("point read", get).target(Target::Rate(14_000.0)),
            Line::new("list of 20 by compound index", list).target(Target::Rate(5_000.0)),
            Line::new(
                format!("list of 20 with facet counts over {} rows", ROWS / OWNERS),
                facets,
            ),
            Line::new(format!("group-by with a sum over {ROWS} rows"), groups),
            Line::new(format!("{WRITERS} writers, audited"), writers).target(Target::Rate(3_400.0)),
        ],
        notes,
    })
}

/// What the rows take on disk, where the engine says.
async fn sizes(url: &StoreUrl) -> Result<Option<String>> {
    let StoreUrl::Postgres(url) = url else {
        return Ok(None);
    };
    let row = city::bytes_a_row(url, &["bench__tickets"]).await?;
    let trail = city::bytes_a_row(url, &["kernel__audit", "kernel__changes"]).await?;
    Ok(Some(format!(
        "On disk a row takes {row} bytes with its indexes; what is kept of a write, in the audit \
         trail and the history, {trail} bytes."
    )))
}

fn ensured(found: usize, wanted: usize) -> Result<()> {
    ensure!(found == wanted, "{found} rows instead of {wanted}");
    Ok(())
}

/// Ours and theirs in turns.
async fn write(store: &Store, url: &StoreUrl, insert: &str) -> Result<Pair> {
    let number = Arc::new(AtomicU64::new(ROWS + 1));
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let (ours, theirs) = (store.clone(), Writers::open(url).await?);
        let (n, insert) = (Arc::clone(&number), Arc::<str>::from(insert));
        let committed = crowd(WRITERS, WRITING, move || {
            let (store, number) = (ours.clone(), n.fetch_add(1, Ordering::Relaxed));
            async move { Ok(store.commit(ticket(number)).await.map(drop)?) }
        });
        let committed = committed.await?;
        let (theirs, n) = (Arc::new(theirs), Arc::clone(&number));
        let inserted = crowd(WRITERS, WRITING, move || {
            let (writers, number) = (Arc::clone(&theirs), n.fetch_add(1, Ordering::Relaxed));
            let insert = Arc::clone(&insert);
            async move { writers.insert(&insert, number).await }
        });
        rounds.push((committed, inserted.await?));
    }
    Ok(Pair::of(&rounds))
}

fn ticket(number: u64) -> Commit {
    let id = city::row(number);
    Commit {
        at: 1_764_000_000_000_000,
        by: By {
            user: "bench".into(),
            name: "bench".into(),
            organisation: Some(ORGANISATION.into()),
        },
        request: "bench".into(),
        module: "bench".into(),
        writes: vec![Write::Insert {
            collection: "tickets".into(),
            id: id.clone(),
            subject: None,
            organisation: Some(ORGANISATION.into()),
            district: None,
            values: object(json!({
                "number": format!("T{number}"), "status": "open", "placed": "2026-11-24",
                "amount": "1234.56", "ratio": "0.1234", "lines": 3, "urgent": false,
                "note": "a note of some words",
            })),
        }],
        audit: vec![AuditDraft {
            at: 1_764_000_000_000_000,
            actor: "bench".into(),
            organisation: Some(ORGANISATION.into()),
            action: "bench.ticket.create".into(),
            object: id,
            outcome: "ok".into(),
            request: "bench".into(),
            ..AuditDraft::default()
        }],
        ..Commit::default()
    }
}

impl Statements {
    fn of(url: &StoreUrl) -> Self {
        let table = "FROM bench__tickets";
        let cast = match url {
            StoreUrl::Sqlite(_) => "",
            StoreUrl::Postgres(_) => "::uuid",
        };
        Self {
            get: format!("SELECT {COLUMNS} {table} WHERE id = $1{cast}"),
            list: format!(
                "SELECT {COLUMNS} {table} WHERE organisation = $1{cast} AND status = $2 \
                 ORDER BY placed DESC, id DESC LIMIT 20"
            ),
            first: format!(
                "SELECT {COLUMNS} {table} WHERE organisation = $1{cast} \
                 ORDER BY status, placed, id LIMIT 20"
            ),
            facets: format!(
                "SELECT status, count(id) {table} WHERE organisation = $1{cast} \
                 GROUP BY status ORDER BY status"
            ),
            groups: format!(
                "SELECT status, urgent, count(id), CAST(sum(amount) AS bigint) {table} \
                 GROUP BY status, urgent ORDER BY status, urgent"
            ),
            insert: format!(
                "INSERT INTO bench__tickets ({COLUMNS}) VALUES ($1{cast}, 1, NULL, $2{cast}, \
                 NULL, 1, 'bench', 1, 'bench', 'T', 'open', '2026-11-24', 123456, 1234, 3, $3, \
                 'a note of some words')"
            ),
        }
    }
}

impl Bare {
    async fn open(url: &StoreUrl) -> Result<Self> {
        Ok(match url {
            StoreUrl::Sqlite(path) => Self::Lite(city::lite(path)?),
            StoreUrl::Postgres(url) => Self::Pg(PgConnection::connect(url).await?),
        })
    }

    /// Runs a prepared statement and reads every column.
    async fn rows(&mut self, sql: &str, bound: &[&str], wanted: usize) -> Result<()> {
        let found = match self {
            Self::Lite(conn) => {
                let mut query = conn.prepare_cached(sql)?;
                let rows = query.query_map(rusqlite::params_from_iter(bound), read_lite)?;
                rows.collect::<Result<Vec<_>, _>>()?.len()
            }
            Self::Pg(conn) => {
                let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
                for value in bound {
                    query = match value.parse::<Uuid>() {
                        Ok(id) => query.bind(id),
                        Err(_) => query.bind((*value).to_owned()),
                    };
                }
                let rows = query.fetch_all(conn).await?;
                rows.iter().map(read_pg).sum::<usize>();
                rows.len()
            }
        };
        ensured(found, wanted)
    }
}

/// Owned values, as an application would have them.
fn read_lite(row: &rusqlite::Row<'_>) -> rusqlite::Result<usize> {
    let columns = row.as_ref().column_count();
    (0..columns)
        .map(|at| match std::hint::black_box(row.get(at)?) {
            rusqlite::types::Value::Text(text) => Ok(text.len()),
            _ => Ok(0),
        })
        .sum()
}

fn read_pg(row: &PgRow) -> usize {
    let text = |at| row.try_get::<Option<String>, _>(at).ok().flatten();
    let number = |at| row.try_get::<Option<i64>, _>(at).ok().flatten();
    let id = |at| row.try_get::<Option<Uuid>, _>(at).ok().flatten();
    (0..row.len())
        .map(|at| {
            text(at)
                .or_else(|| number(at).map(|n| n.to_string()))
                .or_else(|| id(at).map(|u| u.to_string()))
                .map_or(0, |t| std::hint::black_box(t).len())
        })
        .sum()
}

/// Bare connections to write with: `SQLite` takes one writer anyway.
struct Writers {
    connections: Vec<Mutex<Bare>>,
    turns: Semaphore,
}

impl Writers {
    async fn open(url: &StoreUrl) -> Result<Self> {
        let count = match url {
            StoreUrl::Sqlite(_) => 1,
            StoreUrl::Postgres(_) => CONNECTIONS,
        };
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Mutex::new(Bare::open(url).await?));
        }
        Ok(Self {
            connections,
            turns: Semaphore::new(count),
        })
    }

    async fn insert(&self, sql: &str, number: u64) -> Result<()> {
        let _turn = self.turns.acquire().await?;
        let free = self.connections.iter().find_map(|c| c.try_lock().ok());
        let mut free = free.context("a turn without a connection")?;
        match &mut *free {
            Bare::Lite(conn) => {
                let values = rusqlite::params![city::row(number), ORGANISATION, false];
                tokio::task::block_in_place(|| conn.prepare_cached(sql)?.execute(values))?;
            }
            Bare::Pg(conn) => {
                let ids = (
                    city::row(number).parse::<Uuid>()?,
                    ORGANISATION.parse::<Uuid>()?,
                );
                let query = sqlx::query(AssertSqlSafe(sql.to_owned()))
                    .bind(ids.0)
                    .bind(ids.1);
                query.bind(false).execute(conn).await?;
            }
        }
        Ok(())
    }
}

/// What the server calls its version, such as `15.9`.
pub(crate) async fn version(server: &str) -> Result<String> {
    let mut conn = PgConnection::connect(server).await?;
    let row = sqlx::query("SHOW server_version").fetch_one(&mut conn);
    let version: String = row.await?.try_get(0)?;
    conn.close().await?;
    let number = version.split_whitespace().next();
    Ok(number.unwrap_or_default().to_owned())
}
