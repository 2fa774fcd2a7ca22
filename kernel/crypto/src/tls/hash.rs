//! SM3 and HMAC-SM3 as `rustls` wants them.

use rustls::crypto::{hash, hmac};

use crate::sm3::{self, Hasher};

/// Bytes of a digest.
const LENGTH: usize = 32;
/// TLS's registry of hashes (RFC 8998 §3.2.1 uses `sm3` = 7).
const SM3: hash::HashAlgorithm = hash::HashAlgorithm::Unknown(7);

pub(super) struct Sm3;

impl hash::Hash for Sm3 {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Running(Hasher::new()))
    }
    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(sm3::digest(data).as_bytes())
    }
    fn output_len(&self) -> usize {
        LENGTH
    }
    fn algorithm(&self) -> hash::HashAlgorithm {
        SM3
    }
}

struct Running(Hasher);

impl hash::Context for Running {
    fn fork_finish(&self) -> hash::Output {
        hash::Output::new(self.0.clone().finish().as_bytes())
    }
    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Self(self.0.clone()))
    }
    fn finish(self: Box<Self>) -> hash::Output {
        hash::Output::new(self.0.finish().as_bytes())
    }
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

pub(super) struct HmacSm3;

impl hmac::Hmac for HmacSm3 {
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        Box::new(Key(sm3::Hmac::new(key)))
    }
    fn hash_output_len(&self) -> usize {
        LENGTH
    }
}

/// A keyed code that has seen nothing yet; each use starts from a copy.
struct Key(sm3::Hmac);

impl hmac::Key for Key {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        let mut mac = self.0.clone();
        mac.update(first);
        for part in middle {
            mac.update(part);
        }
        mac.update(last);
        hmac::Tag::new(mac.finish().as_bytes())
    }
    fn tag_len(&self) -> usize {
        LENGTH
    }
}
