//! Configuration: a TOML file with every key optional, and the few things that come from the
//! environment. Nothing else in the platform reads either.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kernel_api::WebSettings;
use kernel_identity::session::SessionPolicy;
use kernel_portal::Site;
use sdk_contract::page::Link;
use serde::Deserialize;

/// `host-config/reference.toml` shows every key with its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) site: SiteConfig,
    pub(crate) http: HttpConfig,
    pub(crate) sessions: SessionPolicy,
}

/// Names and numbers a government site has to show.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SiteConfig {
    name: String,
    subtitle: String,
    bench_name: String,
    sponsor: String,
    operator: String,
    hotline: String,
    codes: Vec<String>,
    /// Page that takes the search box's text as `q`; empty is no search box.
    search_page: String,
    search_hint: String,
}

impl Default for SiteConfig {
    fn default() -> Self {
        Self {
            name: "融桥融资服务平台".into(),
            subtitle: "全市中小企业融资综合信用服务平台".into(),
            bench_name: "金融机构工作台".into(),
            sponsor: "市金融服务办公室".into(),
            operator: "融桥平台运营中心".into(),
            hotline: "12345".into(),
            codes: vec!["网站标识码 0000000000".into(), "ICP备00000000号".into()],
            search_page: String::new(),
            search_hint: String::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpConfig {
    /// Mark cookies `Secure`: set it whenever people come by TLS.
    secure_cookies: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<IpAddr>,
    /// Largest upload, in MiB.
    upload_mb: usize,
    /// Longest a request may take.
    timeout_seconds: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            secure_cookies: false,
            trusted_proxies: Vec::new(),
            upload_mb: 24,
            timeout_seconds: 30,
        }
    }
}

impl Config {
    /// The defaults, or a file over them.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not valid", file.display()))
    }

    pub(crate) fn web(&self) -> WebSettings {
        let (s, h) = (&self.site, &self.http);
        WebSettings {
            site: Site {
                name: s.name.clone(),
                subtitle: s.subtitle.clone(),
                mark: "融".into(),
                bench_name: s.bench_name.clone(),
                above: Vec::new(),
                below: Vec::new(),
                sponsor: s.sponsor.clone(),
                operator: s.operator.clone(),
                hotline: s.hotline.clone(),
                codes: s.codes.clone(),
                search: (!s.search_page.is_empty())
                    .then(|| Link::new(&s.search_hint, &s.search_page)),
            },
            secure_cookies: h.secure_cookies,
            trusted_proxies: h.trusted_proxies.clone(),
            upload_bytes: h.upload_mb * 1024 * 1024,
            timeout: Duration::from_secs(h.timeout_seconds),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// `RONGQIAO_PASSPHRASE` opens the key ring; without it the ring is for development only.
pub(crate) fn passphrase() -> Option<String> {
    environment("RONGQIAO_PASSPHRASE")
}

/// `RONGQIAO_LOG`, as `info,kernel_host=debug`.
pub(crate) fn log_filter() -> tracing_subscriber::EnvFilter {
    let given = environment("RONGQIAO_LOG").unwrap_or_else(|| "info".into());
    tracing_subscriber::EnvFilter::builder().parse_lossy(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_shows_the_defaults() {
        let reference = include_str!("../../../host-config/reference.toml");
        let read: Config = toml::from_str(reference).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("[http]\nport = 1").is_err());
    }
}
