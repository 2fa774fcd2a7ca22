//! What happens by itself: whoever keeps the registers is told of what is due, and of what the platform
//! found that may be an incident.
//!
//! Each notice has a key, so it comes once whatever runs twice or was missed: once when an entry is due
//! soon, once when it is late; of an incident once an hour before its report is late, and once for each
//! day that it is late. Entries that nobody's organisation keeps, made before there were notices, are on
//! the home page alone.

use sdk::prelude::*;

use crate::model::{
    Assessment, Held, Holding, Incident, Lead, Processor, Progress, Review, Signal, Stage, Standing,
};
use crate::rules::SOON;
use crate::{events, permissions};

/// Entries of one register and run; the rest are left to the next event.
const AT_ONCE: u32 = 40;
/// Incidents of one run. There are few; those that are late longest come first.
const INCIDENTS: u32 = 100;
/// Names that a signal keeps: as many as are told at once.
const MOST: usize = 100;
const HOUR: i64 = 3_600_000_000;

pub(crate) const ALL: &[Schedule] = &[
    Schedule {
        name: "register.day-began",
        label: "提醒到期的评估、监督与复核",
        en: "Remind of entries that are due",
        when: When::Daily { hour: 8, minute: 0 },
        run: begin,
    },
    Schedule {
        name: "incident.quarter-began",
        label: "提醒报告期限",
        en: "Remind of reports that are due",
        when: When::Every { minutes: 15 },
        run: late,
    },
];

pub(crate) const ON: &[Listener] = &[
    Listener {
        event: "privacy.register.reminders-continued",
        run: go_on,
    },
    Listener {
        event: "console.reading.breached",
        run: breached,
    },
    Listener {
        event: "console.alteration.found",
        run: altered,
    },
];

/// An entry that is due on a day.
struct Due {
    owner: Option<String>,
    what: &'static str,
    name: String,
    day: Date,
    path: String,
}

const REGISTERS: [&str; 4] = ["assessments", "processors", "holdings", "reviews"];

fn begin(ctx: &mut Ctx, _: &Event) -> Result<(), Fault> {
    let today = ctx.today();
    for register in REGISTERS {
        remind(ctx, today, register, "")?;
    }
    Ok(())
}

fn go_on(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let day = text("day").and_then(|day| day.parse().ok());
    let (register, after) = (text("register"), text("after"));
    let today = ctx.today();
    remind(
        ctx,
        day.unwrap_or(today),
        register.unwrap_or_default(),
        after.unwrap_or_default(),
    )
}

/// Tells of some of what is due in a register, as it stands on a day.
fn remind(ctx: &mut Ctx, day: Date, register: &str, after: &str) -> Result<(), Fault> {
    let until = day.plus_days(SOON);
    let (due, next) = match register {
        "assessments" => some(
            ctx,
            Find::<Assessment>::new()
                .filter(Assessment::STATUS.eq(Stage::Concluded))
                .filter(Assessment::NEXT_DUE.at_most(until))
                .sort(Assessment::NEXT_DUE.asc()),
            after,
            |a| ("影响评估", a.activity.clone(), a.next_due),
        )?,
        "processors" => some(
            ctx,
            Find::<Processor>::new()
                .filter(Processor::STATUS.eq(Standing::Active))
                .filter(
                    Processor::SUPERVISE_BY
                        .at_most(until)
                        .or(Processor::UNTIL.at_most(until)),
                )
                .sort(Processor::SUPERVISE_BY.asc()),
            after,
            |p| {
                (
                    "受托处理人",
                    p.name.clone(),
                    Some(p.supervise_by.min(p.until)),
                )
            },
        )?,
        "holdings" => some(
            ctx,
            Find::<Holding>::new()
                .filter(Holding::STATUS.eq(Held::Listed))
                .filter(Holding::REVIEW_BY.at_most(until))
                .sort(Holding::REVIEW_BY.asc()),
            after,
            |h| ("重要数据目录", h.name.clone(), Some(h.review_by)),
        )?,
        "reviews" => some(
            ctx,
            Find::<Review>::new()
                .filter(Review::STATUS.eq(Stage::Concluded))
                .filter(Review::NEXT_DUE.at_most(until))
                .sort(Review::NEXT_DUE.asc()),
            after,
            |r| ("年度风险评估", r.title.clone(), r.next_due),
        )?,
        _ => return Ok(()),
    };
    for one in due {
        tell(ctx, day, one);
    }
    if let Some(next) = next {
        let data = json!({ "day": day, "register": register, "after": next });
        ctx.emit(events::REMINDERS_CONTINUED, register, data);
    }
    Ok(())
}

/// Some entries of a register with the day each is due on, and where the others begin.
fn some<R: Record>(
    ctx: &Ctx,
    find: Find<R>,
    after: &str,
    of: fn(&R) -> (&'static str, String, Option<Date>),
) -> Result<(Vec<Due>, Option<String>), Fault> {
    let found = ctx.find(find.apart().after(after, AT_ONCE))?;
    let next = found.next.clone();
    let due = found.into_iter().filter_map(|stored| {
        let (what, name, day) = of(&stored.record);
        Some(Due {
            path: format!("/privacy/{}/{}", R::COLLECTION, stored.id),
            owner: stored.organisation,
            what,
            name,
            day: day?,
        })
    });
    Ok((due.collect(), next))
}

fn tell(ctx: &mut Ctx, today: Date, due: Due) {
    let Some(owner) = due.owner else { return };
    let (mark, title, en) = if due.day < today {
        ("late", "已逾期，请尽快办理", "An entry is overdue")
    } else {
        ("soon", "即将到期，请安排", "An entry is due soon")
    };
    let (what, name, day) = (due.what, due.name, due.day);
    let id = due.path.rsplit('/').next().unwrap_or_default();
    let notice = permissions::KEEP
        .notice(owner, format!("{mark}-{day}:{id}"))
        .title(format!("{what}{title}"), en)
        .text(format!("{name}：期限 {day}"), format!("Due on {day}"))
        .path(&due.path);
    ctx.notify(notice);
}

/// Tells of incidents that no authority was told of, shortly before that is late and from then on.
fn late(ctx: &mut Ctx, _: &Event) -> Result<(), Fault> {
    let now = ctx.now();
    let find = Find::<Incident>::new()
        .filter(Incident::STATUS.eq(Progress::Open))
        .filter(Incident::AUTHORITY_AT.missing())
        .filter(Incident::REPORT_BY.at_most(Timestamp::from_micros(now.micros() + HOUR)))
        .sort(Incident::REPORT_BY.asc())
        .apart()
        .limit(INCIDENTS);
    for incident in ctx.find(find)? {
        let Some(owner) = incident.organisation.clone() else {
            continue;
        };
        let until = incident.report_by.local_minute();
        let past = now.micros() - incident.report_by.micros();
        let (key, title, en) = if past < 0 {
            let title = "安全事件的报告期限不足一小时";
            ("soon".to_owned(), title, "A report is due within an hour")
        } else {
            let title = "安全事件逾期未报告";
            (
                format!("late-{}", past / (24 * HOUR)),
                title,
                "A report is overdue",
            )
        };
        let drill = if incident.drill { "（演练）" } else { "" };
        let notice = permissions::KEEP
            .notice(owner, format!("report-{key}:{}", incident.id))
            .title(title, en)
            .text(
                format!("{}{drill}：应于 {until} 前向部门报告", incident.title),
                format!("To be reported by {until}"),
            )
            .path(format!("/privacy/incidents/{}", incident.id));
        ctx.notify(notice);
    }
    Ok(())
}

/// Somebody read what they had no reason to read, as the audit administrator settled.
fn breached(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let number = |name: &str| event.data.get(name).and_then(Value::as_i64);
    let (day, reason) = (text("day"), text("reason"));
    let names = event.data.get("names").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<&str> = names.take(MOST).collect();
    let cause = format!(
        "{}的查询被审计管理员认定为违规：{}。涉及 {} 个主体，其中可发站内信的已列出 {} 个，其余请以其他方式通知。",
        day.unwrap_or("有一天"),
        reason.unwrap_or_default(),
        number("parties").unwrap_or_default(),
        names.len(),
    );
    let of = Concerned {
        parties: number("parties"),
        receivers: (!names.is_empty()).then(|| names.join("\n")),
    };
    signal(ctx, event, "违规查询他方数据", &cause, of)
}

/// Records are not as the platform wrote them.
fn altered(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let number = event.data.get("number").and_then(Value::as_i64);
    let cause = format!(
        "巡检发现 {} 条记录不是平台写入的样子，可能在数据库中被改动，见“被改动的记录”。",
        number.unwrap_or(1)
    );
    signal(
        ctx,
        event,
        "记录被绕过平台改动",
        &cause,
        Concerned::default(),
    )
}

/// Whom a signal is about, as far as the event says.
#[derive(Default)]
struct Concerned {
    parties: Option<i64>,
    receivers: Option<String>,
}

/// Keeps what may be an incident, once, and tells whoever the event says keeps the registers.
fn signal(
    ctx: &mut Ctx,
    event: &Event,
    title: &str,
    cause: &str,
    of: Concerned,
) -> Result<(), Fault> {
    let key = format!("{}:{}", event.name, event.id);
    if !ctx.find::<Signal>(Signal::KEY.eq(key.clone()))?.is_empty() {
        return Ok(());
    }
    let id = ctx.insert(New::of(Signal {
        title: title.to_owned(),
        key,
        found_at: Timestamp::from_micros(event.at),
        cause: cause.chars().take(1000).collect(),
        parties: of.parties.filter(|n| *n >= 0),
        receivers: of.receivers,
        status: Lead::Waiting,
        incident: None,
        reason: None,
    }));
    if let Some(owner) = event.data.get("organisation").and_then(Value::as_str) {
        let notice = permissions::KEEP
            .notice(owner, format!("signal:{}", event.id))
            .title("有一条线索可能是安全事件", "There may be an incident")
            .text(
                format!("{title}：请判断是否登记为信息安全事件"),
                "Please judge whether it is one",
            )
            .path(format!("/privacy/signals/{id}"));
        ctx.notify(notice);
    }
    Ok(())
}
