//! What a plugin declares to take a second factor does so, whoever asks for it how.

use kernel_host::{Look, Sought};
use kernel_identity::principal::Principal;
use kernel_storage::{AuditFilter, Commit};
use sdk_contract::call::Write;
use sdk_contract::page::Place;
use serde_json::{Value, json};

use crate::plugin_guest::{PluginGuest, SEEDED};
use crate::stage::Stage;

const USER: &str = "01930000-0000-7000-8000-00000000f001";
const SESSION: &str = "01930000-0000-7000-8000-00000000f002";
const NOW: &str = "2026-11-23T08:00:00.000000Z";
const SECRET: &str = "310101199001011234";

/// A plugin whose action, and whose most sensitive field, take a factor.
fn guest() -> PluginGuest {
    PluginGuest::calm("guarded").declares(|def| {
        def["actions"][1]["step_up"] = true.into();
        let fields = def["collections"][0]["fields"].as_array_mut().unwrap();
        fields.push(json!({
            "name": "number", "label": { "zh": "证件号", "en": "" }, "kind": "text", "max": 20,
            "encrypted": true, "mask": "all", "level": "L4", "look": "thing.read",
        }));
        def["seeds"][0]["values"]["number"] = SECRET.into();
    })
}

fn insert(collection: &str, id: &str, values: Value) -> Write {
    Write::Insert {
        collection: collection.into(),
        id: id.into(),
        subject: None,
        organisation: None,
        district: None,
        values: serde_json::from_value(values).unwrap(),
    }
}

/// The tester in a session of their own, in which a factor was proven at a moment, or never.
async fn in_session(stage: &Stage, proven: Option<&str>) -> Principal {
    let mut session = json!({
        "ip": "a", "digest": "d", "user": USER, "seen_at": NOW, "expires_at": NOW,
    });
    if let Some(proven) = proven {
        session["proven_at"] = proven.into();
    }
    let user = json!({
        "name": "何试之", "login": "tester", "roles": [], "active": true, "password": "x",
    });
    let commit = Commit {
        at: 1,
        module: "platform".into(),
        writes: vec![
            insert("users", USER, user),
            insert("sessions", SESSION, session),
        ],
        ..Commit::default()
    };
    stage.host().store().commit(commit).await.unwrap();
    Principal {
        session: Some(SESSION.into()),
        organisation: Some("01930000-0000-7000-8000-00000000f003".into()),
        ..stage.tester().clone()
    }
}

fn sought() -> Sought {
    Sought {
        place: Place {
            collection: "guarded.things".into(),
            id: SEEDED.into(),
            field: "number".into(),
        },
        file: None,
        reason: "核对证件".into(),
    }
}

fn send() -> kernel_host::Act {
    kernel_host::Act {
        module: "guarded".into(),
        action: "thing.send".into(),
        id: Some(SEEDED.into()),
        input: json!({}),
        ..kernel_host::Act::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_04_nothing_is_done_or_shown_without_a_fresh_factor() {
    for proven in [None, Some("2026-11-23T07:50:00.000000Z")] {
        let stage = Stage::with(&[guest()]).await;
        let p = in_session(&stage, proven).await;
        let host = stage.host();
        let acted = host.act(&p, send()).await.unwrap_err();
        assert_eq!(acted.code, "second-factor-needed");
        let looked = host.look(&p, &sought()).await.unwrap_err();
        assert_eq!(looked.code, "second-factor-needed");
        let looks = AuditFilter {
            action: Some("field.look".into()),
            ..AuditFilter::default()
        };
        let looks = host.store().audit_find(&looks, 10, 0).await.unwrap();
        let outcomes = looks.records.iter().map(|r| r.draft.outcome.as_str());
        assert_eq!(outcomes.collect::<Vec<_>>(), ["refused"], "nothing is seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_04_with_one_it_goes_on() {
    let stage = Stage::with(&[guest()]).await;
    let p = in_session(&stage, Some("2026-11-23T07:50:01.000000Z")).await;
    let host = stage.host();
    let looked = host.look(&p, &sought()).await.unwrap();
    assert!(matches!(looked, Look::Waiting(_)), "{looked:?}");
    host.act(&p, send()).await.unwrap();
}
