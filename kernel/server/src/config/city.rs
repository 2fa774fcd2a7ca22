//! What differs from city to city without a line of code: districts, and what people call roles
//! and workbenches. An operator replaces the file as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kernel_identity::clearance::Clearances;
use sdk_contract::code::Format;
use sdk_contract::def::{Label, Level};
use serde::Deserialize;

/// The demo city of this repository.
const CITY: &str = include_str!("../../../../host-config/city.toml");

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct City {
    /// By GB/T 2260 code.
    pub(crate) regions: BTreeMap<String, Label>,
    /// By role name.
    roles: BTreeMap<String, Role>,
    /// By kind of organisation.
    pub(crate) benches: BTreeMap<String, Label>,
}

/// What people call a role, and up to which level its holders see values whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    zh: String,
    en: String,
    clearance: Option<Level>,
}

impl City {
    /// What people call roles.
    pub(crate) fn roles(&self) -> BTreeMap<String, Label> {
        let named = |(name, role): (&String, &Role)| (name.clone(), Label::new(&role.zh, &role.en));
        self.roles.iter().map(named).collect()
    }

    /// Of the roles of which it is said.
    pub(crate) fn clearances(&self) -> Clearances {
        let said = |(name, role): (&String, &Role)| Some((name.clone(), role.clearance?));
        self.roles.iter().filter_map(said).collect()
    }

    /// From a file, or the one of this repository where none is named.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        if file.as_os_str().is_empty() {
            return Self::parse(CITY).context("host-config/city.toml is not valid");
        }
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not valid", file.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let city: Self = toml::from_str(text)?;
        for code in city.regions.keys() {
            ensure!(
                Format::Region.check(code).is_ok(),
                "{code} is no code of GB/T 2260: six digits"
            );
        }
        Ok(city)
    }
}

#[cfg(test)]
mod tests {
    use kernel_identity::clearance::UNSAID;

    use super::*;

    #[test]
    fn the_city_of_this_repository_has_its_districts_in_both_languages() {
        let city = City::read(Path::new("")).unwrap();
        assert_eq!(city.regions.len(), 16);
        assert_eq!(
            city.regions.get("310115"),
            Some(&Label::new("浦东新区", "Pudong New Area"))
        );
        let roles = city.roles();
        let labels = city.regions.values().chain(roles.values());
        for label in labels.chain(city.benches.values()) {
            assert!(!label.zh.is_empty() && !label.en.is_empty(), "{label:?}");
        }
    }

    #[test]
    fn dj_08_a_city_says_what_its_roles_are_cleared_for() {
        let roles =
            |roles: &str| City::parse(&format!("regions = {{}}\nbenches = {{}}\n[roles]\n{roles}"));
        let city = roles(
            "\"a.b\" = { zh = \"甲\", en = \"A\", clearance = \"L4\" }\n\"c\" = { zh = \"丙\", en = \"C\" }",
        );
        let city = city.unwrap();
        assert_eq!(city.clearances().of_role("a.b"), Level::L4);
        assert_eq!(city.clearances().of_role("c"), UNSAID);
        assert_eq!(city.roles().get("c"), Some(&Label::new("丙", "C")));
        for wrong in ["L5", "l4", "", "4"] {
            let text = format!("c = {{ zh = \"丙\", en = \"C\", clearance = \"{wrong}\" }}");
            assert!(roles(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_code_that_is_none_is_refused() {
        let text = "roles = {}\nbenches = {}\n[regions]\n31011 = { zh = \"浦东\", en = \"\" }";
        assert!(City::parse(text).unwrap_err().to_string().contains("31011"));
    }
}
