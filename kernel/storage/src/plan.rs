//! What must happen to the tables when a module declares something new. Pure.
//!
//! Only additions are carried out. Whatever could lose or reinterpret stored data is refused, with
//! a sentence for the module's author; all reasons at once.

use std::collections::{BTreeMap, BTreeSet};

use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS, Shard};
use sdk_contract::kind::Kind;

use crate::schema::{Column, Index, Table, deleted_column};

/// What [`crate::Store::apply`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// One sentence a step; empty when the tables were as declared.
    pub steps: Vec<String>,
    /// SM3 of the declaration's canonical JSON.
    pub digest: String,
}

/// One change of the tables.
#[derive(Debug)]
pub(crate) enum Step {
    CreateTable(Table),
    AddColumn { table: String, column: Column },
    CreateIndex { table: String, index: Index },
    DropIndex { table: String, index: Index },
}

/// Longest name of a module, collection or field; a table's name joins two.
const LONGEST_NAME: usize = 30;
const LONGEST_FIELD: usize = 60;
/// Table names the kernel's own migrations use.
const RESERVED: [&str; 11] = [
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

/// The steps from `old` (none before the first apply) to `new`, or why not.
pub(crate) fn plan(old: Option<&ModuleDef>, new: &ModuleDef) -> Result<Vec<Step>, Vec<String>> {
    let mut plan = Plan::default();
    plan.check(new);
    if !plan.refusals.is_empty() {
        return Err(plan.refusals);
    }
    if let Some(old) = old {
        plan.removed(old, new);
    }
    for collection in &new.collections {
        match old.and_then(|o| o.collection(&collection.name)) {
            Some(before) => plan.compare(&new.id, before, collection),
            None => plan.create(Table::of(&new.id, collection)),
        }
    }
    if plan.refusals.is_empty() {
        Ok(plan.steps)
    } else {
        Err(plan.refusals)
    }
}

#[derive(Default)]
struct Plan {
    steps: Vec<Step>,
    refusals: Vec<String>,
}

impl Plan {
    fn refuse(&mut self, sentence: String) {
        self.refusals.push(sentence);
    }

    /// A table, then those of its rows fields.
    fn create(&mut self, mut table: Table) {
        let rows = std::mem::take(&mut table.rows);
        self.steps.push(Step::CreateTable(table));
        let tables = rows.into_iter().map(|r| Step::CreateTable(r.table));
        self.steps.extend(tables);
    }

    /// What a declaration must hold by itself.
    fn check(&mut self, module: &ModuleDef) {
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

    fn removed(&mut self, old: &ModuleDef, new: &ModuleDef) {
        if old.id != new.id {
            self.refuse(format!(
                "The declaration of {} cannot follow that of {}.",
                new.id, old.id
            ));
        }
        for collection in &old.collections {
            if new.collection(&collection.name).is_none() {
                self.refuse(format!(
                    "Collection {} is gone from the declaration, but its table may hold records.",
                    collection.name
                ));
            }
        }
        for choice in &old.choices {
            // A choice nobody uses any more may go; its fields are compared one by one.
            let Some(now) = new.choice(&choice.name) else {
                continue;
            };
            for option in &choice.options {
                if !now.options.iter().any(|o| o.value == option.value) {
                    self.refuse(format!(
                        "Option {} is gone from the choice {}, but records may hold it.",
                        option.value, choice.name
                    ));
                }
            }
        }
    }

    fn compare(&mut self, module: &str, old: &CollectionDef, new: &CollectionDef) {
        let of = &new.name;
        if old.shard != new.shard {
            self.refuse(format!(
                "Collection {of} changes its shard key from {} to {}; its rows would have to move.",
                shard(old.shard),
                shard(new.shard)
            ));
        }
        let (was, mut is) = (Table::of(module, old), Table::of(module, new));
        if was.deletes && !is.deletes {
            self.refuse(format!(
                "Records of {of} can no longer be deleted, but deleted ones may be kept; they would be there again."
            ));
        }
        if is.deletes && !was.deletes {
            self.steps.push(Step::AddColumn {
                table: is.sql_name.clone(),
                column: deleted_column(),
            });
        }
        self.compare_fields(of, (&old.fields, &new.fields), &is);
        for rows in std::mem::take(&mut is.rows) {
            let Some(Kind::Rows { fields: now, .. }) = new.field(&rows.name).map(|f| &f.kind)
            else {
                continue;
            };
            match old.field(&rows.name).map(|f| &f.kind) {
                Some(Kind::Rows { fields: before, .. }) => {
                    let of = format!("{of}.{}", rows.name);
                    self.compare_fields(&of, (before, now), &rows.table);
                }
                Some(_) => {}
                None => self.create(rows.table),
            }
        }
        for index in was.indexes.iter().filter(|i| !is.indexes.contains(i)) {
            self.steps.push(Step::DropIndex {
                table: was.sql_name.clone(),
                index: index.clone(),
            });
        }
        for index in is.indexes.iter().filter(|i| !was.indexes.contains(i)) {
            self.steps.push(Step::CreateIndex {
                table: is.sql_name.clone(),
                index: index.clone(),
            });
        }
    }

    fn compare_fields(&mut self, of: &str, (old, new): (&[FieldDef], &[FieldDef]), is: &Table) {
        let find = |all: &[FieldDef], name: &str| all.iter().find(|f| f.name == name).cloned();
        for before in old {
            match find(new, &before.name) {
                Some(after) => self.compare_field(of, before, &after),
                // It has no column.
                None if matches!(before.kind, Kind::Computed { .. }) => {}
                None => self.refuse(format!(
                    "Field {} is gone from {of}, but records may hold it. If it was renamed, keep the old name.",
                    before.name
                )),
            }
        }
        for field in new.iter().filter(|f| find(old, &f.name).is_none()) {
            if field.required {
                self.refuse(format!(
                    "Field {} is added to {of} as required, but records that exist have no value for it. Make it optional.",
                    field.name
                ));
                continue;
            }
            let blind = is.blind_of(&field.name).map(|b| &b.column);
            for column in is.column(&field.name).into_iter().chain(blind) {
                self.steps.push(Step::AddColumn {
                    table: is.sql_name.clone(),
                    column: column.clone(),
                });
            }
        }
    }

    fn compare_field(&mut self, of: &str, old: &FieldDef, new: &FieldDef) {
        let name = &new.name;
        if !same_meaning(&old.kind, &new.kind) {
            self.refuse(format!(
                "Field {name} of {of} changes its kind; stored values would change their meaning."
            ));
        }
        if old.encrypted != new.encrypted {
            self.refuse(format!("Field {name} of {of} changes whether it is encrypted; stored values would have to be rewritten."));
        }
        if old.blind != new.blind {
            self.refuse(format!("Field {name} of {of} changes whether it has a blind index; stored values would have to be digested or forgotten."));
        }
        if new.required && !old.required {
            self.refuse(format!(
                "Field {name} of {of} becomes required, but records may have no value for it."
            ));
        }
    }
}

/// Bounds may move: they are checked when a value is written, and stored values stay readable.
fn same_meaning(old: &Kind, new: &Kind) -> bool {
    match (old, new) {
        (Kind::Text { .. }, Kind::Text { .. })
        | (Kind::Integer { .. }, Kind::Integer { .. })
        | (Kind::Money { .. }, Kind::Money { .. })
        // The rows' fields are compared one by one; computed fields keep nothing.
        | (Kind::Rows { .. }, Kind::Rows { .. })
        | (Kind::Computed { .. }, Kind::Computed { .. }) => true,
        (Kind::Decimal { scale: a, .. }, Kind::Decimal { scale: b, .. }) => a == b,
        (Kind::MultiChoice { of: a, .. }, Kind::MultiChoice { of: b, .. }) => a == b,
        (Kind::File { many: a, .. }, Kind::File { many: b, .. }) => a == b,
        _ => old == new,
    }
}

const fn shard(shard: Shard) -> &'static str {
    match shard {
        Shard::Subject => "subject",
        Shard::Organisation => "organisation",
        Shard::Aggregate => "aggregate",
        Shard::Reference => "reference",
    }
}

fn is_name(name: &str, joint: char, longest: usize) -> bool {
    name.len() <= longest
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateTable(table) => write!(f, "Create table {}.", table.sql_name),
            Self::AddColumn { table, column } => {
                write!(f, "Add column {} to {table}.", column.name)
            }
            Self::CreateIndex { table, index } => {
                let unique = if index.unique { "unique " } else { "" };
                write!(
                    f,
                    "Create {unique}index on {table} ({}).",
                    index.fields.join(", ")
                )
            }
            Self::DropIndex { table, index } => {
                write!(f, "Drop index on {table} ({}).", index.fields.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
