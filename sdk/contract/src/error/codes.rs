//! The kernel's own error codes: stable names that programs act on. `docs/errors.md` is written from
//! these tables; `cargo xtask tidy` finds a code that is used and not here, or with another status.
//! A plugin's own, which begin with its id, are not here.

mod code;
mod fields;
mod people;

use code::code;
pub use code::{Code, FieldCode};
pub use fields::FIELD_CODES;
pub use people::PEOPLE_CODES;

/// Of requests, by code; those about people are in [`PEOPLE_CODES`].
pub const CODES: &[Code] = &[
    code(
        "<plugin>.illegal-transition",
        &[409],
        "The record's state does not allow the action; the detail names what it allows.",
        "Read the record again.",
    ),
    code(
        "access.change-waits",
        &[409],
        "A change of the app waits for approval already.",
        "Have it accepted or dropped first.",
    ),
    code(
        "access.not-open",
        &[409],
        "The app waits for approval or is closed, so it cannot be changed.",
        "Have it approved, or register another.",
    ),
    code(
        "access.nothing-asked",
        &[409],
        "No change of the app waits for approval.",
        "Read the app again.",
    ),
    code(
        "access.same-person",
        &[422],
        "Whoever asked for it cannot approve it.",
        "Another security administrator approves.",
    ),
    code(
        "address-not-allowed",
        &[403],
        "The app may not call from this network address, or not today; or an administrator may not sign in \
         from it.",
        "Call from an allowed network, or have the list changed.",
    ),
    code(
        "alteration.impossible",
        &[422],
        "The record cannot be put right in this way: its history does not have it, or what stands there cannot be read.",
        "Choose the other way, or restore a backup.",
    ),
    code(
        "alteration.in-review",
        &[409],
        "A repair of the record waits for a second person.",
        "Have it decided or withdrawn first.",
    ),
    code(
        "alteration.none",
        &[409],
        "The record is as the platform wrote it, or is not there any more.",
        "Nothing is to be repaired; one that is gone comes back from a backup.",
    ),
    code(
        "app-not-active",
        &[403],
        "The app is not approved yet, suspended or closed.",
        "Ask the operator of the platform.",
    ),
    code(
        "asked-already",
        &[422],
        "The same request already waits for a second person.",
        "Wait for the decision, or withdraw the request.",
    ),
    code(
        "bad-cursor",
        &[400],
        "The cursor belongs to another question, was altered, or is too old.",
        "Begin again with an empty cursor.",
    ),
    code(
        "bad-document",
        &[400],
        "A plugin sent the kernel a document that does not have the shape of its schema.",
        "The plugin's author compares it with the schema beside the interface in `wit/plugin`.",
    ),
    code(
        "bad-header",
        &[400],
        "A request header is missing or is not what it should be; the detail names it.",
        "Send it as docs/api.md says.",
    ),
    code(
        "bad-json",
        &[400],
        "The request body is not JSON.",
        "Send valid JSON.",
    ),
    code(
        "bad-key",
        &[400],
        "The idempotency key holds characters that are not visible.",
        "Send a key of 1 to 100 visible ASCII characters.",
    ),
    code(
        "bad-query",
        &[400],
        "The query string or the query names what is not there or asks what a field cannot answer.",
        "Correct the query; the detail names the field.",
    ),
    code(
        "bad-request",
        &[400],
        "The request could not be read at all.",
        "Correct the request; see `/api/v1/openapi.json`.",
    ),
    code(
        "busy",
        &[503],
        "Too many requests want the same record, or the platform, at once. Nothing was written.",
        "Send the same request again, with its idempotency key, after a moment.",
    ),
    code(
        "capability.denied",
        &[403],
        "A plugin did what its `plugin.toml` does not ask for.",
        "The plugin's author adds the line that the detail names, and an operator grants it.",
    ),
    code(
        "clearance-needed",
        &[403],
        "The value is of a level above the caller's clearance, or one above it was asked to be looked \
         at or decided about. No permission, reason or second person stands in for the clearance; the \
         detail names it.",
        "Let somebody do it whose role is cleared for that level.",
    ),
    code(
        "client-certificate-needed",
        &[403],
        "The app's calls come over a connection that showed one of its client certificates; this one did not, \
         or that certificate has ended.",
        "Connect with a certificate that the app names, or have the app changed.",
    ),
    code(
        "client-certificate-refused",
        &[403],
        "The client certificate that this connection was opened with was taken back or has ended.",
        "Connect again with a certificate that holds.",
    ),
    code(
        "confirm",
        &[422],
        "Fields are well formed but look mistyped; `errors` names them.",
        "Look again, then send the same request with the header `x-confirm: field,field`.",
    ),
    code(
        "consent.expired",
        &[403],
        "The letter's last day has passed.",
        "The enterprise signs a new one.",
    ),
    code(
        "consent.item-out-of-scope",
        &[403],
        "The letter does not cover an item that is needed.",
        "The enterprise signs one that does.",
    ),
    code(
        "consent.no-consent",
        &[403],
        "No letter of consent of the subject allows anything to this recipient.",
        "The enterprise signs one.",
    ),
    code(
        "consent.not-yet-valid",
        &[403],
        "The letter's first day is not reached.",
        "Wait for it, or have a new one signed.",
    ),
    code(
        "consent.purpose-mismatch",
        &[403],
        "The letter does not cover the purpose.",
        "The enterprise signs one that does.",
    ),
    code(
        "consent.recipient-mismatch",
        &[403],
        "The letter names another recipient.",
        "The enterprise signs one for this recipient.",
    ),
    code(
        "consent.revoked",
        &[403],
        "The enterprise has taken the letter back.",
        "The enterprise signs a new one.",
    ),
    code(
        "consent.template-revoked",
        &[403],
        "The template that the letter was made on was revoked for cause.",
        "The enterprise signs a new letter, on a template that is in force.",
    ),
    code(
        "consent.uses-exhausted",
        &[403],
        "The letter has been used as often as it allows.",
        "The enterprise signs a new one.",
    ),
    code(
        "console.not-an-edition",
        &[422],
        "Only an edition is switched on and off for a district.",
        "Install or remove the module instead.",
    ),
    code(
        "console.nothing-to-switch",
        &[422],
        "The edition is on, or off, there already.",
        "Nothing is left to do.",
    ),
    code(
        "crypto-unavailable",
        &[503],
        "The signing service did not answer. Nothing was done.",
        "Try again; tell the operator if it lasts.",
    ),
    code(
        "csrf",
        &[403],
        "The form's token is missing or from another session.",
        "Reload the page; API callers send the `x-csrf-token` that signing in returned.",
    ),
    code(
        "data.changed-since",
        &[409],
        "The design is not as it was when it was submitted.",
        "Refuse it and have it submitted again.",
    ),
    code(
        "data.in-change",
        &[409],
        "An approved design of the collection is being applied.",
        "Try again in a moment.",
    ),
    code(
        "data.in-review",
        &[409],
        "A design of the collection waits for a second person.",
        "Have it decided or withdrawn first.",
    ),
    code(
        "data.no-organisation",
        &[422],
        "A record belongs to an organisation, and the caller acts for none.",
        "Act for an organisation.",
    ),
    code(
        "data.not-ready",
        &[422],
        "The design cannot be applied as it is; the detail says why.",
        "Change the design or the records that it names.",
    ),
    code(
        "data.not-retired",
        &[422],
        "A collection that is in use cannot be removed.",
        "Retire it first.",
    ),
    code(
        "data.nothing-changed",
        &[422],
        "There is no change to submit.",
        "Change the design first.",
    ),
    code(
        "data.too-many",
        &[422],
        "There are as many designed collections as one platform may have.",
        "Remove one that is not needed.",
    ),
    code(
        "digest-mismatch",
        &[400],
        "The body is not the one that was signed.",
        "Sign the bytes that are sent.",
    ),
    code(
        "disclosure.unavailable",
        &[503],
        "No module that records consent is installed, so nobody's data may be read.",
        "The operator installs one.",
    ),
    code(
        "duplicate",
        &[409],
        "A record with the same unique value exists; `errors` names the fields.",
        "Use another value, or the record that is there.",
    ),
    code(
        "file-collected",
        &[410],
        "A file that the history of a record names was removed before histories kept their files.",
        "Only its name and digest are left.",
    ),
    code(
        "file-expired",
        &[410],
        "The files of an import or export are kept for a configured time only, which has passed.",
        "Begin it again.",
    ),
    code(
        "file-gone",
        &[409],
        "A file that the action names was removed meanwhile, because nobody used it.",
        "Upload it again.",
    ),
    code(
        "file-missing",
        &[503],
        "A record names the file, but it is not in the store.",
        "Ask the platform's operators; `rongqiao doctor` names it.",
    ),
    code(
        "file-quarantined",
        &[403],
        "A scan found something in the file. Nobody opens it.",
        "Ask for another file.",
    ),
    code(
        "file-waiting",
        &[503],
        "The file has yet to be scanned.",
        "Try again later.",
    ),
    code(
        "forbidden",
        &[403],
        "The caller may not do this to what it can see.",
        "Ask somebody whose role may.",
    ),
    code(
        "gone",
        &[409],
        "The button or form that was used is no longer on the page.",
        "Look at the page as it is now.",
    ),
    code(
        "idempotency-key-reused",
        &[409],
        "The idempotency key was used for another request.",
        "Use a new key for a new request.",
    ),
    code(
        "internal",
        &[500],
        "A defect. The log has the chain of causes under the request's id.",
        "Report the request id.",
    ),
    code(
        "invalid",
        &[400],
        "Fields are wrong; `errors` names each with a code of the second table.",
        "Correct the fields and send again.",
    ),
    code(
        "job-needs-person",
        &[422],
        "An import or export was begun by a program, or by somebody who acts for no organisation.",
        "Call the collection and its actions directly; page lists by cursor.",
    ),
    code(
        "masked-field",
        &[400],
        "A masked field was asked to group by, which would reveal it.",
        "Group by another field.",
    ),
    code(
        "method-not-allowed",
        &[405],
        "The address does not take this method.",
        "See `/api/v1/openapi.json`.",
    ),
    code(
        "model.no-score",
        &[422, 503],
        "No score: the data is not enough (422), or the bank's model failed (503).",
        "Complete the data and ask again; for 503 ask later, the bank's model is at fault.",
    ),
    code(
        "model.not-in-use",
        &[409],
        "The model was rejected or withdrawn, so it is not validated any more.",
        "Upload it again as a new version.",
    ),
    code(
        "model.not-live",
        &[503],
        "The institution has no approved model of that name.",
        "The institution's validator approves one.",
    ),
    code(
        "model.not-validated",
        &[422],
        "Nobody but the uploader has validated the model, the validation ran out, or it says the model is \
         unfit.",
        "A validator of the institution records one with `model.validate`.",
    ),
    code(
        "model.unknown-feature",
        &[503],
        "The model reads a feature that no installed module provides.",
        "The operator installs the module, or the bank changes the model.",
    ),
    code(
        "no-factor",
        &[422],
        "The person has no second factor that could be lifted.",
        "The password alone signs them in.",
    ),
    code(
        "not-an-object",
        &[400],
        "The body is JSON but not an object.",
        "Send an object of field names and values.",
    ),
    code(
        "not-found",
        &[404],
        "Not there, or not visible to the caller; which one is not said.",
        "Check the id and who is signed in.",
    ),
    code(
        "not-importable",
        &[422],
        "No action makes records of this collection out of rows.",
        "Use the actions that the collection has.",
    ),
    code(
        "not-the-asker",
        &[403],
        "Only who asked may withdraw a request.",
        "Refuse it instead, where that is allowed.",
    ),
    code(
        "nothing-to-change",
        &[422],
        "The change would change nothing.",
        "Nothing is left to do.",
    ),
    code(
        "payload-too-long",
        &[422],
        "The answer is too long to be sealed.",
        "Ask for parts of it with Range, or for fewer rows.",
    ),
    code(
        "payload-wrong",
        &[400],
        "The content key or the sealed body of a signed call does not open.",
        "Encrypt a new content key for the key at /pki/payload.pem, and seal with the call's own nonce.",
    ),
    code(
        "plugin.bad-write",
        &[500],
        "A plugin wanted to write what its declaration does not allow. Nothing was written.",
        "Report the request id; the plugin's author finds the reason in the log.",
    ),
    code(
        "plugin.quarantined",
        &[503],
        "A plugin failed three times within five minutes and is out of service.",
        "Wait for the operator, who has been told.",
    ),
    code(
        "plugin.trapped",
        &[500],
        "A plugin crashed, or ran over its time or memory. Nothing was written.",
        "Try again; report the request id if it happens again.",
    ),
    code(
        "plugin.waited",
        &[503],
        "A plugin ran over its time because something it waited for was slow. Nothing was written.",
        "Send the same request again with its idempotency key.",
    ),
    code(
        "project-ended",
        &[422],
        "The project has ended, and with it what its tokens are turned back with.",
        "Nothing turns them back any more.",
    ),
    code(
        "purpose-undeclared",
        &[403],
        "The action declares no purpose for which data is read under a letter of consent.",
        "The plugin's author declares `purpose` with the action.",
    ),
    code(
        "quota-exhausted",
        &[429],
        "The app has used up its calls of this minute or day.",
        "Wait for the seconds of `Retry-After`; `RateLimit` says what is left.",
    ),
    code(
        "range-not-satisfiable",
        &[416],
        "The range begins behind the end of the file; `Content-Range` has its size.",
        "Ask for a range within it.",
    ),
    code(
        "reading.own",
        &[422],
        "Nobody settles what they read themselves.",
        "Another audit administrator settles it.",
    ),
    code(
        "reading.usual",
        &[409],
        "Nothing about the day is out of the ordinary.",
        "There is nothing to settle.",
    ),
    code(
        "record-altered",
        &[503],
        "A record that the answer needs was changed in the database by other means than the platform. Nothing of it is used.",
        "The operator looks into the alarm `record.altered` and puts the record right.",
    ),
    code(
        "request-expired",
        &[422],
        "Nobody decided the request in time.",
        "Ask again.",
    ),
    code(
        "sealed-evidence",
        &[422],
        "What the app signs is kept as evidence of this action, and nobody could read it sealed.",
        "Send the body as it is; the answer may still be sealed.",
    ),
    code(
        "search-building",
        &[503],
        "The search index of this list is still being built; nothing is found that might be incomplete.",
        "Search again later; lists and filters work meanwhile.",
    ),
    code(
        "second-person-needed",
        &[403],
        "Who asked, and who would gain, does not decide.",
        "Let another administrator decide.",
    ),
    code(
        "signature-expired",
        &[401],
        "The request was signed more than five minutes ago or ahead, or has expired.",
        "Set the clock by the answer's `Date`, and sign again with a new nonce.",
    ),
    code(
        "signature-invalid",
        &[401],
        "No registered app signed this; whether the app or the signature is wrong is not said.",
        "Compare the signed text with the one in docs/api.md, and the key and its `distid`.",
    ),
    code(
        "signature-malformed",
        &[400],
        "`Signature-Input`, `Signature` or `Content-Digest` is not of the documented form.",
        "See docs/api.md; the detail says which part.",
    ),
    code(
        "signature-replayed",
        &[401],
        "The nonce was used before.",
        "Sign again with a new nonce; for a repeated action keep its idempotency key.",
    ),
    code(
        "stale",
        &[409],
        "Somebody changed the record since it was read.",
        "Read it again and repeat the change on what is there now.",
    ),
    code(
        "storage-unavailable",
        &[503],
        "The store did not answer. What was not confirmed was not done.",
        "Send the same request again with its idempotency key.",
    ),
    code(
        "structure-altered",
        &[503],
        "How the table is designed was changed in the database by other means than the platform. The table is out of use; its records are untouched.",
        "The security administrator asks for the repair of the design, and another person decides it.",
    ),
    code(
        "timeout",
        &[408, 503],
        "The request took too long. What had not been committed was not done.",
        "Send the same request again with its idempotency key.",
    ),
    code(
        "too-large",
        &[413],
        "The body is larger than is accepted.",
        "Send less.",
    ),
    code(
        "too-many",
        &[422],
        "As many of these as one person may have.",
        "End one that is not used any more.",
    ),
    code(
        "too-many-rows",
        &[422],
        "One action was asked for more rows than one request takes.",
        "Tick fewer rows.",
    ),
    code(
        "too-many-uploads",
        &[422],
        "The caller has too many uploads that are not finished.",
        "Finish some, or delete them.",
    ),
    code(
        "tus-version",
        &[412],
        "Another version of tus than 1.0.0.",
        "Speak tus 1.0.0.",
    ),
    code(
        "unavailable",
        &[503],
        "The platform cannot answer now.",
        "Try again after a moment.",
    ),
    code(
        "unsupported-media-type",
        &[415],
        "The body's content type is not taken here.",
        "Send `application/json`, or a form where a form is asked for.",
    ),
    code(
        "untraceable",
        &[422],
        "The file bears the mark of no export.",
        "Send more rows, as they were exported.",
    ),
    code(
        "upload-offset",
        &[409],
        "The piece does not begin where the upload stands; the detail says where it does.",
        "Ask with HEAD and go on from there.",
    ),
];

/// The row of a request's code, in whichever table it is.
pub fn of(code: &str) -> Option<&'static Code> {
    CODES
        .iter()
        .chain(PEOPLE_CODES)
        .find(|row| row.code == code)
}

#[cfg(test)]
mod tests;
