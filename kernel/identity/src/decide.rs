//! The one access decision: may this principal use this permission, and on which rows.
//!
//! Pure: reads nothing but its arguments. Deliberately absent: a super-user, and any way to deny
//! what another grant allows.

use kernel_storage::RowFilter;
use sdk_contract::def::{PermissionDef, RowScope};

use crate::duty::Duty;
use crate::module::{ACCOUNT, MODULE};
use crate::principal::{ANYONE, Principal};

#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// On the rows the filter lets through, which may be none of them.
    Allow(RowFilter),
    Deny(Denial),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Nobody is signed in; signing in may help.
    Anonymous,
    /// None of the caller's roles is granted the permission.
    NoGrant,
    /// Something must be done first; see [`Duty`].
    Duty(Duty),
}

impl Decision {
    pub fn allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// Unites the scopes of all grants the principal's roles match, and of composed roles as far as the
/// organisation's ceiling goes. A module acting by itself has all rows of its own module.
pub fn decide(principal: &Principal, module_id: &str, permission: &PermissionDef) -> Decision {
    reach(principal, module_id, permission, None)
}

/// The rows in which a permission to read lets the principal read a field (`<collection>.<field>`): as
/// [`decide`], without the composed roles that take the field away.
pub fn decide_field(
    principal: &Principal,
    module_id: &str,
    permission: &PermissionDef,
    field: &str,
) -> Decision {
    reach(principal, module_id, permission, Some(field))
}

fn reach(
    principal: &Principal,
    module_id: &str,
    permission: &PermissionDef,
    field: Option<&str>,
) -> Decision {
    if principal.module.as_deref() == Some(module_id) {
        return Decision::Allow(RowFilter::All);
    }
    let own_account = module_id == MODULE && permission.name == ACCOUNT;
    let duty = principal.duty.filter(|_| !own_account);
    let mut scopes: Vec<RowScope> = permission
        .grants
        .iter()
        .filter(|g| principal.has_role(&g.role) && (duty.is_none() || g.role == ANYONE))
        .map(|g| g.scope)
        .collect();
    if duty.is_none() && !principal.is_anonymous() {
        scopes.extend(principal.composed.scopes(module_id, permission, field));
    }
    if scopes.is_empty() {
        let why = match duty {
            _ if principal.is_anonymous() => Denial::Anonymous,
            Some(duty) => Denial::Duty(duty),
            None => Denial::NoGrant,
        };
        return Decision::Deny(why);
    }
    scopes.sort();
    scopes.dedup();
    if scopes.contains(&RowScope::All) {
        return Decision::Allow(RowFilter::All);
    }
    let mut filters: Vec<RowFilter> = scopes
        .into_iter()
        .filter_map(|s| rows(principal, s))
        .collect();
    Decision::Allow(match filters.len() {
        0 => RowFilter::None,
        1 => filters.remove(0),
        _ => RowFilter::Any(filters),
    })
}

/// `None` when the scope reaches no row for this principal.
fn rows(principal: &Principal, scope: RowScope) -> Option<RowFilter> {
    match scope {
        RowScope::All => Some(RowFilter::All),
        RowScope::Assigned => principal.user.clone().map(RowFilter::Assigned),
        RowScope::Own => principal.subject.clone().map(RowFilter::Subject),
        RowScope::District => principal.district.clone().map(RowFilter::District),
        RowScope::Organisation if principal.organisations.is_empty() => None,
        RowScope::Organisation => Some(RowFilter::Organisations(principal.organisations.clone())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sdk_contract::def::{Label, RoleGrant};

    use super::*;
    use crate::composed::{Composed, Piece};

    fn permission(grants: &[(&str, RowScope)]) -> PermissionDef {
        PermissionDef {
            name: "thing.read".into(),
            label: Label::new("读", "Read"),
            grants: grants
                .iter()
                .map(|(role, scope)| RoleGrant {
                    role: (*role).into(),
                    scope: *scope,
                })
                .collect(),
        }
    }

    fn user(roles: &[&str]) -> Principal {
        Principal {
            user: Some("u".into()),
            roles: roles.iter().map(|r| (*r).into()).collect(),
            organisation: Some("o1".into()),
            organisations: vec!["o1".into(), "o2".into()],
            subject: Some("s1".into()),
            district: Some("310115".into()),
            ..Principal::anonymous()
        }
    }

    /// What a filter means, for comparing decisions.
    fn lets(filter: &RowFilter, row: Row<'_>) -> bool {
        match filter {
            RowFilter::All => true,
            RowFilter::None => false,
            RowFilter::Assigned(user) => user == row.assignee,
            RowFilter::Subject(s) => s == row.subject,
            RowFilter::Organisations(all) => all.iter().any(|o| o == row.organisation),
            RowFilter::District(d) => d == row.district,
            RowFilter::Any(any) => any.iter().any(|f| lets(f, row)),
        }
    }

    #[derive(Debug, Clone, Copy)]
    struct Row<'a> {
        assignee: &'a str,
        subject: &'a str,
        organisation: &'a str,
        district: &'a str,
    }

    /// A row of each mixture of what is the caller's and what is not.
    fn rows() -> impl Iterator<Item = Row<'static>> {
        (0..16).map(|bits| {
            let of = |bit: u8, own: &'static str, other: &'static str| {
                if bits & bit == 0 { own } else { other }
            };
            Row {
                assignee: of(1, "u", "v"),
                subject: of(2, "s1", "s2"),
                organisation: of(4, "o1", "o3"),
                district: of(8, "310115", "310104"),
            }
        })
    }

    #[test]
    fn the_table() {
        let own_and_org = permission(&[("a", RowScope::Own), ("b", RowScope::Organisation)]);
        let assigned = permission(&[("a", RowScope::Assigned), ("b", RowScope::District)]);
        let orgs = RowFilter::Organisations(vec!["o1".into(), "o2".into()]);
        let cases = [
            (
                user(&["a"]),
                &own_and_org,
                Decision::Allow(RowFilter::Subject("s1".into())),
            ),
            (user(&["b"]), &own_and_org, Decision::Allow(orgs.clone())),
            (
                user(&["b", "a"]),
                &own_and_org,
                Decision::Allow(RowFilter::Any(vec![RowFilter::Subject("s1".into()), orgs])),
            ),
            (
                user(&["a"]),
                &assigned,
                Decision::Allow(RowFilter::Assigned("u".into())),
            ),
            (
                user(&["a", "b"]),
                &assigned,
                Decision::Allow(RowFilter::Any(vec![
                    RowFilter::Assigned("u".into()),
                    RowFilter::District("310115".into()),
                ])),
            ),
            (user(&["c"]), &own_and_org, Decision::Deny(Denial::NoGrant)),
            (user(&[]), &own_and_org, Decision::Deny(Denial::NoGrant)),
            (
                Principal::anonymous(),
                &own_and_org,
                Decision::Deny(Denial::Anonymous),
            ),
        ];
        for (principal, permission, want) in cases {
            assert_eq!(
                decide(&principal, "m", permission),
                want,
                "{:?}",
                principal.roles
            );
        }
    }

    #[test]
    fn a_scope_without_its_attribute_reaches_no_row() {
        let mut p = user(&["a"]);
        p.subject = None;
        p.district = None;
        p.organisations.clear();
        for scope in [RowScope::Own, RowScope::Organisation, RowScope::District] {
            assert_eq!(
                decide(&p, "m", &permission(&[("a", scope)])),
                Decision::Allow(RowFilter::None),
                "{scope:?}"
            );
        }
    }

    #[test]
    fn built_in_roles() {
        let public = permission(&[("anyone", RowScope::All)]);
        let inside = permission(&[("signed-in", RowScope::All)]);
        let nobody = Principal::anonymous();
        assert!(decide(&nobody, "m", &public).allowed());
        assert_eq!(
            decide(&nobody, "m", &inside),
            Decision::Deny(Denial::Anonymous)
        );
        assert!(decide(&user(&[]), "m", &inside).allowed());
        // A role list that claims more than a session gives nothing to an anonymous caller.
        let forged = Principal {
            roles: vec!["a".into(), "signed-in".into()],
            ..nobody
        };
        assert!(!decide(&forged, "m", &permission(&[("a", RowScope::All)])).allowed());
        assert!(!decide(&forged, "m", &inside).allowed());
    }

    #[test]
    fn a_duty_leaves_only_the_own_account_and_what_anyone_may() {
        let mut p = user(&["a"]);
        p.duty = Some(Duty::ChangePassword);
        let mut account = permission(&[("signed-in", RowScope::All)]);
        account.name = ACCOUNT.into();
        assert!(decide(&p, MODULE, &account).allowed());
        assert!(decide(&p, "m", &permission(&[("anyone", RowScope::All)])).allowed());
        for closed in [permission(&[("a", RowScope::Own)]), account] {
            assert_eq!(
                decide(&p, "m", &closed),
                Decision::Deny(Denial::Duty(Duty::ChangePassword))
            );
        }
    }

    #[test]
    fn a_module_has_its_own_rows_only() {
        let p = Principal::module("m", "r");
        let closed = permission(&[]);
        assert_eq!(decide(&p, "m", &closed), Decision::Allow(RowFilter::All));
        assert_eq!(
            decide(&p, "other", &closed),
            Decision::Deny(Denial::NoGrant)
        );
    }

    /// Somebody whose composed roles are these, under a ceiling that has all.
    fn composed(pieces: &[&str]) -> Principal {
        let pieces = pieces.iter().map(|text| Piece::parse(text).unwrap());
        let composed = Composed {
            ceiling: ["a", "b", "c"].map(str::to_owned).to_vec(),
            pieces: pieces.collect(),
            ..Composed::default()
        };
        Principal {
            composed: composed.into(),
            ..user(&[])
        }
    }

    #[test]
    fn dj_07_a_field_is_read_where_a_role_has_it_that_does_not_take_it_away() {
        let all = permission(&[("a", RowScope::All)]);
        let of = |pieces: &[&str], field: &str| {
            let p = composed(pieces);
            assert!(decide(&p, "m", &all).allowed(), "the row is read anyway");
            decide_field(&p, "m", &all, field)
        };
        let without = "m:thing.read@all!things.phone";
        let none = Decision::Deny(Denial::NoGrant);
        let own = Decision::Allow(RowFilter::Subject("s1".into()));
        assert_eq!(of(&[without], "things.phone"), none);
        assert_eq!(
            of(&[without], "things.name"),
            Decision::Allow(RowFilter::All)
        );
        assert_eq!(
            of(&[without], "others.phone"),
            Decision::Allow(RowFilter::All)
        );
        // Another role that has it shows it in its own rows and in no other.
        assert_eq!(of(&[without, "m:thing.read@own"], "things.phone"), own);
        let mut declared = composed(&[without]);
        declared.roles = vec!["a".into()];
        let seen = decide_field(&declared, "m", &all, "things.phone");
        assert_eq!(seen, Decision::Allow(RowFilter::All));
    }

    fn any_grants() -> impl Strategy<Value = Vec<(&'static str, RowScope)>> {
        let role = prop::sample::select(vec!["a", "b", "c", "anyone", "signed-in"]);
        let scope = prop::sample::select(vec![
            RowScope::Assigned,
            RowScope::Own,
            RowScope::Organisation,
            RowScope::District,
            RowScope::All,
        ]);
        prop::collection::vec((role, scope), 0..6)
    }

    proptest! {
        #[test]
        fn adding_a_role_never_shrinks(
            grants in any_grants(),
            roles in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..3),
            more in prop::sample::select(vec!["a", "b", "c"]),
        ) {
            let p = permission(&grants);
            let before = decide(&user(&roles), "m", &p);
            let mut wider = roles.clone();
            wider.push(more);
            let after = decide(&user(&wider), "m", &p);
            if let Decision::Allow(f) = &before {
                let Decision::Allow(g) = &after else { panic!("a role took access away") };
                for row in rows() {
                    prop_assert!(!lets(f, row) || lets(g, row), "{:?}", row);
                }
            }
        }

        /// What grants reach together is what each reaches by itself, row by row.
        #[test]
        fn a_row_is_reached_when_one_grant_reaches_it(grants in any_grants()) {
            let caller = user(&["a", "b"]);
            let by_itself = |(role, scope): &(&str, RowScope), row: Row<'_>| {
                let own = match scope {
                    RowScope::Assigned => row.assignee == "u",
                    RowScope::Own => row.subject == "s1",
                    RowScope::Organisation => row.organisation == "o1",
                    RowScope::District => row.district == "310115",
                    RowScope::All => true,
                };
                *role != "c" && own
            };
            let decision = decide(&caller, "m", &permission(&grants));
            for row in rows() {
                let expected = grants.iter().any(|grant| by_itself(grant, row));
                let reached = matches!(&decision, Decision::Allow(f) if lets(f, row));
                prop_assert_eq!(reached, expected, "{:?}", row);
            }
        }

        /// Nothing is read in a row for what a piece takes away that is not read without it.
        #[test]
        fn dj_07_taking_fields_away_never_adds(
            grants in any_grants(),
            pieces in prop::collection::vec(prop::sample::select(vec![
                "m:thing.read@own", "m:thing.read@all", "m:thing.read@organisation!things.x",
                "m:thing.read@all!things.x!things.y", "m:thing.read@district!things.y",
            ]), 0..4),
        ) {
            let (p, read) = (composed(&pieces), permission(&grants));
            let whole = decide(&p, "m", &read);
            for field in ["things.x", "things.y"] {
                let Decision::Allow(seen) = decide_field(&p, "m", &read, field) else { continue };
                let Decision::Allow(all) = &whole else { panic!("a field of no row") };
                for row in rows() {
                    prop_assert!(!lets(&seen, row) || lets(all, row), "{:?}", row);
                }
            }
            prop_assert_eq!(decide_field(&p, "m", &read, "things.z"), whole);
        }

        #[test]
        fn anonymous_gets_only_what_anyone_gets(grants in any_grants()) {
            let open = grants.iter().any(|(role, _)| *role == "anyone");
            let decision = decide(&Principal::anonymous(), "m", &permission(&grants));
            prop_assert_eq!(decision.allowed(), open);
        }
    }
}
