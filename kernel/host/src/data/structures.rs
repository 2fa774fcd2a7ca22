//! 数据结构: the list of designed collections, one with what is being designed, and what is done
//! to it.

mod create;

use kernel_identity::two_person::{self, Request, Verdict};
use kernel_storage::{CollectionName, Record};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{
    Action, Block, Column, Confirm, Datum, Fact, Notice, Outcome, Page, Row, Section, Table,
};
use sdk_contract::query::{Filter, Query};
use serde_json::{Map, Value, json};

use super::declare::{COLLECTION, ID, PATH};
use super::design::{Design, Life, kind_word, words};
use super::forecast;
use crate::console::pages::{PAGE, bench, page_number};
use crate::module::{Call, Input, new_id};
use crate::reads::ask as ask_fault;
use crate::values::{number, object, word};
use crate::{Host, data};

/// A designed collection as stored.
pub(super) struct Structure {
    pub(super) id: String,
    revision: i64,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) live: Option<Design>,
    pub(super) approved: Option<Design>,
    pub(super) draft: Option<Design>,
    request: String,
    problem: String,
}

impl Structure {
    pub(super) fn read(record: &Record) -> Self {
        let design = |field: &str| {
            let value = record.get(field).filter(|v| !v.is_null())?;
            serde_json::from_value(value.clone()).ok()
        };
        Self {
            id: word(record, "id").to_owned(),
            revision: number(record, "revision"),
            name: word(record, "name").to_owned(),
            label: word(record, "label").to_owned(),
            live: design("live"),
            approved: design("approved"),
            draft: design("draft"),
            request: word(record, "request").to_owned(),
            problem: word(record, "problem").to_owned(),
        }
    }

    /// What it is called, in all that is known of it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let designs = [&self.live, &self.approved, &self.draft];
        let designs = designs.into_iter().flatten().map(Design::name);
        std::iter::once(self.name.as_str()).chain(designs)
    }

    pub(super) fn update(&self, values: Map<String, Value>) -> Write {
        Write::Update {
            collection: COLLECTION.into(),
            id: self.id.clone(),
            revision: self.revision,
            values,
        }
    }

    /// What is being designed, or would be.
    pub(super) fn design(&self) -> Option<Design> {
        self.draft
            .clone()
            .or_else(|| self.live.as_ref().map(Design::again))
    }

    pub(super) fn path(&self) -> String {
        format!("{PATH}/{}", self.id)
    }

    /// Refuses a change while somebody decides, or while one is on its way.
    fn open(&self) -> Result<Design, Fault> {
        if !self.request.is_empty() {
            return Err(Fault::conflict(
                "data.in-review",
                "该表的修改正在复核，复核结束或撤回后才能再改",
            ));
        }
        if self.approved.is_some() {
            return Err(Fault::conflict(
                "data.in-change",
                "已批准的修改正在启用，请稍后再改",
            ));
        }
        let gone = |d: &Design| d.life == Life::Gone;
        self.design()
            .filter(|_| !self.live.as_ref().is_some_and(gone))
            .ok_or_else(Fault::not_found)
    }

    fn state(&self) -> Datum {
        if self.approved.is_some() {
            return Datum::status("正在启用", Tone::Info);
        }
        if !self.request.is_empty() {
            return Datum::status("待复核", Tone::Warning);
        }
        if self.draft.is_some() {
            return Datum::status("有未提交的修改", Tone::Info);
        }
        match self.live.as_ref().map(|d| d.life) {
            Some(Life::Used) => Datum::status("使用中", Tone::Success),
            Some(Life::Retired) => Datum::status("已停用", Tone::Neutral),
            Some(Life::Gone) => Datum::status("已移除", Tone::Neutral),
            None => Datum::status("未启用", Tone::Neutral),
        }
    }
}

/// Whether the caller may design.
fn may_design(host: &Host, call: &Call) -> bool {
    let catalog = host.catalog();
    let module = catalog.modules.get(ID);
    module.is_some_and(|m| {
        crate::reads::permitted(&m.def, &call.principal, "structure.design").is_ok()
    })
}

pub(super) async fn found(host: &Host, call: &Call, ask: &Ask) -> Result<Structure, Fault> {
    let name = format!("{ID}.{COLLECTION}");
    let record = host.get(&call.principal, &name, ask.param("id")).await?;
    Ok(Structure::read(&record))
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let mut query = Query::new(format!("{ID}.{COLLECTION}")).sort("created_at", true);
    if let Some(words) = ask.query("q") {
        query = query.filter(Filter::search(words));
    }
    let found = host.listed(call, query.page(number, PAGE)).await?;
    let rows = found.records.iter().map(|record| {
        let structure = Structure::read(record);
        let fields = structure.design().map_or(0, |d| d.collection.fields.len());
        let cells = vec![
            Datum::text(structure.label.as_str()),
            Datum::text(structure.name.as_str()),
            structure.state(),
            Datum::quantity(fields, "个"),
            Datum::time_text(word(record, "updated_at")),
        ];
        Row::new(structure.id.as_str(), cells).to(structure.path())
    });
    let columns = vec![
        Column::new("label", "名称", 0),
        Column::new("name", "表名", 2),
        Column::new("state", "状态", 1),
        Column::new("fields", "字段", 2),
        Column::new("updated", "最近修改", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .search("名称或表名")
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("还没有数据表。新建后设计字段，提交复核，另一人同意后立即启用");
    let mut page = bench("数据结构").subtitle(
        "在线设计数据表：修改先预演，经另一人复核后立即在接口、页面和权限中生效，无需停机",
    );
    if may_design(host, call) {
        let new = Action::open("新建数据表", format!("{PATH}/new"));
        page = page.action(new.icon("plus").primary());
    }
    Ok(page.block(Block::table("structures", table)))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let structure = found(host, call, ask).await?;
    let mut page = bench(&structure.label)
        .subtitle(format!("表名 {} · 接口 /api/v1/{ID}/{0}", structure.name))
        .under("数据结构", PATH);
    if let Datum::Status(s) = structure.state() {
        page = page.status(s.label, s.tone);
    }
    let Some(design) = structure.design() else {
        return Ok(page);
    };
    let edits = may_design(host, call) && structure.open().is_ok();
    let used = design.life == Life::Used;
    let live = structure
        .live
        .as_ref()
        .is_some_and(|d| d.life == Life::Used);
    if live {
        let to = format!("/{ID}/{}", structure.name);
        page = page.action(Action::open("打开数据", to).icon("table"));
    }
    if edits && used {
        let to = format!("{}/add", structure.path());
        page = page.action(Action::open("新增字段", to).icon("plus").primary());
    }
    if !structure.problem.is_empty() {
        let notice = Notice::new(Tone::Danger, "上次批准的修改未能启用", &structure.problem);
        page = page.block(Block::notice("problem", notice));
    }
    if !structure.request.is_empty() {
        let notice = Notice::new(
            Tone::Warning,
            "待复核",
            "须由申请人以外的人员在“待复核”中同意后生效；此前仍按原结构使用",
        );
        page = page.block(Block::notice("waits", notice));
    }
    if let Some(draft) = &structure.draft {
        page = planned(host, &structure, draft, edits, page).await?;
    }
    let mut tabs = vec![fields(&structure, &design, edits)];
    tabs.push(Block::details("about", about(host, &design)).title("说明与权限"));
    if edits && used {
        let form = super::forms::describe(host, &structure, &design);
        tabs.push(Block::form(form).title("修改说明与权限"));
        let form = super::forms::rename(&structure, &design);
        tabs.push(Block::form(form).title("修改表名"));
    }
    if let Some(old) = old(&structure, &design, edits) {
        tabs.push(old);
    }
    tabs.push(Block::history("history", COLLECTION, structure.id.as_str()));
    page = page.section(Section::tabs().blocks(tabs));
    let actions = life(&structure, &design);
    if edits && !actions.is_empty() {
        page = page.block(Block::actions("life", actions));
    }
    Ok(page)
}

/// What the draft would do, and the form that sends it.
async fn planned(
    host: &Host,
    structure: &Structure,
    draft: &Design,
    edits: bool,
    page: Page,
) -> Result<Page, Fault> {
    let outlook = forecast::of(host, structure, draft).await?;
    let steps = outlook
        .changes
        .iter()
        .enumerate()
        .map(|(n, change)| Row::new(format!("c{n}"), vec![Datum::text(change.as_str())]));
    let steps = Table::new(vec![Column::new("change", "将要进行的变更", 0)])
        .rows(steps)
        .empty("没有变更");
    let mut page = page.block(Block::table("plan", steps).title("变更计划（预演，尚未执行）"));
    if !outlook.values.is_empty() {
        page = page.block(forecast::counts(&outlook.values));
    }
    if let Some(unfit) = forecast::unfit(&outlook.values) {
        page = page.block(unfit);
    }
    if !outlook.refusals.is_empty() {
        let notice = Notice::new(Tone::Danger, "还不能提交", outlook.refusals.join("；"));
        page = page.block(Block::notice("refused", notice));
    }
    if edits {
        let mut submit = Action::send("提交复核", "structure.submit")
            .record(&structure.id)
            .primary()
            .confirm(
                Confirm::new("提交复核", "由另一人复核同意后立即生效。", "提交").reason("原因"),
            );
        if !outlook.may_be_sent() {
            submit = submit.off("变更计划中还有不能执行的内容");
        }
        let discard = Action::send("放弃修改", "structure.discard")
            .record(&structure.id)
            .confirm(Confirm::new("放弃修改", "未提交的修改全部丢弃。", "放弃"));
        page = page.block(Block::actions("decide", vec![submit, discard]));
    }
    Ok(page)
}

fn tick(yes: bool) -> Datum {
    if yes { Datum::text("是") } else { Datum::None }
}

fn fields(structure: &Structure, design: &Design, edits: bool) -> Block {
    let edits = edits && design.life == Life::Used;
    let rows = design.collection.fields.iter().map(|field| {
        let level = field.level.map_or(Datum::None, |l| Datum::text(l.name()));
        let cells = vec![
            Datum::text(field.label.zh.as_str()),
            Datum::text(field.name.as_str()),
            Datum::text(kind_word(field)),
            level,
            tick(field.required),
            tick(field.list),
            tick(field.search),
            tick(field.unique || design.is_indexed(&field.name)),
        ];
        let row = Row::new(field.name.as_str(), cells);
        if !edits {
            return row;
        }
        let to = format!("{}/fields/{}", structure.path(), field.name);
        let text = "停用后不再出现在接口、页面和填写中；数据和历史保留，移除前可恢复。";
        let row = row
            .to(&to)
            .action(Action::open("修改", &to))
            .action(Action::open("类型变更", format!("{to}/convert")));
        if design.collection.title == field.name {
            return row;
        }
        row.action(
            Action::send("停用", "structure.retire")
                .record(&structure.id)
                .arg("field", field.name.as_str())
                .confirm(Confirm::new("停用字段", text, "停用")),
        )
    });
    let columns = vec![
        Column::new("label", "显示名称", 0),
        Column::new("name", "字段名", 1),
        Column::new("kind", "类型", 1),
        Column::new("level", "级别", 2),
        Column::new("required", "必填", 2),
        Column::new("list", "列表", 3),
        Column::new("search", "搜索", 3),
        Column::new("index", "索引", 3),
    ];
    Block::table("fields", Table::new(columns).rows(rows)).title("字段")
}

fn about(host: &Host, design: &Design) -> Vec<Fact> {
    let book = host.role_book();
    let named = |roles: &[String]| {
        let names: Vec<&str> = roles
            .iter()
            .map(|r| book.get(r).map_or(r.as_str(), String::as_str))
            .collect();
        Datum::text(names.join("、"))
    };
    let scope = match design.scope_word() {
        "organisation" => "本机构",
        "district" => "本区",
        _ => "全部",
    };
    vec![
        Fact::new("说明", Datum::text(design.collection.help.as_str())),
        Fact::new("处理目的", Datum::text(design.purpose())),
        Fact::new("可查看的角色", named(&design.readers)),
        Fact::new("可维护的角色", named(&design.writers)),
        Fact::new("数据范围", Datum::text(scope)),
    ]
}

/// What is out of use and still stored.
fn old(structure: &Structure, design: &Design, edits: bool) -> Option<Block> {
    let forget = |name: &str, title: &str, text: &str| {
        Action::send(title, "structure.forget")
            .record(&structure.id)
            .arg("field", name)
            .danger()
            .confirm(Confirm::new(title, text, title))
    };
    let retired = design.retired().map(|name| {
        let text = "提交复核并同意后，该字段的数据从表中删除，不能恢复；变更历史不删除。";
        ("已停用的字段", name, forget(name, "移除数据", text))
    });
    let kept = design.kept().map(|name| {
        let text = "确认转换结果无误后，类型变更前的旧值从表中删除，不能恢复。";
        (
            "类型变更前的旧值",
            name,
            forget(name, "确认并移除旧值", text),
        )
    });
    let rows: Vec<Row> = retired
        .chain(kept)
        .map(|(what, name, action)| {
            let row = Row::new(name, vec![Datum::text(name), Datum::text(what)]);
            if !edits {
                return row;
            }
            let restore = Action::send("恢复使用", "structure.restore")
                .record(&structure.id)
                .arg("field", name);
            let row = if design.is_retired(name) {
                row.action(restore)
            } else {
                row
            };
            // What is still being designed has left nothing behind.
            let live = structure.live.as_ref();
            let there = |d: &Design| d.is_retired(name) || d.kept().any(|k| k == name);
            if live.is_some_and(there) {
                row.action(action)
            } else {
                row
            }
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let columns = vec![
        Column::new("name", "字段名", 0),
        Column::new("what", "保留的数据", 1),
    ];
    Some(Block::table("kept", Table::new(columns).rows(rows)).title("保留的旧数据"))
}

fn life(structure: &Structure, design: &Design) -> Vec<Action> {
    let send = |label: &str, action: &str, text: &str| {
        Action::send(label, action)
            .record(&structure.id)
            .danger()
            .confirm(Confirm::new(label, text, label))
    };
    let live = structure.live.as_ref().map(|d| d.life);
    match (live, design.life) {
        (Some(Life::Used), Life::Used) => vec![send(
            "停用数据表",
            "structure.close",
            "提交复核并同意后，接口、页面和权限一并停用；数据保留，移除前可恢复。",
        )],
        (Some(Life::Retired), Life::Retired) => vec![
            Action::send("恢复使用", "structure.close").record(&structure.id),
            send(
                "移除数据表",
                "structure.remove",
                "提交复核并同意后，全部记录删除，不能恢复；变更历史和审计记录不删除。",
            ),
        ],
        _ => Vec::new(),
    }
}

/// What is done to a design.
pub(super) async fn act(
    host: &Host,
    call: &Call,
    verb: &str,
    input: &Input,
) -> Result<Reply, Fault> {
    if verb == "create" {
        return create::create(host, call, input).await;
    }
    let record = input.record.as_ref().ok_or_else(Fault::not_found)?;
    let structure = Structure::read(record);
    let mut draft = structure.open()?;
    let live = structure.live.as_ref();
    let typed = &input.values;
    let field = word(typed, "field");
    let toast = match verb {
        "describe" => {
            roles_known(host, typed)?;
            draft.describe(typed);
            "已保存，提交复核后生效"
        }
        "rename" => {
            if draft.life != Life::Used || live.is_some_and(|d| d.life != Life::Used) {
                return Err(Fault::refused(
                    "data.not-ready",
                    "已停用的数据表不能改名，请先恢复使用",
                ));
            }
            let taken = create::taken(host, Some(&structure)).await?;
            draft.call(typed, &taken, live).map_err(Fault::invalid)?;
            "已保存，提交复核后启用新表名"
        }
        "add" => {
            draft.add(typed).map_err(Fault::invalid)?;
            "字段已加入设计，提交复核后生效"
        }
        "change" => {
            draft.change(typed, live).map_err(Fault::invalid)?;
            "已保存，提交复核后生效"
        }
        "convert" => {
            draft.convert(typed, live).map_err(Fault::invalid)?;
            "已保存，请查看预演结果"
        }
        "retire" => {
            draft.retire(field, live).map_err(Fault::invalid)?;
            "已保存，提交复核后停用"
        }
        "restore" => {
            let name = CollectionName::new(ID, &structure.name);
            let mut known = host.store().retired(&name);
            known.extend(live.iter().flat_map(|d| d.collection.fields.clone()));
            draft.restore(field, &known).map_err(Fault::invalid)?;
            "已保存，提交复核后恢复使用"
        }
        "forget" => {
            draft.forget(field);
            "已保存，提交复核后移除"
        }
        "close" if live.is_some_and(|d| d.name() != draft.name()) => {
            return Err(Fault::refused(
                "data.not-ready",
                "改名还未启用，请先提交复核或放弃修改，再停用",
            ));
        }
        "close" => {
            draft.life = match draft.life {
                Life::Used => Life::Retired,
                Life::Retired | Life::Gone => Life::Used,
            };
            "已保存，提交复核后生效"
        }
        "remove" => {
            if live.is_none_or(|d| d.life != Life::Retired) {
                return Err(Fault::refused(
                    "data.not-retired",
                    "数据表须先停用，才能移除",
                ));
            }
            draft.life = Life::Gone;
            "已保存，提交复核后移除"
        }
        "discard" => {
            let values = json!({ "draft": null, "problem": null });
            return Ok(to(&structure, object(values), "已放弃修改"));
        }
        "submit" => return submit(host, call, &structure, &draft, input).await,
        _ => return Err(Fault::not_found()),
    };
    let mut values = object(json!({ "draft": draft, "label": draft.collection.label.zh }));
    if live.is_none() {
        // What nobody uses yet is called as it is designed.
        values.insert("name".into(), draft.name().into());
    }
    Ok(to(&structure, values, toast))
}

fn to(structure: &Structure, values: Map<String, Value>, toast: &str) -> Reply {
    Reply {
        writes: vec![structure.update(values)],
        outcome: Some(Outcome::go(structure.path(), toast)),
        result: json!({ "id": structure.id }),
        ..Reply::default()
    }
}

fn roles_known(host: &Host, typed: &Map<String, Value>) -> Result<(), Fault> {
    let book = host.role_book();
    let wrong = ["readers", "writers"]
        .into_iter()
        .filter(|name| words(typed, name).iter().any(|r| !book.contains_key(r)));
    let faults: Vec<FieldFault> = wrong
        .map(|name| FieldFault::new(name, "not-an-option", "请从所列角色中选择"))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Fault::invalid(faults))
    }
}

async fn submit(
    host: &Host,
    call: &Call,
    structure: &Structure,
    draft: &Design,
    input: &Input,
) -> Result<Reply, Fault> {
    if structure.draft.is_none() {
        return Err(Fault::refused("data.nothing-changed", "没有要提交的修改"));
    }
    let outlook = forecast::of(host, structure, draft).await?;
    if !outlook.may_be_sent() {
        return Err(Fault::refused(
            "data.not-ready",
            format!("还不能提交：{}", outlook.why_not()),
        ));
    }
    let request = new_id(call.now)?;
    let mut reply = to(
        structure,
        object(json!({ "request": request, "problem": null })),
        "已提交，待另一人复核",
    );
    reply.result = json!({ "id": structure.id, "request": request });
    reply.note = Some(word(&input.values, "reason").to_owned());
    Ok(reply)
}

/// The request that goes with a submission.
pub(super) fn ask(
    host: &Host,
    call: &Call,
    input: &Input,
    reply: &Reply,
) -> Result<Vec<(String, Write)>, Fault> {
    let record = input.record.as_ref().ok_or_else(Fault::not_found)?;
    let structure = Structure::read(record);
    let asked = two_person::Ask {
        deed: data::DEED,
        title: format!(
            "修改数据表“{}”（{}）：{}",
            structure.label,
            structure.name,
            forecast::summary(&structure)
        ),
        payload: json!({ "structure": structure.id, "revision": structure.revision + 1 }),
        organisation: None,
        beneficiary: None,
    };
    host.asked_beside(call, input, reply, &asked)
}

/// What a decision writes: the design is approved as it was submitted, or may be worked on again.
pub(super) async fn decided(
    host: &Host,
    request: &Request,
    verdict: Verdict,
) -> Result<Vec<(String, Write)>, Fault> {
    let id = request.payload.get("structure").and_then(Value::as_str);
    let name = CollectionName::new(ID, COLLECTION);
    let found = host
        .store()
        .get(&name, id.unwrap_or_default(), &Host::KERNEL)
        .await
        .map_err(|e| ask_fault(&e))?;
    let structure = Structure::read(&found.ok_or_else(Fault::not_found)?);
    let revision = request.payload.get("revision").and_then(Value::as_i64);
    let current = structure.request == request.id && revision == Some(structure.revision);
    let values = match verdict {
        Verdict::Approved if !current => {
            return Err(Fault::conflict(
                "data.changed-since",
                "设计在提交后有变化，请驳回后重新提交",
            ));
        }
        Verdict::Approved => json!({
            "approved": structure.draft,
            "draft": null,
            "request": null,
        }),
        Verdict::Refused | Verdict::Withdrawn if structure.request == request.id => {
            json!({ "request": null })
        }
        Verdict::Refused | Verdict::Withdrawn => return Ok(Vec::new()),
    };
    Ok(vec![(ID.to_owned(), structure.update(object(values)))])
}
