//! JSON Schemas of the documents that cross the plugin boundary, for authors in any language.
//!
//! Generated from the types that both sides use, so nobody keeps a second truth. They are committed
//! under `wit/` beside the interface that names them; `cargo xtask gen` writes them. JSON Schema,
//! draft 2020-12.
//!
//! A schema is a little narrower than the reader: an unknown kind of block is drawn as such by an
//! older portal, but whoever writes a page today has no reason to send one.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::call::{Ask, CallContext, Event, Given, Reply, ScoreRequest, Scored};
use crate::def::ModuleDef;
use crate::manifest::Manifest;
use crate::model::ModelDef;
use crate::page::Page;
use crate::query::{Aggregate, Found, Group, Query, Step};

/// The schema of one document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path under `wit/`.
    pub file: &'static str,
    pub schema: Schema,
}

/// Every document there is a schema for.
pub fn documents() -> Vec<Document> {
    vec![
        // What an author writes.
        said::<Manifest>("plugin/plugin-toml.schema.json"),
        said::<ModuleDef>("plugin/module-def.schema.json"),
        said::<Page>("plugin/page.schema.json"),
        said::<Reply>("plugin/reply.schema.json"),
        said::<Query>("plugin/query.schema.json"),
        said::<Aggregate>("plugin/aggregate.schema.json"),
        said::<ScoreRequest>("plugin/score-request.schema.json"),
        said::<ModelDef>("model/model-def.schema.json"),
        // What the kernel hands over.
        told::<CallContext>("plugin/call-context.schema.json"),
        told::<Ask>("plugin/ask.schema.json"),
        told::<Given>("plugin/given.schema.json"),
        told::<Event>("plugin/event.schema.json"),
        told::<Found>("plugin/found.schema.json"),
        told::<Vec<Group>>("plugin/groups.schema.json"),
        told::<Vec<Step>>("plugin/steps.schema.json"),
        told::<Scored>("plugin/scored.schema.json"),
    ]
}

/// Read by the kernel: what has a default may be left out.
fn said<T: JsonSchema>(file: &'static str) -> Document {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    Document {
        file,
        schema: settings.into_generator().into_root_schema_for::<T>(),
    }
}

/// Written by the kernel: what is always there is required.
fn told<T: JsonSchema>(file: &'static str) -> Document {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    Document {
        file,
        schema: settings.into_generator().into_root_schema_for::<T>(),
    }
}
