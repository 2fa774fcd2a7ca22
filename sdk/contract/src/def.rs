//! What a module declares about itself: the document behind `describe()`.
//!
//! The kernel derives tables, the HTTP API, validation, permissions, flows, audit and menus from
//! it. It is frozen in a plugin's `schema.lock.json`. Deliberately absent: anything an operator
//! must know before running the code (capabilities, limits) — that is `plugin.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::ChangeDef;
use crate::kind::Kind;
use crate::schedule::ScheduleDef;

/// Version of the module document this crate reads and writes.
pub const MODULE_DOCUMENT: u32 = 1;

/// A name people read, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Label {
    pub zh: String,
    pub en: String,
}

impl Label {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// In English where that is asked for and given, else in Chinese.
    pub fn pick(&self, english: bool) -> &str {
        if english && !self.en.is_empty() {
            &self.en
        } else {
            &self.zh
        }
    }
}

/// A name that is there in Chinese only.
impl From<&str> for Label {
    fn from(zh: &str) -> Self {
        Self::new(zh, "")
    }
}

/// A module's whole declaration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModuleDef {
    /// Same as in `plugin.toml`; a slug.
    pub id: String,
    pub label: Label,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<CollectionDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<FlowDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlockDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventDef>,
    /// Events of other modules it hears, as `<plugin>.<entity>.<past>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// What it hears from the clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<ScheduleDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<PermissionDef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<FeatureDef>,
    /// The collection that records which party may read whose data. At most one module has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclosures: Option<DisclosureDef>,
    /// The collection that knows which parties there are. At most one module has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<PartiesDef>,
    /// Rows to insert when the module first runs: reference data, and demo data in demo mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<SeedDef>,
    /// What became of what the release before declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeDef>,
}

/// A set of records with the same fields: a table, a REST resource, a list page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollectionDef {
    /// Plural, as in URLs and tables: `applications`.
    pub name: String,
    /// Singular: `application`.
    pub entity: String,
    pub label: Label,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// The field that names a record to people.
    pub title: String,
    pub shard: Shard,
    /// Every change is kept with before and after.
    #[serde(default)]
    pub audited: bool,
    pub fields: Vec<FieldDef>,
    /// Records may be deleted. A deleted one is out of sight, can be restored, and is gone after so
    /// many days unless it is held. Without it no record is ever deleted. Only audited collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_deleted: Option<u32>,
    /// For what and how long records are kept. The platform's own modules say so wherever a field has
    /// level L3 or L4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Each record carries a keyed code of all it holds, which is checked whenever it is read: one
    /// that was changed in the database is refused, and an alarm raised.
    #[serde(default, skip_serializing_if = "is_false")]
    pub attested: bool,
    /// Groups of fewer records come back suppressed from an aggregate, unless the asker owns the
    /// rows: sees only its own or its organisation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_below: Option<u32>,
    /// The field that names the user who deals with the record, whom `assigned` grants are about;
    /// `created_by` where it is whoever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Compound indexes, by field name; system fields may be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Vec<String>>,
    /// Compound unique keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<Vec<String>>,
    /// Permission (of this module) to list and read.
    pub read: String,
    /// Permission for the derived create; without it records come only through actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Permission for the derived update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
}

/// What a collection's rows hang on for distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shard {
    /// The party the row is about.
    Subject,
    /// The organisation that owns the row.
    Organisation,
    /// The root record's own id.
    Aggregate,
    /// Dictionaries, replicated everywhere.
    Reference,
}

/// Columns every record has besides its declared fields. No field may take one of these names.
pub const SYSTEM_FIELDS: [&str; 9] = [
    "id",
    "revision",
    "subject",
    "organisation",
    "district",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
];

#[expect(
    clippy::struct_excessive_bools,
    reason = "a field's modifiers are independent of each other"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldDef {
    pub name: String,
    pub label: Label,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
    #[serde(flatten)]
    pub kind: Kind,
    #[serde(default)]
    pub required: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Set at insert, never changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub frozen: bool,
    /// Shown in derived lists.
    #[serde(default, skip_serializing_if = "is_false")]
    pub list: bool,
    /// Found by the derived search box.
    #[serde(default, skip_serializing_if = "is_false")]
    pub search: bool,
    /// Stored as SM4-GCM ciphertext bound to table, column and row. No filter, sort or search.
    #[serde(default, skip_serializing_if = "is_false")]
    pub encrypted: bool,
    /// An encrypted field that equality may be asked of, and that may be unique: a keyed digest of
    /// the value is stored beside the ciphertext.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blind: bool,
    /// How sensitive it is. From L3 on it must be encrypted and masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How it is shown where `reveal` does not reach. Who sees a field masked in some of the rows
    /// they read can neither filter, sort nor sum by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// Permission (of this module) to see it unmasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal: Option<String>,
    /// Permission (of this module) to look at it unmasked once, for a reason that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<String>,
}

/// Classes of data, in line with GB/T 43697-2024: public, inner, sensitive, most sensitive.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
pub enum Level {
    /// 公开
    #[default]
    L1,
    /// 内部, on conditions.
    L2,
    /// 敏感, by authorisation.
    L3,
    /// 高敏, such as a person's credit record.
    L4,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::L1, Self::L2, Self::L3, Self::L4];

    /// `L1` to `L4`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// Formats of masking (tender row 93).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// 138****1234
    Phone,
    /// 张**
    Name,
    /// first 6 and last 4
    IdNumber,
    /// last 4, of an account
    Account,
    /// as far as the district
    Address,
    /// the band it is in: 10万～100万; for money and decimals
    Amount,
    /// nothing but ****
    All,
    /// Left out, as if it were empty; for fields of every kind that may be empty.
    Hidden,
}

/// A closed list of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChoiceDef {
    pub name: String,
    pub label: Label,
    pub options: Vec<OptionDef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OptionDef {
    pub value: String,
    pub label: Label,
    #[serde(default)]
    pub tone: Tone,
}

/// Meaning, never colour: each renderer owns the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    #[default]
    Neutral,
    Info,
    Success,
    Warning,
    Danger,
}

/// The life of one choice field. The kernel refuses any other change of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowDef {
    pub collection: String,
    pub field: String,
    /// States a new record may start in.
    pub initial: Vec<String>,
    pub transitions: Vec<TransitionDef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransitionDef {
    /// Action that takes it, as declared: `application.submit`.
    pub action: String,
    pub from: Vec<String>,
    pub to: String,
}

/// Something a caller can do. Its name is `<entity>.<verb>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionDef {
    pub name: String,
    pub label: Label,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// The collection of its entity.
    pub collection: String,
    /// True when it acts on one record, whose id is in the path.
    pub record: bool,
    pub permission: String,
    /// The caller must have proven a second factor a moment ago; a program's signed call does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub step_up: bool,
    /// What it does is signed: the platform keeps a signature over it with the change, and so does the
    /// caller's own certificate where there is one. Takes `step_up`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub signed: bool,
    /// The purpose for which it has a party's data read under a letter of consent: a code that the
    /// letter must name. Without one it has none read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    pub input: Vec<FieldDef>,
}

/// A page the module answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageDef {
    /// `/<plugin>/…`, with `{name}` for one segment.
    pub path: String,
    pub label: Label,
    /// Name in the portal's icon sprite.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    pub area: Area,
    /// Place in the menu; smaller first.
    #[serde(default)]
    pub order: u16,
    pub permission: String,
}

/// For what records are kept, and for how long (GB/T 35273-2020, 6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retention {
    /// What the data is processed for, as people read it.
    pub purpose: String,
    /// When a record's time is over; without it, it is kept while what it is about is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
}

/// How long a record is kept. The platform deletes one whose time is over as a person would; the
/// deployment may set other days. Only of collections whose records may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Term {
    /// 1 to 36,500.
    pub days: u32,
    /// The date or datetime field from which they count, or `created_at`. A record in which it is
    /// empty is kept.
    pub from: String,
}

impl Retention {
    /// Kept while what it is about is there.
    pub fn standing(purpose: impl Into<String>) -> Self {
        Self {
            purpose: purpose.into(),
            term: None,
        }
    }
}

/// Which menu a page is in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Portal: services everybody may look at.
    Services,
    /// Portal: my own things.
    Me,
    /// Staff's side menu.
    Bench,
    /// In no menu.
    None,
}

/// Blocks a module adds to the home page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockDef {
    pub id: String,
    #[serde(default)]
    pub order: u16,
    pub permission: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventDef {
    /// `<entity>.<past>`
    pub name: String,
    pub label: Label,
}

/// Who may, by default. An operator may narrow or widen the grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionDef {
    /// `<entity>.<verb>`
    pub name: String,
    pub label: Label,
    pub grants: Vec<RoleGrant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoleGrant {
    /// A role name, or `anyone`, or `signed-in`.
    pub role: String,
    pub scope: RowScope,
}

/// Which rows a grant reaches.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RowScope {
    /// Rows whose assignee is the caller.
    Assigned,
    /// Rows whose subject is the caller's subject.
    Own,
    /// Rows owned by the caller's organisation or one below it.
    Organisation,
    /// Rows of the caller's district.
    District,
    All,
}

/// A datum about a subject that a scoring model may ask for by name.
/// The value is read from the subject's newest record of the collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureDef {
    /// `tax.paid_12m`
    pub name: String,
    pub label: Label,
    /// Item of the sharing catalogue that consent must cover.
    pub item: String,
    pub collection: String,
    pub field: String,
    /// A JSON field of the same record: names of its fields whose value the party disputes. What is
    /// read of such a field is handed over with that mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<String>,
}

impl FeatureDef {
    /// Whether the party disputes what this record says of the feature.
    pub fn is_disputed(&self, record: &serde_json::Map<String, serde_json::Value>) -> bool {
        let marks = self.disputed.as_ref().and_then(|field| record.get(field));
        let mut names = marks.and_then(|m| m.as_array()).into_iter().flatten();
        names.any(|name| name.as_str() == Some(&self.field))
    }
}

/// Names the collection whose rows allow a recipient to read a subject's data. The collection
/// needs: `recipient` text, `items` json list, `purposes` json list, `valid_from` and `valid_to`
/// date, `max_uses` and `uses` integer, and a flow field `status` of which `usable` allows use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisclosureDef {
    pub collection: String,
    /// The one status that allows use.
    pub usable: String,
    /// Status → deny code, for those that have one of their own.
    pub denials: std::collections::BTreeMap<String, String>,
    /// What letters are made on, where that can be revoked and the letters with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<LetterTemplateDef>,
    /// Where each read under a letter is written down with the read: a collection of the same module
    /// with `letter`, `recipient`, `purpose`, `reference` and `certificate` text or reference, `items`
    /// json list, and `used_at` datetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
}

/// Letters name in `field` a record of `collection`, of the same module; while the flow field
/// `status` of that is one of `revoked`, they allow nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetterTemplateDef {
    pub field: String,
    pub collection: String,
    pub revoked: Vec<String>,
}

/// Names the collection that knows which parties there are that data may be about: one record a
/// party, under the id of its organisation. Whoever asks to act for a party is held against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartiesDef {
    pub collection: String,
    /// Field of the code by which a party is known everywhere.
    pub code: String,
    /// Field of its registered name.
    pub name: String,
    /// Field of its state, a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// States of a party that is no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// Roles of whoever is certified to act for a party; they begin with the module's id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// One row to insert. Ids are fixed so that rows can name each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedDef {
    /// Only in demo mode.
    pub demo: bool,
    pub collection: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    pub values: serde_json::Map<String, serde_json::Value>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_false(b: &bool) -> bool {
    !*b
}

impl ModuleDef {
    pub fn collection(&self, name: &str) -> Option<&CollectionDef> {
        self.collections.iter().find(|c| c.name == name)
    }
    pub fn action(&self, name: &str) -> Option<&ActionDef> {
        self.actions.iter().find(|a| a.name == name)
    }
    pub fn permission(&self, name: &str) -> Option<&PermissionDef> {
        self.permissions.iter().find(|p| p.name == name)
    }
    pub fn choice(&self, name: &str) -> Option<&ChoiceDef> {
        self.choices.iter().find(|c| c.name == name)
    }
    /// The flow over a collection, if it has one.
    pub fn flow(&self, collection: &str) -> Option<&FlowDef> {
        self.flows.iter().find(|f| f.collection == collection)
    }
}

impl FieldDef {
    /// An optional field without modifiers.
    pub fn new(name: impl Into<String>, label: Label, kind: Kind) -> Self {
        Self {
            name: name.into(),
            label,
            help: String::new(),
            kind,
            required: false,
            unique: false,
            frozen: false,
            list: false,
            search: false,
            encrypted: false,
            blind: false,
            level: None,
            mask: None,
            reveal: None,
            look: None,
        }
    }

    /// How sensitive it is with all that stands in it: a list of rows is guarded as a whole.
    pub fn class(&self) -> Option<Level> {
        let cells = match &self.kind {
            Kind::Rows { fields, .. } => fields.iter().filter_map(|f| f.level).max(),
            _ => None,
        };
        self.level.max(cells)
    }

    /// Whether some of those who read its record do not see it whole.
    pub fn is_guarded(&self) -> bool {
        self.encrypted || self.mask.is_some() || self.class() >= Some(Level::L3)
    }
}

impl CollectionDef {
    /// One called by its first field, read with `<entity>.read`, whose records come through actions.
    pub fn new(
        name: impl Into<String>,
        entity: impl Into<String>,
        label: Label,
        shard: Shard,
        fields: Vec<FieldDef>,
    ) -> Self {
        let entity = entity.into();
        Self {
            name: name.into(),
            read: format!("{entity}.read"),
            entity,
            label,
            help: String::new(),
            title: fields.first().map(|f| f.name.clone()).unwrap_or_default(),
            shard,
            audited: false,
            attested: false,
            keep_deleted: None,
            retention: None,
            suppress_below: None,
            assignee: None,
            fields,
            indexes: Vec::new(),
            unique: Vec::new(),
            create: None,
            update: None,
        }
    }

    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.fields.iter().find(|f| f.name == name)
    }
}
