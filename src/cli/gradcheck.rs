//! `invnet gradcheck`.

use std::path::{Path, PathBuf};

use super::output::{note, say};
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::fixtures::{self, Place};
use crate::gradcheck::{Outcome, check};
use crate::samples::samples;
use crate::words::{counted, verb};

/// The folder that is checked when none is named.
const DEFAULT: &str = "fixtures";

/// Checks every operation and composite by finite differences, then the fixtures; one row each. On a
/// device, the fixtures only: differences need double precision.
///
/// A file that cannot be checked stops no other: it is named, and the command fails in the end.
pub(super) fn run(paths: &[PathBuf], device: Option<Kind>) -> Result<()> {
    let given: Vec<PathBuf> = if paths.is_empty() {
        Some(PathBuf::from(DEFAULT)).filter(|p| p.is_dir()).into_iter().collect()
    } else {
        paths.to_vec()
    };
    // Where there is nothing at all to check the samples need not run first.
    if let [first, ..] = &given[..]
        && given.iter().all(|path| !path.exists())
    {
        return Err(Error::file(first, "no such fixture or folder of fixtures"));
    }
    let place = device.map_or(Place::Oracle, Place::Device);
    if let Some(kind) = device {
        if given.is_empty() {
            return Err(Error::Usage(format!("--device: name the fixtures: there is no folder {DEFAULT}")));
        }
        // A device that is not there is no fault of every file.
        place.open()?;
        say!("on {kind}, in single precision")?;
    }
    let mut tally = Tally::default();
    say!("{:32} {:>5} {:>14} {:>10}", "operation", "order", "relative error", "tolerance")?;
    for sample in if device.is_none() { samples() } else { Vec::new() } {
        tally.rows(check(sample.name, &sample.inputs, sample.build))?;
    }
    for path in &given {
        match fixture_files(path) {
            Ok(files) => {
                for file in files {
                    tally.files += 1;
                    tally.rows(fixtures::load(&file).and_then(|fixture| fixtures::check(&fixture, place)))?;
                }
            }
            Err(error) => tally.rows(Err(error))?,
        }
    }
    tally.verdict()
}

/// A file, or the fixtures of a folder in order of name.
fn fixture_files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = std::fs::read_dir(path).map_err(|e| Error::file(path, e.to_string()))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(|e| Error::file(path, e.to_string())))
        .filter(|path| path.as_ref().map_or(true, |p| p.extension().is_some_and(|e| e == "safetensors")))
        .collect::<Result<_>>()?;
    files.sort();
    if files.is_empty() {
        return Err(Error::file(path, "holds no .safetensors files"));
    }
    Ok(files)
}

#[derive(Default)]
struct Tally {
    files: usize,
    all: usize,
    missed: usize,
    /// What could not be checked.
    unchecked: usize,
}

impl Tally {
    fn rows(&mut self, outcomes: Result<Vec<Outcome>>) -> Result<()> {
        match outcomes {
            Ok(outcomes) => outcomes.iter().try_for_each(|outcome| self.row(outcome)),
            // A device that fails will not do better with the next.
            Err(error @ (Error::Device { .. } | Error::NoDevice { .. })) => Err(error),
            Err(error) => {
                self.unchecked += 1;
                note!("not checked: {error}");
                Ok(())
            }
        }
    }

    fn row(&mut self, outcome: &Outcome) -> Result<()> {
        self.all += 1;
        let verdict = if outcome.holds() { "" } else { "  MISS" };
        self.missed += usize::from(!outcome.holds());
        say!(
            "{:32} {:5} {:14.1e} {:10.0e}{verdict}",
            outcome.name,
            outcome.order,
            outcome.error,
            outcome.tolerance
        )
    }

    fn verdict(&self) -> Result<()> {
        let Self { files, all, missed, unchecked } = self;
        let rest =
            if *unchecked > 0 { format!(", and {unchecked} could not be checked") } else { String::new() };
        if *missed > 0 {
            let (checks, miss) = (counted(*all, "check"), verb(*missed, "misses its", "miss their"));
            return Err(Error::Failed(format!("{missed} of {checks} {miss} tolerance{rest}")));
        }
        if *unchecked > 0 {
            let (checks, hold) = (counted(*all, "check"), verb(*all, "holds", "hold"));
            return Err(Error::Usage(format!("{checks} {hold}{rest}: see the lines above")));
        }
        let (checks, files) = (counted(*all, "check"), counted(*files, "fixture file"));
        say!("{checks} {}, {files} among them", verb(*all, "holds", "hold"))
    }
}
