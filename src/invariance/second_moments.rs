//! Orientation and aspect ratio of every figure, from its second moments.
//!
//! The covariance of a figure made of square pixels, in columns and rows, has the elements
//!
//!   a = m20 / m00 - cx^2 + 1/12,   b = m11 / m00 - cx cy,   c = m02 / m00 - cy^2 + 1/12;
//!
//! 1/12 is that of a pixel itself, so that a single pixel is round. With the larger and the smaller
//! eigenvalue p and q the figure has the moments of an ellipse whose axes are as sqrt(p) to sqrt(q), its
//! aspect ratio, and whose long axis lies at the angle half atan2(2 b, a - c) from the x axis towards the
//! y axis. Rows run down the page: 45 degrees is along a diagonal that falls to the right (Jain,
//! Fundamentals of Digital Image Processing, 1989, section 9.8).
//!
//! An angle jumps at 90 degrees and a round figure has none, so what networks and losses see is
//!
//!   e (cos 2 angle, sin 2 angle) = (a - c, 2 b) / (a + c),   e = (p - q) / (p + q),
//!
//! smooth everywhere, with the aspect ratio sqrt((1 + e) / (1 - e)). A figure that is cut by the border
//! counts as the piece that is seen; opposite edges do not meet.

use std::f64::consts::SQRT_2;

use super::{Column, Images, Invariance, Kind, Made, Mistake, View};
use crate::options::Options;
use crate::tape::Var;

/// Added to an area, in pixels, before it divides a moment.
const EMPTY: f64 = 1e-6;

/// e cos 2 angle and e sin 2 angle of each figure: `[N, H, W, C]` to `[N, 2 (C - 1)]`.
pub fn second_moments(x: Var<'_>) -> Var<'_> {
    let (n, figures) = (x.shape()[0], x.shape()[3] - 1);
    let moments = x.moments().slice(&[0, 1, 0], [n, figures, 6]);
    let [mass, u, v, uu, uv, vv] = std::array::from_fn(|k| moments.slice(&[0, 0, k], [n, figures, 1]));
    let mass = mass.shift(EMPTY);
    let (u, v) = (u / mass, v / mass);
    let (a, b, c) = (uu / mass - u.square(), uv / mass - u * v, vv / mass - v.square());
    let trace = (a + c).shift(1.0 / 6.0);
    let pair = x.tape().concat(&[(a - c) / trace, b.scale(2.0) / trace], 2);
    pair.reshape([n, 2 * figures])
}

/// Elongation e below which a figure of pixels has no angle to speak of: an aspect ratio of 1.05.
const ROUND: f64 = 0.05;

/// `second-moments`: angle and aspect ratio of every figure.
pub(super) const SECOND_MOMENTS: Kind = Kind {
    name: "second-moments",
    about: "angle and aspect ratio of every figure",
    keys: &[],
    // As the centroid's: both are numbers of the order of a half, two for each figure.
    weight: 1.0,
    make,
};

fn make(_: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let [h, w] = images.size;
    // A line of pixels from corner to corner.
    let most = SQRT_2 * h.max(w) as f64;
    let columns = (1..images.classes).flat_map(|i| {
        [
            Column::new(format!("{name}angle{i}"), "deg", (-90.0, 90.0)).turning(180.0),
            Column::new(format!("{name}aspect{i}"), "", (1.0, most)),
        ]
    });
    let columns = columns.collect();
    Ok(Made { columns, invariance: Box::new(SecondMoments { images: *images }) })
}

/// Angle and aspect ratio of every figure; normalised e cos 2 angle and e sin 2 angle.
///
/// Of a class map a figure that is not there has neither, and one whose aspect ratio is below 1.05 has
/// no angle: normalised it is e and NaN.
pub struct SecondMoments {
    /// The images.
    pub images: Images,
}

impl SecondMoments {
    /// e cos 2 angle and e sin 2 angle of the pixels at which `inside`, in double precision.
    fn of_figure(&self, inside: impl Fn(usize) -> bool) -> [f64; 2] {
        let width = self.images.size[1];
        let places = || {
            (0..self.images.pixels()).filter(|&i| inside(i)).map(|i| ((i % width) as f64, (i / width) as f64))
        };
        let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
        places().for_each(|(u, v)| (area, x, y) = (area + 1.0, x + u, y + v));
        if area == 0.0 {
            return [f64::NAN; 2];
        }
        (x, y) = (x / area, y / area);
        let (mut a, mut b, mut c) = (area / 12.0, 0.0, area / 12.0);
        places().for_each(|(u, v)| {
            let (u, v) = (u - x, v - y);
            (a, b, c) = (a + u * u, b + u * v, c + v * v);
        });
        let [along, aside] = [(a - c) / (a + c), 2.0 * b / (a + c)];
        let e = along.hypot(aside);
        if e < ROUND { [e, f64::NAN] } else { [along, aside] }
    }
}

impl Invariance for SecondMoments {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        second_moments(x)
    }

    fn on_map(&self, map: &[u8]) -> Option<Vec<f64>> {
        let figures = 1..self.images.classes;
        Some(figures.flat_map(|class| self.of_figure(|i| usize::from(map[i]) == class)).collect())
    }

    /// A figure without an angle is round.
    fn normalised(&self, asked: &[f32]) -> Vec<f64> {
        let one = |asked: &[f32]| {
            let [angle, aspect] = [f64::from(asked[0]), f64::from(asked[1])];
            let e = (aspect * aspect - 1.0) / (aspect * aspect + 1.0);
            let (sin, cos) = (2.0 * angle.to_radians()).sin_cos();
            if angle.is_nan() && aspect.is_finite() { [0.0; 2] } else { [e * cos, e * sin] }
        };
        asked.chunks_exact(2).flat_map(one).collect()
    }

    fn in_units(&self, normalised: &[f64]) -> Vec<f32> {
        let one = |n: &[f64]| {
            let e = if n[1].is_nan() { n[0] } else { n[0].hypot(n[1]) };
            let angle = n[1].atan2(n[0]).to_degrees() / 2.0;
            let angle = if angle <= -90.0 { 90.0 } else { angle };
            // No figure of pixels is as thin as that; a sum in single precision may be. NaN stays.
            let e = if e > 1.0 - 1e-6 { 1.0 - 1e-6 } else { e };
            [angle as f32, ((1.0 + e) / (1.0 - e)).sqrt() as f32]
        };
        normalised.chunks_exact(2).flat_map(one).collect()
    }

    fn joint(&self) -> bool {
        false
    }

    fn view(&self) -> View {
        View::Bars
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::op::Border;

    #[test]
    fn angles_are_as_far_apart_as_their_lines() {
        let images = Images { size: [16, 16], classes: 2, border: Border::Open };
        let made = make(&Options::new([]), "", &images).unwrap();
        let [angle, aspect] = [&made.columns[0], &made.columns[1]];
        assert_eq!(
            (angle.error(-88.0, 89.0), angle.error(89.0, -88.0), angle.error(30.0, 40.0)),
            (3.0, -3.0, -10.0)
        );
        assert!(angle.error(f64::NAN, 1.0).is_nan());
        assert_eq!(aspect.error(1.0, 181.0), -180.0);
    }

    fn of(size: [usize; 2], map: &[u8]) -> Vec<f32> {
        let images = Images { size, classes: 3, border: Border::Open };
        let moments = SecondMoments { images };
        moments.in_units(&moments.on_map(map).unwrap())
    }

    #[test]
    fn lines_have_an_angle_squares_have_none_and_what_is_not_there_has_nothing() {
        // Three pixels up the page, and four in a square.
        let found = of([4, 5], &[0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 2, 2, 1, 0, 0, 2, 2, 0, 0, 0]);
        assert!(found[0] == 90.0 && (found[1] - 3.0).abs() < 1e-5, "{found:?}");
        assert!(found[2].is_nan() && (found[3] - 1.0).abs() < 1e-6, "{found:?}");
        let found = of([3, 3], &[1, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert!((found[0] - 45.0).abs() < 1e-5 && found[2].is_nan() && found[3].is_nan(), "{found:?}");
    }

    #[test]
    fn angles_and_aspects_come_back() {
        let images = Images { size: [64, 64], classes: 3, border: Border::Open };
        let moments = SecondMoments { images };
        for asked in [[30.0, 2.0, -80.0, 1.2], [90.0, 5.0, 0.0, 1.0], [-89.0, 40.0, 45.0, 3.0]] {
            let again = moments.in_units(&moments.normalised(&asked));
            assert!(asked.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3), "{asked:?}: {again:?}");
        }
        // What a map cannot tell is asked for as round.
        assert_eq!(moments.normalised(&[f32::NAN, 1.02, 0.0, 1.0]), [0.0; 4]);
    }
}
