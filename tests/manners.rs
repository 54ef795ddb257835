//! Manners: it stops when asked, lets nobody in twice, says what is wrong and what to do, and answers the same whether an
//! agent is running or not.

mod harness;

use std::{collections::HashMap, fs, net::TcpListener, process::Output, time::Duration};

use daybook_protocol::head::Head;
use harness::{CENTRE, Desk, Fixture, until};

/// The promise.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Enough rows that a file of them is not finished by the time the stop has been asked for.
const MANY_ROWS: u32 = 45_000;

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It could not be done, and each of the words is in what was said about it.
fn refused(output: &Output, words: &[&str]) {
    let said = errors(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("a mistake in the program"), "{said}");
}

/// How many entries are durable.
fn entries(desk: &Desk) -> u64 {
    fs::read(desk.data.join("head"))
        .ok()
        .and_then(|bytes| Head::of_file(&bytes))
        .map_or(0, |head| head.frontier.count())
}

/// Goal: a stop in the midst of a large file takes less than five seconds and loses nothing. Method: stop an agent when it
/// has judged some rows, see that it ended well and the file is not finished; start again, and check every row.
#[test]
fn a_stop_does_not_wait_for_the_end_of_a_file() {
    let mut desk = Desk::new("local");
    desk.drop_file(Fixture::enrolments(0, MANY_ROWS));
    let mut running = desk.start(&["run"]);
    until("some rows to be judged", || {
        assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
        (entries(&desk) > 3_000).then_some(())
    });
    let (status, took) = running.stop();
    assert!(status.success(), "{status}");
    assert!(took < STOP_MAX, "it took {took:?}");
    assert!(!desk.is_empty(), "the file was finished: the test needs more rows");
    let mut again = desk.start(&["run"]);
    desk.until_filed(&mut again);
    again.stop_well();
    desk.check_log(false);
}

/// Goal: the same while a very large file is still being copied, dropped or handed over: the stop leaves nothing behind, and the
/// next start begins again. Method: a file of zeros that takes a minute to copy; stop when the copy has begun.
#[test]
fn a_stop_does_not_wait_for_the_end_of_a_copy() {
    let desk = Desk::new("local");
    let file = desk.folder.join("in/large.csv");
    let sparse = fs::File::create(&file).expect("a file");
    sparse.set_len(2 << 30).expect("as large as is taken");
    drop(sparse);
    let path = file.to_str().expect("text");
    let copies = || fs::read_dir(desk.data.join("vault/tmp")).map_or(0, Iterator::count);
    for arguments in [&["run"][..], &["import", "--centre", CENTRE, path], &["run"]] {
        let mut running = desk.start(arguments);
        until("the copy to begin", || {
            assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
            (copies() > 0).then_some(())
        });
        let (status, took) = running.stop();
        assert!(took < STOP_MAX, "it took {took:?}");
        assert_eq!(status.code(), Some(if arguments == ["run"] { 0 } else { 2 }), "{arguments:?}");
        assert_eq!(copies(), 0, "half a copy is left");
        assert!(file.exists());
    }
    let entries = desk.told(&["entries", "--json"]);
    assert!(!entries.contains("FileReceived") && !entries.contains("AlarmRaised"), "{entries}");
}

/// Goal: the same for an import, which ends with status 2, and goes on where it was when it is begun again.
#[test]
fn a_stopped_import_goes_on() {
    let desk = Desk::new("local");
    let fixture = Fixture::enrolments(0, MANY_ROWS);
    let file = desk.write(&fixture);
    let arguments = ["import", "--centre", CENTRE, "--json", file.to_str().expect("text")];
    let mut running = desk.start(&arguments);
    until("some rows to be judged", || {
        assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
        (entries(&desk) > 3_000).then_some(())
    });
    let (status, took) = running.stop();
    assert!(took < STOP_MAX, "it took {took:?}");
    assert_eq!(status.code(), Some(2));
    let said = desk.told(&arguments);
    let told: serde_json::Value = serde_json::from_str(said.trim()).expect("one line of JSON");
    assert_eq!(told["rows"], fixture.verdicts.len());
    for verdict in ["accepted", "rejected", "duplicate", "held"] {
        assert_eq!(told[verdict], fixture.count(verdict), "{verdict}");
    }
    assert_eq!(told["same_as"], serde_json::Value::Null, "it is the same arrival");
    assert_eq!(desk.told(&["entries", "--json"]).matches("\"FileReceived\"").count(), 1);
}

/// Goal: however many want to go on with a file that was handed over, each of its rows has one verdict. Method: an agent
/// killed in the midst of an import, and then, while the next one goes on with it, the same import and another.
#[test]
fn imports_side_by_side_share_no_row() {
    let desk = Desk::new("local");
    let (large, small) = (Fixture::enrolments(0, 8_000), Fixture::enrolments(1, 20));
    let [large_file, small_file] = [&large, &small].map(|fixture| desk.write(fixture).display().to_string());
    let import = |file: &str| desk.start(&["import", "--centre", CENTRE, "--json", file]);
    let mut first = import(&large_file);
    until("some rows to be judged", || (entries(&desk) > 500).then_some(()));
    first.kill();
    let mut agent = desk.start(&["run"]);
    agent.until_said("the agent runs in");
    let mut others = [import(&large_file), import(&small_file), import(&large_file)];
    for other in &mut others {
        let status = until("an import to end", || other.ended());
        assert!(status.success(), "{}", other.said());
    }
    agent.stop_well();
    let mut lines: HashMap<u64, Vec<u64>> = HashMap::new();
    for entry in desk.json(&["entries"]) {
        let source = &entry["source"];
        if let (Some(arrival), Some(line)) = (source["arrival"].as_u64(), source["line"].as_u64()) {
            lines.entry(arrival).or_default().push(line);
        }
    }
    for lines in lines.values() {
        let fixture = if lines.len() > 1_000 { &large } else { &small };
        let wanted: Vec<_> = fixture.verdicts.iter().map(|(line, _)| *line).collect();
        assert!(*lines == wanted, "{} rows have {} verdicts", wanted.len(), lines.len());
    }
}

/// Goal: two processes never write one log. Method: `run`, `up` and `salvage` on a directory that an agent has open.
#[test]
fn a_second_copy_is_refused() {
    let desk = Desk::new("local");
    let mut running = desk.start(&["run"]);
    running.until_said("the agent runs in");
    let data = desk.data.display().to_string();
    for command in ["run", "up", "salvage"] {
        refused(&desk.ask(&[command]), &[&data, "another"]);
    }
    running.stop_well();
}

/// A file that somebody else has locked.
fn lock(desk: &Desk, name: &str) -> fs::File {
    let file = fs::File::create(desk.data.join(name)).expect("a file");
    file.lock().expect("nobody else's");
    file
}

/// Goal: a command that is given just as an agent starts does not keep it from starting, and the other way round. Method: the
/// data directory is locked as by a command; an agent and a question are started, which wait; then it is given back.
#[test]
fn a_start_waits_for_a_command() {
    let desk = Desk::new("local");
    let mut first = desk.start(&["run"]);
    first.until_said("runs in");
    first.stop_well();
    for command in ["run", "up"] {
        let locked = lock(&desk, "lock");
        let mut running = desk.start(&[command]);
        running.until_said("waiting for it, at most 30 s");
        let mut asking = desk.start(&["status"]);
        asking.until_said("waiting for it, at most 30 s");
        drop(locked);
        running.until_said("runs in");
        let answered = until("an answer", || asking.ended());
        assert!(answered.success(), "{}", asking.said());
        running.stop_well();
    }
}

/// Goal: a second agent is refused at once, also while the first one is not there to be asked yet. Method: the lock that an agent
/// holds from its first moment on, held by this test.
#[test]
fn a_second_agent_is_refused_at_once() {
    let desk = Desk::new("local");
    let locked = lock(&desk, "running");
    for command in ["run", "up"] {
        let output = desk.ask(&[command]);
        refused(&output, &[&desk.data.display().to_string(), "already runs", "--data"]);
        assert!(!errors(&output).contains("waiting"), "{}", errors(&output));
    }
    drop(locked);
    assert!(!desk.data.join("log").exists(), "nothing is made");
}

/// Goal: mistakes in the configuration are named with what to do, and nothing is made. Method: some mistakes, with `run`,
/// `import` and `check`.
#[test]
fn a_wrong_configuration_is_named() {
    let mistakes = [
        ("[agent]\nrescan_second = 3\n", "rescan_second"),
        ("[[folder]]\nname = \"a\"\npath = \"a\"\n", "centre"),
        ("[[folder]]\nname = \"a\"\npath = \"a\"\ncentre = \"C1\"\nanswer_after = \"never\"\n", "answer_after"),
        ("this is not TOML", "daybook.toml"),
    ];
    let file = Fixture::enrolments(0, 1);
    for (text, word) in mistakes {
        let desk = Desk::new("local");
        fs::write(desk.data.join("daybook.toml"), text).expect("written");
        let file = desk.write(&file).display().to_string();
        for arguments in [&["run"][..], &["up"], &["import", "--centre", CENTRE, &file]] {
            refused(&desk.ask(arguments), &[word, "daybook.toml"]);
        }
        let checked = desk.ask(&["check"]);
        assert_ne!(checked.status.code(), Some(0), "{text}");
        assert!(!desk.data.join("log").exists(), "nothing is made");
    }
    let desk = Desk::new("local");
    refused(&desk.ask(&["run", "--config", "/nowhere/daybook.toml"]), &["/nowhere/daybook.toml", "--config"]);
    fs::write(desk.data.join("daybook.toml"), b"[agent]\n# caf\xe9\n").expect("written");
    refused(&desk.ask(&["run"]), &["daybook.toml", "UTF-8"]);
    fs::write(desk.data.join("daybook.toml"), "[central]\nlisten = \"7310\"\n").expect("written");
    refused(&desk.ask(&["central"]), &["7310", "0.0.0.0:7310"]);
}

/// Goal: a data directory that cannot be used, or that lacks what only a person has, is named with what to do. Method: a file in its
/// place; the operator's key taken away.
#[test]
fn an_unusable_data_directory_is_named() {
    let desk = Desk::new("local");
    let file = desk.beside("file");
    fs::write(&file, "").expect("written");
    for command in ["run", "up", "central"] {
        let output = Desk::command_in(&file, &[command]).output().expect("it runs");
        refused(&output, &[&file.display().to_string(), "--data"]);
    }
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    running.stop_well();
    fs::remove_file(desk.data.join("operator.key")).expect("it was made");
    for command in ["run", "status"] {
        refused(&desk.ask(&[command]), &["operator.key", "bring the file back", "--operator-key"]);
    }
    assert!(!desk.data.join("operator.key").exists(), "it is never made anew");
}

/// Goal: a folder that is missing is made where it can be, and otherwise named. Method: a folder below nothing, and one
/// below a file.
#[test]
fn a_missing_folder_is_made_or_named() {
    let desk = Desk::new("local");
    let place = desk.beside("file");
    fs::write(&place, "").expect("written");
    let below = place.join("folder");
    let text = format!("[[folder]]\nname = \"a\"\npath = \"{}\"\ncentre = \"C1\"\n", below.display());
    fs::write(desk.data.join("daybook.toml"), text).expect("written");
    let below = below.display().to_string();
    refused(&desk.ask(&["run"]), &["folder \"a\"", "see that it exists"]);
    let checked = desk.ask(&["check"]);
    assert_ne!(checked.status.code(), Some(0));
    assert!((String::from_utf8_lossy(&checked.stdout).into_owned() + &errors(&checked)).contains(&below));
}

/// Goal: a port that is taken is named, with what to do. Method: a listener of our own on the port.
#[test]
fn a_busy_port_is_named() {
    let desk = Desk::new("local");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    fs::write(desk.data.join("daybook.toml"), format!("[central]\nlisten = \"{address}\"\n")).expect("written");
    refused(&desk.ask(&["central"]), &[&address, "another program", "listen"]);
}

/// Goal: an `up` whose port was taken meanwhile says so, and works again when it is free.
#[test]
fn a_port_taken_from_up_is_named() {
    let desk = Desk::new("local");
    let mut running = desk.start(&["up"]);
    running.until_said("drop folder");
    running.stop_well();
    let identity = fs::read_to_string(desk.data.join("identity.toml")).expect("an identity");
    let address = identity.split('"').find(|word| word.starts_with("127.0.0.1:")).expect("an address").to_owned();
    let taken = TcpListener::bind(&address).expect("the port is free");
    refused(&desk.ask(&["up"]), &[&address, "another program", "--data"]);
    drop(taken);
    let mut running = desk.start(&["up"]);
    running.until_said("drop folder");
    running.stop_well();
}

/// Goal: a file that cannot be read by rows is answered as a whole, with a code, a reason and what to do. Method: import one
/// without headings, a workbook, an empty one, and a missing one.
#[test]
fn a_file_of_another_kind_is_answered() {
    let desk = Desk::new("local");
    let headless = Fixture::enrolments(0, 12).lines().split_off(1).join("\n");
    let recipe = "Item,Price\nButter,2.10\nFlour,1.05\n";
    let strange = [
        Fixture::other("headless.csv", &headless),
        Fixture::other("recipe.csv", recipe),
        Fixture::other("book.xlsx", "PK\u{3}\u{4}not really a workbook"),
        Fixture::other("empty.csv", ""),
    ];
    for fixture in strange {
        let file = desk.write(&fixture).display().to_string();
        let told = &desk.json(&["import", "--centre", CENTRE, &file])[0];
        assert!(told["outcome"] == "rejected" || told["outcome"] == "held", "{}: {told}", fixture.name);
        assert_eq!(told["accepted"], 0, "{told}");
        let text = desk.told(&["import", "--centre", CENTRE, &file]);
        assert!(text.contains("as a whole"), "{text}");
        let code = told["findings"][0]["code"].as_str().expect("a code");
        let line = text.lines().find(|line| line.contains(code)).expect("the code is told");
        assert!(line.len() > 40, "it says what to do: {line}");
        assert!(text.contains("received before"), "{text}");
    }
    refused(&desk.ask(&["import", "--centre", CENTRE, "/nowhere/a.csv"]), &["/nowhere/a.csv", "No such file"]);
    let folder = desk.folder.display().to_string();
    refused(&desk.ask(&["import", "--centre", CENTRE, &folder]), &["not a file"]);
}

/// Goal: whoever mistypes hears what was meant; whoever asks an empty directory hears what makes a log. Method: some of each.
#[test]
fn a_mistyped_command_is_helped() {
    let desk = Desk::new("local");
    refused(&desk.ask(&["improt"]), &["improt", "import"]);
    refused(&desk.ask(&["status", "--jason"]), &["--jason", "--json"]);
    refused(&desk.ask(&["import", "a.csv"]), &["--centre"]);
    refused(&desk.ask(&["history"]), &["--uln"]);
    for arguments in [&["status"][..], &["entries"], &["held", "list"], &["export", "/tmp/never-made"]] {
        refused(&desk.ask(arguments), &["daybook up", "no log"]);
    }
    refused(&desk.ask(&["verify"]), &["no log", "--data"]);
    for what in ["agents", "invite"] {
        refused(&desk.ask(&["central", what]), &["no central node", "--data", "daybook central"]);
    }
    assert!(!desk.data.join("authority").exists(), "asking makes nothing");
    let verified = desk.ask(&["verify", "--export", "/nowhere"]);
    refused(&verified, &["/nowhere"]);
    assert!(!desk.data.join("log").exists(), "asking makes nothing");
}

/// Goal: a command tells the same whether an agent is running or not. Method: each command both ways on the same log.
#[test]
fn commands_tell_the_same_with_and_without_an_agent() {
    let mut desk = Desk::new("local");
    let fixture = Fixture::enrolments(0, 30);
    let uln = fixture.personal[0].clone();
    desk.drop_file(fixture);
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    // Something held: a file of which most rows are wrong.
    let spoilt = Fixture::enrolments(1, 12).lines().join("\n").replace("-0", "-9");
    let spoilt = desk.write(&Fixture::other("spoilt.csv", &spoilt)).display().to_string();
    let told = &desk.json(&["import", "--centre", CENTRE, &spoilt])[0];
    assert_eq!(told["outcome"], "held", "{told}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let commands: Vec<Vec<&str>> = vec![
        vec!["entries"],
        vec!["entries", "--json"],
        vec!["entries", "--json", "--reveal"],
        vec!["history", "--uln", &uln],
        vec!["history", "--uln", &uln, "--json", "--reveal"],
        vec!["history", "--uln", &uln, "--on", "2023-01-01"],
        vec!["held", "list"],
        vec!["held", "list", "--json"],
        vec!["held", "show", &held],
        vec!["verify"],
        vec!["verify", "--json"],
        vec!["rebuild", "--json"],
        vec!["history", "--registration", "R1-99999"],
        vec!["held", "show", "0"],
    ];
    let all = |desk: &Desk| -> Vec<_> {
        commands
            .iter()
            .map(|arguments| {
                let output = desk.ask(arguments);
                // What the program logs by the way is not the answer.
                let said: Vec<_> =
                    errors(&output).lines().filter(|line| line.starts_with("daybook")).map(str::to_owned).collect();
                (arguments.join(" "), output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said)
            })
            .collect()
    };
    let status = |desk: &Desk| {
        let mut status = desk.json(&["status"]).remove(0);
        let fields = status.as_object_mut().expect("an object");
        // Whether an agent runs is the difference itself; the others are of the moment.
        for field in ["at", "agent_running", "ok", "problems", "disk", "verified"] {
            fields.remove(field).expect(field);
        }
        status
    };
    let (with, status_with) = (all(&desk), status(&desk));
    running.stop_well();
    let (without, status_without) = (all(&desk), status(&desk));
    for (with, without) in with.into_iter().zip(without) {
        assert_eq!(with, without);
    }
    assert_eq!(status_with, status_without);
}
