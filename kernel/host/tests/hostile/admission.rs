//! What is not let in at all: refused by name and reason, while the others serve.

use kernel_host::{DescribeError, InspectError, InstallError};
use serde_json::{Value, json};

use crate::plugin_guest::{BLOATS, FINDS, PluginGuest, SPINS, TRAPS, put};
use crate::stage::Stage;
use tests_guests::core::importing;

fn bad() -> PluginGuest {
    PluginGuest::calm("bad")
}

fn described(error: InstallError) -> DescribeError {
    match error {
        InstallError::Describe { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_import_is_named() {
    let stage = Stage::with(&[]).await;
    let wanted = ["wasi:filesystem/types@0.2.0", "wasi:sockets/tcp@0.2.0"];
    let with_ours = [wanted[0], "rongqiao:plugin/log@0.1.0", wanted[1]];
    put(stage.folder(), "bad", "", &importing(&with_ours));
    let error = stage.refuses_folder("bad").await;
    let InstallError::Inspect {
        source: InspectError::ForeignImports(named),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*named, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_that_only_looks_like_ours_is_refused() {
    let stage = Stage::with(&[]).await;
    for name in [
        "rongqiao:plugin/secrets@0.1.0",
        "rongqiao:plugin/storage@7.0.0",
    ] {
        put(stage.folder(), "bad", "", &importing(&[name]));
        let error = stage.refuses_folder("bad").await;
        assert!(
            matches!(
                error,
                InstallError::Inspect { .. } | InstallError::Describe { .. }
            ),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_refused() {
    let stage = Stage::with(&[]).await;
    put(
        stage.folder(),
        "bad",
        "",
        &wat::parse_str("(module)").unwrap(),
    );
    let core = stage.refuses_folder("bad").await;
    assert!(
        matches!(
            core,
            InstallError::Inspect {
                source: InspectError::CoreModule,
                ..
            }
        ),
        "{core:?}"
    );
    put(stage.folder(), "bad", "", b"#!/bin/sh");
    let script = stage.refuses_folder("bad").await;
    assert!(
        matches!(
            script,
            InstallError::Inspect {
                source: InspectError::NotAComponent(_),
                ..
            }
        ),
        "{script:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn describing_calls_nothing() {
    let stage = Stage::with(&[]).await;
    let error = described(stage.refuses(&bad().describe_runs(FINDS)).await);
    assert!(matches!(error, DescribeError::Call(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn describing_ends() {
    let stage = Stage::with(&[]).await;
    for (body, manifest) in [
        (SPINS, "[limits]\ndeadline_ms = 100"),
        (BLOATS, "[limits]\nmemory_mb = 4"),
        (TRAPS, ""),
        // The address of a text of 200 million bytes.
        (
            "(i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 24) (i32.const 200000000)) (i32.const 16)",
            "",
        ),
    ] {
        let error = described(
            stage
                .refuses(&bad().describe_runs(body).manifest(manifest))
                .await,
        );
        assert!(matches!(error, DescribeError::Call(_)), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_starts_too_large_is_refused() {
    let stage = Stage::with(&[]).await;
    let error = described(
        stage
            .refuses(&bad().pages(64).manifest("[limits]\nmemory_mb = 2"))
            .await,
    );
    assert!(matches!(error, DescribeError::Link(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_that_does_not_hold_is_refused_in_words() {
    let stage = Stage::with(&[]).await;
    let guest = bad().declares(|def| {
        def["id"] = "calm".into();
        def["pages"][0]["path"] = "/calm/things".into();
        def["actions"][0]["permission"] = "thing.rob".into();
        def["on"] = json!(["calm.thing.sent"]);
    });
    let InstallError::Declaration { faults, .. } = stage.refuses(&guest).await else {
        panic!("let in")
    };
    let said = faults.join("\n");
    for words in [
        "plugin.toml bad and describe() calm differ",
        "permission thing.rob is not declared",
        "[capabilities.events] subscribe = [\"calm.thing.sent\"]",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_assigned_is_assigned_to_a_user_that_the_record_names() {
    let stage = Stage::with(&[]).await;
    let field = |kind: Value| {
        let mut field = json!({ "name": "officer", "label": { "zh": "经办人", "en": "" } });
        let all = field.as_object_mut().unwrap();
        all.extend(kind.as_object().unwrap().clone());
        field
    };
    let to = |to: &str| json!({ "kind": "ref", "to": to });
    let mut masked = to("platform.users");
    masked["mask"] = "hidden".into();
    for (officer, assignee, words) in [
        (
            to("platform.users"),
            Value::Null,
            "granted as assigned, and there is no assignee",
        ),
        (
            to("platform.users"),
            json!("clerk"),
            "assignee clerk is no plain reference",
        ),
        (
            to("things"),
            json!("officer"),
            "assignee officer is no plain reference",
        ),
        (
            json!({ "kind": "text", "max": 64 }),
            json!("officer"),
            "no plain reference",
        ),
        (masked, json!("officer"), "no plain reference"),
    ] {
        let guest = bad().declares(|def| {
            let things = &mut def["collections"][0];
            things["fields"]
                .as_array_mut()
                .unwrap()
                .push(field(officer));
            if !assignee.is_null() {
                things["assignee"] = assignee;
            }
            def["permissions"][2]["grants"][0]["scope"] = "assigned".into();
        });
        let InstallError::Declaration { faults, .. } = stage.refuses(&guest).await else {
            panic!("let in")
        };
        let said = faults.join("\n");
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_masked_is_neither_in_a_row_nor_what_others_are_made_of() {
    let stage = Stage::with(&[]).await;
    let label = json!({ "zh": "项", "en": "" });
    let masked = |name: &str| json!({ "name": name, "label": label, "kind": "text", "max": 9, "mask": "all" });
    let rows = json!({ "name": "lines", "label": label, "kind": "rows", "max": 5, "fields": [masked("cell")] });
    let joined = json!({
        "name": "joined", "label": label, "kind": "computed",
        "result": { "kind": "text", "max": 20 },
        "from": { "formula": "join", "of": ["title", "word"] },
    });
    for (fields, words) in [
        (vec![rows], "cell cannot be masked in a row"),
        (vec![masked("word"), joined], "are encrypted or masked"),
    ] {
        let guest = bad().declares(|def| {
            let all = def["collections"][0]["fields"].as_array_mut().unwrap();
            all.extend(fields);
        });
        let InstallError::Declaration { faults, .. } = stage.refuses(&guest).await else {
            panic!("let in")
        };
        let said = faults.join("\n");
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_replacement_leaves_the_old_one_serving() {
    let stage = Stage::with(&[]).await;
    PluginGuest::calm("calm")
        .describe_runs(TRAPS)
        .put(stage.folder());
    let error = described(stage.host().install("calm").await.unwrap_err());
    assert!(matches!(error, DescribeError::Call(_)), "{error:?}");
    stage.calm_is_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_kernel_grants_cannot_be_asked_for() {
    let stage = Stage::with(&[]).await;
    for lines in [
        "[limits]\nmemory_mb = 65",
        "[limits]\ndeadline_ms = 60000",
        "[capabilities]\nfiles = true",
    ] {
        let error = stage.refuses(&bad().manifest(lines)).await;
        assert!(matches!(error, InstallError::Manifest { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_08_a_sensitive_field_that_is_not_guarded_is_refused() {
    let stage = Stage::with(&[]).await;
    for level in ["L3", "L4"] {
        for guard in [
            json!({}),
            json!({ "encrypted": true }),
            json!({ "mask": "all" }),
        ] {
            let guest = bad().declares(|def| {
                let mut field = json!({
                    "name": "secret", "label": { "zh": "密", "en": "" },
                    "kind": "text", "max": 20, "level": level,
                });
                let guard = guard.as_object().unwrap().clone();
                field.as_object_mut().unwrap().extend(guard);
                let fields = &mut def["collections"][0]["fields"];
                fields.as_array_mut().unwrap().push(field);
            });
            let InstallError::Declaration { faults, .. } = stage.refuses(&guest).await else {
                panic!("let in: {level} {guard}")
            };
            let said = faults.join("\n");
            assert!(said.contains("must be encrypted and masked"), "{said}");
        }
    }
}

/// What the declaration of a plugin with one more field is refused for.
async fn refused_with(stage: &Stage, kept: Option<&str>, marks: &Value) -> String {
    let guest = bad().declares(|def| {
        let mut field = json!({
            "name": "secret", "label": { "zh": "密", "en": "" }, "kind": "text", "max": 20,
        });
        let marks = marks.as_object().unwrap().clone();
        field.as_object_mut().unwrap().extend(marks);
        let things = &mut def["collections"][0];
        if let Some(purpose) = kept {
            things["retention"] = json!({ "purpose": purpose });
        }
        things["fields"].as_array_mut().unwrap().push(field);
    });
    match stage.refuses(&guest).await {
        InstallError::Declaration { faults, .. } => faults.join("\n"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ds_01_what_is_guarded_without_a_level_is_refused() {
    let stage = Stage::with(&[]).await;
    for marks in [
        json!({ "encrypted": true }),
        json!({ "mask": "all" }),
        json!({ "encrypted": true, "mask": "hidden" }),
    ] {
        let said = refused_with(&stage, None, &marks).await;
        assert!(
            said.contains("field secret: what is encrypted or masked has a level"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_18_what_is_sensitive_and_kept_for_nothing_is_refused() {
    let stage = Stage::with(&[]).await;
    for (level, kept, words) in [
        ("L3", None, "are kept for a purpose"),
        ("L4", None, "are kept for a purpose"),
        ("L3", Some(" "), "names what the data is processed for"),
    ] {
        let marks = json!({ "encrypted": true, "mask": "all", "level": level });
        let said = refused_with(&stage, kept, &marks).await;
        assert!(said.contains(words), "{level}: {said}");
    }
}
