//! Versions of a source's record. What was corrected stays beside its correction, each naming the other,
//! so that a score can be told by the version it read; a mark is carried along to the newest.

use sdk::prelude::*;

use crate::model::{InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord};

/// What a record says of its versions and marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links<'a> {
    pub(crate) version: i64,
    pub(crate) corrects: Option<&'a str>,
    pub(crate) replaced_by: Option<&'a str>,
    /// Names of fields whose value is disputed.
    pub(crate) disputed: &'a [String],
}

/// A record of a source.
pub(crate) trait Versioned: Record {
    fn links(&self) -> Links<'_>;
    /// It has given way to another record.
    fn replaced(by: &str) -> Patch<Self>;
    fn marked(fields: Vec<String>) -> Patch<Self>;
    fn source(&self) -> (&str, Date);
}

macro_rules! versioned {
    ($($record:ty),*) => {$(
        impl Versioned for $record {
            fn links(&self) -> Links<'_> {
                Links {
                    version: self.version.unwrap_or(1),
                    corrects: self.corrects.as_deref(),
                    replaced_by: self.replaced_by.as_deref(),
                    disputed: self.disputed.as_deref().unwrap_or_default(),
                }
            }
            fn replaced(by: &str) -> Patch<Self> {
                Patch::new().set(Self::REPLACED_BY, by)
            }
            fn marked(fields: Vec<String>) -> Patch<Self> {
                Patch::new().set(Self::DISPUTED, fields)
            }
            fn source(&self) -> (&str, Date) {
                (&self.source, self.as_of)
            }
        }
    )*};
}
versioned!(TaxRecord, InsuranceRecord, UtilityRecord, JudicialRecord);

/// The record that counts, which no other has taken the place of, of those of a party that the caller may read.
pub(crate) fn newest<R: Versioned>(ctx: &Ctx, subject: &str) -> Result<Option<Stored<R>>, Fault> {
    let find = Find::<R>::new()
        .filter(R::SUBJECT.eq(subject))
        .filter(Filter::Missing {
            field: "replaced_by".into(),
        })
        .sort(R::CREATED_AT.desc())
        .sort(R::ID.desc())
        .limit(1);
    Ok(ctx.find(find)?.first())
}

/// The next version: as this one, but for one field.
pub(crate) fn next<R: Versioned>(
    record: &Stored<R>,
    (field, value): (&str, Value),
    dispute: &str,
) -> Result<R, Fault> {
    let mut values = record.record.to_map();
    values.insert(field.to_owned(), value);
    values.insert(
        "version".into(),
        json!(record.links().version.saturating_add(1)),
    );
    values.insert("corrects".into(), json!(record.id));
    values.insert("dispute".into(), json!(dispute));
    R::from_map(&values).map_err(Fault::invalid)
}
