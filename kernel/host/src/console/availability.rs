//! Whether the platform was there, minute by minute: a server that runs, and whose database takes a
//! write, marks the minute, and what nobody marked was an outage. One row a day, of all servers
//! together, so that one of several that stops is none.

use kernel_storage::{CollectionName, Commit, CommitError};
use sdk_contract::call::Write;
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Page, Row, Stat, Table};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::{Date, Timestamp};
use serde_json::{Map, Value, json};

use super::ID;
use super::pages::bench;
use crate::Host;
use crate::dispatch::{by_platform, commit_fault};
use crate::module::new_id;
use crate::reads::ask as ask_fault;
use crate::values::{number, object, word};

/// Name of the collection.
pub(super) const UPTIME: &str = "uptime-days";
/// What the tender asks for, in hundredths of a percent (its service requirement 5: 99 %).
const WANTED: i64 = 9_900;
const DAY_MINUTES: i64 = 24 * 60;
/// Days that the page looks back.
const YEAR: i64 = 365;
const MONTH: i64 = 30;
/// Outages that the page shows.
const MOST: usize = 100;

/// The minutes of a day in which the platform was there, as ranges with both ends, in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Minutes(Vec<(i64, i64)>);

impl Minutes {
    fn read(row: &Map<String, Value>) -> Self {
        let ranges = row.get("minutes").and_then(Value::as_array);
        let pair = |range: &Value| Some((range.get(0)?.as_i64()?, range.get(1)?.as_i64()?));
        Self(ranges.into_iter().flatten().filter_map(pair).collect())
    }

    /// Adds a minute; false where it is there.
    fn mark(&mut self, minute: i64) -> bool {
        if self
            .0
            .iter()
            .any(|&(from, to)| (from..=to).contains(&minute))
        {
            return false;
        }
        self.0.push((minute, minute));
        self.0.sort_unstable();
        self.0.dedup_by(|next, last| {
            let joins = last.1 + 1 == next.0;
            if joins {
                last.1 = next.1;
            }
            joins
        });
        true
    }

    /// The ranges of `from..=to` in which it was not there.
    fn missing(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut gaps = Vec::new();
        let mut next = from;
        for &(up, last) in &self.0 {
            if up > next {
                gaps.push((next, to.min(up - 1)));
            }
            next = next.max(last + 1);
        }
        gaps.push((next, to));
        gaps.retain(|(from, to)| from <= to);
        gaps
    }

    fn values(&self, day: Date) -> Map<String, Value> {
        object(json!({ "day": day.to_string(), "minutes": self.0 }))
    }
}

/// The minute of the city's day.
fn minute(now: Timestamp) -> i64 {
    let minutes = now.micros().div_euclid(60_000_000);
    (minutes + 8 * 60).rem_euclid(DAY_MINUTES)
}

impl Host {
    /// Marks this minute as one in which the platform is there. Any server may, any number of times.
    pub async fn mark_minute(&self) -> Result<(), Fault> {
        let now = self.clock().now();
        let day = now.local_date();
        // Another server that marks at the same time may have been faster.
        for _ in 0..3 {
            let row = self.uptime_row(day).await?;
            let mut minutes = row.as_ref().map_or_else(Minutes::default, Minutes::read);
            if !minutes.mark(minute(now)) {
                return Ok(());
            }
            let values = minutes.values(day);
            let write = match &row {
                Some(row) => Write::Update {
                    collection: UPTIME.into(),
                    id: word(row, "id").to_owned(),
                    revision: number(row, "revision"),
                    values,
                },
                None => Write::Insert {
                    collection: UPTIME.into(),
                    id: new_id(now)?,
                    subject: None,
                    organisation: None,
                    district: None,
                    values,
                },
            };
            match self.store().commit(commit(now, write)).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Stale { .. } | CommitError::Conflict { .. }) => {}
                Err(error) => return Err(commit_fault(&error)),
            }
        }
        Ok(())
    }

    async fn uptime_row(&self, day: Date) -> Result<Option<Map<String, Value>>, Fault> {
        let query = Query::new(CollectionName::new(ID, UPTIME).to_string())
            .filter(Filter::eq("day", day.to_string()))
            .limit(1);
        let found = self.store().find(&query, &Self::KERNEL).await;
        Ok(found.map_err(|e| ask_fault(&e))?.records.into_iter().next())
    }

    /// The days of the last year that have a row.
    async fn uptime(&self, today: Date) -> Result<Vec<(Date, Minutes)>, Fault> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = Query::new(CollectionName::new(ID, UPTIME).to_string())
                .filter(Filter::Range {
                    field: "day".into(),
                    min: Some(today.plus_days(1 - YEAR).to_string().into()),
                    max: None,
                })
                .after(cursor, MAX_LIMIT);
            let found = self.store().find(&query, &Self::KERNEL).await;
            let found = found.map_err(|e| ask_fault(&e))?;
            let days = found.records.iter();
            all.extend(days.filter_map(|r| Some((word(r, "day").parse().ok()?, Minutes::read(r)))));
            match found.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        all.sort_by_key(|(day, _)| *day);
        Ok(all)
    }
}

/// Neither history nor a record of the trail: it happens every minute.
fn commit(now: Timestamp, write: Write) -> Commit {
    Commit {
        at: now.micros(),
        by: by_platform(),
        request: "uptime".into(),
        module: ID.into(),
        writes: vec![write],
        ..Commit::default()
    }
}

/// A time without the platform: the day and minute of its begin, and how many minutes it was.
#[derive(Debug, PartialEq, Eq)]
struct Outage {
    day: Date,
    minute: i64,
    minutes: i64,
}

/// Outages from the first minute that was marked to the one before `now`, oldest first. One goes over
/// midnight, and over days without any mark.
fn outages(days: &[(Date, Minutes)], now: Timestamp) -> Vec<Outage> {
    let Some((first, marked)) = days.first() else {
        return Vec::new();
    };
    let today = now.local_date();
    let begin = marked.0.first().map_or(0, |(from, _)| *from);
    let none = Minutes::default();
    let mut known = days.iter().peekable();
    let mut all: Vec<Outage> = Vec::new();
    for n in 0..=first.days_until(today) {
        let day = first.plus_days(n);
        let of_day = known.next_if(|(known, _)| *known == day);
        let of_day = of_day.map_or(&none, |(_, minutes)| minutes);
        let from = if n == 0 { begin } else { 0 };
        // The minute that goes on is not over.
        let to = if day == today {
            minute(now) - 1
        } else {
            DAY_MINUTES - 1
        };
        for (gap, end) in of_day.missing(from, to) {
            let minutes = end - gap + 1;
            match all.last_mut() {
                Some(last)
                    if last.minute + last.minutes
                        == last.day.days_until(day) * DAY_MINUTES + gap =>
                {
                    last.minutes += minutes;
                }
                _ => all.push(Outage {
                    day,
                    minute: gap,
                    minutes,
                }),
            }
        }
    }
    all
}

/// Hundredths of a percent of the last so many days in which the platform was there, counted from the
/// first minute that was marked; none before there is a whole minute.
fn share(days: &[(Date, Minutes)], outages: &[Outage], last: i64, now: Timestamp) -> Option<i64> {
    let (first, marked) = days.first()?;
    let today = now.local_date();
    let place = |day: Date, minute: i64| first.days_until(day) * DAY_MINUTES + minute;
    let end = place(today, minute(now));
    let begin = place(*first, marked.0.first()?.0);
    let begin = begin.max(end - last * DAY_MINUTES);
    let down: i64 = outages
        .iter()
        .map(|o| {
            let from = place(o.day, o.minute);
            (from + o.minutes - from.max(begin)).max(0)
        })
        .sum();
    let all = end - begin;
    (all > 0).then(|| (all - down) * 10_000 / all)
}

fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

pub(super) async fn list(host: &Host) -> Result<Page, Fault> {
    let now = host.clock().now();
    let days = host.uptime(now.local_date()).await?;
    let outages = outages(&days, now);
    let stat = |label: &str, last: i64| {
        let share = share(&days, &outages, last, now);
        let shown = share.map_or("—".to_owned(), |n| format!("{}.{:02}%", n / 100, n % 100));
        let tone = match share {
            Some(share) if share < WANTED => Tone::Danger,
            Some(_) => Tone::Success,
            None => Tone::Neutral,
        };
        Stat {
            tone,
            ..Stat::new(label, Datum::text(shown))
        }
    };
    let stats = vec![
        stat("近 30 天正常运行率", MONTH),
        stat("近 365 天正常运行率", YEAR),
        Stat::new("要求", Datum::text("不低于 99%")),
    ];
    let rows = outages.iter().rev().take(MOST).map(|outage| {
        let end = outage.minute + outage.minutes;
        let until = outage.day.plus_days(end / DAY_MINUTES);
        let from = format!("{} {}", outage.day, clock(outage.minute));
        let cells = vec![
            Datum::text(from.as_str()),
            Datum::text(format!("{until} {}", clock(end % DAY_MINUTES))),
            Datum::text(format!("{} 分钟", outage.minutes)),
        ];
        Row::new(from, cells)
    });
    let columns = vec![
        Column::new("from", "开始", 0),
        Column::new("until", "恢复", 1),
        Column::new("minutes", "时长", 0),
    ];
    let table = Table::new(columns).rows(rows).empty("没有不可用的时段");
    Ok(bench("可用性")
        .subtitle("任一服务器运行且数据库可写入的分钟计为可用；自首次启动起统计，含计划停机")
        .block(Block::stats("share", stats))
        .block(Block::table("outages", table).title("不可用的时段")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes since 2026-11-23 00:00 in the city.
    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_local("2026-11-23T00:00")
            .unwrap()
            .plus_seconds(minutes * 60)
    }

    fn marked(minutes: impl Iterator<Item = i64>) -> Vec<(Date, Minutes)> {
        let mut days: Vec<(Date, Minutes)> = Vec::new();
        for n in minutes {
            let now = at(n);
            if days.last().is_none_or(|(day, _)| *day != now.local_date()) {
                days.push((now.local_date(), Minutes::default()));
            }
            days.last_mut().unwrap().1.mark(minute(now));
        }
        days
    }

    #[test]
    fn marks_join_in_any_order_and_count_once() {
        let mut minutes = Minutes::default();
        assert!(minutes.mark(5) && minutes.mark(7) && minutes.mark(6));
        assert!(!minutes.mark(6));
        assert!(minutes.mark(0));
        assert_eq!(minutes.0, [(0, 0), (5, 7)]);
        assert_eq!(minutes.missing(0, 9), [(1, 4), (8, 9)]);
        assert_eq!(minutes.missing(5, 7), []);
        assert_eq!(Minutes::default().missing(3, 4), [(3, 4)]);
    }

    #[test]
    fn op_01_an_outage_is_what_nobody_marked() {
        // From 10:00 on, without 10:30 to 10:39, and from 23:50 over a whole day to 00:05.
        let (start, end) = (600, 2 * DAY_MINUTES + 120);
        let out = |n: &i64| (630..640).contains(n) || (1_430..2 * DAY_MINUTES + 5).contains(n);
        let days = marked((start..end).filter(|n| !out(n)));
        let found = outages(&days, at(end));
        let day = |n| at(n * DAY_MINUTES).local_date();
        let first = Outage {
            day: day(0),
            minute: 630,
            minutes: 10,
        };
        let second = Outage {
            day: day(0),
            minute: 1_430,
            minutes: 10 + DAY_MINUTES + 5,
        };
        assert_eq!(found, [first, second]);
        let (all, down) = (end - start, 10 + 10 + DAY_MINUTES + 5);
        let expected = (all - down) * 10_000 / all;
        assert_eq!(share(&days, &found, MONTH, at(end)), Some(expected));
        // Of the last day alone, what was down in it.
        let of_day = (DAY_MINUTES - (DAY_MINUTES - 120 + 5)) * 10_000 / DAY_MINUTES;
        assert_eq!(share(&days, &found, 1, at(end)), Some(of_day));
    }

    #[test]
    fn the_minute_that_goes_on_is_no_outage() {
        let days = marked(600..601);
        assert_eq!(outages(&days, at(600)), []);
        assert_eq!(share(&days, &[], MONTH, at(600)), None);
        assert_eq!(outages(&days, at(601)), []);
        assert_eq!(outages(&days, at(602)).len(), 1);
        assert_eq!(outages(&[], at(0)), []);
    }
}
