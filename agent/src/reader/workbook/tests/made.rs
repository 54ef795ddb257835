//! What the cells of a workbook mean: one workbook made for each question.

use daybook_protocol::field::Field;
use proptest::{collection::vec, prelude::*};
use rust_xlsxwriter::{Format, Formula};

use super::*;

const ROW: [&str; 6] = ["5958768343", "Zoë", "O'Neill, née \"Luk\"", "1963-01-29", "667/0808/4", "2013-04-25"];

/// Goal: each kind of cell is written as a person sees it. Method: one sheet with all kinds.
#[test]
fn cells_are_written_as_they_are_seen() {
    let zeros = Format::new().set_num_format("0000000000");
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let bytes = xlsx(|sheet| {
        put(sheet, 0, &HEADER);
        sheet.write_number(1, 0, 5_958_768_343_f64).expect("written");
        sheet.write_string(1, 1, "two\nlines, \"quoted\"").expect("written");
        sheet.write_boolean(1, 2, true).expect("written");
        sheet.write_number_with_format(1, 3, 38_384, &date).expect("written");
        sheet.write_number_with_format(1, 4, 1234, &zeros).expect("written");
        sheet.write_number_with_format(1, 5, 38_384.75, &date).expect("written");
        sheet.write_formula(2, 0, Formula::new("=1/3").set_result("0.333333333333333")).expect("written");
        sheet.write_formula(2, 1, Formula::new("=\"a\"&\"b\"").set_result("ab")).expect("written");
        sheet.write_number_with_format(2, 3, 60, &date).expect("written");
        sheet.write_number(2, 5, 0.1 + 0.2).expect("written");
    });
    let table = read_all(&bytes).expect("a good workbook");
    assert_eq!(table.plan.encoding, Encoding::Xlsx);
    let expected = [
        ["5958768343", "two\nlines, \"quoted\"", "TRUE", "2005-02-01", "0000001234", "2005-02-01 18:00:00"],
        ["0.333333333333333", "ab", "", "1900-02-29", "", "0.3"],
    ];
    let expected: Vec<_> = (2..).zip(expected.map(|row| row.map(str::to_owned).to_vec())).collect();
    assert_eq!(table.rows, expected);
    assert_eq!(table.codes, [Code::ZEROS_RESTORED]);
    assert_eq!(table.lines, Lines { header: 1, row: 2, ..Lines::default() });
}

/// Goal: a line is the row of the sheet, whatever stands above, between and inside cells. Method: a table that begins in a
/// corner of the sheet, with breaks in its cells and gaps.
#[test]
fn a_line_is_the_row_of_the_sheet() {
    let bytes = xlsx(|sheet| {
        put(sheet, 2, &["Enrolments\nof Riverside"]);
        put(sheet, 4, &HEADER);
        put(sheet, 5, &ROW);
        put(sheet, 8, &["1", "", "", "a\nb\nc"]);
        put(sheet, 9, &ROW);
        put(sheet, 10, &["Total", "", "3"]);
    });
    let table = read_all(&bytes).expect("a good workbook");
    assert_eq!(table.plan.header_line, 5);
    assert_eq!(table.rows.iter().map(|row| row.0).collect::<Vec<_>>(), [6, 9, 10]);
    let short = table.rows.get(1).map(|row| row.1.len());
    assert_eq!(short, Some(6), "a short row is as wide as the header");
    assert_eq!(table.lines, Lines { header: 1, title: 1, blank: 5, total: 1, note: 0, row: 3 });
}

/// Goal: the error of a formula is told from text and from a blank cell. Method: both words in one row, and an error in a
/// column that means nothing.
#[test]
fn errors_of_formulas_are_faults_of_their_cells() {
    let bytes = xlsx(|sheet| {
        put(sheet, 0, &["ULN", "Forename", "Surname", "DOB", "QAN", "Start date", "Shoe size"]);
        put(sheet, 1, &["1", "#N/A", "", "4", "5", "6", "7"]);
        sheet.write_formula(1, 2, Formula::new("=NA()").set_result("#N/A")).expect("written");
        sheet.write_formula(1, 6, Formula::new("=1/0").set_result("#DIV/0!")).expect("written");
    });
    let open = || Ok(Box::new(Cursor::new(bytes.clone())) as Source);
    let planned = plan(&open, &Wanted::default()).expect("a plan");
    let mut rows = rows(open().expect("opened"), &planned.plan);
    let row = rows.next().expect("read").expect("a row");
    assert_eq!(row.faults(&planned.plan.columns), [(Field::FamilyName, Code::CELL_ERROR)]);
    assert_eq!((row.value(Field::GivenNames), row.value(Field::FamilyName)), ("", "#N/A"));
    assert!(row.raw().eq(["1", "#N/A", "#N/A", "4", "5", "6", "#DIV/0!"]));
}

/// Goal: what a person does not see is flagged and not dropped. Method: hidden sheets, rows and columns.
#[test]
fn what_is_hidden_is_flagged() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    put(sheet, 0, &HEADER);
    put(sheet, 1, &ROW);
    put(sheet, 2, &ROW);
    let bytes = workbook.save_to_buffer().expect("made");
    assert_eq!(read_all(&bytes).expect("a good workbook").codes, []);
    workbook.worksheet_from_index(0).expect("there").set_row_hidden(2).expect("hidden");
    let bytes = workbook.save_to_buffer().expect("made");
    let table = read_all(&bytes).expect("a good workbook");
    assert_eq!((table.codes.as_slice(), table.rows.len()), (&[Code::ROWS_HIDDEN][..], 2));
    let sheet = workbook.add_worksheet();
    put(sheet, 0, &HEADER);
    put(sheet, 1, &ROW);
    sheet.set_hidden(true);
    let bytes = workbook.save_to_buffer().expect("made");
    let table = read_all(&bytes).expect("a good workbook");
    assert_eq!((table.codes.as_slice(), table.rows.len()), (&[Code::SHEET_HIDDEN, Code::ROWS_HIDDEN][..], 2));
}

/// Goal: a merged cell counts for its first row, and the rows below say why they lack a value. Method: one merge over three
/// rows, and one in a title.
#[test]
fn merged_cells_are_not_filled_down() {
    let bytes = xlsx(|sheet| {
        sheet.merge_range(0, 0, 0, 5, "Enrolments", &Format::new()).expect("merged");
        put(sheet, 1, &HEADER);
        for row in 2..5 {
            put(sheet, row, &ROW);
        }
        sheet.merge_range(2, 4, 4, 4, "667/0808/4", &Format::new()).expect("merged");
    });
    let open = || Ok(Box::new(Cursor::new(bytes.clone())) as Source);
    let planned = plan(&open, &Wanted::default()).expect("a plan");
    let mut rows = rows(open().expect("opened"), &planned.plan);
    let mut found = Vec::new();
    while let Some(row) = rows.next().expect("read") {
        found.push((row.value(Field::Qualification).to_owned(), row.faults(&planned.plan.columns).len()));
    }
    assert_eq!(found, [("667/0808/4".to_owned(), 0), (String::new(), 1), (String::new(), 1)]);
    assert_eq!(rows.lines(), Lines { header: 1, title: 1, row: 3, ..Lines::default() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Goal: a table of texts gives the same rows as text and as a workbook. Method: random cells, quoted in the text file.
    #[test]
    fn a_table_of_texts_is_the_same_in_both(
        cells in vec(vec("[ -~é\u{2019}Ł\n]{0,9}", 6), 0..12)
    ) {
        let quoted = |row: &[String]| {
            let cells: Vec<String> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            cells.join(",") + "\r\n"
        };
        let header: Vec<String> = HEADER.map(str::to_owned).to_vec();
        let text: String = std::iter::once(&header).chain(&cells).map(|row| quoted(row)).collect();
        let bytes = xlsx(|sheet| {
            for (row, cells) in (0..).zip(std::iter::once(&header).chain(&cells)) {
                put(sheet, row, &cells.iter().map(String::as_str).collect::<Vec<_>>());
            }
        });
        let (text, book) = (read_all(text.as_bytes()).expect("text"), read_all(&bytes).expect("a workbook"));
        let cells = |table: &Table| table.rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>();
        prop_assert_eq!(cells(&text), cells(&book));
        // Blank rows at the end are not there in a sheet.
        let lines = |table: &Table| Lines { blank: 0, ..table.lines };
        prop_assert_eq!(lines(&text), lines(&book));
    }
}
