//! What a design makes: its part of the module's declaration.

use sdk_contract::change::ChangeDef;
use sdk_contract::def::{
    ActionDef, Area, CollectionDef, FieldDef, Label, ModuleDef, PageDef, PermissionDef, RoleGrant,
    RowScope,
};
use sdk_contract::kind::Kind;

use super::{Design, Life};
use crate::data::declare::{ID, OPERATOR, reason};

impl Design {
    /// Adds what this design makes to the module's declaration.
    pub(in crate::data) fn declare(&self, def: &mut ModuleDef) {
        match self.life {
            Life::Used => {}
            Life::Retired => {
                def.changes.push(ChangeDef::Retired {
                    collection: self.name().to_owned(),
                    field: None,
                });
                return;
            }
            Life::Gone => return,
        }
        let mut collection = self.collection.clone();
        let reveal = format!("{}.reveal", self.first_name());
        for field in &mut collection.fields {
            field.reveal = field.mask.map(|_| reveal.clone());
        }
        def.permissions.extend(self.permissions());
        def.actions.extend(self.actions(&collection));
        def.pages.extend(self.pages());
        def.choices.extend(self.choices.iter().cloned());
        def.changes.extend(self.changes.iter().cloned());
        def.collections.push(collection);
    }

    fn permissions(&self) -> Vec<PermissionDef> {
        let label = &self.collection.label.zh;
        let permission = |verb: &str, what: &str, roles: &mut dyn Iterator<Item = &String>| {
            let mut grants = vec![RoleGrant {
                role: OPERATOR.into(),
                scope: RowScope::All,
            }];
            for role in roles {
                if !grants.iter().any(|g| g.role == *role) {
                    grants.push(RoleGrant {
                        role: role.clone(),
                        scope: self.scope,
                    });
                }
            }
            PermissionDef {
                name: format!("{}.{verb}", self.first_name()),
                label: Label::from(format!("{what}{label}").as_str()),
                grants,
            }
        };
        vec![
            permission(
                "read",
                "查看",
                &mut self.readers.iter().chain(&self.writers),
            ),
            permission("manage", "维护", &mut self.writers.iter()),
            permission("reveal", "查看敏感项：", &mut self.writers.iter()),
        ]
    }

    fn actions(&self, collection: &CollectionDef) -> Vec<ActionDef> {
        let input: Vec<FieldDef> = collection
            .fields
            .iter()
            .map(|f| FieldDef {
                reveal: None,
                mask: None,
                level: None,
                encrypted: false,
                unique: false,
                ..f.clone()
            })
            .collect();
        let action = |verb: &str, zh: &str, record: bool, input: Vec<FieldDef>| ActionDef {
            name: format!("{}.{verb}", self.first_name()),
            label: Label::from(zh),
            help: String::new(),
            collection: self.name().to_owned(),
            record,
            permission: format!("{}.manage", self.first_name()),
            step_up: false,
            signed: false,
            purpose: None,
            input,
        };
        let whole = Kind::Integer {
            min: Some(1),
            max: None,
        };
        let based = FieldDef::new("based_on", Label::new("依据的版本", "Revision"), whole);
        let all: Vec<FieldDef> = input.iter().cloned().chain([based]).collect();
        vec![
            action("create", "新增", false, input),
            action("update", "修改", true, all),
            action("delete", "删除", true, vec![reason()]),
        ]
    }

    fn pages(&self) -> Vec<PageDef> {
        let label = &self.collection.label.zh;
        let page = |path: &str, zh: &str, area: Area, verb: &str| PageDef {
            path: format!("/{ID}/{}{path}", self.name()),
            label: Label::from(format!("{zh}{label}").as_str()),
            icon: if area == Area::Bench { "table" } else { "" }.into(),
            area,
            order: 850,
            permission: format!("{}.{verb}", self.first_name()),
        };
        vec![
            page("", "", Area::Bench, "read"),
            page("/new", "新增", Area::None, "manage"),
            page("/{id}", "", Area::None, "read"),
            page("/{id}/edit", "修改", Area::None, "manage"),
        ]
    }
}
