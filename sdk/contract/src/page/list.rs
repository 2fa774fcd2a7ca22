//! Lists: tables and cards, with their filters, search and pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Datum, Fact, Field, Status};
use crate::def::Tone;

/// Rows and columns. Its state is in the URL: `q` (search), `page`, `sort` (`key` or `-key`) and
/// each filter's name; a page should have one such table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Field>,
    /// Placeholder of the search box; absent is no search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// One for each column, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<Datum>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// Sends for the ticked rows; they arrive in [`super::Posted::rows`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bulk: Vec<Action>,
    /// Shown when there are no rows: what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub empty: String,
    /// The collection whose records the rows are, of the page's own module unless it is named in
    /// full: who may import into it or export it is offered that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// What `sort` says for it.
    pub key: String,
    pub label: String,
    #[serde(default)]
    pub sortable: bool,
    /// 0 is the row's title on a phone, 1 and 2 are shown there, greater is left out there.
    #[serde(default)]
    pub rank: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    pub key: String,
    /// One for each column.
    pub cells: Vec<Datum>,
    /// Where the title cell leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// Where in a long list this is. Pages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paging {
    pub page: u32,
    pub size: u32,
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Cards {
    #[serde(default)]
    pub look: CardLook,
    pub items: Vec<Card>,
    /// Picks become rows of chips; the choice is in the URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Field>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub empty: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardLook {
    #[default]
    Tile,
    /// Facts large, actions in the foot.
    Product,
    /// One line each.
    News,
    /// Big icon with a word under it.
    Menu,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(default)]
    pub tone: Tone,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Status>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

impl Column {
    pub fn new(key: impl Into<String>, label: impl Into<String>, rank: u8) -> Self {
        Self {
            key: key.into(),
            label: label.into(),
            sortable: false,
            rank,
        }
    }
    #[must_use]
    pub fn sortable(mut self) -> Self {
        self.sortable = true;
        self
    }
}

impl Row {
    pub fn new(key: impl Into<String>, cells: Vec<Datum>) -> Self {
        Self {
            key: key.into(),
            cells,
            to: None,
            actions: Vec::new(),
        }
    }
    #[must_use]
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.to = Some(path.into());
        self
    }
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}

impl Table {
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }
    #[must_use]
    pub fn rows(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.rows.extend(rows);
        self
    }
    #[must_use]
    pub fn filter(mut self, field: Field) -> Self {
        self.filters.push(field);
        self
    }
    #[must_use]
    pub fn search(mut self, placeholder: impl Into<String>) -> Self {
        self.search = Some(placeholder.into());
        self
    }
    #[must_use]
    pub fn paging(mut self, page: u32, size: u32, total: u64) -> Self {
        self.paging = Some(Paging { page, size, total });
        self
    }
    #[must_use]
    pub fn of(mut self, collection: impl Into<String>) -> Self {
        self.of = Some(collection.into());
        self
    }
    #[must_use]
    pub fn bulk(mut self, action: Action) -> Self {
        self.bulk.push(action);
        self
    }
    #[must_use]
    pub fn empty(mut self, text: impl Into<String>) -> Self {
        self.empty = text.into();
        self
    }
}

impl Cards {
    pub fn new(look: CardLook, items: Vec<Card>) -> Self {
        Self {
            look,
            items,
            ..Self::default()
        }
    }
    #[must_use]
    pub fn filter(mut self, field: Field) -> Self {
        self.filters.push(field);
        self
    }
    #[must_use]
    pub fn search(mut self, placeholder: impl Into<String>) -> Self {
        self.search = Some(placeholder.into());
        self
    }
    #[must_use]
    pub fn paging(mut self, page: u32, size: u32, total: u64) -> Self {
        self.paging = Some(Paging { page, size, total });
        self
    }
    #[must_use]
    pub fn empty(mut self, text: impl Into<String>) -> Self {
        self.empty = text.into();
        self
    }
}

impl Card {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }
    #[must_use]
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle = Some(text.into());
        self
    }
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }
    #[must_use]
    pub fn icon(mut self, name: impl Into<String>, tone: Tone) -> Self {
        self.icon = name.into();
        self.tone = tone;
        self
    }
    #[must_use]
    pub fn tag(mut self, label: impl Into<String>, tone: Tone) -> Self {
        self.tags.push(Status::new(label, tone));
        self
    }
    #[must_use]
    pub fn fact(mut self, label: impl Into<String>, value: Datum) -> Self {
        self.facts.push(Fact::new(label, value));
        self
    }
    #[must_use]
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.to = Some(path.into());
        self
    }
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}
