//! A connection under the national suites, for clients that show certificates.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};
use serde_json::Value;

use crate::Server;

/// How the answer to what was done begins.
pub const OK: &str = "HTTP/1.1 200";

/// A header of an answer's head.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    let found = pairs.find(|(one, _)| one.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// A connection under the national suites, which stays open.
pub struct Wire(StreamOwned<ClientConnection, TcpStream>);

impl Wire {
    /// To a server whose certificate is `site.pem`; shows `NAME.pem` with `NAME.key` of the folder.
    pub fn open(server: &Server, folder: &Path, shows: Option<&str>) -> Self {
        let pem =
            |name: &str| CertificateDer::from_pem_file(folder.join(name)).expect("a connection");
        let mut roots = RootCertStore::empty();
        roots.add(pem("site.pem")).expect("a connection");
        let provider = Arc::new(kernel_crypto::tls::provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .expect("a connection")
            .with_root_certificates(roots);
        let config = match shows {
            None => config.with_no_client_auth(),
            Some(name) => {
                let key = folder.join(format!("{name}.key"));
                let key = PrivateKeyDer::from_pem_file(key).expect("a connection");
                let chain = vec![pem(&format!("{name}.pem"))];
                config
                    .with_client_auth_cert(chain, key)
                    .expect("a connection")
            }
        };
        let name = ServerName::try_from("localhost").expect("a connection");
        let client = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let at = server.url.trim_start_matches("https://");
        Self(StreamOwned::new(
            client,
            TcpStream::connect(at).expect("a connection"),
        ))
    }

    /// Head and body of an answer; nothing of a connection that is broken off.
    pub fn ask(&mut self, ask: &str, headers: &[(&str, &str)], body: &Value) -> (String, Value) {
        let body = body.to_string();
        let length = body.len().to_string();
        let fixed = [
            ("host", "localhost"),
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
        ];
        let lines = fixed.iter().chain(headers);
        let lines: String = lines
            .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
            .collect();
        let request = format!("{ask} HTTP/1.1\r\n{lines}\r\n{body}");
        let _ = self.0.write_all(request.as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            if !matches!(self.0.read(&mut one), Ok(1)) {
                return (String::new(), Value::Null);
            }
            head.push(one[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = header(&head, "content-length").unwrap_or("0").parse();
        let length = length.expect("a connection");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a connection");
        (head, serde_json::from_slice(&body).unwrap_or_default())
    }
}
