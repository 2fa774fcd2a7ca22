//! The HTTP face of the kernel: pages for people, a JSON API for programs, from the same
//! declarations.
//!
//! # Order of layers, outermost first
//!
//! 1. [`edge::serve`]: request id, client address, span, one log line, security headers, and the
//!    body of every failure (page or problem) whoever caused it.
//! 2. [`bodies::read_out`]: what was left of a body is read before the answer goes out.
//! 3. compression.
//! 4. panics become failures.
//! 5. [`edge::within_time`]: a request that takes too long becomes a failure.
//! 6. [`caller::resolve`]: who calls: a person's session, or a signed call ([`signed`]).
//! 7. body limit.
//! 8. routes. Whatever no route takes is a page path, answered by the module that declared it.
//!
//! Deliberately absent: any rule of a module, any decision about access (the host decides), HTML
//! (the portal draws), configuration files (the server reads them).

mod bodies;
mod caller;
mod clients;
mod collections;
mod cookies;
mod door;
mod edge;
mod federation;
mod files;
mod login;
mod look;
mod notices;
mod openapi;
mod own;
mod pages;
mod parked;
mod payload;
mod pki;
mod posts;
mod problem;
mod resumable;
mod routes;
mod sealed;
mod signature;
mod signed;
mod signing;
mod step_up;
mod transfer;
mod typed;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_host::Host;
use kernel_host::outgoing::Outgoing;
use kernel_identity::apps::Apps;
use kernel_identity::network::Network;
use kernel_identity::session::Sessions;
use kernel_portal::Site;
use sdk_contract::def::{Label, Level};

pub use clients::{Clients, Proved, Trusted};
pub use door::{Door, Peer, Side, Tls};
pub use routes::{probe, router};

/// What the server's configuration says about the web face.
#[derive(Debug, Clone)]
pub struct WebSettings {
    pub site: Site,
    /// Districts for region fields, by GB/T 2260 code.
    pub regions: BTreeMap<String, Label>,
    /// Roles as people call them, by name.
    pub roles: BTreeMap<String, Label>,
    /// The platform's address as people type it; empty is what each request names.
    pub address: String,
    /// Mark cookies `Secure`: whenever people come by TLS.
    pub secure_cookies: bool,
    /// Where proxies are whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Believe what they say of clients' certificates, too (RFC 9440).
    pub proxy_certificates: bool,
    /// Largest upload, in bytes.
    pub upload_bytes: usize,
    /// The highest level whose values a signed call sees that does not have its answer sealed.
    pub in_clear: Level,
    /// How identity providers are asked.
    pub outgoing: Outgoing,
    /// Longest a request may take.
    pub timeout: Duration,
    pub version: &'static str,
}

/// Everything a handler needs. Cheap to clone.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    host: Host,
    sessions: Sessions,
    apps: Apps,
    settings: WebSettings,
    lot: parked::Lot,
    refusals: signed::Refusals,
}

impl Web {
    pub fn new(host: Host, sessions: Sessions, settings: WebSettings) -> Self {
        Self(Arc::new(Inner {
            apps: Apps::new(host.store().clone(), sessions.clearances().clone()),
            host,
            sessions,
            settings,
            lot: parked::Lot::default(),
            refusals: signed::Refusals::default(),
        }))
    }

    fn host(&self) -> &Host {
        &self.0.host
    }

    fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    fn apps(&self) -> &Apps {
        &self.0.apps
    }

    fn refusals(&self) -> &signed::Refusals {
        &self.0.refusals
    }

    fn settings(&self) -> &WebSettings {
        &self.0.settings
    }

    fn lot(&self) -> &parked::Lot {
        &self.0.lot
    }

    fn secure(&self) -> bool {
        self.0.settings.secure_cookies
    }

    /// The platform's address as the person sees it, without a path.
    fn address(&self, info: &edge::RequestInfo) -> String {
        let known = self.settings().address.trim_end_matches('/');
        match (known, self.secure()) {
            ("", true) => format!("https://{}", info.host),
            ("", false) => format!("http://{}", info.host),
            (known, _) => known.to_owned(),
        }
    }

    /// Microseconds since 1970, UTC.
    fn now(&self) -> i64 {
        self.0.host.clock().now().micros()
    }

    /// Text that comes back unchanged or not at all: base64url, a dot, a keyed digest.
    fn stamp(&self, purpose: &str, text: &str) -> String {
        let proof = self.sessions().stamp(purpose, text);
        format!("{}.{proof}", URL_SAFE_NO_PAD.encode(text))
    }

    fn unstamp(&self, purpose: &str, stamped: &str) -> Option<String> {
        let (text, proof) = stamped.split_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let right = self.sessions().stamp(purpose, &text);
        caller::same(right.as_bytes(), proof.as_bytes()).then_some(text)
    }
}
