//! What people are told, from the platform's clock to the bell on their page, over HTTP alone.

#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{
    BANK, application, audited, in_days, live_model, scored_product, sign_letter, text,
};
use tests_http::{Answer, Browser, Client, Server, until};

const NOTICES: &str = "/api/v1/notices";
const SCHEDULES: &str = "/api/v1/console/schedules";
const SCHEDULE: &str = "consent.letter.day-began";

fn done(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body.clone()
}

fn told(client: &Client) -> Vec<Value> {
    let found = done(&client.get(NOTICES));
    found["items"].as_array().cloned().unwrap_or_default()
}

fn unread(client: &Client) -> Value {
    done(&client.get(&format!("{NOTICES}/unread")))["unread"].clone()
}

/// The row of the schedule, once the server has looked at the clock for the first time.
fn schedule(operator: &Client) -> Value {
    let mut found = Value::Null;
    until("the schedule is there", || {
        let rows = done(&operator.get(&format!("{SCHEDULES}?code={SCHEDULE}")));
        found = rows["items"][0].clone();
        found.is_object()
    });
    found
}

#[test]
fn row_62_who_a_letter_concerns_is_told_that_it_ends() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let sign = |owner: &mut Client, days: u64| {
        let letter = json!({
            "recipient": BANK, "items": ["15"], "purposes": ["02"],
            "valid_to": in_days(days), "agree": true,
        });
        let made = done(&owner.post("/api/v1/consent/letters/sign", &letter));
        text(&made["result"]["id"])
    };
    let soon = sign(&mut owner, 10);
    sign(&mut owner, 40);
    let mut operator = server.user("operator");
    let row = schedule(&operator);
    let run = format!("{SCHEDULES}/{}/run", text(&row["id"]));
    let mut auditor = server.user("auditor");
    for other in [&mut owner, &mut auditor] {
        assert_eq!(other.post(&run, &json!({})).status, 403);
    }
    // Twice, so that it is seen to tell once.
    for _ in 0..2 {
        let before = schedule(&operator)["event"].clone();
        done(&operator.post(&run, &json!({})));
        until("it has run", || schedule(&operator)["event"] != before);
        until("it has been heard", || {
            let page = operator.page("/console/schedules").body.to_string();
            page.contains("完成")
        });
    }
    let path = format!("/consent/letters/{soon}");
    for login in ["enterprise", "officer"] {
        let client = server.user(login);
        let told = told(&client);
        assert_eq!(told.len(), 1, "{login}: {told:?}");
        assert_eq!(told[0]["path"], path);
        assert_eq!(told[0]["title"]["zh"], "授权书即将到期");
        assert!(text(&told[0]["text"]["zh"]).contains(&in_days(10)));
        assert_eq!(unread(&client), 1);
    }
    for login in ["enterprise2", "officer2", "auditor", "operator"] {
        assert_eq!(told(&server.user(login)), Vec::<Value>::new(), "{login}");
    }
    let table = audited(&auditor, "what=console.schedule.run&outcome=done");
    assert_eq!(table["paging"]["total"], json!(2));

    // The bell, the page, and the way to the letter.
    let mut browser = Browser::signed_in(&server, "enterprise");
    let home = browser.get("/");
    assert!(home.html.contains("站内信，1 条未读"), "no bell");
    let page = browser.get("/notices");
    assert_eq!(page.status, 200);
    let id = told(&owner)[0]["id"].clone();
    let id = text(&id);
    assert!(page.html.contains("授权书即将到期") && page.html.contains(&id));
    let forged = browser.send("/notices", &home, &[("open", &soon)]);
    assert_eq!(forged.status, 404, "no notice has this id");
    let opened = browser.send("/notices", &page, &[("open", &id)]);
    assert_eq!((opened.status, opened.to), (303, Some(path)));
    assert!(!browser.get("/").html.contains("条未读"));
    assert_eq!(
        (unread(&owner), unread(&server.user("officer"))),
        (json!(0), json!(1))
    );
}

#[test]
fn an_application_is_told_of_as_it_goes_on() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let (mut owner, mut officer) = (server.user("enterprise"), server.user("officer"));
    let product = scored_product(&owner, BANK);
    sign_letter(&mut owner, BANK);
    let apply = "/api/v1/lending/applications/apply";
    let made = done(&owner.post(apply, &application(&product)));
    let id = text(&made["result"]["id"]);
    assert_eq!(told(&officer)[0]["title"]["zh"], "收到贷款申请");
    let verb = |verb: &str| format!("/api/v1/lending/applications/{id}/{verb}");
    done(&officer.post(&verb("accept"), &json!({})));
    // What is refused tells nobody.
    assert_eq!(
        officer
            .post(&verb("return"), &json!({ "reason": "" }))
            .status,
        400
    );
    assert_eq!(told(&owner), Vec::<Value>::new());
    let why = json!({ "reason": "请补充近三个月流水" });
    done(&officer.post(&verb("return"), &why));
    let notice = told(&owner).remove(0);
    assert_eq!(notice["title"]["zh"], "申请被退回，请补充");
    assert_eq!(owner.page(&text(&notice["path"])).status, 200);
    // In the reader's language.
    let mut browser = Browser::signed_in(&server, "enterprise");
    let english = browser.get("/notices?lang=en");
    assert!(english.html.contains("Your application was returned"));

    assert_eq!(unread(&owner), 1);
    let all = done(&owner.post(&format!("{NOTICES}/read"), &json!({})));
    assert_eq!((all, unread(&owner)), (json!({ "read": 1 }), json!(0)));
}

#[test]
fn wrong_questions_about_notices_are_answered_as_such() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let nobody = server.anonymous();
    for path in [NOTICES, "/api/v1/notices/unread"] {
        let refused = nobody.get(path);
        assert_eq!((refused.status, refused.code()), (401, "unauthenticated"));
    }
    for (asked, field) in [
        ("before=x", "before"),
        ("size=0", "size"),
        ("size=1000", "size"),
    ] {
        let refused = owner.get(&format!("{NOTICES}?{asked}"));
        assert_eq!(refused.status, 400, "{asked}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field);
    }
    assert_eq!(owner.get(&format!("{NOTICES}?size=many")).status, 400);
    for id in ["x", "01930000-0000-7000-8000-0000000fffff"] {
        let refused = owner.post(&format!("{NOTICES}/{id}/read"), &json!({}));
        assert_eq!(refused.status, 404, "{}", refused.body);
    }
    owner.without_token();
    let forged = owner.post(&format!("{NOTICES}/read"), &json!({}));
    assert_eq!(forged.status, 403, "{}", forged.body);

    let mut browser = Browser::signed_in(&server, "enterprise");
    let page = browser.get("/notices");
    assert!(page.html.contains("没有站内信"));
    assert_eq!(browser.send("/notices", &page, &[]).status, 400);
    assert_eq!(browser.get("/notices?before=x").status, 400);
    let mut stranger = Browser::new(&server);
    let led = stranger.get("/notices");
    assert_eq!(led.status, 303);
    assert!(led.to.is_some_and(|to| to.starts_with("/login?next=")));
    assert!(!stranger.get("/").html.contains("class=\"bell\""));
}
