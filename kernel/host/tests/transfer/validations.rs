//! A live model whose validation runs out is told of, and whoever validated does not approve where
//! somebody else could.

use kernel_identity::principal::Principal;
use kernel_storage::Commit;
use sdk_contract::call::Write;
use sdk_contract::scalar::uuid7;
use serde_json::{Value, json};
use tests_guests::ModelGuest;

use super::city::{BANK, City, on_each_engine};

const DAY: i64 = 24 * 3600;

/// Titles of what somebody was told, newest first.
async fn told(city: &City, p: &Principal) -> Vec<String> {
    city.host().tell_of_validations().await.unwrap();
    let all = city.host().notices(p, None, 50).await.unwrap();
    all.items.into_iter().map(|n| n.told.title).collect()
}

async fn uploaded(city: &City, developer: &Principal) -> String {
    let wasm = ModelGuest::calm().build();
    let file = city.host().store_upload(developer, "calm.wasm", wasm).await;
    let input = json!({ "file": file.unwrap() });
    let done = city
        .act(developer, "console:model.upload", None, input)
        .await;
    done.unwrap()["id"].as_str().unwrap().to_owned()
}

fn validation(city: &City, days: i64) -> Value {
    let until = city.host().clock().now().local_date().plus_days(days);
    json!({
        "data": "样本", "findings": "复算一致", "conclusion": "conditional", "valid_until": until,
    })
}

/// Another holds the validators' role as well.
async fn second_validator(city: &City, user: &str) {
    let now = city.host().clock().now();
    let post = uuid7(now, [7; 10]);
    let insert = |collection: &str, n: u8, values: Value| Write::Insert {
        collection: collection.into(),
        id: if collection == "posts" {
            post.clone()
        } else {
            uuid7(now, [n; 10])
        },
        subject: None,
        organisation: Some(BANK.into()),
        district: None,
        values: values.as_object().unwrap().clone(),
    };
    let commit = Commit {
        at: now.micros(),
        module: "platform".into(),
        action: "platform.post.appoint".into(),
        writes: vec![
            insert("posts", 7, json!({ "title": "模型验证岗", "user": user })),
            insert(
                "grants",
                9,
                json!({ "role": "model.validator", "user": user, "post": post }),
            ),
        ],
        ..Commit::default()
    };
    city.host().store().commit(commit).await.unwrap();
}

#[tokio::test]
async fn al_01_a_validation_that_runs_out_is_told_of_and_renewed() {
    on_each_engine(async |city| {
        let developer = city.person("developer").await;
        let validator = city.person("validator").await;
        let id = uploaded(city, &developer).await;
        let act = async |p: &Principal, action: &str, input: Value| {
            city.act(p, &format!("console:model.{action}"), Some(&id), input)
                .await
        };
        let reason = || json!({ "reason": "验证通过" });
        act(&validator, "validate", validation(city, 60))
            .await
            .unwrap();
        assert!(
            told(city, &validator).await.is_empty(),
            "it is not live yet"
        );
        act(&validator, "approve", reason()).await.unwrap();
        assert!(told(city, &validator).await.is_empty());

        let (soon, late) = ("模型的独立验证即将到期", "已上线的模型没有有效的独立验证");
        city.clock.advance_seconds(31 * DAY);
        for _ in 0..2 {
            assert_eq!(told(city, &validator).await, [soon]);
        }
        city.clock.advance_seconds(30 * DAY);
        assert_eq!(told(city, &validator).await, [late, soon]);
        // Only those who can validate it, of the same bank.
        for login in ["developer", "modeler2", "officer"] {
            let p = city.person(login).await;
            assert!(told(city, &p).await.is_empty(), "{login}");
        }
        act(&validator, "validate", validation(city, 366))
            .await
            .unwrap();
        city.clock.advance_seconds(300 * DAY);
        assert_eq!(told(city, &validator).await, [late, soon]);
    })
    .await;
}

#[tokio::test]
async fn al_01_whoever_validated_does_not_approve_where_another_could() {
    on_each_engine(async |city| {
        let developer = city.person("developer").await;
        let validator = city.person("validator").await;
        let officer = city.person("officer").await;
        second_validator(city, officer.user.as_deref().unwrap()).await;
        let other = Principal {
            roles: vec!["model.validator".into()],
            ..officer
        };
        let id = uploaded(city, &developer).await;
        let act = async |p: &Principal, action: &str, input: Value| {
            city.act(p, &format!("console:model.{action}"), Some(&id), input)
                .await
        };
        let reason = || json!({ "reason": "验证通过" });
        act(&validator, "validate", validation(city, 60))
            .await
            .unwrap();
        let own = act(&validator, "approve", reason()).await.unwrap_err();
        assert_eq!(own.code, "forbidden");
        assert!(own.message.contains("另一名验证人"), "{}", own.message);
        act(&other, "approve", reason()).await.unwrap();
    })
    .await;
}
