//! Files from upload to removal: collected when nobody names them any more, scanned before anybody
//! opens them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and says what it skips; its double of clamd runs beside it"
)]

#[path = "files/bucket.rs"]
mod bucket;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel_crypto::keys::KeyRing;
use kernel_host::clock::TestClock;
use kernel_host::scan::{Clamd, Verdict};
use kernel_host::{Engines, Ground, Host, KeptCode, Limits, RecordFile, UploadRef};
use kernel_identity::principal::Principal;
use kernel_identity::session::{SessionPolicy, Sessions};
use kernel_storage::{
    AuditFilter, BlobState, BlobStore, Bucket, By, Commit, CommitError, FileChange, FileWork,
    Store, StoreUrl,
};
use sdk_contract::call::Write;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::Place;
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};
use tests_scratch::Scratch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// 2026-11-23T08:00:00Z.
const NOW: i64 = 1_795_420_800_000_000;
const BANK: &str = "01930000-0000-7000-8000-00000000a002";
const DAY: i64 = 24 * 3600;

/// The test file of the antivirus makers, put together here so that this file is not one.
fn eicar() -> Vec<u8> {
    let parts = [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}",
        "$EICAR-STANDARD-",
        "ANTIVIRUS-TEST-FILE!",
        "$H+H*",
    ];
    parts.concat().into_bytes()
}

/// Where a story is told.
#[derive(Clone, Copy, Default)]
struct At<'a> {
    /// A database; `SQLite` in the data folder without.
    postgres: Option<&'a str>,
    /// Where files lie; the data folder without.
    bucket: Option<&'a Bucket>,
}

struct Bench {
    host: Host,
    blobs: BlobStore,
    clock: Arc<TestClock>,
    data: tempfile::TempDir,
}

/// Everything a host stands on, over a data folder.
async fn ground(
    data: &Path,
    at: At<'_>,
    clock: &Arc<TestClock>,
    scanner: Option<Clamd>,
    guests: Option<&Path>,
) -> Ground {
    let keys = Arc::new(KeyRing::open_or_create(&data.join("keys"), None).unwrap());
    let own = data.join("guests");
    std::fs::create_dir_all(own.join("test-plugins")).unwrap();
    // Compiled code is kept beside the guests, for all tests that run them.
    let guests = guests.unwrap_or(&own);
    let code_keys = KeyRing::open_or_create(&guests.join("keys"), None).unwrap();
    let code = KeptCode::open(&guests.join("code"), Arc::new(code_keys)).unwrap();
    let url = match at.postgres {
        Some(url) => StoreUrl::Postgres(url.to_owned()),
        None => StoreUrl::Sqlite(data.join("store.db")),
    };
    let store = Store::open(&url, Arc::clone(&keys)).await.unwrap();
    let (folder, ring) = (data.join("blobs"), Arc::clone(&keys));
    let blobs = match at.bucket {
        Some(bucket) => BlobStore::in_bucket(bucket, &folder, ring),
        None => BlobStore::open(folder, ring),
    };
    Ground {
        sessions: Sessions::new(store.clone(), Arc::clone(&keys), SessionPolicy::default()),
        blobs: blobs.unwrap(),
        store,
        keys,
        clock: Arc::clone(clock) as _,
        engines: Engines::keeping(Arc::new(code)).unwrap(),
        scanner,
        stamping: None,
        plugins: guests.join("test-plugins"),
        regions: std::collections::BTreeMap::new(),
        roles: std::collections::BTreeMap::new(),
        limits: Limits::default(),
        demo: false,
    }
}

impl Bench {
    async fn start(at: At<'_>) -> Self {
        let bench = Self::with(at, None, None).await;
        bench.host.store().apply(&module(), NOW).await.unwrap();
        bench
    }

    async fn with(at: At<'_>, scanner: Option<Clamd>, guests: Option<&Path>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at(Timestamp(NOW)));
        let ground = ground(data.path(), at, &clock, scanner, guests).await;
        Self {
            blobs: ground.blobs.clone(),
            host: Host::start(ground).await.unwrap(),
            clock,
            data,
        }
    }

    /// Hours go by.
    fn later(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }

    async fn upload(&self, text: &str) -> Result<UploadRef, Fault> {
        let bytes = text.as_bytes().to_vec();
        self.host.store_upload(&clerk(), "a.csv", bytes).await
    }

    /// A letter with this file, or none.
    async fn letter(&self, n: u32, file: &UploadRef) -> Result<(), CommitError> {
        let commit = Commit {
            files: vec![file.digest.clone()],
            ..commit(vec![Write::Insert {
                collection: "letters".into(),
                id: id(n),
                subject: None,
                organisation: Some(BANK.into()),
                district: None,
                values: values(json!({ "paper": file })),
            }])
        };
        self.host.store().commit(commit).await.map(drop)
    }

    async fn update(&self, n: u32, revision: i64, paper: Value) {
        let write = Write::Update {
            collection: "letters".into(),
            id: id(n),
            revision,
            values: values(json!({ "paper": paper })),
        };
        self.host.store().commit(commit(vec![write])).await.unwrap();
    }

    /// Looks often enough that whatever may go is gone.
    async fn collect(&self) -> kernel_host::Collected {
        let mut all = kernel_host::Collected::default();
        for _ in 0..3 {
            let done = self.host.collect_files().await.unwrap();
            all.removed += done.removed;
            all.orphans += done.orphans;
            all.ended += done.ended;
            self.later(DAY + 1);
        }
        all
    }

    async fn there(&self, digest: &str) -> bool {
        !self.host.store().blobs(digest).await.unwrap().is_empty()
    }

    async fn files(&self) -> usize {
        let all = self.blobs.places().await.unwrap();
        all.iter().filter(|place| place.starts_with(BANK)).count()
    }

    async fn audited(&self, action: &str) -> usize {
        let filter = AuditFilter {
            action: Some(action.into()),
            ..AuditFilter::default()
        };
        let page = self.host.store().audit_find(&filter, 200, 0).await;
        page.unwrap().records.len()
    }
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Tells the story on `SQLite`, on `PostgreSQL` and with a bucket, as far as there are any.
async fn everywhere(story: impl AsyncFn(At<'_>)) {
    story(At::default()).await;
    if let Some(server) = tests_scratch::server() {
        let scratch = Scratch::create(&server, "files").await.unwrap();
        let url = scratch.url();
        story(At {
            postgres: Some(&url),
            bucket: None,
        })
        .await;
        scratch.remove().await.unwrap();
    } else {
        println!("skipped on PostgreSQL: RONGQIAO_TEST_PG is not set");
    }
    if let Some(bucket) = bucket::own() {
        story(At {
            postgres: None,
            bucket: Some(&bucket),
        })
        .await;
    }
}

fn clerk() -> Principal {
    Principal {
        user: Some("01930000-0000-7000-8000-00000000f001".into()),
        organisation: Some(BANK.into()),
        organisations: vec![BANK.into()],
        request: "test".into(),
        ..Principal::anonymous()
    }
}

fn id(n: u32) -> String {
    format!("01930000-0000-7000-8000-{n:012}")
}

fn values(value: Value) -> serde_json::Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn module() -> sdk_contract::def::ModuleDef {
    let label = json!({"zh": "信件", "en": ""});
    let paper = json!({
        "name": "paper", "label": label, "kind": "file", "accept": [], "max_bytes": 1000, "many": false,
    });
    serde_json::from_value(json!({
        "id": "post", "label": label,
        "collections": [{
            "name": "letters", "entity": "letter", "label": label, "title": "paper",
            "shard": "aggregate", "audited": true, "read": "letter.read", "keep_deleted": 30,
            "fields": [paper],
        }],
    }))
    .unwrap()
}

fn commit(writes: Vec<Write>) -> Commit {
    Commit {
        at: NOW,
        by: By::default(),
        request: "test".into(),
        module: "post".into(),
        writes,
        ..Commit::default()
    }
}

#[tokio::test]
async fn a_file_is_kept_while_anything_names_it_and_goes_when_nothing_does() {
    everywhere(async |at| {
        let bench = Bench::start(at).await;
        let [now, past, deleted, unused] = ["1\n", "2\n", "3\n", "4\n"];
        let now = bench.upload(now).await.unwrap();
        let past = bench.upload(past).await.unwrap();
        let deleted = bench.upload(deleted).await.unwrap();
        let unused = bench.upload(unused).await.unwrap();
        bench.letter(1, &past).await.unwrap();
        bench.update(1, 1, json!(now)).await;
        bench.letter(2, &deleted).await.unwrap();
        let gone = Write::Delete {
            collection: "letters".into(),
            id: id(2),
            revision: 1,
        };
        bench.host.store().commit(commit(vec![gone])).await.unwrap();

        // While it may still be named, an upload holds its file.
        bench.host.collect_files().await.unwrap();
        bench.later(DAY / 2);
        bench.host.collect_files().await.unwrap();
        assert!(bench.there(&unused.digest).await);
        bench.later(DAY / 2 + 1);
        let done = bench.host.collect_files().await.unwrap();
        assert_eq!((done.removed, done.orphans, done.ended), (1, 0, 4));
        assert!(!bench.there(&unused.digest).await);
        for kept in [&now, &past, &deleted] {
            assert!(bench.there(&kept.digest).await);
        }
        assert_eq!(bench.files().await, 3);
        assert_eq!(bench.audited("file.collect").await, 1);
        // Whoever names it now hears that it is gone, and may upload it again.
        let late = bench.letter(3, &unused).await;
        assert!(matches!(late, Err(CommitError::NoFile(_))));
        let again = bench.upload("4\n").await.unwrap();
        bench.letter(3, &again).await.unwrap();
        assert_eq!(bench.collect().await.removed, 0);
    })
    .await;
}

#[tokio::test]
async fn what_a_kill_left_is_collected_and_what_is_under_way_is_not() {
    everywhere(async |at| {
        let bench = Bench::start(at).await;
        let p = clerk();
        // A file without its row, a piece without its upload, an upload that nobody goes on with.
        let store = &bench.blobs;
        let name = sdk_contract::scalar::uuid7(Timestamp(NOW), [7; 10]);
        for folder in [BANK, "parts"] {
            let place = format!("{folder}/{name}");
            store.put(&place, b"left".to_vec()).await.unwrap();
        }
        let begun = bench.host.begin_upload(&p, "a.csv", 9).await.unwrap();
        let piece = b"1,2\n".to_vec();
        let done = bench
            .host
            .append_upload(&p, &begun.id, 0, piece.clone())
            .await;
        assert_eq!(done.unwrap().offset, 4);
        bench.host.collect_files().await.unwrap();
        assert_eq!(store.places().await.unwrap().len(), 3, "they are too young");

        bench.later(DAY / 2);
        let done = bench
            .host
            .append_upload(&p, &begun.id, 4, piece.clone())
            .await;
        assert_eq!(done.unwrap().offset, 8);
        bench.later(DAY / 2 + 1);
        let done = bench.host.collect_files().await.unwrap();
        assert_eq!((done.orphans, done.ended), (2, 0));
        assert_eq!(store.places().await.unwrap().len(), 2, "both pieces");
        let whole = bench
            .host
            .append_upload(&p, &begun.id, 8, b"3".to_vec())
            .await;
        assert_eq!(whole.unwrap().file.unwrap().size, 9);

        let begun = bench.host.begin_upload(&p, "a.csv", 9).await.unwrap();
        let done = bench
            .host
            .append_upload(&p, &begun.id, 0, piece.clone())
            .await;
        done.unwrap();
        bench.later(DAY + 1);
        let late = bench.host.append_upload(&p, &begun.id, 4, piece).await;
        assert_eq!(late.unwrap_err().kind, FaultKind::NotFound);
        assert_eq!(bench.host.collect_files().await.unwrap().ended, 2);
        assert_eq!(store.places().await.unwrap().len(), 1, "the whole file");
    })
    .await;
}

#[tokio::test]
async fn blobs_of_before_are_listed_at_the_start_and_stay_while_named() {
    let bench = Bench::start(At::default()).await;
    let text = b"of before\n".to_vec();
    let digest = kernel_crypto::sm3::digest(&text).to_string();
    let place = format!("{}/{}", &digest[..2], &digest[2..]);
    bench.blobs.put(&place, text).await.unwrap();
    let before = UploadRef {
        digest: digest.clone(),
        name: "a.csv".into(),
        size: 10,
    };
    assert!(bench.letter(1, &before).await.is_err());
    // The next start.
    let at = At::default();
    let ground = ground(bench.data.path(), at, &bench.clock, None, None).await;
    let host = Host::start(ground).await.unwrap();
    assert!(bench.letter(1, &before).await.is_ok());
    assert_eq!(host.store().blobs(&digest).await.unwrap()[0].place, place);
    assert_eq!(bench.collect().await.removed, 0);
}

/// A clamd that knows one signature; none listens while it is down.
struct Double {
    address: String,
    scans: Arc<AtomicUsize>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Double {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut double = Self {
            address: listener.local_addr().unwrap().to_string(),
            scans: Arc::default(),
            serving: None,
        };
        double.serve(listener);
        double
    }

    fn serve(&mut self, listener: TcpListener) {
        let scans = Arc::clone(&self.scans);
        self.serving = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                scans.fetch_add(1, Ordering::Relaxed);
                let _ = answer(stream).await;
            }
        }));
    }

    async fn stop(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
    }

    async fn up_again(&mut self) {
        let listener = TcpListener::bind(&self.address).await.unwrap();
        self.serve(listener);
    }

    fn clamd(&self) -> Clamd {
        self.address.parse().unwrap()
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await?;
    assert_eq!(&command, b"zINSTREAM\0");
    let mut bytes = Vec::new();
    loop {
        let length = stream.read_u32().await?;
        if length == 0 {
            break;
        }
        let mut piece = vec![0; length as usize];
        stream.read_exact(&mut piece).await?;
        bytes.extend(piece);
    }
    let bad = eicar();
    let found = bytes.windows(bad.len()).any(|window| window == bad);
    let says: &[u8] = if found {
        b"stream: Double.Eicar FOUND\0"
    } else {
        b"stream: OK\0"
    };
    stream.write_all(says).await
}

/// A loan of the example plugin with this contract.
async fn loan(bench: &Bench, n: u32, contract: &UploadRef) {
    let insert = Write::Insert {
        collection: "loans".into(),
        id: id(n),
        subject: Some(BANK.into()),
        organisation: Some(BANK.into()),
        district: None,
        values: values(json!({
            "number": format!("N{n}"), "amount": "1.00", "status": "submitted", "contract": contract,
        })),
    };
    let commit = Commit {
        module: "example".into(),
        ..commit(vec![insert])
    };
    bench.host.store().commit(commit).await.unwrap();
}

/// Its contract, as the plugin itself opens it: who else may is another test's.
async fn open(bench: &Bench, n: u32) -> Result<RecordFile, Fault> {
    let place = Place {
        collection: "example.loans".into(),
        id: id(n),
        field: "contract".into(),
    };
    let plugin = Principal::module("example", "test");
    let braced = Place {
        id: format!("{{{}}}", place.id),
        ..place.clone()
    };
    let other = bench.host.file(&plugin, braced, None).await;
    assert_eq!(other.unwrap_err().kind, FaultKind::NotFound, "one name");
    bench.host.file(&plugin, place, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_history_names_is_opened_as_the_present_one() {
    let Some(guests) = setting("RONGQIAO_GUESTS").map(PathBuf::from) else {
        println!("skipped: RONGQIAO_GUESTS is not set");
        return;
    };
    everywhere(async |at| {
        let bench = Bench::with(at, None, Some(&guests)).await;
        let [first, second] = ["1\n", "2\n"];
        let first = bench.upload(first).await.unwrap();
        let second = bench.upload(second).await.unwrap();
        loan(&bench, 1, &first).await;
        let change = Write::Update {
            collection: "loans".into(),
            id: id(1),
            revision: 1,
            values: values(json!({ "contract": second })),
        };
        let change = Commit {
            module: "example".into(),
            ..commit(vec![change])
        };
        bench.host.store().commit(change).await.unwrap();
        assert_eq!(bench.collect().await.removed, 0);
        let place = Place {
            collection: "example.loans".into(),
            id: id(1),
            field: "contract".into(),
        };
        let open = async |who: &Principal, digest: &str| {
            bench.host.file(who, place.clone(), Some(digest)).await
        };
        let plugin = Principal::module("example", "test");
        let file = open(&plugin, &first.digest).await.unwrap();
        let bytes = bench.host.file_part(&file, 0..file.size).await.unwrap();
        assert_eq!(
            (bytes.as_slice(), file.name.as_str()),
            (&b"1\n"[..], "a.csv")
        );
        assert!(open(&plugin, &second.digest).await.is_ok());
        let stranger = open(&Principal::anonymous(), &first.digest).await;
        assert_eq!(stranger.unwrap_err().code, "unauthenticated");
        // What was removed before is gone, and that is said.
        let blob = bench
            .host
            .store()
            .blobs(&first.digest)
            .await
            .unwrap()
            .remove(0);
        for change in [
            FileChange::Mark {
                digest: blob.digest.clone(),
                owner: blob.owner.clone(),
                unused: true,
            },
            FileChange::Remove {
                digest: blob.digest.clone(),
                owner: blob.owner.clone(),
                marked: NOW,
            },
        ] {
            let work = FileWork {
                change,
                at: NOW,
                audit: Vec::new(),
            };
            assert!(bench.host.store().change_files(work).await.unwrap());
        }
        let gone = open(&plugin, &first.digest).await.unwrap_err();
        assert_eq!(gone.code, "file-collected");
    })
    .await;
}

async fn state(bench: &Bench, digest: &str) -> BlobState {
    let blobs = bench.host.store().blobs(digest).await.unwrap();
    blobs.first().unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_13_what_a_scan_finds_something_in_is_never_opened() {
    let Some(guests) = setting("RONGQIAO_GUESTS").map(PathBuf::from) else {
        println!("skipped: RONGQIAO_GUESTS is not set");
        return;
    };
    everywhere(async |at| {
        let mut clamd = Double::start().await;
        let bench = Bench::with(at, Some(clamd.clamd()), Some(&guests)).await;
        let good = bench.upload("1\n").await.unwrap();
        assert_eq!(state(&bench, &good.digest).await, BlobState::Clear);
        let bad = String::from_utf8(eicar()).unwrap();
        let refused = bench.upload(&bad).await.unwrap_err();
        assert_eq!(refused.fields.first().unwrap().code, "infected");
        let digest = kernel_crypto::sm3::digest(bad.as_bytes()).to_string();
        assert_eq!(state(&bench, &digest).await, BlobState::Quarantined);
        assert_eq!(bench.audited("file.quarantine").await, 1);
        // Sent again, it is known.
        let scans = clamd.scans.load(Ordering::Relaxed);
        assert!(bench.upload(&bad).await.is_err());
        assert_eq!(clamd.scans.load(Ordering::Relaxed), scans);

        // Nobody scans: files wait, whatever they are, and are opened by nobody.
        clamd.stop().await;
        let waits = bench.upload("2\n").await.unwrap();
        let late = bench.upload(&format!("{bad}\n")).await.unwrap();
        loan(&bench, 1, &waits).await;
        loan(&bench, 2, &late).await;
        for n in [1, 2] {
            assert_eq!(open(&bench, n).await.unwrap_err().code, "file-waiting");
        }
        assert_eq!(bench.host.scan_waiting().await.unwrap(), 0);
        clamd.up_again().await;
        assert_eq!(bench.host.scan_waiting().await.unwrap(), 1);
        let file = open(&bench, 1).await.unwrap();
        let bytes = bench.host.file_part(&file, 0..9).await.unwrap();
        assert_eq!(bytes, b"2\n");
        let fault = open(&bench, 2).await.unwrap_err();
        assert_eq!(fault.code, "file-quarantined");
        assert_eq!(bench.audited("file.quarantine").await, 2);
        // It is evidence: nothing collects it.
        bench.collect().await;
        assert_eq!(state(&bench, &digest).await, BlobState::Quarantined);
    })
    .await;
}

/// The real one, where `./x test` could install it, with one signature of its own.
#[tokio::test]
async fn dj_13_debians_clamd_finds_the_test_file_also_in_an_archive() {
    let Some(address) = setting("RONGQIAO_TEST_CLAMD") else {
        println!("skipped: RONGQIAO_TEST_CLAMD is not set");
        return;
    };
    let clamd: Clamd = address.parse().unwrap();
    let large = vec![b'a'; 3 << 20];
    for clear in [b"".as_slice(), b"a,b\n1,2\n", &large] {
        assert_eq!(clamd.scan(clear).await.unwrap(), Verdict::Clear);
    }
    for bad in [eicar(), zipped("a.txt", &eicar())] {
        let verdict = clamd.scan(&bad).await.unwrap();
        assert!(matches!(&verdict, Verdict::Found(_)), "{verdict:?}");
    }
}

/// A ZIP archive of one file that is stored as it is (APPNOTE 4.3).
fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap();
    let length = u16::try_from(name.len()).unwrap();
    // Version, flags, method, time, date; then checksum and sizes; then lengths.
    let mut facts = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    facts.extend(crc32(bytes).to_le_bytes());
    facts.extend(size.to_le_bytes());
    facts.extend(size.to_le_bytes());
    facts.extend(length.to_le_bytes());
    facts.extend([0, 0]);
    let mut archive = [b"PK\x03\x04".as_slice(), &facts, name.as_bytes(), bytes].concat();
    let begins = u32::try_from(archive.len()).unwrap();
    let entry = [
        b"PK\x01\x02\x14\x00".as_slice(),
        &facts,
        &[0; 14],
        name.as_bytes(),
    ]
    .concat();
    archive.extend(&entry);
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend(u32::try_from(entry.len()).unwrap().to_le_bytes());
    archive.extend(begins.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

/// IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
