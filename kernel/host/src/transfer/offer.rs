//! What a page offers of importing and exporting.

use std::collections::{BTreeMap, BTreeSet};

use kernel_identity::principal::Principal;
use kernel_storage::CollectionName;
use sdk_contract::call::Ask;
use sdk_contract::def::ModuleDef;
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{Action, Body, Page, is_site_path};

use super::start::importable;
use crate::console::ID;
use crate::reads::{permitted, readable};
use crate::values::escaped;
use crate::{Host, listing};

/// Parameters of pages that are no filters.
const OWN: [&str; 3] = ["of", "page", "size"];

impl Host {
    /// Whether a person may import into a collection and export it.
    pub(crate) fn may_transfer(&self, p: &Principal, of: &str) -> (bool, bool) {
        let catalog = self.catalog();
        let console = catalog.modules.get(ID);
        let may = |action: &str| {
            console.is_some_and(|m| permitted(&m.def, p, action).is_ok())
                && p.organisation.is_some()
        };
        (
            may("job.import") && importable(&catalog, p, of).is_ok(),
            may("job.export") && readable(&catalog, p, of).is_ok(),
        )
    }

    /// Offers to import into the collections whose lists a page shows, and to export them, as far
    /// as its viewer may.
    pub(crate) fn offer_transfers(&self, p: &Principal, module: &str, ask: &Ask, page: &mut Page) {
        let tables = page.blocks().filter_map(|block| match &block.body {
            Body::Table(table) => table.of.as_deref(),
            _ => None,
        });
        let named = |of: &str| CollectionName::within(module, of).to_string();
        let all: BTreeSet<String> = tables.map(named).collect();
        for of in all {
            let (import, export) = self.may_transfer(p, &of);
            if import {
                let to = format!("/console/jobs/import?of={of}");
                page.actions.push(Action::open("导入", to).icon("upload"));
            }
            if export {
                page.actions.push(export_of(&of, &ask.query));
            }
        }
    }

    /// Of a page's parameters those that say which rows of a collection to export.
    pub(crate) fn filter_of(&self, p: &Principal, of: &str, ask: &Ask) -> Result<Range, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, of)?;
        let mut range = Range::default();
        for (name, text) in &ask.query {
            if text.is_empty() || OWN.contains(&name.as_str()) {
                continue;
            }
            let pair = [(name.clone(), text.clone())];
            if listing(readable.def, readable.collection, p, &pair).is_err() {
                range.partial = true;
                continue;
            }
            let (bare, end) = name.split_once('.').unwrap_or((name, ""));
            let field = readable.collection.field(bare);
            let label = match (field, bare) {
                (Some(field), _) => field.label.zh.as_str(),
                (None, "q") => "搜索",
                (None, "sort") => "排序",
                (None, "created_at") => "创建时间",
                (None, other) => other,
            };
            let end = match end {
                "min" => "（起）",
                "max" => "（止）",
                _ => "",
            };
            let shown = match field.map(|f| &f.kind) {
                Some(Kind::Choice { of } | Kind::MultiChoice { of, .. }) => {
                    label_of(readable.def, of, text)
                }
                _ => text.as_str(),
            };
            range.words.push(format!("{label}{end}：{shown}"));
            range.filter.insert(name.clone(), text.clone());
        }
        Ok(range)
    }
}

/// Which rows a page's parameters say to export.
#[derive(Default)]
pub(crate) struct Range {
    pub(crate) filter: BTreeMap<String, String>,
    pub(crate) words: Vec<String>,
    /// Whether the page narrows its rows by more than that.
    pub(crate) partial: bool,
}

/// A button to export a collection's rows as a page narrows them.
pub(crate) fn export_of(of: &str, narrowed: &BTreeMap<String, String>) -> Action {
    let all = format!("/console/jobs/export?of={of}");
    let mut to = all.clone();
    for (name, value) in narrowed {
        to.extend(["&", &escaped(name), "=", &escaped(value)]);
    }
    // What is too long for a link is chosen on the form's own page.
    let to = if is_site_path(&to) { to } else { all };
    Action::open("导出", to).icon("download")
}

fn label_of<'a>(def: &'a ModuleDef, of: &str, value: &'a str) -> &'a str {
    let options = def.choice(of).into_iter().flat_map(|c| &c.options);
    options
        .filter(|o| o.value == value)
        .map(|o| o.label.zh.as_str())
        .next()
        .unwrap_or(value)
}
