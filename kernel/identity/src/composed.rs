//! Roles that organisations compose from declared permissions, and the ceiling they stay under.
//! Pure, so that [`crate::decide`] stays so.
//!
//! An organisation's ceiling is a list of declared roles: it may hand out what these roles have,
//! with the same reach or less. The ceiling is held against the declarations at each decision, so
//! that one that is lowered, or a declaration that gets narrower, takes effect on composed roles
//! at once.

use std::collections::{BTreeMap, BTreeSet};

use sdk_contract::def::{Level, PermissionDef, RowScope};
use serde::{Deserialize, Serialize};

use crate::module::MODULE;
use crate::refusal::Refusal;

/// Rules about organisations that differ from city to city.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrganisationPolicy {
    /// By type of organisation, the roles it may hand out; a name that ends in a dot stands for
    /// all that begin so.
    pub ceilings: BTreeMap<String, Vec<String>>,
    /// Sets of roles of which one person holds one at most, besides the three administrators.
    pub exclusive: Vec<Vec<String>>,
    /// Hours within which a second person must decide.
    pub request_hours: i64,
    /// Days after which somebody must say of a post that it is still needed; 0 is never.
    pub review_days: i64,
}

impl Default for OrganisationPolicy {
    fn default() -> Self {
        let of = |kind: &str, roles: &[&str]| {
            let roles = roles.iter().map(|r| (*r).to_owned()).collect();
            (kind.to_owned(), roles)
        };
        Self {
            ceilings: BTreeMap::from([
                of("platform", &[]),
                of("government", &["government."]),
                of("institution", &["bank.", "model."]),
                of("subject", &[]),
            ]),
            exclusive: Vec::new(),
            request_hours: 72,
            review_days: 90,
        }
    }
}

impl OrganisationPolicy {
    /// The ceiling of a type of organisation, narrowed where somebody narrowed it.
    pub fn ceiling(&self, kind: &str, limit: Option<&[String]>) -> Vec<String> {
        let all = self.ceilings.get(kind).cloned().unwrap_or_default();
        match limit {
            None => all,
            // A limit never widens: what it names must be in the ceiling of the type.
            Some(limit) => limit
                .iter()
                .filter(|role| covers(&all, role))
                .cloned()
                .collect(),
        }
    }
}

/// Whether one of the patterns stands for a role (or for all of a narrower pattern).
pub fn covers(patterns: &[String], role: &str) -> bool {
    patterns
        .iter()
        .any(|p| p == role || p.ends_with('.') && role.starts_with(p.as_str()))
}

/// A permission in a composed role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    pub module: String,
    pub permission: String,
    pub scope: RowScope,
    /// What is taken away of what it lets somebody read: `<collection>.<field>`, in order.
    pub without: Vec<String>,
}

impl Piece {
    /// Reads `<module>:<entity>.<verb>@<scope>`, and what is taken away: `!<collection>.<field>`, each.
    pub fn parse(text: &str) -> Option<Self> {
        let (module, rest) = text.split_once(':')?;
        let mut parts = rest.split('!');
        let (permission, scope) = parts.next()?.split_once('@')?;
        let place = |text: &str| {
            let (collection, field) = text.split_once('.')?;
            (!collection.is_empty() && !field.is_empty()).then(|| text.to_owned())
        };
        let mut without = parts.map(place).collect::<Option<Vec<String>>>()?;
        without.sort();
        without.dedup();
        let scope = match scope {
            "assigned" => RowScope::Assigned,
            "own" => RowScope::Own,
            "organisation" => RowScope::Organisation,
            "district" => RowScope::District,
            "all" => RowScope::All,
            _ => return None,
        };
        Some(Self {
            module: module.into(),
            permission: permission.into(),
            scope,
            without,
        })
    }
}

impl std::fmt::Display for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scope = match self.scope {
            RowScope::Assigned => "assigned",
            RowScope::Own => "own",
            RowScope::Organisation => "organisation",
            RowScope::District => "district",
            RowScope::All => "all",
        };
        write!(f, "{}:{}@{scope}", self.module, self.permission)?;
        self.without
            .iter()
            .try_for_each(|place| write!(f, "!{place}"))
    }
}

/// How far a permission may reach under a ceiling, narrowest first; nothing where the ceiling has
/// it not.
pub fn reaches(ceiling: &[String], permission: &PermissionDef) -> Vec<RowScope> {
    let mut scopes: Vec<RowScope> = permission
        .grants
        .iter()
        .filter(|g| covers(ceiling, &g.role))
        .map(|g| g.scope)
        .collect();
    if scopes.contains(&RowScope::All) {
        scopes.extend([RowScope::Own, RowScope::Organisation, RowScope::District]);
    }
    scopes.sort();
    scopes.dedup();
    scopes
}

/// The pieces of a role, once each is declared and under the ceiling. `declared` finds a
/// permission by its module and name.
pub fn compose<'a>(
    ceiling: &[String],
    wanted: &[String],
    declared: impl Fn(&str, &str) -> Option<&'a PermissionDef>,
) -> Result<Vec<Piece>, Refusal> {
    if wanted.is_empty() {
        return Err(Refusal::NoPermission);
    }
    let mut pieces = Vec::with_capacity(wanted.len());
    for text in wanted {
        let over = || Refusal::PermissionOverCeiling(text.chars().take(80).collect());
        let piece = Piece::parse(text).ok_or_else(over)?;
        // Who looks after access is never composed: such roles take two people.
        let permission = declared(&piece.module, &piece.permission)
            .filter(|_| piece.module != MODULE)
            .ok_or_else(over)?;
        if !reaches(ceiling, permission).contains(&piece.scope) {
            return Err(Refusal::PermissionOverCeiling(permission.label.zh.clone()));
        }
        pieces.push(piece);
    }
    pieces.sort();
    pieces.dedup();
    Ok(pieces)
}

/// What a person has by composed roles in the organisation acted for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Composed {
    /// The organisation's ceiling.
    pub ceiling: Vec<String>,
    /// Titles of the roles.
    pub titles: Vec<String>,
    pub pieces: Vec<Piece>,
    /// The highest clearance of the roles, as far as the ceiling goes now.
    pub clearance: Level,
}

impl Composed {
    /// The reach they give to a permission, as far as the ceiling goes now; to one of the fields that it
    /// lets somebody read, where that is asked, those that do not take it away.
    pub(crate) fn scopes<'a>(
        &'a self,
        module: &'a str,
        permission: &'a PermissionDef,
        field: Option<&'a str>,
    ) -> impl Iterator<Item = RowScope> + 'a {
        let has = move |p: &&Piece| field.is_none_or(|f| p.without.iter().all(|w| w != f));
        let reached = if self.pieces.is_empty() {
            Vec::new()
        } else {
            reaches(&self.ceiling, permission)
        };
        let own = self
            .pieces
            .iter()
            .filter(move |p| p.module == module && p.permission == permission.name);
        own.filter(has)
            .map(|p| p.scope)
            .filter(move |s| reached.contains(s))
    }

    /// The fields that any of them takes away of what a permission lets somebody read.
    pub fn taken(&self, module: &str, permission: &str) -> BTreeSet<&str> {
        let own = self.pieces.iter();
        let own = own.filter(|p| p.module == module && p.permission == permission);
        own.flat_map(|p| p.without.iter().map(String::as_str))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use sdk_contract::def::{Label, RoleGrant};

    use super::*;

    fn permission(name: &str, grants: &[(&str, RowScope)]) -> PermissionDef {
        let grant = |(role, scope): &(&str, RowScope)| RoleGrant {
            role: (*role).into(),
            scope: *scope,
        };
        PermissionDef {
            name: name.into(),
            label: Label::new("看", "See"),
            grants: grants.iter().map(grant).collect(),
        }
    }

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn a_piece_reads_as_it_is_written() {
        for text in [
            "m:thing.read@own",
            "m:thing.read@assigned",
            "m-n:a.b@organisation",
            "m:a.b@all",
            "m:a.b@all!things.phone",
            "m:a.b@all!others.x!things.phone",
        ] {
            assert_eq!(Piece::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "m:thing.read",
            "thing.read@own",
            "m:a.b@mine",
            "m:a.b@all!",
            "m:a.b@all!phone",
            "m:a.b@all!.phone",
            "m:a.b@all!things.phone!",
            "m:a.b!things.phone@all",
        ] {
            assert_eq!(Piece::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dj_07_what_is_taken_away_twice_is_taken_away_once() {
        let piece = Piece::parse("m:a.b@all!things.y!things.x!things.y").unwrap();
        assert_eq!(piece.without, ["things.x", "things.y"]);
    }

    #[test]
    fn row_76_a_role_stays_under_the_ceiling() {
        let read = permission(
            "thing.read",
            &[
                ("bank.officer", RowScope::Organisation),
                ("other.role", RowScope::All),
            ],
        );
        let ceiling = words(&["bank."]);
        let find =
            |module: &str, name: &str| (module == "m" && name == "thing.read").then_some(&read);
        let ask = |wanted: &[&str]| compose(&ceiling, &words(wanted), find);
        assert_eq!(ask(&["m:thing.read@organisation"]).unwrap().len(), 1);
        for over in [
            "m:thing.read@all",
            "m:thing.read@district",
            "m:thing.drop@organisation",
            "n:thing.read@organisation",
            "nonsense",
        ] {
            let refused = ask(&[over]);
            assert!(
                matches!(refused, Err(Refusal::PermissionOverCeiling(_))),
                "{over}"
            );
        }
        assert_eq!(ask(&[]), Err(Refusal::NoPermission));
        // Whatever reaches all rows may be handed out with less.
        let wide = reaches(&words(&["other."]), &read);
        assert!(wide.contains(&RowScope::Own) && wide.contains(&RowScope::All));
    }

    #[test]
    fn the_platforms_own_permissions_are_never_composed() {
        let read = permission("role.compose", &[("bank.x", RowScope::All)]);
        let find = |_: &str, _: &str| Some(&read);
        let refused = compose(
            &words(&["bank."]),
            &words(&["platform:role.compose@own"]),
            find,
        );
        assert!(matches!(refused, Err(Refusal::PermissionOverCeiling(_))));
    }

    #[test]
    fn a_limit_narrows_and_never_widens() {
        let policy = OrganisationPolicy::default();
        let of = |limit: &[&str]| policy.ceiling("institution", Some(&words(limit)));
        assert_eq!(policy.ceiling("institution", None), ["bank.", "model."]);
        assert_eq!(of(&["bank.officer"]), ["bank.officer"]);
        assert!(of(&["platform.", "platform.security"]).is_empty());
        assert!(policy.ceiling("unknown", None).is_empty());
    }
}
