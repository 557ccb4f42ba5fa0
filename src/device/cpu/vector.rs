//! Vectors of a tensor's element, as wide as the machine's: what kernels that must keep numbers in
//! registers are written with.

use bytemuck::Pod;
use pulp::Simd;

/// Most elements of a vector: rows padded to so many are whole vectors on every machine.
pub(super) const LANES: usize = 16;

/// The vectors of an element.
pub trait Vectors: Pod {
    /// As many elements as fit a register.
    type Of<S: Simd>: Copy + Pod;

    /// The same number in every element.
    fn splat<S: Simd>(simd: S, v: Self) -> Self::Of<S>;
    /// a + b
    fn plus<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    /// a - b
    fn minus<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    /// a b
    fn times<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    /// `then` where a > 0, `otherwise` elsewhere.
    fn where_positive<S: Simd>(
        simd: S,
        a: Self::Of<S>,
        then: Self::Of<S>,
        otherwise: Self::Of<S>,
    ) -> Self::Of<S>;
    /// a b + c, rounded once where the machine can.
    fn fma<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>, c: Self::Of<S>) -> Self::Of<S>;
    /// The first elements of a slice, which may be shorter than a vector: then zeros.
    fn get<S: Simd>(simd: S, from: &[Self]) -> Self::Of<S>;
    /// Writes the first elements of a vector, as many as the slice has.
    fn put<S: Simd>(simd: S, to: &mut [Self], v: Self::Of<S>);
}

macro_rules! vectors {
    ($t:ty, $of:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $greater:ident, $select:ident,
     $fma:ident, $load:ident, $store:ident) => {
        impl Vectors for $t {
            type Of<S: Simd> = S::$of;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, v: Self) -> S::$of {
                simd.$splat(v)
            }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$of, b: S::$of) -> S::$of {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn minus<S: Simd>(simd: S, a: S::$of, b: S::$of) -> S::$of {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn times<S: Simd>(simd: S, a: S::$of, b: S::$of) -> S::$of {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn where_positive<S: Simd>(simd: S, a: S::$of, then: S::$of, otherwise: S::$of) -> S::$of {
                simd.$select(simd.$greater(a, simd.$splat(0.0)), then, otherwise)
            }
            #[inline(always)]
            fn fma<S: Simd>(simd: S, a: S::$of, b: S::$of, c: S::$of) -> S::$of {
                simd.$fma(a, b, c)
            }
            #[inline(always)]
            fn get<S: Simd>(simd: S, from: &[Self]) -> S::$of {
                simd.$load(from)
            }
            #[inline(always)]
            fn put<S: Simd>(simd: S, to: &mut [Self], v: S::$of) {
                simd.$store(to, v);
            }
        }
    };
}

vectors!(
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    greater_than_f32s,
    select_f32s,
    mul_add_e_f32s,
    partial_load_f32s,
    partial_store_f32s
);
vectors!(
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    greater_than_f64s,
    select_f64s,
    mul_add_e_f64s,
    partial_load_f64s,
    partial_store_f64s
);

/// The inner loop that short rows are repeated to.
pub(super) const LONG_RUN: usize = 96;

/// A row repeated to whole vectors on every machine, and so often that a loop over it is worth while.
pub(super) fn tiled<T: Copy>(row: &[T]) -> Vec<T> {
    let tiled = row.repeat(LANES / gcd(row.len(), LANES));
    tiled.repeat(LONG_RUN.div_ceil(tiled.len()))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Elements of a vector.
pub(super) const fn lanes<T: Vectors, S: Simd>() -> usize {
    size_of::<T::Of<S>>() / size_of::<T>()
}

/// The whole vector at the beginning of a slice.
#[inline(always)]
pub(super) fn load<T: Vectors, S: Simd>(from: &[T]) -> T::Of<S> {
    bytemuck::cast_slice(&from[..lanes::<T, S>()])[0]
}

/// Writes a whole vector to the beginning of a slice.
#[inline(always)]
pub(super) fn store<T: Vectors, S: Simd>(to: &mut [T], v: T::Of<S>) {
    bytemuck::cast_slice_mut(&mut to[..lanes::<T, S>()])[0] = v;
}
