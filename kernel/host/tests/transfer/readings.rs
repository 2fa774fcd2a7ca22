//! Who reads more of other parties' data than usual is found, once, and settled by somebody else.

use std::collections::BTreeMap;

use kernel_identity::principal::Principal;
use kernel_storage::{AuditDraft, AuditFilter, RowFilter};
use sdk_contract::call::Ask;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::uuid7;
use serde_json::{Map, Value, json};

use super::city::{City, on_each_engine};

const READINGS: &str = "console.readings";
const DAY: i64 = 24 * 3600;

/// What the trail has of a person who did something to `parties`, as of now.
async fn trail(city: &City, p: &Principal, action: &str, outcome: &str, parties: u16) {
    let ids = (0..parties).map(|n| {
        let [high, low] = n.to_be_bytes();
        uuid7(
            city.host().clock().now(),
            [8, 8, 8, 8, 8, 8, 8, 8, high, low],
        )
    });
    let draft = AuditDraft {
        at: city.host().clock().now().micros(),
        actor: p.user.clone().unwrap(),
        organisation: p.organisation.clone(),
        action: action.into(),
        object: "enterprise.enterprises".into(),
        outcome: outcome.into(),
        detail: json!({}),
        request: "test".into(),
        ..AuditDraft::default()
    };
    let drafts = vec![draft.about(&ids.collect())];
    city.host().store().audit_append(drafts).await.unwrap();
}

/// The rows of a person, the newest first.
async fn rows(city: &City, p: &Principal) -> Vec<Map<String, Value>> {
    let query = Query::new(READINGS)
        .filter(Filter::eq("reader", p.user.as_deref().unwrap()))
        .sort("day", true)
        .limit(50);
    let found = city.host().store().find(&query, &RowFilter::All).await;
    found.unwrap().records
}

/// How often the trail says that somebody was found.
async fn found(city: &City) -> u64 {
    let filter = AuditFilter {
        action: Some("console.reading.unusual".into()),
        ..AuditFilter::default()
    };
    city.host()
        .store()
        .audit_find(&filter, 9, 0)
        .await
        .unwrap()
        .total
}

async fn page(city: &City, p: &Principal, path: &str, id: Option<&str>) -> Option<String> {
    let params = id.map(|id| ("id".to_owned(), id.to_owned()));
    let ask = Ask {
        path: path.into(),
        params: params.into_iter().collect(),
        query: BTreeMap::new(),
        block: None,
    };
    let page = city.host().page(p, "console", ask).await.ok()?;
    Some(serde_json::to_string(&page).unwrap())
}

#[tokio::test]
async fn row_120_who_reads_more_than_usual_waits_for_the_auditor() {
    on_each_engine(async |city| {
        let p = city.person("government").await;
        let auditor = city.person("auditor").await;
        // A week of thirty parties a day is what is usual for them.
        for _ in 0..7 {
            trail(city, &p, "list.view", "ok", 30).await;
            city.host().watch_readings().await.unwrap();
            city.clock.advance_seconds(DAY);
        }
        let week = rows(city, &p).await;
        assert_eq!(week.len(), 7);
        assert!(
            week.iter()
                .all(|r| r["status"] == "usual" && r["parties"] == 30)
        );

        // Ninety is below what anybody minds, and just three times the usual: then comes one more list.
        trail(city, &p, "list.view", "ok", 90).await;
        city.host().watch_readings().await.unwrap();
        assert_eq!(rows(city, &p).await[0]["status"], "usual");
        assert_eq!(found(city).await, 0);
        trail(city, &p, "page.view", "ok", 140).await;
        // Any node may look, and again.
        let (one, two) = tokio::join!(city.host().watch_readings(), city.host().watch_readings());
        one.and(two).unwrap();
        city.host().watch_readings().await.unwrap();
        let row = rows(city, &p).await.remove(0);
        assert_eq!(
            (&row["status"], &row["parties"]),
            (&json!("open"), &json!(140))
        );
        assert_eq!(row["usual"]["parties"], 30);
        assert_eq!(found(city).await, 1, "told once");

        let id = row["id"].as_str().unwrap();
        let list = page(city, &auditor, "/console/readings", None)
            .await
            .unwrap();
        assert!(list.contains(id) && list.contains("待核实"), "{list}");
        let detail = page(city, &auditor, "/console/readings/{id}", Some(id)).await;
        assert!(detail.unwrap().contains("属违规查询"));
        for login in [
            "government",
            "officer",
            "operator",
            "security",
            "enterprise",
        ] {
            let other = city.person(login).await;
            assert_eq!(
                page(city, &other, "/console/readings", None).await,
                None,
                "{login}"
            );
            let settled = settle(city, &other, id, "explained", "是我").await;
            assert!(settled.is_err(), "{login}");
        }

        for (finding, reason, why) in [
            ("usual", "看过了", "no finding"),
            ("explained", "", "no reason"),
        ] {
            assert!(
                settle(city, &auditor, id, finding, reason).await.is_err(),
                "{why}"
            );
        }
        settle(city, &auditor, id, "explained", "年度统计")
            .await
            .unwrap();
        city.host().watch_readings().await.unwrap();
        let row = rows(city, &p).await.remove(0);
        assert_eq!(
            (&row["status"], &row["reason"]),
            (&json!("explained"), &json!("年度统计"))
        );

        // What was settled was about 140: many times as many is another matter.
        trail(city, &p, "list.view", "ok", 300).await;
        city.host().watch_readings().await.unwrap();
        assert_eq!(rows(city, &p).await[0]["status"], "explained");
        trail(city, &p, "list.view", "ok", 500).await;
        city.host().watch_readings().await.unwrap();
        assert_eq!(rows(city, &p).await[0]["status"], "open");
        assert_eq!(found(city).await, 2);

        // Whose data it was is named, on the day and by whom it was; of many some.
        let user = p.user.as_deref().unwrap();
        let now = city.host().clock().now().micros();
        let today = (now - 1, now + 1);
        let store = city.host().store();
        for (who, when, most, count) in [
            (user, today, 1_000, 500),
            (user, today, 7, 7),
            (user, (now - 2, now - 1), 1_000, 0),
            ("nobody", today, 1_000, 0),
        ] {
            let parties = store.parties_read(who, when, most).await.unwrap();
            assert_eq!(parties.len(), count, "{who} {when:?} {most}");
        }
        settle(city, &auditor, id, "breach", "无业务理由")
            .await
            .unwrap();
        assert_eq!(rows(city, &p).await[0]["status"], "breach");
    })
    .await;
}

async fn settle(
    city: &City,
    p: &Principal,
    id: &str,
    finding: &str,
    reason: &str,
) -> Result<Value, sdk_contract::error::Fault> {
    let input = json!({ "finding": finding, "reason": reason });
    city.act(p, "console:reading.settle", Some(id), input).await
}

#[tokio::test]
async fn row_120_looks_and_refusals_count_and_nobody_settles_their_own() {
    on_each_engine(async |city| {
        let (auditor, officer) = (city.person("auditor").await, city.person("officer").await);
        for _ in 0..20 {
            trail(city, &officer, "field.look", "ok", 0).await;
        }
        for _ in 0..50 {
            trail(city, &auditor, "record.view", "denied", 0).await;
        }
        // Nobody, and the platform itself, have no row.
        let nobody = Principal {
            user: Some(String::new()),
            ..auditor.clone()
        };
        trail(city, &nobody, "list.view", "ok", 200).await;
        city.host().watch_readings().await.unwrap();
        let looked = rows(city, &officer).await.remove(0);
        assert_eq!(
            (&looked["status"], &looked["looks"]),
            (&json!("open"), &json!(20))
        );
        let refused = rows(city, &auditor).await.remove(0);
        assert_eq!(
            (&refused["status"], &refused["refused"]),
            (&json!("open"), &json!(50))
        );
        assert!(rows(city, &nobody).await.is_empty());

        let own = refused["id"].as_str().unwrap();
        let settled = settle(city, &auditor, own, "explained", "误点").await;
        assert_eq!(settled.unwrap_err().code, "reading.own");
        let other = looked["id"].as_str().unwrap();
        settle(city, &auditor, other, "breach", "与业务无关")
            .await
            .unwrap();
        assert_eq!(rows(city, &officer).await[0]["status"], "breach");

        // A day goes on after midnight's count: its last minutes are counted the next day.
        let quiet = city.person("officer2").await;
        trail(city, &quiet, "list.view", "ok", 3).await;
        city.host().watch_readings().await.unwrap();
        let usual = rows(city, &quiet).await.remove(0);
        let settled = settle(
            city,
            &auditor,
            usual["id"].as_str().unwrap(),
            "breach",
            "无",
        )
        .await;
        assert_eq!(settled.unwrap_err().code, "reading.usual");
        trail(city, &quiet, "list.view", "ok", 5).await;
        city.clock.advance_seconds(DAY);
        city.host().watch_readings().await.unwrap();
        let rows = rows(city, &quiet).await;
        assert_eq!((rows.len(), &rows[0]["parties"]), (1, &json!(5)));
    })
    .await;
}
