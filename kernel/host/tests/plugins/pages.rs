//! Whose pages somebody sees: every page with a record in its path, asked for by everyone who
//! differs in role, party, organisation, its level, district, assignment or clearance; none tells what
//! is above somebody's clearance.
//!
//! Which collection a page is of is found by trying: a page that draws a planted row for somebody
//! who may everything is of that row's collection. A second name in a path is of a part of the
//! record, which is tried among what the row names. What is in no collection is numbered, as the
//! audit trail is: of that there is a first, and whoever may open the page sees it.

use std::collections::BTreeMap;

use kernel_host::Host;
use sdk_contract::call::Ask;
use sdk_contract::def::{ModuleDef, PageDef, PermissionDef};
use sdk_contract::error::{Fault, FaultKind};

use crate::plant::Planted;
use crate::rows::Asker;

/// The number of what is numbered.
const FIRST: &str = "1";

/// What was asked for.
#[derive(Default)]
pub(crate) struct Asked {
    /// Pages of a record, by path.
    pub(crate) pages: Vec<String>,
    pub(crate) drawn: usize,
    pub(crate) refused: usize,
    /// Values of level L3 and above that stood in what was drawn, and those of them that it told.
    pub(crate) guarded: usize,
    pub(crate) told: usize,
}

/// What a page draws.
struct Drawn<'a> {
    id: &'a str,
    /// What is asked for of it; empty is the whole.
    part: String,
    of: &'a str,
    /// Reaches those who see it.
    read: &'a PermissionDef,
    assigns: bool,
    /// None of what is numbered.
    row: Option<&'a Planted>,
}

/// Has everyone ask for the page of every planted row.
pub(crate) async fn only_for_whom_they_are(host: &Host, rows: &[Planted]) -> Asked {
    let catalog = host.catalog();
    let mut asked = Asked::default();
    for installed in catalog.modules.values() {
        let def = &installed.def;
        for page in &def.pages {
            if parameters(&page.path).is_none() {
                continue;
            }
            let drawn = what(host, def, page, rows).await;
            everyone(host, def, page, &drawn, &mut asked).await;
            asked.pages.push(page.path.clone());
        }
    }
    asked
}

/// What the page draws for somebody who may everything.
async fn what<'a>(
    host: &Host,
    def: &'a ModuleDef,
    page: &'a PageDef,
    rows: &'a [Planted],
) -> Drawn<'a> {
    let of_parts = parameters(&page.path).is_some_and(|(_, part)| part.is_some());
    let rows = rows.iter().filter(|row| row.module == def.id);
    let rows = rows.flat_map(|row| {
        let parts = if of_parts {
            row.parts()
        } else {
            vec![String::new()]
        };
        parts.into_iter().map(move |part| (row, part))
    });
    let rows = rows.map(|(row, part)| {
        let collection = row.declared(def);
        Drawn {
            id: &row.id,
            part,
            of: &row.collection,
            read: def.permission(&collection.read).unwrap(),
            assigns: collection.assignee.is_some(),
            row: Some(row),
        }
    });
    let numbered = Drawn {
        id: FIRST,
        part: String::new(),
        of: "what is numbered",
        read: def.permission(&page.permission).unwrap(),
        assigns: false,
        row: None,
    };
    let insider = Asker::insider(def).principal();
    let mut heard = Vec::new();
    for drawn in rows.chain([numbered]) {
        let ask = ask(page, drawn.id, &drawn.part);
        match host.page(&insider, &def.id, ask).await {
            Ok(_) => return drawn,
            Err(fault) if fault.kind == FaultKind::NotFound => {}
            Err(fault) => heard.push((drawn.of, fault)),
        }
    }
    panic!("{} draws nothing for anybody: {heard:?}", page.path);
}

async fn everyone(
    host: &Host,
    def: &ModuleDef,
    page: &PageDef,
    row: &Drawn<'_>,
    asked: &mut Asked,
) {
    let read = row.read;
    let opens = def.permission(&page.permission).unwrap();
    let insider = Asker::insider(def);
    let mut askers = Asker::all(&[read, opens], row.assigns);
    askers.push(insider);
    for asker in &askers {
        let who = format!("{asker} asks for {} of {}", page.path, row.of);
        let p = asker.principal();
        let drawn = host.page(&p, &def.id, ask(page, row.id, &row.part)).await;
        let fault = match drawn {
            Ok(page) => {
                assert!(asker.has(opens) && asker.reaches(read), "{who}: drawn");
                asked.drawn += 1;
                let page = serde_json::to_string(&page).unwrap();
                for (field, canary) in row.row.into_iter().flat_map(|row| row.canaries(def)) {
                    asked.guarded += 1;
                    let told = page.contains(&canary);
                    asked.told += usize::from(told);
                    assert!(!told || asker.shown(def, field), "{who}: {}", field.name);
                }
                None
            }
            Err(fault) => Some(fault),
        };
        let Some(fault) = fault else {
            // A record that is not there is no more there for those who see this one.
            let nowhere = ask(page, crate::NOWHERE, &row.part);
            let nowhere = host.page(&p, &def.id, nowhere).await;
            assert_eq!(
                nowhere.map_err(|f| f.kind),
                Err(FaultKind::NotFound),
                "{who}"
            );
            continue;
        };
        asked.refused += 1;
        let expected = if asker.is_anonymous() && !asker.has(opens) {
            FaultKind::Forbidden
        } else if asker.has(opens) && asker.has(read) {
            assert!(!asker.reaches(read), "{who}: {fault:?}");
            FaultKind::NotFound
        } else {
            assert!(hidden(&fault), "{who}: {fault:?}");
            // Who sees the record hears that the page is not for them.
            let seen = asker.reaches(read) && host.visible(&p, &def.id);
            assert!(
                !seen || fault.kind == FaultKind::Forbidden,
                "{who}: {fault:?}"
            );
            continue;
        };
        assert_eq!(fault.kind, expected, "{who}: {fault:?}");
    }
}

fn hidden(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden)
}

/// The parameters of a path that has any: the record's, and that of a part of it.
fn parameters(path: &str) -> Option<(&str, Option<&str>)> {
    let mut names = path
        .split('/')
        .filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let record = names.next()?;
    let part = names.next();
    assert_eq!(names.next(), None, "{path} is of too much");
    Some((record, part))
}

fn ask(page: &PageDef, id: &str, part: &str) -> Ask {
    let (record, second) = parameters(&page.path).unwrap();
    let mut params = BTreeMap::from([(record.to_owned(), id.to_owned())]);
    params.extend(second.map(|name| (name.to_owned(), part.to_owned())));
    Ask {
        path: page.path.clone(),
        params,
        ..Ask::default()
    }
}
