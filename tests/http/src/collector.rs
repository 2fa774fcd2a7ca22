//! A central collector as a site has one: a receiver of counted syslog messages over TCP or TLS, that can
//! be away, and a time server that says what it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A message that came, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub String);

impl Message {
    /// A parameter of the structured data; empty where there is none. Of what the tests ask for,
    /// nothing is escaped.
    pub fn of(&self, name: &str) -> &str {
        let found = self.0.split_once(&format!(" {name}=\""));
        let value = found.and_then(|(_, after)| after.split('"').next());
        value.unwrap_or_default()
    }

    pub fn number(&self) -> u64 {
        self.of("number").parse().expect("a number")
    }
}

/// Listens while it is there; what has come stays.
pub struct Collector {
    at: SocketAddr,
    came: Arc<Mutex<Vec<Message>>>,
    tls: Option<Arc<ServerConfig>>,
    listening: Option<Listening>,
}

struct Listening {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Collector {
    /// Listens, under TLS with the leaf of `pki` if one is given.
    pub fn start(pki: Option<&Pki>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut collector = Self {
            at: port.local_addr().expect("its address"),
            came: Arc::default(),
            tls: pki.map(Pki::server),
            listening: None,
        };
        collector.listen(port, false);
        collector
    }

    pub fn port(&self) -> u16 {
        self.at.port()
    }

    /// What has come so far, in the order in which it came.
    pub fn came(&self) -> Vec<Message> {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.clone()
    }

    /// Goes away.
    pub fn leave(&mut self) {
        let Some(Listening { stop, thread }) = self.listening.take() else {
            return;
        };
        stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.at));
        thread.join().expect("it stops");
    }

    /// Comes back to the same port. One that breaks takes connections, reads a little and dies.
    pub fn come_back(&mut self, breaks: bool) {
        self.leave();
        let port = TcpListener::bind(self.at).expect("its port");
        self.listen(port, breaks);
    }

    fn listen(&mut self, port: TcpListener, breaks: bool) {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, came, tls) = (stop.clone(), self.came.clone(), self.tls.clone());
        let thread = std::thread::spawn(move || {
            for stream in port.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let read = if breaks {
                    let mut some = [0; 1];
                    (&stream).read(&mut some).map(|_| Vec::new())
                } else {
                    read(stream, tls.as_ref())
                };
                // Who does not trust it hangs up.
                let bytes = read.unwrap_or_default();
                let mut came = came.lock().unwrap_or_else(PoisonError::into_inner);
                came.extend(messages(&bytes));
            }
        });
        self.listening = Some(Listening { stop, thread });
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.leave();
    }
}

fn read(mut stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(tls) = tls else {
        stream.read_to_end(&mut bytes)?;
        return Ok(bytes);
    };
    let connection = ServerConnection::new(Arc::clone(tls)).expect("a connection");
    let mut stream = StreamOwned::new(connection, stream);
    stream.read_to_end(&mut bytes)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(bytes)
}

/// Messages counted in octets; one that was cut off is none.
fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some(space) = bytes.iter().position(|b| *b == b' ') {
        let (count, rest) = bytes.split_at(space);
        let count = std::str::from_utf8(count).expect("a count");
        let count: usize = count.parse().expect("a count");
        let Some(message) = rest.get(1..=count) else {
            break;
        };
        all.push(Message(String::from_utf8(message.to_vec()).expect("UTF-8")));
        bytes = &rest[count + 1..];
    }
    all
}

/// An authority and a certificate of it for `localhost`.
pub struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    /// None, with a word, when this machine has no openssl.
    pub fn make() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pki = Self { folder };
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let root = ["req", "-x509", "-subj", "/CN=authority", "-days", "30"];
        let files = ["-keyout", "authority.key", "-out", "authority.pem"];
        if !pki.openssl(&[&root[..], &curve, &files].concat()) {
            eprintln!("skipped: no openssl on this machine that makes certificates");
            return None;
        }
        let leaf = ["req", "-x509", "-subj", "/CN=localhost", "-days", "30"];
        let issued = ["-CA", "authority.pem", "-CAkey", "authority.key"];
        let named = ["-addext", "subjectAltName=DNS:localhost"];
        let end = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let files = ["-keyout", "leaf.key", "-out", "leaf.pem"];
        let made = pki.openssl(&[&leaf[..], &issued, &curve, &named, &end, &files].concat());
        assert!(made, "openssl issues the certificate");
        Some(pki)
    }

    pub fn authority(&self) -> String {
        self.path("authority.pem").display().to_string()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> bool {
        let ran = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output();
        ran.is_ok_and(|out| out.status.success())
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = CertificateDer::from_pem_file(self.path("leaf.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.path("leaf.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key);
        Arc::new(config.expect("a configuration"))
    }
}

/// Answers whoever asks for the time (SNTP) with the machine's, moved by so many seconds. It ends with
/// the test's process.
pub fn time_server(moved: i64) -> u16 {
    /// Seconds from 1900 to 1970.
    const TO_1970: i64 = 2_208_988_800;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        let mut question = [0; 48];
        loop {
            let from = match socket.recv_from(&mut question) {
                Ok((48, from)) => from,
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let mut answer = [0; 48];
            // Version 4, a server, of the second stratum.
            (answer[0], answer[1]) = ((4 << 3) | 4, 2);
            answer[24..32].copy_from_slice(&question[40..]);
            let seconds = u32::try_from((crate::seconds() + moved + TO_1970) % (1 << 32));
            let seconds = seconds.expect("32 bits").to_be_bytes();
            answer[32..36].copy_from_slice(&seconds);
            answer[40..44].copy_from_slice(&seconds);
            let _ = socket.send_to(&answer, from);
        }
    });
    port
}
