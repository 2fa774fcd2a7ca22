use super::*;

const CODE: &[u8] = b"native code";

fn kept(folder: &Path) -> KeptCode {
    let keys = KeyRing::open_or_create(&folder.join("keys"), None).unwrap();
    KeptCode::open(&folder.join("code"), Arc::new(keys)).unwrap()
}

fn origin(component: u8, settings: u8) -> Origin {
    Origin {
        component: sm3::digest(&[component]),
        settings: sm3::digest(&[settings]),
    }
}

fn read(kept: &KeptCode, origin: Origin) -> Option<Vec<u8>> {
    kept.read(origin).map(|code| code.bytes().to_vec())
}

fn files(kept: &KeptCode) -> Vec<PathBuf> {
    let entries = fs::read_dir(&kept.folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn code_is_found_for_its_component_and_settings_alone() {
    let dir = tempfile::tempdir().unwrap();
    kept(dir.path()).write(origin(1, 1), CODE);
    let next = kept(dir.path());
    assert_eq!(read(&next, origin(1, 1)).as_deref(), Some(CODE));
    assert_eq!(read(&next, origin(2, 1)), None);
    assert_eq!(read(&next, origin(1, 2)), None);
    assert_eq!(next.counts().refused, 0);
    assert_eq!(files(&next).len(), 1, "no partial file stays");
}

#[test]
fn a_flipped_byte_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kept = kept(dir.path());
    kept.write(origin(1, 1), CODE);
    let path = files(&kept).remove(0);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert_eq!(read(&kept, origin(1, 1)), None, "byte {at}");
    }
    for short in [0, PROOF - 1, PROOF, whole.len() - 1] {
        fs::write(&path, &whole[..short]).unwrap();
        assert_eq!(read(&kept, origin(1, 1)), None, "{short} bytes");
    }
    assert_eq!(kept.counts().refused, whole.len() as u64 + 4);
    kept.write(origin(1, 1), CODE);
    assert_eq!(read(&kept, origin(1, 1)).as_deref(), Some(CODE));
}

#[test]
fn mm_3f_one_components_code_under_anothers_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kept = kept(dir.path());
    for (n, code) in [(1, b"first code!"), (2, b"second code")] {
        kept.write(origin(n, 1), code);
    }
    fs::copy(kept.path(origin(1, 1)), kept.path(origin(2, 1))).unwrap();
    assert_eq!(read(&kept, origin(2, 1)), None);
    assert_eq!(kept.counts().refused, 1);
}

#[test]
fn two_deployments_share_a_folder_without_meeting() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = kept(one.path());
    let keys = KeyRing::open_or_create(&two.path().join("keys"), None).unwrap();
    let theirs = KeptCode::open(&ours.folder, Arc::new(keys)).unwrap();
    ours.write(origin(1, 1), CODE);
    assert_eq!(read(&theirs, origin(1, 1)), None);
    theirs.write(origin(1, 1), b"other code");
    assert_eq!(read(&ours, origin(1, 1)).as_deref(), Some(CODE));
    assert_eq!(
        read(&theirs, origin(1, 1)).as_deref(),
        Some(&b"other code"[..])
    );
    // A file that claims to be theirs is not loaded.
    fs::copy(ours.path(origin(1, 1)), theirs.path(origin(1, 1))).unwrap();
    assert_eq!(read(&theirs, origin(1, 1)), None);
}

#[test]
fn the_oldest_files_go() {
    let dir = tempfile::tempdir().unwrap();
    let kept = kept(dir.path());
    for n in 0..MOST {
        fs::write(kept.folder.join(format!("{n}.left")), "").unwrap();
    }
    kept.write(origin(1, 1), CODE);
    assert_eq!(files(&kept).len(), MOST);
    assert_eq!(read(&kept, origin(1, 1)).as_deref(), Some(CODE));
}
