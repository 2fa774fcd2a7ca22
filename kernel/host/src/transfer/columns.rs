//! Columns of a file and fields of a declaration: which is which, and how a value is written.

use sdk_contract::def::{ActionDef, ChoiceDef, CollectionDef, FieldDef, ModuleDef, OptionDef};
use sdk_contract::error::FieldFault;
use sdk_contract::kind::Kind;
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value};

use super::Misread;
use super::read::{Cells, Line};
use crate::data;

/// Begins the line of a template that explains its columns. Who forgets to delete it imports it as
/// little as who deletes it.
const HINTS: &str = "填写说明：";
/// Columns that a file of refused rows has besides the rows' own; importing it again passes them over.
pub(super) const ROW: &str = "行号";
pub(super) const FAULT_COLUMN: &str = "有误的列";
pub(super) const RULE: &str = "规则";
pub(super) const MESSAGE: &str = "说明（退回原因）";
const ADDED: [&str; 4] = [ROW, FAULT_COLUMN, RULE, MESSAGE];
/// Begins the names of what a line of refused JSON has besides.
pub(super) const OWN: char = '_';
/// What parts the options of a cell.
const BETWEEN: [char; 5] = ['、', ';', '；', '|', '，'];

/// The action that makes a record of a collection out of a row: `<entity>.create`. What makes records
/// by another name is more than a record kept, a letter that is signed or an application that is sent,
/// and is done by somebody one at a time; so is what asks for a second factor, each time.
pub fn creating<'a>(def: &'a ModuleDef, c: &CollectionDef) -> Option<&'a ActionDef> {
    let action = def.action(&format!("{}.create", c.entity))?;
    let plain = action.collection == c.name && !action.record && !action.step_up;
    let files = action.input.iter().any(|f| f.required && is_file(f));
    // Of what people design, the tables take rows; the designs do not.
    let takes_rows = def.id != data::ID || data::is_designed(def, c);
    (plain && !files && takes_rows).then_some(action)
}

/// The action's fields that a row may fill.
pub(super) fn fields(action: &ActionDef) -> impl Iterator<Item = &FieldDef> {
    action.input.iter().filter(|f| !is_file(f))
}

fn is_file(field: &FieldDef) -> bool {
    matches!(field.kind, Kind::File { .. })
}

/// Which column of a file is which field of the action.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    action: &'a ActionDef,
    choices: &'a [ChoiceDef],
    /// By column; none for one that a file of refused rows has besides. Empty for JSON lines.
    listed: Vec<Option<&'a FieldDef>>,
    /// The number of the line that is the header.
    head: Option<u64>,
    /// The header as it came.
    pub(super) header: Vec<String>,
}

impl<'a> Columns<'a> {
    /// From the file's first line. JSON lines have no header: each names its fields.
    pub(super) fn read(
        def: &'a ModuleDef,
        action: &'a ActionDef,
        first: &Line,
    ) -> Result<Self, Misread> {
        let mut columns = Self {
            action,
            choices: &def.choices,
            listed: Vec::new(),
            head: None,
            header: Vec::new(),
        };
        let Cells::Listed(header) = &first.cells else {
            return Ok(columns);
        };
        let mut unknown = Vec::new();
        for label in header.iter().map(|label| label.trim()) {
            let field = columns.field(label);
            if field.is_none() && !ADDED.contains(&label) {
                unknown.push(label);
            }
            if let Some(field) = field
                && columns
                    .listed
                    .iter()
                    .flatten()
                    .any(|f| f.name == field.name)
            {
                return Err(Misread::new(format!("表头中“{label}”出现两次")));
            }
            columns.listed.push(field);
        }
        if !unknown.is_empty() {
            let what: Vec<&str> = unknown.into_iter().take(10).collect();
            return Err(Misread::new(format!(
                "表头中有不认识的列：{}；请按模板填写",
                what.join("、")
            )));
        }
        let missing: Vec<&str> = columns
            .fields()
            .filter(|f| f.required && !columns.listed.iter().flatten().any(|l| l.name == f.name))
            .map(|f| f.label.zh.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(Misread::new(format!("表头缺少列：{}", missing.join("、"))));
        }
        columns.head = Some(first.number);
        columns.header.clone_from(header);
        Ok(columns)
    }

    fn fields(&self) -> impl Iterator<Item = &'a FieldDef> {
        fields(self.action)
    }

    /// A field by its name or label.
    fn field(&self, called: &str) -> Option<&'a FieldDef> {
        let called = called.trim_end_matches(['*', '＊']).trim();
        self.fields()
            .find(|f| f.name == called || f.label.zh == called)
    }

    /// Whether a line is the header, or the template's explanation below it, rather than a row.
    pub(super) fn is_head(&self, line: &Line) -> bool {
        let (Some(head), Cells::Listed(cells)) = (self.head, &line.cells) else {
            return false;
        };
        let explains = || cells.first().is_some_and(|c| c.starts_with(HINTS));
        line.number == head || line.number == head + 1 && explains()
    }

    /// The action's input that a row stands for, not yet checked.
    pub(super) fn input(&self, line: &Line) -> Result<Map<String, Value>, Vec<FieldFault>> {
        match &line.cells {
            Cells::Listed(cells) => self.listed_input(cells),
            Cells::Named(map) => Ok(map
                .iter()
                .filter(|(key, _)| !key.starts_with(OWN))
                .map(|(key, value)| {
                    let name = self.field(key).map_or(key, |f| &f.name);
                    (name.clone(), value.clone())
                })
                .collect()),
            Cells::Broken(_) => Err(vec![FieldFault::new(
                "row",
                "not-a-row",
                "这一行不是 JSON 对象",
            )]),
        }
    }

    fn listed_input(&self, cells: &[String]) -> Result<Map<String, Value>, Vec<FieldFault>> {
        if cells.len() > self.listed.len() {
            let what = format!(
                "这一行有 {} 格，表头只有 {} 列",
                cells.len(),
                self.listed.len()
            );
            return Err(vec![FieldFault::new("row", "too-many", what)]);
        }
        let mut input = Map::new();
        for (field, cell) in self.listed.iter().zip(cells) {
            if let Some(field) = field
                && !cell.trim().is_empty()
            {
                input.insert(field.name.clone(), value(&field.kind, self.choices, cell));
            }
        }
        Ok(input)
    }

    /// The cells of a row that stand in columns of its own, and not in those of a file of refused
    /// rows.
    pub(super) fn own(&self, cells: &[String]) -> Vec<String> {
        let own = self.listed.iter().enumerate().filter(|(_, f)| f.is_some());
        own.map(|(at, _)| cells.get(at).cloned().unwrap_or_default())
            .collect()
    }

    /// What the file calls the column that a fault is about.
    pub(super) fn called(&self, field: &str) -> String {
        let name = field.split('.').next().unwrap_or(field);
        let at = self
            .listed
            .iter()
            .position(|f| f.is_some_and(|f| f.name == name));
        let listed = at.and_then(|at| self.header.get(at)).cloned();
        let declared = || Some(self.fields().find(|f| f.name == name)?.label.zh.clone());
        listed.or_else(declared).unwrap_or_else(|| match name {
            "row" => "整行".to_owned(),
            other => other.to_owned(),
        })
    }

    /// The columns of a template, each with a word about it.
    pub(super) fn template(def: &ModuleDef, action: &ActionDef) -> Vec<(String, String)> {
        let column = |(at, field): (usize, &FieldDef)| {
            let begin = if at == 0 { HINTS } else { "" };
            let star = if field.required { "*" } else { "" };
            let label = format!("{}{star}", field.label.zh);
            (label, format!("{begin}{}", hint(def, field)))
        };
        fields(action).enumerate().map(column).collect()
    }
}

fn hint(def: &ModuleDef, field: &FieldDef) -> String {
    let what = match &field.kind {
        Kind::Text { max } => format!("文字，最多 {max} 字"),
        Kind::Code { .. } => "编码".to_owned(),
        Kind::Integer { .. } => "整数".to_owned(),
        Kind::Decimal { scale, .. } => format!("数字，最多 {scale} 位小数"),
        Kind::Money { .. } => "金额，单位元".to_owned(),
        Kind::Date => "日期，如 2026-11-23".to_owned(),
        Kind::Month => "月份，如 2026-11".to_owned(),
        Kind::Datetime => "时间，如 2026-11-23T08:00:00Z".to_owned(),
        Kind::Choice { of } => labels(&def.choices, of).join("／"),
        Kind::MultiChoice { of, .. } => {
            format!(
                "可多选，以顿号分开：{}",
                labels(&def.choices, of).join("／")
            )
        }
        Kind::Bool => "是／否".to_owned(),
        Kind::Ref { .. } => "所引用记录的编号".to_owned(),
        Kind::Rows { .. } | Kind::Json | Kind::File { .. } | Kind::Computed { .. } => {
            "JSON".to_owned()
        }
    };
    let must = if field.required { "必填，" } else { "" };
    let help = Some(field.help.as_str()).filter(|h| !h.is_empty());
    let help = help.map_or_else(String::new, |h| format!("；{h}"));
    format!("{must}{what}{help}")
}

fn options<'c>(choices: &'c [ChoiceDef], of: &str) -> impl Iterator<Item = &'c OptionDef> {
    let choice = choices.iter().find(|c| c.name == of);
    choice.into_iter().flat_map(|c| &c.options)
}

fn labels(choices: &[ChoiceDef], of: &str) -> Vec<String> {
    options(choices, of).map(|o| o.label.zh.clone()).collect()
}

/// A cell as the value it says, as far as that is clear; the check of the input says what is wrong.
fn value(kind: &Kind, choices: &[ChoiceDef], cell: &str) -> Value {
    let cell = cell.trim();
    let option = |of: &str, text: &str| {
        let found = options(choices, of).find(|o| o.value == text || o.label.zh == text);
        Value::from(found.map_or(text, |o| o.value.as_str()))
    };
    match kind {
        Kind::Choice { of } => option(of, cell),
        Kind::MultiChoice { of, .. } => cell
            .split(BETWEEN)
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| option(of, text))
            .collect(),
        Kind::Bool => match cell {
            "是" | "1" | "TRUE" | "true" => true.into(),
            "否" | "0" | "FALSE" | "false" => false.into(),
            other => other.into(),
        },
        Kind::Date => dashed(cell).into(),
        Kind::Rows { .. } | Kind::Json => {
            serde_json::from_str(cell).unwrap_or_else(|_| cell.into())
        }
        _ => cell.into(),
    }
}

/// `2026/1/5`, as spreadsheets write a day, as `2026-01-05`.
fn dashed(day: &str) -> String {
    let parts: Vec<&str> = day.split('/').collect();
    match parts.as_slice() {
        [year, month, day] => format!("{year}-{month:0>2}-{day:0>2}"),
        _ => day.to_owned(),
    }
}

/// A column of an export.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// The field, or `<field>.<title>` for what a reference leads to.
    pub(super) name: String,
    pub(super) label: String,
    kind: Kind,
    /// Where a reference's title stands in the record.
    title: Option<String>,
}

impl Shown {
    pub(super) fn new(field: &FieldDef, title: Option<String>) -> Self {
        Self {
            name: field.name.clone(),
            label: field.label.zh.clone(),
            kind: field.kind.shown().clone(),
            title,
        }
    }

    pub(super) fn system(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            title: None,
        }
    }

    /// The cell, as people read it.
    pub(super) fn cell(&self, choices: &[ChoiceDef], record: &Map<String, Value>) -> String {
        let of = |name: &str| record.get(name).filter(|v| !v.is_null());
        let titled = self.title.as_deref().and_then(of);
        match titled.or_else(|| of(&self.name)) {
            None => String::new(),
            Some(value) => shown(&self.kind, choices, value),
        }
    }
}

fn shown(kind: &Kind, choices: &[ChoiceDef], value: &Value) -> String {
    let label = |of: &str, text: &str| {
        let found = options(choices, of).find(|o| o.value == text);
        found.map_or_else(|| text.to_owned(), |o| o.label.zh.clone())
    };
    match (kind, value) {
        (Kind::Choice { of }, Value::String(text)) => label(of, text),
        (Kind::MultiChoice { of, .. }, Value::Array(all)) => {
            let all = all.iter().filter_map(Value::as_str);
            all.map(|text| label(of, text))
                .collect::<Vec<_>>()
                .join("、")
        }
        (Kind::Bool, Value::Bool(true)) => "是".to_owned(),
        (Kind::Bool, Value::Bool(false)) => "否".to_owned(),
        (Kind::Datetime, Value::String(text)) => text
            .parse::<Timestamp>()
            .map_or_else(|_| text.clone(), Timestamp::local_minute),
        (Kind::File { .. }, value) => {
            let one = std::slice::from_ref(value);
            let files = value.as_array().map_or(one, Vec::as_slice);
            let names = files.iter().filter_map(|f| f.get("name")?.as_str());
            names.collect::<Vec<_>>().join("、")
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn module() -> ModuleDef {
        let label = |zh: &str| json!({"zh": zh, "en": ""});
        serde_json::from_value(json!({
            "id": "post", "label": label("邮局"),
            "choices": [{"name": "state", "label": label("状态"), "options": [
                {"value": "sent", "label": label("已寄")}, {"value": "lost", "label": label("丢失")},
            ]}],
            "collections": [{
                "name": "letters", "entity": "letter", "label": label("信件"), "title": "number",
                "shard": "aggregate", "read": "letter.read", "fields": [
                    {"name": "number", "label": label("编号"), "kind": "text", "max": 20},
                ],
            }],
            "actions": [
                {"name": "letter.create", "label": label("寄"), "collection": "letters",
                 "record": false, "permission": "letter.send", "input": [
                    {"name": "number", "label": label("编号"), "kind": "text", "max": 20, "required": true},
                    {"name": "state", "label": label("状态"), "kind": "choice", "of": "state"},
                    {"name": "states", "label": label("各状态"), "kind": "multi-choice", "of": "state"},
                    {"name": "day", "label": label("日期"), "kind": "date"},
                    {"name": "fast", "label": label("加急"), "kind": "bool"},
                ]},
                {"name": "letter.lose", "label": label("丢"), "collection": "letters",
                 "record": true, "permission": "letter.send", "input": []},
            ],
        }))
        .unwrap()
    }

    fn line(number: u64, cells: &[&str]) -> Line {
        let cells = cells.iter().map(|c| (*c).to_owned()).collect();
        Line {
            number,
            cells: Cells::Listed(cells),
        }
    }

    #[test]
    fn a_row_becomes_the_input_of_the_creating_action() {
        let def = module();
        let action = creating(&def, &def.collections[0]).unwrap();
        assert_eq!(action.name, "letter.create");
        // Empty lines may stand before it.
        let head = line(2, &["编号*", "state", "各状态", " 日期 ", "加急", RULE]);
        let columns = Columns::read(&def, action, &head).unwrap();
        assert!(columns.is_head(&head) && columns.is_head(&line(3, &["填写说明：必填"])));
        assert!(!columns.is_head(&line(9, &["填写说明：必填"])));
        let row = line(
            4,
            &["A-1", "已寄", "已寄、lost", "2026/1/5", "是", "too-long"],
        );
        assert!(!columns.is_head(&row));
        let wanted = json!({"number": "A-1", "state": "sent", "states": ["sent", "lost"],
            "day": "2026-01-05", "fast": true});
        assert_eq!(Value::Object(columns.input(&row).unwrap()), wanted);
        assert_eq!(columns.called("day"), " 日期 ");
        let wide = columns.input(&line(5, &["1", "", "", "", "", "", "x"]));
        assert_eq!(wide.unwrap_err()[0].code, "too-many");
    }

    #[test]
    fn only_a_plain_create_takes_rows() {
        let taken = |change: fn(&mut ActionDef)| {
            let mut def = module();
            change(&mut def.actions[0]);
            creating(&def, &def.collections[0]).is_some()
        };
        assert!(taken(|_| {}));
        assert!(!taken(|a| a.name = "letter.sign".into()));
        assert!(!taken(|a| a.step_up = true));
        assert!(!taken(|a| a.record = true));
        assert!(!taken(|a| a.input[0].kind = Kind::File {
            accept: Vec::new(),
            max_bytes: 1,
            many: false,
        }));
    }

    #[test]
    fn a_header_that_misses_doubles_or_invents_a_column_is_refused() {
        let def = module();
        let action = &def.actions[0];
        let why = |cells: &[&str]| Columns::read(&def, action, &line(1, cells)).unwrap_err().0;
        assert!(why(&["状态"]).contains("缺少列：编号"));
        assert!(why(&["编号", "number"]).contains("出现两次"));
        assert!(why(&["编号", "颜色"]).contains("不认识的列：颜色"));
    }

    #[test]
    fn a_json_line_names_fields_by_name_or_label() {
        let def = module();
        let of = |map: Value| Line {
            number: 1,
            cells: Cells::Named(map.as_object().cloned().unwrap()),
        };
        let row = of(json!({"编号": "A", "fast": true, "_row": 7}));
        let columns = Columns::read(&def, &def.actions[0], &row).unwrap();
        let input = columns.input(&row).unwrap();
        assert_eq!(Value::Object(input), json!({"number": "A", "fast": true}));
        assert!(!columns.is_head(&row));
    }

    #[test]
    fn values_are_shown_as_people_read_them() {
        let def = module();
        let cell = |kind: Kind, value: Value| shown(&kind, &def.choices, &value);
        let state = || Kind::Choice { of: "state".into() };
        assert_eq!(cell(state(), json!("lost")), "丢失");
        assert_eq!(cell(Kind::Bool, json!(false)), "否");
        assert_eq!(
            cell(Kind::Datetime, json!("2026-11-23T08:00:00.000000Z")),
            "2026-11-23 16:00"
        );
        assert_eq!(cell(Kind::Json, json!({"a": 1})), "{\"a\":1}");
    }
}
