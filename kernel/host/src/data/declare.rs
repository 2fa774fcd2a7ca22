//! What the module `data` declares: the designs themselves, and then what they make.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, Label, ModuleDef, OptionDef, PageDef,
    PermissionDef, RoleGrant, RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::design::Design;

/// Id of the module.
pub(crate) const ID: &str = "data";
/// The collection of designs, and one of them; no designed collection is called so.
pub(super) const COLLECTION: &str = "structures";
pub(super) const ENTITY: &str = "structure";
pub(super) const PATH: &str = "/data/structures";
pub(super) const OPERATOR: &str = "platform.operator";
const SECURITY: &str = "platform.security";
const AUDITOR: &str = "platform.auditor";

/// The declaration with these designs in it.
pub(super) fn definition<'d>(designs: impl Iterator<Item = &'d Design>) -> ModuleDef {
    let mut def = ModuleDef {
        id: ID.into(),
        label: Label::new("数据表", "Data"),
        collections: vec![structures()],
        choices: vec![
            kinds(),
            choice(
                "scopes",
                "数据范围",
                &[
                    ("all", "全部"),
                    ("district", "本区"),
                    ("organisation", "本机构"),
                ],
            ),
            choice(
                "levels",
                "数据级别",
                &[
                    ("L1", "L1 公开"),
                    ("L2", "L2 内部"),
                    ("L3", "L3 敏感（加密存储、脱敏显示）"),
                    ("L4", "L4 高敏（加密存储、脱敏显示）"),
                ],
            ),
            choice(
                "conversions",
                "转换方式",
                &[
                    ("read", "按新类型读取，读不出的不转换"),
                    ("round", "数字四舍五入"),
                    ("options", "合并选项"),
                    ("fill", "空值补为固定值"),
                ],
            ),
        ],
        actions: actions(),
        pages: vec![
            page("", "数据结构", Area::Bench, "structure.read"),
            page("/new", "新建数据表", Area::None, "structure.design"),
            page("/{id}", "数据表结构", Area::None, "structure.read"),
            page("/{id}/add", "新增字段", Area::None, "structure.design"),
            page(
                "/{id}/fields/{field}",
                "修改字段",
                Area::None,
                "structure.design",
            ),
            page(
                "/{id}/fields/{field}/convert",
                "类型变更",
                Area::None,
                "structure.design",
            ),
        ],
        permissions: vec![
            permission(
                "structure.read",
                "查看数据结构",
                &[OPERATOR, SECURITY, AUDITOR],
            ),
            permission("structure.design", "设计数据结构", &[OPERATOR]),
        ],
        ..ModuleDef::default()
    };
    for design in designs {
        design.declare(&mut def);
    }
    def
}

fn permission(name: &str, zh: &str, roles: &[&str]) -> PermissionDef {
    let grant = |role: &&str| RoleGrant {
        role: (*role).to_owned(),
        scope: RowScope::All,
    };
    PermissionDef {
        name: name.into(),
        label: Label::from(zh),
        grants: roles.iter().map(grant).collect(),
    }
}

fn page(path: &str, zh: &str, area: Area, permission: &str) -> PageDef {
    PageDef {
        path: format!("{PATH}{path}"),
        label: Label::from(zh),
        icon: if area == Area::Bench { "database" } else { "" }.into(),
        area,
        order: 840,
        permission: permission.into(),
    }
}

/// Kinds that people may choose, by their names in the one table of kinds.
pub(super) fn kinds() -> ChoiceDef {
    choice(
        "kinds",
        "字段类型",
        &[
            ("text", "文字"),
            ("integer", "整数"),
            ("decimal", "小数"),
            ("money", "金额（元）"),
            ("date", "日期"),
            ("month", "月份"),
            ("datetime", "时间"),
            ("choice", "单选"),
            ("multi-choice", "多选"),
            ("bool", "是否"),
            ("file", "附件"),
        ],
    )
}

fn choice(name: &str, zh: &str, options: &[(&str, &str)]) -> ChoiceDef {
    let option = |(value, zh): &(&str, &str)| OptionDef {
        value: (*value).into(),
        label: Label::from(*zh),
        tone: Tone::Neutral,
    };
    ChoiceDef {
        name: name.into(),
        label: Label::from(zh),
        options: options.iter().map(option).collect(),
    }
}

fn field(name: &str, zh: &str, kind: Kind) -> FieldDef {
    FieldDef::new(name, Label::from(zh), kind)
}

fn required(name: &str, zh: &str, kind: Kind) -> FieldDef {
    FieldDef {
        required: true,
        ..field(name, zh, kind)
    }
}

const fn text(max: u32) -> Kind {
    Kind::Text { max }
}

fn of(choice: &str) -> Kind {
    Kind::Choice { of: choice.into() }
}

fn whole(min: i64, max: i64) -> Kind {
    Kind::Integer {
        min: Some(min),
        max: Some(max),
    }
}

pub(super) fn reason() -> FieldDef {
    required("reason", "原因", text(200))
}

/// One designed collection: what is in use, what was approved and is on its way, and what somebody
/// is designing.
fn structures() -> CollectionDef {
    let fields = vec![
        FieldDef {
            unique: true,
            list: true,
            search: true,
            ..required("name", "表名", text(30))
        },
        FieldDef {
            list: true,
            search: true,
            ..required("label", "名称", text(40))
        },
        field("live", "已启用的结构", Kind::Json),
        field("approved", "已批准的结构", Kind::Json),
        field("draft", "设计中的结构", Kind::Json),
        field("request", "复核事项", text(64)),
        field("problem", "未能启用的原因", text(2_000)),
    ];
    CollectionDef {
        title: "label".into(),
        audited: true,
        attested: true,
        ..CollectionDef::new(
            COLLECTION,
            ENTITY,
            Label::from("数据结构"),
            Shard::Reference,
            fields,
        )
    }
}

/// What a table is called, and who has to do with it for what.
fn words() -> Vec<FieldDef> {
    vec![
        required("label", "名称", text(40)),
        field("help", "说明", text(200)),
        field("purpose", "处理目的", text(200)),
        field("readers", "可查看的角色", Kind::Json),
        field("writers", "可维护的角色", Kind::Json),
        field("scope", "数据范围", of("scopes")),
    ]
}

/// What a field is besides its kind.
fn marks() -> Vec<FieldDef> {
    vec![
        field("help", "填写说明", text(200)),
        field("level", "数据级别", of("levels")),
        field("required", "必填", Kind::Bool),
        field("list", "显示在列表", Kind::Bool),
        field("search", "可搜索", Kind::Bool),
        field("unique", "不得重复", Kind::Bool),
        field("index", "建索引", Kind::Bool),
    ]
}

fn actions() -> Vec<ActionDef> {
    let action = |name: &str, zh: &str, record: bool, input: Vec<FieldDef>| ActionDef {
        name: format!("structure.{name}"),
        label: Label::from(zh),
        help: String::new(),
        collection: COLLECTION.into(),
        record,
        permission: "structure.design".into(),
        step_up: false,
        signed: false,
        purpose: None,
        input,
    };
    let one = || vec![required("field", "字段", text(40))];
    let kind = || {
        vec![
            required("kind", "类型", of("kinds")),
            field("max", "最长字数", whole(1, 10_000)),
            field("scale", "小数位数", whole(1, 9)),
            field("options", "选项", text(10_000)),
        ]
    };
    let named = || {
        vec![
            required("name", "字段名", text(40)),
            required("label", "显示名称", text(40)),
        ]
    };
    vec![
        action(
            "create",
            "新建数据表",
            false,
            [
                vec![required("name", "表名", text(30))],
                words(),
                vec![
                    required("title_name", "记录名称的字段名", text(40)),
                    required("title_label", "记录名称的显示名称", text(40)),
                ],
            ]
            .concat(),
        ),
        action("describe", "修改说明与权限", true, words()),
        action(
            "rename",
            "修改表名",
            true,
            vec![required("name", "表名", text(30))],
        ),
        action("add", "新增字段", true, [named(), kind(), marks()].concat()),
        action(
            "change",
            "修改字段",
            true,
            [
                one(),
                named(),
                vec![
                    field("max", "最长字数", whole(1, 10_000)),
                    field("options", "选项", text(10_000)),
                ],
                marks(),
            ]
            .concat(),
        ),
        action(
            "convert",
            "类型变更",
            true,
            [
                one(),
                kind(),
                vec![
                    required("by", "转换方式", of("conversions")),
                    field("map", "选项合并", text(10_000)),
                    field("fill", "补入的值", text(200)),
                    field("lossy", "不能转换的值留空", Kind::Bool),
                    field("level", "数据级别", of("levels")),
                    field("required", "必填", Kind::Bool),
                ],
            ]
            .concat(),
        ),
        action("retire", "停用字段", true, one()),
        action("restore", "恢复字段", true, one()),
        action("forget", "移除旧数据", true, one()),
        action("close", "停用数据表", true, Vec::new()),
        action("remove", "移除数据表", true, Vec::new()),
        action("discard", "放弃修改", true, Vec::new()),
        action("submit", "提交复核", true, vec![reason()]),
    ]
}
