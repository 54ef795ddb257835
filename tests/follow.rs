//! Following the log as it grows, whoever writes it.

mod harness;

use std::{
    fs,
    io::Read as _,
    process::{Child, Stdio},
};

use daybook_protocol::head::Head;
use harness::{CENTRE, Desk, Fixture, until};
use rustix::process::{Pid, Signal, kill_process};

/// A follower that does not outlive a test that failed.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        // One that has ended already need not be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Goal: a follower stands in nobody's way and shows every entry once, whoever records it. Method: follow with no agent; import;
/// let an agent start, take a file and stop; import again; then Ctrl-C.
#[test]
fn a_follower_waits_for_whoever_comes() {
    let mut desk = Desk::new("local");
    let import = |desk: &Desk, number: u32| {
        let file = desk.write(&Fixture::enrolments(number, 5)).display().to_string();
        let imported = desk.ask(&["import", "--centre", CENTRE, &file]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    };
    import(&desk, 0);
    let place = desk.beside("followed");
    let mut command = desk.command(&["entries", "--follow", "--json", "--from", "1"]);
    command.stdout(fs::File::create(&place).expect("a file")).stderr(Stdio::piped());
    let mut follower = Follower(command.spawn().expect("it runs"));
    let shown = || fs::read_to_string(&place).expect("what it shows");
    let caught_up = |desk: &Desk| {
        let durable = || fs::read(desk.data.join("head")).ok().and_then(|bytes| Head::of_file(&bytes));
        until("every entry to be shown", || {
            let there = durable()?.frontier.count();
            (shown().lines().count() as u64 + 1 == there).then_some(())
        });
    };
    caught_up(&desk);
    import(&desk, 1);
    caught_up(&desk);
    desk.drop_file(Fixture::enrolments(2, 5));
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    caught_up(&desk);
    running.stop_well();
    import(&desk, 3);
    caught_up(&desk);
    kill_process(Pid::from_child(&follower.0), Signal::INT).expect("a signal");
    assert!(follower.0.wait().expect("it ends").success());
    let mut said = String::new();
    follower.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(said.matches("no agent is running").count(), 1, "{said}");
    let all = desk.told(&["entries", "--json", "--from", "1"]);
    assert!(shown() == all, "each entry once");
}
