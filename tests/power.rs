//! A power cut at any moment under the built program: sled, vault, head, keyring, receipts, folders and books alike.

mod harness;
mod outage;

use std::{
    env,
    process::{Command, Stdio},
    sync::LazyLock,
    time::Instant,
};

use outage::{Before, Cut, Event, Left, SYNCS, Scene, each, sync_of};
use rand::RngExt as _;

/// Cuts for the one scenario; `DAYBOOK_CUTS` asks for more or fewer.
const CUTS: u64 = 40;
/// A missing sync shows within so many cuts.
const CUTS_WITHOUT: u64 = 30;
/// Where none is missed, so many cuts are tried nevertheless.
const CUTS_NEEDLESS: u64 = 2;
/// From so many cuts on, everything is tried and not a sample of it.
const MANY_CUTS: u64 = 1000;
/// A recording syncs no more paths than this.
const FIRST_SYNCS_MAX: usize = 64;

/// Goal: a power cut loses nothing that was acknowledged and repeats nothing. Method: record what an agent and two imports
/// ask of the file system; many times, cut at a random event, keep a random part of what was not synced, start the program
/// on that, and check everything. Some of the cuts come in the life after a kill or after another cut.
#[test]
fn no_power_cut_loses_or_repeats_anything() {
    if !can_trace() {
        return;
    }
    let (cuts, seed) = cuts_and_seed();
    let seeds: Vec<_> = (0..cuts).map(|cut| seed.wrapping_add(cut)).collect();
    each(&seeds, |scene, seed| {
        let before = match seed % 5 {
            0 => Some(Before::Killed),
            1 => Some(Before::Cut),
            _ => None,
        };
        let cut = Cut { seed: *seed, at: 1..=scene.events().len(), before, left: None };
        scene.survives(&cut, &[]).err().map(|why| format!("seed {seed}: {why}"))
    });
}

/// Goal: what a process had made and not synced when it was killed is made durable by the next, which finds it there.
/// Method: of each path, kill just before its first sync, let the next process do all its work, and lose whatever is not
/// synced then.
#[test]
fn a_restart_makes_durable_what_it_finds() {
    if !can_trace() {
        return;
    }
    each(&places(), |scene, place| {
        let at = *scene.first_syncs().get(*place)?;
        let cut = Cut { seed: 0, at: at..=at, before: Some(Before::KilledLongAgo), left: Some(Left::Nothing) };
        scene.survives(&cut, &[]).err()
    });
}

/// Goal: the few moments between a change and its sync, which random cuts seldom meet, are survived too. Method: cut just
/// before the first sync of each path, and keep some of what is not synced.
#[test]
fn a_cut_before_a_first_sync_loses_nothing() {
    if !can_trace() {
        return;
    }
    let (cuts, seed) = cuts_and_seed();
    let each_time = cuts.div_ceil(MANY_CUTS / 16);
    each(&places(), |scene, place| {
        let at = *scene.first_syncs().get(*place)?;
        (0..each_time).find_map(|time| {
            let seed = seed.wrapping_add(time);
            let cut = Cut { seed, at: at..=at, before: None, left: Some(Left::Some(5)) };
            scene.survives(&cut, &[]).err().map(|why| format!("seed {seed}: {why}"))
        })
    });
}

/// The places among the first syncs that are tried: half of them, unless many cuts are asked for. Each recording has its own
/// events, but the same kinds of paths in about the same order.
fn places() -> Vec<usize> {
    let (cuts, seed) = cuts_and_seed();
    (0..FIRST_SYNCS_MAX).filter(|place| cuts >= MANY_CUTS || (*place as u64 ^ seed).is_multiple_of(2)).collect()
}

/// Goal: each sync is there for something. Method: of one recording, forget one kind of sync after the other as if it had
/// not been asked for, and cut the power until a check fails; the table says which are there for something else.
#[test]
fn without_any_one_sync_a_check_fails() {
    if !can_trace() {
        return;
    }
    each(SYNCS, |scene, sync| {
        let began = Instant::now();
        let failure = fails_without(scene, sync);
        println_of(&format!("without the sync of {}: {failure:?} ({:?})", sync.name, began.elapsed()));
        (failure.is_some() == sync.needless.is_some()).then(|| format!("{}: {failure:?}", sync.name))
    });
}

/// What does not hold after some cut when a sync is missing.
fn fails_without(scene: &mut Scene, sync: &outage::Sync) -> Option<String> {
    let first = scene.events().iter().position(|event| matches!(event, Event::Synced { path, .. } if sync.is(path)));
    let from = first.unwrap_or_else(|| unreachable!("{} is never synced", sync.name)) + 1;
    let cuts = if sync.needless.is_some() { CUTS_NEEDLESS } else { CUTS_WITHOUT };
    (0..cuts).find_map(|seed| {
        // Whatever is not synced is most often missed when all of it is lost; some only where a part is there.
        let left = if seed % 2 == 0 { Some(Left::Nothing) } else { None };
        let cut = Cut { seed, at: from..=scene.events().len(), before: None, left };
        scene.survives(&cut, &[sync]).err().map(|why| why.chars().take(400).collect())
    })
}

/// Goal: the head tells when the log has lost its end, for which its own sync is there. Method: with the batches not synced a
/// start is refused; with the head not synced either, the agent goes on without a word.
#[test]
fn the_head_tells_of_a_lost_end() {
    if !can_trace() {
        return;
    }
    let (batches, head) = (sync_of("batches"), sync_of("head"));
    each(&[(&[batches][..], true), (&[batches, head], false)], |scene, (without, told)| {
        let last =
            scene.events().iter().rposition(|event| matches!(event, Event::Began { .. })).expect("a command") + 1;
        let cut = Cut { seed: 0, at: last..=last, before: None, left: Some(Left::Nothing) };
        let why = scene.survives(&cut, without).err().unwrap_or_default();
        let is_told = why.contains("it ended by itself") && why.contains("ends at entry");
        (why.is_empty() || is_told != *told).then_some(why)
    });
}

/// How many cuts are asked for, and the seed that draws everything, which is printed.
fn cuts_and_seed() -> (u64, u64) {
    static ASKED: LazyLock<(u64, u64)> = LazyLock::new(|| {
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
        let cuts = number("DAYBOOK_CUTS").unwrap_or(CUTS);
        let seed = number("DAYBOOK_SEED").unwrap_or_else(|| rand::rng().random());
        println_of(&format!("{cuts} cuts, DAYBOOK_SEED={seed}"));
        (cuts, seed)
    });
    *ASKED
}

/// Whether strace is here and may trace.
fn can_trace() -> bool {
    let program = harness::program();
    let tried =
        Command::new("strace").args(["-f", "-o", "/dev/null", program, "--version"]).stdout(Stdio::null()).status();
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
