//! Declarations of modules: stored, learned from other nodes, tried out and applied.

use std::sync::Arc;

use kernel_crypto::keys::{AttestKey, KeyRing, attested_with};
use sdk_contract::def::ModuleDef;
use serde_json::Value as Json;

use crate::backend::{Conn, sql};
use crate::convert::{BATCH, Converter};
use crate::layout::{Next, Stored};
use crate::plan::{Plan, Step};
use crate::write::{SchemaChange, Work};
use crate::{
    Applied, CommitError, Committed, Outlook, PlanError, StorageError, Store, ddl, known, plan,
    value,
};

/// Rounds of conversion before the writers of a table are found to be faster.
const ROUNDS: usize = 50;
/// Values that do not convert, named in a refusal.
const NAMED: usize = 20;

/// What applying a declaration would do.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    /// One sentence a step.
    pub steps: Vec<String>,
    /// Every reason not to.
    pub refusals: Vec<String>,
    /// What would become of values, counted over all records.
    pub values: Vec<Outlook>,
}

/// A declaration on its way to the store.
struct Declared<'a> {
    def: &'a ModuleDef,
    digest: String,
    now: i64,
}

impl Store {
    /// Learns the schemas that other nodes have applied. Not while this one applies one.
    pub async fn refresh(&self) -> Result<(), StorageError> {
        match self.applying().try_lock() {
            Ok(_one) => self.learn().await,
            Err(_) => Ok(()),
        }
    }

    pub(crate) async fn learn(&self) -> Result<(), StorageError> {
        let mut held = self.db().acquire().await?;
        for module in declarations(&mut held.conn(), self.keys()).await? {
            self.shared().put(&module);
        }
        Ok(())
    }

    /// What a module last declared here.
    pub async fn declared(&self, module: &str) -> Result<Option<ModuleDef>, StorageError> {
        let mut held = self.db().acquire().await?;
        let stored = stored(&mut held.conn(), self.keys(), module).await?;
        Ok(stored.map(|(stored, _)| stored.def))
    }

    /// What a module's tables hold by declaration, and its digest. Refused where they do not.
    async fn known(&self, module: &str) -> Result<Option<(Stored, String)>, PlanError> {
        let mut snapshot = self.db().snapshot().await?;
        let mut conn = snapshot.conn();
        let found = stored(&mut conn, self.keys(), module).await?;
        let is = found.as_ref().map(|(stored, _)| stored);
        let differences = known::differences(&mut conn, module, is).await?;
        if differences.is_empty() {
            Ok(found)
        } else {
            Err(PlanError::Refused(differences))
        }
    }

    /// What [`Store::apply`] would do. Reads every record whose values would be converted; changes
    /// nothing.
    pub async fn forecast(&self, module: &ModuleDef) -> Result<Forecast, StorageError> {
        let refused = |refusals| Forecast {
            refusals,
            ..Forecast::default()
        };
        let old = match self.known(&module.id).await {
            Ok(known) => known.map(|(stored, _)| stored),
            Err(PlanError::Refused(reasons)) => return Ok(refused(reasons)),
            Err(PlanError::Storage(error)) => return Err(error),
        };
        let plan = match plan::plan(old.as_ref(), module) {
            Ok(plan) => plan,
            Err(reasons) => return Ok(refused(reasons)),
        };
        let mut forecast = Forecast {
            steps: sentences(&plan),
            ..Forecast::default()
        };
        if let Some(old) = &old {
            let mut snapshot = self.db().snapshot().await?;
            for converter in Converter::all(old, &plan, module) {
                let values = converter.outlook(&mut snapshot.conn(), self.keys()).await?;
                forecast.values.extend(values);
            }
        }
        Ok(forecast)
    }

    /// Makes the tables what `module` declares, or refuses with every reason. `now` is in
    /// microseconds since 1970, UTC. Applying the same declaration again changes nothing. Where
    /// values have to be converted, this takes as long as that takes; until its end, everybody reads
    /// and writes by the declaration of before. Stopped at any moment, it goes on when the same
    /// declaration is applied again.
    pub async fn apply(&self, module: &ModuleDef, now: i64) -> Result<Applied, PlanError> {
        let _one = self.applying().lock().await;
        // What a module brings as rows is no part of its tables, and may be sealed where it is stored.
        let module = &ModuleDef {
            seeds: Vec::new(),
            ..module.clone()
        };
        let document = value::canonical(&json(module)?);
        let digest = kernel_crypto::sm3::digest(document.as_bytes()).to_string();
        let declared = Declared {
            def: module,
            digest,
            now,
        };
        let applied = match self.step_by_step(&declared).await {
            // Another node was faster with the same.
            Err(PlanError::Storage(StorageError::UnknownState(why))) => {
                match self.known(&module.id).await? {
                    Some((_, digest)) if digest == declared.digest => Vec::new(),
                    _ => return Err(StorageError::UnknownState(why).into()),
                }
            }
            applied => applied?,
        };
        let mut held = self.db().acquire().await?;
        let applied_now = stored(&mut held.conn(), self.keys(), &module.id).await?;
        if let Some((stored, _)) = applied_now {
            self.shared().put(&stored);
        }
        drop(held);
        self.index_at_once().await?;
        Ok(Applied {
            steps: applied,
            digest: declared.digest,
        })
    }

    async fn step_by_step(&self, declared: &Declared<'_>) -> Result<Vec<String>, PlanError> {
        let id = &declared.def.id;
        let (mut old, was) = self.known(id).await?.unzip();
        if let Some(stored) = &mut old
            && stored
                .next
                .as_ref()
                .is_some_and(|n| n.digest != declared.digest)
        {
            self.abandon(stored, was.clone(), declared.now).await?;
        }
        if was.as_ref() == Some(&declared.digest) {
            return Ok(Vec::new());
        }
        let plan = plan::plan(old.as_ref(), declared.def).map_err(PlanError::Refused)?;
        let change = SchemaChange {
            module: id.clone(),
            document: document_of(&Stored {
                def: declared.def.clone(),
                layout: plan.layout.clone(),
                next: None,
            })?,
            digest: declared.digest.clone(),
            was,
            statements: self.statements(&plan.steps),
            at: declared.now,
        };
        let steps = sentences(&plan);
        match old {
            Some(old) if !plan.conversions.is_empty() || !plan.attested.is_empty() => {
                self.convert(old, &plan, declared, change).await?;
            }
            _ => {
                self.change(Work::Schema(change)).await?;
            }
        }
        tracing::info!(module = id, steps = steps.len(), "applied a declaration");
        Ok(steps)
    }

    fn statements(&self, steps: &[Step]) -> Vec<String> {
        let engine = self.engine();
        let each = steps.iter().flat_map(|s| ddl::statements(engine, s));
        each.collect()
    }

    async fn change(&self, work: Work) -> Result<Committed, PlanError> {
        match self.submit(work).await {
            Ok(done) => Ok(done),
            Err(CommitError::Storage(e)) if e.is_unique_violation() => {
                Err(PlanError::Refused(vec![
                    "A new unique key cannot be made: records that exist have equal values."
                        .to_owned(),
                ]))
            }
            Err(CommitError::Storage(StorageError::Unfit(mut sentences))) => {
                sentences.truncate(NAMED);
                Err(PlanError::Refused(sentences))
            }
            Err(CommitError::Storage(e)) => Err(e.into()),
            Err(e) => Err(StorageError::Damaged(e.to_string()).into()),
        }
    }

    /// Converts values beside those that serve, then changes over at once. What does not convert
    /// ends it as if it had never begun.
    async fn convert(
        &self,
        mut old: Stored,
        plan: &Plan,
        declared: &Declared<'_>,
        change: SchemaChange,
    ) -> Result<(), PlanError> {
        let was = change.was.clone();
        if old.next.is_none() {
            old.next = Some(Box::new(Next {
                def: declared.def.clone(),
                layout: plan.layout.clone(),
                digest: declared.digest.clone(),
            }));
            let begin = SchemaChange {
                module: change.module.clone(),
                document: document_of(&old)?,
                digest: was.clone().unwrap_or_default(),
                was: was.clone(),
                statements: self.statements(&plan.begin),
                at: declared.now,
            };
            self.change(Work::Schema(begin)).await?;
        }
        let all = Converter::all(&old, plan, declared.def);
        let all: Vec<Arc<Converter>> = all.into_iter().map(Arc::new).collect();
        match self.rounds(&all, change).await {
            Err(PlanError::Refused(reasons)) => {
                self.abandon(&mut old, was, declared.now).await?;
                Err(PlanError::Refused(reasons))
            }
            done => done,
        }
    }

    async fn rounds(&self, all: &[Arc<Converter>], change: SchemaChange) -> Result<(), PlanError> {
        for _ in 0..ROUNDS {
            for converter in all {
                self.round(converter).await?;
            }
            let work = Work::CutOver {
                converters: all.to_vec(),
                change: change.clone(),
            };
            if !self.change(work).await?.batch.again {
                return Ok(());
            }
        }
        Err(PlanError::Refused(vec![
            "Records are written faster than they are converted; try when there is less to do."
                .to_owned(),
        ]))
    }

    /// Once through the records that are not converted as they stand.
    async fn round(&self, converter: &Arc<Converter>) -> Result<(), PlanError> {
        let mut after = None;
        loop {
            let work = Work::Convert {
                converter: Arc::clone(converter),
                after,
            };
            let batch = self.change(work).await?.batch;
            if batch.records < BATCH {
                return Ok(());
            }
            after = batch.last;
        }
    }

    /// Takes away what a conversion has begun.
    async fn abandon(
        &self,
        stored: &mut Stored,
        was: Option<String>,
        at: i64,
    ) -> Result<(), PlanError> {
        let statements = known::abandon(self.engine(), stored);
        stored.next = None;
        let change = SchemaChange {
            module: stored.def.id.clone(),
            document: document_of(stored)?,
            digest: was.clone().unwrap_or_default(),
            was,
            statements,
            at,
        };
        tracing::warn!(module = stored.def.id, "a conversion is given up");
        self.change(Work::Schema(change)).await.map(drop)
    }
}

fn sentences(plan: &Plan) -> Vec<String> {
    let convert = plan.conversions.iter().map(|c| {
        format!(
            "Convert {} of {} into {}.",
            c.source.name, c.collection, c.field.name
        )
    });
    let attest = plan.attested.iter();
    let attest = attest.map(|c| format!("Make codes of the records of {}.", c.name));
    let begin = plan.begin.iter().map(ToString::to_string);
    let steps = plan.steps.iter().map(ToString::to_string);
    begin.chain(convert).chain(attest).chain(steps).collect()
}

fn json(value: &impl serde::Serialize) -> Result<Json, StorageError> {
    serde_json::to_value(value).map_err(|e| StorageError::Damaged(format!("a declaration: {e}")))
}

fn document_of(stored: &Stored) -> Result<String, StorageError> {
    Ok(value::canonical(&json(stored)?))
}

async fn stored(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
    module: &str,
) -> Result<Option<(Stored, String)>, StorageError> {
    let mut all = rows(conn, keys).await?;
    all.retain(|(of, _, _)| of == module);
    let Some((_, text, digest)) = all.pop() else {
        return Ok(None);
    };
    Ok(Some((document(module, &text)?, digest)))
}

/// Every module's declaration, as `conn` sees them. One that the platform did not write is refused.
pub(crate) async fn declarations(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
) -> Result<Vec<Stored>, StorageError> {
    let rows = rows(conn, keys).await?;
    let each = rows.iter();
    each.map(|(module, text, _)| document(module, text))
        .collect()
}

/// The same from a backup, whose key ring is still to come.
pub(crate) async fn restored(conn: &mut Conn<'_>) -> Result<Vec<Stored>, StorageError> {
    let rows = conn
        .rows(sql("SELECT module, document FROM kernel__schema", []))
        .await
        .map_err(StorageError::db(READING))?;
    rows.iter()
        .map(|row| document(&row.string(0)?, &row.string(1)?))
        .collect()
}

const READING: &str = "reading the schemas";

/// The key ring notes under this name that declarations have codes. Before, they had none, and who
/// can change the database cannot have it look so again.
const NOTED: &str = "schema";

/// Module, document and digest of each declaration.
async fn rows(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
) -> Result<Vec<(String, String, String)>, StorageError> {
    let coded = keys.noted(NOTED);
    let text = if coded {
        "SELECT module, document, digest, code FROM kernel__schema"
    } else {
        "SELECT module, document, digest FROM kernel__schema"
    };
    let rows = conn.rows(sql(text, [])).await;
    let mut all = Vec::new();
    for row in rows.map_err(StorageError::db(READING))? {
        let (module, document, digest) = (row.string(0)?, row.string(1)?, row.string(2)?);
        if coded {
            let found = row.bytes(3)?.unwrap_or_default();
            if !keys.attests(
                AttestKey::Record,
                &spoken(&module, &document, &digest),
                &found,
            ) {
                tracing::error!(
                    code = "record.altered",
                    collection = "kernel.schema",
                    id = module,
                    "a declaration is not as the platform wrote it; it is not used"
                );
                return Err(StorageError::UnknownState(format!(
                    "the declaration of {module} is not as the platform wrote it"
                )));
            }
        }
        all.push((module, document, digest));
    }
    Ok(all)
}

/// What a declaration's code speaks for.
fn spoken(module: &str, document: &str, digest: &str) -> Vec<u8> {
    let parts = ["schema", module, digest, document];
    parts.join("\0").into_bytes()
}

/// The code of a declaration.
pub(crate) fn code(keys: &KeyRing, module: &str, document: &str, digest: &str) -> Vec<u8> {
    let code = keys.attest(AttestKey::Record, &spoken(module, document, digest));
    code.to_vec()
}

/// The codes of all declarations.
pub(crate) async fn codes(conn: &mut Conn<'_>) -> Result<Vec<Vec<u8>>, StorageError> {
    let rows = conn.rows(sql("SELECT code FROM kernel__schema", [])).await;
    let rows = rows.map_err(StorageError::db(READING))?;
    let codes = rows.iter().map(|row| Ok(row.bytes(0)?.unwrap_or_default()));
    codes.collect()
}

/// Makes the codes of all declarations anew that the active key did not make; how many.
pub(crate) async fn reattest(conn: &mut Conn<'_>, keys: &KeyRing) -> Result<u64, StorageError> {
    let active = keys.attesting_with(AttestKey::Record);
    let codes = codes(conn).await?;
    if codes.iter().all(|code| attested_with(code) == Some(active)) {
        return Ok(0);
    }
    put_codes(conn, keys).await
}

/// Gives the declarations of a database from before their codes. Nothing happens once the ring has
/// noted that they have them.
pub(crate) async fn attest(conn: &mut Conn<'_>, keys: &KeyRing) -> Result<(), StorageError> {
    if keys.noted(NOTED) {
        return Ok(());
    }
    put_codes(conn, keys).await?;
    keys.note(NOTED).map_err(StorageError::Keys)
}

async fn put_codes(conn: &mut Conn<'_>, keys: &KeyRing) -> Result<u64, StorageError> {
    let coding = StorageError::db("making the codes of declarations");
    let mut made = 0;
    for (module, document, digest) in rows(conn, keys).await? {
        let code = code(keys, &module, &document, &digest);
        let update = sql(
            "UPDATE kernel__schema SET code = $1 \
             WHERE module = $2 AND document = $3 AND digest = $4",
            [code.into(), module.into(), document.into(), digest.into()],
        );
        made += conn.execute(update).await.map_err(&coding)?;
    }
    Ok(made)
}

fn document(module: &str, text: &str) -> Result<Stored, StorageError> {
    serde_json::from_str(text)
        .map_err(|e| StorageError::UnknownState(format!("the declaration of {module}: {e}")))
}
