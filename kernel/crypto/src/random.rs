//! The only place that reads the operating system's entropy.
//!
//! It fails closed: when the system cannot deliver, the caller gets an error and a zeroed buffer,
//! never a weaker source.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize as _, Zeroizing};

/// The operating system delivered no entropy. Nothing secret may be made until it does.
#[derive(Debug, thiserror::Error)]
#[error("the operating system delivered no entropy")]
pub struct EntropyError(#[source] pub(crate) getrandom::Error);

/// Fills `out` with unpredictable bytes; on failure `out` is zeroed.
pub fn fill(out: &mut [u8]) -> Result<(), EntropyError> {
    getrandom::fill(out).map_err(|error| {
        out.zeroize();
        EntropyError(error)
    })
}

/// A token of `bytes` random bytes as lower-case hex (two characters per byte).
pub fn token_hex(bytes: usize) -> Result<String, EntropyError> {
    random_bytes(bytes).map(|raw| hex::encode(&*raw))
}

/// A token of `bytes` random bytes as unpadded base64url, fit for cookies and URLs.
pub fn token_base64url(bytes: usize) -> Result<String, EntropyError> {
    random_bytes(bytes).map(|raw| URL_SAFE_NO_PAD.encode(&*raw))
}

/// An array of random bytes, wiped when dropped.
pub(crate) fn array<const N: usize>() -> Result<Zeroizing<[u8; N]>, EntropyError> {
    let mut out = Zeroizing::new([0; N]);
    fill(&mut *out)?;
    Ok(out)
}

/// The same source as a generator, for the curve arithmetic.
pub(crate) fn generator() -> getrandom::SysRng {
    getrandom::SysRng
}

fn random_bytes(count: usize) -> Result<Zeroizing<Vec<u8>>, EntropyError> {
    let mut raw = Zeroizing::new(vec![0; count]);
    fill(&mut raw)?;
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_asked_length_and_alphabet_and_differ() {
        let hex = token_hex(16).unwrap();
        assert_eq!(hex.len(), 32);
        assert!(
            hex.chars()
                .all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
        );

        let url = token_base64url(32).unwrap();
        assert_eq!(url.len(), 43);
        assert!(
            url.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        );
        assert_ne!(url, token_base64url(32).unwrap());
    }

    #[test]
    fn fill_replaces_the_whole_buffer() {
        let mut buffer = [0u8; 64];
        fill(&mut buffer).unwrap();
        assert!(
            buffer
                .chunks(16)
                .all(|part| part.iter().any(|byte| *byte != 0))
        );
    }
}
