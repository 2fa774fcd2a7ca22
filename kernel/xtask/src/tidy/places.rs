//! Tracked files name no folder of somebody's machine and no host of a package registry: the
//! first exists nowhere else, the second is the reader's to configure.

use super::{Finding, Repo};

/// Folders, joined here so that this file does not name them itself.
const FOLDERS: &[[&str; 2]] = &[
    ["/ro", "ot/"],
    ["/ho", "me/"],
    ["/wo", "rk/"],
    ["/Us", "ers/"],
    ["/tmp/br", "ief"],
];
const HOSTS: &[[&str; 2]] = &[
    ["registry.npm", "js.org"],
    ["registry.npm", "mirror.com"],
    ["index.crates", ".io"],
    ["static.crates", ".io"],
    ["files.python", "hosted.org"],
    ["pypi", ".org"],
    ["deb.deb", "ian.org"],
];

pub(super) fn none_of_a_machine(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &repo.files {
        for (number, line) in text.lines().enumerate() {
            let folder = FOLDERS
                .iter()
                .map(|parts| parts.concat())
                .find(|folder| absolute(line, folder));
            let host = HOSTS
                .iter()
                .map(|parts| parts.concat())
                .find(|host| line.contains(host));
            if let Some(named) = folder.or(host) {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    format!("names `{named}`"),
                ));
            }
        }
    }
    findings
}

/// Whether `folder` stands in the line as the start of a path, not inside another or an address.
fn absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| {
            c.is_alphanumeric()
                || matches!(c, '.' | '_' | '-' | '}' | ')' | '/' | '~' | '$' | '*' | ']')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_found_and_relative_ones_are_not() {
        let [root, home] = ["/ro", "/ho"]
            .map(|start| format!("{start}{}", if start == "/ro" { "ot/" } else { "me/" }));
        let at = |line: String| none_of_a_machine(&Repo::of(&[("README.md", &line)])).len();
        assert_eq!(at(format!("see {root}x")), 1);
        assert_eq!(at(format!("\"{home}someone\"")), 1);
        assert_eq!(at(format!("tests{root}x ${{DIR}}{home}x")), 0);
    }

    #[test]
    fn hosts_of_registries_are_found() {
        let line = format!(
            "\"resolved\": \"https://registry.npm{}/left-pad\"",
            "js.org"
        );
        assert_eq!(
            none_of_a_machine(&Repo::of(&[("package-lock.json", &line)])).len(),
            1
        );
    }
}
