//! What the platform's pages offer to choose from, and how they say it.

use kernel_identity::composed::{Piece, reaches};
use kernel_identity::module::LEVELS;
use kernel_identity::tree::{Node, Tree};
use sdk_contract::def::{Level, PermissionDef, RowScope, Tone};
use sdk_contract::page::{Choice, Datum};

use super::Desk;
use crate::Host;
use crate::mask::is_takeable;

/// What people call a type of organisation.
pub(super) fn kind(kind: &str) -> &str {
    match kind {
        "platform" => "平台",
        "government" => "政府部门",
        "institution" => "金融机构",
        "subject" => "企业",
        other => other,
    }
}

pub(crate) fn scope(scope: RowScope) -> &'static str {
    match scope {
        RowScope::Assigned => "本人经办",
        RowScope::Own => "本主体",
        RowScope::Organisation => "本机构及下级",
        RowScope::District => "本区",
        RowScope::All => "全部",
    }
}

/// What people call a level of data.
pub(crate) fn level(level: Level) -> &'static str {
    let mut all = LEVELS.iter().filter(|(name, ..)| *name == level.name());
    all.next().map_or(level.name(), |(_, zh, ..)| zh)
}

pub(super) fn state(node: &Node) -> Datum {
    if node.closed {
        Datum::status("停用", Tone::Neutral)
    } else {
        Datum::status("正常", Tone::Success)
    }
}

/// A name that stands as deep in a list as its organisation in the tree.
pub(super) fn indented(depth: usize, name: &str) -> String {
    match depth {
        0 => name.to_owned(),
        deeper => format!("{}└ {name}", "　".repeat(deeper - 1)),
    }
}

/// Organisations of a tree from one down, but for a part of it.
pub(super) fn places(tree: &Tree, from: &str, without: Option<&str>) -> Vec<Choice> {
    tree.rows(from)
        .into_iter()
        .filter(|(_, n)| !n.closed && without.is_none_or(|w| !tree.is_within(&n.id, w)))
        .map(|(_, n)| Choice::new(n.id.as_str(), tree.place(&n.id)))
        .collect()
}

/// A declared permission with its module's name.
pub(super) fn declared(host: &Host, module: &str, name: &str) -> Option<(String, PermissionDef)> {
    let catalog = host.catalog();
    let installed = catalog.modules.get(module)?;
    let permission = installed.def.permission(name)?;
    Some((installed.def.label.zh.clone(), permission.clone()))
}

/// What people call a district.
pub(super) fn region<'a>(host: &'a Host, code: Option<&'a str>) -> &'a str {
    code.map_or("", |code| {
        let found = host.regions().get(code);
        found.map_or(code, |label| label.zh.as_str())
    })
}

impl Desk<'_> {
    /// Every permission that a ceiling lets an organisation hand out, with each reach it may have.
    pub(super) fn pieces(&self, ceiling: &[String]) -> Vec<Choice> {
        let catalog = self.host.catalog();
        let mut choices = Vec::new();
        for (id, installed) in &catalog.modules {
            if id == kernel_identity::module::MODULE {
                continue;
            }
            for permission in &installed.def.permissions {
                for reach in reaches(ceiling, permission) {
                    let piece = Piece {
                        module: id.clone(),
                        permission: permission.name.clone(),
                        scope: reach,
                        without: Vec::new(),
                    };
                    let words = format!(
                        "{} · {}（{}）",
                        installed.def.label.zh,
                        permission.label.zh,
                        scope(reach)
                    );
                    choices.push(Choice::new(piece.to_string(), words));
                }
            }
        }
        choices
    }

    /// Every field that a role may take away of what these permissions let somebody read, as
    /// `<module>:<permission>!<collection>.<field>`.
    pub(super) fn takeable(&self, ceiling: &[String]) -> Vec<Choice> {
        let catalog = self.host.catalog();
        let mut choices = Vec::new();
        for (id, installed) in &catalog.modules {
            if id == kernel_identity::module::MODULE {
                continue;
            }
            for c in &installed.def.collections {
                let read = installed.def.permission(&c.read);
                if read.is_none_or(|read| reaches(ceiling, read).is_empty()) {
                    continue;
                }
                for field in c.fields.iter().filter(|f| is_takeable(f)) {
                    let value = format!("{id}:{}!{}.{}", c.read, c.name, field.name);
                    let module = &installed.def.label.zh;
                    let words = format!("{module} · {} · {}", c.label.zh, field.label.zh);
                    choices.push(Choice::new(value, words));
                }
            }
        }
        choices
    }
}

/// What people call a field that a piece takes away, where a role may take it.
pub(super) fn taken(host: &Host, piece: &Piece, place: &str) -> Option<String> {
    let (collection, field) = place.split_once('.')?;
    let catalog = host.catalog();
    let collection = catalog
        .modules
        .get(&piece.module)?
        .def
        .collection(collection)?;
    let of_it = collection.read == piece.permission;
    let field = collection
        .field(field)
        .filter(|f| of_it && is_takeable(f))?;
    Some(format!("{}的{}", collection.label.zh, field.label.zh))
}

/// The fields that a piece takes away, as people call them.
pub(super) fn without(host: &Host, piece: &Piece) -> String {
    let places = piece.without.iter();
    let names = places.map(|place| taken(host, piece, place).unwrap_or_else(|| place.clone()));
    names.collect::<Vec<_>>().join("、")
}
