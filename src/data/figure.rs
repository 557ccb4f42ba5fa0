//! Ideal figures: what an image of figures was asked to show.

use super::circle_square::Square;
use super::circles::Circle;

/// A shape of class 1, 2, ... of an image. Lengths are in pixels, pixel centres at 0, 1, ... on both
/// axes, x to the right and y downward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A disc.
    Disc(Circle),
    /// A square whose sides are parallel to the axes.
    Square(Square),
}

impl Figure {
    /// Whether the pixel in column `x` and row `y` belongs to it.
    #[must_use]
    pub fn contains(&self, x: usize, y: usize) -> bool {
        match self {
            Self::Disc(disc) => disc.contains(x, y),
            Self::Square(square) => square.contains(x, y),
        }
    }

    /// The distance from a point to its edge, in pixels.
    #[must_use]
    pub fn distance(&self, x: f64, y: f64) -> f64 {
        match *self {
            Self::Disc(Circle { r, cx, cy }) => {
                let (dx, dy) = (x - cx, y - cy);
                ((dx * dx + dy * dy).sqrt() - r).abs()
            }
            Self::Square(Square { side, cx, cy }) => {
                let (dx, dy) = ((x - cx).abs() - side / 2.0, (y - cy).abs() - side / 2.0);
                if dx > 0.0 && dy > 0.0 { (dx * dx + dy * dy).sqrt() } else { dx.max(dy).abs() }
            }
        }
    }
}
