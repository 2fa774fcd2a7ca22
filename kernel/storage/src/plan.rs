//! What must happen to the tables when a module declares something new. Pure.
//!
//! Additions are carried out at once. What goes has been retired by the release before; what
//! changes its meaning is converted as its [`ChangeDef`] says. Whatever else could lose or
//! reinterpret stored data is refused, with a sentence for the module's author; all reasons at once.

mod check;
mod step;

use std::collections::BTreeSet;

use sdk_contract::change::{ChangeDef, Conversion};
use sdk_contract::def::{ChoiceDef, CollectionDef, FieldDef, ModuleDef, Shard};
use sdk_contract::kind::Kind;

pub(crate) use self::step::Step;
use crate::layout::{Layout, Places, Stored};
use crate::schema::{Column, Table, converted_column, deleted_column};

/// What [`crate::Store::apply`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// One sentence a step; empty when the tables were as declared.
    pub steps: Vec<String>,
    /// SM3 of the declaration's canonical JSON.
    pub digest: String,
}

/// From one declaration to the next.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Makes room for converted values, beside what serves.
    pub(crate) begin: Vec<Step>,
    /// Values to make before the other steps are taken.
    pub(crate) conversions: Vec<Converting>,
    /// Collections, as they will be, whose records get codes, or others, in the same way.
    pub(crate) attested: Vec<CollectionDef>,
    /// Taken together, with the declaration.
    pub(crate) steps: Vec<Step>,
    /// Where everything is then.
    pub(crate) layout: Layout,
}

/// One field whose values are made anew.
#[derive(Debug, Clone)]
pub(crate) struct Converting {
    pub(crate) collection: String,
    pub(crate) field: FieldDef,
    /// As it was declared; called as in the declaration of before.
    pub(crate) source: FieldDef,
    pub(crate) by: Conversion,
    pub(crate) lossy: bool,
}

/// The steps from `old` (none before the first apply) to `new`, or why not.
pub(crate) fn plan(old: Option<&Stored>, new: &ModuleDef) -> Result<Plan, Vec<String>> {
    let mut planner = Planner {
        old: old.map(|o| &o.def),
        new,
        plan: Plan {
            layout: old.map(|o| o.layout.clone()).unwrap_or_default(),
            ..Plan::default()
        },
        last: Vec::new(),
        refusals: Vec::new(),
    };
    planner.check(new);
    if planner.refusals.is_empty() {
        planner.collections();
    }
    let Planner {
        mut plan,
        last,
        refusals,
        ..
    } = planner;
    plan.steps.extend(last);
    if refusals.is_empty() {
        Ok(plan)
    } else {
        Err(refusals)
    }
}

/// The tables of a declaration and a layout, for a database without them.
pub(crate) fn create(module: &Stored) -> Result<Vec<Step>, Vec<String>> {
    plan(None, &module.def)?;
    let mut all = Plan::default();
    for table in module.tables().chain(module.retired_tables()) {
        all.create(table);
    }
    all.steps.retain(|step| !matches!(step, Step::Guard { .. }));
    Ok(all.steps)
}

/// What is added to them once their records are back.
pub(crate) fn guards(module: &Stored) -> Vec<Step> {
    let tables = module.tables().chain(module.retired_tables());
    tables.filter_map(|table| Step::guard(&table)).collect()
}

impl Plan {
    /// A table, then those of its rows fields.
    fn create(&mut self, mut table: Table) {
        let rows = std::mem::take(&mut table.rows);
        let gone = std::mem::take(&mut table.retired.rows);
        let guard = Step::guard(&table);
        self.steps.push(Step::CreateTable(Box::new(table)));
        self.steps.extend(guard);
        let rows = rows.into_iter().chain(gone);
        let rows = rows.map(|r| Step::CreateTable(Box::new(r.table)));
        self.steps.extend(rows);
    }
}

struct Planner<'a> {
    old: Option<&'a ModuleDef>,
    new: &'a ModuleDef,
    plan: Plan,
    /// Steps that come after all others.
    last: Vec<Step>,
    refusals: Vec<String>,
}

impl<'a> Planner<'a> {
    fn refuse(&mut self, sentence: String) {
        self.refusals.push(sentence);
    }

    fn say(&mut self, sentence: String) {
        self.plan.steps.push(Step::Note(sentence));
    }

    fn is_retired(&self, collection: &str, field: Option<&str>) -> bool {
        self.new.changes.iter().any(|change| {
            matches!(change, ChangeDef::Retired { collection: c, field: f }
                if c == collection && f.as_deref() == field)
        })
    }

    /// The conversion declared of a field: where its values come from, how, and whether some may
    /// be lost.
    fn converted(
        &self,
        collection: &str,
        field: &str,
    ) -> Option<(Option<&'a str>, &'a Conversion, bool)> {
        self.new.changes.iter().find_map(|change| match change {
            ChangeDef::Converted {
                collection: c,
                field: f,
                from,
                by,
                lossy,
            } if c == collection && f == field => Some((from.as_deref(), by, *lossy)),
            _ => None,
        })
    }

    fn collections(&mut self) {
        let (old, new) = (self.old, self.new);
        if let Some(old) = old
            && old.id != new.id
        {
            self.refuse(format!(
                "The declaration of {} cannot follow that of {}.",
                new.id, old.id
            ));
            return;
        }
        for collection in &new.collections {
            let name = &collection.name;
            let before = old.and_then(|o| o.collection(name)).cloned();
            let back = self.plan.layout.retired.remove(name);
            if back.is_some() {
                self.say(format!("Collection {name} is in use again."));
            }
            if let Some(before) = before.or(back) {
                self.compare(&before, collection);
            } else {
                let places = Places::default();
                self.plan.create(Table::of(&new.id, collection, &places));
            }
        }
        self.gone_collections();
    }

    fn gone_collections(&mut self) {
        let (old, new) = (self.old, self.new);
        let module = new.id.as_str();
        let retired: Vec<CollectionDef> = self.plan.layout.retired.values().cloned().collect();
        for collection in retired {
            let name = collection.name.as_str();
            if self.is_retired(name, None) {
                continue;
            }
            let places = self.plan.layout.of(name);
            let table = Table::of(module, &collection, &places);
            for rows in table.rows_tables() {
                self.last.push(Step::drop_table(rows));
            }
            self.last.push(Step::drop_table(&table));
            self.plan.layout.retired.remove(name);
            self.plan.layout.forget(name);
        }
        for collection in old.iter().flat_map(|o| &o.collections) {
            let name = collection.name.as_str();
            if new.collection(name).is_some() {
                continue;
            }
            if self.is_retired(name, None) {
                self.say(format!(
                    "Collection {name} is retired; its table stays until a release leaves that out."
                ));
                let retired = &mut self.plan.layout.retired;
                retired.insert(name.to_owned(), collection.clone());
            } else {
                self.refuse(format!(
                    "Collection {name} is gone from the declaration, but its table may hold records. Retire it in this release and leave it out of the next."
                ));
            }
        }
    }

    fn compare(&mut self, old: &CollectionDef, new: &CollectionDef) {
        let of = &new.name;
        let module = self.new.id.as_str();
        if old.shard != new.shard {
            self.refuse(format!(
                "Collection {of} changes its shard key from {} to {}; its rows would have to move.",
                shard(old.shard),
                shard(new.shard)
            ));
        }
        let mut places = self.plan.layout.of(of);
        let was = Table::of(module, old, &places);
        if was.deletes && new.keep_deleted.is_none() {
            self.refuse(format!(
                "Records of {of} can no longer be deleted, but deleted ones may be kept; they would be there again."
            ));
        }
        if new.keep_deleted.is_some() && !was.deletes {
            self.add(&was, deleted_column());
        }
        self.confirm(&was, &mut places);
        let pairs = self.pairs(old, new, &mut places);
        self.gone_fields(&was, old, &pairs, &mut places);
        let mut converts = false;
        for (field, before) in pairs {
            converts |= self.field(&was, old, (field, before.as_ref()), &mut places);
        }
        converts |= self.codes(&was, new, &mut places);
        self.plan.layout.put(of, places.clone());

        let is = Table::of(module, new, &places);
        for index in was.indexes.iter().filter(|i| !is.indexes.contains(i)) {
            self.plan.steps.insert(
                0,
                Step::DropIndex {
                    table: was.sql_name.clone(),
                    index: index.clone(),
                },
            );
        }
        if converts {
            let mark = converted_column();
            self.plan.begin.push(Step::AddColumn {
                table: was.sql_name.clone(),
                column: mark.clone(),
            });
            self.drop_column(&was, &mark.stored);
        }
        for index in is.indexes.iter().filter(|i| !was.indexes.contains(i)) {
            self.plan.steps.push(Step::CreateIndex {
                table: is.sql_name.clone(),
                index: index.clone(),
            });
        }
    }

    /// The codes of a collection's records: begun, ended, or made anew where they would speak for
    /// other values than before. Whether they are made.
    fn codes(&mut self, was: &Table, new: &CollectionDef, places: &mut Places) -> bool {
        let module = self.new.id.as_str();
        let is = Table::of(module, new, places);
        let converts = |c: &Converting| c.collection == new.name;
        let made = new.attested
            && (was.code.is_none()
                || !is.reads_at_least(was)
                || self.plan.conversions.iter().any(converts));
        if made && was.code.is_some() {
            places.code_anew();
        }
        if let Some(code) = was.code.as_ref().filter(|_| made || !new.attested) {
            self.drop_column(was, &code.stored);
        }
        if made {
            let is = Table::of(module, new, places);
            self.plan
                .begin
                .extend(is.code.clone().map(|column| Step::AddColumn {
                    table: was.sql_name.clone(),
                    column,
                }));
            self.plan.steps.extend(Step::guard(&is));
            self.plan.attested.push(new.clone());
        }
        made
    }

    fn add(&mut self, table: &Table, column: Column) {
        self.plan.steps.push(Step::AddColumn {
            table: table.sql_name.clone(),
            column,
        });
    }

    fn drop_column(&mut self, table: &Table, column: &str) {
        self.plan.steps.push(Step::DropColumn {
            table: table.sql_name.clone(),
            column: column.to_owned(),
        });
    }

    /// What conversions have left behind goes with the release that does not name them any more.
    fn confirm(&mut self, was: &Table, places: &mut Places) {
        let of = was.name.collection.as_str();
        let left: Vec<String> = places.kept.keys().cloned().collect();
        for field in left {
            if self.converted(of, &field).is_none()
                && let Some(kept) = places.kept.remove(&field)
            {
                self.drop_column(was, &kept.column);
            }
        }
    }

    /// Each field with what it was before; renamed and added ones get their columns.
    fn pairs<'n>(
        &mut self,
        old: &CollectionDef,
        new: &'n CollectionDef,
        places: &mut Places,
    ) -> Vec<(&'n FieldDef, Option<FieldDef>)> {
        let of = &new.name;
        let mut pairs = Vec::with_capacity(new.fields.len());
        for field in &new.fields {
            let name = &field.name;
            if let Some(before) = old.field(name) {
                pairs.push((field, Some(before.clone())));
                continue;
            }
            let from = self.new.changes.iter().find_map(|change| match change {
                ChangeDef::Renamed {
                    collection,
                    field,
                    from,
                } if collection == of && field == name => old.field(from),
                _ => None,
            });
            if let Some(before) = from {
                self.say(format!(
                    "Field {} of {of} is called {name}; its values stay where they are.",
                    before.name
                ));
                places.rename(&before.name, name);
                pairs.push((field, Some(before.clone())));
            } else if let Some(before) = places.retired.remove(name) {
                self.say(format!("Field {name} of {of} is in use again."));
                pairs.push((field, Some(before)));
            } else {
                pairs.push((field, None));
            }
        }
        // Once all that were there have their names: no new one gets a column of theirs.
        for (field, before) in &pairs {
            if before.is_none() {
                let others = new.fields.iter().filter(|f| f.name != field.name);
                places.add(&field.name, others.map(|f| f.name.as_str()));
            }
        }
        pairs
    }

    fn gone_fields(
        &mut self,
        was: &Table,
        old: &CollectionDef,
        pairs: &[(&FieldDef, Option<FieldDef>)],
        places: &mut Places,
    ) {
        let of = &old.name;
        let retired: Vec<FieldDef> = places.retired.values().cloned().collect();
        for field in retired {
            let name = field.name.as_str();
            if self.is_retired(of, Some(name)) {
                continue;
            }
            let now = &was.retired;
            let plain = now.columns.iter().find(|c| c.name == name);
            let blind = now.blinds.iter().find(|b| b.of == name);
            for column in plain.into_iter().chain(blind.map(|b| &b.column)) {
                self.drop_column(was, &column.stored);
            }
            if let Some(rows) = now.rows.iter().find(|r| r.name == name) {
                self.last.push(Step::drop_table(&rows.table));
            }
            places.drop_field(name);
        }
        let stays: BTreeSet<&str> = pairs
            .iter()
            .filter_map(|(_, before)| before.as_ref().map(|b| b.name.as_str()))
            .collect();
        for field in &old.fields {
            let name = field.name.as_str();
            // What is computed has no column.
            if stays.contains(name) || matches!(field.kind, Kind::Computed { .. }) {
                continue;
            }
            if self.is_retired(of, Some(name)) {
                self.say(format!(
                    "Field {name} of {of} is retired; its values stay until a release leaves that out."
                ));
                places.retired.insert(name.to_owned(), field.clone());
            } else {
                self.refuse(format!(
                    "Field {name} is gone from {of}, but records may hold it. Retire it in this release and leave it out of the next, or say what it was renamed to."
                ));
            }
        }
    }

    /// What becomes of one field; whether its values are converted.
    fn field(
        &mut self,
        was: &Table,
        old: &CollectionDef,
        (field, before): (&FieldDef, Option<&FieldDef>),
        places: &mut Places,
    ) -> bool {
        let of = old.name.as_str();
        let conversion = self.converted(of, &field.name);
        let made = match (before, conversion) {
            // Made of another field, which is still there.
            (None, Some((Some(from), by, lossy))) => {
                let Some(source) = old.field(from) else {
                    self.refuse(format!(
                        "Field {} of {of} is made of {from}, which is no field of the release before.",
                        field.name
                    ));
                    return false;
                };
                Some((source.clone(), by, lossy))
            }
            (Some(before), Some((None, by, lossy))) if self.needs(before, field) => {
                Some((before.clone(), by, lossy))
            }
            _ => None,
        };
        let Some((source, by, lossy)) = made else {
            match before {
                Some(before) => self.compare_field(was, of, before, field),
                None => self.added(was, of, field, places),
            }
            return false;
        };
        let plain = |f: &FieldDef| {
            !matches!(
                f.kind,
                Kind::Rows { .. } | Kind::File { .. } | Kind::Computed { .. }
            )
        };
        if !plain(&source) || !plain(field) {
            self.refuse(format!(
                "Field {} of {of} cannot be converted: rows, files and computed fields are not.",
                field.name
            ));
            return false;
        }
        if before.is_some() {
            self.move_over(was, &source, &field.name, places);
        }
        let module = &self.new.id;
        let column = crate::schema::column(module, field, places.column(&field.name));
        let blind = crate::schema::blind(field, places.column(&field.name));
        for column in column.into_iter().chain(blind.map(|b| b.column)) {
            self.plan.begin.push(Step::AddColumn {
                table: was.sql_name.clone(),
                column,
            });
        }
        let converting = Converting {
            collection: of.to_owned(),
            field: field.clone(),
            source,
            by: by.clone(),
            lossy,
        };
        self.plan.conversions.push(converting);
        true
    }

    /// A converted field leaves its column. That gets a name that no node which has not heard of it
    /// can write to any more.
    fn move_over(&mut self, was: &Table, source: &FieldDef, name: &str, places: &mut Places) {
        if let Some(kept) = places.kept.get(name).map(|k| k.column.clone()) {
            self.drop_column(was, &kept);
        }
        let column = places.column(name).to_owned();
        places.convert(source.clone(), name);
        if let Some(kept) = places.kept.get(name) {
            self.plan.steps.push(Step::RenameColumn {
                table: was.sql_name.clone(),
                from: column,
                to: kept.column.clone(),
            });
        }
        if let Some(blind) = was.blind_of(&source.name) {
            self.drop_column(was, &blind.column.stored);
        }
    }

    fn added(&mut self, was: &Table, of: &str, field: &FieldDef, places: &Places) {
        let name = &field.name;
        if field.required {
            self.refuse(format!(
                "Field {name} is added to {of} as required, but records that exist have no value for it. Make it optional."
            ));
            return;
        }
        let at = places.column(name);
        if let Kind::Rows { .. } = &field.kind {
            let mut alone = (*was.def).clone();
            alone.fields = vec![field.clone()];
            let table = Table::of(&self.new.id, &alone, places);
            let rows = table
                .rows
                .into_iter()
                .map(|r| Step::CreateTable(Box::new(r.table)));
            self.plan.steps.extend(rows);
        }
        let column = crate::schema::column(&self.new.id, field, at);
        let blind = crate::schema::blind(field, at).map(|b| b.column);
        for column in column.into_iter().chain(blind) {
            self.add(was, column);
        }
    }

    /// Options of a choice field that are no options any more.
    fn lost_options(&self, old: &FieldDef, new: &FieldDef) -> Vec<(String, String)> {
        let (Kind::Choice { of: before } | Kind::MultiChoice { of: before, .. }) = &old.kind else {
            return Vec::new();
        };
        let (Kind::Choice { of: after } | Kind::MultiChoice { of: after, .. }) = &new.kind else {
            return Vec::new();
        };
        let options = |choice: Option<&ChoiceDef>| -> Vec<String> {
            let options = choice.into_iter().flat_map(|c| &c.options);
            options.map(|o| o.value.clone()).collect()
        };
        let now = options(self.new.choice(after));
        let were = options(self.old.and_then(|o| o.choice(before)));
        were.into_iter()
            .filter(|option| !now.contains(option))
            .map(|option| (option, before.clone()))
            .collect()
    }

    /// Whether values of a field cannot stay as they are.
    fn needs(&self, old: &FieldDef, new: &FieldDef) -> bool {
        !same_meaning(&old.kind, &new.kind)
            || old.encrypted != new.encrypted
            || old.blind != new.blind
            || new.required && !old.required
            || !self.lost_options(old, new).is_empty()
    }

    fn compare_field(&mut self, was: &Table, of: &str, old: &FieldDef, new: &FieldDef) {
        let name = &new.name;
        if !same_meaning(&old.kind, &new.kind) {
            self.refuse(format!(
                "Field {name} of {of} changes its kind; stored values would change their meaning. Say how they are converted."
            ));
        }
        if old.encrypted != new.encrypted {
            self.refuse(format!("Field {name} of {of} changes whether it is encrypted; stored values would have to be rewritten. Say how they are converted."));
        }
        if old.blind != new.blind {
            self.refuse(format!("Field {name} of {of} changes whether it has a blind index; stored values would have to be digested or forgotten. Say how they are converted."));
        }
        if new.required && !old.required {
            self.refuse(format!(
                "Field {name} of {of} becomes required, but records may have no value for it. Say what fills it."
            ));
        }
        for (option, choice) in self.lost_options(old, new) {
            self.refuse(format!(
                "Option {option} is gone from the choice {choice}, but records may hold it. Say what {name} of {of} becomes."
            ));
        }
        if let (Kind::Rows { fields: before, .. }, Kind::Rows { fields: now, .. }) =
            (&old.kind, &new.kind)
            && let Some(rows) = was.rows_field(&old.name)
        {
            self.compare_rows(&format!("{of}.{name}"), &rows.table, (before, now));
        }
    }

    /// Rows only grow: their fields are neither renamed nor retired nor converted.
    fn compare_rows(&mut self, of: &str, was: &Table, (old, new): (&[FieldDef], &[FieldDef])) {
        let find = |all: &[FieldDef], name: &str| all.iter().find(|f| f.name == name).cloned();
        for before in old {
            match find(new, &before.name) {
                Some(after) => self.compare_field(was, of, before, &after),
                None => self.refuse(format!(
                    "Field {} is gone from {of}, but records may hold it.",
                    before.name
                )),
            }
        }
        let places = Places::default();
        for field in new.iter().filter(|f| find(old, &f.name).is_none()) {
            self.added(was, of, field, &places);
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

#[cfg(test)]
mod tests;
