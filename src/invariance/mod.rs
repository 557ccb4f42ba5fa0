//! Properties of images in closed form, differentiable, and the losses that pull them to a target.
//!
//! Channel 0 is the background; a figure is one of the other channels. Properties are normalised:
//! areas and fractions by the number of pixels, positions by the size of the image, so that each
//! lies in [0, 1]. Pixel centres are at 0..W-1 and 0..H-1.

mod correlation;
mod fraction;
mod moments;

pub use correlation::{Correlation, correlation, two_point_map};
pub use fraction::{Fractions, VolumeFraction, fractions, volume_fraction};
pub use moments::{Area, Centroid, area, centroid};

use crate::tape::Var;

/// A measurable property of images and how far it is from what was asked.
pub trait Invariance {
    /// The name used in logs and configuration.
    fn name(&self) -> &'static str;

    /// How many numbers it measures for an image with that many classes.
    fn dimension(&self, classes: usize) -> usize;

    /// What one unit of a normalised value is.
    fn unit(&self) -> &'static str;

    /// Measures images `[N, H, W, C]` of class probabilities: `[N, dimension]`, normalised.
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t>;

    /// Squared distance, summed over the numbers and averaged over the batch (paper Eq. 3, 6 to 9).
    fn loss<'t>(&self, measured: Var<'t>, target: Var<'t>) -> Var<'t> {
        (measured - target).square().sum().scale(1.0 / measured.shape()[0] as f64)
    }
}

/// The numbers of several invariances side by side: `[N, total dimension]`.
pub fn measure_all<'t>(invariances: &[Box<dyn Invariance>], x: Var<'t>) -> Var<'t> {
    let parts: Vec<Var<'t>> = invariances.iter().map(|invariance| invariance.measure(x)).collect();
    x.tape().concat(&parts, 1)
}
