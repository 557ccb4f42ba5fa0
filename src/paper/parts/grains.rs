//! Polycrystals: Figs. 7 and 8.

use super::of_report;
use crate::error::Result;
use crate::paper::recipe::GRAINS;
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG7: Part = Part {
    id: "fig7",
    claim: "polycrystals have the fraction of each orientation asked for, at skewed distributions too",
    paper: "bars of 100 images a distribution lie on the asked fractions",
    recipes: &[&GRAINS],
    compared: &[],
    measuring: 8.0,
    make: fig7,
};

pub(super) const FIG8: Part = Part {
    id: "fig8",
    claim: "generated polycrystals have grains as the data's, which no loss asks for",
    paper: "samples beside the data",
    recipes: &[&GRAINS],
    compared: &[],
    measuring: 8.0,
    make: fig8,
};

/// Error of a fraction.
const FRACTION: f64 = 0.05;
/// How far the mean number of grains may be from the data's, as a share of it.
const GRAIN_COUNT: f64 = 0.25;

fn fig7(bench: &mut Bench<'_>) -> Result<Finding> {
    let run = bench.trained(&GRAINS, 0)?;
    let report = bench.measure(&run, &GRAINS)?;
    let off = |t: &crate::eval::report::Target| {
        t.asked.iter().zip(&t.mean).map(|(a, m)| (a - m).abs()).fold(0.0, f64::max)
    };
    let worst = report.targets.iter().map(off).fold(0.0, f64::max);
    let found = (
        format!(
            "worst mean of a fraction {worst:.3} from the asked one over {} skewed distributions; single \
             images {:.3} off at random targets",
            report.targets.len(),
            report.mean_abs_error
        ),
        worst < FRACTION,
        format!(
            "Rule: at every distribution the mean of every fraction is less than {FRACTION} from the asked \
             one; {} images each.",
            report.repeats
        ),
    );
    of_report(bench, (&run, &report), "fig7.png", "Asked fractions (dashed) against measured ones", found)
}

fn fig8(bench: &mut Bench<'_>) -> Result<Finding> {
    let run = bench.trained(&GRAINS, 0)?;
    let report = bench.measure(&run, &GRAINS)?;
    let of = |name: &str| report.descriptors.iter().find(|d| d.name.starts_with(name));
    let (count, tiny) = (of("grains of an image"), of("share of grains"));
    let means = |d: Option<&crate::eval::descriptors::Comparison>| {
        d.map_or((f64::NAN, f64::NAN), |d| (d.generated.mean, d.real.mean))
    };
    let ((ours, real), (specks, real_specks)) = (means(count), means(tiny));
    let found = (
        format!(
            "{ours:.1} grains an image against {real:.1} in the data, {:.0} % of them specks under 5 pixels \
             against {:.0} %; Fréchet distance {:.2}, {:.2} between halves of the data",
            100.0 * specks,
            100.0 * real_specks,
            report.frechet.distance,
            report.frechet.between_real
        ),
        (ours - real).abs() < GRAIN_COUNT * real,
        format!(
            "Rule: the mean number of grains, specks included, is within {:.0} % of the data's. The samples \
             are those of Fig. 7, below its bars.",
            100.0 * GRAIN_COUNT
        ),
    );
    of_report(
        bench,
        (&run, &report),
        "fig8.png",
        "Generated grains, each strip at one distribution, beside real ones",
        found,
    )
}
