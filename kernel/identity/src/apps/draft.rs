//! What somebody asks for an app: read from the input of an action, every fault at once. Pure.

use std::collections::BTreeSet;

use kernel_crypto::ca;
use kernel_crypto::sm2::VerifyingKey;
use sdk_contract::error::FieldFault;
use sdk_contract::scalar::{Date, Timestamp};
use serde_json::{Map, Value, json};

use super::{Allowance, App, ClientCertificate, OVERLAP_HOURS};
use crate::network::{BadNetwork, Network};
use crate::people::text;

/// Administration is for people, with a second factor.
const PEOPLE_ONLY: &str = "platform.";
const MOST_ROLES: usize = 20;
const MOST_NETWORKS: usize = 50;
/// One, and the one that follows it.
const MOST_CERTIFICATES: usize = 2;

/// Checked values in the form the collection keeps, and their summary for the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub values: Map<String, Value>,
    pub note: String,
}

/// An app to be. `known` are the roles that any module grants anything to.
pub fn register(
    input: &Map<String, Value>,
    known: &BTreeSet<String>,
    by: &str,
) -> Result<Draft, Vec<FieldFault>> {
    let mut draft = read(input, known)?;
    draft
        .values
        .insert("name".into(), text(input, "name").into());
    draft.values.insert("status".into(), "pending".into());
    draft.values.insert("asked_by".into(), by.into());
    Ok(draft)
}

/// A change to be: the fields that were filled in.
pub fn change(
    app: &App,
    input: &Map<String, Value>,
    known: &BTreeSet<String>,
) -> Result<Draft, Vec<FieldFault>> {
    let mut draft = read(input, known)?;
    if draft.values.is_empty() {
        let fault = FieldFault::new("key", "required", "请至少填写一项要变更的内容");
        return Err(vec![fault]);
    }
    if draft.values.get("key").and_then(Value::as_str) == Some(app.keys.current.as_str()) {
        return Err(vec![FieldFault::new("key", "taken", "与现在的公钥相同")]);
    }
    if let Some(hours) = input.get("overlap_hours") {
        draft.values.insert("overlap_hours".into(), hours.clone());
    }
    Ok(draft)
}

impl App {
    /// The waiting change as values to write, once somebody else has accepted it.
    pub fn accepted(&self, now: Timestamp) -> Option<Map<String, Value>> {
        let mut values = self.change.clone()?;
        let hours = values.remove("overlap_hours").and_then(|h| h.as_i64());
        if values.contains_key("key") {
            let seconds = hours.unwrap_or(OVERLAP_HOURS).saturating_mul(3_600);
            let until = now.plus_seconds(seconds);
            values.insert("previous_key".into(), self.keys.current.as_str().into());
            values.insert("previous_until".into(), json!(until));
        }
        values.insert("change".into(), Value::Null);
        values.insert("asked_by".into(), Value::Null);
        Some(values)
    }
}

fn read(input: &Map<String, Value>, known: &BTreeSet<String>) -> Result<Draft, Vec<FieldFault>> {
    let (mut values, mut faults, mut note) = (Map::new(), Vec::new(), Vec::new());
    let mut put = |name: &str, read: Result<(Value, String), FieldFault>| match read {
        Ok((value, said)) => {
            note.push(format!("{name}={said}"));
            values.insert(name.to_owned(), value);
        }
        Err(fault) => faults.push(fault),
    };
    if let Some(given) = input.get("roles") {
        put("roles", roles(given, known));
    }
    if let Some(given) = input.get("networks").and_then(Value::as_str) {
        put("networks", networks(given));
    }
    let open = input.get("any_connection") == Some(&Value::Bool(true));
    if let Some(given) = input.get("certificates").and_then(Value::as_str) {
        put("certificates", certificates(given, open));
    } else if open {
        put("certificates", Ok((json!([]), "none".to_owned())));
    }
    if let Some(given) = input.get("key").and_then(Value::as_str) {
        put("key", key(given));
    }
    for name in ["per_minute", "per_day"] {
        if let Some(given) = input.get(name) {
            put(name, Ok((given.clone(), given.to_string())));
        }
    }
    if faults.is_empty() {
        Ok(Draft {
            values,
            note: note.join("; "),
        })
    } else {
        Err(faults)
    }
}

fn roles(given: &Value, known: &BTreeSet<String>) -> Result<(Value, String), FieldFault> {
    let wrong = |code: &str, message: String| Err(FieldFault::new("roles", code, message));
    let named: Option<BTreeSet<&str>> = given
        .as_array()
        .and_then(|all| all.iter().map(Value::as_str).collect());
    let Some(named) = named.filter(|n| n.len() <= MOST_ROLES) else {
        return wrong("bad-value", "角色为文字列表，最多 20 个".into());
    };
    if named.is_empty() {
        return wrong("required", "请至少选择一个角色".into());
    }
    let refused = named
        .iter()
        .find(|role| role.starts_with(PEOPLE_ONLY) || !known.contains(**role));
    if let Some(role) = refused {
        let shown: String = role.chars().take(64).collect();
        return wrong("not-an-option", format!("角色“{shown}”不能授予应用"));
    }
    let said = named.iter().copied().collect::<Vec<_>>().join(",");
    Ok((json!(named), said))
}

fn networks(given: &str) -> Result<(Value, String), FieldFault> {
    let wrong = |code: &str, message: String| Err(FieldFault::new("networks", code, message));
    let lines: Vec<&str> = given
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    if lines.is_empty() {
        return wrong("required", "请至少填写一个允许的网段".into());
    }
    if lines.len() > MOST_NETWORKS {
        return wrong("too-long", format!("最多 {MOST_NETWORKS} 个网段"));
    }
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        match allowance(line) {
            Ok(one) => all.push(one),
            Err(why) => {
                return wrong("bad-value", format!("第 {} 行：{why}", number + 1));
            }
        }
    }
    let said: Vec<String> = all.iter().map(ToString::to_string).collect();
    Ok((json!(all), said.join(",")))
}

/// Certificates as they are recognised, and their digests. `open` says that none is wanted any more.
fn certificates(given: &str, open: bool) -> Result<(Value, String), FieldFault> {
    let wrong = |code: &str, message: &str| FieldFault::new("certificates", code, message);
    if open {
        let message = "已选择不再要求客户端证书，请不要再填写证书";
        return Err(wrong("conflict", message));
    }
    if given.contains("PRIVATE KEY") {
        let message = "其中有私钥，请勿提交；该密钥应视为已泄露，请更换后只提交证书";
        return Err(wrong("bad-value", message));
    }
    let shown = ca::shown(given).map_err(|_| {
        let message = "不是证书：应为 PEM（BEGIN CERTIFICATE），一张或两张";
        wrong("bad-value", message)
    })?;
    if shown.len() > MOST_CERTIFICATES {
        let message = "最多两张：现用的和将要更换的；上级机构的证书不要填在这里";
        return Err(wrong("too-long", message));
    }
    let all: Vec<ClientCertificate> = shown.into_iter().map(Into::into).collect();
    let said: Vec<&str> = all.iter().map(|c| c.digest.as_str()).collect();
    let said = said.join(",");
    Ok((json!(all), said))
}

/// `203.0.113.0/24`, with a first and a last day after it where it is not for always.
fn allowance(line: &str) -> Result<Allowance, &'static str> {
    let mut words = line.split_whitespace();
    let network = words.next().unwrap_or_default().parse::<Network>();
    let network = network.map_err(|why| match why {
        BadNetwork::Form => "不是网络地址，应形如 203.0.113.0/24 或 2001:db8::/32",
        BadNetwork::HostBits => "网段的主机位须为 0，应形如 203.0.113.0/24",
    })?;
    let days: Vec<&str> = words.collect();
    let day = |text: &str| {
        let parsed = text.parse::<Date>();
        parsed.map_err(|_| "日期应形如 2026-11-23")
    };
    let (from, until) = match days.as_slice() {
        [] => (None, None),
        [from, until] => (Some(day(from)?), Some(day(until)?)),
        _ => return Err("网段后应为起止两个日期，或不填"),
    };
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        return Err("止日早于起日");
    }
    Ok(Allowance {
        network,
        from: from.map(|d| d.to_string()),
        until: until.map(|d| d.to_string()),
    })
}

impl std::fmt::Display for Allowance {
    /// As it is typed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.network)?;
        for day in [&self.from, &self.until].into_iter().flatten() {
            write!(f, " {day}")?;
        }
        Ok(())
    }
}

/// The key in one form, and its fingerprint.
fn key(given: &str) -> Result<(Value, String), FieldFault> {
    let wrong = |message: &str| FieldFault::new("key", "bad-value", message);
    if given.contains("PRIVATE KEY") {
        return Err(wrong(
            "这是私钥，请勿提交；该密钥应视为已泄露，请重新生成并只提交公钥",
        ));
    }
    let read = VerifyingKey::from_pem(given).and_then(|key| Ok((key.to_pem()?, key.fingerprint())));
    let (pem, fingerprint) =
        read.map_err(|_| wrong("不是 SM2 公钥，应为 PEM（BEGIN PUBLIC KEY）"))?;
    // Text is kept without outer blanks, the last end of line included.
    Ok((pem.trim().into(), fingerprint.to_string()))
}

#[cfg(test)]
mod tests {
    use kernel_crypto::sm2::SigningKey;

    use super::super::Keys;
    use super::*;

    fn known() -> BTreeSet<String> {
        ["bank.officer", "platform.operator"]
            .map(str::to_owned)
            .into()
    }

    fn pem() -> String {
        let key = SigningKey::generate().unwrap();
        key.verifying_key().unwrap().to_pem().unwrap()
    }

    fn input(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    fn faults(value: Value) -> Vec<(String, String)> {
        let faults = register(&input(value), &known(), "u").unwrap_err();
        faults.into_iter().map(|f| (f.field, f.code)).collect()
    }

    fn good() -> Value {
        json!({
            "name": "核心系统", "roles": ["bank.officer"], "key": pem(),
            "networks": "203.0.113.0/24\r\n2001:db8::/32 2026-11-01 2027-10-31\n",
            "per_minute": 60, "per_day": 10_000,
        })
    }

    #[test]
    fn a_registration_waits_for_somebody_else() {
        let draft = register(&input(good()), &known(), "u").unwrap();
        assert_eq!(draft.values["status"], "pending");
        assert_eq!(draft.values["asked_by"], "u");
        assert_eq!(draft.values["networks"][1]["until"], "2027-10-31");
        assert!(
            draft
                .note
                .contains("networks=203.0.113.0/24,2001:db8::/32 2026-11-01 2027-10-31")
        );
    }

    #[test]
    fn every_wrong_field_is_named() {
        let mut wrong = good();
        wrong["roles"] = json!(["platform.operator"]);
        wrong["networks"] = "203.0.113.7/24".into();
        wrong["key"] = "hello".into();
        let named = [
            ("roles", "not-an-option"),
            ("networks", "bad-value"),
            ("key", "bad-value"),
        ];
        assert_eq!(
            faults(wrong),
            named.map(|(f, c)| (f.to_owned(), c.to_owned()))
        );
    }

    #[test]
    fn roles_are_such_as_some_module_knows() {
        for (roles, code) in [
            (json!([]), "required"),
            (json!("bank.officer"), "bad-value"),
            (json!([1]), "bad-value"),
            (json!(["bank.nobody"]), "not-an-option"),
        ] {
            let mut one = good();
            one["roles"] = roles;
            assert_eq!(faults(one), [("roles".to_owned(), code.to_owned())]);
        }
    }

    #[test]
    fn a_network_line_says_its_days_or_none() {
        for line in [
            "10.0.0.0/8 2026-11-01",
            "10.0.0.0/8 2026-11-02 2026-11-01",
            "10.0.0.0/8 x y",
        ] {
            assert!(allowance(line).is_err(), "{line}");
        }
        let line = "10.0.0.0/8 2026-11-01 2026-11-01";
        assert_eq!(allowance(line).unwrap().to_string(), line);
    }

    #[test]
    fn a_private_key_is_not_taken() {
        let mut one = good();
        one["key"] = SigningKey::generate()
            .unwrap()
            .to_pkcs8_pem()
            .unwrap()
            .as_str()
            .into();
        let fault = register(&input(one), &known(), "u").unwrap_err().remove(0);
        assert!(fault.message.contains("私钥"));
    }

    #[test]
    fn an_accepted_key_leaves_the_one_before_for_its_hours() {
        let (old, new) = (pem(), pem());
        let app = App {
            keys: Keys {
                current: old.trim().to_owned(),
                previous: None,
            },
            ..App::default()
        };
        assert_eq!(
            change(&app, &Map::new(), &known()).unwrap_err()[0].code,
            "required"
        );
        let same = change(&app, &input(json!({ "key": old })), &known());
        assert_eq!(same.unwrap_err()[0].code, "taken");
        let asked = json!({ "key": new, "overlap_hours": 2 });
        let asked = change(&app, &input(asked), &known()).unwrap();
        let waiting = App {
            change: Some(asked.values),
            ..app
        };
        let values = waiting.accepted(Timestamp(0)).unwrap();
        assert_eq!(values["key"], new.trim());
        assert_eq!(values["previous_key"], old.trim());
        assert_eq!(values["previous_until"], json!(Timestamp(7_200_000_000)));
        assert_eq!(values["change"], Value::Null);
        assert!(App::default().accepted(Timestamp(0)).is_none());
    }
}
