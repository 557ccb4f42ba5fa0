//! The derivatives of a layer's normalisation with scale, shift and LeakyReLU, and of these once more.
//!
//! Of g behind the mask, u, and of a cotangent h, sums over each sample's channels give every mean that is needed.

use pulp::{Simd, WithSimd};

use super::Real;
use super::norm::inverse_roots;
use super::norm_relu::{Channels, Fields, More, Pass, Pointwise, Sums};
use super::pieces::*;
use super::scratch;
use super::vector::{lanes, load, store};
use crate::device::LayerSums;
use crate::shape::Shape;

/// Sums of u and u y, as [`LayerSums`] says; means are of gamma u and gamma u y.
pub(super) fn sums<T: Real>(of: &Fields<'_, T>, g: &[T], shape: &Shape, out: &mut [T]) {
    let layout = LayerSums::of(shape);
    let by = [Some(of.gamma); 2];
    sample_sums(of, layout, [of.x, g], by, out, |[x, g], channels, sums| {
        pulp::Arch::new().dispatch(Sums { x, g, channels, sums });
    });
    for row in out.chunks_exact_mut(layout.row()) {
        let (totals, each) = row.split_at_mut(layout.each());
        totals.fill(T::zero());
        for each in each[..layout.samples * layout.channels].chunks_exact(layout.channels) {
            totals.iter_mut().zip(each).for_each(|(total, &sum)| *total += sum);
        }
    }
}

/// Sums of h, h y and h u, given those of u and u y; means are of h, h y and h gamma u. Before the first is the
/// derivative of <h, D> by gamma.
pub(super) fn second_sums<T: Real>(
    of: &Fields<'_, T>,
    [g, first, h]: [&[T]; 3],
    shape: &Shape,
    out: &mut [T],
) {
    let layout = LayerSums::of(shape);
    sample_sums(of, layout, [of.x, g, h], [None, None, Some(of.gamma)], out, |fields, channels, sums| {
        pulp::Arch::new().dispatch(SecondSums { fields, channels, sums });
    });
    // Of every sample r (sum of h u - mean(h) sum of u - mean(h y) sum of u y).
    let r = inverse_roots(of.stats, layout.samples, of.eps);
    let (totals, _) = out.split_at_mut(layout.each());
    totals.fill(T::zero());
    for (i, &r) in r.iter().enumerate() {
        let [mean_h, mean_hy, _] = means(layout, out, i);
        for c in 0..layout.channels {
            let at = layout.each() + i * layout.channels + c;
            let [u, uy, hu] = [first[at], first[layout.row() + at], out[2 * layout.row() + at]];
            out[c] += r * (hu - mean_h * u - mean_hy * uy);
        }
    }
}

/// Adds up K rows of sums of each sample's channels, by `add` of pieces of fields, and takes the means of their sums
/// over all channels, each times gamma where it is given.
fn sample_sums<T: Real, const F: usize, const K: usize>(
    of: &Fields<'_, T>,
    layout: LayerSums,
    fields: [&[T]; F],
    by: [Option<&[T]>; K],
    out: &mut [T],
    add: impl Fn([&[T]; F], &Channels<T>, &mut [T]) + Sync,
) {
    let LayerSums { samples, channels: count } = layout;
    let (length, r) = (of.x.len() / samples, inverse_roots(of.stats, samples, of.eps));
    scratch::with(samples * K * count, |each: &mut [T]| {
        each.par_chunks_mut(K * count).enumerate().each(&|(i, sums)| {
            let channels = &of.sample(i, &r);
            let (piece, period) = (channels.piece(), channels.period());
            let mut wide = vec![T::zero(); K * period];
            sums.fill(T::zero());
            for from in (0..length).step_by(piece) {
                let part = |field: &'_ [T]| {
                    i * length + from..i * length + length.min(from + piece).min(field.len())
                };
                wide.fill(T::zero());
                add(fields.map(|field| &field[part(field)]), channels, &mut wide);
                for (sums, wide) in sums.chunks_exact_mut(count).zip(wide.chunks_exact(period)) {
                    for wide in wide.chunks_exact(count) {
                        sums.iter_mut().zip(wide).for_each(|(sum, &v)| *sum += v);
                    }
                }
            }
        });
        let n = T::of(length as f64);
        for (k, (row, by)) in out.chunks_exact_mut(layout.row()).zip(by).enumerate() {
            for (i, each) in each.chunks_exact(K * count).enumerate() {
                let each = &each[k * count..][..count];
                row[layout.each() + i * count..][..count].copy_from_slice(each);
                let sum: T = match by {
                    Some(gamma) => each.iter().zip(gamma).map(|(&sum, &gamma)| sum * gamma).sum(),
                    None => each.iter().copied().sum(),
                };
                row[layout.means() + i] = sum / n;
            }
        }
    });
}

/// The means of sample i, of every row.
fn means<T: Real, const K: usize>(layout: LayerSums, sums: &[T], i: usize) -> [T; K] {
    std::array::from_fn(|k| sums[k * layout.row() + layout.means() + i])
}

/// Adds up h, h y and h u of whole pixels, place by place of a period.
struct SecondSums<'a, T> {
    /// x, g and h
    fields: [&'a [T]; 3],
    channels: &'a Channels<T>,
    sums: &'a mut [T],
}

impl<T: Real> WithSimd for SecondSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { fields: [x, g, h], channels, sums } = self;
        let (lanes, period) = (lanes::<T, S>(), channels.period());
        let (plain, others) = sums.split_at_mut(period);
        let (by_y, by_u) = others.split_at_mut(period);
        let add = |sum: &mut [T], v| store::<T, S>(sum, T::plus(simd, load::<T, S>(sum), v));
        for ((x, g), h) in x.chunks(period).zip(g.chunks(period)).zip(h.chunks(period)) {
            let fields = x.chunks(lanes).zip(g.chunks(lanes)).zip(h.chunks(lanes));
            let sums = plain.chunks_exact_mut(lanes).zip(by_y.chunks_exact_mut(lanes));
            let sums = sums.zip(by_u.chunks_exact_mut(lanes));
            for (i, (((x, g), h), ((plain, by_y), by_u))) in fields.zip(sums).enumerate() {
                // Behind the last pixel h is zero, and adds nothing.
                let whole = x.len() == lanes;
                let get = |field: &[T]| if whole { load::<T, S>(field) } else { T::get(simd, field) };
                let (x, g, h) = (get(x), get(g), get(h));
                let [y, v] = channels.normalised(simd, x, i * lanes);
                let u = channels.gated(simd, v, g);
                add(plain, h);
                add(by_y, T::times(simd, h, y));
                add(by_u, T::times(simd, h, u));
            }
        }
    }
}

/// Runs a pass over each sample, of which `f` makes what it needs of its channels, 1 / deviation and number.
fn each_sample<T: Real, F: Pointwise<T, K>, const K: usize>(
    of: &Fields<'_, T>,
    samples: usize,
    fields: [&[T]; K],
    more: Option<More<'_, T>>,
    out: &mut [T],
    f: impl Fn(Channels<T>, T, usize) -> F + Sync,
) {
    let (length, r) = (out.len() / samples, inverse_roots(of.stats, samples, of.eps));
    out.par_chunks_mut(length).enumerate().each(&|(i, out)| {
        Pass::run(&f(of.sample(i, &r), r[i], i), fields, more, i * length, out);
    });
}

/// D = r (gamma u - mean(gamma u) - y mean(gamma u y)), the sums given; and more.
pub(super) fn grad<T: Real>(
    of: &Fields<'_, T>,
    [g, sums]: [&[T]; 2],
    shape: &Shape,
    more: Option<More<'_, T>>,
    out: &mut [T],
) {
    let layout = LayerSums::of(shape);
    each_sample(of, layout.samples, [of.x, g], more, out, |channels, r, i| Grad {
        channels,
        r,
        means: means(layout, sums, i),
    });
}

struct Grad<T> {
    channels: Channels<T>,
    r: T,
    /// Of gamma u and gamma u y.
    means: [T; 2],
}

impl<T: Real> Grad<T> {
    #[inline(always)]
    fn d<S: Simd>(&self, simd: S, [y, v, g]: [T::Of<S>; 3], at: usize) -> T::Of<S> {
        let u = T::times(simd, self.channels.gamma::<S>(at), self.channels.gated(simd, v, g));
        projected(simd, [u, y], self.means, self.r)
    }
}

/// r (g - mean(g) - y mean(g y))
#[inline(always)]
fn projected<T: Real, S: Simd>(simd: S, [g, y]: [T::Of<S>; 2], [mean, slope]: [T; 2], r: T) -> T::Of<S> {
    let [mean, slope, r] = [mean, slope, r].map(|v| T::splat(simd, v));
    T::times(simd, r, T::minus(simd, T::minus(simd, g, mean), T::times(simd, y, slope)))
}

impl<T: Real> Pointwise<T, 2> for Grad<T> {
    fn channels(&self) -> &Channels<T> {
        &self.channels
    }

    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, [x, g]: [T::Of<S>; 2], at: usize) -> T::Of<S> {
        let [y, v] = self.channels.normalised(simd, x, at);
        self.d(simd, [y, v, g], at)
    }
}

/// <h, D> derived by g: gamma r (h - mean(h) - y mean(h y)) behind the mask, the sums given.
pub(super) fn by_g<T: Real>(of: &Fields<'_, T>, [h, sums]: [&[T]; 2], shape: &Shape, out: &mut [T]) {
    let layout = LayerSums::of(shape);
    each_sample(of, layout.samples, [of.x, h], None, out, |channels, r, i| {
        let [h, hy, _] = means(layout, sums, i);
        ByG { channels, r, means: [h, hy] }
    });
}

struct ByG<T> {
    channels: Channels<T>,
    r: T,
    /// Of h and h y.
    means: [T; 2],
}

impl<T: Real> Pointwise<T, 2> for ByG<T> {
    fn channels(&self) -> &Channels<T> {
        &self.channels
    }

    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, [x, h]: [T::Of<S>; 2], at: usize) -> T::Of<S> {
        let [y, v] = self.channels.normalised(simd, x, at);
        let q = projected(simd, [h, y], self.means, self.r);
        self.channels.gated(simd, v, T::times(simd, q, self.channels.gamma::<S>(at)))
    }
}

/// <h, D> derived by x, both sums given; and more. With q = r (h - mean(h) - y mean(h y)), a = mean(gamma u y),
/// b = mean(h y) and s = mean(h gamma u) - mean(h) mean(gamma u) - a b that is -r (b D + a q) - r^2 s y: what `vjp.rs`
/// says of the normalised field, whose derivative is linear in its cotangent.
pub(super) fn by_x<T: Real>(
    of: &Fields<'_, T>,
    [g, first, h, second]: [&[T]; 4],
    shape: &Shape,
    more: Option<More<'_, T>>,
    out: &mut [T],
) {
    let layout = LayerSums::of(shape);
    each_sample(of, layout.samples, [of.x, g, h], more, out, |channels, r, i| {
        let [u, a] = means(layout, first, i);
        let [mean, b, hu] = means(layout, second, i);
        let s = hu - mean * u - a * b;
        ByX { of_h: [mean, b], by: [-r * b, -r * a, -r * r * s], grad: Grad { channels, r, means: [u, a] } }
    });
}

struct ByX<T> {
    grad: Grad<T>,
    /// Means of h and h y.
    of_h: [T; 2],
    /// What D, q and y are multiplied by.
    by: [T; 3],
}

impl<T: Real> Pointwise<T, 3> for ByX<T> {
    fn channels(&self) -> &Channels<T> {
        &self.grad.channels
    }

    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, [x, g, h]: [T::Of<S>; 3], at: usize) -> T::Of<S> {
        let [y, v] = self.grad.channels.normalised(simd, x, at);
        let d = self.grad.d(simd, [y, v, g], at);
        let q = projected(simd, [h, y], self.of_h, self.grad.r);
        let [d, q, y] = std::array::from_fn(|k| T::times(simd, T::splat(simd, self.by[k]), [d, q, y][k]));
        T::plus(simd, T::plus(simd, d, q), y)
    }
}
