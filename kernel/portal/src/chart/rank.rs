//! Horizontal bars from zero to both sides.
#![expect(clippy::float_arithmetic, reason = "pixels")]

use maud::{Markup, html};
use sdk_contract::page::Part;

use super::{figure, float, px};

const ROW: f64 = 30.0;
/// Where bars may stand, between the names and the right edge.
const FROM: f64 = 190.0;
const TO: f64 = 590.0;

pub(super) fn rank(parts: &[Part], summary: &str) -> Markup {
    let low = parts.iter().map(|p| p.amount).fold(0.0, f64::min);
    let high = parts.iter().map(|p| p.amount).fold(0.0, f64::max);
    let room_left = if low < 0.0 { 44.0 } else { 0.0 };
    let scale = (TO - FROM - room_left) / (high - low).max(1e-9);
    let zero = FROM + room_left - low * scale;
    let height = ROW * float(parts.len().max(1)) + 4.0;
    html! {
        svg.plot viewBox={ "0 0 640 " (px(height)) } role="img" aria-labelledby=(summary) {
            @for (i, part) in parts.iter().enumerate() {
                @let y = ROW * float(i) + 2.0;
                @let end = zero + part.amount * scale;
                text.label x=(px(FROM - 12.0)) y=(px(y + 19.0)) text-anchor="end" { (cut(&part.name)) }
                g class=(if part.amount < 0.0 { "bars minus" } else { "bars plus" }) {
                    rect x=(px(end.min(zero))) y=(px(y + 6.0)) width=(px((end - zero).abs())) height="18" rx="2" {}
                }
                @if part.amount < 0.0 {
                    text.label x=(px(end - 6.0)) y=(px(y + 19.0)) text-anchor="end" { (figure(part.amount)) }
                } @else {
                    text.label x=(px(end + 6.0)) y=(px(y + 19.0)) { (figure(part.amount)) }
                }
            }
            line.axis x1=(px(zero)) x2=(px(zero)) y1="0" y2=(px(height)) {}
        }
    }
}

/// Names longer than the margin are cut; the table beside has them whole.
fn cut(name: &str) -> String {
    const MOST: usize = 14;
    match name.chars().count() {
        0..=MOST => name.to_owned(),
        _ => name.chars().take(MOST - 1).chain(['…']).collect(),
    }
}
