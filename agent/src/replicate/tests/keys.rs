//! Keyrings that do not go together.

use daybook_protocol::{
    ids::Epoch,
    wire::{Message, Refusal},
};

use super::{UNCUT, converse, refusal};
use crate::{
    central::Keeper,
    keyring::RECORD_BYTES,
    replicate::{
        Archive as _,
        memory::{LOG, Memory, record},
    },
};

/// Goal: an agent whose keyring ends before what is mirrored of it would give a number out twice, and is stopped; keys that
/// differ are refused and not overwritten. Method: take a key away, change one.
#[test]
fn keys_do_not_go_back_or_change() {
    let agent = Memory::sample(3);
    let (copy, _) = converse(&agent, Memory::new(LOG), UNCUT);
    let mut short = Memory::sample(3);
    short.keys.insert(Epoch::FIRST, vec![0; 2 * RECORD_BYTES]);
    let (copy, ended) = converse(&short, copy, UNCUT);
    assert_eq!(refusal(ended), ("agent", Refusal::Rollback));
    let mut keeper = Keeper::open(copy).expect("in memory");
    let records = record(Epoch::FIRST, 1, 99);
    let refused = keeper.take(Message::Keys { epoch: Epoch::FIRST, first: 1, records }).expect_err("another key");
    assert_eq!(refused.refusal, Refusal::Fork);
    assert_eq!(keeper.into_archive().keys, agent.keys);
}

/// Goal: an old copy that gave out other keys under the numbers of keys that are mirrored already, with no batch to tell, is a
/// fork. Method: keys that came to the copy before the batches that use them, and the same place in another keyring.
#[test]
fn another_keyring_is_a_fork() {
    let (mut copy, _) = converse(&Memory::sample(3), Memory::new(LOG), UNCUT);
    copy.append_keys(Epoch::FIRST, 3, &[record(Epoch::FIRST, 3, 3), record(Epoch::FIRST, 4, 4)].concat())
        .expect("kept");
    let mut other = Memory::sample(3);
    (50..53).for_each(|mark| other.grow(Epoch::FIRST, mark));
    let (keys, durable) = (copy.keys.clone(), copy.durable.clone());
    let (copy, ended) = converse(&other, copy, UNCUT);
    assert_eq!(refusal(ended), ("central", Refusal::Fork));
    assert_eq!((&copy.keys, &copy.durable), (&keys, &durable));
}

/// Goal: a key that is damaged here and safe there does not stop what follows it. Method: spoil the last one that is mirrored.
#[test]
fn a_damaged_key_stops_nothing() {
    let mut agent = Memory::sample(3);
    let (copy, _) = converse(&agent, Memory::new(LOG), UNCUT);
    agent.grow(Epoch::FIRST, 50);
    let keys = agent.keys.get_mut(&Epoch::FIRST).expect("keys");
    keys.iter_mut().skip(2 * RECORD_BYTES).take(RECORD_BYTES).for_each(|byte| *byte ^= 1);
    let (copy, ended) = converse(&agent, copy, UNCUT);
    ended.expect("nothing is refused");
    assert_eq!(copy.durable, agent.durable);
}
