//! Invariant 2: a new plugin touches its own folder and nothing else, and passes its own scenario.
//!
//! The checkout is copied to a folder of the target directory that stays, and only what differs is
//! written, so that a second run compiles nothing but what changed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NAME: &str = "scaffolded-here";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(arguments);
    String::from_utf8(output(&mut command).stdout).unwrap()
}

fn tool(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rongqiao-plugin"));
    command.current_dir(folder).args(arguments);
    command
}

/// Files below a folder, by their path from it; git's own and build output are none.
fn files(folder: &Path) -> BTreeSet<String> {
    let list = git(
        folder,
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
    );
    list.split('\0')
        .filter(|path| !path.is_empty() && folder.join(path).is_file())
        .map(str::to_owned)
        .collect()
}

/// A copy of the checkout with everything committed.
fn copy() -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold");
    fs::create_dir_all(&to).unwrap();
    // What an earlier run committed there does not matter.
    let _ = fs::remove_dir_all(to.join(".git"));
    git(&to, &["init", "-q"]);
    let wanted = files(&root());
    for stray in files(&to).difference(&wanted) {
        fs::remove_file(to.join(stray)).unwrap();
    }
    for path in &wanted {
        let (from, to) = (root().join(path), to.join(path));
        let text = fs::read(&from).unwrap();
        if fs::read(&to).ok().as_ref() != Some(&text) {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(&to, text).unwrap();
        }
    }
    let _ = fs::remove_dir_all(to.join("plugins").join(NAME));
    git(&to, &["add", "-A"]);
    git(&to, &["commit", "-q", "-m", "before"]);
    to
}

/// What git says is not as committed.
fn changed(checkout: &Path) -> BTreeSet<String> {
    let status = git(
        checkout,
        &["status", "--porcelain", "--untracked-files=all"],
    );
    status
        .lines()
        .filter_map(|line| line.get(3..))
        .map(str::to_owned)
        .collect()
}

/// Names of the packages in a lock file, with the rest of each entry.
fn locked(checkout: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(checkout.join("Cargo.lock")).unwrap();
    text.split("[[package]]")
        .map(|entry| entry.trim().to_owned())
        .collect()
}

#[test]
fn a_new_plugin_touches_its_own_folder_and_passes_its_scenario() {
    let checkout = copy();
    let before = locked(&checkout);
    output(&mut tool(&checkout, &["new", NAME]));
    let own = format!("plugins/{NAME}/");
    let touched = changed(&checkout);
    assert!(touched.contains(&format!("{own}src/lib.rs")), "{touched:?}");
    assert!(
        touched.iter().all(|path| path.starts_with(&own)),
        "{touched:?}"
    );

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut test = tool(&checkout, &["test", &own, "--", "--offline"]);
    output(test.env("CARGO_TARGET_DIR", target));

    // Compiling it, cargo enters the crate into its lock file: that one entry, and no other.
    let outside: BTreeSet<String> = changed(&checkout)
        .into_iter()
        .filter(|path| !path.starts_with(&own))
        .collect();
    assert_eq!(outside, BTreeSet::from(["Cargo.lock".to_owned()]));
    let entries: Vec<String> = locked(&checkout).difference(&before).cloned().collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(
        entries[0].contains(&format!("name = \"plugin-{NAME}\"")),
        "{entries:?}"
    );
}

#[test]
fn what_cannot_be_begun_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let checkout = root();
    let checkout = checkout.to_str().unwrap();
    fs::create_dir(folder.path().join("there")).unwrap();
    for (name, says) in [
        ("Tea", "is no name"),
        ("../tea", "is no name"),
        ("console", "is taken"),
        ("there", "is there already"),
    ] {
        let refused = tool(folder.path(), &["new", name, "--checkout", checkout]).output();
        let refused = refused.unwrap();
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && told.contains(says),
            "{name}: {told}"
        );
    }
    let nowhere = tool(folder.path(), &["new", "tea"]).output().unwrap();
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--checkout"));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_crate_that_stands_alone_resolves_to_the_checkouts_versions() {
    let folder = tempfile::tempdir().unwrap();
    let checkout = fs::canonicalize(root()).unwrap();
    let checkout = checkout.to_str().unwrap();
    for (name, more) in [("tea", None), ("card", Some("--model"))] {
        let mut command = tool(folder.path(), &["new", name, "--checkout", checkout]);
        output(command.args(more));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut metadata = Command::new(cargo);
        metadata.current_dir(folder.path().join(name)).args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
        ]);
        output(&mut metadata);
        let versions = |text: String| -> BTreeSet<String> {
            text.split("[[package]]")
                .filter(|entry| entry.contains("source = "))
                .map(|entry| entry.lines().take(3).collect())
                .collect()
        };
        let own = fs::read_to_string(folder.path().join(name).join("Cargo.lock")).unwrap();
        let all = fs::read_to_string(root().join("Cargo.lock")).unwrap();
        assert!(versions(own).is_subset(&versions(all)), "{name}");
    }
}
