use daybook_protocol::date::Date;

use super::*;
use crate::desk::Registers;
use daybook_protocol::ids::{LogId, Sequence};

const CENTRES: &str = "Centre,Name,Agent,Qualification,ApprovedFrom,ApprovedTo,DirectClaim,SanctionFrom,SanctionTo\n";

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

fn registers(files: &[(Register, &[u8])]) -> Registers {
    let mut registers = Registers::default();
    for (register, bytes) in files {
        registers.adopt(Sequence(1), read(*register, bytes).expect("a good file").content);
    }
    registers
}

/// What is wrong with a file, a line each.
fn refused(register: Register, file: &str) -> Vec<String> {
    let refused = read(register, file.as_bytes()).expect_err("a bad file");
    assert!(refused.to_string().starts_with(&refused.faults[0].to_string()));
    refused.faults.iter().map(Fault::to_string).collect()
}

/// Goal: the headings of the Ofqual register are known, in its own spelling and in a spreadsheet's, with dates as either writes
/// them. Method: the same qualification in two files, asked on the days around its ends.
#[test]
fn qualifications_are_read() {
    let api = "Id,QualificationNumber,Title,OperationalStartDate,OperationalEndDate,CertificationEndDate,MinimumAge\n\
               7,601/5886/4,\"Hair, and more\",2015-09-01T00:00:00,2024-08-31T00:00:00,2026-08-31T00:00:00,16\n\
               8,603/2496/X,Beauty,2017-01-01,,,\n";
    let sheet = "\u{feff}Qualification Number,minimum age,Operational start date,Operational End Date,Certification End Date\r\n\
                 60158864,16,01/09/2015,31/08/2024,31/08/2026\r\n6032496x,,01/01/2017,,\r\n,,,,\r\n";
    for file in [api, sheet] {
        let read = read(Register::Qualifications, file.as_bytes()).expect("a good file");
        assert_eq!((read.rows, read.lacks.len()), (2, 0), "{file}");
        let registers = registers(&[(Register::Qualifications, file.as_bytes())]);
        for (number, on, age, code) in [
            ("60158864", "2015-08-31", 20, "3R-005"),
            ("60158864", "2015-09-01", 16, ""),
            ("60158864", "2024-08-31", 15, "2L-010"),
            ("60158864", "2024-09-01", 20, "3R-005"),
            ("6032496X", "2050-01-01", 1, ""),
            ("60087067", "2020-01-01", 20, "3R-003"),
        ] {
            let against = registers.against_registration(("C1", number), day(on), Some(age));
            let found = against.map_or(String::new(), |it| it.findings[0].code.to_string());
            assert_eq!(found, code, "{number} {on} {age}");
        }
        assert!(registers.against_certificate("60158864", day("2026-08-31")).is_none());
        assert!(registers.against_certificate("60158864", day("2026-09-01")).is_some());
    }
    let numbers = read(Register::Qualifications, b"QualificationNumber\n60158864\n").expect("a good file");
    assert_eq!(numbers.lacks, ["OperationalStartDate", "OperationalEndDate", "CertificationEndDate", "MinimumAge"]);
}

/// Goal: the centres' own layout is read as it is documented, and in any encoding that a spreadsheet saves. Method: the example, in
/// three encodings.
#[test]
fn centres_are_read() {
    let log = LogId([0xA5; 16]);
    let file = format!(
        "{CENTRES}riverside,Café,{log},601/5886/4,2020-09-01,,yes,2024-01-01,2024-02-29\nC2,,,,,31/08/2024,,,\n"
    );
    let windows: Vec<u8> = file.chars().map(|c| u8::try_from(c).expect("a letter of Windows-1252")).collect();
    let utf16: Vec<u8> = std::iter::once(0xFEFF).chain(file.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for bytes in [file.as_bytes(), &windows, &utf16] {
        let registers = registers(&[(Register::Centres, bytes)]);
        let codes = |centre, number, on| {
            let against = registers.against_registration((centre, number), day(on), None);
            against.map_or(String::new(), |it| it.findings[0].code.to_string())
        };
        assert_eq!(codes("RIVERSIDE", "60158864", "2020-09-01"), "");
        assert_eq!(codes("RIVERSIDE", "60158864", "2024-02-29"), "3R-010");
        assert_eq!(codes("RIVERSIDE", "6032496X", "2020-09-01"), "3R-002");
        assert_eq!(
            (codes("C2", "6032496X", "2024-08-31"), codes("C2", "6032496X", "2024-09-01")),
            (String::new(), "3R-002".into())
        );
        assert_eq!(registers.elsewhere("Riverside", LogId([1; 16])), Some(log));
        let Content::Centres(centres) = read(Register::Centres, bytes).expect("good").content else { unreachable!() };
        assert_eq!((centres.count(), centres.approvals(day("2024-02-01"))), (2, (2, 1, 1)));
    }
}

/// Goal: whatever is wrong is told where it is, all of it, and nothing is taken. Method: a table of files.
#[test]
fn what_is_wrong_is_told_by_line_and_column() {
    use Register::{Centres, Qualifications};
    let centre = |rows: &str| format!("{CENTRES}{rows}");
    for (register, file, expected) in [
        (Qualifications, String::new(), &["line 1: the file is empty"][..]),
        (Qualifications, "QualificationNumber\n".into(), &["line 1: no row stands below the headings"]),
        (Qualifications, "Number,Title\n1,2\n".into(), &["line 1, QualificationNumber: is no heading"]),
        (
            Qualifications,
            "QualificationNumber\n60158864\n601/5886/4\n".into(),
            &["line 3, QualificationNumber: stands there"],
        ),
        (
            Qualifications,
            "QualificationNumber\n6.0158864E7\n\n603/2496/X/KNO\n".into(),
            &["line 2, Qual", "line 4, Qual"],
        ),
        (
            Qualifications,
            "QualificationNumber,MinimumAge\n60158864,sixteen\n,1\n".into(),
            &["line 2, MinimumAge: \"sixteen\" is", "line 3, QualificationNumber: is empty"],
        ),
        (
            Qualifications,
            "QualificationNumber,Title\n60158864,\"open\n6032496X,b\n".into(),
            &["line 1: somewhere a quotation mark"],
        ),
        (
            Qualifications,
            "QualificationNumber,Title,Note\n60158864,\"a,b\n6032496X,\"c,d\n".into(),
            &["line 2: has other rows"],
        ),
        (Qualifications, "QualificationNumber,Title\n60158864\n".into(), &["line 2: has 1 columns"]),
        (
            Centres,
            "Centre,SanctionStart\nC1,2024-01-01\n".into(),
            &["line 1: \"SanctionStart\" is no heading of this register"],
        ),
        (Centres, "Centre,centre\nC1,C2\n".into(), &["line 1, Centre: stands there twice"]),
        (Centres, centre("C-1,,,,,,,,\n"), &["line 2, Centre: \"C-1\" is no centre number"]),
        (
            Centres,
            centre("C1,,agent,60158864x,31/02/2024,,perhaps,,\n"),
            &[
                "line 2, Agent: ",
                "line 2, Qualification: ",
                "line 2, ApprovedFrom: \"31/02/2024\"",
                "line 2, DirectClaim: ",
            ],
        ),
        (Centres, centre("C1,,,,2024-02-01,2024-01-31,,,\n"), &["line 2, ApprovedTo: lies before ApprovedFrom"]),
        (Centres, centre("C1,,,,,,,,\nC1,,a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5,,,,,,\n"), &["line 3, Agent: is another"]),
    ] {
        let found = refused(register, &file);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} {expected}");
        }
    }
    let many = read(Centres, centre(&"-\n".repeat(50)).as_bytes()).expect_err("bad rows");
    assert_eq!((many.faults.len(), many.more), (FAULTS_MAX, 30));
    assert!(many.to_string().ends_with("and 30 more"));
}
