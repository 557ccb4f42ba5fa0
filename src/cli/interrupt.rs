//! Signals that ask a long command to stop: it finishes what it is at, keeps what it made, and exits
//! with 128 plus the number of the signal, so that what follows `&&` in a shell does not start.

use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// A signal that was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal(i32);

impl Signal {
    /// What a shell reports for a process that this signal ended.
    pub(super) fn exit_code(self) -> i32 {
        128 + self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            SIGINT => "Ctrl-C",
            SIGTERM => "SIGTERM",
            _ => "SIGHUP",
        })
    }
}

/// What the handlers write; they belong to the process.
struct Handlers {
    /// The first signal, 0 for none.
    caught: Arc<AtomicUsize>,
    /// Whether the next signal ends the process.
    armed: Arc<AtomicBool>,
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// Catches INT, TERM and HUP from now on. A second signal ends the process at once, and one that was
/// ignored when the process started (`nohup`, or a shell's job in the background) stays ignored.
pub(super) fn listen() -> Result<()> {
    if HANDLERS.get().is_some() {
        return Ok(());
    }
    let (caught, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let ignored = ignored_signals();
    for signal in SIGNALS.into_iter().filter(|s| ignored >> (s - 1) & 1 == 0) {
        // Handlers run in this order: the first signal finds nothing armed, and arms.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))
            .and_then(|_| flag::register_usize(signal, Arc::clone(&caught), signal as usize))
            .and_then(|_| flag::register(signal, Arc::clone(&armed)))
            .map_err(|e| Error::Failed(format!("cannot listen for signals: {e}")))?;
    }
    // Another thread cannot have come first: commands start their work from one.
    let _ = HANDLERS.set(Handlers { caught, armed });
    Ok(())
}

/// The signal that asked to stop, if one did.
pub(super) fn caught() -> Option<Signal> {
    let number = HANDLERS.get()?.caught.load(Ordering::SeqCst);
    (number != 0).then_some(Signal(number as i32))
}

/// From now on nothing is left to finish: the next signal ends the process.
pub(super) fn stop_listening() {
    if let Some(handlers) = HANDLERS.get() {
        handlers.armed.store(true, Ordering::SeqCst);
    }
}

/// A bit for every signal that this process was started to ignore, where the system says.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
