//! A place of its own for one test: a `PostgreSQL` database, made on the server that
//! `RONGQIAO_TEST_PG` names and dropped with the test, or a folder in the bucket that
//! `RONGQIAO_TEST_S3` names.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A database that exists until [`Scratch::remove`].
#[derive(Debug)]
pub struct Scratch {
    server: String,
    name: String,
}

/// Makes names differ within this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The server for tests: a `postgres://` address whose user may create databases.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file"
)]
pub fn server() -> Option<String> {
    std::env::var("RONGQIAO_TEST_PG")
        .ok()
        .filter(|url| !url.is_empty())
}

/// A folder that nobody else writes to, in a bucket that ends with the test run.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub endpoint: String,
    pub name: String,
    pub folder: String,
    pub id: String,
    pub secret: String,
}

/// A folder in the bucket for tests: `RONGQIAO_TEST_S3` is `http://HOST:PORT/BUCKET ID SECRET`.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file"
)]
pub fn bucket() -> Option<Bucket> {
    let words = std::env::var("RONGQIAO_TEST_S3").ok()?;
    let mut words = words.split_whitespace();
    let (endpoint, name) = words.next()?.rsplit_once('/')?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(Bucket {
        endpoint: endpoint.to_owned(),
        name: name.to_owned(),
        folder: format!("test-{}-{number}", std::process::id()),
        id: words.next()?.to_owned(),
        secret: words.next()?.to_owned(),
    })
}

/// Runs statements in a file of `SQLite` behind the platform's back.
pub fn tamper_file(path: &Path, sql: &str) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(path)?.execute_batch(sql)
}

impl Scratch {
    /// Runs statements in the database behind the platform's back.
    pub async fn tamper(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut conn = PgConnection::connect(&self.url()).await?;
        conn.execute(AssertSqlSafe(sql)).await?;
        conn.close().await
    }

    /// Makes an empty database on `server`. `kind` begins its name, so that what a killed test
    /// left behind tells where it came from.
    pub async fn create(server: &str, kind: &str) -> Result<Self, sqlx::Error> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = Self {
            server: server.to_owned(),
            name: format!("{kind}_{}_{number}", std::process::id()),
        };
        // A process of the same number may have been killed with it.
        scratch.drop_if_exists().await?;
        scratch
            .execute(format!("CREATE DATABASE {}", scratch.name))
            .await?;
        Ok(scratch)
    }

    /// The database's address.
    pub fn url(&self) -> String {
        let server = self.server.rsplit_once('/').map(|(server, _)| server);
        format!("{}/{}", server.unwrap_or(&self.server), self.name)
    }

    /// Drops it, whoever is still connected.
    pub async fn remove(self) -> Result<(), sqlx::Error> {
        self.drop_if_exists().await
    }

    async fn drop_if_exists(&self) -> Result<(), sqlx::Error> {
        self.execute(format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        ))
        .await
    }

    async fn execute(&self, sql: String) -> Result<(), sqlx::Error> {
        let mut conn = PgConnection::connect(&self.server).await?;
        conn.execute(AssertSqlSafe(sql)).await?;
        conn.close().await
    }
}
