//! How long each step may take, and which days are no ordinary ones.

use sdk::prelude::*;

use crate::model::{DayKind, Holiday};
use crate::rules::Clock;

const PAGE: u32 = 50;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let standard = Clock::read(ctx)?.standard;
    let find = Find::<Holiday>::new()
        .sort(Holiday::DAY.desc())
        .page(number, PAGE);
    let found = ctx.find(find)?;
    let total = found.total;
    let rows = found.into_iter().map(|holiday| {
        let cells = vec![
            Datum::date(holiday.day.to_string()),
            Datum::Status(holiday.kind.status()),
            Datum::text(&holiday.name),
        ];
        Row::new(holiday.id.as_str(), cells)
    });
    let columns = vec![
        Column::new("day", "日期", 0),
        Column::new("kind", "安排", 0),
        Column::new("name", "说明", 1),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, total)
        .empty("没有特殊日期：周一至周五为工作日");
    let days = |name: &str, label: &str, value: i64| {
        Field::number(name, label, Some(1), Some(60), "个工作日")
            .required()
            .initial(value.to_string())
    };
    let set = Form::new("standard", Action::send("保存", "standard.set"))
        .field(days("mark_days", "标注", standard.mark_days))
        .field(days("transfer_days", "转办", standard.transfer_days))
        .field(days("decide_days", "核查答复", standard.decide_days))
        .field(days("appeal_days", "申诉期", standard.appeal_days));
    let kinds = DayKind::ALL
        .iter()
        .map(|k| Choice::new(k.value(), k.label()))
        .collect();
    let add = Form::new("holiday", Action::send("设定", "holiday.set"))
        .field(Field::date("day", "日期").required())
        .field(Field::pick("kind", "安排", kinds).required())
        .field(
            Field::text("name", "说明", 40)
                .required()
                .hint("如：国庆节、调休上班"),
        );
    let help = match standard.office {
        Some(_) => "此后开始的环节按新时限；标注、转办逾期的，向受理单位的督办人员上报",
        None => "请保存一次：保存人所在的机构为受理单位，标注、转办逾期的向其督办人员上报",
    };
    Ok(Page::new("异议时限与日历")
        .shell(Shell::Bench)
        .subtitle("期限按工作日计算：周一至周五，除下面另有安排的日期")
        .under("数据异议办理", "/exchange/desk")
        .section(
            Section::main_and_side()
                .block(Block::form(set).title("办理时限").help(help))
                .block(Block::form(add).title("特殊日期")),
        )
        .block(Block::table("holidays", table).title("已设定的日期")))
}
