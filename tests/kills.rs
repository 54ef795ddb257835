//! Kill -9 at random moments under load: nothing is lost, nothing is done twice.

mod harness;
mod rsyslog;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, thread,
    time::{Duration, Instant},
};

use harness::{
    Desk, Fixture, Running,
    rounds::{each_round, first_seed, number},
    stage::{Moment, Stage},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rsyslog::{Conserved, Rsyslog, Setting};

/// So many kills where `DAYBOOK_KILLS` asks for no other number.
const KILLS: u64 = 45;
/// A log is killed so many times before it is checked.
const KILLS_ROUND: u64 = 15;
/// So many files wait at the least while a program is at work.
const WAITING_MIN: usize = 3;
const ROWS: std::ops::Range<u32> = 5..400;
/// One file in so many is larger, so that its rows take a while to judge.
const LARGE_ONE_IN: u32 = 8;
const ROWS_LARGE: std::ops::Range<u32> = 2_000..6_000;
/// A program is killed when it has committed so many times, which takes a file or two to its end, or after this time.
const COMMITS: std::ops::Range<u32> = 0..12;
const WORK_MAX: Duration = Duration::from_secs(2);
/// Not at once then, but within this time.
const AFTERWARDS_MAX: Duration = Duration::from_millis(30);
/// One in so many is killed while it starts, within this time.
const STARTING_ONE_IN: u32 = 8;
const STARTING_MAX: Duration = Duration::from_millis(150);

/// The peer works at the most so long between two kills: it has begun to send after a tenth of that.
const PEER_WORK_MAX: Duration = Duration::from_millis(600);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    /// An agent that has no central node.
    Lone,
    /// Agent and central node in one process.
    Up,
    /// An agent, not its central node.
    Agent,
    /// A central node, not its agent.
    Central,
    /// Both processes at once.
    Both,
}

/// Whom there is to kill where agent and central node are processes of their own.
const APART: [Victim; 3] = [Victim::Agent, Victim::Central, Victim::Both];

/// A kill, and what was durable when it came.
struct Kill {
    victim: Victim,
    starting: bool,
    moment: Moment,
}

/// What came of a round: of each kill who, whether in starting, and where on the straight line; and how many starts found
/// entries behind the head.
struct Round {
    kills: Vec<(Victim, bool, Stage)>,
    ahead: usize,
}

/// Goal: kill -9 of agent, central node or both loses nothing and repeats nothing, wherever it comes. Method: files are dropped
/// while they are killed and started again, at moments drawn from a seed, most often with a file under way; after each fifteen
/// kills everything is checked. `DAYBOOK_KILLS=1000` asks for a thousand; where on the straight line they came is printed.
#[test]
fn kills_at_random_moments_lose_and_repeat_nothing() {
    let kills = number("DAYBOOK_KILLS").unwrap_or(KILLS);
    let (first, rounds) = (first_seed(), kills.div_ceil(KILLS_ROUND));
    println_of(&format!("{} kills, DAYBOOK_SEED={first}", rounds * KILLS_ROUND));
    let again = format!("DAYBOOK_KILLS={KILLS_ROUND}");
    let (rounds, failed) = each_round((first, rounds), &again, |place, seed| {
        let desk = place.insert(Desk::new(if seed.is_multiple_of(3) { "local" } else { "mirrored" }));
        match seed % 3 {
            0 => round(desk, seed, &[Victim::Lone]),
            1 => round(desk, seed, &[Victim::Up]),
            _ => round(desk, seed, &APART),
        }
    });
    let all: Vec<_> = rounds.iter().flat_map(|round| &round.kills).collect();
    println_of(&distribution(&all));
    println_of(&format!(
        "starts that found entries behind the head: {}",
        rounds.iter().map(|round| round.ahead).sum::<usize>()
    ));
    let under_way = all.iter().filter(|(_, _, stage)| *stage != Stage::Between).count();
    println_of(&format!("between FileReceived and OriginalFiled: {under_way} of {}", all.len()));
    assert!(failed.is_empty(), "these failed, and are left there: {failed:#?}");
    assert!(2 * under_way > all.len(), "most kills are to come with a file under way");
}

/// Goal: what is appended to a file and sent on by rsyslog, killed as often and in the same ways, stands beside what Daybook keeps.
/// Method: rounds with a sender and a receiver each, with both of which the same is done; the rows that are missing where they are
/// to arrive, and those that arrive more than once, are counted and printed. Ours must be none; of the peer nothing is asked.
#[test]
fn beside_rsyslog_no_row_is_lost_or_doubled() {
    let kills = number("DAYBOOK_KILLS").unwrap_or(KILLS_ROUND);
    let seeds: Vec<_> = (0..kills.div_ceil(KILLS_ROUND)).map(|round| first_seed().wrapping_add(round)).collect();
    println_of(&format!("{} kills each, DAYBOOK_SEED={}", seeds.len() as u64 * KILLS_ROUND, seeds[0]));
    let of_peer = |setting| seeds.iter().map(|seed| peer_round(setting, *seed)).collect::<Option<Vec<_>>>();
    let (plain, careful, ours) = thread::scope(|scope| {
        let plain = scope.spawn(|| of_peer(Setting::Plain));
        let careful = scope.spawn(|| of_peer(Setting::Careful));
        let ours: Vec<_> = seeds.iter().map(|seed| our_round(*seed)).collect();
        (plain.join().expect("counted"), careful.join().expect("counted"), ours)
    });
    let sum = |rounds: &[Conserved]| {
        rounds.iter().fold(Conserved::default(), |sum, round| Conserved {
            lines: sum.lines + round.lines,
            lost: sum.lost + round.lost,
            doubled: sum.doubled + round.doubled,
        })
    };
    println_of(&format!("{:36}{:>10}{:>10}{:>10}", "", "rows", "lost", "doubled"));
    for (name, rounds) in [
        ("rsyslog imfile, RELP: plain", plain),
        ("rsyslog imfile, RELP: careful", careful),
        ("Daybook, agent and central node", Some(ours.clone())),
    ] {
        match rounds.as_deref().map(sum) {
            Some(Conserved { lines, lost, doubled }) => {
                println_of(&format!("{name:36}{lines:>10}{lost:>10}{doubled:>10}"));
            }
            None => println_of(&format!(
                "{name:36}SKIPPED: rsyslog and rsyslog-relp are not installed; tests/run installs them"
            )),
        }
    }
    let ours = sum(&ours);
    assert!(ours.lines > 0 && (ours.lost, ours.doubled) == (0, 0), "{ours:?}");
}

/// What the peer conserves in a round.
fn peer_round(setting: Setting, seed: u64) -> Option<Conserved> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut peer = Rsyslog::start(setting)?;
    for _ in 0..KILLS_ROUND {
        let victim = APART[random.random_range(0..APART.len())];
        peer.append(PEER_WORK_MAX.mul_f64(random.random()));
        peer.kill(victim != Victim::Central, victim != Victim::Agent);
    }
    peer.append(PEER_WORK_MAX);
    Some(peer.settle())
}

/// What the central node has of the rows that were dropped at its agent in a round.
fn our_round(seed: u64) -> Conserved {
    let mut desk = Desk::in_memory("mirrored");
    round(&mut desk, seed, &APART);
    let log = desk.json(&["entries"])[0]["log"].as_str().expect("the log's id").to_owned();
    let entries = desk.json(&["entries", "--log", &log]);
    let mut times: BTreeMap<(String, u64), u64> = BTreeMap::new();
    for row in entries.iter().filter(|entry| entry["source"]["kind"] == "row") {
        let arrival = usize::try_from(row["source"]["arrival"].as_u64().expect("an arrival")).expect("small");
        let digest = entries[arrival]["sha256"].as_str().expect("a digest").to_owned();
        *times.entry((digest, row["source"]["line"].as_u64().expect("a line"))).or_default() += 1;
    }
    let rows = desk.dropped.iter().flat_map(|file| file.verdicts.iter().map(|(line, _)| (file.sha256(), *line)));
    let (mut lines, mut lost) = (0, 0);
    for row in rows {
        lines += 1;
        lost += u64::from(!times.contains_key(&row));
    }
    Conserved { lines, lost, doubled: times.values().map(|times| times - 1).sum() }
}

/// The kills in a table.
fn distribution(kills: &[&(Victim, bool, Stage)]) -> String {
    let columns = [Victim::Lone, Victim::Up, Victim::Agent, Victim::Central, Victim::Both];
    let mut counts: BTreeMap<(Stage, Victim), usize> = BTreeMap::new();
    for (victim, _, stage) in kills {
        *counts.entry((*stage, *victim)).or_default() += 1;
    }
    let mut text = format!(
        "{:24}{:>13}{:>13}{:>13}{:>13}{:>13}{:>8}",
        "killed", "agent alone", "both as one", "agent", "central", "both", "all"
    );
    let mut row = |name: &str, of: &dyn Fn(Victim) -> usize| {
        write!(text, "\n{name:24}").expect("text");
        for victim in columns {
            write!(text, "{:>13}", of(victim)).expect("text");
        }
        write!(text, "{:>8}", columns.iter().map(|victim| of(*victim)).sum::<usize>()).expect("text");
    };
    for stage in Stage::ALL {
        row(&stage.to_string(), &|victim| counts.get(&(stage, victim)).copied().unwrap_or_default());
    }
    row("all", &|victim| kills.iter().filter(|(other, ..)| *other == victim).count());
    row("of these, starting", &|victim| {
        kills.iter().filter(|(other, starting, _)| *other == victim && *starting).count()
    });
    text
}

/// The processes of a desk.
struct Node {
    agent: Running,
    /// Where it is a process of its own.
    central: Option<Running>,
}

/// Kills one log so many times, and checks everything at the end.
fn round(desk: &mut Desk, seed: u64, victims: &[Victim]) -> Round {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let apart = victims.contains(&Victim::Central);
    let command = if victims == [Victim::Up] { "up" } else { "run" };
    if apart {
        // Makes both, and joins the one to the other.
        let mut both = desk.start(&["up"]);
        both.until_said("runs in");
        both.stop_well();
    }
    let central = apart.then(|| desk.central_of(&desk.data).0);
    let mut node = Node { agent: desk.start(&[command]), central };
    let mut kills = Vec::new();
    for _ in 0..KILLS_ROUND {
        while desk.names("in").len() < WAITING_MIN {
            let rows = if random.random_ratio(1, LARGE_ONE_IN) { ROWS_LARGE } else { ROWS };
            let file = u32::try_from(desk.dropped.len()).expect("few");
            desk.drop_file(Fixture::enrolments(file, random.random_range(rows)));
        }
        let victim = victims[random.random_range(0..victims.len())];
        let starting = random.random_ratio(1, STARTING_ONE_IN);
        let commits = if starting { 0 } else { random.random_range(COMMITS) };
        if !starting {
            node.agent.until_said("runs in");
            until_committed(desk, commits);
        }
        // The moment of the kill is what is drawn; nothing is waited for.
        thread::sleep((if starting { STARTING_MAX } else { AFTERWARDS_MAX }).mul_f64(random.random()));
        let moment = kill(desk, &mut node, victim, command);
        kills.push(Kill { victim, starting, moment });
    }
    desk.until_filed(&mut node.agent);
    // Sent a second time, and killed once more: not one new fact.
    let again: Vec<_> = desk.dropped.iter().take(2).map(Fixture::again).collect();
    for fixture in again {
        desk.drop_file(fixture);
    }
    kill(desk, &mut node, victims[0], command);
    desk.until_filed(&mut node.agent);
    let mirrored = command == "up" || apart;
    if mirrored {
        desk.until_mirrored();
    }
    node.agent.stop_well();
    node.central.into_iter().for_each(Running::stop_well);
    desk.check_log(mirrored);
    let entries = desk.json(&["entries"]);
    let kills = kills.iter().map(|kill| (kill.victim, kill.starting, kill.moment.stage(&entries))).collect();
    let said = fs::read_to_string(desk.beside("output.log")).expect("what they said");
    Round { kills, ahead: said.matches("entries behind the head are good").count() }
}

/// Waits until the agent has committed so many times from now on, as the head tells, but not for long: where the central node is
/// down it may have to wait too.
fn until_committed(desk: &Desk, commits: u32) {
    let (began, mut seen, mut left) = (Instant::now(), Moment::of(desk).logged, commits);
    while left > 0 && began.elapsed() < WORK_MAX {
        thread::sleep(Duration::from_millis(1));
        let now = Moment::of(desk).logged;
        left -= u32::from(now != seen);
        seen = now;
    }
}

/// Kills, and starts again what was killed; gives what was durable in between.
fn kill(desk: &Desk, node: &mut Node, victim: Victim, command: &str) -> Moment {
    if victim != Victim::Central {
        assert!(node.agent.ended().is_none(), "it ended by itself: {}", node.agent.said());
        node.agent.kill();
    }
    if let Some(central) = node.central.as_mut().filter(|_| victim != Victim::Agent) {
        assert!(central.ended().is_none(), "it ended by itself: {}", central.said());
        central.kill();
    }
    let moment = Moment::of(desk);
    if let Some(central) = node.central.as_mut().filter(|_| victim != Victim::Agent) {
        *central = desk.central_of(&desk.data).0;
    }
    if victim != Victim::Central {
        node.agent = desk.start(&[command]);
    }
    moment
}

#[allow(clippy::print_stdout, reason = "a failing test shows what it did, and the seed by which it can be done again")]
fn println_of(text: &str) {
    println!("{text}");
}
