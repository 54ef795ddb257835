use super::*;
use crate::desk::scene::day;

const HERE: LogId = LogId([1; 16]);
const THERE: LogId = LogId([2; 16]);

fn period(from: &str, to: &str) -> Period {
    let end = |text: &str| (!text.is_empty()).then(|| day(text));
    Period { from: end(from), to: end(to) }
}

fn qualification_no(text: &str) -> QualificationNo {
    QualificationNo::of(text).expect("a number")
}

/// Two qualifications and four centres, loaded by entries 7 and 8.
fn registers() -> Registers {
    let mut qualifications = Qualifications::default();
    let limited = Qualification {
        operational: period("2020-01-01", "2024-12-31"),
        certification_ends_on: Some(day("2027-12-31")),
        age_min: Some(16),
    };
    assert!(qualifications.add(qualification_no("60158864"), limited));
    assert!(qualifications.add(qualification_no("6032496X"), Qualification::default()));
    assert!(!qualifications.add(qualification_no("6032496X"), Qualification::default()), "each once");
    let mut centres = Centres::default();
    let mut add = |centre: &str, agent, number: &str, approved, sanction| {
        let approval = Approval { approved, sanction, direct_claim: false };
        let number = (!number.is_empty()).then(|| qualification_no(number));
        centres.add(CentreNo::of(centre).expect("a number"), agent, number, approval)
    };
    assert!(add("C1", Some(HERE), "60158864", period("2021-01-01", "2022-12-31"), None));
    assert!(add("C1", Some(HERE), "60158864", period("2023-06-01", ""), Some(period("2024-03-01", "2024-03-31"))));
    assert!(!add("C1", Some(THERE), "", period("2030-01-01", ""), None), "of one agent");
    assert!(add("ALL", None, "", period("", ""), None));
    assert!(add("AWAY", Some(THERE), "", period("", ""), None));
    assert!(add("SHUT", None, "", period("", ""), Some(period("2022-01-01", ""))));
    let mut registers = Registers::default();
    registers.adopt(Sequence(7), Content::Qualifications(Arc::new(qualifications)));
    registers.adopt(Sequence(8), Content::Centres(Arc::new(centres)));
    registers
}

/// What is against it: the codes, and the version of the register that has the first.
fn told(against: Option<Against>) -> String {
    against.map_or_else(String::new, |Against { findings, version }| {
        let codes: Vec<String> = findings.iter().map(|finding| finding.code.to_string()).collect();
        format!("{} by {version}", codes.join(" "))
    })
}

/// Goal: each guard of the registers holds on the very days that it names, upper and lower case alike, with a route code and
/// without. Method: a table of registrations.
#[test]
fn a_registration_is_held_against_the_registers() {
    let registers = registers();
    for (centre, qualification, on, age, expected) in [
        ("C1", "60158864", "2021-01-01", 16, ""),
        ("c1", "60158864/KNO", "2022-12-31", 16, ""),
        ("C1", "60158864", "2020-12-31", 16, "3R-002 by 8"),
        ("C1", "60158864", "2023-01-01", 16, "3R-002 by 8"),
        ("C1", "60158864", "2024-02-29", 16, ""),
        ("C1", "60158864", "2024-03-01", 16, "3R-010 by 8"),
        ("C1", "60158864", "2024-03-31", 16, "3R-010 by 8"),
        ("C1", "60158864", "2024-12-31", 16, ""),
        ("C1", "60158864", "2025-01-01", 16, "3R-005 by 7"),
        ("C1", "6032496X", "2024-02-29", 16, "3R-002 by 8"),
        ("C1", "6032496X", "2030-01-01", 16, ""),
        ("C2", "60158864", "2024-02-29", 16, "3R-001 by 8"),
        ("", "60158864", "2024-02-29", 16, "3R-001 by 8"),
        ("LONGERTHANTWELVE", "60158864", "2024-02-29", 16, "3R-001 by 8"),
        ("ALL", "60158864", "2019-12-31", 16, "3R-005 by 7"),
        ("ALL", "60158864", "2020-01-01", 16, ""),
        ("ALL", "60158864", "2020-01-01", 15, "2L-010 by 7"),
        ("ALL", "6032496X", "1999-01-01", 5, ""),
        ("ALL", "60087067", "2024-02-29", 16, "3R-003 by 7"),
        ("C2", "60087067", "2024-02-29", 16, "3R-001 3R-003 by 8"),
        ("SHUT", "60158864", "2025-01-01", 16, "3R-010 3R-005 by 8"),
        ("AWAY", "60158864", "2024-02-29", 16, ""),
    ] {
        let against = registers.against_registration((centre, qualification), day(on), Some(age));
        assert_eq!(told(against), expected, "{centre} {qualification} {on} {age}");
    }
    let aged = registers.against_registration(("ALL", "60158864"), day("2020-01-01"), None);
    assert_eq!(aged, None, "an age that is not known is not checked");
}

/// Goal: what comes after a registration has guards of its own. Method: completions, resumptions and centres of others on days
/// before and after.
#[test]
fn what_follows_a_registration_is_held_against_the_registers() {
    let registers = registers();
    for (qualification, on, expected) in [
        ("60158864", "2027-12-31", ""),
        ("60158864/KNO", "2028-01-01", "3R-006 by 7"),
        ("6032496X", "2099-01-01", ""),
        ("60087067", "2099-01-01", ""),
    ] {
        assert_eq!(told(registers.against_certificate(qualification, day(on))), expected, "{qualification} {on}");
    }
    for (on, expected) in [("2022-12-31", ""), ("2023-01-01", "3R-002 by 8"), ("2024-03-15", ""), ("2026-01-01", "")] {
        assert_eq!(told(registers.against_resumption(("C1", "60158864"), day(on))), expected, "{on}");
    }
    assert_eq!(registers.elsewhere("away", HERE), Some(THERE));
    for centre in ["C1", "ALL", "C2", ""] {
        assert_eq!(registers.elsewhere(centre, HERE), None, "{centre}");
    }
    assert!(registers.holds("60158864/KNO") && !registers.holds("60087067"));
}

/// Goal: what no register is loaded for is not checked, one without the other. Method: the same questions to none and to one.
#[test]
fn without_a_register_nothing_is_checked() {
    let none = Registers::default();
    let wrong = (("C2", "60087067"), day("2024-02-29"));
    assert_eq!(none.against_registration(wrong.0, wrong.1, Some(3)), None);
    assert_eq!((none.against_certificate("60158864", day("2099-01-01")), none.elsewhere("AWAY", HERE)), (None, None));
    let centres = Registers { qualifications: None, ..registers() };
    assert_eq!(told(centres.against_registration(wrong.0, wrong.1, Some(3))), "3R-001 by 8");
    let qualifications = Registers { centres: None, ..registers() };
    assert_eq!(told(qualifications.against_registration(wrong.0, wrong.1, Some(3))), "3R-003 by 7");
}
