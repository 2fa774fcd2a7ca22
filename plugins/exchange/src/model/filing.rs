//! A dispute as it is when it is filed.

use sdk::prelude::*;

use super::{Dispute, Source, Status};
use crate::rules;
use crate::rules::items::Item;

/// What somebody files, of an item as its record stands.
pub(crate) struct Filing {
    pub(crate) filer_name: String,
    pub(crate) claimed: String,
    pub(crate) statement: String,
    pub(crate) evidence: Option<Vec<StoredFile>>,
    pub(crate) at: Timestamp,
    pub(crate) day: Date,
    /// The day by which it is to be marked.
    pub(crate) due_on: Option<Date>,
}

impl Filing {
    /// Everything that comes later is still to come.
    pub(crate) fn of(
        self,
        (item, source): (&Item, Source),
        (id, subject): (&str, &str),
    ) -> Dispute {
        Dispute {
            number: rules::number(self.day, id),
            filer_name: self.filer_name,
            item: item.name.into(),
            item_label: item.label.into(),
            dataset: item.collection.into(),
            field: item.field.into(),
            source_name: source.name,
            record_id: source.id,
            record_revision: source.revision,
            record_version: source.version,
            as_of: source.as_of,
            recorded: source.value,
            claimed: Some(self.claimed),
            statement: Some(self.statement),
            evidence: self.evidence,
            status: Status::Submitted,
            open_key: Some(rules::open_key(subject, item.name)),
            handler: None,
            handler_name: None,
            submitted_at: self.at,
            marked_at: None,
            transferred_at: None,
            due_on: self.due_on,
            escalated_on: None,
            escalations: None,
            after_record: None,
            after_version: None,
            reply: None,
            replied_at: None,
            replied_by: None,
            appeal_until: None,
            appeal_statement: None,
            appeal_evidence: None,
            appealed_at: None,
            appeal_reply: None,
            appeal_replied_at: None,
            ended_on: None,
        }
    }
}
