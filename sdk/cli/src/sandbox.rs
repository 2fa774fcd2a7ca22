//! Runs a component's code outside the platform, one fresh instance a call, for its author.
//!
//! An interpreter for core modules, and by hand the few lines of the canonical ABI that our two
//! worlds need (component model, `CanonicalABI.md`, "Flattening" and "Despecialization"). Behind
//! the imports is nothing: while a component describes itself every import traps, as on the
//! platform; when it draws a page the store is there and empty. Deliberately absent: anything that
//! a component made of several modules needs (a Python model carries its interpreter); the
//! platform itself checks those.

mod abi;

use std::fmt::Write as _;

use anyhow::{Context, Result, anyhow, bail, ensure};
use sdk_build::component::main_module;
use sdk_contract::call::{Ask, CallContext};
use sdk_contract::def::{MODULE_DOCUMENT, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::model::{MODEL_DOCUMENT, ModelDef};
use sdk_contract::page::{PAGE_DOCUMENT, Page};
use sdk_contract::query::{Aggregate, Found, Group, Measure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sm3::{Digest, Sm3};
use wasmi::{
    Caller, Config, Engine, Extern, ExternType, Instance, Linker, Module, Store, StoreLimits,
    StoreLimitsBuilder, Val,
};

use abi::{Memory, Place};

/// What one call may use, in the interpreter's units.
const FUEL: u64 = 300_000_000;
/// Bytes of memory, as on the platform.
const MEMORY: usize = 64 * 1024 * 1024;
const PLUGIN: &str = "rongqiao:plugin/guest@0.1.0";
const MODEL: &str = "rongqiao:model/scoring@0.1.0";

/// The code of a component.
pub(crate) struct Sandbox {
    engine: Engine,
    module: Module,
}

/// A declaration and what it cost to hear.
pub(crate) struct Described<T> {
    pub(crate) def: T,
    pub(crate) fuel: u64,
}

/// Scores and, row-major, contributions.
pub(crate) struct Scores {
    pub(crate) values: Vec<f64>,
    pub(crate) contributions: Vec<f64>,
    pub(crate) fuel: u64,
}

/// What is behind the imports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// Nothing: a call of any import is a trap.
    Sealed,
    /// A store without a record.
    Empty,
}

struct State {
    behind: Behind,
    limits: StoreLimits,
}

/// One instance.
struct Running {
    store: Store<State>,
    instance: Instance,
}

impl Sandbox {
    pub(crate) fn open(component: &[u8]) -> Result<Self> {
        let mut config = Config::default();
        config.consume_fuel(true);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, main_module(component)?)
            .map_err(|error| anyhow!("the code cannot be read: {error}"))?;
        Ok(Self { engine, module })
    }

    fn start(&self, behind: Behind) -> Result<Running> {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let mut store = Store::new(&self.engine, State { behind, limits });
        store.limiter(|state| &mut state.limits);
        store.set_fuel(FUEL).map_err(trapped)?;
        let mut linker = Linker::new(&self.engine);
        for import in self.module.imports() {
            let ExternType::Func(ty) = import.ty() else {
                bail!("imports {}, which is no function", import.module());
            };
            let (interface, name) = (import.module().to_owned(), import.name().to_owned());
            let (of, function) = (interface.clone(), name.clone());
            linker
                .func_new(&of, &function, ty.clone(), move |caller, given, _| {
                    answer(caller, &interface, &name, given)
                })
                .map_err(|error| anyhow!("{of} {function}: {error}"))?;
        }
        let instance = linker
            .instantiate_and_start(&mut store, &self.module)
            .map_err(trapped)?;
        Ok(Running { store, instance })
    }

    /// What a plugin declares, heard twice.
    pub(crate) fn module(&self) -> Result<Described<ModuleDef>> {
        self.described(PLUGIN, MODULE_DOCUMENT)
    }

    /// What a model declares, heard twice.
    pub(crate) fn model(&self) -> Result<Described<ModelDef>> {
        self.described(MODEL, MODEL_DOCUMENT)
    }

    fn described<T: DeserializeOwned>(&self, of: &str, version: u32) -> Result<Described<T>> {
        let hear = || -> Result<(u32, String, u64)> {
            let mut running = self.start(Behind::Sealed)?;
            let at = running.call(&format!("{of}#describe"), &[])?;
            let memory = running.memory()?;
            Ok((memory.word(at)?, memory.text(at.plus(4))?, running.fuel()?))
        };
        let (said, json, _) = hear()?;
        // The first call also pays for translating the code; the second costs what calls cost.
        let (again, same, fuel) = hear()?;
        ensure!(
            (said, &json) == (again, &same),
            "describe() says something else the second time"
        );
        ensure!(
            said == version,
            "describe() has document version {said}, not {version}"
        );
        let def =
            serde_json::from_str(&json).context("describe() is not of the shape of its schema")?;
        Ok(Described { def, fuel })
    }

    /// Draws a page with nothing stored.
    pub(crate) fn page(&self, context: &CallContext, ask: &Ask) -> Result<Result<Page, Fault>> {
        let mut running = self.start(Behind::Empty)?;
        let context = running.give(&serde_json::to_string(context)?)?;
        let ask = running.give(&serde_json::to_string(ask)?)?;
        let at = running.call(
            &format!("{PLUGIN}#page"),
            &[context.0, context.1, ask.0, ask.1],
        )?;
        let memory = running.memory()?;
        if memory.byte(at)? != 0 {
            return Ok(Err(memory.fault(at.plus(4))?));
        }
        let version = memory.word(at.plus(4))?;
        ensure!(
            version == PAGE_DOCUMENT,
            "page has document version {version}"
        );
        let json = memory.text(at.plus(8))?;
        let page =
            serde_json::from_str(&json).context("a page is not of the shape of its schema")?;
        Ok(Ok(page))
    }

    /// Scores rows, explained.
    pub(crate) fn score(&self, rows: u32, values: &[f64]) -> Result<Scores> {
        let mut running = self.start(Behind::Sealed)?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let place = running.allocate(&bytes, 8)?;
        let count = u32::try_from(values.len())?;
        let arguments = [rows, place.0, count, 1].map(signed);
        let at = running.call(&format!("{MODEL}#score"), &arguments)?;
        let memory = running.memory()?;
        if memory.byte(at)? != 0 {
            bail!("no score: {}", memory.text(at.plus(4))?);
        }
        Ok(Scores {
            values: memory.numbers(at.plus(4))?,
            contributions: memory.numbers(at.plus(12))?,
            fuel: running.fuel()?,
        })
    }
}

impl Running {
    fn call(&mut self, export: &str, arguments: &[Val]) -> Result<Place> {
        let function = self
            .instance
            .get_func(&self.store, export)
            .with_context(|| format!("the component's first module does not export {export}"))?;
        let mut results = [Val::I32(0)];
        function
            .call(&mut self.store, arguments, &mut results)
            .map_err(trapped)?;
        result(&results)
    }

    /// Copies bytes into the guest's memory.
    fn allocate(&mut self, bytes: &[u8], align: u32) -> Result<Place> {
        let size = u32::try_from(bytes.len())?;
        let at = self.call("cabi_realloc", &[0, 0, align, size].map(signed))?;
        let memory = self
            .instance
            .get_memory(&self.store, "memory")
            .context("the module has no memory")?;
        Memory::of(memory.data_mut(&mut self.store)).put(at, bytes)?;
        Ok(at)
    }

    /// Hands a text over: its address and length.
    fn give(&mut self, text: &str) -> Result<(Val, Val)> {
        let at = self.allocate(text.as_bytes(), 1)?;
        Ok((signed(at.0), signed(u32::try_from(text.len())?)))
    }

    fn memory(&mut self) -> Result<Memory<'_>> {
        let memory = self
            .instance
            .get_memory(&self.store, "memory")
            .context("the module has no memory")?;
        Ok(Memory::of(memory.data_mut(&mut self.store)))
    }

    fn fuel(&self) -> Result<u64> {
        Ok(FUEL - self.store.get_fuel().map_err(trapped)?)
    }
}

/// Our interfaces pass addresses, lengths and flags: 32-bit words without a sign.
fn signed(word: u32) -> Val {
    Val::I32(word.cast_signed())
}

fn unsigned(value: &Val) -> Result<u32> {
    match value {
        Val::I32(word) => Ok(word.cast_unsigned()),
        other => bail!("{other:?} where an address is meant"),
    }
}

fn result(results: &[Val]) -> Result<Place> {
    Ok(Place(unsigned(results.first().context("no result")?)?))
}

fn trapped(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the code trapped: {error}")
}

/// A call of an import.
fn answer(
    mut caller: Caller<'_, State>,
    interface: &str,
    name: &str,
    given: &[Val],
) -> Result<(), wasmi::Error> {
    if caller.data().behind == Behind::Sealed {
        return Err(wasmi::Error::new(format!(
            "{interface} {name} is called where nothing may be"
        )));
    }
    answer_empty(&mut caller, interface, name, given)
        .map_err(|error| wasmi::Error::new(format!("{interface} {name}: {error:#}")))
}

/// What a store without a record answers. Each result is written where the last argument says.
fn answer_empty(
    caller: &mut Caller<'_, State>,
    interface: &str,
    name: &str,
    given: &[Val],
) -> Result<()> {
    let interface = interface.split('@').next().unwrap_or_default();
    if interface == "rongqiao:plugin/log" {
        return Ok(());
    }
    let words = given.iter().map(unsigned).collect::<Result<Vec<u32>>>()?;
    let (Some(&from), Some(&length), Some(&to)) = (words.first(), words.get(1), words.last())
    else {
        bail!("has other arguments than this version of the interface");
    };
    let to = Place(to);
    let asked = view(caller)?.bytes(Place(from), length)?.to_vec();
    let text = match (interface, name) {
        ("rongqiao:plugin/storage", "get") => {
            let mut memory = view(caller)?;
            memory.put(to, &[0])?;
            return memory.put(to.plus(4), &[0]);
        }
        ("rongqiao:plugin/storage", "find") => serde_json::to_string(&Found {
            total: Some(0),
            ..Found::default()
        })?,
        ("rongqiao:plugin/storage", "aggregate") => {
            serde_json::to_string(&no_groups(&serde_json::from_slice(&asked)?))?
        }
        ("rongqiao:plugin/storage", "steps") => "[]".to_owned(),
        ("rongqiao:plugin/crypto", "digest") => {
            let hex = Sm3::digest(&asked)
                .iter()
                .fold(String::new(), |mut hex, byte| {
                    // Writing to a string cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
            let (at, length) = put_text(caller, &hex)?;
            return view(caller)?.put_words(to, &[at, length]);
        }
        ("rongqiao:plugin/models", "score") => {
            let fault = Fault::new(
                FaultKind::Unavailable,
                "model.not-live",
                "没有上线的评分模型",
            );
            return put_fault(caller, to, &fault);
        }
        _ => bail!("is not known to this version of the tool"),
    };
    let (at, length) = put_text(caller, &text)?;
    let mut memory = view(caller)?;
    memory.put(to, &[0])?;
    memory.put_words(to.plus(4), &[at, length])
}

/// Without rows there is no group; asked for no groups, there is one of all rows.
fn no_groups(aggregate: &Aggregate) -> Vec<Group> {
    if !aggregate.group_by.is_empty() {
        return Vec::new();
    }
    let nothing = |measure: &Measure| match measure {
        Measure::Count => Value::from(0),
        _ => Value::Null,
    };
    vec![Group {
        keys: Vec::new(),
        measures: aggregate.measures.iter().map(nothing).collect(),
        suppressed: false,
    }]
}

fn export(caller: &Caller<'_, State>, name: &str) -> Result<Extern> {
    caller
        .get_export(name)
        .with_context(|| format!("the module does not export {name}"))
}

fn view<'a>(caller: &'a mut Caller<'_, State>) -> Result<Memory<'a>> {
    let memory = export(caller, "memory")?
        .into_memory()
        .context("`memory` is no memory")?;
    Ok(Memory::of(memory.data_mut(caller)))
}

fn put_text(caller: &mut Caller<'_, State>, text: &str) -> Result<(u32, u32)> {
    let length = u32::try_from(text.len())?;
    let realloc = export(caller, "cabi_realloc")?
        .into_func()
        .context("`cabi_realloc` is no function")?;
    let mut results = [Val::I32(0)];
    realloc
        .call(&mut *caller, &[0, 0, 1, length].map(signed), &mut results)
        .map_err(trapped)?;
    let at = result(&results)?;
    view(caller)?.put(at, text.as_bytes())?;
    Ok((at.0, length))
}

/// Writes a failed result.
fn put_fault(caller: &mut Caller<'_, State>, to: Place, fault: &Fault) -> Result<()> {
    let (code, code_length) = put_text(caller, &fault.code)?;
    let (message, message_length) = put_text(caller, &fault.message)?;
    let mut memory = view(caller)?;
    memory.put(to, &[1])?;
    memory.put(to.plus(4), &[abi::kind_to_byte(fault.kind)])?;
    memory.put_words(
        to.plus(8),
        &[code, code_length, message, message_length, 0, 0],
    )
}

#[cfg(test)]
mod tests;
