//! May this recipient read these items of this subject today? One pure answer, at read time.
//!
//! The letters are rows of the collection that a module names in its
//! [`DisclosureDef`]. Deliberately absent: fetching the letters,
//! counting a use, and signatures.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::def::DisclosureDef;
use crate::error::{Fault, FaultKind};
use crate::scalar::{Date, Timestamp};

/// Why nothing may be read, in the order the checks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    TemplateRevoked,
    NoConsent,
    NotYetValid,
    Expired,
    Revoked,
    RecipientMismatch,
    ItemOutOfScope,
    PurposeMismatch,
    UsesExhausted,
}

impl Denial {
    pub const ALL: [Self; 9] = [
        Self::TemplateRevoked,
        Self::NoConsent,
        Self::NotYetValid,
        Self::Expired,
        Self::Revoked,
        Self::RecipientMismatch,
        Self::ItemOutOfScope,
        Self::PurposeMismatch,
        Self::UsesExhausted,
    ];

    /// As declarations and records of denied reads write it: `NO_CONSENT`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TemplateRevoked => "TEMPLATE_REVOKED",
            Self::NoConsent => "NO_CONSENT",
            Self::NotYetValid => "NOT_YET_VALID",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
            Self::RecipientMismatch => "RECIPIENT_MISMATCH",
            Self::ItemOutOfScope => "ITEM_OUT_OF_SCOPE",
            Self::PurposeMismatch => "PURPOSE_MISMATCH",
            Self::UsesExhausted => "USES_EXHAUSTED",
        }
    }

    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.code() == code)
    }

    /// The answer to whoever asked: forbidden, code `consent.no-consent` and so on.
    pub fn fault(self) -> Fault {
        let code = self.code().to_ascii_lowercase().replace('_', "-");
        Fault::new(
            FaultKind::Forbidden,
            format!("consent.{code}"),
            self.sentence(),
        )
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::TemplateRevoked => "数据授权书所用的模版已被撤销",
            Self::NoConsent => "没有可用的数据授权书",
            Self::NotYetValid => "数据授权尚未生效",
            Self::Expired => "数据授权已过有效期",
            Self::Revoked => "数据授权已被撤回",
            Self::RecipientMismatch => "数据授权书没有授权给该机构",
            Self::ItemOutOfScope => "所需数据项不在授权范围内",
            Self::PurposeMismatch => "数据用途与授权书不符",
            Self::UsesExhausted => "数据授权的使用次数已用完",
        }
    }
}

/// One letter of consent, as far as reading is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub id: String,
    pub subject: String,
    /// Organisation that may read.
    pub recipient: String,
    pub items: Vec<String>,
    pub purposes: Vec<String>,
    /// First day of use.
    pub valid_from: Date,
    /// Last day of use.
    pub valid_to: Date,
    /// `None` is without limit.
    pub max_uses: Option<i64>,
    pub uses: i64,
    /// What its template and its status alone say; `None` when it is usable.
    pub denied: Option<Denial>,
}

impl Letter {
    /// Reads a record of the declared collection, given which of the templates that letters name
    /// are [`revoked`]. `None` when it has not the declared shape: such a row allows nothing.
    pub fn read(
        record: &Map<String, Value>,
        def: &DisclosureDef,
        revoked: &BTreeSet<String>,
    ) -> Option<Self> {
        let text = |name: &str| record.get(name)?.as_str();
        let list = |name: &str| -> Option<Vec<String>> {
            record
                .get(name)?
                .as_array()?
                .iter()
                .map(|v| v.as_str().map(str::to_owned))
                .collect()
        };
        let status = text("status")?;
        let own_code = || {
            def.denials
                .get(status)
                .and_then(|code| Denial::of_code(code))
        };
        let of_revoked = template(record, def).is_some_and(|id| revoked.contains(id));
        let by_status = (status != def.usable).then(|| own_code().unwrap_or(Denial::NoConsent));
        Some(Self {
            id: text("id")?.to_owned(),
            subject: text("subject")?.to_owned(),
            recipient: text("recipient")?.to_owned(),
            items: list("items")?,
            purposes: list("purposes")?,
            valid_from: text("valid_from")?.parse().ok()?,
            valid_to: text("valid_to")?.parse().ok()?,
            max_uses: match record.get("max_uses") {
                None | Some(Value::Null) => None,
                Some(limit) => Some(limit.as_i64()?),
            },
            uses: record.get("uses").and_then(Value::as_i64)?,
            denied: if of_revoked {
                Some(Denial::TemplateRevoked)
            } else {
                by_status
            },
        })
    }

    /// The first of the ordered checks that fails.
    fn denial(&self, want: &Want) -> Option<Denial> {
        let failed = |denial: Denial| match denial {
            Denial::TemplateRevoked | Denial::Revoked => false,
            Denial::NoConsent => self.subject != want.subject,
            Denial::NotYetValid => want.today < self.valid_from,
            Denial::Expired => self.valid_to < want.today,
            Denial::RecipientMismatch => self.recipient != want.recipient,
            Denial::ItemOutOfScope => !want.items.iter().all(|i| self.items.contains(i)),
            Denial::PurposeMismatch => !self.purposes.contains(&want.purpose),
            Denial::UsesExhausted => self.max_uses.is_some_and(|max| self.uses >= max),
        };
        Denial::ALL
            .into_iter()
            .find(|d| self.denied == Some(*d) || failed(*d))
    }
}

/// The template that a letter was made on, where letters name one.
pub fn template<'a>(record: &'a Map<String, Value>, def: &DisclosureDef) -> Option<&'a str> {
    record.get(&def.template.as_ref()?.field)?.as_str()
}

/// The ids of those of these templates that no letter counts any more which was made on them.
pub fn revoked<'a>(
    templates: impl IntoIterator<Item = &'a Map<String, Value>>,
    def: &DisclosureDef,
) -> BTreeSet<String> {
    let states = def.template.iter().flat_map(|t| &t.revoked);
    let states: BTreeSet<&str> = states.map(String::as_str).collect();
    let text = |record: &'a Map<String, Value>, name: &str| record.get(name)?.as_str();
    templates
        .into_iter()
        .filter(|t| text(t, "status").is_some_and(|status| states.contains(status)))
        .filter_map(|t| text(t, "id").map(str::to_owned))
        .collect()
}

/// One read under a letter, as the declared collection of uses keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use<'a> {
    pub letter: &'a str,
    pub want: &'a Want,
    /// Number of the business it was for.
    pub reference: &'a str,
    pub certificate: &'a str,
    pub at: Timestamp,
}

impl Use<'_> {
    pub fn values(&self) -> Map<String, Value> {
        let texts = [
            ("letter", self.letter),
            ("recipient", &self.want.recipient),
            ("purpose", &self.want.purpose),
            ("reference", self.reference),
            ("certificate", self.certificate),
        ];
        let mut values: Map<String, Value> = texts
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        values.insert("items".into(), self.want.items.clone().into());
        values.insert("used_at".into(), self.at.to_string().into());
        values
    }
}

/// What somebody wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    pub subject: String,
    /// Organisation that would read.
    pub recipient: String,
    /// All of them must be covered by one letter.
    pub items: Vec<String>,
    /// Purpose code: 01 … 09.
    pub purpose: String,
    pub today: Date,
}

/// The first letter that allows it. Otherwise the denial that helps a person most: of the letters
/// addressed to this recipient, if there are any, and among those of the one that came furthest
/// through the checks. So an expired letter for this bank is told as expired, whatever stands in
/// letters for other banks.
pub fn check<'a>(letters: &'a [Letter], want: &Want) -> Result<&'a Letter, Denial> {
    let mut closest = (false, Denial::NoConsent);
    for letter in letters {
        match letter.denial(want) {
            None => return Ok(letter),
            Some(denial) => {
                closest = closest.max((letter.recipient == want.recipient, denial));
            }
        }
    }
    Err(closest.1)
}

#[cfg(test)]
mod tests;
