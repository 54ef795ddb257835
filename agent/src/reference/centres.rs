//! The register of centres, in a layout of our own: a row for each approval of a centre, for one qualification or for all.

use std::sync::Arc;

use super::{
    Read, Refused,
    table::{self, Headings, Row},
};
use crate::desk::{self, Approval, CentreNo, Centres, Content};

const CENTRE: &str = "Centre";
const NAME: &str = "Name";
const AGENT: &str = "Agent";
const QUALIFICATION: &str = "Qualification";
const APPROVED_FROM: &str = "ApprovedFrom";
const APPROVED_TO: &str = "ApprovedTo";
const DIRECT_CLAIM: &str = "DirectClaim";
const SANCTION_FROM: &str = "SanctionFrom";
const SANCTION_TO: &str = "SanctionTo";

/// No others: a mistyped one would silently be no sanction. The name is for people.
const HEADINGS: Headings = Headings {
    columns: &[
        CENTRE,
        NAME,
        AGENT,
        QUALIFICATION,
        APPROVED_FROM,
        APPROVED_TO,
        DIRECT_CLAIM,
        SANCTION_FROM,
        SANCTION_TO,
    ],
    others: false,
};

pub(super) fn read(bytes: &[u8]) -> Result<Read, Refused> {
    let mut centres = Centres::default();
    let (rows, lacks) = table::read(bytes, &HEADINGS, |row| {
        let centre = row.require(CENTRE, "is no centre number: it has 1 to 12 letters and digits", CentreNo::of);
        let agent = row.read(
            AGENT,
            "is no agent: name it by its log, 32 hexadecimal digits, as `daybook status` says it, or leave it empty",
            |text| text.parse().ok(),
        );
        let qualification = row.read(
            QUALIFICATION,
            "is no qualification number: write it as 601/5886/4 or 60158864, or leave it empty for all",
            desk::qualification_no,
        );
        let approval = approval(row);
        if centre.is_some_and(|centre| !centres.add(centre, agent, qualification, approval)) {
            row.fault(AGENT, "is another than in an earlier row of this centre: a centre belongs to one agent");
        }
    })?;
    Ok(Read { content: Content::Centres(Arc::new(centres)), rows, lacks })
}

fn approval(row: &mut Row<'_>) -> Approval {
    let approved = row.period(APPROVED_FROM, APPROVED_TO);
    let direct_claim = row.read(DIRECT_CLAIM, "is neither yes nor no", yes_or_no).unwrap_or(false);
    let sanctioned = [SANCTION_FROM, SANCTION_TO].iter().any(|column| !row.value(column).is_empty());
    let sanction = row.period(SANCTION_FROM, SANCTION_TO);
    Approval { approved, direct_claim, sanction: sanctioned.then_some(sanction) }
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" => Some(true),
        "no" | "n" | "false" | "0" => Some(false),
        _ => None,
    }
}
