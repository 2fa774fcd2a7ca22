//! The kinds of block a page is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Cards, Chart, Datum, Fact, FileRef, Form, Link, Table};
use crate::def::Tone;

/// One piece of a page: `{"id": "queue", "kind": "table", …}`. Its own keys and those of what it
/// holds share one object, so no kind of block may use a name that stands here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// A slug, unique on the page: anchor, refresh target, name for tests.
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Link>,
    /// Columns of 12 in a grid; 0 is all 12.
    #[serde(default)]
    pub span: u8,
    /// Seconds between refreshes of this block alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u16>,
    #[serde(flatten)]
    pub body: Body,
}

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// Paragraphs, `## ` headings, `- ` lists, `**bold**` and `[text](/path)`; no HTML.
    Prose {
        text: String,
    },
    Notice(Notice),
    Stats {
        stats: Vec<Stat>,
    },
    Details {
        facts: Vec<Fact>,
        /// Pairs on a line on a wide screen, 1 to 3; 0 is 2.
        #[serde(default)]
        across: u8,
    },
    Table(Table),
    Cards(Cards),
    Form(Form),
    Timeline(Timeline),
    Chart(Chart),
    Files {
        files: Vec<FileRef>,
        #[serde(default)]
        empty: String,
    },
    Actions {
        actions: Vec<Action>,
    },
    /// Long work; a progress bar that moves by itself.
    Job(Job),
    /// What became of a record: who changed what, when and why. The kernel puts it in place, as far
    /// as the reader may see it.
    History {
        /// As in a query.
        collection: String,
        record: String,
    },
    /// The signatures over what was done to a record. The kernel puts them in place, as far as the
    /// reader may read the record.
    Signatures {
        /// As in a query.
        collection: String,
        record: String,
    },
    /// A kind this reader does not know. Shown as such.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    pub tone: Tone,
    /// The bold part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lead: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stat {
    pub label: String,
    pub value: Datum,
    /// Against the period before: decimal text, `"0.08"` is up 8 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    #[serde(default)]
    pub tone: Tone,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A small line without axes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spark: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// In order of time.
    pub moments: Vec<Moment>,
    /// Left to right on a wide screen.
    #[serde(default)]
    pub across: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    pub title: String,
    pub mark: Mark,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRef>,
    /// A promise: done by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    Done,
    Current,
    Waiting,
    Failed,
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// What is being worked on.
    pub name: String,
    /// 0 to 100.
    pub percent: u8,
    #[serde(default)]
    pub state: JobState,
    /// What it is doing, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Where the result is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Link>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// The block asks again by itself.
    #[default]
    Running,
    Done,
    Failed,
}

impl Body {
    /// Every single value in it.
    pub(super) fn data_mut(&mut self) -> Vec<&mut Datum> {
        match self {
            Self::Details { facts, .. } => facts.iter_mut().map(|f| &mut f.value).collect(),
            Self::Stats { stats } => stats.iter_mut().map(|s| &mut s.value).collect(),
            Self::Table(table) => {
                let cells = table.rows.iter_mut().flat_map(|r| &mut r.cells);
                cells.chain(&mut table.totals).collect()
            }
            Self::Cards(cards) => {
                let facts = cards.items.iter_mut().flat_map(|c| &mut c.facts);
                facts.map(|f| &mut f.value).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Block {
    pub fn new(id: impl Into<String>, body: Body) -> Self {
        Self {
            id: id.into(),
            title: None,
            help: None,
            more: None,
            span: 0,
            live: None,
            body,
        }
    }
    pub fn prose(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(id, Body::Prose { text: text.into() })
    }
    pub fn notice(id: impl Into<String>, notice: Notice) -> Self {
        Self::new(id, Body::Notice(notice))
    }
    pub fn stats(id: impl Into<String>, stats: Vec<Stat>) -> Self {
        Self::new(id, Body::Stats { stats })
    }
    pub fn details(id: impl Into<String>, facts: Vec<Fact>) -> Self {
        Self::new(id, Body::Details { facts, across: 0 })
    }
    /// Details with one pair on a line.
    pub fn list(id: impl Into<String>, facts: Vec<Fact>) -> Self {
        Self::new(id, Body::Details { facts, across: 1 })
    }
    pub fn table(id: impl Into<String>, table: Table) -> Self {
        Self::new(id, Body::Table(table))
    }
    pub fn cards(id: impl Into<String>, cards: Cards) -> Self {
        Self::new(id, Body::Cards(cards))
    }
    /// The block's id is the form's name.
    pub fn form(form: Form) -> Self {
        Self::new(form.name.clone(), Body::Form(form))
    }
    pub fn timeline(id: impl Into<String>, moments: Vec<Moment>) -> Self {
        Self::new(
            id,
            Body::Timeline(Timeline {
                moments,
                across: false,
            }),
        )
    }
    pub fn chart(id: impl Into<String>, chart: Chart) -> Self {
        Self::new(id, Body::Chart(chart))
    }
    pub fn files(id: impl Into<String>, files: Vec<FileRef>) -> Self {
        Self::new(
            id,
            Body::Files {
                files,
                empty: String::new(),
            },
        )
    }
    pub fn actions(id: impl Into<String>, actions: Vec<Action>) -> Self {
        Self::new(id, Body::Actions { actions })
    }
    /// The history of a record of an audited collection.
    pub fn history(
        id: impl Into<String>,
        collection: impl Into<String>,
        record: impl Into<String>,
    ) -> Self {
        Self::new(
            id,
            Body::History {
                collection: collection.into(),
                record: record.into(),
            },
        )
        .title("变更历史")
    }
    /// The signatures over what signed actions did to a record.
    pub fn signatures(
        id: impl Into<String>,
        collection: impl Into<String>,
        record: impl Into<String>,
    ) -> Self {
        Self::new(
            id,
            Body::Signatures {
                collection: collection.into(),
                record: record.into(),
            },
        )
        .title("签名")
        .help("下载的签名文件可脱离平台、用 OpenSSL 核验，步骤见其中的 README")
    }
    pub fn job(id: impl Into<String>, job: Job) -> Self {
        Self::new(id, Body::Job(job))
    }
    #[must_use]
    pub fn title(mut self, text: impl Into<String>) -> Self {
        self.title = Some(text.into());
        self
    }
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
    #[must_use]
    pub fn more(mut self, label: impl Into<String>, to: impl Into<String>) -> Self {
        self.more = Some(Link::new(label, to));
        self
    }
    #[must_use]
    pub fn span(mut self, columns: u8) -> Self {
        self.span = columns;
        self
    }
    #[must_use]
    pub fn live(mut self, seconds: u16) -> Self {
        self.live = Some(seconds);
        self
    }
}

impl Notice {
    pub fn new(tone: Tone, lead: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            tone,
            lead: lead.into(),
            text: text.into(),
            actions: Vec::new(),
        }
    }
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}

impl Stat {
    pub fn new(label: impl Into<String>, value: Datum) -> Self {
        Self {
            label: label.into(),
            value,
            change: None,
            tone: Tone::Neutral,
            icon: String::new(),
            to: None,
            spark: Vec::new(),
        }
    }
    #[must_use]
    pub fn change(mut self, ratio: impl Into<String>) -> Self {
        self.change = Some(ratio.into());
        self
    }
    #[must_use]
    pub fn icon(mut self, name: impl Into<String>, tone: Tone) -> Self {
        self.icon = name.into();
        self.tone = tone;
        self
    }
    #[must_use]
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.to = Some(path.into());
        self
    }
    #[must_use]
    pub fn spark(mut self, points: Vec<f64>) -> Self {
        self.spark = points;
        self
    }
}

impl Moment {
    pub fn new(title: impl Into<String>, mark: Mark) -> Self {
        Self {
            title: title.into(),
            mark,
            at: None,
            who: None,
            note: None,
            files: Vec::new(),
            due: None,
        }
    }
    #[must_use]
    pub fn at(mut self, micros: i64) -> Self {
        self.at = Some(micros);
        self
    }
    #[must_use]
    pub fn who(mut self, name: impl Into<String>) -> Self {
        self.who = Some(name.into());
        self
    }
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }
    #[must_use]
    pub fn file(mut self, file: FileRef) -> Self {
        self.files.push(file);
        self
    }
    #[must_use]
    pub fn due(mut self, micros: i64) -> Self {
        self.due = Some(micros);
        self
    }
}
