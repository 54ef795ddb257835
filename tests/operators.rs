//! Who may do what, through the built program: operators by their users of the operating system, and orders that take two.
//!
//! To be several users this has to be the superuser; as anybody else it tells so and looks at what one user can see.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod harness;

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Output},
};

use harness::{CENTRE, Desk, Fixture, program};
use serde_json::{Value, json};

/// The group that may reach the agent; like the users it has no name on any machine.
const GROUP: u32 = 54_320;
const AUDITOR: u32 = 54_321;
const PROCESSING: u32 = 54_322;
const MANAGER: u32 = 54_323;
const STRANGER: u32 = 54_324;
const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";

/// The day so many days from today, as the program counts it.
fn day(days: i32) -> String {
    let today = jiff::Timestamp::now().in_tz("Europe/London").expect("a zone").date();
    today.saturating_add(jiff::Span::new().days(days)).to_string()
}

fn operator(name: &str, user: &str, role: &str) -> String {
    format!("[[operator]]\nname = \"{name}\"\nuser = \"{user}\"\nroles = [\"{role}\"]\n")
}

/// An office with operators; the test's own user has `own_role`.
struct Office {
    desk: Desk,
    program: PathBuf,
}

impl Office {
    fn new(own_role: &str, policy: &str) -> Self {
        let desk = Desk::in_memory("local");
        let path = desk.data.join("daybook.toml");
        let config = fs::read_to_string(&path).expect("a configuration");
        let named = [
            operator("Own User", &own_user(), own_role),
            operator("Ada Audit", &format!("uid:{AUDITOR}"), "auditor"),
            operator("Pia Process", &format!("uid:{PROCESSING}"), "processing"),
            operator("Max Manage", &format!("uid:{MANAGER}"), "manager"),
        ];
        fs::write(&path, [policy, &config, &named.concat()].concat()).expect("written");
        // Where the program was built others may have no way to.
        let copy = desk.beside("daybook");
        fs::copy(program(), &copy).expect("copied");
        Self { desk, program: copy }
    }

    /// Lets the group reach the agent's socket.
    fn open_to_group(&self) {
        let beside = self.desk.data.parent().expect("a directory");
        fs::set_permissions(beside, Permissions::from_mode(0o755)).expect("permitted");
        chown(&self.desk.data, None, Some(GROUP)).expect("given to the group");
        fs::set_permissions(&self.desk.data, Permissions::from_mode(0o2770)).expect("permitted");
    }

    /// What a command says to a user of the operating system.
    fn ask_as(&self, user: u32, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--data").arg(&self.desk.data).current_dir("/").env_remove("DAYBOOK_DATA_DIR");
        command.uid(user).gid(GROUP).output().expect("the program runs")
    }

    /// A file with the enrolment of one learner a hundred days ago.
    fn enrolment(&self) -> PathBuf {
        let row = format!("1000000019,Jane,Doe,2004-05-06,{CENTRE},601/5886/4,{},REF1", day(-100));
        self.desk.write(&Fixture::other("enrolments.csv", &format!("{HEADING}\n{row}\n")))
    }

    /// The latest entry of a type.
    fn latest(&self, event: &str) -> Value {
        let entries = self.desk.json(&["entries", "--reveal"]);
        entries.into_iter().rev().find(|entry| entry["type"] == event).unwrap_or_default()
    }

    fn registration(&self) -> String {
        self.latest("LearnerEnrolled")["registration"].as_str().expect("a registration").to_owned()
    }
}

fn own_user() -> String {
    let name = Command::new("id").arg("-un").output().expect("id runs");
    if name.status.success() {
        return String::from_utf8(name.stdout).expect("text").trim().to_owned();
    }
    format!("uid:{}", rustix::process::geteuid().as_raw())
}

/// Whether this can be several users; tells so where it cannot.
fn can_be_others() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        eprintln!("SKIPPED: only the superuser can be several users");
    }
    can
}

fn order<'a>(what: &'a str, no: &'a str, on: &'a str) -> Vec<&'a str> {
    let who = ["--family-name", "Doe", "--date-of-birth", "2004-05-06", "--reason", reason(what)];
    [&["record", what, "--registration", no, "--on", on], &who[..]].concat()
}

/// Why, in the words that an order of that name takes.
fn reason(what: &str) -> &'static str {
    if what == "withdraw" { "LEFT_COURSE" } else { "a mistake" }
}

fn why(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Goal: without an agent the rule is the same: an operator does what their role allows and is named in the entry, and is refused what
/// it does not, also where the directory is theirs. Method: the test's own user in two roles.
#[test]
fn a_command_without_an_agent_needs_a_role() {
    let office = Office::new("processing", "");
    let desk = &office.desk;
    let file = office.enrolment();
    desk.told(&["import", "--centre", CENTRE, file.to_str().expect("text")]);
    assert_eq!(office.latest("FileReceived")["actor"], json!({"operator": "Own User"}));
    let (no, today) = (office.registration(), day(0));
    let withdrawn = desk.ask(&order("withdraw", &no, &today));
    assert!(withdrawn.status.success(), "{}", why(&withdrawn));
    assert_eq!(office.latest("LearnerWithdrawn")["actor"], json!({"operator": "Own User"}));

    let count = desk.json(&["entries"]).len();
    let refused = desk.ask(&order("reverse", &no, &today));
    assert_eq!(refused.status.code(), Some(2));
    let said = why(&refused);
    assert!(said.contains("needs the role manager, which Max Manage has"), "{said}");
    let as_other = desk.ask(&["held", "refuse", "1", "--reason", "no", "--operator", "Max Manage"]);
    assert!(as_other.status.code() == Some(2) && why(&as_other).contains("known as Own User"), "{}", why(&as_other));
    assert_eq!(desk.json(&["entries"]).len(), count, "nothing was recorded");
    // Whoever owns the directory looks after it without being named for that.
    desk.told(&["rebuild"]);

    let office = Office::new("auditor", "");
    let refused = office.desk.ask(&["import", "--centre", CENTRE, office.enrolment().to_str().expect("text")]);
    assert_eq!(refused.status.code(), Some(2), "{}", why(&refused));
    assert!(why(&refused).contains("processing or manager, which Pia Process, Max Manage have"), "{}", why(&refused));
}

/// Goal: a running agent knows who asks: each does what their role allows, under their own name. Method: four users, one of them
/// unknown, at the socket.
#[test]
fn an_agent_knows_who_asks() {
    if !can_be_others() {
        return;
    }
    let office = Office::new("administrator", "");
    office.open_to_group();
    let mut agent = office.desk.start(&["run"]);
    agent.until_said("runs in");
    let file = office.enrolment();
    let import = ["import", "--centre", CENTRE, file.to_str().expect("text")];
    for (user, name) in [(AUDITOR, "Ada Audit"), (STRANGER, "uid:54324")] {
        let refused = office.ask_as(user, &import);
        assert_eq!(refused.status.code(), Some(2), "{}", why(&refused));
        assert!(why(&refused).contains(&format!("{name} may not do this: it needs the role processing or manager")));
    }
    assert!(office.ask_as(PROCESSING, &import).status.success());
    let (no, today) = (office.registration(), day(0));
    assert!(office.ask_as(AUDITOR, &["report", "overrides"]).status.success());
    assert_eq!(office.ask_as(STRANGER, &["status"]).status.code(), Some(2));
    assert_eq!(office.ask_as(PROCESSING, &order("void", &no, &today)).status.code(), Some(2));
    assert_eq!(office.ask_as(MANAGER, &["scrub"]).status.code(), Some(2));
    let void = office.ask_as(MANAGER, &order("void", &no, &today));
    assert!(void.status.success(), "{}", why(&void));
    assert_eq!(office.latest("RegistrationVoided")["actor"], json!({"operator": "Max Manage"}));
    agent.stop_well();
    // Who had which role is in the log.
    let adopted = office.latest("ConfigAdopted");
    assert!(adopted["text"].as_str().is_some_and(|text| text.contains("Max Manage")), "{adopted}");
}

/// Goal: what takes two persons takes effect when the second one approves, and not before, nor by the first one's own word; both
/// stand in the report. Method: proposed without an agent, approved and declined at one.
#[test]
fn two_persons_are_two() {
    if !can_be_others() {
        return;
    }
    let office = Office::new("manager", "[policy]\ntwo_person = [\"voids\"]\n");
    office.open_to_group();
    let desk = &office.desk;
    desk.told(&["import", "--centre", CENTRE, office.enrolment().to_str().expect("text")]);
    let (no, today) = (office.registration(), day(0));
    let state = || desk.json(&["history", "--registration", &no])[0]["registrations"][0]["state"].clone();
    let propose = || desk.json(&order("void", &no, &today))[0].clone();
    let proposed = propose();
    assert_eq!(
        (&proposed["type"], &proposed["registration"], state()),
        (&json!("OrderProposed"), &json!(no), json!("ENROLLED"))
    );
    let first = proposed["sequence"].to_string();
    let own = desk.ask(&["record", "approve", &first]);
    assert!(own.status.code() == Some(2) && why(&own).contains("proposed by Own User"), "{}", why(&own));
    let waiting = &desk.json(&["record", "proposals"])[0];
    assert_eq!((&waiting["entry"], &waiting["operator"]), (&proposed["sequence"], &json!("Own User")));

    let mut agent = desk.start(&["run"]);
    agent.until_said("runs in");
    assert_eq!(office.ask_as(PROCESSING, &["record", "approve", &first]).status.code(), Some(2));
    let declined = office.ask_as(MANAGER, &["record", "decline", &first, "--reason", "a result is on its way"]);
    assert!(declined.status.success(), "{}", why(&declined));
    assert_eq!(office.ask_as(MANAGER, &["record", "approve", &first]).status.code(), Some(2), "it is decided");
    let second = office.ask_as(PROCESSING, &order("void", &no, &today));
    assert!(second.status.success(), "a proposal is daily work: {}", why(&second));
    assert_eq!(state(), "ENROLLED");
    let second = office.latest("OrderProposed")["sequence"].to_string();
    let approved = office.ask_as(MANAGER, &["record", "approve", &second]);
    assert!(approved.status.success(), "{}", why(&approved));
    assert_eq!((state(), desk.json(&["record", "proposals"]).len()), (json!("VOID"), 0));
    agent.stop_well();

    let void = office.latest("RegistrationVoided");
    assert_eq!((&void["actor"], &void["private"]["reason"]), (&json!({"operator": "Max Manage"}), &json!("a mistake")));
    let decided = office.latest("ProposalDecided");
    assert_eq!((decided["proposed"].to_string(), &decided["entry"]), (second, &void["sequence"]));
    let rows = desk.json(&["report", "overrides"]);
    let told: Vec<_> = rows.iter().map(|row| [&row["what"], &row["operator"], &row["proposed_by"]]).collect();
    let [own, pia, max] = ["Own User", "Pia Process", "Max Manage"];
    let expected = json!([
        ["OrderProposed", own, null],
        ["ProposalDecided", max, own],
        ["OrderProposed", pia, null],
        ["RegistrationVoided", max, null],
        ["ProposalDecided", max, pia],
    ]);
    assert_eq!(json!(told), expected);
    let said = desk.told(&["report", "overrides"]).replace('\n', " ");
    assert!(said.contains("approval: 2; approved: 1, of which 0 by who had proposed it; declined: 1"), "{said}");
}

/// Goal: a held row of which the configuration says so is let go on by two operators, each of whom is named; refusing it takes one.
/// Method: an enrolment that differs from the accepted one, proposed by one and approved by another; a second one, refused while its
/// release is proposed.
#[test]
fn a_release_takes_two_persons() {
    if !can_be_others() {
        return;
    }
    let office = Office::new("manager", "[policy]\ntwo_person_release = [\"4S-033\"]\n");
    office.open_to_group();
    let desk = &office.desk;
    let import = |file: PathBuf| desk.told(&["import", "--centre", CENTRE, file.to_str().expect("text")]);
    import(office.enrolment());
    for name in ["Joan", "June"] {
        let text = fs::read_to_string(office.enrolment()).expect("text").replace("Jane", name);
        import(desk.write(&Fixture::other(&format!("{name}.csv"), &text)));
    }
    let held: Vec<String> = desk.json(&["held", "list"]).iter().map(|held| held["held"].to_string()).collect();
    let [first, second] = &held[..] else { unreachable!("two are held: {held:?}") };
    let mut agent = desk.start(&["run"]);
    agent.until_said("runs in");
    let release = |user, held: &str| office.ask_as(user, &["held", "release", held, "--reason", "seen"]);
    let proposed = release(PROCESSING, first);
    let said = String::from_utf8_lossy(&proposed.stdout).into_owned();
    assert!(proposed.status.success() && said.contains("takes two persons"), "{said}{}", why(&proposed));
    assert!(why(&release(MANAGER, first)).contains("proposed already"));
    let entry = office.latest("OrderProposed")["sequence"].to_string();
    assert_eq!(office.ask_as(PROCESSING, &["record", "approve", &entry]).status.code(), Some(2));
    assert_eq!(desk.json(&["held", "list"]).len(), 2, "nothing happened yet");
    let approved = office.ask_as(MANAGER, &["record", "approve", &entry]);
    assert!(approved.status.success(), "{}", why(&approved));
    let released = office.latest("HeldReleased");
    assert_eq!(
        (&released["actor"], &released["private"]["reason"]),
        (&json!({"operator": "Max Manage"}), &json!("seen"))
    );
    let decided = office.latest("ProposalDecided");
    assert_eq!((decided["proposed"].to_string(), &decided["entry"]), (entry, &released["sequence"]));

    let own = desk.told(&["held", "release", second, "--reason", "seen"]);
    assert!(own.contains("takes two persons"), "{own}");
    let entry = office.latest("OrderProposed")["sequence"].to_string();
    let own = desk.ask(&["record", "approve", &entry]);
    assert!(own.status.code() == Some(2) && why(&own).contains("proposed by Own User"), "{}", why(&own));
    assert!(office.ask_as(PROCESSING, &["held", "refuse", second, "--reason", "no"]).status.success());
    assert_eq!((desk.json(&["held", "list"]).len(), desk.json(&["record", "proposals"]).len()), (0, 0));
    let rows = desk.json(&["report", "overrides"]);
    let about: Vec<_> = rows.iter().map(|row| row["about"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(
        about[0].starts_with(&format!("release of entry {first}, file")) && rows[0]["guard"] == "4S-033",
        "{rows:?}"
    );
    agent.stop_well();
}
