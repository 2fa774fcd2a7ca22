//! The platform's HTTP API, as far as scenarios need it; `docs/api.md` describes it.

use sdk::Map;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::Page;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

const PAGE: &str = "application/vnd.rongqiao.page+json";
const JSON: &str = "application/json";

/// One signed-in session, or none for the anonymous caller.
pub(crate) struct Session {
    agent: Agent,
    url: String,
    csrf: String,
}

impl Session {
    /// Nobody's.
    pub(crate) fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Self {
            agent: config.into(),
            url: url.to_owned(),
            csrf: String::new(),
        }
    }

    pub(crate) fn sign_in(&mut self, login: &str, password: &str) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Signed {
            csrf: String,
        }
        let body = json!({ "login": login, "password": password });
        let signed: Signed = self.post("/api/v1/session", &body, None)?;
        self.csrf = signed.csrf;
        Ok(())
    }

    /// The action's result.
    pub(crate) fn act(&self, path: &str, input: &Value, key: &str) -> Result<Value, Fault> {
        #[derive(Deserialize)]
        struct Done {
            result: Value,
        }
        let done: Done = self.post(path, input, Some(key))?;
        Ok(done.result)
    }

    pub(crate) fn get(&self, collection: &str, id: &str) -> Result<Map, Fault> {
        self.read(&format!("{}/{id}", collection_path(collection)), JSON, &[])
    }

    /// Names of the signed actions; each of their signatures must hold, and the record be as signed.
    pub(crate) fn signatures(&self, collection: &str, id: &str) -> Result<Vec<String>, Fault> {
        #[derive(Deserialize)]
        struct Signature {
            action: String,
            holds: bool,
            differs: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Listed {
            items: Vec<Signature>,
        }
        let path = format!("{}/{id}/signatures", collection_path(collection));
        let listed: Listed = self.read(&path, JSON, &[])?;
        let wrong = listed
            .items
            .iter()
            .find(|s| !s.holds || !s.differs.is_empty());
        if let Some(wrong) = wrong {
            let what = format!(
                "{} of {id} does not hold: {:?}",
                wrong.action, wrong.differs
            );
            return Err(Fault::internal(what));
        }
        Ok(listed.items.into_iter().map(|s| s.action).collect())
    }

    pub(crate) fn find(&self, collection: &str, pairs: &[(&str, &str)]) -> Result<Vec<Map>, Fault> {
        #[derive(Deserialize)]
        struct Listed {
            items: Vec<Map>,
        }
        let listed: Listed = self.read(&collection_path(collection), JSON, pairs)?;
        Ok(listed.items)
    }

    pub(crate) fn page(&self, path: &str) -> Result<Page, Fault> {
        self.read(&encoded(path), PAGE, &[])
    }

    pub(crate) fn notices(&self) -> Result<Vec<Map>, Fault> {
        #[derive(Deserialize)]
        struct Listed {
            items: Vec<Map>,
        }
        let listed: Listed = self.read("/api/v1/notices", JSON, &[])?;
        Ok(listed.items)
    }

    pub(crate) fn read_notice(&self, id: &str) -> Result<(), Fault> {
        let path = format!("/api/v1/notices/{id}/read");
        let opened: Map = self.post(&path, &json!({}), None)?;
        drop(opened);
        Ok(())
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

/// `market.products` → `/api/v1/market/products`
fn collection_path(collection: &str) -> String {
    format!("/api/v1/{}", collection.replacen('.', "/", 1))
}

/// A path and query as a scenario writes them, with what is not ASCII percent-encoded.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(byte));
            encoded
        } else {
            format!("{encoded}%{byte:02X}")
        }
    })
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
    fn words_in_a_path_are_encoded_and_its_marks_kept() {
        assert_eq!(encoded("/a/b?q=税&sort=-a"), "/a/b?q=%E7%A8%8E&sort=-a");
        assert_eq!(encoded("/a?q=a b"), "/a?q=a%20b");
    }
}
