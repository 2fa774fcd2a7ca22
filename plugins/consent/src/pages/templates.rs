//! The templates, and the form for a new one.

use sdk::contract::def::Tone;
use sdk::prelude::*;

use super::may;
use crate::actions::recipients;
use crate::model::{Category, ITEMS, Purpose, Template};
use crate::permissions;
use crate::rules::wording::VARIABLES;

const PAGE: u32 = 20;

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let number = ask.page_number();
    let mut find = Find::<Template>::new().sort(Template::CODE.asc());
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    let found = ctx.find::<Template>(find.page(number, PAGE))?;
    let total = found.total;
    let columns = vec![
        Column::new("name", "模版名称", 0),
        Column::new("code", "代码", 1),
        Column::new("category", "类别", 2),
        Column::new("version", "版次", 2),
        Column::new("stage", "起草状态", 1),
    ];
    let rows = found.into_iter().map(|template| {
        let cells = vec![
            Datum::text(&template.name),
            Datum::text(&template.code),
            Datum::text(template.category.label()),
            Datum::Integer(template.version),
            Datum::Status(template.stage.status()),
        ];
        Row::new(template.id.as_str(), cells).to(format!("/consent/templates/{}", template.id))
    });
    let table = Table::new(columns)
        .rows(rows)
        .search("代码或名称，可用拼音")
        .paging(number, PAGE, total)
        .empty("还没有授权书模版");
    let mut page = Page::new("授权书模版")
        .shell(Shell::Bench)
        .subtitle("起草、由另一人发布；发布后文本不再改变，修订形成新版");
    if may(ctx, permissions::DRAFT) {
        page = page.action(
            Action::open("新建模版", "/consent/templates/new")
                .icon("plus")
                .primary(),
        );
    }
    Ok(page.block(Block::table("templates", table)))
}

pub(super) fn new(ctx: &Ctx, _ask: &Ask) -> Result<Page, Fault> {
    let categories = [
        Category::Enterprise,
        Category::Person,
        Category::Representative,
        Category::Batch,
    ];
    let categories = categories
        .into_iter()
        .map(|c| Choice::new(c.value(), c.label()))
        .collect();
    let form = Form::new("create", Action::send("保存草稿", "template.create"))
        .field(
            Field::text("code", "模版代码", 16)
                .required()
                .hint("QY03")
                .help("大写字母和数字，保存后不能改"),
        )
        .field(Field::pick("category", "类别", categories).required());
    let form = content(ctx, form, None)?;
    Ok(Page::new("新建授权书模版")
        .shell(Shell::Bench)
        .under("授权书模版", "/consent/templates")
        .block(Block::notice("variables", variables()))
        .block(Block::form(form)))
}

/// What may stand in braces.
pub(super) fn variables() -> Notice {
    let one = |name: &str, label: &str, needed: bool| {
        let needed = if needed { "，必须有" } else { "" };
        format!("{{{name}}} {label}{needed}")
    };
    let all: Vec<String> = VARIABLES
        .iter()
        .map(|v| one(v.name, v.label, v.needed))
        .collect();
    Notice::new(Tone::Info, "文本中可用的变量：", all.join("；"))
}

/// The fields that every version has, filled with what is known.
pub(super) fn content(ctx: &Ctx, form: Form, known: Option<&Template>) -> Result<Form, Fault> {
    let mut name = Field::text("name", "模版名称", 60).required();
    let items = ITEMS
        .iter()
        .map(|i| {
            let label = format!("{}（{}，{}）", i.title(), i.provider, i.level);
            Choice::new(i.number, label)
        })
        .collect();
    let mut items = Field::pick_many("items", "可授权数据项", items)
        .required()
        .wide();
    let purposes = Purpose::ALL
        .iter()
        .map(|p| Choice::new(p.value(), format!("{} {}", p.value(), p.label())))
        .collect();
    let cells = vec![
        Field::pick("purpose", "用途", purposes).required(),
        Field::number("days", "最长期限", Some(1), Some(365), "天").required(),
    ];
    let mut purposes = Field::rows("purposes", "可授权用途与最长期限", cells, 9)
        .required()
        .help("通常：贷前审查、授信审批 90 天，一键测额 30 天，其他不超过一年");
    let banks = recipients(ctx)?;
    let banks = banks
        .iter()
        .map(|(id, name)| Choice::new(id, name))
        .collect();
    let mut institutions = Field::pick_many("recipients", "可用机构", banks)
        .wide()
        .help("不选为市场上的全部金融机构");
    let mut text = Field::area("text", "文本", 3000).required().wide();
    if let Some(known) = known {
        name = name.initial(&known.name);
        items = known.items.iter().fold(items, Field::initial);
        institutions = known.recipients.iter().fold(institutions, Field::initial);
        purposes = known.purposes.iter().fold(purposes, |field, allowed| {
            let row = json!({ "purpose": allowed.purpose, "days": allowed.days });
            field.initial(row.to_string())
        });
        text = text.initial(&known.text);
    }
    Ok(form
        .field(name)
        .field(items)
        .field(purposes)
        .field(institutions)
        .field(text))
}
