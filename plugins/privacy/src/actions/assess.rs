//! Impact assessments: written down, concluded, and done again.

use sdk::prelude::*;

use crate::model::{Assessment, Situation, Stage, Verdict};
use crate::{permissions, rules};

/// 新建评估.
#[derive(Action, Debug)]
#[action(name = "assessment.draft", permission = permissions::KEEP)]
pub(crate) struct Draft {
    /// 处理活动.
    #[field(max = 100)]
    pub(crate) activity: String,
    /// 评估情形.
    pub(crate) situation: Situation,
    /// 处理目的与方式.
    #[field(max = 500)]
    pub(crate) purpose: String,
    /// 个人信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 合法、正当、必要性.
    #[field(max = 2000)]
    pub(crate) necessity: String,
    /// 对个人权益的影响及安全风险.
    #[field(max = 2000)]
    pub(crate) risks: String,
    /// 保护措施. 是否合法、有效并与风险程度相适应。
    #[field(max = 2000)]
    pub(crate) measures: String,
}

impl CollectionAction for Draft {
    type Record = Assessment;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let assessment = New::of(Assessment {
            activity: self.activity,
            situation: self.situation,
            purpose: self.purpose,
            categories: self.categories,
            necessity: self.necessity,
            risks: self.risks,
            measures: self.measures,
            status: Stage::Draft,
            verdict: None,
            opinion: None,
            assessed_by: None,
            assessed_at: None,
            next_due: None,
        });
        let owner = ctx.caller().organisation.clone();
        let id = ctx.insert(assessment.organisation(owner));
        Ok(Done::new().result(json!({ "id": id.as_str() })).go(
            format!("/privacy/assessments/{id}"),
            "已新建，请评估后给出结论",
        ))
    }
}

/// 修改评估. While it has no conclusion.
#[derive(Action, Debug)]
#[action(name = "assessment.revise", permission = permissions::KEEP)]
pub(crate) struct Revise {
    /// 处理目的与方式.
    #[field(max = 500)]
    pub(crate) purpose: String,
    /// 个人信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 合法、正当、必要性.
    #[field(max = 2000)]
    pub(crate) necessity: String,
    /// 对个人权益的影响及安全风险.
    #[field(max = 2000)]
    pub(crate) risks: String,
    /// 保护措施. 是否合法、有效并与风险程度相适应。
    #[field(max = 2000)]
    pub(crate) measures: String,
}

impl RecordAction for Revise {
    type Record = Assessment;

    fn run(self, ctx: &mut Ctx, assessment: Stored<Assessment>) -> Result<Done, Fault> {
        if assessment.status != Stage::Draft {
            let what = "已有结论；情况变化的请重新评估";
            return Err(Fault::refused("privacy.concluded", what));
        }
        let patch = Patch::new()
            .set(Assessment::PURPOSE, self.purpose)
            .set(Assessment::CATEGORIES, self.categories)
            .set(Assessment::NECESSITY, self.necessity)
            .set(Assessment::RISKS, self.risks)
            .set(Assessment::MEASURES, self.measures);
        ctx.update(&assessment, patch);
        Ok(Done::new().stay("已修改"))
    }
}

/// 给出结论.
#[derive(Action, Debug)]
#[action(name = "assessment.conclude", permission = permissions::KEEP)]
pub(crate) struct Conclude {
    /// 结论.
    pub(crate) verdict: Verdict,
    /// 评估意见.
    #[field(max = 1000)]
    pub(crate) opinion: String,
    /// 下次评估日. 处理目的、方式或风险变化时应提前重新评估。
    pub(crate) next_due: Date,
}

impl RecordAction for Conclude {
    type Record = Assessment;

    fn run(self, ctx: &mut Ctx, assessment: Stored<Assessment>) -> Result<Done, Fault> {
        rules::next("next_due", self.next_due, ctx.today())?;
        let patch = Patch::new()
            .set(Assessment::STATUS, Stage::Concluded)
            .set(Assessment::VERDICT, self.verdict)
            .set(Assessment::OPINION, self.opinion)
            .set(Assessment::ASSESSED_BY, ctx.caller().name.clone())
            .set(Assessment::ASSESSED_AT, ctx.now())
            .set(Assessment::NEXT_DUE, self.next_due);
        ctx.update(&assessment, patch);
        Ok(Done::new().stay("已给出结论；评估记录至少保存三年"))
    }
}

/// 重新评估. The conclusion there was stays in the history.
#[derive(Action, Debug)]
#[action(name = "assessment.reopen", permission = permissions::KEEP)]
pub(crate) struct Reopen {
    /// 原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Reopen {
    type Record = Assessment;

    fn run(self, ctx: &mut Ctx, assessment: Stored<Assessment>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Assessment::STATUS, Stage::Draft)
            .clear(Assessment::VERDICT)
            .clear(Assessment::OPINION)
            .clear(Assessment::ASSESSED_BY)
            .clear(Assessment::ASSESSED_AT)
            .clear(Assessment::NEXT_DUE);
        ctx.update(&assessment, patch);
        Ok(Done::new().note(self.reason).stay("已重新开始评估"))
    }
}
