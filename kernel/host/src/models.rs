//! Banks' scoring models: admission, scoring in their own sandbox, evidence.
//!
//! A model is pure: it imports nothing, is bounded by fuel, and sees only the numbers it declared.
//! [`Pool`] compiles and runs; [`certificate`] is the evidence of one score; [`batch`] scores a
//! file; [`scoring`] collects a subject's features under consent and calls the pool.

pub mod batch;
pub mod certificate;
mod scoring;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sdk_contract::model::{
    EncodeError, GOLDEN_TOLERANCE, MODEL_DOCUMENT, ModelDef, ModelFault, SUM_TOLERANCE, encode_row,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};

use crate::abi::model::Model;
use crate::abi::model::exports::rongqiao::model::scoring as wit;
use crate::engine::{MODEL_MEMORY_CEILING, Sandbox, TICK};
use crate::inspect::{InspectError, admit};

/// The export every model has.
const MODEL_EXPORT: &str = "rongqiao:model/scoring@0.1.0";
/// Rows that go into the sandbox at once.
pub const CHUNK: usize = 8_192;
/// A component larger than this carries an interpreter and gets [`MODEL_MEMORY_CEILING`].
const INTERPRETER_BYTES: usize = 4 * 1024 * 1024;
const MODEL_MEMORY: usize = 16 * 1024 * 1024;
/// Fuel of one call, and what each row adds. An interpreter needs the larger figures.
const FUEL: Budget = Budget {
    call: 200_000_000,
    row: 200_000,
    wall: Duration::from_secs(2),
};
const INTERPRETER_FUEL: Budget = Budget {
    call: 4_000_000_000,
    row: 20_000_000,
    wall: Duration::from_secs(30),
};
/// The longest declaration that is read, in bytes.
const MAX_DOCUMENT: usize = 1024 * 1024;
/// How many characters of a model's own refusal are kept.
const MAX_REFUSAL: usize = 300;
/// Models running at once; each takes a thread of its own, never one that serves pages.
const PARALLEL: usize = 2;
/// Compiled models kept ready.
pub(crate) const KEPT: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Budget {
    call: u64,
    row: u64,
    wall: Duration,
}

/// Why there is no score. It never becomes another score.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("component refused")]
    Inspect(#[source] InspectError),
    #[error("the component does not compile or link")]
    Link(#[source] wasmtime::Error),
    #[error("the model trapped or ran out of fuel, memory or time")]
    Trapped(#[source] wasmtime::Error),
    #[error("describe() returned two different documents")]
    Unstable,
    #[error("describe() returned document version {0}, but this kernel reads {MODEL_DOCUMENT}")]
    Version(u32),
    #[error("describe() returned {0} bytes; at most {MAX_DOCUMENT} are read")]
    TooLong(usize),
    #[error("describe() did not return a model document")]
    Document(#[source] serde_json::Error),
    #[error("declaration refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Declaration(Vec<ModelFault>),
    #[error("row {row}: {source}")]
    Row { row: usize, source: EncodeError },
    #[error("the model refused: {0}")]
    Refused(String),
    #[error("the model broke its contract: {0}")]
    Contract(String),
    #[error("the work ended early")]
    Ended(#[source] tokio::task::JoinError),
}

/// A model that was admitted: compiled, described, ready to score.
pub struct Admitted {
    pub def: ModelDef,
    /// SM3 of the component, hex.
    pub digest: String,
    pub bytes: usize,
    component: Component,
    engine: Engine,
}

/// Scores of a batch, with each row's contributions when asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    pub scores: Vec<f64>,
    /// Row-major; empty unless asked for.
    pub contributions: Vec<f64>,
    pub fuel: u64,
    pub micros: u64,
}

/// What admission found, for the people who approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub digest: String,
    pub bytes: usize,
    pub memory_limit: usize,
    pub imports: Vec<String>,
    pub golden: Vec<GoldenResult>,
    /// Of one explained score.
    pub fuel: u64,
    pub micros: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenResult {
    pub expected: f64,
    pub score: f64,
    pub holds: bool,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.golden.iter().all(|g| g.holds)
    }
}

/// Compiles models and runs them on their own threads.
pub struct Pool {
    sandbox: Sandbox,
    permits: Arc<Semaphore>,
    ready: Mutex<BTreeMap<String, Arc<Admitted>>>,
}

impl Pool {
    pub fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            permits: Arc::new(Semaphore::new(PARALLEL)),
            ready: Mutex::default(),
        }
    }

    /// Compiles a model, or finds it by digest. Everything a model must be is checked here.
    pub async fn admit(&self, bytes: Vec<u8>) -> Result<Arc<Admitted>, ModelError> {
        let digest = kernel_crypto::sm3::digest(&bytes).to_string();
        if let Some(found) = self.ready(&digest) {
            return Ok(found);
        }
        let sandbox = self.sandbox.clone();
        let key = digest.clone();
        let admitted = Arc::new(self.work(move || load(&sandbox, digest, &bytes)).await??);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= KEPT {
            ready.pop_first();
        }
        ready.insert(key, Arc::clone(&admitted));
        Ok(admitted)
    }

    /// A model that is already compiled.
    pub fn ready(&self, digest: &str) -> Option<Arc<Admitted>> {
        self.ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .cloned()
    }

    /// Scores rows already encoded, `features` numbers each.
    pub async fn score(
        &self,
        model: &Arc<Admitted>,
        rows: Vec<f64>,
        explain: bool,
    ) -> Result<Batch, ModelError> {
        let model = Arc::clone(model);
        self.work(move || model.score(&rows, explain)).await?
    }

    /// Runs the golden cases.
    pub async fn report(&self, model: &Arc<Admitted>) -> Result<Report, ModelError> {
        let model = Arc::clone(model);
        self.work(move || model.report()).await?
    }

    async fn work<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ModelError> {
        // The semaphore is never closed; without a permit the work would only run unbounded.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            f()
        })
        .await
        .map_err(ModelError::Ended)
    }
}

fn load(sandbox: &Sandbox, digest: String, bytes: &[u8]) -> Result<Admitted, ModelError> {
    admit(bytes, None, MODEL_EXPORT).map_err(ModelError::Inspect)?;
    let engine = sandbox.engine();
    let component = sandbox.compile(bytes).map_err(ModelError::Link)?;
    let first = describe(engine, &component, bytes.len())?;
    if first != describe(engine, &component, bytes.len())? {
        return Err(ModelError::Unstable);
    }
    let (version, json) = first;
    if version != MODEL_DOCUMENT {
        return Err(ModelError::Version(version));
    }
    let def: ModelDef = serde_json::from_str(&json).map_err(ModelError::Document)?;
    let faults = def.validate();
    if !faults.is_empty() {
        return Err(ModelError::Declaration(faults));
    }
    Ok(Admitted {
        def,
        digest,
        bytes: bytes.len(),
        component,
        engine: engine.clone(),
    })
}

fn describe(
    engine: &Engine,
    component: &Component,
    bytes: usize,
) -> Result<(u32, String), ModelError> {
    let (mut store, model) = instance(engine, component, bytes, 0)?;
    let document = model
        .rongqiao_model_scoring()
        .call_describe(&mut store)
        .map_err(ModelError::Trapped)?;
    if document.json.len() > MAX_DOCUMENT {
        return Err(ModelError::TooLong(document.json.len()));
    }
    Ok((document.version, document.json))
}

fn instance(
    engine: &Engine,
    component: &Component,
    bytes: usize,
    rows: usize,
) -> Result<(Store<StoreLimits>, Model), ModelError> {
    let budget = if bytes > INTERPRETER_BYTES {
        INTERPRETER_FUEL
    } else {
        FUEL
    };
    let limits = StoreLimitsBuilder::new()
        .memory_size(memory_limit(bytes))
        .trap_on_grow_failure(true)
        .build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    store.set_hostcall_fuel(32 * 1024 * 1024);
    let fuel = budget
        .call
        .saturating_add(budget.row.saturating_mul(rows as u64));
    store.set_fuel(fuel).map_err(ModelError::Link)?;
    let tick = TICK.as_millis().max(1);
    store.set_epoch_deadline(u64::try_from(budget.wall.as_millis() / tick).unwrap_or(1));
    let linker = Linker::new(engine);
    let model = Model::instantiate(&mut store, component, &linker).map_err(ModelError::Trapped)?;
    Ok((store, model))
}

fn memory_limit(bytes: usize) -> usize {
    if bytes > INTERPRETER_BYTES {
        MODEL_MEMORY_CEILING
    } else {
        MODEL_MEMORY
    }
}

impl Admitted {
    /// Scores rows in chunks, each in a fresh instance with its own budget.
    pub fn score(&self, rows: &[f64], explain: bool) -> Result<Batch, ModelError> {
        let width = self.def.features.len().max(1);
        let mut all = Batch::default();
        for chunk in rows.chunks(CHUNK * width) {
            let part = self.chunk(chunk, width, explain)?;
            all.scores.extend(part.scores);
            all.contributions.extend(part.contributions);
            all.fuel += part.fuel;
            all.micros += part.micros;
        }
        Ok(all)
    }

    fn chunk(&self, values: &[f64], width: usize, explain: bool) -> Result<Batch, ModelError> {
        let rows = values.len() / width;
        let (mut store, model) = instance(&self.engine, &self.component, self.bytes, rows)?;
        let before = store.get_fuel().map_err(ModelError::Trapped)?;
        let began = Instant::now();
        let batch = wit::Batch {
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            values: values.to_vec(),
            explain,
        };
        let answer = model
            .rongqiao_model_scoring()
            .call_score(&mut store, &batch)
            .map_err(ModelError::Trapped)?
            .map_err(|words| ModelError::Refused(words.chars().take(MAX_REFUSAL).collect()))?;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let fuel = before.saturating_sub(store.get_fuel().map_err(ModelError::Trapped)?);
        self.hold(&answer, rows, width, explain)?;
        Ok(Batch {
            scores: answer.scores,
            contributions: answer.contributions,
            fuel,
            micros,
        })
    }

    /// What the contract promises of an answer.
    #[expect(
        clippy::float_arithmetic,
        reason = "scores are floats; no money passes here"
    )]
    fn hold(
        &self,
        answer: &wit::Scores,
        rows: usize,
        width: usize,
        explain: bool,
    ) -> Result<(), ModelError> {
        if answer.scores.len() != rows {
            return Err(ModelError::Contract(format!(
                "{} scores for {rows} rows",
                answer.scores.len()
            )));
        }
        if let Some(row) = answer.scores.iter().position(|s| !s.is_finite()) {
            return Err(ModelError::Contract(format!(
                "the score of row {row} is not a number"
            )));
        }
        let wanted = if explain { rows * width } else { 0 };
        if answer.contributions.len() != wanted {
            return Err(ModelError::Contract(format!(
                "{} contributions, {wanted} expected",
                answer.contributions.len()
            )));
        }
        for (row, (score, parts)) in answer
            .scores
            .iter()
            .zip(answer.contributions.chunks(width))
            .enumerate()
        {
            let sum = self.def.base + parts.iter().sum::<f64>();
            let off = (sum - score).abs();
            if off.is_nan() || off > SUM_TOLERANCE {
                return Err(ModelError::Contract(format!(
                    "row {row}: base and contributions sum to {sum}, the score is {score}"
                )));
            }
        }
        Ok(())
    }

    #[expect(
        clippy::float_arithmetic,
        reason = "scores are floats; no money passes here"
    )]
    fn report(&self) -> Result<Report, ModelError> {
        let mut golden = Vec::new();
        let (mut fuel, mut micros) = (0, 0);
        for (row, case) in self.def.golden.iter().enumerate() {
            let values = encode_row(&self.def, &case.input)
                .map_err(|source| ModelError::Row { row, source })?;
            let scored = self.score(&values, true)?;
            (fuel, micros) = (scored.fuel, scored.micros);
            let score = scored.scores.first().copied().unwrap_or(f64::NAN);
            let holds = (score - case.score).abs() <= GOLDEN_TOLERANCE;
            golden.push(GoldenResult {
                expected: case.score,
                score,
                holds,
            });
        }
        Ok(Report {
            digest: self.digest.clone(),
            bytes: self.bytes,
            memory_limit: memory_limit(self.bytes),
            imports: Vec::new(),
            golden,
            fuel,
            micros,
        })
    }
}
