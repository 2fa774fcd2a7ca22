//! One record in one version, with the way to the version before and after. Whoever checks a dispute of
//! one of its items corrects it here.

use sdk::contract::kind::Kind;
use sdk::prelude::*;

use super::{Shown, facts};
use crate::model::{GRADES, InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord, feature_of};
use crate::permissions;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let drawn = [
        of::<TaxRecord>(ctx, ask)?,
        of::<InsuranceRecord>(ctx, ask)?,
        of::<UtilityRecord>(ctx, ask)?,
        of::<JudicialRecord>(ctx, ask)?,
    ];
    let found = drawn.into_iter().flatten().next();
    found.ok_or_else(Fault::not_found)
}

/// The page, if the record is one of these.
fn of<R: Shown>(ctx: &Ctx, ask: &Ask) -> Result<Option<Page>, Fault> {
    let Some(record) = ctx.get::<R>(ask.param("id"))? else {
        return Ok(None);
    };
    let mine = record.subject.is_some() && record.subject == ctx.caller().subject;
    let links = record.links();
    let (source, as_of) = record.source();
    let (state, tone) = match (links.replaced_by, links.disputed.is_empty()) {
        (Some(_), _) => ("已被更正后的版本替代", Tone::Neutral),
        (None, false) => (super::IN_DISPUTE, Tone::Warning),
        (None, true) => ("现行版本", Tone::Success),
    };
    let page = Page::new(format!("{} 第 {} 版", R::TITLE, links.version))
        .shell(if mine { Shell::Portal } else { Shell::Bench })
        .subtitle(format!("来源：{source}，数据截至 {as_of}"))
        .under("首页", "/")
        .status(state, tone)
        .guarded()
        .block(Block::details("items", facts(&record)).title("数据项"))
        .block(Block::details("versions", versions(&record)).title("版本"));
    Ok(Some(match form(ctx, ask, &record) {
        Some(form) => page.block(
            Block::form(form)
                .title("更正")
                .help("更正后产生新的版本，原版本保留备查；此后的评分读取新版本"),
        ),
        None => page,
    }))
}

fn versions<R: Shown>(record: &Stored<R>) -> Vec<Fact> {
    let links = record.links();
    let other = |id: &str| Datum::link("查看", format!("/credit/records/{id}"));
    let mut facts = vec![
        Fact::new("版次", Datum::Integer(links.version)),
        Fact::new("记录编号", Datum::text(record.id.as_str())),
        Fact::new("记录时间", Datum::Time(record.created_at.micros())),
    ];
    facts.extend(
        links
            .corrects
            .map(|id| Fact::new("更正前的版本", other(id))),
    );
    facts.extend(
        links
            .replaced_by
            .map(|id| Fact::new("更正后的版本", other(id))),
    );
    facts
}

/// For whoever comes from a dispute of one of the items; whether it is theirs to correct is asked when
/// it is sent.
fn form<R: Shown>(ctx: &Ctx, ask: &Ask, record: &Stored<R>) -> Option<Form> {
    let mut roles = permissions::CORRECT.grants.iter();
    let may = roles.any(|(role, _)| ctx.caller().has_role(role));
    let (dispute, name) = (ask.query("dispute")?, ask.query("item")?);
    let feature = feature_of(R::COLLECTION, name)?;
    if !may || record.links().replaced_by.is_some() {
        return None;
    }
    let def = R::def();
    let send = Action::send("更正", format!("{}.correct", R::ENTITY))
        .record(record.id.as_str())
        .arg("field", name)
        .arg("dispute", dispute);
    let value = field(&def.field(name)?.kind, &feature.label.zh);
    Some(Form::new("correct", send).field(value.required()))
}

/// The field to type the right value into.
fn field(kind: &Kind, label: &str) -> Field {
    let label = format!("{label}（更正后的值）");
    match kind {
        Kind::Money { min, max } => Field::money("value", label, *min, *max),
        Kind::Integer { min, max } => Field::number("value", label, *min, *max, ""),
        Kind::Decimal { scale, min, max } => {
            let kind = FieldKind::Number {
                scale: *scale,
                min: *min,
                max: *max,
                unit: String::new(),
            };
            Field::new("value", label, kind).help("按小数填写，如 0.1250 表示 12.5%")
        }
        _ => {
            let grades = GRADES.iter().map(|g| Choice::new(*g, *g)).collect();
            Field::pick("value", label, grades)
        }
    }
}
