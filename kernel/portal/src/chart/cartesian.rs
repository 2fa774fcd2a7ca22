//! Lines and bars over categories, with a second scale at the right when a series asks for it.
#![expect(clippy::float_arithmetic, reason = "pixels")]

use maud::{Markup, html};
use sdk_contract::page::{Axis, Series};

use super::{figure, float, path, px, series_class};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
const TICKS: usize = 5;
/// More labels than this stand too close; every n-th is shown.
const LABELS: usize = 12;

/// A scale from `low` to `high` in round steps.
#[derive(Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn over<'a>(series: impl Iterator<Item = &'a Series>) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for v in series.flat_map(|s| s.points.iter().flatten()) {
            low = low.min(*v);
            high = high.max(*v);
        }
        let step = round_step((high - low).max(1e-9) / float(TICKS));
        let low = (low / step).floor() * step;
        Self {
            low,
            high: ((high / step).ceil() * step).max(low + step),
            step,
        }
    }

    fn y(self, value: f64) -> f64 {
        let span = (self.high - self.low).max(1e-9);
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value - self.low) / span)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        // No scale has more than twice the wanted steps.
        (0..=2 * TICKS)
            .map(move |i| self.low + self.step * float(i))
            .take_while(move |t| *t <= self.high + self.step / 2.0)
    }
}

/// 1, 2, 2.5, 5 or 10 times a power of ten, not below `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10.0_f64.powf(raw.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= raw)
        .unwrap_or(raw)
}

pub(super) fn cartesian(axis: &Axis, all_lines: bool, summary: &str) -> Markup {
    let first = Scale::over(axis.series.iter().filter(|s| !s.second_axis));
    let second = axis
        .series
        .iter()
        .any(|s| s.second_axis)
        .then(|| Scale::over(axis.series.iter().filter(|s| s.second_axis)));
    let slots = Slots {
        width: (WIDTH - LEFT - RIGHT) / float(axis.categories.len().max(1)),
    };
    let scale = |s: &Series| {
        if s.second_axis {
            second.unwrap_or(first)
        } else {
            first
        }
    };
    let every = axis.categories.len().div_ceil(LABELS).max(1);
    let bars: Vec<usize> = (0..axis.series.len())
        .filter(|i| !all_lines && axis.series.get(*i).is_some_and(|s| !s.as_line))
        .collect();

    html! {
        svg.plot viewBox="0 0 640 280" role="img" aria-labelledby=(summary) {
            @for tick in first.ticks() {
                line.rule x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(first.y(tick))) y2=(px(first.y(tick))) {}
                text.label x=(px(LEFT - 8.0)) y=(px(first.y(tick) + 4.0)) text-anchor="end" { (figure(tick)) }
            }
            @if let Some(second) = &second {
                @for tick in second.ticks() {
                    text.label x=(px(WIDTH - RIGHT + 8.0)) y=(px(second.y(tick) + 4.0)) { (figure(tick)) }
                }
            }
            @for (i, name) in axis.categories.iter().enumerate() {
                @if i % every == 0 {
                    text.label.odd[i / every % 2 == 1] x=(px(slots.middle(i))) y=(px(HEIGHT - 8.0)) text-anchor="middle" { (name) }
                }
            }
            @for (place, n) in bars.iter().enumerate() {
                @if let Some(s) = axis.series.get(*n) {
                    (bar_series(s, *n, scale(s), slots, (place, bars.len())))
                }
            }
            @for (n, s) in axis.series.iter().enumerate() {
                @if all_lines || s.as_line { (line_series(s, n, scale(s), slots)) }
            }
        }
    }
}

/// The room of each category.
#[derive(Clone, Copy)]
struct Slots {
    width: f64,
}

impl Slots {
    fn middle(self, i: usize) -> f64 {
        LEFT + self.width * (float(i) + 0.5)
    }
}

/// The bars of one series, standing at `place` of `of` in each slot.
fn bar_series(
    series: &Series,
    n: usize,
    scale: Scale,
    slots: Slots,
    (place, of): (usize, usize),
) -> Markup {
    let width = (slots.width * 0.6 / float(of)).min(28.0);
    let zero = scale.y(0.0_f64.max(scale.low));
    html! {
        g class={ "bars " (series_class(n)) } {
            @for (i, value) in series.points.iter().enumerate() {
                @if let Some(v) = value {
                    @let y = scale.y(*v);
                    @let x = slots.middle(i) + width * (float(place) - float(of) / 2.0);
                    rect x=(px(x)) y=(px(y.min(zero))) width=(px(width)) height=(px((zero - y).abs())) rx="2" {
                        title { (series.name) "：" (figure(*v)) }
                    }
                }
            }
        }
    }
}

fn line_series(series: &Series, n: usize, scale: Scale, slots: Slots) -> Markup {
    let line = path(
        (series.points.iter().enumerate()).map(|(i, v)| v.map(|v| (slots.middle(i), scale.y(v)))),
    );
    html! {
        g class={ "lines " (series_class(n)) } {
            path d=(line) {}
            @if series.points.len() <= 40 {
                @for (i, value) in series.points.iter().enumerate() {
                    @if let Some(v) = value {
                        circle cx=(px(slots.middle(i))) cy=(px(scale.y(*v))) r="3" {
                            title { (series.name) "：" (figure(*v)) }
                        }
                    }
                }
            }
        }
    }
}

/// A small line without axes, beside a figure that says the same in words.
pub(crate) fn spark(points: &[f64]) -> Markup {
    let low = points.iter().copied().fold(f64::INFINITY, f64::min);
    let high = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(1e-9);
    let step = 76.0 / float(points.len().saturating_sub(1).max(1));
    let line = path(
        (points.iter().enumerate())
            .map(|(i, v)| Some((2.0 + step * float(i), 22.0 - 20.0 * (v - low) / span))),
    );
    html! {
        svg.spark viewBox="0 0 80 24" aria-hidden="true" focusable="false" { path d=(line) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_figures() {
        for (top, high) in [
            (604.0, 800.0),
            (36.0, 40.0),
            (1.0, 1.0),
            (0.9, 1.0),
            (98.0, 100.0),
        ] {
            let scale = Scale::over([Series::new("s", [0.0, top])].iter());
            assert_eq!(
                (scale.low, figure(scale.high)),
                (0.0, figure(high)),
                "{top}"
            );
        }
        let both = Scale::over([Series::new("s", [-7.0, 12.0])].iter());
        assert_eq!(
            both.ticks().map(figure).collect::<Vec<_>>(),
            ["-10", "-5", "0", "5", "10", "15"]
        );
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let series = Series {
            points: vec![Some(1.0), None, Some(2.0)],
            ..Series::new("s", [])
        };
        let axis = Axis::new(["a", "b", "c"]).series(series);
        let svg = cartesian(&axis, true, "x").into_string();
        let path = svg
            .split("path d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }
}
