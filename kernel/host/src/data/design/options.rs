//! Options as people type them, a line each.

use std::collections::BTreeMap;

use sdk_contract::def::{ChoiceDef, Label, OptionDef, Tone};

/// Options of one choice.
const MOST_OPTIONS: usize = 200;

/// `value name` on each line.
pub(super) fn options(text: &str) -> Result<Vec<OptionDef>, String> {
    let mut all: Vec<OptionDef> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (value, label) = line
            .split_once(char::is_whitespace)
            .map_or((line, line), |(v, l)| (v, l.trim()));
        let fine = value.len() <= 40
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fine {
            return Err(format!(
                "“{line}”：每行先写代码（英文字母、数字、短横线），空格后写名称，如 small 小型"
            ));
        }
        if all.iter().any(|o| o.value == value) {
            return Err(format!("代码“{value}”出现了两次"));
        }
        all.push(OptionDef {
            value: value.to_owned(),
            label: Label::from(label),
            tone: Tone::Neutral,
        });
    }
    match all.len() {
        0 => Err("请至少填写一个选项".to_owned()),
        n if n > MOST_OPTIONS => Err(format!("最多 {MOST_OPTIONS} 个选项")),
        _ => Ok(all),
    }
}

pub(in crate::data) fn option_lines(choice: &ChoiceDef) -> String {
    let lines = choice
        .options
        .iter()
        .map(|o| format!("{} {}", o.value, o.label.zh));
    lines.collect::<Vec<_>>().join("\n")
}

/// `old new` on each line.
pub(super) fn renamed_options(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (from, to) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("“{line}”：每行写原代码和新代码，用空格分开"))?;
        all.insert(from.to_owned(), to.trim().to_owned());
    }
    if all.is_empty() {
        return Err("请写明哪些选项并入哪些选项".to_owned());
    }
    Ok(all)
}
