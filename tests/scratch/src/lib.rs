//! A `PostgreSQL` database of its own for one test, made on the server that `RONGQIAO_TEST_PG` names
//! and dropped with the test.

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

impl Scratch {
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
