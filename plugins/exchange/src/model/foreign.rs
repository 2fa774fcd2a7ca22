//! What this module reads of credit's records: the newest of a party in one collection, as the caller.

use sdk::prelude::*;

use crate::rules::items::{Item, text};

/// A record as it concerns a dispute of one of its items.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) version: i64,
    /// The day that the data is of; a correction keeps it.
    pub(crate) as_of: Option<Date>,
    /// The unit that answers for it.
    pub(crate) organisation: Option<String>,
    pub(crate) name: String,
    /// What it says of the item; none where it says nothing, or nothing to the caller.
    pub(crate) value: Option<String>,
}

impl Source {
    fn read(item: &Item, map: &Map) -> Self {
        let word = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| map.get(name).and_then(Value::as_i64).unwrap_or(1);
        Self {
            id: word("id").unwrap_or_default(),
            revision: number("revision"),
            version: number("version"),
            as_of: word("as_of").and_then(|day| day.parse().ok()),
            organisation: word("organisation"),
            name: word("source").unwrap_or_default(),
            value: map.get(item.field).and_then(text),
        }
    }

    /// The record that counts of a party: the newest that no correction has taken the place of.
    pub(crate) fn newest(ctx: &Ctx, item: &Item, subject: &str) -> Result<Option<Self>, Fault> {
        let query = Self::of(item, subject).filter(Filter::Missing {
            field: "replaced_by".into(),
        });
        Self::first(ctx, item, query.sort("created_at", true))
    }

    /// The last version that was made for a dispute from a moment on. Another item's correction may have
    /// taken its place since.
    pub(crate) fn made_for(
        ctx: &Ctx,
        item: &Item,
        (subject, dispute): (&str, &str),
        since: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let query = Self::of(item, subject)
            .filter(Filter::eq("dispute", dispute))
            .filter(Filter::Range {
                field: "created_at".into(),
                min: Some(json!(since)),
                max: None,
            });
        Self::first(ctx, item, query.sort("version", true))
    }

    fn of(item: &Item, subject: &str) -> Query {
        Query::new(item.collection)
            .filter(Filter::eq("subject", subject))
            .limit(1)
    }

    /// Nothing where the caller may not read, or nobody keeps such records.
    fn first(ctx: &Ctx, item: &Item, query: Query) -> Result<Option<Self>, Fault> {
        match ctx.find_raw(query) {
            Ok(found) => Ok(found.records.first().map(|map| Self::read(item, map))),
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden) => {
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}
