//! The Fréchet distance between generated and real images over descriptors, in place of a network's
//! features, which would be of photographs.

use serde::Serialize;

use super::compare::profiles;
use super::correlation::Frame;
use crate::data::source::Look;
use crate::train::whitening::eigen;

/// Most images of either set: the distance of small sets is too large, and falls with their size.
const MOST: usize = 400;

/// How far the descriptors of generated images are from those of real ones.
///
/// Every image is a vector of its descriptors (those of [`compare`](super::compare()); of grains their
/// means), each less its mean over the real images and over its deviation there, or as it is where real
/// images do not differ in it. Between two sets with means m, n and covariances A, B the distance is
/// (|m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2)) / D, that of Gaussians (D. Dowson, B. Landau, The
/// Fréchet distance between multivariate normal distributions, J. Multivariate Analysis 12 (1982)) over
/// the number of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Frechet {
    /// Generated against real images.
    pub distance: f64,
    /// One half of the real images against the other: what is left of equal distributions.
    pub between_real: f64,
}

impl Frechet {
    /// Of maps `[h, w]`.
    ///
    /// # Panics
    /// If there is no generated image or are fewer than two real ones.
    #[must_use]
    pub fn of(look: Look, generated: &[&[u8]], real: &[&[u8]], [h, w]: [usize; 2], periodic: bool) -> Self {
        let generated = &generated[..generated.len().min(MOST)];
        // From all over the set: neighbours may be snapshots of one simulation.
        let count = real.len().min(2 * MOST);
        let real: Vec<&[u8]> = (0..count).map(|i| real[i * real.len() / count]).collect();
        let last = generated.iter().chain(&real).flat_map(|map| map.iter()).max().copied().unwrap_or(0);
        let frame = Frame { h, w, periodic };
        let [mut ours, mut theirs] = [generated, &real].map(|maps| profiles(look, maps, frame, last));
        let (mean, covariance) = moments(&theirs);
        let d = mean.len();
        for row in ours.iter_mut().chain(&mut theirs) {
            for (i, value) in row.iter_mut().enumerate() {
                let deviation = covariance[i * d + i].sqrt();
                *value = (*value - mean[i]) / if deviation > 1e-9 { deviation } else { 1.0 };
            }
        }
        let (first, second) = theirs.split_at(theirs.len() / 2);
        Self { distance: between(&ours, &theirs), between_real: between(first, second) }
    }
}

/// Mean `[D]` and covariance `[D, D]` of rows.
fn moments(rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let (n, d) = (rows.len() as f64, rows[0].len());
    let mean: Vec<f64> = (0..d).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / n).collect();
    let mut covariance = vec![0.0; d * d];
    for row in rows {
        for i in 0..d {
            for j in 0..d {
                covariance[i * d + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / n;
            }
        }
    }
    (mean, covariance)
}

/// A B of square matrices.
fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let entry = |i: usize, j: usize| (0..d).map(|k| a[i * d + k] * b[k * d + j]).sum();
    (0..d * d).map(|e| entry(e / d, e % d)).collect()
}

/// The distance of two sets of rows, over their length.
fn between(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let ((m, a), (n, b)) = (moments(a), moments(b));
    let d = m.len();
    let trace = |c: &[f64]| (0..d).map(|i| c[i * d + i]).sum::<f64>();
    let (values, vectors) = eigen(a.clone(), d);
    let root: Vec<f64> = (0..d * d)
        .map(|e| {
            let (i, j) = (e / d, e % d);
            (0..d).map(|k| vectors[i * d + k] * vectors[j * d + k] * values[k].max(0.0).sqrt()).sum()
        })
        .collect();
    let inner = product(&product(&root, &b, d), &root, d);
    let overlap: f64 = eigen(inner, d).0.iter().map(|v| v.max(0.0).sqrt()).sum();
    let apart: f64 = m.iter().zip(&n).map(|(m, n)| (m - n).powi(2)).sum();
    // Rounding may leave a little less than nothing between equal sets.
    ((apart + trace(&a) + trace(&b) - 2.0 * overlap) / d as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::numbers;

    /// Rows of independent numbers, each column with its deviation and mean.
    fn rows(seed: u64, columns: &[(f64, f64)]) -> Vec<Vec<f64>> {
        let values = numbers(seed, 4000 * columns.len());
        let row = |row: &[f64]| row.iter().zip(columns).map(|(v, (s, m))| v * 3f64.sqrt() * s + m).collect();
        values.chunks_exact(columns.len()).map(row).collect()
    }

    #[test]
    fn the_distance_is_that_of_gaussians() {
        let a = rows(1, &[(1.0, 0.0), (2.0, 5.0), (0.5, 1.0)]);
        assert!(between(&a, &a) < 1e-9);
        // Means 1 apart in one of three, deviations 2 and 3 in another: (1 + 1) / 3.
        let b = rows(1, &[(1.0, 1.0), (3.0, 5.0), (0.5, 1.0)]);
        let found = between(&a, &b);
        assert!((found - 2.0 / 3.0).abs() < 0.03, "{found}");
        assert!((found - between(&b, &a)).abs() < 1e-9);
        // Correlated numbers whose combinations have the same spread are not the same numbers.
        let mixed: Vec<Vec<f64>> = rows(2, &[(1.0, 0.0), (1.0, 0.0)])
            .into_iter()
            .map(|r| vec![r[0], 0.8 * r[0] + 0.6 * r[1]])
            .collect();
        let found = between(&rows(3, &[(1.0, 0.0), (1.0, 0.0)]), &mixed);
        let exact = (4.0 - 2.0 * (1.8f64.sqrt() + 0.2f64.sqrt())) / 2.0;
        assert!((found - exact).abs() < 0.02, "{found}, not {exact}");
    }

    #[test]
    fn noise_is_farther_from_discs_than_discs_are() {
        let disc = |x: usize, y: usize, r: usize| -> Vec<u8> {
            let inside = |i: usize| (i % 24).abs_diff(x).pow(2) + (i / 24).abs_diff(y).pow(2) <= r * r;
            (0..576).map(|i| u8::from(inside(i))).collect()
        };
        let discs: Vec<Vec<u8>> = (0..60).map(|i| disc(8 + i % 7, 9 + i % 5, 4 + i % 4)).collect();
        let noise: Vec<Vec<u8>> =
            (0..30).map(|s| numbers(s, 576).iter().map(|v| u8::from(*v > 0.5)).collect()).collect();
        let [discs, noise] = [&discs, &noise].map(|maps| maps.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let of = |generated: &[&[u8]]| Frechet::of(Look::Figures, generated, &discs, [24, 24], false);
        let (good, bad) = (of(&discs[..30]), of(&noise));
        assert!(good.distance < 1.0 && bad.distance > 100.0 * good.distance, "{good:?} {bad:?}");
        assert_eq!(good.between_real, bad.between_real);
    }
}
