//! What is done to a convolution's result, a piece at a time while it is in the cache.

use pulp::{Simd, WithSimd};

use super::Real;
use super::vector::{lanes, load, store, tiled};

/// The operation that a plan folded into a leg.
pub(super) enum Finish<'a, T> {
    Nothing,
    /// Adds a bias, then applies a LeakyReLU.
    Bias {
        /// The bias repeated to whole vectors.
        tiled: Vec<T>,
        /// One where there is no LeakyReLU: it changes nothing.
        slope: T,
    },
    /// Multiplies by the slope where `gate`, a tensor like the result, is not positive.
    Gate {
        gate: &'a [T],
        slope: T,
    },
}

impl<T: Real> Finish<'_, T> {
    pub(super) fn bias(bias: &[T], slope: Option<f64>) -> Self {
        Self::Bias { tiled: tiled(bias), slope: slope.map_or(T::one(), T::of) }
    }

    /// Finishes whole pixels of the result, which begin `start` numbers from its beginning.
    pub(super) fn apply(&self, start: usize, out: &mut [T]) {
        match self {
            Self::Nothing => {}
            Self::Bias { tiled, slope } => {
                pulp::Arch::new().dispatch(Bias { slope: *slope, tiled, out });
            }
            Self::Gate { gate, slope } => {
                let gate = &gate[start..][..out.len()];
                pulp::Arch::new().dispatch(Gate { slope: *slope, gate, out });
            }
        }
    }
}

/// v where v > 0, slope v elsewhere, of v = out + bias.
struct Bias<'a, T> {
    slope: T,
    /// Whole vectors on every machine.
    tiled: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Bias<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { slope, tiled, out } = self;
        let lanes = lanes::<T, S>();
        let by = T::splat(simd, slope);
        for out in out.chunks_mut(tiled.len()) {
            for (out, bias) in out.chunks_mut(lanes).zip(tiled.chunks_exact(lanes)) {
                let bias = load::<T, S>(bias);
                if out.len() == lanes {
                    let v = T::plus(simd, load::<T, S>(out), bias);
                    store::<T, S>(out, T::where_positive(simd, v, v, T::times(simd, by, v)));
                } else {
                    let v = T::plus(simd, T::get(simd, out), bias);
                    T::put(simd, out, T::where_positive(simd, v, v, T::times(simd, by, v)));
                }
            }
        }
    }
}

/// out where gate > 0, slope out elsewhere.
struct Gate<'a, T> {
    slope: T,
    gate: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Gate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { slope, gate, out } = self;
        let lanes = lanes::<T, S>();
        let by = T::splat(simd, slope);
        for (out, gate) in out.chunks_mut(lanes).zip(gate.chunks(lanes)) {
            if out.len() == lanes {
                let (v, gate) = (load::<T, S>(out), load::<T, S>(gate));
                store::<T, S>(out, T::where_positive(simd, gate, v, T::times(simd, by, v)));
            } else {
                let (v, gate) = (T::get(simd, out), T::get(simd, gate));
                T::put(simd, out, T::where_positive(simd, gate, v, T::times(simd, by, v)));
            }
        }
    }
}
