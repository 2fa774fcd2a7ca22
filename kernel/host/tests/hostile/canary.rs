//! What a caller may not see is never in a plugin's memory, in whatever form. The plugin here is as
//! curious as one can be: it reads all that the kernel lets it, and then hands over the whole of its
//! linear memory.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kernel_host::Act;
use kernel_identity::principal::Principal;
use kernel_storage::Commit;
use sdk_contract::call::Write;
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use serde_json::{Value, json};

use crate::plugin_guest::{PluginGuest, SEEDED, TESTER};
use crate::stage::Stage;
use crate::support::{NOW, person};

/// May see everything.
const KEEPER: &str = "keeper";
/// May see what is about its own party.
const OWNER: &str = "owner";
const OTHER: &str = "01930000-0000-7000-8000-00000000a003";
const OWN_PARTY: &str = "01930000-0000-7000-8000-00000000b001";
const OTHER_PARTY: &str = "01930000-0000-7000-8000-00000000b002";

/// Stored in the record of the own party and in that of the other one: one masked in a text, one in
/// a text that lies in a plain column, one left out with a document, one that only the row scope
/// keeps back.
const NUMBERS: [&str; 2] = ["4711-烛火-31010119900101", "5822-灯影-31010119900101"];
const WORDS: [&str; 2] = ["6611-word-of-canary", "7733-word-of-canary"];
const FIGURES: [&str; 2] = ["8811-figure-of-canary", "9922-figure-of-canary"];
const TITLES: [&str; 2] = ["2201-title-canary", "3302-title-canary"];

const FIND: &str =
    r#"(import "rongqiao:plugin/storage@0.1.0" "find" (func $read (param i32 i32 i32)))"#;
const AGGREGATE: &str =
    r#"(import "rongqiao:plugin/storage@0.1.0" "aggregate" (func $read (param i32 i32 i32)))"#;

/// Reads, and replies with every byte of memory in hex: `{"result":"…"}`, written behind them.
const DUMPS: &str = "
  (local $size i32) (local $at i32) (local $to i32) (local $half i32) (local $shift i32)
  (call $read (i32.const {at}) (i32.const {len}) (i32.const 16))
  (local.set $size (i32.mul (memory.size) (i32.const 65536)))
  (drop (memory.grow (i32.add (i32.mul (memory.size) (i32.const 2)) (i32.const 1))))
  (i64.store (local.get $size) (i64.const 0x746c75736572227b))
  (i32.store offset=8 (local.get $size) (i32.const 0x223a22))
  (local.set $to (i32.add (local.get $size) (i32.const 11)))
  (loop $bytes
    (local.set $shift (i32.const 4))
    (loop $halves
      (local.set $half (i32.and (i32.const 15)
        (i32.shr_u (i32.load8_u (local.get $at)) (local.get $shift))))
      (i32.store8 (local.get $to) (i32.add
        (i32.add (local.get $half) (i32.const 48))
        (i32.mul (i32.gt_u (local.get $half) (i32.const 9)) (i32.const 39))))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (local.set $shift (i32.sub (local.get $shift) (i32.const 4)))
      (br_if $halves (i32.eqz (local.get $shift))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $bytes (i32.lt_u (local.get $at) (local.get $size))))
  (i32.store16 (local.get $to) (i32.const 0x7d22))
  (i32.store (i32.const 64) (i32.const 0))
  (i32.store offset=4 (i32.const 64) (local.get $size))
  (i32.store offset=8 (i32.const 64)
    (i32.sub (i32.add (local.get $to) (i32.const 2)) (local.get $size)))
  (i32.const 64)";

fn curious(id: &str, import: &'static str, question: &str) -> PluginGuest {
    PluginGuest::calm(id)
        .imports(import, question)
        .page_says("{}")
        .act_runs(DUMPS)
        .declares(|def| {
            let label = json!({ "zh": "项", "en": "" });
            let things = &mut def["collections"][0];
            things["shard"] = "subject".into();
            things["audited"] = true.into();
            things["retention"] = json!({ "purpose": "试验" });
            things["fields"].as_array_mut().unwrap().extend([
                json!({ "name": "number", "label": label, "kind": "text", "max": 40,
                    "encrypted": true, "mask": "all", "level": "L3", "reveal": "thing.reveal" }),
                json!({ "name": "word", "label": label, "kind": "text", "max": 40, "search": true,
                    "level": "L2", "mask": "all", "reveal": "thing.reveal" }),
                json!({ "name": "figure", "label": label, "kind": "json",
                    "level": "L2", "mask": "hidden", "reveal": "thing.reveal" }),
                json!({ "name": "other", "label": label, "kind": "ref", "to": "things" }),
            ]);
            let grant = |role: &str, scope: &str| json!({ "role": role, "scope": scope });
            let all = [
                grant(TESTER, "all"),
                grant(KEEPER, "all"),
                grant(OWNER, "own"),
            ];
            for permission in def["permissions"].as_array_mut().unwrap() {
                permission["grants"] = json!(all);
            }
            def["permissions"].as_array_mut().unwrap().push(json!({
                "name": "thing.reveal", "label": label,
                "grants": [grant(KEEPER, "all"), grant(OWNER, "own")],
            }));
            // What it declares is in its memory, so it declares none of the canaries.
            def["seeds"] = json!([]);
        })
}

/// The two records of a plugin, written past it.
async fn plant(stage: &Stage, plugin: &str) {
    let row = |at: usize, id: &str, party: &str, other: Value| Write::Insert {
        collection: "things".into(),
        id: id.into(),
        subject: Some(party.into()),
        organisation: None,
        district: None,
        values: serde_json::from_value(json!({
            "title": TITLES[at], "status": "draft", "number": NUMBERS[at], "word": WORDS[at],
            "figure": { "score": [FIGURES[at]] }, "other": other,
        }))
        .unwrap(),
    };
    let commit = Commit {
        at: NOW,
        module: plugin.into(),
        writes: vec![
            row(1, OTHER, OTHER_PARTY, Value::Null),
            row(0, SEEDED, OWN_PARTY, json!(OTHER)),
        ],
        ..Commit::default()
    };
    stage.host().store().commit(commit).await.unwrap();
}

/// Everything that a plugin can ask of its own records.
fn questions() -> Vec<(&'static str, String)> {
    let all = || Query::new("things").limit(20);
    let along = json!([{ "field": "other", "read": ["number", "word", "figure", "title"] }]);
    let mut joined = serde_json::to_value(all()).unwrap();
    joined["with"] = along;
    let finds = [
        json!(all()),
        json!(all().filter(Filter::eq("id", OTHER))),
        json!(all().sort("word", true)),
        json!(all().filter(Filter::eq("word", WORDS[0]))),
        json!(all().filter(Filter::search("canary"))),
        json!(Query {
            as_of: Some("2026-11-23T08:00:01.000000Z".into()),
            ..all()
        }),
        joined,
    ];
    let smallest = Aggregate::new("things", vec![Measure::Min("title".into()), Measure::Count]);
    let grouped = Aggregate {
        group_by: vec!["other".into()],
        ..Aggregate::new("things", vec![Measure::Max("word".into())])
    };
    let finds = finds.iter().map(|q| (FIND, q.to_string()));
    let sums = [json!(smallest), json!(grouped)];
    let sums = sums.iter().map(|q| (AGGREGATE, q.to_string()));
    finds.chain(sums).collect()
}

/// A plugin's memory, in hex, after it has read as somebody.
async fn memory(stage: &Stage, plugin: &str, p: &Principal) -> String {
    let act = Act {
        module: plugin.into(),
        action: "thing.add".into(),
        input: json!({}),
        ..Act::default()
    };
    let reply = stage.host().act(p, act).await.unwrap();
    let memory = reply.result.as_str().unwrap();
    assert_eq!(memory.len() % (2 * 65_536), 0, "whole pages");
    assert!(!memory.is_empty());
    memory.to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A text as it may lie in memory: in two encodings, and in base64 wherever its first byte falls.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let wide = |of: fn(u16) -> [u8; 2]| units.iter().flat_map(|unit| of(*unit)).collect();
    let mut forms = vec![
        text.as_bytes().to_vec(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
    ];
    for before in 0..3 {
        let padded = [&vec![b' '; before][..], text.as_bytes()].concat();
        let encoded = STANDARD_NO_PAD.encode(padded);
        // Without the digits that also hold bits of what stands before and behind.
        let inner = &encoded.as_bytes()[if before == 0 { 0 } else { 4 }..encoded.len() - 4];
        forms.push(inner.to_vec());
    }
    forms
}

/// Whether a memory, in hex, holds a text.
fn holds(memory: &str, text: &str) -> bool {
    forms(text).iter().any(|form| memory.contains(&hex(form)))
}

#[test]
fn every_form_of_a_text_is_looked_for() {
    let text = NUMBERS[0];
    let json = json!({ "a": text }).to_string();
    let json = hex(json.as_bytes());
    assert!(holds(&json, text) && !holds(&json, NUMBERS[1]));
    for before in ["", "x", "xy", "xyz"] {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{text}behind"));
        let encoded = hex(encoded.as_bytes());
        assert!(holds(&encoded, text), "{before}");
        assert!(!holds(&encoded, NUMBERS[1]));
    }
    for of in [u16::to_le_bytes, u16::to_be_bytes] {
        let wide: Vec<u8> = text.encode_utf16().flat_map(of).collect();
        let wide = hex(&wide);
        assert!(holds(&wide, text) && !holds(&wide, NUMBERS[1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dj_18_what_a_caller_may_not_see_is_nowhere_in_a_guests_memory() {
    let questions = questions();
    let guests = questions.iter().zip(0..);
    let guests: Vec<PluginGuest> = guests
        .map(|((import, question), n)| curious(&format!("eye{n}"), import, question))
        .collect();
    let stage = Stage::with(&guests).await;
    let of_party = |role: &str, party: &str| Principal {
        subject: Some(party.into()),
        ..person(role)
    };
    let [tester, keeper] = [TESTER, KEEPER].map(|role| of_party(role, OTHER_PARTY));
    let owner = of_party(OWNER, OWN_PARTY);
    let (mut kept, mut own) = (0, 0);
    for ((_, question), guest) in questions.iter().zip(&guests) {
        let id = guest.id();
        plant(&stage, id).await;
        let masked = memory(&stage, id, &tester).await;
        for canary in NUMBERS.iter().chain(&WORDS).chain(&FIGURES) {
            // What is asked for is in the memory for having been asked.
            let asked = question.contains(canary);
            assert!(asked || !holds(&masked, canary), "{canary} by {question}");
        }
        let whole = memory(&stage, id, &keeper).await;
        let all = NUMBERS.iter().chain(&WORDS).chain(&FIGURES);
        kept += all.filter(|c| holds(&whole, c)).count();

        let mine = memory(&stage, id, &owner).await;
        for canary in [NUMBERS[1], WORDS[1], FIGURES[1], TITLES[1]] {
            assert!(!holds(&mine, canary), "{canary} by {question}");
        }
        own += [NUMBERS[0], WORDS[0], FIGURES[0], TITLES[0]]
            .iter()
            .filter(|c| holds(&mine, c))
            .count();
    }
    // Whoever may see them has them there, so that nothing is found for want of looking.
    assert!(kept >= 30, "{kept} were found for the one who may see all");
    assert!(own >= 20, "{own} were found for the one they belong to");
}
