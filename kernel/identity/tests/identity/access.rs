//! Giving, composing and taking roles, on both engines. Named after the rows of the tender and the
//! clauses of GB/T 22239-2019 that they hold.

use kernel_identity::decide::{Decision, decide};
use kernel_identity::grants::{Given, RoleBook};
use kernel_identity::module::{ADMIN, AUDITOR, OPERATOR, SECURITY};
use kernel_identity::principal::Principal;
use kernel_identity::refusal::Refusal;
use kernel_identity::roles::{RoleRow, Wish};
use kernel_identity::two_person::{Request, Verdict};
use kernel_storage::{CommitError, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::def::{Label, PermissionDef, RoleGrant, RowScope};
use serde_json::json;

use crate::organisations::{bank, deed, refused};
use crate::{SECOND, START, World, at, id, on_each_engine};

pub(crate) fn book() -> RoleBook {
    [
        ("bank.officer", "授信审批"),
        ("model.developer", "模型开发"),
        ("enterprise.owner", "企业经办"),
        (ADMIN, "机构管理员"),
        (OPERATOR, "系统管理员"),
        (SECURITY, "安全管理员"),
        (AUDITOR, "审计管理员"),
    ]
    .map(|(role, title)| (role.to_owned(), title.to_owned()))
    .into()
}

/// What a plugin declares.
pub(crate) fn read() -> PermissionDef {
    PermissionDef {
        name: "thing.read".into(),
        label: Label::new("查看", "Read"),
        grants: vec![RoleGrant {
            role: "bank.officer".into(),
            scope: RowScope::Organisation,
        }],
    }
}

pub(crate) fn declared<'a>(
    read: &'a PermissionDef,
) -> impl Fn(&str, &str) -> Option<&'a PermissionDef> {
    move |module, name| (module == "things" && name == "thing.read").then_some(read)
}

fn pieces() -> [String; 1] {
    ["things:thing.read@organisation".to_owned()]
}

fn wish(pieces: &[String]) -> Wish<'_> {
    Wish {
        title: "贷后检查",
        about: "",
        permissions: pieces,
        clearance: None,
    }
}

/// A role with the one declared permission, composed by somebody in an organisation.
pub(crate) async fn composed(w: &World, by: &Principal, organisation: u32) -> String {
    let (read, pieces) = (read(), pieces());
    let wish = wish(&pieces);
    let (role, writes) = w
        .directory()
        .compose(deed(by, START), &id(organisation), wish, declared(&read))
        .await
        .unwrap();
    w.done(by, writes, START).await;
    role
}

pub(crate) async fn given(w: &World, by: &Principal, user: u32, at: u32, role: &str) -> Given {
    let post = w.post_of(user, at).await;
    let reach = reach(by);
    w.directory()
        .give(deed(by, START), &reach, &post, (role, None), &book())
        .await
        .unwrap()
}

fn reach(by: &Principal) -> RowFilter {
    if by.organisation_kind == "platform" {
        RowFilter::All
    } else {
        RowFilter::Organisations(by.organisations.clone())
    }
}

async fn not_given(w: &World, by: &Principal, user: u32, at: u32, role: &str) -> Refusal {
    let post = w.post_of(user, at).await;
    let reach = reach(by);
    let refusal = w
        .directory()
        .give(deed(by, START), &reach, &post, (role, None), &book())
        .await;
    refused(refusal)
}

/// Carries out what was given; it takes one person.
pub(crate) async fn carried_out(w: &World, by: &Principal, given: Given) {
    let Given::Done(writes) = given else {
        unreachable!("one person is enough")
    };
    w.done(by, writes, START).await;
}

/// Makes the request; its id.
pub(crate) async fn asked(w: &World, by: &Principal, given: Given) -> Request {
    let Given::Asked(request, writes) = given else {
        unreachable!("two people are needed")
    };
    w.done(by, writes, START).await;
    Request::read(&w.row("requests", &request).await)
}

/// What approving would write.
pub(crate) async fn approval(
    w: &World,
    by: &Principal,
    request: &Request,
) -> Result<Vec<Write>, Refusal> {
    request.may_decide(by, START)?;
    let effect = w
        .directory()
        .give_approved(deed(by, START), &reach(by), request, &book())
        .await;
    let mut writes = effect.map_err(|e| refused::<()>(Err(e)))?;
    writes.push(request.decided(Verdict::Approved, deed(by, START)));
    Ok(writes)
}

#[tokio::test]
async fn dj_06_a_system_administrator_never_becomes_a_security_administrator() {
    on_each_engine(&bank(), async |w| {
        let security = w.as_in(15, 6, START).await;
        for (user, role) in [
            (17, SECURITY),
            (17, AUDITOR),
            (16, OPERATOR),
            (16, SECURITY),
        ] {
            let why = not_given(w, &security, user, 6, role).await;
            assert!(matches!(why, Refusal::Excluded(_)), "{user} {role}: {why}");
        }
        // Nor anything to oneself, nor administration of the platform by a bank's administrator.
        assert_eq!(
            not_given(w, &security, 15, 6, AUDITOR).await,
            Refusal::Oneself
        );
        let admin = w.as_in(13, 1, START).await;
        assert_eq!(
            not_given(w, &admin, 14, 3, SECURITY).await,
            Refusal::OverCeiling
        );
        assert_eq!(
            not_given(w, &admin, 14, 3, "enterprise.owner").await,
            Refusal::OverCeiling
        );
    })
    .await;
}

#[tokio::test]
async fn dj_06_an_administrators_role_takes_two_people_and_happens_once() {
    on_each_engine(&bank(), async |w| {
        let (admin, branch) = (w.as_in(13, 1, START).await, w.as_in(18, 2, START).await);
        let request = asked(w, &admin, given(w, &admin, 14, 3, ADMIN).await).await;
        let teller = async || w.as_in(14, 3, START).await.roles;
        assert_eq!(teller().await, ["bank.officer"], "asking gives nothing");
        assert_eq!(
            not_given(w, &admin, 14, 3, ADMIN).await,
            Refusal::AskedAlready
        );

        assert_eq!(
            approval(w, &admin, &request).await.unwrap_err(),
            Refusal::NotAnother
        );
        let gainer = w.as_in(14, 3, START).await;
        assert_eq!(
            approval(w, &gainer, &request).await.unwrap_err(),
            Refusal::NotAnother
        );
        let late = START + 72 * 3_600 * SECOND;
        assert_eq!(request.may_decide(&branch, late), Err(Refusal::Expired));

        // Two who approve at once: one effect.
        let security = w.as_in(15, 6, START).await;
        let one = approval(w, &branch, &request).await.unwrap();
        let other = approval(w, &security, &request).await.unwrap();
        w.done(&branch, one, START).await;
        let second = w.try_done(&security, other, START).await;
        assert!(
            matches!(second, Err(CommitError::Stale { .. })),
            "{second:?}"
        );
        assert_eq!(teller().await, ["bank.officer", ADMIN]);
        let history = w.history("post.grant").await;
        assert_eq!(history.len(), 1);
        assert_eq!(history[0]["by_name"], json!("用户13"));
        assert_eq!(history[0]["approved_by"], json!("用户18"));
    })
    .await;
}

#[tokio::test]
async fn dj_06_what_was_allowed_when_asked_is_asked_again_when_approved() {
    on_each_engine(&bank(), async |w| {
        let (security, auditor) = (w.as_in(15, 6, START).await, w.as_in(16, 6, START).await);
        // A newcomer at the platform, whom two requests would make two administrators.
        let operator = w.as_in(17, 6, START).await;
        let hired = w
            .directory()
            .appoint(
                deed(&operator, START),
                &RowFilter::All,
                &id(6),
                ("teller", "新人"),
            )
            .await;
        let (_, writes) = hired.unwrap();
        w.done(&operator, writes, START).await;
        let request = asked(w, &security, given(w, &security, 14, 6, OPERATOR).await).await;
        let why = not_given(w, &security, 14, 6, AUDITOR).await;
        assert_eq!(why, Refusal::Excluded("系统管理员".into()));
        // The post ends before anybody approves.
        let end = w
            .directory()
            .end_post(deed(&operator, START), &w.post_of(14, 6).await)
            .await
            .unwrap();
        w.done(&operator, end, START).await;
        let late = approval(w, &auditor, &request).await;
        assert_eq!(late.unwrap_err(), Refusal::Ended);
    })
    .await;
}

#[tokio::test]
async fn row_77_a_grant_ends_by_itself_and_a_revoked_one_at_once() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let post = w.post_of(14, 3).await;
        let directory = w.directory();
        let password = w.password("teller").to_owned();
        let signed = w
            .sessions
            .login("teller", &password, None, at("a", START))
            .await
            .unwrap();
        let roles = async |now| {
            let found = w.sessions.resolve(&signed.token, at("a", now)).await;
            found.unwrap().unwrap().roles
        };
        // 2025-11-25 16:00 UTC is the end of that day in Beijing; the story begins before.
        let day = "2025-11-25".parse().unwrap();
        let until = "2025-11-25T16:00:00Z"
            .parse::<sdk_contract::scalar::Timestamp>()
            .unwrap()
            .micros();
        assert!(START < until);
        let reach = reach(&admin);
        let given = directory
            .give(
                deed(&admin, START),
                &reach,
                &post,
                ("model.developer", Some(day)),
                &book(),
            )
            .await
            .unwrap();
        carried_out(w, &admin, given).await;
        w.sessions.forget_all();
        let before = until - SECOND;
        // The session ends for other reasons meanwhile, so look as somebody new.
        let look = async |now| w.as_in(14, 3, now).await.roles;
        assert_eq!(look(before).await, ["bank.officer", "model.developer"]);
        assert_eq!(look(until).await, ["bank.officer"]);
        assert_eq!(w.sessions.lapse(at("a", before)).await.unwrap(), 0);
        assert_eq!(w.sessions.lapse(at("a", until)).await.unwrap(), 1);
        assert_eq!(w.sessions.lapse(at("a", until)).await.unwrap(), 0);
        let lapsed = w.history("grant.lapse").await;
        assert_eq!(lapsed[0]["reason"], json!("到期自动收回"));

        assert_eq!(
            roles(START).await,
            ["bank.officer"]
                .map(str::to_owned)
                .into_iter()
                .chain(["model.developer".to_owned()])
                .collect::<Vec<_>>()
                .split_at(1)
                .0
        );
        let revoked = directory
            .revoke(
                deed(&admin, START),
                &w.post_of(14, 3).await,
                "bank.officer",
                &book(),
            )
            .await
            .unwrap();
        w.done(&admin, revoked, START).await;
        w.sessions.forget_all();
        assert!(roles(START).await.is_empty(), "at the next request");
        let twice = directory
            .revoke(
                deed(&admin, START),
                &w.post_of(14, 3).await,
                "bank.officer",
                &book(),
            )
            .await;
        assert_eq!(refused(twice), Refusal::NotHeld);
        let history = w.history("post.revoke").await;
        assert_eq!(history[0]["before"]["role"], json!("授信审批"));
    })
    .await;
}

#[tokio::test]
async fn row_76_a_composed_role_gives_what_it_says_where_it_says_and_no_longer_than_it_lives() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let read = read();
        let directory = w.directory();
        let role = composed(w, &admin, 1).await;
        let again = directory
            .compose(
                deed(&admin, START),
                &id(1),
                wish(&pieces()),
                declared(&read),
            )
            .await;
        assert_eq!(
            refused(again.map(|(_, writes)| writes)),
            Refusal::TitleTaken
        );
        // The auditor of the bank has nothing declared, only this.
        let officer = async || Principal {
            duty: None,
            ..w.as_in(18, 2, START).await
        };
        let may = |p: &Principal| decide(p, "things", &read);
        assert!(!may(&officer().await).allowed());
        let gift = given(w, &admin, 18, 2, &role).await;
        carried_out(w, &admin, gift).await;
        let orgs = RowFilter::Organisations(vec![id(2), id(3)]);
        assert_eq!(may(&officer().await), Decision::Allow(orgs));

        // Another bank may not hand it out, nor may who holds it change it.
        let row = RoleRow::read(&w.row("roles", &role).await);
        let holder = officer().await;
        let own = directory
            .edit_role(deed(&holder, START), &row, wish(&pieces()), declared(&read))
            .await;
        assert_eq!(refused(own), Refusal::Oneself);

        // A lowered ceiling takes effect on roles that are there.
        let security = w.as_in(15, 6, START).await;
        let limit = ["model.".to_owned()];
        let writes = directory
            .limit(deed(&security, START), &id(1), Some(&limit))
            .await
            .unwrap();
        w.done(&security, writes, START).await;
        assert!(!may(&officer().await).allowed());
        let writes = directory
            .limit(deed(&security, START), &id(1), None)
            .await
            .unwrap();
        w.done(&security, writes, START).await;
        assert!(may(&officer().await).allowed());

        let row = RoleRow::read(&w.row("roles", &role).await);
        let retired = directory.retire(deed(&admin, START), &row).await.unwrap();
        w.done(&admin, retired, START).await;
        assert!(!may(&officer().await).allowed());
        for what in ["organisation.compose", "organisation.limit", "role.retire"] {
            assert!(!w.history(what).await.is_empty(), "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_security_administrator_stays() {
    on_each_engine(&bank(), async |w| {
        let auditor = w.as_in(16, 6, START).await;
        let post = w.post_of(15, 6).await;
        let directory = w.directory();
        let revoked = directory
            .revoke(deed(&auditor, START), &post, SECURITY, &book())
            .await;
        assert_eq!(refused(revoked), Refusal::LastOne);
        let ended = directory.end_post(deed(&auditor, START), &post).await;
        assert_eq!(refused(ended), Refusal::LastOne);
    })
    .await;
}
