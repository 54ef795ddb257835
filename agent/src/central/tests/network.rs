//! What happens between a central node and its agents.

use std::time::{Duration, Instant};

use daybook_protocol::{
    ids::Sequence,
    wire::{Hello, MESSAGE_BYTES_MAX, Message, Refusal, Role, VERSION},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Line, Node, Office, SOON, Session, bad_line, copied, copy_directory, everything, place};
use crate::{
    central::{CentralError, CentralHandle, Purpose},
    home::Home,
    identity::Identity,
    replicate::{Link, Outbound as _, TlsFiles, connect},
};

/// Goal: what is mirrored is the same, byte for byte, over a line that breaks again and again; and more of it follows while it
/// grows. Method: a proxy that cuts each connection, later each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_mirrored_over_a_bad_line() {
    let (central, agent) = (place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(agent.path(), &node).await;
    for mark in 0..6 {
        office.grow(mark, 40_000 * mark as usize);
    }
    let line = bad_line(node.address.clone(), 3_000, Line::Cuts { more: 90_000 }).await;
    let mut session = office.mirror(Some(line));
    session.mirrored(office.count()).await;
    session.stop().await;
    let mut session = office.mirror(None);
    session.mirrored(office.count()).await;
    for mark in 6..9 {
        office.grow(mark, 300_000);
        session.mirrored(office.count()).await;
    }
    session.wait(|position| position.clock_ahead_us.is_some()).await;
    session.stop().await;
    let (log, count) = (office.identity.log, office.count());
    let status = node.central.agents();
    assert_eq!(status.iter().map(|agent| (agent.log, agent.count)).collect::<Vec<_>>(), [(log, count)]);
    assert_eq!(status.first().map(|agent| agent.name.as_str()), Some("post room"));
    let home = node.stop().await;
    assert!(everything(&office.outbound()) == copied(&home, log), "the copy differs");
    assert!(office.home.checkpoint().exists());
}

/// Goal: a connection that nobody noticed to be dead does not keep its agent out. Method: connect twice with one certificate.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_connection_counts() {
    let (central, agent) = (place(), place());
    let node = Node::start(central.path()).await;
    let office = Office::join(agent.path(), &node).await;
    let connector = TlsFiles(&office.home).connector().expect("its own files");
    let (count, root) = office.outbound().head().expect("the log is read");
    let Identity { log, epoch, .. } = office.identity;
    let hello = Hello { version: VERSION, role: Role::Agent, log, epoch, count, root };
    let (_, mut dead) = connect(&node.address, &connector, &hello).await.expect("let in");
    assert!(matches!(dead.reader.next().await, Ok(Message::Mirrored(_))));
    let (_, mut live) = connect(&node.address, &connector, &hello).await.expect("let in");
    assert!(matches!(live.reader.next().await, Ok(Message::Mirrored(_))));
    assert!(matches!(dead.reader.next().await, Ok(Message::Refused { refusal: Refusal::Busy, .. })));
    live.writer.send(&Message::Ping { now: daybook_protocol::date::Timestamp(1) }).await.expect("sent");
    assert!(matches!(live.reader.next().await, Ok(Message::Pong { .. })));
    assert!(node.alarms_of(log).is_empty());
    node.stop().await;
}

/// Goal: a revoked agent is out within a second, in the middle of a transfer too, and stays out. Method: revoke while a
/// piece of an original is half through a line that stalls; the time until the agent knows is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_out_at_once() {
    let (central, agent) = (place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(agent.path(), &node).await;
    office.grow(1, 3 << 20);
    let log = office.identity.log;
    let line = bad_line(node.address.clone(), 1 << 20, Line::Stalls).await;
    let mut session = office.mirror(Some(line));
    session.wait(|position| position.log_through == 2).await;
    let began = Instant::now();
    let (handle, revoking) = (node.central.clone(), log);
    let revoked = tokio::task::spawn_blocking(move || handle.revoke(revoking, "left the company"));
    revoked.await.expect("no panic").expect("it is known");
    let refused = session.refused().await;
    let taken = began.elapsed();
    assert!(node.central.agents().iter().all(|agent| agent.originals_through == Some(Sequence(0))), "it was under way");
    assert!(taken < Duration::from_secs(1), "{taken:?}");
    assert!(refused.refusal == Refusal::Revoked && refused.detail.contains("left the company"), "{refused}");
    assert_eq!(office.mirror(None).refused().await.refusal, Refusal::Revoked);
    let status = node.central.agents();
    assert!(status.iter().all(|agent| agent.revoked.is_some() && !agent.connected));
    node.alarmed(Some(log), "revoked").await;
    node.stop().await;
}

/// Goal: an old copy of a data directory, and one that went its own way, are refused and alarmed on both sides, and the copy
/// is not touched. Method: copy the directory of an agent, let the original go on, start the copy, with and without new
/// entries of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_and_a_fork_are_refused() {
    let (central, agent, copies) = (place(), place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(agent.path(), &node).await;
    office.grow(1, 10_000);
    let identity = office.identity.clone();
    let home = office.close();
    let copy = |name: &str| {
        copy_directory(home.path(), &copies.path().join(name));
        Office::open(Home::new(copies.path().join(name)), identity.clone())
    };
    let (old, mut forked) = (copy("old"), copy("forked"));
    let mut office = Office::open(home.clone(), identity.clone());
    office.grow(2, 10_000);
    let mut session = office.mirror(None);
    session.mirrored(office.count()).await;
    session.stop().await;

    let refusal = |session: Session| async {
        let mut session = session;
        let alarm = tokio::time::timeout(SOON, session.alarms.recv()).await.expect("in time").expect("an alarm");
        (alarm.alarm, session.refused().await.refusal)
    };
    assert_eq!(refusal(old.mirror(None)).await, ("rollback".to_owned(), Refusal::Rollback));
    forked.grow(3, 10_000);
    assert_eq!(refusal(forked.mirror(None)).await, ("fork".to_owned(), Refusal::Fork));
    forked.grow(4, 10_000);
    assert_eq!(refusal(forked.mirror(None)).await, ("fork".to_owned(), Refusal::Fork));
    node.alarmed(Some(identity.log), "rollback").await;
    node.alarmed(Some(identity.log), "fork").await;
    let mut session = office.mirror(None);
    session.mirrored(office.count()).await;
    session.stop().await;
    let central = node.stop().await;
    assert!(everything(&office.outbound()) == copied(&central, identity.log), "the copy differs");
}

/// Goal: a damaged copy stops its own log, and no other; the agent waits for it to be mended. Method: spoil the head of one of
/// two copies.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_stops_one_log() {
    let (central, first, second) = (place(), place(), place());
    let node = Node::start(central.path()).await;
    let mut offices = [Office::join(first.path(), &node).await, Office::join(second.path(), &node).await];
    for office in &mut offices {
        office.grow(1, 1_000);
        let mut session = office.mirror(None);
        session.mirrored(office.count()).await;
        session.stop().await;
    }
    node.stop().await;
    let [damaged, sound] = &mut offices;
    let copy = Home::new(central.path()).copy_of(damaged.identity.log);
    std::fs::write(copy.head(), vec![7; 8192]).expect("spoilt");
    let node = Node::start(central.path()).await;
    let mut session = damaged.mirror(Some(node.address.clone()));
    let position = session.wait(|position| position.refused.is_some()).await;
    assert_eq!(position.refused.map(|refused| refused.refusal), Some(Refusal::Damaged));
    sound.grow(2, 1_000);
    let mut other = sound.mirror(Some(node.address.clone()));
    other.mirrored(sound.count()).await;
    other.stop().await;
    session.stop().await;
    node.alarmed(Some(damaged.identity.log), "damaged").await;
    assert!(node.alarms_of(sound.identity.log).is_empty());
    node.stop().await;
}

/// Goal: bytes that are not of the protocol are turned away, whoever sends them, and disturb nobody. Method: garbage before TLS,
/// a garbled hello, a message over the limit, one that is none, a version of the future, a newcomer that does not join, an
/// agent's hello without a certificate.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_turned_away() {
    let (central, agent) = (place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(agent.path(), &node).await;
    office.grow(1, 1_000);
    let mut session = office.mirror(None);
    session.mirrored(office.count()).await;

    let mut plain = tokio::net::TcpStream::connect(&node.address).await.expect("a connection");
    plain.write_all(&[0x55; 4096]).await.expect("sent");
    let mut rest = Vec::new();
    // The connection is closed or reset; in either case it is over.
    let _ = tokio::time::timeout(SOON, plain.read_to_end(&mut rest)).await.expect("in time");

    let (count, root) = office.outbound().head().expect("the log is read");
    let Identity { log, epoch, .. } = office.identity;
    let good = Hello { version: VERSION, role: Role::Agent, log, epoch, count, root };
    let last = |link: Link<_>| async {
        let mut link = link;
        loop {
            match link.reader.next().await {
                Ok(Message::Refused { refusal, .. }) => return Some(refusal),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    };
    let certified = TlsFiles(&office.home).connector().expect("its own files");
    let raw = |bytes: Vec<u8>| {
        let (certified, address) = (certified.clone(), node.address.clone());
        async move {
            let (_, mut link) = connect(&address, &certified, &good).await.expect("let in");
            link.writer.raw(&bytes).await;
            last(link).await
        }
    };
    let length = u32::try_from(MESSAGE_BYTES_MAX + 1).expect("small").to_be_bytes();
    assert_eq!(raw(length.to_vec()).await, Some(Refusal::Protocol));
    assert_eq!(raw(vec![0, 0, 0, 3, 255, 255, 255]).await, Some(Refusal::Protocol));

    let future = connect(&node.address, &certified, &Hello { version: 99, ..good }).await.expect("hellos are for ever");
    assert_eq!(last(future.1).await, Some(Refusal::Version));
    let newcomer = crate::tls::Connector::newcomer(&node.invite(Purpose::Join)).expect("a connector");
    let joining = Hello { role: Role::Newcomer, ..good };
    let (_, mut link) = connect(&node.address, &newcomer, &joining).await.expect("let in");
    link.writer.send(&Message::FetchKeys).await.expect("sent");
    assert_eq!(last(link).await, Some(Refusal::Protocol));
    let (_, link) = connect(&node.address, &newcomer, &good).await.expect("let in as far as the refusal");
    assert_eq!(last(link).await, Some(Refusal::Identity));

    office.grow(2, 1_000);
    session.mirrored(office.count()).await;
    session.stop().await;
    node.stop().await;
}

/// Goal: a second process cannot use the same central node's directory. Method: open it twice.
#[test]
fn a_central_node_is_opened_once() {
    let directory = place();
    let home = Home::new(directory.path());
    let first = CentralHandle::open(&home).expect("the first");
    assert!(matches!(CentralHandle::open(&home), Err(CentralError::InUse { .. })));
    drop(first);
    CentralHandle::open(&home).expect("the first is gone");
}
