//! Who may reach which rows.

use sdk::Map;
use sdk_contract::call::Caller;
use sdk_contract::def::{CollectionDef, Mask, ModuleDef, PermissionDef, RowScope};
use sdk_contract::error::{Fault, FaultKind};
use serde_json::Value;

use crate::people::People;

/// Who runs: a person with their grants, or the platform itself for events.
#[derive(Debug, Clone)]
pub(super) enum Runner {
    Person(Caller),
    Platform,
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
            Self::Platform => Caller::default(),
        }
    }

    fn scopes(&self, permission: &PermissionDef) -> Option<Vec<RowScope>> {
        let Self::Person(caller) = self else {
            return Some(vec![RowScope::All]);
        };
        let held = |role: &str| match role {
            "anyone" => true,
            "signed-in" => caller.user.is_some(),
            role => caller.has_role(role),
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
        match self.scopes(declared) {
            Some(scopes) if scopes.contains(&RowScope::All) => Ok(Reach::All),
            Some(scopes) => Ok(Reach::Scopes(scopes)),
            None if self.caller().user.is_none() => Err(Fault::new(
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
    pub(super) fn reaches(&self, reach: &Reach, row: &Map, people: &People) -> bool {
        let Reach::Scopes(scopes) = reach else {
            return true;
        };
        let caller = self.caller();
        let of = |name: &str| row.get(name).and_then(Value::as_str);
        scopes.iter().any(|scope| match scope {
            RowScope::All => true,
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
                reach.is_ok_and(|reach| self.reaches(&reach, row, people))
            };
            if matches!(self, Self::Platform) || field.reveal.as_ref().is_some_and(may) {
                continue;
            }
            if let Some(value) = row.get_mut(&field.name) {
                *value = match value {
                    Value::String(text) if mask != Mask::Hidden => masked(mask, text).into(),
                    _ => Value::Null,
                };
            }
        }
    }
}

fn masked(mask: Mask, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let keep = |head: usize, tail: usize| match chars.len().checked_sub(head + tail) {
        None | Some(0) => "****".to_owned(),
        Some(hidden) => {
            let start: String = chars.iter().take(head).collect();
            let end: String = chars.iter().skip(head + hidden).collect();
            format!("{start}{}{end}", "*".repeat(hidden))
        }
    };
    match mask {
        Mask::Phone => keep(3, 4),
        Mask::Name => chars.first().map_or_else(String::new, |c| format!("{c}**")),
        Mask::IdNumber => keep(6, 4),
        Mask::All => "****".to_owned(),
        Mask::Hidden => String::new(),
    }
}
