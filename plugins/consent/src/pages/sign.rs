//! The form to sign a letter, filled in as far as the way here says.

use sdk::prelude::*;

use crate::actions::{in_force, recipients};
use crate::model::{Edition, ITEMS, Item, Purpose};
use crate::rules::{self, MAX_DAYS, Parties, Terms, days, wording};

/// Purposes ticked from the start: approval and estimate.
const USUAL_PURPOSES: [&str; 2] = ["02", "04"];

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let page = Page::new("签署数据授权书")
        .subtitle(ctx.caller().organisation_name.clone())
        .under("首页", "/")
        .under("数据授权", "/consent/letters");
    let editions = in_force(ctx)?;
    if editions.is_empty() {
        let notice = Notice::new(
            Tone::Warning,
            "暂不能签署：",
            "平台目前没有可用的授权书模版，请联系平台运营人员。",
        );
        return Ok(page.block(Block::notice("none", notice)));
    }
    let notice = Notice::new(
        Tone::Info,
        "签署前请知悉：",
        "授权只对所选的一家机构有效；它的评分模型只能读取所选数据项，且每次读取都有记录。到期自动失效，也可随时撤回。",
    );
    Ok(page
        .block(Block::notice("about", notice))
        .block(Block::form(form(ctx, ask, &editions)?)))
}

fn form(ctx: &Ctx, ask: &Ask, editions: &[Stored<Edition>]) -> Result<Form, Fault> {
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
    let offered = |item: &&Item| {
        let mut all = editions.iter().flat_map(|e| &e.items);
        all.any(|number| number == item.number)
    };
    let (sensitive, open): (Vec<&Item>, Vec<&Item>) =
        ITEMS.iter().filter(offered).partition(|i| i.sensitive());
    // Who may be asked for what: the longest that any template allows.
    let longest = |code: &str| {
        editions
            .iter()
            .filter_map(|e| days(&e.purposes, code))
            .max()
    };
    let known: Vec<(&str, &str, i64)> = Purpose::ALL
        .iter()
        .filter_map(|p| Some((p.value(), p.label(), longest(p.value())?)))
        .collect();
    let mut purposes = Field::pick_many(
        "purposes",
        "用途",
        known
            .iter()
            .map(|(code, name, days)| Choice::new(*code, format!("{name}（最长 {days} 天）")))
            .collect(),
    )
    .required()
    .wide()
    .help("选了几种用途的，期限以最短的为准。");
    for purpose in USUAL_PURPOSES {
        if longest(purpose).is_some() {
            purposes = purposes.initial(purpose);
        }
    }
    let today = ctx.today();
    let most = known.iter().map(|(.., days)| *days).max();
    let last = today.plus_days(most.unwrap_or(MAX_DAYS));
    let mut valid_to = Field::date("valid_to", "到期日")
        .required()
        .initial(today.plus_days(usual_days(editions)).to_string())
        .help("当日仍有效；各用途的最长期限见下");
    valid_to.kind = FieldKind::Date {
        min: Some(today.to_string()),
        max: Some(last.to_string()),
    };

    let mut sign = Action::send("签署并授权", "letter.sign").icon("signature");
    if let Some(back) = rules::back(ask.query("return")) {
        sign = sign.arg("back", back);
    }
    let sample = || Link::new("授权书样本", "/consent/sample");
    let mut form = Form::new("sign", sign)
        .field(recipient)
        .field(valid_to)
        .field(
            Field::number("max_uses", "使用次数上限", Some(1), Some(10_000), "次")
                .help("不填为不限次数"),
        )
        .field(purposes);
    if !open.is_empty() {
        let help = "少选数据项，银行可能无法评分。";
        form = form.field(pick("items", "公开数据项（L1、L2）", &open).help(help));
    }
    if !sensitive.is_empty() {
        let mut separate = Field::consent(
            "separate",
            "我单独同意向被授权机构提供上面所选的敏感数据项",
            sample(),
        );
        // Needed with a sensitive item only, which the signing knows.
        separate.required = false;
        let help = "向他人提供敏感数据，须您单独同意；不选的不提供。";
        form = form
            .field(pick("sensitive_items", "敏感数据项（L3 及以上）", &sensitive).help(help))
            .field(separate);
    }
    Ok(form.field(Field::consent(
        "agree",
        "我已阅读以上内容，有权代表本企业授权，并同意按此签署数据授权书",
        sample(),
    )))
}

/// A choice of items, all ticked.
fn pick(name: &str, label: &str, items: &[&Item]) -> Field {
    let choices = items
        .iter()
        .map(|i| {
            let label = format!("{}（{}，{}）", i.name, i.provider, i.level);
            Choice::new(i.number, label)
        })
        .collect();
    let field = Field::pick_many(name, label, choices).wide();
    items
        .iter()
        .fold(field, |field, item| field.initial(item.number))
}

/// Days that a letter for the usual purposes may be valid.
fn usual_days(editions: &[Stored<Edition>]) -> i64 {
    let shortest = |e: &Stored<Edition>| {
        let allowed = USUAL_PURPOSES.map(|code| days(&e.purposes, code));
        allowed
            .into_iter()
            .collect::<Option<Vec<i64>>>()?
            .into_iter()
            .min()
    };
    let longest = editions.iter().filter_map(shortest).max();
    longest.unwrap_or(1)
}

/// The wording of the templates that are in force, before anything is filled in.
pub(super) fn sample(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let parties = Parties {
        number: "（签署时编号）",
        grantor: &ctx.caller().organisation_name,
        uscc: "（以登记信息为准）",
        recipient: "（所选金融机构）",
        signer: &ctx.caller().name,
        signed_at: ctx.now(),
    };
    let mut page = Page::new("授权书样本")
        .subtitle("数据项、用途和有效期以您签署时的选择为准；平台按所选用途选择模版")
        .under("首页", "/")
        .under("签署授权书", "/consent/letters/new");
    for (at, edition) in in_force(ctx)?.into_iter().enumerate() {
        let shortest = edition.purposes.iter().map(|a| a.days).min();
        let terms = Terms {
            items: edition.items.clone(),
            purposes: edition.purposes.iter().map(|a| a.purpose.clone()).collect(),
            valid_from: ctx.today(),
            valid_to: ctx.today().plus_days(shortest.unwrap_or(1)),
            max_uses: None,
        };
        let mut text = wording::render(&edition.text, &parties, &terms)?;
        let separate = rules::sensitive(&terms.items);
        let closing = wording::closing(&separate, &edition.title(), &edition.text_digest);
        text.push_str(&closing);
        page = page.block(Block::prose(format!("text-{at}"), text));
    }
    Ok(page)
}
