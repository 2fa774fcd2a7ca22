//! The sandboxes: what an instance, a page and a score cost beside the same code run natively.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use sdk::contract::call::{CallContext, ScoreRequest, Scored};
use sdk::contract::error::Fault;
use sdk::contract::query::{Aggregate, Found, Group, Query, Step};
use sdk::host::{Host as Kernel, Level};
use sdk_contract::call::Ask;
use sdk_contract::page::Page;

use crate::city::{City, clerk};
use crate::measure::{Figures, Pair, Plan, beside};
use crate::report::{Line, Section, Target};

const PLAN: Plan = Plan {
    rounds: 5,
    slice: Duration::from_millis(200),
};
/// Calls in one kept instance.
const WARM: u32 = 200;
/// Rows of the large batch.
const ROWS: usize = 100_000;

/// The page's path.
pub(crate) const SHEET: &str = "/bench/sheet";

pub(crate) async fn section(city: &City, plugins: &Path, model: &Path) -> Result<Section> {
    let ask = Ask {
        path: SHEET.into(),
        ..Ask::default()
    };
    let measured = city
        .host
        .measured(&plugins.join("bench"), &clerk(), ask.clone())
        .await?;
    let native = async || native_page(&ask).map(drop);
    let bytes = native_page(&ask)?;
    let instance = beside(
        PLAN,
        async || Ok(measured.instantiate().await.map_err(said)?),
        native,
    );
    let instance = instance.await?;
    let fresh = beside(
        PLAN,
        async || Ok(measured.fresh().await.map_err(said)?),
        native,
    )
    .await?;
    let warm = beside(
        PLAN,
        async || Ok(measured.warm(WARM).await.map_err(said)?),
        async || (0..WARM).try_for_each(|_| native_page(&ask).map(drop)),
    );
    let warm = each(warm.await?, f64::from(WARM));

    let admitted = city.host.models().admit(std::fs::read(model)?).await?;
    let card = model_german_credit::card()
        .as_ref()
        .map_err(|e| anyhow!("{e}"))?;
    let golden = admitted
        .def
        .golden
        .first()
        .ok_or_else(|| anyhow!("the model has no golden case"))?;
    let row = sdk_contract::model::encode_row(&admitted.def, &golden.input)?;
    let many: Arc<Vec<f64>> = Arc::new(row.repeat(ROWS));
    let score = async |rows: &[f64], explain: bool| -> Result<u64> {
        let models = city.host.models();
        let scored = models.score(&admitted, rows.to_vec(), explain).await?;
        Ok(scored.fuel)
    };
    let fuel = (score(&row, true).await?, score(&many, false).await?);
    let natively = async |rows: &[f64], explain: bool| -> Result<()> {
        let count = u32::try_from(rows.len() / row.len())?;
        std::hint::black_box(card.score(count, rows, explain)?);
        Ok(())
    };
    let one = beside(
        PLAN,
        async || score(&row, true).await.map(drop),
        async || natively(&row, true).await,
    );
    let one = one.await?;
    let batch = beside(
        PLAN,
        async || score(&many, false).await.map(drop),
        async || natively(&many, false).await,
    );
    let batch = each(batch.await?, ROWS as f64);

    Ok(Section {
        title: "Sandboxes",
        about: format!(
            "One caller, in process. Pages beside the same Rust code run natively, with the same \
             JSON read and written ({bytes} bytes of page document); scores beside the same \
             arithmetic in native Rust. A call runs in a fresh instance; “warm” is what keeping \
             the instance would give, which the platform does not do."
        ),
        lines: vec![
            Line::new("plugin: an instance, made and dropped", instance),
            Line::new("plugin: page in a fresh instance", fresh).target(Target::Cpu(43.0)),
            Line::new("plugin: page in a kept instance", warm).target(Target::Cpu(7.0)),
            Line::new("model: one row, with contributions", one),
            Line::new(format!("model: a row of {ROWS} in chunks"), batch),
        ],
        notes: vec![format!(
            "Fuel, the same on every machine: {} for one row with contributions, {:.0} for each of \
             {ROWS} rows.",
            fuel.0,
            fuel.1 as f64 / ROWS as f64
        )],
    })
}

fn each(pair: Pair, parts: f64) -> Pair {
    Pair {
        ours: Figures::each_of(pair.ours, parts),
        bare: Figures::each_of(pair.bare, parts),
        ratio: pair.ratio,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn said(fault: Fault) -> anyhow::Error {
    anyhow!("{}: {}", fault.code, fault.message)
}

/// The page from the plugin's own code, without a sandbox; how many bytes its document has.
fn native_page(ask: &Ask) -> Result<usize> {
    let principal = clerk();
    let context = serde_json::to_string(&CallContext {
        now: 1_764_000_000_000_000,
        seed: "00".repeat(32),
        locale: principal.locale.clone(),
        request: principal.request.clone(),
        caller: principal.caller(),
    })?;
    let ask = serde_json::to_string(ask)?;
    let page = plugin_bench::module()
        .page(
            Rc::new(Nothing),
            serde_json::from_str(&context)?,
            &serde_json::from_str(&ask)?,
        )
        .map_err(said)?;
    let text = serde_json::to_string(&page)?;
    let read: Page = serde_json::from_str(&text)?;
    std::hint::black_box(read);
    Ok(text.len())
}

/// The page reads nothing.
struct Nothing;

impl Kernel for Nothing {
    fn get(&self, _: &str, _: &str) -> Result<Option<sdk::Map>, Fault> {
        Ok(None)
    }
    fn find(&self, _: &Query) -> Result<Found, Fault> {
        Ok(Found::default())
    }
    fn aggregate(&self, _: &Aggregate) -> Result<Vec<Group>, Fault> {
        Ok(Vec::new())
    }
    fn steps(&self, _: &str, _: &str) -> Result<Vec<Step>, Fault> {
        Ok(Vec::new())
    }
    fn score(&self, _: &ScoreRequest) -> Result<Scored, Fault> {
        Err(Fault::not_found())
    }
    fn digest(&self, _: &[u8]) -> String {
        String::new()
    }
    fn log(&self, _: Level, _: &str) {}
}
