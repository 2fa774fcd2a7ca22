//! A change of the plugin interface is a promise to people outside: each has an entry in
//! `wit/CHANGES.md`, held there by a digest of the interface files.

use super::{Finding, Repo};

const CHANGES: &str = "wit/CHANGES.md";

pub(super) fn change_is_told(repo: &Repo) -> Vec<Finding> {
    let mut digest = Digest::new();
    for (path, text) in repo.under("wit/", ".wit") {
        digest.take(path);
        digest.take(text);
    }
    let line = format!("digest: {}", digest.hex());
    let told = repo
        .files
        .get(CHANGES)
        .is_some_and(|text| text.lines().any(|said| said == line));
    if told {
        return Vec::new();
    }
    vec![Finding::new(
        CHANGES,
        format!("wit/ changed: tell it in an entry, and put `{line}` in its place"),
    )]
}

/// FNV-1a, 64 bits: enough to notice a change, and it needs no crate.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn take(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        // "a" gives af63dc4c8601ec8c; a zero byte follows each text here.
        let mut digest = Digest(0xcbf2_9ce4_8422_2325);
        digest.take("a");
        assert_eq!(
            digest.0,
            0xaf63_dc4c_8601_ec8c_u64.wrapping_mul(0x0000_0100_0000_01b3)
        );
    }

    #[test]
    fn a_change_without_an_entry_is_found() {
        let wit = ("wit/plugin/plugin.wit", "package a;");
        let untold = change_is_told(&Repo::of(&[wit, (CHANGES, "# Changes\n")]));
        let line = untold
            .first()
            .unwrap()
            .what
            .split('`')
            .nth(1)
            .unwrap()
            .to_owned();
        let entry = format!("# Changes\n\n{line}\n");
        assert_eq!(change_is_told(&Repo::of(&[wit, (CHANGES, &entry)])), []);
        let changed = ("wit/plugin/plugin.wit", "package b;");
        assert_eq!(
            change_is_told(&Repo::of(&[changed, (CHANGES, &entry)])).len(),
            1
        );
    }
}
