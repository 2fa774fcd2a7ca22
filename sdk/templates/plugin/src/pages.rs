//! What is shown: typed page documents, never HTML.

use sdk::prelude::*;

use crate::model::{Status, Ticket};
use crate::permissions;

/// Rows on a page of a list.
const PAGE: u32 = 20;

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/{{id}}/tickets",
        label: "我的工单",
        en: "My tickets",
        icon: "message",
        area: Area::Me,
        order: 90,
        permission: permissions::ASK,
        render: mine,
    },
    Route {
        path: "/{{id}}/desk",
        label: "工单答复",
        en: "Tickets",
        icon: "message",
        area: Area::Bench,
        order: 90,
        permission: permissions::ANSWER,
        render: desk,
    },
    Route {
        path: "/{{id}}/tickets/{id}",
        label: "工单",
        en: "Ticket",
        icon: "message",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: ticket,
    },
];

fn mine(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let form = Form::new("ask", Action::send("提交", "ticket.ask"))
        .field(Field::text("title", "标题", 60).required())
        .field(Field::area("question", "问题", 2000).required());
    Ok(Page::new("我的工单")
        .under("首页", "/")
        .block(list(ctx, ask, "还没有提过问题。")?)
        .block(Block::form(form).title("提一个问题")))
}

fn desk(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    Ok(Page::new("工单答复")
        .shell(Shell::Bench)
        .block(list(ctx, ask, "没有工单。")?))
}

/// The tickets the caller may see, newest first.
fn list(ctx: &Ctx, ask: &Ask, empty: &str) -> Result<Block, Fault> {
    let number = ask.page_number();
    let newest = Find::<Ticket>::new().sort(Ticket::CREATED_AT.desc());
    let found = ctx.find(newest.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("title", "标题", 0),
        Column::new("status", "状态", 1),
        Column::new("created_at", "提出时间", 2),
    ];
    let rows = found.into_iter().map(|ticket| {
        let cells = vec![
            Datum::text(&ticket.title),
            Datum::status(ticket.status.label(), ticket.status.tone()),
            Datum::Time(ticket.created_at.micros()),
        ];
        Row::new(ticket.id.as_str(), cells).to(format!("/{{id}}/tickets/{}", ticket.id))
    });
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, total)
        .empty(empty);
    Ok(Block::table("tickets", table))
}

fn ticket(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let ticket = ctx.must::<Ticket>(ask.param("id"))?;
    let mut facts = vec![Fact::new("问题", Datum::text(&ticket.question))];
    if let Some(answer) = &ticket.answer {
        facts.push(Fact::new("答复", Datum::text(answer)));
    }
    let asker = ctx.caller().subject.is_some();
    let mut page = Page::new(&ticket.title)
        .shell(if asker { Shell::Portal } else { Shell::Bench })
        .status(ticket.status.label(), ticket.status.tone())
        .block(Block::details("facts", facts));
    if asker && ticket.status != Status::Closed {
        page = page.action(Action::send("关闭", "ticket.close").record(ticket.id.as_str()));
    }
    if !asker && ticket.status == Status::Open {
        let answer = Action::send("答复", "ticket.answer").record(ticket.id.as_str());
        let form =
            Form::new("answer", answer).field(Field::area("answer", "答复", 2000).required());
        page = page.block(Block::form(form));
    }
    Ok(page)
}
