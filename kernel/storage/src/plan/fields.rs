//! What becomes of a collection's fields.

use std::collections::BTreeSet;

use sdk_contract::def::{ChoiceDef, CollectionDef, FieldDef};
use sdk_contract::kind::Kind;

use super::{Converting, Planner, Step};
use crate::layout::Places;
use crate::schema::{Table, converted_column};

impl Planner<'_> {
    /// What becomes of the fields of a collection, or of those of rows in a field of one, which is
    /// then called `<collection>.<field>`. Both declarations have the new name. Whether values are
    /// converted.
    pub(super) fn fields(
        &mut self,
        was: &Table,
        (old, new): (&CollectionDef, &CollectionDef),
        places: &mut Places,
    ) -> bool {
        self.confirm(was, &new.name, places);
        let pairs = self.pairs(old, new, places);
        self.gone_fields(was, old, &pairs, places);
        let mut converts = false;
        for (field, before) in pairs {
            converts |= self.field(was, old, (field, before.as_ref()), places);
        }
        if converts {
            self.mark(was);
        }
        converts
    }

    /// Until all is converted a column says which records are.
    pub(super) fn mark(&mut self, was: &Table) {
        let mark = converted_column();
        self.plan.begin.push(Step::AddColumn {
            table: was.sql_name.clone(),
            column: mark.clone(),
        });
        self.drop_column(was, &mark.stored);
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
            let from = self.renamed(of, Some(name));
            let from = from.and_then(|from| old.field(from));
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
                Some(before) => self.compare_field(was, of, (before, field), places),
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
            table: was.sql_name.clone(),
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
        !self.same_meaning(&old.kind, &new.kind)
            || old.encrypted != new.encrypted
            || old.blind != new.blind
            || new.required && !old.required
            || !self.lost_options(old, new).is_empty()
    }

    fn compare_field(
        &mut self,
        was: &Table,
        of: &str,
        (old, new): (&FieldDef, &FieldDef),
        places: &mut Places,
    ) {
        let name = &new.name;
        if !self.same_meaning(&old.kind, &new.kind) {
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
        let (Kind::Rows { fields: before, .. }, Kind::Rows { fields: now, .. }) =
            (&old.kind, &new.kind)
        else {
            return;
        };
        let all = was.rows.iter().chain(&was.retired.rows);
        let Some(rows) = all.into_iter().find(|rows| rows.name == old.name) else {
            return;
        };
        let declared = |fields: &[FieldDef]| CollectionDef {
            name: format!("{of}.{name}"),
            fields: fields.to_vec(),
            ..(*rows.table.def).clone()
        };
        let mut inner = places.rows(name);
        self.fields(&rows.table, (&declared(before), &declared(now)), &mut inner);
        places.put_rows(name, inner);
    }

    /// Bounds may move: they are checked when a value is written, and stored values stay readable.
    fn same_meaning(&self, old: &Kind, new: &Kind) -> bool {
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
            (Kind::Ref { to: a }, Kind::Ref { to: b }) => {
                a == b || self.renamed(b, None) == Some(a)
            }
            _ => old == new,
        }
    }
}
