//! The yearly look at what the handling of data risks: written down, concluded, its report kept and sent.

use sdk::prelude::*;

use crate::model::{Review, Risk, Stage};
use crate::{permissions, rules};

/// 新建风险评估.
#[derive(Action, Debug)]
#[action(name = "review.draft", permission = permissions::KEEP)]
pub(crate) struct Draft {
    /// 评估名称.
    #[field(max = 100)]
    pub(crate) title: String,
    /// 评估范围. 处理活动、系统与数据集。
    #[field(max = 1000)]
    pub(crate) scope: String,
    /// 重要数据的种类与数量. 没有的写明没有。
    #[field(max = 1000)]
    pub(crate) data: String,
    /// 发现的风险.
    #[field(max = 2000)]
    pub(crate) findings: String,
    /// 应对措施与整改期限.
    #[field(max = 2000)]
    pub(crate) measures: String,
}

impl CollectionAction for Draft {
    type Record = Review;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let review = Review {
            title: self.title,
            scope: self.scope,
            data: self.data,
            findings: self.findings,
            measures: self.measures,
            status: Stage::Draft,
            risk: None,
            conclusion: None,
            assessed_by: None,
            assessed_at: None,
            next_due: None,
            report: None,
            submitted_to: None,
            submitted_on: None,
        };
        let owner = ctx.caller().organisation.clone();
        let id = ctx.insert(New::of(review).organisation(owner));
        Ok(Done::new()
            .result(json!({ "id": id.as_str() }))
            .go(format!("/privacy/reviews/{id}"), "已新建，请评估后给出结论"))
    }
}

/// 修改风险评估. While it has no conclusion.
#[derive(Action, Debug)]
#[action(name = "review.revise", permission = permissions::KEEP)]
pub(crate) struct Revise {
    /// 评估范围. 处理活动、系统与数据集。
    #[field(max = 1000)]
    pub(crate) scope: String,
    /// 重要数据的种类与数量. 没有的写明没有。
    #[field(max = 1000)]
    pub(crate) data: String,
    /// 发现的风险.
    #[field(max = 2000)]
    pub(crate) findings: String,
    /// 应对措施与整改期限.
    #[field(max = 2000)]
    pub(crate) measures: String,
}

impl RecordAction for Revise {
    type Record = Review;

    fn run(self, ctx: &mut Ctx, review: Stored<Review>) -> Result<Done, Fault> {
        if review.status != Stage::Draft {
            let what = "已有结论；请新建下一次评估";
            return Err(Fault::refused("privacy.concluded", what));
        }
        let patch = Patch::new()
            .set(Review::SCOPE, self.scope)
            .set(Review::DATA, self.data)
            .set(Review::FINDINGS, self.findings)
            .set(Review::MEASURES, self.measures);
        ctx.update(&review, patch);
        Ok(Done::new().stay("已修改"))
    }
}

/// 给出评估结论. The next one is due in a year.
#[derive(Action, Debug)]
#[action(name = "review.conclude", permission = permissions::KEEP)]
pub(crate) struct Conclude {
    /// 风险等级.
    pub(crate) risk: Risk,
    /// 结论.
    #[field(max = 1000)]
    pub(crate) conclusion: String,
}

impl RecordAction for Conclude {
    type Record = Review;

    fn run(self, ctx: &mut Ctx, review: Stored<Review>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Review::STATUS, Stage::Concluded)
            .set(Review::RISK, self.risk)
            .set(Review::CONCLUSION, self.conclusion)
            .set(Review::ASSESSED_BY, ctx.caller().name.clone())
            .set(Review::ASSESSED_AT, ctx.now())
            .set(Review::NEXT_DUE, rules::in_a_year(ctx.today()));
        ctx.update(&review, patch);
        // The one before is not due any more.
        for old in current(ctx)?.into_iter().filter(|old| old.id != review.id) {
            ctx.update(&old, Patch::new().clear(Review::NEXT_DUE));
        }
        Ok(Done::new().stay("已给出结论，请归档评估报告；下次评估一年后到期"))
    }
}

/// Concluded ones that say when the next is due.
pub(crate) fn current(ctx: &Ctx) -> Result<Rows<Review>, Fault> {
    let find = Find::<Review>::new()
        .filter(Review::STATUS.eq(Stage::Concluded))
        .filter(Review::NEXT_DUE.missing().not())
        .sort(Review::NEXT_DUE.asc())
        .limit(20);
    ctx.find(find)
}

/// 归档评估报告. And to whom it was sent, where the rules ask for that.
#[derive(Action, Debug)]
#[action(name = "review.file", permission = permissions::KEEP)]
pub(crate) struct File {
    /// 评估报告.
    #[field(accept = "pdf, docx", max = 20_000_000)]
    pub(crate) report: StoredFile,
    /// 报送的部门. 处理重要数据的，每年向主管部门报送。
    #[field(max = 100)]
    pub(crate) submitted_to: Option<String>,
    /// 报送日.
    pub(crate) submitted_on: Option<Date>,
}

impl RecordAction for File {
    type Record = Review;

    fn run(self, ctx: &mut Ctx, review: Stored<Review>) -> Result<Done, Fault> {
        if review.status != Stage::Concluded {
            let what = "给出结论后再归档报告";
            return Err(Fault::refused("privacy.not-concluded", what));
        }
        rules::sent(self.submitted_to.as_deref(), self.submitted_on, ctx.today())?;
        let patch = Patch::new()
            .set(Review::REPORT, self.report)
            .put(Review::SUBMITTED_TO, self.submitted_to)
            .put(Review::SUBMITTED_ON, self.submitted_on);
        ctx.update(&review, patch);
        Ok(Done::new().stay("评估报告已归档"))
    }
}
