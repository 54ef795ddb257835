//! Crash points for the tests: places on the path of the data where a debug build can be told to die at once.
//!
//! `DAYBOOK_CRASH_AT=name` kills the process the first time it comes to that point, `name:3` the third time. A release
//! build has none of this.

/// Dies here, as by kill -9, if the environment asks for it.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };
    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("DAYBOOK_CRASH_AT").ok()?;
        let (point, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((point.to_owned(), nth.parse().unwrap_or(1)))
    });
    if let Some((point, nth)) = wanted
        && point == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        #[cfg(unix)]
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_: &'static str) {}
