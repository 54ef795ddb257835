//! One cut: the power fails, the program is started again, and everything has to hold.

use std::{
    cell::Cell,
    fs,
    ops::RangeInclusive,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    Left, Scene, Sync,
    disk::Disk,
    known::Known,
    trace::{self, Event},
};
use crate::harness::{CENTRE, Running, until};

/// When and how the power fails.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    /// Draws what is not said.
    pub(crate) seed: u64,
    /// Behind which event of the recording.
    pub(crate) at: RangeInclusive<usize>,
    /// Where the recording ended before that in another way: then that was at `at`, the program went on, and the power
    /// failed at some moment of its new life.
    pub(crate) before: Option<Before>,
    /// What is left of what was not synced; drawn anew for each file where it is not said.
    pub(crate) left: Option<Left>,
}

/// How a life ended before the one in which the power failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The process was killed. The system went on, and synced nothing for it.
    Killed,
    /// The same, and the power failed only when the next process had ended.
    KilledLongAgo,
    /// The power failed.
    Cut,
}

impl Scene {
    /// Cuts the power, starts the program again, and checks everything; says what does not hold. With `without`, those
    /// syncs had not happened.
    pub(crate) fn survives(&mut self, cut: &Cut, without: &[&Sync]) -> Result<(), String> {
        let mut random = ChaCha12Rng::seed_from_u64(cut.seed);
        let at = random.random_range(cut.at.clone());
        let mut history = self.events()[..at].to_vec();
        let mut disk = Scene::new_disk();
        self.happen(&mut disk, &history, 0, without);
        let mut known = Known::of(&history, |step| self.steps[step].handed.is_some());
        known.see(&disk);
        self.begin_life(known.step);
        if let Some(before) = cut.before {
            if before == Before::Cut {
                disk = power_fails(disk, cut, at, &mut random);
            }
            self.lay_out(&disk.clone().cut(|_| Left::All, &mut random));
            let life = quietly(|| self.live(&mut history));
            life.map_err(|why| format!("{} and then {before:?}: {why}", told(&history[..at])))?;
            if before != Before::KilledLongAgo {
                history.truncate(random.random_range(at..=history.len()));
            }
            self.happen(&mut disk, &history, at, without);
            known.see(&disk);
        }
        let disk = power_fails(disk, cut, history.len(), &mut random);
        self.lay_out(&disk);
        quietly(|| self.goes_on(&known)).map_err(|why| {
            self.lay_out(&disk);
            let before = cut.before.map(|before| format!("{} and then {before:?}, ", told(&history[..at])));
            format!("{}{}: {why}", before.unwrap_or_default(), told(&history))
        })
    }

    fn happen(&self, disk: &mut Disk, history: &[Event], from: usize, without: &[&Sync]) {
        for (no, event) in history.iter().enumerate().skip(from) {
            if let Event::Began { step } = event {
                self.put_dropped(disk, *step);
            }
            let forgotten = matches!(event, Event::Synced { path, .. } if without.iter().any(|sync| sync.is(path)));
            if !forgotten {
                disk.happens(no, event);
            }
        }
    }

    /// An agent's life from its start on what is laid out there until it has nothing left to do, put behind the history.
    fn live(&self, history: &mut Vec<Event>) {
        let trace = self.desk.beside("trace");
        let mut running = self.desk.spawn(trace::traced(&self.desk.command(&self.run()), &trace));
        self.until_filed(&mut running);
        running.stop_well();
        let text = until("the tracer to finish", || trace::ended(&trace));
        trace::read(&text, &self.root(), history);
        fs::remove_file(&trace).expect("a trace");
    }

    /// The program is started again, an operator repeats what was not answered, and everything holds.
    fn goes_on(&self, known: &Known) {
        let desk = &self.desk;
        let mut running = desk.start(&self.run());
        running.until_said("runs in");
        for file in &desk.handed {
            let digest = file.sha256();
            if !known.printed.iter().any(|line| line["sha256"] == digest.as_str()) {
                let path = desk.beside(&file.name);
                desk.told(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
            }
        }
        self.until_filed(&mut running);
        desk.check_log(false);
        known.check(desk);
        running.stop_well();
        let verified = &desk.json(&["verify"])[0];
        assert_eq!(verified["ok"], true, "{verified}");
    }

    /// Waits until an agent has put everything away. Nothing may be strange to it.
    fn until_filed(&self, running: &mut Running) {
        running.until_said("runs in");
        until("all files to be filed", || {
            assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
            let entries = self.desk.ask(&["entries", "--json"]);
            let text = String::from_utf8_lossy(&entries.stdout).into_owned();
            let count = |event: &str| text.matches(&format!("\"type\":\"{event}\"")).count();
            let strange = count("AlarmRaised") + count("ArrivalRefused");
            assert!(strange == 0, "it meets with something strange: {}", running.said());
            let filed = count("OriginalFiled");
            (self.desk.is_empty() && filed > 0 && filed == count("FileReceived")).then_some(())
        });
    }
}

fn power_fails(disk: Disk, cut: &Cut, now: usize, random: &mut ChaCha12Rng) -> Disk {
    disk.cut(|random| cut.left.unwrap_or_else(|| Left::random(now, random)), random)
}

/// The moment at which a history ends.
fn told(history: &[Event]) -> String {
    let last: String = history.last().map(|event| format!("{event:?}").chars().take(120).collect()).unwrap_or_default();
    format!("behind event {} ({last})", history.len())
}

thread_local! {
    /// Whether a check that fails here is none of the test's failures.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may fail, and gives what it failed with instead of printing it.
fn quietly(work: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
