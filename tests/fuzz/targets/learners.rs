//! Learner records as providers' systems export them.

use daybook_agent::reader::Wanted;
use daybook_protocol::event::{Encoding, Lines};

use super::tables::{Desk, open, plan, read};

/// A learner record, behind a byte that says whether the rest is all of it or stands within one (its low half), and in which pieces
/// it is read (its high half).
///
/// What has a plan is read to its end; the pieces make no difference; every learning delivery is a fact, two, or a note; each fact
/// passes the desk's checks or is rejected with a reason.
pub(super) fn ilr(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let file = match how & 3 {
        0 => rest.to_vec(),
        1 => within("<Message xmlns=\"ESFA/ILR/2018-19\">", rest, "</Message>"),
        2 => within("<Message xmlns=\"ESFA/ILR/2018-19\"><Learner>", rest, "</Learner></Message>"),
        _ => within(
            "<Message xmlns=\"SFA/ILR/2016-17\"><Learner><ULN>1000000019</ULN><FamilyName>Doe</FamilyName><GivenNames>Ann\
             </GivenNames><DateOfBirth>2004-05-06</DateOfBirth><LearningDelivery>",
            rest,
            "</LearningDelivery></Learner></Message>",
        ),
    };
    let planned = plan(&file, &Wanted::default()).filter(|planned| planned.plan.encoding == Encoding::Ilr);
    let Some(plan) = planned.map(|planned| planned.plan) else { return };
    let mut seen = Desk::new(plan.kind);
    let table = read(open(&file, usize::MAX), &plan, &mut |row| seen.row(row, &plan.columns));
    seen.finish(table.lines.row);
    assert_eq!(table.refused, None, "what has a plan is read to its end");
    let pieces = read(open(&file, 1 + usize::from(how >> 4)), &plan, &mut |_| {});
    assert_eq!(table, pieces, "what is read does not depend on how it comes");

    let Lines { header, title, blank, total, note, row } = table.lines;
    assert_eq!((header, title, blank, total, row), (1, 0, 0, 0, table.rows.len() as u64));
    // A name may stand in a comment or a value as well.
    let named = |name: &str| file.windows(name.len()).filter(|bytes| *bytes == name.as_bytes()).count() as u64;
    assert!(row + note <= 2 * named("LearningDelivery") + named("Learner"), "there are more facts than deliveries");
}

fn within(before: &str, inner: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), inner, after.as_bytes()].concat()
}
