//! `plugin.toml`: what must be known of a plugin before any of its code runs. Reading the file is
//! not here: this crate does no input.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

/// The major and minor of the WIT package this kernel speaks.
pub const API: &str = "0.1";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub id: String,
    pub version: String,
    pub api: String,
    pub kind: PluginKind,
    pub name: Name,
    #[serde(default)]
    pub capabilities: Capabilities,
    #[serde(default)]
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    Module,
    /// Switched on and off for districts.
    Edition,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub zh: String,
    pub en: String,
}

/// What a plugin asks for. Each effect is checked against this before it happens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Collections of other plugins it reads, `<plugin>.<collection>`.
    pub read: BTreeSet<String>,
    /// Scoring with banks' models.
    pub models: bool,
    /// SM3 digests.
    pub digest: bool,
    /// Notices to people.
    pub notices: bool,
    pub events: Events,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    pub subscribe: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub memory_mb: u32,
    pub deadline_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: MAX_MEMORY_MB,
            deadline_ms: MAX_DEADLINE_MS,
        }
    }
}

/// The largest component that is looked at.
pub const MAX_COMPONENT_BYTES: usize = 24 * 1024 * 1024;
pub const MAX_MEMORY_MB: u32 = 64;
pub const MAX_DEADLINE_MS: u32 = 5_000;

impl Manifest {
    /// What its shape does not say; the first rule that is broken, in words for its author.
    pub fn check(&self) -> Result<(), String> {
        if !is_slug(&self.id) {
            return Err(format!("id = \"{}\" is not a slug (a-z, 0-9, -)", self.id));
        }
        if self.api != API {
            return Err(format!(
                "api = \"{}\", but this kernel speaks \"{API}\"",
                self.api
            ));
        }
        if self.limits.memory_mb == 0 || self.limits.memory_mb > MAX_MEMORY_MB {
            return Err(format!("limits.memory_mb must be 1 to {MAX_MEMORY_MB}"));
        }
        if self.limits.deadline_ms == 0 || self.limits.deadline_ms > MAX_DEADLINE_MS {
            return Err(format!("limits.deadline_ms must be 1 to {MAX_DEADLINE_MS}"));
        }
        match self
            .capabilities
            .read
            .iter()
            .find(|name| name.split_once('.').is_none())
        {
            Some(name) => Err(format!(
                "capabilities.read: \"{name}\" is not <plugin>.<collection>"
            )),
            None => Ok(()),
        }
    }
}

/// Lower-case letters, digits and inner hyphens.
pub fn is_slug(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 40
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && !s.ends_with('-')
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = "lending"
        version = "0.1.0"
        api = "0.1"
        kind = "module"
        name = { zh = "信贷", en = "Lending" }
        [capabilities]
        read = ["market.products"]
    "#;

    fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|e| e.to_string())?;
        manifest.check().map(|()| manifest)
    }

    #[test]
    fn a_good_manifest_is_read() {
        let m = parse(GOOD).unwrap();
        assert!(m.capabilities.read.contains("market.products"));
        assert_eq!(m.limits, Limits::default());
    }

    #[test]
    fn bad_manifests_say_which_line_is_wrong() {
        for (from, to, says) in [
            ("id = \"lending\"", "id = \"Lending\"", "not a slug"),
            ("api = \"0.1\"", "api = \"2\"", "this kernel speaks"),
            ("market.products", "products", "<plugin>.<collection>"),
            (
                "[capabilities]",
                "[limits]\nmemory_mb = 900\n[capabilities]",
                "memory_mb must be",
            ),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let unknown = parse(&format!("{GOOD}\nhttp = [\"*\"]")).unwrap_err();
        assert!(unknown.contains("unknown field"), "{unknown}");
    }
}
