//! Two identity providers to try the platform out and to test it with: 随申办 for persons, with an
//! id token, and 企业云 for people who act for an enterprise, without. Not shipped: whoever opens
//! them picks who to be. The platform takes them in a demo only, for they speak without TLS.
//!
//! They end when their input does. They are as strict as real ones: a code is good once, for the redirect address it was asked for
//! with, and only with the verifier of PKCE and the client's secret.

#![allow(
    clippy::indexing_slicing,
    reason = "a member of a JSON value that is not there is null, and is made when it is set"
)]

mod people;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Parser;
use kernel_crypto::foreign::sha256;
use kernel_crypto::random;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const CLIENT: &str = "rongqiao";
/// Seconds for which an id token holds.
const GOOD: u64 = 300;
const PERSONS: &str = "suishenban";
const LEGAL_PERSONS: &str = "qiyeyun";

#[derive(Debug, Parser)]
struct Cli {
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Folder for what the platform's configuration needs: `providers.toml` and our secret.
    #[arg(long)]
    folder: PathBuf,
}

/// What the platform sends people with.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
    #[serde(default)]
    nonce: String,
}

/// Who somebody is, and what goes wrong with them: for tests.
#[derive(Debug, Clone, Deserialize)]
struct Chosen {
    person: String,
    #[serde(default)]
    fault: String,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Default)]
struct Given {
    /// By code.
    codes: BTreeMap<String, (String, Chosen)>,
    /// By access token, what is answered about its person.
    tokens: BTreeMap<String, Value>,
}

#[derive(Clone)]
struct World(Arc<Inner>);

struct Inner {
    url: String,
    secret: String,
    key: EcdsaKeyPair,
    given: Mutex<Given>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, cli.port)).await?;
    let url = format!("http://{}", port.local_addr()?);
    let random = SystemRandom::new();
    let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(how, &random)
        .ok()
        .and_then(|key| EcdsaKeyPair::from_pkcs8(how, key.as_ref(), &random).ok())
        .context("no key can be made")?;
    let secret = random::token_hex(16)?;
    std::fs::create_dir_all(&cli.folder)?;
    let folder = cli.folder.canonicalize()?;
    let kept = folder.join("secret");
    std::fs::write(&kept, &secret)?;
    let config = config(&url, &kept.display().to_string());
    std::fs::write(folder.join("providers.toml"), config)?;
    let world = World(Arc::new(Inner {
        url: url.clone(),
        secret,
        key,
        given: Mutex::default(),
    }));
    let router = Router::new()
        .route("/{provider}/authorize", get(authorize))
        .route("/{provider}/choose", get(choose))
        .route("/{provider}/token", post(token))
        .route("/{provider}/me", get(me))
        .route("/{provider}/keys", get(keys))
        .with_state(world);
    writeln!(std::io::stdout(), "providers are at {url}")?;
    let (over, input) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop((read, over));
    });
    tokio::select! {
        served = axum::serve(port, router) => Ok(served?),
        _ = input => Ok(()),
    }
}

/// What an operator writes to have people sign in with these two.
fn config(url: &str, secret: &str) -> String {
    format!(
        r#"
[sessions.providers.{PERSONS}]
name = "随申办"
name_en = "Suishenban"
keeps = "person"
authorize = "{url}/{PERSONS}/authorize"
token = "{url}/{PERSONS}/token"
userinfo = "{url}/{PERSONS}/me"
issuer = "{url}/{PERSONS}"
keys = "{url}/{PERSONS}/keys"
client_id = "{CLIENT}"
secret_file = "{secret}"
scope = "openid profile"

[sessions.providers.{PERSONS}.places]
id_number = "/id_number"

[sessions.providers.{LEGAL_PERSONS}]
name = "企业云"
name_en = "Enterprise Cloud"
keeps = "legal-person"
authorize = "{url}/{LEGAL_PERSONS}/authorize"
token = "{url}/{LEGAL_PERSONS}/token"
userinfo = "{url}/{LEGAL_PERSONS}/me"
client_id = "{CLIENT}"
secret_file = "{secret}"
secret_in = "body"
gone = ["注销", "吊销"]
representative = ["法定代表人"]

[sessions.providers.{LEGAL_PERSONS}.places]
subject = "/operator/id"
name = "/operator/name"
id_number = "/operator/number"
code = "/corp/code"
party = "/corp/name"
state = "/corp/state"
capacity = "/operator/role"
"#
    )
}

fn people(provider: &str) -> Option<Vec<people::Person>> {
    match provider {
        PERSONS => Some(people::persons()),
        LEGAL_PERSONS => Some(people::legal_persons()),
        _ => None,
    }
}

fn refused(code: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": code }))).into_response()
}

/// Where somebody picks who to be.
async fn authorize(Path(provider): Path<String>, Query(asked): Query<Asked>) -> Response {
    let Some(people) = people(&provider) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if asked.client_id != CLIENT || asked.code_challenge_method != "S256" {
        return refused("invalid_request");
    }
    let name = if provider == PERSONS {
        "随申办"
    } else {
        "企业云"
    };
    let mut page = format!(
        "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>{name}（模拟）</title>\
         <link rel=\"icon\" href=\"data:,\">\
         <h1>{name}（模拟）</h1><p>仅供试用：请选择以谁的身份登录</p><ul>"
    );
    let fields = [
        ("client_id", &asked.client_id),
        ("redirect_uri", &asked.redirect_uri),
        ("state", &asked.state),
        ("code_challenge", &asked.code_challenge),
        ("code_challenge_method", &asked.code_challenge_method),
        ("nonce", &asked.nonce),
    ];
    let query: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    for person in people {
        let query = query.join("&amp;");
        let (key, label) = (person.key, person.label);
        let _ = write!(
            page,
            "<li><a href=\"choose?{query}&amp;person={key}\">{label}</a></li>"
        );
    }
    Html(page + "</ul></html>").into_response()
}

async fn choose(
    State(world): State<World>,
    Path(provider): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Response {
    let Ok(code) = random::token_hex(16) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let back = &chosen.asked.redirect_uri;
    let to = format!("{back}?code={code}&state={}", escape(&chosen.asked.state));
    world.given().codes.insert(code, (provider, chosen));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

async fn token(
    State(world): State<World>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    Form(exchange): Form<Exchange>,
) -> Response {
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("{CLIENT}:{}", world.0.secret))
    );
    let in_header = headers
        .get(AUTHORIZATION)
        .is_some_and(|h| h == basic.as_str());
    let in_body = exchange.client_id.as_deref() == Some(CLIENT)
        && exchange.client_secret.as_deref() == Some(&world.0.secret);
    if !in_header && !in_body {
        return refused("invalid_client");
    }
    // Taken out whatever comes of it: good once.
    let Some((of, chosen)) = world.given().codes.remove(&exchange.code) else {
        return refused("invalid_grant");
    };
    let verified = URL_SAFE_NO_PAD.encode(sha256(exchange.code_verifier.as_bytes()));
    let same = of == provider
        && exchange.grant_type == "authorization_code"
        && exchange.redirect_uri == chosen.asked.redirect_uri
        && verified == chosen.asked.code_challenge;
    let found = people(&provider).unwrap_or_default();
    let found = found.into_iter().find(|p| p.key == chosen.person);
    let (Some(person), true) = (found, same) else {
        return refused("invalid_grant");
    };
    let Ok(access) = random::token_hex(16) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let mut answer = json!({ "access_token": access, "token_type": "Bearer" });
    if provider == PERSONS {
        answer["id_token"] = world.id_token(&person.answer["sub"], &chosen).into();
    }
    let mut told = person.answer;
    if chosen.fault == "person" {
        told["sub"] = json!("ssb-9999");
    }
    world.given().tokens.insert(access, told);
    Json(answer).into_response()
}

async fn me(State(world): State<World>, headers: HeaderMap) -> Response {
    let bearer = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok());
    let bearer = bearer.and_then(|h| h.strip_prefix("Bearer "));
    let told = bearer.and_then(|token| world.given().tokens.remove(token));
    told.map_or_else(
        || refused("invalid_token"),
        |told| Json(told).into_response(),
    )
}

async fn keys(State(world): State<World>) -> Json<Value> {
    let point = world.0.key.public_key().as_ref();
    let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
    Json(json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }]}))
}

impl World {
    fn given(&self) -> std::sync::MutexGuard<'_, Given> {
        self.0.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id_token(&self, sub: &Value, chosen: &Chosen) -> String {
        let (now, fault) = (seconds(), chosen.fault.as_str());
        let or = |name: &str, right: &str| {
            let wrong = fault == name;
            if wrong {
                "another".to_owned()
            } else {
                right.to_owned()
            }
        };
        let made = if fault == "time" { now - 2 * GOOD } else { now };
        let header = json!({ "alg": "ES256", "kid": "1" });
        let claims = json!({
            "iss": or("issuer", &format!("{}/{PERSONS}", self.0.url)),
            "aud": or("audience", CLIENT),
            "nonce": or("nonce", &chosen.asked.nonce),
            "sub": sub, "iat": made, "exp": made + GOOD,
        });
        let [header, claims] = [header, claims].map(|v| URL_SAFE_NO_PAD.encode(v.to_string()));
        let signed = format!("{header}.{claims}");
        let over = or("signature", &signed);
        let signature = self.0.key.sign(&SystemRandom::new(), over.as_bytes());
        let signature = signature.map(|s| URL_SAFE_NO_PAD.encode(s));
        format!("{signed}.{}", signature.unwrap_or_default())
    }
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the platform under test runs by the same clock"
)]
fn seconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
