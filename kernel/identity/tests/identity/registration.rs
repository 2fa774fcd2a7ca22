//! Registering, and asking to act for a party: on both engines.

use kernel_identity::account::AccountError;
use kernel_identity::claims::{Claim, Party};
use kernel_identity::principal::Principal;
use kernel_identity::refusal::Refusal;
use kernel_identity::registration::Newcomer;
use kernel_storage::CommitError;
use sdk_contract::call::Write;
use serde_json::{Value, json};

use crate::account::make;
use crate::organisations::{bank, deed, refused};
use crate::{SECOND, START, World, at, id, on_each_engine};

const PASSWORD: &str = "Nine9lamps%over";
const CODE: &str = "91310115MA90090168";

fn newcomer(wish: &str) -> Newcomer<'_> {
    Newcomer {
        wish,
        name: "新人",
        phone: "13800001234",
        password: PASSWORD,
    }
}

/// Registers somebody and signs them in.
async fn registered(w: &World, wish: &str, ip: &str) -> (String, Principal) {
    let origin = at(ip, START);
    let opened = w.sessions.register(newcomer(wish), origin).await;
    let opened = opened.unwrap();
    let login = opened.login;
    make(&w.store, opened.writes, START).await;
    let signed = w.sessions.login(&login, PASSWORD, None, origin).await;
    (login, signed.unwrap().principal)
}

#[tokio::test]
async fn a_login_is_never_taken_and_nothing_comes_with_it() {
    on_each_engine(&bank(), async |w| {
        // Somebody is called so already.
        let (one, p) = registered(w, "teller", "a").await;
        let (other, _) = registered(w, "teller", "a").await;
        assert!(one.starts_with("teller-") && other.starts_with("teller-"));
        assert_ne!(one, other);
        assert!(p.roles.is_empty() && p.posts.is_empty() && p.organisation.is_none());
        let row = w.row("users", p.user.as_deref().unwrap()).await;
        assert_eq!(row["terms_version"], json!("2026-12"));
        assert_eq!(row["terms_digest"].as_str().unwrap().len(), 64);
        assert_eq!(w.history("user.register").await.len(), 2);

        for (wish, password) in [("Teller", PASSWORD), ("ab", PASSWORD), ("", PASSWORD)] {
            let who = Newcomer {
                password,
                ..newcomer(wish)
            };
            let bad = w.sessions.register(who, at("a", START)).await;
            assert!(matches!(bad, Err(AccountError::BadLogin)), "{wish}");
        }
        let weak = Newcomer {
            password: "newcomer1A",
            ..newcomer("newcomer")
        };
        let weak = w.sessions.register(weak, at("a", START)).await;
        assert!(matches!(weak, Err(AccountError::Weak(_))));
        // An address registers so many within a quarter of an hour, and others go on.
        for _ in 0..8 {
            let more = w.sessions.register(newcomer("more"), at("a", START)).await;
            more.unwrap();
        }
        let full = w.sessions.register(newcomer("more"), at("a", START)).await;
        assert!(matches!(full, Err(AccountError::Locked { .. })), "{full:?}");
        registered(w, "elsewhere", "b").await;
        let later = at("a", START + 900 * SECOND);
        w.sessions.register(newcomer("later"), later).await.unwrap();
    })
    .await;
}

fn said(code: &str) -> serde_json::Map<String, Value> {
    let said = json!({
        "name": "上海远岫智能科技有限公司", "code": code, "capacity": "agent",
        "region": "310104",
        "evidence": { "digest": "0".repeat(64), "name": "授权书.txt", "size": 3 },
    });
    said.as_object().unwrap().clone()
}

/// Asks, and gives the claim as stored.
async fn claimed(w: &World, by: &Principal, code: &str) -> Claim {
    let asked = w
        .directory()
        .ask_claim(deed(by, START), &said(code), "没有这个代码")
        .await;
    let (claim, write) = asked.unwrap();
    w.done(by, vec![write], START).await;
    Claim::read(&w.row("claims", &claim).await)
}

/// What the module that knows the parties adds.
fn roles() -> Vec<String> {
    vec!["enterprise.owner".to_owned()]
}

async fn certified(w: &World, claim: &Claim, party: Option<&Party>) -> (String, Vec<Write>) {
    let operator = w.as_in(17, 6, START).await;
    w.directory()
        .certify(deed(&operator, START), claim, (party, &roles()))
        .await
        .unwrap()
}

#[tokio::test]
async fn an_approved_claim_makes_the_organisation_once_and_gives_the_post() {
    on_each_engine(&bank(), async |w| {
        let (login, p) = registered(w, "owner", "a").await;
        let (_, second) = registered(w, "second", "b").await;
        let claim = claimed(w, &p, CODE).await;
        let again = w
            .directory()
            .ask_claim(deed(&p, START), &said(CODE), "")
            .await;
        assert_eq!(refused(again), Refusal::AskedAlready);
        let theirs = claimed(w, &second, CODE).await;
        let own = w
            .directory()
            .certify(deed(&p, START), &claim, (None, &[]))
            .await;
        assert_eq!(refused(own), Refusal::Oneself);

        // Both approved at the same moment: one of them has to look again.
        let operator = w.as_in(17, 6, START).await;
        let (place, one) = certified(w, &claim, None).await;
        let (same, other) = certified(w, &theirs, None).await;
        assert_eq!(place, same);
        w.done(&operator, one, START).await;
        let late = w.try_done(&operator, other, START).await;
        assert!(
            matches!(late, Err(CommitError::Conflict { .. })),
            "{late:?}"
        );
        let (_, other) = certified(w, &theirs, None).await;
        w.done(&operator, other, START).await;

        let signed = w.sessions.login(&login, PASSWORD, None, at("a", START));
        let now = signed.await.unwrap().principal;
        assert_eq!(now.organisation.as_ref(), Some(&place));
        assert_eq!(now.subject.as_ref(), Some(&place));
        let mut roles = now.roles;
        roles.sort();
        assert_eq!(roles, ["enterprise.owner", "organisation.admin"]);
        assert_eq!(now.district.as_deref(), Some("310104"));
        let row = w.row("organisations", &place).await;
        assert_eq!(row["code"], json!(CODE));
        assert_eq!(w.directory().works_at(&place).await.unwrap().len(), 2);
        let held = w
            .directory()
            .ask_claim(deed(&p, START), &said(CODE), "")
            .await;
        assert_eq!(refused(held), Refusal::HeldAlready);
        let row = w.row("claims", &claim.id).await;
        assert_eq!(row["status"], json!("approved"));
        assert_eq!(row["decider_name"], json!("用户17"));
    })
    .await;
}

#[tokio::test]
async fn a_registered_party_has_its_own_id_and_administrators_stay_what_they_are() {
    on_each_engine(&bank(), async |w| {
        let (_, p) = registered(w, "owner", "a").await;
        let claim = claimed(w, &p, CODE).await;
        let party = Party {
            id: id(4),
            name: "机构4".into(),
            region: Some("310115".into()),
        };
        let (place, writes) = certified(w, &claim, Some(&party)).await;
        assert_eq!(place, id(4), "the one that is there");
        let operator = w.as_in(17, 6, START).await;
        w.done(&operator, writes, START).await;

        // A system administrator does not look after an enterprise besides.
        let auditor = w.as_in(16, 6, START).await;
        let claim = claimed(w, &auditor, "91310104MA90002304").await;
        let clash = w
            .directory()
            .certify(deed(&operator, START), &claim, (None, &[]))
            .await;
        assert!(matches!(refused(clash), Refusal::Excluded(_)));
        let writes = w
            .directory()
            .refuse_claim(deed(&operator, START), &claim)
            .unwrap();
        w.done(&operator, writes, START).await;
        let row = w.row("claims", &claim.id).await;
        assert_eq!(row["status"], json!("refused"));
    })
    .await;
}
