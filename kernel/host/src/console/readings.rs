//! Who reads more of other parties' data than they usually do. Every ten minutes the trail is counted:
//! a row a day for everybody who came to somebody else's data, looked at masked values, or was refused.
//! What is out of the ordinary waits for the audit administrator, who says what came of it.

use std::collections::BTreeMap;

use kernel_storage::{AuditDraft, CollectionName, Commit, CommitError, Reading, Record, is_id};
use sdk_contract::call::{Ask, EventDraft, Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Column, Confirm, Datum, Fact, Field, Page, Row, Section, Stat, Table, Tone,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Date;
use serde_json::{Map, Value, json};

use super::audit_pages::midnight;
use super::names::{Names, users_called};
use super::pages::{PAGE, bench, may, page_number, param};
use super::{ID, go, record, stay};
use crate::dispatch::{by_platform, commit_fault};
use crate::module::{Call, Input, new_id};
use crate::reads::{ask as ask_fault, storage};
use crate::values::{number, object, word};
use crate::{Host, Unusual};

/// Name of the collection.
pub(super) const READINGS: &str = "readings";
pub(super) const PATH: &str = "/console/readings";
/// What the trail calls a finding.
const FOUND: &str = "console.reading.unusual";
const USUAL: &str = "usual";
const OPEN: &str = "open";
pub(super) const EXPLAINED: &str = "explained";
pub(super) const BREACH: &str = "breach";
/// What is said of one.
pub(super) const BREACHED: &str = "reading.breached";
/// Days of somebody's that say what is usual, as far back as there are any.
const BEFORE: u32 = 30;
/// Parties that are named of a breach, of so many that are looked up.
const NAMED: usize = 100;
const LOOKED_UP: u32 = 1_000;
/// Rows of one commit.
const AT_ONCE: usize = 100;

/// What is counted of a day. Each is judged by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts([i64; 3]);

/// The fields of [`Counts`], in its order.
const COUNTED: [&str; 3] = ["parties", "looks", "refused"];

impl Counts {
    fn of(reading: &Reading) -> Self {
        Self([reading.parties, reading.looks, reading.refused])
    }

    fn read(row: &Map<String, Value>) -> Self {
        Self(COUNTED.map(|name| number(row, name)))
    }

    /// The middle of earlier days, each count for itself; with none, nothing is usual.
    fn usual(days: &[Self]) -> Self {
        Self([0, 1, 2].map(|n| {
            let mut all: Vec<i64> = days
                .iter()
                .filter_map(|day| day.0.get(n).copied())
                .collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied().unwrap_or_default()
        }))
    }

    /// Whether one is as many as the configuration minds, and as many times what it is held against.
    fn exceed(self, against: Self, rule: &Unusual) -> bool {
        let least = [rule.parties, rule.looks, rule.refused].map(i64::from);
        let counts = self.0.iter().zip(against.0).zip(least);
        counts.into_iter().any(|((count, against), least)| {
            least > 0 && *count >= least && *count > against.saturating_mul(rule.times.into())
        })
    }

    /// Whether one is as many as the configuration minds: only then is what is usual looked up.
    fn matter(self, rule: &Unusual) -> bool {
        self.exceed(Self::default(), rule)
    }

    fn values(self) -> Map<String, Value> {
        let pairs = COUNTED.iter().zip(self.0);
        pairs
            .map(|(name, count)| ((*name).to_owned(), count.into()))
            .collect()
    }
}

impl Host {
    /// Counts what everybody read today, and yesterday to its end, and notes who is out of the
    /// ordinary. Any server may, at any time; what another noted meanwhile is left to the next time.
    pub async fn watch_readings(&self) -> Result<(), Fault> {
        let today = self.clock().now().local_date();
        for day in [today.plus_days(-1), today] {
            self.watch_day(day).await?;
        }
        Ok(())
    }

    async fn watch_day(&self, day: Date) -> Result<(), Fault> {
        let text = day.to_string();
        let (Some(from), Some(to)) = (midnight(&text, 0), midnight(&text, 1)) else {
            return Ok(());
        };
        let readings = self.store().readings(from, to).await;
        let readings = readings.map_err(|e| storage(&e))?;
        let rows = self.readings_of(day).await?;
        let (mut writes, mut found) = (Vec::new(), Vec::new());
        // The platform and its modules act under no id.
        for reading in readings.iter().filter(|r| is_id(&r.actor)) {
            let row = rows.get(&reading.actor);
            let (write, draft) = self.noted_reading(day, reading, row).await?;
            writes.extend(write);
            found.extend(draft);
        }
        for draft in &found {
            tracing::warn!(
                alarm = "reading.unusual",
                reading = draft.object,
                "somebody read more than they usually do"
            );
        }
        let now = self.clock().now();
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let writes: Vec<Write> = writes.by_ref().take(AT_ONCE).collect();
            let audit = found.extract_if(.., |draft| writes.iter().any(|w| w.id() == draft.object));
            let commit = Commit {
                at: now.micros(),
                by: by_platform(),
                request: "readings".into(),
                module: ID.into(),
                audit: audit.collect(),
                writes,
                ..Commit::default()
            };
            match self.store().commit(commit).await {
                Ok(_) | Err(CommitError::Stale { .. } | CommitError::Conflict { .. }) => {}
                Err(error) => return Err(commit_fault(&error)),
            }
        }
        Ok(())
    }

    /// What is written of a reading, and the record of the trail where it is out of the ordinary.
    async fn noted_reading(
        &self,
        day: Date,
        reading: &Reading,
        row: Option<&Record>,
    ) -> Result<(Option<Write>, Option<AuditDraft>), Fault> {
        let rule = &self.limits().unusual;
        let counts = Counts::of(reading);
        if row.is_some_and(|row| Counts::read(row) == counts) {
            return Ok((None, None));
        }
        let mut usual = Counts::default();
        if counts.matter(rule) {
            usual = self.usual(day, &reading.actor).await?;
        }
        let before = row.map_or(USUAL, |row| word(row, "status"));
        let status = match before {
            // What was decided was about fewer: it is looked at again when there are as many times more.
            EXPLAINED | BREACH => {
                let settled = row.and_then(|row| row.get("settled")?.as_object());
                let settled = settled.map_or_else(Counts::default, Counts::read);
                if counts.exceed(settled, rule) {
                    OPEN
                } else {
                    before
                }
            }
            _ if counts.exceed(usual, rule) => OPEN,
            _ => before,
        };
        let now = self.clock().now();
        let mut values = counts.values();
        values.insert("status".into(), status.into());
        values.insert("usual".into(), json!(usual.values()));
        let id = match row {
            Some(row) => word(row, "id").to_owned(),
            None => new_id(now)?,
        };
        let draft = (status == OPEN && before != OPEN).then(|| AuditDraft {
            at: now.micros(),
            actor: "kernel".into(),
            action: FOUND.into(),
            object: id.clone(),
            outcome: "ok".into(),
            detail: json!({
                "reader": reading.actor, "day": day.to_string(),
                "counts": counts.values(), "usual": usual.values(),
            }),
            ..AuditDraft::default()
        });
        let write = if let Some(row) = row {
            update(row, values)
        } else {
            values.insert("day".into(), day.to_string().into());
            values.insert("reader".into(), reading.actor.as_str().into());
            values.insert("institution".into(), json!(reading.organisation));
            Write::Insert {
                collection: READINGS.into(),
                id,
                subject: None,
                organisation: None,
                district: None,
                values,
            }
        };
        Ok((Some(write), draft))
    }

    /// What is usual for somebody, by the days before that they have a row of.
    async fn usual(&self, day: Date, reader: &str) -> Result<Counts, Fault> {
        let before = Filter::Range {
            field: "day".into(),
            min: None,
            max: Some(day.plus_days(-1).to_string().into()),
        };
        let query = Query::new(CollectionName::new(ID, READINGS).to_string())
            .filter(Filter::eq("reader", reader))
            .filter(before)
            .sort("day", true)
            .limit(BEFORE);
        let found = self.store().find(&query, &Self::KERNEL).await;
        let found = found.map_err(|e| ask_fault(&e))?.records;
        let days: Vec<Counts> = found.iter().map(Counts::read).collect();
        Ok(Counts::usual(&days))
    }

    /// The rows of a day, by reader.
    async fn readings_of(&self, day: Date) -> Result<BTreeMap<String, Record>, Fault> {
        let (mut all, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let query = Query::new(CollectionName::new(ID, READINGS).to_string())
                .filter(Filter::eq("day", day.to_string()))
                .after(cursor, MAX_LIMIT);
            let found = self.store().find(&query, &Self::KERNEL).await;
            let found = found.map_err(|e| ask_fault(&e))?;
            let rows = found.records.into_iter();
            all.extend(rows.map(|row| (word(&row, "reader").to_owned(), row)));
            match found.next {
                Some(next) => cursor = next,
                None => return Ok(all),
            }
        }
    }
}

fn update(row: &Map<String, Value>, values: Map<String, Value>) -> Write {
    Write::Update {
        collection: READINGS.into(),
        id: word(row, "id").to_owned(),
        revision: number(row, "revision"),
        values,
    }
}

/// Counts at once, in the background: a day may have many records.
pub(super) fn count(host: &Host) -> Reply {
    let work = host.clone();
    host.tasks().spawn(async move {
        if let Err(fault) = work.watch_readings().await {
            tracing::error!(code = "reading.not-watched", %fault, "readings were not counted");
        }
    });
    stay("已开始统计，请稍后刷新")
}

/// What modules hear of a breach: whose data it was about, as the trail has it. Not who it was, which the
/// audit administrator may read.
async fn breached(
    host: &Host,
    call: &Call,
    row: &Map<String, Value>,
    reason: &str,
) -> Result<EventDraft, Fault> {
    let day = word(row, "day");
    let mut parties = Vec::new();
    if let (Some(from), Some(to)) = (midnight(day, 0), midnight(day, 1)) {
        let store = host.store();
        let found = store.parties_read(word(row, "reader"), (from, to), LOOKED_UP);
        parties = found.await.map_err(|e| storage(&e))?;
    }
    // Of those who have no account here there is a record and no name that anybody is told by.
    let mut names = Vec::new();
    for some in parties.chunks(AT_ONCE) {
        let ids: Vec<&str> = some.iter().map(String::as_str).collect();
        let found = Names::of(host, Vec::new(), ids.clone()).await?;
        names.extend(ids.iter().filter_map(|id| found.get(id).map(str::to_owned)));
    }
    names.truncate(NAMED);
    Ok(EventDraft {
        name: BREACHED.into(),
        aggregate: word(row, "id").to_owned(),
        data: json!({
            "reading": word(row, "id"), "day": day, "reason": reason, "names": names,
            "parties": number(row, "parties"), "organisation": call.principal.organisation,
        }),
    })
}

/// Says what came of it. Nobody says it of themselves.
pub(super) async fn settle(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let row = record(input)?;
    if call.principal.user.as_deref() == Some(word(row, "reader")) {
        let what = "这是您本人的查询，须由另一名审计管理员认定";
        return Err(Fault::refused("reading.own", what));
    }
    if word(row, "status") == USUAL {
        let what = "这一天的查询没有异常，无需认定";
        return Err(Fault::conflict("reading.usual", what));
    }
    let values = json!({
        "status": word(&input.values, "finding"),
        "settled": Counts::read(row).values(),
        "decided_by_name": call.principal.name,
        "decided_at": call.now.to_string(),
        "reason": word(&input.values, "reason"),
    });
    let event = match word(&input.values, "finding") {
        BREACH => Some(breached(host, call, row, word(&input.values, "reason")).await?),
        _ => None,
    };
    Ok(Reply {
        writes: vec![update(row, object(values))],
        events: event.into_iter().collect(),
        note: Some(word(&input.values, "reason").to_owned()),
        ..go(
            format!("{PATH}/{}", word(row, "id")),
            "已认定",
            json!({ "id": word(row, "id") }),
        )
    })
}

async fn names(host: &Host, rows: &[Record]) -> Result<Names, Fault> {
    let readers = rows.iter().map(|row| word(row, "reader")).collect();
    let institutions = rows.iter().map(|row| word(row, "institution")).collect();
    Names::of(host, readers, institutions).await
}

fn counted(row: &Map<String, Value>, name: &str) -> Datum {
    Datum::Integer(number(row, name))
}

/// What is usual, where it was looked up.
fn usually(row: &Map<String, Value>, name: &str) -> Datum {
    let usual = row.get("usual").and_then(Value::as_object);
    let counts = Counts::read(row);
    match usual {
        Some(usual) if counts != Counts::default() => Datum::Integer(number(usual, name)),
        _ => Datum::None,
    }
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let at = page_number(ask);
    let mut query = Query::new(CollectionName::new(ID, READINGS).to_string())
        .sort("day", true)
        .sort("parties", true)
        .page(at, PAGE);
    if let Some(status) = ask.query("status") {
        query = query.filter(Filter::eq("status", status));
    }
    if let Some(who) = ask.query("who") {
        let called = users_called(host, who).await?;
        query = query.filter(Filter::In {
            field: "reader".into(),
            values: called.into_iter().map(Value::from).collect(),
        });
    }
    let found = host.listed(call, query).await?;
    let names = names(host, &found.records).await?;
    let catalog = host.catalog();
    let def = &catalog.modules.get(ID).ok_or_else(Fault::not_found)?.def;
    let c = def.collection(READINGS).ok_or_else(Fault::not_found)?;
    let status = c.field("status").ok_or_else(Fault::not_found)?;
    let rows = found.records.iter().map(|row| {
        let shown = row.get("status").unwrap_or(&Value::Null);
        let cells = vec![
            Datum::text(names.or_id(word(row, "reader"))),
            Datum::text(word(row, "day")),
            Datum::text(names.or_id(word(row, "institution"))),
            counted(row, "parties"),
            counted(row, "looks"),
            counted(row, "refused"),
            Datum::of(status, &def.choices, shown),
        ];
        let id = word(row, "id");
        Row::new(id, cells).to(format!("{PATH}/{id}"))
    });
    let columns = vec![
        Column::new("reader", "人员或应用", 0),
        Column::new("day", "日期", 0),
        Column::new("institution", "所属机构", 2),
        Column::new("parties", "涉及他方主体", 0),
        Column::new("looks", "查看完整内容", 1),
        Column::new("refused", "被拒绝", 1),
        Column::new("status", "状态", 0),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .filter(Field::of(status, &def.choices).ok_or_else(Fault::not_found)?)
        .filter(Field::text("who", "人员", 80).hint("姓名、登录名"))
        .paging(at, PAGE, found.total.unwrap_or_default())
        .empty("没有符合条件的记录");
    let mut page = bench("查询监测")
        .subtitle(rule_in_words(&host.limits().unusual))
        .guarded()
        .block(Block::table("readings", table));
    if may(host, call, "reading.count") {
        page = page.action(Action::send("立即统计", "reading.count").icon("refresh"));
    }
    Ok(page)
}

fn rule_in_words(rule: &Unusual) -> String {
    let parts = [
        (rule.parties, "涉及他方主体"),
        (rule.looks, "查看完整内容"),
        (rule.refused, "被拒绝"),
    ];
    let minded = parts.iter().filter(|(least, _)| *least > 0);
    let minded: Vec<String> = minded.map(|(n, what)| format!("{what}达 {n}")).collect();
    if minded.is_empty() {
        return "每十分钟按审计日志统计；配置未设异常规则".to_owned();
    }
    format!(
        "每十分钟按审计日志统计。一天内{}，且超过本人往常（此前至多 {BEFORE} 个有记录日的中位数）的 {} 倍，列为待核实",
        minded.join("，或"),
        rule.times
    )
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let name = CollectionName::new(ID, READINGS).to_string();
    let row = host.get(&call.principal, &name, param(ask, "id")).await?;
    let rows = [row];
    let names = names(host, &rows).await?;
    let [row] = &rows;
    let catalog = host.catalog();
    let def = &catalog.modules.get(ID).ok_or_else(Fault::not_found)?.def;
    let c = def.collection(READINGS).ok_or_else(Fault::not_found)?;
    let label = |name: &str| c.field(name).map_or("", |f| f.label.zh.as_str());
    let (reader, day) = (word(row, "reader"), word(row, "day"));
    let status = c.field("status").ok_or_else(Fault::not_found)?;
    let shown = row.get("status").unwrap_or(&Value::Null);
    let mut facts = vec![
        Fact::new("人员或应用", Datum::text(names.or_id(reader))),
        Fact::new(
            "所属机构",
            Datum::text(names.or_id(word(row, "institution"))),
        ),
        Fact::new("日期", Datum::text(day)),
        Fact::new("状态", Datum::of(status, &def.choices, shown)),
    ];
    if !word(row, "decided_by_name").is_empty() {
        facts.extend([
            Fact::new("认定人", Datum::text(word(row, "decided_by_name"))),
            Fact::new("认定时间", Datum::time_text(word(row, "decided_at"))),
            Fact::new("说明", Datum::text(word(row, "reason"))),
        ]);
    }
    let table_rows = COUNTED.iter().map(|name| {
        let cells = vec![
            Datum::text(label(name)),
            counted(row, name),
            usually(row, name),
        ];
        Row::new(*name, cells)
    });
    let columns = vec![
        Column::new("what", "统计项", 0),
        Column::new("count", "当天", 0),
        Column::new("usual", "本人往常", 0),
    ];
    let table = Table::new(columns).rows(table_rows);
    let trail = format!("/console/audit?who={reader}&from={day}&to={day}");
    let mut page = bench("查询监测")
        .subtitle(format!("{} · {day}", names.or_id(reader)))
        .under("查询监测", PATH)
        .guarded()
        .action(Action::open("当天的审计日志", trail).icon("history"))
        .block(Block::details("facts", facts))
        .block(Block::table("counts", table).title("当天的查询"));
    if word(row, "status") != USUAL && may(host, call, "reading.settle") {
        let own = call.principal.user.as_deref() == Some(reader);
        let deeds = [
            (EXPLAINED, "有正当理由", "认定为有正当理由。"),
            (BREACH, "属违规查询", "认定为违规查询，请另行按制度处理。"),
        ];
        let deeds = deeds.map(|(finding, label, text)| {
            let send = Action::send(label, "reading.settle")
                .record(word(row, "id"))
                .arg("finding", finding)
                .confirm(Confirm::new(label, text, "认定").reason("说明"));
            let send = if finding == BREACH {
                send.danger()
            } else {
                send.primary()
            };
            if own {
                send.off("本人的查询由另一名审计管理员认定")
            } else {
                send
            }
        });
        page = page.block(Block::actions("settle", deeds.into()));
    }
    Ok(page)
}

/// How many wait, on the audit administrator's home page.
pub(super) async fn tile(host: &Host, call: &Call) -> Result<Page, Fault> {
    let query = Query::new(CollectionName::new(ID, READINGS).to_string())
        .filter(Filter::eq("status", OPEN))
        .page(1, 1);
    let found = host.listed(call, query).await?;
    let waiting = i64::try_from(found.total.unwrap_or_default()).unwrap_or(i64::MAX);
    let tone = if waiting > 0 {
        Tone::Danger
    } else {
        Tone::Success
    };
    let stat = Stat::new("待核实的异常查询", Datum::Integer(waiting))
        .icon("shield-check", tone)
        .to(format!("{PATH}?status={OPEN}"));
    let block = Block::stats("readings", vec![stat])
        .title("查询监测")
        .more("进入查询监测", PATH);
    Ok(Page::new("首页").section(Section::stack().block(block)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Unusual = Unusual {
        parties: 50,
        looks: 10,
        refused: 0,
        times: 3,
    };

    #[test]
    fn row_120_out_of_the_ordinary_is_many_and_many_times_the_usual() {
        let usual = Counts([20, 0, 0]);
        assert!(!Counts([60, 0, 0]).exceed(usual, &RULE), "three times");
        assert!(Counts([61, 0, 0]).exceed(usual, &RULE));
        assert!(!Counts([49, 9, 0]).exceed(Counts::default(), &RULE), "few");
        assert!(Counts([0, 10, 0]).exceed(usual, &RULE), "each by itself");
        assert!(!Counts([0, 0, 999]).exceed(usual, &RULE), "switched off");
        assert!(!Counts([i64::MAX, 0, 0]).exceed(Counts([i64::MAX; 3]), &RULE));
    }

    #[test]
    fn the_usual_is_the_middle_of_the_days_before() {
        assert_eq!(Counts::usual(&[]), Counts::default());
        let days = [[1, 0, 5], [900, 0, 5], [3, 2, 5]].map(Counts);
        assert_eq!(Counts::usual(&days), Counts([3, 0, 5]));
    }
}
