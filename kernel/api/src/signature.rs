//! HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530), as far as an app's call needs
//! them: one signature, a closed list of parameters, SM2 with SM3. Pure.
//!
//! Strict where the standard is generous: whatever could be read in two ways is refused, so that what
//! was signed and what is acted on are the same.

use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::payload;

pub(crate) const INPUT: &str = "signature-input";
pub(crate) const SIGNATURE: &str = "signature";
pub(crate) const DIGEST: &str = "content-digest";
/// Not in the standard's registry, like the digest's `sm3`: they are this platform's names for
/// GB/T 32918.2 with GB/T 32905.
pub(crate) const ALGORITHM: &str = "sm2-sm3";

/// What a signature must cover.
const COVERED: [&str; 4] = ["@method", "@path", "@query", DIGEST];
/// What it must cover where the request has it.
const COVERED_IF_SENT: [&str; 3] = ["idempotency-key", payload::KEY, "content-encoding"];
const MOST_COMPONENTS: usize = 16;
const LONGEST: usize = 2_048;

/// A signature as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent<'a> {
    components: Vec<&'a str>,
    /// The list and its parameters, byte for byte.
    parameters: &'a str,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
    pub(crate) nonce: &'a str,
    pub(crate) keyid: &'a str,
    pub(crate) signature: Vec<u8>,
    /// SM3 of the body.
    pub(crate) digest: [u8; 32],
}

/// Whether the request says that it is signed.
pub(crate) fn is_there(headers: &HeaderMap) -> bool {
    headers.contains_key(INPUT) || headers.contains_key(SIGNATURE)
}

/// The app that a request names, as far as it can be read; for the record of a refusal.
pub(crate) fn claimed(headers: &HeaderMap) -> &str {
    let input = one(headers, INPUT).unwrap_or_default();
    let after = input.split_once(";keyid=\"").map_or("", |(_, rest)| rest);
    after.split('"').next().unwrap_or_default()
}

impl<'a> Sent<'a> {
    /// Reads the three headers, or says which part cannot be read.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, &'static str> {
        const BAD_INPUT: &str = "Signature-Input";
        let input = one(headers, INPUT).ok_or(BAD_INPUT)?;
        let (label, parameters) = input.split_once('=').ok_or(BAD_INPUT)?;
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b);
        if label.is_empty() || !label.bytes().all(name) {
            return Err(BAD_INPUT);
        }
        let list = parameters.strip_prefix('(').ok_or(BAD_INPUT)?;
        let (list, rest) = list.split_once(')').ok_or(BAD_INPUT)?;
        let components = components(list).ok_or("Signature-Input: the list of components")?;
        let mut sent = Self {
            components,
            parameters,
            created: 0,
            expires: None,
            nonce: "",
            keyid: "",
            signature: bytes(headers, SIGNATURE, label).ok_or("Signature")?,
            digest: bytes(headers, DIGEST, "sm3")
                .and_then(|digest| digest.try_into().ok())
                .ok_or("Content-Digest: sm3=:…:")?,
        };
        sent.parameters(rest)
            .ok_or("Signature-Input: the parameters")?;
        Ok(sent)
    }

    /// `;name=value` again and again; each name once, and no other than these.
    fn parameters(&mut self, text: &'a str) -> Option<()> {
        let (mut seen, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (name, after) = rest.strip_prefix(';')?.split_once('=')?;
            let value;
            (value, rest) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_at(after.find(';').unwrap_or(after.len())),
            };
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            let quoted = after.starts_with('"');
            match name {
                "created" if !quoted => self.created = seconds(value)?,
                "expires" if !quoted => self.expires = Some(seconds(value)?),
                "nonce" if quoted => self.nonce = token(value, 16, 64)?,
                "keyid" if quoted => self.keyid = token(value, 1, 64)?,
                "alg" if quoted && value == ALGORITHM => {}
                _ => return None,
            }
        }
        let there = |name| seen.contains(&name);
        (there("created") && there("nonce") && there("keyid")).then_some(())
    }

    /// The text that was signed (RFC 9421 §2.5).
    pub(crate) fn base(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<String, &'static str> {
        let covers = |name: &str| self.components.contains(&name);
        if !COVERED.iter().all(|name| covers(name)) {
            return Err(
                "Signature-Input: @method, @path, @query and content-digest must be covered",
            );
        }
        let mut sent = COVERED_IF_SENT.iter();
        if sent.any(|name| headers.contains_key(*name) && !covers(name)) {
            return Err(
                "Signature-Input: idempotency-key, content-key and content-encoding must be covered \
                 where they are sent",
            );
        }
        let mut lines = Vec::with_capacity(self.components.len() + 1);
        for name in &self.components {
            let value = match *name {
                "@method" => method.to_string(),
                "@path" => uri.path().to_owned(),
                "@query" => format!("?{}", uri.query().unwrap_or_default()),
                "@authority" => joined(headers, HOST.as_str())
                    .or_else(|| uri.authority().map(ToString::to_string))
                    .ok_or("Host")?
                    .to_ascii_lowercase(),
                name if name.starts_with('@') => return Err("Signature-Input: the components"),
                name => {
                    joined(headers, name).ok_or("Signature-Input: a header that is not there")?
                }
            };
            lines.push(format!("\"{name}\": {value}"));
        }
        lines.push(format!("\"@signature-params\": {}", self.parameters));
        Ok(lines.join("\n"))
    }
}

/// Names in quotes, one blank between them, none twice and without parameters.
fn components(list: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for word in list.split(' ') {
        let name = word.strip_prefix('"')?.strip_suffix('"')?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let bare = name.strip_prefix('@').unwrap_or(name);
        if bare.is_empty() || !bare.bytes().all(fits) || names.contains(&name) {
            return None;
        }
        names.push(name);
    }
    (names.len() <= MOST_COMPONENTS).then_some(names)
}

/// The only value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    (values.next().is_none() && value.len() <= LONGEST).then_some(value)
}

/// A header as RFC 9421 §2.1 joins it.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Option<Vec<&str>> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().ok().map(str::trim))
        .collect();
    values.filter(|v| !v.is_empty()).map(|v| v.join(", "))
}

/// `label=:base64:` and nothing else.
fn bytes(headers: &HeaderMap, name: &str, label: &str) -> Option<Vec<u8>> {
    let value = one(headers, name)?.strip_prefix(label)?;
    let text = value.strip_prefix("=:")?.strip_suffix(':')?;
    STANDARD.decode(text).ok()
}

fn seconds(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn token(text: &str, least: usize, most: usize) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.+/=".contains(&b);
    ((least..=most).contains(&text.len()) && text.bytes().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const PARAMETERS: &str = "(\"@method\" \"@path\" \"@query\" \"content-digest\");created=1795420800\
        ;nonce=\"0123456789abcdef\";keyid=\"01930000-0000-7000-8000-000000000001\";alg=\"sm2-sm3\"";

    fn headers(input: &str) -> HeaderMap {
        let digest = format!("sm3=:{}:", STANDARD.encode([7; 32]));
        let pairs = [
            (INPUT, input.to_owned()),
            (SIGNATURE, "sig=:AQID:".to_owned()),
            (DIGEST, digest),
        ];
        let pair = |(name, value): (&'static str, String)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(&value).unwrap(),
            )
        };
        pairs.map(pair).into_iter().collect()
    }

    fn good() -> HeaderMap {
        headers(&format!("sig={PARAMETERS}"))
    }

    #[test]
    fn the_signed_text_is_the_standards() {
        let headers = good();
        let sent = Sent::read(&headers).unwrap();
        assert_eq!((sent.created, sent.expires), (1_795_420_800, None));
        assert_eq!(sent.nonce, "0123456789abcdef");
        assert_eq!(sent.keyid, claimed(&headers));
        assert_eq!(
            (sent.signature.as_slice(), sent.digest),
            ([1, 2, 3].as_slice(), [7; 32])
        );
        let uri: Uri = "/api/v1/market/products?name=%E6%A1%A5&size=5"
            .parse()
            .unwrap();
        let base = sent.base(&Method::GET, &uri, &headers).unwrap();
        let digest = STANDARD.encode([7; 32]);
        let want = format!(
            "\"@method\": GET\n\"@path\": /api/v1/market/products\n\
             \"@query\": ?name=%E6%A1%A5&size=5\n\"content-digest\": sm3=:{digest}:\n\
             \"@signature-params\": {PARAMETERS}"
        );
        assert_eq!(base, want);
        let without = sent
            .base(&Method::GET, &"/x".parse().unwrap(), &headers)
            .unwrap();
        assert!(
            without.contains("\"@query\": ?\n"),
            "an absent query is a question mark alone"
        );
    }

    #[test]
    fn everything_that_decides_must_be_covered() {
        let uri: Uri = "/x".parse().unwrap();
        for left_out in COVERED {
            let fewer = PARAMETERS
                .replace(&format!("\"{left_out}\" "), "")
                .replace(&format!(" \"{left_out}\")"), ")");
            let headers = headers(&format!("sig={fewer}"));
            let sent = Sent::read(&headers).unwrap();
            assert!(
                sent.base(&Method::GET, &uri, &headers).is_err(),
                "{left_out}"
            );
        }
        for name in COVERED_IF_SENT {
            let mut keyed = good();
            keyed.insert(name, HeaderValue::from_static("k"));
            let sent = good();
            let sent = Sent::read(&sent).unwrap();
            assert!(sent.base(&Method::GET, &uri, &keyed).is_err(), "{name}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let again = |from: &str, to: &str| format!("sig={}", PARAMETERS.replace(from, to));
        let wrong = [
            String::new(),
            "sig".into(),
            "sig=()".into(),
            PARAMETERS.into(),
            format!("sig={PARAMETERS}, other={PARAMETERS}"),
            format!("SIG={PARAMETERS}"),
            format!("sig={PARAMETERS};created=1"),
            format!("sig={PARAMETERS};tag=\"x\""),
            format!("sig={PARAMETERS};"),
            again("\"@method\" ", "\"@method\"  "),
            again("\"@method\" ", "\"@method\" \"@method\" "),
            again("\"@method\"", "\"@METHOD\""),
            again("\"@method\"", "\"@method\";req"),
            again("created=1795420800", "created=\"1795420800\""),
            again("created=1795420800", "created=-1"),
            again("created=1795420800", "created=99999999999999999999"),
            again("created=1795420800;", ""),
            again(";nonce=\"0123456789abcdef\"", ""),
            again("0123456789abcdef", "short"),
            again("0123456789abcdef", "0123456789 abcdef"),
            again("sm2-sm3", "rsa-v1_5-sha256"),
        ];
        for input in wrong {
            assert!(Sent::read(&headers(&input)).is_err(), "{input}");
        }
        for (name, value) in [
            (SIGNATURE, "other=:AQID:"),
            (SIGNATURE, "sig=AQID"),
            (SIGNATURE, "sig=:AQID:;x=1"),
            (DIGEST, "sha-256=:AQID:"),
            (DIGEST, "sm3=:AQID:"),
        ] {
            let mut headers = good();
            headers.insert(name, HeaderValue::from_static(value));
            assert!(Sent::read(&headers).is_err(), "{name}: {value}");
        }
        for name in [INPUT, SIGNATURE, DIGEST] {
            let mut twice = good();
            let value = twice[name].clone();
            twice.append(name, value);
            assert!(Sent::read(&twice).is_err(), "{name} twice");
            let mut without = good();
            without.remove(name);
            assert!(Sent::read(&without).is_err(), "no {name}");
        }
    }
}
