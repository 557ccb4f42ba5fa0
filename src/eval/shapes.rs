//! Measures of one figure in a class map: where it is, how large, and whether it is one disc.
//!
//! A figure is the set of all pixels of one class in an image `[H, W]`, in as many pieces as it may
//! have. Lengths are in pixels, pixel centres are at 0..W-1 and 0..H-1, and what lies outside the
//! image counts as not belonging to the figure.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::data::circles::Circle;

/// What is measured of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Number of pixels.
    pub area: f64,
    /// Centroid, horizontally, in pixels; the image's centre if there is no figure, so that an
    /// absent figure gives a large error but no NaN.
    pub cx: f64,
    /// Centroid, vertically, in pixels.
    pub cy: f64,
    /// Number of 4-connected pieces. Pixels that touch at a corner only are two pieces: the
    /// stricter rule, and one that every ideal disc of this world's radii passes.
    pub components: usize,
    /// Length of the boundary in pixels, holes and the image's border included.
    pub perimeter: f64,
    /// 4 pi area / perimeter^2: 1 for a disc up to the grain of the pixels (over ideal discs the mean
    /// is 1.003 at radius 7 and 1.000 at 32, the extremes 0.91..1.06 and 0.98..1.02), less for
    /// anything ragged, elongated, hollow or in pieces; 0 if there is no figure.
    pub circularity: f64,
}

/// Measures the figure of `class` in the class map `map`, `[h, w]` row-major.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn figure(map: &[u8], h: usize, w: usize, class: u8) -> Figure {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let (mut area, mut sx, mut sy) = (0.0, 0.0, 0.0);
    for (y, row) in map.chunks_exact(w).enumerate() {
        for x in (0..w).filter(|&x| row[x] == class) {
            area += 1.0;
            sx += x as f64;
            sy += y as f64;
        }
    }
    if area == 0.0 {
        let (cx, cy) = ((w as f64 - 1.0) / 2.0, (h as f64 - 1.0) / 2.0);
        return Figure { area, cx, cy, components: 0, perimeter: 0.0, circularity: 0.0 };
    }
    let perimeter = perimeter(map, h, w, class);
    Figure {
        area,
        cx: sx / area,
        cy: sy / area,
        components: components(map, h, w, class),
        perimeter,
        circularity: 4.0 * PI * area / (perimeter * perimeter),
    }
}

/// The length of the boundary by Crofton's formula in four directions: a curve's length is pi times
/// its mean number of crossings with lines of all directions, over twice their density. Lines are
/// the rows and columns (1 pixel apart) and both diagonals (1/sqrt(2) apart); a crossing is a step
/// along one that enters or leaves the figure.
///
/// It is exact on average for a boundary without preferred direction, which is what a circularity
/// needs; counting pixel edges instead gives 8 r for a disc, and following the boundary's chain of
/// unit and diagonal steps 5 % too much. An axis-parallel square comes out 5 % short.
/// (D. Legland, K. Kieu, M.-F. Devaux: Computation of Minkowski measures on 2D and 3D binary
/// images. Image Analysis & Stereology 26 (2007), 83-92.)
fn perimeter(map: &[u8], h: usize, w: usize, class: u8) -> f64 {
    // Shifted by one: row 0 and column 0 are the outside.
    let inside = |x: usize, y: usize| {
        (1..=w).contains(&x) && (1..=h).contains(&y) && map[(y - 1) * w + x - 1] == class
    };
    let (mut straight, mut diagonal) = (0_u32, 0_u32);
    for y in 0..=h {
        for x in 0..=w {
            let [a, b, c, d] = [inside(x, y), inside(x + 1, y), inside(x, y + 1), inside(x + 1, y + 1)];
            straight += u32::from(a != b) + u32::from(a != c);
            diagonal += u32::from(a != d) + u32::from(b != c);
        }
    }
    PI / 8.0 * (f64::from(straight) + f64::from(diagonal) * FRAC_1_SQRT_2)
}

/// The number of 4-connected pieces, by flooding each with a stack of pixels to visit.
fn components(map: &[u8], h: usize, w: usize, class: u8) -> usize {
    let mut open: Vec<bool> = map.iter().map(|&c| c == class).collect();
    let mut stack = Vec::new();
    let mut pieces = 0;
    for start in 0..open.len() {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        pieces += 1;
        stack.push(start);
        while let Some(i) = stack.pop() {
            let (x, y) = (i % w, i / w);
            let neighbours = [
                (x > 0).then(|| i - 1),
                (x + 1 < w).then_some(i + 1),
                (y > 0).then(|| i - w),
                (y + 1 < h).then_some(i + w),
            ];
            for j in neighbours.into_iter().flatten() {
                if std::mem::take(&mut open[j]) {
                    stack.push(j);
                }
            }
        }
    }
    pieces
}

/// Intersection over union of the figure of `class` with the pixels of an ideal disc that lie on
/// the image, 0..1. If there are neither it is 1.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn iou_with_disc(map: &[u8], h: usize, w: usize, class: u8, disc: &Circle) -> f64 {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let (mut both, mut either) = (0_u32, 0_u32);
    for (i, &c) in map.iter().enumerate() {
        let (figure, ideal) = (c == class, disc.contains(i % w, i / w));
        both += u32::from(figure && ideal);
        either += u32::from(figure || ideal);
    }
    if either == 0 { 1.0 } else { f64::from(both) / f64::from(either) }
}

/// How much samples of one target differ: the share of pixels in which two of them have different
/// classes, 0..1, averaged over all pairs. 0 for fewer than two samples.
///
/// # Panics
/// If the maps differ in size.
#[must_use]
#[track_caller]
pub fn diversity(maps: &[&[u8]]) -> f64 {
    let Some(pixels) = maps.first().map(|map| map.len()).filter(|&n| n > 0 && maps.len() > 1) else {
        return 0.0;
    };
    assert!(maps.iter().all(|map| map.len() == pixels), "class maps of different sizes");
    // At one pixel the pairs that agree follow from how often each class occurs there, so the cost
    // grows with the number of samples, not of pairs.
    let pairs = |n: u64| n * n.saturating_sub(1) / 2;
    let all = pairs(maps.len() as u64);
    let mut differing = 0;
    for i in 0..pixels {
        let mut occurrences = [0_u64; 256];
        for map in maps {
            occurrences[usize::from(map[i])] += 1;
        }
        differing += all - occurrences.into_iter().map(pairs).sum::<u64>();
    }
    differing as f64 / (all as f64 * pixels as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::circles::CircleWorld;

    /// A class map from a drawing: `.` is class 0, a digit its class.
    fn drawn(rows: &[&str]) -> (Vec<u8>, usize, usize) {
        let map =
            rows.iter().flat_map(|row| row.bytes()).map(|b| if b == b'.' { 0 } else { b - b'0' }).collect();
        (map, rows.len(), rows[0].len())
    }

    #[test]
    fn ideal_discs_are_round_and_in_one_piece() {
        let world = CircleWorld { size: 96 };
        let far = Circle { r: 0.1, cx: -9.5, cy: -9.5 };
        let mut mean = 0.0;
        for step in 0..500 {
            let t = f64::from(step) / 500.0;
            // Radii from 7 to 32 with centres at changing places between pixels.
            let disc = Circle {
                r: 7.0 + 25.0 * t,
                cx: 47.0 + 0.37 * t + (31.0 * t).fract(),
                cy: 47.5 + (17.0 * t).fract(),
            };
            let found = figure(&world.rasterise(&[disc, far]), 96, 96, 1);
            assert_eq!(found.components, 1);
            let grain = 0.7 / disc.r;
            assert!((found.circularity - 1.0).abs() < grain, "{disc:?}: {found:?}");
            assert!((found.perimeter / (2.0 * PI * disc.r) - 1.0).abs() < grain / 1.8, "{disc:?}: {found:?}");
            assert!((found.cx - disc.cx).hypot(found.cy - disc.cy) < 0.25, "{disc:?}: {found:?}");
            mean += found.circularity / 500.0;
        }
        assert!((mean - 1.0).abs() < 0.005, "mean circularity of ideal discs {mean}");
    }

    #[test]
    fn the_smallest_discs_of_the_smallest_world_are_in_one_piece() {
        let world = CircleWorld { size: 16 };
        let data = world.generate(500, 2);
        for i in 0..data.count {
            for class in [1, 2] {
                assert_eq!(figure(data.map(i), 16, 16, class).components, 1, "image {i} class {class}");
            }
        }
    }

    #[test]
    fn what_is_no_disc_is_not_round() {
        // Two discs, a ring and a bar, each of the class 1.
        let world = CircleWorld { size: 96 };
        let disc = |r: f64, cx: f64| Circle { r, cx, cy: 48.0 };
        let mut two = world.rasterise(&[disc(14.0, 24.0), disc(14.0, 72.0)]);
        two.iter_mut().for_each(|c| *c = u8::from(*c > 0));
        let found = figure(&two, 96, 96, 1);
        assert_eq!(found.components, 2);
        assert!((found.circularity - 0.5).abs() < 0.03, "two equal discs: {found:?}");
        assert!((found.cx - 48.0).abs() < 1e-9 && (found.cy - 48.0).abs() < 1e-9);

        let ring = world.rasterise(&[disc(28.0, 48.0), disc(14.0, 48.0)]);
        let found = figure(&ring, 96, 96, 1);
        assert_eq!(found.components, 1);
        // Area 3/4, perimeter 3/2 of the full disc.
        assert!((found.circularity - 1.0 / 3.0).abs() < 0.02, "a ring: {found:?}");

        let bar: Vec<u8> = (0..96 * 96).map(|i| u8::from((44..52).contains(&(i / 96)))).collect();
        assert!(figure(&bar, 96, 96, 1).circularity < 0.3);
    }

    #[test]
    fn pieces_are_counted_by_shared_edges() {
        let (map, h, w) = drawn(&["11..2", ".1.2.", "...1.", "1.111"]);
        assert_eq!(figure(&map, h, w, 1).components, 3, "two at the left, and the hook");
        assert_eq!(figure(&map, h, w, 2).components, 2, "a shared corner does not connect");
        let (spiral, h, w) = drawn(&["11111", "....1", "111.1", "1...1", "11111"]);
        assert_eq!(figure(&spiral, h, w, 1).components, 1);
    }

    #[test]
    fn area_and_centroid_of_a_drawing() {
        let (map, h, w) = drawn(&["....", ".33.", ".3..", "...."]);
        let found = figure(&map, h, w, 3);
        assert_eq!(found.area, 3.0);
        assert!((found.cx - 4.0 / 3.0).abs() < 1e-12 && (found.cy - 4.0 / 3.0).abs() < 1e-12);

        let absent = figure(&map, h, w, 1);
        assert_eq!((absent.area, absent.components, absent.circularity), (0.0, 0, 0.0));
        assert_eq!((absent.cx, absent.cy), (1.5, 1.5), "the image's centre");
    }

    #[test]
    fn overlap_with_the_asked_disc() {
        let world = CircleWorld { size: 64 };
        let asked = Circle { r: 10.0, cx: 20.0, cy: 30.0 };
        let other = Circle { r: 8.0, cx: 48.0, cy: 30.0 };
        let map = world.rasterise(&[asked, other]);
        assert_eq!(iou_with_disc(&map, 64, 64, 1, &asked), 1.0);
        assert_eq!(iou_with_disc(&map, 64, 64, 2, &asked), 0.0);
        // Two discs of equal radius a quarter radius apart share a lens.
        let moved = Circle { cx: 22.5, ..asked };
        let half: f64 = 1.25 / 10.0;
        let lens = 2.0 * (half.acos() - half * (1.0 - half * half).sqrt());
        let expected = lens / (2.0 * PI - lens);
        assert!((iou_with_disc(&map, 64, 64, 1, &moved) - expected).abs() < 0.03);
        assert_eq!(iou_with_disc(&map, 64, 64, 9, &Circle { cx: 900.0, ..asked }), 1.0, "neither is there");
    }

    #[test]
    fn diversity_is_the_mean_over_pairs() {
        let maps: [&[u8]; 3] = [&[0, 1, 2, 2], &[0, 1, 2, 0], &[0, 2, 1, 0]];
        // The pairs differ in 1, 3 and 2 of four pixels.
        assert!((diversity(&maps) - 6.0 / 12.0).abs() < 1e-12);
        assert_eq!(diversity(&[maps[0], maps[0]]), 0.0);
        assert_eq!(diversity(&maps[..1]), 0.0);
        assert_eq!(diversity(&[]), 0.0);
    }
}
