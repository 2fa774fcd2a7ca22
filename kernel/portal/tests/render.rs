//! Every block in every state, as a browser and an attacker would read it.

use std::collections::BTreeMap;

use kernel_portal::{
    ErrorScreen, FactorsView, LoginScreen, Site, StepUpScreen, UserView, ViewContext, error_page,
    login_page, render, render_blocks, step_up_page,
};
use proptest::prelude::*;
use sdk_contract::error::FieldFault;
use sdk_contract::page::*;

#[path = "render/forms.rs"]
mod forms;
#[path = "render/hostile.rs"]
mod hostile;
#[path = "render/kinds.rs"]
mod kinds;
#[path = "render/told.rs"]
mod told;

fn ctx() -> ViewContext {
    ViewContext {
        site: Site {
            name: "融资平台".into(),
            ..Site::default()
        },
        user: Some(UserView {
            name: "王某".into(),
            ..UserView::default()
        }),
        csrf: "the-csrf".into(),
        key: "the-key".into(),
        path: "/x/y".into(),
        locale: "zh-CN".into(),
        ..ViewContext::default()
    }
}

fn draw(block: &Block) -> String {
    render_blocks(&[block], &ctx())
}

fn has(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "missing {part}\nin {html}");
    }
}

#[test]
fn a11y_a_page_is_a_whole_accessible_document() {
    let page = Page::new("页")
        .under("首页", "/")
        .status("待审", Tone::Warning)
        .guarded();
    let html = render(&page, &ctx());
    has(
        &html,
        &[
            "<!DOCTYPE html>",
            "<html lang=\"zh-CN\"",
            "<title>页 - 融资平台</title>",
            "class=\"skip\" href=\"#main\"",
            "id=\"main\"",
            "<h1",
            "aria-current=\"page\"",
            "class=\"watermark\"",
            "王某 ",
        ],
    );
    assert_eq!(html.matches("<h1").count(), 1);
}

#[test]
fn the_frame_follows_the_shell_and_the_viewer() {
    let bench = render(&Page::new("页").shell(Shell::Bench), &ctx());
    assert!(bench.contains("bench-side") && !bench.contains("site-foot"));
    let plain = render(&Page::new("页").shell(Shell::Plain), &ctx());
    assert!(!plain.contains("bench-side") && !plain.contains("site-foot"));
    let mut care = ctx();
    care.care = true;
    care.locale = "en".into();
    care.user = None;
    let html = render(&Page::new("Page"), &care);
    has(
        &html,
        &[
            "<html lang=\"en\" class=\"care\"",
            "Standard type",
            "href=\"/login?next=%2Fx%2Fy\"",
        ],
    );
}

#[test]
fn the_bench_is_named_after_the_viewers_organisation() {
    let mut ctx = ctx();
    ctx.site.benches = [("platform", "平台运营工作台"), ("bank", "机构工作台")]
        .map(|(kind, title)| (kind.to_owned(), title.into()))
        .into();
    let draw = |ctx: &ViewContext| render(&Page::new("页").shell(Shell::Bench), ctx);
    if let Some(user) = &mut ctx.user {
        user.kind = "platform".into();
    }
    let html = draw(&ctx);
    assert!(html.contains("平台运营工作台") && !html.contains("机构工作台</strong>"));
    ctx.user = None;
    assert!(draw(&ctx).contains("<strong>融资平台</strong>"));
}

#[test]
fn chinese_content_says_so_in_an_english_frame() {
    let mut ctx = ctx();
    ctx.locale = "en".into();
    ctx.site.name.en = "Financing".into();
    let html = render(&Page::new("页"), &ctx);
    has(
        &html,
        &[
            "lang=\"zh-CN\"",
            "available in Chinese only",
            "页 - Financing",
        ],
    );
    assert!(!render(&Page::new("Page"), &ctx).contains("Chinese only"));
}

#[test]
fn nothing_is_inline_that_a_strict_policy_forbids() {
    for page in [hostile::page("x"), Page::new("页").shell(Shell::Bench)] {
        let html = render(&page, &ctx());
        assert!(
            !html.contains(" style=") && !html.contains("<style"),
            "inline style"
        );
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script src=").count()
        );
        assert!(!html.contains(" onclick=") && !html.contains(" onsubmit="));
    }
}

#[test]
fn a_button_that_changes_something_is_a_form_with_its_marks() {
    let html = draw(&Block::actions(
        "a",
        vec![
            Action::send("受理", "application.accept")
                .record("r-1")
                .arg("fast", true),
            Action::open("看", "/z"),
            Action::send("停", "application.stop").off("已受理"),
        ],
    ));
    has(
        &html,
        &[
            "<form class=\"inline\" method=\"post\" action=\"/x/y\">",
            "name=\"_csrf\" value=\"the-csrf\"",
            "name=\"_key\" value=\"the-key\"",
            "name=\"_action\" value=\"application.accept\"",
            "name=\"_record\" value=\"r-1\"",
            "name=\"_mark\" value=\"",
            "href=\"/z\"",
            "disabled",
            "已受理",
        ],
    );
    assert!(
        !html.contains("application.stop"),
        "a dead button sends nothing"
    );
    assert!(!html.contains("fast"), "arguments stay with the server");
}

#[test]
fn a_question_opens_without_script_and_asks_for_its_reason() {
    let confirm = Confirm::new("拒绝申请", "将通知企业", "确认拒绝").reason("理由");
    let html = draw(&Block::actions(
        "a",
        vec![Action::send("拒绝", "a.reject").confirm(confirm)],
    ));
    has(
        &html,
        &[
            "<details class=\"ask\"><summary",
            "将通知企业",
            "name=\"reason\"",
            ">确认拒绝</button>",
        ],
    );
}

#[test]
fn the_question_whose_answer_was_refused_stands_open_and_no_other() {
    let button = |label: &str, record: &str| {
        let confirm = Confirm::new(label, "将通知企业", "确定").reason("理由");
        let send = Action::send(label, "a.reject").record(record);
        send.confirm(confirm)
    };
    let both = vec![button("拒绝甲", "r-1"), button("拒绝乙", "r-2")];
    let sent = |record: &str, reason: &str| {
        let typed = [
            (ACTION_FIELD, "a.reject"),
            (RECORD_FIELD, record),
            (REASON_FIELD, reason),
        ];
        let typed = typed.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        let ctx = ViewContext {
            typed: Some(typed.into()),
            faults: vec![FieldFault::new(REASON_FIELD, "required", "请说明理由")],
            ..ctx()
        };
        render_blocks(&[&Block::actions("a", both.clone())], &ctx)
    };
    let html = sent("r-2", "太短");
    assert_eq!(html.matches("<details class=\"ask\" open>").count(), 1);
    assert_eq!(html.matches("请说明理由").count(), 1);
    assert_eq!(html.matches(">太短</textarea>").count(), 1);
    let (first, second) = html.split_once("拒绝乙").unwrap();
    assert!(!first.contains("太短"));
    assert!(second.contains("请说明理由"));
    // What another button asked is nothing to these.
    assert!(!sent("r-3", "").contains("请说明理由"));
}

#[test]
fn a_table_has_heads_phone_labels_and_ticks() {
    let table = Table::new(vec![
        Column::new("name", "企业", 0),
        Column::new("amount", "金额", 1).sortable(),
    ])
    .rows([Row::new("r-1", vec![Datum::text("甲"), Datum::Money(300_000_000)]).to("/d/1")])
    .filter(Field::pick(
        "status",
        "状态",
        vec![Choice::new("a", "待审").count(3)],
    ))
    .search("名称")
    .bulk(Action::send("转办", "a.forward"))
    .paging(2, 10, 45);
    let mut ctx = ctx();
    ctx.query = BTreeMap::from([
        ("status".to_owned(), vec!["a".to_owned()]),
        ("sort".to_owned(), vec!["-amount".to_owned()]),
        ("page".to_owned(), vec!["2".to_owned()]),
    ]);
    let html = render_blocks(&[&Block::table("q", table)], &ctx);
    has(
        &html,
        &[
            "<th class=\"num\" scope=\"col\" aria-sort=\"descending\">",
            "data-label=\"金额\"",
            "href=\"/d/1\"",
            "300<small class=\"unit\">万元",
            "<option value=\"a\" selected>待审 (3)</option>",
            "name=\"_row\" value=\"r-1\" form=\"q-bulk\"",
            "name=\"_action\" value=\"a.forward\"",
            "共 45 条，第 2 / 5 页",
            "href=\"/x/y?page=3&amp;sort=-amount&amp;status=a\"",
            "<input type=\"hidden\" name=\"sort\" value=\"-amount\">",
        ],
    );
}

#[test]
fn an_empty_list_says_what_to_do() {
    let empty = Table::new(vec![Column::new("a", "A", 0)]).empty("先去产品超市看看");
    has(&draw(&Block::table("t", empty)), &["先去产品超市看看"]);
    has(&draw(&Block::cards("c", Cards::default())), &["暂无内容"]);
}

#[test]
fn cards_are_drawn_in_their_looks_and_filters_are_links() {
    let card = Card::new("云税贷")
        .to("/p/1")
        .fact("年化利率(单利)", Datum::ratio("0.0345"));
    for (look, class) in [
        (CardLook::Product, "product card"),
        (CardLook::Tile, "tile card"),
        (CardLook::News, "news-item"),
        (CardLook::Menu, "menu-item"),
    ] {
        let html = draw(&Block::cards("c", Cards::new(look, vec![card.clone()])));
        has(&html, &[class, "href=\"/p/1\"", "云税贷"]);
    }
    let filtered = Cards::new(CardLook::Product, vec![card]).filter(Field::pick(
        "bank",
        "机构",
        vec![Choice::new("沪江", "沪江银行").count(3)],
    ));
    has(
        &draw(&Block::cards("c", filtered)),
        &[
            "href=\"/x/y?bank=%E6%B2%AA%E6%B1%9F\"",
            "aria-current=\"true\">全部",
        ],
    );
}

#[test]
fn figures_times_and_states_are_said_in_words() {
    let html = draw(&Block::details(
        "d",
        vec![
            Fact::new("金额", Datum::Money(123_456_789)),
            Fact::new("利率", Datum::ratio("0.0345")),
            Fact::new("时间", Datum::Time(1_794_447_000_000_000)),
            Fact::new(
                "电话",
                Datum::Masked(Masked {
                    shown: "138****1234".into(),
                    of: Some(Place {
                        collection: "lending.applications".into(),
                        id: "tok".into(),
                        field: "phone".into(),
                    }),
                    ..Masked::default()
                }),
            ),
            Fact::new("无", Datum::None),
        ],
    ));
    has(
        &html,
        &[
            "1,234,567.89 元",
            "3.45<small class=\"unit\">%",
            "2026-11-12 09:30",
            "action=\"/look\"",
            "value=\"tok\"",
            "—",
        ],
    );
    let shown = |takes| {
        let masked = Masked {
            shown: "****".into(),
            of: Some(Place {
                collection: "a.things".into(),
                id: "tok".into(),
                field: "number".into(),
            }),
            takes,
            files: None,
        };
        draw(&Block::details(
            "d",
            vec![Fact::new("证件号", Datum::Masked(masked))],
        ))
    };
    let at = 1_794_447_000_000_000;
    for (takes, words, reason, sends) in [
        (LookTakes::Reason, "将记入审计日志", true, true),
        (LookTakes::Second, "须由同机构另一人同意", true, true),
        (LookTakes::Waiting(at), "2026-11-12 09:30", false, false),
        (LookTakes::Agreed(at), "2026-11-12 09:30", false, true),
    ] {
        let html = shown(takes);
        has(&html, &["action=\"/look\"", words]);
        assert_eq!(html.contains("name=\"reason\""), reason, "{takes:?}");
        assert_eq!(html.contains("type=\"submit\""), sends, "{takes:?}");
    }
    let stat = Stat::new("额度", Datum::Integer(17))
        .change("-0.08")
        .spark(vec![1.0, 2.0])
        .to("/s");
    has(
        &draw(&Block::stats("s", vec![stat])),
        &[
            "stat-change down",
            "下降",
            "8%",
            "class=\"spark\"",
            "href=\"/s\"",
        ],
    );
}

#[test]
fn a_timeline_tells_what_is_done_now_and_late() {
    let mut ctx = ctx();
    ctx.now = 2_000_000;
    let block = Block::timeline(
        "t",
        vec![
            Moment::new("提交", Mark::Done).at(0).who("甲"),
            Moment::new("尽调", Mark::Current)
                .due(1_000_000)
                .note("补流水"),
            Moment::new("审批", Mark::Failed),
        ],
    );
    let html = render_blocks(&[&block], &ctx);
    has(
        &html,
        &[
            "（已完成）",
            "aria-current=\"step\"",
            "已过承诺时限",
            "补流水",
            "未通过",
        ],
    );
}

#[test]
fn running_work_asks_again_and_finished_work_does_not() {
    let job = |state| {
        Block::job(
            "j",
            Job {
                name: "试算".into(),
                percent: 40,
                state,
                note: String::new(),
                done: Some(Link::new("结果", "/r")),
            },
        )
    };
    has(
        &draw(&job(JobState::Running)),
        &[
            "hx-get=\"/x/y?_block=j\"",
            "every 2s",
            "value=\"40\"",
            "<noscript>",
        ],
    );
    assert!(!draw(&job(JobState::Done)).contains("hx-get"));
    has(&draw(&Block::prose("p", "x").live(30)), &["every 30s"]);
}

#[test]
fn a11y_every_chart_has_its_summary_and_its_figures() {
    let axis = Axis::new(["一季度", "二季度"]).series(Series::new("营收", [412.0, 604.5]));
    let radar = Radar {
        axes: vec![
            Part::new("甲", 1.0),
            Part::new("乙", 1.0),
            Part::new("丙", 1.0),
        ],
        series: vec![Series::new("营收", [0.5, 604.5, 1.0])],
    };
    let gauge = Gauge {
        amount: 604.5,
        min: 300.0,
        max: 900.0,
        label: "良好".into(),
        bands: vec![Band::new(900.0, "优", Tone::Success)],
    };
    for shape in [
        Shape::Line(axis.clone()),
        Shape::Bar(axis),
        Shape::Rank {
            parts: vec![Part::new("纳税", 604.5), Part::new("涉诉", -9.5)],
        },
        Shape::Gauge(gauge),
        Shape::Roc(Roc {
            curves: vec![Curve {
                name: "营收".into(),
                points: vec![[0.0, 0.0], [1.0, 1.0]],
            }],
        }),
        Shape::Radar(radar),
    ] {
        let html = draw(&Block::chart("c", Chart::new(shape.clone(), "一句话说明")));
        has(
            &html,
            &[
                "<svg class=\"plot",
                "role=\"img\" aria-labelledby=\"c-summary\"",
                "id=\"c-summary\">一句话说明",
                "数据表",
            ],
        );
        if !matches!(shape, Shape::Roc(_)) {
            has(&html, &["<td class=\"num\">604.5</td>"]);
        }
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
}

#[test]
fn tabs_show_the_one_in_the_url() {
    let section = Section::tabs()
        .block(Block::prose("a", "甲文").title("甲"))
        .block(Block::prose("b", "乙文").title("乙"));
    let page = Page::new("页").section(section);
    assert!(render(&page, &ctx()).contains("甲文"));
    let mut second = ctx();
    second.query.insert("tab".into(), vec!["b".into()]);
    let html = render(&page, &second);
    assert!(html.contains("乙文") && !html.contains("甲文"));
}

#[test]
fn an_unknown_block_says_so() {
    has(&draw(&Block::new("u", Body::Unknown)), &["更新的平台版本"]);
}

#[test]
fn sign_in_and_errors_keep_the_work() {
    let login = LoginScreen {
        username: "wang",
        pending: "",
        message: Some("密码不对"),
        next: "https://evil.example",
        ..LoginScreen::default()
    };
    let html = login_page(&login, &ctx());
    has(
        &html,
        &[
            "action=\"/login\"",
            "name=\"next\" value=\"/\"",
            "value=\"wang\"",
            "role=\"alert\"",
            "data-keep-drafts",
            "for=\"username\"",
            "for=\"password\"",
            "autocomplete=\"current-password\"",
            "name=\"_csrf\" value=\"the-csrf\"",
        ],
    );
    let second = LoginScreen {
        pending: "p-1",
        factors: FactorsView {
            code: true,
            challenge: Some(("第一行\n第二行", "token-1")),
            key: Some(("{\"challenge\":\"c\"}", "token-2")),
        },
        ..LoginScreen::default()
    };
    let html = login_page(&second, &ctx());
    has(
        &html,
        &[
            "name=\"code\"",
            "autocomplete=\"one-time-code\"",
            "name=\"_challenge\" value=\"token-1\"",
            "name=\"_signature\"",
            "第一行\n第二行</textarea>",
            "data-security-key=\"{&quot;challenge&quot;:&quot;c&quot;}\"",
            "name=\"_challenge\" value=\"token-2\"",
            "name=\"_security_key\" value=\"\"",
        ],
    );
    assert_eq!(html.matches("name=\"pending\" value=\"p-1\"").count(), 3);
    let between = StepUpScreen {
        action: "/a/b?c=1",
        parked: "n-1",
        back: "https://evil.example",
        factors: FactorsView {
            code: true,
            challenge: None,
            key: None,
        },
        ..StepUpScreen::default()
    };
    let html = step_up_page(&between, &ctx());
    has(
        &html,
        &[
            "action=\"/a/b?c=1\"",
            "name=\"_parked\" value=\"n-1\"",
            "name=\"_code\"",
            "name=\"_csrf\" value=\"the-csrf\"",
        ],
    );
    assert!(!html.contains("evil.example") && !html.contains("_signature"));
    let signing = StepUpScreen {
        content: Some("{\"input\":\"<b>\"}"),
        factors: FactorsView {
            challenge: Some(("a\nb", "t-1")),
            ..FactorsView::default()
        },
        ..between
    };
    let html = step_up_page(&signing, &ctx());
    has(
        &html,
        &[
            "请用数字证书签名",
            "{&quot;input&quot;:&quot;&lt;b&gt;&quot;}",
            "name=\"_challenge\" value=\"t-1\"",
            "name=\"_signature\"",
        ],
    );
    assert!(!html.contains("name=\"_code\""));
    let error = ErrorScreen {
        status: 500,
        title: "出错了",
        what: "甲",
        what_to_do: "乙",
        sent: false,
        request: "r-9",
    };
    has(
        &error_page(&error, &ctx()),
        &["出错了", "甲", "乙", "r-9", "data-keep-drafts"],
    );
}

#[test]
fn the_same_page_is_the_same_bytes() {
    assert_eq!(
        render(&hostile::page("a"), &ctx()),
        render(&hostile::page("a"), &ctx())
    );
}

fn runs_nothing(text: &str) -> Result<(), String> {
    let page = hostile::page(text);
    let mut ctx = ctx();
    ctx.query.insert(text.to_owned(), vec![text.to_owned()]);
    ctx.query.insert("status".to_owned(), vec![text.to_owned()]);
    text.clone_into(&mut ctx.site.name.zh);
    text.clone_into(&mut ctx.csrf);
    let html = render(&page, &ctx);
    hostile::judge(&html)
}

#[test]
fn hostile_words_run_nothing() {
    for text in hostile::WORDS {
        runs_nothing(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_runs_anything(text in r#"[<>"'&/ =:()a-z\\\n`${}\[\]*#-]{0,40}"#) {
        prop_assert_eq!(runs_nothing(&text), Ok(()));
    }
}
