//! The `invnet` program: parses the arguments, runs a command, prints one line if it fails.

use std::io::IsTerminal;

use clap::Parser;
use invnet::error::Error;

fn main() {
    if let Err(error) = invnet::cli::Cli::parse().run() {
        let red = std::io::stderr().is_terminal();
        let (on, off) = if red { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        match &error {
            // The user knows that it stopped, and why.
            Error::Interrupted { message, .. } => eprintln!("{message}"),
            error => eprintln!("{on}error:{off} {error}"),
        }
        std::process::exit(error.exit_code());
    }
}
