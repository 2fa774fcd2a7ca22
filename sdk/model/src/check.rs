//! The test a model's author runs before uploading it: do declaration and coefficients agree?
//!
//! The host makes the same checks on the component; here they cost no build.

#![expect(
    clippy::float_arithmetic,
    reason = "compares scores; no money passes here"
)]

use sdk_contract::model::{FeatureKind, GOLDEN_TOLERANCE, MissingPolicy, ModelDef, encode_row};

use crate::scorecard::{CardError, Column, Scorecard};

/// Everything that is wrong with a declaration, or between it and its scorecard; empty is good.
pub fn check(declaration: &str, card: &Result<Scorecard, CardError>) -> Vec<String> {
    let def: ModelDef = match serde_json::from_str(declaration) {
        Ok(def) => def,
        Err(e) => return vec![format!("model.json is not a declaration: {e}")],
    };
    let card = match card {
        Ok(card) => card,
        Err(e) => return vec![e.to_string()],
    };
    let mut faults: Vec<String> = def.validate().iter().map(ToString::to_string).collect();
    let declared: Vec<&str> = def.features.iter().map(|f| f.name.as_str()).collect();
    let tables: Vec<&str> = card.columns.iter().map(|c| c.name.as_str()).collect();
    if declared != tables {
        faults.push("declaration and scorecard have other features, or in another order".into());
        return faults;
    }
    if (def.base - card.base).abs() > GOLDEN_TOLERANCE {
        faults.push("declaration and scorecard have another base".into());
    }
    for (feature, column) in def.features.iter().zip(&card.columns) {
        let agrees = match (&feature.kind, &column.below) {
            (FeatureKind::Number { .. }, Some(_)) => true,
            (FeatureKind::Category { values }, None) => values.len() == column.points.len(),
            _ => false,
        };
        if !agrees {
            faults.push(format!("{}: the table is of another kind", feature.name));
        }
        if feature.missing == MissingPolicy::Neutral && column.missing != 0.0 {
            faults.push(format!(
                "{}: missing is declared neutral but has points",
                feature.name
            ));
        }
    }
    let low = card.base
        + card
            .columns
            .iter()
            .map(|c| extreme(c, f64::min))
            .sum::<f64>();
    let high = card.base
        + card
            .columns
            .iter()
            .map(|c| extreme(c, f64::max))
            .sum::<f64>();
    if low < def.min_score || high > def.max_score {
        faults.push(format!(
            "scores reach from {low} to {high}, beyond what is declared"
        ));
    }
    for (i, case) in def.golden.iter().enumerate() {
        // what cannot be encoded is already among the declaration's faults
        if let Ok(row) = encode_row(&def, &case.input) {
            let score = card
                .score(1, &row, false)
                .map(|s| s.scores.first().copied());
            let right = matches!(score, Ok(Some(s)) if (s - case.score).abs() <= GOLDEN_TOLERANCE);
            if !right {
                faults.push(format!(
                    "golden case {i} should score {} and gives {score:?}",
                    case.score
                ));
            }
        }
    }
    faults
}

fn extreme(column: &Column, pick: fn(f64, f64) -> f64) -> f64 {
    column.points.iter().copied().fold(column.missing, pick)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARATION: &str = r#"{
        "name": "m", "version": "1.0.0", "title": "M", "target": { "label": "违约" },
        "provenance": { "data": "", "source": "", "rows": 0, "seed": 0, "command": "" },
        "features": [ { "name": "age", "label": "年龄", "kind": { "number": {} },
                        "reason": { "code": "R01", "text": "年龄" }, "missing": "neutral" } ],
        "scale": { "base_score": 600, "base_odds": 20, "pdo": 50 }, "base": 600,
        "grades": [ { "grade": "A", "at_least": 0 } ], "min_score": 590, "max_score": 605,
        "golden": [ { "input": { "age": 30 }, "score": 605 }, { "input": {}, "score": 600 } ] }"#;
    const CARD: &str = r#"{ "base": 600, "features": [
        { "name": "age", "below": [20], "points": [-10, 5], "missing": 0 } ] }"#;

    fn faults(declaration: (&str, &str), card: (&str, &str)) -> Vec<String> {
        check(
            &DECLARATION.replace(declaration.0, declaration.1),
            &Scorecard::parse(&CARD.replace(card.0, card.1)),
        )
    }

    #[test]
    fn what_agrees_has_no_faults() {
        assert_eq!(faults(("", ""), ("", "")), [""; 0]);
    }

    #[test]
    fn each_disagreement_is_named() {
        let same = ("\0", "");
        let cases = [
            (same, ("age", "size"), "other features"),
            (same, ("\"base\": 600", "\"base\": 601"), "another base"),
            (same, ("\"below\": [20], ", ""), "another kind"),
            (
                same,
                ("\"missing\": 0", "\"missing\": 1"),
                "declared neutral",
            ),
            (same, ("-10", "-11"), "beyond what is declared"),
            (("\"score\": 605", "\"score\": 604"), same, "golden case 0"),
            (("\"1.0.0\"", "\"one\""), same, "not a semantic version"),
            (("\"golden\"", "\"other\""), same, "not a declaration"),
            (same, ("[20]", "[20, 10]"), "do not ascend"),
        ];
        for (declaration, card, expected) in cases {
            let found = faults(declaration, card);
            assert!(
                found.iter().any(|f| f.contains(expected)),
                "{expected}: {found:?}"
            );
        }
    }
}
