//! Pseudonyms and tokens in an export, in place of the fields that say whose a row is.
//!
//! Only what the export's person would be given in clear is replaced: what is masked for them stays
//! masked, since the masks of two values may be alike. The rows' own ids are replaced too, and the
//! time they were made at is left out: either would join the files of two projects.

use std::collections::BTreeSet;

use kernel_crypto::keys::Pseudonyms;
use kernel_identity::principal::Principal;
use sdk_contract::def::FieldDef;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::kind::Kind;
use serde_json::{Map, Value};

use super::run::{Job, Stop};
use super::word;
use crate::Host;
use crate::console::ID;
use crate::console::projects::{LONGEST, PROJECTS, is_open, secret};
use crate::mask::Sight;
use crate::module::Call;

/// Which fields of an export are replaced, and for what project.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// The project's id.
    pub(super) project: String,
    pub(super) pseudonyms: BTreeSet<String>,
    pub(super) tokens: BTreeSet<String>,
}

impl Replaced {
    /// As a job, or what was asked for, has it; none without a project.
    pub(super) fn of(values: &Map<String, Value>) -> Option<Self> {
        let names = |name: &str| {
            let names = values.get(name).and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        };
        let project = Some(word(values, "project")).filter(|id| !id.is_empty());
        project.map(|id| Self {
            project: id.to_owned(),
            pseudonyms: names("pseudonyms"),
            tokens: names("tokens"),
        })
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.pseudonyms.contains(field) || self.tokens.contains(field)
    }

    /// Replaces what stands in a record that is shown to a person.
    pub(super) fn apply(
        &self,
        with: &Pseudonyms<'_>,
        sight: &Sight<'_>,
        record: &mut Map<String, Value>,
    ) -> Result<(), Stop> {
        let fields = self.pseudonyms.iter().chain(&self.tokens);
        let clear: Vec<&String> = fields.filter(|name| !sight.hides(name, record)).collect();
        for name in clear {
            let Some(value) = record.get_mut(name).filter(|v| !v.is_null()) else {
                continue;
            };
            let text = match &*value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            *value = if self.tokens.contains(name) {
                token(with, &text)?.into()
            } else {
                with.pseudonym(&text).into()
            };
        }
        let id = with.pseudonym(word(record, "id"));
        record.insert("id".into(), id.into());
        Ok(())
    }
}

fn token(with: &Pseudonyms<'_>, text: &str) -> Result<String, Stop> {
    if text.chars().count() > LONGEST as usize {
        let what = format!("有超过 {LONGEST} 字的内容，不能以令牌代替");
        return Err(Stop::Failed(what));
    }
    let token = with.token(text);
    token.map_err(|_| Stop::Later(Fault::internal("密码服务暂时不可用")))
}

/// Whether a field's value can be replaced: one value that may say whose a row is.
pub(crate) fn is_replaceable(field: &FieldDef) -> bool {
    matches!(
        field.kind,
        Kind::Text { .. }
            | Kind::Code { .. }
            | Kind::Ref { .. }
            | Kind::Date
            | Kind::Integer { .. }
            | Kind::Decimal { .. }
            | Kind::Money { .. }
    )
}

impl Host {
    /// What is replaced in a new export, with its project's name; none where nothing is asked for.
    pub(super) async fn new_replaced(
        &self,
        call: &Call,
        asked: &Map<String, Value>,
        fields: &[&FieldDef],
    ) -> Result<Option<(Replaced, String)>, Fault> {
        let bad = |field: &str, code: &'static str, what: String| {
            Err(Fault::invalid(vec![FieldFault::new(field, code, what)]))
        };
        for name in ["pseudonyms", "tokens"] {
            let list = asked.get(name).filter(|v| !v.is_null());
            let names = |v: &Value| v.as_array().is_some_and(|v| v.iter().all(Value::is_string));
            if list.is_some_and(|v| !names(v)) {
                return bad(name, "bad-parameter", "请以列表给出字段名".to_owned());
            }
        }
        let Some(replaced) = Replaced::of(asked) else {
            let lists =
                ["pseudonyms", "tokens"].map(|name| asked.get(name).and_then(Value::as_array));
            return if lists.into_iter().flatten().any(|list| !list.is_empty()) {
                bad(
                    "project",
                    "required",
                    "假名和令牌属于一个项目，请选择项目".to_owned(),
                )
            } else {
                Ok(None)
            };
        };
        if replaced.pseudonyms.is_empty() && replaced.tokens.is_empty() {
            let what = "请选择以假名或令牌代替的字段".to_owned();
            return bad("pseudonyms", "required", what);
        }
        for (list, names) in [
            ("pseudonyms", &replaced.pseudonyms),
            ("tokens", &replaced.tokens),
        ] {
            for name in names {
                let found = fields.iter().find(|f| f.name == *name);
                if !found.is_some_and(|f| is_replaceable(f)) {
                    let what = format!("字段“{name}”不在导出之列，或不能代替");
                    return bad(list, "not-an-option", what);
                }
            }
        }
        if let Some(both) = replaced.pseudonyms.intersection(&replaced.tokens).next() {
            let label = fields.iter().find(|f| f.name == *both);
            let label = label.map_or(both.as_str(), |f| f.label.zh.as_str());
            let what = format!("“{label}”只能以一种代替");
            return bad("tokens", "not-an-option", what);
        }
        let project = self.project(&call.principal, &replaced.project).await?;
        match project.filter(|project| is_open(project, call.now)) {
            Some(project) => Ok(Some((replaced, word(&project, "name").to_owned()))),
            None => bad(
                "project",
                "not-an-option",
                "没有这个项目，或项目已结束".to_owned(),
            ),
        }
    }

    /// A project that this person made for the organisation they act for.
    async fn project(&self, p: &Principal, id: &str) -> Result<Option<Map<String, Value>>, Fault> {
        let project = self.kept(ID, PROJECTS, id).await?;
        Ok(project.filter(|project| {
            p.user.as_deref() == Some(word(project, "created_by"))
                && p.organisation.as_deref() == Some(word(project, "organisation"))
        }))
    }
}

impl Job {
    /// The secret of the project that the job is for, which may have ended meanwhile.
    pub(super) async fn secret(&self, replaced: &Replaced) -> Result<String, Stop> {
        let project = self.host.kept(ID, PROJECTS, &replaced.project).await?;
        let now = self.host.clock().now();
        let secret = project.as_ref().and_then(|project| secret(project, now));
        let ended = || Stop::Failed("项目已结束，不能再生成假名和令牌".to_owned());
        secret.map(str::to_owned).ok_or_else(ended)
    }
}

/// What is replaced, for people.
pub(super) fn in_words(name: &str, replaced: &Replaced, fields: &[&FieldDef]) -> String {
    let labels = |names: &BTreeSet<String>| {
        let named = fields.iter().filter(|f| names.contains(&f.name));
        let labels: Vec<&str> = named.map(|f| f.label.zh.as_str()).collect();
        labels.join("、")
    };
    let mut words = format!("项目“{name}”");
    for (names, by) in [(&replaced.pseudonyms, "假名"), (&replaced.tokens, "令牌")] {
        if !names.is_empty() {
            words.extend(["，以", by, "代替", &labels(names)]);
        }
    }
    words.chars().take(500).collect()
}
