//! Roles that no person holds together (GB/T 22239-2019 8.1.4.2 d). Pure.

use crate::module::{ADMIN, AUDITOR, OPERATOR, SECURITY};

/// System, security and audit administrators are three people.
pub const ADMINISTRATORS: [&str; 3] = [OPERATOR, SECURITY, AUDITOR];

/// Whether giving the role takes two people.
pub fn is_administrative(role: &str) -> bool {
    role == ADMIN || ADMINISTRATORS.contains(&role)
}

/// A role among `held` that excludes `wanted`. `more` are sets of which one person holds one at
/// most, besides the administrators'.
pub fn clash<'a>(
    held: impl IntoIterator<Item = &'a str>,
    wanted: &str,
    more: &[Vec<String>],
) -> Option<&'a str> {
    let together = |other: &str| {
        let administrators = ADMINISTRATORS.contains(&wanted) && ADMINISTRATORS.contains(&other);
        let configured = more.iter().any(|set| {
            set.iter().any(|role| role == wanted) && set.iter().any(|role| role == other)
        });
        // Who looks after one organisation does not administer all of them.
        let both = [wanted, other];
        let levels = both.contains(&ADMIN) && both.iter().any(|r| ADMINISTRATORS.contains(r));
        administrators || configured || levels
    };
    held.into_iter()
        .find(|other| *other != wanted && together(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dj_06_no_two_administrators_are_one_person() {
        for held in ADMINISTRATORS {
            for wanted in ADMINISTRATORS {
                let found = clash([held], wanted, &[]);
                assert_eq!(found.is_some(), held != wanted, "{held} and {wanted}");
            }
            assert_eq!(clash([held], ADMIN, &[]), Some(held));
            assert_eq!(clash([ADMIN], held, &[]), Some(ADMIN));
            assert_eq!(clash([held], "bank.officer", &[]), None);
        }
    }

    #[test]
    fn row_76_makers_and_checkers_are_kept_apart_where_configured() {
        let sets = [vec!["a.maker".to_owned(), "a.checker".to_owned()]];
        assert_eq!(clash(["b", "a.maker"], "a.checker", &sets), Some("a.maker"));
        assert_eq!(clash(["a.maker"], "a.maker", &sets), None);
        assert_eq!(clash(["a.maker"], "a.checker", &[]), None);
    }
}
