//! Matrix products, and the one function that calls the `gemm` crate.

use gemm::Parallelism;

use super::Real;
use crate::shape::Shape;

/// A matrix in memory; steps are in elements.
#[derive(Clone, Copy)]
pub(super) struct Mat<'a, T> {
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

/// out = a b, or out += a b; `out` is row-major without gaps. Shared between threads if asked and
/// large enough; the order of summation is the same either way.
#[allow(unsafe_code)]
pub(super) fn product<T: Real>(a: Mat<'_, T>, b: Mat<'_, T>, accumulate: bool, out: &mut [T], share: bool) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert!(b.rows == k && out.len() == m * n, "product of {m}x{k} and {}x{n} into {}", b.rows, out.len());
    assert!(a.in_bounds() && b.in_bounds(), "a matrix leaves its memory");
    let share = share && m * n * k >= SHARED_FROM && rayon::current_num_threads() > 1;
    let parallelism = if share { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: the assertions above keep every access of `a`, `b` and `out` within its slice, and
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

/// out = a b with either transposed first.
pub(super) fn matmul<T: Real>(
    a: &[T],
    a_shape: &Shape,
    transpose_a: bool,
    b: &[T],
    b_shape: &Shape,
    transpose_b: bool,
    out: &mut [T],
) {
    let a = Mat::new(a, a_shape[0], a_shape[1]);
    let b = Mat::new(b, b_shape[0], b_shape[1]);
    product(if transpose_a { a.t() } else { a }, if transpose_b { b.t() } else { b }, false, out, true);
}
