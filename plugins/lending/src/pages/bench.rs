//! One application as the bank sees it: facts, the score with its reasons, and the decision.

use sdk::contract::scalar::print_scaled;
use sdk::prelude::*;

use super::detail::product_link;
use super::money;
use super::progress::{Side, moments};
use crate::actions::product;
use crate::model::{Application, Product, Refusal, Status};
use crate::rules;

pub(super) fn page(ctx: &Ctx, a: &Stored<Application>) -> Result<Page, Fault> {
    let mut page = Page::new(&a.enterprise_name)
        .shell(Shell::Bench)
        .subtitle(format!(
            "{} · {} · {}",
            a.number,
            a.product_name,
            rules::words(a.amount)
        ))
        .under("贷款审批", "/lending/queue")
        .status(a.status.label(), a.status.tone())
        .guarded()
        .action(Action::print("打印").icon("printer"));
    let officer = ctx.caller().has_role("bank.officer");
    if officer && a.status == Status::Submitted {
        let accept = Action::send("受理", "application.accept").record(a.id.as_str());
        page = page.action(accept.icon("check").primary());
    }
    let timeline = Block::timeline("progress", moments(ctx, a, Side::Bank)?).title("办理过程");
    let product = product(ctx, &a.product)?;
    page = page
        .section(
            Section::main_and_side()
                .block(facts(a, product.as_ref()))
                .block(timeline),
        )
        .section(score(a));
    if a.score.is_some() {
        if let Some(doubts) = doubts(a) {
            page = page.block(doubts);
        }
        page = page.section(Section::stack().block(reasons(a)));
    }
    if officer && matches!(a.status, Status::Submitted | Status::UnderReview) {
        if let Some(product) = product {
            page = page.section(decision(a, &product));
        }
    } else if let Some(result) = decided(a) {
        page = page.block(result);
    }
    if officer && a.awaits_review() {
        page = page.section(second_look(a));
    }
    Ok(page
        .block(Block::signatures(
            "signatures",
            "applications",
            a.id.as_str(),
        ))
        .block(Block::history("history", "applications", a.id.as_str())))
}

fn facts(a: &Stored<Application>, product: Option<&Product>) -> Block {
    let mut facts = vec![
        Fact::new("申请编号", Datum::text(&a.number)),
        Fact::new("申请产品", product_link(a, product)),
        Fact::new("申请金额", money(a.amount)),
        Fact::new("期限", Datum::quantity(a.term_months, "个月")),
        Fact::new("用途", Datum::text(a.purpose.label())),
        Fact::new("统一社会信用代码", Datum::text(&a.uscc)),
        Fact::new("联系人", Datum::text(&a.contact)),
        Fact::new("联系电话", Application::PHONE.masked(&a.id, &a.phone)),
        Fact::new("注册资本", money(a.registered_capital)),
        Fact::new("成立日期", Datum::date(a.established.to_string())),
        Fact::new("从业人数", Datum::quantity(a.staff, "人")),
        Fact::new("所属区", Datum::text(&a.region_name)),
        Fact::new("行业", Datum::text(&a.industry_name)),
        Fact::new("提交时间", Datum::Time(a.submitted_at.micros())),
    ];
    if let Some(note) = &a.note {
        facts.push(Fact::new("补充说明", Datum::text(note)));
    }
    if let Some(letter) = &a.consent {
        facts.push(Fact::new(
            "授权书",
            Datum::link("查看授权书", format!("/consent/letters/{letter}")),
        ));
    }
    Block::details("facts", facts).title("申请信息")
}

/// The score at a glance, or why there is none.
fn score(a: &Application) -> Section {
    let Some(score) = a.score else {
        let notice = match &a.model {
            Some(model) => Notice::new(
                Tone::Info,
                "信用评价结果不显示。",
                format!(
                    "本次由{}的模型 {model} 评分，结果只有该机构和企业自己能看到。",
                    a.institution_name
                ),
            ),
            None if a.unscored.is_some() => Notice::new(
                Tone::Warning,
                "模型没有给出评分，请人工评审。",
                format!(
                    "原因：{}。评审依据请写入审批意见。",
                    a.unscored.clone().unwrap_or_default()
                ),
            ),
            None => Notice::new(
                Tone::Info,
                "没有信用分。",
                "该产品没有评分模型，请按人工审批流程办理。",
            ),
        };
        return Section::stack().block(Block::notice("no-score", notice));
    };
    let grade = a.grade.clone().unwrap_or_default();
    let probability = a
        .probability
        .map_or(Datum::None, |p| Datum::ratio(p.to_string()));
    let facts = vec![
        Fact::new("信用分", Datum::Decimal(short(score))),
        Fact::new("等级", Datum::text(&grade)),
        Fact::new("违约概率", probability).help("放款后 12 个月内，由模型估计"),
        Fact::new("评分模型", Datum::text(a.model.clone().unwrap_or_default())),
        Fact::new(
            "评分证书",
            Datum::text(a.certificate.clone().unwrap_or_default()),
        )
        .help("凭编号可在任何一台机器上复算出相同结果"),
    ];
    let mut blocks = vec![Block::details("score", facts).title("信用评价").span(6)];
    if let Some(gauge) = gauge(score, &grade) {
        blocks.push(
            Block::chart("gauge", gauge)
                .title(format!("信用分 {}", short(score)))
                .span(6),
        );
    }
    Section::grid().blocks(blocks)
}

fn gauge(score: Decimal<4>, grade: &str) -> Option<Chart> {
    const LOW: f64 = 300.0;
    const HIGH: f64 = 900.0;
    let amount = short(score).parse::<f64>().ok()?.clamp(LOW, HIGH);
    let band = |upto, label: &str, tone| Band {
        upto,
        label: label.to_owned(),
        tone,
    };
    let gauge = Gauge {
        amount,
        min: LOW,
        max: HIGH,
        label: grade.to_owned(),
        bands: vec![
            band(480.0, "偏低", Tone::Danger),
            band(620.0, "一般", Tone::Warning),
            band(700.0, "良好", Tone::Info),
            band(HIGH, "优秀", Tone::Success),
        ],
    };
    let summary = format!(
        "信用分 {}，等级 {grade}。分数供审批人员参考，不自动作出决定。",
        short(score)
    );
    Some(Chart::new(Shape::Gauge(gauge), summary))
}

/// Two digits after the point, rounded, as all points on this page.
fn short(figure: Decimal<4>) -> String {
    print_scaled(rounded(figure), 2)
}

/// Hundredths of a point.
fn rounded(figure: Decimal<4>) -> i64 {
    Decimal::<4>::scale_by(figure, 1, 100).map_or(0, |f| f.units)
}

/// Base, every contribution and the score. What rounding to two digits leaves over has a line of
/// its own, so that the column adds up.
fn reasons(a: &Application) -> Block {
    let mut sum = a.base.map_or(0, rounded);
    let line = |key: &str, cells: [Datum; 6]| Row::new(key, cells.to_vec());
    let points = |units: i64| Datum::Decimal(print_scaled(units, 2));
    let mut rows = vec![line(
        "base",
        [
            Datum::text("基准分"),
            Datum::None,
            points(sum),
            Datum::None,
            Datum::None,
            Datum::None,
        ],
    )];
    for reason in a.reasons.iter().flatten() {
        let units = rules::decimal::<4>(reason.points).map_or(0, rounded);
        sum += units;
        rows.push(line(
            &reason.feature,
            [
                Datum::text(&reason.label),
                Datum::text(value_words(&reason.value)),
                points(units),
                // The bank's words are for what costs points; a gain needs none.
                match reason.text.as_str() {
                    _ if units >= 0 => Datum::None,
                    "" => Datum::text(&reason.code),
                    words => Datum::text(words),
                },
                Datum::text(&reason.item),
                standing(a, &reason.feature),
            ],
        ));
    }
    let score = a.score.map_or(0, rounded);
    if sum != score {
        rows.push(line(
            "rounding",
            [
                Datum::text("舍入"),
                Datum::None,
                points(score - sum),
                Datum::None,
                Datum::None,
                Datum::None,
            ],
        ));
    }
    let columns = vec![
        Column::new("label", "数据项", 0),
        Column::new("value", "读取的值", 1),
        Column::new("points", "得分", 1),
        Column::new("text", "扣分原因", 2),
        Column::new("item", "目录编号", 3),
        Column::new("standing", "异议", 1),
    ];
    let mut table = Table::new(columns).rows(rows);
    table.totals = vec![
        Datum::text("信用分"),
        Datum::None,
        points(score),
        Datum::None,
        Datum::None,
        Datum::None,
    ];
    Block::table("reasons", table)
        .title("评分依据")
        .help("基准分与各项得分之和即信用分；只读取了模型声明、授权书覆盖的数据项")
}

/// Whether the enterprise disputes what was read of a feature, or its source has corrected it since.
fn standing(a: &Application, feature: &str) -> Datum {
    let names = |marks: &Option<Vec<String>>| marks.iter().flatten().any(|m| m == feature);
    if names(&a.disputed) {
        Datum::status("异议处理中", Tone::Warning)
    } else if names(&a.corrected) {
        Datum::status("来源已更正", Tone::Info)
    } else {
        Datum::None
    }
}

/// What whoever decides on a score should know of the data that it read.
fn doubts(a: &Application) -> Option<Block> {
    let count = |marks: &Option<Vec<String>>| marks.as_ref().map_or(0, Vec::len);
    let (disputed, corrected) = (count(&a.disputed), count(&a.corrected));
    let notice = if disputed > 0 {
        let lead = format!("评分读取的数据有 {disputed} 项异议处理中。");
        let text = "来源单位正在核查，请在作出决定前考虑；标注见评分依据。";
        Notice::new(Tone::Warning, lead, text)
    } else if corrected > 0 {
        let lead = format!("评分读取的数据有 {corrected} 项已由来源单位更正。");
        let text = "本次评分读取的是更正前的版本；退回后企业重新提交，将按更正后的数据评分。";
        Notice::new(Tone::Info, lead, text)
    } else {
        return None;
    };
    Some(Block::notice("doubts", notice))
}

fn value_words(value: &Value) -> String {
    match value {
        Value::Null => "无记录".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Three forms, one at a time.
fn decision(a: &Stored<Application>, product: &Product) -> Section {
    let record = a.id.as_str();
    let send = |label: &str, action: &str| Action::send(label, action).record(record);
    let most = a.amount.min(product.amount_max);
    let approve = Form::new("approve", send("同意", "application.approve"))
        .field(
            Field::money_wan(
                "amount",
                "批准金额",
                Some(product.amount_min.units),
                Some(most.units),
            )
            .required()
            .initial(most.to_string())
            .help(format!("不超过申请金额 {}", rules::words(a.amount))),
        )
        .field(
            Field::ratio(
                "rate",
                "年化利率",
                Some(product.rate_from.units),
                Some(product.rate_to.units),
            )
            .required()
            .initial(product.rate_from.to_string())
            .help(format!(
                "{} 至 {}",
                rules::percent(product.rate_from),
                rules::percent(product.rate_to)
            )),
        )
        .field(Field::area("reason", "审批意见", 500).hint("可不填"));
    let back = Form::new("return", send("退回补充", "application.return"))
        .field(reason_field("退回原因", "请写明需要补充或更正什么"));
    let refusals = Refusal::ALL
        .iter()
        .map(|r| Choice::new(r.value(), r.label()))
        .collect();
    let refuse = Form::new("refuse", send("拒绝", "application.refuse").danger())
        .field(Field::pick("refusal", "拒绝原因", refusals).required())
        .field(reason_field(
            "说明",
            "企业会看到这段话，请说明原因和可以改进之处",
        ));
    Section::tabs().title("审批").blocks([
        Block::form(approve).title("同意"),
        Block::form(back).title("退回补充"),
        Block::form(refuse).title("拒绝"),
    ])
}

/// What the enterprise wants a person to look at again, and the form to answer with.
fn second_look(a: &Stored<Application>) -> Section {
    let asked = a.review_reason.clone().unwrap_or_default();
    let answer = Action::send("答复", "application.answer-review").record(a.id.as_str());
    let form = Form::new("answer-review", answer).field(reason_field(
        "复核答复",
        "企业会看到这段话：重新看了什么、结论如何、依据是什么",
    ));
    Section::stack().title("人工复核").blocks([
        Block::notice(
            "review",
            Notice::new(Tone::Warning, "企业要求复核：", asked),
        ),
        Block::form(form),
    ])
}

pub(super) fn reason_field(label: &str, hint: &str) -> Field {
    let mut field = Field::area("reason", label, 500).required().hint(hint);
    if let FieldKind::Text { min, .. } = &mut field.kind {
        *min = u32::try_from(rules::REASON_MIN).unwrap_or_default();
    }
    field
}

fn decided(a: &Application) -> Option<Block> {
    let mut facts = vec![Fact::new("结论", Datum::Status(a.status.status()))];
    match a.status {
        Status::Approved => {
            facts.push(Fact::new(
                "批准金额",
                a.approved_amount.map_or(Datum::None, money),
            ));
            let rate = a
                .approved_rate
                .map_or(Datum::None, |r| Datum::ratio(r.to_string()));
            facts.push(Fact::new("年化利率", rate));
        }
        Status::Rejected => {
            facts.push(Fact::new(
                "原因",
                Datum::text(a.refusal.map_or("", |r| r.label())),
            ));
        }
        Status::Returned => {
            facts.push(Fact::new(
                "退回原因",
                Datum::text(a.return_reason.clone().unwrap_or_default()),
            ));
        }
        Status::Submitted | Status::UnderReview | Status::Withdrawn => return None,
    }
    if let Some(words) = &a.decision_reason {
        facts.push(Fact::new("审批意见", Datum::text(words)));
    }
    if let Some(at) = a.decided_at {
        facts.push(Fact::new("审批时间", Datum::Time(at.micros())));
    }
    Some(Block::details("decision", facts).title("审批结果"))
}
