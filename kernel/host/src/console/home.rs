//! What waits for the console's people, on their home page.

use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Datum, Page, Section, Stat, Tone};
use sdk_contract::query::{Filter, Query};

use crate::Host;
use crate::module::Call;

/// Models that wait for a validator, and those that are live.
pub(super) async fn tasks(host: &Host, call: &Call) -> Result<Page, Fault> {
    let waiting = count(host, call, "submitted").await?;
    let live = count(host, call, "approved").await?;
    let stat = |label: &str, n: i64, icon: &str, tone| {
        Stat::new(label, Datum::Integer(n))
            .icon(icon, tone)
            .to("/console/models")
    };
    let stats = vec![
        stat("待验证的模型", waiting, "shield-check", Tone::Warning),
        stat("已上线的模型", live, "circle-check", Tone::Success),
    ];
    let block = Block::stats("tasks", stats)
        .title("评分模型")
        .more("进入评分模型", "/console/models");
    Ok(Page::new("首页").section(Section::stack().block(block)))
}

async fn count(host: &Host, call: &Call, status: &str) -> Result<i64, Fault> {
    let query = Query::new("console.models")
        .filter(Filter::eq("status", status))
        .page(1, 1);
    let found = host.listed(call, query).await?;
    Ok(i64::try_from(found.total.unwrap_or_default()).unwrap_or(i64::MAX))
}
