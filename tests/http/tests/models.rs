//! Models and files that must not get in, and models that break after they did.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_guests::{ModelGuest, hostile_models, model};
use tests_http::steps::{
    BANK, application, approved_model, in_days, live_model, scored_product, sign_letter,
    submit_model, text, validated,
};
use tests_http::{Answer, Client, Server, until};

const MODELS: &str = "/api/v1/console/models";
const APPLY: &str = "/api/v1/lending/applications/apply";
/// Bytes of the largest file that is taken, as `http.upload_mb` says.
const MOST: usize = 24 * 1024 * 1024;

/// Why the file was refused; that it was, and that nothing is left of it.
fn refusal(developer: &Client, answer: &Answer) -> String {
    assert_eq!(
        (answer.status, answer.code()),
        (400, "invalid"),
        "{}",
        answer.body
    );
    assert_eq!(answer.body["errors"][0]["field"], json!("file"));
    assert_eq!(developer.get(MODELS).body["total"], json!(0));
    text(&answer.body["errors"][0]["detail"])
}

#[test]
fn what_breaks_a_promise_is_refused_with_the_reason() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut developer = server.user("developer");
    let mut reasons = std::collections::BTreeMap::new();
    for (name, bytes) in hostile_models() {
        let answer = submit_model(&mut developer, name, &bytes);
        reasons.insert(name, refusal(&developer, &answer));
        assert_eq!(
            developer.get("/market/products").status,
            200,
            "the rest is served"
        );
    }
    for import in ["wasi:cli/environment@0.2.0", "wasi:sockets/tcp@0.2.0"] {
        assert!(
            reasons["imports"].contains(import),
            "{}",
            reasons["imports"]
        );
    }
    // A developer must know which limit it was.
    for name in ["loops", "recurses", "traps"] {
        assert!(
            reasons
                .iter()
                .all(|(other, why)| other == &name || why != &reasons[name]),
            "{reasons:?}"
        );
    }
    assert_eq!(reasons["grows"], reasons["large"], "both are about memory");
}

#[test]
fn files_that_are_no_models_are_refused_with_the_reason() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut developer = server.user("developer");
    let built = std::fs::read(server.model("tax-loan")).unwrap();
    let half = &built[..built.len() / 2];
    let files: [(&str, &[u8]); 5] = [
        ("text", "不是组件".as_bytes()),
        ("truncated", half),
        ("core", b"\0asm\x01\0\0\0"),
        ("empty", b""),
        ("zip", b"PK\x03\x04"),
    ];
    for (name, bytes) in files {
        let answer = submit_model(&mut developer, name, bytes);
        let why = refusal(&developer, &answer);
        assert!(!why.is_empty(), "{name}");
        // The same by the form, which keeps what was typed beside the file.
        let page = form(&developer, &[("remark", "本次更新")], Some((name, bytes)));
        assert_eq!(page.status, 422, "{name}");
        assert!(
            page.text().contains("本次更新"),
            "{name}: the remark is kept"
        );
        assert!(page.text().contains(&why), "{name}: {why}");
    }
    let unknown = developer.post(
        "/api/v1/console/models/upload",
        &json!({ "file": { "digest": "00", "name": "x.wasm", "size": 3 } }),
    );
    refusal(&developer, &unknown);
    refusal(
        &developer,
        &developer.post_with_key(&format!("{MODELS}/upload"), &json!({}), "none"),
    );
    too_large(&developer);
    broken_forms(&developer);
}

fn too_large(developer: &Client) {
    let large = vec![0; MOST + 1];
    let refused = developer.upload("large.wasm", &large);
    assert_eq!(
        (refused.status, refused.code()),
        (413, "too-large"),
        "{}",
        refused.body
    );
    assert!(text(&refused.body["detail"]).contains("24 MB"));
    let page = form(
        developer,
        &[("remark", "太大的文件")],
        Some(("large", &large)),
    );
    assert_eq!(page.status, 413);
    assert!(page.text().contains("24 MB"), "the limit is told");
    assert!(page.text().contains("太大的文件"), "the remark is kept");
    assert_eq!(developer.get(MODELS).body["total"], json!(0));
}

fn broken_forms(developer: &Client) {
    let page = "/console/models/upload";
    for (kind, body, status) in [
        ("multipart/form-data", "--x--", 400),
        ("multipart/form-data; boundary=x", "--y\r\n\r\nno part", 400),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"_csrf\"\r\n\r\ncut off",
            400,
        ),
        ("application/json", "{}", 415),
        ("text/plain", "hello", 415),
    ] {
        let answer = developer.submit(page, kind, body.as_bytes());
        assert_eq!(answer.status, status, "{kind} {body}");
        assert!(
            answer.kind.starts_with("text/html"),
            "{kind}: a page for a person"
        );
    }
    // A form without its file, and one with a file where none belongs.
    assert_eq!(form(developer, &[("remark", "没有文件")], None).status, 422);
    let forged = form(developer, &[("file", "0000")], None);
    assert_eq!(forged.status, 422, "a digest as text is no file");
}

/// Sends the upload form as a browser does.
fn form(developer: &Client, fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Answer {
    let page = "/console/models/upload";
    let token = developer.form_token(page);
    let mut body = Vec::new();
    let own = [
        ("_csrf", token.as_str()),
        ("_form", "upload"),
        ("_action", "model.upload"),
    ];
    for (name, value) in own.iter().chain(fields) {
        let part =
            format!("--part\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some((name, bytes)) = file {
        let part = format!(
            "--part\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}.wasm\"\r\n\r\n"
        );
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--part--\r\n");
    developer.submit(page, "multipart/form-data; boundary=part", &body)
}

/// A model that reads two real features, passes its golden cases, and breaks on real figures.
fn breaks_later(version: &str, body: &str) -> ModelGuest {
    let mut declared = model::declaration();
    declared["name"] = json!("tax-loan");
    declared["version"] = json!(version);
    for (i, name) in ["tax.paid_12m", "tax.sales_12m"].into_iter().enumerate() {
        declared["features"][i]["name"] = json!(name);
        declared["features"][i]["kind"] = json!({ "number": { "min": 0.0, "max": 1e15 } });
    }
    declared["golden"] = json!([
        { "input": { "tax.paid_12m": 1.0, "tax.sales_12m": 2.0 }, "score": 608.0 },
    ]);
    let real = "(f64.gt (f64.load offset=8 (local.get $values)) (f64.const 1000))";
    ModelGuest::calm()
        .pages(200)
        .declares(declared.to_string())
        .first_runs(&format!("(if {real} (then {body}))"))
}

#[test]
fn al_01_a_live_model_that_breaks_gives_no_score_and_costs_nothing_else() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let product = scored_product(&enterprise, BANK);
    let mut validator = server.user("validator");
    let bodies = [
        ("2.0.0", "(loop $l (br $l))"),
        (
            "3.0.0",
            "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))",
        ),
        (
            "4.0.0",
            "(return (call $scores (i32.const 0) (i32.const 1500000) (i32.const 0) (i32.const 1500000)))",
        ),
        ("5.0.0", "unreachable"),
    ];
    for (version, body) in bodies {
        let id = approved_model(&server, "tax-loan", &breaks_later(version, body).build());
        unscored(&server, &mut enterprise, &product, version);
        // What the form says when there is no score, with everything still in it.
        let sent = apply_by_form(&enterprise, &product);
        assert_eq!(sent.status, 503, "{version}");
        assert!(
            sent.text().contains("订单稳定"),
            "{version}: nothing typed is lost"
        );
        let withdrawn = validator.post(
            &format!("{MODELS}/{id}/withdraw"),
            &json!({ "reason": "真实数据上无法评分" }),
        );
        assert_eq!(withdrawn.status, 200, "{}", withdrawn.body);
    }
    // The version before scores again.
    let applied = enterprise.post(APPLY, &application(&product));
    assert_eq!(applied.status, 200, "{}", applied.body);
}

fn unscored(server: &Server, enterprise: &mut Client, product: &Value, version: &str) {
    let refused = std::thread::scope(|scope| {
        let applying = scope.spawn(|| enterprise.post(APPLY, &application(product)));
        let other = server.user("enterprise2");
        while !applying.is_finished() {
            assert_eq!(other.get("/market/products").status, 200, "{version}");
        }
        applying.join().unwrap()
    });
    assert_eq!(
        (refused.status, refused.code()),
        (503, "model.no-score"),
        "{version}: {}",
        refused.body
    );
    let all = enterprise.get("/api/v1/lending/applications").body;
    assert_eq!(all["total"], json!(0), "{version}: nothing was written");
}

fn apply_by_form(enterprise: &Client, product: &Value) -> Answer {
    let page = format!("/lending/apply?product={}", text(&product["id"]));
    let token = enterprise.form_token(&page);
    let fields = [
        ("_csrf", token.as_str()),
        ("_form", "apply"),
        ("_action", "application.apply"),
        ("amount", "100"),
        ("term_months", "12"),
        ("purpose", "operations"),
        ("contact", "林知远"),
        ("phone", "13800001234"),
        ("note", "订单稳定"),
        ("agree", "1"),
    ];
    enterprise.form(&page, &fields)
}

#[test]
fn al_01_only_another_person_of_the_same_bank_approves() {
    let Some(server) = Server::start() else {
        return;
    };
    let reason = json!({ "reason": "样例一致，留出集指标达标" });
    let bytes = std::fs::read(server.model("tax-loan")).unwrap();
    let uploaded = submit_model(&mut server.user("developer"), "tax-loan", &bytes);
    let record = format!("{MODELS}/{}", text(&uploaded.body["result"]["id"]));

    for login in ["modeler2", "officer2", "enterprise"] {
        let mut stranger = server.user(login);
        let seen = stranger.get(&record);
        assert!(matches!(seen.status, 403 | 404), "{login}: {}", seen.body);
        let decided = stranger.post(&format!("{record}/approve"), &reason);
        assert!(
            matches!(decided.status, 403 | 404),
            "{login}: {}",
            decided.body
        );
    }
    let mut modeler = server.user("modeler2");
    assert_eq!(
        modeler.get(&record).status,
        404,
        "a validator of another bank finds nothing"
    );
    assert_eq!(
        modeler.post(&format!("{record}/approve"), &reason).status,
        404
    );

    // Somebody who holds both roles still cannot do both.
    let calm = ModelGuest::calm().build();
    let own = submit_model(&mut modeler, "calm", &calm);
    assert_eq!(own.status, 200, "{}", own.body);
    let own = format!("{MODELS}/{}", text(&own.body["result"]["id"]));
    let refused = modeler.post(&format!("{own}/approve"), &reason);
    assert_eq!(
        (refused.status, refused.code()),
        (403, "forbidden"),
        "{}",
        refused.body
    );
    assert_eq!(modeler.get(&own).body["status"], json!("submitted"));

    let mut validator = server.user("validator");
    assert_eq!(validator.get(&own).status, 404);
    validated(&mut validator, &text(&uploaded.body["result"]["id"]));
    let approved = validator.post(&format!("{record}/approve"), &reason);
    assert_eq!(approved.status, 200, "{}", approved.body);
    let again = validator.post(&format!("{record}/approve"), &reason);
    assert_eq!(
        (again.status, again.code()),
        (409, "console.illegal-transition"),
        "{}",
        again.body
    );
}

/// Scores a file with outcomes and waits for its end; gives the trial's id.
fn tried(person: &mut Client, model: &str, csv: &str) -> String {
    let file = person.upload("sample.csv", csv.as_bytes());
    let begun = person.post(
        &format!("{MODELS}/{model}/trial"),
        &json!({ "file": file.body }),
    );
    assert_eq!(begun.status, 200, "{}", begun.body);
    let id = text(&begun.body["result"]["id"]);
    until("the trial is over", || {
        person.get(&format!("/api/v1/console/trials/{id}")).body["status"] == "done"
    });
    id
}

#[test]
fn al_01_no_model_goes_live_without_an_independent_validation() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut developer = server.user("developer");
    let mut validator = server.user("validator");
    let uploaded = submit_model(&mut developer, "calm", &ModelGuest::calm().build());
    let id = text(&uploaded.body["result"]["id"]);
    let record = format!("{MODELS}/{id}");
    let page = format!("/console/models/{id}");
    let reason = json!({ "reason": "验证通过" });
    let early = validator.post(&format!("{record}/approve"), &reason);
    assert_eq!((early.status, early.code()), (422, "model.not-validated"));
    assert!(
        validator
            .page(&page)
            .body
            .to_string()
            .contains("没有有效的独立验证")
    );

    let said = |conclusion: &str, trial: Option<&str>, days: u64| {
        json!({
            "data": "2025 年放款样本 4 户", "findings": "区分能力达标，无歧视变量", "trial": trial,
            "conclusion": conclusion, "valid_until": in_days(days),
        })
    };
    let validate = format!("{record}/validate");
    let own = developer.post(&validate, &said("conditional", None, 90));
    assert_eq!((own.status, own.code()), (403, "forbidden"), "{}", own.body);
    let sample = "x,y,bad\n900,900,0\n800,700,0\n-900,-900,1\n-300,-800,1\n";
    let of_developer = tried(&mut developer, &id, sample);
    let unlabelled = tried(&mut validator, &id, "x,y\n1,2\n3,4\n");
    let wrong = [
        (said("fit", None, 90), "trial"),
        (said("fit", Some(&of_developer), 90), "trial"),
        (said("fit", Some(&unlabelled), 90), "trial"),
        (
            said("fit", Some("01930000-0000-7000-8000-0000000fffff"), 90),
            "trial",
        ),
        (said("conditional", None, 0), "valid_until"),
        (said("conditional", None, 400), "valid_until"),
        (said("perfect", None, 90), "conclusion"),
    ];
    for (input, field) in wrong {
        let refused = validator.post(&validate, &input);
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid"),
            "{input}"
        );
        assert_eq!(
            refused.body["errors"][0]["field"],
            json!(field),
            "{}",
            refused.body
        );
    }
    let list = "/api/v1/console/validations";
    assert_eq!(validator.get(list).body["total"], json!(0));

    let own = tried(&mut validator, &id, sample);
    let done = validator.post(&validate, &said("fit", Some(&own), 90));
    assert_eq!(done.status, 200, "{}", done.body);
    let kept = validator.get(list).body["items"][0].clone();
    let figures = ["auc", "ks", "by_name", "conclusion"].map(|name| &kept[name]);
    assert_eq!(json!(figures), json!(["1.0000", "1.0000", "沈若溪", "fit"]));
    assert_eq!(kept["psi"], Value::Null, "nothing was validated before");
    // The last word counts.
    for (conclusion, status) in [("unfit", 422), ("conditional", 200)] {
        let done = validator.post(&validate, &said(conclusion, None, 90));
        assert_eq!(done.status, 200, "{}", done.body);
        let approved = validator.post(&format!("{record}/approve"), &reason);
        assert_eq!(approved.status, status, "{conclusion}: {}", approved.body);
    }
    // A live one is validated again, and held against the time before.
    let other = tried(&mut validator, &id, "x,y,bad\n-900,-900,0\n-900,-900,1\n");
    let again = validator.post(&validate, &said("fit", Some(&other), 90));
    assert_eq!(again.status, 200, "{}", again.body);
    let all = validator.get(list).body;
    let drift = all["items"].as_array().unwrap().iter();
    let mut drift = drift.filter_map(|row| row["psi"].as_str()?.parse::<f64>().ok());
    assert!(drift.next() > Some(0.25), "{all}");
    let shown = developer.page(&page).body.to_string();
    assert!(
        shown.contains("区分能力达标") && !shown.contains("没有有效的独立验证"),
        "{shown}"
    );
    for login in ["modeler2", "officer", "operator"] {
        let seen = server.user(login).get(list);
        assert!(
            seen.status == 403 || seen.body["total"] == 0,
            "{login}: {}",
            seen.body
        );
    }
}
