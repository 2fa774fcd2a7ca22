//! One story, told to both engines: what a module declares can be written, found, guarded, traced
//! and trusted after a crash.
//!
//! `SQLite` always runs. `PostgreSQL` runs when `RONGQIAO_TEST_PG` holds a `postgres://` address
//! whose user may create databases; each test makes its own and drops it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "shared test code is test code, too"
)]

mod attested;
mod attested_plugins;
mod audit;
mod back_in_time;
mod backup;
mod bench;
mod blinds;
mod blobs;
mod calls;
mod commits;
mod crash;
mod deletions;
mod evidence;
mod faults;
mod files;
mod kinds;
mod moments;
mod notices;
mod outbox;
mod questions;
mod reads;
mod repairs;
mod reseal;
mod schema;
mod schema_life;
mod schema_names;
mod schema_rows;
mod search;
mod server;
mod transport;
