//! Search: everything is found by any part of it, alike on both engines and in memory, within the
//! rows that the asker may see, also while the index is still being built.

use kernel_storage::{QueryError, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::def::ModuleDef;
use sdk_contract::eval;
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::bench::{Bench, NOW, commit, id, object, on_each_engine};

/// A word of invented names, its spelling as people type it, its first letters.
type Word = (&'static str, &'static str, &'static str);

const PLACES: [Word; 10] = [
    ("临江", "linjiang", "lj"),
    ("重庆", "chongqing", "cq"),
    ("长沙", "changsha", "cs"),
    ("厦门", "xiamen", "xm"),
    ("青浦", "qingpu", "qp"),
    ("吕梁", "lvliang", "ll"),
    ("南湖", "nanhu", "nh"),
    ("西安", "xian", "xa"),
    ("乐清", "yueqing", "yq"),
    ("六安", "luan", "la"),
];
const MARKS: [Word; 12] = [
    ("融桥", "rongqiao", "rq"),
    ("云帆", "yunfan", "yf"),
    ("绿源", "lvyuan", "ly"),
    ("行知", "xingzhi", "xz"),
    ("佳禾", "jiahe", "jh"),
    ("启明", "qiming", "qm"),
    ("泽丰", "zefeng", "zf"),
    ("瑞长", "ruichang", "rc"),
    ("九曜", "jiuyao", "jy"),
    ("同乐", "tongle", "tl"),
    ("拓扑", "tuopu", "tp"),
    ("鑫磊", "xinlei", "xl"),
];
const TRADES: [Word; 6] = [
    ("精密机械", "jingmijixie", "jmjx"),
    ("生物科技", "shengwukeji", "swkj"),
    ("重工", "zhonggong", "zg"),
    ("农业发展", "nongyefazhan", "nyfz"),
    ("供应链管理", "gongyinglianguanli", "gylgl"),
    ("银行", "yinhang", "yh"),
];
const FIRMS: u32 = 360;

struct Firm {
    values: Value,
    /// Of its name: syllables, and a run of first letters.
    spelt: String,
    initials: String,
}

fn firm(n: u32) -> Firm {
    let pick = |all: &[Word], n: u32| all[n as usize % all.len()];
    let (place, mark, trade) = (pick(&PLACES, n), pick(&MARKS, n / 3), pick(&TRADES, n / 7));
    let suffix = ["有限公司", "（集团）股份有限公司", "·Lab 有限公司"][n as usize % 3];
    let mut seed = n;
    let mut digits = |count: usize, of: &str| -> String {
        let of: Vec<char> = of.chars().collect();
        let mut digit = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            of[(seed >> 16) as usize % of.len()]
        };
        (0..count).map(|_| digit()).collect()
    };
    let capital = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let spelt = format!("{}{}{}", place.1, mark.1, trade.1);
    Firm {
        values: json!({
            "name": format!("{}{}{}{suffix}", place.0, mark.0, trade.0),
            "code": format!("91{}MA{}", digits(6, "0123456789"), digits(8, capital)),
            "phone": format!("1{}", digits(10, "0123456789")),
            "number": format!("RQ-2026-{:06}", n * 7919 % 1_000_000),
            "about": format!("主营{}，服务{}及周边；“{}”品牌。{}", trade.0, place.0, mark.0, "稳健经营。".repeat(n as usize % 5)),
            "plain": mark.0,
        }),
        spelt,
        initials: format!("{}{}{}", place.2, mark.2, trade.2),
    }
}

fn fields(search: &[&str]) -> Value {
    let field = |name: &str, max: u32| {
        json!({"name": name, "label": {"zh": name, "en": ""}, "kind": "text", "max": max,
               "search": search.contains(&name)})
    };
    json!([
        field("name", 100),
        {"name": "code", "label": {"zh": "", "en": ""}, "kind": "code", "format": "uscc",
         "search": search.contains(&"code")},
        field("phone", 20),
        field("number", 32),
        field("about", 2000),
        field("plain", 20),
    ])
}

const SEARCHED: [&str; 5] = ["name", "code", "phone", "number", "about"];

fn register(search: &[&str]) -> ModuleDef {
    let label = json!({"zh": "", "en": ""});
    serde_json::from_value(json!({
        "id": "register", "label": label,
        "collections": [{
            "name": "firms", "entity": "firm", "label": label, "title": "name",
            "shard": "subject", "audited": true, "read": "firm.read", "fields": fields(search),
        }],
    }))
    .unwrap()
}

fn insert(n: u32, values: Value) -> Write {
    Write::Insert {
        collection: "firms".into(),
        id: id(n),
        subject: Some(id(9000 + n % 40)),
        organisation: Some(id(7000 + n % 3)),
        district: None,
        values: object(values),
    }
}

async fn put(store: &Store, writes: Vec<Write>) {
    let mut commit = commit(writes);
    commit.module = "register".into();
    store.commit(commit).await.unwrap();
}

async fn filled(bench: &Bench, search: &[&str]) -> Store {
    let store = bench.open().await;
    store.apply(&register(search), NOW).await.unwrap();
    for from in (0..FIRMS).step_by(60) {
        let firms = (from..from + 60).map(|n| insert(n, firm(n).values));
        put(&store, firms.collect()).await;
    }
    store
}

fn asked(text: &str) -> Query {
    Query::new("register.firms")
        .filter(Filter::search(text))
        .page(1, 200)
}

async fn found(store: &Store, query: &Query, rows: &RowFilter) -> (Vec<String>, u64) {
    let found = store.find(query, rows).await.unwrap();
    let ids = found.records.iter().map(|r| r["id"].as_str().unwrap());
    (ids.map(str::to_owned).collect(), found.total.unwrap())
}

/// The same question answered in memory, as the mock does.
fn in_memory(records: &[Map<String, Value>], query: &Query) -> (Vec<String>, u64) {
    let def = &register(&SEARCHED).collections[0];
    let answer = eval::answer(def, query, records.to_vec(), None, sdk_search::finds);
    let (found, _) = answer.unwrap();
    let ids = found.records.iter().map(|r| r["id"].as_str().unwrap());
    (ids.map(str::to_owned).collect(), found.total.unwrap())
}

#[tokio::test]
async fn every_record_is_found_by_any_part_of_it() {
    on_each_engine(async |bench| {
        let store = filled(bench, &SEARCHED).await;
        for n in 0..FIRMS {
            let firm = firm(n);
            let mut questions = vec![
                firm.spelt.clone(),
                firm.spelt.chars().take(5 + n as usize % 9).collect(),
                firm.initials.to_uppercase(),
            ];
            for field in SEARCHED {
                let chars: Vec<char> = firm.values[field].as_str().unwrap().chars().collect();
                let from = n as usize % (chars.len() - 2);
                let to = (from + 2 + n as usize % 5).min(chars.len());
                questions.push(chars[from..to].iter().collect());
            }
            let whole = firm.values["name"].as_str().unwrap();
            questions.push(format!(
                "{whole} {}",
                firm.values["number"].as_str().unwrap()
            ));
            for question in questions {
                // A part may be nothing but signs, with which nothing is found.
                if !question.chars().any(char::is_alphanumeric) {
                    continue;
                }
                // Within what it shares with others, its own row must be.
                let query = asked(&question).filter(Filter::eq("id", id(n)));
                let (ids, total) = found(&store, &query, &RowFilter::All).await;
                assert_eq!((ids, total), (vec![id(n)], 1), "{question} of {whole}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn xc_01_both_engines_and_memory_find_the_same() {
    on_each_engine(async |bench| {
        let store = filled(bench, &SEARCHED).await;
        let all = Query::new("register.firms").limit(200);
        let mut records = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = all.clone().after(&cursor, 200);
            let found = store.find(&page, &RowFilter::All).await.unwrap();
            records.extend(found.records);
            match found.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(records.len(), FIRMS as usize);
        let questions = [
            "融",
            "融桥",
            "重庆 银行",
            "（集团）",
            "lab",
            "LAB有限",
            "cq",
            "chongqing",
            "ongqing",
            "changs",
            "yinhang",
            "rq",
            "2026",
            "20260",
            "００７９",
            "91",
            "ma",
            "1 3",
            "%",
            "_",
            "'",
            "\"",
            "\" OR \"",
            "'|'",
            "稳健经营",
            "稳健经营稳健",
            "经营。稳",
            "lvyuan",
            "luyuan",
            "yueqing",
            "leqing",
            "西安 xian",
            "没有的",
            "zz",
            "\u{e000}",
            "NEAR(融 桥)",
            "有限公司",
            "a",
            "8",
        ];
        for question in questions {
            let query = asked(question);
            let (ids, total) = found(&store, &query, &RowFilter::All).await;
            assert_eq!((ids, total), in_memory(&records, &query), "{question}");
            let negated = Query::new("register.firms")
                .filter(Filter::search(question).not())
                .page(1, 200);
            let (_, others) = found(&store, &negated, &RowFilter::All).await;
            assert_eq!(total + others, u64::from(FIRMS), "{question}");
        }
        // Named fields only, and none that is not searched.
        let named = |fields: &[&str]| Filter::Search {
            text: "融桥".into(),
            fields: fields.iter().map(|f| (*f).to_owned()).collect(),
        };
        let query = Query::new("register.firms")
            .filter(named(&["number"]))
            .page(1, 9);
        assert_eq!(found(&store, &query, &RowFilter::All).await.1, 0);
        let query = Query::new("register.firms").filter(named(&["plain"]));
        let refused = store.find(&query, &RowFilter::All).await;
        assert!(matches!(refused, Err(QueryError::Unsuited { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_search_counts_only_what_the_asker_may_see() {
    on_each_engine(async |bench| {
        let store = filled(bench, &SEARCHED).await;
        let query = asked("rongqiao");
        let (_, all) = found(&store, &query, &RowFilter::All).await;
        assert!(all > 20);
        let mut seen = 0;
        for n in 0..3 {
            let rows = RowFilter::Organisations(vec![id(7000 + n)]);
            let (ids, total) = found(&store, &query, &rows).await;
            assert_eq!(ids.len() as u64, total);
            let count = Aggregate {
                filter: query.filter.clone(),
                ..Aggregate::new("register.firms", vec![Measure::Count])
            };
            let groups = store.aggregate(&count, &rows).await.unwrap();
            assert_eq!(groups[0].measures, [json!(total)]);
            seen += total;
        }
        assert_eq!(seen, all);
        assert_eq!(found(&store, &query, &RowFilter::None).await.1, 0);
        let faceted = query.clone().facet("plain");
        let facets = store.find(&faceted, &RowFilter::All).await.unwrap().facets;
        assert_eq!(
            (facets[0].values[0].value.clone(), facets[0].values[0].count),
            (json!("融桥"), all)
        );
    })
    .await;
}

#[tokio::test]
async fn the_index_follows_every_change() {
    on_each_engine(async |bench| {
        let store = filled(bench, &SEARCHED).await;
        let total = async |text: &str| found(&store, &asked(text), &RowFilter::All).await.1;
        let update = |revision, values| Write::Update {
            collection: "firms".into(),
            id: id(5),
            revision,
            values: object(values),
        };
        assert_eq!(total("凤凰台").await, 0);
        put(
            &store,
            vec![update(1, json!({"name": "凤凰台文化", "plain": "x"}))],
        )
        .await;
        assert_eq!((total("凤凰台").await, total("fhtwh").await), (1, 1));
        put(
            &store,
            vec![update(2, json!({"name": "麒麟阁", "about": null}))],
        )
        .await;
        assert_eq!((total("凤凰台").await, total("qilinge").await), (0, 1));

        // A commit that fails leaves nothing in the index.
        let mut failing = commit(vec![
            insert(900, json!({"name": "昙花一现"})),
            update(1, json!({"name": "旧版"})),
        ]);
        failing.module = "register".into();
        assert!(store.commit(failing).await.is_err());
        assert_eq!((total("昙花").await, total("旧版").await), (0, 0));

        // As it was before the changes.
        let then = Timestamp::from_micros(NOW - 1);
        let before = asked("麒麟阁").as_of(then);
        assert_eq!(found(&store, &before, &RowFilter::All).await.1, 0);
    })
    .await;
}

#[tokio::test]
async fn a_field_becomes_searchable_and_the_building_goes_on_after_a_stop() {
    on_each_engine(async |bench| {
        let store = filled(bench, &["name"]).await;
        let more = (FIRMS..FIRMS + 700).map(|n| insert(n, json!({"about": format!("条目{n}号")})));
        put(&store, more.collect()).await;
        let refused = store.find(&about("条目"), &RowFilter::All).await;
        assert!(matches!(refused, Err(QueryError::Unsuited { .. })));
        store.apply(&register(&SEARCHED), NOW).await.unwrap();
        let query = asked("条目1059号");
        assert_eq!(
            found(&store, &query, &RowFilter::All).await,
            (vec![id(1059)], 1)
        );
        let state = store.search_state().await.unwrap();
        assert_eq!((state.ready.len(), state.waiting.len()), (5, 0));
        store.close().await;

        // As a restore leaves it: records without an index.
        bench.tamper("DELETE FROM kernel__search_state").await;
        let store = bench.open().await;
        let building = store.find(&query, &RowFilter::All).await;
        assert!(matches!(building, Err(QueryError::Indexing(_))));
        assert!(!store.index_search().await.unwrap());
        store.close().await;

        let store = bench.open().await;
        assert_eq!(store.search_state().await.unwrap().waiting.len(), 5);
        // A record changed meanwhile is indexed by its own commit, and once.
        let change = Write::Update {
            collection: "firms".into(),
            id: id(1059),
            revision: 1,
            values: object(json!({"about": "改名7788"})),
        };
        put(&store, vec![change]).await;
        while !store.index_search().await.unwrap() {}
        assert_eq!(found(&store, &query, &RowFilter::All).await.1, 0);
        assert_eq!(
            found(&store, &asked("gaiming 7788"), &RowFilter::All)
                .await
                .1,
            0
        );
        assert_eq!(
            found(&store, &asked("改名7788"), &RowFilter::All).await.1,
            1
        );
        assert_eq!(found(&store, &asked("条目"), &RowFilter::All).await.1, 699);

        // No search field any more, and again: nothing stale is found.
        store.apply(&register(&["name"]), NOW).await.unwrap();
        let change = Write::Update {
            collection: "firms".into(),
            id: id(1059),
            revision: 2,
            values: object(json!({"about": "又改"})),
        };
        put(&store, vec![change]).await;
        store.apply(&register(&SEARCHED), NOW).await.unwrap();
        assert_eq!(
            found(&store, &asked("改名7788"), &RowFilter::All).await.1,
            0
        );
        assert_eq!(found(&store, &asked("又改"), &RowFilter::All).await.1, 1);
    })
    .await;
}

fn about(text: &str) -> Query {
    Query::new("register.firms").filter(Filter::Search {
        text: text.into(),
        fields: vec!["about".into()],
    })
}
