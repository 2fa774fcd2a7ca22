//! The page document: what a module wants a person to see, without a word of HTML.
//!
//! A page travels as JSON, version [`PAGE_DOCUMENT`], from the module to whoever draws it: the
//! portal, the mini-program, print. It carries meaning (tones, typed values, typed forms), never
//! colour, markup or script. The nesting is fixed: page → sections → blocks → rows; nothing
//! recurses. A block of a kind the reader does not know becomes [`Body::Unknown`] and is shown as
//! such; the rest of the page is drawn.
//!
//! | part | unit |
//! |---|---|
//! | money | 分, `i64`; forms carry decimal text of 元 with two digits, as collections do |
//! | ratio | decimal text, `"1"` is 100 %, so `"0.0345"` is shown as 3.45 % |
//! | time | microseconds since 1970, UTC |
//! | date | `YYYY-MM-DD` |
//! | link | site-relative path, `/lending/applications` |
//! | chart | `f64`: pixels only, no money is computed from it |
//!
//! All names live in this one namespace; the files below it only part the reading.

mod action;
mod block;
mod chart;
mod datum;
mod derive;
mod entry;
mod form;
mod limits;
mod list;
mod outcome;
mod typed;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use action::{Action, Confirm, Deed, Send, Weight};
pub use block::{Block, Body, Job, JobState, Mark, Moment, Notice, Stat, Timeline};
pub use chart::{Axis, Band, Chart, Curve, Gauge, Part, Radar, Roc, Series, Shape};
pub use datum::{Datum, Fact, FileRef, Link, LookTakes, Masked, Place, Status};
pub use entry::{
    ACTION_FIELD, FORM_FIELD, MARK_FIELD, PostFault, Posted, REASON_FIELD, RECORD_FIELD, ROW_FIELD,
    read_form, read_post,
};
pub use form::{Choice, Condition, Field, FieldKind, Form, Group, MoneyUnit, PickLook, Test};
pub use limits::{PageFault, check, check_blocks, is_site_path, is_slug};
pub use list::{Card, CardLook, Cards, Column, Paging, Row, Table};
pub use outcome::Outcome;
pub use typed::{CONFIRM_FIELD, confirms, typed_rows};

pub use crate::def::Tone;

/// Version of the page document this crate reads and writes.
pub const PAGE_DOCUMENT: u32 = 1;

/// One page.
///
/// ```
/// use sdk_contract::page::{Block, Datum, Page, Section, Shell, Stat};
/// let page = Page::new("融资概览").shell(Shell::Bench).section(
///     Section::grid().block(Block::stats("counts", vec![Stat::new("在途申请", Datum::Integer(2))])),
/// );
/// assert!(sdk_contract::page::check(&page).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    pub version: u32,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default)]
    pub shell: Shell,
    /// The pages above this one, outermost first; the page itself is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trail: Vec<Link>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    pub sections: Vec<Section>,
    /// Seconds anyone may cache it; absent is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<u32>,
    /// Watermark with who and when, no caching, every view audited.
    #[serde(default)]
    pub guarded: bool,
}

/// The frame around a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shell {
    /// The public site: header, search, menu, footer.
    #[default]
    Portal,
    /// Staff: side menu, dense.
    Bench,
    /// Nothing around it: login, print, embedded.
    Plain,
}

/// Blocks that belong together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default)]
    pub arrange: Arrange,
    pub blocks: Vec<Block>,
}

/// How a section's blocks stand on a wide screen; a phone always stacks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrange {
    #[default]
    Stack,
    /// The last block stands aside, the others in the main column.
    MainAndSide,
    /// One at a time; which one is in the URL (`tab=<block id>`).
    Tabs,
    /// By each block's span of 12 columns.
    Grid,
}

impl Page {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            version: PAGE_DOCUMENT,
            title: title.into(),
            subtitle: None,
            shell: Shell::Portal,
            trail: Vec::new(),
            status: None,
            actions: Vec::new(),
            sections: Vec::new(),
            cache: None,
            guarded: false,
        }
    }
    #[must_use]
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle = Some(text.into());
        self
    }
    #[must_use]
    pub fn shell(mut self, shell: Shell) -> Self {
        self.shell = shell;
        self
    }
    /// Adds one step of the trail.
    #[must_use]
    pub fn under(mut self, label: impl Into<String>, to: impl Into<String>) -> Self {
        self.trail.push(Link::new(label, to));
        self
    }
    #[must_use]
    pub fn status(mut self, label: impl Into<String>, tone: Tone) -> Self {
        self.status = Some(Status::new(label, tone));
        self
    }
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }
    /// A section of one block over the whole width.
    #[must_use]
    pub fn block(self, block: Block) -> Self {
        self.section(Section::stack().block(block))
    }
    #[must_use]
    pub fn cache(mut self, seconds: u32) -> Self {
        self.cache = Some(seconds);
        self
    }
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarded = true;
        self
    }
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|s| &s.blocks)
    }
    /// Every masked value, wherever a value of a record can stand.
    pub fn masked_mut(&mut self) -> impl Iterator<Item = &mut Masked> {
        let blocks = self.sections.iter_mut().flat_map(|s| &mut s.blocks);
        let data = blocks.flat_map(|block| block.body.data_mut());
        data.filter_map(|datum| match datum {
            Datum::Masked(masked) => Some(masked),
            _ => None,
        })
    }
    /// Every file, wherever one can stand.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut FileRef> {
        let blocks = self.sections.iter_mut().flat_map(|s| &mut s.blocks);
        blocks.flat_map(|block| -> Vec<&mut FileRef> {
            match &mut block.body {
                Body::Files { files, .. } => files.iter_mut().collect(),
                Body::Timeline(timeline) => {
                    let moments = timeline.moments.iter_mut();
                    moments.flat_map(|m| &mut m.files).collect()
                }
                body => {
                    let data = body.data_mut().into_iter();
                    data.filter_map(|datum| match datum {
                        Datum::File(file) => Some(file),
                        _ => None,
                    })
                    .collect()
                }
            }
        })
    }
    pub fn find_block(&self, id: &str) -> Option<&Block> {
        self.blocks().find(|b| b.id == id)
    }
    pub fn form(&self, name: &str) -> Option<&Form> {
        self.blocks().find_map(|b| match &b.body {
            Body::Form(form) if form.name == name => Some(form),
            _ => None,
        })
    }
}

impl Section {
    pub fn stack() -> Self {
        Self::default()
    }
    pub fn grid() -> Self {
        Self {
            arrange: Arrange::Grid,
            ..Self::default()
        }
    }
    pub fn main_and_side() -> Self {
        Self {
            arrange: Arrange::MainAndSide,
            ..Self::default()
        }
    }
    pub fn tabs() -> Self {
        Self {
            arrange: Arrange::Tabs,
            ..Self::default()
        }
    }
    #[must_use]
    pub fn title(mut self, text: impl Into<String>) -> Self {
        self.title = Some(text.into());
        self
    }
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
    #[must_use]
    pub fn blocks(mut self, blocks: impl IntoIterator<Item = Block>) -> Self {
        self.blocks.extend(blocks);
        self
    }
}

#[cfg(test)]
mod tests;
