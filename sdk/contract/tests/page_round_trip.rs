//! A page document comes back from JSON as it went in, whatever its blocks hold: a block and its
//! body share one JSON object, so a name used by both would swallow one of them.

use proptest::prelude::*;
use sdk_contract::page::*;
use serde_json::Value;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z贷款\"<& ]{1,12}"]
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text())
}

fn tone() -> impl Strategy<Value = Tone> {
    prop::sample::select(vec![
        Tone::Neutral,
        Tone::Info,
        Tone::Success,
        Tone::Warning,
        Tone::Danger,
    ])
}

fn link() -> impl Strategy<Value = Link> {
    text().prop_map(|label| Link::new(label, "/a"))
}

fn file() -> impl Strategy<Value = FileRef> {
    (text(), any::<u64>()).prop_map(|(name, bytes)| FileRef {
        id: "f".into(),
        name,
        bytes,
        of: None,
    })
}

fn takes() -> impl Strategy<Value = LookTakes> {
    prop_oneof![
        Just(LookTakes::Reason),
        Just(LookTakes::Second),
        any::<i64>().prop_map(LookTakes::Waiting),
        any::<i64>().prop_map(LookTakes::Agreed),
    ]
}

fn datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        Just(Datum::None),
        text().prop_map(Datum::Text),
        any::<i64>().prop_map(Datum::Integer),
        any::<i64>().prop_map(Datum::Money),
        any::<i64>().prop_map(Datum::Time),
        (text(), text()).prop_map(|(amount, unit)| Datum::Quantity { amount, unit }),
        Just(Datum::ratio("0.0345")),
        Just(Datum::date("2026-11-24")),
        (text(), tone()).prop_map(|(label, tone)| Datum::status(label, tone)),
        (0..=100_u8).prop_map(Datum::Progress),
        (text(), maybe(), takes(), prop::option::of(1..9_u32)).prop_map(
            |(shown, id, takes, files)| Datum::Masked(Masked {
                shown,
                of: id.map(|id| Place {
                    collection: "things".into(),
                    id,
                    field: "phone".into(),
                }),
                takes,
                files,
            })
        ),
        link().prop_map(Datum::Link),
        file().prop_map(Datum::File),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let deed = prop_oneof![
        Just(Action::open("看", "/a")),
        Just(Action::download("取", "/a")),
        Just(Action::print("打印")),
        (maybe(), any::<bool>()).prop_map(|(record, fast)| {
            let send = Action::send("办", "thing.do").arg("fast", fast);
            match record {
                Some(id) => send.record(id),
                None => send,
            }
        }),
    ];
    (deed, text(), maybe(), prop::option::of(maybe())).prop_map(|(action, icon, off, ask)| {
        let mut action = action.icon(icon);
        action.off = off;
        action.confirm = ask.map(|reason| Confirm {
            reason,
            ..Confirm::new("问", "说", "好")
        });
        action
    })
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 0..3)
}

fn field() -> impl Strategy<Value = Field> {
    let one = || vec![Choice::new("1", "一").count(2)];
    let kind = prop::sample::select(vec![
        Field::area("a", "甲", 9),
        Field::number("a", "甲", Some(1), None, "人"),
        Field::money_wan("a", "甲", None, Some(9)),
        Field::ratio("a", "甲", Some(0), None),
        Field::date("a", "甲"),
        Field::pick_many("a", "甲", one()),
        Field::toggle("a", "甲"),
        Field::region("a", "甲"),
        Field::consent("a", "我同意", Link::new("看", "/a")),
        Field::file("a", "甲", 10),
        Field::hidden("a", "x"),
    ]);
    (kind, any::<bool>(), text(), maybe(), maybe()).prop_map(
        |(field, required, hint, help, source)| Field {
            required,
            source,
            help,
            ..field.hint(hint).when("b", ["1"])
        },
    )
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact =
        (text(), datum(), maybe()).prop_map(|(label, value, help)| Fact { label, value, help });
    prop::collection::vec(fact, 0..3)
}

fn table() -> impl Strategy<Value = Table> {
    (datum(), actions(), field(), maybe(), text()).prop_map(
        |(cell, actions, filter, search, empty)| Table {
            rows: vec![Row {
                actions: actions.clone(),
                ..Row::new("r", vec![cell.clone()]).to("/r")
            }],
            filters: vec![filter],
            search,
            totals: vec![cell],
            bulk: actions,
            empty,
            ..Table::new(vec![Column::new("a", "甲", 0).sortable()]).paging(1, 20, 40)
        },
    )
}

fn cards() -> impl Strategy<Value = Cards> {
    (maybe(), facts(), actions(), field(), text()).prop_map(
        |(words, facts, actions, filter, empty)| {
            let card = Card {
                subtitle: words.clone(),
                text: words.clone(),
                facts,
                actions,
                ..Card::new("卡")
                    .tag("标", Tone::Info)
                    .icon("coin", Tone::Info)
            };
            Cards {
                filters: vec![filter],
                search: words,
                empty,
                ..Cards::new(CardLook::Product, vec![card])
            }
        },
    )
}

fn form() -> impl Strategy<Value = Form> {
    (prop::collection::vec(field(), 0..3), any::<bool>()).prop_map(|(fields, drafts)| Form {
        groups: vec![Group {
            title: Some("组".into()),
            fields,
        }],
        drafts,
        ..Form::new("f", Action::send("提交", "thing.save").record("r"))
    })
}

fn timeline() -> impl Strategy<Value = Timeline> {
    (text(), maybe(), prop::option::of(any::<i64>()), file()).prop_map(|(title, note, at, file)| {
        Timeline {
            moments: vec![Moment {
                at,
                note: note.clone(),
                who: note,
                due: at,
                ..Moment::new(title, Mark::Current).file(file)
            }],
            across: true,
        }
    })
}

fn shape(which: usize, n: f64) -> Shape {
    let parts = || {
        vec![
            Part::new("甲", n),
            Part::new("乙", 1.0),
            Part::new("丙", 2.0),
        ]
    };
    let axis = || Axis::new(["一"]).series(Series::new("列", [n]).as_line());
    match which {
        0 => Shape::Line(axis()),
        1 => Shape::Bar(axis()),
        2 => Shape::Rank { parts: parts() },
        3 => Shape::Gauge(Gauge {
            amount: n,
            min: 0.0,
            max: 1.0,
            label: "好".into(),
            bands: vec![Band::new(0.5, "低", Tone::Danger)],
        }),
        4 => Shape::Roc(Roc {
            curves: vec![Curve {
                name: "模型".into(),
                points: vec![[0.0, 0.0], [0.25, 1.0]],
            }],
        }),
        _ => Shape::Radar(Radar {
            axes: parts(),
            series: vec![Series::new("列", [n, 1.0, 2.0])],
        }),
    }
}

fn chart() -> impl Strategy<Value = Chart> {
    (any::<i32>(), text(), text(), 0..6_usize).prop_map(|(n, summary, unit, which)| {
        Chart::new(shape(which, f64::from(n)), summary).unit(unit)
    })
}

fn notice() -> impl Strategy<Value = Notice> {
    (tone(), text(), text(), actions()).prop_map(|(tone, lead, text, actions)| Notice {
        tone,
        lead,
        text,
        actions,
    })
}

fn stat() -> impl Strategy<Value = Stat> {
    (text(), datum(), tone(), maybe()).prop_map(|(label, value, tone, change)| Stat {
        change,
        spark: vec![0.5, 1.5],
        ..Stat::new(label, value).icon("coin", tone).to("/a")
    })
}

fn job() -> impl Strategy<Value = Job> {
    (text(), 0..=100_u8, text(), prop::option::of(link())).prop_map(
        |(name, percent, note, done)| Job {
            name,
            percent,
            state: JobState::Failed,
            note,
            done,
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        text().prop_map(|text| Body::Prose { text }),
        notice().prop_map(Body::Notice),
        stat().prop_map(|stat| Body::Stats { stats: vec![stat] }),
        (facts(), 0..4_u8).prop_map(|(facts, across)| Body::Details { facts, across }),
        table().prop_map(Body::Table),
        cards().prop_map(Body::Cards),
        form().prop_map(Body::Form),
        timeline().prop_map(Body::Timeline),
        chart().prop_map(Body::Chart),
        (file(), text()).prop_map(|(file, empty)| Body::Files {
            files: vec![file],
            empty,
        }),
        actions().prop_map(|actions| Body::Actions { actions }),
        job().prop_map(Body::Job),
        (text(), text()).prop_map(|(collection, record)| Body::History { collection, record }),
        (text(), text()).prop_map(|(collection, record)| Body::Signatures { collection, record }),
        Just(Body::Unknown),
    ]
}

fn block() -> impl Strategy<Value = Block> {
    let frame = (
        maybe(),
        maybe(),
        prop::option::of(link()),
        0..=12_u8,
        prop::option::of(1..600_u16),
    );
    (body(), frame).prop_map(|(body, (title, help, more, span, live))| Block {
        title,
        help,
        more,
        span,
        live,
        ..Block::new("b", body)
    })
}

proptest! {
    #[test]
    fn every_kind_of_block_comes_back_as_it_went(blocks in prop::collection::vec(block(), 1..4)) {
        let page = Page::new("页").section(Section::tabs().title("节").blocks(blocks));
        let sent = serde_json::to_string(&page).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Page>(&sent).unwrap(), &page);
        let value = serde_json::to_value(&page).unwrap();
        prop_assert_eq!(&serde_json::from_value::<Page>(value).unwrap(), &page);
    }

    /// Apart from the journey, so that a clash is named before anything gets lost in it.
    #[test]
    fn no_kind_uses_a_name_of_the_block_itself(block in block()) {
        let body: Value = serde_json::to_value(&block.body).unwrap();
        for name in ["id", "title", "help", "more", "span", "live"] {
            prop_assert!(body.get(name).is_none(), "{name} is the block's own: {body}");
        }
    }
}
