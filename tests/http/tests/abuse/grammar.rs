//! Malformed requests from a grammar: every operation of the platform's own description, every way
//! to be wrong. The same seed gives the same requests.

use serde_json::{Map, Value, json};

/// `SplitMix64`: small, seeded, the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        let most = u64::try_from(most.max(1)).expect("a small number");
        usize::try_from(self.next() % most).expect("a small number")
    }

    /// Whether one of so many tries hits.
    pub(crate) fn one_in(&mut self, tries: usize) -> bool {
        self.below(tries) == 0
    }

    fn word(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Marks what must never come back as markup.
pub(crate) const MARK: &str = "<rqx";

/// Text that somebody, somewhere, has taken for a command.
const TEXTS: [&str; 30] = [
    "",
    " ",
    "桥",
    "' OR '1'='1",
    "'; DROP TABLE platform__users; --",
    "1) UNION SELECT password FROM platform__users--",
    "\"><rqx onmouseover=alert(1)>",
    "<rqx src=x onerror=alert(1)>",
    "</textarea><rqx>",
    "javascript:alert(1)//<rqx>",
    "{{7*7}}${7*7}<%= 7*7 %><rqx>",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/proc/self/environ",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]:22/",
    "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>&x;</r>",
    "%00",
    "\u{0}",
    "\u{202e}gnp.exe",
    "\u{feff}",
    "a\r\nset-cookie: rq_session=x",
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "=cmd|'/c calc'!A1",
    "$(id)`id`;id|id",
    "true",
    "null",
    "-1",
    "99999999999999999999999999",
];

const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "-1",
    "1e999",
    "-1e999",
    "1e-999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "0.1",
    "18446744073709551616",
    "1E400000000",
];

const TYPES: [&str; 12] = [
    "application/json",
    "application/json; charset=utf-16",
    "application/json;",
    "text/plain",
    "text/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=\"",
    "application/octet-stream",
    "application/problem+json",
    "*/*",
];

const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "X",
];

/// One operation of the description.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) path: String,
    method: String,
    parameters: Vec<String>,
    /// Schema of the JSON body.
    body: Option<Value>,
}

/// The operations of an OpenAPI document.
pub(crate) fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.filter(|p| p["in"] == "query");
            let body = operation.pointer("/requestBody/content/application~1json/schema");
            all.push(Operation {
                path: path.clone(),
                method: method.to_uppercase(),
                parameters: query
                    .filter_map(|p| p["name"].as_str().map(str::to_owned))
                    .collect(),
                body: body.cloned(),
            });
        }
    }
    all
}

/// Who sends it.
pub(crate) struct Who {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// A request, ready to send.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) target: String,
    pub(crate) head_only: bool,
    /// It ends before it says it would.
    pub(crate) cut: bool,
    /// For a person, who gets a page.
    pub(crate) page: bool,
}

/// Pages with forms, which take posts in the encodings of browsers.
const PAGES: [&str; 8] = [
    "/",
    "/login",
    "/console/models/upload",
    "/console/audit",
    "/access/apps",
    "/access/apps/new",
    "/market/products",
    "/platform/account",
];

pub(crate) fn request(dice: &mut Dice, operations: &[Operation], who: &Who) -> Request {
    let page = dice.one_in(6);
    let operation = dice.pick(operations).clone();
    let mut target = if page {
        dice.word(&PAGES).to_owned()
    } else {
        path(dice, &operation.path)
    };
    if dice.one_in(12) {
        target.push_str(dice.word(&[
            "/",
            "//",
            "/..",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/%00",
            "%",
            ";x=1",
        ]));
    }
    target.push_str(&query(dice, &operation.parameters));
    let method = if dice.one_in(10) {
        dice.word(&METHODS).to_string()
    } else if page {
        dice.word(&["GET", "POST"]).to_string()
    } else {
        operation.method.clone()
    };
    let (mut kind, body) = if page {
        form(dice)
    } else {
        (
            "application/json".to_owned(),
            json_body(dice, operation.body.as_ref()),
        )
    };
    if dice.one_in(8) {
        dice.word(&TYPES).clone_into(&mut kind);
    }
    let mut lines = vec![
        format!("{method} {target} HTTP/1.1"),
        "host: localhost".into(),
    ];
    if !kind.is_empty() {
        lines.push(format!("content-type: {kind}"));
    }
    if !who.cookie.is_empty() {
        lines.push(format!("cookie: {}", who.cookie));
        if !dice.one_in(20) {
            lines.push(format!("x-csrf-token: {}", who.csrf));
        }
    }
    if page {
        lines.push("accept: text/html".into());
    }
    let odd = odd_headers(dice);
    let cut = !body.is_empty() && dice.one_in(40);
    let length = if cut {
        body.len() + 1 + dice.below(1_000)
    } else {
        body.len()
    };
    lines.push(format!("content-length: {length}"));
    let mut bytes = lines.join("\r\n").into_bytes();
    bytes.extend(odd);
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend(body);
    Request {
        bytes,
        head_only: method == "HEAD",
        cut,
        page: !target.starts_with("/api"),
        target,
    }
}

fn path(dice: &mut Dice, declared: &str) -> String {
    let mut filled = String::new();
    for part in declared.split_inclusive('}') {
        match part.split_once('{') {
            None => filled.push_str(part),
            Some((before, _)) => {
                filled.push_str(before);
                filled.push_str(&segment(dice));
            }
        }
    }
    filled
}

fn segment(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "00000000-0000-7000-8000-000000000000".into(),
        1 => "01930000-0000-7000-8000-000000000101".into(),
        2 => "..%2f..%2fetc%2fpasswd".into(),
        3 => "%ff%fe".into(),
        4 => "9".repeat(1 + dice.below(300)),
        _ => escaped(dice.word(&TEXTS)),
    }
}

fn query(dice: &mut Dice, declared: &[String]) -> String {
    let mut pairs = Vec::new();
    for _ in 0..dice.below(4) {
        let name = if declared.is_empty() || dice.one_in(4) {
            escaped(dice.word(&TEXTS))
        } else {
            dice.pick(declared).clone()
        };
        let value = match dice.below(5) {
            0 => dice.word(&NUMBERS).to_owned(),
            1 => "%ff%00%".into(),
            2 => "a".repeat(dice.below(3_000)),
            _ => escaped(dice.word(&TEXTS)),
        };
        pairs.push(format!("{name}={value}"));
    }
    if pairs.is_empty() {
        return String::new();
    }
    format!("?{}", pairs.join("&"))
}

fn escaped(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
        _ => format!("%{b:02x}"),
    };
    text.bytes().map(byte).collect()
}

/// A body that may fit the schema but for one field, or may be no JSON at all.
fn json_body(dice: &mut Dice, schema: Option<&Value>) -> Vec<u8> {
    let value = match schema {
        Some(schema) => document(dice, schema),
        None if dice.one_in(2) => return Vec::new(),
        None => json!({ "x": dice.word(&TEXTS) }),
    };
    let mut bytes = value.to_string().into_bytes();
    match dice.below(14) {
        0 => bytes.truncate(dice.below(bytes.len())),
        1 => {
            let open = dice.word(&["[", "{\"a\":"]);
            bytes = open.repeat(5_000).into_bytes();
        }
        2 => bytes = format!("{{\"x\": {}}}", dice.word(&NUMBERS)).into_bytes(),
        3 => {
            let at = dice.below(bytes.len());
            bytes.insert(at, 0xff);
        }
        4 => bytes = b"{\"a\": 1, \"a\": 2, \"__proto__\": {}}".to_vec(),
        5 => {
            bytes = dice
                .word(&[
                    "[]",
                    "1",
                    "null",
                    "\"x\"",
                    "true",
                    "",
                    "\u{feff}{}",
                    "{}{}",
                    "NaN",
                ])
                .as_bytes()
                .to_vec();
        }
        6 => bytes = b"{\"x\": \"\\ud800\"}".to_vec(),
        7 => bytes = format!("{{\"x\": \"{}\"}}", "长".repeat(20_000)).into_bytes(),
        8 => bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(),
        _ => {}
    }
    bytes
}

fn document(dice: &mut Dice, schema: &Value) -> Value {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    // Some fit in every field, so that what comes after the first check is reached as well.
    let wrong = if dice.one_in(3) {
        usize::MAX
    } else {
        dice.below(properties.len())
    };
    let mut body = Map::new();
    for (index, (name, field)) in properties.iter().enumerate() {
        if dice.one_in(8) {
            continue;
        }
        let value = if index == wrong {
            misfit(dice)
        } else {
            fit(dice, field)
        };
        body.insert(name.clone(), value);
    }
    if dice.one_in(6) {
        body.insert(dice.word(&TEXTS).to_owned(), misfit(dice));
    }
    Value::Object(body)
}

fn fit(dice: &mut Dice, field: &Value) -> Value {
    if let Some(options) = field["enum"].as_array().filter(|o| !o.is_empty()) {
        return dice.pick(options).clone();
    }
    match (field["type"].as_str(), field["format"].as_str()) {
        (_, Some("uuid")) => "01930000-0000-7000-8000-000000000101".into(),
        (_, Some("date")) => "2027-01-31".into(),
        (_, Some("date-time")) => "2027-01-31T00:00:00Z".into(),
        (Some("integer"), _) => json!(1 + dice.below(24)),
        (Some("boolean"), _) => json!(true),
        _ if field["pattern"].is_string() => "100000.00".into(),
        (Some("string"), _) => dice.word(&TEXTS).into(),
        _ => json!([dice.word(&TEXTS)]),
    }
}

fn misfit(dice: &mut Dice) -> Value {
    match dice.below(7) {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(u64::MAX),
        3 => json!([[[dice.word(&TEXTS)]]]),
        4 => json!({ "a": { "b": dice.word(&TEXTS) } }),
        5 => json!(false),
        _ => dice.word(&TEXTS).into(),
    }
}

/// A form as browsers encode it, whole or broken.
fn form(dice: &mut Dice) -> (String, Vec<u8>) {
    let names = [
        "_csrf", "_form", "_action", "_record", "_key", "username", "password", "name", "file",
        "next",
    ];
    if dice.one_in(2) {
        let pairs: Vec<String> = (0..dice.below(6))
            .map(|_| format!("{}={}", dice.word(&names), escaped(dice.word(&TEXTS))))
            .collect();
        return (
            "application/x-www-form-urlencoded".into(),
            pairs.join("&").into_bytes(),
        );
    }
    let mut body = Vec::new();
    for _ in 0..dice.below(4) {
        let (name, text) = (dice.word(&names), dice.word(&TEXTS));
        let file = if dice.one_in(3) {
            "; filename=\"../../x.wasm\""
        } else {
            ""
        };
        let part = format!(
            "--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n"
        );
        body.extend(part.into_bytes());
    }
    body.extend_from_slice(b"--x--\r\n");
    if dice.one_in(3) {
        body.truncate(dice.below(body.len()));
    }
    ("multipart/form-data; boundary=x".into(), body)
}

/// Header lines, each with its line break before it.
fn odd_headers(dice: &mut Dice) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for _ in 0..dice.below(3) {
        lines.push(match dice.below(16) {
            0 => b"idempotency-key: \xe6\xa1\xa5".to_vec(),
            1 => format!("idempotency-key: {}", "k".repeat(dice.below(200))).into_bytes(),
            2 => b"x-forwarded-for: 1.2.3.4, \xff, ::1, 999.1.1.1".to_vec(),
            3 => b"accept-language: \xff\xfe;q=9".to_vec(),
            4 => b"signature: sig=:AAAA:".to_vec(),
            5 => b"signature-input: sig=(\"@method\" \"@path\" \"@query\" \"content-digest\");created=1;nonce=\"0123456789abcdef\";keyid=\"x\"\r\nsignature: sig=:AAAA:\r\ncontent-digest: sm3=:AAAA:".to_vec(),
            6 => b"content-encoding: gzip".to_vec(),
            7 => format!("x-long: {}", "a".repeat(dice.below(6_000))).into_bytes(),
            8 => (0..dice.below(60)).map(|n| format!("x-{n}: {n}")).collect::<Vec<_>>().join("\r\n").into_bytes(),
            9 => b"range: bytes=0-0,-1".to_vec(),
            10 => b"accept: application/vnd.rongqiao.page+json".to_vec(),
            11 => b"accept: \xff".to_vec(),
            12 => b"if-none-match: *".to_vec(),
            13 => b"x-http-method-override: DELETE".to_vec(),
            14 => b"cookie: rq_session=x; rq_lang=<rqx>; rq_toast=a.b; rq_visit=../..".to_vec(),
            _ => b"content-digest: sm3=:!:".to_vec(),
        });
    }
    lines.retain(|line| !line.is_empty());
    lines
        .into_iter()
        .flat_map(|line| [b"\r\n".to_vec(), line].concat())
        .collect()
}
