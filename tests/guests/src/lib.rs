//! Guests for tests: components written in WebAssembly text and encoded like a real guest's core
//! module, so that nothing here depends on a guest toolchain. [`model`] has scoring models, well
//! behaved or not; [`core`] makes a component of any of our worlds.
//!
//! `cargo run -p tests-guests -- FOLDER` writes the hostile models for tests that are not in Rust.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "this crate is only used by tests"
)]

pub mod core;
pub mod model;

pub use model::ModelGuest;

/// Scoring models that break one promise each, by the name of what they do.
pub fn hostile_models() -> Vec<(&'static str, Vec<u8>)> {
    let grow =
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (i32.const 0)";
    // All of a large memory, for one row.
    let flood =
        "(call $scores (i32.const 0) (i32.const 1500000) (i32.const 0) (i32.const 1500000))";
    let wasi = ["wasi:cli/environment@0.2.0", "wasi:sockets/tcp@0.2.0"];
    let calm = ModelGuest::calm;
    vec![
        ("imports", core::importing(&wasi)),
        (
            "loops",
            calm().score_runs("(loop $l (br $l)) unreachable").build(),
        ),
        (
            "recurses",
            calm()
                .score_runs("(call $deeper (local.get $rows))")
                .build(),
        ),
        ("traps", calm().score_runs("unreachable").build()),
        ("grows", calm().score_runs(grow).build()),
        ("large", calm().pages(300).build()),
        ("floods", calm().pages(200).score_runs(flood).build()),
    ]
}
