//! What became of a record, change by change, as a principal may see it: for programs, for pages,
//! and for whoever's own change came too late.

use std::collections::BTreeSet;

use kernel_identity::principal::Principal;
use kernel_storage::{Change, CollectionName, CommitError};
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::page::{
    Block, Body, Column, Datum, FileRef, Notice, Page, Place, Row, Table, Tone,
};
use sdk_contract::scalar::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Host;
use crate::console::Names;
use crate::mask::Sight;
use crate::reads::{Readable, ask, readable, storage};
use crate::uploads::{digest, is_file, items};
use crate::values::word;

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Past {
    /// The revision it led to.
    pub revision: i64,
    /// RFC 3339.
    pub at: String,
    /// User id; empty for the platform itself.
    pub by: String,
    pub by_name: String,
    /// `<module>.<entity>.<verb>`, or an event's name.
    pub action: Option<String>,
    /// The reason that was given.
    pub note: Option<String>,
    /// The changed fields as they were; none where the record began.
    pub before: Option<Map<String, Value>>,
    pub after: Map<String, Value>,
}

/// Earlier files that a page names; the API names all.
const MOST_FILES: usize = 100;

impl Host {
    /// The kept changes of a record the principal may read, oldest first; also of one that was
    /// deleted, as long as it is kept. Encrypted fields are not in it, others as the principal may
    /// see them.
    pub async fn history(
        &self,
        p: &Principal,
        collection: &str,
        id: &str,
    ) -> Result<Vec<Past>, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, collection)?;
        let record = self
            .store()
            .get_kept(&readable.name, id, &readable.rows)
            .await
            .map_err(|e| ask(&e))?
            .ok_or_else(Fault::not_found)?;
        if !readable.collection.audited {
            return Err(Fault::new(
                FaultKind::Invalid,
                "bad-query",
                "此类记录不保留变更历史",
            ));
        }
        self.past(p, &readable, &record, id).await
    }

    async fn past(
        &self,
        p: &Principal,
        readable: &Readable<'_>,
        record: &Map<String, Value>,
        id: &str,
    ) -> Result<Vec<Past>, Fault> {
        let retired = self.store().retired(&readable.name);
        let sight = readable.sight(p).and_retired(readable.def, &retired, p);
        let changes = self.store().changes(&readable.name, id).await;
        let changes = changes.map_err(|e| storage(&e))?;
        let users = changes.iter().map(|c| c.by.as_str()).collect();
        let names = Names::of(self, users, Vec::new()).await?;
        let past = changes.into_iter().map(|mut change| {
            mask(&sight, record, &mut change);
            let by_name = match (change.by_name.as_str(), change.by.as_str()) {
                ("", "") => "平台",
                ("", by) => names.or_id(by),
                (name, _) => name,
            };
            Past {
                revision: change.revision,
                at: Timestamp::from_micros(change.at).to_string(),
                by_name: by_name.to_owned(),
                by: change.by,
                action: change.action,
                note: change.note,
                before: change.before,
                after: change.after,
            }
        });
        Ok(past.collect())
    }

    /// Puts the history in place of every block that asks for one.
    pub(crate) async fn fill_histories(
        &self,
        p: &Principal,
        module: &str,
        page: &mut Page,
    ) -> Result<(), Fault> {
        for section in &mut page.sections {
            let mut blocks = Vec::with_capacity(section.blocks.len());
            for mut block in std::mem::take(&mut section.blocks) {
                let Body::History { collection, record } = &block.body else {
                    blocks.push(block);
                    continue;
                };
                let name = CollectionName::within(module, collection).to_string();
                let mut files = None;
                block.body = match self.history(p, &name, record).await {
                    Ok(past) => {
                        let id = format!("{}-files", block.id);
                        let of = (name.as_str(), record.as_str());
                        files = self.past_files(id, of, &past).await?;
                        self.table(&name, &past)
                    }
                    Err(fault)
                        if matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden) =>
                    {
                        let text = "您的岗位不能查看这条记录的变更历史";
                        Body::Notice(Notice::new(Tone::Neutral, "", text))
                    }
                    Err(fault) => return Err(fault),
                };
                blocks.push(block);
                blocks.extend(files);
            }
            section.blocks = blocks;
        }
        Ok(())
    }

    /// The files that a history names, newest first, each as the field may be seen now.
    async fn past_files(
        &self,
        id: String,
        (name, record): (&str, &str),
        past: &[Past],
    ) -> Result<Option<Block>, Fault> {
        let catalog = self.catalog();
        let (_, declared) = catalog.collection(name).ok_or_else(Fault::not_found)?;
        let mut rows = Vec::new();
        for one in past.iter().rev() {
            for field in declared.fields.iter().filter(|f| is_file(f)) {
                let place = || Place {
                    collection: name.to_owned(),
                    id: record.to_owned(),
                    field: field.name.clone(),
                };
                let mut files = Vec::new();
                let value = one.after.get(&field.name).unwrap_or(&Value::Null);
                for file in items(value) {
                    let (Some(digest), Some(of)) = (digest(file), file.as_object()) else {
                        continue;
                    };
                    let shown = word(of, "name").to_owned();
                    files.push(if self.is_collected(digest).await? {
                        Datum::text(format!("{shown}（已清理，仅保留名称）"))
                    } else {
                        Datum::File(FileRef {
                            id: digest.to_owned(),
                            name: shown,
                            bytes: of.get("size").and_then(Value::as_u64).unwrap_or_default(),
                            of: Some(place()),
                        })
                    });
                }
                for file in files {
                    let key = format!("f{}", rows.len());
                    let label = Datum::text(field.label.zh.as_str());
                    let cells = vec![Datum::time_text(&one.at), label, file];
                    rows.push(Row::new(key, cells));
                }
            }
            if rows.len() >= MOST_FILES {
                break;
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let columns = vec![
            Column::new("at", "存入时间", 0),
            Column::new("field", "字段", 1),
            Column::new("file", "文件", 0),
        ];
        let block = Block::table(id, Table::new(columns).rows(rows));
        Ok(Some(block.title("历次文件")))
    }

    /// Newest first.
    fn table(&self, name: &str, past: &[Past]) -> Body {
        let catalog = self.catalog();
        let declared = catalog.collection(name).map(|(installed, c)| {
            let mut c = c.clone();
            if let Ok(name) = name.parse() {
                c.fields.extend(self.store().retired(&name));
            }
            (installed, c)
        });
        let rows = past.iter().rev().map(|one| {
            let what = declared
                .as_ref()
                .map_or_else(String::new, |(installed, c)| {
                    sentence(&installed.def, c, one.before.as_ref(), &one.after)
                });
            let action = one.action.as_deref().unwrap_or_default();
            let label = action.split_once('.').and_then(|(module, action)| {
                let def = &catalog.modules.get(module)?.def;
                Some(def.action(action)?.label.zh.clone())
            });
            let first = if one.before.is_none() {
                "新建"
            } else {
                "更改"
            };
            let cells = vec![
                Datum::time_text(&one.at),
                Datum::text(&one.by_name),
                Datum::text(label.unwrap_or_else(|| first.to_owned())),
                Datum::text(one.note.as_deref().unwrap_or_default()),
                Datum::text(what),
            ];
            Row::new(format!("r{}", one.revision), cells)
        });
        let columns = vec![
            Column::new("at", "时间", 1),
            Column::new("by", "操作人", 1),
            Column::new("action", "操作", 0),
            Column::new("note", "原因", 2),
            Column::new("what", "变更内容", 2),
        ];
        Body::Table(Table::new(columns).rows(rows).empty("还没有变更"))
    }

    /// What others changed since the revision that a refused commit was based on: who, when and
    /// which fields, so that the person can decide what to do with their own change.
    pub(crate) async fn moved_on(
        &self,
        p: &Principal,
        error: &CommitError,
        read: Option<&Map<String, Value>>,
    ) -> Option<Fault> {
        let (name, id, based) = match error {
            CommitError::Stale {
                collection,
                id,
                based,
                ..
            } => (collection, id, *based),
            CommitError::Unexpected { collection, id, .. } => {
                (collection, id, read?.get("revision")?.as_i64()?)
            }
            _ => return None,
        };
        let catalog = self.catalog();
        // Who may change a record may see it; a module's own bookkeeping is nobody's business.
        let readable = readable(&catalog, p, &name.to_string()).ok()?;
        let rows = &readable.rows;
        let now = self.store().get(name, id, rows).await.ok()??;
        if !readable.collection.audited {
            return None;
        }
        let past = self.past(p, &readable, &now, id).await.ok()?;
        let since: Vec<&Past> = past.iter().filter(|c| c.revision > based).collect();
        let last = since.last()?;
        let mut named = BTreeSet::new();
        let mut faults = Vec::new();
        for change in since.iter().rev() {
            for (field, value) in &change.after {
                let Some(field) = readable.collection.field(field) else {
                    continue;
                };
                if named.insert(field.name.as_str()) {
                    let to = words(readable.def, field, value);
                    let message = format!("{}于 {} 改为：{to}", change.by_name, minute(&change.at));
                    faults.push(FieldFault::new(&field.name, "changed", message));
                }
            }
        }
        let labels: Vec<&str> = faults
            .iter()
            .filter_map(|f| Some(readable.collection.field(&f.field)?.label.zh.as_str()))
            .collect();
        let what = if labels.is_empty() {
            String::new()
        } else {
            format!("（{}）", labels.join("、"))
        };
        let message = format!(
            "{}于 {} 更改了这条记录{what}，请刷新后再试；您填写的内容仍在",
            last.by_name,
            minute(&last.at)
        );
        Some(Fault {
            fields: faults,
            ..Fault::conflict("stale", message)
        })
    }
}

fn minute(at: &str) -> String {
    at.parse::<Timestamp>()
        .map_or_else(|_| at.to_owned(), Timestamp::local_minute)
}

/// Masks a change as its record is masked.
pub(crate) fn mask(sight: &Sight<'_>, record: &Map<String, Value>, change: &mut Change) {
    sight.mask_part(record, &mut change.after);
    if let Some(before) = &mut change.before {
        sight.mask_part(record, before);
    }
}

/// Fields with a value before or after, in their declared order.
pub(crate) fn changed<'c>(
    collection: &'c CollectionDef,
    before: Option<&'c Map<String, Value>>,
    after: &'c Map<String, Value>,
) -> impl Iterator<Item = (&'c FieldDef, Option<&'c Value>, &'c Value)> {
    collection.fields.iter().filter_map(move |field| {
        let new = after.get(&field.name)?;
        let old = before.and_then(|b| b.get(&field.name));
        // Empty before and after: hidden, or not set.
        let empty = new.is_null() && old.is_none_or(Value::is_null);
        (!empty).then_some((field, old, new))
    })
}

fn sentence(
    def: &ModuleDef,
    collection: &CollectionDef,
    before: Option<&Map<String, Value>>,
    after: &Map<String, Value>,
) -> String {
    let parts: Vec<String> = changed(collection, before, after)
        .map(|(field, old, new)| {
            let label = &field.label.zh;
            // Structured values are nothing to read in a line; the audit trail shows them whole.
            if matches!(field.kind, Kind::Json) {
                return format!("{label}有变化");
            }
            let new = words(def, field, new);
            match old {
                Some(old) => format!("{label}：{} → {new}", words(def, field, old)),
                None => format!("{label}：{new}"),
            }
        })
        .collect();
    parts.join("；")
}

/// A value as people read it.
pub(crate) fn words(def: &ModuleDef, field: &FieldDef, value: &Value) -> String {
    match (&field.kind, value) {
        (_, Value::Null) => "—".to_owned(),
        (Kind::Choice { of }, Value::String(value)) => def
            .choice(of)
            .and_then(|c| c.options.iter().find(|o| o.value == *value))
            .map_or_else(|| value.clone(), |o| o.label.zh.clone()),
        (Kind::Bool, Value::Bool(yes)) => if *yes { "是" } else { "否" }.to_owned(),
        (Kind::Datetime, Value::String(at)) => minute(at),
        (Kind::File { .. }, files) => {
            let files = items(files).filter_map(Value::as_object);
            files
                .map(|f| word(f, "name"))
                .collect::<Vec<_>>()
                .join("、")
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// The block of changes of one commit.
pub(crate) fn block(def: &ModuleDef, collection: &CollectionDef, change: &Change) -> Block {
    let rows =
        changed(collection, change.before.as_ref(), &change.after).map(|(field, old, new)| {
            let cells = vec![
                Datum::text(field.label.zh.as_str()),
                old.map_or(Datum::None, |old| Datum::text(words(def, field, old))),
                Datum::text(words(def, field, new)),
            ];
            Row::new(field.name.as_str(), cells)
        });
    let columns = vec![
        Column::new("field", "字段", 0),
        Column::new("before", "变更前", 1),
        Column::new("after", "变更后", 1),
    ];
    let table = Table::new(columns).rows(rows).empty("没有可以显示的变更");
    Block::table("changes", table)
        .title("变更前后")
        .help("加密的字段不留变更记录；您无权查看的字段已隐去")
}
