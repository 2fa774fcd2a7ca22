//! Configuration: a TOML file with every key optional, and the few things that come from the
//! environment. Nothing else in the platform reads either.

mod audit;
mod certificates;
mod city;
mod files;
mod timestamps;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kernel_api::WebSettings;
use kernel_crypto::sm3::{self, Digest32};
use kernel_host::outgoing::Outgoing;
use kernel_host::scan::Clamd;
use kernel_host::timestamps::Stamping;
use kernel_identity::network::Network;
use kernel_identity::providers::Secret;
use kernel_identity::session::SessionPolicy;
use kernel_portal::{SearchBox, Site};
use kernel_storage::Bucket;
use rustls::pki_types::CertificateDer;
use sdk_contract::def::{Label, Level};
use serde::Deserialize;

use audit::AuditConfig;
use certificates::CertificateConfig;
pub(crate) use city::City;
use files::FilesConfig;
use timestamps::StampConfig;

use crate::forward::{Collector, Sender};
use crate::lists::Lists;
use crate::release::ReleaseConfig;
use crate::sntp::ClockConfig;
use crate::tls::TlsConfig;

/// `host-config/reference.toml` shows every key with its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// File of the city's districts, roles and benches; empty is the one of this repository.
    city: PathBuf,
    site: SiteConfig,
    http: HttpConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) release: ReleaseConfig,
    sessions: SessionPolicy,
    certificates: CertificateConfig,
    pub(crate) audit: AuditConfig,
    pub(crate) clock: ClockConfig,
    files: FilesConfig,
    scan: ScanConfig,
    timestamps: StampConfig,
    #[serde(rename = "export")]
    pub(crate) exports: ExportConfig,
    outgoing: OutgoingConfig,
    pub(crate) jobs: JobConfig,
    pub(crate) retention: RetentionConfig,
    pub(crate) notices: NoticeConfig,
    /// Of the file it was read from.
    #[serde(skip)]
    digest: Option<Digest32>,
}

/// What other systems are asked with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OutgoingConfig {
    /// PEM file of the authorities that other systems' certificates are checked with; empty is those
    /// of this machine.
    authorities: PathBuf,
}

/// Where systems keep the authorities they trust: Debian and its kin, Red Hat and its.
const AUTHORITIES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// What uploads are scanned with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ScanConfig {
    /// `unix:PATH` or a port of this machine; empty is no scanning.
    clamd: String,
}

/// What leaves the platform as a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExportConfig {
    /// Rows that one person may export without another's approval.
    pub(crate) without_approval: u64,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self {
            without_approval: 1000,
        }
    }
}

/// Imports and exports.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JobConfig {
    /// Days for which files can be fetched once a job is over.
    pub(crate) file_days: u32,
}

impl Default for JobConfig {
    fn default() -> Self {
        Self { file_days: 7 }
    }
}

/// How long records are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetentionConfig {
    /// By the full name of a collection, where they are other than its module declares.
    pub(crate) days: BTreeMap<String, NonZeroU32>,
}

/// What people are told.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NoticeConfig {
    /// Days for which they find it.
    pub(crate) days: u32,
}

impl Default for NoticeConfig {
    fn default() -> Self {
        Self { days: 180 }
    }
}

/// Names and numbers a government site has to show.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SiteConfig {
    name: String,
    name_en: String,
    subtitle: String,
    subtitle_en: String,
    sponsor: String,
    sponsor_en: String,
    operator: String,
    operator_en: String,
    hotline: String,
    codes: Vec<String>,
    /// Page that takes the search box's text as `q`; empty is no search box.
    search_page: String,
    search_hint: String,
    search_hint_en: String,
}

impl Default for SiteConfig {
    fn default() -> Self {
        Self {
            name: "融桥融资服务平台".into(),
            name_en: "Rongqiao Financing Services".into(),
            subtitle: "全市中小企业融资综合信用服务平台".into(),
            subtitle_en: "Credit and financing for the city's small businesses".into(),
            sponsor: "市金融服务办公室".into(),
            sponsor_en: "Municipal Financial Services Office".into(),
            operator: "融桥平台运营中心".into(),
            operator_en: "Rongqiao Operations Centre".into(),
            hotline: "12345".into(),
            codes: vec!["网站标识码 0000000000".into(), "ICP备00000000号".into()],
            search_page: String::new(),
            search_hint: String::new(),
            search_hint_en: String::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpConfig {
    /// The platform's address as people type it, `https://rongqiao.example`; empty is what each
    /// request names.
    address: String,
    /// Mark cookies `Secure`: set it whenever people come by TLS.
    secure_cookies: bool,
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<Network>,
    proxy_certificates: bool,
    /// Largest upload, in MiB.
    upload_mb: usize,
    /// The highest level that programs get without sealing.
    in_clear: Level,
    /// Longest a request may take.
    timeout_seconds: u64,
    /// Hours for which an idempotency key is known.
    idempotency_hours: u32,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: String::new(),
            secure_cookies: false,
            trusted_proxies: Vec::new(),
            proxy_certificates: false,
            upload_mb: 24,
            in_clear: Level::L2,
            timeout_seconds: 30,
            idempotency_hours: 24,
        }
    }
}

impl Config {
    pub(crate) fn key_hours(&self) -> u32 {
        self.http.idempotency_hours
    }

    /// The defaults, or a file over them.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let read: Self =
            toml::from_str(&text).with_context(|| format!("{} is not valid", file.display()))?;
        Ok(Self {
            digest: Some(sm3::digest(text.as_bytes())),
            ..read
        })
    }

    pub(crate) const fn digest(&self) -> Option<Digest32> {
        self.digest
    }

    /// SM3, in hex, of the files it names that say who may see what and whom the platform believes. One that
    /// cannot be read has none: whoever needs it says so.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let own = [&self.city, &self.outgoing.authorities];
        let all = own.into_iter().chain(self.certificates.files());
        let all = all.chain(self.timestamps.files());
        let named = all.filter(|file| !file.as_os_str().is_empty());
        let digest = |file: &PathBuf| {
            let bytes = std::fs::read(file).ok()?;
            Some((file.display().to_string(), sm3::digest(&bytes).to_string()))
        };
        named.filter_map(digest).collect()
    }

    /// The bucket that files lie in; none is the data folder.
    pub(crate) fn bucket(&self) -> Result<Option<Bucket>> {
        self.files.bucket(|| self.authorities())
    }

    /// Who is handed the audit trail, if anybody, and what it is told of the machine `node`.
    pub(crate) fn forward(&self, node: &str) -> Result<Option<(Collector, Sender)>> {
        self.audit.forward(node, || self.authorities())
    }

    /// The sessions' policy, with the providers' secrets read in; a provider that could not be
    /// trusted is refused. For trying out (`demo`) some rules do not hold.
    pub(crate) fn sessions(&self, demo: bool) -> Result<SessionPolicy> {
        let mut policy = if demo {
            self.sessions.for_trying_out()
        } else {
            self.sessions.clone()
        };
        policy.address.clone_from(&self.http.address);
        policy.outside = self.certificates.outside()?;
        for (id, provider) in &mut policy.providers {
            let checked = provider.check(id, demo).map_err(anyhow::Error::msg);
            checked.with_context(|| format!("sessions.providers.{id}"))?;
            let file = &provider.secret_file;
            if !file.as_os_str().is_empty() {
                let secret = std::fs::read_to_string(file);
                let secret = secret.with_context(|| format!("{} cannot be read", file.display()));
                let secret = zeroize::Zeroizing::new(secret?);
                provider.secret = Secret::new(secret.trim());
            }
        }
        // Where providers send people back to is ours to say, not the request's.
        if !demo && !policy.providers.is_empty() && self.http.address.is_empty() {
            bail!("sessions.providers needs http.address");
        }
        Ok(policy)
    }

    /// How other systems are asked, where there are any.
    fn outgoing(&self) -> Result<Outgoing> {
        if self.sessions.providers.is_empty() {
            return Ok(Outgoing::new(&[], crate::tls::international()));
        }
        let roots = self.authorities()?;
        Ok(Outgoing::new(&roots, crate::tls::international()))
    }

    /// What other systems' certificates are checked with.
    fn authorities(&self) -> Result<Vec<CertificateDer<'static>>> {
        let named = &self.outgoing.authorities;
        let file = if named.as_os_str().is_empty() {
            let mut known = AUTHORITIES.iter().map(Path::new);
            known.find(|file| file.exists())
        } else {
            Some(named.as_path())
        };
        let file = file.context("outgoing.authorities is empty, and this machine has none")?;
        crate::tls::certificates(file).context("outgoing.authorities")
    }

    /// Where uploads are scanned, if they are.
    pub(crate) fn scanner(&self) -> Result<Option<Clamd>> {
        match self.scan.clamd.as_str() {
            "" => Ok(None),
            address => Ok(Some(address.parse().context("scan.clamd")?)),
        }
    }

    /// Who says when signatures were there, if anybody is asked.
    pub(crate) fn stamping(&self) -> Result<Option<Stamping>> {
        self.timestamps.stamping(|| self.authorities())
    }

    /// The lists of what the authority for time stamps took back, if any are read.
    pub(crate) fn stamp_lists(&self) -> Result<Option<Lists>> {
        self.timestamps.lists(|| self.authorities())
    }

    /// The lists of what authorities outside took back, if any are read.
    pub(crate) fn lists(&self) -> Result<Option<Lists>> {
        self.certificates.lists(|| self.authorities())
    }

    /// The organisation that runs the platform.
    pub(crate) fn operator(&self) -> &str {
        &self.site.operator
    }

    /// The city this deployment is for.
    pub(crate) fn city(&self) -> Result<City> {
        City::read(&self.city)
    }

    pub(crate) fn web(&self, city: City) -> Result<WebSettings> {
        let (s, h) = (&self.site, &self.http);
        let roles = city.roles();
        Ok(WebSettings {
            site: Site {
                name: Label::new(&s.name, &s.name_en),
                subtitle: Label::new(&s.subtitle, &s.subtitle_en),
                mark: "融".into(),
                benches: city.benches,
                above: Vec::new(),
                below: Vec::new(),
                sponsor: Label::new(&s.sponsor, &s.sponsor_en),
                operator: Label::new(&s.operator, &s.operator_en),
                hotline: s.hotline.clone(),
                codes: s.codes.clone(),
                search: (!s.search_page.is_empty()).then(|| SearchBox {
                    to: s.search_page.clone(),
                    hint: Label::new(&s.search_hint, &s.search_hint_en),
                }),
            },
            regions: city.regions,
            roles,
            address: h.address.clone(),
            secure_cookies: h.secure_cookies || self.tls.is_on(),
            trusted_proxies: h.trusted_proxies.clone(),
            proxy_certificates: h.proxy_certificates,
            upload_bytes: h.upload_mb * 1024 * 1024,
            in_clear: h.in_clear,
            outgoing: self.outgoing()?,
            timeout: Duration::from_secs(h.timeout_seconds),
            version: env!("CARGO_PKG_VERSION"),
        })
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

/// The passphrase of a custodian's key file: `RONGQIAO_CUSTODIAN_PASSPHRASE`, or asked for.
pub(crate) fn custodian_passphrase(whose: &str) -> Result<String> {
    match environment("RONGQIAO_CUSTODIAN_PASSPHRASE") {
        Some(given) => Ok(given),
        None => rpassword::prompt_password(format!("passphrase of {whose}: "))
            .context("the passphrase cannot be asked for here; set RONGQIAO_CUSTODIAN_PASSPHRASE"),
    }
}

/// The passphrase of a key file to be made, asked for twice.
pub(crate) fn new_custodian_passphrase(name: &str) -> Result<String> {
    let first = custodian_passphrase(name)?;
    if first != custodian_passphrase(&format!("{name}, again"))? {
        bail!("the two passphrases differ");
    }
    Ok(first)
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
