//! Whose data was read by whom: for the party itself, and for whoever reads the trail.

#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::json;
use tests_http::steps::{BANK, application, live_model, over, scored_product, sign_letter, text};
use tests_http::{Browser, Client, Server};

const READERS: &str = "/platform/readers";
const APPLICATIONS: &str = "/api/v1/lending/applications";

/// An HTML page as a signed-in person gets it.
fn page(browser: &mut Browser, path: &str) -> String {
    let screen = browser.get(path);
    assert_eq!(screen.status, 200, "{path}: {}", screen.html);
    screen.html
}

fn applied(enterprise: &mut Client) -> String {
    let asks = application(&scored_product(enterprise, BANK));
    let applied = enterprise.post(&format!("{APPLICATIONS}/apply"), &asks);
    assert_eq!(applied.status, 200, "{}", applied.body);
    text(&applied.body["result"]["id"])
}

/// Rows of the page's table, with its head.
fn rows(html: &str) -> usize {
    html.matches("<tr").count()
}

#[test]
fn pi_02_a_party_sees_who_read_its_data_and_nobody_else_does() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut owner = Browser::signed_in(&server, "enterprise");
    let before = page(&mut owner, READERS);
    assert!(
        before.contains("没有其他机构查看或使用过您的数据"),
        "{before}"
    );

    // Its own deeds are none of others': the score that it asked for itself names nobody.
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let id = applied(&mut enterprise);
    let own = page(&mut owner, READERS);
    assert!(own.contains("没有其他机构查看或使用过您的数据"), "{own}");

    // The bank reads: a list and a record by the API, a page, a number it looks at, and a decision.
    let officer = server.user("officer");
    assert_eq!(officer.get(APPLICATIONS).status, 200);
    assert_eq!(officer.get(&format!("{APPLICATIONS}/{id}")).status, 200);
    let mut desk = Browser::signed_in(&server, "officer");
    page(&mut desk, &format!("/lending/applications/{id}"));
    let read = page(&mut owner, READERS);
    for what in ["查询记录", "查看记录", "查看页面："] {
        assert!(read.contains(what), "{what} in {read}");
    }
    assert!(!read.contains("没有其他机构"), "{read}");
    // It takes the list along in a file.
    let mut officer = officer;
    let wanted = json!({ "format": "csv", "reason": "核对", "fields": "number,amount" });
    let begun = officer.post(&format!("{APPLICATIONS}/export"), &wanted);
    let job = over(&officer, &begun);
    assert_eq!((&job["status"], &job["done"]), (&json!("done"), &json!(1)));
    let read = page(&mut owner, READERS);
    assert!(read.contains("导出数据"), "{read}");
    // The institution, and not who it was there.
    let bank = officer.get("/api/v1/session").body;
    let bank_name = text(&bank["organisation_name"]);
    assert!(read.contains(&bank_name), "{bank_name} in {read}");

    // Whoever reads the trail finds the same by the party's name, and nothing by another's.
    let me = enterprise.get("/api/v1/session").body;
    let name = text(&me["organisation_name"]);
    let mut auditor = Browser::signed_in(&server, "auditor");
    let found = page(&mut auditor, &format!("/console/audit?party={name}"));
    assert!(rows(&read) > 3, "{read}");
    assert_eq!(rows(&found), rows(&read), "{found}");
    assert!(found.contains("查询记录"), "{found}");
    let none = page(&mut auditor, "/console/audit?party=无此企业");
    assert!(none.contains("没有符合条件的记录"), "{none}");

    // A bank acts for no party.
    let of_bank = page(&mut desk, READERS);
    assert!(of_bank.contains("没有代表任何主体"), "{of_bank}");
    let (holds, said) = server.command(&["audit", "verify"]);
    assert!(holds, "{said}");
}
