//! 组织架构: the trees of all organisations, or the caller's own.

use kernel_identity::tree::Tree;
use kernel_storage::RowFilter;
use sdk_contract::call::Ask;
use sdk_contract::error::Fault;
use sdk_contract::page::{Action, Block, Choice, Column, Datum, Field, Form, Page, Row, Table};
use sdk_contract::query::{Filter, Query};

use super::choices::{indented, kind, state};
use super::{Desk, choices, word};
use crate::console::pages::{PAGE, bench, page_number};

pub(super) const PATH: &str = "/platform/organisations";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let p = &desk.call.principal;
    let page = bench("组织架构").subtitle("机构按上下级成树；调整隶属后，数据范围立即随之变化");
    if desk.reach("organisation.browse") != Some(RowFilter::All)
        && let Some(own) = &p.organisation
    {
        let drawn = desk.tree(own).await?.map(|tree| drawn(desk, &tree, own));
        return Ok(page.block(Block::table("tree", drawn.unwrap_or_default())));
    }
    let number = page_number(ask);
    let mut query = Query::new("platform.organisations").filter(Filter::Missing {
        field: "parent".into(),
    });
    if let Some(wanted) = ask.query("type") {
        query = query.filter(Filter::eq("type", wanted));
    }
    if let Some(text) = ask.query("q") {
        query = query.filter(Filter::contains("name", text));
    }
    let query = query.sort("type", false).page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let rows = found.records.iter().map(|r| {
        let id = word(r, "id");
        Row::new(
            id,
            vec![
                Datum::text(word(r, "name")),
                Datum::text(kind(word(r, "type"))),
                Datum::text(word(r, "code")),
                Datum::text(choices::region(
                    desk.host,
                    r.get("region").and_then(|v| v.as_str()),
                )),
            ],
        )
        .to(format!("{PATH}/{id}"))
    });
    let columns = vec![
        Column::new("name", "机构名称", 0),
        Column::new("type", "机构类型", 1),
        Column::new("code", "机构代码", 2),
        Column::new("region", "所在区", 2),
    ];
    let kinds: Vec<Choice> = desk
        .directory
        .kinds()
        .map(|k| Choice::new(k, kind(k)))
        .collect();
    let table = Table::new(columns)
        .rows(rows)
        .search("机构名称")
        .filter(Field::pick("type", "机构类型", kinds.clone()))
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("没有符合条件的机构");
    let mut page = page.block(Block::table("roots", table).title("顶级机构"));
    if desk.reach("organisation.found").is_some() {
        let form = Form::new("found", Action::send("新设机构", "organisation.found"))
            .field(Field::pick("type", "机构类型", kinds).required());
        let form = about(form, None).field(reason());
        page = page.block(Block::form(form).title("新设机构"));
    }
    Ok(page)
}

/// An organisation and all below it.
pub(super) fn drawn(desk: &Desk<'_>, tree: &Tree, from: &str) -> Table {
    let rows = tree.rows(from).into_iter().map(|(depth, node)| {
        Row::new(
            node.id.as_str(),
            vec![
                Datum::text(indented(depth, &node.name)),
                Datum::text(node.tier.as_deref().unwrap_or_default()),
                Datum::text(node.code.as_deref().unwrap_or_default()),
                Datum::text(choices::region(desk.host, node.region.as_deref())),
                state(node),
            ],
        )
        .to(format!("{PATH}/{}", node.id))
    });
    let columns = vec![
        Column::new("name", "机构名称", 0),
        Column::new("tier", "层级", 1),
        Column::new("code", "机构代码", 2),
        Column::new("region", "所在区", 2),
        Column::new("state", "状态", 1),
    ];
    Table::new(columns).rows(rows)
}

/// The fields that every form about an organisation has.
pub(super) fn about(form: Form, now: Option<&kernel_identity::tree::Node>) -> Form {
    let with = |field: Field, value: Option<&str>| match value {
        Some(value) => field.initial(value),
        None => field,
    };
    form.field(with(
        Field::text("name", "机构名称", 120).required(),
        now.map(|n| n.name.as_str()),
    ))
    .field(with(
        Field::text("code", "机构代码", 32).hint("本机构架构内唯一"),
        now.and_then(|n| n.code.as_deref()),
    ))
    .field(with(
        Field::text("tier", "层级", 20).hint("如 分行、支行、团队"),
        now.and_then(|n| n.tier.as_deref()),
    ))
    .field(with(
        Field::text("licence", "许可证号", 40).hint("金融许可证号"),
        now.and_then(|n| n.licence.as_deref()),
    ))
    .field(with(
        Field::region("region", "所在区"),
        now.and_then(|n| n.region.as_deref()),
    ))
}

pub(super) fn reason() -> Field {
    Field::area("reason", "原因", 500)
        .required()
        .help("写入变更历史，不能修改")
}
