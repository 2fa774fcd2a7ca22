//! Reading what a person sent: pure, against the page as the module draws it now.
//!
//! The kernel asks the module for the page again and reads the post against it. So hidden and
//! readonly values and a button's arguments come from the module, never from the browser, and a
//! button that is no longer there is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::typed::{confirmed, typed_rows};
use super::{Action, Body, Condition, Deed, Field, FieldKind, Form, MoneyUnit, Page, Send, Test};
use crate::code::Format;
use crate::error::FieldFault;
use crate::scalar::{Date, Month, Timestamp, parse_scaled, print_scaled};

/// Name of the posted field that says which action was pressed.
pub const ACTION_FIELD: &str = "_action";
/// … on which record.
pub const RECORD_FIELD: &str = "_record";
/// Name of the control with [`Send::mark`].
pub const MARK_FIELD: &str = "_mark";
/// … with which form.
pub const FORM_FIELD: &str = "_form";
/// A ticked row of a table; repeated.
pub const ROW_FIELD: &str = "_row";
/// The reason a confirmation asked for, and the input it becomes.
pub const REASON_FIELD: &str = "reason";
/// Longest reason, in characters.
const REASON_MAX: usize = 500;

/// An action with its checked input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub action: String,
    pub record: Option<String>,
    /// The form's values, the button's arguments, and `reason` when it was asked for.
    pub values: Map<String, Value>,
    /// Fields whose doubts were confirmed, `uscc` or `lines.1.uscc`.
    pub confirmed: Vec<String>,
    /// Keys of the ticked rows that are on the page; empty unless it was a bulk action.
    pub rows: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostFault {
    /// The page has no such button, or it is off: somebody was faster, or the post is forged.
    #[error("the page no longer offers this action")]
    Gone,
    #[error("{} field(s) need attention", .0.len())]
    Fields(Vec<FieldFault>),
}

/// Reads a post against the page. `typed` holds each posted field's values in order.
pub fn read_post(page: &Page, typed: &BTreeMap<String, Vec<String>>) -> Result<Posted, PostFault> {
    let name = first(typed, ACTION_FIELD);
    let record = Some(first(typed, RECORD_FIELD)).filter(|r| !r.is_empty());
    let form_name = first(typed, FORM_FIELD);
    let pressed = |a: &&Action| a.off.is_none() && sends(a, name, record);

    if !form_name.is_empty() {
        let form = page.form(form_name).ok_or(PostFault::Gone)?;
        let action = Some(&form.submit).filter(pressed).ok_or(PostFault::Gone)?;
        let values = read_form(form, typed);
        let reason = read_reason(action, typed);
        return match (values, reason) {
            (Ok(values), Ok(reason)) => Ok(Posted {
                confirmed: confirmed(&values, typed),
                ..posted(action, values, reason)
            }),
            (Err(mut faults), reason) => {
                faults.extend(reason.err());
                Err(PostFault::Fields(faults))
            }
            (_, Err(fault)) => Err(PostFault::Fields(vec![fault])),
        };
    }

    let mark = first(typed, MARK_FIELD);
    let mut meant = plain_actions(page)
        .filter(pressed)
        .filter(|a| mark.is_empty() || matches!(&a.deed, Deed::Send(s) if s.mark() == mark));
    if let Some(action) = meant.next() {
        // Rather none than another one's.
        if meant.any(|other| other.deed != action.deed) {
            return Err(PostFault::Gone);
        }
        let reason = read_reason(action, typed).map_err(|f| PostFault::Fields(vec![f]))?;
        return Ok(posted(action, Map::new(), reason));
    }
    let (table, action) = tables(page)
        .find_map(|t| t.bulk.iter().find(pressed).map(|a| (t, a)))
        .ok_or(PostFault::Gone)?;
    let ticked = typed.get(ROW_FIELD).map_or(&[][..], Vec::as_slice);
    let rows: Vec<String> = table
        .rows
        .iter()
        .map(|r| &r.key)
        .filter(|k| ticked.contains(k))
        .cloned()
        .collect();
    if rows.is_empty() {
        return Err(PostFault::Fields(vec![FieldFault::new(
            ROW_FIELD,
            "required",
            "请先勾选要处理的行",
        )]));
    }
    let reason = read_reason(action, typed).map_err(|f| PostFault::Fields(vec![f]))?;
    Ok(Posted {
        rows,
        ..posted(action, Map::new(), reason)
    })
}

/// Reads a form's fields: only declared, visible and valid ones are in the answer. Optional fields
/// left empty are absent. All faults are reported at once, in the order of the fields.
pub fn read_form(
    form: &Form,
    typed: &BTreeMap<String, Vec<String>>,
) -> Result<Map<String, Value>, Vec<FieldFault>> {
    let mut values = Map::new();
    let mut faults = Vec::new();
    for field in form.fields() {
        if !field.when.iter().all(|c| holds(c, &values)) {
            continue;
        }
        if let FieldKind::Rows { fields, max } = &field.kind {
            match read_rows(field, fields, *max, typed) {
                Ok(Some(rows)) => {
                    values.insert(field.name.clone(), rows);
                }
                Ok(None) => {}
                Err(all) => faults.extend(all),
            }
            continue;
        }
        match read_field(field, typed) {
            Ok(Some(value)) => {
                values.insert(field.name.clone(), value);
            }
            Ok(None) => {}
            Err((code, message)) => faults.push(FieldFault::new(&field.name, code, message)),
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}

fn first<'a>(typed: &'a BTreeMap<String, Vec<String>>, name: &str) -> &'a str {
    typed
        .get(name)
        .and_then(|v| v.first())
        .map_or("", String::as_str)
}

fn sends(action: &Action, name: &str, record: Option<&str>) -> bool {
    matches!(&action.deed, Deed::Send(s) if s.action == name && s.record.as_deref() == record)
}

fn posted(action: &Action, mut values: Map<String, Value>, reason: Option<String>) -> Posted {
    let Deed::Send(Send {
        action,
        record,
        args,
    }) = &action.deed
    else {
        return Posted {
            action: String::new(),
            record: None,
            values,
            confirmed: Vec::new(),
            rows: Vec::new(),
        };
    };
    values.extend(args.clone());
    if let Some(reason) = reason {
        values.insert(REASON_FIELD.into(), reason.into());
    }
    Posted {
        action: action.clone(),
        record: record.clone(),
        values,
        confirmed: Vec::new(),
        rows: Vec::new(),
    }
}

fn read_reason(
    action: &Action,
    typed: &BTreeMap<String, Vec<String>>,
) -> Result<Option<String>, FieldFault> {
    if action.confirm.as_ref().is_none_or(|c| c.reason.is_none()) {
        return Ok(None);
    }
    // Buttons that share a form share the name: the one that was pressed is the one filled in.
    let given = typed.get(REASON_FIELD).into_iter().flatten();
    let text = given
        .map(|t| t.trim())
        .find(|t| !t.is_empty())
        .unwrap_or_default();
    match text.chars().count() {
        0 => Err(FieldFault::new(REASON_FIELD, "required", "请填写理由")),
        1..=REASON_MAX => Ok(Some(text.to_owned())),
        _ => Err(FieldFault::new(
            REASON_FIELD,
            "too-long",
            format!("最多 {REASON_MAX} 个字"),
        )),
    }
}

fn tables(page: &Page) -> impl Iterator<Item = &super::Table> {
    page.blocks().filter_map(|b| match &b.body {
        Body::Table(t) => Some(t),
        _ => None,
    })
}

/// Every button outside forms and bulk bars.
fn plain_actions(page: &Page) -> impl Iterator<Item = &Action> {
    page.actions
        .iter()
        .chain(page.blocks().flat_map(|b| -> Vec<&Action> {
            match &b.body {
                Body::Notice(n) => n.actions.iter().collect(),
                Body::Table(t) => t.rows.iter().flat_map(|r| &r.actions).collect(),
                Body::Cards(c) => c.items.iter().flat_map(|i| &i.actions).collect(),
                Body::Actions { actions } => actions.iter().collect(),
                _ => Vec::new(),
            }
        }))
}

/// Conditions look at canonical values of fields above; a field that is not there is empty.
fn holds(condition: &Condition, values: &Map<String, Value>) -> bool {
    let texts: Vec<String> = match values.get(&condition.field) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(s)) => vec![s.clone()],
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|i| i.as_str().map(str::to_owned))
            .collect(),
        Some(other) => vec![other.to_string()],
    };
    let among = || texts.iter().any(|t| condition.to.contains(t));
    match condition.test {
        Test::Filled => !texts.is_empty(),
        Test::Equal => among(),
        Test::NotEqual => !among(),
    }
}

type Wrong = (&'static str, String);

fn read_field(
    field: &Field,
    typed: &BTreeMap<String, Vec<String>>,
) -> Result<Option<Value>, Wrong> {
    let fixed = field.readonly || matches!(field.kind, FieldKind::Hidden);
    let given: Vec<&str> = if fixed {
        field.initial.iter().map(String::as_str).collect()
    } else {
        typed
            .get(&field.name)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    };
    let given: Vec<&str> = given
        .into_iter()
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .collect();

    match &field.kind {
        FieldKind::Toggle => Ok(Some(ticked(&given).into())),
        FieldKind::Consent { .. } => match ticked(&given) {
            false if field.required => Err(("required", "请阅读并勾选同意后再提交".into())),
            yes => Ok(Some(yes.into())),
        },
        FieldKind::Pick {
            choices,
            many: true,
            ..
        } => {
            let mut picked = Vec::new();
            for value in given {
                if !choices.iter().any(|c| c.value == value) {
                    return Err(("not-an-option", "请从所列选项中选择".into()));
                }
                picked.push(Value::from(value));
            }
            many(field, picked)
        }
        FieldKind::File { many: true, .. } => {
            let ids: Result<Vec<Value>, Wrong> = given.into_iter().map(file_id).collect();
            many(field, ids?)
        }
        kind => match given.first() {
            None if field.required => Err(("required", missing(field))),
            None => Ok(None),
            Some(text) => one(kind, text, fixed).map(Some),
        },
    }
}

/// The rows of a grid that hold something, or every fault in them.
fn read_rows(
    field: &Field,
    cells: &[Field],
    max: u32,
    typed: &BTreeMap<String, Vec<String>>,
) -> Result<Option<Value>, Vec<FieldFault>> {
    if field.readonly {
        let rows = field.initial.iter().map(|row| serde_json::from_str(row));
        let rows: Vec<Value> = rows.filter_map(Result::ok).collect();
        return Ok((!rows.is_empty()).then(|| rows.into()));
    }
    let grid = typed_rows(&field.name, typed);
    if grid.len() > max as usize {
        let message = format!("最多 {max} 行");
        return Err(vec![FieldFault::new(&field.name, "too-many", message)]);
    }
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (number, texts) in grid.iter().enumerate() {
        let mut row = Map::new();
        for cell in cells {
            match read_field(cell, texts) {
                Ok(Some(value)) => {
                    row.insert(cell.name.clone(), value);
                }
                Ok(None) => {}
                Err((code, message)) => {
                    let place = format!("{}.{number}.{}", field.name, cell.name);
                    faults.push(FieldFault::new(place, code, message));
                }
            }
        }
        rows.push(Value::Object(row));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if rows.is_empty() && field.required {
        let message = missing(field);
        return Err(vec![FieldFault::new(&field.name, "required", message)]);
    }
    Ok((!rows.is_empty()).then(|| rows.into()))
}

fn many(field: &Field, items: Vec<Value>) -> Result<Option<Value>, Wrong> {
    match items.as_slice() {
        [] if field.required => Err(("required", missing(field))),
        [] => Ok(None),
        _ => Ok(Some(items.into())),
    }
}

fn missing(field: &Field) -> String {
    match field.kind {
        FieldKind::Pick { .. } | FieldKind::Region => format!("请选择{}", field.label),
        FieldKind::File { .. } => format!("请上传{}", field.label),
        _ => format!("请填写{}", field.label),
    }
}

fn ticked(given: &[&str]) -> bool {
    given
        .first()
        .is_some_and(|v| matches!(*v, "true" | "on" | "1"))
}

fn file_id(text: &str) -> Result<Value, Wrong> {
    let fine = text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fine {
        Ok(text.into())
    } else {
        Err(("bad-file", "文件未能上传，请重新选择".into()))
    }
}

/// One text to its canonical value. `fixed` values are canonical already, in 元 and fractions.
fn one(kind: &FieldKind, text: &str, fixed: bool) -> Result<Value, Wrong> {
    match kind {
        FieldKind::Text {
            min,
            max,
            lines,
            format,
        } => plain_text(text, *min, *max, *lines, *format),
        FieldKind::Secret { max } => plain_text(text, 0, *max, 1, None),
        FieldKind::Number {
            scale, min, max, ..
        } => {
            let n = scaled(text, *scale)?;
            within(n, *min, *max, |n| print_scaled(n, *scale))?;
            Ok(if *scale == 0 {
                n.into()
            } else {
                print_scaled(n, *scale).into()
            })
        }
        FieldKind::Money { min, max, unit } => {
            let wan = *unit == MoneyUnit::Wan && !fixed;
            let fen = scaled(text, if wan { 6 } else { 2 })?;
            within(fen, *min, *max, |n| money_words(n, *unit))?;
            Ok(print_scaled(fen, 2).into())
        }
        FieldKind::Ratio { scale, min, max } => {
            let percent = scale.saturating_sub(2);
            let n = scaled(text, if fixed { *scale } else { percent })?;
            within(n, *min, *max, |n| {
                format!("{}%", short(&print_scaled(n, percent)))
            })?;
            Ok(print_scaled(n, *scale).into())
        }
        FieldKind::Date { min, max } => date(text, min.as_deref(), max.as_deref()),
        FieldKind::Month => {
            let month: Month = text
                .parse()
                .map_err(|_| ("not-a-month", "请按 年-月 填写月份，如 2026-11".to_owned()))?;
            Ok(month.to_string().into())
        }
        FieldKind::Time => time(text, fixed),
        FieldKind::Pick { choices, .. } if choices.iter().any(|c| c.value == text) => {
            Ok(text.into())
        }
        FieldKind::Pick { .. } => Err(("not-an-option", "请从所列选项中选择".into())),
        FieldKind::Region => Format::Region
            .check(text)
            .map(Value::from)
            .map_err(|m| ("bad-code", m)),
        FieldKind::File { .. } => file_id(text).map(|id| vec![id].into()),
        FieldKind::Toggle
        | FieldKind::Consent { .. }
        | FieldKind::Rows { .. }
        | FieldKind::Hidden => Ok(text.into()),
    }
}

fn time(text: &str, fixed: bool) -> Result<Value, Wrong> {
    let at = if fixed {
        text.parse().ok()
    } else {
        Timestamp::from_local(text)
    };
    let wrong = || {
        (
            "not-a-time",
            "请填写日期和时间，如 2026-11-23 16:05".to_owned(),
        )
    };
    at.map(|t| t.to_string().into()).ok_or_else(wrong)
}

fn plain_text(
    text: &str,
    min: u32,
    max: u32,
    lines: u8,
    format: Option<Format>,
) -> Result<Value, Wrong> {
    if let Some(format) = format {
        return format
            .check(text)
            .map(Value::from)
            .map_err(|m| ("bad-code", m));
    }
    let text = text.replace("\r\n", "\n");
    let count = text.chars().count();
    if count > max as usize {
        return Err(("too-long", format!("最多 {max} 个字，现有 {count} 个")));
    }
    if count < min as usize {
        return Err(("too-short", format!("至少 {min} 个字")));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !(lines > 1 && matches!(c, '\n' | '\t')))
    {
        return Err(("control-character", "含有不可见的控制字符".into()));
    }
    Ok(text.into())
}

fn scaled(text: &str, scale: u8) -> Result<i64, Wrong> {
    parse_scaled(text, scale).ok_or_else(|| {
        let message = match scale {
            0 => "请填写整数".to_owned(),
            n => format!("请填写数字，小数点后最多 {n} 位"),
        };
        ("not-a-number", message)
    })
}

fn within(
    n: i64,
    min: Option<i64>,
    max: Option<i64>,
    show: impl Fn(i64) -> String,
) -> Result<(), Wrong> {
    match (min, max) {
        (Some(lo), _) if n < lo => Err(("too-small", format!("不得小于 {}", show(lo)))),
        (_, Some(hi)) if n > hi => Err(("too-large", format!("不得大于 {}", show(hi)))),
        _ => Ok(()),
    }
}

fn money_words(fen: i64, unit: MoneyUnit) -> String {
    match unit {
        MoneyUnit::Yuan => format!("{} 元", short(&print_scaled(fen, 2))),
        MoneyUnit::Wan => format!("{} 万元", short(&print_scaled(fen, 6))),
    }
}

/// Without the zeros at the end of the fraction.
fn short(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}

fn date(text: &str, min: Option<&str>, max: Option<&str>) -> Result<Value, Wrong> {
    let day: Date = text.parse().map_err(|_| {
        (
            "not-a-date",
            "请按 年-月-日 填写日期，如 2026-11-23".to_owned(),
        )
    })?;
    let day = day.to_string();
    if let Some(min) = min.filter(|m| day.as_str() < *m) {
        return Err(("too-early", format!("不得早于 {min}")));
    }
    if let Some(max) = max.filter(|m| day.as_str() > *m) {
        return Err(("too-late", format!("不得晚于 {max}")));
    }
    Ok(day.into())
}
