//! What is shown: an enterprise's own data, with where it came from and when.

use sdk::prelude::*;

use crate::model::{InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord};
use crate::permissions;

pub(crate) const ALL: &[Route] = &[Route {
    path: "/credit/data",
    label: "我的数据",
    en: "My data",
    icon: "database",
    area: Area::Me,
    order: 40,
    permission: permissions::READ,
    render: data,
}];

fn data(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let about = "银行读取这些数据须有您签署的授权书；数据有误时，请向来源部门提出更正。";
    Ok(Page::new("我的数据")
        .subtitle(about)
        .under("首页", "/")
        .section(Section::grid().blocks([
            source("tax", "纳税", newest::<TaxRecord>(ctx)?.map(tax)),
            source(
                "social",
                "社会保险",
                newest::<InsuranceRecord>(ctx)?.map(insurance),
            ),
            source(
                "utility",
                "水电气",
                newest::<UtilityRecord>(ctx)?.map(utility),
            ),
            source(
                "judicial",
                "司法与行政处罚",
                newest::<JudicialRecord>(ctx)?.map(judicial),
            ),
        ])))
}

/// The caller's newest record; the scope of its grant is its own.
fn newest<R: Record>(ctx: &Ctx) -> Result<Option<R>, Fault> {
    let query = Query::new(R::COLLECTION).sort("created_at", true).limit(1);
    Ok(ctx
        .find::<R>(query)?
        .items
        .into_iter()
        .next()
        .map(|stored| stored.record))
}

/// Facts, then source and day.
type Sourced = (Vec<Fact>, String, Date);

fn source(id: &str, title: &str, record: Option<Sourced>) -> Block {
    match record {
        Some((facts, source, as_of)) => Block::details(id, facts)
            .title(title)
            .help(format!("来源：{source}，数据截至 {as_of}"))
            .span(6),
        None => Block::prose(
            id,
            "来源部门没有本企业的记录，评分时按“缺失”处理，不作为不利因素。",
        )
        .title(title)
        .span(6),
    }
}

fn count(n: i64, unit: &str) -> Datum {
    Datum::quantity(n, unit)
}

/// What a source left out is shown as nothing.
fn told<T>(value: Option<T>, datum: impl FnOnce(T) -> Datum) -> Datum {
    value.map_or(Datum::None, datum)
}

fn money(amount: Money) -> Datum {
    Datum::Money(amount.units)
}

fn ratio(ratio: Decimal<4>) -> Datum {
    Datum::ratio(ratio.to_string())
}

fn tax(r: TaxRecord) -> Sourced {
    let facts = vec![
        Fact::new("近12个月纳税额", told(r.paid_12m, money)),
        Fact::new("近12个月销售收入", told(r.sales_12m, money)),
        Fact::new("纳税信用等级", told(r.grade, Datum::text)),
        Fact::new("连续申报", told(r.months_declared, |n| count(n, "个月"))).help("最近 36 个月内"),
        Fact::new(
            "月销售收入变异系数",
            told(r.sales_cv, |v| Datum::Decimal(v.to_string())),
        )
        .help("越小越平稳"),
    ];
    (facts, r.source, r.as_of)
}

fn insurance(r: InsuranceRecord) -> Sourced {
    let facts = vec![
        Fact::new("参保人数", told(r.insured, |n| count(n, "人"))),
        Fact::new("参保人数同比变动", told(r.insured_change_12m, ratio)),
        Fact::new("社保欠缴", told(r.months_in_arrears, |n| count(n, "个月")))
            .help("最近 36 个月内"),
    ];
    (facts, r.source, r.as_of)
}

fn utility(r: UtilityRecord) -> Sourced {
    let facts = vec![
        Fact::new("用电量同比变动", told(r.power_change_12m, ratio)),
        Fact::new("水电气欠费", told(r.arrears_count, |n| count(n, "次"))).help("最近 12 个月内"),
    ];
    (facts, r.source, r.as_of)
}

fn judicial(r: JudicialRecord) -> Sourced {
    let facts = vec![
        Fact::new("被执行案件", count(r.enforcement_count, "件")),
        Fact::new("失信被执行记录", count(r.dishonest_count, "条")),
        Fact::new("行政处罚", count(r.penalty_count, "次")),
    ];
    (facts, r.source, r.as_of)
}
