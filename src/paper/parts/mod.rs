//! The parts, a file each, or for several that look at the same trainings.

mod appendix;
mod circles;
mod grains;
mod moments;
mod residual;
mod shapes;
mod table;

use serde_json::{Map, Value, json};

use super::recipe::Recipe;
use super::run::Run;
use super::statistics::spread;
use super::{Bench, Finding, Part};
use crate::error::Result;
use crate::eval::report::{Figures, Report};

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

/// A training over all seeds.
struct Model {
    recipe: &'static Recipe,
    runs: Vec<Run>,
    reports: Vec<Report>,
}

impl Model {
    fn of(bench: &mut Bench<'_>, recipe: &'static Recipe) -> Result<Self> {
        let runs = bench.trained_all(recipe)?;
        let reports = runs.iter().map(|run| bench.measure(run, recipe)).collect::<Result<_>>()?;
        Ok(Self { recipe, runs, reports })
    }

    /// A number of each seed's report.
    fn over(&self, number: impl Fn(&Report) -> f64) -> Vec<f64> {
        self.reports.iter().map(number).collect()
    }

    /// A number of each seed's figures.
    fn figures(&self, number: impl Fn(&Figures) -> f64) -> Vec<f64> {
        self.over(|report| report.figures.as_ref().map_or(f64::NAN, &number))
    }

    /// Seconds of training of each seed: of all threads, where the system tells them, else of the wall.
    fn seconds(&self) -> Vec<f64> {
        let histories = self.runs.iter().map(|run| &run.history);
        histories.map(|history| history.processor_seconds.unwrap_or(history.seconds)).collect()
    }

    /// What a seed's training cost and its report says, for each.
    fn numbers(&self) -> Value {
        let seeds = self.runs.iter().zip(&self.reports);
        seeds.map(|(run, report)| json!({ "training": cost(run), "report": summary(report) })).collect()
    }

    /// A finding that is shown by the report of the first seed.
    fn finding(
        &self,
        bench: &Bench<'_>,
        (file, caption): (&str, &str),
        (ours, holds, note): (String, bool, String),
    ) -> Result<Finding> {
        Ok(Finding {
            ours,
            holds,
            note,
            table: Vec::new(),
            pictures: vec![picture(bench, &self.reports[0], file, caption)?],
            numbers: json!({ "seeds": self.numbers() }),
        })
    }
}

/// A rule of numbers that each seed has: whether their means keep it, and, of several seeds, how many keep
/// it alone, in words.
fn verdict(numbers: &[&[f64]], rule: impl Fn(&[f64]) -> bool) -> (bool, String) {
    let seeds = numbers[0].len();
    let means: Vec<f64> = numbers.iter().map(|of| spread(of).0).collect();
    let alone = (0..seeds).filter(|&s| rule(&numbers.iter().map(|of| of[s]).collect::<Vec<_>>())).count();
    let words = format!(" It is judged by the means over seeds; {alone} of {seeds} seeds keep it alone.");
    (rule(&means), if seeds > 1 { words } else { String::new() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_judged_and_seeds_counted() {
        let rule = |of: &[f64]| of[0] < 2.5 && of[1] > 0.8;
        let (holds, words) = verdict(&[&[1.0, 2.0, 3.0], &[0.9, 0.7, 0.95]], rule);
        assert!(holds && words.ends_with("; 1 of 3 seeds keep it alone."), "{words}");
        assert!(!verdict(&[&[1.0, 2.0, 6.0], &[0.9; 3]], rule).0);
        assert!(!verdict(&[&[f64::NAN], &[0.9]], rule).0);
        assert_eq!(verdict(&[&[1.0], &[0.9]], rule), (true, String::new()));
    }
}
