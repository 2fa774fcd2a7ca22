//! Independent validations of scoring models, as the console declares them.

use sdk_contract::def::{
    ActionDef, ChoiceDef, CollectionDef, FieldDef, Label, PermissionDef, RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::validations::{CONDITIONAL, FIT, UNFIT, VALIDATIONS};
use super::{
    DEVELOPER, VALIDATOR, action, choice, collection as declared, field, frozen, granted, optional,
    options, text,
};

fn words(name: &str, zh: &str, en: &str, max: u32) -> FieldDef {
    field(name, zh, en, Kind::Text { max })
}

fn reference(name: &str, zh: &str, en: &str, to: &str) -> FieldDef {
    field(name, zh, en, Kind::Ref { to: to.into() })
}

/// One stays as it was: another look is another row.
pub(super) fn collection() -> CollectionDef {
    let figure = |name: &str, zh: &str| {
        let kind = Kind::Decimal {
            scale: 4,
            min: None,
            max: None,
        };
        optional(frozen(field(name, zh, zh, kind)))
    };
    let fields = vec![
        frozen(reference("model", "模型", "Model", "models")),
        frozen(text("title", "模型名称与版本", "Title")),
        frozen(text("by_name", "验证人", "Validated by")),
        frozen(words("data", "验证数据", "Data", 500)),
        frozen(words("findings", "方法与发现", "Method and findings", 2000)),
        optional(frozen(reference("trial", "批量试算", "Trial", "trials"))),
        figure("auc", "AUC"),
        figure("ks", "KS"),
        figure("psi", "PSI"),
        FieldDef {
            list: false,
            ..optional(frozen(field(
                "spread",
                "得分分布",
                "Spread of scores",
                Kind::Json,
            )))
        },
        frozen(choice(
            "conclusion",
            "结论",
            "Conclusion",
            "validation-conclusion",
        )),
        frozen(field("valid_until", "有效期至", "Valid until", Kind::Date)),
    ];
    CollectionDef {
        title: "title".into(),
        // What lets a model go live.
        attested: true,
        indexes: vec![vec!["model".into(), "created_at".into()]],
        ..declared(
            VALIDATIONS,
            "validation",
            Label::new("模型独立验证", "Validations of models"),
            Shard::Organisation,
            fields,
        )
    }
}

pub(super) fn conclusion() -> ChoiceDef {
    options(
        "validation-conclusion",
        Label::new("验证结论", "Conclusion of a validation"),
        &[
            (FIT, "通过", "Fit", Tone::Success),
            (
                CONDITIONAL,
                "有条件通过",
                "Fit on conditions",
                Tone::Warning,
            ),
            (UNFIT, "不通过", "Unfit", Tone::Danger),
        ],
    )
}

pub(super) fn action_def() -> ActionDef {
    action(
        "model.validate",
        Label::new("记录独立验证", "Record a validation"),
        true,
        vec![
            words("data", "验证数据", "Data", 500),
            words("findings", "方法与发现", "Method and findings", 2000),
            optional(reference("trial", "批量试算", "Trial", "trials")),
            choice("conclusion", "结论", "Conclusion", "validation-conclusion"),
            field("valid_until", "有效期至", "Valid until", Kind::Date),
        ],
    )
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::Organisation;
    granted(&[
        (
            "validation.read",
            "查看模型独立验证",
            "Read validations of models",
            &[(DEVELOPER, Organisation), (VALIDATOR, Organisation)],
        ),
        (
            "model.validate",
            "记录模型独立验证",
            "Validate models",
            &[(VALIDATOR, Organisation)],
        ),
    ])
}
