//! Which shape a figure has: disc, square, or neither.

use std::f64::consts::PI;

use super::overlap;
use crate::eval::descriptors::regions;

/// The shape of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    Disc,
    /// A square with sides along the axes.
    Square,
    /// Anything else, or no figure.
    Neither,
}

/// Least overlap with an ideal shape.
///
/// Over ideal rasterised discs and squares at random places the overlap with their own shape is at
/// least 0.89 at radius 1.75 (area 10), 0.93 from radius 3 (area 28) and 0.97 from radius 7 on. At
/// radius 7 and more, rings with a hole of 0.3 of the radius reach 0.87, ellipses of axes 1.3 : 1
/// 0.89 and those of 1.5 : 1 0.81, squares turned by 22 to 45 degrees 0.87, triangles 0.72. The
/// grain of the pixels hides such differences in smaller figures.
const FIT: f64 = 0.88;
/// Least share of the figure's pixels in its largest piece: what is scattered is no figure.
const MAIN: f64 = 0.8;

/// The shape of the largest 4-connected piece of the figure of `class` in the class map `[h, w]`,
/// if it has four fifths of the figure's pixels.
///
/// The piece is compared with the disc and with the square of its area around its centroid, cut at
/// the border as it is: the shape of the larger intersection over union, if that is at least 0.88.
/// A disc overlaps the square of its area by 0.83, so figures from 28 square pixels up (radius 3, a
/// square of side 5.3) are told apart with certainty. Of smaller discs a few have the pixels of a
/// square, e.g. 3 x 3 at radius 1.75, and count as one: 9 % in a world of 16 pixels a side.
///
/// Circularity and extent do not decide: each stray pixel at a boundary changes the first by what it
/// adds to the perimeter and the second by a whole row, but the overlap by its own area only.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn recognise(map: &[u8], h: usize, w: usize, class: u8) -> Shape {
    let regions = regions(map, h, w, false);
    let Some(piece) = regions.largest(class) else { return Shape::Neither };
    let area = regions.regions[piece].area as f64;
    let whole: usize = regions.areas(class).sum();
    if area < MAIN * whole as f64 {
        return Shape::Neither;
    }
    let inside = || regions.labels.iter().map(|&label| label as usize == piece);
    let (mut cx, mut cy) = (0.0, 0.0);
    for (i, _) in inside().enumerate().filter(|(_, inside)| *inside) {
        cx += (i % w) as f64 / area;
        cy += (i / w) as f64 / area;
    }
    let half = area.sqrt() / 2.0;
    let disc = overlap(inside(), w, |x, y| {
        let (dx, dy) = (x as f64 - cx, y as f64 - cy);
        dx * dx + dy * dy <= area / PI
    });
    let square = overlap(inside(), w, |x, y| (x as f64 - cx).abs() < half && (y as f64 - cy).abs() < half);
    if disc.max(square) < FIT {
        Shape::Neither
    } else if square >= disc {
        Shape::Square
    } else {
        Shape::Disc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::shapes::{extent, figure};

    /// Numbers in [0, 1), the same on every run.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f64 {
            // Knuth's MMIX generator; the upper bits are good enough for places.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    const SIDE: usize = 80;

    /// The map of a figure given relative to its centre, which is somewhere about the middle.
    fn map(random: &mut Random, contains: impl Fn(f64, f64) -> bool) -> Vec<u8> {
        let [cx, cy] = [(); 2].map(|()| 39.0 + 2.0 * random.next());
        let at = |i: usize| contains((i % SIDE) as f64 - cx, (i / SIDE) as f64 - cy);
        (0..SIDE * SIDE).map(|i| u8::from(at(i))).collect()
    }

    fn shape(map: &[u8]) -> Shape {
        recognise(map, SIDE, SIDE, 1)
    }

    fn disc(r: f64) -> impl Fn(f64, f64) -> bool {
        move |x, y| x * x + y * y <= r * r
    }

    fn square(side: f64) -> impl Fn(f64, f64) -> bool {
        move |x, y| [x, y].iter().all(|v| (-side / 2.0..side / 2.0).contains(v))
    }

    #[test]
    fn ideal_figures_are_recognised_wherever_they_are() {
        let mut random = Random(1);
        for _ in 0..600 {
            // Areas of the worlds of 28 pixels a side and more, up to those of 128.
            let r = 3.0 * (32.0_f64 / 3.0).powf(random.next());
            let round = map(&mut random, disc(r));
            assert_eq!(shape(&round), Shape::Disc, "radius {r}");
            let boxy = map(&mut random, square(r * PI.sqrt()));
            assert_eq!(shape(&boxy), Shape::Square, "side {}", r * PI.sqrt());
            assert_eq!(extent(&boxy, SIDE, SIDE, 1), 1.0);
            if r >= 7.0 {
                // The two ranges that circularity has over ideal figures of these sizes.
                assert!(figure(&round, SIDE, SIDE, 1).circularity > 0.94);
                assert!(figure(&boxy, SIDE, SIDE, 1).circularity < 0.94);
            }
        }
    }

    #[test]
    fn the_smallest_figures_are_recognised_mostly() {
        let mut random = Random(2);
        let mut right = [0, 0];
        for _ in 0..1000 {
            // A world of 16 pixels a side.
            let r = 1.75 + 2.25 * random.next();
            right[0] += usize::from(shape(&map(&mut random, disc(r))) == Shape::Disc);
            right[1] += usize::from(shape(&map(&mut random, square(r * PI.sqrt()))) == Shape::Square);
        }
        // One disc in eleven has the pixels of a square.
        assert!(right[0] >= 880 && right[1] == 1000, "{right:?}");
    }

    #[test]
    fn ragged_and_cut_figures_keep_their_shape() {
        let mut random = Random(3);
        for _ in 0..200 {
            let r = 7.0 + 9.0 * random.next();
            for (whole, expected) in [
                (map(&mut random, disc(r)), Shape::Disc),
                (map(&mut random, square(r * 1.77)), Shape::Square),
            ] {
                // One in twelve of the pixels at the boundary, on either side of it, changes over.
                let mut ragged = whole.clone();
                for i in SIDE..SIDE * (SIDE - 1) {
                    let neighbours = [i - 1, i + 1, i - SIDE, i + SIDE];
                    if neighbours.iter().any(|&j| whole[j] != whole[i]) && random.next() < 1.0 / 12.0 {
                        ragged[i] = 1 - ragged[i];
                    }
                }
                assert_eq!(shape(&ragged), expected, "radius {r}");
                if expected == Shape::Square {
                    continue;
                }
                // A pixel beyond the border, as a disc of the worlds may be.
                let first = (0..SIDE).find(|x| (0..SIDE).any(|y| whole[y * SIDE + x] == 1)).expect("there");
                let cut: Vec<u8> =
                    whole.chunks(SIDE).flat_map(|row| row[first + 1..].iter().copied()).collect();
                assert_eq!(recognise(&cut, SIDE, SIDE - first - 1, 1), expected, "radius {r}, cut");
            }
        }
    }

    #[test]
    fn anything_else_is_neither() {
        let mut random = Random(4);
        for _ in 0..200 {
            let r = 7.0 + 9.0 * random.next();
            let angle = PI * random.next();
            let (sin, cos) = angle.sin_cos();
            let turned = |x: f64, y: f64| (x * cos + y * sin, y * cos - x * sin);
            let ellipse = map(&mut random, |x, y| {
                let (u, v) = turned(x, y);
                disc(r)(u / 1.5_f64.sqrt(), v * 1.5_f64.sqrt())
            });
            assert_eq!(shape(&ellipse), Shape::Neither, "ellipse {r} {angle}");
            let ring = map(&mut random, |x, y| disc(r)(x, y) && !disc(0.4 * r)(x, y));
            assert_eq!(shape(&ring), Shape::Neither, "ring {r}");
            let triangle = map(&mut random, |x, y| {
                (0..3).all(|k| {
                    let (sin, cos) = (angle + f64::from(k) * 2.0 * PI / 3.0).sin_cos();
                    x * cos + y * sin <= 0.7 * r
                })
            });
            assert_eq!(shape(&triangle), Shape::Neither, "triangle {r} {angle}");
            let diamond = map(&mut random, |x, y| x.abs() + y.abs() <= 1.25 * r);
            assert_eq!(shape(&diamond), Shape::Neither, "diamond {r}");
            let bar = map(&mut random, |x, y| square(2.0 * r)(x, 1.6 * y));
            assert_eq!(shape(&bar), Shape::Neither, "bar {r}");
            let two = map(&mut random, |x, y| disc(r)(x - 18.0, y) || disc(0.8 * r)(x + 18.0, y));
            assert_eq!(shape(&two), Shape::Neither, "two discs {r}");
        }
        for density in [0.02, 0.3, 0.5, 0.7, 0.9] {
            let noise: Vec<u8> = (0..SIDE * SIDE).map(|_| u8::from(random.next() < density)).collect();
            assert_eq!(shape(&noise), Shape::Neither, "{density}");
        }
        assert_eq!(shape(&[0; SIDE * SIDE]), Shape::Neither, "nothing at all");
    }
}
