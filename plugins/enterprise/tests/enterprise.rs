//! An enterprise and its own record.

use sdk::contract::error::FaultKind;
use sdk::contract::page::check;
use sdk::serde_json::json;
use sdk_testkit::{World, scenario};

const FIRST: &str = "01930000-0000-7000-8000-000000001001";

#[scenario([plugin_enterprise::module()])]
fn an_enterprise_sees_itself_and_banks_see_none(t: &World) {
    let owner = t.user("enterprise");
    assert_eq!(owner.find("enterprise.enterprises", &[]).len(), 1);
    assert_eq!(
        owner.get("enterprise.enterprises", FIRST).unwrap()["phone"],
        "13800001001"
    );
    check(&owner.page("/enterprise/me").unwrap()).unwrap();
    check(&owner.home().unwrap()).unwrap();
    let other = t
        .user("enterprise2")
        .get("enterprise.enterprises", FIRST)
        .unwrap_err();
    assert_eq!(other.kind, FaultKind::NotFound);
    assert!(
        t.user("officer")
            .try_find("enterprise.enterprises", &[])
            .is_err()
    );
    let masked = t
        .user("government")
        .get("enterprise.enterprises", FIRST)
        .unwrap();
    assert_eq!(
        (&masked["phone"], &masked["contact"]),
        (&json!("138****1001"), &json!("林**"))
    );
}

#[scenario([plugin_enterprise::module()])]
fn pi_02_a_contact_is_changed_by_its_own_enterprise(t: &World) {
    let change = json!({ "contact": "苏晴川", "phone": "13900002002" });
    let action = "enterprise.enterprise.update-contact";
    t.user("enterprise")
        .act(action, Some(FIRST), change.clone())
        .unwrap();
    let stored = t
        .user("enterprise")
        .get("enterprise.enterprises", FIRST)
        .unwrap();
    assert_eq!(stored["phone"], "13900002002");
    let other = t
        .user("enterprise2")
        .act(action, Some(FIRST), change)
        .unwrap_err();
    assert_eq!(other.kind, FaultKind::NotFound);
    let short = json!({ "contact": "苏", "phone": "13900002002" });
    let fault = t
        .user("enterprise")
        .act(action, Some(FIRST), short)
        .unwrap_err();
    assert_eq!(fault.fields[0].field, "contact");
}
