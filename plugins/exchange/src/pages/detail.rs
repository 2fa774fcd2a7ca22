//! One dispute: what it is about, how far it has come, and what the reader may do.

use sdk::prelude::*;

use super::progress::{Side, moments};
use super::{may, papers, words};
use crate::actions::answer::{correction, newest};
use crate::model::{Dispute, Status};
use crate::permissions;
use crate::rules;
use crate::rules::items::Item;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let d = ctx.must::<Dispute>(ask.param("id"))?;
    let mine = d.subject.is_some() && d.subject == ctx.caller().subject;
    let (shell, side, above) = if mine {
        (
            Shell::Portal,
            Side::Filer,
            ("数据异议", "/exchange/disputes"),
        )
    } else {
        (
            Shell::Bench,
            Side::Staff,
            ("数据异议办理", "/exchange/desk"),
        )
    };
    let mut page = Page::new(format!("异议 {}", d.number))
        .shell(shell)
        .subtitle(format!("{} · {}", d.item_label, d.source_name))
        .under("首页", "/")
        .under(above.0, above.1)
        .status(d.status.label(), d.status.tone())
        .guarded();
    if let Some(action) = button(ctx, &d, mine) {
        page = page.action(action);
    }
    let timeline = Block::timeline("progress", moments(ctx, &d, side)?).title("办理过程");
    page = page.section(
        Section::main_and_side()
            .block(facts(ctx, &d, side))
            .block(content(&d))
            .block(timeline),
    );
    for files in evidence(&d) {
        page = page.block(files);
    }
    if mine && rules::may_appeal(&d, ctx.today()).is_ok() && d.status.is_answered() {
        page = page.block(appeal(&d));
    }
    if d.handler.is_some() && d.handler == ctx.caller().user && d.status.is_open() {
        page = page.section(check(ctx, &d)?);
    }
    Ok(match side {
        Side::Filer => page,
        Side::Staff => page.block(Block::history("history", "disputes", d.id.as_str())),
    })
}

/// What is to be done next, for whom it is.
fn button(ctx: &Ctx, d: &Stored<Dispute>, mine: bool) -> Option<Action> {
    let send = |label: &str, action: &str| Action::send(label, action).record(d.id.as_str());
    if mine {
        let question = "撤回后不再核查，数据项不再标注；需要时可以重新提出。";
        let confirm = Confirm::new("确认撤回异议？", question, "撤回").reason("撤回原因");
        let withdraw = send("撤回异议", "dispute.withdraw")
            .danger()
            .confirm(confirm);
        return d.status.is_open().then_some(withdraw);
    }
    let action = match d.status {
        Status::Submitted if may(ctx, permissions::MARK) => send("标注", "dispute.mark"),
        Status::Marked if may(ctx, permissions::MARK) => send("转来源单位", "dispute.transfer"),
        Status::Transferred | Status::Checking | Status::Appealed | Status::Rechecking
            if may(ctx, permissions::CHECK) && d.handler != ctx.caller().user =>
        {
            let again = matches!(d.status, Status::Appealed | Status::Rechecking);
            let take = if d.handler.is_some() {
                send("接手核查", "dispute.take")
            } else {
                send("受理核查", "dispute.take")
            };
            if again && d.replied_by == ctx.caller().user {
                take.off("申诉须由原答复人以外的人核查")
            } else {
                take
            }
        }
        _ => return None,
    };
    Some(action.primary())
}

fn facts(ctx: &Ctx, d: &Stored<Dispute>, side: Side) -> Block {
    let record = |id: &str| format!("/credit/records/{id}");
    let version = format!("第 {} 版", d.record_version);
    let mut facts = vec![
        Fact::new("申请人", Datum::text(&d.filer_name)),
        Fact::new("数据项", Datum::text(&d.item_label)),
        Fact::new("来源单位", Datum::text(&d.source_name)),
        Fact::new("提出时间", Datum::Time(d.submitted_at.micros())),
    ];
    let due = rules::due(d, ctx.today());
    if due != Datum::None {
        facts.push(Fact::new("本环节期限", due).help("按工作日计算，当日仍在期限内"));
    }
    if side == Side::Staff
        && let Some(name) = &d.handler_name
    {
        facts.push(Fact::new("经办人", Datum::text(name)));
    }
    // The platform's people see that there is a record, and have no business in it.
    let linked = side == Side::Filer || may(ctx, permissions::CHECK);
    let shown = |title: String, id: &str| {
        if linked {
            Datum::link(title, record(id))
        } else {
            Datum::text(title)
        }
    };
    facts.push(Fact::new("有异议的记录", shown(version, &d.record_id)));
    if let Some(after) = &d.after_record {
        let title = format!("第 {} 版", d.after_version.unwrap_or_default());
        let fact = Fact::new("更正后的记录", shown(title, after));
        facts.push(fact.help("此后的评分读取这一版"));
    }
    if let Some(last) = d.appeal_until.filter(|_| d.appealed_at.is_none()) {
        facts.push(Fact::new("申诉截止", Datum::date(last.to_string())).help("当日仍可申诉"));
    }
    Block::details("facts", facts).title("异议信息")
}

/// What is in dispute and what was answered, as far as the reader may see it.
fn content(d: &Dispute) -> Block {
    let item = Item::of(&d.item);
    let value = |kept: &Option<String>| match (kept, item) {
        (Some(kept), Some(item)) => item.shown(kept),
        (Some(kept), None) => Datum::text(kept),
        (None, _) => Datum::text("无"),
    };
    let Some(statement) = &d.statement else {
        let text = "异议的内容只有申请人和受理核查的经办人能看到。";
        return Block::notice("content", Notice::new(Tone::Info, "内容不显示。", text));
    };
    let mut facts = vec![
        Fact::new("记录的值", value(&d.recorded)),
        Fact::new("主张的值", value(&d.claimed)),
        Fact::new("异议说明", Datum::text(statement)),
    ];
    let more = [
        ("答复", &d.reply),
        ("申诉理由", &d.appeal_statement),
        ("申诉答复", &d.appeal_reply),
    ];
    for (label, text) in more {
        facts.extend(
            text.as_ref()
                .map(|text| Fact::new(label, Datum::text(text))),
        );
    }
    Block::details("content", facts).title("异议内容")
}

fn evidence(d: &Stored<Dispute>) -> Vec<Block> {
    let files = |files: &Option<Vec<StoredFile>>,
                 shown: fn(&Id<Dispute>, &StoredFile) -> FileRef| {
        let files = files.as_deref().unwrap_or_default();
        let files: Vec<FileRef> = files.iter().map(|file| shown(&d.id, file)).collect();
        (!files.is_empty()).then_some(files)
    };
    let first = files(&d.evidence, |id, file| Dispute::EVIDENCE.shown(id, file));
    let second = files(&d.appeal_evidence, |id, file| {
        Dispute::APPEAL_EVIDENCE.shown(id, file)
    });
    let first = first.map(|files| Block::files("evidence", files).title("证明材料"));
    let second = second.map(|files| Block::files("appeal-evidence", files).title("申诉材料"));
    first.into_iter().chain(second).collect()
}

fn appeal(d: &Stored<Dispute>) -> Block {
    let send = Action::send("提交申诉", "dispute.appeal").record(d.id.as_str());
    let form = Form::new("appeal", send)
        .drafts()
        .field(words(
            "statement",
            "申诉理由",
            "答复哪里不对、有什么新的依据",
        ))
        .field(papers("补充材料"));
    let until = d.appeal_until.map(|day| day.to_string());
    let help = format!(
        "对答复不服的，{} 前可以申诉一次，由来源单位的另一人核查",
        until.unwrap_or_default()
    );
    Block::form(form).title("申诉").help(help)
}

/// For the handler: correct the record at its source, then answer; or maintain it.
fn check(ctx: &Ctx, d: &Stored<Dispute>) -> Result<Section, Fault> {
    let send = |label: &str, action: &str| Action::send(label, action).record(d.id.as_str());
    let at = |record: &str| format!("/credit/records/{record}?dispute={}&item={}", d.id, d.field);
    let section = Section::tabs().title("核查与答复");
    let maintain = Form::new("maintain", send("答复维持", "dispute.maintain")).field(words(
        "reply",
        "答复",
        "申请人会看到这段话：核对了什么、为何无误",
    ));
    if let Some(corrected) = correction(ctx, d)? {
        let correct = Form::new("correct", send("答复已更正", "dispute.correct")).field(words(
            "reply",
            "答复",
            "申请人会看到这段话：更正了什么、依据是什么",
        ));
        let help = format!("数据已更正为第 {} 版，答复后异议办结", corrected.version);
        let again = Notice::new(Tone::Info, "更正有误？", "答复前可以再更正，产生新的版本。")
            .action(Action::open("再次更正", at(&corrected.id)));
        return Ok(section.blocks([
            Block::form(correct).title("已更正").help(help),
            Block::notice("again", again).title("再次更正"),
        ]));
    }
    // It may have been corrected meanwhile, for a dispute of another item.
    let record = newest(ctx, d)?.map_or_else(|| d.record_id.clone(), |source| source.id);
    let open = Action::open("打开数据记录更正", at(&record))
        .icon("edit")
        .primary();
    let text = "核查属实的，先在数据记录上更正，再回到这里答复。";
    let notice = Notice::new(Tone::Info, "第一步：更正数据。", text).action(open);
    Ok(section.blocks([
        Block::notice("to-correct", notice).title("更正"),
        Block::form(maintain).title("维持"),
    ]))
}
