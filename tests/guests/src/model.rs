//! Scoring models in text: one that scores as declared, and whatever a test makes of it.

use serde_json::{Value, json};

use crate::core::{Constants, Core, SCRATCH, component};

/// score = 600 + 2·x + 3·y, a missing feature contributing nothing.
const SCORE: &str = "
  (local.set $s (call $alloc (i32.mul (local.get $rows) (i32.const 8))))
  (local.set $c (call $alloc (i32.mul (local.get $rows) (i32.const 16))))
  (block $done (loop $next
    (br_if $done (i32.ge_u (local.get $i) (local.get $rows)))
    (local.set $x (f64.mul (f64.const 2) (call $present (f64.load (call $at16 (local.get $values) (local.get $i))))))
    (local.set $y (f64.mul (f64.const 3) (call $present (f64.load offset=8 (call $at16 (local.get $values) (local.get $i))))))
    (f64.store (call $at16 (local.get $c) (local.get $i)) (local.get $x))
    (f64.store offset=8 (call $at16 (local.get $c) (local.get $i)) (local.get $y))
    (f64.store (i32.add (local.get $s) (i32.mul (local.get $i) (i32.const 8)))
      (f64.add (f64.const 600) (f64.add (local.get $x) (local.get $y))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br $next)))
  (call $scores (local.get $s) (local.get $rows)
    (local.get $c) (select (i32.mul (local.get $rows) (i32.const 2)) (i32.const 0) (local.get $explain)))";

/// A scoring model to be. Both bodies are text that leaves the address of the result.
pub struct ModelGuest {
    document: String,
    version: usize,
    describe: Option<String>,
    score: String,
    pages: usize,
}

/// The declaration of a model that scores as [`SCORE`] does.
pub fn declaration() -> Value {
    let feature = |name: &str, code: &str| {
        json!({
            "name": name, "label": name, "kind": { "number": { "min": -1000.0, "max": 1000.0 } },
            "reason": { "code": code, "text": "偏低" }, "missing": "neutral",
        })
    };
    json!({
        "name": "calm", "version": "1.0.0", "title": "平稳模型",
        "target": { "label": "违约", "column": "bad", "bad": "1" },
        "provenance": { "data": "none", "source": "test", "rows": 0, "seed": 0, "command": "none" },
        "features": [feature("x", "R01"), feature("y", "R02")],
        "scale": { "base_score": 600.0, "base_odds": 20.0, "pdo": 50.0 },
        "base": 600.0,
        "grades": [{ "grade": "A", "at_least": 600.0 }, { "grade": "B", "at_least": 0.0 }],
        "min_score": -10_000.0, "max_score": 10_000.0,
        "golden": [
            { "input": { "x": 1.0, "y": 2.0 }, "score": 608.0 },
            { "input": { "x": 1.5, "y": null }, "score": 603.0 },
        ],
    })
}

impl ModelGuest {
    /// Well-behaved.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            document: declaration().to_string(),
            version: 1,
            describe: None,
            score: SCORE.into(),
            pages: 1,
        }
    }
    /// Declares this text.
    #[must_use]
    pub fn declares(mut self, document: impl Into<String>) -> Self {
        self.document = document.into();
        self
    }
    /// Claims this version of the model document.
    #[must_use]
    pub fn version(mut self, version: usize) -> Self {
        self.version = version;
        self
    }
    /// Runs this for `describe`; `{answer}` is the address of the declared document.
    #[must_use]
    pub fn describe_runs(mut self, body: &str) -> Self {
        self.describe = Some(body.into());
        self
    }
    /// Runs this for `score`.
    #[must_use]
    pub fn score_runs(mut self, body: impl Into<String>) -> Self {
        self.score = body.into();
        self
    }
    /// Runs this, and then scores as before.
    #[must_use]
    pub fn first_runs(mut self, body: &str) -> Self {
        self.score = format!("{body}{}", self.score);
        self
    }
    /// Starts with this many pages of memory.
    #[must_use]
    pub fn pages(mut self, pages: usize) -> Self {
        self.pages = pages;
        self
    }

    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut constants = Constants::default();
        let (at, len) = constants.text(&self.document);
        let answer = constants.words(&[self.version, at, len]);
        let describe = self
            .describe
            .as_deref()
            .unwrap_or("(i32.const {answer})")
            .replace("{answer}", &answer.to_string());
        let functions = format!(
            r#"
(global $calls (mut i32) (i32.const 0))
(func $present (param f64) (result f64)
  (select (local.get 0) (f64.const 0) (f64.eq (local.get 0) (local.get 0))))
(func $at16 (param i32 i32) (result i32)
  (i32.add (local.get 0) (i32.mul (local.get 1) (i32.const 16))))
(func $scores (param $s i32) (param $n i32) (param $c i32) (param $m i32) (result i32)
  (i32.store (i32.const {SCRATCH}) (i32.const 0))
  (i32.store offset=4 (i32.const {SCRATCH}) (local.get $s))
  (i32.store offset=8 (i32.const {SCRATCH}) (local.get $n))
  (i32.store offset=12 (i32.const {SCRATCH}) (local.get $c))
  (i32.store offset=16 (i32.const {SCRATCH}) (local.get $m))
  (i32.const {SCRATCH}))
(func $refusal (param $at i32) (param $len i32) (result i32)
  (i32.store (i32.const {SCRATCH}) (i32.const 1))
  (i32.store offset=4 (i32.const {SCRATCH}) (local.get $at))
  (i32.store offset=8 (i32.const {SCRATCH}) (local.get $len))
  (i32.const {SCRATCH}))
(func $deeper (param i32) (result i32)
  (i32.add (i32.const 1) (call $deeper (local.get 0))))
(func (export "rongqiao:model/scoring@0.1.0#describe") (result i32)
  {describe})
(func (export "rongqiao:model/scoring@0.1.0#score")
  (param $rows i32) (param $values i32) (param $count i32) (param $explain i32) (result i32)
  (local $i i32) (local $s i32) (local $c i32) (local $x f64) (local $y f64)
  {score})"#,
            score = self.score,
        );
        component(
            "model",
            &Core {
                imports: "",
                functions,
                constants,
                pages: self.pages,
            },
        )
    }
}
