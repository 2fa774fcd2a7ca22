//! The installed modules at one moment. Readers take the whole catalogue by pointer; a change
//! makes a new one, so no request ever sees half a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kernel_identity::principal::Principal;
use sdk_contract::def::{CollectionDef, FeatureDef, ModuleDef, PageDef};
use sdk_contract::manifest::{Manifest, PluginKind};

use crate::module::Module;

/// Where a module is switched on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enabled {
    pub everywhere: bool,
    /// GB/T 2260 codes.
    pub districts: BTreeSet<String>,
}

/// One module that answers calls.
pub struct Installed {
    pub def: ModuleDef,
    /// Names that its collections had before, with those they have now: jobs, requests, links and
    /// other modules may still say them.
    pub(crate) former: BTreeMap<String, String>,
    /// Absent for the native console.
    pub manifest: Option<Arc<Manifest>>,
    /// SM3 of the component, hex; empty for the console.
    pub digest: String,
    pub enabled: Enabled,
    /// Collections that are out of use, because how they are designed is not to be relied on.
    pub(crate) suspended: BTreeSet<String>,
    pub(crate) module: Arc<dyn Module>,
}

impl Installed {
    /// A module of the kernel's own, for everybody.
    pub(crate) fn native(
        def: ModuleDef,
        former: BTreeMap<String, String>,
        module: Arc<dyn Module>,
    ) -> Self {
        Self {
            def,
            former,
            manifest: None,
            digest: String::new(),
            enabled: Enabled {
                everywhere: true,
                ..Enabled::default()
            },
            suspended: BTreeSet::new(),
            module,
        }
    }

    /// A collection by the name it has or once had.
    pub fn collection(&self, name: &str) -> Option<&CollectionDef> {
        let former = || self.def.collection(self.former.get(name)?);
        self.def.collection(name).or_else(former)
    }

    /// Whether it is there for this principal. A principal bound to no district (the public, a
    /// head office, the operator) sees what is enabled anywhere.
    pub fn visible(&self, principal: &Principal) -> bool {
        if self.enabled.everywhere {
            return true;
        }
        match &principal.district {
            Some(district) => self.enabled.districts.contains(district),
            None => !self.enabled.districts.is_empty(),
        }
    }

    pub fn is_edition(&self) -> bool {
        self.manifest
            .as_ref()
            .is_some_and(|m| m.kind == PluginKind::Edition)
    }
}

/// A page that answers for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    pub module: String,
    pub page: PageDef,
    pub params: BTreeMap<String, String>,
}

#[derive(Default)]
pub struct Catalog {
    pub modules: BTreeMap<String, Arc<Installed>>,
}

impl Catalog {
    /// The page declared for a path. A literal segment wins over a `{name}`.
    pub fn match_page(&self, path: &str) -> Option<Matched> {
        let mut parts = path.strip_prefix('/')?.splitn(3, '/');
        let module = parts.next()?;
        let installed = self.modules.get(module)?;
        let matched = |path: &str| {
            let pages = installed.def.pages.iter();
            pages
                .filter_map(|page| Some((page, params(&page.path, path)?)))
                .min_by_key(|(_, params)| params.len())
                .map(|(page, params)| Matched {
                    module: module.into(),
                    page: page.clone(),
                    params,
                })
        };
        // Pages that go by the name of a collection are found by the one that it had, too.
        let today = || {
            let now = installed.former.get(parts.next()?)?;
            let rest = parts.next().map(|rest| format!("/{rest}"));
            matched(&format!("/{module}/{now}{}", rest.unwrap_or_default()))
        };
        matched(path).or_else(today)
    }

    /// The declared collection behind `<module>.<collection>`, by the name it has or once had.
    pub fn collection(&self, name: &str) -> Option<(&Arc<Installed>, &CollectionDef)> {
        let (module, collection) = name.split_once('.')?;
        let installed = self.modules.get(module)?;
        installed.collection(collection).map(|c| (installed, c))
    }

    /// Where a named feature of a subject is found.
    pub fn feature(&self, name: &str) -> Option<(&Arc<Installed>, &FeatureDef)> {
        self.modules.values().find_map(|m| {
            m.def
                .features
                .iter()
                .find(|f| f.name == name)
                .map(|f| (m, f))
        })
    }

    /// The module whose collection records who may read whose data.
    pub fn ledger(&self) -> Option<&Arc<Installed>> {
        self.modules.values().find(|m| m.def.disclosures.is_some())
    }
}

fn params(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut found = BTreeMap::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(w), Some(g)) => match w.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(name) if !g.is_empty() => {
                    found.insert(name.to_owned(), g.to_owned());
                }
                None if w == g => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_segment_by_segment() {
        assert_eq!(params("/a/b", "/a/b").unwrap().len(), 0);
        assert_eq!(params("/a/{id}", "/a/7").unwrap().get("id").unwrap(), "7");
        assert!(params("/a/{id}", "/a/").is_none());
        assert!(params("/a/{id}", "/a/7/8").is_none());
        assert!(params("/a/{id}", "/a").is_none());
    }
}
