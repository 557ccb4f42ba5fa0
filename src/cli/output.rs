//! Standard output and standard error, either of which may be full or closed.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};

/// Writes a line to standard output.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Writes a line to standard error. When that fails there is nobody to tell.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(super) use {note, say};

/// Writes a text to standard output, at once.
///
/// # Errors
/// [`Error::Io`] if standard output is full or closed.
pub(super) fn print(text: impl fmt::Display) -> Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
}

/// What is said when standard output takes nothing.
pub(super) fn failed(source: io::Error) -> Error {
    Error::io("standard output", source)
}

/// What the library says besides its results, as notes; nothing if `quiet`.
pub(super) fn listen(quiet: bool) {
    log::set_max_level(if quiet { log::LevelFilter::Off } else { log::LevelFilter::Warn });
    // A program has one listener: whoever came first stays.
    let _ = log::set_logger(&Notes);
}

struct Notes;

impl log::Log for Notes {
    fn enabled(&self, about: &log::Metadata<'_>) -> bool {
        // What other crates have to say is no business of a user's.
        about.target().starts_with(env!("CARGO_PKG_NAME"))
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            note!("{}", record.args());
        }
    }

    fn flush(&self) {}
}

/// A bar on standard error, where somebody may look at it, with a text as `indicatif` fills it in.
pub(super) fn bar(total: u64, text: &str, quiet: bool) -> ProgressBar {
    let visible = !quiet && io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let style = ProgressStyle::with_template(&format!("{{bar:24}} {text}"));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
