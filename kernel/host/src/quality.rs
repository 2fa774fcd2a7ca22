//! How well a number tells two kinds of rows apart: AUC, KS, the ROC curve, deciles.
//!
//! Throughout, `values` are higher the likelier a row is positive (a default), and `positive` says
//! which rows were. A score, where higher is safer, goes in negated. Every function answers `None`
//! unless the slices are equally long, every value is a number, and both kinds occur.
//! Plain statistics: nothing here knows models or files.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "statistics of row counts far below 2^52; no money passes here"
)]

use serde::{Deserialize, Serialize};

/// The most points a curve has.
const CURVE_POINTS: usize = 100;

/// One tenth of the rows, riskiest first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decile {
    pub rows: u64,
    pub positives: u64,
    /// Lowest and highest value in it.
    pub from: f64,
    pub to: f64,
    /// Share (0 to 1) of all positives in this and the riskier deciles.
    pub captured: f64,
    /// Its rate of positives over the overall rate.
    pub lift: f64,
}

/// Rows with one value.
#[derive(Debug, Clone, Copy)]
struct Step {
    value: f64,
    positives: u64,
    negatives: u64,
}

/// The distinct values, highest first, with how many rows of each kind have them.
struct Ranking {
    steps: Vec<Step>,
    positives: u64,
    negatives: u64,
}

impl Ranking {
    fn new(values: &[f64], positive: &[bool]) -> Option<Self> {
        if values.len() != positive.len() || values.iter().any(|v| v.is_nan()) {
            return None;
        }
        let mut rows: Vec<(f64, bool)> = values
            .iter()
            .copied()
            .zip(positive.iter().copied())
            .collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut steps: Vec<Step> = Vec::new();
        for (value, is_positive) in rows {
            let p = u64::from(is_positive);
            match steps.last_mut() {
                // 0.0 and -0.0 are one value
                Some(step)
                    if step
                        .value
                        .partial_cmp(&value)
                        .is_some_and(std::cmp::Ordering::is_eq) =>
                {
                    step.positives += p;
                    step.negatives += 1 - p;
                }
                _ => steps.push(Step {
                    value,
                    positives: p,
                    negatives: 1 - p,
                }),
            }
        }
        let positives = steps.iter().map(|s| s.positives).sum();
        let negatives = steps.iter().map(|s| s.negatives).sum();
        (positives > 0 && negatives > 0).then_some(Self {
            steps,
            positives,
            negatives,
        })
    }

    /// Share of negatives and of positives at or above each distinct value, from (0,0) to (1,1).
    fn shares(&self) -> impl Iterator<Item = (f64, f64)> {
        let (all_positives, all_negatives) = (self.positives as f64, self.negatives as f64);
        let (mut positives, mut negatives) = (0, 0);
        std::iter::once((0.0, 0.0)).chain(self.steps.iter().map(move |s| {
            positives += s.positives;
            negatives += s.negatives;
            (
                negatives as f64 / all_negatives,
                positives as f64 / all_positives,
            )
        }))
    }
}

/// Chance (0 to 1) that a positive row's value is above a negative row's; ties count half.
pub fn auc(values: &[f64], positive: &[bool]) -> Option<f64> {
    let ranking = Ranking::new(values, positive)?;
    // In half pairs, so that the sum is exact.
    let (mut above, mut half_wins) = (0_u128, 0_u128);
    for step in &ranking.steps {
        half_wins += u128::from(step.negatives) * (2 * above + u128::from(step.positives));
        above += u128::from(step.positives);
    }
    let pairs = u128::from(ranking.positives) * u128::from(ranking.negatives);
    Some(half_wins as f64 / (2.0 * pairs as f64))
}

/// The largest distance (0 to 1) between the two kinds' cumulative shares.
pub fn ks(values: &[f64], positive: &[bool]) -> Option<f64> {
    let ranking = Ranking::new(values, positive)?;
    Some(
        ranking
            .shares()
            .map(|(n, p)| (p - n).abs())
            .fold(0.0, f64::max),
    )
}

/// The ROC curve as (false positive rate, true positive rate), from (0,0) to (1,1), thinned evenly
/// to at most a hundred points.
pub fn roc(values: &[f64], positive: &[bool]) -> Option<Vec<(f64, f64)>> {
    let points: Vec<(f64, f64)> = Ranking::new(values, positive)?.shares().collect();
    let last = points.len().saturating_sub(1);
    if points.len() <= CURVE_POINTS {
        return Some(points);
    }
    let kept = (0..CURVE_POINTS).map(|i| i * last / (CURVE_POINTS - 1));
    Some(kept.filter_map(|i| points.get(i).copied()).collect())
}

/// Tenths of the rows, riskiest first. Rows with one value never part, so there may be fewer than
/// ten, of unequal sizes.
pub fn deciles(values: &[f64], positive: &[bool]) -> Option<Vec<Decile>> {
    let ranking = Ranking::new(values, positive)?;
    let (positives, rows) = (ranking.positives, ranking.positives + ranking.negatives);
    let mut tenths: Vec<Decile> = Vec::with_capacity(10);
    let (mut rows_before, mut captured, mut open) = (0_u64, 0_u64, None);
    for step in &ranking.steps {
        // the tenth that the step's first row falls into
        let tenth = rows_before * 10 / rows;
        let size = step.positives + step.negatives;
        rows_before += size;
        captured += step.positives;
        match tenths.last_mut() {
            Some(d) if open == Some(tenth) => {
                d.rows += size;
                d.positives += step.positives;
                d.from = step.value;
            }
            _ => {
                open = Some(tenth);
                tenths.push(Decile {
                    rows: size,
                    positives: step.positives,
                    from: step.value,
                    to: step.value,
                    captured: 0.0,
                    lift: 0.0,
                });
            }
        }
        if let Some(d) = tenths.last_mut() {
            d.captured = captured as f64 / positives as f64;
            d.lift = (d.positives as f64 / d.rows as f64) / (positives as f64 / rows as f64);
        }
    }
    Some(tenths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs counted one by one.
    fn auc_by_pairs(values: &[f64], positive: &[bool]) -> f64 {
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (v, p) in values.iter().zip(positive) {
            for (w, q) in values.iter().zip(positive) {
                if *p && !q {
                    pairs += 1.0;
                    wins += if v > w {
                        1.0
                    } else if v < w {
                        0.0
                    } else {
                        0.5
                    };
                }
            }
        }
        wins / pairs
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn auc_and_ks_of_cases_computed_by_hand() {
        // positives 0.9 0.4 against negatives 0.5 0.1: of four pairs three are right
        let (v, p) = ([0.9, 0.5, 0.4, 0.1], [true, false, true, false]);
        assert!(close(auc(&v, &p).unwrap(), 0.75));
        assert!(close(ks(&v, &p).unwrap(), 0.5));
        // a tie counts half: pairs (0.9,0.5) (0.9,0.1) (0.5,0.5) (0.5,0.1)
        let (v, p) = ([0.9, 0.5, 0.5, 0.1], [true, false, true, false]);
        assert!(close(auc(&v, &p).unwrap(), 0.875));
        assert!(close(ks(&v, &p).unwrap(), 0.5));
        // all tied says nothing; perfectly parted says all
        assert!(close(auc(&[3.0; 4], &p).unwrap(), 0.5));
        assert!(close(ks(&[3.0; 4], &p).unwrap(), 0.0));
        let parted = [true, true, false, false];
        assert!(close(auc(&[4.0, 3.0, 2.0, 1.0], &parted).unwrap(), 1.0));
        assert!(close(ks(&[4.0, 3.0, 2.0, 1.0], &parted).unwrap(), 1.0));
        assert!(close(auc(&[0.0, -0.0], &[true, false]).unwrap(), 0.5));
    }

    #[test]
    fn without_both_kinds_or_with_nan_there_is_no_answer() {
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(ks(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(roc(&[1.0, f64::NAN], &[true, false]), None);
        assert_eq!(deciles(&[1.0], &[true, false]), None);
    }

    #[test]
    fn the_curve_passes_every_distinct_value() {
        let (v, p) = ([0.9, 0.5, 0.5, 0.1], [true, false, true, false]);
        assert_eq!(
            roc(&v, &p).unwrap(),
            [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let values: Vec<f64> = (0..5_000_u32).map(f64::from).collect();
        let positive: Vec<bool> = (0..5_000).map(|i| i % 3 == 0).collect();
        let curve = roc(&values, &positive).unwrap();
        assert_eq!(curve.len(), CURVE_POINTS);
        assert_eq!(curve.first(), Some(&(0.0, 0.0)));
        assert_eq!(curve.last(), Some(&(1.0, 1.0)));
    }

    #[test]
    fn deciles_are_riskiest_first_and_capture_everything_in_the_end() {
        // twenty rows; the four positives are the top three and the eleventh
        let values: Vec<f64> = (0..20_u32).rev().map(f64::from).collect();
        let positive: Vec<bool> = (0..20).map(|i| i < 3 || i == 10).collect();
        let table = deciles(&values, &positive).unwrap();
        assert_eq!(table.len(), 10);
        assert!(table.iter().all(|d| d.rows == 2));
        assert_eq!(
            (table[0].from, table[0].to, table[0].positives),
            (18.0, 19.0, 2)
        );
        assert!(close(table[0].lift, 5.0) && close(table[0].captured, 0.5));
        assert!(close(table[1].captured, 0.75) && close(table[4].captured, 0.75));
        assert!(close(table[9].captured, 1.0));
    }

    #[test]
    fn tied_rows_stay_in_one_decile() {
        let positive: Vec<bool> = (0..10).map(|i| i == 0).collect();
        let table = deciles(&[1.0; 10], &positive).unwrap();
        assert_eq!((table.len(), table[0].rows, table[0].positives), (1, 10, 1));
    }

    fn rows() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
        prop::collection::vec((-8_i32..8, any::<bool>()), 2..60)
            .prop_map(|rows| rows.into_iter().map(|(v, p)| (f64::from(v), p)).unzip())
            .prop_filter("both kinds", |(_, p): &(Vec<f64>, Vec<bool>)| {
                p.contains(&true) && p.contains(&false)
            })
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_pairs_in_order((v, p) in rows()) {
            prop_assert!(close(auc(&v, &p).unwrap(), auc_by_pairs(&v, &p)));
        }

        #[test]
        fn a_rising_transform_changes_nothing((v, p) in rows()) {
            let w: Vec<f64> = v.iter().map(|x| (x / 3.0).exp() * 7.0 - 2.0).collect();
            prop_assert_eq!(auc(&v, &p), auc(&w, &p));
            prop_assert_eq!(ks(&v, &p), ks(&w, &p));
            prop_assert_eq!(roc(&v, &p), roc(&w, &p));
        }

        #[test]
        fn swapping_the_kinds_turns_auc_over_and_keeps_ks((v, p) in rows()) {
            let swapped: Vec<bool> = p.iter().map(|b| !b).collect();
            prop_assert!(close(auc(&v, &swapped).unwrap(), 1.0 - auc(&v, &p).unwrap()));
            prop_assert!(close(ks(&v, &swapped).unwrap(), ks(&v, &p).unwrap()));
        }

        #[test]
        fn auc_is_the_area_under_the_curve((v, p) in rows()) {
            let curve = roc(&v, &p).unwrap();
            let area: f64 = curve
                .windows(2)
                .map(|w| (w[1].0 - w[0].0) * f64::midpoint(w[0].1, w[1].1))
                .sum();
            prop_assert!((area - auc(&v, &p).unwrap()).abs() < 1e-9);
        }
    }
}
