//! Reading declared collections as a principal: permission, row scope, masks. Nobody reads
//! another way, guests included.

use kernel_identity::decide::{Decision, Denial, decide};
use kernel_identity::module::{MODULE, REQUESTS};
use kernel_identity::principal::Principal;
use kernel_identity::two_person::Request;
use kernel_storage::{CollectionName, QueryError, Record, RowFilter, is_id};
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS, Shard};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::listing::Listing;
use sdk_contract::query::{
    Aggregate, AlteredRecord, Filter, Found, Group, MAX_WITH, Query, Step, With,
};
use serde_json::{Map, Value};

use crate::Host;
use crate::mask::{Sight, sees};
use crate::module::Call;

/// A collection as one principal may read it.
pub(crate) struct Readable<'a> {
    pub(crate) name: CollectionName,
    pub(crate) def: &'a ModuleDef,
    pub(crate) collection: &'a CollectionDef,
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

    /// A page of records, to decide by: refused with one that is not as the platform wrote it, which
    /// [`Host::list`] names.
    pub async fn find(&self, p: &Principal, query: Query) -> Result<Found, Fault> {
        let found = self.list(p, query).await?;
        if found.altered.is_empty() {
            Ok(found)
        } else {
            Err(altered())
        }
    }

    /// The same for whatever a module draws. On a page those that are not as the platform wrote them
    /// are told of beside it; an action has nothing to do with them, unless it says that each record
    /// stands for itself.
    pub(crate) async fn listed(&self, call: &Call, query: Query) -> Result<Found, Fault> {
        let (name, apart) = (query.collection.clone(), query.apart);
        let found = self.list(&call.principal, query).await?;
        for one in &found.altered {
            match call.leave_out(one) {
                Err(_) if apart => {}
                left_out => left_out?,
            }
        }
        if let Some((_, c)) = self.catalog().collection(&name) {
            call.seen.data_of(c, &found.records);
        }
        Ok(found)
    }

    /// A page of records, to show. Fields of referred records come along as far as the principal may
    /// read those records. Of what is not as the platform wrote it only the names come.
    pub async fn list(&self, p: &Principal, mut query: Query) -> Result<Found, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, &query.collection)?;
        let retired = match query.as_of {
            Some(_) => self.store().retired(&readable.name),
            None => Vec::new(),
        };
        let mut sight = readable.sight(p).and_retired(readable.def, &retired, p);
        if query.as_of.is_some() {
            sight = sight.of_then();
        }
        sight.narrow(readable.collection, query.filter.as_mut(), &readable.rows)?;
        sight.may_query(&query, &readable.rows)?;
        let joins = readable.joins(&query)?;
        let mut found = self
            .store()
            .list(&query, &readable.rows)
            .await
            .map_err(|e| ask(&e))?;
        // Before references are followed: a masked one leads nowhere.
        for record in &mut found.records {
            sight.mask(record);
        }
        for join in &joins {
            let altered = self.join(&catalog, p, join, &mut found.records).await?;
            found.altered.extend(altered);
        }
        Ok(found)
    }

    /// A record of the kernel's own, whole, for its own checks.
    pub(crate) async fn kept(
        &self,
        module: &str,
        collection: &str,
        id: &str,
    ) -> Result<Option<Record>, Fault> {
        let name = CollectionName::new(module, collection);
        let found = self.store().get(&name, id, &Self::KERNEL).await;
        found.map_err(|e| ask(&e))
    }

    /// What somebody asked a second person for.
    pub(crate) async fn request(&self, id: &str) -> Result<Option<Request>, Fault> {
        let row = self.kept(MODULE, REQUESTS, id).await?;
        Ok(row.as_ref().map(Request::read))
    }

    /// Records that a program or a person has read records of others through the API, before they
    /// are answered with: of an audited collection about parties, by anybody but the party itself.
    /// `what` is the record's id, or the question; `parties` are whose records they are.
    pub async fn viewed<'p>(
        &self,
        p: &Principal,
        collection: &str,
        (action, what): (&str, &str),
        (count, parties): (usize, impl IntoIterator<Item = &'p str> + Send),
    ) -> Result<(), Fault> {
        let catalog = self.catalog();
        let (_, declared) = catalog
            .collection(collection)
            .ok_or_else(Fault::not_found)?;
        if !declared.audited || declared.shard != Shard::Subject {
            return Ok(());
        }
        let rows = readable(&catalog, p, collection)?.rows;
        if matches!(rows, RowFilter::Subject(_) | RowFilter::None) {
            return Ok(());
        }
        let call = self.call(p)?;
        call.seen.parties(parties);
        let detail = serde_json::json!({ "collection": collection, "count": count });
        self.audit(&call, action, what, "ok", detail).await
    }

    /// The party whose data a record is, deleted or not; none of other records.
    pub async fn party(&self, collection: &str, id: &str) -> Result<Option<String>, Fault> {
        let catalog = self.catalog();
        let Some((_, declared)) = catalog.collection(collection) else {
            return Ok(None);
        };
        if declared.shard != Shard::Subject {
            return Ok(None);
        }
        let name: CollectionName = collection.parse().map_err(|e| ask(&e))?;
        let record = self.store().get_kept(&name, id, &Self::KERNEL).await;
        let record = record.map_err(|e| ask(&e))?;
        Ok(record.and_then(|r| Some(r.get("subject")?.as_str()?.to_owned())))
    }

    /// The collection that a ref field of a readable collection names.
    pub(crate) fn refers_to(
        &self,
        p: &Principal,
        collection: &str,
        field: &str,
    ) -> Result<String, Fault> {
        let catalog = self.catalog();
        let to = readable(&catalog, p, collection)?.refers_to(field);
        to.ok_or_else(|| {
            let what = format!("{field} refers to nothing");
            Fault::new(FaultKind::Invalid, "bad-query", what)
        })
    }

    /// Reads along what a ref field of these records names, masked as they are. Whatever the principal
    /// may not read, the collection or single records of it, is null, and so is what is not as the
    /// platform wrote it: that is named.
    async fn join(
        &self,
        catalog: &crate::Catalog,
        p: &Principal,
        join: &Join<'_>,
        records: &mut [Map<String, Value>],
    ) -> Result<Vec<AlteredRecord>, Fault> {
        let mut ids: Vec<String> = records
            .iter()
            .filter_map(|r| r.get(join.field)?.as_str())
            // What a mask leaves of an id is none.
            .filter(|id| is_id(id))
            .map(str::to_owned)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let target = readable(catalog, p, &join.to);
        if let Ok(target) = &target {
            for name in join.read {
                target.knows(name)?;
            }
        }
        let mut read = std::collections::BTreeMap::new();
        let mut altered = Vec::new();
        if let (Ok(target), false) = (&target, ids.is_empty()) {
            let query = Query {
                limit: sdk_contract::query::MAX_LIMIT,
                ..Query::new(&join.to).filter(Filter::In {
                    field: "id".into(),
                    values: ids.into_iter().map(Value::from).collect(),
                })
            };
            let sight = target.sight(p);
            let found = self.store().list(&query, &target.rows).await;
            let found = found.map_err(|e| ask(&e))?;
            altered = found.altered;
            for mut record in found.records {
                sight.mask(&mut record);
                let id = record.get("id").and_then(Value::as_str).unwrap_or_default();
                read.insert(id.to_owned(), record);
            }
        }
        for record in records {
            let named = record.get(join.field).and_then(Value::as_str);
            let other = named.and_then(|id| read.get(id));
            let values: Vec<Value> = join
                .read
                .iter()
                .map(|name| other.and_then(|o| o.get(name)).cloned().unwrap_or_default())
                .collect();
            for (name, value) in join.read.iter().zip(values) {
                record.insert(format!("{}.{name}", join.field), value);
            }
        }
        Ok(altered)
    }

    pub async fn aggregate(
        &self,
        p: &Principal,
        mut aggregate: Aggregate,
    ) -> Result<Vec<Group>, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, &aggregate.collection)?;
        let sight = readable.sight(p);
        sight.narrow(
            readable.collection,
            aggregate.filter.as_mut(),
            &readable.rows,
        )?;
        sight.may_aggregate(&aggregate, &readable.rows)?;
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

/// A reference to follow: from a field, to a collection, reading some fields there.
struct Join<'q> {
    field: &'q str,
    to: String,
    read: &'q [String],
}

impl Readable<'_> {
    /// Refuses a name that is no field.
    fn knows(&self, name: &str) -> Result<(), Fault> {
        if SYSTEM_FIELDS.contains(&name) || self.collection.field(name).is_some() {
            return Ok(());
        }
        let what = format!("{} has no field {name}", self.name);
        Err(Fault::new(FaultKind::Invalid, "bad-query", what))
    }

    /// The references that a query follows.
    fn joins<'q>(&self, query: &'q Query) -> Result<Vec<Join<'q>>, Fault> {
        let bad = |what: String| Fault::new(FaultKind::Invalid, "bad-query", what);
        if query.with.len() > MAX_WITH {
            return Err(bad(format!("at most {MAX_WITH} references")));
        }
        let join = |with: &'q With| {
            let to = self.refers_to(&with.field);
            let to = to.ok_or_else(|| bad(format!("{} refers to nothing", with.field)))?;
            Ok(Join {
                field: &with.field,
                to,
                read: &with.read,
            })
        };
        query.with.iter().map(join).collect()
    }

    /// The full name of the collection that a field refers to.
    pub(crate) fn refers_to(&self, field: &str) -> Option<String> {
        match &self.collection.field(field)?.kind {
            Kind::Ref { to } => Some(CollectionName::within(&self.def.id, to).to_string()),
            _ => None,
        }
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
    if installed.suspended.contains(&collection.name) {
        return Err(crate::data::suspended());
    }
    let name = CollectionName::new(&installed.def.id, &collection.name);
    Ok(Readable {
        name,
        def: &installed.def,
        collection,
        rows,
    })
}

/// What a principal asks a list for; every wrong parameter is named.
pub fn listing(
    def: &ModuleDef,
    c: &CollectionDef,
    p: &Principal,
    pairs: &[(String, String)],
) -> Result<Listing, Vec<FieldFault>> {
    let sees = |field: &FieldDef| sees(def, field, p);
    sdk_contract::listing::listing(def, c, &sees, pairs)
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
        QueryError::Indexing(_) => Fault::new(
            FaultKind::Unavailable,
            "search-building",
            "搜索索引正在建立，请稍后再搜；列表和筛选可以照常使用",
        ),
        QueryError::BadCursor => Fault::new(
            FaultKind::Invalid,
            "bad-cursor",
            "翻页标记不属于这次查询，请从第一页重新开始",
        ),
        other => Fault::new(FaultKind::Invalid, "bad-query", other.to_string()),
    }
}

/// The store's failure: the log has the chain, the caller a sentence.
pub(crate) fn storage(error: &kernel_storage::StorageError) -> Fault {
    tracing::error!(error = chain(error), "the store failed");
    if matches!(error, kernel_storage::StorageError::Altered { .. }) {
        return altered();
    }
    Fault::new(
        FaultKind::Unavailable,
        "storage-unavailable",
        "数据服务暂时不可用，请稍后再试",
    )
}

/// The code of [`altered`].
pub(crate) const ALTERED: &str = "record-altered";

/// What is not as the platform wrote it is not used.
pub(crate) fn altered() -> Fault {
    Fault::new(
        FaultKind::Unavailable,
        ALTERED,
        "数据与平台写入时不一致，已停止使用并告警，请联系平台运维人员",
    )
}

/// An error and all its causes on one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        line.push_str(": ");
        line.push_str(&source.to_string());
        cause = source.source();
    }
    line
}
