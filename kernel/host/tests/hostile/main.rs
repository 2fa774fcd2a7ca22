//! Proofs that the sandbox holds: one hostile component for each limit, and a well-behaved one
//! that is served meanwhile and afterwards.
//!
//! The components are written in WebAssembly text ([`tests_guests::core`]) and encoded like a real guest's core
//! module, so nothing here depends on a guest toolchain.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and says what it skips"
)]

mod admission;
mod canary;
mod certificates;
mod code;
mod effects;
mod growth;
mod home;
mod looks;
mod masks;
mod models;
mod notices;
mod plugin_guest;
mod sandbox;
mod schedules;
mod stage;
mod step_up;
#[path = "../support/host.rs"]
mod support;
