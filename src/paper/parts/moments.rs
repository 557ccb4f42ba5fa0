//! Two phases by their moments: Fig. 5, and the left half of Table 1.

use super::of_report;
use crate::error::Result;
use crate::paper::recipe::{FRACTION, MOMENTS};
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG5: Part = Part {
    id: "fig5",
    claim: "two-phase microstructures have the volume fraction asked for",
    paper: "error under 5 % at every fraction",
    recipes: &[&FRACTION],
    compared: &[],
    measuring: 8.0,
    make: fig5,
};

pub(super) const TABLE1_LEFT: Part = Part {
    id: "table1-left",
    claim: "samples have the first and second moment that are asked together",
    paper: "samples at fixed moments",
    recipes: &[&MOMENTS],
    compared: &[],
    measuring: 8.0,
    make: table1_left,
};

/// Relative error of a fraction.
const RELATIVE: f64 = 0.05;
/// Error of a fraction and of a point of a curve, which are shares.
const SHARE: f64 = 0.03;

fn fig5(bench: &mut Bench<'_>) -> Result<Finding> {
    let run = bench.trained(&FRACTION, 0)?;
    let report = bench.measure(&run, &FRACTION)?;
    let off = |t: &crate::eval::report::Target| ((t.mean[0] - t.asked[0]) / t.asked[0]).abs();
    let worst = report.targets.iter().max_by(|a, b| off(a).total_cmp(&off(b)));
    let (relative, at) = worst.map_or((f64::NAN, f64::NAN), |t| (off(t), t.asked[0]));
    let single = report.targets.iter().map(|t| t.mean_abs_error[0] / t.asked[0]).fold(0.0, f64::max);
    let found = (
        format!(
            "worst mean {:.1} % off, at p1 = {at:.2}; single images {:.1} % off at worst, {:.4} at random \
             targets",
            100.0 * relative,
            100.0 * single,
            report.mean_abs_error
        ),
        relative < RELATIVE,
        format!(
            "Rule: at each of {} fractions from 0.2 to 0.8 the mean of {} images is less than 5 % of the \
             asked fraction from it. For single images the mean of the relative error is given beside it.",
            report.targets.len(),
            report.repeats
        ),
    );
    of_report(bench, (&run, &report), "fig5.png", "Asked against obtained volume fraction", found)
}

fn table1_left(bench: &mut Bench<'_>) -> Result<Finding> {
    let run = bench.trained(&MOMENTS, 0)?;
    let report = bench.measure(&run, &MOMENTS)?;
    let errors: Vec<f64> = report.properties.iter().map(|p| p.argmax.mean_abs_error).collect();
    let (fraction, curve) = (errors[0], &errors[1..]);
    let mean = curve.iter().sum::<f64>() / curve.len().max(1) as f64;
    let found = (
        format!("p1 {fraction:.4} off, the correlation curve {mean:.4}, mean over held-out targets"),
        fraction < SHARE && mean < SHARE,
        format!(
            "Rule: both errors under {SHARE}, of single images at {} pairs of moments that held-out images \
             have. Curves are shown at {} of them.",
            report.samples,
            report.targets.len()
        ),
    );
    of_report(bench, (&run, &report), "table1-left.png", "Samples at fixed first and second moments", found)
}
