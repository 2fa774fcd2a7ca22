//! A published version: its text and digest, how it differs from the one before, and the ways to end
//! its use.

use sdk::prelude::*;

use super::{may, shell};
use crate::actions::recipients;
use crate::model::{Edition, Item, Standing, purpose};
use crate::permissions;
use crate::rules::difference::{Change, Content, How, between};
use crate::rules::items;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let edition = ctx.must::<Edition>(ask.param("id"))?;
    let banks = recipients(ctx)?;
    let staff = may(ctx, permissions::TEMPLATES);
    let (state, tone) = state(&edition);
    let mut page = Page::new(edition.title())
        .shell(shell(ctx))
        .subtitle(edition.category.label())
        .status(state, tone);
    page = if staff {
        let template = format!("/consent/templates/{}", edition.template);
        page.under("授权书模版", "/consent/templates")
            .under(&edition.name, template)
    } else {
        page.under("首页", "/")
            .under("数据授权", "/consent/letters")
    };
    page = actions(ctx, page, &edition)
        .block(facts(&edition))
        .block(scope(content(&edition), &banks))
        .block(Block::prose("text", &edition.text).title("文本"));
    if let Some(before) = before(ctx, &edition)? {
        let changes = between(content(&before), content(&edition));
        let title = format!("与第 {} 版的差别", before.version);
        page = page.block(differences(&changes, &banks).title(title));
    }
    Ok(page)
}

fn actions(ctx: &Ctx, mut page: Page, edition: &Stored<Edition>) -> Page {
    let id = edition.id.as_str();
    if edition.status == Standing::InForce && may(ctx, permissions::WITHDRAW) {
        let text = "不再用于签署新的授权书；已签署的授权书照常有效。";
        let withdraw = Action::send("停用", "edition.withdraw")
            .record(id)
            .confirm(Confirm::new("停用这一版？", text, "停用").reason("停用原因"));
        page = page.action(withdraw);
    }
    if edition.status != Standing::Revoked && may(ctx, permissions::REVOKE_TEMPLATE) {
        let text = "文本有重大错误时使用：用这一版签署的全部授权书即刻不能再使用，不能恢复。";
        let revoke = Action::send("撤销", "edition.revoke")
            .record(id)
            .danger()
            .confirm(Confirm::new("撤销这一版？", text, "撤销").reason("撤销原因"));
        page = page.action(revoke);
    }
    page
}

/// The version before this one of the same template.
fn before(ctx: &Ctx, edition: &Edition) -> Result<Option<Stored<Edition>>, Fault> {
    if edition.version <= 1 {
        return Ok(None);
    }
    let find = Find::<Edition>::new()
        .filter(Edition::TEMPLATE.eq(edition.template.clone()))
        .filter(Edition::VERSION.eq(edition.version - 1))
        .limit(1);
    Ok(ctx.find(find)?.first())
}

/// What people are told of a version today.
pub(super) fn state(edition: &Edition) -> (&'static str, Tone) {
    match edition.status {
        Standing::InForce if edition.replaced_at.is_some() => ("已被新版取代", Tone::Neutral),
        other => (other.label(), other.tone()),
    }
}

pub(super) fn content(edition: &Edition) -> Content<'_> {
    Content {
        name: &edition.name,
        items: &edition.items,
        purposes: &edition.purposes,
        recipients: &edition.recipients,
        text: &edition.text,
    }
}

fn facts(edition: &Edition) -> Block {
    let mut facts = vec![
        Fact::new("版本编号", Datum::text(&edition.number)),
        Fact::new("提交人", Datum::text(&edition.submitted_name)),
        Fact::new("发布人", Datum::text(&edition.published_name)),
        Fact::new("发布时间", Datum::Time(edition.published_at.micros())),
        Fact::new("文本摘要（SM3）", Datum::text(&edition.text_digest))
            .help("发布时固定；对文本重新计算，应得到相同的摘要"),
    ];
    if let Some(at) = edition.replaced_at {
        facts.push(Fact::new("被新版取代", Datum::Time(at.micros())));
    }
    if let Some(at) = edition.ended_at {
        facts.push(Fact::new(edition.status.label(), Datum::Time(at.micros())));
    }
    if let Some(reason) = &edition.reason {
        facts.push(Fact::new("原因", Datum::text(reason)));
    }
    Block::details("facts", facts).title("发布")
}

/// What letters on it may cover.
pub(super) fn scope(of: Content<'_>, banks: &[(String, String)]) -> Block {
    let named: Vec<String> = items(of.items).map(Item::title).collect();
    let purposes: Vec<String> = of
        .purposes
        .iter()
        .map(|a| format!("{} {}最长 {} 天", a.purpose, purpose(&a.purpose), a.days))
        .collect();
    let who: Vec<&str> = of.recipients.iter().map(|id| bank(id, banks)).collect();
    let who = if who.is_empty() {
        "市场上的全部金融机构".to_owned()
    } else {
        who.join("、")
    };
    let facts = vec![
        Fact::new("可授权数据项", Datum::text(named.join("、"))),
        Fact::new("可授权用途", Datum::text(purposes.join("、"))),
        Fact::new("可用机构", Datum::text(who)),
    ];
    Block::list("scope", facts).title("适用范围")
}

fn bank<'a>(id: &'a str, banks: &'a [(String, String)]) -> &'a str {
    let known = banks.iter().find(|(known, _)| known == id);
    known.map_or(id, |(_, name)| name)
}

/// Every difference in words.
pub(super) fn differences(changes: &[Change], banks: &[(String, String)]) -> Block {
    let columns = vec![
        Column::new("of", "部分", 1),
        Column::new("how", "变化", 1),
        Column::new("what", "内容", 0),
    ];
    let rows = changes.iter().enumerate().map(|(at, change)| {
        let how = match change.how {
            How::Added => Datum::status("新增", Tone::Success),
            How::Removed => Datum::status("删去", Tone::Danger),
            How::Changed => Datum::status("改为", Tone::Warning),
        };
        let what = bank(&change.what, banks);
        let cells = vec![Datum::text(change.of), how, Datum::text(what)];
        Row::new(at.to_string(), cells)
    });
    let table = Table::new(columns).rows(rows).empty("没有差别");
    Block::table("differences", table)
}
