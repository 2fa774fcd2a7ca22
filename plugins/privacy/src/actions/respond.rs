//! Incidents: registered, told to authorities and persons, and closed with what was learnt.

use sdk::prelude::*;

use crate::model::{Deadline, Grade, Incident, Lead, Progress, Signal};
use crate::{permissions, rules};

/// 登记事件. A drill takes the same way.
#[derive(Action, Debug)]
#[action(name = "incident.report", permission = permissions::KEEP)]
pub(crate) struct Report {
    /// 事件.
    #[field(max = 100)]
    pub(crate) title: String,
    /// 演练.
    pub(crate) drill: Option<bool>,
    /// 级别.
    pub(crate) grade: Grade,
    /// 发现时间.
    pub(crate) found_at: Timestamp,
    /// 涉及的信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 涉及人数.
    #[field(min = 0)]
    pub(crate) people: i64,
    /// 原因.
    #[field(max = 1000)]
    pub(crate) cause: String,
    /// 可能造成的危害.
    #[field(max = 1000)]
    pub(crate) harm: String,
    /// 已采取的补救措施.
    #[field(max = 1000)]
    pub(crate) remedy: String,
    /// 个人可以采取的减轻危害的措施.
    #[field(max = 1000)]
    pub(crate) advice: String,
    /// 线索. What led to it, where the platform found something.
    pub(crate) signal: Option<Id<Signal>>,
}

impl CollectionAction for Report {
    type Record = Incident;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        rules::happened("found_at", self.found_at, ctx.now())?;
        let deadline = ctx.find::<Deadline>(Deadline::GRADE.eq(self.grade))?;
        let missing = || Fault::refused("privacy.no-deadline", "尚未设定该级别的报告时限");
        let hours = deadline.first().ok_or_else(missing)?.hours;
        let signal = match &self.signal {
            Some(id) => Some(ctx.must::<Signal>(id)?),
            None => None,
        };
        if let Some(signal) = &signal {
            super::tell::waits(signal)?;
        }
        let incident = New::of(Incident {
            title: self.title,
            drill: self.drill.unwrap_or_default(),
            grade: self.grade,
            found_at: self.found_at,
            report_by: self.found_at.plus_seconds(hours.saturating_mul(3_600)),
            categories: self.categories,
            people: self.people,
            cause: self.cause,
            harm: self.harm,
            remedy: self.remedy,
            advice: self.advice,
            status: Progress::Open,
            authority: None,
            authority_at: None,
            persons: None,
            persons_at: None,
            told: None,
            told_at: None,
            lessons: None,
            closed_at: None,
        });
        // Whose people are told when it is late.
        let owner = ctx.caller().organisation.clone();
        let id = ctx.insert(incident.organisation(owner));
        if let Some(signal) = signal {
            let patch = Patch::new()
                .set(Signal::STATUS, Lead::Registered)
                .set(Signal::INCIDENT, id.clone());
            ctx.update(&signal, patch);
        }
        Ok(Done::new()
            .result(json!({ "id": id.as_str() }))
            .go(format!("/privacy/incidents/{id}"), "已登记，请在期限内报告"))
    }
}

pub(super) fn open(incident: &Incident) -> Result<(), Fault> {
    match incident.status {
        Progress::Open => Ok(()),
        Progress::Closed => Err(Fault::refused("privacy.closed", "事件已办结")),
    }
}

/// 更新事件. What is known by now.
#[derive(Action, Debug)]
#[action(name = "incident.amend", permission = permissions::KEEP)]
pub(crate) struct Amend {
    /// 涉及的信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 涉及人数.
    #[field(min = 0)]
    pub(crate) people: i64,
    /// 原因.
    #[field(max = 1000)]
    pub(crate) cause: String,
    /// 可能造成的危害.
    #[field(max = 1000)]
    pub(crate) harm: String,
    /// 已采取的补救措施.
    #[field(max = 1000)]
    pub(crate) remedy: String,
    /// 个人可以采取的减轻危害的措施.
    #[field(max = 1000)]
    pub(crate) advice: String,
}

impl RecordAction for Amend {
    type Record = Incident;

    fn run(self, ctx: &mut Ctx, incident: Stored<Incident>) -> Result<Done, Fault> {
        open(&incident)?;
        let patch = Patch::new()
            .set(Incident::CATEGORIES, self.categories)
            .set(Incident::PEOPLE, self.people)
            .set(Incident::CAUSE, self.cause)
            .set(Incident::HARM, self.harm)
            .set(Incident::REMEDY, self.remedy)
            .set(Incident::ADVICE, self.advice);
        ctx.update(&incident, patch);
        Ok(Done::new().stay("已更新"))
    }
}

/// 记录向部门报告.
#[derive(Action, Debug)]
#[action(name = "incident.tell-authority", permission = permissions::KEEP)]
pub(crate) struct TellAuthority {
    /// 报告的部门.
    #[field(max = 100)]
    pub(crate) authority: String,
    /// 报告时间.
    pub(crate) authority_at: Timestamp,
}

impl RecordAction for TellAuthority {
    type Record = Incident;

    fn run(self, ctx: &mut Ctx, incident: Stored<Incident>) -> Result<Done, Fault> {
        open(&incident)?;
        rules::told(
            "authority_at",
            self.authority_at,
            incident.found_at,
            ctx.now(),
        )?;
        let patch = Patch::new()
            .set(Incident::AUTHORITY, self.authority)
            .set(Incident::AUTHORITY_AT, self.authority_at);
        ctx.update(&incident, patch);
        Ok(Done::new().stay("已记录向部门的报告"))
    }
}

/// 记录通知个人. Or why they need not be told.
#[derive(Action, Debug)]
#[action(name = "incident.tell-persons", permission = permissions::KEEP)]
pub(crate) struct TellPersons {
    /// 通知个人的方式，或不通知的理由.
    #[field(max = 1000)]
    pub(crate) persons: String,
    /// 通知个人的时间. 不通知的留空。
    pub(crate) persons_at: Option<Timestamp>,
}

impl RecordAction for TellPersons {
    type Record = Incident;

    fn run(self, ctx: &mut Ctx, incident: Stored<Incident>) -> Result<Done, Fault> {
        open(&incident)?;
        if let Some(at) = self.persons_at {
            rules::told("persons_at", at, incident.found_at, ctx.now())?;
        }
        let patch = Patch::new()
            .set(Incident::PERSONS, self.persons)
            .put(Incident::PERSONS_AT, self.persons_at);
        ctx.update(&incident, patch);
        Ok(Done::new().stay("已记录对个人的通知"))
    }
}

/// 办结. Once everybody was told.
#[derive(Action, Debug)]
#[action(name = "incident.close", permission = permissions::KEEP)]
pub(crate) struct Close {
    /// 复盘与整改.
    #[field(max = 2000)]
    pub(crate) lessons: String,
}

impl RecordAction for Close {
    type Record = Incident;

    fn run(self, ctx: &mut Ctx, incident: Stored<Incident>) -> Result<Done, Fault> {
        if incident.authority.is_none() || incident.persons.is_none() {
            let what = "请先记录向部门的报告和对个人的通知（或不通知的理由）";
            return Err(Fault::refused("privacy.not-told", what));
        }
        let patch = Patch::new()
            .set(Incident::STATUS, Progress::Closed)
            .set(Incident::LESSONS, self.lessons)
            .set(Incident::CLOSED_AT, ctx.now());
        ctx.update(&incident, patch);
        Ok(Done::new().stay("事件已办结"))
    }
}

/// 设定报告时限. For incidents from now on.
#[derive(Action, Debug)]
#[action(name = "deadline.set", permission = permissions::KEEP)]
pub(crate) struct SetDeadline {
    /// 小时数.
    #[field(min = 1, max = 720)]
    pub(crate) hours: i64,
    /// 依据.
    #[field(max = 200)]
    pub(crate) basis: String,
}

impl RecordAction for SetDeadline {
    type Record = Deadline;

    fn run(self, ctx: &mut Ctx, deadline: Stored<Deadline>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Deadline::HOURS, self.hours)
            .set(Deadline::BASIS, self.basis);
        ctx.update(&deadline, patch);
        Ok(Done::new().stay("已设定，此后登记的事件按新时限"))
    }
}
