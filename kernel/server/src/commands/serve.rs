//! `rongqiao serve`

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use kernel_api::{Door, Peer};
use kernel_host::clock::SystemClock;
use kernel_identity::demo::DemoLogin;
use kernel_storage::BlobStore;
use tokio::net::TcpListener;

use super::say;
use crate::background;
use crate::evidence::Evidence;
use crate::lifecycle::Lifecycle;
use crate::reseal::Reseal;
use crate::sweep;
use crate::wire::{self, Place, Platform, Setup};

/// What a server of several on one database does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything.
    All,
    /// Serves people and programs, and leaves work that nobody waits for to workers.
    Web,
    /// Works; it answers `/healthz` alone.
    Worker,
}

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
    /// Of several servers on one PostgreSQL: whether this one serves, works, or both.
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
}

impl Serve {
    pub(super) async fn run(self) -> Result<()> {
        let config = wire::config(&self.place)?;
        ensure!(
            !(self.dev && config.release.is_on()),
            "--dev serves what is saved, and release.list what was signed: leave one out"
        );
        config.release.check(&self.plugins)?;
        let tls = config.tls.load()?;
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
        background::follow(&life, host);
        if let Some(lists) = platform.lists()? {
            let (sessions, clock) = (platform.sessions.clone(), Arc::clone(host.clock()));
            life.spawn(lists.run(sessions, clock));
        }
        if self.dev {
            background::watch(&life, host);
        }
        let evidence = Evidence {
            store: platform.store.clone(),
            keys: Arc::clone(host.keys()),
            clock: Arc::clone(host.clock()),
            folder: platform.checkpoint_folder(),
        };
        evidence
            .configured(&wire::machine(), platform.configured())
            .await?;
        life.spawn(evidence.clone().sign_as_due());
        life.spawn(evidence.clone().keep_keys());
        if let Some(check) = platform.clock_check() {
            life.spawn(check.run());
        }
        if self.role != Role::Web {
            work(&life, &platform, blobs)?;
        }
        let listener = TcpListener::bind((self.host, self.port))
            .await
            .with_context(|| format!("port {} is not free", self.port))?;
        let (tls, watch) = tls.unzip();
        if let Some(mut watch) = watch.flatten() {
            watch.look(&platform.sessions).await?;
            life.spawn(watch.run(platform.sessions.clone()));
        }
        announce(listener.local_addr()?, tls.is_some(), &platform.logins);
        for first in &platform.first {
            say(format!(
                "first sign-in of {} ({}): {}",
                first.login, first.name, first.password
            ));
        }
        if self.role != Role::Worker {
            background::mark(&life, host);
        }
        let router = match self.role {
            Role::Worker => platform.probe()?,
            Role::All | Role::Web => platform.router()?,
        };
        let service = router.into_make_service_with_connect_info::<Peer>();
        axum::serve(Door::new(listener, tls), service)
            .with_graceful_shutdown(life.stopping())
            .await?;
        life.finish(host.tasks()).await;
        evidence.finish().await;
        platform.store.close().await;
        Ok(())
    }
}

/// The work of the platform, and of keeping its records, codes and evidence in order.
fn work(life: &Lifecycle, platform: &Platform, blobs: BlobStore) -> Result<()> {
    let (store, host) = (&platform.store, &platform.host);
    // Before the first stamp is asked for, as far as they are files.
    if let (Some(lists), Some(stamping)) = (platform.stamp_lists()?, host.stamping()) {
        life.spawn(lists.run(stamping.clone(), Arc::clone(host.clock())));
    }
    background::work(life, host);
    if let Some(forward) = platform.forward()? {
        life.spawn(forward.run());
    }
    let reseal = Reseal {
        store: store.clone(),
        blobs,
        keys: Arc::clone(host.keys()),
        clock: Arc::clone(host.clock()),
    };
    life.spawn(reseal.run());
    life.spawn(sweep::daily(host.clone()));
    Ok(())
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
