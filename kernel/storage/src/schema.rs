//! Declared collections, resolved: which table, which columns, how each value is kept.
//!
//! Built from a module's declaration once it has passed [`crate::plan`]; read by every statement.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, Shard};
use sdk_contract::kind::Kind;

/// A collection by its full name, `<module>.<plural>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName {
    pub module: String,
    pub collection: String,
}

impl CollectionName {
    pub fn new(module: impl Into<String>, collection: impl Into<String>) -> Self {
        Self {
            module: module.into(),
            collection: collection.into(),
        }
    }

    /// Reads a name as a module writes it: bare names are its own.
    pub fn within(module: &str, name: &str) -> Self {
        match name.split_once('.') {
            Some((other, collection)) => Self::new(other, collection),
            None => Self::new(module, name),
        }
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.collection)
    }
}

impl FromStr for CollectionName {
    type Err = crate::QueryError;

    /// Only the full name; a bare one has no module to belong to.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (module, collection) = s
            .split_once('.')
            .ok_or_else(|| crate::QueryError::UnknownCollection(s.to_owned()))?;
        Ok(Self::new(module, collection))
    }
}

/// How a column keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Uuid,
    Text,
    Integer,
    /// Units of the last digit.
    Scaled(u8),
    /// Text, `YYYY-MM-DD`.
    Date,
    /// Microseconds since 1970.
    Datetime,
    Bool,
    /// Canonical JSON text.
    Json,
    /// Ciphertext of the canonical JSON of the value.
    Sealed,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) storage: Storage,
    /// The shape of the value in wire form, also when it is kept sealed.
    pub(crate) wire: Storage,
    pub(crate) required: bool,
    pub(crate) frozen: bool,
    pub(crate) system: bool,
    pub(crate) refers: Option<CollectionName>,
}

/// An index the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
    pub(crate) unique: bool,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: CollectionName,
    /// The table's name in the database.
    pub(crate) sql_name: String,
    pub(crate) shard: Shard,
    pub(crate) audited: bool,
    /// System columns first, then fields as declared.
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
}

/// All collections of all applied modules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    tables: BTreeMap<CollectionName, Arc<Table>>,
}

impl Registry {
    pub(crate) fn of(modules: &[ModuleDef]) -> Self {
        let mut all = Self::default();
        for module in modules {
            all.put(module);
        }
        all
    }

    /// Replaces what is known of a module.
    pub(crate) fn put(&mut self, module: &ModuleDef) {
        self.tables.retain(|name, _| name.module != module.id);
        for collection in &module.collections {
            let table = Table::of(&module.id, collection);
            self.tables.insert(table.name.clone(), Arc::new(table));
        }
    }

    pub(crate) fn table(&self, name: &CollectionName) -> Option<Arc<Table>> {
        self.tables.get(name).map(Arc::clone)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }
}

impl Table {
    pub(crate) fn of(module: &str, def: &CollectionDef) -> Self {
        let name = CollectionName::new(module, &def.name);
        let table = table_name(&name);
        let columns = system_columns()
            .into_iter()
            .chain(def.fields.iter().map(|f| column(module, f)));
        Self {
            indexes: indexes(&table, def),
            sql_name: table,
            shard: def.shard,
            audited: def.audited,
            columns: columns.collect(),
            name,
        }
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The system column that leads the primary key, where it is not the id itself.
    pub(crate) fn shard_column(&self) -> Option<&'static str> {
        match self.shard {
            Shard::Subject => Some("subject"),
            Shard::Organisation => Some("organisation"),
            Shard::Aggregate | Shard::Reference => None,
        }
    }
}

/// `<module>__<plural>` with dashes as underscores.
pub(crate) fn table_name(name: &CollectionName) -> String {
    format!("{}__{}", name.module, name.collection).replace('-', "_")
}

pub(crate) fn storage_of(kind: &Kind) -> Storage {
    match kind {
        Kind::Text { .. } | Kind::Code { .. } | Kind::Choice { .. } => Storage::Text,
        Kind::Integer { .. } => Storage::Integer,
        Kind::Decimal { scale, .. } => Storage::Scaled(*scale),
        Kind::Money { .. } => Storage::Scaled(2),
        Kind::Date => Storage::Date,
        Kind::Datetime => Storage::Datetime,
        Kind::Bool => Storage::Bool,
        Kind::Ref { .. } => Storage::Uuid,
        Kind::Json => Storage::Json,
    }
}

fn column(module: &str, field: &FieldDef) -> Column {
    let wire = storage_of(&field.kind);
    Column {
        name: field.name.clone(),
        storage: if field.encrypted {
            Storage::Sealed
        } else {
            wire
        },
        wire,
        required: field.required,
        frozen: field.frozen,
        system: false,
        refers: match &field.kind {
            Kind::Ref { to } => Some(CollectionName::within(module, to)),
            _ => None,
        },
    }
}

/// In the order of [`sdk_contract::def::SYSTEM_FIELDS`].
fn system_columns() -> [Column; 9] {
    let column = |name: &str, storage, required| Column {
        name: name.to_owned(),
        storage,
        wire: storage,
        required,
        frozen: true,
        system: true,
        refers: None,
    };
    [
        column("id", Storage::Uuid, true),
        column("revision", Storage::Integer, true),
        column("subject", Storage::Uuid, false),
        column("organisation", Storage::Uuid, false),
        column("district", Storage::Text, false),
        column("created_at", Storage::Datetime, true),
        column("created_by", Storage::Text, true),
        column("updated_at", Storage::Datetime, true),
        column("updated_by", Storage::Text, true),
    ]
}

/// The declared keys and indexes, and those every table has for the row scopes.
fn indexes(table: &str, def: &CollectionDef) -> Vec<Index> {
    let owned = |fields: &[&str]| fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
    let unique = def
        .fields
        .iter()
        .filter(|f| f.unique)
        .map(|f| vec![f.name.clone()])
        .chain(def.unique.iter().cloned())
        .map(|fields| (fields, true));
    // The primary key already serves what it starts with.
    let mut plain = vec![owned(&["created_at", "id"])];
    match def.shard {
        Shard::Subject => plain.extend([owned(&["id"]), owned(&["organisation", "id"])]),
        Shard::Organisation => plain.extend([owned(&["id"]), owned(&["subject", "id"])]),
        Shard::Aggregate => {
            plain.extend([owned(&["subject", "id"]), owned(&["organisation", "id"])]);
        }
        Shard::Reference => {}
    }
    let plain = plain
        .into_iter()
        .chain(def.indexes.iter().map(|declared| {
            let mut fields = declared.clone();
            if !fields.iter().any(|f| f == "id") {
                fields.push("id".to_owned());
            }
            fields
        }))
        .map(|fields| (fields, false));

    let mut indexes: Vec<Index> = Vec::new();
    for (fields, unique) in unique.chain(plain) {
        let name = index_name(table, &fields, unique);
        if !indexes.iter().any(|i| i.name == name) {
            indexes.push(Index {
                name,
                fields,
                unique,
            });
        }
    }
    indexes
}

/// Readable, stable, and within the 63 bytes that `PostgreSQL` keeps of a name.
fn index_name(table: &str, fields: &[String], unique: bool) -> String {
    let prefix = if unique { "ux" } else { "ix" };
    let full = format!("{prefix}_{table}_{}", fields.join("_"));
    let digest = kernel_crypto::sm3::digest(format!("{table} {}", fields.join(" ")).as_bytes());
    let digest: String = digest.to_string().chars().take(8).collect();
    // Names are ASCII: the plan refuses others.
    let head: String = full.chars().take(50).collect();
    format!("{head}_{digest}")
}
