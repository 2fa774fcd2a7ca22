//! How many records match a question, remembered for a moment: the pages of a list ask it again and
//! again, and counting costs many times what the page does.
//!
//! A commit of this node forgets the totals of the collections it wrote, so here they are exact;
//! what another node wrote shows after [`LIFE`] at the latest.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::schema::CollectionName;

const LIFE: Duration = Duration::from_secs(1);
/// Totals kept at once; beyond it all are forgotten, which only costs counting.
const MOST: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Commits to each collection so far.
    writes: BTreeMap<CollectionName, u64>,
    kept: BTreeMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    total: u64,
    writes: u64,
    at: Instant,
}

impl Totals {
    /// The total of `question`, a statement with its values, if it is still true; else what
    /// [`Totals::keep`] wants, taken before counting.
    pub(crate) fn find(&self, collection: &CollectionName, question: &str) -> Result<u64, u64> {
        let inner = self.inner();
        let writes = inner.writes.get(collection).copied().unwrap_or_default();
        match inner.kept.get(question) {
            Some(k) if k.writes == writes && k.at.elapsed() < LIFE => Ok(k.total),
            _ => Err(writes),
        }
    }

    pub(crate) fn keep(&self, question: String, writes: u64, total: u64) {
        let at = Instant::now();
        let mut inner = self.inner();
        if inner.kept.len() >= MOST {
            inner.kept.clear();
        }
        inner.kept.insert(question, Kept { total, writes, at });
    }

    /// After a commit to these collections.
    pub(crate) fn wrote<'a>(&self, collections: impl Iterator<Item = &'a CollectionName>) {
        let mut inner = self.inner();
        for collection in collections {
            match inner.writes.get_mut(collection) {
                Some(count) => *count += 1,
                None => {
                    inner.writes.insert(collection.clone(), 1);
                }
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave the maps half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_forgets_what_was_counted_before_or_during_it() {
        let totals = Totals::default();
        let (mine, other) = (CollectionName::new("a", "b"), CollectionName::new("a", "c"));
        let before = totals.find(&mine, "q").unwrap_err();
        totals.keep("q".into(), before, 7);
        totals.wrote([&other].into_iter());
        assert_eq!(totals.find(&mine, "q"), Ok(7));
        let before = totals.find(&mine, "p").unwrap_err();
        totals.wrote([&mine].into_iter());
        totals.keep("p".into(), before, 8);
        assert!(totals.find(&mine, "q").is_err());
        assert!(totals.find(&mine, "p").is_err());
    }
}
