//! The tables that say what holds a requirement and which test proves it: both must exist.
//!
//! `docs/traceability.tsv`, the tender's rows: `plugin` (or a `kernel/<crate>`), and `test` as `path::name` (the name of a
//! function, or the words of a browser test). `docs/compliance.tsv`, the clauses of the standards:
//! `id`, `where` (paths), `test` and `state`. Columns are found by their heading; a cell may hold
//! several entries with `; ` between them; an empty cell says "not yet".

use super::{Finding, Repo};

const MATRIX: &str = "docs/traceability.tsv";
const COMPLIANCE: &str = "docs/compliance.tsv";
/// `met` and `partly` name code and tests; `open` is to be built; the others belong to the site, to
/// the cloud or to certified devices, and the software cannot meet them.
const STATES: [&str; 6] = ["met", "partly", "open", "site", "cloud", "device"];

pub(super) fn requirements(repo: &Repo) -> Vec<Finding> {
    let plugins = repo.plugins();
    check(repo, MATRIX, ["plugin", "test"], |[plugin, tests]| {
        let unknown = entries(plugin)
            .filter(|plugin| !plugins.contains(plugin) && !is_kernel(repo, plugin))
            .map(|plugin| format!("no plugin `{plugin}`"));
        unknown.chain(missing_tests(repo, tests)).collect()
    })
}

/// What belongs to no plugin: `kernel/<crate>`.
fn is_kernel(repo: &Repo, place: &str) -> bool {
    place.starts_with("kernel/") && stands(repo, place)
}

pub(super) fn compliance(repo: &Repo) -> Vec<Finding> {
    let mut seen = Vec::new();
    check(
        repo,
        COMPLIANCE,
        ["id", "where", "test", "state"],
        |[id, places, tests, state]| {
            let mut wrong: Vec<String> = missing_tests(repo, tests).collect();
            let unknown = entries(places).filter(|place| !stands(repo, place));
            wrong.extend(unknown.map(|place| format!("no file or folder `{place}`")));
            if id.is_empty() || seen.contains(&id.to_owned()) {
                wrong.push(format!("id `{id}` is missing or stands twice"));
            }
            seen.push(id.to_owned());
            if !STATES.contains(&state) {
                wrong.push(format!("state `{state}` is none of {}", STATES.join(", ")));
            }
            if matches!(state, "met" | "partly") && (places.is_empty() || tests.is_empty()) {
                wrong.push(format!("{id} is called {state} without code and a test"));
            }
            wrong
        },
    )
}

/// Runs `complaints` over the named cells of every line of a table, if there is one.
fn check<'a, const N: usize>(
    repo: &'a Repo,
    table: &'static str,
    columns: [&str; N],
    mut complaints: impl FnMut([&'a str; N]) -> Vec<String>,
) -> Vec<Finding> {
    let Some(text) = repo.files.get(table) else {
        return Vec::new();
    };
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let at = columns.map(|name| heading.iter().position(|cell| *cell == name));
    if at.contains(&None) {
        let what = format!("needs the columns {}", columns.join(", "));
        return vec![Finding::new(table, what)];
    }
    let mut findings = Vec::new();
    for (number, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map_or("", |c| c.trim());
        for what in complaints(at.map(cell)) {
            findings.push(Finding::new(format!("{table}:{}", number + 2), what));
        }
    }
    findings
}

fn entries(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

fn missing_tests<'a>(repo: &'a Repo, cell: &'a str) -> impl Iterator<Item = String> {
    entries(cell)
        .filter(|proof| !exists(repo, proof))
        .map(|proof| format!("no test `{proof}`"))
}

/// Whether a file or folder is there.
fn stands(repo: &Repo, place: &str) -> bool {
    let folder = format!("{}/", place.trim_end_matches('/'));
    repo.files
        .keys()
        .any(|path| path == place || path.starts_with(&folder))
}

fn exists(repo: &Repo, proof: &str) -> bool {
    let Some((path, name)) = proof.split_once("::") else {
        return false;
    };
    let Some(source) = repo.files.get(path) else {
        return false;
    };
    match path.rsplit_once('.') {
        Some((_, "rs")) => source.contains(&format!("fn {name}(")),
        _ => source.contains(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(table: &str, text: &str) -> Repo {
        Repo::of(&[
            (table, text),
            ("plugins/tea/Cargo.toml", ""),
            ("kernel/pot/Cargo.toml", ""),
            (
                "tests/http/tests/pour.rs",
                "#[test]\nfn a_cup_is_filled() {}",
            ),
            ("tests/browser/pour.spec.mjs", "test('a cup is filled', …)"),
        ])
    }

    fn found(row: &str) -> usize {
        let text = format!("row\tplugin\ttest\n{row}\n");
        requirements(&repo(MATRIX, &text)).len()
    }

    #[test]
    fn rows_name_existing_plugins_and_tests() {
        assert_eq!(
            found("1\ttea\ttests/http/tests/pour.rs::a_cup_is_filled"),
            0
        );
        assert_eq!(
            found("1\ttea\ttests/browser/pour.spec.mjs::a cup is filled"),
            0
        );
        assert_eq!(found("1\tkernel/pot\t"), 0);
        assert_eq!(found("1\tkernel/cup\t"), 1);
        assert_eq!(found("1\t\t"), 0);
        assert_eq!(found("1\tcoffee\t"), 1);
        assert_eq!(found("1\ttea\ttests/http/tests/pour.rs::a_cup"), 1);
        assert_eq!(found("1\ttea\ttests/gone.rs::a"), 1);
    }

    #[test]
    fn several_entries_are_each_looked_up() {
        let row = "1\ttea; coffee\ttests/http/tests/pour.rs::a_cup_is_filled; tests/gone.rs::a";
        assert_eq!(found(row), 2);
    }

    #[test]
    fn the_columns_are_found_by_name() {
        let table = |text| requirements(&Repo::of(&[(MATRIX, text)])).len();
        assert_eq!(table("row\tmodule\n"), 1);
        assert_eq!(requirements(&Repo::of(&[])), []);
    }

    #[test]
    fn a_clause_names_code_tests_and_a_known_state() {
        let clause = |row: &str| {
            let text = format!("id\twhere\ttest\tstate\n{row}\n");
            compliance(&repo(COMPLIANCE, &text)).len()
        };
        let proof = "tests/http/tests/pour.rs::a_cup_is_filled";
        assert_eq!(clause(&format!("DJ-01\tplugins/tea\t{proof}\tmet")), 0);
        assert_eq!(clause("DJ-01\t\t\topen\nMM-1\t\t\tcloud"), 0);
        assert_eq!(clause("DJ-01\t\t\tmet"), 1);
        assert_eq!(clause(&format!("DJ-01\tplugins/coffee\t{proof}\tmet")), 1);
        assert_eq!(clause("DJ-01\tplugins/tea\ttests/gone.rs::a\tpartly"), 1);
        assert_eq!(clause("DJ-01\t\t\tperhaps"), 1);
        assert_eq!(clause("DJ-01\t\t\topen\nDJ-01\t\t\topen"), 1);
    }
}
