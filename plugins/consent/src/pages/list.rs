//! The letters the caller may see: an enterprise its own, a bank those addressed to it.

use sdk::prelude::*;

use super::shell;
use crate::model::Letter;
use crate::rules;

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let mut find = Find::<Letter>::new().sort(Letter::CREATED_AT.desc());
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    let found = ctx.find::<Letter>(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("number", "授权书编号", 0),
        Column::new("grantor", "授权企业", 2),
        Column::new("recipient", "被授权机构", 1),
        Column::new("status", "状态", 1),
        Column::new("valid_to", "到期日", 2),
        Column::new("uses", "已使用", 3),
    ];
    let rows = found.into_iter().map(|letter| {
        let (state, tone) = rules::state(&letter, ctx.today());
        let cells = vec![
            Datum::text(&letter.number),
            Datum::text(&letter.grantor_name),
            Datum::text(&letter.recipient_name),
            Datum::status(state, tone),
            Datum::date(letter.valid_to.to_string()),
            Datum::quantity(letter.uses, "次"),
        ];
        Row::new(letter.id.as_str(), cells).to(format!("/consent/letters/{}", letter.id))
    });
    let table = Table::new(columns)
        .of("letters")
        .rows(rows)
        .search("编号、企业或机构，可用拼音")
        .paging(number, PAGE, total)
        .empty("还没有授权书。申请贷款或测额前，先为相应的银行签署一份。");
    let mut page = Page::new("数据授权")
        .shell(shell(ctx))
        .subtitle("没有您的授权，银行读不到您的数据；授权可随时撤回")
        .under("首页", "/");
    if ctx.caller().has_role("enterprise.owner") {
        page = page.action(
            Action::open("签署授权书", "/consent/letters/new")
                .icon("signature")
                .primary(),
        );
    }
    Ok(page.block(Block::table("letters", table).title("授权书")))
}
