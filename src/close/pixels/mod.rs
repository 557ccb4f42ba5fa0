//! Single pixels, last: counts become exact, places and curves as near as pixels allow.
//!
//! Pixels at interfaces take the class on the other side while the sum of the squared errors over their
//! tolerances falls: one alone, or two that exchange their classes, which keeps all counts (C. L. Y. Yeong
//! and S. Torquato, Reconstructing random media, Physical Review E 57 (1998), who exchange any two). Errors
//! are linear in what flips add to the sums, or nearly, so that the fall for two flips a and b with the steps
//! s is known from those of each, `f(a) + f(b) - 2 s(a) s(b)`, before either is made. Of all moves the one
//! with the largest fall over its price is made: the price is how sure the generator was of the pixels, and
//! what they add to the perimeter. A flip is allowed where its pixel is simple for both classes, among its
//! eight neighbours: it then neither makes, joins, parts nor removes a piece (4-connected; T. Y. Kong and A.
//! Rosenfeld, Digital topology, Computer Vision, Graphics, and Image Processing 48 (1989)).

mod outlines;

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::goal::is_whole;
use crate::invariance::{Flip, Grain, Images, Property, Tally};
use crate::op::Border;

/// Most pixels that are flipped, of all.
pub(super) const FLIPPED: f64 = 0.1;

/// The price of any flip, and of one that lengthens the perimeter by two pixels.
const PRICE: f64 = 0.3;
const ROUGH: f64 = 2.0;
/// Flips between two surveys of all pixels.
const BETWEEN: usize = 32;
/// The same of flips that lengthen the outlines of figures.
const FEW: usize = 2;
/// Flips between each two classes, the best of them, of which pairs are weighed for a move: at first, times so many
/// when there is none among them, and at most.
const WEIGHED: [usize; 3] = [32, 4, 512];
/// Steps are as many numbers as come in whole lots of so many, which the sum over a pair is made of.
const LANES: usize = 8;
/// The best moves, which are tried until one does what was expected.
const TRIED: usize = 24;
/// What an error of a count weighs beside curves: no curve is worth a pixel of it.
const FIRM: f64 = 16.0;
/// How deep into its tolerance an error of a curve is brought: sums in single precision differ a little.
const DEEP: f64 = 0.7;

/// No class: beyond the border of an image that does not go round.
const OUTSIDE: u8 = u8::MAX;

/// A class map whose pixels are flipped, and what it measures.
pub(super) struct Pixels<'a> {
    images: &'a Images,
    map: Vec<u8>,
    /// Probabilities of the classes of every pixel, `[H, W, C]`.
    probabilities: &'a [f32],
    tallies: Vec<Box<dyn Tally>>,
    /// Columns of each tally.
    widths: Vec<usize>,
    target: Vec<f64>,
    /// What an error counts: one over its tolerance, 0 of numbers that do not.
    weight: Vec<f64>,
    /// What an error is to be brought to, in tolerances.
    depth: Vec<f64>,
    /// Whether there are figures with places.
    figures: bool,
    /// Sums of all tallies.
    sums: Vec<f64>,
    /// Errors over their tolerances.
    errors: Vec<f64>,
}

/// A flip that is possible.
#[derive(Clone)]
struct Candidate {
    flip: Flip,
    /// What it adds to the errors over their tolerances, in whole lots of [`LANES`].
    step: Vec<f32>,
    /// By how much it lowers the sum of their squares.
    fall: f64,
    price: f64,
    /// What it adds to the perimeter, in pixels.
    longer: i8,
}

impl<'a> Pixels<'a> {
    /// The properties among those given that follow single pixels; none if there is none that a sample is
    /// held to. `target` and `reach`, `[P]`, are normalised.
    pub(super) fn new(
        properties: &[Property],
        images: &'a Images,
        map: &[u8],
        probabilities: &'a [f32],
        target: &[f64],
        reach: &[f64],
    ) -> Option<Self> {
        let mut pixels = Self {
            images,
            map: map.to_vec(),
            probabilities,
            tallies: Vec::new(),
            widths: Vec::new(),
            target: Vec::new(),
            weight: Vec::new(),
            depth: Vec::new(),
            figures: false,
            sums: Vec::new(),
            errors: Vec::new(),
        };
        let mut first = 0;
        for property in properties {
            let columns = first..first + property.columns().len();
            first = columns.end;
            if reach[columns.clone()].iter().all(|r| r.is_infinite()) {
                continue;
            }
            if let Some(tally) = property.invariance().tally(images, map) {
                pixels.sums.extend_from_slice(tally.sums());
                pixels.tallies.push(tally);
                pixels.widths.push(columns.len());
                pixels.figures |= property.invariance().grain() == Grain::Place;
                let whole = is_whole(property);
                pixels.depth.extend(columns.clone().map(|_| if whole { 1.0 } else { DEEP }));
                pixels.target.extend_from_slice(&target[columns.clone()]);
                let weight = |reach: &f64| if reach.is_finite() { 1.0 / reach } else { 0.0 };
                pixels.weight.extend(reach[columns].iter().map(weight));
            }
        }
        if pixels.depth.contains(&DEEP) {
            let whole = pixels.weight.iter_mut().zip(&mut pixels.depth).filter(|(_, depth)| **depth == 1.0);
            whole.for_each(|(weight, depth)| (*weight, *depth) = (FIRM * *weight, FIRM));
        }
        pixels.errors = pixels.errors_at(&pixels.sums);
        (!pixels.tallies.is_empty()).then_some(pixels)
    }

    /// The class map.
    pub(super) fn into_map(self) -> Vec<u8> {
        self.map
    }

    /// Flips pixels, at most `most`, until all is within or it must `hurry`; returns how many.
    pub(super) fn settle(&mut self, most: usize, hurry: &dyn Fn() -> bool) -> usize {
        let flips = self.tighten(most, hurry);
        if self.figures { flips + self.smooth(most - flips, hurry) } else { flips }
    }

    fn tighten(&mut self, most: usize, hurry: &dyn Fn() -> bool) -> usize {
        let [least, times, largest] = WEIGHED;
        let (mut flips, mut each) = (0, least);
        while flips < most && !self.settled() && self.errors.iter().all(|e| e.is_finite()) && !hurry() {
            let (all, left) = (self.candidates(), most - flips);
            let made = if self.figures {
                // Those that keep the outline as smooth as it is come first.
                let (smooth, rough): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| c.longer <= 0);
                let few = left.min(FEW);
                match self.moves(&smooth, left, each) {
                    0 => self.moves(&smooth.into_iter().chain(rough).collect::<Vec<_>>(), few, each),
                    made => made,
                }
            } else {
                self.moves(&all, left, each)
            };
            flips += made;
            if made > 0 {
                each = least;
            } else if each < largest {
                each *= times;
            } else {
                break;
            }
        }
        flips
    }

    /// Errors over their tolerances where the sums are these.
    fn errors_at(&self, sums: &[f64]) -> Vec<f64> {
        let mut numbers = vec![0.0; self.target.len()];
        let (mut column, mut at) = (0, 0);
        for (tally, &width) in self.tallies.iter().zip(&self.widths) {
            let count = tally.sums().len();
            tally.numbers(&sums[at..at + count], &mut numbers[column..column + width]);
            (column, at) = (column + width, at + count);
        }
        for ((number, target), weight) in numbers.iter_mut().zip(&self.target).zip(&self.weight) {
            let error = (*number - target) * weight;
            // What is not there is as far as can be, if it counts.
            *number = match error.is_nan() {
                true if *weight > 0.0 => f64::INFINITY,
                true => 0.0,
                false => error,
            };
        }
        numbers
    }

    /// Whether all errors are as small as they are to be.
    fn settled(&self) -> bool {
        self.errors.iter().zip(&self.depth).all(|(error, depth)| error.abs() <= *depth)
    }

    fn distance(&self) -> f64 {
        self.errors.iter().map(|e| e * e).sum()
    }

    /// Makes moves of the best of some candidates, `each` between two classes, about `most` flips at most; returns
    /// how many.
    fn moves(&mut self, all: &[Candidate], most: usize, each: usize) -> usize {
        let mut pool = best_of(all, each);
        let mut made = 0;
        while made < most.min(BETWEEN) && !self.settled() {
            let flips = self.best(&pool, most - made).len();
            if flips == 0 {
                break;
            }
            made += flips;
            for group in &mut pool {
                let still = group.drain(..).filter(|c| self.map[c.flip.at] == c.flip.from);
                *group = still.filter_map(|c| self.candidate(c.flip)).collect();
            }
        }
        made
    }

    /// Makes the best move: a flip or a pair of flips that exchange their classes; returns it.
    fn best(&mut self, pool: &[Vec<Candidate>], most: usize) -> Vec<Flip> {
        let mut found: Vec<(f64, &Candidate, Option<&Candidate>)> = Vec::new();
        for (g, group) in pool.iter().enumerate() {
            let alone = group.iter().filter(|c| c.fall > 0.0);
            found.extend(alone.map(|c| (c.fall / c.price, c, None)));
            let back = pool[..g].iter().filter(|other| most > 1 && opposite(group, other)).flatten();
            for b in back {
                for a in group {
                    let fall = a.fall + b.fall - 2.0 * dot(&a.step, &b.step);
                    if fall > 0.0 {
                        found.push((fall / (a.price + b.price), a, Some(b)));
                    }
                }
            }
        }
        let order = |a: &(f64, &Candidate, _), b: &(f64, &Candidate, _)| b.0.total_cmp(&a.0);
        if found.len() > TRIED {
            found.select_nth_unstable_by(TRIED, order);
            found.truncate(TRIED);
        }
        found.sort_by(order);
        for (_, a, b) in found {
            let flips: Vec<Flip> = std::iter::once(a).chain(b).map(|c| c.flip).collect();
            let before = self.distance();
            if self.made(&flips, |pixels| pixels.distance() < before) {
                return flips;
            }
        }
        Vec::new()
    }

    /// Makes flips, if they are still allowed and what is missing then is accepted; undone otherwise.
    fn made(&mut self, flips: &[Flip], accepted: impl Fn(&Self) -> bool) -> bool {
        let mut done = Vec::new();
        for &flip in flips {
            if self.map[flip.at] != flip.from || self.simple(flip).is_none() {
                break;
            }
            self.apply(flip);
            done.push(flip);
        }
        if done.len() == flips.len() && accepted(self) {
            return true;
        }
        for flip in done.into_iter().rev() {
            self.apply(Flip { from: flip.to, to: flip.from, ..flip });
        }
        false
    }

    fn apply(&mut self, flip: Flip) {
        self.map[flip.at] = flip.to;
        let mut at = 0;
        for tally in &mut self.tallies {
            tally.apply(flip);
            self.sums[at..at + tally.sums().len()].copy_from_slice(tally.sums());
            at += tally.sums().len();
        }
        self.errors = self.errors_at(&self.sums);
    }

    /// Every flip of a pixel at an interface that is allowed.
    fn candidates(&self) -> Vec<Candidate> {
        (0..self.map.len()).into_par_iter().flat_map_iter(|at| self.flips_of(at)).collect()
    }

    /// Those of one pixel.
    fn flips_of(&self, at: usize) -> impl Iterator<Item = Candidate> {
        let from = self.map[at];
        let w = self.images.size[1];
        // Most pixels are inside.
        let inside = at >= w && at + w < self.map.len();
        let alone = inside && [at - 1, at + 1, at - w, at + w].iter().all(|&i| self.map[i] == from);
        let around =
            if alone && !at.is_multiple_of(w) && at % w + 1 < w { [from; 8] } else { self.around(at) };
        let beside = [0, 2, 4, 6].map(|i| around[i]);
        (0..4).filter_map(move |i| {
            let to = beside[i];
            if to == from || to == OUTSIDE || beside[..i].contains(&to) {
                return None;
            }
            self.candidate(Flip { at, from, to })
        })
    }

    /// A flip, if it is allowed.
    fn candidate(&self, flip: Flip) -> Option<Candidate> {
        let longer = self.simple(flip)?;
        let of =
            |class: u8| f64::from(self.probabilities[flip.at * self.images.classes + usize::from(class)]);
        let rough = ROUGH * (f64::from(longer) / 2.0).max(0.0);
        let price = PRICE + (of(flip.from) - of(flip.to)).max(0.0) + rough;
        let mut sums = vec![0.0; self.sums.len()];
        let mut first = 0;
        for tally in &self.tallies {
            let count = tally.sums().len();
            tally.change(flip, &mut sums[first..first + count]);
            first += count;
        }
        sums.iter_mut().zip(&self.sums).for_each(|(change, sum)| *change += sum);
        let after = self.errors_at(&sums);
        let steps = || after.iter().zip(&self.errors).map(|(after, before)| (after - before, before));
        let fall = steps().map(|(step, before)| -step * (2.0 * before + step)).sum();
        let mut step: Vec<f32> = steps().map(|(step, _)| step as f32).collect();
        step.resize(step.len().next_multiple_of(LANES), 0.0);
        Some(Candidate { flip, step, fall, price, longer })
    }

    /// Classes of the eight pixels around one, clockwise from the one above.
    fn around(&self, at: usize) -> [u8; 8] {
        let [h, w] = self.images.size;
        let [y, x] = [at / w, at % w];
        if y > 0 && x > 0 && y + 1 < h && x + 1 < w {
            let [above, below] = [at - w, at + w];
            return [above, above + 1, at + 1, below + 1, below, below - 1, at - 1, above - 1]
                .map(|i| self.map[i]);
        }
        let beside = |v: usize, by: isize, side: usize| match (self.images.border, v.checked_add_signed(by)) {
            (_, Some(v)) if v < side => Some(v),
            (Border::Open, _) => None,
            (Border::Periodic, v) => Some(v.map_or(side - 1, |v| v - side)),
        };
        [[-1, 0], [-1, 1], [0, 1], [1, 1], [1, 0], [1, -1], [0, -1], [-1, -1]].map(|[dy, dx]| {
            match (beside(y, dy, h), beside(x, dx, w)) {
                (Some(y), Some(x)) => self.map[y * w + x],
                _ => OUTSIDE,
            }
        })
    }

    /// By how much a flip lengthens the perimeter, in pixels, if it keeps all pieces.
    fn simple(&self, flip: Flip) -> Option<i8> {
        let around = self.around(flip.at);
        let pieces = |class: u8| {
            let of = |i: usize| around[i % 8] == class;
            let edges = [0, 2, 4, 6].into_iter().filter(|&i| of(i)).count();
            let links = [0, 2, 4, 6].into_iter().filter(|&i| of(i) && of(i + 1) && of(i + 2)).count();
            (edges, edges - links.min(edges))
        };
        let ((leaves, old), (joins, new)) = (pieces(flip.from), pieces(flip.to));
        (old == 1 && new == 1).then(|| leaves as i8 - joins as i8)
    }
}

/// The sum over the products of two steps: lane by lane, as processors add.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    f64::from(lanes.iter().sum::<f32>())
}

/// The best candidates for a move, `each` of those that change the same classes.
fn best_of(all: &[Candidate], each: usize) -> Vec<Vec<Candidate>> {
    let mut groups: BTreeMap<[u8; 2], Vec<&Candidate>> = BTreeMap::new();
    all.iter().for_each(|c| groups.entry([c.flip.from, c.flip.to]).or_default().push(c));
    let best = |mut group: Vec<&Candidate>| {
        // All of a group change the counts alike, so that what a pair does to these changes no order.
        group.sort_by(|a, b| b.fall.total_cmp(&a.fall));
        group.truncate(each);
        group.into_iter().cloned().collect()
    };
    groups.into_values().map(best).collect()
}

/// Whether two groups change the same classes, to and fro.
fn opposite(a: &[Candidate], b: &[Candidate]) -> bool {
    matches!((a.first(), b.first()), (Some(a), Some(b)) if a.flip.from == b.flip.to && a.flip.to == b.flip.from)
}

#[cfg(test)]
mod tests;
