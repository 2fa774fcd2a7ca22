//! Processors: registered, supervised, and ended with what became of the data.

use sdk::prelude::*;

use crate::model::{Processor, Standing};
use crate::{permissions, rules};

/// 登记受托人.
#[derive(Action, Debug)]
#[action(name = "processor.register", permission = permissions::KEEP)]
pub(crate) struct Register {
    /// 受托人.
    #[field(max = 100)]
    pub(crate) name: String,
    /// 统一社会信用代码.
    #[field(format = "uscc")]
    pub(crate) uscc: Option<String>,
    /// 委托目的与处理方式.
    #[field(max = 500)]
    pub(crate) purpose: String,
    /// 个人信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 保护措施.
    #[field(max = 1000)]
    pub(crate) measures: String,
    /// 合同编号.
    #[field(max = 60)]
    pub(crate) contract: String,
    /// 委托起始日.
    pub(crate) since: Date,
    /// 委托期限止.
    pub(crate) until: Date,
    /// 下次监督日.
    pub(crate) supervise_by: Date,
}

impl CollectionAction for Register {
    type Record = Processor;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        rules::term(self.since, self.until)?;
        rules::next("supervise_by", self.supervise_by, ctx.today())?;
        let processor = New::of(Processor {
            name: self.name,
            uscc: self.uscc,
            purpose: self.purpose,
            categories: self.categories,
            measures: self.measures,
            contract: self.contract,
            since: self.since,
            until: self.until,
            status: Standing::Active,
            supervision: None,
            supervised_on: None,
            supervise_by: self.supervise_by,
            returned: None,
        });
        let owner = ctx.caller().organisation.clone();
        let id = ctx.insert(processor.organisation(owner));
        Ok(Done::new()
            .result(json!({ "id": id.as_str() }))
            .go(format!("/privacy/processors/{id}"), "已登记"))
    }
}

/// 记录监督.
#[derive(Action, Debug)]
#[action(name = "processor.supervise", permission = permissions::KEEP)]
pub(crate) struct Supervise {
    /// 监督情况.
    #[field(max = 1000)]
    pub(crate) supervision: String,
    /// 下次监督日.
    pub(crate) supervise_by: Date,
}

impl RecordAction for Supervise {
    type Record = Processor;

    fn run(self, ctx: &mut Ctx, processor: Stored<Processor>) -> Result<Done, Fault> {
        if processor.status != Standing::Active {
            let what = "委托已终止";
            return Err(Fault::refused("privacy.ended", what));
        }
        rules::next("supervise_by", self.supervise_by, ctx.today())?;
        let patch = Patch::new()
            .set(Processor::SUPERVISION, self.supervision)
            .set(Processor::SUPERVISED_ON, ctx.today())
            .set(Processor::SUPERVISE_BY, self.supervise_by);
        ctx.update(&processor, patch);
        Ok(Done::new().stay("已记录；历次监督见变更历史"))
    }
}

/// 终止委托. With what became of the personal information.
#[derive(Action, Debug)]
#[action(name = "processor.end", permission = permissions::KEEP)]
pub(crate) struct End {
    /// 返还或删除情况.
    #[field(max = 1000)]
    pub(crate) returned: String,
}

impl RecordAction for End {
    type Record = Processor;

    fn run(self, ctx: &mut Ctx, processor: Stored<Processor>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Processor::STATUS, Standing::Ended)
            .set(Processor::RETURNED, self.returned);
        ctx.update(&processor, patch);
        Ok(Done::new().stay("委托已终止"))
    }
}
