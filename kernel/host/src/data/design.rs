//! What people design: one collection with its options, who may see it, and what became of its
//! fields. Pure. A design is read from what was typed with everything wrong at once, and makes its
//! part of the module's declaration.

mod made;
mod names;
mod options;

use sdk_contract::change::{ChangeDef, Conversion};
use sdk_contract::def::{
    ChoiceDef, CollectionDef, FieldDef, Label, Level, Mask, Retention, RowScope, SYSTEM_FIELDS,
    Shard,
};
use sdk_contract::error::FieldFault;
use sdk_contract::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::names::table_name;
pub(super) use self::options::option_lines;
use self::options::{options, renamed_options};
use super::declare::kinds;
use crate::values::word;

/// Fields of one collection.
const MOST_FIELDS: usize = 60;
/// Days that deleted records are kept.
const KEPT_DAYS: u32 = 30;
const MEGABYTE: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Design {
    pub(super) collection: CollectionDef,
    #[serde(default)]
    pub(super) choices: Vec<ChoiceDef>,
    /// Roles that see the records, and roles that change them, too.
    pub(super) readers: Vec<String>,
    pub(super) writers: Vec<String>,
    /// The rows that these reach.
    pub(super) scope: RowScope,
    #[serde(default)]
    pub(super) changes: Vec<ChangeDef>,
    #[serde(default)]
    pub(super) life: Life,
}

/// Whether a collection is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Life {
    #[default]
    Used,
    /// Nobody reaches its records; they are still stored.
    Retired,
    /// The records are gone.
    Gone,
}

type Typed = Map<String, Value>;

fn yes(typed: &Typed, name: &str) -> bool {
    typed.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn number(typed: &Typed, name: &str) -> Option<i64> {
    typed.get(name).and_then(Value::as_i64)
}

pub(super) fn words(typed: &Typed, name: &str) -> Vec<String> {
    let all = typed.get(name).and_then(Value::as_array);
    let all = all.into_iter().flatten().filter_map(Value::as_str);
    all.map(str::to_owned).collect()
}

fn bad(field: &str, message: impl Into<String>) -> FieldFault {
    FieldFault::new(field, "bad-design", message)
}

/// A field's name: lower-case letters, digits and single underscores.
fn field_name(typed: &Typed, at: &str) -> Result<String, FieldFault> {
    let name = word(typed, at).trim();
    let fine = name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.contains("__");
    if !fine {
        let text = "字段名为小写英文字母开头，只含小写字母、数字和单个下划线，最长 40 位，如 employee_count";
        return Err(bad(at, text));
    }
    if SYSTEM_FIELDS.contains(&name) {
        return Err(bad(
            at,
            format!("“{name}”是每条记录自带的字段，请换一个名称"),
        ));
    }
    Ok(name.to_owned())
}

impl Design {
    /// A new collection with its first field, which names a record.
    pub(super) fn new(typed: &Typed, taken: &[String]) -> Result<Self, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let name = table_name(typed, taken).map_err(|f| faults.push(f));
        let name = name.unwrap_or_default();
        let title = field_name(typed, "title_name").map_err(|f| faults.push(f));
        if !faults.is_empty() {
            return Err(faults);
        }
        let title = title.unwrap_or_default();
        let first = FieldDef {
            required: true,
            list: true,
            search: true,
            ..FieldDef::new(
                title.clone(),
                Label::from(word(typed, "title_label")),
                Kind::Text { max: 100 },
            )
        };
        let mut design = Self {
            collection: CollectionDef {
                entity: name.clone(),
                label: Label::default(),
                help: String::new(),
                title,
                shard: Shard::Organisation,
                audited: true,
                attested: false,
                keep_deleted: Some(KEPT_DAYS),
                retention: None,
                suppress_below: None,
                assignee: None,
                fields: vec![first],
                indexes: Vec::new(),
                unique: Vec::new(),
                read: format!("{name}.read"),
                create: Some(format!("{name}.manage")),
                update: Some(format!("{name}.manage")),
                name,
            },
            choices: Vec::new(),
            readers: Vec::new(),
            writers: Vec::new(),
            scope: RowScope::All,
            changes: Vec::new(),
            life: Life::Used,
        };
        design.describe(typed);
        Ok(design)
    }

    /// To go on designing from what is in use: renames are done with.
    pub(super) fn again(&self) -> Self {
        let mut next = self.clone();
        next.changes
            .retain(|c| !matches!(c, ChangeDef::Renamed { .. }));
        next
    }

    pub(super) fn describe(&mut self, typed: &Typed) {
        self.collection.label = Label::from(word(typed, "label"));
        word(typed, "help").clone_into(&mut self.collection.help);
        let purpose = word(typed, "purpose").trim();
        self.collection.retention = (!purpose.is_empty()).then(|| Retention::standing(purpose));
        self.readers = words(typed, "readers");
        self.writers = words(typed, "writers");
        self.scope = match word(typed, "scope") {
            "organisation" => RowScope::Organisation,
            "district" => RowScope::District,
            _ => RowScope::All,
        };
    }

    pub(super) fn name(&self) -> &str {
        &self.collection.name
    }

    /// What its records are kept for, as it was written.
    pub(super) fn purpose(&self) -> &str {
        let retention = self.collection.retention.as_ref();
        retention.map_or("", |retention| &retention.purpose)
    }

    /// Whether it holds sensitive fields, and nobody has said what for.
    pub(super) fn lacks_purpose(&self) -> bool {
        let mut fields = self.collection.fields.iter();
        self.life == Life::Used
            && self.purpose().is_empty()
            && fields.any(|f| f.class() >= Some(Level::L3))
    }

    pub(super) fn scope_word(&self) -> &'static str {
        match self.scope {
            RowScope::Assigned | RowScope::Own | RowScope::Organisation => "organisation",
            RowScope::District => "district",
            RowScope::All => "all",
        }
    }

    fn choice_name(&self, field: &str) -> String {
        format!("{}.{field}", self.first_name())
    }

    /// Adds a field.
    pub(super) fn add(&mut self, typed: &Typed) -> Result<(), Vec<FieldFault>> {
        let mut faults = Vec::new();
        let mut name = String::new();
        match field_name(typed, "name") {
            Ok(given) if self.collection.field(&given).is_some() => {
                faults.push(FieldFault::new("name", "taken", "该表已有同名字段"));
            }
            Ok(given) if self.is_retired(&given) => {
                let text = "同名字段已停用但数据仍在，请先恢复或移除它";
                faults.push(FieldFault::new("name", "taken", text));
            }
            Ok(given) => name = given,
            Err(fault) => faults.push(fault),
        }
        if self.collection.fields.len() >= MOST_FIELDS {
            let text = format!("一张表最多 {MOST_FIELDS} 个字段");
            faults.push(FieldFault::new("name", "too-many", text));
        }
        let kind = self.kind(typed, &name, &mut faults);
        let Some(kind) = kind.filter(|_| faults.is_empty()) else {
            return Err(faults);
        };
        let mut field = FieldDef::new(name, Label::from(word(typed, "label")), kind);
        Self::mark(&mut field, typed, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        self.index(&field, yes(typed, "index"));
        self.collection.fields.push(field);
        Ok(())
    }

    /// The kind that was chosen. A choice's options are put beside the others.
    fn kind(&mut self, typed: &Typed, field: &str, faults: &mut Vec<FieldFault>) -> Option<Kind> {
        let scale = number(typed, "scale").and_then(|n| u8::try_from(n).ok());
        let max = number(typed, "max").and_then(|n| u32::try_from(n).ok());
        let (min, most) = (None, None);
        Some(match word(typed, "kind") {
            "text" => Kind::Text {
                max: max.filter(|n| *n > 0).unwrap_or(100),
            },
            "integer" => Kind::Integer { min, max: most },
            "decimal" => {
                let Some(scale) = scale.filter(|n| (1..=9).contains(n)) else {
                    faults.push(bad("scale", "小数位数为 1 到 9"));
                    return None;
                };
                Kind::Decimal {
                    scale,
                    min,
                    max: most,
                }
            }
            "money" => Kind::Money { min, max: most },
            "date" => Kind::Date,
            "month" => Kind::Month,
            "datetime" => Kind::Datetime,
            "bool" => Kind::Bool,
            "file" => Kind::File {
                accept: Vec::new(),
                max_bytes: 10 * MEGABYTE,
                many: true,
            },
            kind @ ("choice" | "multi-choice") => {
                let options = match options(word(typed, "options")) {
                    Ok(options) => options,
                    Err(text) => {
                        faults.push(bad("options", text));
                        return None;
                    }
                };
                let of = self.choice_name(field);
                self.choices.retain(|c| c.name != of);
                self.choices.push(ChoiceDef {
                    name: of.clone(),
                    label: Label::from(word(typed, "label")),
                    options,
                });
                if kind == "choice" {
                    Kind::Choice { of }
                } else {
                    Kind::MultiChoice { of, max: None }
                }
            }
            _ => {
                faults.push(FieldFault::new("kind", "not-an-option", "请选择字段类型"));
                return None;
            }
        })
    }

    /// What a field is besides its kind.
    fn mark(field: &mut FieldDef, typed: &Typed, faults: &mut Vec<FieldFault>) {
        let ops = field.kind.ops();
        word(typed, "help").clone_into(&mut field.help);
        field.level = Level::parse(word(typed, "level"));
        field.encrypted = field.level >= Some(Level::L3);
        let mask = match field.kind {
            Kind::Text { .. } => Mask::All,
            Kind::Money { .. } if field.level == Some(Level::L3) => Mask::Amount,
            _ => Mask::Hidden,
        };
        field.mask = field.encrypted.then_some(mask);
        field.required = yes(typed, "required");
        field.unique = yes(typed, "unique");
        field.list = yes(typed, "list");
        field.search = yes(typed, "search");
        if field.encrypted && (field.search || field.unique) {
            let text = "L3、L4 的字段加密存储，不能搜索或要求唯一";
            faults.push(bad("level", text));
        }
        if field.encrypted && matches!(field.kind, Kind::File { .. }) {
            faults.push(bad("level", "附件不能定为 L3 或 L4"));
        }
        if field.required && field.mask == Some(Mask::Hidden) {
            faults.push(bad(
                "required",
                "L3、L4 的该类字段对无权者整个隐去，不能必填",
            ));
        }
        if field.search && !ops.text {
            faults.push(bad("search", "只有文字可以搜索"));
        }
        if field.unique && !ops.group {
            faults.push(bad("unique", "该类型不能要求唯一"));
        }
        if yes(typed, "index") && (field.encrypted || !ops.group) {
            faults.push(bad("index", "该字段不能建索引"));
        }
    }

    fn index(&mut self, field: &FieldDef, wanted: bool) {
        let own = vec![field.name.clone()];
        self.collection.indexes.retain(|i| *i != own);
        if wanted && !field.unique {
            self.collection.indexes.push(own);
        }
    }

    pub(super) fn is_indexed(&self, field: &str) -> bool {
        self.collection.indexes.iter().any(|i| *i == [field])
    }

    pub(super) fn options_of(&self, field: &FieldDef) -> Option<&ChoiceDef> {
        match &field.kind {
            Kind::Choice { of } | Kind::MultiChoice { of, .. } => {
                self.choices.iter().find(|c| c.name == *of)
            }
            _ => None,
        }
    }

    /// Changes what needs no new values: name, words, bounds, more options, marks. A field that was
    /// never in use may become anything.
    pub(super) fn change(
        &mut self,
        typed: &Typed,
        live: Option<&Self>,
    ) -> Result<(), Vec<FieldFault>> {
        let was = self.named(word(typed, "field"))?.clone();
        let mut faults = Vec::new();
        let name = match field_name(typed, "name") {
            Ok(name) => name,
            Err(fault) => return Err(vec![fault]),
        };
        if name != was.name && (self.collection.field(&name).is_some() || self.is_retired(&name)) {
            faults.push(FieldFault::new("name", "taken", "该表已有同名字段"));
        }
        let mut field = FieldDef {
            name: name.clone(),
            label: Label::from(word(typed, "label")),
            ..was.clone()
        };
        if let Kind::Text { max } = &mut field.kind
            && let Some(wanted) = number(typed, "max").and_then(|n| u32::try_from(n).ok())
        {
            *max = wanted.max(1);
        }
        Self::mark(&mut field, typed, &mut faults);
        let more = match self.options_of(&was) {
            Some(choice) if !word(typed, "options").is_empty() => {
                match options(word(typed, "options")) {
                    Ok(options) => Some((choice.name.clone(), options)),
                    Err(text) => {
                        faults.push(bad("options", text));
                        None
                    }
                }
            }
            _ => None,
        };
        let (origin, earlier) = self.origin(&was.name, live);
        if let (Some(earlier), Some(live)) = (&earlier, live) {
            if field.encrypted != earlier.encrypted {
                faults.push(bad("level", "已启用的字段改变是否加密，须走“类型变更”"));
            }
            if field.required && !earlier.required {
                faults.push(bad(
                    "required",
                    "已有记录可能没有值，改为必填须走“类型变更”",
                ));
            }
            if let (Some((_, now)), Some(before)) = (&more, live.options_of(earlier)) {
                let lost = before
                    .options
                    .iter()
                    .find(|o| !now.iter().any(|n| n.value == o.value));
                if let Some(lost) = lost {
                    let text = format!("已有记录可能为“{}”，减少选项须走“类型变更”", lost.label.zh);
                    faults.push(bad("options", text));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if let Some((choice, options)) = more
            && let Some(choice) = self.choices.iter_mut().find(|c| c.name == choice)
        {
            choice.options = options;
        }
        self.rename(&was.name, &name, origin);
        self.index(&was, false);
        self.index(&field, yes(typed, "index"));
        if self.collection.title == was.name {
            self.collection.title.clone_from(&name);
        }
        self.put(&was.name, field);
        Ok(())
    }

    /// As what a field is known in what is in use, and how it is there.
    fn origin(&self, name: &str, live: Option<&Self>) -> (Option<String>, Option<FieldDef>) {
        let renamed = self.changes.iter().find_map(|c| match c {
            ChangeDef::Renamed {
                field: Some(field),
                from,
                ..
            } if field == name => Some(from.clone()),
            _ => None,
        });
        let origin = renamed.unwrap_or_else(|| name.to_owned());
        let earlier = live.and_then(|l| l.collection.field(&origin)).cloned();
        (earlier.is_some().then_some(origin), earlier)
    }

    fn rename(&mut self, was: &str, name: &str, origin: Option<String>) {
        if was == name {
            return;
        }
        self.changes.retain(
            |c| !matches!(c, ChangeDef::Renamed { field: Some(field), .. } if field == was),
        );
        for change in &mut self.changes {
            if let ChangeDef::Converted { field, .. } = change
                && field == was
            {
                name.clone_into(field);
            }
        }
        let collection = self.name().to_owned();
        if let Some(from) = origin.filter(|from| from != name) {
            self.changes.push(ChangeDef::Renamed {
                collection,
                field: Some(name.to_owned()),
                from,
            });
        }
    }

    fn put(&mut self, name: &str, field: FieldDef) {
        if let Some(place) = self.collection.fields.iter_mut().find(|f| f.name == name) {
            *place = field;
        }
    }

    fn named(&self, name: &str) -> Result<&FieldDef, Vec<FieldFault>> {
        self.collection
            .field(name)
            .ok_or_else(|| vec![FieldFault::new("field", "not-an-option", "没有这个字段")])
    }

    /// Gives a field another kind, with its values made anew.
    pub(super) fn convert(
        &mut self,
        typed: &Typed,
        live: Option<&Self>,
    ) -> Result<(), Vec<FieldFault>> {
        let was = self.named(word(typed, "field"))?.clone();
        let mut faults = Vec::new();
        if matches!(was.kind, Kind::File { .. }) || word(typed, "kind") == "file" {
            faults.push(bad("kind", "附件不能变更类型"));
        }
        if self.collection.title == was.name && word(typed, "kind") != "text" {
            faults.push(bad("kind", "记录名称须为文字"));
        }
        let kind = self.kind(typed, &was.name, &mut faults);
        let Some(kind) = kind.filter(|_| faults.is_empty()) else {
            return Err(faults);
        };
        let mut field = FieldDef {
            kind,
            ..was.clone()
        };
        let mut marks = typed.clone();
        for (name, now) in [
            ("list", was.list),
            ("search", was.search && field.kind.ops().text),
            ("unique", was.unique && field.kind.ops().group),
            (
                "index",
                self.is_indexed(&was.name) && field.kind.ops().group,
            ),
        ] {
            marks.insert(name.to_owned(), now.into());
        }
        marks.insert("help".into(), was.help.as_str().into());
        Self::mark(&mut field, &marks, &mut faults);
        let by = match word(typed, "by") {
            "round" => Conversion::Round,
            "options" => match renamed_options(word(typed, "map")) {
                Ok(to) => Conversion::Options(to),
                Err(text) => {
                    faults.push(bad("map", text));
                    Conversion::Read
                }
            },
            "fill" => Conversion::Fill(word(typed, "fill").into()),
            _ => Conversion::Read,
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let (origin, _) = self.origin(&was.name, live);
        let collection = self.name().to_owned();
        self.changes
            .retain(|c| !matches!(c, ChangeDef::Converted { field, .. } if *field == was.name));
        if origin.is_some() {
            self.changes.push(ChangeDef::Converted {
                collection,
                field: was.name.clone(),
                from: None,
                by,
                lossy: yes(typed, "lossy"),
            });
        }
        self.index(&field, yes(&marks, "index"));
        self.put(&was.name, field);
        Ok(())
    }

    pub(super) fn is_retired(&self, name: &str) -> bool {
        self.retired().any(|n| n == name)
    }

    /// Names of the fields that are retired.
    pub(super) fn retired(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().filter_map(|c| match c {
            ChangeDef::Retired { field, .. } => field.as_deref(),
            _ => None,
        })
    }

    /// Names of the fields whose old values are still kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().filter_map(|c| match c {
            ChangeDef::Converted { field, .. } => Some(field.as_str()),
            _ => None,
        })
    }

    /// Takes a field out of use; one that never was in use is gone at once.
    pub(super) fn retire(
        &mut self,
        name: &str,
        live: Option<&Self>,
    ) -> Result<(), Vec<FieldFault>> {
        self.named(name)?;
        if self.collection.title == name {
            return Err(vec![bad("field", "记录名称字段不能停用")]);
        }
        let (origin, _) = self.origin(name, live);
        self.collection.fields.retain(|f| f.name != name);
        self.collection.indexes.retain(|i| *i != [name]);
        let of_field = |c: &ChangeDef| match c {
            ChangeDef::Renamed { field, .. } => field.as_deref() == Some(name),
            ChangeDef::Converted { field, .. } => field == name,
            ChangeDef::Retired { .. } => false,
        };
        self.changes.retain(|c| !of_field(c));
        if let Some(field) = origin {
            let collection = self.name().to_owned();
            self.changes.push(ChangeDef::Retired {
                collection,
                field: Some(field),
            });
        }
        Ok(())
    }

    /// Puts a retired field in use again, as it was.
    pub(super) fn restore(
        &mut self,
        name: &str,
        known: &[FieldDef],
    ) -> Result<(), Vec<FieldFault>> {
        let field = known.iter().find(|f| f.name == name);
        let Some(field) = field.filter(|_| self.is_retired(name)) else {
            return Err(vec![FieldFault::new(
                "field",
                "not-an-option",
                "没有这个字段",
            )]);
        };
        self.changes
            .retain(|c| !matches!(c, ChangeDef::Retired { field: Some(f), .. } if f == name));
        let field = FieldDef {
            reveal: None,
            ..field.clone()
        };
        self.collection.fields.push(field);
        Ok(())
    }

    /// Leaves a retired field, or what a conversion has kept, out: it goes for good.
    pub(super) fn forget(&mut self, name: &str) {
        self.changes.retain(|c| match c {
            ChangeDef::Retired { field, .. } => field.as_deref() != Some(name),
            ChangeDef::Converted { field, .. } => field != name,
            ChangeDef::Renamed { .. } => true,
        });
    }
}

/// How people call a field's kind.
pub(super) fn kind_word(field: &FieldDef) -> String {
    let kind = field.kind.name();
    let choice = kinds();
    let option = choice.options.iter().find(|o| o.value == kind);
    let word = option.map_or_else(|| kind.to_owned(), |o| o.label.zh.clone());
    match &field.kind {
        Kind::Text { max } => format!("{word}（最长 {max} 字）"),
        Kind::Decimal { scale, .. } => format!("{word}（{scale} 位）"),
        _ => word,
    }
}

#[cfg(test)]
mod tests;
