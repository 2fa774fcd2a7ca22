//! The application form: filled in with what is known, each value with its source.

use sdk::prelude::*;

use crate::actions::{enterprise, letters, park_admits, product};
use crate::model::{Application, Enterprise, Product, Purpose};
use crate::rules;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let id = ask.query("product").unwrap_or_default();
    let page = Page::new("贷款申请")
        .under("首页", "/")
        .under("产品超市", "/market/products");
    let found = if id.is_empty() {
        None
    } else {
        product(ctx, id)?
    };
    let Some(product) = found else {
        return Ok(page.block(stop(
            "请先选择产品。",
            "到产品超市挑选产品后，点“立即申请”。",
            Action::open("去产品超市", "/market/products").primary(),
        )));
    };
    let page = page.subtitle(format!("{} · {}", product.institution_name, product.name));
    if let Some(reason) = obstacle(ctx, &product)? {
        return Ok(page.block(reason));
    }
    let Some(enterprise) = enterprise(ctx)? else {
        return Ok(page.block(stop(
            "还没有贵企业的登记信息。",
            "平台尚未收到登记数据，暂时不能申请贷款，请联系平台客服核实。",
            Action::open("企业信息", "/enterprise/me"),
        )));
    };
    let page = match unsigned(ctx, &product)? {
        Some(notice) => page.block(notice),
        None => page,
    };
    let side = Section::main_and_side()
        .block(Block::form(form(&product, &enterprise, ask)).title("申请信息"))
        .block(applicant(&enterprise, &product));
    Ok(page.section(side))
}

fn stop(title: &str, text: &str, action: Action) -> Block {
    Block::notice(
        "stop",
        Notice::new(Tone::Warning, title, text).action(action),
    )
}

/// Why this product cannot be applied for now.
fn obstacle(ctx: &Ctx, product: &Product) -> Result<Option<Block>, Fault> {
    let market = || Action::open("选其他产品", "/market/products").primary();
    if !product.online() {
        return Ok(Some(stop(
            "该产品已下线。",
            "在途申请不受影响，新的申请请选择其他产品。",
            market(),
        )));
    }
    if !park_admits(ctx, product)? {
        return Ok(Some(stop(
            "该产品只对所属园区的入驻企业开放。",
            "请选择其他产品。",
            market(),
        )));
    }
    let key = rules::open_key(ctx.subject()?, &product.id);
    let open = ctx
        .find::<Application>(Application::OPEN_KEY.eq(key))?
        .first();
    Ok(open.map(|open| {
        stop(
            "您已有一笔该产品的在途申请。",
            &format!("编号 {}，办结后才能再次申请。", open.number),
            Action::open("查看进度", format!("/lending/applications/{}", open.id)).primary(),
        )
    }))
}

/// A notice with the way to sign, when no letter looks good for this bank.
fn unsigned(ctx: &Ctx, product: &Product) -> Result<Option<Block>, Fault> {
    if product.model.is_none() {
        return Ok(None);
    }
    let (bank, today) = (product.organisation.as_str(), ctx.today());
    let letters = letters(ctx)?;
    if letters
        .iter()
        .any(|l| rules::covers(l, bank, rules::APPROVAL, today))
    {
        return Ok(None);
    }
    let text = format!(
        "该产品由{}的模型评分，须先授权它读取您的数据。",
        product.institution_name
    );
    let here = format!("/lending/apply?product={}", product.id);
    let sign = Action::open("去签署", rules::sign_path(bank, &here))
        .icon("signature")
        .primary();
    let title = match letters
        .iter()
        .find(|l| l.recipient == bank && l.status == "effective" && l.valid_to < today)
    {
        Some(old) => format!("您的数据授权书已于 {} 到期。", old.valid_to),
        None => "还没有可用的数据授权书。".to_owned(),
    };
    let notice = Notice::new(Tone::Warning, title, text).action(sign);
    Ok(Some(Block::notice("consent", notice)))
}

fn form(product: &Product, enterprise: &Enterprise, ask: &Ask) -> Form {
    let mut amount = Field::money_wan(
        "amount",
        "申请金额",
        Some(product.amount_min.units),
        Some(product.amount_max.units),
    )
    .required()
    .help(format!(
        "{} 至 {}",
        rules::words(product.amount_min),
        rules::words(product.amount_max)
    ));
    if let Some(wanted) = ask.query("amount").and_then(|a| a.parse::<Money>().ok()) {
        amount = amount.prefilled(wanted.to_string(), "一键测额结果");
    }
    let term = Field::number(
        "term_months",
        "申请期限",
        Some(product.term_min),
        Some(product.term_max),
        "个月",
    )
    .required()
    .initial(product.term_max.min(12).max(product.term_min).to_string())
    .help(format!("{} 至 {} 个月", product.term_min, product.term_max));
    let purposes = Purpose::ALL
        .iter()
        .map(|p| Choice::new(p.value(), p.label()))
        .collect();
    let known = |field: Field, value: &Option<String>| match value {
        Some(value) => field.prefilled(value, "企业信息"),
        None => field,
    };
    let contact = known(
        Field::text("contact", "联系人", 40).required(),
        &enterprise.contact,
    );
    let phone = Field::code("phone", "联系电话", Format::Phone).required();
    let phone = known(phone, &enterprise.phone).help("银行会用这个号码联系您");
    let submit = Action::send("提交申请", "application.apply").arg("product", product.id.as_str());
    let form = Form::new("apply", submit)
        .drafts()
        .field(amount)
        .field(term)
        .field(Field::pick("purpose", "贷款用途", purposes).required())
        .field(contact)
        .field(phone)
        .field(Field::area("note", "补充说明", 500).hint("如订单情况、还款来源，可不填"));
    let form = match product.model {
        Some(_) => form.field(by_a_person()),
        None => form,
    };
    form.field(Field::consent(
        "agree",
        "我确认以上内容真实，并同意银行按数据授权书读取数据、用于本次评分",
        Link::new("我的数据授权", "/consent/letters"),
    ))
}

/// What is done where the bank's model gives no score.
pub(super) fn by_a_person() -> Field {
    Field::toggle("manual", "没有评分时转人工评审")
        .help("银行模型暂不可用或数据不足时，仍提交申请，由银行人工评审")
}

fn applicant(e: &Enterprise, product: &Product) -> Block {
    Block::details(
        "applicant",
        vec![
            Fact::new("企业名称", Datum::text(&e.name)),
            Fact::new("统一社会信用代码", Datum::text(&e.uscc)),
            Fact::new("所属区", Datum::text(&e.region_name)),
            Fact::new("行业", Datum::text(&e.industry_name)),
            Fact::new(
                "年化利率(单利)",
                Datum::text(format!(
                    "{} – {}",
                    rules::percent(product.rate_from),
                    rules::percent(product.rate_to)
                )),
            )
            .help("以银行审批为准"),
        ],
    )
    .title("已知信息")
    .help(format!("来源：市场监管局 {}；随申请一并提交", e.as_of))
}
