//! `docs/traceability.tsv` says which plugin holds a requirement and which test proves it; both
//! must exist. Columns are found by their heading: `plugin`, and `test` as `path::name` (the name
//! of a function, or the words of a browser test). An empty cell says "not yet".

use super::{Finding, Repo};

const MATRIX: &str = "docs/traceability.tsv";

pub(super) fn names_what_exists(repo: &Repo) -> Vec<Finding> {
    let Some(matrix) = repo.files.get(MATRIX) else {
        return Vec::new();
    };
    let mut lines = matrix.lines();
    let heading: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| heading.iter().position(|cell| *cell == name);
    let (Some(plugin_at), Some(test_at)) = (column("plugin"), column("test")) else {
        return vec![Finding::new(
            MATRIX,
            "needs the columns `plugin` and `test`",
        )];
    };
    let plugins = repo.plugins();
    let mut findings = Vec::new();
    for (number, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default().trim();
        let mut complain =
            |what: String| findings.push(Finding::new(format!("{MATRIX}:{}", number + 2), what));
        let plugin = cell(plugin_at);
        if !plugin.is_empty() && !plugins.contains(&plugin) {
            complain(format!("no plugin `{plugin}`"));
        }
        let proof = cell(test_at);
        if !proof.is_empty() && !exists(repo, proof) {
            complain(format!("no test `{proof}`"));
        }
    }
    findings
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

    fn found(row: &str) -> usize {
        let text = format!("row\tplugin\ttest\n{row}\n");
        let repo = Repo::of(&[
            (MATRIX, &text),
            ("plugins/tea/Cargo.toml", ""),
            (
                "tests/http/tests/pour.rs",
                "#[test]\nfn a_cup_is_filled() {}",
            ),
            ("tests/browser/pour.spec.mjs", "test('a cup is filled', …)"),
        ]);
        names_what_exists(&repo).len()
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
        assert_eq!(found("1\t\t"), 0);
        assert_eq!(found("1\tcoffee\t"), 1);
        assert_eq!(found("1\ttea\ttests/http/tests/pour.rs::a_cup"), 1);
        assert_eq!(found("1\ttea\ttests/gone.rs::a"), 1);
    }

    #[test]
    fn the_columns_are_found_by_name() {
        assert_eq!(
            names_what_exists(&Repo::of(&[(MATRIX, "row\tmodule\n")])).len(),
            1
        );
        assert_eq!(names_what_exists(&Repo::of(&[])), []);
    }
}
