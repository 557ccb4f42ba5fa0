//! The `invnet` program: parses the arguments, runs a command, prints one line if it fails.

use std::io::{IsTerminal, Write};

use invnet::cli::Cli;
use invnet::error::Error;

fn main() {
    if let Err(error) = Cli::of_process().and_then(Cli::run) {
        let mut out = std::io::stderr();
        let (on, off) = if out.is_terminal() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        // Where this cannot be written the exit code says it.
        let _ = match &error {
            // The user knows that it stopped, and why.
            Error::Interrupted { message, .. } => writeln!(out, "{message}"),
            error => writeln!(out, "{on}error:{off} {error}"),
        };
        std::process::exit(error.exit_code());
    }
}
