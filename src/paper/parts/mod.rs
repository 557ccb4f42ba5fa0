//! The parts, a file each, or for several that look at the same trainings.

mod appendix;
mod circles;
mod grains;
mod moments;
mod residual;
mod shapes;
mod table;

use serde_json::{Map, Value, json};

use super::run::Run;
use super::{Bench, Finding, Part};
use crate::error::Result;
use crate::eval::report::Report;

/// Every part, in the order of the paper.
pub const PARTS: &[Part] = &[
    circles::FIG1,
    circles::FIG3,
    shapes::FIG4,
    moments::FIG5,
    residual::FIG6,
    grains::FIG7,
    grains::FIG8,
    circles::CONVERGENCE,
    table::TABLE1,
    moments::TABLE1_LEFT,
    appendix::APPENDIX,
];

/// 5 pixels of the paper's 128, at another side: what counts as where it was asked.
fn limit(side: usize) -> f64 {
    5.0 * side as f64 / 128.0
}

/// The picture of a report, as a part's own.
fn picture(bench: &Bench<'_>, report: &Report, file: &str, caption: &str) -> Result<(String, String)> {
    report.write_picture(&bench.folder.join(file))?;
    Ok((file.to_owned(), caption.to_owned()))
}

/// What a training cost.
fn cost(run: &Run) -> Value {
    json!({
        "seed": run.config.train.seed,
        "iterations": run.history.iteration,
        "generator_updates": run.updates(),
        "images_seen": run.images_seen(),
        "seconds": run.history.seconds,
        "processor_seconds": run.history.processor_seconds,
        "diverged": run.history.diverged,
    })
}

/// The numbers of a report that a person compares.
fn summary(report: &Report) -> Value {
    let mut all = Map::new();
    all.insert("samples".into(), json!(report.samples));
    all.insert("mean_abs_error".into(), json!(report.mean_abs_error));
    all.insert("worst_target_error".into(), json!(report.worst_target_error));
    all.insert("diversity".into(), json!(report.diversity));
    all.insert("frechet".into(), json!(report.frechet));
    all.insert("figures".into(), json!(report.figures));
    all.insert("properties".into(), json!(report.properties));
    all.insert("targets".into(), json!(report.targets));
    all.insert("descriptors".into(), json!(report.descriptors));
    Value::Object(all)
}

/// A row of a table.
fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// A finding of one training that is shown by its report.
fn of_report(
    bench: &Bench<'_>,
    (run, report): (&Run, &Report),
    file: &str,
    caption: &str,
    (ours, holds, note): (String, bool, String),
) -> Result<Finding> {
    Ok(Finding {
        ours,
        holds,
        note,
        table: Vec::new(),
        pictures: vec![picture(bench, report, file, caption)?],
        numbers: json!({ "training": cost(run), "report": summary(report) }),
    })
}
