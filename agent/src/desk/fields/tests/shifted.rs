//! Rows of which no column can be trusted.

use super::*;

/// Goal: a row of which no column can be trusted is kept as it stood, as far as an entry holds it. Method: shifted rows,
/// a huge one among them.
#[test]
fn shifted_rows_are_kept_as_they_stood() {
    struct Shifted(String);
    impl Cells for Shifted {
        fn value(&self, _: Field) -> &'static str {
            "1000000019"
        }
        fn shifted(&self) -> bool {
            true
        }
        fn raw(&self) -> String {
            self.0.clone()
        }
        fn bytes(&self) -> usize {
            5
        }
        fn columns(&self) -> &[Option<Field>] {
            &[Some(Field::Uln)]
        }
    }
    let policies = Policies::default();
    let context =
        Context { tokens: Some(&Plain), policies: &policies, centre: "", brand: "", today: date("2026-11-21") };
    let read = |raw: String| read(Kind::Withdrawals, &Shifted(raw), &context).expect_err("shifted");
    let rejected = read("a | b".to_owned());
    assert_eq!(rejected.findings, [Code::COLUMN_SHIFT.into()]);
    assert_eq!(rejected.private, Private::from([(Field::Line, "a | b")]));
    let huge = read("é".repeat(100_000));
    assert_eq!(huge.private.value(Field::Line).map(str::len), Some(48 * 1024));
}
