//! Files in a bucket: what a store does that a folder never does. It refuses, it is away, and it is gone
//! in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel_host::Host;
use kernel_storage::{BlobError, BlobStore, Bucket, Credentials};
use sdk_contract::error::{Fault, FaultKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{At, BANK, Bench, clerk, ground};

/// A folder of the test's own in the bucket for tests, if there is one.
pub(crate) fn own() -> Option<Bucket> {
    let Some(given) = tests_scratch::bucket() else {
        println!("skipped in a bucket: RONGQIAO_TEST_S3 is not set");
        return None;
    };
    Some(Bucket {
        name: given.name,
        folder: given.folder,
        endpoint: given.endpoint,
        region: "us-east-1".into(),
        in_host: false,
        authorities: Vec::new(),
        credentials: Credentials {
            id: given.id,
            secret: given.secret,
        },
    })
}

/// Bytes of a request that a gate lets through.
const ALL: usize = usize::MAX;
const NONE: usize = 0;

/// Stands before the store, and lets only so many bytes of each connection through to it.
struct Gate {
    bucket: Bucket,
    lets: Arc<AtomicUsize>,
}

impl Gate {
    async fn before(bucket: &Bucket) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bucket_before = Bucket {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            ..bucket.clone()
        };
        let lets = Arc::new(AtomicUsize::new(ALL));
        let store = bucket.endpoint.trim_start_matches("http://").to_owned();
        let now = Arc::clone(&lets);
        tokio::spawn(async move {
            while let Ok((asks, _)) = listener.accept().await {
                let (store, now) = (store.clone(), Arc::clone(&now));
                tokio::spawn(async move { pass(asks, &store, &now).await });
            }
        });
        Self {
            bucket: bucket_before,
            lets,
        }
    }

    fn let_through(&self, bytes: usize) {
        self.lets.store(bytes, Ordering::Relaxed);
    }
}

/// Passes on until a connection has sent more than it may; then both ends find it closed.
async fn pass(mut asks: TcpStream, store: &str, lets: &AtomicUsize) {
    let mut answers = TcpStream::connect(store).await.unwrap();
    let (mut sent, mut asked, mut answered) = (0, vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            read = asks.read(&mut asked) => {
                let bytes = read.unwrap_or_default();
                sent += bytes;
                if bytes == 0 || sent > lets.load(Ordering::Relaxed) {
                    return;
                }
                if answers.write_all(asked.get(..bytes).unwrap()).await.is_err() {
                    return;
                }
            }
            read = answers.read(&mut answered) => {
                let bytes = read.unwrap_or_default();
                if bytes == 0 || asks.write_all(answered.get(..bytes).unwrap()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Rows of a CSV file, so many bytes of them.
fn rows(bytes: usize) -> Vec<u8> {
    let all = (1_u32..).map(|n| format!("{n},Pudong Xinqu\n"));
    all.flat_map(String::into_bytes).take(bytes).collect()
}

fn is_away(fault: &Fault) -> bool {
    fault.kind == FaultKind::Unavailable && fault.code == "storage-unavailable"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_the_store_was_away_and_nothing_is_half_there() {
    let Some(bucket) = own() else { return };
    let gate = Gate::before(&bucket).await;
    let bench = Bench::start(At {
        bucket: Some(&gate.bucket),
        ..At::default()
    })
    .await;
    let (host, p) = (&bench.host, clerk());
    let whole = rows(3 << 20);
    let (first, rest) = whole.split_at(3 << 19);
    let begun = host.begin_upload(&p, "a.csv", whole.len() as u64).await;
    let id = begun.unwrap().id;
    let from = first.len() as u64;
    let append = |at: u64, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        host.append_upload(&p, &id, at, bytes)
    };
    assert_eq!(append(0, first).await.unwrap().offset, from);

    // Away before it is asked, and in the middle of what it is sent.
    for lets in [NONE, 1 << 20] {
        gate.let_through(lets);
        assert!(is_away(&append(from, rest).await.unwrap_err()));
        assert_eq!(host.upload_progress(&p, &id).await.unwrap().offset, from);
        gate.let_through(NONE);
        assert!(is_away(&host.collect_files().await.unwrap_err()));
        gate.let_through(ALL);
        let there = bench.blobs.places().await.unwrap();
        assert_eq!(there.len(), 1, "one piece: {there:?}");
    }
    let done = append(from, rest).await.unwrap();
    let file = done.file.unwrap();
    assert_eq!(file.digest, kernel_crypto::sm3::digest(&whole).to_string());
    let there = bench.blobs.places().await.unwrap();
    assert_eq!((there.len(), bench.files().await), (1, 1), "no pieces");

    // The same bytes again are the same blob.
    let again = host.store_upload(&p, "b.csv", whole.clone()).await.unwrap();
    assert_eq!(again.digest, file.digest);
    assert_eq!(bench.blobs.places().await.unwrap(), there);

    // Part of it is read; not while the store is away, and then again.
    bench.letter(1, &file).await.unwrap();
    let (start, end) = ((1 << 20) - 5, (1 << 20) + 5);
    let part = || bench.blobs.range(&there[0], start..end);
    let wanted: Vec<u8> = whole.iter().copied().skip((1 << 20) - 5).take(10).collect();
    assert_eq!(part().await.unwrap().as_ref(), Some(&wanted));
    gate.let_through(NONE);
    assert!(matches!(part().await, Err(BlobError::Store(_))));
    gate.let_through(ALL);
    assert_eq!(part().await.unwrap(), Some(wanted));
    assert_eq!(bench.collect().await.removed, 0);
}

#[tokio::test]
async fn what_lies_in_the_bucket_is_sealed() {
    let Some(bucket) = own() else { return };
    let bench = Bench::start(At {
        bucket: Some(&bucket),
        ..At::default()
    })
    .await;
    let p = clerk();
    let text = rows(5000);
    let file = bench.host.store_upload(&p, "secret name.csv", text.clone());
    let file = file.await.unwrap();
    let begun = bench.host.begin_upload(&p, "b.csv", 9000).await.unwrap();
    let piece = bench.host.append_upload(&p, &begun.id, 0, text);
    piece.await.unwrap();
    // Not through the blob store: as somebody sees it who may look into the bucket.
    let raw = bucket.connect().unwrap();
    let places = bench.blobs.places().await.unwrap();
    assert_eq!(places.len(), 2);
    for place in places {
        assert!(place.starts_with(BANK) || place.starts_with("parts/"));
        assert!(!place.contains(&file.digest) && !place.contains("secret"));
        let key = place.as_str().into();
        let parts = raw.get_ranges(&key, &[0..16, 16..5050]).await;
        let [begins, rest] = parts.unwrap().try_into().unwrap();
        assert_eq!(&begins[..], b"rongqiao-blob-2\n");
        assert!(!rest.windows(6).any(|w| w == b"Pudong"), "{place}");
    }
    // And nothing lies in the data folder.
    assert!(!bench.data.path().join("blobs").exists());
}

#[tokio::test]
async fn wrong_credentials_and_a_bucket_that_is_not_there_are_told_apart_and_store_nothing() {
    let Some(bucket) = own() else { return };
    let other = |change: fn(&mut Bucket)| {
        let mut other = bucket.clone();
        change(&mut other);
        other
    };
    let secret = other(|b| b.credentials.secret = "not the secret".into());
    let id = other(|b| b.credentials.id = "AKIANOBODY".into());
    let name = other(|b| b.name = "nobodys-bucket".into());
    for (wrong, code) in [
        (&secret, Some("SignatureDoesNotMatch")),
        (&id, Some("InvalidAccessKeyId")),
        (&name, None),
    ] {
        let bench = Bench::start(At {
            bucket: Some(wrong),
            ..At::default()
        })
        .await;
        assert!(is_away(&bench.upload("1\n").await.unwrap_err()));
        let missing = format!("{BANK}/none");
        for error in [
            bench.blobs.reach().await.unwrap_err(),
            bench.blobs.get(&missing).await.unwrap_err(),
            bench.blobs.put(&missing, vec![1]).await.unwrap_err(),
        ] {
            match code {
                Some(code) => {
                    assert!(
                        matches!(&error, BlobError::Refused(said) if said == code),
                        "{error:?}"
                    );
                    let told = format!("{error:?}");
                    assert!(!told.contains(&wrong.credentials.id), "{told}");
                }
                None => assert!(matches!(error, BlobError::Store(_)), "{error:?}"),
            }
        }
        let digest = kernel_crypto::sm3::digest(b"1\n").to_string();
        assert!(!bench.there(&digest).await);
    }
}

#[tokio::test]
async fn what_lies_in_the_data_folder_moves_into_the_bucket_at_the_start() {
    let Some(bucket) = own() else { return };
    let bench = Bench::start(At::default()).await;
    let kept = bench.upload("1\n").await.unwrap();
    bench.letter(1, &kept).await.unwrap();
    let before = b"of before\n".to_vec();
    let digest = kernel_crypto::sm3::digest(&before).to_string();
    let place = format!("{}/{}", &digest[..2], &digest[2..]);
    bench.blobs.put(&place, before).await.unwrap();
    let places = bench.blobs.places().await.unwrap();

    let at = At {
        bucket: Some(&bucket),
        ..At::default()
    };
    let ground = ground(bench.data.path(), at, &bench.clock, None, None).await;
    let blobs: BlobStore = ground.blobs.clone();
    assert_eq!(blobs.behind().await.unwrap(), 2);
    let host = Host::start(ground).await.unwrap();
    assert_eq!(blobs.behind().await.unwrap(), 0);
    assert_eq!(blobs.places().await.unwrap(), places);
    assert!(bench.blobs.places().await.unwrap().is_empty());
    let moved = host.store().blobs(&kept.digest).await.unwrap();
    let bytes = blobs.get(&moved[0].place).await.unwrap();
    assert_eq!(bytes, Some(b"1\n".to_vec()));
    // That one is listed, too.
    assert_eq!(host.store().blobs(&digest).await.unwrap()[0].place, place);
}
