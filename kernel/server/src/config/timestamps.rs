//! Who says when signatures were there.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use kernel_crypto::timestamp::{Authorities, Imprint};
use kernel_host::outgoing::Outgoing;
use kernel_host::timestamps::Stamping;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;

use crate::lists::Lists;
use crate::tls;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StampConfig {
    /// `https://…` or `http://…`; empty is nobody.
    url: String,
    /// PEM file of the certificates that its own are under.
    certificates: PathBuf,
    digest: Digest,
    /// Files and addresses of the lists of what those took back; empty is that nobody asks.
    lists: Vec<String>,
}

/// What the authority is told of a signature.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Digest {
    #[default]
    Sm3,
    Sha256,
}

impl StampConfig {
    /// The authority, trusting `authorities` for its TLS if it has any.
    pub(super) fn stamping(
        &self,
        authorities: impl FnOnce() -> Result<Vec<CertificateDer<'static>>>,
    ) -> Result<Option<Stamping>> {
        if self.url.is_empty() {
            ensure!(
                self.lists.is_empty(),
                "timestamps.lists needs timestamps.url"
            );
            return Ok(None);
        }
        let secure = self.url.starts_with("https://");
        // What is stamped is a digest, and what comes back is signed: plain HTTP gives nothing away.
        ensure!(
            secure || self.url.starts_with("http://"),
            "timestamps.url is no address of https or http"
        );
        let file = &self.certificates;
        let pem = std::fs::read_to_string(file)
            .with_context(|| format!("timestamps.certificates: {} cannot be read", file.display()));
        let trusted = Authorities::from_pem(&pem?).context("timestamps.certificates")?;
        let roots = if secure { authorities()? } else { Vec::new() };
        Ok(Some(Stamping {
            url: self.url.clone(),
            trusted,
            imprint: match self.digest {
                Digest::Sm3 => Imprint::Sm3,
                Digest::Sha256 => Imprint::Sha256,
            },
            outgoing: Outgoing::new(&roots, tls::international()),
            lists: (!self.lists.is_empty()).then(Arc::default),
        }))
    }

    /// The files that say whom it believes.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.certificates)
    }

    /// Where the lists are, if there are any, trusting `authorities` for TLS.
    pub(super) fn lists(
        &self,
        authorities: impl FnOnce() -> Result<Vec<CertificateDer<'static>>>,
    ) -> Result<Option<Lists>> {
        Lists::at(&self.lists, authorities).context("timestamps.lists")
    }
}
