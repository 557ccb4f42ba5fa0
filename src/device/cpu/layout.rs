//! Moving elements: strided copies and padding, and the walk all strided loops share.

use super::pieces::*;

use super::Real;
use super::real::CHUNK;
use crate::shape::{MAX_RANK, Shape};

/// A walk over a row-major result beside `K` strided operands, with axes merged where every
/// operand allows it, so that the innermost run is as long as it can be.
pub(super) struct Walk<const K: usize> {
    extents: Vec<usize>,
    strides: Vec<[usize; K]>,
    /// Extent of the innermost run.
    run: usize,
    /// Strides of the operands along it.
    pub(super) inner: [usize; K],
}

impl<const K: usize> Walk<K> {
    pub(super) fn new(shape: &Shape, operands: [[usize; MAX_RANK]; K]) -> Self {
        let mut axes: Vec<(usize, [usize; K])> = Vec::with_capacity(MAX_RANK);
        for axis in (0..shape.rank()).filter(|&axis| shape[axis] != 1) {
            let here = operands.map(|s| s[axis]);
            match axes.last_mut() {
                Some((extent, outer)) if (0..K).all(|k| outer[k] == here[k] * shape[axis]) => {
                    *extent *= shape[axis];
                    *outer = here;
                }
                _ => axes.push((shape[axis], here)),
            }
        }
        let (run, inner) = axes.pop().unwrap_or((1, [0; K]));
        let (extents, strides) = axes.into_iter().unzip();
        Self { extents, strides, run, inner }
    }

    /// Calls `f` with consecutive pieces of rows of the result and where each operand's piece
    /// begins.
    pub(super) fn rows<T: Real>(&self, out: &mut [T], f: impl Fn(&mut [T], [usize; K]) + Sync) {
        if out.is_empty() {
            return;
        }
        let per_task = (CHUNK / self.run).max(1);
        let task = |(index, piece): (usize, &mut [T])| {
            for (i, row) in piece.chunks_mut(self.run).enumerate() {
                f(row, self.start(index * per_task + i));
            }
        };
        if out.len() <= CHUNK {
            task((0, out));
        } else if self.run > 2 * CHUNK {
            for (i, row) in out.chunks_mut(self.run).enumerate() {
                let start = self.start(i);
                row.par_chunks_mut(CHUNK).enumerate().each(&|(piece, part)| {
                    f(part, std::array::from_fn(|k| start[k] + piece * CHUNK * self.inner[k]));
                });
            }
        } else {
            out.par_chunks_mut(per_task * self.run).enumerate().each(&task);
        }
    }

    /// The length of the inner run, if it is short, and of the image over which the second operand of two is the
    /// same for every run, while the first is dense.
    pub(super) fn short_period(&self) -> Option<[usize; 2]> {
        let (&pixels, outer) = self.extents.split_last()?;
        let (last, strides) = self.strides.split_last()?;
        let image = pixels * self.run;
        let mut dense = image;
        let dense = outer.iter().zip(strides).rev().all(|(&extent, strides)| {
            let here = strides.first() == Some(&dense);
            dense *= extent;
            here
        });
        let periodic = self.inner.iter().all(|&s| s == 1) && last.iter().eq(&[self.run, 0]);
        (K == 2 && dense && periodic && self.run < 32).then_some([self.run, image])
    }

    /// Where the operands of such an image begin.
    pub(super) fn image(&self, index: usize) -> [usize; K] {
        self.start(index * self.extents.last().copied().unwrap_or(1))
    }

    fn start(&self, mut row: usize) -> [usize; K] {
        let mut at = [0; K];
        for (extent, strides) in self.extents.iter().zip(&self.strides).rev() {
            let index = row % extent;
            row /= extent;
            for k in 0..K {
                at[k] += index * strides[k];
            }
        }
        at
    }
}

/// `out[i, j, ...] = x[offset + i strides[0] + j strides[1] + ...]`
pub(super) fn copy<T: Real>(
    x: &[T],
    offset: usize,
    strides: &[usize; MAX_RANK],
    out: &mut [T],
    shape: &Shape,
) {
    let walk = Walk::new(shape, [*strides]);
    walk.rows(out, |row, [start]| {
        let x = &x[offset + start..];
        match walk.inner[0] {
            1 => row.copy_from_slice(&x[..row.len()]),
            0 => row.fill(x[0]),
            step => row.iter_mut().zip(x.iter().step_by(step)).for_each(|(o, &x)| *o = x),
        }
    });
}

/// x at `start` in zeros.
pub(super) fn pad<T: Real>(
    x: &[T],
    shape: &Shape,
    start: &[usize; MAX_RANK],
    out: &mut [T],
    out_shape: &Shape,
) {
    out.fill(T::zero());
    let Some(last) = shape.rank().checked_sub(1) else {
        out.copy_from_slice(x);
        return;
    };
    let strides = out_shape.strides();
    for (row, values) in x.chunks_exact(shape[last].max(1)).enumerate() {
        let mut at = start[last];
        let mut rest = row;
        for axis in (0..last).rev() {
            at += (start[axis] + rest % shape[axis]) * strides[axis];
            rest /= shape[axis];
        }
        out[at..at + values.len()].copy_from_slice(values);
    }
}

/// Two tensors joined along an axis, of which and of the axes behind it each has so many numbers. What is
/// padded is added to zeros, which leaves no -0.
pub(super) fn concat<T: Real>(parts: [&[T]; 2], [a, b]: [usize; 2], out: &mut [T]) {
    for (row, out) in out.chunks_exact_mut((a + b).max(1)).enumerate() {
        let (left, right) = out.split_at_mut(a);
        for (to, from) in [(left, &parts[0][row * a..]), (right, &parts[1][row * b..])] {
            to.iter_mut().zip(from).for_each(|(to, &v)| *to = v + T::zero());
        }
    }
}
