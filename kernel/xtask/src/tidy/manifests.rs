//! Rules over the Cargo.toml files: one place for versions and lints, and who may depend on whom.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::{Finding, Repo};

/// A package of the workspace.
pub(super) struct Member {
    path: String,
    name: String,
    manifest: Table,
}

/// A dependency of a member.
struct Dependency<'a> {
    name: &'a str,
    spec: &'a Value,
    dev: bool,
}

/// The crates that only these members may name. The bench measures beside the bare thing.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["kernel-storage", "tests-bench", "tests-scratch"]),
    (
        "rusqlite",
        &["kernel-storage", "tests-bench", "tests-scratch"],
    ),
    ("deadpool", &["kernel-storage"]),
    ("sea-query", &["kernel-storage"]),
    ("object_store", &["kernel-storage"]),
    ("wasmtime", &["kernel-host"]),
    (
        "axum",
        &[
            "kernel-api",
            "kernel-server",
            "tests-bench",
            "tests-providers",
            "tests-stage",
        ],
    ),
    ("ureq", &["kernel-host", "sdk-testkit", "tests-http"]),
    ("wit-bindgen", &["sdk-bindings", "sdk-model"]),
    ("maud", &["kernel-portal"]),
    ("wasmi", &["sdk-cli"]),
];

/// Beside the SDK, a guest's rules may use these: pure, and small in a component.
const PURE: &[&str] = &["serde", "serde_json"];
/// What a guest's tests may use besides.
const FOR_TESTS: &[&str] = &["sdk-testkit", "sdk-contract", "insta", "proptest", "sm3"];

/// Crates that do no input or output of their own.
const QUIET: &[&str] = &[
    "sdk-contract",
    "sdk-search",
    "kernel-portal",
    "kernel-crypto",
];

impl Member {
    fn dependencies(&self) -> Vec<Dependency<'_>> {
        let platforms = self.manifest.get("target").and_then(Value::as_table);
        let tables = platforms
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table);
        std::iter::once(&self.manifest)
            .chain(tables)
            .flat_map(|table| {
                [
                    ("dependencies", false),
                    ("build-dependencies", false),
                    ("dev-dependencies", true),
                ]
                .into_iter()
                .filter_map(|(key, dev)| Some((table.get(key)?.as_table()?, dev)))
            })
            .flat_map(|(table, dev)| {
                table
                    .iter()
                    .map(move |(name, spec)| Dependency { name, spec, dev })
            })
            .collect()
    }
}

fn inherits(value: Option<&Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}

/// Every package of the repository, the root aside.
pub(super) fn members(repo: &Repo) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for (path, text) in repo.under("", "/Cargo.toml") {
        let manifest: Table = toml::from_str(text).with_context(|| path.to_owned())?;
        let package = manifest
            .get("package")
            .and_then(|package| package.get("name"));
        let Some(name) = package.and_then(Value::as_str).map(str::to_owned) else {
            continue;
        };
        members.push(Member {
            path: path.to_owned(),
            name,
            manifest,
        });
    }
    Ok(members)
}

pub(super) fn lints_of_the_workspace(members: &[Member]) -> Vec<Finding> {
    members
        .iter()
        .filter(|member| !inherits(member.manifest.get("lints")))
        .map(|member| Finding::new(&member.path, "needs `[lints] workspace = true`"))
        .collect()
}

pub(super) fn versions_in_one_place(members: &[Member]) -> Vec<Finding> {
    members
        .iter()
        .flat_map(|member| {
            member
                .dependencies()
                .into_iter()
                .map(move |dependency| (member, dependency))
        })
        .filter(|(_, dependency)| !inherits(Some(dependency.spec)) && !is_fellow_plugin(dependency))
        .map(|(member, dependency)| {
            let what = format!(
                "`{}` needs `workspace = true`; its version stands in the root",
                dependency.name
            );
            Finding::new(&member.path, what)
        })
        .collect()
}

/// A plugin's scenario may bring another plugin in, by its folder: a line in the root's table for
/// each plugin would mean that a new one touches more than its own folder.
fn is_fellow_plugin(dependency: &Dependency<'_>) -> bool {
    dependency.dev
        && dependency.name.starts_with("plugin-")
        && dependency.spec.get("path").is_some()
        && dependency.spec.get("version").is_none()
}

pub(super) fn one_owner(members: &[Member]) -> Vec<Finding> {
    refuse(members, |member, dependency| {
        let (_, owners) = OWNERS.iter().find(|(name, _)| *name == dependency.name)?;
        (!owners.contains(&member.name.as_str())).then(|| {
            format!(
                "only {} may name `{}`",
                owners.join(" and "),
                dependency.name
            )
        })
    })
}

/// The kernel knows the contract, not the SDK; the SDK knows no kernel; quiet crates no runtime.
pub(super) fn layers(members: &[Member]) -> Vec<Finding> {
    refuse(members, |member, dependency| {
        let on = dependency.name;
        let shared = ["sdk-contract", "sdk-search"].contains(&on);
        let guest_side = on == "sdk" || (on.starts_with("sdk-") && !shared);
        let of_the_kernel = member.path.starts_with("kernel/");
        // The repository's tasks lie beside the kernel and are no part of it: they build guests.
        let guest_side = guest_side && !(member.name == "xtask" && on == "sdk-build");
        if of_the_kernel && (guest_side || on.starts_with("plugin-") || on.starts_with("model-")) {
            return Some(format!("the kernel may not depend on `{on}`"));
        }
        // The test kit proves itself with a plugin of its own.
        let plugin = on.starts_with("plugin-") && !dependency.dev;
        if member.path.starts_with("sdk/") && (on.starts_with("kernel-") || plugin) {
            return Some(format!("the SDK may not depend on `{on}`"));
        }
        if QUIET.contains(&member.name.as_str())
            && matches!(on, "tokio" | "ureq" | "axum")
            && !dependency.dev
        {
            return Some(format!(
                "`{}` does no input or output: not `{on}`",
                member.name
            ));
        }
        None
    })
}

/// Plugins and example models: the SDK and pure crates, and never one another outside their tests.
pub(super) fn guests_stay_pure(members: &[Member]) -> Vec<Finding> {
    refuse(members, |member, dependency| {
        let plugin = ["plugins/", "tests/plugins/"];
        let sdk = if plugin.iter().any(|place| member.path.starts_with(place)) {
            "sdk"
        } else if member.path.starts_with("examples/bank-models/") {
            "sdk-model"
        } else {
            return None;
        };
        let on = dependency.name;
        let known = on == sdk
            || PURE.contains(&on)
            || (dependency.dev && (FOR_TESTS.contains(&on) || is_fellow_plugin(dependency)));
        (!known).then(|| {
            format!(
                "a guest may depend on `{sdk}`, {} only, not on `{on}`",
                PURE.join(", ")
            )
        })
    })
}

fn refuse(
    members: &[Member],
    rule: impl Fn(&Member, &Dependency<'_>) -> Option<String>,
) -> Vec<Finding> {
    members
        .iter()
        .flat_map(|member| {
            let complaints: Vec<_> = member
                .dependencies()
                .iter()
                .filter_map(|on| rule(member, on))
                .collect();
            complaints
                .into_iter()
                .map(|what| Finding::new(&member.path, what))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, name: &str, rest: &str) -> Vec<Member> {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        members(&Repo::of(&[(path, &text)])).unwrap()
    }

    fn kernel(dependency: &str) -> Vec<Member> {
        one(
            "kernel/api/Cargo.toml",
            "kernel-api",
            &format!("[dependencies]\n{dependency}.workspace = true"),
        )
    }

    fn plugin(table: &str, dependency: &str) -> Vec<Member> {
        one(
            "plugins/tea/Cargo.toml",
            "plugin-tea",
            &format!("[{table}]\n{dependency}.workspace = true"),
        )
    }

    #[test]
    fn a_member_without_the_workspace_lints_is_found() {
        assert_eq!(lints_of_the_workspace(&kernel("serde")).len(), 1);
        assert_eq!(
            lints_of_the_workspace(&one("a/Cargo.toml", "a", "[lints]\nworkspace = true")),
            []
        );
    }

    #[test]
    fn a_version_outside_the_root_is_found_in_every_table() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let found = versions_in_one_place(&one(
                "a/Cargo.toml",
                "a",
                &format!("[{table}]\nserde = \"1\""),
            ));
            assert_eq!(found.len(), 1, "{table}");
        }
        assert_eq!(versions_in_one_place(&kernel("serde")), []);
    }

    #[test]
    fn owned_crates_are_refused_elsewhere() {
        assert_eq!(one_owner(&kernel("sqlx")).len(), 1);
        assert_eq!(one_owner(&kernel("axum")), []);
    }

    #[test]
    fn the_kernel_knows_the_contract_and_not_the_sdk() {
        assert_eq!(layers(&kernel("sdk-contract")), []);
        for dependency in ["sdk", "sdk-model", "plugin-tea", "model-leaf"] {
            assert_eq!(layers(&kernel(dependency)).len(), 1, "{dependency}");
        }
    }

    #[test]
    fn only_the_tasks_of_the_repository_build_guests() {
        let dependency = "[dependencies]\nsdk-build.workspace = true";
        assert_eq!(layers(&kernel("sdk-build")).len(), 1);
        assert_eq!(
            layers(&one("kernel/xtask/Cargo.toml", "xtask", dependency)),
            []
        );
    }

    #[test]
    fn the_sdk_does_not_know_the_kernel() {
        let on = |name| {
            one(
                "sdk/sdk/Cargo.toml",
                "sdk",
                &format!("[dependencies]\n{name}.workspace = true"),
            )
        };
        assert_eq!(layers(&on("kernel-host")).len(), 1);
        assert_eq!(layers(&on("sdk-contract")), []);
    }

    #[test]
    fn quiet_crates_have_no_runtime() {
        let contract = one(
            "sdk/contract/Cargo.toml",
            "sdk-contract",
            "[dependencies]\ntokio.workspace = true",
        );
        assert_eq!(layers(&contract).len(), 1);
    }

    #[test]
    fn only_the_tests_of_a_plugin_may_bring_another_in() {
        let fellow = |table: &str| {
            let text = format!("[{table}]\nplugin-rice = {{ path = \"../rice\" }}");
            let found = one("plugins/tea/Cargo.toml", "plugin-tea", &text);
            versions_in_one_place(&found).len() + guests_stay_pure(&found).len()
        };
        assert_eq!(fellow("dev-dependencies"), 0);
        assert_eq!(fellow("dependencies"), 2);
    }

    #[test]
    fn plugins_depend_on_the_sdk_and_not_on_one_another() {
        assert_eq!(guests_stay_pure(&plugin("dependencies", "sdk")), []);
        assert_eq!(
            guests_stay_pure(&plugin("dev-dependencies", "sdk-testkit")),
            []
        );
        assert_eq!(
            guests_stay_pure(&plugin("dependencies", "sdk-testkit")).len(),
            1
        );
        assert_eq!(
            guests_stay_pure(&plugin("dependencies", "plugin-rice")).len(),
            1
        );
    }
}
