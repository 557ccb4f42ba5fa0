//! A circle and a square: Fig. 4.

use super::{limit, of_report};
use crate::error::Result;
use crate::paper::recipe::CIRCLE_SQUARE;
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG4: Part = Part {
    id: "fig4",
    claim: "InvNet draws a circle and a square, each with the area and at the place asked for",
    paper: "samples",
    recipes: &[&CIRCLE_SQUARE],
    compared: &[],
    measuring: 8.0,
    make,
};

/// The share of figures that must be of the right shape.
const RIGHT: f64 = 0.8;

fn make(bench: &mut Bench<'_>) -> Result<Finding> {
    let run = bench.trained(&CIRCLE_SQUARE, 0)?;
    let report = bench.measure(&run, &CIRCLE_SQUARE)?;
    let limit = limit(report.size[1]);
    let (centroid, area, right) = report.figures.as_ref().map_or((f64::NAN, f64::NAN, f64::NAN), |f| {
        (f.mean_centroid_error, f.mean_relative_area_error, f.right_shape)
    });
    let found = (
        format!(
            "centroid error {centroid:.2} px, area error {:.1} %, {:.1} % of figures of the right shape",
            100.0 * area,
            100.0 * right
        ),
        centroid < limit && right > RIGHT,
        format!(
            "Rule: centroid error under {limit:.1} px, and over {:.0} % of figures recognised as the shape \
             of their class.",
            100.0 * RIGHT
        ),
    );
    of_report(bench, (&run, &report), "fig4.png", "Asked (outline) against generated, and real images", found)
}
