//! The two sandboxes: one engine for plugins, one for scoring models, each with its own pool.
//!
//! Plugins are bounded in time by epochs (cheap, by the wall clock), models by fuel
//! (deterministic: the same score costs the same fuel on every machine).

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// One tick of the epoch clock.
pub(crate) const TICK: Duration = Duration::from_millis(10);

const MIB: usize = 1024 * 1024;

/// Both engines and the ticker that keeps their epochs going until it is dropped.
#[derive(Clone)]
pub struct Engines {
    pub plugins: Engine,
    pub models: Engine,
    _ticker: Arc<Ticker>,
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
    pub fn new() -> Result<Self, EngineError> {
        Self::start().map_err(EngineError)
    }

    fn start() -> wasmtime::Result<Self> {
        let plugins = Engine::new(&plugin_config())?;
        let models = Engine::new(&model_config())?;
        let (stop, stopped) = std::sync::mpsc::channel();
        let ticked = [plugins.weak(), models.weak()];
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
            _ticker: Arc::new(Ticker { stop }),
        })
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
    pool.total_component_instances(128)
        .total_core_instances(512)
        .total_memories(128)
        .total_tables(512)
        .total_stacks(128)
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
