use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
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
