//! `rongqiao keys …`: the key ring and the people who may change it.
//!
//! Whatever changes a key takes two custodians: one asks, another approves. Each step is in the audit
//! trail before it has its effect, with both signatures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Subcommand;
use kernel_crypto::keys::custody::{CustodianKey, Operation, Request};
use kernel_crypto::keys::{AttestKey, Done, KeyInfo, KeyKind, MacKey, SignKey};
use kernel_identity::peppers;
use kernel_storage::AuditDraft;
use serde_json::{Value, json};

use super::{advise, say};
use crate::config;
use crate::reseal;
use crate::wire::{self, Opened, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Lists every key: number, name, kind, state, uses, and the fingerprint of signing keys.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Prints the public half of a signing key as PEM: `audit`, `certificate` or `authority`.
    ExportPublic {
        name: String,
        /// An earlier key of that name; the active one when absent.
        #[arg(long)]
        number: Option<u32>,
        #[command(flatten)]
        place: Place,
    },
    /// Makes a custodian's key file and enrolls him: at once while there are fewer than two, later
    /// as a request of another custodian.
    Enroll {
        name: String,
        /// The new custodian's key file; it must not exist.
        #[arg(long)]
        out: PathBuf,
        /// Key file of the custodian who asks for it.
        #[arg(long)]
        custodian: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Asks that a custodian leaves.
    Dismiss {
        name: String,
        #[arg(long)]
        custodian: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Asks for a new key of that name; the old one keeps opening and verifying what it made.
    Rotate {
        name: String,
        #[arg(long)]
        custodian: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Asks for the destruction of a rotated key: what it sealed can never be opened again.
    Destroy {
        number: u32,
        #[arg(long)]
        custodian: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Lists what waits for another custodian's approval.
    Requests {
        #[command(flatten)]
        place: Place,
    },
    /// Approves a request of another custodian and does it.
    Approve {
        request: String,
        #[arg(long)]
        custodian: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

impl Keys {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::List { place } => list(&place).await,
            Self::ExportPublic {
                name,
                number,
                place,
            } => export_public(&name, number, &place).await,
            Self::Enroll {
                name,
                out,
                custodian,
                place,
            } => enroll(&name, &out, custodian, &place).await,
            Self::Dismiss {
                name,
                custodian,
                place,
            } => request(Operation::Dismiss { name }, custodian, &place).await,
            Self::Rotate {
                name,
                custodian,
                place,
            } => request(Operation::Rotate { key: name }, custodian, &place).await,
            Self::Destroy {
                number,
                custodian,
                place,
            } => request(Operation::Destroy { number }, custodian, &place).await,
            Self::Requests { place } => requests(&place).await,
            Self::Approve {
                request,
                custodian,
                place,
            } => approve(&request, &custodian, &place).await,
        }
    }
}

async fn list(place: &Place) -> Result<()> {
    let ring = wire::existing_keys(place).await?;
    say("number  name         kind           state         uses  fingerprint");
    for key in ring.list() {
        say(format!(
            "{:<7} {:<12} {:<14} {:<13} {:<5} {}",
            key.number,
            key.name,
            key.kind.name(),
            key.state.name(),
            key.uses,
            fingerprint(&key)?
        ));
    }
    for custodian in ring.custodians() {
        say(format!("custodian {}", custodian.name));
    }
    Ok(())
}

fn fingerprint(key: &KeyInfo) -> Result<String> {
    let Some(pem) = &key.public else {
        return Ok("-".into());
    };
    let public = kernel_crypto::sm2::VerifyingKey::from_pem(pem)?;
    Ok(public.fingerprint().to_string())
}

async fn export_public(name: &str, number: Option<u32>, place: &Place) -> Result<()> {
    let Some(key) = SignKey::ALL.into_iter().find(|key| key.name() == name) else {
        let names: Vec<&str> = SignKey::ALL.into_iter().map(SignKey::name).collect();
        bail!(
            "{name} is not a signing key; there are {}",
            names.join(", ")
        );
    };
    let ring = wire::existing_keys(place).await?;
    let pem = match number {
        None => ring.public_pem(key)?,
        Some(number) => ring
            .list()
            .into_iter()
            .find(|key| key.number == number && key.name == name)
            .and_then(|key| key.public)
            .with_context(|| format!("there is no key {number} called {name}"))?,
    };
    say(pem.trim_end());
    Ok(())
}

async fn enroll(name: &str, out: &Path, custodian: Option<PathBuf>, place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let founding = opened.keys.custodians().len() < 2;
    if !founding && custodian.is_none() {
        bail!("two custodians are enrolled: one of them has to ask for it, with --custodian FILE");
    }
    let new = CustodianKey::create(out, name, &config::new_custodian_passphrase(name)?)?;
    let public = new.custodian()?;
    say(format!("key file of {name} written to {}", out.display()));
    if let (false, Some(file)) = (founding, custodian) {
        let operation = Operation::Enroll { custodian: public };
        return ask(opened, operation, &file).await;
    }
    let detail = json!({ "custodian": public });
    record(&opened, name, "platform.key.enroll", name, "ok", detail).await?;
    opened.keys.found(public)?;
    opened.close().await;
    say(format!("{name} is a custodian"));
    Ok(())
}

async fn request(operation: Operation, custodian: Option<PathBuf>, place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let Some(file) = custodian else {
        bail!(
            "this takes two custodians: give the key file of the one who asks with --custodian \
             FILE, then another one approves with `rongqiao keys approve`; `rongqiao keys enroll` \
             makes custodians ({} are enrolled)",
            opened.keys.custodians().len()
        );
    };
    ask(opened, operation, &file).await
}

async fn ask(opened: Opened, operation: Operation, file: &Path) -> Result<()> {
    let custodian = open_custodian(file)?;
    let now = wire::now();
    let request = opened.keys.request(operation, &custodian, now)?;
    let detail = json!({ "request": request });
    let object = object(&request.operation);
    record(
        &opened,
        &request.by,
        "platform.key.request",
        &object,
        "ok",
        detail,
    )
    .await?;
    opened.close().await;
    say(format!("request {}: {}", request.id, what(&request)));
    advise(format!(
        "another custodian approves it within a day: rongqiao keys approve {} --custodian FILE",
        request.id
    ));
    Ok(())
}

async fn requests(place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let waiting = opened.keys.requests(wire::now());
    opened.close().await;
    if waiting.is_empty() {
        say("nothing waits for approval");
    }
    for request in waiting {
        say(format!("request {}: {}", request.id, what(&request)));
    }
    Ok(())
}

async fn approve(id: &str, file: &Path, place: &Place) -> Result<()> {
    let opened = wire::existing(place).await?;
    let custodian = open_custodian(file)?;
    let now = wire::now();
    let approval = opened.keys.approve(id, &custodian, now)?;
    let (object, by) = (object(approval.operation()), approval.approver().to_owned());
    let action = match approval.operation() {
        Operation::Rotate { .. } => "platform.key.rotate",
        Operation::Destroy { .. } => "platform.key.destroy",
        Operation::Enroll { .. } => "platform.key.enroll",
        Operation::Dismiss { .. } => "platform.key.dismiss",
    };
    if let Operation::Destroy { number } = approval.operation() {
        needed_by_nobody(&opened, *number).await?;
    }
    // Before the effect: what is not recorded does not happen.
    let evidence = approval.evidence();
    record(&opened, &by, action, &object, "approved", evidence).await?;
    let done = opened.keys.execute(approval, now);
    let (outcome, detail, line) = match &done {
        Ok(Done::Rotated { number }) => (
            "ok",
            json!({ "number": number }),
            format!("{object} has the new key {number}"),
        ),
        Ok(Done::Destroyed { number }) => (
            "ok",
            json!({ "number": number }),
            format!("key {number} is destroyed"),
        ),
        Ok(Done::Enrolled) => ("ok", json!({}), "the custodian is enrolled".into()),
        Ok(Done::Dismissed) => ("ok", json!({}), "the custodian is dismissed".into()),
        Err(error) => ("failed", json!({ "why": error.to_string() }), String::new()),
    };
    record(&opened, &by, action, &object, outcome, detail).await?;
    opened.store.audit_checkpoint(now).await?;
    opened.close().await;
    done?;
    say(line);
    Ok(())
}

/// Refuses to destroy a key that something stored needs.
async fn needed_by_nobody(opened: &Opened, number: u32) -> Result<()> {
    let list = opened.keys.list();
    let Some(key) = list.iter().find(|key| key.number == number) else {
        return Ok(());
    };
    if key.kind == KeyKind::Sm4Master {
        opened.gathered().await?;
        reseal::free(&opened.store, &opened.blobs, number).await?;
    }
    if key.name == AttestKey::Record.name() {
        reseal::free_codes(&opened.store, number).await?;
    }
    if key.name == MacKey::Blind.name() {
        reseal::unindexed(&opened.store, number).await?;
    }
    if key.name == MacKey::Pepper.name() {
        let users = peppers::needed_by(&opened.store, &opened.keys, number).await?;
        ensure!(
            users == 0,
            "key {number} is needed: {users} users have not signed in since it was rotated; wait \
             for them, or give them new passwords"
        );
    }
    Ok(())
}

fn open_custodian(file: &Path) -> Result<CustodianKey> {
    let passphrase = config::custodian_passphrase(&file.display().to_string())?;
    Ok(CustodianKey::open(file, &passphrase)?)
}

fn object(operation: &Operation) -> String {
    match operation {
        Operation::Rotate { key } => format!("key/{key}"),
        Operation::Destroy { number } => format!("key/{number}"),
        Operation::Enroll { custodian } => format!("custodian/{}", custodian.name),
        Operation::Dismiss { name } => format!("custodian/{name}"),
    }
}

fn what(request: &Request) -> String {
    let does = match &request.operation {
        Operation::Rotate { .. } => "rotate",
        Operation::Destroy { .. } => "destroy",
        Operation::Enroll { .. } => "enroll",
        Operation::Dismiss { .. } => "dismiss",
    };
    format!(
        "{does} {}, asked for by {}",
        object(&request.operation),
        request.by
    )
}

async fn record(
    opened: &Opened,
    actor: &str,
    action: &str,
    object: &str,
    outcome: &str,
    detail: Value,
) -> Result<()> {
    let draft = AuditDraft {
        at: wire::now(),
        actor: actor.into(),
        action: action.into(),
        object: object.into(),
        outcome: outcome.into(),
        detail,
        request: wire::request()?,
        ..AuditDraft::default()
    };
    opened.store.audit_append(vec![draft]).await?;
    Ok(())
}
