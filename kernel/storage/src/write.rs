//! What happens inside a transaction: the only place that changes data.

mod digests;
mod gone;
pub(crate) mod late;
pub(crate) mod overtaken;
mod records;
mod repair;
mod rows;

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use sdk_contract::call::Write;
use sea_query::{Alias, Expr, ExprTrait as _, Query as Statement};
use serde_json::Value as Json;

use self::late::Late;
use self::records::invalid;
use crate::attest::{Image, Raw};
use crate::audit::Told;
use crate::backend::{Conn, Engine, built, sql};
use crate::convert::{BATCH, Batch, Converter};
use crate::notices::NoticeWork;
use crate::reseal::{self, Exchange};
use crate::schema::{CollectionName, Registry, RowsField, Table};
use crate::store::Shared;
use crate::{
    AuditDraft, Call, Commit, CommitError, Committed, Expected, FileWork, Idempotency, Nonce,
    Record, Retry, StepDraft, StorageError, Written, audit, blind, calls, files, keys, migrate,
    notices, outbox, query, schemas, search, value, whole,
};

/// The closed list of what can be asked of the writer.
pub(crate) enum Work {
    Commit(Box<Commit>),
    Audit(Vec<AuditDraft>),
    Call(Box<Call>),
    Nonce(Nonce),
    File(Box<FileWork>),
    Notices(NoticeWork),
    Checkpoint(i64),
    Delivered {
        id: String,
        at: i64,
    },
    Undelivered {
        id: String,
        retry: Retry,
    },
    Schema(SchemaChange),
    Exchange(Vec<Exchange>),
    /// Brings a key of blind indexes into force.
    Blind(u32),
    /// Idempotency keys of before a moment, after one and up to one.
    Forget {
        before: i64,
        from: keys::Place,
        to: Option<keys::Place>,
    },
    /// Some more records to convert, after an id.
    Convert {
        converter: Arc<Converter>,
        after: Option<String>,
    },
    /// The rest of them, and then the declaration.
    CutOver {
        converters: Vec<Arc<Converter>>,
        change: SchemaChange,
    },
    /// Some more records for the search index.
    Index,
    /// The codes of declarations, made anew where an older key made them.
    Reattest,
}

#[derive(Debug, Clone)]
pub(crate) struct SchemaChange {
    pub(crate) module: String,
    pub(crate) document: String,
    pub(crate) digest: String,
    /// Digest of the declaration the statements start from.
    pub(crate) was: Option<String>,
    pub(crate) statements: Vec<String>,
    pub(crate) at: i64,
}

impl Work {
    /// Whether it may be in one transaction with others.
    pub(crate) const fn joins(&self) -> bool {
        match self {
            Self::Commit(_)
            | Self::Audit(_)
            | Self::Call(_)
            | Self::Nonce(_)
            | Self::File(_)
            | Self::Notices(_)
            | Self::Delivered { .. }
            | Self::Undelivered { .. }
            | Self::Exchange(_)
            | Self::Forget { .. } => true,
            Self::Checkpoint(_)
            | Self::Blind(_)
            | Self::Schema(_)
            | Self::Convert { .. }
            | Self::CutOver { .. }
            | Self::Reattest
            | Self::Index => false,
        }
    }
}

/// Runs one piece of work inside the transaction (or savepoint) that `conn` is in. On an error
/// the caller rolls back to where it began. Until `late` is written, the numbers of its audit
/// records are places in there.
pub(crate) async fn run(
    conn: &mut Conn<'_>,
    shared: &Shared,
    work: &Work,
    late: &mut Late,
) -> Result<Committed, CommitError> {
    let mut done = Committed::default();
    match work {
        Work::Commit(commit) => return Run::new(conn, shared, commit, late).commit().await,
        Work::Audit(drafts) => done.audit = late.record(drafts),
        Work::Call(call) => {
            lock(conn, calls::lock_of(&call.app)).await?;
            let (admission, record) = calls::admit(conn, call).await?;
            (done.admission, done.audit) = (Some(admission), late.record(&[record]));
        }
        Work::Nonce(nonce) => done.claimed = calls::claim(conn, nonce).await?,
        Work::File(work) => return Ok(files::change(conn, work, late).await?),
        Work::Notices(work) => done.forgotten = notices::change(conn, work).await?,
        Work::Checkpoint(at) => {
            lock(conn, audit::LOCK_CHAIN).await?;
            done.audit = audit::checkpoint(conn, shared, *at).await?;
        }
        Work::Delivered { id, at } => outbox::delivered(conn, id, *at).await?,
        Work::Undelivered { id, retry } => outbox::undelivered(conn, id, *retry).await?,
        Work::Schema(change) => schema(conn, &shared.keys, change).await?,
        Work::Reattest => done.forgotten = schemas::reattest(conn, &shared.keys).await?,
        Work::Exchange(batch) => reseal::exchange(conn, batch).await?,
        Work::Blind(number) => blind::change(conn, *number).await?,
        Work::Forget { before, from, to } => {
            done.forgotten = keys::forget(conn, *before, from, to.as_ref()).await?;
        }
        Work::Convert { converter, after } => {
            let after = after.as_deref();
            let batch = converter.batch(conn, &shared.keys, after, BATCH);
            done.batch = batch.await?;
            kept_whole(&done.batch)?;
        }
        Work::CutOver { converters, change } => {
            for converter in converters {
                done.batch = converter.finish(conn, &shared.keys).await?;
                kept_whole(&done.batch)?;
                if done.batch.again {
                    // What was converted stays converted.
                    return Ok(done);
                }
            }
            schema(conn, &shared.keys, change).await?;
        }
        Work::Index => {
            lock(conn, LOCK_INDEX).await?;
            search::index(conn, &shared.registry()).await?;
        }
    }
    Ok(done)
}

/// A value that does not convert ends the batch, and nothing of it is done.
fn kept_whole(batch: &Batch) -> Result<(), StorageError> {
    if batch.unfit.is_empty() {
        Ok(())
    } else {
        Err(StorageError::Unfit(batch.unfit.clone()))
    }
}

/// One node builds the search index at a time.
const LOCK_INDEX: i64 = 0x726f_6e67_0005;

/// Held until the transaction ends. `SQLite` has one writer anyway.
async fn lock(conn: &mut Conn<'_>, number: i64) -> Result<(), StorageError> {
    if conn.engine() == Engine::Postgres {
        conn.rows(sql("SELECT pg_advisory_xact_lock($1)", [number.into()]))
            .await
            .map_err(StorageError::db("waiting for the turn to write"))?;
    }
    Ok(())
}

async fn schema(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
    change: &SchemaChange,
) -> Result<(), StorageError> {
    lock(conn, migrate::LOCK_SCHEMA).await?;
    let changing = StorageError::db("changing a module's tables");
    let now = conn
        .row(sql(
            "SELECT digest FROM kernel__schema WHERE module = $1",
            [change.module.as_str().into()],
        ))
        .await
        .map_err(&changing)?;
    if now.map(|row| row.string(0)).transpose()? != change.was {
        return Err(StorageError::UnknownState(format!(
            "another node changed the tables of {} meanwhile",
            change.module
        )));
    }
    for statement in &change.statements {
        conn.execute(built(statement.clone(), Vec::new()))
            .await
            .map_err(&changing)?;
    }
    conn.execute(sql(
        "INSERT INTO kernel__schema (module, document, digest, applied_at, code) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (module) DO UPDATE SET \
         document = excluded.document, digest = excluded.digest, \
         applied_at = excluded.applied_at, code = excluded.code",
        [
            change.module.as_str().into(),
            change.document.as_str().into(),
            change.digest.as_str().into(),
            change.at.into(),
            schemas::code(keys, &change.module, &change.document, &change.digest).into(),
        ],
    ))
    .await
    .map(drop)
    .map_err(&changing)
}

/// One commit on its way.
struct Run<'a, 'c> {
    conn: &'a mut Conn<'c>,
    shared: &'a Shared,
    registry: Arc<Registry>,
    commit: &'a Commit,
    late: &'a mut Late,
    /// References written so far; checked last, so that writes may come in any order.
    references: Vec<Reference>,
    /// The key of blind indexes, once it is needed.
    blind: Option<blind::Number>,
    /// What the history keeps of it, for its audit record.
    kept: Vec<Told>,
    /// What was put right, for its audit record.
    repaired: Vec<Json>,
    /// Whose history has lost its values, for its audit record.
    erased: Vec<String>,
    done: Committed,
}

/// A record that is held against other writers, and found to be as it was written.
struct Held {
    id: String,
    record: Record,
    /// Where its collection has codes.
    image: Option<Image>,
}

struct Reference {
    from: CollectionName,
    field: String,
    to: CollectionName,
    id: String,
}

impl<'a, 'c> Run<'a, 'c> {
    fn new(
        conn: &'a mut Conn<'c>,
        shared: &'a Shared,
        commit: &'a Commit,
        late: &'a mut Late,
    ) -> Self {
        let registry = shared.registry();
        let done = Committed::default();
        Self {
            conn,
            shared,
            registry,
            commit,
            late,
            references: Vec::new(),
            blind: None,
            kept: Vec::new(),
            repaired: Vec::new(),
            erased: Vec::new(),
            done,
        }
    }

    async fn commit(mut self) -> Result<Committed, CommitError> {
        let commit = self.commit;
        if let Some(key) = &commit.idempotency
            && let Some(reply) = self.claim(key).await?
        {
            self.done.replayed = Some(reply);
            return Ok(self.done);
        }
        for expected in &commit.expected {
            self.expect(expected).await?;
        }
        for digest in &commit.files {
            if !files::name(self.conn, digest).await? {
                return Err(CommitError::NoFile(digest.clone()));
            }
        }
        for write in &commit.writes {
            self.write(&commit.module, write).await?;
        }
        for (module, write) in &commit.others {
            self.write(module, write).await?;
        }
        for gone in &commit.restored {
            self.restore(gone).await?;
        }
        for gone in &commit.purged {
            self.purge(gone).await?;
        }
        for repair in &commit.repairs {
            self.repair(repair).await?;
        }
        self.check_references().await?;
        for step in &commit.steps {
            self.step(step).await?;
        }
        let events = commit.events.iter();
        let events = events.map(|e| outbox::row(&commit.module, commit.at, e));
        self.late.events.extend(events);
        notices::keep(self.conn, commit.at, &commit.notices).await?;
        for id in &commit.revived {
            outbox::undelivered(self.conn, id, Retry::At(0)).await?;
        }
        let mut audit = commit.audit.clone();
        if let Some(first) = audit.first_mut() {
            first.tell(&self.kept);
            first.tell_repaired(self.repaired);
            first.tell_erased(&self.erased);
        }
        self.done.audit = self.late.record(&audit);
        Ok(self.done)
    }

    /// Takes the idempotency key, or returns the reply of the commit that has it. Of two parallel
    /// commits the second waits here for the first.
    async fn claim(&mut self, key: &Idempotency) -> Result<Option<Json>, CommitError> {
        let claiming = StorageError::db("claiming an idempotency key");
        let user = self.commit.by.user.as_str();
        let new = self
            .conn
            .execute(sql(
                "INSERT INTO kernel__idempotency (user_id, key, digest, reply, at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, key) DO NOTHING",
                [
                    user.into(),
                    key.key.as_str().into(),
                    key.digest.as_str().into(),
                    value::canonical(&key.reply).into(),
                    self.commit.at.into(),
                ],
            ))
            .await
            .map_err(&claiming)?;
        if new > 0 {
            return Ok(None);
        }
        let row = self
            .conn
            .row(sql(
                "SELECT digest, reply FROM kernel__idempotency WHERE user_id = $1 AND key = $2",
                [user.into(), key.key.as_str().into()],
            ))
            .await
            .map_err(&claiming)?
            .ok_or_else(|| StorageError::Damaged("an idempotency key vanished".into()))?;
        if row.string(0)? != key.digest {
            return Err(CommitError::KeyReused);
        }
        Ok(Some(value::parse(&row.string(1)?)?))
    }

    async fn expect(&mut self, expected: &Expected) -> Result<(), CommitError> {
        let table = self.table(&expected.collection)?;
        let now = self.current(&table, &expected.id).await?;
        match now.record.get(&expected.field) {
            Some(value) if *value == expected.value => Ok(()),
            Some(value) => Err(CommitError::Unexpected {
                collection: table.name.clone(),
                id: expected.id.clone(),
                field: expected.field.clone(),
                now: Box::new(value.clone()),
            }),
            None => Err(invalid(&table, &expected.field, "is not a field")),
        }
    }

    fn table(&self, name: &CollectionName) -> Result<Arc<Table>, CommitError> {
        self.registry
            .table(name)
            .ok_or_else(|| CommitError::UnknownCollection(name.to_string()))
    }

    /// The record as it stands, held against other writers until the transaction ends.
    async fn current(&mut self, table: &Table, id: &str) -> Result<Held, CommitError> {
        self.held(table, id, query::there(table)).await
    }

    /// The same of records that meet a condition.
    async fn held(
        &mut self,
        table: &Table,
        id: &str,
        only: Option<Expr>,
    ) -> Result<Held, CommitError> {
        let (id, raw) = self.raw(table, id, only).await?;
        let (record, image) = raw.checked(&self.shared.keys, table)?;
        Ok(Held { id, record, image })
    }

    /// The same, whatever became of it.
    async fn raw(
        &mut self,
        table: &Table,
        id: &str,
        only: Option<Expr>,
    ) -> Result<(String, Raw), CommitError> {
        let not_found = || CommitError::NotFound {
            collection: table.name.clone(),
            id: id.to_owned(),
        };
        let uuid = value::id(id).ok_or_else(not_found)?;
        let statement = {
            let mut select = query::select(table);
            select.and_where(is("id", sea_query::Value::Uuid(Some(uuid))));
            if let Some(only) = only {
                select.and_where(only);
            }
            if self.conn.engine() == Engine::Postgres {
                select.lock_exclusive();
            }
            self.conn.engine().build(&select)
        };
        let row = self
            .conn
            .row(statement)
            .await
            .map_err(StorageError::db("reading a record to change"))?
            .ok_or_else(not_found)?;
        let mut raw = [value::record(&self.shared.keys, table, row)?];
        let rows: Vec<&RowsField> = table.rows.iter().collect();
        whole::fill(self.conn, table, &rows, &mut raw).await?;
        let [raw] = raw;
        Ok((uuid.to_string(), raw))
    }

    /// The code of a record as it will be, where its collection has codes.
    fn code(&self, table: &Table, image: Option<&Image>) -> Option<(Alias, sea_query::Value)> {
        let code = image?.code(&self.shared.keys, table);
        Some((Alias::new(&table.code.as_ref()?.stored), code))
    }

    async fn write(&mut self, module: &str, write: &Write) -> Result<(), CommitError> {
        let name = CollectionName::within(module, write.collection());
        if name.module != module {
            return Err(CommitError::UnknownCollection(name.to_string()));
        }
        let table = self.table(&name)?;
        match write {
            Write::Insert {
                id,
                subject,
                organisation,
                district,
                values,
                ..
            } => {
                let owner = [
                    ("subject", subject),
                    ("organisation", organisation),
                    ("district", district),
                ];
                self.insert(&table, id, owner, values).await
            }
            Write::Update {
                id,
                revision,
                values,
                ..
            } => self.update(&table, id, *revision, values).await,
            Write::Delete { id, revision, .. } => self.delete(&table, id, *revision).await,
        }
    }

    fn wrote(&mut self, table: &Table, id: String, revision: i64) {
        self.done.written.push(Written {
            collection: table.name.clone(),
            id,
            revision,
        });
    }

    /// Whether there is a record, a deleted one included where that is asked.
    async fn exists(&mut self, table: &Table, id: &str, kept: bool) -> Result<bool, StorageError> {
        let statement = {
            let mut select = Statement::select();
            select
                .column(Alias::new("revision"))
                .from(Alias::new(&table.sql_name))
                .and_where(is("id", sea_query::Value::Uuid(value::uuid(id))));
            if let (false, Some(there)) = (kept, query::there(table)) {
                select.and_where(there);
            }
            self.conn.engine().build(&select)
        };
        let row = self.conn.row(statement).await;
        Ok(row
            .map_err(StorageError::db("looking for a record"))?
            .is_some())
    }

    async fn check_references(&mut self) -> Result<(), CommitError> {
        for reference in std::mem::take(&mut self.references) {
            let found = match self.registry.table(&reference.to) {
                Some(table) => self.exists(&table, &reference.id, false).await?,
                None => false,
            };
            if !found {
                return Err(CommitError::BadReference {
                    collection: reference.from,
                    field: reference.field,
                    to: reference.to.to_string(),
                    id: reference.id,
                });
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &StepDraft) -> Result<(), CommitError> {
        let name = CollectionName::within(&self.commit.module, &step.collection);
        let table = self.table(&name)?;
        let not_found = || CommitError::NotFound {
            collection: name.clone(),
            id: step.id.clone(),
        };
        let id = step.id.as_str();
        if !value::is_id(id) || !self.exists(&table, id, true).await? {
            return Err(not_found());
        }
        let adding = StorageError::db("adding a step");
        let (collection, by) = (table.first.to_string(), &self.commit.by);
        let last = self
            .conn
            .row(sql(
                "SELECT COALESCE(MAX(number), 0) FROM kernel__steps \
                 WHERE collection = $1 AND record = $2",
                [collection.as_str().into(), id.into()],
            ))
            .await
            .map_err(&adding)?;
        let number = last
            .map(|r| r.number(0))
            .transpose()?
            .unwrap_or(0)
            .saturating_add(1);
        self.conn
            .execute(sql(
                "INSERT INTO kernel__steps (collection, record, number, action, from_state, \
                 to_state, at, by_user, by_name, organisation, note) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                [
                    collection.into(),
                    id.into(),
                    number.into(),
                    step.action.as_str().into(),
                    step.from.clone().into(),
                    step.to.as_str().into(),
                    self.commit.at.into(),
                    by.user.as_str().into(),
                    by.name.as_str().into(),
                    by.organisation.clone().into(),
                    step.note.clone().into(),
                ],
            ))
            .await
            .map_err(&adding)?;
        Ok(())
    }
}

fn is(column: &'static str, value: sea_query::Value) -> Expr {
    Expr::col(Alias::new(column)).eq(Expr::val(value))
}
