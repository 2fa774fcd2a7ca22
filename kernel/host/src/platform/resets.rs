//! 密码重置: who forgot, the links to hand over, and the pages for those who have no session.

use kernel_identity::account::AccountError;
use kernel_identity::refusal::Refusal;
use kernel_identity::resets::Reset;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{
    Action, Block, Column, Confirm, Datum, Field, Form, Notice, Page, Row, Table,
};
use sdk_contract::query::Query;
use serde_json::json;

use super::{Desk, done, failed, fault, record, word};
use crate::account::locked;
use crate::console::names::Names;
use crate::console::pages::{PAGE, bench, page_number};
use crate::module::Input;

pub(super) const PATH: &str = "/platform/resets";
/// For whoever forgot; it needs no session.
pub(super) const FORGOTTEN: &str = "/platform/forgotten";
/// Where a link leads. The token is in the query, which no log has.
pub(super) const NEW: &str = "/platform/reset";
/// The same words whether there is such an account or not.
const ASKED: &str =
    "如果有这个账号，本机构管理员会看到您的申请。请联系管理员领取一次性链接，凭链接设置新密码";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let query = Query::new("platform.resets")
        .sort("created_at", true)
        .page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let of = |field: &'static str| found.records.iter().map(|r| word(r, field)).collect();
    let names = Names::of(desk.host, of("issued_by"), of("organisation")).await?;
    let now = desk.call.now.micros();
    let rows = found.records.iter().map(|r| {
        let reset = Reset::read(r);
        let (open, waits) = (reset.is_open(now), reset.waits());
        let link = if open {
            let token = desk.sessions.reset_token(&reset.id);
            Datum::text(format!("{NEW}?token={token}"))
        } else {
            Datum::None
        };
        let row = Row::new(
            reset.id.as_str(),
            vec![
                Datum::text(reset.name.as_str()),
                Datum::text(names.or_id(word(r, "organisation"))),
                Datum::time_text(word(r, "created_at")),
                state(&reset, now),
                Datum::text(names.or_id(word(r, "issued_by"))),
                link,
            ],
        );
        let end = Confirm::new("作废", "作废后链接立即失效。", "作废").reason("原因");
        let end = Action::send("作废", "reset.end")
            .record(&reset.id)
            .confirm(end);
        let own = desk.call.principal.user.as_deref() == Some(&reset.user);
        match (waits, open) {
            (true, _) if own => row,
            (true, _) => {
                let text = "请先核实是本人申请。链接一日内有效，只能使用一次。";
                let issue = Confirm::new("签发重置链接", text, "签发").reason("核实方式");
                row.action(
                    Action::send("签发链接", "user.issue-reset")
                        .record(&reset.user)
                        .confirm(issue),
                )
                .action(end)
            }
            (_, true) => row.action(end),
            _ => row,
        }
    });
    let columns = vec![
        Column::new("name", "姓名", 0),
        Column::new("organisation", "机构", 2),
        Column::new("asked", "申请时间", 2),
        Column::new("state", "状态", 1),
        Column::new("by", "签发人", 3),
        Column::new("link", "重置链接", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("没有人申请重置密码");
    Ok(bench("密码重置")
        .subtitle("链接一日内有效，只能使用一次；新密码由本人设置，第二重验证不变")
        .guarded()
        .block(Block::table("resets", table)))
}

fn state(reset: &Reset, now: i64) -> Datum {
    if reset.waits() {
        Datum::status("待签发", Tone::Warning)
    } else if reset.is_open(now) {
        Datum::status("待使用", Tone::Info)
    } else if reset.used {
        Datum::status("已使用", Tone::Success)
    } else if reset.ended {
        Datum::status("已作废", Tone::Neutral)
    } else {
        Datum::status("已过期", Tone::Neutral)
    }
}

pub(super) fn forgotten(desk: &Desk<'_>) -> Page {
    let p = &desk.call.principal;
    let form = Form::new("forgotten", Action::send("申请重置", "reset.ask")).field(
        Field::text("login", "登录名", 64)
            .required()
            .initial(p.login.as_str()),
    );
    let help = "本平台不发短信和邮件：由您所在机构的管理员核实身份后签发一次性链接。没有机构的账号请联系平台客服";
    Page::new("忘记密码").block(Block::form(form).help(help))
}

/// What a link opens.
pub(super) async fn new(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let token = ask.query("token").unwrap_or_default();
    let found = desk.sessions.reset(token, desk.call.now.micros()).await;
    let page = Page::new("设置新密码");
    let Some(reset) = found.map_err(|e| failed(&e))? else {
        let notice = Notice::new(Tone::Warning, "链接无效", Refusal::ResetGone.message());
        return Ok(page.block(Block::notice("gone", notice)));
    };
    let submit = Action::send("设置新密码", "reset.use").arg("token", token);
    let form = Form::new("reset", submit)
        .field(
            Field::secret("password", "新密码")
                .required()
                .help("至少 8 位（平台管理岗位 12 位），含大写、小写、数字、符号中的三类"),
        )
        .field(Field::secret("again", "再输入一次新密码").required());
    Ok(page
        .subtitle(format!(
            "{}，设置后所有会话都会退出；启用了第二重验证的，登录时仍须填写",
            reset.name
        ))
        .block(Block::form(form)))
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    match verb {
        "ask" => {
            let login = word(&input.values, "login");
            let asked = desk.sessions.ask_reset(login, desk.origin()).await;
            let writes = asked.map_err(refused)?;
            Ok(done(writes, input, "/login".to_owned(), ASKED, json!({})))
        }
        "end" => {
            let reset = Reset::read(record(input)?);
            let writes = desk.directory.end_reset(desk.deed(input), &reset).await;
            let (path, result) = (PATH.to_owned(), json!({ "id": reset.id }));
            Ok(done(
                writes.map_err(fault)?,
                input,
                path,
                "链接已作废",
                result,
            ))
        }
        "use" => {
            let values = &input.values;
            let (token, password) = (word(values, "token"), word(values, "password"));
            if password != word(values, "again") {
                let fault = FieldFault::new("again", "differs", "两次输入的密码不一致");
                return Err(Fault::invalid(vec![fault]));
            }
            let found = desk.sessions.reset(token, desk.call.now.micros()).await;
            let gone = Refusal::ResetGone;
            let reset = found
                .map_err(|e| failed(&e))?
                .ok_or_else(|| Fault::refused(gone.code(), gone.message()))?;
            let (user, writes) = desk
                .sessions
                .use_reset(&reset, password, desk.origin())
                .await
                .map_err(refused)?;
            let toast = "新密码已设置，请登录";
            let result = json!({ "user": user });
            Ok(done(writes, input, "/login".to_owned(), toast, result))
        }
        _ => Err(Fault::not_found()),
    }
}

fn refused(error: AccountError) -> Fault {
    match error {
        AccountError::Weak(weak) => {
            let fault = FieldFault::new("password", weak.code(), weak.message());
            Fault::invalid(vec![fault])
        }
        AccountError::Locked { retry_after } => locked("申请过于频繁", retry_after),
        AccountError::Failed(error) => failed(&error),
        _ => {
            let gone = Refusal::ResetGone;
            Fault::refused(gone.code(), gone.message())
        }
    }
}
