//! A working week of an awarding organisation: ten centres with their habits, two operators and a manager, a policy that changes on
//! Wednesday. At its end the reports say what a sheet says that was worked out by hand.
//!
//! To be several users this has to be the superuser; as anybody else it tells so and looks at nothing.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod harness;
#[path = "week/office.rs"]
mod office;
#[path = "week/sheet.rs"]
mod sheet;

use office::{MANAGER, Office, PIA, SAM, day, order, uln};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

const ENROLMENTS: &str = "ULN,First name,Last name,Date of birth,Qualification number,Start date";
const PERSON: &str = "ULN,Last name,Date of birth";

/// The row of a learner who begins in autumn.
fn enrolment(learner: u32) -> String {
    format!("{},Jane,{},2004-05-06,601/5886/4,2025-09-01", uln(learner), name(learner))
}

/// Each has a family name of their own, or they would be one person.
fn name(learner: u32) -> String {
    let letter = |place: u32| char::from_u32(u32::from('a') + place).expect("a letter");
    format!("Do{}{}", letter(learner / 26), letter(learner % 26))
}

fn enrolments(learners: impl IntoIterator<Item = u32>) -> String {
    let rows: Vec<String> = learners.into_iter().map(enrolment).collect();
    format!("{ENROLMENTS}\n{}\n", rows.join("\n"))
}

/// A file of some heading about some learners, each with what is asked of them.
fn about(heading: &str, rows: &[(u32, String)]) -> String {
    let row = |(learner, rest): &(u32, String)| format!("{},{},2004-05-06,{rest}\n", uln(*learner), name(*learner));
    format!("{PERSON},{heading}\n{}", rows.iter().map(row).collect::<String>())
}

/// Titles above, semicolons, an accent in Windows-1252, and a ULN whose check digit is wrong.
fn titled() -> Vec<u8> {
    let wrong = |row: String| {
        let (uln, rest) = row.split_once(',').expect("a ULN");
        let last = if uln.ends_with('1') { "2" } else { "1" };
        format!("{}{last},{rest}", &uln[..9])
    };
    let rows: Vec<String> = (5..9).map(enrolment).chain([wrong(enrolment(9))]).collect();
    let text = format!("Hilltop College\nRegistrations for the week\n{ENROLMENTS}\n{}\n", rows.join("\n"));
    text.replace(',', ";").replace("Jane", "Siân").chars().map(|letter| u8::try_from(letter).expect("Latin")).collect()
}

/// Numbers for ULNs and dates as Excel has them.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    for (column, heading) in (0..).zip(ENROLMENTS.split(',')) {
        sheet.write(0, column, heading).expect("written");
    }
    for (row, learner) in (1..).zip(10..13) {
        let day = |text: &str| ExcelDateTime::parse_from_str(text).expect("a date");
        sheet.write_number(row, 0, uln(learner).parse::<f64>().expect("digits")).expect("written");
        sheet.write(row, 1, "Jane").and_then(|it| it.write(row, 2, name(learner))).expect("written");
        sheet.write_with_format(row, 3, day("2004-05-06"), &date).expect("written");
        sheet.write(row, 4, "601/5886/4").expect("written");
        sheet.write_with_format(row, 5, day("2025-09-01"), &date).expect("written");
    }
    book.save_to_buffer().expect("saved")
}

/// One learner's delivery that ended early.
fn learner_record() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Message xmlns=\"ESFA/ILR/2025-26\"><Header/><Learner><LearnRefNumber>1</LearnRefNumber>\
         <ULN>{}</ULN><FamilyName>{}</FamilyName><GivenNames>Jane</GivenNames><DateOfBirth>2004-05-06</DateOfBirth>\
         <LearningDelivery><LearnAimRef>60158864</LearnAimRef><LearnStartDate>2025-09-01</LearnStartDate><CompStatus>3</CompStatus>\
         <LearnActEndDate>2026-01-20</LearnActEndDate><WithdrawReason>3</WithdrawReason></LearningDelivery></Learner></Message>\n",
        uln(27),
        name(27)
    )
}

/// Goal: the whole of an office's work comes out as a person would have it: every row of every habit, every ruling and every word of
/// an operator, and a policy that changes in the midst. Method: the week below; files, withdrawals, states and overrides as reports
/// tell them, held against the sheet.
#[test]
fn a_working_week_ends_as_on_the_sheet() {
    let Some(mut office) = Office::open() else { return };
    monday(&office);
    tuesday(&office);
    office.adopt(&format!("[[policy.since]]\nfrom = {}\nname = \"from Wednesday\"\ndeferrals_max = 1\n", day(-4)));
    wednesday(&office);
    thursday(&office);
    friday(&office);
    office.close();
    sheet::check(&office);
}

fn monday(office: &Office) {
    office.drop_file("C01", "clean.csv", enrolments(0..5).as_bytes());
    office.drop_file("C02", "titled.csv", &titled());
    office.drop_file("C03", "book.xlsx", &workbook());
    office.drop_file("C04", "five.csv", enrolments(13..18).as_bytes());
    office.drop_file("C05", "two.csv", enrolments(18..20).as_bytes());
    office.drop_file("C05", "two (1).csv", enrolments(18..20).as_bytes());
    office.drop_file("C06", "one.csv", enrolments(20..21).as_bytes());
    office.drop_file("C07", "three.csv", enrolments(21..24).as_bytes());
    office.drop_file("C09", "three.csv", enrolments(24..27).as_bytes());
}

fn tuesday(office: &Office) {
    // Names the wrong way round, and another ULN: the centre says on the telephone that it is a slip.
    let slip = format!("{ENROLMENTS}\n{},{},Jane,2004-05-06,601/5886/4,2025-09-01\n", uln(40), name(20));
    let held = office.held(|| office.drop_file("C06", "again.csv", slip.as_bytes()));
    office.said_by(SAM, &["held", "refuse", &held, "--reason", "a slip of the centre"]);
    let left = |learner: u32, reason: &str| (learner, format!("2026-01-15,{reason}"));
    let heading = "Withdrawal date,Reason for withdrawal";
    let rows = [left(21, "LEFT_COURSE"), left(22, ""), left(23, "OTHER")];
    office.drop_file("C07", "left.csv", about(heading, &rows).as_bytes());
    let spoilt = enrolments(28..34).replace("2025-09-01", "2025-13-40");
    let held = office.held(|| office.drop_file("C08", "spoilt.csv", spoilt.as_bytes()));
    office.said_by(PIA, &["held", "refuse", &held, "--reason", "the centre sends it anew"]);
    let own: Vec<_> = (13..18).map(|learner| left(learner, "Gone fishing")).collect();
    let held = office.held(|| office.drop_file("C04", "left.csv", about(heading, &own).as_bytes()));
    office.said_by(PIA, &["held", "map", &held, "--value", "withdrawal_reason:Gone fishing=LEFT_COURSE"]);
}

fn wednesday(office: &Office) {
    let away = |learner: u32, from: i32| (learner, format!("{},{},leave", day(from), day(from + 30)));
    let heading = "Defer from,Resume by,Deferral reason";
    office.drop_file("C09", "away.csv", about(heading, &[away(24, -6), away(25, -6)]).as_bytes());
    let back = |learner: u32| (learner, day(-5));
    office.drop_file("C09", "back.csv", about("Resumed on", &[back(24), back(25)]).as_bytes());
    // Twice was allowed until Tuesday.
    office.drop_file("C09", "away again.csv", about(heading, &[away(24, -3), away(25, -5)]).as_bytes());
}

fn thursday(office: &Office) {
    office.drop_file("C10", "ILR.xml", learner_record().as_bytes());
    let back = office.resend_file("C02");
    let mended = office::with_uln(&back, &uln(9));
    office.drop_file("C02", "titled mended.csv", mended.as_bytes());
    let void = office.registration(19);
    office.said_by(SAM, &order("void", 19, &["--registration", &void, "--on", &day(0), "--reason", "made twice"]));
    let proposed = office.latest("OrderProposed");
    assert!(
        !office.ask_as(SAM, &["record", "approve", &proposed]).status.success(),
        "nobody approves what is their own"
    );
    office.said_by(MANAGER, &["record", "approve", &proposed]);
    let gone = (0, "2026-01-15,LEFT_COURSE".to_owned());
    office.drop_file("C01", "left.csv", about("Withdrawal date,Reason for withdrawal", &[gone]).as_bytes());
    let back = ["--uln", &uln(0), "--on", "2026-01-15", "--reason", "the wrong learner"];
    assert!(!office.ask_as(PIA, &order("reverse", 0, &back)).status.success(), "it takes a manager");
    office.said_by(MANAGER, &order("reverse", 0, &back));
}

fn friday(office: &Office) {
    let to = ["--uln", &uln(10), "--given-names", "Jane", "--to-centre", "C01", "--on", &day(-2)];
    let agreed = ["--consent", "both by mail", "--reason", "moved house"];
    office.said_by(PIA, &order("transfer", 10, &[&to[..], &agreed].concat()));
    let results = ["--uln", &uln(1), "--on", &day(-2), "--reason", "all units seen"];
    office.said_by(MANAGER, &order("complete", 1, &results));
    // On its very first day: an auditor will ask.
    let at_once = ["--uln", &uln(11), "--on", "2025-09-01", "--reason", "all units seen"];
    office.said_by(MANAGER, &order("complete", 11, &at_once));
    let no = office.registration(1);
    let sent =
        ["record", "dispatch", "--certificate", "C0001", "--registration", &no, "--on", &day(-2), "--reason", "claim"];
    office.said_by(SAM, &sent);
    office.said_by(SAM, &["record", "return", "--certificate", "C0001", "--on", &day(0), "--reason", "GONE_AWAY"]);
}
