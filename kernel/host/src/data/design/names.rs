//! What a designed collection is called, and its way to another name.

use sdk_contract::change::ChangeDef;
use sdk_contract::error::FieldFault;
use sdk_contract::kind::Kind;
use sdk_contract::manifest::is_slug;

use super::{Design, Typed, bad};
use crate::data::declare::{COLLECTION, ENTITY};
use crate::values::word;

/// A collection's name: a slug that no other has or had.
pub(super) fn table_name(typed: &Typed, taken: &[String]) -> Result<String, FieldFault> {
    let name = word(typed, "name").trim();
    if !is_slug(name) || name.len() > 30 {
        let text =
            "表名为小写英文字母开头，只含小写字母、数字和短横线，最长 30 位，如 park-tenants";
        return Err(bad("name", text));
    }
    if [COLLECTION, ENTITY].contains(&name) || taken.iter().any(|one| one == name) {
        let text = "已有同名的数据表，或有数据表用过这个名称";
        return Err(FieldFault::new("name", "taken", text));
    }
    Ok(name.to_owned())
}

impl Design {
    /// The name it first had, which its actions, permissions and choices keep: roles that an organisation
    /// composed and the audit trail name them.
    pub(in crate::data) fn first_name(&self) -> &str {
        &self.collection.entity
    }

    /// Gives it another name. Its records, and what refers to them by the old name, stay.
    pub(in crate::data) fn call(
        &mut self,
        typed: &Typed,
        taken: &[String],
        live: Option<&Self>,
    ) -> Result<(), Vec<FieldFault>> {
        let name = table_name(typed, taken).map_err(|fault| vec![fault])?;
        let Some(live) = live else {
            // Nobody knows it by any name yet.
            let was = std::mem::replace(&mut self.collection.entity, name.clone());
            for choice in &mut self.choices {
                choice.name = choice.name.replacen(&was, &name, 1);
            }
            for field in &mut self.collection.fields {
                if let Kind::Choice { of } | Kind::MultiChoice { of, .. } = &mut field.kind {
                    *of = of.replacen(&was, &name, 1);
                }
            }
            self.collection.read = format!("{name}.read");
            self.collection.create = Some(format!("{name}.manage"));
            self.collection.update = Some(format!("{name}.manage"));
            self.collection.name = name;
            return Ok(());
        };
        self.changes
            .retain(|c| !matches!(c, ChangeDef::Renamed { field: None, .. }));
        for change in &mut self.changes {
            match change {
                ChangeDef::Renamed { collection, .. }
                | ChangeDef::Retired { collection, .. }
                | ChangeDef::Converted { collection, .. } => name.clone_into(collection),
            }
        }
        if name != live.name() {
            self.changes.push(ChangeDef::Renamed {
                collection: name.clone(),
                field: None,
                from: live.name().to_owned(),
            });
        }
        self.collection.name = name;
        Ok(())
    }
}
