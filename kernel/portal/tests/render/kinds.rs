//! Every kind of the contract's table has its control and its cell; doubts can be confirmed.

use std::collections::BTreeMap;

use kernel_portal::render_blocks;
use sdk_contract::error::FieldFault;
use sdk_contract::kind::{Entry, TABLE};
use sdk_contract::page::*;
use serde_json::json;

use crate::{ctx, draw, has};

fn form(fields: Vec<Field>) -> Form {
    let form = Form::new("edit", Action::send("保存", "thing.save"));
    fields.into_iter().fold(form, Form::field)
}

#[test]
fn every_kind_has_a_control_that_sends_its_name() {
    let choices = Entry::choices();
    for entry in TABLE {
        let sample = entry.sample();
        let Some(field) = Field::of(&sample.field, &choices) else {
            assert_eq!(entry.widget, "", "{}", entry.kind);
            continue;
        };
        let field = match entry.kind {
            "ref" => field.choices(vec![Choice::new("one", "一号")]),
            _ => field,
        };
        let html = draw(&Block::form(form(vec![field.clone()])));
        let name = match entry.kind {
            "rows" => "name=\"sample.0.item\"",
            _ => "name=\"sample\"",
        };
        has(&html, &[name, "样本"]);
        let Some((_, value)) = sample.good.first() else {
            continue;
        };
        if entry.kind != "file" {
            let field = field.value(value);
            let shown = match entry.kind {
                "decimal" | "integer" | "date" | "month" | "text" | "code" => {
                    field.initial[0].clone()
                }
                // As people type them.
                "money" => "9007199254740993.01".to_owned(),
                "datetime" => "2026-11-23T16:00".to_owned(),
                "rows" => "bolt".to_owned(),
                _ => continue,
            };
            let html = draw(&Block::form(form(vec![field])));
            has(&html, &[&format!("value=\"{shown}\"")]);
        }
    }
}

#[test]
fn every_kind_has_a_cell() {
    let choices = Entry::choices();
    for entry in TABLE {
        let sample = entry.sample();
        let value = match sample.good.first() {
            Some((_, value)) => value.clone(),
            None => json!(30),
        };
        let datum = Datum::of(&sample.field, &choices, &value);
        let html = draw(&Block::details("d", vec![Fact::new("样本", datum)]));
        assert!(
            !html.contains('—'),
            "{} is shown as nothing: {html}",
            entry.kind
        );
    }
}

fn uscc_form() -> Form {
    let uscc = Field::code("uscc", "代码", sdk_contract::code::Format::Uscc);
    let rows = Field::rows("parties", "相关方", vec![uscc.clone()], 3);
    form(vec![uscc, rows])
}

#[test]
fn a_doubt_is_shown_with_a_box_that_confirms_this_value() {
    let mut ctx = ctx();
    let typed = |pairs: &[(&str, &str)]| -> BTreeMap<String, Vec<String>> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), vec![(*v).to_owned()]))
            .collect()
    };
    ctx.typed = Some(typed(&[
        ("_form", "edit"),
        ("uscc", "91350100m0001tgqxm"),
        // The row before it was left empty.
        ("parties.1.uscc", "91350211M0000XUF46"),
    ]));
    let doubt = |field: &str| FieldFault::new(field, "check-digit", "请核对校验位").confirm();
    ctx.faults = vec![doubt("uscc"), doubt("parties.0.uscc")];
    let html = render_blocks(&[&Block::form(uscc_form())], &ctx);
    has(
        &html,
        &[
            "name=\"_confirm\" value=\"uscc=91350100M0001TGQXM\"",
            "name=\"_confirm\" value=\"parties.0.uscc=91350211M0000XUF46\"",
            "name=\"parties.0.uscc\" value=\"91350211M0000XUF46\"",
            "请核对校验位",
        ],
    );

    // Ticked before, with something else still wrong: it stays ticked.
    let mut again = typed(&[("_form", "edit"), ("uscc", "91350100M0001TGQXM")]);
    again.insert(
        CONFIRM_FIELD.to_owned(),
        vec![confirms("uscc", "91350100M0001TGQXM")],
    );
    ctx.typed = Some(again);
    ctx.faults = vec![FieldFault::new("parties", "required", "请填写相关方")];
    let html = render_blocks(&[&Block::form(uscc_form())], &ctx);
    has(&html, &["value=\"uscc=91350100M0001TGQXM\" checked"]);

    let plain = draw(&Block::form(uscc_form()));
    assert!(!plain.contains(CONFIRM_FIELD), "no box without a doubt");
}
