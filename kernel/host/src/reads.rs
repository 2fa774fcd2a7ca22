//! Reading declared collections as a principal: permission, row scope, masks. Nobody reads
//! another way, guests included.

use kernel_identity::decide::{Decision, Denial, decide};
use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, QueryError, RowFilter};
use sdk_contract::def::{CollectionDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::query::{Aggregate, Found, Group, Query, Step};
use serde_json::{Map, Value};

use crate::Host;
use crate::mask::Sight;

/// A collection as one principal may read it.
pub(crate) struct Readable<'a> {
    pub(crate) name: CollectionName,
    def: &'a ModuleDef,
    collection: &'a CollectionDef,
    pub(crate) rows: RowFilter,
}

impl Host {
    /// One record. Not there and not visible are the same answer.
    pub async fn get(
        &self,
        p: &Principal,
        collection: &str,
        id: &str,
    ) -> Result<Map<String, Value>, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, collection)?;
        let record = self
            .store()
            .get(&readable.name, id, &readable.rows)
            .await
            .map_err(|e| ask(&e))?;
        let mut record = record.ok_or_else(Fault::not_found)?;
        readable.sight(p).mask(&mut record);
        Ok(record)
    }

    pub async fn find(&self, p: &Principal, query: Query) -> Result<Found, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, &query.collection)?;
        let sight = readable.sight(p);
        sight.may_query(&query, &readable.rows)?;
        let mut found = self
            .store()
            .find(&query, &readable.rows)
            .await
            .map_err(|e| ask(&e))?;
        for record in &mut found.records {
            sight.mask(record);
        }
        Ok(found)
    }

    pub async fn aggregate(
        &self,
        p: &Principal,
        aggregate: Aggregate,
    ) -> Result<Vec<Group>, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, &aggregate.collection)?;
        readable
            .sight(p)
            .may_aggregate(&aggregate, &readable.rows)?;
        self.store()
            .aggregate(&aggregate, &readable.rows)
            .await
            .map_err(|e| ask(&e))
    }

    /// The steps of a record the principal may read.
    pub async fn steps(
        &self,
        p: &Principal,
        collection: &str,
        id: &str,
    ) -> Result<Vec<Step>, Fault> {
        self.get(p, collection, id).await?;
        let catalog = self.catalog();
        let readable = readable(&catalog, p, collection)?;
        self.store()
            .steps(&readable.name, id)
            .await
            .map_err(|e| storage(&e))
    }
}

impl<'a> Readable<'a> {
    pub(crate) fn sight(&self, p: &Principal) -> Sight<'a> {
        Sight::of(self.def, self.collection, p)
    }
}

pub(crate) fn readable<'a>(
    catalog: &'a crate::Catalog,
    p: &Principal,
    name: &str,
) -> Result<Readable<'a>, Fault> {
    let (installed, collection) = catalog.collection(name).ok_or_else(Fault::not_found)?;
    if !installed.visible(p) && p.module.is_none() {
        return Err(Fault::not_found());
    }
    let rows = permitted(&installed.def, p, &collection.read)?;
    let name = CollectionName::new(&installed.def.id, &collection.name);
    Ok(Readable {
        name,
        def: &installed.def,
        collection,
        rows,
    })
}

/// The rows a permission reaches, or the refusal.
pub(crate) fn permitted(
    def: &ModuleDef,
    p: &Principal,
    permission: &str,
) -> Result<RowFilter, Fault> {
    let declared = def.permission(permission).ok_or_else(Fault::not_found)?;
    match decide(p, &def.id, declared) {
        Decision::Allow(rows) => Ok(rows),
        Decision::Deny(Denial::Anonymous) => Err(Fault::new(
            FaultKind::Forbidden,
            "unauthenticated",
            "请先登录",
        )),
        Decision::Deny(Denial::Duty(duty)) => Err(Fault::new(
            FaultKind::Forbidden,
            duty.code(),
            duty.message(),
        )),
        Decision::Deny(Denial::NoGrant) => Err(Fault::forbidden(format!(
            "您的岗位没有“{}”的权限",
            declared.label.zh
        ))),
    }
}

/// A question the store refused: the caller's mistake, or the store's failure.
pub(crate) fn ask(error: &QueryError) -> Fault {
    match error {
        QueryError::Storage(e) => storage(e),
        QueryError::UnknownCollection(_) => Fault::not_found(),
        other => Fault::new(FaultKind::Invalid, "bad-query", other.to_string()),
    }
}

/// The store's failure: the log has the chain, the caller a sentence.
pub(crate) fn storage(error: &kernel_storage::StorageError) -> Fault {
    tracing::error!(error = chain(error), "the store failed");
    Fault::new(
        FaultKind::Unavailable,
        "storage-unavailable",
        "数据服务暂时不可用，请稍后再试",
    )
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        line.push_str(": ");
        line.push_str(&source.to_string());
        cause = source.source();
    }
    line
}
