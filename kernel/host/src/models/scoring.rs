//! Scoring a subject for a bank: the declared features and nothing else, under a letter of
//! consent that is checked now, with a certificate at the end.

use std::collections::{BTreeMap, BTreeSet};

use kernel_crypto::canonical;
use kernel_storage::{CollectionName, Commit, CommitError};
use sdk_contract::call::{Contribution, RecordRead, ScoreRequest, Scored, Write};
use sdk_contract::def::DisclosureDef;
use sdk_contract::disclosure::{self, Letter, Want, check};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::model::{FeatureValue, ModelDef, encode_row};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::certificate::{
    CERTIFICATE_DOCUMENT, Certificate, ModelIdentity, ReadVersion, Signed, output,
};
use super::values::feature;
use crate::console;
use crate::dispatch::{by, commit_fault, draft};
use crate::module::{Call, new_id};
use crate::reads::{ask, chain};
use crate::values::{number, word};
use crate::{Catalog, Host, Installed};

/// How often a commit is tried again when the letter's count of uses moved meanwhile.
const ATTEMPTS: u32 = 5;

/// One feature as it was read.
struct Reading {
    name: String,
    label: String,
    item: String,
    value: Value,
    record: Option<RecordRead>,
    disputed: bool,
}

impl Host {
    /// Scores a subject with a bank's live model. Every refusal is audited.
    pub(crate) async fn score(
        &self,
        call: &Call,
        asker: &str,
        request: &ScoreRequest,
    ) -> Result<Scored, Fault> {
        match self.score_checked(call, asker, request).await {
            Err(fault) => {
                let detail = json!({
                    "code": fault.code, "recipient": request.organisation, "purpose": call.purpose,
                    "reference": request.reference, "asker": asker,
                });
                self.audit(call, "model.score", &request.subject, "refused", detail)
                    .await?;
                Err(fault)
            }
            done => done,
        }
    }

    async fn score_checked(
        &self,
        call: &Call,
        asker: &str,
        request: &ScoreRequest,
    ) -> Result<Scored, Fault> {
        let p = &call.principal;
        call.seen.parties([request.subject.as_str()]);
        let for_itself = p.subject.as_deref() == Some(&request.subject);
        let for_bank = p.organisations.contains(&request.organisation);
        if !for_itself && !for_bank {
            return Err(Fault::forbidden("您不能为该主体发起评分"));
        }
        // Declared with the action, so that what is read for what can be known before it runs.
        let purpose = call.purpose.clone().ok_or_else(|| {
            let what = format!("{asker}: no purpose is declared with what reads this data");
            Fault::new(FaultKind::Forbidden, "purpose-undeclared", what)
        })?;
        let live = self
            .live_model(&request.organisation, &request.model)
            .await?;
        let catalog = self.catalog();
        let items = needed_items(&catalog, &live.def)?;
        let want = Want {
            subject: request.subject.clone(),
            recipient: request.organisation.clone(),
            items: items.into_iter().collect(),
            purpose,
            today: call.now.local_date(),
        };
        let letter = self.letter(&catalog, &want).await?;
        let readings = self
            .read_features(&catalog, &live.def, &request.subject)
            .await?;
        let input: BTreeMap<String, FeatureValue> = readings
            .iter()
            .map(|r| (r.name.clone(), feature(Some(&r.value))))
            .collect();
        let read = versions(&readings);
        let disputed = readings.iter().filter(|r| r.disputed);
        let disputed = disputed.map(|r| r.name.clone()).collect();
        let row = encode_row(&live.def, &input).map_err(|e| {
            Fault::refused(
                "model.no-score",
                format!("现有数据不足以评分（{e}），可补充数据后再试"),
            )
        })?;
        let model = self.admitted(&live).await?;
        let batch = self
            .models()
            .score(&model, row, true)
            .await
            .map_err(|e| no_score(&live.def.name, &e))?;
        let out = output(&live.def, &batch);
        let scored = Scored {
            certificate: new_id(call.now)?,
            model: live.def.name.clone(),
            version: live.def.version.clone(),
            score: out.score,
            base: out.base,
            probability: live.def.probability(out.score),
            grade: live.def.grade(out.score).to_owned(),
            reasons: reasons(&live.def, readings, &out.contributions),
            consent: letter.id.clone(),
        };
        let certificate = Certificate {
            version: CERTIFICATE_DOCUMENT,
            id: scored.certificate.clone(),
            at: call.now.to_string(),
            model: ModelIdentity {
                name: live.def.name.clone(),
                version: live.def.version.clone(),
                digest: model.digest.clone(),
            },
            recipient: request.organisation.clone(),
            subject: request.subject.clone(),
            purpose: want.purpose.clone(),
            consent: letter.id.clone(),
            reference: request.reference.clone(),
            input,
            read,
            disputed,
            output: out,
        };
        let signed = certificate.sign(self.keys()).map_err(|e| {
            tracing::error!(error = chain(&e), "a certificate cannot be signed");
            Fault::new(
                FaultKind::Unavailable,
                "crypto-unavailable",
                "签名服务暂时不可用，请稍后再试",
            )
        })?;
        self.record(call, &catalog, &want, &signed, asker).await?;
        Ok(scored)
    }

    /// All letters of the subject, checked now: no cache stands between a revocation and a read.
    async fn letter(&self, catalog: &Catalog, want: &Want) -> Result<Letter, Fault> {
        let Some((module, ledger)) = catalog
            .ledger()
            .and_then(|m| m.def.disclosures.as_ref().map(|d| (m, d)))
        else {
            return Err(Fault::new(
                FaultKind::Unavailable,
                "disclosure.unavailable",
                "授权服务未启用，暂不能读取数据",
            ));
        };
        let query = Query::new(format!("{}.{}", module.def.id, ledger.collection))
            .filter(Filter::eq("subject", want.subject.as_str()))
            .sort("created_at", true)
            .limit(MAX_LIMIT);
        let found = self
            .store()
            .find(&query, &Self::KERNEL)
            .await
            .map_err(|e| ask(&e))?;
        let revoked = self
            .revoked_templates(module, ledger, &found.records)
            .await?;
        let letters: Vec<Letter> = found
            .records
            .iter()
            .filter_map(|r| Letter::read(r, ledger, &revoked))
            .collect();
        check(&letters, want)
            .cloned()
            .map_err(disclosure::Denial::fault)
    }

    /// Those of the templates that these letters name which were revoked, as they stand now.
    async fn revoked_templates(
        &self,
        module: &Installed,
        ledger: &DisclosureDef,
        letters: &[Map<String, Value>],
    ) -> Result<BTreeSet<String>, Fault> {
        let named: BTreeSet<&str> = letters
            .iter()
            .filter_map(|letter| disclosure::template(letter, ledger))
            .collect();
        let Some(def) = ledger.template.as_ref().filter(|_| !named.is_empty()) else {
            return Ok(BTreeSet::new());
        };
        let query = Query::new(format!("{}.{}", module.def.id, def.collection))
            .filter(Filter::In {
                field: "id".into(),
                values: named.into_iter().map(Value::from).collect(),
            })
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &Self::KERNEL).await;
        let found = found.map_err(|e| ask(&e))?;
        Ok(disclosure::revoked(&found.records, ledger))
    }

    /// The newest record of each collection the model's features come from.
    async fn read_features(
        &self,
        catalog: &Catalog,
        def: &ModelDef,
        subject: &str,
    ) -> Result<Vec<Reading>, Fault> {
        let mut newest: BTreeMap<CollectionName, Map<String, Value>> = BTreeMap::new();
        let mut readings = Vec::with_capacity(def.features.len());
        for wanted in &def.features {
            let (module, declared) = catalog
                .feature(&wanted.name)
                .ok_or_else(|| unknown(&wanted.name))?;
            let name = CollectionName::new(&module.def.id, &declared.collection);
            if !newest.contains_key(&name) {
                let query = Query::new(name.to_string())
                    .filter(Filter::eq("subject", subject))
                    .sort("created_at", true)
                    .limit(1);
                let found = self
                    .store()
                    .find(&query, &Self::KERNEL)
                    .await
                    .map_err(|e| ask(&e))?;
                newest.insert(
                    name.clone(),
                    found.records.into_iter().next().unwrap_or_default(),
                );
            }
            let record = newest.get(&name).filter(|record| !record.is_empty());
            let value = record.and_then(|r| r.get(&declared.field)).cloned();
            readings.push(Reading {
                name: wanted.name.clone(),
                label: declared.label.zh.clone(),
                item: declared.item.clone(),
                value: value.unwrap_or(Value::Null),
                record: record.map(|record| version(&name, record)),
                disputed: record.is_some_and(|record| declared.is_disputed(record)),
            });
        }
        Ok(readings)
    }

    /// Certificate, count of the letter's uses and audit record, in one commit.
    async fn record(
        &self,
        call: &Call,
        catalog: &Catalog,
        want: &Want,
        signed: &Signed,
        asker: &str,
    ) -> Result<(), Fault> {
        let c = &signed.certificate;
        let bytes = canonical::to_vec(&json!(signed));
        let detail = json!({
            "certificate": kernel_crypto::sm3::digest(&bytes).to_string(), "recipient": c.recipient,
            "purpose": c.purpose, "consent": c.consent, "reference": c.reference, "asker": asker,
            "items": want.items, "features": c.input.keys().collect::<Vec<_>>(), "model": c.model,
        });
        for _ in 0..ATTEMPTS {
            let commit = Commit {
                at: call.now.micros(),
                by: by(&call.principal),
                request: call.principal.request.clone(),
                module: console::ID.into(),
                writes: vec![console::certificate_row(signed, asker)],
                others: self.used(call, catalog, (want, c)).await?,
                audit: vec![draft(call, "model.score", &c.subject, "ok", detail.clone())],
                ..Commit::default()
            };
            match self.store().commit(commit).await {
                Ok(_) => return Ok(()),
                // Someone else used or revoked the letter: look again before using it.
                Err(CommitError::Stale { .. }) => {
                    self.letter(catalog, want).await?;
                }
                Err(error) => return Err(commit_fault(&error)),
            }
        }
        Err(Fault::new(
            FaultKind::Unavailable,
            "busy",
            "请求过于集中，请稍后再试",
        ))
    }

    /// The letter's count of uses, and the use itself where they are written down.
    async fn used(
        &self,
        call: &Call,
        catalog: &Catalog,
        (want, certificate): (&Want, &Certificate),
    ) -> Result<Vec<(String, Write)>, Fault> {
        let letter = certificate.consent.as_str();
        let Some((module, ledger)) = catalog
            .ledger()
            .and_then(|m| m.def.disclosures.as_ref().map(|d| (m, d)))
        else {
            return Ok(Vec::new());
        };
        let name = CollectionName::new(&module.def.id, &ledger.collection);
        let row = self
            .store()
            .get(&name, letter, &Self::KERNEL)
            .await
            .map_err(|e| ask(&e))?;
        let row = row.ok_or_else(|| disclosure::Denial::NoConsent.fault())?;
        let mut values = Map::new();
        values.insert("uses".into(), json!(number(&row, "uses").saturating_add(1)));
        let mut writes = vec![Write::Update {
            collection: ledger.collection.clone(),
            id: letter.to_owned(),
            revision: number(&row, "revision"),
            values,
        }];
        if let Some(uses) = &ledger.uses {
            let used = disclosure::Use {
                letter,
                want,
                reference: &certificate.reference,
                certificate: &certificate.id,
                at: call.now,
            };
            writes.push(Write::Insert {
                collection: uses.clone(),
                id: new_id(call.now)?,
                subject: Some(want.subject.clone()),
                organisation: Some(want.recipient.clone()),
                district: None,
                values: used.values(),
            });
        }
        let module = &module.def.id;
        let of = |write| (module.clone(), write);
        Ok(writes.into_iter().map(of).collect())
    }
}

fn version(name: &CollectionName, record: &Map<String, Value>) -> RecordRead {
    RecordRead {
        collection: name.to_string(),
        id: word(record, "id").to_owned(),
        revision: number(record, "revision"),
    }
}

/// Each record once.
fn versions(readings: &[Reading]) -> Vec<ReadVersion> {
    let mut all: Vec<ReadVersion> = Vec::new();
    for read in readings.iter().filter_map(|r| r.record.as_ref()) {
        let read = ReadVersion::from(read);
        if !all.contains(&read) {
            all.push(read);
        }
    }
    all
}

fn unknown(feature: &str) -> Fault {
    Fault::new(
        FaultKind::Unavailable,
        "model.unknown-feature",
        format!("平台暂不提供模型所需的数据项 {feature}"),
    )
}

fn needed_items(catalog: &Catalog, def: &ModelDef) -> Result<BTreeSet<String>, Fault> {
    def.features
        .iter()
        .map(|f| {
            catalog
                .feature(&f.name)
                .map(|(_, d)| d.item.clone())
                .ok_or_else(|| unknown(&f.name))
        })
        .collect()
}

fn no_score(model: &str, error: &super::ModelError) -> Fault {
    tracing::error!(model, error = chain(error), blame = "model", "no score");
    Fault::new(
        FaultKind::Unavailable,
        "model.no-score",
        "银行评分模型暂时不可用，本次操作没有生效，请稍后再试",
    )
}

fn reasons(def: &ModelDef, readings: Vec<Reading>, contributions: &[f64]) -> Vec<Contribution> {
    def.features
        .iter()
        .zip(readings)
        .zip(contributions)
        .map(|((f, r), points)| Contribution {
            feature: r.name,
            label: r.label,
            item: r.item,
            value: r.value,
            code: f.reason.code.clone(),
            text: f.reason.text.clone(),
            points: *points,
            record: r.record,
            disputed: r.disputed,
        })
        .collect()
}
