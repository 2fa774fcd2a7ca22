//! The one shape of a failed request: RFC 9457 for programs, an error page for people.
//!
//! Handlers return a [`Problem`]; the outermost layer ([`crate::edge`]) knows who asked and gives
//! it its body. Nothing internal is ever in it.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sdk_contract::def::Label;
use sdk_contract::error::{FILE_COLLECTED, FILE_EXPIRED, Fault, FaultKind, FieldFault, STEP_UP};
use serde_json::{Map, Value, json};

use crate::step_up;

/// Code of a refusal that signing in may lift.
pub(crate) const UNAUTHENTICATED: &str = "unauthenticated";

/// What went wrong, for the one who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Stable; what programs act on.
    pub(crate) code: String,
    /// A sentence for people.
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldFault>,
    /// Seconds.
    pub(crate) retry_after: Option<i64>,
    /// Further members of the body, for programs.
    pub(crate) more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: &str) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            more: Map::new(),
        }
    }

    /// `response`, and when to come back where that is known.
    pub(crate) fn waits(&self, mut response: Response) -> Response {
        if let Some(seconds) = self.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, "请先登录")
    }

    pub(crate) fn not_found() -> Self {
        Fault::not_found().into()
    }

    pub(crate) fn csrf() -> Self {
        Self::new(StatusCode::FORBIDDEN, "csrf", "页面已过期，请刷新后重试")
    }

    /// A file, or files together, of more than `most` bytes.
    pub(crate) fn too_large(most: usize) -> Self {
        let detail = format!("提交的文件过大：不得超过 {} MB", most / 1024 / 1024);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", &detail)
    }

    pub(crate) fn bad_request(code: &str, detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn locked(seconds: i64) -> Self {
        let minutes = seconds.saturating_add(59) / 60;
        let detail = format!("失败次数过多，请 {minutes} 分钟后再试");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", &detail);
        Self {
            retry_after: Some(seconds),
            ..problem
        }
    }

    pub(crate) fn busy(seconds: i64) -> Self {
        let detail = format!("同时登录的人较多，请 {seconds} 秒后再登录一次");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "sign-in-busy", &detail);
        Self {
            retry_after: Some(seconds),
            ..problem
        }
    }

    /// For an answer that a library made: only its status is known.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => return Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => ("method-not-allowed", "此地址不支持这种请求方法"),
            StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "提交的内容过大"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported-media-type", "内容类型不受支持"),
            StatusCode::REQUEST_TIMEOUT => ("timeout", "请求超时，请重试"),
            s if s.is_client_error() => ("bad-request", "请求格式不正确"),
            StatusCode::SERVICE_UNAVAILABLE => ("unavailable", "服务暂时不可用，请稍后再试"),
            _ => ("internal", "系统出错了，我们已记录，请稍后再试"),
        };
        Self::new(status, code, detail)
    }

    /// The short name of the kind of failure.
    pub(crate) fn title(&self) -> Label {
        let (zh, en) = match self.status.as_u16() {
            400 => ("请求有误", "The request is wrong"),
            401 => ("需要登录", "Please sign in"),
            403 => ("没有权限", "Not allowed"),
            404 => ("没有找到", "Not found"),
            405 => ("方法不支持", "Not supported"),
            409 => ("内容有冲突", "Somebody else was faster"),
            410 => ("已过期", "Gone"),
            413 => ("内容过大", "Too large"),
            422 => ("未能办理", "Not possible"),
            429 => ("请求过于频繁", "Too many requests"),
            503 => ("暂时不可用", "Not available for the moment"),
            _ => ("系统出错", "Something went wrong"),
        };
        Label::new(zh, en)
    }

    /// The body for programs, `application/problem+json`.
    pub(crate) fn json(&self, request: &str) -> Value {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title().zh,
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
            "request_id": request,
        });
        if let Some(map) = body.as_object_mut() {
            map.extend(self.more.clone());
        }
        if let Some(map) = body.as_object_mut().filter(|_| self.code == STEP_UP) {
            map.insert("step_up".into(), step_up::ADDRESS.into());
        }
        if let Some(map) = body.as_object_mut().filter(|_| !self.errors.is_empty()) {
            let errors = self.errors.iter().map(|e| {
                let mut error = json!({ "field": e.field, "code": e.code, "detail": e.message });
                if let Some(error) = error.as_object_mut().filter(|_| e.confirm) {
                    error.insert("confirm".into(), true.into());
                }
                error
            });
            map.insert("errors".into(), errors.collect());
        }
        body
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let status = match fault.kind {
            FaultKind::Forbidden if fault.code == UNAUTHENTICATED => StatusCode::UNAUTHORIZED,
            FaultKind::NotFound
                if [FILE_COLLECTED, FILE_EXPIRED].contains(&fault.code.as_str()) =>
            {
                StatusCode::GONE
            }
            kind => {
                StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        let Fault {
            code,
            message,
            fields,
            ..
        } = fault;
        Self {
            status,
            code,
            detail: message,
            errors: fields,
            retry_after: None,
            more: Map::new(),
        }
    }
}

impl IntoResponse for Problem {
    /// Without a body: the edge adds the one that fits.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_has_its_status() {
        let of = |kind, code: &str| Problem::from(Fault::new(kind, code, "m")).status.as_u16();
        assert_eq!(of(FaultKind::NotFound, "x"), 404);
        assert_eq!(of(FaultKind::NotFound, FILE_EXPIRED), 410);
        assert_eq!(of(FaultKind::NotFound, FILE_COLLECTED), 410);
        assert_eq!(of(FaultKind::Forbidden, "forbidden"), 403);
        assert_eq!(of(FaultKind::Forbidden, "unauthenticated"), 401);
        assert_eq!(of(FaultKind::Conflict, "x"), 409);
        assert_eq!(of(FaultKind::Invalid, "x"), 400);
        assert_eq!(of(FaultKind::Refused, "x"), 422);
        assert_eq!(of(FaultKind::Unavailable, "x"), 503);
        assert_eq!(of(FaultKind::Internal, "x"), 500);
        assert_eq!(Problem::locked(61).status.as_u16(), 429);
    }

    #[test]
    fn the_body_names_each_field() {
        let fault = Fault::invalid(vec![FieldFault::new("amount", "too-small", "不得小于 1")]);
        let body = Problem::from(fault).json("r-1");
        assert_eq!(body["status"], 400);
        assert_eq!(body["code"], "invalid");
        assert_eq!(body["request_id"], "r-1");
        assert_eq!(body["errors"][0]["field"], "amount");
        assert_eq!(body["errors"][0]["code"], "too-small");
        assert!(Problem::not_found().json("r").get("errors").is_none());
    }
}
