//! Signatures, sealed values and keys from outside may be any bytes: nothing may panic, and
//! nothing but the real thing may be accepted.

use kernel_crypto::ca::{self, Purpose};
use kernel_crypto::sm2::encryption::{DecryptingKey, EncryptingKey};
use kernel_crypto::sm2::{SigningKey, VerifyingKey};
use kernel_crypto::sm3::Digest32;
use kernel_crypto::sm4;
use proptest::prelude::*;

/// A valid signature and its key, made once.
#[expect(clippy::expect_used, reason = "without the fixture no test can run")]
fn signed() -> &'static (VerifyingKey, Vec<u8>) {
    static SIGNED: std::sync::OnceLock<(VerifyingKey, Vec<u8>)> = std::sync::OnceLock::new();
    SIGNED.get_or_init(|| {
        let key = SigningKey::generate().expect("a key");
        (
            key.verifying_key().expect("its public half"),
            key.sign(b"m").expect("a signature"),
        )
    })
}

/// A ciphertext and its key, made once.
#[expect(clippy::expect_used, reason = "without the fixture no test can run")]
fn encrypted() -> &'static (DecryptingKey, Vec<u8>, Vec<u8>) {
    static MADE: std::sync::OnceLock<(DecryptingKey, Vec<u8>, Vec<u8>)> =
        std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        let key = DecryptingKey::generate().expect("a key");
        let public = key.encrypting_key();
        let der = public.encrypt(b"13800000000").expect("a ciphertext");
        let raw = public.encrypt_raw(b"13800000000").expect("a ciphertext");
        (key, der, raw)
    })
}

/// Every length from 0 to 200, of each kind of filling.
#[test]
fn inputs_of_0_to_200_bytes_are_refused_and_never_panic() {
    let (verifying, signature) = signed();
    let (decrypting, der, raw) = encrypted();
    for length in 0..=200 {
        for byte in [0x00, 0x02, 0x04, 0x30, 0x7f, 0xff] {
            let mut bytes = vec![byte; length];
            for first in [byte, 0x30, 0x04] {
                if let Some(slot) = bytes.first_mut() {
                    *slot = first;
                }
                assert!(!verifying.verify(b"m", &bytes));
                assert!(decrypting.decrypt(&bytes).is_err());
                assert!(decrypting.decrypt_raw(&bytes).is_err());
                assert!(VerifyingKey::from_der(&bytes).is_err());
            }
        }
        for whole in [signature, der, raw] {
            if length < whole.len() {
                let cut = &whole[..length];
                assert!(!verifying.verify(b"m", cut));
                assert!(decrypting.decrypt(cut).is_err());
                assert!(decrypting.decrypt_raw(cut).is_err());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_as_a_ciphertext_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..=200)) {
        let key = &encrypted().0;
        prop_assert!(key.decrypt(&bytes).is_err());
        prop_assert!(key.decrypt_raw(&bytes).is_err());
        let point = [&[0x04], bytes.as_slice()].concat();
        prop_assert!(key.decrypt_raw(&point).is_err());
    }

    #[test]
    fn any_bytes_as_a_signature_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..=200)) {
        prop_assert!(!signed().0.verify(b"m", &bytes));
    }

    /// Two DER integers of any content reach the arithmetic far more often than plain noise.
    #[test]
    fn any_two_integers_as_a_signature_are_refused(
        r in prop::collection::vec(any::<u8>(), 0..=40),
        s in prop::collection::vec(any::<u8>(), 0..=40),
    ) {
        let mut bytes = vec![0x30, u8::try_from(4 + r.len() + s.len()).unwrap()];
        for part in [&r, &s] {
            bytes.extend([0x02, u8::try_from(part.len()).unwrap()]);
            bytes.extend(part);
        }
        prop_assert!(!signed().0.verify(b"m", &bytes));
    }

    #[test]
    fn a_cut_padded_or_flipped_signature_is_refused(
        cut in 0..70_usize, tail in prop::collection::vec(any::<u8>(), 1..=130), bit in 0..560_usize,
    ) {
        let (key, signature) = signed();
        prop_assert!(key.verify(b"m", signature));
        let cut = &signature[..cut.min(signature.len() - 1)];
        prop_assert!(!key.verify(b"m", cut));
        prop_assert!(!key.verify(b"m", &[signature.as_slice(), &tail].concat()));
        prop_assert!(!key.verify(b"m", &[cut, &tail].concat()) || [cut, &tail].concat() == *signature);
        let mut flipped = signature.clone();
        let bit = bit % (flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!key.verify(b"m", &flipped));
    }

    #[test]
    fn any_bytes_as_a_sealed_value_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..=200),
        aad in prop::collection::vec(any::<u8>(), 0..=40),
    ) {
        let key = sm4::Key::from_bytes(&[7; 16]);
        prop_assert!(sm4::open(&key, &aad, &bytes).is_err());
    }

    #[test]
    fn what_is_sealed_opens_and_a_flipped_bit_does_not(
        plain in prop::collection::vec(any::<u8>(), 0..=200),
        aad in prop::collection::vec(any::<u8>(), 0..=40),
        bit in any::<prop::sample::Index>(),
    ) {
        let key = sm4::Key::from_bytes(&[7; 16]);
        let mut sealed = sm4::seal(&key, &aad, &plain).unwrap();
        prop_assert_eq!(&sm4::open(&key, &aad, &sealed).unwrap(), &plain);
        prop_assert!(sm4::open(&key, &[aad.as_slice(), b"x"].concat(), &sealed).is_err());
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(sm4::open(&key, &aad, &sealed).is_err());
    }

    #[test]
    fn any_text_as_a_key_or_digest_is_refused(text in ".{0,200}") {
        prop_assert!(SigningKey::from_pkcs8_pem(&text).is_err());
        prop_assert!(VerifyingKey::from_pem(&text).is_err());
        prop_assert!(EncryptingKey::from_pem(&text).is_err());
        prop_assert!(DecryptingKey::from_pkcs8_pem(&text).is_err());
        prop_assert!(ca::verify(&text, &text, Some(&text), Purpose::User, 0).is_err());
        prop_assert!(text.parse::<Digest32>().is_err());
    }
}
