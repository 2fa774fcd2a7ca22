//! Whose pages somebody sees: every page with a record in its path, asked for by everyone who
//! differs in role, party, organisation, its level, district or assignment.
//!
//! Which collection a page is of is found by trying: a page that draws a planted row for somebody
//! who may everything is of that row's collection.

use kernel_host::Host;
use sdk_contract::call::Ask;
use sdk_contract::def::{ModuleDef, PageDef};
use sdk_contract::error::{Fault, FaultKind};

use crate::rows::{Asker, Planted};

/// What was asked for.
#[derive(Default)]
pub(crate) struct Asked {
    /// Pages of a record, by path.
    pub(crate) pages: Vec<String>,
    /// Pages with a record in their path that draw no planted row.
    pub(crate) undrawn: Vec<String>,
    pub(crate) drawn: usize,
    pub(crate) refused: usize,
}

/// Has everyone ask for the page of every planted row.
pub(crate) async fn only_for_whom_they_are(host: &Host, rows: &[Planted]) -> Asked {
    let catalog = host.catalog();
    let mut asked = Asked::default();
    for installed in catalog.modules.values() {
        let def = &installed.def;
        for page in &def.pages {
            let Some(name) = parameter(&page.path) else {
                continue;
            };
            let insider = Asker::insider(def).principal();
            let mut of = None;
            for row in rows.iter().filter(|row| row.module == def.id) {
                let ask = ask(page, name, &row.id);
                if host.page(&insider, &def.id, ask).await.is_ok() {
                    of = Some(row);
                    break;
                }
            }
            match of {
                Some(row) => {
                    everyone(host, def, (page, name), row, &mut asked).await;
                    asked.pages.push(page.path.clone());
                }
                None => asked.undrawn.push(page.path.clone()),
            }
        }
    }
    asked
}

async fn everyone(
    host: &Host,
    def: &ModuleDef,
    (page, name): (&PageDef, &str),
    row: &Planted,
    asked: &mut Asked,
) {
    let collection = row.collection.split_once('.').map(|(_, plural)| plural);
    let collection = def.collection(collection.unwrap()).unwrap();
    let read = def.permission(&collection.read).unwrap();
    let opens = def.permission(&page.permission).unwrap();
    let insider = Asker::insider(def);
    let mut askers = Asker::all(&[read, opens], collection.assignee.is_some());
    askers.push(insider);
    for asker in &askers {
        let who = format!("{asker} asks for {} of {}", page.path, row.collection);
        let p = asker.principal();
        let drawn = host.page(&p, &def.id, ask(page, name, &row.id)).await;
        let Err(fault) = drawn else {
            assert!(asker.has(opens) && asker.reaches(read), "{who}: drawn");
            asked.drawn += 1;
            // A record that is not there is no more there for those who see this one.
            let nowhere = host
                .page(&p, &def.id, ask(page, name, crate::NOWHERE))
                .await;
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

/// The one parameter of a path.
fn parameter(path: &str) -> Option<&str> {
    let mut names = path
        .split('/')
        .filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    names.next().filter(|_| names.next().is_none())
}

fn ask(page: &PageDef, name: &str, id: &str) -> Ask {
    Ask {
        path: page.path.clone(),
        params: [(name.to_owned(), id.to_owned())].into(),
        ..Ask::default()
    }
}
