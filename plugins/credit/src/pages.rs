//! What is shown: an enterprise's own data, with where it came from, when, and what of it is disputed;
//! and one record in one version, which the source's officer corrects there.

mod record;

use sdk::prelude::*;

use crate::model::versions::{Versioned, newest};
use crate::model::{InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord, feature_of};
use crate::permissions;

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/credit/data",
        label: "我的数据",
        en: "My data",
        icon: "database",
        area: Area::Me,
        order: 40,
        permission: permissions::MINE,
        render: data,
    },
    Route {
        path: "/credit/records/{id}",
        label: "数据记录",
        en: "Data record",
        icon: "database",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: record::page,
    },
];

/// What stands beside an item whose value is disputed.
const IN_DISPUTE: &str = "异议处理中";

fn data(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let about =
        "银行读取这些数据须有您签署的授权书；数据有误的，可以对该项提出异议，由来源单位核查更正。";
    Ok(Page::new("我的数据")
        .subtitle(about)
        .under("首页", "/")
        .action(Action::open("提出异议", "/exchange/disputes/new").icon("message"))
        .section(Section::grid().blocks([
            source::<TaxRecord>(ctx, "tax", "纳税")?,
            source::<InsuranceRecord>(ctx, "social", "社会保险")?,
            source::<UtilityRecord>(ctx, "utility", "水电气")?,
            source::<JudicialRecord>(ctx, "judicial", "司法与行政处罚")?,
        ])))
}

/// The caller's newest record of a source.
fn source<R: Shown>(ctx: &Ctx, id: &str, title: &str) -> Result<Block, Fault> {
    let subject = ctx.caller().subject.as_deref().unwrap_or_default();
    let Some(record) = newest::<R>(ctx, subject)? else {
        let none = "来源部门没有本企业的记录，评分时按“缺失”处理，不作为不利因素。";
        return Ok(Block::prose(id, none).title(title).span(6));
    };
    let (from, as_of) = record.source();
    let version = record.links().version;
    let help = format!("来源：{from}，数据截至 {as_of}，第 {version} 版");
    Ok(Block::details(id, facts(&record))
        .title(title)
        .help(help)
        .more("查看记录", format!("/credit/records/{}", record.id))
        .span(6))
}

/// A record as a list of items.
trait Shown: Versioned {
    const TITLE: &'static str;
    fn items(&self) -> Vec<Item>;
}

/// One item of a record: field, value, and what it means where its name does not say.
struct Item {
    field: &'static str,
    value: Datum,
    help: &'static str,
}

fn facts<R: Shown>(record: &Stored<R>) -> Vec<Fact> {
    let disputed = record.links().disputed;
    let fact = |item: Item| {
        let label = feature_of(R::COLLECTION, item.field).map(|f| f.label.zh);
        let fact = Fact::new(label.unwrap_or_else(|| item.field.to_owned()), item.value);
        let marked = disputed.iter().any(|field| field == item.field);
        match (item.help, marked) {
            ("", false) => fact,
            ("", true) => fact.help(IN_DISPUTE),
            (help, false) => fact.help(help),
            (help, true) => fact.help(format!("{IN_DISPUTE} · {help}")),
        }
    };
    record.items().into_iter().map(fact).collect()
}

fn count(n: i64, unit: &str) -> Datum {
    Datum::quantity(n, unit)
}

/// What a source left out, or the caller may not see, is shown as nothing.
fn told<T>(value: Option<T>, datum: impl FnOnce(T) -> Datum) -> Datum {
    value.map_or(Datum::None, datum)
}

fn money(amount: Money) -> Datum {
    Datum::Money(amount.units)
}

fn ratio(ratio: Decimal<4>) -> Datum {
    Datum::ratio(ratio.to_string())
}

const fn item(field: &'static str, value: Datum, help: &'static str) -> Item {
    Item { field, value, help }
}

impl Shown for TaxRecord {
    const TITLE: &'static str = "纳税数据";
    fn items(&self) -> Vec<Item> {
        let months = told(self.months_declared, |n| count(n, "个月"));
        let variation = told(self.sales_cv, |v| Datum::Decimal(v.to_string()));
        vec![
            item("paid_12m", told(self.paid_12m, money), ""),
            item("sales_12m", told(self.sales_12m, money), ""),
            item("grade", told(self.grade.clone(), Datum::text), ""),
            item("months_declared", months, "最近 36 个月内"),
            item("sales_cv", variation, "越小越平稳"),
        ]
    }
}

impl Shown for InsuranceRecord {
    const TITLE: &'static str = "社保数据";
    fn items(&self) -> Vec<Item> {
        let arrears = told(self.months_in_arrears, |n| count(n, "个月"));
        vec![
            item("insured", told(self.insured, |n| count(n, "人")), ""),
            item(
                "insured_change_12m",
                told(self.insured_change_12m, ratio),
                "",
            ),
            item("months_in_arrears", arrears, "最近 36 个月内"),
        ]
    }
}

impl Shown for UtilityRecord {
    const TITLE: &'static str = "水电气数据";
    fn items(&self) -> Vec<Item> {
        let arrears = told(self.arrears_count, |n| count(n, "次"));
        vec![
            item("power_change_12m", told(self.power_change_12m, ratio), ""),
            item("arrears_count", arrears, "最近 12 个月内"),
        ]
    }
}

impl Shown for JudicialRecord {
    const TITLE: &'static str = "司法与处罚数据";
    fn items(&self) -> Vec<Item> {
        vec![
            item("enforcement_count", count(self.enforcement_count, "件"), ""),
            item("dishonest_count", count(self.dishonest_count, "条"), ""),
            item("penalty_count", count(self.penalty_count, "次"), ""),
        ]
    }
}
