//! 丢失第二重验证: the page for whoever lost theirs, what an administrator asks for in their place,
//! and what the person is told.

use kernel_identity::account::AccountError;
use kernel_identity::refusal::Refusal;
use sdk_contract::call::Reply;
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::{Action, Block, Field, Form, Notice, Page, Section};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use super::organisations::reason;
use super::{Desk, done, failed, fault, record, requests, word};
use crate::account;
use crate::module::Input;

/// For whoever lost theirs; it needs no session.
pub(super) const LOST: &str = "/platform/lost-factor";
const ASKED: &str =
    "已提交。由您所在机构的管理员或平台安全管理员核实身份并同意后，即可用密码登录并重新启用";

pub(super) fn lost() -> Page {
    let form = Form::new("lost", Action::send("申请解除", "factor.ask-lift"))
        .field(Field::text("login", "登录名", 64).required())
        .field(Field::secret("password", "密码").required())
        .field(reason());
    let help = "有恢复码的，登录时用恢复码代替动态口令即可，不必申请。申请须由另一人核实您的身份并同意后才生效；生效后所有会话都会退出";
    Page::new("丢失第二重验证").block(Block::form(form).help(help))
}

/// The notices that are a person's own, at home and on the account's page.
pub(super) async fn told(desk: &Desk<'_>) -> Result<Page, Fault> {
    let user = desk.call.principal.user.as_deref().unwrap_or_default();
    let lifts = desk
        .directory
        .lifts_of(user, desk.call.now.micros())
        .await
        .map_err(|e| failed(&e))?;
    let mut blocks = Vec::new();
    for (n, request) in lifts.asked.iter().enumerate() {
        let text = format!(
            "{}申请解除您的第二重验证，原因：{}。同意后，第二重验证即失效。如非本人意愿，请立即联系所在机构的管理员驳回",
            request.asker_name, request.reason
        );
        let notice = Notice::new(Tone::Warning, "有人申请解除您的第二重验证", text);
        blocks.push(Block::notice(format!("lift-asked-{n}"), notice));
    }
    for (n, change) in lifts.done.iter().enumerate() {
        let at = word(change, "created_at").parse::<Timestamp>();
        let text = format!(
            "{} 由{}申请、{}同意，原因：{}。如非本人意愿，请立即修改密码并联系所在机构的管理员",
            at.map(|at| at.local_date().to_string()).unwrap_or_default(),
            word(change, "by_name"),
            word(change, "approved_by"),
            word(change, "reason"),
        );
        let notice = Notice::new(Tone::Warning, "您的第二重验证已解除", text)
            .action(Action::open("账号安全", account::PAGE));
        blocks.push(Block::notice(format!("lifted-{n}"), notice));
    }
    let page = Page::new("账号");
    Ok(if blocks.is_empty() {
        page
    } else {
        page.section(Section::stack().blocks(blocks))
    })
}

pub(super) async fn ask(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let values = &input.values;
    let (login, password) = (word(values, "login"), word(values, "password"));
    let asked = desk
        .sessions
        .ask_lift((login, password), word(values, "reason"), desk.origin())
        .await;
    let writes = asked.map_err(refused)?;
    Ok(done(writes, input, "/login".to_owned(), ASKED, json!({})))
}

fn refused(error: AccountError) -> Fault {
    match error {
        AccountError::Locked { retry_after } => Fault::refused(
            "too-many-failures",
            format!("失败次数过多，请 {} 分钟后再试", (retry_after + 59) / 60),
        ),
        AccountError::Busy => Fault::new(
            FaultKind::Unavailable,
            "busy",
            "同时登录的人较多，请稍后再试",
        ),
        AccountError::NoSuchFactor => {
            let none = Refusal::NoFactor;
            Fault::refused(none.code(), none.message())
        }
        AccountError::Failed(error) => failed(&error),
        _ => {
            let wrong = FieldFault::new("password", "wrong-password", "登录名或密码不正确");
            Fault::invalid(vec![wrong])
        }
    }
}

/// An administrator asks for somebody.
pub(super) async fn start(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let id = word(record(input)?, "id");
    let asked = desk.directory.ask_lift(desk.deed(input), id).await;
    let (request, writes) = asked.map_err(fault)?;
    let path = requests::PATH.to_owned();
    let toast = "已提交，须另一位管理员核实并同意后生效";
    let result = json!({ "id": id, "request": request });
    Ok(done(writes, input, path, toast, result))
}
