//! 权限变更历史: who changed what about organisations and access, when, why, before and after.

use sdk_contract::call::Ask;
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Field, Page, Row, Table};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value};

use super::in_words::{Words, changes};
use super::{Desk, word};
use crate::console::pages::{PAGE, bench, page_number};
use crate::transfer::export_of;

pub(super) const PATH: &str = "/platform/changes";
const CHANGES: &str = "platform.changes";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let query = asked(ask).page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    // The page's own names, as the list of the collection has them.
    let named = [("from", "created_at.min"), ("to", "created_at.max")];
    let narrowed = ask.query.iter().map(|(name, value)| {
        let listed = named.iter().find(|(own, _)| own == name);
        (
            listed.map_or(name.as_str(), |(_, l)| l).to_owned(),
            value.clone(),
        )
    });
    let table = table(desk, &found.records)
        .search("对象、姓名")
        .filter(Field::pick("what", "变更", changes(desk.host)))
        .filter(Field::date("from", "从"))
        .filter(Field::date("to", "到"))
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("没有符合条件的变更");
    let mut page = bench("权限变更历史").subtitle("只增不改；谁、何时、为何、变更前后与当时所属");
    if desk.host.may_transfer(&desk.call.principal, CHANGES).1 {
        page = page.action(export_of(CHANGES, &narrowed.collect()));
    }
    Ok(page.block(Block::table("changes", table)))
}

/// The changes of one organisation, person or object, newest first.
pub(super) async fn of(desk: &Desk<'_>, field: &str, id: &str) -> Result<Block, Fault> {
    let query = Query::new(CHANGES)
        .filter(Filter::eq(field, id))
        .sort("created_at", true)
        .limit(PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let table = table(desk, &found.records).empty("还没有变更");
    Ok(Block::table("history", table).more("全部变更", PATH))
}

fn asked(ask: &Ask) -> Query {
    let mut query = Query::new(CHANGES).sort("created_at", true);
    if let Some(what) = ask.query("what") {
        query = query.filter(Filter::eq("what", what));
    }
    if let Some(text) = ask.query("q") {
        query = query.filter(Filter::contains("title", text));
    }
    let day = |name: &str, days: i64| {
        let begin: Timestamp = format!("{}T00:00:00+08:00", ask.query(name)?)
            .parse()
            .ok()?;
        Some(Value::from(begin.plus_seconds(days * 86_400).to_string()))
    };
    let (min, max) = (day("from", 0), day("to", 1));
    if min.is_some() || max.is_some() {
        query = query.filter(Filter::Range {
            field: "created_at".into(),
            min,
            max,
        });
    }
    query
}

fn table(desk: &Desk<'_>, records: &[Map<String, Value>]) -> Table {
    let words = Words::of(desk.host);
    let rows = records.iter().map(|r| {
        let by = match word(r, "approved_by") {
            "" => word(r, "by_name").to_owned(),
            second => format!("{}（复核：{second}）", word(r, "by_name")),
        };
        Row::new(
            word(r, "id"),
            vec![
                Datum::text(word(r, "title")),
                Datum::text(words.change(word(r, "what"))),
                Datum::time_text(word(r, "created_at")),
                Datum::text(words.told(r.get("before"))),
                Datum::text(words.told(r.get("after"))),
                Datum::text(by),
                Datum::text(word(r, "reason")),
                Datum::text(word(r, "place")),
            ],
        )
    });
    let columns = vec![
        Column::new("title", "对象", 0),
        Column::new("what", "变更", 1),
        Column::new("at", "时间", 1),
        Column::new("before", "变更前", 2),
        Column::new("after", "变更后", 2),
        Column::new("by", "经办人", 2),
        Column::new("reason", "原因", 3),
        Column::new("place", "当时所属", 3),
    ];
    Table::new(columns).rows(rows)
}
