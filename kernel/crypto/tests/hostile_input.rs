//! Signatures, sealed values and keys from outside may be any bytes: nothing may panic, and
//! nothing but the real thing may be accepted.

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

proptest! {
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
        prop_assert!(text.parse::<Digest32>().is_err());
    }
}
