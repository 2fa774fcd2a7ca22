//! The main job, end to end: a bank's model is uploaded and approved, an enterprise authorises and
//! applies, the model scores it in the sandbox, a person decides, and the evidence replays.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::Server;
use tests_http::steps::{
    BANK, OTHER_BANK, application, live_model, scored_product, sign_letter, trail,
};

#[test]
fn an_enterprise_applies_and_a_person_decides() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);

    let mut enterprise = server.user("enterprise");
    let product = scored_product(&enterprise, BANK);
    let refused = enterprise.post("/api/v1/lending/applications/apply", &application(&product));
    assert_eq!(
        (refused.status, refused.code()),
        (403, "consent.no-consent"),
        "{}",
        refused.body
    );

    let letter = sign_letter(&mut enterprise, BANK);
    let quota = enterprise.post("/api/v1/lending/quotas/estimate", &json!({}));
    assert_eq!(quota.status, 200, "{}", quota.body);

    let applied = enterprise.post("/api/v1/lending/applications/apply", &application(&product));
    assert_eq!(applied.status, 200, "{}", applied.body);
    let id = applied.body["result"]["id"].as_str().unwrap().to_owned();
    let record = format!("/api/v1/lending/applications/{id}");

    let mut officer = server.user("officer");
    let seen = officer.get(&record).body;
    let score: f64 = seen["score"].as_str().unwrap().parse().unwrap();
    let base = seen["base"].as_str().unwrap().parse::<f64>().unwrap();
    let points: f64 = seen["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["points"].as_f64().unwrap())
        .sum();
    assert!(
        (base + points - score).abs() < 0.01,
        "reasons sum to the score: {base} + {points} = {score}"
    );

    let too_much = officer.post(
        &format!("{record}/approve"),
        &json!({
            "amount": "99999999.00", "rate": "0.0400", "reason": "经营稳定，同意授信",
        }),
    );
    assert!(matches!(too_much.status, 400 | 422), "{}", too_much.body);
    let approved = officer.post(
        &format!("{record}/approve"),
        &json!({
            "amount": "800000.00", "rate": product["rate_from"], "reason": "经营稳定，同意授信",
        }),
    );
    assert_eq!(approved.status, 200, "{}", approved.body);
    let again = officer.post(
        &format!("{record}/refuse"),
        &json!({ "refusal": "debt", "reason": "不再同意该笔申请" }),
    );
    assert_eq!(again.status, 409, "{}", again.body);

    let own = enterprise.get(&record).body;
    assert_eq!(
        (own["status"].as_str(), own["approved_amount"].as_str()),
        (Some("approved"), Some("800000.00"))
    );
    let page = enterprise.get(&format!("/lending/applications/{id}"));
    assert!(
        page.text().contains("800000") || page.text().contains("80"),
        "the timeline page shows the decision"
    );

    evidence(&server, &id, &own);

    let revoked = enterprise.post(
        &format!("/api/v1/consent/letters/{letter}/revoke"),
        &json!({ "reason": "不再需要" }),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    let quota = enterprise.post("/api/v1/lending/quotas/estimate", &json!({}));
    let after = quota.body.to_string();
    assert!(
        quota.status != 200 || !after.contains("\"certificate\""),
        "nothing is read after revocation: {after}"
    );
}

/// An auditor sees call and trail; the certificate replays; the chain verifies.
fn evidence(server: &Server, application: &str, record: &Value) {
    let auditor = server.user("auditor");
    let calls = auditor.get("/api/v1/console/certificates?size=50");
    let found = calls.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .any(|c| c["reference"] == json!(application));
    assert!(found, "an auditor sees the call: {}", calls.body);
    let told = trail(&auditor, application);
    assert!(
        told.iter().any(|what| what.ends_with(" · 同意")),
        "the decision is in the audit trail: {told:?}"
    );
    let certificate = record["certificate"].as_str().unwrap();
    let (ok, said) = server.command(&["model", "replay", certificate]);
    assert!(ok && said.contains("identical bytes"), "{said}");
    let (ok, said) = server.command(&["audit", "verify"]);
    assert!(ok && said.contains("records hold"), "{said}");
}

#[test]
fn the_wrong_paths_end_well() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let anonymous = server.anonymous();
    let closed = anonymous.get("/api/v1/lending/applications");
    assert_eq!(
        (closed.status, closed.kind.as_str()),
        (401, "application/problem+json")
    );
    assert_eq!(anonymous.get("/api/v1/nothing/here").status, 404);
    assert_eq!(anonymous.get("/healthz").body["status"], json!("ok"));

    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, OTHER_BANK);
    let product = scored_product(&enterprise, BANK);
    let other_bank = enterprise.post("/api/v1/lending/applications/apply", &application(&product));
    assert_eq!(
        (other_bank.status, other_bank.code()),
        (403, "consent.recipient-mismatch"),
        "{}",
        other_bank.body
    );

    sign_letter(&mut enterprise, BANK);
    let mut wrong = application(&product);
    wrong["amount"] = json!("99999999.00");
    let out_of_range = enterprise.post("/api/v1/lending/applications/apply", &wrong);
    assert_eq!(out_of_range.status, 400, "{}", out_of_range.body);
    assert_eq!(out_of_range.body["errors"][0]["field"], json!("amount"));

    let first = enterprise.post_with_key(
        "/api/v1/lending/applications/apply",
        &application(&product),
        "twice",
    );
    let second = enterprise.post_with_key(
        "/api/v1/lending/applications/apply",
        &application(&product),
        "twice",
    );
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body, second.body, "the same key answers the same");
    let all = enterprise.get("/api/v1/lending/applications").body;
    assert_eq!(all["total"], json!(1), "and makes one application");
    let open = enterprise.post("/api/v1/lending/applications/apply", &application(&product));
    assert_eq!(
        (open.status, open.code()),
        (422, "lending.already-open"),
        "{}",
        open.body
    );

    let id = first.body["result"]["id"].as_str().unwrap();
    let record = format!("/api/v1/lending/applications/{id}");
    assert_eq!(
        server.user("enterprise2").get(&record).status,
        404,
        "another enterprise's is not there"
    );
    assert_eq!(
        server.user("officer2").get(&record).status,
        404,
        "another bank's is not there"
    );
    let approve = json!({ "amount": "1.00", "rate": "0.0400", "reason": "不应成功的批准" });
    assert_eq!(
        server
            .user("enterprise")
            .post(&format!("{record}/approve"), &approve)
            .status,
        403
    );
    let expired = server
        .user("enterprise2")
        .post("/api/v1/lending/applications/apply", &application(&product));
    assert_eq!(expired.status, 403, "{}", expired.body);
    assert!(expired.code().starts_with("consent."), "{}", expired.body);

    enterprise.without_token();
    let forged = enterprise.post(&format!("{record}/withdraw"), &json!({}));
    assert_eq!(
        forged.status, 403,
        "a request without the form token is refused: {}",
        forged.body
    );
}
