//! What comes before an incident, and who was told of one.

use sdk::prelude::*;

use super::parts;
use crate::actions::respond;
use crate::model::{Incident, Lead, Signal, Telling};

/// Signals that are listed, and organisations on a page.
const MOST: u32 = 50;

/// The form for a new incident, with what a signal says where one led here.
pub(super) fn report(ctx: &Ctx, ask: &Ask) -> Result<Form, Fault> {
    let send = Action::send("登记事件", respond::Report::NAME);
    let signal = match ask.query("signal") {
        Some(id) => ctx.get::<Signal>(id)?,
        None => None,
    };
    let Some(signal) = signal.filter(|s| s.status == Lead::Waiting) else {
        return Ok(parts::filled::<respond::Report>(
            "report",
            send,
            &Map::new(),
        ));
    };
    let mut known = signal.to_map();
    if let Some(parties) = known.remove("parties") {
        known.insert("people".into(), parties);
    }
    let send = send.arg("signal", signal.id.as_str());
    Ok(parts::filled::<respond::Report>("report", send, &known))
}

/// Signals that wait, if there are any.
pub(super) fn waiting(ctx: &Ctx) -> Result<Option<Block>, Fault> {
    let find = Find::<Signal>::new()
        .filter(Signal::STATUS.eq(Lead::Waiting))
        .sort(Signal::FOUND_AT.asc())
        .limit(MOST);
    let found = ctx.find(find)?;
    if found.is_empty() {
        return Ok(None);
    }
    let rows = found.into_iter().map(|s| {
        let cells = vec![
            Datum::text(&s.title),
            Datum::Time(s.found_at.micros()),
            Datum::text(&s.cause),
        ];
        Row::new(s.id.as_str(), cells).to(format!("/privacy/signals/{}", s.id))
    });
    let columns = vec![
        Column::new("title", "线索", 0),
        Column::new("found_at", "发现时间", 0),
        Column::new("cause", "情况", 1),
    ];
    let table = Table::new(columns).rows(rows);
    Ok(Some(Block::table("signals", table).title("待判断的线索")))
}

pub(super) fn signal(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let s = ctx.must::<Signal>(ask.param("id"))?;
    let id = s.id.as_str();
    let mut page = parts::detail(&s, &s.title, ("信息安全事件", "/privacy/incidents"))
        .status(s.status.label(), s.status.tone());
    if let Some(incident) = &s.incident {
        let to = format!("/privacy/incidents/{incident}");
        page = page.action(Action::open("登记的事件", to));
    }
    if parts::keeps(ctx) && s.status == Lead::Waiting {
        let register = format!("/privacy/incidents?signal={id}#report");
        let text = "写明理由后结束这条线索。";
        let dismiss = Action::send("不作为事件", "signal.dismiss")
            .record(id)
            .confirm(Confirm::new("不作为事件？", text, "确定").reason("理由"));
        page = page
            .action(Action::open("登记为事件", register).primary())
            .action(dismiss);
    }
    Ok(page.block(Block::history("history", Signal::COLLECTION, id)))
}

/// Whom an incident is about, where a signal led to it that says so and nobody was told yet.
pub(super) fn concerned(ctx: &Ctx, incident: &Stored<Incident>) -> Result<Map, Fault> {
    let mut known = Map::new();
    if incident.told.is_none() {
        let signals = ctx.find::<Signal>(Signal::INCIDENT.eq(incident.id.clone()))?;
        if let Some(receivers) = signals.first().and_then(|s| s.record.receivers) {
            known.insert("receivers".into(), receivers.into());
        }
    }
    Ok(known)
}

/// Who was told of an incident, if anybody was.
pub(super) fn of(
    ctx: &Ctx,
    incident: &Stored<Incident>,
    ask: &Ask,
) -> Result<Option<Block>, Fault> {
    let number = ask.page_number();
    let find = Find::<Telling>::new()
        .filter(Telling::INCIDENT.eq(incident.id.clone()))
        .sort(Telling::TOLD_AT.asc())
        .page(number, MOST);
    let found = ctx.find(find)?;
    let total = found.total;
    if total == 0 {
        return Ok(None);
    }
    let rows = found.into_iter().map(|t| {
        let cells = vec![
            Datum::text(&t.organisation_name),
            Datum::Time(t.told_at.micros()),
        ];
        Row::new(t.id.as_str(), cells).to(format!("/privacy/tellings/{}", t.id))
    });
    let columns = vec![
        Column::new("name", "主体", 0),
        Column::new("told_at", "告知时间", 0),
    ];
    let table = Table::new(columns).rows(rows).paging(number, MOST, total);
    Ok(Some(Block::table("told", table).title("已通知的主体")))
}

/// What one organisation was told, as its people read it.
pub(super) fn telling(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let t = ctx.must::<Telling>(ask.param("id"))?;
    let facts = [
        ("被告知的主体", Datum::text(&t.organisation_name)),
        ("发现时间", Datum::Time(t.found_at.micros())),
        ("告知时间", Datum::Time(t.told_at.micros())),
        ("涉及的信息种类", Datum::text(&t.categories)),
        ("原因", Datum::text(&t.cause)),
        ("可能造成的危害", Datum::text(&t.harm)),
        ("我们已采取的补救措施", Datum::text(&t.remedy)),
        ("您可以采取的减轻危害的措施", Datum::text(&t.advice)),
        ("联系方式", Datum::text(&t.contact)),
    ];
    let facts = facts
        .into_iter()
        .map(|(label, value)| Fact::new(label, value));
    let text = "按《个人信息保护法》第五十七条通知您。内容为告知时的情况，有疑问请按联系方式询问。";
    let notice = Notice::new(Tone::Warning, "您的信息可能受到安全事件影响。", text);
    Ok(Page::new("安全事件告知")
        .block(Block::notice("law", notice))
        .block(Block::details("facts", facts.collect())))
}
