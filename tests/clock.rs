//! A clock that jumps, on the agent and on the central node: intake waits and says why, nothing is lost or done twice, and no
//! entry gets a time that is wrong; it goes on by itself when the clock is right, or on an operator's word.

mod harness;
mod shims;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use daybook_protocol::date::Timestamp;
use harness::{Desk, Fixture, Running, until};
use serde_json::Value;

const HOUR: i64 = 3_600;

/// The wall clock of a process of the program.
struct Clock {
    shim: PathBuf,
    ahead: PathBuf,
}

impl Clock {
    /// One that is right; `None` where there is no compiler.
    fn right(desk: &Desk, name: &str) -> Option<Self> {
        let clock = Self { shim: shims::compiled("clock", &desk.beside(""))?, ahead: desk.beside(name) };
        clock.set(0);
        Some(clock)
    }

    /// Puts it ahead by so many seconds.
    fn set(&self, ahead: i64) {
        let new = self.ahead.with_extension("new");
        fs::write(&new, ahead.to_string()).expect("written");
        fs::rename(new, &self.ahead).expect("in place");
    }

    /// Has a command go by it.
    fn given(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", &self.shim).env("SHIM_CLOCK", &self.ahead);
        command
    }
}

fn now() -> i64 {
    Timestamp::from(jiff::Timestamp::now()).0
}

/// What the alarm of the clock says, while it is open.
fn alarm(desk: &Desk) -> Option<String> {
    let status = desk.json(&["status"]).remove(0);
    let alarms = status["alarms"].as_array().cloned().unwrap_or_default();
    let clock = alarms.iter().find(|it| it["alarm"] == "clock")?;
    clock["detail"].as_str().map(str::to_owned)
}

/// Waits for the alarm, and sees that what is dropped then stays where it is.
fn waits(desk: &mut Desk, running: &mut Running, why: &str) {
    let said = until("an alarm of the clock", || alarm(desk));
    assert!(said.contains(why), "{said}");
    assert_eq!(desk.ask(&["status", "--check"]).status.code(), Some(1));
    let file = Fixture::enrolments(u32::try_from(desk.dropped.len()).expect("few"), 20);
    let name = file.name.clone();
    desk.drop_file(file);
    until("a file that waits", || {
        let status = desk.json(&["status"]).remove(0);
        (status["folders"][0]["waiting"] == 1).then_some(())
    });
    assert!(running.ended().is_none() && desk.names("in") == [name], "{:?}", desk.names("in"));
}

/// Waits until the alarm is over and everything is filed.
fn goes_on(desk: &Desk, running: &mut Running) {
    desk.until_filed(running);
    until("the end of the alarm", || alarm(desk).is_none().then_some(()));
    desk.check_log(false);
}

/// The times of all entries, in microseconds.
fn times(desk: &Desk) -> Vec<i64> {
    let time = |entry: &Value| {
        let text = entry["recorded_at"].as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("a time").as_microsecond()
    };
    desk.json(&["entries"]).iter().map(time).collect()
}

/// Goal: while the clock has jumped nothing is taken in, forward or back, and when it is right again everything goes on by
/// itself, with no time in the log that was not. Method: an agent whose clock is set by days and by hours, and back.
#[test]
fn a_jump_stops_intake_until_it_is_over() {
    let mut desk = Desk::new("local");
    let Some(clock) = Clock::right(&desk, "clock") else { return };
    let began = now();
    let mut running = desk.spawn(clock.given(desk.command(&["run"])));
    desk.drop_file(Fixture::enrolments(0, 20));
    desk.until_filed(&mut running);
    for ahead in [72 * HOUR, -6 * HOUR, 24 * 365 * 73 * HOUR] {
        clock.set(ahead);
        waits(&mut desk, &mut running, "intake waits");
        clock.set(0);
        goes_on(&desk, &mut running);
    }
    running.stop_well();
    desk.check_log(false);
    let times = times(&desk);
    assert!(times.is_sorted() && began <= times[0] && times[times.len() - 1] <= now(), "{times:?}");
}

/// Goal: where the clock is right though it jumped, an operator's word is enough, and the log goes on from there, also when it is
/// started again. Method: a clock that is set back by hours and stays there.
#[test]
fn an_operator_accepts_a_clock_that_jumped() {
    let mut desk = Desk::new("local");
    let Some(clock) = Clock::right(&desk, "clock") else { return };
    let mut running = desk.spawn(clock.given(desk.command(&["run"])));
    desk.drop_file(Fixture::enrolments(0, 20));
    desk.until_filed(&mut running);
    clock.set(-6 * HOUR);
    waits(&mut desk, &mut running, "record clock");
    desk.told(&["record", "clock", "--reason", "checked with the time service"]);
    goes_on(&desk, &mut running);
    let back: Vec<_> = times(&desk).windows(2).filter(|two| two[1] < two[0]).map(|two| two[0] - two[1]).collect();
    assert!(matches!(back.as_slice(), [once] if *once > 5 * HOUR * 1_000_000), "{back:?}");
    running.stop_well();
    let mut running = desk.spawn(clock.given(desk.command(&["run"])));
    desk.drop_file(Fixture::enrolments(9, 20));
    goes_on(&desk, &mut running);
    running.stop_well();
    desk.check_log(false);
}

/// Goal: a central node whose clock is another one stops intake, whichever of the two is wrong, and no word of an operator's is
/// taken for it; when it is set right, work goes on by itself. Method: a central node a day ahead.
#[test]
fn the_central_nodes_clock_stops_intake_until_it_is_right() {
    let mut desk = Desk::new("local");
    let Some(clock) = Clock::right(&desk, "central-clock") else { return };
    let home = desk.beside("central");
    let (mut central, address) = start_central(&desk, &clock, &home, "127.0.0.1:0");
    let invited = Desk::command_in(&home, &["central", "invite", "--json"]).output().expect("it runs");
    let invite: Value = serde_json::from_slice(&invited.stdout).expect("JSON");
    desk.told(&["join", &address, invite["code"].as_str().expect("a code")]);
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    clock.set(24 * HOUR);
    // A new connection asks at once; within one it is asked every some seconds.
    central.kill();
    (central, _) = start_central(&desk, &clock, &home, &address);
    waits(&mut desk, &mut running, "behind the central node's");
    let refused = desk.ask(&["record", "clock", "--reason", "ours is right"]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    clock.set(0);
    central.kill();
    (central, _) = start_central(&desk, &clock, &home, &address);
    goes_on(&desk, &mut running);
    let times = times(&desk);
    assert!(times.is_sorted() && times[times.len() - 1] <= now(), "{times:?}");
    running.stop_well();
    central.stop_well();
}

/// Starts a central node, and says where it listens.
fn start_central(desk: &Desk, clock: &Clock, home: &Path, address: &str) -> (Running, String) {
    fs::create_dir_all(home).expect("a directory");
    fs::write(home.join("daybook.toml"), format!("[central]\nlisten = \"{address}\"\n")).expect("written");
    let mut central = desk.spawn(clock.given(Desk::command_in(home, &["central"])));
    central.until_said("listens on ");
    let said = central.said();
    let address = said.split("listens on ").nth(1).and_then(|rest| rest.split(';').next()).expect("an address");
    (central, address.to_owned())
}
