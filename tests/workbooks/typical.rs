//! The typical errors of DOMAIN.md 6.4 that workbooks bring, one row for each.

use daybook_protocol::{
    event::Encoding,
    field::Field,
    finding::{Code, Finding},
};
use rust_xlsxwriter::{Format, Formula, Workbook, Worksheet, XlsxError};

use super::same::{Judged, judged};

const HEADER: [&str; 6] = ["ULN", "First name", "Last name", "Date of birth", "Qualification number", "Start date"];

/// Writes what is wrong into a good row.
type Fault = fn(&mut Worksheet, u32) -> Result<(), XlsxError>;

/// What is wrong, what is found (nothing where the row passes as it stands), and whether it passes.
type Case = (&'static str, Fault, &'static [(Code, Field)], bool);

fn date() -> Format {
    Format::new().set_num_format("dd/mm/yyyy")
}

const CASES: [Case; 11] = [
    ("nothing", |_, _| Ok(()), &[], true),
    ("a ULN as a number", |sheet, row| sheet.write_number(row, 0, 1_000_000_019).map(drop), &[], true),
    (
        "a ULN in scientific format, with all its digits",
        |sheet, row| {
            let format = Format::new().set_num_format("0.00E+00");
            sheet.write_number_with_format(row, 0, 1_000_000_019, &format).map(drop)
        },
        &[],
        true,
    ),
    (
        "a ULN rounded away in its text",
        |sheet, row| sheet.write_string(row, 0, "1.23E+09").map(drop),
        &[(Code::ULN_SCIENTIFIC, Field::Uln)],
        false,
    ),
    ("a date of birth as text", |sheet, row| sheet.write_string(row, 3, "06/05/2004").map(drop), &[], true),
    (
        "an empty cell turned into a date",
        |sheet, row| sheet.write_number_with_format(row, 3, 0, &date()).map(drop),
        &[(Code::DATE_IMPLAUSIBLE, Field::DateOfBirth)],
        false,
    ),
    (
        "the day that never was",
        |sheet, row| sheet.write_number_with_format(row, 3, 60, &date()).map(drop),
        &[(Code::DATE_INVALID, Field::DateOfBirth)],
        false,
    ),
    (
        "a code turned into a date",
        |sheet, row| sheet.write_number_with_format(row, 4, 45_293, &date()).map(drop),
        &[(Code::QN_FORMAT, Field::Qualification)],
        false,
    ),
    (
        "a formula in error",
        |sheet, row| sheet.write_formula(row, 2, Formula::new("=NA()").set_result("#N/A")).map(drop),
        &[(Code::CELL_ERROR, Field::FamilyName)],
        false,
    ),
    (
        "a value missing below a merged cell",
        |sheet, row| sheet.merge_range(row, 4, row + 1, 4, "601/5886/4", &Format::new()).map(drop),
        &[],
        true,
    ),
    (
        "that row",
        |_, _| Ok(()),
        &[(Code::REQUIRED_MISSING, Field::Qualification), (Code::MERGED_CELLS, Field::Qualification)],
        false,
    ),
];

/// Goal: what goes wrong in workbooks has its finding, and what only looks wrong has none. Method: a good row for each case, with
/// that case put into it.
#[test]
fn typical_errors_are_found() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, heading) in (0..).zip(HEADER) {
        sheet.write_string(0, column, heading).expect("written");
    }
    for row in (1..).take(CASES.len()) {
        for (column, cell) in (0..).zip(["1000000019", "Jane", "Doe"]) {
            sheet.write_string(row, column, cell).expect("written");
        }
        sheet.write_number_with_format(row, 3, 38_113, &date()).expect("written");
        sheet.write_string(row, 4, "601/5886/4").expect("written");
        sheet.write_number_with_format(row, 5, 45_537.0, &date()).expect("written");
    }
    for (row, (_, fault, ..)) in (1..).zip(CASES) {
        fault(sheet, row).expect("written");
    }
    let bytes = workbook.save_to_buffer().expect("made");
    let (found, _) = judged(&bytes, Encoding::Xlsx);
    assert_eq!(found.len(), CASES.len());
    for (Judged { findings, passed, .. }, (what, _, expected, passes)) in found.iter().zip(CASES) {
        let expected: Vec<Finding> = expected.iter().map(|(code, field)| Finding::of(*code, *field)).collect();
        assert_eq!((findings, *passed), (&expected, passes), "{what}");
    }
}
