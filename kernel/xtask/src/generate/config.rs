//! `docs/config.md`, from `host-config/reference.toml`: the comment above a key is its meaning.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use super::{File, row};

const SOURCE: &str = "host-config/reference.toml";

pub(super) fn file(root: &Path) -> Result<File> {
    let text = fs::read_to_string(root.join(SOURCE)).context(SOURCE)?;
    let page = page(&text).context(SOURCE)?;
    Ok((PathBuf::from("docs/config.md"), page))
}

/// A key with what the file says of it.
struct Key {
    section: String,
    name: String,
    default: String,
    comment: String,
}

fn page(text: &str) -> Result<String> {
    let (preface, keys) = read(text)?;
    let mut page = format!(
        "# Configuration\n\n<!-- From {SOURCE}; `cargo xtask gen` writes it. -->\n\n{preface}\n"
    );
    let mut section = None;
    for key in &keys {
        if section != Some(&key.section) {
            section = Some(&key.section);
            let title = if key.section.is_empty() {
                "Without a section".to_owned()
            } else {
                format!("`[{}]`", key.section)
            };
            page.push_str("\n## ");
            page.push_str(&title);
            page.push_str("\n\n");
            page.push_str(&row(&["Key", "Default", "Meaning"]));
            page.push_str("|---|---|---|\n");
        }
        page.push_str(&row(&[
            &format!("`{}`", key.name),
            &format!("`{}`", key.default),
            &key.comment,
        ]));
    }
    Ok(page)
}

/// The comment at the head of the file, and its keys in order. Every value stands on one line.
fn read(text: &str) -> Result<(String, Vec<Key>)> {
    let mut preface = None;
    let mut comment: Vec<&str> = Vec::new();
    let mut section = String::new();
    let mut keys = Vec::new();
    let mut sections = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
        } else if line.is_empty() {
            // A comment that stands alone at the head is the file's, elsewhere the next key's.
            if preface.is_none() && keys.is_empty() && section.is_empty() {
                preface = Some(std::mem::take(&mut comment).join("\n"));
            }
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.trim_matches(['[', ']'])
                .trim()
                .clone_into(&mut section);
            sections.insert(section.clone());
            comment.clear();
        } else {
            let (name, default) = line
                .split_once('=')
                .with_context(|| format!("`{line}` is no key with its value on one line"))?;
            keys.push(Key {
                section: section.clone(),
                name: name.trim().to_owned(),
                default: default.trim().to_owned(),
                comment: std::mem::take(&mut comment).join(" "),
            });
        }
    }
    let listed: BTreeSet<String> = keys.iter().map(Key::path).collect();
    let mut meant = paths("", &toml::from_str(text)?);
    // A section without keys is no key.
    meant.retain(|path| !sections.contains(path));
    ensure!(
        listed == meant,
        "these keys were not read as they are meant: {:?}",
        listed.symmetric_difference(&meant).collect::<Vec<_>>()
    );
    Ok((preface.unwrap_or_default(), keys))
}

impl Key {
    fn path(&self) -> String {
        join(&self.section, &self.name)
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

/// The path of every value in a table; tables in lists count once.
fn paths(section: &str, table: &Table) -> BTreeSet<String> {
    table
        .iter()
        .flat_map(|(name, value)| {
            let path = join(section, name);
            match value {
                Value::Table(inner) if !inner.is_empty() => paths(&path, inner),
                Value::Array(items) if items.iter().any(Value::is_table) => items
                    .iter()
                    .filter_map(Value::as_table)
                    .flat_map(|inner| paths(&path, inner))
                    .collect(),
                _ => BTreeSet::from([path]),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_comment_above_it() {
        let page = page("# Every key.\n\n[http]\n# Largest,\n# in MiB.\nupload = 24\nopen = false\n\n[a.b]\nc = []\nd = {}\n\n[e]\n").unwrap();
        for part in [
            "Every key.\n",
            "## `[http]`",
            "| `upload` | `24` | Largest, in MiB. |",
            "| `open` | `false` |  |",
            "## `[a.b]`",
            "| `c` | `[]` |  |",
            "| `d` | `{}` |  |",
        ] {
            assert!(page.contains(part), "{part} in\n{page}");
        }
    }

    #[test]
    fn a_value_that_the_lines_do_not_show_is_no_silent_gap() {
        assert!(page("list = [\n  1,\n]\n").is_err());
        assert!(page("[a]\nb = { c = 1 }\n").is_err());
    }
}
