//! The signatures over a record, as whoever may read the record may see and take them along.
//!
//! Each is checked when it is shown: the platform's signature over its document, the person's or the
//! program's own, and whether the record still says what was signed. What is taken along is a zip file
//! that needs nothing but `openssl`.

use kernel_crypto::ca::outside::{self, Authorities, Brought};
use kernel_crypto::ca::{self, Holder, Purpose, RefusedCertificate};
use kernel_crypto::detached::{self, Detached};
use kernel_crypto::keys::SignKey;
use kernel_crypto::sm2::VerifyingKey;
use kernel_crypto::{canonical, sm3};
use kernel_identity::module::{MODULE, SIGNATURES};
use kernel_identity::principal::Principal;
use kernel_storage::{Change, CollectionName, Record};
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{Block, Body, Column, Datum, Notice, Page, Row, Status as Word, Table};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Host;
use crate::reads::{Readable, ask, readable, storage};
use crate::timestamps::{Kept as Stamp, Stamped};
use crate::values::{number, word};

mod evidence;

/// Kinds of proof as people call them, see [`crate::signing`].
const WAYS: [(&str, &str); 6] = [
    ("certificate", "本人数字证书签名"),
    ("signed-call", "应用请求签名"),
    ("security-key", "安全密钥，平台见证"),
    ("code", "动态口令，平台见证"),
    ("factor", "第二重验证，平台见证"),
    ("password", "仅密码，平台见证"),
];

/// A signature over what was done to a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signature {
    pub id: String,
    /// RFC 3339.
    pub at: String,
    /// `<module>.<entity>.<verb>`
    pub action: String,
    pub label: String,
    /// Empty where an institution's person signed and somebody else looks.
    pub name: String,
    pub organisation: String,
    /// `certificate`, `signed-call`, `security-key`, `code`, `factor` or `password`.
    pub way: String,
    /// Of the person's certificate, big-endian hex.
    pub serial: Option<String>,
    /// SM3 of what the platform signed.
    pub digest: String,
    /// The record's revision that it led to.
    pub revision: i64,
    /// Whether every signature in it is right.
    pub holds: bool,
    /// Fields of the record that are not what was signed, though nobody changed them through the
    /// platform.
    pub differs: Vec<String>,
    /// What an authority outside says of when it was there; none where none is asked.
    pub stamp: Option<Stamped>,
}

/// A signature as it is kept.
struct Kept {
    id: String,
    row: Record,
    document: Value,
    signed: Detached,
}

impl Kept {
    fn read(row: Record) -> Option<Self> {
        Some(Self {
            id: word(&row, "id").to_owned(),
            document: serde_json::from_str(word(&row, "document")).ok()?,
            signed: serde_json::from_value(row.get("signature")?.clone()).ok()?,
            row,
        })
    }

    /// The bytes that the platform signed.
    fn message(&self) -> Vec<u8> {
        detached::message(&self.document, self.signed.at)
    }

    fn text(&self, path: &str) -> String {
        let value = self.document.pointer(path).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    }

    /// Whether a list says who signed. Whoever acts for a party is named in what they sign; an
    /// institution answers for its people, so to others the list names it alone. The evidence, which
    /// has to stand by itself, names its signer.
    fn names_to(&self, p: &Principal) -> bool {
        let own = self.text("/by/organisation/id");
        !self.text("/by/party").is_empty() || p.organisations.contains(&own)
    }

    fn records(&self) -> impl Iterator<Item = &Map<String, Value>> {
        let all = self.document.get("records").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_object)
    }

    /// What was signed of a record.
    fn of(&self, name: &str, id: &str) -> Option<(usize, &Map<String, Value>)> {
        let found = self.records().enumerate();
        // What was written last.
        found
            .filter(|(_, r)| word(r, "collection") == name && word(r, "id") == id)
            .last()
    }

    /// Canonical JSON of `[salt, field, value]` for each guarded field of a record.
    fn disclosures(&self, at: usize) -> Vec<&str> {
        let all = self
            .row
            .get("disclosures")
            .and_then(|all| all.get(at)?.as_array());
        all.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    fn key(&self, known: &[VerifyingKey]) -> Option<VerifyingKey> {
        let key = known.iter().find(|k| k.fingerprint() == self.signed.key);
        key.cloned()
    }

    /// Whether the platform's signature is right, and so is the own one of whoever acted.
    fn holds(&self, known: &[VerifyingKey]) -> bool {
        let by_platform = self
            .key(known)
            .is_some_and(|key| self.signed.holds(&self.document, &key));
        let digest = sm3::digest(&self.message()).to_string();
        by_platform && digest == word(&self.row, "digest") && self.own_holds()
    }

    fn own_holds(&self) -> bool {
        let said = |what: &str| self.text(&format!("/known/{what}"));
        let Some(own) = self.row.get("own").and_then(Value::as_object) else {
            return !["certificate", "signed-call"].contains(&said("way").as_str());
        };
        let Some(signature) = evidence::unpacked(own, "signature") else {
            return false;
        };
        let text = word(own, "text");
        let over = |key: &VerifyingKey| key.verify(text.as_bytes(), &signature);
        if said("signature") != sm3::digest(&signature).to_string() {
            return false;
        }
        if own.contains_key("key") {
            let body = evidence::unpacked(own, "body").unwrap_or_default();
            let key = VerifyingKey::from_pem(word(own, "key"));
            return sm3::digest(&body).to_string() == said("body") && key.is_ok_and(|k| over(&k));
        }
        let content = word(own, "content");
        let digest = sm3::digest(content.as_bytes()).to_string();
        let about = text.lines().last() == Some(digest.as_str()) && said("content") == digest;
        let entered = serde_json::from_str::<Value>(content).ok();
        let entered = entered.and_then(|c| c.get("input").cloned());
        let holder = holder(own, self.signed.at);
        about
            && entered.as_ref() == self.document.get("input")
            && holder.is_ok_and(|holder| over(&holder.key))
    }
}

/// Who held a certificate at the time; whether it was taken back was asked then.
fn holder(own: &Map<String, Value>, at: i64) -> Result<Holder, RefusedCertificate> {
    let (certificate, root) = (word(own, "certificate"), word(own, "root"));
    let Some(between) = evidence::between(own) else {
        return ca::verify(certificate, root, None, Purpose::User, at);
    };
    let mut trusted = Authorities::default();
    trusted.trust(root)?;
    for pem in between {
        trusted.know(pem)?;
    }
    let brought = Brought::from_pem(certificate)?;
    Ok(outside::verify(&brought, &trusted, None, at)?.holder)
}

impl Host {
    /// The signatures over what was done to a record that the principal may read, oldest first; of one
    /// that was deleted as well, as long as it is kept.
    pub async fn signatures(
        &self,
        p: &Principal,
        collection: &str,
        id: &str,
    ) -> Result<Vec<Signature>, Fault> {
        let (all, _) = self.signatures_shown(p, collection, id).await?;
        Ok(all)
    }

    /// The same, and how many there are besides that are not as the platform wrote them.
    async fn signatures_shown(
        &self,
        p: &Principal,
        collection: &str,
        id: &str,
    ) -> Result<(Vec<Signature>, usize), Fault> {
        let catalog = self.catalog();
        let (readable, record) = self.signed_record(&catalog, p, collection, id).await?;
        let (all, altered) = self.kept_signatures(collection, id).await?;
        let changes = self.store().changes(&readable.name, id).await;
        let changes = changes.map_err(|e| storage(&e))?;
        let keys = self.keys().verifying_keys(SignKey::Certificate);
        let mut stamps = self
            .kept_stamps(all.iter().map(|kept| kept.id.as_str()))
            .await?;
        let shown = all.iter().map(|kept| Signature {
            id: kept.id.clone(),
            at: Timestamp::from_micros(kept.signed.at).to_string(),
            action: word(&kept.row, "action").to_owned(),
            label: kept.text("/action/label"),
            name: if kept.names_to(p) {
                kept.text("/by/name")
            } else {
                String::new()
            },
            organisation: kept.text("/by/organisation/name"),
            way: word(&kept.row, "way").to_owned(),
            serial: Some(word(&kept.row, "serial").to_owned()).filter(|s| !s.is_empty()),
            digest: word(&kept.row, "digest").to_owned(),
            revision: kept
                .of(collection, id)
                .map_or(0, |(_, r)| number(r, "revision")),
            holds: kept.holds(&keys),
            differs: differs(kept, &readable, &record, &changes),
            stamp: stamps
                .remove(&kept.id)
                .map(|stamp| stamp.shown(&kept.signed.signature)),
        });
        Ok((shown.collect(), altered))
    }

    /// A signature of a record as a zip file with all that is needed to check it.
    pub async fn evidence(
        &self,
        p: &Principal,
        (collection, id): (&str, &str),
        signature: &str,
    ) -> Result<Vec<u8>, Fault> {
        let catalog = self.catalog();
        self.signed_record(&catalog, p, collection, id).await?;
        let (all, _) = self.kept_signatures(collection, id).await?;
        let kept = all.into_iter().find(|kept| kept.id == signature);
        let kept = kept.ok_or_else(Fault::not_found)?;
        let mut disclosed = Vec::new();
        for (at, said) in kept.records().enumerate() {
            let readable = readable(&catalog, p, word(said, "collection"))?;
            let record = self
                .store()
                .get_kept(&readable.name, word(said, "id"), &readable.rows)
                .await
                .map_err(|e| ask(&e))?
                .ok_or_else(Fault::not_found)?;
            let sight = readable.sight(p);
            let fields = said.get("fields").and_then(Value::as_array);
            let open = fields.into_iter().flatten().filter_map(Value::as_object);
            // What is open in the document is so for nearly everybody who reads the record.
            if let Some(hidden) = open
                .map(|field| word(field, "name"))
                .find(|name| sight.hides(name, &record))
            {
                let label = readable.collection.field(hidden);
                let label = label.map_or(hidden, |f| f.label.zh.as_str());
                let what = format!("签名文件中有您的岗位不能查看的内容（{label}），不能下载");
                return Err(Fault::forbidden(what));
            }
            for text in kept.disclosures(at) {
                let name = evidence::disclosed_field(text);
                if !sight.hides(&name, &record) {
                    disclosed.push((format!("{at}-{name}"), text.to_owned()));
                }
            }
        }
        let keys = self.keys().verifying_keys(SignKey::Certificate);
        let key = kept.key(&keys).and_then(|key| key.to_pem().ok());
        let key = key.ok_or_else(unknown_key)?;
        let stamps = self.kept_stamps([kept.id.as_str()]).await?;
        let stamp = stamps.get(&kept.id).filter(|stamp| stamp.is_there());
        evidence::pack(&kept, &key, stamp, &disclosed)
    }

    async fn signed_record<'a>(
        &self,
        catalog: &'a crate::Catalog,
        p: &Principal,
        collection: &str,
        id: &str,
    ) -> Result<(Readable<'a>, Record), Fault> {
        let readable = readable(catalog, p, collection)?;
        let record = self.store().get_kept(&readable.name, id, &readable.rows);
        let record = record.await.map_err(|e| ask(&e))?;
        Ok((readable, record.ok_or_else(Fault::not_found)?))
    }

    /// The signatures of a record, and how many there are besides that are not as they were written.
    async fn kept_signatures(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<(Vec<Kept>, usize), Fault> {
        let query = Query::new(CollectionName::new(MODULE, SIGNATURES).to_string())
            .filter(Filter::eq("record", id))
            .filter(Filter::eq("collection", collection))
            .sort("created_at", false)
            .limit(MAX_LIMIT);
        let found = self.store().list(&query, &Self::KERNEL).await;
        let found = found.map_err(|e| ask(&e))?;
        let rows = found.records.len();
        let read = found.records.into_iter().filter_map(Kept::read);
        let mut all: Vec<Kept> = read.collect();
        let revision = |kept: &Kept| kept.of(collection, id).map(|(_, r)| number(r, "revision"));
        all.sort_by_key(|kept| (kept.signed.at, revision(kept)));
        let altered = found.altered.len() + rows - all.len();
        Ok((all, altered))
    }

    /// Puts the signatures in place of every block that asks for them.
    pub(crate) async fn fill_signatures(
        &self,
        p: &Principal,
        module: &str,
        page: &mut Page,
    ) -> Result<(), Fault> {
        for section in &mut page.sections {
            let mut blocks = Vec::with_capacity(section.blocks.len());
            for mut block in std::mem::take(&mut section.blocks) {
                let Body::Signatures { collection, record } = &block.body else {
                    blocks.push(block);
                    continue;
                };
                let name = CollectionName::within(module, collection).to_string();
                block.body = match self.signatures_shown(p, &name, record).await {
                    Ok((all, altered)) => {
                        if altered > 0 {
                            blocks.push(warning(&block.id, altered));
                        }
                        table(&name, record, &all)
                    }
                    Err(fault)
                        if matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden) =>
                    {
                        let text = "您的岗位不能查看这条记录的签名";
                        Body::Notice(Notice::new(Tone::Neutral, "", text))
                    }
                    Err(fault) => return Err(fault),
                };
                blocks.push(block);
            }
            section.blocks = blocks;
        }
        Ok(())
    }
}

/// Labels of the fields of a record that do not say what was signed of them, nor what the history
/// made of that since.
fn differs(
    kept: &Kept,
    readable: &Readable<'_>,
    record: &Record,
    changes: &[Change],
) -> Vec<String> {
    let name = readable.name.to_string();
    let Some((at, said)) = kept.of(&name, word(record, "id")) else {
        return Vec::new();
    };
    let signed = number(said, "revision");
    let is_now = number(record, "revision") == signed;
    let later: Vec<&Change> = changes.iter().filter(|c| c.revision > signed).collect();
    let mut differing = Vec::new();
    let fields = said.get("fields").and_then(Value::as_array);
    for field in fields.into_iter().flatten().filter_map(Value::as_object) {
        let (name, then) = (word(field, "name"), field.get("value"));
        let Some(declared) = readable.collection.field(name) else {
            continue;
        };
        let next = later.iter().find(|c| c.after.contains_key(name));
        let stands = match next {
            Some(change) => change.before.as_ref().and_then(|b| b.get(name)),
            // Without a history nobody knows what became of what may change.
            None if is_now || declared.frozen || readable.collection.audited => record.get(name),
            None => continue,
        };
        if !same(then, stands) {
            differing.push(declared.label.zh.clone());
        }
    }
    if is_now {
        for text in kept.disclosures(at) {
            let name = evidence::disclosed_field(text);
            let then = evidence::disclosed_value(text);
            let declared = readable.collection.field(&name);
            if let Some(declared) = declared.filter(|_| !same(then.as_ref(), record.get(&name))) {
                differing.push(declared.label.zh.clone());
            }
        }
    }
    differing
}

/// Whether two values are one; what is empty is left out of rows.
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    fn plain(value: Option<&Value>) -> Value {
        match value {
            None => Value::Null,
            Some(Value::Array(all)) => all.iter().map(|v| plain(Some(v))).collect(),
            Some(Value::Object(all)) => {
                let there = all.iter().filter(|(_, v)| !v.is_null());
                let plain = there.map(|(name, v)| (name.clone(), plain(Some(v))));
                Value::Object(plain.collect())
            }
            Some(other) => other.clone(),
        }
    }
    canonical::to_vec(&plain(a)) == canonical::to_vec(&plain(b))
}

fn warning(id: &str, altered: usize) -> Block {
    let text = format!("有 {altered} 条签名与平台写入时不一致，已停止使用并告警");
    let notice = Notice::new(Tone::Danger, "签名记录被改动：", text);
    Block::notice(format!("{id}-altered"), notice)
}

fn unknown_key() -> Fault {
    let what = "签名所用的密钥不在平台的密钥环中";
    Fault::new(FaultKind::Unavailable, "unavailable", what)
}

/// Where a person fetches the evidence.
fn address(name: &str, record: &str, signature: &str) -> String {
    let path = name.replacen('.', "/", 1);
    format!("/signatures/{path}/{record}/{signature}")
}

/// Whose time a signature bears.
fn stamped(stamp: Option<&Stamped>) -> Datum {
    match stamp {
        None => Datum::text("平台时间"),
        Some(Stamped { at: None, .. }) => Datum::status("待加盖", Tone::Info),
        Some(Stamped { holds: false, .. }) => Datum::status("时间戳不成立", Tone::Danger),
        Some(Stamped {
            at: Some(at),
            authority,
            ..
        }) => {
            let at: Timestamp = at.parse().unwrap_or_default();
            Datum::text(format!("{} {authority}", at.local_minute()))
        }
    }
}

fn table(name: &str, record: &str, all: &[Signature]) -> Body {
    let rows = all.iter().map(|one| {
        let way = WAYS.iter().find(|(way, _)| *way == one.way);
        let way = way.map_or(one.way.as_str(), |(_, words)| words);
        let (label, tone) = if !one.holds {
            ("签名不成立".to_owned(), Tone::Danger)
        } else if !one.differs.is_empty() {
            let fields = one.differs.join("、");
            (format!("记录与签名不符：{fields}"), Tone::Danger)
        } else {
            ("有效".to_owned(), Tone::Success)
        };
        let who = match one.organisation.as_str() {
            "" => one.name.clone(),
            organisation if one.name.is_empty() => organisation.to_owned(),
            organisation => format!("{}（{organisation}）", one.name),
        };
        let cells = vec![
            Datum::time_text(&one.at),
            Datum::text(&one.label),
            Datum::text(who),
            Datum::text(way),
            Datum::Status(Word { label, tone }),
            stamped(one.stamp.as_ref()),
            Datum::link("下载", address(name, record, &one.id)),
            Datum::text(one.serial.as_deref().unwrap_or_default()),
            Datum::text(&one.digest),
        ];
        Row::new(one.id.as_str(), cells)
    });
    let columns = vec![
        Column::new("at", "签名时间", 0),
        Column::new("label", "操作", 0),
        Column::new("who", "签名人", 0),
        Column::new("way", "签名方式", 1),
        Column::new("state", "核验", 0),
        Column::new("stamp", "时间戳", 1),
        Column::new("file", "签名文件", 0),
        Column::new("serial", "证书序列号", 3),
        Column::new("digest", "摘要（SM3）", 3),
    ];
    Body::Table(Table::new(columns).rows(rows).empty("还没有签名"))
}
