//! Forms: a closed list of field kinds with typed rules, and conditions that are data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Weight};
use crate::code::Format;

/// A form. Only its declared, visible and valid fields ever reach the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Form {
    /// A slug, unique on the page.
    pub name: String,
    pub groups: Vec<Group>,
    pub submit: Action,
    /// Asks instead of saves: sent by GET, its fields in the URL.
    #[serde(default)]
    pub query: bool,
    /// The browser keeps what was typed until it is sent.
    #[serde(default)]
    pub drafts: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// Lower case, digits, underscores.
    pub name: String,
    pub label: String,
    #[serde(flatten)]
    pub kind: FieldKind,
    #[serde(default)]
    pub required: bool,
    /// Shown, not editable: the value is always `initial`.
    #[serde(default)]
    pub readonly: bool,
    /// The whole width of the form.
    #[serde(default)]
    pub wide: bool,
    /// In the form collections keep (money: 元 with two digits; ratio: fraction; toggle: `true`).
    /// More than one for picks of many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub initial: Vec<String>,
    /// Where the initial value comes from: 市场监管局 2026-11-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Placeholder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// One line under the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Shown, and read, only when all of these hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
}

/// What a field takes. The right column is what [`super::read_form`] makes of it.
///
/// | kind | typed | read as |
/// |---|---|---|
/// | text, secret | text | string |
/// | number | decimal | number when `scale` is 0, else decimal text with `scale` digits |
/// | money | 元 or 万元 | decimal text of 元 with two digits |
/// | ratio | percent | decimal text of the fraction with `scale` digits |
/// | date, month | `YYYY-MM-DD`, `YYYY-MM` | the same |
/// | time | date and minute in Beijing time | RFC 3339 UTC |
/// | pick, region | value | string; array of strings for many |
/// | toggle, consent | ticked or not | bool |
/// | rows | each row's fields, as `name.0.field` | array of objects; rows left empty are absent |
/// | file | upload | array of file ids, which the kernel puts in place of the files |
/// | hidden | nothing | string, always `initial` |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FieldKind {
    Text {
        /// Characters; 0 is no lower bound.
        #[serde(default)]
        min: u32,
        max: u32,
        /// More than 1 is a text area.
        #[serde(default)]
        lines: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<Format>,
    },
    /// A password or the like: typed unseen, never put back, kept nowhere on the way.
    Secret {
        max: u32,
    },
    Number {
        #[serde(default)]
        scale: u8,
        /// In units of the last digit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        unit: String,
    },
    Money {
        /// 分.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
        /// What the person types in.
        #[serde(default)]
        unit: MoneyUnit,
    },
    Ratio {
        /// Digits of the fraction, at least 2: 4 takes percents with two digits.
        scale: u8,
        /// In units of the fraction's last digit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    Date {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<String>,
    },
    Month,
    /// A moment, typed in Beijing time.
    Time,
    Pick {
        choices: Vec<Choice>,
        #[serde(default)]
        many: bool,
        #[serde(default)]
        look: PickLook,
    },
    Toggle,
    /// A district of the city; the portal brings the list.
    Region,
    /// A box that must be ticked, beside a document that can be read.
    Consent {
        text: String,
        document: super::Link,
    },
    File {
        /// Name endings, without the dot.
        #[serde(default)]
        accept: Vec<String>,
        max_bytes: u64,
        #[serde(default)]
        many: bool,
    },
    /// A grid. Initial values are rows as JSON objects, one text each.
    Rows {
        /// No rows, files or consents; conditions are of no effect.
        fields: Vec<Field>,
        /// Rows at most.
        max: u32,
    },
    Hidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MoneyUnit {
    #[default]
    Yuan,
    /// 万元
    Wan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PickLook {
    /// Up to five choices side by side, more in a drop-down.
    #[default]
    Auto,
    Radio,
    Drop,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    pub value: String,
    pub label: String,
    /// How many there are of it, in a filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// A test of another field's canonical value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    pub field: String,
    pub test: Test,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    Filled,
    /// Any of `to`.
    Equal,
    NotEqual,
}

impl Form {
    /// A form of one group whose submit is an action of the module: its main button, unless the
    /// action says what else it is.
    pub fn new(name: impl Into<String>, submit: Action) -> Self {
        Self {
            name: name.into(),
            groups: vec![Group::default()],
            submit: match submit.weight {
                Weight::Normal => submit.primary(),
                _ => submit,
            },
            query: false,
            drafts: false,
        }
    }
    /// Adds to the last group.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        match self.groups.last_mut() {
            Some(group) => group.fields.push(field),
            None => self.groups.push(Group {
                title: None,
                fields: vec![field],
            }),
        }
        self
    }
    /// Begins a new group.
    #[must_use]
    pub fn group(mut self, title: impl Into<String>) -> Self {
        self.groups
            .retain(|g| g.title.is_some() || !g.fields.is_empty());
        self.groups.push(Group {
            title: Some(title.into()),
            fields: Vec::new(),
        });
        self
    }
    #[must_use]
    pub fn query(mut self) -> Self {
        self.query = true;
        self
    }
    #[must_use]
    pub fn drafts(mut self) -> Self {
        self.drafts = true;
        self
    }
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.groups.iter().flat_map(|g| &g.fields)
    }
    pub fn has_files(&self) -> bool {
        self.fields()
            .any(|f| matches!(f.kind, FieldKind::File { .. }))
    }
}

impl Field {
    pub fn new(name: impl Into<String>, label: impl Into<String>, kind: FieldKind) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            kind,
            required: false,
            readonly: false,
            wide: false,
            initial: Vec::new(),
            source: None,
            hint: String::new(),
            help: None,
            when: Vec::new(),
        }
    }
    /// One line of at most `max` characters.
    pub fn text(name: impl Into<String>, label: impl Into<String>, max: u32) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Text {
                min: 0,
                max,
                lines: 1,
                format: None,
            },
        )
    }
    /// Several lines of at most `max` characters.
    pub fn area(name: impl Into<String>, label: impl Into<String>, max: u32) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Text {
                min: 0,
                max,
                lines: 3,
                format: None,
            },
        )
        .wide()
    }
    pub fn code(name: impl Into<String>, label: impl Into<String>, format: Format) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Text {
                min: 0,
                max: 64,
                lines: 1,
                format: Some(format),
            },
        )
    }
    /// A password or the like, of at most 256 characters.
    pub fn secret(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Secret { max: 256 })
    }
    /// A whole number.
    pub fn number(
        name: impl Into<String>,
        label: impl Into<String>,
        min: Option<i64>,
        max: Option<i64>,
        unit: impl Into<String>,
    ) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Number {
                scale: 0,
                min,
                max,
                unit: unit.into(),
            },
        )
    }
    /// Typed in 万元; bounds in 分.
    pub fn money_wan(
        name: impl Into<String>,
        label: impl Into<String>,
        min: Option<i64>,
        max: Option<i64>,
    ) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Money {
                min,
                max,
                unit: MoneyUnit::Wan,
            },
        )
    }
    /// Typed in 元; bounds in 分.
    pub fn money(
        name: impl Into<String>,
        label: impl Into<String>,
        min: Option<i64>,
        max: Option<i64>,
    ) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Money {
                min,
                max,
                unit: MoneyUnit::Yuan,
            },
        )
    }
    /// Typed in percent with two digits; bounds in basis points.
    pub fn ratio(
        name: impl Into<String>,
        label: impl Into<String>,
        min: Option<i64>,
        max: Option<i64>,
    ) -> Self {
        Self::new(name, label, FieldKind::Ratio { scale: 4, min, max })
    }
    pub fn date(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Date {
                min: None,
                max: None,
            },
        )
    }
    pub fn pick(name: impl Into<String>, label: impl Into<String>, choices: Vec<Choice>) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Pick {
                choices,
                many: false,
                look: PickLook::Auto,
            },
        )
    }
    pub fn pick_many(
        name: impl Into<String>,
        label: impl Into<String>,
        choices: Vec<Choice>,
    ) -> Self {
        Self::new(
            name,
            label,
            FieldKind::Pick {
                choices,
                many: true,
                look: PickLook::Auto,
            },
        )
    }
    pub fn month(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Month)
    }
    pub fn time(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Time)
    }
    /// A grid of at most `max` rows.
    pub fn rows(
        name: impl Into<String>,
        label: impl Into<String>,
        fields: Vec<Self>,
        max: u32,
    ) -> Self {
        Self::new(name, label, FieldKind::Rows { fields, max }).wide()
    }
    pub fn toggle(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Toggle)
    }
    pub fn region(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Region)
    }
    pub fn consent(
        name: impl Into<String>,
        text: impl Into<String>,
        document: super::Link,
    ) -> Self {
        let text = text.into();
        Self::new(name, text.clone(), FieldKind::Consent { text, document })
            .required()
            .wide()
    }
    pub fn file(name: impl Into<String>, label: impl Into<String>, max_bytes: u64) -> Self {
        Self::new(
            name,
            label,
            FieldKind::File {
                accept: Vec::new(),
                max_bytes,
                many: false,
            },
        )
    }
    pub fn hidden(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, "", FieldKind::Hidden).initial(value)
    }
    /// What can be picked; for a field that was made from a declaration's reference.
    #[must_use]
    pub fn choices(mut self, all: Vec<Choice>) -> Self {
        if let FieldKind::Pick { choices, .. } = &mut self.kind {
            *choices = all;
        }
        self
    }
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
    #[must_use]
    pub fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
    /// Adds an initial value.
    #[must_use]
    pub fn initial(mut self, value: impl Into<String>) -> Self {
        self.initial.push(value.into());
        self
    }
    /// An initial value with where it comes from.
    #[must_use]
    pub fn prefilled(mut self, value: impl Into<String>, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self.initial(value)
    }
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = text.into();
        self
    }
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
    /// Only when `field` has one of these values.
    #[must_use]
    pub fn when<S: Into<String>>(
        mut self,
        field: impl Into<String>,
        to: impl IntoIterator<Item = S>,
    ) -> Self {
        self.when.push(Condition {
            field: field.into(),
            test: Test::Equal,
            to: to.into_iter().map(Into::into).collect(),
        });
        self
    }
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            count: None,
        }
    }
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }
}
