//! 开户邀请: who is invited, the links to hand over, a file of many, and the page the link opens.

use kernel_identity::account::AccountError;
use kernel_identity::invitations::{Guest, Invitation, MOST};
use sdk_contract::call::{Ask, Reply};
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{
    Action, Block, Column, Confirm, Datum, Field, Form, Notice, Page, Row, Table,
};
use sdk_contract::query::Query;
use serde_json::json;

use super::organisations::reason;
use super::{Desk, done, failed, fault, record, word};
use crate::console::names::Names;
use crate::console::pages::{PAGE, bench, page_number};
use crate::module::Input;
use crate::uploads::UploadRef;

pub(super) const PATH: &str = "/platform/invitations";
/// The token is in the query, which no log has.
pub(super) const WELCOME: &str = "/platform/invitation";
/// Largest file of people, in bytes.
const LARGEST: u64 = 256 * 1024;
/// Wrong rows that are told at once.
const TOLD: usize = 20;

pub(super) async fn list(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let p = &desk.call.principal;
    let number = page_number(ask);
    let query = Query::new("platform.invitations")
        .sort("created_at", true)
        .page(number, PAGE);
    let found = desk.host.listed(desk.call, query).await?;
    let places = found
        .records
        .iter()
        .map(|r| word(r, "organisation"))
        .collect();
    let names = Names::of(desk.host, Vec::new(), places).await?;
    let now = desk.call.now.micros();
    let rows = found.records.iter().map(|r| {
        let invitation = Invitation::read(r);
        let open = invitation.is_open(now);
        let link = if open {
            let token = desk.sessions.invitation_token(&invitation.id);
            Datum::text(format!("{WELCOME}?token={token}"))
        } else {
            Datum::None
        };
        let row = Row::new(
            invitation.id.as_str(),
            vec![
                Datum::text(invitation.name.as_str()),
                Datum::text(invitation.login.as_str()),
                Datum::text(invitation.title.as_str()),
                Datum::text(names.or_id(&invitation.organisation)),
                Datum::Time(invitation.expires_at.micros()),
                state(&invitation, open),
                link,
            ],
        );
        if !open {
            return row;
        }
        let question = Confirm::new("作废邀请", "作废后链接立即失效。", "作废");
        row.action(
            Action::send("作废", "invitation.end")
                .record(&invitation.id)
                .confirm(question.reason("原因")),
        )
    });
    let columns = vec![
        Column::new("name", "姓名", 0),
        Column::new("login", "登录名", 1),
        Column::new("post", "岗位", 2),
        Column::new("organisation", "机构", 2),
        Column::new("until", "有效期至", 3),
        Column::new("state", "状态", 1),
        Column::new("link", "邀请链接", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("还没有邀请。在机构详情页邀请一人，或在下方导入多人");
    let mut page = bench("开户邀请")
        .subtitle("链接七日内有效，只能使用一次；被邀请人自己设置密码，任何人都不知道")
        .guarded()
        .block(Block::table("invitations", table));
    if let Some(own) = p
        .organisation
        .as_deref()
        .filter(|o| desk.can("post.assign", o))
    {
        let submit = Action::send("导入", "organisation.import").record(own);
        let form = Form::new("import", submit)
            .field(Field::file("file", "人员名单（CSV）", LARGEST).required())
            .field(reason());
        let help = format!(
            "首行为表头：姓名、登录名、岗位、机构代码；机构代码不填为本机构。UTF-8 或 GB18030 编码，最多 {MOST} 人；有一行不对则全部不导入"
        );
        page = page.block(Block::form(form).title("批量邀请").help(help));
    }
    Ok(page)
}

fn state(invitation: &Invitation, open: bool) -> Datum {
    match (open, invitation.used, invitation.ended) {
        (true, ..) => Datum::status("待接受", Tone::Warning),
        (_, true, _) => Datum::status("已开户", Tone::Success),
        (_, _, true) => Datum::status("已作废", Tone::Neutral),
        _ => Datum::status("已过期", Tone::Neutral),
    }
}

/// What the link opens, for somebody who has no account yet.
pub(super) async fn welcome(desk: &Desk<'_>, ask: &Ask) -> Result<Page, Fault> {
    let token = ask.query("token").unwrap_or_default();
    let invited = desk.sessions.invited(token, desk.call.now.micros()).await;
    let page = Page::new("接受开户邀请");
    let Some(invitation) = invited.map_err(|e| failed(&e))? else {
        let text = kernel_identity::refusal::Refusal::InvitationGone.message();
        let notice = Notice::new(Tone::Warning, "链接无效", text);
        return Ok(page.block(Block::notice("gone", notice)));
    };
    let names = Names::of(desk.host, Vec::new(), vec![&invitation.organisation]).await?;
    let submit = Action::send("开户", "invitation.accept").arg("token", token);
    let form = Form::new("accept", submit)
        .field(
            Field::secret("password", "设置密码")
                .required()
                .help("至少 8 位，含大写、小写、数字、符号中的三类"),
        )
        .field(Field::secret("again", "再输入一次密码").required());
    Ok(page
        .subtitle(format!(
            "{}邀请{}任“{}”，登录名 {}",
            names.or_id(&invitation.organisation),
            invitation.name,
            invitation.title,
            invitation.login
        ))
        .block(Block::form(form).title("设置密码")))
}

/// Invites one.
pub(super) async fn invite(
    desk: &Desk<'_>,
    organisation: &str,
    input: &Input,
) -> Result<Reply, Fault> {
    let guest = Guest {
        name: word(&input.values, "name").to_owned(),
        login: word(&input.values, "login").to_owned(),
        title: word(&input.values, "title").to_owned(),
        organisation: organisation.to_owned(),
    };
    let reach = desk.reach("post.assign").ok_or_else(Fault::not_found)?;
    let made = desk
        .directory
        .invite(desk.deed(input), &reach, desk.sessions, &[guest])
        .await;
    let writes = made.map_err(|faults| {
        let first = faults.into_iter().next();
        first.map_or_else(Fault::not_found, |(_, error)| fault(error))
    })?;
    let toast = "邀请已生成，请把链接交给本人";
    Ok(done(
        writes,
        input,
        PATH.to_owned(),
        toast,
        json!({ "invited": 1 }),
    ))
}

/// Invites everybody in a file, or nobody.
pub(super) async fn import(
    desk: &Desk<'_>,
    organisation: &str,
    input: &Input,
) -> Result<Reply, Fault> {
    let wrong =
        |message: String| Fault::invalid(vec![FieldFault::new("file", "bad-file", message)]);
    let given = input.values.get("file").cloned();
    let upload: UploadRef = given
        .and_then(|v| serde_json::from_value(v).ok())
        .ok_or_else(|| wrong("请上传文件".into()))?;
    let bytes = desk.host.upload(&upload.digest).await?;
    let tree = desk.directory.tree(organisation).await.map_err(fault)?;
    let code = |code: &str| {
        let rows = tree.rows(organisation);
        let found = rows.iter().find(|(_, n)| n.code.as_deref() == Some(code));
        found.map(|(_, n)| n.id.clone())
    };
    let (guests, mut faults) = people(&bytes, organisation, code).map_err(wrong)?;
    if faults.is_empty() {
        let reach = desk.reach("post.assign").ok_or_else(Fault::not_found)?;
        let deed = desk.deed(input);
        let made = desk
            .directory
            .invite(deed, &reach, desk.sessions, &guests)
            .await;
        match made {
            Ok(writes) => {
                let toast = format!("已邀请 {} 人，请把链接交给本人", guests.len());
                let result = json!({ "invited": guests.len() });
                return Ok(done(writes, input, PATH.to_owned(), &toast, result));
            }
            Err(wrong) => {
                for (at, error) in wrong {
                    let fault = fault(error);
                    let words = fault.fields.first().map(|f| f.message.clone());
                    faults.push((at, words.unwrap_or(fault.message)));
                }
            }
        }
    }
    let told = faults.iter().take(TOLD).map(|(at, what)| {
        // The first line has the names of the columns.
        FieldFault::new("file", "bad-file", format!("第 {} 行：{what}", at + 2))
    });
    Err(Fault::invalid(told.collect()))
}

/// People of a file, and what is wrong with its rows.
type Read = (Vec<Guest>, Vec<(usize, String)>);

/// Reads a file of people. Rows count from 0, the header not counted.
fn people(
    bytes: &[u8],
    organisation: &str,
    place: impl Fn(&str) -> Option<String>,
) -> Result<Read, String> {
    // Whatever is not UTF-8 is taken for GB18030, which every older spreadsheet here writes.
    let text = if let Ok(text) = std::str::from_utf8(bytes) {
        text.trim_start_matches('\u{feff}').into()
    } else {
        let (text, wrong) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
        if wrong {
            return Err("文件不是 UTF-8 或 GB18030 编码".into());
        }
        text
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|_| "文件不是带表头的 CSV".to_owned())?
        .clone();
    let column = |name: &str| header.iter().position(|h| h == name);
    let (Some(name), Some(login), Some(title)) = (column("姓名"), column("登录名"), column("岗位"))
    else {
        return Err("表头须有：姓名、登录名、岗位".into());
    };
    let code = column("机构代码");
    let (mut guests, mut faults) = (Vec::new(), Vec::new());
    for (at, row) in reader.records().enumerate() {
        if at >= MOST {
            return Err(format!("一次最多 {MOST} 人"));
        }
        let row = row.map_err(|_| format!("第 {} 行不是 CSV", at + 2))?;
        let cell = |at: usize| row.get(at).unwrap_or_default();
        for (label, value, most) in [("姓名", cell(name), 64), ("岗位", cell(title), 40)] {
            let long = value.chars().count() > most;
            if value.is_empty() || long || value.chars().any(char::is_control) {
                faults.push((at, format!("{label}须为 1 至 {most} 个字")));
            }
        }
        let wanted = code.map(cell).filter(|c| !c.is_empty());
        let found = match wanted {
            None => Some(organisation.to_owned()),
            Some(code) => place(code),
        };
        let Some(organisation) = found else {
            let code = wanted.unwrap_or_default();
            faults.push((at, format!("本机构及下级没有机构代码“{code}”")));
            continue;
        };
        guests.push(Guest {
            name: cell(name).to_owned(),
            login: cell(login).to_owned(),
            title: cell(title).to_owned(),
            organisation,
        });
    }
    if guests.is_empty() && faults.is_empty() {
        return Err("文件没有数据行".into());
    }
    Ok((guests, faults))
}

pub(super) async fn act(desk: &Desk<'_>, verb: &str, input: &Input) -> Result<Reply, Fault> {
    match verb {
        "end" => {
            let invitation = Invitation::read(record(input)?);
            let ended = desk.directory.end_invitation(desk.deed(input), &invitation);
            let writes = ended.await.map_err(fault)?;
            let result = json!({ "id": invitation.id });
            Ok(done(writes, input, PATH.to_owned(), "邀请已作废", result))
        }
        "accept" => accept(desk, input).await,
        _ => Err(Fault::not_found()),
    }
}

async fn accept(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let values = &input.values;
    let (password, now) = (word(values, "password"), desk.call.now.micros());
    if password != word(values, "again") {
        let fault = FieldFault::new("again", "differs", "两次输入的密码不一致");
        return Err(Fault::invalid(vec![fault]));
    }
    let invited = desk.sessions.invited(word(values, "token"), now).await;
    let gone = kernel_identity::refusal::Refusal::InvitationGone;
    let invitation = invited
        .map_err(|e| failed(&e))?
        .ok_or_else(|| Fault::refused(gone.code(), gone.message()))?;
    let opened = desk.sessions.accept(&invitation, password, now).await;
    let (user, writes) = opened.map_err(|error| match error {
        AccountError::Weak(weak) => {
            let fault = FieldFault::new("password", weak.code(), weak.message());
            Fault::invalid(vec![fault])
        }
        AccountError::Failed(error) => failed(&error),
        _ => Fault::internal("开户没有成功，请稍后再试"),
    })?;
    let toast = "账号已开通，请登录";
    let path = "/login".to_owned();
    Ok(done(writes, input, path, toast, json!({ "user": user })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(code: &str) -> Option<String> {
        (code == "HJ11").then(|| "desk".to_owned())
    }

    #[test]
    fn both_encodings_read_alike() {
        let text =
            "姓名,登录名,岗位,机构代码\r\n李明,liming,客户经理,HJ11\r\n王芳,wangfang,柜员,\r\n";
        let (gb, _, _) = encoding_rs::GB18030.encode(text);
        let marked = format!("\u{feff}{text}");
        for bytes in [text.as_bytes(), marked.as_bytes(), &gb] {
            let (guests, faults) = people(bytes, "head", place).unwrap();
            assert_eq!(faults, []);
            assert_eq!(guests[0].name, "李明");
            let places: Vec<&str> = guests.iter().map(|g| g.organisation.as_str()).collect();
            assert_eq!(places, ["desk", "head"]);
        }
    }

    #[test]
    fn every_wrong_row_is_told() {
        let text = "登录名,姓名,岗位,机构代码\na1,,柜员,\nb22,王,柜员,NO\n";
        let (_, faults) = people(text.as_bytes(), "head", place).unwrap();
        let at: Vec<usize> = faults.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [0, 1]);
        for bad in ["", "姓名,登录名\n", "姓名,登录名,岗位\n"] {
            assert!(people(bad.as_bytes(), "head", place).is_err(), "{bad:?}");
        }
        assert!(people(&[0xff, 0xff, 0xff], "head", place).is_err());
    }
}
