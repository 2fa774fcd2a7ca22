//! Whose rows somebody sees: a row of every collection there is, asked for in every way by everyone
//! who differs in role, party, organisation, its level, district, assignment or clearance.
//!
//! What is right is worked out here from the declared grants alone, not by the decision it tests.

use kernel_host::{Act, Host, Look, Sought};
use kernel_identity::principal::{ANYONE, Principal, SIGNED_IN};
use sdk_contract::def::{
    CollectionDef, FieldDef, Level as Class, ModuleDef, PermissionDef, RowScope,
};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::kind::Kind;
use sdk_contract::page::Place;
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use serde_json::{Map, Value, json};

use crate::plant::{
    ABOVE, ASSIGNEE, BELOW, DISTRICT, FILE, ORGANISATION, OTHER_DISTRICT, OTHER_ORGANISATION,
    OTHER_PARTY, OTHER_USER, PARTY, Planted,
};

/// Where somebody stands to the organisation that the rows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Same,
    Above,
    Below,
    Elsewhere,
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Asker {
    roles: Vec<String>,
    party: bool,
    level: Level,
    district: bool,
    assigned: bool,
    clearance: Class,
}

impl Asker {
    const NOBODY: Self = Self {
        roles: Vec::new(),
        party: false,
        level: Level::Elsewhere,
        district: false,
        assigned: false,
        clearance: Class::L1,
    };

    /// Everyone who matters to these permissions: nobody in particular, a role nothing is granted
    /// to, and each role that is named, with what is theirs and what is not.
    pub(crate) fn all(permissions: &[&PermissionDef], assigns: bool) -> Vec<Self> {
        let mut roles: Vec<String> = permissions
            .iter()
            .flat_map(|p| p.grants.iter().map(|g| g.role.clone()))
            .filter(|role| role != ANYONE && role != SIGNED_IN)
            .collect();
        roles.push("nobodys.role".into());
        roles.sort();
        roles.dedup();
        let mut all = vec![Self::NOBODY];
        for role in roles {
            let stranger = Self {
                roles: vec![role],
                clearance: Class::L4,
                ..Self::NOBODY
            };
            for clearance in [Class::L1, Class::L2, Class::L3] {
                all.push(Self {
                    party: true,
                    level: Level::Same,
                    district: true,
                    assigned: assigns,
                    clearance,
                    ..stranger.clone()
                });
            }
            for bits in 0..8 {
                let here = if bits & 2 != 0 {
                    Level::Same
                } else {
                    Level::Elsewhere
                };
                all.push(Self {
                    party: bits & 1 != 0,
                    level: here,
                    district: bits & 4 != 0,
                    ..stranger.clone()
                });
            }
            for level in [Level::Above, Level::Below] {
                all.push(Self {
                    level,
                    ..stranger.clone()
                });
            }
            if assigns {
                all.push(Self {
                    assigned: true,
                    ..stranger
                });
            }
        }
        all
    }

    /// Somebody with every role that a module grants anything to, to whom the rows belong in every
    /// way.
    pub(crate) fn insider(def: &ModuleDef) -> Self {
        let grants = def.permissions.iter().flat_map(|p| &p.grants);
        Self {
            roles: grants.map(|g| g.role.clone()).collect(),
            party: true,
            level: Level::Same,
            district: true,
            assigned: true,
            clearance: Class::L4,
        }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.roles.is_empty()
    }

    pub(crate) fn principal(&self) -> Principal {
        if self.is_anonymous() {
            return Principal::anonymous();
        }
        let of = |own: bool, this: &str, other: &str| if own { this } else { other }.to_owned();
        let organisations = match self.level {
            Level::Same => vec![ORGANISATION.to_owned()],
            Level::Above => vec![ABOVE.to_owned(), ORGANISATION.to_owned()],
            Level::Below => vec![BELOW.to_owned()],
            Level::Elsewhere => vec![OTHER_ORGANISATION.to_owned()],
        };
        Principal {
            user: Some(of(self.assigned, ASSIGNEE, OTHER_USER)),
            roles: self.roles.clone(),
            clearance: self.clearance,
            organisation: organisations.first().cloned(),
            organisations,
            subject: Some(of(self.party, PARTY, OTHER_PARTY)),
            district: Some(of(self.district, DISTRICT, OTHER_DISTRICT)),
            request: "test".into(),
            ..Principal::anonymous()
        }
    }

    fn grants<'a>(
        &'a self,
        permission: &'a PermissionDef,
    ) -> impl Iterator<Item = RowScope> + use<'a> {
        let matches = |role: &str| match role {
            ANYONE => true,
            SIGNED_IN => !self.is_anonymous(),
            role => self.roles.iter().any(|own| own == role),
        };
        let grants = permission.grants.iter();
        grants.filter(move |g| matches(&g.role)).map(|g| g.scope)
    }

    /// Whether a permission is granted at all, to whatever rows.
    pub(crate) fn has(&self, permission: &PermissionDef) -> bool {
        self.grants(permission).next().is_some()
    }

    /// Whether a field's level allows it to be seen whole, whatever is granted.
    fn cleared(&self, field: &FieldDef) -> bool {
        field.level.is_none_or(|level| level <= self.clearance)
    }

    /// Whether a field of the row is seen whole without asking.
    pub(crate) fn shown(&self, def: &ModuleDef, field: &FieldDef) -> bool {
        let reveal = field.reveal.as_ref().map(|r| def.permission(r).unwrap());
        let revealed = reveal.is_some_and(|permission| self.reaches(permission));
        (field.mask.is_none() || revealed) && self.cleared(field)
    }

    /// Whether it reaches the row.
    pub(crate) fn reaches(&self, permission: &PermissionDef) -> bool {
        self.grants(permission).any(|scope| match scope {
            RowScope::All => true,
            RowScope::Assigned => self.assigned,
            RowScope::Own => self.party,
            RowScope::Organisation => matches!(self.level, Level::Same | Level::Above),
            RowScope::District => self.district,
        })
    }
}

impl std::fmt::Display for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = |own: bool| if own { "own" } else { "other" };
        let role = match self.roles.as_slice() {
            [] => "anonymous",
            [role] => role,
            _ => "insider",
        };
        let (party, district) = (whose(self.party), whose(self.district));
        let (level, row) = (self.level, if self.assigned { ", assigned" } else { "" });
        write!(
            f,
            "{role} ({party} party, {level:?} organisation, {district} district{row}, {:?})",
            self.clearance
        )
    }
}

/// How many questions were asked, so that none asked is noticed.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) askers: usize,
    pub(crate) refused: usize,
    /// Times that a file was asked for.
    pub(crate) files: usize,
}

/// Has everyone ask for every planted row.
pub(crate) async fn only_what_is_declared(host: &Host, rows: &[Planted]) -> Asked {
    let catalog = host.catalog();
    let mut asked = Asked::default();
    for planted in rows {
        let def = &catalog.modules[&planted.module].def;
        let collection = planted.declared(def);
        let read = def.permission(&collection.read).unwrap();
        let mut permissions = vec![read];
        let others = def
            .actions
            .iter()
            .filter(|a| a.collection == collection.name);
        permissions.extend(others.map(|a| def.permission(&a.permission).unwrap()));
        let fields = collection.fields.iter();
        let reveals = fields.flat_map(|f| f.reveal.iter().chain(&f.look));
        permissions.extend(reveals.map(|r| def.permission(r).unwrap()));
        for asker in Asker::all(&permissions, collection.assignee.is_some()) {
            asked.askers += 1;
            asked.refused += usize::from(!asker.reaches(read));
            asks(host, def, collection, planted, &asker).await;
            asked.files += files(host, def, collection, planted, &asker).await;
        }
    }
    asked
}

#[expect(
    clippy::too_many_lines,
    reason = "one question after the other about one row"
)]
async fn asks(
    host: &Host,
    def: &ModuleDef,
    collection: &CollectionDef,
    row: &Planted,
    asker: &Asker,
) {
    let who = format!("{asker} asks for {}", row.collection);
    let p = asker.principal();
    let read = def.permission(&collection.read).unwrap();
    let sees = asker.reaches(read);
    let hidden = |fault: &Fault| matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden);

    match host.get(&p, &row.collection, &row.id).await {
        Ok(record) => {
            assert!(sees, "{who}: it was read");
            masked(def, collection, row, asker, &record);
        }
        Err(fault) => {
            assert!(!sees && hidden(&fault), "{who}: {fault:?}");
            // Who may read others of its kind learns nothing about this one.
            assert!(
                !asker.has(read) || fault.kind == FaultKind::NotFound,
                "{who}: {fault:?}"
            );
        }
    }
    let by_id = Filter::eq("id", row.id.as_str());
    let list = Query {
        total: true,
        ..Query::new(&row.collection).filter(by_id.clone())
    };
    match host.find(&p, list).await {
        Ok(found) => {
            let expected = usize::from(sees);
            assert_eq!(found.records.len(), expected, "{who}: listed");
            assert_eq!(found.total, Some(expected as u64), "{who}: counted");
            for record in &found.records {
                masked(def, collection, row, asker, record);
            }
        }
        Err(fault) => assert!(!asker.has(read) && hidden(&fault), "{who}: {fault:?}"),
    }
    let count = Aggregate {
        filter: Some(by_id),
        ..Aggregate::new(&row.collection, vec![Measure::Count])
    };
    match host.aggregate(&p, count).await {
        Ok(groups) => {
            let counted = &groups[0].measures[0];
            // One row is few, where few are kept back.
            let kept_back = groups[0].suppressed && counted.is_null();
            assert!(
                counted == &json!(u8::from(sees)) || (sees && kept_back),
                "{who}: {counted}"
            );
        }
        Err(fault) => assert!(!asker.has(read) && hidden(&fault), "{who}: {fault:?}"),
    }
    for field in collection.fields.iter().filter(|f| f.mask.is_some()) {
        let declared = |name: &Option<String>| name.as_ref().map(|n| def.permission(n).unwrap());
        let may = |permission: Option<&PermissionDef>| permission.is_some_and(|p| asker.reaches(p));
        let granted = sees && (may(declared(&field.look)) || may(declared(&field.reveal)));
        let looks = granted && asker.cleared(field);
        let place = Place {
            collection: row.collection.clone(),
            id: row.id.clone(),
            field: field.name.clone(),
        };
        let alone = field.level != Some(Class::L4) || may(declared(&field.reveal));
        let is_file = matches!(field.kind, Kind::File { .. });
        let sought = |reason: &str| Sought {
            place: place.clone(),
            file: None,
            reason: reason.into(),
        };
        match host.look(&p, &sought("核对申请")).await {
            Ok(Look::Waiting(_)) => assert!(looks && !alone, "{who}: asks for {}", field.name),
            Ok(Look::Shown(look)) => {
                assert!(
                    looks && alone && !is_file,
                    "{who}: looked at {}",
                    field.name
                );
                assert_eq!(look.value, row.values[&field.name], "{who}");
                let bare = host.look(&p, &sought(" ")).await.err();
                assert_eq!(bare.map(|f| f.kind), Some(FaultKind::Invalid), "no reason");
            }
            Ok(Look::File(file)) => {
                assert!(looks && alone && is_file, "{who}: opened {}", field.name);
                let bytes = host.file_part(&file, 0..u64::MAX).await.unwrap();
                assert_eq!(bytes, FILE, "{who}");
            }
            Err(fault) => {
                assert!(!looks && hidden(&fault), "{who}: {fault:?}");
                // Who lacks the clearance alone hears so.
                let lacks = fault.code == "clearance-needed";
                assert_eq!(lacks, granted, "{who}: {fault:?}");
            }
        }
    }
    let history = host.steps(&p, &row.collection, &row.id).await;
    assert_eq!(history.is_ok(), sees, "{who}: its steps");
    told(host, def, collection, row, asker).await;

    for action in &def.actions {
        if !action.record || action.collection != collection.name {
            continue;
        }
        let permission = def.permission(&action.permission).unwrap();
        if sees && asker.reaches(permission) {
            continue;
        }
        let act = Act {
            module: def.id.clone(),
            action: action.name.clone(),
            id: Some(row.id.clone()),
            input: json!({}),
            ..Act::default()
        };
        let fault = host.act(&p, act).await.err();
        let fault = fault.unwrap_or_else(|| panic!("{who}: {} went through", action.name));
        let expected = match (asker.is_anonymous(), sees) {
            // Not visible is not there; visible and not allowed is refused.
            (false, false) if asker.has(read) => FaultKind::NotFound,
            (false, true) | (true, _) => FaultKind::Forbidden,
            (false, false) => {
                assert!(hidden(&fault), "{who}: {}: {fault:?}", action.name);
                continue;
            }
        };
        assert_eq!(fault.kind, expected, "{who}: {}: {fault:?}", action.name);
    }
}

/// Files are opened where the field that names them is shown, and nowhere else. Says how many there
/// were to ask for.
async fn files(
    host: &Host,
    def: &ModuleDef,
    collection: &CollectionDef,
    row: &Planted,
    asker: &Asker,
) -> usize {
    let who = format!("{asker} asks for {}", row.collection);
    let p = asker.principal();
    let sees = asker.reaches(def.permission(&collection.read).unwrap());
    let is_file = |f: &&FieldDef| matches!(f.kind, Kind::File { .. });
    let mut asked = 0;
    for field in collection.fields.iter().filter(is_file) {
        asked += 1;
        let shown = asker.shown(def, field);
        let value = &row.values[&field.name];
        let digest = value.get(0).unwrap_or(value)["digest"].as_str().unwrap();
        let place = || Place {
            collection: row.collection.clone(),
            id: row.id.clone(),
            field: field.name.clone(),
        };
        match host.file(&p, place(), Some(digest)).await {
            Ok(file) => {
                assert!(sees && shown, "{who}: {} was opened", field.name);
                let bytes = host.file_part(&file, 0..u64::MAX).await.unwrap();
                assert_eq!(bytes, FILE, "{who}");
            }
            Err(fault) => {
                let hidden = matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden);
                // What a job made is opened by those only who could have it made now, which its own
                // tests are about.
                let job = row.collection == "console.jobs" && fault.kind == FaultKind::Forbidden;
                let told = if sees && shown { job } else { hidden };
                assert!(told, "{who}: {fault:?}");
            }
        }
        let other = host.file(&p, place(), Some(&"0".repeat(64))).await;
        assert!(other.is_err(), "{who}: what the record does not name");
    }
    asked
}

/// The past shows no more than the record does, and no question is answered by what is masked in it.
async fn told(
    host: &Host,
    def: &ModuleDef,
    collection: &CollectionDef,
    row: &Planted,
    asker: &Asker,
) {
    let who = format!("{asker} asks for {}", row.collection);
    let p = asker.principal();
    let sees = asker.reaches(def.permission(&collection.read).unwrap());
    if collection.audited {
        let past = host.history(&p, &row.collection, &row.id).await;
        assert_eq!(past.is_ok(), sees, "{who}: its history");
        for change in past.iter().flatten() {
            for part in change.before.iter().chain([&change.after]) {
                masked(def, collection, row, asker, part);
            }
        }
    }
    let by_id = || Query::new(&row.collection).filter(Filter::eq("id", row.id.as_str()));
    for field in collection.fields.iter().filter(|f| guarded(f)) {
        let shown = asker.shown(def, field);
        let value = row.values.get(&field.name).cloned().unwrap_or_default();
        let filtered = by_id().filter(Filter::eq(&field.name, value));
        for query in [filtered, by_id().sort(&field.name, false)] {
            let answer = host.find(&p, query).await;
            let told = answer.is_ok_and(|found| !found.records.is_empty());
            assert!(!told || (sees && shown), "{who}: by {}", field.name);
        }
    }
}

/// Not as it is for everybody who reads the record.
fn guarded(field: &FieldDef) -> bool {
    field.mask.is_some() || field.level.is_some()
}

/// A masked value is there as it is for those alone whom it is revealed to and who are cleared for it.
fn masked(
    def: &ModuleDef,
    collection: &CollectionDef,
    row: &Planted,
    asker: &Asker,
    record: &Map<String, Value>,
) {
    for field in collection.fields.iter().filter(|f| guarded(f)) {
        let revealed = asker.shown(def, field);
        let Some(shown) = record.get(&field.name) else {
            assert!(field.encrypted, "only these have no history");
            continue;
        };
        let written = &row.values[&field.name];
        assert_eq!(
            written == shown,
            revealed,
            "{asker} sees {}.{}: {shown}",
            row.collection,
            field.name
        );
    }
}
