//! Small libraries in C that are loaded before the program, so that a test can do to it what the system seldom does.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles the shim of this name into a directory, and says where; `None`, with a word about it, where there is no C compiler or
/// its kernel does not have what it takes.
pub(crate) fn compiled(name: &str, into: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("tests/shims");
    let library = into.join(format!("{name}.so"));
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source.join(format!("{name}.c")))
        .output();
    match compiler {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(library)
        }
        Err(error) => {
            skipped(&format!("SKIPPED: no C compiler ({error}); tests/run installs one"));
            None
        }
    }
}

#[allow(clippy::print_stderr, reason = "whoever runs the tests has to see that this one did not run")]
fn skipped(why: &str) {
    eprintln!("{why}");
}
