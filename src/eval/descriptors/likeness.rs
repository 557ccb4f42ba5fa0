//! One figure of how far generated images are from real ones: the judge.
//!
//! A distance between two samples has no scale of its own. That between two halves of the real images
//! gives it one: it is what is left between samples of one law. Each half stands once for what the
//! generator should have made of it, so both distances are of samples of the same sizes, and an equal law
//! gives a ratio of about 1, whatever the number of images.

use std::ops::Range;

use serde::Serialize;

use super::compare::{Comparison, wasserstein1};

/// Ways to halve a set, evenly turned against each other.
const HALVINGS: usize = 8;

/// The distances of all halvings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distances {
    /// Mean Wasserstein-1 distance of the generated images of one half to the real ones of the other.
    pub(super) generated: f64,
    /// The same of the real images of one half.
    pub(super) real: f64,
}

impl Distances {
    /// Of one descriptor of generated and of real images, values of each image in a list of its own. Image
    /// by image the generated ones are to be like the real ones; in sets of different sizes, part by part.
    ///
    /// Halves are runs of images: neighbours may be snapshots of one simulation.
    pub(super) fn of(generated: &[&[f64]], real: &[&[f64]]) -> Self {
        let mut sums = [0.0; 2];
        for k in 0..HALVINGS {
            let halves = |images: &[&[f64]]| [0, 1].map(|i| pooled(images, k + i * HALVINGS));
            let (ours, theirs) = (halves(generated), halves(real));
            sums[0] += between(&ours[0], &theirs[1]) + between(&ours[1], &theirs[0]);
            sums[1] += 2.0 * between(&theirs[0], &theirs[1]);
        }
        let [generated, real] = sums.map(|sum| sum / (2 * HALVINGS) as f64);
        Self { generated, real }
    }

    /// How many times as far the generated images are as real ones. `least` is the smallest distance that
    /// counts; none where all real images are alike and nothing says what would be near, or where a half has
    /// no value.
    pub(super) fn ratio(self, least: f64) -> Option<f64> {
        let scale = if self.real.is_nan() { return None } else { self.real.max(least) };
        (scale > 0.0 && !self.generated.is_nan()).then(|| self.generated / scale)
    }
}

/// The Wasserstein-1 distance; NaN where either side has no value, as half of one image has not.
fn between(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() { f64::NAN } else { wasserstein1(a, b) }
}

/// The values of half of all images, from the `start`-th of 2 [`HALVINGS`] parts on and round the end.
fn pooled(images: &[&[f64]], start: usize) -> Vec<f64> {
    let place = |part: usize| part * images.len() / (2 * HALVINGS);
    let (first, last) = (place(start), place(start + HALVINGS));
    let runs: [Range<usize>; 2] =
        [first.min(images.len())..last.min(images.len()), 0..last.saturating_sub(images.len())];
    runs.into_iter().flat_map(|run| &images[run]).flat_map(|values| values.iter().copied()).collect()
}

/// How far generated images are from real ones, over all descriptors, in distances between real images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likeness {
    /// The largest ratio; about 1 for images of the same law.
    pub worst_ratio: f64,
    /// The descriptor it is of.
    pub worst_descriptor: String,
    /// The mean ratio.
    pub mean_ratio: f64,
}

impl Likeness {
    /// Of comparisons; none if none of them has a ratio.
    #[must_use]
    pub fn of(comparisons: &[Comparison]) -> Option<Self> {
        let ratios: Vec<(f64, &Comparison)> =
            comparisons.iter().filter_map(|c| Some((c.ratio?, c))).collect();
        let (worst_ratio, worst) = *ratios.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
        let mean_ratio = ratios.iter().map(|(ratio, _)| ratio).sum::<f64>() / ratios.len() as f64;
        Some(Self { worst_ratio, worst_descriptor: worst.name.clone(), mean_ratio })
    }
}
