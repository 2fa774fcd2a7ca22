//! What is allowed: pure functions over the model's types.

use sdk::prelude::*;

/// Characters that a question needs to be one.
const SHORTEST: usize = 5;

/// A question says enough to be answered.
pub(crate) fn question(text: &str) -> Result<(), Fault> {
    if text.trim().chars().count() >= SHORTEST {
        return Ok(());
    }
    Err(Fault::invalid(vec![FieldFault::new(
        "question",
        "too-short",
        format!("请把问题说清楚，至少 {SHORTEST} 个字"),
    )]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_enough() {
        assert!(question("怎样申请？").is_ok());
        assert_eq!(
            question(" 怎样？ ").unwrap_err().fields[0].field,
            "question"
        );
    }
}
