//! Workbooks dropped as people drop them, and what their senders hear.

mod harness;
#[path = "workbooks/same.rs"]
mod same;
#[path = "workbooks/typical.rs"]
mod typical;

use std::fs;

use harness::{Desk, Fixture};
use rust_xlsxwriter::{Format, Formula, Workbook};

/// Goal: a workbook is taken, judged and answered as a text file is. Method: the rows of a made-up text file as XLSX, with real
/// dates and numbers; the same verdicts on the same lines, and a second run from the log says the same.
#[test]
fn a_workbook_is_answered_as_a_text_file_is() {
    let text = Fixture::enrolments(1, 30);
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    for (row, line) in (0..).zip(text.lines()) {
        for (column, cell) in (0..).zip(line.split(',')) {
            let days = excel_day(cell).filter(|_| row > 0);
            match (days, cell.parse::<f64>()) {
                (Some(days), _) => sheet.write_number_with_format(row, column, days, &date),
                (None, Ok(number)) => sheet.write_number(row, column, number),
                (None, Err(_)) => sheet.write_string(row, column, cell),
            }
            .expect("written");
        }
    }
    let bytes = workbook.save_to_buffer().expect("made");
    let mut desk = Desk::new("local");
    desk.drop_file(Fixture { name: "enrolments.xlsx".to_owned(), bytes, ..text });
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();
    desk.check_log(false);
    let parsed = desk.json(&["entries"]).into_iter().find(|entry| entry["type"] == "FileParsed").expect("a plan");
    assert_eq!(parsed["plan"]["encoding"], "xlsx", "{parsed:?}");
}

/// The day of a date such as 1985-02-01 as a spreadsheet counts it.
fn excel_day(cell: &str) -> Option<f64> {
    let date: jiff::civil::Date = cell.parse().ok()?;
    let days = date.since(jiff::civil::date(1899, 12, 30)).ok()?.get_days();
    Some(f64::from(days))
}

/// Goal: what is no table, or more than one, is kept and held with its reason, and one with a password goes back. Method: one file
/// of each, under a name that says otherwise; receipts and places looked at.
#[test]
fn what_is_not_read_is_held_with_its_reason() {
    let mut workbook = Workbook::new();
    let fixture = Fixture::enrolments(2, 2);
    for _ in 0..2 {
        let sheet = workbook.add_worksheet();
        for (row, line) in (0..).zip(fixture.lines()) {
            for (column, cell) in (0..).zip(line.split(',')) {
                sheet.write_string(row, column, cell).expect("written");
            }
        }
    }
    let sheet = workbook.add_worksheet();
    for column in 0..4 {
        sheet.write_formula(0, column, Formula::new("=1+1").set_result("2")).expect("written");
    }
    let two = workbook.save_to_buffer().expect("made");
    let files = [
        ("page.xls", b"<html><table><tr><td>ULN</td></tr></table></html>".to_vec(), "1F-022", "held"),
        ("paper.csv", b"%PDF-1.7 and so on".to_vec(), "1F-024", "held"),
        ("orders.csv", b"<?xml version=\"1.0\"?><a2c/>".to_vec(), "1F-026", "held"),
        ("two.csv", two, "1F-027", "held"),
        ("broken.xlsx", b"PK\x03\x04 and no more".to_vec(), "1F-001", "done"),
    ];
    let mut desk = Desk::new("local");
    for (name, bytes, ..) in &files {
        let plain = Fixture::other(name, "");
        desk.drop_file(Fixture { bytes: bytes.clone(), ..plain });
    }
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();
    for (name, _, code, place) in files {
        let stem = name.split('.').next().expect("a stem");
        let receipt = desk
            .names("receipts")
            .into_iter()
            .find(|receipt| receipt.contains(stem) && receipt.ends_with("_receipt.txt"));
        let receipt = receipt.unwrap_or_else(|| unreachable!("no receipt for {name}: {:?}", desk.names("receipts")));
        let told = fs::read_to_string(desk.folder.join("receipts").join(receipt)).expect("text");
        assert!(told.contains(code), "{name}: {told}");
        assert_eq!(desk.names("held").iter().any(|filed| filed.contains(name)), place == "held", "{name}");
    }
}
