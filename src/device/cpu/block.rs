//! Products of small blocks that lie in the cache, without packing: what Winograd's transforms call
//! hundreds of times a layer.

use pulp::{Simd, WithSimd};

use super::Real;
use super::vector::{lanes, load, store};

/// out += a b, or out = a b, with the k rows of b and those of out `width` numbers long.
pub(super) struct Block<'a, T> {
    /// a, or its transpose if `columns`.
    pub(super) a: &'a [T],
    /// Elements from one row of `a` (as it lies) to the next.
    pub(super) step: usize,
    /// Whether `a` lies as `[k, rows]`.
    pub(super) columns: bool,
    /// Rows of out.
    pub(super) rows: usize,
    /// Terms of a sum.
    pub(super) k: usize,
    /// `[k, width]`.
    pub(super) b: &'a [T],
    /// A multiple of the lanes of every machine.
    pub(super) width: usize,
    /// `[rows, width]`.
    pub(super) out: &'a mut [T],
    /// Whether out is added to.
    pub(super) accumulate: bool,
}

impl<T: Real> Block<'_, T> {
    /// Computes it, on this thread.
    pub(super) fn run(self) {
        pulp::Arch::new().dispatch(self);
    }
}

impl<T: Real> WithSimd for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Two vectors of the result at a time: each number of a that is read is used twice.
        let lanes = lanes::<T, S>();
        let mut column = 0;
        while column < self.width {
            if column + 2 * lanes <= self.width {
                self.column::<S, 2>(simd, column);
                column += 2 * lanes;
            } else {
                self.column::<S, 1>(simd, column);
                column += lanes;
            }
        }
    }
}

impl<T: Real> Block<'_, T> {
    #[inline(always)]
    fn column<S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let mut row = 0;
        // As many rows as the sums of have registers.
        if S::REGISTER_COUNT >= 32 {
            while row + 12 <= self.rows {
                self.tile::<S, 12, V>(simd, row, column);
                row += 12;
            }
        }
        while row + 4 <= self.rows {
            self.tile::<S, 4, V>(simd, row, column);
            row += 4;
        }
        while row < self.rows {
            self.tile::<S, 1, V>(simd, row, column);
            row += 1;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize) {
        let (lanes, k, width) = (lanes::<T, S>(), self.k, self.width);
        let b = &self.b[..k * width];
        let zero = T::splat(simd, T::zero());
        let mut sums = [[zero; V]; R];
        if self.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = load::<T, S>(&self.out[(row + r) * width + column + v * lanes..]);
                }
            }
        }
        if self.columns {
            let a = &self.a[..(k - 1) * self.step + row + R];
            for (p, b) in b.chunks_exact(width).enumerate() {
                let mut vectors = [zero; V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = load::<T, S>(&b[column + v * lanes..]);
                }
                let a = &a[p * self.step + row..][..R];
                for r in 0..R {
                    let a = T::splat(simd, a[r]);
                    for v in 0..V {
                        sums[r][v] = T::fma(simd, a, vectors[v], sums[r][v]);
                    }
                }
            }
        } else {
            let a: [&[T]; R] = std::array::from_fn(|r| &self.a[(row + r) * self.step..][..k]);
            for (p, b) in b.chunks_exact(width).enumerate() {
                let mut vectors = [zero; V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = load::<T, S>(&b[column + v * lanes..]);
                }
                for r in 0..R {
                    let a = T::splat(simd, a[r][p]);
                    for v in 0..V {
                        sums[r][v] = T::fma(simd, a, vectors[v], sums[r][v]);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                store::<T, S>(&mut self.out[(row + r) * width + column + v * lanes..], sum);
            }
        }
    }
}
