//! The evidence of one score: what was read, under which consent, what came out, signed.
//!
//! A certificate is canonical JSON ([`kernel_crypto::canonical`]) and an SM2 signature over its
//! bytes. Replaying runs the same component on the same input and must give the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel_crypto::canonical;
use kernel_crypto::keys::{KeyRing, SignKey};
use kernel_crypto::sm3::Digest32;
use sdk_contract::call::RecordRead;
use sdk_contract::model::{FeatureValue, ModelDef, encode_row};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Admitted, Batch, ModelError, Pool};

/// Version of the certificate document. 2 names the records that were read.
pub const CERTIFICATE_DOCUMENT: u32 = 2;

/// What is signed. Fields are in the order people read; the signed bytes have sorted keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub version: u32,
    pub id: String,
    /// RFC 3339.
    pub at: String,
    pub model: ModelIdentity,
    /// The bank that owns the model and received the score.
    pub recipient: String,
    pub subject: String,
    pub purpose: String,
    /// The consent letter that covered the reading.
    pub consent: String,
    pub reference: String,
    /// By feature name, as read.
    pub input: BTreeMap<String, FeatureValue>,
    /// The records it was read of, in the version they had; none in version 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<ReadVersion>,
    /// Features whose value the party disputed then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disputed: Vec<String>,
    pub output: Output,
}

/// A record, in the version that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadVersion {
    /// `<module>.<collection>`
    pub collection: String,
    pub id: String,
    pub revision: i64,
}

impl From<&RecordRead> for ReadVersion {
    fn from(read: &RecordRead) -> Self {
        Self {
            collection: read.collection.clone(),
            id: read.id.clone(),
            revision: read.revision,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    pub name: String,
    pub version: String,
    /// SM3 of the component, hex.
    pub digest: String,
}

/// What must replay to identical bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub score: f64,
    pub base: f64,
    /// In the model's declared order.
    pub contributions: Vec<f64>,
    pub fuel: u64,
}

/// A certificate with its signature, as stored and as exported to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub certificate: Certificate,
    /// Fingerprint of the key that signed; absent in certificates from before keys could rotate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest32>,
    /// SM2 over the canonical bytes, DER, hex.
    pub signature: String,
}

/// Why a certificate proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate cannot be written as canonical JSON")]
    Write(#[source] serde_json::Error),
    #[error("the signing key failed")]
    Key(#[source] kernel_crypto::keys::KmsError),
    #[error("the signature does not belong to this content")]
    Signature,
    #[error("the certificate names model {wanted}, but the component is {given}")]
    OtherModel { wanted: String, given: String },
    #[error("the model gives no score for the recorded input")]
    Score(#[source] ModelError),
    #[error("the replay gives other bytes: recorded {recorded}, replayed {replayed}")]
    Differs { recorded: String, replayed: String },
}

impl Certificate {
    pub fn bytes(&self) -> Result<Vec<u8>, CertificateError> {
        serde_json::to_value(self)
            .map(|v| canonical::to_vec(&v))
            .map_err(CertificateError::Write)
    }

    pub fn sign(self, keys: &KeyRing) -> Result<Signed, CertificateError> {
        let signer = keys.signer(SignKey::Certificate);
        let signature = signer.sign(&self.bytes()?).map_err(CertificateError::Key)?;
        Ok(Signed {
            certificate: self,
            key: Some(signer.verifying_key().fingerprint()),
            signature: crate::module::hex(&signature),
        })
    }
}

impl Signed {
    /// Whether this key ring's certificate key, the active one or one before it, signed exactly this
    /// content; where the certificate names the key, that one.
    pub fn verify(&self, keys: &KeyRing) -> Result<(), CertificateError> {
        let signature = unhex(&self.signature).ok_or(CertificateError::Signature)?;
        // One signature has one spelling.
        if crate::module::hex(&signature) != self.signature {
            return Err(CertificateError::Signature);
        }
        let bytes = self.certificate.bytes()?;
        let known = keys.verifying_keys(SignKey::Certificate);
        let mut named = known
            .iter()
            .filter(|key| self.key.is_none_or(|named| named == key.fingerprint()));
        if named.any(|key| key.verify(&bytes, &signature)) {
            Ok(())
        } else {
            Err(CertificateError::Signature)
        }
    }

    /// Scores the recorded input again and compares the output byte by byte.
    pub async fn replay(&self, pool: &Pool, model: &Arc<Admitted>) -> Result<(), CertificateError> {
        let recorded = &self.certificate;
        if model.digest != recorded.model.digest {
            return Err(CertificateError::OtherModel {
                wanted: recorded.model.digest.clone(),
                given: model.digest.clone(),
            });
        }
        let row = encode_row(&model.def, &recorded.input)
            .map_err(|source| CertificateError::Score(ModelError::Row { row: 0, source }))?;
        let batch = pool
            .score(model, row, true)
            .await
            .map_err(CertificateError::Score)?;
        let (was, is) = (text(&recorded.output), text(&output(&model.def, &batch)));
        if was == is {
            Ok(())
        } else {
            Err(CertificateError::Differs {
                recorded: was,
                replayed: is,
            })
        }
    }
}

/// The output part of a certificate for one scored row.
pub(super) fn output(def: &ModelDef, batch: &Batch) -> Output {
    Output {
        score: batch.scores.first().copied().unwrap_or(f64::NAN),
        base: def.base,
        contributions: batch.contributions.clone(),
        fuel: batch.fuel,
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&canonical::to_vec(&json!(output))).into_owned()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}
