//! A scenario against a running `rongqiao serve`, over its HTTP API.

use std::collections::BTreeMap;

use sdk::Map;
use sdk::module::Module;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::Page;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::world::Deed;

const PAGE: &str = "application/vnd.rongqiao.page+json";

/// Why a scenario cannot run against a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RealError {
    #[error("the file of logins cannot be read")]
    Read(#[source] std::io::Error),
    #[error("the file of logins is not a JSON object of login to password")]
    Logins(#[source] serde_json::Error),
}

pub(crate) struct Real {
    url: String,
    /// Login → password.
    logins: BTreeMap<String, String>,
    /// `<plugin>.<entity>` → plural.
    plurals: BTreeMap<String, String>,
}

/// One signed-in session, or none for the anonymous caller.
pub(crate) struct Session {
    agent: Agent,
    url: String,
    csrf: String,
}

impl Real {
    /// `logins` names a file of `{"login": "password"}`.
    pub(crate) fn new(url: &str, logins: &str, modules: &[Module]) -> Result<Self, RealError> {
        let text = std::fs::read_to_string(logins).map_err(RealError::Read)?;
        let plurals = modules.iter().flat_map(|module| {
            let def = module.describe();
            let id = def.id;
            def.collections
                .into_iter()
                .map(move |c| (format!("{id}.{}", c.entity), c.name))
        });
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            logins: serde_json::from_str(&text).map_err(RealError::Logins)?,
            plurals: plurals.collect(),
        })
    }

    pub(crate) fn anonymous(&self) -> Session {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Session {
            agent: config.into(),
            url: self.url.clone(),
            csrf: String::new(),
        }
    }

    pub(crate) fn sign_in(&self, login: &str) -> Result<Session, Fault> {
        #[derive(Deserialize)]
        struct Signed {
            csrf: String,
        }
        let password = self
            .logins
            .get(login)
            .ok_or_else(|| Fault::forbidden(format!("no password for login {login}")))?;
        let mut session = self.anonymous();
        let body = json!({ "login": login, "password": password });
        let signed: Signed = session.post("/api/v1/session", &body, None)?;
        session.csrf = signed.csrf;
        Ok(session)
    }

    /// `/api/v1/<plugin>/<plural>[/<id>]/<verb>` of `<plugin>.<entity>.<verb>`.
    fn action_path(&self, action: &str, id: Option<&str>) -> Result<String, Fault> {
        let (entity, verb) = action.rsplit_once('.').ok_or_else(Fault::not_found)?;
        let plural = self.plurals.get(entity).ok_or_else(Fault::not_found)?;
        let plugin = entity.split('.').next().unwrap_or_default();
        let id = id.map(|id| format!("/{id}")).unwrap_or_default();
        Ok(format!("/api/v1/{plugin}/{plural}{id}/{verb}"))
    }

    pub(crate) fn act(&self, session: &Session, deed: &Deed<'_>) -> Result<Value, Fault> {
        session.post(
            &self.action_path(deed.action, deed.id)?,
            &deed.input,
            Some(deed.key),
        )
    }
}

/// `market.products` → `/api/v1/market/products`
fn collection_path(collection: &str) -> String {
    format!("/api/v1/{}", collection.replacen('.', "/", 1))
}

impl Session {
    pub(crate) fn get(&self, collection: &str, id: &str) -> Result<Map, Fault> {
        self.read(
            &format!("{}/{id}", collection_path(collection)),
            "application/json",
            &[],
        )
    }

    pub(crate) fn find(&self, collection: &str, pairs: &[(&str, &str)]) -> Result<Vec<Map>, Fault> {
        #[derive(Deserialize)]
        struct Listed {
            records: Vec<Map>,
        }
        let listed: Listed = self.read(&collection_path(collection), "application/json", pairs)?;
        Ok(listed.records)
    }

    pub(crate) fn page(&self, path: &str) -> Result<Page, Fault> {
        self.read(path, PAGE, &[])
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        accept: &str,
        pairs: &[(&str, &str)],
    ) -> Result<T, Fault> {
        let request = self
            .agent
            .get(format!("{}{path}", self.url))
            .header("accept", accept);
        let request = request.query_pairs(pairs.iter().copied());
        answer(request.call())
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<T, Fault> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if !self.csrf.is_empty() {
            request = request.header("x-csrf-token", &self.csrf);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        answer(request.send_json(body))
    }
}

fn answer<T: DeserializeOwned>(answered: Result<Response<Body>, ureq::Error>) -> Result<T, Fault> {
    let broken = |what: String| Fault::new(FaultKind::Unavailable, "no-answer", what);
    let mut response = answered.map_err(|e| broken(e.to_string()))?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|e| broken(e.to_string()))?;
    if !(200..300).contains(&status) {
        return Err(problem(status, &text));
    }
    serde_json::from_str(&text).map_err(|e| broken(format!("{e}: {text}")))
}

/// A fault out of problem+json.
fn problem(status: u16, text: &str) -> Fault {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Problem {
        code: String,
        detail: String,
        errors: Vec<Wrong>,
    }
    #[derive(Deserialize)]
    struct Wrong {
        field: String,
        code: String,
        detail: String,
    }
    let problem: Problem = serde_json::from_str(text).unwrap_or_default();
    let kind = match status {
        401 | 403 => FaultKind::Forbidden,
        404 => FaultKind::NotFound,
        409 => FaultKind::Conflict,
        400 => FaultKind::Invalid,
        422 => FaultKind::Refused,
        503 | 429 => FaultKind::Unavailable,
        _ => FaultKind::Internal,
    };
    let fields = problem
        .errors
        .into_iter()
        .map(|e| FieldFault::new(e.field, e.code, e.detail));
    Fault {
        kind,
        code: problem.code,
        message: problem.detail,
        fields: fields.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_becomes_the_fault_it_was() {
        let text = r#"{"status":400,"code":"invalid","detail":"有内容需要更正",
            "errors":[{"field":"amount","code":"too-small","detail":"不得小于 1.00"}]}"#;
        let fault = problem(400, text);
        assert_eq!(fault.kind, FaultKind::Invalid);
        assert_eq!(fault.code, "invalid");
        assert_eq!(
            fault.fields[0],
            FieldFault::new("amount", "too-small", "不得小于 1.00")
        );
        assert_eq!(problem(404, "not json").kind, FaultKind::NotFound);
    }

    #[test]
    fn actions_go_to_their_collections() {
        let real = Real {
            url: String::new(),
            logins: BTreeMap::new(),
            plurals: BTreeMap::from([("lending.application".into(), "applications".into())]),
        };
        let path = |action, id| real.action_path(action, id).unwrap();
        assert_eq!(
            path("lending.application.apply", None),
            "/api/v1/lending/applications/apply"
        );
        assert_eq!(
            path("lending.application.submit", Some("7")),
            "/api/v1/lending/applications/7/submit"
        );
        assert!(real.action_path("lending.product.apply", None).is_err());
    }
}
