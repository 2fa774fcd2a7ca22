//! A scoring model's life: a developer uploads, the kernel examines, a validator of the same bank
//! decides. The newest approved version of a name is the one that scores; withdrawing it brings
//! the one before back.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel_storage::CollectionName;
use sdk_contract::call::{Reply, Write};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::manifest::MAX_COMPONENT_BYTES;
use sdk_contract::model::ModelDef;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};
use wasmtime::Trap;

use super::{ID, go, record, stay};
use crate::Host;
use crate::models::certificate::Signed;
use crate::models::{Admitted, KEPT, ModelError, Report};
use crate::module::{Call, Input, new_id};
use crate::reads::{ask, chain};
use crate::uploads::{UploadRef, wrong};
use crate::values::{number, object, word};

/// A model as it is registered and live.
pub(crate) struct Live {
    pub(crate) def: ModelDef,
    digest: String,
}

impl Host {
    /// The newest approved version of an institution's model.
    pub(crate) async fn live_model(&self, organisation: &str, name: &str) -> Result<Live, Fault> {
        let query = Query::new(CollectionName::new(ID, "models").to_string())
            .filter(Filter::And(vec![
                Filter::eq("organisation", organisation),
                Filter::eq("name", name),
                Filter::eq("status", "approved"),
            ]))
            .sort("decided_at", true)
            .limit(1);
        let found = self
            .store()
            .find(&query, &Self::KERNEL)
            .await
            .map_err(|e| ask(&e))?;
        let row = found.records.into_iter().next().ok_or_else(|| {
            Fault::new(
                FaultKind::Unavailable,
                "model.not-live",
                "该机构的评分模型尚未上线，暂不能评分",
            )
        })?;
        let document = row.get("document").cloned().unwrap_or_default();
        let def =
            serde_json::from_value(document).map_err(|_| Fault::internal("模型登记已损坏"))?;
        Ok(Live {
            def,
            digest: word(&row, "digest").to_owned(),
        })
    }

    /// The compiled component of a registered model.
    pub(crate) async fn admitted(&self, live: &Live) -> Result<Arc<Admitted>, Fault> {
        self.admitted_digest(&live.digest).await
    }

    /// Compiles the models that score now, so that the first score does not wait for it.
    pub(crate) async fn prepare_models(&self) {
        let query = Query::new(CollectionName::new(ID, "models").to_string())
            .filter(Filter::eq("status", "approved"))
            .sort("decided_at", true)
            .limit(MAX_LIMIT);
        let found = match self.store().find(&query, &Self::KERNEL).await {
            Ok(found) => found.records,
            Err(error) => {
                tracing::error!(error = chain(&error), "the live models cannot be read");
                return;
            }
        };
        let mut seen = BTreeSet::new();
        let live = found
            .iter()
            .filter(|row| seen.insert((word(row, "organisation"), word(row, "name"))));
        for row in live.take(KEPT) {
            // The platform stops: nobody will score.
            if self.tasks().is_closed() {
                return;
            }
            // A failure is in the log; the model is tried again when somebody scores.
            let _ = self.admitted_digest(word(row, "digest")).await;
        }
    }

    pub(crate) async fn admitted_digest(&self, digest: &str) -> Result<Arc<Admitted>, Fault> {
        if let Some(ready) = self.models().ready(digest) {
            return Ok(ready);
        }
        let bytes = self.upload(digest).await?;
        self.models().admit(bytes).await.map_err(|e| {
            tracing::error!(
                digest,
                error = chain(&e),
                "a registered model does not load"
            );
            Fault::new(
                FaultKind::Unavailable,
                "model.no-score",
                "银行评分模型暂时不可用，请稍后再试",
            )
        })
    }
}

/// The one file of an upload field.
pub(super) fn file(input: &Input) -> Result<UploadRef, Fault> {
    let given = input.values.get("file");
    let file: UploadRef = given
        .and_then(|value| serde_json::from_value(value.clone()).ok())
        .ok_or_else(|| wrong_file("请选择一个文件"))?;
    if file.size == 0 {
        return Err(wrong_file("文件是空的，请重新选择"));
    }
    Ok(file)
}

pub(super) fn wrong_file(message: impl Into<String>) -> Fault {
    wrong("bad-file", message)
}

/// The organisation a member of staff acts for.
pub(super) fn organisation(call: &Call) -> Result<String, Fault> {
    call.principal
        .organisation
        .clone()
        .ok_or_else(|| Fault::forbidden("您没有所属机构"))
}

pub(super) async fn upload(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let owner = organisation(call)?;
    let upload = file(input)?;
    let bytes = host.upload(&upload.digest).await?;
    let (model, report) = examine(host, bytes).await?;
    let id = new_id(call.now)?;
    let row = json!({
        "name": model.def.name, "version": model.def.version, "title": model.def.title,
        "status": "submitted", "digest": model.digest, "file_name": upload.name,
        "document": model.def, "report": report,
        "owner_name": call.principal.organisation_name, "uploaded_by_name": call.principal.name,
        "remark": input.values.get("remark"),
    });
    let write = Write::Insert {
        collection: "models".into(),
        id: id.clone(),
        subject: None,
        organisation: Some(owner),
        district: None,
        values: object(row),
    };
    let reply = go(
        format!("/console/models/{id}"),
        "模型已通过检查，等待验证人批准",
        json!({ "id": id, "name": model.def.name, "version": model.def.version, "report": report }),
    );
    Ok(Reply {
        writes: vec![write],
        ..reply
    })
}

/// Everything a model must be before a person looks at it.
async fn examine(host: &Host, bytes: Vec<u8>) -> Result<(Arc<Admitted>, Report), Fault> {
    let refused = |e: ModelError| wrong_file(sentence(&e));
    let model = host.models().admit(bytes).await.map_err(refused)?;
    let report = host.models().report(&model).await.map_err(refused)?;
    if report.golden.is_empty() {
        return Err(wrong_file("模型没有自带的金样例（golden），无法核对"));
    }
    match report.golden.iter().filter(|g| !g.holds).count() {
        0 => Ok((model, report)),
        failed => Err(wrong_file(format!("{failed} 个金样例的得分与声明不符"))),
    }
}

/// What is wrong with a model, for its developer.
fn sentence(error: &ModelError) -> String {
    use crate::inspect::InspectError as I;
    match error {
        ModelError::Inspect(I::ForeignImports(names)) => {
            format!("模型不得导入任何接口，但它导入了：{}", names.join("、"))
        }
        ModelError::Inspect(I::CoreModule) => {
            "这是 WebAssembly 核心模块，请先封装为组件（component）".into()
        }
        ModelError::Inspect(I::TooLarge(n)) => {
            format!("文件 {n} 字节，上限 {MAX_COMPONENT_BYTES} 字节")
        }
        ModelError::Inspect(I::MissingExport(name)) => format!("组件没有导出 {name}"),
        ModelError::Inspect(I::NotAComponent(_)) => {
            "不是有效的 WebAssembly 组件文件，或文件不完整".into()
        }
        ModelError::Link(_) => "组件不能编译，文件可能已经损坏".into(),
        ModelError::Trapped(cause) => stopped(cause).into(),
        ModelError::Unstable => "模型两次声明（describe）的内容不同".into(),
        ModelError::TooLong(n) => format!("模型的声明（describe）有 {n} 字节，过长"),
        ModelError::Refused(words) => format!("模型拒绝为自带的金样例评分：{words}"),
        ModelError::Contract(what) => format!("模型没有遵守约定：{what}"),
        other => format!("模型不合要求：{}", chain(other)),
    }
}

/// Which limit stopped a model.
fn stopped(cause: &wasmtime::Error) -> &'static str {
    match cause.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => "模型的计算量超过上限，可能有死循环",
        Some(Trap::Interrupt) => "模型运行超过时限",
        Some(Trap::StackOverflow) => "模型调用过深，超过栈的上限",
        Some(_) => "模型运行出错（trap）",
        None => "模型所需的内存，或返回的内容，超过上限",
    }
}

pub(super) async fn approve(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let row = record(input)?;
    if Some(word(row, "created_by")) == call.principal.user.as_deref() {
        return Err(Fault::forbidden(
            "上传人不能批准自己的模型，须由本机构另一名验证人批准",
        ));
    }
    super::validations::allow(host, call, row).await?;
    Ok(Reply {
        note: Some(note(input)),
        ..decided(call, input, "approved", "模型已上线")?
    })
}

pub(super) fn close(call: &Call, input: &Input, status: &str) -> Result<Reply, Fault> {
    Ok(Reply {
        note: Some(note(input)),
        ..decided(call, input, status, "已登记")?
    })
}

fn note(input: &Input) -> String {
    word(&input.values, "reason").to_owned()
}

fn decided(call: &Call, input: &Input, status: &str, toast: &str) -> Result<Reply, Fault> {
    let row = record(input)?;
    let mut changes = json!({ "status": status, "reason": input.values.get("reason") });
    if status != "withdrawn"
        && let Value::Object(changes) = &mut changes
    {
        changes.insert("decided_by_name".into(), json!(call.principal.name));
        changes.insert("decided_at".into(), json!(call.now));
    }
    let write = Write::Update {
        collection: "models".into(),
        id: word(row, "id").to_owned(),
        revision: number(row, "revision"),
        values: object(changes),
    };
    Ok(Reply {
        writes: vec![write],
        ..stay(toast)
    })
}

/// The row that keeps a certificate.
pub(crate) fn certificate_row(signed: &Signed, asker: &str) -> Write {
    let c = &signed.certificate;
    let row: Map<String, Value> = object(json!({
        "model": c.model.name, "version": c.model.version, "purpose": c.purpose,
        "reference": c.reference, "consent": c.consent, "score": c.output.score.to_string(),
        "document": signed, "asker": asker,
    }));
    Write::Insert {
        collection: "certificates".into(),
        id: c.id.clone(),
        subject: Some(c.subject.clone()),
        organisation: Some(c.recipient.clone()),
        district: None,
        values: row,
    }
}
