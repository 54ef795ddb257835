//! Nothing personal leaves the log in plain bytes: not in what the program prints, not in what it keeps.

mod harness;

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use harness::{CENTRE, Desk, Fixture, Running, files, until};

/// Everything is logged.
const LOUD: [(&str, &str); 1] = [("DAYBOOK_LOG", "trace")];

/// Finds any of the words in some bytes.
#[derive(Default)]
struct Words {
    /// By their first four bytes.
    by_start: HashMap<[u8; 4], Vec<String>>,
    /// Which first bytes there are: most places are passed over by it.
    first: HashSet<u8>,
}

impl Words {
    fn add(&mut self, words: impl IntoIterator<Item = String>) {
        for word in words {
            let start = *word.as_bytes().first_chunk().expect("a word of some length");
            self.first.insert(start[0]);
            self.by_start.entry(start).or_default().push(word);
        }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        let mut first = [false; 256];
        self.first.iter().for_each(|byte| first[usize::from(*byte)] = true);
        let places = bytes.iter().enumerate().filter(|(_, byte)| first[usize::from(**byte)]);
        places.map(|(place, _)| &bytes[place..]).find_map(|rest| {
            let words = self.by_start.get(rest.first_chunk::<4>()?)?;
            words.iter().find(|word| rest.starts_with(word.as_bytes())).map(String::as_str)
        })
    }
}

/// Withdrawals of some of the learners, with a name in the notes.
fn withdrawals(of: &Fixture) -> Fixture {
    let heading = "ULN,First name,Surname,Date of birth,Centre number,Qualification number,Withdrawal date,\
                   Withdrawal reason,Notes";
    let rows = of.lines().into_iter().skip(1).take(6).map(|line| {
        let learner: Vec<_> = line.split(',').take(4).collect();
        format!("{},{CENTRE},601/5886/4,2025-01-20,ILLNESS,told by {}", learner.join(","), learner[1])
    });
    let lines: Vec<_> = std::iter::once(heading.to_owned()).chain(rows).collect();
    Fixture::other("withdrawals.csv", &lines.join("\n"))
}

/// Files of every fate: taken, held, turned away as a whole, with rows that are; one under a telling name.
fn every_fate() -> (Vec<Fixture>, Vec<String>) {
    let [mut taken, bad, bare, torn] =
        [(0, 40), (1, 20), (2, 20), (3, 20)].map(|(file, rows)| Fixture::enrolments(file, rows));
    taken.name = "Gisecret Fasecret enrolments.csv".into();
    let mut personal: Vec<_> = [&taken, &bad, &bare, &torn].into_iter().flat_map(|it| it.personal.clone()).collect();
    personal.push("Gisecret".into());
    // No date of birth is one: held as a whole. No headings: turned away. Quotation marks that are never closed.
    let spoilt: Vec<_> = bad.lines().iter().map(|line| line.replace("-0", "-9").replace("-1", "-8")).collect();
    let headless = bare.lines().split_off(1);
    let torn = torn.lines().join("\n").replace(",REF", ",\"REF");
    let files = vec![
        taken.clone(),
        Fixture::other("spoilt.csv", &spoilt.join("\n")),
        Fixture::other("headless.csv", &headless.join("\n")),
        Fixture::other("torn.csv", &torn),
        withdrawals(&taken),
    ];
    (files, personal)
}

/// Commands that reveal nothing, and mistakes: all of them with something personal close by.
fn ask_everything(desk: &Desk, personal: &[String], format: &str, words: &Words) {
    let [uln, given, family, born] = personal else { unreachable!("four columns are personal") };
    let commands: Vec<Vec<&str>> = vec![
        vec!["status"],
        vec!["status", "--json"],
        vec!["entries"],
        vec!["entries", "--json"],
        vec!["held", "list"],
        vec!["held", "list", "--json"],
        vec!["history", "--uln", uln],
        vec!["history", "--uln", uln, "--json"],
        vec!["history", "--uln", "9999999980"],
        vec!["history", "--registration", "R1-99999"],
        vec!["history", "--certificate", family],
        vec![
            "record",
            "defer",
            "--uln",
            uln,
            "--family-name",
            family,
            "--date-of-birth",
            born,
            "--on",
            "2025-02-03",
            "--reason",
            "MATERNITY",
        ],
        vec![
            "record",
            "defer",
            "--uln",
            uln,
            "--family-name",
            given,
            "--date-of-birth",
            born,
            "--on",
            "2025-02-03",
            "--reason",
            "ILLNESS",
        ],
        vec!["verify"],
        vec!["rebuild"],
        vec!["held", "show", "0"],
    ];
    let reports = ["files", "withdrawals", "deferrals", "amendments", "duplicates", "overrides", "states"];
    let reports = reports.into_iter().flat_map(|name| [vec!["report", name], vec!["report", name, "--csv"]]);
    for arguments in commands.into_iter().chain(reports) {
        let output =
            desk.command(&[&arguments[..], &["--log-format", format]].concat()).envs(LOUD).output().expect("it runs");
        for (stream, bytes) in [("output", &output.stdout), ("errors", &output.stderr)] {
            // What was typed as the number of a certificate is nobody's name to the program; it is repeated to its writer.
            let repeated = arguments[1..].contains(&"--certificate");
            let found = words.found_in(bytes).filter(|_| !repeated);
            assert_eq!(found, None, "{arguments:?}: {stream}: {}", String::from_utf8_lossy(bytes));
        }
    }
    for held in desk.json(&["held", "list"]) {
        let no = held["held"].to_string();
        for arguments in [vec!["held", "show", &no], vec!["held", "show", &no, "--json"]] {
            let output = desk.command(&arguments).envs(LOUD).output().expect("it runs");
            assert_eq!(words.found_in(&[output.stdout, output.stderr].concat()), None, "{arguments:?}");
        }
    }
}

/// Nothing in the data directory, receipts apart: they are the sender's own.
fn search_home(home: &Path, words: &Words) -> usize {
    let kept = files(home).into_iter().filter(|path| !path.starts_with(home.join("receipts")));
    kept.filter(|path| path.file_name().is_some_and(|name| name != "reserve"))
        .map(|path| {
            let bytes = fs::read(&path).unwrap_or_default();
            assert_eq!(words.found_in(&bytes), None, "in {}", path.display());
            let name = path.display().to_string();
            assert_eq!(words.found_in(name.as_bytes()), None, "{name}");
        })
        .count()
}

fn until_settled(desk: &Desk, running: &mut Running) {
    until("all files to be filed", || {
        assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
        desk.is_empty().then_some(())
    });
}

/// Goal: nothing personal is printed, logged, or kept in plain bytes, by agent or central node. Method: files of every
/// fate dropped and imported with everything logged, every command that reveals nothing, mistakes too; then all output and
/// all files are searched for every name, ULN and birth date.
#[test]
fn nothing_personal_is_shown_or_kept_in_plain() {
    for format in ["human", "json"] {
        let mut desk = Desk::new("mirrored");
        let (fixtures, personal) = every_fate();
        let late = Fixture::enrolments(5, 30);
        let mut words = Words::default();
        words.add(personal.iter().chain(&late.personal).cloned());
        let mut running = desk.start_with(&["up", "--log-format", format], &LOUD);
        for fixture in fixtures {
            desk.drop_file(fixture);
        }
        until_settled(&desk, &mut running);
        let handed = desk.write(&late);
        let imported =
            desk.command(&["import", "--centre", CENTRE, handed.to_str().expect("text")]).envs(LOUD).output();
        let imported = imported.expect("it runs");
        assert!(imported.status.success());
        assert_eq!(words.found_in(&[imported.stdout, imported.stderr].concat()), None);
        ask_everything(&desk, &personal[4..8], format, &words);
        // While it runs: with the books' journal and all that is only there then.
        search_home(&desk.data, &words);
        let said = running.said();
        running.kill();
        ask_everything(&desk, &personal[8..12], format, &words);
        let mut again = desk.start_with(&["up", "--log-format", format], &LOUD);
        again.until_said("central node  on");
        again.stop_well();
        let said = said + &fs::read_to_string(desk.beside("output.log")).expect("what it said");
        assert_eq!(words.found_in(said.as_bytes()), None, "{said}");
        assert!(search_home(&desk.data, &words) > 20, "the central node's home is searched too");
        // The search can find: revealed, the same words are there.
        assert!(words.found_in(desk.told(&["entries", "--reveal"]).as_bytes()).is_some());
    }
}
