//! Where the bank's model gives no score, a person looks instead.

#![expect(
    clippy::unwrap_used,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::page::check;
use sdk::serde_json::{Value, json};
use sdk_testkit::{Setting, World, scenario};

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
/// 云税贷, which the bank's model scores.
const TAX_LOAN: &str = "01930000-0000-7000-8000-000000002001";
const ITEMS: [&str; 10] = ["25", "26", "27", "33", "35", "57", "59", "15", "16", "20"];

/// The bank's model, as it declares itself.
const MODEL: &str = include_str!("../../../examples/bank-models/tax-loan/model.json");

/// The city, in which the bank's model is not live.
fn without_model() -> Setting {
    Setting::of([
        plugin_enterprise::module(),
        plugin_consent::module(),
        plugin_market::module(),
        plugin_credit::module(),
        plugin_lending::module(),
    ])
}

fn request(manual: Option<bool>) -> Value {
    json!({
        "product": TAX_LOAN, "amount": "500000.00", "term_months": 12, "purpose": "materials",
        "contact": "林知远", "phone": "13800001001", "agree": true, "manual": manual,
    })
}

fn id_of(result: &Value) -> String {
    result["id"].as_str().unwrap().to_owned()
}

#[scenario(without_model())]
fn al_01_where_the_model_gives_nothing_a_person_decides(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let none = owner
        .act("lending.application.apply", None, request(None))
        .unwrap_err();
    assert_eq!(none.code, "model.not-live");
    assert!(none.message.contains("转人工评审"), "{}", none.message);
    assert!(owner.find("lending.applications", &[]).is_empty());
    let form = owner
        .page(&format!("/lending/apply?product={TAX_LOAN}"))
        .unwrap();
    let form = form.form("apply").unwrap();
    assert!(form.fields().any(|f| f.name == "manual" && !f.required));
    let made = owner.act("lending.application.apply", None, request(Some(true)));
    let id = id_of(&made.unwrap());
    let stored = officer.get("lending.applications", &id).unwrap();
    assert_eq!(
        (&stored["score"], &stored["certificate"]),
        (&Value::Null, &Value::Null)
    );
    assert!(!stored["unscored"].as_str().unwrap().is_empty());
    let page = officer
        .page(&format!("/lending/applications/{id}"))
        .unwrap();
    check(&page).unwrap();
    let shown = sdk::serde_json::to_string(&page).unwrap();
    assert!(shown.contains("模型没有给出评分，请人工评审"), "{shown}");
    officer
        .act("lending.application.accept", Some(&id), json!({}))
        .unwrap();
    let mut approved = json!({ "amount": "300000.00", "rate": "0.0400" });
    let why = officer.act("lending.application.approve", Some(&id), approved.clone());
    assert_eq!(why.unwrap_err().fields[0].field, "reason");
    approved["reason"] = json!("无评分；核对流水与纳税证明后同意");
    officer
        .act("lending.application.approve", Some(&id), approved)
        .unwrap();
    let decided = owner.get("lending.applications", &id).unwrap();
    assert_eq!(decided["status"], json!("approved"));
}

#[scenario(without_model().model(HUJIANG, MODEL))]
fn al_01_asking_for_a_person_gets_round_no_letter_and_no_score(t: &World) {
    let owner = t.user("enterprise");
    let manual = || request(Some(true));
    let refused = owner.act("lending.application.apply", None, manual());
    assert!(
        refused.unwrap_err().code.starts_with("consent."),
        "nothing is read without a letter"
    );
    let letter = json!({
        "recipient": HUJIANG, "items": ITEMS, "purposes": ["02"], "separate": true, "agree": true,
        "valid_to": t.today().plus_days(30).to_string(),
    });
    owner.act("consent.letter.sign", None, letter).unwrap();
    let id = id_of(
        &owner
            .act("lending.application.apply", None, manual())
            .unwrap(),
    );
    let stored = owner.get("lending.applications", &id).unwrap();
    assert!(
        stored["score"].is_string() && stored["unscored"].is_null(),
        "{stored:?}"
    );
}
