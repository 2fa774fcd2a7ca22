//! The wrong paths of an application: without the consent it needs, by those it is none of the
//! business of, sent twice, sent too late, decided twice.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::sealed::Sealing;
use tests_http::steps::{
    BANK, OTHER_BANK, application, live_model, scored_product, sign_letter, text,
};
use tests_http::{Answer, Client, Server};

const APPLY: &str = "/api/v1/lending/applications/apply";
const APPLICATIONS: &str = "/api/v1/lending/applications";

/// A product that needs no model.
fn plain_product(client: &Client) -> Value {
    let found = client.get("/api/v1/market/products?name=科创助力贷").body;
    found["items"][0].clone()
}

fn approval(product: &Value) -> Value {
    json!({ "amount": "800000.00", "rate": product["rate_from"], "reason": "经营稳定，同意授信" })
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (status, code),
        "{}",
        answer.body
    );
}

/// Applies by the page's form, as a browser does.
fn send_form(client: &Client, page: &str, token: &str, amount: &str) -> Answer {
    let fields = [
        ("_csrf", token),
        ("_form", "apply"),
        ("_action", "application.apply"),
        ("amount", amount),
        ("term_months", "12"),
        ("purpose", "operations"),
        ("contact", "林知远"),
        ("phone", "13800001234"),
        ("note", "订单稳定"),
        ("agree", "1"),
    ];
    client.form(page, &fields)
}

#[test]
fn pi_01_without_a_letter_that_fits_nothing_is_read() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    let product = scored_product(&enterprise, BANK);
    let apply = |client: &mut Client| client.post(APPLY, &application(&product));

    refused(&apply(&mut enterprise), 403, "consent.no-consent");
    sign_letter(&mut enterprise, OTHER_BANK);
    refused(&apply(&mut enterprise), 403, "consent.recipient-mismatch");
    let narrow = |items: Value, purposes: Value| {
        json!({
            "recipient": BANK, "items": items, "purposes": purposes,
            "valid_to": tests_http::steps::in_days(30), "separate": true, "agree": true,
        })
    };
    let sign = "/api/v1/consent/letters/sign";
    let signed = enterprise.post(sign, &narrow(json!(["25"]), json!(["02"])));
    assert_eq!(signed.status, 200, "{}", signed.body);
    refused(&apply(&mut enterprise), 403, "consent.item-out-of-scope");
    let all = json!(["15", "16", "20", "25", "26", "27", "33", "35", "57", "59"]);
    let signed = enterprise.post(sign, &narrow(all, json!(["04"])));
    assert_eq!(signed.status, 200, "{}", signed.body);
    refused(&apply(&mut enterprise), 403, "consent.purpose-mismatch");

    // The second demo enterprise signed for this bank long ago, and for another one lately.
    let mut late = server.user("enterprise2");
    let answer = apply(&mut late);
    refused(&answer, 403, "consent.expired");
    assert!(text(&answer.body["detail"]).contains("有效期"));
    let page = format!("/lending/apply?product={}", text(&product["id"]));
    let sent = send_form(&late, &page, &late.form_token(&page), "100");
    assert_eq!(sent.status, 403);
    assert!(sent.text().contains("已过有效期"), "why, for the person");
    assert!(
        sent.text().contains("/consent/letters/new"),
        "and the way to sign"
    );
    assert!(
        sent.text().contains("订单稳定"),
        "and nothing typed is lost"
    );
    for client in [&enterprise, &late] {
        assert_eq!(client.get(APPLICATIONS).body["total"], json!(0));
    }
    let letter = sign_letter(&mut late, BANK);
    let revoked = late.post(
        &format!("/api/v1/consent/letters/{letter}/revoke"),
        &json!({ "reason": "不再需要" }),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    refused(&apply(&mut late), 403, "consent.revoked");
    sign_letter(&mut late, BANK);
    assert_eq!(apply(&mut late).status, 200);

    // Every refusal left its mark.
    let audit = server
        .user("auditor")
        .get("/console/audit?action=lending.application.apply");
    assert!(audit.text().contains("application.apply"));
}

#[test]
fn what_is_not_ones_own_is_not_there() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut enterprise = server.user("enterprise");
    let product = plain_product(&enterprise);
    let applied = enterprise.post(APPLY, &application(&product));
    assert_eq!(applied.status, 200, "{}", applied.body);
    let id = text(&applied.body["result"]["id"]);
    let record = format!("{APPLICATIONS}/{id}");
    let page = format!("/lending/applications/{id}");
    for login in ["enterprise2", "officer2"] {
        let mut stranger = server.user(login);
        assert_eq!(stranger.get(&record).status, 404, "{login}");
        assert_eq!(stranger.get(&page).status, 404, "{login}");
        for (verb, input) in [
            ("approve", approval(&product)),
            ("withdraw", json!({ "reason": "不是我的" })),
        ] {
            let answer = stranger.post(&format!("{record}/{verb}"), &input);
            refused(&answer, 404, "not-found");
        }
        let seen = stranger.get(APPLICATIONS).body;
        assert_eq!(seen["total"], json!(0), "{login}");
    }
    // Visible, but not theirs to decide.
    let own = enterprise.post(&format!("{record}/approve"), &approval(&product));
    refused(&own, 403, "forbidden");
    let officer = server.user("officer").post(
        &format!("{record}/withdraw"),
        &json!({ "reason": "替企业撤回" }),
    );
    refused(&officer, 403, "forbidden");
    assert_eq!(enterprise.get(&record).body["status"], json!("submitted"));
}

#[test]
fn an_application_is_decided_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut enterprise = server.user("enterprise");
    let product = plain_product(&enterprise);
    let applied = enterprise.post(APPLY, &application(&product));
    let id = text(&applied.body["result"]["id"]);
    let record = format!("{APPLICATIONS}/{id}");
    let mut officer = server.user("officer");

    for (amount, field) in [("99999999.00", "amount"), ("1.00", "amount")] {
        let mut wrong = approval(&product);
        wrong["amount"] = json!(amount);
        let answer = officer.post(&format!("{record}/approve"), &wrong);
        refused(&answer, 400, "invalid");
        assert_eq!(answer.body["errors"][0]["field"], json!(field));
    }
    let returned = json!({ "reason": "请补充近三个月银行流水" });
    assert_eq!(
        officer.post(&format!("{record}/return"), &returned).status,
        200
    );
    let early = officer.post(&format!("{record}/approve"), &approval(&product));
    refused(&early, 409, "lending.illegal-transition");
    assert!(
        text(&early.body["detail"]).contains("重新提交"),
        "what is allowed now: {}",
        early.body
    );
    let again = json!({ "amount": "1000000.00", "term_months": 12 });
    assert_eq!(
        enterprise
            .post(&format!("{record}/resubmit"), &again)
            .status,
        200
    );

    // Two windows of the same officer at once, with different decisions.
    let approve = format!("{record}/approve");
    let refuse = format!("{record}/refuse");
    let no = json!({ "refusal": "debt", "reason": "现有负债过高" });
    let second = server.user("officer");
    let answers = std::thread::scope(|scope| {
        let yes = scope.spawn(|| officer.post_with_key(&approve, &approval(&product), "yes"));
        let no = scope.spawn(|| second.post_with_key(&refuse, &no, "no"));
        [yes.join().unwrap(), no.join().unwrap()]
    });
    let won = answers.iter().filter(|a| a.status == 200).count();
    let lost = answers.iter().filter(|a| a.status == 409).count();
    assert_eq!((won, lost), (1, 1), "{answers:?}");
    let decided = enterprise.get(&record).body;
    let expected = if answers[0].status == 200 {
        "approved"
    } else {
        "rejected"
    };
    assert_eq!(decided["status"], json!(expected));

    for (verb, input) in [
        ("approve", approval(&product)),
        ("refuse", no.clone()),
        ("return", returned),
    ] {
        let answer = officer.post(&format!("{record}/{verb}"), &input);
        refused(&answer, 409, "lending.illegal-transition");
        assert!(
            text(&answer.body["detail"]).contains("没有可做的操作"),
            "{}",
            answer.body
        );
    }
    assert_eq!(enterprise.get(&record).body, decided, "and nothing changed");
    // By the page, too: a form that was open before the decision.
    let page = format!("/lending/applications/{id}");
    let token = officer.form_token(&page);
    let fields = [
        ("_csrf", token.as_str()),
        ("_form", "refuse"),
        ("_action", "application.refuse"),
        ("_record", id.as_str()),
        ("refusal", "debt"),
        ("reason", "现有负债过高"),
    ];
    let late = officer.form(&page, &fields);
    assert_eq!(late.status, 409);
    assert!(late.text().contains("已不可用"), "it says so");

    its_history_and_who_looked(&server, &officer, (&page, &record), &decided);
}

/// What became of a decided application, change by change, for programs and on the bank's page; and
/// that who read about the enterprise is on record.
fn its_history_and_who_looked(
    server: &Server,
    officer: &Client,
    (page, record): (&str, &str),
    decided: &Value,
) {
    let past = officer.get(&format!("{record}/history"));
    assert_eq!(past.status, 200, "{}", past.body);
    let items = past.body["items"].as_array().unwrap();
    let newest = items.last().unwrap();
    assert_eq!(items[0]["before"], Value::Null);
    assert_eq!(items[0]["action"], "lending.application.apply");
    assert_eq!(newest["after"]["status"], decided["status"]);
    assert_eq!(newest["revision"], decided["revision"]);
    let phone = items.iter().any(|i| i["after"].get("phone").is_some());
    assert!(!phone, "encrypted fields are not in it: {}", past.body);
    assert!(officer.get(page).text().contains("变更历史"));
    for (user, status) in [("enterprise2", 404), ("officer2", 404)] {
        let other = server.user(user).get(&format!("{record}/history"));
        assert_eq!(other.status, status, "{user}: {}", other.body);
    }
    let none = officer.get(&format!("{record}/past"));
    assert_eq!(none.status, 404);

    // Who read about the enterprise through the API is on record; its own reading is not.
    let auditor = server.user("auditor");
    assert_eq!(officer.get(record).status, 200);
    assert_eq!(officer.get(APPLICATIONS).status, 200);
    let seen = auditor.get("/console/audit?who=officer&what=record.view");
    assert!(seen.text().contains("查看记录"), "{}", seen.text());
    assert!(seen.text().contains(&text(&decided["number"])));
    let enterprise = server.user("enterprise");
    for path in [record, APPLICATIONS, &format!("{record}/history")] {
        assert_eq!(enterprise.get(path).status, 200, "{path}");
    }
    for what in ["record.view", "list.view", "history.view"] {
        let trail = auditor.get(&format!("/console/audit?who=officer&what={what}"));
        assert!(!trail.text().contains("没有符合条件的记录"), "{what}");
        let own = auditor.get(&format!("/console/audit?who=enterprise&what={what}"));
        assert!(own.text().contains("没有符合条件的记录"), "{what}");
    }
}

#[test]
fn sent_twice_is_one_application() {
    let Some(server) = Server::start() else {
        return;
    };
    let enterprise = server.user("enterprise");
    let product = plain_product(&enterprise);
    for (amount, months, fields) in [
        ("99999999.00", 12, vec!["amount"]),
        ("0.01", 12, vec!["amount"]),
        ("-5.00", 12, vec!["amount"]),
        ("1.001", 12, vec!["amount"]),
        ("99999999.00", 359, vec!["amount", "term_months"]),
    ] {
        let mut wrong = application(&product);
        wrong["amount"] = json!(amount);
        wrong["term_months"] = json!(months);
        let answer = enterprise.post_with_key(APPLY, &wrong, "wrong");
        refused(&answer, 400, "invalid");
        let named = answer.body["errors"].as_array().unwrap().iter();
        assert_eq!(
            named.map(|e| text(&e["field"])).collect::<Vec<_>>(),
            fields,
            "{amount}: {}",
            answer.body
        );
    }

    // The same key from eight connections at once: one application, one answer.
    let same: Vec<Answer> = at_once(8, |_| {
        enterprise.post_with_key(APPLY, &application(&product), "same-key")
    });
    let first = &same[0].body;
    for answer in &same {
        assert_eq!((answer.status, &answer.body), (200, first));
    }
    let total = |client: &Client| client.get(APPLICATIONS).body["total"].clone();
    assert_eq!(total(&enterprise), json!(1));
    let other = enterprise.post_with_key(APPLY, &json!({ "product": "x" }), "same-key");
    refused(&other, 409, "idempotency-key-reused");

    // Two tabs, each with its own key: one is told that there is one already.
    let second = server.user("enterprise2");
    let tabs = at_once(4, |tab| {
        second.post_with_key(APPLY, &application(&product), &format!("tab-{tab}"))
    });
    assert_eq!(
        tabs.iter().filter(|a| a.status == 200).count(),
        1,
        "{tabs:?}"
    );
    for late in tabs.iter().filter(|a| a.status != 200) {
        let told = [(422, "lending.already-open"), (409, "duplicate")];
        assert!(told.contains(&(late.status, late.code())), "{}", late.body);
    }
    assert_eq!(total(&second), json!(1));
    // And by the form, from a tab that was open before.
    let page = format!("/lending/apply?product={}", text(&product["id"]));
    let token = second.form_token("/consent/letters/new");
    let late = send_form(&second, &page, &token, "100");
    assert_eq!(late.status, 409);
    assert!(late.text().contains("在途申请"), "the page shows why");
    assert_eq!(total(&second), json!(1));
}

/// The answers of so many threads that ask at the same time.
fn at_once(threads: usize, ask: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, ask) = (&barrier, &ask);
                scope.spawn(move || {
                    barrier.wait();
                    ask(thread)
                })
            })
            .collect();
        asked.into_iter().map(|a| a.join().unwrap()).collect()
    })
}

#[test]
fn a_session_that_ends_loses_nothing_that_was_typed() {
    let Some(server) = Server::start() else {
        return;
    };
    let enterprise = server.user("enterprise");
    let product = plain_product(&enterprise);
    let page = format!("/lending/apply?product={}", text(&product["id"]));
    let token = enterprise.form_token(&page);
    server.end_session(&enterprise);
    refused(
        &enterprise.post_with_key(APPLY, &application(&product), "late"),
        401,
        "unauthenticated",
    );

    let asked = send_form(&enterprise, &page, &token, "120");
    assert_eq!(asked.status, 401);
    assert!(
        asked.text().contains("已为您保留"),
        "the sign-in page says so"
    );
    let next = hidden(&asked, "next");
    let fresh = hidden(&asked, "_csrf");
    let password = ("password", server.password("enterprise"));
    let sealed = Sealing::ask(&server.url, "/login").seal(&[password]);
    // Somebody else at the same desk does not get to see it.
    let restored = enterprise.form(
        "/login",
        &[
            ("_csrf", &fresh),
            ("username", "enterprise"),
            ("_sealed", &sealed),
            ("next", &next),
        ],
    );
    assert_eq!(restored.status, 200);
    assert!(
        restored.text().contains("订单稳定"),
        "what was typed is back"
    );
    assert!(
        restored.text().contains("value=\"120\""),
        "{}",
        restored.text()
    );
    let stranger = server.user("enterprise2");
    assert!(
        !stranger.get(&next).text().contains("订单稳定"),
        "and nobody else finds it by the address"
    );
    let sent = send_form(&enterprise, &page, &hidden(&restored, "_csrf"), "120");
    assert_eq!(sent.status, 200, "{}", sent.text());
    let all = enterprise.get(APPLICATIONS).body;
    assert_eq!(
        (&all["total"], &all["items"][0]["amount"]),
        (&json!(1), &json!("1200000.00"))
    );
}

/// A hidden field of a page's first form that has it.
fn hidden(page: &Answer, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, after) = page.text().split_once(&mark).unwrap();
    after.split('"').next().unwrap().replace("&amp;", "&")
}
