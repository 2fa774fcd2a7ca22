//! Looks at masked values of the most sensitive level, as people and programs take them: one asks,
//! a colleague agrees, and the first looks once.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{BANK, text, trail};
use tests_http::{Browser, Built, Client, Server, Start};

const LOANS: &str = "/api/v1/example/loans";
const REPORT: &str = "ZX-4711-0093";

fn on_each_engine(story: impl Fn(Server)) {
    let start = |database| {
        let plugins = Built::find()?.guests.join("test-plugins");
        Server::start_as(Start {
            plugins: Some(plugins),
            database,
            ..Start::default()
        })
    };
    if let Some(server) = start(None) {
        story(server);
    }
    if let Some(database) = Database::create("looks")
        && let Some(server) = start(Some(database))
    {
        story(server);
    }
}

fn loan(server: &Server) -> String {
    let input = json!({ "number": "HT-7731", "amount": "5", "bank": BANK, "report": REPORT });
    let mut owner = server.user("enterprise");
    let made = owner.post(&format!("{LOANS}/request"), &input);
    assert_eq!(made.status, 200, "{}", made.body);
    text(&made.body["result"]["id"])
}

fn approve(admin: &mut Client, request: &Value) -> u16 {
    let path = format!("/api/v1/platform/requests/{}/approve", text(request));
    admin
        .post(&path, &json!({ "reason": "贷前调查需要" }))
        .status
}

#[test]
fn row_93_a_program_asks_a_colleague_agrees_and_the_same_call_shows_it_once() {
    on_each_engine(|server| {
        let id = loan(&server);
        let look = format!("{LOANS}/{id}/look");
        let ask = json!({ "field": "report", "reason": "核对征信报告" });
        let mut officer = server.user("officer");
        let mut admin = server.user("bankadmin");
        let asked = officer.post(&look, &ask);
        assert_eq!(asked.status, 202, "{}", asked.body);
        let request = asked.body["request"].clone();
        assert!(text(&asked.body["until"]).ends_with('Z'));
        assert_eq!(officer.post(&look, &ask).body["request"], request);
        let bare = officer.post(&look, &json!({ "field": "report", "reason": "" }));
        assert_eq!(bare.status, 202, "it waits already: {}", bare.body);
        for (login, status) in [("officer2", 404), ("operator", 403), ("enterprise2", 404)] {
            let answer = server.user(login).post(&look, &ask);
            assert_eq!(answer.status, status, "{login}: {}", answer.body);
        }

        // Who decides sees what is asked and why, and nothing of what they may not read.
        let waiting = admin.page("/platform/requests").body.to_string();
        for part in ["查看完整的“征信编号”", "核对征信报告", "程见山"] {
            assert!(waiting.contains(part), "{part}: {waiting}");
        }
        assert!(
            !waiting.contains("HT-7731") && !waiting.contains(REPORT),
            "{waiting}"
        );
        assert_eq!(approve(&mut officer, &request), 403);
        assert_eq!(approve(&mut server.user("security"), &request), 403);
        assert_eq!(officer.post(&look, &ask).status, 202);

        assert_eq!(approve(&mut admin, &request), 200);
        assert_eq!(approve(&mut admin, &request), 409, "once");
        let shown = officer.post(&look, &ask);
        assert_eq!(shown.status, 200, "{}", shown.body);
        assert_eq!(shown.body, json!({ "value": REPORT }));
        let again = officer.post(&look, &ask);
        assert_eq!(again.status, 202, "{}", again.body);
        assert_ne!(again.body["request"], request);

        let auditor = server.user("auditor");
        let of_loan = trail(&auditor, &id);
        let count = |what: &str| of_loan.iter().filter(|line| line.contains(what)).count();
        assert_eq!(count("申请查看完整内容"), 2, "{of_loan:?}");
        assert_eq!(count("查看完整内容"), 3, "{of_loan:?}");
        assert!(!trail(&auditor, &text(&request)).is_empty());
    });
}

#[test]
fn row_93_a_person_is_led_through_it_on_the_page() {
    on_each_engine(|server| {
        let id = loan(&server);
        let path = format!("/example/loans/{id}");
        let mut officer = Browser::signed_in(&server, "officer");
        let page = officer.get(&path);
        assert!(page.html.contains("须由同机构另一人同意"), "{}", page.html);
        assert!(!page.html.contains(REPORT));
        let form = |reason: &'static str| {
            [
                ("collection".to_owned(), "example.loans".to_owned()),
                ("id".to_owned(), id.clone()),
                ("field".to_owned(), "report".to_owned()),
                ("reason".to_owned(), reason.to_owned()),
                ("back".to_owned(), path.clone()),
            ]
        };
        let send = |officer: &mut Browser, page, reason| {
            let form = form(reason);
            let form: Vec<(&str, &str)> =
                form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            officer.send("/look", page, &form)
        };
        let bare = send(&mut officer, &page, "");
        assert_eq!(bare.status, 400, "{}", bare.html);
        let asked = send(&mut officer, &page, "核对征信报告");
        assert_eq!(asked.status, 200, "{}", asked.html);
        assert!(asked.html.contains("待复核") && asked.html.contains(&path));
        let page = officer.get(&path);
        assert!(
            page.html.contains("正在等待同机构另一人复核"),
            "{}",
            page.html
        );

        let mut admin = server.user("bankadmin");
        let waits = admin.get("/api/v1/platform/requests?status=pending");
        assert_eq!(approve(&mut admin, &waits.body["items"][0]["id"]), 200);
        let page = officer.get(&path);
        assert!(page.html.contains("另一人已同意"), "{}", page.html);
        let shown = send(&mut officer, &page, "");
        assert_eq!(shown.status, 200, "{}", shown.html);
        assert!(shown.html.contains(REPORT), "{}", shown.html);
        let page = officer.get(&path);
        assert!(page.html.contains("须由同机构另一人同意") && !page.html.contains(REPORT));
    });
}
