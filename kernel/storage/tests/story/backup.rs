//! A backup holds one moment of a busy store, restores into either engine to the same digests, and
//! is refused when a byte of it is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use kernel_crypto::keys::KeyRing;
use kernel_crypto::recovery::{RecoveryKey, Secret, UnlockError};
use kernel_storage::backup::{
    self, Backup, BackupError, Database, RESTORING, Restore, Summary, restore,
};
use kernel_storage::{
    AuditDraft, Blob, BlobState, BlobStore, FileChange, FileWork, NewEvent, QueryError, RowFilter,
    Store, StoreUrl,
};
use sdk_contract::call::EventDraft;
use serde_json::json;

use crate::bench::{
    Bench, NOW, commit, get, id, module, on_each_engine, on_postgres, order, put, shelf,
};

const FILE: &str = "rongqiao.sqlite";

/// What a backup is taken of.
#[derive(Clone)]
pub(crate) struct Source {
    url: StoreUrl,
    keys: Arc<KeyRing>,
    dir: PathBuf,
}

impl Source {
    pub(crate) fn of(bench: &Bench) -> Self {
        Self {
            url: bench.url.clone(),
            keys: Arc::clone(&bench.keys),
            dir: bench.dir.path().to_owned(),
        }
    }

    fn blobs(&self) -> BlobStore {
        BlobStore::open(self.dir.join("blobs"), Arc::clone(&self.keys)).unwrap()
    }
}

fn blobs(bench: &Bench) -> BlobStore {
    Source::of(bench).blobs()
}

pub(crate) async fn back_up(
    from: &Source,
    secret: Secret<'_>,
    out: &Path,
) -> Result<Summary, BackupError> {
    // As the command does: a second process that only reads.
    let reading = Store::open_reading(&from.url, Arc::clone(&from.keys))
        .await
        .unwrap();
    let job = Backup {
        id: "b-1".into(),
        at: NOW,
        version: "0.0.0",
        secret,
        keys: &from.dir.join("keys"),
        blobs: &from.blobs(),
    };
    let made = reading.backup(&job, out).await;
    reading.close().await;
    made
}

/// Restores into `data`, with `SQLite` in it or into the database at `postgres`.
pub(crate) async fn bring_back(
    file: &Path,
    secret: Option<Secret<'_>>,
    data: &Path,
    postgres: Option<&str>,
) -> Result<Summary, BackupError> {
    let database = match postgres {
        Some(url) => Database::Postgres(url.into()),
        None => Database::Sqlite(FILE.into()),
    };
    let at = NOW + 1;
    let job = Restore {
        file,
        secret,
        data,
        database,
        at,
    };
    restore(&job).await
}

pub(crate) async fn open(data: &Path, postgres: Option<&str>) -> Store {
    let keys = Arc::new(KeyRing::open_or_create(&data.join("keys"), None).unwrap());
    assert!(keys.created().is_empty(), "the ring came with the backup");
    let url = match postgres {
        Some(url) => StoreUrl::Postgres(url.into()),
        None => StoreUrl::Sqlite(data.join(FILE)),
    };
    Store::open(&url, keys).await.unwrap()
}

/// An order, a shelf, an event and an audit record together.
async fn together(store: &Store, n: u32) {
    let mut all = commit(vec![
        order(
            n,
            json!({"shelf": id(n), "phone": "13800001234", "urgent": n.is_multiple_of(2), "extra": {"n": n}}),
        ),
        shelf(n),
    ]);
    all.events = vec![NewEvent {
        id: id(n),
        draft: EventDraft {
            name: "x".into(),
            aggregate: id(n),
            data: json!(n),
        },
    }];
    all.audit = vec![AuditDraft {
        object: id(n),
        ..AuditDraft::default()
    }];
    store.commit(all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dj_16_a_drill_while_writers_write() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let place = "bank/contract";
        let contract = b"a contract".to_vec();
        blobs(bench).put(place, contract).await.unwrap();
        for n in 1000..1050 {
            together(&store, n).await;
        }
        let (next, stop) = (AtomicU32::new(1050), AtomicBool::new(false));
        let writers = futures_util::future::join_all((0..8).map(|_| async {
            while !stop.load(Ordering::Relaxed) {
                together(&store, next.fetch_add(1, Ordering::Relaxed)).await;
            }
        }));
        let recovery = RecoveryKey::generate().unwrap();
        let secret = Secret::Key(&recovery);
        let file = bench.dir.path().join("backup");
        let backup = async {
            // Some of the run lies before the backup, and some after it.
            while next.load(Ordering::Relaxed) < 1100 {
                tokio::task::yield_now().await;
            }
            let (from, text, file) = (Source::of(bench), recovery.to_text(), file.clone());
            // Beside the writers, as another process is.
            let thread = std::thread::spawn(move || {
                let key = RecoveryKey::from_text(&text).unwrap();
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime
                    .block_on(back_up(&from, Secret::Key(&key), &file))
                    .unwrap()
            });
            while !thread.is_finished() {
                tokio::task::yield_now().await;
            }
            let reached = next.load(Ordering::Relaxed);
            while next.load(Ordering::Relaxed) < reached + 50 {
                tokio::task::yield_now().await;
            }
            stop.store(true, Ordering::Relaxed);
            thread.join().unwrap()
        };
        let (made, _) = tokio::join!(backup, writers);
        store.close().await;

        let orders = &made.contents.collections["desk.orders"];
        let total = u64::from(next.load(Ordering::Relaxed) - 1000);
        assert!(
            (50..total).contains(&orders.rows),
            "{} of {total}",
            orders.rows
        );
        // One moment: what was committed together is in it together.
        assert_eq!(
            made.contents.collections["desk.shelves"].rows,
            orders.rows + 1
        );
        for table in ["kernel__audit", "kernel__outbox", "kernel__changes"] {
            assert_eq!(made.contents.tables[table], orders.rows, "{table}");
        }

        let same = async |data: &Path, postgres: Option<&str>| {
            let back = bring_back(&file, Some(secret), data, postgres)
                .await
                .unwrap();
            assert_eq!(back.contents, made.contents);
            assert!(!data.join(RESTORING).exists());
            let store = open(data, postgres).await;
            assert_eq!(store.contents().await.unwrap(), made.contents.collections);
            // The chain goes on with the restore itself.
            assert_eq!(store.audit_verify().await.unwrap(), orders.rows + 1);
            assert_eq!(
                get(&store, 1000).await.unwrap()["phone"],
                json!("13800001234")
            );
            let blobs = BlobStore::open(data.join("blobs"), {
                Arc::new(KeyRing::open_or_create(&data.join("keys"), None).unwrap())
            });
            let kept = blobs.unwrap().get(place).await.unwrap();
            assert_eq!(kept, Some(b"a contract".to_vec()));
            // The search index is made again.
            let searched = sdk_contract::query::Query::new("desk.shelves")
                .filter(sdk_contract::query::Filter::search("s1"));
            let found = store.find(&searched, &RowFilter::All).await;
            assert!(matches!(found, Err(QueryError::Indexing(_))));
            store.apply(&module(), NOW).await.unwrap();
            let found = store.find(&searched, &RowFilter::All).await.unwrap();
            assert!(!found.records.is_empty());
            // It is a store like any other: unique keys hold, writes go on.
            assert!(put(&store, vec![order(1000, json!({}))]).await.is_err());
            together(&store, 900_000).await;
            store.close().await;
        };
        same(&bench.dir.path().join("new"), None).await;
        on_postgres(async |url| same(&bench.dir.path().join("new-pg"), Some(url)).await).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_says_which_listed_files_are_not_in_it() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        for (n, place) in [(1, "bank/there"), (2, "bank/lost")] {
            let blob = Blob {
                digest: id(n),
                owner: "bank".into(),
                place: place.into(),
                size: 1,
                media: "text/plain".into(),
                state: BlobState::Clear,
                finding: None,
                unused_since: None,
            };
            let work = FileWork {
                change: FileChange::Adopt(blob),
                at: NOW,
                audit: Vec::new(),
            };
            assert!(store.change_files(work).await.unwrap());
        }
        blobs(bench).put("bank/there", vec![1]).await.unwrap();
        let (key, out) = (RecoveryKey::generate().unwrap(), bench.dir.path().join("b"));
        let secret = Secret::Key(&key);
        let made = back_up(&Source::of(bench), secret, &out).await.unwrap();
        assert_eq!(made.missing.iter().collect::<Vec<_>>(), ["bank/lost"]);
        // It is a backup all the same, of what there was.
        let read = backup::check(&out, Some(secret)).unwrap();
        assert_eq!(read.contents, made.contents);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn xc_01_equal_content_has_equal_digests_on_both_engines() {
    let seen = std::sync::Mutex::new(Vec::new());
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        for n in [5, 3, 4] {
            together(&store, n).await;
        }
        let contents = store.contents().await.unwrap();
        assert_eq!(contents["desk.orders"].rows, 3);
        let before = contents["desk.orders"].digest.clone();
        put(
            &store,
            vec![crate::bench::change(4, 1, json!({"phone": "13900000000"}))],
        )
        .await
        .unwrap();
        let after = store.contents().await.unwrap();
        assert_ne!(after["desk.orders"].digest, before, "a sealed field counts");
        assert_eq!(after["desk.shelves"], contents["desk.shelves"]);
        seen.lock().unwrap().push((contents, after));
    })
    .await;
    let seen = seen.into_inner().unwrap();
    assert!(seen.iter().all(|each| *each == seen[0]));
}

/// A small store's backup and its recovery key.
async fn small(bench: &Bench) -> (PathBuf, RecoveryKey, Summary) {
    let store = bench.stocked().await;
    blobs(bench)
        .put("bank/large", vec![7; 3 << 20])
        .await
        .unwrap();
    for n in 2..5 {
        together(&store, n).await;
    }
    store.close().await;
    let file = bench.dir.path().join("backup");
    let recovery = RecoveryKey::generate().unwrap();
    let made = back_up(&Source::of(bench), Secret::Key(&recovery), &file)
        .await
        .unwrap();
    (file, recovery, made)
}

#[tokio::test]
async fn dj_16_a_damaged_backup_changes_nothing_and_names_the_place() {
    on_each_engine(async |bench| {
        let (file, recovery, _) = small(bench).await;
        let secret = Some(Secret::Key(&recovery));
        let whole = std::fs::read(&file).unwrap();
        let target = bench.dir.path().join("new");
        let bad = bench.dir.path().join("bad");
        let refused = async |bytes: &[u8]| {
            std::fs::write(&bad, bytes).unwrap();
            let at_once = backup::check(&bad, secret).unwrap_err().to_string();
            let error = bring_back(&bad, secret, &target, None).await.unwrap_err();
            assert_eq!(error.to_string(), at_once);
            assert!(!target.exists() && !bench.dir.path().join(".new.restoring").exists());
            error
        };
        let len = whole.len();
        for at in [20, 60, len / 3, len / 2, len - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            match refused(&flipped).await {
                BackupError::Damaged { offset, .. } => {
                    let distance = (at as u64).abs_diff(offset);
                    assert!(
                        offset <= at as u64 && distance <= (1 << 20) + 16,
                        "{at}: {offset}"
                    );
                }
                other => panic!("byte {at}: {other}"),
            }
        }
        for left in [30, len / 2, len - 1] {
            let error = refused(&whole[..left]).await;
            assert!(
                matches!(error, BackupError::Damaged { .. }),
                "{left}: {error}"
            );
        }
        assert!(matches!(
            refused(b"hello").await,
            BackupError::NotABackup(_)
        ));
        let longer = [&whole[..], b"x"].concat();
        assert!(matches!(
            refused(&longer).await,
            BackupError::Damaged { .. }
        ));
    })
    .await;
}

#[tokio::test]
async fn the_wrong_secret_and_a_used_place_are_refused() {
    on_each_engine(async |bench| {
        let (file, recovery, _) = small(bench).await;
        let secret = Secret::Key(&recovery);
        let target = bench.dir.path().join("new");
        let other = RecoveryKey::generate().unwrap();
        for (wrong, expected) in [
            (Some(Secret::Key(&other)), "KeyWrong"),
            (Some(Secret::Passphrase(b"guess")), "KeyNeeded"),
            (None, "KeyNeeded"),
        ] {
            match bring_back(&file, wrong, &target, None).await.unwrap_err() {
                BackupError::Locked(e) => assert_eq!(format!("{e:?}"), expected),
                e => panic!("{e}"),
            }
        }
        let locked = bench.dir.path().join("locked");
        back_up(
            &Source::of(bench),
            Secret::Passphrase(b"correct horse"),
            &locked,
        )
        .await
        .unwrap();
        let wrong = Some(Secret::Passphrase(b"battery staple"));
        let error = bring_back(&locked, wrong, &target, None).await.unwrap_err();
        assert!(
            matches!(error, BackupError::Locked(UnlockError::PassphraseWrong)),
            "{error}"
        );
        assert!(backup::check(&locked, Some(Secret::Passphrase(b"correct horse"))).is_ok());

        let again = back_up(&Source::of(bench), secret, &file)
            .await
            .unwrap_err();
        assert!(matches!(again, BackupError::Exists(_)), "{again}");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("note"), "mine").unwrap();
        let error = bring_back(&file, Some(secret), &target, None)
            .await
            .unwrap_err();
        assert!(matches!(error, BackupError::NotEmpty(_)), "{error}");
        std::fs::remove_file(target.join("note")).unwrap();
        bring_back(&file, Some(secret), &target, None)
            .await
            .unwrap();

        if let StoreUrl::Postgres(url) = &bench.url {
            let target = bench.dir.path().join("newer");
            let error = bring_back(&file, Some(secret), &target, Some(url))
                .await
                .unwrap_err();
            assert!(matches!(error, BackupError::NotEmpty(_)), "{error}");
            assert!(!target.exists());
        }
    })
    .await;
}

const TOLD: &str = "RONGQIAO_TEST_RESTORE";

#[expect(
    clippy::disallowed_methods,
    reason = "how the parent tells its child what to restore"
)]
fn told() -> Option<Vec<String>> {
    let told = std::env::var(TOLD).ok()?;
    Some(told.split('\n').map(str::to_owned).collect())
}

/// The process that is killed; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by killed_while_restoring"]
async fn child() {
    let Some(told) = told() else { return };
    let key = RecoveryKey::from_text(&told[1]).unwrap();
    let postgres = told.get(3).map(String::as_str);
    let secret = Some(Secret::Key(&key));
    bring_back(Path::new(&told[0]), secret, Path::new(&told[2]), postgres)
        .await
        .unwrap();
}

#[tokio::test]
async fn killed_while_restoring() {
    on_each_engine(async |bench| {
        let (file, recovery, made) = small(bench).await;
        let text = recovery.to_text();
        let target = bench.dir.path().join("new");
        let story = async |postgres: Option<&str>| {
            let mut told = vec![
                file.to_str().unwrap(),
                text.trim(),
                target.to_str().unwrap(),
            ];
            told.extend(postgres);
            let told = told.join("\n");
            // Later and later, until one comes through.
            let mut patience = Duration::from_millis(5);
            loop {
                let mut child = Command::new(std::env::current_exe().unwrap())
                    .args(["backup::child", "--exact", "--ignored", "--test-threads=1"])
                    .env(TOLD, &told)
                    .stdout(Stdio::null())
                    .spawn()
                    .unwrap();
                let waiting = tokio::task::spawn_blocking(move || {
                    let ended = std::time::Instant::now() + patience;
                    loop {
                        if let Some(status) = child.try_wait().unwrap() {
                            return Some(status.success());
                        }
                        if std::time::Instant::now() > ended {
                            child.kill().unwrap();
                            child.wait().unwrap();
                            return None;
                        }
                        std::thread::yield_now();
                    }
                });
                match waiting.await.unwrap() {
                    Some(whole) => break assert!(whole, "a restore that is not killed succeeds"),
                    // Before or after, and a folder between the two says so.
                    None if target.exists() && !target.join(RESTORING).exists() => break,
                    None => patience = patience.mul_f32(1.3),
                }
            }
            let store = open(&target, postgres).await;
            assert_eq!(store.contents().await.unwrap(), made.contents.collections);
            store.close().await;
            std::fs::remove_dir_all(&target).unwrap();
        };
        story(None).await;
        on_postgres(async |url| story(Some(url)).await).await;
    })
    .await;
}

/// The moments that a kill seldom hits, made by hand.
#[tokio::test]
async fn a_restore_that_was_cut_off_is_ended_by_the_next() {
    on_each_engine(async |bench| {
        let (file, recovery, made) = small(bench).await;
        let secret = Some(Secret::Key(&recovery));
        let target = bench.dir.path().join("new");
        on_postgres(async |url| {
            // The folder has its name, the database was not committed.
            std::fs::create_dir(&target).unwrap();
            std::fs::write(target.join(RESTORING), "b-1").unwrap();
            bring_back(&file, secret, &target, Some(url)).await.unwrap();
            assert!(!target.join(RESTORING).exists());
            // The database was committed, the mark still stands.
            std::fs::write(target.join(RESTORING), "b-1").unwrap();
            bring_back(&file, secret, &target, Some(url)).await.unwrap();
            assert!(!target.join(RESTORING).exists());
            let store = open(&target, Some(url)).await;
            assert_eq!(store.contents().await.unwrap(), made.contents.collections);
            // In use since: no longer to be touched.
            together(&store, 77).await;
            store.close().await;
            std::fs::write(target.join(RESTORING), "b-1").unwrap();
            let error = bring_back(&file, secret, &target, Some(url))
                .await
                .unwrap_err();
            assert!(matches!(error, BackupError::NotEmpty(_)), "{error}");
            std::fs::remove_dir_all(&target).unwrap();
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn reading_beside_the_server_changes_nothing() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let reading = Store::open_reading(&bench.url, Arc::clone(&bench.keys))
            .await
            .unwrap();
        assert!(put(&reading, vec![shelf(2)]).await.is_err());
        put(&store, vec![shelf(2)]).await.unwrap();
        let found = reading
            .get(
                &kernel_storage::CollectionName::new("desk", "shelves"),
                &id(2),
                &RowFilter::All,
            )
            .await
            .unwrap();
        assert!(found.is_some());
        assert_eq!(
            reading.schema_state().await.unwrap().differences,
            Vec::<String>::new()
        );
        reading.integrity().await.unwrap();
        let missing = StoreUrl::Sqlite(bench.dir.path().join("no.db"));
        assert!(
            Store::open_reading(&missing, Arc::clone(&bench.keys))
                .await
                .is_err()
        );
        assert!(!bench.dir.path().join("no.db").exists());
    })
    .await;
}
