//! A list as the API gives it: the pairs of its query string against the declaration, every wrong
//! one named.

use sdk::Map;
use sdk::host::Host as _;
use sdk_contract::call::Caller;
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::Value;

use super::Mock;
use super::access::Runner;

/// Rows of a page unless `size` says otherwise.
const DEFAULT_SIZE: u32 = 20;

impl Mock {
    pub(crate) fn list(
        &self,
        caller: &Caller,
        collection: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<Map>, Fault> {
        let runner = Runner::Person(caller.clone());
        let (def, c) = self.0.borrow().collection(collection)?;
        // Who may not read at all hears that, not what is wrong with the question.
        runner.reach(&def, &c.read)?;
        let reader = Reader {
            def: &def,
            c: &c,
            runner: &runner,
        };
        let query = reader.query(Query::new(collection), pairs)?;
        let host = self.host(runner.clone(), "");
        host.find(&query).map(|found| found.records)
    }
}

struct Reader<'a> {
    def: &'a ModuleDef,
    c: &'a CollectionDef,
    runner: &'a Runner,
}

impl Reader<'_> {
    fn query(&self, mut query: Query, pairs: &[(&str, &str)]) -> Result<Query, Fault> {
        let mut faults = Vec::new();
        let (mut page, mut size) = (1, DEFAULT_SIZE);
        let mut wanted: Vec<(String, Vec<Value>)> = Vec::new();
        for (name, value) in pairs {
            let read: Result<(), String> = match *name {
                "page" => match value.parse() {
                    Ok(n) if n >= 1 => {
                        page = n;
                        Ok(())
                    }
                    _ => Err("页码从 1 开始".into()),
                },
                "size" => match value.parse() {
                    Ok(n) if (1..=MAX_LIMIT).contains(&n) => {
                        size = n;
                        Ok(())
                    }
                    _ => Err("每页 1 到 200 条".into()),
                },
                "sort" => value
                    .split(',')
                    .filter(|p| !p.is_empty())
                    .try_for_each(|part| {
                        let (field, descending) =
                            part.strip_prefix('-').map_or((part, false), |f| (f, true));
                        self.usable(field)?;
                        query = query.clone().sort(field, descending);
                        Ok(())
                    }),
                "q" => self.search(value).map(|filter| {
                    if let Some(filter) = filter {
                        query = query.clone().filter(filter);
                    }
                }),
                field => self.value(field, value).map(|value| {
                    match wanted.iter_mut().find(|(f, _)| f == field) {
                        Some((_, values)) => values.push(value),
                        None => wanted.push((field.to_owned(), vec![value])),
                    }
                }),
            };
            if let Err(message) = read {
                faults.push(FieldFault::new(*name, "bad-parameter", message));
            }
        }
        if !faults.is_empty() {
            return Err(Fault::invalid(faults));
        }
        for (field, values) in wanted {
            query = query.filter(Filter::In { field, values });
        }
        Ok(query.page(page, size))
    }

    fn usable(&self, name: &str) -> Result<(), String> {
        if SYSTEM_FIELDS.contains(&name) {
            return Ok(());
        }
        // Asking by a masked field would read it.
        let hidden = |f: &FieldDef| {
            let may = |p: &String| self.runner.reach(self.def, p).is_ok();
            f.mask.is_some() && !f.reveal.as_ref().is_some_and(may)
        };
        match self.c.field(name) {
            None => Err("没有这个字段".into()),
            Some(f) if f.encrypted || matches!(f.kind, Kind::Json) || hidden(f) => {
                Err("该字段不能用于查询".into())
            }
            Some(_) => Ok(()),
        }
    }

    fn value(&self, name: &str, text: &str) -> Result<Value, String> {
        self.usable(name)?;
        let Some(field) = self.c.field(name) else {
            let kind = match name {
                "revision" => Kind::Integer {
                    min: None,
                    max: None,
                },
                "created_at" | "updated_at" => Kind::Datetime,
                _ => Kind::Text { max: 64 },
            };
            return kind.check(&text.into(), &[]).map_err(|m| m.message);
        };
        super::check::canonical(self.def, field, &text.into()).map_err(|f| f.message)
    }

    fn search(&self, text: &str) -> Result<Option<Filter>, String> {
        let text = text.trim();
        let fields: Vec<&FieldDef> = self
            .c
            .fields
            .iter()
            .filter(|f| f.search && self.usable(&f.name).is_ok())
            .collect();
        match (text.is_empty(), fields.is_empty(), text.chars().count()) {
            (true, ..) => Ok(None),
            (_, true, _) => Err("此列表不支持搜索".into()),
            (.., 101..) => Err("搜索文字过长".into()),
            _ => Ok(Some(Filter::Search {
                text: text.to_owned(),
                fields: fields.iter().map(|f| f.name.clone()).collect(),
            })),
        }
    }
}
