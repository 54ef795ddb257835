//! The porter: sends somebody to the door of each drop folder when there may be something to do, and to nobody's when there is
//! not. A thread is at a door only as long as it takes to look, so that ten thousand calm folders cost no threads; each look has
//! one of its own, so that a share that hangs stops no other folder.

use std::{
    collections::{HashMap, HashSet},
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::error;

use super::{
    Office, OfficeError,
    door::{Door, Looked, RETRY},
    timetable::Timetable,
};
use crate::{
    books::index::Index,
    config::Folder,
    intake::{self, HINTS_MAX, Hint, HintKind, Watcher},
    supervise::Shutdown,
};

/// How soon a stop is noticed while nothing is due.
const STOP_NOTICED: Duration = Duration::from_millis(200);

/// Every so many periodic looks the directories of patterns are looked through for new centres: each minute, by default.
const PATTERNS_EVERY: u32 = 12;

/// What the porter hears.
enum News {
    /// The watcher saw something.
    Hint(Hint),
    /// Somebody is back from a door; without it, where the look broke off.
    Back(usize, Option<(Box<Door>, Looked)>),
}

/// Watches every folder of the configuration until `shutdown`. The thread ends by itself; the caller waits for it.
pub fn watch_folders(office: &Arc<Office>, shutdown: &Shutdown) -> Result<thread::JoinHandle<()>, OfficeError> {
    let (sender, news) = mpsc::sync_channel(HINTS_MAX);
    let told = sender.clone();
    // A full queue says enough: the periodic look finds it.
    let watcher = Watcher::new(move |hint| drop(told.try_send(News::Hint(hint))));
    let folders = office.config.places();
    let (office, shutdown) = (Arc::clone(office), shutdown.clone());
    let mut porter =
        Porter { doors: Timetable::default(), numbers: HashMap::new(), watcher, rescans: 0, office, shutdown, sender };
    porter.take_in(folders)?;
    Ok(thread::spawn(move || porter.attend(&news)))
}

/// Makes a folder's parts. One of the configuration must be there; that of a centre raises an alarm at its first look if it is not,
/// and keeps nobody from the others.
fn prepare(office: &Office, folder: &Folder) -> Result<(), OfficeError> {
    let prepared = intake::prepare(folder);
    if office.config.folders.iter().any(|plain| plain.name == folder.name) {
        prepared?;
    }
    Ok(())
}

/// See the module's description.
struct Porter {
    doors: Timetable<Box<Door>>,
    /// The number of each folder's door, by the folder's name.
    numbers: HashMap<String, usize>,
    watcher: Watcher,
    /// How often it was looked since it was looked for new centres.
    rescans: u32,
    office: Arc<Office>,
    shutdown: Shutdown,
    sender: SyncSender<News>,
}

impl Porter {
    /// Makes doors for folders, which remember what the log says of them, and watches them; somebody is to go there at once.
    fn take_in(&mut self, folders: Vec<Folder>) -> Result<(), OfficeError> {
        let known = self.office.journal.look(|index| (index.open_arrivals(), index.refused(), index.alarms()))?;
        let (mut open, mut refused) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for arrival in known.0 {
            open.entry(arrival.received.folder.clone()).or_default().push(arrival);
        }
        for (folder, file_id, at) in known.1 {
            refused.entry(folder).or_default().push((file_id, at));
        }
        let alarms: HashSet<String> = known.2.into_iter().map(|(name, _)| name).collect();
        for folder in folders {
            prepare(&self.office, &folder)?;
            let (name, drop) = (folder.name.clone(), folder.drop());
            let mut door = Box::new(Door::new(Arc::clone(&self.office), folder));
            door.remember(open.remove(&name).unwrap_or_default(), refused.remove(&name).unwrap_or_default(), &alarms)?;
            // A hint names a folder by its place among the watched ones, which is the number of its door.
            self.watcher.add(drop);
            self.numbers.insert(name, self.doors.add(door, Instant::now()));
        }
        Ok(())
    }

    fn attend(mut self, news: &Receiver<News>) {
        let mut mirror = self.office.mirror.subscribe();
        let rescan = Duration::from_secs(self.office.config.agent.rescan_seconds.max(1));
        let mut rescanned = Instant::now();
        while !self.shutdown.is_asked() {
            while let Some((number, door, heard)) = self.doors.next(Instant::now()) {
                self.send_out(number, door, heard);
            }
            if let Ok(first) = news.recv_timeout(self.doors.wait(Instant::now(), STOP_NOTICED)) {
                self.hear(first);
                // One look is enough for all that came together.
                for more in news.try_iter() {
                    self.hear(more);
                }
            }
            if mirror.has_changed().unwrap_or(false) {
                mirror.mark_unchanged();
                self.doors.tell_awaiting(Instant::now());
            }
            if rescanned.elapsed() >= rescan {
                if let Err(error) = self.rescan() {
                    error!(error = &error as &dyn std::error::Error, "folders are not looked for");
                }
                rescanned = Instant::now();
            }
        }
        // Whoever is at a door hears of the stop there.
        while self.doors.is_out() {
            let Ok(news) = news.recv() else { break };
            self.hear(news);
        }
    }

    fn hear(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Hint(Hint { folder, kind }) => self.doors.tell(folder, kind, now),
            News::Back(number, Some((door, Looked { again_in, awaits_mirror }))) => {
                self.doors.back(number, door, awaits_mirror, now + again_in, now);
            }
            News::Back(_, None) => self.doors.lost(),
        }
    }

    /// What no hint tells: folders that may have changed, those of centres that are new, and those of which a person released
    /// something.
    fn rescan(&mut self) -> Result<(), OfficeError> {
        let now = Instant::now();
        for number in self.watcher.refresh() {
            self.doors.tell(number, HintKind::Changed, now);
        }
        for arrival in self.office.journal.look(Index::open_arrivals)? {
            if let Some(number) = self.numbers.get(&arrival.received.folder) {
                self.doors.tell(*number, HintKind::Changed, now);
            }
        }
        self.rescans = (self.rescans + 1) % PATTERNS_EVERY;
        if self.rescans != 0 {
            return Ok(());
        }
        let mut new = self.office.config.places_of_patterns();
        new.retain(|folder| !self.numbers.contains_key(&folder.name));
        if new.is_empty() { Ok(()) } else { self.take_in(new) }
    }

    /// Sends somebody to a door. Where no thread can be had, that is tried again.
    fn send_out(&mut self, number: usize, door: Box<Door>, heard: Vec<HintKind>) {
        let parcel = Arc::new(Mutex::new(Some(door)));
        let (carried, sender, shutdown) = (Arc::clone(&parcel), self.sender.clone(), self.shutdown.clone());
        let take = |parcel: &Mutex<Option<Box<Door>>>| parcel.lock().unwrap_or_else(PoisonError::into_inner).take();
        let look = move || {
            let Some(mut door) = take(&carried) else { return };
            let looked = panic::catch_unwind(AssertUnwindSafe(|| door.look_in(heard, &shutdown)));
            let back = looked.unwrap_or_else(|_| {
                error!("a look at a folder ended unexpectedly: nothing more is taken from it before the next start");
                None
            });
            let back = back.map(|looked| (door, looked));
            // Nobody listens only where the porter is gone, and then nobody goes anywhere.
            let _ = sender.send(News::Back(number, back));
        };
        if let Err(error) = thread::Builder::new().name("door".to_owned()).spawn(look) {
            error!(error = &error as &dyn std::error::Error, "no thread can be had to look at a folder");
            let now = Instant::now();
            if let Some(door) = take(&parcel) {
                self.doors.back(number, door, false, now + RETRY, now);
            }
        }
    }
}
