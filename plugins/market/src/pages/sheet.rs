//! One product: its terms, what it costs, and the way to apply.

use std::collections::BTreeMap;

use sdk::contract::page::{Status as Tag, read_form};
use sdk::contract::scalar::print_scaled;
use sdk::prelude::*;

use super::{apply, may_want};
use crate::model::{Product, Repayment, Status};
use crate::rules::{Schedule, equal_installments, equal_principals};

/// A product of a park is shown by the park's own pages only.
pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let id = ask.param("id");
    let product = ctx.must::<Product>(id)?;
    if product.park.is_some() {
        return Err(Fault::not_found());
    }
    let mut page = Page::new(&product.name)
        .subtitle(&product.institution_name)
        .under("首页", "/")
        .under("产品超市", "/market/products")
        .status(product.status.label(), product.status.tone());
    if may_want(ctx) {
        let apply = apply(&product).icon("file-plus");
        page = page.action(match product.status {
            Status::Online => apply,
            Status::Offline => apply.off("产品已下线，请选择其他产品"),
        });
    }
    let calculator = calculator(&product);
    let calculated = calculate(&calculator, ask);
    page = page
        .section(
            Section::main_and_side()
                .block(terms(&product))
                .block(words(&product)),
        )
        .section(
            Section::stack()
                .title("还款试算")
                .block(Block::form(calculator)),
        );
    Ok(page.section(calculated))
}

fn terms(product: &Product) -> Block {
    let range = |from: String, to: String| Datum::text(format!("{from} – {to}"));
    let percent = |rate: Decimal<4>| format!("{}%", print_scaled(rate.units, 2));
    let mut facts = vec![
        Fact::new("金融机构", Datum::text(&product.institution_name)),
        Fact::new("产品类型", Datum::text(product.kind.label())),
        Fact::new("额度下限", Datum::Money(product.amount_min.units)),
        Fact::new("额度上限", Datum::Money(product.amount_max.units)),
        Fact::new(
            "期限",
            range(
                product.term_min.to_string(),
                format!("{} 个月", product.term_max),
            ),
        ),
        Fact::new(
            "年化利率(单利)",
            range(percent(product.rate_from), percent(product.rate_to)),
        )
        .help("实际利率以银行审批为准"),
        Fact::new("还款方式", Datum::text(product.repayment.label())),
        Fact::new("担保方式", Datum::text(&product.guarantee)),
        Fact::new(
            "审批时长",
            Datum::quantity(product.approval_days, "个工作日"),
        )
        .help("自受理起"),
        Fact::new("产品代码", Datum::text(&product.code)),
    ];
    if let Some(zone) = product.zone {
        facts.push(Fact::new("特色专区", Datum::text(zone.label())));
    }
    if !product.tags.is_empty() {
        let tags = product
            .tags
            .iter()
            .map(|t| Tag::new(t, Tone::Info))
            .collect();
        facts.push(Fact::new("标签", Datum::Tags(tags)));
    }
    Block::details("terms", facts).title("产品要素")
}

fn words(product: &Product) -> Block {
    let scored = match product.model {
        Some(_) => {
            "提交申请后，平台按您签署的授权书读取数据，用该行自己的评分模型评分，供审批人员参考。"
        }
        None => "由该行人工审批。",
    };
    Block::prose(
        "about",
        format!(
            "## 产品特点\n{}\n\n## 适用对象\n{}\n\n## 怎样审批\n{scored}",
            product.features, product.audience
        ),
    )
    .title("产品说明")
}

fn calculator(product: &Product) -> Form {
    let amount = product
        .amount_min
        .max(product.amount_max.min(Money::from_yuan(1_000_000)));
    let term = 12.clamp(product.term_min, product.term_max.max(product.term_min));
    let method = match product.repayment {
        Repayment::EqualPrincipal => "equal-principal",
        _ => "equal-installment",
    };
    let methods = [Repayment::EqualInstallment, Repayment::EqualPrincipal]
        .map(|r| Choice::new(r.value(), r.label()));
    Form::new("calculator", Action::open("试算", "/market/products"))
        .query()
        .field(
            Field::money_wan(
                "amount",
                "贷款金额",
                Some(product.amount_min.units),
                Some(product.amount_max.units),
            )
            .required()
            .initial(amount.to_string()),
        )
        .field(
            Field::number(
                "term",
                "期限",
                Some(product.term_min),
                Some(product.term_max),
                "个月",
            )
            .required()
            .initial(term.to_string()),
        )
        .field(
            Field::ratio(
                "rate",
                "年化利率",
                Some(product.rate_from.units),
                Some(product.rate_to.units),
            )
            .required()
            .initial(product.rate_from.to_string()),
        )
        .field(
            Field::pick("method", "还款方式", methods.to_vec())
                .required()
                .initial(method),
        )
}

/// Nothing before somebody asked; then the schedule, or what is wrong with the question.
fn calculate(form: &Form, ask: &Ask) -> Section {
    let section = Section::stack();
    if !ask.query.contains_key("amount") {
        return section;
    }
    let typed: BTreeMap<String, Vec<String>> = ask
        .query
        .iter()
        .map(|(k, v)| (k.clone(), vec![v.clone()]))
        .collect();
    let values = match read_form(form, &typed) {
        Ok(values) => values,
        Err(faults) => {
            let label = |name: &str| {
                form.fields()
                    .find(|f| f.name == name)
                    .map_or_else(String::new, |f| f.label.clone())
            };
            let lines: Vec<String> = faults
                .iter()
                .map(|f| format!("{}：{}", label(&f.field), f.message))
                .collect();
            let notice = Notice::new(Tone::Warning, "请更正后再试算。", lines.join("；"));
            return section.block(Block::notice("calculator-faults", notice));
        }
    };
    let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    let (amount, rate) = (
        text("amount").parse::<Money>(),
        text("rate").parse::<Decimal<4>>(),
    );
    let months = values
        .get("term")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let method = text("method");
    let make = if method == "equal-principal" {
        equal_principals
    } else {
        equal_installments
    };
    match (amount, rate) {
        (Ok(amount), Ok(rate)) => match make(amount, rate, months) {
            Some(schedule) => section.blocks(result(amount, &schedule)),
            None => section,
        },
        _ => section,
    }
}

fn result(amount: Money, schedule: &Schedule) -> [Block; 2] {
    let money = |m: Money| Datum::Money(m.units);
    let stats = vec![
        Stat::new("首期还款", money(schedule.first())),
        Stat::new("末期还款", money(schedule.last())),
        Stat::new("利息合计", money(schedule.interest)),
        Stat::new(
            "本息合计",
            amount
                .checked_add(schedule.interest)
                .map_or(Datum::None, money),
        ),
    ];
    let columns = vec![
        Column::new("number", "期数", 0),
        Column::new("payment", "还款额", 1),
        Column::new("principal", "本金", 2),
        Column::new("interest", "利息", 2),
        Column::new("balance", "剩余本金", 3),
    ];
    // Schedules are exact to the 分, so the figures are text that no renderer rounds to 万元.
    let exact = |m: Money| Datum::Decimal(m.to_string());
    let rows = schedule.installments.iter().map(|i| {
        let cells = vec![
            Datum::Integer(i.number),
            exact(i.payment),
            exact(i.principal),
            exact(i.interest),
            exact(i.balance),
        ];
        Row::new(i.number.to_string(), cells)
    });
    [
        Block::stats("calculated", stats),
        Block::table("schedule", Table::new(columns).rows(rows))
            .title("还款计划（元）")
            .help("按月计息，供参考；实际以借款合同为准"),
    ]
}
