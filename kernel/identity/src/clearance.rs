//! Clearances: up to which level of data a role lets whoever holds it see values whole. Pure.
//!
//! A clearance gives nothing. It bounds what permissions give: a value of a level above it is masked
//! for whoever may see it otherwise, and cannot be looked at for any reason, whoever agrees.

use std::collections::BTreeMap;

use sdk_contract::def::Level;
use serde::{Deserialize, Serialize};

use crate::composed::Composed;
use crate::principal::Principal;

/// Of a role of which nothing is said: the most sensitive values are for those alone of whom somebody
/// said so, and a city that says nothing serves all others.
pub const UNSAID: Level = Level::L3;

/// The clearances of declared roles, as the city has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clearances(BTreeMap<String, Level>);

impl Clearances {
    pub fn of_role(&self, role: &str) -> Level {
        self.0.get(role).copied().unwrap_or(UNSAID)
    }

    /// The most that an organisation's ceiling lets it clear anybody for: as much as the roles have
    /// that it may hand out.
    pub fn ceiling(&self, ceiling: &[String]) -> Level {
        let of = |pattern: &String| {
            let begin = pattern.ends_with('.').then_some(pattern.as_str());
            let named = self.0.iter().filter(|(role, _)| match begin {
                Some(begin) => role.starts_with(begin),
                None => *role == pattern,
            });
            named.map(|(_, level)| *level).max().unwrap_or(UNSAID)
        };
        ceiling.iter().map(of).max().unwrap_or_default()
    }

    /// The highest of what somebody holds. Whoever holds nothing sees whole what is public.
    pub fn held(&self, roles: &[String], composed: &Composed) -> Level {
        let declared = roles.iter().map(|role| self.of_role(role));
        declared.fold(composed.clearance, Level::max)
    }
}

impl FromIterator<(String, Level)> for Clearances {
    fn from_iter<I: IntoIterator<Item = (String, Level)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

/// Whether somebody may see a value of a module's whole, as far as its level goes. A module acting by
/// itself may see its own; what has no level is not classified.
pub fn cleared(principal: &Principal, module_id: &str, level: Option<Level>) -> bool {
    principal.module.as_deref() == Some(module_id) || level <= Some(principal.clearance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn city(all: &[(&str, Level)]) -> Clearances {
        let all = all.iter().map(|(role, level)| ((*role).to_owned(), *level));
        all.collect()
    }

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|w| (*w).to_owned()).collect()
    }

    fn person(clearance: Level) -> Principal {
        Principal {
            user: Some("u".into()),
            clearance,
            ..Principal::anonymous()
        }
    }

    fn composed(clearance: Level) -> Composed {
        Composed {
            clearance,
            ..Composed::default()
        }
    }

    #[test]
    fn dj_08_a_person_is_cleared_for_the_highest_of_what_they_hold() {
        use Level::{L1, L2, L4};
        let city = city(&[("a.low", L2), ("a.high", L4), ("b.public", L1)]);
        let cases: [(&[&str], Level, Level); 7] = [
            (&[], L1, L1),
            (&["b.public"], L1, L1),
            (&["a.low"], L1, L2),
            (&["of.nobody"], L1, UNSAID),
            (&["a.low", "a.high"], L1, L4),
            (&["a.low"], L4, L4),
            (&["a.high"], L2, L4),
        ];
        for (roles, own, want) in cases {
            let held = city.held(&words(roles), &composed(own));
            assert_eq!(held, want, "{roles:?} {own:?}");
        }
    }

    #[test]
    fn dj_08_a_ceiling_clears_for_what_its_roles_have() {
        use Level::{L1, L2, L3, L4};
        let city = city(&[("a.low", L2), ("a.high", L4), ("b.low", L2), ("c", L4)]);
        let cases: [(&[&str], Level); 8] = [
            (&[], L1),
            (&["a."], L4),
            (&["a.low"], L2),
            (&["b."], L2),
            (&["b.", "a.low", "c"], L4),
            (&["d."], L3),
            (&["d.one"], L3),
            // A name that goes on is another.
            (&["a.hig"], L3),
        ];
        for (ceiling, want) in cases {
            assert_eq!(city.ceiling(&words(ceiling)), want, "{ceiling:?}");
        }
    }

    #[test]
    fn dj_08_a_module_is_cleared_for_its_own_and_nobody_for_what_is_above() {
        let all = Level::ALL.map(Some).into_iter().chain([None]);
        for level in all {
            assert!(cleared(&Principal::module("m", "r"), "m", level));
            assert!(cleared(&person(Level::L4), "m", level));
            let public = level <= Some(Level::L1);
            for p in [Principal::anonymous(), Principal::module("m", "r")] {
                assert_eq!(cleared(&p, "other", level), public, "{level:?}");
            }
        }
    }

    fn level() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::ALL.to_vec())
    }

    fn roles() -> impl Strategy<Value = Vec<String>> {
        let role = prop::sample::select(vec!["a.x", "a.y", "b.x", "c"]);
        prop::collection::vec(role.prop_map(str::to_owned), 0..4)
    }

    fn cities() -> impl Strategy<Value = Clearances> {
        let role = prop::sample::select(vec!["a.x", "a.y", "b.x"]);
        let entry = (role.prop_map(str::to_owned), level());
        prop::collection::vec(entry, 0..4).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #[test]
        fn dj_08_one_role_more_never_clears_for_less(
            city in cities(), held in roles(), more in roles(), own in level(), other in level(),
        ) {
            let before = city.held(&held, &composed(own));
            let all = [held.clone(), more].concat();
            prop_assert!(city.held(&all, &composed(own)) >= before);
            prop_assert!(city.held(&held, &composed(own.max(other))) >= before);
        }

        #[test]
        fn dj_08_a_higher_clearance_never_shows_less(low in level(), high in level(), of in level()) {
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(!cleared(&person(low), "m", Some(of)) || cleared(&person(high), "m", Some(of)));
            prop_assert_eq!(cleared(&person(low), "m", Some(of)), of <= low);
        }

        /// Who holds all that a ceiling names is cleared for as much as it lets anybody be.
        #[test]
        fn dj_08_a_ceiling_clears_for_no_more_than_its_roles(city in cities(), all in roles()) {
            let held = city.held(&all, &Composed::default());
            prop_assert_eq!(city.ceiling(&all), held);
        }
    }
}
