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

/// The lattice vectors of every bin of a correlation, as steps in a field with a margin.
pub(super) struct Rings {
    size: [usize; 2],
    border: Border,
    /// Pixels of margin on every side.
    margin: usize,
    /// Steps in the field, bin after bin; the zero vector is left out.
    steps: Vec<i32>,
    /// What a pair of pixels that a step joins counts.
    weights: Vec<f64>,
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
        let short =
            |v: usize, side: usize| if 2 * v <= side { v as isize } else { v as isize - side as isize };
        let mut found: Vec<Vec<([isize; 2], f64)>> = vec![Vec::new(); bins];
        for row in 0..torus[0] {
            for column in 0..torus[1] {
                let Some(bin) = along.bin([row, column], torus).filter(|&bin| bin < bins) else { continue };
                let step = [short(row, torus[0]), short(column, torus[1])];
                let [dy, dx] = step.map(isize::unsigned_abs);
                let pairs = match border {
                    Border::Periodic => size[0] * size[1],
                    Border::Open if dy < size[0] && dx < size[1] => (size[0] - dy) * (size[1] - dx),
                    Border::Open => continue,
                };
                found[bin].push((step, 1.0 / (pairs * counts[bin]) as f64));
            }
        }
        let margin = found.iter().flatten().map(|([dy, dx], _)| dy.abs().max(dx.abs())).max().unwrap_or(0);
        let pitch = size[1] as isize + 2 * margin;
        let (mut steps, mut weights, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for ([dy, dx], weight) in found.iter_mut().flat_map(|bin| {
            bin.retain(|(step, _)| *step != [0, 0]);
            ends.push(bin.len());
            bin.iter().copied()
        }) {
            steps.push((dy * pitch + dx) as i32);
            weights.push(weight);
        }
        let mut sum = 0;
        ends.iter_mut().for_each(|end| {
            sum += *end;
            *end = sum;
        });
        let own = 1.0 / (size[0] * size[1]) as f64;
        Self { size, border, margin: margin.unsigned_abs(), steps, weights, ends, own }
    }

    fn pitch(&self) -> usize {
        self.size[1] + 2 * self.margin
    }

    /// Where the field has a pixel.
    fn place(&self, at: usize) -> usize {
        let [y, x] = [at / self.size[1], at % self.size[1]];
        (y + self.margin) * self.pitch() + x + self.margin
    }

    /// Sets a pixel of a field, and on a torus what stands for it in the margin.
    fn set(&self, field: &mut [u8], at: usize, value: u8) {
        let [h, w] = self.size;
        let [y, x] = [at / w, at % w];
        let copies = |v: usize, side: usize| match self.border {
            Border::Open => (v + self.margin..v + self.margin + 1).step_by(1),
            Border::Periodic => ((v + self.margin) % side..side + 2 * self.margin).step_by(side),
        };
        for row in copies(y, h) {
            for column in copies(x, w) {
                field[row * self.pitch() + column] = value;
            }
        }
    }

    /// The field of a class: 1 where a pixel is of it.
    fn field(&self, map: &[u8], class: u8) -> Vec<u8> {
        let mut field = vec![0; (self.size[0] + 2 * self.margin) * self.pitch()];
        let of_class = map.iter().enumerate().filter(|(_, c)| **c == class);
        of_class.for_each(|(at, _)| self.set(&mut field, at, 1));
        field
    }

    /// Adds `factor` times what the pixels of a field around a place count, bin by bin.
    fn around(&self, field: &[u8], place: usize, factor: f64, sums: &mut [f64]) {
        let mut first = 0;
        for (sum, &end) in sums.iter_mut().zip(&self.ends) {
            let steps = &self.steps[first..end];
            let at = |step: i32| field[place.wrapping_add_signed(step as isize)];
            let count = match self.border {
                // All pairs count alike.
                Border::Periodic => {
                    let found: u32 = steps.iter().map(|&step| u32::from(at(step))).sum();
                    self.weights.get(first).map_or(0.0, |weight| weight * f64::from(found))
                }
                Border::Open => steps
                    .iter()
                    .zip(&self.weights[first..end])
                    .map(|(&step, weight)| weight * f64::from(at(step)))
                    .sum(),
            };
            *sum += factor * count;
            first = end;
        }
    }

    /// The correlation of two fields, bin by bin, without the zero vector.
    fn pairs(&self, a: &[u8], b: &[u8]) -> Vec<f64> {
        let ([h, w], pitch) = (self.size, self.pitch());
        let mut sums = vec![0.0; self.ends.len()];
        let mut first = 0;
        for (sum, &end) in sums.iter_mut().zip(&self.ends) {
            for (&step, weight) in self.steps[first..end].iter().zip(&self.weights[first..end]) {
                let mut count = 0;
                for y in 0..h {
                    let from = (y + self.margin) * pitch + self.margin;
                    let row = &a[from..from + w];
                    let other = &b[from.wrapping_add_signed(step as isize)..][..w];
                    // A row has less than 2^16 pixels: sums of bytes vectorise in 16 bits.
                    count += row
                        .chunks(1 << 12)
                        .zip(other.chunks(1 << 12))
                        .map(|(a, b)| u64::from(a.iter().zip(b).map(|(a, b)| u16::from(a & b)).sum::<u16>()))
                        .sum::<u64>();
                }
                *sum += weight * count as f64;
            }
            first = end;
        }
        sums
    }
}

/// A correlation of a class with itself or with another, as it follows single pixels.
pub(super) struct Correlated {
    rings: Arc<Rings>,
    classes: [u8; 2],
    fields: [Vec<u8>; 2],
    sums: Vec<f64>,
}

impl Correlated {
    pub(super) fn new(rings: Arc<Rings>, map: &[u8], classes: [usize; 2]) -> Self {
        let classes = classes.map(|class| class as u8);
        let fields = classes.map(|class| rings.field(map, class));
        let mut sums = rings.pairs(&fields[0], &fields[1]);
        if classes[0] == classes[1] {
            sums[0] = rings.own * map.iter().filter(|&&class| class == classes[0]).count() as f64;
        }
        Self { rings, classes, fields, sums }
    }

    /// By how much the field of each class changes.
    fn steps(&self, flip: Flip) -> [f64; 2] {
        self.classes.map(|c| f64::from(u8::from(flip.to == c)) - f64::from(u8::from(flip.from == c)))
    }

    fn add(&self, flip: Flip, sums: &mut [f64]) {
        let (place, [a, b]) = (self.rings.place(flip.at), self.steps(flip));
        let same = self.classes[0] == self.classes[1];
        // Both ends of a vector: v and -v are in one bin.
        if a != 0.0 {
            self.rings.around(&self.fields[1], place, if same { 2.0 * a } else { a }, sums);
        }
        if b != 0.0 && !same {
            self.rings.around(&self.fields[0], place, b, sums);
        }
        if same {
            sums[0] += a * self.rings.own;
        }
    }
}

impl Tally for Correlated {
    fn sums(&self) -> &[f64] {
        &self.sums
    }

    fn change(&self, flip: Flip, change: &mut [f64]) {
        change.fill(0.0);
        self.add(flip, change);
    }

    fn apply(&mut self, flip: Flip) {
        let mut sums = std::mem::take(&mut self.sums);
        self.add(flip, &mut sums);
        self.sums = sums;
        let rings = Arc::clone(&self.rings);
        for (field, class) in self.fields.iter_mut().zip(self.classes) {
            rings.set(field, flip.at, u8::from(flip.to == class));
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
