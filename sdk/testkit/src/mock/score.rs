//! A stand-in for a bank's model: deterministic, whole points, and under the same rules of
//! consent as the real thing. It reads every feature that the loaded modules declare.

use std::collections::BTreeSet;

use sdk_contract::call::{Contribution, ScoreRequest, Scored};
use sdk_contract::def::{FeatureDef, ModuleDef};
use sdk_contract::disclosure::{self, Letter, Want};
use sdk_contract::error::Fault;
use serde_json::Value;
use sm3::{Digest, Sm3};

use super::State;

const BASE: i32 = 600;
/// At least this many points; grade; probability of default.
const GRADES: [(i32, &str, f64); 4] = [
    (640, "A", 0.01),
    (600, "B", 0.03),
    (560, "C", 0.08),
    (i32::MIN, "D", 0.2),
];

impl State {
    pub(super) fn score(&mut self, request: &ScoreRequest) -> Result<Scored, Fault> {
        let features: Vec<(String, FeatureDef)> = self
            .modules
            .iter()
            .flat_map(|m| m.def.features.iter().map(|f| (m.def.id.clone(), f.clone())))
            .collect();
        let items: BTreeSet<String> = features.iter().map(|(_, f)| f.item.clone()).collect();
        let consent = self.consent(request, items)?;

        let reasons: Vec<(i32, Contribution)> = features
            .iter()
            .map(|(module, f)| self.contribution(module, f, request))
            .collect();
        let score = BASE + reasons.iter().map(|(points, _)| points).sum::<i32>();
        let (_, grade, probability) = GRADES
            .into_iter()
            .find(|(least, ..)| score >= *least)
            .unwrap_or((0, "D", 0.2));
        Ok(Scored {
            certificate: self.next_id(),
            model: request.model.clone(),
            version: "0.0.0".into(),
            score: f64::from(score),
            base: f64::from(BASE),
            probability,
            grade: grade.into(),
            reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
            consent,
        })
    }

    /// The letter that allows it; one use of it is counted.
    fn consent(
        &mut self,
        request: &ScoreRequest,
        items: BTreeSet<String>,
    ) -> Result<String, Fault> {
        let ledger = self.modules.iter().find_map(|m| {
            let def = m.def.disclosures.as_ref()?;
            Some((format!("{}.{}", m.def.id, def.collection), def.clone()))
        });
        let (name, def) = ledger.ok_or_else(|| disclosure::Denial::NoConsent.fault())?;
        let letters: Vec<Letter> = self
            .table(&name)
            .filter_map(|row| Letter::read(row, &def))
            .filter(|letter| letter.subject == request.subject)
            .collect();
        let want = Want {
            subject: request.subject.clone(),
            recipient: request.organisation.clone(),
            items: items.into_iter().collect(),
            purpose: request.purpose.clone(),
            today: self.now.local_date(),
        };
        let letter = disclosure::check(&letters, &want).map_err(disclosure::Denial::fault)?;
        if let Some(row) = self.row_mut(&name, &letter.id) {
            row.insert("uses".into(), (letter.uses + 1).into());
        }
        Ok(letter.id.clone())
    }

    fn contribution(
        &self,
        module: &str,
        feature: &FeatureDef,
        request: &ScoreRequest,
    ) -> (i32, Contribution) {
        let newest = self
            .table(&format!("{module}.{}", feature.collection))
            .filter(|row| row.get("subject").and_then(Value::as_str) == Some(&request.subject))
            .max_by_key(|row| super::check::text(row, "created_at").to_owned());
        let value = newest
            .and_then(|row| row.get(&feature.field))
            .cloned()
            .unwrap_or_default();
        let points = if value.is_null() {
            0
        } else {
            points(&feature.name, &value)
        };
        let contribution = Contribution {
            feature: feature.name.clone(),
            label: feature.label.zh.clone(),
            item: feature.item.clone(),
            code: format!("R-{}", feature.name),
            text: feature.label.zh.clone(),
            value,
            points: f64::from(points),
        };
        (points, contribution)
    }
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
