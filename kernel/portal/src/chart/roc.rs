//! Receiver operating characteristic with its diagonal.
#![expect(clippy::float_arithmetic, reason = "pixels")]

use maud::{Markup, html};
use sdk_contract::page::Roc;

use super::{path, px, series_class};

const SIDE: f64 = 300.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 10.0;
/// At most so many rows of a curve stand in the table.
const ROWS: usize = 40;

pub(super) fn roc(roc: &Roc, summary: &str) -> Markup {
    let x = |v: f64| LEFT + SIDE * v;
    let y = |v: f64| TOP + SIDE * (1.0 - v);
    html! {
        svg.plot.square viewBox="0 0 360 350" role="img" aria-labelledby=(summary) {
            @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                line.rule x1=(px(x(0.0))) x2=(px(x(1.0))) y1=(px(y(tick))) y2=(px(y(tick))) {}
                line.rule y1=(px(y(0.0))) y2=(px(y(1.0))) x1=(px(x(tick))) x2=(px(x(tick))) {}
                text.label x=(px(LEFT - 6.0)) y=(px(y(tick) + 4.0)) text-anchor="end" { (tick) }
                text.label x=(px(x(tick))) y=(px(TOP + SIDE + 18.0)) text-anchor="middle" { (tick) }
            }
            line.diagonal x1=(px(x(0.0))) y1=(px(y(0.0))) x2=(px(x(1.0))) y2=(px(y(1.0))) {}
            @for (n, curve) in roc.curves.iter().enumerate() {
                @let line = path(curve.points.iter().map(|[fpr, tpr]| Some((x(*fpr), y(*tpr)))));
                g class={ "lines " (series_class(n)) } { path d=(line) {} }
            }
            text.label x=(px(x(0.5))) y="346" text-anchor="middle" { "FPR" }
            text.label x=(px(x(0.02))) y=(px(TOP + 14.0)) { "TPR" }
        }
    }
}

/// About forty points of a curve, its ends included.
pub(super) fn thinned(points: &[[f64; 2]]) -> impl Iterator<Item = [f64; 2]> {
    let every = points.len().div_ceil(ROWS).max(1);
    let last = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .filter(move |(i, _)| i % every == 0 || *i == last)
        .map(|(_, p)| *p)
}
