//! Charts as SVG made here: no script, readable in print, with the summary and the figures beside.

mod cartesian;
mod rank;
mod roc;
mod round;

use maud::{Markup, html};
use sdk_contract::page::{Axis, Chart, Radar, Roc, Shape};

pub(crate) use cartesian::spark;

use crate::view::ViewContext;

pub(crate) fn chart(ctx: &ViewContext, id: &str, chart: &Chart) -> Markup {
    let summary_id = format!("{id}-summary");
    html! {
        figure.chart {
            (legend(&chart.shape))
            (draw(&chart.shape, &summary_id))
            figcaption.chart-summary id=(summary_id) { (chart.summary) }
            details.chart-data {
                summary { (ctx.say("数据表", "Figures")) }
                div.table-box tabindex="0" role="region" aria-label=(ctx.say("图表数据", "Figures of the chart")) {
                    (figures(ctx, chart))
                }
            }
        }
    }
}

fn draw(shape: &Shape, summary: &str) -> Markup {
    match shape {
        Shape::Line(axis) => cartesian::cartesian(axis, true, summary),
        Shape::Bar(axis) => cartesian::cartesian(axis, false, summary),
        Shape::Rank { parts } => rank::rank(parts, summary),
        Shape::Gauge(gauge) => round::gauge(gauge, summary),
        Shape::Roc(roc) => roc::roc(roc, summary),
        Shape::Radar(radar) => round::radar(radar, summary),
    }
}

/// The class that colours the n-th series.
fn series_class(n: usize) -> &'static str {
    const CLASSES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
    CLASSES.get(n % CLASSES.len()).copied().unwrap_or("s0")
}

fn legend(shape: &Shape) -> Markup {
    let names: Vec<&str> = match shape {
        Shape::Line(Axis { series, .. })
        | Shape::Bar(Axis { series, .. })
        | Shape::Radar(Radar { series, .. }) => series.iter().map(|s| s.name.as_str()).collect(),
        Shape::Roc(Roc { curves }) => curves.iter().map(|c| c.name.as_str()).collect(),
        Shape::Rank { .. } | Shape::Gauge(_) => Vec::new(),
    };
    html! {
        @if !names.is_empty() {
            ul.chart-key aria-hidden="true" {
                @for (i, name) in names.iter().enumerate() {
                    li { span class={ "dot " (series_class(i)) } {} (name) }
                }
            }
        }
    }
}

/// The same figures as a table, one click away.
fn figures(ctx: &ViewContext, chart: &Chart) -> Markup {
    let unit = if chart.unit.is_empty() {
        String::new()
    } else {
        format!("（{}）", chart.unit)
    };
    let item = ctx.say("项目", "Item");
    match &chart.shape {
        Shape::Line(axis) | Shape::Bar(axis) => grid(
            item,
            &axis
                .series
                .iter()
                .map(|s| format!("{}{unit}", s.name))
                .collect::<Vec<_>>(),
            axis.categories.iter().enumerate().map(|(i, c)| {
                (
                    c.as_str(),
                    axis.series
                        .iter()
                        .map(|s| s.points.get(i).copied().flatten())
                        .collect(),
                )
            }),
        ),
        Shape::Radar(radar) => grid(
            item,
            &radar
                .series
                .iter()
                .map(|s| format!("{}{unit}", s.name))
                .collect::<Vec<_>>(),
            radar.axes.iter().enumerate().map(|(i, a)| {
                (
                    a.name.as_str(),
                    radar
                        .series
                        .iter()
                        .map(|s| s.points.get(i).copied().flatten())
                        .collect(),
                )
            }),
        ),
        Shape::Rank { parts } => grid(
            item,
            &[format!("{}{unit}", ctx.say("数值", "Value"))],
            parts
                .iter()
                .map(|p| (p.name.as_str(), vec![Some(p.amount)])),
        ),
        Shape::Gauge(gauge) => grid(
            item,
            &[format!("{}{unit}", ctx.say("数值", "Value"))],
            [(gauge.label.as_str(), vec![Some(gauge.amount)])]
                .into_iter()
                .chain(
                    gauge
                        .bands
                        .iter()
                        .map(|b| (b.label.as_str(), vec![Some(b.upto)])),
                ),
        ),
        Shape::Roc(roc) => grid(
            ctx.say("曲线", "Curve"),
            &[
                ctx.say("假阳性率", "False positive rate").to_owned(),
                ctx.say("真阳性率", "True positive rate").to_owned(),
            ],
            roc.curves.iter().flat_map(|c| {
                roc::thinned(&c.points).map(|[x, y]| (c.name.as_str(), vec![Some(x), Some(y)]))
            }),
        ),
    }
}

fn grid<'a>(
    corner: &str,
    heads: &[String],
    rows: impl Iterator<Item = (&'a str, Vec<Option<f64>>)>,
) -> Markup {
    html! {
        table.table {
            thead { tr { th scope="col" { (corner) } @for head in heads { th.num scope="col" { (head) } } } }
            tbody {
                @for (name, cells) in rows {
                    tr {
                        th scope="row" { (name) }
                        @for cell in cells { td.num { (cell.map_or_else(|| "—".to_owned(), figure)) } }
                    }
                }
            }
        }
    }
}

/// A figure with at most four decimals.
fn figure(value: f64) -> String {
    let text = crate::datum::short(&format!("{value:.4}"));
    crate::datum::grouped(if text == "-0" { "0" } else { &text })
}

/// A coordinate: one decimal is finer than a pixel.
fn px(value: f64) -> String {
    crate::datum::short(&format!("{value:.1}"))
}

/// A path through the points; a missing one lifts the pen.
fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut text = String::new();
    let mut drawing = false;
    for point in points {
        if let Some((x, y)) = point {
            text.push(if drawing { 'L' } else { 'M' });
            text.push_str(&px(x));
            text.push(' ');
            text.push_str(&px(y));
        }
        drawing = point.is_some();
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of categories and ticks are small"
)]
fn float(n: usize) -> f64 {
    n as f64
}
