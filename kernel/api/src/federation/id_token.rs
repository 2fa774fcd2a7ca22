//! The id token of OpenID Connect Core 1.0: a signed statement of the provider about who signed
//! in, for us, just now. Checked as section 3.1.3.7 says, always with its signature.
//!
//! RS256 and ES256 and nothing else: an algorithm is believed because we know it, not because the
//! token names it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_crypto::foreign::{ForeignKey, Form};
use serde_json::Value;

/// Longest token that is looked at.
const LONGEST: usize = 16 * 1024;
/// Seconds that the provider's clock may be off.
const DRIFT: i64 = 60;

/// What the token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    /// Our name there.
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// Why it is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untrusted {
    #[error("it is not a signed token")]
    Shape,
    #[error("it is signed with another algorithm than RS256 and ES256")]
    Algorithm,
    #[error("no key of the provider signed it")]
    Signature,
    #[error("another issuer made it")]
    Issuer,
    #[error("it was made for another client")]
    Audience,
    #[error("it has expired, or is not of now")]
    Time,
    #[error("it answers another sign-in")]
    Nonce,
    #[error("it and the provider's answer are about two people")]
    AnotherPerson,
}

/// The claims of a token that holds under one of the provider's `keys` (RFC 7517).
pub(super) fn check(
    token: &str,
    keys: &Value,
    expected: &Expected<'_>,
) -> Result<Value, Untrusted> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Untrusted::Shape)?;
    let (header, claims) = signed.split_once('.').ok_or(Untrusted::Shape)?;
    if token.len() > LONGEST {
        return Err(Untrusted::Shape);
    }
    let signature = unpacked(signature).ok_or(Untrusted::Shape)?;
    let header = document(header).ok_or(Untrusted::Shape)?;
    let word = |name: &str| header.get(name).and_then(Value::as_str);
    let algorithm = word("alg").unwrap_or_default();
    // What we do not understand and must (RFC 7515 4.1.11).
    if !["RS256", "ES256"].contains(&algorithm) || header.get("crit").is_some() {
        return Err(Untrusted::Algorithm);
    }
    let all = keys.get("keys").and_then(Value::as_array);
    let mut fitting = all
        .into_iter()
        .flatten()
        .filter_map(|jwk| key(jwk, algorithm, word("kid")));
    if !fitting.any(|key| key.verify(signed.as_bytes(), &signature, Form::Fixed)) {
        return Err(Untrusted::Signature);
    }
    let claims = document(claims).ok_or(Untrusted::Shape)?;
    says(&claims, expected)?;
    Ok(claims)
}

fn says(claims: &Value, expected: &Expected<'_>) -> Result<(), Untrusted> {
    let is = |name: &str, value: &str| claims.get(name).and_then(Value::as_str) == Some(value);
    if !is("iss", expected.issuer) {
        return Err(Untrusted::Issuer);
    }
    let ours = match claims.get("aud") {
        Some(Value::String(one)) => one == expected.client,
        // One of several must say that it was made for us.
        Some(Value::Array(all)) => {
            all.iter().any(|a| a == expected.client)
                && (all.len() == 1 || is("azp", expected.client))
        }
        _ => false,
    };
    if !ours || claims.get("azp").is_some() && !is("azp", expected.client) {
        return Err(Untrusted::Audience);
    }
    let moment = |name: &str| claims.get(name).and_then(Value::as_i64);
    let live = moment("exp").is_some_and(|end| expected.now < end.saturating_add(DRIFT));
    let made = moment("iat").is_some_and(|at| at <= expected.now.saturating_add(DRIFT));
    if !live || !made {
        return Err(Untrusted::Time);
    }
    if is("nonce", expected.nonce) {
        Ok(())
    } else {
        Err(Untrusted::Nonce)
    }
}

/// The key of a JWK, where it may have signed with this algorithm and id.
fn key(jwk: &Value, algorithm: &str, id: Option<&str>) -> Option<ForeignKey> {
    let word = |name: &str| jwk.get(name).and_then(Value::as_str);
    let named = id.is_none() || word("kid").is_none() || word("kid") == id;
    let signs = word("use").is_none_or(|used| used == "sig");
    let fits = word("alg").is_none_or(|a| a == algorithm);
    if !named || !signs || !fits {
        return None;
    }
    let number = |name: &str| unpacked(word(name)?);
    match (algorithm, word("kty")?) {
        ("RS256", "RSA") => ForeignKey::from_modulus(&number("n")?, &number("e")?),
        ("ES256", "EC") if word("crv") == Some("P-256") => {
            ForeignKey::from_point(&number("x")?, &number("y")?)
        }
        _ => None,
    }
}

fn document(part: &str) -> Option<Value> {
    let value: Value = serde_json::from_slice(&unpacked(part)?).ok()?;
    value.is_object().then_some(value)
}

fn unpacked(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const EXPECTED: Expected<'static> = Expected {
        issuer: "https://id.example",
        client: "rongqiao",
        nonce: "n-1",
        now: NOW,
    };

    struct Issuer(EcdsaKeyPair);

    impl Issuer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(how, pair.as_ref(), &random).unwrap())
        }

        fn keys(&self) -> Value {
            let point = self.0.public_key().as_ref();
            let (x, y) = (&point[1..33], &point[33..]);
            let [x, y] = [x, y].map(|n| URL_SAFE_NO_PAD.encode(n));
            json!({ "keys": [
                { "kty": "RSA", "kid": "old", "n": "AQAB", "e": "AQAB" },
                { "kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": x, "y": y },
            ]})
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            let [header, claims] = [header, claims].map(|v| URL_SAFE_NO_PAD.encode(v.to_string()));
            let signed = format!("{header}.{claims}");
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes());
            let signature = URL_SAFE_NO_PAD.encode(signature.unwrap());
            format!("{signed}.{signature}")
        }
    }

    fn header() -> Value {
        json!({ "alg": "ES256", "kid": "k1" })
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "rongqiao", "sub": "u", "nonce": "n-1",
            "exp": NOW + 300, "iat": NOW,
        })
    }

    #[test]
    fn a_token_for_us_of_now_is_believed() {
        let issuer = Issuer::new();
        let token = issuer.token(&header(), &claims());
        let got = check(&token, &issuer.keys(), &EXPECTED).unwrap();
        assert_eq!(got["sub"], "u");
        let mut listed = claims();
        listed["aud"] = json!(["rongqiao"]);
        let token = issuer.token(&json!({ "alg": "ES256" }), &listed);
        assert!(check(&token, &issuer.keys(), &EXPECTED).is_ok());
    }

    #[test]
    fn whatever_differs_is_not() {
        let issuer = Issuer::new();
        for (name, value, why) in [
            ("iss", json!("https://id.example.evil"), Untrusted::Issuer),
            ("aud", json!("another"), Untrusted::Audience),
            ("aud", json!(["rongqiao", "another"]), Untrusted::Audience),
            ("azp", json!("another"), Untrusted::Audience),
            ("exp", json!(NOW - 61), Untrusted::Time),
            ("exp", json!("tomorrow"), Untrusted::Time),
            ("iat", json!(NOW + 61), Untrusted::Time),
            ("nonce", json!("n-2"), Untrusted::Nonce),
            ("nonce", json!(null), Untrusted::Nonce),
        ] {
            let mut claims = claims();
            claims[name] = value;
            let token = issuer.token(&header(), &claims);
            let got = check(&token, &issuer.keys(), &EXPECTED);
            assert_eq!(got, Err(why), "{claims}");
        }
    }

    #[test]
    fn only_the_providers_keys_and_the_two_algorithms_count() {
        let (issuer, other) = (Issuer::new(), Issuer::new());
        let keys = issuer.keys();
        let forged = other.token(&header(), &claims());
        assert_eq!(check(&forged, &keys, &EXPECTED), Err(Untrusted::Signature));
        let named = issuer.token(&json!({ "alg": "ES256", "kid": "k2" }), &claims());
        assert_eq!(check(&named, &keys, &EXPECTED), Err(Untrusted::Signature));
        for alg in ["none", "HS256", "RS384", ""] {
            let token = issuer.token(&json!({ "alg": alg, "kid": "k1" }), &claims());
            let got = check(&token, &keys, &EXPECTED);
            assert_eq!(got, Err(Untrusted::Algorithm), "{alg}");
        }
        let crit = issuer.token(&json!({ "alg": "ES256", "crit": ["b64"] }), &claims());
        assert_eq!(check(&crit, &keys, &EXPECTED), Err(Untrusted::Algorithm));
        let token = issuer.token(&header(), &claims());
        let cut = token.rsplit_once('.').unwrap().0;
        for bad in [
            "",
            "..",
            "a.b.c",
            cut,
            &format!("{cut}."),
            &"x".repeat(20_000),
        ] {
            assert!(check(bad, &keys, &EXPECTED).is_err(), "{bad}");
        }
        for keys in [json!(null), json!({ "keys": [{ "kty": "EC" }] })] {
            let got = check(&token, &keys, &EXPECTED);
            assert_eq!(got, Err(Untrusted::Signature));
        }
    }
}
