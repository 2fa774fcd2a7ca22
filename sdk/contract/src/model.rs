//! What a bank's scoring model declares about itself: the document behind a model's `describe()`.
//!
//! The host collects exactly the declared features, encodes them in declared order, and after the
//! call turns the score into a grade and a probability and the contributions into reasons.
//! Deliberately absent: coefficients. They are the bank's and stay inside the component.
//!
//! Unknown keys are ignored, so that a newer document still reads.

#![expect(
    clippy::float_arithmetic,
    reason = "scores and odds are floats; no money passes here"
)]

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the model document this crate reads and writes.
pub const MODEL_DOCUMENT: u32 = 1;
/// The most features a model may declare.
pub const MAX_FEATURES: usize = 512;
/// What a feature may not be about: gender, ethnic group, household registration, and what stands for
/// them: where somebody is from, and the number of a resident's card, which says two of them. Between
/// spaces it is a word of its own.
const UNFAIR: [&str; 30] = [
    " gender ",
    " sex ",
    " male ",
    " female ",
    " men ",
    " women ",
    " ethnic ",
    " ethnicity ",
    " race ",
    " hukou ",
    " household registration ",
    "性别",
    " 男 ",
    " 女 ",
    "民族",
    "汉族",
    "户籍",
    " 户口",
    "业户口",
    "镇户口",
    " birthplace ",
    " place of birth ",
    " native place ",
    " resident id ",
    " id card ",
    " id number ",
    "籍贯",
    "祖籍",
    "出生地",
    "身份证",
];
/// How far a golden case's score may be from the declared one, in score points.
pub const GOLDEN_TOLERANCE: f64 = 1e-9;
/// How far base + contributions may be from the score, in score points.
pub const SUM_TOLERANCE: f64 = 1e-6;

/// A model's whole declaration. Scores are points: higher means a lower risk of default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelDef {
    /// A slug: `german-credit`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub target: Target,
    pub provenance: Provenance,
    /// In the order the batch carries them.
    pub features: Vec<FeatureInput>,
    /// Share (0 to 1) of the features that must be present for a row to get a score.
    #[serde(default)]
    pub min_coverage: f64,
    pub scale: Scale,
    /// Points before any contribution: the score of a row whose every feature is average.
    pub base: f64,
    /// Best first. The last one also takes every score below its own `at_least`.
    pub grades: Vec<Grade>,
    /// The lowest and the highest score the model can give.
    pub min_score: f64,
    pub max_score: f64,
    /// Rows whose score is known. The host runs them before the model may go live.
    pub golden: Vec<GoldenCase>,
}

/// What the model predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// For people: `放款后 12 个月内逾期 90 天以上`.
    pub label: String,
    /// Column of a file of known outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The value of that column that means default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<String>,
}

/// How the model came to be, so that it can be fitted again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The data set, for people.
    pub data: String,
    /// Where it comes from: package and version, or generator and its version.
    pub source: String,
    pub rows: u64,
    pub seed: u64,
    /// The command that fits it.
    pub command: String,
    /// Rows kept away from fitting, on which the next two were measured.
    #[serde(default)]
    pub held_out_rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_auc: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_ks: Option<f64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One feature the model reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureInput {
    /// As a plugin provides it, `tax.paid_12m`, or as a file names its column.
    pub name: String,
    pub label: String,
    pub kind: FeatureKind,
    /// Said to a person when this feature lowers the score.
    pub reason: Reason,
    pub missing: MissingPolicy,
}

/// What values a feature takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureKind {
    /// A finite number. The limits are those of plausible data, not of the fitted sample: a value
    /// outside is an error in the data, so the row gets no score instead of a clamped one.
    Number {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
        /// For people: `元`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        unit: String,
    },
    /// One of a closed list. A value that is not in the list counts as missing.
    Category { values: Vec<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Stable, unique in the model: `R03`.
    pub code: String,
    pub text: String,
}

/// What the model makes of a feature that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingPolicy {
    /// Neither good nor bad: contributes nothing.
    Neutral,
    /// Missing was observed when fitting and has points of its own.
    Own,
    /// No score without it.
    Refuse,
}

/// Score = `base_score` + `pdo` · log2(odds / `base_odds`), with odds good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scale {
    pub base_score: f64,
    pub base_odds: f64,
    /// Points that double the odds.
    pub pdo: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Grade {
    pub grade: String,
    pub at_least: f64,
}

/// A row and the score it must get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GoldenCase {
    /// By feature name; an absent feature is missing.
    pub input: BTreeMap<String, FeatureValue>,
    pub score: f64,
}

/// A feature's value as JSON: a number, a text or null. A number may also come as decimal text,
/// as files and the collections' money and decimal fields carry it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FeatureValue {
    Number(f64),
    Text(String),
    Missing,
}

/// Why a row gets no score.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    #[error("feature {feature} is not a number")]
    NotANumber { feature: String },
    #[error("feature {feature} is not a category")]
    NotACategory { feature: String },
    #[error("feature {feature} is {value}, outside its plausible range")]
    OutOfRange { feature: String, value: f64 },
    #[error("feature {feature} is missing and the model refuses to score without it")]
    Refused { feature: String },
    #[error("{present} of {declared} features are present, fewer than the model needs")]
    Coverage { present: usize, declared: usize },
}

/// Something wrong in a declaration: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct ModelFault {
    /// Path in the document: `features[3].kind`.
    pub at: String,
    pub what: String,
}

/// A feature that lowered a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawback<'a> {
    pub feature: &'a FeatureInput,
    /// Points, below zero.
    pub contribution: f64,
}

/// One row as the model's `score` takes it: a number a feature, in declared order. A missing value
/// is NaN, a category its index in the declared list.
pub fn encode_row(
    def: &ModelDef,
    input: &BTreeMap<String, FeatureValue>,
) -> Result<Vec<f64>, EncodeError> {
    let row = def
        .features
        .iter()
        .map(|f| f.encode(input.get(&f.name).unwrap_or(&FeatureValue::Missing)))
        .collect::<Result<Vec<f64>, _>>()?;
    let present = row.iter().filter(|v| !v.is_nan()).count();
    if count(present) < def.min_coverage * count(row.len()) {
        return Err(EncodeError::Coverage {
            present,
            declared: row.len(),
        });
    }
    Ok(row)
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::INFINITY, f64::from)
}

impl FeatureInput {
    fn encode(&self, value: &FeatureValue) -> Result<f64, EncodeError> {
        let feature = || self.name.clone();
        let encoded = match (&self.kind, value) {
            (_, FeatureValue::Missing) => f64::NAN,
            (_, FeatureValue::Text(t)) if t.trim().is_empty() => f64::NAN,
            (FeatureKind::Number { min, max, .. }, _) => {
                let n = match value {
                    FeatureValue::Number(n) => Some(*n),
                    FeatureValue::Text(t) => t.trim().parse::<f64>().ok(),
                    FeatureValue::Missing => None,
                };
                let n = n
                    .filter(|n| n.is_finite())
                    .ok_or_else(|| EncodeError::NotANumber { feature: feature() })?;
                if min.is_some_and(|m| n < m) || max.is_some_and(|m| n > m) {
                    return Err(EncodeError::OutOfRange {
                        feature: feature(),
                        value: n,
                    });
                }
                n
            }
            (FeatureKind::Category { values }, FeatureValue::Text(t)) => values
                .iter()
                .position(|v| v == t.trim())
                .map_or(f64::NAN, count),
            (FeatureKind::Category { .. }, FeatureValue::Number(_)) => {
                return Err(EncodeError::NotACategory { feature: feature() });
            }
        };
        if encoded.is_nan() && self.missing == MissingPolicy::Refuse {
            return Err(EncodeError::Refused { feature: feature() });
        }
        Ok(encoded)
    }
}

impl Scale {
    /// Probability of default (0 to 1) that a score stands for.
    pub fn probability(&self, score: f64) -> f64 {
        let odds = self.base_odds * ((score - self.base_score) / self.pdo).exp2();
        1.0 / (1.0 + odds)
    }
}

impl ModelDef {
    /// Probability of default (0 to 1) that a score stands for.
    pub fn probability(&self, score: f64) -> f64 {
        self.scale.probability(score)
    }

    /// The grade of a score; empty when the score is not a number or no grade is declared.
    pub fn grade(&self, score: f64) -> &str {
        if score.is_nan() {
            return "";
        }
        let found = self
            .grades
            .iter()
            .find(|g| score >= g.at_least)
            .or_else(|| self.grades.last());
        found.map_or("", |g| g.grade.as_str())
    }

    /// What lowered the score, worst first, at most `limit`. `contributions` is one row's.
    pub fn drawbacks(&self, contributions: &[f64], limit: usize) -> Vec<Drawback<'_>> {
        let mut below: Vec<_> = self
            .features
            .iter()
            .zip(contributions)
            .filter(|(_, c)| **c < 0.0)
            .map(|(feature, c)| Drawback {
                feature,
                contribution: *c,
            })
            .collect();
        below.sort_by(|a, b| a.contribution.total_cmp(&b.contribution));
        below.truncate(limit);
        below
    }

    /// Everything wrong with the declaration; empty means it may be used.
    pub fn validate(&self) -> Vec<ModelFault> {
        let mut faults = Faults::default();
        faults.unless(is_slug(&self.name), "name", "not a slug of a-z, 0-9 and -");
        faults.unless(
            is_version(&self.version),
            "version",
            "not a semantic version",
        );
        faults.unless(!self.title.trim().is_empty(), "title", "empty");
        faults.unless(
            (0.0..=1.0).contains(&self.min_coverage),
            "min_coverage",
            "not a share between 0 and 1",
        );
        self.check_features(&mut faults);
        self.check_scale(&mut faults);
        self.check_golden(&mut faults);
        faults.0
    }

    fn check_features(&self, faults: &mut Faults) {
        let n = self.features.len();
        faults.unless(n > 0, "features", "none");
        faults.unless(
            n <= MAX_FEATURES,
            "features",
            &format!("more than {MAX_FEATURES}"),
        );
        let mut names = BTreeSet::new();
        let mut codes = BTreeSet::new();
        for (i, f) in self.features.iter().enumerate() {
            let at = |part: &str| format!("features[{i}].{part}");
            faults.unless(
                is_feature_name(&f.name),
                at("name"),
                "not a dotted lower-case name",
            );
            faults.unless(names.insert(&f.name), at("name"), "declared twice");
            faults.unless(!f.label.trim().is_empty(), at("label"), "empty");
            faults.unless(!f.reason.code.is_empty(), at("reason.code"), "empty");
            faults.unless(
                codes.insert(&f.reason.code),
                at("reason.code"),
                "used twice",
            );
            faults.unless(!f.reason.text.trim().is_empty(), at("reason.text"), "empty");
            match &f.kind {
                FeatureKind::Number { min, max, .. } => {
                    let finite = [min, max].into_iter().flatten().all(|v| v.is_finite());
                    let ordered = min.zip(*max).is_none_or(|(a, b)| a < b);
                    faults.unless(finite && ordered, at("kind"), "limits are not in order");
                }
                FeatureKind::Category { values } => {
                    let distinct: BTreeSet<_> = values.iter().collect();
                    faults.unless(!values.is_empty(), at("kind"), "no values");
                    faults.unless(distinct.len() == values.len(), at("kind"), "a value twice");
                    faults.unless(
                        values.iter().all(|v| !v.is_empty() && v.trim() == v),
                        at("kind"),
                        "a value is empty or has space around it",
                    );
                }
            }
            let values = match &f.kind {
                FeatureKind::Category { values } => values.as_slice(),
                FeatureKind::Number { .. } => &[],
            };
            let fair = [&f.name, &f.label]
                .into_iter()
                .chain(values)
                .all(|words| is_fair(words));
            faults.unless(
                fair,
                at("name"),
                "no credit is decided by gender, ethnic group or household registration \
                 (评价信用不得使用性别、民族或户籍，也不得用籍贯、出生地、身份证号代替)",
            );
        }
    }

    fn check_scale(&self, faults: &mut Faults) {
        let Scale {
            base_score,
            base_odds,
            pdo,
        } = self.scale;
        let sound = base_score.is_finite()
            && base_odds.is_finite()
            && pdo.is_finite()
            && base_odds > 0.0
            && pdo > 0.0;
        faults.unless(sound, "scale", "odds and pdo must be finite and above zero");
        faults.unless(self.base.is_finite(), "base", "not a finite number");
        let range = self.min_score.is_finite()
            && self.max_score.is_finite()
            && self.min_score < self.max_score;
        faults.unless(range, "max_score", "not a finite number above min_score");
        faults.unless(!self.grades.is_empty(), "grades", "none");
        faults.unless(
            self.grades
                .iter()
                .all(|g| !g.grade.is_empty() && g.at_least.is_finite()),
            "grades",
            "a grade has no name or no finite limit",
        );
        let descending = self.grades.is_sorted_by(|a, b| a.at_least > b.at_least);
        faults.unless(descending, "grades", "not descending");
        let distinct: BTreeSet<_> = self.grades.iter().map(|g| &g.grade).collect();
        faults.unless(
            distinct.len() == self.grades.len(),
            "grades",
            "a grade twice",
        );
    }

    fn check_golden(&self, faults: &mut Faults) {
        faults.unless(
            !self.golden.is_empty(),
            "golden",
            "no case to check the model with",
        );
        for (i, case) in self.golden.iter().enumerate() {
            for name in case.input.keys() {
                let known = self.features.iter().any(|f| f.name == *name);
                let at = format!("golden[{i}].input");
                faults.unless(known, at, &format!("{name} is not a declared feature"));
            }
            if let Err(e) = encode_row(self, &case.input) {
                faults.unless(false, format!("golden[{i}].input"), &e.to_string());
            }
            let within = (self.min_score - GOLDEN_TOLERANCE..=self.max_score + GOLDEN_TOLERANCE)
                .contains(&case.score);
            faults.unless(
                within,
                format!("golden[{i}].score"),
                "outside min_score and max_score",
            );
        }
    }
}

#[derive(Default)]
struct Faults(Vec<ModelFault>);

impl Faults {
    fn unless(&mut self, holds: bool, at: impl Into<String>, what: &str) {
        if !holds {
            self.0.push(ModelFault {
                at: at.into(),
                what: what.into(),
            });
        }
    }
}

fn is_slug(s: &str) -> bool {
    s.len() <= 64
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && !s.ends_with('-')
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_version(s: &str) -> bool {
    let (core, pre) = s
        .split_once('-')
        .map_or((s, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers
            .iter()
            .all(|n| n.parse::<u32>().is_ok_and(|v| v.to_string() == **n))
        && pre.is_none_or(|p| {
            p.split('.').all(|id| {
                !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
        })
}

fn is_fair(words: &str) -> bool {
    let apart = |c: char| if c.is_alphanumeric() { c } else { ' ' };
    let words: String = words.to_lowercase().chars().map(apart).collect();
    let words = format!(" {words} ");
    !UNFAIR.iter().any(|unfair| words.contains(unfair))
}

fn is_feature_name(s: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    s.len() <= 96 && s.split('.').all(part)
}

#[cfg(test)]
mod tests;
