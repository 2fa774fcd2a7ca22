//! A light HTTP/1.1 client that keeps its connections: bytes made before, answers read to their
//! declared length and not looked into. One thread serves all clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::measure::Figures;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// One kept connection.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Who calls: headers that every request of a client carries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// What a load came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) figures: Figures,
    pub(crate) failed: u64,
    /// The client's processor time as a share of one core.
    pub(crate) client_share: f64,
}

impl Wire {
    pub(crate) async fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends one request and gives its status; the answer stays in the buffer.
    async fn send(&mut self, request: &[u8]) -> Result<(u16, usize)> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (body, length) = loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed"
            );
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.get(..end).unwrap_or_default();
                break (end + 4, length(head)?);
            }
        };
        while self.buffer.len() < body + length {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed"
            );
        }
        let status = self.buffer.get(9..12).and_then(|s| str::from_utf8(s).ok());
        Ok((status.and_then(|s| s.parse().ok()).unwrap_or(0), body))
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        let (status, body) = self.send(request).await?;
        let (head, body) = self.buffer.split_at(body);
        Ok(Answer {
            status,
            head: String::from_utf8_lossy(head).into_owned(),
            body: body.to_vec(),
        })
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).context("an answer is not JSON")
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|b| *b == b'\n') {
        if let Some((name, value)) = line.split_at_checked(NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            return Ok(str::from_utf8(value)?.trim().parse()?);
        }
    }
    bail!(
        "an answer without a length: {}",
        String::from_utf8_lossy(head)
    )
}

/// A request's bytes. A body is JSON.
pub(crate) fn request(method: &str, path: &str, accept: &str, by: &Visitor, body: &str) -> Vec<u8> {
    let caller = match by.cookie.as_str() {
        "" => String::new(),
        cookie => format!("cookie: {cookie}\r\nx-csrf-token: {}\r\n", by.csrf),
    };
    let about = match body.len() {
        0 => String::new(),
        length => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
    };
    let first = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\naccept: {accept}\r\n");
    [&first, &caller, &about, "\r\n", body]
        .concat()
        .into_bytes()
}

/// Makes the nth request of a client.
pub(crate) type Make = Arc<dyn Fn(usize, u64) -> Vec<u8> + Send + Sync>;

/// `clients` connections, each asking again as soon as it is answered, for `slice`.
pub(crate) async fn load(
    to: SocketAddr,
    clients: usize,
    slice: Duration,
    make: Make,
) -> Result<Load> {
    // One thread of its own: the client must not spread over the cores it shares with the server.
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(run(to, clients, slice, make))
    })
    .await?
}

async fn run(to: SocketAddr, clients: usize, slice: Duration, make: Make) -> Result<Load> {
    let mut wires = Vec::with_capacity(clients);
    for _ in 0..clients {
        wires.push(Wire::open(to).await?);
    }
    let (began, before) = (Instant::now(), crate::machine::own_cpu());
    let mut tasks = JoinSet::new();
    for (client, mut wire) in wires.into_iter().enumerate() {
        let make = Arc::clone(&make);
        tasks.spawn(async move {
            let (mut times, mut failed) = (Vec::new(), 0_u64);
            for n in 0.. {
                if began.elapsed() >= slice {
                    break;
                }
                let request = make(client, n);
                let one = Instant::now();
                let (status, _) = wire.send(&request).await?;
                times.push(one.elapsed());
                failed += u64::from(!(200..300).contains(&status));
            }
            anyhow::Ok((times, failed))
        });
    }
    let mut times = Vec::new();
    let mut failed = 0;
    while let Some(done) = tasks.join_next().await {
        let (t, f) = done??;
        times.extend(t);
        failed += f;
    }
    let all = began.elapsed();
    let cpu = crate::machine::own_cpu().saturating_sub(before);
    Ok(Load {
        figures: Figures::of(times, all, Duration::ZERO),
        failed,
        client_share: cpu.as_secs_f64() / all.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_length_is_read_whatever_its_case() {
        assert_eq!(
            length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y").unwrap(),
            12
        );
        assert!(length(b"HTTP/1.1 200 OK\r\nx: y").is_err());
    }

    #[test]
    fn a_request_says_who_asks_and_how_long_it_is() {
        let by = Visitor {
            cookie: "s=1".into(),
            csrf: "t".into(),
        };
        let text = String::from_utf8(request("POST", "/x", "*/*", &by, "{}")).unwrap();
        assert!(text.starts_with("POST /x HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("cookie: s=1\r\n") && text.contains("content-length: 2\r\n"));
        assert!(text.ends_with("\r\n\r\n{}"));
    }
}
