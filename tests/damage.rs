//! Damage to any stored file changes no entry, or is found and can be mended.

mod harm;
mod harness;
mod support;

use std::sync::Mutex;

use harness::rounds::{each_round, first_seed, number};

const DAMAGES: u64 = 60;

#[test]
fn damage_is_found_or_changes_nothing() {
    let damages = number("DAYBOOK_DAMAGE").unwrap_or(DAMAGES);
    let first = first_seed();
    println_of(&format!("{damages} damages, DAYBOOK_SEED={first}"));
    let goods = Mutex::new(std::collections::HashMap::new());
    let outcomes = each_round((first, damages), "DAYBOOK_DAMAGE=1", |place, seed| {
        let desk = match place {
            Some(desk) => desk,
            None => {
                let (desk, good) = harm::office::make();
                goods.lock().expect("a map").insert(desk.data.clone(), std::sync::Arc::new(good));
                place.insert(desk)
            }
        };
        let good = goods.lock().expect("a map").get(&desk.data).cloned().expect("made");
        let outcome = harm::office::try_one(desk, &good, seed);
        println_of(&format!("{outcome:?}"));
        outcome
    });
    println_of(&format!("{}", outcomes.len()));
}

#[allow(clippy::print_stdout, reason = "a failing test shows what it did, and the seed by which it can be done again")]
fn println_of(text: &str) {
    println!("{text}");
}
