//! What people are told is there with the commit that told it, once for a key, and read by each for
//! themselves.

use kernel_storage::{COUNTED, NewNotice, Notice, Reader, Store, Told};
use serde_json::json;

use crate::bench::{NOW, commit, id, on_each_engine, order, put, shelf};

const BANK: u32 = 7001;
const OTHER: u32 = 7002;

fn notice(n: u32, organisation: u32, audience: &str, key: &str) -> NewNotice {
    NewNotice {
        id: id(n),
        organisation: id(organisation),
        audience: audience.into(),
        user: None,
        key: key.into(),
        told: Told {
            title: format!("第 {n} 条"),
            path: "/desk/orders".into(),
            ..Told::default()
        },
    }
}

async fn tell(store: &Store, at: i64, notices: Vec<NewNotice>) {
    let mut told = commit(vec![]);
    (told.at, told.notices) = (at, notices);
    store.commit(told).await.unwrap();
}

fn reader(user: u32, audiences: &[&str]) -> Reader {
    Reader {
        organisation: id(BANK),
        user: id(user),
        audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
    }
}

async fn seen(store: &Store, reader: &Reader) -> Vec<(String, bool)> {
    let found = store.notices(reader, None, 100).await.unwrap();
    let short = |n: Notice| (n.told.title, n.read);
    found.into_iter().map(short).collect()
}

#[tokio::test]
async fn a_notice_is_there_with_its_commit_and_not_without_it() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let all = reader(1, &["desk"]);
        let mut refused = commit(vec![order(2, json!({"colour": "red"}))]);
        refused.notices = vec![notice(1, BANK, "desk", "a")];
        store.commit(refused).await.unwrap_err();
        assert_eq!(seen(&store, &all).await, []);

        let mut taken = commit(vec![order(2, json!({}))]);
        taken.notices = vec![notice(1, BANK, "desk", "a")];
        store.commit(taken).await.unwrap();
        assert_eq!(seen(&store, &all).await, [("第 1 条".into(), false)]);
        // The same key to the same receivers changes nothing, and costs the commit nothing.
        let mut again = commit(vec![shelf(7)]);
        again.notices = vec![
            notice(2, BANK, "desk", "a"),
            notice(3, BANK, "desk", "b"),
            notice(4, BANK, "desk", "b"),
            notice(5, OTHER, "desk", "a"),
        ];
        store.commit(again).await.unwrap();
        let titles: Vec<String> = seen(&store, &all).await.into_iter().map(|n| n.0).collect();
        assert_eq!(titles, ["第 3 条", "第 1 条"], "newest first");
        assert!(put(&store, vec![shelf(7)]).await.is_err(), "it was written");
    })
    .await;
}

#[tokio::test]
async fn everybody_sees_their_own_and_has_read_for_themselves() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let to_one = NewNotice {
            user: Some(id(1)),
            ..notice(3, BANK, "desk", "c")
        };
        let notices = vec![
            notice(1, BANK, "desk", "a"),
            notice(2, BANK, "desk.order.read", "b"),
            to_one,
            notice(4, OTHER, "desk", "d"),
        ];
        tell(&store, NOW, notices).await;
        let (one, two) = (
            reader(1, &["desk", "desk.order.read"]),
            reader(2, &["desk"]),
        );
        let (nobody, whole) = (reader(1, &[]), one.clone());
        assert_eq!(seen(&store, &one).await.len(), 3);
        assert_eq!(seen(&store, &two).await, [("第 1 条".into(), false)]);
        assert_eq!(seen(&store, &nobody).await, []);
        let unread = async |reader: &Reader| store.unread_notices(reader).await.unwrap();
        assert_eq!((unread(&one).await, unread(&two).await), (3, 1));
        assert_eq!(unread(&nobody).await, 0);

        let mark = async |reader: &Reader, id: Option<String>| {
            store.notices_read(reader.clone(), id, NOW).await.unwrap()
        };
        assert_eq!(mark(&one, Some(id(1))).await, 1);
        assert_eq!(mark(&one, Some(id(1))).await, 0, "once");
        assert_eq!((unread(&one).await, unread(&two).await), (2, 1));
        // What one may not see, one does not mark.
        assert_eq!(mark(&two, Some(id(2))).await, 0);
        assert_eq!(mark(&two, Some(id(4))).await, 0);
        assert_eq!(store.notice(&two, &id(2)).await.unwrap(), None);
        assert!(store.notice(&one, &id(1)).await.unwrap().unwrap().read);
        assert_eq!(mark(&whole, None).await, 2);
        assert_eq!((unread(&one).await, unread(&two).await), (0, 1));
        // Whoever lost a permission and gets it back has still read what they had read.
        let narrow = reader(1, &["desk"]);
        assert_eq!(seen(&store, &narrow).await.len(), 2);
        assert!(seen(&store, &one).await.iter().all(|n| n.1));
    })
    .await;
}

#[tokio::test]
async fn many_are_paged_counted_to_a_bound_and_forgotten() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let total = COUNTED + 50;
        for n in 0..total {
            let at = NOW + i64::from(n);
            let one = notice(1000 + n, BANK, "desk", &format!("k{n}"));
            tell(&store, at, vec![one]).await;
        }
        let all = reader(1, &["desk"]);
        assert_eq!(store.unread_notices(&all).await.unwrap(), COUNTED);
        let (mut before, mut walked) = (None, Vec::new());
        loop {
            let page = store.notices(&all, before.as_deref(), 60).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id.clone());
            walked.extend(page.into_iter().map(|n| n.at));
        }
        let expected: Vec<i64> = (0..total).rev().map(|n| NOW + i64::from(n)).collect();
        assert_eq!(walked, expected, "each once, newest first");
        let marked = store.notices_read(all.clone(), None, NOW).await.unwrap();
        assert_eq!(marked, u64::from(total));
        assert_eq!(store.unread_notices(&all).await.unwrap(), 0);

        let gone = store.forget_notices(NOW + 100).await.unwrap();
        assert_eq!(gone, 100 + u64::from(total), "with the marks of before");
        let left = store.notices(&all, None, 100).await.unwrap();
        assert_eq!(left.last().unwrap().at, NOW + i64::from(total) - 100);
        assert_eq!(store.forget_notices(NOW + 100).await.unwrap(), 0);
        // What was forgotten may be told again.
        tell(&store, NOW + 1, vec![notice(1, BANK, "desk", "k1")]).await;
        assert_eq!(store.forget_notices(NOW + 2).await.unwrap(), 1);
    })
    .await;
}
