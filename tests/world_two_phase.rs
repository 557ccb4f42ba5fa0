//! The physics of phase separation, and the images made of it.

#![allow(clippy::unwrap_used)]

use std::f64::consts::{PI, SQRT_2};

use invnet::data::ClassMaps;
use invnet::data::cahn_hilliard::{Simulation, free_energy, interface_length, mixture};
use invnet::data::two_phase::{NAMES, TwoPhaseWorld};
use invnet::device::{BufferId, Cpu, Device, Place};
use invnet::error::Result;
use invnet::eval::descriptors::{self, Seam};
use invnet::gradcheck::largest;
use invnet::op::{CahnHilliard, Op};

/// A scheme whose number of steps is given with each advance.
fn stepping(dt: f64, kappa: f64) -> CahnHilliard {
    CahnHilliard { steps: 0, dt, kappa, stabiliser: 2.0 }
}

fn mean(u: &[f64]) -> f64 {
    u.iter().sum::<f64>() / u.len() as f64
}

/// Largest drift of a mean over 2,000 steps in pieces, relative to that mean.
fn drift(device: &mut dyn Device) -> f64 {
    let (n, side) = (2, 64);
    let fields = [0, 1].map(|i| mixture(0.3, 0.35, 1, [side, side], 5, i)).concat();
    let mut simulation = Simulation::new(device, stepping(1.0, 1.0), [n, side, side], &fields).unwrap();
    let means = |u: Vec<f64>| -> Vec<f64> { u.chunks_exact(side * side).map(mean).collect() };
    let before = means(simulation.fields().unwrap());
    for _ in 0..10 {
        simulation.advance(200).unwrap();
    }
    assert_eq!(simulation.time(), 2000.0);
    let after = means(simulation.fields().unwrap());
    largest(before.iter().zip(after).map(|(b, a)| ((a - b) / b).abs()))
}

#[test]
fn mass_is_kept() {
    // The zero frequency is never touched within an advance; what drifts is the rounding of the
    // transforms between them.
    let (single, double) = (drift(&mut Cpu::<f32>::new()), drift(&mut Cpu::<f64>::new()));
    assert!(single < 1e-6 && double < 1e-12, "{single:.1e} and {double:.1e}");
}

#[test]
fn free_energy_never_rises() {
    let side = 48;
    let field = mixture(0.2, 0.35, 2, [side, side], 9, 0);
    let mut double = Cpu::<f64>::new();
    // The scheme promises it for any step.
    for dt in [0.1, 1.0, 40.0] {
        let mut simulation =
            Simulation::new(&mut double, stepping(dt, 1.0), [1, side, side], &field).unwrap();
        let mut before = free_energy(&field, [side, side], 1.0);
        let first = before;
        for _ in 0..60 {
            simulation.advance(5).unwrap();
            let energy = free_energy(&simulation.fields().unwrap(), [side, side], 1.0);
            // Rounding of a sum of some thousand terms.
            assert!(energy <= before + 1e-12 * first, "dt {dt}: {before} to {energy}");
            before = energy;
        }
        assert!(before < 0.7 * first, "dt {dt}: only {first} to {before}");
    }
    let mut single = Cpu::<f32>::new();
    let mut simulation = Simulation::new(&mut single, stepping(1.0, 1.0), [1, side, side], &field).unwrap();
    let mut before = free_energy(&simulation.fields().unwrap(), [side, side], 1.0);
    let first = before;
    for _ in 0..60 {
        simulation.advance(10).unwrap();
        let energy = free_energy(&simulation.fields().unwrap(), [side, side], 1.0);
        // Single precision: 6e-8 of each term.
        assert!(energy <= before + 1e-6 * first, "{before} to {energy}");
        before = energy;
    }
}

#[test]
fn planar_interfaces_are_hyperbolic_tangents_between_pure_phases() {
    let (h, w) = (4, 160);
    let mut device = Cpu::<f64>::new();
    // Mean compositions 0 and 0.3: the position of the interfaces, not the phases, depends on it.
    for (kappa, plus) in [(1.0, 80), (2.0, 104), (4.5, 80)] {
        let left = (w - plus) / 2;
        let sharp: Vec<f64> =
            (0..h * w).map(|i| if (left..left + plus).contains(&(i % w)) { 1.0 } else { -1.0 }).collect();
        let mut simulation = Simulation::new(&mut device, stepping(1.0, kappa), [1, h, w], &sharp).unwrap();
        simulation.advance(4000).unwrap();
        let u = simulation.fields().unwrap();
        // By symmetry an interface stays where it began, between two pixels.
        let middle = left as f64 - 0.5;
        let width = (2.0 * kappa).sqrt();
        for x in 0..w / 2 {
            let expected = (x as f64 - middle) / width;
            let found = u[x];
            assert!((found - expected.tanh()).abs() < 0.02, "kappa {kappa}, column {x}: {found}");
            // The width itself, where the profile still says something of it.
            if found.abs() < 0.95 {
                let error = (found.atanh() / expected - 1.0).abs();
                assert!(error < 0.02, "kappa {kappa}, column {x}: the width is off by {error:.3}");
            }
        }
        // Fifteen widths and more from the interfaces.
        let (low, high) = (u[0], u[w / 2]);
        assert!((low + 1.0).abs() < 1e-3 && (high - 1.0).abs() < 1e-3, "kappa {kappa}: {low} and {high}");
        // Each unit of length costs 2 sqrt(2 kappa) / 3 (Cahn and Hilliard 1958).
        let (energy, tension) = (free_energy(&u, [h, w], kappa), 2.0 / 3.0 * width);
        let length = interface_length(&u, [h, w]);
        assert!((length - 2.0 * h as f64).abs() < 1e-6, "kappa {kappa}: length {length}");
        assert!((energy / (tension * length) - 1.0).abs() < 0.02, "kappa {kappa}: energy {energy}");
    }
}

#[test]
fn interface_lengths_are_those_of_discs() {
    let side = 64;
    for radius in [6.3, 12.0, 25.7] {
        // The disc crosses the edge of the image.
        let away = |at: usize, centre: f64| {
            let d = (at as f64 - centre).abs();
            d.min(side as f64 - d)
        };
        let field: Vec<f64> = (0..side * side)
            .map(|i| radius - f64::hypot(away(i / side, 3.2), away(i % side, 40.9)))
            .collect();
        let length = interface_length(&field, [side, side]);
        // Chords of a circle across squares of one pixel, and its distances taken as straight.
        assert!((length / (2.0 * PI * radius) - 1.0).abs() < 5e-3, "radius {radius}: {length}");
    }
    // A saddle: two corners are cut off, each along a diagonal through two edges' middles.
    let saddle = [1.0, -1.0, -1.0, 1.0];
    assert!((interface_length(&saddle, [2, 2]) - 4.0 * SQRT_2).abs() < 1e-12);
}

/// At equal volumes the domains grow as t^(1/3), so that the length of the interfaces falls as
/// t^(-1/3) (Lifshitz and Slyozov 1961). Off the critical composition it is slower at these times.
///
/// Four fields measured from when their interfaces are clean: five other seeds gave 0.331 to 0.342.
#[test]
fn domains_coarsen_as_the_cube_root_of_time() {
    let (n, side) = (4, 192);
    let fields: Vec<f64> = (0..n).flat_map(|i| mixture(0.0, 0.1, 0, [side, side], 8, i as u32)).collect();
    let mut device = Cpu::<f32>::new();
    let mut simulation = Simulation::new(&mut device, stepping(1.0, 1.0), [n, side, side], &fields).unwrap();
    let mut points = Vec::new();
    let mut steps = 0;
    for until in [100, 141, 200, 283, 400, 566, 800, 1131, 1600] {
        simulation.advance(until - steps).unwrap();
        steps = until;
        let fields = simulation.fields().unwrap();
        let length: f64 = fields.chunks_exact(side * side).map(|u| interface_length(u, [side, side])).sum();
        points.push((f64::from(until).ln(), length.ln()));
    }
    let centre = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (centre(|p| p.0), centre(|p| p.1));
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    assert!((0.30..=0.36).contains(&-slope), "exponent {}", -slope);
}

fn threads(count: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap()
}

fn generate(size: usize, count: usize, seed: u64) -> ClassMaps {
    let mut told = Vec::new();
    let set = TwoPhaseWorld { size: [size; 2] }
        .generate(&mut Cpu::<f32>::new(), count, seed, &mut |done, total| told.push((done, total)))
        .unwrap();
    assert_eq!(told.len(), TwoPhaseWorld { size: [size; 2] }.chunks(count));
    assert!(told.last().is_none_or(|&last| last == (count, count)), "{told:?}");
    set
}

#[test]
fn rectangles_show_the_same_pattern_and_go_round() {
    let world = TwoPhaseWorld { size: [48, 80] };
    let set = world.generate(&mut Cpu::<f32>::new(), 256, 3, &mut |_, _| {}).unwrap();
    assert_eq!((set.count, set.height, set.width), (256, 48, 80));
    let maps: Vec<&[u8]> = (0..set.count).map(|i| set.map(i)).collect();
    let seam = Seam::of(&maps, 48, 80).unwrap();
    assert!((seam.ratio - 1.0).abs() < 4.0 * seam.standard_error, "{seam:?}");
    // As coarse along rows as down columns: interfaces a pixel are those of a square of 48.
    let square = generate(48, 256, 3);
    let density = |set: &ClassMaps| {
        let of = |i| descriptors::interface_length(set.map(i), set.height, set.width, true);
        (0..set.count).map(of).sum::<f64>() / set.count as f64
    };
    let ratio = density(&set) / density(&square);
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}

#[test]
fn images_have_two_phases_in_known_shares() {
    let set = generate(64, 512, 1);
    assert_eq!((set.count, set.height, set.width, set.classes), (512, 64, 64, 2));
    assert_eq!(set.names, NAMES);
    assert_eq!((set.maps.len(), set.properties.len()), (512 * 64 * 64, 512));
    let (low, high) = TwoPhaseWorld { size: [64, 64] }.fraction_range();
    let mut shares = [0; 7];
    for i in 0..set.count {
        let map = set.map(i);
        assert!(map.iter().all(|&class| class < 2));
        let p1 = map.iter().filter(|&&class| class == 1).count() as f64 / map.len() as f64;
        assert_eq!(set.property(i), [p1 as f32], "image {i}");
        assert!((low..=high).contains(&p1), "image {i}: {p1}");
        shares[((p1 - low) / (high - low) * 7.0).min(6.0) as usize] += 1;
        // Neighbours that differ: some, or nothing separated; few, or it is noise.
        let rough = (0..64 * 64).filter(|&i| map[i] != map[i / 64 * 64 + (i + 1) % 64]).count();
        assert!((64..1000).contains(&rough), "image {i}: {rough} changes along its rows");
    }
    // Uniform would be 73 each; its deviation over 60 simulations, each of one composition, is 23.
    assert!(shares.iter().all(|&n| n > 36), "{shares:?}");
    let distinct: std::collections::BTreeSet<&[u8]> = (0..set.count).map(|i| set.map(i)).collect();
    assert_eq!(distinct.len(), set.count);
}

#[test]
fn a_seed_decides_the_images_and_threads_do_not() {
    // A size that is averaged from the grid it is simulated on.
    let one = threads(1).install(|| generate(32, 300, 4));
    let three = threads(3).install(|| generate(32, 300, 4));
    assert!(one == three, "one thread and three differ");
    // The chunks are what the whole is made of, each by itself.
    let world = TwoPhaseWorld { size: [32, 32] };
    let mut second = world.generate_chunk(&mut Cpu::<f32>::new(), 4, 1).unwrap();
    assert_eq!(second.count, TwoPhaseWorld::CHUNK);
    second.truncate(300 - TwoPhaseWorld::CHUNK);
    assert_eq!(second.map(0), one.map(TwoPhaseWorld::CHUNK));
    assert!(one.maps.ends_with(&second.maps) && one.properties.ends_with(&second.properties));
    let other = world.generate_chunk(&mut Cpu::<f32>::new(), 5, 0).unwrap();
    let seen: std::collections::BTreeSet<&[u8]> = (0..one.count).map(|i| one.map(i)).collect();
    assert!((0..other.count).all(|i| !seen.contains(other.map(i))), "two seeds share an image");
}

/// A device whose fields never change.
struct Idle(Cpu<f32>);

impl Device for Idle {
    fn name(&self) -> String {
        "idle".into()
    }
    fn real_bytes(&self) -> usize {
        4
    }
    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.0.alloc(bytes)
    }
    fn free(&mut self, block: BufferId) {
        self.0.free(block);
    }
    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.0.upload(to, bytes)
    }
    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.0.download(from, offset, bytes)
    }
    fn run(&mut self, _: &Op, _: &[Place], _: &Place) -> Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
    fn workspace_bytes(&self) -> usize {
        0
    }
}

#[test]
fn a_device_that_separates_nothing_is_an_error() {
    let mut device = Idle(Cpu::new());
    let error = TwoPhaseWorld { size: [64, 64] }.generate_chunk(&mut device, 1, 0).unwrap_err().to_string();
    assert!(error.starts_with("idle: ") && error.lines().count() == 1, "{error}");
}
