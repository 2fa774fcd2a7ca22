//! What is shown: an enterprise to itself, and its heading on the home page.

use sdk::prelude::*;

use crate::model::{Enterprise, Standing};
use crate::{permissions, rules};

pub(crate) const ALL: &[Route] = &[Route {
    path: "/enterprise/me",
    label: "企业信息",
    en: "My enterprise",
    icon: "building",
    area: Area::Me,
    order: 10,
    permission: permissions::UPDATE,
    render: me,
}];

pub(crate) const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "header",
    order: 10,
    permission: permissions::UPDATE,
    render: header,
}];

/// The caller's own enterprise. The filter matters for callers whose grant reaches further.
fn mine(ctx: &Ctx) -> Result<Option<Stored<Enterprise>>, Fault> {
    let Some(subject) = ctx.caller().subject.clone() else {
        return Ok(None);
    };
    Ok(ctx
        .find::<Enterprise>(Enterprise::SUBJECT.eq(subject))?
        .first())
}

fn header(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let Some(enterprise) = mine(ctx)? else {
        let notice = Notice::new(
            Tone::Warning,
            "还没有企业登记信息。",
            "平台尚未收到贵企业的登记数据，暂时不能申请融资，请联系平台客服核实。",
        );
        return Ok(vec![
            Section::stack().block(Block::notice("enterprise", notice)),
        ]);
    };
    let years = rules::years(enterprise.established, ctx.today());
    let stats = vec![
        Stat::new("认证状态", Datum::status("已认证", Tone::Success))
            .icon("circle-check", Tone::Success)
            .to("/enterprise/me"),
        Stat::new("成立年限", Datum::quantity(years, "年")).icon("clock", Tone::Info),
        Stat::new(
            "注册资本",
            Datum::Money(enterprise.registered_capital.units),
        )
        .icon("wallet", Tone::Warning),
        Stat::new("从业人数", Datum::quantity(enterprise.staff, "人")).icon("users", Tone::Info),
    ];
    let block = Block::stats("enterprise", stats)
        .title(enterprise.name.clone())
        .help(format!("统一社会信用代码 {}", enterprise.uscc))
        .more("企业信息", "/enterprise/me");
    Ok(vec![Section::stack().block(block)])
}

fn me(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let page = Page::new("企业信息").under("首页", "/");
    let Some(enterprise) = mine(ctx)? else {
        let notice = Notice::new(
            Tone::Warning,
            "还没有企业登记信息。",
            "平台尚未收到贵企业的登记数据，请联系平台客服核实。",
        );
        return Ok(page.block(Block::notice("none", notice)));
    };
    let page = page
        .subtitle(format!("{} · {}", enterprise.name, enterprise.uscc))
        .status("已认证", Tone::Success);
    Ok(page.block(registered(&enterprise)).section(
        Section::stack()
            .title("联系方式")
            .block(Block::form(contact(&enterprise))),
    ))
}

fn registered(e: &Enterprise) -> Block {
    let standing = match e.standing {
        Some(Standing::Active) => Datum::status("存续", Tone::Success),
        Some(Standing::Revoked) => Datum::status("吊销", Tone::Danger),
        Some(Standing::Deregistered) => Datum::status("注销", Tone::Neutral),
        None => Datum::None,
    };
    Block::details(
        "registered",
        vec![
            Fact::new("企业名称", Datum::text(&e.name)),
            Fact::new("统一社会信用代码", Datum::text(&e.uscc)),
            Fact::new("法定代表人", Datum::text(&e.legal_representative)),
            Fact::new("注册资本", Datum::Money(e.registered_capital.units)),
            Fact::new("登记状态", standing),
            Fact::new("成立日期", Datum::date(e.established.to_string())),
            Fact::new("所属区", Datum::text(&e.region_name)),
            Fact::new(
                "行业",
                Datum::text(format!("{} {}", e.industry, e.industry_name)),
            ),
            Fact::new("从业人数", Datum::quantity(e.staff, "人")),
        ],
    )
    .title("登记信息")
    .help(format!(
        "来源：市场监管局，数据截至 {}。如有变更，请先到登记机关办理。",
        e.as_of
    ))
}

fn contact(e: &Stored<Enterprise>) -> Form {
    let save = Action::send("保存", "enterprise.update-contact").record(e.id.as_str());
    let mut name = Field::text("contact", "联系人", 40).required();
    if let Some(contact) = &e.contact {
        name = name.initial(contact);
    }
    let mut phone = Field::code("phone", "联系电话", Format::Phone)
        .required()
        .help("银行会用这个号码联系您");
    if let Some(number) = &e.phone {
        phone = phone.initial(number);
    }
    Form::new("contact", save).field(name).field(phone)
}
