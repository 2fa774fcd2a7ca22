//! What is done to organisations, posts, roles and requests.

use sdk_contract::def::{ActionDef, FieldDef, Label};
use sdk_contract::kind::Kind;

use super::{clearance, field, needed, organisation_fields, reference, required, text};
use crate::module::{INVITATIONS, ORGANISATIONS, POSTS, REQUESTS, ROLES, SESSIONS};

/// What takes a second factor proven a moment ago: who may do what, the second person's word, and
/// what opens a way into an account. Who has no factor yet is not asked for one to set up the first.
const STEPPED_UP: [&str; 18] = [
    "arrival.bind",
    "binding.end",
    "claim.approve",
    "factor.add-key",
    "factor.begin",
    "factor.begin-certificate",
    "factor.register-certificate",
    "factor.remove-key",
    "factor.revoke-certificate",
    "organisation.merge",
    "post.grant",
    "post.revoke",
    "request.approve",
    "user.close",
    "user.issue-reset",
    "user.lift-factor",
    "user.open",
    "user.return",
];

/// An action on a collection, on one of its records where the second part says so.
pub(in crate::module) fn action(
    name: &str,
    label: Label,
    (of, record): (&str, bool),
    permission: &str,
    input: Vec<FieldDef>,
) -> ActionDef {
    ActionDef {
        name: name.into(),
        label,
        help: String::new(),
        collection: of.into(),
        record,
        permission: permission.into(),
        step_up: STEPPED_UP.contains(&name),
        signed: false,
        purpose: None,
        input,
    }
}

fn reason() -> FieldDef {
    needed("reason", "原因", "Reason", 500)
}

/// What people say of an organisation.
fn told() -> Vec<FieldDef> {
    let mut fields = vec![needed("name", "机构名称", "Name", 120)];
    fields.extend(
        organisation_fields()
            .into_iter()
            .filter(|f| ["code", "tier", "licence", "region"].contains(&f.name.as_str())),
    );
    fields.push(reason());
    fields
}

pub(in crate::module) fn actions() -> Vec<ActionDef> {
    let mut all = organisation_actions();
    all.extend(people_actions());
    all.extend(access_actions());
    all
}

fn organisation_actions() -> Vec<ActionDef> {
    const ON: (&str, bool) = (ORGANISATIONS, true);
    let arrange = "organisation.arrange";
    let mut found = told();
    found.insert(1, needed("type", "机构类型", "Type", 32));
    vec![
        action(
            "organisation.found",
            Label::new("新设机构", "Found"),
            (ORGANISATIONS, false),
            "organisation.found",
            found,
        ),
        action(
            "organisation.add",
            Label::new("新增下级机构", "Add below"),
            ON,
            arrange,
            told(),
        ),
        action(
            "organisation.edit",
            Label::new("修改机构信息", "Edit"),
            ON,
            arrange,
            told(),
        ),
        action(
            "organisation.move",
            Label::new("调整隶属", "Move"),
            ON,
            arrange,
            vec![
                reference("parent", "新的上级机构", "New parent", ORGANISATIONS),
                reason(),
            ],
        ),
        action(
            "organisation.merge",
            Label::new("合并机构", "Merge"),
            ON,
            arrange,
            vec![
                reference("into", "并入的机构", "Into", ORGANISATIONS),
                reason(),
            ],
        ),
        action(
            "organisation.close",
            Label::new("停用机构", "Close"),
            ON,
            arrange,
            vec![reason()],
        ),
        action(
            "organisation.reopen",
            Label::new("恢复机构", "Reopen"),
            ON,
            arrange,
            vec![reason()],
        ),
        action(
            "organisation.limit",
            Label::new("限定权限上限", "Limit"),
            ON,
            "organisation.limit",
            vec![
                field(
                    "ceiling",
                    Label::new("可以使用的角色", "Roles within the ceiling"),
                    Kind::Json,
                ),
                reason(),
            ],
        ),
        action(
            "organisation.compose",
            Label::new("新建角色", "Compose a role"),
            ON,
            "role.compose",
            composed(),
        ),
    ]
}

fn people_actions() -> Vec<ActionDef> {
    const ON: (&str, bool) = (ORGANISATIONS, true);
    vec![
        action(
            "organisation.appoint",
            Label::new("任命岗位", "Appoint"),
            ON,
            "post.assign",
            vec![
                needed("login", "登录名", "Login", 64),
                needed("title", "岗位", "Post", 40),
                reason(),
            ],
        ),
        action(
            "organisation.invite",
            Label::new("邀请开户", "Invite"),
            ON,
            "post.assign",
            vec![
                needed("name", "姓名", "Name", 64),
                needed("login", "登录名", "Login", 64),
                needed("title", "岗位", "Post", 40),
                reason(),
            ],
        ),
        action(
            "organisation.import",
            Label::new("批量邀请", "Invite many"),
            ON,
            "post.assign",
            vec![
                required("file", Label::new("文件", "File"), list_file()),
                reason(),
            ],
        ),
    ]
}

/// A list of people to invite.
const fn list_file() -> Kind {
    Kind::File {
        accept: Vec::new(),
        max_bytes: 256 * 1024,
        many: false,
    }
}

/// What a composed role is made of.
fn composed() -> Vec<FieldDef> {
    vec![
        needed("title", "角色名称", "Title", 40),
        text("about", "说明", "About", 200),
        required("permissions", Label::new("权限", "Permissions"), Kind::Json),
        field(
            "without",
            Label::new("隐去的字段", "Fields taken away"),
            Kind::Json,
        ),
        clearance(),
        reason(),
    ]
}

fn access_actions() -> Vec<ActionDef> {
    let role = || needed("role", "角色", "Role", 80);
    vec![
        action(
            "post.end",
            Label::new("结束任职", "End"),
            (POSTS, true),
            "post.assign",
            vec![reason()],
        ),
        action(
            "post.grant",
            Label::new("授予角色", "Grant a role"),
            (POSTS, true),
            "grant.give",
            vec![
                role(),
                field("last_day", Label::new("有效期至", "Last day"), Kind::Date),
                reason(),
            ],
        ),
        action(
            "post.revoke",
            Label::new("收回角色", "Revoke a role"),
            (POSTS, true),
            "grant.give",
            vec![role(), reason()],
        ),
        action(
            "role.edit",
            Label::new("修改角色", "Edit"),
            (ROLES, true),
            "role.compose",
            composed(),
        ),
        action(
            "role.retire",
            Label::new("停用角色", "Retire"),
            (ROLES, true),
            "role.compose",
            vec![reason()],
        ),
        action(
            "request.approve",
            Label::new("同意", "Approve"),
            (REQUESTS, true),
            "request.decide",
            vec![reason()],
        ),
        action(
            "request.refuse",
            Label::new("驳回", "Refuse"),
            (REQUESTS, true),
            "request.decide",
            vec![reason()],
        ),
        action(
            "request.withdraw",
            Label::new("撤回", "Withdraw"),
            (REQUESTS, true),
            "request.read",
            vec![reason()],
        ),
        action(
            "invitation.end",
            Label::new("作废邀请", "End"),
            (INVITATIONS, true),
            "post.assign",
            vec![reason()],
        ),
        action(
            "invitation.accept",
            Label::new("接受邀请", "Accept"),
            (INVITATIONS, false),
            "invitation.accept",
            vec![
                needed("token", "邀请码", "Token", 160),
                needed("password", "密码", "Password", 256),
                needed("again", "再输入一次密码", "Password again", 256),
            ],
        ),
        action(
            "session.switch",
            Label::new("切换机构", "Act for another organisation"),
            (SESSIONS, false),
            "post.act",
            vec![reference(
                "organisation",
                "机构",
                "Organisation",
                ORGANISATIONS,
            )],
        ),
    ]
}
