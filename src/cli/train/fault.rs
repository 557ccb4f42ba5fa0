//! Which kernel failed, where a driver says only that one of a graph's thousands did.
//!
//! The iterations since the last checkpoint are run again by another process, for a device that failed answers no more:
//! kernel by kernel, each waited for, and by the kernels that the run had settled on.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use super::folder::CHECKPOINT;
use super::{Run, resume, stored};
use crate::cli::TrainArgs;
use crate::cli::interrupt::{self, Signal};
use crate::cli::output::note;
use crate::error::{Error, Result};
use crate::train::Trainer;

/// How often a signal is looked for while the other process runs.
const GLANCE: Duration = Duration::from_millis(100);

/// The failure of a graph of this run, with the kernel that did it if it does it again.
pub(super) fn find(run: Run<'_>, device: String, problem: String) -> Error {
    if let Some(signal) = interrupt::caught() {
        return interrupted(signal);
    }
    let until = (run.trainer.iteration() + 1).min(run.config.train.iterations);
    let alone = resume::command(run.args, &run.folder, &[]);
    // The run stays locked; its memory is needed again.
    let Run { folder, quiet, trainer, _lock: lock, .. } = run;
    drop(trainer);
    if !quiet {
        note!("{device}: {problem}: running again from the last checkpoint, kernel by kernel, to find which");
    }
    let again = match again(&folder, &device, until) {
        Ok(None) => format!("nothing failed up to iteration {until}: go on so with: INVNET_GRAPHS=0 {alone}"),
        Ok(Some(said)) => said,
        Err(error @ Error::Interrupted { .. }) => return error,
        Err(error) => format!("it could not be: {error}"),
    };
    drop(lock);
    Error::Device { device, problem: format!("{problem}; run again kernel by kernel: {again}") }
}

fn interrupted(signal: Signal) -> Error {
    let message = format!("{signal}: stopped while a failed kernel was looked for");
    Error::Interrupted { exit_code: signal.exit_code(), message }
}

/// What goes wrong, if anything, when that run goes on from its checkpoint up to an iteration, without graphs.
fn again(run: &Path, device: &str, until: u64) -> Result<Option<String>> {
    let program = env::current_exe().map_err(|e| Error::io("invnet", e))?;
    let (until, threads) = (until.to_string(), rayon::current_num_threads().to_string());
    let options = ["--quiet", "--device", device, "--threads", &threads, "--until", &until, "--out"];
    let child = Command::new(&program)
        .args(["train", "--resume"])
        .args(options)
        .arg(run)
        .envs([("INVNET_GRAPHS", "0"), ("CUDA_LAUNCH_BLOCKING", "1")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Error::io(&program, e))?;
    let output = end_of(child)?.wait_with_output().map_err(|e| Error::io(&program, e))?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let error = error.map(|error| error.strip_prefix(&format!("{device}: ")).unwrap_or(error).to_owned());
    Ok(Some(error.unwrap_or_else(|| format!("it ended with {}", output.status))))
}

/// The process once it has ended; a signal ends it.
fn end_of(mut child: Child) -> Result<Child> {
    while child.try_wait().map_err(|e| Error::io("invnet", e))?.is_none() {
        if let Some(signal) = interrupt::caught() {
            // One that has just ended cannot be stopped any more.
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted(signal));
        }
        thread::sleep(GLANCE);
    }
    Ok(child)
}

/// Goes on from the checkpoint of a run up to an iteration, and writes nothing: what that other process does.
pub(super) fn repeat(args: &TrainArgs, run: &Path, until: u64) -> Result<()> {
    interrupt::listen()?;
    let mut trainer = Trainer::resume(&stored(run)?.1, args.device.kind(), &run.join(CHECKPOINT))?;
    while trainer.iteration() < until {
        if let Some(signal) = interrupt::caught() {
            return Err(interrupted(signal));
        }
        trainer.advance(1, &|| false)?;
    }
    Ok(())
}
