//! Exports for a project: pseudonyms and tokens in place of what says whose a row is.

use kernel_host::Lane;
use kernel_identity::principal::Principal;
use kernel_storage::{AuditFilter, RowFilter};
use sdk_contract::error::FaultKind;
use sdk_contract::query::Query;
use serde_json::{Map, Value, json};

use super::city::{City, on_each_engine};

const ENTERPRISES: &str = "enterprise.enterprises";
const DAY: i64 = 24 * 3600;

async fn project(city: &City, p: &Principal, name: &str, days: i64) -> String {
    let last = city.host().clock().now().plus_seconds(days * DAY);
    let input = json!({
        "name": name, "purpose": "联合建模样本", "ends_on": last.local_date().to_string(),
    });
    let made = city.act(p, "console:project.create", None, input).await;
    made.unwrap()["id"].as_str().unwrap().to_owned()
}

fn wanted(project: &str) -> Value {
    json!({
        "collection": ENTERPRISES, "format": "jsonl", "reason": "联合建模",
        "fields": "name,contact,phone,registered_capital",
        "project": project, "pseudonyms": ["name", "contact"], "tokens": ["phone"],
    })
}

/// The one row of the enterprise's own export for a project.
async fn row(city: &City, p: &Principal, project: &str) -> Map<String, Value> {
    let begun = city.act(p, "console:job.export", None, wanted(project));
    let begun = begun.await.unwrap();
    assert_eq!(begun["status"], "queued", "nothing is in clear: {begun}");
    assert!(city.host().run_jobs(Lane::Any).await.unwrap());
    let job = city.job(p, begun["id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "done", "{job:?}");
    let text = city.file(p, &job, "result").await;
    assert!(text.lines().next().unwrap().contains("项目“"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    serde_json::from_str(text.lines().nth(1).unwrap()).unwrap()
}

async fn stored(city: &City, collection: &str) -> Vec<Map<String, Value>> {
    let all = Query::new(collection);
    let found = city.host().store().find(&all, &RowFilter::All).await;
    found.unwrap().records
}

#[tokio::test]
async fn row_93_a_project_has_pseudonyms_of_its_own_and_tokens_that_end_with_it() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let own = stored(city, ENTERPRISES).await;
        let own = own
            .iter()
            .find(|e| e["subject"] == json!(p.subject))
            .unwrap();
        let (one, other) = (
            project(city, &p, "甲", 10).await,
            project(city, &p, "乙", 20).await,
        );
        let (first, again, elsewhere) = (
            row(city, &p, &one).await,
            row(city, &p, &one).await,
            row(city, &p, &other).await,
        );
        for name in ["id", "name", "contact"] {
            assert_eq!(first[name], again[name], "{name}");
            assert_ne!(first[name], elsewhere[name], "{name}");
            assert_ne!(first[name], own[name], "{name}");
        }
        assert_ne!(
            first["phone"], again["phone"],
            "tokens tell nothing of each other"
        );
        assert_eq!(first["registered_capital"], own["registered_capital"]);
        assert!(
            !first.contains_key("created_at"),
            "it would join two projects"
        );

        // Back to the value, for whoever made the project, and for a look alone.
        let restore = |by: &'static str, project: String, token: Value| async move {
            let by = city.person(by).await;
            let input = json!({ "token": token });
            city.act(&by, "console:project.restore", Some(&project), input)
                .await
        };
        let token = first["phone"].clone();
        let back = restore("enterprise", one.clone(), token.clone()).await;
        let back = back.unwrap()["id"].as_str().unwrap().to_owned();
        let shown = city.host().get(&p, "console.restorations", &back).await;
        assert_eq!(shown.unwrap()["value"], "****");
        assert_eq!(
            stored(city, "console.restorations").await[0]["value"],
            own["phone"]
        );
        for (project, token) in [
            (&other, token.clone()),
            (&one, first["name"].clone()),
            (&one, json!("t00")),
        ] {
            let refused = restore("enterprise", project.clone(), token).await;
            assert_eq!(refused.unwrap_err().fields[0].field, "token");
        }
        let another = restore("enterprise2", one.clone(), token.clone()).await;
        assert_eq!(another.unwrap_err().kind, FaultKind::NotFound);
        let by = city.person("enterprise2").await;
        let theirs = city.act(&by, "console:job.export", None, wanted(&one));
        assert_eq!(theirs.await.unwrap_err().fields[0].field, "project");

        // Its last day is over: of no use at once, and its secret gone with the next round.
        city.clock.advance_seconds(11 * DAY);
        let late = restore("enterprise", one.clone(), token.clone()).await;
        assert_eq!(late.unwrap_err().code, "project-ended");
        let late = city.act(&p, "console:job.export", None, wanted(&one)).await;
        assert_eq!(late.unwrap_err().fields[0].field, "project");
        assert_eq!(city.host().end_projects().await.unwrap(), 1);
        assert_eq!(city.host().end_projects().await.unwrap(), 0);
        for record in stored(city, "console.projects").await {
            let is_over = record["id"] == json!(one);
            assert_eq!(record["secret"].is_null(), is_over, "{}", record["name"]);
        }
        assert!(stored(city, "console.restorations").await[0]["value"].is_null());
        let told = AuditFilter {
            objects: vec![one.clone()],
            action: Some("console.project.end".into()),
            ..AuditFilter::default()
        };
        let told = city.host().store().audit_find(&told, 9, 0).await;
        assert_eq!(told.unwrap().total, 1);

        // One that ends while an export for it waits takes the export with it.
        let begun = city.act(&p, "console:job.export", None, wanted(&other));
        let begun = begun.await.unwrap();
        let ended = city.act(&p, "console:project.end", Some(&other), json!({}));
        ended.await.unwrap();
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&p, begun["id"].as_str().unwrap()).await;
        assert_eq!(job["status"], "failed", "{job:?}");
        assert!(
            job["why"].as_str().unwrap().contains("项目已结束"),
            "{job:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn row_93_what_cannot_be_replaced_is_named() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let id = project(city, &p, "甲", 10).await;
        let changed = |changes: Value| {
            let mut input = wanted(&id);
            let changes = changes.as_object().cloned().unwrap();
            input.as_object_mut().unwrap().extend(changes);
            input
        };
        for (changes, field) in [
            (json!({ "project": null }), "project"),
            (json!({ "pseudonyms": [], "tokens": [] }), "pseudonyms"),
            (json!({ "pseudonyms": ["uscc"] }), "pseudonyms"),
            (
                json!({ "pseudonyms": ["standing"], "fields": "" }),
                "pseudonyms",
            ),
            (json!({ "tokens": ["name"] }), "tokens"),
            (json!({ "tokens": "phone" }), "tokens"),
            (
                json!({ "project": "01930000-0000-7000-9000-000000000001" }),
                "project",
            ),
        ] {
            let refused = city.act(&p, "console:job.export", None, changed(changes.clone()));
            let fault = refused.await.unwrap_err();
            assert_eq!(fault.fields[0].field, field, "{changes}: {fault:?}");
        }
        for ends_on in ["2026-11-22", "2032-01-01", "x"] {
            let input = json!({ "name": "丙", "purpose": "建模", "ends_on": ends_on });
            let refused = city.act(&p, "console:project.create", None, input).await;
            assert_eq!(refused.unwrap_err().fields[0].field, "ends_on");
        }
        // What its person is shown masked stays masked.
        let official = city.person("government").await;
        let id = project(city, &official, "丁", 10).await;
        let mut input = wanted(&id);
        input["reason"] = json!("抽样");
        let begun = city.act(&official, "console:job.export", None, input);
        let begun = begun.await.unwrap();
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&official, begun["id"].as_str().unwrap()).await;
        let text = city.file(&official, &job, "result").await;
        let row: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert!(row["phone"].as_str().unwrap().contains("****"), "{row}");
        assert!(row["name"].as_str().unwrap().starts_with('p'), "{row}");
    })
    .await;
}
