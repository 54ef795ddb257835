//! A log of a million entries that a central node has nothing of, until the central node has signed for all of it, over TLS
//! on loopback. `cargo bench --bench mirroring [-- ROWS]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{bytes_in, daybook, memory_kib, report, run};

const ROWS: u64 = 1_000_000;

fn main() {
    let rows = support::rows(ROWS);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let [file, data, central] = ["enrolments.csv", "data", "central"].map(|name| scratch.path().join(name));
    support::enrolments(&file, rows).expect("the file is written");
    support::import(scratch.path(), &data, &file, rows);
    fs::create_dir(&central).expect("a directory");
    fs::write(central.join("daybook.toml"), "[central]\nlisten = \"127.0.0.1:0\"\n").expect("a configuration");

    let (mut node, address) = listening(&central);
    let mut invite = daybook();
    let invited = run(scratch.path(), invite.args(["central", "invite", "--json", "--data"]).arg(&central));
    let invited = invited.expect("daybook runs").said;
    let code = invited.split('"').skip_while(|word| *word != "code").nth(2).expect("a code").to_owned();
    let mut join = daybook();
    let joined = run(scratch.path(), join.args(["join", &address, &code, "--data"]).arg(&data)).expect("daybook runs");
    assert!(joined.status.success(), "{}", joined.said);

    let began = Instant::now();
    let mut agent = daybook().arg("run").arg("--data").arg(&data).stderr(Stdio::null()).spawn().expect("daybook runs");
    while signed_for(&data) < rows {
        assert!(agent.try_wait().expect("a child").is_none(), "the agent runs");
        thread::sleep(Duration::from_millis(5));
    }
    report("mirrored and signed for, from the agent's start", rows, "entries", began.elapsed());
    for (name, child) in [("agent", &agent), ("central node", &node)] {
        println!("  the {name} had at most {} MiB of memory", memory_kib(child.id(), "VmHWM:") / 1024);
    }
    for child in [&mut agent, &mut node] {
        child.kill().and_then(|()| child.wait()).expect("it is stopped");
    }
    match copied(&data, scratch.path()) {
        Some(peer) => println!("  cp and sync of the same directory of {} MB: {peer:.2?}", bytes_in(&data) / 1_000_000),
        None => println!("  cp: skipped, it is not on this machine"),
    }
}

/// A central node, and where it listens.
fn listening(central: &Path) -> (Child, String) {
    let mut command = daybook();
    let mut node =
        command.args(["central", "--data"]).arg(central).stderr(Stdio::piped()).spawn().expect("daybook runs");
    let mut lines = BufReader::new(node.stderr.take().expect("a pipe")).lines();
    let said = lines.find_map(|line| line.ok().filter(|line| line.contains("listens on "))).expect("it says where");
    // Somebody has to read what it says, or it waits for ever.
    thread::spawn(move || lines.for_each(drop));
    let address = said.split("listens on ").nth(1).and_then(|rest| rest.split(';').next()).expect("an address");
    (node, address.to_owned())
}

/// For how many entries the central node has signed.
fn signed_for(data: &Path) -> u64 {
    let note = fs::read_to_string(data.join("checkpoint")).unwrap_or_default();
    note.lines().nth(1).and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn copied(data: &Path, scratch: &Path) -> Option<Duration> {
    let began = Instant::now();
    let script = "cp -r \"$1\" \"$2\" && sync -f \"$2\"";
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(data).arg(scratch.join("copy")).status().ok()?;
    status.success().then(|| began.elapsed())
}
