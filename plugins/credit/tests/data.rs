//! An enterprise's own data.

use sdk::contract::page::{Body, check};
use sdk_testkit::{World, scenario};

#[scenario([plugin_credit::module()])]
fn pi_02_an_enterprise_sees_its_own_data_and_nobody_else_does(t: &World) {
    let owner = t.user("enterprise");
    let page = owner.page("/credit/data").unwrap();
    check(&page).unwrap();
    for block in ["tax", "social", "utility", "judicial"] {
        let found = page.find_block(block).unwrap();
        assert!(matches!(found.body, Body::Details { .. }), "{block}");
        assert!(
            found.help.as_ref().is_some_and(|h| h.contains("来源")),
            "{block}"
        );
    }
    assert_eq!(owner.find("credit.tax-records", &[]).len(), 1);
    for login in ["officer", "operator", "government"] {
        assert!(
            t.user(login).try_find("credit.tax-records", &[]).is_err(),
            "{login}"
        );
    }
    assert!(t.anonymous().page("/credit/data").is_err());
}
