//! An office with a central node whose files are damaged, one after the other, and what its operator does about it: only what
//! the program says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use super::{Harm, KINDS, forged::rewrite, kind};
use crate::{
    harness::{Desk, Fixture, Running, files, stage::Moment, until},
    support::copy_directory,
};

/// After so many attempts an operator would give up.
const ATTEMPTS_MAX: usize = 6;
/// What was mended is told of for no longer after a start.
const ALARM_STANDS_MAX: Duration = Duration::from_secs(5);

/// So many files the office has taken.
const FILES: usize = 4;

/// The office as it was before anything was damaged.
pub(crate) struct Good {
    pub(crate) log: String,
    pub(crate) entries: u64,
    root: Value,
    frames: Vec<u8>,
    files: BTreeMap<String, Vec<PathBuf>>,
}

impl Good {
    /// Lays the office out as it was.
    pub(crate) fn lay_out(desk: &mut Desk) {
        for (from, to) in [("good/data", &desk.data), ("good/drop", &desk.folder)] {
            fs::remove_dir_all(to).expect("it was there");
            copy_directory(&desk.beside(from), to);
        }
        desk.dropped.truncate(FILES);
        desk.kept_anew = false;
    }

    /// Has its log, or the copy of it, written anew in a home, and a store built of that.
    pub(crate) fn rewrite(&self, home: &Path) {
        rewrite(home, &self.frames, self.entries / 2);
        let salvaged = Desk::command_in(home, &["salvage"]).output().expect("it runs");
        assert!(salvaged.status.success(), "{salvaged:?}");
    }
}

/// What came of a damage.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: &'static str,
    pub(crate) harm: String,
    /// What noticed it first; none if nothing did, since nothing that counts was changed.
    pub(crate) found_by: Option<&'static str>,
    /// What was said of it.
    pub(crate) said: Vec<String>,
    /// What brought everything back.
    pub(crate) mends: Vec<&'static str>,
}

/// A desk with files taken and mirrored, scrubbed and verified, and stopped in order; a copy of it lies beside.
pub(crate) fn make() -> (Desk, Good) {
    let mut desk = Desk::in_memory("mirrored");
    for file in 0..3 {
        desk.drop_file(Fixture::enrolments(file, 30 + 100 * file));
    }
    let mut up = desk.start(&["up"]);
    desk.until_filed(&mut up);
    let withdrawals = Fixture::withdrawals(&desk.dropped[1], 20);
    desk.drop_file(withdrawals);
    desk.until_filed(&mut up);
    let central = desk.data.join("central");
    for data in [&desk.data, &central] {
        let scrubbed = Desk::command_in(data, &["scrub"]).output().expect("it runs");
        assert!(scrubbed.status.success(), "{scrubbed:?}");
    }
    desk.until_mirrored();
    up.stop_well();
    desk.check_log(true);
    // It keeps room free and holds nothing.
    fs::remove_file(desk.data.join("reserve")).expect("a reserve");
    let verified = desk.json(&["verify"]).remove(0);
    let mut of_kind: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in files(&desk.data) {
        let name = path.strip_prefix(&desk.data).expect("below it").to_owned();
        if let Some(kind) = kind(&name) {
            of_kind.entry(kind).or_default().push(path);
        }
    }
    let known: BTreeSet<_> = KINDS.into_iter().collect();
    assert_eq!(of_kind.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "there are other kinds of files");
    let good = Good {
        log: desk.json(&["entries"])[0]["log"].as_str().expect("the log's id").to_owned(),
        entries: verified["entries"].as_u64().expect("a count"),
        root: verified["root"].clone(),
        frames: fs::read(desk.beside("export-agent/log.frames")).expect("an export"),
        files: of_kind,
    };
    copy_directory(&desk.data, &desk.beside("good/data"));
    copy_directory(&desk.folder, &desk.beside("good/drop"));
    (desk, good)
}

/// Where an office is at present with its damage.
struct Work<'a> {
    desk: &'a mut Desk,
    good: &'a Good,
    harm: Harm,
    said: Vec<String>,
    found_by: Option<&'static str>,
    mends: Vec<&'static str>,
}

/// Damages one file, and does what is said until all is well; checks everything.
pub(crate) fn try_one(desk: &mut Desk, good: &Good, seed: u64) -> Outcome {
    Good::lay_out(desk);
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let kind = KINDS[usize::try_from(seed % KINDS.len() as u64).expect("small")];
    let of_central = |path: &&PathBuf| path.starts_with(desk.data.join("central"));
    let at_central = of_central(&&good.files[kind][0]);
    let others: Vec<_> = good.files.values().flatten().filter(|path| of_central(path) == at_central).cloned().collect();
    let harm = Harm::to_one_of(&good.files[kind], &others, &mut random);
    let told = harm.to_string();
    let mut work = Work { desk, good, harm, said: Vec::new(), found_by: None, mends: Vec::new() };
    work.all_the_way(at_central);
    Outcome { kind, harm: told, found_by: work.found_by, said: work.said, mends: work.mends }
}

impl Work<'_> {
    fn all_the_way(&mut self, at_central: bool) {
        let unmended = self.verify(at_central);
        let before = Moment::of(self.desk);
        for attempt in 0.. {
            assert!(attempt < ATTEMPTS_MAX, "{}: nothing helps: {:#?}", self.harm, self.said);
            // A file under way belongs to the folder as the configuration has it: a damaged one is corrected first.
            if attempt == usize::from(self.is_of_config()) {
                // What is known of those who came before is asked for too.
                for fixture in [Fixture::enrolments(9, 8), self.desk.dropped[1].again()] {
                    self.desk.drop_file(fixture);
                }
            }
            let Some(said) = self.start() else { break };
            if unmended && attempt == 0 {
                let now = Moment::of(self.desk);
                let (then, now) = if at_central { (before.copied, now.copied) } else { (before.logged, now.logged) };
                assert_eq!(then, now, "{}: a damaged log was written to", self.harm);
            }
            let mend = self.mend(&said);
            self.mends.push(mend);
        }
        let told = self.said.join("\n");
        assert!(told.is_empty() || self.harm.is_named(&told), "{}: nothing says where: {told}", self.harm);
        self.desk.check_log(true);
        let frames = fs::read(self.desk.beside("export-agent/log.frames")).expect("an export");
        assert!(frames.starts_with(&self.good.frames), "{}: entries are others than before", self.harm);
    }

    fn is_of_config(&self) -> bool {
        self.harm.is_below(&self.desk.data.join("daybook.toml"))
    }

    fn found(&mut self, by: &'static str, said: String) -> String {
        self.found_by.get_or_insert(by);
        self.said.push(format!("{by}: {said}"));
        said
    }

    /// Has the log verified, before anything else touches it. What is called good is as it was. Says whether the log is damaged
    /// and no start mends that.
    fn verify(&mut self, at_central: bool) -> bool {
        let of = if at_central { vec!["verify", "--log", &self.good.log] } else { vec!["verify"] };
        let output = self.desk.ask(&[&of[..], &["--json"]].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => {
                let verified: Value = serde_json::from_str(&out).expect("JSON");
                let entries = verified["entries"].as_u64().expect("a count");
                assert_eq!((entries, &verified["root"]), (self.good.entries, &self.good.root), "{}", self.harm);
                false
            }
            Some(1) => {
                let verified: Value = serde_json::from_str(&out).expect("JSON");
                // A fault that names no entry is one of the head's slot, which a start mends, or of the checkpoint.
                let faults = verified["faults"].as_array().expect("a list");
                let of_entries = faults.iter().any(|fault| !fault["at"].is_null());
                self.found("verify", verified["faults"].to_string());
                of_entries
            }
            _ => {
                self.found("verify", err.into_owned());
                false
            }
        }
    }

    /// Starts agent and central node, has both scrubbed, and waits until the file that waits is answered, filed and mirrored;
    /// gives what stands in the way, if anything does.
    fn start(&mut self) -> Option<String> {
        let mut up = self.desk.start(&["up"]);
        let ended = until("a start, or an end", || match up.ended() {
            Some(status) => Some(Some(status)),
            None => up.said().contains("runs in").then_some(None),
        });
        if ended.is_some() {
            return Some(self.found("opening", up.said()));
        }
        if self.is_of_config() && self.mends.is_empty() {
            // Another configuration is an entry, and what governs from there on: whoever did not want it puts it back.
            let adopted = self.desk.ask(&["entries", "--json"]).stdout;
            let adopted = String::from_utf8_lossy(&adopted).matches("\"type\":\"ConfigAdopted\"").count();
            assert_eq!(adopted, 2, "{}: another configuration is an entry", self.harm);
            up.kill();
            return Some(self.found("entry", "daybook.toml: ConfigAdopted".to_owned()));
        }
        // What was sent again is there only when it has come.
        let stuck = if self.mends.is_empty() {
            self.scrub().or_else(|| self.settle(&mut up))
        } else {
            self.settle(&mut up).or_else(|| self.scrub())
        };
        match &stuck {
            Some(_) => up.kill(),
            None => up.stop_well(),
        }
        stuck
    }

    /// Has both sides scrubbed beside their work; gives what that finds.
    fn scrub(&mut self) -> Option<String> {
        let central = self.desk.data.join("central");
        [self.desk.data.clone(), central].into_iter().find_map(|data| {
            let output = Desk::command_in(&data, &["scrub", "--json"]).output().expect("it runs");
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            (!output.status.success()).then(|| self.found("scrub", said))
        })
    }

    /// Waits until the files that wait are done with and everything is mirrored; gives what stands in the way.
    fn settle(&mut self, up: &mut Running) -> Option<String> {
        let begun = Instant::now();
        let stuck = until("the files to be done with, or to be told why they are not", || {
            assert!(up.ended().is_none(), "it ended by itself: {}", up.said());
            if self.desk.is_empty() && self.is_mirrored() && self.is_settled() {
                return Some(None);
            }
            // An alarm of what was mended stands until the next conversation has gone well.
            let may_pass = !self.mends.is_empty() && begun.elapsed() < ALARM_STANDS_MAX;
            if may_pass { None } else { self.problem().map(Some) }
        });
        stuck.map(|said| self.found("status", said))
    }

    /// Whether the central node has everything, keys and originals too.
    fn is_mirrored(&self) -> bool {
        let status = &self.desk.json(&["status"])[0];
        let mirror = &status["mirror"];
        mirror["connected"] == true && mirror["entries"] == status["entries"] && mirror["originals_missing"] == 0
    }

    /// Whether every file that was received is filed.
    fn is_settled(&self) -> bool {
        let output = self.desk.ask(&["entries", "--json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = |event: &str| text.matches(&format!("\"type\":\"{event}\"")).count();
        count("FileReceived") == count("OriginalFiled")
    }

    /// What `status` finds wrong, but for what a start takes a moment for, and what an earlier scrub found and was acted upon.
    fn problem(&self) -> Option<String> {
        let central = self.desk.data.join("central");
        [&self.desk.data, &central].into_iter().find_map(|data| {
            let output = Desk::command_in(data, &["status", "--check", "--json"]).output().expect("it runs");
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let problems = status["problems"].to_string();
            let passing = problems.contains("it was never reached\"") || problems.contains(".damaged, ");
            (output.status.code() == Some(1) && !passing).then_some(problems)
        })
    }

    /// Does what was said.
    fn mend(&mut self, said: &str) -> &'static str {
        let copy = self.desk.data.join("central/logs").join(&self.good.log);
        let first =
            ["daybook salvage", "daybook recover", "from a backup"].into_iter().filter(|words| said.contains(words));
        let first = first.min_by_key(|words| said.find(words)).unwrap_or_default();
        if first == "daybook salvage" {
            let home = if self.harm.is_below(&copy) { &copy } else { &self.desk.data };
            let salvaged = Desk::command_in(home, &["salvage"]).output().expect("it runs");
            if salvaged.status.success() {
                return "salvage";
            }
            let why = String::from_utf8_lossy(&salvaged.stderr).into_owned();
            self.said.push(format!("salvage: {why}"));
            if *home == copy {
                self.move_away(&copy, "copy-damaged");
                return "sent again";
            }
            self.recover();
            return "recover";
        }
        if said.contains("it is written anew") {
            return "start";
        }
        if let Some(names) = said.split_once("mv ").map(|(_, rest)| rest) {
            let mut names = names.split([' ', ',']);
            let (from, to) = (names.next().expect("a name"), names.next().expect("a name"));
            fs::rename(from, to).expect("moved away");
            let noted = copy.join("originals");
            if said.contains("rm -f ") && noted.exists() {
                fs::remove_file(noted).expect("removed");
            }
            return "sent again";
        }
        // An alarm of what was removed stands until the next scrub: then the next thing that is said is done.
        let named = said.split_once("rm ").and_then(|(_, rest)| rest.split(':').next());
        if let Some(name) = named.filter(|name| Path::new(name).exists()) {
            fs::remove_file(name).expect("removed");
            return "signed again";
        }
        if said.contains("daybook import") {
            for file in files(&self.desk.folder.join("done")) {
                self.desk.told(&["import", "--centre", crate::harness::CENTRE, file.to_str().expect("text")]);
            }
            self.desk.kept_anew = true;
            return "import";
        }
        if first == "daybook recover" {
            self.recover();
            return "recover";
        }
        // From a backup, as it says; or a configuration that is corrected.
        self.harm.undo();
        "put back"
    }

    /// Moves a directory to a place beside, from which what an earlier damage left is removed.
    fn move_away(&self, directory: &Path, name: &str) -> PathBuf {
        let place = self.desk.beside(name);
        if place.exists() {
            fs::remove_dir_all(&place).expect("of an earlier damage");
        }
        fs::rename(directory, &place).expect("moved away");
        place
    }

    /// Takes the log over into a new directory: from the central node, with the operator's key as it was kept elsewhere.
    fn recover(&mut self) {
        let data = self.desk.data.clone();
        let lost = self.move_away(&data, "lost");
        fs::create_dir_all(&self.desk.data).expect("a new machine");
        let (central, address) = self.desk.central_of(&lost);
        let invite = ["central", "invite", "--recover", &self.good.log];
        let invite = Desk::command_in(&lost.join("central"), &invite).output().expect("it runs");
        let code = String::from_utf8(invite.stdout).expect("text").trim().to_owned();
        let key = self.desk.beside("good/data/operator.key");
        self.desk.told(&["recover", &address, &code, "--operator-key", key.to_str().expect("text")]);
        central.stop_well();
        fs::rename(lost.join("central"), self.desk.data.join("central")).expect("the central node stays");
    }
}
