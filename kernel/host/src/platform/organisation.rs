//! One organisation: what it is, what is below it, who works in it, and every change of these.

use kernel_identity::directory::within;
use kernel_identity::refusal::ChangeError;
use kernel_identity::tree::{Node, SUBJECT, Tree, is_mergeable};
use kernel_storage::RowFilter;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{Action, Block, Choice, Confirm, Datum, Fact, Field, Form, Page, Section};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Value, json};

use super::choices::{kind, places, state};
use super::organisations::{self, about, drawn, reason};
use super::{
    Desk, changes, choices, done, failed, fault, invitations, posts, record, roles, told, word,
    words,
};
use crate::console::pages::{bench, param};
use crate::module::Input;

pub(super) async fn detail(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    desk.host
        .get(&desk.call.principal, "platform.organisations", id)
        .await?;
    let tree = desk.directory.tree(id).await.map_err(fault)?;
    let node = tree.get(id).ok_or_else(Fault::not_found)?;
    let mut page = bench(&node.name)
        .subtitle(tree.place(id))
        .under("组织架构", organisations::PATH)
        .block(facts(desk, &tree, node, into(desk, node).await?));
    if desk.can("organisation.arrange", id) {
        page = page.action(switch(node));
    }
    let mut tabs = vec![Block::table("below", drawn(desk, &tree, id)).title("下级机构")];
    if desk.can("post.read", id) {
        tabs.push(posts::of(desk, id).await?.title("在任人员"));
    }
    tabs.extend(forms(desk, &tree, node));
    tabs.extend(merger(desk, &tree, node).await?);
    if desk.can("change.read", id) {
        tabs.push(
            changes::of(desk, "organisation", id)
                .await?
                .title("变更历史"),
        );
    }
    Ok(page.section(Section::tabs().blocks(tabs)))
}

/// Where it is shown what it was merged into, by name.
async fn into(desk: &Desk<'_>, node: &Node) -> Result<Option<Datum>, Fault> {
    let Some(id) = node.merged_into.as_deref() else {
        return Ok(None);
    };
    let tree = desk.tree(id).await?;
    let name = tree.as_ref().and_then(|t| t.get(id)).map(|n| &n.name);
    let words = format!("已并入 {}", name.map_or(id, String::as_str));
    let path = format!("{}/{id}", organisations::PATH);
    Ok(Some(Datum::link(words, path)))
}

fn facts(desk: &Desk<'_>, tree: &Tree, node: &Node, into: Option<Datum>) -> Block {
    let text = |value: Option<&str>| {
        let value = value.filter(|v| !v.is_empty());
        Datum::text(value.unwrap_or("—"))
    };
    let book = desk.book();
    let ceiling = desk.directory.ceiling(tree, &node.id);
    let ceiling: Vec<&str> = book
        .iter()
        .filter(|(role, _)| kernel_identity::composed::covers(&ceiling, role))
        .map(|(_, title)| title.as_str())
        .collect();
    let ceiling = if ceiling.is_empty() {
        "—".to_owned()
    } else {
        ceiling.join("、")
    };
    let mut facts = vec![
        Fact::new("机构类型", Datum::text(kind(&node.kind))),
        Fact::new("层级", text(node.tier.as_deref())),
        Fact::new("机构代码", text(node.code.as_deref())),
        Fact::new("许可证号", text(node.licence.as_deref())),
        Fact::new(
            "所在区",
            text(Some(choices::region(desk.host, node.region.as_deref()))),
        ),
        Fact::new("状态", state(node)),
        Fact::new("权限上限", Datum::text(ceiling)).help("可授予的标准角色；自定义角色不能超出"),
    ];
    facts.extend(into.map(|into| Fact::new("合并", into)));
    Block::details("facts", facts).title("基本信息")
}

fn switch(node: &Node) -> Action {
    if node.closed {
        let text = match node.merged_into {
            Some(_) => "恢复后可继续使用；合并时转出的人员和下级机构不会转回，须另行调整。",
            None => "恢复后可继续使用。",
        };
        return Action::send("恢复机构", "organisation.reopen")
            .record(&node.id)
            .confirm(Confirm::new("恢复机构", text, "恢复").reason("原因"));
    }
    let text = "停用后不能再代表它办理业务，数据均保留。有正常下级或在任人员时不能停用。";
    Action::send("停用机构", "organisation.close")
        .record(&node.id)
        .danger()
        .confirm(Confirm::new("停用机构", text, "停用").reason("原因"))
}

fn forms(desk: &Desk<'_>, tree: &Tree, node: &Node) -> Vec<Block> {
    let id = node.id.as_str();
    let mut forms = Vec::new();
    if desk.can("post.assign", id) && !node.closed {
        let form = Form::new(
            "appoint",
            Action::send("任命", "organisation.appoint").record(id),
        )
        .field(Field::text("login", "登录名", 64).required())
        .field(
            Field::text("title", "岗位", 40)
                .required()
                .hint("如 客户经理"),
        )
        .field(reason());
        forms.push(
            Block::form(form)
                .title("任命岗位")
                .help("已有账号的人员；没有账号的请用“邀请开户”"),
        );
        let form = Form::new(
            "invite",
            Action::send("邀请", "organisation.invite").record(id),
        )
        .field(Field::text("name", "姓名", 64).required())
        .field(
            Field::text("login", "登录名", 64)
                .required()
                .hint("小写字母、数字"),
        )
        .field(Field::text("title", "岗位", 40).required())
        .field(reason());
        forms.push(
            Block::form(form)
                .title("邀请开户")
                .help("生成一次性链接，由本人设置密码后开通"),
        );
    }
    if desk.can("organisation.arrange", id) {
        if !node.closed && node.kind != SUBJECT {
            let form = Form::new(
                "add",
                Action::send("新增下级", "organisation.add").record(id),
            );
            let form = about(form, None).field(reason());
            forms.push(Block::form(form).title("新增下级"));
        }
        let form = Form::new("edit", Action::send("保存", "organisation.edit").record(id));
        let form = about(form, Some(node)).field(reason());
        forms.push(Block::form(form).title("修改信息"));
        forms.extend(relocation(desk, tree, node));
    }
    if desk.can("organisation.limit", id) {
        forms.push(limit(desk, node));
    }
    forms
}

/// The form to put it under another, where the caller reaches where it stands and another place.
fn relocation(desk: &Desk<'_>, tree: &Tree, node: &Node) -> Option<Block> {
    let above = node.parent.as_deref()?;
    let mut choices = elsewhere(desk, tree, node);
    choices.retain(|c| c.value != above);
    if choices.is_empty() {
        return None;
    }
    let form = Form::new(
        "move",
        Action::send("调整隶属", "organisation.move").record(&node.id),
    )
    .field(
        Field::pick("parent", "新的上级机构", choices)
            .required()
            .wide(),
    )
    .field(reason());
    let help = "下级机构随之移动；人员的数据范围在下一次请求即按新隶属生效，已有记录的归属不变";
    Some(Block::form(form).title("调整隶属").help(help))
}

/// The places of its tree that the caller may put it under, who must reach where it stands as well.
fn elsewhere(desk: &Desk<'_>, tree: &Tree, node: &Node) -> Vec<Choice> {
    let Some((above, root)) = node.parent.as_deref().zip(tree.root()) else {
        return Vec::new();
    };
    let reach = desk.reach("organisation.arrange");
    let Some(reach) = reach.filter(|reach| within(reach, above)) else {
        return Vec::new();
    };
    let mut choices = places(tree, &root.id, Some(&node.id));
    choices.retain(|c| within(&reach, &c.value));
    choices
}

/// The form to merge it into another, which says what goes along. For the head of a tree that is
/// another head.
async fn merger(desk: &Desk<'_>, tree: &Tree, node: &Node) -> Result<Option<Block>, Fault> {
    if node.closed || !is_mergeable(&node.kind) || !desk.can("organisation.arrange", &node.id) {
        return Ok(None);
    }
    let choices = match node.parent {
        Some(_) => elsewhere(desk, tree, node),
        None => heads(desk, node).await?,
    };
    if choices.is_empty() {
        return Ok(None);
    }
    let people = desk.directory.headcount(&node.id).await;
    let people = people.map_err(|e| failed(&e))?;
    let below = tree.rows(&node.id).len().saturating_sub(1);
    let text = format!(
        "在“{}”任职的 {people} 人及其角色转入所选机构，{below} 个下级机构随之转入，“{}”停用。",
        node.name, node.name
    ) + "机构管理员角色不转入，须另行申请；未接受的开户邀请作废。已有记录的归属不变。";
    let form = Form::new(
        "merge",
        Action::send("合并", "organisation.merge")
            .record(&node.id)
            .danger()
            .confirm(Confirm::new("确认合并？", &text, "合并")),
    )
    .field(Field::pick("into", "并入的机构", choices).required().wide())
    .field(reason());
    let block = Block::form(form).title("合并到其他机构").help(text);
    Ok(Some(block))
}

/// The heads of other trees of its type, for whoever reaches them all.
async fn heads(desk: &Desk<'_>, node: &Node) -> Result<Vec<Choice>, Fault> {
    if desk.reach("organisation.arrange") != Some(RowFilter::All) {
        return Ok(Vec::new());
    }
    let query = Query::new("platform.organisations")
        .filter(Filter::eq("type", node.kind.as_str()))
        .filter(Filter::Missing {
            field: "parent".into(),
        })
        .limit(MAX_LIMIT);
    let found = desk.host.listed(desk.call, query).await?;
    let others = found.records.iter();
    Ok(others
        .filter(|r| word(r, "id") != node.id && word(r, "status") != "closed")
        .map(|r| Choice::new(word(r, "id"), word(r, "name")))
        .collect())
}

/// A merger that was refused; what is wrong with the place is wrong with what was chosen.
fn not_merged(error: ChangeError) -> Fault {
    match error {
        ChangeError::Refused(why) if why.field() == Some("parent") => {
            Fault::invalid(vec![FieldFault::new("into", why.code(), why.message())])
        }
        error => fault(error),
    }
}

fn limit(desk: &Desk<'_>, node: &Node) -> Block {
    let book = desk.book();
    let whole = desk.directory.whole_ceiling(&node.kind);
    let choices = book
        .iter()
        .filter(|(role, _)| kernel_identity::composed::covers(&whole, role))
        .map(|(role, title)| Choice::new(role, title))
        .collect();
    let mut field = Field::pick_many("ceiling", "可以使用的角色", choices).wide();
    for role in node.ceiling.iter().flatten() {
        field = field.initial(role);
    }
    let form = Form::new(
        "limit",
        Action::send("保存", "organisation.limit").record(&node.id),
    )
    .field(field)
    .field(reason());
    Block::form(form)
        .title("权限上限")
        .help("不选则不另作限定；限定后，本机构及下级的自定义角色立即不能超出")
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    let (d, values, deed) = (&desk.directory, &input.values, desk.deed(input));
    if verb == "found" {
        let made = d.found(deed, word(values, "type"), &told(values));
        let (id, writes) = made.map_err(fault)?;
        let path = format!("{}/{id}", organisations::PATH);
        return Ok(done(writes, input, path, "机构已新设", json!({ "id": id })));
    }
    let id = word(record(input)?, "id");
    let here = |id: &str| format!("{}/{id}", organisations::PATH);
    let result = json!({ "id": id });
    match verb {
        "add" => {
            let (new, writes) = d.add(deed, id, &told(values)).await.map_err(fault)?;
            Ok(done(
                writes,
                input,
                here(&new),
                "下级机构已新增",
                json!({ "id": new }),
            ))
        }
        "edit" => {
            let writes = d.edit(deed, id, &told(values)).await.map_err(fault)?;
            Ok(done(writes, input, here(id), "机构信息已修改", result))
        }
        "move" => {
            let reach = desk.reach("organisation.arrange");
            let reach = reach.ok_or_else(Fault::not_found)?;
            let to = word(values, "parent");
            let moved = d.relocate(deed, &reach, id, to).await;
            let toast = "隶属已调整，数据范围立即生效";
            Ok(done(moved.map_err(fault)?, input, here(id), toast, result))
        }
        "merge" => {
            let reach = desk.reach("organisation.arrange");
            let reach = reach.ok_or_else(Fault::not_found)?;
            let into = word(values, "into");
            let merged = d.merge(deed, &reach, (id, into), &desk.book()).await;
            let writes = merged.map_err(not_merged)?;
            let toast = "机构已合并，数据范围立即生效";
            Ok(done(writes, input, here(into), toast, result))
        }
        "close" | "reopen" => {
            let closed = verb == "close";
            let writes = d.switch(deed, id, closed).await.map_err(fault)?;
            let toast = if closed {
                "机构已停用"
            } else {
                "机构已恢复"
            };
            Ok(done(writes, input, here(id), toast, result))
        }
        "limit" => {
            let roles = words(values, "ceiling");
            if values
                .get("ceiling")
                .is_some_and(|v| !v.is_array() && *v != Value::Null)
            {
                let wrong = FieldFault::new("ceiling", "not-an-option", "请从所列角色中选择");
                return Err(Fault::invalid(vec![wrong]));
            }
            let limit = Some(&roles[..]).filter(|r| !r.is_empty());
            let writes = d.limit(deed, id, limit).await.map_err(fault)?;
            Ok(done(
                writes,
                input,
                here(id),
                "权限上限已更新，立即生效",
                result,
            ))
        }
        "appoint" => {
            let reach = desk.reach("post.assign").ok_or_else(Fault::not_found)?;
            let whom = (word(values, "login"), word(values, "title"));
            let made = d.appoint(deed, &reach, id, whom).await;
            let (post, writes) = made.map_err(fault)?;
            let path = format!("{}/{post}", posts::PATH);
            Ok(done(writes, input, path, "已任命", json!({ "id": post })))
        }
        "compose" => roles::compose(desk, id, input).await,
        "invite" => invitations::invite(desk, id, input).await,
        "import" => invitations::import(desk, id, input).await,
        _ => Err(Fault::not_found()),
    }
}
