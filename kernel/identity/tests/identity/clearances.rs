//! Up to which level of data people see values whole, on both engines: what roles are cleared for,
//! declared and composed, and from when.

use kernel_identity::principal::Principal;
use kernel_identity::refusal::Refusal;
use kernel_identity::roles::{RoleRow, Wish};
use kernel_storage::Finding;
use sdk_contract::def::{Level, PermissionDef, RoleGrant, RowScope};

use crate::access::{book, carried_out, declared, given, read};
use crate::attested::{found, is};
use crate::organisations::{bank, deed, refused};
use crate::{SECOND, START, World, id, on_each_engine};

const DAY: i64 = 86_400 * SECOND;

/// Under the ceiling of officers, and under that of developers.
fn thing() -> PermissionDef {
    let mut read = read();
    read.grants.push(RoleGrant {
        role: "model.developer".into(),
        scope: RowScope::Organisation,
    });
    read
}

fn wish(pieces: &[String], clearance: Option<Level>) -> Wish<'_> {
    Wish {
        title: "征信复核",
        about: "",
        permissions: pieces,
        clearance,
    }
}

fn pieces() -> [String; 1] {
    ["things:thing.read@organisation".to_owned()]
}

/// Composes in the head office; the role's id.
async fn composed(w: &World, by: &Principal, clearance: Option<Level>) -> Result<String, Refusal> {
    let (thing, pieces) = (thing(), pieces());
    let wish = wish(&pieces, clearance);
    let made = w
        .directory()
        .compose(deed(by, START), &id(1), wish, declared(&thing))
        .await;
    match made {
        Ok((role, writes)) => {
            w.done(by, writes, START).await;
            Ok(role)
        }
        Err(error) => Err(refused::<()>(Err(error))),
    }
}

async fn row(w: &World, role: &str) -> RoleRow {
    RoleRow::read(&w.row("roles", role).await)
}

async fn edited(w: &World, by: &Principal, role: &str, to: Level) -> Result<(), Refusal> {
    let (thing, pieces, row) = (thing(), pieces(), row(w, role).await);
    let edited = w
        .directory()
        .edit_role(
            deed(by, START),
            &row,
            wish(&pieces, Some(to)),
            declared(&thing),
        )
        .await;
    match edited {
        Ok(writes) => {
            w.done(by, writes, START).await;
            Ok(())
        }
        Err(error) => Err(refused::<()>(Err(error))),
    }
}

async fn limited(w: &World, ceiling: Option<&[&str]>) {
    let security = w.as_in(15, 6, START).await;
    let ceiling: Option<Vec<String>> =
        ceiling.map(|all| all.iter().map(|role| (*role).to_owned()).collect());
    let limited = w
        .directory()
        .limit(deed(&security, START), &id(1), ceiling.as_deref())
        .await;
    w.done(&security, limited.unwrap(), START).await;
}

/// What the teller is cleared for in the branch in which they develop models.
async fn teller(w: &World, now: i64) -> Level {
    w.as_in(14, 5, now).await.clearance
}

#[tokio::test]
async fn dj_08_a_role_is_cleared_for_no_more_than_its_ceiling_and_its_composer() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        assert_eq!(admin.clearance, Level::L4);
        let low = Principal {
            clearance: Level::L3,
            ..admin.clone()
        };
        let over = Refusal::ClearanceOverCeiling;
        assert_eq!(
            composed(w, &low, Some(Level::L4)).await,
            Err(over(Level::L3))
        );
        limited(w, Some(&["model."])).await;
        assert_eq!(
            composed(w, &admin, Some(Level::L3)).await,
            Err(over(Level::L2))
        );
        // Where nothing is said, no more than there may be, and else what roles have anyway.
        let role = composed(w, &admin, None).await.unwrap();
        assert_eq!(row(w, &role).await.clearance, Level::L2);
        limited(w, None).await;
        assert_eq!(
            edited(w, &low, &role, Level::L4).await,
            Err(over(Level::L3))
        );
        assert_eq!(row(w, &role).await.clearance, Level::L2);
        edited(w, &admin, &role, Level::L4).await.unwrap();
        let same = edited(w, &admin, &role, Level::L4).await;
        assert_eq!(same, Err(Refusal::Nothing));
        let changes = w.history("role.edit").await;
        let (before, after) = (&changes[0]["before"], &changes[0]["after"]);
        assert_eq!(
            (&before["clearance"], &after["clearance"]),
            (&"L2".into(), &"L4".into())
        );
    })
    .await;
}

#[tokio::test]
async fn dj_08_a_clearance_is_that_of_the_roles_in_effect_now() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        assert_eq!(teller(w, START).await, Level::L2);
        let role = composed(w, &admin, Some(Level::L4)).await.unwrap();
        let until = Some("2025-11-25".parse().unwrap());
        let post = w.post_of(14, 5).await;
        let reach = kernel_storage::RowFilter::Organisations(admin.organisations.clone());
        let done = w
            .directory()
            .give(deed(&admin, START), &reach, &post, (&role, until), &book())
            .await;
        carried_out(w, &admin, done.unwrap()).await;
        assert_eq!(teller(w, START).await, Level::L4);
        // Of the organisation acted for alone, and to the end of the day.
        assert_eq!(w.as_in(12, 4, START).await.clearance, Level::L3);
        assert_eq!(teller(w, START + 3 * DAY).await, Level::L2);

        edited(w, &admin, &role, Level::L3).await.unwrap();
        assert_eq!(teller(w, START).await, Level::L3, "lowered a moment ago");
        edited(w, &admin, &role, Level::L4).await.unwrap();
        limited(w, Some(&["model."])).await;
        assert_eq!(teller(w, START).await, Level::L2, "the ceiling was lowered");
        limited(w, None).await;
        assert_eq!(teller(w, START).await, Level::L4);
        let retired = w
            .directory()
            .retire(deed(&admin, START), &row(w, &role).await)
            .await;
        w.done(&admin, retired.unwrap(), START).await;
        assert_eq!(teller(w, START).await, Level::L2);
    })
    .await;
}

#[tokio::test]
async fn mm_4c_a_clearance_raised_in_the_database_is_not_believed() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let role = composed(w, &admin, Some(Level::L2)).await.unwrap();
        let done = given(w, &admin, 14, 5, &role).await;
        carried_out(w, &admin, done).await;
        assert_eq!(is(w, 14, 5).await.unwrap().clearance, Level::L2);
        for raised in ["'L4'", "NULL"] {
            w.tamper(&format!("UPDATE platform__roles SET clearance = {raised}"))
                .await;
            assert!(is(w, 14, 5).await.is_none(), "{raised}");
        }
        let wrong = ("platform.roles".to_owned(), role, Finding::Altered);
        assert_eq!(found(w).await, [wrong]);
    })
    .await;
}
