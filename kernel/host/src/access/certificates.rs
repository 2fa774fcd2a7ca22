//! 节点与发布者证书: asked for, issued, taken back; the rules are `kernel_identity::issued`'s.

use kernel_identity::apps::MODULE;
use kernel_identity::issued::{self, CERTIFICATES, Issued};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Datum, Fact, Field, Form, Notice, Outcome, Page, Row, Shell,
    Table, Tone,
};
use sdk_contract::query::Query;
use serde_json::{Map, Value, json};

use super::another;
use super::pages::{choice, may};
use crate::Host;
use crate::account::failed;
use crate::module::{Call, Input, new_id};
use crate::values::{object, word};

pub(super) const PATH: &str = "/access/certificates";
const TITLE: &str = "节点与发布者证书";
const ROWS: u32 = 20;
const DAYS: i64 = 365;

fn page(id: &str) -> String {
    format!("{PATH}/{id}")
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number().min(500);
    let query = Query::new(format!("{MODULE}.{CERTIFICATES}")).sort("created_at", true);
    let found = host.listed(call, query.page(number, ROWS)).await?;
    let rows = found.records.iter().map(|record| {
        let one = Issued::read(record);
        let cells = vec![
            Datum::text(one.name.as_str()),
            Datum::text(one.organisation.as_str()),
            choice("certificate-purpose", &one.purpose),
            choice("certificate-status", &one.status),
            one.expires_at
                .map_or(Datum::None, |at| Datum::Time(at.micros())),
            Datum::text(one.serial.as_str()),
        ];
        Row::new(one.id.clone(), cells).to(page(&one.id))
    });
    let columns = vec![
        Column::new("name", "名称", 0),
        Column::new("holder", "持有单位", 1),
        Column::new("purpose", "用途", 1),
        Column::new("status", "状态", 1),
        Column::new("until", "有效期至", 2),
        Column::new("serial", "序列号", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, ROWS, found.total.unwrap_or_default())
        .empty("还没有证书。由平台运营申请，安全管理员批准后签发");
    let mut page = Page::new(TITLE)
        .shell(Shell::Bench)
        .subtitle("平台为对接机构的节点和插件发布者签发的 SM2 证书；用户的证书在各自的账号安全里");
    if may(host, call, "certificate.request") {
        let new = Action::open("申请证书", "/access/certificates/new");
        page = page.action(new.icon("plus").primary());
    }
    Ok(page.block(Block::table("certificates", table)))
}

pub(super) fn new() -> Page {
    let purposes = vec![
        Choice::new("node", "节点（双向认证）"),
        Choice::new("publisher", "插件发布者"),
    ];
    let form = Form::new("request", Action::send("提交申请", "certificate.request"))
        .field(Field::pick("purpose", "用途", purposes).required())
        .field(
            Field::text("name", "名称", 60)
                .required()
                .hint("node1.bank.example")
                .help("节点填主机名；发布者填其名称"),
        )
        .field(Field::text("holder", "持有单位", 60).required())
        .field(
            Field::number("days", "有效期", Some(1), Some(825), "天")
                .required()
                .initial(DAYS.to_string()),
        )
        .field(
            Field::area("request", "证书申请（PEM）", 4_000)
                .required()
                .hint("-----BEGIN CERTIFICATE REQUEST-----")
                .help("PKCS#10，用 SM2 密钥签名；私钥由持有单位自行保管，平台不接收私钥"),
        );
    Page::new("申请证书")
        .shell(Shell::Bench)
        .under(TITLE, PATH)
        .block(Block::form(form).help("提交后由安全管理员批准并签发"))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let collection = format!("{MODULE}.{CERTIFICATES}");
    let record = host.get(&call.principal, &collection, ask.param("id"));
    let one = Issued::read(&record.await?);
    let mut page = Page::new(one.name.as_str())
        .shell(Shell::Bench)
        .subtitle(one.organisation.as_str())
        .under(TITLE, PATH);
    if let Datum::Status(s) = choice("certificate-status", &one.status) {
        page = page.status(s.label, s.tone);
    }
    let send = |verb: &str, label: &str| {
        let name = format!("certificate.{verb}");
        let may = may(host, call, &name);
        may.then(|| Action::send(label, name).record(one.id.as_str()))
    };
    if one.status == "pending" {
        let lead = "须由申请人以外的安全管理员批准后签发";
        let notice = Notice::new(Tone::Warning, "证书申请待批准", lead);
        let buttons = [send("issue", "批准并签发"), send("drop", "撤销申请")];
        let notice = buttons.into_iter().flatten().fold(notice, Notice::action);
        page = page.block(Block::notice("waits", notice));
    }
    page = page.block(Block::details("facts", facts(&one)));
    if let (true, Some(submit)) = (one.status == "active", send("revoke", "吊销证书")) {
        let form = Form::new("revoke", submit.danger())
            .field(Field::area("reason", "原因", 200).required());
        page = page.block(
            Block::form(form)
                .title("吊销")
                .help("立即生效，不能恢复；需要时重新申请"),
        );
    }
    Ok(page)
}

fn facts(one: &Issued) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new("用途", choice("certificate-purpose", &one.purpose)),
        Fact::new("有效天数", Datum::quantity(one.days, "天")),
        Fact::new("公钥（PEM）", Datum::text(one.key.as_str())),
    ];
    let time = |label: &str, at: Option<_>| {
        at.map(|at: sdk_contract::scalar::Timestamp| Fact::new(label, Datum::Time(at.micros())))
    };
    if let Some(pem) = &one.certificate {
        facts.push(Fact::new("序列号", Datum::text(one.serial.as_str())));
        facts.extend(time("有效期至", one.expires_at));
        facts.extend(time("吊销时间", one.ended_at));
        facts.extend(
            one.digest()
                .map(|digest| Fact::new("指纹（SM3）", Datum::text(digest.to_string()))),
        );
        facts.push(
            Fact::new("证书（PEM）", Datum::text(pem.as_str()))
                .help("根证书在 /pki/users.pem，吊销列表在 /pki/users.crl"),
        );
    }
    facts
}

pub(super) async fn act(
    host: &Host,
    call: &Call,
    verb: &str,
    input: &Input,
) -> Result<Reply, Fault> {
    if verb == "request" {
        return request(call, input);
    }
    let one = Issued::read(input.record.as_ref().ok_or_else(Fault::not_found)?);
    match verb {
        "issue" => {
            another(call, &one.asked_by)?;
            let issued = host.sessions().issue(&one, call.origin()).await;
            let values = issued.map_err(|e| failed(&e))?;
            let note = format!("serial={}", word(&values, "serial"));
            Ok(wrote(&one, values, "已签发", Some(note)))
        }
        "drop" => {
            let values = json!({ "status": "dropped", "asked_by": null });
            Ok(wrote(&one, object(values), "申请已撤销", None))
        }
        "revoke" => {
            let values = json!({ "status": "revoked", "ended_at": call.now.to_string() });
            let reason = word(&input.values, "reason").to_owned();
            Ok(wrote(
                &one,
                object(values),
                "已吊销，立即生效",
                Some(reason),
            ))
        }
        _ => Err(Fault::not_found()),
    }
}

fn request(call: &Call, input: &Input) -> Result<Reply, Fault> {
    let by = call.principal.user.as_deref().unwrap_or_default();
    let values = issued::ask(&input.values, by).map_err(Fault::invalid)?;
    let id = new_id(call.now)?;
    let note = format!("{} {}", word(&values, "purpose"), word(&values, "name"));
    Ok(Reply {
        result: json!({ "id": id }),
        outcome: Some(Outcome::go(page(&id), "已提交，待安全管理员批准")),
        writes: vec![Write::Insert {
            collection: CERTIFICATES.into(),
            id: id.clone(),
            subject: None,
            organisation: None,
            district: None,
            values,
        }],
        note: Some(note),
        ..Reply::default()
    })
}

fn wrote(one: &Issued, values: Map<String, Value>, toast: &str, note: Option<String>) -> Reply {
    Reply {
        result: json!({}),
        outcome: Some(Outcome::go(page(&one.id), toast)),
        writes: vec![Write::Update {
            collection: CERTIFICATES.into(),
            id: one.id.clone(),
            revision: one.revision,
            values,
        }],
        note,
        ..Reply::default()
    }
}
