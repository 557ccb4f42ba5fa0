//! The two-point correlation of a phase: the second moment p2 of paper Eq. 8.
//!
//! S2(v) = <I(x) I(x + v)>, the mean over the pixels x of an image whose value I is 1 in the phase:
//! the probability that both ends of the vector v fall into it (Torquato 2002, chapter 2). A curve
//! S2(r) averages it over the vectors whose length rounds to r pixels, r = 0, 1, ..., R - 1; see
//! [`crate::device::radial`] for the bins and the number of vectors in each.
//!
//! S2(0) = p1 and S2(r) tends to p1^2 where nothing is correlated, if I is 0 or 1. A generator's
//! images are soft: there S2(0) is `<I^2>`, not `<I>`, and asking for S2(0) = p1 asks for crisp phases.

use num_complex::Complex;
use rustfft::FftPlanner;

use super::curve::{follow, within_share};
use super::tally::{Correlated, Rings};
use super::{Column, Grain, Images, Invariance, Kind, Made, Mistake, OF, Tally, View, class, numbered};
use crate::op::{Border, Direction};
use crate::options::{Key, Options};
use crate::tape::Var;

/// `correlation`: the curve of one class, `s0`, `s1`, ... at distances of 0, 1, ... pixels.
pub(super) const CORRELATION: Kind = Kind {
    name: "correlation",
    about: "two-point correlation of one class over the distance",
    keys: &[OF, BINS],
    weight: 10.0,
    make,
};

/// The key of a curve's length.
pub(super) const BINS: Key = Key::whole(
    "bins",
    17,
    (1, 4096),
    "a whole number from 1 to half the shorter side plus 1",
    "points of the curve: at 0, 1, ... pixels",
);

fn make(options: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let (phase, bins) = (class(options, "of", images)?, bins(options, images, Direction::Every)?);
    let prefix = if name.is_empty() { "s" } else { name };
    let columns = numbered(prefix, 0, bins).map(|name| Column::new(name, "", (0.0, 1.0))).collect();
    let invariance = Correlation { phase, bins, border: images.border, weights: None };
    Ok(Made { columns, invariance: Box::new(invariance) })
}

/// The length of a curve, if the images are large enough.
pub(super) fn bins(options: &Options, images: &Images, along: Direction) -> Result<usize, Mistake> {
    let (bins, most) = (options.whole("bins"), along.most_bins(images.size, images.border));
    if bins <= most {
        return Ok(bins);
    }
    let [h, w] = images.size;
    Err(("bins", format!("must be at most {most} for images of {h} x {w}")))
}

/// S2(r) of channel `phase`, r = 0, ..., `bins` - 1: `[N, H, W, C]` to `[N, bins]`.
///
/// # Panics
/// If there is no such channel, or the image is too small for so many bins.
#[track_caller]
pub fn correlation(x: Var<'_>, phase: usize, bins: usize, border: Border) -> Var<'_> {
    let s = x.shape();
    let channel = x.slice(&[0, 0, 0, phase], [s[0], s[1], s[2], 1]);
    channel.reshape([s[0], s[1], s[2]]).correlation(bins, border)
}

/// How often two pixels at a distance are both of one phase, as a curve over the distance.
pub struct Correlation {
    /// The channel of the phase.
    pub phase: usize,
    /// Points of the curve: distances of 0, 1, ... pixels.
    pub bins: usize,
    /// What lies beyond the image's edge.
    pub border: Border,
    /// What the squared error of each point counts in the loss, `[bins]`; 1 without.
    pub weights: Option<Vec<f64>>,
}

impl Invariance for Correlation {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        correlation(x, self.phase, self.bins, self.border)
    }

    /// sum_r w_r (S2(r) - target(r))^2, averaged over the batch.
    ///
    /// # Panics
    /// If there are weights, and not one for each bin.
    fn loss<'t>(&self, measured: Var<'t>, target: Var<'t>) -> Var<'t> {
        let mut squares = (measured - target).square();
        if let Some(weights) = &self.weights {
            assert!(weights.len() == self.bins, "{} weights for {} bins", weights.len(), self.bins);
            // Each run of equal weights is one constant.
            let runs: Vec<Var<'t>> = weights
                .chunk_by(|a, b| a == b)
                .map(|run| measured.tape().fill(run[0], [1, run.len()]))
                .collect();
            squares = squares * measured.tape().concat(&runs, 1);
        }
        squares.sum().scale(1.0 / measured.shape()[0] as f64)
    }

    fn complete(&self, target: &[Option<f32>], row: &mut [f32]) -> Result<(), String> {
        follow(target, row);
        within_share(target, row, self.border)
    }

    fn grain(&self) -> Grain {
        Grain::Curve
    }

    /// A pixel is of its own class: the curve begins with the share.
    fn share(&self, i: usize) -> Option<usize> {
        (i == 0).then_some(self.phase)
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        Some(Box::new(Correlated::new(Rings::of(images, Direction::Every, self.bins), map, [self.phase; 2])))
    }

    fn two_point(&self) -> Option<usize> {
        Some(self.phase)
    }

    fn view(&self) -> View {
        View::Curve {
            x: (0..self.bins).map(|r| r as f64).collect(),
            x_name: "distance r (px)".into(),
            y_name: format!("two-point correlation of class {}", self.phase),
        }
    }
}

/// The whole map S2(v) of an image `[H, W]`, on the host, and its extents. The zero vector is in the
/// middle: a periodic map is `[H, W]`, with v = 0 at row H / 2 and column W / 2; an open one is
/// `[2 H - 1, 2 W - 1]`, with v = 0 at row H - 1 and column W - 1, each vector averaged over the
/// pairs of pixels that it joins.
///
/// # Panics
/// If the number of pixels is not H W.
#[must_use]
#[track_caller]
pub fn two_point_map(image: &[f64], [h, w]: [usize; 2], border: Border) -> (Vec<f64>, [usize; 2]) {
    assert!(image.len() == h * w, "{} pixels for an image of {h} x {w}", image.len());
    let open = border == Border::Open;
    // Zeros keep the copies of an open image apart.
    let [th, tw] = if open { [2 * h, 2 * w] } else { [h, w] };
    let mut field = vec![Complex::default(); th * tw];
    for (to, from) in field.chunks_exact_mut(tw).zip(image.chunks_exact(w)) {
        to.iter_mut().zip(from).for_each(|(to, &from)| to.re = from);
    }
    // The inverse transform of |F|^2, which is symmetric, is its transform over the pixels.
    field = transformed(field, [th, tw]);
    field.iter_mut().for_each(|f| *f = Complex::new(f.norm_sqr() / (th * tw) as f64, 0.0));
    field = transformed(field, [th, tw]);

    let ([rows, columns], [top, left]) =
        if open { ([2 * h - 1, 2 * w - 1], [h - 1, w - 1]) } else { ([h, w], [h / 2, w / 2]) };
    let at = |y: usize, x: usize| {
        let sum = field[(y + th - top) % th * tw + (x + tw - left) % tw].re;
        let pairs = if open { (h - y.abs_diff(top)) * (w - x.abs_diff(left)) } else { h * w };
        sum / pairs as f64
    };
    let map = (0..rows).flat_map(|y| (0..columns).map(move |x| at(y, x))).collect();
    (map, [rows, columns])
}

/// The Fourier transform of a field `[H, W]`.
pub(crate) fn transformed(mut field: Vec<Complex<f64>>, [h, w]: [usize; 2]) -> Vec<Complex<f64>> {
    let mut planner = FftPlanner::new();
    for [h, w] in [[h, w], [w, h]] {
        // Along the rows, then transposed: both axes, and back in place.
        planner.plan_fft_forward(w).process(&mut field);
        field = (0..w).flat_map(|x| field[x..].iter().step_by(w)).copied().collect();
        debug_assert_eq!(field.len(), h * w);
    }
    field
}
