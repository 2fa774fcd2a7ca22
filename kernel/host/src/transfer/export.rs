//! An export: a walk over a list by cursor, as its person, into one file.
//!
//! The file says who made it, when and what for, and bears a trace id ([`super::write`]). Its end is
//! one audit record with the list that was asked for, how many rows it gave, the file's digest, and
//! whose data is in it.

use kernel_identity::principal::Principal;
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef};
use sdk_contract::kind::Kind;
use sdk_contract::query::Query;
use serde_json::{Map, Value, json};

use super::columns::Shown;
use super::replace::Replaced;
use super::run::{Job, Stop, unwritten};
use super::start::{clear_of, title_of};
use super::write::Sheet;
use super::{Format, MAX_CELL};
use crate::Catalog;
use crate::mask::Sight;

pub(super) async fn run(job: &mut Job) -> Result<(), Stop> {
    let catalog = job.host.catalog();
    let mut person = job.person().await?;
    let query = serde_json::from_value(job.value("query"));
    let mut query: Query = query.map_err(|_| Stop::Failed("查询条件已损坏".to_owned()))?;
    let gone = || Stop::Failed("该集合已停用".to_owned());
    let (installed, c) = catalog
        .collection(job.word("collection"))
        .ok_or_else(gone)?;
    let fields = fields_of(c, job.row());
    let replaced = Replaced::of(job.row());
    let plain = plain_of(c, job.row());
    let job_clear = job.word("clear").to_owned();
    let approved = !job.word("approved_by").is_empty();
    let unapproved = |p: &Principal| {
        let clear = clear_of(&installed.def, p, &plain);
        !clear.is_empty() && (!approved || clear != job_clear)
    };
    // What was approved, and what needs no approval.
    let alone = job.host.limits().export_without_approval;
    let most = if approved {
        alone.max(job.number("total"))
    } else {
        alone
    };
    let is_replaced = |name: &str| replaced.as_ref().is_some_and(|r| r.has(name));
    let columns = columns_of(&catalog, &installed.def, &fields, replaced.as_ref());
    let wording = installed.module.wording();
    let format = Format::parse(job.word("format")).unwrap_or(Format::Csv);
    let mut sheet = Sheet::marked(format, job.word("trace"), &says(job, &person));
    if format != Format::Jsonl {
        let labels: Vec<String> = columns.iter().map(|c| c.label.clone()).collect();
        sheet.cells(&labels);
    }
    let (mut rows, mut saved) = (0, 0);
    let reading = job.host.call(&person).map_err(Stop::Later)?;
    loop {
        if unapproved(&person) {
            let what = "现在所含的敏感信息与申请时不同，须另一人复核，请重新申请导出";
            return Err(Stop::Failed(what.to_owned()));
        }
        let mut found = job.host.list(&person, query.clone()).await?;
        // A file goes where nobody can tell that something is missing in it.
        if let Some(one) = found.altered.first() {
            let (what, id) = (&one.collection, &one.id);
            let why = format!("记录 {what} {id} 与平台写入时不一致，须先修复，请联系安全管理员");
            return Err(Stop::Failed(why));
        }
        reading.seen.data_of(c, &found.records);
        if let Some(replaced) = &replaced {
            let secret = job.secret(replaced).await?;
            let with = job.host.keys().pseudonyms(&replaced.project, &secret);
            let sight = Sight::of(&installed.def, c, &person);
            for record in &mut found.records {
                replaced.apply(&with, &sight, record)?;
            }
        }
        for record in &found.records {
            rows += 1;
            if format == Format::Jsonl {
                sheet.object(&part(&columns, record));
            } else {
                let cell = |shown: &Shown| {
                    let worded = wording.as_ref().filter(|_| !is_replaced(&shown.name));
                    let wording = worded.zip(record.get(&shown.name));
                    let said = wording.and_then(|(say, value)| say(&c.name, &shown.name, value));
                    said.unwrap_or_else(|| shown.cell(&installed.def.choices, record))
                };
                let cells: Vec<String> = columns.iter().map(cell).collect();
                if format == Format::Xlsx && cells.iter().any(|c| c.chars().count() > MAX_CELL) {
                    let what = format!("有单元格超过 {MAX_CELL} 字，请改用 CSV 或 JSON 行");
                    return Err(Stop::Failed(what));
                }
                sheet.cells(&cells);
            }
        }
        if rows > most {
            let what = format!("符合条件的已超过 {most} 条，请重新申请导出");
            return Err(Stop::Failed(what));
        }
        if sheet.is_full() {
            return Err(Stop::Failed("文件过大，请缩小范围或减少字段".to_owned()));
        }
        if job.is_due(rows - saved) {
            saved = rows;
            job.save(json!({ "done": rows }), Vec::new(), Vec::new())
                .await?;
            person = job.person().await?;
        }
        match found.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    let name = job.file_name("导出");
    let bytes = sheet.finish().ok_or_else(unwritten)?;
    let result = job.keep(&person, &name, bytes).await?;
    let told = json!({ "done": rows, "digest": result.digest });
    let changes = json!({ "done": rows, "result": result });
    let parties = reading.parties();
    job.finish(&person, changes, &told, parties).await
}

/// What stands for a value is text, whatever the field's kind.
fn columns_of(
    catalog: &Catalog,
    def: &ModuleDef,
    fields: &[&FieldDef],
    replaced: Option<&Replaced>,
) -> Vec<Shown> {
    let text = || Kind::Text { max: 64 };
    let mut columns = vec![Shown::system("id", "编号", text())];
    columns.extend(fields.iter().map(|field| {
        if replaced.is_some_and(|r| r.has(&field.name)) {
            return Shown::system(&field.name, &field.label.zh, text());
        }
        let title = title_of(catalog, def, field);
        Shown::new(field, title.map(|title| format!("{}.{title}", field.name)))
    }));
    if replaced.is_none() {
        columns.push(Shown::system("created_at", "创建时间", Kind::Datetime));
    }
    columns
}

/// The fields that an export was asked for, as far as they are still there.
pub(super) fn fields_of<'c>(c: &'c CollectionDef, job: &Map<String, Value>) -> Vec<&'c FieldDef> {
    let names = job.get("fields").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(|name| c.field(name)).collect()
}

/// Those of them that nothing stands for.
pub(super) fn plain_of<'c>(c: &'c CollectionDef, job: &Map<String, Value>) -> Vec<&'c FieldDef> {
    let replaced = Replaced::of(job);
    let mut fields = fields_of(c, job);
    fields.retain(|f| !replaced.as_ref().is_some_and(|r| r.has(&f.name)));
    fields
}

/// The line by which people see whose file it is.
fn says(job: &Job, person: &Principal) -> String {
    let replaced = match job.word("replaced") {
        "" => String::new(),
        words => format!("｜{words}"),
    };
    format!(
        "{} {} {} 导出“{}”｜用途：{}{replaced}｜追溯码：{}",
        person.organisation_name,
        person.name,
        job.host.clock().now().local_minute(),
        job.word("label"),
        job.word("reason"),
        job.word("trace"),
    )
}

/// The fields that were asked for, as the resource API gives them.
fn part(columns: &[Shown], record: &Map<String, Value>) -> Map<String, Value> {
    let of = |name: &str| Some((name.to_owned(), record.get(name)?.clone()));
    columns.iter().filter_map(|c| of(&c.name)).collect()
}
