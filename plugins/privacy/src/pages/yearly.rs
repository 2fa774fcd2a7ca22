//! Important data, and the yearly look at risks.

use sdk::prelude::*;

use super::parts::{self, Register, detail, form, list};
use crate::actions::{hold, review as actions};
use crate::model::{Held, Holding, Review, Stage};

pub(super) fn holdings(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let register = Register {
        title: "重要数据目录",
        about: "按国家、地区与行业规则认定的核心数据、重要数据；系统内各字段的级别见数据分级目录",
        of: Holding::COLLECTION,
        empty: "目录中没有数据",
    };
    let new = form::<hold::Register>("register", "列入目录", None);
    list::<Holding>(ctx, ask, &register, "列入目录", new)
}

pub(super) fn holding(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let h = ctx.must::<Holding>(ask.param("id"))?;
    let id = h.id.as_str();
    let mut page = detail(&h, &h.name, ("重要数据目录", "/privacy/holdings"))
        .status(h.status.label(), h.status.tone());
    if parts::keeps(ctx) && h.status == Held::Listed {
        let known = h.to_map();
        let forms = [
            (
                "复核",
                form::<hold::Look>("review", "记录复核", Some((id, &known))),
            ),
            (
                "目录报送",
                form::<hold::Report>("report", "记录报送", Some((id, &known))),
            ),
        ];
        for (title, form) in forms {
            page = page.block(Block::form(form).title(title));
        }
        let text = "不再属于重要数据的移出；记录仍然保留。";
        let remove = Action::send("移出目录", "holding.remove")
            .record(id)
            .confirm(Confirm::new("移出目录？", text, "移出").reason("理由"));
        page = page.action(remove);
    }
    Ok(page.block(Block::history("history", Holding::COLLECTION, id)))
}

pub(super) fn reviews(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let register = Register {
        title: "数据安全风险评估",
        about: "每年对数据处理活动评估一次；处理重要数据的，向主管部门报送评估报告",
        of: Review::COLLECTION,
        empty: "还没有风险评估",
    };
    let new = form::<actions::Draft>("draft", "新建评估", None);
    let page = list::<Review>(ctx, ask, &register, "新建评估", new)?;
    let current = actions::current(ctx)?;
    let late = |r: &Stored<Review>| r.next_due.is_none_or(|day| day < ctx.today());
    if current.items.iter().all(late) {
        let text = "请新建并完成本年度的评估。";
        let notice = Notice::new(Tone::Warning, "一年内没有完成过风险评估。", text);
        return Ok(page.block(Block::notice("late", notice)));
    }
    Ok(page)
}

pub(super) fn review(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let r = ctx.must::<Review>(ask.param("id"))?;
    let id = r.id.as_str();
    let mut page = detail(&r, &r.title, ("数据安全风险评估", "/privacy/reviews"))
        .status(r.status.label(), r.status.tone());
    if let Some(file) = &r.report {
        let files = vec![Review::REPORT.shown(&r.id, file)];
        page = page.block(Block::files("report", files).title("评估报告"));
    } else if r.status == Stage::Concluded {
        let notice = Notice::new(Tone::Warning, "报告未归档。", "请上传评估报告。");
        page = page.block(Block::notice("unfiled", notice));
    }
    if parts::keeps(ctx) {
        let (known, none) = (r.to_map(), Map::new());
        page = match r.status {
            Stage::Draft => {
                let conclude = form::<actions::Conclude>("conclude", "给出结论", Some((id, &none)));
                let revise = form::<actions::Revise>("revise", "修改", Some((id, &known)));
                page.block(Block::form(conclude).title("给出结论"))
                    .block(Block::form(revise).title("修改"))
            }
            Stage::Concluded => {
                let file = form::<actions::File>("file", "归档", Some((id, &none)));
                page.block(Block::form(file).title("归档评估报告"))
            }
        };
    }
    Ok(page.block(Block::history("history", Review::COLLECTION, id)))
}
