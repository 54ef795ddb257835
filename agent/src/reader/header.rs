//! From headings to fields, and from fields to the kind of file (DOMAIN.md 6.2). Must not know how cells are separated.

use daybook_protocol::{
    field::{Field, Kind},
    finding::{Code, Finding},
};
use unicode_normalization::UnicodeNormalization as _;

use super::{
    HEADING_BYTES_MAX, Wanted, resend,
    synonyms::{Meaning, meaning},
};

/// A heading in the form in which headings are compared: NFKC, lower case, letters and digits only.
pub fn normalise(heading: &str) -> String {
    let compatible = heading.nfkc().flat_map(char::to_lowercase);
    compatible.filter(|letter| letter.is_alphanumeric()).collect()
}

/// What the headings of a file come to.
#[derive(Debug)]
pub(super) struct Mapped {
    /// What the file is about, if that can be told.
    pub(super) kind: Option<Kind>,
    /// What each column means, empty headings at the end left out.
    pub(super) columns: Vec<Option<Field>>,
    /// What is wrong with them, errors first.
    pub(super) findings: Vec<Finding>,
}

/// How many different things a row of cells would mean if it were the header.
pub(super) fn hits(cells: &[String], wanted: &Wanted) -> usize {
    let mut fields: Vec<Field> = cells
        .iter()
        .filter_map(|cell| match look_up(cell, wanted)? {
            Meaning::Sure(field) | Meaning::Likely(field) => Some(field),
            Meaning::Reason => Some(Field::Reason),
        })
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields.len()
}

/// Says what each column of a file with this header means.
pub(super) fn map(header: &[String], wanted: &Wanted) -> Mapped {
    let width = header.iter().rposition(|cell| !normalise(cell).is_empty()).map_or(0, |last| last + 1);
    let header = header.get(..width).unwrap_or_default();
    let ours = if resend::is_resent(header.iter().map(String::as_str)) { resend::HEADINGS.len() } else { 0 };
    let meaning = |(place, cell): (usize, &String)| if place < ours { None } else { look_up(cell, wanted) };
    let meanings: Vec<Option<Meaning>> = header.iter().enumerate().map(meaning).collect();
    let sure = |field| meanings.contains(&Some(Meaning::Sure(field)));
    let settle = |kind: Option<Kind>| -> Vec<Option<Field>> {
        let settled = meanings.iter().map(|meaning| match (*meaning)? {
            Meaning::Sure(field) => Some(field),
            Meaning::Likely(field) => (!sure(field)).then_some(field),
            Meaning::Reason => Some(kind.and_then(reason_of).filter(|field| !sure(*field)).unwrap_or(Field::Reason)),
        });
        settled.collect()
    };
    let kind = wanted.kind.or_else(|| kind_of(&settle(None)));
    let columns = settle(kind);

    let mut findings = Vec::new();
    for field in Field::ALL {
        if columns.iter().filter(|column| **column == Some(field)).count() > 1 {
            findings.push(Finding::of(Code::COLUMN_TWICE, field));
        }
    }
    match kind {
        Some(kind) => findings.extend(missing(kind, &columns)),
        None => findings.push(Code::KIND_UNKNOWN.into()),
    }
    let named = header.iter().zip(&columns).skip(ours).filter(|(heading, _)| !normalise(heading).is_empty());
    if named.into_iter().any(|(_, column)| column.is_none()) {
        findings.push(Code::COLUMN_IGNORED.into());
    }
    Mapped { kind, columns, findings }
}

/// The columns that every row of a kind needs a value in. The centre is not among them: it is that of the folder.
pub(super) fn required(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Enrolments => {
            &[Field::FamilyName, Field::GivenNames, Field::DateOfBirth, Field::Qualification, Field::StartDate]
        }
        Kind::Amendments => {
            &[Field::FamilyName, Field::DateOfBirth, Field::AmendedField, Field::NewValue, Field::Reason]
        }
        Kind::Withdrawals => &[Field::FamilyName, Field::DateOfBirth, Field::WithdrawalDate, Field::WithdrawalReason],
        Kind::Deferrals | Kind::Extensions => {
            &[Field::FamilyName, Field::DateOfBirth, Field::DeferFrom, Field::ResumeBy, Field::DeferralReason]
        }
        Kind::Resumptions => &[Field::FamilyName, Field::DateOfBirth, Field::ResumedOn],
        Kind::Dispatches | Kind::Redispatches => &[Field::CertificateNo, Field::DispatchedOn],
        Kind::Returns => &[Field::CertificateNo, Field::ReturnReason, Field::ReturnedOn],
        Kind::Merges | Kind::Unmerges => &[Field::FamilyName, Field::DateOfBirth, Field::Reason],
        Kind::Aliases => &[Field::FamilyName, Field::DateOfBirth, Field::OtherUln, Field::Reason],
        Kind::Transfers => {
            &[Field::FamilyName, Field::DateOfBirth, Field::EffectiveDate, Field::Reason, Field::Evidence]
        }
        Kind::Reversals | Kind::Voids | Kind::Completions => {
            &[Field::FamilyName, Field::DateOfBirth, Field::EffectiveDate, Field::Reason]
        }
    }
}

/// Whether a row of a kind must say by ULN or registration number whom it is about.
fn needs_identifier(kind: Kind) -> bool {
    !matches!(kind, Kind::Enrolments | Kind::Dispatches | Kind::Returns | Kind::Redispatches)
}

fn missing(kind: Kind, columns: &[Option<Field>]) -> Vec<Finding> {
    let has = |field: Field| columns.contains(&Some(field));
    let lacks = required(kind).iter().copied().filter(|field| !has(*field));
    let unnamed = needs_identifier(kind) && !has(Field::Uln) && !has(Field::RegistrationNo);
    unnamed
        .then_some(Field::Uln)
        .into_iter()
        .chain(lacks)
        .map(|field| Finding::of(Code::COLUMN_MISSING, field))
        .collect()
}

/// What a column called just "Reason" gives the reason of.
fn reason_of(kind: Kind) -> Option<Field> {
    match kind {
        Kind::Withdrawals => Some(Field::WithdrawalReason),
        Kind::Deferrals | Kind::Extensions => Some(Field::DeferralReason),
        Kind::Returns => Some(Field::ReturnReason),
        _ => None,
    }
}

/// Tells a kind by the columns that no other kind has, the rarest first: a withdrawal file may repeat the start date, an
/// enrolment file does not say when somebody left.
fn kind_of(columns: &[Option<Field>]) -> Option<Kind> {
    let has = |field| columns.contains(&Some(field));
    let certificate = has(Field::CertificateNo);
    if has(Field::NewValue) {
        Some(Kind::Amendments)
    } else if has(Field::WithdrawalDate) {
        Some(Kind::Withdrawals)
    } else if has(Field::DeferFrom) || has(Field::ResumeBy) {
        Some(Kind::Deferrals)
    } else if has(Field::ResumedOn) {
        Some(Kind::Resumptions)
    } else if certificate && has(Field::ReturnedOn) {
        Some(Kind::Returns)
    } else if certificate && has(Field::DispatchedOn) {
        Some(if has(Field::Attempt) { Kind::Redispatches } else { Kind::Dispatches })
    } else if has(Field::StartDate) && has(Field::Qualification) {
        Some(Kind::Enrolments)
    } else {
        None
    }
}

/// What a heading means at this centre. A hint in brackets, as in "Date of birth (dd/mm/yyyy)", is left out if the
/// heading is not known with it.
fn look_up(heading: &str, wanted: &Wanted) -> Option<Meaning> {
    if heading.len() > HEADING_BYTES_MAX {
        return None;
    }
    let normal = normalise(heading);
    let plain = heading.split(['(', '[']).next().unwrap_or_default();
    for form in [normal, normalise(plain)] {
        let learned = wanted.header_map.iter().find(|(known, _)| normalise(known) == form);
        let known = learned.map(|(_, field)| Meaning::Sure(*field)).or_else(|| meaning(&form));
        if known.is_some() && !form.is_empty() {
            return known;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map_of(headings: &str, wanted: &Wanted) -> Mapped {
        map(&headings.split(',').map(str::to_owned).collect::<Vec<_>>(), wanted)
    }

    fn check(headings: &str, kind: Option<Kind>, findings: &[Finding]) {
        let mapped = map_of(headings, &Wanted::default());
        assert_eq!((mapped.kind, mapped.findings.as_slice()), (kind, findings), "{headings}");
    }

    const PERSON: &str = "ULN,Surname,D.O.B.";

    /// Goal: headings are compared as DOMAIN.md says. Method: a table of what people type.
    #[test]
    fn headings_are_normalised() {
        for (heading, normal) in [
            ("  D.O.B. ", "dob"),
            ("Forename(s)", "forenames"),
            ("\u{FEFF}ＵＬＮ", "uln"),
            ("Certificate Nº", "certificateno"),
            ("Date of\r\nbirth*", "dateofbirth"),
            ("---", ""),
        ] {
            assert_eq!(normalise(heading), normal);
        }
        let wanted = Wanted::default();
        assert_eq!(look_up("Date of birth (DD/MM/YYYY)", &wanted), Some(Meaning::Sure(Field::DateOfBirth)));
        assert_eq!(look_up("(internal)", &wanted), None);
        assert_eq!(look_up(&"uln ".repeat(40), &wanted), None);
    }

    /// Goal: each kind is told by its own columns. Method: one header a kind, with "Reason" where a reason is due.
    #[test]
    fn kinds_are_told_by_their_columns() {
        check("Surname,Forename,DOB,QAN,Start date", Some(Kind::Enrolments), &[]);
        check(&format!("{PERSON},Field,New value,Reason"), Some(Kind::Amendments), &[]);
        check(&format!("{PERSON},Start date,QAN,Leave date,Reason"), Some(Kind::Withdrawals), &[]);
        check(&format!("{PERSON},Defer from,Resume by,Reason"), Some(Kind::Deferrals), &[]);
        check(&format!("{PERSON},Resumption date"), Some(Kind::Resumptions), &[]);
        check("Certificate no,Dispatch date,Courier,Tracking no", Some(Kind::Dispatches), &[]);
        check("Certificate no,Dispatch date,Date returned,Reason", Some(Kind::Returns), &[]);
        check("Certificate no,Dispatch date,Attempt,Address", Some(Kind::Redispatches), &[]);
        check(PERSON, None, &[Code::KIND_UNKNOWN.into()]);
    }

    /// Goal: what is missing, double or unknown is named. Method: one header for each fault.
    #[test]
    fn faults_of_a_header_are_named() {
        let missing = |field| Finding::of(Code::COLUMN_MISSING, field);
        check(
            "ULN,Surname,Leave date",
            Some(Kind::Withdrawals),
            &[missing(Field::DateOfBirth), missing(Field::WithdrawalReason)],
        );
        check("Surname,DOB,Resumed on", Some(Kind::Resumptions), &[missing(Field::Uln)]);
        check("Reg no,Surname,DOB,Resumed on", Some(Kind::Resumptions), &[]);
        check(
            &format!("{PERSON},Last name,Resumed on"),
            Some(Kind::Resumptions),
            &[Finding::of(Code::COLUMN_TWICE, Field::FamilyName)],
        );
        check(
            &format!("{PERSON},Resumed on,Shoe size,Hat size"),
            Some(Kind::Resumptions),
            &[Code::COLUMN_IGNORED.into()],
        );
        check(&format!("{PERSON},,Resumed on,, "), Some(Kind::Resumptions), &[]);
        let asked = Wanted { kind: Some(Kind::Withdrawals), header_map: &[] };
        let mapped = map_of("ULN,Surname,DOB,Start date,QAN", &asked);
        assert_eq!(mapped.findings, [missing(Field::WithdrawalDate), missing(Field::WithdrawalReason)]);
    }

    /// Goal: a heading with two meanings yields to a plain one. Method: both beside each other, and each alone.
    #[test]
    fn a_likely_meaning_yields_to_a_sure_one() {
        let fields = |headings: &str| map_of(headings, &Wanted::default()).columns;
        let both = fields("Learner ID,Reg no,Reason,Reason for withdrawal,Leave date");
        assert_eq!(both.get(..3), Some(&[None, Some(Field::RegistrationNo), Some(Field::Reason)][..]));
        let alone = fields("Learner ID,Reason,Leave date");
        assert_eq!(alone.get(..2), Some(&[Some(Field::RegistrationNo), Some(Field::WithdrawalReason)][..]));
        assert_eq!(fields("Course code,Start date"), [Some(Field::Qualification), Some(Field::StartDate)]);
    }

    /// Goal: what a centre has confirmed goes before every synonym. Method: turn a known heading and an unknown one round.
    #[test]
    fn a_confirmed_mapping_goes_first() {
        let header_map =
            [("Course code".to_owned(), Field::CentreRef), ("legacykey".to_owned(), Field::RegistrationNo)];
        let mapped = map_of("Course Code,Legacy-Key", &Wanted { kind: None, header_map: &header_map });
        assert_eq!(mapped.columns, [Some(Field::CentreRef), Some(Field::RegistrationNo)]);
    }
}
