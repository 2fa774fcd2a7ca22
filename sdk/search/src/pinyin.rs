//! Spellings of Chinese text: whole syllables and their first letters, from every syllable on.
//!
//! Their letters are capitals behind a mark of their own, so that they never meet those of a value,
//! which is folded to small ones.

use std::collections::BTreeSet;

use ::pinyin::{ToPinyin as _, ToPinyinMulti as _};

/// Before the letters of whole syllables; private use, so no text holds it.
const SPELT: char = '\u{E000}';
/// Before first letters.
const INITIALS: char = '\u{E001}';
/// Letters of a line; of a longer question so many count.
const LETTERS: usize = 18;
const FIRST_LETTERS: usize = 8;
/// Readings of a character, and spellings from one syllable on. What is left out is rare: usual
/// readings come first, and spellings with few unusual ones.
const READINGS: usize = 3;
const SPELLINGS: usize = 64;

pub(super) fn is_line(line: &str) -> bool {
    line.starts_with([SPELT, INITIALS])
}

/// The lines of a folded text; none where it holds no Chinese.
pub(super) fn lines(text: &str) -> BTreeSet<String> {
    if !text.chars().any(|c| c.to_pinyin().is_some()) {
        return BTreeSet::new();
    }
    let spelt: Vec<Vec<String>> = text.chars().map(readings).collect();
    let first = |readings: &Vec<String>| {
        let mut letters: Vec<String> = Vec::new();
        for letter in readings.iter().filter_map(|r| r.chars().next()) {
            if !letters.contains(&letter.to_string()) {
                letters.push(letter.to_string());
            }
        }
        letters
    };
    let initials: Vec<Vec<String>> = spelt.iter().map(first).collect();
    let mut lines = BTreeSet::new();
    for from in 0..spelt.len() {
        lines.extend(spellings(SPELT, spelt.get(from..), LETTERS));
        lines.extend(spellings(INITIALS, initials.get(from..), FIRST_LETTERS));
    }
    lines
}

/// The patterns of a folded word that may be a spelling.
pub(super) fn patterns(word: &str) -> Vec<String> {
    let letters: String = word.replace('ü', "v").to_uppercase();
    let spells = letters.chars().all(|c| c.is_ascii_alphanumeric())
        && letters.chars().any(|c| c.is_ascii_alphabetic());
    if !spells {
        return Vec::new();
    }
    let marked = |mark: char, most: usize| {
        let letters = letters.chars().take(most);
        std::iter::once(mark).chain(letters).collect()
    };
    vec![marked(SPELT, LETTERS), marked(INITIALS, FIRST_LETTERS)]
}

/// How a character may be spelt, the most usual first; what is not Chinese spells itself.
fn readings(c: char) -> Vec<String> {
    let first = c.to_pinyin().map(::pinyin::Pinyin::plain);
    let others = c
        .to_pinyin_multi()
        .into_iter()
        .flatten()
        .map(::pinyin::Pinyin::plain);
    let mut all: Vec<String> = Vec::new();
    for plain in first.into_iter().chain(others) {
        // Typed as v, and as u where the keyboard has no ü.
        let typed = if plain.contains('ü') {
            vec![plain.replace('ü', "v"), plain.replace('ü', "u")]
        } else {
            vec![plain.to_owned()]
        };
        for one in typed.iter().map(|t| t.to_uppercase()) {
            if all.len() < READINGS && !all.contains(&one) {
                all.push(one);
            }
        }
    }
    if all.is_empty() {
        all.push(c.to_uppercase().collect());
    }
    all
}

/// The first `most` letters of the syllables, in all their readings.
fn spellings(mark: char, syllables: Option<&[Vec<String>]>, most: usize) -> Vec<String> {
    // How unusual, how many letters.
    let mut all = vec![(String::from(mark), 0_usize, 0_usize)];
    for readings in syllables.unwrap_or_default() {
        if all.iter().all(|(_, _, letters)| *letters >= most) {
            break;
        }
        let mut next = Vec::new();
        for (place, reading) in readings.iter().enumerate() {
            for (spelt, unusual, letters) in &all {
                let more: String = reading.chars().take(most - letters).collect();
                let letters = letters + more.chars().count();
                next.push((format!("{spelt}{more}"), unusual + place, letters));
            }
        }
        next.sort_by_key(|(_, unusual, _)| *unusual);
        next.truncate(SPELLINGS);
        all = next;
    }
    all.into_iter().map(|(spelt, ..)| spelt).collect()
}
