//! How guest crates become components, and what is written from their declarations: what the
//! authors' command and the tasks of this repository share.
//!
//! One cargo build for all guests of a workspace ([`compile`]), then one component each
//! ([`component`]), put where a server looks for it ([`guests`]). Errors are for the person at the
//! terminal. Deliberately absent: running a component, and everything of the kernel.

mod compile;
pub mod component;
pub mod guests;
pub mod place;
pub mod readme;
