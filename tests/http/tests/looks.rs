//! Looks at masked values of the most sensitive level, as people and programs take them: one asks,
//! a colleague agrees, and the first looks once.

#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{BANK, text, trail};
use tests_http::{Answer, Browser, Built, Client, Server, Signed, Start};

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
        // One was taken, and one refused to the operator.
        assert_eq!(count("查看完整内容"), 4, "{of_loan:?}");
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

/// A loan with two papers of level L3 and a report of level L4.
fn filed(server: &Server) -> String {
    let id = loan(server);
    let mut owner = server.user("enterprise");
    let upload = |name: &str, content: &str| {
        let file = owner.upload(name, content.as_bytes());
        assert_eq!(file.status, 200, "{}", file.body);
        file.body
    };
    let papers = [upload("a.csv", LICENCE), upload("b.csv", DEED)];
    let input = json!({ "papers": papers, "credit": upload("c.csv", CREDIT) });
    let attached = owner.post(&format!("{LOANS}/{id}/attach"), &input);
    assert_eq!(attached.status, 200, "{}", attached.body);
    id
}

const LICENCE: &str = "name,number\nA,1\n";
const DEED: &str = "name,number\nB,2\n";
const CREDIT: &str = "name,grade\nC,3\n";

fn open(client: &Client, look: &str, ask: &Value) -> Signed {
    let json = [("content-type", "application/json")];
    client.send("POST", look, &json, ask.to_string().as_bytes())
}

#[test]
fn row_93_a_masked_file_is_opened_for_a_reason_one_at_a_time() {
    on_each_engine(|server| {
        let id = filed(&server);
        let look = format!("{LOANS}/{id}/look");
        let mut officer = server.user("officer");
        let ask = |file: Value| json!({ "field": "papers", "reason": "核对证照", "file": file });
        let fault = |answer: Answer| {
            let at = text(&answer.body["errors"][0]["field"]);
            let code = text(&answer.body["errors"][0]["code"]);
            (answer.status, at, code)
        };
        for (file, code) in [
            (Value::Null, "required"),
            (json!(0), "not-an-option"),
            (json!(3), "not-an-option"),
            (json!("2"), "not-an-integer"),
            (json!(-1), "not-an-integer"),
        ] {
            let answer = fault(officer.post(&look, &ask(file)));
            assert_eq!(answer, (400, "file".to_owned(), code.to_owned()));
        }
        // By another spelling of its id it is no record, so the trail has all looks under one.
        for other in [id.to_uppercase(), id.replace('-', "")] {
            let record = format!("{LOANS}/{other}");
            let answer = officer.post(&format!("{record}/look"), &ask(json!(2)));
            assert_eq!(answer.status, 404, "{other}: {}", answer.body);
            assert_eq!(officer.get(&record).status, 404, "{other}");
        }
        let opened = open(&officer, &look, &ask(json!(2)));
        assert_eq!((opened.answer.status, opened.answer.text()), (200, DEED));
        let named = Some("attachment; filename=\"b.csv\"");
        assert_eq!(opened.header("content-disposition"), named);
        assert_eq!(opened.header("cache-control"), Some("no-store"));
        // The look opened it once: it is not to be fetched.
        let list = officer.get(&format!("{LOANS}/{id}"));
        assert_eq!(list.body["papers"], Value::Null);
        assert_eq!(
            server.user("officer2").post(&look, &ask(json!(2))).status,
            404
        );
        assert_eq!(
            server.user("operator").post(&look, &ask(json!(2))).status,
            403
        );

        let page = officer
            .page(&format!("/example/loans/{id}"))
            .body
            .to_string();
        assert!(page.contains("\"files\":2"), "{page}");
        let of_loan = trail(&server.user("auditor"), &id);
        let looks = of_loan.iter().filter(|line| line.contains("查看完整内容"));
        // One was taken, and one refused to the operator.
        assert_eq!(looks.count(), 2, "{of_loan:?}");
    });
}

#[test]
fn row_93_a_most_sensitive_file_takes_two_people() {
    on_each_engine(|server| {
        let id = filed(&server);
        let look = format!("{LOANS}/{id}/look");
        let ask = json!({ "field": "credit", "reason": "核对征信报告" });
        let mut officer = server.user("officer");
        let asked = officer.post(&look, &ask);
        assert_eq!(asked.status, 202, "{}", asked.body);
        let mut admin = server.user("bankadmin");
        assert_eq!(approve(&mut admin, &asked.body["request"]), 200);
        // What was agreed to is this file, not one that came in its place.
        let mut owner = server.user("enterprise");
        let other = owner.upload("d.csv", DEED.as_bytes()).body;
        let changed = owner.post(&format!("{LOANS}/{id}/attach"), &json!({ "credit": other }));
        assert_eq!(changed.status, 200, "{}", changed.body);
        let again = officer.post(&look, &ask);
        assert_eq!(again.status, 202, "{}", again.body);
        assert_eq!(approve(&mut admin, &again.body["request"]), 200);
        let opened = open(&officer, &look, &ask);
        assert_eq!((opened.answer.status, opened.answer.text()), (200, DEED));
        assert_eq!(officer.post(&look, &ask).status, 202);
    });
}
