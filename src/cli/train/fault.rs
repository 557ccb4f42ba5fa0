//! Which kernel failed, where a driver says only that one of a graph's thousands did.
//!
//! The iterations since the last checkpoint are run again by another process, for a device that failed answers no more:
//! kernel by kernel, each waited for. They are the same to the last bit, so what failed fails again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, process};

use super::Run;
use super::folder::{CHECKPOINT, CONFIG};
use crate::cli::output::note;
use crate::error::{Error, Result};

/// A copy of what a run goes on from, removed in the end.
struct Copy(PathBuf);

impl Copy {
    fn of(run: &Path) -> Result<Self> {
        let copy = Self(env::temp_dir().join(format!("invnet-fault-{}", process::id())));
        fs::create_dir_all(&copy.0).map_err(|e| Error::io(&copy.0, e))?;
        for file in [CONFIG, CHECKPOINT] {
            fs::copy(run.join(file), copy.0.join(file)).map_err(|e| Error::io(copy.0.join(file), e))?;
        }
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // It lies among temporary files: one that cannot be removed harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The failure of a graph of this run, with the kernel that did it if it does it again.
pub(super) fn find(run: Run<'_>, device: String, problem: &str) -> Error {
    let until = (run.trainer.iteration() + 1).min(run.config.train.iterations);
    let Run { folder, quiet, trainer, .. } = run;
    // Its memory is needed again.
    drop(trainer);
    if !quiet {
        note!("{device}: {problem}: running again from the last checkpoint, kernel by kernel, to find which");
    }
    let again = again(&folder, &device, until).unwrap_or_else(|error| error.to_string());
    Error::Device { device, problem: format!("{problem}; run again kernel by kernel: {again}") }
}

/// What happens when that run goes on from its checkpoint up to an iteration, without graphs.
fn again(run: &Path, device: &str, until: u64) -> Result<String> {
    let copy = Copy::of(run)?;
    let program = env::current_exe().map_err(|e| Error::io("invnet", e))?;
    let output = Command::new(&program)
        .args(["train", "--resume", "--quiet", "--device", device, "--until", &until.to_string(), "--out"])
        .arg(&copy.0)
        .envs([("INVNET_GRAPHS", "0"), ("CUDA_LAUNCH_BLOCKING", "1")])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::io(&program, e))?;
    if output.status.success() {
        return Ok(format!("nothing failed up to iteration {until}; INVNET_GRAPHS=0 trains so"));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim_end().lines().next_back().unwrap_or("it ended without a word");
    let last = last.strip_prefix("error: ").unwrap_or(last);
    Ok(last.strip_prefix(&format!("{device}: ")).unwrap_or(last).to_owned())
}
