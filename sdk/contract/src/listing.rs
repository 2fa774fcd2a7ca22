//! A list's parameters, as they stand in an address: what the resource API and exports are asked for,
//! and a plugin's tests.

use serde_json::Value;

use crate::def::{CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS};
use crate::error::FieldFault;
use crate::eval::system_kind;
use crate::kind::{Kind, Ops};
use crate::query::{Filter, MAX_FACETS, MAX_LIMIT, Query, With};
use crate::scalar::{Date, Timestamp};

/// Rows of a page unless `size` says otherwise.
const DEFAULT_SIZE: u32 = 20;

/// What a list is asked for.
#[derive(Debug)]
pub struct Listing {
    pub query: Query,
    /// From 1, where pages are numbered.
    pub page: u32,
    pub size: u32,
}

/// Reads a list's parameters: `field=value` (repeated: any of them), `field.min=`, `field.max=`,
/// `sort=-field,field`, `page` or `cursor`, `size`, `q`, `facets=field,field`,
/// `with=field.read,field.read`, `as_of=time`. Every wrong one is named. `sees` says whether the asker
/// sees a field as it is in some row: asking by it would read it.
pub fn listing(
    module: &ModuleDef,
    collection: &CollectionDef,
    sees: &dyn Fn(&FieldDef) -> bool,
    pairs: &[(impl AsRef<str>, impl AsRef<str>)],
) -> Result<Listing, Vec<FieldFault>> {
    let reader = Reader {
        module,
        collection,
        sees,
    };
    let mut faults = Vec::new();
    let (mut page, mut size) = (1, DEFAULT_SIZE);
    let mut query = Query::new(format!("{}.{}", module.id, collection.name));
    let mut wanted: Vec<(String, Vec<Value>)> = Vec::new();
    let mut paged = false;
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        let wrong = |message: &str| FieldFault::new(name, "bad-parameter", message);
        match name {
            "page" => match value.parse() {
                Ok(n) if n >= 1 => (page, paged) = (n, true),
                _ => faults.push(wrong("页码从 1 开始")),
            },
            "size" => match value.parse() {
                Ok(n) if (1..=MAX_LIMIT).contains(&n) => size = n,
                _ => faults.push(wrong("每页 1 到 200 条")),
            },
            "sort" => {
                for part in value.split(',').filter(|p| !p.is_empty()) {
                    let (field, descending) =
                        part.strip_prefix('-').map_or((part, false), |f| (f, true));
                    match reader.plain(field, |ops| ops.sort) {
                        Ok(()) => query = query.sort(field, descending),
                        Err(message) => faults.push(wrong(message)),
                    }
                }
            }
            "cursor" => query.cursor = Some(value.to_owned()),
            "facets" => {
                for field in value.split(',').filter(|p| !p.is_empty()) {
                    match reader.countable(field) {
                        Ok(()) if query.facets.len() < MAX_FACETS => query = query.facet(field),
                        Ok(()) => faults.push(wrong("最多按 8 个字段计数")),
                        Err(message) => faults.push(wrong(message)),
                    }
                }
            }
            "with" => {
                for path in value.split(',').filter(|p| !p.is_empty()) {
                    match reader.reference(path) {
                        Ok((field, read)) => follow(&mut query, field, read),
                        Err(message) => faults.push(wrong(message)),
                    }
                }
            }
            "as_of" => match value.parse::<Timestamp>() {
                Ok(at) if collection.audited => query = query.as_of(at),
                Ok(_) => faults.push(wrong("此列表不保留历史")),
                Err(_) => faults.push(wrong("时间格式不对，如 2026-11-23T08:00:00Z")),
            },
            "q" => match reader.search(value) {
                Ok(Some(filter)) => query = query.filter(filter),
                Ok(None) => {}
                Err(message) => faults.push(wrong(message)),
            },
            name if name.contains('.') => match reader.end(name, value) {
                Ok(filter) => query = query.filter(filter),
                Err(message) => faults.push(wrong(&message)),
            },
            field => match reader.value(field, value) {
                Ok(value) => match wanted.iter_mut().find(|(f, _)| f == field) {
                    Some((_, values)) => values.push(value),
                    None => wanted.push((field.to_owned(), vec![value])),
                },
                Err(message) => faults.push(wrong(&message)),
            },
        }
    }
    for (field, mut values) in wanted {
        query = query.filter(match values.len() {
            1 => Filter::Eq {
                field,
                value: values.remove(0),
            },
            _ => Filter::In { field, values },
        });
    }
    if query.cursor.is_some() && paged {
        let message = "page 与 cursor 只能用一种";
        faults.push(FieldFault::new("cursor", "bad-parameter", message));
    }
    if faults.is_empty() {
        query.limit = size;
        if query.cursor.is_none() {
            query = query.page(page, size);
        }
        Ok(Listing { query, page, size })
    } else {
        Err(faults)
    }
}

/// Adds a field to read of what a reference names.
fn follow(query: &mut Query, field: &str, read: &str) {
    match query.with.iter_mut().find(|w| w.field == field) {
        Some(with) => with.read.push(read.to_owned()),
        None => query.with.push(With {
            field: field.to_owned(),
            read: vec![read.to_owned()],
        }),
    }
}

/// Reads parameters against a declaration.
struct Reader<'a> {
    module: &'a ModuleDef,
    collection: &'a CollectionDef,
    sees: &'a dyn Fn(&FieldDef) -> bool,
}

impl Reader<'_> {
    fn usable(&self, name: &str) -> Result<(), &'static str> {
        if SYSTEM_FIELDS.contains(&name) {
            return Ok(());
        }
        match self.collection.field(name) {
            None => Err("没有这个字段"),
            Some(f) if f.encrypted && !f.blind || !f.kind.ops().equal => Err("该字段不能用于查询"),
            Some(f) if !(self.sees)(f) => Err("该字段不能用于查询"),
            Some(_) => Ok(()),
        }
    }

    /// A field whose values are in plain columns, to be sorted, ranged or counted by.
    fn plain(&self, name: &str, fits: impl Fn(Ops) -> bool) -> Result<(), &'static str> {
        self.usable(name)?;
        match self.collection.field(name) {
            Some(f) if f.encrypted || !fits(f.kind.ops()) => Err("该字段不能这样查询"),
            _ => Ok(()),
        }
    }

    fn countable(&self, name: &str) -> Result<(), &'static str> {
        self.plain(name, |ops| ops.group)
    }

    /// `product.name`: a ref field, and a field of what it names.
    fn reference<'t>(&self, path: &'t str) -> Result<(&'t str, &'t str), &'static str> {
        let (field, read) = path.split_once('.').ok_or("请写成 字段.字段")?;
        match self.collection.field(field) {
            Some(f) if !(self.sees)(f) => Err("该字段不能用于查询"),
            Some(f) if matches!(f.kind, Kind::Ref { .. }) => Ok((field, read)),
            _ => Err("该字段不引用其他记录"),
        }
    }

    /// `amount.min` or `amount.max`.
    fn end(&self, name: &str, text: &str) -> Result<Filter, String> {
        let (field, end) = name.split_once('.').unwrap_or((name, ""));
        self.plain(field, |ops| ops.range)?;
        let value = Some(match (self.kind(field), text.parse::<Date>()) {
            // A day there is from its begin to its end in Beijing.
            (Kind::Datetime, Ok(day)) => {
                let at = if end == "max" {
                    "23:59:59.999999"
                } else {
                    "00:00:00"
                };
                self.value(field, &format!("{day}T{at}+08:00"))?
            }
            _ => self.value(field, text)?,
        });
        let (min, max) = match end {
            "min" => (value, None),
            "max" => (None, value),
            _ => return Err("没有这个字段".to_owned()),
        };
        Ok(Filter::Range {
            field: field.to_owned(),
            min,
            max,
        })
    }

    fn kind(&self, name: &str) -> Kind {
        let declared = self.collection.field(name).map(|f| f.kind.clone());
        declared
            .or_else(|| system_kind(name))
            .unwrap_or(Kind::Text { max: 64 })
    }

    fn value(&self, name: &str, text: &str) -> Result<Value, String> {
        self.usable(name)?;
        let text = Value::from(text);
        let kind = match self.kind(name) {
            // One option at a time: a record that has it among others is found.
            Kind::MultiChoice { of, .. } => Kind::Choice { of },
            kind => kind,
        };
        let checked = kind.check(&text, &self.module.choices);
        checked.map_err(|m| m.message)
    }

    fn search(&self, text: &str) -> Result<Option<Filter>, &'static str> {
        let text = text.trim();
        let searched = self.collection.fields.iter().any(|f| f.search);
        match (text.is_empty(), searched, text.chars().count()) {
            (true, ..) => Ok(None),
            (_, false, _) => Err("此列表不支持搜索"),
            (.., 101..) => Err("搜索文字过长"),
            // Which fields are looked at is the masks' to say, who know the rows.
            _ => Ok(Some(Filter::search(text))),
        }
    }
}

#[cfg(test)]
mod tests;
