//! The market as people meet it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::error::FaultKind;
use sdk::contract::page::{Body, Cards, Datum, Page, check};
use sdk::serde_json::json;
use sdk_testkit::{World, scenario};

const TAX_LOAN: &str = "01930000-0000-7000-8000-000000002001";
const OTHER_BANKS: &str = "01930000-0000-7000-8000-000000002006";
const PARK_LOAN: &str = "01930000-0000-7000-8000-000000002012";

fn cards(page: &Page) -> &Cards {
    match page.find_block("products").map(|b| &b.body) {
        Some(Body::Cards(cards)) => cards,
        other => panic!("no cards: {other:?}"),
    }
}

fn names(page: &Page) -> Vec<&str> {
    cards(page).items.iter().map(|c| c.title.as_str()).collect()
}

/// The counts of one filter row.
fn counts(page: &Page, name: &str) -> Vec<(String, u32)> {
    let field = cards(page).filters.iter().find(|f| f.name == name).unwrap();
    let sdk::contract::page::FieldKind::Pick { choices, .. } = &field.kind else {
        panic!("no pick")
    };
    choices
        .iter()
        .map(|c| (c.value.clone(), c.count.unwrap_or_default()))
        .collect()
}

#[scenario([plugin_market::module()])]
fn applying_is_offered_to_enterprises_and_guests_alone(t: &World) {
    let sheet = format!("/market/products/{TAX_LOAN}");
    for (who, offered) in [
        (t.anonymous(), true),
        (t.user("enterprise"), true),
        (t.user("officer"), false),
        (t.user("operator"), false),
    ] {
        let market = who.page("/market/products").unwrap();
        let on_cards =
            |c: &sdk::contract::page::Card| c.actions.iter().any(|a| a.label == "立即申请");
        assert_eq!(cards(&market).items.iter().all(on_cards), offered);
        assert_eq!(cards(&market).items.iter().any(on_cards), offered);
        let product = who.page(&sheet).unwrap();
        let on_sheet = product.actions.iter().any(|a| a.label == "立即申请");
        assert_eq!(on_sheet, offered);
    }
}

#[scenario([plugin_market::module()])]
fn anybody_finds_online_products_of_no_park(t: &World) {
    let page = t.anonymous().page("/market/products").unwrap();
    check(&page).unwrap();
    assert_eq!(cards(&page).paging.unwrap().total, 10);
    let all: Vec<String> = ["1", "2"]
        .iter()
        .flat_map(|n| {
            let page = t
                .anonymous()
                .page(&format!("/market/products?page={n}"))
                .unwrap();
            names(&page)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(all.len(), 10, "paged without duplicates: {all:?}");
    assert!(!all.iter().any(|n| n == "仓单通" || n.contains("园区")));
    assert_eq!(
        t.anonymous()
            .page(&format!("/market/products/{PARK_LOAN}"))
            .unwrap_err()
            .kind,
        FaultKind::NotFound
    );
}

#[scenario([plugin_market::module()])]
fn filters_narrow_and_counts_follow_the_other_filters(t: &World) {
    let page = t.anonymous().page("/market/products?kind=credit").unwrap();
    assert_eq!(
        names(&page),
        ["专精特新贷", "科创助力贷", "云税贷", "浦惠税贷"]
    );
    assert_eq!(
        counts(&page, "institution"),
        [("沪江银行".to_owned(), 2), ("浦城农商银行".to_owned(), 2)]
    );
    assert_eq!(
        counts(&page, "kind").iter().map(|(_, n)| n).sum::<u32>(),
        10,
        "its own row counts all"
    );
    let both = t
        .anonymous()
        .page("/market/products?kind=credit&amount=to-100")
        .unwrap();
    assert!(names(&both).is_empty() && !cards(&both).empty.is_empty());
    let found = t
        .anonymous()
        .page("/market/products?q=税&sort=amount")
        .unwrap();
    assert_eq!(names(&found), ["云税贷", "浦惠税贷"]);
}

#[scenario([plugin_market::module()])]
fn the_calculator_matches_the_golden_vector(t: &World) {
    let query = "amount=100&term=12&rate=3.45&method=equal-installment";
    let page = t
        .anonymous()
        .page(&format!("/market/products/{TAX_LOAN}?{query}"))
        .unwrap();
    check(&page).unwrap();
    let Some(Body::Table(table)) = page.find_block("schedule").map(|b| &b.body) else {
        panic!("no schedule")
    };
    assert_eq!(table.rows.len(), 12);
    assert_eq!(table.rows[0].cells[1], Datum::Decimal("84898.82".into()));
    assert_eq!(table.rows[11].cells[1], Datum::Decimal("84898.83".into()));
    let Some(Body::Stats { stats }) = page.find_block("calculated").map(|b| &b.body) else {
        panic!("no stats")
    };
    assert_eq!(stats[2].value, Datum::Money(1_878_585));

    let query = "amount=1000&term=12&rate=3.45&method=equal-installment";
    let page = t
        .anonymous()
        .page(&format!("/market/products/{TAX_LOAN}?{query}"))
        .unwrap();
    assert!(page.find_block("schedule").is_none());
    assert!(page.find_block("calculator-faults").is_some());
}

#[scenario([plugin_market::module()])]
fn a_bank_takes_its_own_product_off_and_puts_it_back(t: &World) {
    let officer = t.user("officer");
    let shelf = officer.page("/market/shelf").unwrap();
    check(&shelf).unwrap();
    let Some(Body::Table(table)) = shelf.find_block("products").map(|b| &b.body) else {
        panic!("no shelf")
    };
    assert!(table.rows.iter().any(|r| r.key == TAX_LOAN));
    assert!(!table.rows.iter().any(|r| r.key == OTHER_BANKS));

    let reason = json!({ "reason": "调整额度" });
    officer
        .act("market.product.withdraw", Some(TAX_LOAN), reason.clone())
        .unwrap();
    assert_eq!(
        officer.get("market.products", TAX_LOAN).unwrap()["status"],
        "offline"
    );
    let sheet = t
        .anonymous()
        .page(&format!("/market/products/{TAX_LOAN}"))
        .unwrap();
    assert!(sheet.actions[0].off.is_some(), "nobody can apply");
    let again = officer
        .act("market.product.withdraw", Some(TAX_LOAN), reason.clone())
        .unwrap_err();
    assert_eq!(again.kind, FaultKind::Conflict);
    officer
        .act("market.product.publish", Some(TAX_LOAN), json!({}))
        .unwrap();

    let others = officer
        .act("market.product.withdraw", Some(OTHER_BANKS), reason)
        .unwrap_err();
    assert_eq!(others.kind, FaultKind::Forbidden);
    assert!(t.user("enterprise").page("/market/shelf").is_err());
}
