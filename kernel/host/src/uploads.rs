//! Uploads: judged by their content, and kept sealed until an action names them.

use kernel_identity::principal::Principal;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use serde::{Deserialize, Serialize};

use crate::{Host, sniff};

/// A stored upload, as it stands in an action's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRef {
    /// SM3, hex; also its address in the blob store.
    pub digest: String,
    pub name: String,
    pub size: u64,
}

/// The largest upload.
pub(crate) const MAX_UPLOAD: usize = sdk_contract::manifest::MAX_COMPONENT_BYTES;

impl Host {
    /// Keeps an upload, sealed, until an action names it.
    pub async fn store_upload(
        &self,
        p: &Principal,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<UploadRef, Fault> {
        if p.is_anonymous() {
            return Err(Fault::new(
                FaultKind::Forbidden,
                "unauthenticated",
                "请先登录",
            ));
        }
        if bytes.len() > MAX_UPLOAD {
            return Err(Fault::invalid(vec![FieldFault::new(
                "file",
                "too-large",
                format!("文件不得大于 {} MB", MAX_UPLOAD / 1024 / 1024),
            )]));
        }
        if let Some(why) = sniff::refusal(&bytes) {
            return Err(Fault::invalid(vec![FieldFault::new(
                "file", "bad-file", why,
            )]));
        }
        let size = bytes.len() as u64;
        let digest = self.blobs().put(bytes).await.map_err(|e| {
            tracing::error!(
                error = crate::reads::chain(&e),
                "an upload cannot be stored"
            );
            Fault::new(
                FaultKind::Unavailable,
                "storage-unavailable",
                "文件暂时无法保存，请稍后再试",
            )
        })?;
        let name = name.chars().filter(|c| !c.is_control()).take(120).collect();
        Ok(UploadRef { digest, name, size })
    }
}
