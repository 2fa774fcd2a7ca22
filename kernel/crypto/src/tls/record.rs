//! Protection of records: SM4 in GCM and in CCM mode. The nonce is the connection's secret one
//! with the record's number mixed in (RFC 8446 §5.3), so none is used twice under one key.

use std::marker::PhantomData;

use ::sm4::Sm4;
use ::sm4::cipher::consts::{U12, U16};
use aes_gcm::aead::array::Array;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};
use ccm::Ccm;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

const KEY: usize = 16;
const TAG: usize = 16;
/// The byte behind the plaintext that says what it is.
const TYPE: usize = 1;

pub(super) static GCM: Protection<AesGcm<Sm4, U12>> = Protection(PhantomData);
pub(super) static CCM: Protection<Ccm<Sm4, U16, U12>> = Protection(PhantomData);

pub(super) trait Mode:
    AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit + Send + Sync + 'static
{
}
impl<T> Mode for T where
    T: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit + Send + Sync + 'static
{
}

pub(super) struct Protection<M>(PhantomData<fn() -> M>);

impl<M: Mode> Protection<M> {
    fn keyed(key: &AeadKey, iv: Iv) -> Keyed<M> {
        let key = key.as_ref().get(..KEY);
        Keyed {
            mode: key.and_then(|key| M::new_from_slice(key).ok()),
            iv,
        }
    }
}

impl<M: Mode> Tls13AeadAlgorithm for Protection<M> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Self::keyed(&key, iv))
    }
    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Self::keyed(&key, iv))
    }
    fn key_len(&self) -> usize {
        KEY
    }
    fn extract_keys(
        &self,
        _: AeadKey,
        _: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

/// One direction of a connection.
struct Keyed<M> {
    /// None only if the key had another length than [`Tls13AeadAlgorithm::key_len`] says; then
    /// nothing is protected and nothing opens.
    mode: Option<M>,
    iv: Iv,
}

impl<M: Mode> MessageEncrypter for Keyed<M> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let mode = self.mode.as_ref().ok_or(Error::EncryptError)?;
        let total = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(total);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let tag = mode
            .encrypt_inout_detached(
                &Array(Nonce::new(&self.iv, seq).0),
                &make_tls13_aad(total),
                payload.as_mut().into(),
            )
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        // The outer header always claims TLS 1.2 application data (RFC 8446 §5.2).
        Ok(OutboundOpaqueMessage::new(
            ContentType::ApplicationData,
            ProtocolVersion::TLSv1_2,
            payload,
        ))
    }

    fn encrypted_payload_len(&self, plain: usize) -> usize {
        plain + TYPE + TAG
    }
}

impl<M: Mode> MessageDecrypter for Keyed<M> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let mode = self.mode.as_ref().ok_or(Error::DecryptError)?;
        let payload = &mut message.payload;
        let aad = make_tls13_aad(payload.len());
        let plain = payload.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let (body, tag) = payload.split_at_mut(plain);
        let tag = Array::try_from(&*tag).map_err(|_| Error::DecryptError)?;
        mode.decrypt_inout_detached(&Array(Nonce::new(&self.iv, seq).0), &aad, body.into(), &tag)
            .map_err(|_| Error::DecryptError)?;
        payload.truncate(plain);
        message.into_tls13_unpadded_message()
    }
}
