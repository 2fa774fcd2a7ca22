//! The letters the caller may see: an enterprise its own, a bank those addressed to it, the platform's
//! staff all; found by whose they are, for whom, what for, how they stand and when they end.

use sdk::choice::Choice as _;
use sdk::prelude::*;

use super::shell;
use crate::actions::recipients;
use crate::model::{Letter, Purpose, Status};
use crate::rules::{self, SOON};

const PAGE: u32 = 20;
/// What people ask for by state, with what it is called. The dates tell what the status does not.
const STATES: [(&str, &str); 4] = [
    ("valid", "有效期内"),
    ("soon", "即将到期"),
    ("expired", "已到期"),
    ("revoked", "已撤回"),
];

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let mut find = Find::<Letter>::new().sort(Letter::CREATED_AT.desc());
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    if let Some(recipient) = ask.query("recipient") {
        find = find.filter(Letter::RECIPIENT.eq(recipient));
    }
    if let Some(purpose) = ask.query("purpose").and_then(Purpose::of_value) {
        find = find.filter(Letter::PURPOSES.has(&purpose));
    }
    for filter in in_state(ask.query("state"), ctx.today()) {
        find = find.filter(filter);
    }
    let (from, to) = (day(ask, "from"), day(ask, "to"));
    if let Some(Ok(from)) = from {
        find = find.filter(Letter::VALID_TO.at_least(from));
    }
    if let Some(Ok(to)) = to {
        find = find.filter(Letter::VALID_FROM.at_most(to));
    }
    let found = ctx.find::<Letter>(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("number", "授权书编号", 0),
        Column::new("grantor", "授权企业", 2),
        Column::new("recipient", "被授权机构", 1),
        Column::new("purposes", "用途", 3),
        Column::new("status", "状态", 1),
        Column::new("valid_to", "到期日", 2),
        Column::new("uses", "已使用", 3),
    ];
    let rows = found.into_iter().map(|letter| {
        let (state, tone) = rules::state(&letter, ctx.today());
        let purposes: Vec<&str> = letter.purposes.iter().map(|p| p.label()).collect();
        let cells = vec![
            Datum::text(&letter.number),
            Datum::text(&letter.grantor_name),
            Datum::text(&letter.recipient_name),
            Datum::text(purposes.join("、")),
            Datum::status(state, tone),
            Datum::date(letter.valid_to.to_string()),
            Datum::quantity(letter.uses, "次"),
        ];
        Row::new(letter.id.as_str(), cells).to(format!("/consent/letters/{}", letter.id))
    });
    let choices = |all: &[(&str, &str)]| {
        all.iter()
            .map(|(id, name)| Choice::new(*id, *name))
            .collect()
    };
    let banks = recipients(ctx)?;
    let banks: Vec<(&str, &str)> = banks.iter().map(|(id, name)| (&**id, &**name)).collect();
    let purposes: Vec<(&str, &str)> = Purpose::ALL
        .iter()
        .map(|p| (p.value(), p.label()))
        .collect();
    let mut table = Table::new(columns).of("letters").rows(rows);
    // A bank's letters are all for itself.
    if !ctx.caller().has_role("bank.officer") {
        table = table.filter(Field::pick("recipient", "被授权机构", choices(&banks)));
    }
    let table = table
        .filter(Field::pick("purpose", "用途", choices(&purposes)))
        .filter(Field::pick("state", "状态", choices(&STATES)))
        .filter(Field::date("from", "有效期自"))
        .filter(Field::date("to", "有效期至"))
        .search("编号、企业或机构，可用拼音")
        .paging(number, PAGE, total)
        .empty("没有符合条件的授权书。申请贷款或测额前，先为相应的银行签署一份。");
    let mut page = Page::new("数据授权")
        .shell(shell(ctx))
        .subtitle("没有您的授权，银行读不到您的数据；授权可随时撤回")
        .under("首页", "/");
    if ctx.caller().has_role("enterprise.owner") {
        page = page.action(
            Action::open("签署授权书", "/consent/letters/new")
                .icon("signature")
                .primary(),
        );
    }
    if [from, to].into_iter().flatten().any(|day| day.is_err()) {
        let notice = Notice::new(
            Tone::Warning,
            "日期没有采用：",
            "请按 2026-11-23 的格式填写。",
        );
        page = page.block(Block::notice("dates", notice));
    }
    Ok(page.block(Block::table("letters", table).title("授权书")))
}

/// A day that was asked for, if it is one.
fn day(ask: &Ask, name: &str) -> Option<Result<Date, ()>> {
    Some(ask.query(name)?.parse().map_err(|_| ()))
}

fn in_state(state: Option<&str>, today: Date) -> Vec<Filter> {
    let effective = Letter::STATUS.eq(Status::Effective);
    let [told, _] = SOON;
    match state {
        Some("valid") => vec![
            effective,
            Letter::VALID_FROM.at_most(today),
            Letter::VALID_TO.at_least(today),
        ],
        Some("soon") => vec![
            effective,
            Letter::VALID_TO.between(today, today.plus_days(told)),
        ],
        Some("expired") => vec![effective, Letter::VALID_TO.at_most(today.plus_days(-1))],
        Some("revoked") => vec![Letter::STATUS.eq(Status::Revoked)],
        _ => Vec::new(),
    }
}
