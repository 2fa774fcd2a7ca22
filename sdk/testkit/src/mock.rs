//! The kernel's stand-in: an in-memory store that enforces what the modules declare.
//!
//! Enforced: field kinds, required, unique, frozen, references, revisions, flow transitions,
//! permissions, row scopes, masks, idempotency keys. Not modelled: capabilities of `plugin.toml`,
//! where a module is enabled, limits of a guest, the audit trail.

mod access;
mod check;
mod commit;
mod score;
mod search;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use sdk::Map;
use sdk::host::{Host, Level};
use sdk::module::Module;
use sdk_contract::call::{Ask, CallContext, Caller, Event, Given, ScoreRequest, Scored};
use sdk_contract::def::{ActionDef, CollectionDef, ModuleDef};
use sdk_contract::error::Fault;
use sdk_contract::page::{self, Page};
use sdk_contract::query::{Aggregate, Filter, Found, Group, Query, Step};
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Value, json};
use sm3::{Digest, Sm3};

use crate::people::People;
use crate::world::Deed;
use access::Runner;
use check::Running;

/// Deliveries of events before a scenario is taken for a loop.
const MAX_DELIVERIES: u32 = 1_000;

/// 2026-11-23 10:00 in Beijing.
const START: Timestamp = Timestamp::from_micros(1_795_399_200_000_000);

#[derive(Clone)]
pub(crate) struct Mock(Rc<RefCell<State>>);

struct Loaded {
    module: Module,
    def: Rc<ModuleDef>,
}

struct State {
    modules: Vec<Loaded>,
    people: People,
    /// `<module>.<collection>` → id → record in wire form.
    rows: BTreeMap<String, BTreeMap<String, Map>>,
    steps: BTreeMap<(String, String), Vec<Step>>,
    /// (user, key) → (request, result).
    keys: BTreeMap<(String, String), (Value, Value)>,
    outbox: VecDeque<Event>,
    heard: Vec<Event>,
    now: Timestamp,
    count: u64,
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
        let (_, def) = self.loaded(module)?;
        let found = def
            .collection(collection)
            .cloned()
            .ok_or_else(Fault::not_found)?;
        Ok((def, found))
    }

    /// The rows a runner may read, masked.
    fn readable(&self, runner: &Runner, name: &str) -> Result<(CollectionDef, Vec<Map>), Fault> {
        let (def, c) = self.collection(name)?;
        let reach = runner.reach(&def, &c.read)?;
        let mut rows: Vec<Map> = self
            .table(name)
            .filter(|row| runner.reaches(&reach, row, &self.people))
            .cloned()
            .collect();
        for row in &mut rows {
            runner.mask(&def, &c, row, &self.people);
        }
        Ok((c, rows))
    }

    fn get(&self, runner: &Runner, name: &str, id: &str) -> Result<Option<Map>, Fault> {
        let (_, rows) = self.readable(runner, name)?;
        Ok(rows.into_iter().find(|row| check::text(row, "id") == id))
    }
}

impl Mock {
    /// Loads modules with their demo seeds; words for whatever is wrong with them.
    pub(crate) fn load(modules: &[Module]) -> Result<Self, String> {
        let mut state = State {
            modules: Vec::new(),
            people: People::demo().map_err(|e| format!("host-config/demo.toml: {e}"))?,
            rows: BTreeMap::new(),
            steps: BTreeMap::new(),
            keys: BTreeMap::new(),
            outbox: VecDeque::new(),
            heard: Vec::new(),
            now: START,
            count: 0,
        };
        for module in modules {
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
        Ok(Self(Rc::new(RefCell::new(state))))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.borrow().now
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        self.0.borrow_mut().now = now;
    }

    /// Everything said so far, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.borrow().heard.clone()
    }

    fn host(&self, runner: Runner, module: &str) -> Rc<MockHost> {
        Rc::new(MockHost {
            mock: self.clone(),
            runner,
            module: module.to_owned(),
        })
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

    /// Pairs as the API's query string has them.
    pub(crate) fn find(
        &self,
        caller: &Caller,
        collection: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<Map>, Fault> {
        let (_, c) = self.0.borrow().collection(collection)?;
        let number = |text: &str| text.parse().unwrap_or(0);
        let mut query = Query::new(collection);
        let (mut page, mut size) = (1, 20);
        for (name, value) in pairs {
            query = match *name {
                "page" => {
                    page = number(value);
                    query
                }
                "size" => {
                    size = number(value);
                    query
                }
                "sort" => match value.strip_prefix('-') {
                    Some(field) => query.sort(field, true),
                    None => query.sort(*value, false),
                },
                "q" => {
                    let fields = c.fields.iter().filter(|f| f.search);
                    query.filter(Filter::Or(
                        fields.map(|f| Filter::contains(&f.name, *value)).collect(),
                    ))
                }
                field => query.filter(Filter::eq(field, *value)),
            };
        }
        let host = self.host(Runner::Person(caller.clone()), "");
        host.find(&query.page(page, size))
            .map(|found| found.records)
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
        let reach = runner.reach(&def, &action.permission)?;

        let request = json!({ "action": deed.action, "id": deed.id, "input": deed.input });
        let key = (caller.user.clone().unwrap_or_default(), deed.key.to_owned());
        match self.0.borrow().keys.get(&key) {
            Some((earlier, result)) if *earlier == request => return Ok(result.clone()),
            Some(_) => return Err(Fault::conflict("key-reused", "该请求编号已用于另一个请求")),
            None => {}
        }

        let record = self.record(&runner, &def, action, deed.id)?;
        if let Some(record) = &record {
            let state = self.0.borrow();
            if !runner.reaches(&reach, record, &state.people) {
                return Err(Fault::forbidden(format!(
                    "您不能对这条记录{}",
                    action.label.zh
                )));
            }
            check::allowed_now(&def, action, record)?;
        }
        let Value::Object(input) = &deed.input else {
            return Err(Fault::invalid(Vec::new()));
        };
        let values = check::input(&def, &action.input, input.clone())?;
        let host = self.host(runner.clone(), module.id());
        let given = Given {
            record: record.clone(),
            values,
        };
        let reply = module.act(host, self.context(&runner), name, &given)?;

        let running = Running {
            def: &def,
            action: Some(action),
            record: record.as_ref(),
        };
        let result = reply.result.clone();
        let mut state = self.0.borrow_mut();
        state.commit(running, caller, reply)?;
        state.keys.insert(key, (request, result.clone()));
        drop(state);
        self.deliver()?;
        Ok(result)
    }

    /// The record of a record action, as the caller may see it.
    fn record(
        &self,
        runner: &Runner,
        def: &ModuleDef,
        action: &ActionDef,
        id: Option<&str>,
    ) -> Result<Option<Map>, Fault> {
        match (action.record, id) {
            (false, None) => Ok(None),
            (false, Some(_)) | (true, None) => Err(Fault::not_found()),
            (true, Some(id)) => {
                let name = format!("{}.{}", def.id, action.collection);
                let record = self.0.borrow().get(runner, &name, id)?;
                record.ok_or_else(Fault::not_found).map(Some)
            }
        }
    }

    /// Takes events to their listeners until none is left.
    fn deliver(&self) -> Result<(), Fault> {
        for _ in 0..MAX_DELIVERIES {
            let next = self.0.borrow_mut().outbox.pop_front();
            let Some(event) = next else { return Ok(()) };
            let listening: Vec<(Module, Rc<ModuleDef>)> = self
                .0
                .borrow()
                .modules
                .iter()
                .filter(|m| m.def.on.contains(&event.name))
                .map(|m| (m.module.clone(), Rc::clone(&m.def)))
                .collect();
            for (module, def) in listening {
                let host = self.host(Runner::Platform, module.id());
                let reply = module.on_event(host, self.context(&Runner::Platform), &event)?;
                let running = Running {
                    def: &def,
                    action: None,
                    record: None,
                };
                self.0
                    .borrow_mut()
                    .commit(running, &Caller::default(), reply)?;
            }
            self.0.borrow_mut().heard.push(event);
        }
        Err(Fault::internal("events go round in circles"))
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

    /// The home blocks of all modules that this caller may see, in their order.
    pub(crate) fn home(&self, caller: &Caller) -> Result<Page, Fault> {
        let runner = Runner::Person(caller.clone());
        let mut blocks: Vec<(u16, String, Module)> = Vec::new();
        for loaded in &self.0.borrow().modules {
            for block in &loaded.def.blocks {
                if runner.reach(&loaded.def, &block.permission).is_ok() {
                    blocks.push((block.order, block.id.clone(), loaded.module.clone()));
                }
            }
        }
        blocks.sort_by_key(|(order, ..)| *order);
        let mut home = Page::new("首页");
        for (_, id, module) in blocks {
            let ask = Ask {
                block: Some(id),
                ..Ask::default()
            };
            home.sections
                .extend(self.show(&runner, &module, &ask)?.sections);
        }
        Ok(home)
    }

    fn show(&self, runner: &Runner, module: &Module, ask: &Ask) -> Result<Page, Fault> {
        let host = self.host(runner.clone(), module.id());
        let page = module.page(host, self.context(runner), ask)?;
        match page::check(&page) {
            Ok(()) => Ok(page),
            Err(fault) => Err(Fault::internal(format!("the page is refused: {fault:?}"))),
        }
    }
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
        let (c, rows) = self.mock.0.borrow().readable(&self.runner, &name)?;
        search::find(&c, query, rows)
    }
    fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Group>, Fault> {
        let name = self.name(&aggregate.collection);
        let (c, rows) = self.mock.0.borrow().readable(&self.runner, &name)?;
        search::aggregate(&c, aggregate, rows)
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
        self.mock.0.borrow_mut().score(request)
    }
    fn digest(&self, data: &[u8]) -> String {
        hex(&Sm3::digest(data))
    }
    /// Lines of a plugin are of no use to a scenario.
    fn log(&self, _: Level, _: &str) {}
}
