//! A filer's own disputes.

use sdk::choice::Choice as _;
use sdk::prelude::*;

use crate::model::{Dispute, Status};
use crate::rules;

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let mut find = Find::<Dispute>::new()
        .filter(Dispute::SUBJECT.eq(ctx.caller().subject.clone().unwrap_or_default()))
        .sort(Dispute::CREATED_AT.desc());
    if let Some(status) = ask.query("status").and_then(Status::of_value) {
        find = find.filter(Dispute::STATUS.eq(status));
    }
    let found = ctx.find(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("item", "数据项", 0),
        Column::new("source", "来源单位", 2),
        Column::new("status", "状态", 0),
        Column::new("due", "期限", 2),
        Column::new("submitted", "提出时间", 2),
        Column::new("number", "异议编号", 3),
    ];
    let today = ctx.today();
    let rows = found.into_iter().map(|d| {
        let cells = vec![
            Datum::text(&d.item_label),
            Datum::text(&d.source_name),
            Datum::Status(d.status.status()),
            rules::due(&d, today),
            Datum::Time(d.submitted_at.micros()),
            Datum::text(&d.number),
        ];
        Row::new(d.id.as_str(), cells).to(format!("/exchange/disputes/{}", d.id))
    });
    let table = Table::new(columns)
        .of("disputes")
        .rows(rows)
        .filter(statuses())
        .paging(number, PAGE, total)
        .empty("还没有异议。数据有误的，点“提出异议”选择数据项。");
    Ok(Page::new("数据异议")
        .subtitle("对银行评分所读取的数据有异议的，由来源单位核查后更正或维持，并书面答复")
        .under("首页", "/")
        .action(
            Action::open("提出异议", "/exchange/disputes/new")
                .icon("message")
                .primary(),
        )
        .block(Block::table("disputes", table).title("我的异议")))
}

pub(super) fn statuses() -> Field {
    let all = Status::ALL
        .iter()
        .map(|s| Choice::new(s.value(), s.label()))
        .collect();
    Field::pick("status", "状态", all)
}
