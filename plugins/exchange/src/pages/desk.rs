//! What waits for the platform and the sources, and how long it has waited.

use sdk::choice::Choice as _;
use sdk::prelude::*;

use super::mine::statuses;
use crate::model::{Dispute, Status};
use crate::rules;

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let (number, today) = (ask.page_number(), ctx.today());
    let mut find = Find::<Dispute>::new();
    if let Some(status) = ask.query("status").and_then(Status::of_value) {
        find = find.filter(Dispute::STATUS.eq(status));
    }
    if ask.query("late").is_some() {
        find = find.filter(late(today));
    }
    if ask.query("mine").is_some() {
        find = find.filter(Dispute::HANDLER.eq(ctx.caller().user.clone().unwrap_or_default()));
    }
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    let find = find.sort(Dispute::CREATED_AT.desc());
    let found = ctx.find(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("number", "异议编号", 3),
        Column::new("filer", "申请人", 0),
        Column::new("item", "数据项", 1),
        Column::new("source", "来源单位", 2),
        Column::new("status", "状态", 0),
        Column::new("due", "期限", 1),
        Column::new("handler", "经办人", 3),
        Column::new("submitted", "提出时间", 3),
    ];
    let table = Table::new(columns)
        .of("disputes")
        .rows(found.into_iter().map(|d| row(&d, today)))
        .filter(statuses())
        .filter(Field::pick(
            "late",
            "期限",
            vec![Choice::new("yes", "已逾期")],
        ))
        .filter(Field::pick(
            "mine",
            "经办",
            vec![Choice::new("yes", "由我经办")],
        ))
        .search("申请人、数据项或异议编号，可用拼音")
        .paging(number, PAGE, total)
        .empty("没有符合条件的异议。请更换筛选条件。");
    Ok(Page::new("数据异议办理")
        .shell(Shell::Bench)
        .subtitle(ctx.caller().organisation_name.clone())
        .block(Block::stats("counts", stats(ctx)?))
        .block(Block::table("desk", table).title("异议")))
}

fn row(d: &Stored<Dispute>, today: Date) -> Row {
    let cells = vec![
        Datum::text(&d.number),
        Datum::text(&d.filer_name),
        Datum::text(&d.item_label),
        Datum::text(&d.source_name),
        Datum::Status(d.status.status()),
        rules::due(d, today),
        d.handler_name.as_ref().map_or(Datum::None, Datum::text),
        Datum::Time(d.submitted_at.micros()),
    ];
    let to = format!("/exchange/disputes/{}", d.id);
    let label = if d.status.is_open() {
        "办理"
    } else {
        "查看"
    };
    Row::new(d.id.as_str(), cells)
        .to(&to)
        .action(Action::open(label, to))
}

/// Steps whose last day has passed; what has ended has none.
fn late(today: Date) -> Filter {
    Dispute::DUE_ON.at_most(today.plus_days(-1))
}

fn stats(ctx: &Ctx) -> Result<Vec<Stat>, Fault> {
    let count = |filter: Filter| -> Result<i64, Fault> {
        let groups = ctx.aggregate(Aggregate {
            collection: Dispute::COLLECTION.into(),
            filter: Some(filter),
            measures: vec![Measure::Count],
            ..Aggregate::default()
        })?;
        let count = groups.first().and_then(|g| g.measures.first()?.as_i64());
        Ok(count.unwrap_or_default())
    };
    let of = |label: &str, status: Status| -> Result<Stat, Fault> {
        let count = count(Dispute::STATUS.eq(status))?;
        Ok(Stat::new(label, Datum::Integer(count))
            .icon("message", status.tone())
            .to(format!("/exchange/desk?status={}", status.value())))
    };
    let overdue = count(late(ctx.today()))?;
    let tone = if overdue > 0 {
        Tone::Danger
    } else {
        Tone::Neutral
    };
    Ok(vec![
        of("待标注", Status::Submitted)?,
        of("待转办", Status::Marked)?,
        of("待核查", Status::Transferred)?,
        of("申诉待核查", Status::Appealed)?,
        Stat::new("已逾期", Datum::Integer(overdue))
            .icon("clock", tone)
            .to("/exchange/desk?late=yes"),
    ])
}

/// The counts, on the home page of whoever has something to do with them.
pub(super) fn block(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let block = Block::stats("disputes", stats(ctx)?).title("数据异议");
    Ok(vec![Section::stack().block(block)])
}
