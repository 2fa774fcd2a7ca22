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
    /// Text of a closed list: equal or not, but neither greater nor partly.
    Word,
    Integer,
    /// Units of the last digit.
    Scaled(u8),
    /// Text, `YYYY-MM-DD`.
    Date,
    /// Text, `YYYY-MM`.
    Month,
    /// Canonical JSON text of an array of texts.
    Tags,
    /// Microseconds since 1970.
    Datetime,
    Bool,
    /// Canonical JSON text.
    Json,
    /// Ciphertext of the canonical JSON of the value.
    Sealed,
    /// Keyed digest of the canonical JSON of a sealed value; never read back.
    Blind,
}

impl Storage {
    /// Whether its columns may be grouped by.
    pub(crate) const fn groups(self) -> bool {
        !matches!(self, Self::Sealed | Self::Json | Self::Tags | Self::Blind)
    }
    /// Whether its columns have an order that means something.
    pub(crate) const fn ranges(self) -> bool {
        self.groups() && !matches!(self, Self::Bool | Self::Uuid | Self::Word)
    }
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

/// A rows field: its rows are in a table of their own.
#[derive(Debug)]
pub(crate) struct RowsField {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) frozen: bool,
    pub(crate) table: Table,
}

/// A column of keyed digests beside an encrypted field.
#[derive(Debug, Clone)]
pub(crate) struct BlindField {
    /// The encrypted field.
    pub(crate) of: String,
    pub(crate) column: Column,
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
    /// Whether its records may be deleted: then it has the column [`ROW_DELETED`].
    pub(crate) deletes: bool,
    /// System columns first, then fields as declared; all that a record is read from.
    pub(crate) columns: Vec<Column>,
    pub(crate) blinds: Vec<BlindField>,
    pub(crate) rows: Vec<RowsField>,
    /// Columns of the primary key, in order.
    pub(crate) key: Vec<String>,
    /// The table whose record a row belongs to, by the first columns of the key.
    pub(crate) parent: Option<String>,
    pub(crate) indexes: Vec<Index>,
    /// As declared. Of a table of rows, only its fields count.
    pub(crate) def: Arc<CollectionDef>,
    /// Whether a field is made of others when it is read.
    pub(crate) computes: bool,
}

/// Columns of a table of rows, before the row's fields. Fields have no double underscore.
pub(crate) const ROW_SHARD: &str = "row__shard";
pub(crate) const ROW_RECORD: &str = "row__record";
pub(crate) const ROW_POSITION: &str = "row__position";
/// When a record was deleted; null while it is there. Beside the columns that a record is read from.
pub(crate) const ROW_DELETED: &str = "row__deleted";

/// The column of that name.
pub(crate) fn deleted_column() -> Column {
    plain_column(ROW_DELETED, Storage::Datetime)
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
            crate::lint::table(&table);
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
            .chain(def.fields.iter().filter_map(|f| column(module, f)));
        let rows = def.fields.iter().filter_map(|f| match &f.kind {
            Kind::Rows { fields, .. } => Some(RowsField {
                name: f.name.clone(),
                required: f.required,
                frozen: f.frozen,
                table: Self::of_rows(module, def, &f.name, fields),
            }),
            _ => None,
        });
        let shard = shard_column(def.shard).map(str::to_owned);
        Self {
            indexes: indexes(&table, def),
            shard: def.shard,
            audited: def.audited,
            deletes: def.keep_deleted.is_some(),
            columns: columns.collect(),
            blinds: def.fields.iter().filter_map(blind).collect(),
            rows: rows.collect(),
            key: shard.into_iter().chain(["id".to_owned()]).collect(),
            parent: None,
            computes: def
                .fields
                .iter()
                .any(|f| matches!(f.kind, Kind::Computed { .. })),
            def: Arc::new(def.clone()),
            sql_name: table,
            name,
        }
    }

    /// The table of a rows field. It hangs on the shard key of the record.
    fn of_rows(module: &str, def: &CollectionDef, field: &str, fields: &[FieldDef]) -> Self {
        let parent = table_name(&CollectionName::new(module, &def.name));
        let sql_name = rows_table_name(&parent, field);
        let system = |name: &str, storage| Column {
            required: true,
            ..plain_column(name, storage)
        };
        let sharded = shard_column(def.shard).is_some();
        let mut columns = Vec::new();
        if sharded {
            columns.push(system(ROW_SHARD, Storage::Uuid));
        }
        columns.push(system(ROW_RECORD, Storage::Uuid));
        columns.push(system(ROW_POSITION, Storage::Integer));
        let key = columns.iter().map(|c| c.name.clone()).collect();
        // The primary key of an unsharded one begins with the record.
        let by_record = vec![ROW_RECORD.to_owned(), ROW_POSITION.to_owned()];
        let indexes = sharded.then(|| Index {
            name: index_name(&sql_name, &by_record, false),
            fields: by_record,
            unique: false,
        });
        columns.extend(fields.iter().filter_map(|f| column(module, f)));
        let def = CollectionDef {
            name: format!("{}.{field}", def.name),
            fields: fields.to_vec(),
            indexes: Vec::new(),
            unique: Vec::new(),
            audited: false,
            keep_deleted: None,
            ..def.clone()
        };
        Self {
            name: CollectionName::new(module, &def.name),
            shard: def.shard,
            audited: false,
            deletes: false,
            columns,
            blinds: Vec::new(),
            rows: Vec::new(),
            key,
            parent: Some(parent),
            indexes: indexes.into_iter().collect(),
            def: Arc::new(def),
            computes: false,
            sql_name,
        }
    }

    pub(crate) fn rows_field(&self, name: &str) -> Option<&RowsField> {
        self.rows.iter().find(|r| r.name == name)
    }

    pub(crate) fn blind_of(&self, field: &str) -> Option<&BlindField> {
        self.blinds.iter().find(|b| b.of == field)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The system column that leads the primary key, where it is not the id itself.
    pub(crate) fn shard_column(&self) -> Option<&'static str> {
        match self.parent {
            None => shard_column(self.shard),
            Some(_) => self.column(ROW_SHARD).map(|_| ROW_SHARD),
        }
    }
}

pub(crate) const fn shard_column(shard: Shard) -> Option<&'static str> {
    match shard {
        Shard::Subject => Some("subject"),
        Shard::Organisation => Some("organisation"),
        Shard::Aggregate | Shard::Reference => None,
    }
}

/// `<table>__<field>`, within the 63 bytes that `PostgreSQL` keeps of a name.
fn rows_table_name(parent: &str, field: &str) -> String {
    let full = format!("{parent}__{field}");
    if full.len() <= 60 {
        return full;
    }
    let digest = kernel_crypto::sm3::digest(full.as_bytes()).to_string();
    let head: String = full.chars().take(50).collect();
    let tail: String = digest.chars().take(8).collect();
    format!("{head}_{tail}")
}

/// `<module>__<plural>` with dashes as underscores.
pub(crate) fn table_name(name: &CollectionName) -> String {
    format!("{}__{}", name.module, name.collection).replace('-', "_")
}

/// How a kind's column keeps its values; none for what has no column.
pub(crate) fn storage_of(kind: &Kind) -> Option<Storage> {
    Some(match kind {
        Kind::Text { .. } | Kind::Code { .. } => Storage::Text,
        Kind::Choice { .. } => Storage::Word,
        Kind::Integer { .. } => Storage::Integer,
        Kind::Decimal { scale, .. } => Storage::Scaled(*scale),
        Kind::Money { .. } => Storage::Scaled(2),
        Kind::Date => Storage::Date,
        Kind::Month => Storage::Month,
        Kind::Datetime => Storage::Datetime,
        Kind::MultiChoice { .. } => Storage::Tags,
        Kind::Bool => Storage::Bool,
        Kind::Ref { .. } => Storage::Uuid,
        Kind::File { .. } | Kind::Json => Storage::Json,
        Kind::Rows { .. } | Kind::Computed { .. } => return None,
    })
}

/// The name of the column of digests beside an encrypted field.
pub(crate) fn blind_name(field: &str) -> String {
    format!("{field}__blind")
}

fn blind(field: &FieldDef) -> Option<BlindField> {
    field.blind.then(|| BlindField {
        of: field.name.clone(),
        column: plain_column(&blind_name(&field.name), Storage::Blind),
    })
}

fn column(module: &str, field: &FieldDef) -> Option<Column> {
    let wire = storage_of(&field.kind)?;
    Some(Column {
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
    })
}

fn plain_column(name: &str, storage: Storage) -> Column {
    Column {
        name: name.to_owned(),
        storage,
        wire: storage,
        required: false,
        frozen: true,
        system: true,
        refers: None,
    }
}

/// In the order of [`sdk_contract::def::SYSTEM_FIELDS`].
fn system_columns() -> [Column; 9] {
    let column = |name: &str, storage, required| Column {
        required,
        ..plain_column(name, storage)
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
        .map(|f| vec![stored_name(f)])
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
    let blind = def.fields.iter().filter(|f| f.blind && !f.unique);
    plain.extend(blind.map(|f| vec![stored_name(f), "id".to_owned()]));
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

/// The column that equality is asked of.
fn stored_name(field: &FieldDef) -> String {
    if field.blind {
        blind_name(&field.name)
    } else {
        field.name.clone()
    }
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
