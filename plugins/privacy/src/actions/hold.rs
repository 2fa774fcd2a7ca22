//! The catalogue of important data: entered, looked at again, told to the authorities, taken out.

use sdk::prelude::*;

use crate::model::{Held, Holding, Importance};
use crate::{permissions, rules};

/// 登记数据.
#[derive(Action, Debug)]
#[action(name = "holding.register", permission = permissions::KEEP)]
pub(crate) struct Register {
    /// 数据名称.
    #[field(max = 100)]
    pub(crate) name: String,
    /// 所在数据集. 数据分级目录中的模块与数据集，或系统外的位置。
    #[field(max = 200)]
    pub(crate) place: String,
    /// 类别.
    pub(crate) class: Importance,
    /// 认定依据. 国家、地区或行业的重要数据目录与识别规则。
    #[field(max = 500)]
    pub(crate) basis: String,
    /// 数量与规模.
    #[field(max = 200)]
    pub(crate) quantity: String,
    /// 安全负责人与管理机构.
    #[field(max = 100)]
    pub(crate) keeper: String,
    /// 保护措施.
    #[field(max = 1000)]
    pub(crate) measures: String,
    /// 下次复核日.
    pub(crate) review_by: Date,
}

impl CollectionAction for Register {
    type Record = Holding;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        rules::next("review_by", self.review_by, ctx.today())?;
        let holding = Holding {
            name: self.name,
            place: self.place,
            class: self.class,
            basis: self.basis,
            quantity: self.quantity,
            keeper: self.keeper,
            measures: self.measures,
            status: Held::Listed,
            reported_to: None,
            reported_on: None,
            review_by: self.review_by,
            reason: None,
        };
        let owner = ctx.caller().organisation.clone();
        let id = ctx.insert(New::of(holding).organisation(owner));
        Ok(Done::new()
            .result(json!({ "id": id.as_str() }))
            .go(format!("/privacy/holdings/{id}"), "已列入目录"))
    }
}

/// 复核数据. Class, quantity and measures as they are now.
#[derive(Action, Debug)]
#[action(name = "holding.review", permission = permissions::KEEP)]
pub(crate) struct Look {
    /// 类别.
    pub(crate) class: Importance,
    /// 认定依据. 国家、地区或行业的重要数据目录与识别规则。
    #[field(max = 500)]
    pub(crate) basis: String,
    /// 数量与规模.
    #[field(max = 200)]
    pub(crate) quantity: String,
    /// 安全负责人与管理机构.
    #[field(max = 100)]
    pub(crate) keeper: String,
    /// 保护措施.
    #[field(max = 1000)]
    pub(crate) measures: String,
    /// 下次复核日.
    pub(crate) review_by: Date,
}

impl RecordAction for Look {
    type Record = Holding;

    fn run(self, ctx: &mut Ctx, holding: Stored<Holding>) -> Result<Done, Fault> {
        listed(&holding)?;
        rules::next("review_by", self.review_by, ctx.today())?;
        let patch = Patch::new()
            .set(Holding::CLASS, self.class)
            .set(Holding::BASIS, self.basis)
            .set(Holding::QUANTITY, self.quantity)
            .set(Holding::KEEPER, self.keeper)
            .set(Holding::MEASURES, self.measures)
            .set(Holding::REVIEW_BY, self.review_by);
        ctx.update(&holding, patch);
        Ok(Done::new().stay("已复核；历次复核见变更历史"))
    }
}

/// 记录目录报送.
#[derive(Action, Debug)]
#[action(name = "holding.report", permission = permissions::KEEP)]
pub(crate) struct Report {
    /// 目录报送的部门.
    #[field(max = 100)]
    pub(crate) reported_to: String,
    /// 目录报送日.
    pub(crate) reported_on: Date,
}

impl RecordAction for Report {
    type Record = Holding;

    fn run(self, ctx: &mut Ctx, holding: Stored<Holding>) -> Result<Done, Fault> {
        listed(&holding)?;
        rules::past("reported_on", self.reported_on, ctx.today())?;
        let patch = Patch::new()
            .set(Holding::REPORTED_TO, self.reported_to)
            .set(Holding::REPORTED_ON, self.reported_on);
        ctx.update(&holding, patch);
        Ok(Done::new().stay("已记录目录报送"))
    }
}

/// 移出目录. With the reason; the entry stays to be read.
#[derive(Action, Debug)]
#[action(name = "holding.remove", permission = permissions::KEEP)]
pub(crate) struct Remove {
    /// 移出理由.
    #[field(max = 500)]
    pub(crate) reason: String,
}

impl RecordAction for Remove {
    type Record = Holding;

    fn run(self, ctx: &mut Ctx, holding: Stored<Holding>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Holding::STATUS, Held::Removed)
            .set(Holding::REASON, self.reason.clone());
        ctx.update(&holding, patch);
        Ok(Done::new().note(self.reason).stay("已移出目录"))
    }
}

fn listed(holding: &Holding) -> Result<(), Fault> {
    match holding.status {
        Held::Listed => Ok(()),
        Held::Removed => Err(Fault::refused("privacy.removed", "该数据已移出目录")),
    }
}
