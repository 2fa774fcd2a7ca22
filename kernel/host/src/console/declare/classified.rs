//! The catalogue of classified data, as the console declares it.

use kernel_identity::module::LEVELS;
use sdk_contract::def::{
    Area, ChoiceDef, CollectionDef, FieldDef, Label, PageDef, PermissionDef, RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::classified::{CLASSIFIED, WHO};
use super::{
    AUDITOR, SECURITY, choice, collection as declared, field, flag, frozen, granted, optional,
    options, page as entry, text,
};

const READ: &str = "classified-field.read";

pub(super) fn collection() -> CollectionDef {
    let long = |name: &str, zh: &str, en: &str| field(name, zh, en, Kind::Text { max: WHO });
    let searched = |field: FieldDef| FieldDef {
        search: true,
        ..field
    };
    let fields = vec![
        searched(text("label", "字段", "Field")),
        FieldDef {
            unique: true,
            ..frozen(field("place", "标识", "Place", Kind::Text { max: 400 }))
        },
        frozen(text("module", "模块标识", "Module id")),
        text("module_name", "模块", "Module"),
        searched(text("collection_name", "数据集", "Collection")),
        choice("level", "级别", "Level", "data-level"),
        flag("file", "是附件", "Is a file"),
        flag("designed", "由运营方设计", "Designed by the operator"),
        flag("encrypted", "加密存储", "Encrypted"),
        optional(choice("mask", "脱敏方式", "Mask", "mask-form")),
        optional(long("seen_by", "直接可见全文", "Sees it whole")),
        optional(long(
            "looked_at_by",
            "说明理由后可见",
            "May look at it for a reason",
        )),
        flag("retired", "已停用", "Retired"),
    ];
    CollectionDef {
        indexes: vec![vec!["module".into(), "level".into()]],
        ..declared(
            CLASSIFIED,
            "classified-field",
            Label::new("数据分级目录", "Classified data"),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn choices() -> Vec<ChoiceDef> {
    vec![
        options(
            "data-level",
            Label::new("数据级别", "Level of data"),
            &[
                &[("none", "未定级", "No level", Tone::Neutral)],
                &LEVELS[..],
            ]
            .concat(),
        ),
        options(
            "mask-form",
            Label::new("脱敏方式", "Form of mask"),
            &[
                ("phone", "留前三后四", "First 3, last 4", Tone::Neutral),
                ("name", "只留姓", "Family name only", Tone::Neutral),
                ("id-number", "留前六后四", "First 6, last 4", Tone::Neutral),
                ("account", "留后四", "Last 4", Tone::Neutral),
                (
                    "address",
                    "只到区县",
                    "As far as the district",
                    Tone::Neutral,
                ),
                ("amount", "只见区间", "The band it is in", Tone::Neutral),
                ("all", "全部遮盖", "Nothing of it", Tone::Neutral),
                ("hidden", "不显示", "Left out", Tone::Neutral),
            ],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    let all = [
        (
            "/console/classified",
            "数据分级目录",
            "Classified data",
            "shield-half",
        ),
        ("/console/retention", "保存期限", "Retention", "clock"),
    ];
    let page = |(path, zh, en, icon)| entry(path, Label::new(zh, en), icon, Area::Bench, READ);
    all.map(page).into()
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    granted(&[(
        READ,
        "查看数据分级目录",
        "Read the catalogue of classified data",
        &[(SECURITY, RowScope::All), (AUDITOR, RowScope::All)],
    )])
}
