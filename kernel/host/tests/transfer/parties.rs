//! Whose data an export gave away, as the audit trail tells it.

use std::collections::BTreeSet;

use kernel_host::Lane;
use kernel_storage::{AuditDraft, AuditFilter, Commit};
use sdk_contract::call::Write;
use sdk_contract::scalar::uuid7;
use serde_json::{Value, json};

use super::city::{City, on_each_engine};

const ENTERPRISES: &str = "enterprise.enterprises";
/// More than one record of the trail names, and fewer than need another person's consent.
const MANY: u16 = 620;

/// So many enterprises beside the demo's; their ids.
async fn enterprises(city: &City) -> BTreeSet<String> {
    let ids: Vec<String> = (0..MANY)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            uuid7(
                city.host().clock().now(),
                [7, 7, 7, 7, 7, 7, 7, 7, high, low],
            )
        })
        .collect();
    let written = ids.iter().enumerate().map(|(n, id)| {
        let values = json!({
            "name": format!("企业 {n}"), "uscc": format!("9131011{n:011}"), "region": "310115",
            "region_name": "浦东新区", "industry": "C39", "industry_name": "电子设备制造业",
            "legal_representative": "林知远", "registered_capital": "1000000.00",
            "standing": "active", "established": "2020-01-01", "staff": 9, "as_of": "2026-11-01",
        });
        Write::Insert {
            collection: "enterprises".into(),
            id: id.clone(),
            subject: Some(id.clone()),
            organisation: None,
            district: Some("310115".into()),
            values: values.as_object().cloned().unwrap(),
        }
    });
    let commit = Commit {
        at: 1,
        module: "enterprise".into(),
        writes: written.collect(),
        ..Commit::default()
    };
    city.host().store().commit(commit).await.unwrap();
    ids.into_iter().collect()
}

async fn trail(city: &City, filter: AuditFilter) -> Vec<AuditDraft> {
    let found = city.host().store().audit_find(&filter, 9, 0).await.unwrap();
    found.records.into_iter().map(|r| r.draft).collect()
}

#[tokio::test]
async fn row_120_the_trail_names_everybody_whose_data_an_export_gave() {
    on_each_engine(async |city| {
        let there = enterprises(city).await;
        let p = city.person("government").await;
        let input = json!({
            "collection": ENTERPRISES, "format": "csv", "reason": "年度分析", "fields": "name,region",
        });
        let begun = city.act(&p, "console:job.export", None, input).await;
        let begun = begun.unwrap();
        assert_eq!(begun["status"], "queued", "{begun}");
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&p, begun["id"].as_str().unwrap()).await;
        assert_eq!(job["status"], "done", "{job:?}");

        let by_action = |action: &str| AuditFilter {
            action: Some(action.into()),
            ..AuditFilter::default()
        };
        let told = trail(city, by_action("console.job.exported")).await;
        let named = told.iter().map(|d| d.parties().count());
        assert!(named.max() <= Some(500), "one record names not too many");
        let all: BTreeSet<String> = told
            .iter()
            .flat_map(AuditDraft::parties)
            .map(str::to_owned)
            .collect();
        assert!(all.is_superset(&there), "{} of {}", all.len(), there.len());
        assert_eq!(json!(all.len()), job["done"], "nobody else, and nobody twice");
        let ends: Vec<&Value> = told.iter().map(|d| &d.detail["digest"]).collect();
        let ends = ends.iter().filter(|digest| digest.is_string()).count();
        assert_eq!(ends, 1, "the export itself is one record");
        assert!(told.iter().all(|d| d.detail["trace"] == job["trace"]));
        assert!(told.iter().all(|d| d.actor == *p.user.as_ref().unwrap()));

        // Each of them is found, the first and the last as well.
        for party in [there.first(), there.last()] {
            let of_party = AuditFilter {
                party: party.cloned(),
                ..AuditFilter::default()
            };
            assert_eq!(trail(city, of_party).await.len(), 1, "{party:?}");
        }
        assert!(city.host().store().audit_verify().await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn an_export_of_the_own_data_names_nobody() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let input = json!({
            "collection": ENTERPRISES, "format": "csv", "reason": "核对", "fields": "name",
        });
        let begun = city.act(&p, "console:job.export", None, input).await;
        let job = begun.unwrap()["id"].as_str().unwrap().to_owned();
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        assert_eq!(city.job(&p, &job).await["done"], json!(1));
        let exported = AuditFilter {
            action: Some("console.job.exported".into()),
            ..AuditFilter::default()
        };
        let told = trail(city, exported).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].parties().count(), 0);
    })
    .await;
}
