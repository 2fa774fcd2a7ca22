//! HTTP as bytes: what a well-behaved client would not send can be sent, and every answer is read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Longest that an answer is waited for: a server that hangs is found, a slow machine is not blamed.
const PATIENCE: Duration = Duration::from_mins(2);

/// One connection, opened anew when the server has closed it.
pub(crate) struct Wire {
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the platform answered, and not the HTTP library before it.
    pub(crate) fn is_ours(&self) -> bool {
        self.header("x-request-id").is_some()
    }

    pub(crate) fn kind(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            address: url.trim_start_matches("http://").to_owned(),
            stream: None,
        }
    }

    /// Sends a whole request. A connection that the server had closed meanwhile is tried once more.
    pub(crate) fn send(&mut self, request: &[u8], head_only: bool) -> Option<Answer> {
        let fresh = self.stream.is_none();
        let answer = self.attempt(request, head_only, false);
        if answer.is_some() || fresh {
            return answer;
        }
        self.attempt(request, head_only, false)
    }

    /// Sends what ends before it says it would, and closes this side.
    pub(crate) fn send_cut(&mut self, request: &[u8]) -> Option<Answer> {
        self.stream = None;
        let answer = self.attempt(request, false, true);
        self.stream = None;
        answer
    }

    fn attempt(&mut self, request: &[u8], head_only: bool, cut: bool) -> Option<Answer> {
        let mut reader = self.stream.take().unwrap_or_else(|| {
            let stream = TcpStream::connect(&self.address).expect("the server listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_nodelay(true).expect("a socket");
            BufReader::new(stream)
        });
        // The server may answer and close before it has read everything.
        let _ = reader.get_mut().write_all(request);
        if cut {
            let _ = reader.get_mut().shutdown(Shutdown::Write);
        }
        let (answer, open) = read(&mut reader, head_only)?;
        if open && !cut {
            self.stream = Some(reader);
        }
        Some(answer)
    }
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (!text.is_empty()).then(|| text.trim_end().to_owned())
}

/// The answer, and whether the connection stays open.
fn read(reader: &mut impl BufRead, head_only: bool) -> Option<(Answer, bool)> {
    let first = line(reader)?;
    let status: u16 = first.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if status == 100 {
        return read(reader, head_only);
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    let mut open = answer.header("connection") != Some("close");
    let length = answer.header("content-length").map(str::parse::<u64>);
    if head_only || matches!(status, 204 | 304) {
        return Some((answer, open));
    }
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = chunked(reader)?;
    } else if let Some(length) = length {
        let length = length.ok()?;
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body).ok()?;
        answer.body = body;
    } else {
        reader.read_to_end(&mut answer.body).ok()?;
        open = false;
    }
    Some((answer, open))
}

fn chunked(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = u64::from_str_radix(&line(reader)?, 16).ok()?;
        let mut chunk = Vec::new();
        reader.take(size).read_to_end(&mut chunk).ok()?;
        body.extend(chunk);
        let mut end = [0; 2];
        reader.read_exact(&mut end).ok()?;
        if size == 0 {
            return Some(body);
        }
    }
}
