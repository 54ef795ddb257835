//! Learner records through the whole reader.

use std::io::{Cursor, Read as _};

use daybook_protocol::{
    event::{Encoding, Lines as Counted, Plan},
    field::{Field, Kind},
};
use proptest::prelude::*;

use super::*;
use crate::reader::{Planned, ReadError, Wanted, plan, rows, workbook::Rendered};

/// What comes of a file: its plan, what is flagged, line and values of each row, and the lines.
type Table = (Plan, Vec<Code>, Vec<(u32, Vec<String>)>, Counted);

fn read_all(xml: &[u8]) -> Result<Table, ReadError> {
    let open = || Ok(Box::new(Cursor::new(xml.to_vec())) as Source);
    // What its sender says of its kind makes no difference.
    let wanted = Wanted { kind: Some(Kind::Withdrawals), header_map: &[] };
    let Planned { plan, findings } = plan(&open, &wanted)?;
    let mut read = rows(open()?, &plan);
    let mut found = Vec::new();
    while let Some(row) = read.next()? {
        assert!(!row.shifted(), "each line is as wide as the header");
        found.push((row.line(), row.raw().map(str::to_owned).collect()));
    }
    let lines = read.lines();
    Ok((plan, findings.iter().map(|finding| finding.code).collect(), found, lines))
}

fn check_refused(xml: &str, code: Code) {
    match read_all(xml.as_bytes()) {
        Err(ReadError::Refused { findings, detail }) => {
            assert_eq!(findings.first().map(|finding| finding.code), Some(code), "{detail}: {xml:.200}");
        }
        other => unreachable!("{other:?} of {xml:.200}"),
    }
}

fn message(learners: &str) -> String {
    let open = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Message xmlns=\"ESFA/ILR/2018-19\">";
    let header = "<Header><Source><UKPRN>10006341</UKPRN></Source></Header>";
    format!("{open}{header}<LearningProvider><UKPRN>10006341</UKPRN></LearningProvider>{learners}</Message>\n")
}

fn learner(deliveries: &str) -> String {
    let person = "<LearnRefNumber>L1</LearnRefNumber><ULN>1000000019</ULN><FamilyName>O&apos;Brien</FamilyName>\
                  <GivenNames>Si&#xE2;n</GivenNames><DateOfBirth>2004-05-06</DateOfBirth><Sex>F</Sex>\
                  <NINumber>AB123456C</NINumber><Postcode>M1 1AE</Postcode>";
    format!("<Learner>{person}{deliveries}</Learner>")
}

fn delivery(aim: &str, status: &str, more: &str) -> String {
    format!(
        "<LearningDelivery><LearnAimRef>{aim}</LearnAimRef><LearnStartDate>2024-09-02</LearnStartDate>\
         <LearnPlanEndDate>2025-07-31</LearnPlanEndDate><CompStatus>{status}</CompStatus>{more}</LearningDelivery>"
    )
}

const PERSON: &str = "L1,1000000019,O'Brien,Siân,2004-05-06,F,M1 1AE";

/// Goal: every learning delivery and every learner is accounted for, by facts or by a note, and other elements say nothing. Method: one
/// delivery of each state, aims that are no qualifications, a learner without any, and what looks like a learner elsewhere.
#[test]
fn each_delivery_gives_its_facts() {
    let ended = "<LearnActEndDate>2025-01-20</LearnActEndDate>";
    let deliveries = [
        delivery("60158864", "1", ""),
        delivery("ZPROG001", "1", ""),
        delivery("60158864", " 2 ", ended),
        delivery("6032496X", "3", &format!("{ended}<WithdrawReason>3</WithdrawReason>")),
        delivery("50073862", "6", ended),
        delivery("F6172428", "3", ended),
        delivery("60157896", "", ""),
        "<LearningDelivery/>".to_owned(),
    ];
    let elsewhere = "<LearnerDestinationandProgression><ULN>1000000027</ULN></LearnerDestinationandProgression>";
    let alone = "<Learner><LearnRefNumber>L2</LearnRefNumber></Learner>";
    let xml = message(&format!("{}{alone}{elsewhere}", learner(&deliveries.concat())));
    let (plan, codes, found, lines) = read_all(xml.as_bytes()).expect("a good file");
    assert_eq!((plan.kind, plan.encoding, plan.header_line), (Kind::Mixed, Encoding::Ilr, 1));
    assert_eq!(plan.columns.first(), Some(&Some(Field::Fact)));
    assert!(plan.columns.iter().all(Option::is_some), "every heading is known: {:?}", plan.columns);
    assert_eq!(codes, [Code::AIMS_PASSED_OVER]);
    assert_eq!(lines, Counted { header: 1, note: 3, row: 8, ..Counted::default() });
    let expected = [
        (2, format!("enrolment,{PERSON},60158864,2024-09-02,2025-07-31,,,,,")),
        (4, format!("completed enrolment,{PERSON},60158864,2024-09-02,2025-07-31,,,,,")),
        (5, format!("enrolment,{PERSON},6032496X,2024-09-02,2025-07-31,,,,,")),
        (6, format!("withdrawal,{PERSON},6032496X,2024-09-02,,2025-01-20,3,,,")),
        (7, format!("enrolment,{PERSON},50073862,2024-09-02,2025-07-31,,,,,")),
        (8, format!("deferral,{PERSON},50073862,2024-09-02,,,,2025-01-20,,agreed break in learning")),
        (10, format!("CompStatus not given,{PERSON},60157896,2024-09-02,2025-07-31,,,,,")),
        (11, format!("CompStatus not given,{PERSON},,,,,,,,")),
    ];
    let told: Vec<(u32, String)> = found.into_iter().map(|(line, cells)| (line, cells.join(","))).collect();
    assert_eq!(told, expected);
}

/// Goal: a record without a learner has a plan and no row; one without anything that is passed over is not flagged. Method: two files.
#[test]
fn an_empty_record_has_a_plan() {
    let (_, codes, found, lines) = read_all(message("").as_bytes()).expect("a good file");
    assert_eq!((codes, found, lines), (vec![], vec![], Counted { header: 1, ..Counted::default() }));
    let (_, codes, found, _) = read_all(message(&learner(&delivery("60158864", "1", ""))).as_bytes()).expect("good");
    assert_eq!((codes, found.len()), (vec![], 1));
}

/// Goal: values come as they were sent, whatever they hold. Method: separators, quotation marks, line breaks, CDATA, references, prefixes.
#[test]
fn values_come_as_they_were_sent() {
    let odd = "<FamilyName>a,\"b\"&#10;c<![CDATA[&d<e>]]>&lt;<!-- no --> f</FamilyName>";
    let deliveries = delivery("60158864", "1", "");
    let xml = message(&format!("<Learner>{odd}{deliveries}</Learner>"));
    let (.., found, _) = read_all(xml.as_bytes()).expect("a good file");
    let family = found.first().and_then(|(_, cells)| cells.get(3));
    assert_eq!(family.map(String::as_str), Some("a,\"b\"\nc&d<e>< f"));

    let prefixed = xml.replace("xmlns=", "xmlns:i=").replace("</", "</i:").replace("<L", "<i:L").replace("<M", "<i:M");
    let prefixed = prefixed.replace("<F", "<i:F").replace("<C", "<i:C").replace("<H", "<i:H").replace("<S", "<i:S");
    let prefixed = prefixed.replace("<U", "<i:U");
    let (.., again, _) = read_all(prefixed.as_bytes()).expect("a good file");
    assert_eq!(again, found);
}

/// Goal: what is broken, cut short, or declares anything is refused as a whole, with its code. Method: a file for each fault.
#[test]
fn what_is_no_record_is_refused() {
    let good = message(&learner(&delivery("60158864", "1", "")));
    let changed = |from: &str, to: &str| good.replacen(from, to, 1);
    for xml in [
        changed("</CompStatus>", "</Status>"),
        changed("</Learner>", ""),
        changed("</Message>\n", ""),
        changed("</Message>", "</Message><Message/>"),
        changed("</Message>", "</Message>more"),
        changed("<Sex>F</Sex>", "<Sex>F</Sex><Sex>M</Sex>"),
        changed("<Sex>F</Sex>", "<Sex><b>F</b></Sex>"),
        changed("</Learner>", "<Sex>F</Sex></Learner>").replacen("<Sex>F</Sex>", "", 1),
        changed("<Sex>", "<Sex a=\"1\" a=\"2\">"),
        changed("O&apos;", "O&;"),
        changed("O&apos;", "O & "),
        changed("O&apos;", "O&#0;"),
    ] {
        check_refused(&xml, Code::XML_BROKEN);
    }
    for xml in [
        changed("<Message", "<!DOCTYPE Message [<!ENTITY a \"aa\">]><Message"),
        changed("O&apos;", "O&a;"),
        changed("<UKPRN>", "<UKPRN>&a;"),
    ] {
        check_refused(&xml, Code::XML_DECLARATIONS);
    }
    let bytes = good.replace("O&apos;", "\u{1}").into_bytes();
    let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == 1 { 0xE9 } else { byte }).collect();
    let refused = read_all(&bytes).map_err(
        |error| matches!(error, ReadError::Refused { findings, .. } if findings == [Code::ENCODING_UNKNOWN.into()]),
    );
    assert_eq!(refused.map(|_| ()), Err(true), "it is not UTF-8");
}

/// Goal: each limit holds, and what is just within it is read. Method: files at the limit and beyond.
#[test]
fn limits_hold() {
    let of_family = |text: &str| message(&format!("<Learner><FamilyName>{text}</FamilyName></Learner>"));
    let nested = |depth: usize| message(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)));
    let wide = |count: usize| {
        let attributes: Vec<String> = (0..count).map(|place| format!("a{place}=\"\"")).collect();
        message(&format!("<a {}/>", attributes.join(" ")))
    };
    let comment = |bytes: usize| message(&format!("<!--{}-->", "x".repeat(bytes)));
    for (good, bad) in [
        (of_family(&"x".repeat(VALUE_BYTES_MAX)), of_family(&"x".repeat(VALUE_BYTES_MAX + 1))),
        (of_family(&"&lt;".repeat(VALUE_BYTES_MAX)), of_family(&"&lt;".repeat(VALUE_BYTES_MAX + 1))),
        (nested(DEPTH_MAX - 1), nested(DEPTH_MAX)),
        (wide(ATTRIBUTES_MAX), wide(ATTRIBUTES_MAX + 1)),
        (comment(TOKEN_BYTES_MAX - 16), comment(TOKEN_BYTES_MAX)),
        (of_family(&"<!---->".repeat(TOKEN_BYTES_MAX)), of_family(&format!("<![CDATA[{}]]>", "x".repeat(1 << 20)))),
    ] {
        if let Err(error) = read_all(good.as_bytes()) {
            unreachable!("{error:?} of {good:.200}");
        }
        check_refused(&bad, Code::TOO_LARGE);
    }
}

/// Goal: an error of the disk is no fault of the file. Method: a source that fails in the midst.
#[test]
fn an_error_of_the_source_is_told_as_such() {
    struct Failing(Cursor<Vec<u8>>);
    impl io::Read for Failing {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            match self.0.read(to)? {
                0 => Err(io::Error::new(io::ErrorKind::TimedOut, "the disk is away")),
                read => Ok(read),
            }
        }
    }
    let xml = message(&learner("")).replace("</Message>\n", "");
    let source = Box::new(Failing(Cursor::new(xml.into_bytes())));
    let read = Rendered::new(source, Encoding::Ilr, Told::default()).read_to_string(&mut String::new());
    assert_eq!(
        read.map_err(|error| (error.kind(), error.to_string())),
        Err((io::ErrorKind::TimedOut, "the disk is away".into()))
    );
}

proptest! {
    /// Goal: a record of any learners is accounted for to the last delivery, and one that is cut anywhere is refused. Method: random
    /// deliveries; the same file cut at a random place.
    #[test]
    fn all_deliveries_are_accounted_for(
        learners in prop::collection::vec(
            prop::collection::vec((prop::sample::select(vec!["60158864", "ZPROG001", ""]), "[0-9]?"), 0..5),
            0..8,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let bodies = learners.iter().map(|deliveries| {
            learner(&deliveries.iter().map(|(aim, status)| delivery(aim, status, "")).collect::<String>())
        });
        let xml = message(&bodies.collect::<String>());
        let (_, _, found, lines) = read_all(xml.as_bytes()).expect("a good file");
        let deliveries: Vec<_> = learners.iter().flatten().collect();
        let noted = deliveries.iter().filter(|(aim, _)| *aim == "ZPROG001").count();
        let alone = learners.iter().filter(|deliveries| deliveries.is_empty()).count();
        let ended = |(aim, status): &&&(&str, String)| *aim != "ZPROG001" && matches!(status.as_str(), "3" | "6");
        let twice = deliveries.iter().filter(ended).count();
        prop_assert_eq!(lines.note, (noted + alone) as u64);
        prop_assert_eq!(found.len(), deliveries.len() - noted + twice);

        let end = cut.index(xml.trim_end().len());
        prop_assert!(read_all(xml.get(..end).unwrap_or_default().as_bytes()).is_err());
    }
}
