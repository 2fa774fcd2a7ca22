//! A scorecard: `model.json` is what the platform and people read of it, `scorecard.json` holds the
//! coefficients, which stay inside the component.

sdk_model::export_scorecard!("../model.json", "../scorecard.json");

#[cfg(test)]
mod tests {
    #[test]
    fn declaration_and_coefficients_agree_and_golden_cases_hold() {
        assert_eq!(sdk_model::check(super::DECLARATION, super::card()), [""; 0]);
    }
}
