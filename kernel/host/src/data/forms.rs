//! The forms in which people design.

use sdk_contract::call::Ask;
use sdk_contract::def::{ChoiceDef, Level};
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{Action, Block, Choice, Field, Form, Page};

use super::declare::{PATH, definition};
use super::design::{Design, option_lines};
use super::structures::{Structure, found};
use crate::Host;
use crate::console::pages::bench;
use crate::module::Call;

/// Options of one of the module's own choices.
fn pick(name: &str, label: &str, choice: &str) -> Field {
    let def = definition(std::iter::empty());
    let options = def.choice(choice).map_or_else(Vec::new, |c: &ChoiceDef| {
        let options = c.options.iter();
        options
            .map(|o| Choice::new(&o.value, &o.label.zh))
            .collect()
    });
    Field::pick(name, label, options)
}

fn roles(host: &Host, name: &str, label: &str, now: &[String]) -> Field {
    let book = host.role_book();
    let choices = book.iter().map(|(role, zh)| Choice::new(role, zh));
    let field = Field::pick_many(name, label, choices.collect()).wide();
    now.iter().fold(field, Field::initial)
}

fn with(field: Field, value: &str) -> Field {
    if value.is_empty() {
        field
    } else {
        field.initial(value)
    }
}

fn ticked(field: Field, yes: bool) -> Field {
    if yes { field.initial("true") } else { field }
}

fn words(form: Form, host: &Host, design: Option<&Design>) -> Form {
    let (label, help) = design.map_or(("", ""), |d| {
        (d.collection.label.zh.as_str(), d.collection.help.as_str())
    });
    let none = Vec::new();
    let (readers, writers) = design.map_or((&none, &none), |d| (&d.readers, &d.writers));
    let scope = design.map_or("all", Design::scope_word);
    let purpose = design.map_or("", Design::purpose);
    let kept = Field::text("purpose", "处理目的", 200)
        .help("有 L3 或 L4 的字段时必须写明；显示在“保存期限”");
    form.field(with(Field::text("label", "名称", 40).required(), label))
        .field(with(Field::text("help", "说明", 200), help))
        .field(with(kept, purpose))
        .field(roles(host, "readers", "可查看的角色", readers).help("平台运营始终可以查看"))
        .field(
            roles(host, "writers", "可维护的角色", writers)
                .help("可新增、修改、删除记录，也可查看"),
        )
        .field(pick("scope", "数据范围", "scopes").initial(scope))
}

pub(super) fn new(host: &Host) -> Page {
    let form = Form::new("create", Action::send("新建", "structure.create")).field(
        Field::text("name", "表名", 30)
            .required()
            .hint("park-tenants")
            .help("用于接口地址，小写英文字母、数字和短横线"),
    );
    let form = words(form, host, None)
        .group("第一个字段：记录名称")
        .field(
            Field::text("title_name", "字段名", 40)
                .required()
                .hint("name"),
        )
        .field(
            Field::text("title_label", "显示名称", 40)
                .required()
                .hint("企业名称"),
        );
    bench("新建数据表")
        .under("数据结构", PATH)
        .block(Block::form(form).help("新建后先设计字段；提交并经另一人复核后才启用"))
}

pub(super) fn describe(host: &Host, structure: &Structure, design: &Design) -> Form {
    let submit = Action::send("保存", "structure.describe").record(&structure.id);
    words(Form::new("describe", submit), host, Some(design))
}

pub(super) fn rename(structure: &Structure, design: &Design) -> Form {
    let submit = Action::send("保存", "structure.rename").record(&structure.id);
    let help = "用于接口地址和页面地址；启用后原名仍可访问，也不会给别的数据表使用";
    let name = Field::text("name", "表名", 30).required().help(help);
    Form::new("rename", submit).field(name.initial(design.name()))
}

fn kind_fields(form: Form, kinds: &str) -> Form {
    form.field(pick("kind", "类型", kinds).required())
        .field(
            Field::number("max", "最长字数", Some(1), Some(10_000), "字")
                .initial("100")
                .when("kind", ["text"]),
        )
        .field(
            Field::number("scale", "小数位数", Some(1), Some(9), "位")
                .initial("2")
                .when("kind", ["decimal"]),
        )
        .field(options().when("kind", ["choice", "multi-choice"]))
}

fn options() -> Field {
    Field::area("options", "选项", 10_000)
        .hint("small 小型\nlarge 大型")
        .help("每行一个：先写代码，空格后写名称")
}

fn marks(form: Form) -> Form {
    form.field(Field::text("help", "填写说明", 200))
        .field(pick("level", "数据级别", "levels"))
        .field(Field::toggle("required", "必填"))
        .field(Field::toggle("list", "显示在列表"))
        .field(Field::toggle("search", "可搜索"))
        .field(Field::toggle("unique", "不得重复"))
        .field(Field::toggle("index", "建索引").help("经常用来筛选或排序的字段"))
}

pub(super) async fn add(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let structure = found(host, call, ask).await?;
    let submit = Action::send("加入设计", "structure.add").record(&structure.id);
    let form = Form::new("add", submit)
        .field(
            Field::text("name", "字段名", 40)
                .required()
                .hint("employee_count")
                .help("小写英文字母、数字和下划线"),
        )
        .field(Field::text("label", "显示名称", 40).required());
    let form = marks(kind_fields(form, "kinds"));
    Ok(bench("新增字段")
        .subtitle(structure.label.as_str())
        .under("数据结构", PATH)
        .under(structure.label.as_str(), structure.path())
        .block(Block::form(form).help("已启用的表新增字段须为选填，原有记录该项为空")))
}

fn field_of<'d>(design: &'d Design, ask: &Ask) -> Result<&'d sdk_contract::def::FieldDef, Fault> {
    let found = design.collection.field(ask.param("field"));
    found.ok_or_else(Fault::not_found)
}

pub(super) async fn change(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let structure = found(host, call, ask).await?;
    let design = structure.design().ok_or_else(Fault::not_found)?;
    let field = field_of(&design, ask)?;
    let submit = Action::send("保存", "structure.change")
        .record(&structure.id)
        .arg("field", field.name.as_str());
    let mut form = Form::new("change", submit)
        .field(
            Field::text("name", "字段名", 40)
                .required()
                .initial(&field.name)
                .help("改名不动数据；接口自生效起使用新名称"),
        )
        .field(
            Field::text("label", "显示名称", 40)
                .required()
                .initial(&field.label.zh),
        );
    if let Kind::Text { max } = field.kind {
        let most = Field::number("max", "最长字数", Some(1), Some(10_000), "字");
        form = form.field(most.initial(max.to_string()));
    }
    if let Some(choice) = design.options_of(field) {
        form = form.field(options().initial(option_lines(choice)));
    }
    let level = field.level.map_or("", Level::name);
    form = form
        .field(with(Field::text("help", "填写说明", 200), &field.help))
        .field(with(pick("level", "数据级别", "levels"), level))
        .field(ticked(Field::toggle("required", "必填"), field.required))
        .field(ticked(Field::toggle("list", "显示在列表"), field.list))
        .field(ticked(Field::toggle("search", "可搜索"), field.search))
        .field(ticked(Field::toggle("unique", "不得重复"), field.unique))
        .field(ticked(
            Field::toggle("index", "建索引"),
            design.is_indexed(&field.name),
        ));
    Ok(bench("修改字段")
        .subtitle(field.label.zh.as_str())
        .under("数据结构", PATH)
        .under(structure.label.as_str(), structure.path())
        .block(Block::form(form)))
}

pub(super) async fn convert(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let structure = found(host, call, ask).await?;
    let design = structure.design().ok_or_else(Fault::not_found)?;
    let field = field_of(&design, ask)?;
    let submit = Action::send("预演", "structure.convert")
        .record(&structure.id)
        .arg("field", field.name.as_str());
    let form = kind_fields(Form::new("convert", submit), "kinds")
        .field(
            pick("by", "转换方式", "conversions")
                .required()
                .initial("read"),
        )
        .field(
            Field::area("map", "选项合并", 10_000)
                .hint("tiny small")
                .help("每行写原代码和新代码，用空格分开")
                .when("by", ["options"]),
        )
        .field(Field::text("fill", "补入的值", 200).when("by", ["fill"]))
        .field(Field::toggle("lossy", "不能转换的值留空").help("旧值保留，确认后才移除"))
        .field(with(
            pick("level", "数据级别", "levels"),
            field.level.map_or("", Level::name),
        ))
        .field(ticked(Field::toggle("required", "必填"), field.required));
    Ok(bench("类型变更")
        .subtitle(format!(
            "{}，现为{}",
            field.label.zh,
            super::design::kind_word(field)
        ))
        .under("数据结构", PATH)
        .under(structure.label.as_str(), structure.path())
        .block(Block::form(form).help(
            "先预演：统计能转换和不能转换的值，不改动数据。复核同意后分批转换，期间照常使用，一次切换",
        )))
}
