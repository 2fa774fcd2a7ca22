//! `docs/errors.md`, from the tables of codes.

use std::path::PathBuf;

use sdk_contract::error::codes::{CODES, Code, FIELD_CODES, PEOPLE_CODES};

use super::{File, row};

const HEAD: &str = "\
# Error codes

<!-- From sdk/contract/src/error/codes.rs; `cargo xtask gen` writes it. -->

A failed request is answered with `application/problem+json` (RFC 9457): `status`, `title`, `code`,
`detail` (a sentence for the person, in Chinese), `request_id` (also in the log, with the chain of
causes) and, for wrong fields, `errors` with `field`, `code` and `detail` each. `code` is stable;
act on it and not on the words.

A plugin's own codes begin with its id, `lending.over-limit`; their status is 422 when a rule of the
business refused a well-formed request.

## Of requests

";

pub(super) fn file() -> File {
    let mut text = HEAD.to_owned();
    text.push_str(&table(CODES));
    text.push_str("\n## Of people and organisations\n\n");
    text.push_str(&table(PEOPLE_CODES));
    text.push_str("\n## Of fields\n\n");
    text.push_str(&row(&["Code", "Meaning"]));
    text.push_str("|---|---|\n");
    for code in FIELD_CODES {
        text.push_str(&row(&[&format!("`{}`", code.code), code.meaning]));
    }
    (PathBuf::from("docs/errors.md"), text)
}

fn table(codes: &[Code]) -> String {
    let mut text = row(&["Code", "Status", "Meaning", "What to do"]);
    text.push_str("|---|---|---|---|\n");
    for code in codes {
        let statuses: Vec<String> = code.statuses.iter().map(u16::to_string).collect();
        text.push_str(&row(&[
            &format!("`{}`", code.code),
            &statuses.join(", "),
            code.meaning,
            code.remedy,
        ]));
    }
    text
}
