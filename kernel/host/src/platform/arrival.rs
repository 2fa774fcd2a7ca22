//! 首次登录: somebody came from a provider and is to be bound to an account, or to be let act for
//! the party that they act for there.

use kernel_identity::account::AccountError;
use kernel_identity::federation::{Arrival, Vouched, VouchedParty};
use kernel_identity::history::Deed;
use kernel_identity::module::MODULE;
use kernel_identity::principal::Principal;
use kernel_identity::registration::Newcomer;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::code::Format;
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{Action, Block, Datum, Fact, Field, Form, Notice, Outcome, Page};
use serde_json::{Map, Value, json};

use super::{Desk, claims, done, failed, fault, registration, word};
use crate::Host;
use crate::account::PAGE as ACCOUNT;
use crate::module::Input;
use crate::values::escaped;

pub(super) const PATH: &str = "/platform/arrival";

impl Host {
    /// Where an arrival waits for the person.
    pub fn arrival_page(arrival: &str) -> String {
        format!("{PATH}?id={arrival}")
    }

    /// The organisation of a party that somebody comes to act for, where there is one; or why
    /// nobody acts for it.
    pub async fn arrives_for(
        &self,
        p: &Principal,
        party: &VouchedParty,
    ) -> Result<Option<String>, Fault> {
        let call = self.call(p)?;
        let desk = Desk::new(self, self.sessions(), &call);
        let known = desk.registered(&party.code).await?;
        if let Some(gone) = known.as_ref().and_then(|known| known.gone.as_ref()) {
            let text = format!("“{}”的登记状态为“{gone}”，不能登录", party.name);
            return Err(Fault::refused("party-refused", text));
        }
        let known = known.map(|known| known.party);
        // Early codes were issued whose check character is not the computed one: the register
        // knows them.
        if known.is_none() && Format::Uscc.doubt(&party.code).is_some() {
            let text = "统一社会信用代码的校验位不符，登记信息中也没有这个代码，不能登录";
            return Err(Fault::refused("party-refused", text));
        }
        let place = desk.directory.party(&party.code, known.as_ref()).await;
        Ok(place.map_err(|e| failed(&e))?.map(|place| place.id))
    }
}

pub(super) async fn page(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let page = Page::new("首次登录");
    let id = ask.query("id").unwrap_or_default();
    let Some((arrival, vouched)) = waits(desk, id).await? else {
        let text = "可能已经办理过，或等待时间过长。请回到登录页重新登录";
        let notice = Notice::new(Tone::Warning, "这次登录已失效", text);
        let notice = notice.action(Action::open("去登录", "/login"));
        return Ok(page.block(Block::notice("gone", notice)));
    };
    let from = &vouched.provider_name;
    let page = page.subtitle(format!("{from}已确认您是 {}", vouched.name));
    if arrival.user.is_some() {
        return act_for(desk, page, &arrival, &vouched).await;
    }
    if desk.call.principal.is_anonymous() {
        return Ok(come_in(desk, page, &arrival, &vouched));
    }
    let p = &desk.call.principal;
    let bind = Action::send("绑定", "arrival.bind").arg("arrival", arrival.id.as_str());
    let form =
        Form::new("arrival-bind", bind).field(Field::secret("current", "当前密码").required());
    let help = format!("绑定后，用这个{from}账号即可登录您的账号 {}", p.login);
    Ok(page.block(Block::form(form).title("绑定到当前账号").help(help)))
}

/// For who has no session: signing in to bind, or registering.
fn come_in(desk: &Desk<'_>, page: Page, arrival: &Arrival, vouched: &Vouched) -> Page {
    let from = &vouched.provider_name;
    let text = format!("请登录一次，把{from}账号绑定到它；以后用{from}即可登录");
    let here = escaped(&Host::arrival_page(&arrival.id));
    let to = format!("/login?next={here}");
    let notice = Notice::new(Tone::Info, "已有本平台账号", text);
    let notice = notice.action(Action::open("登录已有账号", to).primary());
    let page = page.block(Block::notice("own", notice));
    if !desk.sessions.registration().open {
        return page;
    }
    let register = Action::send("注册并绑定", "arrival.register");
    let form = Form::new(
        "arrival-register",
        register.arg("arrival", arrival.id.as_str()),
    )
    .field(registration::wish());
    let help = format!("姓名按{from}的实名信息：{}", vouched.name);
    let form = Block::form(registration::chosen(desk, form));
    page.block(form.title("还没有账号").help(help))
}

/// For whose account is bound: the party that is not theirs here yet.
async fn act_for(
    desk: &Desk<'_>,
    page: Page,
    arrival: &Arrival,
    vouched: &Vouched,
) -> Result<Page, Fault> {
    let Some(party) = &vouched.party else {
        return Ok(page);
    };
    let mut facts = vec![
        Fact::new("主体名称", Datum::text(party.name.as_str())),
        Fact::new("统一社会信用代码", Datum::text(party.code.as_str())),
        Fact::new("身份", Datum::text(capacity(party))),
    ];
    let checked = desk.checked(&party.name, &party.code).await;
    let said = match &checked {
        Ok((_, said)) => said.clone(),
        Err(fault) => first(fault).to_owned(),
    };
    facts.push(Fact::new("登记核对", Datum::text(said)));
    let page = page.block(Block::details("party", facts).title("代表主体办理业务"));
    if checked.is_err() {
        return Ok(page);
    }
    let go = Action::send("代表该主体办理业务", "arrival.claim")
        .arg("arrival", arrival.id.as_str())
        .primary();
    Ok(page.action(go).action(Action::open("暂不办理", "/")))
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let values = &input.values;
    let id = word(values, "arrival");
    let (arrival, vouched) = waits(desk, id).await?.ok_or_else(gone)?;
    let from = &vouched.provider_name;
    match verb {
        "register" => {
            registration::agreed(values)?;
            let who = Newcomer {
                wish: word(values, "login"),
                name: &vouched.name,
                phone: word(values, "phone"),
                password: word(values, "password"),
            };
            let opened = desk
                .sessions
                .register_arrival((&arrival, who), desk.origin());
            let opened = opened.await.map_err(refused)?;
            // Signing in through the provider is the shortest way on, now that it is bound.
            let path = format!("{}?login={}", registration::DONE, opened.login);
            let toast = format!("账号已开通并绑定，请用{from}登录");
            let result = json!({ "login": opened.login });
            Ok(done(opened.writes, input, path, &toast, result))
        }
        "bind" => {
            let p = &desk.call.principal;
            let words = (&arrival, word(values, "current"));
            let writes = desk.sessions.bind(p, words, desk.origin()).await;
            let path = match vouched.party {
                Some(_) => Host::arrival_page(id),
                None => ACCOUNT.to_owned(),
            };
            let toast = format!("已绑定，下次可以直接用{from}登录");
            Ok(done(
                writes.map_err(refused)?,
                input,
                path,
                &toast,
                json!({}),
            ))
        }
        "claim" => claim(desk, input, &arrival, &vouched).await,
        _ => Err(Fault::not_found()),
    }
}

/// Certified at once where it is the legal representative who comes, the register knows the party
/// and nobody administers it here yet; otherwise it waits for whoever runs the platform, like any
/// claim.
async fn claim(
    desk: &Desk<'_>,
    input: &Input,
    arrival: &Arrival,
    vouched: &Vouched,
) -> Result<Reply, Fault> {
    let party = vouched.party.as_ref().ok_or_else(gone)?;
    if arrival.user.is_none() {
        return Err(gone());
    }
    let checked = desk.checked(&party.name, &party.code).await;
    let (known, said) =
        checked.map_err(|fault| Fault::refused("party-refused", first(&fault).to_owned()))?;
    let from = &vouched.provider_name;
    let said = format!("{from}核验为{}；{said}", capacity(party));
    let d = &desk.directory;
    let place = d.party(&party.code, known.as_ref()).await;
    let taken = match place.map_err(|e| failed(&e))? {
        Some(place) => d.has_posts(&place.id).await.map_err(|e| failed(&e))?,
        None => false,
    };
    let asked = claimed(party);
    let now = desk.call.now.micros();
    let ended = kernel_identity::session::Sessions::end_arrival(arrival, now);
    let Some(known) = known.filter(|_| !taken && party.representative) else {
        let asked = d.ask_claim(desk.deed(input), &asked, &said).await;
        let (id, write) = asked.map_err(fault)?;
        let toast = "申请已提交，审核结果在本页可见";
        let result = json!({ "id": id });
        return Ok(done(
            vec![write, ended],
            input,
            claims::OWN.to_owned(),
            toast,
            result,
        ));
    };
    let p = &desk.call.principal;
    let provider = Principal {
        name: from.clone(),
        ..Principal::module(MODULE, &p.request)
    };
    let deed = Deed {
        by: &provider,
        now,
        reason: &said,
        approved_by: None,
    };
    let roles = desk.party_roles();
    let made = d.vouch(deed, (p, &asked, &said), (&known, &roles)).await;
    let (organisation, mut writes) = made.map_err(fault)?;
    writes.push(ended);
    let acting = d.acting(p, &organisation).await;
    writes.extend(acting.map_err(|e| failed(&e))?);
    Ok(Reply {
        writes,
        note: Some(said),
        outcome: Some(Outcome::go(
            "/",
            format!("现在代表“{}”办理业务", party.name),
        )),
        result: json!({ "organisation": organisation }),
        ..Reply::default()
    })
}

fn claimed(party: &VouchedParty) -> Map<String, Value> {
    let capacity = if party.representative {
        "representative"
    } else {
        "agent"
    };
    [
        ("name", party.name.as_str()),
        ("code", party.code.as_str()),
        ("capacity", capacity),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect()
}

fn capacity(party: &VouchedParty) -> &'static str {
    if party.representative {
        "法定代表人"
    } else {
        "授权经办人"
    }
}

async fn waits(desk: &Desk<'_>, id: &str) -> Result<Option<(Arrival, Vouched)>, Fault> {
    let (p, now) = (&desk.call.principal, desk.call.now.micros());
    let arrival = desk.sessions.arrival(id, p, now).await;
    let arrival = arrival.map_err(|e| failed(&e))?;
    Ok(arrival.and_then(|a| {
        let vouched = a.vouched.clone()?;
        Some((a, vouched))
    }))
}

fn first(fault: &Fault) -> &str {
    let field = fault.fields.first();
    field.map_or(fault.message.as_str(), |f| f.message.as_str())
}

fn gone() -> Fault {
    Fault::conflict("arrival-gone", "这次登录已失效，请回到登录页重新登录")
}

fn refused(error: AccountError) -> Fault {
    match error {
        AccountError::ArrivalGone => gone(),
        AccountError::BoundElsewhere => Fault::refused(
            "bound-elsewhere",
            "该账号已绑定本平台的另一个账号，请用它登录，或先在那个账号中解除绑定",
        ),
        AccountError::OtherPerson => Fault::refused(
            "other-person",
            "实名信息与您已绑定的账号不一致，不能绑定到同一个账号",
        ),
        AccountError::TooMany => {
            Fault::refused("too-many", "绑定的外部账号已达上限，请先解除不用的")
        }
        AccountError::WrongPassword => {
            let fault = FieldFault::new("current", "wrong-password", "当前密码不正确");
            Fault::invalid(vec![fault])
        }
        error => registration::refused(error),
    }
}
