//! Model calls: one certificate a score, its evidence for everybody who watches over them, its
//! result for the institution alone.

use std::collections::{BTreeMap, BTreeSet};

use kernel_storage::CollectionName;
use sdk_contract::call::Ask;
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Fact, Notice, Page, Row, Section, Table, Tone};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value};

use super::ID;
use super::names::{Names, titles};
use super::pages::{PAGE, bench, page_number, param};
use crate::Host;
use crate::models::certificate::Signed;
use crate::module::Call;
use crate::reads::ask as ask_fault;
use crate::values::word;

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let query = Query::new("console.certificates")
        .sort("created_at", true)
        .page(number, PAGE);
    let found = host.listed(call, query).await?;
    let known = Known::of(host, call, &found.records).await?;
    // Whoever sees no score on the page sees no column of it.
    let scored = found.records.iter().any(|r| !word(r, "score").is_empty());
    let rows = found.records.iter().map(|r| {
        let id = word(r, "id");
        let mut cells = vec![
            Datum::text(known.subject(r)),
            Datum::text(known.reference(r)),
            Datum::text(known.institution(r)),
            Datum::text(known.model(r)),
            Datum::time_text(word(r, "created_at")),
        ];
        if scored {
            cells.push(Datum::text(short(word(r, "score"))));
        }
        Row::new(id, cells).to(format!("/console/certificates/{id}"))
    });
    let mut columns = vec![
        Column::new("subject", "主体", 0),
        Column::new("reference", "业务编号", 1),
        Column::new("institution", "金融机构", 2),
        Column::new("model", "模型", 2),
        Column::new("at", "时间", 2),
    ];
    if scored {
        columns.push(Column::new("score", "得分", 1));
    }
    let table = Table::new(columns)
        .of("certificates")
        .rows(rows)
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("还没有模型调用。模型上线后，每次评分在这里留下一张可重放的证书");
    Ok(bench("模型调用")
        .subtitle("每次评分一张证书，可在任何机器上重放")
        .block(Block::table("calls", table)))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    let record = host
        .get(&call.principal, "console.certificates", id)
        .await?;
    // Anybody who may see that there is a certificate may learn whether it is genuine; what it
    // says of the subject is masked in the record above.
    let whole = host
        .store()
        .get(&CollectionName::new(ID, "certificates"), id, &Host::KERNEL)
        .await
        .map_err(|e| ask_fault(&e))?
        .ok_or_else(Fault::not_found)?;
    let signed: Signed = serde_json::from_value(whole.get("document").cloned().unwrap_or_default())
        .map_err(|_| Fault::internal("证书已损坏"))?;
    let notice = if signed.verify(host.keys()).is_ok() {
        Notice::new(Tone::Success, "签名有效", "内容与签发时一致（SM2）")
    } else {
        Notice::new(Tone::Danger, "签名无效", "内容在签发后被改动")
    };
    let known = Known::of(host, call, std::slice::from_ref(&record)).await?;
    Ok(bench("评分证书")
        .subtitle(format!(
            "{} · {}",
            known.subject(&record),
            known.institution(&record)
        ))
        .under("模型调用", "/console/certificates")
        .guarded()
        .block(Block::notice("signature", notice))
        .section(
            Section::grid()
                .block(facts(&record, &signed, &known).span(7))
                .block(result(&record, &signed).span(5)),
        ))
}

fn facts(record: &Map<String, Value>, signed: &Signed, known: &Known) -> Block {
    let c = &signed.certificate;
    let number = |id: &str| format!("编号：{id}");
    let items = c.input.keys().cloned().collect::<Vec<_>>().join("、");
    let mut facts = vec![
        Fact::new("主体", Datum::text(known.subject(record))).help(number(&c.subject)),
        Fact::new("金融机构", Datum::text(known.institution(record))).help(number(&c.recipient)),
        Fact::new("模型", Datum::text(known.model(record)))
            .help(format!("{} {}", c.model.name, c.model.version)),
        Fact::new("业务编号", Datum::text(known.reference(record))).help(number(&c.reference)),
        Fact::new("时间", Datum::time_text(&c.at)),
        Fact::new("用途代码", Datum::text(c.purpose.as_str())),
        Fact::new("授权书编号", Datum::text(c.consent.as_str())),
        Fact::new("证书编号", Datum::text(c.id.as_str())),
        Fact::new("组件摘要", Datum::text(c.model.digest.as_str())),
        Fact::new("读取的数据项", Datum::text(items)),
    ];
    if !c.read.is_empty() {
        let versions: Vec<String> = c
            .read
            .iter()
            .map(|r| format!("{} {} 修订 {}", r.collection, r.id, r.revision))
            .collect();
        facts.push(Fact::new(
            "读取的记录版本",
            Datum::text(versions.join("；")),
        ));
    }
    if !c.disputed.is_empty() {
        let disputed = Datum::text(c.disputed.join("、"));
        facts.push(Fact::new("异议处理中的数据项", disputed).help("评分时主体对其值有异议"));
    }
    Block::details("certificate", facts).title("证书")
}

/// The result, as far as the caller's own record shows it.
fn result(record: &Map<String, Value>, signed: &Signed) -> Block {
    if word(record, "score").is_empty() {
        let text = "模型结果与读取的数据只有出具评分的金融机构能看到；这里只有调用的存证信息。";
        return Block::notice("result", Notice::new(Tone::Info, "评分结果不显示。", text));
    }
    let out = &signed.certificate.output;
    let facts = vec![
        Fact::new("得分", Datum::text(format!("{:.2}", out.score))),
        Fact::new("计算量", Datum::quantity(out.fuel, "fuel")),
    ];
    Block::details("result", facts).title("结果")
}

/// Two digits after the point are enough for a list.
fn short(score: &str) -> &str {
    match score.find('.') {
        Some(point) => score.get(..point + 3).unwrap_or(score),
        None => score,
    }
}

/// What people call what certificates name.
struct Known {
    names: Names,
    references: BTreeMap<String, String>,
    /// By institution, name and version.
    models: BTreeMap<(String, String, String), String>,
}

impl Known {
    async fn of(host: &Host, call: &Call, records: &[Map<String, Value>]) -> Result<Self, Fault> {
        let mut parties = Vec::new();
        let mut names = BTreeSet::new();
        let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for r in records {
            parties.extend([word(r, "subject"), word(r, "organisation")]);
            names.insert(word(r, "model"));
            let its = asked.entry(word(r, "asker")).or_default();
            its.push(word(r, "reference"));
        }
        let catalog = host.catalog();
        let mut references = BTreeMap::new();
        for (asker, ids) in asked {
            let Some(module) = catalog.modules.get(asker) else {
                continue;
            };
            let its = module.def.collections.iter().map(|c| (&module.def, c));
            let its: Vec<_> = its.collect();
            references.extend(titles(host, &call.principal, its, ids).await);
        }
        Ok(Self {
            names: Names::of(host, Vec::new(), parties).await?,
            references,
            models: models(host, names).await?,
        })
    }

    fn subject<'a>(&'a self, record: &'a Map<String, Value>) -> &'a str {
        self.names.or_id(word(record, "subject"))
    }

    fn institution<'a>(&'a self, record: &'a Map<String, Value>) -> &'a str {
        self.names.or_id(word(record, "organisation"))
    }

    fn reference<'a>(&'a self, record: &'a Map<String, Value>) -> &'a str {
        let id = word(record, "reference");
        self.references.get(id).map_or(id, String::as_str)
    }

    fn model(&self, record: &Map<String, Value>) -> String {
        let part = |field: &str| word(record, field).to_owned();
        let (name, version) = (part("model"), part("version"));
        let key = (part("organisation"), name.clone(), version.clone());
        let title = self.models.get(&key).unwrap_or(&name);
        format!("{title} {version}")
    }
}

/// Titles of registered models; a title is no secret, unlike what a model says.
async fn models(
    host: &Host,
    names: BTreeSet<&str>,
) -> Result<BTreeMap<(String, String, String), String>, Fault> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = Query::new(CollectionName::new(ID, "models").to_string())
        .filter(Filter::In {
            field: "name".into(),
            values: names.into_iter().map(Value::from).collect(),
        })
        .sort("created_at", true)
        .limit(MAX_LIMIT);
    let found = host
        .store()
        .find(&query, &Host::KERNEL)
        .await
        .map_err(|e| ask_fault(&e))?;
    let part = |r: &Map<String, Value>, field: &str| word(r, field).to_owned();
    let keyed = found.records.iter().map(|r| {
        let key = (part(r, "organisation"), part(r, "name"), part(r, "version"));
        (key, part(r, "title"))
    });
    Ok(keyed.collect())
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn scores_are_cut_after_two_digits() {
        assert_eq!(short("637.191505"), "637.19");
        assert_eq!(short("637.1"), "637.1");
        assert_eq!(short("637"), "637");
        assert_eq!(short(""), "");
    }
}
