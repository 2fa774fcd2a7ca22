//! Which licences the tree of dependencies may carry, and where its packages come from.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;

const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages that must not come in, and the document that says why.
const BANNED: &[(&str, &str)] = &[
    (
        "sm-crypto",
        "docs/decisions/0004-rustcrypto-not-sm-crypto.md",
    ),
    (
        "smcrypto",
        "docs/decisions/0004-rustcrypto-not-sm-crypto.md",
    ),
];

/// A package of the resolved tree.
#[derive(Deserialize)]
pub(crate) struct Package {
    name: String,
    version: String,
    /// SPDX expression.
    license: Option<String>,
    /// Absent for this repository's own.
    source: Option<String>,
}

/// Reads the answer of `cargo metadata`.
pub(super) fn packages(metadata: &str) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let metadata: Metadata =
        serde_json::from_str(metadata).context("cargo metadata answers another shape")?;
    Ok(metadata.packages)
}

pub(super) fn accepted(packages: &[Package]) -> Vec<Finding> {
    packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(allows))
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("none named");
            let what = format!(
                "`{} {}`: licence {licence} is not on the list",
                package.name, package.version
            );
            Finding::new("Cargo.lock", what)
        })
        .collect()
}

pub(super) fn from_the_registry(packages: &[Package]) -> Vec<Finding> {
    packages
        .iter()
        .filter_map(|package| Some((package, package.source.as_deref()?)))
        .filter(|(_, source)| *source != REGISTRY)
        .map(|(package, source)| {
            Finding::new(
                "Cargo.lock",
                format!("`{}` comes from {source}", package.name),
            )
        })
        .collect()
}

pub(super) fn banned(packages: &[Package]) -> Vec<Finding> {
    BANNED
        .iter()
        .filter(|(name, _)| packages.iter().any(|package| package.name == *name))
        .map(|(name, why)| Finding::new("Cargo.lock", format!("`{name}` is banned: see {why}")))
        .collect()
}

/// Whether an expression can be met by accepted licences. `AND` binds closer than `OR`; the old
/// slash means `OR`.
fn allows(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest);
    verdict && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> bool {
    let mut verdict = both(rest);
    while let ["OR", tail @ ..] = rest {
        *rest = tail;
        verdict = both(rest) || verdict;
    }
    verdict
}

fn both(rest: &mut &[&str]) -> bool {
    let mut verdict = one(rest);
    while let ["AND", tail @ ..] = rest {
        *rest = tail;
        verdict = one(rest) && verdict;
    }
    verdict
}

fn one(rest: &mut &[&str]) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let verdict = either(rest);
            match *rest {
                [")", tail @ ..] => {
                    *rest = tail;
                    verdict
                }
                _ => false,
            }
        }
        [licence, "WITH", exception, tail @ ..] => {
            *rest = tail;
            ACCEPTED.contains(&format!("{licence} WITH {exception}").as_str())
        }
        [licence, tail @ ..] => {
            *rest = tail;
            ACCEPTED.contains(licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banned_package_is_found_by_its_whole_name() {
        let named = |name: &str| Package {
            name: name.into(),
            ..package(None, None)
        };
        assert_eq!(banned(&[named("sm-crypto"), named("leaf")]).len(), 1);
        assert_eq!(banned(&[named("smcrypto")]).len(), 1);
        assert_eq!(banned(&[named("sm-cryptography")]), []);
    }

    fn package(license: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: "leaf".into(),
            version: "1.0.0".into(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn one_accepted_branch_is_enough_and_every_part_of_it_counts() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(allows(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND OpenSSL",
            "MIT WITH Surprise-exception",
            "",
            "(MIT",
            "MIT MIT",
        ] {
            assert!(!allows(bad), "{bad}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_found() {
        assert_eq!(accepted(&[package(None, None)]).len(), 1);
        assert_eq!(accepted(&[package(Some("MIT"), None)]), []);
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        assert_eq!(
            from_the_registry(&[package(None, Some("git+https://example.org/leaf"))]).len(),
            1
        );
        assert_eq!(
            from_the_registry(&[package(None, Some(REGISTRY)), package(None, None)]),
            []
        );
    }
}
