//! Input against a declaration: the one check that forms, the API, imports, modules' writes and
//! the SDK's mock share.

use serde_json::{Map, Value};

use crate::def::{ChoiceDef, FieldDef};
use crate::error::FieldFault;
use crate::kind::{Kind, Misfit};

/// Input in canonical form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checked {
    pub values: Map<String, Value>,
    /// What a person should look at again before it counts: well formed, perhaps mistyped. Each
    /// is a fault with [`FieldFault::confirm`] set.
    pub doubts: Vec<FieldFault>,
    /// Fields whose doubts were confirmed.
    pub confirmed: Vec<String>,
}

/// Checks every field and names every fault at once, so that a person corrects a form in one go.
/// Doubts about the fields in `confirmed` are settled.
pub fn check(
    fields: &[FieldDef],
    choices: &[ChoiceDef],
    mut given: Map<String, Value>,
    confirmed: &[String],
) -> Result<Checked, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let mut checked = Checked::default();
    for def in fields {
        match field(def, choices, given.remove(&def.name)) {
            Ok(Some(value)) => {
                for doubt in def.kind.doubts(&value) {
                    let doubt = doubt.fault(&def.name).confirm();
                    if confirmed.contains(&doubt.field) {
                        checked.confirmed.push(doubt.field);
                    } else {
                        checked.doubts.push(doubt);
                    }
                }
                checked.values.insert(def.name.clone(), value);
            }
            Ok(None) => {}
            Err(wrong) => faults.extend(wrong),
        }
    }
    for unknown in given.keys() {
        faults.push(FieldFault::new(unknown, "unknown-field", "没有这一项"));
    }
    if faults.is_empty() {
        Ok(checked)
    } else {
        faults.append(&mut checked.doubts);
        Err(faults)
    }
}

/// The canonical value of one field, or none where an optional one is absent or empty.
pub fn field(
    def: &FieldDef,
    choices: &[ChoiceDef],
    given: Option<Value>,
) -> Result<Option<Value>, Vec<FieldFault>> {
    let given = given.filter(|v| match v {
        Value::Null => false,
        Value::String(s) => !s.trim().is_empty(),
        // No option, no row and no file chosen is nothing given; in free JSON it is a value.
        Value::Array(items) => !items.is_empty() || matches!(def.kind, Kind::Json),
        _ => true,
    });
    let wrong = |m: Misfit| m.fault(&def.name);
    match (given, &def.kind) {
        (Some(given), Kind::Rows { fields, max }) => rows(fields, choices, *max, &given)
            .map(Some)
            .map_err(|all| all.into_iter().map(wrong).collect()),
        (Some(given), kind) => kind
            .check(&given, choices)
            .map(Some)
            .map_err(|m| vec![wrong(m)]),
        (None, _) if def.required => Err(vec![FieldFault::new(
            &def.name,
            "required",
            format!("请填写{}", def.label.zh),
        )]),
        (None, _) => Ok(None),
    }
}

/// Rows in canonical form, absent values as null; or everything wrong in them.
pub(crate) fn rows(
    fields: &[FieldDef],
    choices: &[ChoiceDef],
    max: u32,
    value: &Value,
) -> Result<Value, Vec<Misfit>> {
    let whole = |code: &'static str, message: String| {
        vec![Misfit {
            code: code.into(),
            message,
            at: String::new(),
        }]
    };
    let Value::Array(rows) = value else {
        return Err(whole("not-rows", "请逐行填写".into()));
    };
    if rows.len() > max as usize {
        return Err(whole("too-many", format!("最多 {max} 行")));
    }
    let mut faults = Vec::new();
    let mut checked = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let mut given = match row {
            Value::Object(map) => map.clone(),
            _ => return Err(whole("not-rows", "请逐行填写".into())),
        };
        let mut values = Map::new();
        let mut wrong = |fault: FieldFault| {
            faults.push(Misfit {
                code: fault.code.into(),
                message: format!("第 {} 行：{}", number + 1, fault.message),
                at: format!("{number}.{}", fault.field),
            });
        };
        for def in fields {
            match field(def, choices, given.remove(&def.name)) {
                Ok(value) => {
                    values.insert(def.name.clone(), value.unwrap_or_default());
                }
                Err(all) => all.into_iter().for_each(&mut wrong),
            }
        }
        for unknown in given.keys() {
            wrong(FieldFault::new(unknown, "unknown-field", "没有这一项"));
        }
        checked.push(Value::Object(values));
    }
    if faults.is_empty() {
        Ok(checked.into())
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::code::Format;
    use crate::def::Label;

    fn fields() -> Vec<FieldDef> {
        let uscc = FieldDef::new(
            "uscc",
            Label::default(),
            Kind::Code {
                format: Format::Uscc,
            },
        );
        let lines = Kind::Rows {
            fields: vec![uscc.clone()],
            max: 3,
        };
        let mut amount = FieldDef::new(
            "amount",
            Label::new("金额", "Amount"),
            Kind::Money {
                min: Some(0),
                max: None,
            },
        );
        amount.required = true;
        vec![
            uscc,
            FieldDef::new("parties", Label::default(), lines),
            amount,
        ]
    }

    fn given(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_doubt_passes_once_it_is_confirmed() {
        let input = json!({
            "uscc": "91350100M0001TGQXM", "amount": "1",
            "parties": [{"uscc": "91310115MA1H000125"}, {"uscc": "91310115MA1H000120"}],
        });
        let checked = check(&fields(), &[], given(&input), &[]).unwrap();
        let places: Vec<&str> = checked.doubts.iter().map(|d| d.field.as_str()).collect();
        assert_eq!(places, ["uscc", "parties.1.uscc"]);
        assert!(
            checked
                .doubts
                .iter()
                .all(|d| d.confirm && d.code == "check-digit")
        );

        let confirmed = ["uscc".to_owned(), "parties.1.uscc".to_owned()];
        let checked = check(&fields(), &[], given(&input), &confirmed).unwrap();
        assert_eq!(checked.doubts, []);
        assert_eq!(checked.confirmed, confirmed);
    }

    #[test]
    fn what_is_wrong_cannot_be_confirmed() {
        let input = json!({"uscc": "91350100M0001TGQXM", "amount": "-1", "parties": [{"uscc": "1"}], "more": 1});
        let all = ["amount", "parties.0.uscc", "more"].map(str::to_owned);
        let faults = check(&fields(), &[], given(&input), &all).unwrap_err();
        let found: Vec<(&str, bool)> = faults
            .iter()
            .map(|f| (f.field.as_str(), f.confirm))
            .collect();
        let wanted = [
            ("parties.0.uscc", false),
            ("amount", false),
            ("more", false),
            // Named along, so that the person sees everything at once.
            ("uscc", true),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn nothing_chosen_is_nothing_given() {
        let faults = check(&fields(), &[], given(&json!({"parties": []})), &[]).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].code, "required");
        assert_eq!(faults[0].message, "请填写金额");
    }
}
