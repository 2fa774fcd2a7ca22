//! A stand-in for a bank's model: it reads the features the real one declares, under the same rules
//! of consent, and gives whole points that are the same each time.

use sdk_contract::call::{Caller, Contribution, RecordRead, ScoreRequest, Scored};
use sdk_contract::def::{FeatureDef, ModuleDef};
use sdk_contract::disclosure::{self, Letter, Want};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::model::ModelDef;
use serde_json::Value;
use sm3::{Digest, Sm3};

use super::State;
use super::access::Runner;

/// A feature of the model, and where the modules keep it.
struct Read {
    module: String,
    def: FeatureDef,
    code: String,
    text: String,
}

impl State {
    pub(super) fn score(
        &mut self,
        runner: &Runner,
        request: &ScoreRequest,
        purpose: Option<&str>,
    ) -> Result<Scored, Fault> {
        let caller = runner.caller();
        let for_itself = caller.subject.as_deref() == Some(&request.subject);
        let for_bank = caller
            .organisation
            .as_ref()
            .is_some_and(|mine| self.people.within(&request.organisation, mine));
        if !for_itself && !for_bank {
            return Err(Fault::forbidden("您不能为该主体发起评分"));
        }
        let purpose = purpose.ok_or_else(|| {
            let what = "no purpose is declared with what reads this data";
            Fault::new(FaultKind::Forbidden, "purpose-undeclared", what)
        })?;
        let live = self
            .models
            .iter()
            .find(|m| m.organisation == request.organisation && m.def.name == request.model);
        let model = live.map(|m| m.def.clone()).ok_or_else(|| {
            Fault::new(
                FaultKind::Unavailable,
                "model.not-live",
                "该机构的评分模型尚未上线，暂不能评分",
            )
        })?;
        let features = self.features(&model)?;
        let items = features.iter().map(|f| f.def.item.clone());
        let certificate = self.next_id();
        let consent = self.consent(&caller, request, items.collect(), (purpose, &certificate))?;

        let reasons: Vec<(i32, Contribution)> = features
            .iter()
            .map(|feature| self.contribution(feature, request))
            .collect();
        let points: i32 = reasons.iter().map(|(points, _)| points).sum();
        let score = total(&model, points);
        Ok(Scored {
            certificate,
            model: request.model.clone(),
            version: model.version.clone(),
            score,
            base: model.base,
            probability: model.probability(score),
            grade: model.grade(score).to_owned(),
            reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
            consent,
        })
    }

    fn features(&self, model: &ModelDef) -> Result<Vec<Read>, Fault> {
        let read = |wanted: &sdk_contract::model::FeatureInput| {
            let found = self.modules.iter().find_map(|m| {
                let def = m.def.features.iter().find(|f| f.name == wanted.name)?;
                Some((m.def.id.clone(), def.clone()))
            });
            let (module, def) = found.ok_or_else(|| {
                Fault::new(
                    FaultKind::Unavailable,
                    "model.unknown-feature",
                    format!("平台暂不提供模型所需的数据项 {}", wanted.name),
                )
            })?;
            Ok(Read {
                module,
                def,
                code: wanted.reason.code.clone(),
                text: wanted.reason.text.clone(),
            })
        };
        model.features.iter().map(read).collect()
    }

    /// The letter that allows it; one use of it is counted, and written down.
    fn consent(
        &mut self,
        by: &Caller,
        request: &ScoreRequest,
        items: Vec<String>,
        (purpose, certificate): (&str, &str),
    ) -> Result<String, Fault> {
        let ledger = self.modules.iter().find_map(|m| {
            let def = m.def.disclosures.as_ref()?;
            Some((format!("{}.{}", m.def.id, def.collection), def.clone()))
        });
        let (name, def) = ledger.ok_or_else(|| {
            Fault::new(
                FaultKind::Unavailable,
                "disclosure.unavailable",
                "授权服务未启用，暂不能读取数据",
            )
        })?;
        let templates = def.template.as_ref().map(|t| {
            let module = name.split('.').next().unwrap_or_default();
            format!("{module}.{}", t.collection)
        });
        let templates = templates.iter().flat_map(|name| self.table(name));
        let revoked = disclosure::revoked(templates, &def);
        let letters: Vec<Letter> = self
            .table(&name)
            .filter_map(|row| Letter::read(row, &def, &revoked))
            .filter(|letter| letter.subject == request.subject)
            .collect();
        let want = Want {
            subject: request.subject.clone(),
            recipient: request.organisation.clone(),
            items,
            purpose: purpose.to_owned(),
            today: self.now.local_date(),
        };
        let letter = disclosure::check(&letters, &want).map_err(disclosure::Denial::fault)?;
        if let Some(row) = self.row_mut(&name, &letter.id) {
            let revision = row.get("revision").and_then(Value::as_i64).unwrap_or(1);
            row.insert("uses".into(), (letter.uses + 1).into());
            row.insert("revision".into(), (revision + 1).into());
        }
        if let Some(uses) = &def.uses {
            let used = disclosure::Use {
                letter: &letter.id,
                want: &want,
                reference: &request.reference,
                certificate,
                at: self.now,
            };
            let parties = [
                ("subject", Some(want.subject.clone())),
                ("organisation", Some(want.recipient.clone())),
                ("district", None),
            ];
            let id = self.next_id();
            let row = self.fresh(by, &id, parties, used.values());
            let module = name.split('.').next().unwrap_or_default();
            let kept = format!("{module}.{uses}");
            self.rows.entry(kept).or_default().insert(id, row);
        }
        Ok(letter.id.clone())
    }

    fn contribution(&self, feature: &Read, request: &ScoreRequest) -> (i32, Contribution) {
        let def = &feature.def;
        let collection = format!("{}.{}", feature.module, def.collection);
        let newest = self
            .table(&collection)
            .filter(|row| row.get("subject").and_then(Value::as_str) == Some(&request.subject))
            .max_by_key(|row| super::check::text(row, "created_at").to_owned());
        let value = newest
            .and_then(|row| row.get(&def.field))
            .cloned()
            .unwrap_or_default();
        let points = if value.is_null() {
            0
        } else {
            points(&def.name, &value)
        };
        let contribution = Contribution {
            feature: def.name.clone(),
            label: def.label.zh.clone(),
            item: def.item.clone(),
            code: feature.code.clone(),
            text: feature.text.clone(),
            value,
            points: f64::from(points),
            record: newest.map(|row| RecordRead {
                collection: collection.clone(),
                id: super::check::text(row, "id").to_owned(),
                revision: row.get("revision").and_then(Value::as_i64).unwrap_or(1),
            }),
            disputed: newest.is_some_and(|row| def.is_disputed(row)),
        };
        (points, contribution)
    }
}

#[expect(
    clippy::float_arithmetic,
    reason = "scores are floats; no money passes here"
)]
fn total(model: &ModelDef, points: i32) -> f64 {
    model.base + f64::from(points)
}

/// -20 to 20, by digest.
fn points(feature: &str, value: &Value) -> i32 {
    let digest = Sm3::digest(format!("{feature}={value}"));
    i32::from(digest.first().copied().unwrap_or_default()) % 41 - 20
}

/// Declared features whose field is nowhere to be found, in words.
pub(super) fn orphans(def: &ModuleDef) -> Vec<String> {
    let there = |f: &FeatureDef| {
        def.collection(&f.collection)
            .is_some_and(|c| c.field(&f.field).is_some())
    };
    def.features
        .iter()
        .filter(|f| !there(f))
        .map(|f| format!("feature {}: no such field", f.name))
        .collect()
}
