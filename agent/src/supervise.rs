//! The end of a process: who asks for it, and how everything that runs hears of it.

use std::{io, sync::mpsc, thread};

use tokio_util::sync::CancellationToken;

use crate::cli::{Exit, screen::complain};

/// The wish to stop, shared by everything that runs. Once asked for it is never taken back.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Nobody has asked yet, and no signal asks.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Shutdown::new`], and asked for by the first Ctrl-C or SIGTERM, which lets the batch in hand be finished. A
    /// second one ends the process at once: the log bears that as it bears a power cut. To be called once a process.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let asked = shutdown.clone();
        let (ready, installed) = mpsc::sync_channel(1);
        // A thread and runtime of its own: commands that need no runtime are stopped by the same signals.
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            match runtime {
                Ok(runtime) => runtime.block_on(listen(&asked, &ready)),
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })?;
        installed.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals ended")))?;
        Ok(shutdown)
    }

    /// Asks for it.
    pub fn ask(&self) {
        self.0.cancel();
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ends when it is asked for.
    pub async fn asked(&self) {
        self.0.cancelled().await;
    }

    /// The same wish as a token, for tasks that select on it.
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

async fn listen(shutdown: &Shutdown, ready: &mpsc::SyncSender<io::Result<()>>) {
    let mut signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    signals.next().await;
    shutdown.ask();
    complain("daybook: stopping as soon as the batch in hand is safe; again to stop at once");
    signals.next().await;
    at_once();
}

#[allow(clippy::exit, reason = "a person who asks twice wants the process gone, whatever its threads are doing")]
fn at_once() -> ! {
    std::process::exit(Exit::CouldNot as i32)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_c, ctrl_close};
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_close()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    /// Goal: once asked for, everybody who shares the wish hears of it. Method: ask one clone, look at the others.
    #[test]
    fn a_wish_is_shared() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.is_asked() && !other.token().is_cancelled());
        shutdown.ask();
        assert!(other.is_asked() && other.token().is_cancelled());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(other.asked());
    }

    /// Goal: the first signal asks, the second ends at once with status 2. Method: this test binary again, as a process
    /// that never ends by itself, sent one signal of each kind.
    #[test]
    fn the_second_signal_ends_at_once() {
        let this = std::env::current_exe().expect("a program");
        let mut child = Command::new(this)
            .args(["--exact", "supervise::tests::a_process_that_waits", "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let pid = Pid::from_child(&child);
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let mut until = |wanted: &str| assert!(lines.any(|line| line.ends_with(wanted)), "never {wanted}");
        until("ready");
        kill_process(pid, Signal::TERM).expect("sent");
        until("asked");
        kill_process(pid, Signal::INT).expect("sent");
        assert_eq!(child.wait().expect("ended").code(), Some(Exit::CouldNot as i32));
    }

    #[test]
    #[ignore = "not a test: the process that the_second_signal_ends_at_once sends signals to"]
    fn a_process_that_waits() {
        let shutdown = Shutdown::on_signals().expect("installed");
        let say = |word: &str| writeln!(io::stdout(), "{word}").expect("said");
        say("ready");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(shutdown.asked());
        say("asked");
        loop {
            thread::park();
        }
    }
}
