//! One application: the enterprise's view here, the bank's in [`super::bench`].

use sdk::prelude::*;

use super::progress::{Side, moments};
use super::{bench, money};
use crate::actions::product;
use crate::model::{Application, Product, Status};
use crate::rules;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let id = ask.param("id");
    let application = ctx.must::<Application>(id)?;
    let mine = application.subject.is_some() && application.subject == ctx.caller().subject;
    if mine {
        own(ctx, &application)
    } else {
        bench::page(ctx, &application)
    }
}

fn own(ctx: &Ctx, a: &Stored<Application>) -> Result<Page, Fault> {
    let mut page = Page::new(format!("{} · 申请进度", a.product_name))
        .subtitle(format!("{} · {}", a.number, a.institution_name))
        .under("首页", "/")
        .under("我的申请", "/lending/applications")
        .status(a.status.label(), a.status.tone());
    if matches!(
        a.status,
        Status::Submitted | Status::UnderReview | Status::Returned
    ) {
        let question = "撤回后银行不再办理；需要时可以重新申请。";
        let withdraw = Action::send("撤回申请", "application.withdraw")
            .record(a.id.as_str())
            .danger()
            .confirm(Confirm::new("确认撤回申请？", question, "撤回").reason("撤回原因"));
        page = page.action(withdraw);
    }
    if let Some(notice) = outcome(a) {
        page = page.block(notice);
    }
    let timeline =
        Block::timeline("progress", moments(ctx, a, Side::Enterprise)?).title("办理过程");
    let product = product(ctx, &a.product)?;
    let about = facts(a, product.as_ref());
    page = page.section(Section::main_and_side().block(about).block(timeline));
    if let Some(product) = product.filter(|_| a.status == Status::Returned) {
        let form = Block::form(resubmit(a, &product));
        page = page.section(Section::stack().title("补充并重新提交").block(form));
    }
    if Status::DECIDED.contains(&a.status) && a.review_asked_at.is_none() {
        let ask = Action::send("申请人工复核", "application.ask-review").record(a.id.as_str());
        let form = Form::new("ask-review", ask).field(bench::reason_field(
            "复核理由",
            "哪些信息或结论您认为不准确，希望审批人员重新看什么",
        ));
        let help = "对信用评价或审批结果有疑问的，可以要求银行的审批人员重新查看并书面说明";
        page = page.block(Block::form(form).title("申请人工复核").help(help));
    }
    if a.status != Status::Submitted {
        page = page.block(Block::signatures(
            "signatures",
            "applications",
            a.id.as_str(),
        ));
    }
    Ok(page)
}

/// What came of it, first thing on the page.
fn outcome(a: &Stored<Application>) -> Option<Block> {
    let notice = match a.status {
        Status::Approved => {
            let amount = a.approved_amount.map(rules::words).unwrap_or_default();
            let rate = a.approved_rate.map(rules::percent).unwrap_or_default();
            let text = format!(
                "批准 {amount}，年化利率 {rate}。{}会联系您签约放款。",
                a.institution_name
            );
            Notice::new(Tone::Success, "审批通过。", text)
        }
        Status::Rejected => {
            let why = a.refusal.map_or("", |r| r.label());
            let words = a.decision_reason.clone().unwrap_or_default();
            Notice::new(Tone::Danger, format!("未通过：{why}。"), words)
                .action(Action::open("看看其他产品", "/market/products"))
        }
        Status::Returned => {
            let words = a.return_reason.clone().unwrap_or_default();
            Notice::new(Tone::Warning, "请补充后重新提交：", words)
        }
        Status::Submitted | Status::UnderReview | Status::Withdrawn => return None,
    };
    let notice = if a.news() {
        let seen = Action::send("知道了", "application.acknowledge").record(a.id.as_str());
        notice.action(seen.icon("check"))
    } else {
        notice
    };
    Some(Block::notice("outcome", notice))
}

/// Leads to the product's page; a park's product has none on the market.
pub(super) fn product_link(a: &Application, product: Option<&Product>) -> Datum {
    match product {
        Some(p) if p.park.is_none() => {
            Datum::link(&a.product_name, format!("/market/products/{}", p.id))
        }
        _ => Datum::text(&a.product_name),
    }
}

fn facts(a: &Stored<Application>, product: Option<&Product>) -> Block {
    let mut facts = vec![
        Fact::new("申请编号", Datum::text(&a.number)),
        Fact::new("产品", product_link(a, product)),
        Fact::new("金融机构", Datum::text(&a.institution_name)),
        Fact::new("申请金额", money(a.amount)),
        Fact::new("申请期限", Datum::quantity(a.term_months, "个月")),
        Fact::new("贷款用途", Datum::text(a.purpose.label())),
        Fact::new("联系人", Datum::text(&a.contact)),
        Fact::new("联系电话", Application::PHONE.masked(&a.id, &a.phone)),
        Fact::new("提交时间", Datum::Time(a.submitted_at.micros())),
    ];
    if let Some(note) = &a.note {
        facts.push(Fact::new("补充说明", Datum::text(note)));
    }
    if let Some(letter) = &a.consent {
        facts.push(Fact::new(
            "数据授权",
            Datum::link("查看授权书", format!("/consent/letters/{letter}")),
        ));
    }
    Block::details("facts", facts).title("申请信息")
}

fn resubmit(a: &Stored<Application>, product: &Product) -> Form {
    let (least, most) = (product.amount_min, product.amount_max);
    let send = Action::send("重新提交", "application.resubmit").record(a.id.as_str());
    let mut note = Field::area("note", "补充说明", 500);
    if let Some(words) = &a.note {
        note = note.initial(words);
    }
    let form = Form::new("resubmit", send)
        .field(
            Field::money_wan("amount", "申请金额", Some(least.units), Some(most.units))
                .required()
                .initial(a.amount.to_string())
                .help(format!("{} 至 {}", rules::words(least), rules::words(most))),
        )
        .field(
            Field::number(
                "term_months",
                "申请期限",
                Some(product.term_min),
                Some(product.term_max),
                "个月",
            )
            .required()
            .initial(a.term_months.to_string()),
        )
        .field(note);
    match product.model {
        Some(_) => form.field(super::apply::by_a_person()),
        None => form,
    }
}
