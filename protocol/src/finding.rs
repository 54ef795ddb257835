//! What a check found: the codes of DOMAIN.md 6.5, what each means, and how the sender mends it.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{field::Field, ids::ParseIdError};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// `W`: taken, and flagged.
    Warning,
    /// `Q`: held for a person.
    Query,
    /// `E`: refused.
    Error,
}

/// The code of a finding: stage (1 file, 2 field, 3 reference, 4 state) times 1,000 plus its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Code(pub u16);

impl Code {
    /// 1 file, 2 field, 3 reference, 4 state.
    pub fn stage(self) -> u16 {
        self.0 / 1000
    }

    /// How much it weighs; a code this program does not know weighs as an error.
    pub fn severity(self) -> Severity {
        known(self).map_or(Severity::Error, |known| known.severity)
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        known(self).map_or("a finding of a newer version of Daybook", |known| known.meaning)
    }

    /// How the sender mends it, in plain English.
    pub fn mend(self) -> &'static str {
        known(self).map_or("Ask the office that sent this receipt.", |known| known.mend)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.stage() {
            1 => 'F',
            2 => 'L',
            3 => 'R',
            4 => 'S',
            _ => 'X',
        };
        write!(f, "{}{letter}-{:03}", self.stage(), self.0 % 1000)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Code {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        KNOWN
            .iter()
            .map(|known| known.code)
            .find(|code| code.to_string() == text)
            .ok_or_else(|| ParseIdError { text: text.to_owned(), what: "a code such as 2L-003" })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One thing that a check found in a file or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub code: Code,
    /// In which column, where it concerns one.
    pub field: Option<Field>,
}

impl Finding {
    /// A finding about one column.
    pub fn of(code: Code, field: Field) -> Self {
        Self { code, field: Some(field) }
    }
}

impl From<Code> for Finding {
    fn from(code: Code) -> Self {
        Self { code, field: None }
    }
}

/// The weightiest of some findings; `None` if there are none.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.code.severity()).max()
}

struct Known {
    code: Code,
    severity: Severity,
    meaning: &'static str,
    mend: &'static str,
}

fn known(code: Code) -> Option<&'static Known> {
    KNOWN.binary_search_by_key(&code, |known| known.code).ok().and_then(|place| KNOWN.get(place))
}

macro_rules! codes {
    ($($name:ident = $number:literal $severity:ident $meaning:literal, $mend:literal;)*) => {
        impl Code {
            $(#[doc = $meaning] pub const $name: Self = Self($number);)*
        }
        const KNOWN: &[Known] = &[
            $(Known { code: Code($number), severity: Severity::$severity, meaning: $meaning, mend: $mend },)*
        ];
    };
}

codes! {
    UNREADABLE = 1001 Error "file unreadable or encrypted", "Open the file yourself; if it opens without a password, save it as CSV UTF-8 and send that.";
    KIND_UNKNOWN = 1002 Error "unknown kind of file", "Use the column headings of our template so that the file can be told to be enrolments, withdrawals or another kind.";
    ENCODING_UNKNOWN = 1003 Error "encoding not recognised", "Save the file as CSV UTF-8 and send it again.";
    MOJIBAKE = 1004 Error "letters damaged by a wrong encoding", "Names show signs such as \u{c3}\u{a9} for \u{e9}. Export the file again from your system as UTF-8; do not repair it by hand.";
    DELIMITER_NOT_FOUND = 1005 Error "columns not separated", "Separate the columns by commas, semicolons, tabs or pipes.";
    HEADER_NOT_FOUND = 1006 Error "header row not found", "Put one row of column headings above the data, within the first 20 rows.";
    COLUMN_MISSING = 1007 Error "required column missing", "Add the column named here, with a value in every row.";
    COLUMN_TWICE = 1008 Error "two columns mean the same", "Remove or rename one of the two columns named here.";
    NO_ROWS = 1009 Error "no data rows", "There is no row of data in the file. Send it with its rows below their headings.";
    FILE_DUPLICATE = 1010 Error "duplicate of an earlier file", "Nothing to do: the same file was received before.";
    SHEET_ERRORS = 1011 Error "sheet has formula errors", "Mend the cells that show #N/A or #REF! and send the file again.";
    COLUMN_IGNORED = 1012 Warning "unknown column ignored", "Nothing to do, unless the column matters: then use the heading of our template.";
    MONTH_FIRST = 1013 Error "dates are month first", "Write dates as YYYY-MM-DD or day/month/year.";
    DATE_ORDERS_MIXED = 1014 Error "dates in mixed orders", "Some dates can only be day first, others only month first. Write all as YYYY-MM-DD.";
    IDENTIFIER_COLUMN_WRONG = 1015 Error "identifier column looks wrong", "More than half of the ULNs fail their check digit: another column probably stands under that heading.";
    TOO_LARGE = 1016 Error "file beyond a limit", "Split the file into smaller ones.";
    TOO_MANY_ERRORS = 1017 Query "too many rows in error", "A person is looking at the file: so many rows failed that a column is probably mistaken for another.";
    KIND_NOT_ALLOWED = 1018 Query "kind not expected in this folder", "A person is looking at the file. Next time, drop it in the folder for its kind.";
    NEW_VERSION = 1019 Query "another version of an earlier file", "A person is looking at the file: one of the same name came before with other contents.";
    FILE_REFUSED = 1020 Error "refused by a person who looked at it", "Ask us if the reason is not clear to you. Mend the file and send it again.";
    MACROS = 1021 Query "workbook holds macros", "A person is looking at the file. Next time, save it as XLSX, which has no macros.";
    WEB_PAGE = 1022 Query "web page named as something else", "A person is looking at the file. Next time, open it in a spreadsheet and save it as XLSX or CSV UTF-8.";
    ARCHIVE = 1023 Query "archive of files", "A person is looking at the file. Next time, take the files out of the archive and send them one by one.";
    DOCUMENT = 1024 Query "document or picture, not a table", "A person is looking at the file. Next time, send the table itself as XLSX or CSV UTF-8.";
    MAIL_CONTAINER = 1025 Query "winmail.dat of a mail program", "A person is looking at the file. Next time, send the attachment as plain text mail or drop the file itself.";
    INTERCHANGE = 1026 Query "file of EDI, A2C or other XML", "A person is looking at the file: such files are kept and not read. Send the rows as XLSX or CSV UTF-8.";
    MORE_TABLES = 1027 Query "more than one table", "A person is looking at the file: only its first table would be read. Next time, put each table in a file of its own.";
    DATA_AFTER_GAP = 1028 Query "rows far below the table", "A person is looking at the file: rows follow after 20 or more blank ones. Next time, leave no gap in the table.";
    SHEET_HIDDEN = 1029 Warning "hidden sheet not read", "Nothing to do, unless the sheet holds rows that matter: then unhide it and send the file again.";
    ROWS_HIDDEN = 1030 Warning "hidden or filtered rows or columns were read", "Nothing to do, unless what is hidden was not meant to be sent: then tell us.";
    ZEROS_RESTORED = 1031 Warning "leading zeros taken from the format of cells", "Nothing to do if the numbers are right. Format such columns as text to be sure.";
    DATES_1904 = 1032 Warning "dates counted from 1904", "Nothing to do: the workbook says so, and its dates were read accordingly. Check one of them.";
    REQUIRED_MISSING = 2001 Error "required value missing", "Fill in the column named here.";
    ULN_LENGTH = 2002 Error "ULN not 10 digits", "A ULN has exactly 10 digits and never begins with 0. Take it from the learner's record again; do not add zeros.";
    ULN_CHECK_DIGIT = 2003 Error "ULN check digit wrong", "A digit is mistyped or two are swapped. Take the ULN from the learner's record again.";
    ULN_SCIENTIFIC = 2004 Error "ULN lost in scientific format", "The spreadsheet rounded the number away. Format the column as text and type the ULN again.";
    ULN_CLEANED = 2005 Warning "ULN cleaned of stray characters", "Nothing to do: spaces or marks around the digits were left out.";
    ULN_PLACEHOLDER = 2006 Warning "ULN placeholder treated as absent", "Send the ULN as an amendment when it is known.";
    DATE_INVALID = 2007 Error "not a valid date", "Write the date as YYYY-MM-DD or day/month/year, with a four-figure year.";
    YEAR_TWO_DIGITS = 2008 Error "year of two digits", "Write the year with four figures, for example 2005.";
    DATE_IN_FUTURE = 2009 Error "date lies in the future", "Correct the date.";
    AGE_BELOW_MINIMUM = 2010 Error "learner too young or too old", "Check the date of birth.";
    AGE_UNUSUAL = 2011 Warning "unusual age", "Check the date of birth; nothing to do if it is right.";
    NAME_SYMBOLS = 2012 Error "name contains digits or symbols", "Write the name in letters only.";
    NAME_LONG = 2013 Warning "name longer than 35 letters", "Nothing to do here; the Learning Records Service keeps 35 letters only.";
    NAME_CASE = 2014 Warning "name all in capitals or all in small letters", "The certificate will show the name as sent. Send an amendment if that is not wanted.";
    POSTCODE = 2015 Warning "postcode format", "Check the postcode, for example the letter O for a zero.";
    ROW_DUPLICATE = 2016 Error "duplicate row in file", "Nothing to do if the row stands twice by mistake: the first one counted.";
    COLUMN_SHIFT = 2017 Error "columns shifted", "The row has more or fewer columns than the heading: look for a stray separator or line break.";
    REASON_REQUIRED = 2018 Error "reason required", "Give one of the listed reasons.";
    REASON_UNKNOWN = 2019 Error "reason not recognised", "Use one of the listed reasons, for example LEFT_COURSE, ILLNESS, TRANSFER_CENTRE, FINANCIAL or OTHER.";
    OTHER_NEEDS_TEXT = 2020 Error "free text needed for OTHER", "Say in the notes column what the other reason is.";
    NAME_TITLE = 2021 Warning "title in the first name", "The certificate will show the title as sent. Send an amendment if that is not wanted.";
    NAME_COMMA = 2022 Error "whole name in one column", "Put family name and given names into their own columns.";
    VALUE_LONG = 2023 Error "value beyond its limit", "Shorten the value.";
    VALUE_FORMAT = 2024 Error "value not of the expected form", "Write the value as our template shows it.";
    DATE_IMPLAUSIBLE = 2025 Error "date is a spreadsheet's default", "The date looks like an empty cell turned into a date. Type it again.";
    QN_FORMAT = 2026 Error "qualification number not of its form", "Write it as 601/5886/4 or 60158864.";
    AMENDED_FIELD_UNKNOWN = 2027 Error "not something that can be amended", "Amend names, date of birth, ULN, sex, postcode or e-mail. For a wrong centre or qualification withdraw with REGISTERED_IN_ERROR and enrol again.";
    VALUE_UNUSUAL = 2028 Warning "value not of the usual form", "Check the value; nothing to do if it is right.";
    DATES_OUT_OF_ORDER = 2029 Error "dates in the wrong order", "The later of the two dates must come after the earlier one.";
    CELL_ERROR = 2030 Error "cell shows a formula error", "Mend the formula that shows #N/A, #REF! or the like, or type the value.";
    MERGED_CELLS = 2031 Error "value missing beside merged cells", "A merged cell counts for its first row only. Unmerge the cells and fill in the value in every row.";
    CENTRE_UNKNOWN = 3001 Error "centre unknown", "Check the centre number.";
    CENTRE_NOT_APPROVED = 3002 Error "centre not approved", "Ask for approval of the centre for this qualification first.";
    QN_NOT_FOUND = 3003 Error "qualification not found", "Check the qualification number against the register.";
    QN_CHECK_CHARACTER = 3004 Warning "qualification number may be mistyped", "Check the qualification number: its last character does not fit the others.";
    QN_CLOSED = 3005 Error "qualification closed to registration", "The qualification no longer takes registrations.";
    QN_PAST_CERTIFICATION = 3006 Error "qualification past certification end", "The qualification can no longer be certificated.";
    UNIT_NOT_IN_QUALIFICATION = 3007 Error "unit not in qualification", "Check the unit reference.";
    GRADE_NOT_IN_SCALE = 3008 Error "grade not in scale", "Use a grade of the qualification's scale.";
    SENDER_NOT_AUTHORISED = 3009 Error "sender not authorised for centre", "Rows of another centre do not belong in this file: send them through that centre's own folder.";
    CENTRE_UNDER_SANCTION = 3010 Error "centre under sanction", "Ask the quality team.";
    NO_PRICE = 3011 Query "no price for product", "A person is looking at it.";
    TEMPLATE_OLD = 3012 Warning "template version old", "Take the new template for the next file.";
    ALREADY_ENROLLED = 4001 Error "already enrolled", "The learner has an open registration for this qualification on that date. Withdraw it first if a new one is meant.";
    POSSIBLE_DUPLICATE_PERSON = 4002 Query "possibly a person already known", "A person is looking at it.";
    ULN_HELD_BY_ANOTHER = 4003 Error "ULN held by another learner", "The ULN is on record with another surname or date of birth. Check all three.";
    REGISTRATION_NOT_FOUND = 4004 Error "registration not found", "No registration for this learner and qualification on that date. Check ULN, qualification and date, or enrol first.";
    IDENTITY_MISMATCH = 4005 Error "identity does not match", "Surname and date of birth must be those on record. Send an amendment first if they have changed.";
    REGISTRATION_WITHDRAWN = 4006 Error "registration withdrawn", "The registration was withdrawn before that date. Enrol the learner again if they came back.";
    REGISTRATION_DEFERRED = 4007 Error "registration deferred", "The registration is deferred on that date. Send a resumption first.";
    DEFERRAL_LIMIT = 4008 Error "deferral limit reached", "No more deferrals, or no more days of deferral, are allowed for this registration.";
    DEFERRAL_PAST_END = 4009 Error "deferral beyond the registration's end", "Choose an earlier date to resume by.";
    CERTIFICATE_ISSUED = 4010 Error "certificate already issued", "A certificate was issued on this registration, so it can no longer be changed this way.";
    CLAIM_OPEN = 4011 Error "open claim must be cancelled first", "Cancel the claim first.";
    MINIMUM_WEEKS = 4012 Error "minimum weeks not reached", "Claim again when the minimum time since registration has passed.";
    RESULT_MISSING = 4013 Error "result missing for unit", "Send the unit's result first.";
    MALPRACTICE_HOLD = 4014 Query "held by the quality team", "A person is looking at it.";
    FINANCE_HOLD = 4015 Query "held by the accounts team", "A person is looking at it.";
    LRS_DISCREPANCY = 4016 Query "differs from the Learning Records Service", "A person is looking at it.";
    BOOKING_TOO_LATE = 4017 Error "booking too late", "Choose a later date.";
    ALREADY_PASSED = 4018 Error "already passed", "The unit is already passed.";
    SLOT_NOT_AVAILABLE = 4019 Error "slot not available", "Choose another slot.";
    BEFORE_REGISTRATION = 4020 Error "effective date before registration", "The date must not be before the start date of the registration.";
    REGISTRATION_EXPIRED = 4021 Error "registration expired", "The registration had expired on that date. Enrol again.";
    NOT_DEFERRED = 4022 Error "registration not deferred", "Only a deferred registration can be resumed, or its deferral extended.";
    BREAKS_LATER_FACT = 4023 Query "would contradict a later fact", "A person is looking at it: something already recorded with a later date would no longer be possible.";
    RESUMED_LATE = 4024 Query "resumed after the agreed date", "A person is looking at it.";
    CERTIFICATE_UNKNOWN = 4025 Error "certificate not known", "Check the certificate number.";
    CERTIFICATE_STATE = 4026 Error "not possible in the certificate's present state", "A certificate is sent once, comes back, and is then sent again.";
    DISPATCH_ATTEMPTS = 4027 Error "too many dispatches", "The certificate was sent as often as is allowed. Confirm the address with the centre and ask the manager.";
    FURTHER_THAN_ALLOWED = 4028 Error "date too far ahead", "Send it again nearer the date.";
    DISPATCH_ADDRESS_UNCONFIRMED = 4029 Error "address not confirmed", "Give the new address, or say in the evidence column that the same address was confirmed.";
    CERTIFICATE_NUMBER_TAKEN = 4030 Error "certificate number already used", "A certificate number is unique for ever. Check it.";
    SEVERAL_REGISTRATIONS = 4031 Error "more than one registration fits", "Give the registration number or the qualification.";
    ROW_REFUSED = 4032 Error "refused by a person who looked at it", "Ask us if the reason is not clear to you. Mend the row and send it again in a new file.";
    DIFFERS_FROM_ACCEPTED = 4033 Query "differs from what was accepted", "A person is looking at it. To change what is held of a learner, send an amendment.";
    KEY_UNUSABLE = 4034 Query "the learner's record cannot be opened", "A person is looking at it: it is no fault of the row.";
    OPERATOR_ONLY = 4035 Error "only an operator can record this", "Ask us to record it.";
    NOT_WITHDRAWN = 4036 Error "registration not withdrawn", "Only a withdrawal that holds on that date can be reversed.";
    REVERSAL_TOO_LATE = 4037 Error "withdrawn too long ago", "The withdrawal can no longer be reversed. Enrol the learner again.";
    REPLACED_SINCE = 4038 Error "another registration took its place", "The learner was enrolled again for the same qualification. Choose a day after that registration ended.";
    REVERSED_SINCE = 4039 Query "withdrawn before, which was reversed", "A person is looking at it: this very withdrawal was accepted before and reversed since.";
    DEFERRAL_LAPSED = 4040 Query "deferral lapsed", "A person is looking at it: the learner was to resume long before that date.";
    REGISTRATION_VOID = 4041 Error "registration void", "The registration was made in error and is void. Name the one that took its place, or enrol the learner.";
    VOIDED_SINCE = 4042 Query "enrolled before, which was void", "A person is looking at it: this very enrolment was accepted before and found to be in error since.";
    REGISTRATION_COMPLETED = 4043 Error "qualification completed", "The qualification was completed on this registration before that date, so it can no longer be changed this way.";
    REGISTRATION_TRANSFERRED = 4044 Error "registration transferred", "Another registration took its place on or before that date. Name that one.";
    NOTHING_TO_TRANSFER = 4045 Error "nothing to transfer to", "The registration is at that centre and for that qualification already. Name another centre or another qualification.";
    SAME_LEARNER = 4046 Error "one learner already", "Both name the same learner: there is nothing to merge.";
    NOT_MERGED = 4047 Error "not merged", "Name a registration or the ULN of who was merged into the learner.";
    HAS_MERGED = 4048 Error "others were merged into that learner", "Let that learner be the one who stays, or unmerge the others first.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: codes print as DOMAIN.md writes them and are looked up by bisection. Method: order, form, round trip.
    #[test]
    fn codes_are_in_order_and_print_as_in_the_domain() {
        assert!(
            KNOWN.windows(2).all(|pair| pair.first().map(|known| known.code) < pair.last().map(|known| known.code))
        );
        assert_eq!(Code::ULN_CHECK_DIGIT.to_string(), "2L-003");
        assert_eq!("4S-020".parse(), Ok(Code::BEFORE_REGISTRATION));
        for known in KNOWN {
            assert_eq!(known.code.to_string().parse(), Ok(known.code));
            assert!(known.mend.ends_with(['.', '!']), "{}", known.code);
        }
        assert_eq!(worst(&[Code::COLUMN_IGNORED.into(), Code::NO_PRICE.into()]), Some(Severity::Query));
    }
}
