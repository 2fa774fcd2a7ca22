//! A source's officer corrects what its own check has found to be wrong: one item of one record, for the
//! dispute that is theirs to check. Nobody else writes these records.

use sdk::prelude::*;

use crate::model::versions::{Versioned, next};
use crate::model::{InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord, feature_of};
use crate::{events, permissions};

/// What a correction is asked with.
struct Wanted {
    field: String,
    value: Value,
    dispute: String,
}

macro_rules! correction {
    ($(#[doc = $doc:literal])+ $action:ident, $record:ident, $name:literal) => {
        $(#[doc = $doc])+
        #[derive(Action, Debug)]
        #[action(name = $name, permission = permissions::CORRECT, purpose = "09")]
        pub(crate) struct $action {
            /// 数据项. 字段名。
            #[field(max = 40)]
            pub(crate) field: String,
            /// 更正后的值.
            #[field(json)]
            pub(crate) value: Value,
            /// 所据异议. 异议的编号（id）。
            #[field(max = 64)]
            pub(crate) dispute: String,
        }

        impl RecordAction for $action {
            type Record = $record;

            fn run(self, ctx: &mut Ctx, record: Stored<$record>) -> Result<Done, Fault> {
                let Self { field, value, dispute } = self;
                correct(ctx, &record, &Wanted { field, value, dispute })
            }
        }
    };
}

correction! {
    /// 更正纳税数据.
    CorrectTax, TaxRecord, "tax-record.correct"
}
correction! {
    /// 更正社保数据.
    CorrectInsurance, InsuranceRecord, "insurance-record.correct"
}
correction! {
    /// 更正水电气数据.
    CorrectUtility, UtilityRecord, "utility-record.correct"
}
correction! {
    /// 更正司法与处罚数据.
    CorrectJudicial, JudicialRecord, "judicial-record.correct"
}

/// A dispute, from `exchange.disputes`, as far as it concerns a correction.
#[derive(Deserialize)]
struct Dispute {
    subject: String,
    dataset: String,
    field: String,
    status: String,
    #[serde(default)]
    handler: Option<String>,
}

impl Dispute {
    /// Whether it is being checked, by this user, and about this item.
    fn allows(&self, user: Option<&str>, (subject, collection, field): (&str, &str, &str)) -> bool {
        matches!(self.status.as_str(), "checking" | "rechecking")
            && user.is_some()
            && self.handler.as_deref() == user
            && self.subject == subject
            && self.dataset == format!("credit.{collection}")
            && self.field == field
    }
}

fn correct<R: Versioned>(
    ctx: &mut Ctx,
    record: &Stored<R>,
    wanted: &Wanted,
) -> Result<Done, Fault> {
    if record.links().replaced_by.is_some() {
        let what = "这条记录已被更正后的版本替代，请在最新版本上更正";
        return Err(Fault::refused("credit.replaced", what));
    }
    let feature = feature_of(R::COLLECTION, &wanted.field).ok_or_else(|| {
        let fault = FieldFault::new("field", "not-found", "没有这个数据项");
        Fault::invalid(vec![fault])
    })?;
    let subject = record.subject.clone().unwrap_or_default();
    let item = (subject.as_str(), R::COLLECTION, wanted.field.as_str());
    let user = ctx.caller().user.as_deref();
    if !dispute(ctx, &wanted.dispute)?.is_some_and(|d| d.allows(user, item)) {
        let what = "只能更正由您受理、正在核查的异议所指的数据项";
        return Err(Fault::refused("credit.no-dispute", what));
    }
    let value = fitting::<R>(wanted)?;
    if record.record.to_map().get(&wanted.field) == Some(&value) {
        let what = "与现有的值相同，无需更正；核查无误的，请答复“维持”";
        return Err(Fault::refused("credit.unchanged", what));
    }
    let id = ctx.new_id::<R>();
    let corrected = next(record, (&wanted.field, value), &wanted.dispute)?;
    let version = corrected.links().version;
    let new = New::of(corrected)
        .id(id.clone())
        .subject(&record.subject)
        .organisation(&record.organisation)
        .district(&record.district);
    ctx.insert(new);
    ctx.update(record, R::replaced(id.as_str()));
    let told = json!({
        "subject": subject, "feature": feature.name, "dispute": wanted.dispute,
        "before": record.id, "after": id, "version": version,
    });
    ctx.emit(events::CORRECTED, &subject, told);
    Ok(Done::new()
        .result(json!({ "id": id, "version": version }))
        .go(
            format!("/exchange/disputes/{}", wanted.dispute),
            format!(
                "{}已更正，为第 {version} 版，请答复申请人",
                feature.label.zh
            ),
        ))
}

/// None where there is none that the caller may see, or nothing that keeps disputes.
fn dispute(ctx: &Ctx, id: &str) -> Result<Option<Dispute>, Fault> {
    match ctx.get_as("exchange.disputes", id) {
        Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden) => Ok(None),
        found => found,
    }
}

/// The value as its field takes it.
fn fitting<R: Record>(wanted: &Wanted) -> Result<Value, Fault> {
    let def = R::def();
    let misfit = |code: &'static str, message: &str| {
        Fault::invalid(vec![FieldFault::new("value", code, message)])
    };
    let field = def.field(&wanted.field).ok_or_else(Fault::not_found)?;
    let value = field
        .kind
        .check(&wanted.value, &[])
        .map_err(|m| Fault::invalid(vec![m.fault("value")]))?;
    if wanted.field == "grade" && !crate::model::GRADES.iter().any(|g| value == *g) {
        return Err(misfit("not-an-option", "纳税信用等级为 A、B、M、C、D 之一"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(field: &str, value: Value) -> Wanted {
        Wanted {
            field: field.into(),
            value,
            dispute: "d".into(),
        }
    }

    #[test]
    fn a_value_of_another_kind_is_no_correction() {
        let fits = |field: &str, value: Value| fitting::<TaxRecord>(&wanted(field, value));
        assert_eq!(fits("grade", json!("B")).ok(), Some(json!("B")));
        assert_eq!(fits("months_declared", json!("30")).ok(), Some(json!(30)));
        assert_eq!(fits("paid_12m", json!("12.5")).ok(), Some(json!("12.50")));
        for (field, value) in [
            ("grade", json!("E")),
            ("grade", json!("")),
            ("months_declared", json!(37)),
            ("months_declared", json!("many")),
            ("paid_12m", json!("-1")),
            ("paid_12m", json!(["1"])),
            ("paid_12m", json!(null)),
        ] {
            let fault = fits(field, value.clone()).unwrap_err();
            assert_eq!(fault.fields[0].field, "value", "{field} {value}");
        }
    }

    #[test]
    fn only_the_handler_of_a_dispute_in_check_corrects_its_item() {
        let dispute = |status: &str, handler: Option<&str>| Dispute {
            subject: "s".into(),
            dataset: "credit.tax-records".into(),
            field: "grade".into(),
            status: status.into(),
            handler: handler.map(str::to_owned),
        };
        let item = ("s", "tax-records", "grade");
        let open = dispute("checking", Some("u"));
        assert!(open.allows(Some("u"), item));
        assert!(dispute("rechecking", Some("u")).allows(Some("u"), item));
        for (d, user, item) in [
            (dispute("transferred", Some("u")), Some("u"), item),
            (dispute("maintained", Some("u")), Some("u"), item),
            (dispute("checking", None), None, item),
            (dispute("checking", Some("u")), Some("v"), item),
            (
                dispute("checking", Some("u")),
                Some("u"),
                ("t", "tax-records", "grade"),
            ),
            (
                dispute("checking", Some("u")),
                Some("u"),
                ("s", "tax-records", "paid_12m"),
            ),
            (
                dispute("checking", Some("u")),
                Some("u"),
                ("s", "utility-records", "grade"),
            ),
        ] {
            assert!(!d.allows(user, item));
        }
    }
}
