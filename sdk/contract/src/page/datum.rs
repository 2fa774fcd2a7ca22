//! One value, typed once, so that every renderer, export and sort agrees on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::def::Tone;
use crate::scalar::{Timestamp, parse_scaled};

/// A value to show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "value", rename_all = "kebab-case")]
pub enum Datum {
    #[default]
    None,
    Text(String),
    Integer(i64),
    /// Decimal text, shown as it stands.
    Decimal(String),
    /// A count of something: number and unit, `12 个月`.
    Quantity {
        amount: String,
        unit: String,
    },
    /// 分; a renderer shows 元, 万元 or 亿元 and keeps the exact figure at hand.
    Money(i64),
    /// Decimal text, `"1"` is 100 %.
    Ratio(String),
    /// `YYYY-MM-DD` or `YYYY-MM`.
    Date(String),
    /// Microseconds since 1970, UTC.
    Time(i64),
    Status(Status),
    /// 0 to 100.
    Progress(u8),
    Masked(Masked),
    Link(Link),
    Tags(Vec<Status>),
    File(FileRef),
    /// Drawn as a QR code of this text, with the text beside it for whoever cannot scan.
    Qr(String),
}

/// A site-relative link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    pub label: String,
    pub to: String,
}

/// A word with a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub label: String,
    #[serde(default)]
    pub tone: Tone,
}

/// A value as the kernel gave it, masked or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Masked {
    pub shown: String,
    /// Where it stands, so that the viewer may look at it whole, for a reason that is recorded. The
    /// kernel takes this out where the viewer may not, or sees it whole anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Place>,
    /// What the look takes; filled in by the kernel.
    #[serde(default, skip_serializing_if = "LookTakes::is_reason")]
    pub takes: LookTakes,
    /// How many files stand there, of which a look opens one; filled in by the kernel. None for a
    /// value that is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u32>,
}

/// What a look at a masked value takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", content = "until", rename_all = "kebab-case")]
pub enum LookTakes {
    /// A reason.
    #[default]
    Reason,
    /// A reason, and then a second person who agrees.
    Second,
    /// It was asked for; a second person decides until then. Microseconds since 1970, UTC.
    Waiting(i64),
    /// Nothing more until then: a second person has agreed.
    Agreed(i64),
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// `<plugin>.<collection>`, or a collection of the page's own module.
    pub collection: String,
    pub id: String,
    pub field: String,
}

/// A file that a record holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRef {
    /// Its digest.
    pub id: String,
    pub name: String,
    pub bytes: u64,
    /// Where it stands: it is fetched from there by whoever may read that field, asked when it is
    /// fetched. Without it there is its name only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Place>,
}

impl FileRef {
    /// Where a person fetches it: `/files/<plugin>/<plural>/<id>/<field>/<digest>`. None without a
    /// place, or when that is no field of a record.
    pub fn path(&self) -> Option<String> {
        let of = self.of.as_ref()?;
        let (plugin, plural) = of.collection.split_once('.')?;
        let parts = [plugin, plural, &of.id, &of.field, &self.id];
        let plain = |part: &&str| {
            let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            !part.is_empty() && part.bytes().all(fine)
        };
        let path = format!("/files/{}", parts.join("/"));
        parts.iter().all(plain).then_some(path)
    }

    /// Gives the collection its full name, where it is one of the module's own.
    pub fn within(&mut self, module: &str) {
        if let Some(of) = self.of.as_mut().filter(|of| !of.collection.contains('.')) {
            of.collection = format!("{module}.{}", of.collection);
        }
    }
}

impl LookTakes {
    fn is_reason(&self) -> bool {
        *self == Self::Reason
    }
}

/// A labelled value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    pub label: String,
    pub value: Datum,
    /// Where it comes from, or what it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Datum {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads well with a bare number"
    )]
    pub fn quantity(amount: impl ToString, unit: impl Into<String>) -> Self {
        Self::Quantity {
            amount: amount.to_string(),
            unit: unit.into(),
        }
    }
    /// From the form collections keep: decimal text of 元. Anything else is [`Datum::None`].
    pub fn money_text(yuan: &str) -> Self {
        parse_scaled(yuan, 2).map_or(Self::None, Self::Money)
    }
    /// Decimal text, `"0.0345"` is 3.45 %.
    pub fn ratio(fraction: impl Into<String>) -> Self {
        Self::Ratio(fraction.into())
    }
    pub fn date(day: impl Into<String>) -> Self {
        Self::Date(day.into())
    }
    /// From the form collections keep: RFC 3339. Anything else is [`Datum::None`].
    pub fn time_text(rfc3339: &str) -> Self {
        rfc3339
            .parse::<Timestamp>()
            .map_or(Self::None, |t| Self::Time(t.micros()))
    }
    pub fn status(label: impl Into<String>, tone: Tone) -> Self {
        Self::Status(Status::new(label, tone))
    }
    /// At most 1,000 bytes.
    pub fn qr(text: impl Into<String>) -> Self {
        Self::Qr(text.into())
    }
    pub fn link(label: impl Into<String>, to: impl Into<String>) -> Self {
        Self::Link(Link::new(label, to))
    }
}

impl Link {
    pub fn new(label: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            to: to.into(),
        }
    }
}

impl Status {
    pub fn new(label: impl Into<String>, tone: Tone) -> Self {
        Self {
            label: label.into(),
            tone,
        }
    }
}

impl Fact {
    pub fn new(label: impl Into<String>, value: Datum) -> Self {
        Self {
            label: label.into(),
            value,
            help: None,
        }
    }
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}
