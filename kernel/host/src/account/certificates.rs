//! A person's certificates on the page of the own account.

use kernel_identity::certificates::Certificate;
use kernel_identity::outside::LONGEST;
use sdk_contract::def::Tone;
use sdk_contract::page::{Action, Block, Choice, Column, Datum, Fact, Field, Form, Row, Table};

/// The certificates, the one whose key has still to sign, and the forms to ask for one, to register one
/// of an authority outside where the platform takes any, and to take one back.
pub(super) fn blocks(
    all: &[Certificate],
    possession: Option<(&Certificate, String)>,
    outside: bool,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    let rows = all.iter().map(|c| {
        let until = c
            .expires_at
            .map_or(Datum::None, |t| Datum::Time(t.micros()));
        let state = if c.confirmed {
            Datum::status("已启用", Tone::Success)
        } else {
            Datum::status("待签名", Tone::Warning)
        };
        Row::new(
            c.id.as_str(),
            vec![
                Datum::text(c.label.as_str()),
                Datum::text(c.issuer.as_deref().unwrap_or("本平台")),
                Datum::text(c.serial.as_str()),
                Datum::time_text(&c.created_at),
                until,
                state,
            ],
        )
    });
    let columns = vec![
        Column::new("label", "名称", 0),
        Column::new("issuer", "签发机构", 1),
        Column::new("serial", "序列号", 2),
        Column::new("since", "登记时间", 2),
        Column::new("until", "有效期至", 1),
        Column::new("state", "状态", 1),
    ];
    if !all.is_empty() {
        let table = Table::new(columns).rows(rows);
        blocks.push(Block::table("certificates", table).title("数字证书"));
    }
    if let Some((begun, text)) = possession {
        let facts = vec![
            Fact::new("证书", Datum::text(begun.pem.as_str())).help("请保存；私钥不离开您的设备"),
            Fact::new("待签名文本", Datum::text(text))
                .help("用密钥签名（SM2 与 SM3，标识 1234567812345678），把 Base64 的签名填在下面"),
        ];
        let confirm = Action::send("启用", "factor.confirm-certificate");
        let form = Form::new(
            "certificate-confirm",
            confirm.arg("factor", begun.id.as_str()),
        )
        .field(Field::area("signature", "签名（Base64）", 2_000).required());
        blocks.push(Block::list("certificate", facts).title("启用数字证书"));
        blocks.push(Block::form(form));
    } else {
        let begin = Action::send("申请数字证书", "factor.begin-certificate");
        let form = Form::new("certificate-begin", begin)
            .field(
                Field::text("label", "名称", 40)
                    .required()
                    .hint("办公室 UKey"),
            )
            .field(
                Field::area("key", "SM2 公钥（PEM）", 2_000)
                    .required()
                    .help("密钥在您自己的设备上生成，这里只要公钥"),
            )
            .field(Field::secret("current", "当前密码").required());
        let help = "以 SM2 密钥对平台的质询签名作为第二重验证，替代或并用动态口令";
        blocks.push(Block::form(form).title("申请数字证书").help(help));
        if outside {
            blocks.push(registration());
        }
    }
    if !all.is_empty() {
        let choices = all
            .iter()
            .map(|c| Choice::new(c.id.as_str(), format!("{}（{}）", c.label, c.serial)))
            .collect();
        let revoke = Action::send("停用数字证书", "factor.revoke-certificate").danger();
        let form = Form::new("certificate-revoke", revoke)
            .field(Field::pick("factor", "证书", choices).required())
            .field(Field::secret("current", "当前密码").required());
        let help = "本平台签发的同时吊销；外部机构签发的只在本平台停用，吊销请向签发机构办理";
        blocks.push(Block::form(form).title("停用数字证书").help(help));
    }
    blocks
}

/// For whoever has a certificate of somebody else that the platform believes.
fn registration() -> Block {
    let begin = Action::send("登记外部机构证书", "factor.register-certificate");
    let form = Form::new("certificate-register", begin)
        .field(
            Field::text("label", "名称", 40)
                .required()
                .hint("电子营业执照、CA 机构 UKey"),
        )
        .field(
            Field::area("certificate", "SM2 签名证书（PEM）", LONGEST)
                .required()
                .help("您的签名证书在前，签发机构的中间证书在后；私钥不离开您的设备"),
        )
        .field(Field::secret("current", "当前密码").required());
    let help =
        "已有平台认可的电子认证机构签发的 SM2 证书，可登记后作为第二重验证，用于登录、确认和签名";
    Block::form(form).title("登记外部机构证书").help(help)
}
