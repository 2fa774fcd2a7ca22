//! Where files lie, and what the store of a bucket is asked with.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use kernel_storage::{Bucket, Credentials};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;

use super::environment;

/// Where files lie.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilesConfig {
    /// Empty is the data folder.
    bucket: String,
    folder: String,
    endpoint: String,
    region: String,
    bucket_in_host: bool,
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
    /// The bucket, trusting `authorities` if it is asked over TLS; none where there is none.
    pub(super) fn bucket(
        &self,
        authorities: impl FnOnce() -> Result<Vec<CertificateDer<'static>>>,
    ) -> Result<Option<Bucket>> {
        if self.bucket.is_empty() {
            return Ok(None);
        }
        let plain = self.endpoint.starts_with("http://");
        Ok(Some(Bucket {
            name: self.bucket.clone(),
            folder: self.folder.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            in_host: self.bucket_in_host,
            authorities: if plain { Vec::new() } else { authorities()? },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_credentials_is_told_without_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let files = FilesConfig {
            bucket: "files".into(),
            credentials: file.clone(),
            ..FilesConfig::default()
        };
        let bucket = || files.bucket(|| Ok(Vec::new()));
        let error = format!("{:#}", bucket().unwrap_err());
        assert!(error.contains("cannot be read"), "{error}");
        std::fs::write(&file, "access_key_id = \"id\"\nsecret_access_key = hidden").unwrap();
        let error = format!("{:#}", bucket().unwrap_err());
        assert!(
            error.contains("secret_access_key") && !error.contains("hidden"),
            "{error}"
        );
        std::fs::write(
            &file,
            "access_key_id = \"id\"\nsecret_access_key = \"hidden\"",
        )
        .unwrap();
        let made = bucket().unwrap().unwrap();
        assert_eq!(made.credentials.secret, "hidden");
        assert!(!format!("{made:?}").contains("hidden"));
    }
}
