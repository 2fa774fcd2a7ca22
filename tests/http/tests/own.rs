//! What the platform holds of a person, for that person: seen, corrected, taken along, and the account
//! closed.

#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::recorded;
use tests_http::{Browser, Client, Server, Start};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";
const CORRECT: &str = "/api/v1/platform/users/correct";
const CLOSE: &str = "/api/v1/platform/users/close";
const COPY: &str = "/api/v1/platform/account/copy";

fn on_each_engine(story: impl Fn(Server)) {
    if let Some(server) = Server::start() {
        story(server);
    }
    if let Some(database) = Database::create("own")
        && let Some(server) = Server::start_as(Start {
            database: Some(database),
            ..Start::default()
        })
    {
        story(server);
    }
}

fn history(server: &Server, what: &str) -> Value {
    let admin = server.user("bankadmin");
    let found = admin.get(&format!("/api/v1/platform/changes?what={what}"));
    assert_eq!(found.status, 200, "{}", found.body);
    found.body["items"].clone()
}

#[test]
fn pi_02_a_person_sees_corrects_and_takes_along_what_is_held_of_them() {
    on_each_engine(|server| {
        let mut officer = server.user("officer");
        let page = officer.page("/platform/me");
        assert_eq!(page.status, 200, "{}", page.body);
        let drawn = page.body.to_string();
        for words in ["程见山", "授信审批岗", "沪江银行", COPY] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
        let enterprise = server.user("enterprise").page("/platform/me");
        assert!(enterprise.body.to_string().contains("/consent/letters"));

        // Corrected, on record, and the telephone told to nobody else.
        let corrected = json!({ "name": "程见川", "phone": "13900005678" });
        let done = officer.post(CORRECT, &corrected);
        assert_eq!(done.status, 200, "{}", done.body);
        let again = officer.post(CORRECT, &corrected);
        assert_eq!((again.status, again.code()), (422, "nothing-to-change"));
        for (wrong, field) in [
            (json!({ "name": "程见川", "phone": "12" }), "phone"),
            (json!({ "phone": "13900005678" }), "name"),
        ] {
            let refused = officer.post(CORRECT, &wrong);
            assert_eq!(refused.status, 400, "{}", refused.body);
            assert_eq!(
                refused.body["errors"][0]["field"], field,
                "{}",
                refused.body
            );
        }
        let told = history(&server, "user.correct");
        assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
        assert_eq!(told[0]["before"], json!({ "name": "程见山" }));
        assert!(told.to_string().contains("程见川"), "{told}");
        assert!(!told.to_string().contains("13900005678"), "{told}");
        let seen = officer.page("/platform/me").body.to_string();
        assert!(
            seen.contains("13900005678") && seen.contains("本人更正信息"),
            "{seen}"
        );
        assert_eq!(officer.get("/api/v1/session").body["name"], "程见川");

        // A copy of everything but what opens the account; taking it is on record.
        let copy = officer.send("GET", COPY, &[], &[]);
        assert_eq!(copy.answer.status, 200, "{}", copy.answer.body);
        let named = Some("attachment; filename=\"my-data.json\"");
        assert_eq!(copy.header("content-disposition"), named);
        let held = &copy.answer.body;
        let account = (&held["account"]["login"], &held["account"]["phone"]);
        assert_eq!(account, (&json!("officer"), &json!("13900005678")));
        assert_eq!(held["posts"][0]["organisation_name"], "沪江银行");
        assert!(
            held["sign_ins"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        );
        let whole = held.to_string();
        for secret in ["password\"", "previous", "\"digest\"", "secret", "argon2"] {
            assert!(!whole.contains(secret), "{secret}: {whole}");
        }
        let copies = format!("what=platform.account.copy&object={OFFICER}");
        assert_eq!(recorded(&server, &copies), 1);
        assert_eq!(server.anonymous().get(COPY).status, 401);
        assert_eq!(server.anonymous().page("/platform/me").status, 401);
    });
}

fn closes(client: &mut Client, password: &str) -> (u16, String) {
    let answer = client.post(CLOSE, &json!({ "current": password }));
    (answer.status, answer.code().to_owned())
}

#[test]
fn pi_02_a_person_closes_the_account_and_what_must_stay_stays() {
    on_each_engine(|server| {
        let password = |login: &str| server.password(login).to_owned();
        let mut officer = server.user("officer");
        let phone = json!({ "name": "程见山", "phone": "13900005678" });
        assert_eq!(officer.post(CORRECT, &phone).status, 200);
        let (status, code) = closes(&mut officer, "not-the-password");
        assert_eq!((status, code.as_str()), (400, "invalid"));
        // Without whom nobody would look after an organisation stays.
        for login in ["bankadmin", "security", "auditor"] {
            let (status, code) = closes(&mut server.user(login), &password(login));
            assert_eq!(
                (status, code.as_str()),
                (422, "last-administrator"),
                "{login}"
            );
        }

        let page = officer.page("/platform/me").body.to_string();
        assert!(page.contains("依法须保留的不删除"), "{page}");
        let mut browser = Browser::signed_in(&server, "officer");
        let form = browser.get("/platform/me");
        let typed = [
            ("_form", "close"),
            ("_action", "user.close"),
            ("current", server.password("officer")),
        ];
        let closed = browser.send("/platform/me", &form, &typed);
        assert_eq!(closed.status, 303, "{}", closed.html);
        assert_eq!(
            officer.get("/api/v1/session").status,
            401,
            "every session ends"
        );
        let credentials = json!({ "login": "officer", "password": password("officer") });
        let late = server.anonymous().post("/api/v1/session", &credentials);
        assert_eq!(late.status, 401, "{}", late.body);

        let admin = server.user("bankadmin");
        let user = admin.get(&format!("/api/v1/platform/users/{OFFICER}")).body;
        assert_eq!(
            (&user["active"], &user["phone"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(user["name"], "程见山", "who did what stays on record");
        let told = history(&server, "user.close");
        assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
        let posts = admin
            .get(&format!("/api/v1/platform/posts?user={OFFICER}"))
            .body;
        let open = posts["items"].as_array().into_iter().flatten();
        assert_eq!(
            open.filter(|p| p["ended_at"].is_null()).count(),
            0,
            "{posts}"
        );
    });
}
