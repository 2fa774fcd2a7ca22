//! A plugin in its sandbox: a fresh instance for each call, bounded in memory, time and host
//! allocations. A trap ends that call and nothing else; three in five minutes quarantine the
//! plugin until it is replaced or the node restarts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sdk_contract::call::{Ask, Event, Given, Reply};
use sdk_contract::def::{MODULE_DOCUMENT, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::manifest::Manifest;
use sdk_contract::page::{PAGE_DOCUMENT, Page};
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};

use crate::abi::plugin::{Plugin, PluginPre};
use crate::abi::{fault_from_guest, plugin as wit};
use crate::engine::TICK;
use crate::module::{Call, Input, Module};
use crate::{Host, capabilities};

/// The most bytes one answer of a guest may have.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The most bytes the host allocates for a guest's arguments and answers in one call.
const HOSTCALL_FUEL: usize = 8 * 1024 * 1024;
/// Traps within [`TRAP_WINDOW`] that quarantine a plugin.
const TRAP_LIMIT: usize = 3;
const TRAP_WINDOW: Duration = Duration::from_mins(5);

/// What a store carries during one call.
pub(crate) struct GuestState {
    pub(crate) call: Call,
    pub(crate) host: Host,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) log_lines: u32,
    limits: StoreLimits,
}

/// Why a component cannot be a plugin.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error("the component does not compile or link")]
    Link(#[source] wasmtime::Error),
    #[error("describe() failed: it may call nothing and must return")]
    Call(#[source] wasmtime::Error),
    #[error("describe() returned two different documents")]
    Unstable,
    #[error("describe() returned document version {0}, but this kernel reads {MODULE_DOCUMENT}")]
    Version(u32),
    #[error("describe() did not return a module document")]
    Document(#[source] serde_json::Error),
}

/// A compiled plugin.
pub(crate) struct Guest {
    engine: Engine,
    pre: PluginPre<GuestState>,
    manifest: Arc<Manifest>,
    host: Host,
    traps: Mutex<VecDeque<Instant>>,
}

impl Guest {
    /// Compiles, describes (sealed: every import traps; twice, and compared) and links.
    pub(crate) async fn load(
        host: Host,
        manifest: Arc<Manifest>,
        component: &Component,
    ) -> Result<(Self, ModuleDef), DescribeError> {
        let engine = host.engines().plugins.engine().clone();
        let first = describe(&engine, component, &manifest).await?;
        let second = describe(&engine, component, &manifest).await?;
        if first != second {
            return Err(DescribeError::Unstable);
        }
        let (version, text) = first;
        if version != MODULE_DOCUMENT {
            return Err(DescribeError::Version(version));
        }
        let def = serde_json::from_str(&text).map_err(DescribeError::Document)?;
        let mut linker = Linker::new(&engine);
        Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)
            .map_err(DescribeError::Link)?;
        let pre = linker
            .instantiate_pre(component)
            .and_then(PluginPre::new)
            .map_err(DescribeError::Link)?;
        Ok((
            Self {
                engine,
                pre,
                manifest,
                host,
                traps: Mutex::default(),
            },
            def,
        ))
    }

    fn store(&self, call: &Call) -> Result<Store<GuestState>, Fault> {
        if self.quarantined() {
            return Err(Fault::new(
                FaultKind::Unavailable,
                "plugin.quarantined",
                "该功能多次出错，已暂停使用，运维人员已收到通知，请稍后再试",
            ));
        }
        let state = GuestState {
            call: call.clone(),
            host: self.host.clone(),
            manifest: Arc::clone(&self.manifest),
            log_lines: 0,
            limits: limits(&self.manifest),
        };
        Ok(bounded(&self.engine, state, &self.manifest, |s| {
            &mut s.limits
        }))
    }

    /// A place in the pool. Calls wait for one, so that a rush is slow and not full of errors that
    /// would count against the plugin.
    async fn place(&self) -> Result<SemaphorePermit<'_>, Fault> {
        let wait = Duration::from_millis(u64::from(self.manifest.limits.deadline_ms));
        match tokio::time::timeout(wait, self.host.engines().calls.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Fault::new(
                FaultKind::Unavailable,
                "busy",
                "当前访问的人较多，请稍后再试",
            )),
        }
    }

    fn quarantined(&self) -> bool {
        let mut traps = self
            .traps
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while traps.front().is_some_and(|t| t.elapsed() > TRAP_WINDOW) {
            traps.pop_front();
        }
        traps.len() >= TRAP_LIMIT
    }

    /// A trap or overrun becomes one typed fault; the log has the cause.
    fn trapped(&self, error: &wasmtime::Error) -> Fault {
        tracing::error!(plugin = %self.manifest.id, error = ?error, blame = "plugin", "guest trapped");
        let mut traps = self
            .traps
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        traps.push_back(Instant::now());
        Fault::new(
            FaultKind::Internal,
            "plugin.trapped",
            "该功能出错了，本次操作没有生效，请稍后再试",
        )
    }

    /// The call took too long in all, though its own time was not used up.
    fn waited(&self) -> Fault {
        tracing::error!(plugin = %self.manifest.id, "a call waited too long for the platform");
        Fault::new(
            FaultKind::Unavailable,
            "plugin.waited",
            "平台繁忙，本次操作没有生效，请稍后再试",
        )
    }

    fn parse<T: DeserializeOwned>(&self, what: &str, text: &str) -> Result<T, Fault> {
        if text.len() > MAX_ANSWER {
            return Err(self.trapped(&wasmtime::format_err!(
                "{what}: answer of {} bytes",
                text.len()
            )));
        }
        serde_json::from_str(text).map_err(|e| {
            self.trapped(&wasmtime::format_err!(
                "{what}: not the declared shape: {e}"
            ))
        })
    }
}

fn limits(manifest: &Manifest) -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(manifest.limits.memory_mb as usize * 1024 * 1024)
        .trap_on_grow_failure(true)
        .build()
}

/// A store with all of a plugin's limits on.
fn bounded<T: 'static>(
    engine: &Engine,
    state: T,
    manifest: &Manifest,
    limiter: impl Fn(&mut T) -> &mut StoreLimits + Send + Sync + 'static,
) -> Store<T> {
    let mut store = Store::new(engine, state);
    store.limiter(move |s| limiter(s));
    store.set_hostcall_fuel(HOSTCALL_FUEL);
    let tick_ms = u64::try_from(TICK.as_millis()).unwrap_or(10);
    let mut ticks = u64::from(manifest.limits.deadline_ms) / tick_ms;
    store.set_epoch_deadline(1);
    // Each tick gives other requests a turn; when the budget of ticks is gone, the call is over.
    store.epoch_deadline_callback(move |_| {
        ticks = ticks.saturating_sub(1);
        Ok(if ticks == 0 {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Yield(1)
        })
    });
    store
}

async fn describe(
    engine: &Engine,
    component: &Component,
    manifest: &Manifest,
) -> Result<(u32, String), DescribeError> {
    let mut linker: Linker<StoreLimits> = Linker::new(engine);
    linker
        .define_unknown_imports_as_traps(component)
        .map_err(DescribeError::Link)?;
    let mut store = bounded(engine, limits(manifest), manifest, |l| l);
    let instance = linker
        .instantiate_async(&mut store, component)
        .await
        .map_err(DescribeError::Link)?;
    let plugin = Plugin::new(&mut store, &instance).map_err(DescribeError::Link)?;
    let document = plugin
        .rongqiao_plugin_guest()
        .call_describe(&mut store)
        .await
        .map_err(DescribeError::Call)?;
    Ok((document.version, document.json))
}

/// How many times its own time a call may take in all, with waiting for the store and for models.
const PATIENCE: u64 = 4;

/// Runs `$body` with a fresh instance. Its own time is counted by epochs, and overrunning it is the
/// plugin's fault; the time it waits for others has a wider bound and is nobody's.
macro_rules! with_instance {
    ($self:ident, $call:ident, |$guest:ident, $store:ident| $body:expr) => {{
        let _place = $self.place().await?;
        let mut $store = $self.store($call)?;
        let own = u64::from($self.manifest.limits.deadline_ms);
        let deadline = Duration::from_millis(own * PATIENCE);
        let run = async {
            let plugin = $self.pre.instantiate_async(&mut $store).await?;
            let $guest = plugin.rongqiao_plugin_guest();
            $body.await
        };
        match tokio::time::timeout(deadline, run).await {
            Ok(Ok(answer)) => answer.map_err(fault_from_guest),
            Ok(Err(error)) => Err($self.trapped(&error)),
            Err(_) => Err($self.waited()),
        }
    }};
}

fn text(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| {
        tracing::error!(error = %e, "a call's argument cannot be written");
        Fault::internal("内部错误")
    })
}

/// For measuring, in [`crate::measure`].
impl Guest {
    /// An instance and nothing else.
    pub(crate) async fn instantiate(&self, call: &Call) -> Result<(), Fault> {
        with_instance!(self, call, |_guest, _store| async { Ok(Ok(())) })
    }

    /// One page `times` over in one instance.
    pub(crate) async fn page_warm(&self, call: &Call, ask: &Ask, times: u32) -> Result<(), Fault> {
        with_instance!(self, call, |guest, store| async {
            for _ in 0..times {
                let (context, ask) = (text(&call.context()), text(ask));
                let (Ok(context), Ok(ask)) = (context, ask) else {
                    break;
                };
                if let Err(fault) = guest.call_page(&mut store, &context, &ask).await? {
                    return Ok(Err(fault));
                }
            }
            Ok(Ok(()))
        })
    }
}

#[async_trait]
impl Module for Guest {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        let (context, ask) = (text(&call.context())?, text(ask)?);
        let document = with_instance!(self, call, |guest, store| guest
            .call_page(&mut store, &context, &ask))?;
        if document.version != PAGE_DOCUMENT {
            return Err(self.trapped(&wasmtime::format_err!("page version {}", document.version)));
        }
        let page: Page = self.parse("page", &document.json)?;
        sdk_contract::page::check(&page)
            .map_err(|fault| self.trapped(&wasmtime::format_err!("page: {fault:?}")))?;
        Ok(page)
    }

    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault> {
        let context = text(&call.context())?;
        let input = text(&Given {
            record: input.record,
            values: input.values,
        })?;
        let reply = with_instance!(self, call, |guest, store| guest
            .call_act(&mut store, &context, action, &input))?;
        self.parse("reply", &reply)
    }

    async fn on_event(&self, call: &Call, event: &Event) -> Result<Reply, Fault> {
        let (context, event) = (text(&call.context())?, text(event)?);
        let reply = with_instance!(self, call, |guest, store| guest
            .call_on_event(&mut store, &context, &event))?;
        self.parse("reply", &reply)
    }
}

// The imports' implementation is in `capabilities`; the linker needs the type only.
const _: fn() = || {
    fn implements<T: wit::rongqiao::plugin::storage::Host + capabilities::Granted>() {}
    implements::<GuestState>();
};
