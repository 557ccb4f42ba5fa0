//! Normalisation with scale, shift and LeakyReLU in one pass over memory, and its derivative in two.

use pulp::{Simd, WithSimd};

use super::Real;
use super::norm::{column_reduce, inverse_roots};
use super::pieces::*;
use super::real::CHUNK;
use super::scratch;
use super::vector::{lanes, load, store, tiled};
use crate::op::Over;
use crate::shape::Shape;

/// x, its statistics, gamma and beta: what all of them need.
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

    /// What belongs to each channel of a sample, given the inverse deviations of all `[N]`.
    pub(super) fn sample(&self, i: usize, r: &[T]) -> Channels<T> {
        let [gamma, beta] = [self.gamma, self.beta].map(tiled);
        let [mean, r] = [self.stats[i], r[i]].map(|number| vec![number; gamma.len()]);
        Channels { mean, r, gamma, beta, slope: self.slope }
    }
}

/// What belongs to each channel, repeated to whole vectors.
pub(super) struct Channels<T> {
    mean: Vec<T>,
    r: Vec<T>,
    gamma: Vec<T>,
    beta: Vec<T>,
    slope: T,
}

impl<T: Real> Channels<T> {
    /// After how many numbers all repeats.
    pub(super) fn period(&self) -> usize {
        self.mean.len()
    }

    /// Numbers of a task, whole periods of them.
    pub(super) fn piece(&self) -> usize {
        (CHUNK / self.period()).max(1) * self.period()
    }

    /// gamma of the numbers `at` that place of a period.
    #[inline(always)]
    pub(super) fn gamma<S: Simd>(&self, at: usize) -> T::Of<S> {
        load::<T, S>(&self.gamma[at..])
    }

    /// y = (x - mean) r and y gamma + beta.
    #[inline(always)]
    pub(super) fn normalised<S: Simd>(&self, simd: S, x: T::Of<S>, at: usize) -> [T::Of<S>; 2] {
        let of = |row: &[T]| load::<T, S>(&row[at..]);
        let y = T::times(simd, T::minus(simd, x, of(&self.mean)), of(&self.r));
        [y, T::plus(simd, T::times(simd, y, of(&self.gamma)), of(&self.beta))]
    }

    /// v where `gate` is positive, slope v elsewhere.
    #[inline(always)]
    pub(super) fn gated<S: Simd>(&self, simd: S, gate: T::Of<S>, v: T::Of<S>) -> T::Of<S> {
        T::where_positive(simd, gate, v, T::times(simd, T::splat(simd, self.slope), v))
    }
}

/// What a pass over pixels makes of the numbers of K fields, vector by vector.
pub(super) trait Pointwise<T: Real, const K: usize>: Sync {
    /// What belongs to each channel.
    fn channels(&self) -> &Channels<T>;

    /// Of the numbers `at` that place of a period.
    fn of<S: Simd>(&self, simd: S, fields: [T::Of<S>; K], at: usize) -> T::Of<S>;
}

/// What is added to the results of a pass over `[N, H, W, C]`: a field of that shape, or a smaller one whose pixels are
/// repeated.
#[derive(Clone, Copy)]
pub(super) struct More<'a, T> {
    field: &'a [T],
    factor: usize,
    /// W and C of the results.
    row: [usize; 2],
}

impl<'a, T: Real> More<'a, T> {
    pub(super) fn of(field: &'a [T], shape: &Shape, results: &Shape) -> Self {
        let row = [results[results.rank() - 2], results.channels()];
        Self { field, factor: row[0] / shape[shape.rank() - 2], row }
    }

    /// Repeats what is added to the results from that one on, which a pixel begins at.
    fn repeat(&self, from: usize, to: &mut [T]) {
        let Self { field, factor, row: [width, channels] } = *self;
        for (pixel, to) in (from / channels..).zip(to.chunks_exact_mut(channels)) {
            let (row, column) = (pixel / width / factor, pixel % width / factor);
            to.copy_from_slice(&field[(row * (width / factor) + column) * channels..][..channels]);
        }
    }
}

/// Such a pass, and what is added to its results.
pub(super) struct Pass<'a, T, F, const K: usize> {
    f: &'a F,
    fields: [&'a [T]; K],
    more: Option<&'a [T]>,
    out: &'a mut [T],
}

impl<T: Real, F: Pointwise<T, K>, const K: usize> Pass<'_, T, F, K> {
    /// Makes the results from number `first` of the fields on.
    pub(super) fn run(f: &F, fields: [&[T]; K], more: Option<More<'_, T>>, first: usize, out: &mut [T]) {
        let piece = f.channels().piece();
        for (i, out) in out.chunks_mut(piece).enumerate() {
            let from = first + i * piece;
            let fields = fields.map(|field| &field[from..][..out.len()]);
            let mut pass =
                |more: Option<&[T]>| pulp::Arch::new().dispatch(Pass { f, fields, more, out: &mut *out });
            match more {
                Some(more) if more.factor > 1 => scratch::with(fields[0].len(), |repeated: &mut [T]| {
                    more.repeat(from, repeated);
                    pass(Some(repeated));
                }),
                more => pass(more.map(|more| &more.field[from..][..fields[0].len()])),
            }
        }
    }
}

impl<T: Real, F: Pointwise<T, K>, const K: usize> WithSimd for Pass<'_, T, F, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { f, fields, more, out } = self;
        let (lanes, period) = (lanes::<T, S>(), f.channels().period());
        for (first, out) in out.chunks_mut(period).enumerate() {
            let part = first * period..first * period + out.len();
            let fields = fields.map(|field| &field[part.clone()]);
            let more = more.map(|more| &more[part]);
            for (i, out) in out.chunks_mut(lanes).enumerate() {
                let (at, whole) = (i * lanes, out.len() == lanes);
                let get =
                    |field: &[T]| if whole { load::<T, S>(&field[at..]) } else { T::get(simd, &field[at..]) };
                let v = f.of(simd, fields.map(get), at);
                let v = more.map_or(v, |more| T::plus(simd, v, get(more)));
                if whole { store::<T, S>(out, v) } else { T::put(simd, out, v) }
            }
        }
    }
}

/// LeakyReLU((x - mean) r gamma + beta), r = 1 / sqrt(var + eps).
pub(super) fn norm_relu<T: Real>(over: Over, of: &Fields<'_, T>, shape: &Shape, out: &mut [T]) {
    match over {
        Over::Batch => {
            let f = &Forward(of.channels());
            let piece = f.0.piece();
            let pieces = out.par_chunks_mut(piece).enumerate();
            pieces.each(&|(i, out)| Pass::run(f, [of.x], None, i * piece, out));
        }
        Over::Layer => {
            let (length, r) = (shape.numel() / shape[0], inverse_roots(of.stats, shape[0], of.eps));
            let samples = out.par_chunks_mut(length).enumerate();
            samples.each(&|(i, out)| {
                Pass::run(&Forward(of.sample(i, &r)), [of.x], None, i * length, out);
            });
        }
    }
}

struct Forward<T>(Channels<T>);

impl<T: Real> Pointwise<T, 1> for Forward<T> {
    fn channels(&self) -> &Channels<T> {
        &self.0
    }

    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, [x]: [T::Of<S>; 1], at: usize) -> T::Of<S> {
        let [_, v] = self.0.normalised(simd, x, at);
        self.0.gated(simd, v, v)
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
pub(super) struct Sums<'a, T> {
    pub(super) x: &'a [T],
    pub(super) g: &'a [T],
    pub(super) channels: &'a Channels<T>,
    pub(super) sums: &'a mut [T],
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

/// r gamma (g - mean(g) - y mean(g y)), g behind the mask, its sums given; and more.
pub(super) fn norm_relu_grad<T: Real>(
    of: &Fields<'_, T>,
    g: &[T],
    sums: &[T],
    more: Option<More<'_, T>>,
    out: &mut [T],
) {
    let channels = of.channels();
    let (count, n) = (of.gamma.len(), T::of((of.x.len() / of.gamma.len()) as f64));
    let (plain, weighted) = sums.split_at(sums.len() / 2);
    let [mean_g, mean_gy] = [plain, weighted].map(|row| {
        let means: Vec<T> = row[..count].iter().map(|&sum| sum / n).collect();
        tiled(&means)
    });
    let by: Vec<T> = channels.r.iter().zip(&channels.gamma).map(|(&r, &gamma)| r * gamma).collect();
    let f = &Back { channels, by, mean_g, mean_gy };
    let piece = f.channels.piece();
    let pieces = out.par_chunks_mut(piece).enumerate();
    pieces.each(&|(i, out)| Pass::run(f, [of.x, g], more, i * piece, out));
}

/// The derivative over a batch: what belongs to each channel besides.
struct Back<T> {
    channels: Channels<T>,
    /// r gamma
    by: Vec<T>,
    mean_g: Vec<T>,
    mean_gy: Vec<T>,
}

impl<T: Real> Pointwise<T, 2> for Back<T> {
    fn channels(&self) -> &Channels<T> {
        &self.channels
    }

    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, [x, g]: [T::Of<S>; 2], at: usize) -> T::Of<S> {
        let of = |row: &[T]| load::<T, S>(&row[at..]);
        let [y, v] = self.channels.normalised(simd, x, at);
        let weighted = T::times(simd, y, of(&self.mean_gy));
        let g = T::minus(simd, self.channels.gated(simd, v, g), of(&self.mean_g));
        T::times(simd, of(&self.by), T::minus(simd, g, weighted))
    }
}
