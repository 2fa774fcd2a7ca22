//! Page documents to HTML. Pure: no I/O, no clock; the same input is the same bytes.
//!
//! Every page works with scripts off: buttons are forms, state is in the URL, charts are SVG made
//! here, tabs and filters are links. Only passwords take one: they are sealed in the browser, and their
//! fields have no names, so that nothing goes out in clear where no script ran. Nothing is inline that a
//! strict content security policy forbids: it may say `default-src 'self'; img-src 'self' data:` and no
//! more.
//!
//! What a page sends to the kernel:
//!
//! | where | what |
//! |---|---|
//! | POST to the page's own path and query | `_csrf`, `_key` (idempotency), `_action`, `_record`, `_mark`, `_form`, `_row`…, `_sealed`, `reason` and the form's fields; read with `sdk_contract::page::read_post` |
//! | GET of a page with `_block=<id>` | one block alone, for [`render_blocks`] |
//! | POST [`LOOK_PATH`] | `_csrf`, `collection`, `id`, `field`, `file`, `reason`, `back`: a recorded look at a masked value or file |
//! | POST to where a form was sent that takes a second factor | `_csrf`, `_parked`, and `_code`, or `_challenge` with `_signature` or `_security_key` |
//! | POST [`SWITCH_PATH`] | `_csrf`, `organisation` |
//! | GET [`NOTICES_PATH`] | `before`: what the viewer was told, older than this one |
//! | POST [`NOTICES_PATH`] | `_csrf`, and `open=<id>`, `read=<id>` or `read=all` |
//! | POST [`LOGIN_PATH`], [`LOGOUT_PATH`] | `_csrf`, and `username`, `_sealed`, `next` |
//! | GET with `care=1` or `care=0`, `lang=zh-CN` or `lang=en` | 关怀版 and language, to be kept in a cookie |
//! | GET of `/files/<plugin>/<plural>/<id>/<field>/<digest>`, `/assets/<name>` | a stored file; one of [`assets::file`] |
//!
//! Deliberately absent: pages derived from declarations, and everything that knows a business noun.

pub mod assets;
mod blocks;
mod chart;
mod datum;
mod frame;
mod icon;
mod notices;
mod qr;
mod render;
mod screens;
mod url;
mod view;

pub use blocks::plain::size;
pub use notices::{NoticeView, NoticesScreen, UnreadView, notices_page};
pub use render::{render, render_blocks};
pub use screens::{
    ErrorScreen, FactorsView, LoginScreen, ProviderView, StepUpScreen, error_page, login_page,
    step_up_page,
};
pub use view::{MenuItem, PostView, SearchBox, Site, Toast, UserView, ViewContext};

/// Where the sign-in form is sent.
pub const LOGIN_PATH: &str = "/login";
/// Where the sign-out button is sent.
pub const LOGOUT_PATH: &str = "/logout";
/// Where the choice of an organisation to act for is sent.
pub const SWITCH_PATH: &str = "/switch";
/// Where people read what they were told.
pub const NOTICES_PATH: &str = "/notices";
/// Where people register by themselves.
pub const REGISTER_PATH: &str = "/platform/register";
/// Where whoever forgot a password asks for a new one.
pub const FORGOTTEN_PATH: &str = "/platform/forgotten";
/// Where whoever lost a second factor asks to have it lifted.
pub const LOST_FACTOR_PATH: &str = "/platform/lost-factor";
/// Name of the posted field that holds a form's passwords, sealed.
pub const SEALED_FIELD: &str = "_sealed";

/// What the passwords of a page's form are sealed for; the sign-in form has none but its path.
pub fn sealed_for(path: &str, form: &str) -> String {
    format!("{path}#{form}")
}

/// Where a look at a masked value is asked for.
pub const LOOK_PATH: &str = "/look";
