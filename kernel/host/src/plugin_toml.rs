//! Reading a plugin's `plugin.toml`.

use std::path::Path;

use sdk_contract::manifest::Manifest;

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("plugin.toml cannot be read")]
    Read(#[source] std::io::Error),
    #[error("plugin.toml is not valid")]
    Parse(#[source] toml::de::Error),
    #[error("plugin.toml: {0}")]
    Rule(String),
}

pub(crate) fn read(path: &Path) -> Result<Manifest, ManifestError> {
    let text = std::fs::read_to_string(path).map_err(ManifestError::Read)?;
    let manifest: Manifest = toml::from_str(&text).map_err(ManifestError::Parse)?;
    manifest.check().map_err(ManifestError::Rule)?;
    Ok(manifest)
}
