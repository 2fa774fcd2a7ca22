//! What a person does about what the platform holds of them: they correct it, and they close their
//! account. What others did, and what the person did, stays on record.

use kernel_storage::RowFilter;
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Value, json};

use crate::account::AccountError;
use crate::directory::Directory;
use crate::error::IdentityError;
use crate::grants::holding;
use crate::history::{Change, Deed};
use crate::leavers::Farewell;
use crate::module::{ADMIN, AUDITOR, OPERATOR, SECURITY, USERS};
use crate::people::{User, get, optional, qualified, strings, text};
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::session::{Origin, Sessions, object, update_of};
use crate::tree::Tree;

/// Roles without whose last holder nobody looks after an organisation.
const LOOK_AFTER: [&str; 4] = [ADMIN, OPERATOR, SECURITY, AUDITOR];

impl Directory {
    /// Corrects the own name and telephone; without one the telephone stays as it is.
    pub async fn correct(
        &self,
        deed: Deed<'_>,
        name: &str,
        phone: Option<&str>,
    ) -> Result<Vec<Write>, ChangeError> {
        let record = get(self.store(), USERS, deed.user()).await?;
        let record = record.ok_or(Refusal::NoSuchPerson)?;
        let user = User::read(&record);
        let other_phone = phone.filter(|p| optional(&record, "phone").as_deref() != Some(p));
        if name == user.name && other_phone.is_none() {
            return Err(Refusal::Nothing.into());
        }
        let mut values = object(json!({ "name": name }));
        let mut after = json!({ "name": name });
        if let Some(phone) = other_phone {
            values.insert("phone".into(), phone.into());
            // That it was, not from what to what: the history is read by others.
            if let Some(after) = after.as_object_mut() {
                after.insert("about".into(), "手机号码已更正".into());
            }
        }
        let place = Tree::place_of(self.store(), user.organisation.as_deref()).await?;
        Ok(vec![
            update_of(USERS, &user.id, user.revision, values),
            deed.record(&Change {
                what: "user.correct",
                object: &user.id,
                title: name.to_owned(),
                person: Some(&user.id),
                organisation: user.organisation.as_deref(),
                place,
                before: json!({ "name": user.name }),
                after,
            })?,
        ])
    }

    /// Closes the own account, as for whoever leaves everywhere; their telephone is forgotten. Whoever
    /// alone looks after an organisation stays until somebody else does.
    pub async fn close_own(&self, deed: Deed<'_>) -> Result<Farewell, ChangeError> {
        let user = User::by_id(self.store(), deed.user()).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        for post in self.posts_of(&user.id).await? {
            for held in self.held_in(&post, deed.now).await? {
                let needed = LOOK_AFTER.contains(&held.role.as_str());
                let place = &post.organisation;
                if needed
                    && !self
                        .another_holds(&held.role, place, &user.id, deed.now)
                        .await?
                {
                    return Err(Refusal::Needed.into());
                }
            }
        }
        self.farewell(deed, &RowFilter::All, &user, "user.close")
            .await
    }

    /// Whether somebody else holds a role in an organisation, too.
    async fn another_holds(
        &self,
        role: &str,
        organisation: &str,
        user: &str,
        now: i64,
    ) -> Result<bool, IdentityError> {
        let granted = holding(self.store(), "role", role, now).await?;
        let granted: Vec<Value> = granted
            .into_iter()
            .filter(|g| g.organisation == organisation && g.user != user)
            .map(|g| g.user.into())
            .collect();
        let of = |field: &str, values: Vec<Value>| {
            let query = Query::new(qualified(USERS))
                .filter(Filter::In {
                    field: field.into(),
                    values,
                })
                .filter(Filter::eq("active", true))
                .filter(Filter::Missing {
                    field: "suspended_at".into(),
                })
                .limit(MAX_LIMIT);
            async move { self.store().find(&query, &RowFilter::All).await }
        };
        if !granted.is_empty() && !of("id", granted).await?.records.is_empty() {
            return Ok(true);
        }
        let home = of("organisation", vec![organisation.into()]).await?.records;
        Ok(home
            .iter()
            .any(|u| text(u, "id") != user && strings(u, "roles").iter().any(|r| r == role)))
    }
}

impl Sessions {
    /// Whether whoever is there knows the password; attempts count.
    pub async fn is_oneself(
        &self,
        caller: &Principal,
        current: &str,
        origin: Origin<'_>,
    ) -> Result<(), AccountError> {
        self.proved(caller, current, origin).await.map(drop)
    }
}
