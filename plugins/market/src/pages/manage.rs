//! A bank's own products, to put on the market and take off it.

use sdk::prelude::*;

use crate::model::{Product, Status};

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let bank = ctx.caller().organisation.clone().unwrap_or_default();
    let number = ask.page_number();
    let mut find = Find::<Product>::new()
        .filter(Product::ORGANISATION.eq(bank))
        .sort(Product::NAME.asc());
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    if let Some(status) = ask.query("status") {
        find = find.filter(Filter::eq(Product::STATUS.name(), status));
    }
    let found = ctx.find::<Product>(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("name", "产品名称", 0),
        Column::new("status", "状态", 1),
        Column::new("kind", "类型", 2),
        Column::new("amount", "最高额度", 2),
        Column::new("rate", "年化利率(单利)", 3),
        Column::new("model", "评分模型", 3),
    ];
    let statuses = Status::ALL
        .iter()
        .map(|s| Choice::new(s.value(), s.label()))
        .collect();
    let table = Table::new(columns)
        .of("products")
        .rows(found.into_iter().map(|p| row(&p)))
        .filter(Field::pick("status", "状态", statuses))
        .search("产品名称或特点，可用拼音")
        .paging(number, PAGE, total)
        .empty("没有产品。请更换筛选条件。");
    Ok(Page::new("产品管理")
        .shell(Shell::Bench)
        .subtitle(ctx.caller().organisation_name.clone())
        .block(Block::table("products", table).title("本机构产品")))
}

fn row(product: &Stored<Product>) -> Row {
    let cells = vec![
        Datum::text(&product.name),
        Datum::Status(product.status.status()),
        Datum::text(product.kind.label()),
        Datum::Money(product.amount_max.units),
        Datum::ratio(product.rate_from.to_string()),
        product
            .model
            .as_ref()
            .map_or_else(|| Datum::text("人工审批"), Datum::text),
    ];
    let action = match product.status {
        Status::Online => {
            let question = format!("“{}”将不再接受新的申请，在途申请不受影响。", product.name);
            Action::send("下线", "product.withdraw")
                .confirm(Confirm::new("确认下线？", question, "下线").reason("下线原因"))
        }
        Status::Offline => Action::send("上线", "product.publish").primary(),
    };
    Row::new(product.id.as_str(), cells)
        .to(format!("/market/products/{}", product.id))
        .action(action.record(product.id.as_str()))
}
