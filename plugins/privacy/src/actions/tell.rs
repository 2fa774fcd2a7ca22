//! Whom an incident concerns is told of it: once each, with what the law says they must know.

use std::collections::BTreeSet;

use sdk::prelude::*;

use crate::model::{Incident, Lead, Organisation, Signal, Telling};
use crate::{permissions, rules};

/// 通知受影响的主体. By 站内信; each is told once of an incident, however often it is named.
#[derive(Action, Debug)]
#[action(name = "incident.tell", permission = permissions::KEEP)]
pub(crate) struct Tell {
    /// 受影响的主体. 每行一个：企业或机构的全称，或机构代码；一次最多 100 个。
    #[field(max = 12_000)]
    pub(crate) receivers: String,
    /// 联系方式. 受影响者向谁询问：部门或联系人、电话。
    #[field(max = 200)]
    pub(crate) contact: String,
}

impl RecordAction for Tell {
    type Record = Incident;

    fn run(self, ctx: &mut Ctx, incident: Stored<Incident>) -> Result<Done, Fault> {
        super::respond::open(&incident)?;
        if incident.drill {
            let what = "演练不向外发送通知；请在“通知个人”中记录演练的做法";
            return Err(Fault::refused("privacy.drill", what));
        }
        let named = named(ctx, &rules::receivers(&self.receivers)?)?;
        let before: BTreeSet<String> = told(ctx, &incident)?;
        let new: Vec<Organisation> = named
            .into_iter()
            .filter(|one| !before.contains(&one.id))
            .collect();
        if new.is_empty() {
            return Ok(Done::new().stay("所列主体此前都已通知，没有重复发送"));
        }
        for one in &new {
            tell(ctx, &incident, one, &self.contact);
        }
        let number = i64::try_from(before.len() + new.len()).unwrap_or(i64::MAX);
        let mut patch = Patch::new()
            .set(Incident::TOLD, number)
            .set(Incident::TOLD_AT, ctx.now());
        if incident.persons.is_none() {
            patch = patch.set(Incident::PERSONS, "向受影响的主体发送站内信".to_owned());
        }
        if incident.persons_at.is_none() {
            patch = patch.set(Incident::PERSONS_AT, ctx.now());
        }
        ctx.update(&incident, patch);
        let sent = new.len();
        Ok(Done::new()
            .result(json!({ "told": sent }))
            .stay(format!("已通知 {sent} 个主体")))
    }
}

/// The organisations that are named; whatever names none, or more than one, is a fault.
fn named(ctx: &Ctx, lines: &[&str]) -> Result<Vec<Organisation>, Fault> {
    let one_of = |field: &str| Filter::In {
        field: field.into(),
        values: lines.iter().map(|line| json!(line)).collect(),
    };
    let query = Query::new(Organisation::COLLECTION)
        .filter(one_of("name").or(one_of("code")))
        .limit(200);
    let found: Vec<Organisation> = ctx.find_as(query)?;
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for line in lines {
        let mut fits = found.iter().filter(|one| one.is_called(line));
        match (fits.next(), fits.next()) {
            (Some(one), None) => all.push(one.clone()),
            (None, _) => wrong.push(format!("没有找到“{line}”")),
            (Some(_), Some(_)) => wrong.push(format!("“{line}”不止一个，请写机构代码")),
        }
    }
    if wrong.is_empty() {
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|a, b| a.id == b.id);
        return Ok(all);
    }
    wrong.truncate(5);
    let what = format!("{}；未发送任何通知", wrong.join("；"));
    Err(Fault::invalid(vec![FieldFault::new(
        "receivers",
        "unknown",
        what,
    )]))
}

/// Who was told of an incident, by the id of the organisation.
fn told(ctx: &Ctx, incident: &Stored<Incident>) -> Result<BTreeSet<String>, Fault> {
    let mut all = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let find = Find::<Telling>::new()
            .filter(Telling::INCIDENT.eq(incident.id.clone()))
            .sort(Telling::TOLD_AT.asc())
            .after(cursor, 200);
        let found = ctx.find(find)?;
        let next = found.next.clone();
        all.extend(found.into_iter().filter_map(|telling| telling.organisation));
        match next {
            Some(next) => cursor = next,
            None => return Ok(all),
        }
    }
}

fn tell(ctx: &mut Ctx, incident: &Stored<Incident>, to: &Organisation, contact: &str) {
    let telling = Telling {
        incident: incident.id.clone(),
        organisation_name: to.name.clone(),
        told_at: ctx.now(),
        found_at: incident.found_at,
        categories: incident.categories.clone(),
        cause: incident.cause.clone(),
        harm: incident.harm.clone(),
        remedy: incident.remedy.clone(),
        advice: incident.advice.clone(),
        contact: contact.to_owned(),
    };
    let id = ctx.insert(New::of(telling).organisation(&to.id));
    let notice = permissions::TOLD
        .notice(&to.id, format!("incident:{}", incident.id))
        .title(
            "您的信息可能受到安全事件影响",
            "A security incident may concern your data",
        )
        .text(
            "请查看涉及的信息、可能的危害、您可以采取的措施和联系方式",
            "See which data it is, what may come of it, what you can do and whom to ask",
        )
        .path(format!("/privacy/tellings/{id}"));
    ctx.notify(notice);
}

/// 不作为事件. With the reason.
#[derive(Action, Debug)]
#[action(name = "signal.dismiss", permission = permissions::KEEP)]
pub(crate) struct Dismiss {
    /// 理由.
    #[field(max = 500)]
    pub(crate) reason: String,
}

impl RecordAction for Dismiss {
    type Record = Signal;

    fn run(self, ctx: &mut Ctx, signal: Stored<Signal>) -> Result<Done, Fault> {
        waits(&signal)?;
        let patch = Patch::new()
            .set(Signal::STATUS, Lead::Dismissed)
            .set(Signal::REASON, self.reason.clone());
        ctx.update(&signal, patch);
        Ok(Done::new().note(self.reason).stay("已记录，不作为事件"))
    }
}

pub(super) fn waits(signal: &Signal) -> Result<(), Fault> {
    match signal.status {
        Lead::Waiting => Ok(()),
        Lead::Registered | Lead::Dismissed => Err(Fault::conflict(
            "privacy.signal-settled",
            "这条线索已经处理",
        )),
    }
}
