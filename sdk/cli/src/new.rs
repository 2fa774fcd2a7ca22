//! Begins a plugin of the canonical layout, or a scorecard model, that passes its own tests.
//!
//! Inside a checkout a plugin is one folder under `plugins/` and nothing else changes: the
//! workspace takes it in by its glob. Elsewhere, and for every model, the crate stands alone and
//! names the checkout's SDK by its path; it begins with the checkout's versions of everything.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sdk_build::place::Place;
use sdk_build::readme;
use sdk_contract::def::ModuleDef;
use sdk_contract::manifest::is_slug;

/// A template by the path it gets. Where it names `{{id}}` and the like, those are filled in.
type Template = (&'static str, &'static str);

macro_rules! template {
    ($to:literal, $from:literal) => {
        ($to, include_str!(concat!("../../templates/", $from)))
    };
}

const PLUGIN: &[Template] = &[
    template!("plugin.toml", "plugin/plugin.toml.in"),
    template!("README.md", "plugin/README.md.in"),
    template!("schema.lock.json", "plugin/schema.lock.json.in"),
    template!("src/lib.rs", "plugin/src/lib.rs"),
    template!("src/model.rs", "plugin/src/model.rs"),
    template!("src/rules.rs", "plugin/src/rules.rs"),
    template!("src/permissions.rs", "plugin/src/permissions.rs"),
    template!("src/flows.rs", "plugin/src/flows.rs"),
    template!("src/actions.rs", "plugin/src/actions.rs"),
    template!("src/pages.rs", "plugin/src/pages.rs"),
    template!("src/events.rs", "plugin/src/events.rs"),
    template!("tests/tickets.rs", "plugin/tests/tickets.rs"),
];
const PLUGIN_IN_WORKSPACE: &[Template] = &[template!("Cargo.toml", "plugin/workspace.toml.in")];
const PLUGIN_ALONE: &[Template] = &[
    template!("Cargo.toml", "plugin/alone.toml.in"),
    template!(".gitignore", "gitignore.in"),
];
const MODEL: &[Template] = &[
    template!("Cargo.toml", "model/alone.toml.in"),
    template!(".gitignore", "gitignore.in"),
    template!("README.md", "model/README.md.in"),
    template!("model.json", "model/model.json.in"),
    template!("scorecard.json", "model/scorecard.json.in"),
    template!("src/lib.rs", "model/src/lib.rs"),
];
/// How guests are compiled, which a crate that stands alone has to say itself.
const PROFILES: &str = include_str!("../../templates/profiles.toml.in");
/// First parts of addresses, or of collections' names, that are the platform's own.
const TAKEN: &[&str] = &[
    "api", "assets", "console", "healthz", "login", "logout", "platform",
];

/// Writes the folder. Lines that say what was made and what to do next.
pub(crate) fn create(name: &str, model: bool, checkout: Option<&Path>) -> Result<Vec<String>> {
    ensure!(
        is_slug(name),
        "`{name}` is no name: lower-case letters, digits and inner hyphens, at most 40"
    );
    ensure!(
        !TAKEN.contains(&name),
        "`{name}` is taken by the platform itself"
    );
    let place = match checkout {
        Some(folder) => {
            let folder = fs::canonicalize(folder)
                .with_context(|| format!("there is no folder {}", folder.display()))?;
            Place::of(&folder)?
        }
        None => Place::find().context("say where the platform is: --checkout FOLDER")?,
    };
    let alone = model || checkout.is_some();
    let folder = if alone {
        PathBuf::from(name)
    } else {
        place.root().join("plugins").join(name)
    };
    let templates = match (model, alone) {
        (true, _) => vec![MODEL],
        (false, true) => vec![PLUGIN, PLUGIN_ALONE],
        (false, false) => vec![PLUGIN, PLUGIN_IN_WORKSPACE],
    };
    let fill = |text: &str| {
        text.replace("{{id}}", name)
            .replace("{{ident}}", &name.replace('-', "_"))
            .replace("{{checkout}}", &place.root().display().to_string())
    };
    let files = templates.into_iter().flatten();
    let mut files: Vec<(&str, String)> = files.map(|(path, text)| (*path, fill(text))).collect();
    if !model {
        with_tables(&mut files)?;
    }
    if alone {
        stand_alone(&mut files, &place)?;
    }
    write(&folder, &files)?;
    let at = folder.display();
    Ok(vec![
        format!("{at} is there and passes its own tests:"),
        format!("  rongqiao-plugin test {at}"),
        format!("  rongqiao-plugin check {at}"),
    ])
}

/// Adds the tables of the frozen declaration to the README.
fn with_tables(files: &mut [(&str, String)]) -> Result<()> {
    let lock = files.iter().find(|(path, _)| *path == "schema.lock.json");
    let (_, lock) = lock.context("the template has no schema.lock.json")?;
    let def: ModuleDef = serde_json::from_str(lock)?;
    for (_, text) in files.iter_mut().filter(|(path, _)| *path == "README.md") {
        *text = readme::with_tables(text, &def)?;
    }
    Ok(())
}

/// What a crate of the checkout has from its workspace: the guests' profile, the compiler, and the
/// versions of everything.
fn stand_alone(files: &mut Vec<(&'static str, String)>, place: &Place) -> Result<()> {
    for (_, text) in files.iter_mut().filter(|(path, _)| *path == "Cargo.toml") {
        text.push_str(PROFILES);
    }
    for name in ["rust-toolchain.toml", "Cargo.lock"] {
        let path = place.root().join(name);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        files.push((name, text));
    }
    Ok(())
}

/// Writes the folder whole or not at all. What is there already stays.
fn write(folder: &Path, files: &[(&str, String)]) -> Result<()> {
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    let name = folder.file_name().context("the folder has no name")?;
    let partial = folder.with_file_name(format!(".{}.part", name.display()));
    let fill = || -> Result<()> {
        for (path, text) in files {
            let path = partial.join(path);
            let parent = path.parent().context("a file has a folder")?;
            fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
            fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        }
        fs::rename(&partial, folder).with_context(|| format!("{}", folder.display()))
    };
    let done = fill();
    if done.is_err() {
        // Whatever stood in the way of writing may stand in the way of removing, too.
        let _ = fs::remove_dir_all(&partial);
    }
    done
}
