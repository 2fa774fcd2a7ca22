//! What a declaration must hold by itself before it can have tables.

use std::collections::{BTreeMap, BTreeSet};

use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS};
use sdk_contract::kind::Kind;

use super::Planner;

/// Longest name of a module, collection or field; a table's name joins two.
const LONGEST_NAME: usize = 30;
const LONGEST_FIELD: usize = 40;
/// Table names the kernel's own migrations use.
const RESERVED: [&str; 12] = [
    "blind",
    "schema",
    "migrations",
    "outbox",
    "idempotency",
    "steps",
    "audit",
    "changes",
    "checkpoints",
    "search",
    "search_grams",
    "search_state",
];

impl Planner<'_> {
    /// What a declaration must hold by itself.
    pub(super) fn check(&mut self, module: &ModuleDef) {
        if !is_name(&module.id, '-', LONGEST_NAME) {
            self.refuse(format!(
                "'{}' is not a module id: lower-case letters, digits and dashes.",
                module.id
            ));
        }
        let mut tables = BTreeSet::new();
        for collection in &module.collections {
            let name = &collection.name;
            if !is_name(&name.replace('-', "_"), '_', LONGEST_NAME) || name.contains("__") {
                self.refuse(format!("'{name}' is not a collection name: lower-case letters, digits and single underscores, at most {LONGEST_NAME}."));
            }
            if !tables.insert(name.replace('-', "_")) {
                self.refuse(format!("Collection {name} is declared twice."));
            }
            if module.id == "kernel" && RESERVED.contains(&name.as_str()) {
                self.refuse(format!("Collection {name} of the kernel is reserved."));
            }
            self.check_fields(module, collection);
        }
    }

    fn check_fields(&mut self, module: &ModuleDef, collection: &CollectionDef) {
        let of = &collection.name;
        let mut fields: BTreeMap<&str, Option<&FieldDef>> =
            SYSTEM_FIELDS.iter().map(|name| (*name, None)).collect();
        for field in &collection.fields {
            let name = &field.name;
            if !is_name(name, '_', LONGEST_FIELD) || name.contains("__") {
                self.refuse(format!("'{name}' of {of} is not a field name: lower-case letters, digits and underscores."));
            }
            if fields.insert(name, Some(field)).is_some() {
                self.refuse(format!(
                    "Field {name} of {of} is declared twice or is a system field."
                ));
            }
            self.check_kind(module, of, field);
            if let Kind::Computed { result, from } = &field.kind
                && let Some(why) = from.fault(result, &collection.fields)
            {
                self.refuse(format!("Field {name} of {of} cannot be computed: {why}."));
            }
        }
        for index in collection.indexes.iter().chain(&collection.unique) {
            if index.is_empty() {
                self.refuse(format!("An index of {of} names no field."));
            }
            for name in index {
                match fields.get(name.as_str()) {
                    None => self.refuse(format!(
                        "An index of {of} names {name}, which is not a field."
                    )),
                    Some(Some(f)) if f.encrypted || !f.kind.ops().group => {
                        self.refuse(format!(
                            "An index of {of} names {name}, which is encrypted or has no plain column."
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// What a field must hold by itself, in a collection or in a row.
    fn check_kind(&mut self, module: &ModuleDef, of: &str, field: &FieldDef) {
        let name = &field.name;
        match &field.kind {
            Kind::Choice { of: choice } | Kind::MultiChoice { of: choice, .. }
                if module.choice(choice).is_none() =>
            {
                self.refuse(format!(
                    "Field {name} of {of} names the choice {choice}, which is not declared."
                ));
            }
            Kind::Ref { to } if !to.contains('.') && module.collection(to).is_none() => {
                self.refuse(format!(
                    "Field {name} of {of} refers to {to}, which is not declared."
                ));
            }
            Kind::Decimal { scale, .. } if *scale > 18 => {
                self.refuse(format!(
                    "Field {name} of {of} has more than 18 digits after the point."
                ));
            }
            Kind::Rows { fields, .. } => self.check_rows(module, of, name, fields),
            _ => {}
        }
        if field.encrypted && (field.unique && !field.blind || field.search) {
            self.refuse(format!("Field {name} of {of} is encrypted, so it cannot be unique without a blind index, and not searched."));
        }
        if field.blind && !field.encrypted {
            self.refuse(format!(
                "Field {name} of {of} has a blind index, which is for encrypted fields."
            ));
        }
        let ops = field.kind.ops();
        if field.search && !ops.text {
            self.refuse(format!(
                "Field {name} of {of} is of the kind {}, so it cannot be searched.",
                field.kind.name()
            ));
        }
        if field.unique && !ops.group {
            self.refuse(format!(
                "Field {name} of {of} is of the kind {}, so it cannot be unique.",
                field.kind.name()
            ));
        }
        if field.encrypted && matches!(field.kind, Kind::Rows { .. } | Kind::Computed { .. }) {
            self.refuse(format!(
                "Field {name} of {of} is of the kind {}, so it cannot be encrypted.",
                field.kind.name()
            ));
        }
    }

    fn check_rows(&mut self, module: &ModuleDef, of: &str, rows: &str, fields: &[FieldDef]) {
        let of = format!("{of}.{rows}");
        let mut names = BTreeSet::new();
        if fields.is_empty() {
            self.refuse(format!("The rows of {of} have no fields."));
        }
        for field in fields {
            let name = &field.name;
            let fine = is_name(name, '_', LONGEST_FIELD) && !name.contains("__");
            if !fine || !names.insert(name) {
                self.refuse(format!("'{name}' of {of} is not a field name: lower-case letters, digits and underscores, each once."));
            }
            let nested = matches!(
                field.kind,
                Kind::Rows { .. } | Kind::File { .. } | Kind::Computed { .. }
            );
            if nested || field.unique || field.encrypted || field.search {
                self.refuse(format!("Field {name} of {of} is in a row, so it cannot be rows, file or computed, nor unique, encrypted or searched."));
            }
            self.check_kind(module, &of, field);
        }
    }
}

fn is_name(name: &str, joint: char, longest: usize) -> bool {
    name.len() <= longest
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
}
