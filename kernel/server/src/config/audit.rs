//! Where the evidence goes: checkpoints into a folder, records to a collector.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use kernel_host::Unusual;
use kernel_storage::CheckpointFolder;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};
use serde::Deserialize;

use crate::forward::{Address, Collector, Sender};
use crate::tls;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditConfig {
    /// Folder that every checkpoint is written to, best on another host; empty is none.
    checkpoint_folder: PathBuf,
    pub(crate) unusual: Unusual,
    forward: ForwardConfig,
}

/// Who is handed every record.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ForwardConfig {
    /// `tls://HOST[:PORT]`, or `tcp://` of this machine; empty is nobody.
    collector: String,
    /// PEM files of what is shown to it; empty is nothing.
    certificate: PathBuf,
    key: PathBuf,
    structured_data: String,
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self {
            collector: String::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            structured_data: "audit@32473".into(),
        }
    }
}

impl AuditConfig {
    pub(crate) fn checkpoint_folder(&self) -> Option<CheckpointFolder> {
        let folder = &self.checkpoint_folder;
        (!folder.as_os_str().is_empty()).then(|| CheckpointFolder::new(folder))
    }

    /// The address of the collector, as the store knows it.
    pub(crate) fn collector_address(&self) -> Result<Option<Address>> {
        let given = self.forward.collector.as_str();
        if given.is_empty() {
            return Ok(None);
        }
        Address::parse(given)
            .map(Some)
            .context("audit.forward.collector")
    }

    /// The collector, trusting `authorities` if it is reached by TLS, and what it is told of us.
    pub(super) fn forward(
        &self,
        node: &str,
        authorities: impl FnOnce() -> Result<Vec<CertificateDer<'static>>>,
    ) -> Result<Option<(Collector, Sender)>> {
        let Some(address) = self.collector_address()? else {
            return Ok(None);
        };
        let data = &self.forward.structured_data;
        ensure!(
            is_data_name(data),
            "audit.forward.structured_data is no name@number of at most 32 characters"
        );
        let tls = address.is_tls().then(|| self.forward.tls(&authorities()?));
        let collector = Collector::new(address, tls.transpose()?);
        let collector = collector.context("audit.forward.collector")?;
        Ok(Some((collector, Sender::new(node, data))))
    }
}

impl ForwardConfig {
    fn tls(&self, authorities: &[CertificateDer<'static>]) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots
                .add(authority.clone())
                .context("outgoing.authorities")?;
        }
        let builder = ClientConfig::builder_with_provider(tls::international())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_root_certificates(Arc::new(roots));
        if self.certificate.as_os_str().is_empty() {
            return Ok(builder.with_no_client_auth());
        }
        let chain = tls::certificates(&self.certificate).context("audit.forward.certificate")?;
        let key = private_key(&self.key).context("audit.forward.key")?;
        let shown = builder.with_client_auth_cert(chain, key);
        shown.context("audit.forward.certificate")
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file)
        .with_context(|| format!("{} holds no private key in PEM", file.display()))
}

/// An SD-ID of one's own (RFC 5424, 6.3.2).
fn is_data_name(text: &str) -> bool {
    let part = |c: char| c.is_ascii_graphic() && !"=]\"@".contains(c);
    text.len() <= 32
        && text.split_once('@').is_some_and(|(name, number)| {
            let digits = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
            !name.is_empty() && name.chars().all(part) && digits(number)
        })
}
