//! What is shown: the parks, one park with its products and policies, and a block at home.

use sdk::prelude::*;

use crate::model::{Park, Product, Tenancy};
use crate::{permissions, rules};

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/park/home",
        label: "特色园区",
        en: "Parks",
        icon: "building-community",
        area: Area::Services,
        order: 50,
        permission: permissions::READ,
        render: home,
    },
    Route {
        path: "/park/parks/{id}",
        label: "园区详情",
        en: "Park",
        icon: "building-community",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: park,
    },
];

pub(crate) const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "parks",
    order: 50,
    permission: permissions::READ,
    render: block,
}];

/// The caller's park, if it is in one.
fn mine(ctx: &Ctx) -> Result<Option<Id<Park>>, Fault> {
    let Some(subject) = ctx.caller().subject.clone() else {
        return Ok(None);
    };
    if !ctx.caller().has_role("enterprise.owner") {
        return Ok(None);
    }
    let tenancy = ctx.find::<Tenancy>(Tenancy::SUBJECT.eq(subject))?.first();
    Ok(tenancy.map(|t| t.record.park))
}

fn parks(ctx: &Ctx) -> Result<Vec<Stored<Park>>, Fault> {
    Ok(ctx
        .find::<Park>(Find::<Park>::new().sort(Park::TENANTS.desc()).limit(50))?
        .items)
}

fn block(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let mine = mine(ctx)?;
    let mut parks = parks(ctx)?;
    if let Some(mine) = &mine {
        parks.retain(|p| p.id == *mine);
    }
    if parks.is_empty() {
        return Ok(Vec::new());
    }
    let cards = parks.iter().map(|p| card(p, mine.as_ref())).collect();
    let block = Block::cards("parks", Cards::new(CardLook::Tile, cards))
        .title("特色园区")
        .more("全部园区", "/park/home");
    Ok(vec![Section::stack().block(block)])
}

fn card(park: &Stored<Park>, mine: Option<&Id<Park>>) -> Card {
    let path = format!("/park/parks/{}", park.id);
    let mut card = Card::new(&park.name)
        .subtitle(&park.region_name)
        .text(&park.summary)
        .icon("building-community", Tone::Success)
        .fact("入驻企业", Datum::quantity(park.tenants, "家"))
        .fact("主导产业", Datum::text(park.industries.join("、")))
        .to(&path)
        .action(Action::open("进入园区", path).primary());
    if mine == Some(&park.id) {
        card = card.tag("我的园区", Tone::Success);
    }
    card
}

fn home(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let mine = mine(ctx)?;
    let parks = parks(ctx)?;
    let cards = parks.iter().map(|p| card(p, mine.as_ref())).collect();
    let tenants: i64 = parks.iter().map(|p| p.tenants).sum();
    let count = i64::try_from(parks.len()).unwrap_or(i64::MAX);
    let stats = vec![
        Stat::new("特色园区", Datum::quantity(count, "个")).icon("building-community", Tone::Info),
        Stat::new("入驻企业", Datum::quantity(tenants, "家")).icon("users", Tone::Success),
    ];
    let cards = Cards::new(CardLook::Tile, cards).empty("还没有园区开通服务。");
    Ok(Page::new("特色园区")
        .subtitle("园区专属的金融产品与扶持政策")
        .under("首页", "/")
        .block(Block::stats("counts", stats))
        .block(Block::cards("parks", cards)))
}

fn park(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let park = ctx.must::<Park>(ask.param("id"))?;
    let tenant = mine(ctx)?.is_some_and(|mine| mine == park.id);
    let closed = rules::closed(ctx.caller().subject.is_some(), tenant);
    let query = Query::new(Product::COLLECTION)
        .filter(Filter::eq("park", park.id.as_str()))
        .filter(Filter::eq("status", "online"))
        .sort("rate_from", false)
        .limit(50);
    let products = ctx
        .find_as::<Product>(query)?
        .iter()
        .map(|p| product(p, closed))
        .collect();
    let products = Cards::new(CardLook::Product, products).empty("本园区暂没有专属产品。");
    let mut page = Page::new(&park.name)
        .subtitle(format!("{} · {}", park.region_name, park.address))
        .under("首页", "/")
        .under("特色园区", "/park/home");
    if tenant {
        page = page.status("我的园区", Tone::Success);
    }
    Ok(page
        .section(
            Section::main_and_side()
                .block(facts(&park))
                .block(Block::prose("policies", park.policies.clone()).title("园区政策")),
        )
        .block(
            Block::cards("products", products)
                .title("园区专属产品")
                .help("只对本园区入驻企业开放"),
        ))
}

fn facts(park: &Park) -> Block {
    Block::details(
        "facts",
        vec![
            Fact::new("地址", Datum::text(&park.address)),
            Fact::new("所属区", Datum::text(&park.region_name)),
            Fact::new("主导产业", Datum::text(park.industries.join("、"))),
            Fact::new("入驻企业", Datum::quantity(park.tenants, "家")),
            Fact::new("运营单位", Datum::text(&park.operator)),
            Fact::new("服务电话", Datum::text(&park.hotline)),
            Fact::new("简介", Datum::text(&park.summary)),
        ],
    )
    .title("园区概况")
}

fn product(product: &Product, closed: Option<&str>) -> Card {
    let apply =
        Action::open("立即申请", format!("/lending/apply?product={}", product.id)).primary();
    let mut card = Card::new(&product.name)
        .subtitle(&product.institution_name)
        .text(&product.features)
        .icon("building-bank", Tone::Info)
        .fact("最高额度", Datum::Money(product.amount_max.units))
        .fact(
            "年化利率(单利)",
            Datum::ratio(product.rate_from.to_string()),
        )
        .fact("最长期限", Datum::quantity(product.term_max, "个月"))
        .fact("担保方式", Datum::text(&product.guarantee))
        .action(match closed {
            Some(why) => apply.off(why),
            None => apply,
        });
    for tag in &product.tags {
        card = card.tag(tag, Tone::Info);
    }
    card
}
