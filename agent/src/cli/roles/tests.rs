//! Who may give which command, in every form that there is.

use std::{collections::BTreeSet, path::Path};

use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::cli::Cli;

const WHO: &str = "--registration R1-4 --family-name A --date-of-birth 2001-04-09 --reason other";

fn config(more: &str) -> Config {
    let operators = [
        ("Ada Audit", "ada", "auditor"),
        ("Pia Process", "pia", "processing"),
        ("Max Manage", "max", "manager"),
        ("Adi Admin", "adi", "administrator"),
    ]
    .map(|(name, user, role)| format!("[[operator]]\nname = {name:?}\nuser = {user:?}\nroles = [{role:?}]\n"));
    Config::parse(&[more, &operators.concat()].concat(), Path::new("/")).expect("a good configuration")
}

fn typed(words: &str) -> Command {
    let typed = Cli::try_parse_from(std::iter::once("daybook").chain(words.split_whitespace()));
    typed.unwrap_or_else(|error| unreachable!("{words}: {error}")).command
}

fn user(name: &str) -> User {
    User { name: name.to_owned(), owns: false }
}

/// Who of auditor, processing, manager, administrator, stranger and owner may give a command: one letter each.
fn who(config: &Config, words: &str) -> String {
    let command = typed(words);
    let owner = User { name: "daybook".into(), owns: true };
    let users = [
        ("a", user("ada")),
        ("p", user("pia")),
        ("m", user("max")),
        ("k", user("adi")),
        ("s", user("jo")),
        ("o", owner),
    ];
    users.iter().filter(|(_, user)| permit(config, user, &command).is_ok()).map(|(letter, _)| *letter).collect()
}

/// Goal: each command is given by whom the table says, and by nobody else. Method: one of every form.
#[test]
fn each_command_has_its_roles() {
    let invite = daybook_protocol::invite::Invite { secret: [3; 16], authority: [9; 16] };
    let dated = format!("{WHO} --on 2026-11-20");
    let config = config("");
    for (words, expected) in [
        ("entries --reveal".to_owned(), "apmko"),
        ("history --uln 1000000019".to_owned(), "apmko"),
        ("why 7".to_owned(), "apmko"),
        ("report overrides".to_owned(), "apmko"),
        ("status".to_owned(), "apmko"),
        ("held list".to_owned(), "apmko"),
        ("held show 7".to_owned(), "apmko"),
        ("verify".to_owned(), "apmko"),
        ("export d".to_owned(), "ko"),
        ("metrics".to_owned(), "apmko"),
        ("record proposals".to_owned(), "apmko"),
        ("central agents".to_owned(), "apmko"),
        ("import a.csv --centre 12345".to_owned(), "pm"),
        ("held release 7 --reason good".to_owned(), "pm"),
        ("held refuse 7 --reason bad".to_owned(), "pm"),
        (format!("record withdraw {dated}"), "pm"),
        (format!("record resume {dated}"), "pm"),
        (format!("record defer {WHO} --from 2026-12-01 --resume-by 2027-03-01"), "pm"),
        (format!("record extend {WHO} --from 2026-12-01 --resume-by 2027-03-01"), "pm"),
        (format!("record amend {WHO} --field postcode --to LS14AP"), "pm"),
        ("record dispatch --certificate C1 --registration R1-4 --on 2026-11-20 --reason claim".to_owned(), "pm"),
        ("record return --certificate C1 --on 2026-11-28 --reason GONE_AWAY".to_owned(), "pm"),
        ("record redispatch --certificate C1 --on 2026-12-02 --evidence e --reason again".to_owned(), "pm"),
        (format!("record reverse {dated}"), "m"),
        (format!("record void {dated}"), "m"),
        (format!("record complete {dated}"), "m"),
        ("record from a.csv --kind withdrawals".to_owned(), "pm"),
        ("record from a.csv --kind voids --apply".to_owned(), "m"),
        (format!("record transfer {dated} --to-centre C2 --given-names J --consent both"), "pm"),
        (format!("record alias {WHO} --other-uln 1000000027"), "pm"),
        (format!("record merge {WHO} --other-uln 1000000027 --other-family-name B"), "m"),
        (format!("record unmerge {WHO} --other-uln 1000000027"), "m"),
        ("record approve 7".to_owned(), "m"),
        ("record decline 7 --reason no".to_owned(), "m"),
        ("record clock --reason checked".to_owned(), "m"),
        ("reference load centres a.csv --dry-run".to_owned(), "m"),
        ("reference show".to_owned(), "apmko"),
        ("scrub".to_owned(), "ko"),
        ("rebuild".to_owned(), "ko"),
        ("salvage".to_owned(), "ko"),
        (format!("join central.example {invite}"), "ko"),
        (format!("recover central.example {invite}"), "ko"),
        ("central clear".to_owned(), "ko"),
        ("central".to_owned(), "apmkso"),
        ("run".to_owned(), "apmkso"),
        ("check".to_owned(), "apmkso"),
    ] {
        assert_eq!(who(&config, &words), expected, "{words}");
        assert_eq!(who(&Config::default(), &words), "apmkso", "{words}, with nobody named");
    }
}

/// Goal: what takes two persons is proposed by whoever does the daily work, and approved by a manager. Method: an override
/// and a daily order, with the setting and without.
#[test]
fn a_proposal_is_daily_work() {
    let (void, approve) = (format!("record void {WHO} --on 2026-11-20"), "record approve 7");
    let config = config("[policy]\ntwo_person = [\"voids\"]\n");
    assert_eq!((who(&config, &void).as_str(), who(&config, approve).as_str()), ("pm", "m"));
    assert_eq!(who(&config, &format!("record reverse {WHO} --on 2026-11-20")), "m");
}

/// Goal: a command is in the table once, and the table names no other. Method: every command of the program by its words.
#[test]
fn the_table_names_every_command() {
    fn walk(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name()).trim().to_owned();
            if sub.has_subcommands() {
                walk(sub, &path, found);
            } else {
                found.insert(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Cli::command(), "", &mut found);
    let named: Vec<&str> = TABLE.iter().flat_map(|row| row.commands.iter().copied()).collect();
    let open = ["up", "run", "check"];
    let expected: BTreeSet<String> = named.iter().chain(&open).map(|&words| words.to_owned()).collect();
    assert_eq!(found, expected);
    assert_eq!(named.len() + open.len(), expected.len(), "one is named twice");
}

/// Goal: whoever is refused learns what is needed and who has it. Method: somebody without a role, one who lacks it, and a role
/// that nobody has.
#[test]
fn a_refusal_says_who_may() {
    let void = typed(&format!("record void {WHO} --on 2026-11-20"));
    for (user_name, name) in [("jo", "jo"), ("pia", "Pia Process")] {
        let why = permit(&config(""), &user(user_name), &void).expect_err("refused").to_string();
        assert_eq!(why, format!("{name} may not do this: it needs the role manager, which Max Manage has"));
    }
    let why = permit(&config(""), &user("ada"), &typed("import a --centre C1")).expect_err("refused").to_string();
    assert!(why.contains("processing or manager, which Pia Process, Max Manage have"), "{why}");
    let one = "[[operator]]\nname = \"Ada\"\nuser = \"ada\"\nroles = [\"auditor\"]\n";
    let one = Config::parse(one, Path::new("/")).expect("good");
    let why = permit(&one, &user("ada"), &void).expect_err("refused").to_string();
    assert!(why.contains("nobody has yet"), "{why}");
    let why = permit(&one, &user("ada"), &typed("scrub")).expect_err("refused").to_string();
    assert!(why.contains("only the superuser and the owner"), "{why}");
}

/// Goal: an operator signs by their own name; without operators only who could do without us signs with another, and nobody
/// hides who they are behind one. Method: a table.
#[test]
fn everybody_signs_as_themself() {
    let signed = |config: &Config, user: &User, named: &str| {
        let words = format!("held release 7 --reason good {named}");
        permit(config, user, &typed(&words)).map_err(|error| error.to_string())
    };
    let (named, none) = (config(""), Config::default());
    let owner = User { name: "pia".into(), owns: true };
    for owns in [owner.clone(), user("pia")] {
        assert_eq!(signed(&named, &owns, "").as_deref(), Ok("Pia Process"));
        assert_eq!(signed(&named, &owns, "--operator pia").as_deref(), Ok("Pia Process"));
        let why = signed(&named, &owns, "--operator max").expect_err("somebody else");
        assert!(why.contains("known as Pia Process"), "{why}");
    }
    assert_eq!(signed(&none, &user("pia"), "").as_deref(), Ok("pia"));
    assert_eq!(signed(&none, &user("pia"), "--operator pia").as_deref(), Ok("pia"));
    assert!(signed(&none, &user("pia"), "--operator jo").is_err());
    assert_eq!(signed(&none, &owner, "--operator jo").as_deref(), Ok("jo (as pia)"));
}
