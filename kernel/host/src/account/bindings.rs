//! The accounts elsewhere that a person signs in with, on the account's page.

use kernel_identity::federation::Binding;
use kernel_identity::providers::Providers;
use sdk_contract::page::{Action, Block, Choice, Column, Datum, Field, Form, Row, Table};

/// Nothing where no provider is configured and none is bound.
pub(super) fn blocks(all: &[Binding], providers: &Providers) -> Vec<Block> {
    let mut blocks = Vec::new();
    let name = |id: &str| {
        let known = providers.get(id).map(|p| p.name.clone());
        known.unwrap_or_else(|| id.to_owned())
    };
    if !all.is_empty() {
        let rows = all.iter().map(|b| {
            let cells = vec![
                Datum::text(name(&b.provider)),
                Datum::text(b.name.as_str()),
                Datum::time_text(&b.created_at),
            ];
            Row::new(b.id.as_str(), cells)
        });
        let columns = vec![
            Column::new("provider", "登录渠道", 0),
            Column::new("name", "姓名", 1),
            Column::new("since", "绑定时间", 1),
        ];
        let table = Table::new(columns).rows(rows);
        blocks.push(Block::table("bindings", table).title("绑定的外部账号"));
    }
    if !providers.is_empty() {
        let away = providers.iter().map(|(id, provider)| {
            let to = format!("/login/with/{id}?next=%2Fplatform%2Faccount");
            Action::open(format!("绑定{}", provider.name), to)
        });
        let bind = Block::actions("bind", away.collect());
        let help = "绑定后，可以用外部账号代替密码登录；第二重验证照旧";
        blocks.push(bind.title("绑定外部账号").help(help));
    }
    if !all.is_empty() {
        let choices = all
            .iter()
            .map(|b| {
                Choice::new(
                    b.id.as_str(),
                    format!("{}（{}）", name(&b.provider), b.name),
                )
            })
            .collect();
        let end = Action::send("解除绑定", "binding.end").danger();
        let form = Form::new("binding-end", end)
            .field(Field::pick("binding", "外部账号", choices).required())
            .field(Field::secret("current", "当前密码").required());
        blocks.push(Block::form(form).title("解除绑定"));
    }
    blocks
}
