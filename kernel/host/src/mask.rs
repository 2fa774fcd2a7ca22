//! Masking at the boundary: whoever may not see a value never has it in memory, and cannot ask
//! about it either.

use kernel_identity::clearance;
use kernel_identity::decide::{Decision, decide, decide_field};
use kernel_identity::principal::Principal;
use kernel_storage::RowFilter;
use sdk_contract::def::{CollectionDef, FieldDef, Level, Mask, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::kind::Kind;
use sdk_contract::query::{Aggregate, Filter, Key, Measure, Query};
use serde_json::{Map, Value};

/// A collection's masked fields as one principal sees them.
pub(crate) struct Sight<'a> {
    collection: &'a CollectionDef,
    /// A field may be here twice, for its mask and for being taken away.
    masked: Vec<MaskedField<'a>>,
    assignee: Option<&'a str>,
}

struct MaskedField<'a> {
    name: &'a str,
    mask: Mask,
    /// The rows in which it is shown as it is.
    revealed: RowFilter,
    /// By a composed role of the principal, whatever else shows it.
    taken: bool,
}

impl<'a> Sight<'a> {
    pub(crate) fn of(def: &ModuleDef, collection: &'a CollectionDef, p: &Principal) -> Self {
        Self {
            collection,
            masked: masked_fields(def, collection, &collection.fields, p),
            assignee: collection.assignee.as_deref(),
        }
    }

    /// The same with fields that are retired, for what shows the past.
    pub(crate) fn and_retired(
        mut self,
        def: &ModuleDef,
        retired: &'a [FieldDef],
        p: &Principal,
    ) -> Self {
        let retired = masked_fields(def, self.collection, retired, p);
        self.masked.extend(retired);
        self
    }

    /// The same for records as they were. Whom one was assigned to then may see nothing of it for that
    /// now; who made it stays who made it.
    pub(crate) fn of_then(mut self) -> Self {
        self.assignee = self.assignee.filter(|name| *name == "created_by");
        self
    }

    /// Masks a record.
    pub(crate) fn mask(&self, record: &mut Map<String, Value>) {
        for field in &self.masked {
            if !lets(&field.revealed, self.assignee, record) {
                conceal(field.mask, field.name, record);
            }
        }
    }

    /// Masks fields of a record that stand apart from it, as in its history.
    pub(crate) fn mask_part(&self, record: &Map<String, Value>, part: &mut Map<String, Value>) {
        for field in &self.masked {
            if !lets(&field.revealed, self.assignee, record) {
                conceal(field.mask, field.name, part);
            }
        }
    }

    /// Whether a field of a record is not shown as it is.
    pub(crate) fn hides(&self, name: &str, record: &Map<String, Value>) -> bool {
        let mut masked = self.masked(name);
        masked.any(|field| !lets(&field.revealed, self.assignee, record))
    }

    /// Whether a field of a record is taken away from the principal.
    pub(crate) fn takes(&self, name: &str, record: &Map<String, Value>) -> bool {
        let mut taken = self.masked(name).filter(|field| field.taken);
        taken.any(|field| !lets(&field.revealed, self.assignee, record))
    }

    fn masked<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s MaskedField<'a>> {
        self.masked.iter().filter(move |f| f.name == name)
    }

    /// Filtering or sorting by a masked field would read it, so it is for those who see it in every
    /// row they read.
    pub(crate) fn may_query(&self, query: &Query, rows: &RowFilter) -> Result<(), Fault> {
        let mut names: Vec<&str> = query.sort.iter().map(|s| s.field.as_str()).collect();
        query.filter.iter().for_each(|f| fields(f, &mut names));
        self.may_count(query.facets.iter().map(String::as_str))?;
        names.iter().try_for_each(|name| self.may_ask(name, rows))
    }

    /// The same for counts and sums. Groups are never made by a masked field: their keys would
    /// stand in the answer.
    pub(crate) fn may_aggregate(&self, ask: &Aggregate, rows: &RowFilter) -> Result<(), Fault> {
        self.may_count(ask.group_by.iter().map(Key::field))?;
        let mut names: Vec<&str> = Vec::new();
        ask.filter.iter().for_each(|f| fields(f, &mut names));
        for measure in &ask.measures {
            match measure {
                Measure::Count => {}
                Measure::Sum(field)
                | Measure::Avg(field)
                | Measure::Min(field)
                | Measure::Max(field) => names.push(field),
            }
        }
        names.iter().try_for_each(|name| self.may_ask(name, rows))
    }

    /// Names the fields that a search may look at, where it names none; none may be left.
    pub(crate) fn narrow(
        &self,
        collection: &CollectionDef,
        filter: Option<&mut Filter>,
        rows: &RowFilter,
    ) -> Result<(), Fault> {
        let searched = collection.fields.iter().filter(|f| f.search);
        let may: Vec<String> = searched
            .filter(|f| self.may_ask(&f.name, rows).is_ok())
            .map(|f| f.name.clone())
            .collect();
        if filter.is_none_or(|f| f.search_in(&may)) {
            Ok(())
        } else {
            Err(refused("搜索"))
        }
    }

    fn may_count<'f>(&self, mut fields: impl Iterator<Item = &'f str>) -> Result<(), Fault> {
        match fields.find(|name| self.masked(name).next().is_some()) {
            Some(name) => Err(refused(name)),
            None => Ok(()),
        }
    }

    fn may_ask(&self, name: &str, rows: &RowFilter) -> Result<(), Fault> {
        let told = |f: &MaskedField<'_>| f.revealed == RowFilter::All || f.revealed == *rows;
        if self.masked(name).all(told) {
            Ok(())
        } else {
            Err(refused(name))
        }
    }
}

fn masked_fields<'a>(
    def: &ModuleDef,
    collection: &CollectionDef,
    fields: &'a [FieldDef],
    p: &Principal,
) -> Vec<MaskedField<'a>> {
    let masked = |field: &'a FieldDef| {
        let cleared = clearance::cleared(p, &def.id, field.class());
        let mask = field.mask.or_else(|| (!cleared).then(|| left_out(field)))?;
        Some(MaskedField {
            name: &field.name,
            mask,
            revealed: revealed(def, field, p),
            taken: false,
        })
    };
    let masked = fields.iter().filter_map(masked);
    masked.chain(taken(def, collection, fields, p)).collect()
}

/// The fields that composed roles of somebody take away, with the rows in which another role of theirs
/// reads them all the same.
fn taken<'a>(
    def: &ModuleDef,
    collection: &CollectionDef,
    fields: &'a [FieldDef],
    p: &Principal,
) -> Vec<MaskedField<'a>> {
    let Some(read) = def.permission(&collection.read) else {
        return Vec::new();
    };
    let places = p.composed.taken(&def.id, &read.name);
    if places.is_empty() {
        return Vec::new();
    }
    let all = decide(p, &def.id, read);
    let taken = |field: &'a FieldDef| {
        let place = format!("{}.{}", collection.name, field.name);
        if !places.contains(place.as_str()) {
            return None;
        }
        let read = decide_field(p, &def.id, read, &place);
        (read != all).then(|| MaskedField {
            name: &field.name,
            mask: left_out(field),
            revealed: match read {
                Decision::Allow(rows) => rows,
                Decision::Deny(_) => RowFilter::None,
            },
            taken: true,
        })
    };
    fields.iter().filter_map(taken).collect()
}

/// Whether a composed role may take a field away: whatever reads it gets along without it.
pub(crate) fn is_takeable(field: &FieldDef) -> bool {
    !field.required || left_out(field) != Mask::Hidden
}

/// The rows in which somebody sees a field as it is, of those they read: those that its permission
/// reaches, where it is masked, and none where it is above their clearance. Every way a value is shown
/// asks here.
pub(crate) fn revealed(def: &ModuleDef, field: &FieldDef, p: &Principal) -> RowFilter {
    if !clearance::cleared(p, &def.id, field.class()) {
        return RowFilter::None;
    }
    if field.mask.is_none() {
        return RowFilter::All;
    }
    let permission = field.reveal.as_ref().and_then(|r| def.permission(r));
    match permission.map(|permission| decide(p, &def.id, permission)) {
        Some(Decision::Allow(rows)) => rows,
        _ => RowFilter::None,
    }
}

/// Whether somebody may see a field as it is at all, in whatever rows.
pub(crate) fn sees(def: &ModuleDef, field: &FieldDef, p: &Principal) -> bool {
    let mut reveal = field.reveal.iter().filter_map(|r| def.permission(r));
    let shown = field.mask.is_none() || reveal.any(|r| decide(p, &def.id, r).allowed());
    shown && clearance::cleared(p, &def.id, field.class())
}

/// Refuses who is not cleared for a field.
pub(crate) fn needs_clearance(
    def: &ModuleDef,
    field: &FieldDef,
    p: &Principal,
) -> Result<(), Fault> {
    let class = field.class();
    if clearance::cleared(p, &def.id, class) {
        return Ok(());
    }
    let (label, level) = (&field.label.zh, class.map_or("", Level::name));
    let own = p.clearance.name();
    Err(Fault::new(
        FaultKind::Forbidden,
        "clearance-needed",
        format!("{label}是 {level} 级数据，您的数据级别上限为 {own}，不能查看完整内容"),
    ))
}

/// How a field is left out whose declaration has no mask for it: what must be there is a text that tells
/// nothing, where it is a text.
fn left_out(field: &FieldDef) -> Mask {
    match field.kind {
        Kind::Text { .. } | Kind::Code { .. } if field.required => Mask::All,
        _ => Mask::Hidden,
    }
}

fn refused(name: &str) -> Fault {
    Fault::new(
        FaultKind::Invalid,
        "masked-field",
        format!("{name} 不能用于查询或分组"),
    )
}

/// The fields a filter looks at.
fn fields<'a>(filter: &'a Filter, names: &mut Vec<&'a str>) {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().for_each(|f| fields(f, names)),
        Filter::Not(one) => fields(one, names),
        Filter::Eq { field, .. }
        | Filter::In { field, .. }
        | Filter::Range { field, .. }
        | Filter::Contains { field, .. }
        // The fields of a row have no masks of their own.
        | Filter::Any { field, .. }
        | Filter::Missing { field } => names.push(field),
        Filter::Search { fields, .. } => names.extend(fields.iter().map(String::as_str)),
    }
}

/// Whether a filter lets a record through, told from its system fields and the one that names its
/// assignee.
pub(crate) fn lets(rows: &RowFilter, assignee: Option<&str>, record: &Map<String, Value>) -> bool {
    let of = |name: &str| record.get(name).and_then(Value::as_str);
    match rows {
        RowFilter::All => true,
        RowFilter::None => false,
        RowFilter::Assigned(user) => assignee.and_then(of) == Some(user),
        RowFilter::Subject(subject) => of("subject") == Some(subject),
        RowFilter::Organisations(all) => {
            of("organisation").is_some_and(|o| all.iter().any(|a| a == o))
        }
        RowFilter::District(district) => of("district") == Some(district),
        RowFilter::Any(any) => any.iter().any(|f| lets(f, assignee, record)),
    }
}

/// What is no text cannot be shown in part, so it is left out.
fn conceal(mask: Mask, name: &str, record: &mut Map<String, Value>) {
    let Some(value) = record.get_mut(name) else {
        return;
    };
    *value = match (mask, &value) {
        (Mask::Hidden, _) => Value::Null,
        (mask, Value::String(text)) => mask.of(text).into(),
        _ => Value::Null,
    };
}

#[cfg(test)]
mod tests;
