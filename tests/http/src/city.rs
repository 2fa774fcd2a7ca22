//! The demo city as a first start leaves it, made once for all tests of a build: a test begins with
//! a copy of it instead of making it again.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use kernel_crypto::sm3;

use crate::{Built, Server, Start, seconds};

/// A city is not used for longer, for what is in it ends some day.
const SECONDS: i64 = 86_400;
/// How the name of one begins that is being put there.
const PART: &str = "part-";

/// Where the city of this build lies, if it has one by now.
fn kept(built: &Built) -> io::Result<PathBuf> {
    let mut seen = format!("{}\n", seconds() / SECONDS);
    note(&built.bin, &mut seen)?;
    note(&built.guests.join("plugins"), &mut seen)?;
    let name = sm3::digest(seen.as_bytes()).to_string();
    Ok(built.guests.join("cities").join(name))
}

/// Writes down what tells this build from another: each file's size and time.
fn note(path: &Path, seen: &mut String) -> io::Result<()> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        let mut inside: Vec<PathBuf> = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| note(path, seen));
    }
    let time = about.modified()?.duration_since(UNIX_EPOCH);
    let time = time.map_or(0, |since| since.as_nanos());
    writeln!(seen, "{} {} {time}", path.display(), about.len()).map_err(io::Error::other)
}

/// Puts the city into the folder `data`; makes it first where no test has yet.
pub(crate) fn settle(built: &Built, data: &Path) {
    let kept = kept(built).expect("the build's files");
    if !kept.exists() {
        make(built, &kept);
    }
    copy(&kept, data).expect("the city is copied");
}

/// Two that make it at once are no harm: one of them is the first to put it there.
fn make(built: &Built, kept: &Path) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::on(data, built.clone(), Start::default());
    server.stop();
    let cities = kept.parent().expect("it lies in a folder");
    let before: Vec<_> = fs::read_dir(cities)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let part = cities.join(format!("{PART}{}", std::process::id()));
    copy(server.data(), &part).expect("the city is kept");
    if fs::rename(&part, kept).is_err() {
        fs::remove_dir_all(&part).expect("the other's is as good");
    }
    // Those of builds and days that are gone.
    for old in before.iter().map(fs::DirEntry::path) {
        let making = old
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PART));
        if !making && old != kept {
            drop(fs::remove_dir_all(old));
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
