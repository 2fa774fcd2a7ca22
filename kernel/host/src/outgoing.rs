//! What the platform asks of other systems over HTTP goes through here, and nowhere else but to the
//! object store that files may lie in, which is storage's own (`docs/decisions/0008`).
//!
//! Only addresses that the operator has configured are asked; no redirect is followed, no proxy is
//! taken from the environment, and no cookie is kept. An answer is small and comes in time, or it is
//! none. Deliberately absent: addresses that modules choose.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const MOST_BYTES: u64 = 256 * 1024;
/// Requests at once: each holds a thread.
const AT_ONCE: usize = 32;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("the other system does not answer")]
    Silent(#[from] ureq::Error),
    #[error("the other system refuses with status {0}")]
    Refused(u16),
    #[error("the answer is no JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the work was cut short by shutdown")]
    Stopped,
}

/// Asks other systems. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    config: Config,
    turns: Arc<Semaphore>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

/// A request for JSON. Not to be printed: it holds what the other side knows us by.
#[derive(Clone, Default)]
pub struct Request {
    pub url: String,
    /// The header `Authorization`; empty is none.
    pub authorization: String,
    /// Fields of a form to post; none is a `GET`.
    pub form: Option<Vec<(&'static str, String)>>,
}

impl Outgoing {
    /// Trusts the authorities in `roots` for TLS, with `provider` as its cryptography.
    pub fn new(roots: &[CertificateDer<'_>], provider: Arc<CryptoProvider>) -> Self {
        let roots: Vec<Certificate<'static>> = roots
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Config::builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent("rongqiao")
            .build();
        Self {
            config,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The answer's JSON, where the status says that it is one.
    pub async fn json(&self, request: Request) -> Result<serde_json::Value, OutgoingError> {
        let body = self.in_turn(|agent| ask(&agent, request)).await?;
        serde_json::from_slice(&body).map_err(OutgoingError::NotJson)
    }

    /// The answer to bytes of a type, where the status says that it is one.
    pub async fn post(
        &self,
        url: String,
        (media, body): (&'static str, Vec<u8>),
    ) -> Result<Vec<u8>, OutgoingError> {
        self.in_turn(move |agent| {
            let post = agent.post(&url).header("content-type", media);
            read(post.send(body.as_slice())?)
        })
        .await
    }

    /// What is at an address, of so many bytes at most, where the status says that it is there.
    pub async fn get(&self, url: String, most: u64) -> Result<Vec<u8>, OutgoingError> {
        self.in_turn(move |agent| read_most(agent.get(&url).call()?, most))
            .await
    }

    async fn in_turn(
        &self,
        ask: impl FnOnce(ureq::Agent) -> Result<Vec<u8>, OutgoingError> + Send + 'static,
    ) -> Result<Vec<u8>, OutgoingError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| OutgoingError::Stopped)?;
        // An agent keeps cookies and connections: one for each request shares neither.
        let agent = self.config.new_agent();
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            ask(agent)
        });
        asked.await.map_err(|_| OutgoingError::Stopped)?
    }
}

fn ask(agent: &ureq::Agent, request: Request) -> Result<Vec<u8>, OutgoingError> {
    let accept = ("accept", "application/json");
    let authorization = request.authorization.as_str();
    let answer = match request.form {
        None => {
            let mut get = agent.get(&request.url).header(accept.0, accept.1);
            if !authorization.is_empty() {
                get = get.header("authorization", authorization);
            }
            get.call()?
        }
        Some(form) => {
            let mut post = agent.post(&request.url).header(accept.0, accept.1);
            if !authorization.is_empty() {
                post = post.header("authorization", authorization);
            }
            post.send_form(form)?
        }
    };
    read(answer)
}

fn read(answer: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>, OutgoingError> {
    read_most(answer, MOST_BYTES)
}

fn read_most(
    mut answer: ureq::http::Response<ureq::Body>,
    most: u64,
) -> Result<Vec<u8>, OutgoingError> {
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(OutgoingError::Refused(status));
    }
    let body = answer.body_mut().with_config().limit(most);
    Ok(body.read_to_vec()?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes; gives the request.
    fn answers(with: Vec<u8>) -> (String, std::thread::JoinHandle<String>) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", port.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = port.accept().unwrap();
            let mut asked = [0; 4096];
            let n = stream.read(&mut asked).unwrap();
            // The other end hangs up on what is too long.
            let _ = stream.write_all(&with);
            String::from_utf8_lossy(&asked[..n]).into_owned()
        });
        (url, serving)
    }

    fn outgoing() -> Outgoing {
        Outgoing::new(&[], Arc::new(kernel_crypto::tls::provider()))
    }

    async fn get(with: impl Into<Vec<u8>>) -> Result<serde_json::Value, OutgoingError> {
        let (url, serving) = answers(with.into());
        let request = Request {
            url,
            authorization: "Bearer t".into(),
            form: None,
        };
        let got = outgoing().json(request).await;
        assert!(serving.join().unwrap().contains("Bearer t"));
        got
    }

    #[tokio::test]
    async fn an_answer_is_json_and_small() {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let got = get(format!("{head}{{\"a\":1}}")).await.unwrap();
        assert_eq!(got["a"], 1);
        let got = get(format!("{head}<html>")).await;
        assert!(matches!(got, Err(OutgoingError::NotJson(_))), "{got:?}");
        let long = format!("{head}\"{}\"", "x".repeat(300_000));
        let got = get(long).await;
        assert!(matches!(got, Err(OutgoingError::Silent(_))), "{got:?}");
    }

    #[tokio::test]
    async fn dj_12_no_redirect_is_followed_and_a_refusal_is_one() {
        let away =
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let got = get(away).await;
        assert!(matches!(got, Err(OutgoingError::Refused(302))), "{got:?}");
        let no = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let got = get(no).await;
        assert!(matches!(got, Err(OutgoingError::Refused(400))), "{got:?}");
    }
}
