//! Streams of the counter-based generator, four words a block.

use super::Real;
use crate::rng;

/// Calls `f` with every word's index and value.
fn words(state: &[u32], stream: u32, count: usize, mut f: impl FnMut(usize, u32)) {
    for block in 0..count.div_ceil(4) {
        for (lane, word) in rng::philox(state, stream, block as u64).into_iter().enumerate() {
            if 4 * block + lane < count {
                f(4 * block + lane, word);
            }
        }
    }
}

/// Uniform on [0, 1).
pub(super) fn uniform<T: Real>(state: &[u32], stream: u32, out: &mut [T]) {
    words(state, stream, out.len(), |i, word| out[i] = T::of(rng::unit(word)));
}

/// Standard normal.
pub(super) fn normal<T: Real>(state: &[u32], stream: u32, out: &mut [T]) {
    let values = rng::normals(state, stream, out.len());
    for (o, v) in out.iter_mut().zip(values) {
        *o = T::of(f64::from(v));
    }
}

/// Row numbers below `below`.
pub(super) fn indices(state: &[u32], stream: u32, below: u32, out: &mut [u32]) {
    words(state, stream, out.len(), |i, word| out[i] = rng::index(word, below));
}
