//! `rongqiao audit …`: checking the trail and taking proofs out of it.
//!
//! `verify` and `check-proof` write nothing and need no private key. The others record that they
//! were used and sign a checkpoint over that record, so that what leaves is itself accounted for.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use kernel_crypto::chain::Checkpoint;
use kernel_crypto::chain::proof::Proof;
use kernel_crypto::keys::SignKey;
use kernel_crypto::sm2::VerifyingKey;
use kernel_storage::{AuditCopy, AuditDraft, CheckpointFolder};
use serde_json::json;

use super::{advise, say};
use crate::wire::{self, Opened, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Walks the whole chain and its tree and says how many records hold, or where it breaks.
    /// With --key and --checkpoints it verifies a copy without anything of the writer.
    Verify {
        #[command(flatten)]
        place: Place,
        /// The audit key's public half, PEM; once for each key the trail was signed with. Without
        /// it the key ring's are taken.
        #[arg(long)]
        key: Vec<PathBuf>,
        /// Folder of exported checkpoints.
        #[arg(long)]
        checkpoints: Option<PathBuf>,
    },
    /// Writes a proof that a record is in the log; anyone with the public key can check it.
    Prove {
        /// Number of the record.
        record: u64,
        /// File to write; standard output when absent.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Writes a proof that the log only grew since a checkpoint.
    ProveGrowth {
        /// Number of the record at which the earlier checkpoint stands.
        from: u64,
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Checks a proof with the audit key's public half; needs nothing else.
    CheckProof {
        file: PathBuf,
        #[arg(long, required = true)]
        key: Vec<PathBuf>,
    },
    /// Signs where the trail stands now and writes `message` and `signature.der`, for openssl.
    ExportCheckpoint {
        /// Folder for the two files.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

impl Audit {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Verify {
                place,
                key,
                checkpoints,
            } => verify(&place, &key, checkpoints).await,
            Self::Prove { record, out, place } => prove(record, out, &place).await,
            Self::ProveGrowth { from, out, place } => prove_growth(from, out, &place).await,
            Self::CheckProof { file, key } => check_proof(&file, &key),
            Self::ExportCheckpoint { out, place } => export(&out, &place).await,
        }
    }
}

async fn verify(place: &Place, files: &[PathBuf], checkpoints: Option<PathBuf>) -> Result<()> {
    let keys = if files.is_empty() {
        wire::existing_keys(place)
            .await?
            .verifying_keys(SignKey::Audit)
    } else {
        public_keys(files)?
    };
    let exported = match checkpoints {
        Some(folder) => {
            let exported = CheckpointFolder::new(&folder).read()?;
            if exported.is_empty() {
                bail!("there is no checkpoint in {}", folder.display());
            }
            exported
        }
        None => Vec::new(),
    };
    let copy = AuditCopy::open(&wire::url(place)?).await?;
    let verified = copy.verify(&keys, exported).await;
    let verified = verified.context("the audit trail does not hold")?;
    say(format!("{} records hold", verified.records));
    say(format!(
        "{} checkpoints hold; signed up to record {}",
        verified.checkpoints, verified.signed
    ));
    Ok(())
}

async fn prove(record: u64, out: Option<PathBuf>, place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let object = format!("audit/{record}");
    let point = account(&opened, "platform.audit.prove", object).await?;
    let proof = opened.store.audit_prove(record, point).await?;
    opened.close().await;
    write(
        &proof.with_context(|| format!("there is no record {record}"))?,
        out,
    )
}

async fn prove_growth(from: u64, out: Option<PathBuf>, place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let earlier = opened.store.audit_checkpoint_at(from).await?;
    let earlier = earlier.with_context(|| format!("there is no checkpoint at record {from}"))?;
    let object = format!("audit/{from}");
    let later = account(&opened, "platform.audit.prove-growth", object).await?;
    let proof = opened.store.audit_prove_growth(earlier, later).await?;
    opened.close().await;
    write(
        &proof.context("the later checkpoint is the shorter one")?,
        out,
    )
}

fn write(proof: &Proof, out: Option<PathBuf>) -> Result<()> {
    let text = serde_json::to_string_pretty(proof)?;
    match out {
        None => say(text),
        Some(file) => {
            std::fs::write(&file, text + "\n")
                .with_context(|| format!("{} cannot be written", file.display()))?;
            say(format!("proof written to {}", file.display()));
        }
    }
    Ok(())
}

fn check_proof(file: &Path, keys: &[PathBuf]) -> Result<()> {
    let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let proof: Proof = serde_json::from_slice(&text).context("the file is not a proof")?;
    proof
        .check(&public_keys(keys)?)
        .context("the proof does not hold")?;
    match &proof {
        Proof::Inclusion(proof) => say(format!(
            "record {} is in the log of {} records",
            proof.seq, proof.checkpoint.statement.seq
        )),
        Proof::Consistency(proof) => say(format!(
            "the log of {} records begins with the log of {} records",
            proof.later.statement.seq, proof.earlier.statement.seq
        )),
    }
    Ok(())
}

async fn export(out: &Path, place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let point = account(&opened, "platform.audit.export", "audit".into()).await?;
    opened.close().await;
    std::fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    for (name, bytes) in [
        ("message", point.statement.message()),
        ("signature.der", point.signature.clone()),
    ] {
        let path = out.join(name);
        std::fs::write(&path, bytes)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    say(format!(
        "checkpoint of record {} written to {}",
        point.statement.seq,
        out.display()
    ));
    if let Some(tree) = point.statement.tree {
        say(format!("signed by the audit key {}", tree.key));
    }
    advise(
        "verify it with: openssl dgst -sm3 -verify PUB.pem -sigopt distid:1234567812345678 \
         -signature signature.der message",
    );
    Ok(())
}

/// Records that something was taken out of the trail, and signs up to that record.
async fn account(opened: &Opened, action: &str, object: String) -> Result<Checkpoint> {
    let at = wire::now();
    let draft = AuditDraft {
        at,
        actor: "command-line".into(),
        action: action.into(),
        object,
        outcome: "ok".into(),
        detail: json!({}),
        request: wire::request()?,
        ..AuditDraft::default()
    };
    opened.store.audit_append(vec![draft]).await?;
    let point = opened.store.audit_checkpoint(at).await?;
    match point {
        Some(point) => Ok(point),
        // A server that runs on the same data signed in between.
        None => opened
            .store
            .audit_checkpoint_last()
            .await?
            .context("the trail was not signed"),
    }
}

fn public_keys(files: &[PathBuf]) -> Result<Vec<VerifyingKey>> {
    files
        .iter()
        .map(|file| {
            let pem = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            VerifyingKey::from_pem(&pem)
                .with_context(|| format!("{} is not a public key", file.display()))
        })
        .collect()
}
