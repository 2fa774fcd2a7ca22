//! The records of designed collections: their list, detail and forms, made of the declaration, and
//! the writes of these forms.

use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef};
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{
    Action, Block, Column, Confirm, Datum, Fact, Field, Form, Outcome, Page, Row, Table,
};
use sdk_contract::query::{Filter, Query};
use serde_json::{Map, Value, json};

use super::declare::ID;
use super::suspended;
use crate::Host;
use crate::console::pages::{PAGE, bench, page_number};
use crate::module::{Call, Input, new_id};
use crate::reads::permitted;
use crate::values::word;

/// Columns of a list.
const MOST_COLUMNS: usize = 8;

/// What all pages of a collection begin with.
struct Desk<'a> {
    host: &'a Host,
    call: &'a Call,
    def: &'a ModuleDef,
    collection: &'a CollectionDef,
}

pub(super) async fn page(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let catalog = host.catalog();
    let module = catalog.modules.get(ID).ok_or_else(Fault::not_found)?;
    let rest = ask
        .path
        .strip_prefix("/data/")
        .ok_or_else(Fault::not_found)?;
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let desk = Desk {
        host,
        call,
        def: &module.def,
        collection: module.def.collection(name).ok_or_else(Fault::not_found)?,
    };
    match rest {
        "" => desk.list(ask).await,
        "new" => Ok(desk.new_form()),
        "{id}" => desk.detail(ask).await,
        "{id}/edit" => desk.edit_form(ask).await,
        _ => Err(Fault::not_found()),
    }
}

impl Desk<'_> {
    fn label(&self) -> &str {
        &self.collection.label.zh
    }

    fn path(&self) -> String {
        format!("/{ID}/{}", self.collection.name)
    }

    fn full(&self) -> String {
        format!("{ID}.{}", self.collection.name)
    }

    fn action(&self, verb: &str) -> String {
        format!("{}.{verb}", self.collection.entity)
    }

    fn manages(&self) -> bool {
        let permission = format!("{}.manage", self.collection.entity);
        permitted(self.def, &self.call.principal, &permission).is_ok()
    }

    fn cell(&self, field: &FieldDef, record: &Map<String, Value>) -> Datum {
        let value = record.get(&field.name).unwrap_or(&Value::Null);
        Datum::of(field, &self.def.choices, value)
    }

    async fn list(&self, ask: &Ask) -> Result<Page, Fault> {
        let number = page_number(ask);
        let fields = &self.collection.fields;
        let mut query = Query::new(self.full());
        let mut table = Table::default().of(self.collection.name.as_str());
        for field in fields {
            if let Kind::Choice { .. } = &field.kind
                && !field.encrypted
                && let Some(filter) = Field::of(field, &self.def.choices)
            {
                let mut filter = filter;
                filter.required = false;
                table = table.filter(filter);
                if let Some(value) = ask.query(&field.name) {
                    query = query.filter(Filter::eq(&field.name, value));
                }
            }
        }
        if fields.iter().any(|f| f.search) {
            table = table.search("搜索");
            if let Some(words) = ask.query("q") {
                query = query.filter(Filter::search(words));
            }
        }
        let sort = ask.query("sort").map(|s| {
            s.strip_prefix('-')
                .map_or((s, false), |field| (field, true))
        });
        let sortable = |f: &FieldDef| !f.encrypted && f.kind.ops().sort;
        let known = |name: &str| fields.iter().any(|f| f.name == name && sortable(f));
        let (by, descending) = sort
            .filter(|(s, _)| known(s))
            .unwrap_or(("created_at", true));
        query = query.sort(by, descending).page(number, PAGE);
        let found = self.host.listed(self.call, query).await?;

        let listed: Vec<&FieldDef> = fields
            .iter()
            .filter(|f| f.list || f.name == self.collection.title)
            .take(MOST_COLUMNS)
            .collect();
        let columns = listed.iter().zip(0_u8..).map(|(field, rank)| {
            let column = Column::new(&field.name, &field.label.zh, rank.min(3));
            if sortable(field) {
                column.sortable()
            } else {
                column
            }
        });
        table.columns = columns.collect();
        let rows = found.records.iter().map(|record| {
            let cells = listed.iter().map(|f| self.cell(f, record)).collect();
            let id = word(record, "id");
            Row::new(id, cells).to(format!("{}/{id}", self.path()))
        });
        let table = table
            .rows(rows)
            .paging(number, PAGE, found.total.unwrap_or_default())
            .empty("还没有记录");
        let mut page = bench(self.label()).subtitle(self.collection.help.as_str());
        if self.manages() {
            let new = Action::open("新增", format!("{}/new", self.path()));
            page = page.action(new.icon("plus").primary());
        }
        Ok(page.block(Block::table("records", table)))
    }

    async fn record(&self, ask: &Ask) -> Result<Map<String, Value>, Fault> {
        let p = &self.call.principal;
        self.host.get(p, &self.full(), ask.param("id")).await
    }

    fn title<'r>(&'r self, record: &'r Map<String, Value>) -> &'r str {
        match word(record, &self.collection.title) {
            "" => self.label(),
            title => title,
        }
    }

    async fn detail(&self, ask: &Ask) -> Result<Page, Fault> {
        let record = self.record(ask).await?;
        let id = word(&record, "id");
        let fields = self.collection.fields.iter();
        let facts = fields.map(|f| Fact::new(f.label.zh.as_str(), self.cell(f, &record)));
        let mut page = bench(self.title(&record))
            .under(self.label(), self.path())
            .block(Block::details("facts", facts.collect()))
            .block(Block::history("history", self.collection.name.as_str(), id));
        if self.manages() {
            let edit = Action::open("修改", format!("{}/{id}/edit", self.path()));
            let question = Confirm::new("删除记录", "保留期内可由平台运营恢复。", "删除");
            let delete = Action::send("删除", self.action("delete"))
                .record(id)
                .danger()
                .confirm(question.reason("原因"));
            page = page.action(edit.icon("edit")).action(delete);
        }
        Ok(page)
    }

    fn new_form(&self) -> Page {
        let form = Form::new("create", Action::send("保存", self.action("create"))).drafts();
        let fields = self.collection.fields.iter();
        let fields = fields.filter_map(|f| Field::of(f, &self.def.choices));
        bench(&format!("新增{}", self.label()))
            .under(self.label(), self.path())
            .block(Block::form(fields.fold(form, Form::field)))
    }

    async fn edit_form(&self, ask: &Ask) -> Result<Page, Fault> {
        let record = self.record(ask).await?;
        let id = word(&record, "id");
        let submit = Action::send("保存", self.action("update")).record(id).arg(
            "based_on",
            record.get("revision").cloned().unwrap_or_default(),
        );
        let fields = self.collection.fields.iter().filter_map(|field| {
            let value = record.get(&field.name).unwrap_or(&Value::Null);
            Some(match &field.kind {
                // What is there stays unless others are chosen.
                Kind::File { .. } => {
                    Field::of(field, &self.def.choices)?.help("不选择则保留原有附件")
                }
                _ => Field::of(field, &self.def.choices)?.value(value),
            })
        });
        let form = fields.fold(Form::new("update", submit), Form::field);
        Ok(bench(&format!("修改{}", self.title(&record)))
            .under(self.label(), self.path())
            .under(self.title(&record), format!("{}/{id}", self.path()))
            .block(Block::form(form)))
    }
}

/// Creates, changes or deletes a record.
pub(super) fn act(
    host: &Host,
    call: &Call,
    entity: &str,
    verb: &str,
    input: &Input,
) -> Result<Reply, Fault> {
    let catalog = host.catalog();
    let module = catalog.modules.get(ID).ok_or_else(Fault::not_found)?;
    let mut declared = module.def.collections.iter();
    let c = declared.find(|c| c.entity == entity);
    let c = c.ok_or_else(Fault::not_found)?;
    suspended::in_use(host, &c.name)?;
    let path = format!("/{ID}/{}", c.name);
    let p = &call.principal;
    if verb == "create" {
        let Some(organisation) = &p.organisation else {
            return Err(Fault::refused(
                "data.no-organisation",
                "请先选择所代表的机构，再新增记录",
            ));
        };
        let id = new_id(call.now)?;
        let write = Write::Insert {
            collection: c.name.clone(),
            id: id.clone(),
            subject: None,
            organisation: Some(organisation.clone()),
            district: p.district.clone(),
            values: input.values.clone(),
        };
        return Ok(Reply {
            writes: vec![write],
            outcome: Some(Outcome::go(format!("{path}/{id}"), "已新增")),
            result: json!({ "id": id }),
            ..Reply::default()
        });
    }
    let record = input.record.as_ref().ok_or_else(Fault::not_found)?;
    let id = word(record, "id").to_owned();
    let revision = |from: &Map<String, Value>, name: &str| from.get(name).and_then(Value::as_i64);
    let now = revision(record, "revision").unwrap_or_default();
    let (write, to, toast) = match verb {
        "update" => {
            let based = revision(&input.values, "based_on").unwrap_or(now);
            let write = Write::Update {
                collection: c.name.clone(),
                id: id.clone(),
                revision: based,
                values: changed(c, &input.values),
            };
            (write, format!("{path}/{id}"), "已保存")
        }
        "delete" => {
            let write = Write::Delete {
                collection: c.name.clone(),
                id: id.clone(),
                revision: now,
            };
            (write, path, "已删除，保留期内可恢复")
        }
        _ => return Err(Fault::not_found()),
    };
    let reason = word(&input.values, "reason");
    Ok(Reply {
        writes: vec![write],
        note: Some(reason.to_owned()).filter(|r| !r.is_empty()),
        outcome: Some(Outcome::go(to, toast)),
        result: json!({ "id": id }),
        ..Reply::default()
    })
}

/// Every field as it was sent; what was left empty becomes empty. Files stay where none came.
fn changed(c: &CollectionDef, given: &Map<String, Value>) -> Map<String, Value> {
    let value = |field: &FieldDef| match (given.get(&field.name), &field.kind) {
        (None, Kind::File { .. }) => None,
        (value, _) => Some((field.name.clone(), value.cloned().unwrap_or_default())),
    };
    c.fields.iter().filter_map(value).collect()
}
