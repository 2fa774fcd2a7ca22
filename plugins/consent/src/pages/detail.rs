//! One letter: what was agreed, the proof, and the way to take it back.

use sdk::prelude::*;

use super::shell;
use crate::model::{Letter, Status};
use crate::rules;

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
        .block(Block::prose("text", letter.text.clone()).title("授权书全文"));
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

fn facts(letter: &Letter) -> Block {
    let limit = letter
        .max_uses
        .map_or_else(|| "不限".to_owned(), |n| format!("最多 {n} 次"));
    Block::details(
        "facts",
        vec![
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
        ],
    )
    .title("授权内容")
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
