//! The two-circle world (section 4 of the paper): two discs that do not touch, on a background.
//!
//! Lengths are in pixels and pixel centres are at 0, 1, ..., size-1 on both axes, x to the right
//! and y downward. At 128 pixels the paper draws radii from 14..32 and centres from 30..96; other
//! sizes scale these ranges in proportion. Values are drawn from the continuous ranges, so the
//! integers of the paper are inside them and a network sees no grid of targets.
//!
//! A large disc with its centre at the edge of the range reaches up to two pixels (of 128) beyond
//! the image and is cut there. The paper's ranges have this property and it is kept: a radius is
//! then slightly larger than the radius of the visible area.

use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

use rand::Rng;

use super::ClassMaps;
use super::figure::Figure;
use super::seeded::{Stream, generator, images, uniform};
use super::source::{Kind, Known, Look, Part, Source, square};
use crate::device::Device;
use crate::error::Result;
use crate::invariance::Images;
use crate::op::Border;

/// `circles`.
pub(super) const CIRCLES: Kind = Kind {
    name: "circles",
    about: "two discs that do not touch",
    keys: &[],
    count: 1000,
    examples: "invnet data circles --size 128 --count 1000 --out circles.npz",
    make: |size, _| Ok(Arc::new(CircleWorld { size: square(size)? })),
};

/// Names of the properties of an image of two circles, all in pixels.
pub const NAMES: [&str; 6] = ["r1", "cx1", "cy1", "r2", "cx2", "cy2"];

/// The size at which the ranges below are stated, in pixels.
const REFERENCE: f64 = 128.0;
const RADII: (f64, f64) = (14.0, 32.0);
const CENTRES: (f64, f64) = (30.0, 96.0);

/// A disc: the pixels whose centre is at most `r` from (`cx`, `cy`), all in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Radius.
    pub r: f64,
    /// Centre, horizontally; 0 is the centre of the leftmost pixel.
    pub cx: f64,
    /// Centre, vertically; 0 is the centre of the topmost pixel.
    pub cy: f64,
}

impl Circle {
    /// Whether the pixel in column `x` and row `y` belongs to the disc.
    #[must_use]
    pub fn contains(&self, x: usize, y: usize) -> bool {
        let (dx, dy) = (x as f64 - self.cx, y as f64 - self.cy);
        dx * dx + dy * dy <= self.r * self.r
    }

    /// Whether a pixel of one disc can coincide with, or share an edge with, a pixel of the other.
    ///
    /// A pixel in both discs would be within r1 of one centre and r2 of the other, so centres
    /// further apart than r1 + r2 share none. The further pixel keeps the two figures apart: two
    /// pixels that share an edge are one apart, so each disc has background on all its sides and
    /// the boundary of one never depends on the other.
    #[must_use]
    pub fn touches(&self, other: &Self) -> bool {
        let (dx, dy) = (self.cx - other.cx, self.cy - other.cy);
        let reach = self.r + other.r + 1.0;
        dx * dx + dy * dy <= reach * reach
    }
}

/// Two circles from their properties in the order of [`NAMES`], in pixels.
#[must_use]
pub fn from_properties(properties: &[f32; 6]) -> [Circle; 2] {
    let [r1, cx1, cy1, r2, cx2, cy2] = properties.map(f64::from);
    [Circle { r: r1, cx: cx1, cy: cy1 }, Circle { r: r2, cx: cx2, cy: cy2 }]
}

/// The world of images of `size` x `size` pixels that show two circles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircleWorld {
    /// Rows and columns of an image, in pixels.
    pub size: usize,
}

impl CircleWorld {
    /// Number of classes: background 0, first circle 1, second circle 2.
    pub const CLASSES: usize = 3;

    /// Smallest and largest radius, in pixels.
    #[must_use]
    pub fn radius_range(&self) -> (f64, f64) {
        self.scaled(RADII)
    }

    /// Smallest and largest coordinate of a centre, in pixels, the same on both axes.
    #[must_use]
    pub fn centre_range(&self) -> (f64, f64) {
        self.scaled(CENTRES)
    }

    fn scaled(&self, (low, high): (f64, f64)) -> (f64, f64) {
        let scale = self.size as f64 / REFERENCE;
        (low * scale, high * scale)
    }

    /// Draws two circles, uniform over all pairs in the ranges that do not touch.
    ///
    /// A pair that touches is discarded as a whole, radii included, as the paper does. That makes
    /// small circles somewhat more frequent than large ones, and it is why the loop ends: a
    /// rejected pair leaves nothing behind, and each new one is accepted with probability 1/4 (at
    /// 64 pixels and more; 1/7 at 16). Even the two largest discs fit into the range, 32 + 32 + 1
    /// apart on a diagonal of 93, so no corner of the distribution is empty.
    pub fn sample(&self, rng: &mut impl Rng) -> [Circle; 2] {
        let (radii, centres) = (self.radius_range(), self.centre_range());
        let mut draw = |range| uniform(rng, range);
        let mut circle = || Circle { r: draw(radii), cx: draw(centres), cy: draw(centres) };
        loop {
            let pair = [circle(), circle()];
            if !pair[0].touches(&pair[1]) {
                return pair;
            }
        }
    }

    /// The class map `[size, size]` of two circles; the second is drawn over the first.
    #[must_use]
    pub fn rasterise(&self, circles: &[Circle; 2]) -> Vec<u8> {
        let mut map = vec![0; self.size * self.size];
        self.rasterise_into(circles, &mut map);
        map
    }

    fn rasterise_into(&self, circles: &[Circle; 2], map: &mut [u8]) {
        for (class, circle) in (1..).zip(circles) {
            paint(map, self.size, class, (circle.cx, circle.cy, circle.r), |x, y| circle.contains(x, y));
        }
    }

    /// Draws `count` images in parallel. The same `seed` gives the same bytes on any number of
    /// threads, and the first images of a larger set are the images of a smaller one.
    #[must_use]
    pub fn generate(&self, count: usize, seed: u64) -> ClassMaps {
        let names = NAMES.map(String::from).to_vec();
        images((count, self.size, Self::CLASSES), names, seed, |rng, map, row| {
            let circles = self.sample(rng);
            self.rasterise_into(&circles, map);
            row.copy_from_slice(&to_properties(&circles));
        })
    }

    /// Draws the properties of `count` images, `[count, 6]` in the order of [`NAMES`], in pixels:
    /// the distribution of [`generate`](Self::generate), but never its very circles.
    #[must_use]
    pub fn sample_targets(&self, count: usize, seed: u64) -> Vec<f32> {
        self.targets(0..count, seed)
    }

    /// Those of some images.
    fn targets(&self, images: Range<usize>, seed: u64) -> Vec<f32> {
        images.flat_map(|i| to_properties(&self.sample(&mut generator(seed, Stream::Targets, i)))).collect()
    }
}

impl Source for CircleWorld {
    fn images(&self) -> Images {
        Images { size: [self.size; 2], classes: Self::CLASSES, border: Border::Open }
    }

    fn look(&self) -> Look {
        Look::Figures
    }

    fn make(&self, part: Part, count: usize, seed: u64, _: &mut dyn Device) -> Result<ClassMaps> {
        Ok(self.generate(count, part.seed(seed)))
    }

    fn known(&self) -> Vec<Known> {
        let radii = self.radius_range();
        known_figures("r", radii, ("area", (area(radii.0), area(radii.1))), self.centre_range())
    }

    fn draw(&self, images: Range<usize>, seed: u64) -> Vec<f32> {
        let rows = self.targets(images, seed);
        rows.as_chunks().0.iter().flat_map(|row| known_row(row, |r| area(f64::from(r)) as f32)).collect()
    }

    fn figures(&self, value: &dyn Fn(&str) -> Option<f64>) -> Option<Vec<Figure>> {
        let circle = |i: usize| {
            let r = value(&format!("r{i}")).or_else(|| Some((value(&format!("area{i}"))? / PI).sqrt()))?;
            let at = |axis: char| value(&format!("c{axis}{i}"));
            Some(Figure::Disc(Circle { r, cx: at('x')?, cy: at('y')? }))
        };
        [1, 2].into_iter().map(circle).collect()
    }
}

fn area(r: f64) -> f64 {
    PI * r * r
}

/// The numbers of two figures, each once by its name and extent, its centre, and once by another
/// measure of its extent.
pub(super) fn known_figures(
    name: &str,
    range: (f64, f64),
    (other, other_range): (&str, (f64, f64)),
    centres: (f64, f64),
) -> Vec<Known> {
    let of = |i: usize| {
        let number = |name: &str, range| (format!("{name}{i}"), range);
        [number(name, range), number("cx", centres), number("cy", centres), number(other, other_range)]
    };
    [1, 2].into_iter().flat_map(of).collect()
}

/// A row of that order from extents and centres.
pub(super) fn known_row(&[a, ax, ay, b, bx, by]: &[f32; 6], other: impl Fn(f32) -> f32) -> [f32; 8] {
    [a, ax, ay, other(a), b, bx, by, other(b)]
}

fn to_properties([a, b]: &[Circle; 2]) -> [f32; 6] {
    [a.r, a.cx, a.cy, b.r, b.cx, b.cy].map(|value| value as f32)
}

/// Gives `class` to the pixels of a figure in a map of `size` x `size`: only those in the bounding
/// box, which reaches `reach` pixels from the centre (`cx`, `cy`), are asked.
pub(super) fn paint(
    map: &mut [u8],
    size: usize,
    class: u8,
    (cx, cy, reach): (f64, f64, f64),
    contains: impl Fn(usize, usize) -> bool,
) {
    // `as usize` takes what is left of the image to column 0, and an empty box gives an empty range.
    let span = |c: f64| (c - reach).ceil() as usize..(((c + reach).floor() + 1.0) as usize).min(size);
    for y in span(cy) {
        for x in span(cx) {
            if contains(x, y) {
                map[y * size + x] = class;
            }
        }
    }
}
