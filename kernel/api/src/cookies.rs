//! The cookies of this server. All are `HttpOnly` and `SameSite=Lax`.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// The session token.
pub(crate) const SESSION: &str = "rq_session";
/// A random mark of a visitor who is not signed in, for form tokens.
pub(crate) const VISIT: &str = "rq_visit";
/// One sentence for the next page, stamped.
pub(crate) const TOAST: &str = "rq_toast";

/// `zh-CN` or `en`.
pub(crate) const LANGUAGE: &str = "rq_lang";
/// `1` for 关怀版.
pub(crate) const CARE: &str = "rq_care";

/// Longest value that is looked at.
const LONGEST: usize = 2_048;

/// The value of a cookie; the first where a browser sends it twice.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|h| h.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, v)| *n == name && !v.is_empty() && v.len() <= LONGEST)
        .map(|(_, v)| v)
}

/// A `Set-Cookie` header. Without `seconds` it ends with the browser; 0 removes it. `value` must
/// be of cookie characters; anything else sets nothing.
pub(crate) fn set(
    name: &str,
    value: &str,
    seconds: Option<u32>,
    secure: bool,
) -> Option<HeaderValue> {
    let age = seconds
        .map(|s| format!("; Max-Age={s}"))
        .unwrap_or_default();
    let secure = if secure { "; Secure" } else { "" };
    let clean = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{age}{secure}");
    HeaderValue::from_str(&text).ok().filter(|_| clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            HeaderValue::from_static("a=1; rq_session=tok; rq_sessionx=2"),
        );
        assert_eq!(read(&headers, SESSION), Some("tok"));
        assert_eq!(read(&headers, VISIT), None);
        headers.insert(COOKIE, HeaderValue::from_static("rq_session="));
        assert_eq!(read(&headers, SESSION), None);
    }

    #[test]
    fn cookies_are_closed_to_scripts_and_other_sites() {
        let text = set(SESSION, "tok", None, true).unwrap();
        assert_eq!(
            text,
            "rq_session=tok; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        let gone = set(SESSION, "", Some(0), false).unwrap();
        assert_eq!(
            gone,
            "rq_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert!(set(SESSION, "a; Domain=x", None, false).is_none());
    }
}
