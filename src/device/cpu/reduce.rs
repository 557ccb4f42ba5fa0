//! Sums over any axes, in an order that does not depend on the number of threads.

use super::pieces::*;

use super::Real;
use super::real::{CHUNK, simd};
use super::scratch;
use crate::shape::Shape;

/// A run of adjacent axes that are all kept or all summed.
#[derive(Clone, Copy)]
struct Group {
    extent: usize,
    kept: bool,
}

/// Sums x over the axes that `out_shape` has with extent 1.
pub(super) fn sum_to<T: Real>(x: &[T], shape: &Shape, out: &mut [T], out_shape: &Shape) {
    let target = out_shape.padded_to(shape.rank());
    let mut groups: Vec<Group> = Vec::new();
    for axis in (0..shape.rank()).filter(|&axis| shape[axis] != 1) {
        let kept = target[axis] == shape[axis];
        match groups.last_mut() {
            Some(last) if last.kept == kept => last.extent *= shape[axis],
            _ => groups.push(Group { extent: shape[axis], kept }),
        }
    }
    out.fill(T::zero());
    match groups.split_first() {
        None => out.copy_from_slice(x),
        Some((first, rest)) if first.kept && x.len() > CHUNK => {
            let (x_step, out_step) = (x.len() / first.extent, out.len() / first.extent);
            let rows = (CHUNK / x_step).max(1);
            out.par_chunks_mut(rows * out_step).zip(x.par_chunks(rows * x_step)).each(&|(out, x)| {
                for (out, x) in out.chunks_mut(out_step).zip(x.chunks(x_step)) {
                    accumulate(x, rest, out);
                }
            });
        }
        Some((first, rest)) if !first.kept && x.len() > CHUNK => {
            let step = x.len() / first.extent;
            let rows = (CHUNK / step).max(1);
            let pieces = first.extent.div_ceil(rows);
            scratch::with(pieces * out.len(), |partial: &mut [T]| {
                partial.par_chunks_mut(out.len()).zip(x.par_chunks(rows * step)).each(&|(sum, x)| {
                    sum.fill(T::zero());
                    let here = Group { extent: x.len() / step, kept: false };
                    let groups: Vec<Group> = [here].into_iter().chain(rest.iter().copied()).collect();
                    accumulate(x, &groups, sum);
                });
                for sum in partial.chunks(out.len()) {
                    add(sum, out);
                }
            });
        }
        Some(_) => accumulate(x, &groups, out),
    }
}

/// out += the sum of x over its summed groups.
fn accumulate<T: Real>(x: &[T], groups: &[Group], out: &mut [T]) {
    match groups {
        [] => out[0] += x[0],
        [Group { kept: true, .. }] => add(x, out),
        [Group { kept: false, .. }] => out[0] += sum(x),
        [first, rest @ ..] => {
            let step = x.len() / first.extent;
            if first.kept {
                let out_step = out.len() / first.extent;
                for (x, out) in x.chunks_exact(step).zip(out.chunks_exact_mut(out_step)) {
                    accumulate(x, rest, out);
                }
            } else if let [Group { kept: true, .. }] = rest {
                add_rows(x, out);
            } else {
                for x in x.chunks_exact(step) {
                    accumulate(x, rest, out);
                }
            }
        }
    }
}

/// out += the rows of x. Short ones, such as pixels of a few channels, are added several at a time, and these then
/// one after the other: a loop over the channels of a pixel is too short to vectorise.
fn add_rows<T: Real>(x: &[T], out: &mut [T]) {
    const LANES: usize = 64;
    let width = out.len();
    let block = if 2 * width <= LANES { LANES / width * width } else { width };
    simd(
        #[inline(always)]
        || {
            let mut lanes = [T::zero(); LANES];
            let (blocks, rest) = x.split_at(if block > width { x.len() / block * block } else { 0 });
            for x in blocks.chunks_exact(block) {
                for (lane, &x) in lanes[..block].iter_mut().zip(x) {
                    *lane += x;
                }
            }
            let held = if blocks.is_empty() { &[][..] } else { &lanes[..block] };
            for row in held.chunks_exact(width).chain(rest.chunks_exact(width)) {
                for (o, &x) in out.iter_mut().zip(row) {
                    *o += x;
                }
            }
        },
    );
}

fn add<T: Real>(x: &[T], out: &mut [T]) {
    for (o, &x) in out.iter_mut().zip(x) {
        *o += x;
    }
}

/// Sum in sixteen interleaved lanes, then the lanes in order.
pub(super) fn sum<T: Real>(x: &[T]) -> T {
    simd(
        #[inline(always)]
        || {
            let mut lanes = [T::zero(); 16];
            let blocks = x.chunks_exact(16);
            let rest = blocks.remainder();
            for block in blocks {
                for (lane, &x) in lanes.iter_mut().zip(block) {
                    *lane += x;
                }
            }
            lanes.into_iter().sum::<T>() + rest.iter().copied().sum::<T>()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_short_rows_are_whole() {
        // Whole numbers, so that the order of a sum changes nothing; widths that fill lanes and do not.
        for width in [1, 2, 3, 5, 31, 33, 64, 65] {
            for rows in [1, 2, 7, 64, 131, 20_000 / width] {
                let shape = Shape::new(&[2, rows, width]);
                let x: Vec<f64> = (0..shape.numel()).map(|i| (i * 7 % 11) as f64).collect();
                let mut out = vec![9.0; 2 * width];
                sum_to(&x, &shape, &mut out, &Shape::new(&[2, 1, width]));
                for (i, image) in x.chunks(rows * width).enumerate() {
                    for c in 0..width {
                        let wanted: f64 = image.iter().skip(c).step_by(width).sum();
                        assert_eq!(out[i * width + c], wanted, "{rows} rows of {width}");
                    }
                }
            }
        }
    }
}
