//! 人员与岗位: who works where, in what post, with which roles; and what that lets them do.

use std::collections::BTreeMap;

use kernel_identity::grants::{Given, Held, RoleBook};
use kernel_identity::posts::PostRow;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Page, Row, Section, Table,
    Tone,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::organisations::reason;
use super::{Desk, altered, changes, done, failed, fault, preview, record, requests, word};
use crate::console::names::{Names, users_called};
use crate::console::pages::{PAGE, bench, page_number, param};
use crate::module::Input;

pub(super) const PATH: &str = "/platform/posts";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let mut query = holding();
    if let Some(who) = ask.query("q") {
        let ids = users_called(desk.host, who).await?;
        query = query.filter(of_users(ids));
    }
    let query = query.page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let table = table(desk, &found.records)
        .await?
        .search("姓名或登录名")
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("没有符合条件的任职");
    Ok(bench("人员与岗位")
        .subtitle("一人可在多个机构任职；每个岗位的角色分别授予，办理业务时代表其中一个机构")
        .block(Block::table("posts", table)))
}

pub(super) fn of_users(ids: Vec<String>) -> Filter {
    Filter::In {
        field: "user".into(),
        values: ids.into_iter().map(Value::from).collect(),
    }
}

pub(super) fn holding() -> Query {
    Query::new("platform.posts")
        .filter(Filter::Missing {
            field: "ended_at".into(),
        })
        .sort("created_at", true)
}

/// The posts of one organisation.
pub(super) async fn of(desk: &Desk<'_>, organisation: &str) -> Result<Block, Fault> {
    let query = holding()
        .filter(Filter::eq("organisation", organisation))
        .limit(MAX_LIMIT);
    let found = desk.host.listed(desk.call, query).await?;
    let table = table(desk, &found.records).await?;
    Ok(Block::table("posts", table.empty("还没有在任人员")))
}

/// The posts somebody holds, as far as the caller may see them.
pub(super) async fn held_by(desk: &Desk<'_>, user: &str) -> Result<Block, Fault> {
    let query = holding().filter(Filter::eq("user", user)).limit(MAX_LIMIT);
    let found = desk.host.listed(desk.call, query).await?;
    let table = table(desk, &found.records).await?.empty("没有在任岗位");
    Ok(Block::table("posts", table).title("任职"))
}

async fn table(desk: &Desk<'_>, records: &[Map<String, Value>]) -> Result<Table, Fault> {
    let people = records.iter().map(|r| word(r, "user")).collect();
    let places = records.iter().map(|r| word(r, "organisation")).collect();
    let names = Names::of(desk.host, people, places).await?;
    let mut titles = Titles::of(desk);
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        let post = PostRow::read(record);
        let held = desk.directory.held_in(&post, desk.call.now.micros()).await;
        let roles = match held {
            Ok(held) => titles.all(desk, &held).await?,
            Err(error) => match altered(&error) {
                Some(one) => {
                    desk.call.leave_out(&one)?;
                    String::new()
                }
                None => return Err(failed(&error)),
            },
        };
        rows.push(
            Row::new(
                post.id.as_str(),
                vec![
                    Datum::text(names.or_id(&post.user)),
                    Datum::text(post.title.as_str()),
                    Datum::text(names.or_id(&post.organisation)),
                    Datum::text(roles),
                    Datum::time_text(word(record, "created_at")),
                ],
            )
            .to(format!("{PATH}/{}", post.id)),
        );
    }
    let columns = vec![
        Column::new("name", "姓名", 0),
        Column::new("post", "岗位", 1),
        Column::new("organisation", "机构", 2),
        Column::new("roles", "角色", 1),
        Column::new("since", "任职时间", 3),
    ];
    Ok(Table::new(columns).rows(rows))
}

/// What people call the roles on a page, each looked up once.
pub(super) struct Titles {
    book: RoleBook,
    /// Those looked up, by role.
    known: BTreeMap<String, String>,
}

impl Titles {
    pub(super) fn of(desk: &Desk<'_>) -> Self {
        Self {
            book: desk.book(),
            known: BTreeMap::new(),
        }
    }

    /// The roles of a post, in words.
    pub(super) async fn all(&mut self, desk: &Desk<'_>, held: &[Held]) -> Result<String, Fault> {
        let mut titles = Vec::with_capacity(held.len());
        for one in held {
            titles.push(self.one(desk, &one.role).await?);
        }
        Ok(titles.join("、"))
    }

    async fn one(&mut self, desk: &Desk<'_>, role: &str) -> Result<String, Fault> {
        if let Some(title) = self.known.get(role) {
            return Ok(title.clone());
        }
        let title = desk.directory.called(role, &self.book).await;
        let title = title.map_err(|e| failed(&e))?;
        self.known.insert(role.to_owned(), title.clone());
        Ok(title)
    }
}

pub(super) async fn detail(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let p = &desk.call.principal;
    let id = param(ask, "id");
    let record = desk.host.get(p, "platform.posts", id).await?;
    let post = PostRow::read(&record);
    let names = Names::of(desk.host, vec![&post.user], Vec::new()).await?;
    let name = names.or_id(&post.user).to_owned();
    let tree = desk
        .directory
        .tree(&post.organisation)
        .await
        .map_err(fault)?;
    let held = desk.directory.held_in(&post, desk.call.now.micros()).await;
    let held = held.map_err(|e| failed(&e))?;
    let may_grant = desk.can("grant.give", &post.organisation)
        && !post.ended
        && p.user.as_deref() != Some(&post.user);
    let mut page = bench(&format!("{name} · {}", post.title))
        .subtitle(tree.place(&post.organisation))
        .under("人员与岗位", PATH)
        .block(facts(&post, &record, &name));
    if desk.can("post.assign", &post.organisation)
        && !post.ended
        && p.user.as_deref() != Some(&post.user)
    {
        let text = "结束后，此人不能再代表该机构办理业务，此岗位的角色一并收回。";
        page = page.action(
            Action::send("结束任职", "post.end")
                .record(id)
                .danger()
                .confirm(Confirm::new("结束任职", text, "结束任职").reason("原因")),
        );
    }
    let mut tabs = vec![roles(desk, id, &held, may_grant).await?];
    if may_grant {
        let offered = desk
            .directory
            .offered(&tree, &post.organisation, &desk.book())
            .await
            .map_err(|e| failed(&e))?;
        let choices = offered
            .iter()
            .filter(|(role, _)| !held.iter().any(|h| h.role == **role))
            .map(|(role, title)| Choice::new(role, title))
            .collect();
        tabs.push(grant_form(id, choices));
    }
    if !post.ended {
        tabs.push(preview::of(desk, &post.user, &post.organisation).await?);
    }
    if desk.can("change.read", &post.organisation) {
        tabs.push(
            changes::of(desk, "person", &post.user)
                .await?
                .title("变更历史"),
        );
    }
    Ok(page.section(Section::tabs().blocks(tabs)))
}

fn facts(post: &PostRow, record: &Map<String, Value>, name: &str) -> Block {
    let state = if post.ended {
        Datum::status("已离任", Tone::Neutral)
    } else {
        Datum::status("在任", Tone::Success)
    };
    let mut facts = vec![
        Fact::new("姓名", Datum::text(name)),
        Fact::new("岗位", Datum::text(post.title.as_str())),
        Fact::new("任职时间", Datum::time_text(word(record, "created_at"))),
        Fact::new("状态", state),
    ];
    if post.ended {
        let end = Datum::time_text(word(record, "ended_at"));
        facts.push(Fact::new("离任时间", end));
    }
    Block::details("facts", facts).title("任职")
}

async fn roles(desk: &Desk<'_>, post: &str, held: &[Held], may: bool) -> Result<Block, Fault> {
    let mut titles = Titles::of(desk);
    let mut rows = Vec::new();
    for one in held {
        let title = titles.one(desk, &one.role).await?;
        let end = one.grant.as_ref().and_then(|g| g.expires_at);
        let key = one
            .grant
            .as_ref()
            .map_or(one.role.as_str(), |g| g.id.as_str());
        let source = match (&one.grant, kernel_identity::grants::is_composed(&one.role)) {
            (None, _) => "开户时",
            (Some(_), true) => "授予的自定义角色",
            (Some(_), false) => "授予的标准角色",
        };
        let mut row = Row::new(
            key,
            vec![
                Datum::text(title.as_str()),
                Datum::text(source),
                end.map_or(Datum::text("长期"), |end| Datum::Time(end.micros())),
            ],
        );
        if may {
            let text = format!("收回后，“{title}”的权限在下一次请求即失效。");
            row = row.action(
                Action::send("收回", "post.revoke")
                    .record(post)
                    .arg("role", one.role.as_str())
                    .confirm(Confirm::new("收回角色", text, "收回").reason("原因")),
            );
        }
        rows.push(row);
    }
    let columns = vec![
        Column::new("role", "角色", 0),
        Column::new("source", "来源", 1),
        Column::new("until", "到期", 1),
    ];
    let table = Table::new(columns).rows(rows).empty("此岗位还没有角色");
    Ok(Block::table("roles", table).title("角色"))
}

fn grant_form(post: &str, choices: Vec<Choice>) -> Block {
    let form = Form::new("grant", Action::send("授予角色", "post.grant").record(post))
        .field(Field::pick("role", "角色", choices).required())
        .field(Field::date("last_day", "有效期至").help("当日结束时自动收回；不填为长期"))
        .field(reason());
    Block::form(form)
        .title("授予角色")
        .help("管理员角色须另一人复核后生效；其余立即生效")
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let post = PostRow::read(record(input)?);
    let (d, values, deed) = (&desk.directory, &input.values, desk.deed(input));
    let here = format!("{PATH}/{}", post.id);
    let result = json!({ "id": post.id });
    match verb {
        "end" => {
            let writes = d.end_post(deed, &post).await.map_err(fault)?;
            Ok(done(writes, input, here, "任职已结束", result))
        }
        "grant" => {
            let reach = desk.reach("grant.give").ok_or_else(Fault::not_found)?;
            let day = word(values, "last_day").parse().ok();
            let wanted = (word(values, "role"), day);
            let given = d.give(deed, &reach, &post, wanted, &desk.book()).await;
            match given.map_err(fault)? {
                Given::Done(writes) => {
                    Ok(done(writes, input, here, "角色已授予，立即生效", result))
                }
                Given::Asked(request, writes) => {
                    let toast = "已提交，须另一位管理员复核后生效";
                    let result = json!({ "id": post.id, "request": request });
                    let path = requests::PATH.to_owned();
                    Ok(done(writes, input, path, toast, result))
                }
            }
        }
        "revoke" => {
            let role = word(values, "role");
            let writes = d.revoke(deed, &post, role, &desk.book()).await;
            let toast = "角色已收回，立即生效";
            Ok(done(writes.map_err(fault)?, input, here, toast, result))
        }
        _ => Err(Fault::not_found()),
    }
}
