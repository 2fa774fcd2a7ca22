//! The one way in: every page and action of every module passes here, and every effect leaves in
//! one commit.

mod commit;
mod prepare;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use kernel_identity::principal::Principal;
use kernel_storage::{AuditDraft, By, Commit, Idempotency, RowFilter, StepDraft, is_id};
use sdk_contract::call::{Ask, Event, Reply, Write};
use sdk_contract::def::{ActionDef, BlockDef, Tone};
use sdk_contract::error::{CONFIRM, Fault, FaultKind, SIGN, STEP_UP};
use sdk_contract::page::{Action, Block, Notice, Outcome, Page, Section};
use sdk_contract::query::AlteredRecord;
use serde_json::{Map, Value, json};

use crate::catalog::{Installed, Matched};
use crate::effects::{self, Move, Running};
use crate::module::{Call, Input, LeftOut, fill};
use crate::reads::{ALTERED, permitted, readable, storage};
use crate::signing::{self, Deed, Proof};
use crate::{Host, console, schedules, uploads};

pub(crate) use commit::commit_fault;
use commit::{acted_on, expected, request_digest};
use prepare::Prepared;

/// Records that a page names as missing on it; of more it says so.
const MOST_NAMED: usize = 5;

/// A request to run one declared action.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Act {
    pub module: String,
    /// `<entity>.<verb>`
    pub action: String,
    /// For record actions.
    pub id: Option<String>,
    /// An object.
    pub input: Value,
    /// The same key with the same request gets the first answer again.
    pub key: Option<String>,
    /// Fields whose doubts the person has confirmed.
    pub confirmed: Vec<String>,
    pub proof: Proof,
}

/// What an action writes in other modules of the kernel.
#[derive(Default)]
struct Beside {
    writes: Vec<(String, Write)>,
    moves: Vec<Move>,
}

impl Host {
    pub fn match_page(&self, path: &str) -> Option<Matched> {
        self.catalog().match_page(path)
    }

    pub fn visible(&self, p: &Principal, module: &str) -> bool {
        self.catalog()
            .modules
            .get(module)
            .is_some_and(|m| m.visible(p))
    }

    fn module(&self, p: &Principal, id: &str) -> Result<Arc<Installed>, Fault> {
        let installed = self.catalog().modules.get(id).cloned();
        installed
            .filter(|m| m.visible(p))
            .ok_or_else(Fault::not_found)
    }

    pub(crate) fn call(&self, p: &Principal) -> Result<Call, Fault> {
        let mut seed = [0; 32];
        fill(&mut seed)?;
        Ok(Call {
            principal: Arc::new(p.clone()),
            now: self.clock().now(),
            seed,
            purpose: None,
            seen: Arc::default(),
            left_out: None,
        })
    }

    /// A call that draws a page.
    fn page_call(&self, p: &Principal) -> Result<(Call, Arc<LeftOut>), Fault> {
        let left_out = Arc::<LeftOut>::default();
        let call = Call {
            left_out: Some(Arc::clone(&left_out)),
            ..self.call(p)?
        };
        Ok((call, left_out))
    }

    /// A declared page, drawn by its module for this principal.
    #[tracing::instrument(name = "page", skip_all, fields(module, path = %ask.path))]
    pub async fn page(&self, p: &Principal, module: &str, ask: Ask) -> Result<Page, Fault> {
        let installed = self.module(p, module)?;
        let declared = installed.def.pages.iter().find(|d| d.path == ask.path);
        permitted(
            &installed.def,
            p,
            &declared.ok_or_else(Fault::not_found)?.permission,
        )?;
        let (call, left_out) = self.page_call(p)?;
        let mut page = installed.module.page(&call, &ask).await?;
        page.files_mut().for_each(|file| file.within(module));
        self.offer_looks(p, module, &mut page).await?;
        self.offer_transfers(p, module, &ask, &mut page);
        self.fill_histories(p, module, &mut page).await?;
        self.fill_signatures(p, module, &mut page).await?;
        self.tell_left_out(&call, &left_out, &mut page);
        if page.guarded || !call.parties().is_empty() {
            self.audit(&call, "page.view", &address(&ask), "ok", Value::Null)
                .await?;
        }
        Ok(page)
    }

    /// The home page: the blocks of every module the principal may see, in their declared order.
    /// A module that fails costs its own block only.
    pub async fn home(&self, p: &Principal) -> Result<Page, Fault> {
        let (call, left_out) = self.page_call(p)?;
        let catalog = self.catalog();
        let mut blocks: Vec<(&Arc<Installed>, &BlockDef)> = catalog
            .modules
            .values()
            .filter(|m| m.visible(p))
            .flat_map(|m| m.def.blocks.iter().map(move |b| (m, b)))
            .filter(|(m, b)| permitted(&m.def, p, &b.permission).is_ok())
            .collect();
        blocks.sort_by_key(|(m, b)| (b.order, m.def.id.clone()));
        let drawn = join_all(blocks.iter().map(|(m, b)| {
            let ask = Ask {
                block: Some(b.id.clone()),
                ..Ask::default()
            };
            let call = &call;
            async move { m.module.page(call, &ask).await }
        }))
        .await;
        let mut home = Page::new("首页");
        for ((m, b), page) in blocks.iter().zip(drawn) {
            match page {
                Ok(mut page) => {
                    page.files_mut().for_each(|file| file.within(&m.def.id));
                    self.offer_looks(p, &m.def.id, &mut page).await?;
                    // Modules know nothing of each other, so two may name their blocks alike.
                    for block in page.sections.iter_mut().flat_map(|s| &mut s.blocks) {
                        block.id = format!("{}-{}", m.def.id, block.id);
                    }
                    home.sections.extend(page.sections);
                }
                Err(fault) if fault.kind == FaultKind::NotFound => {}
                Err(_) => {
                    let text = format!("“{}”暂时无法显示，请稍后刷新", m.def.label.zh);
                    let notice = Notice::new(Tone::Warning, "", text);
                    home.sections.push(
                        Section::stack()
                            .block(Block::notice(format!("{}-{}", m.def.id, b.id), notice)),
                    );
                }
            }
        }
        self.tell_left_out(&call, &left_out, &mut home);
        if !call.parties().is_empty() {
            self.audit(&call, "page.view", "/", "ok", Value::Null)
                .await?;
        }
        Ok(home)
    }

    /// Says on top of a page what is missing on it, and why.
    fn tell_left_out(&self, call: &Call, left_out: &LeftOut, page: &mut Page) {
        let all = left_out.take();
        if all.is_empty() {
            return;
        }
        let catalog = self.catalog();
        let name = |one: &AlteredRecord| {
            let declared = catalog.collection(&one.collection);
            let label = declared.map_or(one.collection.as_str(), |(_, c)| c.label.zh.as_str());
            format!("{label} {}", one.id)
        };
        let names: Vec<String> = all.iter().take(MOST_NAMED).map(name).collect();
        let more = if all.len() > names.len() { "等" } else { "" };
        let lead = format!("本页有 {} 条记录未显示", all.len());
        let text = format!(
            "它们与平台写入时不一致，已停止使用并告警；合计数仍包含它们：{}{more}",
            names.join("、")
        );
        let mut notice = Notice::new(Tone::Danger, lead, text);
        if console::pages::may(self, call, "alteration.read") {
            let open = Action::open("被改动的记录", console::ALTERATIONS_PATH);
            notice.actions.push(open);
        }
        let notice = Block::notice("left-out", notice);
        page.sections.insert(0, Section::stack().block(notice));
    }

    /// Runs one action and commits what it wants, or nothing.
    #[tracing::instrument(name = "action", skip_all, fields(module = %act.module, action = %act.action))]
    pub async fn act(&self, p: &Principal, act: Act) -> Result<Reply, Fault> {
        let installed = self.module(p, &act.module)?;
        let action = installed
            .def
            .action(&act.action)
            .ok_or_else(Fault::not_found)?;
        let call = Call {
            purpose: action.purpose.clone(),
            ..self.call(p)?
        };
        let name = format!("{}.{}", act.module, act.action);
        // Kept on the heap: it is far larger than what awaits it.
        let done = match Box::pin(self.act_checked(&call, &installed, action, &act)).await {
            // The same request may have come twice at once: the one that was faster has done what
            // this one is refused for now, and its answer is the answer to both.
            Err(fault) if matches!(fault.kind, FaultKind::Refused | FaultKind::Conflict) => {
                let first = self.replay(p, &act, &request_digest(&act)).await?;
                first.ok_or(fault)
            }
            done => done,
        };
        if done.is_ok() && act.module == kernel_identity::module::MODULE {
            // Who may do what may have changed, for anybody.
            self.sessions().forget_all();
            if act.action == "request.approve" {
                self.refresh_data_soon().await;
            }
        }
        if done.is_ok() && act.module == console::ID {
            self.refresh_enabled().await.map_err(|e| {
                tracing::error!(
                    error = crate::reads::chain(&e),
                    "the switches cannot be read"
                );
                Fault::new(
                    FaultKind::Unavailable,
                    "storage-unavailable",
                    "已保存，稍后生效",
                )
            })?;
        }
        if let Err(fault) = &done {
            let id = act.id.as_deref().unwrap_or_default();
            self.refused(&call, (&name, id), fault, Map::new()).await?;
        }
        done
    }

    async fn act_checked(
        &self,
        call: &Call,
        installed: &Installed,
        action: &ActionDef,
        act: &Act,
    ) -> Result<Reply, Fault> {
        let def = &installed.def;
        let record = self
            .target(call, installed, action, act.id.as_deref())
            .await?;
        let digest = request_digest(act);
        if let Some(reply) = self.replay(&call.principal, act, &digest).await? {
            return Ok(reply);
        }
        let Prepared {
            record,
            values,
            confirmed,
            own,
        } = self.prepared(call, def, action, (record, act)).await?;
        let content = signing::content(def, action, record.as_ref(), &values);
        let known = self.proven(call, action, &act.proof, &content).await?;
        let input = Input {
            record: record.clone(),
            values: values.clone(),
        };
        let module = &installed.module;
        let mut reply = module.act(call, &action.name, input.clone()).await?;
        let beside = module.others(call, &action.name, &input, &reply);
        let beside = self.beside(beside.await?)?;
        let running = Running {
            def,
            action: Some(action),
            record: record.as_ref(),
        };
        let (writes, moves) = effects::writes(running, std::mem::take(&mut reply.writes))?;
        if let Some(Outcome::Download { file }) = &mut reply.outcome {
            file.within(&def.id);
        }
        let files = uploads::named(call, running, &writes, own)?;
        let (events, notices) = self.told(call, installed, &mut reply)?;
        let mut others =
            console::deletion_rows(call, def, &writes, record.as_ref(), reply.note.as_deref())?;
        others.extend(beside.writes);
        let jobs = self.job_requests(call, def, &writes, record.as_ref());
        others.extend(jobs.await?);
        let object = acted_on(record.as_ref(), &moves);
        let name = format!("{}.{}", def.id, action.name);
        let detail = note(call, &reply, &confirmed);
        let mut commit = Commit {
            at: call.now.micros(),
            by: by(&call.principal),
            request: call.principal.request.clone(),
            action: name.clone(),
            note: reply.note.clone(),
            module: def.id.clone(),
            expected: expected(def, running.record, &moves),
            steps: moves
                .into_iter()
                .chain(beside.moves)
                .map(|m| step(m, &action.name, reply.note.clone()))
                .collect(),
            writes,
            others,
            restored: console::restored(&def.id, &action.name, record.as_ref()),
            repairs: console::repairs(&def.id, &action.name, record.as_ref()),
            files,
            events,
            notices,
            revived: console::revived(&def.id, &action.name, &values),
            audit: vec![draft(call, &name, &object, "ok", detail)],
            idempotency: act.key.clone().map(|key| Idempotency {
                key,
                digest,
                reply: json!(reply),
            }),
            ..Commit::default()
        };
        if let Some(known) = known {
            let deed = Deed {
                def,
                action,
                record: record.as_ref(),
                content: &content,
            };
            self.sign(call, deed, known, &mut commit).await?;
        }
        match self.commit(commit).await {
            Ok(done) => match done.replayed {
                Some(first) => {
                    serde_json::from_value(first).map_err(|_| Fault::internal("内部错误"))
                }
                None => Ok(reply),
            },
            Err(error) => {
                let given = (action, &values);
                Err(self
                    .not_committed(call, given, &error, record.as_ref())
                    .await)
            }
        }
    }

    /// Checks what goes to other modules of the kernel as their own writes are checked.
    fn beside(&self, all: Vec<(String, Write)>) -> Result<Beside, Fault> {
        let catalog = self.catalog();
        let mut beside = Beside::default();
        for (module, write) in all {
            let installed = catalog.modules.get(&module).ok_or_else(Fault::not_found)?;
            let running = Running {
                def: &installed.def,
                action: None,
                record: None,
            };
            let (checked, moves) = effects::writes(running, vec![write])?;
            let named = checked.into_iter().map(|w| (module.clone(), w));
            beside.writes.extend(named);
            beside.moves.extend(moves.into_iter().map(|m| Move {
                collection: format!("{module}.{}", m.collection),
                ..m
            }));
        }
        Ok(beside)
    }

    /// The record of a record action. Not readable → not found; readable but out of the action's
    /// reach → forbidden.
    async fn target(
        &self,
        call: &Call,
        installed: &Installed,
        action: &ActionDef,
        id: Option<&str>,
    ) -> Result<Option<Map<String, Value>>, Fault> {
        let p = &*call.principal;
        let reach = permitted(&installed.def, p, &action.permission);
        if !action.record {
            return reach.map(|_| None);
        }
        let id = id.ok_or_else(Fault::not_found)?;
        let catalog = self.catalog();
        let full = format!("{}.{}", installed.def.id, action.collection);
        if reach.as_ref().is_err_and(|f| f.code == "unauthenticated") {
            return reach.map(|_| None);
        }
        let name = readable(&catalog, p, &full)?.name;
        self.get(p, &full, id).await?;
        let reach = reach?;
        // The module gets the record unmasked: an action may need what a page may not show.
        let found = self
            .store()
            .get(&name, id, &reach)
            .await
            .map_err(|e| crate::reads::ask(&e))?;
        let found = found
            .ok_or_else(|| Fault::forbidden(format!("您不能对这条记录{}", action.label.zh)))?;
        if let Some(collection) = installed.collection(&action.collection) {
            call.seen.data_of(collection, [&found]);
        }
        Ok(Some(found))
    }

    /// Delivers one event to one subscriber; its writes are committed once by the event's id.
    pub async fn deliver(&self, module: &str, event: &Event) -> Result<(), Fault> {
        let Some(installed) = self.catalog().modules.get(module).cloned() else {
            return Ok(());
        };
        if schedules::is_off(&installed, event) {
            return Ok(());
        }
        let principal = Principal::module(module, &event.id);
        let call = self.call(&principal)?;
        let mut reply = installed.module.on_event(&call, event).await?;
        let running = Running {
            def: &installed.def,
            action: None,
            record: None,
        };
        let (writes, moves) = effects::writes(running, std::mem::take(&mut reply.writes))?;
        let files = uploads::named(&call, running, &writes, BTreeSet::new())?;
        let note = reply.note.as_deref();
        let others = console::deletion_rows(&call, &installed.def, &writes, None, note)?;
        let (events, notices) = self.told(&call, &installed, &mut reply)?;
        let commit = Commit {
            at: call.now.micros(),
            others,
            files,
            by: By {
                user: String::new(),
                name: module.into(),
                organisation: None,
            },
            request: event.id.clone(),
            action: event.name.clone(),
            module: module.into(),
            writes,
            steps: moves
                .into_iter()
                .map(|m| step(m, &event.name, None))
                .collect(),
            events,
            notices,
            idempotency: Some(Idempotency {
                key: format!("event:{module}:{}", event.id),
                digest: event.id.clone(),
                reply: Value::Null,
            }),
            ..Commit::default()
        };
        self.store()
            .commit(commit)
            .await
            .map(|_| ())
            .map_err(|e| commit_fault(&e))
    }

    /// Modules that hear an event. What the clock says, the module hears that asked for it.
    pub fn listeners(&self, event: &str) -> Vec<String> {
        let catalog = self.catalog();
        if let Some((owner, _)) = schedules::of(&catalog, event) {
            return vec![owner.def.id.clone()];
        }
        let hears = catalog
            .modules
            .values()
            .filter(|m| m.def.on.iter().any(|e| e == event));
        hears.map(|m| m.def.id.clone()).collect()
    }

    /// Appends one audit record. When it cannot be written, neither may its cause happen.
    pub(crate) async fn audit(
        &self,
        call: &Call,
        action: &str,
        object: &str,
        outcome: &str,
        detail: Value,
    ) -> Result<(), Fault> {
        self.store()
            .audit_append(vec![draft(call, action, object, outcome, detail)])
            .await
            .map(|_| ())
            .map_err(|e| storage(&e))
    }

    /// Records that somebody was refused, and why. A question back is no decision, and whoever finds
    /// nothing is refused nothing. What names no record is not kept: it may be any text.
    pub(crate) async fn refused(
        &self,
        call: &Call,
        (action, id): (&str, &str),
        fault: &Fault,
        mut detail: Map<String, Value>,
    ) -> Result<(), Fault> {
        let decided = matches!(fault.kind, FaultKind::Forbidden | FaultKind::Refused)
            || fault.code == ALTERED;
        if !decided || [CONFIRM, SIGN, STEP_UP].contains(&fault.code.as_str()) {
            return Ok(());
        }
        detail.insert("code".into(), fault.code.as_str().into());
        let object = if is_id(id) { id } else { "" };
        self.audit(call, action, object, "refused", detail.into())
            .await
    }

    /// Every row of a collection, for the kernel's own checks.
    pub(crate) const KERNEL: RowFilter = RowFilter::All;
}

/// The path as it was opened, with the values in place of their names.
fn address(ask: &Ask) -> String {
    ask.params
        .iter()
        .fold(ask.path.clone(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        })
}

pub(crate) fn by(p: &Principal) -> By {
    By {
        user: p.user.clone().unwrap_or_default(),
        name: p.name.clone(),
        organisation: p.organisation.clone(),
    }
}

/// Who did what happens by itself.
pub(crate) fn by_platform() -> By {
    By {
        name: "平台".into(),
        ..By::default()
    }
}

/// What `call` did, with the network address it came from; a job's has none.
pub(crate) fn draft(
    call: &Call,
    action: &str,
    object: &str,
    outcome: &str,
    mut detail: Value,
) -> AuditDraft {
    let p = &call.principal;
    if !p.ip.is_empty() {
        if detail.is_null() {
            detail = json!({});
        }
        if let Some(detail) = detail.as_object_mut() {
            detail.insert("ip".into(), p.ip.as_str().into());
        }
    }
    AuditDraft {
        at: call.now.micros(),
        actor: p.user.clone().unwrap_or_default(),
        organisation: p.organisation.clone(),
        subject: p.subject.clone(),
        action: action.to_owned(),
        object: object.to_owned(),
        outcome: outcome.to_owned(),
        detail,
        request: p.request.clone(),
    }
    .about(&call.parties())
}

/// The reason a person gave, and the doubts they took on themselves.
fn note(call: &Call, reply: &Reply, confirmed: &[String]) -> Value {
    let mut detail = Map::new();
    if let Some(purpose) = &call.purpose {
        detail.insert("purpose".into(), purpose.as_str().into());
    }
    if let Some(note) = &reply.note {
        detail.insert("note".into(), note.as_str().into());
    }
    if !confirmed.is_empty() {
        detail.insert("confirmed".into(), json!(confirmed));
    }
    if detail.is_empty() {
        Value::Null
    } else {
        Value::Object(detail)
    }
}

fn step(m: Move, action: &str, note: Option<String>) -> StepDraft {
    StepDraft {
        collection: m.collection,
        id: m.id,
        action: action.to_owned(),
        from: m.from,
        to: m.to,
        note,
    }
}
