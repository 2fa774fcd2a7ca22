//! Blobs and uploads in the tables: once for each owner, never removed while somebody names them.

use kernel_storage::{
    AuditDraft, AuditFilter, Blob, BlobState, Commit, CommitError, FileChange, FileWork, Piece,
    Store, Upload,
};
use serde_json::json;

use crate::bench::{Bench, NOW, change, commit, id, on_each_engine, order};

fn digest(n: u32) -> String {
    format!("{n:064x}")
}

fn blob(n: u32, owner: &str, place: &str) -> Blob {
    Blob {
        digest: digest(n),
        owner: owner.into(),
        place: place.into(),
        size: 3,
        media: "text/plain".into(),
        state: BlobState::Clear,
        finding: None,
        unused_since: None,
    }
}

fn upload(n: u32, owner: &str) -> Upload {
    Upload {
        id: format!("{owner}-{n}"),
        owner: owner.into(),
        user: id(8000),
        name: "a.csv".into(),
        size: 3,
        parts: Vec::new(),
        digest: Some(digest(n)),
        ends_at: NOW + 100,
    }
}

async fn done(store: &Store, change: FileChange) -> bool {
    let work = FileWork {
        change,
        at: NOW,
        audit: Vec::new(),
    };
    store.change_files(work).await.unwrap()
}

async fn keep(store: &Store, n: u32, owner: &str, place: &str) {
    let change = FileChange::Keep {
        blob: blob(n, owner, place),
        new: true,
        upload: upload(n, owner),
    };
    assert!(done(store, change).await);
}

async fn mark(store: &Store, n: u32, owner: &str) {
    let change = FileChange::Mark {
        digest: digest(n),
        owner: owner.into(),
        unused: true,
    };
    assert!(done(store, change).await);
}

fn remove(n: u32, owner: &str) -> FileWork {
    FileWork {
        change: FileChange::Remove {
            digest: digest(n),
            owner: owner.into(),
            marked: NOW,
        },
        at: NOW,
        audit: vec![AuditDraft {
            at: NOW,
            actor: "kernel".into(),
            action: "file.collect".into(),
            object: digest(n),
            outcome: "ok".into(),
            ..AuditDraft::default()
        }],
    }
}

async fn end(store: &Store, n: u32, owner: &str) {
    let id = upload(n, owner).id;
    assert!(done(store, FileChange::End { id }).await);
}

fn naming(n: u32) -> Commit {
    Commit {
        files: vec![digest(n)],
        ..commit(vec![order(
            1000 + n,
            json!({"extra": {"digest": digest(n)}}),
        )])
    }
}

#[tokio::test]
async fn the_same_bytes_are_one_blob_within_an_owner_and_two_in_two() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        keep(&store, 1, "a", "a/first").await;
        keep(&store, 1, "a", "a/second").await;
        keep(&store, 1, "b", "b/first").await;
        let all = store.blobs(&digest(1)).await.unwrap();
        let places: Vec<&str> = all.iter().map(|b| b.place.as_str()).collect();
        assert_eq!(places, ["a/first", "b/first"]);
        assert_eq!(store.all_blobs(("", "")).await.unwrap(), all);
        assert_eq!(store.all_blobs((&digest(1), "a")).await.unwrap(), all[1..]);
        // An upload is found by whom it belongs to, until it ends.
        let user = id(8000);
        let found = async |owner: &str, user: &str, now| {
            let found = store.uploaded(&digest(1), owner, user, now).await.unwrap();
            found.map(|u| u.id)
        };
        assert_eq!(found("a", &user, NOW).await, Some("a-1".into()));
        assert_eq!(found("a", &id(8001), NOW).await, None);
        assert_eq!(found("c", &user, NOW).await, None);
        assert_eq!(found("a", &user, NOW + 100).await, None);
        let ended = store.ended_uploads(NOW + 100).await.unwrap();
        assert_eq!(ended.len(), 2);
        store.close().await;
        // It is all there after a restart.
        let store = bench.open().await;
        assert_eq!(store.blobs(&digest(1)).await.unwrap(), all);
    })
    .await;
}

#[tokio::test]
async fn of_a_file_that_is_named_and_removed_at_once_one_wins() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.stocked().await;
        let (mut named, mut removed) = (0, 0);
        for n in 0..60 {
            keep(&store, n, "a", &format!("a/{n}")).await;
            end(&store, n, "a").await;
            mark(&store, n, "a").await;
            let (one, other) = if n % 2 == 0 {
                tokio::join!(store.commit(naming(n)), store.change_files(remove(n, "a")))
            } else {
                let (other, one) =
                    tokio::join!(store.change_files(remove(n, "a")), store.commit(naming(n)));
                (one, other)
            };
            let (other, there) = (other.unwrap(), store.blobs(&digest(n)).await.unwrap());
            match one {
                Ok(_) => {
                    assert!(!other && there.len() == 1, "{n}: named and removed");
                    assert_eq!(there[0].unused_since, None);
                    named += 1;
                }
                Err(CommitError::NoFile(gone)) => {
                    assert!(other && there.is_empty() && gone == digest(n), "{n}");
                    let order = crate::bench::get(&store, 1000 + n).await;
                    assert_eq!(order, None, "nothing is half done");
                    removed += 1;
                }
                Err(error) => panic!("{n}: {error}"),
            }
        }
        assert_eq!(named + removed, 60);
        let filter = AuditFilter {
            action: Some("file.collect".into()),
            ..AuditFilter::default()
        };
        let audited = store.audit_find(&filter, 200, 0).await.unwrap();
        assert_eq!(audited.records.len(), removed, "one record each");
    })
    .await;
}

#[tokio::test]
async fn a_blob_that_an_upload_holds_or_that_was_used_again_is_not_removed() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        keep(&store, 1, "a", "a/1").await;
        mark(&store, 1, "a").await;
        assert!(!store.change_files(remove(1, "a")).await.unwrap());
        end(&store, 1, "a").await;
        // Uploaded again by the same owner: the same blob, without the mark.
        let again = |new| FileChange::Keep {
            blob: blob(1, "a", "a/1"),
            new,
            upload: upload(1, "a"),
        };
        assert!(done(&store, again(false)).await);
        end(&store, 1, "a").await;
        assert!(!store.change_files(remove(1, "a")).await.unwrap());
        mark(&store, 1, "a").await;
        assert!(store.change_files(remove(1, "a")).await.unwrap());
        // Gone is gone: whoever counted on it must write it anew.
        assert!(!done(&store, again(false)).await);
        assert_eq!(store.upload("a-1").await.unwrap(), None);
        assert!(done(&store, again(true)).await);
    })
    .await;
}

#[tokio::test]
async fn whatever_names_a_file_is_found() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.stocked().await;
        store.commit(naming(1)).await.unwrap_err();
        for n in 1..4 {
            keep(&store, n, "a", &format!("a/{n}")).await;
        }
        store.commit(naming(1)).await.unwrap();
        let next = json!({"extra": {"digest": digest(2)}});
        let mut later = commit(vec![change(1001, 1, next)]);
        later.files = vec![digest(2)];
        store.commit(later).await.unwrap();
        // The first only in the history, the second now, the third nowhere.
        let named = store.named_digests().await.unwrap();
        let found = [1, 2, 3].map(|n| named.contains(&digest(n)));
        assert_eq!(found, [true, true, false]);
    })
    .await;
}

#[tokio::test]
async fn pieces_follow_each_other_whoever_sends_them() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        let begun = Upload {
            digest: None,
            size: 9,
            ..upload(1, "a")
        };
        assert!(done(&store, FileChange::Begin(begun.clone())).await);
        assert_eq!(store.open_uploads(&id(8000), NOW).await.unwrap(), 1);
        let piece = |name: &str| Piece {
            bytes: 4,
            name: name.into(),
        };
        let part = |before: Vec<Piece>, name: &str| FileChange::Part {
            id: begun.id.clone(),
            before,
            piece: piece(name),
            ends_at: NOW + 200,
        };
        // Of two at the same place one is kept.
        let both = [part(vec![], "x"), part(vec![], "y")].map(|change| done(&store, change));
        let [one, other] = both;
        let (one, other) = tokio::join!(one, other);
        assert!(one ^ other);
        let first = if one { "x" } else { "y" };
        assert!(done(&store, part(vec![piece(first)], "z")).await);
        let now = store.upload(&begun.id).await.unwrap().unwrap();
        assert_eq!(now.received(), 8);
        assert_eq!(now.parts, [piece(first), piece("z")]);
        assert_eq!(
            store.unfinished_uploads("").await.unwrap(),
            std::slice::from_ref(&now)
        );
        // Whole, it has no pieces and takes none.
        let whole = FileChange::Keep {
            blob: blob(1, "a", "a/1"),
            new: true,
            upload: Upload {
                parts: Vec::new(),
                digest: Some(digest(1)),
                ..now
            },
        };
        assert!(done(&store, whole).await);
        assert!(!done(&store, part(vec![], "late")).await);
        assert_eq!(store.unfinished_uploads("").await.unwrap(), []);
    })
    .await;
}
