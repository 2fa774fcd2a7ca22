//! The life of a record: which action leads from which states to which.

use std::marker::PhantomData;

use sdk_contract::def::{FlowDef, TransitionDef};

use crate::action::RecordAction;
use crate::choice::Choice;
use crate::field::Field;
use crate::record::Record;

/// Builds the flow of one choice field of `R`.
pub struct Flow<R, C> {
    def: FlowDef,
    of: PhantomData<fn() -> (R, C)>,
}

impl<R: Record, C: Choice> Flow<R, C> {
    pub fn on(field: Field<R, C>) -> Self {
        let def = FlowDef {
            collection: R::COLLECTION.to_owned(),
            field: field.name().to_owned(),
            initial: Vec::new(),
            transitions: Vec::new(),
        };
        Self {
            def,
            of: PhantomData,
        }
    }
    /// States a new record may start in.
    #[must_use]
    pub fn start(mut self, states: impl IntoIterator<Item = C>) -> Self {
        self.def
            .initial
            .extend(states.into_iter().map(|s| s.value().to_owned()));
        self
    }
    /// Action `A` may lead from any of these states to that one. Say it again for an action that
    /// leads to one state or another.
    #[must_use]
    pub fn step<A: RecordAction<Record = R>>(
        mut self,
        from: impl IntoIterator<Item = C>,
        to: C,
    ) -> Self {
        self.def.transitions.push(TransitionDef {
            action: A::NAME.to_owned(),
            from: from.into_iter().map(|s| s.value().to_owned()).collect(),
            to: to.value().to_owned(),
        });
        self
    }
    pub fn build(self) -> FlowDef {
        self.def
    }
}
