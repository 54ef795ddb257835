//! The program's own log: to standard error, for people or as JSON.
//!
//! Nothing personal is ever logged: no name, ULN, date of birth, row value or file name. Other people's libraries do not
//! know that rule, so of theirs only warnings and errors are let through, whatever the environment asks for.

use std::{
    io::{self, Write as _},
    panic,
};

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

/// The variable that says what is logged, such as `daybook_agent=debug`.
pub const LOG: &str = "DAYBOOK_LOG";
const USUAL: &str = "info";
const OURS: &str = "daybook";

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Begins logging and sees to it that a panic says nothing personal. To be called once, before anything else.
pub fn begin(format: LogFormat) -> Result<(), TryInitError> {
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let _ = writeln!(io::stderr().lock(), "{}", about_panic(format, &place));
    }));
    let wanted = std::env::var(LOG).unwrap_or_else(|_| USUAL.to_owned());
    subscriber(format, &wanted, io::stderr).try_init()
}

/// Writes to `writer` what `wanted` asks for; directives in it that are not understood are left out, with a word on
/// standard error.
fn subscriber<W>(format: LogFormat, wanted: &str, writer: W) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let output = fmt::layer().with_writer(writer);
    let output = match format {
        LogFormat::Human => output.with_target(false).with_ansi(false).boxed(),
        LogFormat::Json => output.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(output.with_filter(EnvFilter::new(wanted)).with_filter(filter_fn(may_be_logged)))
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(OURS) || *metadata.level() <= Level::WARN
}

/// What is said of a panic: where, and never what, since its message may quote a value.
fn about_panic(format: LogFormat, place: &str) -> String {
    match format {
        LogFormat::Human => format!(
            "daybook: a mistake in the program at {place} stopped this work; what was committed is safe. \
             Start it again, and please report the place."
        ),
        LogFormat::Json => {
            let message = "a mistake in the program stopped this work; what was committed is safe";
            serde_json::json!({"level": "ERROR", "message": message, "place": place}).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("kept").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, wanted: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(subscriber(format, wanted, move || writer.clone()), || {
            tracing::info!(entries = 3, "ours");
            tracing::debug!("ours in detail");
            tracing::info!(target: "sled", "theirs");
            tracing::warn!(target: "sled", "their warning");
        });
        String::from_utf8(kept.0.lock().expect("kept").clone()).expect("text")
    }

    /// Goal: other people's libraries say no more than warnings, whatever is asked for; ours say what is asked for.
    /// Method: every combination.
    #[test]
    fn libraries_are_kept_short() {
        for (wanted, ours, detail, warning) in
            [(USUAL, true, false, true), ("trace", true, true, true), ("error", false, false, false)]
        {
            let text = logged(LogFormat::Human, wanted);
            let has = |word: &str| text.contains(word);
            assert_eq!((has("entries=3"), has("in detail"), has("their warning")), (ours, detail, warning), "{text}");
            assert!(!has("theirs"), "{text}");
        }
    }

    /// Goal: a line of JSON can be read by a machine. Method: parse it.
    #[test]
    fn json_is_one_object_a_line() {
        for line in logged(LogFormat::Json, USUAL).lines().chain([about_panic(LogFormat::Json, "a.rs:1:2").as_str()]) {
            let object: serde_json::Value = serde_json::from_str(line).expect(line);
            assert!(object.get("message").is_some() && object.get("level").is_some(), "{line}");
        }
    }
}
