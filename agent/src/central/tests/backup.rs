//! What a backup makes of damage, at the central node and in itself.

use std::{fs, path::Path};

use daybook_protocol::ids::LogId;

use super::support::{Node, Office, copied, copy_directory, everything, place};
use crate::{
    central::{BackupError, CentralError, CentralHandle, Saved, restore},
    home::Home,
    scrub::{Onlooker, Work},
};

struct Unseen;

impl Onlooker for Unseen {
    fn progress(&mut self, _: u64, _: u64, _: &str) {}

    fn gone(&self) -> bool {
        false
    }
}

fn back_up(central: &CentralHandle, to: &Path) -> Saved {
    central.back_up(to, false, &Work::new(&mut Unseen, false)).expect("backed up")
}

fn put_back(backup: &Path, to: &Path) -> Home {
    let home = Home::new(to);
    restore(backup, &home, &Work::new(&mut Unseen, false)).expect("put back");
    home
}

async fn mirrored(office: &mut Office, marks: std::ops::Range<u32>) {
    marks.for_each(|mark| office.grow(mark, 20_000));
    let mut session = office.mirror(None);
    session.mirrored(office.count()).await;
    session.stop().await;
}

fn files(of: &Path) -> Vec<String> {
    let listing = fs::read_dir(of).expect("listed").map(|entry| entry.expect("it").file_name());
    let mut names: Vec<_> = listing.map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names
}

fn frames_of(backup: &Path, log: LogId) -> std::path::PathBuf {
    backup.join("logs").join(log.to_string()).join("log")
}

/// Goal: an original that was at the central node and is gone is told of by a backup. Method: one of two is taken away.
#[tokio::test(flavor = "multi_thread")]
async fn an_original_that_is_gone_is_damage() {
    let (central, agent, backup) = (place(), place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(agent.path(), &node).await;
    mirrored(&mut office, 0..2).await;
    let vault = node.home.copy_of(office.identity.log).vault();
    let shelf = files(&vault).into_iter().find(|name| name.len() == 2).expect("a shelf of originals");
    fs::remove_dir_all(vault.join(shelf)).expect("removed");
    let home = node.stop().await;
    // Also where nobody is connected: the place was noted.
    let saved = back_up(&CentralHandle::open(&home).expect("opened"), backup.path());
    assert!(saved.damaged.iter().any(|damaged| damaged.contains("is missing")), "{saved:?}");
    assert!(saved.not_saved.is_empty());
}

/// Goal: batches that the backup has lost are written anew where the central node has them, under names of their own. Method:
/// one file of two is cut short, another time one is gone; what is put back is the log.
#[tokio::test(flavor = "multi_thread")]
async fn lost_batches_are_backed_up_anew() {
    let (central, agent, backup, new) = (place(), place(), place(), place());
    let node = Node::start(central.path()).await;
    let mut office = Office::join(agent.path(), &node).await;
    let log = office.identity.log;
    for part in 0..2 {
        mirrored(&mut office, part * 2..part * 2 + 2).await;
        back_up(&node.central, backup.path());
    }
    let frames = frames_of(backup.path(), log);
    let before = files(&frames);
    assert_eq!(before.len(), 2);
    fs::write(frames.join(&before[1]), "short").expect("cut short");
    let saved = back_up(&node.central, backup.path());
    assert!(saved.damaged.is_empty() && saved.not_saved.is_empty() && saved.entries == office.count(), "{saved:?}");
    let anew = files(&frames);
    assert!(anew.len() == 1 && !before.contains(&anew[0]), "{anew:?}");
    mirrored(&mut office, 4..6).await;
    fs::remove_file(frames.join(&anew[0])).expect("removed");
    back_up(&node.central, backup.path());
    assert_eq!(files(&frames).len(), 1);
    node.stop().await;
    let home = put_back(backup.path(), &new.path().join("central"));
    assert!(everything(&office.outbound()) == copied(&home, log), "the copy differs");
}

/// Goal: a log that cannot be saved keeps neither the others nor the registry out, and its backup is as it was. Method: the copy of
/// one log is put back as it was before the backup; also with a lost file, when nothing may be thrown away for the shorter copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_history_keeps_no_other_out() {
    let (central, agents, backup, aside, new) = (place(), place(), place(), place(), place());
    let node = Node::start(central.path()).await;
    let mut first = Office::join(&agents.path().join("first"), &node).await;
    let log = first.identity.log;
    mirrored(&mut first, 0..2).await;
    let home = node.stop().await;
    copy_directory(home.copy_of(log).path(), aside.path());
    let node = Node::start(central.path()).await;
    let address = node.address.clone();
    (2..4).for_each(|mark| first.grow(mark, 20_000));
    let mut session = first.mirror(Some(address));
    session.mirrored(first.count()).await;
    session.stop().await;
    back_up(&node.central, backup.path());
    let home = node.stop().await;
    fs::remove_dir_all(home.copy_of(log).path()).expect("removed");
    copy_directory(aside.path(), home.copy_of(log).path());

    let node = Node::start(central.path()).await;
    let mut second = Office::join(&agents.path().join("second"), &node).await;
    mirrored(&mut second, 9..11).await;
    let frames = frames_of(backup.path(), log);
    let [name] = files(&frames).try_into().expect("one file");
    let good = fs::read(frames.join(&name)).expect("read");
    for lost in [true, false] {
        let bytes = if lost { b"short".to_vec() } else { good.clone() };
        fs::write(frames.join(&name), bytes).expect("written");
        let saved = back_up(&node.central, backup.path());
        assert!(saved.not_saved.iter().any(|why| why.contains("went another way")), "{saved:?}");
        assert_eq!(saved.not_saved.len(), if lost { 2 } else { 1 }, "{saved:?}");
        assert_eq!((saved.logs, saved.entries), (2, first.count() + second.count()));
    }
    node.stop().await;
    let home = put_back(backup.path(), &new.path().join("central"));
    assert!(everything(&first.outbound()) == copied(&home, log), "the copy differs");
    assert_eq!(CentralHandle::open(&home).expect("opened").agents().len(), 2);
}

/// Goal: a backup never goes into what it is a backup of. Method: the data directory, and places below it.
#[test]
fn a_central_node_is_not_backed_up_into_itself() {
    let place = place();
    let central = CentralHandle::open(&Home::new(place.path())).expect("made");
    for below in ["", "backup", "deep/below"] {
        let to = place.path().join(below);
        let refused = central.back_up(&to, false, &Work::new(&mut Unseen, false)).expect_err("refused");
        assert!(matches!(refused, CentralError::Backup(BackupError::Inside { .. })), "{refused}");
    }
    assert!(!place.path().join("backup").exists());
}
