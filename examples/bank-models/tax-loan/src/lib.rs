//! Tax loan: the demo bank's scorecard for enterprises, over the demo city's records.
//!
//! Both files are written by `../fit/city.py`, which also plants the truth it is measured against.

sdk_model::export_scorecard!("../model.json", "../scorecard.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sdk_contract::model::{FeatureValue, GOLDEN_TOLERANCE, ModelDef, encode_row};

    #[derive(serde::Deserialize)]
    struct Enterprise {
        name: String,
        features: BTreeMap<String, FeatureValue>,
        score: f64,
        grade: String,
    }

    #[test]
    fn declaration_and_coefficients_agree_and_golden_cases_hold() {
        assert_eq!(sdk_model::check(super::DECLARATION, super::card()), [""; 0]);
    }

    #[test]
    fn the_demo_city_scores_as_recorded() {
        let def: ModelDef = serde_json::from_str(super::DECLARATION).unwrap();
        let city: Vec<Enterprise> =
            serde_json::from_str(include_str!("../../fit/demo-city.json")).unwrap();
        assert_eq!(city.len(), 24);
        for e in city {
            let row = encode_row(&def, &e.features).unwrap();
            let scored = super::card()
                .as_ref()
                .unwrap()
                .score(1, &row, true)
                .unwrap();
            assert!(
                (scored.scores[0] - e.score).abs() <= GOLDEN_TOLERANCE,
                "{}",
                e.name
            );
            assert_eq!(def.grade(e.score), e.grade, "{}", e.name);
        }
    }
}
