//! What the clock says to a module, and what a module has people told.

use sdk_contract::error::FaultKind;
use sdk_testkit::{World, scenario};
use serde_json::json;

use super::{example, request};

#[scenario(example())]
fn what_the_clock_says_is_heard_once_however_much_was_missed(t: &World) {
    let owner = t.user("enterprise");
    let told = || -> Vec<String> {
        let all = owner.find("example.notices", &[("sort", "created_at")]);
        let text = all.iter().map(|n| n["text"].as_str().unwrap().to_owned());
        text.collect()
    };
    // From 10:00 to just before 06:00.
    t.advance_seconds(20 * 3600 - 1);
    assert_eq!(told(), [""; 0]);
    t.advance_seconds(1);
    assert_eq!(told(), ["2026-11-23T22:00:00.000000Z 0"]);
    t.advance_seconds(60);
    assert_eq!(told().len(), 1, "once");
    request(&owner, "L1", "10");
    t.advance_days(10);
    let all = told();
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[2], "2026-12-03T22:00:00.000000Z 1", "the last of ten");
    let names: Vec<String> = t.events().into_iter().map(|e| e.name).collect();
    assert_eq!(
        names,
        [
            "example.day.began",
            "example.loan.requested",
            "example.day.began"
        ]
    );
}

#[scenario(example())]
fn people_are_told_with_what_happened_and_by_what_they_may(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let titles = |login: &str| -> Vec<String> {
        let all = t.user(login).notices().unwrap();
        let title = |n: &sdk::Map| n["title"]["zh"].as_str().unwrap().to_owned();
        all.iter().map(title).collect()
    };
    let id = request(&owner, "L1", "10");
    assert_eq!(titles("officer"), ["有新的贷款申请"]);
    for login in ["enterprise", "enterprise2", "officer2", "operator"] {
        assert_eq!(titles(login), [""; 0], "{login}");
    }
    assert_eq!(t.anonymous().notices().unwrap_err().code, "unauthenticated");
    let rate = json!({ "rate": "0.05" });
    officer
        .act("example.loan.approve", Some(&id), rate)
        .unwrap();
    assert_eq!(titles("enterprise"), ["贷款已批准"]);
    let notice = owner.notices().unwrap().remove(0);
    assert_eq!(notice["path"], format!("/example/loans/{id}"));
    assert_eq!(
        (&notice["at"], &notice["read"]),
        (&json!("2026-11-23T02:00:00.000000Z"), &json!(false))
    );
    owner.page(notice["path"].as_str().unwrap()).unwrap();
    let id = notice["id"].as_str().unwrap();
    assert_eq!(
        officer.read_notice(id).unwrap_err().kind,
        FaultKind::NotFound
    );
    owner.read_notice(id).unwrap();
    owner.read_notice(id).unwrap();
    assert_eq!(owner.notices().unwrap()[0]["read"], true);
    assert_eq!(officer.notices().unwrap()[0]["read"], false);
}

#[scenario(example())]
fn nobody_is_told_of_what_was_not_done(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let kept = owner.find("example.notices", &[]).len();
    let fault = t
        .user("officer")
        .act("example.loan.spoil", Some(&id), json!({ "how": "notice" }))
        .unwrap_err();
    assert_eq!(fault.code, "plugin.bad-write", "it leads to another's page");
    assert_eq!(owner.find("example.notices", &[]).len(), kept);
    assert_eq!(t.user("officer").notices().unwrap().len(), 1);
}
