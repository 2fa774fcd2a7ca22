//! Error codes are promises to API callers: each one that the kernel, the contract or the SDK uses
//! stands in the tables of `sdk/contract/src/error/codes.rs` with its status, and no row is of a
//! code that nobody uses.

use std::collections::BTreeSet;

use sdk_contract::disclosure::Denial;
use sdk_contract::error::codes::{self, CODES, FIELD_CODES, PEOPLE_CODES};

use super::sources::{Part, literals, parts, without_tests};
use super::{Finding, Repo};

const TABLE: &str = "sdk/contract/src/error/codes.rs";
/// Where codes of the kernel's own are used.
const PLACES: &[&str] = &["kernel/", "sdk/contract/src/", "sdk/sdk/src/"];
/// Where a code also travels as the first of a pair with its sentence.
const PAIRS: &[&str] = &[
    "kernel/api/src/problem.rs",
    "sdk/contract/src/page/entry.rs",
];
/// Begins the row of a code that is put together from a plugin's id.
const BUILT: &str = "<plugin>.";

/// A call that takes a code: its name, which argument the code is, and whether it is a field's.
struct Head {
    name: &'static str,
    at: usize,
    field: bool,
}

const HEADS: &[Head] = &[
    head("Fault::new", 1, false),
    head("Fault::refused", 0, false),
    head("Fault::conflict", 0, false),
    head("FieldFault::new", 1, true),
    head("misfit", 0, true),
    head("Problem::new", 1, false),
    head("Problem::bad_request", 0, false),
];

const fn head(name: &'static str, at: usize, field: bool) -> Head {
    Head { name, at, field }
}

/// A code in a source.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    line: usize,
    code: String,
    field: bool,
    /// Where the call says it.
    status: Option<u16>,
}

pub(super) fn in_the_table(repo: &Repo) -> Vec<Finding> {
    if !repo.files.contains_key(TABLE) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut said = BTreeSet::new();
    let sources = PLACES.iter().flat_map(|place| repo.under(place, ".rs"));
    for (path, text) in sources {
        let ours = path.contains("/src/") && !path.starts_with("kernel/xtask/");
        if !ours || path == TABLE || path.ends_with("tests.rs") {
            continue;
        }
        let text = without_tests(text);
        said.extend(literals(text).into_iter().map(|(_, literal)| literal));
        for used in uses(text, PAIRS.contains(&path)) {
            if let Some(what) = wrong(&used) {
                findings.push(Finding::new(format!("{path}:{}", used.line), what));
            }
        }
    }
    let rows = CODES.iter().chain(PEOPLE_CODES).map(|row| row.code);
    let rows = rows.chain(FIELD_CODES.iter().map(|row| row.code));
    // Refusals to read a subject's data build theirs from the denial.
    said.extend(Denial::ALL.map(|denial| denial.fault().code));
    let unused = rows.filter(|code| !said.contains(*code) && !code.starts_with(BUILT));
    findings.extend(unused.map(|code| Finding::new(TABLE, format!("nobody uses `{code}`"))));
    findings
}

fn wrong(used: &Use) -> Option<String> {
    let code = &used.code;
    if used.field {
        let known = FIELD_CODES.iter().any(|row| row.code == code);
        return (!known).then(|| format!("`{code}` is not in FIELD_CODES of {TABLE}"));
    }
    let Some(row) = codes::of(code) else {
        return Some(format!("`{code}` is in no table of {TABLE}"));
    };
    let status = used.status?;
    (!row.statuses.contains(&status))
        .then(|| format!("`{code}` with status {status}, which its row in {TABLE} does not give"))
}

fn uses(text: &str, with_pairs: bool) -> Vec<Use> {
    let chars = parts(text);
    let mut found = Vec::new();
    let mut line = 1;
    for (at, (c, part)) in chars.iter().enumerate() {
        line += usize::from(*c == '\n');
        if *part != Part::Code || *c != '(' {
            continue;
        }
        let name = callee(&chars, at);
        if let Some(head) = HEADS.iter().find(|head| head.name == name) {
            let arguments = arguments(&chars, at + 1);
            if let Some(code) = arguments.get(head.at).and_then(|text| literal(text)) {
                found.push(Use {
                    line,
                    code: code.to_owned(),
                    field: head.field,
                    status: status(&name, &arguments, code),
                });
            }
        } else if with_pairs && name.is_empty() {
            let pair = arguments(&chars, at + 1);
            let code = pair.first().and_then(|text| literal(text));
            if let (Some(code), true) = (code.filter(|code| is_code(code)), pair.len() > 1) {
                // A pair of the API is of a request, one of the forms of a field.
                let field = FIELD_CODES.iter().any(|row| row.code == code);
                found.push(Use {
                    line,
                    code: code.to_owned(),
                    field,
                    status: None,
                });
            }
        }
    }
    found
}

/// The path in front of an opening parenthesis; empty when there is none.
fn callee(chars: &[(char, Part)], at: usize) -> String {
    let before = chars.get(..at).unwrap_or_default();
    let name: Vec<char> = before
        .iter()
        .rev()
        .take_while(|(c, part)| {
            *part == Part::Code && (c.is_alphanumeric() || matches!(c, '_' | ':' | '!' | '>' | '<'))
        })
        .map(|(c, _)| *c)
        .collect();
    name.into_iter().rev().collect()
}

/// The arguments of a call, from behind its opening parenthesis.
fn arguments(chars: &[(char, Part)], from: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut depth = 0_u32;
    for (c, part) in chars.get(from..).unwrap_or_default() {
        if *part == Part::Comment {
            continue;
        }
        if *part == Part::Code {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    all.push(String::new());
                    continue;
                }
                _ => {}
            }
        }
        if let Some(last) = all.last_mut() {
            last.push(*c);
        }
    }
    all
}

/// What stands between the quotes, if the argument is one literal.
fn literal(argument: &str) -> Option<&str> {
    let inside = argument.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!inside.contains('"')).then_some(inside)
}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'.')
}

/// The status that a call says, where it does.
fn status(name: &str, arguments: &[String], code: &str) -> Option<u16> {
    // The API turns this one refusal into 401, so that a client knows that signing in may help.
    if code == "unauthenticated" {
        return Some(401);
    }
    match name {
        "Fault::refused" => return Some(422),
        "Fault::conflict" => return Some(409),
        "Problem::bad_request" => return Some(400),
        _ => {}
    }
    let kind = arguments.first()?.trim();
    Some(match kind.rsplit("::").next()? {
        "NotFound" => 404,
        "Forbidden" | "FORBIDDEN" => 403,
        "Conflict" => 409,
        "Invalid" | "BAD_REQUEST" => 400,
        "Refused" => 422,
        "Unavailable" | "SERVICE_UNAVAILABLE" => 503,
        "Internal" => 500,
        "UNAUTHORIZED" => 401,
        "TOO_MANY_REQUESTS" => 429,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<(String, bool, Option<u16>)> {
        uses(text, true)
            .into_iter()
            .map(|used| (used.code, used.field, used.status))
            .collect()
    }

    #[test]
    fn codes_are_found_where_calls_take_them() {
        let text = r#"
            // Fault::refused("in-a-comment", "…")
            Fault::refused("x.over", format!("a, {b}"));
            Err(Fault::new(
                FaultKind::Unavailable,
                "busy",
                "…",
            ));
            FieldFault::new(name(a, b), "taken", "…");
            Fault::new(kind, format!("{id}.x"), "…");
            Err(("too-long", message(1)));
            f("not-a-code", 2);
        "#;
        let expected = [
            ("x.over".to_owned(), false, Some(422)),
            ("busy".to_owned(), false, Some(503)),
            ("taken".to_owned(), true, None),
            ("too-long".to_owned(), true, None),
        ];
        assert_eq!(codes(text), expected);
    }

    #[test]
    fn a_code_or_a_status_outside_the_table_is_found() {
        let found = |text: &str| {
            let repo = Repo::of(&[("kernel/api/src/lib.rs", text), (TABLE, "")]);
            let all = in_the_table(&repo);
            all.iter().filter(|f| f.at.starts_with("kernel/")).count()
        };
        assert_eq!(found(r#"Fault::conflict("stale", "…")"#), 0);
        assert_eq!(found(r#"Fault::conflict("stail", "…")"#), 1);
        assert_eq!(found(r#"Fault::refused("stale", "…")"#), 1);
        assert_eq!(found(r#"FieldFault::new("a", "stale", "…")"#), 1);
    }

    #[test]
    fn a_row_that_nobody_uses_is_found() {
        let all = in_the_table(&Repo::of(&[
            ("kernel/api/src/lib.rs", r#"Fault::conflict("stale", "…")"#),
            (TABLE, ""),
        ]));
        let unused = |code: &str| {
            all.iter()
                .any(|f| f.what == format!("nobody uses `{code}`"))
        };
        assert!(unused("busy") && !unused("stale") && !unused("consent.expired"));
    }
}
