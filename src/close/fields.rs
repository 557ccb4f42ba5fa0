//! Gaussian random fields that, cut at a level, have given two-point correlations.
//!
//! Where a field of unit variance with correlation rho exceeds the level that a share p does, two points
//! that far apart both do with the probability p^2 + (1 / 2 pi) int_0^arcsin(rho) exp(-h^2 / (1 + sin t)) dt,
//! h the level (J. A. Quiblier, A new three-dimensional modeling technique for studying porous media, Journal
//! of Colloid and Interface Science 98 (1984); N. F. Berk, Scattering properties of the leveled-wave model,
//! Physical Review A 44 (1991)). So a curve of the class map says what the field's is to be, and the field is
//! noise, filtered. It goes on beyond the edges of an image that does not go round, and the image is a part
//! of it, alike everywhere.

use std::f64::consts::{FRAC_PI_2, TAU};

use num_complex::Complex;

use crate::invariance::{Images, transformed};
use crate::op::Border;
use crate::rng;

/// Points of the table over arcsin(rho), half of them above 0.
const POINTS: usize = 512;
/// Largest logit of a field, about.
const CONTRAST: f64 = 2.0;
/// Rounds in which more than two classes are brought to their shares.
const ROUNDS: usize = 40;

/// The two-point correlation of a field cut so that a share of it is above, over arcsin(rho) in equal steps
/// from -pi / 2 to pi / 2.
pub(super) struct Level {
    table: Vec<f64>,
}

impl Level {
    pub(super) fn of(share: f64) -> Self {
        let share = share.clamp(1e-6, 1.0 - 1e-6);
        let step = FRAC_PI_2 * 2.0 / POINTS as f64;
        let density = |t: f64, level: f64| (-level * level / (1.0 + t.sin())).exp() / TAU;
        // At rho = 1 it is the share itself.
        let whole =
            |level: f64| (0..POINTS / 2).map(|i| density((i as f64 + 0.5) * step, level) * step).sum::<f64>();
        let (mut low, mut high) = (0.0, 8.0);
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if whole(middle) > share * (1.0 - share) { low = middle } else { high = middle }
        }
        let mut sum = 0.0;
        let mut table = vec![0.0];
        for i in 0..POINTS {
            sum += density((i as f64 + 0.5) * step - FRAC_PI_2, low) * step;
            table.push(sum);
        }
        let lift = share * share - table[POINTS / 2];
        table.iter_mut().for_each(|value| *value += lift);
        Self { table }
    }

    /// The correlation that the field has to have.
    pub(super) fn of_field(&self, correlation: f64) -> f64 {
        let above = self.table.partition_point(|value| *value < correlation).clamp(1, POINTS);
        let [a, b] = [self.table[above - 1], self.table[above]];
        let part = if b > a { ((correlation - a) / (b - a)).clamp(0.0, 1.0) } else { 0.5 };
        ((above as f64 - 1.0 + part) / POINTS as f64 * 2.0 * FRAC_PI_2 - FRAC_PI_2).sin()
    }
}

/// White noise for the field of each class of an image.
pub(super) struct Noise {
    size: [usize; 2],
    torus: [usize; 2],
    spectra: Vec<Vec<Complex<f64>>>,
}

impl Noise {
    /// That of image `index`, for fields that are correlated over `bins` pixels.
    pub(super) fn new(images: &Images, bins: usize, seed: u64, index: usize) -> Self {
        let size = images.size;
        let torus = match images.border {
            Border::Periodic => size,
            Border::Open => size.map(|side| (side + bins).next_multiple_of(16)),
        };
        let pixels = torus[0] * torus[1];
        let noise = rng::normals(&rng::state(seed), index as u32, images.classes * pixels);
        let spectrum = |noise: &[f32]| {
            transformed(noise.iter().map(|&v| Complex::new(f64::from(v), 0.0)).collect(), torus)
        };
        Self { size, torus, spectra: noise.chunks_exact(pixels).map(spectrum).collect() }
    }

    /// The field `[H, W]` of each class, with unit variance and a correlation of `curves[class]` at 0, 1, ...
    /// pixels, as far as there is such a field.
    pub(super) fn fields(&self, curves: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let ([h, w], [th, tw]) = (self.size, self.torus);
        let mut filters: Vec<(&Vec<f64>, Vec<f64>)> = Vec::new();
        let field = |spectrum: &[Complex<f64>], filter: &[f64]| {
            let field = spectrum.iter().zip(filter).map(|(value, by)| value * by).collect();
            let field = transformed(field, self.torus);
            (0..h).flat_map(|y| field[y * tw..][..w].iter().map(|v| v.re).collect::<Vec<_>>()).collect()
        };
        let mut fields = Vec::new();
        for (spectrum, curve) in self.spectra.iter().zip(curves) {
            let known = filters.iter().position(|(of, _)| *of == curve).unwrap_or_else(|| {
                filters.push((curve, self.filter(curve)));
                filters.len() - 1
            });
            fields.push(field(spectrum, &filters[known].1));
        }
        debug_assert!(fields.iter().all(|f: &Vec<f64>| f.len() == h * w) && th >= h);
        fields
    }

    /// What the spectrum of noise is multiplied with, so that its transform has the correlation of a curve.
    fn filter(&self, curve: &[f64]) -> Vec<f64> {
        let [h, w] = self.torus;
        let last = curve.len() - 1;
        // Beyond its last point a curve fades.
        let at = |r: f64| {
            let (whole, part) = (r as usize, r.fract());
            if whole < last {
                curve[whole] * (1.0 - part) + curve[whole + 1] * part
            } else {
                curve[last] * (1.0 - (r - last as f64) / (0.5 * last as f64 + 1.0)).max(0.0)
            }
        };
        let short = |v: usize, side: usize| v.min(side - v) as f64;
        let map = (0..h).flat_map(|y| (0..w).map(move |x| short(y, h).hypot(short(x, w))));
        let power = transformed(map.map(|r| Complex::new(at(r), 0.0)).collect(), self.torus);
        // What is below nothing belongs to no field.
        let power: Vec<f64> = power.iter().map(|p| p.re.max(0.0)).collect();
        // White noise has the power h w at every frequency, and its transform is transformed once more.
        let whole = (power.iter().sum::<f64>() * (h * w) as f64).sqrt().max(1e-12);
        power.iter().map(|p| p.sqrt() / whole).collect()
    }
}

/// Logits `[H, W, C]` of a field for each class, with what brings each class to its share of the pixels.
pub(super) fn shared(fields: &[Vec<f64>], shares: &[f64]) -> Vec<f64> {
    let (classes, pixels) = (fields.len(), fields[0].len());
    let mut lift = vec![0.0; classes];
    if let [first, second] = fields {
        // So many are to be of the first class.
        let count = (shares[0] * pixels as f64).round() as usize;
        let mut ahead: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        let last = count.clamp(1, pixels) - 1;
        lift[1] = *ahead.select_nth_unstable_by(last, |a, b| b.total_cmp(a)).1;
    } else {
        for round in 0..ROUNDS {
            let mut counts = vec![0.0; classes];
            for at in 0..pixels {
                let of = |c: usize| fields[c][at] + lift[c];
                let best = (1..classes).fold(0, |best, c| if of(c) > of(best) { c } else { best });
                counts[best] += 1.0 / pixels as f64;
            }
            // Shorter and shorter, so that it comes to rest.
            let rate = 2.0 / (1.0 + 0.1 * round as f64);
            let missing = shares.iter().zip(&counts).map(|(share, count)| rate * (share - count));
            lift.iter_mut().zip(missing).for_each(|(l, by)| *l += by);
        }
    }
    (0..pixels)
        .flat_map(|at| (0..classes).map(move |c| (c, at)))
        .map(|(c, at)| CONTRAST * (fields[c][at] + lift[c]))
        .collect()
}

/// The class map `[H, W]` of logits `[H, W, C]`.
pub(super) fn argmax(logits: &[f64], classes: usize) -> Vec<u8> {
    let best = |v: &[f64]| (1..classes).fold(0, |best, c| if v[c] > v[best] { c } else { best }) as u8;
    logits.chunks_exact(classes).map(best).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn levels_have_the_correlations_that_are_known_in_closed_form() {
        let half = Level::of(0.5);
        for rho in [-0.9, -0.3, 0.0, 0.4, 0.95, 1.0] {
            // W. F. Sheppard, 1898: 1 / 4 + arcsin(rho) / 2 pi.
            let correlation = 0.25 + f64::asin(rho) / TAU;
            assert!((half.of_field(correlation) - rho).abs() < 1e-6, "{rho}");
        }
        let few = Level::of(0.1);
        assert!((few.of_field(0.1) - 1.0).abs() < 1e-3 && few.of_field(0.01).abs() < 1e-3);
        assert!((few.of_field(1.0) - 1.0).abs() < 1e-9 && few.of_field(-1.0) < -0.99);
    }

    #[test]
    fn fields_have_the_correlation_of_a_curve() {
        let images = Images { size: [96, 80], classes: 2, border: Border::Periodic };
        let curve: Vec<f64> = (0..17).map(|r| (-f64::from(r * r) / 18.0).exp()).collect();
        let noise = Noise::new(&images, 17, 3, 0);
        let fields = noise.fields(&[curve.clone(), curve.clone()]);
        assert_ne!(fields[0], fields[1]);
        for field in &fields {
            let at = |r: usize| {
                let rows = field.chunks_exact(80);
                let sum: f64 = rows.map(|row| (0..80).map(|x| row[x] * row[(x + r) % 80]).sum::<f64>()).sum();
                sum / field.len() as f64
            };
            for r in [0, 2, 4, 12] {
                // Some 300 patches are independent: .06.
                assert!((at(r) - curve[r]).abs() < 0.2, "{r}: {} {}", at(r), curve[r]);
            }
        }
    }
}
