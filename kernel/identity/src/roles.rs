//! Composing roles: what [`crate::composed`] allows, over what is stored.

use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::def::{Level, PermissionDef};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};

use crate::clearance::UNSAID;
use crate::composed::{Composed, Piece, compose};
use crate::directory::Directory;
use crate::error::IdentityError;
use crate::grants::holding;
use crate::history::{Change, Deed, new_id};
use crate::module::ROLES;
use crate::people::{get, optional, qualified, strings, text};
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::session::{object, update_of};

/// A composed role as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRow {
    pub id: String,
    pub revision: i64,
    pub title: String,
    pub about: String,
    pub organisation: String,
    pub pieces: Vec<Piece>,
    /// Up to which level whoever holds it sees values whole.
    pub clearance: Level,
    pub retired: bool,
}

impl RoleRow {
    pub fn read(record: &Record) -> Self {
        let pieces = strings(record, "permissions");
        Self {
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            title: text(record, "title"),
            about: text(record, "about"),
            organisation: text(record, "organisation"),
            pieces: pieces.iter().filter_map(|p| Piece::parse(p)).collect(),
            // Roles from before clearances have none.
            clearance: optional(record, "clearance")
                .and_then(|level| Level::parse(&level))
                .unwrap_or(UNSAID),
            retired: optional(record, "retired_at").is_some(),
        }
    }
}

/// What somebody wants a role to be.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub title: &'a str,
    pub about: &'a str,
    /// `<module>:<permission>@<scope>`
    pub permissions: &'a [String],
    /// Where it is not said, what roles have of which nothing is said, or the most there may be.
    pub clearance: Option<Level>,
}

impl Directory {
    /// A new role of an organisation. Its id, and the writes.
    pub async fn compose<'d>(
        &self,
        deed: Deed<'_>,
        organisation: &str,
        wish: Wish<'_>,
        declared: impl Fn(&str, &str) -> Option<&'d PermissionDef>,
    ) -> Result<(String, Vec<Write>), ChangeError> {
        let tree = self.tree(organisation).await?;
        let node = tree.get(organisation).ok_or(Refusal::OutOfReach)?;
        if node.closed {
            return Err(Refusal::Closed.into());
        }
        let ceiling = self.ceiling(&tree, organisation);
        let pieces = compose(&ceiling, wish.permissions, declared)?;
        let clearance = self.cleared_for(deed.by, &ceiling, wish.clearance)?;
        self.title_is_free(organisation, wish.title, None).await?;
        let id = new_id(deed.now)?;
        let values = values(wish, &pieces, clearance);
        let writes = vec![
            Write::Insert {
                collection: ROLES.into(),
                id: id.clone(),
                subject: None,
                organisation: Some(organisation.into()),
                district: None,
                values: object(values.clone()),
            },
            deed.record(&Change {
                what: "organisation.compose",
                object: &id,
                title: wish.title.to_owned(),
                organisation: Some(organisation),
                place: tree.place(organisation),
                after: values,
                ..Change::default()
            })?,
        ];
        Ok((id, writes))
    }

    /// Changes a role for everybody who holds it. Who holds it does not.
    pub async fn edit_role<'d>(
        &self,
        deed: Deed<'_>,
        role: &RoleRow,
        wish: Wish<'_>,
        declared: impl Fn(&str, &str) -> Option<&'d PermissionDef>,
    ) -> Result<Vec<Write>, ChangeError> {
        self.may_change(deed, role).await?;
        let tree = self.tree(&role.organisation).await?;
        let ceiling = self.ceiling(&tree, &role.organisation);
        let pieces = compose(&ceiling, wish.permissions, declared)?;
        let clearance = self.cleared_for(deed.by, &ceiling, wish.clearance)?;
        self.title_is_free(&role.organisation, wish.title, Some(&role.id))
            .await?;
        let was = Wish {
            title: &role.title,
            about: &role.about,
            permissions: &[],
            clearance: None,
        };
        let before = values(was, &role.pieces, role.clearance);
        let after = values(wish, &pieces, clearance);
        if before == after {
            return Err(Refusal::Nothing.into());
        }
        Ok(vec![
            update_of(ROLES, &role.id, role.revision, object(after.clone())),
            deed.record(&Change {
                what: "role.edit",
                object: &role.id,
                title: wish.title.to_owned(),
                organisation: Some(&role.organisation),
                place: tree.place(&role.organisation),
                before,
                after,
                ..Change::default()
            })?,
        ])
    }

    /// Takes a role out of use: it gives nothing any more, to anybody.
    pub async fn retire(&self, deed: Deed<'_>, role: &RoleRow) -> Result<Vec<Write>, ChangeError> {
        self.may_change(deed, role).await?;
        let tree = self.tree(&role.organisation).await?;
        let end = object(json!({ "retired_at": Timestamp(deed.now) }));
        Ok(vec![
            update_of(ROLES, &role.id, role.revision, end),
            deed.record(&Change {
                what: "role.retire",
                object: &role.id,
                title: role.title.clone(),
                organisation: Some(&role.organisation),
                place: tree.place(&role.organisation),
                before: json!({ "title": role.title }),
                ..Change::default()
            })?,
        ])
    }

    /// The most that somebody may clear a role for that is composed under a ceiling: no more than the
    /// roles under it, nor than they are themselves.
    pub fn clears(&self, by: &Principal, ceiling: &[String]) -> Level {
        let clearances = &self.inner.policy.clearances;
        clearances.ceiling(ceiling).min(by.clearance)
    }

    fn cleared_for(
        &self,
        by: &Principal,
        ceiling: &[String],
        wanted: Option<Level>,
    ) -> Result<Level, Refusal> {
        let most = self.clears(by, ceiling);
        let wanted = wanted.unwrap_or(UNSAID.min(most));
        if wanted <= most {
            Ok(wanted)
        } else {
            Err(Refusal::ClearanceOverCeiling(most))
        }
    }

    /// Whether no other role in use in the organisation is called so: people tell them by name. Two that
    /// are made at the same moment may be called alike.
    async fn title_is_free(
        &self,
        organisation: &str,
        title: &str,
        but: Option<&str>,
    ) -> Result<(), ChangeError> {
        let query = Query::new(qualified(ROLES))
            .filter(Filter::eq("organisation", organisation))
            .filter(Filter::eq("title", title))
            .filter(Filter::Missing {
                field: "retired_at".into(),
            });
        let found = self.store().find(&query, &RowFilter::All).await?;
        let another = |row: &Record| but != Some(text(row, "id").as_str());
        if found.records.iter().any(another) {
            return Err(Refusal::TitleTaken.into());
        }
        Ok(())
    }

    async fn may_change(&self, deed: Deed<'_>, role: &RoleRow) -> Result<(), ChangeError> {
        if role.retired {
            return Err(Refusal::Ended.into());
        }
        let holders = holding(self.store(), "role", &role.id, deed.now).await?;
        if holders.iter().any(|g| g.user == deed.user()) {
            return Err(Refusal::Oneself.into());
        }
        Ok(())
    }

    /// What composed roles give, by their ids, under a ceiling.
    pub(crate) async fn composed(
        &self,
        organisation: &str,
        roles: &[String],
    ) -> Result<Composed, IdentityError> {
        let mut all = Composed::default();
        if roles.is_empty() {
            return Ok(all);
        }
        let tree = crate::tree::Tree::around(self.store(), organisation).await?;
        let Some(tree) = tree else { return Ok(all) };
        all.ceiling = self.ceiling(&tree, organisation);
        let most = self.inner.policy.clearances.ceiling(&all.ceiling);
        for id in roles {
            let row = get(self.store(), ROLES, id).await?;
            let Some(row) = row.as_ref().map(RoleRow::read) else {
                continue;
            };
            // A role stays with its organisation and those below it, wherever these move.
            if !row.retired && tree.is_within(organisation, &row.organisation) {
                all.titles.push(row.title);
                all.pieces.extend(row.pieces);
                all.clearance = all.clearance.max(row.clearance.min(most));
            }
        }
        all.pieces.sort();
        all.pieces.dedup();
        Ok(all)
    }
}

fn values(wish: Wish<'_>, pieces: &[Piece], clearance: Level) -> Value {
    let pieces: Vec<String> = pieces.iter().map(Piece::to_string).collect();
    json!({
        "title": wish.title, "about": wish.about, "permissions": pieces,
        "clearance": clearance.name(),
    })
}
