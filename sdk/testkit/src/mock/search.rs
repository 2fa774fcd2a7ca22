//! Questions over rows in memory, with the meaning the kernel's stores give them.

use std::collections::BTreeMap;

use sdk::Map;
use sdk_contract::def::CollectionDef;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::eval::{self, Rank, Wrong};
use sdk_contract::kind::Kind;
use sdk_contract::query::{
    Aggregate, Bucket, Found, Group, Having, Key, MAX_FACETS, MAX_LIMIT, MAX_OFFSET, Measure,
    Query, average,
};
use sdk_contract::scalar::{Timestamp, print_scaled};
use serde_json::{Value, json};

/// Groups an aggregate may answer with.
const MAX_GROUPS: usize = 1_000;

pub(super) fn bad(what: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Invalid, "bad-query", what)
}

fn wrong(wrong: Wrong) -> Fault {
    bad(wrong.0)
}

/// What a cursor belongs to. The kernel's are sealed; these can be read when a test fails.
fn binding(query: &Query) -> Value {
    json!([query.collection, query.filter, query.sort, query.as_of])
}

fn write_cursor(query: &Query, last: &Map) -> String {
    let value = |field: &str| last.get(field).cloned().unwrap_or_default();
    let mut values: Vec<Value> = query.sort.iter().map(|s| value(&s.field)).collect();
    values.push(value("id"));
    json!([binding(query), values]).to_string()
}

fn read_cursor(query: &Query, cursor: &str) -> Result<Option<Vec<Value>>, Fault> {
    if cursor.is_empty() {
        return Ok(None);
    }
    match serde_json::from_str::<(Value, Vec<Value>)>(cursor) {
        Ok((bound, values)) if bound == binding(query) && values.len() == query.sort.len() + 1 => {
            Ok(Some(values))
        }
        _ => Err(Fault::new(
            FaultKind::Invalid,
            "bad-cursor",
            "翻页标记不属于这次查询，请从第一页重新开始",
        )),
    }
}

/// Answers a query over the rows the asker may see.
pub(super) fn find(c: &CollectionDef, query: &Query, rows: Vec<Map>) -> Result<Found, Fault> {
    if query.limit == 0 || query.limit > MAX_LIMIT || query.offset > MAX_OFFSET {
        return Err(bad(format!(
            "limit 1 to {MAX_LIMIT}, offset up to {MAX_OFFSET}"
        )));
    }
    if query.facets.len() > MAX_FACETS {
        return Err(bad(format!("at most {MAX_FACETS} facets")));
    }
    if query.cursor.is_some() && query.offset > 0 {
        return Err(bad("an offset besides a cursor"));
    }
    let after = match &query.cursor {
        Some(cursor) => read_cursor(query, cursor)?,
        None => None,
    };
    let (mut found, last) =
        eval::answer(c, query, rows, after.as_deref(), sdk_search::finds).map_err(wrong)?;
    found.next = last.map(|last| write_cursor(query, &last));
    Ok(found)
}

/// A group's key: its rank for the order, and how it is shown.
fn key(c: &CollectionDef, key: &Key, row: &Map) -> Result<(Option<Rank>, Value), Fault> {
    let kind = eval::kind(c, key.field()).map_err(wrong)?;
    if !kind.ops().group {
        return Err(bad(format!("{} cannot be grouped by", key.field())));
    }
    let value = row.get(key.field()).cloned().unwrap_or_default();
    let Key::Bucket { by, .. } = key else {
        return Ok((eval::rank(&kind, &value), value));
    };
    let Some(text) = value.as_str() else {
        return Ok((None, Value::Null));
    };
    let day = match kind {
        Kind::Date => text.parse().ok(),
        Kind::Month if *by != Bucket::Day => format!("{text}-01").parse().ok(),
        Kind::Datetime => text.parse().ok().map(Timestamp::local_date),
        _ => return Err(bad(format!("{} cannot be grouped by time", key.field()))),
    };
    let bucket = day.map(|day| by.of(day));
    Ok((
        bucket.clone().map(Rank::Text),
        bucket.map_or(Value::Null, Value::from),
    ))
}

/// The order of a group's keys: nulls come last.
type Ranks = Vec<(bool, Option<Rank>)>;

/// One group on its way: the ranks of its keys, and what it answers with.
struct Counted {
    ranks: Vec<Option<Rank>>,
    size: usize,
    group: Group,
}

/// Counts and sums. Groups of fewer than `least` rows are suppressed.
pub(super) fn aggregate(
    c: &CollectionDef,
    ask: &Aggregate,
    rows: Vec<Map>,
    least: Option<u32>,
) -> Result<Vec<Group>, Fault> {
    let mut groups: BTreeMap<Ranks, (Vec<Value>, Vec<Map>)> = BTreeMap::new();
    if ask.group_by.is_empty() {
        groups.insert(Vec::new(), (Vec::new(), Vec::new()));
    }
    for by in &ask.group_by {
        // Asked wrongly, it is wrong without a row, too.
        key(c, by, &Map::new())?;
    }
    for row in rows {
        let held = ask
            .filter
            .as_ref()
            .map(|f| eval::holds(c, f, &row, sdk_search::finds));
        if !held.transpose().map_err(wrong)?.unwrap_or(true) {
            continue;
        }
        let keys = ask
            .group_by
            .iter()
            .map(|by| key(c, by, &row))
            .collect::<Result<Vec<_>, Fault>>()?;
        let (ranks, values): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        // Nulls come last.
        let ranks = ranks.into_iter().map(|r| (r.is_none(), r)).collect();
        groups
            .entry(ranks)
            .or_insert((values, Vec::new()))
            .1
            .push(row);
    }
    let mut counted = Vec::new();
    for (ranks, (keys, rows)) in groups {
        let measures = ask.measures.iter().map(|m| measure(c, m, &rows));
        counted.push(Counted {
            ranks: ranks.into_iter().map(|(_, rank)| rank).collect(),
            size: rows.len(),
            group: Group {
                keys,
                measures: measures.collect::<Result<_, Fault>>()?,
                suppressed: false,
            },
        });
    }
    let small = |g: &Counted| least.is_some_and(|least| (1..least as usize).contains(&g.size));
    if !ask.having.is_empty() || ask.top.is_some() {
        counted.retain(|g| !small(g));
    }
    for having in &ask.having {
        let mut kept = Vec::new();
        for one in counted {
            if within(c, ask, having, &one.group)? {
                kept.push(one);
            }
        }
        counted = kept;
    }
    if let Some(top) = &ask.top {
        let kind = compared(c, ask, top.measure)?;
        let rank = |g: &Counted| {
            let value = g.group.measures.get(top.measure);
            value.and_then(|v| eval::rank(&kind, v))
        };
        counted.sort_by(|a, b| {
            let (x, y) = (rank(a), rank(b));
            let by = if top.least { x.cmp(&y) } else { y.cmp(&x) };
            x.is_none()
                .cmp(&y.is_none())
                .then(by)
                .then_with(|| a.ranks.cmp(&b.ranks))
        });
        counted.truncate(top.groups as usize);
    }
    if counted.len() > MAX_GROUPS {
        return Err(bad(format!("more than {MAX_GROUPS} groups")));
    }
    let suppress = |mut g: Counted| {
        if small(&g) {
            g.group.measures.fill(Value::Null);
            g.group.suppressed = true;
        }
        g.group
    };
    Ok(counted.into_iter().map(suppress).collect())
}

/// The kind of a measure that groups may be compared by.
fn compared(c: &CollectionDef, ask: &Aggregate, place: usize) -> Result<Kind, Fault> {
    match ask.measures.get(place) {
        Some(Measure::Count) => Ok(Kind::Integer {
            min: None,
            max: None,
        }),
        Some(Measure::Sum(f) | Measure::Min(f) | Measure::Max(f)) => {
            eval::kind(c, f).map_err(wrong)
        }
        Some(Measure::Avg(f)) => Err(bad(format!("averages of {f} are not compared"))),
        None => Err(bad("no such measure")),
    }
}

fn within(
    c: &CollectionDef,
    ask: &Aggregate,
    having: &Having,
    group: &Group,
) -> Result<bool, Fault> {
    let kind = compared(c, ask, having.measure)?;
    let value = group.measures.get(having.measure);
    let have = value.and_then(|v| eval::rank(&kind, v));
    let end = |end: &Option<Value>| end.as_ref().and_then(|v| eval::rank(&kind, v));
    let (min, max) = (end(&having.min), end(&having.max));
    Ok(have
        .is_some_and(|have| min.is_none_or(|min| have >= min) && max.is_none_or(|max| have <= max)))
}

fn measure(c: &CollectionDef, measure: &Measure, rows: &[Map]) -> Result<Value, Fault> {
    let values = |name: &str| -> Result<(Kind, Vec<Rank>), Fault> {
        let kind = eval::kind(c, name).map_err(wrong)?;
        let ranks = rows.iter().filter_map(|row| eval::of(&kind, row, name));
        let ranks = ranks.collect();
        Ok((kind, ranks))
    };
    let ends = |name: &str| {
        let (kind, ranks) = values(name)?;
        if kind.ops().range {
            Ok((kind, ranks))
        } else {
            Err(bad(format!("{name} has no ends")))
        }
    };
    let total = |name: &str| {
        let (kind, ranks) = values(name)?;
        if !kind.ops().sum {
            return Err(bad(format!("{name} cannot be summed")));
        }
        let sum = ranks.iter().try_fold(0_i64, |sum, rank| match rank {
            Rank::Number(n) => sum.checked_add(*n),
            _ => None,
        });
        let sum = sum.ok_or_else(|| bad(format!("{name} cannot be summed")))?;
        Ok((kind, sum, ranks.len()))
    };
    match measure {
        Measure::Count => Ok(rows.len().into()),
        Measure::Min(name) => ends(name).map(|(kind, all)| show(&kind, all.into_iter().min())),
        Measure::Max(name) => ends(name).map(|(kind, all)| show(&kind, all.into_iter().max())),
        Measure::Sum(name) => {
            let (kind, sum, _) = total(name)?;
            Ok(show(&kind, Some(Rank::Number(sum))))
        }
        Measure::Avg(name) => {
            let (kind, sum, count) = total(name)?;
            let scale = match kind {
                Kind::Money { .. } => 2,
                Kind::Decimal { scale, .. } => scale,
                _ => 0,
            };
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            Ok(average(sum, count, scale).map_or(Value::Null, Value::from))
        }
    }
}

fn show(kind: &Kind, rank: Option<Rank>) -> Value {
    match (kind, rank) {
        (Kind::Money { .. }, Some(Rank::Number(n))) => print_scaled(n, 2).into(),
        (Kind::Decimal { scale, .. }, Some(Rank::Number(n))) => print_scaled(n, *scale).into(),
        (_, Some(Rank::Number(n))) => n.into(),
        (_, Some(Rank::Text(s))) => s.into(),
        (_, Some(Rank::Bool(b))) => b.into(),
        (_, None) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use sdk_contract::def::{FieldDef, Label, Shard};
    use sdk_contract::kind::TABLE;
    use sdk_contract::query::{Filter, Top};

    use super::*;

    fn collection(field: FieldDef) -> CollectionDef {
        let fields = vec![field];
        CollectionDef::new(
            "samples",
            "sample",
            Label::default(),
            Shard::Subject,
            fields,
        )
    }

    fn rows(values: &[Value]) -> Vec<Map> {
        let row = |(n, value): (usize, &Value)| {
            let mut row = Map::new();
            row.insert("id".into(), format!("{n}").into());
            row.insert("sample".into(), value.clone());
            row
        };
        values.iter().enumerate().map(row).collect()
    }

    /// What the kernel's stores answer for a kind, the mock answers, and nothing else.
    #[test]
    fn every_kind_is_asked_about_as_its_line_says() {
        for entry in TABLE {
            let sample = entry.sample();
            let c = collection(sample.field);
            let ops = entry.ops;
            let value = match sample.good.first() {
                Some((_, value)) => value.clone(),
                None => json!(1),
            };
            let all = rows(&[value.clone(), Value::Null]);
            let one = match &value {
                Value::Array(items) if ops.equal => items[0].clone(),
                value => value.clone(),
            };
            let end = Some(one.clone());
            let asked = [
                (ops.equal, Filter::eq("sample", one.clone())),
                (
                    ops.range,
                    Filter::Range {
                        field: "sample".into(),
                        min: end.clone(),
                        max: end,
                    },
                ),
                (
                    ops.text,
                    Filter::contains("sample", one.as_str().unwrap_or("x")),
                ),
                (
                    true,
                    Filter::Missing {
                        field: "sample".into(),
                    }
                    .not(),
                ),
            ];
            for (may, filter) in asked {
                let found = find(&c, &Query::new("x").filter(filter.clone()), all.clone());
                match found {
                    Ok(found) => {
                        assert!(may, "{} {filter:?}", entry.kind);
                        assert_eq!(found.records.len(), 1, "{} {filter:?}", entry.kind);
                    }
                    Err(fault) => assert!(!may, "{} {filter:?}: {fault}", entry.kind),
                }
            }
            let sorted = find(&c, &Query::new("x").sort("sample", true), all.clone());
            assert_eq!(sorted.is_ok(), ops.sort, "{}", entry.kind);
            let faceted = find(&c, &Query::new("x").facet("sample"), all.clone());
            assert_eq!(faceted.is_ok(), ops.group, "{}", entry.kind);
            for (may, ask) in [
                (
                    ops.group,
                    Aggregate::new("x", vec![Measure::Count]).by("sample"),
                ),
                (
                    ops.sum,
                    Aggregate::new("x", vec![Measure::Avg("sample".into())]),
                ),
                (
                    ops.range,
                    Aggregate::new("x", vec![Measure::Max("sample".into())]),
                ),
            ] {
                let answered = aggregate(&c, &ask, all.clone(), None);
                assert_eq!(answered.is_ok(), may, "{} {ask:?}", entry.kind);
            }
        }
    }

    #[test]
    fn a_search_finds_as_the_kernel_does() {
        let mut field = FieldDef::new("sample", Label::default(), Kind::Text { max: 60 });
        field.search = true;
        let c = collection(field);
        let all = rows(&[
            json!("融桥（临江）科技"),
            json!("RQ-2026-7"),
            json!("云帆"),
            Value::Null,
        ]);
        let found = |words: &str| {
            let query = Query::new("x").filter(Filter::search(words)).page(1, 9);
            find(&c, &query, all.clone()).unwrap().total.unwrap()
        };
        let asked = [
            "桥临",
            "rq",
            "linjiangkeji",
            "2026 7",
            "yf",
            " ",
            "inj",
            "（）",
        ];
        assert_eq!(asked.map(found), [1, 2, 1, 1, 1, 4, 0, 0]);
        let plain = collection(FieldDef::new(
            "sample",
            Label::default(),
            Kind::Text { max: 60 },
        ));
        let query = Query::new("x").filter(Filter::search("a"));
        assert_eq!(
            find(&plain, &query, all.clone()).unwrap_err().code,
            "bad-query"
        );
    }

    #[test]
    fn a_walk_by_cursor_sees_every_row_once() {
        let integer = Kind::Integer {
            min: None,
            max: None,
        };
        let c = collection(FieldDef::new("sample", Label::default(), integer));
        let values: Vec<Value> = (0..9)
            .map(|n| {
                if n % 4 == 3 {
                    Value::Null
                } else {
                    json!(n % 3)
                }
            })
            .collect();
        for down in [false, true] {
            let query = Query::new("x").sort("sample", down);
            let whole = find(&c, &query, rows(&values)).unwrap().records;
            let (mut walked, mut cursor) = (Vec::new(), String::new());
            loop {
                let found = find(&c, &query.clone().after(&cursor, 2), rows(&values)).unwrap();
                walked.extend(found.records);
                match found.next {
                    Some(next) => cursor = next,
                    None => break,
                }
            }
            assert_eq!(walked, whole);
            let other = Query::new("x").after(&cursor, 2);
            assert_eq!(
                find(&c, &other, rows(&values)).unwrap_err().code,
                "bad-cursor"
            );
        }
    }

    #[test]
    fn small_groups_are_suppressed_and_never_told_by_their_place() {
        let c = collection(FieldDef::new(
            "sample",
            Label::default(),
            Kind::Text { max: 9 },
        ));
        let all = rows(&[json!("a"), json!("b"), json!("b")]);
        let ask = Aggregate::new("x", vec![Measure::Count]).by("sample");
        let groups = aggregate(&c, &ask, all.clone(), Some(2)).unwrap();
        assert!(groups[0].suppressed && groups[0].measures == [Value::Null]);
        assert_eq!(groups[1].measures, [json!(2)]);
        let top = Some(Top {
            measure: 0,
            groups: 5,
            least: true,
        });
        let groups = aggregate(&c, &Aggregate { top, ..ask }, all, Some(2)).unwrap();
        assert_eq!(groups.len(), 1);
    }
}
