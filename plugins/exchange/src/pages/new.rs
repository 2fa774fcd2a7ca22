//! Filing: pick an item of one's own data, then say what is right and why.

use sdk::prelude::*;

use super::{papers, words};
use crate::model::{Dispute, Source};
use crate::rules;
use crate::rules::items::{ITEMS, Item};

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let page = Page::new("提出异议")
        .under("首页", "/")
        .under("数据异议", "/exchange/disputes");
    let subject = ctx.caller().subject.clone().unwrap_or_default();
    let Some(item) = ask.query("item").and_then(Item::of) else {
        return Ok(page
            .subtitle("请选择有误的数据项")
            .block(choice(ctx, &subject)?));
    };
    let page = page.subtitle(item.label);
    let Some(source) = Source::newest(ctx, item, &subject)? else {
        return Ok(page.block(stop(
            "来源单位没有您的这类记录。",
            "评分时按“缺失”处理，不作为不利因素。",
            Action::open("选其他数据项", "/exchange/disputes/new"),
        )));
    };
    let key = rules::open_key(&subject, item.name);
    if let Some(open) = ctx.find::<Dispute>(Dispute::OPEN_KEY.eq(key))?.first() {
        let text = format!("编号 {}，办结后才能再次提出。", open.number);
        let see = Action::open("查看进度", format!("/exchange/disputes/{}", open.id)).primary();
        return Ok(page.block(stop("这项数据已有一件在途的异议。", &text, see)));
    }
    let side = Section::main_and_side()
        .block(Block::form(form(item)).title("异议内容"))
        .block(standing(item, &source));
    Ok(page.section(side))
}

fn stop(title: &str, text: &str, action: Action) -> Block {
    let notice = Notice::new(Tone::Warning, title, text).action(action);
    Block::notice("stop", notice)
}

fn form(item: &Item) -> Form {
    let send = Action::send("提交异议", "dispute.submit").arg("item", item.name);
    Form::new("submit", send)
        .drafts()
        .field(item.field())
        .field(words(
            "statement",
            "异议说明",
            "哪里有误、依据是什么，来源单位据此核查",
        ))
        .field(papers("证明材料"))
}

/// What the record says now.
fn standing(item: &Item, source: &Source) -> Block {
    let value = source.value.as_deref().map(|kept| item.shown(kept));
    let facts = vec![
        Fact::new("数据项", Datum::text(item.label)),
        Fact::new("记录的值", value.unwrap_or_else(|| Datum::text("无记录"))),
        Fact::new("来源单位", Datum::text(&source.name)),
        Fact::new("版次", Datum::Integer(source.version)),
        Fact::new(
            "数据记录",
            Datum::link("查看记录", format!("/credit/records/{}", source.id)),
        ),
    ];
    Block::details("standing", facts)
        .title("现有记录")
        .help("提交后由平台标注并转来源单位；您与经办人以外的人看不到异议的内容")
}

/// All items with what the records say of the party.
fn choice(ctx: &Ctx, subject: &str) -> Result<Block, Fault> {
    let mut rows = Vec::new();
    for item in &ITEMS {
        let Some(source) = Source::newest(ctx, item, subject)? else {
            continue;
        };
        let path = format!("/exchange/disputes/new?item={}", item.name);
        let value = source.value.as_deref().map(|kept| item.shown(kept));
        let cells = vec![
            Datum::text(item.label),
            value.unwrap_or_else(|| Datum::text("无记录")),
            Datum::text(&source.name),
        ];
        let key = item.name.replace('.', "-");
        rows.push(
            Row::new(key, cells)
                .to(&path)
                .action(Action::open("提出异议", path)),
        );
    }
    let columns = vec![
        Column::new("item", "数据项", 0),
        Column::new("value", "记录的值", 1),
        Column::new("source", "来源单位", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .empty("来源单位没有您的记录，没有可以提出异议的数据项");
    Ok(Block::table("items", table).title("我的数据项"))
}
