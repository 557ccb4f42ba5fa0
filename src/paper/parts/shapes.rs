//! A circle and a square: Fig. 4.

use super::{Model, limit, verdict};
use crate::error::Result;
use crate::paper::recipe::CIRCLE_SQUARE;
use crate::paper::statistics::shown;
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG4: Part = Part {
    id: "fig4",
    claim: "InvNet draws a circle and a square, each with the area and at the place asked for",
    paper: "samples",
    recipes: &[],
    compared: &[&CIRCLE_SQUARE],
    measuring: 8.0,
    make,
};

/// The share of figures that must be of the right shape, in percent.
const RIGHT: f64 = 80.0;

fn make(bench: &mut Bench<'_>) -> Result<Finding> {
    let model = Model::of(bench, &CIRCLE_SQUARE)?;
    let limit = limit(model.reports[0].size[1]);
    let centroid = model.figures(|f| f.mean_centroid_error);
    let right = model.figures(|f| 100.0 * f.right_shape);
    let (holds, alone) = verdict(&[&centroid, &right], |of| of[0] < limit && of[1] > RIGHT);
    let found = (
        format!(
            "centroid error {} px, area error {} %, {} % of figures of the right shape",
            shown(&centroid, 2),
            shown(&model.figures(|f| 100.0 * f.mean_relative_area_error), 1),
            shown(&right, 1)
        ),
        holds,
        format!(
            "Rule: centroid error under {limit:.1} px, and over {RIGHT:.0} % of figures recognised as the \
             shape of their class.{alone}"
        ),
    );
    let caption = "Asked (outline) against generated, and real images, the first seed";
    model.finding(bench, ("fig4.png", caption), found)
}
