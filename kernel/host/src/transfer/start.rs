//! Beginning a job. Whatever can be known then is checked then, so that whoever asks hears it at once.

use std::sync::Arc;

use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, RowFilter};
use sdk_contract::def::{ActionDef, CollectionDef, FieldDef, Level, Mask, ModuleDef};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::query::{Filter, MAX_WITH, Query, With};
use serde_json::{Map, Value, json};

use super::columns::{Columns, creating};
use super::replace::in_words;
use super::{Format, MAX_ROWS, Misread, columns, object, read, word, write};
use crate::catalog::Installed;
use crate::mask::{revealed, sees};
use crate::module::{Call, Input};
use crate::reads::{chain, permitted, readable};
use crate::uploads::UploadRef;
use crate::values::worded;
use crate::{Catalog, Host, data, listing};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Import,
    Export,
}

impl Host {
    /// What a new job is, for its record.
    pub(crate) async fn begin_job(
        &self,
        call: &Call,
        work: Work,
        input: &Input,
    ) -> Result<Map<String, Value>, Fault> {
        let of = word(&input.values, "collection");
        self.needs_person(call).await?;
        let own = match work {
            Work::Import => self.new_import(call, of, &input.values).await?,
            Work::Export => self.new_export(call, of, &input.values).await?,
        };
        let mut job = object(json!({
            "status": "queued", "collection": of, "done": 0, "failed": 0,
            "by_name": call.principal.name,
        }));
        job.extend(object(own));
        Ok(job)
    }

    async fn new_import(
        &self,
        call: &Call,
        of: &str,
        asked: &Map<String, Value>,
    ) -> Result<Value, Fault> {
        let catalog = self.catalog();
        let (installed, c, action) = importable(&catalog, &call.principal, of)?;
        let file = asked.get("file").cloned().unwrap_or_default();
        let file: UploadRef = serde_json::from_value(file).map_err(|_| unread("请选择一个文件"))?;
        let bytes = self.upload(&file.digest).await?;
        let format = Format::of(&bytes);
        let (module, name) = (Arc::clone(installed), action.name.clone());
        let examined = tokio::task::spawn_blocking(move || {
            let action = module.def.action(&name).ok_or_else(|| Misread::new(""))?;
            examine(&module.def, action, format, &bytes)
        });
        let rows = examined
            .await
            .map_err(|_| Fault::internal("内部错误"))?
            .map_err(|Misread(why)| unread(why))?;
        let yes = |name: &str| asked.get(name) == Some(&Value::Bool(true));
        Ok(json!({
            "kind": "import", "label": c.label.zh, "action": action.name, "format": format.name(),
            "total": rows, "dry": yes("dry"), "confirm": yes("confirm"), "source": file,
        }))
    }

    /// Counts the rows; reads none.
    async fn new_export(
        &self,
        call: &Call,
        of: &str,
        asked: &Map<String, Value>,
    ) -> Result<Value, Fault> {
        let p = &call.principal;
        let catalog = self.catalog();
        let readable = readable(&catalog, p, of)?;
        let (def, c) = (readable.def, readable.collection);
        let reason = worded(word(asked, "reason"))?;
        let pairs = pairs(asked.get("filter"))?;
        let mut query = listing(def, c, p, &pairs).map_err(Fault::invalid)?.query;
        if query.as_of.is_none() {
            // What comes later was neither counted nor approved.
            query = query.filter(Filter::Range {
                field: "created_at".into(),
                min: None,
                max: Some(call.now.to_string().into()),
            });
        }
        let fields = chosen(def, c, p, word(asked, "fields"))?;
        let count = Query {
            limit: 1,
            total: true,
            cursor: None,
            offset: 0,
            facets: Vec::new(),
            with: Vec::new(),
            ..query.clone()
        };
        // With one among them that is not as the platform wrote it the export fails, and names it.
        let total = self.list(p, count).await?.total.unwrap_or_default();
        if total > MAX_ROWS {
            let what = format!("符合条件的有 {total} 条，一次最多导出 {MAX_ROWS} 条，请缩小范围");
            return Err(Fault::refused("too-many-rows", what));
        }
        let with = fields.iter().filter_map(|f| {
            let title = title_of(&catalog, def, f)?;
            Some(With {
                field: f.name.clone(),
                read: vec![title],
            })
        });
        let query = Query {
            limit: sdk_contract::query::MAX_LIMIT,
            total: false,
            cursor: Some(String::new()),
            offset: 0,
            facets: Vec::new(),
            with: with.take(MAX_WITH).collect(),
            ..query
        };
        let replaced = self.new_replaced(call, asked, &fields).await?;
        let kept = |f: &&&FieldDef| !replaced.as_ref().is_some_and(|(r, _)| r.has(&f.name));
        let plain: Vec<&FieldDef> = fields.iter().filter(kept).copied().collect();
        let clear = clear_of(def, p, &plain);
        let waits = total > self.limits().export_without_approval || !clear.is_empty();
        let format = Format::parse(word(asked, "format")).unwrap_or(Format::Csv);
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        let trace = kernel_crypto::random::token_hex(16)
            .map_err(|_| Fault::internal("随机数服务不可用"))?;
        let mut job = json!({
            "kind": "export", "status": if waits { "waiting" } else { "queued" },
            "label": c.label.zh, "format": format.name(), "total": total, "reason": reason,
            "query": query, "fields": names, "clear": clear, "trace": trace,
        });
        if let (Some((replaced, project)), Some(job)) = (replaced, job.as_object_mut()) {
            let words = in_words(&project, &replaced, &fields);
            job.extend(object(json!({
                "project": replaced.project, "pseudonyms": replaced.pseudonyms,
                "tokens": replaced.tokens, "replaced": words,
            })));
        }
        Ok(job)
    }

    /// A job goes on for somebody: a person who has an account and a place in an organisation.
    async fn needs_person(&self, call: &Call) -> Result<(), Fault> {
        let p = &call.principal;
        let none = || {
            let what = "导入导出须由代表某个机构的人员发起；程序请逐条调用接口、按游标分页读取";
            Fault::refused("job-needs-person", what)
        };
        let (Some(user), Some(organisation)) = (&p.user, &p.organisation) else {
            return Err(none());
        };
        let origin = call.origin();
        let there = self.sessions().preview(user, organisation, origin).await;
        match there {
            Ok(Some(now)) if now.organisation == p.organisation => Ok(()),
            Ok(_) => Err(none()),
            Err(error) => {
                tracing::error!(error = chain(&error), "an account cannot be read");
                Err(Fault::new(
                    FaultKind::Unavailable,
                    "unavailable",
                    "账号服务暂时不可用，请稍后再试",
                ))
            }
        }
    }

    /// An empty file to fill in, for whoever may import it.
    pub fn template(&self, p: &Principal, of: &str, format: Format) -> Result<Vec<u8>, Fault> {
        let catalog = self.catalog();
        let (installed, _, action) = importable(&catalog, p, of)?;
        let fields = columns::fields(action);
        let mut sheet = write::Sheet::new(format);
        match format {
            Format::Csv | Format::Xlsx => {
                let columns = Columns::template(&installed.def, action);
                let (labels, hints): (Vec<String>, Vec<String>) = columns.into_iter().unzip();
                sheet.cells(&labels);
                sheet.cells(&hints);
            }
            Format::Jsonl => {
                let names = fields.map(|f| (f.name.clone(), Value::Null));
                sheet.object(&names.collect());
            }
        }
        sheet
            .finish()
            .ok_or_else(|| Fault::internal("模板不能写成"))
    }
}

/// The collection and the action that makes its records, where this person may.
pub(super) fn importable<'a>(
    catalog: &'a Catalog,
    p: &Principal,
    of: &str,
) -> Result<(&'a Arc<Installed>, &'a CollectionDef, &'a ActionDef), Fault> {
    let (installed, c) = catalog.collection(of).ok_or_else(Fault::not_found)?;
    if !installed.visible(p) {
        return Err(Fault::not_found());
    }
    // What the kernel itself keeps has its own ways in.
    let takes_rows = installed.manifest.is_some() || installed.def.id == data::ID;
    let action = creating(&installed.def, c).filter(|_| takes_rows);
    let action = action.ok_or_else(|| {
        let what = format!("“{}”不能导入", c.label.zh);
        Fault::refused("not-importable", what)
    })?;
    permitted(&installed.def, p, &action.permission)?;
    Ok((installed, c, action))
}

/// How many rows a file has, once every line of it can be read.
pub(super) fn examine(
    def: &ModuleDef,
    action: &ActionDef,
    format: Format,
    bytes: &[u8],
) -> Result<u64, Misread> {
    let mut columns: Option<Result<Columns<'_>, Misread>> = None;
    let mut rows = 0;
    read::lines(bytes, format, &mut |line| {
        let columns = columns.get_or_insert_with(|| Columns::read(def, action, &line));
        match columns {
            Ok(columns) => rows += u64::from(!columns.is_head(&line)),
            Err(_) => return false,
        }
        true
    })?;
    match columns {
        None => Err(Misread::new("文件是空的")),
        Some(Err(why)) => Err(why),
        Some(Ok(_)) if rows == 0 => Err(Misread::new("文件没有数据行")),
        Some(Ok(_)) => Ok(rows),
    }
}

/// The fields asked for, or all that this person can see anything of.
fn chosen<'a>(
    def: &ModuleDef,
    c: &'a CollectionDef,
    p: &Principal,
    names: &str,
) -> Result<Vec<&'a FieldDef>, Fault> {
    if names.trim().is_empty() {
        let part = |f: &FieldDef| f.mask.is_some_and(|mask| mask != Mask::Hidden);
        let seen = |f: &&FieldDef| part(f) || sees(def, f, p);
        return Ok(c.fields.iter().filter(seen).collect());
    }
    let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
    let field = |name: &str| {
        c.field(name).ok_or_else(|| {
            let what = format!("没有字段 {name}");
            Fault::invalid(vec![FieldFault::new("fields", "bad-parameter", what)])
        })
    };
    names.map(field).collect()
}

/// The sensitive fields of others that this person sees in clear, as people call them.
pub(super) fn clear_of(def: &ModuleDef, p: &Principal, fields: &[&FieldDef]) -> String {
    let clear = fields.iter().filter(|f| is_sensitive(def, p, f));
    let clear: Vec<&str> = clear.map(|f| f.label.zh.as_str()).collect();
    clear.join("、")
}

/// Whether this person sees a sensitive field of others in clear.
fn is_sensitive(def: &ModuleDef, p: &Principal, field: &FieldDef) -> bool {
    let clear = revealed(def, field, p);
    let own = matches!(clear, RowFilter::None | RowFilter::Subject(_));
    field.level >= Some(Level::L3) && !own
}

/// What a reference's record is called by.
pub(super) fn title_of(catalog: &Catalog, def: &ModuleDef, field: &FieldDef) -> Option<String> {
    let Kind::Ref { to } = &field.kind else {
        return None;
    };
    let to = CollectionName::within(&def.id, to).to_string();
    let (_, c) = catalog.collection(&to)?;
    Some(c.title.clone())
}

/// The parameters of a list: an object of texts and lists of texts, or the same as JSON text, as a
/// form carries it. What is neither is refused: without a filter that was meant, too much is given.
fn pairs(filter: Option<&Value>) -> Result<Vec<(String, String)>, Fault> {
    let bad = || {
        let what = "查询条件须为 JSON 对象，各项为文字或文字的列表";
        Fault::invalid(vec![FieldFault::new("filter", "bad-parameter", what)])
    };
    let filter = match filter {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| bad())?,
        Some(value) => value.clone(),
    };
    let mut pairs = Vec::new();
    for (name, value) in filter.as_object().ok_or_else(bad)? {
        // Which page somebody looked at says nothing about the whole.
        if ["page", "size", "cursor", "facets", "with"].contains(&name.as_str()) {
            continue;
        }
        let one = std::slice::from_ref(value);
        for text in value.as_array().map_or(one, Vec::as_slice) {
            let text = text.as_str().ok_or_else(bad)?;
            pairs.push((name.clone(), text.to_owned()));
        }
    }
    Ok(pairs)
}

fn unread(why: impl Into<String>) -> Fault {
    Fault::invalid(vec![FieldFault::new("file", "bad-file", why)])
}
