//! What whoever steals the database reads in it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{BANK, application, live_model, scored_product, sign_letter, text};
use tests_http::{Server, Start};

/// An amount as it is stored, sent and shown.
fn forms(amount: &Value) -> [String; 3] {
    let sent = text(amount);
    let (yuan, _) = sent.split_once('.').unwrap();
    let mut shown = yuan.to_owned();
    for at in (1..yuan.len())
        .rev()
        .filter(|at| (yuan.len() - at) % 3 == 0)
    {
        shown.insert(at, ',');
    }
    [sent.replace('.', ""), sent, shown]
}

#[test]
fn mm_4e_a_dump_shows_no_figure_that_a_score_was_made_of() {
    let Some(database) = Database::create("dump") else {
        return;
    };
    let start = Start {
        database: Some(database),
        ..Start::default()
    };
    let Some(server) = Server::start_as(start) else {
        return;
    };
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let estimated = enterprise.post("/api/v1/lending/quotas/estimate", &json!({}));
    assert_eq!(estimated.status, 200, "{}", estimated.body);
    let product = scored_product(&enterprise, BANK);
    let form = application(&product);
    let applied = enterprise.post("/api/v1/lending/applications/apply", &form);
    assert_eq!(applied.status, 200, "{}", applied.body);
    // The officer reads the figures, which came out of the database.
    let id = text(&applied.body["result"]["id"]);
    let officer = server.user("officer");
    let seen = officer
        .get(&format!("/api/v1/lending/applications/{id}"))
        .body;
    let figures = enterprise.get("/api/v1/credit/tax-records").body["items"][0].clone();
    let dump = server.database().unwrap().dump();
    let number = text(&seen["number"]);
    assert!(
        dump.contains(&number),
        "the dump has the application {number}"
    );
    let phone = text(&form["phone"]);
    assert!(!dump.contains(&phone), "{phone} is in the dump");
    for name in ["paid_12m", "sales_12m"] {
        let forms = forms(&figures[name]);
        assert!(seen["reasons"].to_string().contains(&forms[1]), "{seen}");
        for form in forms {
            let at = dump
                .find(&form)
                .map(|at| dump[..at].lines().last().unwrap().to_owned());
            assert_eq!(at, None, "{name} is in the dump as {form}");
        }
    }
}
