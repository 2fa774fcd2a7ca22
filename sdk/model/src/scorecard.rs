//! A scorecard as tables: for each feature points by bin or category, and points for missing.
//!
//! score = base + the points of each feature, added left to right in declared order. Nothing else
//! happens to the numbers, so every language and machine gets the same bits.

#![expect(
    clippy::float_arithmetic,
    reason = "scores are floats; no money passes here"
)]

use serde::Deserialize;

/// A scorecard, read from the text of `scorecard.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorecard {
    pub(crate) base: f64,
    pub(crate) columns: Vec<Column>,
}

/// One feature's table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Ascending; a number is in the first bin whose limit it is below, the last bin has no limit.
    /// None for a category, whose value is the bin.
    pub(crate) below: Option<Vec<f64>>,
    pub(crate) points: Vec<f64>,
    pub(crate) missing: f64,
}

/// A scored batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scored {
    /// One a row, in points.
    pub scores: Vec<f64>,
    /// Row-major, one for each row and feature, when they were asked for.
    pub contributions: Vec<f64>,
}

/// Why a text is no scorecard.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    #[error("scorecard.json is not a scorecard: {0}")]
    Json(String),
    #[error("the scorecard has no features")]
    Empty,
    #[error("feature {0} has limits that do not ascend")]
    Limits(String),
    #[error("feature {0} has another number of points than of bins")]
    Points(String),
}

/// Why a batch gets no scores. Rows count from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    #[error("{values} values are not {rows} rows of {features} features")]
    Shape {
        rows: u32,
        values: usize,
        features: usize,
    },
    #[error("row {row}: {feature} is not a finite number")]
    NotFinite { row: usize, feature: String },
    #[error("row {row}: {feature} is not the index of a declared category")]
    NotACategory { row: usize, feature: String },
}

#[derive(Deserialize)]
struct CardFile {
    base: f64,
    features: Vec<CardFeature>,
}

#[derive(Deserialize)]
struct CardFeature {
    name: String,
    below: Option<Vec<f64>>,
    points: Vec<f64>,
    missing: f64,
}

/// What a value is not, when it has no bin.
enum NoBin {
    Finite,
    Category,
}

impl Scorecard {
    /// Reads `scorecard.json`.
    pub fn parse(json: &str) -> Result<Self, CardError> {
        let file: CardFile =
            serde_json::from_str(json).map_err(|e| CardError::Json(e.to_string()))?;
        if file.features.is_empty() {
            return Err(CardError::Empty);
        }
        let columns: Vec<Column> = file
            .features
            .into_iter()
            .map(
                |CardFeature {
                     name,
                     below,
                     points,
                     missing,
                 }| {
                    if !below
                        .as_deref()
                        .unwrap_or_default()
                        .is_sorted_by(|a, b| a < b)
                    {
                        return Err(CardError::Limits(name));
                    }
                    let bins = below.as_ref().map_or(points.len().max(1), |b| b.len() + 1);
                    if points.len() != bins {
                        return Err(CardError::Points(name));
                    }
                    Ok(Column {
                        name,
                        below,
                        points,
                        missing,
                    })
                },
            )
            .collect::<Result<_, _>>()?;
        Ok(Self {
            base: file.base,
            columns,
        })
    }

    /// Scores `rows` rows of row-major `values`: NaN is missing, a category is its index.
    pub fn score(&self, rows: u32, values: &[f64], explain: bool) -> Result<Scored, ScoreError> {
        let width = self.columns.len();
        let shape = ScoreError::Shape {
            rows,
            values: values.len(),
            features: width,
        };
        let count = usize::try_from(rows).map_err(|_| shape.clone())?;
        if count.checked_mul(width) != Some(values.len()) {
            return Err(shape);
        }
        let mut scores = Vec::with_capacity(count);
        let mut contributions = Vec::with_capacity(if explain { values.len() } else { 0 });
        for (row, cells) in values.chunks_exact(width).enumerate() {
            let mut score = self.base;
            for (column, value) in self.columns.iter().zip(cells) {
                let points = column.points(*value).map_err(|why| {
                    let feature = column.name.clone();
                    match why {
                        NoBin::Finite => ScoreError::NotFinite { row, feature },
                        NoBin::Category => ScoreError::NotACategory { row, feature },
                    }
                })?;
                score += points;
                if explain {
                    contributions.push(points);
                }
            }
            scores.push(score);
        }
        Ok(Scored {
            scores,
            contributions,
        })
    }
}

impl Column {
    #[inline]
    fn points(&self, value: f64) -> Result<f64, NoBin> {
        if value.is_nan() {
            return Ok(self.missing);
        }
        if let Some(below) = &self.below {
            if value.is_infinite() {
                return Err(NoBin::Finite);
            }
            let bin = below.iter().filter(|limit| value >= **limit).count();
            return self.points.get(bin).copied().ok_or(NoBin::Finite);
        }
        if value < 0.0 || value.fract() != 0.0 {
            return Err(NoBin::Category);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and not negative; what does not fit saturates and is no category"
        )]
        let index = value as usize;
        self.points.get(index).copied().ok_or(NoBin::Category)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = r#"{ "model": "m", "base": 600.5, "features": [
        { "name": "age", "below": [20, 40.5], "points": [-10, 0.25, 12], "missing": -1 },
        { "name": "grade", "points": [30, -7], "missing": 0 } ] }"#;

    fn score(values: &[f64]) -> Result<Scored, ScoreError> {
        let rows = u32::try_from(values.len() / 2).unwrap();
        Scorecard::parse(CARD).unwrap().score(rows, values, true)
    }

    #[test]
    fn a_value_on_a_limit_is_in_the_next_bin() {
        let scored = score(&[19.99, 0.0, 20.0, 0.0, 40.5, 1.0]).unwrap();
        assert_eq!(scored.contributions, [-10.0, 30.0, 0.25, 30.0, 12.0, -7.0]);
        assert_eq!(scored.scores, [620.5, 630.75, 605.5]);
    }

    #[test]
    fn missing_has_points_of_its_own() {
        let scored = score(&[f64::NAN, f64::NAN]).unwrap();
        assert_eq!(
            (scored.scores, scored.contributions),
            (vec![599.5], vec![-1.0, 0.0])
        );
    }

    #[test]
    fn contributions_are_only_given_when_asked_for() {
        let card = Scorecard::parse(CARD).unwrap();
        assert_eq!(
            card.score(1, &[30.0, 0.0], false).unwrap().contributions,
            [0.0; 0]
        );
        assert_eq!(card.score(0, &[], true).unwrap(), Scored::default());
    }

    #[test]
    fn a_value_without_a_bin_is_an_error_for_the_batch() {
        let feature = "age".to_owned();
        let far = score(&[1.0, 0.0, f64::INFINITY, 0.0]);
        assert_eq!(far, Err(ScoreError::NotFinite { row: 1, feature }));
        for index in [2.0, -1.0, 0.5, 1e300, f64::INFINITY, f64::NEG_INFINITY] {
            let feature = "grade".to_owned();
            assert_eq!(
                score(&[1.0, index]),
                Err(ScoreError::NotACategory { row: 0, feature })
            );
        }
    }

    #[test]
    fn a_batch_of_another_shape_is_refused() {
        let card = Scorecard::parse(CARD).unwrap();
        let shape = ScoreError::Shape {
            rows: 2,
            values: 3,
            features: 2,
        };
        assert_eq!(card.score(2, &[1.0, 0.0, 1.0], false), Err(shape));
        assert!(card.score(u32::MAX, &[], false).is_err());
    }

    #[test]
    fn a_table_that_does_not_fit_together_is_refused() {
        let parse = |json: &str| Scorecard::parse(json).unwrap_err().to_string();
        let of = |feature: &str| parse(&format!(r#"{{"base":0,"features":[{feature}]}}"#));
        assert_eq!(of(""), "the scorecard has no features");
        assert_eq!(
            of(r#"{"name":"a","below":[2,2],"points":[1,2,3],"missing":0}"#),
            "feature a has limits that do not ascend"
        );
        for points in [r#""below":[2],"points":[1]"#, r#""points":[]"#] {
            assert_eq!(
                of(&format!(r#"{{"name":"a",{points},"missing":0}}"#)),
                "feature a has another number of points than of bins"
            );
        }
        assert!(parse("{}").starts_with("scorecard.json is not a scorecard: "));
    }
}
