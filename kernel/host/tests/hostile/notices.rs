//! What a plugin has people told is asked for in its manifest, checked before it is kept, and seen by
//! those whom it concerns when they look.

use kernel_host::{Act, Host, Unread};
use kernel_identity::duty::Duty;
use kernel_identity::principal::Principal;
use sdk_contract::call::{Event, Reply};
use sdk_contract::error::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::plugin_guest::{PluginGuest, SEEDED, TESTER, inserts, moves};
use crate::stage::Stage;
use crate::support::person;

const BANK: &str = "01930000-0000-7000-8000-00000000b001";
const OTHER: &str = "01930000-0000-7000-8000-00000000b002";
const GRANTED: &str = "[capabilities]\nnotices = true\n";

fn notice(change: Value) -> Value {
    let mut notice = json!({
        "organisation": BANK, "title": { "zh": "有新事项", "en": "Something new" },
        "path": "/bad/things", "key": "sent:1",
    });
    let Value::Object(change) = change else {
        panic!("not an object")
    };
    notice.as_object_mut().unwrap().extend(change);
    notice
}

/// Takes the seeded record on, and has people told.
fn sends(notices: &[Value]) -> PluginGuest {
    let reply = json!({ "writes": [moves("sent")], "notices": notices });
    PluginGuest::calm("bad").act_says(reply.to_string())
}

/// Somebody of an organisation, with these roles.
fn somebody(organisation: &str, roles: &[&str]) -> Principal {
    Principal {
        organisation: Some(organisation.into()),
        organisations: vec![organisation.into()],
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        ..person(TESTER)
    }
}

async fn titles(host: &Host, p: &Principal) -> Vec<String> {
    let found = host.notices(p, None, 50).await.unwrap();
    found.items.into_iter().map(|n| n.told.title).collect()
}

async fn untold(stage: &Stage) {
    let p = somebody(BANK, &[TESTER]);
    assert_eq!(titles(stage.host(), &p).await, [""; 0]);
    assert_eq!(stage.seeded("bad").await["status"], "draft");
}

#[tokio::test(flavor = "multi_thread")]
async fn telling_without_a_grant_names_the_line_that_would_allow_it() {
    let stage = Stage::with(&[sends(&[notice(json!({}))])]).await;
    let fault = stage.act("bad", "thing.send").await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "capability.denied")
    );
    let line = "plugin.toml: [capabilities] notices = true";
    assert!(fault.message.contains(line), "{fault}");
    untold(&stage).await;
    // Nor does a listener.
    let reply = json!({ "notices": [notice(json!({}))] });
    let hears = PluginGuest::calm("bad")
        .manifest("[capabilities.events]\nsubscribe = [\"calm.thing.sent\"]")
        .declares(|def| def["on"] = json!(["calm.thing.sent"]))
        .hear_says(reply.to_string());
    let stage = Stage::with(&[hears]).await;
    let fault = stage.host().deliver("bad", &sent()).await.unwrap_err();
    assert_eq!(fault.code, "capability.denied");
    untold(&stage).await;
}

fn sent() -> Event {
    Event {
        id: "01930000-0000-7000-8000-00000000b009".into(),
        name: "calm.thing.sent".into(),
        aggregate: "a".into(),
        at: 0,
        data: json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_does_not_fit_is_refused_with_its_writes() {
    let many: Vec<Value> = (0..201)
        .map(|n| notice(json!({ "key": format!("k{n}") })))
        .collect();
    let one = |change: Value| vec![notice(json!({ "key": "good" })), notice(change)];
    for notices in [
        one(json!({ "path": "/calm/things" })),
        one(json!({ "path": "/bad/nothing" })),
        one(json!({ "path": "https://phish.example/" })),
        one(json!({ "path": "" })),
        one(json!({ "permission": "thing.rob" })),
        one(json!({ "permission": "calm.thing.read" })),
        one(json!({ "organisation": "浦东" })),
        one(json!({ "user": "" })),
        one(json!({ "user": "x' OR '1'='1" })),
        one(json!({ "title": { "zh": "", "en": "only" } })),
        one(json!({ "text": { "zh": "长".repeat(301), "en": "" } })),
        one(json!({ "key": "有空 格" })),
        many,
    ] {
        let stage = Stage::with(&[sends(&notices).manifest(GRANTED)]).await;
        let fault = stage.act("bad", "thing.send").await.unwrap_err();
        let shown = notices.last().unwrap();
        assert_eq!(fault.code, "plugin.bad-write", "{shown}");
        untold(&stage).await;
    }
    // No notice where the write is refused.
    let reply = json!({
        "writes": [inserts("others", &json!({}))], "notices": [notice(json!({}))],
    });
    let guest = PluginGuest::calm("bad").act_says(reply.to_string());
    let stage = Stage::with(&[guest.manifest(GRANTED)]).await;
    stage.act("bad", "thing.send").await.unwrap_err();
    untold(&stage).await;
}

async fn send(host: &Host) -> Result<Reply, Fault> {
    let act = Act {
        module: "bad".into(),
        action: "thing.send".into(),
        id: Some(SEEDED.into()),
        input: json!({}),
        ..Act::default()
    };
    host.act(&person(TESTER), act).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_a_notice_is_asked_when_somebody_looks() {
    let me = person(TESTER).user.unwrap();
    let other = "01930000-0000-7000-8000-00000000f002";
    let guest = sends(&[
        notice(json!({ "key": "all", "title": { "zh": "全体", "en": "" } })),
        notice(json!({
            "key": "some", "title": { "zh": "有权限的", "en": "" }, "permission": "thing.read",
        })),
        notice(json!({ "key": "me", "title": { "zh": "我", "en": "" }, "user": me })),
        notice(json!({ "key": "other", "title": { "zh": "别人", "en": "" }, "user": other })),
    ]);
    let stage = Stage::with(&[guest.manifest(GRANTED)]).await;
    let host = stage.host();
    send(host).await.unwrap();

    let holder = somebody(BANK, &[TESTER]);
    assert_eq!(titles(host, &holder).await, ["我", "有权限的", "全体"]);
    // The permission was taken away; the organisation was left; nobody in particular; a duty first.
    let without = somebody(BANK, &["nobodys.role"]);
    assert_eq!(titles(host, &without).await, ["我", "全体"]);
    let left = somebody(OTHER, &[TESTER]);
    let bound = Principal {
        duty: Some(Duty::ChangePassword),
        ..holder.clone()
    };
    for p in [left, bound, Principal::anonymous()] {
        assert_eq!(titles(host, &p).await, [""; 0], "{p:?}");
        assert_eq!(host.unread(&p).await.unwrap(), Unread::default());
    }
    let unread = async |p: &Principal| host.unread(p).await.unwrap().count;
    assert_eq!((unread(&holder).await, unread(&without).await), (3, 2));

    // Opening one reads it, for whoever opened it.
    let colleague = Principal {
        user: Some(other.into()),
        ..without.clone()
    };
    let found = host.notices(&holder, None, 50).await.unwrap();
    let (mine, some) = (&found.items[0].id, &found.items[1].id);
    assert_eq!(
        host.open_notice(&holder, some).await.unwrap(),
        "/bad/things"
    );
    for id in [mine, some, "x", SEEDED] {
        let fault = host.open_notice(&colleague, id).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotFound);
    }
    assert_eq!((unread(&holder).await, unread(&colleague).await), (2, 2));
    assert_eq!(host.read_notices(&holder).await.unwrap(), 2);
    assert_eq!((unread(&holder).await, unread(&colleague).await), (0, 2));

    // They go after their time.
    assert_eq!(host.forget_notices().await.unwrap(), 0);
    stage.clock().advance_seconds(181 * 24 * 3600);
    assert!(host.forget_notices().await.unwrap() > 0);
    assert_eq!(titles(host, &holder).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_twice_tells_once() {
    let reply = json!({ "notices": [notice(json!({}))] });
    let hears = PluginGuest::calm("bad")
        .manifest("[capabilities]\nnotices = true\n[capabilities.events]\nsubscribe = [\"calm.thing.sent\"]")
        .declares(|def| def["on"] = json!(["calm.thing.sent"]))
        .hear_says(reply.to_string());
    let stage = Stage::with(&[hears]).await;
    let host = stage.host();
    for id in ["b009", "b009", "b00a"] {
        let event = Event {
            id: format!("01930000-0000-7000-8000-00000000{id}"),
            ..sent()
        };
        host.deliver("bad", &event).await.unwrap();
    }
    assert_eq!(titles(host, &somebody(BANK, &[])).await, ["有新事项"]);
}
