//! 主体认证: a person asks to act for a party; what the register of parties says is held against
//! it; somebody who runs the platform decides on the evidence.

use kernel_identity::claims::{Claim, Party};
use sdk_contract::call::{Ask, Reply};
use sdk_contract::code::Format;
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Notice, Page, Row, Table,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::{Desk, choices, done, failed, fault, record, word};
use crate::Host;
use crate::console::pages::{PAGE, bench, page_number, param};
use crate::module::Input;
use crate::reads::ask as ask_fault;

/// A person's own claims.
pub(super) const OWN: &str = "/platform/claim";
pub(super) const PATH: &str = "/platform/claims";
const EVIDENCE: u64 = 8 * 1024 * 1024;
/// Characters of names that differ in nothing but their brackets.
const BRACKETS: [(char, char); 2] = [('（', '('), ('）', ')')];

/// What the register of parties knows of a code.
pub(super) struct Registered {
    pub(super) party: Party,
    /// The party is no more, in the register's words.
    pub(super) gone: Option<String>,
}

impl Desk<'_> {
    /// Roles of whoever acts for a party, by the module that knows the parties.
    pub(super) fn party_roles(&self) -> Vec<String> {
        let catalog = self.host.catalog();
        let mut parties = catalog
            .modules
            .values()
            .filter_map(|m| m.def.parties.as_ref());
        parties.next().map(|p| p.roles.clone()).unwrap_or_default()
    }

    /// The register is a collection that some module declares; without one, nothing is known.
    pub(super) async fn registered(&self, code: &str) -> Result<Option<Registered>, Fault> {
        let catalog = self.host.catalog();
        let Some((module, parties)) = catalog
            .modules
            .values()
            .find_map(|m| m.def.parties.as_ref().map(|p| (&m.def, p)))
        else {
            return Ok(None);
        };
        let query = Query::new(format!("{}.{}", module.id, parties.collection))
            .filter(Filter::eq(parties.code.as_str(), code))
            .limit(1);
        let found = self.host.store().find(&query, &Host::KERNEL).await;
        let found = found.map_err(|e| ask_fault(&e))?;
        let Some(row) = found.records.first() else {
            return Ok(None);
        };
        let status = parties.status.as_deref().map(|field| word(row, field));
        let gone = status.filter(|s| parties.gone.iter().any(|gone| gone == s));
        let label = |value: &str| {
            let options = module.choices.iter().flat_map(|c| &c.options);
            let found = options.into_iter().find(|o| o.value == value);
            found.map_or_else(|| value.to_owned(), |o| o.label.zh.clone())
        };
        Ok(Some(Registered {
            party: Party {
                id: word(row, "id").to_owned(),
                name: word(row, &parties.name).to_owned(),
                region: super::optional(row, "district"),
            },
            gone: gone.map(label),
        }))
    }

    /// What the register says of a claim, or why it says no.
    pub(super) async fn checked(
        &self,
        name: &str,
        code: &str,
    ) -> Result<(Option<Party>, String), Fault> {
        match self.registered(code).await? {
            None => Ok((None, "登记信息中没有这个代码，须凭证明材料核实".to_owned())),
            Some(Registered {
                gone: Some(gone), ..
            }) => {
                let message = format!("登记状态为“{gone}”，不能认证");
                let fault = FieldFault::new("code", "party-gone", message);
                Err(Fault::invalid(vec![fault]))
            }
            Some(Registered { party, .. }) if same(&party.name, name) => {
                Ok((Some(party), "与登记信息一致，登记状态正常".to_owned()))
            }
            Some(_) => {
                let message = "名称与这个代码的登记信息不一致，请按营业执照填写";
                let fault = FieldFault::new("name", "party-differs", message);
                Err(Fault::invalid(vec![fault]))
            }
        }
    }
}

/// Whether two names are one, but for blanks and the width of brackets.
fn same(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| {
                BRACKETS
                    .iter()
                    .find(|(wide, _)| *wide == c)
                    .map_or(c, |(_, n)| *n)
            })
            .collect()
    };
    plain(one) == plain(other)
}

pub(super) async fn own(desk: &Desk<'_>) -> Result<Page, Fault> {
    let user = desk.call.principal.user.as_deref().unwrap_or_default();
    let claims = desk.directory.claims_of(user).await;
    let claims = claims.map_err(|e| failed(&e))?;
    let rows = claims.iter().map(|r| {
        Row::new(
            word(r, "id"),
            vec![
                Datum::text(word(r, "name")),
                Datum::text(word(r, "code")),
                state(word(r, "status")),
                Datum::time_text(word(r, "created_at")),
                Datum::text(word(r, "verdict")),
            ],
        )
    });
    let columns = vec![
        Column::new("name", "主体名称", 0),
        Column::new("code", "统一社会信用代码", 1),
        Column::new("state", "状态", 1),
        Column::new("asked", "申请时间", 2),
        Column::new("verdict", "审核意见", 2),
    ];
    let mut page =
        Page::new("主体认证").subtitle("认证后，您可以作为管理员代表该主体办理业务，并邀请经办人");
    if claims.iter().any(|r| word(r, "status") == "approved") {
        let text = "在右上角账号菜单中切换到该主体，即可代表它办理业务";
        let notice = Notice::new(Tone::Success, "已有主体通过认证", text);
        page = page.block(Block::notice("certified", notice));
    }
    if !claims.is_empty() {
        page = page.block(Block::table("claims", Table::new(columns).rows(rows)).title("我的申请"));
    }
    let capacities = vec![
        Choice::new("representative", "法定代表人"),
        Choice::new("agent", "授权经办人"),
    ];
    let form = Form::new("claim", Action::send("提交申请", "claim.ask"))
        .field(
            Field::text("name", "主体名称", 120)
                .required()
                .help("与营业执照一致"),
        )
        .field(Field::code("code", "统一社会信用代码", Format::Uscc).required())
        .field(Field::region("region", "所在区"))
        .field(Field::pick("capacity", "您的身份", capacities).required())
        .field(
            Field::file("evidence", "证明材料", EVIDENCE)
                .required()
                .help("法定代表人：营业执照；授权经办人：加盖公章的授权书"),
        );
    Ok(page.block(Block::form(form).title("申请认证")))
}

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let waits = Filter::eq("status", "pending");
    let all = || Query::new("platform.claims").sort("created_at", true);
    let pending = all().filter(waits.clone()).limit(MAX_LIMIT);
    let pending = desk.host.listed(desk.call, pending).await?;
    let decided = all().filter(waits.not()).page(number, PAGE);
    let decided = desk.host.listed(desk.call, decided).await?;
    let waiting = table(&pending.records).empty("没有待审核的申请");
    let done = table(&decided.records)
        .paging(number, PAGE, decided.total.unwrap_or_default())
        .empty("还没有审核过的申请");
    Ok(bench("主体认证审核")
        .subtitle("核对证明材料和登记信息后审核；通过即设立主体并给申请人管理员岗位")
        .block(Block::table("claims", waiting).title("待审核"))
        .block(Block::table("decided", done).title("已审核")))
}

fn table(records: &[Map<String, Value>]) -> Table {
    let rows = records.iter().map(|r| {
        Row::new(
            word(r, "id"),
            vec![
                Datum::text(word(r, "name")),
                Datum::text(word(r, "code")),
                Datum::text(word(r, "user_name")),
                Datum::text(capacity(word(r, "capacity"))),
                state(word(r, "status")),
                Datum::time_text(word(r, "created_at")),
            ],
        )
        .to(format!("{PATH}/{}", word(r, "id")))
    });
    let columns = vec![
        Column::new("name", "主体名称", 0),
        Column::new("code", "统一社会信用代码", 1),
        Column::new("who", "申请人", 1),
        Column::new("capacity", "身份", 2),
        Column::new("state", "状态", 1),
        Column::new("asked", "申请时间", 2),
    ];
    Table::new(columns).rows(rows)
}

pub(super) async fn detail(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let p = &desk.call.principal;
    let id = param(ask, "id");
    let record = desk.host.get(p, "platform.claims", id).await?;
    let claim = Claim::read(&record);
    let found = desk.registered(&claim.code).await?;
    let party = found.as_ref().map(|f| &f.party);
    let place = desk.directory.party(&claim.code, party).await;
    let place = place.map_err(|e| failed(&e))?;
    let people = match &place {
        Some(place) => desk.directory.works_at(&place.id).await,
        None => Ok(Vec::new()),
    };
    let people = people.map_err(|e| failed(&e))?;
    let evidence = record.get("evidence").cloned().unwrap_or_default();
    let evidence = match (evidence.get("name"), evidence.get("digest")) {
        (Some(Value::String(name)), Some(Value::String(digest))) => {
            Fact::new("证明材料", Datum::text(name.as_str())).help(format!("SM3 {digest}"))
        }
        _ => Fact::new("证明材料", Datum::None),
    };
    let now = match &found {
        None => "登记信息中没有这个代码".to_owned(),
        Some(Registered {
            gone: Some(gone), ..
        }) => format!("登记状态：{gone}"),
        Some(found) => format!("登记名称：{}，登记状态正常", found.party.name),
    };
    let others = if people.is_empty() {
        "没有".to_owned()
    } else {
        people.join("、")
    };
    let mut facts = vec![
        Fact::new("主体名称", Datum::text(claim.name.as_str())),
        Fact::new("统一社会信用代码", Datum::text(claim.code.as_str())),
        Fact::new(
            "所在区",
            Datum::text(choices::region(desk.host, claim.region.as_deref())),
        ),
        Fact::new("申请人", Datum::text(word(&record, "user_name"))),
        Fact::new("身份", Datum::text(capacity(word(&record, "capacity")))),
        evidence,
        Fact::new("申请时核对", Datum::text(word(&record, "registered"))),
        Fact::new("现在核对", Datum::text(now)),
        Fact::new("已在该主体任职的人员", Datum::text(others))
            .help("已有管理员的，请先与其核实，或由其邀请申请人"),
        Fact::new("状态", state(&claim.status)),
    ];
    if !claim.waits() {
        facts.push(Fact::new(
            "审核人",
            Datum::text(word(&record, "decider_name")),
        ));
        facts.push(Fact::new("审核意见", Datum::text(word(&record, "verdict"))));
    }
    let mut page = bench(&claim.name)
        .under("主体认证审核", PATH)
        .block(Block::details("facts", facts).title("申请"));
    let other = p.user.as_deref() != Some(&claim.user);
    if claim.waits() && other && desk.reach("claim.decide").is_some() {
        let button = |label: &str, action: &str, text: &str| {
            Action::send(label, action)
                .record(id)
                .confirm(Confirm::new(label, text, label).reason("意见"))
        };
        let text = "通过后立即设立主体（如尚未设立），申请人成为其管理员。";
        page = page.action(button("通过", "claim.approve", text).primary());
        let text = "不通过时，申请人能看到您填写的意见，可更正后重新申请。";
        page = page.action(button("不通过", "claim.refuse", text).danger());
    }
    Ok(page)
}

fn state(status: &str) -> Datum {
    match status {
        "pending" => Datum::status("待审核", Tone::Warning),
        "approved" => Datum::status("已认证", Tone::Success),
        _ => Datum::status("未通过", Tone::Danger),
    }
}

fn capacity(capacity: &str) -> &str {
    match capacity {
        "representative" => "法定代表人",
        "agent" => "授权经办人",
        other => other,
    }
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let (d, deed) = (&desk.directory, desk.deed(input));
    if verb == "ask" {
        let values = &input.values;
        let (_, registered) = desk
            .checked(word(values, "name"), word(values, "code"))
            .await?;
        let asked = d.ask_claim(deed, values, &registered).await;
        let (id, write) = asked.map_err(fault)?;
        let toast = "申请已提交，审核结果在本页可见";
        let result = json!({ "id": id });
        return Ok(done(vec![write], input, OWN.to_owned(), toast, result));
    }
    let claim = Claim::read(record(input)?);
    let here = format!("{PATH}/{}", claim.id);
    match verb {
        "approve" => {
            // What the register says may have changed since.
            let (party, _) = desk.checked(&claim.name, &claim.code).await?;
            let roles = desk.party_roles();
            let made = d.certify(deed, &claim, (party.as_ref(), &roles)).await;
            let (organisation, writes) = made.map_err(fault)?;
            let result = json!({ "id": claim.id, "organisation": organisation });
            Ok(done(
                writes,
                input,
                here,
                "已通过，申请人可以代表该主体办理业务",
                result,
            ))
        }
        "refuse" => {
            let writes = d.refuse_claim(deed, &claim).map_err(fault)?;
            let result = json!({ "id": claim.id });
            Ok(done(writes, input, here, "已退回申请人", result))
        }
        _ => Err(Fault::not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_more_than_brackets() {
        assert!(same("上海云杉（集团）有限公司", " 上海云杉(集团) 有限公司"));
        assert!(!same("上海云杉有限公司", "上海云杉贸易有限公司"));
    }
}
