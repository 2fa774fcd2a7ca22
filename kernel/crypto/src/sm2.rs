//! SM2 signatures (GB/T 32918.2-2016 on the curve of part 5); [`encryption`] beside them.
//!
//! Signatures are ASN.1 DER, the signer's identity is always [`DISTID`], and signing is randomised.
//! Keys travel as PEM: PKCS#8 for private ones, `SubjectPublicKeyInfo` for public ones. Both match
//! `openssl pkeyutl -rawin -digest sm3 -pkeyopt distid:1234567812345678`. Without that option
//! OpenSSL 3.0 signs with an empty identity, and such a signature does not verify here.

pub mod encryption;

use std::fmt;

use ::sm2::dsa::signature::{RandomizedSigner as _, Verifier as _};
use ::sm2::dsa::{self, Signature};
use ::sm2::elliptic_curve::Generate as _;
use ::sm2::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};
use ::sm2::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::random::{self, EntropyError};
use crate::sm3::{self, Digest32, Hasher};

/// The curve's a, b, and the generator's x and y, in halves (GB/T 32918.5-2017).
const CURVE: [u128; 8] = [
    0xffff_fffe_ffff_ffff_ffff_ffff_ffff_ffff,
    0xffff_ffff_0000_0000_ffff_ffff_ffff_fffc,
    0x28e9_fa9e_9d9f_5e34_4d5a_9e4b_cf65_09a7,
    0xf397_89f5_15ab_8f92_ddbc_bd41_4d94_0e93,
    0x32c4_ae2c_1f19_8119_5f99_0446_6a39_c994,
    0x8fe3_0bbf_f266_0be1_715a_4589_334c_74c7,
    0xbc37_36a2_f4f6_779c_59bd_cee3_6b69_2153,
    0xd0a9_877c_c62a_4740_02df_32e5_2139_f0a0,
];

/// The signer identity used by certificates, GB/T 35276 and every key of this platform.
pub const DISTID: &str = "1234567812345678";

/// A DER signature has at most this many bytes: two 33-byte integers and three headers.
const LONGEST_SIGNATURE: usize = 72;

/// A private key. Wiped when dropped; `Debug` shows the public half only.
pub struct SigningKey(SecretKey);

/// A public key.
#[derive(Clone)]
pub struct VerifyingKey {
    public: PublicKey,
    /// Holds the identity hash, so that it is computed once.
    verifier: dsa::VerifyingKey,
}

/// A key could not be read or made, or a signature not given.
#[derive(Debug, thiserror::Error)]
pub enum Sm2Error {
    #[error("not an SM2 private key in PKCS#8 PEM")]
    PrivateKey,
    #[error("not an SM2 public key in SubjectPublicKeyInfo PEM")]
    PublicKey,
    #[error("the SM2 key could not be encoded")]
    Encoding,
    #[error("the SM2 signature could not be computed")]
    Signing,
    #[error("the message is empty or could not be encrypted with SM2")]
    Encrypting,
    #[error("no entropy for an SM2 key")]
    Entropy(#[from] EntropyError),
}

impl SigningKey {
    /// A new random key.
    pub fn generate() -> Result<Self, Sm2Error> {
        match SecretKey::try_generate_from_rng(&mut random::generator()) {
            Ok(secret) => Ok(Self(secret)),
            Err(error) => Err(EntropyError(error).into()),
        }
    }

    /// Reads an unencrypted PKCS#8 PEM (`BEGIN PRIVATE KEY`).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, Sm2Error> {
        SecretKey::from_pkcs8_pem(pem)
            .map(Self)
            .map_err(|_| Sm2Error::PrivateKey)
    }

    /// Writes an unencrypted PKCS#8 PEM; the text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Sm2Error> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| Sm2Error::Encoding)
    }

    /// Signs `message` and returns the DER signature. Two signatures of one message differ.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Sm2Error> {
        // Built per call: `SecretKey` wipes itself when dropped, the signer does not.
        let signer = dsa::SigningKey::new(DISTID, &self.0).map_err(|_| Sm2Error::Signing)?;
        let signature: Signature = signer
            .try_sign_with_rng(&mut random::generator(), message)
            .map_err(|_| Sm2Error::Signing)?;
        Ok(signature.to_der().to_vec())
    }

    /// The public half.
    pub fn verifying_key(&self) -> Result<VerifyingKey, Sm2Error> {
        VerifyingKey::new(self.0.public_key())
    }

    /// The scalar, big-endian, for wrapping in the key ring's file.
    pub(crate) fn to_scalar(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The key of a scalar that the key ring's file held.
    pub(crate) fn from_scalar(scalar: &[u8; 32]) -> Result<Self, Sm2Error> {
        SecretKey::from_bytes(scalar.into())
            .map(Self)
            .map_err(|_| Sm2Error::PrivateKey)
    }
}

impl VerifyingKey {
    fn new(public: PublicKey) -> Result<Self, Sm2Error> {
        let verifier = dsa::VerifyingKey::new(DISTID, public).map_err(|_| Sm2Error::PublicKey)?;
        Ok(Self { public, verifier })
    }

    /// Reads `x ‖ y`, as devices give it. Points off the curve are refused.
    pub fn from_point(point: &[u8; 64]) -> Result<Self, Sm2Error> {
        let uncompressed = [&[0x04], point.as_slice()].concat();
        let public = PublicKey::from_sec1_bytes(&uncompressed).map_err(|_| Sm2Error::PublicKey)?;
        Self::new(public)
    }

    /// Reads a `SubjectPublicKeyInfo` PEM (`BEGIN PUBLIC KEY`). Points off the curve are refused.
    pub fn from_pem(pem: &str) -> Result<Self, Sm2Error> {
        Self::new(PublicKey::from_public_key_pem(pem).map_err(|_| Sm2Error::PublicKey)?)
    }

    /// Reads a `SubjectPublicKeyInfo` in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, Sm2Error> {
        Self::new(PublicKey::from_public_key_der(der).map_err(|_| Sm2Error::PublicKey)?)
    }

    /// For certificates, which want the library's own type.
    pub(crate) fn verifier(&self) -> &dsa::VerifyingKey {
        &self.verifier
    }

    /// Writes a `SubjectPublicKeyInfo` PEM.
    pub fn to_pem(&self) -> Result<String, Sm2Error> {
        self.public
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| Sm2Error::Encoding)
    }

    /// Names the key: the SM3 digest of its uncompressed point (`04 ‖ x ‖ y`).
    pub fn fingerprint(&self) -> Digest32 {
        sm3::digest(&self.public.to_sec1_bytes())
    }

    /// The digest `e = SM3(Z ‖ message)` that a device signs (GB/T 32918.2-2016 §6.1 A1, A2).
    pub fn message_digest(&self, message: &[u8]) -> Digest32 {
        let mut hasher = Hasher::new();
        hasher.update(self.identity().as_bytes());
        hasher.update(message);
        hasher.finish()
    }

    /// The identity hash `Z` (GB/T 32918.2-2016 §5.5) of [`DISTID`] and this key.
    fn identity(&self) -> Digest32 {
        let mut hasher = Hasher::new();
        // The length of the identity in bits.
        hasher.update(&[0x00, 0x80]);
        hasher.update(DISTID.as_bytes());
        for constant in CURVE {
            hasher.update(&constant.to_be_bytes());
        }
        let point = self.public.to_sec1_bytes();
        hasher.update(point.split_first().map_or(&[], |(_, xy)| xy));
        hasher.finish()
    }

    /// A device's `r ‖ s` in DER; none when a value is out of range.
    pub fn signature_from_raw(&self, raw: &[u8; 64]) -> Option<Vec<u8>> {
        let signature = Signature::from_slice(raw).ok()?;
        Some(signature.to_der().to_vec())
    }

    /// Whether `signature` is a DER signature of `message` by this key.
    ///
    /// Never panics. Anything but the one canonical encoding of `r, s` in `1..n` is false: cut or
    /// padded input, trailing bytes, zero, the group order and above.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // Nothing longer can be one, and the parser's fixed buffer need not be relied on.
        if signature.len() > LONGEST_SIGNATURE {
            return false;
        }
        Signature::from_der(signature)
            .and_then(|signature| self.verifier.verify(message, &signature))
            .is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sm2::SigningKey(…)")
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm2::VerifyingKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order n of the curve's group.
    const ORDER: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let mut out = vec![0x30, u8::try_from(4 + r.len() + s.len()).unwrap()];
        for part in [r, s] {
            out.extend([0x02, u8::try_from(part.len()).unwrap()]);
            out.extend(part);
        }
        out
    }

    #[test]
    fn a_signature_verifies_for_its_message_and_key_only() {
        let key = SigningKey::generate().unwrap();
        let public = key.verifying_key().unwrap();
        let signature = key.sign(b"approve").unwrap();
        assert!(public.verify(b"approve", &signature));
        assert!(!public.verify(b"refuse", &signature));
        let other = SigningKey::generate().unwrap().verifying_key().unwrap();
        assert!(!other.verify(b"approve", &signature));
    }

    /// `Z_A` of GB/T 32918.5-2017 Annex A.
    #[test]
    fn the_identity_hash_is_the_standards() {
        let public = VerifyingKey::from_pem(
            "-----BEGIN PUBLIC KEY-----\n\
            MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAECfnfMR5UIaFQ3X0WHkvFxnIXn60Y\n\
            M/wHa7CP81bzUCDM6kkM4md1pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEw==\n\
            -----END PUBLIC KEY-----\n",
        )
        .unwrap();
        assert_eq!(
            public.identity().to_string(),
            "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
        );
        assert_eq!(
            public.message_digest(b"message digest").to_string(),
            "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
        );
    }

    #[test]
    fn signing_is_randomised() {
        let key = SigningKey::generate().unwrap();
        assert_ne!(key.sign(b"approve").unwrap(), key.sign(b"approve").unwrap());
    }

    #[test]
    fn keys_survive_pem_and_scalar() {
        let key = SigningKey::generate().unwrap();
        let public = key.verifying_key().unwrap();
        let signature = key.sign(b"m").unwrap();
        let from_pem = SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        let from_scalar = SigningKey::from_scalar(&key.to_scalar()).unwrap();
        for again in [from_pem, from_scalar] {
            let again = again.verifying_key().unwrap();
            assert_eq!(again.fingerprint(), public.fingerprint());
            assert!(again.verify(b"m", &signature));
        }
        let again = VerifyingKey::from_pem(&public.to_pem().unwrap()).unwrap();
        assert!(again.verify(b"m", &signature));
    }

    #[test]
    fn values_outside_one_to_n_are_refused() {
        let public = SigningKey::generate().unwrap().verifying_key().unwrap();
        // DER integers are signed: a leading zero keeps these positive.
        let order = hex::decode(format!("00{ORDER}")).unwrap();
        let above = [[0].as_slice(), &[0xff; 32]].concat();
        let negative = [0xff; 32].as_slice();
        let mut order_and_one = order.clone();
        *order_and_one.last_mut().unwrap() += 1;
        // A value that is in range modulo n, but 33 and 34 bytes long.
        let oversized = [[0x01].as_slice(), &[0; 32]].concat();
        let long = [[0x01].as_slice(), &[0x11; 33]].concat();
        let bad = [
            [0].as_slice(),
            &order,
            &order_and_one,
            &above,
            &oversized,
            &long,
            negative,
            &[],
        ];
        let good = [0x01].as_slice();
        for part in bad {
            assert!(!public.verify(b"m", &der(part, good)), "r = {part:02x?}");
            assert!(!public.verify(b"m", &der(good, part)), "s = {part:02x?}");
            assert!(!public.verify(b"m", &der(part, part)), "both = {part:02x?}");
        }
        // r + s = n makes t zero, which B5 of the standard refuses.
        let mut rest = order.clone();
        *rest.last_mut().unwrap() -= 1;
        assert!(!public.verify(b"m", &der(good, &rest)));
    }

    #[test]
    fn only_the_canonical_encoding_is_taken() {
        let key = SigningKey::generate().unwrap();
        let public = key.verifying_key().unwrap();
        let signature = key.sign(b"m").unwrap();
        for length in 0..signature.len() {
            assert!(
                !public.verify(b"m", &signature[..length]),
                "cut to {length}"
            );
        }
        assert!(
            !public.verify(b"m", &[signature.as_slice(), &[0]].concat()),
            "trailing byte"
        );

        // The same numbers with a needless leading zero in r.
        let r_length = usize::from(signature[3]);
        let r = [[0].as_slice(), &signature[4..4 + r_length]].concat();
        assert!(
            !public.verify(b"m", &der(&r, &signature[6 + r_length..])),
            "padded r"
        );

        // A long-form length where the short form fits.
        let long = [&[0x30, 0x81, signature[1]], &signature[2..]].concat();
        assert!(!public.verify(b"m", &long), "long-form length");

        // A third integer inside the sequence.
        let mut third = signature.clone();
        third[1] += 3;
        third.extend([0x02, 0x01, 0x01]);
        assert!(!public.verify(b"m", &third), "three integers");
    }

    #[test]
    fn keys_of_another_kind_and_points_off_the_curve_are_refused() {
        assert!(matches!(
            SigningKey::from_pkcs8_pem("hello"),
            Err(Sm2Error::PrivateKey)
        ));
        assert!(matches!(
            SigningKey::from_scalar(&[0; 32]),
            Err(Sm2Error::PrivateKey)
        ));
        let order: [u8; 32] = hex::decode(ORDER).unwrap().try_into().unwrap();
        assert!(matches!(
            SigningKey::from_scalar(&order),
            Err(Sm2Error::PrivateKey)
        ));

        // A P-256 public key.
        let p256 = "-----BEGIN PUBLIC KEY-----\n\
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVEwLBd5c/jz6IOesRZdQhY6GybE2\n\
            URW4lm/DqUFCmYb5eF9vAo05aVjcLxTQSTJmZeOj4pnzKPXB1QStr5g/GA==\n\
            -----END PUBLIC KEY-----\n";
        assert!(matches!(
            VerifyingKey::from_pem(p256),
            Err(Sm2Error::PublicKey)
        ));

        // The annex's point with its last bit flipped.
        let off = "-----BEGIN PUBLIC KEY-----\n\
            MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAECfnfMR5UIaFQ3X0WHkvFxnIXn60Y\n\
            M/wHa7CP81bzUCDM6kkM4md1pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEg==\n\
            -----END PUBLIC KEY-----\n";
        assert!(matches!(
            VerifyingKey::from_pem(off),
            Err(Sm2Error::PublicKey)
        ));
    }
}
