//! An enterprise's own applications.

use sdk::prelude::*;

use super::money;
use crate::model::{Application, Status};

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let mut find = Find::<Application>::new().sort(Application::CREATED_AT.desc());
    if let Some(status) = ask.query("status") {
        find = find.filter(Filter::eq(Application::STATUS.name(), status));
    }
    let found = ctx.find::<Application>(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("product", "产品", 0),
        Column::new("institution", "金融机构", 2),
        Column::new("amount", "申请金额", 1),
        Column::new("status", "状态", 1),
        Column::new("submitted", "提交时间", 2),
        Column::new("number", "申请编号", 3),
    ];
    let rows = found.into_iter().map(|a| {
        let cells = vec![
            Datum::text(&a.product_name),
            Datum::text(&a.institution_name),
            money(a.amount),
            Datum::Status(a.status.status()),
            Datum::Time(a.submitted_at.micros()),
            Datum::text(&a.number),
        ];
        Row::new(a.id.as_str(), cells).to(format!("/lending/applications/{}", a.id))
    });
    let statuses = Status::ALL
        .iter()
        .map(|s| Choice::new(s.value(), s.label()))
        .collect();
    let table = Table::new(columns)
        .of("applications")
        .rows(rows)
        .filter(Field::pick("status", "状态", statuses))
        .paging(number, PAGE, total)
        .empty("还没有申请。可以先一键测额，或到产品超市挑选产品。");
    Ok(Page::new("我的申请")
        .subtitle(ctx.caller().organisation_name.clone())
        .under("首页", "/")
        .action(Action::open("一键测额", "/lending/quota").icon("calculator"))
        .action(
            Action::open("选产品", "/market/products")
                .icon("shopping-cart")
                .primary(),
        )
        .block(Block::table("applications", table).title("贷款申请")))
}
