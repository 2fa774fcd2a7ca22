//! An authority outside the platform that says when something was there: Debian's `openssl ts`, behind HTTP
//! with and without TLS, which does what a test tells it to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificate::openssl;
use crate::collector::Pki;
use crate::database::Database;
use crate::{Server, Start, pause};

const SETTINGS: &str = "[tsa]\ndefault_tsa = t\n[t]\nserial = ./serial\nsigner_digest = sha256\n\
    default_policy = 1.2.3.4.1\ndigests = sm3, sha256\naccuracy = secs:1\nordering = yes\n\
    tsa_name = yes\ness_cert_id_alg = sha256\n\
    [ca]\ndefault_ca = one\n[one]\ndatabase = index\ncrlnumber = number\ndefault_md = sha256\n";
/// Where the digest stands in a question with SM3.
const DIGEST: std::ops::Range<usize> = 23..55;
/// For longer than this it holds nobody.
const LONGEST: Duration = Duration::from_mins(1);

/// What the authority does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Stamps,
    /// Stamps, a second later.
    StampsSlowly,
    /// The answer to the question before.
    Repeats,
    /// Stamps other bytes for the same nonce.
    StampsAnother,
    Rejects,
    Garbage,
    TenMegabytes,
    HangsUp,
    /// Takes the question and says nothing.
    IsSilent,
    /// Promises an answer, and sends it byte by byte.
    Trickles,
}

/// What came to the authority.
#[derive(Debug, Default)]
pub struct Came {
    /// Whoever connected, whether or not they asked.
    pub connections: usize,
    /// Questions that are over.
    pub asked: usize,
    /// How often each digest was asked about.
    pub about: BTreeMap<Vec<u8>, usize>,
    /// Digests that were asked about again while their question was open.
    pub twice: usize,
    /// The most questions that were open at once.
    pub at_once: usize,
    /// For how long the platform waited for what it did not get.
    pub waited: Vec<Duration>,
    open: Vec<Vec<u8>>,
}

pub struct Authority {
    folder: tempfile::TempDir,
    url: String,
    does: Arc<Mutex<Does>>,
    came: Arc<Mutex<Came>>,
}

struct Desk {
    folder: PathBuf,
    does: Arc<Mutex<Does>>,
    came: Arc<Mutex<Came>>,
    /// Of the files that openssl works in.
    turn: Mutex<()>,
}

fn run(folder: &Path, arguments: &str) {
    let (done, told) = openssl(folder, arguments).expect("openssl");
    assert!(done, "{arguments}: {told}");
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Authority {
    /// None without openssl.
    pub fn start(does: Does) -> Option<Self> {
        Self::listen(does, None)
    }

    /// Under TLS, with the leaf of `pki`, which is for `localhost`.
    pub fn secure(does: Does, pki: &Pki) -> Option<Self> {
        Self::listen(does, Some(pki.server()))
    }

    fn listen(does: Does, tls: Option<Arc<ServerConfig>>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path();
        if openssl(at, "version").is_none() {
            eprintln!("skipped: no openssl on this machine");
            return None;
        }
        let extensions = "extendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n";
        let files = [
            ("ts.cnf", SETTINGS),
            ("serial", "01"),
            ("ext", extensions),
            ("index", ""),
            ("number", "01"),
        ];
        for (name, content) in files {
            fs::write(at.join(name), content).expect("a file");
        }
        for command in [
            "ecparam -genkey -name prime256v1 -noout -out root.key",
            "ecparam -genkey -name prime256v1 -noout -out tsa.key",
            "req -x509 -new -key root.key -sha256 -subj /CN=root -days 30 -out root.pem \
             -addext keyUsage=critical,keyCertSign,cRLSign",
        ] {
            run(at, command);
        }
        certified(at, 2);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let url = match tls {
            None => format!("http://127.0.0.1:{port}/"),
            Some(_) => format!("https://localhost:{port}/"),
        };
        let (does, came) = (Arc::new(Mutex::new(does)), Arc::default());
        let desk = Arc::new(Desk {
            folder: at.to_owned(),
            does: Arc::clone(&does),
            came: Arc::clone(&came),
            turn: Mutex::default(),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (desk, tls) = (Arc::clone(&desk), tls.clone());
                let stream = stream.expect("a connection");
                locked(&desk.came).connections += 1;
                std::thread::spawn(move || desk.hear(stream, tls));
            }
        });
        Some(Self {
            folder,
            url,
            does,
            came,
        })
    }

    pub fn now(&self, does: Does) {
        *locked(&self.does) = does;
    }

    /// Questions that are over.
    pub fn asked(&self) -> usize {
        self.came().asked
    }

    pub fn came(&self) -> MutexGuard<'_, Came> {
        locked(&self.came)
    }

    /// The configuration of a platform that asks it: further lines of `[timestamps]`, then whatever else.
    pub fn config(&self, more: &str) -> PathBuf {
        let root = self.folder.path().join("root.pem");
        let config = format!(
            "[timestamps]\nurl = \"{}\"\ncertificates = \"{}\"\n{more}",
            self.url,
            root.display()
        );
        let file = self.folder.path().join("config.toml");
        fs::write(&file, config).expect("a file");
        file
    }

    /// A platform that asks it.
    pub fn platform(&self) -> Option<Server> {
        self.platform_on(None, "")
    }

    /// The same on another database, or configured further.
    pub fn platform_on(&self, database: Option<Database>, more: &str) -> Option<Server> {
        Server::start_as(Start {
            config: Some(self.config(more)),
            database,
            ..Start::default()
        })
    }

    /// Where the list of what its root took back is put.
    pub fn list(&self) -> PathBuf {
        self.folder.path().join("list.pem")
    }

    /// Puts the list there as it is now, holding `between` two times.
    pub fn lists(&self, between: Option<[&str; 2]>) {
        let time = match between {
            None => "-crldays 30".to_owned(),
            Some([from, to]) => format!("-crl_lastupdate {from} -crl_nextupdate {to}"),
        };
        self.ca(&format!("-gencrl {time} -out new.pem"));
        // At once: whoever reads it meanwhile has the one or the other.
        let new = self.folder.path().join("new.pem");
        fs::rename(new, self.list()).expect("the list");
    }

    /// Its root takes its certificate back.
    pub fn revoke(&self) {
        self.ca("-revoke tsa.pem");
    }

    /// Its root gives it another certificate.
    pub fn renew(&self) {
        certified(self.folder.path(), 3);
    }

    fn ca(&self, what: &str) {
        let who = "ca -config ts.cnf -keyfile root.key -cert root.pem";
        run(self.folder.path(), &format!("{who} {what}"));
    }
}

fn certified(at: &Path, serial: u32) {
    run(
        at,
        "req -new -key tsa.key -sha256 -subj /CN=stamps -out tsa.csr",
    );
    let issue = "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -sha256 -extfile ext -days 30";
    run(at, &format!("{issue} -set_serial {serial} -out tsa.pem"));
}

impl Desk {
    fn hear(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        match tls {
            None => self.answer(stream),
            Some(tls) => {
                let connection = ServerConnection::new(tls).expect("a connection");
                self.answer(StreamOwned::new(connection, stream));
            }
        }
    }

    fn answer(&self, mut stream: impl Read + Write) {
        let Some(question) = question(&mut stream) else {
            return;
        };
        let does = *locked(&self.does);
        let about = question.get(DIGEST).unwrap_or_default().to_vec();
        {
            let mut came = locked(&self.came);
            came.twice += usize::from(came.open.contains(&about));
            came.open.push(about.clone());
            came.at_once = came.at_once.max(came.open.len());
            *came.about.entry(about.clone()).or_default() += 1;
        }
        self.say(&mut stream, does, question);
        let mut came = locked(&self.came);
        if let Some(place) = came.open.iter().position(|open| *open == about) {
            came.open.remove(place);
        }
        came.asked += 1;
    }

    fn say(&self, stream: &mut (impl Read + Write), does: Does, mut question: Vec<u8>) {
        let began = Instant::now();
        if does == Does::StampsAnother
            && let Some(byte) = question.get_mut(DIGEST.start + 17)
        {
            *byte ^= 1;
        }
        while does == Does::StampsSlowly && began.elapsed() < Duration::from_secs(1) {
            pause();
        }
        let body = match does {
            Does::HangsUp => return,
            Does::IsSilent => {
                // Whoever asked hangs up, or this does.
                let mut rest = [0; 1];
                let _ = stream.read(&mut rest);
                locked(&self.came).waited.push(began.elapsed());
                return;
            }
            Does::Trickles => {
                let _ = stream.write_all(&head(200_000));
                let trickle = |stream: &mut dyn Write| {
                    let sent = stream.write_all(&[0x30]).and_then(|()| stream.flush());
                    sent.is_ok() && began.elapsed() < LONGEST
                };
                while trickle(stream) {
                    pause();
                }
                locked(&self.came).waited.push(began.elapsed());
                return;
            }
            Does::Garbage => b"<html>busy</html>".to_vec(),
            Does::TenMegabytes => vec![0x30; 10 << 20],
            Does::Rejects => vec![0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02],
            Does::Repeats => fs::read(self.folder.join("answer.tsr")).expect("an answer"),
            Does::Stamps | Does::StampsSlowly | Does::StampsAnother => self.stamp(&question),
        };
        // The other end hangs up on what is too long, or was killed.
        let sent = stream.write_all(&[head(body.len()), body].concat());
        let _ = sent.and_then(|()| stream.flush());
    }

    fn stamp(&self, question: &[u8]) -> Vec<u8> {
        let _turn = locked(&self.turn);
        fs::write(self.folder.join("question.tsq"), question).expect("a file");
        let reply = "ts -reply -config ts.cnf -queryfile question.tsq -signer tsa.pem \
                     -inkey tsa.key -out answer.tsr";
        run(&self.folder, reply);
        fs::read(self.folder.join("answer.tsr")).expect("an answer")
    }
}

fn head(length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    )
    .into_bytes()
}

/// The body of a request; none where nobody asks, as behind a certificate that is not believed.
fn question(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        all.extend_from_slice(piece.get(..n)?);
        let Some(head) = all.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let said = String::from_utf8_lossy(all.get(..head)?).to_lowercase();
        assert!(said.contains("application/timestamp-query"), "{said}");
        let length = said.split("content-length: ").nth(1)?.lines().next()?;
        let body = all.get(head + 4..)?;
        if body.len() >= length.trim().parse().ok()? {
            return Some(body.to_vec());
        }
    }
}
