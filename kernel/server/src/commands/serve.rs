//! `rongqiao serve`

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use kernel_api::{Door, Peer};
use kernel_host::clock::SystemClock;
use kernel_host::{Host, Lane};
use kernel_identity::demo::DemoLogin;
use tokio::net::TcpListener;

use super::say;
use crate::evidence::Evidence;
use crate::lifecycle::Lifecycle;
use crate::reseal::Reseal;
use crate::sweep;
use crate::wire::{self, Place, Platform, Setup};

/// Between two looks at what another node may have switched.
const REFRESH: Duration = Duration::from_secs(2);
/// Between two looks for what is due: deleted records whose time has passed, accounts nobody used,
/// arrivals that nobody finished, uploads that wait to be scanned.
const PURGE: Duration = Duration::from_mins(1);
/// Between two looks for files that nobody names, which read every record, and for idempotency keys that
/// nobody repeats.
const COLLECT: Duration = Duration::from_hours(6);
/// Before the first, so that a start is not slowed by it.
const SETTLE: Duration = Duration::from_mins(5);
/// Between two looks for an import or export that nobody has woken a worker for: one that was asked for
/// on another node, or left by one.
const JOBS: Duration = Duration::from_secs(15);
/// Between two batches of the search index.
const BETWEEN: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Folder of plugins: `<name>/{plugin.toml,component.wasm}`.
    #[arg(long, default_value = "plugins")]
    plugins: PathBuf,
    /// Folder of compiled code, safe to share and to lose; `code` in the data folder when absent.
    #[arg(long)]
    code: Option<PathBuf>,
    /// Demo organisations, users and data; prints the logins. No role needs a second factor then,
    /// though any user may set one up.
    #[arg(long)]
    demo: bool,
    /// Serve a rebuilt plugin at once.
    #[arg(long)]
    dev: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<()> {
        let tls = wire::config(&self.place)?.tls.load()?;
        let _sole = wire::sole(&self.place)?;
        let setup = Setup {
            plugins: self.plugins.clone(),
            code: self.code.clone(),
            demo: self.demo,
        };
        let opened = wire::open(&self.place).await?;
        let blobs = opened.blobs.clone();
        let clock = Arc::new(SystemClock::default());
        let platform = Platform::start(opened, clock, setup).await?;
        let host = &platform.host;
        let life = Lifecycle::default();
        life.listen();
        self.background(&life, host);
        let evidence = Evidence {
            store: platform.store.clone(),
            keys: Arc::clone(host.keys()),
            clock: Arc::clone(host.clock()),
            folder: platform.checkpoint_folder(),
        };
        evidence
            .configured(&wire::machine(), platform.config_digest())
            .await?;
        life.spawn(evidence.clone().sign_as_due());
        life.spawn(evidence.clone().keep_keys());
        if let Some(forward) = platform.forward()? {
            life.spawn(forward.run());
        }
        if let Some(check) = platform.clock_check() {
            life.spawn(check.run());
        }
        let reseal = Reseal {
            store: platform.store.clone(),
            blobs,
            keys: Arc::clone(host.keys()),
            clock: Arc::clone(host.clock()),
        };
        life.spawn(reseal.run());
        life.spawn(sweep::daily(host.clone()));
        let listener = TcpListener::bind((self.host, self.port))
            .await
            .with_context(|| format!("port {} is not free", self.port))?;
        announce(listener.local_addr()?, tls.is_some(), &platform.logins);
        for first in &platform.first {
            say(format!(
                "first sign-in of {} ({}): {}",
                first.login, first.name, first.password
            ));
        }
        let service = platform
            .router()?
            .into_make_service_with_connect_info::<Peer>();
        axum::serve(Door::new(listener, tls), service)
            .with_graceful_shutdown(life.stopping())
            .await?;
        life.finish(host.tasks()).await;
        evidence.finish().await;
        platform.store.close().await;
        Ok(())
    }

    fn background(&self, life: &Lifecycle, host: &Host) {
        life.spawn(kernel_messaging::relay(host.store().clone(), host.clone()));
        let refreshed = host.clone();
        life.spawn(async move {
            loop {
                tokio::time::sleep(REFRESH).await;
                if let Err(error) = refreshed.refresh_enabled().await {
                    tracing::error!("{error:#}");
                }
                if let Err(error) = refreshed.refresh_data().await {
                    tracing::error!("{:#}", anyhow::Error::from(error));
                }
                if let Err(error) = refreshed.lapse_grants().await {
                    tracing::error!("{:#}", anyhow::Error::from(error));
                }
            }
        });
        let purging = host.clone();
        life.spawn(async move {
            loop {
                if let Err(fault) = purging.purge_due().await {
                    tracing::error!(%fault, "deleted records are not purged");
                }
                if let Err(error) = purging.suspend_unused().await {
                    tracing::error!("{:#}", anyhow::Error::from(error));
                }
                if let Err(error) = purging.end_arrivals().await {
                    tracing::error!("{:#}", anyhow::Error::from(error));
                }
                tokio::time::sleep(PURGE).await;
            }
        });
        let scanning = host.clone();
        life.spawn(async move {
            loop {
                if let Err(fault) = scanning.scan_waiting().await {
                    tracing::error!(%fault, "uploads are not scanned");
                }
                tokio::time::sleep(PURGE).await;
            }
        });
        let collecting = host.clone();
        life.spawn(async move {
            tokio::time::sleep(SETTLE).await;
            loop {
                if let Err(fault) = collecting.collect_files().await {
                    tracing::error!(%fault, "files are not collected");
                }
                if let Err(fault) = collecting.forget_keys().await {
                    tracing::error!(%fault, "idempotency keys are not forgotten");
                }
                tokio::time::sleep(COLLECT).await;
            }
        });
        for lane in [Lane::Any, Lane::Short] {
            let working = host.clone();
            let mut wake = host.jobs_wake();
            life.spawn(async move {
                loop {
                    match working.run_jobs(lane).await {
                        Ok(true) => {}
                        Ok(false) => drop(tokio::time::timeout(JOBS, wake.changed()).await),
                        Err(fault) => {
                            tracing::error!(%fault, "a job does not go on");
                            tokio::time::sleep(REFRESH).await;
                        }
                    }
                }
            });
        }
        let indexed = host.store().clone();
        life.spawn(async move {
            loop {
                match indexed.index_search().await {
                    // Batches take turns with the commits of people.
                    Ok(false) => tokio::time::sleep(BETWEEN).await,
                    Ok(true) => tokio::time::sleep(REFRESH).await,
                    Err(error) => {
                        tracing::error!("the search index is not built: {error:#}");
                        tokio::time::sleep(REFRESH).await;
                    }
                }
            }
        });
        if self.dev {
            let watching = host.clone();
            life.spawn(async move {
                if let Err(error) = watching.watch().await {
                    tracing::error!("plugins are not watched: {error:#}");
                }
            });
        }
    }
}

fn announce(at: std::net::SocketAddr, secure: bool, logins: &[DemoLogin]) {
    let scheme = if secure { "https" } else { "http" };
    say(format!("融桥 is at {scheme}://{at}"));
    if logins.is_empty() {
        return;
    }
    say("demo logins:");
    for l in logins {
        say(format!(
            "  {:<12} {:<18} {} · {} ({})",
            l.login,
            l.password,
            l.organisation,
            l.name,
            l.roles.join(", ")
        ));
    }
}
