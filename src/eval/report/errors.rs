//! Errors of one number over many samples.

use serde::Serialize;

/// Errors of one number, measured minus asked, in its unit, over the samples that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Errors {
    /// Mean of the absolute error.
    pub mean_abs_error: f64,
    /// Mean error.
    pub bias: f64,
    /// Standard deviation of the error.
    pub std: f64,
    /// 95th percentile of the absolute error.
    pub p95: f64,
    /// Samples in which there was nothing to measure.
    pub missing: usize,
}

impl Errors {
    /// Of what was measured less what was asked, sample by sample. NaN is a missing number; without any
    /// other the errors are NaN.
    #[must_use]
    pub fn of(errors: impl IntoIterator<Item = f64>) -> Self {
        let all: Vec<f64> = errors.into_iter().collect();
        let differences: Vec<f64> = all.iter().copied().filter(|d| !d.is_nan()).collect();
        let missing = all.len() - differences.len();
        let n = differences.len() as f64;
        let bias = differences.iter().sum::<f64>() / n;
        let mut sizes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        Self {
            mean_abs_error: sizes.iter().sum::<f64>() / n,
            bias,
            std: (differences.iter().map(|d| (d - bias).powi(2)).sum::<f64>() / n).sqrt(),
            p95: sizes.get((0.95 * (n - 1.0)).round() as usize).copied().unwrap_or(f64::NAN),
            missing,
        }
    }
}

/// Column `i` of rows of `width` numbers.
pub(super) fn column(rows: &[f32], width: usize, i: usize) -> impl Iterator<Item = f64> + Clone {
    rows.iter().skip(i).step_by(width).map(|&v| f64::from(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_known_set() {
        let e = Errors::of([0.0, 1.0, -1.0, 4.0]);
        assert_eq!((e.mean_abs_error, e.bias, e.p95, e.missing), (1.5, 1.0, 4.0, 0));
        assert!((e.std - (14.0_f64 / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_is_missing_is_counted_and_not_averaged() {
        let e = Errors::of([f64::NAN, 2.0, f64::NAN]);
        assert_eq!((e.mean_abs_error, e.missing), (2.0, 2));
        let none = Errors::of([f64::NAN]);
        assert!(none.mean_abs_error.is_nan() && none.missing == 1);
    }
}
