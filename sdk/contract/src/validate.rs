//! From a described document to one the rest of the kernel may trust: every name is a name, every
//! reference has a target, nothing takes a system field's name.

use std::collections::BTreeSet;

use crate::change::ChangeDef;
use crate::def::{
    ActionDef, CollectionDef, FieldDef, Level, Mask, ModuleDef, RowScope, SYSTEM_FIELDS,
};
use crate::kind::Kind;
use crate::manifest::is_slug;

/// Everything wrong with a declaration, in words for its author. Empty means it may be used.
pub fn faults(def: &ModuleDef) -> Vec<String> {
    let mut check = Check {
        def,
        faults: Vec::new(),
    };
    check.names();
    check.collections();
    check.flows();
    check.actions();
    check.pages();
    check.features();
    check.changes();
    check.faults
}

/// Rows of a rows field.
const MOST_ROWS: u32 = 500;
/// Bytes of one file.
const MOST_BYTES: u64 = 1 << 30;

struct Check<'a> {
    def: &'a ModuleDef,
    faults: Vec<String>,
}

/// A column or field name: lower-case letters, digits, underscores.
fn is_field_name(s: &str) -> bool {
    s.len() <= 40
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// `<entity>.<verb>`, both slugs.
fn is_dotted(s: &str) -> bool {
    s.split_once('.')
        .is_some_and(|(entity, verb)| is_slug(entity) && is_slug(verb))
}

impl Check<'_> {
    fn say(&mut self, ok: bool, what: impl FnOnce() -> String) {
        if !ok {
            self.faults.push(what());
        }
    }

    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            self.say(seen.insert(name), || {
                format!("{what} {name} is declared twice")
            });
        }
    }

    fn permission(&mut self, where_: &str, name: &str) {
        let there = self.def.permission(name).is_some();
        self.say(there, || {
            format!("{where_}: permission {name} is not declared")
        });
    }

    fn names(&mut self) {
        let def = self.def;
        self.say(is_slug(&def.id), || format!("id {} is not a slug", def.id));
        self.unique(
            "collection",
            def.collections.iter().map(|c| c.name.as_str()),
        );
        self.unique("choice", def.choices.iter().map(|c| c.name.as_str()));
        self.unique("action", def.actions.iter().map(|a| a.name.as_str()));
        self.unique("page", def.pages.iter().map(|p| p.path.as_str()));
        self.unique(
            "permission",
            def.permissions.iter().map(|p| p.name.as_str()),
        );
        self.unique("feature", def.features.iter().map(|f| f.name.as_str()));
        let scheduled = def.schedules.iter().map(|s| s.name.as_str());
        let said = def.events.iter().map(|e| e.name.as_str());
        self.unique("event or schedule", said.chain(scheduled));
        for schedule in &def.schedules {
            self.say(schedule.when.is_valid(), || {
                format!(
                    "schedule {}: a time of day, or minutes that divide a day",
                    schedule.name
                )
            });
        }
        for name in def
            .permissions
            .iter()
            .map(|p| &p.name)
            .chain(def.actions.iter().map(|a| &a.name))
            .chain(def.events.iter().map(|e| &e.name))
            .chain(def.schedules.iter().map(|s| &s.name))
        {
            self.say(is_dotted(name), || format!("{name} is not <entity>.<verb>"));
        }
        for choice in &def.choices {
            self.say(!choice.options.is_empty(), || {
                format!("choice {} is empty", choice.name)
            });
            self.unique(
                &format!("choice {}: option", choice.name),
                choice.options.iter().map(|o| o.value.as_str()),
            );
        }
        for block in &def.blocks {
            self.say(is_slug(&block.id), || {
                format!("block {} is not a slug", block.id)
            });
            self.permission(&format!("block {}", block.id), &block.permission);
        }
    }

    fn collections(&mut self) {
        for c in &self.def.collections {
            let at = format!("collection {}", c.name);
            self.say(is_slug(&c.name) && is_slug(&c.entity), || {
                format!("{at}: not a slug")
            });
            self.say(c.field(&c.title).is_some(), || {
                format!("{at}: title {} is no field", c.title)
            });
            self.permission(&at, &c.read);
            for permission in c.create.iter().chain(&c.update) {
                self.permission(&at, permission);
            }
            self.unique(
                &format!("{at}: field"),
                c.fields.iter().map(|f| f.name.as_str()),
            );
            self.kept(&at, c);
            for field in &c.fields {
                let taken = SYSTEM_FIELDS.contains(&field.name.as_str());
                self.say(!taken, || format!("{at}: {} is a system field", field.name));
                self.field(&at, field);
                if let Kind::Computed { result, from } = &field.kind {
                    let fault = from.fault(result, &c.fields);
                    let plain = !field.required && !field.unique && !field.encrypted;
                    self.say(fault.is_none() && plain, || {
                        let why = fault.unwrap_or_else(|| "it is read only".to_owned());
                        format!("{at}: {} cannot be computed: {why}", field.name)
                    });
                }
            }
            self.assignee(&at, c);
            for name in c.indexes.iter().chain(&c.unique).flatten() {
                let plain = c
                    .field(name)
                    .is_some_and(|f| !f.encrypted && f.kind.ops().group);
                let known = plain || SYSTEM_FIELDS.contains(&name.as_str());
                self.say(known, || format!("{at}: {name} cannot be indexed"));
            }
        }
    }

    fn kept(&mut self, at: &str, c: &CollectionDef) {
        let days = 1..=MOST_DAYS_KEPT;
        let kept = c.keep_deleted;
        self.say(kept.is_none_or(|n| c.audited && days.contains(&n)), || {
            format!("{at}: deleted records are kept 1 to {MOST_DAYS_KEPT} days, with a history")
        });
        let Some(retention) = &c.retention else {
            // Of a table that people design, whoever designs it says it there.
            let sensitive = c.fields.iter().any(|f| f.class() >= Some(Level::L3));
            self.say(!sensitive || self.def.id == "data", || {
                format!(
                    "{at}: fields of level L3 or L4 are kept for a purpose; say it as retention"
                )
            });
            return;
        };
        self.say(!retention.purpose.trim().is_empty(), || {
            format!("{at}: a retention names what the data is processed for")
        });
        let Some(term) = &retention.term else {
            return;
        };
        self.say(kept.is_some() && days.contains(&term.days), || {
            format!(
                "{at}: a retention is 1 to {MOST_DAYS_KEPT} days, of records that may be deleted"
            )
        });
        let from = &term.from;
        let is_time = c
            .field(from)
            .is_some_and(|f| matches!(f.kind, Kind::Date | Kind::Datetime) && !f.encrypted);
        self.say(is_time || from == "created_at", || {
            format!("{at}: a retention counts from no date field {from}")
        });
    }

    /// Who a record is assigned to is a user that everybody who sees the record sees, or whoever made
    /// it; where nobody is named, no grant can be about them.
    fn assignee(&mut self, at: &str, c: &CollectionDef) {
        let users = match self.def.id.as_str() {
            "platform" => "users",
            _ => "platform.users",
        };
        if let Some(name) = &c.assignee {
            let is_user = c.field(name).is_some_and(|f| {
                matches!(&f.kind, Kind::Ref { to } if to == users)
                    && !f.encrypted
                    && f.mask.is_none()
            });
            self.say(is_user || name == "created_by", || {
                format!("{at}: assignee {name} is no plain reference to {users}")
            });
            return;
        }
        let def = self.def;
        let of_fields = c.fields.iter().flat_map(|f| f.reveal.iter().chain(&f.look));
        let of_actions = def.actions.iter().filter(|a| a.collection == c.name);
        let of_actions = of_actions.map(|a| &a.permission);
        let own = std::iter::once(&c.read).chain(&c.create).chain(&c.update);
        for name in own.chain(of_fields).chain(of_actions) {
            let grants = def.permission(name).map_or(&[][..], |p| &p.grants);
            let assigned = grants.iter().any(|g| g.scope == RowScope::Assigned);
            self.say(!assigned, || {
                format!("{at}: permission {name} is granted as assigned, and there is no assignee")
            });
        }
    }

    fn field(&mut self, at: &str, field: &FieldDef) {
        let at = format!("{at}: field {}", field.name);
        self.say(is_field_name(&field.name), || {
            format!("{at}: not a field name")
        });
        self.say(
            !(field.encrypted && (field.search || field.unique && !field.blind)),
            || {
                format!(
                    "{at}: an encrypted field cannot be searched, nor unique unless it is blind"
                )
            },
        );
        self.say(!field.search || field.kind.ops().text, || {
            format!("{at}: only text and codes are searched")
        });
        self.say(field.encrypted || !field.blind, || {
            format!("{at}: blind is for encrypted fields")
        });
        let guarded = field.encrypted && field.mask.is_some();
        self.say(field.level < Some(Level::L3) || guarded, || {
            format!("{at}: a field of level L3 or L4 must be encrypted and masked")
        });
        let open = !field.encrypted && field.mask.is_none();
        self.say(open || field.level.is_some(), || {
            format!("{at}: what is encrypted or masked has a level, L1 to L4")
        });
        match &field.kind {
            Kind::Choice { of } | Kind::MultiChoice { of, .. } => {
                let there = self.def.choice(of).is_some();
                self.say(there, || format!("{at}: choice {of} is not declared"));
            }
            Kind::Ref { to } if !to.contains('.') => {
                let there = self.def.collection(to).is_some();
                self.say(there, || format!("{at}: collection {to} is not declared"));
            }
            Kind::Rows { fields, max } => {
                self.say((1..=MOST_ROWS).contains(max), || {
                    format!("{at}: at least 1 and at most {MOST_ROWS} rows")
                });
                self.unique(
                    &format!("{at}: field"),
                    fields.iter().map(|f| f.name.as_str()),
                );
                for cell in fields {
                    let nested = matches!(
                        cell.kind,
                        Kind::Rows { .. } | Kind::File { .. } | Kind::Computed { .. }
                    );
                    self.say(!nested && !cell.encrypted && !cell.unique, || {
                        format!("{at}: {} cannot be in a row", cell.name)
                    });
                    let whole = cell.mask.is_none() && cell.reveal.is_none() && cell.look.is_none();
                    self.say(whole, || {
                        let name = &cell.name;
                        format!("{at}: {name} cannot be masked in a row; the field of rows can")
                    });
                    self.field(&at, cell);
                }
            }
            Kind::File { max_bytes, .. } => {
                self.say((1..=MOST_BYTES).contains(max_bytes), || {
                    format!("{at}: a file has at most {MOST_BYTES} bytes")
                });
            }
            Kind::Decimal { scale, .. } => {
                self.say((1..=9).contains(scale), || {
                    format!("{at}: scale must be 1 to 9")
                });
            }
            _ => {}
        }
        let banded = field.mask == Some(Mask::Amount);
        let amount = matches!(field.kind, Kind::Money { .. } | Kind::Decimal { .. });
        self.say(amount || !banded, || {
            format!("{at}: only money and decimals are shown in bands")
        });
        let left_out = field.mask == Some(Mask::Hidden) && field.required;
        self.say(!left_out, || {
            format!("{at}: a field that may be hidden must be optional")
        });
        for permission in field.reveal.iter().chain(&field.look) {
            self.permission(&at, permission);
        }
        if field.look.is_some() {
            self.say(field.mask.is_some(), || {
                format!("{at}: what is not masked needs no look")
            });
        }
    }

    fn flows(&mut self) {
        for flow in &self.def.flows {
            let at = format!("flow {}.{}", flow.collection, flow.field);
            let states: Vec<&str> = self
                .def
                .collection(&flow.collection)
                .map(|c| options(self.def, c, &flow.field))
                .unwrap_or_default();
            self.say(!states.is_empty(), || format!("{at}: not a choice field"));
            self.say(!flow.initial.is_empty(), || {
                format!("{at}: no initial state")
            });
            let used = flow
                .transitions
                .iter()
                .flat_map(|t| t.from.iter().chain([&t.to]));
            for state in flow.initial.iter().chain(used) {
                self.say(states.contains(&state.as_str()), || {
                    format!("{at}: no state {state}")
                });
            }
            for t in &flow.transitions {
                let there = self
                    .def
                    .action(&t.action)
                    .is_some_and(|a| a.record && a.collection == flow.collection);
                self.say(there, || {
                    format!("{at}: {} is no record action of it", t.action)
                });
            }
        }
    }

    fn actions(&mut self) {
        for action in &self.def.actions {
            let at = format!("action {}", action.name);
            self.permission(&at, &action.permission);
            let collection = self.def.collection(&action.collection);
            self.say(collection.is_some(), || {
                format!("{at}: no collection {}", action.collection)
            });
            let entity = action.name.split('.').next().unwrap_or_default();
            let fits = collection.is_none_or(|c| c.entity == entity);
            self.say(fits, || {
                format!("{at}: must be named <entity>.<verb> of its collection")
            });
            self.unique(
                &format!("{at}: field"),
                action.input.iter().map(|f| f.name.as_str()),
            );
            for field in &action.input {
                self.field(&at, field);
            }
            if action.signed {
                self.signed(&at, action, collection);
            }
        }
    }

    /// What is entered in a signed action is in its evidence, which whoever reads the record may have.
    fn signed(&mut self, at: &str, action: &ActionDef, collection: Option<&CollectionDef>) {
        self.say(action.step_up, || {
            format!("{at}: what is signed takes a second factor")
        });
        for field in &action.input {
            let stored = collection.and_then(|c| c.field(&field.name));
            let open = |f: &FieldDef| !f.is_guarded();
            let open = open(field) && stored.is_none_or(open);
            self.say(open, || {
                format!("{at}: {} is masked, so it cannot be signed", field.name)
            });
        }
    }

    fn pages(&mut self) {
        let root = format!("/{}/", self.def.id);
        for page in &self.def.pages {
            let at = format!("page {}", page.path);
            self.say(page.path.starts_with(&root), || {
                format!("{at}: must start with {root}")
            });
            self.permission(&at, &page.permission);
        }
    }

    fn features(&mut self) {
        for feature in &self.def.features {
            let there = self
                .def
                .collection(&feature.collection)
                .is_some_and(|c| c.field(&feature.field).is_some());
            self.say(there, || format!("feature {}: no such field", feature.name));
            let marks = feature.disputed.as_ref().is_none_or(|marks| {
                let collection = self.def.collection(&feature.collection);
                let field = collection.and_then(|c| c.field(marks));
                field.is_some_and(|f| f.kind == Kind::Json)
            });
            self.say(marks, || {
                format!("feature {}: what marks it is no JSON field", feature.name)
            });
        }
        if let Some(ledger) = &self.def.disclosures {
            let missing: Vec<&str> = match self.def.collection(&ledger.collection) {
                None => vec!["the collection itself"],
                Some(c) => DISCLOSURE_FIELDS
                    .into_iter()
                    .filter(|f| c.field(f).is_none())
                    .collect(),
            };
            self.say(missing.is_empty(), || {
                format!("disclosures: missing {}", missing.join(", "))
            });
            if let Some(uses) = &ledger.uses {
                let there = self
                    .def
                    .collection(uses)
                    .is_some_and(|c| USE_FIELDS.into_iter().all(|f| c.field(f).is_some()));
                self.say(there, || {
                    format!(
                        "disclosures: {uses} is no collection with {}",
                        USE_FIELDS.join(", ")
                    )
                });
            }
            if let Some(template) = &ledger.template {
                let letters = self.def.collection(&ledger.collection);
                let named = letters.is_some_and(|c| c.field(&template.field).is_some());
                let states = self
                    .def
                    .collection(&template.collection)
                    .map(|c| options(self.def, c, "status"))
                    .unwrap_or_default();
                let mut revoked = template.revoked.iter();
                let known = revoked.all(|state| states.contains(&state.as_str()));
                self.say(named && known && !states.is_empty(), || {
                    "disclosures: no such field, or no templates in such states".to_owned()
                });
            }
        }
        if let Some(parties) = &self.def.parties {
            let named = [
                Some(&parties.code),
                Some(&parties.name),
                parties.status.as_ref(),
            ];
            let there = self.def.collection(&parties.collection).is_some_and(|c| {
                let mut named = named.into_iter().flatten();
                named.all(|f| c.field(f).is_some_and(|f| !f.encrypted))
            });
            self.say(there, || {
                "parties: no such collection, or not with these fields in clear".to_owned()
            });
            let own = format!("{}.", self.def.id);
            let ours = parties.roles.iter().all(|role| role.starts_with(&own));
            self.say(ours, || format!("parties: roles must begin with {own}"));
        }
    }
}

impl<'a> Check<'a> {
    /// The fields of a collection or, as `<collection>.<field>`, of the rows in a field of it.
    fn fields_of(&self, name: &str) -> &'a [FieldDef] {
        let (collection, rows) = name.split_once('.').unwrap_or((name, ""));
        match self.def.collection(collection) {
            Some(c) if rows.is_empty() => &c.fields,
            Some(c) => match c.field(rows).map(|f| &f.kind) {
                Some(Kind::Rows { fields, .. }) => fields,
                _ => &[],
            },
            None => &[],
        }
    }

    fn changes(&mut self) {
        for change in &self.def.changes {
            let collection = self.def.collection(change.collection());
            let at = format!("change of {}", change.collection());
            let fields = self.fields_of(change.collection());
            let declared = |name: &str| fields.iter().find(|f| f.name == name);
            match change {
                ChangeDef::Renamed {
                    collection: name,
                    field: None,
                    from,
                } => {
                    // Another module's is not ours to know.
                    let elsewhere = name.contains('.') && from.contains('.');
                    self.say(elsewhere || collection.is_some(), || {
                        format!("{at}: renamed from {from}, but it is no collection")
                    });
                    self.say(self.def.collection(from).is_none(), || {
                        format!("{at}: renamed from {from}, which is still a collection")
                    });
                }
                ChangeDef::Renamed {
                    field: Some(field),
                    from,
                    ..
                } => {
                    self.say(declared(field).is_some(), || {
                        format!("{at}: renamed to {field}, which is no field")
                    });
                    self.say(declared(from).is_none(), || {
                        format!("{at}: renamed from {from}, which is still a field")
                    });
                }
                ChangeDef::Retired { field: None, .. } => {
                    self.say(collection.is_none(), || {
                        format!("{at}: retired, but it is still a collection")
                    });
                }
                ChangeDef::Retired {
                    field: Some(field), ..
                } => {
                    self.say(declared(field).is_none(), || {
                        format!("{at}: {field} is retired, but it is still a field")
                    });
                }
                ChangeDef::Converted { field, .. } => {
                    let plain = declared(field).is_some_and(|f| {
                        !matches!(
                            f.kind,
                            Kind::Rows { .. } | Kind::File { .. } | Kind::Computed { .. }
                        )
                    });
                    self.say(plain, || {
                        format!("{at}: {field} is no field whose values can be converted")
                    });
                }
            }
        }
    }
}

/// A hundred years.
const MOST_DAYS_KEPT: u32 = 36_500;

const USE_FIELDS: [&str; 7] = [
    "letter",
    "recipient",
    "purpose",
    "items",
    "reference",
    "certificate",
    "used_at",
];

const DISCLOSURE_FIELDS: [&str; 8] = [
    "recipient",
    "items",
    "purposes",
    "valid_from",
    "valid_to",
    "max_uses",
    "uses",
    "status",
];

/// The allowed values of a choice field; empty for any other.
fn options<'a>(def: &'a ModuleDef, collection: &CollectionDef, field: &str) -> Vec<&'a str> {
    let Some(Kind::Choice { of }) = collection.field(field).map(|f| &f.kind) else {
        return Vec::new();
    };
    def.choice(of)
        .map(|c| c.options.iter().map(|o| o.value.as_str()).collect())
        .unwrap_or_default()
}
