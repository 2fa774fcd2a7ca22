//! What a mask leaves of a value: the formats of tender row 93.

use crate::def::Mask;
use crate::scalar::parse_scaled;

/// Characters of a value that a mask hides at the least, so that a short one is not shown but for one
/// or two.
const LEAST_HIDDEN: usize = 4;
const ALL: &str = "****";
/// Bands of amounts, by their lower end in yuan.
const BANDS: [(i64, &str); 6] = [
    (100_000_000, "1亿以上"),
    (10_000_000, "1000万～1亿"),
    (1_000_000, "100万～1000万"),
    (100_000, "10万～100万"),
    (10_000, "1万～10万"),
    (0, "1万以下"),
];
/// What a district's name ends with.
const DISTRICT: [char; 3] = ['区', '县', '旗'];
/// What ends like a district and is none.
const NO_DISTRICT: [&str; 9] = [
    "自治区",
    "小区",
    "社区",
    "园区",
    "厂区",
    "校区",
    "院区",
    "景区",
    "港区",
];
/// What stands in an address below its district only.
const BELOW: [char; 12] = [
    '路', '街', '道', '弄', '巷', '号', '村', '镇', '乡', '栋', '楼', '室',
];

impl Mask {
    /// A text as whoever may not see it does.
    #[must_use]
    pub fn of(self, text: &str) -> String {
        match self {
            Self::Phone => kept(text, 3, 4),
            Self::IdNumber => kept(text, 6, 4),
            Self::Account => kept(text, 0, 4),
            Self::Name => match text.chars().next() {
                None => String::new(),
                Some(first) if text.chars().nth(1).is_some() => format!("{first}**"),
                Some(_) => "**".to_owned(),
            },
            Self::Address => format!("{}{ALL}", upper(text)),
            Self::Amount => band(text).to_owned(),
            Self::All => ALL.to_owned(),
            Self::Hidden => String::new(),
        }
    }
}

fn kept(text: &str, head: usize, tail: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < head + tail + LEAST_HIDDEN {
        return ALL.to_owned();
    }
    let start: String = chars.iter().take(head).collect();
    let end: String = chars.iter().skip(chars.len() - tail).collect();
    format!("{start}{}{end}", "*".repeat(chars.len() - head - tail))
}

/// An address as far as its district, else its city; nothing where neither can be told for certain.
fn upper(address: &str) -> &str {
    let ends = |ends: &[char]| {
        let mut ends = address.char_indices().filter(|(_, c)| ends.contains(c));
        ends.find_map(|(at, c)| {
            let name = address.get(..at + c.len_utf8())?;
            let other = NO_DISTRICT.iter().any(|other| name.ends_with(other));
            (!other).then_some(name)
        })
    };
    // Whatever is found behind a street is part of its name.
    let certain = |name: &&str| {
        let below = |c: char| BELOW.contains(&c) || c.is_ascii_alphanumeric();
        name.chars().count() > 2 && !name.contains(below)
    };
    let district = ends(&DISTRICT).filter(certain);
    district
        .or_else(|| ends(&['市']).filter(certain))
        .unwrap_or_default()
}

/// A decimal amount as the band it is in; of what is none nothing is shown.
fn band(text: &str) -> &'static str {
    let Some(units) = parse_scaled(text, 2) else {
        return ALL;
    };
    let band = BANDS.iter().find(|(from, _)| units >= from * 100);
    band.map_or("负数", |(_, band)| band)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_row_93() {
        for (mask, text, shown) in [
            (Mask::Phone, "13800001234", "138****1234"),
            (Mask::Name, "林知远", "林**"),
            (Mask::Name, "林", "**"),
            (Mask::Name, "", ""),
            (Mask::IdNumber, "310115199001011234", "310115********1234"),
            (Mask::IdNumber, "310115900101123", "310115*****1123"),
            (Mask::Account, "6222020200012345678", "***************5678"),
            (Mask::Amount, "9999.99", "1万以下"),
            (Mask::Amount, "10000.00", "1万～10万"),
            (Mask::Amount, "99999.99", "1万～10万"),
            (Mask::Amount, "100000", "10万～100万"),
            (Mask::Amount, "1000000.00", "100万～1000万"),
            (Mask::Amount, "10000000.00", "1000万～1亿"),
            (Mask::Amount, "100000000.00", "1亿以上"),
            (Mask::Amount, "-0.01", "负数"),
            (Mask::Amount, "约三万", "****"),
            (Mask::All, "x", "****"),
            (Mask::Hidden, "x", ""),
        ] {
            assert_eq!(mask.of(text), shown, "{text}");
        }
    }

    #[test]
    fn of_what_is_too_short_for_its_format_nothing_is_shown() {
        for (mask, short) in [
            (Mask::Phone, ""),
            (Mask::Phone, "123"),
            (Mask::Phone, "2158770012"),
            (Mask::IdNumber, "H1234567802"),
            (Mask::IdNumber, "3101151990010"),
            (Mask::Account, "1234567"),
        ] {
            assert_eq!(mask.of(short), "****", "{short}");
        }
    }

    #[test]
    fn an_address_is_shown_as_far_as_its_district() {
        for (address, shown) in [
            ("上海市浦东新区观澜路 88 号", "上海市浦东新区****"),
            ("上海市浦东新区张江高科技园区 3 号", "上海市浦东新区****"),
            ("崇明县城桥镇人民路 1 号", "崇明县****"),
            (
                "广西壮族自治区南宁市青秀区民族大道",
                "广西壮族自治区南宁市青秀区****",
            ),
            ("江苏省昆山市花桥镇", "江苏省昆山市****"),
            ("上海市张江路阳光小区 1 号", "上海市****"),
            ("阳光小区 3 号楼", "****"),
            ("张江路 88 号浦东新区税务局", "****"),
            ("观澜路 88 号", "****"),
            ("A 区", "****"),
            ("", "****"),
        ] {
            assert_eq!(Mask::Address.of(address), shown, "{address}");
        }
    }
}
