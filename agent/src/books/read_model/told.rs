//! Questions that reports ask of the read model.

use daybook_protocol::{
    date::{Date, Timestamp},
    ids::{KeyId, Sequence},
};
use rusqlite::params;

use super::{
    ask::{REGISTRATION, Reader, Result, file_row, registration, sequence},
    rows::{FileRow, RegistrationRow},
    unpacked,
};

/// A file, how often its sender was answered, and how many of its rows wait for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldFile {
    /// The file.
    pub file: FileRow,
    /// How many receipts were issued.
    pub receipts: u64,
    /// How many of its rows wait, or 1 where it waits as a whole.
    pub waiting: u64,
}

/// A learner who shares a ULN with another, or who has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedUln {
    /// Those who belong together have the same number.
    pub group: u64,
    /// Who.
    pub learner: KeyId,
    /// The last enrolment of who has it now; for who had it, the entry that replaced it.
    pub at: Sequence,
    /// Whether it is theirs now.
    pub current: bool,
}

/// Which learner was ever found by which ULN.
const ULNS: &str = "WITH had (uln, learner, at, current) AS (
        SELECT uln, id, told_at, 1 FROM learner WHERE uln IS NOT NULL
        UNION ALL SELECT uln, learner, max(sequence), 0 FROM former WHERE uln IS NOT NULL
            AND uln IS NOT (SELECT uln FROM learner WHERE id = former.learner) GROUP BY uln, learner)";

impl Reader {
    /// Files in the order in which they came, at most `limit` of them: those of a centre, received from the first moment of a
    /// period on and before the second.
    pub fn files_told(
        &self,
        centre: Option<&str>,
        (since, before): (Option<Timestamp>, Option<Timestamp>),
        limit: usize,
    ) -> Result<Vec<ToldFile>> {
        let sql =
            "SELECT f.arrival, received_at, folder, centre, f.kind, sha256, state, rows, accepted, rejected, duplicate,
                          f.held, answered_at, level, filed, receipts, coalesce(waiting, 0)
                   FROM file f LEFT JOIN (SELECT arrival, count(*) AS waiting FROM held WHERE resolved_by IS NULL
                                          GROUP BY arrival) h ON h.arrival = f.arrival
                   WHERE (?1 IS NULL OR centre = ?1) AND (?2 IS NULL OR received_at >= ?2)
                     AND (?3 IS NULL OR received_at < ?3) ORDER BY f.arrival LIMIT ?4";
        let (since, before) = (since.map(|at| at.0), before.map(|at| at.0));
        self.all(sql, params![centre, since, before, limit_of(limit)], |row| {
            let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(ToldFile { file: file_row(row)?, receipts: count(15)?, waiting: count(16)? })
        })
    }

    /// How many things were not taken from drop folders.
    pub fn refused_count(
        &self,
        centre: Option<&str>,
        (since, before): (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<u64> {
        let sql = "SELECT count(*) FROM refused_arrival WHERE (?1 IS NULL OR centre = ?1)
                     AND (?2 IS NULL OR recorded_at >= ?2) AND (?3 IS NULL OR recorded_at < ?3)";
        let values = params![centre, since.map(|at| at.0), before.map(|at| at.0)];
        Ok(self.first(sql, values, |row| row.get(0).map(i64::cast_unsigned))?.unwrap_or_default())
    }

    /// The places of all facts about learners that are no enrolments, in order.
    pub fn subjects(&self) -> Result<Vec<Sequence>> {
        self.all("SELECT sequence FROM subject ORDER BY sequence", [], |row| sequence(row, 0))
    }

    /// The places of the amendments of these fields from one place on and before another, in order.
    pub fn amendments(&self, fields: &[&str], (from, to): (Sequence, Sequence)) -> Result<Vec<Sequence>> {
        let sql = "SELECT sequence, field FROM amendment WHERE sequence >= ?1 AND sequence < ?2 ORDER BY sequence";
        let end = i64::try_from(to.0).unwrap_or(i64::MAX);
        let found =
            self.all(sql, params![from.0.cast_signed(), end], |row| Ok((sequence(row, 0)?, row.get::<_, String>(1)?)))?;
        Ok(found.into_iter().filter(|(_, field)| fields.contains(&field.as_str())).map(|(place, _)| place).collect())
    }

    /// The number of the first certificate on a registration.
    pub fn certificate_on(&self, registration: Sequence) -> Result<Option<String>> {
        let sql = "SELECT number FROM certificate WHERE registration = ?1 ORDER BY number LIMIT 1";
        self.first(sql, params![registration.0.cast_signed()], |row| row.get(0))
    }

    /// The registrations that begin by a day, of a centre, in the order in which they were recorded.
    pub fn registrations_begun(&self, centre: Option<&str>, by: Date, limit: usize) -> Result<Vec<RegistrationRow>> {
        let sql =
            format!("{REGISTRATION} WHERE start_on <= ?1 AND (?2 IS NULL OR centre = ?2) ORDER BY sequence LIMIT ?3");
        self.all(&sql, params![by.0, centre, limit_of(limit)], registration)
    }

    /// The learners who have, or had, a ULN that another has or had, those of one ULN after each other.
    pub fn ulns_of_several(&self, limit: usize) -> Result<Vec<SharedUln>> {
        let sql = format!(
            "{ULNS} SELECT dense_rank() OVER (ORDER BY uln), learner, at, current FROM had
             WHERE uln IN (SELECT uln FROM had GROUP BY uln HAVING count(DISTINCT learner) > 1)
             ORDER BY 1, current DESC, learner LIMIT ?1"
        );
        self.all(&sql, params![limit_of(limit)], shared)
    }

    /// The learners who have or had several ULNs, one row for each ULN.
    pub fn learners_of_several_ulns(&self, limit: usize) -> Result<Vec<SharedUln>> {
        let sql = format!(
            "{ULNS} SELECT dense_rank() OVER (ORDER BY learner), learner, at, current FROM had
             WHERE learner IN (SELECT learner FROM had GROUP BY learner HAVING count(DISTINCT uln) > 1)
             ORDER BY 1, current DESC, at LIMIT ?1"
        );
        self.all(&sql, params![limit_of(limit)], shared)
    }
}

fn shared(row: &rusqlite::Row<'_>) -> rusqlite::Result<SharedUln> {
    Ok(SharedUln {
        group: row.get::<_, i64>(0)?.cast_unsigned(),
        learner: unpacked(row.get(1)?),
        at: sequence(row, 2)?,
        current: row.get(3)?,
    })
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{entry::Entry, event::Event};

    use super::*;
    use crate::{
        books::{
            read_model::ReadModel,
            sample::{ANN, BEN, LOG, key, log, registration, token},
        },
        home::Home,
    };

    fn reader(directory: &std::path::Path, entries: &[Entry]) -> Reader {
        let mut model = ReadModel::open(&Home::new(directory), LOG).expect("opens");
        model.apply(entries).expect("applies");
        model.reader().expect("a reader")
    }

    /// An entry like the one at a place, at the end of the log.
    fn like(entries: &mut Vec<Entry>, place: usize, change: impl FnOnce(&mut Event)) -> Sequence {
        let mut entry = entries.get(place).cloned().expect("an entry");
        entry.sequence = Sequence(entries.len() as u64);
        change(&mut entry.event);
        entries.push(entry);
        Sequence(entries.len() as u64 - 1)
    }

    /// Goal: who shares a ULN, or has several, is found, also where it is no longer theirs, and nobody else. Method: a small log
    /// without such people, then with a newcomer who has Ann's ULN, then with another ULN of Ann's.
    #[test]
    fn people_who_share_a_uln_are_found() {
        let at = |entries: &[Entry]| {
            let directory = tempfile::tempdir().expect("a directory");
            let reader = reader(directory.path(), entries);
            (reader.ulns_of_several(10).expect("asks"), reader.learners_of_several_ulns(10).expect("asks"))
        };
        let mut entries = log();
        assert_eq!(at(&entries), (vec![], vec![]));
        let opened = like(&mut entries, 5, |event| {
            let Event::LearnerEnrolled(event) = event else { unreachable!("an enrolment") };
            (event.learner, event.registration) = (key(9), registration(29));
            event.tokens.uln = Some(token("9000000006"));
        });
        let shared = |learner, at, current| SharedUln { group: 1, learner, at, current };
        let newcomer = shared(key(9), opened, true);
        assert_eq!(at(&entries), (vec![shared(ANN, Sequence(19), true), newcomer], vec![]));
        let changed = like(&mut entries, 7, |event| {
            let Event::LearnerDetailsAmended(event) = event else { unreachable!("an amendment") };
            event.tokens.uln = Some(token("1000000019"));
        });
        let several = vec![shared(ANN, Sequence(19), true), shared(ANN, changed, false)];
        assert_eq!(at(&entries), (vec![newcomer, shared(ANN, changed, false)], several));
    }

    /// Goal: the other questions of reports. Method: the small log; each answer as it stands there.
    #[test]
    fn reports_can_ask_the_books() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut entries = log();
        like(&mut entries, 21, |_| {});
        let reader = reader(directory.path(), &entries);
        let told = |centre, period, limit| -> Vec<(u64, u64, u64)> {
            let files = reader.files_told(centre, period, limit).expect("asks");
            files.iter().map(|told| (told.file.arrival.0, told.receipts, told.waiting)).collect()
        };
        let second = entries.get(26).map(|entry| entry.recorded_at);
        assert_eq!(told(None, (None, None), 10), [(2, 2, 0), (26, 0, 1)]);
        assert_eq!(told(Some("C2"), (None, None), 10), []);
        assert_eq!(
            (told(None, (second, None), 10), told(None, (None, second), 10)),
            (vec![(26, 0, 1)], vec![(2, 2, 0)])
        );
        assert_eq!(told(None, (None, None), 1), [(2, 2, 0)]);
        assert_eq!(reader.refused_count(None, (None, None)).expect("asks"), 0);
        let facts = |event: &Event| event.learner().is_some() && !matches!(event, Event::LearnerEnrolled(_));
        let is_fact =
            |entry: &&Entry| facts(&entry.event) && !matches!(entry.event, Event::RowHeld(_) | Event::RowRejected(_));
        let expected: Vec<_> = entries.iter().filter(is_fact).map(|entry| entry.sequence).collect();
        assert_eq!(reader.subjects().expect("asks"), expected);
        let everything = (Sequence(0), Sequence(u64::MAX));
        assert_eq!(reader.amendments(&["family_name"], everything).expect("asks"), [Sequence(7)]);
        assert_eq!(reader.amendments(&["family_name"], (Sequence(8), Sequence(20))).expect("asks"), []);
        assert_eq!(reader.amendments(&["family_name", "postcode"], everything).expect("asks").len(), 2);
        assert_eq!(reader.certificate_on(Sequence(5)).expect("asks").as_deref(), Some("V-0001"));
        assert_eq!(reader.certificate_on(Sequence(4)).expect("asks"), None);
        let begun = |centre, by: &str| -> Vec<_> {
            let rows = reader.registrations_begun(centre, by.parse().expect("a date"), 10).expect("asks");
            rows.iter().map(|row| (row.registration.sequence.0, row.learner)).collect()
        };
        assert_eq!(begun(None, "2013-10-01"), [(4, ANN), (5, BEN)]);
        assert_eq!(begun(Some("C1"), "2014-10-01"), [(4, ANN), (5, BEN), (19, ANN)]);
        assert_eq!(begun(Some("C2"), "2014-10-01"), []);
    }
}
