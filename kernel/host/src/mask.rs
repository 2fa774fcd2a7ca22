//! Masking at the boundary: whoever may not see a value never has it in memory, and cannot ask
//! about it either.

use kernel_identity::clearance;
use kernel_identity::decide::{Decision, decide};
use kernel_identity::principal::Principal;
use kernel_storage::RowFilter;
use sdk_contract::def::{CollectionDef, FieldDef, Level, Mask, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::kind::Kind;
use sdk_contract::query::{Aggregate, Filter, Key, Measure, Query};
use serde_json::{Map, Value};

/// A collection's masked fields as one principal sees them.
pub(crate) struct Sight<'a> {
    masked: Vec<MaskedField<'a>>,
    assignee: Option<&'a str>,
}

struct MaskedField<'a> {
    name: &'a str,
    mask: Mask,
    /// The rows in which it is shown as it is.
    revealed: RowFilter,
}

impl<'a> Sight<'a> {
    pub(crate) fn of(def: &ModuleDef, collection: &'a CollectionDef, p: &Principal) -> Self {
        Self {
            masked: masked_fields(def, &collection.fields, p),
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
        self.masked.extend(masked_fields(def, retired, p));
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
        let masked = self.masked(name);
        masked.is_some_and(|field| !lets(&field.revealed, self.assignee, record))
    }

    fn masked(&self, name: &str) -> Option<&MaskedField<'a>> {
        self.masked.iter().find(|f| f.name == name)
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
        match fields.find(|name| self.masked(name).is_some()) {
            Some(name) => Err(refused(name)),
            None => Ok(()),
        }
    }

    fn may_ask(&self, name: &str, rows: &RowFilter) -> Result<(), Fault> {
        match self.masked(name) {
            Some(f) if f.revealed != RowFilter::All && f.revealed != *rows => Err(refused(name)),
            _ => Ok(()),
        }
    }
}

fn masked_fields<'a>(
    def: &ModuleDef,
    fields: &'a [FieldDef],
    p: &Principal,
) -> Vec<MaskedField<'a>> {
    let masked = |field: &'a FieldDef| {
        let cleared = clearance::cleared(p, &def.id, field.class());
        let mask = field.mask.or_else(|| (!cleared).then(|| unsaid(field)))?;
        Some(MaskedField {
            name: &field.name,
            mask,
            revealed: revealed(def, field, p),
        })
    };
    fields.iter().filter_map(masked).collect()
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

/// How a field that is shown as it is to all who are cleared for it is shown to others.
fn unsaid(field: &FieldDef) -> Mask {
    match field.kind {
        Kind::Text { .. } => Mask::All,
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
mod tests {
    use proptest::prelude::*;
    use sdk_contract::def::{Label, PermissionDef, RoleGrant, RowScope, Shard};
    use serde_json::json;

    use super::*;

    fn module() -> ModuleDef {
        let field = |name: &str, mask| FieldDef {
            list: true,
            mask,
            reveal: mask.map(|_| "thing.reveal".into()),
            ..FieldDef::new(name, Label::default(), Kind::Json)
        };
        let grant = |role: &str, scope| RoleGrant {
            role: role.into(),
            scope,
        };
        ModuleDef {
            id: "m".into(),
            collections: vec![CollectionDef::new(
                "things",
                "thing",
                Label::default(),
                Shard::Subject,
                vec![
                    field("open", None),
                    field("phone", Some(Mask::Phone)),
                    field("figure", Some(Mask::Hidden)),
                ],
            )],
            permissions: vec![PermissionDef {
                name: "thing.reveal".into(),
                label: Label::default(),
                grants: vec![
                    grant("owner", RowScope::Own),
                    grant("staff", RowScope::Organisation),
                ],
            }],
            ..ModuleDef::default()
        }
    }

    fn person(roles: &[&str]) -> Principal {
        Principal {
            user: Some("u".into()),
            roles: roles.iter().map(|r| (*r).into()).collect(),
            subject: Some("s1".into()),
            organisations: vec!["o1".into()],
            ..Principal::anonymous()
        }
    }

    fn row(subject: &str, organisation: &str) -> Map<String, Value> {
        let row = json!({ "subject": subject, "organisation": organisation,
            "open": "x", "phone": "13800001234", "figure": { "score": 7 } });
        row.as_object().cloned().unwrap()
    }

    fn seen(p: &Principal, mut row: Map<String, Value>) -> (Value, Value) {
        let def = module();
        let sight = Sight::of(&def, &def.collections[0], p);
        sight.mask(&mut row);
        (row["phone"].clone(), row["figure"].clone())
    }

    #[test]
    fn a_value_is_shown_in_the_rows_its_permission_reaches_and_in_no_other() {
        let plain = (json!("13800001234"), json!({ "score": 7 }));
        let masked = (json!("138****1234"), Value::Null);
        assert_eq!(seen(&person(&["owner"]), row("s1", "o9")), plain);
        assert_eq!(seen(&person(&["owner"]), row("s2", "o1")), masked);
        assert_eq!(seen(&person(&["staff"]), row("s2", "o1")), plain);
        assert_eq!(seen(&person(&["owner", "staff"]), row("s2", "o2")), masked);
        assert_eq!(seen(&person(&["operator"]), row("s1", "o1")), masked);
        assert_eq!(seen(&Principal::module("m", "r"), row("s2", "o2")), plain);
    }

    /// The same module with classes of its fields.
    fn classed(open: Level, phone: Level, figure: Level) -> ModuleDef {
        let mut def = module();
        let fields = def.collections[0].fields.iter_mut();
        for (field, level) in fields.zip([open, phone, figure]) {
            field.level = Some(level);
        }
        def
    }

    fn cleared(clearance: Level, roles: &[&str]) -> Principal {
        Principal {
            clearance,
            ..person(roles)
        }
    }

    /// Which fields of a row are shown as they are.
    fn whole(def: &ModuleDef, p: &Principal, row: &Map<String, Value>) -> [bool; 3] {
        let sight = Sight::of(def, &def.collections[0], p);
        let mut seen = row.clone();
        sight.mask(&mut seen);
        ["open", "phone", "figure"].map(|name| {
            let shown = seen[name] == row[name];
            assert_eq!(sight.hides(name, row), !shown, "{name}");
            shown
        })
    }

    #[test]
    fn dj_08_no_grant_shows_what_is_above_the_clearance() {
        use Level::{L1, L2, L3, L4};
        let def = classed(L2, L3, L4);
        let mine = row("s1", "o1");
        let cases = [
            (L1, [false, false, false]),
            (L2, [true, false, false]),
            (L3, [true, true, false]),
            (L4, [true, true, true]),
        ];
        for (clearance, want) in cases {
            let p = cleared(clearance, &["owner", "staff"]);
            assert_eq!(whole(&def, &p, &mine), want, "{clearance:?}");
            // A clearance gives nothing by itself.
            let stranger = cleared(clearance, &["operator"]);
            let open = [want[0], false, false];
            assert_eq!(whole(&def, &stranger, &mine), open, "{clearance:?}");
        }
        let itself = Principal::module("m", "r");
        assert_eq!(whole(&def, &itself, &row("s2", "o2")), [true; 3]);
        assert_eq!(whole(&def, &Principal::anonymous(), &mine), [false; 3]);
    }

    #[test]
    fn dj_08_what_is_above_the_clearance_cannot_be_asked_about() {
        let mut def = classed(Level::L2, Level::L3, Level::L4);
        for field in &mut def.collections[0].fields {
            field.search = true;
        }
        let c = &def.collections[0];
        let all = RowFilter::Organisations(vec!["o1".into()]);
        let may = |clearance, query: Query| {
            let sight = Sight::of(&def, c, &cleared(clearance, &["staff"]));
            sight.may_query(&query, &all).is_ok()
        };
        let query = || Query::new("m.things");
        for (name, level) in [
            ("open", Level::L2),
            ("phone", Level::L3),
            ("figure", Level::L4),
        ] {
            for clearance in Level::ALL {
                let cleared = level <= clearance;
                assert_eq!(
                    may(clearance, query().filter(Filter::eq(name, 1))),
                    cleared,
                    "{name}"
                );
                assert_eq!(may(clearance, query().sort(name, false)), cleared, "{name}");
                // Counts are made by no masked field, whoever asks.
                let counted = cleared && name == "open";
                assert_eq!(may(clearance, query().facet(name)), counted, "{name}");
            }
        }
        let searched = |clearance| {
            let mut filter = Filter::search("x");
            let sight = Sight::of(&def, c, &cleared(clearance, &["staff"]));
            let may = sight.narrow(c, Some(&mut filter), &all);
            let Filter::Search { fields, .. } = filter else {
                panic!()
            };
            may.map(|()| fields).map_err(|fault| fault.code)
        };
        assert_eq!(searched(Level::L1), Err("masked-field".to_owned()));
        assert_eq!(searched(Level::L2).unwrap(), ["open"]);
        assert_eq!(searched(Level::L3).unwrap(), ["open", "phone"]);
        assert_eq!(searched(Level::L4).unwrap(), ["open", "phone", "figure"]);
    }

    #[test]
    fn dj_08_a_list_of_rows_is_of_the_class_of_what_stands_in_it() {
        let mut def = classed(Level::L1, Level::L1, Level::L1);
        let cell = FieldDef {
            level: Some(Level::L2),
            ..FieldDef::new("cell", Label::default(), Kind::Bool)
        };
        def.collections[0].fields[0].kind = Kind::Rows {
            fields: vec![cell],
            max: 1,
        };
        let row = row("s1", "o1");
        assert!(!whole(&def, &cleared(Level::L1, &["owner"]), &row)[0]);
        assert!(whole(&def, &cleared(Level::L2, &["owner"]), &row)[0]);
    }

    fn levels() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn dj_08_a_higher_clearance_never_shows_less_and_none_what_is_above_it(
            (open, phone, figure) in (levels(), levels(), levels()),
            (low, high) in (levels(), levels()),
            roles in prop::collection::vec(prop::sample::select(vec!["owner", "staff", "other"]), 0..3),
            (subject, organisation) in (
                prop::sample::select(vec!["s1", "s2"]), prop::sample::select(vec!["o1", "o2"]),
            ),
        ) {
            let (def, row) = (classed(open, phone, figure), row(subject, organisation));
            let (low, high) = (low.min(high), low.max(high));
            let before = whole(&def, &cleared(low, &roles), &row);
            let after = whole(&def, &cleared(high, &roles), &row);
            let granted = whole(&module(), &cleared(low, &roles), &row);
            for (at, level) in [open, phone, figure].into_iter().enumerate() {
                prop_assert!(!before[at] || after[at], "a higher clearance shows less");
                prop_assert_eq!(before[at], granted[at] && level <= low);
            }
        }
    }

    #[test]
    fn whom_a_record_was_assigned_to_then_sees_no_more_of_it_now() {
        let mut def = module();
        def.permissions[0].grants[0].scope = RowScope::Assigned;
        let owner = person(&["owner"]);
        let mut mine = row("s1", "o1");
        mine.insert("officer".into(), "u".into());
        mine.insert("created_by".into(), "u".into());
        for (assignee, then) in [("officer", "138****1234"), ("created_by", "13800001234")] {
            def.collections[0].assignee = Some(assignee.into());
            let sight = Sight::of(&def, &def.collections[0], &owner);
            assert!(!sight.hides("phone", &mine), "{assignee}");
            let mut past = mine.clone();
            sight.of_then().mask(&mut past);
            assert_eq!(past["phone"], then, "{assignee}");
        }
    }

    #[test]
    fn what_is_not_shown_cannot_be_asked_about() {
        let def = module();
        let (staff, operator) = (person(&["staff"]), person(&["operator"]));
        let asked = |p: &Principal, query: Query, rows: &RowFilter| {
            let sight = Sight::of(&def, &def.collections[0], p);
            sight.may_query(&query, rows).map_err(|f| f.code)
        };
        let own = RowFilter::Organisations(vec!["o1".into()]);
        let no = || Err("masked-field".to_owned());
        let query = || Query::new("m.things");
        let deep = query().filter(Filter::eq("open", 1).or(Filter::eq("figure", 1).not()));
        assert_eq!(asked(&operator, query(), &RowFilter::All), Ok(()));
        assert_eq!(asked(&operator, deep.clone(), &RowFilter::All), no());
        let sorted = query().sort("figure", true);
        assert_eq!(asked(&operator, sorted.clone(), &RowFilter::All), no());
        assert_eq!(asked(&staff, deep, &own), Ok(()));
        assert_eq!(asked(&staff, sorted.clone(), &own), Ok(()));
        // Who reads more rows than are revealed would learn about the others from the order.
        assert_eq!(asked(&staff, sorted, &RowFilter::All), no());
    }

    #[test]
    fn a_search_passes_over_what_is_not_shown() {
        let mut def = module();
        for field in &mut def.collections[0].fields {
            field.search = true;
        }
        let c = &def.collections[0];
        let looked_at = |p: &Principal, rows: &RowFilter| {
            let mut filter = Filter::search("x").not();
            let sight = Sight::of(&def, c, p);
            sight.narrow(c, Some(&mut filter), rows).unwrap();
            let Filter::Not(one) = filter else { panic!() };
            let Filter::Search { fields, .. } = *one else {
                panic!()
            };
            fields
        };
        let own = RowFilter::Organisations(vec!["o1".into()]);
        assert_eq!(looked_at(&person(&["operator"]), &RowFilter::All), ["open"]);
        assert_eq!(looked_at(&person(&["staff"]), &RowFilter::All), ["open"]);
        assert_eq!(
            looked_at(&person(&["staff"]), &own),
            ["open", "phone", "figure"]
        );
        let hidden = CollectionDef {
            fields: c.fields[1..].to_vec(),
            ..c.clone()
        };
        let sight = Sight::of(&def, &hidden, &person(&["operator"]));
        let mut filter = Filter::search("x");
        let refused = sight.narrow(&hidden, Some(&mut filter), &RowFilter::All);
        assert_eq!(refused.unwrap_err().code, "masked-field");
    }

    #[test]
    fn pi_04_what_is_not_shown_is_not_summed() {
        let def = module();
        let ask = |group_by: &[&str], measures: Vec<Measure>| Aggregate {
            collection: "m.things".into(),
            filter: None,
            group_by: group_by.iter().map(|g| (*g).into()).collect(),
            measures,
            ..Aggregate::default()
        };
        let may = |p: &Principal, ask: &Aggregate, rows: &RowFilter| {
            let sight = Sight::of(&def, &def.collections[0], p);
            sight.may_aggregate(ask, rows).is_ok()
        };
        let own = RowFilter::Organisations(vec!["o1".into()]);
        let count = ask(&["open"], vec![Measure::Count]);
        assert!(may(&person(&["operator"]), &count, &RowFilter::All));
        for measure in [Measure::Sum, Measure::Min, Measure::Max] {
            let figure = ask(&["open"], vec![measure("figure".into())]);
            assert!(!may(&person(&["operator"]), &figure, &RowFilter::All));
            assert!(may(&person(&["staff"]), &figure, &own));
        }
        let grouped = ask(&["figure"], vec![Measure::Count]);
        assert!(!may(&person(&["staff"]), &grouped, &own));
    }
}
