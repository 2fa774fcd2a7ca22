//! A person asks to administer a party that data is about, and somebody who runs the platform
//! decides on the evidence. Approval makes the organisation, where there is none yet, and gives the
//! post and its roles, in one commit with the decision.
//!
//! What a register of parties says is brought by the host ([`Party`]); this crate knows none.

use kernel_crypto::sm3;
use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Map, Value, json};

use crate::directory::{Directory, Told, insert};
use crate::error::IdentityError;
use crate::history::{Change, Deed, new_id};
use crate::module::{CLAIMS, GRANTS, ORGANISATIONS, POSTS, USERS};
use crate::people::{User, get, optional, qualified, text};
use crate::posts::{first_post, open};
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::separation::clash;
use crate::session::{object, update_of};
use crate::tree::{Node, SUBJECT};

/// What the post is called.
const POST: &str = "主体管理员";
/// Claims of one person that wait at once.
const MOST: usize = 3;

/// A claim as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub id: String,
    pub revision: i64,
    pub name: String,
    pub code: String,
    pub region: Option<String>,
    pub user: String,
    pub status: String,
}

/// A party as a register knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    /// Id of its organisation, whether there is one yet or not.
    pub id: String,
    pub name: String,
    pub region: Option<String>,
}

impl Claim {
    pub fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            name: text(record, "name"),
            code: text(record, "code"),
            region: optional(record, "region"),
            user: text(record, "user"),
            status: text(record, "status"),
        }
    }

    pub fn waits(&self) -> bool {
        self.status == "pending"
    }
}

impl Directory {
    /// A person's claims, newest first.
    pub async fn claims_of(&self, user: &str) -> Result<Vec<Record>, IdentityError> {
        let query = Query::new(qualified(CLAIMS))
            .filter(Filter::eq("user", user))
            .sort("created_at", true)
            .limit(50);
        Ok(self.store().find(&query, &RowFilter::All).await?.records)
    }

    /// The claim's id, and the write that makes it. `said` is the checked input.
    pub async fn ask_claim(
        &self,
        deed: Deed<'_>,
        said: &Map<String, Value>,
        registered: &str,
    ) -> Result<(String, Write), ChangeError> {
        let (id, values) = self.asked(deed, said, registered).await?;
        Ok((id.clone(), insert_claim(id, deed, values)))
    }

    async fn asked(
        &self,
        deed: Deed<'_>,
        said: &Map<String, Value>,
        registered: &str,
    ) -> Result<(String, Map<String, Value>), ChangeError> {
        let code = said.get("code").and_then(Value::as_str).unwrap_or_default();
        let own = self.claims_of(deed.user()).await?;
        let waiting: Vec<Claim> = own.iter().map(Claim::read).filter(Claim::waits).collect();
        if waiting.len() >= MOST || waiting.iter().any(|c| c.code == code) {
            return Err(Refusal::AskedAlready.into());
        }
        if let Some(place) = self.party(code, None).await?
            && self.works_in(deed.user(), &place.id).await?
        {
            return Err(Refusal::HeldAlready.into());
        }
        let mut values = said.clone();
        values.extend(object(json!({
            "user": deed.by.user,
            "user_name": deed.by.name,
            "status": "pending",
            "registered": registered,
        })));
        Ok((new_id(deed.now)?, values))
    }

    /// Approves a claim: the decision, the organisation, the post and its roles, which are the
    /// policy's and `more`. The organisation's id, and the writes.
    pub async fn certify(
        &self,
        deed: Deed<'_>,
        claim: &Claim,
        (party, more): (Option<&Party>, &[String]),
    ) -> Result<(String, Vec<Write>), ChangeError> {
        if claim.user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let (place, mut writes) = self.establish(deed, claim, (party, more)).await?;
        writes.push(decided(claim, "approved", deed));
        Ok((place, writes))
    }

    /// The same at once, where a provider vouches for the person, the register knows the party and
    /// nobody administers it yet. `deed` is the provider's.
    pub async fn vouch(
        &self,
        deed: Deed<'_>,
        (by, said, registered): (&Principal, &Map<String, Value>, &str),
        (party, more): (&Party, &[String]),
    ) -> Result<(String, Vec<Write>), ChangeError> {
        let asked = Deed { by, ..deed };
        let (id, mut values) = self.asked(asked, said, registered).await?;
        values.extend(verdict("approved", deed));
        let mut row = values.clone();
        row.insert("id".into(), id.clone().into());
        let claim = Claim::read(&row);
        let (place, mut writes) = self.establish(deed, &claim, (Some(party), more)).await?;
        writes.push(insert_claim(id, asked, values));
        Ok((place, writes))
    }

    /// What an approved claim makes: the organisation, where there is none yet, the post and its
    /// roles.
    async fn establish(
        &self,
        deed: Deed<'_>,
        claim: &Claim,
        (party, more): (Option<&Party>, &[String]),
    ) -> Result<(String, Vec<Write>), ChangeError> {
        let user = User::by_id(self.store(), &claim.user).await?;
        let user = user.filter(|u| u.active).ok_or(Refusal::Left)?;
        let certified = &self.inner.policy.registration.certified_roles;
        let roles: Vec<&String> = certified.iter().chain(more).collect();
        let held = self.everything(&user.id, deed.now).await?;
        let exclusive = &self.inner.policy.organisations.exclusive;
        for role in &roles {
            let others = held.iter().map(String::as_str);
            if let Some(other) = clash(others, role, exclusive) {
                return Err(Refusal::Excluded(other.to_owned()).into());
            }
        }
        let place = self.party(&claim.code, party).await?;
        let mut writes = Vec::new();
        let place = if let Some(place) = place {
            if place.closed {
                return Err(Refusal::Closed.into());
            }
            if self.works_in(&user.id, &place.id).await? {
                return Err(Refusal::HeldAlready.into());
            }
            place.id
        } else {
            let told = Told {
                name: party.map_or_else(|| claim.name.clone(), |p| p.name.clone()),
                code: Some(claim.code.clone()),
                region: party
                    .and_then(|p| p.region.clone())
                    .or_else(|| claim.region.clone()),
                ..Told::default()
            };
            // Two claims approved at once make one organisation: they agree on its id.
            let id = party.map_or_else(|| id_of(&claim.code), |p| p.id.clone());
            writes.push(insert(&id, SUBJECT, None, &told));
            id
        };
        let post = new_id(deed.now)?;
        writes.push(first_post(post.clone(), &user.id, &place, POST));
        for role in &roles {
            writes.push(Write::Insert {
                collection: GRANTS.into(),
                id: new_id(deed.now)?,
                subject: None,
                organisation: Some(place.clone()),
                district: None,
                values: object(json!({ "role": role, "user": user.id, "post": post })),
            });
        }
        let values = object(json!({ "roles": user.roles }));
        writes.push(update_of(USERS, &user.id, user.revision, values));
        writes.push(deed.record(&Change {
            what: "claim.approve",
            object: &claim.id,
            title: format!("{} · {}", user.name, claim.name),
            person: Some(&user.id),
            organisation: Some(&place),
            place: claim.name.clone(),
            after: json!({ "title": POST, "roles": roles }),
            ..Change::default()
        })?);
        Ok((place, writes))
    }

    pub fn refuse_claim(&self, deed: Deed<'_>, claim: &Claim) -> Result<Vec<Write>, ChangeError> {
        if claim.user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        Ok(vec![
            decided(claim, "refused", deed),
            deed.record(&Change {
                what: "claim.refuse",
                object: &claim.id,
                title: claim.name.clone(),
                person: Some(&claim.user),
                ..Change::default()
            })?,
        ])
    }

    /// The organisation of a code, where there is one.
    pub async fn party(
        &self,
        code: &str,
        known: Option<&Party>,
    ) -> Result<Option<Node>, IdentityError> {
        let ids = [known.map(|p| p.id.clone()), Some(id_of(code))];
        for id in ids.into_iter().flatten() {
            if let Some(found) = get(self.store(), ORGANISATIONS, &id).await? {
                return Ok(Some(Node::read(&found)));
            }
        }
        let query = Query::new(qualified(ORGANISATIONS))
            .filter(Filter::eq("code", code))
            .filter(Filter::eq("type", SUBJECT))
            .limit(1);
        let found = self.store().find(&query, &RowFilter::All).await?;
        Ok(found.records.first().map(Node::read))
    }

    /// Who administers an organisation already: names of those who hold a post in it.
    pub async fn works_at(&self, organisation: &str) -> Result<Vec<String>, IdentityError> {
        let query = open(POSTS, organisation).limit(MAX_LIMIT);
        let found = self.store().find(&query, &RowFilter::All).await?;
        let mut names = Vec::new();
        for post in &found.records {
            names.push(self.name_of(&text(post, "user")).await?);
        }
        Ok(names)
    }

    pub(crate) async fn works_in(
        &self,
        user: &str,
        organisation: &str,
    ) -> Result<bool, IdentityError> {
        let posts = self.posts_of(user).await?;
        Ok(posts.iter().any(|p| p.organisation == organisation))
    }
}

fn insert_claim(id: String, deed: Deed<'_>, values: Map<String, Value>) -> Write {
    Write::Insert {
        collection: CLAIMS.into(),
        id,
        subject: None,
        organisation: deed.by.organisation.clone(),
        district: None,
        values,
    }
}

fn decided(claim: &Claim, status: &str, deed: Deed<'_>) -> Write {
    update_of(CLAIMS, &claim.id, claim.revision, verdict(status, deed))
}

fn verdict(status: &str, deed: Deed<'_>) -> Map<String, Value> {
    object(json!({
        "status": status,
        "decider_name": deed.by.name,
        "decided_at": Timestamp(deed.now),
        "verdict": deed.reason,
    }))
}

/// The id of a party's organisation that every node makes of its code alike.
fn id_of(code: &str) -> String {
    let digest = sm3::digest(format!("party:{code}").as_bytes());
    let mut bytes = [0; 10];
    for (to, from) in bytes.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    uuid7(Timestamp(0), bytes)
}
