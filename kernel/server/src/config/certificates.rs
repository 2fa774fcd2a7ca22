//! Authorities outside whose certificates people may register.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kernel_crypto::ca::outside::Authorities;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;

use crate::lists::Lists;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CertificateConfig {
    /// PEM files of the certificates that are trusted; empty is nobody's.
    trusted: Vec<PathBuf>,
    /// PEM files of certificates between those and people's.
    between: Vec<PathBuf>,
    /// Files and addresses of the lists of what these authorities took back.
    lists: Vec<String>,
}

impl CertificateConfig {
    pub(super) fn outside(&self) -> Result<Authorities> {
        let mut all = Authorities::default();
        for file in &self.trusted {
            let pem = read(file).context("certificates.trusted")?;
            let trusted = all.trust(&pem);
            trusted.with_context(|| format!("certificates.trusted: {}", file.display()))?;
        }
        for file in &self.between {
            let pem = read(file).context("certificates.between")?;
            let known = all.know(&pem);
            known.with_context(|| format!("certificates.between: {}", file.display()))?;
        }
        // What is under them would be believed by nobody, or never be asked about.
        ensure!(
            self.trusted.is_empty() == self.lists.is_empty(),
            "certificates.trusted and certificates.lists need each other"
        );
        Ok(all)
    }

    /// The files that say whom it believes.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.trusted.iter().chain(&self.between)
    }

    /// Where the lists are, if there are any, trusting `authorities` for TLS.
    pub(super) fn lists(
        &self,
        authorities: impl FnOnce() -> Result<Vec<CertificateDer<'static>>>,
    ) -> Result<Option<Lists>> {
        Lists::at(&self.lists, authorities).context("certificates.lists")
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}
