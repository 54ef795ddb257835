//! The `daybook` program: arguments, run, exit code.

fn main() {}
