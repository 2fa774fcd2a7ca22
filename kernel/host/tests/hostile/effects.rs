//! What a plugin wants done is checked before it happens: a reply that oversteps its declaration
//! changes nothing, not even the part of it that would have been fine.

use sdk_contract::call::Event;
use sdk_contract::error::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::plugin_guest::{PluginGuest, SPINS, TRAPS, inserts, moves};
use crate::stage::Stage;

fn fine() -> Value {
    json!({ "title": "第二件", "status": "draft" })
}

/// Runs an action of a plugin that replies with this, and checks that nothing changed.
async fn refused(action: &str, reply: &Value) -> Fault {
    let stage = Stage::with(&[PluginGuest::calm("bad").act_says(reply.to_string())]).await;
    let fault = stage.act("bad", action).await.unwrap_err();
    unchanged(&stage).await;
    fault
}

async fn unchanged(stage: &Stage) {
    for id in ["bad", "calm"] {
        let record = stage.seeded(id).await;
        assert_eq!(
            (record["status"].as_str(), record["revision"].as_i64()),
            (Some("draft"), Some(1)),
            "{id}"
        );
        assert_eq!(stage.count(id).await, 1, "{id}");
    }
    assert!(
        stage
            .host()
            .store()
            .outbox_due(i64::MAX, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let sent = stage.act("calm", "thing.send").await;
    sent.unwrap();
    assert_eq!(stage.seeded("calm").await["status"], "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_step_is_taken_once() {
    let stage = Stage::with(&[]).await;
    stage.act("calm", "thing.send").await.unwrap();
    let record = stage.seeded("calm").await;
    assert_eq!(
        (record["status"].as_str(), record["revision"].as_i64()),
        (Some("sent"), Some(2))
    );
    let due = stage.host().store().outbox_due(i64::MAX, 10).await.unwrap();
    assert_eq!(
        due.iter()
            .map(|d| d.event.name.as_str())
            .collect::<Vec<_>>(),
        ["calm.thing.sent"]
    );
    let again = stage.act("calm", "thing.send").await.unwrap_err();
    assert_eq!(
        (again.kind, again.code.as_str()),
        (FaultKind::Conflict, "calm.illegal-transition")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_reach_own_declared_collections_only() {
    for collection in ["others", "calm.things", "bad.things", "console.plugins", ""] {
        let reply = json!({ "writes": [inserts("things", &fine()), inserts(collection, &fine())] });
        let fault = refused("thing.add", &reply).await;
        assert_eq!(
            (fault.kind, fault.code.as_str()),
            (FaultKind::Internal, "plugin.bad-write"),
            "{collection}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_fit_their_declaration() {
    for values in [
        json!({ "title": "好", "status": "draft", "owner": "x" }),
        json!({ "title": 7, "status": "draft" }),
        json!({ "title": "长".repeat(21), "status": "draft" }),
        json!({ "title": "好", "status": "lost" }),
        json!({ "status": "draft" }),
    ] {
        let fault = refused(
            "thing.add",
            &json!({ "writes": [inserts("things", &values)] }),
        )
        .await;
        assert_eq!(fault.code, "plugin.bad-write", "{values}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_changes_only_by_its_transition() {
    // To a state that this action does not lead to; from an action that leads nowhere; to where it is.
    for (action, status) in [
        ("thing.send", "done"),
        ("thing.add", "sent"),
        ("thing.send", "draft"),
    ] {
        let fault = refused(action, &json!({ "writes": [moves(status)] })).await;
        assert_eq!(fault.code, "plugin.bad-write", "{action} → {status}");
    }
    let born_sent = json!({ "title": "第二件", "status": "sent" });
    let fault = refused(
        "thing.add",
        &json!({ "writes": [inserts("things", &born_sent)] }),
    )
    .await;
    assert_eq!(fault.code, "plugin.bad-write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_cannot_be_emptied_or_a_frozen_field_rewritten() {
    for values in [
        json!({ "status": null }),
        json!({ "title": "改名" }),
        json!({ "id": "x" }),
        json!({ "revision": 9 }),
    ] {
        let mut write = moves("sent");
        write["update"]["values"] = values.clone();
        let fault = refused("thing.send", &json!({ "writes": [write] })).await;
        assert_eq!(fault.code, "plugin.bad-write", "{values}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_twice_in_one_reply_is_refused() {
    let mut second = moves("sent");
    second["update"]["revision"] = 2.into();
    refused("thing.send", &json!({ "writes": [moves("sent"), second] })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeclared_event_is_refused_with_its_writes() {
    for name in ["thing.stolen", "calm.thing.sent", "bad.thing.sent"] {
        let event = json!({ "name": name, "aggregate": "a", "data": {} });
        let fault = refused(
            "thing.send",
            &json!({ "writes": [moves("sent")], "events": [event] }),
        )
        .await;
        assert_eq!(fault.kind, FaultKind::Internal, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_does_not_read_is_refused() {
    for reply in [
        json!(null),
        json!("ok"),
        json!({ "writes": [{ "delete": { "collection": "things", "id": "x" } }] }),
    ] {
        assert_eq!(
            refused("thing.send", &reply).await.code,
            "plugin.trapped",
            "{reply}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeclared_action_is_not_there() {
    let stage = Stage::with(&[]).await;
    let fault = stage.act("calm", "thing.rob").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_does_not_end_well_changes_nothing() {
    for body in [TRAPS, SPINS] {
        let guest = PluginGuest::calm("bad")
            .act_runs(body)
            .manifest("[limits]\ndeadline_ms = 100");
        let stage = Stage::with(&[guest]).await;
        assert_eq!(
            stage.act("bad", "thing.send").await.unwrap_err().code,
            "plugin.trapped"
        );
        unchanged(&stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_moves_no_flow() {
    let guest = PluginGuest::calm("bad")
        .manifest("[capabilities.events]\nsubscribe = [\"calm.thing.sent\"]")
        .declares(|def| def["on"] = json!(["calm.thing.sent"]))
        .hear_says(json!({ "writes": [moves("sent")] }).to_string());
    let stage = Stage::with(&[guest]).await;
    let event = Event {
        id: "01930000-0000-7000-8000-00000000b001".into(),
        name: "calm.thing.sent".into(),
        aggregate: "a".into(),
        at: 0,
        data: json!({}),
    };
    assert_eq!(
        stage.host().deliver("bad", &event).await.unwrap_err().code,
        "plugin.bad-write"
    );
    unchanged(&stage).await;
}

/// Early codes of Fujian are legal although their check character is not the computed one.
const EARLY: &str = "91350100M0001TGQXM";

fn takes_codes(def: &mut Value) {
    let code = |name: &str| {
        let label = json!({ "zh": name, "en": name });
        json!({ "name": name, "label": label, "kind": "code", "format": "uscc" })
    };
    let add = &mut def["actions"][0];
    assert_eq!(add["name"], "thing.add");
    let rows = json!({
        "name": "parties", "label": { "zh": "", "en": "" }, "kind": "rows", "max": 3,
        "fields": [code("uscc")],
    });
    add["input"] = json!([code("uscc"), rows]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubtful_code_passes_once_a_person_confirms_it_and_that_is_on_record() {
    let reply = json!({ "writes": [inserts("things", &fine())] });
    let guest = PluginGuest::calm("codes")
        .declares(takes_codes)
        .act_says(reply.to_string());
    let stage = Stage::with(&[guest]).await;
    let input = json!({ "uscc": EARLY, "parties": [{ "uscc": EARLY }] });

    let fault = stage
        .add("codes", input.clone(), &["uscc"])
        .await
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Refused, "confirm")
    );
    assert_eq!(fault.fields.len(), 1, "one is confirmed, one is not");
    assert_eq!(fault.fields[0].field, "parties.0.uscc");
    assert!(fault.fields[0].confirm);
    assert_eq!(stage.count("codes").await, 1, "nothing was written");

    let both = ["uscc", "parties.0.uscc"];
    let wrong = json!({ "uscc": "9131", "parties": [] });
    let fault = stage.add("codes", wrong, &both).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Invalid, "what is wrong stays wrong");

    stage.add("codes", input, &both).await.unwrap();
    assert_eq!(stage.count("codes").await, 2);
    let filter = kernel_storage::AuditFilter {
        action: Some("codes.thing.add".into()),
        ..kernel_storage::AuditFilter::default()
    };
    let kept = stage.host().store().audit_find(&filter, 10, 0).await;
    let kept = kept.unwrap().records;
    assert_eq!(kept.len(), 1, "being asked back is no refusal");
    assert_eq!(kept[0].draft.detail, json!({ "confirmed": both }));
}
