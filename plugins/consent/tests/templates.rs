//! Drafting, publishing, revising and ending the templates that letters are signed on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use sdk::Map;
use sdk::contract::error::{Fault, FaultKind};
use sdk::contract::page::{Body, Page, check};
use sdk::serde_json::{Value, json};
use sdk_testkit::{Setting, User, World, scenario};

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
const PUCHENG: &str = "01930000-0000-7000-8000-000000000201";
/// The template that the platform comes with for applications.
const SUPPLIED: &str = "01930000-0000-7000-8000-000000004101";
const SUPPLIED_FIRST: &str = "01930000-0000-7000-8000-000000004111";

const TEXT: &str = "## 专项授权书\n\n{grantor}授权{recipient}查询：\n{items}\n\n用途：{purposes}\n\n\
                    有效期至 {valid_to}\n\n{signer} {signed_at}";

fn city() -> Setting {
    Setting::of([
        plugin_enterprise::module(),
        plugin_credit::module(),
        plugin_market::module(),
        plugin_consent::module(),
    ])
}

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap()
}

fn content(text: &str) -> Value {
    json!({
        "name": "专项授权书", "items": ["15", "25"],
        "purposes": [{ "purpose": "01", "days": 60 }], "recipients": [HUJIANG], "text": text,
    })
}

fn new(code: &str, text: &str) -> Value {
    let mut new = content(text);
    new["code"] = json!(code);
    new["category"] = json!("enterprise");
    new
}

fn letter(template: Option<&str>, purpose: &str) -> Value {
    json!({
        "recipient": HUJIANG, "template": template, "items": ["15", "25"],
        "purposes": [purpose], "valid_to": "2026-12-20", "separate": true, "agree": true,
    })
}

fn sign(owner: &User<'_>, letter: Value) -> Result<Map, Fault> {
    let made = owner.act("consent.letter.sign", None, letter)?;
    owner.get("consent.letters", id(&made))
}

/// Submits a draft and has the other person publish it; gives the version's id.
fn published(t: &World, template: &str) -> String {
    let none = json!({});
    t.user("operator")
        .act("consent.template.submit", Some(template), none.clone())
        .unwrap();
    let done = t
        .user("security")
        .act("consent.template.publish", Some(template), none)
        .unwrap();
    done["edition"].as_str().unwrap().to_owned()
}

fn code(fault: Result<Value, Fault>) -> String {
    fault.unwrap_err().code
}

fn words(page: &Page, block: &str) -> String {
    match page.find_block(block).map(|b| &b.body) {
        Some(Body::Table(table)) => format!("{:?}", table.rows),
        Some(body) => format!("{body:?}"),
        None => String::new(),
    }
}

#[scenario(city())]
fn row_60_editing_what_is_published_makes_version_two(t: &World) {
    let (operator, owner) = (t.user("operator"), t.user("enterprise"));
    let first = sign(&owner, letter(None, "02")).unwrap();
    assert_eq!(first["template"], json!(SUPPLIED_FIRST));
    assert_eq!(
        (&first["template_name"], &first["template_version"]),
        (&json!("企业数据授权书"), &json!(1))
    );
    let before = owner.get("consent.editions", SUPPLIED_FIRST).unwrap();
    assert_eq!(first["template_digest"], before["text_digest"]);
    let named = first["text"].as_str().unwrap();
    assert!(named.contains("QY01 第 1 版"), "{named}");
    assert!(named.contains(before["text_digest"].as_str().unwrap()));

    // What is published is not edited, but revised.
    let supplied = operator.get("consent.templates", SUPPLIED).unwrap();
    let mut edited = json!({
        "name": supplied["name"], "items": supplied["items"], "purposes": supplied["purposes"],
        "text": format!("{}\n\n第二版增补。", supplied["text"].as_str().unwrap()),
    });
    let edit =
        |content: &Value| operator.act("consent.template.edit", Some(SUPPLIED), content.clone());
    assert_eq!(code(edit(&edited)), "consent.illegal-transition");
    let revised = operator
        .act("consent.template.revise", Some(SUPPLIED), json!({}))
        .unwrap();
    assert_eq!(revised["version"], json!(2));
    edited["purposes"] = json!([{ "purpose": "02", "days": 45 }]);
    edit(&edited).unwrap();

    // While it is a draft, version one is what people sign; the draft itself cannot be used.
    let meanwhile = sign(&owner, letter(None, "02")).unwrap();
    assert_eq!(meanwhile["template_version"], json!(1));
    let by_draft = sign(&owner, letter(Some(SUPPLIED), "02")).unwrap_err();
    assert_eq!(by_draft.code, "consent.template-not-in-force");

    let page = t
        .user("security")
        .page(&format!("/consent/templates/{SUPPLIED}"))
        .unwrap();
    check(&page).unwrap();
    let told = words(&page, "differences");
    for part in ["第二版增补", "授信审批最长 90 天 → 45 天", "04 一键测额"] {
        assert!(told.contains(part), "{part}: {told}");
    }

    let second = published(t, SUPPLIED);
    let now = sign(&owner, letter(None, "02")).unwrap();
    assert_eq!(
        (&now["template"], &now["template_version"]),
        (&json!(second), &json!(2))
    );
    assert!(now["text"].as_str().unwrap().contains("第二版增补"));
    let replaced = sign(&owner, letter(Some(SUPPLIED_FIRST), "02")).unwrap_err();
    assert_eq!(replaced.code, "consent.template-not-in-force");

    // Version one and the letters on it stay what they were.
    let after = owner.get("consent.editions", SUPPLIED_FIRST).unwrap();
    assert_eq!(
        (&after["text"], &after["text_digest"], &after["purposes"]),
        (&before["text"], &before["text_digest"], &before["purposes"])
    );
    let kept = owner
        .get("consent.letters", first["id"].as_str().unwrap())
        .unwrap();
    assert_eq!(kept, first);
    assert!(!kept["text"].as_str().unwrap().contains("第二版增补"));
    let of_second = owner.get("consent.editions", &second).unwrap();
    assert_ne!(of_second["text_digest"], before["text_digest"]);
}

#[scenario(city())]
fn row_60_a_digest_is_of_the_text_as_published(t: &World) {
    use sm3::{Digest, Sm3};
    let operator = t.user("operator");
    let made = operator
        .act(
            "consent.template.create",
            None,
            new("ZX01", &format!("{TEXT}\n")),
        )
        .unwrap();
    let edition = published(t, id(&made));
    let all = t.user("auditor").find("consent.editions", &[]);
    assert_eq!(
        all.len(),
        3,
        "two that the platform comes with and this one"
    );
    for of in all {
        let kept = of["text_digest"].as_str().unwrap();
        let bytes: Vec<u8> = (0..kept.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&kept[at..at + 2], 16).unwrap())
            .collect();
        let text = of["text"].as_str().unwrap();
        assert_eq!(bytes, Sm3::digest(text).to_vec(), "{}", of["number"]);
    }
    let of = operator.get("consent.editions", &edition).unwrap();
    assert_eq!(
        (&of["number"], &of["text"]),
        (&json!("ZX01-1"), &json!(TEXT))
    );
}

#[scenario(city())]
fn row_60_who_drafts_or_submits_does_not_publish(t: &World) {
    let operator = t.user("operator");
    let made = operator
        .act("consent.template.create", None, new("ZX02", TEXT))
        .unwrap();
    let template = id(&made);
    let publish = |login: &str| {
        t.user(login)
            .act("consent.template.publish", Some(template), json!({}))
    };
    assert_eq!(
        code(publish("security")),
        "consent.illegal-transition",
        "not submitted"
    );
    operator
        .act("consent.template.submit", Some(template), json!({}))
        .unwrap();
    assert_eq!(code(publish("operator")), "consent.same-person");
    let page = operator
        .page(&format!("/consent/templates/{template}"))
        .unwrap();
    assert!(page.actions[0].off.is_some(), "and the button says so");
    for login in ["enterprise", "officer", "auditor"] {
        let fault = publish(login).unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::Forbidden | FaultKind::NotFound),
            "{login}: {fault}"
        );
    }
    // What is handed back says why, and is drafted on.
    let reason = json!({ "reason": "请补充用途说明" });
    t.user("security")
        .act("consent.template.return", Some(template), reason)
        .unwrap();
    let page = operator
        .page(&format!("/consent/templates/{template}"))
        .unwrap();
    assert!(words(&page, "returned").contains("请补充用途说明"));
    assert!(page.form("edit").is_some());
    let edition = published(t, template);
    let owner = t.user("enterprise");
    assert_eq!(
        sign(&owner, letter(Some(&edition), "01")).unwrap()["template"],
        json!(edition)
    );
    // Drafts are nobody's but the staff's.
    for login in ["enterprise", "officer"] {
        assert!(t.user(login).try_find("consent.templates", &[]).is_err());
    }
}

#[scenario(city())]
fn a_wrong_template_is_named_field_by_field(t: &World) {
    let operator = t.user("operator");
    let wrong = json!({
        "code": "zx-1", "category": "enterprise", "name": "错", "items": ["99"],
        "purposes": [{ "purpose": "77", "days": 10 }], "recipients": ["nobody"],
        "text": format!("{TEXT}\n{{unknown}}"),
    });
    let fault = operator
        .act("consent.template.create", None, wrong)
        .unwrap_err();
    let fields: Vec<&str> = fault.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["code", "items", "purposes", "recipients", "text"]);
    let text = &fault.fields[4].message;
    assert!(text.contains("第 11 行第 1 字的 {unknown}"), "{text}");
    let made = operator.act("consent.template.create", None, new("ZX03", TEXT));
    assert!(made.is_ok());
    let again = operator
        .act("consent.template.create", None, new("ZX03", TEXT))
        .unwrap_err();
    assert_eq!(again.fields[0].field, "code");
    let mut long = new("ZX04", TEXT);
    long["purposes"] = json!([{ "purpose": "01", "days": 366 }]);
    let fault = operator
        .act("consent.template.create", None, long)
        .unwrap_err();
    assert!(fault.fields[0].field.starts_with("purposes"), "{fault}");
}

#[scenario(city())]
fn the_template_that_fits_is_chosen_and_keeps_its_limits(t: &World) {
    let owner = t.user("enterprise");
    let refused = |letter: Value| {
        let fault = sign(&owner, letter).unwrap_err();
        let of = &fault.fields[0];
        (of.field.clone(), of.message.clone())
    };
    let for_monitoring = sign(&owner, letter(None, "03")).unwrap();
    assert_eq!(
        for_monitoring["template_name"],
        json!("企业贷后管理数据授权书")
    );
    // An estimate's letters are the shortest, whatever else they are for.
    let mut long = letter(None, "02");
    long["valid_to"] = json!("2027-02-21");
    assert!(sign(&owner, long.clone()).is_ok());
    long["purposes"] = json!(["02", "04"]);
    let (field, message) = refused(long);
    assert_eq!(field, "valid_to");
    assert!(message.contains("“一键测额”最长授权 30 天"), "{message}");
    // No template is for both.
    let mut both = letter(None, "02");
    both["purposes"] = json!(["02", "03"]);
    assert_eq!(refused(both).0, "purposes");

    let made = t
        .user("operator")
        .act("consent.template.create", None, new("ZX05", TEXT))
        .unwrap();
    let edition = published(t, id(&made));
    let mut elsewhere = letter(Some(&edition), "01");
    elsewhere["recipient"] = json!(PUCHENG);
    elsewhere["items"] = json!(["15", "26"]);
    let fault = sign(&owner, elsewhere).unwrap_err();
    let fields: Vec<&str> = fault.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["recipient", "items"]);
}

#[scenario(city())]
fn row_60_what_is_withdrawn_cannot_be_used_and_letters_hold(t: &World) {
    let owner = t.user("enterprise");
    let held = sign(&owner, letter(None, "02")).unwrap();
    let reason = json!({ "reason": "文本更新" });
    t.user("operator")
        .act(
            "consent.edition.withdraw",
            Some(SUPPLIED_FIRST),
            reason.clone(),
        )
        .unwrap();
    let fault = sign(&owner, letter(Some(SUPPLIED_FIRST), "02")).unwrap_err();
    assert_eq!(fault.code, "consent.template-not-in-force");
    // The other template is for something else.
    assert_eq!(
        sign(&owner, letter(None, "02")).unwrap_err().fields[0].field,
        "purposes"
    );
    let kept = owner
        .get("consent.letters", held["id"].as_str().unwrap())
        .unwrap();
    assert_eq!(kept, held);
    let by_operator = t
        .user("operator")
        .act("consent.edition.revoke", Some(SUPPLIED_FIRST), reason)
        .unwrap_err();
    assert_eq!(by_operator.kind, FaultKind::Forbidden);
    let page = owner
        .page(&format!("/consent/editions/{SUPPLIED_FIRST}"))
        .unwrap();
    check(&page).unwrap();
    assert_eq!(
        page.status.as_ref().map(|s| s.label.as_str()),
        Some("已停用")
    );
    assert!(page.actions.is_empty());
}

#[scenario(city())]
fn every_page_of_templates_is_well_formed(t: &World) {
    let made = t
        .user("operator")
        .act("consent.template.create", None, new("ZX06", TEXT))
        .unwrap();
    let draft = format!("/consent/templates/{}", id(&made));
    let edition = format!("/consent/editions/{SUPPLIED_FIRST}");
    for (login, path) in [
        ("operator", "/consent/templates"),
        ("operator", "/consent/templates?q=专项"),
        ("operator", "/consent/templates/new"),
        ("operator", draft.as_str()),
        ("security", draft.as_str()),
        ("auditor", draft.as_str()),
        ("operator", edition.as_str()),
        ("officer", edition.as_str()),
    ] {
        check(&t.user(login).page(path).unwrap()).unwrap_or_else(|f| panic!("{path}: {f}"));
    }
}
