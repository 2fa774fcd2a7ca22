//! Signatures that others make with the international algorithms: identity providers over their
//! tokens, security keys over challenges. They are only checked here. What the platform signs
//! itself it signs with SM2 ([`crate::sm2`]).

use ring::digest;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Encode as _, Tag};
use x509_cert::spki::SubjectPublicKeyInfoRef;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;
/// First byte of a point whose coordinates are both written out.
const UNCOMPRESSED: u8 = 4;

/// Somebody else's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignKey {
    /// ECDSA on P-256 with SHA-256; the point, uncompressed.
    P256(Vec<u8>),
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more; an `RSAPublicKey` (RFC 8017) in DER.
    Rsa(Vec<u8>),
}

/// How a signature on a curve is written; one of RSA is written in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `Ecdsa-Sig-Value` (RFC 3279), as security keys do.
    Der,
    /// Both numbers in 32 bytes each (RFC 7518), as tokens do.
    Fixed,
}

impl ForeignKey {
    /// From a `SubjectPublicKeyInfo` (RFC 5280) in DER; none for any other algorithm.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        let key = info.subject_public_key.as_bytes()?.to_vec();
        if info.algorithm.oid == RSA {
            return Some(Self::Rsa(key));
        }
        let curve = info.algorithm.parameters_oid().ok()?;
        let whole = key.first() == Some(&UNCOMPRESSED) && key.len() == 2 * COORDINATE + 1;
        (info.algorithm.oid == EC && curve == P256 && whole).then_some(Self::P256(key))
    }

    /// From the coordinates of a point.
    pub fn from_point(x: &[u8], y: &[u8]) -> Option<Self> {
        if x.len() != COORDINATE || y.len() != COORDINATE {
            return None;
        }
        Some(Self::P256([&[UNCOMPRESSED], x, y].concat()))
    }

    /// From a modulus and an exponent, both big-endian.
    pub fn from_modulus(n: &[u8], e: &[u8]) -> Option<Self> {
        let numbers = [
            UintRef::new(n).ok()?.to_der().ok()?,
            UintRef::new(e).ok()?.to_der().ok()?,
        ];
        let body = numbers.concat();
        let key = AnyRef::new(Tag::Sequence, &body).ok()?.to_der().ok()?;
        Some(Self::Rsa(key))
    }

    /// Whether this key signed `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8], form: Form) -> bool {
        let (how, key): (&dyn VerificationAlgorithm, _) = match (self, form) {
            (Self::P256(point), Form::Der) => (&ECDSA_P256_SHA256_ASN1, point),
            (Self::P256(point), Form::Fixed) => (&ECDSA_P256_SHA256_FIXED, point),
            (Self::Rsa(key), _) => (&RSA_PKCS1_2048_8192_SHA256, key),
        };
        UnparsedPublicKey::new(how, key)
            .verify(message, signature)
            .is_ok()
    }
}

/// SHA-256 (FIPS 180-4), where another's protocol asks for it: PKCE, WebAuthn.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    };

    use super::*;

    fn unpacked(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 7515, Appendix A.3: a token signed with ES256.
    #[test]
    fn a_token_of_rfc_7515_verifies_on_p256() {
        let key = ForeignKey::from_point(
            &unpacked("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            &unpacked("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        )
        .unwrap();
        let message = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0d\
                       HA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = unpacked(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        assert!(key.verify(message.as_bytes(), &signature, Form::Fixed));
        assert!(!key.verify(message.as_bytes(), &signature, Form::Der));
        assert!(!key.verify(&message.as_bytes()[1..], &signature, Form::Fixed));
    }

    /// RFC 7515, Appendix A.2: a token signed with RS256.
    #[test]
    fn a_token_of_rfc_7515_verifies_with_rsa() {
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz\
                 P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
                 3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw\
                 Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
                 yuXpoQ";
        let signature = unpacked(
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt\
             _O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL\
             IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no\
             OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ\
             Ge77Rw",
        );
        let key = ForeignKey::from_modulus(&unpacked(n), &unpacked("AQAB")).unwrap();
        let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0d\
                       HA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        assert!(key.verify(message.as_bytes(), &signature, Form::Fixed));
        assert!(!key.verify(b"another text", &signature, Form::Fixed));
        // Too short a key is no key, whatever it signed.
        let short = ForeignKey::from_modulus(&unpacked(n)[..128], &unpacked("AQAB")).unwrap();
        assert!(!short.verify(message.as_bytes(), &signature[..128], Form::Fixed));
    }

    #[test]
    fn a_key_is_read_from_its_public_key_info() {
        let random = SystemRandom::new();
        let how = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, pair.as_ref(), &random).unwrap();
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        let point = pair.public_key().as_ref();
        let key = ForeignKey::from_spki(&[&head, point].concat()).unwrap();
        assert_eq!(key, ForeignKey::P256(point.to_vec()));
        let signature = pair.sign(&random, b"text").unwrap();
        assert!(key.verify(b"text", signature.as_ref(), Form::Der));
        assert!(!key.verify(b"texT", signature.as_ref(), Form::Der));
        // The same bytes said to be on SM2's curve, and cut short.
        let sm2 = hex::decode("3059301306072a8648ce3d020106082a811ccf5501822d034200").unwrap();
        assert_eq!(ForeignKey::from_spki(&[&sm2, point].concat()), None);
        assert_eq!(ForeignKey::from_spki(&head), None);
        assert_eq!(ForeignKey::from_point(&point[1..33], &point[34..]), None);
        let checked = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
        assert!(checked.verify(b"text", signature.as_ref()).is_ok());
    }

    #[test]
    fn sha_256_of_fips_180_4() {
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(b"abc")), digest);
    }
}
