//! What is shown: the market, one product, a bank's own shelf, and three cards at home.

mod list;
mod manage;
mod sheet;

use sdk::prelude::*;

use crate::model::{Product, Status};
use crate::permissions;

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/market/products",
        label: "产品超市",
        en: "Products",
        icon: "shopping-cart",
        area: Area::Services,
        order: 10,
        permission: permissions::READ,
        render: list::page,
    },
    Route {
        path: "/market/products/{id}",
        label: "产品详情",
        en: "Product",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: sheet::page,
    },
    Route {
        path: "/market/shelf",
        label: "产品管理",
        en: "Product shelf",
        icon: "shopping-cart",
        area: Area::Bench,
        order: 30,
        permission: permissions::MANAGE,
        render: manage::page,
    },
];

pub(crate) const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "recommended",
    order: 30,
    permission: permissions::READ,
    render: recommended,
}];

/// Online, and open to enterprises outside parks.
fn open_to_all() -> Filter {
    Filter::And(vec![
        Product::STATUS.eq(Status::Online),
        Product::PARK.missing(),
    ])
}

fn recommended(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let query = Find::<Product>::new()
        .filter(open_to_all())
        .filter(Product::KIND.eq(crate::model::ProductKind::Credit))
        .sort(Product::RATE_FROM.asc())
        .limit(3);
    let cards: Vec<Card> = ctx
        .find::<Product>(query)?
        .into_iter()
        .map(|p| card(ctx, &p))
        .collect();
    if cards.is_empty() {
        return Ok(Vec::new());
    }
    let cards = Block::cards("recommended", Cards::new(CardLook::Product, cards))
        .title("热门信用产品")
        .help("无需抵押，利率从低到高")
        .more("全部产品", "/market/products")
        .span(8);
    Ok(vec![Section::grid().block(cards)])
}

/// A product as the market, the home page and the list show it.
fn card(ctx: &Ctx, product: &Stored<Product>) -> Card {
    let sheet = format!("/market/products/{}", product.id);
    let mut card = Card::new(&product.name)
        .subtitle(&product.institution_name)
        .icon("building-bank", Tone::Info)
        .fact("最高额度", Datum::Money(product.amount_max.units))
        .fact(
            "年化利率(单利)",
            Datum::ratio(product.rate_from.to_string()),
        )
        .fact("最长期限", Datum::quantity(product.term_max, "个月"))
        .fact("担保方式", Datum::text(&product.guarantee))
        .to(&sheet);
    if may_want(ctx) {
        card = card.action(apply(product));
    }
    card = card.action(Action::open("查看详情", sheet).quiet());
    for (at, tag) in product.tags.iter().enumerate() {
        card = card.tag(tag, if at == 0 { Tone::Danger } else { Tone::Info });
    }
    card
}

/// Whether applying is for this caller: an enterprise, or a guest who may turn out to be one. A
/// bank's or an office's staff have nothing to apply for.
fn may_want(ctx: &Ctx) -> bool {
    let caller = ctx.caller();
    caller.user.is_none() || caller.subject.is_some()
}

fn apply(product: &Stored<Product>) -> Action {
    let path = format!("/lending/apply?product={}", product.id);
    Action::open("立即申请", path).primary()
}
