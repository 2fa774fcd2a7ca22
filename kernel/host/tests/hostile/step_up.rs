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
        def["collections"][0]["retention"] = json!({ "purpose": "试验" });
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

/// The plugin with a signed action that takes this input.
fn signing(input: Value) -> PluginGuest {
    guest().declares(|def| {
        def["actions"][1]["signed"] = true.into();
        def["actions"][1]["input"] = input;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn mm_4h_what_is_signed_takes_a_factor_and_is_signed_with_what_it_writes() {
    let input =
        json!([{ "name": "why", "label": { "zh": "理由", "en": "" }, "kind": "text", "max": 20 }]);
    let stage = Stage::with(&[signing(input)]).await;
    let host = stage.host();
    let p = in_session(&stage, Some("2026-11-23T07:50:01.000000Z")).await;
    let act = |why: &str| kernel_host::Act {
        input: json!({ "why": why }),
        ..send()
    };
    let all = async || host.signatures(&p, "guarded.things", SEEDED).await.unwrap();
    let too_long = host.act(&p, act(&"长".repeat(21))).await.unwrap_err();
    assert_eq!(too_long.code, "invalid");
    assert!(all().await.is_empty(), "what is not done is not signed");
    host.act(&p, act("属实")).await.unwrap();
    let signed = all().await;
    assert_eq!(signed.len(), 1);
    let one = &signed[0];
    assert!(one.holds && one.differs.is_empty(), "{one:?}");
    assert_eq!((one.way.as_str(), one.revision), ("factor", 2));
    let again = host.act(&p, act("属实")).await.unwrap_err();
    assert_eq!(again.code, "guarded.illegal-transition");
    assert_eq!(all().await.len(), 1);
    // Whoever may not read the record has neither its signatures nor the evidence.
    let nobody = Principal::anonymous();
    let of = ("guarded.things", SEEDED);
    for refused in [
        host.signatures(&nobody, of.0, of.1).await.map(drop),
        host.evidence(&nobody, of, &one.id).await.map(drop),
        host.evidence(&p, of, SEEDED).await.map(drop),
    ] {
        assert!(refused.is_err());
    }
    assert!(host.evidence(&p, of, &one.id).await.is_ok());
    // Its digest is in the trail.
    let trail = AuditFilter {
        action: Some("guarded.thing.send".into()),
        ..AuditFilter::default()
    };
    let trail = host.store().audit_find(&trail, 10, 0).await.unwrap();
    let mut digests = trail.records.iter().map(|r| &r.draft.detail["signature"]);
    assert!(digests.any(|digest| *digest == json!(one.digest)));
}

#[tokio::test(flavor = "multi_thread")]
async fn mm_4h_nothing_that_is_masked_can_be_entered_where_it_is_signed() {
    let stage = Stage::with(&[]).await;
    let input = json!([{ "name": "number", "label": { "zh": "证件号", "en": "" }, "kind": "text", "max": 20 }]);
    let masked = format!("{:?}", stage.refuses(&signing(input)).await);
    assert!(
        masked.contains("number is masked, so it cannot be signed"),
        "{masked}"
    );
    let guest = PluginGuest::calm("bare").declares(|def| {
        def["actions"][1]["signed"] = true.into();
    });
    let bare = format!("{:?}", stage.refuses(&guest).await);
    assert!(
        bare.contains("what is signed takes a second factor"),
        "{bare}"
    );
}
