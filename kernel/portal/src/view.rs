//! What a page is drawn with besides itself: the site, the viewer, the request.

use std::collections::BTreeMap;

use sdk_contract::def::{Area, Label};
use sdk_contract::error::FieldFault;
use sdk_contract::page::{Choice, Link, Tone};

use crate::assets::Assets;
use crate::notices::UnreadView;

/// Names and numbers a government site has to show; all from configuration.
#[derive(Debug, Clone, Default)]
pub struct Site {
    pub name: Label,
    pub subtitle: Label,
    /// One character for the round mark: 融.
    pub mark: String,
    /// Title of the staff's side, by the kind of the viewer's organisation: 金融机构工作台. The
    /// site's name for a kind that has none.
    pub benches: BTreeMap<String, Label>,
    /// Links at the very top: the government this site belongs to.
    pub above: Vec<Link>,
    /// Links in the footer.
    pub below: Vec<Link>,
    /// 主办
    pub sponsor: Label,
    /// 承办
    pub operator: Label,
    pub hotline: String,
    /// 网站标识码, ICP and public security numbers, each with its name.
    pub codes: Vec<String>,
    /// Absent is no box.
    pub search: Option<SearchBox>,
}

/// The search box of the header.
#[derive(Debug, Clone, Default)]
pub struct SearchBox {
    /// Page that takes the text as `q`.
    pub to: String,
    /// Placeholder.
    pub hint: Label,
}

/// The person signed in.
#[derive(Debug, Clone, Default)]
pub struct UserView {
    pub name: String,
    pub organisation: String,
    /// Kind of the organisation, which chooses the bench's title.
    pub kind: String,
    /// The role's name for people.
    pub role: String,
    /// Where else the person may act.
    pub posts: Vec<PostView>,
}

/// An organisation that somebody may act for.
#[derive(Debug, Clone, Default)]
pub struct PostView {
    /// Id of the organisation.
    pub organisation: String,
    pub name: String,
    /// What the post there is called.
    pub title: String,
}

/// One entry of a menu. The front page is not one of them.
#[derive(Debug, Clone)]
pub struct MenuItem {
    pub title: String,
    pub path: String,
    pub icon: String,
    pub active: bool,
    pub area: Area,
}

/// One sentence about what just happened.
#[derive(Debug, Clone)]
pub struct Toast {
    pub tone: Tone,
    pub text: String,
}

#[derive(Debug, Clone, Default)]
pub struct ViewContext {
    pub site: Site,
    pub user: Option<UserView>,
    pub menu: Vec<MenuItem>,
    /// What the viewer was told and has not read; absent is no bell.
    pub unread: Option<UnreadView>,
    pub csrf: String,
    /// Fresh for each drawing: the idempotency key of every form on it.
    pub key: String,
    /// The request's path, and its query with `_` names left out.
    pub path: String,
    pub query: BTreeMap<String, Vec<String>>,
    /// `zh-CN` or `en`.
    pub locale: String,
    pub toast: Option<Toast>,
    /// A refused post, to be put back into its form (`_form` says which).
    pub typed: Option<BTreeMap<String, Vec<String>>>,
    pub faults: Vec<FieldFault>,
    /// Districts for region fields; without them such a field takes a code.
    pub regions: Vec<Choice>,
    /// 关怀版: large type, high contrast.
    pub care: bool,
    /// Microseconds since 1970, UTC: tells promises that are past, dates watermarks.
    pub now: i64,
    pub assets: Assets,
}

impl ViewContext {
    /// The platform's own words in the viewer's language.
    pub(crate) fn say(&self, zh: &'static str, en: &'static str) -> &'static str {
        if self.english() { en } else { zh }
    }

    pub(crate) fn english(&self) -> bool {
        self.locale.starts_with("en")
    }

    pub(crate) fn word<'a>(&self, label: &'a Label) -> &'a str {
        label.pick(self.english())
    }

    /// Title of the staff's side for this viewer.
    pub(crate) fn bench_title(&self) -> &str {
        let kind = self.user.as_ref().map_or("", |u| u.kind.as_str());
        self.word(self.site.benches.get(kind).unwrap_or(&self.site.name))
    }

    /// The first value of a query parameter, empty when absent.
    pub(crate) fn asked(&self, name: &str) -> &str {
        self.query
            .get(name)
            .and_then(|v| v.first())
            .map_or("", String::as_str)
    }

    pub(crate) fn menu_of(&self, bench: bool) -> impl Iterator<Item = &MenuItem> {
        self.menu
            .iter()
            .filter(move |m| m.area != Area::None && (m.area == Area::Bench) == bench)
    }
}
