//! What can be typed, and what is said about it.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use daybook_protocol::field::{Field, Kind};

use super::{Cli, Command, Globals, globals::CENTRAL_BELOW, record::Record, reference::Reference};
use crate::home::Home;

const LOG: &str = "00112233445566778899aabbccddeeff";

fn typed(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("daybook").chain(words.split_whitespace()))
}

/// Goal: the command line is consistent with itself. Method: clap's own check.
#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// Goal: the first page of help does not change by accident. Method: golden text.
#[test]
fn the_first_page_of_help() {
    insta::assert_snapshot!(Cli::command().render_long_help());
}

/// Goal: whoever asks for help on a command gets an example. Method: every command that is shown, and theirs.
#[test]
fn every_command_has_an_example() {
    fn walk(command: &clap::Command, path: &str, without: &mut Vec<String>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            let example = sub.get_after_help().is_some_and(|help| help.to_string().contains("daybook"));
            let about = sub.get_about().is_some();
            if sub.get_name() != "help" && (!example || !about) {
                without.push(path.clone());
            }
            walk(sub, &path, without);
        }
    }
    let mut without = Vec::new();
    walk(&Cli::command(), "daybook", &mut without);
    assert_eq!(without, Vec::<String>::new());
}

/// Goal: a command arrives at an agent as it was typed. Method: one of every form, through JSON and back.
#[test]
fn a_command_survives_the_socket() {
    let invite = daybook_protocol::invite::Invite { secret: [3; 16], authority: [9; 16] };
    let who = "--family-name Okafor --date-of-birth 2001-04-09";
    for words in [
        "up --sample".to_owned(),
        "run --log-format json".to_owned(),
        "central".to_owned(),
        format!("central invite --recover {LOG}"),
        "central agents".to_owned(),
        format!("central revoke {LOG} --reason stolen"),
        "central clear".to_owned(),
        format!("join central.example {invite} --name post-room"),
        "import a.csv b.csv --centre 12345 --kind enrolments --brand vtct --json".to_owned(),
        format!("record withdraw --registration R1-4 {who} --on 2026-11-20 --reason left_course --operator jo"),
        format!("record reverse --registration R1-4 {who} --on 2026-11-20 --reason mistake"),
        format!("record void --registration R1-4 {who} --on 2026-11-20 --reason mistake"),
        format!("record complete --registration R1-4 {who} --on 2026-11-20 --reason results"),
        format!(
            "record merge --registration R1-4 {who} --other-registration R1-9 --other-family-name Reid --reason passport"
        ),
        format!("record unmerge --registration R1-4 {who} --other-uln 1000000027 --reason twins"),
        format!("record alias --registration R1-4 {who} --other-uln 1000000027 --reason linked"),
        format!(
            "record transfer --registration R1-4 {who} --to-qualification 60087067 --on 2026-11-20 --consent both --reason moved"
        ),
        format!("record defer --uln 1000000019 {who} --from 2026-12-01 --resume-by 2027-03-01 --reason leave"),
        format!("record extend --registration R1-4 {who} --from 2026-12-01 --resume-by 2027-03-01 --reason leave"),
        format!("record resume --registration R1-4 {who} --on 2027-02-15 --reason back --notes early"),
        format!("record amend --uln 1000000019 {who} --field postcode --to LS14AP --reason moved"),
        "record dispatch --certificate C1 --registration R1-4 --on 2026-11-20 --carrier post --reason claim".to_owned(),
        "record return --certificate C1 --on 2026-11-28 --reason GONE_AWAY".to_owned(),
        "record redispatch --certificate C1 --on 2026-12-02 --evidence confirmed --reason again".to_owned(),
        "record from a.csv --kind voids --apply --operator jo".to_owned(),
        "record proposals".to_owned(),
        "record approve 7 --operator jo".to_owned(),
        "record decline 7 --reason no --notes n".to_owned(),
        "record clock --reason checked --operator jo".to_owned(),
        format!("entries --from 800 --follow --reveal --log {LOG}"),
        "history --uln 1000000019 --as-of 2026-06-30 --on 2013-10-01".to_owned(),
        "history --learner K1-7 --as-of 812".to_owned(),
        "history --certificate C1 --reveal --operator-key k".to_owned(),
        "report states --registration R1-4 --centre C1 --from 2026-01-01 --to 2026-06-30 --reveal --csv".to_owned(),
        "reference load centres centres.csv --dry-run --operator jo".to_owned(),
        "reference show".to_owned(),
        "replay --policy ../examples/agent.toml --from 2026-01-01 --to 2026-06-30 --csv".to_owned(),
        "status --check".to_owned(),
        "held list".to_owned(),
        "held show 7 --reveal".to_owned(),
        "held release 7 8 --reason good --operator jo".to_owned(),
        "verify --export d".to_owned(),
        format!("scrub --json --log {LOG}"),
        "metrics".to_owned(),
        "verify --export d --verifier k".to_owned(),
        "export d".to_owned(),
        format!("recover 127.0.0.1:7 {invite} --operator-key k"),
        "rebuild".to_owned(),
        "salvage".to_owned(),
        "check --config c".to_owned(),
        "probe-store d".to_owned(),
    ] {
        let mut command = typed(&words).unwrap_or_else(|error| unreachable!("{words}: {error}")).command;
        let sent = serde_json::to_string(&command).expect("encoded");
        if let Command::Import(import) = &mut command {
            assert_eq!(std::mem::take(&mut import.files).len(), 2, "files go another way");
        }
        if let Command::Record { what: Record::From(from) } = &mut command {
            assert_ne!(std::mem::take(&mut from.file), PathBuf::new(), "and so does this one");
        }
        if let Command::Reference { what: Reference::Load(load) } = &mut command {
            assert_eq!(std::mem::take(&mut load.file), Path::new("centres.csv"), "a file goes another way");
        }
        assert_eq!(serde_json::from_str::<Command>(&sent).expect(&sent), command, "{words}");
    }
}

/// Goal: mistakes are usage errors (status 2) that name what was meant. Method: a table of slips.
#[test]
fn slips_are_answered_with_what_was_meant() {
    for (words, kind, hint) in [
        ("stauts", ErrorKind::InvalidSubcommand, "status"),
        ("status --chek", ErrorKind::UnknownArgument, "--check"),
        ("import a.csv", ErrorKind::MissingRequiredArgument, "--centre"),
        ("reference load centre a.csv", ErrorKind::InvalidValue, "centres"),
        ("import --centre C1", ErrorKind::MissingRequiredArgument, "FILE"),
        ("import a --centre C1 --kind enrollments", ErrorKind::InvalidValue, "enrolments"),
        ("import a --centre ../x", ErrorKind::ValueValidation, "letters and digits"),
        ("history", ErrorKind::MissingRequiredArgument, "--uln"),
        ("history --uln 1000000019 --learner K1-7", ErrorKind::ArgumentConflict, "--learner"),
        ("history --uln 123", ErrorKind::ValueValidation, "10 digits"),
        ("history --uln 1000000019 --on 1/2/2026", ErrorKind::ValueValidation, "2026-11-21"),
        ("history --registration 48213", ErrorKind::ValueValidation, "R1-48213"),
        ("join central.example NOT-A-CODE", ErrorKind::ValueValidation, "daybook central invite"),
        ("held release 7", ErrorKind::MissingRequiredArgument, "--reason"),
        ("held map 7", ErrorKind::MissingRequiredArgument, "HEADING=FIELD"),
        ("held map 7 Ref=ulm", ErrorKind::ValueValidation, "date_of_birth"),
        ("held map 7 --value reason=x", ErrorKind::ValueValidation, "LEFT_COURSE"),
        ("record return --certificate C1 --on 2026-11-28 --reason gone", ErrorKind::InvalidValue, "GONE_AWAY"),
        (
            "record redispatch --certificate C1 --on 2026-12-02 --reason again",
            ErrorKind::MissingRequiredArgument,
            "--evidence",
        ),
        (
            "record withdraw --on 2026-11-20 --reason OTHER --family-name A --date-of-birth 2001-04-09",
            ErrorKind::MissingRequiredArgument,
            "--registration",
        ),
        ("report fils", ErrorKind::InvalidValue, "files"),
        ("entries --log 12", ErrorKind::ValueValidation, "32 hexadecimal digits"),
    ] {
        let error = typed(words).expect_err(words);
        assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{words}: {error}");
        assert!(error.to_string().contains(hint), "{words}: {error}");
    }
}

/// Goal: an operator's record says what the row of a file would say. Method: one that uses every column it can.
#[test]
fn a_record_is_a_row() {
    let words = "record redispatch --certificate C1 --on 2026-12-02 --carrier post --tracking T1 --address Leeds \
                 --evidence confirmed --reason again --notes n --operator jo";
    let Command::Record { what } = typed(words).expect("a record").command else { unreachable!("it is a record") };
    assert_eq!(what.operator(), Some("jo"));
    let row: Vec<(Field, String)> = [
        (Field::CertificateNo, "C1"),
        (Field::DispatchedOn, "2026-12-02"),
        (Field::Carrier, "post"),
        (Field::Tracking, "T1"),
        (Field::Address, "Leeds"),
        (Field::Evidence, "confirmed"),
        (Field::Reason, "again"),
        (Field::Notes, "n"),
    ]
    .map(|(field, value)| (field, value.to_owned()))
    .to_vec();
    assert_eq!(what.row(), Some((Kind::Redispatches, row)));
    let words = "record withdraw --uln 1000-000-019 --family-name Okafor --date-of-birth 2001-04-09 --on 2026-11-20 \
                 --reason left_course";
    let Command::Record { what: what @ Record::Withdraw { .. } } = typed(words).expect("a record").command else {
        unreachable!("it is a withdrawal")
    };
    let (kind, row) = what.row().expect("a row");
    assert_eq!((kind, row.first()), (Kind::Withdrawals, Some(&(Field::Uln, "1000000019".to_owned()))));
    assert!(row.contains(&(Field::WithdrawalReason, "LEFT_COURSE".to_owned())), "{row:?}");
}

/// Goal: a copy is looked for where either kind of central node keeps it, and a central node is found in both its places.
/// Method: make each in turn.
#[test]
fn homes_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = LOG.parse().expect("a log id");
    let globals = Globals { data: Some(directory.path().to_owned()), log: Some(log), ..Globals::default() };
    let (here, below) = (Home::new(directory.path()), Home::new(directory.path().join(CENTRAL_BELOW)));
    let error = globals.home().expect_err("no copy yet").to_string();
    assert!(error.contains(LOG) && error.contains("daybook central agents"), "{error}");
    assert_eq!(globals.central_home(), here);
    std::fs::create_dir_all(below.copy_of(log).path()).expect("made");
    std::fs::create_dir_all(below.authority()).expect("made");
    assert_eq!((globals.home().ok(), globals.central_home()), (Some(below.copy_of(log)), below));
    std::fs::create_dir_all(here.copy_of(log).path()).expect("made");
    std::fs::create_dir_all(here.authority()).expect("made");
    assert_eq!((globals.home().ok(), globals.central_home()), (Some(here.copy_of(log)), here));
}
