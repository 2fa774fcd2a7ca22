//! Everything a plugin's files usually need: `use sdk::prelude::*;`.
//!
//! Left out because a shorter name is theirs: `page::Send` (use `Action::send`), `page::Test`,
//! `query::Group` and the typed handles in [`crate::field`], which a plugin names through its own
//! types, `Application::AMOUNT`.

pub use sdk_macros::{Action, Choice, Collection, Row};

pub use crate::Map;
pub use crate::action::{CollectionAction, Done, Input, RecordAction};
pub use crate::ctx::Ctx;
pub use crate::event::{EventName, Listener, Schedule};
pub use crate::field::StoredFile;
pub use crate::flow::Flow;
pub use crate::host::Level;
pub use crate::page::{HomeBlock, Route};
pub use crate::permission::Permission;
pub use crate::permissions;
pub use crate::record::{Find, New, Party, Patch, Record, Rows, Stored};
pub use crate::seed::Seed;

pub use sdk_contract::call::{Ask, Caller, Contribution, Event, ScoreRequest, Scored};
pub use sdk_contract::change::{ChangeDef, Conversion};
pub use sdk_contract::code::Format;
pub use sdk_contract::def::{
    Area, DisclosureDef, FeatureDef, FlowDef, Label, LetterTemplateDef, PartiesDef, RowScope,
    SeedDef, Shard, Tone,
};
pub use sdk_contract::error::{Fault, FaultKind, FieldFault};
pub use sdk_contract::notice::NoticeDraft;
pub use sdk_contract::page::{
    Action, Arrange, Axis, Band, Block, Body, Card, CardLook, Cards, Chart, Choice, Column,
    Condition, Confirm, Curve, Datum, Deed, Fact, Field, FieldKind, FileRef, Form, Gauge, Group,
    Job, JobState, Link, Mark, Masked, Moment, MoneyUnit, Notice, Outcome, Page, Paging, Part,
    PickLook, Radar, Roc, Row, Section, Series, Shape, Shell, Stat, Status, Table, Timeline,
    Weight,
};
pub use sdk_contract::query::{Aggregate, Bucket, Filter, Found, Measure, Query, Sort, Step};
pub use sdk_contract::scalar::{Date, Decimal, Id, Money, Month, Ref, Timestamp};
pub use sdk_contract::schedule::When;
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};
