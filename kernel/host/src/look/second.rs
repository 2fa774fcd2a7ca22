//! Looks that take two people: one asks for a reason, a colleague who decides requests agrees, and
//! then the one who asked looks, once and within a quarter of an hour.
//!
//! The request is one of `kernel_identity::two_person`. It allows nothing by itself: that the record
//! is readable and the field may be looked at is asked again when the look is taken, and the look
//! uses the approval up in the commit of its audit record.

use kernel_identity::clearance::cleared;
use kernel_identity::history::Deed;
use kernel_identity::module::{MODULE, REQUESTS};
use kernel_identity::principal::Principal;
use kernel_identity::refusal::Refusal;
use kernel_identity::two_person::{self, Request};
use kernel_storage::{Commit, CommitError, StepDraft};
use sdk_contract::error::Fault;
use sdk_contract::page::{LookTakes, Place};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Look, Looked, Sought, Waiting, masked};
use crate::Host;
use crate::dispatch::{by, commit_fault, draft};
use crate::module::Call;
use crate::reads::{ask as asking, chain};
use crate::values::worded;

/// What looks are called among the deeds that take two people.
pub(crate) const DEED: &str = "field.look";
/// Minutes after the approval within which the look is taken.
const MINUTES: i64 = 15;

/// What a look is asked for: of a field of files, one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    #[serde(flatten)]
    place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// The looks that somebody asked for and has not taken, newest first.
pub(super) struct Asked {
    open: Vec<(Target, Request)>,
    now: Timestamp,
}

impl Asked {
    /// Agreed to and not taken, else still to be decided.
    fn find(&self, place: &Place, digest: Option<&str>) -> Option<&Request> {
        let is = |at: &Target| at.place == *place && at.digest.as_deref() == digest;
        let here = || self.open.iter().filter(|(at, _)| is(at));
        let agreed = here().find(|(_, request)| self.good_until(request).is_some());
        let waits =
            || here().find(|(_, request)| request.pending && !request.is_expired(self.now.0));
        agreed.or_else(waits).map(|(_, request)| request)
    }

    /// Until when an approval is good, where it still is.
    fn good_until(&self, request: &Request) -> Option<Timestamp> {
        let (_, at) = request.approved.as_ref().filter(|_| !request.used)?;
        let until = at.plus_seconds(MINUTES * 60);
        (self.now < until).then_some(until)
    }

    pub(super) fn takes(&self, place: &Place, digest: Option<&str>) -> LookTakes {
        let Some(request) = self.find(place, digest) else {
            return LookTakes::Second;
        };
        match self.good_until(request) {
            Some(until) => LookTakes::Agreed(until.micros()),
            None => LookTakes::Waiting(request.expires_at.micros()),
        }
    }
}

impl Host {
    /// Takes a look that was agreed to; else asks for one, or says that it was asked for.
    pub(super) async fn look_by_two(
        &self,
        call: &Call,
        sought: &Sought,
        looked: Looked,
    ) -> Result<Look, Fault> {
        let p = &call.principal;
        let asked = self.asked_looks(p).await?;
        let digest = looked.file.as_ref().map(|file| file.digest.as_str());
        match asked.find(&sought.place, digest) {
            Some(request) if request.pending => Ok(Look::Waiting(Waiting {
                label: looked.field.label.zh,
                request: request.id.clone(),
                until: request.expires_at,
            })),
            Some(request) => {
                self.stepped_up(call, false).await?;
                self.take(call, &sought.place, &looked, request).await?;
                self.shown(p, &sought.place, looked).await
            }
            None => {
                let reason = worded(&sought.reason)?;
                self.stepped_up(call, false).await?;
                self.ask_for_look(call, &sought.place, looked, reason).await
            }
        }
    }

    /// What somebody has asked to look at, for the organisation they act for.
    pub(super) async fn asked_looks(&self, p: &Principal) -> Result<Asked, Fault> {
        let now = self.clock().now();
        let (Some(user), Some(organisation)) = (&p.user, &p.organisation) else {
            return Ok(Asked {
                open: Vec::new(),
                now,
            });
        };
        // None is good for longer than it may wait and then be taken.
        let minutes = self.sessions().request_hours().saturating_mul(60);
        let minutes = minutes.saturating_add(MINUTES);
        let since = now.plus_seconds(minutes.saturating_mul(-60));
        let query = Query::new(format!("{MODULE}.{REQUESTS}"))
            .filter(Filter::eq("asker", user.as_str()))
            .filter(Filter::eq("deed", DEED))
            .filter(Filter::eq("organisation", organisation.as_str()))
            .filter(Filter::Range {
                field: "created_at".into(),
                min: Some(json!(since)),
                max: None,
            })
            .sort("created_at", true)
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &Self::KERNEL).await;
        let found = found.map_err(|e| asking(&e))?.records;
        let open = found.iter().filter_map(|record| {
            let request = Request::read(record);
            Some((target(&request)?, request))
        });
        let open = open.collect();
        Ok(Asked { open, now })
    }

    async fn ask_for_look(
        &self,
        call: &Call,
        place: &Place,
        looked: Looked,
        reason: &str,
    ) -> Result<Look, Fault> {
        let p = &call.principal;
        let organisation = p.organisation.as_deref();
        let organisation = organisation.ok_or_else(alone)?;
        let deed = Deed {
            by: p,
            now: call.now.micros(),
            reason,
            approved_by: None,
        };
        let target = Target {
            place: place.clone(),
            digest: looked.file.as_ref().map(|file| file.digest.clone()),
        };
        let asked = two_person::Ask {
            deed: DEED,
            title: format!("查看完整的“{}”", looked.field.label.zh),
            payload: json!(target),
            organisation: Some(organisation),
            beneficiary: None,
        };
        let hours = self.sessions().request_hours();
        let made = two_person::ask(deed, &asked, hours);
        let (request, write) = made.map_err(|error| {
            tracing::error!(error = chain(&error), "a request cannot be made");
            Fault::internal("复核申请未能生成，请重试")
        })?;
        let mut detail = looked.detail(place, reason);
        detail.insert("request".into(), request.as_str().into());
        let commit = Commit {
            at: call.now.micros(),
            by: by(p),
            request: p.request.clone(),
            action: format!("{DEED}.ask"),
            note: Some(reason.to_owned()),
            module: MODULE.into(),
            writes: vec![write],
            steps: vec![StepDraft {
                collection: REQUESTS.into(),
                id: request.clone(),
                action: DEED.into(),
                from: None,
                to: "pending".into(),
                note: Some(reason.to_owned()),
            }],
            audit: vec![draft(
                call,
                &format!("{DEED}.ask"),
                &place.id,
                "ok",
                detail.into(),
            )],
            ..Commit::default()
        };
        match self.store().commit(commit).await {
            Ok(_) => Ok(Look::Waiting(Waiting {
                label: looked.field.label.zh,
                request,
                until: call.now.plus_seconds(hours.saturating_mul(3_600)),
            })),
            // A program is nobody whom a colleague could answer.
            Err(CommitError::BadReference { .. }) => Err(alone()),
            Err(error) => Err(commit_fault(&error)),
        }
    }

    /// Uses an approval up; the look is on record with it.
    async fn take(
        &self,
        call: &Call,
        place: &Place,
        looked: &Looked,
        request: &Request,
    ) -> Result<(), Fault> {
        let approver = request.approved.as_ref().map(|(name, _)| name.as_str());
        let mut detail = looked.detail(place, &request.reason);
        detail.insert("request".into(), request.id.as_str().into());
        detail.insert("approved_by".into(), json!(approver));
        let commit = Commit {
            at: call.now.micros(),
            by: by(&call.principal),
            request: call.principal.request.clone(),
            action: DEED.into(),
            note: Some(request.reason.clone()),
            module: MODULE.into(),
            writes: vec![request.spent(call.now.micros())],
            audit: vec![draft(call, DEED, &place.id, "ok", detail.into())],
            ..Commit::default()
        };
        match self.store().commit(commit).await {
            Ok(_) => Ok(()),
            Err(error) => Err(commit_fault(&error)),
        }
    }
}

/// Whether somebody may be the second person, besides what holds for every request: the data is the
/// asker's organisation's to answer for, so nobody outside it decides, the platform's administrators
/// included; and nobody agrees to what they are not cleared for themselves. The request is whole.
pub(crate) fn may_decide(host: &Host, p: &Principal, request: &Request) -> Result<(), Refusal> {
    let organisation = request.organisation.as_ref();
    let colleague = organisation.is_some_and(|o| p.organisations.contains(o));
    if !colleague {
        return Err(Refusal::NotColleague);
    }
    let catalog = host.catalog();
    let class = target(request).and_then(|target| {
        let (installed, _, field) = masked(&catalog, &target.place).ok()?;
        Some((&installed.def.id, field.class()?))
    });
    match class {
        Some((module, level)) if !cleared(p, module, Some(level)) => {
            Err(Refusal::NotCleared(level))
        }
        // A field that is there no more is not looked at, whoever agreed.
        _ => Ok(()),
    }
}

/// What a look is at, as far as whoever decides may read the record. The request is whole.
pub(crate) async fn subject(host: &Host, p: &Principal, request: &Request) -> Option<String> {
    let place = target(request)?.place;
    let record = host.get(p, &place.collection, &place.id).await.ok()?;
    let catalog = host.catalog();
    let (_, collection) = catalog.collection(&place.collection)?;
    let title = record.get(&collection.title).and_then(Value::as_str)?;
    Some(format!("{}“{title}”", collection.label.zh))
}

fn target(request: &Request) -> Option<Target> {
    serde_json::from_value(request.payload.clone()).ok()
}

fn alone() -> Fault {
    Fault::forbidden("最敏感的内容须由代表机构的人员申请、同机构另一人同意后查看")
}
