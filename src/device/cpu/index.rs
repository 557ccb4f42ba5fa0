//! Rows of tables, one-hot and moved images, and the largest class of a pixel.

use super::pieces::*;

use super::Real;
use crate::op::Symmetry;
use crate::shape::Shape;

/// The given rows of class maps `[M, H, W]` as one-hot images `[N, H, W, C]`.
pub(super) fn one_hot<T: Real>(maps: &[u8], rows: &[u32], shape: &Shape, out: &mut [T]) {
    let (pixels, channels) = (shape[1] * shape[2], shape[3]);
    out.par_chunks_mut(pixels * channels).zip(rows).each(&|(out, &row)| {
        out.fill(T::zero());
        let map = &maps[row as usize * pixels..][..pixels];
        for (pixel, &class) in out.chunks_exact_mut(channels).zip(map) {
            pixel[usize::from(class)] = T::one();
        }
    });
}

/// The given rows of class maps `[M, H, W]`, each moved by what its words choose of a symmetry, `[N, H, W]`.
pub(super) fn augment(
    maps: &[u8],
    rows: &[u32],
    words: &[[u32; Symmetry::WORDS]],
    symmetry: Symmetry,
    shape: &Shape,
    out: &mut [u8],
) {
    let (size, pixels) = ([shape[1], shape[2]], shape[1] * shape[2]);
    out.par_chunks_mut(pixels).zip(rows).zip(words).each(&|((out, &row), &words)| {
        symmetry.draw(size, words).write(&maps[row as usize * pixels..][..pixels], out);
    });
}

/// The given rows of a table with `width` columns.
pub(super) fn gather<T: Real>(table: &[T], width: usize, rows: &[u32], out: &mut [T]) {
    for (out, &row) in out.chunks_exact_mut(width).zip(rows) {
        out.copy_from_slice(&table[row as usize * width..][..width]);
    }
}

/// Values summed into the given rows of zeros, in order.
pub(super) fn scatter_add<T: Real>(values: &[T], width: usize, rows: &[u32], out: &mut [T]) {
    out.fill(T::zero());
    for (values, &row) in values.chunks_exact(width).zip(rows) {
        for (o, &v) in out[row as usize * width..][..width].iter_mut().zip(values) {
            *o += v;
        }
    }
}

/// Index of the largest entry of each pixel, the first of equals.
pub(super) fn argmax<T: Real>(x: &[T], channels: usize, out: &mut [u8]) {
    for (out, pixel) in out.iter_mut().zip(x.chunks_exact(channels)) {
        let mut best = 0;
        for (c, &v) in pixel.iter().enumerate() {
            if v > pixel[best] {
                best = c;
            }
        }
        *out = best as u8;
    }
}
