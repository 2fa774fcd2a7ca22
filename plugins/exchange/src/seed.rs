//! Demo: the platform's office, a holiday, and a dispute that waits too long to be marked.

use sdk::prelude::*;

use crate::model::{DayKind, Dispute, Holiday, Standard, Status};
use crate::rules;

/// The platform's own people, in the demo.
const OFFICE: &str = "01930000-0000-7000-8000-000000000001";
/// The unit that the disputed record is of.
const CREDIT_UNIT: &str = "01930000-0000-7000-8000-000000000004";
const PARTY: &str = "01930000-0000-7000-8000-000000001002";
const DISPUTE: &str = "01930000-0000-7000-8000-000000005101";

pub(crate) fn all() -> Vec<SeedDef> {
    let (Some(filed), Some(new_year)) = (Date::new(2026, 11, 12), Date::new(2027, 1, 1)) else {
        return Vec::new();
    };
    let standard = Standard {
        office: Some(OFFICE.into()),
        ..Standard::initial()
    };
    let holiday = Holiday {
        day: new_year,
        kind: DayKind::Off,
        name: "元旦".into(),
    };
    vec![
        Seed::demo("01930000-0000-7000-8000-000000005001", standard).into(),
        Seed::demo("01930000-0000-7000-8000-000000005002", holiday).into(),
        Seed::demo(DISPUTE, overdue(filed))
            .subject(PARTY)
            .organisation(CREDIT_UNIT)
            .district("310104")
            .into(),
    ]
}

/// Filed on a day, due the next, and not marked yet.
pub(crate) fn overdue(filed: Date) -> Dispute {
    let at = Timestamp::from_local(&format!("{filed}T09:30")).unwrap_or_default();
    Dispute {
        number: rules::number(filed, DISPUTE),
        filer_name: "上海澄湖食品有限公司".into(),
        item: "judicial.enforcement_count".into(),
        item_label: "被执行案件数".into(),
        dataset: "credit.judicial-records".into(),
        field: "enforcement_count".into(),
        source_name: "高级人民法院、市信用中心".into(),
        record_id: "01930000-0000-7000-8000-000000041002".into(),
        record_revision: 1,
        record_version: 1,
        as_of: Date::new(2026, 10, 31),
        recorded: Some("1".into()),
        claimed: Some("0".into()),
        statement: Some("案件已执行完毕并结案，记录未更新".into()),
        evidence: None,
        status: Status::Submitted,
        open_key: Some(rules::open_key(PARTY, "judicial.enforcement_count")),
        handler: None,
        handler_name: None,
        submitted_at: at,
        marked_at: None,
        transferred_at: None,
        due_on: Some(filed.plus_days(1)),
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
