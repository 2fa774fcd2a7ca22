//! The two sandboxes: one engine for plugins, one for scoring models, each with its own pool.
//!
//! Plugins are bounded in time by epochs (cheap, by the wall clock), models by fuel
//! (deterministic: the same score costs the same fuel on every machine).

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;
use std::time::Duration;

use kernel_crypto::sm3::{self, Digest32};
use tokio::sync::Semaphore;
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::code::{Authentic, KeptCode, Origin};

/// One tick of the epoch clock.
pub(crate) const TICK: Duration = Duration::from_millis(10);

const MIB: usize = 1024 * 1024;

/// Calls of plugins that run at once. More wait for a place instead of failing.
const CALLS: u32 = 128;
/// Places in the pool for what is not a call: a component that is asked to describe itself.
const SPARE: u32 = 8;

/// Both engines and the ticker that keeps their epochs going until it is dropped.
#[derive(Clone)]
pub struct Engines {
    pub plugins: Sandbox,
    pub models: Sandbox,
    /// A place in the plugins' pool for each call.
    pub(crate) calls: Arc<Semaphore>,
    _ticker: Arc<Ticker>,
}

/// One engine, and the code that it compiled before.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    settings: Digest32,
    kept: Option<Arc<KeptCode>>,
}

struct Ticker {
    stop: std::sync::mpsc::Sender<()>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        let _ = self.stop.send(());
    }
}

/// The machine cannot run the sandboxes: not enough address space, or an unsupported processor.
#[derive(Debug, thiserror::Error)]
#[error("the sandboxes cannot start")]
pub struct EngineError(#[source] wasmtime::Error);

impl Engines {
    /// Engines that compile every component anew.
    pub fn new() -> Result<Self, EngineError> {
        Self::start(None).map_err(EngineError)
    }

    /// Engines that keep what they compile for the next start.
    pub fn keeping(code: Arc<KeptCode>) -> Result<Self, EngineError> {
        Self::start(Some(code)).map_err(EngineError)
    }

    fn start(kept: Option<Arc<KeptCode>>) -> wasmtime::Result<Self> {
        let plugins = Sandbox::new(&plugin_config(), kept.clone())?;
        let models = Sandbox::new(&model_config(), kept)?;
        let (stop, stopped) = std::sync::mpsc::channel();
        let ticked = [plugins.engine.weak(), models.engine.weak()];
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                while stopped.recv_timeout(TICK).is_err() {
                    for engine in &ticked {
                        if let Some(engine) = engine.upgrade() {
                            engine.increment_epoch();
                        }
                    }
                }
            })?;
        Ok(Self {
            plugins,
            models,
            calls: Arc::new(Semaphore::new(CALLS as usize)),
            _ticker: Arc::new(Ticker { stop }),
        })
    }
}

impl Sandbox {
    fn new(config: &Config, kept: Option<Arc<KeptCode>>) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let mut settings = Settings(sm3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        Ok(Self {
            engine,
            settings: settings.0.finish(),
            kept,
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The component ready to run: from the kept code, or compiled and kept. Takes seconds when it
    /// compiles, so not on a thread that serves.
    pub(crate) fn compile(&self, wasm: &[u8]) -> wasmtime::Result<Component> {
        let Some(kept) = &self.kept else {
            return self.compile_anew(wasm);
        };
        let origin = Origin {
            component: sm3::digest(wasm),
            settings: self.settings,
        };
        if let Some(code) = kept.read(origin) {
            match self.load(&code) {
                Ok(component) => {
                    kept.count_loaded();
                    return Ok(component);
                }
                Err(error) => {
                    kept.count_refused();
                    tracing::error!(%error, "kept code does not load; compiling again");
                }
            }
        }
        let component = self.compile_anew(wasm)?;
        kept.count_compiled();
        kept.write(origin, &component.serialize()?);
        Ok(component)
    }

    /// Compiles on threads that end with it. The compiler's memory, tens of megabytes, is theirs: kept
    /// threads would hold it for as long as the server runs.
    fn compile_anew(&self, wasm: &[u8]) -> wasmtime::Result<Component> {
        let threads = rayon::ThreadPoolBuilder::new().build()?;
        threads.install(|| Component::new(&self.engine, wasm))
    }

    #[expect(
        unsafe_code,
        reason = "code is trusted for having been compiled by us, which the caller has proven"
    )]
    fn load(&self, code: &Authentic) -> wasmtime::Result<Component> {
        // SAFETY: the bytes must be what `Component::serialize` made. They are: only
        // `KeptCode::read` makes an `Authentic`, of bytes whose code proves that this deployment
        // wrote them, and `compile` above is all that writes.
        unsafe { Component::deserialize(&self.engine, code.bytes()) }
    }
}

/// Hands what is hashed to SM3, whose result is the same in every process.
struct Settings(sm3::Hasher);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the digest is taken instead.
    fn finish(&self) -> u64 {
        0
    }
}

fn common() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        .memory_init_cow(true)
        .epoch_interruption(true);
    config
}

fn plugin_config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let places = CALLS + SPARE;
    pool.total_component_instances(places)
        .total_core_instances(4 * places)
        .total_memories(places)
        .total_tables(4 * places)
        .total_stacks(places)
        .max_memory_size(64 * MIB)
        // Keeping pages resident saves the madvise and page faults of a fresh instance a call.
        .linear_memory_keep_resident(2 * MIB)
        .table_keep_resident(64 * 1024)
        .async_stack_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto);
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn model_config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // A component made from Python holds about twenty core instances.
    pool.total_component_instances(16)
        .total_core_instances(512)
        .max_core_instances_per_component(48)
        .total_memories(64)
        .max_memories_per_component(8)
        .total_tables(512)
        .max_tables_per_component(64)
        .table_elements(40_000)
        .max_core_instance_size(4 * MIB)
        .max_component_instance_size(4 * MIB)
        .max_memory_size(MODEL_MEMORY_CEILING)
        .linear_memory_keep_resident(MIB)
        .pagemap_scan(Enabled::Auto);
    let mut config = common();
    config
        .consume_fuel(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// No model gets more memory than this; an interpreter inside one needs it.
pub(crate) const MODEL_MEMORY_CEILING: usize = 128 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_has_settings_of_its_own_at_every_start() {
        let (first, second) = (Engines::new().unwrap(), Engines::new().unwrap());
        assert_eq!(first.plugins.settings, second.plugins.settings);
        assert_eq!(first.models.settings, second.models.settings);
        assert_ne!(first.plugins.settings, first.models.settings);
    }
}
