//! `rongqiao serve`

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use kernel_api::{Web, router};
use kernel_host::{Engines, Ground, Host};
use kernel_identity::demo::{self, Demo, DemoLogin};
use kernel_identity::session::Sessions;
use tokio::net::TcpListener;

use super::{Place, say};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::wire;

/// Between two looks at what another node may have switched.
const REFRESH: Duration = Duration::from_secs(2);
/// Between two signed statements of where the audit chain stands.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// The demo city of this repository.
const DEMO: &str = include_str!("../../../../host-config/demo.toml");

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
    /// TOML; `host-config/reference.toml` shows every key.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Demo organisations, users and data; prints the logins.
    #[arg(long)]
    demo: bool,
    /// Serve a rebuilt plugin at once.
    #[arg(long)]
    dev: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<()> {
        let config = Config::read(self.config.as_deref())?;
        let city = config.city()?;
        let opened = wire::open(&self.place).await?;
        let (keys, store, clock) = (
            opened.keys.clone(),
            opened.store.clone(),
            opened.clock.clone(),
        );
        store
            .apply(&kernel_identity::module::definition(), clock.now().micros())
            .await?;
        let sessions = Sessions::new(store.clone(), keys.clone(), config.sessions);
        let logins = if self.demo {
            self.demo(&store, &sessions, clock.now().micros()).await?
        } else {
            Vec::new()
        };
        let host = Host::start(Ground {
            store: opened.store,
            keys,
            blobs: opened.blobs,
            clock,
            engines: Engines::new()?,
            plugins: self.plugins.clone(),
            regions: city.regions.clone(),
            demo: self.demo,
        })
        .await?;
        let life = Lifecycle::default();
        life.listen();
        self.background(&life, &host);
        let listener = TcpListener::bind((self.host, self.port))
            .await
            .with_context(|| format!("port {} is not free", self.port))?;
        announce(listener.local_addr()?, &logins);
        let app = router(Web::new(host.clone(), sessions, config.web(city)));
        let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
        axum::serve(listener, service)
            .with_graceful_shutdown(life.stopping())
            .await?;
        life.finish(host.tasks()).await;
        store.audit_checkpoint(host.clock().now().micros()).await?;
        store.close().await;
        Ok(())
    }

    async fn demo(
        &self,
        store: &kernel_storage::Store,
        sessions: &Sessions,
        now: i64,
    ) -> Result<Vec<DemoLogin>> {
        let city: Demo = toml::from_str(DEMO)?;
        Ok(demo::apply(store, sessions, &city, &self.place.data, now).await?)
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
            }
        });
        let signed = host.clone();
        life.spawn(async move {
            loop {
                tokio::time::sleep(CHECKPOINT).await;
                if let Err(error) = signed
                    .store()
                    .audit_checkpoint(signed.clock().now().micros())
                    .await
                {
                    tracing::error!("{error:#}");
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

fn announce(at: std::net::SocketAddr, logins: &[DemoLogin]) {
    say(format!("融桥 is at http://{at}"));
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
