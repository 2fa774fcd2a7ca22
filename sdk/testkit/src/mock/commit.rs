//! All or nothing: what a module wants written, checked as a whole and then put in place.

use sdk::Map;
use sdk_contract::call::{Caller, Event, Reply, Write};
use sdk_contract::def::CollectionDef;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::input;
use sdk_contract::kind::Kind;
use sdk_contract::query::Step;
use serde_json::Value;

use super::State;
use super::check::{Checked, Running, bad_write, text};
use super::outbox::Pending;

impl State {
    pub(super) fn commit(
        &mut self,
        running: Running<'_>,
        by: &Caller,
        reply: Reply,
    ) -> Result<(), Fault> {
        let Reply {
            writes,
            events,
            notices,
            note,
            ..
        } = reply;
        for event in &events {
            if !running.def.events.iter().any(|e| e.name == event.name) {
                return Err(bad_write(format!("event {} is not declared", event.name)));
            }
        }
        Self::check_notices(running.def, &notices)?;
        let checked = writes
            .into_iter()
            .map(|w| running.check(w))
            .collect::<Result<Vec<_>, Fault>>()?;
        // A fault half-way leaves everything as it was.
        let deleted = self.deleted.clone();
        let (rows, steps) = (self.rows.clone(), self.steps.clone());
        let done = checked
            .into_iter()
            .try_for_each(|one| self.write(running, by, one, note.as_deref()));
        if let Err(fault) = done {
            (self.rows, self.steps, self.deleted) = (rows, steps, deleted);
            return Err(fault);
        }
        self.keep_notices(&running.def.id, notices);
        for draft in events {
            let event = Event {
                id: self.next_id(),
                name: format!("{}.{}", running.def.id, draft.name),
                aggregate: draft.aggregate,
                at: self.now.micros(),
                data: draft.data,
            };
            self.outbox.push(Pending::new(event));
        }
        Ok(())
    }

    fn write(
        &mut self,
        running: Running<'_>,
        by: &Caller,
        checked: Checked,
        note: Option<&str>,
    ) -> Result<(), Fault> {
        let def = running.def;
        let (collection, id, row) = match checked.write {
            Write::Insert {
                collection,
                id,
                subject,
                organisation,
                district,
                values,
            } => {
                if self.taken(&format!("{}.{collection}", def.id), &id) {
                    return Err(Fault::conflict("conflict", "编号已存在"));
                }
                let parties = [
                    ("subject", subject),
                    ("organisation", organisation),
                    ("district", district),
                ];
                let row = self.fresh(by, &id, parties, values);
                (collection, id, row)
            }
            Write::Update {
                collection,
                id,
                revision,
                values,
            } => {
                let row = self.changed(
                    by,
                    &format!("{}.{collection}", def.id),
                    &id,
                    (revision, values),
                )?;
                (collection, id, row)
            }
            Write::Delete {
                collection,
                id,
                revision,
            } => {
                let name = format!("{}.{collection}", def.id);
                self.changed(by, &name, &id, (revision, Map::new()))?;
                let row = self.rows.get_mut(&name).and_then(|rows| rows.remove(&id));
                self.deleted
                    .entry(name)
                    .or_default()
                    .extend(row.map(|row| (id, row)));
                return Ok(());
            }
        };
        let c = def.collection(&collection).ok_or_else(Fault::not_found)?;
        let name = format!("{}.{collection}", def.id);
        self.references(running, c, &row)?;
        self.unique(c, &name, &row)?;
        self.rows
            .entry(name.clone())
            .or_default()
            .insert(id.clone(), row);
        if let Some((from, to)) = checked.step {
            let step = Step {
                action: running.step.to_owned(),
                from,
                to,
                at: self.now.to_string(),
                by: by.user.clone().unwrap_or_default(),
                by_name: by.name.clone(),
                note: note.map(str::to_owned),
            };
            self.steps.entry((name, id)).or_default().push(step);
        }
        Ok(())
    }

    /// Whether an id is taken, also by a deleted record.
    fn taken(&self, name: &str, id: &str) -> bool {
        let deleted = self.deleted.get(name);
        self.has(name, id) || deleted.is_some_and(|rows| rows.contains_key(id))
    }

    fn has(&self, name: &str, id: &str) -> bool {
        self.rows
            .get(name)
            .is_some_and(|rows| rows.contains_key(id))
    }

    pub(super) fn fresh(
        &self,
        by: &Caller,
        id: &str,
        parties: [(&str, Option<String>); 3],
        values: Map,
    ) -> Map {
        let mut row = values;
        row.insert("id".into(), id.into());
        row.insert("revision".into(), 1.into());
        for (name, value) in parties {
            row.insert(name.to_owned(), value.into());
        }
        let now = self.now.to_string();
        for (at, who) in [("created_at", "created_by"), ("updated_at", "updated_by")] {
            row.insert(at.to_owned(), now.clone().into());
            row.insert(who.to_owned(), by.user.clone().unwrap_or_default().into());
        }
        row
    }

    fn changed(
        &self,
        by: &Caller,
        name: &str,
        id: &str,
        (revision, values): (i64, Map),
    ) -> Result<Map, Fault> {
        let row = self.rows.get(name).and_then(|rows| rows.get(id));
        let mut row = row.cloned().ok_or_else(Fault::not_found)?;
        if row.get("revision").and_then(Value::as_i64) != Some(revision) {
            return Err(Fault::conflict(
                "stale",
                "这条记录刚刚被别人改过，请刷新后再试",
            ));
        }
        for (field, value) in values {
            match value {
                Value::Null => row.remove(&field),
                value => row.insert(field, value),
            };
        }
        row.insert("revision".into(), (revision + 1).into());
        row.insert("updated_at".into(), self.now.to_string().into());
        let who = by.user.clone().unwrap_or_default();
        row.insert("updated_by".into(), who.into());
        Ok(row)
    }

    /// Every reference names a record that is there.
    fn references(&self, running: Running<'_>, c: &CollectionDef, row: &Map) -> Result<(), Fault> {
        for field in &c.fields {
            let (Kind::Ref { to }, Some(id)) =
                (&field.kind, row.get(&field.name).and_then(Value::as_str))
            else {
                continue;
            };
            let there = match to.as_str() {
                "platform.organisations" => self.people.organisation(id).is_some(),
                "platform.users" => self.people.users.iter().any(|u| u.id == id),
                name if name.contains('.') => self.has(name, id),
                own => self.has(&format!("{}.{own}", running.def.id), id),
            };
            if !there {
                return Err(running.leads_nowhere(&field.name, id));
            }
        }
        Ok(())
    }

    fn unique(&self, c: &CollectionDef, name: &str, row: &Map) -> Result<(), Fault> {
        let single = c
            .fields
            .iter()
            .filter(|f| f.unique)
            .map(|f| vec![f.name.clone()]);
        for key in single.chain(c.unique.iter().cloned()) {
            let values = |row: &Map| -> Option<Vec<Value>> {
                key.iter()
                    .map(|f| row.get(f).filter(|v| !v.is_null()).cloned())
                    .collect()
            };
            let Some(wanted) = values(row) else { continue };
            let deleted = self
                .deleted
                .get(name)
                .into_iter()
                .flat_map(|rows| rows.values());
            let taken = self.table(name).chain(deleted).any(|other| {
                text(other, "id") != text(row, "id") && values(other) == Some(wanted.clone())
            });
            if taken {
                let mut fault = Fault::conflict("duplicate", "已有相同的记录");
                fault.fields = key
                    .iter()
                    .map(|f| FieldFault::new(f, "taken", "已被使用"))
                    .collect();
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Inserts every module's seeds. All rows first, then the references: seeds name each other.
    pub(super) fn seed(&mut self) -> Result<(), String> {
        let defs: Vec<_> = self
            .modules
            .iter()
            .map(|m| std::rc::Rc::clone(&m.def))
            .collect();
        let mut inserted = Vec::new();
        for def in &defs {
            for seed in &def.seeds {
                let at = format!("{}: seed {} of {}", def.id, seed.id, seed.collection);
                let c = def
                    .collection(&seed.collection)
                    .ok_or_else(|| format!("{at}: no such collection"))?;
                let checked = input::check(&c.fields, &def.choices, seed.values.clone(), &[]);
                let values = checked.map_err(|f| format!("{at}: {f:?}"))?.values;
                let parties = [
                    ("subject", seed.subject.clone()),
                    ("organisation", seed.organisation.clone()),
                    ("district", seed.district.clone()),
                ];
                let row = self.fresh(&Caller::default(), &seed.id, parties, values);
                let name = format!("{}.{}", def.id, seed.collection);
                if self.has(&name, &seed.id) {
                    return Err(format!("{at}: the id is used twice"));
                }
                self.unique(c, &name, &row)
                    .map_err(|f| format!("{at}: {f}"))?;
                self.rows
                    .entry(name)
                    .or_default()
                    .insert(seed.id.clone(), row.clone());
                inserted.push((def, c, at, row));
            }
        }
        for (def, c, at, row) in inserted {
            let running = Running {
                def,
                step: "seed",
                action: None,
                record: None,
            };
            self.references(running, c, &row)
                .map_err(|f| format!("{at}: {}", f.message))?;
        }
        Ok(())
    }
}
