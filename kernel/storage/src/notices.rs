//! What people are told, and who has read it.
//!
//! A notice is one row, however many people it concerns: who may see it is asked when somebody looks.
//! All that is asked has an organisation in it, which leads the primary keys, so it stays in one shard.

use sea_query::Value;

use crate::backend::{Conn, Row, built, sql};
use crate::write::Work;
use crate::{CommitError, StorageError, Store};

/// The newest notices of somebody among which the unread ones are counted, so that the count reads a
/// bounded number of rows however much there is.
pub const COUNTED: u32 = 200;
/// Notices of one answer at most.
const MOST: u32 = 100;
/// Rows that one step of the sweep removes.
const SWEEP: i64 = 1_000;

/// A notice to be kept with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Sorts by time, and is newer than those before.
    pub id: String,
    pub organisation: String,
    /// The module whose notice it is, `<module>`, or its permission that one must hold to see it,
    /// `<module>.<permission>`.
    pub audience: String,
    /// Set when it is to one person.
    pub user: Option<String>,
    /// The same receivers get the same key once.
    pub key: String,
    pub told: Told,
}

/// What a notice says, in both languages, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    pub title: String,
    pub title_en: String,
    pub text: String,
    pub text_en: String,
    pub path: String,
}

/// Who looks, for whom, and at what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    pub organisation: String,
    pub user: String,
    /// See [`NewNotice::audience`].
    pub audiences: Vec<String>,
}

/// A notice as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: String,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub told: Told,
    /// By the reader.
    pub read: bool,
}

/// A change to the marks of who has read what, or the end of old notices.
#[derive(Debug, Clone)]
pub(crate) enum NoticeWork {
    /// One, or all that the reader may see.
    Read {
        reader: Reader,
        notice: Option<String>,
        at: i64,
    },
    /// Some of those from before a moment.
    Forget { before: i64 },
}

impl Store {
    /// How many of the reader's newest [`COUNTED`] notices are unread.
    pub async fn unread_notices(&self, reader: &Reader) -> Result<u32, StorageError> {
        if reader.audiences.is_empty() {
            return Ok(0);
        }
        let (seen, values) = seen(reader, &[]);
        let text = format!(
            "SELECT COUNT(*) FROM (SELECT n.id FROM kernel__notices n WHERE {seen} \
             ORDER BY n.id DESC LIMIT {COUNTED}) c WHERE NOT EXISTS (SELECT 1 FROM \
             kernel__notices_read r WHERE r.organisation = $1 AND r.user_id = $2 AND r.notice = c.id)"
        );
        let rows = self.notice_rows(text, values).await?;
        let count = rows.first().map(|row| row.number(0)).transpose()?;
        Ok(u32::try_from(count.unwrap_or_default()).unwrap_or(COUNTED))
    }

    /// The reader's notices, newest first, older than the one named.
    pub async fn notices(
        &self,
        reader: &Reader,
        before: Option<&str>,
        most: u32,
    ) -> Result<Vec<Notice>, StorageError> {
        let rows = self.reading(reader, ("n.id < $3", before), most).await?;
        rows.iter().map(read).collect()
    }

    /// One of them.
    pub async fn notice(&self, reader: &Reader, id: &str) -> Result<Option<Notice>, StorageError> {
        let rows = self.reading(reader, ("n.id = $3", Some(id)), 1).await?;
        rows.first().map(read).transpose()
    }

    async fn reading(
        &self,
        reader: &Reader,
        (which, id): (&str, Option<&str>),
        most: u32,
    ) -> Result<Vec<Row>, StorageError> {
        if reader.audiences.is_empty() {
            return Ok(Vec::new());
        }
        let more: Vec<Value> = id.map(Value::from).into_iter().collect();
        let (seen, values) = seen(reader, &more);
        let which = id.map_or_else(String::new, |_| format!("AND {which}"));
        let text = format!(
            "SELECT n.id, n.at, n.title, n.title_en, n.text, n.text_en, n.path, \
             (SELECT COUNT(*) FROM kernel__notices_read r WHERE r.organisation = n.organisation \
             AND r.user_id = $2 AND r.notice = n.id) FROM kernel__notices n \
             WHERE {seen} {which} ORDER BY n.id DESC LIMIT {}",
            most.clamp(1, MOST)
        );
        self.notice_rows(text, values).await
    }

    async fn notice_rows(
        &self,
        text: String,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StorageError> {
        let mut held = self.db().acquire().await?;
        held.conn()
            .rows(built(text, values))
            .await
            .map_err(StorageError::db("reading notices"))
    }

    /// The reader has read one, or all. Says how many that were and not before.
    pub async fn notices_read(
        &self,
        reader: Reader,
        notice: Option<String>,
        at: i64,
    ) -> Result<u64, StorageError> {
        if reader.audiences.is_empty() {
            return Ok(0);
        }
        let work = NoticeWork::Read { reader, notice, at };
        self.change_notices(work).await
    }

    /// Removes the notices from before a moment, and the marks; says how many rows.
    pub async fn forget_notices(&self, before: i64) -> Result<u64, StorageError> {
        let mut gone = 0_u64;
        loop {
            let some = self.change_notices(NoticeWork::Forget { before }).await?;
            if some == 0 {
                return Ok(gone);
            }
            gone = gone.saturating_add(some);
        }
    }

    async fn change_notices(&self, work: NoticeWork) -> Result<u64, StorageError> {
        match self.submit(Work::Notices(work)).await {
            Ok(done) => Ok(done.forgotten),
            Err(CommitError::Storage(e)) => Err(e),
            Err(e) => Err(StorageError::Damaged(e.to_string())),
        }
    }
}

/// The condition of what a reader may see, and its values: `$1` is the organisation and `$2` the
/// person; those in `more` follow, and then the audiences.
fn seen(reader: &Reader, more: &[Value]) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![
        reader.organisation.as_str().into(),
        reader.user.as_str().into(),
    ];
    values.extend_from_slice(more);
    let mut text = "n.organisation = $1 AND n.user_id IN ('', $2) AND n.audience IN (".to_owned();
    for (place, audience) in reader.audiences.iter().enumerate() {
        values.push(audience.as_str().into());
        text.push_str(if place == 0 { "$" } else { ", $" });
        text.push_str(&values.len().to_string());
    }
    text.push(')');
    (text, values)
}

fn read(row: &Row) -> Result<Notice, StorageError> {
    Ok(Notice {
        id: row.string(0)?,
        at: row.number(1)?,
        told: Told {
            title: row.string(2)?,
            title_en: row.string(3)?,
            text: row.string(4)?,
            text_en: row.string(5)?,
            path: row.string(6)?,
        },
        read: row.number(7)? > 0,
    })
}

/// Keeps the notices of a commit, but for those that the same receivers have under the same key.
pub(crate) async fn keep(
    conn: &mut Conn<'_>,
    at: i64,
    notices: &[NewNotice],
) -> Result<(), StorageError> {
    // In one order everywhere, so that two commits never wait for each other.
    let mut sorted: Vec<&NewNotice> = notices.iter().collect();
    sorted.sort_by_key(|n| (&n.organisation, &n.audience, &n.user, &n.key));
    for notice in sorted {
        let told = &notice.told;
        conn.execute(sql(
            "INSERT INTO kernel__notices (organisation, id, audience, user_id, key, at, title, \
             title_en, text, text_en, path) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (organisation, audience, user_id, key) DO NOTHING",
            [
                notice.organisation.as_str().into(),
                notice.id.as_str().into(),
                notice.audience.as_str().into(),
                notice.user.as_deref().unwrap_or_default().into(),
                notice.key.as_str().into(),
                at.into(),
                told.title.as_str().into(),
                told.title_en.as_str().into(),
                told.text.as_str().into(),
                told.text_en.as_str().into(),
                told.path.as_str().into(),
            ],
        ))
        .await
        .map_err(StorageError::db("keeping notices"))?;
    }
    Ok(())
}

/// Runs inside the transaction that `conn` is in; says how many rows changed.
pub(crate) async fn change(conn: &mut Conn<'_>, work: &NoticeWork) -> Result<u64, StorageError> {
    let changing = StorageError::db("changing what was read of notices");
    match work {
        NoticeWork::Read { reader, notice, at } => {
            let mut more: Vec<Value> = vec![(*at).into()];
            more.extend(notice.as_deref().map(Value::from));
            let (seen, values) = seen(reader, &more);
            let which = notice.as_ref().map_or("", |_| "AND n.id = $4");
            let text = format!(
                "INSERT INTO kernel__notices_read (organisation, user_id, notice, at) \
                 SELECT n.organisation, $2, n.id, $3 FROM kernel__notices n WHERE {seen} {which} \
                 ON CONFLICT (organisation, user_id, notice) DO NOTHING"
            );
            conn.execute(built(text, values)).await.map_err(changing)
        }
        NoticeWork::Forget { before } => {
            let notices = conn
                .execute(sql(
                    "DELETE FROM kernel__notices WHERE (organisation, id) IN (SELECT organisation, \
                     id FROM kernel__notices WHERE at < $1 ORDER BY at LIMIT $2)",
                    [(*before).into(), SWEEP.into()],
                ))
                .await
                .map_err(&changing)?;
            // A mark is younger than its notice: what is left of it goes as late again.
            let marks = conn
                .execute(sql(
                    "DELETE FROM kernel__notices_read WHERE (organisation, user_id, notice) IN \
                     (SELECT organisation, user_id, notice FROM kernel__notices_read \
                     WHERE at < $1 ORDER BY at LIMIT $2)",
                    [(*before).into(), SWEEP.into()],
                ))
                .await
                .map_err(&changing)?;
            Ok(notices.saturating_add(marks))
        }
    }
}
