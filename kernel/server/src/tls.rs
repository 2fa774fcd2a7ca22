//! TLS as configured: which certificates are shown, and which clients must show one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use kernel_api::Tls;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use serde::Deserialize;

/// `[tls]` of the configuration; `host-config/reference.toml` says what each key does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsConfig {
    certificate: PathBuf,
    key: PathBuf,
    national_certificate: PathBuf,
    national_key: PathBuf,
    client_authorities: PathBuf,
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

    /// How to serve; none when no certificate is configured.
    pub(crate) fn load(&self) -> Result<Option<Tls>> {
        if self.client_certificate != ClientCertificate::None && !self.is_on() {
            bail!("tls.client_certificate needs a certificate to serve with");
        }
        let international = self.side(
            &self.certificate,
            &self.key,
            ring::default_provider(),
            &[&version::TLS13, &version::TLS12],
        );
        let national = self.side(
            &self.national_certificate,
            &self.national_key,
            kernel_crypto::tls::provider(),
            &[&version::TLS13],
        );
        let tls = Tls {
            international: international.context("tls.certificate")?,
            national: national.context("tls.national_certificate")?,
        };
        Ok(self.is_on().then_some(tls))
    }

    fn side(
        &self,
        certificate: &Path,
        key: &Path,
        provider: CryptoProvider,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Result<Option<Arc<ServerConfig>>> {
        if is_empty(certificate) {
            return Ok(None);
        }
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)?;
        let builder = match self.client_certificate {
            ClientCertificate::None => builder.with_no_client_auth(),
            asked => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(self.authorities()?, provider);
                let verifier = match asked {
                    ClientCertificate::Required => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().context("tls.client_authorities")?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("{} holds no private key in PEM", key.display()))?;
        let mut config = builder.with_single_cert(certificates(certificate)?, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(Arc::new(config)))
    }

    fn authorities(&self) -> Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.client_authorities)? {
            roots.add(authority).context("tls.client_authorities")?;
        }
        Ok(Arc::new(roots))
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
