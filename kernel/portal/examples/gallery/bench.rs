//! Sample pages of the staff's side.
#![expect(clippy::too_many_lines, reason = "sample data")]
#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "a page author imports the whole vocabulary"
    )
)]

use sdk_contract::page::*;

use crate::pages::{DAY, T, moments};

pub(super) fn queue() -> Page {
    let names = [
        "沪翼科技",
        "锦禾食品",
        "申江精密机械（上海）",
        "浦航物流",
        "青禾农业",
        "臻芯半导体",
        "云栖文化传播",
        "宏远建筑工程",
    ];
    let states = [
        ("待审批", Tone::Warning),
        ("尽调中", Tone::Info),
        ("补正中", Tone::Danger),
        ("已通过", Tone::Success),
        ("已拒绝", Tone::Neutral),
    ];
    let rows = names
        .iter()
        .zip(states.iter().cycle())
        .zip(0_i64..)
        .map(|((name, state), i)| {
            let (state, tone) = *state;
            let key = format!("SQ2026112300{}", 10 + i);
            Row::new(
                key.clone(),
                vec![
                    Datum::text(&key),
                    Datum::text(format!("上海{name}有限公司")),
                    Datum::text("科创助力贷"),
                    Datum::Money((300 - 27 * i) * 1_000_000),
                    Datum::Integer(782 - 31 * i),
                    Datum::status(state, tone),
                    Datum::Progress(u8::try_from(90 - 10 * i).unwrap_or(0)),
                    Datum::Masked(Masked {
                        shown: "138****1234".into(),
                        of: Some(Place {
                            collection: "lending.applications".into(),
                            id: "t".into(),
                            field: "phone".into(),
                        }),
                        ..Masked::default()
                    }),
                    Datum::Time(T + i * DAY),
                ],
            )
            .to(format!("/lending/applications/{key}"))
            .action(Action::open("办理", format!("/lending/applications/{key}")).primary())
            .action(
                Action::send("转办", "application.forward")
                    .record(key)
                    .quiet(),
            )
        });
    let table = Table::new(vec![
        Column::new("number", "申请编号", 1),
        Column::new("name", "企业名称", 0),
        Column::new("product", "产品", 2),
        Column::new("amount", "申请金额", 1).sortable(),
        Column::new("score", "信用分", 3).sortable(),
        Column::new("status", "状态", 1),
        Column::new("progress", "进度", 3),
        Column::new("phone", "联系电话", 3),
        Column::new("at", "申请时间", 3),
    ])
    .rows(rows)
    .filter(Field::pick(
        "status",
        "状态",
        states.map(|(w, _)| Choice::new(w, w)).to_vec(),
    ))
    .filter(Field::pick(
        "product",
        "产品",
        vec![Choice::new("a", "科创助力贷").count(7)],
    ))
    .filter(Field::date("from", "申请日期起"))
    .search("企业名称 / 编号")
    .bulk(Action::send("批量转办", "application.forward-all"))
    .bulk(Action::send("批量退回", "application.return-all").confirm(
        Confirm::new("退回所选申请", "企业会收到通知，可修改后再次提交。", "退回").reason("理由"),
    ))
    .paging(1, 8, 186);
    Page::new("贷款审批")
        .shell(Shell::Bench)
        .under("工作台", "/lending/queue")
        .action(
            Action::open("新建线下进件", "/lending/new")
                .icon("plus")
                .primary(),
        )
        .block(Block::stats(
            "today",
            vec![
                Stat::new("待我审批", Datum::Integer(14))
                    .icon("clipboard-list", Tone::Warning)
                    .spark(vec![3.0, 4.0, 3.5, 6.0, 7.0, 9.0, 11.0]),
                Stat::new("本月受理", Datum::Integer(186))
                    .icon("inbox", Tone::Neutral)
                    .change("0.124")
                    .spark(vec![4.0, 6.0, 5.0, 7.0, 6.0, 9.0, 11.0]),
                Stat::new("本月放款", Datum::Money(23_900_000_000))
                    .icon("coin", Tone::Success)
                    .change("0.083")
                    .spark(vec![2.0, 3.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
                Stat::new("平均审批时长", Datum::quantity("2.6", "天"))
                    .icon("clock", Tone::Info)
                    .change("-0.15")
                    .spark(vec![9.0, 7.0, 7.0, 5.0, 5.0, 5.0, 4.5]),
            ],
        ))
        .block(Block::table("queue", table).title("审批队列"))
}

pub(super) fn detail() -> Page {
    let facts = vec![
        Fact::new("申请编号", Datum::text("SQ202611230010")),
        Fact::new("申请产品", Datum::link("科创助力贷", "/market/products/2")),
        Fact::new("申请金额", Datum::Money(300_000_000)),
        Fact::new("期限", Datum::quantity(12, "个月")),
        Fact::new("用途", Datum::text("采购原材料、支付研发人员薪酬")),
        Fact::new("担保方式", Datum::text("信用")),
        Fact::new("统一社会信用代码", Datum::text("91310115MA1K4XXX7Y")),
        Fact::new(
            "法定代表人",
            Datum::Masked(Masked {
                shown: "张**".into(),
                of: Some(Place {
                    collection: "lending.applications".into(),
                    id: "t".into(),
                    field: "phone".into(),
                }),
                ..Masked::default()
            }),
        ),
        Fact::new("注册资本", Datum::Money(1_000_000_000)).help("市场监管局 2026-11-01"),
        Fact::new("行业", Datum::text("I65 软件和信息技术服务业")),
        Fact::new(
            "标签",
            Datum::Tags(vec![
                Status::new("高新技术企业", Tone::Info),
                Status::new("专精特新", Tone::Info),
            ]),
        ),
        Fact::new(
            "授权状态",
            Datum::status("已授权至 2027-03-31", Tone::Success),
        ),
    ];
    let axes = [
        "偿债能力",
        "社会责任",
        "履约记录",
        "创新能力",
        "经营稳定",
        "盈利能力",
    ];
    let radar = Radar {
        axes: axes.map(|a| Part::new(a, 100.0)).to_vec(),
        series: vec![
            Series::new("本企业", [75.0, 71.0, 88.0, 93.0, 81.0, 66.0]),
            Series::new("行业均值", [60.0, 62.0, 61.0, 55.0, 66.0, 63.0]),
        ],
    };
    let quarters = [
        "23Q4", "24Q1", "24Q2", "24Q3", "24Q4", "25Q1", "25Q2", "25Q3",
    ];
    let revenue = Axis::new(quarters)
        .series(Series::new(
            "营业收入",
            [412.0, 387.0, 446.0, 470.0, 530.0, 498.0, 560.0, 604.0],
        ))
        .series(
            Series::new("纳税额", [21.0, 19.0, 24.0, 25.0, 31.0, 27.0, 33.0, 36.0])
                .as_line()
                .second_axis(),
        );
    let parts = vec![
        Part::new("近十二个月纳税额", 38.0),
        Part::new("社保缴纳人数", 21.5),
        Part::new("用电量同比", 12.0),
        Part::new("被执行记录", -9.5),
        Part::new("成立年限", -14.0),
    ];
    let pdf = |id: &str, name: &str, bytes| FileRef {
        id: id.into(),
        name: name.into(),
        bytes,
        of: None,
    };
    let form = Form::new(
        "decide",
        Action::send("提交审批", "application.decide").record("SQ10"),
    )
    .field(
        Field::pick(
            "verdict",
            "结论",
            vec![
                Choice::new("approve", "同意"),
                Choice::new("return", "退回补正"),
                Choice::new("reject", "拒绝"),
            ],
        )
        .required()
        .wide()
        .initial("approve"),
    )
    .field(
        Field::money_wan("amount", "批准金额", None, Some(300_000_000))
            .required()
            .when("verdict", ["approve"])
            .initial("2600000.00")
            .help("不超过申请金额 300 万元"),
    )
    .field(
        Field::ratio("rate", "执行利率", None, None)
            .required()
            .when("verdict", ["approve"])
            .initial("0.0325"),
    )
    .field(
        Field::date("until", "额度有效期至")
            .required()
            .when("verdict", ["approve"])
            .initial("2027-11-22"),
    )
    .field(
        Field::area("opinion", "审批意见", 500)
            .required()
            .hint("请填写不少于 5 个字的审批意见"),
    )
    .field(Field::consent(
        "met",
        "本人已完成面签与反洗钱核查",
        Link::new("查看要求", "/help/1"),
    ));
    Page::new("上海沪翼科技有限公司")
        .shell(Shell::Bench)
        .guarded()
        .status("待审批", Tone::Warning)
        .subtitle("SQ202611230010 · 科创助力贷 · 300 万元")
        .under("工作台", "/lending/queue")
        .under("贷款审批", "/lending/queue")
        .action(Action::print("打印").icon("printer"))
        .action(Action::send("受理", "application.accept").record("SQ10").icon("check").off("已受理"))
        .section(
            Section::grid()
                .block(Block::details("facts", facts).title("申请信息").span(8))
                .block(Block::chart("radar", Chart::new(Shape::Radar(radar), "六维评价：创新能力 93、履约记录 88 明显高于行业均值，盈利能力 66 略高。")).title("信用评价 782 分").span(4)),
        )
        .block(Block::notice("risk", Notice::new(Tone::Info, "风险扫描：未发现重大风险", "近两年无失信、无重大行政处罚；涉诉 1 起（原告）；用电量同比 +14%。").action(Action::download("查看报告", "/files/r1").icon("download"))))
        .section(
            Section::grid()
                .block(Block::chart("revenue", Chart::new(Shape::Bar(revenue), "近八个季度营业收入由 412 万元增长到 604 万元，纳税额同步增长。").unit("万元")).title("营收与纳税（万元）").span(8))
                .block(Block::timeline("steps", moments()).title("办理过程").span(4)),
        )
        .section(
            Section::grid()
                .block(Block::chart("reasons", Chart::new(Shape::Rank { parts }, "基础分 734，各项合计 +48，得分 782。").unit("分")).title("评分理由").span(7))
                .block(Block::files("material", vec![pdf("f1", "营业执照.pdf", 482_304), pdf("f2", "近三月银行流水.xlsx", 92_160), pdf("f3", "2025 年审计报告.pdf", 3_460_300)]).title("申请材料").span(5)),
        )
        .block(Block::form(form).title("审批"))
}

pub(super) fn model() -> Page {
    let curve = vec![
        [0.0, 0.0],
        [0.02, 0.22],
        [0.05, 0.36],
        [0.1, 0.49],
        [0.18, 0.6],
        [0.27, 0.7],
        [0.4, 0.8],
        [0.55, 0.88],
        [0.75, 0.95],
        [1.0, 1.0],
    ];
    let lift = Axis::new((1..=10).map(|i| format!("{i}0%"))).series(Series::new(
        "坏账率",
        [0.02, 0.05, 0.08, 0.14, 0.2, 0.27, 0.36, 0.44, 0.55, 0.71],
    ));
    Page::new("评分模型 · 德国信贷")
        .shell(Shell::Bench)
        .status("试运行", Tone::Info)
        .under("工作台", "/lending/queue")
        .section(
            Section::grid()
                .block(
                    Block::job(
                        "trial",
                        Job {
                            name: "批量试算".into(),
                            percent: 64,
                            state: JobState::Running,
                            note: "已完成 640 / 1000 行".into(),
                            done: None,
                        },
                    )
                    .title("任务")
                    .span(6),
                )
                .block(
                    Block::stats(
                        "speed",
                        vec![
                            Stat::new("单次评分", Datum::quantity(38, "微秒"))
                                .icon("bolt", Tone::Info),
                            Stat::new("消耗燃料", Datum::Integer(18_204))
                                .icon("flask", Tone::Neutral),
                        ],
                    )
                    .span(6),
                ),
        )
        .section(
            Section::grid()
                .block(
                    Block::chart(
                        "roc",
                        Chart::new(
                            Shape::Roc(Roc {
                                curves: vec![Curve {
                                    name: "本模型（AUC 0.776）".into(),
                                    points: curve,
                                }],
                            }),
                            "1,000 行试算：AUC 0.776，KS 0.43。",
                        ),
                    )
                    .title("ROC 曲线")
                    .span(6),
                )
                .block(
                    Block::chart(
                        "lift",
                        Chart::new(Shape::Line(lift), "分数越低坏账率越高，十档单调上升。"),
                    )
                    .title("分档坏账率")
                    .span(6),
                ),
        )
        .section(
            Section::tabs()
                .block(
                    Block::table(
                        "cases",
                        Table::new(vec![Column::new("n", "用例", 0)])
                            .empty("还没有金样例，请在模型包中加入 golden/*.json。"),
                    )
                    .title("金样例"),
                )
                .block(Block::prose("notes", "说明").title("说明")),
        )
}
