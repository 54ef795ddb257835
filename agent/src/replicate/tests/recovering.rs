//! A recovering machine and a central node.

use daybook_protocol::{
    ids::{Digest, Epoch},
    wire::{Hello, Message, Refusal},
};

use super::{NOW, hello, refusal, sign, signer};
use crate::{
    central::Keeper,
    keyring::RECORD_BYTES,
    replicate::{
        Outbound as _, Recovery, Stop, batch_message,
        memory::{LOG, Memory},
    },
};

/// What a central node sends for a request, as its archive does it.
fn served(copy: &Memory, request: &Message) -> Vec<Message> {
    let mut answers: Vec<_> = match request {
        Message::FetchKeys => copy
            .keys
            .iter()
            .flat_map(|(epoch, records)| {
                records.chunks(RECORD_BYTES).zip(0..).map(|(record, first)| (*epoch, first, record))
            })
            .map(|(epoch, first, record)| Message::Keys { epoch, first, records: record.to_vec() })
            .collect(),
        Message::FetchBatches { from } => {
            copy.frames(*from, usize::MAX).expect("in memory").iter().map(batch_message).collect()
        }
        Message::FetchOriginal { sha256, offset } => {
            let total = copy.object_bytes(*sha256).expect("in memory").unwrap_or(0);
            let pieces = (*offset..total).step_by(40_000);
            let piece = |offset| {
                let bytes = copy.object_piece(*sha256, offset, 40_000).expect("in memory");
                Message::OriginalPiece { sha256: *sha256, offset, total, bytes }
            };
            pieces.map(piece).collect()
        }
        _ => Vec::new(),
    };
    answers.push(Message::End);
    answers
}

/// Leads one connection of a recover, cut when so many messages have come.
fn fetch(copy: &Memory, recovery: &mut Recovery<Memory>, cut: usize) -> Result<(), Stop> {
    let (count, root) = recovery.connect()?;
    // A central node lets in whoever has a part of the log.
    let mut keeper = Keeper::open(copy.clone()).expect("in memory");
    keeper.meet(&Hello { epoch: Epoch(9), count, root, ..hello(copy) }).map_err(Stop::Theirs)?;
    let mut coming = vec![Message::Mirrored(keeper.position(&sign, NOW))];
    let mut came = 0;
    while !coming.is_empty() {
        let mut requests = Vec::new();
        for message in coming {
            if came == cut {
                return Ok(());
            }
            came += 1;
            requests.extend(recovery.received(message)?);
        }
        coming = requests.iter().flat_map(|request| served(copy, request)).collect();
    }
    Ok(())
}

/// Goal: a recover brings back the same log, keys and originals, wherever it is cut off. Method: cut it after the first, the
/// second, ... message, go on, compare.
#[test]
fn a_recover_goes_on_after_a_cut() {
    let mut copy = Memory::sample(6);
    copy.grow(Epoch(2), 11);
    for cut in 0.. {
        let mut recovery = Recovery::open(Memory::new(LOG), Epoch(3), signer().verifier());
        fetch(&copy, &mut recovery, cut).expect("a cut is no refusal");
        let whole = recovery.is_done();
        // The process may have ended with the connection.
        let mut half = recovery.into_archive();
        half.crash();
        let mut recovery = Recovery::open(half, Epoch(3), signer().verifier());
        fetch(&copy, &mut recovery, usize::MAX).expect("it goes on");
        assert!(recovery.is_done() && recovery.missing().is_empty());
        let progress = recovery.progress();
        assert_eq!((progress.entries, progress.originals), (copy.durable.count(), 7));
        assert!(recovery.into_archive().same(&copy), "cut after {cut}");
        if whole {
            break;
        }
    }
}

/// Goal: a recover takes nothing on trust, and what the central node lacks is named. Method: a copy with one thing wrong.
#[test]
fn a_recover_takes_nothing_on_trust() {
    let fails = |change: &dyn Fn(&mut Message)| {
        let copy = Memory::sample(3);
        let mut recovery = Recovery::open(Memory::new(LOG), Epoch(2), signer().verifier());
        recovery.connect().expect("in memory");
        let keeper = Keeper::open(copy.clone()).expect("in memory");
        let mut coming = vec![Message::Mirrored(keeper.position(&sign, NOW))];
        while !coming.is_empty() {
            let mut requests = Vec::new();
            for mut message in coming {
                change(&mut message);
                match recovery.received(message) {
                    Ok(request) => requests.extend(request),
                    Err(stop) => return refusal::<()>(Err(stop)),
                }
            }
            coming = requests.iter().flat_map(|request| served(&copy, request)).collect();
        }
        assert!(recovery.is_done());
        refusal(Ok(()))
    };
    assert_eq!(fails(&|_| {}).0, "nobody");
    let protocol = ("agent", Refusal::Protocol);
    let other = Memory::sample(5).frames.pop().expect("five batches");
    assert_eq!(
        fails(&|message| {
            if let Message::Batch { .. } = message {
                *message = batch_message(&other);
            }
        }),
        protocol
    );
    assert_eq!(
        fails(&|message| {
            if matches!(message, Message::Batch { .. } | Message::Keys { .. }) {
                *message = Message::End;
            }
        }),
        protocol
    );
    assert_eq!(
        fails(&|message| {
            if let Message::Mirrored(mirrored) = message {
                mirrored.count += 1;
            }
        }),
        protocol
    );
    let [mut signed, mut sent] = [Memory::sample(3), Memory::sample(3)];
    signed.grow(Epoch::FIRST, 50);
    sent.grow(Epoch::FIRST, 53);
    let keeper = Keeper::open(signed).expect("in memory");
    let mut recovery = Recovery::open(Memory::new(LOG), Epoch(2), signer().verifier());
    let mut request = recovery.received(Message::Mirrored(keeper.position(&sign, NOW))).expect("signed");
    let mut ended = Ok(());
    while let (Some(asked), Ok(())) = (request.take(), &ended) {
        for answer in served(&sent, &asked) {
            match recovery.received(answer) {
                Ok(next) => request = request.or(next),
                Err(stop) => ended = Err(stop),
            }
        }
    }
    assert_eq!(refusal(ended), ("agent", Refusal::Fork), "another log of the same length");

    let mut copy = Memory::sample(3);
    let lost = Digest::of(&1_u32.to_be_bytes());
    copy.objects.remove(&lost);
    let mut recovery = Recovery::open(Memory::new(LOG), Epoch(2), signer().verifier());
    fetch(&copy, &mut recovery, usize::MAX).expect("the rest is there");
    assert!(recovery.is_done());
    assert_eq!(recovery.missing(), [lost]);
}
