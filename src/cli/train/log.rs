//! `metrics.jsonl`: a row for every so many iterations, each a JSON object on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::data::export::write_atomically;
use crate::error::{Error, Result};
use crate::train::LogRow;

/// A row as it stands in the file.
pub(super) struct Row {
    /// Iterations done, counted from 1.
    pub(super) iteration: u64,
    line: String,
    values: Map<String, Value>,
}

impl Row {
    /// A number of the row.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.values.get(key)?.as_f64()
    }

    /// The losses.
    pub(super) fn losses(&self) -> impl Iterator<Item = (&str, f64)> {
        let losses =
            self.values.iter().filter(|(name, _)| !["iteration", "seconds"].contains(&name.as_str()));
        losses.filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
    }
}

/// Rows of a log; a line cut short by a kill is left out.
pub(super) fn read(path: &Path) -> Result<Vec<Row>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let row = |line: &str| {
        let Ok(Value::Object(values)) = serde_json::from_str(line) else { return None };
        let iteration = values.get("iteration")?.as_u64()?;
        Some(Row { iteration, line: line.to_owned(), values })
    };
    Ok(text.lines().filter_map(row).collect())
}

/// A log that is being written.
pub(super) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Goes on after the rows in `kept`, in place of whatever the file holds.
    pub(super) fn open(path: PathBuf, kept: &[Row]) -> Result<Self> {
        write_atomically(&path, |file| kept.iter().try_for_each(|row| writeln!(file, "{}", row.line)))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| Error::io(&path, e))?;
        Ok(Self { path, file })
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &LogRow, seconds: f64) -> Result<()> {
        let mut object = Map::new();
        object.insert("iteration".into(), row.iteration.into());
        object.insert("seconds".into(), ((seconds * 1000.0).round() / 1000.0).into());
        for (name, value) in &row.values {
            object.insert((*name).to_owned(), (*value).into());
        }
        // In one piece, so that a kill leaves a whole line or the beginning of one.
        let line = format!("{}\n", Value::from(object));
        self.file.write_all(line.as_bytes()).map_err(|e| Error::io(&self.path, e))
    }

    /// Brings the rows to the disk, before a checkpoint that knows of them.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io(&self.path, e))
    }
}
