//! Reviews of access, as administrators meet them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::{Browser, Client, Server, Start};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";
const ADMIN: &str = "01930000-0000-7000-8000-000000000914";

fn post_of(client: &Client, user: &str) -> Value {
    let found = client.get(&format!("/api/v1/platform/posts?user={user}"));
    found.body["items"][0].clone()
}

fn confirm_path(post: &Value) -> String {
    let id = post["id"].as_str().unwrap();
    format!("/api/v1/platform/posts/{id}/confirm")
}

#[test]
fn dj_05_an_administrator_confirms_posts_of_the_own_organisation_one_by_one() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut admin = server.user("bankadmin");
    let post = post_of(&admin, OFFICER);
    assert!(post["reviewed_at"].is_null(), "{post}");
    let path = confirm_path(&post);
    let roles = json!({ "roles": "bank.officer" });
    for (login, status) in [("branchadmin", 404), ("operator", 403), ("officer2", 403)] {
        let refused = server.user(login).post(&path, &roles);
        assert_eq!(refused.status, status, "{login}: {}", refused.body);
    }
    let unseen = admin.post(&path, &json!({ "roles": "" }));
    assert_eq!((unseen.status, unseen.code()), (422, "role-state"));
    let own = confirm_path(&post_of(&admin, ADMIN));
    let own = admin.post(&own, &json!({ "roles": "organisation.admin" }));
    assert_eq!((own.status, own.code()), (422, "own-access"));

    let mut browser = Browser::signed_in(&server, "bankadmin");
    let page = "/platform/reviews?state=all&q=officer";
    let shown = browser.get(page);
    for words in ["程见山", "授信审批岗", "任职后尚未核查", "确认保留", "从未"]
    {
        assert!(shown.html.contains(words), "{words}: {}", shown.html);
    }
    let typed = [
        ("_action", "post.confirm"),
        ("_record", post["id"].as_str().unwrap()),
        ("roles", "bank.officer"),
    ];
    let done = browser.send(page, &shown, &typed);
    assert_eq!(done.status, 303, "{}", done.html);
    let post = post_of(&admin, OFFICER);
    assert!(post["reviewed_at"].is_string(), "{post}");
    assert!(browser.get(page).html.contains("已核查"));
    // Nothing of a new platform is due, so nobody is bothered at home.
    assert!(!browser.get("/").html.contains("待核查的任职"));
    let trail = server.user("auditor").page("/console/audit?what=platform.");
    assert!(
        trail.body.to_string().contains("确认保留"),
        "{}",
        trail.body
    );
    let history = admin.page("/platform/changes?what=post.confirm");
    assert!(history.body.to_string().contains("程见山"));
}

#[test]
fn where_nothing_is_reviewed_the_page_says_so() {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&config, "[sessions.organisations]\nreview_days = 0\n").unwrap();
    let start = Start {
        config: Some(config.path().to_owned()),
        ..Start::default()
    };
    let Some(server) = Server::start_as(start) else {
        return;
    };
    let page = server.user("security").page("/platform/reviews");
    assert!(page.body.to_string().contains("没有启用定期核查"));
}
