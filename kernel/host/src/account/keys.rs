//! Security keys and passkeys, on the account's page.

use kernel_identity::security_keys::SecurityKey;
use sdk_contract::page::{Action, Block, Choice, Column, Datum, Field, Form, Row, Table};

/// Most characters of what a browser says a key answered.
const ANSWER: u32 = 8_000;

pub(super) fn blocks(all: &[SecurityKey]) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !all.is_empty() {
        let rows = all.iter().map(|key| {
            let cells = vec![
                Datum::text(key.label.as_str()),
                Datum::time_text(&key.created_at),
            ];
            Row::new(key.id.as_str(), cells)
        });
        let columns = vec![
            Column::new("label", "名称", 0),
            Column::new("since", "启用时间", 1),
        ];
        let table = Table::new(columns).rows(rows);
        blocks.push(Block::table("keys", table).title("安全密钥"));
    }
    let add = Action::send("添加安全密钥", "factor.add-key");
    let form = Form::new("key-add", add)
        .field(
            Field::text("label", "名称", 40)
                .required()
                .hint("办公室电脑、手机"),
        )
        .field(Field::secret("current", "当前密码").required())
        // The portal's script fills it in when the form is sent.
        .field(
            Field::area("security_key", "密钥的应答", ANSWER)
                .help("由浏览器填写；浏览器关闭了脚本时不能添加"),
        );
    let help = "用手机、电脑的指纹或面容，或 USB 安全密钥作为第二重验证（WebAuthn）";
    blocks.push(Block::form(form).title("添加安全密钥").help(help));
    if !all.is_empty() {
        let choices = all
            .iter()
            .map(|key| Choice::new(key.id.as_str(), key.label.as_str()))
            .collect();
        let remove = Action::send("移除安全密钥", "factor.remove-key").danger();
        let form = Form::new("key-remove", remove)
            .field(Field::pick("factor", "安全密钥", choices).required())
            .field(Field::secret("current", "当前密码").required());
        blocks.push(Block::form(form).title("移除安全密钥"));
    }
    blocks
}
