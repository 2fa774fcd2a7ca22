//! Signing, seeing and revoking letters.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use sdk::Map;
use sdk::contract::error::FaultKind;
use sdk::contract::page::{Body, FieldKind, check};
use sdk::serde_json::{Value, json};
use sdk_testkit::{Setting, User, World, scenario};

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";

fn city() -> Setting {
    Setting::of([
        plugin_enterprise::module(),
        plugin_credit::module(),
        plugin_market::module(),
        plugin_consent::module(),
    ])
}

/// A scenario's first day is 2026-11-23.
fn terms() -> Value {
    json!({
        "recipient": HUJIANG, "items": ["25", "26"], "purposes": ["02"],
        "valid_to": "2027-02-21", "separate": true, "agree": true,
    })
}

#[scenario(city())]
fn pi_01_a_letter_is_effective_at_once_and_keeps_its_text(t: &World) {
    let owner = t.user("enterprise");
    let made = owner.act("consent.letter.sign", None, terms()).unwrap();
    let id = made["id"].as_str().unwrap();
    let letter = owner.get("consent.letters", id).unwrap();
    assert_eq!(
        (&letter["status"], &letter["uses"]),
        (&json!("effective"), &json!(0))
    );
    assert_eq!(letter["text_digest"].as_str().map(str::len), Some(64));
    let text = letter["text"].as_str().unwrap();
    for part in [
        "上海云杉智能装备有限公司",
        "沪江银行",
        "2026-11-23 至 2027-02-21",
        "林知远",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let page = owner.page(&format!("/consent/letters/{id}")).unwrap();
    check(&page).unwrap();
    assert_eq!(
        page.status.as_ref().map(|s| s.label.as_str()),
        Some("生效中")
    );
    assert_eq!(page.actions.len(), 1, "it can be revoked");
}

#[scenario(city())]
fn mm_4h_a_letter_and_its_end_are_signed(t: &World) {
    let owner = t.user("enterprise");
    let made = owner.act("consent.letter.sign", None, terms()).unwrap();
    let id = made["id"].as_str().unwrap();
    let signed = |user: &User<'_>| user.signatures("consent.letters", id);
    assert_eq!(signed(&owner).unwrap(), ["consent.letter.sign"]);
    let reason = json!({ "reason": "不再需要" });
    owner
        .act("consent.letter.revoke", Some(id), reason.clone())
        .unwrap();
    let both = ["consent.letter.sign", "consent.letter.revoke"];
    assert_eq!(signed(&owner).unwrap(), both);
    let again = owner.act("consent.letter.revoke", Some(id), reason);
    assert_eq!(again.unwrap_err().kind, FaultKind::Conflict);
    assert_eq!(
        signed(&owner).unwrap(),
        both,
        "what is not done is not signed"
    );
    assert_eq!(signed(&t.user("officer")).unwrap(), both);
    let stranger = signed(&t.user("enterprise2")).unwrap_err();
    assert_eq!(stranger.kind, FaultKind::NotFound);
}

#[scenario(city())]
fn a_digest_is_of_the_text(t: &World) {
    use sm3::{Digest, Sm3};
    t.user("enterprise")
        .act("consent.letter.sign", None, terms())
        .unwrap();
    let all = t.user("auditor").find("consent.letters", &[]);
    assert_eq!(all.len(), 3, "two of the demo and this one");
    for letter in all {
        let text = letter["text"].as_str().unwrap();
        let kept = letter["text_digest"].as_str().unwrap();
        let bytes: Vec<u8> = (0..kept.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&kept[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(bytes, Sm3::digest(text).to_vec(), "{}", letter["number"]);
    }
}

#[scenario(city())]
fn only_the_recipient_and_the_grantor_see_a_letter(t: &World) {
    let made = t
        .user("enterprise")
        .act("consent.letter.sign", None, terms())
        .unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(t.user("officer").get("consent.letters", id).is_ok());
    let seen = t
        .user("officer")
        .page(&format!("/consent/letters/{id}"))
        .unwrap();
    assert!(seen.actions.is_empty(), "a bank revokes nothing");
    for login in ["officer2", "enterprise2"] {
        assert_eq!(
            t.user(login).get("consent.letters", id).unwrap_err().kind,
            FaultKind::NotFound,
            "{login}"
        );
    }
    assert!(t.anonymous().try_find("consent.letters", &[]).is_err());
}

#[scenario(city())]
fn a_revoked_letter_stays_on_record(t: &World) {
    let owner = t.user("enterprise");
    let made = owner.act("consent.letter.sign", None, terms()).unwrap();
    let id = made["id"].as_str();
    let reason = json!({ "reason": "不再合作" });
    let by_bank = t
        .user("officer")
        .act("consent.letter.revoke", id, reason.clone())
        .unwrap_err();
    assert_eq!(by_bank.kind, FaultKind::Forbidden);
    owner
        .act("consent.letter.revoke", id, reason.clone())
        .unwrap();
    let letter = owner.get("consent.letters", id.unwrap()).unwrap();
    assert_eq!(
        (&letter["status"], &letter["reason"]),
        (&json!("revoked"), &json!("不再合作"))
    );
    let again = owner.act("consent.letter.revoke", id, reason).unwrap_err();
    assert_eq!(again.kind, FaultKind::Conflict);
}

/// What the home page says of letters that end soon.
fn ending(user: &User<'_>) -> Option<String> {
    let home = user.home().unwrap();
    let block = home.find_block("consent-ending")?;
    Some(format!("{:?}", block.body))
}

#[scenario(city())]
fn a_letter_that_ends_is_told_of_fifteen_and_three_days_before(t: &World) {
    let owner = t.user("enterprise");
    let mut letter = terms();
    letter["valid_to"] = json!(t.today().plus_days(16).to_string());
    let made = owner.act("consent.letter.sign", None, letter).unwrap();
    let path = format!("/consent/letters/{}", made["id"].as_str().unwrap());
    let state = || {
        let page = t.user("officer").page(&path).unwrap();
        page.status.unwrap().label
    };
    assert_eq!((ending(&owner), state().as_str()), (None, "生效中"));
    t.advance_days(1);
    for login in ["enterprise", "officer"] {
        let told = ending(&t.user(login)).unwrap();
        assert!(
            told.contains("15 天后到期") && told.contains("Warning"),
            "{told}"
        );
    }
    assert_eq!(ending(&t.user("officer2")), None);
    assert_eq!(state(), "即将到期");
    t.advance_days(12);
    let told = ending(&owner).unwrap();
    assert!(
        told.contains("3 天后到期") && told.contains("Danger"),
        "{told}"
    );
    t.advance_days(3);
    assert!(ending(&owner).unwrap().contains("今天到期"));
    t.advance_days(1);
    assert_eq!((ending(&owner), state().as_str()), (None, "已到期"));
}

#[scenario(city())]
fn wrong_terms_are_named_field_by_field(t: &World) {
    let owner = t.user("enterprise");
    let wrong = json!({
        "recipient": HUJIANG, "items": ["99"], "purposes": [], "valid_to": "2028-01-01", "agree": false,
    });
    let fault = owner.act("consent.letter.sign", None, wrong).unwrap_err();
    let fields: Vec<&str> = fault.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["items", "purposes", "valid_to", "agree"]);
    let mut nobody = terms();
    nobody["recipient"] = json!("01930000-0000-7000-8000-000000000001");
    let fault = owner.act("consent.letter.sign", None, nobody).unwrap_err();
    assert_eq!(fault.fields[0].field, "recipient");
}

#[scenario(city())]
fn pi_01_sensitive_items_are_consented_to_separately(t: &World) {
    let owner = t.user("enterprise");
    let page = owner.page("/consent/letters/new").unwrap();
    let form = page.form("sign").unwrap();
    let offered = |name: &str| {
        let field = form.fields().find(|f| f.name == name).unwrap();
        let FieldKind::Pick { choices, .. } = &field.kind else {
            panic!("{name} is not picked")
        };
        choices.iter().map(|c| c.label.clone()).collect::<Vec<_>>()
    };
    assert!(offered("sensitive_items").iter().all(|l| l.contains("L3")));
    assert!(offered("items").iter().all(|l| l.contains("L1")));
    assert!(
        form.fields().any(|f| f.name == "separate"),
        "a box of its own"
    );

    let mut letter = json!({
        "recipient": HUJIANG, "items": ["15"], "sensitive_items": ["26", "25"],
        "purposes": ["02"], "valid_to": "2026-12-23", "agree": true,
    });
    for separate in [json!(null), json!(false)] {
        letter["separate"] = separate;
        let fault = owner
            .act("consent.letter.sign", None, letter.clone())
            .unwrap_err();
        assert_eq!(fault.fields[0].field, "separate");
        assert!(
            fault.fields[0].message.contains("25 纳税信用等级"),
            "{fault}"
        );
    }
    assert!(
        owner.find("consent.letters", &[]).is_empty(),
        "nothing is half signed"
    );
    letter["separate"] = json!(true);
    let made = owner.act("consent.letter.sign", None, letter).unwrap();
    let kept = owner
        .get("consent.letters", made["id"].as_str().unwrap())
        .unwrap();
    assert_eq!(kept["items"], json!(["15", "25", "26"]));
    assert_eq!(kept["separate_items"], json!(["25", "26"]));
    let text = kept["text"].as_str().unwrap();
    assert!(
        text.contains("单独同意") && text.contains("26 分税种纳税金额"),
        "{text}"
    );

    // What is public needs none.
    let public = json!({
        "recipient": HUJIANG, "items": ["15", "16"], "purposes": ["04"],
        "valid_to": "2026-12-23", "agree": true,
    });
    let made = owner.act("consent.letter.sign", None, public).unwrap();
    let kept = owner
        .get("consent.letters", made["id"].as_str().unwrap())
        .unwrap();
    assert_eq!(kept["separate_items"], json!([]));
    assert!(!kept["text"].as_str().unwrap().contains("单独同意"));
}

#[scenario(city())]
fn the_form_is_filled_in_and_knows_the_way_back(t: &World) {
    let owner = t.user("enterprise");
    let page = owner
        .page(&format!(
            "/consent/letters/new?recipient={HUJIANG}&return=/lending/quota"
        ))
        .unwrap();
    check(&page).unwrap();
    let form = page.form("sign").unwrap();
    let initial = |name: &str| {
        form.fields()
            .find(|f| f.name == name)
            .unwrap()
            .initial
            .clone()
    };
    assert_eq!(initial("recipient"), [HUJIANG]);
    assert_eq!(initial("items").len(), 3);
    assert_eq!(initial("sensitive_items").len(), 7);
    assert_eq!(
        initial("valid_to"),
        ["2026-12-23"],
        "30 days for an estimate"
    );
    let sdk::contract::page::Deed::Send(send) = &form.submit.deed else {
        panic!("sends nothing")
    };
    assert_eq!(send.args.get("back"), Some(&json!("/lending/quota")));
    let page = owner
        .page("/consent/letters/new?return=//evil.example")
        .unwrap();
    let sdk::contract::page::Deed::Send(send) = &page.form("sign").unwrap().submit.deed else {
        panic!("sends nothing")
    };
    assert!(send.args.is_empty());
}

#[scenario(city())]
fn every_page_is_well_formed(t: &World) {
    for (login, path) in [
        ("enterprise", "/consent/letters"),
        ("enterprise2", "/consent/letters?q=沪江"),
        ("officer", "/consent/letters"),
        ("enterprise", "/consent/sample"),
    ] {
        check(&t.user(login).page(path).unwrap()).unwrap_or_else(|f| panic!("{path}: {f}"));
    }
    let list = t.user("enterprise2").page("/consent/letters").unwrap();
    let Some(Body::Table(table)) = list.find_block("letters").map(|b| &b.body) else {
        panic!("no list")
    };
    assert_eq!(table.rows.len(), 2);
}

/// What somebody has been told, oldest first: the title, and what it is about.
fn notices(user: &User<'_>) -> Vec<(String, String)> {
    let mut all = user.notices().unwrap();
    all.reverse();
    let words = |n: &Map, field: &str| n[field]["zh"].as_str().unwrap().to_owned();
    all.iter()
        .map(|n| (words(n, "title"), words(n, "text")))
        .collect()
}

fn titles(user: &User<'_>) -> Vec<String> {
    notices(user).into_iter().map(|n| n.0).collect()
}

const SOON: &str = "授权书即将到期";
const URGENT: &str = "授权书三天内到期";

#[scenario(city())]
fn row_62_a_letter_that_ends_is_told_of_at_fifteen_and_at_three_days(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let last = t.today().plus_days(16);
    let mut letter = terms();
    letter["valid_to"] = json!(last.to_string());
    let made = owner.act("consent.letter.sign", None, letter).unwrap();
    let path = format!("/consent/letters/{}", made["id"].as_str().unwrap());
    assert_eq!(titles(&owner), [""; 0]);
    // One day after the other, as the platform sees them.
    let mut told = Vec::new();
    for day in 1..=18 {
        t.advance_days(1);
        for (who, user) in [("owner", &owner), ("officer", &officer)] {
            let before = told.iter().filter(|(_, w, _)| *w == who).count();
            for title in titles(user).into_iter().skip(before) {
                told.push((day, who, title));
            }
        }
    }
    assert_eq!(
        told,
        [
            (1, "owner", SOON.to_owned()),
            (1, "officer", SOON.to_owned()),
            (13, "owner", URGENT.to_owned()),
            (13, "officer", URGENT.to_owned()),
        ],
        "15 and 3 days before, once each"
    );
    for user in [&owner, &officer] {
        for notice in user.notices().unwrap() {
            assert_eq!(notice["path"], path);
            let text = notice["text"]["zh"].as_str().unwrap();
            assert!(text.contains(&last.to_string()), "{text}");
            user.page(&path).unwrap();
        }
    }
    for login in ["officer2", "operator", "auditor", "developer"] {
        let user = t.user(login);
        assert_eq!(titles(&user), [""; 0], "{login}");
    }
}

#[scenario(city())]
fn row_62_days_that_were_missed_are_made_up_for_once(t: &World) {
    let owner = t.user("enterprise");
    let sign = |days: i64, more: Value| {
        let mut letter = terms();
        letter["valid_to"] = json!(t.today().plus_days(days).to_string());
        letter
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let made = owner.act("consent.letter.sign", None, letter).unwrap();
        made["id"].as_str().unwrap().to_owned()
    };
    // Nobody is there for ten days: one is over by then, one within three days, one within fifteen.
    sign(5, json!({}));
    let urgent = sign(12, json!({}));
    let soon = sign(20, json!({}));
    sign(40, json!({}));
    let revoked = sign(12, json!({}));
    let reason = json!({ "reason": "不再合作" });
    owner
        .act("consent.letter.revoke", Some(&revoked), reason)
        .unwrap();
    t.advance_days(10);
    let about = |user: &User<'_>| -> Vec<(String, String)> {
        let mut all: Vec<_> = user.notices().unwrap();
        all.sort_by_key(|n| n["title"]["zh"].to_string());
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        all.iter()
            .map(|n| (text(&n["title"]["zh"]), text(&n["path"])))
            .collect()
    };
    let path = |id: &str| format!("/consent/letters/{id}");
    let expected = [
        (URGENT.to_owned(), path(&urgent)),
        (SOON.to_owned(), path(&soon)),
    ];
    assert_eq!(about(&owner), expected);
    assert_eq!(about(&t.user("officer")), expected);
    t.advance_days(1);
    assert_eq!(about(&owner), expected, "nothing twice");
}

#[scenario(city())]
fn row_62_a_morning_with_many_letters_goes_on_by_itself(t: &World) {
    let owner = t.user("enterprise");
    let letter = json!({
        "recipient": HUJIANG, "items": ["15"], "purposes": ["02"], "agree": true,
        "valid_to": t.today().plus_days(15).to_string(),
    });
    for _ in 0..45 {
        owner
            .act("consent.letter.sign", None, letter.clone())
            .unwrap();
    }
    t.advance_days(1);
    assert_eq!(owner.notices().unwrap().len(), 45);
    let went_on = t.events();
    let went_on = went_on
        .iter()
        .filter(|e| e.name == "consent.letter.reminders-continued");
    assert_eq!(went_on.count(), 1);
}
