//! What a module has people told: a line on the list of those it concerns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::def::{Label, ModuleDef};

/// Notices of one reply.
pub const MAX_NOTICES: usize = 200;
/// Characters of a title, and of a text.
const MAX_TITLE: usize = 60;
const MAX_TEXT: usize = 300;
/// Bytes of a key, and of a path.
const MAX_KEY: usize = 120;
const MAX_PATH: usize = 300;

/// A notice to people of an organisation. It says names and dates, never figures: it is read by
/// whoever may see it without another look at the record, which shows the rest under its own checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeDraft {
    /// Id of the organisation whose people see it, while they act for it.
    pub organisation: String,
    /// Only those of them who hold this permission of the module when they look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// Only this one of them, by user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub title: Label,
    #[serde(default)]
    pub text: Label,
    /// Where it leads: a path of the module's own pages.
    pub path: String,
    /// Visible ASCII. What the same receivers have been told under the same key is not told again.
    pub key: String,
}

impl NoticeDraft {
    /// To all people of an organisation.
    pub fn new(organisation: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            organisation: organisation.into(),
            permission: None,
            user: None,
            title: Label::default(),
            text: Label::default(),
            path: String::new(),
            key: key.into(),
        }
    }

    #[must_use]
    pub fn title(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.title = Label::new(zh, en);
        self
    }

    #[must_use]
    pub fn text(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.text = Label::new(zh, en);
        self
    }

    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// To one of the people alone.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// What is wrong with it, in words for the module's author. Whether its path is one of the
    /// module's pages is asked elsewhere.
    pub fn fault(&self, def: &ModuleDef) -> Option<String> {
        let long = |label: &Label, most: usize| {
            [&label.zh, &label.en]
                .into_iter()
                .any(|text| text.chars().count() > most)
        };
        let unknown = self.permission.as_ref();
        if let Some(name) = unknown.filter(|name| def.permission(name).is_none()) {
            return Some(format!("permission {name} is not declared"));
        }
        if self.organisation.is_empty() || self.user.as_ref().is_some_and(String::is_empty) {
            return Some("it is to nobody".to_owned());
        }
        if self.title.zh.trim().is_empty() || long(&self.title, MAX_TITLE) {
            return Some(format!("its title has 1 to {MAX_TITLE} characters"));
        }
        if long(&self.text, MAX_TEXT) {
            return Some(format!("its text has at most {MAX_TEXT} characters"));
        }
        let key = self.key.as_bytes();
        if !(1..=MAX_KEY).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
            return Some(format!(
                "its key is 1 to {MAX_KEY} visible ASCII characters"
            ));
        }
        (self.path.len() > MAX_PATH).then(|| "its path is too long".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_could_show_is_refused() {
        let def = ModuleDef::default();
        let good = || NoticeDraft::new("o", "k").title("到期", "Ends");
        assert_eq!(good().fault(&def), None);
        let bad = [
            NoticeDraft::new("", "k").title("到期", ""),
            good().user(""),
            good().title(" ", ""),
            good().title("长".repeat(61), ""),
            good().title("到期", "e".repeat(61)),
            good().text("长".repeat(301), ""),
            NoticeDraft::new("o", "").title("到期", ""),
            NoticeDraft::new("o", "中").title("到期", ""),
            NoticeDraft::new("o", "k".repeat(121)).title("到期", ""),
            good().path("/x".repeat(200)),
            NoticeDraft {
                permission: Some("thing.read".into()),
                ..good()
            },
        ];
        for notice in bad {
            assert!(notice.fault(&def).is_some(), "{notice:?}");
        }
    }
}
