//! Invitations, on both engines.

use kernel_identity::account::AccountError;
use kernel_identity::duty::Duty;
use kernel_identity::invitations::{Guest, Invitation};
use kernel_identity::principal::Principal;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_identity::session::SignedIn;
use kernel_storage::{CommitError, RowFilter};
use sdk_contract::call::Write;
use serde_json::json;

use crate::organisations::{bank, deed};
use crate::{SECOND, START, World, at, id, on_each_engine};

const PASSWORD: &str = "Nine9lamps%over";

fn guest(login: &str, organisation: u32) -> Guest {
    Guest {
        name: "新人".into(),
        login: login.into(),
        title: "客户经理".into(),
        organisation: id(organisation),
    }
}

async fn invite(
    w: &World,
    by: &Principal,
    guests: &[Guest],
) -> Result<Vec<Write>, Vec<(usize, ChangeError)>> {
    let reach = RowFilter::Organisations(by.organisations.clone());
    let directory = w.directory();
    directory
        .invite(deed(by, START), &reach, &w.sessions, guests)
        .await
}

/// The token of the first invitation among writes.
fn token(w: &World, writes: &[Write]) -> String {
    let ids = writes.iter().filter_map(|w| match w {
        Write::Insert { collection, id, .. } if collection == "invitations" => Some(id),
        _ => None,
    });
    w.sessions.invitation_token(ids.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_link_opens_one_account_once() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let writes = invite(w, &admin, &[guest("newcomer", 3)]).await.unwrap();
        let token = token(w, &writes);
        w.done(&admin, writes, START).await;
        let week = START + 7 * 86_400 * SECOND;
        assert_eq!(w.sessions.invited(&token, week).await.unwrap(), None);
        for wrong in ["", "x", &token[..token.len() - 1]] {
            assert_eq!(w.sessions.invited(wrong, START).await.unwrap(), None);
        }
        let invitation = w.sessions.invited(&token, START).await.unwrap().unwrap();
        let stored = w.row("invitations", &invitation.id).await;
        let stored = serde_json::to_string(&stored).unwrap();
        assert!(!stored.contains(&token) && !stored.contains(token.split('.').nth(1).unwrap()));

        let poor = w.sessions.accept(&invitation, "newcomer1A", START).await;
        assert!(matches!(poor, Err(AccountError::Weak(_))));
        let (_, one) = w
            .sessions
            .accept(&invitation, PASSWORD, START)
            .await
            .unwrap();
        let (_, other) = w
            .sessions
            .accept(&invitation, PASSWORD, START)
            .await
            .unwrap();
        let nobody = Principal::anonymous();
        w.done(&nobody, one, START).await;
        let twice = w.try_done(&nobody, other, START).await;
        let refused = matches!(
            twice,
            Err(CommitError::Conflict { .. } | CommitError::Stale { .. })
        );
        assert!(refused, "{twice:?}");
        assert_eq!(w.sessions.invited(&token, START).await.unwrap(), None);
        let signed = w
            .sessions
            .login("newcomer", PASSWORD, None, at("a", START))
            .await
            .unwrap();
        assert_eq!(signed.principal.organisation, Some(id(3)));
        assert!(signed.principal.roles.is_empty(), "roles are given apart");
        asked_for_the_terms(w, &signed).await;
    })
    .await;
}

/// Whose account others made accepts the terms first; what was accepted is kept.
async fn asked_for_the_terms(w: &World, signed: &SignedIn) {
    let p = &signed.principal;
    assert_eq!(p.duty, Some(Duty::AcceptTerms));
    let version = w.sessions.registration().terms_version.clone();
    let other = w.sessions.accept_terms(p, "1999", at("a", START)).await;
    assert!(matches!(other, Err(AccountError::OtherTerms)));
    let accepted = w.sessions.accept_terms(p, &version, at("a", START)).await;
    w.done(p, accepted.unwrap(), START).await;
    w.sessions.forget_all();
    let again = w.sessions.resolve(&signed.token, at("a", START)).await;
    assert_eq!(again.unwrap().unwrap().duty, None);
    let row = w.row("users", p.user.as_deref().unwrap()).await;
    assert_eq!(row["terms_version"], json!(version));
    assert_eq!(
        row["terms_digest"],
        json!(w.sessions.registration().digest())
    );
    assert!(row["terms_at"].is_string());
    assert_eq!(w.history("user.accept-terms").await.len(), 1);
}

#[tokio::test]
async fn everybody_of_a_list_is_invited_or_nobody() {
    on_each_engine(&bank(), async |w| {
        let branch = w.as_in(18, 2, START).await;
        let list = [
            guest("first.one", 3),
            guest("officer", 3),
            guest("first.one", 2),
            guest("Not a login", 2),
            guest("too.far", 5),
        ];
        let faults = invite(w, &branch, &list).await.unwrap_err();
        let faults: Vec<(usize, String)> = faults
            .into_iter()
            .map(|(at, error)| (at, error.to_string()))
            .collect();
        let want = [
            (1, Refusal::LoginTaken),
            (2, Refusal::LoginTaken),
            (3, Refusal::BadLogin),
            (4, Refusal::OutOfReach),
        ];
        assert_eq!(faults, want.map(|(at, why)| (at, why.to_string())));
        let good = invite(w, &branch, &list[..1]).await.unwrap();
        let token = token(w, &good);
        w.done(&branch, good, START).await;
        let again = invite(w, &branch, &list[..1]).await;
        assert!(again.is_err(), "the login waits for its owner");

        let invitation: Invitation = w.sessions.invited(&token, START).await.unwrap().unwrap();
        let directory = w.directory();
        let ended = directory
            .end_invitation(deed(&branch, START), &invitation)
            .await;
        w.done(&branch, ended.unwrap(), START).await;
        assert_eq!(w.sessions.invited(&token, START).await.unwrap(), None);
        assert_eq!(w.history("organisation.invite").await.len(), 1);
        assert_eq!(w.history("invitation.end").await.len(), 1);
    })
    .await;
}
