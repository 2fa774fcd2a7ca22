//! A plugin: what it may do, what it declares, what its pages show when nothing is stored.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use sdk_build::component::Surface;
use sdk_contract::call::{Ask, CallContext, Caller};
use sdk_contract::def::{ModuleDef, PermissionDef};
use sdk_contract::error::FaultKind;
use sdk_contract::manifest::{Capabilities, Manifest};
use sdk_contract::{page, validate};

use super::Report;
use crate::build::lock;
use crate::project::Project;
use crate::sandbox::Sandbox;

const IMPORTS: &str = "rongqiao:plugin/";
/// 2026-11-23 10:00 in Beijing, the day of the mock host's scenarios.
const NOW: i64 = 1_795_399_200_000_000;
/// A party that nothing is known of.
const NOBODY: &str = "01930000-0000-7000-8000-0000000fffff";

pub(super) fn check(
    project: &Project,
    surface: &Surface,
    sandbox: &Sandbox,
    report: &mut Report,
) -> Result<()> {
    let manifest = manifest(project)?;
    if let Err(fault) = manifest.check() {
        report.fault(format!("plugin.toml: {fault}"));
    }
    capabilities(surface, &manifest.capabilities, report);
    let described = match sandbox.module() {
        Ok(described) => described,
        Err(error) => {
            report.fault(format!("describe(): {error:#}"));
            return Ok(());
        }
    };
    let def = &described.def;
    declaration(project, &manifest, def, report)?;
    report.say(
        "describe",
        format!("twice the same, {} fuel", described.fuel),
    );
    pages(sandbox, def, report);
    Ok(())
}

fn manifest(project: &Project) -> Result<Manifest> {
    let path = project.guest.dir.join("plugin.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}

/// Imports, and what `plugin.toml` asks for. A component that the SDK made imports every interface
/// it could use; what is not asked for is refused when it is called.
fn capabilities(surface: &Surface, asked: &Capabilities, report: &mut Report) {
    let mut names = BTreeSet::new();
    for import in &surface.imports {
        match import.strip_prefix(IMPORTS) {
            Some(name) => {
                names.insert(name.split('@').next().unwrap_or(name));
            }
            None => report.fault(format!("imports {import}; only {IMPORTS}… is offered")),
        }
    }
    for (name, granted, line) in [
        ("models", asked.models, "models = true"),
        ("crypto", asked.digest, "digest = true"),
    ] {
        let line = format!("[capabilities] {line}");
        match (names.contains(name), granted) {
            (true, true) => report.say("imports", format!("{name}: asked for, {line}")),
            (true, false) => report.say("imports", format!("{name}: refused when called; {line}")),
            (false, true) => report.fault(format!("plugin.toml: {line}, but nothing imports it")),
            (false, false) => {}
        }
        names.remove(name);
    }
    names.remove("types");
    for name in names {
        report.say("imports", format!("{name}: needs no grant"));
    }
    for collection in &asked.read {
        report.say("reads", format!("{collection}, as the caller"));
    }
    if asked.notices {
        report.say("tells", "people, by notices".to_owned());
    }
}

fn declaration(
    project: &Project,
    manifest: &Manifest,
    def: &ModuleDef,
    report: &mut Report,
) -> Result<()> {
    report.say(
        "declares",
        format!(
            "{} collections, {} actions, {} pages, {} events, {} schedules, {} permissions",
            def.collections.len(),
            def.actions.len(),
            def.pages.len(),
            def.events.len(),
            def.schedules.len(),
            def.permissions.len()
        ),
    );
    for fault in validate::faults(def) {
        report.fault(format!("declaration: {fault}"));
    }
    if def.id != manifest.id || manifest.id != project.guest.name {
        report.fault(format!(
            "plugin.toml is of {}, the declaration of {}, the crate of {}",
            manifest.id, def.id, project.guest.name
        ));
    }
    let subscribed = &manifest.capabilities.events.subscribe;
    for event in def.on.iter().filter(|event| !subscribed.contains(*event)) {
        report.fault(format!(
            "hears {event}; add to plugin.toml: [capabilities.events] subscribe = [\"{event}\"]"
        ));
    }
    for event in subscribed.iter().filter(|event| !def.on.contains(event)) {
        report.fault(format!(
            "plugin.toml subscribes to {event}, which nothing hears"
        ));
    }
    let frozen = fs::read_to_string(project.guest.dir.join("schema.lock.json")).ok();
    if frozen.as_deref() == Some(&lock(def)?) {
        report.say("lock", "schema.lock.json is this declaration");
    } else {
        report.fault("schema.lock.json is not this declaration: rongqiao-plugin build, and review");
    }
    Ok(())
}

/// Draws every page that needs no record, and every block of the home page, for every role that
/// may see it.
fn pages(sandbox: &Sandbox, def: &ModuleDef, report: &mut Report) {
    let pages = def.pages.iter().map(|page| {
        let ask = Ask {
            path: page.path.clone(),
            ..Ask::default()
        };
        (page.path.clone(), ask, page.permission.as_str())
    });
    let blocks = def.blocks.iter().map(|block| {
        let ask = Ask {
            block: Some(block.id.clone()),
            ..Ask::default()
        };
        (
            format!("block {}", block.id),
            ask,
            block.permission.as_str(),
        )
    });
    for (name, ask, permission) in pages.chain(blocks) {
        if ask.path.contains('{') {
            report.say(
                "pages",
                format!("{name}: needs a record; a scenario draws it"),
            );
            continue;
        }
        let Some(permission) = def.permission(permission) else {
            continue;
        };
        let mut drawn = Vec::new();
        for context in callers(permission) {
            let who = context.caller.roles.first().cloned().unwrap_or_default();
            match sandbox.page(&context, &ask) {
                Ok(Ok(page)) => match page::check(&page) {
                    Ok(()) => drawn.push(who),
                    Err(fault) => report.fault(format!("{name} for {who}: {fault}")),
                },
                Ok(Err(fault)) if fault.kind == FaultKind::Internal => {
                    report.fault(format!("{name} for {who}: {fault}"));
                }
                Ok(Err(fault)) => drawn.push(format!("{who} (refused: {fault})")),
                Err(error) => report.fault(format!("{name} for {who}: {error:#}")),
            }
        }
        if !drawn.is_empty() {
            let who = drawn.join(", ");
            report.say("pages", format!("{name}: with nothing stored, for {who}"));
        }
    }
}

/// One caller for each role that a permission is granted to.
fn callers(permission: &PermissionDef) -> impl Iterator<Item = CallContext> {
    permission.grants.iter().map(|grant| {
        let known = grant.role != "anyone";
        let party = known.then(|| NOBODY.to_owned());
        CallContext {
            now: NOW,
            seed: "0".repeat(64),
            locale: "zh".into(),
            request: "check".into(),
            caller: Caller {
                user: party.clone(),
                name: "检查".into(),
                roles: vec![grant.role.clone()],
                subject: party.clone(),
                organisation: party,
                organisation_name: "检查".into(),
                district: None,
            },
        }
    })
}
