//! What headings mean: the synonyms of DOMAIN.md 6.2 and those that our own fields need. Nothing but the table and its
//! look-up.

use daybook_protocol::field::Field;

/// What a heading can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This field.
    Sure(Field),
    /// This field, unless another heading surely means it.
    Likely(Field),
    /// The reason for whatever the file is about.
    Reason,
}

/// What a normalised heading means; `None` for one that is not known.
pub(super) fn meaning(heading: &str) -> Option<Meaning> {
    if matches!(heading, "reason" | "reasoncode" | "reasontext") {
        return Some(Meaning::Reason);
    }
    let known = |table: &'static [(Field, &'static [&'static str])]| {
        table.iter().find(|(_, words)| words.contains(&heading)).map(|(field, _)| *field)
    };
    known(SURE).map(Meaning::Sure).or_else(|| known(LIKELY).map(Meaning::Likely))
}

/// Headings that DOMAIN.md calls ambiguous, such as a management system's own number or a course of several
/// qualifications, and those that often stand beside a plainer one.
const LIKELY: &[(Field, &[&str])] = &[
    (Field::RegistrationNo, &["learnerid"]),
    (Field::Qualification, &["coursecode"]),
    (Field::Notes, &["comments", "comment", "remarks", "furtherdetails"]),
    (Field::Address, &["address", "fulladdress"]),
    (Field::AmendedField, &["change", "changetype", "amendment"]),
];

const SURE: &[(Field, &[&str])] = &[
    (
        Field::Uln,
        &[
            "uln",
            "uniquelearnernumber",
            "learnernumber",
            "miapuln",
            "ulnnumber",
            "uniquelearnerno",
            "ulnno",
            "learneruln",
        ],
    ),
    (
        Field::RegistrationNo,
        &[
            "registrationno",
            "registrationnumber",
            "regno",
            "regnumber",
            "vtctnumber",
            "lifetimeregistrationnumber",
            "enrolmentnumber",
            "enrolmentno",
            "candidatenumber",
            "candidateno",
        ],
    ),
    (
        Field::CentreRef,
        &[
            "centreref",
            "centrereference",
            "learnerref",
            "learnerreference",
            "learnrefnumber",
            "studentid",
            "studentref",
            "misid",
            "provid",
            "customerreference",
            "yourref",
            "yourreference",
        ],
    ),
    (
        Field::GivenNames,
        &["givennames", "givenname", "firstname", "firstnames", "forename", "forenames", "christianname"],
    ),
    (Field::MiddleNames, &["middlenames", "middlename", "middleothername"]),
    (
        Field::FamilyName,
        &["familyname", "surname", "lastname", "lastnames", "surnameasheld", "familynameasheld", "currentsurname"],
    ),
    (Field::PreferredName, &["preferredname", "knownas", "preferredgivenname", "preffirstname"]),
    (
        Field::PreviousFamilyName,
        &["previousfamilyname", "previoussurname", "prevsurname", "formersurname", "maidenname"],
    ),
    (
        Field::DateOfBirth,
        &["dateofbirth", "dob", "birthdate", "birthday", "dateborn", "dateofbirthasheld", "dobasheld"],
    ),
    (Field::Sex, &["sex", "gender", "legalsex"]),
    (Field::Postcode, &["postcode", "postcodehome", "homepostcode", "postalcode", "zip", "lastknownpostcode"]),
    (Field::Email, &["email", "emailaddress", "learneremail", "learneremailaddress"]),
    (Field::CentreNo, &["centre", "centreno", "centrenumber", "centrecode", "centreid"]),
    (
        Field::Qualification,
        &[
            "qualification",
            "qn",
            "qan",
            "qualificationnumber",
            "qualificationno",
            "qualificationcode",
            "learnaimref",
            "productcode",
            "vtctcode",
        ],
    ),
    (Field::Unit, &["unit", "unitcode", "unitref", "unitreference", "urn"]),
    (
        Field::StartDate,
        &[
            "startdate",
            "enrolmentdate",
            "dateofenrolment",
            "registrationdate",
            "dateofregistration",
            "learnstartdate",
            "coursestartdate",
        ],
    ),
    (
        Field::PlannedEndDate,
        &["plannedenddate", "plannedend", "plannedcompletion", "expectedenddate", "learnplanenddate"],
    ),
    (Field::Grade, &["grade", "result", "outcome"]),
    (Field::ResultDate, &["resultdate", "dateachieved", "completiondate", "achdate", "assessmentdate"]),
    (
        Field::WithdrawalReason,
        &["withdrawalreason", "withdrawreason", "reasonforwithdrawal", "leavingreason", "reasonforleaving"],
    ),
    (
        Field::WithdrawalDate,
        &[
            "withdrawaldate",
            "withdrawndate",
            "dateofwithdrawal",
            "datewithdrawn",
            "withdrawnon",
            "leavedate",
            "leavingdate",
            "dateleft",
            "learnactenddate",
        ],
    ),
    (
        Field::DeferFrom,
        &[
            "deferfrom",
            "deferredfrom",
            "deferraldate",
            "deferralstart",
            "deferralstartdate",
            "dateofdeferral",
            "datedeferred",
            "breakstart",
            "breakstartdate",
        ],
    ),
    (
        Field::ResumeBy,
        &[
            "resumeby",
            "resumebydate",
            "expectedreturn",
            "expectedreturndate",
            "plannedreturn",
            "plannedreturndate",
            "returnby",
            "deferredto",
            "deferreduntil",
            "deferuntil",
            "deferralend",
            "deferralenddate",
        ],
    ),
    (Field::DeferralReason, &["deferralreason", "deferreason", "reasonfordeferral", "reasonforbreak", "breakreason"]),
    (
        Field::ResumedOn,
        &["resumedon", "resumedate", "resumeddate", "resumptiondate", "dateresumed", "dateofresumption", "restartdate"],
    ),
    (Field::ExamDate, &["examdate", "dateofexam", "testdate"]),
    (Field::Venue, &["venue", "examvenue"]),
    (Field::Attempt, &["attempt", "attemptno", "attemptnumber", "dispatchattempt"]),
    (Field::PoNumber, &["ponumber", "po", "pono", "purchaseorder", "purchaseordernumber", "ordernumber"]),
    (Field::Reason, &["amendmentreason", "reasonforamendment", "reasonforchange", "changereason"]),
    (Field::Evidence, &["evidence", "evidenceseen", "addressconfirmed"]),
    (Field::NewCentre, &["newcentre", "tocentre"]),
    (Field::NewQualification, &["newqualification", "toqualification"]),
    (Field::OtherUln, &["otheruln"]),
    (Field::OtherRegistrationNo, &["otherregistrationno"]),
    (Field::OtherFamilyName, &["otherfamilyname"]),
    (Field::Notes, &["notes", "note"]),
    (Field::AmendedField, &["amendedfield", "field", "fieldname", "fieldtoamend", "fieldtochange"]),
    (Field::NewValue, &["newvalue", "amendedvalue", "correctvalue", "changeto", "newdetails"]),
    (Field::EffectiveDate, &["effectivedate", "effectiveon", "effectivefrom", "dateofchange", "changedate"]),
    (
        Field::CertificateNo,
        &["certificateno", "certificatenumber", "certificate", "certificateid", "certno", "certnumber"],
    ),
    (
        Field::DispatchedOn,
        &[
            "dispatchedon",
            "dispatchdate",
            "dispatcheddate",
            "dateofdispatch",
            "datedispatched",
            "datesent",
            "senton",
            "dateposted",
        ],
    ),
    (Field::Carrier, &["carrier", "courier", "carriername", "deliveredby"]),
    (
        Field::Tracking,
        &[
            "tracking",
            "trackingno",
            "trackingnumber",
            "trackingref",
            "trackingreference",
            "consignmentno",
            "consignmentnumber",
        ],
    ),
    (
        Field::ReturnedOn,
        &["returnedon", "returneddate", "returndate", "datereturned", "receivedon", "receiveddate", "datereceived"],
    ),
    (Field::ReturnReason, &["returnreason", "reasonforreturn", "returnedreason"]),
    (Field::Address, &["newaddress", "deliveryaddress", "dispatchaddress"]),
    (
        Field::LastAttendedOn,
        &[
            "lastattendedon",
            "lastattended",
            "lastattendance",
            "lastattendancedate",
            "lastdateofattendance",
            "lastdayofattendance",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::normalise;

    /// Goal: no heading means two things and each can be found. Method: look up every word of both tables.
    #[test]
    fn every_synonym_is_normal_and_stands_once() {
        for (table, sure) in [(SURE, true), (LIKELY, false)] {
            for (field, words) in table {
                for word in *words {
                    let expected = if sure { Meaning::Sure(*field) } else { Meaning::Likely(*field) };
                    assert_eq!((meaning(word), normalise(word).as_str()), (Some(expected), *word));
                }
            }
        }
    }

    /// Goal: a field's own name is always a heading for it, so that our templates and reports can be sent back. Method:
    /// every field but the two that are no columns of a file.
    #[test]
    fn every_field_is_known_by_its_name() {
        for field in Field::ALL {
            let known = meaning(&normalise(field.name()));
            match field {
                Field::FileName | Field::Line => assert_eq!(known, None),
                Field::Reason => assert_eq!(known, Some(Meaning::Reason)),
                Field::Address => assert_eq!(known, Some(Meaning::Likely(field))),
                _ => assert_eq!(known, Some(Meaning::Sure(field))),
            }
        }
    }
}
