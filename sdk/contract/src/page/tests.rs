use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::code::Format;

fn typed(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        map.entry((*name).to_owned())
            .or_default()
            .push((*value).to_owned());
    }
    map
}

fn form(field: Field) -> Form {
    Form::new("f", Action::send("提交", "thing.save")).field(field)
}

fn read_one(field: Field, text: &str) -> Result<serde_json::Value, String> {
    let name = field.name.clone();
    read_form(&form(field), &typed(&[(&name, text)]))
        .map(|mut m| m.remove(&name).unwrap_or_default())
        .map_err(|f| f[0].code.clone())
}

#[test]
fn money_is_read_exactly_in_both_units() {
    let wan = || Field::money_wan("a", "金额", Some(100), Some(500_000_000));
    assert_eq!(read_one(wan(), "300"), Ok(json!("3000000.00")));
    assert_eq!(read_one(wan(), " 12.345678 "), Ok(json!("123456.78")));
    assert_eq!(read_one(wan(), "12.3456789"), Err("not-a-number".into()));
    assert_eq!(read_one(wan(), "500.000001"), Err("too-large".into()));
    assert_eq!(read_one(wan(), "0"), Err("too-small".into()));
    let yuan = || Field::money("a", "金额", None, None);
    assert_eq!(read_one(yuan(), "1,234.5"), Ok(json!("1234.50")));
    assert_eq!(read_one(yuan(), "1e5"), Err("not-a-number".into()));
}

#[test]
fn percents_become_fractions() {
    let rate = || Field::ratio("r", "利率", Some(0), Some(3600));
    assert_eq!(read_one(rate(), "3.45"), Ok(json!("0.0345")));
    assert_eq!(read_one(rate(), "36"), Ok(json!("0.3600")));
    assert_eq!(read_one(rate(), "36.01"), Err("too-large".into()));
    assert_eq!(read_one(rate(), "3.456"), Err("not-a-number".into()));
}

#[test]
fn each_kind_refuses_what_does_not_fit() {
    let cases: Vec<(Field, &str, &str)> = vec![
        (Field::text("t", "名称", 2), "三个字", "too-long"),
        (Field::text("t", "名称", 20), "a\u{7}b", "control-character"),
        (Field::code("t", "代码", Format::Uscc), "123", "bad-code"),
        (
            Field::number("t", "期限", Some(1), Some(36), "个月"),
            "37",
            "too-large",
        ),
        (
            Field::number("t", "期限", None, None, "个月"),
            "1.5",
            "not-a-number",
        ),
        (Field::date("t", "日期"), "2026-02-30", "not-a-date"),
        (
            Field::pick("t", "结论", vec![Choice::new("a", "A")]),
            "b",
            "not-an-option",
        ),
        (Field::region("t", "区"), "31", "bad-code"),
        (Field::file("t", "附件", 10).required(), "../x", "bad-file"),
    ];
    for (field, text, code) in cases {
        let kind = format!("{:?}", field.kind);
        assert_eq!(read_one(field, text), Err(code.into()), "{kind}");
    }
}

#[test]
fn required_fields_are_all_reported_in_order() {
    let f = Form::new("f", Action::send("提交", "thing.save"))
        .field(Field::text("name", "名称", 9).required())
        .field(Field::pick("way", "方式", vec![Choice::new("a", "A")]).required())
        .field(Field::consent("agree", "同意", Link::new("授权书", "/doc")));
    let faults = read_form(&f, &typed(&[("name", "  ")])).unwrap_err();
    let names: Vec<&str> = faults.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(names, ["name", "way", "agree"]);
    assert_eq!(faults[1].message, "请选择方式");
}

#[test]
fn undeclared_invisible_and_fixed_fields_are_not_taken_from_the_browser() {
    let f = Form::new("f", Action::send("提交", "thing.save"))
        .field(Field::pick(
            "verdict",
            "结论",
            vec![Choice::new("yes", "同意"), Choice::new("no", "拒绝")],
        ))
        .field(
            Field::text("why", "理由", 50)
                .required()
                .when("verdict", ["no"]),
        )
        .field(
            Field::money_wan("cap", "上限", None, None)
                .initial("3000000.00")
                .readonly(),
        )
        .field(Field::hidden("product", "p-1"));
    let sent = typed(&[
        ("verdict", "yes"),
        ("why", "x"),
        ("cap", "999"),
        ("product", "p-2"),
        ("role", "admin"),
    ]);
    assert_eq!(
        serde_json::Value::from(read_form(&f, &sent).unwrap()),
        json!({"verdict": "yes", "cap": "3000000.00", "product": "p-1"})
    );
    assert_eq!(
        read_form(&f, &typed(&[("verdict", "no")])).unwrap_err()[0].field,
        "why"
    );
}

fn queue() -> Page {
    Page::new("队列")
        .action(
            Action::send("受理", "application.accept")
                .record("r-1")
                .arg("fast", true),
        )
        .block(Block::table(
            "queue",
            Table::new(vec![Column::new("id", "编号", 0)])
                .rows([
                    Row::new("a", vec![Datum::text("A")]),
                    Row::new("b", vec![Datum::text("B")]),
                ])
                .bulk(Action::send("转办", "application.forward")),
        ))
        .block(Block::form(
            Form::new(
                "refuse",
                Action::send("拒绝", "application.reject")
                    .record("r-1")
                    .confirm(Confirm::new("拒绝申请", "将通知企业", "确认").reason("理由")),
            )
            .field(Field::text("code", "原因", 20).required()),
        ))
}

#[test]
fn a_post_takes_its_arguments_from_the_page() {
    let sent = typed(&[
        (ACTION_FIELD, "application.accept"),
        (RECORD_FIELD, "r-1"),
        ("fast", "false"),
    ]);
    let posted = read_post(&queue(), &sent).unwrap();
    assert_eq!(posted.record.as_deref(), Some("r-1"));
    assert_eq!(
        serde_json::Value::from(posted.values),
        json!({"fast": true})
    );
}

/// Two buttons of one action on one record differ in their arguments alone, as roles to take away do.
#[test]
fn a_post_is_the_button_that_was_pressed() {
    let revoke = |role: &str| {
        Action::send("收回", "post.revoke")
            .record("p-1")
            .arg("role", role)
    };
    let page = Page::new("岗位")
        .action(revoke("bank.officer"))
        .action(revoke("model.validator"));
    let press = |mark: &str| {
        let fields = typed(&[
            (ACTION_FIELD, "post.revoke"),
            (RECORD_FIELD, "p-1"),
            (MARK_FIELD, mark),
        ]);
        read_post(&page, &fields)
    };
    for (action, role) in page.actions.iter().zip(["bank.officer", "model.validator"]) {
        let Deed::Send(send) = &action.deed else {
            panic!("a send")
        };
        let posted = press(&send.mark()).unwrap();
        assert_eq!(posted.values["role"], json!(role));
    }
    // Which one is not said, or is not there: none, not the first.
    assert_eq!(press(""), Err(PostFault::Gone));
    assert_eq!(press("0123456789abcdef"), Err(PostFault::Gone));
}

#[test]
fn a_post_the_page_does_not_offer_is_gone() {
    for sent in [
        typed(&[(ACTION_FIELD, "application.accept")]),
        typed(&[(ACTION_FIELD, "application.accept"), (RECORD_FIELD, "r-2")]),
        typed(&[(ACTION_FIELD, "application.delete"), (RECORD_FIELD, "r-1")]),
        typed(&[(ACTION_FIELD, "application.reject"), (RECORD_FIELD, "r-1")]),
        typed(&[
            (ACTION_FIELD, "application.accept"),
            (RECORD_FIELD, "r-1"),
            (FORM_FIELD, "refuse"),
        ]),
        typed(&[]),
    ] {
        assert_eq!(read_post(&queue(), &sent), Err(PostFault::Gone), "{sent:?}");
    }
    let mut page = queue();
    page.actions[0].off = Some("已受理".into());
    let sent = typed(&[(ACTION_FIELD, "application.accept"), (RECORD_FIELD, "r-1")]);
    assert_eq!(read_post(&page, &sent), Err(PostFault::Gone));
}

#[test]
fn a_form_post_asks_for_its_reason() {
    let mut sent = typed(&[
        (ACTION_FIELD, "application.reject"),
        (RECORD_FIELD, "r-1"),
        (FORM_FIELD, "refuse"),
        ("code", "c"),
    ]);
    let Err(PostFault::Fields(faults)) = read_post(&queue(), &sent) else {
        panic!("no faults")
    };
    assert_eq!(faults[0].field, REASON_FIELD);
    sent.insert(REASON_FIELD.into(), vec![" ".into(), "流水不足".into()]);
    let posted = read_post(&queue(), &sent).unwrap();
    assert_eq!(
        serde_json::Value::from(posted.values),
        json!({"code": "c", "reason": "流水不足"})
    );
}

#[test]
fn bulk_takes_only_rows_of_the_page() {
    let mut sent = typed(&[
        (ACTION_FIELD, "application.forward"),
        (ROW_FIELD, "b"),
        (ROW_FIELD, "z"),
    ]);
    assert_eq!(read_post(&queue(), &sent).unwrap().rows, ["b"]);
    sent.remove(ROW_FIELD);
    assert!(matches!(
        read_post(&queue(), &sent),
        Err(PostFault::Fields(_))
    ));
}

#[test]
fn a_page_survives_its_journey_as_json() {
    let page = queue();
    let text = serde_json::to_string(&page).unwrap();
    assert_eq!(serde_json::from_str::<Page>(&text).unwrap(), page);
    assert!(
        text.contains(r#""kind":"table""#) && text.contains(r#""deed":"send""#),
        "{text}"
    );
}

#[test]
fn an_unknown_block_is_kept_as_unknown_and_a_broken_one_is_refused() {
    let mut page = serde_json::to_value(Page::new("页").block(Block::prose("a", "x"))).unwrap();
    page["sections"][0]["blocks"][0] = json!({"id": "a", "kind": "hologram", "beams": [1, 2]});
    let read: Page = serde_json::from_value(page.clone()).unwrap();
    assert_eq!(read.find_block("a").unwrap().body, Body::Unknown);
    page["sections"][0]["blocks"][0] = json!({"id": "a", "kind": "stats", "stats": 7});
    assert!(serde_json::from_value::<Page>(page).is_err());
}

#[test]
fn only_paths_of_this_site_are_paths() {
    for good in ["/", "/a", "/a?b=c#d", "/贷款"] {
        assert!(is_site_path(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "//x",
        "/\\x",
        "\\x",
        "javascript:alert(1)",
        "https://x",
        "/a b",
        "/a\n",
        " /a",
    ] {
        assert!(!is_site_path(bad), "{bad}");
    }
}

#[test]
fn the_check_names_the_block_at_fault() {
    let broken: Vec<(Block, &str)> = vec![
        (Block::prose("Big Id", "x"), "slug"),
        (
            Block::prose("a", "x").more("更多", "https://x"),
            "leaves the site",
        ),
        (Block::prose("a", "x").span(13), "columns"),
        (
            Block::details("a", vec![Fact::new("x", Datum::link("x", "//x"))]),
            "leaves the site",
        ),
        (
            Block::details("a", vec![Fact::new("x", Datum::ratio("3%"))]),
            "no decimal",
        ),
        (
            Block::actions("a", vec![Action::open("x", "javascript:x")]),
            "leaves the site",
        ),
        (
            Block::actions("a", vec![Action::send("x", "a b")]),
            "action name",
        ),
        (
            Block::table(
                "a",
                Table::new(vec![Column::new("a", "A", 0)]).rows([Row::new("k", vec![])]),
            ),
            "columns",
        ),
        (
            Block::chart("a", Chart::new(Shape::Rank { parts: vec![] }, " ")),
            "summary",
        ),
        (
            Block::chart(
                "a",
                Chart::new(
                    Shape::Rank {
                        parts: vec![Part::new("x", f64::NAN)],
                    },
                    "s",
                ),
            ),
            "finite",
        ),
        (
            Block::files(
                "a",
                vec![FileRef {
                    id: "../x".into(),
                    name: "x".into(),
                    bytes: 1,
                    of: None,
                }],
            ),
            "file id",
        ),
        (
            Block::form(form(Field::text("Upper", "x", 1))),
            "field name",
        ),
        (
            Block::form(form(Field::text("a", "x", 1).when("later", ["1"]))),
            "depends",
        ),
        (
            Block::stats("a", vec![Stat::new("x", Datum::None); 501]),
            "allowed",
        ),
    ];
    for (block, what) in broken {
        let err = check(&Page::new("页").block(block))
            .unwrap_err()
            .to_string();
        assert!(err.contains(what), "{err}");
    }
    let twice = Page::new("页")
        .block(Block::prose("a", ""))
        .block(Block::prose("a", ""));
    assert!(check(&twice).unwrap_err().what.contains("same id"));
    assert_eq!(check(&queue()), Ok(()));
}

#[test]
fn the_schema_can_be_published() {
    let schema = serde_json::to_string(&schemars::schema_for!(Page)).unwrap();
    assert!(schema.contains("main-and-side") && schema.contains("\"roc\""));
}

#[test]
fn a_forms_button_is_the_main_one_unless_it_warns() {
    let weight = |submit| Form::new("f", submit).submit.weight;
    assert_eq!(weight(Action::send("提交", "a.b")), Weight::Primary);
    assert_eq!(weight(Action::send("停用", "a.b").danger()), Weight::Danger);
    assert_eq!(weight(Action::send("跳过", "a.b").quiet()), Weight::Quiet);
}
