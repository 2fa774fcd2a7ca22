//! Independent validations of scoring models: who looked at one, on what data, with what figures, what
//! came of it and until when that holds. No model goes live without one that holds, and a bank is told
//! when that of a live model runs out.

use std::collections::BTreeSet;

use kernel_identity::module::MODULE as PLATFORM;
use kernel_storage::{CollectionName, Commit, NewNotice, Record, Told};
use sdk_contract::call::{Reply, Write};
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{Action, Block, Choice, Column, Datum, Field, Form, Notice, Row, Table};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::{Date, Timestamp};
use serde_json::{Map, Value, json};

use super::model_pages::status;
use super::{ID, record, stay};
use crate::Host;
use crate::dispatch::{by_platform, commit_fault};
use crate::models::batch::{Quality, psi};
use crate::module::{Call, Input, new_id};
use crate::notices::audience;
use crate::reads::ask;
use crate::values::{object, word};

/// Name of the collection.
pub(super) const VALIDATIONS: &str = "validations";
pub(super) const FIT: &str = "fit";
pub(super) const CONDITIONAL: &str = "conditional";
pub(super) const UNFIT: &str = "unfit";
/// The longest that one holds, in days.
const LONGEST: i64 = 366;
/// Days before its end from which on the bank is told.
const SOON: i64 = 30;
/// Which roles people hold, in the platform's own module.
const GRANTS: &str = "grants";
const VALIDATE: &str = "model.validate";
const VALIDATOR: &str = "model.validator";

fn wrong(field: &'static str, code: &'static str, what: &str) -> Fault {
    Fault::invalid(vec![FieldFault::new(field, code, what)])
}

fn day(row: &Map<String, Value>, name: &str) -> Option<Date> {
    word(row, name).parse().ok()
}

/// What people call a version, within so many characters.
fn name(model: &Map<String, Value>, most: usize) -> String {
    let name = format!("{} {}", word(model, "title"), word(model, "version"));
    name.chars().take(most).collect()
}

/// Keeps what somebody else than the uploader found.
pub(super) async fn validate(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let model = record(input)?;
    if Some(word(model, "created_by")) == call.principal.user.as_deref() {
        return Err(Fault::forbidden(
            "上传人不能验证自己的模型，须由本机构另一名验证人验证",
        ));
    }
    if !["submitted", "approved"].contains(&word(model, "status")) {
        let what = "只验证待上线或已上线的模型";
        return Err(Fault::conflict("model.not-in-use", what));
    }
    let today = call.now.local_date();
    let until = day(&input.values, "valid_until");
    if !until.is_some_and(|until| (1..=LONGEST).contains(&today.days_until(until))) {
        return Err(wrong("valid_until", "past-day", "应在明天至一年以内"));
    }
    let quality = figures(host, model, word(&input.values, "trial")).await?;
    if quality.is_none() && word(&input.values, "conclusion") == FIT {
        let what = "结论为“通过”的，须选择由上传人以外的人完成、带好坏标签的批量试算；没有标签样本的可“有条件通过”";
        return Err(wrong("trial", "required", what));
    }
    let mut values = input.values.clone();
    values.extend(object(json!({
        "model": word(model, "id"),
        "title": name(model, 200),
        "by_name": call.principal.name,
    })));
    if let Some(quality) = quality {
        let before = spread_before(host, model).await?;
        let figure = |n: f64| format!("{n:.4}");
        values.extend(object(json!({
            "auc": figure(quality.auc), "ks": figure(quality.ks),
            "psi": psi(&before, &quality.spread).map(figure), "spread": quality.spread,
        })));
    }
    let write = Write::Insert {
        collection: VALIDATIONS.into(),
        id: new_id(call.now)?,
        subject: None,
        organisation: Some(word(model, "organisation").to_owned()),
        district: None,
        values,
    };
    Ok(Reply {
        writes: vec![write],
        ..stay("已记录独立验证")
    })
}

/// What a trial that somebody else than the uploader ran says of the model; none where none is named.
async fn figures(host: &Host, model: &Record, trial: &str) -> Result<Option<Quality>, Fault> {
    if trial.is_empty() {
        return Ok(None);
    }
    let name = CollectionName::new(ID, "trials");
    let found = host.store().get(&name, trial, &Host::KERNEL).await;
    let found = found.map_err(|e| ask(&e))?;
    let fits = found.filter(|row| word(row, "model") == word(model, "id") && counts(model, row));
    let quality = fits.and_then(|row| serde_json::from_value(row.get("quality")?.clone()).ok());
    let what = "请选择本模型的、由上传人以外的人完成并给出 AUC 与 KS 的批量试算";
    quality
        .map(Some)
        .ok_or_else(|| wrong("trial", "unknown", what))
}

/// Whether a trial is no one's own and has figures.
fn counts(model: &Record, trial: &Record) -> bool {
    word(trial, "created_by") != word(model, "created_by")
        && word(trial, "status") == "done"
        && trial.get("quality").is_some_and(Value::is_object)
}

async fn of_model(host: &Host, model: &str) -> Result<Vec<Record>, Fault> {
    let query = Query::new(CollectionName::new(ID, VALIDATIONS).to_string())
        .filter(Filter::eq("model", model))
        .sort("created_at", true)
        .limit(20);
    let found = host.store().find(&query, &Host::KERNEL).await;
    Ok(found.map_err(|e| ask(&e))?.records)
}

/// How scores were spread when a version of the same model was validated last.
async fn spread_before(host: &Host, model: &Record) -> Result<Vec<u64>, Fault> {
    let own = Query::new(CollectionName::new(ID, "models").to_string())
        .filter(Filter::eq("organisation", word(model, "organisation")))
        .filter(Filter::eq("name", word(model, "name")))
        .limit(MAX_LIMIT);
    let versions = host.store().find(&own, &Host::KERNEL).await;
    let versions = versions.map_err(|e| ask(&e))?.records;
    let query = Query::new(CollectionName::new(ID, VALIDATIONS).to_string())
        .filter(Filter::In {
            field: "model".into(),
            values: versions.iter().map(|row| json!(word(row, "id"))).collect(),
        })
        .filter(
            Filter::Missing {
                field: "auc".into(),
            }
            .not(),
        )
        .sort("created_at", true)
        .limit(1);
    let found = host.store().find(&query, &Host::KERNEL).await;
    let last = found.map_err(|e| ask(&e))?.records.into_iter().next();
    let spread = last.and_then(|row| serde_json::from_value(row.get("spread")?.clone()).ok());
    Ok(spread.unwrap_or_default())
}

/// The newest validation, where it lets the model go live today.
fn holds(validations: &[Record], today: Date) -> Option<&Record> {
    let newest = validations.first()?;
    let until = day(newest, "valid_until");
    let fit = word(newest, "conclusion") != UNFIT;
    (fit && until.is_some_and(|until| today <= until)).then_some(newest)
}

/// Whether a model may go live by somebody's word: it is validated, and where the bank has anybody else
/// who could, not by the same person.
pub(super) async fn allow(host: &Host, call: &Call, model: &Record) -> Result<(), Fault> {
    let all = of_model(host, word(model, "id")).await?;
    let Some(newest) = holds(&all, call.now.local_date()) else {
        let what =
            "没有有效的独立验证，或最近一次结论为不通过；请先由上传人以外的验证人记录独立验证";
        return Err(Fault::refused("model.not-validated", what));
    };
    let user = call.principal.user.as_deref();
    if Some(word(newest, "created_by")) != user {
        return Ok(());
    }
    let involved = [word(model, "created_by"), user.unwrap_or_default()];
    if others(host, call, word(model, "organisation"), &involved).await? {
        let what = "独立验证由您作出，须由本机构另一名验证人批准";
        return Err(Fault::forbidden(what));
    }
    Ok(())
}

/// Whether anybody else could approve in the same organisation.
async fn others(
    host: &Host,
    call: &Call,
    organisation: &str,
    involved: &[&str],
) -> Result<bool, Fault> {
    let query = Query::new(CollectionName::new(PLATFORM, GRANTS).to_string())
        .filter(Filter::eq("role", VALIDATOR))
        .filter(Filter::eq("organisation", organisation))
        .filter(Filter::Missing {
            field: "ended_at".into(),
        })
        .sort("created_at", false)
        .limit(MAX_LIMIT);
    let found = host.store().find(&query, &Host::KERNEL).await;
    let grants = found.map_err(|e| ask(&e))?.records;
    let now = call.now.to_string();
    let in_effect = |row: &&Record| match word(row, "expires_at") {
        "" => true,
        until => until > now.as_str(),
    };
    let mut users = grants.iter().filter(in_effect).map(|row| word(row, "user"));
    Ok(users.any(|user| !involved.contains(&user)))
}

/// The trials that a validation may rest on.
async fn trials(host: &Host, call: &Call, model: &Record) -> Result<Vec<Choice>, Fault> {
    let query = Query::new("console.trials")
        .filter(Filter::eq("model", word(model, "id")))
        .sort("created_at", true)
        .limit(20);
    let found = host.listed(call, query).await?;
    let own = found.records.iter().filter(|row| counts(model, row));
    let choices = own.map(|row| {
        let at: Option<Timestamp> = word(row, "created_at").parse().ok();
        let at = at.map(Timestamp::local_minute).unwrap_or_default();
        Choice::new(word(row, "id"), format!("{} {at}", word(row, "file_name")))
    });
    Ok(choices.collect())
}

/// What was found of a model, and the form for whoever may say more.
pub(super) async fn blocks(
    host: &Host,
    call: &Call,
    model: &Record,
    may: bool,
) -> Result<Vec<Block>, Fault> {
    let id = word(model, "id");
    let all = of_model(host, id).await?;
    let in_use = ["submitted", "approved"].contains(&word(model, "status"));
    let mut blocks = Vec::new();
    if in_use && holds(&all, call.now.local_date()).is_none() {
        let text = match word(model, "status") {
            "approved" => "模型仍在评分，请尽快重新验证或下线。",
            _ => "记录结论为通过或有条件通过的独立验证后才能批准上线。",
        };
        let notice = Notice::new(Tone::Warning, "没有有效的独立验证。", text);
        blocks.push(Block::notice("unvalidated", notice));
    }
    let rows = all.iter().map(|row| {
        let figure = |name: &str| Datum::text(word(row, name));
        let cells = vec![
            status("validation-conclusion", word(row, "conclusion")),
            Datum::text(word(row, "by_name")),
            Datum::time_text(word(row, "created_at")),
            Datum::date(word(row, "valid_until")),
            figure("auc"),
            figure("ks"),
            figure("psi"),
            Datum::text(word(row, "data")),
            Datum::text(word(row, "findings")),
        ];
        Row::new(word(row, "id"), cells)
    });
    let columns = vec![
        Column::new("conclusion", "结论", 0),
        Column::new("by", "验证人", 0),
        Column::new("at", "验证时间", 2),
        Column::new("until", "有效期至", 0),
        Column::new("auc", "AUC", 1),
        Column::new("ks", "KS", 1),
        Column::new("psi", "PSI", 2),
        Column::new("data", "验证数据", 2),
        Column::new("findings", "方法与发现", 3),
    ];
    let table = Table::new(columns).rows(rows).empty("还没有独立验证");
    let help = "PSI 与同名模型上一次验证的得分分布相比";
    blocks.push(
        Block::table("validations", table)
            .title("独立验证")
            .help(help),
    );
    if may && in_use {
        let own = Some(word(model, "created_by")) == call.principal.user.as_deref();
        let trials = trials(host, call, model).await?;
        blocks.push(Block::form(form(id, own, trials)).title("记录独立验证"));
    }
    Ok(blocks)
}

fn form(model: &str, own: bool, trials: Vec<Choice>) -> Form {
    let mut send = Action::send("记录验证", VALIDATE).record(model);
    if own {
        send = send.off("上传人不能验证自己的模型");
    }
    let def = super::declare::def();
    let options = def.choice("validation-conclusion").map(|c| &c.options);
    let options = options.into_iter().flatten();
    let options = options
        .map(|o| Choice::new(&o.value, &o.label.zh))
        .collect();
    let form = Form::new("validate", send)
        .field(
            Field::area("data", "验证数据", 500)
                .required()
                .hint("来源、时间段、样本量"),
        )
        .field(Field::area("findings", "方法与发现", 2000).required());
    let form = if trials.is_empty() {
        form
    } else {
        let help = "由上传人以外的人完成、带好坏标签的试算；AUC、KS、PSI 取自其中";
        form.field(Field::pick("trial", "批量试算", trials).help(help))
    };
    let conclusion = Field::pick("conclusion", "结论", options).required();
    form.field(conclusion.help("“通过”须有带好坏标签的批量试算，没有标签样本的可“有条件通过”"))
        .field(
            Field::date("valid_until", "有效期至")
                .required()
                .help("至多一年"),
        )
}

impl Host {
    /// Tells banks whose live model has no validation that holds, or one that ends soon: once each.
    pub async fn tell_of_validations(&self) -> Result<(), Fault> {
        let now = self.clock().now();
        let query = Query::new(CollectionName::new(ID, "models").to_string())
            .filter(Filter::eq("status", "approved"))
            .sort("decided_at", true)
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &Self::KERNEL).await;
        let models = found.map_err(|e| ask(&e))?.records;
        let mut seen = BTreeSet::new();
        let live = models
            .iter()
            .filter(|row| seen.insert((word(row, "organisation"), word(row, "name"))));
        let mut notices = Vec::new();
        for model in live {
            let all = of_model(self, word(model, "id")).await?;
            notices.extend(due(model, &all, now)?);
        }
        if notices.is_empty() {
            return Ok(());
        }
        let commit = Commit {
            at: now.micros(),
            by: by_platform(),
            request: "validations".into(),
            module: ID.into(),
            notices,
            ..Commit::default()
        };
        let done = self.store().commit(commit).await;
        done.map(|_| ()).map_err(|e| commit_fault(&e))
    }
}

/// What a bank is told of a live model.
fn due(model: &Record, all: &[Record], now: Timestamp) -> Result<Option<NewNotice>, Fault> {
    let today = now.local_date();
    let (key, title, title_en) = match holds(all, today) {
        None => {
            let last = all.first().map_or(word(model, "id"), |row| word(row, "id"));
            let title = "已上线的模型没有有效的独立验证";
            (
                format!("validation-late:{last}"),
                title,
                "A live model is not validated",
            )
        }
        Some(newest) => {
            let left = day(newest, "valid_until").map(|until| today.days_until(until));
            if left.is_none_or(|left| left > SOON) {
                return Ok(None);
            }
            let title = "模型的独立验证即将到期";
            let key = format!("validation-soon:{}", word(newest, "id"));
            (key, title, "A validation ends soon")
        }
    };
    Ok(Some(NewNotice {
        id: new_id(now)?,
        organisation: word(model, "organisation").to_owned(),
        audience: audience(ID, Some(VALIDATE)),
        user: None,
        key,
        told: Told {
            title: title.into(),
            title_en: title_en.into(),
            text: format!("{}：请重新验证，或下线该模型", name(model, 200)),
            text_en: "Validate it again, or withdraw it".into(),
            path: format!("/console/models/{}", word(model, "id")),
        },
    }))
}
