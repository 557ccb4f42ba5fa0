//! Softmax over the last axis and its vector-Jacobian product.
//!
//! Images have few channels, so a loop over the channels of a pixel is too short to vectorise.
//! Up to [`FEW`] channels, pixels are taken [`LANES`] at a time and turned channel by channel, so
//! that every step is a loop over pixels; with more, the loop over channels is long enough.

use super::pieces::*;

use super::Real;
use super::real::{CHUNK, simd};
use crate::op::SOFTMAX_REACH;

/// Pixels that are computed together: several vectors, so that the compiler keeps the loops.
const LANES: usize = 64;
/// Most channels that are turned.
const FEW: usize = 8;

/// One channel of some pixels.
type Lane<T> = [T; LANES];

/// Calls `$f::<C, T>` with the number of channels as a constant.
macro_rules! with_channels {
    ($channels:expr, $f:ident($($argument:expr),*), $many:expr) => {
        match $channels {
            1 => $f::<1, T>($($argument),*),
            2 => $f::<2, T>($($argument),*),
            3 => $f::<3, T>($($argument),*),
            4 => $f::<4, T>($($argument),*),
            5 => $f::<5, T>($($argument),*),
            6 => $f::<6, T>($($argument),*),
            7 => $f::<7, T>($($argument),*),
            FEW => $f::<FEW, T>($($argument),*),
            _ => $many,
        }
    };
}

/// Up to [`LANES`] pixels, channel by channel; zeros where there are fewer.
#[inline(always)]
fn turned<const C: usize, T: Real>(x: &[T]) -> [Lane<T>; C] {
    let mut lanes = [[T::zero(); LANES]; C];
    if x.len() == LANES * C {
        for p in 0..LANES {
            for c in 0..C {
                lanes[c][p] = x[p * C + c];
            }
        }
    } else {
        for (p, pixel) in x.chunks_exact(C).enumerate() {
            for c in 0..C {
                lanes[c][p] = pixel[c];
            }
        }
    }
    lanes
}

/// The inverse of [`turned`].
#[inline(always)]
fn turn_back<const C: usize, T: Real>(lanes: &[Lane<T>; C], out: &mut [T]) {
    if out.len() == LANES * C {
        for p in 0..LANES {
            for c in 0..C {
                out[p * C + c] = lanes[c][p];
            }
        }
    } else {
        for (p, pixel) in out.chunks_exact_mut(C).enumerate() {
            for c in 0..C {
                pixel[c] = lanes[c][p];
            }
        }
    }
}

/// exp(x - top), or 0 beyond reach; a NaN stays one.
#[inline(always)]
fn share_of_top<T: Real>(x: T, top: T) -> T {
    let below = x - top;
    let share = below.exponential();
    if below < T::of(-SOFTMAX_REACH) { T::zero() } else { share }
}

#[inline(always)]
fn softmax_few<const C: usize, T: Real>(x: &[T], out: &mut [T]) {
    for (out, x) in out.chunks_mut(LANES * C).zip(x.chunks(LANES * C)) {
        let mut v = turned::<C, T>(x);
        let mut top = v[0];
        for c in 1..C {
            for p in 0..LANES {
                top[p] = if v[c][p] > top[p] { v[c][p] } else { top[p] };
            }
        }
        let mut sum = [T::zero(); LANES];
        for c in 0..C {
            for p in 0..LANES {
                v[c][p] = share_of_top(v[c][p], top[p]);
                sum[p] += v[c][p];
            }
        }
        for p in 0..LANES {
            sum[p] = T::one() / sum[p];
        }
        for c in 0..C {
            for p in 0..LANES {
                v[c][p] *= sum[p];
            }
        }
        turn_back(&v, out);
    }
}

#[inline(always)]
fn softmax_many<T: Real>(x: &[T], channels: usize, out: &mut [T]) {
    for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        let top = x.iter().fold(x[0], |m, &v| if v > m { v } else { m });
        for (o, &v) in out.iter_mut().zip(x) {
            *o = share_of_top(v, top);
        }
        let scale = T::one() / out.iter().copied().sum::<T>();
        for o in out {
            *o *= scale;
        }
    }
}

/// out = exp(x - max x) / sum, for each pixel.
pub(super) fn softmax<T: Real>(x: &[T], channels: usize, out: &mut [T]) {
    let chunk = (CHUNK / channels).max(1) * channels;
    out.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).each(&|(out, x)| {
        simd(
            #[inline(always)]
            || with_channels!(channels, softmax_few(x, out), softmax_many(x, channels, out)),
        );
    });
}

#[inline(always)]
fn softmax_grad_few<const C: usize, T: Real>(y: &[T], g: &[T], out: &mut [T]) {
    let pixels = y.chunks(LANES * C).zip(g.chunks(LANES * C));
    for (out, (y, g)) in out.chunks_mut(LANES * C).zip(pixels) {
        let (y, mut g) = (turned::<C, T>(y), turned::<C, T>(g));
        let mut dot = [T::zero(); LANES];
        for c in 0..C {
            for p in 0..LANES {
                dot[p] += y[c][p] * g[c][p];
            }
        }
        for c in 0..C {
            for p in 0..LANES {
                g[c][p] = y[c][p] * (g[c][p] - dot[p]);
            }
        }
        turn_back(&g, out);
    }
}

#[inline(always)]
fn softmax_grad_many<T: Real>(y: &[T], g: &[T], channels: usize, out: &mut [T]) {
    let pixels = y.chunks_exact(channels).zip(g.chunks_exact(channels));
    for (out, (y, g)) in out.chunks_exact_mut(channels).zip(pixels) {
        let dot: T = y.iter().zip(g).map(|(&y, &g)| y * g).sum();
        for ((o, &y), &g) in out.iter_mut().zip(y).zip(g) {
            *o = y * (g - dot);
        }
    }
}

/// out = y (g - sum(y g)), for each pixel.
pub(super) fn softmax_grad<T: Real>(y: &[T], g: &[T], channels: usize, out: &mut [T]) {
    let chunk = (CHUNK / channels).max(1) * channels;
    out.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).zip(g.par_chunks(chunk)).each(&|((out, y), g)| {
        simd(
            #[inline(always)]
            || {
                with_channels!(channels, softmax_grad_few(y, g, out), softmax_grad_many(y, g, channels, out));
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{numbers, relative_error};

    #[test]
    fn every_number_of_channels_agrees_with_the_formula() {
        for channels in 1..=FEW + 2 {
            for pixels in [1, LANES - 1, LANES, 2 * LANES + 3] {
                let [x, g] = [0, 1].map(|seed| numbers(seed, pixels * channels));
                let (mut y, mut dx) = (Vec::new(), Vec::new());
                for (x, g) in x.chunks(channels).zip(g.chunks(channels)) {
                    let sum: f64 = x.iter().map(|v| v.exp()).sum();
                    let pixel: Vec<f64> = x.iter().map(|v| v.exp() / sum).collect();
                    let dot: f64 = pixel.iter().zip(g).map(|(y, g)| y * g).sum();
                    dx.extend(pixel.iter().zip(g).map(|(y, g)| y * (g - dot)));
                    y.extend(pixel);
                }
                let mut got = vec![0.0; x.len()];
                softmax(&x, channels, &mut got);
                assert!(relative_error(&got, &y) < 1e-14, "{channels} channels, {pixels} pixels");
                softmax_grad(&y, &g, channels, &mut got);
                assert!(relative_error(&got, &dx) < 1e-14, "{channels} channels, {pixels} pixels");
                let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
                let mut got = vec![0f32; x.len()];
                softmax(&narrow(&x), channels, &mut got);
                let got: Vec<f64> = got.into_iter().map(f64::from).collect();
                assert!(relative_error(&got, &y) < 1e-6, "{channels} channels, {pixels} pixels");
            }
        }
    }

    #[test]
    fn a_number_that_is_not_one_spoils_its_pixel_only() {
        for channels in [3, FEW + 1] {
            let mut x = vec![0.5f32; 3 * channels];
            x[channels + 2] = f32::NAN;
            let mut y = vec![0.0; x.len()];
            softmax(&x, channels, &mut y);
            for (i, pixel) in y.chunks(channels).enumerate() {
                assert!(pixel.iter().all(|v| v.is_nan() == (i == 1)), "{channels}: {y:?}");
            }
        }
    }
}
