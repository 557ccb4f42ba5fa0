//! Descriptors of class maps against closed forms, and against counting over all pairs of pixels.

use std::f64::consts::PI;

use invnet::data::circles::CircleWorld;
use invnet::data::source::Look;
use invnet::eval::descriptors::{
    chords, compare, grains, interface_length, lineal_path, regions, two_point, two_point_cluster,
    wasserstein1,
};
use invnet::rng;

/// Words that are the same on every run.
fn words(seed: u64, count: usize) -> Vec<u32> {
    let state = rng::state(seed);
    (0..count.div_ceil(4) as u64).flat_map(|block| rng::philox(&state, 0, block)).take(count).collect()
}

/// A map of `h` x `w` pixels, each of class 1 with probability `p`, independently.
fn bernoulli(seed: u64, h: usize, w: usize, p: f64) -> Vec<u8> {
    words(seed, h * w).into_iter().map(|word| u8::from(rng::unit(word) < p)).collect()
}

fn from_fn(h: usize, w: usize, class: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    (0..h * w).map(|i| class(i % w, i / w)).collect()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (r, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what} at {r}: {a} instead of {b}");
    }
}

/// Two-point functions by visiting all ordered pairs of pixels: hits and pairs for each shift, then
/// the mean over the shifts of each bin. `same` is whether two pixels count.
fn brute_force(
    h: usize,
    w: usize,
    periodic: bool,
    bins: usize,
    same: impl Fn(usize, usize) -> bool,
) -> Vec<f64> {
    let mut shifts = std::collections::BTreeMap::<(i64, i64), (f64, f64)>::new();
    // The shift of least length between two places on a ring, of equals the positive one.
    let wrapped = |d: i64, n: usize| {
        let d = d.rem_euclid(n as i64);
        if 2 * d > n as i64 { d - n as i64 } else { d }
    };
    for i in 0..h * w {
        for j in 0..h * w {
            let (dy, dx) = ((j / w) as i64 - (i / w) as i64, (j % w) as i64 - (i % w) as i64);
            let shift = if periodic { (wrapped(dy, h), wrapped(dx, w)) } else { (dy, dx) };
            let entry = shifts.entry(shift).or_default();
            entry.0 += f64::from(u8::from(same(i, j)));
            entry.1 += 1.0;
        }
    }
    let mut sums = vec![(0.0, 0.0); bins];
    for ((dy, dx), (hits, pairs)) in shifts {
        let r = (((dy * dy + dx * dx) as f64).sqrt() + 0.5).floor() as usize;
        if let Some(sum) = sums.get_mut(r) {
            sum.0 += hits / pairs;
            sum.1 += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}

#[test]
fn two_point_functions_agree_with_counting_all_pairs() {
    for (seed, (h, w)) in [(8, 8), (9, 12), (12, 7), (1, 5), (16, 16)].into_iter().enumerate() {
        let map = bernoulli(seed as u64, h, w, 0.55);
        for periodic in [true, false] {
            let bins = if periodic { h.min(w) / 2 + 1 } else { h.min(w) };
            let labels = regions(&map, h, w, periodic).labels;
            for class in [0, 1] {
                let what = format!("{h} x {w}, periodic {periodic}, class {class}");
                // Counts of pairs are whole numbers on both sides: what differs is the rounding of sums.
                let both = brute_force(h, w, periodic, bins, |i, j| map[i] == class && map[j] == class);
                assert_near(&two_point(&map, h, w, class, periodic, bins), &both, 1e-12, &what);
                let together =
                    brute_force(h, w, periodic, bins, |i, j| map[i] == class && labels[i] == labels[j]);
                assert_near(&two_point_cluster(&map, h, w, class, periodic, bins), &together, 1e-12, &what);
            }
        }
    }
}

#[test]
fn a_random_field_has_no_correlation() {
    let (side, p) = (256, 0.6_f64);
    let map = bernoulli(3, side, side, p);
    for periodic in [true, false] {
        let s2 = two_point(&map, side, side, 1, periodic, 9);
        // 65,536 pixels: p is met within 4 standard deviations of 0.0019.
        assert!((s2[0] - p).abs() < 0.008);
        for (r, value) in s2.iter().enumerate().skip(1) {
            // The spread of p^2 is that of p times 2 p, more than that of the pairs of a bin.
            assert!((value - p * p).abs() < 0.011, "S2({r}) = {value}");
        }
        let lineal = lineal_path(&map, side, side, 1, periodic, 9);
        for (r, value) in lineal.iter().enumerate() {
            // r + 1 independent pixels.
            assert!((value - p.powi(r as i32 + 1)).abs() < 0.011, "L({r}) = {value}");
        }
        // Chords of n pixels have probability (1 - p) p^(n - 1): mean 1 / (1 - p), variance
        // p / (1 - p)^2; some 50,000 of them.
        let chords = chords(&map, side, side, 1, periodic);
        let mean = chords.iter().sum::<usize>() as f64 / chords.len() as f64;
        assert!((mean - 1.0 / (1.0 - p)).abs() < 0.05, "mean chord {mean} of {}", chords.len());
        // Steps cross an interface with probability 2 p (1 - p), in all directions.
        let crossing = 2.0 * p * (1.0 - p);
        let length = PI / 8.0 * crossing * (2.0 + 2.0_f64.sqrt());
        assert!((interface_length(&map, side, side, periodic) / length - 1.0).abs() < 0.02);
    }
}

#[test]
fn stripes_have_the_curves_of_a_square_wave() {
    // Rows in bands of 4: along rows a segment stays in its band, along columns with 4 - r of 8 starts.
    let map = from_fn(16, 16, |_, y| u8::from(y % 8 < 4));
    let expected: Vec<f64> = (0..6).map(|r| (0.5 + (4.0 - f64::from(r)).max(0.0) / 8.0) / 2.0).collect();
    assert_near(&lineal_path(&map, 16, 16, 1, true, 6), &expected, 1e-12, "L of stripes");
    // Lines along the bands have no ends; each column has two chords of 4.
    assert_eq!(chords(&map, 16, 16, 1, true), [4; 32]);
    // Not periodic the first band of each column is at the border.
    assert_eq!(chords(&map, 16, 16, 1, false), [4; 16]);
    assert_eq!(chords(&map, 16, 16, 0, false), [4; 16]);
    // Two bands of a class that is not their neighbours': clusters are the bands.
    assert_eq!(regions(&map, 16, 16, true).areas(1).collect::<Vec<_>>(), [64, 64]);
    let grains = grains(&map, 16, 16, true);
    assert_eq!(grains.iter().map(|g| (g.area, g.neighbours)).collect::<Vec<_>>(), [(64, 2); 4]);
}

#[test]
fn a_checkerboard_is_all_corners() {
    let map = from_fn(8, 8, |x, y| ((x + y) % 2) as u8);
    assert_eq!(regions(&map, 8, 8, true).regions.len(), 64, "corners do not connect");
    // Bin 1 holds the 4 vectors to the sides, of the other class, and the 4 along diagonals
    // (length 1.41), of the same; in a cluster of one pixel there is no pair.
    assert_near(&two_point(&map, 8, 8, 1, true, 2), &[0.5, 0.25], 1e-12, "S2");
    assert_near(&two_point_cluster(&map, 8, 8, 1, true, 2), &[0.5, 0.0], 1e-12, "C2");
    assert_near(&lineal_path(&map, 8, 8, 1, true, 2), &[0.5, 0.0], 1e-12, "L");
    assert_eq!(chords(&map, 8, 8, 1, true), [1; 64]);
    assert!(grains(&map, 8, 8, true).iter().all(|g| g.neighbours == 4 && g.area == 1));
}

#[test]
fn one_pixel_and_one_class() {
    let map = from_fn(6, 6, |x, y| u8::from((x, y) == (0, 5)));
    for periodic in [true, false] {
        let alone = [1.0 / 36.0, 0.0, 0.0];
        assert_near(&two_point(&map, 6, 6, 1, periodic, 3), &alone, 1e-12, "S2 of a pixel");
        assert_near(&two_point_cluster(&map, 6, 6, 1, periodic, 3), &alone, 1e-12, "C2 of a pixel");
        assert_near(&lineal_path(&map, 6, 6, 1, periodic, 3), &alone, 1e-12, "L of a pixel");
        let full = [2; 36];
        assert_near(&two_point(&full, 6, 6, 2, periodic, 4), &[1.0; 4], 1e-12, "S2 of everything");
        assert_near(&two_point_cluster(&full, 6, 6, 2, periodic, 4), &[1.0; 4], 1e-12, "C2 of everything");
        assert_near(&lineal_path(&full, 6, 6, 2, periodic, 6), &[1.0; 6], 1e-12, "L of everything");
        assert!(chords(&full, 6, 6, 2, periodic).is_empty());
        let all = grains(&full, 6, 6, periodic);
        assert_eq!((all.len(), all[0].area, all[0].neighbours), (1, 36, 0));
    }
    // In the corner it has two chords, which a border hides.
    assert_eq!(chords(&map, 6, 6, 1, true), [1, 1]);
    assert!(chords(&map, 6, 6, 1, false).is_empty());
}

#[test]
fn regions_and_grains_wrap_only_where_they_should() {
    let map: Vec<u8> = ["1.2.1", ".....", "22.33", "1.2.1"]
        .iter()
        .flat_map(|row| row.bytes().map(|b| if b == b'.' { 0 } else { b - b'0' }))
        .collect();
    let open = regions(&map, 4, 5, false);
    assert_eq!(open.areas(1).collect::<Vec<_>>(), [1; 4]);
    assert_eq!(open.largest(0), Some(1), "the background is the second region");
    let periodic = regions(&map, 4, 5, true);
    assert_eq!(periodic.areas(1).collect::<Vec<_>>(), [4], "the corners are one");
    assert_eq!(periodic.areas(2).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(periodic.labels[0], periodic.labels[19]);
    for regions in [open, periodic] {
        assert_eq!(regions.regions.iter().map(|r| r.area).sum::<usize>(), 20);
    }
    // Quarters: each has the two beside it, on a torus as well.
    let quarters = from_fn(8, 8, |x, y| (x / 4 + 2 * (y / 4)) as u8);
    for periodic in [true, false] {
        let grains = grains(&quarters, 8, 8, periodic);
        assert!(grains.iter().all(|g| (g.area, g.neighbours) == (16, 2)), "{grains:?}");
        assert!((grains[0].equivalent_diameter() - 8.0 / PI.sqrt()).abs() < 1e-12);
    }
}

#[test]
fn wasserstein_is_the_distance_values_must_move() {
    assert_eq!(wasserstein1(&[1.0, 5.0, 3.0], &[3.0, 1.0, 5.0]), 0.0);
    assert_eq!(wasserstein1(&[0.0], &[2.5]), 2.5);
    assert_eq!(wasserstein1(&[0.0, 1.0], &[10.0, 11.0]), 10.0);
    // Half of the first sample's mass goes from 0 to 1.
    assert_eq!(wasserstein1(&[0.0, 0.0, 1.0, 1.0], &[1.0, 1.0]), 0.5);
    // Samples of different sizes: a third of the mass each at 0, 3, 6 against half at 1 and 5. In
    // sixths: 0, 0, 3, 3, 6, 6 against 1, 1, 1, 5, 5, 5.
    let expected = (1.0 + 1.0 + 2.0 + 2.0 + 1.0 + 1.0) / 6.0;
    assert!((wasserstein1(&[6.0, 0.0, 3.0], &[5.0, 1.0]) - expected).abs() < 1e-12);
}

fn refs(maps: &[Vec<u8>]) -> Vec<&[u8]> {
    maps.iter().map(Vec::as_slice).collect()
}

#[test]
fn comparisons_tell_like_from_unlike() {
    let side = 32;
    let noise =
        |seed: u64, p: f64| -> Vec<Vec<u8>> { (0..40).map(|i| bernoulli(seed + i, side, side, p)).collect() };
    let stripes: Vec<Vec<u8>> =
        (0..40).map(|i| from_fn(side, side, |x, _| u8::from((x + i) % 16 < 8))).collect();
    let (real, alike) = (noise(1000, 0.5), noise(2000, 0.5));
    for look in [Look::Phases, Look::Grains, Look::Figures] {
        let like = compare(look, &refs(&alike), &refs(&real), side, side, true);
        let unlike = compare(look, &refs(&stripes), &refs(&real), side, side, true);
        assert_eq!(like.len(), unlike.len());
        for (like, unlike) in like.iter().zip(&unlike) {
            assert_eq!(like.name, unlike.name);
            assert_eq!(like.real, unlike.real);
            // Real against real is a distance between two samples of the same law, so are these.
            assert!(like.wasserstein < 3.0 * like.wasserstein_real + 1e-12, "{look:?}: {like:?}");
        }
        let of = |name: &str| unlike.iter().find(|c| c.name == name).expect("compared");
        let interface = of("interface length per area");
        assert!(interface.wasserstein > 20.0 * interface.wasserstein_real, "{interface:?}");
        // 2 interfaces in 16 pixels, 5 % short along columns.
        assert!((interface.generated.mean - 0.948 / 8.0).abs() < 1e-3 && interface.generated.std < 1e-12);
    }
}

/// Neighbours in a data set can be snapshots of one simulation. Halves that shared them would be closer
/// to each other than any two samples: of pairs of equal images, nothing apart.
#[test]
fn real_images_are_compared_between_halves_that_share_no_neighbours() {
    let pairs: Vec<Vec<u8>> = (0..40).map(|i| bernoulli(i / 2, 16, 16, 0.5)).collect();
    for found in compare(Look::Phases, &refs(&pairs[..4]), &refs(&pairs), 16, 16, true) {
        assert!(found.wasserstein_real > 0.0, "{found:?}");
    }
}

#[test]
fn a_comparison_is_the_same_on_any_number_of_threads() {
    let maps: Vec<Vec<u8>> = (0..30).map(|i| bernoulli(i, 24, 20, 0.4)).collect();
    let (a, b) = maps.split_at(13);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            [Look::Phases, Look::Grains].map(|look| compare(look, &refs(a), &refs(b), 24, 20, false))
        })
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn figures_are_compared_by_their_shapes() {
    let world = CircleWorld { size: 32 };
    let (real, generated) = (world.generate(60, 1), world.generate(60, 2));
    let maps = |data: &invnet::data::ClassMaps| -> Vec<Vec<u8>> {
        (0..data.count).map(|i| data.map(i).to_vec()).collect()
    };
    let found = compare(Look::Figures, &refs(&maps(&generated)), &refs(&maps(&real)), 32, 32, false);
    let of = |name: &str| found.iter().find(|c| c.name == name).expect("compared");
    // Radii from 3.5 to 8: the grain of the pixels moves a circularity by 3 %, the mean by less than 2 %.
    for class in [1, 2] {
        let circularity = of(&format!("circularity of class {class}"));
        assert!((circularity.generated.mean - 1.0).abs() < 0.02, "{circularity:?}");
        assert_eq!(of(&format!("pieces of class {class}")).real.mean, 1.0);
        assert!((of(&format!("extent of class {class}")).real.mean - PI / 4.0).abs() < 0.02);
    }
    assert_eq!(found.len(), 9);
}
