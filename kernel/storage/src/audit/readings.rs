//! How much everybody came to of other parties' data in a span of time, counted from the trail.

use std::collections::BTreeMap;

use super::DONE;
use crate::{StorageError, Store};

/// What one person or program came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// A user's or a program's id.
    pub actor: String,
    /// Whom they acted for; the greatest id of several.
    pub organisation: Option<String>,
    /// Parties whose data was read or changed, each once.
    pub parties: i64,
    /// Looks at masked values.
    pub looks: i64,
    /// What was refused.
    pub refused: i64,
}

impl Store {
    /// Of everybody who acted from one moment to before another, in microseconds since 1970; in the
    /// order of their ids, and without whoever came to nothing.
    pub async fn readings(&self, from: i64, to: i64) -> Result<Vec<Reading>, StorageError> {
        let mut all: BTreeMap<String, Reading> = BTreeMap::new();
        let read = self
            .fixed(
                "SELECT a.actor, MAX(a.organisation), COUNT(DISTINCT p.party) FROM kernel__audit a \
                 JOIN kernel__audit_parties p ON p.seq = a.seq \
                 WHERE a.at >= $1 AND a.at < $2 AND a.outcome = $3 GROUP BY a.actor",
                vec![from.into(), to.into(), DONE.into()],
                "counting whose data was read",
            )
            .await?;
        for row in &read {
            let one = of(&mut all, row)?;
            one.parties = row.number(2)?;
        }
        let tried = self
            .fixed(
                "SELECT actor, MAX(organisation), COUNT(CASE WHEN outcome = $3 THEN 1 END), \
                 COUNT(CASE WHEN outcome <> $3 THEN 1 END) FROM kernel__audit \
                 WHERE at >= $1 AND at < $2 AND (action = 'field.look' OR outcome <> $3) \
                 GROUP BY actor",
                vec![from.into(), to.into(), DONE.into()],
                "counting looks and refusals",
            )
            .await?;
        for row in &tried {
            let one = of(&mut all, row)?;
            (one.looks, one.refused) = (row.number(2)?, row.number(3)?);
        }
        Ok(all.into_values().collect())
    }

    /// The parties whose data somebody read between two moments, some of them where there are more.
    pub async fn parties_read(
        &self,
        actor: &str,
        (from, to): (i64, i64),
        most: u32,
    ) -> Result<Vec<String>, StorageError> {
        let read = self
            .fixed(
                "SELECT DISTINCT p.party FROM kernel__audit a \
                 JOIN kernel__audit_parties p ON p.seq = a.seq \
                 WHERE a.actor = $1 AND a.at >= $2 AND a.at < $3 AND a.outcome = $4 \
                 ORDER BY p.party LIMIT $5",
                vec![
                    actor.into(),
                    from.into(),
                    to.into(),
                    DONE.into(),
                    i64::from(most).into(),
                ],
                "naming whose data was read",
            )
            .await?;
        read.iter().map(|row| row.string(0)).collect()
    }
}

/// The reading of a row's actor.
fn of<'a>(
    all: &'a mut BTreeMap<String, Reading>,
    row: &crate::backend::Row,
) -> Result<&'a mut Reading, StorageError> {
    let (actor, organisation) = (row.string(0)?, row.text(1)?);
    let one = all.entry(actor.clone()).or_default();
    one.actor = actor;
    one.organisation = organisation.max(one.organisation.take());
    Ok(one)
}
