//! Signed actions: what somebody does by one is kept with a signature over it, made in the same
//! commit, that holds without the platform.
//!
//! The platform signs a [document](Deed::document) of who did what, when, how they were known, and
//! what the records were afterwards. Whoever has a certificate signs the [content](content) besides
//! before it is done: the action, the record as they saw it, and what they entered; a proof of before
//! is not enough then. Of a program the signature of its call is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::canonical;
use kernel_crypto::detached::{self, Detached};
use kernel_crypto::keys::SignKey;
use kernel_crypto::random;
use kernel_crypto::sm3;
use kernel_identity::account::AccountError;
use kernel_identity::error::IdentityError;
use kernel_identity::module::{ACCOUNT, MODULE, MOST_SIGNED, ORGANISATIONS, SIGNATURES};
use kernel_identity::outside;
use kernel_storage::{CollectionName, Commit};
use sdk_contract::call::Write;
use sdk_contract::def::{ActionDef, CollectionDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::kind::Kind;
use serde_json::{Map, Value, json};

use crate::history::words;
use crate::module::{Call, new_id};
use crate::reads::{ask, chain};
use crate::values::{number, object, word};
use crate::{Host, account};

/// Bytes of a random number that hides a guarded value behind its digest.
const SALT: usize = 16;

/// What proves a request beside the session that it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Proof {
    #[default]
    None,
    /// A challenge about the content, and what the key of the caller's certificate made of it.
    Signed {
        challenge: String,
        /// DER in base64.
        signature: String,
    },
    /// The signed call of a program.
    Call(Arc<SignedCall>),
}

/// A program's request as it was signed (RFC 9421).
#[derive(Debug, PartialEq, Eq)]
pub struct SignedCall {
    /// Signature base.
    pub base: String,
    /// DER.
    pub signature: Vec<u8>,
    /// The app's public key, PEM.
    pub key: String,
    pub body: Vec<u8>,
    /// Whether the body is sealed. What was signed is then nothing that anybody else could read.
    pub sealed: bool,
}

/// How it is known who acts.
pub(crate) struct Known {
    /// As the document says it.
    said: Value,
    /// The signature of whoever acted, with what is needed to check it.
    own: Value,
    serial: Option<String>,
    /// Spends what was signed.
    spent: Option<Write>,
}

/// A signed action that is about to be committed.
pub(crate) struct Deed<'a> {
    pub(crate) def: &'a ModuleDef,
    pub(crate) action: &'a ActionDef,
    /// The record of a record action, before it.
    pub(crate) record: Option<&'a Map<String, Value>>,
    pub(crate) content: &'a Value,
}

/// What the document and its signature say of one record, and what is under its digests.
struct Written {
    said: Value,
    /// Canonical JSON of `[salt, field, value]` each.
    disclosures: Vec<String>,
}

/// What somebody is about to do: what their own signature is over.
pub(crate) fn content(
    def: &ModuleDef,
    action: &ActionDef,
    record: Option<&Map<String, Value>>,
    values: &Map<String, Value>,
) -> Value {
    let record = record.map(|r| {
        json!({
            "collection": format!("{}.{}", def.id, action.collection),
            "id": word(r, "id"),
            "revision": number(r, "revision"),
        })
    });
    json!({
        "action": format!("{}.{}", def.id, action.name),
        "input": values,
        "label": action.label.zh,
        "record": record,
    })
}

impl Host {
    /// Makes sure of who takes an action, as far as it asks for that: for one that is signed, how it is
    /// known.
    pub(crate) async fn proven(
        &self,
        call: &Call,
        action: &ActionDef,
        proof: &Proof,
        content: &Value,
    ) -> Result<Option<Known>, Fault> {
        if action.signed {
            return self.known(call, proof, content).await.map(Some);
        }
        if action.step_up {
            self.stepped_up(call, action.permission == ACCOUNT).await?;
        }
        Ok(None)
    }

    /// Makes sure of who does what `content` says, as it must be known of whoever signs.
    async fn known(&self, call: &Call, proof: &Proof, content: &Value) -> Result<Known, Fault> {
        let p = &call.principal;
        match proof {
            Proof::Call(made) if p.session.is_none() && made.sealed => {
                let what = "此操作要留存应用签名的原文作为证据，请求内容不能加密；回答仍可加密";
                return Err(Fault::refused("sealed-evidence", what));
            }
            Proof::Call(made) if p.session.is_none() => return Ok(by_call(made)),
            _ => {}
        }
        if !self.sessions().signs(p).await.map_err(|e| failed(&e))? {
            self.stepped_up(call, false).await?;
            let factor = match p.session {
                Some(_) => self.sessions().proven_factor(p).await,
                None => Ok(None),
            };
            return Ok(by_factor(factor.map_err(|e| failed(&e))?));
        }
        let Proof::Signed {
            challenge,
            signature,
        } = proof
        else {
            return Err(Fault::sign("此操作须用您的数字证书签名"));
        };
        let content = canonical::to_vec(content);
        let origin = call.origin();
        let offered = (challenge.as_str(), signature.as_str());
        let signed = self
            .sessions()
            .signed_by(p, offered, sm3::digest(&content), origin)
            .await;
        let (own, spent) = signed.map_err(|error| match error {
            AccountError::WrongSignature => unsigned(),
            AccountError::Certificate(why) => {
                let (code, message) = outside::told(why);
                Fault::refused(code, message)
            }
            error => account::fault(error, false),
        })?;
        let said = json!({
            "way": "certificate", "serial": own.serial,
            "content": sm3::digest(&content).to_string(),
            "signature": sm3::digest(&own.signature).to_string(),
        });
        let mut kept = json!({
            "content": String::from_utf8_lossy(&content),
            "text": own.text,
            "signature": STANDARD.encode(&own.signature),
            "certificate": own.certificate,
            "root": own.root,
        });
        if let (Some(between), Some(kept)) = (own.between, kept.as_object_mut()) {
            kept.insert("between".into(), between.into());
        }
        Ok(Known {
            said,
            own: kept,
            serial: Some(own.serial),
            spent: Some(spent),
        })
    }

    /// Puts the signature over a deed beside its writes, and its digest into the audit record; none
    /// where it writes nothing of its own.
    pub(crate) async fn sign(
        &self,
        call: &Call,
        deed: Deed<'_>,
        known: Known,
        commit: &mut Commit,
    ) -> Result<(), Fault> {
        let Some(id) = deed.object(&commit.writes) else {
            return Ok(());
        };
        let mut records = Vec::new();
        let mut disclosures = Vec::new();
        let mut known_records = BTreeMap::new();
        if let Some(record) = deed.record {
            known_records.insert(word(record, "id").to_owned(), record.clone());
        }
        for write in &commit.writes {
            let written = self.written(deed.def, write, &mut known_records).await?;
            records.push(written.said);
            disclosures.push(written.disclosures);
        }
        let document = self.document(call, &deed, &known.said, records).await?;
        let text = String::from_utf8_lossy(&canonical::to_vec(&document)).into_owned();
        let own = known.own.to_string();
        let most = MOST_SIGNED as usize;
        if text.chars().count() > most || own.len() > most {
            let what = "本次办理的内容过大，无法签名，请分次办理";
            return Err(Fault::refused("signature-too-large", what));
        }
        let at = call.now.micros();
        let signer = self.keys().signer(SignKey::Certificate);
        let key = signer.verifying_key();
        let made = Detached::sign(&document, at, key, |bytes| signer.sign(bytes));
        let made = made.map_err(|error| {
            tracing::error!(%error, "the signing key failed");
            let what = "签名服务暂时不可用，本次操作没有生效，请稍后再试";
            Fault::new(FaultKind::Unavailable, "unavailable", what)
        })?;
        let digest = sm3::digest(&detached::message(&document, at)).to_string();
        let name = format!("{}.{}", deed.def.id, deed.action.collection);
        let mut values = object(json!({
            "collection": name, "record": id,
            "action": format!("{}.{}", deed.def.id, deed.action.name),
            "digest": digest, "way": known.said.get("way"),
            "document": text, "signature": made, "disclosures": disclosures,
        }));
        if let Some(serial) = known.serial {
            values.insert("serial".into(), serial.into());
        }
        if !known.own.is_null() {
            values.insert("own".into(), known.own);
        }
        let signature = new_id(call.now)?;
        let waits = self.stamp_wanted(&signature, call.now)?;
        let insert = Write::Insert {
            collection: SIGNATURES.into(),
            id: signature,
            subject: None,
            organisation: None,
            district: None,
            values,
        };
        let writes = known.spent.into_iter().chain([insert]).chain(waits);
        let writes = writes.map(|write| (MODULE.to_owned(), write));
        commit.others.extend(writes);
        for record in &mut commit.audit {
            if record.detail.is_null() {
                record.detail = json!({});
            }
            if let Some(detail) = record.detail.as_object_mut() {
                detail.insert("signature".into(), digest.as_str().into());
            }
        }
        Ok(())
    }

    /// What a judge reads who has nothing but this.
    async fn document(
        &self,
        call: &Call,
        deed: &Deed<'_>,
        known: &Value,
        records: Vec<Value>,
    ) -> Result<Value, Fault> {
        let p = &call.principal;
        let organisation = match &p.organisation {
            Some(id) => self.kept(MODULE, ORGANISATIONS, id).await?,
            None => None,
        };
        let organisation = organisation.map(|own| {
            json!({ "id": word(&own, "id"), "name": word(&own, "name"), "code": own.get("code") })
        });
        Ok(json!({
            "action": {
                "name": format!("{}.{}", deed.def.id, deed.action.name),
                "label": deed.action.label.zh,
                "module": deed.def.label.zh,
            },
            "by": {
                "account": p.user, "login": p.login, "name": p.name, "party": p.subject,
                "organisation": organisation,
            },
            "input": deed.content.get("input"),
            "known": known,
            "records": records,
            "request": p.request,
            "time": call.now,
        }))
    }

    /// A record as a write leaves it. `known` are records by id as they stand before it.
    async fn written(
        &self,
        def: &ModuleDef,
        write: &Write,
        known: &mut BTreeMap<String, Map<String, Value>>,
    ) -> Result<Written, Fault> {
        let collection = def.collection(write.collection());
        let collection = collection.ok_or_else(Fault::not_found)?;
        let name = CollectionName::new(&def.id, &collection.name);
        let (what, id, revision, values) = match write {
            Write::Insert { id, values, .. } => ("insert", id, 1, values.clone()),
            Write::Update {
                id,
                revision,
                values,
                ..
            } => {
                let mut after = if let Some(before) = known.remove(id) {
                    before
                } else {
                    let before = self.store().get(&name, id, &Self::KERNEL).await;
                    before.map_err(|e| ask(&e))?.unwrap_or_default()
                };
                after.extend(values.clone());
                ("update", id, revision + 1, after)
            }
            Write::Delete { id, revision, .. } => ("delete", id, revision + 1, Map::new()),
        };
        known.insert(id.clone(), values.clone());
        let mut said = json!({
            "change": what, "collection": name.to_string(), "label": collection.label.zh,
            "id": id, "revision": revision,
        });
        let mut disclosures = Vec::new();
        if let Some(said) = said.as_object_mut().filter(|_| what != "delete") {
            let (fields, guarded) = fields(def, collection, &values, &mut disclosures)?;
            said.insert("fields".into(), fields.into());
            said.insert("guarded".into(), guarded.into());
        }
        Ok(Written { said, disclosures })
    }
}

/// What a record's fields are: those that whoever reads it sees, and of the others a digest that tells
/// nothing without the random number under it.
fn fields(
    def: &ModuleDef,
    collection: &CollectionDef,
    values: &Map<String, Value>,
    disclosures: &mut Vec<String>,
) -> Result<(Vec<Value>, Vec<Value>), Fault> {
    let (mut open, mut guarded) = (Vec::new(), Vec::new());
    let stored = |f: &&sdk_contract::def::FieldDef| !matches!(f.kind, Kind::Computed { .. });
    for field in collection.fields.iter().filter(stored) {
        let value = values.get(&field.name).unwrap_or(&Value::Null);
        if field.is_guarded() {
            let salt = random::token_hex(SALT).map_err(|_| Fault::internal("随机数服务不可用"))?;
            let disclosed = canonical::to_vec(&json!([salt, field.name, value]));
            guarded.push(json!({
                "name": field.name, "label": field.label.zh,
                "digest": sm3::digest(&disclosed).to_string(),
            }));
            disclosures.push(String::from_utf8_lossy(&disclosed).into_owned());
            continue;
        }
        let mut one = json!({ "name": field.name, "label": field.label.zh, "value": value });
        let text = words(def, field, value);
        if let Some(one) = one
            .as_object_mut()
            .filter(|_| matches!(field.kind, Kind::Choice { .. }) && !value.is_null())
        {
            one.insert("text".into(), text.into());
        }
        open.push(one);
    }
    Ok((open, guarded))
}

impl<'a> Deed<'a> {
    /// The record that it is about.
    fn object<'w>(&self, writes: &'w [Write]) -> Option<&'w str>
    where
        'a: 'w,
    {
        let mut own = writes
            .iter()
            .filter(|write| write.collection() == self.action.collection);
        let (Write::Insert { id, .. } | Write::Update { id, .. } | Write::Delete { id, .. }) =
            own.next()?;
        Some(self.record.map_or(id, |record| word(record, "id")))
    }
}

/// The signature that was offered is not over this content.
pub(crate) fn unsigned() -> Fault {
    Fault::sign("签名不正确或已过期，或者内容已有变化，请核对后重新签名")
}

fn by_call(made: &SignedCall) -> Known {
    Known {
        said: json!({
            "way": "signed-call",
            "body": sm3::digest(&made.body).to_string(),
            "signature": sm3::digest(&made.signature).to_string(),
        }),
        own: json!({
            "text": made.base,
            "signature": STANDARD.encode(&made.signature),
            "key": made.key,
            "body": STANDARD.encode(&made.body),
        }),
        serial: None,
        spent: None,
    }
}

/// The platform saw it and says so; nothing of the person's own is over it.
fn by_factor(factor: Option<(String, String)>) -> Known {
    let said = match factor {
        Some((way, at)) if !way.is_empty() => json!({ "way": way, "at": at }),
        Some((_, at)) => json!({ "way": "factor", "at": at }),
        None => json!({ "way": "password" }),
    };
    Known {
        said,
        own: Value::Null,
        serial: None,
        spent: None,
    }
}

fn failed(error: &IdentityError) -> Fault {
    tracing::error!(error = chain(error), "identity failed");
    let what = "账号服务暂时不可用，请稍后再试";
    Fault::new(FaultKind::Unavailable, "unavailable", what)
}
