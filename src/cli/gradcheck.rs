//! `invnet gradcheck`.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fixtures;
use crate::gradcheck::{Outcome, check};
use crate::samples::samples;

/// The folder that is checked when none is named.
const DEFAULT: &str = "fixtures";

/// Checks every operation and composite by finite differences, then the fixtures; one row each.
pub(super) fn run(paths: &[PathBuf]) -> Result<()> {
    let given: Vec<PathBuf> = if paths.is_empty() {
        Some(PathBuf::from(DEFAULT)).filter(|p| p.is_dir()).into_iter().collect()
    } else {
        paths.to_vec()
    };
    let mut files = Vec::new();
    for path in &given {
        files.extend(fixture_files(path)?);
    }
    let mut tally = Tally::default();
    println!("{:32} {:>5} {:>14} {:>10}", "operation", "order", "relative error", "tolerance");
    for sample in samples() {
        for outcome in check(sample.name, &sample.inputs, sample.build)? {
            tally.row(&outcome);
        }
    }
    for file in &files {
        for outcome in fixtures::check(&fixtures::load(file)?)? {
            tally.row(&outcome);
        }
    }
    if tally.missed > 0 {
        return Err(Error::Failed(format!("{} of {} checks miss their tolerance", tally.missed, tally.all)));
    }
    println!("{} checks hold, {} fixture files among them", tally.all, files.len());
    Ok(())
}

/// A file, or the fixtures of a folder in order of name.
fn fixture_files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = std::fs::read_dir(path).map_err(|e| Error::file(path, e.to_string()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::file(path, "holds no .safetensors files"));
    }
    Ok(files)
}

#[derive(Default)]
struct Tally {
    all: usize,
    missed: usize,
}

impl Tally {
    fn row(&mut self, outcome: &Outcome) {
        self.all += 1;
        let verdict = if outcome.holds() { "" } else { "  MISS" };
        self.missed += usize::from(!outcome.holds());
        println!(
            "{:32} {:5} {:14.1e} {:10.0e}{verdict}",
            outcome.name, outcome.order, outcome.error, outcome.tolerance
        );
    }
}
