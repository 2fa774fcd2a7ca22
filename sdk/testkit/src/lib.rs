//! Scenarios: plugins driven through what they declare, by the people of the demo city.
//!
//! A scenario is written once and is three tests: in memory within milliseconds, and unchanged on
//! the real host with the built component, on `SQLite` and on `PostgreSQL`.
//!
//! ```ignore
//! use sdk_testkit::{Setting, World, scenario};
//!
//! /// What is there when it begins; the demo seeds of these plugins are.
//! fn city() -> Setting {
//!     Setting::of([plugin_market::module(), plugin_lending::module()])
//!         .model(HUJIANG, include_str!("../../../examples/bank-models/tax-loan/model.json"))
//! }
//!
//! #[scenario(city())]
//! fn an_application_reaches_the_bank(t: &World) {
//!     let owner = t.user("enterprise");
//!     let made = owner.act("lending.application.apply", None, json!({ "amount": "100000.00" }));
//!     assert!(made.is_ok());
//!     assert_eq!(t.events()[0].name, "lending.application.submitted");
//!     t.advance_days(30);
//! }
//! ```
//!
//! The tests are `an_application_reaches_the_bank::{mock, sqlite, postgres}`.
//!
//! # What a scenario may count on
//!
//! - A world of its own: nothing of another scenario is there, and nothing of it stays.
//! - It begins at 2026-11-23 10:00 in Beijing, and the time is what the scenario makes of it.
//! - When an action has answered, its events have been delivered, and theirs.
//! - Editions are switched on everywhere; a model named in the setting is live.
//!
//! # Where the three differ
//!
//! The mock knows no `plugin.toml`, no limits of a guest and no audit trail, and its model is a
//! stand-in that gives other points. Everything else that differs is a defect of one of them:
//! `tests/conformance.rs` holds the set that all three must pass.
//!
//! # What the real host needs
//!
//! `RONGQIAO_BIN` names the built server, beside which `rongqiao-stage` (`tests/stage`) is built;
//! `RONGQIAO_GUESTS` the folder of built components; `RONGQIAO_TEST_PG` a `PostgreSQL` server.
//! `./x test` sees to all of it. Where something is missing, the test says so and is skipped. A
//! stage compiles a component once and keeps the code in the folder of guests, so that a scenario
//! costs a fraction of a second.

mod http;
mod mock;
mod people;
mod scenario;
mod setting;
mod stage;
mod world;

pub use scenario::{Profile, play};
pub use sdk_macros::scenario;
pub use setting::Setting;
pub use world::{User, World};
