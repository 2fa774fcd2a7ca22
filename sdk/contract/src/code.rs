//! Codes with rules of their own: unified social credit code, phone, region, industry.
//!
//! Sources: GB 32100-2015 (USCC), GB/T 2260 (regions), GB/T 4754-2017 (industries).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// 统一社会信用代码, 18 characters.
    Uscc,
    /// Mobile number of the mainland, 11 digits.
    Phone,
    /// Six digits of GB/T 2260.
    Region,
    /// Section letter of GB/T 4754, optionally with two to four digits.
    Industry,
}

impl Format {
    /// The code in canonical form, or a sentence that says what is wrong.
    pub fn check(self, text: &str) -> Result<String, String> {
        let s = text.trim().to_ascii_uppercase();
        match self {
            Self::Uscc if uscc_shape(&s) => Ok(s),
            Self::Uscc => {
                Err("统一社会信用代码为 18 位数字和大写字母（不含 I、O、S、V、Z）".into())
            }
            Self::Phone if s.len() == 11 && s.starts_with('1') && digits(&s) => Ok(s),
            Self::Phone => Err("请填写 11 位手机号码".into()),
            Self::Region if s.len() == 6 && digits(&s) => Ok(s),
            Self::Region => Err("行政区划代码为 6 位数字".into()),
            Self::Industry if industry_shape(&s) => Ok(s),
            Self::Industry => Err("行业代码为一个门类字母，或再加 2 到 4 位数字".into()),
        }
    }
}

fn digits(s: &str) -> bool {
    s.bytes().all(|b| b.is_ascii_digit())
}

fn industry_shape(s: &str) -> bool {
    let mut chars = s.chars();
    let section = chars.next().is_some_and(|c| ('A'..='T').contains(&c));
    let rest = chars.as_str();
    section && digits(rest) && (rest.is_empty() || (2..=4).contains(&rest.len()))
}

const USCC_ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// 3^i mod 31.
const USCC_WEIGHTS: [usize; 17] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];

fn uscc_shape(s: &str) -> bool {
    s.len() == 18 && s.chars().all(|c| USCC_ALPHABET.contains(c)) && s.get(2..8).is_some_and(digits)
}

/// Whether the last character is the check character of GB 32100. Some early codes are legal
/// although it is not, so a `false` asks for a confirmation and is never a refusal by itself.
pub fn uscc_check_holds(uscc: &str) -> bool {
    let values: Option<Vec<usize>> = uscc.chars().map(|c| USCC_ALPHABET.find(c)).collect();
    match values.as_deref() {
        Some([body @ .., check]) if body.len() == USCC_WEIGHTS.len() => {
            let sum: usize = body.iter().zip(USCC_WEIGHTS).map(|(v, w)| v * w).sum();
            *check == (31 - sum % 31) % 31
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uscc_vectors() {
        assert!(uscc_check_holds("91350100M000100Y43"));
        // an early code of Fujian: legal, although its check character is not the computed one
        assert!(!uscc_check_holds("91350100M0001TGQXM"));
        assert!(Format::Uscc.check("91350100M0001TGQXM").is_ok());
        assert!(Format::Uscc.check("91350100I000100Y43").is_err());
        assert!(Format::Uscc.check("9135").is_err());
    }

    #[test]
    fn industries_and_phones() {
        assert!(Format::Industry.check("c3912").is_ok());
        assert!(Format::Industry.check("I").is_ok());
        assert!(Format::Industry.check("U12").is_err());
        assert!(Format::Industry.check("C1").is_err());
        assert!(Format::Phone.check("13800001234").is_ok());
        assert!(Format::Phone.check("23800001234").is_err());
    }
}
