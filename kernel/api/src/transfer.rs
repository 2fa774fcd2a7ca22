//! Import and export of a collection. Both begin a job; `console.jobs` says how far it is.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use kernel_host::{Act, Format};
use serde_json::{Value, json};

use crate::Web;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::typed::pairs;

/// Stands where the verb of an action does: `POST /api/v1/<plugin>/<plural>/import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Import,
    Export,
}

impl Verb {
    pub(crate) fn of(text: &str) -> Option<Self> {
        match text {
            "import" => Some(Self::Import),
            "export" => Some(Self::Export),
            _ => None,
        }
    }

    /// The console's action that begins the job. An export takes the filters and the order of the
    /// list itself, from the address.
    pub(crate) fn act(self, of: String, query: &str, mut input: Value) -> Result<Act, Problem> {
        if let Some(input) = input.as_object_mut() {
            input.insert("collection".into(), of.into());
            if self == Self::Export {
                let mut filter: BTreeMap<String, Vec<String>> = BTreeMap::new();
                let pairs = pairs(query.as_bytes())
                    .ok_or_else(|| Problem::bad_request("bad-query", "查询参数格式不正确"))?;
                for (name, value) in pairs {
                    filter.entry(name).or_default().push(value);
                }
                input.insert("filter".into(), json!(filter));
            }
        }
        let action = match self {
            Self::Import => "job.import",
            Self::Export => "job.export",
        };
        Ok(Act {
            module: "console".into(),
            action: action.into(),
            input,
            ..Act::default()
        })
    }
}

/// `GET /api/v1/{module}/{plural}/template?format=csv`: an empty file to fill in and import.
pub(crate) async fn template(
    State(web): State<Web>,
    Extension(caller): Extension<std::sync::Arc<Caller>>,
    Path((module, plural)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = pairs(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let asked = pairs.iter().find(|(name, _)| name == "format");
    let format = match asked {
        None => Some(Format::Csv),
        Some((_, text)) => Format::parse(text),
    };
    let format =
        format.ok_or_else(|| Problem::bad_request("bad-query", "格式为 csv、xlsx 或 jsonl"))?;
    let of = format!("{module}.{plural}");
    let bytes = web.host().template(&caller.principal, &of, format)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media()));
    let name = format!(
        "attachment; filename=\"{plural}-template.{}\"",
        format.name()
    );
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
