//! 注册: the form, the terms, and what somebody should note down afterwards.

use kernel_identity::account::AccountError;
use kernel_identity::registration::Newcomer;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::code::Format;
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::{Action, Block, Datum, Fact, Field, Form, Link, Notice, Page};
use serde_json::{Map, Value, json};

use super::{Desk, claims, done, failed, word};
use crate::account::locked;
use crate::module::Input;

pub(super) const PATH: &str = "/platform/register";
pub(super) const DONE: &str = "/platform/registered";
pub const TERMS: &str = "/platform/terms";

pub(super) fn form(desk: &Desk<'_>) -> Page {
    let policy = desk.sessions.registration();
    let page = Page::new("注册").subtitle("个人先注册账号，再以账号申请主体认证");
    if !policy.open {
        let text = "本平台目前不开放自助注册，请由所在机构的管理员邀请开户";
        let notice = Notice::new(Tone::Info, "暂不开放", text);
        return page.block(Block::notice("closed", notice));
    }
    let form = Form::new("register", Action::send("注册", "user.register"))
        .field(wish())
        .field(Field::text("name", "姓名", 64).required());
    page.block(Block::form(chosen(desk, form)))
}

/// What the login begins with.
pub(super) fn wish() -> Field {
    Field::text("login", "登录名", 40)
        .required()
        .hint("小写字母、数字")
        .help("平台在后面加四位数字，成为您的登录名")
}

/// The fields of what whoever registers chooses.
pub(super) fn chosen(desk: &Desk<'_>, form: Form) -> Form {
    let policy = desk.sessions.registration();
    form.field(
        Field::code("phone", "手机号码", Format::Phone)
            .required()
            .help("加密保存，用于核验身份和联系办理事项"),
    )
    .field(
        Field::secret("password", "密码")
            .required()
            .help("至少 8 位，含大写、小写、数字、符号中的三类"),
    )
    .field(Field::secret("again", "再输入一次密码").required())
    .field(Field::consent(
        "agree",
        format!("我已阅读并同意用户服务协议（{} 版）", policy.terms_version),
        Link::new("用户服务协议", TERMS),
    ))
}

pub(super) fn terms(desk: &Desk<'_>) -> Page {
    let policy = desk.sessions.registration();
    Page::new("用户服务协议")
        .subtitle(format!("{} 版", policy.terms_version))
        .block(Block::prose("terms", policy.paragraphs().join("\n\n")))
        .block(Block::list(
            "version",
            vec![
                Fact::new("版本", Datum::text(&policy.terms_version)),
                Fact::new("摘要（SM3）", Datum::text(policy.digest())),
            ],
        ))
}

/// The login that the platform made, for the person to note down.
pub(super) fn registered(ask: &Ask) -> Page {
    let login = ask.query("login").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let page = Page::new("注册成功").action(Action::open("去登录", "/login").primary());
    if login.is_empty() || login.len() > 64 || !login.bytes().all(plain) {
        return page;
    }
    let facts = vec![
        Fact::new("您的登录名", Datum::text(login)).help("请记下；登录后可在“账号安全”中看到"),
        Fact::new("下一步", Datum::link("主体认证", claims::OWN))
            .help("以企业名义办理业务，须先认证"),
    ];
    page.block(Block::list("login", facts))
}

pub(super) async fn register(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let values = &input.values;
    agreed(values)?;
    let who = Newcomer {
        wish: word(values, "login"),
        name: word(values, "name"),
        phone: word(values, "phone"),
        password: word(values, "password"),
    };
    let opened = desk.sessions.register(who, desk.origin()).await;
    let opened = opened.map_err(refused)?;
    let path = format!("{DONE}?login={}", opened.login);
    let result = json!({ "login": opened.login });
    Ok(done(opened.writes, input, path, "账号已开通", result))
}

/// The password is typed twice alike, and the terms are agreed to.
pub(super) fn agreed(values: &Map<String, Value>) -> Result<(), Fault> {
    let mut faults = Vec::new();
    if word(values, "password") != word(values, "again") {
        faults.push(FieldFault::new("again", "differs", "两次输入的密码不一致"));
    }
    if values.get("agree").and_then(Value::as_bool) != Some(true) {
        faults.push(FieldFault::new(
            "agree",
            "required",
            "请先阅读并同意用户服务协议",
        ));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Fault::invalid(faults))
    }
}

pub(super) fn refused(error: AccountError) -> Fault {
    let field = |name: &str, code: &str, message: String| {
        Fault::invalid(vec![FieldFault::new(name, code, message)])
    };
    match error {
        AccountError::Weak(weak) => field("password", weak.code(), weak.message()),
        AccountError::BadLogin => field(
            "login",
            "bad-value",
            "登录名为 3 至 40 个小写字母、数字、点、横线或下划线".into(),
        ),
        AccountError::Locked { retry_after } => locked("注册过于频繁", retry_after),
        AccountError::Busy => Fault::new(
            FaultKind::Unavailable,
            "busy",
            "同时注册和登录的人较多，请稍后再试",
        ),
        AccountError::Closed => Fault::refused(
            "registration-closed",
            "本平台目前不开放自助注册，请由所在机构的管理员邀请开户",
        ),
        AccountError::Failed(error) => failed(&error),
        _ => Fault::internal("注册没有成功，请稍后再试"),
    }
}
