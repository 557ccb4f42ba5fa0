//! The two-point cross-correlation of two classes: how often both ends of a vector are of the one and of
//! the other.
//!
//! S2_ab(v) = <I_a(x) I_b(x + v)>, averaged over the vectors whose length rounds to r pixels, v and -v
//! alike, with the bins and the border of [`super::correlation()`]. S2_ab(0) = 0, as a pixel has one class,
//! and S2_ab(r) tends to f_a f_b where nothing is correlated. Summed over all classes b it is the share
//! f_a, so that of two classes it says nothing that S2_aa does not (Torquato, Random Heterogeneous
//! Materials, 2002, section 2.2).

use super::curve::follow;
use super::tally::{Correlated, Rings};
use super::{Column, Grain, Images, Invariance, Kind, Made, Mistake, OF, Tally, View, class, numbered};
use crate::op::{Border, Direction};
use crate::options::{Key, Options};
use crate::tape::Var;

/// `cross-correlation`: `x0`, `x1`, ... at distances of 0, 1, ... pixels.
pub(super) const CROSS: Kind = Kind {
    name: "cross-correlation",
    about: "two-point correlation of one class with another over the distance",
    keys: &[
        OF,
        Key::whole("with", 0, (0, 255), "another class of the images, counted from 0", "the other class"),
        super::correlation::BINS,
    ],
    // As the correlation's of one class: a curve of probabilities.
    weight: 10.0,
    make,
};

fn make(options: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let [a, b] = [class(options, "of", images)?, class(options, "with", images)?];
    if a == b {
        return Err(("with", format!("must be a class other than {a}: correlation is of one class")));
    }
    let bins = super::correlation::bins(options, images, Direction::Every)?;
    let prefix = if name.is_empty() { "x" } else { name };
    // A pixel cannot be of both classes, and v and -v are as frequent.
    let columns = numbered(prefix, 0, bins).map(|name| Column::new(name, "", (0.0, 0.5))).collect();
    Ok(Made { columns, invariance: Box::new(Cross { classes: [a, b], bins, border: images.border }) })
}

/// S2 of channels `a` and `b`, r = 0, ..., `bins` - 1: `[N, H, W, C]` to `[N, bins]`.
///
/// # Panics
/// If there is no such channel, or the image is too small for so many bins.
#[track_caller]
pub fn cross_correlation(x: Var<'_>, [a, b]: [usize; 2], bins: usize, border: Border) -> Var<'_> {
    let s = x.shape();
    let [a, b] = [a, b].map(|c| x.slice(&[0, 0, 0, c], [s[0], s[1], s[2], 1]).reshape([s[0], s[1], s[2]]));
    a.correlation_with(b, bins, border)
}

/// How often two pixels at a distance are of one class and of another.
pub struct Cross {
    /// The two classes.
    pub classes: [usize; 2],
    /// Points of the curve: distances of 0, 1, ... pixels.
    pub bins: usize,
    /// What lies beyond the image's edge.
    pub border: Border,
}

impl Invariance for Cross {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        cross_correlation(x, self.classes, self.bins, self.border)
    }

    fn grain(&self) -> Grain {
        Grain::Curve
    }

    fn complete(&self, target: &[Option<f32>], row: &mut [f32]) -> Result<(), String> {
        follow(target, row);
        Ok(())
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        Some(Box::new(Correlated::new(Rings::of(images, Direction::Every, self.bins), map, self.classes)))
    }

    fn view(&self) -> View {
        let [a, b] = self.classes;
        View::Curve {
            x: (0..self.bins).map(|r| r as f64).collect(),
            x_name: "distance r (px)".into(),
            y_name: format!("two-point correlation of classes {a} and {b}"),
        }
    }
}
