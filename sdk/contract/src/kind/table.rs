//! One line for each kind: its column, what may be asked of it, how it is described, edited and
//! shown, and values to try it with. Tests of every crate that takes part walk it.

use serde_json::{Value, json};

use super::{Formula, Kind};
use crate::code::Format;
use crate::def::{ChoiceDef, FieldDef, Label, OptionDef, Tone};

/// What may be asked of a kind's values.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what may be asked is independent of each other"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ops {
    /// `eq` and `in`.
    pub equal: bool,
    /// `range`, `min` and `max`.
    pub range: bool,
    /// `contains`.
    pub text: bool,
    pub sort: bool,
    /// Group keys and facets.
    pub group: bool,
    /// `sum` and `avg`.
    pub sum: bool,
}

/// A line of [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// As declarations spell it.
    pub kind: &'static str,
    /// Type of its column on `SQLite`; empty for none.
    pub sqlite: &'static str,
    /// Type of its column on `PostgreSQL`; empty for none.
    pub postgres: &'static str,
    /// `type` of its JSON Schema; empty for any.
    pub json: &'static str,
    /// The form field that edits it, a `kind` of [`crate::page::FieldKind`]; empty for none.
    pub widget: &'static str,
    /// The cell that shows it, a `type` of [`crate::page::Datum`].
    pub cell: &'static str,
    pub ops: Ops,
    sample: fn() -> Sample,
}

/// A field of a kind with values.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Called `sample`.
    pub field: FieldDef,
    /// What is given, and the canonical form of it.
    pub good: Vec<(Value, Value)>,
    /// What is refused, and the code of the refusal.
    pub bad: Vec<(Value, &'static str)>,
}

impl Entry {
    pub fn sample(&self) -> Sample {
        (self.sample)()
    }

    /// The choices that samples name.
    pub fn choices() -> Vec<ChoiceDef> {
        let option = |value: &str| OptionDef {
            value: value.into(),
            label: Label::new(value, value),
            tone: Tone::Info,
        };
        vec![ChoiceDef {
            name: "sizes".into(),
            label: Label::new("大小", "Sizes"),
            options: ["s", "m", "xl"].map(option).into(),
        }]
    }
}

const NONE: Ops = Ops {
    equal: false,
    range: false,
    text: false,
    sort: false,
    group: false,
    sum: false,
};
const TEXT: Ops = Ops {
    equal: true,
    range: true,
    text: true,
    sort: true,
    group: true,
    sum: false,
};
const NUMBER: Ops = Ops {
    text: false,
    sum: true,
    ..TEXT
};
const TIME: Ops = Ops {
    text: false,
    ..TEXT
};
const WORD: Ops = Ops {
    range: false,
    text: false,
    ..TEXT
};

const fn entry(
    kind: &'static str,
    columns: [&'static str; 2],
    ops: Ops,
    show: [&'static str; 3],
    sample: fn() -> Sample,
) -> Entry {
    let ([sqlite, postgres], [json, widget, cell]) = (columns, show);
    Entry {
        kind,
        sqlite,
        postgres,
        json,
        widget,
        cell,
        ops,
        sample,
    }
}

/// Every kind.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    entry("text", ["TEXT", "text"], TEXT, ["string", "text", "text"], text),
    entry("code", ["TEXT", "text"], TEXT, ["string", "text", "text"], code),
    entry("integer", ["INTEGER", "bigint"], NUMBER, ["integer", "number", "integer"], integer),
    entry("decimal", ["INTEGER", "bigint"], NUMBER, ["string", "number", "decimal"], decimal),
    entry("money", ["INTEGER", "bigint"], NUMBER, ["string", "money", "money"], money),
    entry("date", ["TEXT", "text"], TIME, ["string", "date", "date"], date),
    entry("month", ["TEXT", "text"], TIME, ["string", "month", "date"], month),
    entry("datetime", ["INTEGER", "bigint"], TIME, ["string", "time", "time"], datetime),
    entry("choice", ["TEXT", "text"], WORD, ["string", "pick", "status"], choice),
    entry("multi-choice", ["TEXT", "text"], Ops { equal: true, ..NONE }, ["array", "pick", "tags"], multi_choice),
    entry("bool", ["BOOLEAN", "boolean"], WORD, ["boolean", "toggle", "status"], boolean),
    entry("ref", ["TEXT", "uuid"], WORD, ["string", "pick", "text"], reference),
    entry("rows", ["", ""], NONE, ["array", "rows", "quantity"], rows),
    entry("file", ["TEXT", "text"], NONE, ["object", "file", "file"], file),
    entry("json", ["TEXT", "text"], NONE, ["", "", "text"], free),
    entry("computed", ["", ""], NONE, ["integer", "", "integer"], computed),
];

impl Kind {
    /// As declarations spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Code { .. } => "code",
            Self::Integer { .. } => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Money { .. } => "money",
            Self::Date => "date",
            Self::Month => "month",
            Self::Datetime => "datetime",
            Self::Choice { .. } => "choice",
            Self::MultiChoice { .. } => "multi-choice",
            Self::Bool => "bool",
            Self::Ref { .. } => "ref",
            Self::Rows { .. } => "rows",
            Self::File { .. } => "file",
            Self::Json => "json",
            Self::Computed { .. } => "computed",
        }
    }

    /// What may be asked of its values, when they are not encrypted.
    pub fn ops(&self) -> Ops {
        let name = self.name();
        TABLE
            .iter()
            .find(|e| e.kind == name)
            .map_or(NONE, |e| e.ops)
    }
}

fn sample(kind: Kind, good: Vec<(Value, Value)>, bad: Vec<(Value, &'static str)>) -> Sample {
    let field = FieldDef::new("sample", Label::new("样本", "Sample"), kind);
    Sample { field, good, bad }
}

/// Values that are canonical as they are given.
fn plain(values: impl IntoIterator<Item = Value>) -> Vec<(Value, Value)> {
    values.into_iter().map(|v| (v.clone(), v)).collect()
}

fn text() -> Sample {
    let mut good = plain([json!("融桥"), json!("100%_off!")]);
    good.push((json!(" 融桥 "), json!("融桥")));
    let bad = vec![
        (json!("一二三四五六七八九十"), "too-long"),
        (json!("a\u{0}"), "control-character"),
        (json!(1), "not-text"),
    ];
    sample(Kind::Text { max: 9 }, good, bad)
}

fn code() -> Sample {
    let good = vec![
        (json!("91310115ma1h000125"), json!("91310115MA1H000125")),
        (json!("91350100M0001TGQXM"), json!("91350100M0001TGQXM")),
    ];
    sample(
        Kind::Code {
            format: Format::Uscc,
        },
        good,
        vec![(json!("9131011500000000I0"), "bad-code")],
    )
}

fn integer() -> Sample {
    let mut good = plain([json!(-7), json!(9_007_199_254_740_993_i64)]);
    good.push((json!("12"), json!(12)));
    let kind = Kind::Integer {
        min: Some(-7),
        max: None,
    };
    sample(
        kind,
        good,
        vec![(json!(1.5), "not-an-integer"), (json!(-8), "too-small")],
    )
}

fn decimal() -> Sample {
    let mut good = plain([json!("-0.0345")]);
    good.push((json!("3.45"), json!("3.4500")));
    let kind = Kind::Decimal {
        scale: 4,
        min: None,
        max: Some(1_000_000),
    };
    sample(
        kind,
        good,
        vec![
            (json!("0.00001"), "not-a-number"),
            (json!("100.0001"), "too-large"),
        ],
    )
}

fn money() -> Sample {
    let mut good = plain([json!("9007199254740993.01"), json!("-0.05")]);
    good.push((json!(" 3,000,000 "), json!("3000000.00")));
    sample(
        Kind::Money {
            min: None,
            max: None,
        },
        good,
        vec![
            (json!(1.5), "not-a-number"),
            (json!("99999999999999999999"), "not-a-number"),
        ],
    )
}

fn date() -> Sample {
    sample(
        Kind::Date,
        plain([json!("2026-11-23")]),
        vec![(json!("2026-02-30"), "not-a-date")],
    )
}

fn month() -> Sample {
    sample(
        Kind::Month,
        plain([json!("2026-11")]),
        vec![(json!("2026-13"), "not-a-month")],
    )
}

fn datetime() -> Sample {
    let good = vec![(
        json!("2026-11-23T16:00:00+08:00"),
        json!("2026-11-23T08:00:00.000000Z"),
    )];
    sample(
        Kind::Datetime,
        good,
        vec![(json!("2026-11-23"), "not-a-time")],
    )
}

fn choice() -> Sample {
    sample(
        Kind::Choice { of: "sizes".into() },
        plain([json!("m")]),
        vec![(json!("l"), "not-an-option")],
    )
}

fn multi_choice() -> Sample {
    let good = vec![
        (json!(["xl", "s", "xl"]), json!(["s", "xl"])),
        (json!("m"), json!(["m"])),
    ];
    let kind = Kind::MultiChoice {
        of: "sizes".into(),
        max: Some(2),
    };
    sample(
        kind,
        good,
        vec![
            (json!(["s", "l"]), "not-an-option"),
            (json!(["s", "m", "xl"]), "too-many"),
        ],
    )
}

fn boolean() -> Sample {
    let mut good = plain([json!(true), json!(false)]);
    good.push((json!("on"), json!(true)));
    sample(Kind::Bool, good, vec![(json!(1), "not-a-bool")])
}

fn reference() -> Sample {
    let good = plain([json!("00000000-0000-7000-8000-000000000001")]);
    sample(
        Kind::Ref {
            to: "samples".into(),
        },
        good,
        vec![(json!("a b"), "bad-id")],
    )
}

fn rows() -> Sample {
    let mut required = FieldDef::new("item", Label::new("品名", "Item"), Kind::Text { max: 20 });
    required.required = true;
    let price = FieldDef::new(
        "price",
        Label::new("金额", "Price"),
        Kind::Money {
            min: Some(0),
            max: None,
        },
    );
    let good = vec![(
        json!([{"item": "bolt", "price": "1"}, {"item": "nut"}]),
        json!([{"item": "bolt", "price": "1.00"}, {"item": "nut", "price": null}]),
    )];
    let bad = vec![
        (json!([{"price": "1"}]), "required"),
        (json!([{"item": "bolt", "price": "-1"}]), "too-small"),
        (json!([{"item": "bolt", "extra": 1}]), "unknown-field"),
        (
            json!([{"item": "a"}, {"item": "b"}, {"item": "c"}, {"item": "d"}]),
            "too-many",
        ),
        (json!({"item": "bolt"}), "not-rows"),
    ];
    sample(
        Kind::Rows {
            fields: vec![required, price],
            max: 3,
        },
        good,
        bad,
    )
}

fn file() -> Sample {
    let digest = "ab".repeat(32);
    let of = |name: &str, size: u64| json!({"digest": digest, "name": name, "size": size});
    let good = vec![
        (of("a.PDF", 9), of("a.PDF", 9)),
        (json!([of("b.pdf", 0)]), of("b.pdf", 0)),
    ];
    let bad = vec![
        (of("a.exe", 9), "bad-file-type"),
        (of("a.pdf", 11), "too-large"),
        (json!("a.pdf"), "bad-file"),
        (json!([of("a.pdf", 1), of("b.pdf", 1)]), "too-many"),
    ];
    sample(
        Kind::File {
            accept: vec!["pdf".into()],
            max_bytes: 10,
            many: false,
        },
        good,
        bad,
    )
}

fn free() -> Sample {
    sample(
        Kind::Json,
        plain([json!({"b": [1, null, "融桥"], "a": {}})]),
        vec![],
    )
}

fn computed() -> Sample {
    let result = Kind::Integer {
        min: None,
        max: None,
    };
    let from = Formula::Days {
        from: "begins".into(),
        to: "ends".into(),
    };
    sample(
        Kind::Computed {
            result: Box::new(result),
            from,
        },
        vec![],
        vec![(json!(1), "read-only")],
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kind::{compute, schema};

    #[test]
    fn every_kind_has_its_line() {
        let names: Vec<&str> = TABLE.iter().map(|e| e.kind).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len());
        // What declarations may spell, from the schema of the type itself.
        let all = serde_json::to_value(schemars::schema_for!(Kind)).unwrap();
        let declared: BTreeSet<&str> = all["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["properties"]["kind"]["const"].as_str().unwrap())
            .collect();
        assert_eq!(declared, distinct);
        for entry in TABLE {
            assert_eq!(entry.sample().field.kind.name(), entry.kind);
        }
    }

    #[test]
    fn samples_are_taken_and_refused_as_they_say() {
        let choices = Entry::choices();
        for entry in TABLE {
            let Sample { field, good, bad } = entry.sample();
            for (given, canonical) in good {
                assert_eq!(
                    field.kind.check(&given, &choices).as_ref(),
                    Ok(&canonical),
                    "{}",
                    entry.kind
                );
                assert_eq!(
                    field.kind.check(&canonical, &choices).as_ref(),
                    Ok(&canonical),
                    "{}: canonical",
                    entry.kind
                );
            }
            for (given, code) in bad {
                assert_eq!(
                    field.kind.check(&given, &choices).unwrap_err().code,
                    code,
                    "{} {given}",
                    entry.kind
                );
            }
        }
    }

    #[test]
    fn schemas_have_the_type_of_the_wire() {
        for entry in TABLE {
            let schema = schema("shop", &Entry::choices(), &entry.sample().field);
            assert_eq!(
                schema["type"].as_str().unwrap_or_default(),
                entry.json,
                "{}",
                entry.kind
            );
            for (_, canonical) in entry.sample().good {
                let fits = match entry.json {
                    "string" => canonical.is_string(),
                    "integer" => canonical.is_i64(),
                    "boolean" => canonical.is_boolean(),
                    "array" => canonical.is_array(),
                    "object" => canonical.is_object(),
                    _ => true,
                };
                assert!(fits, "{} {canonical}", entry.kind);
            }
        }
    }

    #[test]
    fn declarations_survive_their_document() {
        for entry in TABLE {
            let field = entry.sample().field;
            let text = serde_json::to_string(&field).unwrap();
            assert_eq!(
                serde_json::from_str::<FieldDef>(&text).unwrap(),
                field,
                "{text}"
            );
        }
    }

    #[test]
    #[expect(
        clippy::too_many_lines,
        reason = "every formula over one record, which reads best in one piece"
    )]
    fn computed_fields_follow_their_sources() {
        let label = Label::default;
        let money = || Kind::Money {
            min: None,
            max: None,
        };
        let integer = || Kind::Integer {
            min: None,
            max: None,
        };
        let of = |result: Kind, from: Formula| Kind::Computed {
            result: Box::new(result),
            from,
        };
        let mut fields = vec![
            FieldDef::new("a", label(), money()),
            FieldDef::new("b", label(), money()),
            FieldDef::new("begins", label(), Kind::Date),
            FieldDef::new("ends", label(), Kind::Date),
            FieldDef::new("name", label(), Kind::Text { max: 9 }),
            FieldDef::new("lines", label(), rows().field.kind),
        ];
        let formulas = [
            (
                "sum",
                of(
                    money(),
                    Formula::Sum {
                        of: vec!["a".into(), "b".into()],
                    },
                ),
            ),
            (
                "rest",
                of(
                    money(),
                    Formula::Difference {
                        of: "a".into(),
                        less: "b".into(),
                    },
                ),
            ),
            (
                "total",
                of(
                    money(),
                    Formula::Total {
                        rows: "lines".into(),
                        of: "price".into(),
                    },
                ),
            ),
            (
                "count",
                of(
                    integer(),
                    Formula::Count {
                        rows: "lines".into(),
                    },
                ),
            ),
            (
                "title",
                of(
                    Kind::Text { max: 20 },
                    Formula::Join {
                        of: vec!["name".into()],
                        between: " ".into(),
                    },
                ),
            ),
            (
                "days",
                of(
                    integer(),
                    Formula::Days {
                        from: "begins".into(),
                        to: "ends".into(),
                    },
                ),
            ),
        ];
        for (name, kind) in formulas {
            let Kind::Computed { result, from } = &kind else {
                panic!("not computed")
            };
            assert_eq!(from.fault(result, &fields), None, "{name}");
            fields.push(FieldDef::new(name, label(), kind));
        }
        let wrong = Formula::Sum {
            of: vec!["a".into(), "name".into()],
        };
        assert!(wrong.fault(&money(), &fields).is_some());

        let mut record = json!({
            "a": "1.10", "b": "0.20", "begins": "2026-02-27", "ends": "2026-03-01", "name": "桥",
            "lines": [{"item": "x", "price": "0.30"}, {"item": "y", "price": null}],
        });
        let map = record.as_object_mut().unwrap();
        compute(&fields, map);
        let want = json!({"sum": "1.30", "rest": "0.90", "total": "0.30", "count": 2, "title": "桥", "days": 2});
        for (name, value) in want.as_object().unwrap() {
            assert_eq!(&map[name], value, "{name}");
        }
        map.insert("b".into(), Value::Null);
        map.insert("a".into(), Value::Null);
        compute(&fields, map);
        assert_eq!((&map["sum"], &map["rest"]), (&Value::Null, &Value::Null));
    }
}
