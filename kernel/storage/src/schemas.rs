//! Declarations of modules: stored, learned from other nodes, tried out and applied.

use std::sync::Arc;

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
        for module in declarations(&mut held.conn()).await? {
            self.shared().put(&module);
        }
        Ok(())
    }

    /// What a module last declared here.
    pub async fn declared(&self, module: &str) -> Result<Option<ModuleDef>, StorageError> {
        let mut held = self.db().acquire().await?;
        let stored = stored(&mut held.conn(), module).await?;
        Ok(stored.map(|(stored, _)| stored.def))
    }

    /// What a module's tables hold by declaration, and its digest. Refused where they do not.
    async fn known(&self, module: &str) -> Result<Option<(Stored, String)>, PlanError> {
        let mut snapshot = self.db().snapshot().await?;
        let mut conn = snapshot.conn();
        let found = stored(&mut conn, module).await?;
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
            for converter in Converter::all(old, &plan, &module.choices) {
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
        if let Some((stored, _)) = stored(&mut held.conn(), &module.id).await? {
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
            Some(old) if !plan.conversions.is_empty() => {
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
        let all = Converter::all(&old, plan, &declared.def.choices);
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
    let begin = plan.begin.iter().map(ToString::to_string);
    let steps = plan.steps.iter().map(ToString::to_string);
    begin.chain(convert).chain(steps).collect()
}

fn json(value: &impl serde::Serialize) -> Result<Json, StorageError> {
    serde_json::to_value(value).map_err(|e| StorageError::Damaged(format!("a declaration: {e}")))
}

fn document_of(stored: &Stored) -> Result<String, StorageError> {
    Ok(value::canonical(&json(stored)?))
}

async fn stored(
    conn: &mut Conn<'_>,
    module: &str,
) -> Result<Option<(Stored, String)>, StorageError> {
    let rows = conn
        .rows(sql(
            "SELECT document, digest FROM kernel__schema WHERE module = $1",
            [module.into()],
        ))
        .await
        .map_err(StorageError::db("reading a schema"))?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some((document(module, &row.string(0)?)?, row.string(1)?)))
}

/// Every module's declaration, as `conn` sees them.
pub(crate) async fn declarations(conn: &mut Conn<'_>) -> Result<Vec<Stored>, StorageError> {
    let rows = conn
        .rows(sql("SELECT module, document FROM kernel__schema", []))
        .await
        .map_err(StorageError::db("reading the schemas"))?;
    rows.iter()
        .map(|row| document(&row.string(0)?, &row.string(1)?))
        .collect()
}

fn document(module: &str, text: &str) -> Result<Stored, StorageError> {
    serde_json::from_str(text)
        .map_err(|e| StorageError::UnknownState(format!("the declaration of {module}: {e}")))
}
