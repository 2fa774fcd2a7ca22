//! The bank's queue: how much there is to do, and what.

use sdk::prelude::*;

use super::money;
use crate::model::{Application, Status};

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let mut find = Find::<Application>::new();
    if let Some(status) = ask.query("status") {
        find = find.filter(Filter::eq(Application::STATUS.name(), status));
    }
    if ask.query("review").is_some() {
        find = find.filter(awaits_review());
    }
    if let Some(product) = ask.query("product") {
        find = find.filter(Application::PRODUCT_NAME.eq(product));
    }
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    let sort = ask.query("sort").unwrap_or_default();
    let (key, descending) = sort
        .strip_prefix('-')
        .map_or((sort, false), |key| (key, true));
    let order = match key {
        "amount" => Application::AMOUNT.name(),
        "score" => Application::SCORE.name(),
        "submitted" => Application::SUBMITTED_AT.name(),
        _ => "",
    };
    find = match order {
        "" => find.sort(Application::SUBMITTED_AT.desc()),
        field => find.sort(Sort {
            field: field.to_owned(),
            descending,
        }),
    };
    let found = ctx.find::<Application>(find.page(number, PAGE))?;
    let total = found.total;

    let columns = vec![
        Column::new("number", "申请编号", 3),
        Column::new("enterprise", "企业名称", 0),
        Column::new("product", "产品", 2),
        Column::new("amount", "申请金额", 1).sortable(),
        Column::new("score", "信用分", 2).sortable(),
        Column::new("status", "状态", 1),
        Column::new("submitted", "提交时间", 3).sortable(),
    ];
    let statuses = Status::ALL
        .iter()
        .map(|s| Choice::new(s.value(), s.label()))
        .collect();
    let products = products(ctx)?
        .into_iter()
        .map(|p| Choice::new(&p, &p))
        .collect();
    let table = Table::new(columns)
        .of("applications")
        .rows(found.into_iter().map(|a| row(&a)))
        .filter(Field::pick("status", "状态", statuses))
        .filter(Field::pick("product", "产品", products))
        .filter(Field::pick(
            "review",
            "人工复核",
            vec![Choice::new("asked", "待答复")],
        ))
        .search("企业、产品或申请编号，可用拼音")
        .paging(number, PAGE, total)
        .empty("没有符合条件的申请。请更换筛选条件，或等待新的申请。");
    Ok(Page::new("贷款审批")
        .shell(Shell::Bench)
        .subtitle(ctx.caller().organisation_name.clone())
        .block(Block::stats("counts", stats(ctx)?))
        .block(Block::table("queue", table).title("审批队列")))
}

/// How many applications are in each state, as far as the caller sees them. Of others' few it is
/// not said how many.
pub(super) fn stats(ctx: &Ctx) -> Result<Vec<Stat>, Fault> {
    let groups = ctx.aggregate(Aggregate {
        collection: Application::COLLECTION.into(),
        filter: None,
        group_by: vec![Application::STATUS.name().into()],
        measures: vec![Measure::Count],
        ..Aggregate::default()
    })?;
    let count = |status: Status| {
        let group = groups
            .iter()
            .find(|g| g.keys.first().and_then(Value::as_str) == Some(status.value()));
        match group {
            Some(group) if group.suppressed => Datum::text("少量"),
            found => {
                let count = found.and_then(|g| g.measures.first()?.as_i64());
                Datum::Integer(count.unwrap_or_default())
            }
        }
    };
    let stat = |label: &str, status: Status, icon: &str| {
        Stat::new(label, count(status))
            .icon(icon, status.tone())
            .to(format!("/lending/queue?status={}", status.value()))
    };
    let asked = ctx.aggregate(Aggregate {
        collection: Application::COLLECTION.into(),
        filter: Some(awaits_review()),
        measures: vec![Measure::Count],
        ..Aggregate::default()
    })?;
    let asked = match asked.first() {
        Some(group) if group.suppressed => Datum::text("少量"),
        group => {
            let count = group.and_then(|g| g.measures.first()?.as_i64());
            Datum::Integer(count.unwrap_or_default())
        }
    };
    Ok(vec![
        stat("待受理", Status::Submitted, "inbox"),
        stat("审批中", Status::UnderReview, "clipboard-list"),
        stat("待企业补充", Status::Returned, "arrow-back-up"),
        stat("已通过", Status::Approved, "circle-check"),
        Stat::new("待答复人工复核", asked)
            .icon("message", Tone::Warning)
            .to("/lending/queue?review=asked"),
    ])
}

/// Applications whose enterprise waits for a person's look.
fn awaits_review() -> Filter {
    let missing = |field: &str| Filter::Missing {
        field: field.to_owned(),
    };
    Filter::And(vec![
        missing(Application::REVIEW_ASKED_AT.name()).not(),
        missing(Application::REVIEW_ANSWERED_AT.name()),
    ])
}

/// Names of the products there are applications for.
fn products(ctx: &Ctx) -> Result<Vec<String>, Fault> {
    let groups = ctx.aggregate(Aggregate {
        collection: Application::COLLECTION.into(),
        filter: None,
        group_by: vec![Application::PRODUCT_NAME.name().into()],
        measures: vec![Measure::Count],
        ..Aggregate::default()
    })?;
    let mut names: Vec<String> = groups
        .iter()
        .filter_map(|g| g.keys.first()?.as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn row(a: &Stored<Application>) -> Row {
    let cells = vec![
        Datum::text(&a.number),
        Datum::text(&a.enterprise_name),
        Datum::text(&a.product_name),
        money(a.amount),
        a.score
            .map_or_else(|| Datum::text("—"), |s| Datum::Integer(s.units / 10_000)),
        Datum::Status(a.status.status()),
        Datum::Time(a.submitted_at.micros()),
    ];
    let to = format!("/lending/applications/{}", a.id);
    let label = match a.status {
        Status::Submitted | Status::UnderReview => "办理",
        _ if a.awaits_review() => "答复",
        _ => "查看",
    };
    Row::new(a.id.as_str(), cells)
        .to(&to)
        .action(Action::open(label, to))
}
