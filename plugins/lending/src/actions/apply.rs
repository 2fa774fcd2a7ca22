//! The enterprise's side: apply, send again after a return, take back.

use sdk::prelude::*;

use super::{enterprise, park_admits, product};
use crate::model::{Application, Enterprise, Product, Purpose, Status};
use crate::{events, permissions, rules};

/// 提交申请. Scored by the bank's model where the product has one, then put before its officers.
#[derive(Action, Debug)]
#[action(name = "application.apply", permission = permissions::APPLY, purpose = rules::APPROVAL)]
pub(crate) struct Apply {
    /// 产品.
    #[field(to = "market.products")]
    pub(crate) product: String,
    /// 申请金额.
    #[field(min = 0)]
    pub(crate) amount: Money,
    /// 申请期限. 单位：月。
    #[field(min = 1, max = 360)]
    pub(crate) term_months: i64,
    /// 贷款用途.
    pub(crate) purpose: Purpose,
    /// 联系人.
    #[field(max = 40)]
    pub(crate) contact: String,
    /// 联系电话.
    #[field(format = "phone")]
    pub(crate) phone: String,
    /// 补充说明.
    #[field(max = 500)]
    pub(crate) note: Option<String>,
    /// 没有评分时转人工评审. 银行模型暂不可用或数据不足时，仍提交申请，由银行人工评审。
    pub(crate) manual: Option<bool>,
    /// 确认真实并同意评分.
    pub(crate) agree: bool,
}

impl CollectionAction for Apply {
    type Record = Application;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let subject = ctx.subject()?.to_owned();
        let product = offered(ctx, &self.product)?;
        rules::terms(&product, self.amount, self.term_months, self.agree)?;
        let missing = || {
            Fault::refused(
                "lending.no-enterprise",
                "还没有贵企业的登记信息，暂时不能申请贷款",
            )
        };
        let enterprise = enterprise(ctx)?.ok_or_else(missing)?;
        none_open(ctx, &subject, &product)?;

        let id = ctx.new_id::<Application>();
        let manual = self.manual.unwrap_or_default();
        let scored = score(ctx, &product, &subject, id.as_str());
        let (scored, unscored) = or_a_person(scored, manual, &product)?;
        let number = rules::number(ctx.today(), id.as_str());
        let record = Application {
            open_key: Some(rules::open_key(&subject, &product.id)),
            unscored,
            ..with_score(
                self.record(ctx, &number, &product, enterprise),
                scored.as_ref(),
            )
        };
        let name = record.product_name.clone();
        let parties = events::Parties {
            bank: &product.organisation,
            enterprise: &subject,
        };
        events::notify(ctx, events::SUBMITTED, (id.as_str(), 0), parties, &record);
        let new = New::of(record)
            .id(id.clone())
            .subject(&subject)
            .organisation(&product.organisation)
            .district(&ctx.caller().district);
        ctx.insert(new);
        let data = json!({
            "number": number,
            "product": product.id,
            "organisation": product.organisation,
            "subject": subject,
        });
        ctx.emit(events::SUBMITTED, id.as_str(), data);
        Ok(Done::new()
            .result(json!({ "id": id.as_str(), "number": number }))
            .go(
                format!("/lending/applications/{id}"),
                format!("“{name}”申请已提交，编号 {number}"),
            ))
    }
}

impl Apply {
    fn record(
        self,
        ctx: &Ctx,
        number: &str,
        product: &Product,
        enterprise: Enterprise,
    ) -> Application {
        Application {
            number: number.to_owned(),
            product: product.id.clone(),
            product_name: product.name.clone(),
            institution_name: product.institution_name.clone(),
            enterprise_name: enterprise.name,
            uscc: enterprise.uscc,
            region_name: enterprise.region_name,
            industry_name: enterprise.industry_name,
            registered_capital: enterprise.registered_capital,
            established: enterprise.established,
            staff: enterprise.staff,
            contact: self.contact,
            phone: self.phone,
            amount: self.amount,
            term_months: self.term_months,
            purpose: self.purpose,
            note: self.note,
            status: Status::Submitted,
            open_key: None,
            model: None,
            score: None,
            base: None,
            probability: None,
            grade: None,
            reasons: None,
            disputed: None,
            corrected: None,
            certificate: None,
            unscored: None,
            consent: None,
            approved_amount: None,
            approved_rate: None,
            refusal: None,
            decision_reason: None,
            return_reason: None,
            submitted_at: ctx.now(),
            decided_at: None,
            acknowledged_at: None,
            review_reason: None,
            review_asked_at: None,
            review_answer: None,
            review_answered_by: None,
            review_answered_at: None,
        }
    }
}

/// 重新提交. After a return: with corrected terms, scored anew.
#[derive(Action, Debug)]
#[action(name = "application.resubmit", permission = permissions::APPLY, purpose = rules::APPROVAL)]
pub(crate) struct Resubmit {
    /// 申请金额.
    #[field(min = 0)]
    pub(crate) amount: Money,
    /// 申请期限. 单位：月。
    #[field(min = 1, max = 360)]
    pub(crate) term_months: i64,
    /// 补充说明.
    #[field(max = 500)]
    pub(crate) note: Option<String>,
    /// 没有评分时转人工评审. 银行模型暂不可用或数据不足时，仍提交申请，由银行人工评审。
    pub(crate) manual: Option<bool>,
}

impl RecordAction for Resubmit {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        let subject = ctx.subject()?.to_owned();
        let product = offered(ctx, &application.product)?;
        rules::terms(&product, self.amount, self.term_months, true)?;
        let scored = score(ctx, &product, &subject, application.id.as_str());
        let (scored, unscored) = or_a_person(scored, self.manual.unwrap_or_default(), &product)?;
        let patch = Patch::new()
            .set(Application::AMOUNT, self.amount)
            .set(Application::TERM_MONTHS, self.term_months)
            .put(Application::NOTE, self.note)
            .set(Application::STATUS, Status::Submitted)
            .set(Application::SUBMITTED_AT, ctx.now())
            .clear(Application::RETURN_REASON);
        let patch = match scored {
            Some(scored) => patch
                .set(Application::MODEL, model_name(&scored))
                .put(Application::SCORE, rules::decimal(scored.score))
                .put(Application::BASE, rules::decimal(scored.base))
                .put(Application::PROBABILITY, rules::decimal(scored.probability))
                .set(Application::GRADE, scored.grade)
                .set(Application::DISPUTED, rules::disputed(&scored.reasons))
                .clear(Application::CORRECTED)
                .set(Application::REASONS, scored.reasons)
                .set(Application::CERTIFICATE, scored.certificate)
                .set(Application::CONSENT, scored.consent),
            // What another model, or the same on other data, said is not said of this one.
            None if unscored.is_some() => patch
                .clear(Application::MODEL)
                .clear(Application::SCORE)
                .clear(Application::BASE)
                .clear(Application::PROBABILITY)
                .clear(Application::GRADE)
                .clear(Application::REASONS)
                .clear(Application::CERTIFICATE),
            None => patch,
        };
        let patch = patch.put(Application::UNSCORED, unscored);
        ctx.update(&application, patch);
        events::tell(ctx, events::SUBMITTED, &application);
        Ok(Done::new().stay("已重新提交，请等待银行受理"))
    }
}

/// 撤回申请. Possible until the bank has decided.
#[derive(Action, Debug)]
#[action(name = "application.withdraw", permission = permissions::APPLY)]
pub(crate) struct Withdraw {
    /// 撤回原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Withdraw {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Application::STATUS, Status::Withdrawn)
            .clear(Application::OPEN_KEY);
        ctx.update(&application, patch);
        events::tell(ctx, events::WITHDRAWN, &application);
        Ok(Done::new().note(self.reason).stay("申请已撤回"))
    }
}

/// 知道了. The enterprise has seen the decision; its home page stops telling it.
#[derive(Action, Debug)]
#[action(name = "application.acknowledge", permission = permissions::APPLY)]
pub(crate) struct Acknowledge {}

impl RecordAction for Acknowledge {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        if !application.news() {
            return Err(Fault::refused(
                "lending.nothing-new",
                "这笔申请没有需要确认的审批结果",
            ));
        }
        let seen = Patch::new().set(Application::ACKNOWLEDGED_AT, ctx.now());
        ctx.update(&application, seen);
        Ok(Done::new().stay("首页不再提醒这笔结果，随时可在“我的申请”中查看"))
    }
}

/// A product the caller may apply for today.
fn offered(ctx: &Ctx, id: &str) -> Result<Product, Fault> {
    let unknown = || {
        let fault = FieldFault::new("product", "not-found", "没有这个产品，请到产品超市重新选择");
        Fault::invalid(vec![fault])
    };
    let product = product(ctx, id)?.ok_or_else(unknown)?;
    if !product.online() {
        return Err(Fault::refused(
            "lending.product-offline",
            "该产品已下线，请选择其他产品",
        ));
    }
    if !park_admits(ctx, &product)? {
        return Err(Fault::refused(
            "lending.park-only",
            "该产品只对所属园区的入驻企业开放",
        ));
    }
    Ok(product)
}

fn none_open(ctx: &Ctx, subject: &str, product: &Product) -> Result<(), Fault> {
    let key = rules::open_key(subject, &product.id);
    match ctx
        .find::<Application>(Application::OPEN_KEY.eq(key))?
        .first()
    {
        None => Ok(()),
        Some(open) => Err(Fault::refused(
            "lending.already-open",
            format!(
                "您已有一笔“{}”的在途申请（{}），办结后才能再次申请",
                product.name, open.number
            ),
        )),
    }
}

/// The bank's own score, for products that have a model.
fn score(
    ctx: &Ctx,
    product: &Product,
    subject: &str,
    reference: &str,
) -> Result<Option<Scored>, Fault> {
    let Some(model) = product.model.clone() else {
        return Ok(None);
    };
    let request = ScoreRequest {
        organisation: product.organisation.clone(),
        model,
        subject: subject.to_owned(),
        reference: reference.to_owned(),
    };
    ctx.score(&request).map(Some)
}

/// The score or, where the model gave none and the enterprise wants that, why a person looks instead.
fn or_a_person(
    scored: Result<Option<Scored>, Fault>,
    manual: bool,
    product: &Product,
) -> Result<(Option<Scored>, Option<String>), Fault> {
    match scored {
        Ok(scored) => Ok((scored, None)),
        Err(fault) if manual && rules::leaves_it_to_a_person(&fault) => {
            Ok((None, Some(fault.message.chars().take(300).collect())))
        }
        Err(fault) => Err(rules::explain(fault, &product.institution_name)),
    }
}

fn model_name(scored: &Scored) -> String {
    format!("{} {}", scored.model, scored.version)
}

fn with_score(application: Application, scored: Option<&Scored>) -> Application {
    let Some(scored) = scored else {
        return application;
    };
    Application {
        model: Some(model_name(scored)),
        score: rules::decimal(scored.score),
        base: rules::decimal(scored.base),
        probability: rules::decimal(scored.probability),
        grade: Some(scored.grade.clone()),
        reasons: Some(scored.reasons.clone()),
        disputed: Some(rules::disputed(&scored.reasons)),
        certificate: Some(scored.certificate.clone()),
        consent: Some(scored.consent.clone()),
        ..application
    }
}
