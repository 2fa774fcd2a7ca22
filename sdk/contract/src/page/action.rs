//! What a person can press.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    pub label: String,
    /// Name in the portal's icon sprite; an unknown name draws nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(default)]
    pub weight: Weight,
    #[serde(flatten)]
    pub deed: Deed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
    /// Why it cannot be pressed now; shown, and the button is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    Primary,
    #[default]
    Normal,
    Quiet,
    Danger,
}

/// What pressing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "deed", rename_all = "kebab-case")]
pub enum Deed {
    /// GET of a site-relative path.
    Open {
        to: String,
    },
    /// POST to the page's own path; see [`crate::page::read_post`].
    Send(Send),
    /// GET of a site-relative path that answers with a file.
    Download {
        to: String,
    },
    Print,
}

/// An action of the page's module, by its declared name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Send {
    /// `<entity>.<verb>`
    pub action: String,
    /// Id of the record it acts on, for actions that act on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Input the person does not type. Taken from the page again when it is pressed, never from
    /// the browser.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, serde_json::Value>,
}

impl Send {
    /// Tells it from a send of the same action on the same record with other arguments: FNV-1a of
    /// these, in hex; empty without any. It only picks among what a page offers, so it need not be
    /// hard to guess, and it gives no argument away that the page does not show.
    pub fn mark(&self) -> String {
        if self.args.is_empty() {
            return String::new();
        }
        let text = serde_json::Value::from_iter(self.args.clone()).to_string();
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// A question before the deed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confirm {
    pub title: String,
    pub text: String,
    pub ok: String,
    /// Label of a reason that must be given; it reaches the action as input `reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Action {
    fn new(label: impl Into<String>, deed: Deed) -> Self {
        Self {
            label: label.into(),
            icon: String::new(),
            weight: Weight::Normal,
            deed,
            confirm: None,
            off: None,
        }
    }
    pub fn open(label: impl Into<String>, to: impl Into<String>) -> Self {
        Self::new(label, Deed::Open { to: to.into() })
    }
    pub fn send(label: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(
            label,
            Deed::Send(Send {
                action: action.into(),
                ..Send::default()
            }),
        )
    }
    pub fn download(label: impl Into<String>, to: impl Into<String>) -> Self {
        Self::new(label, Deed::Download { to: to.into() })
    }
    pub fn print(label: impl Into<String>) -> Self {
        Self::new(label, Deed::Print)
    }
    /// The record a [`Deed::Send`] acts on.
    #[must_use]
    pub fn record(mut self, id: impl Into<String>) -> Self {
        if let Deed::Send(send) = &mut self.deed {
            send.record = Some(id.into());
        }
        self
    }
    /// Input of a [`Deed::Send`] that the person does not type.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        if let Deed::Send(send) = &mut self.deed {
            send.args.insert(name.into(), value.into());
        }
        self
    }
    #[must_use]
    pub fn icon(mut self, name: impl Into<String>) -> Self {
        self.icon = name.into();
        self
    }
    #[must_use]
    pub fn weight(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }
    #[must_use]
    pub fn primary(self) -> Self {
        self.weight(Weight::Primary)
    }
    #[must_use]
    pub fn quiet(self) -> Self {
        self.weight(Weight::Quiet)
    }
    #[must_use]
    pub fn danger(self) -> Self {
        self.weight(Weight::Danger)
    }
    #[must_use]
    pub fn confirm(mut self, confirm: Confirm) -> Self {
        self.confirm = Some(confirm);
        self
    }
    #[must_use]
    pub fn off(mut self, why: impl Into<String>) -> Self {
        self.off = Some(why.into());
        self
    }
}

impl Confirm {
    pub fn new(title: impl Into<String>, text: impl Into<String>, ok: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            ok: ok.into(),
            reason: None,
        }
    }
    #[must_use]
    pub fn reason(mut self, label: impl Into<String>) -> Self {
        self.reason = Some(label.into());
        self
    }
}
