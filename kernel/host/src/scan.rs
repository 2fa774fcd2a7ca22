//! Scanning uploads for malware, with clamd.
//!
//! A blob waits, sealed and closed to everybody, until a scan has said that it is clear. A scanner
//! that is down makes files wait and nothing else; a later round scans them. What a scan finds
//! something in stays sealed for good: evidence, never content.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use kernel_storage::{AuditDraft, Blob, BlobState, FileChange, Upload};
use sdk_contract::error::Fault;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::Host;
use crate::reads::{chain, storage};
use crate::uploads::{infected, unavailable};

/// Longest one scan may take while somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes sent at a time.
const PIECE: usize = 256 * 1024;
/// Longest answer that is read.
const ANSWER: u64 = 4096;
/// Blobs that one round scans.
const ROUND: u32 = 50;

/// Where clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clamd {
    Unix(PathBuf),
    /// Of this machine.
    Tcp(SocketAddr),
}

/// What a scan said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Clear,
    /// The name of what was found.
    Found(String),
}

/// Not where a clamd could be.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is neither unix:PATH nor a port of this machine, 127.0.0.1:3310: clamd speaks no TLS"
)]
pub struct BadAddress(String);

impl FromStr for Clamd {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Some(path) = text.strip_prefix("unix:").filter(|p| p.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.parse().ok();
        // Whatever people upload would cross the network in plain.
        address
            .filter(|address: &SocketAddr| address.ip().is_loopback())
            .map(Self::Tcp)
            .ok_or_else(|| BadAddress(text.to_owned()))
    }
}

impl Clamd {
    /// Has the bytes scanned; an error says nothing about them.
    pub async fn scan(&self, bytes: &[u8]) -> io::Result<Verdict> {
        let asked = async {
            match self {
                Self::Unix(path) => ask(UnixStream::connect(path).await?, bytes).await,
                Self::Tcp(address) => ask(TcpStream::connect(address).await?, bytes).await,
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => read(&answer?),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The command INSTREAM: pieces with their lengths before them, and one of length zero.
async fn ask(mut clamd: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> io::Result<Vec<u8>> {
    clamd.write_all(b"zINSTREAM\0").await?;
    for piece in bytes.chunks(PIECE) {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        clamd.write_all(&length.to_be_bytes()).await?;
        clamd.write_all(piece).await?;
    }
    clamd.write_all(&0_u32.to_be_bytes()).await?;
    clamd.flush().await?;
    let mut answer = Vec::new();
    clamd.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// `stream: OK`, `stream: <name> FOUND`, or that it could not.
fn read(answer: &[u8]) -> io::Result<Verdict> {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim_end_matches(['\0', '\n']);
    let said = text.strip_prefix("stream: ").unwrap_or(text);
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(Verdict::Found(name.chars().take(200).collect())),
        None if said == "OK" => Ok(Verdict::Clear),
        None => Err(io::Error::other(format!("clamd answered {said:?}"))),
    }
}

impl Host {
    /// Scans an upload while its sender waits. Where that cannot be, the blob waits instead.
    pub(crate) async fn scan_upload(
        &self,
        upload: &Upload,
        digest: &str,
        bytes: Vec<u8>,
    ) -> Result<(), Fault> {
        let Some(scanner) = self.scanner() else {
            return Ok(());
        };
        let verdict = match scanner.scan(&bytes).await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "clamd does not scan: an upload waits"
                );
                return Ok(());
            }
        };
        let found = matches!(verdict, Verdict::Found(_));
        self.judge(&upload.owner, digest, verdict).await?;
        if found { Err(infected()) } else { Ok(()) }
    }

    /// Scans blobs that wait, oldest first. Says how many are clear now.
    pub async fn scan_waiting(&self) -> Result<usize, Fault> {
        let Some(scanner) = self.scanner() else {
            return Ok(0);
        };
        let waiting = self.store().waiting_blobs(ROUND).await;
        let mut clear = 0;
        for Blob {
            digest,
            owner,
            place,
            ..
        } in waiting.map_err(|e| storage(&e))?
        {
            let bytes = self.blobs().get(&place).await;
            let Some(bytes) = bytes.map_err(|e| unavailable(&e))? else {
                tracing::error!(digest, "a blob that waits is not there");
                continue;
            };
            let verdict = match scanner.scan(&bytes).await {
                Ok(verdict) => verdict,
                Err(error) => {
                    tracing::error!(error = chain(&error), "clamd does not scan: uploads wait");
                    break;
                }
            };
            clear += usize::from(verdict == Verdict::Clear);
            self.judge(&owner, &digest, verdict).await?;
        }
        Ok(clear)
    }

    async fn judge(&self, owner: &str, digest: &str, verdict: Verdict) -> Result<(), Fault> {
        let at = self.clock().now().micros();
        let (state, finding) = match verdict {
            Verdict::Clear => (BlobState::Clear, None),
            Verdict::Found(name) => (BlobState::Quarantined, Some(name)),
        };
        let audit = finding.as_ref().map(|name| {
            tracing::error!(alarm = "malware", digest, owner, finding = %name, "an upload is quarantined");
            AuditDraft {
                at,
                actor: "kernel".into(),
                organisation: Some(owner.to_owned()).filter(|o| !o.is_empty()),
                action: "file.quarantine".into(),
                object: digest.to_owned(),
                outcome: "ok".into(),
                detail: json!({ "finding": name }),
                request: "scan".into(),
                ..AuditDraft::default()
            }
        });
        let change = FileChange::Scanned {
            digest: digest.to_owned(),
            owner: owner.to_owned(),
            state,
            finding,
        };
        self.change_files(change, audit.into_iter().collect())
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_clamd_writes_them() {
        assert_eq!(read(b"stream: OK\0").unwrap(), Verdict::Clear);
        assert_eq!(
            read(b"stream: Eicar-Test-Signature FOUND\0").unwrap(),
            Verdict::Found("Eicar-Test-Signature".into())
        );
        for none in [
            b"INSTREAM size limit exceeded. ERROR\0".as_slice(),
            b"",
            b"OKAY",
        ] {
            assert!(read(none).is_err());
        }
    }

    #[test]
    fn an_address_is_a_socket_or_a_port() {
        assert_eq!(
            "unix:/run/clamd.ctl".parse::<Clamd>().unwrap(),
            Clamd::Unix("/run/clamd.ctl".into())
        );
        assert!("127.0.0.1:3310".parse::<Clamd>().is_ok());
        for bad in [
            "",
            "unix:",
            "unix:relative",
            "localhost",
            "a:b",
            ":3310",
            "192.0.2.1:3310",
        ] {
            assert!(bad.parse::<Clamd>().is_err(), "{bad}");
        }
    }
}
