//! Questions to the read model, over connections that cannot write.

use std::{fmt, path::Path};

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::{Private, Sealed},
    field::Field,
    ids::{Digest, Epoch, KeyId, RegistrationNo, Sequence, Token},
};
use rusqlite::{
    Connection, OpenFlags, Params, Row,
    functions::{Context, FunctionFlags},
    params,
    types::ValueRef,
};

use super::{
    CACHE_KIB, ReadModelError, file, packed,
    rows::{AlarmRow, Answer, CertificateRow, FileFilter, FileRow, Found, HeldRow, LearnerRow, RegistrationRow},
    unpacked,
};
use crate::home::Home;

pub(super) type Result<T> = std::result::Result<T, ReadModelError>;

/// A connection to ask by. Each question sees one moment of the fold.
pub struct Reader(Connection);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// Asks the read model of a home, where there is one; works while another process writes it.
    pub fn open(home: &Home) -> Result<Self> {
        Self::at(&file(home))
    }

    pub(super) fn at(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        Ok(Self(connection))
    }

    /// Adds the SQL function `reveal(key_epoch, key_number, sequence, nonce, ciphertext, field)`: the value of a column
    /// by its name such as `family_name`, or null where it is absent or `revealer` cannot open it.
    pub fn revealing(self, revealer: impl Fn(&Sealed, Sequence) -> Option<Private> + Send + 'static) -> Result<Self> {
        let reveal = move |context: &Context<'_>| -> rusqlite::Result<Option<String>> {
            let (Some(nonce), Some(ciphertext)) = (context.get(3)?, context.get(4)?) else { return Ok(None) };
            let key = KeyId { epoch: Epoch(context.get(0)?), number: context.get(1)? };
            let sequence = Sequence(context.get::<i64>(2)?.cast_unsigned());
            let name: String = context.get(5)?;
            let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) else { return Ok(None) };
            let private = revealer(&Sealed { key, nonce, ciphertext }, sequence);
            Ok(private.and_then(|private| private.value(field).map(str::to_owned)))
        };
        // DIRECTONLY: no view or trigger that someone wrote into the file can call it.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        self.0.create_scalar_function("reveal", 6, flags, reveal)?;
        Ok(self)
    }

    /// How many entries are folded in.
    pub fn applied_through(&self) -> Result<u64> {
        Ok(self.0.query_row("SELECT applied_through FROM meta", [], |row| row.get(0).map(i64::cast_unsigned))?)
    }

    /// Every entry that concerns a learner, in order; none if there is no such learner.
    pub fn life(&self, learner: KeyId) -> Result<Vec<Sequence>> {
        let sql = "SELECT opened_at FROM learner WHERE id = ?1
                   UNION ALL SELECT sequence FROM fact WHERE learner = ?1 ORDER BY 1";
        self.all(sql, params![packed(learner)], |row| sequence(row, 0))
    }

    /// A learner by their id.
    pub fn learner(&self, id: KeyId) -> Result<Option<LearnerRow>> {
        let sql = "SELECT opened_at, told_at, nonce, ciphertext FROM learner WHERE id = ?1";
        self.first(sql, params![packed(id)], |row| {
            let told = match (row.get(2)?, row.get(3)?) {
                (Some(nonce), Some(ciphertext)) => Some(Sealed { key: id, nonce, ciphertext }),
                _ => None,
            };
            Ok(LearnerRow { id, opened_at: sequence(row, 0)?, told_at: sequence(row, 1)?, told })
        })
    }

    /// Who stands for a learner: whoever they were merged into, or they themselves.
    pub fn survivor(&self, learner: KeyId) -> Result<KeyId> {
        let sql = "SELECT coalesce(merged_into, id) FROM learner WHERE id = ?1";
        let found = self.first(sql, params![packed(learner)], |row| row.get(0).map(unpacked))?;
        Ok(found.unwrap_or(learner))
    }

    /// The learners who are or were found by a token of whichever kind: first those who still are, then by id.
    ///
    /// Reads every learner: 0.2 s for a million. An index over random tokens would cost two microseconds with every
    /// enrolment to save that on a question that the agent answers from memory and a central node is seldom asked.
    pub fn learners_by_token(&self, token: Token) -> Result<Vec<Found>> {
        let sql = "SELECT id, 1 AS current FROM learner WHERE uln = ?1 OR person = ?1 OR identity = ?1
                   UNION ALL SELECT DISTINCT learner, 0 FROM former
                   WHERE (uln = ?1 OR person = ?1 OR identity = ?1)
                     AND learner NOT IN (SELECT id FROM learner WHERE uln = ?1 OR person = ?1 OR identity = ?1)
                   ORDER BY 2 DESC, 1";
        self.all(sql, params![token.0], |row| Ok(Found { learner: unpacked(row.get(0)?), current: row.get(1)? }))
    }

    /// A registration by its number.
    pub fn registration(&self, number: RegistrationNo) -> Result<Option<RegistrationRow>> {
        let sql = format!("{REGISTRATION} WHERE sequence = ?1 AND epoch = ?2");
        self.first(&sql, params![number.sequence.0.cast_signed(), number.epoch.0], registration)
    }

    /// The registrations of a learner, in the order in which they were recorded.
    pub fn registrations_of(&self, learner: KeyId) -> Result<Vec<RegistrationRow>> {
        let sql = format!(
            "{REGISTRATION} WHERE sequence IN (SELECT opened_at FROM learner WHERE id = ?1
             UNION ALL SELECT sequence FROM fact WHERE learner = ?1) ORDER BY sequence"
        );
        self.all(&sql, params![packed(learner)], registration)
    }

    /// A certificate by its number.
    pub fn certificate(&self, number: &str) -> Result<Option<CertificateRow>> {
        let sql = "SELECT number, registration, learner, state, state_since, attempts, last_at
                   FROM certificate WHERE number = ?1";
        self.first(sql, params![number], |row| {
            Ok(CertificateRow {
                certificate: row.get(0)?,
                registration: sequence(row, 1)?,
                learner: unpacked(row.get(2)?),
                state: row.get(3)?,
                since: Date(row.get(4)?),
                attempts: row.get(5)?,
                last: sequence(row, 6)?,
            })
        })
    }

    /// What waits for a person, the oldest first, at most `limit` of them.
    pub fn held_open(&self, limit: u32) -> Result<Vec<HeldRow>> {
        let sql = "SELECT sequence, recorded_at, arrival, line, learner, against FROM held
                   WHERE resolved_by IS NULL ORDER BY sequence LIMIT ?1";
        self.all(sql, params![limit], |row| {
            Ok(HeldRow {
                sequence: sequence(row, 0)?,
                recorded_at: Timestamp(row.get(1)?),
                arrival: maybe_sequence(row, 2)?,
                line: row.get(3)?,
                learner: row.get::<_, Option<i64>>(4)?.map(unpacked),
                against: maybe_sequence(row, 5)?,
            })
        })
    }

    /// How many files and rows wait for a person.
    pub fn held_count(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM held WHERE resolved_by IS NULL";
        Ok(self.0.query_row(sql, [], |row| row.get(0).map(i64::cast_unsigned))?)
    }

    /// Files, the latest first, at most `limit` of them.
    pub fn files(&self, filter: &FileFilter, limit: u32) -> Result<Vec<FileRow>> {
        let sql = format!(
            "{FILE} WHERE (?1 IS NULL OR centre = ?1) AND (?2 IS NULL OR received_at >= ?2)
             AND (?3 IS NULL OR received_at < ?3) AND (NOT ?4 OR answered_at IS NULL) ORDER BY arrival DESC LIMIT ?5"
        );
        let (since, before) = (filter.since.map(|at| at.0), filter.before.map(|at| at.0));
        self.all(&sql, params![filter.centre, since, before, filter.unanswered, limit], file_row)
    }

    /// A file by its arrival.
    pub fn file(&self, arrival: Sequence) -> Result<Option<FileRow>> {
        self.first(&format!("{FILE} WHERE arrival = ?1"), params![arrival.0.cast_signed()], file_row)
    }

    /// The alarms that are not cleared, the oldest first.
    pub fn alarms_open(&self) -> Result<Vec<AlarmRow>> {
        let sql = "SELECT sequence, raised_at, alarm, detail FROM alarm WHERE cleared_by IS NULL ORDER BY sequence";
        self.all(sql, [], |row| {
            Ok(AlarmRow {
                sequence: sequence(row, 0)?,
                raised_at: Timestamp(row.get(1)?),
                alarm: row.get(2)?,
                detail: row.get(3)?,
            })
        })
    }

    /// The entries that cleared alarms of that name, in order.
    pub fn cleared(&self, alarm: &str) -> Result<Vec<Sequence>> {
        let sql = "SELECT DISTINCT cleared_by FROM alarm WHERE alarm = ?1 AND cleared_by IS NOT NULL ORDER BY 1";
        self.all(sql, params![alarm], |row| sequence(row, 0))
    }

    /// The `ConfigAdopted` entries, in order, with when they were recorded.
    pub fn configs(&self) -> Result<Vec<(Sequence, Timestamp)>> {
        let sql = "SELECT sequence, recorded_at FROM config ORDER BY sequence";
        self.all(sql, [], |row| Ok((sequence(row, 0)?, Timestamp(row.get(1)?))))
    }

    /// How many entries of each type there are, by the type's name, and how many `learners`.
    pub fn counts(&self) -> Result<Vec<(String, u64)>> {
        let sql = "SELECT name, entries FROM tally ORDER BY name";
        self.all(sql, [], |row| Ok((row.get(0)?, row.get(1).map(i64::cast_unsigned)?)))
    }

    /// Any other question in SQL; the connection cannot write. See `schema.sql` for the tables.
    pub fn ask(&self, sql: &str) -> Result<Answer> {
        let mut statement = self.0.prepare(sql)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let count = columns.len();
        let rows = statement.query_map([], |row| (0..count).map(|at| row.get_ref(at).map(text)).collect())?;
        Ok(Answer { columns, rows: rows.collect::<rusqlite::Result<_>>()? })
    }

    /// Whether `SQLite` finds its file whole; reads all of it, about a second for a million learners.
    pub fn sound(&self) -> Result<bool> {
        let verdict: rusqlite::Result<String> = self.0.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match verdict.map_err(ReadModelError::from) {
            Ok(verdict) => Ok(verdict == "ok"),
            Err(ReadModelError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map(values, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn first<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.0.prepare_cached(sql)?;
        Ok(statement.query_map(values, read)?.next().transpose()?)
    }
}

pub(super) const REGISTRATION: &str =
    "SELECT sequence, epoch, learner, centre, brand, qualification, start_on, expires_on, state,
                                   state_since, last_at FROM registration";

pub(super) fn registration(row: &Row<'_>) -> rusqlite::Result<RegistrationRow> {
    Ok(RegistrationRow {
        registration: RegistrationNo { epoch: Epoch(row.get(1)?), sequence: sequence(row, 0)? },
        learner: unpacked(row.get(2)?),
        centre: row.get(3)?,
        brand: row.get(4)?,
        qualification: row.get(5)?,
        start_on: Date(row.get(6)?),
        expires_on: Date(row.get(7)?),
        state: row.get(8)?,
        since: Date(row.get(9)?),
        last: sequence(row, 10)?,
    })
}

const FILE: &str =
    "SELECT arrival, received_at, folder, centre, kind, sha256, state, rows, accepted, rejected, duplicate,
                           held, answered_at, level, filed FROM file";

pub(super) fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let count = |at| row.get::<_, Option<i64>>(at).map(|count| count.map(i64::cast_unsigned));
    Ok(FileRow {
        arrival: sequence(row, 0)?,
        received_at: Timestamp(row.get(1)?),
        folder: row.get(2)?,
        centre: row.get(3)?,
        kind: row.get(4)?,
        sha256: Digest(row.get(5)?),
        state: row.get(6)?,
        rows: count(7)?,
        accepted: count(8)?,
        rejected: count(9)?,
        duplicate: count(10)?,
        held: count(11)?,
        answered_at: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        level: row.get(13)?,
        filed: row.get(14)?,
    })
}

pub(super) fn sequence(row: &Row<'_>, at: usize) -> rusqlite::Result<Sequence> {
    row.get::<_, i64>(at).map(|place| Sequence(place.cast_unsigned()))
}

fn maybe_sequence(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Sequence>> {
    row.get::<_, Option<i64>>(at).map(|place| place.map(|place| Sequence(place.cast_unsigned())))
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(data_encoding::HEXLOWER.encode(bytes)),
    }
}
