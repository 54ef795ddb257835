//! A home for a process of its own: no second agent or central node starts in it, and a command that has it open for a moment is
//! waited for.

use std::{
    fs::{self, File, TryLockError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::{
    central::CentralError, cli::Screen, home::Home, office::OfficeError, store::StoreError, supervise::Shutdown,
};

/// How long a home that another process has open is waited for. A command takes a second, a start after an unclean stop a few;
/// what takes longer, such as an import, is for a person to know of.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is tried again.
const LOOK: Duration = Duration::from_millis(50);

/// A process that was killed as it started another one leaves its locks to that one for a moment, until there is another program
/// in it: where a home seems to be taken, it is looked once more until then.
const LETTING_GO: Duration = Duration::from_secs(1);

/// A home as that of an agent or a central node which runs, or is about to. Given back when it is dropped.
pub(super) struct Held(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// Takes a home, made if there is none, for this process to run in; refuses, within a second, where another one does.
pub(super) fn take(home: &Home) -> anyhow::Result<Held> {
    let (path, at) = (home.running(), home.path().display());
    fs::create_dir_all(home.path()).with_context(|| {
        format!("cannot make the data directory {at}: make it for this user, or name another with --data")
    })?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(|| {
        format!("cannot write in the data directory {at}: give it to this user, or name another with --data")
    })?;
    let begun = Instant::now();
    let mut locked = file.try_lock();
    while matches!(locked, Err(TryLockError::WouldBlock)) && begun.elapsed() < LETTING_GO {
        thread::sleep(LOOK);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(Held(file)),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another daybook already runs in {at}: stop it before this one is started, or name another directory with --data"
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Does what needs `home` open, again and again for a while where another process has it open.
pub(in crate::cli) fn patiently<T>(
    home: &Home,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
    work: impl FnMut(&mut dyn Screen) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    within(PATIENCE, home, shutdown, screen, work)
}

fn within<T>(
    patience: Duration,
    home: &Home,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
    mut work: impl FnMut(&mut dyn Screen) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (begun, at) = (Instant::now(), home.path().display());
    let mut told = false;
    loop {
        match work(screen) {
            Err(error) if is_busy(&error) => {
                if shutdown.is_asked() {
                    return Err(error.context("stopped while waiting"));
                }
                if begun.elapsed() >= patience {
                    return Err(error.context(format!("waited for {} s in vain", patience.as_secs())));
                }
                if !std::mem::replace(&mut told, true) {
                    let most = patience.as_secs();
                    screen.note(&format!("daybook: another one is at work in {at}; waiting for it, at most {most} s"));
                }
                thread::sleep(LOOK);
            }
            done => return done,
        }
    }
}

/// Whether it failed because another process has the home open.
pub(in crate::cli) fn is_busy(error: &anyhow::Error) -> bool {
    let store = error.downcast_ref::<StoreError>().or(match error.downcast_ref::<OfficeError>() {
        Some(OfficeError::Store(store)) => Some(store),
        _ => None,
    });
    matches!(store, Some(StoreError::Busy { .. }))
        || matches!(error.downcast_ref::<CentralError>(), Some(CentralError::InUse { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::Kept;

    fn busy(home: &Home) -> anyhow::Error {
        OfficeError::from(StoreError::Busy { home: home.path().to_owned() }).into()
    }

    /// Goal: a home is waited for, once told, and not for ever; any other failure is not waited for. Method: work that fails three
    /// times, for ever, or of something else.
    #[test]
    fn patience_has_an_end() {
        let (home, shutdown) = (Home::new("here"), Shutdown::new());
        let (mut screen, mut tries) = (Kept::default(), 0);
        let done = patiently(&home, &shutdown, &mut screen, |_| {
            tries += 1;
            if tries > 3 { Ok(tries) } else { Err(busy(&home)) }
        });
        assert_eq!((done.expect("it came free"), screen.notes.len()), (4, 1));
        let never = within(Duration::ZERO, &home, &shutdown, &mut screen, |_| Err::<(), _>(busy(&home)));
        let said = format!("{:#}", never.expect_err("never free"));
        assert!(said.contains("in vain") && said.contains("stop it"), "{said}");
        let mut tries = 0;
        let other = patiently(&home, &shutdown, &mut screen, |_| {
            tries += 1;
            Err::<(), _>(anyhow::anyhow!("something else"))
        });
        assert!(other.is_err() && tries == 1);
        shutdown.ask();
        let stopped = patiently(&home, &shutdown, &mut screen, |_| Err::<(), _>(busy(&home)));
        assert!(stopped.expect_err("asked to stop").to_string().contains("stopped"));
    }

    /// Goal: one process runs in a home at a time. Method: take it twice, and again when it was given back.
    #[test]
    fn a_home_is_taken_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::new(directory.path().join("new"));
        let held = take(&home).expect("free");
        let refused = take(&home).map(drop).expect_err("taken").to_string();
        assert!(refused.contains("already runs in") && refused.contains("--data"), "{refused}");
        drop(held);
        take(&home).map(drop).expect("free again");
    }
}
