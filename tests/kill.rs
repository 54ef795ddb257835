//! Kill -9 at every crash point: nothing is lost, nothing is done twice. `kills.rs` kills at random moments.

mod harness;

use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use harness::{Desk, Fixture, WAYS_OUT, crash_points};

/// Scenarios run side by side, since each spends most of its time waiting for disks and looks.
const SIDE_BY_SIDE: usize = 4;

/// What the program does when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// An agent takes files.
    Run,
    /// Agent and central node take files and mirror them.
    Up,
    /// A store is salvaged.
    Salvage,
    /// A lost agent is recovered.
    Recover,
}

/// The work that comes to a point soonest, and what else to try.
fn works(point: &str) -> Vec<Work> {
    let module = |names: &[&str]| names.iter().any(|name| point.starts_with(name));
    if module(&["keyring.append", "vault.receive", "registry", "authority", "tls"]) {
        vec![Work::Up]
    } else if module(&["store.salvage"]) {
        vec![Work::Salvage]
    } else if module(&["recover"]) {
        vec![Work::Recover]
    } else {
        vec![Work::Run, Work::Up, Work::Salvage, Work::Recover]
    }
}

/// Goal: wherever the power fails, every row has one verdict after the next start, and both logs are the same. Method: at
/// each crash point named in the source, the first time and a later time it is passed, kill the program, start it again,
/// and check everything.
#[test]
fn no_crash_point_loses_or_repeats_anything() {
    // Those on the ways out are tried in `ways_out.rs`.
    let mut points = crash_points();
    points.retain(|point| !WAYS_OUT.iter().any(|way| point.starts_with(way)));
    assert!(points.len() > 20, "the source names its crash points: {points:?}");
    let mut tasks: Vec<(String, u32)> =
        points.iter().flat_map(|point| [1, 3].map(|nth| (point.clone(), nth))).collect();
    tasks.sort_by_key(|(_, nth)| *nth);
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some((point, nth)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = format!("{point}:{nth}");
                    let began = Instant::now();
                    // Some points are passed once in a life only: for a later time the likeliest work is tried and no other.
                    let tried = if *nth == 1 { usize::MAX } else { 1 };
                    let reached = works(point).into_iter().take(tried).find(|work| died(*work, &at));
                    println_of(&format!("{at}: {reached:?} in {:?}", began.elapsed()));
                    if reached.is_none() && *nth == 1 {
                        missed.lock().expect("a list").push(at);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("a list");
    assert!(missed.is_empty(), "no work comes to {missed:?}: give it one that does");
}

/// Does the work with a death at the point, and again without; checks everything; says whether it died.
fn died(work: Work, at: &str) -> bool {
    match work {
        Work::Run => died_at_work("run", "local", at),
        Work::Up => died_at_work("up", "mirrored", at),
        Work::Salvage => died_salvaging(at),
        Work::Recover => died_recovering(at),
    }
}

fn died_at_work(command: &str, level: &str, at: &str) -> bool {
    let mut desk = Desk::new(level);
    (0..3).for_each(|file| desk.drop_file(Fixture::enrolments(file, 20)));
    let mut doomed = desk.start_with(&[command], &[("DAYBOOK_CRASH_AT", at)]);
    // It has died, or it has come through without.
    let came_through = harness::until("a death", || match doomed.ended() {
        Some(status) => Some(Some(status)),
        None => desk.is_empty().then_some(None),
    });
    let ended = came_through.unwrap_or_else(|| doomed.stop().0);
    if ended.success() {
        return false;
    }
    assert_eq!(signal(ended), Some(9), "{at}: it died of something else: {}", said(&desk));
    let mut again = desk.start(&[command]);
    desk.until_filed(&mut again);
    desk.check_log(level == "mirrored");
    again.stop_well();
    true
}

fn signal(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

fn said(desk: &Desk) -> String {
    fs::read_to_string(desk.beside("output.log")).unwrap_or_default()
}

/// A desk with files taken and the agent stopped.
fn finished(command: &str, level: &str) -> Desk {
    let mut desk = Desk::new(level);
    (0..2).for_each(|file| desk.drop_file(Fixture::enrolments(file, 20)));
    let mut running = desk.start(&[command]);
    desk.until_filed(&mut running);
    if level == "mirrored" {
        desk.until_mirrored();
    }
    running.stop_well();
    desk
}

fn died_salvaging(at: &str) -> bool {
    let desk = finished("run", "local");
    let doomed = desk.command(&["salvage"]).env("DAYBOOK_CRASH_AT", at).output().expect("it runs");
    desk.told(&["salvage"]);
    desk.check_log(false);
    signal(doomed.status) == Some(9)
}

fn died_recovering(at: &str) -> bool {
    let desk = finished("up", "mirrored");
    let log = desk.json(&["entries"])[0]["log"].as_str().expect("the log's id").to_owned();
    let lost = desk.beside("lost");
    fs::rename(&desk.data, &lost).expect("the machine is lost");
    fs::create_dir_all(&desk.data).expect("a new machine");
    let (central, address) = desk.central_of(&lost);
    let invite = Desk::command_in(&lost.join("central"), &["central", "invite", "--recover", &log]).output();
    let code = String::from_utf8(invite.expect("it runs").stdout).expect("text").trim().to_owned();
    let recover = |crash: Option<&str>| {
        let mut command = desk.command(&["recover", &address, &code]);
        command.arg("--operator-key").arg(lost.join("operator.key"));
        command.envs(crash.map(|at| ("DAYBOOK_CRASH_AT", at)));
        command.output().expect("it runs")
    };
    let doomed = recover(Some(at));
    let died = signal(doomed.status) == Some(9);
    // As long as something is left to do, the next start sees it, and the same command does it.
    let noted = desk.data.join("recovering.toml").exists();
    if noted {
        let started = desk.ask(&["run"]);
        let why = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.code() == Some(2) && why.contains("run the same command again"), "{at}: {why}");
    }
    if noted || !desk.data.join("identity.toml").exists() {
        let again = recover(None);
        assert!(again.status.success(), "{at}: {}", String::from_utf8_lossy(&again.stderr));
    }
    for back in ["daybook.toml", "operator.key"] {
        assert!(fs::read(desk.data.join(back)).ok() == fs::read(lost.join(back)).ok(), "{at}: {back} is not back");
    }
    central.stop_well();
    desk.check_log(false);
    died
}

#[allow(clippy::print_stdout, reason = "a failing test shows what it did")]
fn println_of(text: &str) {
    println!("{text}");
}
