//! Declared collections, resolved: which table, which columns, how each value is kept.
//!
//! Built from a module's declaration once it has passed [`crate::plan`]; read by every statement.

mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sdk_contract::def::{CollectionDef, FieldDef, Shard};
use sdk_contract::kind::Kind;
use serde_json::Value as Json;

pub(crate) use self::names::{blind_name, table_name};
use self::names::{index_name, indexes, rows_table_name};
use crate::layout::{KEPT, Kept, Places, Stored, key};

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
    /// As the field is called.
    pub(crate) name: String,
    /// As the column is called in the database: what statements and ciphertexts name.
    pub(crate) stored: String,
    pub(crate) storage: Storage,
    /// The shape of the value in wire form, also when it is kept sealed.
    pub(crate) wire: Storage,
    pub(crate) required: bool,
    pub(crate) frozen: bool,
    pub(crate) system: bool,
    pub(crate) refers: Option<CollectionName>,
}

impl Column {
    /// What histories call its values.
    pub(crate) fn key(&self) -> &str {
        key(&self.stored)
    }

    /// The column that its ciphertexts are bound to: what was kept beside a converted one was sealed
    /// under the name of before.
    pub(crate) fn bound(&self) -> &str {
        self.stored.strip_suffix(KEPT).unwrap_or(&self.stored)
    }
}

/// A rows field: its rows are in a table of their own.
#[derive(Debug)]
pub(crate) struct RowsField {
    pub(crate) name: String,
    /// What histories call its rows.
    pub(crate) key: String,
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
    /// The name it first had: of its table, and in what the kernel keeps of its records.
    pub(crate) first: CollectionName,
    /// The table's name in the database.
    pub(crate) sql_name: String,
    pub(crate) shard: Shard,
    pub(crate) audited: bool,
    /// Whether its records may be deleted: then it has the column [`ROW_DELETED`].
    pub(crate) deletes: bool,
    /// The column of codes, where its records are attested.
    pub(crate) code: Option<Column>,
    /// System columns first, then fields as declared; all that a record is read from.
    pub(crate) columns: Vec<Column>,
    pub(crate) blinds: Vec<BlindField>,
    pub(crate) rows: Vec<RowsField>,
    pub(crate) retired: Retired,
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

/// What a table holds besides its record: fields out of use, and what fields held before they were
/// converted.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    pub(crate) fields: Vec<FieldDef>,
    pub(crate) columns: Vec<Column>,
    pub(crate) blinds: Vec<BlindField>,
    pub(crate) rows: Vec<RowsField>,
    pub(crate) kept: Vec<Column>,
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

/// A column of codes; they are compared and never answered with, as digests are.
pub(crate) fn code_column(name: &str) -> Column {
    plain_column(name, Storage::Blind)
}

/// How far a record is converted: the revision of it that was. Only while values are.
pub(crate) const ROW_CONVERTED: &str = "row__converted";

/// The column of that name.
pub(crate) fn converted_column() -> Column {
    plain_column(ROW_CONVERTED, Storage::Integer)
}

/// All collections of all applied modules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    tables: BTreeMap<CollectionName, Arc<Table>>,
    retired: BTreeMap<CollectionName, Arc<Table>>,
    /// Names that collections had before, with those they have now.
    former: BTreeMap<CollectionName, CollectionName>,
}

impl Registry {
    pub(crate) fn of(modules: &[Stored]) -> Self {
        let mut all = Self::default();
        for module in modules {
            all.put(module);
        }
        all
    }

    /// Replaces what is known of a module.
    pub(crate) fn put(&mut self, module: &Stored) {
        let id = &module.def.id;
        self.tables.retain(|name, _| name.module != *id);
        self.retired.retain(|name, _| name.module != *id);
        self.former.retain(|name, _| name.module != *id);
        for (before, now) in module.layout.former() {
            let full = |name| CollectionName::new(id, name);
            self.former.insert(full(before), full(now));
        }
        for table in module.tables() {
            crate::lint::table(&table);
            self.tables.insert(table.name.clone(), Arc::new(table));
        }
        for table in module.retired_tables() {
            crate::lint::table(&table);
            self.retired.insert(table.name.clone(), Arc::new(table));
        }
    }

    /// By the name it has or once had: what is kept or still on its way may have that.
    pub(crate) fn table(&self, name: &CollectionName) -> Option<Arc<Table>> {
        self.tables.get(self.today(name)).map(Arc::clone)
    }

    /// What a collection is called now.
    fn today<'a>(&'a self, name: &'a CollectionName) -> &'a CollectionName {
        self.former.get(name).unwrap_or(name)
    }

    /// Names that a module's collections had before, with those they have now.
    pub(crate) fn former(&self, module: &str) -> BTreeMap<String, String> {
        let own = self.former.iter().filter(|(name, _)| name.module == module);
        own.map(|(before, now)| (before.collection.clone(), now.collection.clone()))
            .collect()
    }

    /// What the kernel keeps of a collection's records is kept under this name.
    pub(crate) fn first(&self, name: &CollectionName) -> CollectionName {
        let name = self.today(name);
        let table = self.tables.get(name).or_else(|| self.retired.get(name));
        table.map_or_else(|| name.clone(), |table| table.first.clone())
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// Those that are retired, too.
    pub(crate) fn all_tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values().chain(self.retired.values())
    }
}

impl Stored {
    pub(crate) fn tables(&self) -> impl Iterator<Item = Table> {
        let all = self.def.collections.iter();
        all.map(|c| Table::of(&self.def.id, c, &self.layout.of(&c.name)))
    }

    pub(crate) fn retired_tables(&self) -> impl Iterator<Item = Table> {
        let all = self.layout.retired.values();
        all.map(|c| Table::of(&self.def.id, c, &self.layout.of(&c.name)))
    }
}

impl Retired {
    /// All of it but rows.
    fn of(module: &str, places: &Places) -> Self {
        let fields: Vec<FieldDef> = places.retired.values().cloned().collect();
        let at = |f: &FieldDef| places.column(&f.name).to_owned();
        let columns = fields.iter().filter_map(|f| column(module, f, &at(f)));
        Self {
            columns: columns.collect(),
            blinds: fields.iter().filter_map(|f| blind(f, &at(f))).collect(),
            rows: Vec::new(),
            kept: places.kept.values().filter_map(kept).collect(),
            fields,
        }
    }
}

impl Table {
    pub(crate) fn of(module: &str, def: &CollectionDef, places: &Places) -> Self {
        let name = CollectionName::new(module, &def.name);
        let first = CollectionName::new(module, places.first(&def.name));
        let table = table_name(&first);
        let at = |f: &FieldDef| places.column(&f.name).to_owned();
        let columns = system_columns()
            .into_iter()
            .chain(def.fields.iter().filter_map(|f| column(module, f, &at(f))));
        let rows = |f: &FieldDef| match &f.kind {
            Kind::Rows { fields, .. } => Some(RowsField {
                name: f.name.clone(),
                key: key(&at(f)).to_owned(),
                required: f.required,
                frozen: f.frozen,
                table: Self::of_rows((module, def, &table), f, fields, places),
            }),
            _ => None,
        };
        let retired = Retired {
            rows: places.retired.values().filter_map(rows).collect(),
            ..Retired::of(module, places)
        };
        let rows: Vec<RowsField> = def.fields.iter().filter_map(rows).collect();
        let shard = shard_column(def.shard).map(str::to_owned);
        Self {
            indexes: indexes(&table, def, places),
            shard: def.shard,
            audited: def.audited,
            deletes: def.keep_deleted.is_some(),
            code: def.attested.then(|| code_column(&places.code())),
            columns: columns.collect(),
            blinds: def.fields.iter().filter_map(|f| blind(f, &at(f))).collect(),
            rows,
            retired,
            key: shard.into_iter().chain(["id".to_owned()]).collect(),
            parent: None,
            computes: def
                .fields
                .iter()
                .any(|f| matches!(f.kind, Kind::Computed { .. })),
            def: Arc::new(def.clone()),
            sql_name: table,
            first,
            name,
        }
    }

    /// The table of a rows field. It hangs on the shard key of the record.
    fn of_rows(
        (module, def, parent): (&str, &CollectionDef, &str),
        field: &FieldDef,
        fields: &[FieldDef],
        places: &Places,
    ) -> Self {
        let sql_name = rows_table_name(parent, places.column(&field.name));
        let places = places.rows(&field.name);
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
        let at = |f: &FieldDef| column(module, f, places.column(&f.name));
        columns.extend(fields.iter().filter_map(at));
        let def = CollectionDef {
            name: format!("{}.{}", def.name, field.name),
            fields: fields.to_vec(),
            indexes: Vec::new(),
            unique: Vec::new(),
            audited: false,
            attested: false,
            keep_deleted: None,
            retention: None,
            ..def.clone()
        };
        let name = CollectionName::new(module, &def.name);
        Self {
            first: name.clone(),
            name,
            shard: def.shard,
            audited: false,
            deletes: false,
            code: None,
            columns,
            blinds: Vec::new(),
            rows: Vec::new(),
            retired: Retired::of(module, &places),
            key,
            parent: Some(parent.to_owned()),
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

    /// Everything the table has in the database.
    pub(crate) fn stored(&self) -> Vec<Column> {
        let blinds = self.blinds.iter().chain(&self.retired.blinds);
        let mut all: Vec<Column> = self.columns.clone();
        all.extend(blinds.map(|b| b.column.clone()));
        all.extend(self.retired.columns.iter().cloned());
        all.extend(self.retired.kept.iter().cloned());
        all.extend(self.deletes.then(deleted_column));
        all.extend(self.code.clone());
        all
    }

    /// Whether all that a record of `was` is read from still is what it is read from, and nothing
    /// besides that held values then.
    pub(crate) fn reads_at_least(&self, was: &Self) -> bool {
        let has = |columns: &[Column], stored: &str| columns.iter().any(|c| c.stored == stored);
        let has_rows = |rows: &[RowsField], key: &str| rows.iter().any(|r| r.key == key);
        was.columns.iter().all(|c| has(&self.columns, &c.stored))
            && was.rows.iter().all(|r| has_rows(&self.rows, &r.key))
            && !self
                .columns
                .iter()
                .any(|c| has(&was.retired.columns, &c.stored))
            && !self
                .rows
                .iter()
                .any(|r| has_rows(&was.retired.rows, &r.key))
    }

    /// The tables of its rows, of retired fields, too.
    pub(crate) fn rows_tables(&self) -> impl Iterator<Item = &Self> {
        let rows = self.rows.iter().chain(&self.retired.rows);
        rows.map(|r| &r.table)
    }

    /// The field whose values a column has, or whose digests.
    pub(crate) fn field_of<'a>(&'a self, stored: &'a str) -> &'a str {
        let blind = self.blinds.iter().find(|b| b.column.stored == stored);
        let plain = self.columns.iter().find(|c| c.stored == stored);
        let plain = plain.map(|c| c.name.as_str());
        blind.map(|b| b.of.as_str()).or(plain).unwrap_or(stored)
    }

    /// Search fields with the names of their columns.
    pub(crate) fn searched(&self) -> impl Iterator<Item = (&FieldDef, &str)> {
        sdk_search::fields(&self.def)
            .filter_map(|f| Some((f, self.column(&f.name)?.stored.as_str())))
    }

    /// A record, or a part of one, as histories keep it.
    pub(crate) fn to_history(&self, record: crate::Record) -> crate::Record {
        let kept = |(field, value): (String, Json)| match self.rows_field(&field) {
            Some(rows) => {
                let value = each(value, |row| rows.table.to_history(row));
                (rows.key.clone(), value)
            }
            None => match self.column(&field) {
                Some(column) => (column.key().to_owned(), value),
                None => (field, value),
            },
        };
        record.into_iter().map(kept).collect()
    }

    /// The same in the names of today, with retired fields, without those that are gone.
    pub(crate) fn of_history(&self, kept: crate::Record) -> crate::Record {
        let columns = self.columns.iter().chain(&self.retired.columns);
        // What the store sets itself is in no history.
        let columns = columns.filter(|c| !c.system);
        let names: BTreeMap<&str, &str> = columns.map(|c| (c.key(), c.name.as_str())).collect();
        let rows = self.rows.iter().chain(&self.retired.rows);
        let rows: BTreeMap<&str, &RowsField> = rows.map(|r| (r.key.as_str(), r)).collect();
        let of_today = |(key, value): (String, Json)| match rows.get(key.as_str()) {
            Some(rows) => {
                let value = each(value, |row| rows.table.of_history(row));
                Some((rows.name.clone(), value))
            }
            None => Some(((*names.get(key.as_str())?).to_owned(), value)),
        };
        kept.into_iter().filter_map(of_today).collect()
    }

    /// The system column that leads the primary key, where it is not the id itself.
    pub(crate) fn shard_column(&self) -> Option<&'static str> {
        match self.parent {
            None => shard_column(self.shard),
            Some(_) => self.column(ROW_SHARD).map(|_| ROW_SHARD),
        }
    }
}

/// A list of rows with something done to each.
fn each(rows: Json, change: impl Fn(crate::Record) -> crate::Record) -> Json {
    match rows {
        Json::Array(all) => {
            let row = |row| match row {
                Json::Object(row) => Json::Object(change(row)),
                other => other,
            };
            all.into_iter().map(row).collect()
        }
        other => other,
    }
}

pub(crate) const fn shard_column(shard: Shard) -> Option<&'static str> {
    match shard {
        Shard::Subject => Some("subject"),
        Shard::Organisation => Some("organisation"),
        Shard::Aggregate | Shard::Reference => None,
    }
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

pub(crate) fn blind(field: &FieldDef, stored: &str) -> Option<BlindField> {
    field.blind.then(|| BlindField {
        of: field.name.clone(),
        column: plain_column(&blind_name(stored), Storage::Blind),
    })
}

fn kept(kept: &Kept) -> Option<Column> {
    column("", &kept.field, &kept.column)
}

pub(crate) fn column(module: &str, field: &FieldDef, stored: &str) -> Option<Column> {
    let wire = storage_of(&field.kind)?;
    Some(Column {
        name: field.name.clone(),
        stored: stored.to_owned(),
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
        stored: name.to_owned(),
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
