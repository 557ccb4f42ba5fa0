//! Single pixels, last: counts become exact, places and curves as near as pixels allow.
//!
//! A pixel at an interface takes the class on the other side, one at a time, while the sum of the squared
//! errors over their tolerances falls. Of all such flips the one with the largest fall over its price is
//! made: the price is how sure the generator was of the pixel, and what the flip adds to the perimeter. A
//! flip is allowed where its pixel is simple for both classes, among its eight neighbours: it then neither
//! makes, joins, parts nor removes a piece (4-connected; T. Y. Kong and A. Rosenfeld, Digital topology,
//! Computer Vision, Graphics, and Image Processing 48 (1989)).

use rayon::prelude::*;

use crate::invariance::{Flip, Grain, Images, Property, Tally};
use crate::op::Border;

/// The price of any flip, and of one that lengthens the perimeter by two pixels.
const PRICE: f64 = 0.15;
const ROUGH: f64 = 2.0;
/// Flips between two surveys of all pixels.
const BETWEEN: usize = 32;
/// The same of flips that lengthen the interface: of figures, and of textures.
const FEW: usize = 2;
const SOME: usize = 8;
/// Candidates of which pairs are tried, where no single flip helps.
const PAIRED: usize = 120;
/// How deep into its tolerance an error of a curve is brought: sums in single precision differ a little.
const DEEP: f64 = 0.7;

/// How many times its tolerance a count may be off beside a curve, at first, and the flips that bring it
/// back at last.
const LOOSE: f64 = 8.0;
const LAST: usize = 16;

/// Most pairs of flips that make the outlines of figures smoother.
const SMOOTHED: usize = 12;

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
    reach: Vec<f64>,
    /// Which numbers are counts of pixels.
    counts: Vec<bool>,
    /// Whether there are figures with places.
    figures: bool,
    /// Sums of all tallies.
    sums: Vec<f64>,
}

/// A flip that is possible, what it adds to the sums, and its price.
struct Candidate {
    flip: Flip,
    change: Vec<f64>,
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
            reach: Vec::new(),
            counts: Vec::new(),
            figures: false,
            sums: Vec::new(),
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
                let counts = matches!(property.invariance().grain(), Grain::Count | Grain::Partition);
                pixels.counts.extend(columns.clone().map(|_| counts));
                pixels.target.extend_from_slice(&target[columns.clone()]);
                pixels.reach.extend_from_slice(&reach[columns]);
            }
        }
        (!pixels.tallies.is_empty()).then_some(pixels)
    }

    /// The class map.
    pub(super) fn into_map(self) -> Vec<u8> {
        self.map
    }

    /// Flips pixels, at most `most`, until all is within or it must `hurry`; returns how many. Beside a curve
    /// counts are loose at first: held to the pixel they would leave only flips in pairs.
    pub(super) fn settle(&mut self, most: usize, hurry: &dyn Fn() -> bool) -> usize {
        if self.figures {
            let flips = self.tighten(most, hurry);
            return flips + self.smooth(hurry);
        }
        if self.counts.iter().all(|&c| c) || !self.counts.contains(&true) {
            return self.tighten(most, hurry);
        }
        let reach = self.reach.clone();
        self.reach.iter_mut().zip(&self.counts).filter(|(_, c)| **c).for_each(|(r, _)| *r *= LOOSE);
        let flips = self.tighten(most, hurry);
        self.reach = reach;
        flips + self.tighten((most - flips).max(LAST), hurry)
    }

    /// The same with all held to what they are.
    fn tighten(&mut self, most: usize, hurry: &dyn Fn() -> bool) -> usize {
        let (mut flips, mut misses) = (0, self.miss(&self.sums));
        while misses.0 > 1.0 && flips < most && misses.1.is_finite() && !hurry() {
            let left = most - flips;
            // Those that keep the interface as smooth as it is come first.
            let (smooth, rough): (Vec<_>, Vec<_>) =
                self.candidates().into_iter().partition(|c| c.longer <= 0);
            let mut made = self.descend(&smooth, left.min(BETWEEN), &mut misses);
            if made == 0 {
                made = self.pair(&smooth, left, &mut misses);
            }
            if made == 0 {
                made = self.descend(&rough, left.min(if self.figures { FEW } else { SOME }), &mut misses);
            }
            if made == 0 {
                let all: Vec<_> = smooth.into_iter().chain(rough).collect();
                made = self.pair(&all, left, &mut misses);
            }
            flips += made;
            if made == 0 {
                break;
            }
        }
        flips
    }

    /// Shortens the outlines of figures by pairs of flips that leave all within its tolerance, once it is;
    /// returns how many flips.
    fn smooth(&mut self, hurry: &dyn Fn() -> bool) -> usize {
        let mut flips = 0;
        for _ in 0..SMOOTHED {
            if self.miss(&self.sums).0 > 1.0 || hurry() {
                break;
            }
            let open: Vec<_> = self.candidates().into_iter().filter(|c| c.longer <= 0).collect();
            let mut after = vec![0.0; self.sums.len()];
            let mut found: Vec<(i8, f64, usize, usize)> = Vec::new();
            for (i, a) in open.iter().enumerate().filter(|(_, a)| a.longer < 0) {
                for (j, b) in open.iter().enumerate().filter(|&(j, b)| b.longer == 0 || j < i) {
                    for (k, after) in after.iter_mut().enumerate() {
                        *after = self.sums[k] + a.change[k] + b.change[k];
                    }
                    if self.miss(&after).0 <= 1.0 {
                        found.push((a.longer + b.longer, a.price + b.price, i, j));
                    }
                }
            }
            found.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let make = |&(_, _, i, j): &(i8, f64, usize, usize)| {
                self.made(&[open[i].flip, open[j].flip], |(worst, _)| worst <= 1.0).is_some()
            };
            if !found.iter().take(PAIRED).any(make) {
                break;
            }
            flips += 2;
        }
        flips
    }

    /// The largest error over what it is to be brought to, and the sum of the squared errors over their
    /// tolerances, where the sums are these.
    fn miss(&self, sums: &[f64]) -> (f64, f64) {
        let (mut worst, mut sum, mut column, mut at) = (0.0_f64, 0.0, 0, 0);
        let mut numbers = [0.0; 64];
        let mut more;
        for (tally, &width) in self.tallies.iter().zip(&self.widths) {
            let numbers = if width <= numbers.len() {
                &mut numbers[..width]
            } else {
                more = vec![0.0; width];
                &mut more[..]
            };
            let count = tally.sums().len();
            tally.numbers(&sums[at..at + count], numbers);
            at += count;
            for number in numbers {
                let error = (*number - self.target[column]) / self.reach[column];
                // What is there is neither asked for nor missing where it counts nothing.
                let error = if error.is_nan() { f64::INFINITY } else { error };
                if self.reach[column].is_finite() {
                    let whole = self.counts[column] || self.figures;
                    worst = worst.max(if whole { error.abs() } else { error.abs() / DEEP });
                    sum += error * error;
                }
                column += 1;
            }
        }
        (worst, sum)
    }

    /// Makes the best flips one by one, at most `most`; returns how many.
    fn descend(&mut self, candidates: &[Candidate], most: usize, misses: &mut (f64, f64)) -> usize {
        let mut open: Vec<&Candidate> = candidates.iter().collect();
        let mut after = vec![0.0; self.sums.len()];
        let mut made = 0;
        while made < most && misses.0 > 1.0 {
            let mut best: Option<(f64, usize)> = None;
            for (i, candidate) in open.iter().enumerate() {
                after.iter_mut().zip(&self.sums).zip(&candidate.change).for_each(|((a, s), c)| *a = s + c);
                let gain = (misses.1 - self.miss(&after).1) / candidate.price;
                if gain > 0.0 && best.is_none_or(|(most, _)| gain > most) {
                    best = Some((gain, i));
                }
            }
            let Some((_, i)) = best else { break };
            let flip = open.swap_remove(i).flip;
            made += usize::from(self.make(&[flip], misses));
        }
        made
    }

    /// Makes the best pair of flips, where no single one helps; returns 2 or 0.
    fn pair(&mut self, candidates: &[Candidate], most: usize, misses: &mut (f64, f64)) -> usize {
        if most < 2 {
            return 0;
        }
        let mut candidates: Vec<&Candidate> = candidates.iter().collect();
        candidates.sort_by(|a, b| a.price.total_cmp(&b.price));
        candidates.truncate(PAIRED);
        let mut after = vec![0.0; self.sums.len()];
        let mut found: Vec<(f64, usize, usize)> = Vec::new();
        for (i, a) in candidates.iter().enumerate() {
            for (j, b) in candidates[..i].iter().enumerate() {
                for (k, after) in after.iter_mut().enumerate() {
                    *after = self.sums[k] + a.change[k] + b.change[k];
                }
                let gain = (misses.1 - self.miss(&after).1) / (a.price + b.price);
                if gain > 0.0 {
                    found.push((gain, i, j));
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let made = found
            .iter()
            .take(PAIRED)
            .any(|&(_, i, j)| self.make(&[candidates[i].flip, candidates[j].flip], misses));
        if made { 2 } else { 0 }
    }

    /// Makes flips, if they are still allowed and the miss becomes less; undone otherwise.
    fn make(&mut self, flips: &[Flip], misses: &mut (f64, f64)) -> bool {
        let before = misses.1;
        let made = self.made(flips, |(_, sum)| sum < before);
        *misses = made.unwrap_or(*misses);
        made.is_some()
    }

    /// Makes flips, if they are still allowed and what is missing then is accepted; undone otherwise.
    fn made(&mut self, flips: &[Flip], accepted: impl Fn((f64, f64)) -> bool) -> Option<(f64, f64)> {
        let mut done = Vec::new();
        for &flip in flips {
            if self.map[flip.at] != flip.from || self.simple(flip).is_none() {
                break;
            }
            self.apply(flip);
            done.push(flip);
        }
        let found = self.miss(&self.sums);
        if done.len() == flips.len() && accepted(found) {
            return Some(found);
        }
        for flip in done.into_iter().rev() {
            self.apply(Flip { from: flip.to, to: flip.from, ..flip });
        }
        None
    }

    fn apply(&mut self, flip: Flip) {
        self.map[flip.at] = flip.to;
        let mut at = 0;
        for tally in &mut self.tallies {
            tally.apply(flip);
            self.sums[at..at + tally.sums().len()].copy_from_slice(tally.sums());
            at += tally.sums().len();
        }
    }

    /// Every flip of a pixel at an interface that is allowed.
    fn candidates(&self) -> Vec<Candidate> {
        (0..self.map.len()).into_par_iter().flat_map_iter(|at| self.flips_of(at)).collect()
    }

    /// Those of one pixel.
    fn flips_of(&self, at: usize) -> impl Iterator<Item = Candidate> {
        let (classes, from) = (self.images.classes, self.map[at]);
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
            let flip = Flip { at, from, to };
            let longer = self.simple(flip)?;
            let of = |class: u8| f64::from(self.probabilities[at * classes + usize::from(class)]);
            let price = PRICE + (of(from) - of(to)).max(0.0) + ROUGH * (f64::from(longer) / 2.0).max(0.0);
            let mut change = vec![0.0; self.sums.len()];
            let mut first = 0;
            for tally in &self.tallies {
                let count = tally.sums().len();
                tally.change(flip, &mut change[first..first + count]);
                first += count;
            }
            Some(Candidate { flip, change, price, longer })
        })
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
