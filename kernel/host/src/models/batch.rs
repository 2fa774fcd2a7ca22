//! Scoring a file: every row of a CSV, with quality figures where the file says who was bad.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use sdk_contract::model::{FeatureValue, ModelDef, encode_row};
use serde::{Deserialize, Serialize};

use super::{Admitted, ModelError, Pool};
use crate::quality;

/// The most rows one trial takes.
pub const MAX_ROWS: usize = 200_000;
const TENTHS: usize = 10;
/// Rows between two reports of progress.
const STEP: usize = 2_000;

/// A file that cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("the file is not CSV with a header line")]
    Csv(#[source] csv::Error),
    #[error("the file has none of the model's features in its header; it needs {0}")]
    NoFeatures(String),
    #[error("the file has more than {MAX_ROWS} rows")]
    TooManyRows,
    #[error("the file has no rows")]
    Empty,
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Rows read from a file, in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Row-major, encoded for the model.
    pub values: Vec<f64>,
    /// Rows that get no score: index and why.
    pub refused: Vec<(usize, String)>,
    /// Index of each encoded row in the file.
    pub index: Vec<usize>,
    /// By file row: whether it was bad, where the file says so.
    pub bad: Vec<Option<bool>>,
}

/// The quality of a model on a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub auc: f64,
    pub ks: f64,
    /// Share of goods and of bads that score below each cut: the ROC curve.
    pub curve: Vec<(f64, f64)>,
    /// How many rows score in each tenth of what the model can give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<u64>,
}

/// Reads a CSV and encodes each row. Columns that are no features are passed over.
pub fn read(def: &ModelDef, file: impl Read) -> Result<Rows, BatchError> {
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(BatchError::Csv)?.clone();
    let position = |name: &str| {
        header
            .iter()
            .position(|h| h.trim().trim_start_matches('\u{feff}') == name)
    };
    let columns: Vec<(&str, Option<usize>)> = def
        .features
        .iter()
        .map(|f| (f.name.as_str(), position(&f.name)))
        .collect();
    if columns.iter().all(|(_, at)| at.is_none()) {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        return Err(BatchError::NoFeatures(names.join(", ")));
    }
    let target = def.target.column.as_deref().and_then(position);
    let mut rows = Rows::default();
    for (i, record) in reader.records().enumerate() {
        if i >= MAX_ROWS {
            return Err(BatchError::TooManyRows);
        }
        let record = record.map_err(BatchError::Csv)?;
        let cell = |at: Option<usize>| {
            at.and_then(|at| record.get(at))
                .map(str::trim)
                .filter(|s| !s.is_empty())
        };
        let input: BTreeMap<String, FeatureValue> = columns
            .iter()
            .filter_map(|(name, at)| {
                cell(*at).map(|text| ((*name).to_owned(), FeatureValue::Text(text.to_owned())))
            })
            .collect();
        match encode_row(def, &input) {
            Ok(values) => {
                rows.values.extend(values);
                rows.index.push(i);
            }
            Err(why) => rows.refused.push((i, why.to_string())),
        }
        rows.bad
            .push(cell(target).map(|text| Some(text) == def.target.bad.as_deref()));
    }
    if rows.bad.is_empty() {
        Err(BatchError::Empty)
    } else {
        Ok(rows)
    }
}

/// Scoring in progress: one step a chunk, so that whoever drives it can say how far it is.
pub struct Run<'a> {
    pool: &'a Pool,
    model: &'a Arc<Admitted>,
    rows: &'a Rows,
    scores: Vec<Option<f64>>,
    done: usize,
}

impl<'a> Run<'a> {
    pub fn new(pool: &'a Pool, model: &'a Arc<Admitted>, rows: &'a Rows) -> Self {
        Self {
            pool,
            model,
            rows,
            scores: vec![None; rows.bad.len()],
            done: 0,
        }
    }

    /// Scores the next chunk and says how many rows are done; none at the end.
    pub async fn step(&mut self) -> Result<Option<usize>, BatchError> {
        let width = self.model.def.features.len().max(1);
        let from = self.done * width;
        let upto = self.rows.values.len().min(from + STEP * width);
        let Some(chunk) = self.rows.values.get(from..upto).filter(|c| !c.is_empty()) else {
            return Ok(None);
        };
        let batch = self.pool.score(self.model, chunk.to_vec(), false).await?;
        for (score, row) in batch
            .scores
            .into_iter()
            .zip(self.rows.index.iter().skip(self.done))
        {
            if let Some(slot) = self.scores.get_mut(*row) {
                *slot = Some(score);
            }
        }
        self.done = upto / width;
        Ok(Some(self.done))
    }

    /// One score a file row; none for the refused.
    pub fn scores(self) -> Vec<Option<f64>> {
        self.scores
    }
}

/// AUC and KS of scores against the file's own labels; none where it has not both kinds.
pub fn judge(scores: &[Option<f64>], bad: &[Option<bool>]) -> Option<Quality> {
    let (s, b): (Vec<f64>, Vec<bool>) = scores
        .iter()
        .zip(bad)
        .filter_map(|(s, b)| Some(((*s)?, (*b)?)))
        .unzip();
    // Quality speaks of finding the bad, who score low.
    let risk: Vec<f64> = s.iter().map(|s| -s).collect();
    Some(Quality {
        auc: quality::auc(&risk, &b)?,
        ks: quality::ks(&risk, &b)?,
        curve: quality::roc(&risk, &b)?,
        spread: Vec::new(),
    })
}

/// How many scores there are in each tenth of what a model can give.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scores are floats; a place among ten"
)]
pub fn spread(def: &ModelDef, scores: &[Option<f64>]) -> Vec<u64> {
    let mut counts = vec![0; TENTHS];
    let width = (def.max_score - def.min_score) / 10.0;
    for score in scores.iter().flatten() {
        let place = ((score - def.min_score) / width).clamp(0.0, 9.0) as usize;
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    counts
}

/// The population stability index of two spreads; none where one of them counts nothing.
#[expect(clippy::float_arithmetic, reason = "a figure about shares")]
pub fn psi(before: &[u64], now: &[u64]) -> Option<f64> {
    let count = |n: u64| u32::try_from(n).map_or(f64::INFINITY, f64::from);
    let (a, b): (u64, u64) = (before.iter().sum(), now.iter().sum());
    if before.len() != now.len() || a == 0 || b == 0 {
        return None;
    }
    // An empty tenth counts as half a row, or it would say that everything changed.
    let share = |n: u64, of: u64| if n == 0 { 0.5 } else { count(n) } / count(of);
    let terms = before.iter().zip(now).map(|(x, y)| {
        let (x, y) = (share(*x, a), share(*y, b));
        (y - x) * (y / x).ln()
    });
    Some(terms.sum())
}

/// Writes `row,score,probability,grade,why` for each row of the file.
pub fn write(
    def: &ModelDef,
    rows: &Rows,
    scores: &[Option<f64>],
    out: impl Write,
) -> Result<(), csv::Error> {
    let why: BTreeMap<usize, &str> = rows.refused.iter().map(|(i, w)| (*i, w.as_str())).collect();
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["row", "score", "probability", "grade", "why"])?;
    for (i, score) in scores.iter().enumerate() {
        let (score, probability, grade) = match score {
            Some(s) => (
                s.to_string(),
                def.probability(*s).to_string(),
                def.grade(*s),
            ),
            None => (String::new(), String::new(), ""),
        };
        let row = (i + 1).to_string();
        writer.write_record([
            &row,
            &score,
            &probability,
            grade,
            why.get(&i).copied().unwrap_or_default(),
        ])?;
    }
    writer.flush().map_err(csv::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn al_01_scores_that_moved_have_a_high_index_and_the_same_have_none() {
        let (low, high) = ([80, 10, 5, 5], [5, 5, 10, 80]);
        let index = |a: &[u64], b: &[u64]| psi(a, b);
        assert_eq!(index(&low, &low), Some(0.0));
        assert!(index(&low, &high) > Some(0.25), "{:?}", index(&low, &high));
        // The same shares of ten times as many are the same.
        let many = low.map(|n| n * 10);
        assert!(index(&low, &many) < Some(1e-9), "{:?}", index(&low, &many));
        let empty = index(&low, &[0, 0, 0, 100]);
        assert!(empty.is_some_and(f64::is_finite), "{empty:?}");
        for (a, b) in [(&low[..], &[0; 4][..]), (&[], &low), (&low, &low[..3])] {
            assert_eq!(index(a, b), None, "{a:?} {b:?}");
        }
    }
}
