use super::*;

fn feature(name: &str, code: &str, kind: FeatureKind) -> FeatureInput {
    FeatureInput {
        name: name.into(),
        label: name.into(),
        kind,
        reason: Reason {
            code: code.into(),
            text: "偏低".into(),
        },
        missing: MissingPolicy::Own,
    }
}

fn number(min: f64, max: f64) -> FeatureKind {
    FeatureKind::Number {
        min: Some(min),
        max: Some(max),
        unit: String::new(),
    }
}

fn def() -> ModelDef {
    ModelDef {
        name: "tax-loan".into(),
        version: "1.2.3".into(),
        title: "税易贷".into(),
        description: String::new(),
        target: Target {
            label: "违约".into(),
            column: None,
            bad: None,
        },
        provenance: Provenance::default(),
        features: vec![
            feature("tax.paid_12m", "R01", number(0.0, 1e9)),
            feature(
                "tax.grade",
                "R02",
                FeatureKind::Category {
                    values: vec!["A".into(), "B".into()],
                },
            ),
            feature("social.insured", "R03", number(0.0, 1e6)),
        ],
        min_coverage: 0.0,
        scale: Scale {
            base_score: 600.0,
            base_odds: 20.0,
            pdo: 50.0,
        },
        base: 600.0,
        grades: vec![
            Grade {
                grade: "A".into(),
                at_least: 620.0,
            },
            Grade {
                grade: "B".into(),
                at_least: 420.0,
            },
            Grade {
                grade: "C".into(),
                at_least: 0.0,
            },
        ],
        min_score: 300.0,
        max_score: 900.0,
        golden: vec![GoldenCase {
            input: input(&[("tax.grade", text("A"))]),
            score: 610.5,
        }],
    }
}

fn input(values: &[(&str, FeatureValue)]) -> BTreeMap<String, FeatureValue> {
    values
        .iter()
        .map(|(k, v)| ((*k).into(), v.clone()))
        .collect()
}

fn text(s: &str) -> FeatureValue {
    FeatureValue::Text(s.into())
}

fn faults(change: impl FnOnce(&mut ModelDef)) -> Vec<String> {
    let mut d = def();
    change(&mut d);
    d.validate().iter().map(ToString::to_string).collect()
}

#[test]
fn a_row_is_encoded_in_declared_order() {
    let row = encode_row(
        &def(),
        &input(&[
            ("social.insured", FeatureValue::Number(12.0)),
            ("tax.grade", text("B")),
            ("tax.paid_12m", text("3000000.50")),
            ("tax.unknown", text("ignored")),
        ]),
    );
    assert_eq!(row.unwrap(), [3_000_000.5, 1.0, 12.0]);
}

#[test]
fn what_is_absent_null_empty_or_an_unknown_category_is_missing() {
    for missing in [
        input(&[]),
        input(&[
            ("tax.grade", FeatureValue::Missing),
            ("tax.paid_12m", text(" ")),
        ]),
        input(&[("tax.grade", text("Z"))]),
    ] {
        assert!(
            encode_row(&def(), &missing)
                .unwrap()
                .iter()
                .all(|v| v.is_nan())
        );
    }
}

#[test]
fn a_wrong_value_is_an_error_and_never_another_score() {
    let name = || "tax.paid_12m".to_owned();
    let paid = |v| encode_row(&def(), &input(&[("tax.paid_12m", v)])).unwrap_err();
    assert_eq!(
        paid(text("many")),
        EncodeError::NotANumber { feature: name() }
    );
    assert_eq!(
        paid(text("NaN")),
        EncodeError::NotANumber { feature: name() }
    );
    assert_eq!(
        paid(FeatureValue::Number(f64::INFINITY)),
        EncodeError::NotANumber { feature: name() }
    );
    assert_eq!(
        paid(FeatureValue::Number(-1.0)),
        EncodeError::OutOfRange {
            feature: name(),
            value: -1.0
        }
    );
    let grade = encode_row(&def(), &input(&[("tax.grade", FeatureValue::Number(0.0))]));
    assert_eq!(
        grade,
        Err(EncodeError::NotACategory {
            feature: "tax.grade".into()
        })
    );
}

#[test]
fn too_little_data_is_refused() {
    let mut d = def();
    d.min_coverage = 0.6;
    let one = input(&[("tax.grade", text("A"))]);
    assert_eq!(
        encode_row(&d, &one),
        Err(EncodeError::Coverage {
            present: 1,
            declared: 3
        })
    );
    let two = input(&[("tax.grade", text("A")), ("social.insured", text("3"))]);
    assert!(encode_row(&d, &two).is_ok());
    d.features[0].missing = MissingPolicy::Refuse;
    assert_eq!(
        encode_row(&d, &two),
        Err(EncodeError::Refused {
            feature: "tax.paid_12m".into()
        })
    );
}

#[test]
fn scaling_agrees_with_the_published_examples() {
    let d = def();
    for (probability, score) in [(0.05, 596.30), (1.0 / 21.0, 600.0), (0.5, 383.903_6)] {
        assert!((d.probability(score) - probability).abs() < 1e-5, "{score}");
    }
}

#[test]
fn a_grade_begins_at_its_limit_and_the_last_takes_the_rest() {
    let d = def();
    assert_eq!(d.grade(620.0), "A");
    assert_eq!(d.grade(619.999), "B");
    assert_eq!(d.grade(420.0), "B");
    assert_eq!(d.grade(-5.0), "C");
    assert_eq!(d.grade(f64::NAN), "");
}

#[test]
fn drawbacks_are_the_negative_contributions_worst_first() {
    let d = def();
    let codes = |limit| -> Vec<String> {
        d.drawbacks(&[-3.0, 4.0, -9.5], limit)
            .iter()
            .map(|b| b.feature.reason.code.clone())
            .collect()
    };
    assert_eq!(codes(5), ["R03", "R01"]);
    assert_eq!(codes(1), ["R03"]);
}

#[test]
fn a_sound_declaration_has_no_faults() {
    assert_eq!(def().validate(), []);
}

#[test]
fn each_mistake_is_named_where_it_stands() {
    assert_eq!(
        faults(|d| d.name = "Tax Loan".into()),
        ["name: not a slug of a-z, 0-9 and -"]
    );
    for version in ["1.2", "1.02.0", "1.2.3-", "v1.2.3"] {
        assert_eq!(
            faults(|d| d.version = version.into()),
            ["version: not a semantic version"]
        );
    }
    assert_eq!(faults(|d| d.version = "1.2.3-rc.1".into()), [""; 0]);
    assert_eq!(
        faults(|d| d.scale.pdo = 0.0),
        ["scale: odds and pdo must be finite and above zero"]
    );
    assert_eq!(faults(|d| d.grades.reverse()), ["grades: not descending"]);
    assert_eq!(
        faults(|d| d.golden.clear()),
        ["golden: no case to check the model with"]
    );
    assert_eq!(
        faults(|d| d.max_score = d.min_score)[0],
        "max_score: not a finite number above min_score"
    );
    assert_eq!(
        faults(|d| d.features[2].reason.code = "R01".into()),
        ["features[2].reason.code: used twice"]
    );
    assert_eq!(
        faults(|d| d.features[0].kind = number(5.0, 5.0)),
        ["features[0].kind: limits are not in order"]
    );
    assert_eq!(
        faults(|d| d.features[2].name = "tax..x".into()),
        ["features[2].name: not a dotted lower-case name"]
    );
    assert_eq!(
        faults(|d| d.golden[0].input = input(&[("other", FeatureValue::Missing)])),
        ["golden[0].input: other is not a declared feature"]
    );
    assert_eq!(
        faults(|d| d.golden[0].score = 901.0),
        ["golden[0].score: outside min_score and max_score"]
    );
}

#[test]
fn al_01_a_feature_about_gender_ethnic_group_or_household_registration_is_refused() {
    let refused = |change: fn(&mut FeatureInput)| {
        let said = faults(|d| change(&mut d.features[1]));
        said.len() == 1 && said[0].starts_with("features[1].name: no credit is decided by gender")
    };
    for named in [
        "owner.sex",
        "owner.gender",
        "ethnic_group",
        "owner.household_registration",
    ] {
        assert_eq!(
            faults(|d| d.features[2].name = named.into()).len(),
            1,
            "{named}"
        );
    }
    assert!(refused(|f| f.label = "法定代表人性别".into()));
    assert!(refused(|f| f.label = "民族".into()));
    assert!(refused(|f| f.label = "户籍所在地".into()));
    assert!(refused(|f| f.label = "户口性质".into()));
    assert!(refused(|f| f.label = "Legal representative's sex".into()));
    // Nor by what stands for them.
    for named in ["owner.id_number", "owner.native_place", "birthplace"] {
        assert_eq!(
            faults(|d| d.features[2].name = named.into()).len(),
            1,
            "{named}"
        );
    }
    for label in ["法定代表人籍贯", "出生地", "身份证前六位", "祖籍"] {
        assert_eq!(
            faults(|d| d.features[2].label = label.into()).len(),
            1,
            "{label}"
        );
    }
    // A name that says nothing does not hide what the values are.
    for values in [["男", "女"], ["male : single", "female : divorced"]] {
        let kind = FeatureKind::Category {
            values: values.map(str::to_owned).to_vec(),
        };
        assert_eq!(faults(|d| d.features[2].kind = kind).len(), 1, "{values:?}");
    }
    // Words that only look alike.
    for label in ["子女数", "Essex branch", "客户口碑", "traces of arrears"] {
        assert_eq!(
            faults(|d| d.features[2].label = label.into()),
            [""; 0],
            "{label}"
        );
    }
}

#[test]
fn the_document_survives_json_and_ignores_what_it_does_not_know() {
    let mut json = serde_json::to_value(def()).unwrap();
    json["a_later_key"] = true.into();
    json["features"][0]["another"] = 1.into();
    json["golden"][0]["input"]["social.insured"] = serde_json::Value::Null;
    let back: ModelDef = serde_json::from_value(json).unwrap();
    assert_eq!(back.features, def().features);
    assert_eq!(
        back.golden[0].input["social.insured"],
        FeatureValue::Missing
    );
    assert_eq!(back.golden[0].input["tax.grade"], text("A"));
}
