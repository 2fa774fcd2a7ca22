//! The kernel knows no business: none of its types is named after what the plugins are about.

use super::sources::{code, without_tests};
use super::{Finding, Repo};

/// Nouns of the business, as they would stand in a type's name.
const NOUNS: &[&str] = &[
    "Applicant",
    "Application",
    "Bank",
    "Borrower",
    "Branch",
    "Collateral",
    "Consent",
    "Disbursement",
    "District",
    "Drawdown",
    "Enterprise",
    "Facility",
    "Financing",
    "Guarantee",
    "Guarantor",
    "Installment",
    "Institution",
    "Lender",
    "Lending",
    "Loan",
    "Mortgage",
    "Park",
    "Pledge",
    "Product",
    "Repayment",
    "Subsidy",
    "Tax",
];

pub(super) fn kernel_types(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.under("kernel/", ".rs") {
        if !path.contains("/src/") || path.starts_with("kernel/xtask/") {
            continue;
        }
        for (number, line) in code(without_tests(text)).lines().enumerate() {
            let Some(name) = declared(line) else { continue };
            if let Some(noun) = words(name).into_iter().find(|word| NOUNS.contains(word)) {
                let what = format!("`{name}` is named after the business word {noun}");
                findings.push(Finding::new(format!("{path}:{}", number + 1), what));
            }
        }
    }
    findings
}

/// The type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| word.starts_with("pub"));
    matches!(words.next()?, "struct" | "enum" | "trait" | "type")
        .then(|| words.next())?
        .map(|name| {
            name.split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or(name)
        })
}

/// The words of a name in camel case.
fn words(name: &str) -> Vec<&str> {
    let starts: Vec<usize> = name
        .char_indices()
        .filter(|(_, c)| c.is_uppercase())
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([name.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| name.get(*start..end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        kernel_types(&Repo::of(&[("kernel/api/src/lib.rs", text)])).len()
    }

    #[test]
    fn a_type_named_after_the_business_is_found() {
        assert_eq!(found("pub struct LoanTerms {"), 1);
        assert_eq!(found("pub(crate) enum Consent {"), 1);
        assert_eq!(found("trait ReadsEnterprise<T> {"), 1);
    }

    #[test]
    fn words_inside_other_words_and_uses_are_not() {
        assert_eq!(
            found("struct Parking;\nstruct Production;\nfn loan() {}\n// struct Loan;"),
            0
        );
    }

    #[test]
    fn the_rule_is_for_the_kernel() {
        assert_eq!(
            kernel_types(&Repo::of(&[(
                "plugins/lending/src/model.rs",
                "struct Loan;"
            )])),
            []
        );
    }
}
