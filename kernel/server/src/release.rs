//! What a release is made of, and whether what is about to serve is it.
//!
//! The publisher lists the SM3 of the program and of what runs of each plugin, and signs the list by SM2
//! with tools of its own: the private key comes near no server. A server that is told of a list serves
//! what is on it and nothing else (GB/T 22239-2019, 8.1.4.6; GB/T 39786-2021, 8.3 f).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use kernel_crypto::sm2::VerifyingKey;
use kernel_crypto::sm3::{Digest32, Hasher};
use serde::Deserialize;

/// `[release]` of the configuration; `host-config/reference.toml` says what each key does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReleaseConfig {
    list: PathBuf,
    signature: PathBuf,
    key: PathBuf,
}

/// The program as it runs, whatever lies at its path by now.
const PROGRAM: &str = "/proc/self/exe";
/// What of a plugin decides what it does.
const PARTS: [&str; 2] = ["component.wasm", "plugin.toml"];

/// Digests by name: `rongqiao`, `plugins/<name>/component.wasm`.
type Files = BTreeMap<String, Digest32>;

/// The list of what is here, a line each: the SM3 in hexadecimal, two spaces, the name.
pub(crate) fn list(plugins: &Path) -> Result<String> {
    let files = here(plugins)?;
    let lines = files.iter().map(|(name, sm3)| format!("{sm3}  {name}\n"));
    Ok(lines.collect())
}

impl ReleaseConfig {
    pub(crate) fn is_on(&self) -> bool {
        !self.list.as_os_str().is_empty()
    }

    /// Refuses what the publisher has not signed, naming each file; nothing is asked for where no list is
    /// configured.
    pub(crate) fn check(&self, plugins: &Path) -> Result<()> {
        let Some(signed) = self.signed()? else {
            return Ok(());
        };
        let here = here(plugins)?;
        let changed = here
            .iter()
            .filter_map(|(name, sm3)| match signed.get(name) {
                None => Some(format!("{name} is not on it")),
                Some(signed) if signed != sm3 => Some(format!("{name} is another")),
                Some(_) => None,
            });
        let gone = signed.keys().filter(|name| !here.contains_key(*name));
        let wrong: Vec<String> = changed
            .chain(gone.map(|name| format!("{name} is not here")))
            .collect();
        ensure!(
            wrong.is_empty(),
            "this is not the release that {} lists: {}",
            self.list.display(),
            wrong.join("; ")
        );
        Ok(())
    }

    /// What the publisher signed; none where no list is configured.
    pub(crate) fn signed(&self) -> Result<Option<Files>> {
        if !self.is_on() {
            return Ok(None);
        }
        let text = read(&self.list)?;
        let signature = read(&self.signature)?;
        let key = String::from_utf8(read(&self.key)?).context("release.key")?;
        let key = VerifyingKey::from_pem(&key).context("release.key")?;
        ensure!(
            key.verify(&text, &signature),
            "{} is not signed by the key in {}",
            self.list.display(),
            self.key.display()
        );
        let text = String::from_utf8(text).context("release.list")?;
        text.lines().map(line).collect::<Result<_>>().map(Some)
    }
}

fn line(line: &str) -> Result<(String, Digest32)> {
    let Some((sm3, name)) = line.split_once("  ") else {
        bail!("release.list: {line:?} is no digest and name");
    };
    let sm3 = sm3
        .parse()
        .with_context(|| format!("release.list: {name}"))?;
    Ok((name.to_owned(), sm3))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn here(plugins: &Path) -> Result<Files> {
    let mut files = Files::from([("rongqiao".to_owned(), digest(Path::new(PROGRAM))?)]);
    let failed = || format!("{} cannot be read", plugins.display());
    for entry in std::fs::read_dir(plugins).with_context(failed)? {
        let folder = entry.with_context(failed)?.path();
        let Some(name) = folder.file_name() else {
            continue;
        };
        for part in PARTS.iter().filter(|part| folder.join(part).exists()) {
            let name = format!("plugins/{}/{part}", name.to_string_lossy());
            files.insert(name, digest(&folder.join(part))?);
        }
    }
    Ok(files)
}

fn digest(file: &Path) -> Result<Digest32> {
    let failed = || format!("{} cannot be read", file.display());
    let mut from = File::open(file).with_context(failed)?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 20]);
    loop {
        match from.read(&mut buffer).with_context(failed)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}
