//! The geometry of the circle-and-square world, against formulas.

use std::f64::consts::PI;

use invnet::data::circle_square::{CircleSquareWorld, NAMES, Square, from_properties};
use invnet::data::circles::{Circle, CircleWorld};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Area and centroid of one class.
fn moments(map: &[u8], width: usize, class: u8) -> (f64, f64, f64) {
    let (mut area, mut sx, mut sy) = (0.0, 0.0, 0.0);
    for (i, _) in map.iter().enumerate().filter(|&(_, &c)| c == class) {
        area += 1.0;
        sx += (i % width) as f64;
        sy += (i / width) as f64;
    }
    (area, sx / area, sy / area)
}

#[test]
fn areas_and_centres_stay_in_their_ranges() {
    for size in [16, 32, 64, 128, 256] {
        let world = CircleSquareWorld { size };
        let ((a0, a1), (c0, c1)) = (world.area_range(), world.centre_range());
        let scale = (size as f64 / 128.0).powi(2);
        assert!((a0 / (PI * 14.0 * 14.0 * scale) - 1.0).abs() < 1e-12);
        assert!((a1 / (PI * 32.0 * 32.0 * scale) - 1.0).abs() < 1e-12);
        assert_eq!((c0, c1), CircleWorld { size }.centre_range());
        // Squares and roots round in the last places only.
        let area_fits = |area: f64| area >= a0 * (1.0 - 1e-12) && area <= a1 * (1.0 + 1e-12);
        let mut rng = StdRng::seed_from_u64(size as u64);
        for _ in 0..2_000 {
            let (disc, square) = world.sample(&mut rng);
            assert!(area_fits(PI * disc.r * disc.r), "{disc:?}");
            assert!(area_fits(square.side * square.side), "{square:?}");
            for centre in [disc.cx, disc.cy, square.cx, square.cy] {
                assert!((c0..=c1).contains(&centre), "{disc:?} {square:?}");
            }
        }
    }
}

/// The two areas have one distribution before pairs that touch are discarded, and discarding is
/// nearly even-handed: a square of some area reaches further at its corners and less at its sides.
#[test]
fn neither_shape_is_favoured() {
    let world = CircleSquareWorld { size: 128 };
    let count = 20_000;
    let (mut disc, mut square, mut squares) = (0.0, 0.0, 0.0);
    for row in world.sample_targets(count, 4).chunks_exact(6) {
        disc += f64::from(row[0]).sqrt() / count as f64;
        square += f64::from(row[3]).sqrt() / count as f64;
        squares += f64::from(row[0]) / count as f64;
    }
    let spread = (squares - disc * disc).sqrt();
    // Four standard errors of a difference of two means are 4 * spread * sqrt(2 / 20000) = 0.04 spread;
    // the effect of corners is allowed another 0.06.
    assert!((disc - square).abs() < 0.1 * spread, "roots of areas: {disc} and {square}, spread {spread}");
    // Discarding favours small figures, as in the two-circle world.
    let (low, high) = world.area_range();
    assert!(disc < (low.sqrt() + high.sqrt()) / 2.0 - 0.1 * spread);
}

#[test]
fn figures_have_their_area_and_centroid() {
    for (size, count) in [(16, 400), (17, 400), (64, 400), (128, 200), (256, 50)] {
        let world = CircleSquareWorld { size };
        let data = world.generate(count, 5);
        assert_eq!((data.count, data.height, data.width, data.classes), (count, size, size, 3));
        assert_eq!(data.names, NAMES);
        let (mut bias, mut shift) = (0.0, [0.0; 2]);
        for i in 0..count {
            let map = data.map(i);
            assert!(map.iter().all(|&c| c < 3));
            let (disc, square) = from_properties(data.property(i).try_into().expect("six properties"));

            // An interval of length s, closed on one side, holds floor(s) or ceil(s) integers, and
            // the mean of its first and last is less than 1/2 from its middle. The properties are
            // rounded to f32, which can move a border across a pixel's centre, but not by 1e-4.
            let (area, cx, cy) = moments(map, size, 2);
            let (low, high) = ((square.side - 1e-4).floor(), (square.side + 1e-4).ceil());
            assert!((low * low..=high * high).contains(&area), "size {size}, {square:?}: area {area}");
            let off = (cx - square.cx).abs().max((cy - square.cy).abs());
            assert!(off < 0.5 + 1e-4, "size {size}, {square:?}: centroid off by {off}");
            bias += (area / (square.side * square.side) - 1.0) / count as f64;
            shift[0] += (cx - square.cx) / count as f64;
            shift[1] += (cy - square.cy) / count as f64;

            // Discs are held to tighter bounds, and cut ones allowed for, in the two-circle world.
            let whole =
                [disc.cx, disc.cy].iter().all(|c| c - disc.r >= -0.5 && c + disc.r <= size as f64 - 0.5);
            let (area, cx, cy) = moments(map, size, 1);
            if whole {
                assert!(
                    (area - PI * disc.r * disc.r).abs() < 3.5 * disc.r.powf(2.0 / 3.0),
                    "{disc:?}: {area}"
                );
                assert!((cx - disc.cx).hypot(cy - disc.cy) < 0.85 / disc.r.sqrt(), "{disc:?}: {cx}, {cy}");
            }
        }
        // A pixel count a whole row off is 1/side of the area, at 50 images of 256 or 400 of 16
        // about 0.2 / sqrt(400) / 5 on the mean; positions are off by at most 1/2, uniformly.
        assert!(bias.abs() < 0.02, "size {size}: mean relative area error {bias}");
        for axis in shift {
            // Five standard errors, sqrt(1/12) / sqrt(count) at most.
            assert!(
                axis.abs() < 5.0 * (1.0 / (12.0 * count as f64)).sqrt(),
                "size {size}: shifted by {axis}"
            );
        }
    }
}

/// Sides and offsets are multiples of 1/64, so that nothing rounds and the mean is exact.
#[test]
fn the_mean_pixel_count_of_a_square_is_its_area() {
    for side in [1.0, 7.25, 12.0, 12.984_375] {
        let mut pixels = 0;
        for i in 0..64 {
            for j in 0..64 {
                let at = |k: i32| 12.0 + f64::from(k) / 64.0;
                let square = Square { side, cx: at(i), cy: at(j) };
                pixels += (0..32 * 32).filter(|k| square.contains(k % 32, k / 32)).count();
            }
        }
        assert_eq!(pixels as f64 / 4096.0, side * side, "side {side}");
    }
}

#[test]
fn figures_share_no_pixel_and_no_edge() {
    for size in [16, 64, 128] {
        let world = CircleSquareWorld { size };
        let data = world.generate(500, 3);
        for i in 0..data.count {
            let map = data.map(i);
            let (disc, square) = from_properties(data.property(i).try_into().expect("six properties"));
            assert!(map.contains(&1) && map.contains(&2));
            for y in 0..size {
                for x in 0..size {
                    assert!(
                        !(disc.contains(x, y) && square.contains(x, y)),
                        "{disc:?} {square:?} at {x}, {y}"
                    );
                    let here = map[y * size + x];
                    let right = if x + 1 < size { map[y * size + x + 1] } else { 0 };
                    let below = if y + 1 < size { map[(y + 1) * size + x] } else { 0 };
                    for neighbour in [right, below] {
                        assert!(
                            here == 0 || neighbour == 0 || here == neighbour,
                            "{disc:?} {square:?} at {x}, {y}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn touching_is_a_matter_of_sides_and_corners() {
    let square = Square { side: 10.0, cx: 50.0, cy: 50.0 };
    let disc = |cx, cy| Circle { r: 8.0, cx, cy };
    // 5 to a side, 8 the radius, 1 the pixel between.
    assert!(square.touches(&disc(50.0 + 13.99, 52.0)) && !square.touches(&disc(50.0 + 14.01, 52.0)));
    assert!(square.touches(&disc(48.0, 50.0 - 13.99)) && !square.touches(&disc(48.0, 50.0 - 14.01)));
    // On the diagonal the corner counts: 9 / sqrt(2) = 6.364 on each axis.
    assert!(square.touches(&disc(50.0 + 11.36, 50.0 - 11.36)) && !square.touches(&disc(61.37, 38.63)));
    assert!(square.touches(&disc(50.0, 50.0)), "a disc around the square");
}

#[test]
fn the_seed_alone_decides() {
    let world = CircleSquareWorld { size: 32 };
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| world.generate(333, 9))
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(5));

    let fewer = world.generate(100, 9);
    assert_eq!(fewer.maps, one.maps[..100 * 32 * 32], "a smaller set is the start of a larger one");
    assert_eq!(fewer.properties, one.properties[..600]);
    assert_ne!(one.maps, world.generate(333, 10).maps);
    assert_ne!(fewer.properties, world.sample_targets(100, 9), "targets are not the training set");
    assert_eq!(world.sample_targets(5, 9), world.sample_targets(50, 9)[..30]);
}
