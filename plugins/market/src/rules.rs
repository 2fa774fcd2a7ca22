//! What a loan costs: repayment schedules, exact to the 分.
//!
//! Interest of a period is balance × annual rate ÷ 12, rounded half up to 分; the last instalment
//! takes what rounding left, so the principals add up to the loan. Deliberately absent: methods
//! that count days, which need the calendar of the contract.

use sdk::prelude::*;

/// One due payment. `balance` is what is owed after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installment {
    pub(crate) number: i64,
    pub(crate) principal: Money,
    pub(crate) interest: Money,
    pub(crate) payment: Money,
    pub(crate) balance: Money,
}

/// All payments of a loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) installments: Vec<Installment>,
    pub(crate) interest: Money,
}

impl Schedule {
    pub(crate) fn first(&self) -> Money {
        self.installments.first().map_or(Money::ZERO, |i| i.payment)
    }
    pub(crate) fn last(&self) -> Money {
        self.installments.last().map_or(Money::ZERO, |i| i.payment)
    }
}

/// Units of [`Decimal<4>`] in one, times the months of a year.
const YEAR: i64 = 120_000;
/// Digits kept of the compound factor.
const FACTOR: i128 = 1_000_000_000_000_000_000;

/// 等额本息: the same payment each month. `None` when the terms make no loan.
pub(crate) fn equal_installments(loan: Money, annual: Decimal<4>, months: i64) -> Option<Schedule> {
    let payment = level_payment(loan, annual, months)?;
    schedule(loan, annual, months, |interest| {
        payment.units.checked_sub(interest)
    })
}

/// 等额本金: the same principal each month. `None` when the terms make no loan.
pub(crate) fn equal_principals(loan: Money, annual: Decimal<4>, months: i64) -> Option<Schedule> {
    let principal = loan.scale_by(1, months)?.units;
    schedule(loan, annual, months, |_| Some(principal))
}

fn level_payment(loan: Money, annual: Decimal<4>, months: i64) -> Option<Money> {
    if annual.units == 0 {
        return loan.scale_by(1, months);
    }
    let (rate, year) = (i128::from(annual.units), i128::from(YEAR));
    let mut grown = FACTOR;
    for _ in 0..months {
        grown = grown.checked_mul(year + rate)?.checked_add(year / 2)? / year;
    }
    let numerator = i128::from(loan.units)
        .checked_mul(rate)?
        .checked_mul(grown)?;
    let denominator = year.checked_mul(grown - FACTOR)?;
    let rounded = numerator
        .checked_add(denominator / 2)?
        .checked_div(denominator)?;
    i64::try_from(rounded).ok().map(Money::from_units)
}

/// `principal_of` tells the principal of a period from its interest, both in 分.
fn schedule(
    loan: Money,
    annual: Decimal<4>,
    months: i64,
    principal_of: impl Fn(i64) -> Option<i64>,
) -> Option<Schedule> {
    if loan.units <= 0 || annual.units < 0 || !(1..=360).contains(&months) {
        return None;
    }
    let mut balance = loan;
    let mut total = Money::ZERO;
    let mut installments = Vec::new();
    for number in 1..=months {
        let interest = balance.scale_by(annual.units, YEAR)?;
        let principal = if number == months {
            balance
        } else {
            Money::from_units(principal_of(interest.units)?.min(balance.units))
        };
        balance = Money::from_units(balance.units - principal.units);
        total = total.checked_add(interest)?;
        let payment = principal.checked_add(interest)?;
        installments.push(Installment {
            number,
            principal,
            interest,
            payment,
            balance,
        });
    }
    Some(Schedule {
        installments,
        interest: total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yuan(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn rate(text: &str) -> Decimal<4> {
        text.parse().unwrap()
    }

    /// Number, principal, interest, payment, balance.
    fn row(schedule: &Schedule, at: usize) -> [String; 4] {
        let i = &schedule.installments[at];
        [i.principal, i.interest, i.payment, i.balance].map(|m| m.to_string())
    }

    #[test]
    fn equal_installments_match_the_golden_vector() {
        let s = equal_installments(yuan("1000000"), rate("0.0345"), 12).unwrap();
        assert_eq!(row(&s, 0), ["82023.82", "2875.00", "84898.82", "917976.18"]);
        assert_eq!(row(&s, 6), ["83448.94", "1449.88", "84898.82", "420857.28"]);
        assert_eq!(row(&s, 11), ["84655.45", "243.38", "84898.83", "0.00"]);
        assert_eq!(s.interest, yuan("18785.85"));
    }

    #[test]
    fn equal_principals_match_the_golden_vector() {
        let s = equal_principals(yuan("1000000"), rate("0.0345"), 12).unwrap();
        assert_eq!(row(&s, 0), ["83333.33", "2875.00", "86208.33", "916666.67"]);
        assert_eq!(row(&s, 11), ["83333.37", "239.58", "83572.95", "0.00"]);
        assert_eq!(s.interest, yuan("18687.50"));
    }

    #[test]
    fn a_loan_without_interest_is_divided() {
        let s = equal_installments(yuan("100000"), rate("0"), 3).unwrap();
        assert_eq!(row(&s, 0), ["33333.33", "0.00", "33333.33", "66666.67"]);
        assert_eq!(row(&s, 2), ["33333.34", "0.00", "33333.34", "0.00"]);
    }

    #[test]
    fn principals_add_up_to_the_loan() {
        for (loan, annual, months) in [
            ("500000", "0.0435", 36),
            ("0.01", "0.24", 360),
            ("9999999.99", "0.0001", 7),
        ] {
            for make in [equal_installments, equal_principals] {
                let s = make(yuan(loan), rate(annual), months).unwrap();
                let sum: i64 = s.installments.iter().map(|i| i.principal.units).sum();
                assert_eq!(
                    Money::from_units(sum),
                    yuan(loan),
                    "{loan} {annual} {months}"
                );
                assert_eq!(s.installments.last().unwrap().balance, Money::ZERO);
            }
        }
    }

    #[test]
    fn terms_that_make_no_loan_are_refused() {
        assert_eq!(equal_installments(yuan("0"), rate("0.03"), 12), None);
        assert_eq!(equal_installments(yuan("100"), rate("0.03"), 0), None);
        assert_eq!(equal_principals(yuan("100"), rate("-0.03"), 12), None);
        assert_eq!(
            equal_installments(Money::from_units(i64::MAX), rate("0.24"), 360),
            None
        );
    }
}
