//! Rules over the plugins: the same files in each, and none of them known to the kernel, so that
//! a new plugin touches its own folder alone.

use super::sources::{literals, without_tests};
use super::{Finding, Repo};

/// The parts of a plugin's source. A part that grows becomes a folder beside its file.
const PARTS: &[&str] = &[
    "model",
    "rules",
    "permissions",
    "flows",
    "actions",
    "pages",
    "events",
    "jobs",
    "client",
    "seed",
    "changes",
];

pub(super) fn file_set(repo: &Repo) -> Vec<Finding> {
    repo.under("plugins/", "")
        .filter_map(|(path, _)| {
            let (_, inside) = path.strip_prefix("plugins/")?.split_once('/')?;
            (!canonical(inside))
                .then(|| Finding::new(path, "is no file of a plugin; see docs/plugin-guide.md"))
        })
        .collect()
}

/// Whether a plugin may have this file; the path is from the plugin's folder.
fn canonical(path: &str) -> bool {
    let ends = |ending: &str| path.ends_with(ending);
    if let Some(source) = path.strip_prefix("src/") {
        if source == "lib.rs" {
            return true;
        }
        let part = source.split(['/', '.']).next().unwrap_or_default();
        // Reference and demo data lies beside the part that reads it.
        let data = source.starts_with("seed/") && (ends(".json") || ends(".tsv") || ends(".csv"));
        return PARTS.contains(&part) && (ends(".rs") || data);
    }
    if let Some(test) = path.strip_prefix("tests/") {
        return ends(".rs") || (test.starts_with("snapshots/") && ends(".snap"));
    }
    matches!(
        path,
        "Cargo.toml"
            | "plugin.toml"
            | "schema.lock.json"
            | "README.md"
            | "i18n/zh.ftl"
            | "i18n/en.ftl"
    )
}

/// A literal that starts with a plugin's name and a dot names something of that plugin's. A
/// single word may be anything, but several plugins' names in one file are a list of plugins.
pub(super) fn unknown_to_the_kernel(repo: &Repo) -> Vec<Finding> {
    let plugins = repo.plugins();
    let mut findings = Vec::new();
    for (path, text) in repo.under("kernel/", ".rs") {
        if !path.contains("/src/") || path.ends_with("tests.rs") {
            continue;
        }
        let mut bare = Vec::new();
        for (line, literal) in literals(without_tests(text)) {
            for plugin in &plugins {
                let rest = literal.strip_prefix(plugin);
                if rest.is_some_and(|rest| rest.starts_with('.') || rest.starts_with("__")) {
                    let what = format!("names `{literal}` of the plugin {plugin}");
                    findings.push(Finding::new(format!("{path}:{line}"), what));
                } else if rest == Some("") && !bare.contains(plugin) {
                    bare.push(plugin);
                }
            }
        }
        if bare.len() > 2 {
            findings.push(Finding::new(
                path,
                format!("lists plugins by name: {bare:?}"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_files_are_accepted_and_no_others() {
        for good in [
            "src/lib.rs",
            "src/model.rs",
            "src/actions/submit.rs",
            "src/seed/city.json",
            "tests/apply.rs",
            "tests/snapshots/apply__page.snap",
            "plugin.toml",
            "i18n/zh.ftl",
        ] {
            assert!(canonical(good), "{good}");
        }
        for bad in [
            "src/utils.rs",
            "src/models.rs",
            "src/model/data.json",
            "build.rs",
            "tests/data.json",
            "i18n/fr.ftl",
        ] {
            assert!(!canonical(bad), "{bad}");
        }
    }

    #[test]
    fn a_new_plugin_begins_with_canonical_files() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join("../../sdk/templates/plugin");
        let mut seen = 0;
        for inside in ["src", "tests"] {
            for entry in std::fs::read_dir(folder.join(inside)).unwrap() {
                let name = entry.unwrap().file_name();
                let path = format!("{inside}/{}", name.to_str().unwrap());
                assert!(canonical(&path), "{path}");
                seen += 1;
            }
        }
        assert!(seen > 1, "{seen}");
    }

    #[test]
    fn a_stray_file_is_found() {
        let repo = Repo::of(&[
            ("plugins/tea/src/helpers.rs", ""),
            ("plugins/tea/src/rules.rs", ""),
        ]);
        assert_eq!(file_set(&repo).len(), 1);
    }

    fn kernel(text: &str) -> Repo {
        let plugin = |name| format!("plugins/{name}/Cargo.toml");
        Repo::of(&[
            (&plugin("tea"), ""),
            (&plugin("rice"), ""),
            (&plugin("salt"), ""),
            ("kernel/api/src/lib.rs", text),
        ])
    }

    #[test]
    fn a_kernel_that_names_something_of_a_plugin_is_found() {
        assert_eq!(
            unknown_to_the_kernel(&kernel("let a = \"tea.cups\";")).len(),
            1
        );
        assert_eq!(
            unknown_to_the_kernel(&kernel("let a = \"tea__cups\";")).len(),
            1
        );
        assert_eq!(
            unknown_to_the_kernel(&kernel("let a = \"teapot.cups\"; // \"tea.cups\"")),
            []
        );
        assert_eq!(
            unknown_to_the_kernel(&kernel("#[cfg(test)]\nmod tests { \"tea.cups\" }")),
            []
        );
    }

    #[test]
    fn one_word_may_be_anything_but_three_are_a_list() {
        assert_eq!(unknown_to_the_kernel(&kernel("[\"tea\", \"rice\"]")), []);
        assert_eq!(
            unknown_to_the_kernel(&kernel("[\"tea\", \"rice\", \"salt\"]")).len(),
            1
        );
    }
}
