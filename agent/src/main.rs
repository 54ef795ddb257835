//! The `daybook` program: arguments, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    daybook_agent::cli::main()
}
