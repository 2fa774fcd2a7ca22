//! A bank's scoring model: it imports nothing, its declaration is whole, its golden cases hold and
//! its explanations add up.

#![expect(
    clippy::float_arithmetic,
    reason = "compares scores; no money passes here"
)]

use anyhow::Result;
use sdk_build::component::Surface;
use sdk_contract::model::{GOLDEN_TOLERANCE, GoldenCase, ModelDef, SUM_TOLERANCE, encode_row};

use super::Report;
use crate::sandbox::Sandbox;

pub(super) fn check(surface: &Surface, sandbox: &Sandbox, report: &mut Report) {
    for import in &surface.imports {
        report.fault(format!("imports {import}; a model imports nothing"));
    }
    let described = match sandbox.model() {
        Ok(described) => described,
        Err(error) => {
            report.fault(format!("describe(): {error:#}"));
            return;
        }
    };
    let def = &described.def;
    report.say(
        "declares",
        format!(
            "{} {}, {} features",
            def.name,
            def.version,
            def.features.len()
        ),
    );
    report.say(
        "describe",
        format!("twice the same, {} fuel", described.fuel),
    );
    for fault in def.validate() {
        report.fault(format!("declaration: {fault}"));
    }
    let (mut held, mut fuel) = (0, 0);
    for (number, case) in def.golden.iter().enumerate() {
        match golden(sandbox, def, case) {
            Ok(used) => {
                held += 1;
                fuel = used;
            }
            Err(error) => report.fault(format!("golden case {number}: {error:#}")),
        }
    }
    let all = def.golden.len();
    report.say(
        "golden",
        format!("{held} of {all} hold, {fuel} fuel for one explained score"),
    );
}

/// Scores one case; the fuel it took.
fn golden(sandbox: &Sandbox, def: &ModelDef, case: &GoldenCase) -> Result<u64> {
    let row = encode_row(def, &case.input)?;
    let out = sandbox.score(1, &row)?;
    let [score] = out.values.as_slice() else {
        anyhow::bail!("{} scores for one row", out.values.len());
    };
    anyhow::ensure!(
        out.contributions.len() == row.len(),
        "{} contributions for {} features",
        out.contributions.len(),
        row.len()
    );
    anyhow::ensure!(
        (score - case.score).abs() <= GOLDEN_TOLERANCE,
        "scores {score}, declared is {}",
        case.score
    );
    let sum = def.base + out.contributions.iter().sum::<f64>();
    anyhow::ensure!(
        (score - sum).abs() <= SUM_TOLERANCE,
        "base and contributions are {sum}, the score is {score}"
    );
    Ok(out.fuel)
}
