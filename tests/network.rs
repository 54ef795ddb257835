//! Lines that fail: whatever they do to what is under way between an agent and its central node, both logs are the same in
//! the end, byte for byte, nothing stands there twice, and nobody has to do anything about it.

mod support;

use std::{net::TcpStream, path::Path, time::Duration};

use support::{
    count,
    nodes::{Agent, Central, each_row_once, enrolments, same},
    proxy::{Fault, NEVER, Proxy},
    scratch, until,
};

/// An agent with so many rows that were never mirrored, and its central node; the agent is led over a line with faults.
fn apart(place: &Path, rows: u32, faults: &[Fault]) -> (Central, Agent, Proxy) {
    let central = Central::start(&place.join("central"));
    let mut agent = Agent::new(&place.join("agent"), "local");
    agent.join(&central.address, &central.invite());
    agent.import("first.csv", &enrolments(1, rows));
    let line = Proxy::start(&central.address, faults);
    agent.redirect(&central.address, &line.address);
    (central, agent, line)
}

/// Everything got there, and stands there once.
fn ends_well(central: &Central, agent: &mut Agent, rows: usize) {
    same(agent, central);
    each_row_once(agent, rows);
    agent.stop();
}

/// Goal: a line that is cut at any place costs nothing but another connection. Method: cuts in the handshake, the hellos, in
/// the midst of keys, batches, originals and answers, one after the other.
#[test]
fn cuts_lose_and_double_nothing() {
    let place = scratch();
    let towards = |bytes| Fault::Cut { towards: bytes, back: NEVER };
    let back = |bytes| Fault::Cut { towards: NEVER, back: bytes };
    // The first three get nowhere, and each makes the next pause longer; those behind them get further every time.
    let cuts = [
        towards(0),
        back(700),
        towards(1_900),
        towards(100_000),
        towards(150_001),
        back(3_000),
        towards(200_003),
        towards(60_000),
        back(4_321),
    ];
    let (central, mut agent, line) = apart(place.path(), 6_000, &cuts);
    agent.start();
    same(&agent, &central);
    let (mut rows, mut day) = (6_000, 0);
    while line.faults_left() > 0 {
        day += 1;
        assert!(day < 20, "{} cuts never came", line.faults_left());
        agent.drop_file(&format!("day-{day}.csv"), &enrolments(day + 1, 3_000));
        rows += 3_000;
        agent.shows("the file judged", |status| (count(status, "entries") > rows as u64).then_some(()));
        same(&agent, &central);
    }
    ends_well(&central, &mut agent, rows);
}

/// Goal: a line that stalls in either direction and goes on again loses nothing; and one that never goes on does not keep the
/// agent's next connection out. Method: stalls in the midst of the transfer; one is released, at the others the agent is
/// killed and started again, while the central node still holds the old connection.
#[test]
fn a_stalled_line_keeps_nobody_out() {
    let place = scratch();
    let stalls = [
        Fault::Stall { towards: 250_000, back: NEVER },
        Fault::Stall { towards: NEVER, back: 2_500 },
        Fault::Stall { towards: 120_000, back: NEVER },
    ];
    let (central, mut agent, line) = apart(place.path(), 6_000, &stalls);
    for (connections, least) in [(1, 250_000), (2, 250_001)] {
        agent.start();
        until("a transfer that stalls", || (line.connections() >= connections && line.passed() >= least).then_some(()));
        agent.kill();
    }
    agent.start();
    until("the last stall", || (line.faults_left() == 0).then_some(()));
    line.release();
    ends_well(&central, &mut agent, 6_000);
}

/// Goal: connections that nobody answers, that come twice, slowly, or by the hundred are got over. Method: one of each for the
/// agent, and a storm of connections that are dropped at once beside it.
#[test]
fn odd_connections_are_got_over() {
    let place = scratch();
    let odd = [Fault::HalfOpen, Fault::Duplicate, Fault::Delay(Duration::from_millis(20))];
    let (central, mut agent, line) = apart(place.path(), 500, &odd);
    agent.start();
    until("the one that comes twice", || (line.connections() >= 2).then_some(()));
    for _ in 0..500 {
        drop(TcpStream::connect(&central.address).expect("the central node listens"));
    }
    same(&agent, &central);
    agent.stop();
    agent.import("second.csv", &enrolments(2, 500));
    agent.start();
    ends_well(&central, &mut agent, 1_000);
    assert_eq!(line.faults_left(), 0);
}

/// Goal: what piled up while the central node was away is caught up with, also where it dies on the way, again and again.
/// Method: many files without a central node; then one that is killed in the midst of the transfer, stopped there, and stays.
#[test]
fn a_weeks_backlog_is_caught_up() {
    let place = scratch();
    let (mut central, mut agent, line) = apart(place.path(), 100, &[]);
    central.stop();
    agent.start();
    for day in 0..40 {
        agent.drop_file(&format!("day-{day}.csv"), &enrolments(day + 2, 150));
    }
    agent.shows("a week's work", |status| (count(status, "entries") > 40 * 155).then_some(()));
    line.then(&[Fault::Stall { towards: 200_000, back: NEVER }, Fault::Stall { towards: 260_000, back: NEVER }]);
    for (left, killed) in [(1, true), (0, false)] {
        let before = line.passed();
        central.go_on();
        until("a transfer under way", || {
            (line.faults_left() <= left && line.passed() > before + 150_000).then_some(())
        });
        if killed { central.kill() } else { central.stop() }
    }
    central.go_on();
    ends_well(&central, &mut agent, 100 + 40 * 150);
}

/// Goal: a line on which nothing comes any more is left by itself. Method: one that stalls for ever; the agent's patience is
/// waited for, which is why this is not among the tests that always run.
#[test]
#[ignore = "takes a minute: the agent takes the central node for gone after three pings"]
fn a_dead_line_is_left() {
    let place = scratch();
    let (central, mut agent, line) = apart(place.path(), 3_000, &[Fault::Stall { towards: NEVER, back: 2_500 }]);
    agent.start();
    until("another connection", || (line.connections() >= 2).then_some(()));
    ends_well(&central, &mut agent, 3_000);
}
