//! Matrix products of any layout: b packed into panels of columns, the rows of a taken as they lie, and
//! both multiplied block by block.

use std::ops::Range;

use bytemuck::Zeroable;

use super::pieces::*;

use super::Real;
use super::block::{Block, Whole};
use super::real::simd;
use super::scratch;
use super::vector::LANES;
use crate::device::Precision;
use crate::shape::Shape;

/// A matrix in memory; steps are in elements, and that of the rows or of the columns is one.
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

    /// Some of the rows, and some of their numbers.
    fn part(self, rows: Range<usize>, numbers: Range<usize>) -> Self {
        let first = rows.start * self.row_step + numbers.start * self.col_step;
        Self { data: &self.data[first..], rows: rows.len(), cols: numbers.len(), ..self }
    }

    fn in_bounds(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row_step + (self.cols - 1) * self.col_step < self.data.len()
    }
}

/// Multiply-adds from which a product is worth sharing between threads.
const SHARED_FROM: usize = 1 << 18;

/// Rows that a task computes at a time, and factors of their sums: a panel of b and what of a it meets stay in
/// the second-level cache.
const ROWS: usize = 96;
const DEPTH: usize = 512;

/// Factors of a column that are put into a panel at a time.
const AT_A_TIME: usize = 64;

/// What a product multiplies: numbers, or some of them packed into one factor.
pub trait Factors {
    /// Of the matrices.
    type Number: Real;
    /// What a block multiplies.
    type Factor: bytemuck::Pod + Send + Sync;
    /// Numbers of a factor.
    const NUMBERS: usize;

    /// Those of adjacent numbers.
    fn along(row: &[Self::Number], to: &mut [Self::Factor]);
    /// Those of numbers that lie one below the other.
    fn across(even: &[Self::Number], odd: Option<&[Self::Number]>, to: &mut [Self::Factor]);
    /// The numbers as they lie, if they are factors.
    fn as_they_lie(_: &[Self::Number]) -> Option<&[Self::Factor]> {
        None
    }
    /// Multiplies.
    fn run(block: Block<'_, Self::Factor, Self::Number>);
}

impl<T: Real> Factors for Whole<T> {
    type Number = T;
    type Factor = T;
    const NUMBERS: usize = 1;

    fn along(row: &[T], to: &mut [T]) {
        to.copy_from_slice(row);
    }

    fn across(even: &[T], _: Option<&[T]>, to: &mut [T]) {
        to.copy_from_slice(even);
    }

    fn as_they_lie(numbers: &[T]) -> Option<&[T]> {
        Some(numbers)
    }

    fn run(block: Block<'_, T, T>) {
        block.run();
    }
}

/// Who is lent factors: with how many there are from one row to the next, and whether they lie as `[k, rows]`
/// instead of `[rows, k]`.
pub(super) type Taker<'f, F> = &'f mut dyn FnMut(&[F], usize, bool);

/// The rows of the left one of two matrices, wherever their numbers come from.
pub(super) trait Rows<F: Factors>: Sync {
    /// How many there are, and how many numbers each has.
    fn extents(&self) -> [usize; 2];
    /// Lends the factors of some rows, of some of their numbers.
    fn lend(&self, rows: Range<usize>, numbers: Range<usize>, f: Taker<'_, F::Factor>);
}

impl<F: Factors> Rows<F> for Mat<'_, F::Number> {
    fn extents(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    fn lend(&self, rows: Range<usize>, numbers: Range<usize>, f: Taker<'_, F::Factor>) {
        let part = self.part(rows, numbers);
        match F::as_they_lie(part.data) {
            Some(data) if part.col_step == 1 => f(data, part.row_step, false),
            Some(data) if part.row_step == 1 => f(data, part.col_step, true),
            _ => with_factors::<F, _>(part.rows * part.cols.div_ceil(F::NUMBERS), |factors| {
                let (step, columns) = pack_rows::<F>(part, factors);
                f(factors, step, columns);
            }),
        }
    }
}

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
    if k == 0 && !accumulate {
        out.fill(T::zero());
    }
    if m * n * k == 0 {
        return;
    }
    let share = share && m * n * k >= SHARED_FROM;
    if n == 1 && a.col_step == 1 && b.row_step == 1 {
        // One column would leave most of a panel empty. Rounding its factors would save nothing.
        for (i, out) in out.iter_mut().enumerate() {
            let sum = dot(&a.data[i * a.row_step..][..k], &b.data[..k]);
            *out = if accumulate { *out + sum } else { sum };
        }
        return;
    }
    product_of_rows(&a, b, accumulate, out, share, precision);
}

/// The same of rows that may come from anywhere.
pub(super) fn product_of_rows<T: Real, A: Rows<Whole<T>> + Rows<T::Rounded>>(
    a: &A,
    b: Mat<'_, T>,
    accumulate: bool,
    out: &mut [T],
    share: bool,
    precision: Precision,
) {
    match precision {
        Precision::Bf16 => packed::<T::Rounded>(a, b, accumulate, out, share),
        _ => packed::<Whole<T>>(a, b, accumulate, out, share),
    }
}

/// Sum of the products of two rows, in interleaved lanes.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    const APART: usize = 4 * LANES;
    let mut sums = [T::zero(); APART];
    simd(
        #[inline(always)]
        || {
            for (a, b) in a.chunks(APART).zip(b.chunks(APART)) {
                for ((s, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                    *s += a * b;
                }
            }
        },
    );
    sums.into_iter().sum()
}

/// A product in those factors.
fn packed<F: Factors>(
    a: &dyn Rows<F>,
    b: Mat<'_, F::Number>,
    accumulate: bool,
    out: &mut [F::Number],
    share: bool,
) {
    let [m, k] = a.extents();
    let (n, width) = (b.cols, if b.cols > LANES { 2 * LANES } else { LANES });
    let numbers = DEPTH * F::NUMBERS;
    // Tasks of about as many rows each, in whole tiles.
    let rows = m.div_ceil(m.div_ceil(ROWS)).next_multiple_of(4);
    for first in (0..k).step_by(numbers) {
        let part = first..k.min(first + numbers);
        let b = b.part(part.clone(), 0..n);
        let (accumulate, terms) = (accumulate || first > 0, part.len().div_ceil(F::NUMBERS));
        with_factors::<F, _>(terms * n.next_multiple_of(width), |panels: &mut [F::Factor]| {
            let pack = |(i, panel): (usize, &mut [F::Factor])| pack_panel::<F>(b, i * width, width, panel);
            each(panels, terms * width, share, pack);
            let panels = Panels { factors: &*panels, terms, width };
            if share && m < 4 * ROWS {
                // Too few rows to share: the panels of the result one after another, put together after.
                scratch::with(m * n.next_multiple_of(width), |sums: &mut [F::Number]| {
                    sums.par_chunks_mut(m * width).enumerate().each(&|(i, sums)| {
                        rows_by_panels::<F>(a, 0, part.clone(), panels.only(i), false, sums, width);
                    });
                    for (row, out) in out.chunks_exact_mut(n).enumerate() {
                        for (i, out) in out.chunks_mut(width).enumerate() {
                            put(&sums[(i * m + row) * width..], accumulate, out);
                        }
                    }
                });
            } else {
                each(out, rows * n, share, |(i, out)| {
                    rows_by_panels::<F>(a, i * rows, part.clone(), panels, accumulate, out, n);
                });
            }
        });
    }
}

/// Columns of the right matrix as the products read them: `[panels, terms, width]`.
struct Panels<'a, F> {
    factors: &'a [F],
    terms: usize,
    width: usize,
}

impl<F> Clone for Panels<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Panels<'_, F> {}

impl<F> Panels<'_, F> {
    /// One of them.
    fn only(self, i: usize) -> Self {
        let size = self.terms * self.width;
        Self { factors: &self.factors[i * size..][..size], ..self }
    }
}

/// Lends so many factors.
pub(super) fn with_factors<F: Factors, R>(count: usize, f: impl FnOnce(&mut [F::Factor]) -> R) -> R {
    scratch::with(count, |space: &mut [F::Number]| f(bytemuck::cast_slice_mut(space)))
}

/// Every chunk of a slice, shared between threads or one after another.
fn each<T: Send>(all: &mut [T], chunk: usize, share: bool, f: impl Fn((usize, &mut [T])) + Send + Sync) {
    if share {
        all.par_chunks_mut(chunk).enumerate().each(&f);
    } else {
        all.chunks_mut(chunk).enumerate().for_each(f);
    }
}

/// Writes or adds as many sums as there is room for.
fn put<T: Real>(sums: &[T], accumulate: bool, out: &mut [T]) {
    if accumulate {
        for (o, &s) in out.iter_mut().zip(sums) {
            *o += s;
        }
    } else {
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// Rows `first..` of a, as many as out has rows of `n` numbers, times the panels of a part of their numbers.
fn rows_by_panels<F: Factors>(
    a: &dyn Rows<F>,
    first: usize,
    part: Range<usize>,
    panels: Panels<'_, F::Factor>,
    accumulate: bool,
    out: &mut [F::Number],
    n: usize,
) {
    let Panels { factors, terms: k, width } = panels;
    let rows = out.len() / n;
    a.lend(first..first + rows, part, &mut |a, step, columns| {
        for (i, b) in factors.chunks_exact(k * width).enumerate() {
            let place = i * width;
            if place + width <= n {
                let (out, apart) = (&mut out[place..], n);
                F::run(Block { a, step, columns, rows, k, b, width, out, apart, accumulate });
                continue;
            }
            scratch::with(rows * width, |sums: &mut [F::Number]| {
                let (apart, into) = (width, &mut *sums);
                F::run(Block { a, step, columns, rows, k, b, width, out: into, apart, accumulate: false });
                for (out, sums) in out.chunks_exact_mut(n).zip(sums.chunks_exact(width)) {
                    put(sums, accumulate, &mut out[place..]);
                }
            });
        }
    });
}

/// Columns `first..` of b as factors of its rows, `[k, width]`, with zeros behind the last.
fn pack_panel<F: Factors>(b: Mat<'_, F::Number>, first: usize, width: usize, panel: &mut [F::Factor]) {
    let columns = width.min(b.cols - first);
    let zero = F::Factor::zeroed();
    if b.col_step != 1 {
        // Columns lie in memory: of each as much at a time as keeps the part of the panel in the first cache.
        let mut factors = [zero; AT_A_TIME];
        for (part, panel) in panel.chunks_mut(AT_A_TIME * width).enumerate() {
            let first_row = part * AT_A_TIME * F::NUMBERS;
            let rows = (b.rows - first_row).min(AT_A_TIME * F::NUMBERS);
            for j in 0..columns {
                let factors = &mut factors[..rows.div_ceil(F::NUMBERS)];
                F::along(&b.data[first_row + (first + j) * b.col_step..][..rows], factors);
                for (to, &factor) in panel.chunks_exact_mut(width).zip(&*factors) {
                    to[j] = factor;
                }
            }
            for to in panel.chunks_exact_mut(width) {
                to[columns..].fill(zero);
            }
        }
        return;
    }
    for (p, to) in panel.chunks_exact_mut(width).enumerate() {
        let (to, behind) = to.split_at_mut(columns);
        behind.fill(zero);
        let row = |row: usize| &b.data[row * b.row_step + first..][..columns];
        let (even, odd) = (p * F::NUMBERS, p * F::NUMBERS + 1);
        F::across(row(even), (odd < b.rows).then(|| row(odd)), to);
    }
}

/// All rows of a as factors of its columns; how many factors from one row, as it lies, to the next, and
/// whether they lie as `[k, rows]`.
fn pack_rows<F: Factors>(a: Mat<'_, F::Number>, to: &mut [F::Factor]) -> (usize, bool) {
    let k = a.cols.div_ceil(F::NUMBERS);
    if a.col_step == 1 {
        for (i, to) in to.chunks_exact_mut(k).enumerate() {
            F::along(&a.data[i * a.row_step..][..a.cols], to);
        }
        return (k, false);
    }
    for (p, to) in to.chunks_exact_mut(a.rows).enumerate() {
        let (even, odd) = (p * F::NUMBERS, p * F::NUMBERS + 1);
        let column = |column: usize| &a.data[column * a.col_step..][..a.rows];
        F::across(column(even), (odd < a.cols).then(|| column(odd)), to);
    }
    (a.rows, true)
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
