//! Agent, central node and recovering machine talk in memory, message by message.

mod keys;
mod recovering;

use daybook_protocol::{
    checkpoint::{Checkpoint, Signer},
    date::Timestamp,
    ids::{Digest, Epoch, LogId, Sequence},
    tree::Frontier,
    wire::{Hello, Message, Refusal, Role, VERSION, WINDOW_MESSAGES_MAX},
};

use super::{
    Exchange, Outbound as _, Refused, Stop, batch_message,
    memory::{Done, LOG, Memory, frame, record},
};
use crate::{central::Keeper, keyring::RECORD_BYTES};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn signer() -> Signer {
    Signer::new("central", &[7; 32])
}

fn sign(checkpoint: &Checkpoint) -> String {
    checkpoint.sign(&signer())
}

fn hello(log: &Memory) -> Hello {
    let (count, root) = log.head().expect("in memory");
    Hello { version: VERSION, role: Role::Agent, log: log.log, epoch: log.epoch, count, root }
}

/// How a conversation in memory is led.
#[derive(Clone, Copy)]
struct Led {
    /// It is cut when the agent has sent so many messages.
    cut: usize,
    /// So many messages share a barrier.
    group: usize,
}

const UNCUT: Led = Led { cut: usize::MAX, group: 7 };

/// Leads one conversation to its end, its cut or its refusal. What the copy had not made durable is lost with it.
fn converse(agent: &Memory, archive: Memory, led: Led) -> (Memory, Result<Exchange, Stop>) {
    let mut keeper = Keeper::open(archive).expect("in memory");
    let mut exchange = Exchange::new(agent.log, signer().verifier(), 0);
    let ended = lead(agent, &mut keeper, &mut exchange, led);
    let mut archive = keeper.into_archive();
    archive.crash();
    (archive, ended.map(|()| exchange))
}

fn lead(agent: &Memory, keeper: &mut Keeper<Memory>, exchange: &mut Exchange, led: Led) -> Result<(), Stop> {
    keeper.meet(&hello(agent)).map_err(Stop::Theirs)?;
    exchange.received(agent, Message::Mirrored(keeper.position(&sign, NOW)))?;
    let mut sent = 0;
    loop {
        let produced = exchange.produce(agent)?;
        let idle = produced.is_none();
        let mut answers = Vec::new();
        for message in produced.unwrap_or_default() {
            if sent == led.cut {
                return Ok(());
            }
            sent += 1;
            answers.extend(keeper.take(message).map_err(Stop::Theirs)?);
        }
        if idle || sent % led.group == 0 {
            answers.extend(keeper.settle(&sign, NOW).map_err(Stop::Theirs)?.map(Message::Mirrored));
        }
        if idle && answers.is_empty() {
            return Ok(());
        }
        for answer in answers {
            if let Message::Mirrored(mirrored) = &answer {
                let barriers = keeper.archive().done.iter().filter_map(|done| match done {
                    Done::Barrier(count) => Some(*count),
                    _ => None,
                });
                let durable = barriers.max().unwrap_or(0).max(keeper.archive().durable.count());
                assert!(mirrored.count <= durable, "acknowledged {} but durable is {durable}", mirrored.count);
            }
            exchange.received(agent, answer)?;
        }
    }
}

/// Goal: after a cut behind any message, and with any part of what came in between lost by the central node, the next
/// conversation brings the rest, and nothing twice. Method: cut behind the first, the second, ... message until none is cut.
#[test]
fn a_cut_anywhere_loses_and_repeats_nothing() {
    let agent = Memory::sample(7);
    for group in [1, 3, 1000] {
        for cut in 0.. {
            let (archive, ended) = converse(&agent, Memory::new(LOG), Led { cut, group });
            ended.expect("a cut is no refusal");
            let whole = archive.same(&agent);
            let (archive, ended) = converse(&agent, archive, UNCUT);
            let exchange = ended.expect("it goes on");
            assert!(archive.same(&agent), "cut after {cut}");
            let mirrored = exchange.mirrored().expect("a position");
            assert_eq!(
                (exchange.log_through(), mirrored.originals_through),
                (mirrored.count, Sequence(mirrored.count))
            );
            if whole {
                break;
            }
        }
    }
}

/// Goal: an agent that has less than its copy may fetch, and nothing it sends is taken, whatever it says. Method: it goes on
/// regardless.
#[test]
fn an_agent_that_lost_its_end_cannot_write() {
    let (copy, _) = converse(&Memory::sample(4), Memory::new(LOG), UNCUT);
    let old = Memory::sample(3);
    let mut keeper = Keeper::open(copy).expect("in memory");
    keeper.meet(&hello(&old)).expect("it may fetch");
    let records = record(Epoch::FIRST, 4, 4);
    for message in [batch_message(&agent_further(&old)), Message::Keys { epoch: Epoch::FIRST, first: 4, records }] {
        assert_eq!(keeper.take(message).expect_err("it lost its end").refusal, Refusal::Rollback);
    }
}

/// Goal: keys are there before the batches that use them. Method: the order in which the copy was written.
#[test]
fn keys_come_first() {
    let (archive, _) = converse(&Memory::sample(5), Memory::new(LOG), UNCUT);
    let keys = archive.done.iter().position(|done| *done == Done::Keys(5));
    let batch = archive.done.iter().position(|done| matches!(done, Done::Append(_)));
    assert!(keys < batch && keys.is_some(), "{:?}", archive.done);
}

/// Goal: a log that grows while it is mirrored, into the next epoch too, arrives whole. Method: grow between conversations and
/// within one.
#[test]
fn a_growing_log_arrives() {
    let mut agent = Memory::sample(3);
    let (archive, _) = converse(&agent, Memory::new(LOG), UNCUT);
    agent.grow(Epoch::FIRST, 3);
    agent.grow(Epoch(2), 4);
    let (archive, ended) = converse(&agent, archive, UNCUT);
    let mut exchange = ended.expect("nothing is wrong");
    assert!(archive.same(&agent));
    agent.grow(Epoch(2), 5);
    let next = exchange.produce(&agent).expect("more to send").expect("more to send");
    assert!(matches!(next.as_slice(), [Message::Keys { epoch: Epoch(2), first: 1, .. }]), "{next:?}");
    // What becomes durable after the keys were looked at waits for its own.
    agent.grow(Epoch(2), 6);
    let next = exchange.produce(&agent).expect("more to send").expect("more to send");
    assert!(matches!(next.as_slice(), [Message::Batch { .. }]), "{} messages", next.len());
    let next = exchange.produce(&agent).expect("more to send").expect("more to send");
    assert!(matches!(next.as_slice(), [Message::Keys { epoch: Epoch(2), first: 2, .. }]), "{next:?}");
}

/// Goal: at most a window of messages is under way. Method: take everything that is produced and answer nothing.
#[test]
fn the_window_holds() {
    let agent = Memory::sample(200);
    let mut keeper = Keeper::open(Memory::new(LOG)).expect("in memory");
    keeper.meet(&hello(&agent)).expect("an empty copy");
    let mut exchange = Exchange::new(LOG, signer().verifier(), 0);
    exchange.received(&agent, Message::Mirrored(keeper.position(&sign, NOW))).expect("a position");
    let mut sent = 0;
    while let Some(messages) = exchange.produce(&agent).expect("in memory") {
        sent += messages.len();
    }
    assert_eq!(sent, WINDOW_MESSAGES_MAX);
}

fn refusal<T>(ended: Result<T, Stop>) -> (&'static str, Refusal) {
    match ended {
        Err(Stop::Theirs(refused)) => ("central", refused.refusal),
        Err(Stop::Ours(refused)) => ("agent", refused.refusal),
        Err(Stop::Local(error)) => panic_with(&error),
        Ok(_) => ("nobody", Refusal::Busy),
    }
}

#[allow(clippy::panic, reason = "a test fails by it")]
fn panic_with(error: &dyn std::error::Error) -> ! {
    panic!("{error}: {:?}", error.source())
}

/// Goal: two logs that do not go together are told apart as what they are, by the side that can, and the copy stays as it
/// was. Method: pairs of logs that share a beginning.
#[test]
fn forks_and_rollbacks_are_refused() {
    let sample = |batches, more: &[u32]| {
        let mut log = Memory::sample(batches);
        for mark in more {
            log.grow(Epoch::FIRST, *mark);
        }
        log
    };
    let cases = [
        ("the same length, another end", sample(3, &[50]), sample(3, &[53]), ("central", Refusal::Fork)),
        ("a longer one, another middle", sample(3, &[50, 52]), sample(3, &[53]), ("agent", Refusal::Fork)),
        ("a shorter one, another end", sample(3, &[50]), sample(3, &[53, 52]), ("central", Refusal::Fork)),
        ("an old copy", sample(3, &[]), sample(3, &[53]), ("agent", Refusal::Rollback)),
        ("an empty one", sample(0, &[]), sample(3, &[]), ("agent", Refusal::Rollback)),
    ];
    for (what, agent, mut copy, expected) in cases {
        // Their keys differ as well; what is to be seen here is the log.
        copy.keys = agent.keys.clone();
        copy.keys.retain(|_, records| !records.is_empty());
        let (frames, durable) = (copy.frames.clone(), copy.durable.clone());
        let (copy, ended) = converse(&agent, copy, UNCUT);
        assert_eq!(refusal(ended), expected, "{what}");
        assert_eq!((copy.frames, copy.durable, copy.done), (frames, durable, Vec::new()), "{what}");
    }
}

/// Goal: each message that breaks a rule is refused by its name, and what is kept stays as it was. Method: one of each, to a
/// copy of three batches.
#[test]
fn what_does_not_fit_is_refused() {
    let agent = Memory::sample(4);
    let (mut copy, _) = converse(&Memory::sample(3), Memory::new(LOG), UNCUT);
    copy.keys = agent.keys.clone();
    let [_, second, third, fourth] = agent.frames.as_slice() else { return };
    let end = copy.durable.clone();
    let event = |mark: &str| {
        let opened = daybook_protocol::event::LogOpened { log: LOG, format: 1, program: mark.to_owned() };
        vec![daybook_protocol::event::Event::LogOpened(opened)]
    };
    let behind = |log, epoch, key| batch_message(&frame(log, epoch, &end, event("other"), key));
    let key = |number| Some(daybook_protocol::ids::KeyId { epoch: Epoch::FIRST, number });
    let mut before = Frontier::default();
    for frame in agent.frames.iter().take(2) {
        frame.check(LOG, &mut before).expect("the sample's own");
    }
    let mut elsewhere = Frontier::default();
    for place in 0..end.count() {
        elsewhere.push(Digest::of(&place.to_be_bytes()));
    }
    let keys = |first, records| Message::Keys { epoch: Epoch::FIRST, first, records };
    let sha256 = Digest::of(b"nobody's");
    let cases = [
        ("a gap", batch_message(&agent_further(&agent)), Refusal::Gap),
        ("other bytes", batch_message(&frame(LOG, Epoch::FIRST, &before, event("x"), None)), Refusal::Fork),
        ("another past", batch_message(&frame(LOG, Epoch::FIRST, &elsewhere, event("x"), None)), Refusal::Fork),
        ("another log", behind(LogId([9; 16]), Epoch::FIRST, None), Refusal::Protocol),
        ("a later epoch", behind(LOG, Epoch(2), None), Refusal::Protocol),
        ("a key that is not there", behind(LOG, Epoch::FIRST, key(4)), Refusal::Protocol),
        ("damaged bytes", Message::Batch { compressed: false, bytes: vec![1; 200] }, Refusal::Protocol),
        ("not zstd", Message::Batch { compressed: true, bytes: fourth.bytes().to_vec() }, Refusal::Protocol),
        ("a key too far", keys(5, record(Epoch::FIRST, 5, 5)), Refusal::Gap),
        ("half a key", keys(4, vec![0; RECORD_BYTES / 2]), Refusal::Protocol),
        ("no key", keys(4, Vec::new()), Refusal::Protocol),
        ("a stranger's original", Message::OriginalOffer { sha256, total: 10 }, Refusal::Protocol),
        ("a piece of it", piece(sha256, 0, 10, 3), Refusal::Protocol),
        ("a piece beyond the end", piece(sha256, 8, 10, 3), Refusal::Protocol),
        ("a central message", Message::End, Refusal::Protocol),
    ];
    let (frames, keys_before) = (copy.frames.clone(), copy.keys.clone());
    let mut keeper = Keeper::open(copy).expect("in memory");
    keeper.meet(&Hello { epoch: Epoch::FIRST, ..hello(&agent) }).expect("it has more");
    for (what, message, expected) in cases {
        assert_eq!(keeper.take(message).expect_err(what).refusal, expected, "{what}");
    }
    // The same again is acknowledged again and not kept twice, at a barrier or without one.
    for frame in [second, third, fourth, fourth] {
        keeper.take(batch_message(frame)).expect("the same bytes");
    }
    let again = keeper.settle(&sign, NOW).expect("in memory").expect("acknowledged again");
    assert_eq!(again.count, agent.durable.count());
    let copy = keeper.into_archive();
    assert_eq!((copy.frames.split_last(), copy.keys), (Some((fourth, frames.as_slice())), keys_before));
}

fn agent_further(agent: &Memory) -> daybook_protocol::batch::Frame {
    let opened = daybook_protocol::event::LogOpened { log: LOG, format: 1, program: String::new() };
    frame(LOG, Epoch::FIRST, &agent.durable, vec![daybook_protocol::event::Event::LogOpened(opened)], None)
}

fn piece(sha256: Digest, offset: u64, total: u64, bytes: usize) -> Message {
    Message::OriginalPiece { sha256, offset, total, bytes: vec![0; bytes] }
}

/// Goal: an earlier epoch neither comes in nor goes on. Method: a copy that is in epoch 2, an agent and a batch of epoch 1.
#[test]
fn an_earlier_epoch_is_fenced() {
    let mut agent = Memory::sample(2);
    agent.grow(Epoch(2), 7);
    let (copy, _) = converse(&agent, Memory::new(LOG), UNCUT);
    let mut keeper = Keeper::open(copy).expect("in memory");
    let old = keeper.meet(&Hello { epoch: Epoch::FIRST, ..hello(&agent) }).expect_err("an old machine");
    assert_eq!(old.refusal, Refusal::Fenced);
    assert!(old.detail.contains("epoch 2"), "{old}");
    keeper.meet(&hello(&agent)).expect("the present machine");
    let refused = keeper.take(batch_message(&agent_further(&agent))).expect_err("a batch of the first epoch");
    assert_eq!(refused.refusal, Refusal::Protocol);
}

/// Goal: a central node that was put back from an older backup is sent what it lacks, and a person is told, though the first
/// who hears of it ends before it can tell. Method: cut the copy short after it was acknowledged; hear of it twice.
#[test]
fn a_restored_central_node_is_refilled() {
    let agent = Memory::sample(6);
    let (old, _) = converse(&Memory::sample(4), Memory::new(LOG), UNCUT);
    let mut keeper = Keeper::open(old).expect("in memory");
    let mut exchange = Exchange::new(LOG, signer().verifier(), agent.durable.count());
    keeper.meet(&hello(&agent)).expect("the same log");
    exchange.received(&agent, Message::Mirrored(keeper.position(&sign, NOW))).expect("the same log");
    assert_eq!(exchange.take_checkpoint(), None);
    assert_eq!(exchange.acknowledged(), agent.durable.count());
    let mut exchange = Exchange::new(LOG, signer().verifier(), exchange.acknowledged());
    lead(&agent, &mut keeper, &mut exchange, UNCUT).expect("nothing is wrong");
    assert!(keeper.into_archive().same(&agent));
    let alarms: Vec<_> = exchange.take_alarms().into_iter().map(|alarm| alarm.alarm).collect();
    assert_eq!(alarms, ["central_rollback"]);
}

/// Goal: where the central node lost keys, nothing is said to be mirrored until they are there again. Method: a copy without
/// its keys, looked at after the first position.
#[test]
fn entries_without_keys_are_not_mirrored() {
    let agent = Memory::sample(3);
    let (mut copy, _) = converse(&agent, Memory::new(LOG), UNCUT);
    copy.keys.clear();
    let mut keeper = Keeper::open(copy).expect("in memory");
    let mut exchange = Exchange::new(LOG, signer().verifier(), 0);
    keeper.meet(&hello(&agent)).expect("the same log");
    exchange.received(&agent, Message::Mirrored(keeper.position(&sign, NOW))).expect("the same log");
    assert_eq!(exchange.log_through(), 0);
    lead(&agent, &mut keeper, &mut Exchange::new(LOG, signer().verifier(), 0), UNCUT).expect("nothing is wrong");
    exchange.received(&agent, Message::Mirrored(keeper.position(&sign, NOW))).expect("the same log");
    assert_eq!(exchange.log_through(), agent.durable.count());
}

/// Goal: the agent believes only what the expected central node signed, of this log and position. Method: one lie each.
#[test]
fn lies_of_the_central_node_are_refused() {
    let agent = Memory::sample(3);
    let (copy, _) = converse(&agent, Memory::new(LOG), UNCUT);
    let keeper = Keeper::open(copy).expect("in memory");
    let truth = keeper.position(&sign, NOW);
    let signed = |log, count, root| sign(&Checkpoint { log, count, root });
    let stranger =
        Checkpoint { log: LOG, count: truth.count, root: truth.root }.sign(&Signer::new("central", &[8; 32]));
    let other = Digest::of(b"other");
    let cases = [
        ("another signer", Refusal::Identity, truth.count, truth.root, stranger),
        ("another position", Refusal::Protocol, truth.count, truth.root, signed(LOG, 0, truth.root)),
        ("another log", Refusal::Protocol, truth.count, truth.root, signed(LogId([9; 16]), truth.count, truth.root)),
        ("another root", Refusal::Fork, truth.count, other, signed(LOG, truth.count, other)),
        ("more than there is", Refusal::Rollback, 99, other, signed(LOG, 99, other)),
    ];
    for (what, expected, count, root, checkpoint) in cases {
        let lie = daybook_protocol::wire::Mirrored { count, root, checkpoint, ..truth.clone() };
        let mut exchange = Exchange::new(LOG, signer().verifier(), 0);
        let first = exchange.received(&agent, Message::Mirrored(lie.clone()));
        assert_eq!(refusal(first), ("agent", expected), "{what}, at first");
        exchange.received(&agent, Message::Mirrored(truth.clone())).expect("the truth");
        let later = exchange.received(&agent, Message::Mirrored(lie));
        assert!(matches!(later, Err(Stop::Ours(_))), "{what}, later");
    }
}

/// Goal: an original that is lost or damaged here holds up its own place and nothing else, and a person is told. Method: take
/// one away, spoil one.
#[test]
fn a_lost_original_holds_up_only_itself() {
    let mut agent = Memory::sample(6);
    let sha256 = |mark: u32| Digest::of(&mark.to_be_bytes());
    agent.objects.remove(&sha256(2));
    agent.objects.insert(sha256(3), [vec![1; 200_000], vec![2; 100]].concat());
    let (copy, ended) = converse(&agent, Memory::new(LOG), UNCUT);
    let mut exchange = ended.expect("nothing is refused");
    let alarms = exchange.take_alarms();
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    assert!(alarms.iter().all(|alarm| alarm.alarm == "original_not_mirrored"));
    assert_eq!(copy.objects.len(), 4);
    let third = agent.frames.get(2).expect("six batches").header().first;
    assert_eq!(exchange.mirrored().map(|mirrored| mirrored.originals_through), Some(third));
}

/// Goal: a full disk at the central node says to come again, and nothing that was not kept is acknowledged. Method: fill it,
/// then make room.
#[test]
fn a_full_disk_says_to_come_again() {
    let agent = Memory::sample(3);
    let mut full = Memory::new(LOG);
    full.full = true;
    let (mut copy, ended) = converse(&agent, full, UNCUT);
    assert_eq!(refusal(ended), ("central", Refusal::Busy));
    assert_eq!(copy.durable.count(), 0);
    copy.full = false;
    let (copy, ended) = converse(&agent, copy, UNCUT);
    ended.expect("there is room");
    assert!(copy.same(&agent));
}

/// Goal: what a peer words is safe to keep and to print, and fits into a message. Method: a long one with control characters.
#[test]
fn words_of_a_peer_are_tamed() {
    let refused = Refused::from_peer(Refusal::Fork, &format!("\u{1b}[31mred\n{}", "é".repeat(100_000)));
    assert!(refused.detail.starts_with("[31mred\u{e9}"), "{:.20}", refused.detail);
    assert!(refused.message().encode().expect("it fits").len() < 10_000);
}
