//! The platform's cryptography: national algorithms behind small typed wrappers, and the key ring
//! that every other kernel crate asks for signatures, codes and sealed fields.
//!
//! | Offered | Standard | Vectors checked |
//! |---|---|---|
//! | [`sm3`] digest and HMAC | GB/T 32905-2016 | its Appendix A; HMAC against OpenSSL |
//! | [`sm4`] in GCM mode | GB/T 32907-2016, RFC 8998 | GB/T block example; RFC 8998 Appendix A.1 |
//! | [`sm2`] signatures | GB/T 32918.2-2016, curve of part 5 | GB/T 32918.5-2017 Annex A; OpenSSL both ways |
//! | [`sm2::encryption`] | GB/T 32918.4-2016; GB/T 35276-2017 encoding | GB/T 32918.5-2017 Annex C; OpenSSL both ways |
//! | [`tls`] national suites of TLS 1.3 | RFC 8998 | handshakes over certificates made by OpenSSL; `./x interop` for another implementation |
//! | [`password`] storage | Argon2id (RFC 9106) under HMAC-SM3 | RFC 9106 through the `argon2` crate |
//! | [`otp`] one-time codes | RFC 4226, RFC 6238 | its Appendix B |
//! | [`chain`] of audit records | own format, stated there | alter, delete, reorder, truncate, rewrite, backdate |
//! | [`merkle`] tree over them | RFC 6962 §2.1 with SM3 | the definition, written twice |
//! | [`ca`] certificates, lists, and those of others ([`ca::outside`]) | RFC 5280 with SM2 and SM3 | OpenSSL both ways |
//! | [`foreign`] signatures, checked only | RFC 7518 ES256 and RS256; WebAuthn's | RFC 7515 Appendix A.3; FIPS 180-4 |
//! | [`detached`] signatures of documents | own format, stated there | OpenSSL |
//! | [`timestamp`] answers of an authority, checked | RFC 3161, RFC 5652; GM/T 0033 | OpenSSL; `sm2` by a token made in the test |
//! | [`stream`] of sealed chunks | STREAM (Hoang et al., CRYPTO 2015) over SM4-GCM | flip, cut, reorder |
//! | [`payload`] bodies of calls | GB/T 17964-2021 counter mode with SM4, then HMAC-SM3 | OpenSSL both ways |
//! | [`recovery`] locks | Argon2id, HMAC-SM3, SM4-GCM | through those |
//! | [`canonical`] JSON bytes | own format, stated there | fixed examples |
//!
//! The arithmetic is `RustCrypto`'s, and `ring`'s for [`foreign`]; nothing here implements a
//! primitive. [`self_test`] runs the vectors of SM2, SM3, SM4 and HMAC at server start, and the server
//! must not serve when it fails.
//!
//! Deliberately absent: a database, HTTP, an async runtime, a clock. Times are handed in. The one
//! ambient source is the operating system's entropy, and only [`random`] reaches it. Private key
//! bytes never leave this crate: callers name a key of the [`keys::KeyRing`] and get the result.

pub mod ca;
pub mod canonical;
pub mod chain;
pub mod detached;
pub mod foreign;
mod kdf;
pub mod keys;
pub mod merkle;
pub mod otp;
pub mod password;
mod path;
pub mod payload;
pub mod random;
pub mod recovery;
mod self_test;
pub mod sm2;
pub mod sm3;
pub mod sm4;
pub mod stream;
pub mod timestamp;
pub mod tls;

pub use self_test::{SelfTestError, TESTED, self_test};
