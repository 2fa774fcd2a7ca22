//! The connection to a collector: TLS (RFC 5425), or plain on this machine.
//!
//! Syslog has no word for "taken". So a batch is a connection: what was sent counts once the other side,
//! told that nothing more comes, has closed its own. A receiver that died with something unread resets
//! instead, and one that is not there does neither.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where receivers of syslog over TLS listen (RFC 5425, 4.1), and over TCP, by custom.
const TLS_PORT: u16 = 6514;
const TCP_PORT: u16 = 601;

/// Where to, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    tls: bool,
}

/// A receiver of syslog.
#[derive(Clone)]
pub(crate) struct Collector {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Address {
    /// `tls://HOST[:PORT]`, or `tcp://HOST[:PORT]` of this machine.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let uri: Uri = text.parse().context("it is no address")?;
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !text.contains('@');
        ensure!(
            bare && !host.is_empty(),
            "it is more or less than tls://HOST[:PORT]"
        );
        let here = host
            .parse()
            .map_or(host == "localhost", |ip: IpAddr| ip.is_loopback());
        let (tls, port) = match uri.scheme_str() {
            Some("tls") => (true, TLS_PORT),
            Some("tcp") if here => (false, TCP_PORT),
            _ => bail!("it must begin with tls://: what was done, by whom, goes there"),
        };
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(port),
            tls,
        })
    }

    pub(crate) const fn is_tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "tcp" };
        match self.host.parse() {
            Ok(IpAddr::V6(ip)) => write!(f, "{scheme}://[{ip}]:{}", self.port),
            _ => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Collector {
    /// `tls` says how to speak it, where the address asks for it.
    pub(crate) fn new(address: Address, tls: Option<ClientConfig>) -> Result<Self> {
        let name = || ServerName::try_from(address.host.clone()).context("its host is no name");
        let tls = tls.map(|config| Ok::<_, anyhow::Error>((Arc::new(config).into(), name()?)));
        Ok(Self {
            tls: tls.transpose()?,
            address,
        })
    }

    /// Hands counted messages over and waits until they are read.
    pub(super) async fn take(&self, frames: &[u8]) -> io::Result<()> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        match &self.tls {
            None => hand_over(stream, frames).await,
            Some((tls, name)) => hand_over(tls.connect(name.clone(), stream).await?, frames).await,
        }
    }
}

async fn hand_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    frames: &[u8],
) -> io::Result<()> {
    stream.write_all(frames).await?;
    stream.flush().await?;
    stream.shutdown().await?;
    let mut said = [0; 256];
    loop {
        match stream.read(&mut said).await {
            Ok(0) => return Ok(()),
            // A receiver has nothing to say.
            Ok(_) => {}
            // Some close the connection without the farewell of TLS. They have read to the end, else
            // the connection would have been reset.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        for (given, told) in [
            ("tls://logs.example", "tls://logs.example:6514"),
            ("tls://10.0.0.7:7000", "tls://10.0.0.7:7000"),
            ("tcp://127.0.0.1", "tcp://127.0.0.1:601"),
            ("tcp://[::1]:5140", "tcp://[::1]:5140"),
            ("tcp://localhost:5140", "tcp://localhost:5140"),
        ] {
            assert_eq!(Address::parse(given).unwrap().to_string(), told);
        }
        for refused in [
            "tcp://logs.example",
            "tcp://10.0.0.7:601",
            "tcp://127.0.0.1.example",
            "udp://127.0.0.1",
            "tls://user@logs.example",
            "tls://logs.example/path",
            "logs.example",
            "tls://",
            "",
        ] {
            assert!(Address::parse(refused).is_err(), "{refused}");
        }
    }
}
