//! What somebody may do in a post, decided by the very function that decides when they do it.

use kernel_identity::composed::Piece;
use kernel_identity::decide::{Decision, decide, decide_field};
use kernel_identity::principal::Principal;
use kernel_storage::RowFilter;
use sdk_contract::def::{PermissionDef, RowScope};
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Row, Table, Tone};

use super::choices::{self, level};
use super::{Desk, failed};

/// The table of one person's permissions when they act for an organisation.
pub(super) async fn of(desk: &Desk<'_>, user: &str, organisation: &str) -> Result<Block, Fault> {
    let seen = desk
        .sessions
        .preview(user, organisation, desk.origin())
        .await;
    let seen = seen.map_err(|e| failed(&e))?;
    let columns = vec![
        Column::new("permission", "权限", 0),
        Column::new("module", "模块", 2),
        Column::new("may", "能否使用", 1),
        Column::new("rows", "数据范围", 1),
        Column::new("without", "隐去的字段", 2),
    ];
    let table = Table::new(columns).empty("此人的账号已停用");
    let table = match &seen {
        // Whoever acts elsewhere has no post here.
        Some(p) if p.organisation.as_deref() == Some(organisation) => table.rows(rows(desk, p)),
        _ => table,
    };
    let block = Block::table("preview", table).title("权限预览");
    Ok(match &seen {
        Some(p) => block.help(match p.duty {
            Some(duty) => format!(
                "此人须先完成一项：{}。在此之前，其余功能均不可用",
                duty.message()
            ),
            None => format!(
                "数据级别上限：{}。更高级别的内容一律脱敏，说明理由或经复核也不能查看",
                level(p.clearance)
            ),
        }),
        None => block,
    })
}

fn rows(desk: &Desk<'_>, p: &Principal) -> Vec<Row> {
    let catalog = desk.host.catalog();
    let mut rows = Vec::new();
    for (id, installed) in &catalog.modules {
        for permission in &installed.def.permissions {
            let there = installed.visible(p);
            let decision = decide(p, id, permission);
            let (may, reach) = match &decision {
                Decision::Allow(rows) if there => (true, words(rows)),
                Decision::Allow(_) => (false, "本区未启用"),
                Decision::Deny(_) => (false, "—"),
            };
            let may = if may {
                Datum::status("可以", Tone::Success)
            } else {
                Datum::status("不可以", Tone::Neutral)
            };
            rows.push(Row::new(
                format!("{id}:{}", permission.name),
                vec![
                    Datum::text(permission.label.zh.as_str()),
                    Datum::text(installed.def.label.zh.as_str()),
                    may,
                    Datum::text(reach),
                    Datum::text(without(desk, p, id, permission)),
                ],
            ));
        }
    }
    rows
}

/// The fields that are taken away from somebody, at least in some of the rows.
fn without(desk: &Desk<'_>, p: &Principal, module: &str, permission: &PermissionDef) -> String {
    let whole = decide(p, module, permission);
    let mut places = p.composed.taken(module, &permission.name);
    places.retain(|place| decide_field(p, module, permission, place) != whole);
    let piece = Piece {
        module: module.to_owned(),
        permission: permission.name.clone(),
        scope: RowScope::Own,
        without: places.into_iter().map(str::to_owned).collect(),
    };
    choices::without(desk.host, &piece)
}

fn words(rows: &RowFilter) -> &'static str {
    match rows {
        RowFilter::All => "全部",
        RowFilter::None => "没有可见的数据",
        RowFilter::Assigned(_) => "本人经办",
        RowFilter::Subject(_) => "本主体",
        RowFilter::Organisations(_) => "本机构及下级",
        RowFilter::District(_) => "本区",
        RowFilter::Any(_) => "多个范围合并",
    }
}
