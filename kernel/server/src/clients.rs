//! Keeps up to date whose certificates clients may show: what authorities took back, as far as the
//! configured files say so, and the nodes that the platform gave a certificate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use kernel_api::{Clients, Trusted};
use kernel_identity::session::Sessions;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

/// Between two looks at whether anything changed.
const LOOK: Duration = Duration::from_secs(2);
/// The same when nothing did: certificates and lists end by themselves.
const EVERY: Duration = Duration::from_mins(1);

/// Authorities outside, whose certificates are taken as long as their lists say nothing else.
pub(crate) struct Outside {
    pub(crate) roots: Arc<RootCertStore>,
    /// Files; none is no looking at lists.
    pub(crate) lists: Vec<PathBuf>,
}

/// Who looks after the sides of a door.
pub(crate) struct Watch {
    outside: Outside,
    platform_nodes: bool,
    sides: Vec<(Arc<Clients>, Arc<CryptoProvider>)>,
    /// As they were read last.
    lists: Vec<CertificateRevocationListDer<'static>>,
    changed: Vec<Option<SystemTime>>,
    nodes: BTreeMap<[u8; 32], i64>,
    told: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(outside: Outside, platform_nodes: bool) -> Self {
        Self {
            outside,
            platform_nodes,
            sides: Vec::new(),
            lists: Vec::new(),
            changed: Vec::new(),
            nodes: BTreeMap::new(),
            told: None,
        }
    }

    /// One more side to look after. Authorities that it cannot use are named at once.
    pub(crate) fn side(
        &mut self,
        clients: Arc<Clients>,
        provider: Arc<CryptoProvider>,
    ) -> Result<()> {
        if !self.outside.roots.is_empty() {
            self.verifier(&provider, Vec::new())
                .context("tls.client_authorities")?;
        }
        self.sides.push((clients, provider));
        Ok(())
    }

    /// Reads the lists again. One that cannot be read is left out, so that nobody of its authority is
    /// let in.
    pub(crate) fn read_lists(&mut self) {
        self.changed = self
            .outside
            .lists
            .iter()
            .map(|file| changed(file))
            .collect();
        self.lists.clear();
        for file in &self.outside.lists {
            match read(file) {
                Ok(list) => self.lists.push(list),
                Err(error) => {
                    let list = file.display().to_string();
                    tracing::error!(alarm = "certificates.list", list, "not read: {error:#}");
                }
            }
        }
    }

    /// Looks whether anything changed, and says so to the sides.
    pub(crate) async fn look(&mut self, sessions: &Sessions) -> Result<()> {
        let files: Vec<_> = self
            .outside
            .lists
            .iter()
            .map(|file| changed(file))
            .collect();
        let mut news = self.told.is_none_or(|told| told.elapsed() >= EVERY);
        if files != self.changed {
            self.read_lists();
            news = true;
        }
        if self.platform_nodes {
            let nodes = sessions.nodes().await?;
            news |= nodes != self.nodes;
            self.nodes = nodes;
        }
        if news {
            for (clients, provider) in &self.sides {
                clients.trust(Trusted {
                    outside: self.outside_of(provider),
                    nodes: self.nodes.clone(),
                });
            }
            self.told = Some(Instant::now());
        }
        Ok(())
    }

    pub(crate) async fn run(mut self, sessions: Sessions) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.look(&sessions).await {
                tracing::error!("whose certificates are taken is as it was: {error:#}");
            }
        }
    }

    /// Nobody where no list can be used though there are to be some.
    fn outside_of(&self, provider: &Arc<CryptoProvider>) -> Option<Arc<dyn ClientCertVerifier>> {
        if self.outside.roots.is_empty() {
            return None;
        }
        let usable = |list: &&CertificateRevocationListDer<'static>| {
            self.verifier(provider, vec![(*list).clone()]).is_ok()
        };
        let lists: Vec<_> = self.lists.iter().filter(usable).cloned().collect();
        if lists.is_empty() && !self.outside.lists.is_empty() {
            return None;
        }
        self.verifier(provider, lists).ok()
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Arc<dyn ClientCertVerifier>> {
        let roots = Arc::clone(&self.outside.roots);
        let built = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .with_crls(lists)
            .enforce_revocation_expiration()
            .build()?;
        Ok(built)
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|about| about.modified()).ok()
}

fn read(file: &Path) -> Result<CertificateRevocationListDer<'static>> {
    /// Most bytes of a list.
    const MOST: u64 = 8 << 20;
    if file.metadata()?.len() > MOST {
        bail!("longer than {MOST} bytes");
    }
    let bytes = std::fs::read(file)?;
    if bytes.starts_with(b"-----BEGIN") {
        return CertificateRevocationListDer::from_pem_slice(&bytes).context("not a list in PEM");
    }
    Ok(bytes.into())
}
