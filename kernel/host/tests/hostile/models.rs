//! A model that breaks any promise gives no score, and the next one is scored.

use std::sync::Arc;

use futures_util::future::join_all;
use kernel_host::models::{Admitted, CHUNK, ModelError, Pool};
use kernel_host::{Engines, InspectError};
use wasmtime::Trap;

use tests_guests::core::importing;
use tests_guests::model::{ModelGuest, declaration};

/// The engines' clock stops with the last handle to it, so it is kept beside the pool.
struct Bench {
    pool: Pool,
    _engines: Engines,
}

impl Bench {
    fn new() -> Self {
        let engines = Engines::new().unwrap();
        Self {
            pool: Pool::new(engines.models.clone()),
            _engines: engines,
        }
    }

    async fn admit(&self, guest: &ModelGuest) -> Arc<Admitted> {
        self.pool.admit(guest.build()).await.unwrap()
    }

    async fn refuses(&self, bytes: Vec<u8>) -> ModelError {
        match self.pool.admit(bytes).await {
            Ok(_) => panic!("the model was admitted"),
            Err(error) => error,
        }
    }

    /// Scores one row with the hostile model while the calm one scores, and the calm one again
    /// after it; says why there was no score.
    async fn contained(&self, hostile: &ModelGuest) -> ModelError {
        let calm = self.admit(&ModelGuest::calm()).await;
        let hostile = self.admit(hostile).await;
        let row = || vec![1.0, 2.0];
        let bad = join_all((0..3).map(|_| self.pool.score(&hostile, row(), true)));
        let good = join_all((0..3).map(|_| self.pool.score(&calm, row(), true)));
        let (bad, good) = tokio::join!(bad, good);
        for batch in good
            .into_iter()
            .chain([self.pool.score(&calm, row(), true).await])
        {
            let batch = batch.unwrap();
            assert_eq!(
                (batch.scores, batch.contributions),
                (vec![608.0], vec![2.0, 6.0])
            );
        }
        let mut errors = bad.into_iter().map(Result::unwrap_err);
        errors.next_back().unwrap()
    }
}

fn trap(error: &ModelError) -> Option<Trap> {
    match error {
        ModelError::Trapped(cause) => cause.downcast_ref::<Trap>().copied(),
        other => panic!("{other:?}"),
    }
}

fn breach(error: ModelError) -> String {
    match error {
        ModelError::Contract(what) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calm_model_passes_its_golden_cases() {
    let bench = Bench::new();
    let model = bench.admit(&ModelGuest::calm()).await;
    let report = bench.pool.report(&model).await.unwrap();
    assert!(report.passed());
    assert_eq!(
        report.golden.iter().map(|g| g.score).collect::<Vec<_>>(),
        [608.0, 603.0]
    );
    assert_eq!(report.imports, Vec::<String>::new());
    assert!(report.fuel > 0);
    assert_eq!(
        bench.pool.ready(&model.digest).unwrap().digest,
        model.digest
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_larger_than_one_chunk_is_scored_whole() {
    let bench = Bench::new();
    let model = bench.admit(&ModelGuest::calm()).await;
    let values = |i: usize| [f64::from(u32::try_from(i).unwrap()), f64::NAN];
    let rows: Vec<f64> = (0..CHUNK + 3).map(|i| i % 7).flat_map(values).collect();
    let scores: Vec<f64> = rows.chunks(2).map(|row| 600.0 + 2.0 * row[0]).collect();
    let batch = bench.pool.score(&model, rows, false).await.unwrap();
    assert_eq!(batch.scores, scores);
    assert_eq!(batch.contributions, Vec::<f64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_import_is_named() {
    let wanted = ["wasi:random/random@0.2.0", "wasi:clocks/wall-clock@0.2.0"];
    let error = Bench::new().refuses(importing(&wanted)).await;
    let ModelError::Inspect(InspectError::ForeignImports(named)) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*named, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_a_plugins_imports_are_offered_to_a_model() {
    let error = Bench::new()
        .refuses(importing(&["rongqiao:plugin/storage@0.1.0"]))
        .await;
    assert!(
        matches!(error, ModelError::Inspect(InspectError::ForeignImports(_))),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_model_component_is_refused() {
    let bench = Bench::new();
    let core = bench.refuses(wat::parse_str("(module)").unwrap()).await;
    assert!(
        matches!(core, ModelError::Inspect(InspectError::CoreModule)),
        "{core:?}"
    );
    let empty = bench.refuses(wat::parse_str("(component)").unwrap()).await;
    assert!(
        matches!(empty, ModelError::Inspect(InspectError::MissingExport(_))),
        "{empty:?}"
    );
    let noise = bench.refuses(b"PK\x03\x04 a zip file".to_vec()).await;
    assert!(
        matches!(noise, ModelError::Inspect(InspectError::NotAComponent(_))),
        "{noise:?}"
    );
    let mut cut = ModelGuest::calm().build();
    cut.truncate(cut.len() / 2);
    let cut = bench.refuses(cut).await;
    assert!(
        matches!(cut, ModelError::Inspect(InspectError::NotAComponent(_))),
        "{cut:?}"
    );
    let large = bench.refuses(vec![0; 25 * 1024 * 1024]).await;
    assert!(
        matches!(large, ModelError::Inspect(InspectError::TooLarge(_))),
        "{large:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_the_wrong_types_is_never_run() {
    let mut wrong = ModelGuest::calm()
        .score_runs("(i32.const 0x12345678)")
        .build();
    // i32.const, and the number as it is written.
    let code = [0x41, 0xf8, 0xac, 0xd1, 0x91, 0x01];
    let at = wrong.windows(code.len()).position(|bytes| bytes == code);
    wrong[at.unwrap()] = 0x42; // i64.const
    let error = Bench::new().refuses(wrong).await;
    assert!(matches!(error, ModelError::Link(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_runs_out_of_fuel() {
    let error = Bench::new()
        .contained(&ModelGuest::calm().score_runs("(loop $l (br $l)) unreachable"))
        .await;
    assert_eq!(trap(&error), Some(Trap::OutOfFuel));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_recursion_runs_out_of_stack() {
    let error = Bench::new()
        .contained(&ModelGuest::calm().score_runs("(call $deeper (local.get $rows))"))
        .await;
    assert_eq!(trap(&error), Some(Trap::StackOverflow));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_no_score() {
    let error = Bench::new()
        .contained(&ModelGuest::calm().score_runs("unreachable"))
        .await;
    assert_eq!(trap(&error), Some(Trap::UnreachableCodeReached));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_stops_at_the_limit() {
    let bomb =
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (i32.const 0)";
    let error = Bench::new()
        .contained(&ModelGuest::calm().score_runs(bomb))
        .await;
    let ModelError::Trapped(cause) = &error else {
        panic!("{error:?}")
    };
    // Neither fuel nor a wild address stopped it: growing itself did.
    assert_eq!(cause.downcast_ref::<Trap>(), None, "{cause:?}");
    assert!(format!("{cause:?}").contains("grow"), "{cause:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_starts_too_large_is_refused() {
    let error = Bench::new()
        .refuses(ModelGuest::calm().pages(300).build())
        .await;
    assert!(matches!(error, ModelError::Trapped(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_answer_is_no_score() {
    let bench = Bench::new();
    // More than the memory holds.
    let beyond = "(call $scores (i32.const 0) (i32.const 0x10000000) (i32.const 0) (i32.const 0))";
    let error = bench
        .contained(&ModelGuest::calm().score_runs(beyond))
        .await;
    assert!(matches!(error, ModelError::Trapped(_)), "{error:?}");
    // All of the memory, and more of it than one row needs.
    let large =
        "(call $scores (i32.const 0) (i32.const 1500000) (i32.const 0) (i32.const 1500000))";
    let error = bench
        .contained(&ModelGuest::calm().pages(200).score_runs(large))
        .await;
    assert_eq!(breach(error), "1500000 scores for 1 rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_declaration_is_refused() {
    let bench = Bench::new();
    let mut long = declaration();
    long["description"] = "长".repeat(2_000_000).into();
    let error = bench
        .refuses(ModelGuest::calm().declares(long.to_string()).build())
        .await;
    assert!(matches!(error, ModelError::TooLong(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_that_does_not_return_or_read_is_refused() {
    let bench = Bench::new();
    let spins = bench
        .refuses(
            ModelGuest::calm()
                .describe_runs("(loop $l (br $l)) unreachable")
                .build(),
        )
        .await;
    assert_eq!(trap(&spins), Some(Trap::OutOfFuel));
    let traps = bench
        .refuses(ModelGuest::calm().describe_runs("unreachable").build())
        .await;
    assert_eq!(trap(&traps), Some(Trap::UnreachableCodeReached));
    let other = bench.refuses(ModelGuest::calm().version(2).build()).await;
    assert!(matches!(other, ModelError::Version(2)), "{other:?}");
    let deep = bench
        .refuses(ModelGuest::calm().declares("[".repeat(100_000)).build())
        .await;
    assert!(matches!(deep, ModelError::Document(_)), "{deep:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_without_golden_cases_is_refused() {
    let mut bare = declaration();
    bare["golden"] = serde_json::json!([]);
    let error = Bench::new()
        .refuses(ModelGuest::calm().declares(bare.to_string()).build())
        .await;
    assert!(matches!(error, ModelError::Declaration(_)), "{error:?}");
}

/// A model cannot tell one call from the next: nothing of an instance outlives its call, so a
/// counter in its memory stays at one, its declaration is stable and its scores repeat.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_a_call() {
    let count = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))";
    let bench = Bench::new();
    let counting = ModelGuest::calm()
        .describe_runs(&format!(
            "{count} (i32.store (i32.const {{answer}}) (global.get $calls)) (i32.const {{answer}})"
        ))
        .score_runs(format!(
            "{count} (local.set $s (call $alloc (i32.const 8)))
             (f64.store (local.get $s) (f64.convert_i32_u (global.get $calls)))
             (call $scores (local.get $s) (i32.const 1) (i32.const 0) (i32.const 0))"
        ));
    let model = bench.admit(&counting).await;
    for _ in 0..3 {
        assert_eq!(
            bench
                .pool
                .score(&model, vec![1.0, 2.0], false)
                .await
                .unwrap()
                .scores,
            [1.0]
        );
    }
}

/// A body that answers one row with this score and these contributions.
fn answers(score: &str, contributions: &[&str]) -> String {
    let parts = contributions
        .iter()
        .enumerate()
        .fold(String::new(), |text, (i, part)| {
            text + &format!(
                "(f64.store offset={} (i32.const 128) (f64.const {part}))",
                i * 8
            )
        });
    format!(
        "(f64.store (i32.const 64) (f64.const {score})) {parts}
         (call $scores (i32.const 64) (i32.const 1) (i32.const 128) (i32.const {}))",
        contributions.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_that_is_no_number_is_no_score() {
    let bench = Bench::new();
    for score in ["nan", "inf", "-inf"] {
        let error = bench
            .contained(&ModelGuest::calm().score_runs(answers(score, &["2", "6"])))
            .await;
        assert_eq!(
            breach(error),
            "the score of row 0 is not a number",
            "{score}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn al_01_contributions_must_sum_to_the_score() {
    let bench = Bench::new();
    for parts in [["2", "6.00001"], ["nan", "6"], ["inf", "-inf"]] {
        let error = bench
            .contained(&ModelGuest::calm().score_runs(answers("608", &parts)))
            .await;
        assert!(breach(error).contains("sum to"), "{parts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_scores_and_contributions_must_fit() {
    let bench = Bench::new();
    let none = "(call $scores (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let error = bench.contained(&ModelGuest::calm().score_runs(none)).await;
    assert_eq!(breach(error), "0 scores for 1 rows");
    let error = bench
        .contained(&ModelGuest::calm().score_runs(answers("608", &["8"])))
        .await;
    assert_eq!(breach(error), "1 contributions, 2 expected");
    // Contributions that nobody asked for.
    let model = bench
        .admit(&ModelGuest::calm().score_runs(answers("608", &["2", "6"])))
        .await;
    let error = bench
        .pool
        .score(&model, vec![1.0, 2.0], false)
        .await
        .unwrap_err();
    assert_eq!(breach(error), "2 contributions, 0 expected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_no_score_and_is_cut() {
    let bench = Bench::new();
    let error = bench
        .contained(
            &ModelGuest::calm()
                .pages(20)
                .score_runs("(call $refusal (i32.const 100000) (i32.const 1000000))"),
        )
        .await;
    let ModelError::Refused(words) = &error else {
        panic!("{error:?}")
    };
    assert!(words.len() <= 1024, "{} bytes", words.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_case_that_does_not_hold_is_reported() {
    let mut wrong = declaration();
    wrong["golden"][0]["score"] = 608.1.into();
    let bench = Bench::new();
    let model = bench
        .admit(&ModelGuest::calm().declares(wrong.to_string()))
        .await;
    let report = bench.pool.report(&model).await.unwrap();
    assert!(!report.passed());
    assert_eq!(
        report.golden.iter().map(|g| g.holds).collect::<Vec<_>>(),
        [false, true]
    );
}
