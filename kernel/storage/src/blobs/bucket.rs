//! A bucket of an object store that speaks the protocol of S3.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    self, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpService,
};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::BlobError;

/// Longest the store may take to be connected to …
const CONNECT: Duration = Duration::from_secs(3);
/// … and to answer one request, all bytes included.
const ANSWER: Duration = Duration::from_secs(20);
/// How often a request is made again that can do no harm twice.
const AGAIN: usize = 3;
/// After this time none is made again: whoever waits must hear of it while they do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a bucket is, and who asks.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub name: String,
    /// Folder in it, for platforms that share one; empty is none.
    pub folder: String,
    /// `https://HOST[:PORT]`; plain `http` to this machine only.
    pub endpoint: String,
    pub region: String,
    /// Whether the bucket's name goes before the host, as some stores want it, instead of into the
    /// path.
    pub in_host: bool,
    /// Authorities whose certificates the store may show.
    pub authorities: Vec<CertificateDer<'static>>,
    pub credentials: Credentials,
}

/// An access key. Never shown.
#[derive(Clone)]
pub struct Credentials {
    pub id: String,
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Bucket {
    /// The bucket as a store, or its folder in it. It is not asked yet.
    pub fn connect(&self) -> Result<Arc<dyn ObjectStore>, BlobError> {
        let mut url = self.url()?;
        let http = self.http(&url)?;
        if self.in_host {
            let host = format!("{}.{}", self.name, url.host_str().unwrap_or_default());
            let changed = url.set_host(Some(&host));
            changed.map_err(|e| BlobError::Bucket(format!("{host}: {e}")))?;
        }
        let bucket = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_endpoint(url.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(self.in_host)
            .with_region(&self.region)
            .with_access_key_id(&self.credentials.id)
            .with_secret_access_key(&self.credentials.secret)
            // Not every store knows how to remove several at once.
            .with_disable_bulk_delete(true)
            .with_http_connector(http)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: AGAIN,
                retry_timeout: PATIENCE,
            })
            .build()?;
        Ok(match self.folder.trim_matches('/') {
            "" => Arc::new(bucket),
            folder => Arc::new(PrefixStore::new(bucket, folder)),
        })
    }

    fn url(&self) -> Result<Url, BlobError> {
        // Without the address: somebody may have put a password into it.
        let bad = |why: &str| BlobError::Bucket(format!("its endpoint {why}"));
        let url = Url::parse(&self.endpoint).map_err(|e| bad(&format!("is no address: {e}")))?;
        let here = match url.host().ok_or_else(|| bad("has no host"))? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        match url.scheme() {
            _ if !bare => Err(bad("is more than https://HOST[:PORT]")),
            "https" => Ok(url),
            "http" if here => Ok(url),
            _ => Err(bad("must begin with https://: files and keys go there")),
        }
    }

    fn http(&self, url: &Url) -> Result<Http, BlobError> {
        let bad = |what: &str| BlobError::Bucket(format!("its authorities: {what}"));
        let mut roots = RootCertStore::empty();
        for certificate in &self.authorities {
            let added = roots.add(certificate.clone());
            added.map_err(|e| bad(&e.to_string()))?;
        }
        if roots.is_empty() && url.scheme() == "https" {
            return Err(bad("there are none"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| bad(&e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls);
        let tls = match url.scheme() {
            "https" => tls.https_only(),
            _ => tls.https_or_http(),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(tls.enable_http1().wrap_connector(tcp));
        Ok(Http(client))
    }
}

/// Asks over connections that are kept: of the store alone, through no proxy, and nowhere else when it
/// says to look elsewhere.
#[derive(Debug, Clone)]
struct Http(Client<HttpsConnector<HttpConnector>, HttpRequestBody>);

#[async_trait::async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = async {
            let (head, body) = self.0.request(request).await.map_err(failed)?.into_parts();
            let body = body.collect().await;
            let body = body.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e))?;
            Ok(HttpResponse::from_parts(head, body.to_bytes().into()))
        };
        let late = || {
            HttpError::new(
                HttpErrorKind::Timeout,
                io::Error::from(io::ErrorKind::TimedOut),
            )
        };
        let answer = tokio::time::timeout(ANSWER, asked).await;
        answer.unwrap_or_else(|_| Err(late()))
    }
}

impl client::HttpConnector for Http {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn failed(error: hyper_util::client::legacy::Error) -> HttpError {
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> Bucket {
        Bucket {
            name: "files".into(),
            folder: String::new(),
            endpoint: endpoint.into(),
            region: "us-east-1".into(),
            in_host: false,
            authorities: Vec::new(),
            credentials: Credentials {
                id: "an-id".into(),
                secret: "a-secret".into(),
            },
        }
    }

    #[test]
    fn nothing_goes_to_another_machine_in_clear() {
        for good in [
            "https://s3.example",
            "https://10.0.0.7:9000/",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "http://localhost",
        ] {
            assert!(at(good).url().is_ok(), "{good}");
        }
        for bad in [
            "http://s3.example",
            "http://10.0.0.7",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "s3.example",
            "",
            "s3://files",
            "https://s3.example/files",
            "https://id:secret@s3.example",
        ] {
            assert!(matches!(at(bad).url(), Err(BlobError::Bucket(_))), "{bad}");
        }
    }

    #[test]
    fn a_store_that_nobody_vouches_for_is_refused() {
        let bucket = at("https://s3.example");
        assert!(matches!(bucket.connect(), Err(BlobError::Bucket(_))));
    }

    #[test]
    fn credentials_are_never_shown() {
        let shown = format!("{:?}", at("https://s3.example"));
        assert!(!shown.contains("an-id") && !shown.contains("a-secret"));
    }
}
