//! How one version of a template differs from another, in words.

use std::collections::BTreeSet;

use crate::model::{Allowed, Item, purpose};

/// What two versions are compared by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) name: &'a str,
    pub(crate) items: &'a [String],
    pub(crate) purposes: &'a [Allowed],
    pub(crate) recipients: &'a [String],
    pub(crate) text: &'a str,
}

/// Something that came, went or is otherwise now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// 名称、数据项、用途、机构、文本.
    pub(crate) of: &'static str,
    pub(crate) how: How,
    pub(crate) what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Added,
    Removed,
    Changed,
}

/// Everything that differs, in the order of the form.
pub(crate) fn between(old: Content<'_>, new: Content<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |of, how, what: String| changes.push(Change { of, how, what });
    if old.name != new.name {
        add("名称", How::Changed, format!("{} → {}", old.name, new.name));
    }
    let title = |number: &String| Item::of(number).map_or_else(|| number.clone(), Item::title);
    for (how, gone) in moved(old.items, new.items) {
        add("数据项", how, title(gone));
    }
    let name = |a: &Allowed| format!("{} {}", a.purpose, purpose(&a.purpose));
    for was in old.purposes {
        match new.purposes.iter().find(|now| now.purpose == was.purpose) {
            None => add("用途", How::Removed, name(was)),
            Some(now) if now.days != was.days => {
                let what = format!("{}最长 {} 天 → {} 天", name(was), was.days, now.days);
                add("用途", How::Changed, what);
            }
            Some(_) => {}
        }
    }
    for now in new.purposes {
        if !old.purposes.iter().any(|was| was.purpose == now.purpose) {
            add(
                "用途",
                How::Added,
                format!("{}，最长 {} 天", name(now), now.days),
            );
        }
    }
    for (how, recipient) in moved(old.recipients, new.recipients) {
        add("机构", how, recipient.clone());
    }
    for (how, line) in lines(old.text, new.text) {
        add("文本", how, line.to_owned());
    }
    changes
}

/// What is only in one of two lists.
fn moved<'a>(old: &'a [String], new: &'a [String]) -> Vec<(How, &'a String)> {
    let gone = old.iter().filter(|one| !new.contains(one));
    let come = new.iter().filter(|one| !old.contains(one));
    gone.map(|one| (How::Removed, one))
        .chain(come.map(|one| (How::Added, one)))
        .collect()
}

/// Lines that went and came; the rest is the longest part that two texts have in common.
fn lines<'a>(old: &'a str, new: &'a str) -> Vec<(How, &'a str)> {
    let lines = |text: &'a str| -> Vec<&'a str> {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let kept = common(&old, &new);
    let (from, to): (BTreeSet<usize>, BTreeSet<usize>) = kept.into_iter().unzip();
    let only = |all: &[&'a str], kept: &BTreeSet<usize>, how| -> Vec<(How, &'a str)> {
        let rest = all.iter().enumerate().filter(|(at, _)| !kept.contains(at));
        rest.map(|(_, line)| (how, *line)).collect()
    };
    let mut changes = only(&old, &from, How::Removed);
    changes.extend(only(&new, &to, How::Added));
    changes
}

/// Places of a longest common subsequence in both.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    // The longest of what follows each pair of places, from the end.
    let width = new.len() + 1;
    let mut longest = vec![0_usize; (old.len() + 1) * width];
    let length = |longest: &[usize], i: usize, j: usize| {
        longest.get(i * width + j).copied().unwrap_or_default()
    };
    for (i, was) in old.iter().enumerate().rev() {
        for (j, now) in new.iter().enumerate().rev() {
            let here = if was == now {
                length(&longest, i + 1, j + 1) + 1
            } else {
                length(&longest, i + 1, j).max(length(&longest, i, j + 1))
            };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = here;
            }
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while let (Some(was), Some(now)) = (old.get(i), new.get(j)) {
        if was == now {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if length(&longest, i + 1, j) >= length(&longest, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_stay_are_not_told() {
        let told = lines("一\n二\n三\n四", "一\n三\n\n五\n四");
        assert_eq!(told, [(How::Removed, "二"), (How::Added, "五")]);
        assert_eq!(lines("", "一"), [(How::Added, "一")]);
        assert!(lines("一\n二", " 一\n\n二 ").is_empty());
    }

    #[test]
    fn everything_that_differs_is_told() {
        let allowed = |purpose: &str, days| Allowed {
            purpose: purpose.into(),
            days,
        };
        let (items, fewer) = (["25".to_owned(), "26".to_owned()], ["26".to_owned()]);
        let old = Content {
            name: "旧名",
            items: &items,
            purposes: &[allowed("01", 90), allowed("02", 90)],
            recipients: &[],
            text: "一\n二",
        };
        let bank = ["b1".to_owned()];
        let new = Content {
            name: "新名",
            items: &fewer,
            purposes: &[allowed("02", 30), allowed("04", 30)],
            recipients: &bank,
            text: "一\n三",
        };
        let told: Vec<String> = between(old, new)
            .into_iter()
            .map(|c| format!("{} {:?} {}", c.of, c.how, c.what))
            .collect();
        assert_eq!(
            told,
            [
                "名称 Changed 旧名 → 新名",
                "数据项 Removed 25 纳税信用等级",
                "用途 Removed 01 贷前审查",
                "用途 Changed 02 授信审批最长 90 天 → 30 天",
                "用途 Added 04 一键测额，最长 30 天",
                "机构 Added b1",
                "文本 Removed 二",
                "文本 Added 三",
            ]
        );
        assert!(between(old, old).is_empty());
    }
}
