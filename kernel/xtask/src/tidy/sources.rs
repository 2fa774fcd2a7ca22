//! Rules over the Rust sources: length, a word on what each file is for, and where unsafe code
//! may be. Also the little reading of Rust text that other rules use.

use super::{Finding, Repo};

const LONGEST: usize = 700;

/// Where unsafe code may be: the generated glue of guests, and loading compiled components.
const UNSAFE: &[&str] = &[
    "sdk/bindings/src/",
    "sdk/model/src/",
    "kernel/host/src/engine.rs",
];

pub(super) fn length(repo: &Repo) -> Vec<Finding> {
    repo.under("", ".rs")
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| {
            Finding::new(
                path,
                format!("{lines} lines; a file of one subject has at most {LONGEST}"),
            )
        })
        .collect()
}

pub(super) fn module_doc(repo: &Repo) -> Vec<Finding> {
    repo.under("", ".rs")
        .filter(|(path, text)| {
            // Cases for the macro tests are input, and a module of tests says it all by its name.
            let said = text.trim_start().starts_with("//!");
            path.contains("/src/") && !path.ends_with("tests.rs") && !said
        })
        .map(|(path, _)| Finding::new(path, "begins without `//!` on what it is for"))
        .collect()
}

pub(super) fn unsafe_code(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.under("", ".rs") {
        if UNSAFE.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (number, line) in code(text).lines().enumerate() {
            let word = |part: &str| part == "unsafe";
            if line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(word)
            {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    "unsafe code has its place elsewhere",
                ));
            }
        }
    }
    findings
}

/// The text before the module of unit tests, which ends a file.
pub(super) fn without_tests(text: &str) -> &str {
    match text.find("\n#[cfg(test)]\nmod ") {
        Some(end) => text.get(..end).unwrap_or(text),
        None if text.starts_with("#[cfg(test)]\nmod ") => "",
        None => text,
    }
}

/// What stands where in a Rust text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Code,
    Comment,
    Literal,
}

/// Each character with the part it belongs to. The quotes of a literal are code. Understands
/// line comments, nested block comments, plain, raw and byte strings, and characters.
pub(super) fn parts(text: &str) -> Vec<(char, Part)> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, part) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), Part::Comment)
        } else if rest.starts_with("/*") {
            (block_comment(rest), Part::Comment)
        } else if let Some((open, body)) = string(rest) {
            let (start, tail) = rest.split_at(open);
            let (body, _) = tail.split_at(body);
            out.extend(start.chars().map(|c| (c, Part::Code)));
            out.extend(body.chars().map(|c| (c, Part::Literal)));
            rest = tail.get(body.len()..).unwrap_or_default();
            // The closing quote, so that it does not open another string.
            if let Some(quote) = rest.chars().next() {
                out.push((quote, Part::Code));
                rest = rest.get(quote.len_utf8()..).unwrap_or_default();
            }
            continue;
        } else if rest.starts_with("'\"'") {
            (3, Part::Code)
        } else if rest.starts_with("'\\\"'") {
            (4, Part::Code)
        } else {
            (first.len_utf8(), Part::Code)
        };
        let (now, later) = rest.split_at(length);
        out.extend(now.chars().map(|c| (c, part)));
        rest = later;
    }
    out
}

/// The length of a block comment that `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        match (last, c) {
            ('/', '*') => {
                depth += 1;
                last = ' ';
            }
            ('*', '/') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
                last = ' ';
            }
            _ => last = c,
        }
    }
    text.len()
}

/// The lengths of the opening and of the body, if `text` starts with a string literal.
fn string(text: &str) -> Option<(usize, usize)> {
    if text.starts_with('"') {
        let mut escaped = false;
        for (at, c) in text.char_indices().skip(1) {
            match c {
                '"' if !escaped => return Some((1, at - 1)),
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        return Some((1, text.len() - 1));
    }
    let hashes = text.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    let body = hashes.get(count..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(count));
    Some((count + 2, body.find(&close).unwrap_or(body.len())))
}

/// The text with comments and the insides of strings blanked; lines stay where they are.
pub(super) fn code(text: &str) -> String {
    let keep = |(c, part)| {
        if part == Part::Code || c == '\n' {
            c
        } else {
            ' '
        }
    };
    parts(text).into_iter().map(keep).collect()
}

/// Every string literal with the number of the line it starts on.
pub(super) fn literals(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut line = 1;
    let mut inside = false;
    for (c, part) in parts(text) {
        if part == Part::Literal {
            if !inside {
                found.push((line, String::new()));
            }
            if let Some((_, literal)) = found.last_mut() {
                literal.push(c);
            }
        }
        inside = part == Part::Literal;
        line += usize::from(c == '\n');
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let long = "//! Long.\n".repeat(LONGEST + 1);
        assert_eq!(length(&Repo::of(&[("a/src/lib.rs", &long)])).len(), 1);
        assert_eq!(length(&Repo::of(&[("a/src/lib.rs", "//! Short.\n")])), []);
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_found() {
        assert_eq!(
            module_doc(&Repo::of(&[("a/src/lib.rs", "use b;")])).len(),
            1
        );
        assert_eq!(
            module_doc(&Repo::of(&[
                ("a/src/lib.rs", "//! Is for b.\n"),
                ("a/tests/c.rs", "")
            ])),
            []
        );
    }

    #[test]
    fn unsafe_code_is_found_outside_its_places() {
        let unsafe_call = "fn a() {\n    unsafe { b() }\n}";
        let found = unsafe_code(&Repo::of(&[("kernel/api/src/lib.rs", unsafe_call)]));
        assert_eq!(
            found,
            [Finding::new(
                "kernel/api/src/lib.rs:2",
                "unsafe code has its place elsewhere"
            )]
        );
        assert_eq!(
            unsafe_code(&Repo::of(&[("sdk/bindings/src/lib.rs", unsafe_call)])),
            []
        );
        let harmless = "// unsafe\n#![expect(unsafe_code)]\nlet a = \"unsafe\";";
        assert_eq!(
            unsafe_code(&Repo::of(&[("kernel/api/src/lib.rs", harmless)])),
            []
        );
    }

    #[test]
    fn literals_are_read_as_rust_reads_them() {
        let text = "let a = \"one\"; // \"no\"\n/* \"no\" /* */ \"no\" */ f('\"', \"t\\\"wo\", r#\"th\"ree\"#);\n\"four\"";
        let expected = [(1, "one"), (2, "t\\\"wo"), (2, "th\"ree"), (3, "four")];
        let found = literals(text);
        let found: Vec<_> = found
            .iter()
            .map(|(line, literal)| (*line, literal.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn unit_tests_are_cut_off() {
        assert_eq!(
            without_tests("fn a() {}\n\n#[cfg(test)]\nmod tests {}"),
            "fn a() {}\n"
        );
        assert_eq!(without_tests("fn a() {}"), "fn a() {}");
    }
}
