//! A module: tables of what a plugin declares, and the way from a call to the right function.

use std::rc::Rc;

use sdk_contract::call::{Ask, CallContext, Event, Given, Reply};
use sdk_contract::change::ChangeDef;
use sdk_contract::def::{
    ChoiceDef, CollectionDef, DisclosureDef, FeatureDef, FlowDef, Label, ModuleDef, PartiesDef,
    SeedDef,
};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;

use crate::action::{ActionEntry, Entry};
use crate::choice::Choice;
use crate::ctx::Ctx;
use crate::event::{EventName, Listener, Schedule};
use crate::host::Host;
use crate::page::{HomeBlock, Route};
use crate::permission::Permission;
use crate::record::Record;

/// What [`plugin!`](crate::plugin) makes. Declarations are functions, run only to describe: a
/// component is instantiated afresh for each call.
#[derive(Clone)]
pub struct Module {
    id: &'static str,
    label: (&'static str, &'static str),
    collections: Vec<fn() -> CollectionDef>,
    choices: Vec<fn() -> ChoiceDef>,
    flows: Vec<fn() -> FlowDef>,
    actions: Vec<Entry>,
    pages: &'static [Route],
    blocks: &'static [HomeBlock],
    events: &'static [EventName],
    on: &'static [Listener],
    schedules: &'static [Schedule],
    permissions: &'static [Permission],
    features: fn() -> Vec<FeatureDef>,
    disclosures: fn() -> Option<DisclosureDef>,
    parties: fn() -> Option<PartiesDef>,
    seeds: fn() -> Vec<SeedDef>,
    changes: fn() -> Vec<ChangeDef>,
}

impl Module {
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The declaration: the same each time, and nothing is asked of a host for it.
    pub fn describe(&self) -> ModuleDef {
        ModuleDef {
            id: self.id.to_owned(),
            label: Label::new(self.label.0, self.label.1),
            collections: self.collections.iter().map(|def| def()).collect(),
            choices: self.choices.iter().map(|def| def()).collect(),
            flows: self.flows.iter().map(|def| def()).collect(),
            actions: self.actions.iter().map(|entry| (entry.def)()).collect(),
            pages: self.pages.iter().map(Route::def).collect(),
            blocks: self.blocks.iter().map(HomeBlock::def).collect(),
            events: self.events.iter().map(EventName::def).collect(),
            on: self.on.iter().map(|l| l.event.to_owned()).collect(),
            schedules: self.schedules.iter().map(Schedule::def).collect(),
            permissions: self.permissions.iter().map(Permission::def).collect(),
            features: (self.features)(),
            disclosures: (self.disclosures)(),
            parties: (self.parties)(),
            seeds: (self.seeds)(),
            changes: (self.changes)(),
        }
    }

    /// A declared page, or a home block as a page of its sections.
    pub fn page(&self, host: Rc<dyn Host>, context: CallContext, ask: &Ask) -> Result<Page, Fault> {
        let ctx = Ctx::new(host, context);
        if let Some(id) = &ask.block {
            let block = self
                .blocks
                .iter()
                .find(|b| b.id == id)
                .ok_or_else(Fault::not_found)?;
            let sections = (block.render)(&ctx, ask)?;
            return Ok(sections
                .into_iter()
                .fold(Page::new(self.label.0), Page::section));
        }
        let route = self
            .pages
            .iter()
            .find(|r| r.path == ask.path)
            .ok_or_else(Fault::not_found)?;
        (route.render)(&ctx, ask)
    }

    /// Runs a declared action.
    pub fn act(
        &self,
        host: Rc<dyn Host>,
        context: CallContext,
        action: &str,
        given: &Given,
    ) -> Result<Reply, Fault> {
        let entry = self
            .actions
            .iter()
            .find(|e| e.name == action)
            .ok_or_else(Fault::not_found)?;
        let mut ctx = Ctx::new(host, context);
        let done = (entry.run)(&mut ctx, given)?;
        Ok(ctx.into_reply(done.into_reply()))
    }

    /// Tells the listeners of an event, or runs what was due.
    pub fn on_event(
        &self,
        host: Rc<dyn Host>,
        context: CallContext,
        event: &Event,
    ) -> Result<Reply, Fault> {
        let mut ctx = Ctx::new(host, context);
        for listener in self.on.iter().filter(|l| l.event == event.name) {
            (listener.run)(&mut ctx, event)?;
        }
        let own = event.name.strip_prefix(self.id);
        let due = own.and_then(|rest| rest.strip_prefix('.'));
        for schedule in self.schedules.iter().filter(|s| due == Some(s.name)) {
            (schedule.run)(&mut ctx, event)?;
        }
        Ok(ctx.into_reply(Reply::default()))
    }
}

/// What [`plugin!`](crate::plugin) calls.
#[doc(hidden)]
impl Module {
    pub fn new(id: &'static str, zh: &'static str, en: &'static str) -> Self {
        Self {
            id,
            label: (zh, en),
            collections: Vec::new(),
            choices: Vec::new(),
            flows: Vec::new(),
            actions: Vec::new(),
            pages: &[],
            blocks: &[],
            events: &[],
            on: &[],
            schedules: &[],
            permissions: &[],
            features: Vec::new,
            disclosures: || None,
            parties: || None,
            seeds: Vec::new,
            changes: Vec::new,
        }
    }
    #[must_use]
    pub fn collection<T: Record>(mut self) -> Self {
        self.collections.push(T::def);
        self
    }
    #[must_use]
    pub fn choice<C: Choice>(mut self) -> Self {
        self.choices.push(C::def);
        self
    }
    #[must_use]
    pub fn flow(mut self, flow: fn() -> FlowDef) -> Self {
        self.flows.push(flow);
        self
    }
    #[must_use]
    pub fn action(mut self, action: ActionEntry) -> Self {
        self.actions.push(action.0);
        self
    }
    #[must_use]
    pub fn pages(self, pages: &'static [Route]) -> Self {
        Self { pages, ..self }
    }
    #[must_use]
    pub fn blocks(self, blocks: &'static [HomeBlock]) -> Self {
        Self { blocks, ..self }
    }
    #[must_use]
    pub fn events(self, events: &'static [EventName]) -> Self {
        Self { events, ..self }
    }
    #[must_use]
    pub fn on(self, on: &'static [Listener]) -> Self {
        Self { on, ..self }
    }
    #[must_use]
    pub fn schedules(self, schedules: &'static [Schedule]) -> Self {
        Self { schedules, ..self }
    }
    #[must_use]
    pub fn permissions(self, permissions: &'static [Permission]) -> Self {
        Self {
            permissions,
            ..self
        }
    }
    #[must_use]
    pub fn features(self, features: fn() -> Vec<FeatureDef>) -> Self {
        Self { features, ..self }
    }
    #[must_use]
    pub fn disclosures(self, disclosures: fn() -> Option<DisclosureDef>) -> Self {
        Self {
            disclosures,
            ..self
        }
    }
    #[must_use]
    pub fn parties(self, parties: fn() -> Option<PartiesDef>) -> Self {
        Self { parties, ..self }
    }
    #[must_use]
    pub fn seeds(self, seeds: fn() -> Vec<SeedDef>) -> Self {
        Self { seeds, ..self }
    }
    #[must_use]
    pub fn changes(self, changes: fn() -> Vec<ChangeDef>) -> Self {
        Self { changes, ..self }
    }
}
