//! The park edition as people meet it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::page::{Body, check};
use sdk_testkit::{Setting, User, World, scenario};

const SCIENCE: &str = "01930000-0000-7000-8000-000000003001";

fn city() -> Setting {
    Setting::of([plugin_market::module(), plugin_park::module()])
}

/// Whether the park's one product can be applied for.
fn open(user: &User<'_>) -> bool {
    let page = user.page(&format!("/park/parks/{SCIENCE}")).unwrap();
    check(&page).unwrap();
    let Some(Body::Cards(cards)) = page.find_block("products").map(|b| &b.body) else {
        panic!("no products")
    };
    assert_eq!(cards.items.len(), 1);
    assert_eq!(cards.items[0].title, "园区专享信用贷");
    cards.items[0].actions[0].off.is_none()
}

#[scenario(city())]
fn a_parks_products_are_for_its_tenants(t: &World) {
    assert!(open(&t.user("enterprise")));
    assert!(!open(&t.user("enterprise2")), "a tenant of another park");
    assert!(!open(&t.anonymous()));
    assert!(!open(&t.user("officer")));
}

#[scenario(city())]
fn who_is_in_a_park_is_not_public(t: &World) {
    assert!(t.anonymous().try_find("park.tenancies", &[]).is_err());
    assert_eq!(t.user("enterprise").find("park.tenancies", &[]).len(), 1);
    assert!(t.user("operator").try_find("park.tenancies", &[]).is_err());
    let page = t
        .anonymous()
        .page(&format!("/park/parks/{SCIENCE}"))
        .unwrap();
    let drawn = sdk::serde_json::to_string(&page).unwrap();
    assert!(!drawn.contains("云杉"));
}

#[scenario(city())]
fn the_home_block_shows_ones_own_park_or_all(t: &World) {
    let parks = |user: &User<'_>| {
        let home = user.home().unwrap();
        match home.find_block("park-parks").map(|b| &b.body) {
            Some(Body::Cards(cards)) => cards
                .items
                .iter()
                .map(|c| c.title.clone())
                .collect::<Vec<_>>(),
            other => panic!("no parks: {other:?}"),
        }
    };
    assert_eq!(parks(&t.user("enterprise")), ["东海科技园"]);
    assert_eq!(parks(&t.anonymous()).len(), 2);
    check(&t.anonymous().page("/park/home").unwrap()).unwrap();
}
