//! Who may reach which rows.

use sdk::Map;
use sdk_contract::call::Caller;
use sdk_contract::def::{CollectionDef, Mask, ModuleDef, PermissionDef, RowScope};
use sdk_contract::error::{Fault, FaultKind};
use serde_json::Value;

use crate::people::People;

/// Who runs: a person with their grants, or a module by itself, which hears an event. It has
/// everything in its own collections, and elsewhere what any signed-in user may do.
#[derive(Debug, Clone)]
pub(super) enum Runner {
    Person(Caller),
    Module(String),
}

/// The rows somebody may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    All,
    Scopes(Vec<RowScope>),
}

impl Runner {
    pub(super) fn caller(&self) -> Caller {
        match self {
            Self::Person(caller) => caller.clone(),
            Self::Module(id) => Caller {
                name: id.clone(),
                ..Caller::default()
            },
        }
    }

    fn is_anonymous(&self) -> bool {
        matches!(self, Self::Person(caller) if caller.user.is_none())
    }

    fn scopes(&self, def: &ModuleDef, permission: &PermissionDef) -> Option<Vec<RowScope>> {
        if matches!(self, Self::Module(id) if *id == def.id) {
            return Some(vec![RowScope::All]);
        }
        let held = |role: &str| match (role, self) {
            ("anyone", _) => true,
            ("signed-in", _) => !self.is_anonymous(),
            (role, Self::Person(caller)) => caller.has_role(role),
            (_, Self::Module(_)) => false,
        };
        let scopes: Vec<RowScope> = permission
            .grants
            .iter()
            .filter(|g| held(&g.role))
            .map(|g| g.scope)
            .collect();
        (!scopes.is_empty()).then_some(scopes)
    }

    /// The rows that a permission reaches, or the refusal.
    pub(super) fn reach(&self, def: &ModuleDef, permission: &str) -> Result<Reach, Fault> {
        let declared = def.permission(permission).ok_or_else(Fault::not_found)?;
        match self.scopes(def, declared) {
            Some(scopes) if scopes.contains(&RowScope::All) => Ok(Reach::All),
            Some(scopes) => Ok(Reach::Scopes(scopes)),
            None if self.is_anonymous() => Err(Fault::new(
                FaultKind::Forbidden,
                "unauthenticated",
                "请先登录",
            )),
            None => Err(Fault::forbidden(format!(
                "您的岗位没有“{}”的权限",
                declared.label.zh
            ))),
        }
    }

    /// Whether one of the scopes holds a row.
    pub(super) fn reaches(
        &self,
        reach: &Reach,
        collection: &CollectionDef,
        row: &Map,
        people: &People,
    ) -> bool {
        let Reach::Scopes(scopes) = reach else {
            return true;
        };
        let caller = self.caller();
        let of = |name: &str| row.get(name).and_then(Value::as_str);
        scopes.iter().any(|scope| match scope {
            RowScope::All => true,
            RowScope::Assigned => {
                let assignee = collection.assignee.as_deref().and_then(of);
                caller.user.is_some() && assignee == caller.user.as_deref()
            }
            RowScope::Own => caller.subject.is_some() && of("subject") == caller.subject.as_deref(),
            RowScope::District => {
                caller.district.is_some() && of("district") == caller.district.as_deref()
            }
            RowScope::Organisation => match (of("organisation"), &caller.organisation) {
                (Some(owner), Some(mine)) => people.within(owner, mine),
                _ => false,
            },
        })
    }

    /// Masks what this runner may not see.
    pub(super) fn mask(
        &self,
        def: &ModuleDef,
        collection: &CollectionDef,
        row: &mut Map,
        people: &People,
    ) {
        for field in &collection.fields {
            let Some(mask) = field.mask else { continue };
            let may = |p: &String| {
                let reach = self.reach(def, p);
                reach.is_ok_and(|reach| self.reaches(&reach, collection, row, people))
            };
            if field.reveal.as_ref().is_some_and(may) {
                continue;
            }
            if let Some(value) = row.get_mut(&field.name) {
                *value = match value {
                    Value::String(text) if mask != Mask::Hidden => mask.of(text).into(),
                    _ => Value::Null,
                };
            }
        }
    }
}
