//! Posts that wait for the person to prove who they are, kept so that nothing typed is lost: after
//! signing in again the form stands there filled in, to be sent again; after a second factor it
//! goes on by itself ([`crate::step_up`]).
//!
//! Kept in this node's memory for a while, and given back only to the same browser and, where the
//! form was drawn for a user, to that user. Files are not kept, except those that were stored.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kernel_host::UploadRef;

use crate::typed::Typed;

/// Name of the query parameter that brings a parked post back.
pub(crate) const PARAMETER: &str = "_parked";

const MOST: usize = 500;
const MOST_BYTES: usize = 128 * 1024;
const MICROS: i64 = 30 * 60 * 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) path: String,
    pub(crate) typed: Typed,
    /// What `typed` names by digest.
    pub(crate) uploads: Vec<UploadRef>,
    /// Secrets were typed; they are kept nowhere, so the form cannot go on without the person.
    pub(crate) incomplete: bool,
    /// What the caller's certificate is asked to sign of it.
    pub(crate) signs: Option<Vec<u8>>,
    /// The visit cookie of the browser.
    pub(crate) visit: String,
    /// User id the form was drawn for.
    pub(crate) user: Option<String>,
    /// Microseconds since 1970, UTC.
    pub(crate) at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Lot(Mutex<BTreeMap<String, Parked>>);

impl Lot {
    /// Keeps a post under a random name. Too large a one is not kept; the oldest goes first.
    pub(crate) fn park(&self, name: &str, post: Parked) -> bool {
        let bytes: usize = post
            .typed
            .iter()
            .map(|(n, vs)| n.len() + vs.iter().map(String::len).sum::<usize>())
            .sum();
        if bytes > MOST_BYTES {
            return false;
        }
        let mut posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        posts.retain(|_, p| post.at.saturating_sub(p.at) < MICROS);
        if posts.len() >= MOST {
            let oldest = posts
                .iter()
                .min_by_key(|(_, p)| p.at)
                .map(|(n, _)| n.clone());
            oldest.and_then(|n| posts.remove(&n));
        }
        posts.insert(name.to_owned(), post);
        true
    }

    /// The post for a page, if it is this caller's.
    pub(crate) fn find(
        &self,
        name: &str,
        path: &str,
        visit: &str,
        user: Option<&str>,
        now: i64,
    ) -> Option<Parked> {
        let posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let post = posts.get(name)?;
        let mine = post.path == path
            && post.visit == visit
            && user.is_some()
            && post.user.as_deref().is_none_or(|u| Some(u) == user)
            && now.saturating_sub(post.at) < MICROS;
        mine.then(|| post.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(at: i64) -> Parked {
        Parked {
            path: "/a".into(),
            typed: [("x".to_owned(), vec!["1".to_owned()])].into(),
            uploads: Vec::new(),
            incomplete: false,
            signs: None,
            visit: "v".into(),
            user: Some("u".into()),
            at,
        }
    }

    #[test]
    fn only_the_same_browser_and_user_get_it_back() {
        let lot = Lot::default();
        assert!(lot.park("n", parked(0)));
        let found = lot.find("n", "/a", "v", Some("u"), 1).unwrap();
        assert_eq!(found.typed["x"], ["1"]);
        for (name, path, visit, user, now) in [
            ("m", "/a", "v", Some("u"), 1),
            ("n", "/b", "v", Some("u"), 1),
            ("n", "/a", "w", Some("u"), 1),
            ("n", "/a", "v", Some("other"), 1),
            ("n", "/a", "v", None, 1),
            ("n", "/a", "v", Some("u"), MICROS),
        ] {
            assert_eq!(lot.find(name, path, visit, user, now), None);
        }
    }

    #[test]
    fn the_lot_is_bounded() {
        let lot = Lot::default();
        for i in 0..=MOST {
            lot.park(&i.to_string(), parked(i64::try_from(i).unwrap()));
        }
        assert_eq!(lot.0.lock().unwrap().len(), MOST);
        assert!(lot.find("0", "/a", "v", Some("u"), 1).is_none());
        let huge = Parked {
            typed: [("x".into(), vec!["y".repeat(MOST_BYTES)])].into(),
            ..parked(1)
        };
        assert!(!lot.park("huge", huge));
    }
}
