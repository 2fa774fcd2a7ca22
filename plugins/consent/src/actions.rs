//! What an enterprise does with its letters.

use sdk::prelude::*;

use crate::model::{Letter, Status};
use crate::rules::{self, Parties, Terms};
use crate::{events, permissions};

/// 签署授权书. Effective at once, for the recipient alone.
#[derive(Action, Debug)]
#[action(name = "letter.sign", permission = permissions::SIGN, step_up)]
pub(crate) struct Sign {
    /// 被授权机构.
    #[field(max = 64)]
    pub(crate) recipient: String,
    /// 数据项.
    #[field(json)]
    pub(crate) items: Vec<String>,
    /// 用途.
    #[field(json)]
    pub(crate) purposes: Vec<String>,
    /// 到期日.
    pub(crate) valid_to: Date,
    /// 使用次数上限.
    #[field(min = 1, max = 10000)]
    pub(crate) max_uses: Option<i64>,
    /// 已阅读并同意.
    pub(crate) agree: bool,
    /// 签署后前往.
    #[field(max = 500)]
    pub(crate) back: Option<String>,
}

impl CollectionAction for Sign {
    type Record = Letter;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let terms = Terms {
            items: self.items,
            purposes: self.purposes,
            valid_from: ctx.today(),
            valid_to: self.valid_to,
            max_uses: self.max_uses,
        };
        rules::check(&terms, self.agree)?;
        let subject = ctx.subject()?.to_owned();
        let grantor = grantor(ctx, &subject)?;
        let recipient_name = recipient_name(ctx, &self.recipient)?;

        let id = ctx.new_id::<Letter>();
        let number = number(ctx, &id);
        let signer = ctx.caller().name.clone();
        let parties = Parties {
            number: &number,
            grantor: &grantor.name,
            uscc: &grantor.uscc,
            recipient: &recipient_name,
            signer: &signer,
            signed_at: ctx.now(),
        };
        let text = rules::text(&parties, &terms);
        let letter = Letter {
            text_digest: ctx.digest(text.as_bytes()),
            text,
            grantor_name: grantor.name,
            recipient: self.recipient.clone(),
            recipient_name: recipient_name.clone(),
            items: terms.items,
            purposes: terms.purposes,
            valid_from: terms.valid_from,
            valid_to: terms.valid_to,
            max_uses: terms.max_uses,
            uses: 0,
            status: Status::Effective,
            signed_by: signer,
            signed_at: ctx.now(),
            revoked_at: None,
            reason: None,
            number: number.clone(),
        };
        let new = New::of(letter)
            .id(id.clone())
            .subject(&subject)
            .organisation(&self.recipient)
            .district(&ctx.caller().district);
        ctx.insert(new);
        ctx.emit(
            events::SIGNED,
            id.as_str(),
            json!({ "recipient": self.recipient, "subject": subject }),
        );
        let to = rules::back(self.back.as_deref())
            .map_or_else(|| format!("/consent/letters/{id}"), str::to_owned);
        Ok(Done::new()
            .result(json!({ "id": id.as_str(), "number": number }))
            .go(to, format!("已授权{recipient_name}，可随时撤回")))
    }
}

/// 撤回授权. No new read from this moment on; past lawful use is kept on record.
#[derive(Action, Debug)]
#[action(name = "letter.revoke", permission = permissions::REVOKE)]
pub(crate) struct Revoke {
    /// 撤回原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Revoke {
    type Record = Letter;

    fn run(self, ctx: &mut Ctx, letter: Stored<Letter>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Letter::STATUS, Status::Revoked)
            .set(Letter::REVOKED_AT, ctx.now())
            .set(Letter::REASON, self.reason.clone());
        ctx.update(&letter, patch);
        let data = json!({ "recipient": letter.recipient, "subject": letter.subject });
        ctx.emit(events::REVOKED, letter.id.as_str(), data);
        let told = format!("已撤回对{}的授权，即刻生效", letter.recipient_name);
        Ok(Done::new().note(self.reason).stay(told))
    }
}

/// The enterprise that signs, as the enterprise module knows it.
#[derive(Deserialize)]
struct Grantor {
    name: String,
    uscc: String,
}

fn grantor(ctx: &Ctx, subject: &str) -> Result<Grantor, Fault> {
    let query = Query::new("enterprise.enterprises")
        .filter(Filter::eq("subject", subject))
        .limit(1);
    let missing = || {
        Fault::refused(
            "consent.no-enterprise",
            "还没有贵企业的登记信息，暂时不能签署授权书",
        )
    };
    ctx.find_as::<Grantor>(query)?
        .into_iter()
        .next()
        .ok_or_else(missing)
}

/// A recipient is an institution with a product on the market; its name comes from there.
fn recipient_name(ctx: &Ctx, recipient: &str) -> Result<String, Fault> {
    let all = recipients(ctx)?;
    let unknown = || {
        let fault = FieldFault::new("recipient", "not-an-option", "请从所列金融机构中选择");
        Fault::invalid(vec![fault])
    };
    all.into_iter()
        .find(|(id, _)| id == recipient)
        .map(|(_, name)| name)
        .ok_or_else(unknown)
}

/// Organisation id and name of every institution on the market, by name.
pub(crate) fn recipients(ctx: &Ctx) -> Result<Vec<(String, String)>, Fault> {
    let groups = ctx.aggregate(Aggregate {
        collection: "market.products".into(),
        filter: None,
        group_by: vec!["organisation".into(), "institution_name".into()],
        measures: vec![Measure::Count],
        ..Aggregate::default()
    })?;
    let mut all: Vec<(String, String)> = groups
        .into_iter()
        .filter_map(|group| match group.keys.as_slice() {
            [Value::String(id), Value::String(name)] => Some((id.clone(), name.clone())),
            _ => None,
        })
        .collect();
    all.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(all)
}

/// `SQS`, the day, and the end of the id.
fn number(ctx: &Ctx, id: &Id<Letter>) -> String {
    let day = ctx.today().to_string().replace('-', "");
    let id = id.as_str();
    let tail = id
        .get(id.len().saturating_sub(8)..)
        .unwrap_or(id)
        .to_ascii_uppercase();
    format!("SQS{day}{tail}")
}
