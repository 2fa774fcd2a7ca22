//! What lending adds to the home page.

use sdk::prelude::*;

use super::progress::{Side, moments};
use super::{money, queue, quota};
use crate::model::{Application, Status};
use crate::rules;

/// Most notices on one home page; the list of applications has the rest.
const NEWS: u32 = 3;

/// An officer's day.
pub(super) fn desk(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let block = Block::stats("desk", queue::stats(ctx)?)
        .title("贷款审批")
        .more("进入审批队列", "/lending/queue");
    Ok(vec![Section::stack().block(block)])
}

/// What happened to an enterprise's applications and waits for it: first what it has to do.
pub(super) fn news(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let of = |filter: Filter| {
        Find::<Application>::new()
            .filter(filter)
            .sort(Application::UPDATED_AT.desc())
            .limit(NEWS)
    };
    let returned = ctx.find::<Application>(of(Application::STATUS.eq(Status::Returned)))?;
    let decided = Application::STATUS
        .is_in(Status::DECIDED)
        .and(Application::ACKNOWLEDGED_AT.missing());
    let decided = ctx.find::<Application>(of(decided))?;
    let all = returned.into_iter().chain(decided).take(NEWS as usize);
    let blocks: Vec<Block> = all
        .enumerate()
        .map(|(at, a)| Block::notice(format!("news-{at}"), told(&a)))
        .collect();
    Ok(if blocks.is_empty() {
        Vec::new()
    } else {
        vec![Section::stack().blocks(blocks)]
    })
}

fn told(a: &Stored<Application>) -> Notice {
    let (tone, lead, text, go) = match a.status {
        Status::Returned => (
            Tone::Warning,
            format!("“{}”申请需要补充。", a.product_name),
            a.return_reason.clone().unwrap_or_default(),
            "去补充",
        ),
        Status::Approved => (
            Tone::Success,
            format!("“{}”申请已通过。", a.product_name),
            format!(
                "{}批准 {}，年化利率 {}。",
                a.institution_name,
                a.approved_amount.map(rules::words).unwrap_or_default(),
                a.approved_rate.map(rules::percent).unwrap_or_default()
            ),
            "查看结果",
        ),
        _ => (
            Tone::Danger,
            format!("“{}”申请未通过。", a.product_name),
            a.refusal.map(|r| r.label().to_owned()).unwrap_or_default(),
            "查看原因",
        ),
    };
    let to = format!("/lending/applications/{}", a.id);
    Notice::new(tone, lead, text).action(Action::open(go, to).primary())
}

/// An enterprise's figures.
pub(super) fn overview(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let count = |statuses: &[Status]| -> Result<i64, Fault> {
        let find = Find::<Application>::new()
            .filter(Application::STATUS.is_in(statuses.iter().copied()))
            .limit(1)
            .total();
        Ok(i64::try_from(ctx.find::<Application>(find)?.total).unwrap_or(i64::MAX))
    };
    let open = count(&[Status::Submitted, Status::UnderReview])?;
    let returned = count(&[Status::Returned])?;
    let approved = count(&[Status::Approved])?;
    let best = quota::latest(ctx)?.first().map(|q| q.high);
    let estimated = best.map_or_else(|| Datum::text("未测算"), money);
    let stats = vec![
        Stat::new("预估可贷额度", estimated)
            .icon("coin", Tone::Info)
            .to("/lending/quota"),
        Stat::new("在途融资申请", Datum::Integer(open))
            .icon("file-text", Tone::Neutral)
            .to("/lending/applications"),
        Stat::new("待我补充", Datum::Integer(returned))
            .icon("alarm", Tone::Warning)
            .to("/lending/applications?status=returned"),
        Stat::new("已通过", Datum::Integer(approved))
            .icon("circle-check", Tone::Success)
            .to("/lending/applications?status=approved"),
    ];
    Ok(vec![
        Section::stack().block(Block::stats("overview", stats)),
    ])
}

/// Big icons to what most people come for. Staff, who have no enterprise, cannot use them.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every home block")]
pub(super) fn services(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let caller = ctx.caller();
    if caller.user.is_some() && caller.subject.is_none() {
        return Ok(Vec::new());
    }
    let card =
        |title: &str, icon: &str, tone: Tone, to: &str| Card::new(title).icon(icon, tone).to(to);
    let cards = vec![
        card("一键测额", "calculator", Tone::Info, "/lending/quota"),
        card(
            "产品超市",
            "shopping-cart",
            Tone::Success,
            "/market/products",
        ),
        card("融资申请", "file-plus", Tone::Warning, "/lending/apply"),
        card(
            "进度查询",
            "chart-line",
            Tone::Info,
            "/lending/applications",
        ),
        card(
            "数据授权",
            "shield-check",
            Tone::Success,
            "/consent/letters",
        ),
        card("我的数据", "database", Tone::Warning, "/credit/data"),
        card("企业信息", "building", Tone::Info, "/enterprise/me"),
    ];
    let block = Block::cards("services", Cards::new(CardLook::Menu, cards)).title("常用服务");
    Ok(vec![Section::stack().block(block)])
}

/// The way of the newest application.
pub(super) fn progress(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let newest = Find::<Application>::new()
        .sort(Application::CREATED_AT.desc())
        .limit(1);
    let Some(a) = ctx.find::<Application>(newest)?.first() else {
        return Ok(Vec::new());
    };
    let block = Block::timeline("progress", moments(ctx, &a, Side::Enterprise)?)
        .title(format!("{} · 申请进度", a.product_name))
        .more("查看详情", format!("/lending/applications/{}", a.id))
        .span(4);
    Ok(vec![Section::grid().block(block)])
}
