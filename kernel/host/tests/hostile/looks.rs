//! A look at a most sensitive value takes two people: nothing short of that shows it.

use kernel_host::{Act, Look, Sought};
use kernel_identity::principal::Principal;
use kernel_identity::session::SessionPolicy;
use kernel_storage::{AuditDraft, AuditFilter, Commit};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::def::Level;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{Block, Body, Datum, Fact, LookTakes, Masked, Page, Place};
use serde_json::{Value, json};

use crate::plugin_guest::{PluginGuest, SEEDED, TESTER};
use crate::stage::Stage;
use crate::support::NOW;

const SECRET: &str = "310101199001011234";
const BANK: &str = "01930000-0000-7000-8000-00000000b001";
const OTHER_BANK: &str = "01930000-0000-7000-8000-00000000b002";
const ASKER: u32 = 1;
const SECOND: i64 = 1_000_000;
const QUARTER: i64 = 15 * 60;

fn user(n: u32) -> String {
    format!("01930000-0000-7000-8000-00000000f{n:03}")
}

fn place() -> Place {
    Place {
        collection: "sealed.things".into(),
        id: SEEDED.into(),
        field: "number".into(),
    }
}

fn sought(reason: &str) -> Sought {
    Sought {
        place: place(),
        file: None,
        reason: reason.into(),
    }
}

/// A plugin with one value of level L4, and a page that shows it.
fn guest() -> PluginGuest {
    let masked = Datum::Masked(Masked {
        shown: "****".into(),
        of: Some(place()),
        // What a module says of it does not count.
        takes: LookTakes::Agreed(i64::MAX),
        files: Some(7),
    });
    let facts = vec![Fact::new("证件号", masked)];
    let page = Page::new("sealed").block(Block::details("facts", facts));
    PluginGuest::calm("sealed")
        .page_says(serde_json::to_string(&page).unwrap())
        .declares(|def| {
            def["collections"][0]["retention"] = json!({ "purpose": "试验" });
            let fields = def["collections"][0]["fields"].as_array_mut().unwrap();
            fields.push(json!({
                "name": "number", "label": { "zh": "证件号", "en": "" }, "kind": "text", "max": 20,
                "encrypted": true, "mask": "all", "level": "L4", "look": "thing.read",
            }));
            def["seeds"][0]["values"]["number"] = SECRET.into();
        })
}

fn person(n: u32, role: &str, organisation: &str) -> Principal {
    Principal {
        user: Some(user(n)),
        name: format!("用户{n}"),
        roles: vec![role.into()],
        clearance: Level::L4,
        organisation: Some(organisation.into()),
        organisations: vec![organisation.into()],
        request: "test".into(),
        ..Principal::anonymous()
    }
}

/// Who may look, of the bank.
fn asker() -> Principal {
    person(ASKER, TESTER, BANK)
}

/// Who decides the bank's requests.
fn colleague() -> Principal {
    person(2, "organisation.admin", BANK)
}

async fn stage() -> Stage {
    let stage = Stage::with(&[guest()]).await;
    let writes = (ASKER..=3).map(|n| Write::Insert {
        collection: "users".into(),
        id: user(n),
        subject: None,
        organisation: Some(BANK.into()),
        district: None,
        values: serde_json::from_value(json!({
            "name": format!("用户{n}"), "login": format!("user{n}"), "roles": [], "active": true,
            "password": "x",
        }))
        .unwrap(),
    });
    let commit = Commit {
        at: 1,
        module: "platform".into(),
        writes: writes.collect(),
        ..Commit::default()
    };
    stage.host().store().commit(commit).await.unwrap();
    stage
}

async fn look(stage: &Stage, p: &Principal) -> Result<Look, Fault> {
    stage.host().look(p, &sought("核对证件原件")).await
}

/// Within which every request is decided, a look's as any other.
fn hours() -> i64 {
    SessionPolicy::default().organisations.request_hours
}

/// The request that a look waits for.
async fn waits(stage: &Stage, p: &Principal) -> String {
    match look(stage, p).await.unwrap() {
        Look::Waiting(waiting) => waiting.request,
        other => panic!("{other:?}"),
    }
}

async fn sees(stage: &Stage, p: &Principal) {
    let look = look(stage, p).await.unwrap();
    let Look::Shown(shown) = look else {
        panic!("{look:?}");
    };
    assert_eq!(shown.value, SECRET);
    assert_eq!(shown.label, "证件号");
}

async fn decide(stage: &Stage, by: &Principal, verb: &str, id: &str) -> Result<Reply, Fault> {
    let act = Act {
        module: "platform".into(),
        action: format!("request.{verb}"),
        id: Some(id.into()),
        input: json!({ "reason": "情况属实" }),
        ..Act::default()
    };
    stage.host().act(by, act).await
}

/// What the page offers somebody.
async fn offered(stage: &Stage, p: &Principal) -> Option<LookTakes> {
    let ask = Ask {
        path: "/sealed/things".into(),
        ..Ask::default()
    };
    let page = stage.host().page(p, "sealed", ask).await.unwrap();
    let block = page.find_block("facts").unwrap();
    let Body::Details { facts, .. } = &block.body else {
        panic!("{block:?}");
    };
    let Datum::Masked(masked) = &facts[0].value else {
        panic!("{facts:?}");
    };
    masked.of.as_ref().map(|_| masked.takes)
}

/// The trail's records of what begins so, oldest first.
async fn trail(stage: &Stage, action: &str) -> Vec<AuditDraft> {
    let filter = AuditFilter {
        action: Some(action.into()),
        ..AuditFilter::default()
    };
    let found = stage.host().store().audit_find(&filter, 50, 0).await;
    let found = found.unwrap().records.into_iter().rev();
    found.map(|record| record.draft).collect()
}

fn second_person_needed(answer: Result<Reply, Fault>) {
    let fault = answer.unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "second-person-needed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_93_a_most_sensitive_value_takes_two_people_and_is_seen_once() {
    let stage = stage().await;
    let asker = asker();
    assert_eq!(offered(&stage, &asker).await, Some(LookTakes::Second));
    let request = waits(&stage, &asker).await;
    assert_eq!(waits(&stage, &asker).await, request, "asked for once");
    let until = NOW + hours() * 3_600 * SECOND;
    let waiting = Some(LookTakes::Waiting(until));
    assert_eq!(offered(&stage, &asker).await, waiting);

    // Neither who asked, nor the platform's administrators, nor another bank's.
    let mut both = asker.clone();
    both.roles.push("organisation.admin".into());
    second_person_needed(decide(&stage, &both, "approve", &request).await);
    let security = person(3, "platform.security", OTHER_BANK);
    second_person_needed(decide(&stage, &security, "approve", &request).await);
    second_person_needed(decide(&stage, &security, "refuse", &request).await);
    let elsewhere = person(3, "organisation.admin", OTHER_BANK);
    let unseen = decide(&stage, &elsewhere, "approve", &request).await;
    assert_eq!(unseen.unwrap_err().kind, FaultKind::NotFound);
    assert_eq!(waits(&stage, &asker).await, request);

    decide(&stage, &colleague(), "approve", &request)
        .await
        .unwrap();
    let until = NOW + QUARTER * SECOND;
    assert_eq!(
        offered(&stage, &asker).await,
        Some(LookTakes::Agreed(until))
    );
    // It is the asker's alone.
    let other = person(3, TESTER, BANK);
    assert_eq!(offered(&stage, &other).await, Some(LookTakes::Second));
    assert_ne!(waits(&stage, &other).await, request);
    sees(&stage, &asker).await;
    assert_ne!(waits(&stage, &asker).await, request, "once");

    let begun = trail(&stage, "field.look.ask").await;
    assert_eq!(begun[0].actor, user(ASKER));
    assert_eq!(begun[0].object, SEEDED);
    assert_eq!(begun[0].detail["reason"], "核对证件原件");
    assert_eq!(begun[0].detail["request"], Value::from(request.as_str()));
    let approved = trail(&stage, "platform.request.approve").await;
    let outcomes: Vec<&str> = approved.iter().map(|d| d.outcome.as_str()).collect();
    assert_eq!(outcomes, ["refused", "refused", "ok"], "{approved:?}");
    assert_eq!(approved[2].object, request);
    let looks = trail(&stage, "field.look").await;
    let looks: Vec<&AuditDraft> = looks.iter().filter(|d| d.action == "field.look").collect();
    assert_eq!(looks.len(), 1);
    let mut told = looks[0].detail.clone();
    // Of the request, which is used up by it.
    let changes = told.as_object_mut().unwrap().remove("changes");
    assert_eq!(changes.unwrap().as_array().unwrap().len(), 1);
    assert_eq!(
        told,
        json!({
            "collection": "sealed.things", "field": "number", "reason": "核对证件原件",
            "request": request, "approved_by": "用户2",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_93_an_approval_is_good_for_a_quarter_of_an_hour() {
    let stage = stage().await;
    let asker = asker();
    for (passes, is_seen) in [(QUARTER - 1, true), (QUARTER, false)] {
        let request = waits(&stage, &asker).await;
        decide(&stage, &colleague(), "approve", &request)
            .await
            .unwrap();
        stage.clock().advance_seconds(passes);
        if is_seen {
            sees(&stage, &asker).await;
        } else {
            assert_ne!(waits(&stage, &asker).await, request);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_93_what_is_refused_withdrawn_or_too_late_shows_nothing() {
    let stage = stage().await;
    let asker = asker();
    let refused = waits(&stage, &asker).await;
    decide(&stage, &colleague(), "refuse", &refused)
        .await
        .unwrap();
    assert_eq!(trail(&stage, "platform.request.refuse").await.len(), 1);
    let late = waits(&stage, &asker).await;
    assert_ne!(late, refused);
    stage.clock().advance_seconds(hours() * 3_600);
    let answer = decide(&stage, &colleague(), "approve", &late).await;
    assert_eq!(answer.unwrap_err().code, "request-expired");
    assert_eq!(offered(&stage, &asker).await, Some(LookTakes::Second));
    assert_ne!(waits(&stage, &asker).await, late);
    assert_eq!(trail(&stage, "field.look.ask").await.len(), 3);
    assert_eq!(
        trail(&stage, "field.look").await.len(),
        3,
        "no look among them"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_93_of_two_looks_at_once_one_sees_it() {
    let stage = stage().await;
    let asker = asker();
    let request = waits(&stage, &asker).await;
    decide(&stage, &colleague(), "approve", &request)
        .await
        .unwrap();
    let looks = futures_util::future::join_all((0..8).map(|_| look(&stage, &asker))).await;
    let seen = looks
        .iter()
        .filter(|look| matches!(look, Ok(Look::Shown(_))));
    assert_eq!(seen.count(), 1, "{looks:?}");
    for fault in looks.iter().filter_map(|look| look.as_ref().err()) {
        assert_eq!(fault.code, "stale");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_93_an_approval_is_no_permission() {
    let stage = stage().await;
    let request = waits(&stage, &asker()).await;
    decide(&stage, &colleague(), "approve", &request)
        .await
        .unwrap();
    // Nor for another organisation that the asker acts for, nor does a colleague who agrees see it.
    let elsewhere = person(ASKER, TESTER, OTHER_BANK);
    assert_ne!(waits(&stage, &elsewhere).await, request);
    for p in [person(ASKER, "nobodys.role", BANK), colleague()] {
        let fault = look(&stage, &p).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Forbidden);
    }
    sees(&stage, &asker()).await;

    let nobody = Principal {
        organisation: None,
        ..asker()
    };
    let program = Principal {
        user: Some("01930000-0000-7000-8000-00000000c001".into()),
        ..asker()
    };
    for p in [nobody, program] {
        let fault = look(&stage, &p).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Forbidden, "{fault:?}");
    }
    let long = "看".repeat(201);
    for (reason, code) in [
        ("", "required"),
        (" 看 ", "required"),
        ("核对\n证件", "control-character"),
        (&long, "too-long"),
    ] {
        let bad = stage.host().look(&asker(), &sought(reason)).await;
        let bad = bad.unwrap_err();
        assert_eq!(bad.kind, FaultKind::Invalid, "{reason}");
        assert_eq!(bad.fields[0].code, code, "{reason}");
    }
}

fn at(clearance: Level, p: Principal) -> Principal {
    Principal { clearance, ..p }
}

fn clearance_needed(fault: &Fault, level: &str) {
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "clearance-needed"),
        "{fault:?}"
    );
    assert!(fault.message.contains(level), "{}", fault.message);
}

/// The clause's own case: the permission, a reason and a second person are there, the clearance is not.
#[tokio::test(flavor = "multi_thread")]
async fn dj_08_a_look_above_the_clearance_is_refused_whoever_agreed() {
    let stage = stage().await;
    for clearance in [Level::L1, Level::L2, Level::L3] {
        let low = at(clearance, asker());
        assert_eq!(offered(&stage, &low).await, None, "{clearance:?}");
        let fault = look(&stage, &low).await.unwrap_err();
        clearance_needed(&fault, "L4");
    }
    let refused = trail(&stage, "field.look").await;
    assert_eq!(refused.len(), 3, "on record as any that is refused");
    assert_eq!(refused[0].detail["code"], "clearance-needed");

    // Agreed to, and lowered a moment before it is taken.
    let request = waits(&stage, &asker()).await;
    decide(&stage, &colleague(), "approve", &request)
        .await
        .unwrap();
    let low = at(Level::L3, asker());
    clearance_needed(&look(&stage, &low).await.unwrap_err(), "L4");
    // That used nothing up.
    sees(&stage, &asker()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_08_a_second_person_is_cleared_for_what_they_agree_to() {
    let stage = stage().await;
    let request = waits(&stage, &asker()).await;
    let low = at(Level::L3, colleague());
    for verb in ["approve", "refuse"] {
        let fault = decide(&stage, &low, verb, &request).await.unwrap_err();
        clearance_needed(&fault, "L4");
    }
    let ask = Ask {
        path: "/platform/requests".into(),
        ..Ask::default()
    };
    for (p, off) in [(low, true), (colleague(), false)] {
        let page = stage
            .host()
            .page(&p, "platform", ask.clone())
            .await
            .unwrap();
        let drawn = serde_json::to_string(&page).unwrap();
        assert_eq!(drawn.contains("数据级别上限达到 L4"), off, "{drawn}");
    }
    decide(&stage, &colleague(), "approve", &request)
        .await
        .unwrap();
    sees(&stage, &asker()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_93_a_look_that_is_refused_is_on_record() {
    let stage = stage().await;
    let reader = person(ASKER, "nobodys.role", BANK);
    assert_eq!(
        look(&stage, &reader).await.unwrap_err().kind,
        FaultKind::Forbidden
    );
    let begun = |field: &str, id: &str| Sought {
        place: Place {
            field: field.into(),
            id: id.into(),
            ..place()
        },
        ..sought("核对证件原件")
    };
    // Words of the caller's own are not kept: no such field, no such record.
    for (field, id, kind) in [
        ("title", SEEDED, FaultKind::NotFound),
        ("nothing", SEEDED, FaultKind::NotFound),
        ("number", "nothing", FaultKind::Forbidden),
    ] {
        let refused = stage.host().look(&reader, &begun(field, id)).await;
        assert_eq!(refused.unwrap_err().kind, kind, "{field} of {id}");
    }
    // Nor is a bad reason a refusal, nor what is not found.
    let bare = stage.host().look(&asker(), &sought("")).await;
    assert_eq!(bare.unwrap_err().kind, FaultKind::Invalid);
    let nowhere = begun("number", "01930000-0000-7000-8000-00000000afff");
    let nowhere = stage.host().look(&asker(), &nowhere).await;
    assert_eq!(nowhere.unwrap_err().kind, FaultKind::NotFound);

    let refused = trail(&stage, "field.look").await;
    let objects: Vec<&str> = refused.iter().map(|d| d.object.as_str()).collect();
    assert_eq!(objects, [SEEDED, ""], "{refused:?}");
    for draft in &refused {
        assert_eq!(
            (draft.outcome.as_str(), draft.actor.as_str()),
            ("refused", user(ASKER).as_str())
        );
        let detail = json!({
            "collection": "sealed.things", "field": "number", "code": "forbidden",
        });
        assert_eq!(draft.detail, detail);
    }
}

/// One name, so that whoever looks for it in the trail finds all that was done to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_asked_for_by_one_name() {
    let stage = stage().await;
    let (host, p) = (stage.host(), asker());
    let things = "sealed.things";
    assert!(host.get(&p, things, SEEDED).await.is_ok());
    for id in [
        SEEDED.to_uppercase(),
        SEEDED.replace('-', ""),
        format!("{{{SEEDED}}}"),
        format!("urn:uuid:{SEEDED}"),
    ] {
        let place = Place {
            id: id.clone(),
            ..place()
        };
        let sought = Sought {
            place,
            ..sought("核对证件原件")
        };
        let act = Act {
            module: "sealed".into(),
            action: "thing.send".into(),
            id: Some(id.clone()),
            input: json!({}),
            ..Act::default()
        };
        let answers = [
            host.get(&p, things, &id).await.err(),
            host.look(&p, &sought).await.err(),
            host.act(&p, act).await.err(),
            host.steps(&p, things, &id).await.err(),
            host.history(&p, things, &id).await.err(),
        ];
        for fault in answers {
            assert_eq!(fault.map(|f| f.kind), Some(FaultKind::NotFound), "{id}");
        }
    }
    assert!(trail(&stage, "field.look").await.is_empty());
    waits(&stage, &p).await;
    let asked = trail(&stage, "field.look").await;
    assert!(asked.iter().all(|d| d.object == SEEDED), "{asked:?}");
}
