//! Commands that look after the log itself: verify, export, rebuild, salvage.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
};

use anyhow::Context as _;
use daybook_protocol::{checkpoint::NOTE_BYTES_MAX, ids::Sequence, tree::Frontier};

use crate::{
    cli::{Exit, Globals, Screen, status::VerifyStatus},
    durable,
    home::Home,
    identity::{CentralNode, Identity, verifier_of},
    office::{Location, Office, Reading},
    replicate::kept_checkpoint,
    store::{self, StoreError},
    verify::{self, Report},
};

/// What is said of the log of a data directory that is good, and what to do about one that is damaged.
const OF_HOME: (&str, &str) = (
    "good: nothing of the log was lost or changed (originals and keys are another matter: daybook scrub)",
    "stop the agent and run daybook salvage; where that finds too little, daybook recover into another directory",
);
/// What to do about one that has more than its central node signed for.
const OF_BEHIND: &str = "stop the agent and run daybook salvage; where that finds too little, daybook recover --rejoin ADDRESS CODE in this data \
                         directory, which keeps what the central node does not have";
/// What to do where a start does it.
const OF_HEAD: &str = "start the agent again, or ask anything of the log; there is nothing to salvage";
/// The same of an export.
const OF_EXPORT: (&str, &str) = (
    "good: nothing of the exported log was lost or changed",
    "ask for the export again, and have the log that it came from verified",
);

/// Checks the log of the home that `globals` name, or an export.
pub(super) fn verify(
    globals: &Globals,
    (export, verifier): (Option<&Path>, Option<&Path>),
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    match export {
        Some(directory) => verify_export(directory, verifier, json, screen),
        None => verify_home(&globals.home()?, json, screen),
    }
}

/// Checks an export, with the central node's key where the auditor has it from elsewhere.
fn verify_export(
    directory: &Path,
    verifier: Option<&Path>,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let read = |path: &Path| {
        let bytes = durable::read_bounded(path, NOTE_BYTES_MAX as u64)?.ok_or(io::ErrorKind::NotFound)?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    let key = |path: &Path| read(path).with_context(|| format!("cannot read the key {}", path.display()));
    let own = verifier.map(key).transpose()?;
    let mut progress = |done, total| screen.progress(done, total, "bytes");
    let checked = verify::verify_export(directory, own.as_deref().map(str::trim), &mut progress);
    if own.is_none() && checked.as_ref().is_ok_and(|report| report.anchored_through.is_some()) {
        screen.note(
            "the signature was checked by the key that lies in the export itself, which whoever forged the one could forge \
             too: name the central node's own with --verifier",
        );
    }
    tell(checked, json, OF_EXPORT, screen)
}

/// Checks the log of a home, from the bytes on disk, whether or not it is open.
pub(super) fn verify_home(home: &Home, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let verifier = verifier_of(home)?;
    if verifier.is_none() && home.checkpoint().exists() {
        screen.note(
            "daybook: the central node's signature is not checked: identity.toml, which has the key for it, is missing",
        );
    }
    let mut progress = |done, total| screen.progress(done, total, "bytes");
    let checked = verify::verify(&store::places(home), verifier.as_deref(), &mut progress);
    if let Ok(report) = &checked {
        let at = jiff::Timestamp::now().into();
        let found = VerifyStatus { at, entries: report.entries, ok: report.ok() };
        // An auditor may not write here, and need not: only `status` would then not know of it.
        let _ = serde_json::to_vec(&found).map(|found| durable::write_whole(&home.verified(), &found));
    }
    let (good, next) = OF_HOME;
    tell(checked, json, (good, if has_more_than_signed(home) { OF_BEHIND } else { next }), screen)
}

fn tell(
    checked: Result<Report, verify::CouldNotCheck>,
    json: bool,
    (good, next): (&str, &str),
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let report = checked?;
    let faults: Vec<_> =
        report.faults.iter().map(|fault| serde_json::json!({ "at": fault.at, "what": fault.what })).collect();
    if json {
        let line = serde_json::json!({
            "entries": report.entries,
            "root": report.root,
            "anchored_through": report.anchored_through,
            "ok": report.ok(),
            "faults": faults,
        });
        screen.out(&line.to_string())?;
    } else {
        let anchored = match report.anchored_through {
            Some(count) => format!("the central node has signed for {count} of them"),
            None => "no central node has signed for them yet".to_owned(),
        };
        screen.out(&format!("{} entries, root {}; {anchored}", report.entries, report.root))?;
        for fault in &report.faults {
            let at = fault.at.map_or_else(String::new, |at| format!("entry {at}: "));
            screen.out(&format!("damaged: {at}{}", fault.what))?;
        }
        if report.ok() {
            screen.out(good)?;
        } else {
            let next = if report.start_mends { OF_HEAD } else { next };
            screen.out(&format!("DAMAGED: see above; next: {next}"))?;
        }
    }
    Ok(if report.ok() { Exit::Good } else { Exit::Problem })
}

/// Writes the log so that anyone can check it.
pub(super) fn export(
    reading: &Reading,
    central: Option<&CentralNode>,
    directory: &Path,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    if fs::read_dir(directory)?.next().is_some() {
        anyhow::bail!("{} is not empty: name a directory that does not exist yet", directory.display());
    }
    // The checkpoint first: the log goes on and is then at least as long as what was signed for.
    let checkpoint = fs::read(reading.home.checkpoint()).ok();
    let total = reading.entries.count();
    let path = directory.join("log.frames");
    let mut out = BufWriter::with_capacity(1 << 20, File::create_new(&path)?);
    let (mut entries, mut root) = (0, Frontier::default().root());
    for frame in reading.entries.frames(Sequence(0)) {
        let frame = frame?;
        out.write_all(frame.bytes())?;
        (entries, root) = (frame.header().end().0, frame.header().root);
        screen.progress(entries, total.max(entries), "entries");
    }
    out.into_inner()?.sync_all()?;
    if let Some(checkpoint) = &checkpoint {
        write_synced(&directory.join("checkpoint"), checkpoint)?;
        let verifier = central.map(|central| central.verifier.clone());
        if let Some(verifier) = verifier.or_else(|| fs::read_to_string(reading.home.verifier()).ok()) {
            write_synced(&directory.join("verifier"), verifier.as_bytes())?;
        }
    }
    let head = verify::head_text(reading.log, entries, root);
    write_synced(&directory.join("head.json"), head.as_bytes())?;
    File::open(directory)?.sync_all()?;
    if json {
        screen.out(head.trim_end())?;
    } else {
        screen.out(&format!("{entries} entries are in {}", directory.display()))?;
        screen.out(&format!("check them: daybook verify --export {}", directory.display()))?;
    }
    Ok(Exit::Good)
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Throws away the books of a home that no agent has open, and folds them from the log again.
pub(super) fn rebuild(place: &Location, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let office = Office::rebuild(place, &mut |done, total| screen.progress(done, total, "entries"))?;
    let told = counts(&office.reading, json, screen);
    office.close()?;
    told
}

/// Throws away the books of an open log, and folds them again.
pub(super) fn refold(reading: &Reading, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    reading.refold(&mut |done, total| screen.progress(done, total, "entries"))?;
    counts(reading, json, screen)
}

fn counts(reading: &Reading, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let counts = reading.books()?.counts()?;
    if json {
        let mut object: serde_json::Map<String, serde_json::Value> =
            counts.into_iter().map(|(name, count)| (name, count.into())).collect();
        object.insert("applied_through".into(), reading.entries.count().into());
        screen.out(&serde_json::Value::from(object).to_string())?;
    } else {
        screen.out(&format!("the books are folded from {} entries:", reading.entries.count()))?;
        for (name, count) in counts {
            screen.out(&format!("  {name:<14} {count}"))?;
        }
    }
    Ok(Exit::Good)
}

/// Whether a home had more of its log than the central node that it joined has signed for, as far as head and checkpoint tell.
fn has_more_than_signed(home: &Home) -> bool {
    let Some(Identity { log, central: Some(central), .. }) = Identity::load(home).ok().flatten() else { return false };
    let kept = central.verifier().ok().and_then(|verifier| kept_checkpoint(home, log, &verifier).ok().flatten());
    store::durable_count(home) > kept.map_or(0, |kept| kept.count)
}

/// Brings back what a damaged store still holds.
pub(super) fn salvage(home: &Home, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let salvaged = store::salvage(home, &[], &mut |done, total| screen.progress(done, total, "bytes"));
    let salvaged = salvaged.map_err(|error| match error {
        StoreError::Incomplete { home: at, missing, .. } => {
            StoreError::Incomplete { home: at, missing, only_here: has_more_than_signed(home) }
        }
        other => other,
    })?;
    // What the last scrub found is mended, or is not: the next one says, and is due as if that one had not been.
    let _ = fs::remove_file(home.scrubbed());
    tell_salvaged(&salvaged, json, screen)?;
    Ok(Exit::Good)
}

fn tell_salvaged(salvaged: &store::Salvaged, json: bool, screen: &mut dyn Screen) -> anyhow::Result<()> {
    if json {
        let line = serde_json::json!({
            "entries": salvaged.entries,
            "batches": salvaged.batches,
            "beyond_head": salvaged.beyond_head,
            "head_was_missing": salvaged.head_was_missing,
            "evidence": salvaged.evidence,
        });
        screen.out(&line.to_string())?;
    } else {
        screen.out(&format!("{} entries in {} batches are back", salvaged.entries, salvaged.batches))?;
        if let Some(evidence) = &salvaged.evidence {
            screen.out(&format!("the damaged store is kept in {}", evidence.display()))?;
        }
        screen.out("check them, and what belongs to them: daybook scrub")?;
    }
    if salvaged.head_was_missing {
        screen.note(
            "the head was missing, so nobody knows whether the log once was longer: compare it with the central node's \
             copy, or with the sequences that receipts name",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{
        checkpoint::{Checkpoint, Signer},
        head::Head,
        ids::{Digest, Epoch, LogId},
    };

    use super::*;
    use crate::cli::screen::Kept;

    /// Goal: whoever salvages without a head hears that the log may once have been longer. Method: both ways of telling, with
    /// and without a head.
    #[test]
    fn a_salvage_without_a_head_says_so() {
        for (head_was_missing, json) in [(true, true), (true, false), (false, true), (false, false)] {
            let (entries, batches, beyond_head) = (9, 2, 0);
            let salvaged = store::Salvaged { entries, batches, beyond_head, head_was_missing, evidence: None };
            let mut screen = Kept::default();
            tell_salvaged(&salvaged, json, &mut screen).expect("told");
            assert_eq!(screen.notes.iter().any(|note| note.contains("once was longer")), head_was_missing);
            assert_eq!(
                screen.out.iter().any(|line| line.contains("\"head_was_missing\":true")),
                head_was_missing && json
            );
        }
    }

    /// Goal: a home that has more than the central node signed for is not sent to a copy that lacks it. Method: a head before
    /// and behind what is signed, of a home that joined and of one that did not.
    #[test]
    fn what_only_this_home_has_is_not_given_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let (home, log) = (Home::new(directory.path()), LogId([5; 16]));
        let signer = Signer::new("central", &[7; 32]);
        let root = Digest([1; 32]);
        let frontier = Frontier::from_parts(4, vec![root]).expect("a frontier");
        let head = Head { generation: 0, log, epoch: Epoch::FIRST, frontier }.encode();
        fs::write(home.head(), [head, head].concat()).expect("written");
        assert_eq!(store::durable_count(&home), 4);
        let verifier = signer.verifier().to_string();
        let central = CentralNode { address: "central.example".into(), name: "post room".into(), verifier };
        for (central, signed, rejoins) in
            [(None, 3, false), (Some(central.clone()), 3, true), (Some(central), 4, false)]
        {
            Identity { log, epoch: Epoch::FIRST, central }.save(&home).expect("saved");
            fs::write(home.checkpoint(), Checkpoint { log, count: signed, root }.sign(&signer)).expect("written");
            let why = salvage(&home, false, &mut Kept::default()).expect_err("there is no store").to_string();
            assert!(why.contains("Nothing was touched") && why.contains("--rejoin") == rejoins, "{signed}: {why}");
            let mut screen = Kept::default();
            verify_home(&home, false, &mut screen).expect("checked");
            let last = screen.out.last().expect("a line");
            assert!(last.starts_with("DAMAGED") && last.contains("--rejoin") == rejoins, "{signed}: {last}");
        }
    }

    /// Goal: what is good is the log, and no more is claimed. Method: a report without faults, of either.
    #[test]
    fn what_was_not_looked_at_is_not_called_good() {
        let (root, faults) = (Frontier::default().root(), Vec::new());
        let report = Report { entries: 0, root, anchored_through: None, faults, start_mends: false };
        for (texts, word) in [(OF_HOME, "daybook scrub"), (OF_EXPORT, "exported log")] {
            let mut screen = Kept::default();
            assert_eq!(tell(Ok(report.clone()), false, texts, &mut screen).expect("told"), Exit::Good);
            let last = screen.out.last().expect("a line");
            assert!(last.starts_with("good: nothing of the ") && last.contains(word), "{last}");
        }
    }

    /// Goal: an export that is damaged is not mended by commands for a data directory, nor a head by salvage. Method: what is said
    /// of either.
    #[test]
    fn damage_is_told_with_what_mends_it() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("log.frames"), b"no batch").expect("written");
        let mut screen = Kept::default();
        let mut report = verify::verify_export(directory.path(), None, &mut |_, _| ()).expect("checked");
        for (start_mends, word, other) in [(false, "export", "salvage"), (true, "start the agent", "export")] {
            report.start_mends = start_mends;
            let exit = tell(Ok(report.clone()), false, OF_EXPORT, &mut screen).expect("told");
            assert_eq!(exit, Exit::Problem);
            let last = screen.out.last().expect("a line");
            assert!(last.starts_with("DAMAGED") && last.contains(word) && !last.contains(other), "{last}");
        }
    }
}
