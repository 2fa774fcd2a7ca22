//! German credit: a scorecard over real applicants' records, as a bank would upload it.
//!
//! Both files are written by `../fit/fit.py`, which also says how good the model is.

sdk_model::export_scorecard!("../model.json", "../scorecard.json");

#[cfg(test)]
mod tests {
    #[test]
    fn declaration_and_coefficients_agree_and_golden_cases_hold() {
        assert_eq!(sdk_model::check(super::DECLARATION, super::card()), [""; 0]);
    }
}
