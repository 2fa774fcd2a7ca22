//! The closed set of field kinds, and what a value of each looks like as JSON.
//!
//! | kind | JSON | note |
//! |---|---|---|
//! | text, code, choice, ref | string | a ref is the other record's id |
//! | integer | number | 64 bit |
//! | decimal | string | exactly `scale` digits after the point |
//! | money | string | 元 with two digits, `"3000000.00"`; CNY |
//! | date | string | `YYYY-MM-DD` |
//! | month | string | `YYYY-MM` |
//! | datetime | string | RFC 3339 UTC with six digits, so that text order is time order |
//! | multi-choice | array of strings | in the order of the options, none twice |
//! | bool | bool | |
//! | rows | array of objects | each with the fields of a row; empty when there are none |
//! | file | object, or array of them | `digest`, `name`, `size` in bytes |
//! | json | any | not filtered or sorted on |
//! | computed | as its own kind | read only, made of other fields whenever it is read |
//!
//! [`TABLE`] says of each what may be asked of it, how it is edited, shown and described; every
//! crate that stores or draws a kind has a test that walks it.

mod formula;
mod schema;
mod table;

pub use formula::{Formula, compute};
pub use schema::schema;
pub use table::{Entry, Ops, Sample, TABLE};

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::code::Format;
use crate::def::{ChoiceDef, FieldDef};
use crate::error::FieldFault;
use crate::input;
use crate::scalar::{Date, Month, Timestamp, parse_scaled, print_scaled};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    Text {
        /// Characters, not bytes.
        max: u32,
    },
    Code {
        format: Format,
    },
    Integer {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    Decimal {
        scale: u8,
        /// In units of the last digit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    Money {
        /// 分.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    Date,
    Month,
    Datetime,
    Choice {
        /// A choice of the same module.
        of: String,
    },
    MultiChoice {
        /// A choice of the same module.
        of: String,
        /// Options that may be chosen together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    Bool,
    Ref {
        /// `<plugin>.<collection>`, or a collection of the same module.
        to: String,
    },
    /// A list of rows with fields of their own, kept in a table of their own.
    Rows {
        /// Of any kind but rows, file and computed; none unique or encrypted.
        fields: Vec<FieldDef>,
        /// Rows at most.
        max: u32,
    },
    File {
        /// Name endings in lower case, without the dot; none means any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accept: Vec<String>,
        max_bytes: u64,
        /// Several files; at most [`MAX_FILES`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        many: bool,
    },
    Json,
    /// Made of other fields of the record whenever it is read; has no column.
    Computed {
        /// Kind of the result.
        result: Box<Kind>,
        from: Formula,
    },
}

/// Files one field may hold.
pub const MAX_FILES: usize = 20;
/// Characters of a file's name.
const FILE_NAME: usize = 200;

/// Why a value does not fit its kind: a stable code and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    pub code: Cow<'static, str>,
    pub message: String,
    /// Where in the value, `1.quantity`; empty for the value itself.
    pub at: String,
}

impl Misfit {
    /// As a fault of `field`.
    pub fn fault(self, field: &str) -> FieldFault {
        let place = if self.at.is_empty() {
            field.to_owned()
        } else {
            format!("{field}.{}", self.at)
        };
        FieldFault::new(place, self.code, self.message)
    }
}

fn misfit(code: &'static str, message: impl Into<String>) -> Misfit {
    Misfit {
        code: code.into(),
        message: message.into(),
        at: String::new(),
    }
}

impl Kind {
    /// Checks a JSON value and brings it to its canonical form. `choices` are those of the
    /// declaring module. Of several faults in rows it names the first; [`input::field`] has all.
    pub fn check(&self, value: &Value, choices: &[ChoiceDef]) -> Result<Value, Misfit> {
        match self {
            Self::Text { max } => {
                let s = text(value)?.trim();
                if s.chars().count() > *max as usize {
                    return Err(misfit("too-long", format!("最多 {max} 个字")));
                }
                if s.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
                    return Err(misfit("control-character", "含有不可见的控制字符"));
                }
                Ok(s.into())
            }
            Self::Code { format } => format
                .check(text(value)?)
                .map(Value::from)
                .map_err(|m| misfit("bad-code", m)),
            Self::Integer { min, max } => {
                let n = value
                    .as_i64()
                    .or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()))
                    .ok_or_else(|| misfit("not-an-integer", "请填写整数"))?;
                within(n, *min, *max, |n| n.to_string())?;
                Ok(n.into())
            }
            Self::Decimal { scale, min, max } => scaled(value, *scale, *min, *max),
            Self::Money { min, max } => scaled(value, 2, *min, *max),
            Self::Date => {
                let d: Date = text(value)?
                    .trim()
                    .parse()
                    .map_err(|_| misfit("not-a-date", "请按 年-月-日 填写日期，如 2026-11-23"))?;
                Ok(d.to_string().into())
            }
            Self::Month => {
                let m: Month = text(value)?
                    .trim()
                    .parse()
                    .map_err(|_| misfit("not-a-month", "请按 年-月 填写月份，如 2026-11"))?;
                Ok(m.to_string().into())
            }
            Self::Datetime => {
                let t: Timestamp = text(value)?
                    .trim()
                    .parse()
                    .map_err(|_| misfit("not-a-time", "时间格式不对"))?;
                Ok(t.to_string().into())
            }
            Self::Choice { of } => {
                let s = text(value)?;
                if options(choices, of).any(|o| o == s) {
                    Ok(s.into())
                } else {
                    Err(misfit("not-an-option", "请从所列选项中选择"))
                }
            }
            Self::MultiChoice { of, max } => several(value, options(choices, of), *max),
            Self::Bool => match value {
                Value::Bool(b) => Ok((*b).into()),
                Value::String(s) if s == "true" || s == "on" => Ok(true.into()),
                Value::String(s) if s == "false" || s.is_empty() => Ok(false.into()),
                _ => Err(misfit("not-a-bool", "请选择是或否")),
            },
            Self::Ref { .. } => {
                let s = text(value)?;
                if is_uuid(s) {
                    Ok(s.into())
                } else {
                    Err(misfit("bad-id", "编号格式不对"))
                }
            }
            Self::Rows { fields, max } => input::rows(fields, choices, *max, value)
                .map_err(|all| all.into_iter().next().unwrap_or_else(not_rows)),
            Self::File {
                accept,
                max_bytes,
                many,
            } => files(value, accept, *max_bytes, *many),
            Self::Json => Ok(value.clone()),
            Self::Computed { .. } => Err(misfit("read-only", "此项由系统计算，不能填写")),
        }
    }

    /// What a person should look at again in a canonical value, see [`Format::doubt`].
    pub fn doubts(&self, value: &Value) -> Vec<Misfit> {
        match (self, value) {
            (Self::Code { format }, Value::String(code)) => format
                .doubt(code)
                .map(|(code, message)| misfit(code, message))
                .into_iter()
                .collect(),
            (Self::Rows { fields, .. }, Value::Array(rows)) => {
                let mut all = Vec::new();
                for (number, row) in rows.iter().enumerate() {
                    for field in fields {
                        let Some(value) = row.get(&field.name) else {
                            continue;
                        };
                        all.extend(field.kind.doubts(value).into_iter().map(|m| Misfit {
                            at: format!("{number}.{}", field.name),
                            ..m
                        }));
                    }
                }
                all
            }
            _ => Vec::new(),
        }
    }

    /// The kind whose form the value has: a computed field's result, else itself.
    pub fn shown(&self) -> &Self {
        match self {
            Self::Computed { result, .. } => result,
            kind => kind,
        }
    }
}

fn options<'c>(choices: &'c [ChoiceDef], name: &str) -> impl Iterator<Item = &'c str> + use<'c> {
    let choice = choices.iter().find(|c| c.name == name);
    choice
        .into_iter()
        .flat_map(|c| c.options.iter().map(|o| o.value.as_str()))
}

fn not_rows() -> Misfit {
    misfit("not-rows", "请逐行填写")
}

/// The chosen options in their declared order. A single text is a list of one, as a form or a
/// query sends it.
fn several<'o>(
    value: &Value,
    options: impl Iterator<Item = &'o str>,
    max: Option<u32>,
) -> Result<Value, Misfit> {
    let one;
    let given = match value {
        Value::Array(items) => items.as_slice(),
        text => {
            one = [text.clone()];
            &one
        }
    };
    let all: Vec<&str> = options.collect();
    if !given
        .iter()
        .all(|g| g.as_str().is_some_and(|g| all.contains(&g)))
    {
        return Err(misfit("not-an-option", "请从所列选项中选择"));
    }
    let chosen: Vec<&str> = all
        .into_iter()
        .filter(|o| given.iter().any(|g| g == o))
        .collect();
    match max {
        Some(max) if chosen.len() > max as usize => {
            Err(misfit("too-many", format!("最多选择 {max} 项")))
        }
        _ => Ok(json!(chosen)),
    }
}

fn files(value: &Value, accept: &[String], max_bytes: u64, many: bool) -> Result<Value, Misfit> {
    let all: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    if all.len() > if many { MAX_FILES } else { 1 } {
        let most = if many { MAX_FILES } else { 1 };
        return Err(misfit("too-many", format!("最多 {most} 个文件")));
    }
    let checked = all
        .into_iter()
        .map(|one| file(one, accept, max_bytes))
        .collect::<Result<Vec<Value>, Misfit>>()?;
    if many {
        return Ok(checked.into());
    }
    let one = checked.into_iter().next();
    one.ok_or_else(|| misfit("bad-file", "请先上传文件"))
}

/// What an upload answered: the SM3 of its bytes, its name and size.
fn file(value: &Value, accept: &[String], max_bytes: u64) -> Result<Value, Misfit> {
    let bad = || misfit("bad-file", "文件未能上传，请重新选择");
    let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(bad);
    let (digest, name) = (text("digest")?, text("name")?.trim());
    let size = value.get("size").and_then(Value::as_u64).ok_or_else(bad)?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digest.len() != 64 || !digest.bytes().all(hex) {
        return Err(bad());
    }
    if name.is_empty() || name.chars().count() > FILE_NAME || name.chars().any(char::is_control) {
        return Err(misfit("bad-file", "文件名过长或含有不可见字符"));
    }
    let ending = name.rsplit_once('.').map_or("", |(_, e)| e);
    if !accept.is_empty() && !accept.iter().any(|a| a.eq_ignore_ascii_case(ending)) {
        return Err(misfit(
            "bad-file-type",
            format!("文件类型须为 {}", accept.join("、")),
        ));
    }
    if size > max_bytes {
        let most = max_bytes / 1024;
        return Err(misfit("too-large", format!("文件不得大于 {most} KB")));
    }
    let mut file = Map::new();
    file.insert("digest".into(), digest.into());
    file.insert("name".into(), name.into());
    file.insert("size".into(), size.into());
    Ok(Value::Object(file))
}

/// Every id is one: 8-4-4-4-12 hex digits (RFC 9562).
fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(hex)
}

fn text(value: &Value) -> Result<&str, Misfit> {
    value
        .as_str()
        .ok_or_else(|| misfit("not-text", "请填写文字"))
}

fn scaled(value: &Value, scale: u8, min: Option<i64>, max: Option<i64>) -> Result<Value, Misfit> {
    let printed;
    let s = match value {
        Value::String(s) => s.as_str(),
        Value::Number(n) if n.is_i64() => {
            printed = n.to_string();
            &printed
        }
        _ => {
            return Err(misfit(
                "not-a-number",
                "请填写数字（以文字形式传送，如 \"3000000.00\"）",
            ));
        }
    };
    let n = parse_scaled(s, scale).ok_or_else(|| {
        misfit(
            "not-a-number",
            format!("请填写数字，小数点后最多 {scale} 位"),
        )
    })?;
    within(n, min, max, |n| print_scaled(n, scale))?;
    Ok(print_scaled(n, scale).into())
}

fn within(
    n: i64,
    min: Option<i64>,
    max: Option<i64>,
    show: impl Fn(i64) -> String,
) -> Result<(), Misfit> {
    match (min, max) {
        (Some(lo), _) if n < lo => Err(misfit("too-small", format!("不得小于 {}", show(lo)))),
        (_, Some(hi)) if n > hi => Err(misfit("too-large", format!("不得大于 {}", show(hi)))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_exact_and_canonical() {
        let money = Kind::Money {
            min: Some(0),
            max: None,
        };
        assert_eq!(
            money.check(&json!("9007199254740993.01"), &[]).unwrap(),
            json!("9007199254740993.01")
        );
        assert_eq!(
            money.check(&json!(" 3,000,000 "), &[]).unwrap(),
            json!("3000000.00")
        );
        assert_eq!(
            money.check(&json!(1.5), &[]).unwrap_err().code,
            "not-a-number"
        );
        assert_eq!(
            money.check(&json!("-1"), &[]).unwrap_err().code,
            "too-small"
        );
        assert_eq!(
            money.check(&json!("1.234"), &[]).unwrap_err().code,
            "not-a-number"
        );
        assert_eq!(
            money
                .check(&json!("99999999999999999999"), &[])
                .unwrap_err()
                .code,
            "not-a-number"
        );
    }

    #[test]
    fn text_counts_characters_and_refuses_controls() {
        let text = Kind::Text { max: 2 };
        assert_eq!(text.check(&json!(" 融桥 "), &[]).unwrap(), json!("融桥"));
        assert_eq!(
            text.check(&json!("融桥桥"), &[]).unwrap_err().code,
            "too-long"
        );
        assert_eq!(
            text.check(&json!("a\u{0}"), &[]).unwrap_err().code,
            "control-character"
        );
    }

    #[test]
    fn a_reference_is_a_uuid() {
        let to = || Kind::Ref {
            to: "things".into(),
        };
        let id = json!("01930000-0000-7000-8000-00000000A001");
        assert_eq!(to().check(&id, &[]).unwrap(), id);
        for bad in [
            "",
            "nowhere",
            "0193000000007000800000000000a001",
            "01930000-0000-7000-8000-00000000g001",
        ] {
            assert_eq!(
                to().check(&json!(bad), &[]).unwrap_err().code,
                "bad-id",
                "{bad}"
            );
        }
    }

    #[test]
    fn dates_and_times_are_canonical() {
        assert_eq!(
            Kind::Date
                .check(&json!("2026-02-30"), &[])
                .unwrap_err()
                .code,
            "not-a-date"
        );
        assert_eq!(
            Kind::Month.check(&json!(" 2026-11 "), &[]).unwrap(),
            json!("2026-11")
        );
        for bad in ["2026-13", "2026-1", "2026-11-01", "11-2026"] {
            let fault = Kind::Month.check(&json!(bad), &[]).unwrap_err();
            assert_eq!(fault.code, "not-a-month", "{bad}");
        }
        assert_eq!(
            Kind::Datetime
                .check(&json!("2026-11-23T16:00:00+08:00"), &[])
                .unwrap(),
            json!("2026-11-23T08:00:00.000000Z")
        );
    }
}
