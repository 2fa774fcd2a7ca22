//! Generated from `wit/model`: the types of the world `model` and its `export!` macro.

#![expect(
    clippy::same_length_and_capacity,
    reason = "generated code takes lists over this way"
)]

wit_bindgen::generate!({
    path: "../../wit/model",
    world: "model",
    pub_export_macro: true,
    default_bindings_module: "sdk_model::bindings",
});
