//! How text is searched: by any contiguous part, in Chinese or Latin, and names also by pinyin.
//!
//! Pure, so that every store and the SDK's mock give the same answers: a search field's value is
//! made into a [`document`], a question into [`terms`], and a value is found when each term has a
//! pattern that stands in its document. Stores keep the documents and, to come to them quickly, an
//! index of their [`grams`]; which grams a pattern has never decides what is found.
//!
//! | question | finds |
//! |---|---|
//! | `融桥` | every value with these characters side by side; width, case, spaces and signs are alike |
//! | `0123` | every number and code with this part |
//! | `rongq` | every name with syllables that are spelt so, from the beginning of a syllable |
//! | `rqkj` | every name with syllables that begin so |
//! | `融桥 0123` | values of one record that have both, in whichever search fields |
//!
//! Deliberately absent: word lists. Parts of two characters find everything that words would find,
//! and need no dictionary that must be kept in step with what was indexed.

mod pinyin;

use std::collections::BTreeSet;

use sdk_contract::def::{CollectionDef, FieldDef};
use sdk_contract::kind::Kind;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

/// Grows when documents or grams are made in another way: stores make theirs again.
pub const VERSION: i64 = 1;
/// Characters of a value that can be found.
const LONGEST: usize = 20_000;
/// Texts that may be longer than this are prose, not names: they have no pinyin.
const LONGEST_NAME: u32 = 100;
/// Words of a question that count.
const MOST_TERMS: usize = 8;
/// Between the lines of a document; no text holds it once it is folded.
const LINE: char = '\n';

/// One word of a question, as it may stand in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    patterns: Vec<String>,
}

impl Term {
    /// The texts of which a document must hold one.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

/// Letters and digits alone, in one width and case.
fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// The fields of a collection that a search looks at.
pub fn fields(c: &CollectionDef) -> impl Iterator<Item = &FieldDef> {
    c.fields.iter().filter(|f| f.search && !f.encrypted)
}

/// What a value of a search field is found by: the value, then its spellings, one a line.
pub fn document(kind: &Kind, value: &str) -> String {
    let text: String = fold(value).chars().take(LONGEST).collect();
    let mut document = text.clone();
    if matches!(kind, Kind::Text { max } if *max <= LONGEST_NAME) {
        for line in pinyin::lines(&text) {
            document.push(LINE);
            document.push_str(&line);
        }
    }
    document
}

/// The words of a question; none when nothing is asked. No word can be found where a question has
/// nothing but signs.
pub fn terms(question: &str) -> Option<Vec<Term>> {
    if question.trim().is_empty() {
        return None;
    }
    let words = question.split_whitespace().map(fold);
    let words = words.filter(|word| !word.is_empty()).take(MOST_TERMS);
    Some(words.map(term).collect())
}

fn term(word: String) -> Term {
    let mut patterns = pinyin::patterns(&word);
    patterns.insert(0, word);
    Term { patterns }
}

/// What an index keeps of a document, or looks for of a pattern: two characters side by side, and
/// single ones of a value, for questions of one character.
pub fn grams(text: &str) -> BTreeSet<String> {
    let mut grams = BTreeSet::new();
    for line in text.split(LINE) {
        let chars: Vec<char> = line.chars().collect();
        grams.extend(chars.windows(2).map(String::from_iter));
        if !pinyin::is_line(line) {
            grams.extend(chars.iter().map(char::to_string));
        }
    }
    grams
}

/// The grams that every document with this pattern has; as few as single it out.
pub fn needed(pattern: &str) -> BTreeSet<String> {
    let mut grams = grams(pattern);
    if grams.iter().any(|g| g.chars().nth(1).is_some()) {
        grams.retain(|g| g.chars().nth(1).is_some());
    }
    grams
}

/// Whether a record is found by a question, in the fields that are named.
pub fn finds(
    c: &CollectionDef,
    names: &[String],
    question: &str,
    record: &Map<String, Value>,
) -> bool {
    let Some(terms) = terms(question) else {
        return true;
    };
    let documents: Vec<String> = fields(c)
        .filter(|f| names.contains(&f.name))
        .filter_map(|f| Some(document(&f.kind, record.get(&f.name)?.as_str()?)))
        .collect();
    let found = |term: &Term| {
        let mut patterns = term.patterns.iter();
        patterns.any(|p| documents.iter().any(|d| d.contains(p)))
    };
    !terms.is_empty() && terms.iter().all(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Kind = Kind::Text { max: 60 };

    fn found(value: &str, question: &str) -> bool {
        let document = document(&NAME, value);
        let terms = terms(question).unwrap();
        let held = |t: &Term| t.patterns.iter().any(|p| document.contains(p));
        !terms.is_empty() && terms.iter().all(held)
    }

    #[test]
    fn width_case_and_signs_are_alike() {
        for question in [
            "融桥（深圳）",
            "融桥(深圳)",
            "融 桥",
            "ＲＱ－20",
            "rq20",
            "㈱",
        ] {
            assert!(found("融桥（深圳）科技 RQ-20 (株)", question), "{question}");
        }
        assert!(!found("融桥科技", "桥融"));
        assert!(!found("融桥科技", "%"));
        assert!(!found("融桥科技", "……"));
        assert_eq!(terms(" \u{3000}"), None);
    }

    #[test]
    fn syllables_are_found_from_their_beginning() {
        for question in [
            "rongqiao", "qiaokej", "RONG", "rqkj", "kj", "q", "360", "360shu", "0sz",
        ] {
            assert!(found("融桥科技360数字", question), "{question}");
        }
        for question in ["ongqiao", "iao", "qrkj", "rongke"] {
            assert!(!found("融桥科技360数字", question), "{question}");
        }
        // A value's letters are not its spelling.
        assert!(!found("RONGQIAO", "ongqx"));
        assert!(found("RONGQIAO", "ongq"));
    }

    #[test]
    fn every_reading_counts() {
        let readings = [
            ("重庆银行", "chongqingyinhang"),
            ("重庆银行", "cqyh"),
            ("重庆重工", "chongqingzhonggong"),
            ("重庆行知银行", "chongqingxingzhiyinhang"),
            ("长白参行", "changbaishenhang"),
            ("长沙行知", "changshaxingzhi"),
            ("绿源", "lvyuan"),
            ("绿源", "luyuan"),
            ("绿源", "lüyuan"),
        ];
        for (name, question) in readings {
            assert!(found(name, question), "{name} {question}");
        }
    }

    #[test]
    fn prose_has_no_pinyin() {
        let prose = document(&Kind::Text { max: 1000 }, "随借随还");
        assert_eq!(prose, "随借随还");
    }

    #[test]
    fn grams_let_nothing_slip_through() {
        let document = document(&NAME, "重庆融桥360农业科技（集团）有限公司");
        let grams = grams(&document);
        for question in ["融", "融桥", "360农", "jt", "youxiangongsi", "qrq", "6"] {
            let term = &terms(question).unwrap()[0];
            let pattern = term
                .patterns
                .iter()
                .find(|p| document.contains(*p))
                .unwrap();
            assert!(needed(pattern).is_subset(&grams), "{question}");
        }
        assert_eq!(needed("融桥").into_iter().collect::<Vec<_>>(), ["融桥"]);
        assert_eq!(needed("融").into_iter().collect::<Vec<_>>(), ["融"]);
    }
}
