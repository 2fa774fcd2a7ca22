//! Organisations, posts and roles as their administrators work with them: tender rows 75 to 77.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tests_http::steps::{exported, recorded};
use tests_http::{Client, Server};

const HEAD: &str = "01930000-0000-7000-8000-000000000101";
const BRANCH: &str = "01930000-0000-7000-8000-000000000102";
const OTHER_BRANCH: &str = "01930000-0000-7000-8000-000000000103";
const DESK: &str = "01930000-0000-7000-8000-000000000111";
const SECOND_DESK: &str = "01930000-0000-7000-8000-000000000112";
const OPERATOR: &str = "01930000-0000-7000-8000-000000000931";
const OFFICER: &str = "01930000-0000-7000-8000-000000000913";
const OFFICER_4: &str = "01930000-0000-7000-8000-000000000917";

/// The one post of a person in an organisation, as somebody sees it.
fn post_of(client: &Client, user: &str) -> String {
    let found = client.get(&format!("/api/v1/platform/posts?user={user}"));
    assert_eq!(found.status, 200, "{}", found.body);
    found.body["items"][0]["id"].as_str().unwrap().to_owned()
}

fn desks_seen(client: &Client) -> u64 {
    let path = format!("/api/v1/platform/posts?organisation={DESK}");
    client.get(&path).body["total"].as_u64().unwrap()
}

#[test]
fn row_75_a_desk_moves_and_its_people_are_seen_from_the_new_branch_alone() {
    let Some(server) = Server::start() else {
        return;
    };
    let (mut head, branch) = (server.user("bankadmin"), server.user("branchadmin"));
    assert_eq!(desks_seen(&branch), 1);

    // A branch cannot take itself apart; the head office can.
    let path = format!("/api/v1/platform/organisations/{DESK}/move");
    let wanted = json!({ "parent": OTHER_BRANCH, "reason": "辖区调整" });
    let refused = server.user("branchadmin").post(&path, &wanted);
    assert_eq!(
        (refused.status, refused.code()),
        (400, "invalid"),
        "{}",
        refused.body
    );
    let cycle = head.post(
        &format!("/api/v1/platform/organisations/{BRANCH}/move"),
        &json!({ "parent": DESK, "reason": "x" }),
    );
    assert_eq!(
        cycle.body["errors"][0]["code"], "organisation-cycle",
        "{}",
        cycle.body
    );
    let moved = head.post(&path, &wanted);
    assert_eq!(moved.status, 200, "{}", moved.body);

    assert_eq!(desks_seen(&branch), 0, "at the next request");
    assert_eq!(desks_seen(&head), 1);
    let text = exported(&mut head, "platform/changes?what=organisation.move").1;
    let line = text.lines().nth(2).unwrap();
    for part in [
        "沪江银行张江支行",
        "调整隶属",
        "上级：沪江银行 / 沪江银行上海分行",
        "上级：沪江银行 / 沪江银行自贸区分行",
        "罗清和",
        "辖区调整",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("organisation.move"), "{line}");
    // The history of a tree is for those above it.
    let seen = branch.get("/api/v1/platform/changes");
    assert_eq!(seen.body["total"], 0, "{}", seen.body);
    let audit = server.user("auditor").page("/console/audit?what=platform.");
    assert!(
        audit.body.to_string().contains("机构 · 调整隶属"),
        "{}",
        audit.body
    );
}

#[test]
fn row_75_a_desk_is_merged_and_its_people_act_for_the_other_branch_at_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let (mut head, branch) = (server.user("bankadmin"), server.user("branchadmin"));
    let mut officer = server.user("officer3");
    assert_eq!(officer.get("/api/v1/session").body["organisation"], DESK);
    let place = format!("/platform/organisations/{DESK}");
    let page = head.page(&place).body.to_string();
    let told = "在“沪江银行张江支行”任职的 1 人及其角色转入所选机构，0 个下级机构随之转入";
    assert!(page.contains(told), "{page}");

    let path = format!("/api/v1{place}/merge");
    let wanted = |into: &str| json!({ "into": into, "reason": "网点撤并" });
    let refused = server
        .user("branchadmin")
        .post(&path, &wanted(OTHER_BRANCH));
    let fault = &refused.body["errors"][0];
    assert_eq!((refused.status, refused.code()), (400, "invalid"));
    assert_eq!(
        (&fault["field"], &fault["code"]),
        (&json!("into"), &json!("out-of-reach"))
    );
    let own = head.post(&path, &wanted(DESK));
    assert_eq!(
        own.body["errors"][0]["code"], "organisation-cycle",
        "{}",
        own.body
    );
    let merged = head.post(&path, &wanted(OTHER_BRANCH));
    assert_eq!(merged.status, 200, "{}", merged.body);

    // At the next request the session acts for another of the person's posts.
    let session = officer.get("/api/v1/session").body;
    assert_eq!(session["organisation"], SECOND_DESK, "{session}");
    officer.renew();
    let back = |to: &str| json!({ "organisation": to });
    let switch = "/api/v1/platform/sessions/switch";
    assert_eq!(officer.post(switch, &back(DESK)).status, 403);
    let switched = officer.post(switch, &back(OTHER_BRANCH));
    assert_eq!(switched.status, 200, "{}", switched.body);
    let session = officer.get("/api/v1/session").body;
    assert_eq!(session["organisation"], OTHER_BRANCH);
    // Somebody else's branch sees it no more; what is of the desk stays of the desk.
    assert_eq!(desks_seen(&branch), 0);
    assert_eq!(desks_seen(&head), 1);
    let page = head.page(&place).body.to_string();
    assert!(page.contains("已并入 沪江银行自贸区分行"), "{page}");
    assert!(!page.contains("合并到其他机构"), "{page}");
    let again = head.post(&path, &wanted(BRANCH));
    assert_eq!((again.status, again.code()), (422, "organisation-closed"));

    let text = exported(&mut head, "platform/changes?what=organisation.merge").1;
    let line = text.lines().nth(2).unwrap();
    for part in [
        "沪江银行张江支行",
        "合并机构",
        "上级：沪江银行 / 沪江银行上海分行",
        "转入的人员：叶知微",
        "并入：沪江银行 / 沪江银行自贸区分行",
        "罗清和",
        "网点撤并",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let audit = server.user("auditor").page("/console/audit?what=platform.");
    assert!(
        audit.body.to_string().contains("机构 · 合并机构"),
        "{}",
        audit.body
    );
}

#[test]
fn row_76_a_system_administrator_is_refused_the_security_administrators_role() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut security = server.user("security");
    let post = post_of(&security, OPERATOR);
    let give = |role: &str| json!({ "role": role, "reason": "顶岗" });
    let path = format!("/api/v1/platform/posts/{post}/grant");
    let refused = security.post(&path, &give("platform.security"));
    assert_eq!(
        (refused.status, refused.code()),
        (422, "roles-exclude-each-other"),
        "{}",
        refused.body
    );
    // What the page does not offer, the API refuses.
    let over = security.post(&path, &give("bank.officer"));
    assert_eq!((over.status, over.code()), (422, "over-ceiling"));
    let own = post_of(&security, "01930000-0000-7000-8000-000000000933");
    let own = security.post(
        &format!("/api/v1/platform/posts/{own}/grant"),
        &give("platform.auditor"),
    );
    assert_eq!((own.status, own.code()), (422, "own-access"));
    let operator = server
        .user("operator")
        .post(&path, &give("platform.security"));
    assert_eq!(operator.status, 403, "who runs the platform gives no roles");
}

#[test]
fn row_77_an_administrators_role_waits_for_a_second_person() {
    let Some(server) = Server::start() else {
        return;
    };
    let (mut head, mut security) = (server.user("bankadmin"), server.user("security"));
    let officer = server.user("officer");
    let reads = |who: &Client| who.get("/api/v1/platform/posts").status;
    assert_eq!(reads(&officer), 403);
    let post = post_of(&head, OFFICER);
    let asked = head.post(
        &format!("/api/v1/platform/posts/{post}/grant"),
        &json!({ "role": "organisation.admin", "reason": "轮岗" }),
    );
    assert_eq!(asked.status, 200, "{}", asked.body);
    let request = asked.body["result"]["request"].as_str().unwrap();
    assert_eq!(reads(&officer), 403, "asking gives nothing");

    let approve = format!("/api/v1/platform/requests/{request}/approve");
    let reason = json!({ "reason": "已核实" });
    let own = head.post(&approve, &reason);
    assert_eq!(
        (own.status, own.code()),
        (403, "second-person-needed"),
        "{}",
        own.body
    );
    let approved = security.post(&approve, &reason);
    assert_eq!(approved.status, 200, "{}", approved.body);
    assert_eq!(reads(&officer), 200, "at the next request");
    let again = server.user("auditor").post(&approve, &reason);
    assert_eq!(again.status, 409, "{}", again.body);

    let revoked = head.post(
        &format!("/api/v1/platform/posts/{post}/revoke"),
        &json!({ "role": "organisation.admin", "reason": "轮岗结束" }),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    assert_eq!(reads(&officer), 403, "at the next request");
}

#[test]
fn a_person_acts_for_one_organisation_at_a_time_and_old_forms_do_not_go_through() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut officer = server.user("officer3");
    let session = officer.get("/api/v1/session").body;
    assert_eq!(session["organisation"], DESK);
    assert_eq!(session["posts"].as_array().unwrap().len(), 2);
    let elsewhere = json!({ "organisation": OTHER_BRANCH });
    let refused = officer.post("/api/v1/platform/sessions/switch", &elsewhere);
    assert_eq!(refused.status, 403, "{}", refused.body);
    let wanted = json!({ "organisation": SECOND_DESK });
    let switched = officer.post("/api/v1/platform/sessions/switch", &wanted);
    assert_eq!(switched.status, 200, "{}", switched.body);
    let session = officer.get("/api/v1/session").body;
    assert_eq!(session["organisation"], SECOND_DESK);
    // What was drawn for the one is not sent for the other.
    let back = json!({ "organisation": DESK });
    let old = officer.post("/api/v1/platform/sessions/switch", &back);
    assert_eq!((old.status, old.code()), (403, "csrf"), "{}", old.body);
    officer.renew();
    let back = officer.post("/api/v1/platform/sessions/switch", &back);
    assert_eq!(back.status, 200, "{}", back.body);
    let audit = server.user("auditor").page("/console/audit?what=platform.");
    assert!(
        audit.body.to_string().contains("会话 · 切换机构"),
        "{}",
        audit.body
    );
}

/// The collections that every module of this repository declares: path and read permission.
fn endpoints() -> Vec<(String, String)> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(plugins).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path().join("schema.lock.json"))
        else {
            continue;
        };
        let def: Value = serde_json::from_str(&text).unwrap();
        for collection in def["collections"].as_array().into_iter().flatten() {
            let id = def["id"].as_str().unwrap();
            let name = collection["name"].as_str().unwrap();
            let read = collection["read"].as_str().unwrap();
            all.push((format!("/api/v1/{id}/{name}"), format!("{id}:{read}")));
        }
    }
    for (path, read) in [
        ("platform/organisations", "platform:organisation.read"),
        ("platform/users", "platform:user.read"),
        ("platform/sessions", "platform:session.read"),
        ("platform/posts", "platform:post.read"),
        ("platform/roles", "platform:role.read"),
        ("platform/grants", "platform:grant.read"),
        ("platform/changes", "platform:change.read"),
        ("platform/requests", "platform:request.read"),
        ("console/plugins", "console:plugin.read"),
        ("console/models", "console:model.read"),
        ("console/certificates", "console:certificate.read"),
        ("console/trials", "console:trial.read"),
    ] {
        all.push((format!("/api/v1/{path}"), read.to_owned()));
    }
    all
}

/// What the preview of a post says: permission → may.
fn previewed(viewer: &Client, post: &str) -> BTreeMap<String, bool> {
    let page = viewer.page(&format!("/platform/posts/{post}"));
    assert_eq!(page.status, 200, "{}", page.body);
    let sections = page.body["sections"].as_array().unwrap().iter();
    let blocks = sections.flat_map(|s| s["blocks"].as_array().unwrap());
    let preview = blocks.into_iter().find(|b| b["id"] == "preview").unwrap();
    let rows = preview["rows"].as_array().unwrap().iter();
    rows.map(|r| {
        let may = r["cells"][2]["value"]["label"] == "可以";
        (r["key"].as_str().unwrap().to_owned(), may)
    })
    .collect()
}

#[test]
fn row_76_the_preview_is_what_people_then_may_do() {
    let Some(server) = Server::start() else {
        return;
    };
    // Somebody has a composed role, too.
    let mut head = server.user("bankadmin");
    let composed = head.post(
        &format!("/api/v1/platform/organisations/{HEAD}/compose"),
        &json!({ "title": "模型观察员", "reason": "试行",
            "permissions": ["console:model.read@organisation"] }),
    );
    assert_eq!(composed.status, 200, "{}", composed.body);
    let role = composed.body["result"]["id"].as_str().unwrap();
    let post = post_of(&head, OFFICER_4);
    let officer = server.user("officer4");
    assert_eq!(officer.get("/api/v1/console/models").status, 403);
    let given = head.post(
        &format!("/api/v1/platform/posts/{post}/grant"),
        &json!({ "role": role, "last_day": "2030-01-31", "reason": "试行" }),
    );
    assert_eq!(given.status, 200, "{}", given.body);
    assert_eq!(officer.get("/api/v1/console/models").status, 200);
    let over = head.post(
        &format!("/api/v1/platform/organisations/{HEAD}/compose"),
        &json!({ "title": "越权", "reason": "试行",
            "permissions": ["console:model.read@all"] }),
    );
    assert_eq!(
        over.body["errors"][0]["code"], "over-ceiling",
        "{}",
        over.body
    );

    let security = server.user("security");
    let endpoints = endpoints();
    assert!(endpoints.len() >= 20, "{}", endpoints.len());
    let mut allowed = 0;
    for login in [
        "enterprise",
        "developer",
        "validator",
        "officer",
        "officer4",
        "bankadmin",
        "operator",
        "auditor",
        "security",
        "government",
    ] {
        let client = server.user(login);
        let session = client.get("/api/v1/session").body;
        let post = post_of(&security, session["user"].as_str().unwrap());
        let preview = previewed(&security, &post);
        for (path, permission) in &endpoints {
            let status = client.get(path).status;
            assert_eq!(
                status == 200,
                preview[permission],
                "{login}: {path} answers {status}"
            );
            allowed += usize::from(status == 200);
        }
    }
    assert!(allowed > 20, "most would be refused otherwise: {allowed}");
}

#[test]
fn a_list_of_people_is_invited_whole_or_not_at_all_and_a_link_opens_an_account() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut head = server.user("bankadmin");
    let path = format!("/api/v1/platform/organisations/{HEAD}/import");
    let import = |head: &mut Client, text: &str| {
        let file = head.upload("people.csv", text.as_bytes());
        assert_eq!(file.status, 200, "{}", file.body);
        head.post(&path, &json!({ "file": file.body, "reason": "批量入职" }))
    };
    let waiting = |head: &Client| {
        let all = head.get("/api/v1/platform/invitations");
        all.body["total"].as_u64().unwrap()
    };
    let bad = "姓名,登录名,岗位,机构代码\n甲,new.one,柜员,HJ11\n乙,officer,柜员,HJ12\n丙,new.two,柜员,HJ12\n";
    let refused = import(&mut head, bad);
    assert_eq!(refused.status, 400, "{}", refused.body);
    let errors = refused.body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{}", refused.body);
    assert!(errors[0]["detail"].as_str().unwrap().starts_with("第 3 行"));
    assert_eq!(waiting(&head), 0, "nobody of the list");

    let good = import(&mut head, &bad.replace("officer", "new.three"));
    assert_eq!(good.status, 200, "{}", good.body);
    assert_eq!(waiting(&head), 3);
    // A desk's people are not its neighbours' to see.
    assert_eq!(
        server
            .user("officer3")
            .get("/api/v1/platform/invitations")
            .status,
        403
    );
    let page = head.page("/platform/invitations");
    let text = page.body.to_string();
    let (_, rest) = text.split_once("/platform/invitation?token=").unwrap();
    let token = rest.split('"').next().unwrap();

    let mut guest = server.anonymous();
    let shown = guest.get(&format!("/platform/invitation?token={token}"));
    assert!(shown.text().contains("设置密码"), "{}", shown.body);
    let accept =
        |again: &str| json!({ "token": token, "password": "Nine9lamps%over", "again": again });
    let differs = guest.post("/api/v1/platform/invitations/accept", &accept("x"));
    assert_eq!(differs.status, 400, "{}", differs.body);
    let opened = guest.post(
        "/api/v1/platform/invitations/accept",
        &accept("Nine9lamps%over"),
    );
    assert_eq!(opened.status, 200, "{}", opened.body);
    let twice = guest.post(
        "/api/v1/platform/invitations/accept",
        &accept("Nine9lamps%over"),
    );
    assert_eq!(
        (twice.status, twice.code()),
        (422, "invitation-gone"),
        "{}",
        twice.body
    );
    assert!(!server.log().contains(token), "a link is in no log");
}

#[test]
fn dj_19_each_administrator_has_a_console_and_what_is_done_there_is_on_record() {
    let Some(server) = Server::start() else {
        return;
    };
    for (console, whose, other) in [
        ("/console/plugins", "operator", "security"),
        ("/platform/changes", "security", "operator"),
        ("/console/audit", "auditor", "operator"),
    ] {
        assert_eq!(server.user(whose).page(console).status, 200, "{console}");
        for login in [other, "enterprise", "officer"] {
            assert_eq!(server.user(login).page(console).status, 403, "{login}");
        }
        assert_eq!(server.anonymous().page(console).status, 401);
    }
    let plugins = server
        .user("operator")
        .get("/api/v1/console/plugins?code=park");
    let plugin = plugins.body["items"][0]["id"].as_str().unwrap().to_owned();
    let enable = format!("/api/v1/console/plugins/{plugin}/enable");
    let limit = format!("/api/v1/platform/organisations/{HEAD}/limit");
    let ceiling = json!({ "ceiling": ["bank.officer"], "reason": "收紧" });
    for (deed, path, input, whose, others) in [
        (
            "console.plugin.enable",
            enable,
            json!({}),
            "operator",
            ["security", "auditor"],
        ),
        (
            "platform.organisation.limit",
            limit,
            ceiling,
            "security",
            ["operator", "auditor"],
        ),
    ] {
        for login in others {
            let refused = server.user(login).post(&path, &input);
            assert_eq!(refused.status, 403, "{login}");
        }
        let done = server.user(whose).post(&path, &input);
        assert_eq!(done.status, 200, "{}", done.body);
        for (outcome, records) in [("done", 1), ("refused", 2)] {
            let filters = format!("what={deed}&outcome={outcome}");
            assert_eq!(recorded(&server, &filters), records, "{filters}");
        }
    }
}

#[test]
fn dj_06_the_system_administrator_reads_neither_trail_nor_business_data() {
    let Some(server) = Server::start() else {
        return;
    };
    let (operator, auditor) = (server.user("operator"), server.user("auditor"));
    for (path, read_by_auditor) in [
        ("/console/audit", 200),
        ("/console/audit/1", 200),
        ("/console/certificates", 200),
        ("/api/v1/console/certificates", 200),
        ("/api/v1/consent/letters", 200),
        ("/api/v1/lending/applications", 200),
        ("/api/v1/lending/quotas", 403),
        ("/api/v1/enterprise/enterprises", 403),
        ("/api/v1/credit/tax-records", 403),
    ] {
        let status = |client: &Client| client.get(path).status;
        assert_eq!(status(&auditor), read_by_auditor, "{path}");
        assert_eq!(status(&operator), 403, "{path}");
    }
}
