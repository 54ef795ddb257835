//! A power cut at any moment under the built program: sled, vault, head, keyring, receipts, folders and books alike.

mod harness;
mod outage;

use std::{
    env,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use outage::{Cut, Scene};
use rand::RngExt as _;

/// Cuts for the one scenario; `DAYBOOK_CUTS` asks for more or fewer.
const CUTS: u64 = 40;
/// So many recordings are made and cut side by side.
const SIDE_BY_SIDE: usize = 2;

/// Goal: a power cut loses nothing that was acknowledged and repeats nothing. Method: record what an agent and two imports
/// ask of the file system; many times, cut at a random event, keep a random part of what was not synced, start the program
/// on that, and check everything.
#[test]
fn no_power_cut_loses_or_repeats_anything() {
    if !can_trace() {
        return;
    }
    let (cuts, seed) = (number("DAYBOOK_CUTS").unwrap_or(CUTS), number("DAYBOOK_SEED").unwrap_or_else(|| rand::rng().random()));
    println_of(&format!("{cuts} cuts, DAYBOOK_SEED={seed}"));
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    side_by_side(|| {
        let began = Instant::now();
        let mut scene = Scene::record();
        println_of(&format!("{} events recorded in {:?}", scene.events(), began.elapsed()));
        loop {
            let cut = next.fetch_add(1, Ordering::Relaxed);
            if cut >= cuts {
                return;
            }
            let cut_seed = seed.wrapping_add(cut);
            if let Err(why) = scene.survives(Cut { seed: cut_seed, from: 1, left: None }, None) {
                let kept = scene.keep();
                failures.lock().expect("a list").push(format!("seed {cut_seed}, kept in {}: {why}", kept.display()));
                return;
            }
        }
    });
    let failures = failures.into_inner().expect("a list");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs the same on several threads.
fn side_by_side(work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(&work);
        }
    });
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Whether strace is here and may trace.
fn can_trace() -> bool {
    let program = harness::program();
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", program, "--version"]).stdout(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        println_of("SKIPPED: strace is not installed or may not trace here; tests/run installs it");
    }
    can
}

#[allow(clippy::print_stdout, reason = "a failing test shows what it did, and the seed by which it can be done again")]
fn println_of(text: &str) {
    println!("{text}");
}
