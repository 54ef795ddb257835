//! The peer: rsyslog follows a file (imfile) and sends its lines to another rsyslog (RELP), which writes them to a file.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::harness::until;

/// Where Debian's package has it, which is not on every user's path.
const RSYSLOGD: &str = "/usr/sbin/rsyslogd";
/// Nothing more comes when nothing has come for so long.
const STILL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// So many lines are appended at a time.
const LINES_AT_ONCE: u64 = 20;

/// How the sender is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setting {
    /// As the manual's examples have it.
    Plain,
    /// With all that the manual has against loss: its place in the file noted after every line, and a queue on the disk. (That it
    /// is not synced loses nothing to a kill.)
    Careful,
}

impl Setting {
    fn of_input(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Careful => "PersistStateInterval=\"1\"",
        }
    }

    fn of_action(self) -> &'static str {
        match self {
            Self::Plain => "action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\"",
            Self::Careful => {
                "action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\" queue.type=\"Disk\" queue.filename=\"relp\" \
                 queue.checkpointInterval=\"1\" queue.saveOnShutdown=\"on\""
            }
        }
    }
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Conserved {
    pub(crate) lines: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
}

/// A sender, a receiver, and the file between which and which they are.
pub(crate) struct Rsyslog {
    dir: tempfile::TempDir,
    sender: Option<Child>,
    receiver: Option<Child>,
    lines: u64,
}

impl Rsyslog {
    /// Starts both; nothing where rsyslog or its modules for RELP are not installed.
    pub(crate) fn start(setting: Setting) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        // It takes no port 0 that it would tell.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for place in ["sender", "receiver"] {
            fs::create_dir(dir.path().join(place)).expect("a directory");
        }
        File::create(path("lines")).expect("a file");
        let sender = format!(
            "global(workDirectory=\"{}\")\nmodule(load=\"imfile\")\nmodule(load=\"omrelp\")\n\
             input(type=\"imfile\" File=\"{}\" Tag=\"lines\" Ruleset=\"on\" {})\n\
             ruleset(name=\"on\") {{ action(type=\"omrelp\" target=\"127.0.0.1\" port=\"{port}\" {}) }}\n",
            path("sender"),
            path("lines"),
            setting.of_input(),
            setting.of_action()
        );
        let receiver = format!(
            "global(workDirectory=\"{}\")\nmodule(load=\"imrelp\")\ntemplate(name=\"line\" type=\"string\" \
             string=\"%msg%\\n\")\ninput(type=\"imrelp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"in\")\n\
             ruleset(name=\"in\") {{ action(type=\"omfile\" file=\"{}\" template=\"line\") }}\n",
            path("receiver"),
            path("received")
        );
        fs::write(path("sender.conf"), sender).expect("written");
        fs::write(path("receiver.conf"), receiver).expect("written");
        let mut peer = Self { dir, sender: None, receiver: None, lines: 0 };
        let can = ["sender", "receiver"].iter().all(|role| {
            let tried = peer.command(role).arg("-N1").status();
            tried.is_ok_and(|status| status.success())
        });
        can.then(|| {
            peer.receive();
            peer.send();
            peer
        })
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(RSYSLOGD);
        let conf = self.dir.path().join(format!("{role}.conf"));
        command.arg("-n").arg("-f").arg(conf).arg("-i").arg(self.dir.path().join(format!("{role}.pid")));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn began(&self, role: &str) -> Child {
        // What a killed one left would keep the next from starting.
        drop(fs::remove_file(self.dir.path().join(format!("{role}.pid"))));
        self.command(role).spawn().expect("it starts")
    }

    /// Starts the sender.
    pub(crate) fn send(&mut self) {
        self.sender = Some(self.began("sender"));
    }

    /// Starts the receiver.
    pub(crate) fn receive(&mut self) {
        self.receiver = Some(self.began("receiver"));
    }

    /// Appends lines for so long, each with a number of its own.
    pub(crate) fn append(&mut self, how_long: Duration) {
        let began = Instant::now();
        let mut file = File::options().append(true).open(self.dir.path().join("lines")).expect("the file");
        while began.elapsed() < how_long {
            let first = self.lines;
            self.lines += LINES_AT_ONCE;
            for line in first..self.lines {
                writeln!(file, "row {line:09} of an enrolment, as long").expect("written");
            }
            // As a load that the peer can bear.
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills sender, receiver or both, and starts again what was killed.
    pub(crate) fn kill(&mut self, sender: bool, receiver: bool) {
        if sender {
            end(self.sender.take());
        }
        if receiver {
            end(self.receiver.take());
            self.receive();
        }
        if sender {
            self.send();
        }
    }

    /// Waits until every line has come or nothing comes any more, and counts.
    pub(crate) fn settle(mut self) -> Conserved {
        let received = self.dir.path().join("received");
        let (mut size, mut since) = (0, Instant::now());
        until_still(|| {
            let now = fs::metadata(&received).map_or(0, |metadata| metadata.len());
            if now != size {
                (size, since) = (now, Instant::now());
            }
            since.elapsed() > STILL
        });
        end(self.sender.take());
        end(self.receiver.take());
        count(&received, self.lines)
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        end(self.sender.take());
        end(self.receiver.take());
    }
}

fn until_still(mut is_still: impl FnMut() -> bool) {
    until("nothing more to come", || {
        thread::sleep(LOOK);
        is_still().then_some(())
    });
}

fn end(process: Option<Child>) {
    if let Some(mut process) = process {
        // One that has died already need not be killed.
        let _ = process.kill();
        process.wait().expect("it ends");
    }
}

fn count(received: &Path, lines: u64) -> Conserved {
    let bytes = fs::read(received).unwrap_or_default();
    let mut times: HashMap<u64, u64> = HashMap::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let number = line.trim_start().strip_prefix("row ").and_then(|rest| rest.get(..9)?.parse().ok());
        if let Some(number) = number {
            *times.entry(number).or_default() += 1;
        }
    }
    let lost = (0..lines).filter(|line| !times.contains_key(line)).count() as u64;
    let doubled = times.values().map(|times| times - 1).sum();
    Conserved { lines, lost, doubled }
}
