//! Known-answer tests of every algorithm, run at server start.
//!
//! Sources: SM3 from GB/T 32905-2016 Appendix A; SM4 from GB/T 32907-2016 Appendix A; SM4-GCM from
//! RFC 8998 Appendix A.1; SM2 from GB/T 32918.5-2017 Annex A (signature) and Annex C (encryption),
//! which OpenSSL accepts too; HMAC-SM3 from OpenSSL, for the standard prints none.

use crate::sm2::encryption::DecryptingKey;
use crate::sm2::{SigningKey, VerifyingKey};
use crate::{random, sm3, sm4};

/// An algorithm does not give its known answer: nothing may be signed, sealed or verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cryptographic self-test failed: {what}")]
pub struct SelfTestError {
    /// The algorithm and property that failed.
    pub what: &'static str,
}

const SM3_ABC: &str = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
const SM3_ABCD_16: &str = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
const HMAC_KEY_ABC: &str = "28e63256e7c5a087b1f073265dc53092163f7b82729735d06f28f10af9d52393";

/// Key and plaintext of the block example; the key of the GCM example as well.
const SM4_KEY: [u8; 16] = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
const SM4_BLOCK: [u8; 16] = 0x681e_df34_d206_965e_86b3_e94f_536e_4246_u128.to_be_bytes();

const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_PLAIN: &str = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd\
                         eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa";
/// Nonce, ciphertext and tag.
const GCM_SEALED: &str = "00001234567800000000abcd\
    17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
    d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d\
    83de3541e4c2b58177e065a9bf7b62ec";

/// Point (x, y) and signature (r, s) over "message digest".
const SM2_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAECfnfMR5UIaFQ3X0WHkvFxnIXn60Y\n\
    M/wHa7CP81bzUCDM6kkM4md1pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEw==\n\
    -----END PUBLIC KEY-----\n";
const SM2_MESSAGE: &[u8] = b"message digest";
const SM2_SIGNATURE: &str = "3046\
    022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
    022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

/// Private key, `C1 ‖ C3 ‖ C2` and plaintext of the encryption example.
const SM2_PRIVATE: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const SM2_ENCRYPTED: &str = "04\
    04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73\
    e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0\
    59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766\
    21886ca989ca9c7d58087307ca93092d651efa";
const SM2_PLAIN: &[u8] = b"encryption standard";

/// What [`self_test`] covers, in its order.
pub const TESTED: [&str; 9] = [
    "entropy",
    "SM3",
    "HMAC-SM3",
    "SM4",
    "SM4-GCM",
    "SM2 verification",
    "SM2 signature",
    "SM2 decryption",
    "SM2 encryption",
];

/// Runs the known-answer tests; a few milliseconds. Call it before anything uses this crate, and
/// stop when it fails.
pub fn self_test() -> Result<(), SelfTestError> {
    expect(entropy_flows(), "entropy")?;
    expect(sm3_answers(), "SM3")?;
    expect(
        sm3::hmac(b"key", b"abc").to_string() == HMAC_KEY_ABC,
        "HMAC-SM3",
    )?;
    let key = sm4::Key::from_bytes(&SM4_KEY);
    expect(sm4::encrypt_block(&key, SM4_KEY) == SM4_BLOCK, "SM4")?;
    expect(gcm_answers(&key) == Some(true), "SM4-GCM")?;
    expect(sm2_verifies() == Some(true), "SM2 verification")?;
    expect(sm2_signs() == Some(true), "SM2 signature")?;
    expect(sm2_decrypts() == Some(true), "SM2 decryption")?;
    expect(sm2_encrypts() == Some(true), "SM2 encryption")
}

fn expect(holds: bool, what: &'static str) -> Result<(), SelfTestError> {
    if holds {
        Ok(())
    } else {
        Err(SelfTestError { what })
    }
}

/// A source that is dead or stuck repeats itself.
fn entropy_flows() -> bool {
    match (random::array::<32>(), random::array::<32>()) {
        (Ok(one), Ok(two)) => *one != *two && *one != [0; 32] && *two != [0; 32],
        _ => false,
    }
}

fn sm3_answers() -> bool {
    sm3::digest(b"abc").to_string() == SM3_ABC
        && sm3::digest(&b"abcd".repeat(16)).to_string() == SM3_ABCD_16
}

fn gcm_answers(key: &sm4::Key) -> Option<bool> {
    let aad = hex::decode(GCM_AAD).ok()?;
    let plain = hex::decode(GCM_PLAIN).ok()?;
    let mut expected = hex::decode(GCM_SEALED).ok()?;
    let sealed = sm4::seal_with_nonce(key, *expected.first_chunk()?, &aad, &plain).ok()?;
    let opened = sm4::open(key, &aad, &sealed).ok()?;
    let answers = sealed == expected && opened == plain;
    *expected.last_mut()? ^= 1;
    Some(answers && sm4::open(key, &aad, &expected).is_err())
}

fn sm2_verifies() -> Option<bool> {
    let public = VerifyingKey::from_pem(SM2_PUBLIC).ok()?;
    let mut signature = hex::decode(SM2_SIGNATURE).ok()?;
    let accepted = public.verify(SM2_MESSAGE, &signature);
    *signature.last_mut()? ^= 1;
    Some(accepted && !public.verify(SM2_MESSAGE, &signature))
}

fn sm2_signs() -> Option<bool> {
    let key = SigningKey::generate().ok()?;
    let public = key.verifying_key().ok()?;
    let signature = key.sign(SM2_MESSAGE).ok()?;
    Some(public.verify(SM2_MESSAGE, &signature) && !public.verify(b"another", &signature))
}

fn sm2_decrypts() -> Option<bool> {
    let scalar: [u8; 32] = hex::decode(SM2_PRIVATE).ok()?.try_into().ok()?;
    let key = DecryptingKey::from_scalar(&scalar).ok()?;
    let mut sealed = hex::decode(SM2_ENCRYPTED).ok()?;
    let opened = key.decrypt_raw(&sealed).ok()?;
    *sealed.last_mut()? ^= 1;
    Some(*opened == SM2_PLAIN && key.decrypt_raw(&sealed).is_err())
}

fn sm2_encrypts() -> Option<bool> {
    let key = DecryptingKey::generate().ok()?;
    let sealed = key.encrypting_key().encrypt(SM2_PLAIN).ok()?;
    Some(*key.decrypt(&sealed).ok()? == SM2_PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_gives_its_known_answer() {
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn a_wrong_key_fails_the_vectors() {
        let wrong = sm4::Key::from_bytes(&[0; 16]);
        assert_eq!(gcm_answers(&wrong), Some(false));
        assert_ne!(sm4::encrypt_block(&wrong, SM4_KEY), SM4_BLOCK);
    }

    #[test]
    fn the_failure_names_the_algorithm() {
        let error = expect(false, "SM3").unwrap_err();
        assert_eq!(error.to_string(), "cryptographic self-test failed: SM3");
    }
}
