//! A record of the trail as a syslog message (RFC 5424), counted in octets (RFC 6587, 3.4.1).
//!
//! The structured data says who did what to what, when, from where and with which outcome, as recorded, and
//! the hashes of the record and of the one before it. Of a record's detail only what the platform itself
//! has put there goes along: reasons that people typed, names under which somebody tried to sign in and what
//! a list was filtered by may be anything, personal data and mistyped passwords among it, and stay here.

use std::fmt::Write as _;

use kernel_storage::AuditRecord;
use sdk_contract::scalar::Timestamp;
use serde_json::Value;

/// "Log audit".
const FACILITY: u8 = 13;
const WARNING: u8 = 4;
const INFORMATIONAL: u8 = 6;
/// The outcome of what was done as asked.
const DONE: &str = "ok";
/// Parts of the detail that are handed on, each the platform's own word: parameter and name.
const TOLD: [(&str, &str); 6] = [
    ("address", "ip"),
    ("code", "code"),
    ("why", "why"),
    ("collection", "collection"),
    ("field", "field"),
    ("purpose", "purpose"),
];

/// Who hands on, as the messages say it.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    host: String,
    /// Name of the structured data.
    data: String,
}

impl Sender {
    /// `data` is an SD-ID, `name@number`.
    pub(crate) fn new(host: &str, data: &str) -> Self {
        let host: String = host.chars().filter(char::is_ascii_graphic).collect();
        Self {
            host: if host.is_empty() { "-".into() } else { host },
            data: data.to_owned(),
        }
    }

    /// Appends a message and its length.
    pub(super) fn frame(&self, record: &AuditRecord, to: &mut Vec<u8>) {
        let message = self.message(record);
        to.extend_from_slice(message.len().to_string().as_bytes());
        to.push(b' ');
        to.extend_from_slice(message.as_bytes());
    }

    fn message(&self, record: &AuditRecord) -> String {
        let d = &record.draft;
        let severity = if d.outcome == DONE {
            INFORMATIONAL
        } else {
            WARNING
        };
        let (priority, at) = (FACILITY * 8 + severity, Timestamp(d.at));
        let mut text = format!(
            "<{priority}>1 {at} {} rongqiao - audit [{}",
            self.host, self.data
        );
        let number = record.seq.to_string();
        let known = [
            ("number", Some(number.as_str())),
            ("actor", Some(d.actor.as_str())),
            ("organisation", d.organisation.as_deref()),
            ("subject", d.subject.as_deref()),
            ("action", Some(d.action.as_str())),
            ("object", Some(d.object.as_str())),
            ("outcome", Some(d.outcome.as_str())),
            ("request", Some(d.request.as_str())),
        ];
        let told = TOLD.map(|(name, of)| (name, d.detail.get(of).and_then(Value::as_str)));
        let hashes = [
            ("previous", Some(record.prev.as_str())),
            ("hash", Some(record.hash.as_str())),
        ];
        for (name, value) in known.into_iter().chain(told).chain(hashes) {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parameter(&mut text, name, value);
            }
        }
        let said = format!("] {} {}", d.action, d.outcome);
        text.push_str(&said);
        text
    }
}

/// A parameter's value: three characters are escaped (RFC 5424, 6.3.3), and no control character gets
/// to a collector that writes lines.
fn parameter(text: &mut String, name: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = write!(text, " {name}=\"");
    for c in value.chars() {
        match c {
            '"' | '\\' | ']' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use kernel_storage::AuditDraft;
    use serde_json::json;

    use super::*;

    fn record(draft: AuditDraft) -> AuditRecord {
        AuditRecord {
            seq: 7,
            draft,
            prev: "aa".into(),
            hash: "bb".into(),
        }
    }

    #[test]
    fn a_record_is_one_counted_message() {
        let record = record(AuditDraft {
            at: 1_795_449_600_000_001,
            actor: "u1".into(),
            action: "platform.session.start".into(),
            outcome: "ok".into(),
            detail: json!({ "ip": "10.0.0.7" }),
            request: "r1".into(),
            ..AuditDraft::default()
        });
        let mut frame = Vec::new();
        Sender::new("node 1", "audit@32473").frame(&record, &mut frame);
        let message = "<110>1 2026-11-23T16:00:00.000001Z node1 rongqiao - audit [audit@32473 \
                       number=\"7\" actor=\"u1\" action=\"platform.session.start\" outcome=\"ok\" \
                       request=\"r1\" address=\"10.0.0.7\" previous=\"aa\" hash=\"bb\"] \
                       platform.session.start ok";
        let counted = format!("{} {message}", message.len());
        assert_eq!(String::from_utf8(frame).unwrap(), counted);
    }

    #[test]
    fn what_people_typed_stays_and_no_value_ends_its_place() {
        let record = record(AuditDraft {
            object: "融\"桥]\\\n<13>1 forged".into(),
            outcome: "denied".into(),
            detail: json!({ "login": "Secret-1", "note": "13800000001", "reason": "r",
                            "query": { "phone": "13800000001" }, "why": "wrong code" }),
            ..AuditDraft::default()
        });
        let text = Sender::new("", "audit@32473").message(&record);
        assert!(text.starts_with("<108>1 "), "{text}");
        assert!(text.contains(" - rongqiao - audit ["), "{text}");
        let object = "object=\"融\\\"桥\\]\\\\\u{fffd}<13>1 forged\"";
        assert!(text.contains(object), "{text}");
        assert!(text.contains("why=\"wrong code\""), "{text}");
        for kept in ["Secret-1", "13800000001", "reason"] {
            assert!(!text.contains(kept), "{kept} in {text}");
        }
    }
}
