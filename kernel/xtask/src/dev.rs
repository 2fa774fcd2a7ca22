//! Rebuilds a guest when its source is saved. What all guests share (`wit`, `sdk`) rebuilds all.
//!
//! Polling, because it needs nothing and works on every file system; a few hundred files take a
//! millisecond.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Result;

use sdk_build::guests::{self, Guest};
use sdk_build::place::Place;

const PERIOD: Duration = Duration::from_millis(300);

/// Each file and when it was last written.
type Sight = BTreeMap<PathBuf, SystemTime>;

/// Builds everything once, then watches until interrupted.
pub(crate) fn watch(place: &Place, out: &Path) -> Result<ExitCode> {
    let mut all = Guest::all(place.root())?;
    rebuild(place, &all.iter().collect::<Vec<_>>(), out);
    let mut before = look(place.root(), &all);
    println!("watching plugins, models, sdk and wit; stop with Ctrl-C");
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is no server: it waits for a person to save"
        )]
        std::thread::sleep(PERIOD);
        all = Guest::all(place.root()).unwrap_or(all);
        let now = look(place.root(), &all);
        let touched = touched(&before, &now, &all);
        if !touched.is_empty() {
            rebuild(place, &touched, out);
        }
        before = now;
    }
}

/// A guest that does not compile is the author's to mend; watching goes on.
fn rebuild(place: &Place, guests: &[&Guest], out: &Path) {
    match guests::build(place, guests, out) {
        Ok(lines) => lines.iter().for_each(|line| println!("{line}")),
        Err(error) => eprintln!("{error:#}"),
    }
}

fn look(root: &Path, all: &[Guest]) -> Sight {
    let mut sight = Sight::new();
    for guest in all {
        walk(&guest.dir, &mut sight);
    }
    walk(&root.join("sdk"), &mut sight);
    walk(&root.join("wit"), &mut sight);
    sight
}

fn walk(dir: &Path, sight: &mut Sight) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(about) = entry.metadata() else {
            continue;
        };
        if about.is_dir() {
            walk(&path, sight);
        } else if let Ok(time) = about.modified() {
            sight.insert(path, time);
        }
    }
}

/// The guests whose own files differ between two looks; all of them if a shared file does.
fn touched<'a>(before: &Sight, now: &Sight, all: &'a [Guest]) -> Vec<&'a Guest> {
    let changed: Vec<&PathBuf> = now
        .iter()
        .filter(|(path, time)| before.get(*path) != Some(*time))
        .map(|(path, _)| path)
        .chain(before.keys().filter(|path| !now.contains_key(*path)))
        .collect();
    let shared = changed
        .iter()
        .any(|path| !all.iter().any(|guest| path.starts_with(&guest.dir)));
    all.iter()
        .filter(|guest| shared || changed.iter().any(|path| path.starts_with(&guest.dir)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdk_build::guests::Kind;

    fn guest(name: &str) -> Guest {
        Guest {
            package: format!("plugin-{name}"),
            name: name.into(),
            kind: Kind::Plugin,
            dir: PathBuf::from(format!("/r/plugins/{name}")),
            workspace: PathBuf::from("/r"),
        }
    }

    fn sight(files: &[(&str, u64)]) -> Sight {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        files
            .iter()
            .map(|(path, time)| (PathBuf::from(path), at(*time)))
            .collect()
    }

    fn names(before: &Sight, now: &Sight) -> Vec<String> {
        let all = [guest("tea"), guest("rice")];
        touched(before, now, &all)
            .iter()
            .map(|guest| guest.name.clone())
            .collect()
    }

    #[test]
    fn only_the_saved_guest_is_rebuilt() {
        let before = sight(&[
            ("/r/plugins/tea/src/lib.rs", 1),
            ("/r/plugins/rice/src/lib.rs", 1),
        ]);
        let now = sight(&[
            ("/r/plugins/tea/src/lib.rs", 2),
            ("/r/plugins/rice/src/lib.rs", 1),
        ]);
        assert_eq!(names(&before, &now), ["tea"]);
        assert!(names(&before, &before).is_empty());
    }

    #[test]
    fn a_removed_file_counts_as_a_change() {
        let before = sight(&[("/r/plugins/rice/src/jobs.rs", 1)]);
        assert_eq!(names(&before, &Sight::new()), ["rice"]);
    }

    #[test]
    fn a_shared_file_rebuilds_every_guest() {
        let before = sight(&[("/r/wit/plugin/plugin.wit", 1)]);
        let now = sight(&[("/r/wit/plugin/plugin.wit", 2)]);
        assert_eq!(names(&before, &now), ["tea", "rice"]);
    }
}
