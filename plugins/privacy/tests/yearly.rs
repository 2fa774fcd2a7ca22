//! Important data and the yearly look at risks, as whoever keeps the registers meets them.

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

/// What somebody was told, newest first.
fn told(user: &User<'_>) -> Vec<String> {
    let notices = user.notices().unwrap();
    let title = |n: &sdk::Map| n["title"]["zh"].as_str().unwrap().to_owned();
    notices.iter().map(title).collect()
}

fn held(class: &str, review_by: &str) -> Value {
    json!({
        "name": "企业纳税与社保数据", "place": "信用数据：纳税记录、参保记录", "class": class,
        "basis": "地区重要数据识别规则（试行）", "quantity": "约 30 万户", "keeper": "数据安全部 贺承安",
        "measures": "加密、脱敏、凭授权读取", "review_by": review_by,
    })
}

#[scenario([plugin_privacy::module()])]
fn ds_01_important_data_is_listed_looked_at_again_and_told_to_the_authorities(t: &World) {
    let keeper = t.user("security");
    let early = keeper.act(
        "privacy.holding.register",
        None,
        held("important", "2026-11-23"),
    );
    assert_eq!(early.unwrap_err().fields[0].field, "review_by");
    let unknown = keeper.act(
        "privacy.holding.register",
        None,
        held("secret", "2027-05-01"),
    );
    assert_eq!(unknown.unwrap_err().kind, FaultKind::Invalid);
    let id = made(
        &keeper,
        "privacy.holding.register",
        held("important", "2027-01-15"),
    );
    let path = format!("/privacy/holdings/{id}");
    let page = drawn(&keeper.page(&path).unwrap());
    assert!(
        page.contains("重要数据") && page.contains("约 30 万户"),
        "{page}"
    );
    assert!(drawn(&keeper.page("/privacy/holdings?q=纳税").unwrap()).contains(&id));
    let act =
        |verb: &str, input: Value| keeper.act(&format!("privacy.holding.{verb}"), Some(&id), input);
    let sent = |on: &str| json!({ "reported_to": "市委网信办", "reported_on": on });
    assert_eq!(
        act("report", sent("2026-11-24")).unwrap_err().fields[0].field,
        "reported_on"
    );
    act("report", sent("2026-11-20")).unwrap();

    // Due, on the home page and in a notice, once; then late.
    assert!(due(&keeper).is_empty() && told(&keeper).is_empty());
    t.advance_days(25);
    assert!(due(&keeper).contains("还有 28 天"), "{}", due(&keeper));
    assert_eq!(told(&keeper), ["重要数据目录即将到期，请安排"]);
    t.advance_days(30);
    assert_eq!(
        told(&keeper),
        [
            "重要数据目录已逾期，请尽快办理",
            "重要数据目录即将到期，请安排"
        ]
    );
    let mut again = held("core", "2028-01-10");
    for fixed in ["name", "place"] {
        again.as_object_mut().unwrap().remove(fixed);
    }
    act("review", again.clone()).unwrap();
    assert!(due(&keeper).is_empty());
    assert_eq!(
        keeper.get("privacy.holdings", &id).unwrap()["class"],
        json!("core")
    );
    act("remove", json!({ "reason": "数据已移交并删除" })).unwrap();
    assert_eq!(act("review", again).unwrap_err().code, "privacy.removed");
    assert!(drawn(&t.user("auditor").page(&path).unwrap()).contains("数据已移交并删除"));
    assert!(t.user("officer").try_find("privacy.holdings", &[]).is_err());
}

#[scenario([plugin_privacy::module()])]
fn ds_01_risks_are_assessed_every_year(t: &World) {
    let keeper = t.user("security");
    let list = "/privacy/reviews";
    let none = "一年内没有完成过风险评估";
    assert!(drawn(&keeper.page(list).unwrap()).contains(none));
    let written = |title: &str| {
        json!({
            "title": title, "scope": "平台全部处理活动", "data": "重要数据一种，约 30 万户",
            "findings": "接口调用方过多", "measures": "收窄授权，2027 年 3 月底前完成",
        })
    };
    let concluded = |title: &str| {
        let id = made(&keeper, "privacy.review.draft", written(title));
        let conclusion = json!({ "risk": "medium", "conclusion": "措施落实后风险可控" });
        keeper
            .act("privacy.review.conclude", Some(&id), conclusion)
            .unwrap();
        id
    };
    let id = made(&keeper, "privacy.review.draft", written("草稿"));
    assert!(
        keeper
            .page(&format!("{list}/{id}"))
            .unwrap()
            .form("revise")
            .is_some()
    );
    assert!(
        drawn(&keeper.page(list).unwrap()).contains(none),
        "a draft is none"
    );
    let first = concluded("2026 年度");
    assert!(!drawn(&keeper.page(list).unwrap()).contains(none));
    let stored = keeper.get("privacy.reviews", &first).unwrap();
    assert_eq!(
        (&stored["next_due"], &stored["assessed_by"]),
        (&json!("2027-11-23"), &json!("贺承安"))
    );
    let page = keeper.page(&format!("{list}/{first}")).unwrap();
    assert!(drawn(&page).contains("报告未归档") && page.form("file").is_some());
    let mut changed = written("x");
    changed.as_object_mut().unwrap().remove("title");
    let late = keeper.act("privacy.review.revise", Some(&first), changed);
    assert_eq!(late.unwrap_err().code, "privacy.concluded");

    t.advance_days(336);
    assert!(due(&keeper).contains("年度风险评估"), "{}", due(&keeper));
    t.advance_days(40);
    assert_eq!(
        told(&keeper),
        [
            "年度风险评估已逾期，请尽快办理",
            "年度风险评估即将到期，请安排"
        ]
    );
    assert!(drawn(&keeper.page(list).unwrap()).contains(none));
    // The next one takes its place.
    concluded("2027 年度");
    assert!(due(&keeper).is_empty());
    assert_eq!(
        keeper.get("privacy.reviews", &first).unwrap()["next_due"],
        Value::Null
    );
    assert!(t.user("officer").page(list).is_err());
}

#[scenario([plugin_privacy::module()])]
fn more_than_one_run_takes_are_all_told_of_once(t: &World) {
    const MANY: usize = 43;
    let keeper = t.user("security");
    for _ in 0..MANY {
        made(
            &keeper,
            "privacy.holding.register",
            held("important", "2026-12-20"),
        );
    }
    for days in [1, 1] {
        t.advance_days(days);
        let all = told(&keeper);
        assert_eq!(all.len(), MANY, "{all:?}");
    }
}
