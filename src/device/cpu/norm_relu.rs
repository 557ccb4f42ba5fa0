//! Normalisation with scale, shift and LeakyReLU in one pass over memory, and its derivative over a batch in two.

use pulp::{Simd, WithSimd};

use super::Real;
use super::norm::{column_reduce, inverse_roots};
use super::pieces::*;
use super::real::CHUNK;
use super::scratch;
use super::vector::{lanes, load, store, tiled};
use crate::op::Over;
use crate::shape::Shape;

/// x, its statistics, gamma and beta: what all three need.
pub(super) struct Fields<'a, T> {
    pub(super) x: &'a [T],
    pub(super) stats: &'a [T],
    pub(super) gamma: &'a [T],
    pub(super) beta: &'a [T],
    pub(super) eps: T,
    pub(super) slope: T,
}

impl<T: Real> Fields<'_, T> {
    /// What belongs to each channel of a batch.
    fn channels(&self) -> Channels<T> {
        let r = inverse_roots(self.stats, self.gamma.len(), self.eps);
        let [mean, r, gamma, beta] = [&self.stats[..self.gamma.len()], &r, self.gamma, self.beta].map(tiled);
        Channels { mean, r, gamma, beta, slope: self.slope }
    }
}

/// What belongs to each channel, repeated to whole vectors.
struct Channels<T> {
    mean: Vec<T>,
    r: Vec<T>,
    gamma: Vec<T>,
    beta: Vec<T>,
    slope: T,
}

impl<T: Real> Channels<T> {
    /// After how many numbers all repeats.
    fn period(&self) -> usize {
        self.mean.len()
    }

    /// Numbers of a task, whole periods of them.
    fn piece(&self) -> usize {
        (CHUNK / self.period()).max(1) * self.period()
    }

    /// y = (x - mean) r and y gamma + beta of the numbers `at` that place of a period.
    #[inline(always)]
    fn normalised<S: Simd>(&self, simd: S, x: T::Of<S>, at: usize) -> [T::Of<S>; 2] {
        let of = |row: &[T]| load::<T, S>(&row[at..]);
        let y = T::times(simd, T::minus(simd, x, of(&self.mean)), of(&self.r));
        [y, T::plus(simd, T::times(simd, y, of(&self.gamma)), of(&self.beta))]
    }

    /// v where `gate` is positive, slope v elsewhere.
    #[inline(always)]
    fn gated<S: Simd>(&self, simd: S, gate: T::Of<S>, v: T::Of<S>) -> T::Of<S> {
        T::where_positive(simd, gate, v, T::times(simd, T::splat(simd, self.slope), v))
    }
}

/// LeakyReLU((x - mean) r gamma + beta), r = 1 / sqrt(var + eps).
pub(super) fn norm_relu<T: Real>(over: Over, of: &Fields<'_, T>, shape: &Shape, out: &mut [T]) {
    match over {
        Over::Batch => {
            let channels = &of.channels();
            let piece = channels.piece();
            out.par_chunks_mut(piece).zip(of.x.par_chunks(piece)).each(&|(out, x)| {
                pulp::Arch::new().dispatch(Forward { x, channels, out });
            });
        }
        Over::Layer => {
            let (length, r) = (shape.numel() / shape[0], inverse_roots(of.stats, shape[0], of.eps));
            let (gamma, beta, slope) = (tiled(of.gamma), tiled(of.beta), of.slope);
            out.par_chunks_mut(length).zip(of.x.par_chunks(length)).enumerate().each(&|(i, (out, x))| {
                let [mean, r] = [of.stats[i], r[i]].map(|number| vec![number; gamma.len()]);
                let channels = &Channels { mean, r, gamma: gamma.clone(), beta: beta.clone(), slope };
                pulp::Arch::new().dispatch(Forward { x, channels, out });
            });
        }
    }
}

/// Whole pixels.
struct Forward<'a, T> {
    x: &'a [T],
    channels: &'a Channels<T>,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, channels, out } = self;
        let (lanes, period) = (lanes::<T, S>(), channels.period());
        for (out, x) in out.chunks_mut(period).zip(x.chunks(period)) {
            for (i, (out, x)) in out.chunks_mut(lanes).zip(x.chunks(lanes)).enumerate() {
                let whole = x.len() == lanes;
                let x = if whole { load::<T, S>(x) } else { T::get(simd, x) };
                let [_, v] = channels.normalised(simd, x, i * lanes);
                let v = channels.gated(simd, v, v);
                if whole { store::<T, S>(out, v) } else { T::put(simd, out, v) }
            }
        }
    }
}

/// Sums of g and g y over a batch, with g behind the mask: `[2, row]`, of which the first channels count.
pub(super) fn norm_relu_sums<T: Real>(of: &Fields<'_, T>, g: &[T], out: &mut [T]) {
    let channels = &of.channels();
    let period = channels.period();
    scratch::with(2 * period, |sums: &mut [T]| {
        column_reduce(of.x, g, period, sums, |x, g, sums| {
            pulp::Arch::new().dispatch(Sums { x, g, channels, sums });
        });
        out.fill(T::zero());
        let row = out.len() / 2;
        for (out, sums) in out.chunks_exact_mut(row).zip(sums.chunks_exact(period)) {
            for sums in sums.chunks_exact(of.gamma.len()) {
                out.iter_mut().zip(sums).for_each(|(out, &sum)| *out += sum);
            }
        }
    });
}

/// Adds up whole pixels, place by place of a period.
struct Sums<'a, T> {
    x: &'a [T],
    g: &'a [T],
    channels: &'a Channels<T>,
    sums: &'a mut [T],
}

impl<T: Real> WithSimd for Sums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, g, channels, sums } = self;
        let (lanes, period) = (lanes::<T, S>(), channels.period());
        let (plain, weighted) = sums.split_at_mut(period);
        for (x, g) in x.chunks(period).zip(g.chunks(period)) {
            let sums = plain.chunks_exact_mut(lanes).zip(weighted.chunks_exact_mut(lanes));
            for (i, ((x, g), (plain, weighted))) in x.chunks(lanes).zip(g.chunks(lanes)).zip(sums).enumerate()
            {
                // Behind the last pixel g is zero, and adds nothing.
                let whole = x.len() == lanes;
                let x = if whole { load::<T, S>(x) } else { T::get(simd, x) };
                let g = if whole { load::<T, S>(g) } else { T::get(simd, g) };
                let [y, v] = channels.normalised(simd, x, i * lanes);
                let g = channels.gated(simd, v, g);
                store::<T, S>(plain, T::plus(simd, load::<T, S>(plain), g));
                store::<T, S>(weighted, T::plus(simd, load::<T, S>(weighted), T::times(simd, g, y)));
            }
        }
    }
}

/// r gamma (g - mean(g) - y mean(g y)), g behind the mask, its sums given.
pub(super) fn norm_relu_grad<T: Real>(of: &Fields<'_, T>, g: &[T], sums: &[T], out: &mut [T]) {
    let channels = &of.channels();
    let (count, n) = (of.gamma.len(), T::of((of.x.len() / of.gamma.len()) as f64));
    let (plain, weighted) = sums.split_at(sums.len() / 2);
    let [mean_g, mean_gy] = [plain, weighted].map(|row| {
        let means: Vec<T> = row[..count].iter().map(|&sum| sum / n).collect();
        tiled(&means)
    });
    let by: Vec<T> = channels.r.iter().zip(&channels.gamma).map(|(&r, &gamma)| r * gamma).collect();
    let means = &Means { by, mean_g, mean_gy };
    let piece = channels.piece();
    let pieces = out.par_chunks_mut(piece).zip(of.x.par_chunks(piece)).zip(g.par_chunks(piece));
    pieces.each(&|((out, x), g)| {
        pulp::Arch::new().dispatch(Back { x, g, channels, means, out });
    });
}

/// What belongs to each channel besides.
struct Means<T> {
    /// r gamma
    by: Vec<T>,
    mean_g: Vec<T>,
    mean_gy: Vec<T>,
}

/// Whole pixels.
struct Back<'a, T> {
    x: &'a [T],
    g: &'a [T],
    channels: &'a Channels<T>,
    means: &'a Means<T>,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Back<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, g, channels, means, out } = self;
        let (lanes, period) = (lanes::<T, S>(), channels.period());
        for ((out, x), g) in out.chunks_mut(period).zip(x.chunks(period)).zip(g.chunks(period)) {
            for (i, ((out, x), g)) in
                out.chunks_mut(lanes).zip(x.chunks(lanes)).zip(g.chunks(lanes)).enumerate()
            {
                let whole = x.len() == lanes;
                let x = if whole { load::<T, S>(x) } else { T::get(simd, x) };
                let g = if whole { load::<T, S>(g) } else { T::get(simd, g) };
                let [y, v] = channels.normalised(simd, x, i * lanes);
                let weighted = T::times(simd, y, load::<T, S>(&means.mean_gy[i * lanes..]));
                let g = T::minus(simd, channels.gated(simd, v, g), load::<T, S>(&means.mean_g[i * lanes..]));
                let v = T::times(simd, load::<T, S>(&means.by[i * lanes..]), T::minus(simd, g, weighted));
                if whole { store::<T, S>(out, v) } else { T::put(simd, out, v) }
            }
        }
    }
}
