//! The inputs that fuzzing has kept, through the same functions and without a fuzzer: what was mended stays mended, and their
//! neighbourhood is tried on every test run.
#![allow(clippy::print_stdout, reason = "a failing test shows which target it was")]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::{env, fs, path::PathBuf, time::Instant};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

/// How many changed inputs are tried with each target, unless `DAYBOOK_MUTATIONS` says otherwise.
const MUTATIONS: usize = 4_000;
/// The draws are the same each time, unless `DAYBOOK_SEED` says otherwise.
const SEED: u64 = 3;
/// An input is never made longer than this, in bytes.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// The most memory that all of it may take, in bytes: no decoder believes a length that lies.
const RESIDENT_BYTES_MAX: u64 = 256 << 20;

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpora")
}

fn number<N: std::str::FromStr>(variable: &str, usual: N) -> N {
    env::var(variable)
        .ok()
        .map_or(usual, |text| text.parse().unwrap_or_else(|_| unreachable!("{variable} is a number")))
}

/// The inputs kept for a target, in the order of their names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let entries =
        fs::read_dir(corpora().join(name)).unwrap_or_else(|error| unreachable!("no inputs for {name}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("an input")).collect()
}

/// An input with a few changes: bits, bytes, pieces taken out, doubled, or taken from another input.
fn changed(input: &[u8], others: &[Vec<u8>], random: &mut ChaCha12Rng) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=out.len());
        let end = (at + random.random_range(0..=24)).min(out.len());
        match random.random_range(0..7) {
            0 if at < out.len() => out[at] ^= 1 << random.random_range(0..8),
            1 if at < out.len() => out[at] = random.random(),
            2 if at < out.len() => {
                const TELLING: &[u8] = b"\0\x01\x7F\x80\xFA\xFB\xFC\xFD\xFF\"\r\n,;\t=-+ 0";
                out[at] = TELLING[random.random_range(0..TELLING.len())];
            }
            3 => drop(out.drain(at..end)),
            4 => {
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
            5 => {
                let other = &others[random.random_range(0..others.len())];
                let from = random.random_range(0..=other.len());
                let piece = other[from..(from + 200).min(other.len())].to_vec();
                out.splice(at..end, piece);
            }
            _ => {
                let mut piece = [0; 8];
                random.fill_bytes(&mut piece);
                out.splice(at..end, piece);
            }
        }
    }
    out.truncate(INPUT_BYTES_MAX);
    out
}

/// Goal: every input that is kept, and many like it, keep the promises of its decoder. Method: each as it is, then with random
/// changes. `DAYBOOK_MUTATIONS=1000000` tries as many with each target; a failure shows the target last named.
#[test]
fn what_was_found_once_is_not_found_again() {
    let (mutations, seed) = (number("DAYBOOK_MUTATIONS", MUTATIONS), number("DAYBOOK_SEED", SEED));
    for (name, target) in targets::TARGETS {
        let (inputs, began) = (kept(name), Instant::now());
        assert!(!inputs.is_empty(), "no inputs for {name}");
        let each = mutations.div_ceil(inputs.len());
        println!("{name}: {} inputs, {each} changes of each", inputs.len());
        for (place, input) in inputs.iter().enumerate() {
            target(input);
            let mut random = ChaCha12Rng::seed_from_u64(seed ^ (place as u64) << 32);
            for _ in 0..each {
                target(&changed(input, &inputs, &mut random));
            }
        }
        println!("{name}: in {:?}", began.elapsed());
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.is_none_or(|peak| peak << 10 < RESIDENT_BYTES_MAX), "it took {peak:?} kB");
}

/// Goal: every directory of inputs is some target's, so that none is forgotten. Method: the names on both sides.
#[test]
fn every_corpus_has_its_target() {
    let mut names: Vec<_> = fs::read_dir(corpora())
        .expect("corpora")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert_eq!(names, targets::TARGETS.map(|(name, _)| name));
}
