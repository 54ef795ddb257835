//! The summary of a receipt, in words.

use std::fmt::Write as _;

use daybook_protocol::{
    date::Timestamp,
    event::{Level, Lines, Totals, Verdict},
    field::Kind,
    finding::{Code, Finding, Severity},
    ids::{Digest, Epoch, LogId, Sequence},
};

use crate::{books::index::Replaced, intake::is_treacherous, zone};

/// What became of a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every row has its verdict.
    Processed,
    /// It was refused.
    Rejected,
    /// It waits for a person.
    Held,
}

impl Outcome {
    /// The verdict on the whole file, where there is one.
    pub(super) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Processed => None,
            Self::Rejected => Some(Verdict::Rejected),
            Self::Held => Some(Verdict::Held),
        }
    }
}

/// What a receipt corrects: a person has decided on something that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// The receipt that is corrected.
    pub receipt: Sequence,
    /// What became of the rows that were decided on, which are the rows of this receipt's report; `None` where the file as a
    /// whole was held.
    pub decided: Option<Totals>,
}

/// What a summary says, all of it from the log, so that it comes out the same whenever it is written.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a> {
    /// The name under which the file arrived.
    pub file_name: &'a str,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// When its arrival was recorded.
    pub received_at: Timestamp,
    /// The centre that it was received for.
    pub centre: &'a str,
    /// What it is about, where that could be told.
    pub kind: Option<Kind>,
    /// What became of it as a whole.
    pub outcome: Outcome,
    /// What it corrects; `None` for the first receipt of a file.
    pub correction: Option<Correction>,
    /// What it takes the place of, where it does.
    pub replaces: Option<Replaced>,
    /// What became of the file's rows by now; only for [`Outcome::Processed`].
    pub totals: Totals,
    /// How its lines are accounted for, as far as it could be read.
    pub lines: Lines,
    /// What was found about the file as a whole.
    pub findings: &'a [Finding],
    /// The log that has its facts.
    pub log: LogId,
    /// The epoch of the last entry.
    pub epoch: Epoch,
    /// The last entry of the file.
    pub last: Sequence,
    /// The root of the log behind the batch of that entry.
    pub root: Digest,
    /// How many entries the log had at that root.
    pub root_count: u64,
    /// How safe the facts are.
    pub level: Level,
}

impl Summary<'_> {
    /// The text, with the line ends of Windows; `counts` says how often each code was found in the rows.
    pub(super) fn text(&self, receipt: Sequence, counts: &[(Code, u64)]) -> String {
        let mut out = String::with_capacity(4096);
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, receipt, counts);
        out.replace('\n', "\r\n")
    }

    /// The words by which an earlier copy of the same receipt is known, with the line ends of Windows.
    pub(super) fn whose(&self) -> String {
        self.log_and_epoch().replace('\n', "\r\n")
    }

    fn log_and_epoch(&self) -> String {
        format!("  Log        {}\n  Epoch      {}\n", self.log, self.epoch)
    }

    fn write(&self, out: &mut String, receipt: Sequence, counts: &[(Code, u64)]) -> std::fmt::Result {
        match (self.correction, self.replaces) {
            (Some(correction), _) => {
                writeln!(out, "Receipt {receipt}, which corrects receipt {}\n", correction.receipt)?;
            }
            (None, Some(Replaced { receipt: earlier, epoch })) => {
                writeln!(out, "Receipt {receipt}, which takes the place of receipt {earlier} of epoch {epoch}\n")?;
            }
            (None, None) => writeln!(out, "Receipt {receipt}\n")?,
        }
        writeln!(out, "File       {}", self.file_name.replace(is_treacherous, "_"))?;
        writeln!(out, "SHA-256    {}", self.sha256)?;
        writeln!(out, "Received   {} ({})", london(self.received_at), utc(self.received_at))?;
        writeln!(out, "Centre     {}", self.centre)?;
        writeln!(out, "Kind       {}\n", self.kind.map_or("not known", Kind::name))?;
        if let (None, Some(Replaced { receipt, .. })) = (self.correction, self.replaces) {
            writeln!(
                out,
                "Receipt {receipt} speaks of entries that were lost with a copy of our log that was given up. They no longer\n\
                 count: the file was judged again, as things stand in the log, and what this receipt says is what holds.\n"
            )?;
        }
        writeln!(out, "{}\n", self.headline())?;
        if let Some(decided) = self.decided() {
            write_totals(out, "Rows decided on now", decided)?;
        }
        if self.outcome == Outcome::Processed {
            let heading = if self.decided().is_some() { "Rows of the whole file, these included" } else { "Rows" };
            write_totals(out, heading, self.totals)?;
        }
        self.write_findings(out, counts)?;
        self.write_lines(out)?;
        self.write_place(out)?;
        writeln!(out, "What to do next")?;
        self.advice().iter().try_for_each(|sentence| writeln!(out, "  {sentence}"))
    }

    /// What became of the rows that were decided on, where rows were.
    fn decided(&self) -> Option<Totals> {
        self.correction.and_then(|correction| correction.decided)
    }

    fn headline(&self) -> String {
        if self.decided().is_some() {
            return "A person has decided on rows of the file that were held. The row report beside this receipt gives\n\
                    the new verdict of each; the verdicts on all other rows stand."
                .to_owned();
        }
        let held_before =
            if self.correction.is_some() { "A person has looked at the file, which was held. " } else { "" };
        format!("{held_before}{}", self.verdict())
    }

    fn verdict(&self) -> String {
        match self.outcome {
            Outcome::Processed => {
                "Every row of the file has a verdict. The row report beside this receipt gives each.".to_owned()
            }
            Outcome::Rejected => "The file was rejected as a whole. None of its rows was processed.".to_owned(),
            Outcome::Held => "The file is held for a person to look at. None of its rows is processed yet.".to_owned(),
        }
    }

    fn write_findings(&self, out: &mut String, counts: &[(Code, u64)]) -> std::fmt::Result {
        if !self.findings.is_empty() {
            writeln!(out, "What was found about the file as a whole")?;
            for finding in self.findings {
                let field = finding.field.map_or(String::new(), |field| format!(": {field}"));
                writeln!(out, "  {}  {}{field} ({})", finding.code, finding.code.meaning(), weight(finding.code))?;
                writeln!(out, "          {}", finding.code.mend())?;
            }
            writeln!(out)?;
        }
        if !counts.is_empty() {
            writeln!(out, "What was found in its rows")?;
            for (code, count) in counts {
                let times = if *count == 1 { "once".to_owned() } else { format!("{} times", grouped(*count)) };
                writeln!(out, "  {code}  {}, {times} ({})", code.meaning(), weight(*code))?;
                writeln!(out, "          {}", code.mend())?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_lines(&self, out: &mut String) -> std::fmt::Result {
        let Lines { header, title, blank, total, note, row } = self.lines;
        let all = header + title + blank + total + note + row;
        if all == 0 {
            return Ok(());
        }
        writeln!(out, "How the lines of the file were accounted for (a row of several lines counts once)")?;
        let counts = [header, title, blank, total, note, row, all].map(grouped);
        let [header, title, blank, total, note, row, all] = counts;
        writeln!(
            out,
            "  header {header}, title {title}, blank {blank}, total {total}, note {note}, row {row}; {all} in all\n"
        )
    }

    fn write_place(&self, out: &mut String) -> std::fmt::Result {
        let level = match self.level {
            Level::Local => "local: durable on the machine where the file arrived",
            Level::Mirrored => "mirrored: durable there and at the central node, with the original and its keys",
        };
        writeln!(out, "Where its facts stand")?;
        write!(out, "{}", self.log_and_epoch())?;
        writeln!(out, "  Sequence   {}, the last entry of this file", self.last)?;
        writeln!(out, "  Root       {}, of the first {} entries", self.root, self.root_count)?;
        writeln!(out, "  Level      {level}\n")
    }

    fn advice(&self) -> Vec<&'static str> {
        match self.outcome {
            Outcome::Rejected => vec!["Mend the file as said above and send it again."],
            Outcome::Held => {
                vec!["Nothing for now: do not send it again. Another receipt follows when it is released."]
            }
            Outcome::Processed => {
                let mut advice = Vec::new();
                if self.decided().unwrap_or(self.totals).rejected > 0 {
                    advice.push(
                        "Mend the rows in the resend file beside this receipt, which has the rejected ones in your own",
                    );
                    // A file of orders has no folder that it could be dropped into.
                    advice.push(if self.centre.is_empty() {
                        "columns, and give it to `daybook record from`: the columns in front that say what is wrong are passed over."
                    } else {
                        "columns, and drop that file as it is: we pass over the columns in front that say what is wrong."
                    });
                    advice.push(
                        "Or send the whole file again under another name, mended: rows that were accepted come back as",
                    );
                    advice.push("duplicates and change nothing.");
                }
                if self.totals.held > 0 {
                    advice.push("Held rows wait for a person of ours. Do not send them again.");
                }
                if advice.is_empty() {
                    advice.push("Nothing: there is no row to mend.");
                }
                advice
            }
        }
    }
}

fn write_totals(out: &mut String, heading: &str, totals: Totals) -> std::fmt::Result {
    let Totals { rows, accepted, rejected, duplicate, held } = totals;
    writeln!(out, "{heading}")?;
    for (name, count) in
        [("seen", rows), ("accepted", accepted), ("rejected", rejected), ("duplicate", duplicate), ("held", held)]
    {
        writeln!(out, "  {name:<10}{:>12}", grouped(count))?;
    }
    writeln!(out)
}

fn weight(code: Code) -> &'static str {
    match code.severity() {
        Severity::Warning => "a warning",
        Severity::Query => "held",
        Severity::Error => "an error",
    }
}

fn london(at: Timestamp) -> String {
    at.instant().to_zoned(zone::london().clone()).strftime("%-d %B %Y at %H:%M:%S %Z").to_string()
}

fn utc(at: Timestamp) -> String {
    at.instant().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
