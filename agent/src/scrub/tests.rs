use std::{
    fs,
    path::{Path, PathBuf},
};

use daybook_protocol::{
    date::Timestamp,
    event::{Completion, FileId},
    field::Kind,
    ids::Sequence,
};
use tempfile::TempDir;

use super::*;
use crate::{
    home::Home,
    keyring::RECORD_BYTES,
    office::{Handed, Location, Office},
    vault::Vault,
};

/// Looks on, and has had enough after so many questions.
struct Eye {
    questions: std::cell::Cell<u32>,
    told: Vec<(u64, u64, String)>,
}

impl Eye {
    fn patient(questions: u32) -> Self {
        Self { questions: questions.into(), told: Vec::new() }
    }
}

impl Onlooker for Eye {
    fn progress(&mut self, done: u64, total: u64, what: &str) {
        self.told.push((done, total, what.to_owned()));
    }

    fn gone(&self) -> bool {
        let left = self.questions.get();
        self.questions.set(left.saturating_sub(1));
        left == 0
    }
}

/// A closed home with two originals and what came of them.
fn home() -> (TempDir, Location, Vec<PathBuf>) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path().join("home"));
    let place = Location { home: home.clone(), config: None, operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    let mut objects = Vec::new();
    for name in ["Ann", "Ben"] {
        let text = format!(
            "given_names,family_name,date_of_birth,qualification_number,start_date\n{name},Doe,2004-05-06,60158864,2026-09-01\n"
        );
        let preserved = office.preserve(&mut text.as_bytes(), text.len() as u64).expect("preserved");
        let handed = Handed {
            name: "a.csv".into(),
            folder: None,
            centre: "C1".into(),
            brand: String::new(),
            kind: Some(Kind::Enrolments),
            file_id: FileId { device: 0, number: 0 },
            modified_at: Timestamp(1),
            completed_by: Completion::Handed,
        };
        let arrival = office.receive(&handed, &preserved).expect("received");
        office.proceed(arrival, &mut |_, _| {}).expect("done");
        objects.push(home.vault().join(Vault::place_of(preserved.sha256)));
    }
    office.close().expect("closed");
    (directory, place, objects)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

/// Scrubs without opening: the log, and the rest as a central node sees it, which has all that came before `due`.
fn look(home: &Home, due: u64, eye: &mut Eye) -> Result<Found, ScrubError> {
    let work = Work::new(eye, true);
    let log = check_log(home, None, Side::Copy, &work)?;
    let rest = check_rest(home, &log, None, Sequence(due), Side::Copy, &work)?;
    Ok(Found::of(log, rest, Timestamp(1)))
}

/// Goal: everything is looked at, told of, and named where it is damaged or gone; what is still on its way is no damage.
/// Method: a good home; then every kind of file in turn with a changed byte, and originals that are not there.
#[test]
fn each_kind_of_damage_is_named() {
    let (_directory, place, objects) = home();
    let home = &place.home;
    let mut eye = Eye::patient(u32::MAX);
    let found = look(home, u64::MAX, &mut eye).expect("scrubbed");
    assert!(found.ok() && found.originals == 2 && found.keys >= 4 && found.entries > 6, "{found:?}");
    for what in ["bytes of the log", "keys", "bytes of originals"] {
        let last = eye.told.iter().rev().find(|told| told.2 == what).expect(what);
        assert_eq!(last.0, last.1, "{what}");
    }
    let keys = home.keyring().join("00000001.keys");
    let object = objects.first().expect("an object");
    for (path, at, part, name) in [
        (&keys, RECORD_BYTES + 30, Part::Keyring, "keyring/00000001.keys: the record of key K1-1"),
        (object, 60, Part::Original, "its checksum does not hold"),
        (&home.head(), 0, Part::Beside, "head: one of its two slots"),
    ] {
        // Of a head only what was written can be damaged; the slot of even generations is the first.
        flip(path, at);
        let found = look(home, u64::MAX, &mut Eye::patient(u32::MAX)).expect("scrubbed");
        let [damage] = found.damage.as_slice() else { unreachable!("{found:?}") };
        assert!(damage.part == part && damage.what.contains(name) && !damage.mend.is_empty(), "{damage}");
        assert_eq!((found.faults, found.log_damage()), (1, None));
        flip(path, at);
    }
    let (gone, aside) = (objects.last().expect("an object"), home.path().join("aside"));
    fs::rename(gone, &aside).expect("moved");
    let found = look(home, u64::MAX, &mut Eye::patient(u32::MAX)).expect("scrubbed");
    assert!(found.in_brief().contains("is missing") && found.faults == 1, "{found:?}");
    assert!(look(home, 0, &mut Eye::patient(u32::MAX)).expect("scrubbed").ok(), "it may still come");
    fs::rename(&aside, gone).expect("moved back");
    fs::write(home.keyring().join("00000001.keys"), []).expect("cut");
    let found = look(home, u64::MAX, &mut Eye::patient(u32::MAX)).expect("scrubbed");
    assert!(found.in_brief().contains("ends at 0 keys, but"), "{found:?}");
}

/// Goal: told to stop at any point, a scrub stops there and says so. Method: an onlooker who has had enough after each number
/// of questions, up to the number that a whole scrub asks.
#[test]
fn a_scrub_stops_wherever_it_is() {
    let (_directory, place, _) = home();
    let mut ended = None;
    for questions in 0..1_000 {
        match look(&place.home, u64::MAX, &mut Eye::patient(questions)) {
            Err(ScrubError::Stopped) => {}
            Ok(found) => {
                assert!(found.ok());
                ended = Some(questions);
                break;
            }
            Err(error) => unreachable!("{questions}: {error}"),
        }
    }
    assert!(ended.is_some_and(|questions| questions > 5), "{ended:?}");
}

/// Goal: what is said of damage is bounded. Method: far more of it than is named.
#[test]
fn much_damage_is_counted() {
    let damage = |number| Damage { part: Part::Original, what: format!("vault/{number}"), mend: "mend".into() };
    let log = LogFound {
        entries: 1,
        root: Digest::of(b""),
        originals: std::collections::BTreeMap::new(),
        keys_used: std::collections::BTreeMap::new(),
        damage: Vec::new(),
    };
    let found = Found::of(log, Rest { keys: 0, damage: (0..5_000).map(damage).collect() }, Timestamp(1));
    assert_eq!((found.faults, found.damage.len()), (5_000, NAMED_MAX));
    assert!(found.in_brief().ends_with("vault/2; mend | and 4997 more: `daybook scrub` names them"));
}
