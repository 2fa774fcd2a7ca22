//! What an enterprise does with its letters; what is done with templates is in the parts.

pub(crate) mod edition;
pub(crate) mod template;

use sdk::choice::Choice as _;
use sdk::prelude::*;

use crate::model::{Category, Edition, Letter, Purpose, Standing, Status};
use crate::rules::{self, Agreed, Parties, Terms, wording};
use crate::{events, permissions};

/// 签署授权书. Effective at once, for the recipient alone.
#[derive(Action, Debug)]
#[action(name = "letter.sign", permission = permissions::SIGN, signed)]
pub(crate) struct Sign {
    /// 被授权机构.
    #[field(max = 64)]
    pub(crate) recipient: String,
    /// 模版. 模版版本的编号；不填由平台选择适用的模版。
    #[field(max = 64)]
    pub(crate) template: Option<String>,
    /// 数据项.
    #[field(json)]
    pub(crate) items: Option<Vec<String>>,
    /// 敏感数据项. 与数据项合并；为方便分开填写。
    #[field(json)]
    pub(crate) sensitive_items: Option<Vec<String>>,
    /// 用途.
    #[field(json)]
    pub(crate) purposes: Vec<String>,
    /// 到期日.
    pub(crate) valid_to: Date,
    /// 使用次数上限.
    #[field(min = 1, max = 10000)]
    pub(crate) max_uses: Option<i64>,
    /// 单独同意提供敏感数据. 数据项中有 L3 及以上的，须为真。
    pub(crate) separate: Option<bool>,
    /// 已阅读并同意.
    pub(crate) agree: bool,
    /// 签署后前往.
    #[field(max = 500)]
    pub(crate) back: Option<String>,
}

impl CollectionAction for Sign {
    type Record = Letter;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let mut items = self.items.unwrap_or_default();
        items.extend(self.sensitive_items.unwrap_or_default());
        items.sort();
        items.dedup();
        let terms = Terms {
            items,
            purposes: self.purposes,
            valid_from: ctx.today(),
            valid_to: self.valid_to,
            max_uses: self.max_uses,
        };
        let agreed = Agreed {
            to_all: self.agree,
            separately: self.separate.unwrap_or_default(),
        };
        rules::check(&terms, agreed)?;
        let subject = ctx.subject()?.to_owned();
        let grantor = grantor(ctx, &subject)?;
        let recipient_name = recipient_name(ctx, &self.recipient)?;
        let template = template_for(ctx, self.template.as_deref(), &self.recipient, &terms)?;

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
        let separate = rules::sensitive(&terms.items);
        let mut text = wording::render(&template.text, &parties, &terms)?;
        let closing = wording::closing(&separate, &template.title(), &template.text_digest);
        text.push_str(&closing);
        let letter = Letter {
            text_digest: ctx.digest(text.as_bytes()),
            text,
            grantor_name: grantor.name,
            recipient: self.recipient.clone(),
            recipient_name: recipient_name.clone(),
            items: terms.items,
            purposes: purposes(&terms.purposes),
            valid_from: terms.valid_from,
            valid_to: terms.valid_to,
            max_uses: terms.max_uses,
            uses: 0,
            status: Status::Effective,
            template: Some(template.id.clone()),
            template_name: Some(template.name.clone()),
            template_version: Some(template.version),
            template_digest: Some(template.text_digest.clone()),
            separate_items: Some(separate),
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
#[action(name = "letter.revoke", permission = permissions::REVOKE, signed)]
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

/// Codes that were checked, as options.
fn purposes(codes: &[String]) -> Vec<Purpose> {
    let known = codes.iter().filter_map(|code| Purpose::of_value(code));
    known.collect()
}

/// The versions that enterprises may sign on now, by number.
pub(crate) fn in_force(ctx: &Ctx) -> Result<Vec<Stored<Edition>>, Fault> {
    let find = Find::<Edition>::new()
        .filter(Edition::CATEGORY.eq(Category::Enterprise))
        .filter(Edition::STATUS.eq(Standing::InForce))
        .filter(Edition::REPLACED_AT.missing())
        .sort(Edition::NUMBER.asc())
        .apart()
        .limit(sdk::contract::query::MAX_LIMIT);
    Ok(ctx.find(find)?.items)
}

/// The named template, or the first that lets a letter say this; what fits least badly tells why
/// none does.
fn template_for(
    ctx: &Ctx,
    named: Option<&str>,
    recipient: &str,
    terms: &Terms,
) -> Result<Stored<Edition>, Fault> {
    let mut usable = in_force(ctx)?;
    if let Some(id) = named {
        usable.retain(|edition| edition.id.as_str() == id);
        if usable.is_empty() {
            let why = "该授权书模版未发布、已停用或已被新版取代，不能用于签署";
            return Err(Fault::refused("consent.template-not-in-force", why));
        }
    }
    let mut closest: Option<Vec<FieldFault>> = None;
    for edition in usable {
        let misfits = rules::misfits(&edition, recipient, terms);
        if misfits.is_empty() {
            return Ok(edition);
        }
        if closest.as_ref().is_none_or(|c| misfits.len() < c.len()) {
            closest = Some(misfits);
        }
    }
    Err(closest.map_or_else(
        || {
            let why = "平台目前没有可用的授权书模版，暂不能签署，请联系平台运营人员";
            Fault::refused("consent.no-template", why)
        },
        Fault::invalid,
    ))
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
