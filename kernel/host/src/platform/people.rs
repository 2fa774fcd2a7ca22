//! 账号: who can sign in, who left, whose account nobody used; and what an administrator does about
//! it.

use kernel_identity::grants::Given;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Page, Row, Section, Table,
};
use sdk_contract::query::{Filter, Query};
use serde_json::{Map, Value, json};

use super::organisations::reason;
use super::{Desk, changes, done, failed, fault, posts, record, requests, resets, word};
use crate::console::names::Names;
use crate::console::pages::{PAGE, bench, page_number, param};
use crate::module::Input;

pub(super) const PATH: &str = "/platform/users";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let missing = || Filter::Missing {
        field: "suspended_at".into(),
    };
    let mut query = Query::new("platform.users").sort("name", false);
    query = match ask.query("state") {
        Some("active") => query.filter(Filter::eq("active", true)).filter(missing()),
        Some("suspended") => query
            .filter(Filter::eq("active", true))
            .filter(missing().not()),
        Some("left") => query.filter(Filter::eq("active", false)),
        _ => query,
    };
    if let Some(who) = ask.query("q") {
        query = query.filter(Filter::Or(vec![
            Filter::contains("name", who),
            Filter::contains("login", who),
        ]));
    }
    let query = query.page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let places = found.records.iter().map(|r| word(r, "organisation"));
    let names = Names::of(desk.host, Vec::new(), places.collect()).await?;
    let rows = found.records.iter().map(|r| {
        Row::new(
            word(r, "id"),
            vec![
                Datum::text(word(r, "name")),
                Datum::text(word(r, "login")),
                Datum::text(names.or_id(word(r, "organisation"))),
                state(r),
                Datum::time_text(word(r, "seen_at")),
            ],
        )
        .to(format!("{PATH}/{}", word(r, "id")))
    });
    let columns = vec![
        Column::new("name", "姓名", 0),
        Column::new("login", "登录名", 1),
        Column::new("organisation", "机构", 2),
        Column::new("state", "状态", 1),
        Column::new("seen", "最近登录", 2),
    ];
    let states = vec![
        Choice::new("active", "正常"),
        Choice::new("suspended", "长期未用停用"),
        Choice::new("left", "已离职"),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .search("姓名或登录名")
        .filter(Field::pick("state", "状态", states))
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("没有符合条件的账号");
    Ok(bench("账号")
        .subtitle("离职即停用账号并收回岗位与角色；长期未登录的账号自动停用，由管理员恢复")
        .block(Block::table("users", table)))
}

fn state(record: &Map<String, Value>) -> Datum {
    let active = record.get("active").and_then(Value::as_bool);
    if active != Some(true) {
        Datum::status("已离职", Tone::Neutral)
    } else if word(record, "suspended_at").is_empty() {
        Datum::status("正常", Tone::Success)
    } else {
        Datum::status("长期未用停用", Tone::Warning)
    }
}

pub(super) async fn detail(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let p = &desk.call.principal;
    let id = param(ask, "id");
    let record = desk.host.get(p, "platform.users", id).await?;
    let home = word(&record, "organisation");
    let names = Names::of(desk.host, Vec::new(), vec![home]).await?;
    let active = record.get("active").and_then(Value::as_bool) == Some(true);
    let suspended = active && !word(&record, "suspended_at").is_empty();
    let other = p.user.as_deref() != Some(id);
    let may = |permission: &str| other && desk.can(permission, home);
    let mut page = bench(word(&record, "name"))
        .subtitle(format!("登录名 {}", word(&record, "login")))
        .under("账号", PATH)
        .block(facts(&record, names.or_id(home)));
    let button = |label: &str, action: &str, text: &str| {
        Action::send(label, action)
            .record(id)
            .confirm(Confirm::new(label, text, label).reason("原因"))
    };
    if suspended && may("user.open") {
        let text = "恢复后，此人可以用原密码和第二重验证登录。";
        page = page.action(button("恢复账号", "user.open", text).primary());
    }
    if active && may("user.reset") {
        let text = "签发后，请把一次性链接当面或以可靠方式交给本人；链接一日内有效，只能使用一次。";
        page = page.action(button("重置密码", "user.issue-reset", text));
    }
    if active && may("user.lift") && desk.sessions.ways(id).await.map_err(|e| failed(&e))?.any() {
        let text = "用于此人丢失第二重验证且没有恢复码时。请先核实身份；另一位管理员同意后，第二重验证失效、会话退出。";
        page = page.action(button("解除第二重验证", "user.lift-factor", text));
    }
    if active && may("user.leave") {
        let text =
            "此人的会话立即退出，岗位、角色、重置链接和其发出的邀请一并收回；记录不删除，可返聘。";
        page = page.action(button("办理离职", "user.leave", text).danger());
    }
    let mut tabs = vec![posts::held_by(desk, id).await?];
    if !active && !home.is_empty() && may("user.leave") {
        let form = Form::new("return", Action::send("返聘", "user.return").record(id))
            .field(Field::text("title", "岗位", 40).required())
            .field(reason());
        let help = "恢复账号并在原机构任职；角色须另行授予，密码如已遗忘请签发重置链接";
        tabs.push(Block::form(form).title("返聘").help(help));
    }
    if desk.can("change.read", home) {
        tabs.push(changes::of(desk, "person", id).await?.title("变更历史"));
    }
    Ok(page.section(Section::tabs().blocks(tabs)))
}

fn facts(record: &Map<String, Value>, home: &str) -> Block {
    let time = |label: &str, field: &str| Fact::new(label, Datum::time_text(word(record, field)));
    let mut facts = vec![
        Fact::new("姓名", Datum::text(word(record, "name"))),
        Fact::new("登录名", Datum::text(word(record, "login"))),
        Fact::new("所属机构", Datum::text(home)),
        Fact::new("状态", state(record)),
        time("开户时间", "created_at"),
        time("最近登录", "seen_at"),
    ];
    for (label, field) in [("停用时间", "suspended_at"), ("离职时间", "left_at")] {
        if !word(record, field).is_empty() {
            facts.push(time(label, field));
        }
    }
    Block::details("facts", facts).title("账号")
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let id = word(record(input)?, "id");
    let (d, deed) = (&desk.directory, desk.deed(input));
    let here = format!("{PATH}/{id}");
    let result = json!({ "id": id });
    match verb {
        "issue-reset" => match d.issue_reset(deed, id).await.map_err(fault)? {
            Given::Done(writes) => {
                let path = resets::PATH.to_owned();
                let toast = "链接已签发，请交给本人";
                Ok(done(writes, input, path, toast, result))
            }
            Given::Asked(request, writes) => {
                let path = requests::PATH.to_owned();
                let toast = "已提交，须另一位管理员复核后签发";
                let result = json!({ "id": id, "request": request });
                Ok(done(writes, input, path, toast, result))
            }
        },
        "leave" => {
            let reach = desk.reach("user.leave").ok_or_else(Fault::not_found)?;
            let left = d.leave(deed, &reach, id).await.map_err(fault)?;
            let toast = if left.closed {
                format!("已办理离职：结束 {} 个岗位，账号已停用", left.posts)
            } else {
                format!(
                    "已结束 {} 个岗位；此人在其他机构还有岗位，账号保留",
                    left.posts
                )
            };
            let result = json!({ "id": id, "posts": left.posts, "closed": left.closed });
            Ok(done(left.writes, input, here, &toast, result))
        }
        "return" => {
            let title = word(&input.values, "title");
            let writes = d.come_back(deed, id, title).await.map_err(fault)?;
            Ok(done(writes, input, here, "已返聘，账号已恢复", result))
        }
        "open" => {
            let writes = d.open_again(deed, id).await.map_err(fault)?;
            Ok(done(writes, input, here, "账号已恢复", result))
        }
        _ => Err(Fault::not_found()),
    }
}
