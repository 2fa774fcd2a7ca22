//! The audit trail: searched by who, what, when and outcome, and each record with its evidence.

use std::collections::BTreeMap;

use kernel_storage::{AuditDraft, AuditFilter, AuditRecord, CollectionName, HistoryState, is_id};
use sdk_contract::call::Ask;
use sdk_contract::def::{CollectionDef, ModuleDef};
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Datum, Fact, Field, Notice, Page, Row, Section, Table, Tone,
};
use sdk_contract::scalar::{Date, Timestamp};
use serde_json::{Map, Value};

use super::names::{Names, party_called, records_called, titles, users_called};
use super::pages::{PAGE, bench, may, page_number, param};
use super::verifications;
use crate::mask::Sight;
use crate::module::Call;
use crate::reads::{ask as ask_fault, storage};
use crate::{Catalog, Host, history};

/// What a record's detail calls the changes it is of; they are shown as evidence.
const CHANGES: &str = "changes";
/// Whose data a record is about; a fact of its own.
const PARTIES: &str = "parties";
/// Longest text a filter takes, in characters.
const LONGEST: usize = 80;

/// Actions of the kernel itself, which no module declares.
const KERNEL: [(&str, &str); 25] = [
    ("console.job.exported", "导出数据"),
    ("console.job.exported.parties", "导出数据，所含的其他主体"),
    ("console.job.imported", "导入数据"),
    ("platform.account.copy", "下载本人信息副本"),
    ("field.look", "查看完整内容"),
    ("field.look.ask", "申请查看完整内容"),
    ("api.call", "应用调用接口"),
    ("history.view", "查看变更历史"),
    ("list.view", "查询记录"),
    ("page.view", "查看页面"),
    ("record.view", "查看记录"),
    ("model.score", "模型评分"),
    ("platform.session.start", "登录"),
    ("platform.session.end", "退出登录"),
    ("platform.session.step-up", "第二重验证"),
    ("platform.user.suspend", "长期未用，自动停用"),
    ("platform.grant.lapse", "授权到期自动收回"),
    ("platform.key.reseal", "换密钥后重新加密"),
    ("platform.record.sweep", "发现被改动的记录"),
    ("platform.key.rotate", "更换密钥"),
    ("platform.config.change", "系统配置变更"),
    ("console.retention.delete", "保存期限届满，自动删除"),
    ("console.deletion.purge", "保留期满，清除记录"),
    ("console.verification.end", "审计日志核验结果"),
    ("console.reading.unusual", "发现异常查询"),
];

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let catalog = host.catalog();
    let found = match filter(host, call, ask).await? {
        Some(filter) => host
            .store()
            .audit_find(&filter, PAGE, (number - 1) * PAGE)
            .await
            .map_err(|e| ask_fault(&e))?,
        None => kernel_storage::AuditPage::default(),
    };
    let names = names(host, &found.records).await?;
    let objects = objects(host, call, &catalog, &found.records).await;
    let rows = found.records.iter().map(|r| {
        let d = &r.draft;
        let title = objects.get(&d.object).map(String::as_str);
        let object = match title.or_else(|| names.get(&d.object)) {
            Some(title) => title.to_owned(),
            // A session has no name; who signed in stands beside it.
            None if d.action.starts_with("platform.session.") => String::new(),
            None => short(&d.object),
        };
        let cells = vec![
            Datum::text(action_words(&catalog, &d.action)),
            Datum::Time(d.at),
            Datum::text(actor(&names, d)),
            Datum::text(party(&names, d)),
            Datum::text(object),
            outcome(d),
        ];
        Row::new(format!("a{}", r.seq), cells).to(format!("/console/audit/{}", r.seq))
    });
    let columns = vec![
        Column::new("action", "操作", 0),
        Column::new("at", "时间", 1),
        Column::new("actor", "操作人", 1),
        Column::new("party", "所属机构", 3),
        Column::new("object", "对象", 2),
        Column::new("outcome", "结果", 1),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .filter(Field::text("who", "操作人", 80).hint("姓名、登录名"))
        .filter(Field::pick("what", "操作", kinds(&catalog)))
        .filter(Field::text("object", "对象", 80).hint("业务编号或记录编号"))
        .filter(Field::text("party", "涉及主体", 80).hint("名称、统一社会信用代码或编号"))
        .filter(Field::date("from", "从"))
        .filter(Field::date("to", "到"))
        .filter(Field::pick(
            "outcome",
            "结果",
            vec![
                Choice::new("done", "完成"),
                Choice::new("refused", "未完成"),
            ],
        ))
        .paging(number, PAGE, found.total)
        .empty("没有符合条件的记录。请放宽时间范围，或点“重置”查看全部");
    let mut page = bench("审计日志")
        .subtitle("只增不改，SM3 链式防篡改；点开一条可看变更前后与链上位置")
        .guarded()
        .action(Action::open("集中收集", "/console/collectors").icon("cloud-upload"))
        .action(Action::open("核验记录", verifications::PATH).icon("list-check"));
    if may(host, call, "audit.verify") {
        page = page.action(verifications::begin());
    }
    Ok(page.block(Block::table("audit", table)))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let seq: u64 = param(ask, "seq").parse().map_err(|_| Fault::not_found())?;
    let filter = AuditFilter {
        seq: Some(seq),
        ..AuditFilter::default()
    };
    let found = host
        .store()
        .audit_find(&filter, 1, 0)
        .await
        .map_err(|e| ask_fault(&e))?;
    let record = found.records.first().ok_or_else(Fault::not_found)?;
    let catalog = host.catalog();
    let names = names(host, &found.records).await?;
    let objects = objects(host, call, &catalog, &found.records).await;
    let mut page = bench("审计记录")
        .subtitle(format!(
            "第 {seq} 条 · {}",
            action_words(&catalog, &record.draft.action)
        ))
        .under("审计日志", "/console/audit")
        .guarded()
        .section(
            Section::main_and_side()
                .block(facts(record, &catalog, &names, &objects))
                .block(evidence(host, record).await?),
        );
    if let Some(changes) = changes(host, call, &catalog, &record.draft).await? {
        page = page.block(changes);
    }
    if let Value::Object(detail) = &record.draft.detail {
        let facts = more(detail);
        if !facts.is_empty() {
            page = page.block(Block::list("detail", facts).title("附记"));
        }
    }
    Ok(page)
}

/// What was asked for; none when nothing can match it.
async fn filter(host: &Host, call: &Call, ask: &Ask) -> Result<Option<AuditFilter>, Fault> {
    let given = |name: &str| -> Option<String> {
        let text: String = ask.query.get(name)?.trim().chars().take(LONGEST).collect();
        (!text.is_empty()).then_some(text)
    };
    let mut filter = AuditFilter {
        action: given("what"),
        done: given("outcome").map(|o| o == "done"),
        from: given("from").and_then(|d| midnight(&d, 0)),
        to: given("to").and_then(|d| midnight(&d, 1)),
        ..AuditFilter::default()
    };
    if let Some(who) = given("who") {
        filter.actors = users_called(host, &who).await?;
        if is_id(&who) {
            filter.actors.push(who);
        }
        if filter.actors.is_empty() {
            return Ok(None);
        }
    }
    if let Some(party) = given("party") {
        filter.party = party_called(host, &party).await?;
        if filter.party.is_none() {
            return Ok(None);
        }
    }
    if let Some(object) = given("object") {
        filter.objects = records_called(host, &call.principal, &object).await;
        filter.objects.push(object);
    }
    Ok(Some(filter))
}

/// The beginning of a day in Beijing, `days` later, in microseconds since 1970.
pub(crate) fn midnight(day: &str, days: i64) -> Option<i64> {
    const DAY: i64 = 24 * 3600 * 1_000_000;
    let day: Date = day.parse().ok()?;
    let begin: Timestamp = format!("{day}T00:00:00+08:00").parse().ok()?;
    begin.micros().checked_add(days * DAY)
}

async fn names(host: &Host, records: &[AuditRecord]) -> Result<Names, Fault> {
    let mut users = Vec::new();
    let mut parties = Vec::new();
    for AuditRecord { draft, .. } in records {
        users.push(draft.actor.as_str());
        parties.push(draft.object.as_str());
        parties.extend(draft.organisation.as_deref());
        parties.extend(draft.subject.as_deref());
        parties.extend(draft.parties());
    }
    Names::of(host, users, parties).await
}

/// What the records' objects are called, where they are records the caller may read.
async fn objects(
    host: &Host,
    call: &Call,
    catalog: &Catalog,
    records: &[AuditRecord],
) -> BTreeMap<String, String> {
    let mut titled = BTreeMap::new();
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for r in records.iter().filter(|r| is_id(&r.draft.object)) {
        let name = match declared(catalog, &r.draft.action) {
            Some((def, collection)) => format!("{}.{}", def.id, collection.name),
            // A look through the API says of what.
            None => match r.draft.detail.get("collection").and_then(Value::as_str) {
                Some(name) => name.to_owned(),
                None => continue,
            },
        };
        kinds.entry(name).or_default().push(&r.draft.object);
    }
    for (name, ids) in kinds {
        if let Some((installed, collection)) = catalog.collection(&name) {
            let one = vec![(&installed.def, collection)];
            titled.extend(titles(host, &call.principal, one, ids).await);
        }
    }
    titled
}

/// The module and collection an action is about.
fn declared<'a>(catalog: &'a Catalog, action: &str) -> Option<(&'a ModuleDef, &'a CollectionDef)> {
    let (module, name) = action.split_once('.')?;
    let def = &catalog.modules.get(module)?.def;
    let action = def.action(name)?;
    Some((def, def.collection(&action.collection)?))
}

pub(crate) fn action_words(catalog: &Catalog, action: &str) -> String {
    if let Some((_, words)) = KERNEL.iter().find(|(name, _)| *name == action) {
        return (*words).to_owned();
    }
    let words = action.split_once('.').and_then(|(module, name)| {
        let def = &catalog.modules.get(module)?.def;
        let action = def.action(name)?;
        let what = def.collection(&action.collection)?;
        Some(format!("{} · {}", what.label.zh, action.label.zh))
    });
    words.unwrap_or_else(|| action.to_owned())
}

/// What can be filtered by: a module's actions, and the kernel's own.
fn kinds(catalog: &Catalog) -> Vec<Choice> {
    let own = KERNEL.map(|(name, words)| Choice::new(name, words));
    let modules = catalog
        .modules
        .iter()
        .filter(|(_, m)| !m.def.actions.is_empty());
    let modules = modules.map(|(id, m)| Choice::new(format!("{id}."), &m.def.label.zh));
    own.into_iter().chain(modules).collect()
}

fn actor<'a>(names: &'a Names, draft: &'a AuditDraft) -> &'a str {
    match draft.actor.as_str() {
        "" => "未登录",
        id => names.or_id(id),
    }
}

fn party<'a>(names: &'a Names, draft: &'a AuditDraft) -> &'a str {
    draft
        .organisation
        .as_deref()
        .map_or("", |id| names.or_id(id))
}

/// An id nobody has a name for, short enough for a table.
fn short(object: &str) -> String {
    if is_id(object) {
        let (head, _) = object.split_once('-').unwrap_or((object, ""));
        return format!("{head}…");
    }
    object.to_owned()
}

fn outcome(draft: &AuditDraft) -> Datum {
    match draft.outcome.as_str() {
        "ok" => Datum::status("完成", Tone::Success),
        _ => Datum::status("未完成", Tone::Warning),
    }
}

fn facts(
    record: &AuditRecord,
    catalog: &Catalog,
    names: &Names,
    objects: &BTreeMap<String, String>,
) -> Block {
    let d = &record.draft;
    let id = |id: &str, name: &str| format!("{name}：{id}");
    let who = match d.actor.as_str() {
        "" => Fact::new("操作人", Datum::text("未登录")),
        actor => Fact::new("操作人", Datum::text(names.or_id(actor))).help(id(actor, "用户编号")),
    };
    let mut facts = vec![
        Fact::new("操作", Datum::text(action_words(catalog, &d.action))).help(d.action.as_str()),
        Fact::new("结果", outcome(d)).help(d.outcome.as_str()),
        Fact::new("时间", Datum::Time(d.at)),
        who,
    ];
    for (label, party) in [("所属机构", &d.organisation), ("所属主体", &d.subject)] {
        if let Some(party) = party {
            let fact = Fact::new(label, Datum::text(names.or_id(party)));
            facts.push(fact.help(id(party, "编号")));
        }
    }
    let about: Vec<&str> = d.parties().map(|id| names.or_id(id)).collect();
    if !about.is_empty() {
        facts.push(Fact::new("涉及主体", Datum::text(about.join("、"))));
    }
    if !d.object.is_empty() {
        let title = objects.get(&d.object).unwrap_or(&d.object);
        let title = names.get(&d.object).unwrap_or(title);
        let fact = Fact::new("对象", Datum::text(title));
        facts.push(if title == d.object {
            fact
        } else {
            fact.help(id(&d.object, "编号"))
        });
    }
    facts.push(Fact::new("请求编号", Datum::text(d.request.as_str())));
    Block::details("facts", facts).title("记录")
}

async fn evidence(host: &Host, record: &AuditRecord) -> Result<Block, Fault> {
    let intact = if record.intact() {
        Datum::status("内容与摘要一致", Tone::Success)
    } else {
        Datum::status("内容已被改动", Tone::Danger)
    };
    let mut facts = vec![
        Fact::new("链上位置", Datum::text(format!("第 {} 条", record.seq))),
        Fact::new("核对", intact).help("整条链在“核验整条链”中核验，或用 audit verify 命令"),
        Fact::new("上一条摘要", Datum::text(record.prev.as_str())),
        Fact::new("本条摘要（SM3）", Datum::text(record.hash.as_str())),
    ];
    let kept = host.store().audit_changes_kept(&record.draft).await;
    if let Some(kept) = kept.map_err(|e| storage(&e))? {
        let kept = match kept {
            HistoryState::Whole => Datum::status("变更历史与摘要一致", Tone::Success),
            HistoryState::Erased => Datum::status("记录已清除，变更内容随之清除", Tone::Neutral),
            HistoryState::Altered => Datum::status("变更历史已被改动", Tone::Danger),
        };
        facts.push(Fact::new("变更前后", kept));
    }
    let changes = record.draft.detail.get(CHANGES).and_then(Value::as_array);
    for change in changes.into_iter().flatten() {
        let word = |name: &str| change.get(name).and_then(Value::as_str);
        let digests = [("变更前摘要", "before"), ("变更后摘要", "after")];
        for (label, digest) in digests {
            let shown = word(digest).unwrap_or("（新建）");
            let fact = Fact::new(label, Datum::text(shown));
            facts.push(fact.help(word("record").unwrap_or_default()));
        }
    }
    Ok(Block::list("chain", facts).title("存证"))
}

/// What the action changed in its record, masked as the caller reads it.
async fn changes(
    host: &Host,
    call: &Call,
    catalog: &Catalog,
    draft: &AuditDraft,
) -> Result<Option<Block>, Fault> {
    let Some((def, collection)) = declared(catalog, &draft.action) else {
        return Ok(None);
    };
    let name = CollectionName::new(&def.id, &collection.name);
    let p = &call.principal;
    let Ok(record) = host.get(p, &name.to_string(), &draft.object).await else {
        let notice = Notice::new(Tone::Neutral, "", "您的岗位不能查看这条记录的变更内容");
        return Ok(Some(Block::notice("changes", notice)));
    };
    let all = host
        .store()
        .changes(&name, &draft.object)
        .await
        .map_err(|e| storage(&e))?;
    let made = all
        .into_iter()
        .find(|c| c.at == draft.at && c.by == draft.actor);
    let sight = Sight::of(def, collection, p);
    Ok(made.map(|mut change| {
        history::mask(&sight, &record, &mut change);
        history::block(def, collection, &change)
    }))
}

/// Whatever else the record keeps, by its own names.
fn more(detail: &Map<String, Value>) -> Vec<Fact> {
    let shown = [CHANGES, PARTIES];
    let others = detail
        .iter()
        .filter(|(name, _)| !shown.contains(&name.as_str()));
    let facts = others.map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(all) => {
                let words = all
                    .iter()
                    .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
                words.collect::<Vec<_>>().join("、")
            }
            other => other.to_string(),
        };
        Fact::new(detail_label(name), Datum::text(text))
    });
    facts.collect()
}

fn detail_label(name: &str) -> &str {
    match name {
        "note" => "说明",
        "code" => "原因代码",
        "ip" => "网络地址",
        "certificate" => "证书摘要",
        "recipient" => "读取方",
        "purpose" => "用途代码",
        "consent" => "授权书编号",
        "reference" => "业务记录",
        "asker" => "发起模块",
        "items" => "数据项目录",
        "features" => "读取的数据项",
        "model" => "模型",
        "login" => "登录名",
        "before" => "变更前摘要",
        "after" => "变更后摘要",
        "files" => "所引用文件的摘要",
        "records" => "核验条数",
        "signed" => "已签名至",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_in_beijing() {
        // 2026-11-23T16:00:00Z
        assert_eq!(midnight("2026-11-24", 0), Some(1_795_449_600_000_000));
        assert_eq!(
            midnight("2026-11-24", 1).zip(midnight("2026-11-25", 0)),
            Some((1_795_536_000_000_000, 1_795_536_000_000_000))
        );
        assert_eq!(midnight("24.11.2026", 0), None);
    }

    #[test]
    fn an_id_is_shortened_and_a_path_is_not() {
        assert_eq!(short("01930000-0000-7000-8000-00000000f001"), "01930000…");
        assert_eq!(short("/console/audit"), "/console/audit");
    }
}
