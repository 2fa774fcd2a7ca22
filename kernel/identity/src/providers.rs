//! Where people may sign in with an account that another keeps, as the operator configures it:
//! OAuth 2.0 (RFC 6749) with PKCE (RFC 7636), and an OpenID Connect token where the provider has
//! one. The web face speaks with them; [`crate::federation`] says whose account is whose.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use sdk_contract::def::Label;
use sdk_contract::page::is_slug;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// By id, which stands in addresses.
pub type Providers = BTreeMap<String, Provider>;

/// Longest id.
const LONGEST: usize = 32;

/// Who has accounts there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeps {
    #[default]
    Person,
    /// People who act for a party, whose code comes with every sign-in.
    LegalPerson,
}

/// How the provider takes our secret at its token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretIn {
    /// `client_secret_basic`
    #[default]
    Header,
    /// `client_secret_post`
    Body,
}

/// A secret that no log shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    pub name: String,
    pub name_en: String,
    pub keeps: Keeps,
    /// Where people are sent.
    pub authorize: String,
    /// Where a code becomes a token.
    pub token: String,
    /// Who the token is about; empty is what the id token says.
    pub userinfo: String,
    /// `iss` of its id tokens; empty is a provider without them.
    pub issuer: String,
    /// Its public keys, a JSON Web Key Set.
    pub keys: String,
    pub client_id: String,
    /// File that holds our secret there; empty is none, and PKCE alone.
    pub secret_file: PathBuf,
    pub secret_in: SecretIn,
    #[serde(skip)]
    pub secret: Secret,
    pub scope: String,
    /// A sign-in there proves two factors. Otherwise it stands for the password only.
    pub two_factors: bool,
    pub places: Places,
    /// States of a party, as [`Places::state`] has them, in which nobody signs in for it.
    pub gone: Vec<String>,
    /// What [`Places::capacity`] calls the legal representative; anybody else is an agent.
    pub representative: Vec<String>,
}

/// Where in the answer things stand, as JSON pointers (RFC 6901); empty is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Places {
    /// The account's identifier, which never changes and is given to nobody else.
    pub subject: String,
    pub name: String,
    /// Resident id that the provider has verified.
    pub id_number: String,
    /// Code of the party.
    pub code: String,
    pub party: String,
    pub state: String,
    pub capacity: String,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            subject: "/sub".into(),
            name: "/name".into(),
            id_number: String::new(),
            code: String::new(),
            party: String::new(),
            state: String::new(),
            capacity: String::new(),
        }
    }
}

impl Provider {
    pub fn label(&self) -> Label {
        Label::new(&self.name, &self.name_en)
    }

    /// What is wrong with the configuration of a provider. `plain` lets it be asked without TLS, on
    /// this machine: for trying out.
    pub fn check(&self, id: &str, plain: bool) -> Result<(), String> {
        if !is_slug(id) || id.len() > LONGEST {
            return Err("its name must be a slug of 32 characters at most".into());
        }
        for (key, text) in [
            ("name", &self.name),
            ("client_id", &self.client_id),
            ("places.subject", &self.places.subject),
        ] {
            if text.is_empty() {
                return Err(format!("{key} is empty"));
            }
        }
        let places = &self.places;
        if self.keeps == Keeps::LegalPerson && (places.code.is_empty() || places.party.is_empty()) {
            return Err("legal persons have places.code and places.party".into());
        }
        if places.state.is_empty() != self.gone.is_empty() {
            return Err("places.state and gone go together".into());
        }
        if self.issuer.is_empty() != self.keys.is_empty() {
            return Err("issuer and keys go together".into());
        }
        if self.issuer.is_empty() && self.userinfo.is_empty() {
            return Err("neither userinfo nor issuer says who signs in".into());
        }
        let optional = [
            ("userinfo", &self.userinfo),
            ("keys", &self.keys),
            ("issuer", &self.issuer),
        ];
        let needed = [("authorize", &self.authorize), ("token", &self.token)];
        let given = optional.into_iter().filter(|(_, url)| !url.is_empty());
        for (key, url) in needed.into_iter().chain(given) {
            if !(url.starts_with("https://") || plain && is_here(url)) {
                return Err(format!("{key} is not an https address"));
            }
        }
        Ok(())
    }
}

/// Whether an address without TLS leads to this machine: a port and nothing else behind its name.
fn is_here(url: &str) -> bool {
    let names = ["http://127.0.0.1:", "http://localhost:"];
    let rest = names.iter().find_map(|name| url.strip_prefix(name));
    let port = rest.map(|rest| rest.split_once('/').map_or(rest, |(port, _)| port));
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Provider {
        Provider {
            name: "随申办".into(),
            authorize: "https://id.example/authorize".into(),
            token: "https://id.example/token".into(),
            userinfo: "https://id.example/me".into(),
            client_id: "rongqiao".into(),
            ..Provider::default()
        }
    }

    #[test]
    fn a_provider_that_could_not_be_trusted_is_refused_at_start() {
        assert_eq!(whole().check("suishenban", false), Ok(()));
        assert!(whole().check("随申办", false).is_err());
        let bad: [fn(&mut Provider); 10] = [
            |p| p.name.clear(),
            |p| p.client_id.clear(),
            |p| p.places.subject.clear(),
            |p| p.keeps = Keeps::LegalPerson,
            |p| {
                p.keeps = Keeps::LegalPerson;
                p.places.code = "/code".into();
            },
            |p| p.places.state = "/state".into(),
            |p| p.gone = vec!["注销".into()],
            |p| p.issuer = "https://id.example".into(),
            |p| p.userinfo.clear(),
            |p| p.token = "http://id.example/token".into(),
        ];
        for (i, change) in bad.iter().enumerate() {
            let mut provider = whole();
            change(&mut provider);
            assert!(provider.check("suishenban", true).is_err(), "{i}");
        }
    }

    #[test]
    fn only_a_trial_asks_without_tls_and_only_this_machine() {
        let mut provider = whole();
        provider.token = "http://127.0.0.1:9000/token".into();
        assert_eq!(provider.check("suishenban", true), Ok(()));
        assert!(provider.check("suishenban", false).is_err());
        for elsewhere in [
            "http://127.0.0.1.evil.example/token",
            "http://127.0.0.1:9@evil.example/token",
        ] {
            provider.token = elsewhere.into();
            assert!(provider.check("suishenban", true).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn a_secret_is_in_no_log() {
        let provider = Provider {
            secret: Secret::new("hush"),
            ..whole()
        };
        assert!(!format!("{provider:?}").contains("hush"));
    }
}
