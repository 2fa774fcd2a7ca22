//! What became of what the release before declared, as far as two declarations side by side do not
//! tell it: a rename, something out of use, values made anew.
//!
//! Fields of rows are those of the collection `<collection>.<field>`.
//!
//! A change is about the step from the release before. Once every database has taken it, it may be
//! left out; for [`ChangeDef::Retired`] and [`ChangeDef::Converted`] leaving it out means that the
//! old values go for good.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::def::{ChoiceDef, FieldDef};
use crate::kind::{Kind, Misfit};
use crate::scalar::{parse_scaled, print_scaled};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum ChangeDef {
    /// A field, or a whole collection, has another name. Its values stay where they are, and so does
    /// all that is kept under the old name.
    Renamed {
        /// As it is called now. One of another module, `<module>.<plural>`, where fields refer to it.
        collection: String,
        /// As it is called now; none where it is the collection itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        from: String,
    },
    /// A field, or a whole collection, that is not declared any more: in no answer, page or write,
    /// but still stored, and still in histories. Left out of the next release, it goes for good.
    Retired {
        collection: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// The values of a field are made anew of what was stored. The old ones stay beside them until
    /// a release leaves this out.
    Converted {
        collection: String,
        field: String,
        /// The field, as the release before called it, whose values are taken; itself when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        by: Conversion,
        /// Values that do not convert become empty. Without it one of them stops the whole change.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lossy: bool,
    },
}

/// How a value is made of another: a closed list, without any state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conversion {
    /// Read as the new kind, as if it had been typed: text as a number or a date, a number as text,
    /// a decimal of more digits or of fewer where nothing is lost, an option by value or label.
    Read,
    /// A number with fewer digits, rounded half away from zero.
    Round,
    /// Other options for some; the others stay.
    Options(BTreeMap<String, String>),
    /// One part of a text, counted from 0; none where there are not so many.
    Part { between: String, number: u32 },
    /// As it is, and this where there was nothing.
    Fill(Value),
}

impl ChangeDef {
    pub fn collection(&self) -> &str {
        match self {
            Self::Renamed { collection, .. }
            | Self::Retired { collection, .. }
            | Self::Converted { collection, .. } => collection,
        }
    }
}

impl Conversion {
    /// The new value, in the canonical form of the field's kind, or why there is none.
    pub fn value(
        &self,
        old: &Kind,
        new: &FieldDef,
        choices: &[ChoiceDef],
        value: &Value,
    ) -> Result<Value, Misfit> {
        let read = |value: &Value| read(&new.kind, choices, value);
        let made = match self {
            Self::Fill(filling) if value.is_null() => read(filling)?,
            _ if value.is_null() => Value::Null,
            Self::Read | Self::Fill(_) => read(value)?,
            Self::Round => read(&rounded(old, &new.kind, value)?)?,
            Self::Options(to) => read(&other_options(to, value))?,
            Self::Part { between, number } => {
                part(&text(value), between, *number).map_or(Ok(Value::Null), |p| read(&p.into()))?
            }
        };
        if made.is_null() && new.required {
            return Err(misfit("required", "此项必填"));
        }
        Ok(made)
    }
}

fn misfit(code: &'static str, message: &str) -> Misfit {
    Misfit {
        code: code.into(),
        message: message.to_owned(),
        at: String::new(),
    }
}

/// A value as the kind has it, if need be by way of its text.
fn read(kind: &Kind, choices: &[ChoiceDef], value: &Value) -> Result<Value, Misfit> {
    let first = match kind.check(value, choices) {
        Ok(fine) => return Ok(fine),
        Err(misfit) => misfit,
    };
    let text = text(value);
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let again = match kind {
        // 1.2300 has two digits that mean something.
        Kind::Integer { .. } | Kind::Decimal { .. } | Kind::Money { .. } if text.contains('.') => {
            let short = text.trim_end_matches('0').trim_end_matches('.');
            kind.check(&short.into(), choices)
        }
        Kind::Choice { of } => {
            let choice = choices.iter().find(|c| c.name == *of);
            let options = choice.map_or(&[][..], |c| &c.options);
            let called = options.iter().find(|o| o.label.zh == text);
            return called.map(|o| o.value.as_str().into()).ok_or(first);
        }
        Kind::MultiChoice { .. } => {
            let all: Vec<&str> = text.split(['、', ',', '，']).map(str::trim).collect();
            kind.check(&json!(all), choices)
        }
        _ => kind.check(&text.into(), choices),
    };
    again.map_err(|_| first)
}

/// How a value reads to people; nothing for what is no single value.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join("、"),
        Value::Null | Value::Object(_) => String::new(),
    }
}

/// Digits after the point.
fn scale(kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Integer { .. } => Some(0),
        Kind::Money { .. } => Some(2),
        Kind::Decimal { scale, .. } => Some(*scale),
        _ => None,
    }
}

fn rounded(old: &Kind, new: &Kind, value: &Value) -> Result<Value, Misfit> {
    let none = || misfit("not-a-number", "不是数字，不能取整");
    let (from, to) = scale(old).zip(scale(new)).ok_or_else(none)?;
    let units = parse_scaled(&text(value), from).ok_or_else(none)?;
    let unit = 10_i128.pow(from.saturating_sub(to).into());
    let units = i128::from(units);
    let (whole, rest) = (units / unit, units % unit);
    let whole = if rest.abs() * 2 >= unit && unit > 1 {
        whole + units.signum()
    } else {
        whole
    };
    let to = from.min(to);
    let whole = i64::try_from(whole).map_err(|_| none())?;
    Ok(print_scaled(whole, to).into())
}

fn other_options(to: &BTreeMap<String, String>, value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(|one| other_options(to, one)).collect(),
        Value::String(one) => to.get(one).unwrap_or(one).as_str().into(),
        other => other.clone(),
    }
}

fn part<'t>(text: &'t str, between: &str, number: u32) -> Option<&'t str> {
    let number = usize::try_from(number).ok()?;
    let part = if between.trim().is_empty() {
        text.split_whitespace().nth(number)
    } else {
        text.split(between).nth(number)
    };
    part.map(str::trim).filter(|p| !p.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::def::{Label, OptionDef, Tone};

    fn field(kind: Kind) -> FieldDef {
        FieldDef::new("f", Label::default(), kind)
    }

    fn text_kind() -> Kind {
        Kind::Text { max: 50 }
    }

    fn decimal(scale: u8) -> Kind {
        Kind::Decimal {
            scale,
            min: None,
            max: None,
        }
    }

    const INTEGER: Kind = Kind::Integer {
        min: None,
        max: None,
    };

    fn made(by: &Conversion, old: &Kind, new: Kind, value: &Value) -> Result<Value, String> {
        let label = |zh: &str| Label::from(zh);
        let option = |value: &str, zh: &str| OptionDef {
            value: value.into(),
            label: label(zh),
            tone: Tone::default(),
        };
        let choices = [ChoiceDef {
            name: "sizes".into(),
            label: label(""),
            options: vec![option("small", "小"), option("large", "大")],
        }];
        by.value(old, &field(new), &choices, value)
            .map_err(|m| m.code.into_owned())
    }

    #[test]
    fn values_are_read_as_if_typed_and_nothing_is_lost() {
        let read = |old: &Kind, new: Kind, value: Value| made(&Conversion::Read, old, new, &value);
        let sizes = || Kind::Choice { of: "sizes".into() };
        assert_eq!(read(&text_kind(), INTEGER, json!(" 12 ")), Ok(json!(12)));
        assert_eq!(read(&text_kind(), INTEGER, json!("12.00")), Ok(json!(12)));
        assert_eq!(read(&text_kind(), INTEGER, json!("")), Ok(Value::Null));
        assert_eq!(
            read(&text_kind(), INTEGER, json!("约12")),
            Err("not-an-integer".into())
        );
        assert_eq!(read(&INTEGER, text_kind(), json!(12)), Ok(json!("12")));
        assert_eq!(
            read(&decimal(4), decimal(2), json!("1.2300")),
            Ok(json!("1.23"))
        );
        assert_eq!(
            read(&decimal(4), decimal(2), json!("1.2345")),
            Err("not-a-number".into())
        );
        assert_eq!(
            read(&decimal(2), decimal(4), json!("1.20")),
            Ok(json!("1.2000"))
        );
        assert_eq!(read(&text_kind(), sizes(), json!("大")), Ok(json!("large")));
        assert_eq!(
            read(&text_kind(), sizes(), json!("中")),
            Err("not-an-option".into())
        );
        assert_eq!(
            read(&text_kind(), Kind::Date, json!("2026-02-30")),
            Err("not-a-date".into())
        );
        assert_eq!(read(&text_kind(), INTEGER, Value::Null), Ok(Value::Null));
    }

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        let round = |value: &str| {
            let value = json!(value);
            made(&Conversion::Round, &decimal(4), decimal(2), &value)
        };
        assert_eq!(round("1.2350"), Ok(json!("1.24")));
        assert_eq!(round("-1.2350"), Ok(json!("-1.24")));
        assert_eq!(round("1.2349"), Ok(json!("1.23")));
        let wider = made(&Conversion::Round, &decimal(2), decimal(4), &json!("1.20"));
        assert_eq!(wider, Ok(json!("1.2000")));
        let whole = made(&Conversion::Round, &decimal(2), INTEGER, &json!("2.50"));
        assert_eq!(whole, Ok(json!(3)));
    }

    #[test]
    fn options_merge_texts_are_split_and_gaps_filled() {
        let to = BTreeMap::from([("tiny".to_owned(), "small".to_owned())]);
        let sizes = || Kind::Choice { of: "sizes".into() };
        let merge = Conversion::Options(to);
        assert_eq!(
            made(&merge, &sizes(), sizes(), &json!("tiny")),
            Ok(json!("small"))
        );
        assert_eq!(
            made(&merge, &sizes(), sizes(), &json!("large")),
            Ok(json!("large"))
        );
        let part = |number| Conversion::Part {
            between: "/".into(),
            number,
        };
        let address = json!("静安区 / 南京西路");
        let second = made(&part(1), &text_kind(), text_kind(), &address);
        assert_eq!(second, Ok(json!("南京西路")));
        let third = made(&part(2), &text_kind(), text_kind(), &address);
        assert_eq!(third, Ok(Value::Null));
        let fill = Conversion::Fill(json!(1));
        let filled = made(&fill, &INTEGER, INTEGER, &Value::Null);
        assert_eq!(filled, Ok(json!(1)));
        assert_eq!(made(&fill, &INTEGER, INTEGER, &json!(5)), Ok(json!(5)));
        let needed = FieldDef {
            required: true,
            ..field(INTEGER)
        };
        let none = Conversion::Read.value(&INTEGER, &needed, &[], &Value::Null);
        assert_eq!(none.unwrap_err().code, "required");
    }
}
