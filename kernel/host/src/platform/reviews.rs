//! 权限核查: which posts somebody has to look at again, who holds them with which roles, when they
//! were used; and the way to say that they are still needed, or to take them away.

use kernel_identity::posts::PostRow;
use kernel_identity::reviews::{Review, Times, named};
use sdk_contract::call::{Ask, Reply};
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Field, Page, Row, Section, Stat, Table,
};
use sdk_contract::query::Query;
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::{Desk, done, failed, fault, posts, record, word};
use crate::console::names::{Names, users_called};
use crate::console::pages::{PAGE, bench, page_number};
use crate::module::Input;

pub(super) const PATH: &str = "/platform/reviews";
/// The block at home.
pub(super) const BLOCK: &str = "reviews";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let page = bench("权限核查");
    let now = desk.call.now.micros();
    let Some(times) = desk.directory.review_times(now) else {
        return Ok(page.subtitle("本平台没有启用定期核查"));
    };
    let number = page_number(ask);
    let mut query = posts::holding();
    query = match ask.query("state") {
        Some("all") => query,
        Some("late") => query.filter(times.filter(true)),
        _ => query.filter(times.filter(false)),
    };
    if let Some(who) = ask.query("q") {
        query = query.filter(users_called(desk.host, who).await.map(posts::of_users)?);
    }
    let query = query.page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let people = found.records.iter().map(|r| word(r, "user")).collect();
    let places = found
        .records
        .iter()
        .map(|r| word(r, "organisation"))
        .collect();
    let names = Names::of(desk.host, people, places).await?;
    let mut titles = posts::Titles::of(desk);
    let mut rows = Vec::with_capacity(found.records.len());
    for record in &found.records {
        rows.push(row(desk, record, times, (&names, &mut titles)).await?);
    }
    let columns = vec![
        Column::new("name", "姓名", 0),
        Column::new("post", "岗位", 1),
        Column::new("organisation", "机构", 2),
        Column::new("roles", "角色", 1),
        Column::new("seen", "最近登录", 2),
        Column::new("used", "最近使用", 2),
        Column::new("reviewed", "上次核查", 3),
        Column::new("state", "状态", 1),
    ];
    let states = vec![
        Choice::new("late", "已逾期"),
        Choice::new("all", "全部任职"),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .search("姓名或登录名")
        .filter(Field::pick("state", "范围", states).hint("待核查"))
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("没有需要核查的任职");
    let days = desk.directory.review_days();
    Ok(page
        .subtitle(format!(
            "每个岗位每 {days} 天核查一次：仍需要的确认保留，不需要的收回；逾期不会自动收回，但一直列在这里"
        ))
        .block(Block::table("reviews", table)))
}

async fn row(
    desk: &Desk<'_>,
    record: &Map<String, Value>,
    times: Times,
    (names, titles): (&Names, &mut posts::Titles),
) -> Result<Row, Fault> {
    let post = PostRow::read(record);
    let now = desk.call.now.micros();
    let held = desk.directory.held_in(&post, now).await;
    let held = held.map_err(|e| failed(&e))?;
    let roles = titles.all(desk, &held).await?;
    let used = desk.directory.used(&post).await.map_err(|e| failed(&e))?;
    let moment = |at: Option<Timestamp>| match at {
        Some(at) => Datum::Time(at.micros()),
        None => Datum::text("从未"),
    };
    let state = match times.review(record) {
        Review::Done if word(record, "reviewed_at").is_empty() => {
            Datum::status("未到期", Tone::Neutral)
        }
        Review::Done => Datum::status("已核查", Tone::Success),
        Review::Due => Datum::status("待核查", Tone::Warning),
        Review::Late => Datum::status("已逾期", Tone::Danger),
    };
    let reviewed = match word(record, "reviewed_at") {
        "" => Datum::text("任职后尚未核查"),
        at => Datum::time_text(at),
    };
    let row = Row::new(
        post.id.as_str(),
        vec![
            Datum::text(names.or_id(&post.user)),
            Datum::text(post.title.as_str()),
            Datum::text(names.or_id(&post.organisation)),
            Datum::text(roles),
            moment(used.signed_in),
            moment(used.acted),
            reviewed,
            state,
        ],
    )
    .to(format!("{}/{}", posts::PATH, post.id));
    let p = &desk.call.principal;
    if p.user.as_deref() == Some(&post.user) {
        return Ok(row);
    }
    let confirm = Action::send("确认保留", "post.confirm")
        .record(post.id.as_str())
        .arg("roles", named(held.iter().map(|h| h.role.as_str())));
    let row = row.action(confirm);
    if !desk.can("post.assign", &post.organisation) {
        return Ok(row);
    }
    let text = "结束后，此人不能再代表该机构办理业务，此岗位的角色一并收回。只收回部分角色的，请点开任职办理。";
    let end = Action::send("结束任职", "post.end")
        .record(post.id.as_str())
        .danger()
        .confirm(Confirm::new("结束任职", text, "结束任职").reason("原因"));
    Ok(row.action(end))
}

/// How many there are to look at, for whoever does; nothing where there are none.
pub(super) async fn block(desk: &Desk<'_>) -> Result<Page, Fault> {
    let page = Page::new("权限核查");
    let Some(times) = desk.directory.review_times(desk.call.now.micros()) else {
        return Ok(page);
    };
    let count = async |late: bool| {
        let query: Query = posts::holding().filter(times.filter(late)).page(1, 1);
        let found = desk.host.listed(desk.call, query).await?;
        let total = found.total.unwrap_or_default();
        Ok::<_, Fault>(i64::try_from(total).unwrap_or(i64::MAX))
    };
    let due = count(false).await?;
    if due == 0 {
        return Ok(page);
    }
    let late = count(true).await?;
    let stat = |label: &str, n: i64, tone, to: &str| {
        Stat::new(label, Datum::Integer(n))
            .icon("shield-check", tone)
            .to(to)
    };
    let stats = vec![
        stat("待核查的任职", due, Tone::Warning, PATH),
        stat(
            "其中已逾期",
            late,
            Tone::Danger,
            "/platform/reviews?state=late",
        ),
    ];
    let block = Block::stats(BLOCK, stats)
        .title("权限核查")
        .more("进入权限核查", PATH);
    Ok(page.section(Section::stack().block(block)))
}

pub(super) async fn confirm(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let post = PostRow::read(record(input)?);
    let seen = word(&input.values, "roles");
    let writes = desk.directory.confirm(desk.deed(input), &post, seen).await;
    let result = json!({ "id": post.id });
    let path = PATH.to_owned();
    Ok(done(
        writes.map_err(fault)?,
        input,
        path,
        "已确认保留",
        result,
    ))
}
