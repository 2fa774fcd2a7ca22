//! Charts around a centre: gauge and radar.
#![expect(clippy::float_arithmetic, reason = "pixels")]

use std::f64::consts::PI;

use maud::{Markup, html};
use sdk_contract::page::{Band, Gauge, Radar, Tone};

use super::{figure, float, px, series_class};

/// The gauge begins at the lower left and goes clockwise over this angle.
const SWEEP: f64 = 1.25 * PI;
const START: f64 = PI - (SWEEP - PI) / 2.0;

pub(super) fn gauge(gauge: &Gauge, summary: &str) -> Markup {
    const X: f64 = 160.0;
    const Y: f64 = 112.0;
    const R: f64 = 84.0;
    let span = (gauge.max - gauge.min).max(1e-9);
    let share = |v: f64| ((v - gauge.min) / span).clamp(0.0, 1.0);
    let at = |r: f64, t: f64| {
        let angle = START + SWEEP * t;
        (X + r * angle.cos(), Y + r * angle.sin())
    };
    let arc = |from: f64, to: f64| {
        let ((x1, y1), (x2, y2)) = (at(R, from), at(R, to));
        let large = u8::from((to - from) * SWEEP > PI);
        format!(
            "M{} {}A{R} {R} 0 {large} 1 {} {}",
            px(x1),
            px(y1),
            px(x2),
            px(y2)
        )
    };
    let from = |i: usize| {
        i.checked_sub(1)
            .and_then(|p| gauge.bands.get(p))
            .map_or(0.0, |b| share(b.upto))
    };
    let (tip_x, tip_y) = at(R - 26.0, share(gauge.amount));
    let (left_x, left_y) = at(8.0, share(gauge.amount) + 0.4);
    let (right_x, right_y) = at(8.0, share(gauge.amount) - 0.4);
    html! {
        svg.plot.gauge viewBox="0 0 320 190" role="img" aria-labelledby=(summary) {
            path.track d=(arc(0.0, 1.0)) {}
            @for (i, band) in gauge.bands.iter().enumerate() {
                path class={ "band " (band_class(band)) } d=(arc(from(i), share(band.upto))) {}
            }
            path.needle d={ "M" (px(left_x)) " " (px(left_y)) "L" (px(tip_x)) " " (px(tip_y)) "L" (px(right_x)) " " (px(right_y)) "Z" } {}
            circle.needle cx=(px(X)) cy=(px(Y)) r="9" {}
            text.amount x=(px(X)) y="160" text-anchor="middle" { (figure(gauge.amount)) }
            text.word x=(px(X)) y="182" text-anchor="middle" { (gauge.label) }
        }
    }
}

fn band_class(band: &Band) -> &'static str {
    match band.tone {
        Tone::Neutral => "band-neutral",
        Tone::Info => "band-info",
        Tone::Success => "band-success",
        Tone::Warning => "band-warning",
        Tone::Danger => "band-danger",
    }
}

pub(super) fn radar(radar: &Radar, summary: &str) -> Markup {
    const X: f64 = 180.0;
    const Y: f64 = 140.0;
    const R: f64 = 96.0;
    let count = float(radar.axes.len().max(1));
    let at = |i: usize, share: f64| {
        let angle = 2.0 * PI * float(i) / count - PI / 2.0;
        (X + R * share * angle.cos(), Y + R * share * angle.sin())
    };
    let ring = |share: &dyn Fn(usize) -> f64| -> String {
        (0..radar.axes.len())
            .map(|i| {
                let (x, y) = at(i, share(i));
                format!("{},{}", px(x), px(y))
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    html! {
        svg.plot.radar viewBox="0 0 360 280" role="img" aria-labelledby=(summary) {
            @for step in [0.25, 0.5, 0.75, 1.0] { polygon.rule points=(ring(&|_| step)) {} }
            @for (i, axis) in radar.axes.iter().enumerate() {
                @let (x, y) = at(i, 1.0);
                @let (label_x, label_y) = at(i, 1.14);
                line.rule x1=(px(X)) y1=(px(Y)) x2=(px(x)) y2=(px(y)) {}
                text.label x=(px(label_x)) y=(px(label_y + 4.0)) text-anchor=(anchor(label_x - X)) { (axis.name) }
            }
            @for (n, series) in radar.series.iter().enumerate() {
                polygon class={ "area " (series_class(n)) } points=(ring(&|i| {
                    let full = radar.axes.get(i).map_or(1.0, |a| a.amount).max(1e-9);
                    (series.points.get(i).copied().flatten().unwrap_or(0.0) / full).clamp(0.0, 1.0)
                })) {}
            }
        }
    }
}

fn anchor(offset: f64) -> &'static str {
    match offset {
        o if o > 8.0 => "start",
        o if o < -8.0 => "end",
        _ => "middle",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_needle_stays_on_the_dial() {
        let draw = |amount| {
            let g = Gauge {
                amount,
                min: 300.0,
                max: 900.0,
                label: "x".into(),
                bands: vec![],
            };
            let svg = gauge(&g, "s").into_string();
            svg.split("needle\" d=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(draw(100.0), draw(300.0));
        assert_eq!(draw(2000.0), draw(900.0));
        assert_ne!(draw(500.0), draw(700.0));
    }
}
