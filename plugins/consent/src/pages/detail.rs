//! One letter: what was agreed, the proof, and the way to take it back.

use sdk::prelude::*;

use super::shell;
use crate::model::{Item, Letter, Status, Use, purpose};
use crate::rules;

/// Uses of a letter on one page.
const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let letter = ctx.must::<Letter>(ask.param("id"))?;
    let (state, tone) = rules::state(&letter, ctx.today());
    let mut page = Page::new(format!("授权书 {}", letter.number))
        .shell(shell(ctx))
        .subtitle(format!(
            "{} → {}",
            letter.grantor_name, letter.recipient_name
        ))
        .under("首页", "/")
        .under("数据授权", "/consent/letters")
        .status(state, tone)
        .section(
            Section::main_and_side()
                .block(facts(&letter))
                .block(Block::timeline("progress", moments(&letter)).title("经过")),
        )
        .block(Block::prose("text", letter.text.clone()).title("授权书全文"))
        .block(uses(ctx, ask, &letter)?)
        .block(Block::signatures(
            "signatures",
            Letter::COLLECTION,
            letter.id.as_str(),
        ));
    let mine = letter.subject.is_some() && letter.subject == ctx.caller().subject;
    if mine && letter.status == Status::Effective {
        let question = format!(
            "撤回后{}不能再读取您的数据，在途申请可能无法继续。",
            letter.recipient_name
        );
        let revoke = Action::send("撤回授权", "letter.revoke")
            .record(letter.id.as_str())
            .danger()
            .confirm(Confirm::new("确认撤回授权？", question, "撤回").reason("撤回原因"));
        page = page.action(revoke);
    }
    Ok(page)
}

/// Every read under the letter, as the platform wrote it down with the read.
fn uses(ctx: &Ctx, ask: &Ask, letter: &Stored<Letter>) -> Result<Block, Fault> {
    let number = ask.page_number();
    let find = Find::<Use>::new()
        .filter(Use::LETTER.eq(letter.id.clone()))
        .sort(Use::USED_AT.desc())
        .page(number, PAGE);
    let found = ctx.find(find)?;
    let total = found.total;
    let rows = found.into_iter().map(|used| {
        let items: Vec<String> = rules::items(&used.items).map(Item::title).collect();
        let cells = vec![
            Datum::Time(used.used_at.micros()),
            Datum::text(purpose(&used.purpose)),
            Datum::text(items.join("、")),
            Datum::text(&used.certificate),
        ];
        Row::new(used.id.as_str(), cells)
    });
    let columns = vec![
        Column::new("used_at", "使用时间", 0),
        Column::new("purpose", "用途", 1),
        Column::new("items", "读取的数据项", 1),
        Column::new("certificate", "评分证书", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, total)
        .empty("还没有使用过");
    Ok(Block::table("uses", table)
        .title("使用记录")
        .help("每次读取都在这里，并记入平台的审计日志"))
}

fn facts(letter: &Letter) -> Block {
    let limit = letter
        .max_uses
        .map_or_else(|| "不限".to_owned(), |n| format!("最多 {n} 次"));
    let mut facts = vec![
        Fact::new("授权企业", Datum::text(&letter.grantor_name)),
        Fact::new("被授权机构", Datum::text(&letter.recipient_name)),
        Fact::new("生效日", Datum::date(letter.valid_from.to_string())),
        Fact::new("到期日", Datum::date(letter.valid_to.to_string())).help("当日仍有效"),
        Fact::new("使用次数上限", Datum::text(limit)),
        Fact::new("已使用", Datum::quantity(letter.uses, "次")),
        Fact::new("签署人", Datum::text(&letter.signed_by)),
        Fact::new("签署时间", Datum::Time(letter.signed_at.micros())),
        Fact::new("全文摘要（SM3）", Datum::text(&letter.text_digest))
            .help("对全文重新计算，应得到相同的摘要"),
    ];
    if let (Some(id), Some(name)) = (&letter.template, &letter.template_name) {
        let version = letter.template_version.unwrap_or_default();
        let title = format!("{name} 第 {version} 版");
        facts.push(Fact::new(
            "所用模版",
            Datum::link(title, format!("/consent/editions/{id}")),
        ));
        let digest = letter.template_digest.clone().unwrap_or_default();
        facts.push(Fact::new("模版摘要（SM3）", Datum::text(digest)));
    }
    if let Some(separate) = letter.separate_items.as_ref().filter(|s| !s.is_empty()) {
        let named: Vec<String> = rules::items(separate).map(Item::title).collect();
        facts.push(Fact::new(
            "单独同意的敏感数据",
            Datum::text(named.join("、")),
        ));
    }
    Block::details("facts", facts).title("授权内容")
}

fn moments(letter: &Letter) -> Vec<Moment> {
    let signed = Moment::new("签署并生效", Mark::Done)
        .at(letter.signed_at.micros())
        .who(letter.signed_by.clone());
    let mut moments = vec![signed];
    if let Some(at) = letter.revoked_at {
        let mut revoked = Moment::new("撤回", Mark::Done).at(at.micros());
        if let Some(reason) = &letter.reason {
            revoked = revoked.note(reason);
        }
        moments.push(revoked);
    }
    moments
}
