//! The kernel's stand-in: an in-memory store that enforces what the modules declare.
//!
//! Enforced: field kinds, required, unique, frozen, references, revisions, flow transitions,
//! permissions, row scopes, masks, idempotency keys, delivery of events, schedules, notices. Not modelled: capabilities
//! of `plugin.toml`, where a module is enabled, limits of a guest, the audit trail.

mod access;
mod check;
mod commit;
mod listing;
mod looks;
mod notices;
mod outbox;
mod score;
mod search;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sdk::Map;
use sdk::host::{Host, Level};
use sdk::module::Module;
use sdk_contract::call::{Ask, CallContext, Caller, Event, Given, ScoreRequest, Scored, Write};
use sdk_contract::def::{ActionDef, CollectionDef, ModuleDef, RowScope, Tone};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::input;
use sdk_contract::kind::{Kind, compute};
use sdk_contract::page::{self, Block, Notice, Page, Section, Shell};
use sdk_contract::query::{Aggregate, Found, Group, Key, Query, Step, With};
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Value, json};
use sm3::{Digest, Sm3};

use crate::people::{ORGANISATIONS, PLATFORM, People, platform};
use crate::setting::{LiveModel, Setting};
use crate::world::Deed;
use access::{Reach, Runner};
use check::Running;
use outbox::Pending;

#[derive(Clone)]
pub(crate) struct Mock(Rc<RefCell<State>>);

struct Loaded {
    module: Module,
    def: Rc<ModuleDef>,
}

struct State {
    modules: Vec<Loaded>,
    people: People,
    platform: Rc<ModuleDef>,
    /// `<module>.<collection>` → id → record in wire form.
    rows: BTreeMap<String, BTreeMap<String, Map>>,
    /// Deleted and kept: out of sight, but their ids and unique keys are taken.
    deleted: BTreeMap<String, BTreeMap<String, Map>>,
    steps: BTreeMap<(String, String), Vec<Step>>,
    /// Collection and id of records → the actions on them that were signed.
    signed: BTreeMap<(String, String), Vec<String>>,
    /// (user, key) → (request, result).
    keys: BTreeMap<(String, String), (Value, Value)>,
    models: Vec<LiveModel>,
    outbox: Vec<Pending>,
    heard: Vec<Event>,
    notices: Vec<notices::Kept>,
    /// The last moment that each schedule was told of, by `<module>.<name>`.
    slots: BTreeMap<String, Timestamp>,
    now: Timestamp,
    count: u64,
}

/// The record that a signed action is about; none where it writes none.
fn signed(action: &ActionDef, record: Option<&Map>, writes: &[Write]) -> Option<String> {
    let mut own = writes
        .iter()
        .filter(|write| action.signed && write.collection() == action.collection);
    let (Write::Insert { id, .. } | Write::Update { id, .. } | Write::Delete { id, .. }) =
        own.next()?;
    Some(
        record
            .map_or(id.as_str(), |record| check::text(record, "id"))
            .to_owned(),
    )
}

impl State {
    fn loaded(&self, id: &str) -> Result<(&Module, Rc<ModuleDef>), Fault> {
        let loaded = self
            .modules
            .iter()
            .find(|m| m.def.id == id)
            .ok_or_else(Fault::not_found)?;
        Ok((&loaded.module, Rc::clone(&loaded.def)))
    }

    fn table(&self, name: &str) -> impl Iterator<Item = &Map> {
        self.rows.get(name).into_iter().flat_map(BTreeMap::values)
    }

    fn row_mut(&mut self, name: &str, id: &str) -> Option<&mut Map> {
        self.rows.get_mut(name)?.get_mut(id)
    }

    /// 64 hex digits, different each time and the same in each run.
    fn next_seed(&mut self) -> String {
        self.count += 1;
        hex(&Sm3::digest(format!("seed {}", self.count)))
    }

    fn next_id(&mut self) -> String {
        self.count += 1;
        let digest = Sm3::digest(format!("id {}", self.count));
        let mut random = [0; 10];
        random
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        uuid7(self.now, random)
    }

    /// A collection by its full name.
    fn collection(&self, name: &str) -> Result<(Rc<ModuleDef>, CollectionDef), Fault> {
        let (module, collection) = name.split_once('.').ok_or_else(Fault::not_found)?;
        let def = match module {
            PLATFORM => Rc::clone(&self.platform),
            module => self.loaded(module)?.1,
        };
        let found = def
            .collection(collection)
            .cloned()
            .ok_or_else(Fault::not_found)?;
        Ok((def, found))
    }

    /// The rows a runner may read, masked, with what is absent as null.
    fn readable(&self, runner: &Runner, name: &str) -> Result<(CollectionDef, Vec<Map>), Fault> {
        let (def, c) = self.collection(name)?;
        let reach = runner.reach(&def, &c.read)?;
        let mut rows = self.reached(runner, &reach, &c, name);
        for row in &mut rows {
            runner.mask(&def, &c, row, &self.people);
        }
        Ok((c, rows))
    }

    /// The rows within a reach, as they are.
    fn reached(&self, runner: &Runner, reach: &Reach, c: &CollectionDef, name: &str) -> Vec<Map> {
        let rows = self
            .table(name)
            .filter(|row| runner.reaches(reach, c, row, &self.people));
        let mut rows: Vec<Map> = rows.cloned().collect();
        for row in &mut rows {
            whole(c, row);
        }
        rows
    }

    /// Refuses to count by a masked field, which would read it.
    fn countable<'f>(
        &self,
        name: &str,
        mut fields: impl Iterator<Item = &'f str>,
    ) -> Result<(), Fault> {
        let (_, c) = self.collection(name)?;
        let masked = fields.find(|f| c.field(f).is_some_and(|d| d.mask.is_some()));
        match masked {
            Some(field) => Err(Fault::new(
                FaultKind::Invalid,
                "masked-field",
                format!("{field} 不能用于分组"),
            )),
            None => Ok(()),
        }
    }

    /// Whether whatever a runner may read of a collection is its own or its organisation's.
    fn owns(&self, runner: &Runner, name: &str) -> bool {
        let reach = self
            .collection(name)
            .and_then(|(def, c)| runner.reach(&def, &c.read));
        matches!(reach, Ok(Reach::Scopes(scopes)) if scopes
            .iter()
            .all(|s| matches!(s, RowScope::Own | RowScope::Organisation)))
    }

    /// Reads along what a ref field names, as far as the runner may read it.
    fn join(
        &self,
        runner: &Runner,
        (name, c): (&str, &CollectionDef),
        with: &With,
        records: &mut [Map],
    ) -> Result<(), Fault> {
        let Some(Kind::Ref { to }) = c.field(&with.field).map(|f| &f.kind) else {
            return Err(search::bad(format!("{} refers to nothing", with.field)));
        };
        let module = name.split('.').next().unwrap_or_default();
        let to = if to.contains('.') {
            to.clone()
        } else {
            format!("{module}.{to}")
        };
        let others = self
            .readable(runner, &to)
            .map(|(_, rows)| rows)
            .unwrap_or_default();
        for record in records {
            let id = check::text(record, &with.field).to_owned();
            let other = others.iter().find(|o| check::text(o, "id") == id);
            for read in &with.read {
                let value = other.and_then(|o| o.get(read)).cloned();
                record.insert(format!("{}.{read}", with.field), value.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn get(&self, runner: &Runner, name: &str, id: &str) -> Result<Option<Map>, Fault> {
        let (_, rows) = self.readable(runner, name)?;
        Ok(rows.into_iter().find(|row| check::text(row, "id") == id))
    }
}

/// What the kernel answers with for fields that hold nothing, and those made of others.
fn whole(c: &CollectionDef, row: &mut Map) {
    for field in &c.fields {
        let none = match field.kind {
            Kind::Rows { .. } => json!([]),
            _ => Value::Null,
        };
        row.entry(field.name.clone()).or_insert(none);
    }
    compute(&c.fields, row);
}

impl Mock {
    /// Loads a setting's modules with their demo seeds; words for whatever is wrong with them.
    pub(crate) fn load(setting: &Setting, start: Timestamp) -> Result<Self, String> {
        let people = People::demo().map_err(|e| format!("host-config/demo.toml: {e}"))?;
        let mut state = State {
            modules: Vec::new(),
            rows: BTreeMap::from([(ORGANISATIONS.to_owned(), people.rows())]),
            people,
            platform: Rc::new(platform()),
            deleted: BTreeMap::new(),
            steps: BTreeMap::new(),
            signed: BTreeMap::new(),
            keys: BTreeMap::new(),
            models: setting.models.clone(),
            outbox: Vec::new(),
            heard: Vec::new(),
            notices: Vec::new(),
            slots: BTreeMap::new(),
            now: start,
            count: 0,
        };
        for module in &setting.modules {
            let def = module.describe();
            if def != module.describe() {
                return Err(format!("{}: describe() is not the same twice", def.id));
            }
            if let [first, ..] = score::orphans(&def).as_slice() {
                return Err(format!("{}: {first}", def.id));
            }
            state.modules.push(Loaded {
                module: module.clone(),
                def: Rc::new(def),
            });
        }
        state.seed()?;
        state.tell_the_time();
        Ok(Self(Rc::new(RefCell::new(state))))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.borrow().now
    }

    /// Moves the clock on, and delivers what becomes due.
    pub(crate) fn advance(&self, seconds: i64) {
        let now = self.now().plus_seconds(seconds);
        self.0.borrow_mut().now = now;
        self.0.borrow_mut().tell_the_time();
        self.deliver();
    }

    /// Everything delivered so far, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.borrow().heard.clone()
    }

    fn host(&self, runner: Runner, module: &str) -> Rc<MockHost> {
        Rc::new(self.seen_by(runner, module))
    }

    fn seen_by(&self, runner: Runner, module: &str) -> MockHost {
        MockHost {
            mock: self.clone(),
            runner,
            module: module.to_owned(),
            purpose: None,
        }
    }

    fn context(&self, runner: &Runner) -> CallContext {
        let mut state = self.0.borrow_mut();
        CallContext {
            now: state.now.micros(),
            seed: state.next_seed(),
            locale: "zh".into(),
            request: format!("scenario-{}", state.count),
            caller: runner.caller(),
        }
    }

    pub(crate) fn get(&self, caller: &Caller, collection: &str, id: &str) -> Result<Map, Fault> {
        let runner = Runner::Person(caller.clone());
        self.0
            .borrow()
            .get(&runner, collection, id)?
            .ok_or_else(Fault::not_found)
    }

    pub(crate) fn act(&self, caller: &Caller, deed: &Deed<'_>) -> Result<Value, Fault> {
        let runner = Runner::Person(caller.clone());
        let (module, name) = deed.action.split_once('.').ok_or_else(Fault::not_found)?;
        let (module, def) = {
            let state = self.0.borrow();
            let (module, def) = state.loaded(module)?;
            (module.clone(), def)
        };
        let action = def.action(name).ok_or_else(Fault::not_found)?;
        let record = self.target(&runner, &def, action, deed.id)?;

        let request = json!({ "action": deed.action, "id": deed.id, "input": deed.input });
        let key = (caller.user.clone().unwrap_or_default(), deed.key.to_owned());
        match self.0.borrow().keys.get(&key) {
            Some((earlier, result)) if *earlier == request => return Ok(result.clone()),
            Some(_) => {
                return Err(Fault::conflict(
                    "idempotency-key-reused",
                    "同一幂等键已用于另一个请求，请换一个键",
                ));
            }
            None => {}
        }

        if let Some(record) = &record {
            check::allowed_now(&def, action, record)?;
        }
        let given = match &deed.input {
            Value::Object(input) => input.clone(),
            Value::Null => Map::new(),
            _ => {
                return Err(Fault::new(
                    FaultKind::Invalid,
                    "not-an-object",
                    "请求内容须为 JSON 对象",
                ));
            }
        };
        let checked =
            input::check(&action.input, &def.choices, given, &[]).map_err(Fault::invalid)?;
        if !checked.doubts.is_empty() {
            return Err(Fault::doubtful(checked.doubts));
        }
        let values = checked.values;
        let host = Rc::new(MockHost {
            purpose: action.purpose.clone(),
            ..self.seen_by(runner.clone(), module.id())
        });
        let given = Given {
            record: record.clone(),
            values: values.clone(),
        };
        let reply = module.act(host, self.context(&runner), name, &given)?;

        let running = Running {
            def: &def,
            step: name,
            action: Some((action, &values)),
            record: record.as_ref(),
        };
        let result = reply.result.clone();
        let about = signed(action, record.as_ref(), &reply.writes);
        let mut state = self.0.borrow_mut();
        state.commit(running, caller, reply)?;
        if let Some(id) = about {
            let of = (format!("{}.{}", def.id, action.collection), id);
            let all = state.signed.entry(of).or_default();
            all.push(deed.action.to_owned());
        }
        state.keys.insert(key, (request, result.clone()));
        drop(state);
        self.deliver();
        Ok(result)
    }

    /// The record of a record action, unmasked: an action may need what a page may not show. Not
    /// readable is not found; readable but out of the action's reach is forbidden.
    fn target(
        &self,
        runner: &Runner,
        def: &ModuleDef,
        action: &ActionDef,
        id: Option<&str>,
    ) -> Result<Option<Map>, Fault> {
        let id = match (action.record, id) {
            (false, None) => return runner.reach(def, &action.permission).map(|_| None),
            (false, Some(_)) | (true, None) => return Err(Fault::not_found()),
            (true, Some(id)) => id,
        };
        let name = format!("{}.{}", def.id, action.collection);
        let state = self.0.borrow();
        state.get(runner, &name, id)?.ok_or_else(Fault::not_found)?;
        let reach = runner.reach(def, &action.permission)?;
        let (_, c) = state.collection(&name)?;
        let rows = state.reached(runner, &reach, &c, &name);
        let record = rows.into_iter().find(|row| check::text(row, "id") == id);
        let beyond = || Fault::forbidden(format!("您不能对这条记录{}", action.label.zh));
        record.ok_or_else(beyond).map(Some)
    }

    /// The actions that were signed of a record that somebody may read, oldest first.
    pub(crate) fn signatures(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
    ) -> Result<Vec<String>, Fault> {
        self.get(caller, collection, id)?;
        let of = (collection.to_owned(), id.to_owned());
        let all = self.0.borrow().signed.get(&of).cloned();
        Ok(all.unwrap_or_default())
    }

    pub(crate) fn page(&self, caller: &Caller, target: &str) -> Result<Page, Fault> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let runner = Runner::Person(caller.clone());
        let id = path
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default();
        let (module, declared, params) = {
            let state = self.0.borrow();
            let (module, def) = state.loaded(id)?;
            let matching = def
                .pages
                .iter()
                .filter_map(|p| Some((p, params(&p.path, path)?)));
            let (page, params) = matching
                .min_by_key(|(_, params)| params.len())
                .ok_or_else(Fault::not_found)?;
            runner.reach(&def, &page.permission)?;
            (module.clone(), page.path.clone(), params)
        };
        let query = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let ask = Ask {
            path: declared,
            params,
            query,
            block: None,
        };
        self.show(&runner, &module, &ask)
    }

    /// The home blocks of all modules that this caller may see, in their order. One that fails
    /// costs itself only.
    pub(crate) fn home(&self, caller: &Caller) -> Page {
        let runner = Runner::Person(caller.clone());
        let mut blocks: Vec<(u16, Rc<ModuleDef>, String, Module)> = Vec::new();
        for loaded in &self.0.borrow().modules {
            for block in &loaded.def.blocks {
                if runner.reach(&loaded.def, &block.permission).is_ok() {
                    let (def, module) = (Rc::clone(&loaded.def), loaded.module.clone());
                    blocks.push((block.order, def, block.id.clone(), module));
                }
            }
        }
        blocks.sort_by(|(a, x, ..), (b, y, ..)| (a, &x.id).cmp(&(b, &y.id)));
        let mut home = Page::new("首页");
        home.shell = Shell::Portal;
        for (_, def, id, module) in blocks {
            let ask = Ask {
                block: Some(id.clone()),
                ..Ask::default()
            };
            match self.show(&runner, &module, &ask) {
                Ok(mut page) => {
                    // Modules know nothing of each other, so two may name their blocks alike.
                    for block in page.sections.iter_mut().flat_map(|s| &mut s.blocks) {
                        block.id = format!("{}-{}", def.id, block.id);
                    }
                    home.sections.extend(page.sections);
                }
                Err(fault) if fault.kind == FaultKind::NotFound => {}
                Err(fault) => {
                    tell(&format!("block {id} of {} fails: {fault}", def.id));
                    let text = format!("“{}”暂时无法显示，请稍后刷新", def.label.zh);
                    let notice = Notice::new(Tone::Warning, "", text);
                    let block = Block::notice(format!("{}-{id}", def.id), notice);
                    home.sections.push(Section::stack().block(block));
                }
            }
        }
        home
    }

    fn show(&self, runner: &Runner, module: &Module, ask: &Ask) -> Result<Page, Fault> {
        let host = self.host(runner.clone(), module.id());
        let mut page = module.page(host, self.context(runner), ask)?;
        self.0.borrow().offer_looks(runner, module.id(), &mut page);
        match page::check(&page) {
            Ok(()) => Ok(page),
            Err(fault) => Err(Fault::internal(format!("the page is refused: {fault:?}"))),
        }
    }
}

/// What the real host would log.
#[expect(clippy::print_stdout, reason = "the output of a test is its log")]
fn tell(what: &str) {
    println!("{what}");
}

/// The values of `{name}` segments, when a path fits a pattern.
fn params(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut found = BTreeMap::new();
    for (w, g) in wanted.into_iter().zip(given) {
        match w.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) if !g.is_empty() => {
                found.insert(name.to_owned(), g.to_owned());
            }
            None if w == g => {}
            _ => return None,
        }
    }
    Some(found)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The mock, as one module sees it during one call.
struct MockHost {
    mock: Mock,
    runner: Runner,
    module: String,
    /// What the running action reads parties' data for.
    purpose: Option<String>,
}

impl MockHost {
    fn name(&self, collection: &str) -> String {
        if collection.contains('.') {
            collection.to_owned()
        } else {
            format!("{}.{collection}", self.module)
        }
    }
}

impl Host for MockHost {
    fn get(&self, collection: &str, id: &str) -> Result<Option<Map>, Fault> {
        self.mock
            .0
            .borrow()
            .get(&self.runner, &self.name(collection), id)
    }
    fn find(&self, query: &Query) -> Result<Found, Fault> {
        let name = self.name(&query.collection);
        let state = self.mock.0.borrow();
        if query.as_of.is_some() {
            return Err(search::bad("the mock keeps no history"));
        }
        let fields = query.facets.iter().map(String::as_str);
        state.countable(&name, fields)?;
        let (c, rows) = state.readable(&self.runner, &name)?;
        let mut found = search::find(&c, query, rows)?;
        for with in &query.with {
            state.join(&self.runner, (&name, &c), with, &mut found.records)?;
        }
        Ok(found)
    }
    fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Group>, Fault> {
        let name = self.name(&aggregate.collection);
        let state = self.mock.0.borrow();
        let fields = aggregate.group_by.iter().map(Key::field);
        state.countable(&name, fields)?;
        let (c, rows) = state.readable(&self.runner, &name)?;
        let least = c
            .suppress_below
            .filter(|_| !state.owns(&self.runner, &name));
        search::aggregate(&c, aggregate, rows, least)
    }
    fn steps(&self, collection: &str, id: &str) -> Result<Vec<Step>, Fault> {
        let name = self.name(collection);
        let state = self.mock.0.borrow();
        state
            .get(&self.runner, &name, id)?
            .ok_or_else(Fault::not_found)?;
        Ok(state
            .steps
            .get(&(name, id.to_owned()))
            .cloned()
            .unwrap_or_default())
    }
    fn score(&self, request: &ScoreRequest) -> Result<Scored, Fault> {
        let purpose = self.purpose.as_deref();
        let mut state = self.mock.0.borrow_mut();
        state.score(&self.runner, request, purpose)
    }
    fn digest(&self, data: &[u8]) -> String {
        hex(&Sm3::digest(data))
    }
    /// Lines of a plugin are of no use to a scenario.
    fn log(&self, _: Level, _: &str) {}
}
