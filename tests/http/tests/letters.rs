//! Letters of consent over the API: the templates they are signed on, how they are found, and every
//! use of them.

#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{
    BANK, OTHER_BANK, application, audited, in_days, live_model, scored_product, sign_letter, text,
};
use tests_http::{Answer, Browser, Client, Server};

const SIGN: &str = "/api/v1/consent/letters/sign";
const LETTERS: &str = "/api/v1/consent/letters";
const TEMPLATES: &str = "/api/v1/consent/templates";
const EDITIONS: &str = "/api/v1/consent/editions";
/// The template that the platform comes with for applications, and its first version.
const SUPPLIED: &str = "01930000-0000-7000-8000-000000004101";
const FIRST: &str = "01930000-0000-7000-8000-000000004111";

fn done(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["result"].clone()
}

fn letter(template: Option<&str>) -> Value {
    json!({
        "recipient": BANK, "template": template, "items": ["15", "25"], "purposes": ["02"],
        "valid_to": in_days(30), "separate": true, "agree": true,
    })
}

fn record(client: &Client, path: &str) -> Value {
    let found = client.get(path);
    assert_eq!(found.status, 200, "{path}: {}", found.body);
    found.body
}

#[test]
fn row_60_a_revised_template_becomes_version_two_and_letters_keep_theirs() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut operator = server.user("operator");
    let mut security = server.user("security");
    let mut owner = server.user("enterprise");
    let template = format!("{TEMPLATES}/{SUPPLIED}");
    let signed = text(&done(&owner.post(SIGN, &letter(None)))["id"]);
    let first = record(&owner, &format!("{LETTERS}/{signed}"));
    let edition = record(&owner, &format!("{EDITIONS}/{FIRST}"));
    assert_eq!(first["template_digest"], edition["text_digest"]);

    // Version two as a draft, with the place of what is wrong in its text.
    done(&operator.post(&format!("{template}/revise"), &json!({})));
    let supplied = record(&operator, &template);
    let content = |more: &str| {
        json!({
            "name": supplied["name"], "items": supplied["items"],
            "purposes": supplied["purposes"],
            "text": format!("{}\n{more}", text(&supplied["text"])),
        })
    };
    let wrong = operator.post(&format!("{template}/edit"), &content("本{授权}书"));
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    let told = text(&wrong.body["errors"][0]["detail"]);
    assert!(told.contains("行第 2 字的 {授权} 不是可用的变量"), "{told}");
    done(&operator.post(&format!("{template}/edit"), &content("第二版。")));
    done(&operator.post(&format!("{template}/submit"), &json!({})));
    let unpublished = owner.post(SIGN, &letter(Some(SUPPLIED)));
    assert_eq!(
        (unpublished.status, unpublished.code()),
        (422, "consent.template-not-in-force"),
        "{}",
        unpublished.body
    );
    let alone = operator.post(&format!("{template}/publish"), &json!({}));
    assert_eq!(
        (alone.status, alone.code()),
        (422, "consent.same-person"),
        "{}",
        alone.body
    );
    // The other person publishes by the page.
    let mut browser = Browser::signed_in(&server, "security");
    let path = format!("/consent/templates/{SUPPLIED}");
    let page = browser.get(&path);
    assert!(page.html.contains("第二版。"), "what differs is shown");
    let typed = [("_action", "template.publish"), ("_record", SUPPLIED)];
    let published = browser.send(&path, &page, &typed);
    assert_eq!(published.status, 303, "{}", published.html);
    let again = security.post(&format!("{template}/publish"), &json!({}));
    assert_eq!(again.status, 409, "{}", again.body);

    let now = text(&done(&owner.post(SIGN, &letter(None)))["id"]);
    let now = record(&owner, &format!("{LETTERS}/{now}"));
    assert_eq!(now["template_version"], json!(2));
    assert!(text(&now["text"]).contains("第二版。"));
    assert_eq!(record(&owner, &format!("{LETTERS}/{signed}")), first);
    let kept = record(&owner, &format!("{EDITIONS}/{FIRST}"));
    assert_eq!(
        (&kept["text"], &kept["text_digest"]),
        (&edition["text"], &edition["text_digest"])
    );
    assert_eq!(
        owner.post(SIGN, &letter(Some(FIRST))).code(),
        "consent.template-not-in-force"
    );
    assert_eq!(owner.get(TEMPLATES).status, 403, "drafts are the staff's");
    let trail = server.user("auditor");
    let table = audited(&trail, "what=consent.template.publish");
    assert_eq!(
        table["paging"]["total"],
        json!(2),
        "a refusal, and it was done"
    );
}

#[test]
fn row_60_a_template_revoked_for_cause_stops_the_next_read() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut owner = server.user("enterprise");
    let product = scored_product(&owner, BANK);
    sign_letter(&mut owner, BANK);
    let apply = "/api/v1/lending/applications/apply";
    assert_eq!(owner.post(apply, &application(&product)).status, 200);
    let reason = json!({ "reason": "文本有重大错误" });
    let revoke = format!("{EDITIONS}/{FIRST}/revoke");
    assert_eq!(server.user("operator").post(&revoke, &reason).status, 403);
    done(&server.user("security").post(&revoke, &reason));
    let read = owner.post("/api/v1/lending/quotas/estimate", &json!({}));
    assert_eq!(
        (read.status, read.code()),
        (403, "consent.template-revoked"),
        "{}",
        read.body
    );
}

#[test]
fn letters_are_found_by_whose_for_whom_what_for_and_how_they_stand() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let mut sign = |recipient: &str, purpose: &str, days: u64| {
        let mut letter = letter(None);
        letter["recipient"] = json!(recipient);
        letter["purposes"] = json!([purpose]);
        letter["valid_to"] = json!(in_days(days));
        text(&done(&owner.post(SIGN, &letter))["id"])
    };
    let soon = sign(BANK, "04", 10);
    let later = sign(BANK, "02", 60);
    let other = sign(OTHER_BANK, "03", 300);
    let reason = json!({ "reason": "不再合作" });
    done(&owner.post(&format!("{LETTERS}/{later}/revoke"), &reason));
    let found = |client: &Client, asked: &str| {
        let page = client.page(&format!("/consent/letters?{asked}"));
        assert_eq!(page.status, 200, "{}", page.body);
        let mut blocks = page.body["sections"].as_array().unwrap().iter();
        let blocks = blocks.find_map(|s| {
            let mut blocks = s["blocks"].as_array().unwrap().iter();
            blocks.find(|b| b["id"] == "letters").cloned()
        });
        let rows = blocks.unwrap()["rows"].clone();
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter().map(|r| text(&r["key"])).collect::<Vec<_>>()
    };
    let enterprise = server.user("enterprise");
    for (asked, expected) in [
        (String::new(), vec![&other, &later, &soon]),
        (format!("recipient={OTHER_BANK}"), vec![&other]),
        ("purpose=04".to_owned(), vec![&soon]),
        ("state=soon".to_owned(), vec![&soon]),
        ("state=revoked".to_owned(), vec![&later]),
        ("state=valid".to_owned(), vec![&other, &soon]),
        (format!("from={}", in_days(100)), vec![&other]),
        ("q=pucheng".to_owned(), vec![&other]),
        ("state=expired".to_owned(), vec![]),
    ] {
        let found = found(&enterprise, &asked);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{asked}");
    }
    // A bank finds those addressed to it, the auditor all.
    let officer = server.user("officer");
    assert_eq!(
        found(&officer, "purpose=04&state=soon"),
        std::slice::from_ref(&soon)
    );
    assert!(!found(&officer, "").contains(&other));
    let auditor = server.user("auditor");
    let expired = found(&auditor, "state=expired&q=澄湖");
    assert_eq!(expired, ["01930000-0000-7000-8000-000000004001"]);
    assert!(found(&auditor, "").contains(&other));
    let shown = auditor.page(&format!("/consent/letters/{}", expired[0]));
    assert!(shown.body.to_string().contains("已到期"), "{}", shown.body);
    let wrong = enterprise.page("/consent/letters?from=soon");
    assert!(wrong.body.to_string().contains("日期没有采用"));

    // What ends soon is told on the home page of those whose letter it is.
    for (login, told) in [("enterprise", true), ("officer", true), ("officer2", false)] {
        let home = server.user(login).page("/");
        let words = home.body.to_string();
        assert_eq!(words.contains("即将到期的授权书"), told, "{login}");
    }
}

/// The trail's reads under a letter, as business, purpose and items.
fn read_under(auditor: &Client, letter: &str) -> Vec<[String; 3]> {
    let table = audited(auditor, "what=model.score&outcome=done");
    let rows = table["rows"].as_array().into_iter().flatten();
    let mut all: Vec<[String; 3]> = rows
        .filter_map(|row| {
            let page = auditor.page(&text(&row["to"])).body;
            let mut sections = page["sections"].as_array()?.iter();
            let detail = sections.find_map(|s| {
                let mut blocks = s["blocks"].as_array()?.iter();
                blocks.find(|b| b["id"] == "detail").cloned()
            })?;
            let facts = detail["facts"].as_array()?.clone();
            let told = |label: &str| {
                let fact = facts.iter().find(|f| f["label"] == label)?;
                Some(text(&fact["value"]["value"]))
            };
            let of = told("授权书编号")?;
            (of == letter).then_some(())?;
            Some([told("业务记录")?, told("用途代码")?, told("数据项目录")?])
        })
        .collect();
    all.sort();
    all
}

#[test]
fn row_62_every_use_of_a_letter_is_listed_and_none_follows_its_revocation() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut owner = server.user("enterprise");
    let product = scored_product(&owner, BANK);
    let letter = sign_letter(&mut owner, BANK);
    let estimate = "/api/v1/lending/quotas/estimate";
    for _ in 0..2 {
        done(&owner.post(estimate, &json!({})));
    }
    let apply = "/api/v1/lending/applications/apply";
    let applied = text(&done(&owner.post(apply, &application(&product)))["id"]);

    let uses = record(
        &owner,
        &format!("/api/v1/consent/uses?letter={letter}&size=50"),
    );
    let mut listed: Vec<[String; 3]> = uses["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| {
            let items = u["items"].as_array().unwrap().iter().map(text);
            let items = items.collect::<Vec<_>>().join("、");
            [text(&u["reference"]), text(&u["purpose"]), items]
        })
        .collect();
    listed.sort();
    assert_eq!(listed.len(), 3, "{uses}");
    assert!(
        listed
            .iter()
            .any(|[reference, purpose, _]| *reference == applied && purpose == "02")
    );
    let auditor = server.user("auditor");
    assert_eq!(
        listed,
        read_under(&auditor, &letter),
        "the list is the trail"
    );
    let counted = record(&owner, &format!("{LETTERS}/{letter}"));
    assert_eq!(counted["uses"], json!(3));

    // On the letter's page, for those whose letter it is and for nobody else.
    let path = format!("/consent/letters/{letter}");
    for login in ["enterprise", "officer", "auditor"] {
        let page = server.user(login).page(&path).body.to_string();
        assert!(
            page.contains("使用记录") && page.contains("25 纳税信用等级"),
            "{login}: {page}"
        );
    }
    for login in ["enterprise2", "officer2"] {
        let client = server.user(login);
        assert_eq!(client.page(&path).status, 404, "{login}");
        let theirs = record(&client, &format!("/api/v1/consent/uses?letter={letter}"));
        assert_eq!(theirs["items"], json!([]), "{login}");
    }

    let reason = json!({ "reason": "不再需要" });
    done(&owner.post(&format!("{LETTERS}/{letter}/revoke"), &reason));
    let next = owner.post(estimate, &json!({}));
    assert_eq!(
        (next.status, next.code()),
        (403, "consent.revoked"),
        "{}",
        next.body
    );
    assert_eq!(read_under(&auditor, &letter).len(), 3, "past use is kept");
}
