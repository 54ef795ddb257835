//! Damage to any stored file changes no entry, or is found and can be mended.

mod harm;
mod harness;
mod support;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use daybook_protocol::head::Head;
use harm::{
    KINDS,
    office::{Good, Outcome},
};
use harness::{
    Fixture,
    rounds::{each_round, first_seed, number},
    until,
};

/// So many files are damaged where `DAYBOOK_DAMAGE` asks for no other number: each kind twice.
const DAMAGES: u64 = 2 * KINDS.len() as u64;
/// And these are the same each time: a change that is tested must not fail for a damage that nobody had tried before.
const FIRST: u64 = 6200;

/// Goal: whatever becomes of any stored file of agent or central node, it changes no entry, or it is found, and what is said of it
/// says where and brings everything back; nothing is ever written to a damaged log. Method: damage one file of a kind, chosen with
/// the place by a seed; verify, start, scrub, drop a file; do what is said until all is well, and check everything.
/// `DAYBOOK_DAMAGE=500` asks for five hundred others; a table of what came of them is printed.
#[test]
fn damage_is_found_or_changes_nothing() {
    let asked = number("DAYBOOK_DAMAGE");
    let (damages, first) = asked.map_or((DAMAGES, FIRST), |damages| (damages, first_seed()));
    println_of(&format!("{damages} damages, DAYBOOK_SEED={first}"));
    let goods = Mutex::new(HashMap::new());
    let (outcomes, failed) = each_round((first, damages), "DAYBOOK_DAMAGE=1", |place, seed| {
        let desk = place.get_or_insert_with(|| {
            let (desk, good) = harm::office::make();
            goods.lock().expect("a map").insert(desk.data.clone(), Arc::new(good));
            desk
        });
        let good = goods.lock().expect("a map").get(&desk.data).cloned().expect("made");
        let outcome = harm::office::try_one(desk, &good, seed);
        println_of(&format!("{seed}: {outcome:?}"));
        outcome
    });
    println_of(&table(&outcomes));
    assert!(failed.is_empty(), "these failed, and are left there: {failed:#?}");
}

/// Goal: a log that was written anew from end to end, with an entry that is another, and hashes and head that fit, is found by what
/// the central node signed, and is not written to; where its checkpoint is taken away too, the central node refuses it. Method:
/// both of these at an agent; the first in the copy.
#[test]
fn a_rewritten_log_is_found_by_what_was_signed() {
    let (mut desk, good) = harm::office::make();
    let copy = desk.data.join("central/logs").join(&good.log);
    let of_copy = ["verify", "--log", &good.log];
    for (home, verify) in [(desk.data.clone(), &of_copy[..1]), (copy.clone(), &of_copy[..])] {
        Good::lay_out(&mut desk);
        good.rewrite(&home);
        let verified = desk.ask(&[verify, &["--json"]].concat());
        let said = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.code() == Some(1) && said.contains("the central node signed for"), "{said}");
        assert_eq!(count(&home), good.entries);
    }
    // The copy that was written anew is not what its agent has: neither is changed.
    let mut up = desk.start(&["up"]);
    up.until_said("refusal=\"fork\"");
    up.kill();
    assert_eq!(count(&copy), good.entries);

    Good::lay_out(&mut desk);
    good.rewrite(&desk.data);
    let refused = desk.ask(&["run"]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && why.contains("is not the one of which the central node signed"),
        "{why}"
    );
    assert_eq!(count(&desk.data), good.entries);

    fs::remove_file(desk.data.join("checkpoint")).expect("taken away");
    assert!(desk.ask(&["verify"]).status.success(), "nothing here can tell");
    let mut up = desk.start(&["up"]);
    up.until_said("refusal=\"fork\"");
    let parted = |status: &serde_json::Value| status["alarms"].to_string().contains("\"fork\"");
    until("an alarm", || parted(&desk.json(&["status"])[0]).then_some(()));
    desk.drop_file(Fixture::enrolments(9, 8));
    until("the file to be seen", || (desk.json(&["status"])[0]["folders"][0]["waiting"] == 1).then_some(()));
    up.stop_well();
    let received = |entry: &serde_json::Value| entry["type"] == "FileReceived";
    assert_eq!(
        desk.json(&["entries", "--from", &good.entries.to_string()]).iter().filter(|entry| received(entry)).count(),
        0
    );
    assert_eq!((count(&copy), desk.names("in").len()), (good.entries, 1), "nothing is taken");
}

/// How many entries the head in a home speaks of.
fn count(home: &Path) -> u64 {
    let head = fs::read(home.join("head")).expect("a head");
    Head::of_file(&head).expect("a good one").frontier.count()
}

/// Goal: where the log, its copy, keys and originals are all lost, the files in `done/` bring every row back. Method: handed over to
/// a new data directory, in the order in which they came; each row has the verdict that it had.
#[test]
fn done_brings_back_every_row() {
    let (mut desk, _) = harm::office::make();
    fs::rename(&desk.data, desk.beside("lost")).expect("all is lost");
    fs::create_dir_all(&desk.data).expect("a new machine");
    let done = harness::files(&desk.folder.join("done"));
    desk.handed = std::mem::take(&mut desk.dropped);
    for at in 0..desk.handed.len() {
        let fixture = &mut desk.handed[at];
        let came = |file: &&PathBuf| fs::read(file).expect("a file") == fixture.bytes;
        let file = done.iter().find(came).expect("it is in done/");
        fixture.name = file.file_name().and_then(|name| name.to_str()).expect("text").to_owned();
        desk.told(&["import", "--centre", harness::CENTRE, file.to_str().expect("text")]);
    }
    desk.check_handed_log();
}

/// By kind: what noticed the damage, and what brought everything back.
fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("{:26}{:>6}  noticed by; mended by\n", "", "tried");
    for kind in KINDS {
        let of_kind: Vec<_> = outcomes.iter().filter(|outcome| outcome.kind == kind).collect();
        let tally = |words: Vec<&str>| {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for word in words {
                *counts.entry(word).or_default() += 1;
            }
            counts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
        };
        let found = tally(of_kind.iter().map(|outcome| outcome.found_by.unwrap_or("nothing changed")).collect());
        let mended = tally(of_kind.iter().flat_map(|outcome| outcome.mends.iter().copied()).collect());
        writeln!(text, "{kind:26}{:>6}  {found}; {mended}", of_kind.len()).expect("text");
    }
    text
}

#[allow(clippy::print_stdout, reason = "a failing test shows what it did, and the seed by which it can be done again")]
fn println_of(text: &str) {
    println!("{text}");
}
