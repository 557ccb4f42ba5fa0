//! How numbers asked for become what the generator sees: uncorrelated, of unit variance.
//!
//! The points of a correlation curve rise and fall together with the volume fraction; each scaled to
//! unit variance on its own, they would say the fraction many times over and the coarseness hardly at
//! all. So r = W (a - mean) with W = C^(-1/2), C the covariance of what is asked for: of all maps that
//! make the covariance the identity the one that changes the numbers least (A. Kessy, A. Lewin, K.
//! Strimmer, Optimal whitening and decorrelation, The American Statistician 72 (2018)). Numbers that
//! are uncorrelated are only scaled.

/// Of the mean variance: what is added to every variance, so that combinations of numbers that hardly
/// vary are not blown up.
const FLOOR: f64 = 1e-3;

/// Variance of a number that says nothing, since all images share it.
const NONE: f64 = 1e-12;

/// Mean `[D]` and map `[D, D]` of rows `[N, D]`. Each number is brought to unit variance first, so that
/// neither units nor the order of the numbers matter.
pub(super) fn whitening(rows: &[f64], length: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (rows.len() / length) as f64;
    let mean: Vec<f64> =
        (0..length).map(|c| rows.iter().skip(c).step_by(length).sum::<f64>() / count).collect();
    let mut covariance = vec![0.0; length * length];
    for row in rows.chunks_exact(length) {
        for i in 0..length {
            for j in 0..=i {
                covariance[i * length + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / count;
            }
        }
    }
    // A number that never varies keeps its scale and its place.
    let scale: Vec<f64> = (0..length)
        .map(|i| covariance[i * length + i])
        .map(|variance| if variance > NONE { 1.0 / variance.sqrt() } else { 1.0 })
        .collect();
    let mut correlation = vec![0.0; length * length];
    for i in 0..length {
        for j in 0..=i {
            let value = covariance[i * length + j] * scale[i] * scale[j];
            let constant = covariance[i * length + i] <= NONE || covariance[j * length + j] <= NONE;
            let value = if i == j {
                1.0
            } else if constant {
                0.0
            } else {
                value
            };
            correlation[i * length + j] = value;
            correlation[j * length + i] = value;
        }
    }
    let (values, vectors) = eigen(correlation, length);
    let mut map = vec![0.0; length * length];
    for i in 0..length {
        for j in 0..length {
            let entry: f64 = (0..length)
                .map(|k| {
                    let shrink = ((values[k].max(0.0) + FLOOR) / (1.0 + FLOOR)).sqrt();
                    vectors[i * length + k] * vectors[j * length + k] / shrink
                })
                .sum();
            // Row i of (a - mean) times the map gives column j of r.
            map[i * length + j] = scale[i] * entry;
        }
    }
    (mean, map)
}

/// Eigenvalues `[D]` and eigenvectors (columns of `[D, D]`) of a symmetric matrix by Jacobi rotations
/// (G. Golub, C. Van Loan, Matrix Computations, section 8.5): exact to rounding, and quick at the
/// lengths of a condition vector.
pub(crate) fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    /// A sweep squares what is left off the diagonal; a dozen is more than any matrix takes.
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for _ in 0..SWEEPS {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off < 1e-24 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
                    (vectors[k * n + p], vectors[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// The inverse of a matrix `[D, D]` by elimination with pivots; none if there is none.
pub(super) fn inverse(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let width = 2 * n;
    let mut rows: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let unit = (0..n).map(|j| f64::from(u8::from(i == j)));
            matrix[i * n..][..n].iter().copied().chain(unit).collect()
        })
        .collect();
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let by = rows[column][column];
        if by == 0.0 || !by.is_finite() {
            return None;
        }
        rows[column].iter_mut().for_each(|v| *v /= by);
        let row = rows[column].clone();
        for other in rows.iter_mut().enumerate().filter(|(i, _)| *i != column).map(|(_, row)| row) {
            let factor = other[column];
            (column..width).for_each(|j| other[j] -= factor * row[j]);
        }
    }
    Some(rows.iter().flat_map(|row| row[n..].iter().copied()).collect())
}

/// What leaves numbers as they are.
pub(super) fn identity(length: usize) -> (Vec<f64>, Vec<f64>) {
    let map = (0..length * length).map(|i| f64::from(u8::from(i % (length + 1) == 0))).collect();
    (vec![0.0; length], map)
}

/// (row - mean) W for rows `[N, D]`, in place.
pub(super) fn apply(rows: &mut [f64], mean: &[f64], map: &[f64]) {
    let length = mean.len();
    for row in rows.chunks_exact_mut(length) {
        let centred: Vec<f64> = row.iter().zip(mean).map(|(v, m)| v - m).collect();
        for (j, value) in row.iter_mut().enumerate() {
            *value = centred.iter().enumerate().map(|(i, v)| v * map[i * length + j]).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng;

    /// Rows of a fraction, a coarseness that hardly shows beside it, and a constant.
    fn rows(count: usize) -> Vec<f64> {
        let state = rng::state(5);
        let numbers = rng::normals(&state, 0, 2 * count);
        numbers
            .as_chunks::<2>()
            .0
            .iter()
            .flat_map(|&[p, q]| {
                let (p, q) = (f64::from(p), f64::from(q));
                [0.5 + 0.1 * p, 0.3 + 0.1 * p + 0.02 * q, 0.25]
            })
            .collect()
    }

    #[test]
    fn what_the_generator_sees_is_uncorrelated_and_of_unit_variance() {
        let all = rows(4000);
        let (mean, map) = whitening(&all, 3);
        let mut seen = all.clone();
        apply(&mut seen, &mean, &map);
        let moment = |i: usize, j: usize| seen.chunks_exact(3).map(|r| r[i] * r[j]).sum::<f64>() / 4000.0;
        // The floor takes a few per cent of the smallest combination.
        assert!((moment(0, 0) - 1.0).abs() < 0.1 && (moment(1, 1) - 1.0).abs() < 0.1);
        assert!(moment(0, 1).abs() < 0.1, "{}", moment(0, 1));
        assert!(seen.chunks_exact(3).all(|r| r[2].abs() < 1e-9), "a constant says nothing");
        // Whatever the units.
        let scaled: Vec<f64> = all.iter().enumerate().map(|(i, v)| v * [1.0, 1e3, 1.0][i % 3]).collect();
        let (mean, map) = whitening(&scaled, 3);
        let mut again = scaled.clone();
        apply(&mut again, &mean, &map);
        assert!(seen.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn eigenvectors_make_the_matrix_again() {
        let n = 7;
        let raw: Vec<f64> = (0..n * n).map(|i| ((i * 37 % 11) as f64 - 5.0) / 5.0).collect();
        let a: Vec<f64> = (0..n * n).map(|i| raw[i] + raw[i % n * n + i / n]).collect();
        let (values, v) = eigen(a.clone(), n);
        for i in 0..n {
            for j in 0..n {
                let made: f64 = (0..n).map(|k| v[i * n + k] * values[k] * v[j * n + k]).sum();
                assert!((made - a[i * n + j]).abs() < 1e-10, "{i} {j}");
            }
        }
    }

    #[test]
    fn the_way_back_from_what_the_generator_sees() {
        let all = rows(500);
        let (mean, map) = whitening(&all, 3);
        let back = inverse(&map, 3).unwrap();
        let mut seen = all.clone();
        apply(&mut seen, &mean, &map);
        for (row, seen) in all.chunks_exact(3).zip(seen.chunks_exact(3)) {
            for j in 0..3 {
                let found: f64 = mean[j] + (0..3).map(|i| seen[i] * back[i * 3 + j]).sum::<f64>();
                assert!((found - row[j]).abs() < 1e-9, "{found} {}", row[j]);
            }
        }
        // Needs a pivot; and what has no inverse.
        assert_eq!(inverse(&[0.0, 2.0, 1.0, 0.0], 2).unwrap(), [0.0, 1.0, 0.5, 0.0]);
        assert_eq!(inverse(&[0.0; 4], 2), None);
    }

    #[test]
    fn uncorrelated_numbers_are_only_scaled() {
        let (mean, map) = whitening(&[1.0, 0.0, 5.0, 0.0, 1.0, 2.0, 5.0, 2.0], 2);
        assert_eq!(mean, [3.0, 1.0]);
        assert!((map[0] - 0.5).abs() < 1e-12 && (map[3] - 1.0).abs() < 1e-12 && map[1].abs() < 1e-12);
        let (_, map) = identity(2);
        assert_eq!(map, [1.0, 0.0, 0.0, 1.0]);
    }
}
