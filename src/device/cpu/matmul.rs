//! Matrix products, and the one function that calls the `gemm` crate.

use gemm::Parallelism;

use super::Real;
use crate::device::Precision;
use crate::shape::Shape;

/// A matrix in memory; steps are in elements.
#[derive(Clone, Copy)]
pub struct Mat<'a, T> {
    pub(super) data: &'a [T],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_step: usize,
    pub(super) col_step: usize,
}

impl<'a, T> Mat<'a, T> {
    /// Row-major, without gaps.
    pub(super) fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_step: cols, col_step: 1 }
    }

    /// The same elements, transposed.
    pub(super) fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_step: self.col_step, col_step: self.row_step, ..self }
    }

    fn in_bounds(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row_step + (self.cols - 1) * self.col_step < self.data.len()
    }
}

/// Multiply-adds from which a product is worth sharing between threads.
const SHARED_FROM: usize = 1 << 18;

/// out = a b, or out += a b, of factors in that precision; `out` is row-major without gaps. Shared between
/// threads if asked and large enough; the order of summation is the same either way.
pub(super) fn product<T: Real>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    accumulate: bool,
    out: &mut [T],
    share: bool,
    precision: Precision,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert!(b.rows == k && out.len() == m * n, "product of {m}x{k} and {}x{n} into {}", b.rows, out.len());
    assert!(a.in_bounds() && b.in_bounds(), "a matrix leaves its memory");
    let share = share && m * n * k >= SHARED_FROM && rayon::current_num_threads() > 1;
    match precision {
        Precision::Bf16 => T::product_of_pairs(a, b, accumulate, out, share),
        _ => whole(a, b, accumulate, out, share),
    }
}

/// The same of numbers as they are, checked by [`product`].
#[allow(unsafe_code)]
fn whole<T: Real>(a: Mat<'_, T>, b: Mat<'_, T>, accumulate: bool, out: &mut [T], share: bool) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let parallelism = if share { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: the assertions of `product`, the only caller, keep every access of `a`, `b` and `out` within its slice, and
    // `out` is borrowed mutably, so it overlaps neither.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_step as isize,
            a.row_step as isize,
            b.data.as_ptr(),
            b.col_step as isize,
            b.row_step as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// out = a b of matrices with their shapes, either transposed first.
pub(super) fn matmul<T: Real>(
    a: (&[T], &Shape, bool),
    b: (&[T], &Shape, bool),
    out: &mut [T],
    precision: Precision,
) {
    let [a, b] = [a, b].map(|(data, shape, transposed)| {
        let mat = Mat::new(data, shape[0], shape[1]);
        if transposed { mat.t() } else { mat }
    });
    product(a, b, false, out, true, precision);
}
