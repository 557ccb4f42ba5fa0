//! The judge itself: real images are as far from real ones as they are, and every way of being unlike shows.

use invnet::data::ClassMaps;
use invnet::data::circles::CircleWorld;
use invnet::data::polycrystal::PolycrystalWorld;
use invnet::data::source::Look;
use invnet::data::two_phase::TwoPhaseWorld;
use invnet::device::Cpu;
use invnet::eval::descriptors::{Comparison, Likeness, compare};
use invnet::rng;

const SIDE: usize = 64;
const COUNT: usize = 512;

fn phases(seed: u64) -> Vec<Vec<u8>> {
    let world = TwoPhaseWorld { size: [SIDE; 2] };
    maps(&world.generate(&mut Cpu::<f32>::new(), COUNT, seed, &mut |_, _| {}).expect("simulations"))
}

fn maps(set: &ClassMaps) -> Vec<Vec<u8>> {
    (0..set.count).map(|i| set.map(i).to_vec()).collect()
}

/// Every map changed, given its number: a function of (map, number, pixel).
fn changed(maps: &[Vec<u8>], f: impl Fn(&[u8], usize, usize) -> u8) -> Vec<Vec<u8>> {
    maps.iter().enumerate().map(|(i, map)| (0..map.len()).map(|p| f(map, i, p)).collect()).collect()
}

/// The pixel `dy` rows and `dx` columns on, round the edges.
fn beside(map: &[u8], p: usize, dy: usize, dx: usize) -> u8 {
    map[(p / SIDE + dy) % SIDE * SIDE + (p % SIDE + dx) % SIDE]
}

fn judged(look: Look, generated: &[Vec<u8>], real: &[Vec<u8>]) -> (Likeness, Vec<Comparison>) {
    let (generated, real): (Vec<&[u8]>, Vec<&[u8]>) =
        (generated.iter().map(Vec::as_slice).collect(), real.iter().map(Vec::as_slice).collect());
    let found = compare(look, &generated, &real, SIDE, SIDE, look == Look::Phases);
    (Likeness::of(&found).expect("ratios"), found)
}

fn ratio(found: &[Comparison], name: &str) -> f64 {
    found.iter().find(|c| c.name == name).and_then(|c| c.ratio).expect("a ratio")
}

#[test]
fn real_phases_are_as_far_from_real_ones_as_they_are_and_others_are_farther() {
    let (real, other) = (phases(1), phases(2));
    let (like, _) = judged(Look::Phases, &other, &real);
    assert!((0.6..1.5).contains(&like.mean_ratio) && like.worst_ratio < 2.5, "{like:?}");

    // Moved round the edges nothing has changed.
    let (moved, _) = judged(Look::Phases, &changed(&other, |map, _, p| beside(map, p, 13, 40)), &real);
    assert!((moved.mean_ratio - like.mean_ratio).abs() < 1e-9, "{moved:?}");

    // Outlines of blocks of 3 x 3 pixels have corners.
    let blocks = changed(&other, |map, _, p| map[p / SIDE / 3 * 3 * SIDE + p % SIDE / 3 * 3]);
    let (_, found) = judged(Look::Phases, &blocks, &real);
    assert!(ratio(&found, "curvature of interfaces") > 4.0);

    // The majority of 5 x 5 pixels.
    let blurred = changed(&other, |map, _, p| {
        let sum: u8 = (0..25).map(|k| beside(map, p, SIDE - 2 + k / 5, SIDE - 2 + k % 5)).sum();
        u8::from(sum > 12)
    });
    let (blurred, found) = judged(Look::Phases, &blurred, &real);
    assert!(ratio(&found, "interface length per area") > 1.5, "{blurred:?}");

    // One pixel in two hundred is wrong.
    let noise = rng::normals(&rng::state(3), 0, COUNT * SIDE * SIDE);
    let noisy = changed(&other, |map, i, p| map[p] ^ u8::from(noise[i * SIDE * SIDE + p] > 2.58));
    let (noisy, found) = judged(Look::Phases, &noisy, &real);
    assert!(noisy.worst_ratio > 10.0 && noisy.worst_descriptor.starts_with("pieces"), "{noisy:?}");
    assert!(ratio(&found, "interface length per area") > 3.0);

    // Only eight images, again and again.
    let collapsed: Vec<Vec<u8>> = (0..COUNT).map(|i| other[i % 8 * 11].clone()).collect();
    let (collapsed, _) = judged(Look::Phases, &collapsed, &real);
    assert!(collapsed.mean_ratio > 2.0 && collapsed.worst_ratio > 3.0, "{collapsed:?}");
}

#[test]
fn a_stray_pixel_in_a_twentieth_of_the_figures_is_seen() {
    let world = CircleWorld { size: SIDE };
    let (real, other) = (maps(&world.generate(COUNT, 1)), maps(&world.generate(COUNT, 2)));
    let (like, found) = judged(Look::Figures, &other, &real);
    assert!((0.5..1.6).contains(&like.mean_ratio) && like.worst_ratio < 2.5, "{like:?}");
    // All real figures are one piece, and so are these.
    assert_eq!(ratio(&found, "pieces of class 1"), 0.0);
    let stray = changed(&other, |map, i, p| if i % 20 == 0 && p == 0 { 1 } else { map[p] });
    let (stray, found) = judged(Look::Figures, &stray, &real);
    assert!(stray.worst_ratio > 10.0 && stray.worst_descriptor == "pieces of class 1", "{stray:?} {found:?}");
}

#[test]
fn real_grains_are_as_far_from_real_ones_as_they_are_and_others_are_farther() {
    let world = PolycrystalWorld {
        size: SIDE,
        grains: 30,
        grains_to: 0,
        spread: 0.3,
        periodic: false,
        orientations: 5,
        concentration: 5.0,
        coarsen: 0,
    };
    let (real, other) = (maps(&world.generate(COUNT, 1)), maps(&world.generate(COUNT, 2)));
    let judged = |generated: &[Vec<u8>]| judged(Look::Grains, generated, &real);
    let (like, found) = judged(&other);
    assert!((0.5..1.6).contains(&like.mean_ratio) && like.worst_ratio < 2.5, "{like:?}");
    // All real images have 30 grains, and so have these.
    assert!(ratio(&found, "grains of an image") < 1.0, "{found:?}");

    // Two orientations that are told apart no more: grains run together.
    let (merged, found) = judged(&changed(&other, |map, _, p| map[p].min(3)));
    assert!(ratio(&found, "grain area") > 5.0 && merged.mean_ratio > 5.0, "{merged:?}");

    // Grains of blocks of 3 x 3 pixels: as many and as large, but their boundaries are longer.
    let (_, found) = judged(&changed(&other, |map, _, p| map[p / SIDE / 3 * 3 * SIDE + p % SIDE / 3 * 3]));
    assert!(ratio(&found, "interface length per area") > 5.0, "{found:?}");

    // A pixel of another orientation in each image is a grain of its own.
    let middle = SIDE / 2 * (SIDE + 1);
    let stray = |map: &[u8], p: usize| if p == middle { (map[p] + 1) % 5 } else { map[p] };
    let (stray, found) = judged(&changed(&other, |map, _, p| stray(map, p)));
    assert!(
        stray.worst_ratio > 10.0 && stray.worst_descriptor == "grains of an image",
        "{stray:?} {found:?}"
    );

    // Only eight images, again and again.
    let collapsed: Vec<Vec<u8>> = (0..COUNT).map(|i| other[i % 8 * 11].clone()).collect();
    let (collapsed, _) = judged(&collapsed);
    assert!(collapsed.mean_ratio > 2.0, "{collapsed:?}");
}
