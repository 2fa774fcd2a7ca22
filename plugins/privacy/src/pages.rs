//! What is shown: each register as a list and record by record, and what is due on the home page.

mod due;
mod parts;
mod told;
mod yearly;

use sdk::prelude::*;

use crate::actions::{assess, entrust, respond, tell};
use crate::model::{Assessment, Deadline, Incident, Processor, Progress, Stage, Standing};
use crate::{permissions, rules};
use parts::{Register, detail, form, list};

const fn route(
    path: &'static str,
    label: &'static str,
    en: &'static str,
    order: u16,
    render: fn(&Ctx, &Ask) -> Result<Page, Fault>,
) -> Route {
    Route {
        path,
        label,
        en,
        icon: "shield-check",
        area: if order == 0 { Area::None } else { Area::Bench },
        order,
        permission: permissions::READ,
        render,
    }
}

pub(crate) const ALL: &[Route] = &[
    route(
        "/privacy/assessments",
        "影响评估",
        "Impact assessments",
        951,
        assessments,
    ),
    route(
        "/privacy/assessments/{id}",
        "影响评估",
        "Impact assessment",
        0,
        assessment,
    ),
    route(
        "/privacy/processors",
        "受托处理人",
        "Processors",
        952,
        processors,
    ),
    route(
        "/privacy/processors/{id}",
        "受托处理人",
        "Processor",
        0,
        processor,
    ),
    route(
        "/privacy/incidents",
        "信息安全事件",
        "Incidents",
        953,
        incidents,
    ),
    route(
        "/privacy/deadlines/{id}",
        "报告时限",
        "Deadline",
        0,
        deadline,
    ),
    route(
        "/privacy/incidents/{id}",
        "信息安全事件",
        "Incident",
        0,
        incident,
    ),
    route("/privacy/signals/{id}", "线索", "Signal", 0, told::signal),
    Route {
        permission: permissions::TOLD,
        ..route(
            "/privacy/tellings/{id}",
            "安全事件告知",
            "What one was told",
            0,
            told::telling,
        )
    },
    route(
        "/privacy/holdings",
        "重要数据目录",
        "Important data",
        954,
        yearly::holdings,
    ),
    route(
        "/privacy/holdings/{id}",
        "重要数据",
        "Important data",
        0,
        yearly::holding,
    ),
    route(
        "/privacy/reviews",
        "数据安全风险评估",
        "Risk assessments",
        955,
        yearly::reviews,
    ),
    route(
        "/privacy/reviews/{id}",
        "数据安全风险评估",
        "Risk assessment",
        0,
        yearly::review,
    ),
];

pub(crate) const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "due",
    order: 30,
    permission: permissions::KEEP,
    render: due::block,
}];

fn assessments(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let register = Register {
        title: "影响评估",
        about: "处理敏感个人信息、自动化决策、委托或提供之前评估；报告和处理记录不删除",
        of: Assessment::COLLECTION,
        empty: "还没有影响评估",
    };
    let new = form::<assess::Draft>("draft", "新建评估", None);
    list::<Assessment>(ctx, ask, &register, "新建评估", new)
}

fn assessment(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let a = ctx.must::<Assessment>(ask.param("id"))?;
    let id = a.id.as_str();
    let mut page = detail(&a, &a.activity, ("影响评估", "/privacy/assessments"))
        .status(a.status.label(), a.status.tone());
    if parts::keeps(ctx) {
        page = match a.status {
            Stage::Draft => {
                let revise = form::<assess::Revise>("revise", "修改", Some((id, &a.to_map())));
                let conclude =
                    form::<assess::Conclude>("conclude", "给出结论", Some((id, &Map::new())));
                page.block(Block::form(conclude).title("给出结论"))
                    .block(Block::form(revise).title("修改"))
            }
            Stage::Concluded => {
                let text = "原结论留在变更历史中。";
                let again = Action::send("重新评估", "assessment.reopen")
                    .record(id)
                    .confirm(Confirm::new("重新评估？", text, "重新评估").reason("原因"));
                page.action(again)
            }
        };
    }
    Ok(page.block(Block::history("history", Assessment::COLLECTION, id)))
}

fn processors(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let register = Register {
        title: "受托处理人",
        about: "委托处理个人信息的，约定目的、期限、方式、种类与措施，并监督其处理活动",
        of: Processor::COLLECTION,
        empty: "没有登记受托处理人",
    };
    let new = form::<entrust::Register>("register", "登记受托人", None);
    list::<Processor>(ctx, ask, &register, "登记受托人", new)
}

fn processor(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let p = ctx.must::<Processor>(ask.param("id"))?;
    let id = p.id.as_str();
    let mut page = detail(&p, &p.name, ("受托处理人", "/privacy/processors"))
        .status(p.status.label(), p.status.tone());
    if parts::keeps(ctx) && p.status == Standing::Active {
        let none = Map::new();
        let supervise = form::<entrust::Supervise>("supervise", "记录监督", Some((id, &none)));
        let end = form::<entrust::End>("end", "终止委托", Some((id, &none)));
        page = page
            .block(Block::form(supervise).title("记录监督"))
            .block(Block::form(end).title("终止委托"));
    }
    Ok(page.block(Block::history("history", Processor::COLLECTION, id)))
}

fn incidents(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let register = Register {
        title: "信息安全事件",
        about: "发生或可能发生个人信息泄露、篡改、丢失的，立即补救、报告并通知；演练同样登记",
        of: Incident::COLLECTION,
        empty: "没有登记过事件",
    };
    let new = told::report(ctx, ask)?;
    let page = list::<Incident>(ctx, ask, &register, "登记事件", new)?;
    let page = match told::waiting(ctx)? {
        Some(signals) => page.block(signals),
        None => page,
    };
    Ok(page.block(deadlines(ctx)?))
}

fn deadlines(ctx: &Ctx) -> Result<Block, Fault> {
    let all = ctx.find::<Deadline>(Find::<Deadline>::new().sort(Deadline::HOURS.desc()))?;
    let rows = all.into_iter().map(|d| {
        let cells = vec![
            Datum::Status(d.grade.status()),
            Datum::quantity(d.hours, "小时"),
            Datum::text(&d.basis),
        ];
        Row::new(d.id.as_str(), cells).to(format!("/privacy/deadlines/{}", d.id))
    });
    let columns = vec![
        Column::new("grade", "级别", 0),
        Column::new("hours", "报告时限", 0),
        Column::new("basis", "依据", 1),
    ];
    let table = Table::new(columns).rows(rows).empty("尚未设定报告时限");
    Ok(Block::table("deadlines", table).title("报告时限"))
}

fn deadline(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let d = ctx.must::<Deadline>(ask.param("id"))?;
    let id = d.id.as_str();
    let mut page = detail(&d, "报告时限", ("信息安全事件", "/privacy/incidents"));
    if parts::keeps(ctx) {
        let set = form::<respond::SetDeadline>("set", "设定", Some((id, &d.to_map())));
        page = page.block(Block::form(set).title("设定"));
    }
    Ok(page.block(Block::history("history", Deadline::COLLECTION, id)))
}

fn incident(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let i = ctx.must::<Incident>(ask.param("id"))?;
    let id = i.id.as_str();
    let mut page = detail(&i, &i.title, ("信息安全事件", "/privacy/incidents"))
        .status(i.status.label(), i.status.tone());
    if i.status == Progress::Open && i.authority_at.is_none() {
        let (words, tone) = rules::within(i.report_by, ctx.now());
        let lead = if i.drill {
            "演练：报告期限"
        } else {
            "报告期限"
        };
        page = page.block(Block::notice("due", Notice::new(tone, lead, words)));
    }
    if parts::keeps(ctx) && i.status == Progress::Open {
        let (known, none) = (i.to_map(), Map::new());
        let forms = [
            (
                "向部门报告",
                form::<respond::TellAuthority>("authority", "记录报告", Some((id, &known))),
            ),
            (
                "通知受影响的主体（站内信）",
                form::<tell::Tell>("tell", "发送通知", Some((id, &told::concerned(ctx, &i)?))),
            ),
            (
                "通知个人",
                form::<respond::TellPersons>("persons", "记录通知", Some((id, &known))),
            ),
            (
                "更新",
                form::<respond::Amend>("amend", "更新", Some((id, &known))),
            ),
            (
                "办结",
                form::<respond::Close>("close", "办结", Some((id, &none))),
            ),
        ];
        // A drill goes to nobody outside.
        let sent = |form: &Form| !(i.drill && form.name == "tell");
        for (title, form) in forms.into_iter().filter(|(_, form)| sent(form)) {
            page = page.block(Block::form(form).title(title));
        }
    }
    if let Some(told) = told::of(ctx, &i, ask)? {
        page = page.block(told);
    }
    Ok(page.block(Block::history("history", Incident::COLLECTION, id)))
}
