//! Measures of one figure in a class map: where it is, how large, and whether it is one disc.
//!
//! A figure is the set of all pixels of one class in an image `[H, W]`, in as many pieces as it may
//! have. Lengths are in pixels, pixel centres are at 0..W-1 and 0..H-1, and what lies outside the
//! image counts as not belonging to the figure.

mod recognise;

use std::f64::consts::PI;

use super::descriptors::{Crossings, regions};
pub use recognise::{Shape, recognise};

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
        components: regions(map, h, w, false).areas(class).count(),
        perimeter,
        circularity: 4.0 * PI * area / (perimeter * perimeter),
    }
}

/// The length of the boundary; beside the image is a ring of pixels that are no figure.
fn perimeter(map: &[u8], h: usize, w: usize, class: u8) -> f64 {
    let inside = |x: usize, y: usize| {
        (1..=w).contains(&x) && (1..=h).contains(&y) && map[(y - 1) * w + x - 1] == class
    };
    Crossings::count(h + 2, w + 2, false, inside).length()
}

/// Area over area of the bounding box of the figure of `class`: 1 for a square or rectangle with
/// sides along the axes, pi / 4 for a disc, 1/2 for a triangle; 0 if there is no figure.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn extent(map: &[u8], h: usize, w: usize, class: u8) -> f64 {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let (mut area, mut left, mut right, mut top, mut bottom) = (0, w, 0, h, 0);
    for (i, _) in map.iter().enumerate().filter(|&(_, &c)| c == class) {
        let (x, y) = (i % w, i / w);
        area += 1;
        (left, right) = (left.min(x), right.max(x + 1));
        (top, bottom) = (top.min(y), bottom.max(y + 1));
    }
    if area == 0 { 0.0 } else { f64::from(area) / ((right - left) * (bottom - top)) as f64 }
}

/// Intersection over union of the figure of `class` with an ideal figure: the pixels of the image
/// for which `contains` (column, row) holds. 0..1; if there are neither it is 1.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn iou_with(map: &[u8], h: usize, w: usize, class: u8, contains: impl Fn(usize, usize) -> bool) -> f64 {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let figure = map.iter().map(|&c| c == class);
    overlap(figure, w, contains)
}

/// Intersection over union of the pixels of a figure, row by row, with an ideal one.
fn overlap(figure: impl Iterator<Item = bool>, w: usize, contains: impl Fn(usize, usize) -> bool) -> f64 {
    let (mut both, mut either) = (0_u32, 0_u32);
    for (i, found) in figure.enumerate() {
        let ideal = contains(i % w, i / w);
        both += u32::from(found && ideal);
        either += u32::from(found || ideal);
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
    use crate::data::circles::{Circle, CircleWorld};

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
        let overlap = |class, disc: Circle| iou_with(&map, 64, 64, class, |x, y| disc.contains(x, y));
        assert_eq!(overlap(1, asked), 1.0);
        assert_eq!(overlap(2, asked), 0.0);
        // Two discs of equal radius a quarter radius apart share a lens.
        let moved = Circle { cx: 22.5, ..asked };
        let half: f64 = 1.25 / 10.0;
        let lens = 2.0 * (half.acos() - half * (1.0 - half * half).sqrt());
        let expected = lens / (2.0 * PI - lens);
        assert!((overlap(1, moved) - expected).abs() < 0.03);
        assert_eq!(overlap(9, Circle { cx: 900.0, ..asked }), 1.0, "neither is there");
    }

    #[test]
    fn overlap_with_any_figure_and_the_extent_of_it() {
        let (map, h, w) = drawn(&["....", ".33.", ".33.", "...."]);
        let square = |x: usize, y: usize| (1..3).contains(&x) && (1..4).contains(&y);
        assert!((iou_with(&map, h, w, 3, square) - 4.0 / 6.0).abs() < 1e-12);
        assert_eq!(iou_with(&map, h, w, 3, |_, _| false), 0.0);
        assert_eq!((extent(&map, h, w, 3), extent(&map, h, w, 1)), (1.0, 0.0));
        let (stairs, h, w) = drawn(&["1...", "11..", "111.", "1111"]);
        assert_eq!(extent(&stairs, h, w, 1), 10.0 / 16.0);
        let world = CircleWorld { size: 64 };
        let far = Circle { r: 0.1, cx: -9.0, cy: -9.0 };
        let disc = world.rasterise(&[Circle { r: 16.0, cx: 30.3, cy: 31.8 }, far]);
        // Over ideal discs of radius 16: 0.776 to 0.810.
        assert!((extent(&disc, 64, 64, 1) - PI / 4.0).abs() < 0.03);
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
