use std::sync::Arc;

use kernel_crypto::keys::{KeyRing, SealKey};
use kernel_storage::{BlobError, BlobStore};

#[tokio::test]
async fn a_blob_is_sealed_kept_once_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap());
    let blobs = BlobStore::open(dir.path().join("blobs"), keys).unwrap();
    let text = b"a document nobody may read on the disk".to_vec();

    let digest = blobs.put(text.clone()).await.unwrap();
    assert_eq!(digest, kernel_crypto::sm3::digest(&text).to_string());
    assert_eq!(blobs.put(text.clone()).await.unwrap(), digest);
    assert_eq!(blobs.get(&digest).await.unwrap(), Some(text.clone()));
    assert_eq!(blobs.get(&"0".repeat(64)).await.unwrap(), None);
    for bad in ["../../keys/keys.json", "", &digest.to_uppercase()] {
        assert!(
            matches!(blobs.get(bad).await, Err(BlobError::BadDigest(_))),
            "{bad}"
        );
    }

    let folder = dir.path().join("blobs").join(&digest[..2]);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    assert_eq!(files, [folder.join(&digest[2..])], "one file, no leftovers");
    let mut sealed = std::fs::read(&files[0]).unwrap();
    assert!(!sealed.windows(8).any(|w| text.windows(8).any(|t| t == w)));

    // Another blob's file in its place, and a flipped bit, are both noticed.
    let other = blobs.put(b"another".to_vec()).await.unwrap();
    let other = dir.path().join("blobs").join(&other[..2]).join(&other[2..]);
    std::fs::copy(other, &files[0]).unwrap();
    assert!(matches!(
        blobs.get(&digest).await,
        Err(BlobError::Altered { .. })
    ));
    *sealed.last_mut().unwrap() ^= 1;
    std::fs::write(&files[0], &sealed).unwrap();
    assert!(matches!(
        blobs.get(&digest).await,
        Err(BlobError::Altered { .. })
    ));
}

#[tokio::test]
async fn a_range_costs_its_chunks_and_every_part_is_in_its_place() {
    const MIB: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap());
    let blobs = BlobStore::open(dir.path().join("blobs"), keys).unwrap();
    let plain: Vec<u8> = (0..=250).cycle().take(2 * MIB + 17).collect();
    let digest = blobs.put(plain.clone()).await.unwrap();
    assert_eq!(blobs.size(&digest).await.unwrap(), Some(plain.len() as u64));
    assert!(blobs.get(&digest).await.unwrap().unwrap() == plain);
    for (start, end) in [
        (0, 1),
        (0, plain.len()),
        (MIB - 1, MIB + 1),
        (MIB, 2 * MIB),
        (2 * MIB + 3, plain.len() + 9),
        (5, 5),
        (plain.len() + 1, plain.len() + 2),
    ] {
        let part = blobs
            .range(&digest, start as u64..end as u64)
            .await
            .unwrap()
            .unwrap();
        let expected = &plain[start.min(plain.len())..end.min(plain.len())];
        assert!(part == expected, "{start}..{end}");
    }
    assert_eq!(blobs.range(&"0".repeat(64), 0..1).await.unwrap(), None);
    let empty = blobs.put(Vec::new()).await.unwrap();
    assert_eq!(blobs.get(&empty).await.unwrap(), Some(Vec::new()));

    // A damaged chunk is refused, its neighbours still read.
    let path = dir
        .path()
        .join("blobs")
        .join(&digest[..2])
        .join(&digest[2..]);
    let whole = std::fs::read(&path).unwrap();
    let chunk = MIB + 16;
    let head = whole.len() - 2 * chunk - (17 + 16);
    let mut flipped = whole.clone();
    flipped[head + chunk + 5] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert!(blobs.range(&digest, 0..9).await.unwrap().is_some());
    let middle = blobs.range(&digest, MIB as u64..MIB as u64 + 1).await;
    assert!(matches!(middle, Err(BlobError::Altered { .. })));
    // Chunks exchanged, the end cut off, something added, another length claimed.
    let (first, second) = (head..head + chunk, head + chunk..head + 2 * chunk);
    let exchanged = [
        &whole[..head],
        &whole[second.clone()],
        &whole[first],
        &whole[second.end..],
    ];
    let mut longer = whole.clone();
    longer[23] ^= 1;
    for bad in [
        exchanged.concat(),
        whole[..second.end].to_vec(),
        [&whole[..], b"x"].concat(),
        longer,
        whole[..20].to_vec(),
    ] {
        std::fs::write(&path, &bad).unwrap();
        let read = blobs.get(&digest).await;
        assert!(
            matches!(read, Err(BlobError::Altered { .. })),
            "{} bytes",
            bad.len()
        );
    }
}

#[tokio::test]
async fn the_first_format_is_read_and_rewrapping_brings_it_into_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap());
    let blobs = BlobStore::open(dir.path().join("blobs"), Arc::clone(&keys)).unwrap();
    let (old, new) = (b"sealed whole".to_vec(), b"sealed in chunks".to_vec());
    let digest = kernel_crypto::sm3::digest(&old).to_string();
    let path = |digest: &str| {
        dir.path()
            .join("blobs")
            .join(&digest[..2])
            .join(&digest[2..])
    };
    let sealed = keys
        .seal(SealKey::Field, format!("blob\0{digest}").as_bytes(), &old)
        .unwrap();
    std::fs::create_dir_all(path(&digest).parent().unwrap()).unwrap();
    std::fs::write(path(&digest), &sealed).unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap(), Some(old.clone()));
    assert_eq!(
        blobs.range(&digest, 7..99).await.unwrap(),
        Some(old[7..].to_vec())
    );

    let other = blobs.put(new.clone()).await.unwrap();
    let before = std::fs::read(path(&other)).unwrap();
    let mut both = vec![digest.clone(), other.clone()];
    both.sort();
    assert_eq!(blobs.digests().await.unwrap(), both);
    assert_eq!(blobs.rewrap().await.unwrap(), 2);
    let after = std::fs::read(path(&other)).unwrap();
    // Another wrapping of the same key: the content lies as it lay.
    assert_ne!(before, after);
    assert_eq!(before[before.len() - 32..], after[after.len() - 32..]);
    assert!(
        std::fs::read(path(&digest))
            .unwrap()
            .starts_with(b"rongqiao-blob-2\n")
    );
    assert_eq!(blobs.get(&digest).await.unwrap(), Some(old));
    assert_eq!(blobs.get(&other).await.unwrap(), Some(new));
}
