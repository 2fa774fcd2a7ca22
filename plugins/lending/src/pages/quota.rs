//! 一键测额: one button, then a range a product, with the reasons.

use sdk::prelude::*;

use super::money;
use crate::actions::{letters, scored_products};
use crate::model::Quota;
use crate::rules;

const PATH: &str = "/lending/quota";

pub(super) fn page(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let letters = letters(ctx)?;
    let mut unsigned: Vec<(String, String)> = Vec::new();
    let mut signed = false;
    for product in scored_products(ctx)? {
        let bank = product.organisation;
        if letters
            .iter()
            .any(|l| rules::covers(l, &bank, rules::ESTIMATE, ctx.today()))
        {
            signed = true;
        } else if !unsigned.iter().any(|(id, _)| *id == bank) {
            unsigned.push((bank, product.institution_name));
        }
    }
    let estimate = Action::send("开始测额", "quota.estimate")
        .icon("calculator")
        .primary();
    let estimate = if signed {
        estimate
    } else {
        estimate.off("请先签署数据授权书")
    };
    let mut page = Page::new("一键测额")
        .subtitle("按您授权的纳税、社保、用电与司法数据测算，仅供参考，不影响信用")
        .under("首页", "/")
        .action(estimate);
    for (at, (bank, name)) in unsigned.iter().enumerate() {
        let sign = Action::open("去签署", rules::sign_path(bank, PATH))
            .icon("signature")
            .primary();
        let text = format!("签署用途含“一键测额”的授权书后，才能测算{name}的产品。");
        let notice = Notice::new(Tone::Warning, format!("还没有授权{name}。"), text).action(sign);
        page = page.block(Block::notice(format!("consent-{at}"), notice));
    }
    let latest = latest(ctx)?;
    let block = match latest.first() {
        None => Block::prose(
            "none",
            "还没有测算结果。签署授权书后点“开始测额”，几秒钟即可看到各产品的参考额度。",
        ),
        Some(first) => {
            let at = first.estimated_at.local_minute();
            Block::cards(
                "estimates",
                Cards::new(CardLook::Product, latest.iter().map(card).collect()),
            )
            .title("参考额度")
            .help(format!("测算于 {at}。仅供参考，实际额度以银行审批为准。"))
        }
    };
    Ok(page.block(block))
}

/// All lines of the newest estimate, largest first.
pub(super) fn latest(ctx: &Ctx) -> Result<Vec<Quota>, Fault> {
    let newest = Find::<Quota>::new()
        .sort(Quota::ESTIMATED_AT.desc())
        .limit(1);
    let Some(newest) = ctx.find::<Quota>(newest)?.first() else {
        return Ok(Vec::new());
    };
    let same = Find::<Quota>::new()
        .filter(Quota::ESTIMATED_AT.eq(newest.estimated_at))
        .sort(Quota::HIGH.desc())
        .limit(50);
    Ok(ctx
        .find::<Quota>(same)?
        .into_iter()
        .map(|stored| stored.record)
        .collect())
}

fn card(quota: &Quota) -> Card {
    let card = Card::new(&quota.product_name)
        .subtitle(&quota.institution_name)
        .icon("building-bank", Tone::Info)
        .text(quota.reasons.as_deref().unwrap_or_default().join("；"));
    if quota.high == Money::ZERO {
        return card
            .tag("暂不满足", Tone::Neutral)
            .action(Action::open("看看其他产品", "/market/products").quiet());
    }
    let apply = format!(
        "/lending/apply?product={}&amount={}",
        quota.product, quota.high
    );
    card.fact("最低", money(quota.low))
        .fact("最高", money(quota.high))
        .action(Action::open("去申请", apply).primary())
}
