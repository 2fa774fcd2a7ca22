//! 应用接入: the list of apps, one app with what waits for approval, and the forms.

use std::collections::BTreeSet;

use kernel_crypto::sm2::VerifyingKey;
use kernel_identity::apps::{self, Allowance, App, ClientCertificate, OVERLAP_HOURS};
use kernel_identity::composed::Composed;
use kernel_identity::module::MODULE as PLATFORM;
use sdk_contract::call::Ask;
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Datum, Fact, Field, Form, Notice, Page, Row, Section, Shell,
    Table, Tone,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value};

use crate::Host;
use crate::module::Call;
use crate::platform::choices::level;
use crate::reads::{ask as ask_fault, permitted};
use crate::values::word;

const ROWS: u32 = 20;

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number().min(500);
    let query = Query::new("access.apps").sort("created_at", true);
    let found = host.listed(call, query.page(number, ROWS)).await?;
    let mut rows = Vec::new();
    for record in &found.records {
        let app = App::read(record);
        let cells = vec![
            Datum::text(app.name.as_str()),
            Datum::text(organisation(host, app.organisation.as_deref()).await?),
            state(&app),
            Datum::text(app.grant.roles.join("、")),
            Datum::text(app.id.as_str()),
        ];
        rows.push(Row::new(app.id.clone(), cells).to(super::page(&app.id)));
    }
    let columns = vec![
        Column::new("name", "应用", 0),
        Column::new("organisation", "所属机构", 1),
        Column::new("status", "状态", 1),
        Column::new("roles", "角色", 2),
        Column::new("id", "应用编号", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, ROWS, found.total.unwrap_or_default())
        .empty("还没有接入的应用。由平台运营登记，安全管理员批准后生效");
    let mut page = Page::new("应用接入")
        .shell(Shell::Bench)
        .subtitle("其他机构的系统以 SM2 签名调用平台接口，须经登记与批准");
    if may(host, call, "app.register") {
        let new = Action::open("登记应用", "/access/apps/new");
        page = page.action(new.icon("plus").primary());
    }
    Ok(page.block(Block::table("apps", table)))
}

pub(super) async fn new(host: &Host, known: &BTreeSet<String>) -> Result<Page, Fault> {
    let query = Query::new(format!("{PLATFORM}.organisations"))
        .filter(Filter::Not(Box::new(Filter::eq("type", "subject"))))
        .sort("name", false)
        .limit(MAX_LIMIT);
    let found = host.store().find(&query, &Host::KERNEL).await;
    let found = found.map_err(|e| ask_fault(&e))?;
    let choices = found
        .records
        .iter()
        .map(|o| Choice::new(word(o, "id"), word(o, "name")))
        .collect();
    let form = Form::new("register", Action::send("提交登记", "app.register"))
        .field(Field::text("name", "应用名称", 64).required())
        .field(Field::pick("organisation", "所属机构", choices).required())
        .field(roles(known, &[]).required())
        .field(key_field().required())
        .field(networks_field(&[]).required())
        .field(certificates_field().help("连接须出示的证书，可填两张以便更换；不填则不要求"))
        .field(count_field("per_minute", "每分钟最多次数", Some(600)).required())
        .field(count_field("per_day", "每日最多次数", Some(100_000)).required());
    Ok(Page::new("登记应用")
        .shell(Shell::Bench)
        .under("应用接入", "/access/apps")
        .block(Block::form(form)))
}

pub(super) async fn change(
    host: &Host,
    call: &Call,
    ask: &Ask,
    known: &BTreeSet<String>,
) -> Result<Page, Fault> {
    let app = app(host, call, ask).await?;
    let grant = &app.grant;
    let submit = Action::send("提交变更申请", "app.change").record(app.id.as_str());
    let form = Form::new("change", submit)
        .field(roles(known, &grant.roles).required())
        .field(networks_field(&grant.networks).required())
        .field(count_field("per_minute", "每分钟最多次数", Some(grant.per_minute)).required())
        .field(count_field("per_day", "每日最多次数", Some(grant.per_day)).required())
        .field(certificates_field().help("更换时填写今后全部可用的证书，一张或两张；不换则留空"))
        .field(Field::toggle("any_connection", "不再要求客户端证书"))
        .field(key_field().help("更换公钥时填写；不换则留空"))
        .field(
            Field::number(
                "overlap_hours",
                "原公钥继续有效",
                Some(0),
                Some(720),
                "小时",
            )
            .initial(OVERLAP_HOURS.to_string())
            .help("更换公钥时，在此时间内新旧两把密钥都可签名"),
        );
    Ok(Page::new("申请变更")
        .shell(Shell::Bench)
        .subtitle(app.name)
        .under("应用接入", "/access/apps")
        .block(Block::form(form).help("提交后由安全管理员批准生效，此前仍按原设置执行")))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let app = app(host, call, ask).await?;
    let owner = organisation(host, app.organisation.as_deref()).await?;
    let mut page = Page::new(app.name.as_str())
        .shell(Shell::Bench)
        .subtitle(format!("{owner} · 应用编号 {}", app.id))
        .under("应用接入", "/access/apps");
    if let Datum::Status(s) = state(&app) {
        page = page.status(s.label, s.tone);
    }
    let open = matches!(app.status.as_str(), "active" | "suspended");
    if open && app.change.is_none() && may(host, call, "app.change") {
        let to = format!("{}/change", super::page(&app.id));
        page = page.action(Action::open("申请变更", to).icon("edit"));
    }
    if app.status == "pending" {
        page = page.block(waits(host, call, &app, "approve", "接入登记待批准"));
    }
    if let Some(change) = &app.change {
        page = page
            .block(waits(host, call, &app, "change", "变更待批准"))
            .block(Block::details("asked", asked(change)).title("申请的变更"));
    }
    page = page
        .block(Block::details("grant", grant(host, &app)).title("权限与限额"))
        .block(Block::details("keys", keys(&app)).title("公钥"))
        .block(shown(&app.certificates));
    let mut forms = Section::grid();
    for (action, from, label) in [
        ("suspend", "active", "停用"),
        ("resume", "suspended", "恢复"),
        ("close", "suspended", "注销"),
        ("close", "pending", "注销"),
    ] {
        let name = format!("app.{action}");
        if app.status == from && may(host, call, &name) {
            let submit = Action::send(label, name).record(app.id.as_str());
            let submit = if action == "resume" {
                submit
            } else {
                submit.danger()
            };
            let form =
                Form::new(action, submit).field(Field::area("reason", "原因", 200).required());
            forms = forms.block(Block::form(form).title(label).span(6));
        }
    }
    if !forms.blocks.is_empty() {
        page = page.section(forms);
    }
    Ok(page)
}

/// What waits for somebody else, with the buttons of whoever may.
fn waits(host: &Host, call: &Call, app: &App, what: &str, lead: &str) -> Block {
    let mut notice = Notice::new(Tone::Warning, lead, "须由申请人以外的安全管理员批准后生效");
    let buttons: &[(&str, &str)] = match what {
        "approve" => &[("app.approve", "批准接入")],
        _ => &[
            ("app.accept-change", "批准变更"),
            ("app.drop-change", "撤销申请"),
        ],
    };
    for (action, label) in buttons {
        if may(host, call, action) {
            notice = notice.action(Action::send(*label, *action).record(app.id.as_str()));
        }
    }
    Block::notice(what, notice)
}

fn grant(host: &Host, app: &App) -> Vec<Fact> {
    let grant = &app.grant;
    let clearances = host.sessions().clearances();
    let clearance = clearances.held(&grant.roles, &Composed::default());
    vec![
        Fact::new("角色", Datum::text(grant.roles.join("、"))),
        Fact::new("数据级别上限", Datum::text(level(clearance))),
        Fact::new(
            "允许的网络",
            Datum::text(lines(&grant.networks).replace('\n', "；")),
        ),
        Fact::new("每分钟最多", Datum::quantity(grant.per_minute, "次")),
        Fact::new("每日最多", Datum::quantity(grant.per_day, "次")),
    ]
}

fn keys(app: &App) -> Vec<Fact> {
    let current = fingerprint(&app.keys.current);
    let mut facts = vec![Fact::new("指纹（SM3）", Datum::text(current))];
    if let Some((pem, until)) = &app.keys.previous {
        facts.push(Fact::new("原公钥指纹", Datum::text(fingerprint(pem))));
        facts.push(Fact::new("原公钥有效期至", Datum::Time(until.micros())));
    }
    facts
}

/// What connections show, where it matters.
fn shown(all: &[ClientCertificate]) -> Block {
    let rows = all.iter().map(|one| {
        let cells = vec![
            Datum::text(one.subject.as_str()),
            Datum::text(one.serial.as_str()),
            Datum::Time(one.until.micros()),
            Datum::text(one.digest.as_str()),
        ];
        Row::new(one.digest.clone(), cells)
    });
    let columns = vec![
        Column::new("subject", "证书持有者", 0),
        Column::new("serial", "序列号", 1),
        Column::new("until", "有效期至", 1),
        Column::new("digest", "指纹（SM3）", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .empty("不要求：任何连接都可以，只看签名与网络地址");
    Block::table("certificates", table).title("客户端证书")
}

/// The change as the record would have it.
fn asked(change: &Map<String, Value>) -> Vec<Fact> {
    let joined = |value: &Value| {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(Value::as_str).collect::<Vec<_>>().join("、")
    };
    let facts = change.iter().filter_map(|(name, value)| {
        Some(match name.as_str() {
            "roles" => Fact::new("角色", Datum::text(joined(value))),
            "networks" => {
                let all: Vec<Allowance> = serde_json::from_value(value.clone()).ok()?;
                Fact::new("允许的网络", Datum::text(lines(&all).replace('\n', "；")))
            }
            "certificates" => {
                let all: Vec<ClientCertificate> = serde_json::from_value(value.clone()).ok()?;
                let said = all.iter().map(|c| format!("{}（{}）", c.subject, c.digest));
                let said = said.collect::<Vec<_>>().join("；");
                let none = if said.is_empty() { "不再要求" } else { "" };
                Fact::new("客户端证书", Datum::text(format!("{said}{none}")))
            }
            "key" => {
                let pem = value.as_str().unwrap_or_default();
                Fact::new("新公钥指纹（SM3）", Datum::text(fingerprint(pem)))
            }
            "overlap_hours" => Fact::new("原公钥继续有效", Datum::quantity(value, "小时")),
            "per_minute" => Fact::new("每分钟最多", Datum::quantity(value, "次")),
            "per_day" => Fact::new("每日最多", Datum::quantity(value, "次")),
            _ => return None,
        })
    });
    facts.collect()
}

fn roles(known: &BTreeSet<String>, now: &[String]) -> Field {
    let fit = known
        .iter()
        .filter(|r| r.contains('.') && !r.starts_with("platform."));
    let choices = fit.map(|role| Choice::new(role, role)).collect();
    let field = Field::pick_many("roles", "角色", choices);
    now.iter().fold(field, Field::initial)
}

fn key_field() -> Field {
    Field::area("key", "SM2 公钥（PEM）", 400)
        .hint("-----BEGIN PUBLIC KEY-----")
        .help("私钥由接入方自行生成保管，平台不接收私钥")
}

fn certificates_field() -> Field {
    Field::area("certificates", "客户端证书（PEM）", 16_000).hint("-----BEGIN CERTIFICATE-----")
}

fn networks_field(now: &[Allowance]) -> Field {
    let field = Field::area("networks", "允许的网络", 4_000)
        .hint("203.0.113.0/24 2026-11-01 2027-10-31")
        .help("每行一个网段，可在后面加起止两个日期；只接受来自这些网段的调用");
    if now.is_empty() {
        field
    } else {
        field.initial(lines(now))
    }
}

fn count_field(name: &str, label: &str, now: Option<i64>) -> Field {
    let field = Field::number(name, label, Some(1), Some(100_000_000), "次");
    match now {
        Some(now) => field.initial(now.to_string()),
        None => field,
    }
}

fn lines(networks: &[Allowance]) -> String {
    let all: Vec<String> = networks.iter().map(ToString::to_string).collect();
    all.join("\n")
}

fn fingerprint(pem: &str) -> String {
    VerifyingKey::from_pem(pem)
        .map_or_else(|_| "不可读".to_owned(), |k| k.fingerprint().to_string())
}

fn state(app: &App) -> Datum {
    choice("app-status", &app.status)
}

/// A stored choice as people read it.
pub(super) fn choice(of: &str, value: &str) -> Datum {
    let definition = apps::definition();
    let choice = definition.choice(of);
    let option = choice.and_then(|c| c.options.iter().find(|o| o.value == value));
    match option {
        Some(option) => Datum::status(option.label.zh.as_str(), option.tone),
        None => Datum::text(value),
    }
}

async fn app(host: &Host, call: &Call, ask: &Ask) -> Result<App, Fault> {
    let record = host.get(&call.principal, "access.apps", ask.param("id"));
    Ok(App::read(&record.await?))
}

async fn organisation(host: &Host, id: Option<&str>) -> Result<String, Fault> {
    let name = kernel_storage::CollectionName::new(PLATFORM, "organisations");
    let found = host
        .store()
        .get(&name, id.unwrap_or_default(), &Host::KERNEL)
        .await
        .map_err(|e| ask_fault(&e))?;
    Ok(found
        .as_ref()
        .map(|o| word(o, "name").to_owned())
        .unwrap_or_default())
}

/// Whether the caller's role may do it at all; the action itself is checked again.
pub(super) fn may(host: &Host, call: &Call, permission: &str) -> bool {
    let catalog = host.catalog();
    let module = catalog.modules.get(apps::MODULE);
    module.is_some_and(|m| permitted(&m.def, &call.principal, permission).is_ok())
}
