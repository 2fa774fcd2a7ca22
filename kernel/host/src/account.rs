//! What a person does with the own account: a part of the native module `platform`. The rules are
//! `kernel-identity`'s.

mod bindings;
mod certificates;
mod keys;

use async_trait::async_trait;
use kernel_identity::account::AccountError;
use kernel_identity::duty::Duty;
use kernel_identity::factor::Factor;
use kernel_identity::outside;
use kernel_identity::session::Sessions;
use sdk_contract::call::{Ask, Event, Reply, Write};
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::{
    Action, Block, Column, Datum, Fact, Field, Form, Link, Notice, Outcome, Page, Row, Table,
    is_site_path,
};
use serde_json::{Map, Value, json};

use crate::module::{Call, Input, Module, new_id};
use crate::platform::TERMS;
use crate::reads::chain;
use crate::values::word;

/// Where the account's page is.
pub const PAGE: &str = "/platform/account";

pub(crate) struct Account {
    sessions: Sessions,
}

impl Account {
    pub(crate) fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }

    /// The terms, and nothing else to do but to accept them.
    fn terms(&self) -> Page {
        let policy = self.sessions.registration();
        let version = &policy.terms_version;
        let accept = Action::send("同意并继续", "user.accept-terms");
        let form = Form::new("terms", accept)
            .field(Field::hidden("version", version))
            .field(Field::consent(
                "agree",
                format!("我已阅读并同意用户服务协议（{version} 版）"),
                Link::new("用户服务协议", TERMS),
            ));
        let notice = Notice::new(Tone::Warning, "请先完成", Duty::AcceptTerms.message());
        Page::new("用户服务协议")
            .subtitle(format!("{version} 版"))
            .block(Block::notice("duty", notice))
            .block(Block::prose("text", policy.paragraphs().join("\n\n")))
            .block(Block::form(form))
    }

    async fn draw(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        let p = &call.principal;
        let user = p.user.as_deref().ok_or_else(Fault::not_found)?;
        if p.duty == Some(Duty::AcceptTerms) {
            return Ok(self.terms());
        }
        let factor = self.sessions.factor(user).await.map_err(|e| failed(&e))?;
        let certificates = self.sessions.certificates(user).await;
        let certificates = certificates.map_err(|e| failed(&e))?;
        let live = self.sessions.live(user, call.now.micros()).await;
        let live = live.map_err(|e| failed(&e))?;
        let mut page = Page::new("账号安全").subtitle(format!("登录名 {}", p.login));
        if let Some(duty) = p.duty {
            let notice = Notice::new(Tone::Warning, "请先完成", duty.message());
            page = page.block(Block::notice("duty", notice));
        }
        // Somebody was led here from what takes a second factor.
        if let Some(back) = ask.query("back").filter(|back| is_site_path(back)) {
            let ways = self.sessions.ways(user).await.map_err(|e| failed(&e))?;
            let notice = if ways.any() {
                Notice::new(Tone::Success, "第二重验证已启用", "可以接着办理")
                    .action(Action::open("返回继续办理", back).primary())
            } else {
                Notice::new(
                    Tone::Warning,
                    "请先启用第二重验证",
                    "刚才的操作须确认是您本人；启用后可返回继续，您填写的内容都在",
                )
            };
            page = page.block(Block::notice("back", notice));
        }
        for block in factor_blocks(factor.as_ref(), &p.login) {
            page = page.block(block);
        }
        let begun = certificates.iter().find(|c| !c.confirmed);
        let possession = begun.map(|c| (c, self.sessions.possession(p, c)));
        let outside = self.sessions.takes_outside();
        for block in certificates::blocks(&certificates, possession, outside) {
            page = page.block(block);
        }
        let own_keys = self.sessions.security_keys(user).await;
        for block in keys::blocks(&own_keys.map_err(|e| failed(&e))?) {
            page = page.block(block);
        }
        let bound = self.sessions.bindings(user).await.map_err(|e| failed(&e))?;
        for block in bindings::blocks(&bound, self.sessions.providers()) {
            page = page.block(block);
        }
        let own = p.session.clone().unwrap_or_default();
        Ok(page
            .block(Block::form(password_form()).title("修改密码"))
            .block(Block::table("sessions", sessions(&live, &own)).title("登录中的会话")))
    }
}

#[async_trait]
impl Module for Account {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        match ask.path.as_str() {
            PAGE => self.draw(call, ask).await,
            _ => Err(Fault::not_found()),
        }
    }

    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault> {
        let p = &call.principal;
        let origin = call.origin();
        let given = |name: &str| input.values.get(name).and_then(Value::as_str).unwrap_or("");
        let s = &self.sessions;
        let (done, toast) = match action {
            "user.change-password" => {
                if given("new") != given("again") {
                    let fault = FieldFault::new("again", "differs", "两次输入的新密码不一致");
                    return Err(Fault::invalid(vec![fault]));
                }
                let words = (given("current"), given("new"));
                let done = s.change_password(p, words, origin).await;
                (done, "密码已修改，其他会话已退出")
            }
            "user.accept-terms" => {
                if input.values.get("agree").and_then(Value::as_bool) != Some(true) {
                    let fault = FieldFault::new("agree", "required", "请先阅读并同意用户服务协议");
                    return Err(Fault::invalid(vec![fault]));
                }
                let accepted = s.accept_terms(p, given("version"), origin).await;
                let writes = accepted.map_err(|error| fault(error, false))?;
                return Ok(Reply {
                    result: json!({}),
                    outcome: Some(Outcome::go("/", "已同意用户服务协议")),
                    writes,
                    ..Reply::default()
                });
            }
            "session.end" => {
                let ended = s.end_own(p, given("session"), origin).await;
                let done = ended.map(|write| write.into_iter().collect());
                (done, "会话已退出")
            }
            "factor.begin" => {
                let id = new_id(call.now)?;
                let done = s.begin_factor(p, given("current"), id, origin).await;
                (done, "请用手机验证器扫码，并填写动态口令确认")
            }
            "factor.confirm" => {
                let done = s.confirm_factor(p, given("code"), origin).await;
                (done, "动态口令已启用，下次登录时需要填写")
            }
            "factor.remove" => {
                let words = (given("current"), given("code"));
                let done = s.remove_factor(p, words, origin).await;
                (done, "动态口令已停用")
            }
            "factor.begin-certificate" => {
                let id = new_id(call.now)?;
                let words = (given("current"), given("label"), given("key"));
                let done = s.begin_certificate(p, words, id, origin).await;
                (done, "证书已签发，请用密钥签名一次以启用")
            }
            "factor.register-certificate" => {
                let id = new_id(call.now)?;
                let words = (given("current"), given("label"), given("certificate"));
                let done = s.register_certificate(p, words, id, origin).await;
                (done, "证书已核对，请用证书的密钥签名一次以启用")
            }
            "factor.confirm-certificate" => {
                let words = (given("factor"), given("signature"));
                let done = s.confirm_certificate(p, words, origin).await;
                (done, "数字证书已启用，下次登录时可以使用")
            }
            "factor.revoke-certificate" => {
                let words = (given("current"), given("factor"));
                let done = s.revoke_certificate(p, words, origin).await;
                (done, "数字证书已停用")
            }
            "factor.add-key" => {
                let words = (given("current"), given("label"), given("security_key"));
                let place = (new_id(call.now)?, p.address.as_str());
                let done = s.add_security_key(p, words, place, origin).await;
                (done, "安全密钥已启用，下次登录时可以使用")
            }
            "factor.remove-key" => {
                let words = (given("current"), given("factor"));
                let done = s.remove_security_key(p, words, origin).await;
                (done, "安全密钥已移除")
            }
            "binding.end" => {
                let words = (given("current"), given("binding"));
                (s.unbind(p, words, origin).await, "已解除绑定")
            }
            _ => return Err(Fault::not_found()),
        };
        let key = action == "factor.add-key";
        let writes: Vec<Write> = done.map_err(|error| fault(error, key))?;
        Ok(Reply {
            result: json!({}),
            outcome: Some(Outcome::stay(toast)),
            writes,
            ..Reply::default()
        })
    }

    async fn on_event(&self, _: &Call, _: &Event) -> Result<Reply, Fault> {
        Err(Fault::not_found())
    }
}

fn password_form() -> Form {
    Form::new("password", Action::send("修改密码", "user.change-password"))
        .field(Field::secret("current", "当前密码").required())
        .field(
            Field::secret("new", "新密码")
                .required()
                .help("至少 8 位（平台管理岗位 12 位），含大写、小写、数字、符号中的三类"),
        )
        .field(Field::secret("again", "再输入一次新密码").required())
}

fn factor_blocks(factor: Option<&Factor>, login: &str) -> Vec<Block> {
    let title = "动态口令";
    match factor {
        None => {
            let form = Form::new("factor-begin", Action::send("启用动态口令", "factor.begin"))
                .field(
                    Field::secret("current", "当前密码")
                        .required()
                        .help("启用后，登录时除密码外还需填写手机验证器显示的六位数字"),
                );
            vec![Block::form(form).title(title)]
        }
        Some(begun) if !begun.confirmed => {
            let facts = vec![
                Fact::new("二维码", Datum::qr(begun.uri(login))).help("用手机验证器应用扫描"),
                Fact::new("密钥", Datum::text(begun.spelled())).help("不能扫码时手工输入"),
                Fact::new("恢复码", Datum::text(begun.codes().join("  ")))
                    .help("手机丢失时每个可代替动态口令登录一次；只在此处显示，请抄下并妥善保管"),
            ];
            let form = Form::new("factor-confirm", Action::send("确认启用", "factor.confirm"))
                .field(
                    Field::text("code", "动态口令", 12)
                        .required()
                        .hint("六位数字"),
                );
            vec![
                Block::details("factor", facts).title(title),
                Block::form(form),
            ]
        }
        Some(factor) => {
            let facts = vec![
                Fact::new("状态", Datum::status("已启用", Tone::Success)),
                Fact::new("启用于", Datum::time_text(&factor.created_at)),
                Fact::new("剩余恢复码", Datum::quantity(factor.recovery_left(), "个")),
            ];
            let remove = Action::send("停用动态口令", "factor.remove").danger();
            let form = Form::new("factor-remove", remove)
                .field(Field::secret("current", "当前密码").required())
                .field(Field::text("code", "动态口令或恢复码", 24).required());
            vec![
                Block::details("factor", facts).title(title),
                Block::form(form),
            ]
        }
    }
}

fn sessions(live: &[Map<String, Value>], own: &str) -> Table {
    let rows = live.iter().map(|session| {
        let id = word(session, "id");
        let row = Row::new(
            id,
            vec![
                Datum::text(word(session, "ip")),
                Datum::time_text(word(session, "created_at")),
                Datum::time_text(word(session, "seen_at")),
                if id == own {
                    Datum::status("本会话", Tone::Info)
                } else {
                    Datum::None
                },
            ],
        );
        if id == own {
            row
        } else {
            row.action(Action::send("退出", "session.end").arg("session", id))
        }
    });
    let columns = vec![
        Column::new("ip", "网络地址", 0),
        Column::new("since", "登录时间", 1),
        Column::new("seen", "最近活动", 2),
        Column::new("own", "状态", 1),
    ];
    Table::new(columns).rows(rows)
}

/// `key` where a security key is meant, not a certificate.
pub(crate) fn fault(error: AccountError, key: bool) -> Fault {
    let field = |name: &str, code: &str, message: String| {
        Fault::invalid(vec![FieldFault::new(name, code, message)])
    };
    match error {
        AccountError::WrongPassword => field("current", "wrong-password", "当前密码不正确".into()),
        AccountError::Weak(weak) => field("new", weak.code(), weak.message()),
        AccountError::WrongCode => field(
            "code",
            "wrong-code",
            "口令不正确或已用过，请填写验证器现在显示的数字".into(),
        ),
        AccountError::NoSuchFactor => {
            Fault::conflict("factor-state", "动态口令的状态已改变，请刷新页面")
        }
        AccountError::Needed => {
            Fault::refused("second-factor-needed", "您的岗位须保持第二重验证，不能停用")
        }
        AccountError::Locked { retry_after } => locked("失败次数过多", retry_after),
        AccountError::Failed(error) => failed(&error),
        AccountError::WrongSignature if key => field(
            "security_key",
            "wrong-signature",
            "等待时间过长或质询已使用过，请再添加一次".into(),
        ),
        AccountError::BadKey if key => field(
            "security_key",
            "bad-key",
            "没有取得安全密钥的应答：请用支持 WebAuthn 的浏览器，在本平台的网址上操作".into(),
        ),
        AccountError::TooMany if key => field(
            "label",
            "too-many",
            "最多五个安全密钥，请先移除不用的".into(),
        ),
        AccountError::Certificate(why) => {
            let (code, message) = outside::told(why);
            field("certificate", code, message.into())
        }
        AccountError::Taken => field(
            "certificate",
            "certificate-taken",
            "该证书或其密钥已登记，一张证书只能由一个账号登记：请先在原账号停用，或更换证书".into(),
        ),
        AccountError::WrongSignature => field(
            "signature",
            "wrong-signature",
            "签名与公钥或文本不符，请用该证书的密钥对待签名文本签名".into(),
        ),
        AccountError::BadKey => field(
            "key",
            "bad-key",
            "不是 SM2 公钥：请粘贴以 -----BEGIN PUBLIC KEY----- 开头的内容".into(),
        ),
        AccountError::TooMany => {
            field("key", "too-many", "最多五个数字证书，请先吊销不用的".into())
        }
        AccountError::OtherTerms => Fault::conflict(
            "terms-changed",
            "用户服务协议已有更新的版本，请刷新页面，重新阅读后同意",
        ),
        AccountError::ArrivalGone => Fault::conflict("arrival-gone", "该绑定已解除，请刷新页面"),
        AccountError::Closed
        | AccountError::BadLogin
        | AccountError::BoundElsewhere
        | AccountError::OtherPerson
        | AccountError::Busy => Fault::internal("操作没有成功，请稍后再试"),
    }
}

/// For whoever is to wait so many seconds, and why.
pub(crate) fn locked(why: &str, retry_after: i64) -> Fault {
    let minutes = (retry_after + 59) / 60;
    Fault::refused(
        "too-many-failures",
        format!("{why}，请 {minutes} 分钟后再试"),
    )
}

pub(crate) fn failed(error: &kernel_identity::error::IdentityError) -> Fault {
    tracing::error!(error = chain(error), "identity failed");
    Fault::new(
        FaultKind::Unavailable,
        "unavailable",
        "账号服务暂时不可用，请稍后再试",
    )
}
