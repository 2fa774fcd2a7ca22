//! Demo: the platform's office, a holiday, and a dispute that waits too long to be marked.

use sdk::prelude::*;

use crate::model::{DayKind, Dispute, Filing, Holiday, Source, Standard};
use crate::rules::items::Item;

/// The platform's own people, in the demo.
const OFFICE: &str = "01930000-0000-7000-8000-000000000001";
/// The unit that the disputed record is of.
const CREDIT_UNIT: &str = "01930000-0000-7000-8000-000000000004";
const PARTY: &str = "01930000-0000-7000-8000-000000001002";
const DISPUTE: &str = "01930000-0000-7000-8000-000000005101";

pub(crate) fn all() -> Vec<SeedDef> {
    let filed = Date::new(2026, 11, 12).and_then(overdue);
    let (Some(late), Some(new_year)) = (filed, Date::new(2027, 1, 1)) else {
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
        Seed::demo(DISPUTE, late)
            .subject(PARTY)
            .organisation(CREDIT_UNIT)
            .district("310104")
            .into(),
    ]
}

/// Filed on a day, due the next, and not marked yet.
pub(crate) fn overdue(filed: Date) -> Option<Dispute> {
    let item = Item::of("judicial.enforcement_count")?;
    let source = Source {
        id: "01930000-0000-7000-8000-000000041002".into(),
        revision: 1,
        version: 1,
        as_of: Date::new(2026, 10, 31),
        organisation: Some(CREDIT_UNIT.into()),
        name: "高级人民法院、市信用中心".into(),
        value: Some("1".into()),
    };
    let filing = Filing {
        filer_name: "上海澄湖食品有限公司".into(),
        claimed: "0".into(),
        statement: "案件已执行完毕并结案，记录未更新".into(),
        evidence: None,
        at: Timestamp::from_local(&format!("{filed}T09:30")).unwrap_or_default(),
        day: filed,
        due_on: Some(filed.plus_days(1)),
    };
    Some(filing.of((item, source), (DISPUTE, PARTY)))
}
