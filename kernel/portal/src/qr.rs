//! QR codes (ISO/IEC 18004) as inline SVG: no script, no style, no other origin.

use std::fmt::Write as _;

use maud::{Markup, html};
use qrcode::{Color, QrCode};

use crate::view::ViewContext;

/// Light modules around the code, as the standard asks.
const QUIET: usize = 4;

/// The code of `text`; only the text where it is too long for one.
pub(crate) fn code(ctx: &ViewContext, text: &str) -> Markup {
    let Ok(code) = QrCode::new(text) else {
        return html! { code { (text) } };
    };
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    html! {
        svg.qr viewBox=(format!("0 0 {side} {side}")) role="img"
            aria-label=(ctx.say("二维码", "QR code")) shape-rendering="crispEdges" {
            rect width="100%" height="100%" fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    }
}
