//! The native module `platform`: the own account, organisations, posts, roles, what waits for a
//! second person, and the history of all that. The rules are `kernel-identity`'s; here are their
//! pages and their way through the one dispatch path.

mod arrival;
mod changes;
pub(crate) mod choices;
mod claims;
mod in_words;
mod invitations;
mod lifts;
mod organisation;
mod organisations;
mod own;
mod people;
mod posts;
mod preview;
mod readers;
mod registration;
mod requests;
mod resets;
mod reviews;
mod roles;

use async_trait::async_trait;
use kernel_identity::directory::{Directory, Told, within};
use kernel_identity::grants::RoleBook;
use kernel_identity::history::Deed;
use kernel_identity::module::MODULE;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_identity::session::{Origin, Sessions};
use kernel_identity::tree::Tree;
use kernel_storage::{QueryError, RowFilter, StorageError};
use sdk_contract::call::{Ask, Event, Reply, Write};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::{Outcome, Page};
use sdk_contract::query::AlteredRecord;
use serde_json::{Map, Value, json};

use crate::Host;
use crate::account::{self, Account};
use crate::module::{Call, Input, Module, Wording};
use crate::reads::{self, chain, permitted};
use crate::values::word;
use in_words::Words;
pub use registration::TERMS;

/// Forms of people who have no session: where links lead, and where they are asked for.
pub const SESSIONLESS_PAGES: [&str; 6] = [
    arrival::PATH,
    invitations::WELCOME,
    lifts::LOST,
    registration::PATH,
    resets::FORGOTTEN,
    resets::NEW,
];

pub(crate) struct Platform {
    account: Account,
    host: Host,
    sessions: Sessions,
}

impl Platform {
    pub(crate) fn new(host: Host, sessions: Sessions) -> Self {
        Self {
            account: Account::new(sessions.clone()),
            host,
            sessions,
        }
    }
}

#[async_trait]
impl Module for Platform {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        let desk = Desk::new(&self.host, &self.sessions, call);
        match ask.block.as_deref() {
            Some(reviews::BLOCK) => return reviews::block(&desk).await,
            Some(lifts::BLOCK) => return lifts::block(&desk).await,
            Some(_) => return Err(Fault::not_found()),
            None => {}
        }
        match ask.path.as_str() {
            organisations::PATH => organisations::list(&desk, ask).await,
            "/platform/organisations/{id}" => organisation::detail(&desk, ask).await,
            posts::PATH => posts::list(&desk, ask).await,
            "/platform/posts/{id}" => posts::detail(&desk, ask).await,
            roles::PATH => roles::list(&desk, ask).await,
            "/platform/roles/{id}" => roles::detail(&desk, ask).await,
            requests::PATH => requests::list(&desk, ask).await,
            invitations::PATH => invitations::list(&desk, ask).await,
            invitations::WELCOME => invitations::welcome(&desk, ask).await,
            people::PATH => people::list(&desk, ask).await,
            "/platform/users/{id}" => people::detail(&desk, ask).await,
            resets::PATH => resets::list(&desk, ask).await,
            resets::FORGOTTEN => Ok(resets::forgotten(&desk)),
            resets::NEW => resets::new(&desk, ask).await,
            registration::PATH => Ok(registration::form(&desk)),
            registration::DONE => Ok(registration::registered(ask)),
            TERMS => Ok(registration::terms(&desk)),
            arrival::PATH => arrival::page(&desk, ask).await,
            own::PATH => own::page(&desk).await,
            readers::PATH => readers::page(&desk, ask).await,
            claims::OWN => claims::own(&desk).await,
            claims::PATH => claims::list(&desk, ask).await,
            "/platform/claims/{id}" => claims::detail(&desk, ask).await,
            reviews::PATH => reviews::list(&desk, ask).await,
            changes::PATH => changes::list(&desk, ask).await,
            lifts::LOST => Ok(lifts::lost()),
            account::PAGE => {
                let mut page = self.account.page(call, ask).await?;
                // Before all else on the page.
                page.sections.splice(..0, lifts::told(&desk).await?);
                Ok(page)
            }
            _ => Err(Fault::not_found()),
        }
    }

    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault> {
        let desk = Desk::new(&self.host, &self.sessions, call);
        match action.split_once('.') {
            Some(("organisation", verb)) => organisation::act(&desk, verb, &input).await,
            Some(("post", "confirm")) => reviews::confirm(&desk, &input).await,
            Some(("post", verb)) => posts::act(&desk, verb, &input).await,
            Some(("role", verb)) => roles::act(&desk, verb, &input).await,
            Some(("request", verb)) => requests::act(&desk, verb, &input).await,
            Some(("invitation", verb)) => invitations::act(&desk, verb, &input).await,
            Some(("arrival", verb)) => arrival::act(&desk, verb, &input).await,
            Some(("user", "correct")) => own::correct(&desk, &input).await,
            Some(("user", "close")) => own::close(&desk, &input).await,
            Some(("user", "register")) => registration::register(&desk, &input).await,
            Some(("factor", "ask-lift")) => lifts::ask(&desk, &input).await,
            Some(("user", "lift-factor")) => lifts::start(&desk, &input).await,
            Some(("claim", verb)) => claims::act(&desk, verb, &input).await,
            Some(("user", verb)) if !["change-password", "accept-terms"].contains(&verb) => {
                people::act(&desk, verb, &input).await
            }
            Some(("reset", verb)) => resets::act(&desk, verb, &input).await,
            Some(("session", "switch")) => switch(&desk, &input).await,
            _ => self.account.act(call, action, input).await,
        }
    }

    async fn others(
        &self,
        _: &Call,
        action: &str,
        input: &Input,
        _: &Reply,
    ) -> Result<Vec<(String, Write)>, Fault> {
        requests::others(&self.host, action, input).await
    }

    async fn on_event(&self, _: &Call, _: &Event) -> Result<Reply, Fault> {
        Err(Fault::not_found())
    }

    fn wording(&self) -> Option<Wording> {
        let words = Words::of(&self.host);
        Some(Box::new(move |collection, field, value| {
            words.field(collection, field, value)
        }))
    }
}

/// What the pages and actions work with.
struct Desk<'a> {
    host: &'a Host,
    sessions: &'a Sessions,
    directory: Directory,
    call: &'a Call,
}

impl<'a> Desk<'a> {
    fn new(host: &'a Host, sessions: &'a Sessions, call: &'a Call) -> Self {
        Self {
            host,
            sessions,
            directory: sessions.directory(),
            call,
        }
    }

    /// The rows that one of the module's permissions reaches for the caller.
    fn reach(&self, permission: &str) -> Option<RowFilter> {
        let catalog = self.host.catalog();
        let installed = catalog.modules.get(MODULE)?;
        permitted(&installed.def, &self.call.principal, permission).ok()
    }

    /// Whether the caller may do it to an organisation; the action itself is checked again.
    fn can(&self, permission: &str, organisation: &str) -> bool {
        self.reach(permission)
            .is_some_and(|reach| within(&reach, organisation))
    }

    fn deed<'d>(&'d self, input: &'d Input) -> Deed<'d> {
        Deed {
            by: &self.call.principal,
            now: self.call.now.micros(),
            reason: word(&input.values, "reason"),
            approved_by: None,
        }
    }

    fn origin(&self) -> Origin<'_> {
        self.call.origin()
    }

    /// The tree an organisation stands in, where there is such an organisation.
    async fn tree(&self, organisation: &str) -> Result<Option<Tree>, Fault> {
        match self.directory.tree(organisation).await {
            Ok(tree) => Ok(Some(tree)),
            Err(ChangeError::Refused(_)) => Ok(None),
            Err(failed) => Err(fault(failed)),
        }
    }

    fn book(&self) -> RoleBook {
        self.host.role_book()
    }
}

impl Host {
    /// Suspends accounts that nobody used for too long; another node may do the same.
    pub async fn suspend_unused(&self) -> Result<usize, kernel_identity::error::IdentityError> {
        let origin = Origin {
            request: "unused",
            ip: "",
            locale: "zh-CN",
            now: self.clock().now().micros(),
        };
        self.sessions().suspend_unused(origin).await
    }

    /// Forgets what providers said of people who did not go on; another node may do the same.
    pub async fn end_arrivals(&self) -> Result<usize, kernel_identity::error::IdentityError> {
        let origin = Origin {
            request: "arrivals",
            ip: "",
            locale: "zh-CN",
            now: self.clock().now().micros(),
        };
        self.sessions().end_arrivals(origin).await
    }

    /// Ends the grants whose day has come; another node may do the same.
    pub async fn lapse_grants(&self) -> Result<usize, kernel_identity::error::IdentityError> {
        let origin = Origin {
            request: "lapse",
            ip: "",
            locale: "zh-CN",
            now: self.clock().now().micros(),
        };
        self.sessions().lapse(origin).await
    }

    /// The declared roles by name, with what people of this city call them.
    pub(crate) fn role_book(&self) -> RoleBook {
        use kernel_identity::principal::{ANYONE, SIGNED_IN};
        let catalog = self.catalog();
        let names = catalog
            .modules
            .values()
            .flat_map(|m| &m.def.permissions)
            .flat_map(|p| &p.grants)
            .map(|g| &g.role)
            .filter(|role| *role != ANYONE && *role != SIGNED_IN);
        names
            .map(|role| {
                let label = self.roles().get(role).map(|label| label.zh.clone());
                (role.clone(), label.unwrap_or_else(|| role.clone()))
            })
            .collect()
    }
}

/// Acts for another of the caller's organisations from now on.
async fn switch(desk: &Desk<'_>, input: &Input) -> Result<Reply, Fault> {
    let p = &desk.call.principal;
    let organisation = word(&input.values, "organisation");
    let done = desk.directory.act_for(p, organisation).await;
    let (write, name) = done.map_err(|error| match error {
        ChangeError::Refused(_) => Fault::forbidden("您在所选机构没有在任岗位，不能代表它办理业务"),
        failed @ ChangeError::Failed(_) => fault(failed),
    })?;
    Ok(Reply {
        writes: vec![write],
        note: Some(format!("{} → {name}", p.organisation_name)),
        outcome: Some(Outcome::go("/", format!("现在代表“{name}”办理业务"))),
        result: json!({ "organisation": organisation }),
        ..Reply::default()
    })
}

fn optional(values: &Map<String, Value>, name: &str) -> Option<String> {
    values.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn words(values: &Map<String, Value>, name: &str) -> Vec<String> {
    let all = values.get(name).and_then(Value::as_array);
    let all = all.into_iter().flatten().filter_map(Value::as_str);
    all.map(str::to_owned).collect()
}

/// What people said of an organisation.
fn told(values: &Map<String, Value>) -> Told {
    Told {
        name: word(values, "name").to_owned(),
        code: optional(values, "code"),
        tier: optional(values, "tier"),
        licence: optional(values, "licence"),
        region: optional(values, "region"),
    }
}

/// The record of a record action; the host has looked it up.
fn record(input: &Input) -> Result<&Map<String, Value>, Fault> {
    input.record.as_ref().ok_or_else(Fault::not_found)
}

fn done(writes: Vec<Write>, input: &Input, path: String, toast: &str, result: Value) -> Reply {
    Reply {
        writes,
        note: Some(word(&input.values, "reason").to_owned()).filter(|n| !n.is_empty()),
        outcome: Some(Outcome::go(path, toast)),
        result,
        ..Reply::default()
    }
}

/// A refused or failed change, for the one who asked.
fn fault(error: ChangeError) -> Fault {
    match error {
        ChangeError::Refused(
            why @ (Refusal::NotAnother
            | Refusal::NotColleague
            | Refusal::NotAsker
            | Refusal::NotCleared(_)),
        ) => Fault::new(FaultKind::Forbidden, why.code(), why.message()),
        ChangeError::Refused(why) => match why.field() {
            Some(field) => {
                let fault = FieldFault::new(field, why.code(), why.message());
                Fault::invalid(vec![fault])
            }
            None => Fault::refused(why.code(), why.message()),
        },
        ChangeError::Failed(error) => failed(&error),
    }
}

/// The record that was not as the platform wrote it, where that is why.
fn altered(error: &kernel_identity::error::IdentityError) -> Option<AlteredRecord> {
    use kernel_identity::error::IdentityError;
    let IdentityError::Read(QueryError::Storage(StorageError::Altered { collection, id })) = error
    else {
        return None;
    };
    Some(AlteredRecord {
        collection: collection.to_string(),
        id: id.clone(),
    })
}

fn failed(error: &kernel_identity::error::IdentityError) -> Fault {
    tracing::error!(error = chain(error), "identity failed");
    if altered(error).is_some() {
        return reads::altered();
    }
    Fault::new(
        FaultKind::Unavailable,
        "unavailable",
        "账号服务暂时不可用，请稍后再试",
    )
}
