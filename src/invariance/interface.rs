//! The length of interfaces, and the mean intercept that follows from it.
//!
//! Crofton's formula: the length of a curve is pi / 2 times the mean over all directions of how often
//! parallel lines cross it, times the distance between these. Four directions are used: rows and
//! columns, a pixel apart, and both diagonals, 1 / sqrt(2) apart. With s(d) the share of the steps along
//! direction d that cross an interface, the length per area is
//!
//!   L_A = pi / 8 (s(row) + s(column) + (s(falling) + s(rising)) / sqrt(2))   in 1/px.
//!
//! On class maps this is the digital perimeter that a report compares (`eval::descriptors`). It is
//! exact on average for an interface without preferred direction; one along rows or columns comes out
//! 5 % short, one along a diagonal 5 % too long.
//!
//! A generator's images are soft, and a step crosses an interface in part. The crossing of a step from x
//! to y of one class is the difference |x - y|, rounded off at zero,
//!
//!   (sqrt((x - y)^2 + e^2) - e) / (sqrt(1 + e^2) - e),   e = 0.05,
//!
//! which is 0 and 1 where it should be and has derivatives of every order. By the coarea formula |x - y|
//! counts the interface of {x > t}, averaged over the threshold t: an interface counts once however many
//! pixels it takes to pass from 0 to 1 (rounding makes it 5 % less over 2 pixels, 14 % over 4), and a
//! class that is present everywhere in part adds nothing. The product x (1 - y) + y (1 - x), also
//! smooth, would add 2 x (1 - x) for every step of an even grey, and the square (x - y)^2 would miss half
//! of an interface that is 2 pixels wide.
//!
//! Of several classes: all interfaces together are half the sum over the classes, as every crossing
//! leaves one class and enters another; the interface of classes a and b is half of what a and b have
//! more than a and b taken as one.
//!
//! Stereology (E. E. Underwood, Quantitative Stereology, 1970, chapters 2 and 4): a test line meets
//! P_L = 2 / pi L_A interfaces per length. Grains that fill the plane are met once for each, so that
//! their mean intercept is 1 / P_L = pi / (2 L_A). The chords of one class, two ends each, are P_L / 2
//! per length and cover its share f of it: their mean is pi f / L_A, with L_A of that class.

use std::f64::consts::{PI, SQRT_2};

use super::tally::Crossings;
use super::{Column, Images, Invariance, Kind, Made, Mistake, Tally, View};
use crate::op::Border;
use crate::options::{Key, Options};
use crate::tape::Var;

/// Where the crossing of a step is rounded off.
const SOFT: f64 = 0.05;

/// Added to a share, in pixels, before it divides a length.
const EMPTY: f64 = 1e-6;

/// Which interfaces count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Those of any two classes.
    All,
    /// Those of a class with the rest.
    Class(usize),
    /// Those of two classes.
    Classes(usize, usize),
}

/// Length of interface per area, in 1/px: `[N, H, W, C]` to `[N, 1]`. The border of an open image is no
/// interface.
///
/// # Panics
/// If there is no such class, or both are one.
#[track_caller]
pub fn interface(x: Var<'_>, between: Between, border: Border) -> Var<'_> {
    let s = x.shape();
    let class = |c| x.slice(&[0, 0, 0, c], [s[0], s[1], s[2], 1]);
    match between {
        // Of two classes either has all there is.
        Between::All if s[3] == 2 => class(1).boundary(border, SOFT),
        Between::All => x.boundary(border, SOFT).sum_last().scale(0.5),
        Between::Class(c) => class(c).boundary(border, SOFT),
        Between::Classes(a, b) => {
            assert!(a != b, "the interface of class {a} with itself");
            let (a, b) = (class(a), class(b));
            let [each, both] = [[a, b].as_slice(), &[a + b]].map(|sets| {
                let sets = x.tape().concat(sets, 3);
                sets.boundary(border, SOFT).sum_last()
            });
            (each - both).scale(0.5)
        }
    }
}

/// Interfaces that a line meets per length, in 1/px, `[N, 1]`: one divided by the mean intercept of all
/// grains, or by the mean chord of one class.
///
/// # Panics
/// If there is no such class.
#[track_caller]
pub fn intercepts(x: Var<'_>, of: Option<usize>, border: Border) -> Var<'_> {
    let Some(class) = of else {
        return interface(x, Between::All, border).scale(2.0 / PI);
    };
    let pixels = (x.shape()[1] * x.shape()[2]) as f64;
    let share = super::fraction(x, class).shift(EMPTY / pixels);
    (interface(x, Between::Class(class), border) / share).scale(1.0 / PI)
}

/// `interface`: the length of interface per area, in 1/px.
pub(super) const INTERFACE: Kind = Kind {
    name: "interface",
    about: "length of interface per area: of a class with the rest, of two classes, or of all",
    keys: &[
        Key::text(
            "of",
            "1",
            "a class of the images, counted from 0, or \"any\"",
            "the class whose interfaces count, or any",
        ),
        Key::text(
            "with",
            "rest",
            "another class of the images, or \"rest\"",
            "the class on the other side, or all the rest",
        ),
    ],
    // At first images are near an even grey, which has no interface; data have .1 to .25 1/px. An error
    // of .1 costs what one of .2 of a fraction costs.
    weight: 40.0,
    make: make_interface,
};

/// `intercept`: the mean intercept of all grains, or the mean chord of one class, in pixels.
pub(super) const INTERCEPT: Kind = Kind {
    name: "intercept",
    about: "mean intercept length: of all grains, or the mean chord of a class",
    keys: &[Key::text(
        "of",
        "any",
        "a class of the images, counted from 0, or \"any\"",
        "the class whose chords count, or any",
    )],
    // Interfaces on a line are 2 / pi of their length per area.
    weight: 100.0,
    make: make_intercept,
};

/// The class of a key that may also hold `open`, which is none.
fn class_or(
    options: &Options,
    key: &'static str,
    open: &str,
    images: &Images,
) -> Result<Option<usize>, Mistake> {
    let word = options.word(key);
    if word == open {
        return Ok(None);
    }
    let class = word.parse().ok().filter(|&class| class < images.classes);
    let last = images.classes - 1;
    class.map(Some).ok_or_else(|| (key, format!("must be a class from 0 to {last}, or \"{open}\"")))
}

fn make_interface(options: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let between = match (class_or(options, "of", "any", images)?, class_or(options, "with", "rest", images)?)
    {
        (None, None) => Between::All,
        (Some(of), None) => Between::Class(of),
        (Some(of), Some(with)) if of != with => Between::Classes(of, with),
        (Some(of), Some(_)) => return Err(("with", format!("must not be {of}, the class itself"))),
        (None, Some(_)) => return Err(("with", "must be \"rest\" where of is \"any\"".into())),
    };
    let name = if name.is_empty() { "interface" } else { name };
    // Every step along every direction crosses.
    let most = PI / 8.0 * (2.0 + SQRT_2);
    Ok(Made {
        columns: vec![Column::new(name, "1/px", (0.0, most))],
        invariance: Box::new(Interface { between, border: images.border }),
    })
}

fn make_intercept(options: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let of = class_or(options, "of", "any", images)?;
    let name = match of {
        _ if !name.is_empty() => name.to_owned(),
        None => "intercept".into(),
        Some(class) => format!("chord{class}"),
    };
    Ok(Made {
        columns: vec![Column::new(name, "px", (1.0, images.pixels() as f64))],
        invariance: Box::new(Intercept { of, border: images.border }),
    })
}

/// Length of interface per area, in 1/px.
pub struct Interface {
    /// Which interfaces count.
    pub between: Between,
    /// What lies beyond the image's edge.
    pub border: Border,
}

impl Invariance for Interface {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        interface(x, self.between, self.border)
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        Some(Box::new(Crossings::new(images, map, self.between, |sums: &[f64]| sums[0])))
    }

    fn view(&self) -> View {
        View::Bubbles
    }
}

/// Mean intercept of all grains or mean chord of one class, in pixels; normalised it is one divided by
/// that, which is as smooth as the interface and 0 where there is none.
pub struct Intercept {
    /// The class whose chords count; all without.
    pub of: Option<usize>,
    /// What lies beyond the image's edge.
    pub border: Border,
}

impl Invariance for Intercept {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        intercepts(x, self.of, self.border)
    }

    fn normalised(&self, asked: &[f32]) -> Vec<f64> {
        asked.iter().map(|&v| 1.0 / f64::from(v)).collect()
    }

    /// An image without interface has no intercept: NaN.
    fn in_units(&self, normalised: &[f64]) -> Vec<f32> {
        normalised.iter().map(|&v| if v > 0.0 { (1.0 / v) as f32 } else { f32::NAN }).collect()
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        let pixels = images.pixels() as f64;
        Some(match self.of {
            None => {
                let numbers = |sums: &[f64]| 2.0 / PI * sums[0];
                Box::new(Crossings::new(images, map, Between::All, numbers))
            }
            Some(class) => {
                let numbers = move |sums: &[f64]| sums[0] / (PI * (sums[1] + EMPTY) / pixels);
                Box::new(Crossings::new(images, map, Between::Class(class), numbers))
            }
        })
    }

    fn view(&self) -> View {
        View::Bubbles
    }
}
