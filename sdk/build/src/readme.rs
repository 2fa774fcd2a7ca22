//! The tables of a plugin's README, from its frozen declaration. They stand between two markers;
//! what is outside of them is written by hand and stays.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use sdk_contract::def::{ActionDef, Area, FieldDef, ModuleDef, RowScope, Shard};
use sdk_contract::kind::Kind;

/// Begins the generated part.
pub const BEGIN: &str =
    "<!-- From schema.lock.json; `cargo xtask gen` or `rongqiao-plugin build` writes it. -->";
/// Ends the generated part.
pub const END: &str = "<!-- Until here. -->";

/// The README with its tables brought up to date; they are added at the end if there are none.
pub fn with_tables(readme: &str, def: &ModuleDef) -> Result<String> {
    let tables = format!("{BEGIN}\n\n{}\n{END}\n", tables(def));
    let Some((before, rest)) = readme.split_once(BEGIN) else {
        ensure!(
            !readme.contains(END),
            "README.md has the end marker without its beginning"
        );
        let before = readme.trim_end();
        return Ok(format!("{before}\n\n{tables}"));
    };
    let after = rest.split_once(END).map(|(_, after)| after);
    ensure!(
        after.is_some_and(|after| !after.contains(BEGIN)),
        "README.md needs one `{BEGIN}` and after it one `{END}`"
    );
    let after = after.unwrap_or_default();
    Ok(format!("{before}{}{after}", tables.trim_end()))
}

/// What a module declares, for people.
fn tables(def: &ModuleDef) -> String {
    let mut out = String::new();
    let mut table = |title: &str, heads: &[&str], rows: Vec<Vec<String>>| {
        if rows.is_empty() {
            return;
        }
        let gap = if out.is_empty() { "" } else { "\n" };
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        let rule = "|---".repeat(heads.len());
        // Writing to a String cannot fail.
        let _ = write!(out, "{gap}## {title}\n\n{}{rule}|\n", line(&heads));
        for row in rows {
            let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            out.push_str(&line(&row));
        }
    };
    table(
        "Collections",
        &["Collection", "What", "By", "Read with", "Fields"],
        collections(def),
    );
    table(
        "Actions",
        &["Action", "What", "On", "Permission", "State", "Input"],
        def.actions.iter().map(|action| act(def, action)).collect(),
    );
    table("Pages", &["Page", "What", "Menu", "Permission"], pages(def));
    table("Events", &["Event", "What"], events(def));
    let schedules = def.schedules.iter().map(|schedule| {
        vec![
            code(&schedule.name),
            schedule.label.zh.clone(),
            schedule.when.words().zh,
        ]
    });
    table(
        "Schedules",
        &["Schedule", "What", "When"],
        schedules.collect(),
    );
    table(
        "Permissions",
        &["Permission", "What", "By default"],
        permissions(def),
    );
    table(
        "Features for scoring models",
        &["Feature", "What", "Catalogue item", "Read from"],
        features(def),
    );
    out
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn collections(def: &ModuleDef) -> Vec<Vec<String>> {
    def.collections
        .iter()
        .map(|c| {
            vec![
                code(&c.name),
                c.label.zh.clone(),
                shard(c.shard).to_owned(),
                code(&c.read),
                fields(&c.fields),
            ]
        })
        .collect()
}

/// Names with their kinds; `*` marks a field that must be there.
fn fields(fields: &[FieldDef]) -> String {
    let one = |field: &FieldDef| {
        let must = if field.required { "\\*" } else { "" };
        format!("`{}`{must} {}", field.name, kind(&field.kind))
    };
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn act(def: &ModuleDef, action: &ActionDef) -> Vec<String> {
    let moves: Vec<String> = def
        .flows
        .iter()
        .filter(|flow| flow.collection == action.collection)
        .flat_map(|flow| &flow.transitions)
        .filter(|step| step.action == action.name)
        .map(|step| format!("{} → {}", step.from.join(", "), step.to))
        .collect();
    let on = if action.record { "one of" } else { "all" };
    vec![
        code(&action.name),
        action.label.zh.clone(),
        format!("{on} `{}`", action.collection),
        code(&action.permission),
        moves.join("; "),
        fields(&action.input),
    ]
}

fn pages(def: &ModuleDef) -> Vec<Vec<String>> {
    let pages = def.pages.iter().map(|page| {
        vec![
            code(&page.path),
            page.label.zh.clone(),
            area(page.area).to_owned(),
            code(&page.permission),
        ]
    });
    let blocks = def.blocks.iter().map(|block| {
        vec![
            code(&block.id),
            String::new(),
            "block of the home page".to_owned(),
            code(&block.permission),
        ]
    });
    pages.chain(blocks).collect()
}

fn events(def: &ModuleDef) -> Vec<Vec<String>> {
    let said = def
        .events
        .iter()
        .map(|event| vec![code(&event.name), event.label.zh.clone()]);
    let heard = def.on.iter().map(|event| {
        let own = event.strip_prefix(&def.id);
        let whose = if own.is_some_and(|rest| rest.starts_with('.')) {
            "heard by itself"
        } else {
            "heard from another module"
        };
        vec![code(event), whose.to_owned()]
    });
    said.chain(heard).collect()
}

fn permissions(def: &ModuleDef) -> Vec<Vec<String>> {
    def.permissions
        .iter()
        .map(|permission| {
            let grants: Vec<String> = permission
                .grants
                .iter()
                .map(|grant| format!("`{}` {}", grant.role, scope(grant.scope)))
                .collect();
            vec![
                code(&permission.name),
                permission.label.zh.clone(),
                grants.join(", "),
            ]
        })
        .collect()
}

fn features(def: &ModuleDef) -> Vec<Vec<String>> {
    def.features
        .iter()
        .map(|feature| {
            vec![
                code(&feature.name),
                feature.label.zh.clone(),
                feature.item.clone(),
                format!("`{}.{}`", feature.collection, feature.field),
            ]
        })
        .collect()
}

/// The kind's name in the declaration, with what a reader needs to know of it.
fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Choice { of } => format!("choice of `{of}`"),
        Kind::Ref { to } => format!("ref to `{to}`"),
        other => serde_json::to_value(other)
            .ok()
            .and_then(|value| value.get("kind")?.as_str().map(str::to_owned))
            .unwrap_or_default(),
    }
}

const fn shard(shard: Shard) -> &'static str {
    match shard {
        Shard::Subject => "subject",
        Shard::Organisation => "organisation",
        Shard::Aggregate => "record",
        Shard::Reference => "everywhere",
    }
}

const fn area(area: Area) -> &'static str {
    match area {
        Area::Services => "services",
        Area::Me => "my own",
        Area::Bench => "bench",
        Area::None => "",
    }
}

const fn scope(scope: RowScope) -> &'static str {
    match scope {
        RowScope::Assigned => "assigned",
        RowScope::Own => "own",
        RowScope::Organisation => "organisation",
        RowScope::District => "district",
        RowScope::All => "all",
    }
}

#[cfg(test)]
mod tests {
    use sdk_contract::def::{Label, PermissionDef, RoleGrant};

    use super::*;

    fn tea(label: &str) -> ModuleDef {
        ModuleDef {
            id: "tea".into(),
            permissions: vec![PermissionDef {
                name: "cup.read".into(),
                label: Label::new(label, ""),
                grants: vec![RoleGrant {
                    role: "anyone".into(),
                    scope: RowScope::All,
                }],
            }],
            ..ModuleDef::default()
        }
    }

    #[test]
    fn what_is_written_by_hand_stays() {
        let first = with_tables("# tea\n\nTea.\n", &tea("查看")).unwrap();
        assert!(first.starts_with("# tea\n\nTea.\n\n<!--"), "{first}");
        assert!(
            first.contains("| `cup.read` | 查看 | `anyone` all |"),
            "{first}"
        );
        let more = format!("{first}\nMore.\n");
        let second = with_tables(&more, &tea("阅读")).unwrap();
        assert!(
            second.contains("阅读") && !second.contains("查看"),
            "{second}"
        );
        assert!(second.ends_with("-->\n\nMore.\n"), "{second}");
        assert_eq!(with_tables(&second, &tea("阅读")).unwrap(), second);
    }

    #[test]
    fn a_lost_marker_is_told() {
        for broken in [
            END.to_owned(),
            BEGIN.to_owned(),
            format!("{BEGIN}{END}{BEGIN}{END}"),
        ] {
            assert!(with_tables(&broken, &tea("")).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_cell_cannot_break_its_table() {
        let text = with_tables("", &tea("a|b")).unwrap();
        assert!(text.contains("a\\|b"), "{text}");
    }
}
