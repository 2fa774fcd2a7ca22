//! Codes of single fields.

use super::FieldCode;

const fn field(code: &'static str, meaning: &'static str) -> FieldCode {
    FieldCode { code, meaning }
}

/// Of fields, by code.
pub const FIELD_CODES: &[FieldCode] = &[
    field(
        "bad-code",
        "Not a valid code of its kind: a checksum, a length or a letter is wrong.",
    ),
    field(
        "bad-design",
        "Not possible for a designed collection or field; the message says why.",
    ),
    field(
        "bad-file",
        "The file was not uploaded, or is not what is asked for.",
    ),
    field(
        "bad-file-type",
        "The file's name does not end as it should.",
    ),
    field("bad-id", "Not the form of an id."),
    field(
        "bad-key",
        "The idempotency key is not 1 to 100 visible ASCII characters.",
    ),
    field("bad-parameter", "A query parameter's value cannot be used."),
    field("bad-value", "Not a value of the field's kind."),
    field("changed", "Somebody else changed it since it was read."),
    field(
        "check-digit",
        "The check character is not the computed one: look again and confirm.",
    ),
    field("control-character", "Holds invisible control characters."),
    field("differs", "The two entries are not the same."),
    field("infected", "A scan found something in the file."),
    field(
        "missing-reference",
        "There is no such record, or it may not be seen.",
    ),
    field(
        "no-such-person",
        "Nobody within the caller's reach has this login.",
    ),
    field("not-a-bool", "Neither true nor false."),
    field("not-a-date", "Not a date `YYYY-MM-DD`."),
    field("not-a-month", "Not a month `YYYY-MM`."),
    field(
        "not-a-number",
        "Not a number with at most the field's digits; decimals travel as text.",
    ),
    field("not-a-row", "A line of an imported file is no JSON object."),
    field("not-a-time", "Not a time of RFC 3339."),
    field("not-an-integer", "Not a whole number."),
    field("not-an-option", "None of the values that may be chosen."),
    field("not-rows", "Not an array of objects, one a row."),
    field("not-text", "Not text."),
    field(
        "organisation-cycle",
        "The organisation itself, or one below it.",
    ),
    field("organisation-type", "An organisation of another type."),
    field(
        "out-of-reach",
        "Not among the organisations that the caller looks after.",
    ),
    field("over-ceiling", "More than the organisation may hand out."),
    field(
        "party-differs",
        "Not the name that the register has for the code.",
    ),
    field("party-gone", "The register says that the party is no more."),
    field("password-common", "On the lists that guessing begins with."),
    field("password-holds-login", "Contains the login."),
    field(
        "password-run",
        "Neighbouring keys, counting, or one character again and again.",
    ),
    field(
        "password-too-long",
        "More characters than a password may have.",
    ),
    field(
        "password-too-short",
        "Fewer characters than a password needs.",
    ),
    field(
        "password-too-uniform",
        "Too few of upper case, lower case, digits and signs.",
    ),
    field("password-used", "One of the last passwords."),
    field(
        "past-day",
        "Not a day from today on, at most five years away.",
    ),
    field("read-only", "Computed by the platform; it cannot be given."),
    field("required", "Missing."),
    field("taken", "Another record has this value already."),
    field("too-early", "Before the earliest day."),
    field(
        "too-large",
        "Above the largest value, or a file above the largest size.",
    ),
    field("too-late", "After the latest day."),
    field("too-long", "More characters than fit."),
    field("too-many", "More items, rows or files than allowed."),
    field("too-short", "Fewer characters than needed."),
    field("too-small", "Below the smallest value."),
    field(
        "unknown-field",
        "The action or collection has no such field.",
    ),
    field("wrong-code", "Not a code of now, or it was used before."),
    field("wrong-password", "Not the current password."),
    field(
        "wrong-signature",
        "Not the key's signature over the text that was given out.",
    ),
];
