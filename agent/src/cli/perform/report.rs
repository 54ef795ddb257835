//! `report`: what auditors and regulators ask.

use crate::{
    cli::{Exit, Screen, report::Report},
    journal::today,
    office::Reading,
    report::{Asked, Form, report as put_together},
};

/// Prints a report in the form that is asked for.
pub(super) fn report(reading: &Reading, asked: &Report, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let form = match (asked.csv, json) {
        (true, true) => anyhow::bail!("give --csv or --json, not both"),
        (true, false) => Form::Csv,
        (false, true) => Form::Json,
        (false, false) => Form::Text,
    };
    if asked.reveal && !reading.can_reveal() {
        anyhow::bail!("the operator's key is needed to reveal what is personal: name it with --operator-key");
    }
    if let (Some(from), Some(to)) = (asked.from, asked.to)
        && from > to
    {
        anyhow::bail!("--from {from} is later than --to {to}");
    }
    let Report { name, centre, registration, from, to, reveal, .. } = asked.clone();
    let asked = Asked { centre, registration, from, to, reveal, today: today() };
    for line in put_together(reading, name, &asked)?.lines(form) {
        screen.out(&line)?;
    }
    Ok(Exit::Good)
}
