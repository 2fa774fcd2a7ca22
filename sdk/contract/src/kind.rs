//! The closed set of field kinds, and what a value of each looks like as JSON.
//!
//! | kind | JSON | note |
//! |---|---|---|
//! | text, code, choice, ref | string | a ref is the other record's id |
//! | integer | number | 64 bit |
//! | decimal | string | exactly `scale` digits after the point |
//! | money | string | 元 with two digits, `"3000000.00"`; CNY |
//! | date | string | `YYYY-MM-DD` |
//! | datetime | string | RFC 3339 UTC with six digits, so that text order is time order |
//! | bool | bool | |
//! | json | any | not filtered or sorted on |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::code::Format;
use crate::scalar::{Date, Timestamp, parse_scaled, print_scaled};

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
    Datetime,
    Choice {
        /// A choice of the same module.
        of: String,
    },
    Bool,
    Ref {
        /// `<plugin>.<collection>`, or a collection of the same module.
        to: String,
    },
    Json,
}

/// Why a value does not fit its kind: a stable code and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    pub code: &'static str,
    pub message: String,
}

fn misfit(code: &'static str, message: impl Into<String>) -> Misfit {
    Misfit {
        code,
        message: message.into(),
    }
}

impl Kind {
    /// Checks a JSON value and brings it to its canonical form. `options` are the allowed values
    /// of a choice.
    pub fn check(&self, value: &Value, options: &[&str]) -> Result<Value, Misfit> {
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
            Self::Datetime => {
                let t: Timestamp = text(value)?
                    .trim()
                    .parse()
                    .map_err(|_| misfit("not-a-time", "时间格式不对"))?;
                Ok(t.to_string().into())
            }
            Self::Choice { .. } => {
                let s = text(value)?;
                if options.contains(&s) {
                    Ok(s.into())
                } else {
                    Err(misfit("not-an-option", "请从所列选项中选择"))
                }
            }
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
            Self::Json => Ok(value.clone()),
        }
    }
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
            Kind::Datetime
                .check(&json!("2026-11-23T16:00:00+08:00"), &[])
                .unwrap(),
            json!("2026-11-23T08:00:00.000000Z")
        );
    }
}
