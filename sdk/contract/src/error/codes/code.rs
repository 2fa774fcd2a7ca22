//! What is said of a code.

/// A code of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub code: &'static str,
    /// The HTTP statuses it comes with.
    pub statuses: &'static [u16],
    pub meaning: &'static str,
    /// What the caller should do.
    pub remedy: &'static str,
}

/// A code of one wrong field, in a request that failed as `invalid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldCode {
    pub code: &'static str,
    pub meaning: &'static str,
}

pub(super) const fn code(
    code: &'static str,
    statuses: &'static [u16],
    meaning: &'static str,
    remedy: &'static str,
) -> Code {
    Code {
        code,
        statuses,
        meaning,
        remedy,
    }
}
