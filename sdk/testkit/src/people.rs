//! The demo city's organisations and users, from the same file that `serve --demo` reads.

use std::collections::BTreeMap;

use sdk::Map;
use sdk_contract::call::Caller;
use sdk_contract::def::{
    CollectionDef, FieldDef, Label, ModuleDef, PermissionDef, RoleGrant, RowScope, Shard,
};
use sdk_contract::kind::Kind;
use serde::Deserialize;
use serde_json::json;

/// The platform's own module, and what modules read of it here.
pub(crate) const PLATFORM: &str = "platform";
pub(crate) const ORGANISATIONS: &str = "platform.organisations";

const DEMO: &str = include_str!("../../../host-config/demo.toml");

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct People {
    pub(crate) organisations: Vec<Organisation>,
    pub(crate) users: Vec<Person>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Organisation {
    pub(crate) id: String,
    name: String,
    /// `subject` is a party that data can be about.
    kind: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    district: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) login: String,
    name: String,
    organisation: String,
    roles: Vec<String>,
}

impl People {
    pub(crate) fn demo() -> Result<Self, toml::de::Error> {
        toml::from_str(DEMO)
    }

    pub(crate) fn organisation(&self, id: &str) -> Option<&Organisation> {
        self.organisations.iter().find(|o| o.id == id)
    }

    /// The organisations as records of the platform's own module.
    pub(crate) fn rows(&self) -> BTreeMap<String, Map> {
        let row = |o: &Organisation| {
            let row = json!({
                "id": o.id, "revision": 1, "organisation": o.id, "district": o.district,
                "name": o.name, "type": o.kind, "code": o.code,
            });
            let row = row.as_object().cloned().unwrap_or_default();
            (o.id.clone(), row)
        };
        self.organisations.iter().map(row).collect()
    }

    /// The principal behind a login, as a guest sees it.
    pub(crate) fn caller(&self, login: &str) -> Option<Caller> {
        let person = self.users.iter().find(|u| u.login == login)?;
        let organisation = self.organisation(&person.organisation)?;
        Some(Caller {
            user: Some(person.id.clone()),
            name: person.name.clone(),
            roles: person.roles.clone(),
            subject: (organisation.kind == "subject").then(|| organisation.id.clone()),
            organisation: Some(organisation.id.clone()),
            organisation_name: organisation.name.clone(),
            district: organisation.district.clone(),
        })
    }

    /// Whether `id` is `root` or somewhere below it.
    pub(crate) fn within(&self, id: &str, root: &str) -> bool {
        let mut at = Some(id);
        for _ in 0..=self.organisations.len() {
            match at {
                Some(here) if here == root => return true,
                Some(here) => at = self.organisation(here).and_then(|o| o.parent.as_deref()),
                None => return false,
            }
        }
        false
    }
}

/// The platform's own module, as far as modules read it: which organisations there are.
pub(crate) fn platform() -> ModuleDef {
    let text = |name: &str| FieldDef {
        search: name == "name",
        ..FieldDef::new(name, Label::default(), Kind::Text { max: 120 })
    };
    let read = "organisation.read";
    let grant = |(role, scope): (&str, RowScope)| RoleGrant {
        role: role.into(),
        scope,
    };
    let grants = [
        ("platform.operator", RowScope::All),
        ("platform.security", RowScope::All),
        ("platform.auditor", RowScope::All),
        ("signed-in", RowScope::Organisation),
    ];
    let fields = ["name", "type", "code"].map(text).to_vec();
    let organisations = CollectionDef {
        read: read.into(),
        title: "name".into(),
        ..CollectionDef::new(
            "organisations",
            "organisation",
            Label::new("机构", "Organisations"),
            Shard::Reference,
            fields,
        )
    };
    ModuleDef {
        id: PLATFORM.into(),
        collections: vec![organisations],
        permissions: vec![PermissionDef {
            name: read.into(),
            label: Label::default(),
            grants: grants.map(grant).to_vec(),
        }],
        ..ModuleDef::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_within_its_bank_and_not_the_other_way() {
        let people = People::demo().unwrap();
        let branch = people
            .organisations
            .iter()
            .find(|o| o.parent.is_some())
            .unwrap();
        let bank = branch.parent.clone().unwrap();
        assert!(people.within(&branch.id, &bank));
        assert!(!people.within(&bank, &branch.id));
    }

    #[test]
    fn enterprises_are_subjects_and_banks_are_not() {
        let people = People::demo().unwrap();
        assert!(people.caller("enterprise").unwrap().subject.is_some());
        assert!(people.caller("officer").unwrap().subject.is_none());
        assert_eq!(people.caller("nobody"), None);
    }
}
