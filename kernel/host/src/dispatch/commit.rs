//! What holds around a commit: the same request twice is done once, the state it was allowed in still
//! holds, and why it was refused is said in words.

use kernel_crypto::canonical;
use kernel_identity::module::MODULE;
use kernel_identity::principal::Principal;
use kernel_storage::{
    CollectionName, Commit, CommitError, Committed, Expected, NewEvent, NewNotice,
};
use sdk_contract::call::{EventDraft, Reply, Write};
use sdk_contract::def::{ActionDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use serde_json::{Map, Value, json};

use super::Act;
use crate::Host;
use crate::catalog::Installed;
use crate::console::{ID, JOBS};
use crate::effects::Move;
use crate::module::{Call, new_id};
use crate::reads::storage;
use crate::signing;

/// The most bytes of an idempotency key.
const MAX_KEY: usize = 100;

impl Host {
    /// The first answer to this request's key, if there was one.
    pub(super) async fn replay(
        &self,
        p: &Principal,
        act: &Act,
        digest: &str,
    ) -> Result<Option<Reply>, Fault> {
        let Some(key) = &act.key else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Fault::invalid(vec![FieldFault::new(
                "Idempotency-Key",
                "bad-key",
                "幂等键为 1 到 100 个可见字符",
            )]));
        }
        let user = p.user.as_deref().unwrap_or_default();
        match self
            .store()
            .idempotent(key, user)
            .await
            .map_err(|e| storage(&e))?
        {
            None => Ok(None),
            Some(first) if first.digest == digest => serde_json::from_value(first.reply)
                .map(Some)
                .map_err(|_| Fault::internal("内部错误")),
            Some(_) => Err(commit_fault(&CommitError::KeyReused)),
        }
    }

    /// What a reply says to other modules, and to people.
    pub(super) fn told(
        &self,
        call: &Call,
        installed: &Installed,
        reply: &mut Reply,
    ) -> Result<(Vec<NewEvent>, Vec<NewNotice>), Fault> {
        let events = Self::events(call, installed, std::mem::take(&mut reply.events))?;
        let notices = self.notices_of(call, installed, std::mem::take(&mut reply.notices))?;
        Ok((events, notices))
    }

    fn events(
        call: &Call,
        installed: &Installed,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<NewEvent>, Fault> {
        let declared = |name: &str| installed.def.events.iter().any(|e| e.name == name);
        drafts
            .into_iter()
            .map(|draft| {
                if !declared(&draft.name) {
                    tracing::error!(plugin = %installed.def.id, event = %draft.name, blame = "plugin", "undeclared event");
                    return Err(Fault::new(
                        FaultKind::Internal,
                        "plugin.bad-write",
                        "该功能出错了，本次操作没有生效",
                    ));
                }
                Ok(NewEvent { id: new_id(call.now)?, draft })
            })
            .collect()
    }

    /// Commits what an action wants. Where that begins a job, or lets one begin, a worker looks at once.
    pub(super) async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let wakes = writes_jobs(&commit);
        let done = self.store().commit(commit).await?;
        if wakes {
            self.wake_jobs();
        }
        Ok(done)
    }

    /// Why a commit was refused, in words for whoever asked for it.
    pub(super) async fn not_committed(
        &self,
        call: &Call,
        (action, values): (&ActionDef, &Map<String, Value>),
        error: &CommitError,
        record: Option<&Map<String, Value>>,
    ) -> Fault {
        if let Some(fault) = misreferred(action, values, error) {
            return fault;
        }
        // Of two requests with one signature, the second finds it spent.
        if let CommitError::Stale { collection, .. } = error
            && action.signed
            && collection.module == MODULE
        {
            return signing::unsigned();
        }
        let told = self.moved_on(&call.principal, error, record).await;
        told.unwrap_or_else(|| commit_fault(error))
    }
}

/// The record that an action ran on, or the first that it moved.
pub(super) fn acted_on(record: Option<&Map<String, Value>>, moves: &[Move]) -> String {
    let own = record.and_then(|r| r.get("id")?.as_str());
    let first = || moves.first().map(|m| m.id.as_str());
    own.or_else(first).unwrap_or_default().to_owned()
}

fn writes_jobs(commit: &Commit) -> bool {
    let job = |module: &str, write: &Write| module == ID && write.collection() == JOBS;
    let others = &commit.others;
    commit.writes.iter().any(|write| job(&commit.module, write))
        || others.iter().any(|(module, write)| job(module, write))
}

/// What makes two requests the same request.
pub(super) fn request_digest(act: &Act) -> String {
    let request =
        json!({ "module": act.module, "action": act.action, "id": act.id, "input": act.input });
    kernel_crypto::sm3::digest(&canonical::to_vec(&request)).to_string()
}

/// The state the action was allowed in must still hold when it commits.
pub(super) fn expected(
    def: &ModuleDef,
    record: Option<&Map<String, Value>>,
    moves: &[Move],
) -> Vec<Expected> {
    let still = |m: &Move| {
        let flow = def.flow(&m.collection)?;
        let id = record?.get("id")?.as_str()?;
        (id == m.id).then(|| Expected {
            collection: CollectionName::new(&def.id, &m.collection),
            id: m.id.clone(),
            field: flow.field.clone(),
            value: json!(m.from),
        })
    };
    moves.iter().filter_map(still).collect()
}

/// A reference that leads nowhere is the caller's mistake where the caller gave it; where the
/// module made it up, it is the module's.
fn misreferred(
    action: &ActionDef,
    values: &Map<String, Value>,
    error: &CommitError,
) -> Option<Fault> {
    let CommitError::BadReference { id, .. } = error else {
        return None;
    };
    let given = action.input.iter().find(|field| {
        matches!(field.kind, Kind::Ref { .. })
            && values
                .get(&field.name)
                .and_then(Value::as_str)
                .is_some_and(|given| given.eq_ignore_ascii_case(id))
    })?;
    let fault = FieldFault::new(&given.name, "missing-reference", "所选记录不存在");
    Some(Fault::invalid(vec![fault]))
}

pub(crate) fn commit_fault(error: &CommitError) -> Fault {
    match error {
        CommitError::Stale { .. } | CommitError::Unexpected { .. } => Fault::conflict(
            "stale",
            "这条记录刚刚被他人更改，请刷新后再试；您填写的内容仍在",
        ),
        CommitError::Conflict { fields, .. } => Fault {
            fields: fields
                .iter()
                .map(|f| FieldFault::new(f, "taken", "已被使用"))
                .collect(),
            ..Fault::conflict(
                "duplicate",
                "已有相同的记录，可能刚在另一个窗口提交过，请刷新后查看",
            )
        },
        CommitError::KeyReused => Fault::conflict(
            "idempotency-key-reused",
            "同一幂等键已用于另一个请求，请换一个键",
        ),
        CommitError::NotFound { .. } => Fault::not_found(),
        CommitError::NoFile(_) => {
            Fault::conflict("file-gone", "所选文件已不在，请重新上传后再提交")
        }
        CommitError::Storage(e) => storage(e),
        CommitError::UnknownCollection(_)
        | CommitError::Invalid { .. }
        | CommitError::BadReference { .. } => {
            tracing::error!(%error, blame = "plugin", "a commit was refused");
            Fault::new(
                FaultKind::Internal,
                "plugin.bad-write",
                "该功能出错了，本次操作没有生效",
            )
        }
    }
}
