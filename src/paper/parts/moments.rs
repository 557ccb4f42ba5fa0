//! Two phases by their moments: Fig. 5, and the left half of Table 1.

use super::{Model, verdict};
use crate::error::Result;
use crate::eval::report::{Report, Target};
use crate::paper::recipe::{FRACTION, MOMENTS};
use crate::paper::statistics::shown;
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG5: Part = Part {
    id: "fig5",
    claim: "two-phase microstructures have the volume fraction asked for",
    paper: "error under 5 % at every fraction",
    recipes: &[],
    compared: &[&FRACTION],
    measuring: 8.0,
    make: fig5,
};

pub(super) const TABLE1_LEFT: Part = Part {
    id: "table1-left",
    claim: "samples have the first and second moment that are asked together",
    paper: "samples at fixed moments",
    recipes: &[],
    compared: &[&MOMENTS],
    measuring: 8.0,
    make: table1_left,
};

/// Relative error of a fraction, in percent.
const RELATIVE: f64 = 5.0;
/// Error of a fraction and of a point of a curve, which are shares.
const SHARE: f64 = 0.03;

fn fig5(bench: &mut Bench<'_>) -> Result<Finding> {
    let model = Model::of(bench, &FRACTION)?;
    let first = &model.reports[0];
    let off = |t: &Target| 100.0 * ((t.mean[0] - t.asked[0]) / t.asked[0]).abs();
    let of_one = |t: &Target| 100.0 * t.mean_abs_error[0] / t.asked[0];
    let worst = |report: &Report| {
        let target = report.targets.iter().max_by(|a, b| off(a).total_cmp(&off(b)));
        target.map_or((f64::NAN, f64::NAN), |t| (off(t), t.asked[0]))
    };
    let relative = model.over(|report| worst(report).0);
    let at: Vec<String> = model.reports.iter().map(|report| format!("{:.2}", worst(report).1)).collect();
    let single = model.over(|report| report.targets.iter().map(of_one).fold(0.0, f64::max));
    let (holds, alone) = verdict(&[&relative], |of| of[0] < RELATIVE);
    let found = (
        format!(
            "worst mean {} % off, at p1 = {}; single images {} % off at worst, {} at random targets",
            shown(&relative, 1),
            at.join(", "),
            shown(&single, 1),
            shown(&model.over(|report| report.mean_abs_error), 4)
        ),
        holds,
        format!(
            "Rule: at each of {} fractions from 0.2 to 0.8 the mean of {} images is less than {RELATIVE} % of \
             the asked fraction from it. For single images the mean of the relative error is given beside \
             it.{alone}",
            first.targets.len(),
            first.repeats
        ),
    );
    model.finding(bench, ("fig5.png", "Asked against obtained volume fraction, the first seed"), found)
}

fn table1_left(bench: &mut Bench<'_>) -> Result<Finding> {
    let model = Model::of(bench, &MOMENTS)?;
    let first = &model.reports[0];
    let error = |report: &Report, of: std::ops::Range<usize>| {
        let errors = report.properties[of].iter().map(|p| p.argmax.mean_abs_error);
        errors.clone().sum::<f64>() / errors.len().max(1) as f64
    };
    let fraction = model.over(|report| error(report, 0..1));
    let curve = model.over(|report| error(report, 1..report.properties.len()));
    let (holds, alone) = verdict(&[&fraction, &curve], |of| of.iter().all(|error| *error < SHARE));
    let found = (
        format!(
            "p1 {} off, the correlation curve {}, mean over held-out targets",
            shown(&fraction, 4),
            shown(&curve, 4)
        ),
        holds,
        format!(
            "Rule: both errors under {SHARE}, of single images at {} pairs of moments that held-out images \
             have. Curves are shown at {} of them.{alone}",
            first.samples,
            first.targets.len()
        ),
    );
    let caption = "Samples at fixed first and second moments, the first seed";
    model.finding(bench, ("table1-left.png", caption), found)
}
