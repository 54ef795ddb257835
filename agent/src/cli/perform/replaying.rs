//! `replay`: what changed policies would have made of real history.

use std::{collections::BTreeMap, path::Path};

use daybook_protocol::{
    entry::Source,
    event::{Event, Verdict},
    finding::Finding,
};

use crate::{
    cli::{Exit, Screen, replay::Replay},
    config::Config,
    desk::Policies,
    office::{Office, OfficeError},
    replay::{self, Asked, Difference, Replayed, Said},
    report::{Cell, Form, ROWS_MAX, Table},
};

/// Judges again what is asked for, and prints every verdict that would differ.
pub(super) fn replay(office: &Office, asked: &Replay, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let form = match (asked.csv, json) {
        (true, true) => anyhow::bail!("give --csv or --json, not both"),
        (true, false) => Form::Csv,
        (false, true) => Form::Json,
        (false, false) => Form::Text,
    };
    if let Some(to) = asked.to.filter(|to| asked.from > *to) {
        anyhow::bail!("--from {} is later than --to {to}", asked.from);
    }
    let config = Config::parse(&asked.policy, Path::new("")).map_err(|why| anyhow::anyhow!("{why}"))?;
    let Some(_turn) = office.replaying() else {
        anyhow::bail!(
            "another replay is under way, and each takes the memory of an index: ask again when it has ended"
        );
    };
    let asked = Asked { policies: config.policies, from: asked.from, to: asked.to };
    let mut told = Told::new(&asked.policies);
    let mut progress = |done, total| {
        screen.progress(done, total, "entries");
        !screen.gone()
    };
    let done = match replay::replay(office, &asked, &mut |difference| told.add(difference), &mut progress) {
        Err(OfficeError::Stopping) => {
            anyhow::bail!("stopped before the replay was finished; nothing was changed by it")
        }
        done => done?,
    };
    for line in told.table.lines(form) {
        screen.out(&line)?;
    }
    for sentence in told.sums(done) {
        if form == Form::Text { screen.out(&sentence)? } else { screen.note(&sentence) }
    }
    Ok(if done.differing > 0 { Exit::Problem } else { Exit::Good })
}

/// What is told so far.
struct Told<'a> {
    policies: &'a Policies,
    table: Table,
    /// How many would change from one verdict to another.
    changes: BTreeMap<(&'static str, &'static str), u64>,
}

impl<'a> Told<'a> {
    fn new(policies: &'a Policies) -> Self {
        let table = Table::new(&[
            ("entry", "entry"),
            ("place", "file:line"),
            ("day", "on"),
            ("was", "was"),
            ("was_code", "code"),
            ("would_be", "would be"),
            ("code", "code"),
            ("policy", "policy"),
        ]);
        Self { policies, table, changes: BTreeMap::new() }
    }

    fn add(&mut self, Difference { entry, source, day, was, would_be }: &Difference) {
        *self.changes.entry((verdict(was), verdict(would_be))).or_default() += 1;
        if self.table.len() >= ROWS_MAX {
            // They are counted all the same.
            return;
        }
        let place = match source {
            Source::Row { arrival, line } => format!("{arrival}:{line}"),
            Source::File { arrival } => arrival.to_string(),
            Source::Command => "by command".to_owned(),
            Source::Agent => String::new(),
        };
        let name = |said: &Said| Cell::words(said.event.as_ref().map_or("nothing", Event::name));
        let policy = self.policies.version_on(*day);
        let policy = match (&policy.name, policy.from) {
            (Some(name), _) => Cell::words(name.as_str()),
            (None, from) => Cell::from(from),
        };
        let (was_code, code) = (Cell::words(codes(&was.findings)), Cell::words(codes(&would_be.findings)));
        let row = vec![
            Cell::Number(entry.0),
            Cell::words(place),
            Cell::Day(*day),
            name(was),
            was_code,
            name(would_be),
            code,
            policy,
        ];
        // There is room: its length was asked.
        let _ = self.table.push(row);
    }

    /// What it comes to, in sentences.
    fn sums(&self, done: Replayed) -> Vec<String> {
        let Replayed { files, rows, orders, differing, left } = done;
        let count = |count: u64, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let (rows, orders, files) = (count(rows, "row"), count(orders, "order"), count(files, "file"));
        let judged = format!("{rows}, {orders} and {files} were judged again");
        let mut sums = vec![match differing {
            0 => format!("{judged}: no verdict would differ."),
            1 => format!("{judged}: 1 verdict would differ."),
            _ => format!("{judged}: {differing} verdicts would differ."),
        }];
        let change = |((was, would_be), count): (&(&str, &str), &u64)| {
            let otherwise = if was == would_be { format!("{was} otherwise") } else { (*would_be).to_owned() };
            format!("{count} {was} would be {otherwise}")
        };
        if !self.changes.is_empty() {
            sums.push(format!("{}.", self.changes.iter().map(change).collect::<Vec<_>>().join(", ")));
        }
        if differing > self.table.len() as u64 {
            sums.push(format!("The first {} are told: narrow it down with --from and --to.", self.table.len()));
        }
        if left > 0 {
            sums.push(format!(
                "{left} rows and orders cannot be judged again and are left as they are: orders that were refused, of which the log does \
                 not have all that was said, and what cannot be read or opened any more."
            ));
        }
        sums
    }
}

fn codes(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.code.to_string()).collect::<Vec<_>>().join(" ")
}

fn verdict(said: &Said) -> &'static str {
    match &said.event {
        None => "not asked for",
        Some(Event::FileParsed(_)) => "judged row by row",
        Some(Event::FileHeld(_)) => "held as a whole",
        Some(event) => match event.verdict() {
            Verdict::Accepted => "accepted",
            Verdict::Rejected => "rejected",
            Verdict::Duplicate => "duplicate",
            Verdict::Held => "held",
        },
    }
}
