//! 待复核: what one person asked for and another decides.

use kernel_identity::grants::GIVE;
use kernel_identity::history::Deed;
use kernel_identity::lifts::LIFT;
use kernel_identity::module::MODULE;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_identity::resets::ISSUE;
use kernel_identity::two_person::{self, Request, Verdict};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{Action, Block, Column, Confirm, Datum, Page, Row, Table};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::{Desk, done, fault, record, word};
use crate::console::pages::{PAGE, bench, page_number};
use crate::module::{Call, Input};
use crate::reads::chain;
use crate::{Host, console, data, look, transfer};

pub(super) const PATH: &str = "/platform/requests";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let waits = Filter::eq("status", "pending");
    let all = || Query::new("platform.requests").sort("created_at", true);
    let pending = all().filter(waits.clone()).limit(MAX_LIMIT);
    let pending = desk.host.listed(desk.call, pending).await?;
    let decided = all().filter(waits.not()).page(number, PAGE);
    let decided = desk.host.listed(desk.call, decided).await?;
    let mut rows = Vec::new();
    for r in &pending.records {
        let whole = whole(desk, r).await?;
        let about = match &whole {
            Some(request) => look::subject(desk.host, &desk.call.principal, request).await,
            None => None,
        };
        rows.push(row(desk, r, whole, about));
    }
    let waiting = Table::new(columns()).rows(rows).empty("没有待复核的事项");
    let rows = decided.records.iter().map(|r| row(desk, r, None, None));
    let done = Table::new(columns())
        .rows(rows)
        .paging(number, PAGE, decided.total.unwrap_or_default())
        .empty("还没有复核过的事项");
    Ok(bench("待复核")
        .subtitle("一人申请、另一人复核后才生效；申请人和涉及人员不能复核")
        .block(Block::table("requests", waiting).title("待复核"))
        .block(Block::table("decided", done).title("已处理")))
}

impl Host {
    /// The request that goes with an action whose reply names it as `request`: another person decides
    /// about `what`, for the reason that was given to the action.
    pub(crate) fn asked_beside(
        &self,
        call: &Call,
        input: &Input,
        reply: &Reply,
        what: &two_person::Ask<'_>,
    ) -> Result<Vec<(String, Write)>, Fault> {
        let deed = Deed {
            by: &call.principal,
            now: call.now.micros(),
            reason: word(&input.values, "reason"),
            approved_by: None,
        };
        let made = two_person::ask(deed, what, self.sessions().request_hours());
        let (_, mut write) = made.map_err(|error| {
            tracing::error!(error = chain(&error), "a request cannot be made");
            Fault::internal("复核申请未能生成，请重试")
        })?;
        let request = reply.result.get("request").and_then(Value::as_str);
        if let (Write::Insert { id, .. }, Some(request)) = (&mut write, request) {
            request.clone_into(id);
        }
        Ok(vec![(MODULE.to_owned(), write)])
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("title", "事项", 0),
        Column::new("asker", "申请人", 1),
        Column::new("reason", "原因", 2),
        Column::new("until", "复核期限", 2),
        Column::new("state", "状态", 1),
        Column::new("decider", "复核人与意见", 3),
    ]
}

/// A request of which it matters what it is about, with that; it is masked for everybody.
async fn whole(desk: &Desk<'_>, r: &Map<String, Value>) -> Result<Option<Request>, Fault> {
    if word(r, "deed") == look::DEED {
        desk.host.request(word(r, "id")).await
    } else {
        Ok(None)
    }
}

fn row(
    desk: &Desk<'_>,
    r: &Map<String, Value>,
    whole: Option<Request>,
    about: Option<String>,
) -> Row {
    let request = whole.unwrap_or_else(|| Request::read(r));
    let now = desk.call.now.micros();
    let p = &desk.call.principal;
    let expired = request.pending && request.is_expired(now);
    let verdict = match (word(r, "decider_name"), word(r, "verdict")) {
        ("", _) => String::new(),
        (who, "") => who.to_owned(),
        (who, words) => format!("{who}：{words}"),
    };
    let mut row = Row::new(
        request.id.as_str(),
        vec![
            Datum::text(match about {
                Some(about) => format!("{}：{about}", request.title),
                None => request.title.clone(),
            }),
            Datum::text(request.asker_name.as_str()),
            Datum::text(request.reason.as_str()),
            Datum::Time(request.expires_at.micros()),
            state(word(r, "status"), expired),
            Datum::text(verdict),
        ],
    );
    if !request.pending {
        return row;
    }
    if request.may_withdraw(p).is_ok() {
        let question = Confirm::new("撤回申请", "撤回后如仍需要，须重新申请。", "撤回");
        return row.action(
            Action::send("撤回", "request.withdraw")
                .record(&request.id)
                .confirm(question.reason("原因")),
        );
    }
    let off = may_decide(desk, &request).err().map(|why| why.message());
    let agreed = match request.deed.as_str() {
        look::DEED => "同意后，申请人可在 15 分钟内查看一次。",
        _ => "同意后立即生效。",
    };
    let buttons = [
        ("同意", "request.approve", agreed),
        ("驳回", "request.refuse", "驳回后不生效，申请人可重新申请。"),
    ];
    for (label, action, text) in buttons {
        let button = Action::send(label, action)
            .record(&request.id)
            .confirm(Confirm::new(label, text, label).reason("意见"));
        row = row.action(match &off {
            Some(why) => button.off(why),
            None => button,
        });
    }
    row
}

fn may_decide(desk: &Desk<'_>, request: &Request) -> Result<(), Refusal> {
    let p = &desk.call.principal;
    request.may_decide(p, desk.call.now.micros())?;
    if request.deed == look::DEED {
        look::may_decide(desk.host, p, request)?;
    }
    Ok(())
}

fn state(status: &str, expired: bool) -> Datum {
    match status {
        _ if expired => Datum::status("已过期", Tone::Neutral),
        "pending" => Datum::status("待复核", Tone::Warning),
        "approved" => Datum::status("已同意", Tone::Success),
        "refused" => Datum::status("已驳回", Tone::Danger),
        _ => Datum::status("已撤回", Tone::Neutral),
    }
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let request = Request::read(record(input)?);
    let (p, deed) = (&desk.call.principal, desk.deed(input));
    let (verdict, toast) = match verb {
        "approve" if request.deed == look::DEED => {
            (Verdict::Approved, "已同意，申请人可在 15 分钟内查看一次")
        }
        "approve" => (Verdict::Approved, "已同意，立即生效"),
        "refuse" => (Verdict::Refused, "已驳回"),
        "withdraw" => (Verdict::Withdrawn, "已撤回"),
        _ => return Err(Fault::not_found()),
    };
    let allowed = match verdict {
        Verdict::Withdrawn => request.may_withdraw(p),
        Verdict::Approved | Verdict::Refused => may_decide(desk, &request),
    };
    allowed.map_err(|why| fault(ChangeError::Refused(why)))?;
    let mut writes = vec![request.decided(verdict, deed)];
    if verdict == Verdict::Approved {
        writes.extend(effect(desk, &request, input).await?);
    }
    let path = PATH.to_owned();
    Ok(done(
        writes,
        input,
        path,
        toast,
        json!({ "id": request.id }),
    ))
}

/// What a decision writes in other modules.
pub(super) async fn others(
    host: &Host,
    action: &str,
    input: &Input,
) -> Result<Vec<(String, Write)>, Fault> {
    let verdict = match action {
        "request.approve" => Verdict::Approved,
        "request.refuse" => Verdict::Refused,
        "request.withdraw" => Verdict::Withdrawn,
        _ => return Ok(Vec::new()),
    };
    let request = Request::read(record(input)?);
    match request.deed.as_str() {
        data::DEED => data::decided(host, &request, verdict).await,
        console::REPAIR => console::repair_decided(host, &request, verdict).await,
        _ => Ok(Vec::new()),
    }
}

/// What an approved request does.
async fn effect(desk: &Desk<'_>, request: &Request, input: &Input) -> Result<Vec<Write>, Fault> {
    match request.deed.as_str() {
        GIVE => {
            let reach = desk.reach("request.decide").ok_or_else(Fault::not_found)?;
            let deed = desk.deed(input);
            let given = desk
                .directory
                .give_approved(deed, &reach, request, &desk.book())
                .await;
            given.map_err(fault)
        }
        ISSUE => {
            let deed = desk.deed(input);
            let issued = desk.directory.issue_approved(deed, request).await;
            issued.map_err(fault)
        }
        LIFT => {
            let deed = desk.deed(input);
            let lifted = desk.directory.lift_approved(deed, request).await;
            lifted.map_err(fault)
        }
        // Their effect is in other modules: see [`others`], and [`Host::job_requests`]. A look has
        // none but that whoever asked may look, and that reads this decision; a repair is the commit's.
        data::DEED | transfer::DEED | look::DEED | console::REPAIR => Ok(Vec::new()),
        other => {
            tracing::error!(deed = other, "nobody carries this request out");
            Err(Fault::internal("该事项无法执行，请联系平台运营"))
        }
    }
}
