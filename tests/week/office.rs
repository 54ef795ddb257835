//! The office of the week: an agent that runs, ten centres' folders, and people who ask the agent as users of the operating system.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    harness::{Desk, Running, program, until},
    name,
};

/// The group that may reach the agent; like the users it has no name on any machine.
const GROUP: u32 = 54_330;
pub(crate) const PIA: u32 = 54_331;
pub(crate) const SAM: u32 = 54_332;
pub(crate) const MANAGER: u32 = 54_333;

/// The day so many days from today, as the program counts it.
pub(crate) fn day(days: i32) -> String {
    let today = jiff::Timestamp::now().in_tz("Europe/London").expect("a zone").date();
    today.saturating_add(jiff::Span::new().days(days)).to_string()
}

/// A ULN of each learner's own, with the check digit of DOMAIN.md 2.1.
pub(crate) fn uln(learner: u32) -> String {
    let with_digit = |stem: u32| {
        let digits = stem.to_string();
        let weighted: u32 = digits.bytes().zip(0..).map(|(digit, place)| u32::from(digit - b'0') * (10 - place)).sum();
        (!weighted.is_multiple_of(11)).then(|| format!("{digits}{}", 10 - weighted % 11))
    };
    let stems = (400_000_000..).step_by(7);
    stems.filter_map(with_digit).nth(learner as usize).expect("there are enough")
}

/// A resend file, with semicolons as its sender has them, with another ULN in its one row.
pub(crate) fn with_uln(back: &str, uln: &str) -> String {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(b';').has_headers(false).flexible(true).from_reader(back.as_bytes());
    let mut rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let place = rows[0].iter().position(|heading| heading == "ULN").expect("its own column");
    let mended = rows[1].iter().enumerate().map(|(at, cell)| if at == place { uln } else { cell });
    rows[1] = mended.collect();
    let mut writer = csv::WriterBuilder::new().delimiter(b';').flexible(true).from_writer(Vec::new());
    for row in &rows {
        writer.write_record(row).expect("written");
    }
    String::from_utf8(writer.into_inner().expect("whole")).expect("text")
}

/// An order about a learner.
pub(crate) fn order<'a>(what: &'a str, learner: u32, more: &[&'a str]) -> Vec<&'a str> {
    let family: &'a str = Box::leak(name(learner).into_boxed_str());
    [&["record", what, "--family-name", family, "--date-of-birth", "2004-05-06"], more].concat()
}

pub(crate) struct Office {
    pub(crate) desk: Desk,
    program: PathBuf,
    centres: PathBuf,
    running: Option<Running>,
}

impl Office {
    /// Begins on Monday; `None` where this cannot be several users.
    pub(crate) fn open() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only the superuser can be several users");
            return None;
        }
        let desk = Desk::in_memory("local");
        let centres = desk.beside("centres");
        (1..=10).for_each(|centre| fs::create_dir_all(centres.join(format!("C{centre:02}"))).expect("a centre"));
        let operator = |name: &str, user: u32, role: &str| {
            format!("[[operator]]\nname = \"{name}\"\nuser = \"uid:{user}\"\nroles = [\"{role}\"]\n")
        };
        let config = format!(
            "[agent]\nrescan_seconds = 1\nfree_bytes_min = 1\n[[folder]]\nname = \"centres\"\npath = \"{}\"\nquiet_seconds = 0\n\
             {}{}{}[policy]\ntwo_person = [\"voids\"]\n",
            centres.join("{centre}").display(),
            operator("Pia Process", PIA, "processing"),
            operator("Sam Post", SAM, "processing"),
            operator("Max Manage", MANAGER, "manager"),
        );
        fs::write(desk.data.join("daybook.toml"), config).expect("written");
        let beside = desk.data.parent().expect("a directory");
        fs::set_permissions(beside, Permissions::from_mode(0o755)).expect("permitted");
        chown(&desk.data, None, Some(GROUP)).expect("given to the group");
        fs::set_permissions(&desk.data, Permissions::from_mode(0o2770)).expect("permitted");
        // Where the program was built others may have no way to.
        let copy = desk.beside("daybook");
        fs::copy(program(), &copy).expect("copied");
        let mut office = Self { desk, program: copy, centres, running: None };
        office.start();
        Some(office)
    }

    fn start(&mut self) {
        let mut running = self.desk.start(&["run"]);
        running.until_said("runs in");
        self.running = Some(running);
    }

    /// Ends the day's work.
    pub(crate) fn close(&mut self) {
        self.running.take().expect("it runs").stop_well();
    }

    /// Goes on with more in the configuration.
    pub(crate) fn adopt(&mut self, more: &str) {
        self.close();
        let path = self.desk.data.join("daybook.toml");
        let config = fs::read_to_string(&path).expect("a configuration");
        fs::write(path, config + more).expect("written");
        self.start();
    }

    /// A centre drops a file, and it is seen to.
    pub(crate) fn drop_file(&self, centre: &str, name: &str, bytes: &[u8]) {
        let (making, place) = (self.desk.beside("making"), self.centres.join(centre).join("in").join(name));
        until("the centre's folder", || place.parent().is_some_and(std::path::Path::exists).then_some(()));
        let before = self.count("OriginalFiled");
        fs::write(&making, bytes).expect("a file");
        fs::rename(making, &place).expect("dropped");
        until("the file to be filed", || (self.count("OriginalFiled") > before).then_some(()));
    }

    fn count(&self, event: &str) -> usize {
        self.desk.json(&["entries"]).iter().filter(|entry| entry["type"] == event).count()
    }

    /// What somebody's doing leaves to a person.
    pub(crate) fn held(&self, what: impl FnOnce()) -> String {
        what();
        let held = self.desk.json(&["held", "list"]);
        assert_eq!(held.len(), 1, "{held:?}");
        held[0]["held"].to_string()
    }

    /// What a command says to a user of the operating system.
    pub(crate) fn ask_as(&self, user: u32, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--data").arg(&self.desk.data).current_dir("/").env_remove("DAYBOOK_DATA_DIR");
        command.uid(user).gid(GROUP).output().expect("the program runs")
    }

    /// The same, of what must go well.
    pub(crate) fn said_by(&self, user: u32, arguments: &[&str]) -> String {
        let output = self.ask_as(user, arguments);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code < 2), "{arguments:?}: {why}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The number of a learner's registration.
    pub(crate) fn registration(&self, learner: u32) -> String {
        let history = self.desk.json(&["history", "--uln", &uln(learner)]);
        history[0]["registrations"][0]["registration"].as_str().expect("a number").to_owned()
    }

    /// The latest entry of a type.
    pub(crate) fn latest(&self, event: &str) -> String {
        let entries = self.desk.json(&["entries"]);
        entries.iter().rfind(|entry| entry["type"] == event).expect("an entry")["sequence"].to_string()
    }

    /// The one file that came back to a centre.
    pub(crate) fn resend_file(&self, centre: &str) -> String {
        let receipts = crate::harness::files(&self.centres.join(centre).join("receipts"));
        let back = receipts.into_iter().find(|path| path.to_string_lossy().ends_with("_resend.csv"));
        let text = fs::read_to_string(back.expect("a resend file")).expect("text");
        text.trim_start_matches('\u{feff}').to_owned()
    }

    /// A report's rows.
    pub(crate) fn report(&self, arguments: &[&str]) -> Vec<Value> {
        self.desk.json(&[&["report"], arguments].concat())
    }
}
