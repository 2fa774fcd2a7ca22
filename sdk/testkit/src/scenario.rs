//! Where a scenario runs.

use crate::setting::Setting;
use crate::world::World;

/// One of the three places where every scenario means the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// In memory, within milliseconds.
    Mock,
    /// The real host with the built component, on `SQLite`.
    Sqlite,
    /// The same on `PostgreSQL`.
    Postgres,
}

/// Runs a scenario once; says why it does not. `#[scenario]` writes the calls.
#[doc(hidden)]
#[expect(
    clippy::print_stdout,
    reason = "a test that is skipped says so in its output"
)]
pub fn play(profile: Profile, setting: &Setting, scenario: fn(&World)) {
    match World::open(profile, setting) {
        Ok(world) => scenario(&world),
        Err(why) => println!("skipped: {why}"),
    }
}
