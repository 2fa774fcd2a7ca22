//! TLS as configured: which certificates are shown, and which clients must show one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use kernel_api::{Clients, Side, Tls};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, version};
use serde::Deserialize;

use crate::clients::{Outside, Watch};

/// `[tls]` of the configuration; `host-config/reference.toml` says what each key does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsConfig {
    certificate: PathBuf,
    key: PathBuf,
    national_certificate: PathBuf,
    national_key: PathBuf,
    client_authorities: PathBuf,
    client_lists: Vec<PathBuf>,
    platform_nodes: bool,
    client_certificate: ClientCertificate,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ClientCertificate {
    #[default]
    None,
    Optional,
    Required,
}

impl TlsConfig {
    pub(crate) fn is_on(&self) -> bool {
        !is_empty(&self.certificate) || !is_empty(&self.national_certificate)
    }

    /// How to serve, and who looks after whose certificates are taken; none when no certificate is
    /// configured.
    pub(crate) fn load(&self) -> Result<Option<(Tls, Option<Watch>)>> {
        let asked = self.client_certificate != ClientCertificate::None;
        let nobody = is_empty(&self.client_authorities) && !self.platform_nodes;
        if asked && !self.is_on() {
            bail!("tls.client_certificate needs a certificate to serve with");
        }
        if asked && nobody {
            bail!("tls.client_certificate needs tls.client_authorities or tls.platform_nodes");
        }
        if !self.is_on() {
            return Ok(None);
        }
        let outside = Outside {
            roots: Arc::new(self.authorities()?),
            lists: self.client_lists.clone(),
        };
        let mut watch = Watch::new(outside, self.platform_nodes);
        let international = self.side(
            (&self.certificate, &self.key),
            (international(), &[&version::TLS13, &version::TLS12]),
            &mut watch,
        );
        let national = self.side(
            (&self.national_certificate, &self.national_key),
            (Arc::new(kernel_crypto::tls::provider()), &[&version::TLS13]),
            &mut watch,
        );
        let tls = Tls {
            international: international.context("tls.certificate")?,
            national: national.context("tls.national_certificate")?,
        };
        watch.read_lists();
        Ok(Some((tls, asked.then_some(watch))))
    }

    fn side(
        &self,
        (certificate, key): (&Path, &Path),
        (provider, versions): (
            Arc<CryptoProvider>,
            &[&'static rustls::SupportedProtocolVersion],
        ),
        watch: &mut Watch,
    ) -> Result<Option<Side>> {
        if is_empty(certificate) {
            return Ok(None);
        }
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)?;
        let clients = match self.client_certificate {
            ClientCertificate::None => None,
            asked => {
                let mandatory = asked == ClientCertificate::Required;
                let clients = Arc::new(Clients::new(Arc::clone(&provider), mandatory));
                watch.side(Arc::clone(&clients), provider)?;
                Some(clients)
            }
        };
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients) as _),
        };
        let key = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("{} holds no private key in PEM", key.display()))?;
        let mut config = builder.with_single_cert(certificates(certificate)?, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        Ok(Some(Side { config, clients }))
    }

    fn authorities(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if !is_empty(&self.client_authorities) {
            for authority in certificates(&self.client_authorities)? {
                roots.add(authority).context("tls.client_authorities")?;
            }
        }
        Ok(roots)
    }
}

/// Cryptography of connections under the international suites.
pub(crate) fn international() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .with_context(|| format!("{} holds no certificate in PEM", file.display()))?;
    if chain.is_empty() {
        bail!("{} holds no certificate in PEM", file.display());
    }
    Ok(chain)
}
