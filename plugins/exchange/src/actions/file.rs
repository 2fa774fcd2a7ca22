//! The filer's side: file a dispute, take it back, and appeal once.

use sdk::prelude::*;

use super::answer::correction;
use super::step;
use crate::model::{Dispute, Filing, Source, Status};
use crate::rules::items::Item;
use crate::rules::{self, Clock};
use crate::{events, permissions};

/// 提出异议. Of one item as it stands now.
#[derive(Action, Debug)]
#[action(name = "dispute.submit", permission = permissions::FILE)]
pub(crate) struct Submit {
    /// 数据项. 特征名，如 tax.grade。
    #[field(max = 40)]
    pub(crate) item: String,
    /// 主张的值. 按数据项填写：金额为元，比率为小数，次数为整数，等级为字母。
    #[field(json)]
    pub(crate) claimed: Value,
    /// 异议说明.
    #[field(max = 1000)]
    pub(crate) statement: String,
    /// 证明材料.
    #[field(accept = "pdf, jpg, png", max = 5_000_000)]
    pub(crate) evidence: Option<Vec<StoredFile>>,
}

impl CollectionAction for Submit {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let subject = ctx.subject()?.to_owned();
        let unknown = || {
            let what = "没有这个数据项，请从“我的数据”中选择";
            Fault::invalid(vec![FieldFault::new("item", "not-found", what)])
        };
        let item = Item::of(&self.item).ok_or_else(unknown)?;
        rules::worded("statement", &self.statement)?;
        let claimed = item
            .claimed(&self.claimed)
            .map_err(|fault| Fault::invalid(vec![fault]))?;
        let (source, unit) = disputable(ctx, item, &subject)?;
        if source.value.as_ref() == Some(&claimed) {
            let what = "与记录的值相同，请填写您认为正确的值";
            let fault = FieldFault::new("claimed", "same", what);
            return Err(Fault::invalid(vec![fault]));
        }
        let id = ctx.new_id::<Dispute>();
        let filing = Filing {
            filer_name: ctx.caller().organisation_name.clone(),
            claimed,
            statement: self.statement,
            evidence: self.evidence,
            at: ctx.now(),
            day: ctx.today(),
            due_on: Clock::read(ctx)?.due(Status::Submitted),
        };
        let dispute = filing.of((item, source), (id.as_str(), &subject));
        let number = dispute.number.clone();
        events::submitted(ctx, &id, &dispute)?;
        let new = New::of(dispute)
            .id(id.clone())
            .subject(&subject)
            .organisation(unit)
            .district(&ctx.caller().district);
        ctx.insert(new);
        Ok(Done::new()
            .result(json!({ "id": id, "number": number }))
            .go(
                format!("/exchange/disputes/{id}"),
                format!("异议已提交，编号 {number}"),
            ))
    }
}

/// The record that can be disputed now, and the unit that answers for it.
fn disputable(ctx: &Ctx, item: &Item, subject: &str) -> Result<(Source, String), Fault> {
    let refused = |code: &str, what: String| Err(Fault::refused(format!("exchange.{code}"), what));
    let key = rules::open_key(subject, item.name);
    if let Some(open) = ctx.find::<Dispute>(Dispute::OPEN_KEY.eq(key))?.first() {
        let what = format!(
            "这项数据已有一件在途的异议（{}），请查看其进度",
            open.number
        );
        return refused("already-open", what);
    }
    let Some(source) = Source::newest(ctx, item, subject)? else {
        let what = "来源单位没有您的这类记录，评分时按“缺失”处理，无从提出异议";
        return refused("no-record", what.into());
    };
    if let Some(before) = decided(ctx, item, subject)?
        && before.as_of == source.as_of
    {
        let what = format!(
            "这期数据已经核查答复（{}）；对答复不服的，请在申诉期内申诉",
            before.number
        );
        return refused("decided", what);
    }
    match source.organisation.clone() {
        Some(unit) => Ok((source, unit)),
        None => refused(
            "no-source",
            "这条记录没有登记来源单位，请联系平台客服".into(),
        ),
    }
}

/// The last dispute of the item that was answered, whether or not an appeal was taken back after that.
fn decided(ctx: &Ctx, item: &Item, subject: &str) -> Result<Option<Stored<Dispute>>, Fault> {
    let find = Find::<Dispute>::new()
        .filter(Dispute::SUBJECT.eq(subject))
        .filter(Dispute::ITEM.eq(item.name))
        .filter(Dispute::REPLIED_AT.missing().not())
        .sort(Dispute::CREATED_AT.desc())
        .limit(1);
    Ok(ctx.find(find)?.first())
}

/// 撤回异议. Until it is answered.
#[derive(Action, Debug)]
#[action(name = "dispute.withdraw", permission = permissions::FILE)]
pub(crate) struct Withdraw {
    /// 撤回原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Withdraw {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        let mut patch = step(&Clock::read(ctx)?, Status::Withdrawn)
            .clear(Dispute::OPEN_KEY)
            .set(Dispute::ENDED_ON, ctx.today());
        // What the source has corrected by then stays corrected.
        if let Some(corrected) = correction(ctx, &dispute)? {
            patch = patch
                .set(Dispute::AFTER_RECORD, corrected.id)
                .set(Dispute::AFTER_VERSION, corrected.version);
        }
        ctx.update(&dispute, patch);
        events::ended(ctx, &dispute);
        Ok(Done::new()
            .note(self.reason)
            .stay("异议已撤回，数据项不再标注"))
    }
}

/// 申诉. Once, within the time that the reply names; another person checks.
#[derive(Action, Debug)]
#[action(name = "dispute.appeal", permission = permissions::FILE)]
pub(crate) struct Appeal {
    /// 申诉理由.
    #[field(max = 1000)]
    pub(crate) statement: String,
    /// 补充材料.
    #[field(accept = "pdf, jpg, png", max = 5_000_000)]
    pub(crate) evidence: Option<Vec<StoredFile>>,
}

impl RecordAction for Appeal {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        rules::worded("statement", &self.statement)?;
        rules::may_appeal(&dispute, ctx.today())?;
        let subject = ctx.subject()?.to_owned();
        let patch = step(&Clock::read(ctx)?, Status::Appealed)
            .set(Dispute::APPEAL_STATEMENT, self.statement)
            .put(Dispute::APPEAL_EVIDENCE, self.evidence)
            .set(Dispute::APPEALED_AT, ctx.now())
            .set(Dispute::OPEN_KEY, rules::open_key(&subject, &dispute.item))
            .clear(Dispute::HANDLER)
            .clear(Dispute::HANDLER_NAME)
            .clear(Dispute::ENDED_ON);
        ctx.update(&dispute, patch);
        events::appealed(ctx, &dispute);
        Ok(Done::new().stay("申诉已提交，由来源单位的另一人核查"))
    }
}
