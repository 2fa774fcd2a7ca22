//! 一键测额: what each bank's product could lend, under the letters of consent there are.

use std::collections::BTreeMap;

use sdk::prelude::*;

use crate::model::{Product, Quota};
use crate::rules::quota::{Facts, Range, estimate};
use crate::{permissions, rules};

/// 一键测额. Every online product with a model, for banks that have a letter for it.
#[derive(Action, Debug)]
#[action(name = "quota.estimate", permission = permissions::ESTIMATE, purpose = rules::ESTIMATE)]
pub(crate) struct Estimate {}

impl CollectionAction for Estimate {
    type Record = Quota;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let subject = ctx.subject()?.to_owned();
        let reference = ctx.new_id::<Quota>();
        let mut answers: BTreeMap<(String, String), Result<Scored, Fault>> = BTreeMap::new();
        let mut estimates: Vec<(Product, Range, String)> = Vec::new();
        for product in scored_products(ctx)? {
            let Some(model) = product.model.clone() else {
                continue;
            };
            // One read a bank and model, however many products share it.
            let scored = answers
                .entry((product.organisation.clone(), model.clone()))
                .or_insert_with(|| {
                    ctx.score(&ScoreRequest {
                        organisation: product.organisation.clone(),
                        model,
                        subject: subject.clone(),
                        reference: reference.as_str().to_owned(),
                    })
                    .map_err(|fault| rules::explain(fault, &product.institution_name))
                });
            let Ok(scored) = scored else { continue };
            let range = Facts::of(&scored.reasons).and_then(|facts| estimate(&facts, &product));
            if let Some(mut range) = range {
                let disputed = scored.reasons.iter().filter(|r| r.disputed).count();
                if disputed > 0 {
                    let words = format!("所读取的数据有 {disputed} 项异议处理中");
                    range.reasons.push(words);
                }
                estimates.push((product, range, scored.certificate.clone()));
            }
        }
        if estimates.is_empty() {
            let none = || {
                Fault::refused(
                    "lending.no-estimate",
                    "目前没有可以线上测额的产品，请到产品超市选择",
                )
            };
            return Err(answers
                .into_values()
                .find_map(Result::err)
                .unwrap_or_else(none));
        }
        let count = estimates.len();
        for (product, range, certificate) in estimates {
            let quota = Quota {
                product: product.id,
                product_name: product.name,
                institution_name: product.institution_name,
                low: range.low,
                high: range.high,
                reasons: Some(range.reasons),
                certificate,
                estimated_at: ctx.now(),
            };
            let new = New::of(quota)
                .subject(&subject)
                .organisation(&product.organisation)
                .district(&ctx.caller().district);
            ctx.insert(new);
        }
        Ok(Done::new().result(json!({ "products": count })).go(
            "/lending/quota",
            format!("已测算 {count} 款产品，结果仅供参考"),
        ))
    }
}

/// Open to everybody, online, and scored by a model.
pub(crate) fn scored_products(ctx: &Ctx) -> Result<Vec<Product>, Fault> {
    let missing = |field: &str| Filter::Missing {
        field: field.into(),
    };
    let query = Query::new(Product::COLLECTION)
        .filter(Filter::eq("status", "online"))
        .filter(missing("park"))
        .filter(Filter::Not(Box::new(missing("model"))))
        .sort("rate_from", false)
        .apart()
        .limit(50);
    ctx.find_as(query)
}
