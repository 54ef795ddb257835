//! Rows of any text at all.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Goal: no text makes the checks panic, a verdict has the findings that go with it, and what is sealed fits into an entry.
    /// Method: arbitrary texts in sound rows, one of them repeated beyond every limit.
    #[test]
    fn any_text_gets_a_verdict(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        places in prop::collection::vec((0..Field::ALL.len(), any_text()), 0..12),
        repeated in prop::sample::select(vec![1, 1, 1, 400, 20_000]),
    ) {
        let changes: Vec<(Field, String)> = places
            .into_iter()
            .filter_map(|(place, text)| Some((*Field::ALL.get(place)?, text.repeat(repeated))))
            .chain(sound(kind).into_iter().map(|(field, text)| (field, text.to_owned())))
            .collect();
        let policies = Policies::default();
        let context = Context { tokens: None, policies: &policies, centre: "", brand: "", today: date("2026-11-21") };
        let (findings, private) = match read(kind, &Given::new(changes), &context) {
            Ok(Command { findings, private, ask, .. }) => {
                prop_assert!(ask.kind() == kind || kind == Kind::Mixed);
                prop_assert!(worst(&findings) <= Some(Severity::Warning), "{:?}", findings);
                (findings, private)
            }
            Err(Rejected { findings, private }) => {
                prop_assert_eq!(worst(&findings), Some(Severity::Error));
                (findings, private)
            }
        };
        prop_assert!(findings.len() <= 64);
        prop_assert!(private.encode().expect("it fits").len() <= 56 * 1024);
    }
}

/// Texts that look like what stands in columns, and any others.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[0-9/.:TeE+ -]{0,14}",
        "[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}( 00:00)?",
        "[0-9X]{3}/[0-9]{4}/[0-9X](/[A-Z]{1,4})?",
        "[1-9][0-9]{9}",
        "[A-Za-z' ,-]{0,20}",
        prop::sample::select(vec!["OTHER", "3", "surname", "dob", "uln", "N/A", "R1-1", "😀"]).prop_map(str::to_owned),
    ]
}
