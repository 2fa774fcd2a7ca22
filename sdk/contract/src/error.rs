//! How a call fails: one type on both sides of the boundary and in the HTTP answer.

pub mod codes;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    NotFound,
    Forbidden,
    Conflict,
    Invalid,
    Refused,
    Unavailable,
    Internal,
}

impl FaultKind {
    /// Not visible → 404; visible but not allowed → 403; bad shape → 400; rule refused → 422.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Forbidden => 403,
            Self::Conflict => 409,
            Self::Invalid => 400,
            Self::Refused => 422,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

/// Code of [`Fault::doubtful`].
pub const CONFIRM: &str = "confirm";
/// Code of what was there and is kept no longer: 410.
pub const FILE_EXPIRED: &str = "file-expired";
/// Code of a file that a history names and that was removed: 410.
pub const FILE_COLLECTED: &str = "file-collected";
/// Code of [`Fault::step_up`].
pub const STEP_UP: &str = "step-up-needed";
/// Code of [`Fault::sign`].
pub const SIGN: &str = "signature-needed";

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    /// `amount`, or `lines.1.quantity` for a field of a row, counted from 0.
    pub field: String,
    pub code: String,
    pub message: String,
    /// Not wrong by itself: the same input passes once the person has confirmed this field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
}

impl FieldFault {
    pub fn new(
        field: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            code: code.into(),
            message: message.into(),
            confirm: false,
        }
    }
    /// One that a person may confirm.
    #[must_use]
    pub fn confirm(mut self) -> Self {
        self.confirm = true;
        self
    }
}

/// A failed call. `code` is stable, `<plugin>.<reason>`; `message` is for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    pub kind: FaultKind,
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldFault>,
}

impl Fault {
    pub fn new(kind: FaultKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
        }
    }
    pub fn not_found() -> Self {
        Self::new(FaultKind::NotFound, "not-found", "没有找到，或您无权查看")
    }
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Forbidden, "forbidden", message)
    }
    pub fn refused(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Refused, code, message)
    }
    pub fn conflict(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Conflict, code, message)
    }
    /// Wrong input, field by field.
    pub fn invalid(fields: Vec<FieldFault>) -> Self {
        Self {
            kind: FaultKind::Invalid,
            code: "invalid".into(),
            message: "有内容需要更正".into(),
            fields,
        }
    }
    /// Well-formed input that a person should look at again. Sent once more with these fields
    /// confirmed, it passes.
    pub fn doubtful(fields: Vec<FieldFault>) -> Self {
        Self {
            kind: FaultKind::Refused,
            code: CONFIRM.into(),
            message: "有内容请再核对一次，确认无误后可继续提交".into(),
            fields,
        }
    }
    /// What is asked for takes a second factor proven a moment ago. Sent once more after that, it
    /// passes.
    pub fn step_up() -> Self {
        Self::new(
            FaultKind::Forbidden,
            STEP_UP,
            "此操作须先用第二重验证确认是您本人",
        )
    }
    /// What is asked for is to be signed with the caller's certificate. Sent once more with the
    /// signature, it passes.
    pub fn sign(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Forbidden, SIGN, message)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Internal, "internal", message)
    }
}
