//! Forms: labels, units, faults, and what the browser is not told.

use std::collections::BTreeMap;

use kernel_portal::render_blocks;
use sdk_contract::error::FieldFault;
use sdk_contract::page::*;

use crate::{ctx, draw, has};

fn form() -> Form {
    Form::new("apply", Action::send("提交", "application.submit"))
        .drafts()
        .field(
            Field::text("name", "企业名称", 50)
                .prefilled("甲公司", "市场监管局 2026-11-01")
                .readonly(),
        )
        .field(
            Field::money_wan("amount", "金额", None, None)
                .required()
                .initial("3000000.00")
                .help("不超过 500"),
        )
        .field(Field::ratio("rate", "利率", None, None).initial("0.0345"))
        .field(
            Field::pick(
                "way",
                "担保方式",
                vec![Choice::new("a", "信用"), Choice::new("b", "抵押")],
            )
            .required(),
        )
        .field(
            Field::text("pledge", "抵押物", 50)
                .required()
                .when("way", ["b"]),
        )
        .field(Field::consent("agree", "同意", Link::new("授权书", "/doc")))
        .field(Field::file("paper", "材料", 1 << 20))
        .field(Field::hidden("product", "secret-product"))
}

#[test]
fn a11y_every_input_has_a_label_and_its_value_in_the_typed_unit() {
    let html = draw(&Block::form(form()));
    has(
        &html,
        &[
            "method=\"post\" action=\"/x/y\" id=\"f-apply\" enctype=\"multipart/form-data\" data-draft=\"/x/y#apply\"",
            "name=\"_form\" value=\"apply\"",
            "已预填，来源：市场监管局 2026-11-01",
            "value=\"300\"",
            "value=\"3.45\"",
            "data-when=\"[{&quot;field&quot;:&quot;way&quot;",
            "<legend class=\"form-label\">担保方式",
            "href=\"/doc\"",
            "1 MB",
        ],
    );
    assert!(
        !html.contains("secret-product"),
        "hidden values stay with the server"
    );
    for id in html
        .split("<input ")
        .skip(1)
        .filter(|t| !t.contains("type=\"hidden\""))
        .map(attribute_id)
    {
        assert!(html.contains(&format!("for=\"{id}\"")), "no label for {id}");
    }
    let pledge = html
        .split("name=\"pledge\"")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap();
    assert!(
        !pledge.contains("required"),
        "a conditional field must not block a form without script"
    );
}

fn attribute_id(tag: &str) -> &str {
    let id = tag.split(" id=\"").nth(1).and_then(|t| t.split('"').next());
    assert!(id.is_some(), "an input without id: {tag}");
    id.unwrap_or_default()
}

#[test]
fn faults_stand_at_their_fields_and_nothing_typed_is_lost() {
    let mut ctx = ctx();
    ctx.typed = Some(BTreeMap::from([
        ("_form".to_owned(), vec!["apply".to_owned()]),
        ("amount".to_owned(), vec!["五百".to_owned()]),
        ("way".to_owned(), vec!["b".to_owned()]),
    ]));
    ctx.faults = vec![FieldFault::new("amount", "not-a-number", "请填写数字")];
    let html = render_blocks(&[&Block::form(form())], &ctx);
    has(
        &html,
        &[
            "role=\"alert\"",
            "href=\"#f-apply-amount\"",
            "value=\"五百\"",
            "aria-invalid=\"true\"",
            "aria-describedby=\"f-apply-amount-help f-apply-amount-fault\"",
            "id=\"f-apply-amount-fault\"",
            "value=\"b\" checked",
            "data-restored=\"true\"",
            "value=\"甲公司\"",
        ],
    );
    let other = Block::form(Form {
        name: "other".into(),
        ..form()
    });
    assert!(
        !render_blocks(&[&other], &ctx).contains("五百"),
        "only the form that was sent"
    );
}

#[test]
fn a_query_form_is_sent_by_get_without_marks() {
    let html = draw(&Block::form(
        Form::new("quota", Action::open("测算", "/x/y"))
            .query()
            .field(Field::text("name", "名称", 5)),
    ));
    assert!(
        html.contains("method=\"get\"") && !html.contains("_csrf"),
        "{html}"
    );
}

#[test]
fn dj_03_a_field_for_a_password_has_no_name() {
    let send = Action::send("修改", "user.change");
    let form = Form::new("change", send).field(Field::secret("current", "密码").required());
    let html = draw(&Block::form(form));
    has(
        &html,
        &[
            "data-seal=\"/x/y#change\"",
            "data-secret=\"current\"",
            "type=\"hidden\" name=\"_sealed\" value=\"\"",
            "<noscript>",
        ],
    );
    assert!(!html.contains("name=\"current\""), "{html}");
}
