//! Properties of class maps that are functions of sums over pixels, and how the sums follow when one
//! pixel changes its class: what it costs is the pixel's, not the image's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Between, Images};
use crate::op::{Border, Direction};
use crate::steps::{Step, steps};

/// A pixel that changes its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    /// Its place in the map `[H, W]`.
    pub at: usize,
    /// Its class.
    pub from: u8,
    /// The class it gets, another one.
    pub to: u8,
}

/// The sums of one class map, and the numbers that are functions of them.
pub trait Tally: Send + Sync {
    /// The sums.
    fn sums(&self) -> &[f64];

    /// What a flip adds to the sums, into `change`.
    fn change(&self, flip: Flip, change: &mut [f64]);

    /// Makes a flip.
    fn apply(&mut self, flip: Flip);

    /// The property's numbers, normalised `[D]`, where its sums are these; NaN where there is nothing to
    /// measure.
    fn numbers(&self, sums: &[f64], numbers: &mut [f64]);
}

/// Sums to which every pixel adds what its class and its place say: of areas, shares, centroids.
pub(super) struct Additive<A, N> {
    sums: Vec<f64>,
    add: A,
    numbers: N,
}

impl<A, N> Additive<A, N>
where
    A: Fn(u8, usize, f64, &mut [f64]) + Send + Sync,
    N: Fn(&[f64], &mut [f64]) + Send + Sync,
{
    /// Of a map; `add` adds a pixel of a class, at its place, times a factor, to `count` sums.
    pub(super) fn new(map: &[u8], count: usize, add: A, numbers: N) -> Self {
        let mut sums = vec![0.0; count];
        map.iter().enumerate().for_each(|(at, &class)| add(class, at, 1.0, &mut sums));
        Self { sums, add, numbers }
    }
}

impl<A, N> Tally for Additive<A, N>
where
    A: Fn(u8, usize, f64, &mut [f64]) + Send + Sync,
    N: Fn(&[f64], &mut [f64]) + Send + Sync,
{
    fn sums(&self) -> &[f64] {
        &self.sums
    }

    fn change(&self, Flip { at, from, to }: Flip, change: &mut [f64]) {
        change.fill(0.0);
        (self.add)(from, at, -1.0, change);
        (self.add)(to, at, 1.0, change);
    }

    fn apply(&mut self, Flip { at, from, to }: Flip) {
        (self.add)(from, at, -1.0, &mut self.sums);
        (self.add)(to, at, 1.0, &mut self.sums);
    }

    fn numbers(&self, sums: &[f64], numbers: &mut [f64]) {
        (self.numbers)(sums, numbers);
    }
}

/// A lattice vector, and what a pair of pixels that it joins counts.
struct Vector {
    by: [i32; 2],
    weight: f32,
}

/// The lattice vectors of every bin of a correlation. With each the opposite one is in the same bin.
pub(super) struct Rings {
    size: [usize; 2],
    border: Border,
    /// Bin after bin; the zero vector is left out.
    vectors: Vec<Vector>,
    /// Where each bin ends.
    ends: Vec<usize>,
    /// What a pixel joined with itself counts.
    own: f64,
}

impl Rings {
    /// Those of images, a direction and a number of bins, made once.
    pub(super) fn of(images: &Images, along: Direction, bins: usize) -> Arc<Self> {
        type Key = ([usize; 2], Border, Direction, usize);
        static MADE: Mutex<Option<HashMap<Key, Arc<Rings>>>> = Mutex::new(None);
        let key = (images.size, images.border, along, bins);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let held = made.get_or_insert_default().entry(key);
        Arc::clone(held.or_insert_with(|| Arc::new(Self::new(images, along, bins))))
    }

    /// The vectors of `bins` bins along a direction. Each counts one over the pairs of pixels that it
    /// joins and over the vectors of its bin.
    fn new(images: &Images, along: Direction, bins: usize) -> Self {
        let (size, border) = (images.size, images.border);
        let counts = along.counts(size, bins, border);
        let torus = if border == Border::Open { size.map(|side| 2 * side) } else { size };
        // The shortest representative of a vector of the torus.
        let short = |v: usize, side: usize| if 2 * v <= side { v as i32 } else { v as i32 - side as i32 };
        let mut found: Vec<Vec<Vector>> = (0..bins).map(|_| Vec::new()).collect();
        for row in 0..torus[0] {
            for column in 0..torus[1] {
                let Some(bin) = along.bin([row, column], torus).filter(|&bin| bin < bins) else { continue };
                let by = [short(row, torus[0]), short(column, torus[1])];
                let [dy, dx] = by.map(|v| v.unsigned_abs() as usize);
                let pairs = match border {
                    Border::Periodic => size[0] * size[1],
                    Border::Open if dy < size[0] && dx < size[1] => (size[0] - dy) * (size[1] - dx),
                    Border::Open => continue,
                };
                if by != [0, 0] {
                    found[bin].push(Vector { by, weight: (1.0 / (pairs * counts[bin]) as f64) as f32 });
                }
            }
        }
        let mut sum = 0;
        let ends = found.iter().map(|bin| {
            sum += bin.len();
            sum
        });
        let (ends, own) = (ends.collect(), 1.0 / (size[0] * size[1]) as f64);
        Self { size, border, vectors: found.into_iter().flatten().collect(), ends, own }
    }

    /// Where a step along an axis leads, if not out of the image.
    fn step(&self, from: usize, by: i32, side: usize) -> Option<usize> {
        let (to, side) = (from as i32 + by, side as i32);
        match self.border {
            Border::Periodic if to < 0 => Some((to + side) as usize),
            Border::Periodic if to >= side => Some((to - side) as usize),
            _ => (0..side).contains(&to).then_some(to as usize),
        }
    }

    /// What the pixels of a class around every pixel count, bin by bin: `[H, W, bins]`.
    fn around(&self, map: &[u8], class: u8) -> Vec<f32> {
        let ([h, w], bins) = (self.size, self.ends.len());
        // With what lies beyond the left and the right edge, so that a step is a part of a row.
        let margin = self.vectors.iter().map(|v| v.by[1].unsigned_abs() as usize).max().unwrap_or(0);
        let mut field = vec![0.0; h * (w + 2 * margin)];
        for (row, map) in field.chunks_exact_mut(w + 2 * margin).zip(map.chunks_exact(w)) {
            let inside = |to: &usize| self.border == Border::Periodic || (margin..margin + w).contains(to);
            for (to, value) in row.iter_mut().enumerate().filter(|(to, _)| inside(to)) {
                *value = f32::from(u8::from(map[(to + w - margin) % w] == class));
            }
        }
        let mut all = vec![0.0; map.len() * bins];
        let mut plane = vec![0.0_f32; map.len()];
        let mut first = 0;
        for (bin, &end) in self.ends.iter().enumerate() {
            plane.fill(0.0);
            for Vector { by: [dy, dx], weight } in &self.vectors[first..end] {
                for (y, sums) in plane.chunks_exact_mut(w).enumerate() {
                    let Some(row) = self.step(y, *dy, h) else { continue };
                    let from = row * (w + 2 * margin) + (margin as i32 + dx) as usize;
                    sums.iter_mut().zip(&field[from..from + w]).for_each(|(sum, of)| *sum += weight * of);
                }
            }
            all.iter_mut().skip(bin).step_by(bins).zip(&plane).for_each(|(to, sum)| *to = *sum);
            first = end;
        }
        all
    }

    /// A pixel enters a class, or leaves it with the factor -1.
    fn add(&self, around: &mut [f32], at: usize, factor: f32) {
        let ([h, w], bins) = (self.size, self.ends.len());
        let [y, x] = [at / w, at % w];
        let mut first = 0;
        for (bin, &end) in self.ends.iter().enumerate() {
            for Vector { by: [dy, dx], weight } in &self.vectors[first..end] {
                if let (Some(y), Some(x)) = (self.step(y, *dy, h), self.step(x, *dx, w)) {
                    around[(y * w + x) * bins + bin] += factor * weight;
                }
            }
            first = end;
        }
    }
}

/// A correlation of a class with itself or with another, as it follows single pixels: for every pixel what
/// each bin would change by is known, so that a flip costs a look, and one that is made costs a pixel each of
/// its vectors.
pub(super) struct Correlated {
    rings: Arc<Rings>,
    classes: [u8; 2],
    /// Of the second class and, if it is another, of the first: see [`Rings::around`].
    around: Vec<Vec<f32>>,
    sums: Vec<f64>,
}

impl Correlated {
    pub(super) fn new(rings: Arc<Rings>, map: &[u8], classes: [usize; 2]) -> Self {
        let classes = classes.map(|class| class as u8);
        let [first, second] = classes;
        let mut around = vec![rings.around(map, second)];
        let mut sums = vec![0.0; rings.ends.len()];
        for (row, _) in around[0].chunks_exact(sums.len()).zip(map).filter(|(_, class)| **class == first) {
            sums.iter_mut().zip(row).for_each(|(sum, &count)| *sum += f64::from(count));
        }
        if first == second {
            sums[0] = rings.own * map.iter().filter(|&&class| class == first).count() as f64;
        } else {
            around.push(rings.around(map, first));
        }
        Self { rings, classes, around, sums }
    }

    /// By how many pixels each class grows.
    fn grow(&self, flip: Flip) -> [f64; 2] {
        self.classes.map(|c| f64::from(u8::from(flip.to == c)) - f64::from(u8::from(flip.from == c)))
    }
}

impl Tally for Correlated {
    fn sums(&self) -> &[f64] {
        &self.sums
    }

    fn change(&self, flip: Flip, change: &mut [f64]) {
        let (bins, [first, second]) = (self.sums.len(), self.grow(flip));
        let rows = |i: usize| self.around[i][flip.at * bins..][..bins].iter().map(|&count| f64::from(count));
        if let [_] = self.around[..] {
            // Both ends of a vector: v and -v are in one bin.
            change.iter_mut().zip(rows(0)).for_each(|(change, count)| *change = 2.0 * first * count);
            change[0] = first * self.rings.own;
        } else {
            let both =
                rows(0).zip(rows(1)).map(|(of_second, of_first)| first * of_second + second * of_first);
            change.iter_mut().zip(both).for_each(|(change, count)| *change = count);
        }
    }

    fn apply(&mut self, flip: Flip) {
        let mut change = vec![0.0; self.sums.len()];
        self.change(flip, &mut change);
        self.sums.iter_mut().zip(change).for_each(|(sum, by)| *sum += by);
        let grow = self.grow(flip);
        for (around, by) in self.around.iter_mut().zip([grow[1], grow[0]]).filter(|(_, by)| *by != 0.0) {
            self.rings.add(around, flip.at, by as f32);
        }
    }

    fn numbers(&self, sums: &[f64], numbers: &mut [f64]) {
        numbers.copy_from_slice(sums);
    }
}

/// The length of interface of a class map as it follows single pixels, and the pixels of a class.
pub(super) struct Crossings<N> {
    map: Vec<u8>,
    size: [usize; 2],
    border: Border,
    steps: [Step; 4],
    between: Between,
    /// Length of interface per area in 1/px, and pixels of the class.
    sums: [f64; 2],
    numbers: N,
}

impl<N: Fn(&[f64]) -> f64 + Send + Sync> Crossings<N> {
    pub(super) fn new(images: &Images, map: &[u8], between: Between, numbers: N) -> Self {
        let Images { size, border, .. } = *images;
        // Of class maps a step crosses whole or not at all, however soft it is.
        let steps = steps(size, border, 0.0);
        let mut all = Self { map: map.to_vec(), size, border, steps, between, sums: [0.0; 2], numbers };
        for (at, &class) in map.iter().enumerate() {
            // Every step is seen from both ends.
            all.sums[0] += all.crossed(at, class) / 2.0;
            all.sums[1] += f64::from(u8::from(all.counts(class)));
        }
        all
    }

    fn counts(&self, class: u8) -> bool {
        matches!(self.between, Between::Class(of) if of == usize::from(class))
    }

    /// Whether a step from one class to another crosses what counts.
    fn crosses(&self, a: u8, b: u8) -> bool {
        let [a, b] = [a, b].map(usize::from);
        match self.between {
            Between::All => a != b,
            Between::Class(of) => (a == of) != (b == of),
            Between::Classes(of, with) => (a == of && b == with) || (a == with && b == of),
        }
    }

    /// What the steps from a pixel count if it is of a class.
    fn crossed(&self, at: usize, class: u8) -> f64 {
        let [h, w] = self.size;
        let [y, x] = [at / w, at % w];
        let beside = |v: usize, by: isize, side: usize| match (self.border, v.checked_add_signed(by)) {
            (_, Some(v)) if v < side => Some(v),
            (Border::Open, _) => None,
            (Border::Periodic, v) => Some(v.map_or(side - 1, |v| v - side)),
        };
        let mut sum = 0.0;
        for step in &self.steps {
            let [dy, dx] = [0, 1].map(|axis| step.to[axis] as isize - step.from[axis] as isize);
            for sign in [1, -1] {
                if let (Some(y), Some(x)) = (beside(y, sign * dy, h), beside(x, sign * dx, w))
                    && self.crosses(class, self.map[y * w + x])
                {
                    sum += step.weight;
                }
            }
        }
        sum
    }
}

impl<N: Fn(&[f64]) -> f64 + Send + Sync> Tally for Crossings<N> {
    fn sums(&self) -> &[f64] {
        &self.sums
    }

    fn change(&self, Flip { at, from, to }: Flip, change: &mut [f64]) {
        change[0] = self.crossed(at, to) - self.crossed(at, from);
        change[1] = f64::from(u8::from(self.counts(to))) - f64::from(u8::from(self.counts(from)));
    }

    fn apply(&mut self, flip: Flip) {
        let mut change = [0.0; 2];
        self.change(flip, &mut change);
        self.sums.iter_mut().zip(change).for_each(|(sum, by)| *sum += by);
        self.map[flip.at] = flip.to;
    }

    fn numbers(&self, sums: &[f64], numbers: &mut [f64]) {
        numbers[0] = (self.numbers)(sums);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Cpu;
    use crate::invariance::{Ask, KINDS};
    use crate::plan::Plan;
    use crate::rng;
    use crate::store::Store;
    use crate::tape::Tape;

    /// The numbers of a map on the tape, in double precision.
    fn measured(property: &crate::invariance::Property, images: &Images, map: &[u8]) -> Vec<f64> {
        let [h, w] = images.size;
        let mut store = Store::new(Cpu::<f64>::new());
        let maps = store.add_u8("maps", [1, h, w], map).unwrap();
        let rows = store.add_u32("rows", [1], &[0]).unwrap();
        let tape = Tape::new();
        let x = store.var(&tape, maps).one_hot(store.var(&tape, rows), images.classes);
        let plan = Plan::new(&tape, &[property.invariance().measure(x)], &store);
        plan.run(&mut store).unwrap();
        plan.read(&mut store, 0).unwrap()
    }

    #[test]
    fn sums_follow_every_flip_of_every_property_that_has_them() {
        let mut found = 0;
        for (border, size) in [(Border::Periodic, [8, 10]), (Border::Open, [9, 7])] {
            let images = Images { size, classes: 3, border };
            for kind in KINDS {
                let mut settings = vec![vec![]];
                if kind.keys.iter().any(|k| k.name == "direction") {
                    settings =
                        ["row", "column", "falling", "rising"].map(|d| vec![("direction", d)]).to_vec();
                } else if kind.name == "interface" {
                    settings = vec![vec![("of", "any")], vec![("of", "2")], vec![("of", "1"), ("with", "2")]];
                } else if kind.name == "intercept" {
                    settings = vec![vec![], vec![("of", "1")]];
                } else if kind.name == "formula" {
                    settings = vec![vec![("name", "own"), ("formula", "mean(x[1])")]];
                }
                for setting in settings {
                    let mut ask = Ask::new(kind.name).unwrap();
                    if ask.options().has("bins") {
                        ask.options_mut().set("bins", toml::Value::Integer(4)).unwrap();
                    }
                    for (key, value) in setting {
                        ask.options_mut().set(key, toml::Value::String(value.into())).unwrap();
                    }
                    let property = ask.of(&images).map_err(|m| m.1).unwrap();
                    let words: Vec<u32> =
                        (0..60).flat_map(|block| rng::philox(&rng::state(7), 1, block)).collect();
                    let mut map: Vec<u8> =
                        words[..images.pixels()].iter().map(|&w| rng::index(w, 3) as u8).collect();
                    let Some(mut tally) = property.invariance().tally(&images, &map) else { continue };
                    found += 1;
                    let count = property.columns().len();
                    let (mut numbers, mut change) = (vec![0.0; count], vec![0.0; tally.sums().len()]);
                    for word in &words[100..130] {
                        let at = rng::index(*word, images.pixels() as u32) as usize;
                        let flip = Flip { at, from: map[at], to: (map[at] + 1 + (word & 1) as u8) % 3 };
                        tally.change(flip, &mut change);
                        let after: Vec<f64> = tally.sums().iter().zip(&change).map(|(s, c)| s + c).collect();
                        tally.apply(flip);
                        map[at] = flip.to;
                        assert!(after.iter().zip(tally.sums()).all(|(a, b)| (a - b).abs() < 1e-12));
                        tally.numbers(tally.sums(), &mut numbers);
                        let wanted = measured(&property, &images, &map);
                        for (a, b) in numbers.iter().zip(&wanted) {
                            // The tape keeps centroids finite by a millionth of a pixel.
                            assert!((a - b).abs() < 1e-6, "{}: {numbers:?} {wanted:?}", kind.name);
                        }
                    }
                }
            }
        }
        // All but second moments and formulas, on two borders.
        assert_eq!(found, 2 * (3 + 2 + 1 + 4 + 1 + 3 + 2));
    }
}
