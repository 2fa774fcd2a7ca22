//! From a code to what the provider says of the person, checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_host::outgoing::{OutgoingError, Request};
use kernel_identity::federation::{Vouched, VouchedParty};
use kernel_identity::providers::{Keeps, Provider, SecretIn};
use sdk_contract::code::Format;
use sdk_contract::def::Label;
use serde_json::Value;

use super::id_token::{self, Expected, Untrusted};
use crate::edge::RequestInfo;
use crate::{Web, view};

/// Longest identifier of an account elsewhere, in bytes.
const LONGEST_SUBJECT: usize = 200;
/// Longest name of a person and of a party, in characters.
const LONGEST_NAME: usize = 64;
const LONGEST_PARTY: usize = 120;

/// What somebody was sent away with.
pub(super) struct Sent {
    /// Where the provider sends people back to.
    pub(super) redirect: String,
    /// Of PKCE.
    pub(super) verifier: String,
    pub(super) nonce: String,
}

impl Sent {
    pub(super) fn of(web: &Web, info: &RequestInfo, id: &str, state: &str) -> Self {
        Self {
            redirect: format!("{}/login/from/{id}", web.address(info)),
            verifier: web.sessions().stamp("pkce", state),
            nonce: web.sessions().stamp("nonce", state),
        }
    }
}

/// Why a provider's answer lets nobody in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unvouched {
    #[error("the provider could not be asked")]
    Silent(#[from] OutgoingError),
    #[error("the provider does not take the code")]
    Code,
    #[error("the provider gave no token")]
    NoToken,
    #[error("the id token is not to be trusted")]
    Token(#[from] Untrusted),
    #[error("the answer lacks {0}")]
    Lacks(&'static str),
    #[error("the code of the party is not one")]
    BadCode,
    #[error("the party is no more")]
    Gone(String),
}

impl Unvouched {
    /// Whether it was what the browser brought that the provider did not take.
    pub(super) fn is_of_the_code(&self) -> bool {
        matches!(self, Self::Code | Self::NoToken)
    }

    /// For the audit trail.
    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::Code | Self::NoToken => "code refused",
            Self::Silent(_) => "no answer",
            Self::Token(_) => "id token",
            Self::Lacks(_) => "incomplete",
            Self::BadCode => "bad code",
            Self::Gone(_) => "party gone",
        }
    }

    /// For the person.
    pub(super) fn message(&self) -> Label {
        match self {
            Self::Code | Self::NoToken => Label::new(
                "登录凭据已使用或已失效，请重新点击登录",
                "What you came back with was used or has expired. Please begin again",
            ),
            Self::Silent(_) => Label::new(
                "对方平台暂时没有应答，请稍后再试或换一种方式登录",
                "The other platform does not answer. Try later, or sign in another way",
            ),
            Self::Token(_) => Label::new(
                "对方平台返回的身份凭证没有通过核验，请重新点击登录",
                "The other platform's token does not hold. Please begin again",
            ),
            Self::Lacks(_) => Label::new(
                "对方平台返回的信息不完整，不能登录，请联系本平台客服",
                "The other platform did not say enough. Please ask the service desk",
            ),
            Self::BadCode => Label::new(
                "对方平台返回的统一社会信用代码不正确，不能登录，请到对方平台更正",
                "The other platform's code of your enterprise is wrong. Please have it corrected there",
            ),
            Self::Gone(state) => Label::new(
                format!("对方平台显示该主体的登记状态为“{state}”，不能登录"),
                format!("The other platform says that your enterprise is “{state}”"),
            ),
        }
    }
}

/// Exchanges the code, and reads who came.
pub(super) async fn vouched(
    web: &Web,
    (id, provider): (&str, &Provider),
    sent: &Sent,
    code: &str,
) -> Result<Vouched, Unvouched> {
    let outgoing = &web.settings().outgoing;
    let tokens = outgoing.json(exchange(provider, sent, code)).await;
    let tokens = tokens.map_err(|error| match error {
        OutgoingError::Refused(400..=499) => Unvouched::Code,
        error => Unvouched::Silent(error),
    })?;
    let token = |name: &str| tokens.get(name).and_then(Value::as_str);
    let claims = if provider.issuer.is_empty() {
        None
    } else {
        let keys = Request {
            url: provider.keys.clone(),
            ..Request::default()
        };
        // Each time anew: a key that the provider takes back is worth nothing at once.
        let keys = outgoing.json(keys).await?;
        let expected = Expected {
            issuer: &provider.issuer,
            client: &provider.client_id,
            nonce: &sent.nonce,
            now: web.now().div_euclid(1_000_000),
        };
        let token = token("id_token").ok_or(Unvouched::NoToken)?;
        Some(id_token::check(token, &keys, &expected)?)
    };
    let answer = match claims {
        Some(claims) if provider.userinfo.is_empty() => claims,
        claims => {
            let bearer = token("access_token").ok_or(Unvouched::NoToken)?;
            let ask = Request {
                url: provider.userinfo.clone(),
                authorization: format!("Bearer {bearer}"),
                form: None,
            };
            let answer = outgoing.json(ask).await?;
            // OpenID Connect Core 5.3.2: the answer is about the token's person.
            let same = |claims: Value| {
                let sub = claims.get("sub");
                sub.is_some() && sub == answer.get("sub")
            };
            if !claims.is_none_or(same) {
                return Err(Untrusted::AnotherPerson.into());
            }
            answer
        }
    };
    read(id, provider, &answer)
}

fn exchange(provider: &Provider, sent: &Sent, code: &str) -> Request {
    let mut form = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", sent.redirect.clone()),
        ("code_verifier", sent.verifier.clone()),
    ];
    let (client, secret) = (&provider.client_id, provider.secret.reveal());
    let mut authorization = String::new();
    if !secret.is_empty() && provider.secret_in == SecretIn::Header {
        // RFC 6749 2.3.1: both are escaped first.
        let pair = format!("{}:{}", view::escape(client), view::escape(secret));
        authorization = format!("Basic {}", STANDARD.encode(pair));
    } else {
        form.push(("client_id", client.clone()));
        if !secret.is_empty() {
            form.push(("client_secret", secret.to_owned()));
        }
    }
    Request {
        url: provider.token.clone(),
        authorization,
        form: Some(form),
    }
}

fn read(id: &str, provider: &Provider, answer: &Value) -> Result<Vouched, Unvouched> {
    let at = |pointer: &str| -> Option<String> {
        let value = (!pointer.is_empty()).then(|| answer.pointer(pointer))??;
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    };
    let places = &provider.places;
    let subject = at(&places.subject).filter(|s| s.len() <= LONGEST_SUBJECT);
    let subject = subject.ok_or(Unvouched::Lacks("the identifier"))?;
    let name = at(&places.name).ok_or(Unvouched::Lacks("the name"))?;
    let number = at(&places.id_number);
    let party = match provider.keeps {
        Keeps::Person => None,
        Keeps::LegalPerson => {
            let code = at(&places.code).ok_or(Unvouched::Lacks("the party's code"))?;
            let code = Format::Uscc.check(&code).map_err(|_| Unvouched::BadCode)?;
            if !places.state.is_empty() {
                let state = at(&places.state).ok_or(Unvouched::Lacks("the party's state"))?;
                if provider.gone.contains(&state) {
                    return Err(Unvouched::Gone(state));
                }
            }
            let party = at(&places.party).ok_or(Unvouched::Lacks("the party's name"))?;
            let capacity = at(&places.capacity);
            Some(VouchedParty {
                code,
                name: party.chars().take(LONGEST_PARTY).collect(),
                representative: capacity.is_some_and(|c| provider.representative.contains(&c)),
            })
        }
    };
    Ok(Vouched {
        provider: id.to_owned(),
        provider_name: provider.name.clone(),
        subject,
        name: name.chars().take(LONGEST_NAME).collect(),
        // A masked number, or one of a passport, says nothing here.
        id_number: number.and_then(|n| Format::ResidentId.check(&n).ok()),
        party,
        two_factors: provider.two_factors,
    })
}

#[cfg(test)]
mod tests {
    use kernel_identity::providers::{Places, Secret};
    use serde_json::json;

    use super::*;

    fn provider() -> Provider {
        Provider {
            name: "企业云".into(),
            keeps: Keeps::LegalPerson,
            client_id: "rong qiao".into(),
            secret: Secret::new("a:b"),
            places: Places {
                subject: "/user/id".into(),
                name: "/user/name".into(),
                id_number: "/user/number".into(),
                code: "/corp/code".into(),
                party: "/corp/name".into(),
                state: "/corp/state".into(),
                capacity: "/user/role".into(),
            },
            gone: vec!["注销".into()],
            representative: vec!["法定代表人".into()],
            ..Provider::default()
        }
    }

    fn answer() -> Value {
        json!({
            "user": { "id": 7, "name": " 林知远 ", "number": "11010519491231002X", "role": "经办人" },
            "corp": { "code": "91310115ma90090168", "name": "上海云杉", "state": "存续" },
        })
    }

    #[test]
    fn things_are_read_where_the_operator_says() {
        let got = read("cloud", &provider(), &answer()).unwrap();
        assert_eq!((got.subject.as_str(), got.name.as_str()), ("7", "林知远"));
        assert_eq!(got.id_number.as_deref(), Some("11010519491231002X"));
        let party = got.party.unwrap();
        assert_eq!(party.code, "91310115MA90090168");
        assert!(!party.representative);
    }

    #[test]
    fn what_lacks_or_is_gone_lets_nobody_in() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 7] = [
            (|a| a["user"]["id"] = json!(""), "incomplete"),
            (|a| a["user"]["name"] = json!(null), "incomplete"),
            (|a| a["user"]["id"] = json!("x".repeat(201)), "incomplete"),
            (|a| a["corp"]["name"] = json!({}), "incomplete"),
            (
                |a| a["corp"]["code"] = json!("91310115MA9009016I"),
                "bad code",
            ),
            (|a| a["corp"]["state"] = json!("注销"), "party gone"),
            (|a| a["corp"]["state"] = json!(null), "incomplete"),
        ];
        for (change, why) in cases {
            let mut answer = answer();
            change(&mut answer);
            let refused = read("cloud", &provider(), &answer).unwrap_err();
            assert_eq!(refused.why(), why, "{answer}");
        }
    }

    #[test]
    fn a_number_that_is_masked_is_none() {
        let mut masked = answer();
        masked["user"]["number"] = json!("110***********002X");
        let got = read("cloud", &provider(), &masked).unwrap();
        assert_eq!(got.id_number, None);
    }

    #[test]
    fn the_secret_goes_where_the_provider_takes_it() {
        let sent = Sent {
            redirect: "r".into(),
            verifier: "v".into(),
            nonce: "n".into(),
        };
        let header = exchange(&provider(), &sent, "c");
        // "rong%20qiao:a%3Ab"
        assert_eq!(header.authorization, "Basic cm9uZyUyMHFpYW86YSUzQWI=");
        let body = Provider {
            secret_in: SecretIn::Body,
            ..provider()
        };
        let body = exchange(&body, &sent, "c");
        assert_eq!(body.authorization, "");
        let form = body.form.unwrap();
        assert!(form.contains(&("client_secret", "a:b".into())));
    }
}
