//! Where connections come in: plain, or under TLS with the national suites (RFC 8998) and the
//! international ones on one port.
//!
//! A client that offers the national suite, curve and signature is served with the national
//! certificate; any other with the international one. A slow or broken handshake costs its own
//! connection only: handshakes run beside each other, bounded in number and time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use kernel_crypto::tls as national;
use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clients::{Clients, Proved};

/// Handshakes at once. Beyond it connections wait in the system's queue.
const HANDSHAKES: usize = 4096;
/// Longest a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wait after the system could not give a connection, as when files have run out.
const BREATH: Duration = Duration::from_secs(1);

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The certificate that the client proved to hold, checked against whom the configuration trusts.
    pub certificate: Option<Arc<Proved>>,
}

/// How to serve under TLS; at least one of the two.
#[derive(Clone, Default)]
pub struct Tls {
    pub international: Option<Side>,
    /// Made with [`kernel_crypto::tls::provider`].
    pub national: Option<Side>,
}

/// How to serve clients of one kind.
#[derive(Clone)]
pub struct Side {
    pub config: Arc<ServerConfig>,
    /// Who checks their certificates, where they may show any.
    pub clients: Option<Arc<Clients>>,
}

impl Tls {
    fn choose(&self, hello: &ClientHello<'_>) -> Option<Side> {
        let groups = hello.named_groups().unwrap_or_default();
        let offered = national::offered(hello.cipher_suites(), groups, hello.signature_schemes());
        let (first, second) = if offered {
            (&self.national, &self.international)
        } else {
            (&self.international, &self.national)
        };
        first.clone().or_else(|| second.clone())
    }
}

/// A listening port. Give it to [`axum::serve`] with [`Peer`] as the connection's facts.
pub struct Door {
    port: TcpListener,
    tls: Option<Tls>,
    shaking: JoinSet<io::Result<(Stream, Peer)>>,
}

impl Door {
    /// Under TLS if `tls` says how.
    pub fn new(port: TcpListener, tls: Option<Tls>) -> Self {
        Self {
            port,
            tls,
            shaking: JoinSet::new(),
        }
    }

    fn arrived(&mut self, stream: TcpStream, address: SocketAddr) -> Option<(Stream, Peer)> {
        // Answers are written whole: waiting for more to send only costs time.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "a connection was gone at once");
            return None;
        }
        let Some(tls) = self.tls.clone() else {
            let peer = Peer {
                address,
                certificate: None,
            };
            return Some((Stream::Plain(stream), peer));
        };
        self.shaking.spawn(async move {
            tokio::time::timeout(PATIENCE, shake(tls, stream, address))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
        None
    }
}

async fn shake(tls: Tls, stream: TcpStream, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let side = tls
        .choose(&hello.client_hello())
        .ok_or(io::ErrorKind::Unsupported)?;
    let stream = hello.into_stream(side.config).await?;
    let shown = stream.get_ref().1.peer_certificates().zip(side.clients);
    let proved = shown.and_then(|(chain, by)| Proved::new(chain, by));
    let certificate = proved.map(Arc::new);
    let peer = Peer {
        address,
        certificate,
    };
    Ok((Stream::Secure(Box::new(stream)), peer))
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Listener for Door {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                accepted = self.port.accept(), if self.shaking.len() < HANDSHAKES => {
                    match accepted {
                        Ok((stream, address)) => {
                            if let Some(arrived) = self.arrived(stream, address) {
                                return arrived;
                            }
                        }
                        Err(error) => {
                            tracing::warn!(%error, "no connection could be taken");
                            tokio::time::sleep(BREATH).await;
                        }
                    }
                }
                Some(done) = self.shaking.join_next() => match done {
                    Ok(Ok(secure)) => return secure,
                    Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                    Err(error) => tracing::error!(%error, "a handshake ended early"),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer {
            address: self.port.local_addr()?,
            certificate: None,
        })
    }
}

/// A connection's bytes.
pub enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Self::Secure(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Self::Secure(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Self::Secure(s) => Pin::new(s).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(s) => s.is_write_vectored(),
            Self::Secure(s) => s.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_flush(cx),
            Self::Secure(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Self::Secure(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
