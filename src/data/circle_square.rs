//! The circle-and-square world: a disc of class 1 and an axis-parallel square of class 2 that do
//! not touch, on a background.
//!
//! Lengths, positions and the ranges are those of [`circles`](super::circles). A figure is given by
//! its area, not by a radius or a side, so that neither shape is favoured: both areas come from one
//! range, that of the discs of the two-circle world, and the square root of an area is uniform as
//! their radius is. Areas are of the figure, not of its pixels; the two differ by a few pixels of
//! the boundary.
//!
//! No square is cut by the border of the image; a large disc can be, as in the two-circle world.

use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

use rand::Rng;

use super::ClassMaps;
use super::circles::{Circle, CircleWorld, known_figures, known_row, paint};
use super::figure::Figure;
use super::seeded::{Stream, generator, images, uniform};
use super::source::{Kind, Known, Look, Part, Source, square};
use crate::device::Device;
use crate::error::Result;
use crate::invariance::Images;
use crate::op::Border;

/// `circle-square`.
pub(super) const CIRCLE_SQUARE: Kind = Kind {
    name: "circle-square",
    about: "a disc and a square that do not touch",
    keys: &[],
    count: 1000,
    examples: "invnet data circle-square --size 128 --out shapes.npz --format png",
    make: |size, _| Ok(Arc::new(CircleSquareWorld { size: square(size)? })),
};

/// Names of the properties of an image: area in square pixels and centre in pixels, of the disc
/// (1) and of the square (2).
pub const NAMES: [&str; 6] = ["area1", "cx1", "cy1", "area2", "cx2", "cy2"];

/// A square with sides along the axes, all in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Length of a side.
    pub side: f64,
    /// Centre, horizontally; 0 is the centre of the leftmost pixel.
    pub cx: f64,
    /// Centre, vertically; 0 is the centre of the topmost pixel.
    pub cy: f64,
}

impl Square {
    /// Whether the pixel in column `x` and row `y` belongs to the square: its centre lies in the box
    /// that includes its left and upper side and excludes the others. Boxes that tile the plane then
    /// share no pixel, so the mean number of pixels over all positions is the area.
    #[must_use]
    pub fn contains(&self, x: usize, y: usize) -> bool {
        let half = self.side / 2.0;
        let within = |v: usize, c: f64| (c - half..c + half).contains(&(v as f64));
        within(x, self.cx) && within(y, self.cy)
    }

    /// Whether a pixel of the square can coincide with, or share an edge with, a pixel of `disc`.
    ///
    /// A pixel in both would be within r of the disc's centre, so a centre further than r from the
    /// box excludes that. The further pixel keeps the two apart, as in [`Circle::touches`].
    #[must_use]
    pub fn touches(&self, disc: &Circle) -> bool {
        let outside = |v: f64, c: f64| ((v - c).abs() - self.side / 2.0).max(0.0);
        let (dx, dy) = (outside(disc.cx, self.cx), outside(disc.cy, self.cy));
        let reach = disc.r + 1.0;
        dx * dx + dy * dy <= reach * reach
    }
}

/// Disc and square from their properties in the order of [`NAMES`].
#[must_use]
pub fn from_properties(properties: &[f32; 6]) -> (Circle, Square) {
    let [area1, cx1, cy1, area2, cx2, cy2] = properties.map(f64::from);
    (Circle { r: (area1 / PI).sqrt(), cx: cx1, cy: cy1 }, Square { side: area2.sqrt(), cx: cx2, cy: cy2 })
}

/// The world of images of `size` x `size` pixels that show a disc and a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircleSquareWorld {
    /// Rows and columns of an image, in pixels.
    pub size: usize,
}

impl CircleSquareWorld {
    /// Number of classes: background 0, disc 1, square 2.
    pub const CLASSES: usize = 3;

    /// Smallest and largest area of either figure, in square pixels.
    #[must_use]
    pub fn area_range(&self) -> (f64, f64) {
        let (low, high) = CircleWorld { size: self.size }.radius_range();
        (PI * low * low, PI * high * high)
    }

    /// Smallest and largest coordinate of a centre, in pixels, the same on both axes.
    #[must_use]
    pub fn centre_range(&self) -> (f64, f64) {
        CircleWorld { size: self.size }.centre_range()
    }

    /// Draws a disc and a square, uniform (in the square roots of their areas and in their centres)
    /// over all pairs in the ranges that do not touch.
    ///
    /// As in the two-circle world a pair that touches is discarded as a whole, areas included, which
    /// makes small figures somewhat more frequent. A pair is accepted with probability 0.22 (at
    /// 64 pixels and more; 0.13 at 16). Even the two largest fit into the range: in opposite corners
    /// of it, the centre of the disc is 53 (of 128) from the square and its radius is 32.
    pub fn sample(&self, rng: &mut impl Rng) -> (Circle, Square) {
        let (low, high) = self.area_range();
        let (roots, centres) = ((low.sqrt(), high.sqrt()), self.centre_range());
        let mut draw = |range| uniform(rng, range);
        loop {
            let disc = Circle { r: draw(roots) / PI.sqrt(), cx: draw(centres), cy: draw(centres) };
            let square = Square { side: draw(roots), cx: draw(centres), cy: draw(centres) };
            if !square.touches(&disc) {
                return (disc, square);
            }
        }
    }

    /// The class map `[size, size]` of a disc and a square; the square is drawn over the disc.
    #[must_use]
    pub fn rasterise(&self, figures: &(Circle, Square)) -> Vec<u8> {
        let mut map = vec![0; self.size * self.size];
        self.rasterise_into(figures, &mut map);
        map
    }

    fn rasterise_into(&self, (disc, square): &(Circle, Square), map: &mut [u8]) {
        paint(map, self.size, 1, (disc.cx, disc.cy, disc.r), |x, y| disc.contains(x, y));
        paint(map, self.size, 2, (square.cx, square.cy, square.side / 2.0), |x, y| square.contains(x, y));
    }

    /// Draws `count` images in parallel. The same `seed` gives the same bytes on any number of
    /// threads, and the first images of a larger set are the images of a smaller one.
    #[must_use]
    pub fn generate(&self, count: usize, seed: u64) -> ClassMaps {
        let names = NAMES.map(String::from).to_vec();
        images((count, self.size, Self::CLASSES), names, seed, |rng, map, row| {
            let figures = self.sample(rng);
            self.rasterise_into(&figures, map);
            row.copy_from_slice(&to_properties(&figures));
        })
    }

    /// Draws the properties of `count` images, `[count, 6]` in the order of [`NAMES`]: the
    /// distribution of [`generate`](Self::generate), but never its very figures.
    #[must_use]
    pub fn sample_targets(&self, count: usize, seed: u64) -> Vec<f32> {
        self.targets(0..count, seed)
    }

    /// Those of some images.
    fn targets(&self, images: Range<usize>, seed: u64) -> Vec<f32> {
        images.flat_map(|i| to_properties(&self.sample(&mut generator(seed, Stream::Targets, i)))).collect()
    }
}

impl Source for CircleSquareWorld {
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
        let (low, high) = self.area_range();
        known_figures("area", (low, high), ("r", (radius(low), radius(high))), self.centre_range())
    }

    fn draw(&self, images: Range<usize>, seed: u64) -> Vec<f32> {
        let rows = self.targets(images, seed);
        rows.as_chunks().0.iter().flat_map(|row| known_row(row, |a| radius(f64::from(a)) as f32)).collect()
    }

    fn figures(&self, value: &dyn Fn(&str) -> Option<f64>) -> Option<Vec<Figure>> {
        let number = |name: &str, i: usize| value(&format!("{name}{i}"));
        let area = |i| number("area", i).or_else(|| number("r", i).map(|r| PI * r * r));
        let disc = Circle { r: radius(area(1)?), cx: number("cx", 1)?, cy: number("cy", 1)? };
        let square = Square { side: area(2)?.sqrt(), cx: number("cx", 2)?, cy: number("cy", 2)? };
        Some(vec![Figure::Disc(disc), Figure::Square(square)])
    }
}

/// Radius of the disc of an area.
fn radius(area: f64) -> f64 {
    (area / PI).sqrt()
}

fn to_properties((disc, square): &(Circle, Square)) -> [f32; 6] {
    let area = PI * disc.r * disc.r;
    [area, disc.cx, disc.cy, square.side * square.side, square.cx, square.cy].map(|value| value as f32)
}
