//! Polycrystals: Figs. 7 and 8.

use super::{Model, verdict};
use crate::error::Result;
use crate::eval::descriptors::Comparison;
use crate::eval::report::{Report, Target};
use crate::paper::recipe::GRAINS;
use crate::paper::statistics::shown;
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG7: Part = Part {
    id: "fig7",
    claim: "polycrystals have the fraction of each orientation asked for, at skewed distributions too",
    paper: "bars of 100 images a distribution lie on the asked fractions",
    recipes: &[],
    compared: &[&GRAINS],
    measuring: 8.0,
    make: fig7,
};

pub(super) const FIG8: Part = Part {
    id: "fig8",
    claim: "generated polycrystals have grains as the data's, which no loss asks for",
    paper: "samples beside the data",
    recipes: &[],
    compared: &[&GRAINS],
    measuring: 8.0,
    make: fig8,
};

/// Error of a fraction.
const FRACTION: f64 = 0.05;
/// How far the mean number of grains may be from the data's, as a share of it.
const GRAIN_COUNT: f64 = 0.25;
/// How descriptors of grains begin: their number, and the share of specks.
const COUNT: &str = "grains of an image";
const SPECKS: &str = "share of grains";

/// The picture of all that look at these grains.
pub(super) const PICTURE: &str = "fig7.png";

fn fig7(bench: &mut Bench<'_>) -> Result<Finding> {
    let model = Model::of(bench, &GRAINS)?;
    let first = &model.reports[0];
    let off = |t: &Target| t.asked.iter().zip(&t.mean).map(|(a, m)| (a - m).abs()).fold(0.0, f64::max);
    let worst = model.over(|report| report.targets.iter().map(off).fold(0.0, f64::max));
    let (holds, alone) = verdict(&[&worst], |of| of[0] < FRACTION);
    let found = (
        format!(
            "worst mean of a fraction {} from the asked one over {} skewed distributions; single images {} \
             off at random targets",
            shown(&worst, 3),
            first.targets.len(),
            shown(&model.over(|report| report.mean_abs_error), 3)
        ),
        holds,
        format!(
            "Rule: at every distribution the mean of every fraction is less than {FRACTION} from the asked \
             one; {} images each.{alone}",
            first.repeats
        ),
    );
    let caption = "Asked fractions (dashed) against measured ones, the first seed";
    model.finding(bench, (PICTURE, caption), found)
}

fn fig8(bench: &mut Bench<'_>) -> Result<Finding> {
    let model = Model::of(bench, &GRAINS)?;
    // The mean of a descriptor over generated and over real images.
    let over = |name: &str, mean: fn(&Comparison) -> f64| {
        let of = |report: &Report| report.descriptors.iter().find(|d| d.name.starts_with(name)).map(mean);
        model.over(|report| of(report).unwrap_or(f64::NAN))
    };
    let [ours, real]: [Vec<f64>; 2] =
        [|d: &Comparison| d.generated.mean, |d: &Comparison| d.real.mean].map(|of| over(COUNT, of));
    let [specks, real_specks]: [Vec<f64>; 2] =
        [|d: &Comparison| 100.0 * d.generated.mean, |d: &Comparison| 100.0 * d.real.mean]
            .map(|of| over(SPECKS, of));
    let (holds, alone) = verdict(&[&ours, &real], |of| (of[0] - of[1]).abs() < GRAIN_COUNT * of[1]);
    let found = (
        format!(
            "{} grains an image against {} in the data, {} % of them specks under 5 pixels against {} %; \
             Fréchet distance {}, {} between halves of the data",
            shown(&ours, 1),
            shown(&real, 1),
            shown(&specks, 0),
            shown(&real_specks, 0),
            shown(&model.over(|report| report.frechet.distance), 2),
            shown(&model.over(|report| report.frechet.between_real), 2)
        ),
        holds,
        format!(
            "Rule: the mean number of grains, specks included, is within {:.0} % of the data's. The samples \
             are those of Fig. 7, below its bars.{alone}",
            100.0 * GRAIN_COUNT
        ),
    );
    let caption = "Generated grains, each strip at one distribution, beside real ones, the first seed";
    model.finding(bench, (PICTURE, caption), found)
}
