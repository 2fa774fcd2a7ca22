//! The registers as whoever keeps them meets them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::error::FaultKind;
use sdk::contract::page::{Page, check};
use sdk::serde_json::{Value, json};
use sdk_testkit::{User, World, scenario};

/// What the home page says is due.
fn due(user: &User<'_>) -> String {
    let home = user.home().unwrap();
    let block = home.find_block("privacy-due");
    block.map_or_else(String::new, |b| sdk::serde_json::to_string(b).unwrap())
}

fn drawn(page: &Page) -> String {
    check(page).unwrap();
    sdk::serde_json::to_string(page).unwrap()
}

fn made(user: &User<'_>, action: &str, input: Value) -> String {
    let made = user.act(action, None, input).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

#[scenario([plugin_privacy::module()])]
fn pi_05_an_assessment_is_concluded_kept_and_due_again(t: &World) {
    let keeper = t.user("security");
    check(&keeper.page("/privacy/assessments").unwrap()).unwrap();
    let written = json!({
        "activity": "银行评分模型调用信用信息", "situation": "automated",
        "purpose": "贷前审查，按授权书读取", "categories": "税务、社保、信用记录",
        "necessity": "凭授权书，只取模型声明的字段", "risks": "歧视、错误拒绝",
        "measures": "独立验证、可解释、人工复核",
    });
    let id = made(&keeper, "privacy.assessment.draft", written);
    let path = format!("/privacy/assessments/{id}");
    assert!(keeper.page(&path).unwrap().form("conclude").is_some());
    assert!(
        t.user("auditor")
            .page(&path)
            .unwrap()
            .form("conclude")
            .is_none()
    );

    let conclude = |next_due: &str| {
        let input = json!({
            "verdict": "conditional", "opinion": "人工复核上线后开展", "next_due": next_due,
        });
        keeper.act("privacy.assessment.conclude", Some(&id), input)
    };
    for day in ["2026-11-23", "2030-01-01"] {
        assert_eq!(
            conclude(day).unwrap_err().fields[0].field,
            "next_due",
            "{day}"
        );
    }
    conclude("2027-11-22").unwrap();
    let stored = keeper.get("privacy.assessments", &id).unwrap();
    assert_eq!(
        (&stored["status"], &stored["assessed_by"]),
        (&json!("concluded"), &json!("贺承安"))
    );
    let changed = json!({
        "purpose": "x", "categories": "x", "necessity": "x", "risks": "x", "measures": "x",
    });
    let late = keeper.act("privacy.assessment.revise", Some(&id), changed.clone());
    assert_eq!(late.unwrap_err().code, "privacy.concluded");

    assert!(due(&keeper).is_empty());
    t.advance_days(350);
    assert!(due(&keeper).contains("还有 14 天"), "{}", due(&keeper));
    t.advance_days(16);
    assert!(due(&keeper).contains("逾期 2 天"), "{}", due(&keeper));
    // Three years later it is there still, with how it came to its conclusion.
    t.advance_days(3 * 366);
    let reason = json!({ "reason": "到期重新评估" });
    keeper
        .act("privacy.assessment.reopen", Some(&id), reason)
        .unwrap();
    let again = keeper.get("privacy.assessments", &id).unwrap();
    assert_eq!(
        (&again["status"], &again["verdict"]),
        (&json!("draft"), &Value::Null)
    );
    keeper
        .act("privacy.assessment.revise", Some(&id), changed)
        .unwrap();
    assert!(drawn(&keeper.page(&path).unwrap()).contains("银行评分模型调用信用信息"));
}

#[scenario([plugin_privacy::module()])]
fn pi_05_a_processor_is_supervised_until_the_end_of_its_term(t: &World) {
    let keeper = t.user("security");
    let terms = |since: &str, until: &str| {
        json!({
            "name": "沪上短信服务有限公司", "purpose": "发送验证短信", "categories": "手机号码",
            "measures": "专线、日志留存、不得转委托", "contract": "WT-2026-011",
            "since": since, "until": until, "supervise_by": "2027-02-01",
        })
    };
    let wrong = keeper.act(
        "privacy.processor.register",
        None,
        terms("2027-01-01", "2026-12-31"),
    );
    assert_eq!(wrong.unwrap_err().fields[0].field, "until");
    let input = terms("2026-11-01", "2027-10-31");
    let id = made(&keeper, "privacy.processor.register", input);
    let path = format!("/privacy/processors/{id}");
    assert!(drawn(&keeper.page(&path).unwrap()).contains("WT-2026-011"));
    assert!(drawn(&keeper.page("/privacy/processors?q=短信").unwrap()).contains("委托中"));

    t.advance_days(71);
    assert!(due(&keeper).contains("逾期 1 天"), "{}", due(&keeper));
    let looked = json!({ "supervision": "抽查日志，无异常", "supervise_by": "2027-10-31" });
    keeper
        .act("privacy.processor.supervise", Some(&id), looked.clone())
        .unwrap();
    assert!(due(&keeper).is_empty());
    let returned = json!({ "returned": "已删除并出具证明" });
    keeper
        .act("privacy.processor.end", Some(&id), returned)
        .unwrap();
    let late = keeper.act("privacy.processor.supervise", Some(&id), looked);
    assert_eq!(late.unwrap_err().code, "privacy.ended");
    assert!(drawn(&keeper.page(&path).unwrap()).contains("已删除并出具证明"));
}

fn incident(drill: bool, grade: &str) -> Value {
    json!({
        "title": "合作机构接口日志外泄", "drill": drill, "grade": grade,
        "found_at": "2026-11-23T01:00:00Z", "categories": "姓名、手机号码", "people": 37,
        "cause": "日志级别误配", "harm": "骚扰电话、诈骗", "remedy": "停用接口、删除日志",
        "advice": "警惕陌生来电，勿透露验证码",
    })
}

#[scenario([plugin_privacy::module()])]
fn pi_06_an_incident_is_told_in_time_and_closed_with_what_was_learnt(t: &World) {
    let keeper = t.user("security");
    let page = keeper.page("/privacy/incidents").unwrap();
    assert!(drawn(&page).contains("报告时限"));
    let form = page.form("report").unwrap();
    let drill = form.fields().find(|f| f.name == "drill").unwrap();
    assert!(!drill.required, "most are none");
    let mut later = incident(false, "major");
    later["found_at"] = json!("2026-11-24T01:00:00Z");
    let early = keeper
        .act("privacy.incident.report", None, later)
        .unwrap_err();
    assert_eq!(early.fields[0].field, "found_at");
    // Found an hour ago; the rule's four hours begin then.
    let id = made(&keeper, "privacy.incident.report", incident(false, "major"));
    let stored = keeper.get("privacy.incidents", &id).unwrap();
    let until = stored["report_by"].as_str().unwrap();
    assert!(until.starts_with("2026-11-23T05:00:00"), "{until}");
    let path = format!("/privacy/incidents/{id}");
    assert!(drawn(&keeper.page(&path).unwrap()).contains("还有 3 小时"));
    assert!(due(&keeper).contains("还有 3 小时"));
    t.advance_seconds(4 * 3600);
    assert!(due(&keeper).contains("逾期 1 小时"));

    let act = |verb: &str, input: Value| {
        keeper.act(&format!("privacy.incident.{verb}"), Some(&id), input)
    };
    let lessons = || json!({ "lessons": "上线前检查日志级别" });
    assert_eq!(
        act("close", lessons()).unwrap_err().code,
        "privacy.not-told"
    );
    let told = |at: &str| json!({ "authority": "市委网信办", "authority_at": at });
    for at in ["2026-11-23T00:59:59Z", "2026-11-23T23:00:00Z"] {
        let wrong = act("tell-authority", told(at)).unwrap_err();
        assert_eq!(wrong.fields[0].field, "authority_at", "{at}");
    }
    act("tell-authority", told("2026-11-23T05:30:00Z")).unwrap();
    assert_eq!(
        act("close", lessons()).unwrap_err().code,
        "privacy.not-told"
    );
    let persons = json!({ "persons": "站内信与短信", "persons_at": "2026-11-23T05:45:00Z" });
    act("tell-persons", persons).unwrap();
    assert!(due(&keeper).contains("待办结"));
    act("close", lessons()).unwrap();
    assert!(due(&keeper).is_empty());
    let known = json!({
        "categories": "x", "people": 1, "cause": "x", "harm": "x", "remedy": "x", "advice": "x",
    });
    assert_eq!(act("amend", known).unwrap_err().code, "privacy.closed");
    assert_eq!(
        act("close", lessons()).unwrap_err().kind,
        FaultKind::Conflict
    );
    assert!(drawn(&keeper.page(&path).unwrap()).contains("上线前检查日志级别"));
}

#[scenario([plugin_privacy::module()])]
fn pi_06_a_drill_takes_the_same_way_under_the_deadline_that_was_set(t: &World) {
    let keeper = t.user("security");
    let severe = keeper.find("privacy.deadlines", &[("grade", "severe")]);
    let deadline = severe[0]["id"].as_str().unwrap();
    assert_eq!(severe[0]["hours"], json!(1));
    let set = json!({ "hours": 2, "basis": "主管部门 2026 年通知" });
    let by_auditor = t
        .user("auditor")
        .act("privacy.deadline.set", Some(deadline), set.clone());
    assert_eq!(by_auditor.unwrap_err().kind, FaultKind::Forbidden);
    keeper
        .act("privacy.deadline.set", Some(deadline), set)
        .unwrap();
    let page = format!("/privacy/deadlines/{deadline}");
    assert!(drawn(&keeper.page(&page).unwrap()).contains("主管部门 2026 年通知"));

    let id = made(&keeper, "privacy.incident.report", incident(true, "severe"));
    let stored = keeper.get("privacy.incidents", &id).unwrap();
    assert!(
        stored["report_by"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-23T03:00:00")
    );
    assert!(due(&keeper).contains("事件演练"));
    // Who need not be told is said why.
    let act = |verb: &str, input: Value| {
        keeper.act(&format!("privacy.incident.{verb}"), Some(&id), input)
    };
    let told = json!({ "authority": "演练：未报送", "authority_at": "2026-11-23T02:00:00Z" });
    act("tell-authority", told).unwrap();
    act("tell-persons", json!({ "persons": "演练，不通知个人" })).unwrap();
    act("close", json!({ "lessons": "值守电话已更新" })).unwrap();
    assert_eq!(
        keeper.get("privacy.incidents", &id).unwrap()["persons_at"],
        Value::Null
    );
}

/// The demo's enterprise, as people write it.
const MINE: &str = "上海云杉智能装备有限公司";

/// What somebody was told, newest first: title and where it leads.
fn told(user: &User<'_>) -> Vec<(String, String)> {
    let text = |n: &sdk::Map, name: &str| n[name].as_str().unwrap().to_owned();
    let notices = user.notices().unwrap();
    notices
        .iter()
        .map(|n| {
            (
                n["title"]["zh"].as_str().unwrap().to_owned(),
                text(n, "path"),
            )
        })
        .collect()
}

#[scenario([plugin_privacy::module()])]
fn pi_06_whoever_an_incident_concerns_is_told_once_and_reads_what_the_law_asks_for(t: &World) {
    let (keeper, owner) = (t.user("security"), t.user("enterprise"));
    let id = made(&keeper, "privacy.incident.report", incident(false, "major"));
    let path = format!("/privacy/incidents/{id}");
    assert!(keeper.page(&path).unwrap().form("tell").is_some());
    let act = |verb: &str, input: Value| {
        keeper.act(&format!("privacy.incident.{verb}"), Some(&id), input)
    };
    let mine = MINE;
    let to = |names: &str| json!({ "receivers": names, "contact": "运营中心安全岗 021-60000000" });
    // One name that fits nobody, and nobody is told.
    let wrong = act("tell", to(&format!("{mine}\n无此企业"))).unwrap_err();
    assert_eq!(wrong.fields[0].field, "receivers");
    assert!(wrong.fields[0].message.contains("无此企业"), "{wrong:?}");
    assert_eq!(
        act("tell", to(" \n ")).unwrap_err().fields[0].field,
        "receivers"
    );
    assert!(told(&owner).is_empty());
    // By name and by code, some of them twice.
    let done = act("tell", to(&format!("{mine}\nHJ00\n{mine}\n沪江银行"))).unwrap();
    assert_eq!(done["told"], json!(2));
    let again = act("tell", to(mine)).unwrap();
    assert_eq!(again["told"], Value::Null);
    let stored = keeper.get("privacy.incidents", &id).unwrap();
    assert_eq!(
        (&stored["told"], &stored["persons"]),
        (&json!(2), &json!("向受影响的主体发送站内信"))
    );
    assert!(stored["told_at"].is_string() && stored["persons_at"].is_string());
    assert_eq!(keeper.find("privacy.tellings", &[]).len(), 2);
    assert!(drawn(&keeper.page(&path).unwrap()).contains("已通知的主体"));

    let heard = told(&owner);
    let [(title, place)] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!(title, "您的信息可能受到安全事件影响");
    let read = drawn(&owner.page(place).unwrap());
    for words in [
        "姓名、手机号码",
        "日志级别误配",
        "骚扰电话、诈骗",
        "停用接口",
        "勿透露验证码",
        "021-60000000",
    ] {
        assert!(read.contains(words), "{words}: {read}");
    }
    assert_eq!(
        told(&t.user("officer")).len(),
        1,
        "the bank was told by its code"
    );
    // Who was not told finds nothing, and what was told stays as it was.
    let other = t.user("enterprise2");
    assert!(told(&other).is_empty());
    assert_eq!(other.page(place).unwrap_err().kind, FaultKind::NotFound);
    assert!(other.find("privacy.tellings", &[]).is_empty());
    let known = json!({
        "categories": "姓名", "people": 1, "cause": "x", "harm": "x", "remedy": "x", "advice": "x",
    });
    act("amend", known).unwrap();
    assert!(drawn(&owner.page(place).unwrap()).contains("日志级别误配"));
    let by_owner = owner.act("privacy.incident.tell", Some(&id), to(mine));
    assert_eq!(by_owner.unwrap_err().kind, FaultKind::Forbidden);
}

#[scenario([plugin_privacy::module()])]
fn pi_06_a_drill_goes_to_nobody_outside(t: &World) {
    let keeper = t.user("security");
    let id = made(&keeper, "privacy.incident.report", incident(true, "major"));
    let page = keeper.page(&format!("/privacy/incidents/{id}")).unwrap();
    assert!(page.form("tell").is_none());
    let input = json!({ "receivers": MINE, "contact": "021-60000000" });
    let refused = keeper.act("privacy.incident.tell", Some(&id), input);
    assert_eq!(refused.unwrap_err().code, "privacy.drill");
    assert!(told(&t.user("enterprise")).is_empty());
}

#[scenario([plugin_privacy::module()])]
fn pi_06_a_report_that_becomes_late_is_told_of(t: &World) {
    let keeper = t.user("security");
    let id = made(&keeper, "privacy.incident.report", incident(false, "major"));
    let place = format!("/privacy/incidents/{id}");
    assert!(told(&keeper).is_empty());
    t.advance_seconds(2 * 3600 + 900);
    let soon = ("安全事件的报告期限不足一小时".to_owned(), place.clone());
    assert_eq!(told(&keeper), std::slice::from_ref(&soon));
    t.advance_seconds(3600);
    let late = ("安全事件逾期未报告".to_owned(), place.clone());
    assert_eq!(told(&keeper), [late.clone(), soon.clone()]);
    // Once for each day that it is late, and no more once it was reported.
    t.advance_days(1);
    assert_eq!(told(&keeper), [late.clone(), late.clone(), soon.clone()]);
    let report = json!({ "authority": "市委网信办", "authority_at": "2026-11-24T05:00:00Z" });
    keeper
        .act("privacy.incident.tell-authority", Some(&id), report)
        .unwrap();
    t.advance_days(2);
    assert_eq!(told(&keeper).len(), 3);
    // Only those who keep the registers are told.
    assert!(told(&t.user("auditor")).is_empty() && told(&t.user("operator")).is_empty());
}

#[scenario([plugin_privacy::module()])]
fn the_registers_are_for_those_who_answer_for_them(t: &World) {
    let keeper = t.user("security");
    made(&keeper, "privacy.incident.report", incident(false, "minor"));
    for login in ["enterprise", "officer", "government"] {
        let user = t.user(login);
        assert!(user.try_find("privacy.incidents", &[]).is_err(), "{login}");
        let fault = user.page("/privacy/incidents").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Forbidden, "{login}");
        let refused = user.act("privacy.incident.report", None, incident(false, "minor"));
        assert_eq!(refused.unwrap_err().kind, FaultKind::Forbidden, "{login}");
    }
    let auditor = t.user("auditor");
    assert_eq!(auditor.find("privacy.incidents", &[]).len(), 1);
    assert!(
        auditor
            .page("/privacy/incidents")
            .unwrap()
            .form("report")
            .is_none()
    );
    assert!(due(&auditor).is_empty());
}
