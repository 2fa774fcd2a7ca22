//! Icons from the sprite. An unknown name draws nothing.

use maud::{Markup, html};

use crate::view::ViewContext;

pub(crate) fn icon(ctx: &ViewContext, name: &str) -> Markup {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    html! {
        @if plain && !name.is_empty() {
            svg.icon aria-hidden="true" focusable="false" {
                use href={ (ctx.assets.icons) "#" (name) } {}
            }
        }
    }
}
