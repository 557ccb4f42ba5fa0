//! The two-point correlation along a direction, which tells what is drawn out from what is not.
//!
//! S2(r) = <I(x) I(x + r d)> with d a step along rows, columns or a diagonal of the image: bin r holds
//! two vectors, r d and its opposite, which give the same number. A step along a diagonal is one pixel
//! down or up and one across, sqrt(2) pixels long. What [`super::correlation()`] averages over all
//! directions is here for each of its own; the border is treated alike.

use super::curve::{follow, within_share};
use super::tally::{Correlated, Rings};
use super::{Column, Grain, Images, Invariance, Kind, Made, Mistake, OF, Tally, View, class, numbered};
use crate::op::{Border, Direction};
use crate::options::{Key, Options};
use crate::tape::Var;

/// `directional-correlation`: `row0`, `row1`, ... at distances of 0, 1, ... steps.
pub(super) const DIRECTIONAL: Kind = Kind {
    name: "directional-correlation",
    about: "two-point correlation of one class along rows, columns or diagonals",
    keys: &[
        OF,
        Key::word(
            "direction",
            "row",
            &NAMES,
            "\"row\", \"column\", \"falling\" or \"rising\"",
            "along rows, columns, or diagonals that fall or rise to the right",
        ),
        super::correlation::BINS,
    ],
    // As the radial correlation's: a curve of probabilities.
    weight: 10.0,
    make,
};

const NAMES: [&str; 4] = ["row", "column", "falling", "rising"];
const DIRECTIONS: [Direction; 4] = [Direction::Row, Direction::Column, Direction::Falling, Direction::Rising];

fn make(options: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let class = class(options, "of", images)?;
    let word = options.word("direction");
    let at = NAMES.iter().position(|&name| name == word).unwrap_or_default();
    let along = DIRECTIONS[at];
    let bins = super::correlation::bins(options, images, along)?;
    let prefix = if name.is_empty() { word } else { name };
    let columns = numbered(prefix, 0, bins).map(|name| Column::new(name, "", (0.0, 1.0))).collect();
    Ok(Made { columns, invariance: Box::new(Directional { class, along, bins, border: images.border }) })
}

/// S2 of channel `class` along a direction, `[N, bins]`.
///
/// # Panics
/// If there is no such channel, or the image is too small for so many bins.
#[track_caller]
pub fn directional(x: Var<'_>, class: usize, along: Direction, bins: usize, border: Border) -> Var<'_> {
    let s = x.shape();
    let field = x.slice(&[0, 0, 0, class], [s[0], s[1], s[2], 1]).reshape([s[0], s[1], s[2]]);
    field.correlation_along(field, along, bins, border)
}

/// How often two pixels, some steps apart along a direction, are both of one class.
pub struct Directional {
    /// The class.
    pub class: usize,
    /// The direction.
    pub along: Direction,
    /// Points of the curve: 0, 1, ... steps.
    pub bins: usize,
    /// What lies beyond the image's edge.
    pub border: Border,
}

impl Invariance for Directional {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        directional(x, self.class, self.along, self.bins, self.border)
    }

    fn complete(&self, target: &[Option<f32>], row: &mut [f32]) -> Result<(), String> {
        follow(target, row);
        within_share(target, row, self.border)
    }

    fn grain(&self) -> Grain {
        Grain::Curve
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        Some(Box::new(Correlated::new(Rings::of(images, self.along, self.bins), map, [self.class; 2])))
    }

    fn view(&self) -> View {
        let (step, name) = match self.along {
            Direction::Row | Direction::Every => (1.0, "rows"),
            Direction::Column => (1.0, "columns"),
            Direction::Falling => (std::f64::consts::SQRT_2, "falling diagonals"),
            Direction::Rising => (std::f64::consts::SQRT_2, "rising diagonals"),
        };
        View::Curve {
            x: (0..self.bins).map(|r| step * r as f64).collect(),
            x_name: "distance r (px)".into(),
            y_name: format!("two-point correlation of class {} along {name}", self.class),
        }
    }
}
