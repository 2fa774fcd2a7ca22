//! 角色与权限: roles that organisations compose from declared permissions.

use kernel_identity::clearance::UNSAID;
use kernel_identity::composed::Piece;
use kernel_identity::roles::{RoleRow, Wish};
use sdk_contract::call::{Ask, Reply};
use sdk_contract::def::{Level, PermissionDef, Tone};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Page, Row, Section, Table,
};
use sdk_contract::query::Query;
use serde_json::json;

use super::choices::{level, scope};
use super::organisations::reason;
use super::{Desk, changes, choices, done, fault, record, word, words};
use crate::Catalog;
use crate::console::names::Names;
use crate::console::pages::{PAGE, bench, page_number, param};
use crate::module::Input;

pub(super) const PATH: &str = "/platform/roles";

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let p = &desk.call.principal;
    let number = page_number(ask);
    let query = Query::new("platform.roles")
        .sort("created_at", true)
        .page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let places = found
        .records
        .iter()
        .map(|r| word(r, "organisation"))
        .collect();
    let names = Names::of(desk.host, Vec::new(), places).await?;
    let rows = found.records.iter().map(|r| {
        let role = RoleRow::read(r);
        Row::new(
            role.id.as_str(),
            vec![
                Datum::text(role.title.as_str()),
                Datum::text(names.or_id(&role.organisation)),
                Datum::quantity(role.pieces.len(), "项"),
                Datum::text(level(role.clearance)),
                state(&role),
                Datum::text(role.about.as_str()),
            ],
        )
        .to(format!("{PATH}/{}", role.id))
    });
    let columns = vec![
        Column::new("title", "角色名称", 0),
        Column::new("organisation", "所属机构", 2),
        Column::new("permissions", "权限", 1),
        Column::new("clearance", "数据级别上限", 2),
        Column::new("state", "状态", 1),
        Column::new("about", "说明", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("还没有自定义角色。由机构管理员在权限上限内组建");
    let mut page = bench("角色与权限")
        .subtitle("在本机构权限上限内组建角色，授予岗位；修改立即对所有持有人生效")
        .block(Block::table("roles", table).title("自定义角色"));
    if let Some(own) = p
        .organisation
        .as_deref()
        .filter(|o| desk.can("role.compose", o))
    {
        let tree = desk.tree(own).await?;
        let ceiling = tree.map(|tree| desk.directory.ceiling(&tree, own));
        let offer = Offer::of(desk, &ceiling.unwrap_or_default());
        if !offer.pieces.is_empty() {
            let submit = Action::send("新建角色", "organisation.compose").record(own);
            let form = wish(Form::new("compose", submit), None, offer);
            page = page.block(Block::form(form).title("新建角色"));
        }
    }
    Ok(page)
}

fn state(role: &RoleRow) -> Datum {
    if role.retired {
        Datum::status("停用", Tone::Neutral)
    } else {
        Datum::status("使用中", Tone::Success)
    }
}

/// What a role may be made of.
struct Offer {
    pieces: Vec<Choice>,
    /// Fields that may be taken away of what they read.
    fields: Vec<Choice>,
    /// The most it may be cleared for.
    clearance: Level,
}

impl Offer {
    fn of(desk: &Desk<'_>, ceiling: &[String]) -> Self {
        Self {
            pieces: desk.pieces(ceiling),
            fields: desk.takeable(ceiling),
            clearance: desk.directory.clears(&desk.call.principal, ceiling),
        }
    }
}

fn wish(form: Form, now: Option<&RoleRow>, offer: Offer) -> Form {
    let with = |field: Field, value: Option<&str>| match value {
        Some(value) if !value.is_empty() => field.initial(value),
        _ => field,
    };
    let mut permissions = Field::pick_many("permissions", "权限", offer.pieces)
        .required()
        .wide();
    // Of what the role reads so far: all that may be taken away is too much to choose from.
    let of = |piece: &Piece| format!("{}:{}!", piece.module, piece.permission);
    let read: Vec<String> = now.iter().flat_map(|r| &r.pieces).map(of).collect();
    let fields = offer.fields.into_iter();
    let fields = fields.filter(|f| read.iter().any(|of| f.value.starts_with(of)));
    let mut without = Field::pick_many("without", "隐去的字段", fields.collect())
        .wide()
        .help("对应的查看权限不显示这些字段，也不能按它们查询；持有人另有角色可看的不受影响");
    for piece in now.iter().flat_map(|r| &r.pieces) {
        let whole = Piece {
            without: Vec::new(),
            ..piece.clone()
        };
        permissions = permissions.initial(whole.to_string());
        for place in &piece.without {
            without = without.initial(format!("{}{place}", of(piece)));
        }
    }
    if now.is_none() {
        permissions = permissions.help("要隐去其中某些字段，请在新建后到角色页设置");
    }
    let mut form = form
        .field(with(
            Field::text("title", "角色名称", 40).required(),
            now.map(|r| r.title.as_str()),
        ))
        .field(with(
            Field::text("about", "说明", 200),
            now.map(|r| r.about.as_str()),
        ))
        .field(permissions);
    if !read.is_empty() {
        form = form.field(without);
    }
    form.field(clearance(now, offer.clearance)).field(reason())
}

fn clearance(now: Option<&RoleRow>, most: Level) -> Field {
    let levels = Level::ALL.into_iter().filter(|level| *level <= most);
    let levels = levels.map(|l| Choice::new(l.name(), level(l))).collect();
    let own = now.map_or(UNSAID.min(most), |role| role.clearance);
    let help = "高于此级别的内容，持有人一律只见脱敏结果";
    let lowers = format!("现为 {}，高于您可设的上限，保存后改为所选级别", level(own));
    Field::pick("clearance", "数据级别上限", levels)
        .required()
        .initial(own.min(most).name())
        .help(if own > most { &lowers } else { help })
}

pub(super) async fn detail(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    let p = &desk.call.principal;
    let record = desk.host.get(p, "platform.roles", id).await?;
    let role = RoleRow::read(&record);
    let tree = desk
        .directory
        .tree(&role.organisation)
        .await
        .map_err(fault)?;
    let facts = vec![
        Fact::new("所属机构", Datum::text(tree.place(&role.organisation))),
        Fact::new("状态", state(&role)),
        Fact::new("数据级别上限", Datum::text(level(role.clearance))),
        Fact::new("说明", Datum::text(role.about.as_str())),
        Fact::new("新建于", Datum::time_text(word(&record, "created_at"))),
    ];
    let mut page = bench(&role.title)
        .under("角色与权限", PATH)
        .block(Block::details("facts", facts).title("角色"));
    let mut tabs = vec![Block::table("permissions", pieces(desk, &role)).title("权限")];
    if desk.can("role.compose", &role.organisation) && !role.retired {
        let text = "停用后，所有持有人的这些权限在下一次请求即失效；不能恢复。";
        page = page.action(
            Action::send("停用角色", "role.retire")
                .record(id)
                .danger()
                .confirm(Confirm::new("停用角色", text, "停用").reason("原因")),
        );
        let offer = Offer::of(desk, &desk.directory.ceiling(&tree, &role.organisation));
        let submit = Action::send("保存", "role.edit").record(id);
        let form = wish(Form::new("edit", submit), Some(&role), offer);
        tabs.push(Block::form(form).title("修改角色"));
    }
    if desk.can("change.read", &role.organisation) {
        tabs.push(changes::of(desk, "object", id).await?.title("变更历史"));
    }
    Ok(page.section(Section::tabs().blocks(tabs)))
}

fn pieces(desk: &Desk<'_>, role: &RoleRow) -> Table {
    let rows = role.pieces.iter().map(|piece| {
        let declared = choices::declared(desk.host, &piece.module, &piece.permission);
        let (module, label) = match &declared {
            Some((module, permission)) => (module.as_str(), permission.label.zh.as_str()),
            None => (piece.module.as_str(), piece.permission.as_str()),
        };
        Row::new(
            key(piece),
            vec![
                Datum::text(label),
                Datum::text(module),
                Datum::text(scope(piece.scope)),
                Datum::text(choices::without(desk.host, piece)),
            ],
        )
    });
    let columns = vec![
        Column::new("permission", "权限", 0),
        Column::new("module", "模块", 1),
        Column::new("rows", "数据范围", 1),
        Column::new("without", "隐去的字段", 2),
    ];
    Table::new(columns).rows(rows)
}

fn key(piece: &Piece) -> String {
    piece.to_string().replace(['@', '!'], ":")
}

/// The pieces that a role is to have, with what is taken away of each.
fn asked(desk: &Desk<'_>, input: &Input) -> Result<Vec<String>, Fault> {
    let bad = |field: &str, code: &str, message: &str| {
        Fault::invalid(vec![FieldFault::new(field, code, message)])
    };
    let mut permissions = words(&input.values, "permissions");
    for taken in words(&input.values, "without") {
        let (read, place) = taken.split_once('!').unwrap_or((&taken, ""));
        let known = Piece::parse(&format!("{read}@own!{place}")).is_some();
        let mut found = false;
        for piece in &mut permissions {
            if known && piece.split('@').next() == Some(read) {
                *piece = format!("{piece}!{place}");
                found = true;
            }
        }
        if !found {
            let message = "请同时选择这些字段对应的查看权限";
            return Err(bad("without", "not-an-option", message));
        }
    }
    // What is no piece at all is refused with those over the ceiling.
    for piece in permissions.iter().filter_map(|text| Piece::parse(text)) {
        let mut places = piece.without.iter();
        if let Some(place) = places.find(|p| choices::taken(desk.host, &piece, p).is_none()) {
            let place: String = place.chars().take(80).collect();
            let message = format!("{place} 不是可以隐去的字段");
            return Err(bad("without", "not-an-option", &message));
        }
    }
    Ok(permissions)
}

/// Finds a permission by its module and name.
fn find<'a>(catalog: &'a Catalog) -> impl Fn(&str, &str) -> Option<&'a PermissionDef> {
    move |module, name| catalog.modules.get(module)?.def.permission(name)
}

pub(super) async fn compose(
    desk: &Desk<'_>,
    organisation: &str,
    input: &Input,
) -> Result<Reply, Fault> {
    let catalog = desk.host.catalog();
    let permissions = asked(desk, input)?;
    let wish = wanted(input, &permissions);
    let made = desk
        .directory
        .compose(desk.deed(input), organisation, wish, find(&catalog))
        .await;
    let (id, writes) = made.map_err(fault)?;
    let path = format!("{PATH}/{id}");
    Ok(done(writes, input, path, "角色已新建", json!({ "id": id })))
}

fn wanted<'a>(input: &'a Input, permissions: &'a [String]) -> Wish<'a> {
    Wish {
        title: word(&input.values, "title"),
        about: word(&input.values, "about"),
        permissions,
        clearance: Level::parse(word(&input.values, "clearance")),
    }
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let role = RoleRow::read(record(input)?);
    let path = format!("{PATH}/{}", role.id);
    let result = json!({ "id": role.id });
    let deed = desk.deed(input);
    match verb {
        "edit" => {
            let catalog = desk.host.catalog();
            let permissions = asked(desk, input)?;
            let wish = wanted(input, &permissions);
            let done_ = desk.directory.edit_role(deed, &role, wish, find(&catalog));
            let writes = done_.await.map_err(fault)?;
            Ok(done(writes, input, path, "角色已修改，立即生效", result))
        }
        "retire" => {
            let writes = desk.directory.retire(deed, &role).await.map_err(fault)?;
            Ok(done(writes, input, path, "角色已停用，立即生效", result))
        }
        _ => Err(Fault::not_found()),
    }
}
