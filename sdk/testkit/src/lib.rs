//! Scenarios: plugins driven through what they declare, by the people of the demo city.
//!
//! The same body runs in memory within milliseconds and, unchanged, on a running server:
//!
//! ```ignore
//! fn an_application_reaches_the_bank(t: &World) {
//!     let owner = t.user("enterprise");
//!     let made = owner.act("lending.application.apply", None, json!({ "amount": "100000.00" }));
//!     assert!(made.is_ok());
//! }
//!
//! #[test]
//! fn an_application_reaches_the_bank_on_the_mock() {
//!     an_application_reaches_the_bank(&World::mock(&[plugin_lending::module()]));
//! }
//!
//! #[test]
//! fn an_application_reaches_the_bank_on_a_server() {
//!     if let Some(t) = World::host(&[plugin_lending::module()]) {
//!         an_application_reaches_the_bank(&t);
//!     }
//! }
//! ```

mod mock;
mod people;
mod real;
mod world;

pub use world::{User, World};
