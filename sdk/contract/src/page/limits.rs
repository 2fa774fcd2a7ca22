//! What the kernel accepts as a page: bounded, every id a slug, every link inside the site.

use std::collections::BTreeSet;

use super::{
    Action, Block, Body, Card, Chart, Datum, Deed, Field, FieldKind, FileRef, Form, PAGE_DOCUMENT,
    Page, Shape, Table,
};

const BLOCKS: usize = 60;
const SECTIONS: usize = 30;
const ITEMS: usize = 500;
const COLUMNS: usize = 30;
const FIELDS: usize = 200;
const CHOICES: usize = 2_000;
const ACTIONS: usize = 20;
const POINTS: usize = 2_000;
const PATH_BYTES: usize = 2_000;
const QR_BYTES: usize = 1_000;
const SLUG_BYTES: usize = 64;

/// Why a page is refused: where, and what is wrong there. The module is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("page: {place}: {what}")]
pub struct PageFault {
    pub place: String,
    pub what: String,
}

type Checked = Result<(), PageFault>;

/// Checks a whole page.
pub fn check(page: &Page) -> Checked {
    if page.version != PAGE_DOCUMENT {
        return fault(
            "version",
            format!("is {}, this platform reads {PAGE_DOCUMENT}", page.version),
        );
    }
    if page.title.trim().is_empty() {
        return fault("title", "is empty");
    }
    at_most("sections", page.sections.len(), SECTIONS)?;
    for link in &page.trail {
        path("trail", &link.to)?;
    }
    actions("actions", &page.actions)?;
    at_most("blocks", page.blocks().count(), BLOCKS)?;
    check_all(page.blocks())
}

/// Checks blocks that travel without a page.
pub fn check_blocks(blocks: &[Block]) -> Checked {
    at_most("blocks", blocks.len(), BLOCKS)?;
    check_all(blocks.iter())
}

/// Whether a path stays on this site: `/x`, not `//x`, no scheme, no blank, no backslash.
pub fn is_site_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && bytes.next() != Some(b'/')
        && path.len() <= PATH_BYTES
        && !path
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
}

/// Lower case letters, digits and hyphens, beginning with a letter or digit.
pub fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= SLUG_BYTES
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn check_all<'a>(blocks: impl Iterator<Item = &'a Block>) -> Checked {
    let mut ids = BTreeSet::new();
    let mut forms = BTreeSet::new();
    for block in blocks {
        let place = format!("block {:?}", block.id);
        if !is_slug(&block.id) {
            return fault(&place, "the id is not a slug");
        }
        if !ids.insert(&block.id) {
            return fault(&place, "another block has the same id");
        }
        if let Body::Form(form) = &block.body
            && !forms.insert(&form.name)
        {
            return fault(&place, "another form has the same name");
        }
        if let Some(more) = &block.more {
            path(&place, &more.to)?;
        }
        if block.span > 12 {
            return fault(&place, "spans more than 12 columns");
        }
        if block.live.is_some_and(|s| s == 0) {
            return fault(&place, "refreshes every 0 seconds");
        }
        body(&place, &block.body)?;
    }
    Ok(())
}

fn body(place: &str, body: &Body) -> Checked {
    match body {
        Body::Prose { .. } | Body::History { .. } | Body::Signatures { .. } | Body::Unknown => {
            Ok(())
        }
        Body::Notice(n) => actions(place, &n.actions),
        Body::Stats { stats } => {
            at_most(place, stats.len(), ITEMS)?;
            stats.iter().try_for_each(|s| {
                datum(place, &s.value)?;
                optional_path(place, s.to.as_deref())?;
                s.change.as_deref().map_or(Ok(()), |c| decimal(place, c))?;
                finite(place, s.spark.iter())
            })
        }
        Body::Details { facts, .. } => {
            at_most(place, facts.len(), ITEMS)?;
            facts.iter().try_for_each(|f| datum(place, &f.value))
        }
        Body::Table(t) => table(place, t),
        Body::Cards(c) => {
            at_most(place, c.items.len(), ITEMS)?;
            fields(place, c.filters.iter())?;
            c.items.iter().try_for_each(|i| card(place, i))
        }
        Body::Form(f) => form(place, f),
        Body::Timeline(t) => {
            at_most(place, t.moments.len(), ITEMS)?;
            t.moments
                .iter()
                .flat_map(|m| &m.files)
                .try_for_each(|f| file(place, f))
        }
        Body::Chart(c) => chart(place, c),
        Body::Files { files, .. } => {
            at_most(place, files.len(), ITEMS)?;
            files.iter().try_for_each(|f| file(place, f))
        }
        Body::Actions { actions: a } => actions(place, a),
        Body::Job(j) if j.percent > 100 => fault(place, "is more than 100 percent done"),
        Body::Job(j) => optional_path(place, j.done.as_ref().map(|l| l.to.as_str())),
    }
}

fn table(place: &str, t: &Table) -> Checked {
    at_most(place, t.columns.len(), COLUMNS)?;
    at_most(place, t.rows.len(), ITEMS)?;
    fields(place, t.filters.iter())?;
    actions(place, &t.bulk)?;
    if !t.totals.is_empty() && t.totals.len() != t.columns.len() {
        return fault(place, "totals do not match the columns");
    }
    for row in &t.rows {
        if row.cells.len() != t.columns.len() {
            return fault(
                place,
                format!("row {:?} does not match the columns", row.key),
            );
        }
        if row.key.is_empty() || !row.key.bytes().all(plain_byte) {
            return fault(place, format!("row key {:?} is not plain", row.key));
        }
        row.cells.iter().try_for_each(|c| datum(place, c))?;
        optional_path(place, row.to.as_deref())?;
        actions(place, &row.actions)?;
    }
    if t.paging.is_some_and(|p| p.page == 0 || p.size == 0) {
        return fault(place, "pages count from 1 and hold at least one row");
    }
    Ok(())
}

fn card(place: &str, card: &Card) -> Checked {
    optional_path(place, card.to.as_deref())?;
    card.facts.iter().try_for_each(|f| datum(place, &f.value))?;
    actions(place, &card.actions)
}

fn form(place: &str, form: &Form) -> Checked {
    if !is_slug(&form.name) {
        return fault(place, "the form's name is not a slug");
    }
    if !form.query && !matches!(form.submit.deed, Deed::Send(_)) {
        return fault(
            place,
            "the form is not a query and its submit sends nothing",
        );
    }
    action(place, &form.submit)?;
    fields(place, form.fields())
}

fn fields<'a>(place: &str, all: impl Iterator<Item = &'a Field>) -> Checked {
    let mut seen = BTreeSet::new();
    for field in all {
        let name = field.name.as_str();
        let fine = name.len() <= SLUG_BYTES
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !fine {
            return fault(place, format!("field name {name:?}"));
        }
        if field.when.iter().any(|c| !seen.contains(c.field.as_str())) {
            return fault(
                place,
                format!("field {name:?} depends on one that is not above it"),
            );
        }
        if !seen.insert(name) {
            return fault(place, format!("two fields named {name:?}"));
        }
        match &field.kind {
            FieldKind::Pick { choices, .. } => at_most(place, choices.len(), CHOICES)?,
            FieldKind::Consent { document, .. } => path(place, &document.to)?,
            FieldKind::Ratio { scale, .. } if !(2..=12).contains(scale) => {
                return fault(place, format!("field {name:?} needs a scale of 2 to 12"));
            }
            FieldKind::Rows { fields: cells, max } => {
                at_most(place, *max as usize, ITEMS)?;
                let nested = |f: &Field| {
                    matches!(
                        f.kind,
                        FieldKind::Rows { .. }
                            | FieldKind::File { .. }
                            | FieldKind::Consent { .. }
                            | FieldKind::Secret { .. }
                    )
                };
                if cells.is_empty() || cells.iter().any(nested) {
                    return fault(place, format!("the rows of {name:?} hold plain fields"));
                }
                fields(place, cells.iter())?;
            }
            FieldKind::Number { scale, .. } if *scale > 12 => {
                return fault(place, format!("field {name:?} has more than 12 digits"));
            }
            _ => {}
        }
    }
    at_most(place, seen.len(), FIELDS)
}

fn actions(place: &str, all: &[Action]) -> Checked {
    at_most(place, all.len(), ACTIONS)?;
    all.iter().try_for_each(|a| action(place, a))
}

fn action(place: &str, action: &Action) -> Checked {
    match &action.deed {
        Deed::Open { to } | Deed::Download { to } => path(place, to),
        Deed::Print => Ok(()),
        Deed::Send(send) => {
            let plain = |s: &str| !s.is_empty() && s.len() <= 128 && s.bytes().all(plain_byte);
            if !plain(&send.action) {
                return fault(place, format!("action name {:?}", send.action));
            }
            if send.record.as_deref().is_some_and(|r| !plain(r)) {
                return fault(place, format!("record id {:?}", send.record));
            }
            Ok(())
        }
    }
}

fn chart(place: &str, chart: &Chart) -> Checked {
    if chart.summary.trim().is_empty() {
        return fault(place, "a chart needs a summary");
    }
    match &chart.shape {
        Shape::Line(a) | Shape::Bar(a) => {
            at_most(place, a.categories.len(), POINTS)?;
            at_most(place, a.series.len(), COLUMNS)?;
            for s in &a.series {
                if s.points.len() != a.categories.len() {
                    return fault(
                        place,
                        format!("series {:?} does not match the axis", s.name),
                    );
                }
                finite(place, s.points.iter().flatten())?;
            }
            Ok(())
        }
        Shape::Rank { parts } => {
            at_most(place, parts.len(), ITEMS)?;
            finite(place, parts.iter().map(|p| &p.amount))
        }
        Shape::Gauge(g) => {
            finite(place, [&g.amount, &g.min, &g.max].into_iter())?;
            finite(place, g.bands.iter().map(|b| &b.upto))?;
            if g.max <= g.min {
                fault(place, "the gauge has no range")
            } else {
                Ok(())
            }
        }
        Shape::Roc(r) => {
            at_most(place, r.curves.len(), COLUMNS)?;
            for c in &r.curves {
                at_most(place, c.points.len(), POINTS)?;
                if c.points.iter().flatten().any(|v| !(0.0..=1.0).contains(v)) {
                    return fault(place, "a rate is not within 0 and 1");
                }
            }
            Ok(())
        }
        Shape::Radar(r) => {
            at_most(place, r.axes.len(), COLUMNS)?;
            at_most(place, r.series.len(), COLUMNS)?;
            finite(place, r.axes.iter().map(|a| &a.amount))?;
            if r.axes.len() < 3 || r.axes.iter().any(|a| a.amount <= 0.0) {
                return fault(place, "a radar needs three axes of a positive scale");
            }
            r.series.iter().try_for_each(|s| {
                if s.points.len() != r.axes.len() {
                    return fault(
                        place,
                        format!("series {:?} does not match the axes", s.name),
                    );
                }
                finite(place, s.points.iter().flatten())
            })
        }
    }
}

fn datum(place: &str, value: &Datum) -> Checked {
    match value {
        Datum::Link(link) => path(place, &link.to),
        Datum::File(f) => file(place, f),
        Datum::Ratio(text) | Datum::Decimal(text) => decimal(place, text),
        Datum::Qr(text) => at_most(place, text.len(), QR_BYTES),
        Datum::Progress(p) if *p > 100 => fault(place, "a progress of more than 100"),
        _ => Ok(()),
    }
}

/// Optional sign, digits, at most one point with digits after it.
fn decimal(place: &str, text: &str) -> Checked {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fine = |s: &str| !s.is_empty() && s.len() <= 20 && s.bytes().all(|b| b.is_ascii_digit());
    if fine(whole) && fine(fraction) {
        Ok(())
    } else {
        fault(place, format!("{text:?} is no decimal"))
    }
}

fn file(place: &str, file: &FileRef) -> Checked {
    let plain = !file.id.is_empty()
        && file.id.len() <= SLUG_BYTES
        && file
            .id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if plain {
        Ok(())
    } else {
        fault(place, format!("file id {:?}", file.id))
    }
}

fn finite<'a>(place: &str, mut numbers: impl Iterator<Item = &'a f64>) -> Checked {
    if numbers.all(|n| n.is_finite()) {
        Ok(())
    } else {
        fault(place, "a figure is not finite")
    }
}

fn optional_path(place: &str, to: Option<&str>) -> Checked {
    to.map_or(Ok(()), |to| path(place, to))
}

fn path(place: &str, to: &str) -> Checked {
    if is_site_path(to) {
        Ok(())
    } else {
        fault(place, format!("link {to:?} leaves the site"))
    }
}

fn at_most(place: &str, count: usize, most: usize) -> Checked {
    if count <= most {
        Ok(())
    } else {
        fault(place, format!("{count} where {most} are allowed"))
    }
}

fn plain_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

fn fault(place: &str, what: impl Into<String>) -> Checked {
    Err(PageFault {
        place: place.to_owned(),
        what: what.into(),
    })
}
