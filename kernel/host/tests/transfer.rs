//! Imports and exports through the host, with the built plugins and the demo's people: stopped in
//! the middle, taken up by two nodes at once, cancelled, approved, traced.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and says what it skips"
)]

#[path = "transfer/city.rs"]
mod city;
#[path = "transfer/parties.rs"]
mod parties;
#[path = "transfer/projects.rs"]
mod projects;
#[path = "transfer/readings.rs"]
mod readings;
#[path = "support/host.rs"]
mod support;
#[path = "transfer/validations.rs"]
mod validations;

use city::{BANK, City, MANY, SITES, guests, on_each_engine, sites};
use kernel_host::{Format, Lane};
use kernel_identity::principal::Principal;
use kernel_storage::{AuditFilter, Commit, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::error::FaultKind;
use sdk_contract::query::Query;
use serde_json::{Value, json};

#[tokio::test]
async fn rows_in_are_rows_accepted_and_rows_refused() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let id = city.import(&p, "sites.csv", sites(50).as_bytes()).await;
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        assert!(!city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&p, &id).await;
        assert_eq!(
            (&job["status"], &job["total"]),
            (&json!("done"), &json!(50))
        );
        assert_eq!((&job["done"], &job["failed"]), (&json!(45), &json!(5)));
        assert_eq!(city.sites().await, 45);

        let refused = city.file(&p, &job, "errors").await;
        let mut lines = refused.lines();
        let head = lines.next().unwrap();
        assert_eq!(
            head,
            "\u{feff}名称,类型,启用日,own,行号,有误的列,规则,说明（退回原因）"
        );
        let first = lines.next().unwrap();
        assert!(
            first.contains("网点 9,办公,没有,是,11,启用日,not-a-date,"),
            "{first}"
        );
        assert_eq!(lines.count(), 4);

        // Corrected, it is taken as it is.
        let corrected = refused.replace("没有", "2027-01-05");
        let id = city.import(&p, "again.csv", corrected.as_bytes()).await;
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&p, &id).await;
        assert_eq!(
            (&job["done"], &job["failed"]),
            (&json!(5), &json!(0)),
            "{job:?}"
        );

        // Who acts for no organisation begins none.
        let nobody = support::person("enterprise.owner");
        let input = json!({ "collection": SITES, "format": "csv", "reason": "核对" });
        let refused = city.act(&nobody, "console:job.export", None, input).await;
        assert_eq!(refused.unwrap_err().code, "job-needs-person");

        // Another person's job is none, and who watches sees no files.
        let other = city.person("enterprise2").await;
        let hidden = city.host().get(&other, "console.jobs", &id).await;
        assert_eq!(hidden.unwrap_err().kind, FaultKind::NotFound);
        let watched = city.job(&city.person("operator").await, &id).await;
        assert_eq!(
            (&watched["status"], &watched["source"]),
            (&json!("done"), &Value::Null)
        );
    })
    .await;
}

/// Signing a letter is more than a record kept: it is done by somebody, one at a time.
#[tokio::test]
async fn what_is_signed_or_sent_is_not_imported() {
    let Some(guests) = guests() else { return };
    let city = City::open(&guests, None).await;
    let p = city.person("enterprise").await;
    let bytes = format!("被授权机构,数据项,用途,到期日,agree\r\n{BANK},15,02,2027-01-05,是\r\n");
    let file = city.host().store_upload(&p, "letters.csv", bytes.into());
    let file = file.await.unwrap();
    for of in ["consent.letters", "lending.applications", "data.structures"] {
        let input = json!({ "collection": of, "file": file });
        let refused = city.act(&p, "console:job.import", None, input).await;
        assert_eq!(refused.unwrap_err().code, "not-importable", "{of}");
        let template = city.host().template(&p, of, Format::Csv);
        assert_eq!(template.unwrap_err().code, "not-importable", "{of}");
    }
}

#[tokio::test]
async fn an_import_goes_on_where_a_failed_node_left_it_and_doubles_no_row() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let id = city.import(&p, "sites.csv", sites(MANY).as_bytes()).await;
        city.fail_after(20).await;
        // Still held by the node that failed.
        assert!(!city.host().run_jobs(Lane::Any).await.unwrap());
        city.run_out(&id).await;
        // Once more, after a save.
        city.fail_after(500).await;
        assert_eq!(city.job(&p, &id).await["status"], "running");
        city.run_out(&id).await;
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&p, &id).await;
        assert_eq!(job["status"], "done", "{job:?}");
        assert_eq!((&job["done"], &job["failed"]), (&json!(630), &json!(70)));
        assert_eq!(city.sites().await, 630);
        assert_eq!(city.file(&p, &job, "errors").await.lines().count(), 71);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_never_work_on_one_job() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let id = city.import(&p, "sites.csv", sites(20).as_bytes()).await;
        let (one, two) = tokio::join!(
            Box::pin(city.host().run_jobs(Lane::Any)),
            Box::pin(city.host().run_jobs(Lane::Any))
        );
        assert_ne!(one.unwrap(), two.unwrap());
        assert_eq!(city.job(&p, &id).await["done"], 18);
    })
    .await;
}

#[tokio::test]
async fn a_short_job_does_not_wait_for_a_long_one() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let wake = city.host().jobs_wake();
        let long = city.import(&p, "long.csv", sites(1001).as_bytes()).await;
        assert!(wake.has_changed().unwrap(), "workers hear of it");
        let short = city.import(&p, "short.csv", sites(20).as_bytes()).await;
        assert!(city.host().run_jobs(Lane::Short).await.unwrap());
        assert_eq!(city.job(&p, &short).await["status"], "done");
        assert!(!city.host().run_jobs(Lane::Short).await.unwrap());
        assert_eq!(city.job(&p, &long).await["status"], "queued");
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_import_stops_and_what_was_done_stays() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let id = city.import(&p, "sites.csv", sites(MANY).as_bytes()).await;
        let cancel = async {
            while city.sites().await < 5 {
                tokio::task::yield_now().await;
            }
            let done = city
                .act(&p, "console:job.cancel", Some(&id), json!({}))
                .await;
            done.unwrap();
        };
        let (worked, ()) = tokio::join!(city.host().run_jobs(Lane::Any), cancel);
        assert!(worked.unwrap());
        assert_eq!(city.job(&p, &id).await["status"], "cancelled");
        let there = city.sites().await;
        assert!(there < 600, "{there} of 630");
        assert!(!city.host().run_jobs(Lane::Any).await.unwrap());
        let again = city
            .act(&p, "console:job.cancel", Some(&id), json!({}))
            .await;
        assert_eq!(again.unwrap_err().kind, FaultKind::Conflict);
    })
    .await;
}

#[tokio::test]
async fn ds_03_an_export_says_whose_it_is_and_is_one_audit_record() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        city.import(&p, "sites.csv", sites(50).as_bytes()).await;
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let input = json!({
            "collection": SITES, "format": "csv", "reason": "年度审计",
            "filter": { "kind": ["office"], "sort": ["-created_at"] },
            "fields": "name,kind,opened,own",
        });
        let begun = city
            .act(&p, "console:job.export", None, input)
            .await
            .unwrap();
        assert_eq!(begun["status"], "queued");
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        let job = city.job(&p, begun["id"].as_str().unwrap()).await;
        assert_eq!(job["status"], "done", "{job:?}");
        let trace = job["trace"].as_str().unwrap();
        let text = city.file(&p, &job, "result").await;
        let head = text.lines().next().unwrap();
        for part in ["上海云杉智能装备有限公司", "林知远", "年度审计", trace] {
            assert!(head.contains(part), "{part} in {head}");
        }
        let rows = job["done"].as_u64().unwrap();
        assert_eq!(text.lines().count() as u64, rows + 2);
        let filter = AuditFilter {
            action: Some("console.job.exported".into()),
            ..AuditFilter::default()
        };
        let found = city.host().store().audit_find(&filter, 9, 0).await.unwrap();
        assert_eq!(found.records.len(), 1);
        let record = &found.records[0].draft;
        assert_eq!(record.actor, p.user.clone().unwrap());
        let told = &record.detail;
        assert_eq!(
            (&told["done"], &told["trace"]),
            (&json!(rows), &json!(trace))
        );
        assert_eq!(told["digest"], job["result"]["digest"]);
        assert_eq!(told["reason"], "年度审计");

        // A part of it, without its first line, leads back to the job.
        let part: Vec<&str> = text.lines().skip(10).take(30).collect();
        let auditor = city.person("auditor").await;
        let leaked = part.join("\n").into_bytes();
        let file = city
            .host()
            .store_upload(&auditor, "leaked.csv", leaked)
            .await
            .unwrap();
        let traced = city
            .act(&auditor, "console:job.trace", None, json!({ "file": file }))
            .await;
        assert_eq!(traced.unwrap()["id"], job["id"]);
        let refused = city
            .act(&p, "console:job.trace", None, json!({ "file": file }))
            .await;
        assert_eq!(refused.unwrap_err().kind, FaultKind::Forbidden);
    })
    .await;
}

#[tokio::test]
async fn a_jobs_files_are_for_whoever_could_still_make_them_and_go_after_a_while() {
    const DAY: i64 = 24 * 3600;
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let import = city.import(&p, "sites.csv", sites(50).as_bytes()).await;
        let input = json!({ "collection": SITES, "format": "csv", "reason": "核对" });
        let export = city
            .act(&p, "console:job.export", None, input)
            .await
            .unwrap();
        let export = export["id"].as_str().unwrap().to_owned();
        while city.host().run_jobs(Lane::Any).await.unwrap() {}
        let (import, export) = (city.job(&p, &import).await, city.job(&p, &export).await);
        let files = [
            (&import, "source"),
            (&import, "errors"),
            (&export, "result"),
        ];
        for (job, field) in files {
            city.opened(&p, job, field).await.unwrap();
        }
        let moved = Principal {
            organisation: Some(BANK.into()),
            ..p.clone()
        };
        let demoted = Principal {
            roles: Vec::new(),
            ..p.clone()
        };
        for (who, job, field) in [
            (&moved, &import, "source"),
            (&moved, &export, "result"),
            (&demoted, &export, "result"),
        ] {
            let refused = city.opened(who, job, field).await.unwrap_err();
            assert_eq!(refused.kind, FaultKind::Forbidden, "{field}");
        }

        city.clock.advance_seconds(6 * DAY);
        city.host().collect_files().await.unwrap();
        let p = city.person("enterprise").await;
        for (job, field) in files {
            city.opened(&p, job, field).await.unwrap();
        }
        city.clock.advance_seconds(DAY);
        for (job, field) in files {
            let gone = city.opened(&p, job, field).await.unwrap_err();
            assert_eq!(gone.code, "file-expired", "{field}");
        }
        // What nobody names is removed a day after it was seen to be so.
        let removed = city.host().collect_files().await.unwrap().removed;
        city.clock.advance_seconds(DAY);
        let removed = removed + city.host().collect_files().await.unwrap().removed;
        assert!(removed >= files.len(), "{removed}");
        let digest = export["result"]["digest"].as_str().unwrap();
        assert!(city.host().store().blobs(digest).await.unwrap().is_empty());
        for (job, field) in files {
            let now = city.job(&p, job["id"].as_str().unwrap()).await;
            assert_eq!(
                (&now["status"], &now[field]),
                (&json!("done"), &Value::Null)
            );
            let gone = city.opened(&p, job, field).await.unwrap_err();
            assert_eq!(gone.code, "file-expired", "{field}");
        }
        let parts = Query::new("console.job-parts");
        let parts = city.host().store().find(&parts, &RowFilter::All).await;
        let parts = parts.unwrap().records;
        assert!(!parts.is_empty() && parts.iter().all(|part| part["rows"] == json!([])));
    })
    .await;
}

#[tokio::test]
async fn keys_are_forgotten_but_those_of_an_import_that_a_node_left() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let id = city.import(&p, "sites.csv", sites(MANY).as_bytes()).await;
        city.fail_after(20).await;
        city.clock.advance_seconds(48 * 3600);
        assert_eq!(city.host().forget_keys().await.unwrap(), 0);
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        assert_eq!(city.job(&p, &id).await["done"], 630);
        assert_eq!(city.sites().await, 630);
        assert!(city.host().forget_keys().await.unwrap() >= 20);
    })
    .await;
}

#[tokio::test]
async fn dj_06_a_large_export_waits_for_another_person() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        for _ in 0..2 {
            city.import(&p, "sites.csv", sites(MANY).as_bytes()).await;
            assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        }
        let input = json!({ "collection": SITES, "format": "jsonl", "reason": "全量核对" });
        let ask = || async {
            let begun = city
                .act(&p, "console:job.export", None, input.clone())
                .await
                .unwrap();
            assert_eq!(begun["status"], "waiting");
            begun["id"].as_str().unwrap().to_owned()
        };
        let (one, two) = (ask().await, ask().await);
        assert!(
            !city.host().run_jobs(Lane::Any).await.unwrap(),
            "nothing is read yet"
        );
        // The one who asked does not decide, nor who may decide nothing.
        let decided = |login: &'static str, id: String, verb: &'static str| {
            let city = &city;
            async move {
                let by = city.person(login).await;
                let action = format!("platform:request.{verb}");
                city.act(&by, &action, Some(&id), json!({ "reason": "已核实" }))
                    .await
            }
        };
        let own = decided("enterprise", one.clone(), "approve").await;
        assert!(own.is_err());
        decided("security", one.clone(), "approve").await.unwrap();
        assert_eq!(city.job(&p, &one).await["status"], "queued");
        decided("security", two.clone(), "refuse").await.unwrap();
        assert!(city.host().run_jobs(Lane::Any).await.unwrap());
        assert!(!city.host().run_jobs(Lane::Any).await.unwrap());
        let done = city.job(&p, &one).await;
        assert_eq!(done["status"], "done", "{done:?}");
        assert!(done["done"].as_u64().unwrap() >= 1260);
        assert!(!done["approved_by"].as_str().unwrap().is_empty());
        let refused = city.job(&p, &two).await;
        assert_eq!(refused["status"], "cancelled");
        assert!(refused["why"].as_str().unwrap().contains("已核实"));
        let text = city.file(&p, &done, "result").await;
        let row: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert!(row["id"].is_string() && row["name"].is_string());
    })
    .await;
}

/// Bytes of memory that this process had at most since it was last asked to forget; none where the
/// system does not tell.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// What a job takes of memory, more than there was taken before.
async fn memory_of(city: &City) -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = most_memory()?;
    assert!(city.host().run_jobs(Lane::Any).await.unwrap());
    Some(most_memory()? - before)
}

#[tokio::test]
async fn a_hundred_thousand_rows_pass_in_bounded_memory() {
    const ROWS: usize = 100_000;
    const MOST: u64 = 80 * 1024 * 1024;
    let Some(guests) = guests() else { return };
    let city = City::open(&guests, None).await;
    let p = city.person("auditor").await;
    for batch in 0..ROWS / 1000 {
        let write = |n: usize| {
            let number = batch * 1000 + n;
            let values = json!({
                "title": format!("网点 {number}"), "what": "organisation.move",
                "object": number.to_string(), "reason": "=cmd|' /C calc'!A0",
            });
            Write::Insert {
                collection: "changes".into(),
                id: format!("01930000-0000-7000-9000-{number:012x}"),
                subject: None,
                organisation: Some(BANK.into()),
                district: None,
                values: values.as_object().cloned().unwrap(),
            }
        };
        let commit = Commit {
            at: 1,
            module: "platform".into(),
            writes: (0..1000).map(write).collect(),
            ..Commit::default()
        };
        city.host().store().commit(commit).await.unwrap();
    }
    let fields = "title,what,object,reason";
    for format in ["csv", "xlsx"] {
        let input = json!({ "collection": "platform.changes", "format": format,
                "reason": "全量核对", "fields": fields });
        let begun = city.act(&p, "console:job.export", None, input).await;
        let id = begun.unwrap()["id"].as_str().unwrap().to_owned();
        let by = city.person("security").await;
        let said = json!({ "reason": "已核实" });
        let approved = city.act(&by, "platform:request.approve", Some(&id), said);
        approved.await.unwrap();
        let taken = memory_of(&city).await;
        let job = city.job(&p, &id).await;
        assert_eq!(job["status"], "done", "{job:?}");
        assert!(job["done"].as_u64().unwrap() >= ROWS as u64);
        println!("{format}: {taken:?} bytes");
        assert!(taken.unwrap_or_default() < MOST, "{format}: {taken:?}");
        if format == "csv" {
            let text = city.file(&p, &job, "result").await;
            assert!(text.lines().count() > ROWS);
            assert!(text.contains(",'=cmd|' /C calc'!A0,") && !text.contains(",=cmd"));
        }
    }

    let p = city.person("enterprise").await;
    let file = city
        .host()
        .store_upload(&p, "sites.csv", sites(ROWS).into_bytes());
    let file = file.await.unwrap();
    let input = json!({ "collection": SITES, "file": file, "dry": true });
    let begun = city.act(&p, "console:job.import", None, input).await;
    let id = begun.unwrap()["id"].as_str().unwrap().to_owned();
    let taken = memory_of(&city).await;
    println!("import: {taken:?} bytes");
    assert!(taken.unwrap_or_default() < MOST, "import: {taken:?}");
    let job = city.job(&p, &id).await;
    assert_eq!(
        (&job["done"], &job["failed"]),
        (&json!(90_000), &json!(10_000))
    );
}

#[tokio::test]
async fn an_export_that_nobody_decides_about_in_time_is_cancelled() {
    on_each_engine(async |city| {
        let p = city.person("enterprise").await;
        let values = json!({
            "label": "经营场所", "kind": "export", "collection": SITES, "format": "csv",
            "status": "waiting", "done": 0, "failed": 0, "by_name": p.name,
        });
        let id = "01930000-0000-7000-9000-000000000001";
        let asked = |ago: i64| Commit {
            at: city.host().clock().now().plus_seconds(-ago).micros(),
            module: "console".into(),
            writes: vec![Write::Insert {
                collection: "jobs".into(),
                id: id.into(),
                subject: None,
                organisation: p.organisation.clone(),
                district: None,
                values: values.as_object().cloned().unwrap(),
            }],
            ..Commit::default()
        };
        let hours = city.sessions.request_hours();
        city.host()
            .store()
            .commit(asked(hours * 3600))
            .await
            .unwrap();
        assert!(!city.host().run_jobs(Lane::Any).await.unwrap());
        let operator = city.person("operator").await;
        assert_eq!(city.job(&operator, id).await["status"], "cancelled");
    })
    .await;
}
