//! The guest's side of the WIT world `plugin`. The only place that names `wit-bindgen`, and the
//! only place of the SDK with unsafe code: what the generator writes.
//!
//! Natively the imports compile and trap when called; see `sdk::host::Host` for how plugins run
//! outside a component.

#![expect(
    clippy::same_length_and_capacity,
    reason = "the generated code takes buffers as the boundary gives them"
)]

/// The allocator of the standard library, in a version that uses the memory a guest starts with
/// before it asks for more.
#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

wit_bindgen::generate!({
    path: "../../wit/plugin",
    world: "plugin",
    pub_export_macro: true,
});
