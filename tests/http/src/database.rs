//! A PostgreSQL database of a test's own, dropped with it.
//!
//! Made with `psql`, which is wherever the server is; only `kernel-storage` speaks to a database in
//! Rust.

use std::process::{Command, Output};

/// An empty database.
pub struct Database {
    pub url: String,
    server: String,
    name: String,
}

impl Database {
    /// None, with a word, where `RONGQIAO_TEST_PG` names no server that may create databases.
    pub fn create(name: &str) -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests have no configuration file"
        )]
        let Ok(server) = std::env::var("RONGQIAO_TEST_PG") else {
            eprintln!("skipped on PostgreSQL: RONGQIAO_TEST_PG is not set");
            return None;
        };
        let name = format!("rongqiao_{name}_{}", std::process::id());
        let (address, _) = server.rsplit_once('/').expect("an address with a database");
        let url = format!("{address}/{name}");
        let database = Self { url, server, name };
        database.execute(&format!("DROP DATABASE IF EXISTS {}", database.name));
        database.execute(&format!("CREATE DATABASE {}", database.name));
        Some(database)
    }

    /// All rows of all tables in text, as a thief of the database has them.
    pub fn dump(&self) -> String {
        let out = Command::new("pg_dump")
            .args(["--data-only", "--no-owner", &self.url])
            .output()
            .expect("pg_dump runs");
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{errors}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn execute(&self, statement: &str) {
        let out = self.psql(statement).expect("psql runs");
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }

    fn psql(&self, statement: &str) -> std::io::Result<Output> {
        Command::new("psql")
            .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"])
            .args(["--command", statement, &self.server])
            .output()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.psql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
