//! What a bank's model in Rust imports: the bindings of the world `model`, and a scorecard
//! evaluator, so that a model is two files and one line.
//!
//! ```ignore
//! sdk_model::export_scorecard!("../model.json", "../scorecard.json");
//! ```
//!
//! `model.json` is the declaration (`sdk_contract::model::ModelDef`) that `describe()` returns as
//! it stands; `scorecard.json` holds the coefficients ([`Scorecard`]) and never leaves the
//! component. A model of another kind implements [`bindings::exports::rongqiao::model::scoring::Guest`]
//! itself and ends with `sdk_model::bindings::export!(Component)`.
//!
//! Deliberately absent: any import. A model has no clock, no files and no network.

pub mod bindings;
mod check;
mod scorecard;

pub use check::check;
pub use scorecard::{CardError, ScoreError, Scorecard, Scored};

/// The allocator of the standard library, in a version that uses the memory a guest starts with
/// before it asks for more.
#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

use bindings::exports::rongqiao::model::scoring::{Batch, Document, Scores};

/// The document of `describe()`, from the text of `model.json`.
pub fn describe(declaration: &str) -> Document {
    Document {
        version: sdk_contract::model::MODEL_DOCUMENT,
        json: declaration.to_owned(),
    }
}

/// A batch through a scorecard, as the world's `score` answers it.
pub fn score(card: &Result<Scorecard, CardError>, batch: &Batch) -> Result<Scores, String> {
    let card = card.as_ref().map_err(ToString::to_string)?;
    let scored = card
        .score(batch.rows, &batch.values, batch.explain)
        .map_err(|e| e.to_string())?;
    Ok(Scores {
        scores: scored.scores,
        contributions: scored.contributions,
    })
}

/// Makes the crate a model component out of its declaration and its coefficients, two paths
/// relative to the file. Natively it leaves `DECLARATION` and `card()`, so that the same
/// arithmetic can be tested and compared.
#[macro_export]
macro_rules! export_scorecard {
    ($declaration:literal, $card:literal) => {
        /// The text `describe()` returns.
        pub const DECLARATION: &str = ::core::include_str!($declaration);

        /// The coefficients, read once.
        pub fn card() -> &'static ::core::result::Result<$crate::Scorecard, $crate::CardError> {
            static CARD: ::std::sync::OnceLock<
                ::core::result::Result<$crate::Scorecard, $crate::CardError>,
            > = ::std::sync::OnceLock::new();
            CARD.get_or_init(|| $crate::Scorecard::parse(::core::include_str!($card)))
        }

        /// The component.
        #[cfg(target_family = "wasm")]
        struct Component;

        #[cfg(target_family = "wasm")]
        impl $crate::bindings::exports::rongqiao::model::scoring::Guest for Component {
            fn describe() -> $crate::bindings::exports::rongqiao::model::scoring::Document {
                $crate::describe(DECLARATION)
            }

            fn score(
                batch: $crate::bindings::exports::rongqiao::model::scoring::Batch,
            ) -> ::core::result::Result<
                $crate::bindings::exports::rongqiao::model::scoring::Scores,
                ::std::string::String,
            > {
                $crate::score(card(), &batch)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::export!(Component with_types_in $crate::bindings);
    };
}
