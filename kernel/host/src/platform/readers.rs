//! 数据查询记录: who has read or used the data of the party that somebody acts for, as the audit trail
//! has it (征信业管理条例 art. 17; 个人信息保护法 art. 44). Institutions, not the people in them.

use kernel_storage::{AuditDraft, AuditFilter};
use sdk_contract::call::Ask;
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Field, Notice, Page, Row, Table};

use super::Desk;
use crate::Catalog;
use crate::console::names::Names;
use crate::console::pages::{PAGE, page_number};
use crate::console::{action_words, midnight};
use crate::reads::ask as ask_fault;

pub(super) const PATH: &str = "/platform/readers";

pub(super) async fn page(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let page = Page::new("数据查询记录")
        .subtitle("其他机构查看、使用您所代表主体的数据的每次记录，取自不可更改的审计日志");
    let Some(subject) = &desk.call.principal.subject else {
        let text = "您当前没有代表任何主体；切换到所代表的主体后查看";
        let notice = Notice::new(Tone::Info, "", text);
        return Ok(page.block(Block::notice("nobody", notice)));
    };
    let number = page_number(ask);
    let filter = AuditFilter {
        party: Some(subject.clone()),
        from: ask.query("from").and_then(|day| midnight(day, 0)),
        to: ask.query("to").and_then(|day| midnight(day, 1)),
        ..AuditFilter::default()
    };
    let host = desk.host;
    let found = host.store().audit_find(&filter, PAGE, (number - 1) * PAGE);
    let found = found.await.map_err(|e| ask_fault(&e))?;
    let organisations = found.records.iter();
    let organisations = organisations.filter_map(|r| r.draft.organisation.as_deref());
    let names = Names::of(host, Vec::new(), organisations.collect()).await?;
    let catalog = host.catalog();
    let rows = found.records.iter().map(|record| {
        let draft = &record.draft;
        let by = draft.organisation.as_deref();
        let outcome = match draft.outcome.as_str() {
            "ok" => Datum::status("完成", Tone::Neutral),
            _ => Datum::status("被拒绝", Tone::Warning),
        };
        let cells = vec![
            Datum::Time(draft.at),
            Datum::text(by.map_or("平台", |id| names.or_id(id))),
            Datum::text(done(&catalog, draft)),
            outcome,
        ];
        Row::new(format!("a{}", record.seq), cells)
    });
    let columns = vec![
        Column::new("at", "时间", 0),
        Column::new("by", "机构", 0),
        Column::new("action", "操作", 1),
        Column::new("outcome", "结果", 1),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .filter(Field::date("from", "从"))
        .filter(Field::date("to", "到"))
        .paging(number, PAGE, found.total)
        .empty("没有其他机构查看或使用过您的数据");
    Ok(page.block(Block::table("readers", table)))
}

/// What was done; of a page, which one.
fn done(catalog: &Catalog, draft: &AuditDraft) -> String {
    let words = action_words(catalog, &draft.action);
    let page = (draft.action == "page.view").then(|| match draft.object.as_str() {
        "/" => Some("首页".to_owned()),
        path => Some(catalog.match_page(path)?.page.label.zh),
    });
    match page.flatten() {
        Some(page) => format!("{words}：{page}"),
        None => words,
    }
}
