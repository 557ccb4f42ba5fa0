//! A run as it trains: its losses, its samples over time, the time left. Read from the files that
//! `train` writes; nothing here can stop or change a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal};
use crate::train::Config;

/// Rows of the log that are sent; of a longer one as many, evenly spaced.
const ROWS: usize = 400;
/// A log that nobody has added to for so long is of a run that stands still, unless rows take longer.
const STILL: Duration = Duration::from_secs(30);

/// The folder of a run: a copy of a checkpoint has none of its files beside it.
fn folder(run: &Path) -> Option<&Path> {
    run.is_dir().then_some(run)
}

/// The log of a run.
pub(super) fn log(run: &Path, config: &Config) -> Answer {
    let rows = folder(run).map(rows).unwrap_or_default();
    let number = |row: &Map<String, Value>, key: &str| row.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let last = rows.last();
    let iteration = last.map_or(0.0, |row| number(row, "iteration"));
    let seconds = last.map_or(0.0, |row| number(row, "seconds"));
    let iterations = config.train.iterations as f64;
    // The pace of late: a machine may have become busier.
    let before = (rows.len() > 1).then(|| &rows[rows.len().saturating_sub(21)]);
    let pace = before.map(|row| {
        let done = iteration - number(row, "iteration");
        (seconds - number(row, "seconds")) / done.max(1.0)
    });
    let running = iteration < iterations && folder(run).is_some_and(|f| moves(f, pace));
    let left = pace.filter(|_| running).map(|pace| pace * (iterations - iteration));
    let names: Vec<&String> = last
        .map(|row| row.keys().filter(|k| *k != "iteration" && *k != "seconds").collect())
        .unwrap_or_default();
    let step = rows.len().div_ceil(ROWS).max(1);
    let kept = rows.iter().rev().step_by(step).collect::<Vec<_>>();
    let column = |key: &str| kept.iter().rev().map(|row| row.get(key).cloned()).collect::<Vec<_>>();
    let losses: Map<String, Value> =
        names.iter().map(|name| ((*name).clone(), json!(column(name)))).collect();
    Answer::json(&json!({
        "iteration": iteration, "iterations": iterations, "seconds": seconds, "left": left, "running": running,
        "at": column("iteration"), "losses": losses, "pictures": folder(run).map(pictures).unwrap_or_default(),
    }))
}

fn rows(folder: &Path) -> Vec<Map<String, Value>> {
    // Where there is no log there are no rows; the last line may be cut short.
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Whether somebody writes there: the lock's file is there and the log grows.
fn moves(folder: &Path, pace: Option<f64>) -> bool {
    let written = fs::metadata(folder.join("metrics.jsonl")).and_then(|data| data.modified());
    let age = written.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    let patience = STILL.max(Duration::try_from_secs_f64(50.0 * pace.unwrap_or(0.0)).unwrap_or(STILL));
    folder.join(".lock").exists() && age.is_none_or(|age| age < patience)
}

/// The iterations of which there is a picture of samples.
fn pictures(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder.join("samples")).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_suffix(".png")?.parse().ok();
    let mut all: Vec<u64> = entries.filter_map(|e| number(&e.file_name().to_string_lossy())).collect();
    all.sort_unstable();
    all
}

/// The picture of samples at an iteration.
pub(super) fn picture(run: &Path, iteration: u64) -> Result<Answer, Refusal> {
    let path = folder(run).map(|folder| place(folder, iteration));
    let bytes = path.and_then(|path| fs::read(path).ok());
    let bytes = bytes.ok_or_else(|| Refusal::new(404, format!("no picture of iteration {iteration}")))?;
    Ok(Answer { kind: "image/png", bytes, file: None })
}

fn place(folder: &Path, iteration: u64) -> PathBuf {
    folder.join("samples").join(format!("{iteration:06}.png"))
}
