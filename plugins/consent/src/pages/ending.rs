//! Letters that end soon, on the home page of those whose they are.

use sdk::prelude::*;

use crate::model::{Letter, Status};
use crate::rules::{SOON, nearness};

/// Letters that are shown.
const MOST: u32 = 10;

pub(super) fn block(ctx: &Ctx, _ask: &Ask) -> Result<Vec<Section>, Fault> {
    // Whose letters they are sees to them; who looks on from the platform has the list.
    let caller = ctx.caller();
    if !caller.has_role("enterprise.owner") && !caller.has_role("bank.officer") {
        return Ok(Vec::new());
    }
    let today = ctx.today();
    let [told, _] = SOON;
    let find = Find::<Letter>::new()
        .filter(Letter::STATUS.eq(Status::Effective))
        .filter(Letter::VALID_TO.between(today, today.plus_days(told)))
        .sort(Letter::VALID_TO.asc())
        .limit(MOST);
    let rows: Vec<Row> = ctx
        .find(find)?
        .into_iter()
        .filter_map(|letter| {
            let (words, tone) = nearness(letter.valid_to, today)?;
            let cells = vec![
                Datum::text(&letter.number),
                Datum::text(&letter.grantor_name),
                Datum::text(&letter.recipient_name),
                Datum::status(words, tone),
            ];
            let to = format!("/consent/letters/{}", letter.id);
            Some(Row::new(letter.id.as_str(), cells).to(to))
        })
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = vec![
        Column::new("number", "授权书编号", 0),
        Column::new("grantor", "授权企业", 2),
        Column::new("recipient", "被授权机构", 1),
        Column::new("left", "期限", 1),
    ];
    let table = Block::table("ending", Table::new(columns).rows(rows))
        .title("即将到期的授权书")
        .more("全部", "/consent/letters?state=soon");
    Ok(vec![Section::stack().block(table)])
}
