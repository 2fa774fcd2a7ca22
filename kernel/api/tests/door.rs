//! Connections through the [`Door`]: which certificate a client is shown, and what a bad one gets.
//!
//! The certificates are made by the `openssl` command, so that they are another implementation's.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "shared test code is test code, too; a skipped test says why"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use kernel_api::{Clients, Door, Peer, Side, Tls, Trusted};
use kernel_crypto::ca::{self, Period, Purpose, Revoked, Subject};
use kernel_crypto::keys::{KeyRing, SignKey};
use kernel_crypto::sm2::SigningKey;
use kernel_crypto::sm3;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority and one certificate below it for `localhost`, of one curve.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    /// None when there is no `openssl` to make it.
    fn new(curve: &str, digest: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: the command openssl is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let pki = Self { folder };
        let sm2 = curve == "SM2";
        for name in ["authority", "leaf"] {
            pki.openssl(&[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                &format!("ec_paramgen_curve:{curve}"),
                "-pkeyopt",
                "ec_param_enc:named_curve",
                "-out",
                &format!("{name}.key"),
            ]);
        }
        let signing: &[&str] = if sm2 {
            &["-sigopt", "distid:1234567812345678"]
        } else {
            &[]
        };
        let mut root = vec![
            "req",
            "-x509",
            "-new",
            "-key",
            "authority.key",
            "-out",
            "authority.pem",
            digest,
            "-subj",
            "/CN=Test authority",
            "-days",
            "30",
        ];
        root.extend(signing);
        pki.openssl(&root);
        let mut request = vec![
            "req",
            "-new",
            "-key",
            "leaf.key",
            "-out",
            "leaf.csr",
            digest,
            "-subj",
            "/CN=localhost",
        ];
        request.extend(signing);
        pki.openssl(&request);
        std::fs::write(
            pki.path("leaf.ext"),
            "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n",
        )
        .unwrap();
        let mut issue = vec![
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-out",
            "leaf.pem",
            digest,
            "-days",
            "30",
            "-extfile",
            "leaf.ext",
        ];
        issue.extend(signing);
        if sm2 {
            issue.extend(["-vfyopt", "distid:1234567812345678"]);
        }
        pki.openssl(&issue);
        Some(pki)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let out = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(pem(&self.path("authority.pem"))).unwrap();
        Arc::new(roots)
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![pem(&self.path("leaf.pem"))]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(self.path("leaf.key")).unwrap()
    }

    fn server(&self, provider: CryptoProvider, clients: Option<&Self>) -> Side {
        let provider = Arc::new(provider);
        let clients = clients.map(|pki| {
            let roots = WebPkiClientVerifier::builder_with_provider(pki.roots(), provider.clone());
            let clients = Clients::new(provider.clone(), true);
            clients.trust(Trusted {
                outside: Some(roots.build().unwrap()),
                ..Trusted::default()
            });
            Arc::new(clients)
        });
        self.serving(provider, clients)
    }

    fn serving(&self, provider: Arc<CryptoProvider>, clients: Option<Arc<Clients>>) -> Side {
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients.clone()),
        };
        let config = builder.with_single_cert(self.chain(), self.key()).unwrap();
        Side {
            config: Arc::new(config),
            clients,
        }
    }

    fn client(&self, provider: CryptoProvider, shows: Option<&Self>) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.roots());
        match shows {
            None => builder.with_no_client_auth(),
            Some(pki) => builder
                .with_client_auth_cert(pki.chain(), pki.key())
                .unwrap(),
        }
    }
}

fn pem(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

fn sm2() -> Option<Pki> {
    Pki::new("SM2", "-sm3")
}

fn p256() -> Option<Pki> {
    Pki::new("P-256", "-sha256")
}

/// A door that answers with whether the client proved a certificate; ends with the test's runtime.
async fn open(tls: Option<Tls>) -> SocketAddr {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = port.local_addr().unwrap();
    let app = Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<Peer>| async move {
            format!("{} {}", peer.address.ip(), peer.certificate.is_some())
        }),
    );
    let service = app.into_make_service_with_connect_info::<Peer>();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(Door::new(port, tls), service).await });
    serving.detach_all();
    address
}

async fn connect(at: SocketAddr, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(at).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
}

async fn ask(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return String::new();
    }
    let mut answer = Vec::new();
    // A server that refuses the client's certificate breaks off.
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    // Another's page may end in an empty line, too.
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
    body.unwrap_or_default().to_owned()
}

/// What went over a wire, and whether to flip a bit of what the client says next.
#[derive(Default)]
struct Wire {
    seen: Mutex<Vec<u8>>,
    flips: AtomicBool,
}

/// A wire to the door that somebody listens at; ends with the test's runtime.
async fn tapped(door: SocketAddr) -> (SocketAddr, Arc<Wire>) {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = port.local_addr().unwrap();
    let wire = Arc::<Wire>::default();
    let tap = Arc::clone(&wire);
    let mut passing = tokio::task::JoinSet::new();
    passing.spawn(async move {
        let (near, _) = port.accept().await.unwrap();
        let far = TcpStream::connect(door).await.unwrap();
        let (near, far) = (near.into_split(), far.into_split());
        tokio::join!(
            pass(near.0, far.1, &tap, true),
            pass(far.0, near.1, &tap, false)
        )
    });
    passing.detach_all();
    (at, wire)
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, wire: &Wire, client: bool) {
    let mut piece = vec![0; 16_384];
    while let Ok(n @ 1..) = from.read(&mut piece).await {
        if client && wire.flips.load(Ordering::Relaxed) {
            piece[n - 1] ^= 1;
        }
        wire.seen.lock().unwrap().extend_from_slice(&piece[..n]);
        if to.write_all(&piece[..n]).await.is_err() {
            break;
        }
    }
}

/// For each kind of client, a connection to one door over a wire of its own.
async fn each_kind(story: impl AsyncFn(TlsStream<TcpStream>, Arc<Wire>)) {
    let (Some(sm2), Some(p256)) = (sm2(), p256()) else {
        return;
    };
    let national = kernel_crypto::tls::provider;
    let door = open(Some(Tls {
        international: Some(p256.server(ring::default_provider(), None)),
        national: Some(sm2.server(national(), None)),
    }))
    .await;
    for client in [
        sm2.client(national(), None),
        p256.client(ring::default_provider(), None),
    ] {
        let (at, wire) = tapped(door).await;
        story(connect(at, client).await.unwrap(), wire).await;
    }
}

#[tokio::test]
async fn mm_2c_what_is_said_is_nowhere_on_the_wire() {
    each_kind(async |stream, wire| {
        assert_eq!(ask(stream).await, "127.0.0.1 false");
        let seen = wire.seen.lock().unwrap();
        assert!(seen.len() > 500, "{}", seen.len());
        for said in ["GET / HTTP", "connection: close", "127.0.0.1 false"] {
            let there = seen.windows(said.len()).any(|w| w == said.as_bytes());
            assert!(!there, "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn mm_2b_one_flipped_bit_ends_the_connection_unanswered() {
    each_kind(async |stream, wire| {
        wire.flips.store(true, Ordering::Relaxed);
        assert_eq!(ask(stream).await, "");
    })
    .await;
}

#[tokio::test]
async fn mm_2c_one_port_serves_national_and_international_clients() {
    let (Some(sm2), Some(p256)) = (sm2(), p256()) else {
        return;
    };
    let national = kernel_crypto::tls::provider;
    let at = open(Some(Tls {
        international: Some(p256.server(ring::default_provider(), None)),
        national: Some(sm2.server(national(), None)),
    }))
    .await;

    let stream = connect(at, sm2.client(national(), None)).await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap();
    assert_eq!(suite.suite(), kernel_crypto::tls::TLS_SM4_GCM_SM3);
    assert_eq!(ask(stream).await, "127.0.0.1 false");

    let stream = connect(at, p256.client(ring::default_provider(), None))
        .await
        .unwrap();
    assert_eq!(ask(stream).await, "127.0.0.1 false");
}

#[tokio::test]
async fn mm_2b_ccm_is_spoken_too() {
    let Some(sm2) = sm2() else { return };
    let at = open(Some(Tls {
        international: None,
        national: Some(sm2.server(kernel_crypto::tls::provider(), None)),
    }))
    .await;
    let mut only_ccm = kernel_crypto::tls::provider();
    only_ccm
        .cipher_suites
        .retain(|s| s.suite() == kernel_crypto::tls::TLS_SM4_CCM_SM3);
    let stream = connect(at, sm2.client(only_ccm, None)).await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap();
    assert_eq!(suite.suite(), kernel_crypto::tls::TLS_SM4_CCM_SM3);
    assert_eq!(ask(stream).await, "127.0.0.1 false");
}

#[tokio::test]
async fn dj_03_a_client_without_a_common_suite_or_with_plain_text_is_turned_away_and_others_are_served()
 {
    let (Some(sm2), Some(p256)) = (sm2(), p256()) else {
        return;
    };
    let national = kernel_crypto::tls::provider;
    let at = open(Some(Tls {
        international: None,
        national: Some(sm2.server(national(), None)),
    }))
    .await;
    assert!(
        connect(at, p256.client(ring::default_provider(), None))
            .await
            .is_err()
    );
    let plain = ask(TcpStream::connect(at).await.unwrap()).await;
    assert!(!plain.contains("127.0.0.1"), "{plain}");
    // One that says nothing at all holds nobody up.
    let silent = TcpStream::connect(at).await.unwrap();
    let stream = connect(at, sm2.client(national(), None)).await.unwrap();
    assert_eq!(ask(stream).await, "127.0.0.1 false");
    drop(silent);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed() {
    let (Some(sm2), Some(stranger)) = (sm2(), sm2()) else {
        return;
    };
    let national = kernel_crypto::tls::provider;
    let at = open(Some(Tls {
        international: None,
        national: Some(stranger.server(national(), None)),
    }))
    .await;
    assert!(connect(at, sm2.client(national(), None)).await.is_err());
}

#[tokio::test]
async fn mm_2a_a_client_proves_its_certificate_where_one_is_required() {
    let (Some(sm2), Some(stranger)) = (sm2(), sm2()) else {
        return;
    };
    let national = kernel_crypto::tls::provider;
    let at = open(Some(Tls {
        international: None,
        national: Some(sm2.server(national(), Some(&sm2))),
    }))
    .await;
    let stream = connect(at, sm2.client(national(), Some(&sm2)))
        .await
        .unwrap();
    assert_eq!(ask(stream).await, "127.0.0.1 true");
    for shows in [None, Some(&stranger)] {
        // TLS 1.3: the client learns of the refusal only with the first answer.
        let answer = match connect(at, sm2.client(national(), shows)).await {
            Ok(stream) => ask(stream).await,
            Err(_) => String::new(),
        };
        assert_eq!(answer, "", "shows a certificate: {}", shows.is_some());
    }
}

#[tokio::test]
async fn mm_2a_a_node_shows_what_the_platform_issued_until_it_is_taken_back() {
    const DAY: i64 = 86_400_000_000;
    let Some(sm2) = sm2() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(folder.path(), None).unwrap();
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap() * 1_000_000;
    let period = |days| Period {
        from: now - DAY,
        to: now + days * DAY,
    };
    let named = |name: &str| Subject {
        common_name: name.into(),
        organisation: "示范银行".into(),
    };
    let signer = ring.signer(SignKey::Authority);
    let root = ca::root(&signer, &named("根"), 1, period(90)).unwrap();
    let key = SigningKey::generate().unwrap();
    let public = key.verifying_key().unwrap();
    let shape = (Purpose::Node, &named("node1.bank.example"));
    let leaf = ca::issue(&signer, (&root, None), shape, &public, (2, period(30))).unwrap();
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let secret = PrivateKeyDer::from_pem_slice(key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();

    let provider = Arc::new(kernel_crypto::tls::provider());
    let clients = Arc::new(Clients::new(provider.clone(), true));
    let at = open(Some(Tls {
        international: None,
        national: Some(sm2.serving(provider, Some(clients.clone()))),
    }))
    .await;
    let answer = async || {
        let client = ClientConfig::builder_with_provider(Arc::new(kernel_crypto::tls::provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(sm2.roots())
            .with_client_auth_cert(vec![leaf.clone()], secret.clone_key())
            .unwrap();
        match connect(at, client).await {
            Ok(stream) => ask(stream).await,
            Err(_) => String::new(),
        }
    };
    assert_eq!(answer().await, "", "nobody is trusted yet");
    let digest = *sm3::digest(&leaf).as_bytes();
    let trust = |nodes: Vec<([u8; 32], i64)>| {
        clients.trust(Trusted {
            nodes: nodes.into_iter().collect(),
            ..Trusted::default()
        });
    };
    trust(vec![(digest, now + DAY)]);
    assert_eq!(answer().await, "127.0.0.1 true");
    trust(vec![(digest, now - DAY)]);
    assert_eq!(answer().await, "", "its time is over");
    trust(vec![([7; 32], now + DAY)]);
    assert_eq!(answer().await, "", "another's");

    // The same certificate as one of an authority outside, by lists that its key signed with SM2.
    let mut roots = RootCertStore::empty();
    let root_der = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    roots.add(root_der).unwrap();
    let roots = Arc::new(roots);
    let under = |list: Option<String>| {
        let provider = Arc::new(kernel_crypto::tls::provider());
        let lists = list.map(|pem| CertificateRevocationListDer::from_pem_slice(pem.as_bytes()));
        let outside = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider)
            .with_crls(lists.map(Result::unwrap))
            .enforce_revocation_expiration()
            .build()
            .unwrap();
        clients.trust(Trusted {
            outside: Some(outside),
            ..Trusted::default()
        });
    };
    let list = |period, serials: &[u64]| {
        let revoked = serials.iter().map(|serial| Revoked {
            serial: *serial,
            at: now,
        });
        let revoked: Vec<_> = revoked.collect();
        ca::revocation_list(&signer, &root, 1, period, &revoked).unwrap()
    };
    under(Some(list(period(7), &[3])));
    assert_eq!(answer().await, "127.0.0.1 true");
    under(Some(list(period(7), &[3, 2])));
    assert_eq!(answer().await, "", "it is on the list");
    let over = Period {
        from: now - 2 * DAY,
        to: now - DAY,
    };
    under(Some(list(over, &[3])));
    assert_eq!(answer().await, "", "the list is out of date");
}

#[tokio::test]
async fn without_tls_the_door_is_plain() {
    let at = open(None).await;
    assert_eq!(
        ask(TcpStream::connect(at).await.unwrap()).await,
        "127.0.0.1 false"
    );
}

/// The `openssl` command of OpenSSL 4, where `./x interop` has built it.
fn openssl4() -> Option<std::path::PathBuf> {
    let built = std::env::var_os("RONGQIAO_OPENSSL4");
    if built.is_none() {
        println!("skipped: RONGQIAO_OPENSSL4 is not set; run ./x interop");
    }
    built.map(Into::into)
}

const NATIONAL: [&str; 7] = [
    "-tls1_3",
    "-ciphersuites",
    "TLS_SM4_GCM_SM3:TLS_SM4_CCM_SM3",
    "-groups",
    "curveSM2",
    "-sigalgs",
    "sm2sig_sm3",
];

#[tokio::test]
async fn openssl_4_is_served_with_and_without_its_own_certificate() {
    let (Some(command), Some(sm2)) = (openssl4(), sm2()) else {
        return;
    };
    for required in [false, true] {
        let at = open(Some(Tls {
            international: None,
            national: Some(sm2.server(kernel_crypto::tls::provider(), required.then_some(&sm2))),
        }))
        .await;
        let mut client = tokio::process::Command::new(&command);
        client
            .args([
                "s_client",
                "-connect",
                &at.to_string(),
                "-servername",
                "localhost",
            ])
            .args(["-verify_return_error", "-quiet", "-CAfile"])
            .arg(sm2.path("authority.pem"))
            .args(NATIONAL)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        if required {
            client.arg("-cert").arg(sm2.path("leaf.pem"));
            client.arg("-key").arg(sm2.path("leaf.key"));
        }
        let mut client = client.spawn().unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(request).await.unwrap();
        stdin.flush().await.unwrap();
        let out = client.wait_with_output().await.unwrap();
        drop(stdin);
        let answer = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(
            answer.ends_with(&format!("127.0.0.1 {required}")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn openssl_4_serves_our_client() {
    let (Some(command), Some(sm2)) = (openssl4(), sm2()) else {
        return;
    };
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let mut server = tokio::process::Command::new(command)
        .args([
            "s_server",
            "-accept",
            &at.port().to_string(),
            "-www",
            "-cert",
        ])
        .arg(sm2.path("leaf.pem"))
        .arg("-key")
        .arg(sm2.path("leaf.key"))
        .args(NATIONAL)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let national = kernel_crypto::tls::provider;
    let mut answer = String::new();
    for _ in 0..100 {
        match connect(at, sm2.client(national(), None)).await {
            Ok(stream) => {
                answer = ask(stream).await;
                break;
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    server.kill().await.unwrap();
    assert!(answer.contains("TLS_SM4_GCM_SM3"), "{answer}");
}
