//! The register of qualifications: the headings of the Ofqual register (DOMAIN.md 2.5), and with them the list of the Department
//! for Education, which has the numbers and no days.

use std::sync::Arc;

use super::{
    Read, Refused,
    table::{self, Headings},
};
use crate::desk::{self, Content, Qualification, Qualifications};

const NUMBER: &str = "QualificationNumber";
const OPENS: &str = "OperationalStartDate";
const CLOSES: &str = "OperationalEndDate";
const CERTIFIED: &str = "CertificationEndDate";
const AGE: &str = "MinimumAge";

/// Nobody is older when a qualification begins: what is more is no age.
const AGE_MAX: i16 = 100;

/// Others may stand beside them: the register is published with some fifty.
const HEADINGS: Headings = Headings { columns: &[NUMBER, OPENS, CLOSES, CERTIFIED, AGE], others: true };

pub(super) fn read(bytes: &[u8]) -> Result<Read, Refused> {
    let mut qualifications = Qualifications::default();
    let (rows, lacks) = table::read(bytes, &HEADINGS, |row| {
        let form = "is no qualification number: write it as 601/5886/4 or 60158864";
        let number = row.require(NUMBER, form, desk::qualification_no);
        let operational = row.period(OPENS, CLOSES);
        let certification_ends_on = row.day(CERTIFIED);
        let age = |text: &str| text.parse().ok().filter(|age| (0..=AGE_MAX).contains(age));
        let age_min = row.read(AGE, "is no age: write it in whole years, or leave it empty", age);
        let qualification = Qualification { operational, certification_ends_on, age_min };
        if number.is_some_and(|number| !qualifications.add(number, qualification)) {
            row.fault(NUMBER, "stands there a second time: leave the row that holds");
        }
    })?;
    Ok(Read { content: Content::Qualifications(Arc::new(qualifications)), rows, lacks })
}
