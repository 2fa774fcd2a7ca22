//! `rongqiao model …`: what a bank's developer does before uploading, and what anyone does with a
//! certificate afterwards.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use kernel_host::Engines;
use kernel_host::models::certificate::Signed;
use kernel_host::models::{Pool, batch};
use kernel_storage::{CollectionName, RowFilter};
use serde_json::{Map, Value, json};

use super::say;
use crate::wire::{self, Opened, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Checks a component as an upload is checked: imports, limits, declaration, golden cases.
    Check { file: PathBuf },
    /// Scores every row of a CSV; with labels in it, prints AUC and KS.
    Score {
        file: PathBuf,
        #[arg(long)]
        input: PathBuf,
        #[arg(long)]
        out: PathBuf,
    },
    /// Scores a certificate's recorded input again: the output must be the same bytes.
    Replay {
        /// Id of a certificate, or a file that holds one.
        certificate: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Model {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Check { file } => check(&file).await,
            Self::Score { file, input, out } => score(&file, &input, &out).await,
            Self::Replay { certificate, place } => replay(&certificate, &place).await,
        }
    }
}

fn pool() -> Result<Pool> {
    Ok(Pool::new(Engines::new()?.models))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

async fn check(file: &Path) -> Result<()> {
    let engines = Engines::new()?;
    let pool = Pool::new(engines.models.clone());
    let model = pool.admit(read(file)?).await?;
    let report = pool.report(&model).await?;
    say(format!("model    {} {}", model.def.name, model.def.version));
    say(format!("features {}", model.def.features.len()));
    say(format!("digest   {}", report.digest));
    say(format!(
        "memory   at most {} MiB",
        report.memory_limit / 1024 / 1024
    ));
    say(format!("fuel     {} for one explained score", report.fuel));
    say(format!("time     {} µs", report.micros));
    let held = report.golden.iter().filter(|g| g.holds).count();
    say(format!("golden   {held} of {} hold", report.golden.len()));
    for g in report.golden.iter().filter(|g| !g.holds) {
        say(format!(
            "         declared {}, scored {}",
            g.expected, g.score
        ));
    }
    if report.golden.is_empty() || !report.passed() {
        bail!("the golden cases do not hold");
    }
    Ok(())
}

async fn score(file: &Path, input: &Path, out: &Path) -> Result<()> {
    let engines = Engines::new()?;
    let pool = Pool::new(engines.models.clone());
    let model = pool.admit(read(file)?).await?;
    let table = File::open(input).with_context(|| format!("{} cannot be read", input.display()))?;
    let rows = batch::read(&model.def, BufReader::new(table))?;
    let total = rows.index.len();
    let mut run = batch::Run::new(&pool, &model, &rows);
    while let Some(done) = run.step().await? {
        tracing::info!("{done} of {total} rows scored");
    }
    let scores = run.scores();
    let target =
        File::create(out).with_context(|| format!("{} cannot be written", out.display()))?;
    batch::write(&model.def, &rows, &scores, BufWriter::new(target))?;
    say(format!(
        "rows     {} scored, {} refused",
        total,
        rows.refused.len()
    ));
    match batch::judge(&scores, &rows.bad) {
        Some(quality) => {
            say(format!("AUC      {:.4}", quality.auc));
            say(format!("KS       {:.4}", quality.ks));
        }
        None => say("AUC, KS  the file has no labels"),
    }
    Ok(())
}

async fn replay(certificate: &str, place: &Place) -> Result<()> {
    let ground = wire::open(place).await?;
    let signed: Signed = match std::fs::read(certificate) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("the file is not a certificate")?,
        Err(_) => stored(&ground, certificate).await?,
    };
    if let Err(error) = signed.verify(&ground.keys) {
        let told = anyhow::Error::new(error);
        return Err(match stored(&ground, &signed.certificate.id).await {
            Ok(issued) if issued != signed => {
                told.context(differences(&json!(issued), &json!(signed)).join("; "))
            }
            _ => told,
        });
    }
    let digest = &signed.certificate.model.digest;
    let mut bytes = None;
    for blob in ground.store.blobs(digest).await? {
        bytes = bytes.or(ground.blobs.get(&blob.place).await?);
    }
    let bytes = bytes.with_context(|| format!("the data folder has no component {digest}"))?;
    let pool = pool()?;
    let model = pool.admit(bytes).await?;
    signed.replay(&pool, &model).await?;
    say(format!(
        "signature holds; score {} replays to identical bytes",
        signed.certificate.output.score
    ));
    ground.store.close().await;
    Ok(())
}

/// Where a certificate is not the one that was issued under its id.
fn differences(issued: &Value, given: &Value) -> Vec<String> {
    fn compare(at: &str, issued: &Value, given: &Value, found: &mut Vec<String>) {
        let (Value::Object(one), Value::Object(other)) = (issued, given) else {
            if issued != given {
                found.push(format!(
                    "{at} was issued as {issued}, but here it is {given}"
                ));
            }
            return;
        };
        let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for name in names {
            let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or_default();
            let inside = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}.{name}")
            };
            compare(&inside, &of(one), &of(other), found);
        }
    }
    let mut found = Vec::new();
    compare("", issued, given, &mut found);
    found
}

async fn stored(ground: &Opened, id: &str) -> Result<Signed> {
    let name = CollectionName::new("console", "certificates");
    let record = ground.store.get(&name, id, &RowFilter::All).await?;
    let record =
        record.with_context(|| format!("there is no certificate {id}, and no such file"))?;
    let document = record.get("document").cloned().unwrap_or(Value::Null);
    serde_json::from_value(document).context("the certificate is damaged")
}
