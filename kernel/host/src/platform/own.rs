//! 我的信息: what the platform holds of the person who is signed in, for them to see, correct, take
//! along and, as far as the law lets it, end (个人信息保护法 art. 44 to 47).

use kernel_identity::module::{ACCOUNT, MODULE};
use kernel_identity::principal::Principal;
use sdk_contract::call::Reply;
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Column, Datum, Fact, Field, Form, Notice, Outcome, Page, Row, Section, Table,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::in_words::Words;
use super::{Desk, fault, optional, readers, word};
use crate::console::names::Names;
use crate::module::Input;
use crate::reads::{ask as ask_fault, permitted};
use crate::{Host, account};

pub(super) const PATH: &str = "/platform/me";
/// Where the copy is fetched.
const COPY: &str = "/api/v1/platform/account/copy";
/// Rows of one table on the page; the copy has all that are read.
const SHOWN: usize = 10;
/// What of an account is told: not the password, nor what came of it.
const TOLD: [&str; 10] = [
    "login",
    "name",
    "phone",
    "created_at",
    "seen_at",
    "password_at",
    "terms_version",
    "terms_digest",
    "terms_at",
    "active",
];

/// What else is told: under which name, of which collection's records that name the person in which
/// field, and what of them.
const KINDS: [(&str, &str, &str, &[&str]); 6] = [
    (
        "posts",
        "posts",
        "user",
        &["title", "organisation", "created_at", "ended_at"],
    ),
    (
        "sign_ins",
        "sessions",
        "user",
        &["ip", "created_at", "seen_at", "ended_at"],
    ),
    (
        "second_factors",
        "factors",
        "user",
        &["kind", "label", "created_at", "confirmed_at", "ended_at"],
    ),
    (
        "accounts_elsewhere",
        "bindings",
        "user",
        &["provider", "name", "created_at", "ended_at"],
    ),
    (
        "parties_asked_for",
        "claims",
        "created_by",
        &["name", "code", "capacity", "status", "created_at"],
    ),
    (
        "changes",
        "changes",
        "person",
        &[
            "what",
            "title",
            "created_at",
            "by_name",
            "reason",
            "before",
            "after",
        ],
    ),
];

impl Host {
    /// Everything that the platform itself holds of the caller; asking for it is on record.
    pub async fn own_copy(&self, p: &Principal) -> Result<Value, Fault> {
        let catalog = self.catalog();
        let installed = catalog.modules.get(MODULE).ok_or_else(Fault::not_found)?;
        permitted(&installed.def, p, ACCOUNT)?;
        let user = p.user.as_deref().ok_or_else(Fault::not_found)?;
        let held = held(self, user).await?;
        let call = self.call(p)?;
        self.audit(&call, "platform.account.copy", user, "ok", Value::Null)
            .await?;
        Ok(Value::Object(held))
    }
}

/// What is held, by kind.
async fn held(host: &Host, user: &str) -> Result<Map<String, Value>, Fault> {
    let account = host.kept(MODULE, "users", user).await?.unwrap_or_default();
    let mut held = Map::new();
    held.insert("account".into(), part(&account, &TOLD));
    for (name, collection, field, told) in KINDS {
        let rows = rows(host, user, (collection, field), told).await?;
        held.insert(name.into(), rows.into());
    }
    if let Some(posts) = held.get_mut("posts").and_then(Value::as_array_mut) {
        name_places(host, posts).await?;
    }
    Ok(held)
}

/// What is told of the records of a collection that name somebody, newest first.
async fn rows(
    host: &Host,
    user: &str,
    (collection, field): (&str, &str),
    told: &[&str],
) -> Result<Vec<Value>, Fault> {
    let query = Query::new(format!("{MODULE}.{collection}"))
        .filter(Filter::eq(field, user))
        .sort("created_at", true)
        .limit(MAX_LIMIT);
    let found = host.store().find(&query, &Host::KERNEL).await;
    let found = found.map_err(|e| ask_fault(&e))?.records;
    Ok(found.iter().map(|row| part(row, told)).collect())
}

/// Says what people call the organisations of posts.
async fn name_places(host: &Host, posts: &mut [Value]) -> Result<(), Fault> {
    let id = |post: &Value| {
        let id = post.get("organisation").and_then(Value::as_str);
        id.unwrap_or_default().to_owned()
    };
    let ids: Vec<String> = posts.iter().map(id).collect();
    let places = Names::of(host, Vec::new(), ids.iter().map(String::as_str).collect()).await?;
    for (post, id) in posts.iter_mut().zip(&ids) {
        if let Some(post) = post.as_object_mut() {
            post.insert("organisation_name".into(), places.or_id(id).into());
        }
    }
    Ok(())
}

fn part(record: &Map<String, Value>, told: &[&str]) -> Value {
    let of = |name: &&str| Some(((*name).to_owned(), record.get(*name)?.clone()));
    Value::Object(told.iter().filter_map(of).collect())
}

pub(super) async fn page(desk: &Desk<'_>) -> Result<Page, Fault> {
    let user = desk.call.principal.user.as_deref();
    let user = user.ok_or_else(Fault::not_found)?;
    let held = held(desk.host, user).await?;
    let none = Map::new();
    let account = held
        .get("account")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let time = |label: &str, field: &str| Fact::new(label, Datum::time_text(word(account, field)));
    let facts = vec![
        Fact::new("姓名", Datum::text(word(account, "name"))),
        Fact::new("登录名", Datum::text(word(account, "login"))),
        Fact::new("手机号码", Datum::text(word(account, "phone"))),
        time("开户时间", "created_at"),
        time("最近登录", "seen_at"),
        time("密码设置时间", "password_at"),
        Fact::new(
            "同意的协议版本",
            Datum::text(word(account, "terms_version")),
        ),
        time("同意协议的时间", "terms_at"),
    ];
    let correct = Form::new("correct", Action::send("更正", "user.correct"))
        .field(
            Field::text("name", "姓名", 64)
                .required()
                .initial(word(account, "name")),
        )
        .field(
            Field::code("phone", "手机号码", sdk_contract::code::Format::Phone)
                .initial(word(account, "phone"))
                .help("更正记入变更历史，所在机构的管理员可见"),
        );
    let sections = Section::grid()
        .block(Block::details("account", facts).title("账号").span(6))
        .block(Block::form(correct).title("更正").span(6));
    let mut page = Page::new("我的信息")
        .subtitle("平台保存的关于您本人的信息；业务数据见各业务页面")
        .action(Action::download("下载副本", COPY).icon("download"))
        .section(sections);
    if desk.call.principal.subject.is_some() {
        page = page.action(Action::open("数据查询记录", readers::PATH).icon("eye"));
    }
    if let Some(letters) = letters(desk) {
        page = page.block(letters);
    }
    let words = Words::of(desk.host);
    for (name, title, columns) in TABLES {
        page = page.block(table(&held, &words, name, title, columns));
    }
    let close = Form::new("close", Action::send("注销账号", "user.close").danger())
        .field(Field::secret("current", "当前密码").required());
    let kept = "您在各机构的岗位和角色随即结束，所有会话退出，账号不能再登录，手机号码删除。\
                依法须保留的不删除：以您名义办理的业务及其签名，审计日志（不少于六个月），\
                和其中的姓名、登录名。最后一位管理员须先由他人接任。";
    Ok(page
        .block(Block::notice(
            "kept",
            Notice::new(Tone::Warning, "注销账号：", kept),
        ))
        .block(Block::form(close).title("注销账号")))
}

type Columns = &'static [(&'static str, &'static str)];

const TABLES: [(&str, &str, Columns); 4] = [
    (
        "posts",
        "任职",
        &[
            ("title", "岗位"),
            ("organisation_name", "机构"),
            ("created_at", "起"),
            ("ended_at", "止"),
        ],
    ),
    (
        "sign_ins",
        "登录记录",
        &[
            ("ip", "网络地址"),
            ("created_at", "登录时间"),
            ("seen_at", "最近活动"),
            ("ended_at", "退出时间"),
        ],
    ),
    (
        "accounts_elsewhere",
        "绑定的外部账号",
        &[
            ("provider", "登录渠道"),
            ("name", "姓名"),
            ("created_at", "绑定时间"),
            ("ended_at", "解绑时间"),
        ],
    ),
    (
        "changes",
        "关于我的变更",
        &[
            ("what", "事项"),
            ("title", "内容"),
            ("by_name", "办理人"),
            ("created_at", "时间"),
        ],
    ),
];

fn table(
    held: &Map<String, Value>,
    words: &Words,
    name: &str,
    title: &str,
    columns: Columns,
) -> Block {
    let all = held.get(name).and_then(Value::as_array);
    let all: Vec<&Map<String, Value>> = all
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    let cell = |row: &Map<String, Value>, field: &str| match field {
        "what" => Datum::text(words.change(word(row, field))),
        _ if field.ends_with("_at") => Datum::time_text(word(row, field)),
        _ => Datum::text(word(row, field)),
    };
    let slug = name.replace('_', "-");
    let rows = all.iter().take(SHOWN).enumerate().map(|(at, row)| {
        let cells = columns.iter().map(|(field, _)| cell(row, field));
        Row::new(format!("{slug}-{at}"), cells.collect())
    });
    let heads = columns.iter().enumerate();
    let heads = heads.map(|(at, (field, label))| Column::new(*field, *label, u8::from(at > 1)));
    let mut block = Block::table(
        slug.as_str(),
        Table::new(heads.collect()).rows(rows).empty("没有记录"),
    )
    .title(title);
    if all.len() > SHOWN {
        block = block.help(format!("最近 {SHOWN} 条；其余见副本"));
    }
    block
}

/// Leads to the register of who may read whose data, where the person has one to look at.
fn letters(desk: &Desk<'_>) -> Option<Block> {
    let p = &desk.call.principal;
    let catalog = desk.host.catalog();
    let module = catalog
        .modules
        .values()
        .find(|m| m.def.disclosures.is_some() && m.visible(p))?;
    let of = &module.def.disclosures.as_ref()?.collection;
    let name = of.rsplit('.').next()?;
    let c = module.def.collection(name)?;
    permitted(&module.def, p, &c.read).ok()?;
    let path = format!("/{}/{}", module.def.id, c.name);
    let page = module.def.pages.iter().find(|page| page.path == path)?;
    permitted(&module.def, p, &page.permission).ok()?;
    let open = Action::open(format!("查看{}", c.label.zh), path);
    let block = Block::actions("letters", vec![open]).title(&c.label.zh);
    Some(block.help("您所代表的主体许可谁读取什么，可在那里撤回"))
}

pub(super) async fn correct(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let name = word(&input.values, "name").trim();
    let phone = optional(&input.values, "phone");
    let writes = desk
        .directory
        .correct(desk.deed(input), name, phone.as_deref())
        .await
        .map_err(fault)?;
    Ok(Reply {
        writes,
        outcome: Some(Outcome::stay("已更正")),
        result: json!({}),
        ..Reply::default()
    })
}

pub(super) async fn close(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let current = word(&input.values, "current");
    let p = &desk.call.principal;
    let known = desk.sessions.is_oneself(p, current, desk.origin()).await;
    known.map_err(|error| account::fault(error, false))?;
    let left = desk
        .directory
        .close_own(desk.deed(input))
        .await
        .map_err(fault)?;
    Ok(Reply {
        writes: left.writes,
        outcome: Some(Outcome::go("/", "账号已注销")),
        result: json!({ "posts": left.posts }),
        ..Reply::default()
    })
}
