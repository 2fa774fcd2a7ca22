//! cargo on the guest target, in a child process. Its compiler, linker and flags are set there
//! alone: a default target or a global `RUSTC` would leak into the native build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::guests::Guest;
use crate::place::Place;

const TARGET: &str = "wasm32-unknown-unknown";

/// Bytes of stack in a guest. Untouched pages cost nothing, but a runaway recursion should trap
/// early; JSON nested to its parser's limit still fits.
const STACK: u32 = 256 * 1024;

/// Bytes of memory a guest starts with: a call that needs no more asks the host for none, which
/// would cost two changes of the memory map. Untouched pages cost nothing here either.
const MEMORY: u32 = 2 * 1024 * 1024;

/// Compiles `guests`, all of one workspace, with one cargo run. The core modules, by package.
pub(crate) fn modules(place: &Place, guests: &[&Guest]) -> Result<BTreeMap<String, PathBuf>> {
    let workspace = guests
        .first()
        .map(|guest| guest.workspace.as_path())
        .context("no guest to build")?;
    ensure!(
        guests.iter().all(|guest| guest.workspace == workspace),
        "guests of several workspaces in one build"
    );
    let mut cargo =
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo
        .current_dir(workspace)
        .args(["build", "--profile", "guest", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env("CARGO_TARGET_DIR", place.guest_target())
        .env("RUSTFLAGS", flags([workspace, place.root()]))
        .envs(toolchain(place)?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    for guest in guests {
        cargo.args(["-p", &guest.package]);
    }
    let output = cargo.output().context("cargo does not start")?;
    ensure!(output.status.success(), "the guests do not compile");
    let mut found = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((library, module)) = artifact(line) else {
            continue;
        };
        let package = guests
            .iter()
            .find(|guest| guest.package.replace('-', "_") == library);
        if let Some(guest) = package {
            found.insert(guest.package.clone(), module);
        }
    }
    Ok(found)
}

/// The library's name and its wasm file, if this line of cargo's report is about one.
fn artifact(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let file = message
        .get("filenames")?
        .as_array()?
        .iter()
        .filter_map(serde_json::Value::as_str)
        .find(|file| {
            Path::new(file)
                .extension()
                .is_some_and(|extension| extension == "wasm")
        })?;
    Some((
        message.get("target")?.get("name")?.as_str()?.to_owned(),
        PathBuf::from(file),
    ))
}

/// Flags of the guest build. Folder names of this machine are cut out of panic messages, so that
/// the same source gives the same component anywhere.
fn flags(roots: [&Path; 2]) -> String {
    let mut flags = vec![
        format!("-Clink-arg=-zstack-size={STACK}"),
        format!("-Clink-arg=--initial-memory={MEMORY}"),
    ];
    let [workspace, checkout] = roots;
    if workspace != checkout {
        flags.push(format!("--remap-path-prefix={}=guest", workspace.display()));
    }
    flags.push(format!(
        "--remap-path-prefix={}=rongqiao",
        checkout.display()
    ));
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    if let Some(home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags.join(" ")
}

/// The compiler for guests: rustup's (nothing to set), or the private one that the script made.
fn toolchain(place: &Place) -> Result<BTreeMap<String, String>> {
    let script = place.root().join("sdk/build/guest-toolchain.sh");
    let status = Command::new("bash")
        .arg(&script)
        .arg(place.cache())
        .stdin(Stdio::null())
        .status();
    let status = status.context("bash does not start")?;
    ensure!(
        status.success(),
        "no compiler for guests: see what guest-toolchain said above"
    );
    let file = place.cache().join("guest-std/env");
    let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    Ok(variables(&text))
}

/// `KEY=value` lines.
fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasm_artifacts_of_the_report_count() {
        let library = r#"{"reason":"compiler-artifact","target":{"name":"plugin_tea"},
            "filenames":["/t/libplugin_tea.rlib","/t/plugin_tea.wasm"]}"#;
        assert_eq!(
            artifact(library),
            Some(("plugin_tea".into(), PathBuf::from("/t/plugin_tea.wasm")))
        );
        let native = r#"{"reason":"compiler-artifact","target":{"name":"syn"},"filenames":["/t/libsyn.rlib"]}"#;
        assert_eq!(artifact(native), None);
        assert_eq!(
            artifact(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(artifact("not json"), None);
    }

    #[test]
    fn the_environment_file_is_read_line_by_line() {
        let read = variables("RUSTC=/a/rustc\nLINKER=/b=c\n");
        assert_eq!(read.get("RUSTC").map(String::as_str), Some("/a/rustc"));
        assert_eq!(read.get("LINKER").map(String::as_str), Some("/b=c"));
        assert!(variables("").is_empty());
    }
}
