//! What a caller can do: one struct of input and one function each.

use sdk_contract::call::{Given, Reply};
use sdk_contract::def::{ActionDef, FieldDef, Label};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{FileRef, Outcome};
use serde_json::Value;

use crate::Map;
use crate::ctx::Ctx;
use crate::permission::Permission;
use crate::record::{Record, Stored};

/// A type that derives `Action`: the checked input of an action.
#[diagnostic::on_unimplemented(message = "`{Self}` does not derive Action")]
pub trait Input: Sized {
    /// `<entity>.<verb>`
    const NAME: &'static str;
    /// Whether the caller must have proven a second factor a moment ago.
    const STEP_UP: bool;
    /// Whether what it does is signed.
    const SIGNED: bool;
    /// What parties' data is read for under their letters of consent.
    const PURPOSE: Option<&'static str>;
    fn permission() -> Permission;
    fn label() -> Label;
    fn help() -> &'static str;
    fn fields() -> Vec<FieldDef>;
    fn from_map(map: &Map) -> Result<Self, Vec<FieldFault>>;
}

/// An action on one record. The kernel has already checked that the caller may do it to this
/// record, and that its flow allows it now.
pub trait RecordAction: Input {
    type Record: Record;
    fn run(self, ctx: &mut Ctx, record: Stored<Self::Record>) -> Result<Done, Fault>;
}

/// An action on no record in particular, such as making one.
pub trait CollectionAction: Input {
    type Record: Record;
    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault>;
}

/// What an action has to say at its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    result: Value,
    outcome: Option<Outcome>,
    note: Option<String>,
}

impl Done {
    pub fn new() -> Self {
        Self::default()
    }
    /// For API callers.
    #[must_use]
    pub fn result(mut self, result: Value) -> Self {
        self.result = result;
        self
    }
    /// People go there next and are told this.
    #[must_use]
    pub fn go(mut self, path: impl Into<String>, toast: impl Into<String>) -> Self {
        self.outcome = Some(Outcome::go(path, toast));
        self
    }
    /// People stay on the page and are told this.
    #[must_use]
    pub fn stay(mut self, toast: impl Into<String>) -> Self {
        self.outcome = Some(Outcome::stay(toast));
        self
    }
    #[must_use]
    pub fn download(mut self, file: FileRef) -> Self {
        self.outcome = Some(Outcome::Download { file });
        self
    }
    /// Kept with the flow step: the reason a person gave.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
    pub(crate) fn into_reply(self) -> Reply {
        Reply {
            result: self.result,
            outcome: self.outcome,
            note: self.note,
            ..Reply::default()
        }
    }
}

/// An action in a module's table.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) def: fn() -> ActionDef,
    pub(crate) run: fn(&mut Ctx, &Given) -> Result<Done, Fault>,
}

fn def<A: Input, R: Record>(record: bool) -> ActionDef {
    ActionDef {
        name: A::NAME.to_owned(),
        label: A::label(),
        help: A::help().to_owned(),
        collection: R::COLLECTION.to_owned(),
        record,
        permission: A::permission().name.to_owned(),
        step_up: A::STEP_UP,
        signed: A::SIGNED,
        purpose: A::PURPOSE.map(str::to_owned),
        input: A::fields(),
    }
}

fn on_record<A: RecordAction>(ctx: &mut Ctx, given: &Given) -> Result<Done, Fault> {
    let input = A::from_map(&given.values).map_err(Fault::invalid)?;
    let map = given.record.as_ref().ok_or_else(Fault::not_found)?;
    input.run(ctx, Stored::from_map(map)?)
}

fn on_collection<A: CollectionAction>(ctx: &mut Ctx, given: &Given) -> Result<Done, Fault> {
    A::from_map(&given.values).map_err(Fault::invalid)?.run(ctx)
}

/// Finds out which of the two traits an action has: method lookup tries the first before the
/// second.
#[doc(hidden)]
pub struct Probe<A>(pub std::marker::PhantomData<A>);

#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct ActionEntry(pub(crate) Entry);

#[doc(hidden)]
pub trait ViaRecord {
    fn entry(&self) -> ActionEntry;
}

#[doc(hidden)]
pub trait ViaCollection {
    fn entry(&self) -> ActionEntry;
}

impl<A: RecordAction> ViaRecord for Probe<A> {
    fn entry(&self) -> ActionEntry {
        ActionEntry(Entry {
            name: A::NAME,
            def: || def::<A, A::Record>(true),
            run: on_record::<A>,
        })
    }
}

impl<A: CollectionAction> ViaCollection for &Probe<A> {
    fn entry(&self) -> ActionEntry {
        let def = || def::<A, A::Record>(false);
        ActionEntry(Entry {
            name: A::NAME,
            def,
            run: on_collection::<A>,
        })
    }
}
