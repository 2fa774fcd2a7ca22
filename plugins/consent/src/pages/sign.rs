//! The form to sign a letter, filled in as far as the way here says.

use sdk::prelude::*;

use crate::actions::recipients;
use crate::model::{ITEMS, PURPOSES};
use crate::rules::{self, MAX_DAYS, Parties, Terms};

/// Days a letter is valid when nobody says otherwise.
const USUAL_DAYS: i64 = 90;
/// Purposes ticked from the start: approval and estimate.
const USUAL_PURPOSES: [&str; 2] = ["02", "04"];

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let page = Page::new("签署数据授权书")
        .subtitle(ctx.caller().organisation_name.clone())
        .under("首页", "/")
        .under("数据授权", "/consent/letters");
    let notice = Notice::new(
        Tone::Info,
        "签署前请知悉：",
        "授权只对所选的一家机构有效；它的评分模型只能读取所选数据项，且每次读取都有记录。到期自动失效，也可随时撤回。",
    );
    Ok(page
        .block(Block::notice("about", notice))
        .block(Block::form(form(ctx, ask)?)))
}

fn form(ctx: &Ctx, ask: &Ask) -> Result<Form, Fault> {
    let banks = recipients(ctx)?;
    let asked = ask
        .query("recipient")
        .filter(|r| banks.iter().any(|(id, _)| id == r));
    let choices = banks
        .iter()
        .map(|(id, name)| Choice::new(id, name))
        .collect();
    let mut recipient = Field::pick("recipient", "被授权机构", choices).required();
    if let Some(id) = asked {
        recipient = recipient.initial(id);
    }
    let mut items = Field::pick_many(
        "items",
        "数据项",
        ITEMS
            .iter()
            .map(|i| {
                Choice::new(
                    i.number,
                    format!("{}（{}，{}）", i.name, i.provider, i.level),
                )
            })
            .collect(),
    )
    .required()
    .wide()
    .help("L1 为公开信息，L3 为须授权信息。少选数据项，银行可能无法评分。");
    for item in ITEMS {
        items = items.initial(item.number);
    }
    let mut purposes = Field::pick_many(
        "purposes",
        "用途",
        PURPOSES.iter().map(|p| Choice::new(p.0, p.1)).collect(),
    )
    .required()
    .wide();
    for purpose in USUAL_PURPOSES {
        purposes = purposes.initial(purpose);
    }
    let today = ctx.today();
    let last = today.plus_days(MAX_DAYS);
    let mut valid_to = Field::date("valid_to", "到期日")
        .required()
        .initial(today.plus_days(USUAL_DAYS).to_string())
        .help(format!("最长一年，不晚于 {last}"));
    valid_to.kind = FieldKind::Date {
        min: Some(today.to_string()),
        max: Some(last.to_string()),
    };

    let mut sign = Action::send("签署并授权", "letter.sign").icon("signature");
    if let Some(back) = rules::back(ask.query("return")) {
        sign = sign.arg("back", back);
    }
    Ok(Form::new("sign", sign)
        .field(recipient)
        .field(valid_to)
        .field(
            Field::number("max_uses", "使用次数上限", Some(1), Some(10_000), "次")
                .help("不填为不限次数"),
        )
        .field(items)
        .field(purposes)
        .field(Field::consent(
            "agree",
            "我已阅读以上内容，有权代表本企业授权，并同意按此签署数据授权书",
            Link::new("授权书样本", "/consent/sample"),
        )))
}

/// The wording of a letter, before anything is filled in.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every page")]
pub(super) fn sample(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let terms = Terms {
        items: ITEMS.iter().map(|i| i.number.to_owned()).collect(),
        purposes: USUAL_PURPOSES.map(str::to_owned).to_vec(),
        valid_from: ctx.today(),
        valid_to: ctx.today().plus_days(USUAL_DAYS),
        max_uses: None,
    };
    let parties = Parties {
        number: "（签署时编号）",
        grantor: &ctx.caller().organisation_name,
        uscc: "（以登记信息为准）",
        recipient: "（所选金融机构）",
        signer: &ctx.caller().name,
        signed_at: ctx.now(),
    };
    Ok(Page::new("授权书样本")
        .subtitle("数据项、用途和有效期以您签署时的选择为准")
        .under("首页", "/")
        .under("签署授权书", "/consent/letters/new")
        .block(Block::prose("text", rules::text(&parties, &terms))))
}
