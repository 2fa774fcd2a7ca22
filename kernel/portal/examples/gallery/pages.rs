//! Sample pages of the public side.
#![expect(clippy::too_many_lines, reason = "sample data")]
#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "a page author imports the whole vocabulary"
    )
)]

use sdk_contract::page::*;

/// 2026-11-12 09:30 in Beijing.
pub(super) const T: i64 = 1_794_447_000_000_000;
pub(super) const DAY: i64 = 86_400_000_000;

pub(super) fn home() -> Page {
    let gauge = Chart::new(
        Shape::Gauge(Gauge {
            amount: 782.0,
            min: 300.0,
            max: 900.0,
            label: "良好".into(),
            bands: vec![
                Band::new(500.0, "较差", Tone::Danger),
                Band::new(600.0, "一般", Tone::Warning),
                Band::new(800.0, "良好", Tone::Info),
                Band::new(900.0, "优秀", Tone::Success),
            ],
        }),
        "融资信用分 782 分，等级良好，高于本市 76% 的同业企业，较上月提高 12 分。",
    )
    .unit("分");
    let menu = [
        ("一键测额", "calculator", Tone::Info),
        ("政策找人", "user-search", Tone::Success),
        ("续贷服务", "refresh", Tone::Warning),
        ("产品超市", "shopping-cart", Tone::Info),
        ("融资申请", "file-plus", Tone::Success),
        ("进度查询", "chart-line", Tone::Warning),
        ("信用分", "gauge", Tone::Info),
        ("企业认证", "certificate", Tone::Success),
    ];
    let menu =
        menu.map(|(title, icon, tone)| Card::new(title).icon(icon, tone).to("/lending/quota"));
    let news = |items: [(&str, &str, &str); 3]| {
        Cards::new(
            CardLook::News,
            items
                .map(|(title, tag, day)| {
                    Card::new(title)
                        .to("/policy/1")
                        .tag(tag, Tone::Info)
                        .subtitle("市财政局")
                        .fact("日期", Datum::date(day))
                })
                .to_vec(),
        )
    };
    Page::new("企业服务中心")
        .status("已认证", Tone::Success)
        .subtitle("上海沪翼科技有限公司 · 91310115MA1K4XXX7Y")
        .action(
            Action::open("一键测额", "/lending/quota")
                .icon("calculator")
                .primary(),
        )
        .action(Action::open("发布融资需求", "/lending/requests/new").icon("file-plus"))
        .block(Block::notice(
            "todo",
            Notice::new(
                Tone::Warning,
                "您有 1 份材料待补充",
                "“科创助力贷”需补充近三个月银行流水，截止 2026-11-28。",
            )
            .action(Action::open("去补充", "/lending/applications/1").primary()),
        ))
        .section(
            Section::grid()
                .block(
                    Block::chart("score", gauge)
                        .title("融资信用分")
                        .more("查看详情", "/credit/score")
                        .span(4),
                )
                .block(
                    Block::stats(
                        "figures",
                        vec![
                            Stat::new("预估可贷额度", Datum::Money(386_000_000))
                                .icon("coin", Tone::Info)
                                .change("0.08"),
                            Stat::new("在途融资申请", Datum::Integer(2))
                                .icon("file-dollar", Tone::Neutral)
                                .to("/lending/applications"),
                            Stat::new("匹配惠企政策", Datum::Integer(17))
                                .icon("speakerphone", Tone::Success)
                                .change("0.21"),
                            Stat::new("30 天内到期贷款", Datum::Money(150_000_000))
                                .icon("alarm", Tone::Warning),
                        ],
                    )
                    .span(8),
                ),
        )
        .block(
            Block::cards("services", Cards::new(CardLook::Menu, menu.to_vec())).title("常用服务"),
        )
        .section(
            Section::main_and_side()
                .block(
                    Block::cards("advised", Cards::new(CardLook::Product, products(3)))
                        .title("为您推荐")
                        .help("根据您授权的纳税、社保和用电信息匹配"),
                )
                .block(
                    Block::timeline("progress", moments())
                        .title("科创助力贷 · 申请进度")
                        .more("全部申请", "/lending/applications"),
                ),
        )
        .section(
            Section::grid()
                .block(
                    Block::cards(
                        "policy",
                        news([
                            (
                                "关于实施中小微企业无还本续贷财政奖励的通知",
                                "贴息",
                                "2026-11-18",
                            ),
                            (
                                "专精特新中小企业贷款贴息申报指南（2026 年度第二批）",
                                "申报中",
                                "2026-11-15",
                            ),
                            (
                                "优化本市融资服务平台建设 提升中小微企业融资便利水平的实施意见",
                                "解读",
                                "2026-11-02",
                            ),
                        ]),
                    )
                    .title("政策资讯")
                    .span(6),
                )
                .block(
                    Block::cards(
                        "service-news",
                        news([
                            (
                                "“沪惠贷”进园区：专场银企对接会报名开启",
                                "活动",
                                "2026-11-20",
                            ),
                            ("11 月新增上线 12 款普惠信贷产品", "产品", "2026-11-17"),
                            (
                                "平台系统升级公告（11 月 29 日 0:00–4:00）",
                                "公告",
                                "2026-11-16",
                            ),
                        ]),
                    )
                    .title("服务资讯")
                    .span(6),
                ),
        )
}

fn products(count: usize) -> Vec<Card> {
    let all = [
        (
            "云税贷",
            "沪江银行",
            300,
            "0.0345",
            12,
            "纯信用",
            "政府贴息",
        ),
        (
            "科创助力贷",
            "浦城银行",
            1000,
            "0.032",
            36,
            "信用",
            "科创专属",
        ),
        (
            "沪惠抵押快贷",
            "东海银行",
            3000,
            "0.0295",
            120,
            "抵押",
            "额度高",
        ),
        (
            "浦惠税贷",
            "浦城农商银行",
            200,
            "0.0365",
            12,
            "纯信用",
            "秒批",
        ),
        (
            "鑫农乐贷",
            "浦城农商银行",
            500,
            "0.031",
            24,
            "担保",
            "农业专属",
        ),
        (
            "专精特新贷",
            "沪江银行",
            2000,
            "0.0285",
            36,
            "信用",
            "专精特新",
        ),
    ];
    all.iter()
        .cycle()
        .take(count)
        .map(|(name, bank, wan, rate, months, way, tag)| {
            Card::new(*name)
                .subtitle(*bank)
                .icon("building-bank", Tone::Info)
                .to("/market/products/1")
                .tag(*tag, Tone::Danger)
                .tag("全程线上", Tone::Info)
                .fact("最高额度", Datum::Money(wan * 1_000_000))
                .fact("年化利率(单利)", Datum::ratio(*rate))
                .fact("最长期限", Datum::quantity(months, "个月"))
                .fact("担保方式", Datum::text(*way))
                .action(Action::open("立即申请", "/lending/apply").primary())
                .action(Action::open("加入对比", "/market/compare").quiet())
        })
        .collect()
}

pub(super) fn moments() -> Vec<Moment> {
    vec![
        Moment::new("提交申请", Mark::Done)
            .at(T)
            .who("上海沪翼科技有限公司"),
        Moment::new("银行受理", Mark::Done)
            .at(T + DAY / 5)
            .who("浦城银行 徐汇支行"),
        Moment::new("尽职调查", Mark::Current)
            .at(T + 4 * DAY)
            .who("客户经理 王**")
            .note("请于 11 月 28 日前补充近三个月银行流水。")
            .due(T + 16 * DAY),
        Moment::new("审批", Mark::Waiting),
        Moment::new("签约放款", Mark::Waiting),
    ]
}

pub(super) fn market() -> Page {
    let pick = |name: &str, label: &str, words: &[(&str, u32)]| {
        Field::pick(
            name,
            label,
            words
                .iter()
                .map(|(w, n)| Choice::new(*w, *w).count(*n))
                .collect(),
        )
    };
    let cards = Cards::new(CardLook::Product, products(9))
        .filter(pick(
            "bank",
            "金融机构",
            &[
                ("沪江银行", 12),
                ("浦城银行", 11),
                ("东海银行", 10),
                ("浦城农商银行", 9),
            ],
        ))
        .filter(pick(
            "way",
            "担保方式",
            &[("信用", 46), ("抵押", 31), ("质押", 12), ("担保", 22)],
        ))
        .filter(pick(
            "term",
            "贷款期限",
            &[
                ("6 个月内", 5),
                ("1 年内", 9),
                ("1–3 年", 30),
                ("3 年以上", 12),
            ],
        ))
        .search("产品名称")
        .paging(1, 9, 111);
    Page::new("金融产品超市")
        .subtitle("32 家机构 · 111 款产品 · 平均年化利率 3.38%")
        .under("首页", "/")
        .under("融资服务", "/market")
        .action(
            Action::open("智能匹配", "/lending/quota")
                .icon("sparkles")
                .primary(),
        )
        .block(Block::cards("products", cards))
}

pub(super) fn apply() -> Page {
    let form = Form::new("apply", Action::send("提交申请", "application.submit"))
        .drafts()
        .group("企业信息")
        .field(
            Field::text("name", "企业名称", 100)
                .prefilled("上海沪翼科技有限公司", "市场监管局 2026-11-01")
                .readonly(),
        )
        .field(
            Field::text("uscc", "统一社会信用代码", 18)
                .prefilled("91310115MA1K4XXX7Y", "市场监管局 2026-11-01")
                .readonly(),
        )
        .field(Field::region("district", "所属区"))
        .group("融资需求")
        .field(
            Field::money_wan("amount", "申请金额", Some(1_000_000), Some(1_000_000_000))
                .required()
                .help("不超过产品上限 1000 万元"),
        )
        .field(
            Field::number("months", "期限", Some(1), Some(36), "个月")
                .required()
                .initial("12"),
        )
        .field(Field::ratio("rate", "可接受的最高年化利率", Some(0), Some(3600)).initial("0.0400"))
        .field(
            Field::pick(
                "guarantee",
                "担保方式",
                vec![
                    Choice::new("credit", "信用"),
                    Choice::new("pledge", "抵押"),
                    Choice::new("third", "担保"),
                ],
            )
            .required(),
        )
        .field(
            Field::text("collateral", "抵押物说明", 100)
                .required()
                .when("guarantee", ["pledge"]),
        )
        .field(
            Field::area("purpose", "资金用途", 200)
                .required()
                .hint("例如：采购原材料、支付研发人员薪酬"),
        )
        .field(Field::file("material", "补充材料", 10 << 20))
        .field(Field::toggle("renewal", "这是续贷"))
        .field(Field::consent(
            "agree",
            "我已阅读并同意",
            Link::new("《信息查询授权书》", "/consent/letters/1"),
        ));
    Page::new("申请贷款")
        .subtitle("科创助力贷 · 浦城银行 · 最高 1000 万元 · 年化 3.2%(单利)")
        .under("首页", "/")
        .under("产品超市", "/market/products")
        .section(
            Section::main_and_side()
                .block(Block::form(form).title("填写申请"))
                .block(Block::prose("promise", "## 办理承诺\n\n- 1 个工作日内受理\n- 3 个工作日内完成尽调\n- 5 个工作日内给出结论\n\n结论与理由会**以站内消息**告知，可在[我的申请](/lending/applications)查看。").title("办理须知")),
        )
}
