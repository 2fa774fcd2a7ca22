//! Configuration: a TOML file with every key optional, and the few things that come from the
//! environment. Nothing else in the platform reads either.

mod city;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kernel_api::WebSettings;
use kernel_host::scan::Clamd;
use kernel_identity::network::Network;
use kernel_identity::session::SessionPolicy;
use kernel_portal::{SearchBox, Site};
use kernel_storage::{Bucket, CheckpointFolder, Credentials};
use sdk_contract::def::Label;
use serde::Deserialize;

pub(crate) use city::City;

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
    pub(crate) sessions: SessionPolicy,
    pub(crate) audit: AuditConfig,
    files: FilesConfig,
    scan: ScanConfig,
    #[serde(rename = "export")]
    pub(crate) exports: ExportConfig,
}

/// Where files lie.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FilesConfig {
    /// Empty is the data folder.
    bucket: String,
    folder: String,
    endpoint: String,
    region: String,
    bucket_in_host: bool,
    /// PEM; empty is what the machine trusts.
    authorities: PathBuf,
    /// Empty is the environment.
    credentials: PathBuf,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            folder: String::new(),
            endpoint: String::new(),
            region: "us-east-1".into(),
            bucket_in_host: false,
            authorities: PathBuf::new(),
            credentials: PathBuf::new(),
        }
    }
}

/// What stands in the file of credentials.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    access_key_id: String,
    secret_access_key: String,
}

impl FilesConfig {
    fn bucket(&self) -> Result<Option<Bucket>> {
        if self.bucket.is_empty() {
            return Ok(None);
        }
        let authorities = if self.authorities.as_os_str().is_empty() {
            None
        } else {
            Some(std::fs::read(&self.authorities).context("files.authorities")?)
        };
        Ok(Some(Bucket {
            name: self.bucket.clone(),
            folder: self.folder.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            in_host: self.bucket_in_host,
            authorities,
            credentials: self.credentials()?,
        }))
    }

    fn credentials(&self) -> Result<Credentials> {
        let file = &self.credentials;
        if file.as_os_str().is_empty() {
            let given = environment("RONGQIAO_S3_ID").zip(environment("RONGQIAO_S3_SECRET"));
            let (id, secret) = given.context(
                "files.bucket needs files.credentials, or RONGQIAO_S3_ID and RONGQIAO_S3_SECRET",
            )?;
            return Ok(Credentials { id, secret });
        }
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("files.credentials: {} cannot be read", file.display()))?;
        // What is wrong with it is not told: it would show the secret.
        let read = toml::from_str::<CredentialsFile>(&text).ok();
        let read = read.with_context(|| {
            format!(
                "files.credentials: {} is not access_key_id = \"…\" and secret_access_key = \"…\"",
                file.display()
            )
        })?;
        Ok(Credentials {
            id: read.access_key_id,
            secret: read.secret_access_key,
        })
    }
}

/// What uploads are scanned with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ScanConfig {
    /// `unix:PATH` or `HOST:PORT`; empty is no scanning.
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

/// Where the evidence goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditConfig {
    /// Folder that every checkpoint is written to, best on another host; empty is none.
    checkpoint_folder: PathBuf,
}

impl AuditConfig {
    pub(crate) fn checkpoint_folder(&self) -> Option<CheckpointFolder> {
        let folder = &self.checkpoint_folder;
        (!folder.as_os_str().is_empty()).then(|| CheckpointFolder::new(folder))
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
    /// Largest upload, in MiB.
    upload_mb: usize,
    /// Longest a request may take.
    timeout_seconds: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: String::new(),
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

    /// The bucket that files lie in; none is the data folder.
    pub(crate) fn bucket(&self) -> Result<Option<Bucket>> {
        self.files.bucket()
    }

    /// Where uploads are scanned, if they are.
    pub(crate) fn scanner(&self) -> Result<Option<Clamd>> {
        match self.scan.clamd.as_str() {
            "" => Ok(None),
            address => Ok(Some(address.parse().context("scan.clamd")?)),
        }
    }

    /// The organisation that runs the platform.
    pub(crate) fn operator(&self) -> &str {
        &self.site.operator
    }

    /// The city this deployment is for.
    pub(crate) fn city(&self) -> Result<City> {
        City::read(&self.city)
    }

    pub(crate) fn web(&self, city: City) -> WebSettings {
        let (s, h) = (&self.site, &self.http);
        WebSettings {
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
            roles: city.roles,
            address: h.address.clone(),
            secure_cookies: h.secure_cookies || self.tls.is_on(),
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
    fn what_is_wrong_with_credentials_is_told_without_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let files = FilesConfig {
            bucket: "files".into(),
            credentials: file.clone(),
            ..FilesConfig::default()
        };
        assert!(
            files
                .bucket()
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
        std::fs::write(&file, "access_key_id = \"id\"\nsecret_access_key = hidden").unwrap();
        let error = format!("{:#}", files.bucket().unwrap_err());
        assert!(
            error.contains("secret_access_key") && !error.contains("hidden"),
            "{error}"
        );
        std::fs::write(
            &file,
            "access_key_id = \"id\"\nsecret_access_key = \"hidden\"",
        )
        .unwrap();
        let bucket = files.bucket().unwrap().unwrap();
        assert_eq!(bucket.credentials.secret, "hidden");
        assert!(!format!("{bucket:?}").contains("hidden"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("[http]\nport = 1").is_err());
    }
}
