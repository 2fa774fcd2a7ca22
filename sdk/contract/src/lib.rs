//! Types both sides of the plugin boundary share: declarations, pages, queries, calls, faults.
//!
//! Pure: no I/O, no clock, no randomness; compiles to wasm. Kernel crates and the SDK depend on
//! it and never on each other.

pub mod call;
pub mod change;
pub mod code;
pub mod def;
pub mod disclosure;
pub mod error;
pub mod eval;
pub mod input;
pub mod kind;
pub mod listing;
pub mod manifest;
mod mask;
pub mod model;
pub mod notice;
pub mod page;
pub mod query;
pub mod scalar;
pub mod schedule;
pub mod schema;
pub mod validate;
