//! Codes with rules of their own: unified social credit code, resident id, phone, region,
//! industry.
//!
//! Sources: GB 32100-2015 (USCC) and GB 11714 (the organisation code inside it), GB 11643-1999
//! (resident id, and the 15 digits it replaced), GB/T 2260 (regions), GB/T 4754-2017 (industries).
//!
//! A region is checked for its shape and its province. Which of the lower codes ever existed is
//! reference data that operators keep, with periods of validity; it is not compiled in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalar::Date;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// 统一社会信用代码, 18 characters.
    Uscc,
    /// 居民身份证号, 18 characters; 15 old digits are brought to 18.
    ResidentId,
    /// Mobile number of the mainland, 11 digits.
    Phone,
    /// Six digits of GB/T 2260.
    Region,
    /// Section letter of GB/T 4754, optionally with two to four digits.
    Industry,
}

impl Format {
    pub const ALL: [Self; 5] = [
        Self::Uscc,
        Self::ResidentId,
        Self::Phone,
        Self::Region,
        Self::Industry,
    ];

    /// As declarations spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uscc => "uscc",
            Self::ResidentId => "resident-id",
            Self::Phone => "phone",
            Self::Region => "region",
            Self::Industry => "industry",
        }
    }

    /// A code that holds, in canonical form, of nobody in particular.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Uscc => "91310115MA1H000125",
            Self::ResidentId => "310101190001010011",
            Self::Phone => "13800001234",
            Self::Region => "310115",
            Self::Industry => "C39",
        }
    }

    /// The code in canonical form, or a sentence that says what is wrong.
    pub fn check(self, text: &str) -> Result<String, String> {
        let s = text.trim().to_ascii_uppercase();
        match self {
            Self::Uscc if uscc_shape(&s) => Ok(s),
            Self::Uscc => {
                Err("统一社会信用代码为 18 位数字和大写字母（不含 I、O、S、V、Z）".into())
            }
            Self::ResidentId => resident_id(&s),
            Self::Phone if phone_shape(&s) => Ok(s),
            Self::Phone => Err("请填写 11 位手机号码".into()),
            Self::Region if s.len() == 6 && digits(&s) && in_a_province(&s) => Ok(s),
            Self::Region => Err("行政区划代码为 6 位数字，前两位为省级代码".into()),
            Self::Industry if industry_shape(&s) => Ok(s),
            Self::Industry => Err("行业代码为一个门类字母，或再加 2 到 4 位数字".into()),
        }
    }

    /// What a person should look at again in a code that is well formed: a stable word and a
    /// sentence. Never a refusal by itself: early codes were issued whose check character is not
    /// the computed one, and only the registry knows.
    pub fn doubt(self, code: &str) -> Option<(&'static str, String)> {
        match self {
            Self::Uscc if !uscc_check_holds(code) => Some((
                "check-digit",
                "统一社会信用代码的校验位不符，请对照营业执照核对；确认无误可继续提交".into(),
            )),
            _ => None,
        }
    }
}

fn digits(s: &str) -> bool {
    s.bytes().all(|b| b.is_ascii_digit())
}

fn phone_shape(s: &str) -> bool {
    s.len() == 11 && digits(s) && s.starts_with('1') && !s.starts_with("10")
}

/// The first two digits that GB/T 2260 gives to provinces, regions and municipalities; 83 stands
/// on residence permits.
const PROVINCES: [&str; 35] = [
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41",
    "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71",
    "81", "82", "83",
];

fn in_a_province(s: &str) -> bool {
    s.get(..2).is_some_and(|p| PROVINCES.contains(&p))
}

fn industry_shape(s: &str) -> bool {
    let mut chars = s.chars();
    let section = chars.next().is_some_and(|c| ('A'..='T').contains(&c));
    let rest = chars.as_str();
    section && digits(rest) && (rest.is_empty() || (2..=4).contains(&rest.len()))
}

const ID_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// By the weighted sum modulo 11.
const ID_CHECKS: &str = "10X98765432";

/// GB 11643: six digits of region, eight of birth, three of sequence, one check character.
fn resident_id(s: &str) -> Result<String, String> {
    const SHAPE: &str = "居民身份证号为 18 位，末位可为 X";
    let full = match s.len() {
        // Born in the 1900s, without a check character.
        15 if digits(s) => {
            let (region, rest) = s.split_at(6);
            let body = format!("{region}19{rest}");
            let check = id_check(&body).ok_or(SHAPE)?;
            format!("{body}{check}")
        }
        18 => s.to_owned(),
        _ => return Err(SHAPE.into()),
    };
    let (body, check) = full.split_at_checked(17).ok_or(SHAPE)?;
    if !digits(body) {
        return Err(SHAPE.into());
    }
    if !in_a_province(body) {
        return Err("居民身份证号的前两位不是省级代码，请核对".into());
    }
    let birth = |from: usize, to: usize| body.get(from..to).and_then(|d| d.parse::<i16>().ok());
    let day = match (birth(6, 10), birth(10, 12), birth(12, 14)) {
        (Some(y), Some(m), Some(d)) => match (i8::try_from(m), i8::try_from(d)) {
            (Ok(m), Ok(d)) => Date::new(y, m, d),
            _ => None,
        },
        _ => None,
    };
    if day.is_none() {
        return Err("居民身份证号中的出生日期不存在，请核对".into());
    }
    if id_check(body).map(String::from).as_deref() != Some(check) {
        return Err("居民身份证号的校验位不符，请核对".into());
    }
    Ok(full)
}

fn id_check(body: &str) -> Option<char> {
    let sum: u32 = body
        .chars()
        .zip(ID_WEIGHTS)
        .map(|(c, w)| c.to_digit(10).unwrap_or(0) * w)
        .sum();
    ID_CHECKS.chars().nth((sum % 11) as usize)
}

const USCC_ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// 3^i mod 31.
const USCC_WEIGHTS: [usize; 17] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];

fn uscc_shape(s: &str) -> bool {
    s.len() == 18 && s.chars().all(|c| USCC_ALPHABET.contains(c)) && s.get(2..8).is_some_and(digits)
}

/// Whether the last character is the check character of GB 32100, and the organisation code within
/// holds its own. Some early codes are legal although it is not, so a `false` asks for a
/// confirmation and is never a refusal by itself.
pub fn uscc_check_holds(uscc: &str) -> bool {
    let values: Option<Vec<usize>> = uscc.chars().map(|c| USCC_ALPHABET.find(c)).collect();
    match values.as_deref() {
        Some([body @ .., check]) if body.len() == USCC_WEIGHTS.len() => {
            let sum: usize = body.iter().zip(USCC_WEIGHTS).map(|(v, w)| v * w).sum();
            *check == (31 - sum % 31) % 31 && uscc.get(8..17).is_some_and(organisation_check_holds)
        }
        _ => false,
    }
}

const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// GB 11714: eight characters and a check character, 11 − Σ mod 11 with 10 as X and 11 as 0.
fn organisation_check_holds(code: &str) -> bool {
    let Some((body, check)) = code.split_at_checked(8) else {
        return false;
    };
    let sum: u32 = body
        .chars()
        .zip(ORGANISATION_WEIGHTS)
        .map(|(c, w)| c.to_digit(36).unwrap_or(0) * w)
        .sum();
    let computed = match 11 - sum % 11 {
        10 => "X".to_owned(),
        11 => "0".to_owned(),
        n => n.to_string(),
    };
    computed == check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_holds_and_is_canonical() {
        for format in Format::ALL {
            let example = format.example();
            assert_eq!(format.check(example).as_deref(), Ok(example));
            assert_eq!(format.doubt(example), None, "{example}");
        }
    }

    #[test]
    fn uscc_vectors() {
        for good in [
            "91110000600037341L",
            "91310115MA1H000125",
            "91310115MA1H000200",
            "91310115MAD0TEXT4N",
            "91310115MAC9XY1P04",
            "91350100M000100Y43",
        ] {
            assert_eq!(Format::Uscc.check(good).as_deref(), Ok(good));
            assert_eq!(Format::Uscc.doubt(good), None, "{good}");
        }
        // A wrong check character, and early codes of Fujian: legal, although theirs is not the
        // computed one. Nobody but the registry can tell these apart, so both are doubts.
        for doubtful in [
            "91310115MA1H000120",
            "91350100M0001TGQXM",
            "91350211M0000XUF46",
            "91350203M0001FUE2P",
        ] {
            assert_eq!(Format::Uscc.check(doubtful).as_deref(), Ok(doubtful));
            assert_eq!(Format::Uscc.doubt(doubtful).unwrap().0, "check-digit");
        }
        for bad in ["9131011500000000I0", "91310115MA1H00012", "9135"] {
            assert!(Format::Uscc.check(bad).is_err(), "{bad}");
        }
    }

    /// Synthetic numbers; nobody has them.
    #[test]
    fn resident_id_vectors() {
        for good in [
            "310101190001010011",
            "31010119000101002X",
            "310101190001010038",
            "31010119000101010X",
        ] {
            assert_eq!(Format::ResidentId.check(good).as_deref(), Ok(good));
        }
        assert_eq!(
            Format::ResidentId.check("31010119000101002x").as_deref(),
            Ok("31010119000101002X")
        );
        // The same person's old 15 digits.
        assert_eq!(
            Format::ResidentId.check("310101000101001").as_deref(),
            Ok("310101190001010011")
        );
        for bad in [
            "310101190002300010",
            "990101190001010018",
            "31010119000101001",
            "310101190001010012",
            "3101011900010100一",
            "",
        ] {
            assert!(Format::ResidentId.check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn industries_phones_and_regions() {
        assert!(Format::Industry.check("c3912").is_ok());
        assert!(Format::Industry.check("I").is_ok());
        assert!(Format::Industry.check("U12").is_err());
        assert!(Format::Industry.check("C1").is_err());
        assert!(Format::Phone.check("13800001234").is_ok());
        assert!(Format::Phone.check("23800001234").is_err());
        assert!(Format::Phone.check("10800001234").is_err());
        assert!(Format::Region.check("310115").is_ok());
        assert!(Format::Region.check("990101").is_err());
    }
}
