//! Machines that join, and machines that take over.

use std::time::Duration;

use daybook_protocol::{
    ids::{Epoch, LogId},
    invite::Invite,
    wire::{Hello, Message, Refusal, Role, VERSION},
};

use super::support::{Line, Node, Office, SOON, bad_line, copied, everything, place};
use crate::{
    central::Purpose,
    home::Home,
    identity::Identity,
    replicate::{
        ConnectError, JoinError, Outbound as _, RecoverError, TlsFiles, certify, connect, join, recover, settle,
    },
};

/// Goal: when another machine is certified for a log, whoever wrote it until then is out, before the new one has connected.
/// Method: certify by a code, with the old connection open.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_machine_is_out_before_the_new_one_is_in() {
    let (central, agent, new) = (place(), place(), place());
    let node = Node::start(central.path()).await;
    let office = Office::join(agent.path(), &node).await;
    let connector = TlsFiles(&office.home).connector().expect("its own files");
    let (count, root) = office.outbound().head().expect("the log is read");
    let Identity { log, epoch, .. } = office.identity;
    let hello = Hello { version: VERSION, role: Role::Agent, log, epoch, count, root };
    let (_, mut old) = connect(&node.address, &connector, &hello).await.expect("let in");
    assert!(matches!(old.reader.next().await, Ok(Message::Mirrored(_))));
    let code = node.invite(Purpose::Recover(log));
    let wrong = join(&node.address, &code, &Home::new(new.path()), "new").await;
    assert!(matches!(wrong, Err(JoinError::Connect(ConnectError::Refused(_)))), "the wrong command");
    certify(&node.address, &code, &Home::new(new.path()), "new", (log, epoch)).await.expect("a good code");
    let ended = tokio::time::timeout(Duration::from_secs(1), old.reader.next()).await.expect("at once");
    assert!(matches!(ended, Ok(Message::Refused { refusal: Refusal::Fenced, .. })), "{ended:?}");
    node.stop().await;
}

/// Goal: a code lets in once, in time, at the central node that made it. Method: used, out of date, unknown, of another node.
#[tokio::test(flavor = "multi_thread")]
async fn bad_codes_are_refused() {
    let (central, other, homes) = (place(), place(), place());
    let (node, stranger) = (Node::start(central.path()).await, Node::start(other.path()).await);
    let home = |name: &str| Home::new(homes.path().join(name));
    let code = node.invite(Purpose::Join);
    join(&node.address, &code, &home("a"), "a").await.expect("a good code");
    assert!(matches!(join(&node.address, &code, &home("a"), "a").await, Err(JoinError::Joined { .. })));
    let late = node.central.invite(Purpose::Join, Duration::ZERO).expect("a code");
    let unknown = Invite { secret: [1; 16], ..code.clone() };
    for (what, code) in [("used", code), ("late", late), ("unknown", unknown)] {
        let refused = join(&node.address, &code, &home("b"), "b").await.expect_err(what);
        assert!(
            matches!(&refused, JoinError::Connect(ConnectError::Refused(refused)) if refused.refusal == Refusal::Code)
        );
    }
    let elsewhere = join(&node.address, &stranger.invite(Purpose::Join), &home("c"), "c").await;
    assert!(matches!(elsewhere, Err(JoinError::Connect(ConnectError::Untrusted { .. }))), "{elsewhere:?}");
    assert_eq!(Identity::load(&home("b")).expect("none"), None);
    assert_eq!(node.central.agents().len(), 1);
    node.stop().await;
    stranger.stop().await;
}

/// Goal: a join that was cut off when it had been granted is finished with the same code, by the same machine. Method: grant
/// it, throw the answer away, ask again.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_was_cut_off_is_finished() {
    let (central, agent) = (place(), place());
    let node = Node::start(central.path()).await;
    let (home, code) = (Home::new(agent.path()), node.invite(Purpose::Join));
    let joined = join(&node.address, &code, &home, "a").await.expect("a good code");
    std::fs::remove_file(home.identity()).expect("as if it had not been written");
    assert_eq!(join(&node.address, &code, &home, "a").await.expect("the same machine"), joined);
    node.stop().await;
}

/// Goal: a log that was begun before there was a central node is the one that joins. Method: an agent that has not joined, with
/// and without its identity, which an older version may not have written.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_there_joins() {
    let (central, homes) = (place(), place());
    let node = Node::start(central.path()).await;
    for (name, log) in [("a", LogId([1; 16])), ("b", LogId([2; 16]))] {
        let home = Home::new(homes.path().join(name));
        let alone = Identity { log, epoch: Epoch::FIRST, central: None };
        let mut office = Office::open(home.clone(), alone.clone());
        office.grow(1, 1_000);
        if name == "a" {
            alone.save(&home).expect("saved");
        }
        office.identity = join(&node.address, &node.invite(Purpose::Join), &home, name).await.expect("it joins");
        assert_eq!((office.identity.log, office.identity.epoch), (log, Epoch::FIRST));
        let mut session = office.mirror(None);
        session.mirrored(office.count()).await;
        session.stop().await;
    }
    node.stop().await;
}

/// Goal: an agent of another central node is turned away by its certificate, and both sides say so. Method: take its tls
/// directory and identity to the wrong address; and the other way round, an agent whose address leads to the wrong node.
#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_turned_away() {
    let (central, other, first, second) = (place(), place(), place(), place());
    let (node, stranger) = (Node::start(central.path()).await, Node::start(other.path()).await);
    let office = Office::join(first.path(), &node).await;
    let theirs = Office::join(second.path(), &stranger).await;
    let mut lost = office.mirror(Some(stranger.address.clone()));
    let position = lost.wait(|position| position.trouble.is_some()).await;
    assert!(position.trouble.is_some_and(|trouble| trouble.contains("not the expected central node")));
    lost.stop().await;
    // With the right authority and the wrong certificate.
    let authority = std::fs::read(office.home.tls().join("authority.crt.der")).expect("kept by join");
    std::fs::write(theirs.home.tls().join("authority.crt.der"), authority).expect("written");
    let mut session = theirs.mirror(Some(node.address.clone()));
    let alarm = tokio::time::timeout(SOON, session.alarms.recv()).await.expect("in time").expect("an alarm");
    assert_eq!(alarm.alarm, "identity");
    assert_eq!(session.refused().await.refusal, Refusal::Identity);
    node.alarmed(None, "identity").await;
    node.stop().await;
    stranger.stop().await;
}

/// Goal: a machine that is lost is made good by another one, which has everything and goes on in the next epoch; the lost one,
/// should it turn up, is told to keep still. Method: mirror, recover over a bad line, compare, write on, start the old one.
#[tokio::test(flavor = "multi_thread")]
async fn another_machine_takes_over() {
    let (central, first, second) = (place(), place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(first.path(), &node).await;
    for mark in 0..5 {
        office.grow(mark, 90_000 * mark as usize);
    }
    let mut old = office.mirror(None);
    old.mirrored(office.count()).await;
    let log = office.identity.log;

    let code = node.invite(Purpose::Recover(log));
    let home = Home::new(second.path().join("data"));
    crate::durable::make_directory(home.path()).expect("a directory");
    let line = bad_line(node.address.clone(), 12_000, Line::Cuts { more: 10_000 }).await;
    let recovered = recover(&line, &code, &home, "new room", |_| {}).await.expect("it recovers");
    assert_eq!((recovered.identity.log, recovered.identity.epoch), (log, Epoch(2)));
    assert_eq!((recovered.count, recovered.originals, recovered.missing.len()), (office.count(), 5, 0));
    assert_eq!(Identity::load(&home).expect("an identity").as_ref(), Some(&recovered.identity));
    assert!(home.recovering().exists() && home.checkpoint().exists());
    let again = recover(&line, &code, &home, "new room", |_| {}).await.expect("it goes on until it is settled");
    assert_eq!(again, recovered);
    settle(&home).expect("settled");
    let over = recover(&line, &code, &home, "new room", |_| {}).await.expect_err("it is over");
    assert!(matches!(over, RecoverError::NotEmpty), "{over}");

    // The old machine was connected all the while.
    let fenced = old.refused().await;
    assert_eq!(fenced.refusal, Refusal::Fenced);
    assert!(fenced.detail.contains("epoch 2"), "{fenced}");

    std::fs::copy(office.home.operator_key(), home.operator_key()).expect("the operator keeps it");
    let mut recovered = Office::open(home.clone(), recovered.identity);
    assert!(everything(&office.outbound()) == everything(&recovered.outbound()), "what came back differs");
    recovered.grow(9, 1_000);
    let mut session = recovered.mirror(Some(node.address.clone()));
    session.mirrored(recovered.count()).await;
    session.stop().await;
    office.grow(77, 10);
    assert_eq!(office.mirror(None).refused().await.refusal, Refusal::Fenced);

    let again = Home::new(second.path().join("again"));
    let used = recover(&node.address, &code, &again, "third", |_| {}).await;
    assert!(
        matches!(&used, Err(RecoverError::Join(JoinError::Connect(ConnectError::Refused(refused))))
        if refused.refusal == Refusal::Code),
        "{used:?}"
    );
    let full = recover(&node.address, &node.invite(Purpose::Recover(log)), &home, "new room", |_| {}).await;
    assert!(matches!(full, Err(RecoverError::NotEmpty)));
    node.alarmed(Some(log), "fenced").await;
    let central = node.stop().await;
    assert!(everything(&recovered.outbound()) == copied(&central, log), "the copy differs");
}
