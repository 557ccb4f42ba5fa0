//! Products of small blocks that lie in the cache, without packing: what Winograd's transforms call
//! hundreds of times a layer.

use pulp::{Simd, WithSimd};

use super::Real;
use super::vector::{Vectors, lanes, load, store};

/// What is multiplied, and how it is added up.
pub(super) trait Dot {
    /// Of the factors: a number, or several that are multiplied at a time.
    type Factor: bytemuck::Pod;
    /// Of the sums; a vector has as many sums as factors.
    type Sum: Real;
    /// As many factors as fit a register.
    type Vector<S: Simd>: Copy + bytemuck::Pod;

    /// The same factor in every element.
    fn splat<S: Simd>(simd: S, factor: Self::Factor) -> Self::Vector<S>;
    /// a b + sum
    fn dot<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        sum: <Self::Sum as Vectors>::Of<S>,
    ) -> <Self::Sum as Vectors>::Of<S>;
}

/// Numbers of a tensor as they are.
pub struct Whole<T>(std::marker::PhantomData<T>);

impl<T: Real> Dot for Whole<T> {
    type Factor = T;
    type Sum = T;
    type Vector<S: Simd> = T::Of<S>;

    #[inline(always)]
    fn splat<S: Simd>(simd: S, factor: T) -> T::Of<S> {
        T::splat(simd, factor)
    }

    #[inline(always)]
    fn dot<S: Simd>(simd: S, a: T::Of<S>, b: T::Of<S>, sum: T::Of<S>) -> T::Of<S> {
        T::fma(simd, a, b, sum)
    }
}

/// out += a b, or out = a b, with the k rows of b and those of out `width` numbers long.
pub struct Block<'a, F, T> {
    /// a, or its transpose if `columns`.
    pub(super) a: &'a [F],
    /// Elements from one row of `a` (as it lies) to the next.
    pub(super) step: usize,
    /// Whether `a` lies as `[k, rows]`.
    pub(super) columns: bool,
    /// Rows of out.
    pub(super) rows: usize,
    /// Terms of a sum.
    pub(super) k: usize,
    /// `[k, width]`.
    pub(super) b: &'a [F],
    /// A multiple of the lanes of every machine.
    pub(super) width: usize,
    /// Rows of `width` numbers.
    pub(super) out: &'a mut [T],
    /// Numbers from one row of `out` to the next.
    pub(super) apart: usize,
    /// Whether out is added to.
    pub(super) accumulate: bool,
}

impl<T: Real> Block<'_, T, T> {
    /// Computes it, on this thread.
    pub(super) fn run(self) {
        pulp::Arch::new().dispatch(Task::<Whole<T>>(self));
    }
}

/// A block, and how it is computed.
pub(super) struct Task<'a, D: Dot>(pub(super) Block<'a, D::Factor, D::Sum>);

impl<D: Dot> WithSimd for Task<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(mut block) = self;
        // Two vectors of the result at a time: each number of a that is read is used twice.
        let lanes = lanes::<D::Sum, S>();
        let mut column = 0;
        while column < block.width {
            if column + 2 * lanes <= block.width {
                block.column::<D, S, 2>(simd, column);
                column += 2 * lanes;
            } else {
                block.column::<D, S, 1>(simd, column);
                column += lanes;
            }
        }
    }
}

impl<F: bytemuck::Pod, T: Real> Block<'_, F, T> {
    #[inline(always)]
    fn column<D: Dot<Factor = F, Sum = T>, S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let mut row = 0;
        // As many rows as the sums of have registers.
        if S::REGISTER_COUNT >= 32 {
            while row + 12 <= self.rows {
                self.tile::<D, S, 12, V>(simd, row, column);
                row += 12;
            }
        }
        while row + 4 <= self.rows {
            self.tile::<D, S, 4, V>(simd, row, column);
            row += 4;
        }
        while row < self.rows {
            self.tile::<D, S, 1, V>(simd, row, column);
            row += 1;
        }
    }

    #[inline(always)]
    fn tile<D: Dot<Factor = F, Sum = T>, S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
    ) {
        let (lanes, k, width) = (lanes::<T, S>(), self.k, self.width);
        let b = &self.b[..k * width];
        let zero = T::splat(simd, T::zero());
        let none = D::splat(simd, F::zeroed());
        let mut sums = [[zero; V]; R];
        if self.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = load::<T, S>(&self.out[(row + r) * self.apart + column + v * lanes..]);
                }
            }
        }
        if self.columns {
            let a = &self.a[..(k - 1) * self.step + row + R];
            for (p, b) in b.chunks_exact(width).enumerate() {
                let mut vectors = [none; V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = bytemuck::cast_slice(&b[column + v * lanes..][..lanes])[0];
                }
                let a = &a[p * self.step + row..][..R];
                for r in 0..R {
                    let a = D::splat(simd, a[r]);
                    for v in 0..V {
                        sums[r][v] = D::dot(simd, a, vectors[v], sums[r][v]);
                    }
                }
            }
        } else {
            let a: [&[F]; R] = std::array::from_fn(|r| &self.a[(row + r) * self.step..][..k]);
            for (p, b) in b.chunks_exact(width).enumerate() {
                let mut vectors = [none; V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = bytemuck::cast_slice(&b[column + v * lanes..][..lanes])[0];
                }
                for r in 0..R {
                    let a = D::splat(simd, a[r][p]);
                    for v in 0..V {
                        sums[r][v] = D::dot(simd, a, vectors[v], sums[r][v]);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                store::<T, S>(&mut self.out[(row + r) * self.apart + column + v * lanes..], sum);
            }
        }
    }
}
