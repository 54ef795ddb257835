use daybook_protocol::{
    date::Timestamp,
    event::{Alarm, Completion, FileId},
};

use super::*;
use crate::{config::Config, home::Home, office::Location};

/// Goal: the alarm of an arrival that could not be handled ends when it is handled, also by a later run. Method: an alarm
/// left open by a run that ended; then the door of the next one.
#[test]
fn an_alarm_of_an_earlier_run_is_cleared() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "[[folder]]\nname = \"a\"\npath = \"drop\"\ncentre = \"C1\"\n";
    let folder = Config::parse(text, directory.path()).expect("a configuration").folders.remove(0);
    let place = Location { home: Home::new(directory.path().join("home")), config: None, operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    let preserved = office.preserve(&mut "no table".as_bytes(), 8).expect("preserved");
    let handed = Handed {
        name: "a.csv".into(),
        folder: Some(&folder),
        centre: "C1".into(),
        brand: String::new(),
        kind: None,
        file_id: FileId { device: 0, number: 0 },
        modified_at: Timestamp(1),
        completed_by: Completion::Quiet,
    };
    let arrival = office.receive(&handed, &preserved).expect("received");
    let alarm = Alarm { alarm: trouble_with(arrival), detail: "the disk".into() };
    office.journal.raise(alarm, Source::File { arrival }).expect("raised");
    office.close().expect("closed");

    let office = Arc::new(Office::open(&place, false).expect("opened"));
    let mut door = Door::new(Arc::clone(&office), folder);
    let known = office.journal.look(|index| (index.open_arrivals(), index.alarms())).expect("looked");
    let alarms = known.1.into_iter().map(|(name, _)| name).collect();
    door.remember(known.0, Vec::new(), &alarms).expect("remembered");
    door.proceed(&Shutdown::new()).expect("handled");
    assert_eq!(office.arrival(arrival).expect("an arrival").stage, Stage::Filed);
    assert!(office.journal.look(Index::alarms).expect("looked").is_empty());
}
