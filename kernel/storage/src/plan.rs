//! What must happen to the tables when a module declares something new. Pure.
//!
//! Additions are carried out at once. What goes has been retired by the release before; what
//! changes its meaning is converted as its [`ChangeDef`] says. Whatever else could lose or
//! reinterpret stored data is refused, with a sentence for the module's author; all reasons at once.

mod check;
mod fields;
mod step;

use sdk_contract::change::{ChangeDef, Conversion};
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, Shard};

pub(crate) use self::step::Step;
use crate::layout::{Layout, Places, Stored};
use crate::schema::{Column, Table, deleted_column};

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
    /// As it is called in the database.
    pub(crate) table: String,
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

    /// What a field or, of none, a collection was called in the release before. A collection of
    /// another module goes by its full name.
    fn renamed(&self, collection: &str, field: Option<&str>) -> Option<&'a str> {
        self.new.changes.iter().find_map(|change| match change {
            ChangeDef::Renamed {
                collection: c,
                field: f,
                from,
            } if c == collection && f.as_deref() == field => Some(from.as_str()),
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
            let before = before.or_else(|| self.called_before(name));
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

    /// A collection that the release before called otherwise. It keeps its table, and everything
    /// that goes by the table's name.
    fn called_before(&mut self, name: &str) -> Option<CollectionDef> {
        let from = self.renamed(name, None);
        let before = self.old.and_then(|old| old.collection(from?));
        let same = |former: &str| former.replace('-', "_") == name.replace('-', "_");
        let now = self.plan.layout.former().find(|(former, _)| same(former));
        let now = now.map(|(_, now)| now.to_owned());
        if let Some(now) = now
            && before.is_none_or(|before| before.name != now)
        {
            self.refuse(format!(
                "Collection {name} is what {now} was called before, and what is kept of its records says so. Choose another name."
            ));
        }
        let before = before?;
        let from = before.name.as_str();
        let all = self.new.changes.iter().filter(
            |change| matches!(change, ChangeDef::Renamed { field: None, from: f, .. } if f == from),
        );
        if all.count() > 1
            || self.new.collection(from).is_some()
            || self.plan.layout.retired.contains_key(name)
        {
            self.refuse(format!(
                "Collection {from} cannot be called {name}: it is still declared, has two new names, or {name} is retired and not gone yet."
            ));
            return None;
        }
        self.say(format!(
            "Collection {from} is called {name}; its table stays as it is."
        ));
        self.plan.layout.rename(from, name);
        Some(CollectionDef {
            name: name.to_owned(),
            ..before.clone()
        })
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
            let renamed = self.plan.layout.former().any(|(former, _)| former == name);
            if renamed || new.collection(name).is_some() {
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
        let converts = self.fields(&was, (old, new), &mut places);
        if self.codes(&was, new, &mut places) && !converts {
            self.mark(&was);
        }
        self.plan.layout.put(of, places.clone());

        let is = Table::of(module, new, &places);
        for rows in was.rows.iter().filter(|_| new.attested) {
            let now = is.rows.iter().find(|now| now.key == rows.key);
            if now.is_some_and(|now| !now.table.reads_at_least(&rows.table)) {
                self.refuse(format!(
                    "Fields of the rows {} of {of} are converted, retired or used again, but codes speak for the rows of attested records as they are.",
                    rows.name
                ));
            }
        }
        for index in was.indexes.iter().filter(|i| !is.indexes.contains(i)) {
            self.plan.steps.insert(
                0,
                Step::DropIndex {
                    table: was.sql_name.clone(),
                    index: index.clone(),
                },
            );
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
    fn confirm(&mut self, was: &Table, of: &str, places: &mut Places) {
        let left: Vec<String> = places.kept.keys().cloned().collect();
        for field in left {
            if self.converted(of, &field).is_none()
                && let Some(kept) = places.kept.remove(&field)
            {
                self.drop_column(was, &kept.column);
            }
        }
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
