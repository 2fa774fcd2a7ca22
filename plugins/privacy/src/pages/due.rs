//! What is due, on the home page of whoever keeps the registers.

use sdk::prelude::*;

use crate::actions::review;
use crate::model::{
    Assessment, Held, Holding, Incident, Lead, Processor, Progress, Signal, Stage, Standing,
};
use crate::rules;

/// Entries of one register that are looked at.
const MOST: u32 = 50;

pub(super) fn block(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    let (today, now) = (ctx.today(), ctx.now());
    let mut rows = Vec::new();
    let mut add = |what: &str, name: &str, (words, tone): (String, Tone), path: String| {
        let cells = vec![
            Datum::text(what),
            Datum::text(name),
            Datum::status(words, tone),
        ];
        rows.push(Row::new(path.trim_start_matches('/').replace('/', "-"), cells).to(path));
    };
    let waiting = Find::<Signal>::new()
        .filter(Signal::STATUS.eq(Lead::Waiting))
        .sort(Signal::FOUND_AT.asc())
        .limit(MOST);
    for s in ctx.find(waiting)? {
        let due = (Lead::Waiting.label().to_owned(), Tone::Danger);
        add("线索", &s.title, due, format!("/privacy/signals/{}", s.id));
    }
    let open = Find::<Incident>::new()
        .filter(Incident::STATUS.eq(Progress::Open))
        .sort(Incident::REPORT_BY.asc())
        .limit(MOST);
    for i in ctx.find(open)? {
        let due = match i.authority_at {
            Some(_) => ("待办结".to_owned(), Tone::Info),
            None => rules::within(i.report_by, now),
        };
        let what = if i.drill {
            "事件演练"
        } else {
            "信息安全事件"
        };
        add(what, &i.title, due, format!("/privacy/incidents/{}", i.id));
    }
    let concluded = Find::<Assessment>::new()
        .filter(Assessment::STATUS.eq(Stage::Concluded))
        .sort(Assessment::NEXT_DUE.asc())
        .limit(MOST);
    for a in ctx.find(concluded)? {
        if let Some(due) = a.next_due.and_then(|day| rules::due(day, today)) {
            let path = format!("/privacy/assessments/{}", a.id);
            add("影响评估", &a.activity, due, path);
        }
    }
    let active = Find::<Processor>::new()
        .filter(Processor::STATUS.eq(Standing::Active))
        .sort(Processor::SUPERVISE_BY.asc())
        .limit(MOST);
    for p in ctx.find(active)? {
        // A term that runs out is as much to be seen to as a look that is due.
        let first = p.supervise_by.min(p.until);
        if let Some(due) = rules::due(first, today) {
            add(
                "受托处理人",
                &p.name,
                due,
                format!("/privacy/processors/{}", p.id),
            );
        }
    }
    let listed = Find::<Holding>::new()
        .filter(Holding::STATUS.eq(Held::Listed))
        .sort(Holding::REVIEW_BY.asc())
        .limit(MOST);
    for h in ctx.find(listed)? {
        if let Some(due) = rules::due(h.review_by, today) {
            let path = format!("/privacy/holdings/{}", h.id);
            add("重要数据目录", &h.name, due, path);
        }
    }
    for r in review::current(ctx)? {
        if let Some(due) = r.next_due.and_then(|day| rules::due(day, today)) {
            let path = format!("/privacy/reviews/{}", r.id);
            add("年度风险评估", &r.title, due, path);
        }
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = vec![
        Column::new("what", "类别", 0),
        Column::new("name", "名称", 0),
        Column::new("due", "期限", 0),
    ];
    let table = Block::table("due", Table::new(columns).rows(rows)).title("个人信息保护待办");
    Ok(vec![Section::stack().block(table)])
}
